# ruff: noqa: E501 - a case is a line
"""Twin resources, masked: what a server may hold that differs in PHI alone looks the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hoopgate.phi import documents
from hoopgate.phi.fhir import FHIRMasker

Resource = Callable[[str, int], dict[str, Any]]

YEAR = 2026
#: A word of somebody's, and a number: an age above 89, or how many there are of something.
ONE, OTHER = ("Ann", 93), ("Bartholomew", 97)


def shown(resource: dict[str, Any]) -> bytes:
    """What the client sees of a resource."""
    masker = FHIRMasker((), lambda url: None, YEAR)
    return documents.encode(masker.mask(documents.decode(json.dumps(resource).encode())))


def of(kind: str, **members: Any) -> dict[str, Any]:
    """A resource with these members."""
    return {"resourceType": kind, **members}


def words(word: str) -> list[dict[str, str]]:
    """An extension with something of somebody's."""
    return [{"url": "http://x/y", "valueString": word}]


def age(number: Any, **unit: str) -> dict[str, Any]:
    """An observation of so many of a unit."""
    return of("Observation", valueQuantity={"value": number, **unit})


def aged(code: str, **value: Any) -> dict[str, Any]:
    """An observation of an age, and one with it for a component."""
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **value}
    return of("Observation", **part, component=[part])


def preauthorised(numbers: Any, primitives: Any) -> dict[str, Any]:
    """A claim with a list of texts."""
    return of("Claim", insurance=[{"preAuthRef": numbers, "_preAuthRef": primitives}])


def answered(**value: Any) -> dict[str, Any]:
    """An answer to a question that nobody knows."""
    return of("QuestionnaireResponse", item=[{"linkId": "1", "answer": [value]}])


# fmt: off
CASES: dict[str, Resource] = {
    # definitions: what could be anything, however deep within
    "definition-deep-extension": lambda w, n: of("ValueSet", compose={"include": [{"system": "x", "extension": words(w)}]}),
    "definition-concept-extension": lambda w, n: of("CodeSystem", concept=[{"code": "a", "concept": [{"code": "b", "extension": words(w)}]}]),
    "definition-primitive": lambda w, n: of("ValueSet", title="T", _title={"extension": words(w)}),
    "definition-unknown": lambda w, n: of("ValueSet", nickname=w, compose={"nickname": w}),
    "definition-unknown-primitive": lambda w, n: of("ValueSet", **{f"_{w}": {"extension": [{"url": "x", "valueCode": "y"}]}}),
    "definition-reference": lambda w, n: of("ValueSet", useContext=[{"valueReference": {"display": w}}]),
    "definition-words": lambda w, n: of("ValueSet", compose=[w], contact=w, useContext=[[w]]),
    "definition-contained": lambda w, n: of("ConceptMap", contained=[of("Patient", name=[{"text": w}])]),
    # names of members
    "primitive-name": lambda w, n: of("Patient", **{f"_{w}": {"extension": [{"url": "x", "valueCode": "y"}]}}),
    # URIs that are no names
    **{
        f"uri-{place}-{scheme}": (
            lambda w, n, make=make, scheme=scheme: make(f"{scheme}{w}")  # type: ignore[misc]
        )
        for place, make in {
            "meta": lambda uri: of("Patient", meta={"source": uri}),
            "system": lambda uri: of("Patient", identifier=[{"system": uri, "value": "1"}]),
            "coding": lambda uri: of("Observation", code={"coding": [{"system": uri}]}),
            "parameter": lambda uri: of("Parameters", parameter=[{"name": "a", "valueUri": uri}]),
            "canonical": lambda uri: of("Task", instantiatesCanonical=uri, instantiatesUri=uri),
            "policy": lambda uri: of("Provenance", policy=[uri]),
            "event": lambda uri: of("MessageHeader", eventUri=uri),
        }.items()
        for scheme in ("tel:", "mailto:", "data:,", "sms:", "https://x/Patient?name=", "http://x/a%20", "https://a@", "javascript:")
    },
    # numbers that may be anybody's
    "answer-integer": lambda w, n: answered(valueInteger=n),
    "answer-decimal": lambda w, n: answered(valueDecimal=n / 7),
    "answer-uri": lambda w, n: answered(valueUri=f"http://x/{w}"),
    "answer-old": lambda w, n: answered(valueQuantity={"value": n, "unit": "years"}),
    "task-input": lambda w, n: of("Task", input=[{"valueInteger": n, "valueUri": f"urn:x:{w}"}], output=[{"valueUnsignedInt": n, "valueMoney": {"value": n}}]),
    # ages above 89, in whatever unit
    "age-no-unit": lambda w, n: of("Condition", onsetAge={"value": n}),
    "age-odd-unit": lambda w, n: of("Condition", onsetAge={"value": n, "unit": "Jahre"}),
    "age-extension": lambda w, n: of("Patient", extension=[{"url": "x", "valueAge": {"value": n}}]),
    "age-hours": lambda w, n: of("Condition", onsetAge={"value": n * 8766, "code": "h"}),
    "age-minutes": lambda w, n: age(n * 8766 * 60, code="min"),
    **{
        f"age-{unit}": (lambda w, n, unit=unit: age(n, unit=unit))  # type: ignore[misc]
        for unit in ("a_j", "a_g", "a_t", " Years ", "years old", "year-old", "y/o", "yo", "Yrs.", "{years}", "y.o.", "year(s)")
    },
    "age-range": lambda w, n: of("Observation", valueRange={"low": {"value": n, "code": "a_j"}}),
    "age-bounds": lambda w, n: of("ServiceRequest", occurrenceTiming={"repeat": {"boundsDuration": {"value": n, "unit": "y/o"}}}),
    "age-observed-integer": lambda w, n: aged("30525-0", valueInteger=n),
    "age-observed-quantity": lambda w, n: aged("63900-5", valueQuantity={"value": n, "unit": "1"}),
    "age-observed-snomed": lambda w, n: aged("424144002", valueInteger=n),
    # dates by which somebody is older than 90
    "born": lambda w, n: of("FamilyMemberHistory", bornDate=str(2010 - n)),
    "born-period": lambda w, n: of("FamilyMemberHistory", bornPeriod={"start": str(2010 - n)}),
    "born-primitive": lambda w, n: of("FamilyMemberHistory", _bornDate={"extension": [{"url": "x", "valueDateTime": f"19{n}"}]}),
    "ill-since": lambda w, n: of("Condition", onsetDateTime=f"{2010 - n}-05-06"),
    "birth-extension": lambda w, n: of("Patient", extension=[{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": f"{2010 - n}-05-06"}]),
    "instant": lambda w, n: of("Observation", issued=f"{2010 - n}-05-06T00:00:00Z"),
    # how many texts there are
    "texts-null": lambda w, n: preauthorised([None] + [w] * (n - 90), []),
    "texts-primitive": lambda w, n: preauthorised([w] * (n - 90), [None] * (n - 91) + [{"extension": words(w)}]),
    "texts-primitive-only": lambda w, n: preauthorised([w], [None] * (n - 90)),
}
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_twin_resources_look_the_same(case: str) -> None:
    one, other = (shown(CASES[case](*who)) for who in (ONE, OTHER))
    assert one == other
    assert b"Ann" not in one


def test_what_is_no_age_and_no_number_of_anybody_is_shown() -> None:
    def value(**unit: Any) -> Any:
        return json.loads(shown(age(120, **unit)))["valueQuantity"]["value"]

    assert value(unit="mm[Hg]") == value(unit="/min") == value(code="mg/dL") == value() == 120
    assert json.loads(shown(aged("30525-0", valueInteger=89)))["valueInteger"] == 89
    assert json.loads(shown(aged("8867-4", valueInteger=120)))["valueInteger"] == 120
    assert json.loads(shown(of("Condition", onsetAge={"value": 52})))["onsetAge"]["value"] == 52
    answer = {"valueQuantity": {"value": 71, "unit": "kg"}}
    assert json.loads(shown(answered(**answer)))["item"][0]["answer"] == [answer]


@pytest.mark.parametrize(
    "uri",
    [
        "http://loinc.org",
        "http://hl7.org/fhir/StructureDefinition/Patient|4.0.1",
        "urn:oid:2.16.840.1.113883.6.1",
        "urn:uuid:5b7f2cbb-0f36-4a3a-9d0f-000000000001",
        "urn:iso:std:iso:3166",
        "http://snomed.info/sct/900000000000207008/version/20240101",
        "http://snomed.info/sct?fhir_vs=isa/73211009",
        "#a1b2c3",
        "StructureDefinition/1",
        "https://example.org:8443/fhir/CodeSystem/a.b-c_d~e",
    ],
)
def test_uris_that_are_names_are_shown(uri: str) -> None:
    assert json.loads(shown(of("Patient", meta={"source": uri})))["meta"] == {"source": uri}


def test_definitions_are_shown_otherwise() -> None:
    value_set = of(
        "ValueSet",
        id="v",
        url="http://x/v",
        title="Kinds of things",
        text={"status": "generated", "div": "<div>Kinds</div>"},
        compose={"include": [{"system": "http://x", "concept": [{"code": "a", "display": "A b"}]}]},
        expansion={"total": 1, "contains": [{"code": "a", "contains": [{"code": "b"}]}]},
    )
    assert json.loads(shown(value_set)) == value_set
    profile = of(
        "StructureDefinition",
        snapshot={"element": [{"id": "Patient.name", "min": 0, "type": [{"code": "HumanName"}]}]},
    )
    assert json.loads(shown(profile)) == profile
