"""Tables with a column of every type, masked by every method, behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates, write_private
from testbed.clinic import LABELS, RULES, Clinic, running_clinic
from testbed.postgres import Postgres

#: Column, its type, a value of it that must never be seen. Of the built-in types that can be stored
#: only aclitem is not here, which no client can ask for in binary.
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
    "an_int8range": ("int8range", "[7351,7352)"),
    "a_tsrange": ("tsrange", "[1973-05-01,1973-06-01)"),
    "a_multirange": ("datemultirange", "{[1973-05-01,1973-06-01)}"),
    "an_int4multirange": ("int4multirange", "{[7351,7352)}"),
    "an_int8multirange": ("int8multirange", "{[7351,7352)}"),
    "a_nummultirange": ("nummultirange", "{[7351,7352)}"),
    "a_tsmultirange": ("tsmultirange", "{[1973-05-01,1973-06-01)}"),
    "a_tstzmultirange": ("tstzmultirange", "{[1973-05-01,1973-06-01)}"),
    "a_float_range": ("floats", "[7351,7352)"),
    "an_lsn": ("pg_lsn", "7351/7351"),
    "a_snapshot": ("pg_snapshot", "7351:7352:"),
    "a_txid_snapshot": ("txid_snapshot", "7351:7352:"),
    "an_xid": ("xid", "7351"),
    "a_cid": ("cid", "7351"),
    "an_xid8": ("xid8", "7351"),
    "a_tid": ("tid", "(7351,1)"),
    "a_class": ("regclass", "pg_class"),
    "a_proc": ("regproc", "now"),
    "a_procedure": ("regprocedure", "now()"),
    "an_oper": ("regoper", "!!"),
    "an_operator": ("regoperator", "+(integer,integer)"),
    "a_type": ("regtype", "integer"),
    "a_namespace": ("regnamespace", "pg_catalog"),
    "a_config": ("regconfig", "english"),
    "a_dictionary": ("regdictionary", "simple"),
    "a_collation": ("regcollation", "default"),
    "a_role": ("regrole", "postgres"),
    "a_cursor": ("refcursor", "canary"),
    "an_oidvector": ("oidvector", "7351 7351"),
    "an_int2vector": ("int2vector", "7351 7351"),
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
#: Instants on either side of the turn of a year.
TURNS = """
CREATE TABLE turns (id integer, at timestamptz); GRANT SELECT ON turns TO agent;
INSERT INTO turns VALUES (1, '2019-12-28 00:00Z'), (2, '2019-12-31 23:30Z'),
    (3, '2020-01-01 00:30Z'), (4, '2020-01-04 00:00Z'), (5, NULL);
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
    {"column": ["public.t_*.id", "public.turns.id"], "level": "public"},
    {"column": "public.turns.at", "kind": "X", "level": "quasi", "method": "generalise"},
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
    return SCHEMA + TURNS + made


@contextmanager
def running_typed(
    directory: Path, certificates: Certificates, postgres: Postgres
) -> Iterator[Clinic]:
    """The clinic with these tables, and keys for tokens."""
    keys = directory / "tokens.keys"
    write_private(keys, f"1 {'7351' * 16}\n".encode())

    def adjust(settings: dict[str, Any]) -> None:
        settings["resources"][0]["tokens"] = {"keys": {"file": str(keys)}}

    with running_clinic(
        directory,
        certificates,
        postgres,
        database="typed",
        labels=TYPED_LABELS,
        rules=RULES,
        adjust=adjust,
    ) as running:
        running.postgres.psql(schema(), "typed")
        yield running
