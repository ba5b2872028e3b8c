"""Judgement of statements by a real MariaDB: what is masked, what is refused, what is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mysql_benign import BENIGN
from mysql_world import World

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.verdicts import Block

CORPUS = json.loads((Path(__file__).parent / "evasion_mariadb.json").read_text())


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: f"{entry['family']} {entry['name']}")
def test_known_ways_around_masking(mysql_world: World, entry: dict[str, Any]) -> None:
    """One statement of each is refused or masked; what is not, reads nothing that was hidden."""
    # What is not UTF-8 is refused before it is judged.
    texts = [text for text in entry["statements"] if isinstance(text, str)]
    outcomes = [mysql_world.outcome(text) for text in texts]
    assert any(outcome != "plain" for outcome in outcomes) or entry["name"] in INNOCENT
    for text, outcome in zip(texts, outcomes, strict=True):
        if outcome == "plain":
            assert "ssn" not in text.lower() or text.startswith(("CREATE", "DROP")), text


#: Read nothing that is hidden.
INNOCENT = {"i_s partitions/routines"}


def test_what_agents_ask_every_day_is_answered(mysql_world: World) -> None:
    refused = [text for text in BENIGN if isinstance(mysql_world.judge(text), Block)]
    assert len(BENIGN) >= 60
    assert len(refused) <= len(BENIGN) // 20, refused


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("SELECT id, ssn, id FROM patients", "- SSN -"),
        ("SELECT * FROM v_pat", "- SSN NAME"),
        ("SELECT a, b FROM v_nested", "- SSN"),
        ("SELECT v.note FROM v_wide v WHERE id = 1", "NOTE"),
        ("SELECT id AS ssn, ssn AS id FROM patients", "- SSN"),
        ("SELECT dx FROM codes UNION ALL SELECT ssn FROM patients", "SSN"),
        ("SELECT dx FROM codes UNION SELECT ssn FROM patients", "phi.predicate"),
        ("WITH codes AS (SELECT ssn AS dx FROM patients) SELECT dx FROM codes", "SSN"),
        ("SELECT (SELECT ssn) FROM patients", "SSN"),
        ("SELECT year(dob), zip FROM patients WHERE dob > '1950-01-01' ORDER BY zip", "DATE DATE"),
        ("SELECT doubled, masked FROM derived", "PIN PIN"),
        ("SELECT id FROM derived WHERE doubled > 3", "phi.predicate"),
        ("SELECT sex, max(name) FROM patients GROUP BY sex", "phi.aggregate"),
        ("SELECT sex, name FROM patients GROUP BY sex", "- NAME"),
        ("SELECT id FROM patients WHERE ssn = ?", "phi.predicate"),
        ("SELECT id, ssn FROM patients WHERE id = ? LIMIT ?", "- SSN"),
        ("SELECT id FROM patients ORDER BY ?", "phi.unresolved"),
        ("SELECT if(ssn < '5', exp(710), 1) FROM patients", "phi.function"),
        ("SELECT concat(nullif(name, ''), exp(id)) FROM patients", "phi.function"),
        ("SELECT concat(name, exp(id)) FROM patients", "phi.function"),
        ("SELECT concat(upper(name), lower(sex)) FROM patients", "NAME"),
        ("SELECT CASE WHEN id > 5 THEN name ELSE sex END FROM patients", "NAME"),
        ("SELECT CASE WHEN name > 'x' THEN 1 END FROM patients", "phi.function"),
        ("SELECT if(ssn < 'x', (SELECT 1 UNION SELECT 2), 1) FROM patients", "phi.predicate"),
        ("SELECT substring_index(email, '@', -1), right(name, 2) FROM patients", "ACCOUNT NAME"),
        ("SELECT substr(email, -(3), 2), -id FROM patients", "ACCOUNT -"),
        ("SELECT substr(email, -id) FROM patients", "phi.function"),
        ("SELECT id FROM patients WHERE -1 < ssn", "phi.predicate"),
        ("SELECT phi.same(name) FROM patients", "phi.function"),
        ("SELECT time((SELECT name FROM patients WHERE id = 1))", "phi.function"),
        ("SELECT upper((SELECT name FROM patients WHERE id = 1))", "NAME"),
        (
            "SELECT left((SELECT name FROM patients p WHERE p.id = e.id), 3) FROM encounters e",
            "NAME",
        ),
        (
            "SELECT concat(one, if(isnull(name), 'é', 'a')) FROM latin JOIN patients USING (id)",
            "phi.function",
        ),
        ("SELECT concat(one, ' – ', name) FROM latin JOIN patients USING (id)", "NAME"),
        ("SELECT concat(one, year(dob)) FROM latin JOIN patients USING (id)", "DATE"),
        ("SELECT leak()", "phi.function"),
        ("SELECT sleep(1)", "phi.function"),
        ("SELECT @@warning_count", "phi.function"),
        ("SELECT @@version", "plain"),
        ("SELECT last_insert_id()", "plain"),
        ("SELECT last_insert_id(id) FROM patients", "phi.function"),
        ("SELECT ward FROM keyed_by_name", "phi.predicate"),
        ("SELECT visits FROM unkeyed", "phi.predicate"),
        ("SELECT ward FROM parted", "phi.predicate"),
        ("SELECT id FROM searched WHERE match(body) AGAINST ('x')", "phi.predicate"),
        ("SELECT id FROM v_filtered", "phi.predicate"),
        ("SELECT id FROM v_sorted", "phi.predicate"),
        ("SELECT table_name, table_rows FROM information_schema.tables", "- CATALOGUE"),
        ("SELECT table_name FROM information_schema.tables ORDER BY table_rows", "phi.predicate"),
        ("SELECT * FROM information_schema.innodb_metrics", "phi.unresolved"),
        ("SELECT * FROM mysql.user", "phi.unresolved"),
        ("SELECT * FROM hoopgate_scratch.x", "phi.unresolved"),
        ("SHOW COLUMNS FROM patients", "- - - - CATALOGUE -"),
        ("EXPLAIN SELECT * FROM codes", "plain"),
        ("EXPLAIN SELECT id FROM patients", "phi.explain"),
        ("SELECT count (*) FROM patients", "phi.unresolved"),
        ("SELECT nothing FROM patients", "phi.unresolved"),
    ],
)
def test_queries(mysql_world: World, text: str, outcome: str) -> None:
    assert mysql_world.outcome(text) == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("UPDATE patients SET weight = weight + 1 WHERE id = 1", "plain"),
        ("UPDATE patients SET name = 'x' WHERE id = 1", "plain"),
        ("UPDATE patients SET ssn = 'x' WHERE id = 1", "phi.predicate"),
        ("UPDATE patients SET sex = 'x' WHERE name = 'y'", "phi.predicate"),
        ("UPDATE patients SET sex = left(name, 1) WHERE id = 1", "phi.function"),
        ("UPDATE patients SET email = name WHERE id = 1", "phi.write"),
        ("UPDATE patients SET dob = zip WHERE id = 1", "phi.write"),  # it would come as a date does
        ("UPDATE patients SET weight = 1 WHERE id > 3 LIMIT 2", "phi.predicate"),
        ("UPDATE IGNORE patients SET weight = 1 WHERE id = 3", "phi.unresolved"),
        ("UPDATE account SET balance = 5 WHERE id = 1", "phi.predicate"),
        ("UPDATE account SET mrn = 'x' WHERE id = 1", "phi.unresolved"),
        ("DELETE FROM account WHERE id = 1", "phi.unresolved"),
        ("UPDATE triggered SET plain = 'x' WHERE id = 1", "phi.function"),
        ("UPDATE v_public SET dept = 'x' WHERE id = 1", "plain"),
        ("UPDATE v_pat SET s = 'x' WHERE id = 1", "phi.predicate"),
        ("UPDATE v_filtered SET sex = 'x' WHERE id = 1", "phi.predicate"),
        ("UPDATE v_wide SET dept = 'x' WHERE id = 1", "phi.unresolved"),
        ("UPDATE patients, encounters SET dept = name", "phi.unresolved"),
        ("DELETE FROM encounters WHERE id = 1", "plain"),
        ("DELETE FROM encounters WHERE note = 'x'", "phi.predicate"),
        ("DELETE FROM encounters WHERE id = 1 RETURNING id", "phi.predicate"),
        ("DELETE FROM codes WHERE dx = 'x' RETURNING dx, descr", "plain"),
        ("INSERT INTO patients(id, sex) VALUES (?, ?)", "plain"),
        ("INSERT INTO patients(id, name) VALUES (900, 'x')", "plain"),
        ("INSERT INTO patients(id, ssn) VALUES (900, 'x')", "phi.predicate"),
        (
            "INSERT INTO patients VALUES (900, 'x', 'y', NULL, 'm', 'e', 'F', 'z', '{}', 1)",
            "phi.predicate",
        ),
        ("INSERT INTO encounters(id, note) SELECT 900, 'x'", "plain"),
        ("INSERT INTO staging(t) SELECT name FROM patients", "phi.write"),
        ("INSERT INTO staging(t) SELECT upper(name) FROM patients", "phi.function"),
        ("INSERT INTO staging(t) VALUES ('x') RETURNING id", "plain"),
        ("INSERT INTO encounters(id, note) VALUES (900, 'x') RETURNING note", "NOTE"),
        (
            "INSERT INTO codes VALUES ('x', 'y') ON DUPLICATE KEY UPDATE descr = VALUES(descr)",
            "plain",
        ),
        ("INSERT INTO patients(id) VALUES (1) ON DUPLICATE KEY UPDATE sex = name", "phi.predicate"),
        (
            "INSERT INTO codes SELECT dx, note FROM encounters ON DUPLICATE KEY UPDATE descr = 'x'",
            "phi.unresolved",
        ),
        ("REPLACE INTO codes VALUES ('x', 'y')", "plain"),
        ("REPLACE INTO patients(id) VALUES (1)", "phi.predicate"),
        ("INSERT INTO mysql.user SELECT 1", "phi.unresolved"),
        ("REPLACE INTO encounters(id, note) VALUES (1, 'x')", "phi.predicate"),
        (
            "INSERT INTO encounters(id) VALUES (1) ON DUPLICATE KEY UPDATE note = 'x'",
            "phi.predicate",
        ),
        ("UPDATE touched SET who = 'x' WHERE id = 1", "phi.predicate"),
        ("UPDATE touched SET who = 'x', changed = now() WHERE id = 1", "plain"),
    ],
)
def test_modifications(mysql_world: World, text: str, outcome: str) -> None:
    assert mysql_world.outcome(text) == outcome


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("SELECT dx FROM codes", "SELECT dx FROM codes"),
        ("SELECT id FROM patients", "SELECT id FROM patients IGNORE INDEX (`ssn`, `by_sex`)"),
        (
            "SELECT 1 FROM patients p, patients AS q WHERE p.id = q.id",
            "SELECT 1 FROM patients p IGNORE INDEX (`ssn`, `by_sex`),"
            " patients AS q IGNORE INDEX (`ssn`, `by_sex`) WHERE p.id = q.id",
        ),
        (
            "SELECT id, (SELECT 2 FROM patients LIMIT 1) FROM codes, v_public",
            "SELECT id, (SELECT 2 FROM patients IGNORE INDEX (`ssn`, `by_sex`) LIMIT 1)"
            " AS `(SELECT 2 FROM patients LIMIT 1)` FROM codes,"
            " (select `phi`.`encounters`.`id` AS `id`,`phi`.`encounters`.`dept` AS `dept`"
            " from `phi`.`encounters` IGNORE INDEX (`by_dept`)) AS `v_public`",
        ),
        (
            "WITH patients AS (SELECT 1 AS id) SELECT id FROM patients",
            "WITH patients AS (SELECT 1 AS id) SELECT id FROM patients",
        ),
    ],
)
def test_no_index_with_a_secret_in_it_is_read(mysql_world: World, text: str, sent: str) -> None:
    assert sorted(mysql_world.sent(text)) == sorted(sent)  # the order of indexes is the server's
    mysql_world.side.connection._connection.select_db("phi")
    with mysql_world.server.connect("phi") as connection, connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + mysql_world.sent(text))
        keys = {row[5] for row in cursor.fetchall()}
    assert not keys & {"ssn", "by_sex", "by_dept"}


def test_edits_hold_for_other_literals(mysql_world: World) -> None:
    first = mysql_world.resolve("SELECT id FROM patients WHERE weight = 1")
    again = mysql_world.cached("SELECT id  FROM patients /* x */ WHERE weight = 222")
    assert again is first
    assert again.edits


def test_labels_that_change_change_what_is_sent(mysql_world: World) -> None:
    text = "SELECT descr FROM codes WHERE dx > 'a'"
    assert not mysql_world.resolve(text).edits
    assert mysql_world.cached(text) is not None
    mysql_world.labels_changed += 1
    assert mysql_world.cached(text) is None


def test_a_function_of_users_is_none_of_the_list(mysql_world: World) -> None:
    """One that the other dialect has, and this server's database, too."""
    body = "RETURNS text READS SQL DATA RETURN (SELECT name FROM patients WHERE id = 1)"
    mysql_world.server.sql(f"CREATE FUNCTION uuid_to_bin(x text) {body}", database="phi")
    try:
        assert mysql_world.outcome("SELECT uuid_to_bin('x')") == "phi.function"
        assert mysql_world.outcome("SELECT uuid_to_bin(dx) FROM codes") == "phi.function"
    finally:
        mysql_world.server.sql("DROP FUNCTION uuid_to_bin", database="phi")


def test_a_resolution_names_what_it_rests_on(mysql_world: World) -> None:
    found = mysql_world.resolve("SELECT upper(n) FROM v_pat v JOIN codes ON dx = v.s")
    name = ColumnRef("phi", "patients", "name")
    ssn = ColumnRef("phi", "patients", "ssn")
    assert found.relations == {"phi.v_pat", "phi.patients", "phi.codes"}
    assert found.columns is not None
    assert name in found.columns[0].sources
    assert ssn in {replace(one, against="") for one in found.influences}
    assert name in found.flows["ucase"]
    assert ColumnRef("phi", "codes", "descr") in found.present


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("ALTER TABLE codes ADD COLUMN x int", "ALTER TABLE codes DROP COLUMN x"),
        (
            "CREATE OR REPLACE VIEW v_public AS SELECT id, note AS dept FROM encounters",
            "CREATE OR REPLACE VIEW v_public AS SELECT id, dept FROM encounters",
        ),
        ("CREATE INDEX x ON codes (descr)", "DROP INDEX x ON codes"),
        (
            "CREATE TRIGGER tr BEFORE UPDATE ON staging FOR EACH ROW SET NEW.t = 'x'",
            "DROP TRIGGER tr",
        ),
        ("RENAME TABLE codes TO other", "RENAME TABLE other TO codes"),
    ],
)
def test_a_change_of_the_schema_is_seen(mysql_world: World, change: str, back: str) -> None:
    texts = [
        "SELECT dx FROM codes WHERE descr = 'x'",
        "SELECT dept FROM v_public",
        "UPDATE staging SET t = 'x' WHERE id = 1",
    ]
    for text in texts:
        mysql_world.resolve(text)
    mysql_world.confirm()
    generation = mysql_world.resolver.generation
    mysql_world.confirm()
    assert mysql_world.resolver.generation == generation
    mysql_world.server.sql(change, database="phi")
    try:
        mysql_world.confirm()
    finally:
        mysql_world.server.sql(back, database="phi")
    assert mysql_world.resolver.generation == generation + 1
    assert all(mysql_world.cached(text) is None for text in texts)


def test_rows_that_come_change_nothing(mysql_world: World) -> None:
    mysql_world.resolve("SELECT t FROM staging")
    mysql_world.confirm()
    generation = mysql_world.resolver.generation
    mysql_world.server.sql("INSERT INTO staging(t) VALUES ('x')", database="phi")
    mysql_world.confirm()
    assert mysql_world.resolver.generation == generation


def test_nothing_is_left_in_the_scratch_schema(mysql_world: World) -> None:
    mysql_world.resolve("SELECT id FROM v_wide")
    with pytest.raises(UnresolvableStatement):
        mysql_world.resolve("SELECT missing FROM v_wide")
    left = mysql_world.server.sql(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'hoopgate_scratch'"
    )
    assert left == [(0,)]


def test_without_a_scratch_schema_nothing_is_resolved(mysql_world: World) -> None:
    mysql_world.server.sql("RENAME TABLE phi.staging TO phi.staging2")
    try:
        with pytest.raises(Refused):
            mysql_world.resolve("SELECT id FROM staging WHERE id = 77")
    finally:
        mysql_world.server.sql("RENAME TABLE phi.staging2 TO phi.staging")
