"""Before the login: every case of PROTOCOLS A1 to A10 with the outcome it must have."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import LocalProtocolError
from hoopgate.postgres import startup, wire
from hoopgate.postgres.startup import Answer, Cancel, ClientStartup, Fatal, StartTLS, Startup

SSL = struct.pack(">II", 8, 80877103)
GSS = struct.pack(">II", 8, 80877104)
HELLO = b"\x16\x03\x01\x02\x00\x01"


def packet(code: int, body: bytes) -> bytes:
    return struct.pack(">II", len(body) + 8, code) + body


def start(*pairs: str, minor: int = 0, major: int = 3) -> bytes:
    strings = "".join(text + "\0" for text in pairs).encode()
    return packet(major << 16 | minor, strings + b"\0")


def cancel(key: bytes = b"abcd") -> bytes:
    return packet(80877102, struct.pack(">I", 77) + key)


USER = ("user", "agent", "database", "clinic")
START = start(*USER)


def plain(**options: object) -> ClientStartup:
    """A listener on loopback without TLS."""
    return ClientStartup(tls_required=False, tls_available=False, **options)


def tls(**options: object) -> ClientStartup:
    return ClientStartup(tls_required=True, **options)


def inside(alpn: bytes | None = None, **options: object) -> ClientStartup:
    """A connection inside TLS."""
    client = tls(**options)
    assert client.received(SSL) == [Answer(b"S"), StartTLS()]
    assert client.secured(alpn) == []
    return client


def only(events: list[startup.StartupEvent]) -> startup.StartupEvent:
    [event] = events
    return event


def refused(events: list[startup.StartupEvent], sqlstate: str | None = None) -> Fatal:
    event = only(events)
    assert isinstance(event, Fatal)
    if sqlstate is not None:
        assert event.sqlstate == sqlstate
    if event.data:
        assert wire.error_fields(event.data)[b"C"] == event.sqlstate.encode()
        assert wire.error_fields(event.data)[b"S"] == b"FATAL"
    return event


def started(events: list[startup.StartupEvent]) -> Startup:
    event = only(events)
    assert isinstance(event, Startup)
    return event


# --- the ways in -------------------------------------------------------------------------------


def test_start_inside_tls() -> None:
    event = started(inside().received(START))
    assert event == Startup({"user": "agent", "database": "clinic"})
    assert event.session_parameters == {}


def test_start_on_loopback_without_tls() -> None:
    client = plain()
    assert client.received(SSL) == [Answer(b"N")]
    assert started(client.received(START)).parameters["user"] == "agent"


def test_gss_then_ssl() -> None:
    client = tls()
    assert client.received(GSS) == [Answer(b"N")]
    assert client.received(SSL) == [Answer(b"S"), StartTLS()]


def test_direct_tls() -> None:
    client = tls()
    assert client.received(HELLO) == [StartTLS(HELLO)]
    assert client.secured(b"postgresql") == []
    assert isinstance(only(client.received(START)), Startup)


@pytest.mark.parametrize("client", [plain(), tls(), inside()])
def test_cancel_needs_no_tls_and_gets_no_answer(client: ClientStartup) -> None:
    assert client.received(cancel(b"k" * 32)) == [Cancel(77, b"k" * 32)]
    assert client.received(b"more") == []


@pytest.mark.parametrize("size", [1, 4, 32, 256])
def test_cancel_keys_of_any_length(size: int) -> None:
    assert plain().received(cancel(b"k" * size)) == [Cancel(77, b"k" * size)]


# --- A1, A2, A3 --------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [b"x", START, HELLO, SSL])
@pytest.mark.parametrize("request_", [SSL, GSS])
@pytest.mark.parametrize("make", [plain, tls])
def test_bytes_behind_an_encryption_request_are_fatal(make, request_: bytes, behind: bytes) -> None:
    """CVE-2021-23214, CVE-2021-3935, CVE-2021-43766."""
    client = make()
    refused(client.received(request_ + behind), "08P01")
    assert client.received(START) == []
    assert client.buffered == 0


@pytest.mark.parametrize("request_", [SSL, GSS])
def test_a_repeated_encryption_request_is_fatal(request_: bytes) -> None:
    client = plain()
    assert client.received(request_) == [Answer(b"N")]
    refused(client.received(request_), "08P01")


@pytest.mark.parametrize("request_", [SSL, GSS])
def test_an_encryption_request_inside_tls_is_fatal(request_: bytes) -> None:
    refused(inside().received(request_), "08P01")


def test_a_tls_hello_inside_tls_is_fatal() -> None:
    refused(inside().received(HELLO), "08P01")


def test_a_tls_hello_behind_an_answered_request_is_fatal() -> None:
    client = plain()
    client.received(SSL)
    refused(client.received(HELLO), "08P01")


def test_a_tls_hello_without_a_certificate_is_fatal() -> None:
    refused(plain().received(HELLO), "08P01")


@pytest.mark.parametrize("alpn", [None, b"", b"http/1.1", b"PostgreSQL"])
def test_direct_tls_needs_its_alpn(alpn: bytes | None) -> None:
    client = tls()
    client.received(HELLO)
    refused(client.secured(alpn), "08P01")
    assert client.received(START) == []


def test_a_wrong_alpn_is_refused_behind_sslrequest_too() -> None:
    client = tls()
    client.received(SSL)
    refused(client.secured(b"h2"), "08P01")
    assert inside(b"postgresql")


def test_bytes_of_the_handshake_are_not_ours() -> None:
    client = tls()
    client.received(SSL)
    with pytest.raises(LocalProtocolError):
        client.received(START)
    with pytest.raises(LocalProtocolError):
        plain().secured(None)


# --- A4: versions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "spoken", "negotiates"),
    [(0, 0, False), (1, 0, True), (2, 2, False), (3, 2, True), (9999, 2, True)],
)
def test_minor_versions(minor: int, spoken: int, negotiates: bool) -> None:
    event = started(inside().received(start(*USER, minor=minor)))
    assert event.minor == spoken
    assert bool(event.negotiate) is negotiates
    if negotiates:
        assert wire.negotiated_version(event.negotiate) == (spoken, ())


def test_unknown_protocol_options_are_negotiated_away() -> None:
    event = started(inside().received(start(*USER, "_pq_.x", "1", "_pq_.y", "2", minor=2)))
    assert event.unknown_options == ("_pq_.x", "_pq_.y")
    assert wire.negotiated_version(event.negotiate) == (2, (b"_pq_.x", b"_pq_.y"))
    assert "_pq_.x" not in event.parameters


@pytest.mark.parametrize("major", [0, 1, 2, 4, 1234, 0x4745])
def test_other_major_versions_are_refused(major: int) -> None:
    refused(inside().received(start(*USER, major=major)), "0A000")


# --- A5, A6: cancel ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"", b"k" * 257])
def test_cancel_keys_out_of_bounds_end_without_an_answer(key: bytes) -> None:
    assert refused(plain().received(cancel(key)), "08P01").data == b""


def test_a_cancel_with_bytes_behind_it_is_fatal() -> None:
    refused(plain().received(cancel() + b"x"), "08P01")


# --- A7: structure -----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 4, 7, 10_001, 2**31, 2**32 - 1])
def test_lengths_out_of_bounds_are_refused_at_the_header(length: int) -> None:
    client = plain()
    refused(client.received(struct.pack(">I", length)), "08P01")
    assert client.buffered == 0


@pytest.mark.parametrize("length", [9, 100])
@pytest.mark.parametrize("code", [80877103, 80877104])
def test_encryption_requests_have_one_length(length: int, code: int) -> None:
    refused(plain().received(struct.pack(">II", length, code)), "08P01")


def test_the_limit_is_exact() -> None:
    fill = 10_000 - len(start(*USER, "application_name", ""))
    big = start(*USER, "application_name", "x" * fill)
    assert len(big) == 10_000
    # The packet is read; its value is what is too long.
    refused(inside().received(big), "22023")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0",
        b"user\0agent",
        b"user\0agent\0",
        b"user\0agent\0\0\0",
        b"user\0agent\0\0x\0y\0\0",
        b"user\0agent\0database\0\0",
        b"user\0\xff\0\0",
        b"\0agent\0\0",
    ],
)
def test_a_broken_layout_is_refused(body: bytes) -> None:
    refused(inside().received(packet(3 << 16, body)), "08P01")


@pytest.mark.parametrize(
    "pairs",
    [
        ("user", "a", "user", "b"),
        ("user", "a", "DateStyle", "ISO", "datestyle", "ISO"),
        ("user", "a", "database", "x", "database", "x"),
    ],
)
def test_duplicates_are_refused(pairs: tuple[str, ...]) -> None:
    refused(inside().received(start(*pairs)), "08P01")


@pytest.mark.parametrize("pairs", [(), ("database", "x"), ("user", "")])
def test_a_missing_user_is_refused(pairs: tuple[str, ...]) -> None:
    refused(inside().received(start(*pairs)), "28000")


def test_a_packet_behind_the_startup_is_fatal() -> None:
    """CVE-2026-107350: a second StartupMessage swapped the identity."""
    refused(inside().received(START + START), "08P01")
    client = inside()
    assert isinstance(only(client.received(START)), Startup)
    assert client.received(START) == []


# --- A8: parameters ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given_", "canonical", "value"),
    [
        ("application_name", "psql", "application_name", "psql"),
        ("client_encoding", "UTF8", "client_encoding", "UTF8"),
        ("client_encoding", "'utf-8'", "client_encoding", "UTF8"),
        ("client_encoding", "unicode", "client_encoding", "UTF8"),
        ("client_encoding", "SQL_ASCII", "client_encoding", "UTF8"),
        ("datestyle", "ISO, MDY", "DateStyle", "ISO, MDY"),
        ("TIMEZONE", "Europe/Berlin", "TimeZone", "Europe/Berlin"),
        ("extra_float_digits", "-3", "extra_float_digits", "1"),
        ("extra_float_digits", "3", "extra_float_digits", "3"),
        ("statement_timeout", "30s", "statement_timeout", "30s"),
        ("standard_conforming_strings", "true", "standard_conforming_strings", "on"),
    ],
)
def test_allowed_parameters(name: str, given_: str, canonical: str, value: str) -> None:
    event = started(inside().received(start(*USER, name, given_)))
    assert event.session_parameters == {canonical: value}


@pytest.mark.parametrize(
    "name",
    ["replication", "role", "session_authorization", "search_path", "Role", "User", "_pq", "x\ny"],
)
@pytest.mark.parametrize("value", ["", "on", "database", "false"])
def test_other_parameters_are_refused_by_name(name: str, value: str) -> None:
    fatal = refused(inside().received(start(*USER, name, value)), "28000")
    assert name.replace("\n", "?") in fatal.message
    assert "\n" not in fatal.message


def test_options_must_be_empty() -> None:
    assert started(inside().received(start(*USER, "options", " "))).session_parameters == {}
    refused(inside().received(start(*USER, "options", "-c role=root")), "28000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_encoding", "SJIS"),
        ("client_encoding", "LATIN1"),
        ("client_encoding", "GB18030"),
        ("client_encoding", ""),
        ("standard_conforming_strings", "off"),
        ("DateStyle", "ISO'; DROP"),
        ("statement_timeout", "1; x"),
        ("application_name", "a\nb"),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, value: str) -> None:
    fatal = refused(inside().received(start(*USER, name, value)), "22023")
    assert "DROP" not in fatal.message


def test_settings_may_allow_more_but_not_everything() -> None:
    allowed = frozenset({"work_mem", "role", "options", "replication"})
    event = started(inside(parameters=allowed).received(start(*USER, "work_mem", "1MB")))
    assert event.session_parameters == {"work_mem": "1MB"}
    for name in ("role", "options", "replication"):
        refused(inside(parameters=allowed).received(start(*USER, name, "x")), "28000")


# --- A10 ---------------------------------------------------------------------------------------


def test_nothing_is_read_of_a_startup_before_tls() -> None:
    """No password can be asked for: the header alone is refused."""
    client = tls()
    fatal = refused(client.received(START[:8]), "28000")
    assert "TLS" in fatal.message
    assert client.received(START[8:]) == []


# --- properties --------------------------------------------------------------------------------

CONVERSATIONS = [
    [SSL],
    [GSS, SSL],
    [START],
    [cancel()],
    [start(*USER, "role", "x")],
    [start(*USER, minor=3)],
    [packet(3 << 16, b"user\0")],
    [SSL, START],
    [GSS, GSS],
    [b"GET / HTTP/1.1\r\n\r\n"],
]


@given(st.sampled_from(CONVERSATIONS), st.lists(st.integers(1, 40), max_size=6), st.booleans())
def test_any_cut_gives_the_same_events(
    packets: list[bytes], cuts: list[int], secured: bool
) -> None:
    """Packets arrive one by one, as a client that waits for the answer sends them."""

    def run(cut: list[int]) -> list[startup.StartupEvent]:
        client = inside() if secured else plain()
        events = []
        for data in packets:
            edges = sorted({0, len(data), *(c % len(data) for c in cut)})
            for a, b in pairwise(edges):
                events += client.received(data[a:b])
        return events

    assert run(cuts) == run([])


@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
def test_arbitrary_bytes_end_in_a_fatal_at_worst(chunks: list[bytes], secured: bool) -> None:
    client = inside(limit=50) if secured else plain(limit=50)
    for chunk in chunks:
        events = client.received(chunk)
        assert client.buffered <= 50 + 60
        if any(isinstance(event, StartTLS) for event in events):
            break


pairs_ = st.lists(
    st.tuples(
        st.sampled_from(["user", "database", "options", "DateStyle", "role", "_pq_.a", "", "é"]),
        st.text(max_size=5),
    ),
    max_size=5,
)


@given(pairs_)
def test_whatever_starts_is_within_the_allow_list(pairs: list[tuple[str, str]]) -> None:
    [event] = inside().received(start(*(text for pair in pairs for text in pair)))
    if isinstance(event, Startup):
        assert set(event.parameters) <= {"user", "database", "DateStyle"}
        assert event.parameters["user"]
    else:
        assert isinstance(event, Fatal)
