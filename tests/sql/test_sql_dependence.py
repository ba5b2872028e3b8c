"""Group keys that a primary key makes idle: what is said of them is what the planner does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from side_psycopg import Desk, connect
from testbed.postgres import Postgres

from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import Policy, Resource

SCHEMA = """
CREATE TABLE p(id int PRIMARY KEY, name text, u int UNIQUE NOT NULL, v text);
CREATE TABLE e(id int PRIMARY KEY, pid int REFERENCES p, x text);
CREATE TABLE pair(a int, b int, name text, PRIMARY KEY (a, b));
CREATE TABLE late(id int PRIMARY KEY DEFERRABLE, name text);
CREATE TABLE loose(id int UNIQUE, name text);
CREATE TABLE parent(id int PRIMARY KEY, name text);
CREATE TABLE child() INHERITS (parent);
CREATE TABLE parts(id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE VIEW seen AS SELECT * FROM p;
INSERT INTO p SELECT i, 'n' || i % 7, i, 'v' FROM generate_series(1, 500) i;
INSERT INTO e SELECT i, i, 'x' FROM generate_series(1, 500) i;
ANALYZE;
CREATE TABLE once(id int PRIMARY KEY, name text);
CREATE TABLE gone() INHERITS (once);
DROP TABLE gone;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""
IDLE = [
    "SELECT name, id FROM p GROUP BY name, id",
    "SELECT name, v, id FROM p GROUP BY 1, 2, 3",
    "SELECT name, p.id, count(*) FROM p JOIN e ON e.pid = p.id GROUP BY name, p.id",
    "SELECT name, p.id, count(*) FROM e LEFT JOIN p ON e.pid = p.id GROUP BY name, p.id",
    "SELECT name, p.id FROM e FULL JOIN p ON e.pid = p.id GROUP BY name, p.id",
    "SELECT name, j.id FROM (p JOIN e USING (id)) j GROUP BY name, j.id",
    "SELECT p.name, p.id, e.x FROM p, e GROUP BY p.name, p.id, e.x",
    "SELECT name, a, b FROM pair GROUP BY name, a, b",
    "SELECT name, id, u FROM p GROUP BY name, id, u",
    "SELECT name, id FROM p GROUP BY DISTINCT name, id",
    "SELECT name, id FROM p GROUP BY GROUPING SETS ((name, id))",
]
DECIDING = [
    "SELECT name, u FROM p GROUP BY name, u",
    "SELECT upper(name) AS name, id FROM p GROUP BY upper(name), id",
    "SELECT name || '' AS name, id FROM p GROUP BY name || '', id",
    "SELECT name, id::text FROM p GROUP BY name, id::text",
    "SELECT name, a FROM pair GROUP BY name, a",
    "SELECT name, id FROM late GROUP BY name, id",
    "SELECT name, id FROM loose GROUP BY name, id",
    "SELECT name, id FROM parent GROUP BY name, id",
    "SELECT p.name, e.pid FROM p JOIN e ON e.pid = p.id GROUP BY p.name, e.pid",
    "SELECT q.name, p.id FROM p JOIN p q ON q.v = p.v GROUP BY q.name, p.id",
    "SELECT name, id FROM p GROUP BY ROLLUP (name, id)",
    "SELECT name, id FROM p GROUP BY GROUPING SETS ((name, id), (id))",
    "SELECT DISTINCT name, id FROM p GROUP BY name, id",
    "SELECT name, id FROM p GROUP BY name, id ORDER BY name",
    "SELECT name, id FROM once GROUP BY name, id",  # it had children, as far as the planner knows
    # Not told to be idle, though the planner takes it out: it is safe to say less.
    "SELECT name, id FROM seen GROUP BY name, id",
    "SELECT name, id FROM parts GROUP BY name, id",
]


@pytest.fixture(scope="module")
def connection(any_postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    any_postgres.create_role("grouping", "secret-of-keys")
    any_postgres.create_database("keys", SCHEMA)
    with connect(any_postgres.dsn("keys", "grouping", "secret-of-keys")) as made:
        yield made


@pytest.fixture(scope="module")
def desk(connection: psycopg.Connection[Any]) -> Desk:
    resource = Resource("clinic", "postgresql", "tcp:db:5432", "db", "keys", "keys", "agent")
    return Desk(connection, make_pipeline(Policy((), (), (), "0" * 64), {"clinic": resource}))


def deciding(desk: Desk, sql: str) -> set[str]:
    """Names of the columns that decide about rows or their order."""
    (resolution,) = desk.judged(sql).resolutions
    assert resolution is not None
    return {column.column for column in resolution.influences}


@pytest.mark.parametrize("sql", IDLE)
def test_an_idle_key_is_one_that_the_planner_takes_out(
    desk: Desk, connection: psycopg.Connection[Any], sql: str
) -> None:
    assert not {"name", "v"} & deciding(desk, sql)
    for hashed in ("on", "off"):
        with connection.transaction():
            connection.execute(f"SET LOCAL enable_hashagg = {hashed}")
            plan = [str(row[0]) for row in connection.execute(f"EXPLAIN (COSTS OFF) {sql}")]
        keys = [line for line in plan if "Group Key" in line or "Sort Key" in line]
        assert keys and not any("name" in line or ".v" in line for line in keys), plan


@pytest.mark.parametrize("sql", DECIDING)
def test_other_keys_decide(desk: Desk, sql: str) -> None:
    assert "name" in deciding(desk, sql)
