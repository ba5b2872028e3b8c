"""A cancel request while the gateway itself is at work on the statement."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts, Statement, StatementFacts
from hoopgate.gateway.judge import Judge
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.rules import Rules
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import Policy, Resource, Rule
from hoopgate.verdicts import Allow, Block

PRINCIPAL = Principal("i", "agent", frozenset(), 2e9)
SESSION = SessionFacts("s", PRINCIPAL, "clinic", "postgres", "d", "127.0.0.1", "main")
RESOURCE = Resource("clinic", "postgres", "t", "h", "d", "s", "u", phi=False)
READ = (StatementFacts(frozenset({"read"})),)


class Analyzer:
    """Parses when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[tuple[StatementFacts, ...]]] = []

    def analyze(self, text: str) -> Deferred[tuple[StatementFacts, ...]]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def cached(self, text: str) -> tuple[StatementFacts, ...] | None:
        return None


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer()


@pytest.fixture
def judge(analyzer: Analyzer) -> Judge:
    policy = Policy((Rule("all", "allow"),), (), (), "")
    unused: Any = None
    return Judge(
        session=SESSION,
        phi=False,
        rules=Rules(make_pipeline(policy, {"clinic": RESOURCE}), ""),
        analyzer=analyzer,  # type: ignore[arg-type]
        resolver=unused,
        approvals=unused,
        metrics=Metrics(),
        clock=lambda: 0.0,
        principal_valid=lambda: True,
        limit=1000,
    )


def decide(judge: Judge) -> list[Decision]:
    found: list[Decision] = []
    deciding = Deferred.fromCoroutine(judge.decide(Statement("SELECT 1"), lambda *_: None))
    deciding.addCallback(found.append)
    return found


def test_what_is_being_judged_is_refused(judge: Judge, analyzer: Analyzer) -> None:
    found = decide(judge)
    judge.cancel()
    analyzer.waiting[0].callback(READ)
    (decision,) = found
    assert isinstance(decision.verdict, Block)
    assert decision.verdict.reason == "canceled"
    assert judge.remembered(Statement("SELECT 1")) is None


def test_what_comes_after_a_cancel_is_not(judge: Judge, analyzer: Analyzer) -> None:
    judge.cancel()
    found = decide(judge)
    analyzer.waiting[0].callback(READ)
    assert isinstance(found[0].verdict, Allow)
