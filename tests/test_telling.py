"""What refusals say to programs and to who builds an agent, in the protocols' own words."""

from __future__ import annotations

import json

import pytest

from hoopgate import telling
from hoopgate.events import Judged, OperationFacts, Principal, SessionFacts, Statement
from hoopgate.guardrails.pipeline import Pipeline
from hoopgate.http.problems import Problem, named, remedy_of
from hoopgate.mysql import refusals as mysql
from hoopgate.postgres import refusals as postgres
from hoopgate.settings.model import Policy
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Block

WHO = Principal("https://login.example.org", "a", frozenset(), 2e9)
SESSION = SessionFacts("ses-1", WHO, "clinic", "postgres", "clinic", "127.0.0.1:1", "it")


@pytest.mark.parametrize(
    ("code", "retry", "word"),
    [
        ("identity.expired", "after_login", "new token"),
        ("scope.missing", "no", "with that scope"),
        ("identity.audience", "no", "audience"),
        ("identity.disabled", "no", "directory"),
        ("directory.timeout", "later", "later"),
        ("identity.keys_unavailable", "later", "later"),
        ("identity.of_tomorrow", "after_login", "new token"),
    ],
)
def test_who_is_not_let_in_learns_what_would_help(code: str, retry: str, word: str) -> None:
    assert telling.login_refusal(code) == {"reason": code, "retry": retry}
    assert word in telling.login_remedy(code)
    fatal = postgres.not_let_in(code, "why")
    assert b"FATAL" in fatal
    detail = next(one for one in fatal.split(b"\0") if one.startswith(b"D{"))
    assert json.loads(detail[1:]) == telling.login_refusal(code)
    told = mysql.not_let_in(code, "why " * 200)
    assert len(f"hoopgate: {told}".encode()) <= 511
    assert json.loads(told[told.index("{") :]) == telling.login_refusal(code)


def test_what_no_rule_allows_is_named_by_its_classes() -> None:
    pipeline = Pipeline(Policy((), (), (), ""), [])

    def message(*classes: str) -> str:
        facts = (OperationFacts(frozenset(classes)),)
        verdict = pipeline.judge(Judged(Statement("x"), facts), SESSION, 0.0).verdict
        assert isinstance(verdict, Block)
        assert (verdict.rule, verdict.reason) == ("default", "rule.none")
        return verdict.message

    assert message("mcp.call") == "No rule lets you do this here (mcp.call)."
    both = analyze("WITH d AS (DELETE FROM codes RETURNING 1) SELECT 1")
    assert "(delete, read)" in message(*both[0].classes)


def test_a_request_that_is_not_taken_has_an_id_and_a_remedy() -> None:
    one, other = (named(Problem(400, "http.path", "no")) for _ in range(2))
    assert one.request_id != other.request_id
    assert f"Hoopgate-Request: {one.request_id}".encode() in one.encode()
    assert remedy_of("http.format") != remedy_of("http.of_tomorrow") == "Fix the request."
