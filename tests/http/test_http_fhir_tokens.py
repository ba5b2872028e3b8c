"""Tokens at a FHIR server: searches by what nobody sees (docs/tokens.md)."""

from __future__ import annotations

import json
import re
import secrets
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from testbed.certificates import Certificates, write_private
from testbed.webclinic import Twins, running_twins

HOOPGATE = Path(sys.executable).with_name("hoopgate")
PATIENT = "10000003-0000-4000-8000-000000000000"
TOKEN = re.compile(r"\[([A-Z]+):1\.[0-9a-f]{20}\]")
UNKNOWN = "[MRN:1." + "0" * 20 + "]"
LABELS = [
    {"place": "Patient.identifier.value", "kind": "MRN", "method": "token"},
    {"place": "HumanName.family", "kind": "NAME", "method": "token"},
]


@pytest.fixture(scope="module")
def clinics(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Twins]:
    """Twins whose patients' identifiers and family names come as tokens."""
    directory = tmp_path_factory.mktemp("fhirtokens")

    def adjust(settings: dict[str, Any]) -> None:
        for resource in settings["resources"]:
            keys = directory / f"{resource['name']}.keys"
            write_private(keys, f"1 {secrets.token_hex(32)}\n".encode())
            resource["tokens"] = {"keys": {"file": str(keys)}}
        settings["labels"] = [
            {"resource": name, **label} for name in ("ehra", "ehrb") for label in LABELS
        ]
        settings["directory"]["groups"]["readers"] = ["reader"]
        settings["rules"][-1]["tokens"] = ["MRN", "NAME"]
        readers = {"name": "readers", "verdict": "allow", "match": {"groups": ["readers"]}}
        settings["rules"].append(readers)

    with running_twins(directory, certificates, adjust=adjust) as running:
        yield running


@pytest.fixture(scope="module")
def agents(clinics: Twins) -> Iterator[dict[str, httpx.Client]]:
    """httpx with a token, a client per resource."""
    context = ssl.create_default_context(cafile=str(clinics.certificates.ca))
    headers = {"Authorization": f"Bearer {clinics.token()}"}
    made = {
        name: httpx.Client(
            verify=context, base_url=clinics.url(f"/{name}"), headers=headers, timeout=60
        )
        for name in ("ehra", "ehrb")
    }
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def agent(agents: dict[str, httpx.Client]) -> httpx.Client:
    """The one for ``ehra``."""
    return agents["ehra"]


def patient(agent: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = agent.get(f"/Patient/{PATIENT}").json()
    return found


def hits(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["resource"]["id"] for one in answer.json().get("entry", [])]


def raw(clinics: Twins, number: int = 0) -> dict[str, Any]:
    """The patient as the server has it."""
    url = f"http://127.0.0.1:{clinics.servers[number].port}/fhir/R4/Patient/{PATIENT}"
    found: dict[str, Any] = httpx.get(url).json()
    return found


def test_a_patient_is_found_by_what_nobody_sees(agent: httpx.Client, clinics: Twins) -> None:
    shown = patient(agent)
    ssn, mrn = (one["value"] for one in shown["identifier"])
    family = shown["name"][0]["family"]
    assert TOKEN.fullmatch(ssn) and TOKEN.fullmatch(mrn) and ssn != mrn
    assert TOKEN.fullmatch(family) and shown["name"][0]["given"] == ["[NAME]"]
    assert hits(agent.get("/Patient", params={"identifier": mrn})) == [PATIENT]
    system = f"http://clinic.example/mrn|{mrn}"
    assert hits(agent.get("/Patient", params={"identifier": system})) == [PATIENT]
    wrong = f"http://clinic.example/other|{mrn}"
    assert hits(agent.get("/Patient", params={"identifier": wrong})) == []
    assert hits(agent.get("/Patient", params={"family": family})) == [PATIENT]
    assert hits(agent.get("/Patient", params={"family:exact": family})) == [PATIENT]
    found = agent.post("/Patient/_search", data={"identifier": mrn, "gender": "female"})
    assert hits(found) == [PATIENT]
    both = agent.get("/Patient", params={"identifier": f"{ssn},{mrn}", "_summary": "count"})
    assert both.json()["total"] == 1
    for one in raw(clinics)["identifier"]:
        assert one["value"] not in found.text


def test_links_and_errors_say_no_more_than_the_client_did(
    agent: httpx.Client, clinics: Twins
) -> None:
    mrn = patient(agent)["identifier"][1]["value"]
    value = raw(clinics)["identifier"][1]["value"]
    answer = agent.get("/Patient", params={"identifier": mrn, "_count": "1"})
    links = {one["relation"]: one["url"] for one in answer.json()["link"]}
    assert httpx.URL(links["self"]).params["identifier"] == mrn
    for follow in links.values():
        assert hits(agent.get(follow)) in ([PATIENT], [])
    assert value not in answer.text and value not in str(answer.headers)
    for path in ("/Patient?active=maybe&identifier=", "/Patient?_sort=nonsense&identifier="):
        assert value not in agent.get(path + mrn).text


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("identifier=MRN-1", "phi.predicate"),
        ("identifier={mrn},MRN-1", "phi.predicate"),
        ("identifier=x{mrn}", "phi.predicate"),
        ("identifier:not={mrn}", "phi.predicate"),
        ("identifier:contains={mrn}", "phi.predicate"),
        ("identifier:of-type=a|b|{mrn}", "phi.predicate"),
        ("family:contains={family}", "phi.predicate"),
        ("family={mrn}", "phi.token"),
        ("identifier={family}", "phi.token"),
        ("name={family}", "phi.token"),
        ("given={family}", "phi.token"),
        ("phonetic={family}", "phi.predicate"),
        ("identifier={mrn},{family}", "phi.predicate"),
        ("_filter=identifier eq {mrn}", "phi.predicate"),
        ("_content={mrn}", "phi.predicate"),
        ("_has:Observation:subject:subject:Patient.identifier={mrn}", "phi.predicate"),
        ("identifier=" + UNKNOWN, "token.unknown"),
    ],
)
def test_all_else_is_refused(agent: httpx.Client, query: str, reason: str) -> None:
    shown = patient(agent)
    mrn, family = shown["identifier"][1]["value"], shown["name"][0]["family"]
    name, _, value = query.partition("=")
    value = value.format(mrn=mrn, family=family)
    answer = agent.get("/Patient", params={name: value})
    assert answer.status_code == 403
    assert answer.json()["reason"] == reason


def test_tokens_are_for_searches_alone(agent: httpx.Client) -> None:
    mrn = patient(agent)["identifier"][1]["value"]

    def reason(method: str, path: str, **more: Any) -> str:
        answer = agent.request(method, path, **more)
        assert answer.status_code == 403, answer.text
        return str(answer.json()["reason"])

    quoted = httpx.QueryParams({"identifier": mrn})
    fine = {"resourceType": "Patient", "active": True}
    exists = {"If-None-Exist": str(quoted)}
    assert reason("POST", "/Patient", json=fine, headers=exists) == "phi.predicate"
    assert reason("DELETE", f"/Patient?{quoted}") == "phi.predicate"
    assert reason("PUT", f"/Patient?{quoted}", json=fine) == "phi.predicate"
    assert reason("GET", f"/Observation?subject:Patient.{quoted}") == "phi.predicate"
    assert reason("GET", f"/?{quoted}") == "phi.opaque"
    entry = {"request": {"method": "GET", "url": f"Patient?{quoted}"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    assert reason("POST", "/", json=batch) == "phi.predicate"


def test_a_rule_says_who_may_use_them(agent: httpx.Client, clinics: Twins) -> None:
    mrn = patient(agent)["identifier"][1]["value"]
    context = ssl.create_default_context(cafile=str(clinics.certificates.ca))
    other = clinics.issuer.token("reader", resources=["hoopgate"])
    headers = {"Authorization": f"Bearer {other}"}
    url = clinics.url("/ehra/Patient")
    assert httpx.get(url, headers=headers, verify=context).status_code == 200
    answer = httpx.get(url, headers=headers, verify=context, params={"identifier": mrn})
    assert (answer.status_code, answer.json()["reason"]) == (403, "token.denied")


def test_the_log_has_the_token_and_not_the_value(agent: httpx.Client, clinics: Twins) -> None:
    mrn = patient(agent)["identifier"][1]["value"]
    value = raw(clinics)["identifier"][1]["value"]
    agent.post("/Patient/_search", data={"identifier": mrn, "_count": "7"})
    agent.get("/Patient", params={"identifier": mrn, "_count": "7"})
    words = [HOOPGATE, "--config", clinics.gateway.config]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 30, "check": True}
    found = ""
    for line in subprocess.run(
        [HOOPGATE, "sessions", *words[1:], "--json"], **options
    ).stdout.splitlines():
        session = json.loads(line)["id"]
        found += subprocess.run([HOOPGATE, "replay", *words[1:], session], **options).stdout
    assert mrn in found.replace("%5B", "[").replace("%5D", "]").replace("%3A", ":")
    assert value not in found


def renamed(text: str, known: dict[str, str]) -> str:
    """Tokens by the order in which they came up."""
    return TOKEN.sub(lambda one: known.setdefault(one[0], f"[{one[1]}:{len(known)}]"), text)


def test_twins_look_the_same(agents: dict[str, httpx.Client], clinics: Twins) -> None:
    """Servers that differ in PHI: tokens differ with it, and say the same."""
    assert raw(clinics, 0)["identifier"] != raw(clinics, 1)["identifier"]
    seen: dict[str, list[str]] = {}
    for name, agent in agents.items():
        known: dict[str, str] = {}
        shown = patient(agent)
        ssn, mrn = (one["value"] for one in shown["identifier"])
        family = shown["name"][0]["family"]
        answers = [agent.get("/Patient"), agent.get("/Condition"), agent.get("/Patient/_history")]
        for token in (
            mrn,
            ssn,
            family,
            f"{ssn},{mrn}",
            f"http://clinic.example/mrn|{mrn}",
            UNKNOWN,
        ):
            for parameter in ("identifier", "family", "name", "family:exact", "telecom", "address"):
                for more in (
                    {},
                    {"_summary": "count"},
                    {"_count": "1"},
                    {"_elements": "name"},
                    {"_include": "Patient:organization"},
                    {"_revinclude": "Observation:subject"},
                    {"active": "maybe"},
                ):
                    query = {parameter: token, **more}
                    answers.append(agent.get("/Patient", params=query))
                    answers.append(agent.head("/Patient", params=query))
                    if len(more) == 0:
                        answers.append(agent.post("/Patient/_search", data=query))
        seen[name] = []
        for answer in answers:
            own = answer.headers.get("hoopgate-request", "-")
            headers = sorted(
                (key, value)
                for key, value in answer.headers.items()
                if key not in ("date", "hoopgate-request")
            )
            text = f"{answer.status_code} {headers} {answer.text}".replace(own, "req")
            text = re.sub("%5B|%5D|%3A", lambda one: chr(int(one[0][1:], 16)), text)
            seen[name].append(renamed(text.replace(name, "ehr?"), known))
        assert not any("Canary" in text or "MRN-" in text for text in seen[name])
    one, other = seen.values()
    assert len(one) > 450
    assert sum(text.startswith("200") for text in one) > 80
    for first, second in zip(one, other, strict=True):
        assert first == second
