"""What a statement is refused for though it names no secret in a predicate: places, sizes, plans,
constraints that look at stored rows, and values that grow until they fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from side_psycopg import Desk, connect
from testbed.postgres import Postgres

from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import Label, LabelClass, Match, Policy, Resource, Rule
from hoopgate.verdicts import Allow, Block, Mask

SCHEMA = """
CREATE TABLE patients(id int PRIMARY KEY, name text, sex char(1), born date);
CREATE TABLE codes(dx text PRIMARY KEY, descr text);
CREATE TABLE derived(id int PRIMARY KEY, a int, b int, pin int,
                     q int GENERATED ALWAYS AS (1000 / (a - pin)) STORED);
CREATE TABLE checked(id int PRIMARY KEY, amount int, pin int, CHECK (amount <> pin));
CREATE TABLE unproven(id int PRIMARY KEY, x int, pin int);
ALTER TABLE unproven ADD CHECK (pin > 5) NOT VALID;
CREATE TABLE indexed(id int PRIMARY KEY, note text, n int, name text);
CREATE INDEX ON indexed (note, name);
CREATE TABLE computed(id int PRIMARY KEY, n int, pin int);
CREATE INDEX ON computed ((n / pin));
CREATE TABLE root(id int PRIMARY KEY);
CREATE TABLE branch(id int PRIMARY KEY, root_id int REFERENCES root ON DELETE CASCADE,
                    pin int UNIQUE);
CREATE TABLE leaf(id int PRIMARY KEY, pin int REFERENCES branch (pin));
CREATE TABLE origin(id int PRIMARY KEY);
CREATE TABLE fallout(id int, origin_id int REFERENCES origin ON DELETE SET NULL, pin int,
                     CHECK (origin_id IS NOT NULL OR pin > 50));
CREATE TABLE wards(id int, ward text, n int) PARTITION BY LIST (ward);
CREATE TABLE wards_a PARTITION OF wards FOR VALUES IN ('a');
CREATE TABLE days(id int, day date, name text) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE COLLATION either (provider = libc, locale = 'C');
CREATE DOMAIN tag AS varchar(40);
CREATE DOMAIN tag2 AS tag;
CREATE TABLE tagged(id int, name tag2);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""
_COLLATED = '(SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" AS x FROM patients) q'
LABELS = ("*.name", "*.pin", "*.ward")


@pytest.fixture(scope="module")
def desk(any_postgres: Postgres) -> Iterator[Desk]:
    labels = tuple(Label("clinic", f"public.{column}", "SECRET") for column in LABELS)
    rules = (Rule("all", "allow", Match()),)
    policy = Policy(rules, ("hipaa-baseline",), labels, "0" * 64, unlabelled=LabelClass.PUBLIC)
    resource = Resource("clinic", "postgresql", "tcp:db:5432", "db", "phi", "phi", "agent")
    any_postgres.create_database("channels", SCHEMA)
    connection = connect(any_postgres.dsn("channels"))
    yield Desk(connection, make_pipeline(policy, {"clinic": resource}))
    connection.close()


@pytest.mark.parametrize(
    ("sql", "reason", "subject"),
    [
        ("SELECT id FROM patients WHERE ctid = '(0,1)'", "predicate", "public.patients.name"),
        ("SELECT id FROM patients ORDER BY ctid", "predicate", "public.patients.name"),
        ("SELECT max(ctid) FROM patients", "aggregate", ""),
        ("SELECT count(DISTINCT tableoid) FROM days", "predicate", "public.days.name"),
        ("SELECT id FROM patients TABLESAMPLE SYSTEM (10)", "predicate", "public.patients.name"),
        ("SELECT id FROM patients TABLESAMPLE BERNOULLI (10) REPEATABLE (1)", "predicate", ""),
        ("SELECT relname FROM pg_class ORDER BY relpages", "predicate", ""),
        ("SELECT 1 WHERE pg_relation_size('patients') > 8192", "predicate", ""),
        ("SELECT 1 / (pg_indexes_size('patients') - 16384)", "function", ""),
        ("SELECT id FROM wards", "predicate", "public.wards.ward"),
        ("SELECT count(*) FROM wards_a", "predicate", "public.wards.ward"),
        ("COPY wards_a (id) TO STDOUT", "predicate", "public.wards.ward"),
        ("UPDATE derived SET a = 5 WHERE id = 1", "predicate", "public.derived.pin"),
        (
            "INSERT INTO derived(id, a, pin) VALUES (1, 5, 7)"
            " ON CONFLICT (id) DO UPDATE SET a = excluded.a",
            "predicate",
            "public.derived.pin",
        ),
        (
            "INSERT INTO checked VALUES (1, 1, 7) ON CONFLICT (id) DO UPDATE SET amount = 5",
            "predicate",
            "public.checked.pin",
        ),
        (
            "MERGE INTO checked c USING (VALUES (1)) v(x) ON c.id = v.x"
            " WHEN MATCHED THEN UPDATE SET amount = 5",
            "predicate",
            "public.checked.pin",
        ),
        ("UPDATE unproven SET x = 1 WHERE id = 1", "predicate", "public.unproven.pin"),
        ("UPDATE indexed SET note = 'x' WHERE id = 1", "predicate", "public.indexed.name"),
        ("UPDATE computed SET n = 1 WHERE id = 1", "predicate", "public.computed.pin"),
        ("DELETE FROM root WHERE id = 1", "predicate", "public.branch.pin"),
        ("DELETE FROM origin WHERE id = 1", "predicate", "public.fallout.pin"),
        (
            "SELECT CASE WHEN name < 'N' THEN EXISTS (SELECT FROM codes a, codes b) END"
            " FROM patients",
            "function",
            "syntax.subquery()",
        ),
        ("SELECT name IN (SELECT dx FROM codes) FROM patients", "function", "syntax.subquery()"),
        ("SELECT ARRAY(SELECT name FROM patients)", "function", "syntax.array()"),
        ('SELECT "varchar"(name::varchar, 9, false) FROM patients', "function", ""),
        ("SELECT pg_catalog.bpchar(name::bpchar, 9, false) FROM patients", "function", ""),
        ("SELECT varcharin(textout(name), 0, 9) FROM patients", "function", ""),
        ("SELECT quote_literal(name) FROM patients", "function", ""),
        (
            "WITH RECURSIVE t(n, x) AS (SELECT 1, name FROM patients UNION ALL"
            " SELECT n + 1, x || x FROM t WHERE n < 30) SELECT n, x FROM t",
            "function",
            "syntax.growth()",
        ),
        (
            "SELECT x || x || x || x FROM (SELECT x || x || x || x AS x FROM"
            " (SELECT x || x || x || x AS x FROM (SELECT name AS x FROM patients) a) b) c",
            "function",
            "syntax.growth()",
        ),
        (
            "SELECT ROW(x, x, x, x, x) FROM (SELECT ROW(x, x, x, x, x) AS x FROM"
            " (SELECT ROW(name, name, name) AS x FROM patients) a) b",
            "function",
            "syntax.growth()",
        ),
        ("SELECT ROW(repeat('x', 1000000000), name) FROM patients", "function", ""),
        # Where collations differ, a function fails when it is called: for no NULL.
        *(
            (f"SELECT {expression} FROM {_COLLATED}", "function", "syntax.collation()")
            for expression in (
                "name < x",
                "name IN (x, 'y')",
                "(name, id) < (x, 1)",
                "upper(name || x)",
                "greatest(name, x)",
                "nullif(name, x)",
                "name IS DISTINCT FROM x",
                "CASE name WHEN x THEN 1 END",
                "lower(CASE WHEN id = 1 THEN name ELSE x END)",
            )
        ),
        ("SELECT strpos(name COLLATE either, dx) FROM patients, codes", "function", ""),
        # Rows are compared column by column, and no further than where they differ.
        (
            "SELECT (name, 1) < ('Ada', 1 / (id - 1)) FROM patients",
            "function",
            "pg_catalog.int4div(integer, integer)",
        ),
        ("SELECT (name, 1) >= ('Ada', (SELECT 1)) FROM patients", "function", "syntax.subquery()"),
        ("SET enable_seqscan = off", "setting", ""),
        ("SET work_mem = '64kB'", "setting", ""),
        ("SELECT set_config('enable_seqscan', 'off', false)", "", ""),
        ("COPY patients TO STDOUT (ENCODING 'LATIN1')", "copy", ""),
    ],
)
def test_it_is_refused(desk: Desk, sql: str, reason: str, subject: str) -> None:
    verdict = desk.judge(sql).verdict
    assert isinstance(verdict, Block), verdict
    if reason:
        assert verdict.reason == f"phi.{reason}"
    if subject:
        assert verdict.subject == subject


@pytest.mark.parametrize(
    ("sql", "masked"),
    [
        ("SELECT ctid, id FROM patients", [True, False]),
        ("SELECT ctid, dx FROM codes", [False, False]),
        ("SELECT tableoid, id FROM patients", [False, False]),
        ("SELECT tableoid, id FROM days_1", [True, False]),
        ("SELECT relname, relpages FROM pg_class", [False, True]),
        ("SELECT pg_table_size(oid), relname FROM pg_class", [True, False]),
        ("SELECT pg_size_pretty(pg_database_size(current_database())), 1", [True, False]),
        ("SELECT name, id FROM days_1", [True, False]),
        ("SELECT name, id FROM tagged", [True, False]),
        ("SELECT name || ', ' || sex || name || ')' FROM patients", [True]),
        ("SELECT concat(name, ' ', sex, id, born) FROM patients", [True]),
        ("SELECT name::varchar(3), name::char(2) FROM patients", [True, True]),
        ("SELECT EXISTS (SELECT FROM codes), name FROM patients", [False, True]),
        ("SELECT x || x FROM (SELECT name || name AS x FROM patients) q", [True]),
        (
            "SELECT name < sex, (id, name) < (2, 'x'), name COLLATE \"C\" < sex FROM patients",
            [True] * 3,
        ),
    ],
)
def test_it_is_masked(desk: Desk, sql: str, masked: list[bool]) -> None:
    verdict = desk.judge(sql).verdict
    plan = verdict.plans[0] if isinstance(verdict, Mask) else None
    assert isinstance(verdict, Allow | Mask), verdict
    columns = plan.columns if plan else (None,) * len(masked)
    assert [column is not None for column in columns] == masked


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE derived SET b = 5 WHERE id = 1",
        "INSERT INTO checked VALUES (1, 1, 7)",
        "UPDATE checked SET amount = 1, pin = 2 WHERE id = 1",
        "UPDATE unproven SET x = 1, pin = 7 WHERE id = 1",
        "UPDATE indexed SET n = 1 WHERE id = 1",
        "UPDATE indexed SET name = 'x' WHERE id = 1",
        "UPDATE patients SET name = 'x' WHERE id = 1",
        "DELETE FROM leaf WHERE id = 1",
        "INSERT INTO days VALUES (1, '2024-02-02', 'x')",
        "SELECT id FROM days WHERE day > '2024-03-03'",
        "SELECT id FROM patients TABLESAMPLE SYSTEM (100)",
        "SELECT dx FROM codes TABLESAMPLE BERNOULLI (10)",
        "RESET work_mem",
    ],
)
def test_it_is_left_alone(desk: Desk, sql: str) -> None:
    assert isinstance(desk.judge(sql).verdict, Allow), desk.judge(sql).verdict


def test_a_domain_is_masked_as_what_clients_are_told_it_is(desk: Desk) -> None:
    verdict = desk.judge("SELECT name, upper(name) FROM tagged").verdict
    assert isinstance(verdict, Mask) and verdict.plans[0] is not None
    varchar, text = 1043, 25
    assert [column and column.type for column in verdict.plans[0].columns] == [varchar, text]
