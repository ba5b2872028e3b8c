# ruff: noqa: E501 - a case is a line
"""Requests that would tell something of PHI in a roundabout way, and those that agents need."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testbed.webrequest import read

from hoopgate.events import OperationFacts
from hoopgate.guardrails.matching import CompiledRule, Subject, covers, touches
from hoopgate.http import fhir_patches, headers, requests, targets
from hoopgate.http.fhir_filling import Pages
from hoopgate.http.wire import Malformed
from hoopgate.settings.model import HTTPTarget, Match, Rule

PATIENT = "/Patient/10000003-0000-4000-8000-000000000000"


def asked(method: str, target: str, document: Any = None) -> OperationFacts:
    """What a request asks for; of a batch, its last entry."""
    body = b"" if document is None else json.dumps(document).encode()
    lines = ["Content-Type: application/fhir+json", f"Content-Length: {len(body)}"] if body else []
    path = targets.parse(target.encode())
    found = requests.inquire(HTTPTarget(format="fhir"), read(method, target, *lines), path, body)
    assert found.operation.facts is not None
    return found.operation.facts[-1]


def passed(*pairs: tuple[str, Any]) -> dict[str, Any]:
    """A Parameters resource: names and members."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, **value} for name, value in pairs],
    }


PROFILE = {"resourceType": "StructureDefinition", "url": "http://x", "kind": "resource"}
OWN = {"resourceType": "Patient", "active": True}


@pytest.mark.parametrize(
    ("method", "target", "document", "reason"),
    [
        # an operation's parameters are in its body as well
        ("POST", "/Observation/$lastn", passed(("patient:Patient.name", {"valueString": "x"})), "phi.predicate"),
        ("POST", "/Observation/$lastn", passed(("value-string", {"valueString": "x"})), "phi.predicate"),
        ("POST", "/Observation/$lastn", passed(("code", {"valueCoding": {"code": "x"}})), "phi.opaque"),
        ("POST", "/Observation/$lastn", passed(("a", {"part": []})), "phi.opaque"),
        ("POST", "/Observation/$lastn", OWN, "phi.opaque"),
        ("POST", "/Observation/$lastn", passed(("max", {"valueInteger": 9999})), "phi.bulk"),
        ("GET", "/Observation/$lastn?max=9999&code=x", None, "phi.bulk"),
        ("GET", "/Observation/$lastn?_count=9999&code=x", None, "phi.bulk"),
        # a profile says what is asked of a record
        ("GET", f"{PATIENT}/$validate?profile=http://x", None, "phi.predicate"),
        ("POST", f"{PATIENT}/$validate", passed(("profile", {"valueUri": "http://x"})), "phi.predicate"),
        ("POST", f"{PATIENT}/$validate?mode=profile", OWN, "phi.predicate"),
        ("POST", "/Patient/$validate", passed(("mode", {"valueCode": "profile"}), ("resource", {"resource": OWN})), "phi.predicate"),
        ("POST", "/StructureDefinition", PROFILE, "phi.sink"),
        ("PUT", "/StructureDefinition/x", {**PROFILE, "id": "x"}, "phi.sink"),
        ("POST", "/SearchParameter", {"resourceType": "SearchParameter", "code": "gender", "expression": "Patient.name"}, "phi.sink"),
        ("POST", "/", {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "SearchParameter"}, "request": {"method": "POST", "url": "SearchParameter"}}]}, "phi.sink"),
        # the order of what is found
        ("GET", "/Patient/_history?_sort=name", None, "phi.predicate"),
        ("GET", f"{PATIENT}/_history?_sort=-birthdate", None, "phi.predicate"),
        ("GET", "/Condition?_sort=onset-age", None, "phi.predicate"),
        ("GET", "/Patient?_sort=-birthdate", None, "phi.predicate"),
        # ages and years that are not shown
        ("GET", "/Condition?onset-age=gt95%7Chttp://unitsofmeasure.org%7Ca", None, "phi.predicate"),
        ("GET", "/Condition?onset-age=gt95", None, "phi.predicate"),
        ("GET", "/Condition?onset-age=ap85%7C%7Ca", None, "phi.predicate"),
        ("GET", "/Condition?onset-age=1e2", None, "phi.predicate"),
        ("GET", "/Condition?abatement-age=lt34000%7C%7Cd", None, "phi.predicate"),
        ("GET", "/Observation?value-quantity=gt93%7C%7Cyears", None, "phi.predicate"),
        ("GET", "/Observation?code-value-quantity=30525-0$gt93%7C%7Ca", None, "phi.predicate"),
        ("GET", "/Patient?birthdate=lt1936", None, "phi.predicate"),
        ("GET", "/Patient?birthdate=ge1970-01", None, "phi.predicate"),
        ("GET", "/Patient?birthdate=ap1970", None, "phi.predicate"),
        ("GET", "/Patient?birthdate=1970,1971-02-03", None, "phi.predicate"),
        ("GET", "/Observation?patient.birthdate=1970-01-01", None, "phi.predicate"),
        # what is no document of a composition, what is no address of a server's
        ("GET", "/Composition/$document?patient.name=x", None, "phi.opaque"),
        ("GET", "/Composition/x/$document?name=x", None, "phi.opaque"),
        ("GET", "/metadata/Patient", None, "phi.opaque"),
    ],
)  # fmt: skip
def test_what_would_tell_is_refused(method: str, target: str, document: Any, reason: str) -> None:
    assert asked(method, target, document).phi == reason


@pytest.mark.parametrize(
    ("method", "target", "document"),
    [
        ("GET", "/Observation/$lastn?patient=x&category=vital-signs&max=3", None),
        ("POST", "/Observation/$lastn", passed(("patient", {"valueString": "Patient/x"}), ("max", {"valueInteger": 3}))),
        ("POST", "/Patient/$validate", OWN),
        ("POST", "/Patient/$validate?profile=http://hl7.org/fhir/us/core/p", OWN),
        ("POST", "/Patient/$validate", passed(("resource", {"resource": OWN}), ("profile", {"valueUri": "http://x"}))),
        ("POST", f"{PATIENT}/$validate", passed(("resource", {"resource": OWN}), ("mode", {"valueCode": "update"}))),
        ("GET", "/Composition/x/$document?persist=false", None),
        ("GET", "/ValueSet/$expand?url=http://x&filter=diab&count=20", None),
        ("POST", "/ValueSet/$expand", passed(("url", {"valueUri": "http://x"}))),
        ("GET", "/CodeSystem/$lookup?system=http://loinc.org&code=8302-2", None),
        ("GET", "/ValueSet?name:contains=diabetes&_count=20", None),
        ("GET", "/StructureDefinition?title=Core&status=active", None),
        ("GET", "/SearchParameter?base=Patient&code=name", None),
        ("GET", "/Patient/_history?_sort=-_lastUpdated&_count=10", None),
        ("GET", "/Condition?onset-age=gt50%7Chttp://unitsofmeasure.org%7Ca", None),
        ("GET", "/Observation?code=8480-6&value-quantity=gt140", None),
        ("GET", "/Observation?component-code-value-quantity=8480-6$gt140", None),
        ("GET", "/Observation?value-quantity=gt100%7C%7Cmg", None),
        ("GET", "/metadata", None),
        ("GET", "/.well-known/smart-configuration", None),
        ("POST", "/ValueSet", {"resourceType": "ValueSet", "url": "http://x"}),
    ],
)  # fmt: skip
def test_what_agents_need_is_asked(method: str, target: str, document: Any) -> None:
    assert asked(method, target, document).phi == ""


@pytest.mark.parametrize("count", ["²", "٣", "1_0", " 1", "1e1", ""])
def test_a_count_is_a_number(count: str) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in count.encode())
    for target in (f"/Patient?_count={escaped}", f"/Observation/$lastn?max={escaped}"):
        with pytest.raises(Malformed) as refused:
            asked("GET", target)
        assert refused.value.status == 400


def test_a_patch_names_no_profile() -> None:
    for step in ({"op": "add", "path": "/meta/profile/-"}, {"op": "add", "path": "/meta/profile"}):
        assert fhir_patches.reasons("Patient", [step]) == ["phi.predicate"]


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("_cursor=1-1700000000000-x", True),
        ("ct=eyJhIjoxfQ%3D%3D", True),
        ("_page_token=Ann%20Canary", False),
        ("_cursor=%C3%A9", False),
        ("page=a%22b", False),
        ("name=Ann", False),
    ],
)
def test_a_page_is_found_by_one_word(query: str, is_shown: bool) -> None:
    url = f"https://h/ehr/Patient?_count=2&{query}"
    found = Pages((("_count", "2"),), ())(lambda own: own)(url)
    assert (found is not None) is is_shown
    assert found is None or "_count=2&" in found


# --- rules by type ----------------------------------------------------------------------------------


def rule(verdict: str, *relations: str) -> CompiledRule:
    """A rule about types of resources."""
    match = Match(relations=frozenset(relations))
    return CompiledRule.of(Rule(name="r", verdict=verdict, match=match), "operator")


@pytest.mark.parametrize(
    "target",
    [
        "/Observation?_include=Observation:performer",
        "/Observation?_include=Observation:performer:Practitioner",
        "/Observation?_include=*",
        "/Observation?_include=Observation:*",
        "/Patient?_revinclude=*",
        "/Patient?_revinclude=Practitioner:x",
        "/Patient?_has:Practitioner:x:_id=1",
        "/Patient?_has:Observation:patient:performer.active=true",
        "/Patient?general-practitioner.active=true",
        "/Patient?general-practitioner:Practitioner.active=true",
        "/Observation?patient.general-practitioner.active=true",
        "/?_id=x",
        "/?_type=Patient,Practitioner",
        "/_history",
        f"{PATIENT}/*",
        f"{PATIENT}/$everything",
        f"{PATIENT}/$everything?_type=Practitioner",
        "/Composition/x/$document",
        "/$export",
    ],
)
def test_a_type_that_is_blocked_is_read_no_other_way(target: str) -> None:
    facts = asked("GET", target)
    assert touches(rule("block", "Practitioner"), Subject(facts, None, None))
    named = {"Patient", "Observation", "Composition"}
    assert not covers(rule("allow", *named), Subject(facts, None, None))


@pytest.mark.parametrize(
    "target",
    [
        "/Observation?patient=x&_include=Observation:subject:Patient",
        "/Observation?_include=Observation:patient",
        "/Patient?_revinclude=Observation:subject",
        "/Patient?_has:Observation:patient:code=x",
        "/Observation?patient.active=true",
        "/Observation?subject:Patient.active=true",
        "/?_type=Patient,Observation",
        f"{PATIENT}/Observation?code=x",
        f"{PATIENT}/$everything?_type=Patient,Observation",
    ],
)
def test_types_that_are_named_are_those_that_are_read(target: str) -> None:
    subject = Subject(asked("GET", target), None, None)
    assert not touches(rule("block", "Practitioner"), subject)
    assert touches(rule("block", "Patient"), subject)
    assert touches(rule("block", "Observation"), subject)
    assert covers(rule("allow", "Patient", "Observation"), subject)


# --- headers ----------------------------------------------------------------------------------------


def sent(*lines: str, fhir: bool = True) -> dict[bytes, bytes]:
    """What goes on of a client's headers."""
    return dict(
        headers.to_upstream(
            read("GET", "/", *lines),
            host="u",
            phi=True,
            fhir=fhir,
            pass_authorization=False,
            peer="1.2.3.4:5",
            secure=True,
            request_id="req",
        )
    )


@pytest.mark.parametrize("name", ["X-Provenance", "x-cascade", "X-Rewrite-History"])
def test_no_header_writes_something_else(name: str) -> None:
    with pytest.raises(Malformed):
        sent(f'{name}: {{"resourceType":"Provenance"}}')


def test_a_fhir_server_gets_the_headers_that_are_known() -> None:
    lines = ("X-Own: 1", "Prefer: return=minimal", "traceparent: 00-1", "X-Upsert-Any: 1")
    assert not {b"x-own", b"x-upsert-any"} & sent(*lines).keys()
    assert {b"prefer", b"traceparent"} <= sent(*lines).keys()
    assert b"x-own" in sent(*lines, fhir=False)
