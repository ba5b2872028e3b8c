"""Masked values of all common types through the gateway: every client decodes every one of them."""

from __future__ import annotations

import asyncio
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
from testbed.certificates import Certificates, write_private
from testbed.clinic import LABELS, RULES, Clinic, running_clinic
from testbed.parts import node, node_package
from testbed.postgres import Postgres
from testbed.raw import Raw

from hoopgate.postgres import wire

#: Column, its type, a value of it that must never be seen.
TYPED = {
    "a_text": ("text", "canary"),
    "a_varchar": ("varchar(6)", "canary"),
    "a_char": ("char(8)", "canary"),
    "a_name": ("name", "canary"),
    "a_bool": ("boolean", "true"),
    "a_smallint": ("smallint", "7351"),
    "an_int": ("integer", "7351"),
    "a_bigint": ("bigint", "7351"),
    "an_oid": ("oid", "7351"),
    "a_real": ("real", "7351.5"),
    "a_double": ("double precision", "7351.5"),
    "a_numeric": ("numeric(8, 2)", "7351.25"),
    "a_money": ("money", "7351.25"),
    "a_date": ("date", "1973-05-01"),
    "a_time": ("time", "07:35:01"),
    "a_timetz": ("timetz", "07:35:01+01"),
    "a_timestamp": ("timestamp", "1973-05-01 07:35:01"),
    "a_timestamptz": ("timestamptz", "1973-05-01 07:35:01+00"),
    "an_interval": ("interval", "7 days 35 seconds"),
    "a_uuid": ("uuid", "73517351-7351-7351-7351-735173517351"),
    "an_inet": ("inet", "10.73.51.1"),
    "a_cidr": ("cidr", "10.73.51.0/24"),
    "a_macaddr": ("macaddr", "07:35:10:73:51:00"),
    "a_json": ("json", '{"canary": 1}'),
    "a_jsonb": ("jsonb", '{"canary": 1}'),
    "a_bytea": ("bytea", "\\x63616e617279"),
    "an_xml": ("xml", "<canary/>"),
    "a_bit": ("bit(5)", "10110"),
    "a_point": ("point", "(73,51)"),
    "some_text": ("text[]", "{canary}"),
    "some_ints": ("integer[]", "{7351}"),
    "some_dates": ("date[]", "{1973-05-01}"),
    "a_range": ("daterange", "[1973-05-01,1973-06-01)"),
    "an_enum": ("mood", "gloomy"),
    "a_domain": ("initials", "canary"),
    "a_byte": ('"char"', "7"),
    "a_bpchar": ("bpchar", "canary"),
    "a_timestamp0": ("timestamp(0)", "1973-05-01 07:35:01"),
    "years": ("interval year to month", "73 years 5 mons"),
    "a_macaddr8": ("macaddr8", "07:35:10:73:51:00:73:51"),
    "a_varbit": ("varbit(9)", "10110"),
    "a_jsonpath": ("jsonpath", "$.canary"),
    "a_line": ("line", "{7,3,51}"),
    "an_lseg": ("lseg", "[(7,3),(5,1)]"),
    "a_box": ("box", "(73,51),(7,3)"),
    "a_path": ("path", "[(7,3),(5,1)]"),
    "a_polygon": ("polygon", "((7,3),(5,1))"),
    "a_circle": ("circle", "<(7,3),51>"),
    "a_tsvector": ("tsvector", "canary:1"),
    "a_tsquery": ("tsquery", "canary"),
    "an_int4range": ("int4range", "[7351,7352)"),
    "a_numrange": ("numrange", "[7351,7352)"),
    "a_tstzrange": ("tstzrange", "[1973-05-01,1973-06-01)"),
    "a_multirange": ("datemultirange", "{[1973-05-01,1973-06-01)}"),
    "a_float_range": ("floats", "[7351,7352)"),
    "an_lsn": ("pg_lsn", "7351/7351"),
    "a_snapshot": ("pg_snapshot", "7351:7352:"),
    "an_xid": ("xid", "7351"),
    "an_xid8": ("xid8", "7351"),
    "a_tid": ("tid", "(7351,1)"),
    "a_class": ("regclass", "pg_class"),
    "a_role": ("regrole", "postgres"),
    "a_cursor": ("refcursor", "canary"),
    "an_oidvector": ("oidvector", "7351 7351"),
    "a_composite": ("pair", "(7351,canary)"),
    "a_cube": ("cube", "(7351,1)"),
    "an_hstore": ("hstore", "canary=>1"),
    "a_citext": ("citext", "canary"),
    "an_ltree": ("ltree", "canary.a"),
    "a_domain_of_one": ("signed", "canary"),
    "a_date_domain": ("day", "1973-05-01"),
    "an_enum_domain": ("temper", "gloomy"),
    "an_array_domain": ("words", "{canary}"),
    "a_composite_domain": ("couple", "(7351,canary)"),
    "two_dimensions": ("integer[]", "[2:3][0:1]={{7351,1},{2,7351}}"),
}
TYPED |= {  # arrays of each, but of what is one
    f"some_{name}": (f"{type_}[]", f'{{"{value}"}}'.replace("\\x", "\\\\x"))
    for name, (type_, value) in TYPED.items()
    if not type_.endswith("]")
    and name not in ("years", "a_box", "a_json", "a_jsonb", "an_array_domain", "an_oidvector")
}
SCHEMA = """
CREATE EXTENSION cube; CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TYPE mood AS ENUM ('gloomy'); CREATE TYPE pair AS (a integer, b text);
CREATE TYPE floats AS RANGE (subtype = float8); CREATE DOMAIN initials AS text;
CREATE DOMAIN signed AS initials; CREATE DOMAIN day AS date; CREATE DOMAIN temper AS mood;
CREATE DOMAIN words AS text[]; CREATE DOMAIN couple AS pair;
"""
DATES = ("a_date", "a_timestamp", "a_timestamptz", "a_timestamp0", "a_date_domain")
TOKENS = (
    *("a_text", "a_varchar", "a_char", "a_name", "a_smallint", "an_int", "a_bigint", "an_oid"),
    *("a_uuid", "a_domain", "a_domain_of_one", "a_bpchar"),
)
COLUMNS = ", ".join(TYPED)


def label(table: str, method: str, **more: Any) -> dict[str, Any]:
    column = [f"public.{table}.{name}" for name in TYPED]
    return {"column": column, "kind": "X", "method": method, **more}


TYPED_LABELS = [
    *LABELS,
    {"column": "public.t_*.id", "level": "public"},
    label("t_redact", "redact"),
    label("t_null", "null"),
    label("t_words", "redact", as_text=True),
    label("t_token", "token"),
    label("t_coarse", "generalise", level="quasi"),
    label("t_years", "generalise", level="quasi", as_text=True),
]
TABLES = ("t_redact", "t_null", "t_words", "t_token", "t_coarse", "t_years")


def schema() -> str:
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in TYPED.items())
    values = ", ".join(f"'{value}'" for _, value in TYPED.values())
    made = "".join(
        f"CREATE TABLE {table} (id integer, {columns});"
        f"INSERT INTO {table} VALUES (1, {values}); INSERT INTO {table} (id) VALUES (2);"
        f"GRANT SELECT ON {table} TO agent;"
        for table in TABLES
    )
    return SCHEMA + made


@pytest.fixture(scope="module")
def typed(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("typed")
    keys = directory / "tokens.keys"
    write_private(keys, f"1 {'7351' * 16}\n".encode())

    def adjust(settings: dict[str, Any]) -> None:
        settings["resources"][0]["tokens"] = {"keys": {"file": str(keys)}}

    with running_clinic(
        directory,
        certificates,
        postgres18,
        database="typed",
        labels=TYPED_LABELS,
        rules=RULES,
        adjust=adjust,
    ) as running:
        running.postgres.psql(schema(), "typed")
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
