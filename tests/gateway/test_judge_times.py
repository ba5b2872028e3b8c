"""Rules with times: what was decided within a window does not hold beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts, Statement, StatementFacts
from hoopgate.gateway.judge import Judge
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.rules import Rules
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import Match, Policy, Resource, Rule, TimeWindow
from hoopgate.verdicts import Allow, Block

PRINCIPAL = Principal("i", "agent", frozenset(), 4e9)
SESSION = SessionFacts("s", PRINCIPAL, "clinic", "postgres", "d", "127.0.0.1", "main")
RESOURCE = Resource("clinic", "postgres", "t", "h", "d", "s", "u", phi=False)
READ = (StatementFacts(frozenset({"read"})),)
#: Wednesday, 2026-01-07, 17:59:30 UTC.
EVENING = 1767808770.0


class Analyzer:
    def analyze(self, text: str) -> Deferred[tuple[StatementFacts, ...]]:
        return succeed(READ)

    def cached(self, text: str) -> tuple[StatementFacts, ...] | None:
        return READ


class World:
    def __init__(self, *rules: Rule) -> None:
        self.now = EVENING
        unused: Any = None
        self.rules = Rules(self.pipeline(*rules), "")
        self.judge = Judge(
            session=SESSION,
            phi=False,
            rules=self.rules,
            analyzer=Analyzer(),  # type: ignore[arg-type]
            resolver=unused,
            approvals=unused,
            metrics=Metrics(),
            clock=lambda: self.now,
            principal_valid=lambda: True,
            limit=1000,
        )

    def pipeline(self, *rules: Rule) -> Any:
        return make_pipeline(Policy(rules, (), (), ""), {"clinic": RESOURCE})

    def decide(self) -> Decision:
        found: list[Decision] = []
        deciding = Deferred.fromCoroutine(self.judge.decide(Statement("SELECT 1"), lambda *_: None))
        deciding.addCallback(found.append)
        return found[0]


DAY = Rule("day", "allow", Match(times=TimeWindow(frozenset(range(5)), 8 * 60, 18 * 60)))
ALL = Rule("all", "allow")
NIGHT = Rule("night", "block", Match(times=TimeWindow(frozenset(), 18 * 60, 24 * 60)))


@pytest.mark.parametrize("rules", [(DAY,), (NIGHT, ALL)], ids=["allow", "block"])
def test_a_window_that_ends_is_another_generation(rules: tuple[Rule, ...]) -> None:
    """A session runs what it has prepared without asking while its generation is the same."""
    world = World(*rules)
    assert isinstance(world.decide().verdict, Allow)
    within = world.judge.generation
    world.now += 20
    assert world.judge.generation == within
    world.now += 20  # 18:00:10
    assert world.judge.generation != within
    assert isinstance(world.decide().verdict, Block)
    assert world.judge.remembered(Statement("SELECT 1")) is None
    after = world.judge.generation
    world.now -= 40  # a clock that is set back brings back nothing
    assert world.judge.generation not in (within, after)


def test_without_times_the_clock_says_nothing() -> None:
    world = World(ALL)
    before = world.judge.generation
    world.now += 86_400
    assert world.judge.generation == before
    assert world.decide().verdict == world.decide().verdict
    assert world.judge.remembered(Statement("SELECT 1")) is not None


def test_times_come_and_go_with_a_reload() -> None:
    world = World(ALL)
    before = world.judge.generation
    world.rules.replace(world.pipeline(DAY), "x")
    assert world.judge.generation != before
    timed = world.judge.generation
    world.now += 60
    assert world.judge.generation != timed
    world.rules.replace(world.pipeline(ALL), "y")
    after = world.judge.generation
    world.now += 3600
    assert world.judge.generation == after


def test_a_rule_for_others_leaves_a_session_alone() -> None:
    others = Rule("o", "block", Match(groups=frozenset({"x"}), times=TimeWindow(start=1)))
    world = World(others, ALL)
    before = world.judge.generation
    world.now += 3600
    assert world.judge.generation == before
