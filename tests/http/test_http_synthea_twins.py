"""Two populations of PyPI ``tietai-synthea`` that differ in PHI alone, in two real FHIR servers:
the same requests, the same bytes."""

from __future__ import annotations

import gzip
import json
import random
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from testbed.certificates import Certificates
from testbed.webclinic import running_twins

BUNDLE = json.loads(gzip.decompress(Path(__file__).with_name("synthea.json.gz").read_bytes()))
#: What identifies, by the element that holds it and by its name.
WITHIN = {"name", "address", "telecom", "identifier", "contact", "photo"}
PLAIN = {"system", "use", "code", "type", "resourceType", "contentType", "status", "url"}
TEXTS = {"text", "div", "valueString", "data", "title", "description", "comment", "note", "udi"}
TEXTS |= {"serialNumber", "lotNumber", "distinctIdentifier", "deviceIdentifier", "carrierHRF"}
NUMBERS = {"latitude", "longitude"}
Clients = dict[str, httpx.Client]


def population(phi: int) -> list[dict[str, Any]]:
    """Everybody, with somebody else's identity; links lead to resources rather than to UUIDs."""
    secret = random.Random(phi)
    kinds = {one["resource"]["id"]: one["resource"]["resourceType"] for one in BUNDLE["entry"]}

    def word() -> str:
        return "Canary" + "".join(secret.choices("abcdef é", k=secret.randint(1, 30))) + "x"

    def walk(value: Any, name: str, within: bool) -> Any:
        if isinstance(value, dict):
            shown = {key: walk(item, key, within or key in WITHIN) for key, item in value.items()}
            if value.get("url") in NUMBERS:
                shown["valueDecimal"] = secret.uniform(-90, 90)
            if within and "given" in value:
                shown["given"] = [word() for _ in range(secret.randint(1, 4))]
            if "reference" in value and "display" in value:
                shown["display"] = word()
            return shown
        if isinstance(value, list):
            return [walk(item, name, within) for item in value]
        if not isinstance(value, str):
            return value
        if name == "reference" and value.startswith("urn:uuid:"):
            identity = value.removeprefix("urn:uuid:")
            return f"{kinds[identity]}/{identity}" if identity in kinds else value
        if name == "birthDate":
            return f"{value[:4]}-{secret.randint(1, 12):02}-{secret.randint(1, 28):02}"
        if name == "div":
            return f'<div xmlns="http://www.w3.org/1999/xhtml">{word()}</div>'
        if name == "data":
            return "QUJD" * secret.randint(1, 30)
        hidden = name in TEXTS or (within and name not in PLAIN and name != "display")
        return word() if hidden else value

    found: list[dict[str, Any]] = walk([one["resource"] for one in BUNDLE["entry"]], "", False)
    return found


@pytest.fixture(scope="module")
def agents(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Clients]:
    """A client per server."""

    def adjust(settings: dict[str, Any]) -> None:
        settings["rules"] = [one for one in settings["rules"] if one["name"] != "bulk"]

    populations = population(1), population(2)
    assert populations[0] != populations[1]
    context = ssl.create_default_context(cafile=str(certificates.ca))
    directory = tmp_path_factory.mktemp("synthea")
    with (
        running_twins(directory, certificates, adjust=adjust, populations=populations) as twins,
        ExitStack() as stack,
    ):
        headers = {"Authorization": f"Bearer {twins.token()}"}
        yield {
            name: stack.enter_context(
                httpx.Client(verify=context, base_url=twins.url(f"/{name}"), headers=headers)
            )
            for name in ("ehra", "ehrb")
        }


def seen(agents: Clients, name: str, method: str, path: str, **more: Any) -> str:
    """Everything that the client receives, with the resource's name and the request's id alike."""
    answer = agents[name].request(method, path, timeout=60, **more)
    own = answer.headers.get("hoopgate-request", "-")
    headers = sorted(
        pair for pair in answer.headers.items() if pair[0] not in ("date", "hoopgate-request")
    )
    text = f"{answer.status_code} {headers} {answer.text}"
    return text.replace(own, "req").replace(name, "ehr?")


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of every type: reads, searches, includes, conditions, forms."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for entry in BUNDLE["entry"]:
        by_kind.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    for kind, resources in by_kind.items():
        first = f"/{kind}/{resources[0]['id']}"
        yield "GET", first, {}
        yield "HEAD", first, {}
        yield "GET", f"/{kind}/{resources[-1]['id']}?_summary=true", {}
        yield "GET", f"{first}/_history", {}
        yield "GET", f"/{kind}?_count=50", {}
        yield "GET", f"/{kind}?_count=2&_sort=_id&_total=accurate", {}
        yield "GET", f"/{kind}?_elements=identifier,name,subject&_count=5", {}
        yield "GET", f"/{kind}?_include=*&_revinclude=*&_count=3", {}
        yield "GET", f"/{kind}?identifier=x", {}
        yield "GET", first, {"headers": {"If-None-Match": 'W/"1"', "Range": "bytes=0-99"}}
        code = resources[0].get("code", {})
        for coding in code.get("coding", ())[:1]:
            yield "GET", f"/{kind}?code={coding['system']}|{coding['code']}", {}
        subject = resources[0].get("subject") or resources[0].get("patient")
        if subject:
            patient = subject["reference"].removeprefix("urn:uuid:")
            yield "GET", f"/{kind}?patient=Patient/{patient}&_count=9", {}
            yield "GET", f"/Patient/{patient}/{kind}", {}
            yield "GET", f"/{kind}?patient.name=Canary", {}
    patient = by_kind["Patient"][0]["id"]
    for query in (
        *("gender=female", "_has:Condition:patient:code=44054006", "active=true", "language=en"),
        *(
            "birthdate=ge1990",
            "name=Canary",
            "address-city=Boston",
            "_text=Canary",
            "_id=" + patient,
        ),
        *("_has:Observation:patient:value-string=x", "deceased=false", "_sort=birthdate"),
    ):
        yield "GET", f"/Patient?{query}", {}
        yield "POST", "/Patient/_search", {"data": dict([query.split("=", 1)])}
    entries = [{"request": {"method": "GET", "url": f"Patient/{patient}"}}]
    entries += [{"request": {"method": "GET", "url": "Observation?_count=2"}}]
    for kind in ("batch", "transaction"):
        yield "POST", "/", {"json": {"resourceType": "Bundle", "type": kind, "entry": entries}}


def test_synthetic_populations_look_the_same(agents: Clients) -> None:
    cases = list(requests())
    assert len(cases) > 300
    different, shown = [], 0
    for method, path, more in cases:
        one, other = (seen(agents, name, method, path, **more) for name in agents)
        assert "Canary" not in one.replace("=Canary", ""), (method, path)
        shown += one.startswith("200 ")
        if one != other:
            different.append((method, path, one[:400], other[:400]))
    assert not different, [one[:2] for one in different]
    assert shown > len(cases) / 2
