"""What holds for any bytes: of readers and rewriters, and of a session between two peers."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from fuzz.http_checks import CHECKS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from testbed.fhirserver import patients

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply
from hoopgate.events import Side
from hoopgate.http.forwarding import Fixed
from hoopgate.http.gate import Gate, Opening, Refusal
from hoopgate.http.session import HTTPSession
from hoopgate.http.wire import Malformed, RequestHead, RequestReader
from hoopgate.phi.documents import Unreadable
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.plans import BodyPlan
from hoopgate.settings.model import HTTPTarget, Resource
from hoopgate.verdicts import Block, Mask

PARTS = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"Host: h\r\n"),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"\r", b"\n"),
        *(
            b"abc",
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b": ",
            b" ",
            b"\0",
            b"\xff",
            b"Connection: close\r\n",
        ),
        *(b"data: {}\n\n", b"data:", b"event: x\n", b'{"a":', b'"b"}', b"[", b"]", b",", b"1.10"),
        *(b"MSH|^~\\&|", b"PID|1|", b"/a%2e/", b"/%", b"?a=b&", b'{"resourceType":"Patient",'),
    ]
)
ANY = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(PARTS, st.binary(max_size=4)), max_size=30).map(b"".join),
)


@pytest.mark.parametrize("name", CHECKS)
def test_any_bytes(name: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(ANY)
    @example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    @example(b"@" + gzip.compress(b'{"a":{"b":1}}'))
    def check(data: bytes) -> None:
        CHECKS[name](data)

    check()


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, zlib.compress, brotli.compress, zstandard.ZstdCompressor().compress],
)
def test_a_bomb_is_cut_short(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(b"\0" * 5_000_000)
    assert len(bomb) < 10_000
    for number in range(5):
        CHECKS["http_bodies"](bytes([number]) + bomb)


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=40, deadline=None)
def test_no_mutation_of_a_resource_shows_what_it_holds(seed: int, data: st.DataObject) -> None:
    """Members moved, renamed and nested at random: text never comes out."""
    rng = random.Random(seed)
    resource = data.draw(st.sampled_from(patients(2, 1)))
    mutated = json.loads(json.dumps(resource))
    for _ in range(rng.randint(1, 6)):
        _mutate(mutated, rng)
    mutated["resourceType"] = resource["resourceType"]
    try:
        shown = FHIRMasker([], lambda url: None, 2026).mask(mutated)
    except Unreadable:
        return
    assert "Canary" not in json.dumps(shown, default=str)


def _mutate(value: object, rng: random.Random) -> None:
    places: list[tuple[object, object]] = []

    def walk(here: object) -> None:
        items = here.items() if isinstance(here, dict) else enumerate(here)  # type: ignore[arg-type]
        for key, item in list(items):
            places.append((here, key))
            if isinstance(item, dict | list):
                walk(item)

    walk(value)
    (one, key), (other, name) = rng.choice(places), rng.choice(places)
    moved = json.loads(json.dumps(one[key]))  # type: ignore[index]
    names = ["text", "x", "valueString", "div", "comment", "valueDecimal", "name", "_name", "note"]
    if isinstance(other, dict):
        other[rng.choice([*names, "extension", "contained", "identifier", "birthDate"])] = moved
    elif isinstance(other[name], dict):  # type: ignore[index]
        other[name][rng.choice(names)] = moved  # type: ignore[index]


# --- a session ---------------------------------------------------------------------------------

RESOURCE = Resource(
    "ehr", "http", "tcp:x:80", "x", "/", "s", "u", http=HTTPTarget(credential="header"), phi=True
)
HEAD = b"Host: h\r\nAuthorization: Bearer token-of-the-agent\r\n"
SECRETS = (b"token-of-the-agent", b"credential-of-the-gateway")
REQUESTS = st.sampled_from(
    [
        b"GET /ehr/a HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"HEAD /ehr/a HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /ehr/b HTTP/1.1\r\n"
        + HEAD
        + b"Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
        b"PUT /ehr/no HTTP/1.1\r\n"
        + HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"GET /ehr/a//b HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /ehr/a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /ehr/a HTTP/1.1\n\n",
    ]
)
ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
        b'{"n": "Canary1"}',
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"6\r\nCanary\r\n0\r\n\r\n",
        b"HTTP/1.1 500 Canary\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nCanary",
        b"HTTP/1.1 200 OK\r\nX: Canary\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 6\r\n\r\nCanary",
        b"Canary",
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/Canary\r\nContent-Length: 0\r\n\r\n",
    ]
)


class Wire:
    """A session with a judge: everything but ``/no`` is allowed."""

    def __init__(self) -> None:
        self.gate = Gate({"ehr": RESOURCE}, secure=True, token_bytes=1000)
        self.reader = RequestReader()
        self.session: HTTPSession | None = None
        self.sent = b""
        self.shown = b""
        self.recorded = b""
        self.decided = 0
        self.over = False

    def client(self, data: bytes) -> None:
        if self.session is not None:
            self.do(self.session.received(Side.CLIENT, data))
            return
        self.reader.feed(data)
        event = self.reader.next_event()
        if isinstance(event, RequestHead):
            opening = self.gate.read(event)
            assert isinstance(opening, Opening)
            self.session = HTTPSession(
                gate=self.gate,
                reader=self.reader,
                head=event,
                opening=opening,
                credential=Fixed((b"Authorization", b"credential-of-the-gateway")),
                upstream="up",
                hosts=("up",),
                peer="10.0.0.1:5",
                secure=True,
                mint=lambda: "req-1",
            )
            self.do(self.session.received(Side.CLIENT, b""))

    def server(self, data: bytes) -> None:
        if self.session is not None:
            self.do(self.session.received(Side.BACKEND, data))

    def do(self, actions: list[Action]) -> None:
        assert self.session is not None
        for action in actions:
            if isinstance(action, Forward):
                assert not (action.data and self.over)
                self.sent += action.data
                self.recorded += action.data if action.received is None else action.received
                self.recorded += action.recorded or b""
                self.decided += len(action.decisions)
            elif isinstance(action, Reply):
                self.shown += action.data
                self.recorded += action.data
            elif isinstance(action, Ask):
                text = action.event.text
                plan = BodyPlan(())
                verdict = Block("r", "no", "No.") if " /no" in text else Mask("r", (plan,))
                self.do(self.session.decided(action.ticket, Decision("req-1", verdict)))
            elif isinstance(action, Close):
                self.over = True


@given(
    st.lists(st.tuples(REQUESTS, ANSWERS), min_size=1, max_size=5),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_nothing_labelled_is_shown_and_no_credential_recorded(
    exchanges: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    wire = Wire()
    count = 0
    try:
        for request, answer in exchanges:
            forwarded = wire.sent
            for piece in _cut(request, cuts):
                if not wire.over:
                    wire.client(piece)
            if wire.sent != forwarded:
                count += 1
                for piece in _cut(answer, cuts):
                    if not wire.over:
                        wire.server(piece)
    except (Malformed, Refusal):
        assert wire.session is None  # refused before there was one
    assert b"Canary" not in wire.shown
    for secret in SECRETS:
        assert secret not in wire.shown + wire.recorded
    assert SECRETS[0] not in wire.sent
    assert wire.decided >= count  # nothing went on without a decision
    assert b"/ehr" not in wire.sent.split(b"X-Forwarded")[0]
    assert b"PUT /no" not in wire.sent


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    found, at, turn = [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        found.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return found


def test_the_model_judge_lets_something_through() -> None:
    wire = Wire()
    wire.client(b"GET /ehr/a HTTP/1.1\r\n" + HEAD + b"\r\n")
    wire.server(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    assert wire.sent.startswith(b"GET /a HTTP/1.1\r\nHost: up\r\n")
    assert wire.shown.endswith(b"\r\n\r\n{}")
