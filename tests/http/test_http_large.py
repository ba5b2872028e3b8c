"""Large answers are masked by another process: as they would be here, and nobody sees more."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.fhirserver import patients
from testbed.node import children
from testbed.webclinic import Web

from hoopgate.http import bodies, masking_work
from hoopgate.http.bodies import BodyRefused
from hoopgate.http.codings import Identity
from hoopgate.http.headers import Links
from hoopgate.http.rewriting import Recipe
from hoopgate.phi.documents import Tokens
from hoopgate.plans import BodyPlan, Method, PathMask

LINKS = Links(["up"], "/fhir", "https://gw/ehr")
PLAN = BodyPlan(
    (),
    paths=(
        PathMask("/name", "NAME", Method.TOKEN),
        PathMask("/id", "ID", None),
        PathMask("name", "NAME", Method.TOKEN),
        PathMask("HumanName.family", "FAMILY", Method.TOKEN),
    ),
)
BUNDLE = {
    "resourceType": "Bundle",
    "type": "searchset",
    "entry": [{"fullUrl": "http://up/fhir/Patient/1", "resource": one} for one in patients(3, 1)],
}
ROWS = b"id,name\r\n1,Ann Canary\r\n2,Bo Canary\r\n"
DOCUMENT = b'{"id": 1, "name": "Ann Canary", "more": ["Canary"]}'
CASES = {
    "fhir": ("fhir", b"application/fhir+json", [json.dumps(BUNDLE).encode()]),
    "ndjson": (
        "fhir",
        b"application/fhir+ndjson",
        [json.dumps(x).encode() for x in patients(4, 1)],
    ),
    "json": ("rest", b"application/json", [DOCUMENT]),
    "lines": ("rest", b"application/x-ndjson", [DOCUMENT] * 5),
    "events": ("rest", b"text/event-stream", [b"data: " + DOCUMENT] * 3),
    "csv": ("rest", b"text/csv", [ROWS]),
    "text": ("rest", b"text/plain", [b"Ann Canary"]),
    "mcp": (
        "mcp",
        b"application/json",
        [b'{"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": %b}}' % DOCUMENT],
    ),
}


def token(kind: str, value: bytes) -> str:
    return f"[{kind}:{value.hex()[::-1]}]"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tokens", [token, None])
def test_another_process_masks_alike(name: str, tokens: Tokens | None) -> None:
    answers, declared, parts = CASES[name]
    recipe = Recipe(answers, PLAN, declared, LINKS, asked={"1": "tools/call"}, limit=2**20)
    here = recipe.made(Identity(), tokens)
    assert here is not None
    shown = b"".join(map(here.show, parts))
    asked = masking_work.request(recipe, parts, tokens=tokens is not None)
    assert masking_work.read(masking_work.answer(asked), tokens) == (shown, here.etag)
    assert b"Canary" not in shown
    assert (b"[NAME:" in shown or b"[FAMILY:" in shown) is (tokens is not None and name != "text")


def test_a_refusal_comes_back() -> None:
    recipe = Recipe("rest", PLAN, b"application/json", LINKS, limit=100)
    said = masking_work.answer(masking_work.request(recipe, [b'{"Canary'], tokens=True))
    assert b"Canary" not in said
    with pytest.raises(BodyRefused) as info:
        masking_work.read(said, token)
    assert info.value.code == "body.unreadable"


@given(st.one_of(st.none(), st.binary(max_size=60)))
@settings(max_examples=200, deadline=None)
def test_whatever_the_child_says(said: bytes | None) -> None:
    with pytest.raises(BodyRefused):
        masking_work.read(said, token)


def test_the_worker_answers_one_after_the_other() -> None:
    recipe = Recipe("rest", PLAN, b"application/json", LINKS, limit=100)
    asked = masking_work.request(recipe, [DOCUMENT], tokens=False)
    framed = len(asked).to_bytes(4, "big") + asked
    done = subprocess.run(
        [sys.executable, "-I", "-m", "hoopgate.http.masking_worker"],
        input=framed * 3,
        capture_output=True,
        timeout=60,
    )
    length = int.from_bytes(done.stdout[:4], "big")
    answers = [
        done.stdout[at + 4 : at + 4 + length] for at in range(0, 3 * (length + 4), length + 4)
    ]
    assert [masking_work.read(one, None)[0] for one in answers] == [b'{"id":1,"name":"[NAME]"}'] * 3


# --- through a gateway --------------------------------------------------------------------------

COUNT = 40_000


@pytest.fixture
def agent(web: Web) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    with httpx.Client(
        verify=context,
        base_url=web.url("/"),
        headers={"Authorization": f"Bearer {web.token()}"},
        timeout=60,
    ) as client:
        yield client


@pytest.mark.parametrize("form", ["json", "gzip", "closing"])
def test_a_large_document(agent: httpx.Client, form: str) -> None:
    seen = [agent.get(f"/{twin}/large/{form}/{COUNT}") for twin in ("odda", "oddb")]
    assert [one.status_code for one in seen] == [200, 200]
    assert seen[0].content == seen[1].content == b'{"id":"1","name":"[NAME]","ssn":"[SSN]"}'
    assert agent.get("/odda/odd/json").status_code == 200


def test_many_lines(agent: httpx.Client) -> None:
    seen = [agent.get(f"/{twin}/large/ndjson/{COUNT}").content for twin in ("odda", "oddb")]
    assert seen[0] == seen[1]
    lines = seen[0].splitlines()
    assert [json.loads(line)["id"] for line in lines] == [str(number) for number in range(COUNT)]
    assert b"Canary" not in seen[0]


def test_what_is_not_understood_is_not_shown(agent: httpx.Client) -> None:
    refused = agent.get(f"/odda/large/cut/{COUNT}")
    assert refused.status_code == 502
    assert refused.json()["reason"] == "body.unreadable"
    assert "Canary" not in refused.text
    assert agent.get("/odda/odd/json").status_code == 200


def test_a_client_may_leave_meanwhile(web: Web, agent: httpx.Client) -> None:
    for _ in range(3):
        with pytest.raises(httpx.TimeoutException):
            agent.get(f"/odda/large/json/{COUNT}", timeout=httpx.Timeout(20, read=0.02))
    assert agent.get(f"/odda/large/json/{COUNT}").status_code == 200


def test_a_worker_that_dies_is_replaced(web: Web, agent: httpx.Client) -> None:
    agent.get(f"/odda/large/json/{COUNT}")
    found = [
        pid
        for pid in children(web.gateway.pid)
        if b"masking_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert found
    for pid in found:
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert agent.get(f"/odda/large/json/{COUNT}").status_code == 200


def test_little_is_masked_at_once() -> None:
    recipe = Recipe("rest", PLAN, b"application/x-ndjson", LINKS, limit=100)
    rewriter = recipe.made(Identity(), None)
    assert rewriter is not None
    rewriter.recipe = recipe
    line = DOCUMENT + b"\n"
    assert rewriter.feed(line * 10).count(b"\n") == 10
    many = line * (2 * bodies.INLINE_BYTES // len(line))
    assert rewriter.feed(many) == b""
    assert sum(map(len, rewriter.pending)) > bodies.INLINE_BYTES
