"""Texts that differ only in literals that have no bearing share a decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts, Statement, StatementFacts
from hoopgate.gateway.judge import Judge
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.rules import Rules
from hoopgate.guardrails.pipeline import Pipeline, make_pipeline
from hoopgate.settings.model import Match, Policy, Resource, Rule
from hoopgate.verdicts import Allow

PRINCIPAL = Principal("i", "agent", frozenset(), 2e9)
SESSION = SessionFacts("s", PRINCIPAL, "clinic", "postgres", "d", "127.0.0.1", "main")
RESOURCE = Resource("clinic", "postgres", "t", "h", "d", "s", "u", phi=False)
READ = (StatementFacts(frozenset({"read"})),)
WRITE = (StatementFacts(frozenset({"delete"})),)


class Analyzer:
    """Knows every SELECT to be of one shape, every DELETE to be of another."""

    def cached(self, text: str) -> tuple[StatementFacts, ...] | None:
        return READ if text.startswith("SELECT") else WRITE

    def analyze(self, text: str) -> Deferred[Any]:
        return succeed(self.cached(text))


class Vault:
    def tokeniser(self, resource: str) -> object:
        return self


def judge(*rules: Rule, tokens: object = None, guards: tuple[str, ...] = ()) -> tuple[Judge, Rules]:
    pipeline: Pipeline = make_pipeline(Policy(rules, (), (), ""), {"clinic": RESOURCE})
    pipeline.policy = replace(pipeline.policy, guards=guards)
    in_force = Rules(pipeline, "digest")
    analyzer: Any = Analyzer()
    unused: Any = None
    vault: Any = tokens
    made = Judge(
        session=SESSION,
        phi=False,
        rules=in_force,
        analyzer=analyzer,
        resolver=unused,
        approvals=unused,
        metrics=Metrics(),
        clock=lambda: 0.0,
        principal_valid=lambda: True,
        limit=100_000,
        tokens=vault,
    )
    return made, in_force


ALLOW = Rule("read", "allow", Match(classes=frozenset({"read"})))


def decide(judge: Judge, text: str) -> Decision:
    found: list[Decision] = []
    deciding = Deferred.fromCoroutine(judge.decide(Statement(text), lambda *_: None))
    deciding.addCallback(found.append)
    return found[0]


def test_the_second_text_of_a_shape_is_known() -> None:
    made, _ = judge(ALLOW)
    first = decide(made, "SELECT 1")
    assert isinstance(first.verdict, Allow)
    second = made.remembered(Statement("SELECT 2"))
    assert second is not None and second.verdict == first.verdict
    assert second.request_id != first.request_id
    assert made.remembered(Statement("SELECT 3", parameter_types=(23,))) is None
    assert made.remembered(Statement("DELETE 2")) is None


def test_a_refusal_is_not_shared() -> None:
    made, _ = judge(ALLOW)
    decide(made, "DELETE 1")
    assert made.remembered(Statement("DELETE 2")) is None


def test_new_rules_are_asked_anew() -> None:
    made, rules = judge(ALLOW)
    decide(made, "SELECT 1")
    rules.replace(rules.pipeline, "other")
    assert made.remembered(Statement("SELECT 2")) is None


def test_what_may_be_a_token_is_looked_for() -> None:
    made, _ = judge(ALLOW, tokens=Vault())
    decide(made, "SELECT 'a'")
    assert made.remembered(Statement("SELECT 'b'")) is not None
    assert made.remembered(Statement("SELECT '[SSN:1.k7f3]'")) is None


def test_a_guard_of_the_operators_sees_every_text() -> None:
    made, _ = judge(ALLOW, guards=("their.own:guard",))
    decide(made, "SELECT 1")
    assert made.remembered(Statement("SELECT 1")) is not None
    assert made.remembered(Statement("SELECT 2")) is None
