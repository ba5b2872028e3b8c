"""Scrubbed reports: nothing of the server's words, the SQLSTATE where it is PostgreSQL's own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.postgres import Postgres

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.postgres import wire
from hoopgate.postgres.errors import known_sqlstate, scrub

SECRET = "123-45-6789"


def report(type_: bytes, fields: dict[bytes, bytes]) -> bytes:
    body = b"".join(code + value + b"\0" for code, value in fields.items()) + b"\0"
    return type_ + (len(body) + 4).to_bytes(4, "big") + body


codes = st.sampled_from([bytes((c,)) for c in b"SVCMDHPpqWstcdnFLRZ"])


@given(
    st.sampled_from([b"E", b"N"]),
    st.dictionaries(codes, st.just(SECRET.encode()) | st.sampled_from([b"ERROR", b"23505"])),
)
def test_nothing_passes_but_severity_and_sqlstate(type_: bytes, fields: dict[bytes, bytes]) -> None:
    scrubbed = scrub(report(type_, fields))
    assert scrubbed[:1] == type_
    assert SECRET.encode() not in scrubbed
    out = wire.error_fields(scrubbed)
    assert set(out) == {b"S", b"V", b"C", b"M"}
    assert out[b"S"] == out[b"V"]
    # The text is one of few, whatever came in.
    assert b"withholds" in out[b"M"]


@pytest.mark.parametrize(
    ("given_", "known"),
    [
        (b"23505", "23505"),
        (b"22P02", "22P02"),
        (b"P0001", "P0001"),
        (b"25P04", "25P04"),
        (b"22ABC", "22000"),  # RAISE … ERRCODE made of data
        (b"12345", "XX000"),
        (b"22", "XX000"),
        (b"", "XX000"),
        (b"\xff\xff\xff\xff\xff", "XX000"),
        (b"2350500", "XX000"),
    ],
)
def test_an_sqlstate_carries_no_data(given_: bytes, known: str) -> None:
    assert known_sqlstate(given_) == known


def test_severity_is_the_unlocalised_one() -> None:
    for fields, severity in (
        ({b"S": b"FEHLER", b"V": b"FATAL"}, b"FATAL"),
        ({b"S": b"PANIC"}, b"PANIC"),
        ({b"S": b"FEHLER"}, b"ERROR"),
        ({}, b"ERROR"),
    ):
        assert wire.error_fields(scrub(report(b"E", fields)))[b"V"] == severity
    assert wire.error_fields(scrub(report(b"N", {})))[b"V"] == b"NOTICE"


def test_a_notification_loses_its_payload() -> None:
    body = b"\0\0\0\7channel\0" + SECRET.encode() + b"\0"
    message = b"A" + (len(body) + 4).to_bytes(4, "big") + body
    assert scrub(message) == b"A\0\0\0\x11\0\0\0\7channel\0\0"


@pytest.mark.parametrize(
    "body", [b"", b"\0\0\0\7", b"\0\0\0\7c\0", b"\0\0\0\7c\0p", b"\0\0\0\7c\0p\0x"]
)
def test_a_malformed_notification_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        scrub(b"A" + (len(body) + 4).to_bytes(4, "big") + body)


@pytest.mark.parametrize("body", [b"", b"M", b"Mx", b"Mx\0", b"Mx\0\0\0"])
def test_a_malformed_report_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        scrub(b"E" + (len(body) + 4).to_bytes(4, "big") + body)


def test_only_reports_are_scrubbed() -> None:
    for message in (b"", wire.ready_for_query(b"I")):
        with pytest.raises(LocalProtocolError):
            scrub(message)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data: bytes) -> None:
    for type_ in (b"E", b"N", b"A"):
        try:
            scrub(type_ + data)
        except RemoteProtocolError:
            pass


@pytest.fixture(scope="module")
def connection(any_postgres: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(any_postgres.dsn(), autocommit=True) as connection:
        connection.execute(
            "CREATE TEMP TABLE p (ssn text PRIMARY KEY, age int CHECK (age > 0));"
            f"INSERT INTO p VALUES ('{SECRET}', 1)"
        )
        yield connection


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT ssn::int FROM p", "22P02"),
        ("INSERT INTO p SELECT * FROM p", "23505"),
        ("UPDATE p SET age = -1", "23514"),
        (f"DO $$ BEGIN RAISE EXCEPTION 'x' USING HINT = '{SECRET}'; END $$", "P0001"),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '22XYZ'; END $$", "22000"),
        (f"SELECT xmlparse(document '<a>{SECRET}')", "2200M"),
    ],
)
def test_errors_of_a_real_server(connection: psycopg.Connection, sql: str, code: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    diag = caught.value.diag
    fields = {
        b"S": diag.severity,
        b"V": diag.severity_nonlocalized,
        b"C": diag.sqlstate,
        b"M": diag.message_primary,
        b"D": diag.message_detail,
        b"H": diag.message_hint,
        b"W": diag.context,
        b"n": diag.constraint_name,
    }
    message = report(b"E", {k: v.encode() for k, v in fields.items() if v})
    if code not in ("22000",):
        assert SECRET.encode() in message  # the leak is real
    scrubbed = scrub(message)
    assert SECRET.encode() not in scrubbed
    assert wire.error_fields(scrubbed)[b"C"] == code.encode()
