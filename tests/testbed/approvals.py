"""What the approval tests share: a node's approvals on a real store, people, statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from hoopgate.approvals.bounds import Bounds
from hoopgate.approvals.service import Approvals
from hoopgate.errors import RecorderFailed
from hoopgate.events import Judged, Principal, SessionFacts, Statement, StatementFacts
from hoopgate.interfaces import IRecorder
from hoopgate.state.sqlite import SQLiteStore
from hoopgate.verdicts import Hold
from testbed.loop import Loop

CANARY = "219-09-9999"
START = 1_000_000.0


def principal(subject: str, *groups: str, **more: Any) -> Principal:
    fields: dict[str, Any] = {
        "issuer": "https://idp.example",
        "scopes": frozenset({"hoopgate:approve"}),
        "expires_at": START * 2,
    }
    return Principal(subject=subject, groups=frozenset(groups), **{**fields, **more})


ALICE = principal("alice", "phi-reviewers")
BOB = principal("bob", "phi-reviewers", "staff")
CAROL = principal("carol", "staff")
AGENT = principal("agent-7", "agents", owner="alice")
OTHER = principal("agent-8", "agents", "phi-reviewers", actors=("planner",))


def session(who: Principal = AGENT, number: int = 1, **more: Any) -> SessionFacts:
    fields: dict[str, Any] = {
        "id": f"ses-{number}",
        "resource": "clinic",
        "protocol": "postgres",
        "database": "clinic",
        "peer": "127.0.0.1:5000",
        "listener": "pg",
        "rules_digest": "r1",
        "application": "psql",
    }
    return SessionFacts(principal=who, **{**fields, **more})


def judged(text: str = f"COPY patients TO STDOUT -- {CANARY}") -> Judged:
    statement = Statement(text, (25, 17), ((0, CANARY.encode()), (1, None)), {"search_path": "x"})
    facts = StatementFacts(frozenset({"copy"}), ("patients",), flags=frozenset({"copy_to"}))
    return Judged(statement, (facts,))


def hold(expires: float = 900.0, **more: Any) -> Hold:
    fields: dict[str, Any] = {"reviewers": frozenset({"phi-reviewers"})}
    return Hold("operator/bulk", "statement.bulk", "bulk export", expires=expires, **fields | more)


@implementer(IRecorder)
class Leaves:
    """Collects leaves; can be told to fail, or to let them wait."""

    def __init__(self) -> None:
        self.leaves: list[dict[str, object]] = []
        self.broken = False
        self.waiting: list[Deferred[int]] | None = None

    def append(self, type: str, detail: Mapping[str, object]) -> Deferred[int]:
        assert type == "approval"
        if self.broken:
            return fail(RecorderFailed("no more"))
        self.leaves.append(dict(detail))
        index = len(self.leaves) - 1
        if self.waiting is None:
            return succeed(index)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def steps(self, request_id: str) -> list[object]:
        return [leaf["step"] for leaf in self.leaves if leaf["request"] == request_id]

    def failed(self) -> bool:
        return self.broken

    def open_session(self, session: SessionFacts) -> Any:
        raise NotImplementedError


class CountingStore(SQLiteStore):
    """A store that knows whether it still owes an answer."""

    owed = 0

    def execute(self, *arguments: Any) -> Any:
        self.owed += 1

        def answered(result: Any) -> Any:
            self.owed -= 1
            return result

        return super().execute(*arguments).addBoth(answered)


class World:
    """A node: its clock, its log, its store; :meth:`restart` kills and starts the process."""

    def __init__(self, directory: Path, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.directory = directory / "node"
        self.bounds = bounds
        self.clock = Clock()
        self.clock.advance(START)
        self.log = Leaves()
        self.loop = Loop()
        self.start()

    def start(self) -> None:
        self.store = CountingStore(self.directory / "state.sqlite3", self.loop)
        self.store.open()
        self.approvals = self.another()

    def another(self) -> Approvals:
        """Approvals on the same state, as a second process would have them."""
        approvals = Approvals(
            self.store,
            self.log,
            self.clock,
            key_file=self.directory / "approvals.key",
            now=self.clock.seconds,
            bounds=self.bounds,
        )
        self.run(approvals.start())
        return approvals

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.approvals.stop()
        self.settle()
        self.loop.wait(self.store.close())

    def settle(self) -> None:
        """Until nothing moves any more."""
        while self.store.owed:
            self.loop.step()

    def run(self, deferred: Any) -> Any:
        """The deferred's result, after everything it set off has settled."""
        try:
            return self.loop.wait(deferred)
        finally:
            self.settle()

    def now(self, deferred: Any) -> Any:
        """The deferred after everything has settled: fired or not."""
        self.settle()
        return deferred

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    def file(self, digest: str = "d1", who: Principal = AGENT, number: int = 1) -> str:
        filed = self.approvals.request(digest, judged(), session(who, number), hold())
        request_id: str = self.run(filed)
        return request_id


def renamed(who: Principal, **changes: Any) -> Principal:
    return replace(who, **changes)
