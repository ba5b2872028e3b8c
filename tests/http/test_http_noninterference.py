"""What was tried to see PHI through the gateway: odd answers, odd requests. Twins look the same."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from testbed.certificates import Certificates
from testbed.fhirserver import BASE
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.oddfhir import CASES, ONE, OTHER, OddFHIR
from testbed.webclinic import (
    AGENTS,
    FHIR_RULES,
    REVIEWERS,
    running_twins,
    web_clients,
    web_resource,
    web_settings,
)

PATIENT = "Patient/10000003-0000-4000-8000-000000000000"
Clients = dict[str, httpx.Client]


@contextmanager
def clients(url: str, token: str, certificates: Certificates) -> Iterator[Clients]:
    """A client per twin."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    headers = {"Authorization": f"Bearer {token}"}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                httpx.Client(verify=context, base_url=f"{url}/{name}", headers=headers, timeout=60)
            )
            for name in ("ehra", "ehrb")
        }


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Clients]:
    """Two servers with odd answers behind one gateway."""
    directory = tmp_path_factory.mktemp("odd")
    with (
        OddFHIR(ONE) as one,
        OddFHIR(OTHER) as other,
        TestIssuer(
            web_clients("hoopgate:ehra", "hoopgate:ehrb"), {**AGENTS, **REVIEWERS}, certificates
        ) as issuer,
    ):
        resources = [
            web_resource(name, server.port, http={"format": "fhir", "base": BASE})
            for name, server in (("ehra", one), ("ehrb", other))
        ]
        settings = web_settings(directory, certificates, issuer, resources, FHIR_RULES, [])
        with Gateway(directory, settings, certificates) as gateway:
            token = issuer.token("executor", resources=["hoopgate"])
            with clients(f"https://127.0.0.1:{gateway.port}", token, certificates) as made:
                yield made


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Clients]:
    """Two real servers, with the same rules."""

    def adjust(settings: dict[str, Any]) -> None:
        settings["rules"] = [one for one in settings["rules"] if one["name"] != "bulk"]

    directory = tmp_path_factory.mktemp("real")
    with (
        running_twins(directory, certificates, adjust=adjust) as twins,
        clients(twins.url(), twins.token(), twins.certificates) as made,
    ):
        yield made


def seen(agents: Clients, name: str, method: str, path: str, **more: Any) -> str:
    """Everything that the client receives, with the resource's name and the request's id alike."""
    data = b""
    try:
        with agents[name].stream(method, path, **more) as answer:
            for piece in answer.iter_raw():
                data += piece
    except httpx.RemoteProtocolError:
        data += b"(broken off)"  # what came before it was masked, and counts
    own = answer.headers.get("hoopgate-request", "-")
    headers = sorted(
        (key, value)
        for key, value in answer.headers.items()
        if key not in ("date", "hoopgate-request")
    )
    text = f"{answer.status_code} {headers} {data.decode()}"
    return text.replace(own, "req").replace(name, "ehr?")


@pytest.mark.parametrize("case", CASES)
def test_odd_answers_look_the_same(odd: Clients, case: str) -> None:
    for method in ("GET", "HEAD"):
        one, other = (seen(odd, name, method, f"/Patient/{case}") for name in odd)
        assert one == other
        assert "Canary" not in one and "111-11" not in one


def test_many_odd_answers_are_shown_as_far_as_they_can_be(odd: Clients) -> None:
    assert len(CASES) > 165
    some = list(CASES)[:40:2]
    shown = [odd["ehra"].get(f"/Patient/{case}").status_code for case in some]
    assert shown.count(200) == len(some)


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Requests that no client of good will sends, and some that one does."""
    for query in (
        *(
            "_elements=name",
            "_elements=name.family",
            "_elements=*",
            "_elements=",
            "_elements=id,text",
        ),
        *(
            "_elements:exclude=id",
            "_summary=true",
            "_summary=false",
            "_summary=true&_elements=name",
        ),
        *("_include:iterate=Observation:subject", "_include=Patient:*", "_include=*:*"),
        *(
            "_include=Patient:organization&_include:iterate=*",
            "_revinclude=*",
            "_revinclude:iterate=*",
        ),
        *("_revinclude=Provenance:target", "_revinclude=Observation:subject:Patient&_count=1"),
        *("_contained=true", "_contained=both&_containedType=contained", "_contained=false"),
        *("_format=json", "_format=application/fhir%2Bjson", "_format=application/json;a=b"),
        *(
            "_format=xml",
            "_format=html",
            "_format=text/turtle",
            "_format=ndjson",
            "_format=json&_format=xml",
        ),
        *("_FORMAT=xml", "_format=JSON", "_format=", "_pretty=false", "_pretty=x", "_total=none"),
        *("_sort=_id", "_sort=_id,gender", "_sort=gender,birthdate", "_sort=", "_sort=-"),
        *("_count=1&_count=2", "_count=-1", "_count=1.5", "_count=%31", "_count=250", "_count=251"),
        *("_offset=3&_count=2", "_offset=99999", "_page=2", "_cursor=x", "_getpages=x"),
        *("gender=female&gender=male", "gender=female,male", "gender:missing=true", "gender:in=x"),
        *("gender:not-in=x", "gender:above=x", "gender:text=x", "gender:of-type=x", "gender:x=y"),
        *(
            "name:missing=true",
            "name:missing=false",
            "identifier:missing=false",
            "telecom:missing=x",
        ),
        *("birthdate:missing=true", "birthdate=eq1970", "birthdate=ap1970", "address-postalcode=0"),
        *(
            "_id=10000003-0000-4000-8000-000000000000,x",
            "_id:not=x",
            "_id:exact=x",
            "_id:contains=1",
        ),
        *("_lastUpdated=ge2020&_lastUpdated=lt2100", "_lastUpdated:missing=true", "_security=R"),
        *("_profile=x", "_source=x", "_tag:not=x", "_tag:text=x", "_text=x", "_list=x", "_query=x"),
        *("_type=Patient,Observation", "_typeFilter=Patient%3Fname%3Dx", "_in=x", "_score=1"),
        *("organization:identifier=x", "organization.name=x", "organization:Organization.name=x"),
        *(
            "_has:Observation:subject:value-string=x",
            "_has:Observation:patient:_has:Group:member:_id=x",
        ),
        *("_has:Observation:subject=x", "_has=x", "_filter=gender%20eq%20male", "_fields=name"),
        *(
            "callback=x",
            "jsonp=x",
            "_method=DELETE",
            "fields=name",
            "format=xml",
            "debug=true",
            "_=1",
        ),
        *(
            "identifier%5B%5D=x",
            "identifier=x%00",
            "name=%ff",
            "na%6de=x",
            "NAME=x",
            "name%20=x",
            "%20name=x",
        ),
    ):
        yield "GET", f"/Patient?{query}", {}
    for query in (
        "code=x&_elements=subject",
        "subject:missing=true",
        "value-quantity=ge0&_summary=count",
    ):
        yield "GET", f"/Observation?{query}", {}
    for path in (
        *(
            f"/{PATIENT}/Observation",
            f"/{PATIENT}/Condition?code=x",
            f"/{PATIENT}/Patient",
            f"/{PATIENT}/*",
        ),
        *(
            f"/{PATIENT}/_history?_count=1",
            f"/{PATIENT}/_history/1?_elements=name",
            "/_history?_count=2",
        ),
        *(
            f"/{PATIENT}/$meta",
            f"/{PATIENT}/$validate",
            f"/{PATIENT}/$graphql?query=%7BPatient%7Bname%7D%7D",
        ),
        *(
            "/$graphql",
            "/Patient/$match",
            "/Patient/$lookup",
            "/CodeSystem/$lookup?code=x&system=y",
        ),
        *("/ValueSet/$expand?url=x&filter=Canary", "/ConceptMap/$translate?code=x", "/$versions"),
        *(
            "/Observation/$lastn?max=1&code=29463-7",
            "/Observation/$lastn?patient:Patient.name=x",
            "/$diff",
        ),
        *(
            f"/{PATIENT}/$purge",
            f"/{PATIENT}/$summary",
            f"/{PATIENT}/$everything?_since=2020",
            "/$csv",
        ),
        *("/Binary/x", "/metadata?mode=full", "/.well-known/smart-configuration", "/openapi.json"),
        *(
            "/Patient/_search",
            "/Patient/%24everything",
            "/Patient//x",
            "/Patient/.",
            "/Patient/x%2Fy",
        ),
    ):
        yield "GET", path, {}
    for header in (
        *(
            {"Prefer": value}
            for value in (
                "handling=strict",
                "handling=lenient",
                "return=minimal",
                "return=OperationOutcome",
                "respond-async",
                "x=" + "y" * 90,
            )
        ),
        *(
            {"Accept": value}
            for value in (
                "application/fhir+json;fhirVersion=5.0",
                "application/fhir+xml, */*",
                "*/*;q=0",
                "application/pdf",
                "x",
            )
        ),
        *(
            {name: "x"}
            for name in (
                "X-Request-Id",
                "X-Provenance",
                "If-Match",
                "Origin",
                "Referer",
                "Accept-Language",
                "X-Forwarded-Host",
                "TE",
                "Pragma",
            )
        ),
        {"X-HTTP-Method-Override": "DELETE"},
        {"Accept-Encoding": "gzip;q=1, *;q=0"},
        {"Range": "items=0-1"},
    ):
        yield "GET", f"/{PATIENT}", {"headers": header}
    fine = {"resourceType": "Patient", "active": True}
    json_type = {"Content-Type": "application/fhir+json"}
    for exists in ("identifier=x", "name=x", "_id=x", "gender=male", "", "identifier=x&name=y"):
        yield "POST", "/Patient", {"json": fine, "headers": {"If-None-Exist": exists}}
    for query in ("identifier=x", "_id=nobody", "name:missing=true", "gender=other"):
        yield "PUT", f"/Patient?{query}", {"json": fine}
        yield "DELETE", f"/Patient?{query}", {}
        yield (
            "PATCH",
            f"/Patient?{query}",
            {"content": "[]", "headers": {"Content-Type": "application/json-patch+json"}},
        )
    for body in (
        '{"resourceType":"Patient","name":[{"family":"x","family":"y"}]}',
        '{"resourceType":"Patient","Name":1,"name":2}',
        '{"resourceType":"Patient","multipleBirthInteger":1e999}',
        '{"resourceType":"Patient","multipleBirthInteger":1.0000000000000000000001}',
        '{"resourceType":"Patient","name":"' + "x" * 5000 + '"}',
        '{"resourceType":"Patient","extension":' + "[" * 100 + "]" * 100 + "}",
        '{"resourceType":"Patient","gender":"\\ud800"}',
        "\ufeff" + json.dumps(fine),
        json.dumps(fine) + json.dumps(fine),
        "callback(" + json.dumps(fine) + ")",
        '<Patient xmlns="http://hl7.org/fhir"/>',
    ):
        yield (
            "POST",
            "/Patient",
            {"content": body.encode("utf-8", "surrogatepass"), "headers": json_type},
        )
    for media in (
        "application/fhir+xml",
        "application/json; charset=utf-16",
        "multipart/mixed; boundary=b",
        "text/plain",
        "application/x-hl7",
        "application/fhir+turtle",
    ):
        yield "POST", "/Patient", {"content": json.dumps(fine), "headers": {"Content-Type": media}}
    for resource in (
        {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": fine}]},
        {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "[NAME]"}]},
    ):
        for path in ("/Patient/$validate", "/$process-message", f"/{PATIENT}/$meta-add"):
            yield "POST", path, {"json": resource}
    yield "POST", "/$graphql", {"json": {"query": "{Patient{name{family}}}"}}
    for kind in ("batch", "transaction"):
        for url, method in (
            (f"{PATIENT}?_elements=name", "GET"),
            ("Patient?identifier=x", "GET"),
            ("Patient?_count=9999", "GET"),
            ("$export", "GET"),
            (f"{PATIENT}/$everything", "GET"),
            ("Patient?name=x", "DELETE"),
            ("../Patient", "GET"),
            ("https://other.example/Patient/1", "GET"),
            ("Patient/nobody", "HEAD"),
            ("Patient/_search", "POST"),
        ):
            entry = {"request": {"method": method, "url": url}}
            yield "POST", "/", {"json": {"resourceType": "Bundle", "type": kind, "entry": [entry]}}


def test_odd_requests_look_the_same(real: Clients) -> None:
    cases = list(requests())
    assert len(cases) >= 229
    different = []
    for method, path, more in cases:
        one, other = (seen(real, name, method, path, **more) for name in real)
        assert "Canary" not in one, (method, path)
        if one != other:
            different.append((method, path, more, one[:300], other[:300]))
    assert not different
