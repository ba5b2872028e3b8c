"""Masked values of all common types through the gateway: every client decodes every one of them."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import asyncpg
import pg8000.native
import psycopg
import pytest
from psycopg.adapt import Transformer
from testbed import jdbc
from testbed.certificates import Certificates
from testbed.clinic import Clinic
from testbed.parts import node, node_package
from testbed.postgres import Postgres
from testbed.raw import Raw
from testbed.typed import COLUMNS, DATES, TABLES, TOKENS, TYPED, running_typed

from hoopgate.postgres import wire


@pytest.fixture(scope="module")
def typed(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Iterator[Clinic]:
    with running_typed(tmp_path_factory.mktemp("typed"), certificates, postgres18) as running:
        yield running


def query(table: str) -> str:
    return f"SELECT {COLUMNS} FROM {table} ORDER BY id"


def check(table: str, names: dict[str, int], rows: list[list[Any]]) -> None:
    """What every client has to see, whatever it makes of the types.

    :param names: column → the type that it was described as.
    """
    first, second = rows
    assert len(first) == len(TYPED)
    shown = repr(rows)
    assert "canary" not in shown.replace("initials", "")
    assert "7351" not in shown and "gloomy" not in shown and "73 years" not in shown
    values = dict(zip(names, first, strict=True))
    nothing = dict(zip(names, second, strict=True))
    if table in ("t_redact", "t_words"):
        assert values == nothing  # whether there is a value is not told
    if table == "t_null":
        assert set(values.values()) == {None}
    if table == "t_words":
        assert {str(one).strip() for one in values.values()} == {"[X]"}
        assert set(names.values()) <= {25, 19, 1042, 1043}
    if table == "t_token":
        for name in TOKENS:
            assert str(values[name]).startswith("[X:1."), name
            assert nothing[name] is None
            assert names[name] in (25, 19, 1042, 1043)
    if table == "t_years":
        for name in DATES:
            assert (values[name], nothing[name]) == ("1973", None)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("binary", [False, True])
def test_psycopg(typed: Clinic, table: str, binary: bool) -> None:
    with psycopg.connect(typed.dsn(), autocommit=True) as connection:
        cursor = connection.execute(query(table), binary=binary)
        rows = [list(row) for row in cursor.fetchall()]
        assert cursor.description is not None
        names = {one.name: one.type_code for one in cursor.description}
    check(table, names, rows)


def test_asyncpg(typed: Clinic) -> None:
    async def use() -> None:
        connection = await asyncpg.connect(
            host=typed.gateway.host,
            port=typed.gateway.port,
            user="executor",
            password=typed.token(),
            database="clinic",
            ssl=ssl.create_default_context(cafile=str(typed.gateway.certificates.ca)),
            timeout=60,
            command_timeout=60,
        )
        try:
            for table in TABLES:
                statement = await connection.prepare(query(table))
                names = {one.name: one.type.oid for one in statement.get_attributes()}
                check(table, names, [list(row) for row in await statement.fetch()])
        finally:
            await connection.close()

    asyncio.run(use())


def test_pg8000(typed: Clinic) -> None:
    with pg8000.native.Connection(
        "executor",
        host=typed.gateway.host,
        port=typed.gateway.port,
        password=typed.token(),
        database="clinic",
        ssl_context=ssl.create_default_context(cafile=str(typed.gateway.certificates.ca)),
    ) as connection:
        for table in TABLES:
            rows = connection.run(query(table))
            names = {one["name"]: one["type_oid"] for one in connection.columns}
            check(table, names, rows)


NODE = """
const fs = require('fs')
const { Client } = require(process.env.NODE_PG)
async function main() {
  const client = new Client({ ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT) } })
  await client.connect()
  const seen = []
  for (const text of JSON.parse(process.env.QUERIES)) {
    for (const binary of [false, true]) {
      const result = await client.query({ text, values: [], rowMode: 'array', binary })
      seen.push([result.fields.map((one) => [one.name, one.dataTypeID]), result.rows])
    }
  }
  await client.end()
  console.log(JSON.stringify(seen))
}
main().catch((error) => { console.error(error); process.exit(1) })
"""


def test_node_pg(typed: Clinic) -> None:
    done = subprocess.run(
        [node(), "-e", NODE],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "NODE_PG": str(node_package("pg")),
            "PGHOST": "localhost",
            "PGPORT": str(typed.gateway.port),
            "PGUSER": "executor",
            "PGDATABASE": "clinic",
            "PGPASSWORD": typed.token(),
            "PGSSLROOTCERT": str(typed.gateway.certificates.ca),
            "QUERIES": json.dumps([query(table) for table in TABLES]),
        },
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    for number, table in enumerate(TABLES):
        for fields, rows in seen[2 * number : 2 * number + 2]:
            check(table, dict(fields), rows)


#: pgjdbc names types.
NAMED = {"text": 25, "name": 19, "bpchar": 1042, "varchar": 1043}


def test_pgjdbc(typed: Clinic) -> None:
    """In text and binary, prepared at once and later, at once and row by row."""
    gateway = typed.gateway
    address = jdbc.url(gateway.host, gateway.port, "clinic", gateway.certificates.ca)
    queries = {query(table): table for table in TABLES}
    seen = jdbc.rows(address, "executor", typed.token(), list(queries))
    assert len(seen) == 4 * len(TABLES)
    told: dict[str, Any] = {}
    for _, text, columns, rows in seen:
        check(queries[text], {name: NAMED.get(type_, 0) for name, type_, _ in columns}, rows)
        assert told.setdefault(text, (columns, rows)) == (columns, rows)  # in every mode


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_a_named_statement_and_cursor_by_the_protocol(
    typed: Clinic, table: str, binary: bool
) -> None:
    """What Bind and Execute run is EXECUTE or FETCH: described as what it names would be."""
    with psycopg.connect(typed.dsn(), autocommit=True) as connection:
        wanted = connection.execute(query(table), binary=binary)
        rows = [list(row) for row in wanted.fetchall()]
        assert wanted.description is not None
        described = [(one.type_code, one.internal_size) for one in wanted.description]
        with connection.transaction():
            connection.execute(f"DECLARE c BINARY CURSOR FOR {query(table)}")
            connection.execute(f"PREPARE s AS {query(table)}")
            for text in ("FETCH ALL FROM c", "EXECUTE s"):
                cursor = connection.execute(text, binary=binary, prepare=True)
                assert cursor.description is not None
                assert [(one.type_code, one.internal_size) for one in cursor.description] == (
                    described
                ), text
                assert repr([list(row) for row in cursor.fetchall()]) == repr(rows), text
            connection.execute("DEALLOCATE s")


@pytest.mark.parametrize("described", [b"S", b"P"])
def test_formats_column_by_column(typed: Clinic, described: bytes) -> None:
    """Describe, then Bind asks for binary column by column: all of it fits what was described."""
    with Raw(typed) as raw:
        raw.login()
        for table in TABLES:
            raw.send(wire.parse(b"s", query(table).encode()) + wire.describe(b"S", b"s"))
            fields = wire.row_description(
                next(m for m in raw.send(wire.sync()).until_ready() if m[:1] == b"T")
            )
            every_second = tuple(number % 2 for number in range(len(fields)))
            raw.send(wire.bind(b"", b"s", (), (), every_second))
            if described == b"P":
                raw.send(wire.describe(b"P", b""))
            raw.send(wire.execute(b"") + wire.close(b"S", b"s") + wire.sync())
            messages = raw.until_ready()
            for message in messages:
                if message[:1] == b"T":
                    again = wire.row_description(message)
                    assert [one.type_oid for one in again] == [one.type_oid for one in fields]
                    assert tuple(one.format for one in again) == every_second
                assert message[:1] != b"E", message
            loaders = [
                Transformer(None).get_loader(one.type_oid, psycopg.pq.Format(format))
                for one, format in zip(fields, every_second, strict=True)
            ]
            rows = [
                [
                    None if value is None else loader.load(value)
                    for loader, value in zip(loaders, wire.data_row_values(one), strict=True)
                ]
                for one in messages
                if one[:1] == b"D"
            ]
            check(table, {one.name.decode(): one.type_oid for one in fields}, rows)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "<-99>99"])
@pytest.mark.parametrize("binary", [False, True])
def test_the_year_of_an_instant_in_any_zone(typed: Clinic, zone: str, binary: bool) -> None:
    """A session's TimeZone neither moves the turn of the year about, nor the year that is shown."""
    with psycopg.connect(typed.dsn(), autocommit=True) as connection:
        connection.execute(f"SET TimeZone TO '{zone}'")
        cursor = connection.execute("SELECT at FROM turns ORDER BY id", binary=binary)
        years = [at and at.year for (at,) in cursor]
    assert years == [2019, 2019, 2020, 2020, None]


STYLES = {
    "ISO, DMY": ("1900-01-01", "1900-01-01 00:00:00", "1900-01-01 00:00:00+00", "1973-01-01"),
    "German": ("01.01.1900", "01.01.1900 00:00:00", "01.01.1900 00:00:00 UTC", "01.01.1973"),
    "SQL, MDY": ("01/01/1900", "01/01/1900 00:00:00", "01/01/1900 00:00:00 UTC", "01/01/1973"),
    "Postgres, DMY": (
        *("01-01-1900", "Mon 01 Jan 00:00:00 1900", "Mon 01 Jan 00:00:00 1900 UTC"),
        "01-01-1973",
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("early", [False, True], ids=["SET", "at the start"])
def test_dates_in_the_sessions_style(
    typed: Clinic, style: str, early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server itself writes them, which is how psycopg and others read them."""
    *constants, year = STYLES[style]
    if early:
        monkeypatch.setenv("PGDATESTYLE", style.replace(" ", ""))
    with (
        psycopg.connect(typed.postgres.dsn(typed.database), autocommit=True) as direct,
        psycopg.connect(typed.dsn(), autocommit=True) as connection,
    ):
        direct.execute(f"SET DateStyle TO {style}; SET TimeZone TO 'UTC'")
        written = direct.execute(
            "SELECT '1900-01-01'::date::text, '1900-01-01'::timestamp::text,"
            " '1900-01-01 00:00Z'::timestamptz::text, '1973-01-01'::date::text"
        ).fetchone()
        assert written == (*constants, year)
        if not early:
            connection.execute(f"SET DateStyle TO {style}")
        pg = connection.pgconn
        for table, wanted in (("t_redact", constants), ("t_coarse", [year])):
            names = ", ".join(("a_date", "a_timestamp", "a_timestamptz")[: len(wanted)])
            result = pg.exec_(f"SELECT {names} FROM {table} WHERE id = 1".encode())
            found = [result.get_value(0, column) for column in range(len(wanted))]
            assert found == [one.encode() for one in wanted]
        row = connection.execute("SELECT a_date FROM t_coarse WHERE id = 1").fetchone()
        assert row == (datetime.date(1973, 1, 1),)
    with psycopg.connect(typed.dsn("exporter"), autocommit=True) as connection:
        connection.execute(f"SET DateStyle TO {style}")
        with connection.cursor().copy("COPY t_redact (a_date) TO STDOUT") as copy:
            data = b"".join(bytes(part) for part in copy)
        assert data == f"{constants[0]}\n".encode() * 2


@pytest.mark.parametrize("options", ["", "(FORMAT csv)", "(FORMAT binary)"])
def test_copy(typed: Clinic, options: str) -> None:
    with psycopg.connect(typed.dsn("exporter"), autocommit=True) as connection:
        for table in TABLES:
            with connection.cursor().copy(f"COPY {table} TO STDOUT {options}") as copy:
                data = b"".join(bytes(part) for part in copy)
            for canary in (b"canary", b"7351", b"gloomy", (7351).to_bytes(4, "big")):
                assert canary not in data, table
            assert (b"[X]" in data) == (table != "t_null")
            if table == "t_token":
                assert data.count(b"[X:1.") == len(TOKENS)
            if table == "t_years":
                assert data.count(b"1973") == len(DATES)
