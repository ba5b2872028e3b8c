"""Aggregates over enough patients through the running gateway, and the budget they take of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import LABELS, RULES, Clinic, running_clinic
from testbed.postgres import Postgres

QUERY = """
SELECT p.sex, count(p.weight) AS n, round(avg(p.weight), 1) AS mean FROM patients p
WHERE p.id <= {} GROUP BY p.sex
HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= {} ORDER BY p.sex"""


@pytest.fixture(scope="module")
def grouped(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Iterator[Clinic]:
    labels = [
        {"column": "public.patients.weight", "kind": "WEIGHT"},
        {"column": "public.patients.id", "level": "public", "patient": True},
        {"column": ["public.patients.sex"], "level": "public"},
        *(one for one in LABELS if not isinstance(one["column"], list)),
    ]
    with running_clinic(
        tmp_path_factory.mktemp("groups"),
        certificates,
        postgres18,
        database="grouped",
        labels=labels,
        rules=RULES,
        policy={"min_group": 11},
        budgets=[{"name": "questions", "queries": 5, "match": {"subjects": ["executor"]}}],
    ) as running:
        yield running


def refused(connection: psycopg.Connection, sql: str) -> dict[str, str]:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        connection.execute(sql)
    diagnostic = refusal.value.diag
    detail: dict[str, str] = json.loads(diagnostic.message_detail or "{}")
    return detail | {"remedy": diagnostic.message_hint or ""}


def test_large_groups_come_and_small_ones_do_not(grouped: Clinic) -> None:
    with psycopg.connect(grouped.direct_dsn(), autocommit=True) as direct:
        expected = direct.execute(QUERY.format(60, 11)).fetchall()
    assert len(expected) == 2
    with psycopg.connect(grouped.dsn(), autocommit=True) as agent:
        for binary in (False, True):
            found = agent.cursor(binary=binary).execute(QUERY.format(60, 11)).fetchall()
            assert found == expected
            assert all(isinstance(mean, Decimal) for _, _, mean in found)
        assert agent.execute(QUERY.format(15, 11)).fetchall() == []  # eight of each
        small = refused(agent, QUERY.format(15, 2))
        assert (small["reason"], small["subject"]) == ("phi.aggregate", "public.patients.weight")
        assert "HAVING count(DISTINCT" in small["remedy"]
        assert refused(agent, "SELECT max(weight) FROM patients")["reason"] == "phi.aggregate"
        (masked,) = agent.execute("SELECT weight FROM patients WHERE id = 1").fetchall()
        assert masked == (0,)
        for number in (70, 80):
            assert len(agent.execute(QUERY.format(number, 11)).fetchall()) == 2
        assert refused(agent, QUERY.format(90, 11))["reason"] == "budget.queries"


def test_nobody_asks_without_a_budget(grouped: Clinic) -> None:
    with psycopg.connect(grouped.dsn("planner"), autocommit=True) as other:
        found = refused(other, QUERY.format(60, 11))
    assert found["reason"] == "phi.aggregate" and "budget" in found["remedy"]
