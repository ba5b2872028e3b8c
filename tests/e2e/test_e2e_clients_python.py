"""asyncpg (binary, prepared, pooled) and pg8000, unmodified: only connection settings."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
import ssl
import uuid
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import pg8000.dbapi
import pg8000.native
import pytest
from testbed.clinic import OLDEST_BIRTH, Clinic

#: The first patient as an analyst sees him, each value of its column's type.
MASKED = {
    "id": 1,
    "mrn": "[MRN]",
    "ssn": "[SSN]",
    "name": "[NAME]",
    "dob": datetime.date.fromisoformat(OLDEST_BIRTH),
    "sex": "M",
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "zip": "004",
    "weight": Decimal("49.5"),
    "contact": "[CONTACT]",
    "portal_id": uuid.UUID(int=0),
    "last_seen": datetime.datetime(2026, 1, 1, 8, 37, tzinfo=datetime.UTC),
}


def settings(clinic: Clinic, who: str = "executor") -> dict[str, Any]:
    return {
        "host": clinic.gateway.host,
        "port": clinic.gateway.port,
        "user": who,
        "database": "clinic",
        "password": clinic.token(who),
    }


def trust(clinic: Clinic) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(clinic.gateway.certificates.ca))


# --- asyncpg --------------------------------------------------------------------------------------

Use = Callable[[asyncpg.Connection], Awaitable[None]]


def with_asyncpg(clinic: Clinic, use: Use, who: str = "executor", **more: Any) -> None:
    """Run ``use`` on a connection, which must still be usable afterwards."""

    async def run() -> None:
        connection = await asyncpg.connect(
            **settings(clinic, who), ssl=trust(clinic), timeout=60, command_timeout=60, **more
        )
        try:
            await use(connection)
            assert await connection.fetchval("SELECT 1") == 1
        finally:
            await connection.close()

    asyncio.run(run())


def test_asyncpg_decodes_every_masked_column(clinic: Clinic) -> None:
    async def use(connection: asyncpg.Connection) -> None:
        for argument in (1, 2, 3):
            row = await connection.fetchrow("SELECT * FROM patients WHERE id = $1", argument)
            assert list(row.keys()) == list(MASKED)
            if argument == 1:
                assert {**row, "contact": json.loads(row["contact"])} == MASKED
            assert (row["ssn"], row["name"], row["mrn"]) == ("[SSN]", "[NAME]", "[MRN]")

    with_asyncpg(clinic, use)


def test_asyncpg_looks_types_up(clinic: Clinic) -> None:
    """It asks the catalogue about types it does not know, with JIT off by set_config()."""

    async def use(connection: asyncpg.Connection) -> None:
        row = await connection.fetchrow(
            "SELECT ARRAY[1, 2] AS a, ROW(1, 'x'::text) AS r, int4range(1, 5) AS g, c AS composite"
            " FROM codes c WHERE dx = 'E0'"
        )
        assert row["a"] == [1, 2]
        assert tuple(row["r"]) == (1, "x")
        assert row["g"] == asyncpg.Range(1, 5)
        assert tuple(row["composite"]) == ("E0", "finding 0")
        # A whole row that holds secrets has no value that could be shown.
        hidden = await connection.fetchval("SELECT p FROM patients p WHERE id = 1")
        assert hidden is None
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        contact = "SELECT contact FROM patients WHERE id = 1"
        assert await connection.fetchval(contact) == "[CONTACT]"

    with_asyncpg(clinic, use)


def test_asyncpg_prepared_statements_and_cursors(clinic: Clinic) -> None:
    async def use(connection: asyncpg.Connection) -> None:
        statement = await connection.prepare("SELECT id, ssn FROM patients WHERE id = $1")
        assert [one.type.name for one in statement.get_attributes()] == ["int4", "text"]
        assert [one.name for one in statement.get_parameters()] == ["int4"]
        for n in range(1, 8):
            assert tuple(await statement.fetchrow(n)) == (n, "[SSN]")
        async with connection.transaction():
            cursor = await connection.cursor("SELECT id, ssn FROM patients ORDER BY id")
            assert [tuple(row) for row in await cursor.fetch(2)] == [(1, "[SSN]"), (2, "[SSN]")]
            assert await cursor.forward(3) == 3
            assert tuple(await cursor.fetchrow()) == (6, "[SSN]")
            seen = [
                tuple(row)
                async for row in connection.cursor(
                    "SELECT id, ssn FROM patients ORDER BY id", prefetch=30
                )
            ]
            assert seen == [(n, "[SSN]") for n in range(1, 201)]

    with_asyncpg(clinic, use)


@pytest.mark.parametrize("cache", [0, 100], ids=["no statement cache", "statement cache"])
def test_asyncpg_refusals_leave_the_connection(clinic: Clinic, cache: int) -> None:
    async def use(connection: asyncpg.Connection) -> None:
        for _ in range(2):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="hoopgate") as caught:
                await connection.execute("DROP TABLE codes")
            assert json.loads(caught.value.detail)["rule"] == "hipaa-baseline/ddl"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch("SELECT id FROM patients WHERE ssn LIKE $1", "9%")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SELECT 1; TRUNCATE codes")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.add_listener("channel", print)
            assert await connection.fetchval("SELECT $1::int", 5) == 5

    with_asyncpg(clinic, use, statement_cache_size=cache)


def test_asyncpg_transactions_and_savepoints(clinic: Clinic) -> None:
    count = "SELECT count(*) FROM codes WHERE dx LIKE 'F_'"

    async def use(connection: asyncpg.Connection) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("INSERT INTO codes VALUES ('F1', 'x')")
                await connection.execute("TRUNCATE codes")
        assert await connection.fetchval(count) == 0
        async with connection.transaction():
            await connection.executemany(
                "INSERT INTO codes VALUES ($1, $2)", [("F2", "x"), ("F3", "y")]
            )
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO codes VALUES ('F4', 'x')")
                    await connection.execute("TRUNCATE codes")
            assert await connection.fetchval(count) == 2
        await connection.execute("DELETE FROM codes WHERE dx LIKE 'F_'")

    with_asyncpg(clinic, use)


def test_asyncpg_copies_in(clinic: Clinic) -> None:
    """copy_records is a binary COPY FROM STDIN."""

    async def use(connection: asyncpg.Connection) -> None:
        records = [(f"G{n:03}", f"by record {n}") for n in range(500)]
        assert await connection.copy_records_to_table("codes", records=records) == "COPY 500"
        source = io.BytesIO(b"H1,one\nH2,two\n")
        assert await connection.copy_to_table("codes", source=source, format="csv") == "COPY 2"
        with pytest.raises(asyncpg.UniqueViolationError) as caught:
            await connection.copy_records_to_table("codes", records=[("H1", "secret words")])
        assert "secret" not in repr(caught.value.__dict__)
        assert await connection.execute("DELETE FROM codes WHERE dx ~ '^[GH]'") == "DELETE 502"

    with_asyncpg(clinic, use)


def test_asyncpg_copies_out(clinic: Clinic) -> None:
    async def use(connection: asyncpg.Connection) -> None:
        text, binary, rows = io.BytesIO(), io.BytesIO(), io.BytesIO()
        columns = ["id", "ssn", "dob", "portal_id"]
        await connection.copy_from_table("patients", columns=columns, output=text)
        first = text.getvalue().splitlines()[0]
        assert first == f"1\t[SSN]\t{OLDEST_BIRTH}\t{uuid.UUID(int=0)}".encode()
        await connection.copy_from_table(
            "patients", columns=["name"], output=binary, format="binary"
        )
        # 11 bytes of signature, 8 of header, 200 rows of 2 + 4 + 6 bytes, 2 at the end.
        assert len(binary.getvalue()) == 19 + 200 * 12 + 2
        query = "SELECT name, ssn FROM patients WHERE id = $1"
        await connection.copy_from_query(query, 1, output=rows, format="csv")
        assert rows.getvalue() == b"[NAME],[SSN]\n"

    with_asyncpg(clinic, use, "exporter")


def test_asyncpg_cancels_by_timeout(clinic: Clinic) -> None:
    """PROTOCOLS A6: its cancel request goes over a connection of its own, in TLS."""

    async def use(connection: asyncpg.Connection) -> None:
        slow = "SELECT count(*) FROM encounters a, encounters b, encounters c"
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await connection.fetch(slow, timeout=0.2)
            assert await connection.fetchval("SELECT 2") == 2
        task = asyncio.ensure_future(connection.fetch(slow))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with_asyncpg(clinic, use)


def test_asyncpg_pool(clinic: Clinic) -> None:
    """A released connection is cleaned: locks, cursors, listeners, settings."""

    async def run() -> None:
        async with asyncpg.create_pool(
            **settings(clinic), ssl=trust(clinic), min_size=1, max_size=3, command_timeout=60
        ) as pool:
            for _ in range(3):
                async with pool.acquire() as connection:
                    assert await connection.fetchval("SHOW extra_float_digits") != "3"
                    await connection.execute("SET extra_float_digits = 3")
            found = await asyncio.gather(
                *(
                    pool.fetchrow("SELECT id, ssn FROM patients WHERE id = $1", n)
                    for n in range(1, 12)
                )
            )
            assert [tuple(row) for row in found] == [(n, "[SSN]") for n in range(1, 12)]

    asyncio.run(run())


# --- pg8000 ---------------------------------------------------------------------------------------


@pytest.fixture
def native(clinic: Clinic) -> Iterator[pg8000.native.Connection]:
    with pg8000.native.Connection(**settings(clinic), ssl_context=trust(clinic)) as connection:
        yield connection
        assert connection.run("SELECT 1") == [[1]]


def test_pg8000_decodes_every_masked_column(native: pg8000.native.Connection) -> None:
    for parameters in ({}, {"id": 1}):  # simple query, then extended
        condition = ":id" if parameters else "1"
        (row,) = native.run(f"SELECT * FROM patients WHERE id = {condition}", **parameters)
        assert dict(zip([one["name"] for one in native.columns], row, strict=True)) == MASKED


def test_pg8000_prepared_statements(native: pg8000.native.Connection) -> None:
    statement = native.prepare("SELECT id, ssn FROM patients WHERE id = :id")
    for n in range(1, 4):
        assert statement.run(id=n) == [[n, "[SSN]"]]
    statement.close()


def test_pg8000_refusals_and_transactions(clinic: Clinic, native: pg8000.native.Connection) -> None:
    for query, parameters in (("TRUNCATE codes", {}), ("DELETE FROM codes WHERE :x", {"x": True})):
        with pytest.raises(pg8000.native.DatabaseError) as caught:
            native.run(query, **parameters)
        assert caught.value.args[0]["C"] == "42501"
    native.run("START TRANSACTION")
    native.run("INSERT INTO codes VALUES ('J1', 'x')")
    with pytest.raises(pg8000.native.DatabaseError):
        native.run("DROP TABLE codes")
    with pytest.raises(pg8000.native.DatabaseError) as caught:
        native.run("SELECT 1")
    assert caught.value.args[0]["C"] == "25P02"
    native.run("ROLLBACK")
    assert native.run("SELECT count(*) FROM codes WHERE dx = 'J1'") == [[0]]


def test_pg8000_copies_in(native: pg8000.native.Connection) -> None:
    native.run("COPY codes FROM STDIN WITH (FORMAT CSV)", stream=io.BytesIO(b"K1,one\nK2,two\n"))
    assert native.row_count == 2
    native.run("DELETE FROM codes WHERE dx LIKE 'K_'")
    assert native.row_count == 2


def test_pg8000_copies_out(clinic: Clinic) -> None:
    out = io.BytesIO()
    with pg8000.native.Connection(
        **settings(clinic, "exporter"), ssl_context=trust(clinic)
    ) as connection:
        connection.run("COPY (SELECT id, ssn FROM patients WHERE id < 3) TO STDOUT", stream=out)
    assert out.getvalue() == b"1\t[SSN]\n2\t[SSN]\n"


def test_pg8000_dbapi(clinic: Clinic) -> None:
    connection = pg8000.dbapi.connect(**settings(clinic), ssl_context=trust(clinic))
    try:
        cursor = connection.cursor()
        cursor.executemany("INSERT INTO codes VALUES (%s, %s)", [("L1", "x"), ("L2", "y")])
        cursor.execute("SELECT count(*) FROM codes WHERE dx LIKE 'L_'")
        assert cursor.fetchone() == [2]
        with pytest.raises(pg8000.dbapi.DatabaseError):
            cursor.execute("DROP TABLE codes")
        connection.rollback()
        cursor.execute("SELECT count(*) FROM codes WHERE dx LIKE 'L_'")
        assert cursor.fetchone() == [0]
        cursor.execute("SELECT ssn, dob FROM patients WHERE id = %s", (1,))
        assert cursor.fetchall() == (["[SSN]", datetime.date.fromisoformat(OLDEST_BIRTH)],)
    finally:
        connection.close()
