"""The allow-list of functions: which may run on a resource that holds PHI, and on what.

The lists are made by ``tools/generate-function-lists`` from the servers' own pg_proc, by rules that
are written down there. What is not listed is refused: functions of users and extensions may run
anything, and may run it with their owner's rights.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.sql.mysql import functions as mysql

TOTAL: Final = "total"  #: defined for every argument: cannot raise an error on data
FALLIBLE: Final = "fallible"  #: may raise an error on data: no secret may reach it
AGGREGATE: Final = "aggregate"
CATALOGUE: Final = "catalogue"  #: asks about objects; no secret may reach it

#: What a call goes by whose effect tells how often it ran, where that is for the plan to say.
COUNTED: Final = "syntax.counted()"
#: Functions whose calls can be counted afterwards: by a sequence, by the transaction's number.
COUNTING: Final = frozenset(
    {"pg_catalog.nextval", "pg_catalog.txid_current", "pg_catalog.pg_current_xact_id"}
)
#: What a call goes by that cannot fail for its constants (:mod:`hoopgate.sql.constants`).
AS_CALLED: Final = "syntax.constants()"
#: What ROW and ARRAY go by among the functions.
PUT_TOGETHER: Final = "syntax.put_together()"
#: Functions whose result grows with their arguments, and those that can make an argument so long
#: that growing it fails. Together they ask for a value's length by an error.
GROWING: Final = frozenset(
    {
        PUT_TOGETHER,
        "pg_catalog.textcat(text, text)",
        'pg_catalog.concat("any")',
        'pg_catalog.concat_ws(text, "any")',
    }
)
#: Functions that tell how large a relation is: the lengths of its values, added up.
_MEASURES: Final = frozenset(
    f"pg_catalog.pg_{what}_size"
    for what in ("relation", "table", "total_relation", "indexes", "database", "tablespace")
)
_SIZES: Final = frozenset({ColumnRef("pg_catalog", "pg_class", "relpages")})
_NOTHING: Final[frozenset[ColumnRef]] = frozenset()
_INFLATING: Final = frozenset(
    """repeat lpad rpad replace regexp_replace string_agg array_agg array_to_string format overlay
    array_fill json_agg jsonb_agg xmlagg json_object_agg jsonb_object_agg encode
    translate""".split()
)


@functools.cache
def _table() -> dict[str, str]:
    text = resources.files("hoopgate.sql").joinpath("data/functions-postgres.json").read_text()
    lists = json.loads(text)
    return {
        signature: kind
        for kind in (FALLIBLE, AGGREGATE, CATALOGUE, TOTAL)
        for signature in lists[kind]
    }


def classify(signature: str) -> str | None:
    """The class of a function given as in :class:`hoopgate.events.Resolution` ``flows``.

    :return: None when it is not on the list.
    """
    if signature.startswith("syntax."):
        return TOTAL if signature in (PUT_TOGETHER, AS_CALLED) else FALLIBLE
    if "(" not in signature:  # MariaDB and MySQL do not tell functions apart by types
        return mysql.classify(signature)
    return _table().get(signature)


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(signature.partition("(")[0] for signature in _table())


def defines(name: str) -> bool:
    """Whether a definition may call a function of this name, as it is written there: one of the
    list's, or one that extensions make up keys by."""
    bare = name.removeprefix("pg_catalog.")
    return f"pg_catalog.{bare}" in _names() or bare.rpartition(".")[2].startswith("uuid_generate_")


def measured(name: str) -> frozenset[ColumnRef]:
    """The column of the catalogue that says what the function says: it has that one's label."""
    return _SIZES if name in _MEASURES else _NOTHING


def inflates(signature: str) -> bool:
    """Whether the function can make a very long value of a short one."""
    return signature.partition("(")[0].removeprefix("pg_catalog.") in _INFLATING
