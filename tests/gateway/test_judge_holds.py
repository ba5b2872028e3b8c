"""Statements that wait for a person, and everything that can happen while they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from hoopgate.actions import Decision
from hoopgate.errors import RecorderFailed, Refused
from hoopgate.events import Principal, SessionFacts, Statement, StatementFacts
from hoopgate.gateway.decided import REMEMBERED_CHARACTERS
from hoopgate.gateway.judge import Judge
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.rules import Rules
from hoopgate.guardrails.pipeline import Pipeline, make_pipeline
from hoopgate.settings.model import Match, Policy, Resource, Rule
from hoopgate.verdicts import Allow, Block

PRINCIPAL = Principal("i", "agent", frozenset(), 2e9)
SESSION = SessionFacts("s", PRINCIPAL, "clinic", "postgres", "d", "127.0.0.1", "main")
RESOURCE = Resource("clinic", "postgres", "t", "h", "d", "s", "u", phi=False)
READ = (StatementFacts(frozenset({"read"})),)
APPROVE = Rule(
    "bulk", "approve", Match(classes=frozenset({"read"})), reviewers=frozenset({"reviewers"})
)


def pipeline(rule: Rule = APPROVE) -> Pipeline:
    return make_pipeline(Policy((rule,), (), (), ""), {"clinic": RESOURCE})


class Analyzer:
    def __init__(self) -> None:
        self.answers: Callable[[], Deferred[Any]] = lambda: succeed(READ)

    def analyze(self, text: str) -> Deferred[tuple[StatementFacts, ...]]:
        return self.answers()

    def cached(self, text: str) -> tuple[StatementFacts, ...] | None:
        return None


class Approvals:
    """Answers each question when told to; by default a request is filed and waits."""

    def __init__(self) -> None:
        self.passing: Deferred[str | None] = succeed(None)
        self.filing: Deferred[str] = succeed("apr-1")
        self.waiting: Deferred[bool] = Deferred()
        self.abandoning: Deferred[None] = succeed(None)
        self.calls: list[str] = []
        self.digests: set[str] = set()

    def passes(self, digest: str, session: SessionFacts) -> Deferred[str | None]:
        self.calls.append("passes")
        self.digests.add(session.rules_digest)
        return self.passing

    def request(self, digest: str, judged: Any, session: SessionFacts, hold: Any) -> Deferred[str]:
        self.calls.append("request")
        self.digests.add(session.rules_digest)
        return self.filing

    def wait(self, request_id: str) -> Deferred[bool]:
        self.calls.append("wait")
        return self.waiting

    def detach(self, request_id: str) -> Deferred[None]:
        self.calls.append("detach")
        return self.abandoning

    def abandon(self, request_id: str) -> Deferred[None]:
        self.calls.append("abandon")
        return self.abandoning


class World:
    def __init__(self) -> None:
        self.analyzer, self.approvals = Analyzer(), Approvals()
        self.rules = Rules(pipeline(), "digest-1")
        self.valid = True
        self.held: list[str] = []
        unused: Any = None
        made: Any = self
        self.judge = Judge(
            session=SESSION,
            phi=False,
            rules=self.rules,
            analyzer=made.analyzer,
            resolver=unused,
            approvals=made.approvals,
            metrics=Metrics(),
            clock=lambda: 0.0,
            principal_valid=lambda: self.valid,
            limit=100_000,
        )
        self.deciding: Deferred[Decision] = Deferred()
        self.decided: list[Decision] = []
        self.failed: list[Any] = []

    def decide(self, text: str = "SELECT 1") -> World:
        self.decided.clear()
        self.failed.clear()
        self.deciding = Deferred.fromCoroutine(
            self.judge.decide(Statement(text), lambda request, _: self.held.append(request))
        )
        self.deciding.addCallbacks(self.decided.append, self.failed.append)
        return self

    def reason(self) -> str:
        """Why it was refused; empty when it was not."""
        (decision,) = self.decided
        return decision.verdict.reason if isinstance(decision.verdict, Block) else ""


@pytest.fixture
def world() -> World:
    return World()


def test_a_person_says_yes_or_no(world: World) -> None:
    world.decide()
    assert world.held == ["apr-1"]
    assert world.decided == []
    world.approvals.waiting.callback(True)
    assert isinstance(world.decided[0].verdict, Allow)
    assert world.decided[0].approval == "apr-1"
    world.approvals.waiting = Deferred()
    world.decide().approvals.waiting.callback(False)
    assert world.reason() == "approval.refused"


def test_an_approval_of_before_passes_once(world: World) -> None:
    world.approvals.passing = succeed("apr-0")
    assert world.decide().reason() == ""
    assert world.decided[0].approval == "apr-0"
    assert world.approvals.calls == ["passes"]


def test_who_does_not_wait_any_longer_is_told_to_come_back(world: World) -> None:
    world.decide().judge.leave()
    assert world.reason() == "approval.pending"
    assert world.decided[0].approval == "apr-1"
    assert world.approvals.calls == ["passes", "request", "wait", "detach"]
    world.approvals.passing = succeed("apr-1")
    assert world.decide().reason() == ""


def test_who_cancels_is_not_told_to_come_back(world: World) -> None:
    world.decide().judge.cancel()
    world.judge.leave()
    assert world.reason() == "canceled"
    assert world.approvals.calls[-1] == "abandon"


def test_a_statement_that_is_not_held_is_not_left(world: World) -> None:
    world.analyzer.answers = lambda: analyzing
    analyzing: Deferred[Any] = Deferred()
    world.decide().judge.leave()
    world.approvals.passing = succeed("apr-0")
    analyzing.callback(READ)
    assert world.reason() == ""


#: Where a decision waits, and what has to be told the approvals when it is stopped there.
STOPS = [
    ("analyze", []),
    ("passing", ["passes"]),
    ("filing", ["passes", "request"]),
    ("waiting", ["passes", "request", "wait", "abandon"]),
]


def waits_at(world: World, where: str) -> Deferred[Any]:
    waiting: Deferred[Any] = Deferred()
    if where == "analyze":
        world.analyzer.answers = lambda: waiting
    else:
        setattr(world.approvals, where, waiting)
    return waiting


@pytest.mark.parametrize(("where", "calls"), STOPS)
def test_a_client_that_leaves_leaves_nothing_behind(
    world: World, where: str, calls: list[str]
) -> None:
    waiting = waits_at(world, where)
    world.decide()
    world.deciding.cancel()
    assert waiting.called
    assert world.approvals.calls == calls
    assert all(one.check(CancelledError) for one in world.failed)
    assert world.decided == [] or world.reason() == "approval.refused"


@pytest.mark.parametrize(("where", "calls"), STOPS)
def test_a_cancel_request_is_heard_at_every_step(
    world: World, where: str, calls: list[str]
) -> None:
    waiting = waits_at(world, where)
    world.decide().judge.cancel()
    if where == "analyze":
        waiting.callback(READ)
    elif where == "passing":
        waiting.callback(None)
    elif where == "filing":
        waiting.callback("apr-1")
    assert world.reason() == "canceled"
    filed = "request" in calls
    assert ("abandon" in world.approvals.calls) is filed
    assert world.held == (["apr-1"] if where == "waiting" else [])


@pytest.mark.parametrize("where", ["passing", "filing", "waiting"])
@pytest.mark.parametrize("what", ["rules", "groups", "expired"])
def test_what_changes_meanwhile_makes_an_approval_stale(
    world: World, where: str, what: str
) -> None:
    waiting = waits_at(world, where)
    world.decide()
    if what == "rules":
        world.rules.replace(pipeline(), "digest-2")
    elif what == "groups":
        other = replace(PRINCIPAL, groups=frozenset({"others"}))
        world.judge.update(replace(SESSION, principal=other))
    else:
        world.valid = False
    if where == "passing":
        waiting.callback("apr-0")
    elif where == "filing":
        waiting.callback("apr-1")
        world.approvals.waiting.callback(True)
    else:
        waiting.callback(True)
    assert world.reason() == "approval.stale"


def test_approvals_are_asked_by_the_rules_in_force(world: World) -> None:
    """Not by those of the login: other reviewers may be asked for now."""
    world.rules.replace(pipeline(), "digest-2")
    world.decide().approvals.waiting.callback(True)
    assert world.approvals.digests == {"digest-2"}


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("passing", "approval.unavailable"),
        ("filing", "approval.unavailable"),
        ("waiting", "approval.refused"),
    ],
)
def test_a_log_that_fails_refuses(world: World, where: str, reason: str) -> None:
    setattr(world.approvals, where, fail(RecorderFailed("failed")))
    assert world.decide().reason() == reason


def test_too_many_requests_are_refused(world: World) -> None:
    world.approvals.filing = fail(Refused("approval.too_many", "already 20 requests"))
    assert world.decide().reason() == "approval.too_many"


def test_a_request_that_cannot_be_abandoned_still_ends(world: World) -> None:
    world.approvals.abandoning = fail(RecorderFailed("failed"))
    world.decide().judge.cancel()
    assert world.reason() == "canceled"


def test_a_bug_is_a_refusal(world: World) -> None:
    world.analyzer.answers = lambda: fail(ValueError("SELECT secret"))
    assert world.decide().reason() == "gateway.error"


def test_what_is_remembered_is_bounded(world: World) -> None:
    world.rules.replace(pipeline(Rule("all", "allow")), "digest-2")
    texts = [f"SELECT {n:05}" + " " * 10_000 for n in range(60)]
    for text in texts:
        assert world.decide(text).reason() == ""
    known = [text for text in texts if world.judge.remembered(Statement(text))]
    assert known == texts[-len(known) :]
    assert 20 <= len(known) <= REMEMBERED_CHARACTERS / 10_000
