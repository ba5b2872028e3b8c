-- family: order
SELECT id FROM patients
SELECT id FROM patients LIMIT 3
SELECT id FROM v_pat
SELECT id FROM v_pat LIMIT 7
SELECT x.id FROM (SELECT id FROM patients) x
SELECT id, sex FROM patients
SELECT sex, id FROM patients WHERE sex = 'F'
SELECT id FROM patients WHERE sex > 'A'
SELECT max(id), min(id) FROM patients
SELECT group_concat(id) FROM patients
SELECT group_concat(id) FROM v_nested JOIN patients ON a = id
SELECT dept, id FROM encounters WHERE dept = 'ER'
SELECT id FROM encounters WHERE dept LIKE 'I%'
SELECT id FROM (SELECT id FROM patients UNION ALL SELECT id FROM patients) u
SELECT id FROM patients UNION SELECT id FROM v_pat
SELECT visits FROM unkeyed
SELECT ward FROM keyed_by_name
SELECT ward FROM keyed_by_name LIMIT 1
SELECT id FROM parted
SELECT ward, id FROM parted LIMIT 3
SELECT id FROM parted PARTITION (p0)
SELECT count(*) FROM parted PARTITION (p1)
SELECT id FROM v_sorted
SELECT id FROM v_filtered
SELECT count(*) FROM v_filtered
SELECT id FROM searched WHERE match(body) AGAINST ('fever')
SELECT id, match(body) AGAINST ('fever') FROM searched
SELECT id FROM searched
SELECT id FROM patients FORCE INDEX (ssn)
SELECT id FROM patients USE INDEX (by_sex) LIMIT 4
SELECT /*+ NO_BNL() */ id FROM patients
SELECT id FROM patients ORDER BY rand(1) LIMIT 2
SELECT e.id FROM patients p, encounters e WHERE p.id = e.patient_id LIMIT 5
SELECT STRAIGHT_JOIN e.id FROM patients p JOIN encounters e ON p.id = e.patient_id LIMIT 5
INSERT INTO staging(n) SELECT id FROM patients LIMIT 3 ;; SELECT n FROM staging
UPDATE patients SET weight = 1 LIMIT 3 ;; SELECT id FROM patients WHERE weight = 1 ORDER BY id
UPDATE patients SET weight = 1 WHERE sex = 'F' LIMIT 3 ;; SELECT id FROM patients WHERE weight = 1 ORDER BY id
DELETE FROM encounters WHERE dept = 'ER' LIMIT 2 RETURNING id
DELETE FROM encounters WHERE dept = 'ER' RETURNING id
-- family: writes
INSERT INTO patients(id, ssn) VALUES (9001, (SELECT s FROM v_pat WHERE id = 1))
INSERT INTO patients(id, ssn) VALUES (9001, '317-11-0007')
INSERT IGNORE INTO patients(id, ssn) VALUES (9001, '317-11-0007')
REPLACE INTO patients(id, ssn) VALUES (9001, '317-11-0007')
INSERT INTO patients(id, ssn) VALUES (9001, '317-11-0007') ON DUPLICATE KEY UPDATE weight = 1
INSERT INTO patients(id) VALUES (1) ON DUPLICATE KEY UPDATE sex = left(name, 1) ;; SELECT sex FROM patients WHERE id = 1
INSERT INTO account(id, mrn, pin, balance) VALUES (900, 'M7q', 1, 2)
UPDATE account SET balance = -99980 WHERE id = 3
UPDATE account SET balance = balance - 100000 + 5 WHERE id < 40
UPDATE account SET mrn = 'M14q' WHERE id = 3
DELETE FROM account WHERE mrn = 'M14q'
DELETE FROM account WHERE id = 3 ;; SELECT count(*) FROM ledger
UPDATE ledger SET mrn = 'M14q' WHERE id = 1
INSERT INTO ledger VALUES (800, 'M14q', 1)
UPDATE triggered SET plain = 'x' WHERE id = 1 ;; SELECT plain FROM triggered WHERE id = 1
UPDATE derived SET plain = doubled WHERE id = 1 ;; SELECT plain FROM derived WHERE id = 1
UPDATE derived SET plain = 5 WHERE doubled > 100
UPDATE derived SET pin = pin WHERE id = 1
UPDATE patients SET sex = 'F' WHERE name = 'Qanary31x'
UPDATE patients SET name = concat(ssn, name) WHERE id = 1
UPDATE patients SET notes = name WHERE id = 1
UPDATE patients SET weight = length(name) WHERE id = 1 ;; SELECT weight FROM patients WHERE id = 1
UPDATE patients SET weight = weight + 1 ORDER BY ssn LIMIT 1 ;; SELECT id FROM patients WHERE weight = id + 51
UPDATE v_pat SET id = id + 1000 WHERE s > '9'
UPDATE v_filtered SET sex = 'x' WHERE id < 20
DELETE FROM v_filtered WHERE id = 119
UPDATE patients p JOIN encounters e ON e.patient_id = p.id SET e.dept = left(p.name, 8)
DELETE p FROM encounters p JOIN patients q ON q.id = p.patient_id WHERE q.ssn < '3'
INSERT INTO codes SELECT 'zz2', ssn FROM patients WHERE id = 1 RETURNING descr
INSERT INTO codes VALUES ('zz3', 'x') RETURNING (SELECT name FROM patients WHERE id = 1)
DELETE FROM encounters WHERE id = 1 RETURNING note, upper(note), length(note)
DELETE FROM encounters WHERE id = 1 RETURNING note IS NULL, note < 'Q'
UPDATE touched SET who = 'Qanary1' WHERE id = 1 ;; SELECT changed > '2026-01-01' FROM touched ORDER BY id
UPDATE touched SET who = concat('Qanary', id) ;; SELECT count(*) FROM touched WHERE changed > '2026-01-01'
UPDATE touched SET who = 'Qanary1', changed = now() WHERE id = 1 ;; SELECT changed > '2026-01-01' FROM touched ORDER BY id
INSERT INTO encounters(id) VALUES (1) ON DUPLICATE KEY UPDATE note = 'Pt Qanary18 seen'
INSERT INTO touched(id, who) VALUES (1, 'Qanary1'), (2, 'Qanary2') ON DUPLICATE KEY UPDATE who = VALUES(who)
REPLACE INTO touched(id, who, changed) VALUES (1, 'Qanary1', '2000-01-01 00:00:01')
REPLACE INTO encounters VALUES (1, 2, '2024-01-01 01:00:00', 'ER', 'E1', 'Pt Qanary18 seen')
LOAD DATA INFILE '/etc/hostname' INTO TABLE codes
LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE codes
TRUNCATE encounters
-- family: schema
CREATE VIEW leaked AS SELECT ssn AS z FROM patients ;; SELECT z FROM leaked LIMIT 2
CREATE VIEW leaked AS SELECT id FROM patients WHERE ssn < '5' ;; SELECT count(*) FROM leaked
CREATE TABLE copied LIKE patients ;; INSERT INTO copied SELECT * FROM patients ;; SELECT * FROM copied LIMIT 2
ALTER TABLE patients RENAME COLUMN ssn TO free ;; SELECT free FROM patients LIMIT 2
ALTER TABLE patients ADD UNIQUE (name)
ALTER TABLE patients MODIFY zip int
ALTER TABLE patients ADD CHECK (ssn < '9')
ALTER TABLE encounters ADD COLUMN x varchar(40) AS (note) ;; SELECT x FROM encounters LIMIT 2
RENAME TABLE patients TO people ;; SELECT * FROM people LIMIT 2
CREATE UNIQUE INDEX u ON patients (name)
CREATE INDEX u ON patients (name, id) ;; SELECT id FROM patients LIMIT 5
CREATE PROCEDURE p() SELECT name FROM patients ;; CALL p()
CREATE FUNCTION f() RETURNS text RETURN (SELECT name FROM patients LIMIT 1) ;; SELECT f()
CREATE TRIGGER tr BEFORE INSERT ON codes FOR EACH ROW SET NEW.descr = (SELECT name FROM patients WHERE id = 1) ;; INSERT INTO codes VALUES ('q', 'q') ;; SELECT descr FROM codes WHERE dx = 'q'
CREATE EVENT ev ON SCHEDULE EVERY 1 SECOND DO INSERT INTO staging(t) SELECT name FROM patients LIMIT 1
CREATE TABLE q AS SELECT 1 ;; SELECT * FROM q
CREATE TABLE q (a int) SELECT id AS a FROM patients
CREATE TABLE q (a int) IGNORE SELECT length(name) AS a FROM patients ;; SELECT a FROM q LIMIT 3
CREATE TEMPORARY TABLE codes (dx varchar(40)) ;; SELECT * FROM codes
CREATE SEQUENCE sq ;; SELECT nextval(sq)
CALL show_all()
SELECT leak()
SELECT phi.leak()
SELECT same(name) FROM patients LIMIT 1
SELECT upper(same('x')), same(1)
-- family: catalogue
SELECT table_rows, avg_row_length, data_length, index_length FROM information_schema.tables WHERE table_schema = 'phi' AND table_name = 'patients'
SELECT * FROM information_schema.tables WHERE table_schema = 'phi' AND table_name = 'patients'
SELECT * FROM information_schema.statistics WHERE table_schema = 'phi' ORDER BY table_name, index_name, seq_in_index
SELECT cardinality FROM information_schema.statistics WHERE table_name = 'patients'
SELECT sum(cardinality) FROM information_schema.statistics WHERE table_name = 'patients'
SELECT table_name FROM information_schema.statistics WHERE cardinality > 50
SELECT table_name FROM information_schema.tables WHERE table_schema = 'phi' ORDER BY data_length, table_name
SELECT * FROM information_schema.partitions WHERE table_schema = 'phi'
SELECT table_rows FROM information_schema.partitions WHERE table_name = 'parted'
SELECT * FROM information_schema.processlist
SELECT info FROM information_schema.processlist
SELECT * FROM information_schema.innodb_metrics
SELECT * FROM information_schema.innodb_buffer_page
SELECT * FROM information_schema.innodb_tablespaces
SELECT * FROM information_schema.innodb_sys_tablestats
SELECT * FROM information_schema.session_status
SELECT * FROM information_schema.global_status WHERE variable_name LIKE 'handler%'
SELECT * FROM information_schema.optimizer_trace
SELECT * FROM information_schema.profiling
SELECT * FROM information_schema.routines
SELECT * FROM information_schema.triggers
SELECT * FROM information_schema.views WHERE table_schema = 'phi' ORDER BY table_name
SELECT * FROM information_schema.column_statistics
SELECT * FROM mysql.column_stats
SELECT * FROM mysql.innodb_table_stats
SELECT * FROM mysql.innodb_index_stats
SELECT * FROM mysql.table_stats
SELECT * FROM mysql.user
SELECT * FROM performance_schema.events_statements_history
SELECT * FROM sys.schema_table_statistics
SELECT * FROM hoopgate_scratch.x
SHOW TABLE STATUS
SHOW TABLE STATUS LIKE 'patients'
SHOW INDEX FROM patients
SHOW KEYS IN unkeyed
SHOW STATUS LIKE 'Handler%'
SHOW SESSION STATUS
SHOW GLOBAL STATUS LIKE 'Innodb_rows_read'
SHOW CREATE TABLE patients
SHOW CREATE VIEW v_pat
SHOW CREATE FUNCTION leak
SHOW PROCESSLIST
SHOW FULL PROCESSLIST
SHOW ENGINE INNODB STATUS
SHOW WARNINGS
SHOW ERRORS
SHOW COUNT(*) WARNINGS
SHOW PROFILES
SHOW GRANTS
SHOW TRIGGERS
SHOW EVENTS
SHOW OPEN TABLES
SHOW BINARY LOGS
SHOW BINLOG EVENTS
SHOW MASTER STATUS
SHOW VARIABLES
SHOW VARIABLES LIKE 'last_insert_id'
SHOW VARIABLES WHERE variable_name = 'warning_count'
SHOW COLUMNS FROM patients WHERE field = (SELECT name FROM patients LIMIT 1)
SHOW TABLES WHERE tables_in_phi < (SELECT name FROM patients WHERE id = 1)
ANALYZE TABLE patients PERSISTENT FOR ALL ;; SELECT * FROM mysql.column_stats
CHECKSUM TABLE patients
CHECK TABLE patients
OPTIMIZE TABLE patients
ANALYZE FORMAT=JSON SELECT id FROM patients WHERE ssn < '3'
EXPLAIN SELECT * FROM patients WHERE id = 3
EXPLAIN FORMAT=JSON SELECT * FROM patients WHERE ssn > '3'
EXPLAIN EXTENDED SELECT name FROM patients WHERE id = 1 ;; SHOW WARNINGS
EXPLAIN PARTITIONS SELECT id FROM parted WHERE pin = 5
EXPLAIN UPDATE patients SET sex = 'F' WHERE ssn < '3'
EXPLAIN DELETE FROM encounters WHERE note > 'Pt Q'
SHOW EXPLAIN FOR 1
SET optimizer_trace = 'enabled=on' ;; SELECT id FROM patients WHERE id = 1 ;; SELECT trace FROM information_schema.optimizer_trace
SET profiling = 1 ;; SELECT id FROM patients ;; SHOW PROFILE
FLUSH STATUS ;; SELECT count(*) FROM patients WHERE ssn < '3' ;; SHOW STATUS LIKE 'Handler_read_key'
-- family: session
SET @a = 1 ;; SELECT @a
SELECT @a := 5
SELECT id, @r := @r + length(name) FROM patients LIMIT 3
SELECT ssn INTO @a FROM patients WHERE id = 1 ;; SELECT @a
SET @a = (SELECT ssn FROM patients WHERE id = 1) ;; SELECT @a
SET SESSION sql_mode = 'ANSI_QUOTES' ;; SELECT "ssn" FROM patients LIMIT 1
SET sql_mode = 'NO_BACKSLASH_ESCAPES' ;; SELECT 'a\', ssn, 'b' FROM patients LIMIT 1
SET SQL_MODE = concat(@@sql_mode, ',ANSI_QUOTES') ;; SELECT "ssn" FROM patients LIMIT 1
SET sql_mode = ORACLE ;; SELECT ssn AS z FROM patients LIMIT 1
SET NAMES gbk ;; SELECT ssn FROM patients LIMIT 1
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin' ;; SELECT ssn FROM patients LIMIT 1
SET character_set_client = sjis ;; SELECT ssn FROM patients LIMIT 1
SET character_set_results = utf16 ;; SELECT ssn, name FROM patients LIMIT 1
SET character_set_results = NULL ;; SELECT ssn, name FROM patients LIMIT 2
SET CHARACTER SET latin1 ;; SELECT ssn FROM patients LIMIT 1
SET SESSION group_concat_max_len = 5 ;; SELECT group_concat(name) FROM patients
SET sql_select_limit = 2 ;; SELECT name FROM patients
SET max_error_count = 0 ;; SELECT cast(name AS signed) FROM patients LIMIT 2
SET STATEMENT max_statement_time = 1 FOR SELECT name FROM patients LIMIT 1
SET @@session.timestamp = (SELECT id FROM patients WHERE ssn < '5' LIMIT 1) ;; SELECT now()
SET ROLE NONE
SET GLOBAL general_log = 1
SET optimizer_switch = 'mrr=on' ;; SELECT id FROM patients WHERE sex = 'F' LIMIT 3
SET join_buffer_size = 128 ;; SELECT e.id FROM patients p JOIN encounters e ON e.dept <> p.sex LIMIT 20
USE mysql ;; SELECT * FROM user
USE information_schema ;; SELECT table_rows FROM tables
SELECT last_insert_id(length(name)) FROM patients WHERE id = 1 ;; SELECT last_insert_id()
SELECT get_lock(name, 0) FROM patients WHERE id = 1 ;; SELECT is_free_lock('Qanary31x')
SELECT row_count() FROM codes
SELECT sleep((SELECT ssn < '5' FROM patients WHERE id = 1))
HANDLER patients OPEN ;; HANDLER patients READ FIRST ;; HANDLER patients CLOSE
LOCK TABLES patients READ ;; SELECT name FROM patients LIMIT 1 ;; UNLOCK TABLES
START TRANSACTION WITH CONSISTENT SNAPSHOT ;; SELECT name FROM patients LIMIT 1
XA START 'a' ;; SELECT name FROM patients LIMIT 1
PREPARE s FROM 'SELECT name FROM patients' ;; EXECUTE s
PREPARE s FROM 'SELECT name FROM patients WHERE id = ?' ;; EXECUTE s USING 1
EXECUTE IMMEDIATE 'SELECT name FROM patients LIMIT 1'
DO (SELECT exp(710) FROM patients WHERE ssn < '5' AND id = 1)
KILL QUERY (SELECT id FROM patients WHERE ssn < '5' LIMIT 1)
GET DIAGNOSTICS @n = NUMBER
SELECT name FROM patients WHERE id = 1 ;; GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT
-- family: names
SELECT `SSN` FROM `patients` LIMIT 1
SELECT phi.patients.SsN FROM phi.patients LIMIT 1
SELECT p.* FROM patients AS p LIMIT 1
SELECT patients.* FROM patients LIMIT 1
SELECT *, id FROM patients LIMIT 1
SELECT id, id, ssn AS id FROM patients LIMIT 1
SELECT id AS ssn, ssn AS id FROM patients WHERE id = 1
SELECT ssn AS `a``b` FROM patients LIMIT 1
SELECT ssn AS 'quoted' FROM patients LIMIT 1
SELECT ssn "double" FROM patients LIMIT 1
SELECT `se cret`, `a.b` FROM `odd ``table`
SELECT o.`se cret` FROM `odd ``table` o WHERE `a.b` = 3
SELECT `c1` FROM (SELECT ssn AS `c1`, id AS `c2` FROM patients) `c3` WHERE `c2` = 1
SELECT c2 AS c1, c1 AS c2 FROM (SELECT ssn AS c1, id AS c2 FROM patients) x ORDER BY c1 LIMIT 2
WITH patients AS (SELECT 1 AS id) SELECT * FROM patients
WITH codes AS (SELECT ssn AS dx FROM patients) SELECT dx FROM codes LIMIT 2
WITH `r as (select 1 AS n) select 1 AS c1 -- ` AS (SELECT ssn FROM patients) SELECT * FROM `r as (select 1 AS n) select 1 AS c1 -- `
WITH a AS (SELECT ssn FROM patients), b AS (SELECT * FROM a) SELECT * FROM b LIMIT 1
WITH RECURSIVE r(n, s) AS (SELECT 1, ssn FROM patients WHERE id = 1 UNION ALL SELECT n + 1, s FROM r WHERE n < 3) SELECT s FROM r
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT length(name) FROM patients WHERE id = 1)) SELECT count(*) FROM r
WITH RECURSIVE r AS (SELECT id, name AS a, sex AS b FROM patients WHERE id = 1 UNION ALL SELECT id + 1, b, a FROM r WHERE id < 4) SELECT a, b FROM r
SELECT ssn FROM patients p NATURAL JOIN codes LIMIT 1
SELECT id FROM patients JOIN v_pat USING (id) LIMIT 1
SELECT s FROM patients JOIN v_pat USING (id) WHERE id = 1
SELECT p.id FROM patients p JOIN patients q USING (ssn) WHERE p.id = 1
SELECT p.id FROM patients p JOIN patients q USING (name, sex) LIMIT 5
SELECT (SELECT ssn) FROM patients WHERE id = 1
SELECT (SELECT p.ssn FROM codes LIMIT 1) FROM patients p WHERE id = 1
SELECT (SELECT c.dx FROM codes c WHERE c.descr < p.name ORDER BY 1 LIMIT 1) FROM patients p WHERE id = 1
SELECT id FROM patients WHERE (id, ssn) IN (SELECT id, s FROM v_pat) LIMIT 3
SELECT id FROM patients p WHERE 3 > (SELECT count(*) FROM patients q WHERE q.ssn < p.ssn)
SELECT a.id FROM patients a JOIN patients b ON a.name > b.name WHERE b.id = 1 ORDER BY a.id
SELECT ssn FROM {oj patients p JOIN codes c ON 1 = 1} LIMIT 1
SELECT j.v FROM patients p, JSON_TABLE(p.notes, '$' COLUMNS (v varchar(20) PATH '$.phone')) j LIMIT 1
SELECT notes->'$.phone' FROM patients LIMIT 1
SELECT * FROM (VALUES ROW(1, 2)) v
TABLE patients
VALUES (1, 2)
SELECT * FROM (TABLE patients) t LIMIT 1
(SELECT ssn FROM patients ORDER BY id LIMIT 1) UNION ALL (SELECT name FROM patients ORDER BY id LIMIT 1)
((SELECT ssn FROM patients WHERE id = 1))
SELECT ssn FROM patients WHERE id = 1 UNION ALL SELECT NULL ORDER BY 1
SELECT sex FROM patients GROUP BY sex HAVING max(ssn) > '9'
SELECT sex, name FROM patients GROUP BY sex
SELECT sex, any_value(name) FROM patients GROUP BY sex
SELECT name LIKE '%1%' AS x, count(*) FROM patients GROUP BY x
SELECT id FROM patients ORDER BY (SELECT descr FROM codes WHERE dx = 'E1'), ssn LIMIT 3
SELECT id FROM patients ORDER BY 1 + 1, name LIMIT 3
SELECT id AS name FROM patients ORDER BY name LIMIT 3
SELECT name AS id FROM patients ORDER BY id LIMIT 3
SELECT id FROM patients WHERE name = name LIMIT 3
SELECT id FROM patients WHERE '1' LIMIT 3
SELECT id FROM patients WHERE ssn LIMIT 3
SELECT id FROM patients LIMIT 1 OFFSET 3
SELECT id FROM patients LIMIT 2, 2
SELECT NULL, ssn IS NULL, ssn <=> NULL FROM patients WHERE id = 1
SELECT benchmark(1000000 * (SELECT ssn < '5' FROM patients WHERE id = 1), sha2('x', 256))
SELECT extractvalue(1, concat('~', (SELECT name FROM patients WHERE id = 1)))
SELECT updatexml(1, concat('~', (SELECT name FROM patients WHERE id = 1)), 1)
SELECT 1 FROM dual WHERE exp(if((SELECT ssn FROM patients WHERE id = 1) < '5', 710, 1))
SELECT 9223372036854775807 + (SELECT pin FROM derived WHERE id = 1)
SELECT id FROM derived WHERE doubled = 26
SELECT masked, doubled, plain FROM derived WHERE id < 4
SELECT max(doubled) FROM derived
SELECT photo, hex(photo), length(photo), bits, amount, flag, y, t, ts, kind, tags FROM binaries
SELECT kind + 0, tags + 0, bits + 0 FROM binaries
SELECT y, t, ts FROM binaries WHERE id = 2
SELECT avg(amount) FROM binaries
SELECT id FROM binaries ORDER BY ts LIMIT 3
SELECT sum(amount) OVER (ORDER BY id), id FROM binaries
SELECT v_wide.id, v_wide.note FROM v_wide WHERE id = 1
SELECT * FROM v_wide WHERE dept = 'ICU' ORDER BY id LIMIT 2
SELECT count(*) FROM v_wide WHERE name < 'R'
SELECT a, b FROM v_nested WHERE a = 1
SELECT a FROM v_nested WHERE b < '5'
SELECT load_file('/etc/passwd')
SELECT ssn FROM patients INTO OUTFILE '/tmp/hoopgate-x'
SELECT ssn FROM patients WHERE id = 1 INTO DUMPFILE '/tmp/hoopgate-y'
SELECT 1; SELECT ssn FROM patients
SELECT ssn/**/FROM/**/patients/**/LIMIT/**/1
SELECT ssn -- comment
SELECT ssn FROM patients # comment
SELECT 1 /* /* */ , ssn /* */ */ FROM patients
SELECT/*!50000 ssn*/FROM patients
SELECT 1 /*M! , ssn */ FROM patients
SELECT 'a' 'b', ssn FROM patients LIMIT 1
SELECT 'it''s \' "x"', ssn FROM patients LIMIT 1
SELECT _utf8mb4'x', _binary'y', n'z', x'41', 0x42, b'1', ssn FROM patients LIMIT 1
SELECT _gbk'x', ssn FROM patients LIMIT 1
SELECT ssn FROM patients WHERE id = 1e0
SELECT ssn FROM patients WHERE id=.1e1
SELECT ssn FROM patients WHERE id = 0x1
SELECT 1.ssn FROM patients
SELECT ssn FROM patients p WHERE p . id = 1
SELECT count (*) FROM patients
SELECT date'2020-01-01', dob FROM patients WHERE id = 1
SELECT timestamp'2020-01-01 00:00:00' > dob FROM patients WHERE id = 1
SELECT dob FROM patients WHERE dob > '1950-01-01'
SELECT interval 1 day + dob FROM patients WHERE id = 1
-- family: nulls
SELECT email, ssn, email IS NULL, ssn <=> NULL FROM patients ORDER BY id
SELECT coalesce(email, 'none'), ifnull(ssn, id), nullif(email, 'x'), isnull(ssn) FROM patients ORDER BY id
SELECT if(email IS NULL, 1, 0), CASE WHEN ssn IS NULL THEN 'no' ELSE 'yes' END FROM patients ORDER BY id
SELECT concat(email, 'x') IS NULL, concat_ws('-', email, ssn), length(email) FROM patients ORDER BY id
SELECT count(email) FROM patients
SELECT count(*) FROM patients WHERE email IS NULL
SELECT id FROM patients WHERE email IS NOT NULL ORDER BY id LIMIT 3
SELECT id FROM patients ORDER BY email IS NULL, id LIMIT 5
SELECT e.id, p.email FROM encounters e LEFT JOIN patients p ON p.id = e.patient_id AND p.email IS NULL WHERE e.id < 5 ORDER BY 1
SELECT e.id, p.email, p.id FROM encounters e LEFT JOIN patients p ON p.id = e.patient_id + 100 WHERE e.id < 50 ORDER BY 1
SELECT sum(pin IS NULL) FROM derived
SELECT doubled, masked, pin FROM derived ORDER BY id
SELECT photo, kind, ts, photo IS NULL FROM binaries ORDER BY id
SELECT note FROM encounters WHERE id < 9
UPDATE patients SET email = NULL WHERE id = 5
UPDATE patients SET weight = if(email IS NULL, 1, 2) WHERE id = 5 ;; SELECT weight FROM patients WHERE id = 5
UPDATE encounters SET note = coalesce(note, 'x') WHERE id = 3
INSERT INTO codes(dx, descr) VALUES ('n', (SELECT email FROM patients WHERE id = 5))
SELECT max(id) FROM patients WHERE coalesce(ssn, 'none') = 'none'
SELECT greatest(email, 'a'), least(ssn, 'z'), interval(id, 1, 2) FROM patients ORDER BY id LIMIT 9
SELECT first_value(email) OVER (ORDER BY id), count(*) OVER () FROM patients LIMIT 9
SELECT nth_value(email, 2) OVER (ORDER BY id), lag(ssn, 1, 'none') OVER (ORDER BY id) FROM patients LIMIT 9
SELECT concat(nullif(email, 'x'), exp(id)) FROM patients WHERE id < 800
SELECT elt(email IS NULL, exp(710)), 1 FROM patients WHERE id = 5
SELECT make_set(email IS NULL, 'a', 'b'), field(email, NULL, 'x'), find_in_set(email, 'x,y') FROM patients LIMIT 9
