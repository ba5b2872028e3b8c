"""Whether the schema is still the one that decisions rest on: questions that are cheap to repeat.

PostgreSQL has no number that counts changes of the schema, and event triggers are for superusers.
But every row of the catalogue carries the transaction that wrote it (``xmin``), so a hash over the
rows tells whether one of them was changed, added or taken away. There are two:

- of the *names*: every relation, function, operator, type, cast and schema of users. A new one can
  take the place of another in the meaning of a statement's text, whatever is known of the others.
- of the *relations* that resolutions rest on: their columns, rules, policies, keys, triggers …

Both are asked only when a transaction has ended since (``pg_current_snapshot()`` differs). Objects
of temporary schemas are left out: they belong to other sessions. Tables that are emptied, analysed
or rewritten do not count; what our own questions create is rolled back and never seen.

Not seen: what a superuser changes in pg_catalog or information_schema itself (OIDs below 16384).
"""

# ruff: noqa: S608 - what is put into SQL is our own text
from __future__ import annotations

from typing import Final

_EQ: Final = "OPERATOR(pg_catalog.=)"
_HASH: Final = "pg_catalog.hash_record_extended(ROW({}), 0::pg_catalog.int8)"
#: OIDs below are PostgreSQL's own (FirstNormalObjectId in access/transam.h).
FIRST_OF_USERS: Final = 16_384
_USERS: Final = f"oid OPERATOR(pg_catalog.>=) '{FIRST_OF_USERS}'::pg_catalog.oid"

#: Catalogues with rows of a relation, the column that names it, and what tells the row's version.
_OF_RELATION: Final = (
    # Not xmin: TRUNCATE, VACUUM FULL and GRANT write this row too.
    ("pg_class", "oid", "oid, relname, relnamespace, relkind, relrowsecurity"),
    ("pg_attribute", "attrelid", "attrelid, attnum, xmin"),
    ("pg_inherits", "inhrelid", "inhrelid, inhparent, xmin"),
    ("pg_inherits", "inhparent", "inhparent, inhrelid, xmin"),
    ("pg_rewrite", "ev_class", "oid, xmin"),
    ("pg_attrdef", "adrelid", "oid, xmin"),
    ("pg_policy", "polrelid", "oid, xmin"),
    ("pg_index", "indrelid", "indexrelid, xmin"),
    ("pg_constraint", "conrelid", "oid, xmin"),
    ("pg_trigger", "tgrelid", "tgrelid, oid, xmin"),  # a foreign key has one on both its ends
)


def _relations(match: str) -> str:
    rows = " UNION ALL ".join(
        "SELECT "
        + _HASH.format(f"{number}, {row}")
        + f" FROM pg_catalog.{table} v WHERE v.{column} {match}"
        for number, (table, column, row) in enumerate(_OF_RELATION)
    )
    return f"SELECT coalesce(pg_catalog.bit_xor(h), 0) FROM ({rows}) r(h)"


#: The version of the relation ``c.oid``. Versions of several are combined by XOR.
RELATION: Final = _relations(f"{_EQ} c.oid")

_NE: Final = "OPERATOR(pg_catalog.<>)"
#: Temporary schemas: their objects belong to other sessions.
_TEMPORARY: Final = (
    "ARRAY(SELECT oid FROM pg_catalog.pg_namespace"
    " WHERE nspname OPERATOR(pg_catalog.~) '^pg_temp_')"
)
#: Catalogues of what a name can mean, what tells a row's version, and rows that do not count.
_NAMES: Final = (
    # Neither indexes nor composite types nor TOAST tables can be named in a query.
    (
        "pg_class",
        "oid, relname, relnamespace, relkind",
        f"{_USERS} AND relpersistence {_NE} 't'"
        f" AND relkind {_NE} ALL (ARRAY['i', 'I', 'c', 't']::pg_catalog.\"char\"[])",
    ),
    ("pg_proc", "oid, xmin", f"{_USERS} AND pronamespace {_NE} ALL ({_TEMPORARY})"),
    # A table's own types follow the table.
    (
        "pg_type",
        "oid, xmin",
        f"{_USERS} AND typtype {_NE} 'c' AND typelem {_EQ} '0'::pg_catalog.oid"
        f" AND typnamespace {_NE} ALL ({_TEMPORARY})",
    ),
    ("pg_operator", "oid, xmin", _USERS),
    ("pg_cast", "oid, xmin", _USERS),
    ("pg_opclass", "oid, xmin", _USERS),
    ("pg_namespace", "oid, nspname", "nspname OPERATOR(pg_catalog.!~) '^pg_(toast_)?temp_'"),
)
_ALL_NAMES: Final = " UNION ALL ".join(
    "SELECT " + _HASH.format(f"{number}, {row}") + f" FROM pg_catalog.{table} WHERE {which}"
    for number, (table, row, which) in enumerate(_NAMES)
)

#: One row: the snapshot, and unless it is ``$1`` the version of the names and of relations ``$2``.
QUESTION: Final = (
    f"SELECT s.now, CASE WHEN s.now {_NE} $1 THEN"
    f" (SELECT pg_catalog.bit_xor(h) FROM ({_ALL_NAMES}) n(h)) END,"
    f" CASE WHEN s.now {_NE} $1 THEN"
    f" ({_relations(f'{_EQ} ANY ($2::pg_catalog.oid[])')}) END"
    " FROM (SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text) s(now)"
)
