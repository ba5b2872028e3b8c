"""Cancel requests (PROTOCOLS A5, A6): the keys are our own, and nobody else's statement is hit."""

from __future__ import annotations

import re
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from testbed.clinic import Clinic
from testbed.raw import PROTOCOL_3_0, PROTOCOL_3_2, Raw

from hoopgate.postgres import wire

#: Runs for minutes: pg_sleep() is not for agents.
SLOW = "SELECT count(*) FROM encounters a, encounters b, encounters c, encounters d"
VERSIONS = {"3.0": PROTOCOL_3_0, "3.2": PROTOCOL_3_2}


def cancel_request(pid: int, key: bytes) -> bytes:
    return struct.pack("!III", 12 + len(key), 80877102, pid) + key


def cancel(clinic: Clinic, pid: int, key: bytes, *, tls: bool = False) -> None:
    """Send a CancelRequest and wait for the hang-up, as PQcancel does."""
    with Raw(clinic) as connection:
        if tls:
            connection.secure()
        assert connection.send(cancel_request(pid, key)).closed()


@contextmanager
def running(clinic: Clinic, version: int = PROTOCOL_3_0) -> Iterator[Raw]:
    """A session whose statement runs at the backend."""
    with Raw(clinic) as session:
        session.login(version).send(wire.query(SLOW.encode()))
        deadline = time.monotonic() + 60
        while not active(clinic):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield session


def active(clinic: Clinic) -> int:
    """Slow statements that run in the database."""
    count = clinic.postgres.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'agent'"
        " AND datname = 'clinic' AND query LIKE '%encounters d%'",
    )
    return int(count)


def was_canceled(session: Raw) -> bool:
    messages = session.until_ready()
    return any(m[:1] == b"E" and wire.error_fields(m)[b"C"] == b"57014" for m in messages)


def ask(session: Raw, text: bytes) -> list[tuple[bytes | None, ...]]:
    session.send(wire.query(text))
    return [wire.data_row_values(one) for one in session.until_ready() if one[:1] == b"D"]


@pytest.fixture(autouse=True)
def nothing_runs_on(clinic: Clinic) -> Iterator[None]:
    """What a test leaves running is stopped at the backend when its client is gone."""
    yield
    clinic.postgres.psql(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%encounters d%'"
        " AND usename = 'agent'"
    )


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "TLS"])
@pytest.mark.parametrize(("version", "length"), [("3.0", 4), ("3.2", 32)])
def test_a_cancel_request_stops_the_statement(
    clinic: Clinic, version: str, length: int, tls: bool
) -> None:
    with running(clinic, VERSIONS[version]) as session:
        pid, key = session.key
        assert len(key) == length
        started = time.monotonic()
        cancel(clinic, pid, key, tls=tls)
        assert was_canceled(session)
        assert time.monotonic() - started < 60
        assert active(clinic) == 0
        assert ask(session, b"SELECT ssn FROM patients WHERE id = 1") == [(b"[SSN]",)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["cancel", "cancel_safe"])
def test_libpq_cancels(clinic: Clinic, version: str, method: str) -> None:
    """PQcancel opens a plain connection, PQcancelBlocking one like that of the session."""
    dsn = clinic.dsn(min_protocol_version=version, max_protocol_version=version)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(2):
            timer = threading.Timer(0.3, getattr(connection, method))
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(SLOW)
            timer.join()
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_cancel_in_a_transaction_fails_it(clinic: Clinic) -> None:
    with psycopg.connect(clinic.dsn()) as connection:
        connection.execute("INSERT INTO codes VALUES ('X1', 'x')")
        timer = threading.Timer(0.3, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(SLOW)
        timer.join()
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        query = "SELECT count(*) FROM codes WHERE dx = 'X1'"
        assert connection.execute(query).fetchone() == (0,)


def test_a_cancel_stops_a_copy(clinic: Clinic) -> None:
    with psycopg.connect(clinic.dsn("exporter"), autocommit=True) as connection:
        rows = "SELECT a.id, a.note FROM encounters a, encounters b, encounters c"
        seen = 0
        with pytest.raises(psycopg.errors.QueryCanceled):  # noqa: SIM117
            with connection.cursor().copy(f"COPY ({rows}) TO STDOUT") as copy:
                for row in copy:
                    assert b"[NOTE]" in bytes(row)
                    seen += 1
                    if seen == 1000:
                        connection.cancel_safe()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_wrong_key_stops_nothing(clinic: Clinic) -> None:
    for version in VERSIONS.values():
        with running(clinic, version) as session, Raw(clinic) as other:
            pid, key = session.key
            other.login(version)
            wrong = bytes([key[0] ^ 1]) + key[1:]
            attempts = [
                *((pid, wrong), (pid, key[:-1]), (pid, key + b"\0"), (pid, bytes(len(key)))),
                *((other.key[0], key), (pid, other.key[1]), (pid ^ 1, key), (0, key), (pid, b"")),
                (pid, bytes(257)),
            ]
            for one in attempts:
                cancel(clinic, *one)
            time.sleep(0.3)
            assert active(clinic) == 1
            cancel(clinic, pid, key)
            assert was_canceled(session)


def test_the_backends_own_key_is_never_shown(clinic: Clinic) -> None:
    with Raw(clinic) as session:
        session.login()
        (row,) = ask(session, b"SELECT pg_backend_pid()")
        assert row[0] is not None
        assert int(row[0]) != session.key[0]


def test_nothing_that_comes_later_is_hit(clinic: Clinic) -> None:
    """The hang-up says that the backend has taken the request: what is sent then is safe."""
    short = b"SELECT count(*) FROM generate_series(1, %d)"
    long = b"SELECT count(*) FROM generate_series(1, 300000)"
    with Raw(clinic) as session:
        session.login()
        for n in range(30):
            session.send(wire.query(short % (n * 1000)))
            cancel(clinic, *session.key)
            session.until_ready()  # canceled, or done before
            assert ask(session, long) == [(b"300000",)]


def test_an_idle_session_is_not_disturbed(clinic: Clinic) -> None:
    with Raw(clinic) as session:
        session.login()
        for _ in range(5):
            cancel(clinic, *session.key)
            assert ask(session, b"SELECT 1") == [(b"1",)]
        ask(session, b"BEGIN")
        cancel(clinic, *session.key)
        assert ask(session, b"SELECT 2") == [(b"2",)]


def test_no_other_session_is_hit(clinic: Clinic) -> None:
    """Also not by the key of a session that is over."""
    with Raw(clinic) as gone:
        gone.login()
    with running(clinic) as first:
        cancel(clinic, *gone.key)
        with Raw(clinic) as second:
            second.login()
            second.send(wire.query(SLOW.encode()))
            while active(clinic) < 2:
                time.sleep(0.02)
            cancel(clinic, *first.key)
            assert was_canceled(first)
            for one in (gone.key, first.key):
                cancel(clinic, *one)
            time.sleep(0.3)
            assert active(clinic) == 1
            cancel(clinic, *second.key)
            assert was_canceled(second)


def test_a_flood_of_guesses_is_bounded_and_hinders_no_other_session(clinic: Clinic) -> None:
    with running(clinic) as target, Raw(clinic) as other:
        other.login()
        before = canceled(clinic)
        for guess in range(100):
            with Raw(clinic) as attempt:
                attempt.send(cancel_request(target.key[0], struct.pack("!I", guess)))
        assert canceled(clinic) == before
        other.send(wire.query(SLOW.encode()))
        while active(clinic) < 2:
            time.sleep(0.02)
        cancel(clinic, *other.key)
        assert was_canceled(other)
        time.sleep(1)
        cancel(clinic, *target.key)
        assert was_canceled(target)


def canceled(clinic: Clinic) -> float:
    """Cancel requests that went to a backend."""
    status, page = clinic.gateway.get("/metrics")
    assert status == 200
    found = re.search(r"^hoopgate_cancels_total (\S+)$", page, re.MULTILINE)
    assert found is not None
    return float(found[1])
