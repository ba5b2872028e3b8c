"""Where columns are secret until labelled: what has no label of its own takes that of what it is
made of, and nothing that is labelled public gets in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from side_psycopg import Desk, connect
from testbed.postgres import Postgres

from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import Label, LabelClass, Match, Policy, Resource, Rule
from hoopgate.verdicts import Allow, Block, Mask, Verdict

SCHEMA = """
CREATE TABLE people (id int PRIMARY KEY, name text, town text,
                     twice int GENERATED ALWAYS AS (id * 2) STORED,
                     initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
CREATE TABLE visits (id int PRIMARY KEY, person int REFERENCES people, day date)
    PARTITION BY RANGE (id);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (10);
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM (10) TO (20);
CREATE TABLE stays (id int PRIMARY KEY, visit int REFERENCES visits (id));
CREATE TABLE staff (id int, shift text);
CREATE TABLE nurses (ward text) INHERITS (staff);
CREATE VIEW towns AS SELECT id, town, 'constant' AS c, name AS label FROM people;
CREATE VIEW load AS SELECT town, count(*) AS n FROM people GROUP BY town;
CREATE MATERIALIZED VIEW kept AS SELECT id, town FROM people;
CREATE TABLE codes (dx text PRIMARY KEY, text text);
CREATE TABLE unknown (a int, b text);
CREATE SEQUENCE counter;
INSERT INTO people VALUES (1, 'n', 't');
GRANT ALL ON ALL TABLES IN SCHEMA public TO looker;
GRANT CREATE ON SCHEMA public TO looker;
"""
PUBLIC = (
    *(f"public.people.{name}" for name in ("id", "town")),
    *("public.visits.*", "public.stays.*", "public.staff.*", "public.codes.*", "public.counter.*"),
)
LABELS = (
    Label("clinic", "public.people.name", "NAME"),
    *(Label("clinic", column, "PUBLIC", LabelClass.PUBLIC) for column in PUBLIC),
)
RESOURCES = {"clinic": Resource("clinic", "postgresql", "tcp:db:5432", "db", "phi", "phi", "agent")}


@pytest.fixture(scope="module")
def looker(any_postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    any_postgres.create_role("looker", "lookers-password")
    any_postgres.create_database("unlabelled", SCHEMA)
    connection = connect(any_postgres.dsn("unlabelled", "looker", "lookers-password"))
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def desk(looker: psycopg.Connection[Any]) -> Desk:
    policy = Policy((Rule("all", "allow", Match()),), (), LABELS, "0" * 64)
    return Desk(looker, make_pipeline(policy, RESOURCES))


def masks(verdict: Verdict) -> list[str]:
    assert not isinstance(verdict, Block), verdict
    if isinstance(verdict, Allow):
        return []
    assert isinstance(verdict, Mask)
    (plan,) = verdict.plans
    assert plan is not None
    return ["" if column is None else column.label for column in plan.columns]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, town FROM people WHERE id = 1 ORDER BY town", []),
        ("SELECT twice FROM people WHERE twice > 1", []),
        ("SELECT initial, name FROM people", ["NAME", "NAME"]),
        ("SELECT * FROM towns WHERE town = 'x' AND c = 'y'", ["", "", "", "NAME"]),
        ("SELECT town, n FROM load ORDER BY n", []),
        ("SELECT id, town FROM kept WHERE id = 1", []),
        ("SELECT * FROM visits WHERE person = 1", []),
        ("SELECT * FROM visits_1 WHERE day > '2024-01-01'", []),
        ("SELECT id, shift FROM staff ORDER BY shift", []),
        ("SELECT id, shift, ward FROM nurses WHERE id = 1", ["", "", "UNLABELLED"]),
        ("SELECT a FROM unknown", ["UNLABELLED"]),
        ("SELECT a IS NULL FROM unknown", ["UNLABELLED"]),
        ("SELECT count(*) FROM unknown", []),
        ("SELECT ctid, tableoid::regclass FROM codes", []),
        ("SELECT last_value FROM counter", []),
        ("COPY codes TO STDOUT", []),
        ("COPY unknown TO STDOUT", ["UNLABELLED", "UNLABELLED"]),
        ("INSERT INTO codes VALUES ('a', 'b') RETURNING dx", []),
        ("INSERT INTO codes VALUES ('a', 'b') ON CONFLICT (dx) DO UPDATE SET text = 'c'", []),
        ("UPDATE people SET town = 'x' WHERE id = 1", []),
        ("INSERT INTO visits VALUES (1, 1, '2024-01-01')", []),
        ("INSERT INTO stays VALUES (1, 1)", []),
        ("DELETE FROM visits WHERE id = 1", []),
        ("EXPLAIN SELECT * FROM codes WHERE dx = 'E1'", []),
        ("EXPLAIN SELECT * FROM visits", []),
        ("SELECT relname FROM pg_class WHERE relname = 'people'", []),
        ("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", []),
        ("SELECT 1, now(), 'x'::text", []),
        ("SELECT g FROM generate_series(1, 3) g", []),
    ],
)
def test_what_is_answered(desk: Desk, sql: str, expected: list[str]) -> None:
    assert masks(desk.judge(sql).verdict) == expected


@pytest.mark.parametrize(
    ("sql", "reason", "subject"),
    [
        ("SELECT 1 FROM unknown WHERE a = 1", "phi.predicate", "public.unknown.a"),
        ("SELECT b FROM unknown ORDER BY b", "phi.predicate", "public.unknown.b"),
        ("SELECT id FROM nurses WHERE ward = 'x'", "phi.predicate", "public.nurses.ward"),
        ("SELECT max(a) FROM unknown", "phi.aggregate", "public.unknown.a"),
        ("EXPLAIN SELECT 1 FROM unknown", "phi.explain", "public.unknown"),
        ("EXPLAIN SELECT n FROM load", "phi.explain", "public.people"),
        ("EXPLAIN SELECT id FROM staff", "phi.explain", "public.nurses"),
        ("CREATE TABLE copy AS SELECT a FROM unknown", "phi.write", "public.unknown.a"),
        ("INSERT INTO codes SELECT b, 'x' FROM unknown", "phi.write", "public.unknown.b"),
    ],
)
def test_what_is_refused(desk: Desk, sql: str, reason: str, subject: str) -> None:
    verdict = desk.judge(sql).verdict
    assert isinstance(verdict, Block)
    assert (verdict.reason, verdict.subject) == (reason, subject)


def test_a_new_column_shows_nothing(desk: Desk, looker: psycopg.Connection[Any]) -> None:
    sql = "SELECT * FROM made"
    looker.execute("CREATE TABLE made (a int)")
    try:
        desk.resolver.invalidate()
        assert masks(desk.judge(sql).verdict) == ["UNLABELLED"]
        looker.execute("ALTER TABLE made ADD COLUMN b text")
        desk.resolver.invalidate()
        assert masks(desk.judge(sql).verdict) == ["UNLABELLED", "UNLABELLED"]
    finally:
        looker.execute("DROP TABLE made")
        desk.resolver.invalidate()
