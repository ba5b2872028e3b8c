"""A real FHIR server behind the gateway: nothing labelled reaches the client, by any request.

The judge is noninterference: two servers that differ in PHI alone, the same requests, the same
bytes.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from testbed.webclinic import Twins

HOOPGATE = Path(sys.executable).with_name("hoopgate")
PATIENT = "10000003-0000-4000-8000-000000000000"
CONDITION = "20000019-0000-4000-8000-000000000000"
OBSERVATION = "30000019-0000-4000-8000-000000000000"
#: What differs from one answer to the next whatever is asked.
OWN = {"hoopgate-request", "date"}


@pytest.fixture(scope="module")
def agents(twins: Twins) -> Iterator[dict[str, httpx.Client]]:
    """httpx with a token, a client per resource."""
    context = ssl.create_default_context(cafile=str(twins.certificates.ca))
    headers = {"Authorization": f"Bearer {twins.token()}"}
    made = {
        name: httpx.Client(verify=context, base_url=twins.url(), headers=headers, timeout=60)
        for name in ("ehra", "ehrb")
    }
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def agent(agents: dict[str, httpx.Client]) -> httpx.Client:
    """The one for ``ehra``."""
    return agents["ehra"]


def seen(agent: httpx.Client, name: str, method: str, path: str, **more: Any) -> str:
    """Everything that the client receives, with the resource's name and the request's id alike."""
    answer = agent.request(method, f"/{name}{path}", **more)
    headers = sorted((key, value) for key, value in answer.headers.items() if key not in OWN)
    body = answer.text
    if "problem+json" in answer.headers.get("content-type", ""):
        body = body.replace(answer.headers.get("hoopgate-request", "-"), "req")
    return f"{answer.status_code} {headers} {body}".replace(name, "ehr?")


def test_a_patient_is_shown_without_identity(agent: httpx.Client) -> None:
    answer = agent.get(f"/ehra/Patient/{PATIENT}")
    patient = answer.json()
    assert answer.headers["content-type"] == "application/fhir+json"
    assert "no-store" in answer.headers["cache-control"]
    assert "last-modified" not in answer.headers
    assert "Canary" not in answer.text
    assert patient["id"] == PATIENT
    assert patient["gender"] == "female"
    assert patient["birthDate"] == "1936"  # 1933: 90 or older
    assert patient["name"] == [
        {"use": "official", "text": "[NAME]", "family": "[NAME]", "given": ["[NAME]"]}
    ]
    assert [one["value"] for one in patient["identifier"]] == ["[IDENTIFIER]"] * 2
    assert answer.headers["etag"] == f'W/"{patient["meta"]["versionId"]}"'


def test_observations_keep_what_they_measure(agent: httpx.Client) -> None:
    bundle = agent.get("/ehra/Observation?code=29463-7&_count=5").json()
    assert len(bundle["entry"]) == 5
    for entry in bundle["entry"]:
        observation = entry["resource"]
        assert 60 <= observation["valueQuantity"]["value"] <= 100
        assert observation["effectiveDateTime"] == "2024"
        assert observation["component"][0]["valueString"] == "[TEXT]"
        assert observation["subject"]["reference"].startswith("Patient/")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/Patient?name=CristCanary", "phi.predicate"),
        ("/Patient?family:exact=x", "phi.predicate"),
        ("/Patient?birthdate=ge1980", "phi.predicate"),
        ("/Patient?identifier=999-1", "phi.predicate"),
        ("/Patient?_sort=-family", "phi.predicate"),
        ("/Patient?_filter=name+eq+x", "phi.predicate"),
        ("/Patient?_content=x", "phi.predicate"),
        ("/Patient?telecom=555", "phi.predicate"),
        ("/Observation?subject:Patient.name=x", "phi.predicate"),
        ("/Observation?patient.family=x", "phi.predicate"),
        ("/Observation?value-string=x", "phi.predicate"),
        ("/Observation?code:text=x", "phi.predicate"),
        ("/Organization?_has:Patient:organization:name=x", "phi.predicate"),
        ("/Patient?whatever=1", "phi.opaque"),
        ("/Patient/$match", "phi.opaque"),
        ("/$graphql?query={x}", "phi.opaque"),
        ("/Patient/$export", "approval.pending"),
        ("/$export", "approval.pending"),
        (f"/Patient/{PATIENT}/$everything", "approval.pending"),
        ("/Patient?_count=100000", "approval.pending"),
        ("/patient/1", "phi.opaque"),
        ("/exports?name=x", "phi.opaque"),
        ("/$export-poll-status?name=x", "phi.opaque"),
        ("/$exports?name=x", "phi.opaque"),
        ("/$export/Patient?name=x", "phi.opaque"),
        ("/DocumentReference?location=http://x/y", "phi.predicate"),
        ("/Observation?code=of%20Ann", "phi.predicate"),
        ("/Observation?subject=http://elsewhere.example/Patient/1", "phi.predicate"),
        ("/Encounter?date-start=ge2020&subject.family=x", "phi.predicate"),
        ("/Nonsense", "phi.opaque"),
    ],
)
def test_what_would_tell_is_refused(agent: httpx.Client, path: str, reason: str) -> None:
    answer = agent.get(f"/ehra{path}")
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["reason"] == reason
    if reason == "approval.pending":
        assert problem["approval"].startswith("apr-")
        assert answer.headers["retry-after"]


def test_what_would_tell_is_refused_in_bodies_too(agent: httpx.Client) -> None:
    def reason(method: str, path: str, **more: Any) -> str:
        answer = agent.request(method, f"/ehra{path}", **more)
        assert answer.status_code in (403, 422), answer.text
        return str(answer.json()["reason"])

    assert reason("POST", "/Patient/_search", data={"name": "x"}) == "phi.predicate"
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient?identifier=1"}}
    assert reason("POST", "/Condition", json=condition) == "phi.predicate"
    patient = {"resourceType": "Patient", "name": [{"text": "[NAME]"}]}
    assert reason("PUT", f"/Patient/{PATIENT}", json=patient) == "phi.redacted"
    fine = {"resourceType": "Patient", "active": True}
    exists = {"If-None-Exist": "identifier=1"}
    assert reason("POST", "/Patient", json=fine, headers=exists) == "phi.predicate"
    assert reason("PUT", "/Patient?name=x", json=fine) == "phi.predicate"
    assert reason("DELETE", "/Patient?name=x") == "phi.predicate"
    sink = {"resourceType": "Subscription", "channel": {"endpoint": "https://evil.example"}}
    assert reason("POST", "/Subscription", json=sink) == "phi.sink"
    patch = {"Content-Type": "application/json-patch+json"}
    for step, why in (
        ({"op": "test", "path": "/name/0/family", "value": "x"}, "phi.predicate"),
        ({"op": "copy", "from": "/name/0/family", "path": "/language"}, "phi.sink"),
    ):
        body = json.dumps([step])
        assert reason("PATCH", f"/Patient/{PATIENT}", content=body, headers=patch) == why
    entry = {"request": {"method": "GET", "url": "Patient?name=x"}}
    good = {"request": {"method": "GET", "url": f"Patient/{PATIENT}"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [good, entry]}
    assert reason("POST", "/", json=batch) == "phi.predicate"


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/Patient?_format=xml", {}, 406),
        ("GET", "/Patient?_count=x", {}, 400),
        (
            "POST",
            "/Patient",
            {"content": b"<Patient/>", "headers": {"Content-Type": "text/xml"}},
            415,
        ),
        ("POST", "/Patient", {"json": {"resourceType": "Observation"}}, 400),
        (
            "POST",
            "/Patient",
            {
                "content": b'{"resourceType":"Patient","resourceType":"Patient"}',
                "headers": {"Content-Type": "application/fhir+json"},
            },
            400,
        ),
        ("POST", "/", {"json": {"resourceType": "Bundle", "type": "history"}}, 400),
    ],
)
def test_what_cannot_be_understood_is_refused(
    agent: httpx.Client, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    assert agent.request(method, f"/ehra{path}", **more).status_code == status


def test_an_approved_bulk_request_passes_once(agent: httpx.Client, twins: Twins) -> None:
    path = "/ehra/Patient?_count=1000&gender=female"
    request = agent.get(path).json()["approval"]
    done = subprocess.run(
        [
            *(HOOPGATE, "approvals", "approve", request, "--reason", "for the registry"),
            *("--config", twins.gateway.config),
        ],
        env={"HOOPGATE_TOKEN": twins.token("rita"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = agent.get(path)
    assert answer.status_code == 200
    assert answer.json()["entry"]
    assert "Canary" not in answer.text
    assert agent.get(path).status_code == 403


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Reads, searches, formats and errors: more than 300."""
    for kind in ("Patient", "Condition", "Observation", "Organization"):
        for more in (
            *("", "?_count=3", "?_summary=count", "?_summary=text", "?_summary=data"),
            *("?_elements=name,subject,code", "?_total=accurate", "?_sort=_lastUpdated"),
            *("?_sort=-_id", "?_count=2&_offset=2", "?_lastUpdated=gt2000-01-01", "?_id=nobody"),
            *("?_tag=x", "?_count=0", "?_pretty=true", "?name=x", "?identifier=x", "?_sort=name"),
            *("?_include=Observation:subject", "?_revinclude=Observation:subject", "?_fields=x"),
            *("/_history", "/nobody", "/nobody/_history", "/bad%20id", "/$validate", "/$meta"),
        ):
            yield "GET", f"/{kind}{more}", {}
            if len(more) % 3 == 0:
                yield "HEAD", f"/{kind}{more}", {}
    for one in (f"Patient/{PATIENT}", f"Condition/{CONDITION}", f"Observation/{OBSERVATION}"):
        for more in ("", "/_history", "/_history/x", "?_elements=name", "?_summary=text", "/$meta"):
            yield "GET", f"/{one}{more}", {}
            yield "HEAD", f"/{one}{more}", {}
        for header in (
            {"Range": "bytes=0-99"},
            {"Range": "bytes=-50"},
            {"If-None-Match": 'W/"x"'},
            {"If-None-Match": "*"},
            {"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"},
            {"Accept": "application/fhir+xml"},
            {"Accept": "text/html"},
            {"Accept-Encoding": "br, gzip"},
            {"Accept-Charset": "utf-16"},
            {"Prefer": "return=representation"},
            {"Want-Digest": "sha-256"},
            {"Cookie": "a=b"},
        ):
            yield "GET", f"/{one}", {"headers": header}
    for parameter in (
        *("gender=female", "gender=male", "active=true", "gender:not=male", "_id=" + PATIENT),
        *("organization=Organization/00000001-0000-4000-8000-000000000000", "name:missing=true"),
        *("_has:Observation:subject:code=29463-7", "_has:Condition:subject:code=44054006"),
        *("death-date=gt2000", "language=en", "link=Patient/1", "email=x", "phonetic=x"),
    ):
        yield "GET", f"/Patient?{parameter}", {}
        yield "POST", "/Patient/_search", {"data": dict([parameter.split("=", 1)])}
    for parameter in (
        *("code=29463-7", f"subject=Patient/{PATIENT}", f"patient={PATIENT}", "status=final"),
        *("value-quantity=gt70", "value-quantity=lt70||kg", "date=ge2024-01-01", "date=lt2024"),
        *("subject:Patient.gender=female", "subject.gender=male", "category=x", "_sort=date"),
        *("_include=Observation:subject", "_include=*", "subject:identifier=x", "code:text=x"),
        *(
            "combo-code=29463-7",
            "code-value-quantity=29463-7$gt70",
            "_sort=-date",
            "subject.name=x",
        ),
    ):
        yield "GET", f"/Observation?{parameter}", {}
        yield "GET", f"/Observation?{parameter}&_count=2", {}
    for number in range(1, 13):
        for visit in (1, 2):
            for kind, digit in (("Condition", "2"), ("Observation", "3")):
                yield (
                    "GET",
                    f"/{kind}/{digit}{number * 8 + visit:07x}-0000-4000-8000-000000000000",
                    {},
                )
        yield "GET", f"/Patient/1{number:07x}-0000-4000-8000-000000000000", {}
    yield "GET", "/metadata", {}
    yield "GET", "/", {}
    yield "GET", "/?_type=Patient", {}
    for body in (
        {"resourceType": "Observation", "status": "final"},
        {"resourceType": "Observation", "status": 5},
        {"resourceType": "Patient", "active": "x"},
        {"resourceType": "Patient", "nonsense": "x"},
    ):
        yield "POST", f"/{body['resourceType']}", {"json": body}
    patch = {"Content-Type": "application/json-patch+json"}
    for step in (
        {"op": "replace", "path": "/active", "value": False},
        {"op": "replace", "path": "/name/7/family", "value": "x"},
        {"op": "remove", "path": "/name/2"},
        {"op": "add", "path": "/birthDate", "value": "x"},
    ):
        yield "PATCH", f"/Patient/{PATIENT}", {"content": json.dumps([step]), "headers": patch}
    entries = [
        {"request": {"method": "GET", "url": f"Patient/{PATIENT}"}},
        {"request": {"method": "GET", "url": "Observation?code=29463-7&_count=2"}},
        {"request": {"method": "GET", "url": "Patient/nobody"}},
    ]
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        yield "POST", "/", {"json": bundle}


def test_twins_look_the_same(agents: dict[str, httpx.Client], twins: Twins) -> None:
    cases = list(requests())
    assert len(cases) >= 300
    # They do differ, or nothing would be proven.
    raw = [
        httpx.get(f"http://127.0.0.1:{one.port}/fhir/R4/Patient/{PATIENT}").text
        for one in twins.servers
    ]
    assert raw[0] != raw[1]
    different = []
    shown = 0
    for method, path, more in cases:
        one, other = (seen(agents[name], name, method, path, **more) for name in agents)
        assert "Canary" not in one, (method, path)
        shown += one.startswith("200 ")
        if one != other:
            different.append((method, path, more, one[:300], other[:300]))
    assert not different
    assert shown > 200


def test_the_work_of_an_agent_is_answered(agent: httpx.Client) -> None:
    """What one asks to sum up a patient, to find others like it, and to write what comes of it."""
    who = f"patient={PATIENT}"
    reads = (
        "/metadata",
        f"/Patient/{PATIENT}",
        "/Patient?gender=female&_count=5&_sort=-_lastUpdated&_lastUpdated=ge2020-01-01",
        f"/Patient?_id={PATIENT}&_revinclude=Observation:subject",
        "/Patient?_has:Observation:subject:code=29463-7&_count=2",
        f"/Condition?{who}&clinical-status=active&category=problem-list-item",
        f"/Condition?subject=Patient/{PATIENT}&_include=Condition:subject:Patient",
        f"/Observation?{who}&category=vital-signs&date=ge2000-01-01&_sort=-date&_count=50",
        f"/Observation?{who}&code=http://loinc.org|29463-7,http://loinc.org|8302-2",
        f"/Observation?subject:Patient={PATIENT}&value-quantity=gt50&code=29463-7",
        f"/Observation?{who}&_summary=count",
        f"/Observation?{who}&_elements=code,valueQuantity&_total=accurate",
        f"/MedicationRequest?{who}&intent=order&_include=MedicationRequest:medication",
        f"/Encounter?{who}&_include=Encounter:location&date=ge2000",
        f"/DiagnosticReport?{who}&category=LAB&status=final",
        f"/AllergyIntolerance?{who}",
        f"/DocumentReference?{who}&type=http://loinc.org|34133-9",
        f"/Immunization?{who}&status=completed&date=ge2010-01-01&date=lt2030-01-01",
        f"/ServiceRequest?{who}&authored=ge2010&_sort=-authored",
        f"/Patient/{PATIENT}/_history",
        "/ValueSet?name:contains=a",
        "/Organization?_count=3",
    )
    for path in reads:
        assert agent.get(f"/ehra{path}").status_code == 200, path
    task: dict[str, Any] = {"resourceType": "Task", "status": "requested", "intent": "order"}
    task["for"] = {"reference": f"Patient/{PATIENT}"}
    made = agent.post("/ehra/Task", json=task)
    assert made.status_code == 201
    done = {**task, "id": made.json()["id"], "status": "completed"}
    assert agent.put(f"/ehra/Task/{done['id']}", json=done).status_code == 200
    searched = agent.post("/ehra/Observation/_search", data={"code": "29463-7", "_count": "2"})
    assert len(searched.json()["entry"]) == 2
    entry = [{"request": {"method": "GET", "url": f"Observation?{who}&_count=3"}}]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    assert agent.post("/ehra/", json=batch).json()["entry"][0]["response"]["status"] == "200"
