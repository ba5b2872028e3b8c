"""Constants of redaction on real servers and drivers: valid for every type, in both formats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import psycopg
import pytest
from testbed.postgres import Postgres

from hoopgate.postgres import types

#: Types of pg_type whose redaction is NULL on purpose: internals, geometry, names of objects.
NULLED = frozenset(
    [
        "aclitem",
        "box",
        "bpchar_pattern",
        "cid",
        "cidr_pattern",
        "circle",
        "cstring",
        "gtsvector",
        "int2vector",
        "jsonpath",
        "line",
        "lseg",
        "money",
        "oidvector",
        "path",
        "pg_brin_bloom_summary",
        "pg_brin_minmax_multi_summary",
        "pg_dependencies",
        "pg_lsn",
        "pg_mcv_list",
        "pg_ndistinct",
        "pg_node_tree",
        "pg_snapshot",
        "polygon",
        "refcursor",
        "regclass",
        "regcollation",
        "regconfig",
        "regdatabase",
        "regdictionary",
        "regnamespace",
        "regoper",
        "regoperator",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
        "tid",
        "tsquery",
        "txid_snapshot",
        "xid",
        "xid8",
    ]
)

LABEL = "PATIENT_NAME"


@pytest.fixture(scope="module")
def connection(any_postgres: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(any_postgres.dsn(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def catalogue(connection: psycopg.Connection) -> dict[int, str]:
    """Base, range and multirange types of a new database, and arrays of them: OID → name."""
    found = connection.execute(
        "SELECT t.oid::int, t.typname FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem "
        "WHERE t.oid < 10000 AND t.typtype IN ('b', 'r', 'm') "
        "AND (e.oid IS NULL OR e.typtype IN ('b', 'r', 'm'))"
    ).fetchall()
    return dict(found)


def test_every_type_of_the_server_is_decided(catalogue: dict[int, str]) -> None:
    """A type that a new version brings must be looked at, not fall through."""
    without = {
        name.removeprefix("_")
        for oid, name in catalogue.items()
        if types.constant(oid, LABEL, False) is None
    }
    assert without == NULLED & (without | set(catalogue.values()))


def test_the_oids_are_the_servers(catalogue: dict[int, str]) -> None:
    known = {
        *types._FIXED,
        *types._ARRAYS,
        *types._RANGES,
        *types._MULTIRANGES,
        *types.TEXTUAL,
        types.BYTEA,
        types.JSON,
        types.JSONB,
        types.XML,
    }
    pseudo = {types.UNKNOWN}
    assert known - pseudo <= set(catalogue)


def test_array_elements_are_the_servers(connection: psycopg.Connection) -> None:
    found = dict(
        connection.execute(
            "SELECT typarray::int, oid::int FROM pg_type WHERE typarray = ANY(%s)",
            [list(types._ARRAYS)],
        ).fetchall()
    )
    assert found == types._ARRAYS


def test_the_server_reads_every_constant_alike_in_text_and_binary(
    connection: psycopg.Connection, catalogue: dict[int, str]
) -> None:
    """Both forms are input of the type to the server itself, and the same value to it."""
    pg = connection.pgconn
    for oid, name in catalogue.items():
        text, binary = types.constant(oid, LABEL, False), types.constant(oid, LABEL, True)
        assert (text is None) == (binary is None), name
        if text is None:
            continue
        sql = f'SELECT $1::"{name}", $2::"{name}"'
        if name == "char":
            sql = 'SELECT $1::"char", $2::"char"'
        result = pg.exec_params(sql.encode(), [text, binary], [oid, oid], [0, 1])
        assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, (name, result.error_message)
        assert result.get_value(0, 0) == result.get_value(0, 1), name
        sent = pg.exec_params(sql.encode(), [text, binary], [oid, oid], [0, 1], 1)
        assert sent.get_value(0, 0) == binary, name


def test_psycopg_loads_every_constant(
    connection: psycopg.Connection, catalogue: dict[int, str]
) -> None:
    for oid, name in catalogue.items():
        for binary in (False, True):
            raw = types.constant(oid, LABEL, binary)
            if raw is None:
                continue
            format_ = psycopg.pq.Format.BINARY if binary else psycopg.pq.Format.TEXT
            loader = psycopg.adapt.Transformer(connection).get_loader(oid, format_)
            try:
                loader.load(raw)
            except NotImplementedError:
                assert binary, name  # psycopg has no binary loader for it


async def _asyncpg_values(server: Postgres, names: dict[int, str]) -> list[str]:
    import asyncpg

    connection = await asyncpg.connect(
        host=str(server.socket_directory), port=server.port, user="postgres", database="postgres"
    )
    failures = []
    try:
        for oid, name in names.items():
            text = types.constant(oid, LABEL, False)
            if text is None:
                continue
            literal = text.decode().replace("'", "''")
            try:
                await connection.fetchval(f"SELECT '{literal}'::\"{name}\"")
            except Exception as error:  # noqa: BLE001 - every failure is named below
                failures.append(f"{name}: {error!r}")
    finally:
        await connection.close()
    return failures


def test_asyncpg_decodes_every_constant(any_postgres: Postgres, catalogue: dict[int, str]) -> None:
    """asyncpg asks for binary, where the server's form of the constant is ours (see above)."""
    import asyncio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.run(_asyncpg_values(any_postgres, catalogue)) == []
