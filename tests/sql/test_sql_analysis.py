"""Facts of statements: the classes and flags that rules match, and texts made to hide them."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.sql.analysis import analyze
from hoopgate.sql.classes import CLASSES, FLAGS
from hoopgate.sql.shape import scan, shape

CASES = [
    ("SELECT 1", "read", "no_limit"),
    ("TABLE t", "read", "no_limit unfiltered bulk"),
    ("VALUES (1)", "read", "no_limit"),
    ("SELECT a FROM t WHERE b > 1 LIMIT 5", "read", ""),
    ("SELECT count(*) FROM t", "read", "no_limit unfiltered"),
    ("SELECT * FROM t FOR UPDATE", "read", "no_limit unfiltered bulk locking"),
    ("SELECT * INTO x FROM t", "read ddl", "into no_limit unfiltered bulk"),
    ("TRUNCATE t", "truncate", ""),
    ("/*x*/DELETE FROM t", "delete", "no_where"),
    ("delete from t where true", "delete", "trivial_where"),
    ("DELETE FROM t WHERE 1=1", "delete", "trivial_where"),
    ("DELETE FROM t WHERE id=id", "delete", "trivial_where"),
    ("DELETE FROM t WHERE NOT false", "delete", "trivial_where"),
    ("DELETE FROM t WHERE id = 1 OR true", "delete", "trivial_where"),
    ("DELETE FROM t WHERE id IS NULL OR id IS NOT NULL", "delete", "trivial_where"),
    ("DELETE FROM t WHERE a LIKE '%%'", "delete", "trivial_where"),
    ("DELETE FROM t WHERE id IN (1, id)", "delete", "trivial_where"),
    ("DELETE FROM t WHERE (1=1) IS TRUE", "delete", "trivial_where"),
    ("DELETE FROM t WHERE now() > '2000-01-01'", "delete", "trivial_where"),
    ("DELETE FROM t WHERE $1", "delete", "trivial_where parameters"),
    ("DELETE FROM t WHERE id = $1", "delete", "parameters"),
    ("DELETE FROM t USING u WHERE t.i = u.i RETURNING *", "delete read", ""),
    ("UPDATE t SET a = 1", "update", "no_where"),
    ("UPDATE t SET a = 1 WHERE id = 2", "update", ""),
    ("UPDATE t SET a = u.a FROM u WHERE t.i = u.i", "update read", ""),
    ("INSERT INTO t VALUES (1)", "insert", ""),
    ("INSERT INTO t VALUES ((SELECT 1))", "insert read", ""),
    ("INSERT INTO t SELECT * FROM u", "insert read", ""),
    ("INSERT INTO t DEFAULT VALUES", "insert", ""),
    ("INSERT INTO t VALUES (1) RETURNING a", "insert read", ""),
    ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "read delete", "no_where"),
    ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "insert read", ""),
    ("MERGE INTO a USING b ON a.i=b.i WHEN MATCHED THEN DELETE", "merge delete read", ""),
    ("EXPLAIN DELETE FROM t", "explain", ""),
    ("EXPLAIN ANALYZE DELETE FROM t", "explain delete", "explain_analyze no_where"),
    ("EXPLAIN (ANALYZE off) DELETE FROM t", "explain", ""),
    ("EXPLAIN (VERBOSE, ANALYZE 1) SELECT 1", "explain read", "explain_analyze"),
    ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "explain ddl read", "explain_analyze"),
    ("EXPLAIN ANALYZE EXECUTE q", "explain execute", "explain_analyze"),
    ("DO $$ BEGIN END $$", "do", ""),
    ("CALL p(1)", "call", ""),
    ("CALL p((SELECT 1))", "call read", "argument_expression"),
    ("CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u", "ddl delete", "no_where"),
    ("CREATE TABLE x()", "ddl", ""),
    ("CREATE TEMP TABLE x()", "ddl", "temporary"),
    ("CREATE TABLE pg_temp.x()", "ddl", "temporary"),
    ("CREATE TEMP TABLE x AS SELECT 1", "ddl read", "temporary into"),
    ("CREATE TEMP VIEW x AS SELECT 1", "ddl read", "temporary"),
    ("SELECT 1 INTO TEMP x", "ddl read", "temporary into"),
    ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'select 1'", "ddl", "temporary"),
    ("ALTER TABLE t SET SCHEMA pg_temp", "ddl", "temporary moves_columns"),
    ("DROP TABLE t", "ddl", ""),
    ("ALTER TABLE t RENAME a TO b", "ddl", "moves_columns"),
    ("ALTER TABLE t RENAME TO u", "ddl", "moves_columns"),
    ("ALTER INDEX t RENAME TO u", "ddl", "moves_columns"),
    ("ALTER SCHEMA s RENAME TO r", "ddl", "moves_columns"),
    ("ALTER TABLE t SET SCHEMA s", "ddl", "moves_columns"),
    ("ALTER TABLE t NO INHERIT u", "ddl", "moves_columns"),
    ("ALTER TABLE t DETACH PARTITION u", "ddl", "moves_columns"),
    ("ALTER FUNCTION f(int) RENAME TO g", "ddl", ""),
    ("ALTER VIEW v RENAME TO w", "ddl", ""),
    ("ALTER VIEW v RENAME a TO b", "ddl", "moves_columns"),
    ("ALTER TABLE t RENAME CONSTRAINT c TO d", "ddl", ""),
    ("ALTER TABLE t ADD a int DEFAULT 5 NOT NULL, DROP b, OWNER TO c", "ddl", ""),
    ("ALTER TABLE t ADD a int CHECK (b > 5)", "ddl", "stored_rows"),
    ("ALTER TABLE t ADD a int GENERATED ALWAYS AS (b / c) STORED", "ddl", "stored_rows"),
    ("ALTER TABLE t ADD CHECK (b > 5) NOT VALID", "ddl", ""),
    ("ALTER TABLE t ADD CHECK (b > 5)", "ddl", "stored_rows"),
    ("ALTER TABLE t ADD UNIQUE (b)", "ddl", "stored_rows"),
    ("ALTER TABLE t VALIDATE CONSTRAINT c", "ddl", "stored_rows"),
    ("ALTER TABLE t DROP b, ALTER c SET NOT NULL", "ddl", "stored_rows"),
    ("ALTER TABLE t ALTER b TYPE int USING b::int", "ddl", "stored_rows"),
    ("ALTER TYPE t ALTER ATTRIBUTE b TYPE int CASCADE", "ddl", "stored_rows"),
    ("ALTER TABLE t ATTACH PARTITION u DEFAULT", "ddl", "stored_rows"),
    ("CREATE INDEX ON t (a)", "ddl", "stored_rows"),
    ("CREATE TABLE u PARTITION OF t FOR VALUES IN (1)", "ddl", "stored_rows"),
    ("CREATE TABLE u (a int PRIMARY KEY, b int REFERENCES t)", "ddl", ""),
    ("ALTER DOMAIN d ADD CHECK (value > 1)", "ddl", "stored_rows"),
    ("ALTER DOMAIN d SET NOT NULL", "ddl", "stored_rows"),
    ("ALTER DOMAIN d DROP NOT NULL", "ddl", ""),
    ("REFRESH MATERIALIZED VIEW v", "ddl", "stored_rows"),
    ("COMMENT ON TABLE t IS 'x'", "ddl", ""),
    ("CREATE EXTENSION dblink", "ddl", ""),
    ("REFRESH MATERIALIZED VIEW v", "ddl", ""),
    ("GRANT SELECT ON t TO u", "grant", ""),
    ("ALTER ROLE u SUPERUSER", "grant", ""),
    ("COPY t TO STDOUT", "copy.to read", "copy_to bulk"),
    ("COPY (SELECT a FROM t WHERE i = 1) TO STDOUT", "copy.to read", "copy_to no_limit"),
    ("COPY t FROM STDIN", "copy.from", "copy_from"),
    ("COPY t TO '/tmp/x'", "copy.to copy.file read", "copy_to"),
    ("COPY t FROM PROGRAM 'id'", "copy.from copy.program", "copy_from"),
    ("BEGIN", "transaction", ""),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "transaction", "serializable"),
    ("BEGIN READ ONLY, ISOLATION LEVEL SERIALIZABLE", "transaction", "serializable"),
    ("START TRANSACTION ISOLATION LEVEL REPEATABLE READ", "transaction", ""),
    ("SET default_transaction_isolation = 'Serializable'", "session", "serializable"),
    ("RESET default_transaction_isolation", "session", ""),
    ("CLUSTER t USING i", "maintenance", "stored_rows"),
    ("CREATE STATISTICS s ON a, (1 / b) FROM t", "ddl", "stored_rows"),
    ("CREATE STATISTICS s ON a, b FROM t", "ddl", ""),
    ("CREATE OR REPLACE VIEW v AS SELECT 1", "ddl read", "moves_columns"),
    ("ALTER TABLE t ALTER a DROP EXPRESSION", "ddl", "moves_columns"),
    ("FETCH 3 FROM c", "fetch", ""),
    ("FETCH RELATIVE 2 FROM c", "fetch", ""),
    ("FETCH -1 FROM c", "fetch", "backward"),
    ("FETCH 0 FROM c", "fetch", "backward"),
    ("MOVE FIRST IN c", "fetch", "backward"),
    ("SET TRANSACTION SNAPSHOT 'x'", "transaction", "unlisted_setting"),
    ("PREPARE TRANSACTION 'x'", "two_phase", ""),
    ("ROLLBACK PREPARED 'x'", "two_phase", ""),
    ("SET ROLE x", "role", ""),
    ("SET SESSION AUTHORIZATION x", "role", ""),
    ("SET LOCAL role = 'x'", "role", ""),
    ('SET "role" TO x', "role", ""),
    ("RESET ROLE", "role", ""),
    ("SET timezone = 'UTC'", "session", ""),
    ("SET search_path = x", "session", "unlisted_setting"),
    ("SET work_mem = '1GB'", "session", "planner_setting"),
    ("SET LOCAL enable_seqscan TO off", "session", "planner_setting"),
    ("RESET work_mem", "session", ""),
    ("SET client_min_messages = warning", "session", ""),
    ("SET client_min_messages = debug5", "session", "unlisted_setting"),
    ("ALTER ROLE agent SET enable_seqscan = off", "grant", "planner_setting"),
    ("ALTER ROLE a IN DATABASE b SET search_path = x", "grant", "unlisted_setting"),
    ("ALTER DATABASE b SET default_transaction_isolation = serializable", "ddl", "serializable"),
    ("SET client_encoding = 'SJIS'", "session", "unlisted_setting"),
    ("SET NAMES 'UTF8'", "session", ""),
    ("SET standard_conforming_strings = off", "session", "unlisted_setting"),
    ("RESET ALL", "session", ""),
    ("DISCARD ALL", "session", ""),
    ("SHOW server_version", "show", ""),
    ("LOCK TABLE t", "lock", ""),
    ("VACUUM t", "maintenance", ""),
    ("ALTER SYSTEM SET x = 1", "maintenance", ""),
    ("LOAD 'x'", "maintenance", ""),
    ("CREATE PUBLICATION p FOR ALL TABLES", "replication", ""),
    ("LISTEN x", "notify", ""),
    ("NOTIFY x, 'y'", "notify", ""),
    ("SELECT pg_read_file('x')", "read", "file_function"),
    ("SELECT pg_catalog.lo_import('x')", "read", "file_function"),
    ("SELECT query_to_xml('select 1', true, true, '')", "read", "code_string_function"),
    ("SELECT set_config('role', 'x', false)", "read", "state_function"),
    ("SELECT set_config('jit', 'off', false)", "read", "setting_function"),
    ("SELECT pg_catalog.set_config('JIT', $1, true)", "read", "setting_function parameters"),
    ("SELECT set_config('search_path', 'x', false)", "read", "state_function"),
    ("SELECT set_config($1, $2, false)", "read", "state_function parameters"),
    ("SELECT set_config('jit', a, false) FROM t WHERE a = 'x'", "read", "state_function"),
    ("SELECT x.set_config('jit', 'off', false)", "read", "state_function"),
    ("SELECT pg_advisory_lock(1)", "read", "state_function"),
    ("SELECT pg_advisory_unlock_all()", "read", ""),
    ("UNLISTEN *", "session", ""),
    ("SELECT pg_terminate_backend(1)", "read", "superuser_function"),
    ("EXECUTE q(1, 'x'::text)", "execute", ""),
    ("EXECUTE q(now())", "execute", "argument_expression"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor read", "scrolls_by_plan with_hold"),
    ("DECLARE c NO SCROLL CURSOR FOR SELECT 1", "cursor read", ""),
]


@pytest.mark.parametrize(("sql", "classes", "flags"), CASES)
def test_classes_and_flags(sql: str, classes: str, flags: str) -> None:
    (facts,) = analyze(sql)
    assert facts.classes == frozenset(classes.split())
    assert facts.flags >= frozenset(flags.split())
    assert not (facts.flags ^ frozenset(flags.split())) & {
        "no_where", "trivial_where", "temporary", "bulk", "into", "explain_analyze",
        "unlisted_setting", "argument_expression",
    } - ({"bulk"} if "copy" in classes or "WITH x" in sql else set())  # fmt: skip
    assert facts.classes <= CLASSES.keys()
    assert facts.flags <= FLAGS.keys()


def test_a_second_statement_does_not_hide_behind_the_first() -> None:
    first, second = analyze("SELECT 1; DROP TABLE patients")
    assert first.classes == {"read", "multi"}
    assert second.classes == {"ddl", "multi"}
    assert "multi_mixed" in first.flags & second.flags
    assert (first.text, second.text) == ("SELECT 1", "DROP TABLE patients")
    assert "multi_mixed" not in analyze("BEGIN; SELECT 1; COMMIT")[1].flags
    release = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"  # asyncpg
    assert not any(one.flags & {"multi_mixed", "state_function"} for one in analyze(release))
    assert [one.text for one in analyze("SELECT 'a;b'; ; SELECT $$;$$ -- ;\n")] == [
        "SELECT 'a;b'",
        "SELECT $$;$$",
    ]


@pytest.mark.parametrize(
    ("sql", "kind", "name", "inner"),
    [
        ("PREPARE q(int, varchar(3)[]) AS SELECT $1", "prepare", "q", "SELECT $1"),
        ("prepare prepare as /* x */ select 1 -- y", "prepare", "prepare", "select 1"),
        ('PREPARE "as" AS SELECT 1', "prepare", "as", "SELECT 1"),
        ("DECLARE cursor CURSOR FOR SELECT 'for'", "declare", "cursor", "SELECT 'for'"),
        ("DECLARE c SCROLL CURSOR WITH HOLD FOR VALUES (1)", "declare", "c", "VALUES (1)"),
        ("COPY (SELECT (1), ')' FROM t) TO STDOUT", "", "", "SELECT (1), ')' FROM t"),
        ("EXPLAIN (COSTS off) SELECT 1", "", "", "SELECT 1"),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", "", "", "SELECT 1"),
        ("CREATE TABLE x (a) AS SELECT 1 WITH NO DATA", "", "", "SELECT 1"),
        ("CREATE VIEW v (a) AS SELECT 1 WITH LOCAL CHECK OPTION", "", "", "SELECT 1"),
        ("EXECUTE q", "execute", "q", None),
        ("DEALLOCATE ALL", "deallocate", "", None),
        ("DEALLOCATE PREPARE q", "deallocate", "q", None),
        ("CLOSE ALL", "close", "", None),
        ("CLOSE c", "close", "c", None),
        ("FETCH ALL FROM c", "fetch", "c", None),
        ("MOVE 5 IN c", "fetch", "c", None),
        ("DISCARD ALL", "discard", "", None),
        ("DISCARD PLANS", "", "plans", None),
    ],
)
def test_names_and_inner_queries(sql: str, kind: str, name: str, inner: str | None) -> None:
    (facts,) = analyze(sql)
    assert (facts.kind, facts.name, facts.inner) == (kind, name, inner)


def test_copy_says_what_it_copies() -> None:
    (facts,) = analyze('COPY "S.x"."T"(a, "B") TO STDOUT (FORMAT csv, NULL \'-\', HEADER)')
    assert facts.relations == ('"S.x".T',)
    assert facts.copy_columns == ("a", "B")
    assert facts.copy_options == {"format": "csv", "null": "-", "header": "true"}
    assert analyze("COPY t TO STDOUT BINARY")[0].copy_options == {"format": "binary"}


def test_relations_leave_out_common_table_expressions() -> None:
    (facts,) = analyze('WITH x AS (SELECT * FROM a.t) SELECT * FROM x, b.x, U&"\\0075", f(1)')
    assert set(facts.relations) == {"a.t", "b.x", "u"}
    assert facts.functions == ("f",)


def test_nothing_is_no_statement() -> None:
    assert analyze("") == analyze(" ;; -- x\n/* y */") == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELEC 1", "parse.syntax"),
        ("SELECT 'x", "parse.syntax"),
        ("SELECT 1 \0; DROP TABLE x", "parse.syntax"),
        ("SELECT '\ud800'", "parse.syntax"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "parse.size"),
        ("SELECT 1 " + " " * 2**20, "parse.size"),
        ("SELECT " + "1," * 150_000 + "1", "parse.size"),
        (";".join(["SELECT 1"] * 1001), "parse.size"),
        ("START_REPLICATION SLOT x LOGICAL 0/0", "parse.syntax"),
    ],
)
def test_what_cannot_be_judged_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        analyze(text)
    assert refused.value.code == code
    assert "DROP" not in str(refused.value)


WORDS = st.sampled_from(
    "SELECT INSERT UPDATE DELETE FROM INTO WHERE VALUES SET WITH AS ( ) , ; * = 1 'x' $1 t a.b id "
    "PREPARE EXECUTE DECLARE CURSOR FOR COPY TO STDOUT EXPLAIN ANALYZE CREATE TABLE VIEW TEMP "
    'RETURNING UNION ALL NOT AND OR NULL IS LIKE IN CASE WHEN THEN END ROLE RESET -- /* */ $$ " '
    "MERGE USING ON MATCHED DO CALL f() FETCH CLOSE".split(" ")
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=16).map(" ".join)))
def test_any_text_is_judged_or_refused(text: str) -> None:
    try:
        found = analyze(text)
    except Refused as refused:
        assert refused.code.startswith("parse.")
        return
    for facts in found:
        assert facts.classes
        assert facts.classes <= CLASSES.keys()
        assert facts.flags <= FLAGS.keys()


def _shape(sql: str) -> str:
    source = sql.encode()
    return shape(source, scan(source, sql))


def test_shapes_leave_out_only_what_means_nothing() -> None:
    same = [
        "SELECT a FROM t WHERE id = 1 AND b = 'x'",
        "SELECT a FROM t /* */ WHERE id=22 AND b='y'",
    ]
    assert len({_shape(sql) for sql in same}) == 1
    # psql sends the semicolon: the pool must find what it learned without it, and with it.
    assert {_shape(f"{sql};") for sql in same} == {analyze(f"{same[0]};")[0].fingerprint}
    different = [
        "SELECT a FROM t ORDER BY 1",
        "SELECT a FROM t ORDER BY 2",
        "SELECT a FROM t WHERE id = 1",
        "SELECT a FROM t WHERE id = 3000000000",
        "SELECT a FROM t WHERE id = 99999999999999999999",
        "SELECT a FROM t WHERE id = '1'",
        "SELECT a FROM t WHERE id = 1.0",
        "SELECT a FROM t WHERE id = -1",
        "SELECT a FROM t WHERE id LIKE '%'",
        "SELECT a FROM t WHERE id LIKE 'x'",
        "SELECT a FROM t WHERE id LIKE ('%')",
        "SELECT a FROM t WHERE id LIKE ('x')",
        "SELECT a \"x\" FROM t WHERE id LIKE 'x'",
        "SELECT a \"X\" FROM t WHERE id LIKE 'x'",
        "SELECT f(1)",
        "SELECT f(2)",
        "SELECT U&\"d!0061t\" UESCAPE '!'",
        "SELECT U&\"d!0061t\" UESCAPE '?'",
    ]
    assert len({_shape(sql) for sql in different}) == len(different)
    assert _shape("PREPARE q AS SELECT 1") == _shape("SET x = 1") == ""


@given(
    st.sampled_from([sql for sql, _, _ in CASES]),
    st.sampled_from(["'secret'", "'%'", "1", "7", "'a''b'"]),
)
def test_one_shape_has_one_set_of_facts(sql: str, literal: str) -> None:
    """The pool gives what it knows of a shape for every text of that shape."""
    changed = sql.replace("1", literal) if literal.isdigit() else sql.replace("'%%'", literal)
    try:
        (one,), (other,) = analyze(sql), analyze(changed)
    except (Refused, ValueError):
        return
    if one.fingerprint == other.fingerprint:
        assert (one.classes, one.flags, one.relations) == (
            other.classes,
            other.flags,
            other.relations,
        )


@pytest.mark.parametrize(
    ("harmless", "harmful"),
    [
        ("SELECT set_config('jit', 'off', false)", "SELECT set_config('role', 'x', false)"),
        (
            "SELECT pg_catalog.set_config('jit', 'off', false)",
            "SELECT pg_catalog.set_config('search_path', 'x', false)",
        ),
        ("DELETE FROM t WHERE a || 'x' = a || 'y'", "DELETE FROM t WHERE a || 'x' = a || 'x'"),
        ("DELETE FROM t WHERE (a > 1) = (a > 2)", "DELETE FROM t WHERE (a > 1) = (a > 1)"),
        ("DELETE FROM t WHERE a LIKE ('x%')", "DELETE FROM t WHERE a LIKE ('%')"),
        ("SELECT a FROM t WHERE a LIKE (('x%'))", "SELECT a FROM t WHERE a LIKE (('%'))"),
    ],
)
def test_a_harmless_statement_does_not_vouch_for_a_harmful_one(harmless: str, harmful: str) -> None:
    """What differs in a literal alone must not have one shape and two sets of facts."""
    (one,), (other,) = analyze(harmless), analyze(harmful)
    known = {"" if f.fingerprint.startswith("=") else f.fingerprint for f in (one, other)}
    assert known != {one.fingerprint} or one.flags == other.flags
