"""Aggregates over secrets: over enough patients they are given out, and over fewer never."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from side_psycopg import Desk, connect
from testbed.postgres import Postgres

from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.plans import MaskPlan, Method
from hoopgate.settings.model import Budget, Label, LabelClass, Match, Policy, Resource, Rule
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Allow, Block, Mask, Verdict

HERE = Path(__file__).parent
LEAST = 5
SCHEMA = """
CREATE TABLE wards(id int PRIMARY KEY, name text, twice int);
CREATE TABLE patients(id int PRIMARY KEY, sex text, ward int, weight numeric, height float8,
                      smoker bool, born date, spell interval, price money);
CREATE TABLE labs(id int PRIMARY KEY, patient_id int REFERENCES patients, item int, value float8,
                  note text);
CREATE TABLE loose(patient_id int, sex text, twin int);
CREATE UNIQUE INDEX ON loose (twin) WHERE sex = 'F';
CREATE VIEW v_labs AS SELECT * FROM labs;
CREATE TABLE parts(patient_id int, item int, value int) PARTITION BY LIST (item);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
INSERT INTO wards VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 2);
INSERT INTO patients SELECT i, (ARRAY['F','M'])[1 + i % 2], 1 + i % 3, 50 + i, 1.5, i % 4 = 0,
    date '1950-01-01' + i, interval '1 day', 1 FROM generate_series(1, 24) i;
INSERT INTO labs SELECT i, 1 + i % 24, i % 7, i, 'note' FROM generate_series(1, 100) i;
INSERT INTO parts SELECT 1 + i % 24, i % 2, i FROM generate_series(1, 50) i;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""
RESOURCES = {"clinic": Resource("clinic", "postgresql", "tcp:db:5432", "db", "phi", "phi", "agent")}


def policy(least: int = LEAST, budgets: Sequence[Budget] | None = None) -> Policy:
    secret = [
        *(f"public.patients.{name}" for name in ("weight", "height", "smoker", "spell", "price")),
        *("public.labs.value", "public.labs.note", "public.parts.value"),
    ]
    labels = [Label("clinic", column, "VALUE") for column in secret]
    labels.append(
        Label("clinic", "public.patients.born", "DOB", LabelClass.QUASI, Method.GENERALISE)
    )
    labels += [
        Label("clinic", f"public.{column}", "ID", LabelClass.PUBLIC, patient=True)
        for column in ("patients.id", "labs.patient_id", "loose.patient_id", "parts.patient_id")
    ]
    return Policy(
        (Rule("all", "allow", Match()),),
        (),
        tuple(labels),
        "0" * 64,
        unlabelled=LabelClass.PUBLIC,
        min_group=least,
        budgets=(Budget("b", queries=100),) if budgets is None else tuple(budgets),
    )


@dataclass
class Ward:
    connection: psycopg.Connection[Any]
    desk: Desk

    def judge(self, sql: str) -> Verdict:
        return self.desk.judge(sql).verdict


@pytest.fixture(scope="module")
def ward(any_postgres: Postgres) -> Iterator[Ward]:
    any_postgres.create_role("grouper", "secret-of-groups")
    any_postgres.create_database("groups", SCHEMA)
    with connect(any_postgres.dsn("groups", "grouper", "secret-of-groups")) as connection:
        yield Ward(connection, Desk(connection, make_pipeline(policy(), RESOURCES)))


FLOOR = "HAVING count(DISTINCT {p}) FILTER (WHERE {c} IS NOT NULL) >= 5"
WEIGHT = FLOOR.format(p="id", c="weight")


def cases(which: str) -> list[str]:
    """Statements of groups.sql."""
    found, section = [], ""
    for line in (HERE / "groups.sql").read_text().splitlines():
        if line in ("-- given", "-- refused"):
            section = line.removeprefix("-- ")
        elif section == which and not line.startswith("--"):
            found.append(line)
    return found


GIVEN, REFUSED = cases("given"), cases("refused")


@pytest.mark.parametrize("sql", GIVEN)
def test_large_groups_are_given(ward: Ward, sql: str) -> None:
    verdict = ward.judge(sql)
    assert isinstance(verdict, Mask), verdict
    (plan,) = verdict.plans
    assert plan is not None and not plan.masks
    assert plan.spend is not None and plan.spend.predicates  # it counts as a question


@pytest.mark.parametrize("sql", REFUSED)
def test_everything_else_is_refused(ward: Ward, sql: str) -> None:
    verdict = ward.judge(sql)
    assert isinstance(verdict, Block), verdict
    assert verdict.reason.startswith("phi."), verdict


def test_a_refusal_says_what_would_be_answered(ward: Ward) -> None:
    verdict = ward.judge("SELECT avg(weight) FROM patients")
    assert isinstance(verdict, Block) and verdict.reason == "phi.aggregate"
    assert verdict.subject == "public.patients.weight"
    assert "HAVING count(DISTINCT PATIENT) FILTER (WHERE COLUMN IS NOT NULL) >= 5" in verdict.remedy


def test_a_parameter_promises_nothing(ward: Ward) -> None:
    sql = f"SELECT avg(weight) FROM patients {WEIGHT.replace('5', '$1')}"
    judged = ward.desk.judged(sql, (20,))
    assert judged.resolutions[0] is not None
    assert isinstance(ward.desk.judge(sql, (20,)).verdict, Block)


def test_another_number_is_another_statement() -> None:
    """What is remembered of a statement must not be taken for one with a smaller floor."""
    one, other = (
        analyze(f"SELECT avg(weight) FROM patients {WEIGHT.replace('5', number)}")[0].fingerprint
        for number in ("5", "1")
    )
    assert one != other


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (policy(0), "not secret"),
        (policy(6), ">= 6"),
        (policy(budgets=()), "budget of queries"),
        (policy(budgets=(Budget("b", cells=9),)), "budget of queries"),
        (policy(budgets=(Budget("b", Match(groups=frozenset({"x"})), queries=9),)), "budget of"),
    ],
)
def test_it_takes_a_size_and_a_budget(ward: Ward, other: Policy, word: str) -> None:
    desk = Desk(ward.connection, make_pipeline(other, RESOURCES))
    verdict = desk.judge(GIVEN[0]).verdict
    assert isinstance(verdict, Block) and verdict.reason in ("phi.aggregate", "phi.predicate")
    if verdict.reason == "phi.aggregate":
        assert word in verdict.remedy


def test_the_patients_must_be_known_as_such(ward: Ward) -> None:
    known = policy()
    nobody = tuple(replace(label, patient=False) for label in known.labels)
    desk = Desk(ward.connection, make_pipeline(replace(known, labels=nobody), RESOURCES))
    assert isinstance(desk.judge(GIVEN[0]).verdict, Block)


def test_quasi_identifiers_may_decide_and_be_aggregated(ward: Ward) -> None:
    verdict = ward.judge(
        "SELECT date_part('year', born), avg(weight) FROM patients WHERE born < '1980-01-01'"
        f" GROUP BY 1 {WEIGHT}"
    )
    assert isinstance(verdict, Mask)
    (plan,) = verdict.plans
    assert isinstance(plan, MaskPlan)
    assert plan.columns[0] is not None and plan.columns[1] is None


ROWS = st.lists(
    st.tuples(
        st.integers(1, 9),  # patient
        st.integers(0, 2),  # group
        st.one_of(st.none(), st.integers(-50, 50)),
    ),
    max_size=60,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(rows=ROWS, other=st.integers(-50, 50))
def test_what_comes_depends_on_large_groups_alone(
    ward: Ward, rows: list[tuple[int, int, int | None]], other: int
) -> None:
    """Noninterference for groups: change every value of the small ones, and nothing changes."""
    sql = (
        "SELECT p.item, count(p.value), sum(p.value), avg(p.value)::numeric(9, 3) FROM parts p"
        " GROUP BY p.item HAVING count(DISTINCT p.patient_id) FILTER (WHERE p.value IS NOT NULL)"
        " >= 5 ORDER BY sum(p.value), p.item"
    )
    assert isinstance(ward.judge(sql), Mask)
    patients: dict[int, set[int]] = defaultdict(set)
    for patient, item, value in rows:
        if value is not None:
            patients[item].add(patient)
    large = {item for item, found in patients.items() if len(found) >= LEAST}
    changed = [
        (patient, item, value if item in large or value is None else other)
        for patient, item, value in rows
    ]
    seen = []
    for content in (rows, changed):
        with ward.connection.transaction(force_rollback=True):
            ward.connection.execute("CREATE TEMP TABLE parts(patient_id int, item int, value int)")
            with ward.connection.cursor().copy("COPY pg_temp.parts FROM STDIN") as copy:
                for row in content:
                    copy.write_row(row)
            seen.append(
                ward.connection.execute(sql.replace("parts p", "pg_temp.parts p")).fetchall()
            )
    assert seen[0] == seen[1]
    assert {int(row[0]) for row in seen[0]} == large
    for item, count, total, _ in seen[0]:
        values = [v for _, i, v in rows if i == int(item) and v is not None]
        assert (int(count), int(total)) == (len(values), sum(values))


def test_the_floor_is_judged_on_the_server_s_own_tree(ward: Ward) -> None:
    """An operator of the users' own that is spelled >= promises nothing."""
    assert isinstance(ward.judge(GIVEN[0].replace(">= 5", "OPERATOR(pg_catalog.>=) 5")), Mask)
    assert isinstance(ward.judge(GIVEN[0]), Mask | Allow)
