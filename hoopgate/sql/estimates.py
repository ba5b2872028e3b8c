"""How many rows PostgreSQL's planner expects of a statement that waits for a person.

``EXPLAIN`` without ``ANALYZE`` runs nothing, but plans: the planner computes what is constant, and
so may call functions. It is asked only about statements whose every function is the server's own,
on a side connection, read-only, and for a second at most. What it answers rests on statistics over
the rows, which may be PHI: it is for reviewers, never for who has sent the statement.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import Resolution, Statement, StatementFacts
from hoopgate.sql.catalogue import Rows

_PLANNED: Final = frozenset({"read", "insert", "update", "delete", "merge", "copy.to", "multi"})
_CALLING: Final = frozenset({"code_string_function", "file_function", "superuser_function"})
_LIMITS: Final = (
    "SET LOCAL statement_timeout = '1s'",
    "SET LOCAL lock_timeout = '200ms'",
    "SET TRANSACTION READ ONLY",
)


class Side(Protocol):
    """What is needed of :class:`hoopgate.interfaces.ISideConnection`."""

    def run(self, script: Sequence[str | tuple[str, ...]]) -> Awaitable[Sequence[Rows]]: ...


def may_be_planned(facts: StatementFacts, resolution: Resolution) -> bool:
    """Whether planning it runs no code but the server's own."""
    return (
        facts.classes <= _PLANNED
        and not facts.kind
        and facts.flags.isdisjoint(_CALLING)
        and all(name.startswith("pg_catalog.") for name in resolution.functions)
        and not ("copy.to" in facts.classes and facts.inner is None)
    )


async def estimate(
    side: Side, statement: Statement, facts: StatementFacts, resolution: Resolution
) -> int | None:
    """Rows that come back, or that are changed; None where that is not to be had."""
    if not may_be_planned(facts, resolution):
        return None
    text = (facts.inner or facts.text or statement.text).strip().rstrip(";").rstrip()
    path = statement.settings.get("search_path", "")
    places: list[str | tuple[str, ...]] = []
    if path:
        places = [("SELECT pg_catalog.set_config('search_path', $1, true)", path)]
    # GENERIC_PLAN: $1 … have no values here (PostgreSQL 16; an older server refuses it).
    generic = ", GENERIC_PLAN" if "parameters" in facts.flags else ""
    try:
        answers = await side.run([*_LIMITS, *places, f"EXPLAIN (FORMAT JSON{generic}) {text}"])
        plan = json.loads("\n".join(str(row[0]) for row in answers[-1]))
        return _rows(plan[0]["Plan"])
    except (UnresolvableStatement, ValueError, LookupError, TypeError):
        return None


def _rows(plan: dict[str, Any]) -> int:
    """Of what is changed where the plan changes something, else of what comes back."""
    if plan["Node Type"] == "ModifyTable":
        return max(_rows(child) for child in plan["Plans"])
    return int(plan["Plan Rows"])
