"""What agents tried to read a secret by giving a name two meanings; each did so once."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq import PGconn
from testbed.clinic import Clinic

SECRET = b"select id, ssn from patients order by id"


@pytest.fixture
def connection(clinic: Clinic) -> Iterator[PGconn]:
    with psycopg.connect(clinic.dsn(), autocommit=True) as connected:
        yield connected.pgconn


def values(connection: PGconn, *queries: bytes) -> list[bytes | None]:
    """Every value that the queries return; their errors do not matter."""
    shown: list[bytes | None] = []
    for query in queries:
        result = connection.exec_(query)
        for line in range(result.ntuples):
            shown += [result.get_value(line, column) for column in range(result.nfields)]
    return shown


@pytest.fixture
def secrets(clinic: Clinic) -> set[bytes]:
    with psycopg.connect(clinic.postgres.dsn(clinic.database)) as direct:
        return {ssn.encode() for (ssn,) in direct.execute("select ssn from patients")}


def test_execute_of_a_declare_that_was_parsed(connection: PGconn, secrets: set[bytes]) -> None:
    values(connection, b"begin", b"declare c cursor for select 1, 'x'", b"commit", b"begin")
    connection.prepare(b"s", b"declare c cursor for " + SECRET)
    shown = values(connection, b"execute s", b"fetch all from c")
    assert secrets.isdisjoint(shown)


def test_execute_of_a_prepare_that_was_parsed(connection: PGconn, secrets: set[bytes]) -> None:
    values(connection, b"prepare t as select 1, 'x'::text")
    connection.prepare(b"d", b"deallocate t")
    connection.prepare(b"p", b"prepare t as " + SECRET)
    values(connection, b"execute d", b"execute p")
    result = connection.exec_prepared(b"t", [])
    shown = [result.get_value(line, 1) for line in range(result.ntuples)]
    assert secrets.isdisjoint(shown)


def test_a_harmless_setting_does_not_open_the_others(connection: PGconn) -> None:
    assert values(connection, b"select set_config('jit', 'off', false)") == [b"off"]
    assert values(connection, b"select set_config('search_path', 'other', false)") == []
    assert values(connection, b"select set_config('role', 'postgres', false)") == []


def test_cursors_work_as_ever(connection: PGconn) -> None:
    values(connection, b"begin", b"declare c cursor for " + SECRET)
    assert values(connection, b"fetch 1 from c") == [b"1", b"[SSN]"]
    values(connection, b"commit", b"begin", b"declare h cursor with hold for " + SECRET, b"commit")
    assert values(connection, b"fetch 1 from h") == [b"1", b"[SSN]"]
    values(connection, b"prepare q as " + SECRET)
    assert values(connection, b"execute q")[:2] == [b"1", b"[SSN]"]
    assert values(connection, b"close h", b"deallocate q", b"fetch 1 from h") == []
