"""Searches of FHIR, R4 and R5: which compare what is not shown."""

from __future__ import annotations

import pytest

from hoopgate.phi.fhir_places import compares_hidden, roots
from hoopgate.phi.fhir_search import OPAQUE, PREDICATE, parameters, search
from hoopgate.plans import Method, PathMask


@pytest.mark.parametrize(
    ("resource", "name", "value"),
    [
        ("Observation", "code", "http://loinc.org|29463-7,29463-8"),
        ("Observation", "code:in", "http://hl7.org/fhir/ValueSet/x"),
        ("Observation", "value-quantity", "gt5.4|http://unitsofmeasure.org|kg"),
        ("Observation", "code-value-quantity", "29463-7$gt60"),
        ("Observation", "component-code-value-concept", "a|b$c|d"),
        ("Observation", "subject", "Patient/1"),
        ("Observation", "patient", "1,2"),
        ("Observation", "subject:missing", "true"),
        ("Observation", "subject:Patient.gender", "female"),
        ("Observation", "date", "ge2020-01-01"),
        ("Patient", "gender", "female"),
        ("Patient", "deceased", "true"),
        ("Patient", "_id", "1,2-a.b"),
        ("Patient", "_lastUpdated", "ge2020"),
        ("Patient", "_has:Observation:patient:code", "29463-7"),
        ("Patient", "_sort", "-_lastUpdated,gender"),
        ("Practitioner", "communication", "en"),
        # --- of R5 alone
        ("Encounter", "date-start", "ge2020"),
        ("Encounter", "subject-status", "arrived"),
        ("NutritionIntake", "nutrition", "x"),
        ("MedicationRequest", "code", "x"),
        ("Task", "actor", "Practitioner/1"),
        ("Subscription", "topic", "http://x"),
        ("BodyStructure", "excluded_structure", "x"),
    ],
)
def test_codes_references_quantities_and_dates_may_be_searched(
    resource: str, name: str, value: str
) -> None:
    assert search(resource, name, value).reason == ""


@pytest.mark.parametrize(
    ("resource", "name", "value"),
    [
        ("Patient", "name", "x"),
        ("Patient", "birthdate", "1970"),
        ("Patient", "death-date", "2020"),
        ("Observation", "value-string", "x"),
        ("Observation", "code-value-string", "a$x"),
        ("Observation", "code:text", "x"),
        ("Observation", "code:code-text", "x"),
        ("Observation", "subject:identifier", "x"),
        ("Observation", "subject.birthdate", "1970"),
        # --- URLs of attachments and endpoints, UIDs: left out where they are shown
        ("DocumentReference", "location", "http://x/Ann"),
        ("MessageHeader", "source-uri", "http://x"),
        ("Subscription", "url", "http://x"),
        ("ImagingStudy", "series", "1.2.3"),
        ("ImagingStudy", "instance", "1.2.3"),
        ("ImagingSelection", "study-uid", "1.2.3"),
        # --- values that are never shown
        ("Observation", "code", "Ann Canary"),
        ("Observation", "code", "http://loinc.org|x,of Ann"),
        ("Observation", "code-value-concept", "x$Ann Canary"),
        ("Observation", "subject", "http://elsewhere.example/Patient/999-11-1111"),
        ("Observation", "subject", "Patient?identifier=9"),
        ("Patient", "_id", "Ann Canary"),
        ("Patient", "_tag", "of Ann"),
        ("Patient", "_has:Observation:patient:code", "Ann Canary"),
        ("Observation", "subject:Patient.gender", "see Ann"),
        # --- of R5 alone
        ("RelatedPerson", "family", "x"),
        ("RelatedPerson", "given", "x"),
        ("Group", "name", "x"),
        ("Observation", "value-markdown", "x"),
        ("Person", "death-date", "2020"),
        ("Device", "serial-number", "x"),
        ("Location", "near", "1|2|3|km"),
        ("Patient", "_text", "x"),
    ],
)
def test_text_identifiers_and_births_may_not(resource: str, name: str, value: str) -> None:
    assert search(resource, name, value).reason == PREDICATE


@pytest.mark.parametrize(
    ("resource", "name"),
    [("Patient", "whatever"), ("Nothing", "code"), ("Patient", "_has:x"), ("", "code")],
)
def test_what_neither_version_knows_is_not_known(resource: str, name: str) -> None:
    assert search(resource, name, "x").reason == OPAQUE


def test_both_versions_are_known() -> None:
    known = parameters()
    assert sum(map(len, known.values())) > 2200
    assert {"EffectEvidenceSynthesis", "NutritionIntake"} <= known.keys()


HIDING = roots(
    [
        PathMask("Observation.valueQuantity", "WEIGHT", Method.REDACT),
        PathMask("Condition.code.coding.code", "CODE", Method.NULL),
        PathMask("Patient.gender", "GENDER", Method.NULL),
        PathMask("Encounter.*", "ALL", Method.REDACT),
        PathMask("Period.start", "DAY", Method.GENERALISE),
        PathMask("CodeableConcept.text", "TEXT", Method.REDACT),
        PathMask("Identifier.value", "MRN", Method.TOKEN),
        PathMask("Procedure.code", "x", None),
    ]
)


@pytest.mark.parametrize(
    ("resource", "name", "hidden"),
    [
        ("Observation", "value-quantity", True),
        ("Observation", "code-value-quantity", True),
        ("Observation", "component-value-quantity", False),
        ("Observation", "combo-value-quantity", True),
        ("Observation", "code", False),
        ("Observation", "subject", False),
        ("Observation", "subject:Patient.gender", True),
        ("Observation", "_sort", False),
        ("Patient", "gender", True),
        ("Patient", "_has:Condition:patient:code", True),
        ("Patient", "active", False),
        ("Condition", "code", True),
        ("Condition", "category", False),
        ("Encounter", "status", True),
        ("Observation", "date", True),
        ("Procedure", "code", False),
    ],
)
def test_what_the_data_dictionary_hides_is_not_searched(
    resource: str, name: str, hidden: bool
) -> None:
    places = search(resource, name).places
    assert any(compares_hidden(one, HIDING) for one in places) is hidden
