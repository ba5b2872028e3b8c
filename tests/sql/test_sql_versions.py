"""Changes of the schema by another client: seen where they matter, ignored where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from side_psycopg import SESSION, PsycopgSide, connect, finished
from testbed.postgres import Postgres

from hoopgate.events import Resolution, Statement
from hoopgate.sql.analysis import analyze
from hoopgate.sql.resolver import Resolver

SCHEMA = """
CREATE SCHEMA ahead;
CREATE TABLE base (id int PRIMARY KEY, ssn text, town text, zip text DEFAULT '0');
CREATE TABLE other (id int PRIMARY KEY, base int REFERENCES base);
CREATE TABLE parts (k int, who text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE VIEW shown AS SELECT id, town FROM base;
CREATE VIEW deep AS SELECT town FROM shown;
CREATE FUNCTION noise() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE TYPE kind AS ENUM ('a');
CREATE DOMAIN short AS text;
CREATE TABLE elsewhere (a int, b text);
CREATE MATERIALIZED VIEW kept AS SELECT id FROM other;
INSERT INTO base VALUES (1, 's', 't');
GRANT ALL ON ALL TABLES IN SCHEMA public, ahead TO watcher;
GRANT USAGE ON SCHEMA ahead TO watcher;
"""
STATEMENTS = (
    "SELECT town FROM deep",
    "SELECT o.id FROM other o JOIN base b ON b.id = o.base WHERE b.zip = '1'",
    "SELECT who FROM parts",
    "SELECT id FROM kept",
    "UPDATE base SET town = 'x' WHERE id = 1",
)


class Watched:
    """A resolver that knows the statements above, a client of the gateway's account, and a
    superuser who changes things."""

    def __init__(self, server: Postgres, database: str) -> None:
        self.client = connect(server.dsn(database, "watcher", "watchers-password"))
        self.superuser = psycopg.connect(server.dsn(database), autocommit=True)
        self.side = PsycopgSide(self.client)
        self.now = 0.0
        self.resolver = Resolver(lambda: self.now, ttl=1e9)

    def learn(self) -> None:
        self.confirm()
        for sql in STATEMENTS:
            self.resolve(sql)
        self.confirm()

    def confirm(self) -> int:
        finished(self.resolver.confirm(self.side))
        return self.resolver.generation

    def resolve(self, sql: str, path: str = "") -> Resolution:
        statement = Statement(sql, settings={"search_path": path} if path else {})
        (facts,) = analyze(sql)
        known = self.resolver.cached(self.resolver.key(statement, facts, SESSION))
        if known is None:
            found: Resolution = finished(self.resolver.ask(self.side, statement, facts, SESSION))
            return found
        return known

    def close(self) -> None:
        for connection in (self.client, self.superuser):
            connection.close()


@pytest.fixture(scope="module")
def server(any_postgres: Postgres) -> Postgres:
    any_postgres.create_role("watcher", "watchers-password")
    any_postgres.create_database("watched_template", SCHEMA)
    return any_postgres


@pytest.fixture
def watched(server: Postgres) -> Iterator[Watched]:
    server.psql("CREATE DATABASE watched TEMPLATE watched_template")
    made = Watched(server, "watched")
    yield made
    made.close()
    server.psql("DROP DATABASE watched WITH (FORCE)")


CHANGES = """
CREATE OR REPLACE VIEW shown AS SELECT id, ssn AS town FROM base
CREATE OR REPLACE VIEW deep AS SELECT town, id FROM shown
ALTER VIEW deep RENAME COLUMN town TO city
ALTER TABLE base RENAME COLUMN ssn TO harmless
ALTER TABLE base DROP COLUMN town CASCADE
ALTER TABLE base ADD COLUMN more text
ALTER TABLE base ALTER COLUMN zip TYPE varchar(9)
ALTER TABLE base RENAME TO base2
ALTER TABLE base SET SCHEMA ahead
ALTER SCHEMA ahead RENAME TO before
ALTER TABLE base ENABLE ROW LEVEL SECURITY
CREATE POLICY p ON base USING (ssn > 'x')
CREATE RULE r AS ON UPDATE TO base DO INSTEAD NOTHING
CREATE TRIGGER t BEFORE UPDATE ON base FOR EACH ROW EXECUTE FUNCTION noise()
CREATE UNIQUE INDEX u ON base (ssn)
ALTER TABLE base ADD CHECK (ssn > '')
ALTER TABLE base ALTER COLUMN ssn SET DEFAULT 'x'
ALTER TABLE base ADD COLUMN g text GENERATED ALWAYS AS (ssn || 'x') STORED
ALTER TABLE other DROP CONSTRAINT other_base_fkey
CREATE TABLE more (id int REFERENCES base)
ALTER TABLE base ADD FOREIGN KEY (id) REFERENCES other NOT VALID
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)
ALTER TABLE parts DETACH PARTITION parts_1
CREATE TABLE heir () INHERITS (base)
CREATE TABLE ahead.base (id int)
CREATE VIEW ahead.deep AS SELECT 1 AS town
CREATE SCHEMA watcher
CREATE FUNCTION upper(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1'
CREATE OR REPLACE FUNCTION plain(int) RETURNS int LANGUAGE sql AS 'SELECT 2'
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)
CREATE CAST (text AS kind) WITH INOUT AS IMPLICIT
CREATE DOMAIN another AS int
CREATE TYPE mood AS ENUM ('a')
DROP VIEW deep
DROP TABLE elsewhere
DROP FUNCTION plain(int)
DROP MATERIALIZED VIEW kept
CREATE SEQUENCE deeper
""".strip().split("\n")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_matters_is_seen(watched: Watched, change: str) -> None:
    watched.learn()
    before = watched.resolver.generation
    assert watched.confirm() == before
    watched.superuser.execute(change.encode())
    assert watched.confirm() == before + 1
    assert watched.confirm() == before + 1


QUIET = """
INSERT INTO base VALUES (2, 's', 't')
UPDATE base SET ssn = 'z'
TRUNCATE elsewhere
TRUNCATE base CASCADE
ANALYZE
VACUUM FULL base
VACUUM (FREEZE) base
CREATE TEMP TABLE base (id int, ssn text)
CREATE TEMP TABLE x AS SELECT 1 AS a; DROP TABLE x
CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'
REFRESH MATERIALIZED VIEW kept
GRANT SELECT ON base TO watcher
COMMENT ON TABLE base IS 'x'
CREATE ROLE somebody; DROP ROLE somebody
SELECT nextval('c')
BEGIN; CREATE TABLE gone (a int); ROLLBACK
BEGIN; ALTER TABLE base RENAME COLUMN ssn TO s; ROLLBACK
CREATE PUBLICATION nothing
NOTIFY x
""".strip().split("\n")


@pytest.mark.parametrize("work", QUIET)
def test_what_changes_nothing_is_ignored(watched: Watched, work: str) -> None:
    watched.superuser.execute("CREATE SEQUENCE c")
    watched.learn()
    before = watched.resolver.generation
    for statement in work.split("; "):
        watched.superuser.execute(statement.encode())
    assert watched.confirm() == before


def test_our_own_questions_change_nothing(watched: Watched) -> None:
    watched.learn()
    before = watched.resolver.generation
    for number in range(5):
        watched.resolve(f"SELECT shown.town AS t{number}, upper(zip) FROM base, shown")
        assert watched.confirm() == before


def test_a_new_name_ahead_of_another_is_found(watched: Watched) -> None:
    path = "ahead, public"
    watched.learn()
    assert watched.resolve("SELECT * FROM base", path).relations == {"public.base"}
    watched.superuser.execute("CREATE VIEW ahead.base AS SELECT ssn FROM public.base")
    watched.confirm()
    found = watched.resolve("SELECT * FROM base", path)
    assert found.columns is not None
    assert {str(one) for one in found.columns[0].sources} == {"ahead.base.ssn", "public.base.ssn"}


def test_a_change_is_not_seen_before_it_is_committed(watched: Watched) -> None:
    watched.learn()
    before = watched.resolver.generation
    with watched.superuser.transaction():
        watched.superuser.execute(
            "CREATE OR REPLACE VIEW shown AS SELECT id, zip AS town FROM base"
        )
        assert watched.confirm() == before
    assert watched.confirm() == before + 1


def test_what_is_learned_while_we_look_is_looked_at_again(watched: Watched) -> None:
    """The look's snapshot may be younger than what was learned meanwhile."""
    watched.confirm()

    class Between(PsycopgSide):
        async def run(self, script: Any) -> Any:
            # Learned before the change, while the look is on its way; the look sees the change.
            watched.resolve("SELECT town FROM deep")
            watched.superuser.execute(
                "CREATE OR REPLACE VIEW shown AS SELECT id, ssn AS town FROM base"
            )
            return await super().run(script)

    finished(watched.resolver.confirm(Between(watched.client)))
    watched.confirm()
    found = watched.resolve("SELECT town FROM deep").columns
    assert found is not None
    assert "public.base.ssn" in {str(one) for one in found[0].sources}


def test_a_quiet_server_is_asked_for_its_snapshot_alone(watched: Watched) -> None:
    watched.learn()
    watched.confirm()
    rows: list[Any] = []

    class Seen(PsycopgSide):
        async def run(self, script: Any) -> Any:
            rows.extend(await super().run(script))
            return rows[-1:]

    finished(watched.resolver.confirm(Seen(watched.client)))
    assert rows[0][0][1:] == (None, None)
