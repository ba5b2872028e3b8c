"""Years of requests: what pages ask for is found by an index, also where it was filed before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from hoopgate.approvals.rows import Rows
from hoopgate.approvals.states import State
from hoopgate.state.schema import STEPS

NOW = 2e9


class Store:
    """The real tables, and every statement's plan."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.plans: list[str] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Deferred[Any]:
        plan = self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        self.plans.append(" / ".join(row[3] for row in plan))
        return succeed(self.connection.execute(sql, parameters).fetchall())


@pytest.fixture
def store() -> Iterator[Store]:
    """Requests that were filed before there was an index of identities."""
    connection = sqlite3.connect(":memory:")
    step = next(at for at, one in enumerate(STEPS) if "approvals_identity" in "".join(one))
    for statement in [statement for one in STEPS[:step] for statement in one]:
        connection.execute(statement)
    for number in range(300):
        facts = {
            **dict.fromkeys(("owner", "resource", "protocol", "database", "peer", "rule"), "x"),
            "issuer": f"i{number % 2}",
            "subject": f"agent-{number % 3}",
            "reason": "r",
            "actors": [],
            "classes": [],
            "reviewers": [],
        }
        open_ = number >= 290
        state = ("pending", "approved")[number % 2] if open_ else ("used", "denied")[number % 2]
        connection.execute(
            "INSERT INTO approvals (id, state, binding, digest, requester, facts, session, created,"
            " expires) VALUES (?, ?, 'b', 'd', 'r', ?, 's', ?, ?)",
            (f"apr-{number}", state, json.dumps(facts), float(number), NOW + (number - 295)),
        )
    for statement in [statement for one in STEPS[step:] for statement in one]:
        connection.execute(statement)
    yield Store(connection)
    connection.close()


def ran(coroutine: Any) -> list[str]:
    found: list[Any] = []
    Deferred.fromCoroutine(coroutine).addCallback(found.extend)
    return [one.id for one in found]


def newest(*numbers: int) -> list[str]:
    return [f"apr-{number}" for number in sorted(numbers, reverse=True)]


@pytest.mark.parametrize(
    ("states", "numbers"),
    [
        ({State.PENDING}, (296, 298)),
        ({State.APPROVED}, (297, 299)),
        ({State.PENDING, State.APPROVED}, (296, 297, 298, 299)),
        ({State.EXPIRED}, (290, 291, 292, 293, 294, 295)),
        ({State.USED}, range(270, 290, 2)),
        (set(State) - {State.PENDING}, (299, 297, *range(288, 296))),
        (set(State), range(290, 300)),
        (set(), ()),
    ],
)
def test_the_newest_of_some_states(store: Store, states: set[State], numbers: Any) -> None:
    rows = Rows(store)  # type: ignore[arg-type]
    assert ran(rows.listing(states, 10, NOW)) == newest(*numbers)
    assert "USING INDEX approvals_" in store.plans[0]


def test_those_of_an_identity(store: Store) -> None:
    rows = Rows(store)  # type: ignore[arg-type]
    wanted = [number for number in range(300) if number % 2 == 1 and number % 3 == 2][-9:]
    assert ran(rows.of_identity("i1", "agent-2", 9, NOW)) == newest(*wanted)
    assert ran(rows.of_identity("i3", "agent-2", 9, NOW)) == []
    assert store.plans[0] == "SEARCH approvals USING INDEX approvals_identity (identity=?)"
