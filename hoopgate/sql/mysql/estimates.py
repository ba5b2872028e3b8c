"""How many rows MariaDB's or MySQL's optimiser expects of a statement that waits for a person.

``EXPLAIN`` changes nothing, but may evaluate what is constant, functions and small subqueries among
it. So it is asked only about statements whose every function is the server's own and does nothing
but compute. What it answers rests on statistics over the rows, which may be PHI: it is for
reviewers, never for who has sent the statement.

Unlike PostgreSQL's, the numbers are of rows before they are grouped and before LIMIT: the tables of
one query block are joined, and what is said of each is how many of its rows are left.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import Resolution, Statement, StatementFacts
from hoopgate.sql.mysql import functions
from hoopgate.sql.mysql.resolver import Plan, Side

_PLANNED: Final = frozenset({"read", "insert", "update", "delete"})
_DOING: Final = frozenset({"file_function", "state_function", "superuser_function", "parameters"})
_COMPUTING: Final = frozenset({functions.TOTAL, functions.FALLIBLE, functions.AGGREGATE})
#: Query blocks whose rows come back, or are what is changed.
_OUTERMOST: Final = frozenset(
    {"SIMPLE", "PRIMARY", "UNION", "INSERT", "REPLACE", "UPDATE", "DELETE"}
)
#: What is said where the optimiser has found out that there are no rows.
_NONE: Final = ("impossible", "no matching")
_MOST: Final = 2**63 - 1


def may_be_planned(facts: StatementFacts, resolution: Resolution) -> bool:
    """Whether planning it runs nothing but what computes."""
    return (
        facts.classes <= _PLANNED
        and not facts.kind
        and facts.inner is None
        and facts.flags.isdisjoint(_DOING)
        # Routines of users begin with a dot, and are of no class.
        and all(functions.classify(name) in _COMPUTING for name in resolution.flows)
    )


async def estimate(
    side: Side,
    statement: Statement,
    facts: StatementFacts,
    resolution: Resolution,
    *,
    mysql: bool = False,
) -> int | None:
    """Rows that come back, or that are changed; None where that is not to be had.

    :param mysql: the server is Oracle's.
    """
    if not may_be_planned(facts, resolution):
        return None
    text = statement.text.strip().rstrip(";")
    form = "EXPLAIN FORMAT=TRADITIONAL" if mysql else "EXPLAIN EXTENDED"
    try:
        (rows,) = await side.run(statement.settings.get("database", ""), [Plan(f"{form} {text}")])
        return rows_of(rows)
    except (UnresolvableStatement, ValueError, LookupError, TypeError):
        return None


def rows_of(plan: Iterable[tuple[object, ...]]) -> int | None:
    """What a plan in rows expects; None: it says nothing of it.

    :raises ValueError: it is of another form, and likewise LookupError and TypeError.
    """
    blocks: dict[str, list[float]] = {}
    for row in plan:
        id, kind, rows, filtered = str(row[0]), row[1], row[-3], row[-2]
        if kind not in _OUTERMOST:
            continue
        known = blocks.setdefault(id, [])
        if rows is not None:
            known.append(float(str(rows)) * float(str(100 if filtered is None else filtered)) / 100)
        elif any(words in str(row[-1]).lower() for words in _NONE):
            known.append(0.0)
    if not any(blocks.values()):
        return None
    return min(_MOST, round(sum(prod(known) for known in blocks.values() if known)))
