"""Clients that break the protocol, before login and after it: PROTOCOLS A and LESSONS."""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Iterator

import psycopg
import pytest
from testbed.clinic import Clinic
from testbed.raw import GOOD, GSS_REQUEST, SSL_REQUEST, Raw, startup

from hoopgate.postgres import wire


@pytest.fixture
def raw(clinic: Clinic) -> Iterator[Raw]:
    with Raw(clinic) as connection:
        yield connection


@pytest.fixture(autouse=True)
def still_serving(clinic: Clinic) -> Iterator[None]:
    """Whatever one client did, the next one is served."""
    yield
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


# --- before login ---------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [SSL_REQUEST, GSS_REQUEST], ids=["SSL", "GSSENC"])
def test_bytes_behind_an_encryption_request_are_fatal(raw: Raw, request_: bytes) -> None:
    """A1, CVE-2021-23214: they would be taken for bytes from inside TLS."""
    raw.send(request_ + startup(GOOD))
    assert raw.fatal()[b"C"] == b"08P01"


def test_gssenc_is_declined_once(raw: Raw) -> None:
    """A2."""
    raw.send(GSS_REQUEST)
    assert raw.socket.recv(1) == b"N"
    raw.send(GSS_REQUEST)
    raw.fatal()


def test_tls_may_follow_gssenc(raw: Raw) -> None:
    raw.send(GSS_REQUEST)
    assert raw.socket.recv(1) == b"N"
    raw.login()


@pytest.mark.parametrize("alpn", [None, ["http/1.1"]])
def test_direct_tls_needs_alpn(raw: Raw, alpn: list[str] | None) -> None:
    """A3."""
    try:
        raw.secure(alpn, ask=False).send(startup(GOOD))
    except (ssl.SSLError, ConnectionError):
        return
    assert raw.message()[:1] in (b"E", b"")


@pytest.mark.parametrize(
    "packet",
    [
        struct.pack("!I", 4),
        struct.pack("!II", 7, 196608),
        struct.pack("!iI", -1, 196608),
        struct.pack("!II", 0x7FFFFFFF, 196608),
        struct.pack("!II", 10_001, 196608) + b"user\0x\0" * 1000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 64,
        struct.pack("!II", 8, 0x00020000),
    ],
    ids=["short", "too short", "negative", "huge", "over the cap", "HTTP", "zeros", "protocol 2"],
)
def test_impossible_packets_end_the_connection(raw: Raw, packet: bytes) -> None:
    """A7 and LESSONS "before login"."""
    raw.send(packet)
    raw.fatal()


@pytest.mark.parametrize(
    "parameters",
    [
        {"database": "clinic"},
        {"user": "x", "database": "clinic", "replication": "true"},
        {"user": "x", "database": "clinic", "replication": "database"},
        {"user": "x", "database": "clinic", "options": "-c role=postgres"},
        {"user": "x", "database": "clinic", "role": "postgres"},
        {"user": "x", "database": "clinic", "search_path": "pg_temp"},
        {"user": "x", "database": "clinic", "session_authorization": "postgres"},
        {"user": "x", "database": "clinic", "client_encoding": "SJIS"},
        {"user": "x", "database": "clinic", "standard_conforming_strings": "off"},
    ],
    ids=lambda parameters: next(reversed(parameters)),
)
def test_startup_parameters_are_an_allow_list(raw: Raw, parameters: dict[str, str]) -> None:
    """A7, A8; CVE-2025-12819."""
    raw.secure().send(startup(parameters))
    assert raw.fatal()[b"C"] != b"XX000"


def test_duplicate_startup_parameters_are_refused(raw: Raw) -> None:
    body = b"user\0a\0database\0clinic\0user\0b\0\0"
    raw.secure().send(struct.pack("!II", 8 + len(body), 196608) + body)
    raw.fatal()


def test_a_second_startup_message_does_not_swap_the_identity(raw: Raw) -> None:
    """PgBouncer CVE-2026-107350."""
    raw.secure().send(startup(GOOD))
    assert raw.message()[:1] == b"R"
    raw.send(startup({"user": "planner", "database": "clinic"}))
    raw.fatal()


@pytest.mark.parametrize(
    "message",
    [wire.query(b"select 1"), wire.sync(), wire.terminate(), b"p\0\0\0\5\0", b"p\0\0\0\4"],
    ids=["Query", "Sync", "Terminate", "empty password", "no password"],
)
def test_nothing_but_a_password_counts_before_login(raw: Raw, message: bytes) -> None:
    raw.secure().send(startup(GOOD))
    assert raw.message()[:1] == b"R"
    raw.send(message)
    raw.fatal()


def test_a_token_above_the_cap_is_refused_without_being_collected(raw: Raw) -> None:
    raw.secure().send(startup(GOOD))
    assert raw.message()[:1] == b"R"
    raw.send(b"p" + struct.pack("!I", 0x7FFFFFFF) + b"x" * 200_000)
    # A client that goes on sending must not keep the connection.
    try:
        for _ in range(400):
            raw.send(b"x" * 65536)
            time.sleep(0.005)
    except (ConnectionError, ssl.SSLError, TimeoutError):
        return
    pytest.fail("26 MB of a password were taken")


def test_a_wrong_cancel_key_gets_no_answer(raw: Raw) -> None:
    """A6."""
    raw.send(struct.pack("!IIII", 16, 80877102, 1, 2))
    assert raw.closed()


def test_silent_sockets_block_nobody_and_are_bounded(clinic: Clinic) -> None:
    """A peer's handshake ran in its accept loop: one silent socket blocked all logins."""
    silent = [Raw(clinic) for _ in range(20)]
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for one in silent:
        one.socket.close()


# --- after login ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\0\0\0\4",
        b"Q\0\0\0\3",
        b"Q\xff\xff\xff\xff",
        b"Q\x80\0\0\0",
        wire.password(b"x\0"),
        startup(GOOD),
    ],
    ids=["unknown", "length 3", "length -1", "length -2^31", "password", "startup"],
)
def test_what_breaks_the_framing_ends_the_session_with_a_word(raw: Raw, message: bytes) -> None:
    raw.login().send(message)
    assert raw.fatal()[b"C"] == b"57P01"


@pytest.mark.parametrize(
    "message",
    [
        wire.function_call(b"\0\0\0\1\0\0\0\0\0\0"),
        wire.query(b"select '" + b"x" * (17 * 2**20) + b"'"),
        wire.query(b"select " + b"(" * 500_000 + b"1" + b")" * 500_000),
        wire.query(b"select " + b"1," * 200_000 + b"1"),
        b"Q\0\0\0\x0fselect '\xff'\0",
        b"Q\0\0\0\x0fselect 1\0;\0",
        wire.query(b"select 1; drop table codes"),
        wire.query(b"select 1;" * 500 + b"drop table codes"),
    ],
    ids=["FunctionCall", "17 MB", "nested", "terms", "not UTF-8", "NUL", "smuggled", "many"],
)
def test_what_is_refused_leaves_the_session_usable(raw: Raw, message: bytes) -> None:
    raw.login().send(message)
    answers = raw.until_ready()
    assert [one[:1] for one in answers] == [b"E", b"Z"]
    assert wire.error_fields(answers[0])[b"M"].startswith(b"hoopgate: ")
    raw.send(wire.query(b"select 1"))
    assert b"".join(one[:1] for one in raw.until_ready()) == b"TDCZ"


@pytest.mark.parametrize(
    ("make", "use", "again"),
    [
        ("PREPARE s AS SELECT 1", "EXECUTE s", "DEALLOCATE s; PREPARE s AS SELECT 1, 'a', now()"),
        (
            "DECLARE s CURSOR FOR SELECT 1",
            "FETCH 1 FROM s",
            "CLOSE s; DECLARE s CURSOR FOR SELECT 1, 'a', now()",
        ),
    ],
    ids=["EXECUTE", "FETCH"],
)
def test_a_bound_name_that_means_something_else_is_refused(
    raw: Raw, make: str, use: str, again: str
) -> None:
    """PostgreSQL 18 reads beyond the columns it has prepared for, and all its sessions end."""
    bound = wire.parse(b"", use.encode(), ()) + wire.bind(b"p", b"", (), (), ())
    raw.login().send(wire.query(b"BEGIN") + wire.query(make.encode()) + bound + wire.sync())
    for _ in range(3):
        raw.until_ready()
    for statement in again.split("; "):
        raw.send(wire.query(statement.encode()))
        assert raw.until_ready()[0][:1] == b"C"
    raw.send(wire.execute(b"p") + wire.sync())
    refused, ready = raw.until_ready()
    assert b"portal.stale" in wire.error_fields(refused)[b"D"]
    assert ready == b"Z\0\0\0\5E"


def test_thousands_of_pipelined_queries_are_answered_in_order(raw: Raw) -> None:
    raw.login()
    raw.send(b"".join(wire.query(b"select %d" % (n % 3)) for n in range(3000)))
    for n in range(3000):
        rows = [one for one in raw.until_ready() if one[:1] == b"D"]
        assert wire.data_row_values(rows[0]) == (b"%d" % (n % 3),)


def test_a_client_that_reads_nothing_is_not_buffered_for(clinic: Clinic, raw: Raw) -> None:
    """Back-pressure: the gateway's memory stays bounded."""
    raw.login()
    before = memory(clinic)
    raw.send(wire.query(b"SELECT note, a.id FROM encounters a, generate_series(1, 1000)"))
    time.sleep(3)
    assert memory(clinic) - before < 48 * 2**20
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def memory(clinic: Clinic) -> int:
    """Resident bytes of the gateway process."""
    with open(f"/proc/{clinic.gateway.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096
