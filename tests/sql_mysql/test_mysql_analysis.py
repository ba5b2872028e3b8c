"""Facts of statements: classes, flags, what is refused before any rule is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from test_mysql_tokens import TEXTS

from hoopgate.errors import Refused
from hoopgate.sql import classes as known
from hoopgate.sql.mysql.analysis import analyze
from hoopgate.sql.mysql.attestation import Attestation, attest
from hoopgate.sql.mysql.catalogue import Relation
from hoopgate.sql.mysql.lineage import Missing, Texts, resolve
from hoopgate.sql.mysql.tokens import PARAMETER, scan


@given(TEXTS)
def test_any_text_has_facts_or_is_refused(text: str) -> None:
    try:
        facts = analyze(text)
    except Refused as refused:
        assert refused.code in ("parse.syntax", "parse.size", "parse.session")
        return
    assert len(facts) <= 1
    for one in facts:
        assert one.classes <= known.CLASSES.keys()
        assert one.flags <= known.FLAGS.keys()


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("SELECT 1", "read"),
        ("(SELECT 1) UNION (SELECT 2)", "read"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "read"),
        ("INSERT INTO t VALUES (1)", "insert"),
        ("INSERT INTO t SELECT 1", "insert read"),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", "insert update"),
        ("REPLACE INTO t VALUES (1)", "insert delete"),
        ("UPDATE t SET a = 1 WHERE b = 2", "update"),
        ("UPDATE t SET a = (SELECT 1) WHERE b = 2", "update read"),
        ("DELETE FROM t WHERE a = 1 RETURNING b", "delete read"),
        ("UPDATE t, u SET a = 1", "update unknown"),
        ("SELECT a INTO OUTFILE 'x' FROM t", "read unknown copy.file"),
        ("SELECT a INTO @v FROM t", "read unknown"),
        ("SELECT @a := 1", "read unknown"),
        ("TABLE t", "unknown"),
        ("HANDLER t OPEN", "unknown"),
        ("CALL p()", "call"),
        ("DO sleep(1)", "do"),
        ("PREPARE s FROM 'x'", "do"),
        ("EXECUTE IMMEDIATE 'x'", "do"),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "copy.file"),
        ("CREATE TABLE t (a int)", "ddl"),
        ("CREATE TABLE t SELECT 1", "ddl read"),
        ("CREATE FUNCTION f() RETURNS int RETURN 1", "ddl do"),
        ("CREATE USER u", "ddl grant"),
        ("TRUNCATE t", "truncate"),
        ("GRANT ALL ON *.* TO u", "grant"),
        ("LOCK TABLES t READ", "lock"),
        ("ANALYZE SELECT 1", "maintenance"),
        ("XA START 'a'", "two_phase"),
        ("START SLAVE", "replication"),
        ("START TRANSACTION READ ONLY", "transaction"),
        ("BEGIN", "transaction"),
        ("BEGIN NOT ATOMIC SELECT 1", "do unknown"),
        ("SET autocommit = 0", "session"),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "transaction"),
        ("SET ROLE r", "role session"),
        ("USE other", "session"),
        ("SHOW TABLES", "show"),
        ("SHOW WARNINGS", "show"),
        ("SHOW COUNT(*) WARNINGS", "show unknown"),
        ("SHOW CREATE TABLE t", "show"),
        ("SHOW CREATE TABLE `a.b`", "show unknown"),
        ("SHOW CREATE PROCEDURE p", "show unknown"),
        ("SHOW TABLE STATUS LIKE 't'", "show"),
        ("SHOW TABLE STATUS WHERE rows > 3", "show unknown"),
        ("SHOW TRIGGERS LIKE 't'", "show"),
        ("SHOW VARIABLES LIKE 'ndbinfo\\_version'", "show"),
        ("UNLOCK TABLES", "transaction"),
        ("SET SESSION character_set_results = 'binary'", "session"),
        ("SHOW VARIABLES LIKE 'version'", "show"),
        ("SHOW VARIABLES LIKE '%'", "show unknown"),
        ("SHOW VARIABLES LIKE 'character_set%'", "show"),
        ("SHOW VARIABLES LIKE '%character_set'", "show unknown"),
        ("SHOW VARIABLES WHERE variable_name = 'sql_mode' OR variable_name = 'version'", "show"),
        ("SHOW VARIABLES WHERE variable_name IN ('sql_mode', 'identity')", "show unknown"),
        ("SHOW VARIABLES WHERE variable_name <> 'version'", "show unknown"),
        ("SHOW VARIABLES WHERE variable_name = 'version' OR 1", "show unknown"),
        ("SHOW VARIABLES WHERE 'version' = variable_name OR value > 5", "show unknown"),
        ("SHOW SESSION STATUS LIKE 'Ssl_cipher'", "show"),
        ("SHOW STATUS LIKE 'Handler%'", "show unknown"),
        ("SHOW GLOBAL STATUS LIKE 'Uptime'", "show unknown"),
        ("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", "show"),
        ("SHOW TABLES FROM d WHERE `Tables_in_d` NOT LIKE 'x%'", "show"),
        ("SHOW INDEX FROM t WHERE Key_name = 'PRIMARY'", "show"),
        ("SHOW INDEX FROM t WHERE Cardinality > 4", "show unknown"),
        ("SHOW COLUMNS FROM t WHERE Field = 'a' AND `Default` = 'b'", "show unknown"),
        ("SHOW COLUMNS FROM t WHERE Field = (SELECT a FROM t)", "show unknown"),
        ("SHOW TABLES WHERE sleep(1)", "show unknown"),
        ("SHOW PROCEDURE STATUS WHERE Db = 'd'", "show"),
        ("SHOW FUNCTION STATUS LIKE 'x'", "show"),
        ("SHOW EVENTS FROM d", "show"),
        ("SHOW", "show unknown"),
        ("EXPLAIN SELECT 1", "explain"),
        ("DESCRIBE t", "show"),
        ("KILL 3", "maintenance"),
    ],
)
def test_classes(text: str, classes: str) -> None:
    (facts,) = analyze(text + ";")
    assert facts.classes == set(classes.split())


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("SELECT a FROM t", "no_limit unfiltered bulk"),
        ("SELECT a FROM t LIMIT 1", "unfiltered"),
        ("SELECT a FROM t WHERE b = 1", "no_limit"),
        ("SELECT a FROM t WHERE 1 = 1", "no_limit unfiltered bulk"),
        ("SELECT a FROM t WHERE t.a = a", "no_limit unfiltered bulk"),
        ("SELECT a FROM t WHERE a LIKE '%'", "no_limit unfiltered bulk"),
        ("SELECT a FROM t WHERE a = 1 OR true", "no_limit unfiltered bulk"),
        ("SELECT count(*) FROM t", "no_limit unfiltered"),
        ("SELECT a FROM t UNION ALL SELECT 1", "no_limit bulk"),
        ("SELECT a FROM t WHERE b = ? FOR UPDATE", "no_limit parameters locking"),
        ("UPDATE t SET a = 1", "no_where"),
        ("UPDATE t SET a = 1 WHERE 1", "trivial_where"),
        ("DELETE FROM t WHERE a IS NULL OR a = a", "trivial_where"),
        ("DELETE FROM t WHERE a = 1", ""),
        ("SELECT sleep(1)", "no_limit state_function"),
        ("SELECT load_file('x')", "no_limit file_function"),
        ("CREATE TEMPORARY TABLE t (a int)", "temporary"),
        ("CREATE TABLE t AS SELECT 1", "into"),
        ("ALTER TABLE t ADD UNIQUE (a)", "stored_rows"),
        ("CHECKSUM TABLE t", "stored_rows"),
        ("SET GLOBAL max_connections = 1", "unlisted_setting"),
        ("SET @a = 1", "unlisted_setting"),
        ("SET autocommit = (SELECT 1)", "unlisted_setting"),
        ("SET optimizer_switch = 'mrr=on'", "planner_setting"),
        ("SET autocommit = 1, @@session.time_zone = 'UTC'", ""),
        ("SET NAMES utf8mb4, @@session.sql_auto_is_null = 0, @@wait_timeout = 9", ""),
        ("SET NAMES utf8mb4, @a = 1", "unlisted_setting"),
        ("SET NAMES utf8mb4, NAMES gbk", "unlisted_setting"),
        ("SET autocommit=1, session_track_schema=1", ""),
        ("SET session_track_schema = 0", "unlisted_setting"),
        ("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), wait_timeout = 9", ""),
        ("SET SESSION sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))", ""),
    ],
)
def test_flags(text: str, flags: str) -> None:
    (facts,) = analyze(text)
    assert facts.flags == set(flags.split())


@pytest.mark.parametrize(
    "text",
    [
        "SET NAMES gbk",
        "SET NAMES DEFAULT",
        "SET NAMES utf8mb4 COLLATE gbk_bin",
        "SET character_set_client = sjis",
        "SET @@character_set_results := utf16",
        "SET CHARACTER SET latin1",
        "SET collation_connection = gbk_bin",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET sql_mode = ANSI",
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,no_backslash_escapes'",
        "SET autocommit = 1, sql_mode = PIPES_AS_CONCAT",
        "SET sql_mode = concat(@@sql_mode, ',ANSI_QUOTES')",
        "SET sql_mode = concat(@@sql_mode, ',ANSI_', 'QUOTES')",
        "SET sql_mode = concat(@@global.sql_mode, ',NO_ZERO_DATE')",
        "SET sql_mode = concat(@@sql_mode, @@version_comment)",
        "SET sql_mode = replace(@@sql_mode, 'NO_ZERO_DATE', 'ANSI')",
        "SET sql_mode = replace('ANSI', 'x', @@sql_mode)",
        "SET sql_mode = (SELECT a FROM t)",
        "SET NAMES utf8mb4, sql_mode = 'ANSI'",
        "SET sql_mode = DEFAULT",
        "SET LOCAL `sql_mode` = 'ORACLE'",
    ],
)
def test_what_would_change_how_texts_are_read_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        analyze(text)
    assert refused.value.code == "parse.session"


@pytest.mark.parametrize("text", ["SELECT 1; SELECT 2", "SELECT 1;;SELECT 2", "SELECT 'a\0'"])
def test_one_statement_in_a_request(text: str) -> None:
    with pytest.raises(Refused):
        analyze(text)


def test_nothing_is_no_statement() -> None:
    assert analyze(" ; -- x") == ()


@pytest.mark.parametrize("text", ["(" * 5000, "SELECT " + "(" * 5000 + "1" + ")" * 5000])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(Refused):
        analyze(text + "SELECT")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 22", True),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT  a FROM t /* c */ WHERE b = 'y'", True),
        ("INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (2, 'y')", True),
        ("SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2", False),
        ("SELECT 'x'", "SELECT 'y'", False),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = '1'", False),
        ("SELECT a FROM t WHERE b = 1 LIMIT 1", "SELECT a FROM t WHERE b = 1 LIMIT 2", False),
    ],
)
def test_fingerprints(one: str, other: str, *, same: bool) -> None:
    assert (analyze(one)[0].fingerprint == analyze(other)[0].fingerprint) is same


@given(TEXTS)
def test_any_text_is_asked_about_or_refused(text: str) -> None:
    try:
        asked = attest(text)
    except Refused:
        return
    for place in asked.places:
        assert place.start < place.named <= place.end
    for query in (asked.query, asked.effect, asked.returning):
        if query:
            assert PARAMETER not in {token.kind for token in scan(query)}
            attest(query)  # it is of the subset itself


@given(TEXTS)
def test_any_text_of_the_server_is_read_or_refused(text: str) -> None:
    catalogue = {("s", "t"): Relation("s", "t", {"id": "id", "ssn": "ssn"})}
    try:
        resolve(Attestation("read", text), Texts(text), [("c", 3)], catalogue, "s", mysql=True)
    except (Refused, Missing):
        pass


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        (
            "UPDATE t AS x SET a = ? + 1, b = 'y' WHERE c = ? ORDER BY d LIMIT 3",
            "SELECT `a`, `b`, (NULL + 1) FROM `t` AS `x` WHERE c = nullif(NULL,'hg?2') ORDER BY d",
        ),
        ("DELETE FROM s.t WHERE a IN (SELECT 1)", "SELECT 1 FROM `s`.`t` WHERE a IN (SELECT 1)"),
        ("INSERT INTO t VALUES (1, now())", "SELECT `t`.*, (now()) FROM `t`"),
        (
            "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(a) + 1",
            "SELECT `a`, `b`, (NULL + 1) FROM `t`",
        ),
        ("REPLACE INTO t SET a = @@version", "SELECT `a`, (NULL) FROM `t`"),
        ("INSERT INTO t (`a``b`) SELECT 1 LIMIT ?", "SELECT `a``b` FROM `t`"),
    ],
)
def test_what_is_asked_of_a_modification(text: str, effect: str) -> None:
    assert attest(text).effect == effect
