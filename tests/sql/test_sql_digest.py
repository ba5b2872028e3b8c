"""The digest that an approval is bound to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopgate.events import Principal, Statement
from hoopgate.sql.analysis import analyze
from hoopgate.sql.digest import approval_digest

WHO = Principal("https://idp", "agent", frozenset({"a"}), 1.0, token_id="t1")
STATEMENT = Statement("SELECT * FROM t WHERE a = $1", (23,), ((0, b"7"),), {"search_path": "x"})


def digest(statement: Statement = STATEMENT, who: Principal = WHO, resource: str = "clinic") -> str:
    return approval_digest(who, resource, statement, analyze(statement.text))


def test_layout_and_a_new_token_change_nothing() -> None:
    other = replace(STATEMENT, text="SELECT *\n FROM t -- x\nWHERE /* y */ a = $1")
    assert digest(other) == digest()
    later = replace(WHO, expires_at=2.0, token_id="t2", scopes=frozenset({"b"}))
    assert digest(who=later) == digest()


@pytest.mark.parametrize(
    "statement",
    [
        replace(STATEMENT, text="SELECT * FROM t WHERE a = $2"),
        replace(STATEMENT, text="SELECT * FROM T2 WHERE a = $1"),
        replace(STATEMENT, text="SELECT * FROM t WHERE a = $1;SELECT 1"),
        replace(STATEMENT, text="SELECT * FROM t WHERE a = '$1'"),
        replace(STATEMENT, parameters=((1, b"7"),)),
        replace(STATEMENT, parameters=((0, b"8"),)),
        replace(STATEMENT, parameters=((0, None),)),
        replace(STATEMENT, parameters=None),
        replace(STATEMENT, parameter_types=(20,)),
        replace(STATEMENT, settings={}),
    ],
)
def test_what_would_run_differently_has_another(statement: Statement) -> None:
    assert digest(statement) != digest()


def test_nobody_else_and_nowhere_else() -> None:
    assert digest(who=replace(WHO, subject="agent2")) != digest()
    assert digest(who=replace(WHO, issuer="https://other")) != digest()
    assert digest(resource="lab") != digest()


def test_literals_are_kept_to_the_letter() -> None:
    one = Statement("SELECT 'a  b'")
    assert digest(one) != digest(Statement("SELECT 'a b'"))
    assert digest(one) != digest(Statement("SELECT 'A  B'"))
