-- family: view
SELECT * FROM v_pat WHERE id = 1
SELECT s FROM v_pat WHERE id = 1
SELECT id FROM v_pat WHERE s < '2'
SELECT id FROM v_pat WHERE n < 'N'
SELECT joint FROM v_deep WHERE who = 1
SELECT count(*) FROM v_deep WHERE joint > '5'
SELECT * FROM v_hidden
SELECT count(*) FROM v_hidden
SELECT p.id FROM patients p JOIN v_hidden v USING (id)
SELECT * FROM v_sorted
SELECT id FROM v_sorted ORDER BY id
SELECT * FROM v_sexes ORDER BY sex
SELECT last FROM v_sexes
SELECT sex, n FROM v_sexes ORDER BY sex
SELECT * FROM v_barrier WHERE id < 15
SELECT id FROM v_barrier WHERE name > 'N'
SELECT id FROM v_barrier WHERE 1/(length(name) - 6) = 1
SELECT * FROM v_check
SELECT id FROM v_check
SELECT id, weight FROM v_open WHERE id < 3
SELECT ssn FROM v_star WHERE id = 1
SELECT v FROM v_star v WHERE id = 1
SELECT (v).name FROM v_star v WHERE id = 1
SELECT who FROM v_rec
SELECT n FROM v_rec
SELECT r FROM v_window WHERE id = 1
SELECT who FROM m_pat WHERE id = 1
SELECT id FROM m_pat WHERE who < 'O'
SELECT count(who) FROM m_pat
SELECT w2 FROM m_deep WHERE id = 1
SELECT m FROM m_deep m WHERE id = 1
SELECT id FROM m_deep ORDER BY w2 LIMIT 1
SELECT pg_get_viewdef('v_pat'::regclass)
CREATE VIEW v_new AS SELECT ssn AS x FROM patients ;; SELECT x FROM v_new
CREATE TEMP VIEW codes AS SELECT ssn AS dx, name AS descr FROM patients ;; SELECT dx FROM codes
CREATE TEMP TABLE codes AS SELECT ssn AS descr, id FROM patients ;; SELECT descr FROM codes
CREATE TEMP TABLE t (a text) ;; INSERT INTO t SELECT ssn FROM patients ;; SELECT * FROM t
SELECT * INTO TEMP t FROM patients ;; SELECT ssn FROM t
CREATE MATERIALIZED VIEW mv AS SELECT ssn AS a FROM patients ;; SELECT a FROM mv
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM patients WHERE id = 1' ;; SELECT pg_temp.f()
CREATE TABLE pg_temp.encounters (id int) ;; SELECT * FROM encounters
REFRESH MATERIALIZED VIEW m_pat
-- family: generated
SELECT initial FROM staff WHERE id = 1
SELECT id FROM staff WHERE initial = 'D'
SELECT initial, born FROM staff ORDER BY id
SELECT count(initial) FROM staff
SELECT q FROM derived
SELECT id FROM derived WHERE q = 0
UPDATE derived SET a = 5001 WHERE id = 1
UPDATE derived SET a = 5001 WHERE id = 1 RETURNING id
UPDATE derived SET a = 69999 WHERE id = 1
INSERT INTO derived(id, a) VALUES (1, 5001) ON CONFLICT (id) DO UPDATE SET a = 5001
MERGE INTO derived d USING (VALUES (1)) v(x) ON d.id = v.x WHEN MATCHED THEN UPDATE SET a = 5001
SELECT size FROM virtuals
SELECT quotient FROM virtuals
SELECT id FROM virtuals WHERE size > 12
SELECT id FROM virtuals ORDER BY quotient, id
SELECT name FROM virtuals
SELECT * FROM virtuals
UPDATE virtuals SET id = id + 10 WHERE id = 1 RETURNING size
-- family: partition
SELECT who FROM events WHERE id = 1
SELECT who FROM events_23 WHERE id = 1
SELECT id FROM events_24 WHERE who < 'O'
SELECT id FROM ONLY events_23 ORDER BY who LIMIT 1
SELECT count(who) FROM events
EXPLAIN SELECT id FROM events_23
EXPLAIN SELECT id FROM events
EXPLAIN SELECT * FROM doctor
EXPLAIN SELECT * FROM surgeon
EXPLAIN (COSTS OFF) SELECT id FROM wards_a
EXPLAIN (VERBOSE) SELECT id FROM wards
EXPLAIN SELECT id FROM m_pat
EXPLAIN SELECT id FROM codes, generate_series(1,3) id
EXPLAIN SELECT dx FROM codes WHERE dx = (SELECT name FROM patients LIMIT 1)
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT id FROM events_24
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) UPDATE codes SET descr = 'x' WHERE dx < (SELECT name FROM patients WHERE id = 1)
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) DELETE FROM root WHERE id = 1
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) DELETE FROM origin WHERE id = 1
EXPLAIN INSERT INTO events_23 VALUES (1, '2023-02-01', 'x', 'y')
EXPLAIN SELECT * FROM v_deep
EXPLAIN SELECT * FROM v_sorted
EXPLAIN DECLARE c CURSOR FOR SELECT * FROM patients
EXPLAIN CREATE TABLE x AS SELECT * FROM patients
EXPLAIN EXECUTE nothing
PREPARE e AS SELECT * FROM patients ;; EXPLAIN EXECUTE e
PREPARE e AS SELECT * FROM patients ;; EXPLAIN ANALYZE EXECUTE e
INSERT INTO wards VALUES (100, 'a', 1) RETURNING tableoid::regclass
UPDATE wards SET n = 0 WHERE id = 1 RETURNING tableoid::regclass
UPDATE wards SET n = 0 WHERE id < 5
DELETE FROM wards_a WHERE id < 9
INSERT INTO wards_a VALUES (101, 'b', 1)
UPDATE events SET at = '2023-01-02' WHERE id = 250 RETURNING who
INSERT INTO events VALUES (1, '2029-01-01', 'x', 'y')
SELECT name FROM person WHERE id = 1
SELECT name FROM doctor WHERE id = 6
SELECT name FROM surgeon
SELECT tool, name FROM surgeon
SELECT * FROM person*
SELECT name FROM ONLY person
SELECT id FROM surgeon WHERE name > 's'
SELECT count(name) FROM doctor
UPDATE person SET name = 'x' WHERE id = 10 RETURNING name, id
COPY surgeon TO STDOUT
COPY surgeon (name) TO STDOUT (FORMAT csv)
COPY doctor TO STDOUT (FORMAT binary)
COPY events_23 TO STDOUT
COPY wards TO STDOUT
COPY wards_a TO STDOUT
COPY (SELECT id FROM wards_a) TO STDOUT
-- family: security
SELECT id FROM guarded
SELECT count(*) FROM guarded
SELECT who FROM guarded
SELECT id FROM guarded WHERE id < 5
INSERT INTO guarded VALUES (90, 'Zzz')
INSERT INTO guarded VALUES (90, 'Aaa')
UPDATE guarded SET id = 91 WHERE id = 1
UPDATE guarded SET who = 'Zzz' WHERE id = 1
DELETE FROM guarded WHERE id = 1
COPY guarded TO STDOUT
COPY guarded (id) TO STDOUT
TABLE guarded
SELECT id FROM fenced
UPDATE fenced SET x = 101 WHERE id = 1
UPDATE fenced SET x = 1 WHERE id = 1
UPDATE v_check SET weight = 2 WHERE id = 1
UPDATE v_check SET name = 'Aaa' WHERE id = 1
INSERT INTO v_check VALUES (900, 'Zed', 1)
INSERT INTO v_check VALUES (900, 'Abe', 1)
UPDATE v_open SET weight = 2 WHERE id = 1
UPDATE v_open SET weight = -2 WHERE id = 1
UPDATE v_barrier SET sex = 'F' WHERE id = 15
DELETE FROM v_hidden WHERE id = 1
UPDATE v_hidden SET id = 900 WHERE id = 1
-- family: names
SELECT * FROM dropped
SELECT b FROM dropped WHERE a = 1
SELECT a FROM dropped WHERE b < 'c'
INSERT INTO dropped VALUES (1, 'x') RETURNING *
SELECT * FROM "Odd.Table"
SELECT "Se cret" FROM "Odd.Table"
SELECT "pla""in" FROM "Odd.Table" WHERE "Se cret" IS NULL
SELECT "Odd.Table"."Se cret" AS "pla""in" FROM "Odd.Table"
SELECT o FROM "Odd.Table" o
SELECT * FROM "We.ird"."T""able"
SELECT "naïve" FROM "We.ird"."T""able" WHERE id = 1
SELECT id FROM "We.ird"."T""able" ORDER BY "naïve"
SELECT U&"na\00EFve" FROM U&"We.ird"."T""able"
SELECT t FROM "We.ird"."T""able" t
COPY "We.ird"."T""able" TO STDOUT
COPY "We.ird"."T""able" ("naïve") TO STDOUT
COPY "Odd.Table" ("Se cret") TO STDOUT
SELECT * FROM other.patients
SELECT p.ssn, o.ssn FROM patients p, other.patients o WHERE p.id = 1
SELECT ssn FROM twin_one.public.patients WHERE id = 1
SELECT "ssn" FROM "public".patients WHERE id = 1
select ssn from ONLY public.patients where id=1
SELECT patients.ssn FROM public.patients WHERE id = 1
SELECT ｓｓｎ FROM patients
SELECT ssn FROM patients WHERE id = 1;
SELECT ssn FROM patients WHERE id = 1;;
;SELECT ssn FROM patients WHERE id = 1
  	SELECT ssn FROM patients WHERE id = 1
(SELECT ssn FROM patients WHERE id = 1)
((SELECT ssn FROM patients WHERE id = 1))
SELECT ssn FROM patients WHERE id = 1 \; SELECT 1
SELECT 1; SELECT ssn AS z FROM patients WHERE id = 1
SELECT 1; SELECT id FROM patients WHERE ssn < '2'; SELECT 3
SELECT ssn FROM patients WHERE id = 1; COMMIT; SELECT name FROM patients WHERE id = 1
BEGIN; SELECT ssn FROM patients WHERE id = 1; END
-- family: write
UPDATE patients SET weight = 1 WHERE ssn < '2'
UPDATE patients SET weight = 1 WHERE id = 1 RETURNING *
UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn, name
UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn < '2'
UPDATE patients SET weight = 1 WHERE id = 1 RETURNING old.ssn, new.name
UPDATE patients SET name = email WHERE id = 1 RETURNING name
UPDATE patients SET weight = length(name) WHERE id = 1 RETURNING weight
UPDATE patients SET weight = length(name) WHERE id = 1 ;; SELECT weight FROM patients WHERE id = 1
UPDATE patients SET weight = CASE WHEN ssn < '2' THEN 1 ELSE 2 END WHERE id < 9
UPDATE patients SET ssn = '101-11-0007' WHERE id = 2
UPDATE patients SET ssn = ssn WHERE id = 2
UPDATE patients SET id = NULL WHERE id = 1
UPDATE patients SET sex = 'toolong' WHERE id = 1
UPDATE patients SET (weight, sex) = (SELECT length(name), 'F' FROM patients WHERE id = 1) WHERE id = 2
UPDATE patients p SET weight = e.id FROM encounters e WHERE e.patient_id = p.id AND e.note LIKE '%1%'
UPDATE codes SET descr = p.ssn FROM patients p WHERE p.id = 1 AND dx = 'E1' RETURNING descr
UPDATE codes SET descr = p.ssn FROM patients p WHERE p.id = 1 AND dx = 'E1' ;; SELECT descr FROM codes WHERE dx = 'E1'
UPDATE codes SET descr = 'x' FROM patients p WHERE p.name < dx RETURNING dx
UPDATE codes SET descr = (SELECT name FROM patients WHERE id = 1) WHERE dx = 'E1' RETURNING descr
UPDATE codes SET descr = dx WHERE dx < (SELECT name FROM patients WHERE id = 1)
UPDATE encounters SET note = 'n' || note WHERE id = 1 RETURNING note
UPDATE encounters SET dept = note WHERE id = 1 RETURNING dept
UPDATE kinds SET s_ints[1] = 5 WHERE id = 3
UPDATE kinds SET s_contact.phone = 'x' WHERE id = 1 RETURNING s_contact
UPDATE kinds SET label = s_text WHERE id = 1 RETURNING label
UPDATE kinds SET s_positive = s_positive - 5 WHERE id = 3
UPDATE kinds SET label = DEFAULT WHERE id = 1 RETURNING s_int4
DELETE FROM patients WHERE id = 1
DELETE FROM encounters WHERE note LIKE '%1%'
DELETE FROM codes WHERE dx = 'E1' RETURNING *, (SELECT name FROM patients WHERE id = 1)
DELETE FROM codes USING patients p WHERE p.id = 1 AND p.ssn < '2' AND dx = 'E1'
DELETE FROM staff WHERE id = 1 RETURNING name, initial
INSERT INTO codes SELECT 'Z' || id, name FROM patients WHERE id = 1
INSERT INTO codes SELECT 'Z' || id, name FROM patients WHERE id = 1 ;; SELECT descr FROM codes WHERE dx = 'Z1'
INSERT INTO codes VALUES ('Z', (SELECT ssn FROM patients WHERE id = 1)) RETURNING descr
INSERT INTO codes SELECT 'Z' FROM patients WHERE ssn < '2' LIMIT 1
INSERT INTO codes SELECT name, 'x' FROM patients WHERE id = 1
INSERT INTO codes SELECT DISTINCT left(name, 1), 'x' FROM patients WHERE name IS NOT NULL
INSERT INTO patients(id, ssn) VALUES (1000, '101-11-0007')
INSERT INTO patients(id, ssn) VALUES (1000, '101-11-0007') ON CONFLICT DO NOTHING
INSERT INTO patients(id, ssn) VALUES (1, 'n') ON CONFLICT (ssn) DO UPDATE SET weight = 1
INSERT INTO patients(id, name) VALUES (1, 'n') ON CONFLICT (id) DO UPDATE SET weight = length(patients.name) RETURNING weight
INSERT INTO patients(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET weight = 1 WHERE patients.ssn < '2'
INSERT INTO patients(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET weight = 1 RETURNING ssn
INSERT INTO patients(id) VALUES (1) ON CONFLICT ON CONSTRAINT patients_ssn_key DO NOTHING
INSERT INTO codes VALUES ('E1', 'y') ON CONFLICT (dx) DO UPDATE SET descr = excluded.descr || (SELECT name FROM patients WHERE id = 1) RETURNING descr
INSERT INTO patients(id, name) VALUES (1001, 'n') RETURNING id, name
INSERT INTO v_pat(id, s) VALUES (1002, '101-11-0007')
INSERT INTO v_star(id, ssn) VALUES (1003, '101-11-0007')
INSERT INTO encounters(id, patient_id) VALUES (9001, 1) RETURNING note
INSERT INTO encounters(id, patient_id) SELECT 9000 + id, id FROM patients WHERE ssn < '2'
INSERT INTO watched VALUES (1, 1)
INSERT INTO ruled VALUES (1, 1)
UPDATE v_instead SET weight = 1 WHERE id = 1
INSERT INTO checked VALUES (9, 5001, 5001)
UPDATE checked SET amount = 5001 WHERE id = 1
UPDATE checked SET amount = 7 WHERE id = 1
INSERT INTO checked(id, amount) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET amount = 5001
INSERT INTO checked(id, amount) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount + 5000
MERGE INTO checked c USING (VALUES (1)) v(x) ON c.id = v.x WHEN MATCHED THEN UPDATE SET amount = 5001
MERGE INTO checked c USING (VALUES (1)) v(x) ON c.id = v.x WHEN MATCHED AND c.pin > 5500 THEN UPDATE SET amount = 3
INSERT INTO booked VALUES (90, '[10,12)', 'x')
INSERT INTO booked VALUES (90, '[10,12)', 'x') ON CONFLICT DO NOTHING
UPDATE booked SET during = '[20,21)' WHERE id = 1
UPDATE partly SET live = true WHERE id IN (3, 5)
UPDATE partly SET live = true WHERE id = 3
INSERT INTO partly VALUES (90, 'Qanary1', true)
INSERT INTO partly VALUES (90, 'Qanary4', false)
INSERT INTO lowered VALUES (90, 'qanary1')
UPDATE lowered SET handle = 'QANARY3' WHERE id = 1
INSERT INTO ledger VALUES (90, 'AQanary1', 1)
INSERT INTO ledger VALUES (90, NULL, 1)
UPDATE ledger SET mrn = 'AQanary2' WHERE id = 1
DELETE FROM account WHERE n = 1
DELETE FROM account WHERE n = 6
UPDATE account SET mrn = 'x' WHERE n = 1
UPDATE account SET n = 60 WHERE n = 6
DELETE FROM branch WHERE id = 4
DELETE FROM branch WHERE id = 1
DELETE FROM root WHERE id = 1
DELETE FROM root WHERE id = 4
DELETE FROM root WHERE id = 5
UPDATE root SET id = 40 WHERE id = 4
DELETE FROM origin WHERE id = 1
DELETE FROM fallout WHERE id = 1
INSERT INTO leaf VALUES (90, 11)
INSERT INTO leaf VALUES (90, NULL)
UPDATE twig SET root_id = NULL WHERE id = 1
INSERT INTO spans VALUES ('[1,2)', '[3,4)', 'x')
UPDATE spans SET what = 'y' WHERE id = '[1,2)'
MERGE INTO codes c USING patients p ON c.dx = p.name WHEN MATCHED THEN DELETE
MERGE INTO codes c USING patients p ON p.id = 1 AND c.dx = 'E1' WHEN MATCHED AND p.ssn < '2' THEN UPDATE SET descr = 'x' WHEN MATCHED THEN DO NOTHING
MERGE INTO codes c USING (SELECT 'E1' d) s ON c.dx = s.d WHEN MATCHED THEN UPDATE SET descr = (SELECT ssn FROM patients WHERE id = 1)
MERGE INTO codes c USING (SELECT ssn FROM patients WHERE id = 1) p ON c.dx = 'E1' WHEN MATCHED THEN UPDATE SET descr = p.ssn
MERGE INTO patients p USING codes c ON p.id = 1 AND c.dx = 'E1' WHEN MATCHED THEN UPDATE SET weight = 9
MERGE INTO patients p USING codes c ON p.id = 1 AND c.dx = 'E1' WHEN MATCHED THEN UPDATE SET weight = 9 RETURNING merge_action(), p.ssn
MERGE INTO patients p USING codes c ON p.name = c.dx WHEN NOT MATCHED BY SOURCE AND p.id = 1 THEN UPDATE SET weight = 0
MERGE INTO codes c USING patients p ON c.dx = 'E' || p.id WHEN NOT MATCHED AND p.name > 'N' THEN INSERT VALUES ('M' || p.id, 'x')
MERGE INTO codes c USING patients p ON c.dx = 'E' || p.id WHEN NOT MATCHED THEN INSERT VALUES ('M' || p.id, p.name)
MERGE INTO codes c USING (VALUES ('E1')) v(d) ON c.dx = v.d WHEN MATCHED THEN UPDATE SET descr = 'fine'
TRUNCATE encounters
LOCK TABLE patients
ALTER TABLE patients RENAME ssn TO foo ;; SELECT foo FROM patients WHERE id = 1
ALTER TABLE codes ADD COLUMN z text DEFAULT (SELECT 1)
COMMENT ON TABLE codes IS 'x'
CREATE INDEX ON patients (name)
CREATE SEQUENCE sq ;; SELECT setval('sq', length(name)) FROM patients WHERE id = 1 ;; SELECT nextval('sq')
GRANT SELECT ON patients TO PUBLIC
VACUUM patients
ANALYZE patients
CLUSTER patients USING patients_ssn_key
-- family: launder
SELECT setval('counter', length(name)) FROM patients WHERE id = 1 ;; SELECT nextval('counter')
SELECT setval('counter', 5 + (name < 'N')::int) FROM patients WHERE id = 1 ;; SELECT last_value FROM counter
SELECT nextval('counter') FROM patients WHERE ssn < '2' ;; SELECT nextval('counter')
SELECT nextval(CASE WHEN ssn < '2' THEN 'counter' ELSE 'visits_id_seq' END::regclass) FROM patients WHERE id = 1
INSERT INTO visits(what) SELECT 'x' FROM patients WHERE ssn < '2' ;; SELECT max(id) FROM visits
SELECT set_config('application_name', name, false) FROM patients WHERE id = 1 ;; SHOW application_name
SELECT set_config('application_name', 'x' || length(name), false) IS NULL FROM patients WHERE id = 1 ;; SELECT current_setting('application_name')
SELECT set_config('twin.x', ssn, false) FROM patients WHERE id = 1 ;; SELECT current_setting('twin.x')
SELECT set_config('search_path', CASE WHEN ssn < '2' THEN 'other' ELSE 'public' END, false) FROM patients WHERE id = 1 ;; SELECT count(*) FROM patients
SELECT set_config('timezone', CASE WHEN ssn < '2' THEN 'UTC' ELSE 'Asia/Tokyo' END, false) FROM patients WHERE id = 1
SELECT set_config('datestyle', CASE WHEN ssn < '2' THEN 'ISO' ELSE 'German' END, false) FROM patients WHERE id = 1
SELECT set_config('datestyle', $$German$$, false) FROM patients WHERE ssn < '2' ;; SELECT date '2020-02-03'
SELECT set_config('jit', 'off', false) FROM patients WHERE ssn LIKE '1%'
SELECT pg_notify('c', name) FROM patients WHERE id = 1
LISTEN c ;; SELECT pg_notify('c', name) FROM patients WHERE id = 1
NOTIFY c, 'x'
SELECT pg_advisory_xact_lock(length(name)) FROM patients WHERE id = 1 ;; SELECT objid FROM pg_locks WHERE locktype = 'advisory'
SELECT lo_from_bytea(0, convert_to(name, 'UTF8')) FROM patients WHERE id = 1
SELECT lo_create(length(name)::oid) FROM patients WHERE id = 1
SELECT setseed(length(name) / 100.0) FROM patients WHERE id = 1 ;; SELECT random()
SELECT pg_sleep(length(name) / 1000.0) FROM patients WHERE id = 1
CREATE TABLE copy_of AS SELECT * FROM patients ;; SELECT ssn FROM copy_of WHERE id = 1
SELECT * INTO copy_of FROM patients ;; SELECT ssn FROM copy_of WHERE id = 1
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT s' 'sn FROM patients WHERE id=1' ;; SELECT f()
DO $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM patients WHERE id = 1); END $$
DO $$ BEGIN PERFORM set_config('application_name', (SELECT ssn FROM patients WHERE id = 1), false); END $$
CALL peek()
SELECT query_to_xml('select ssn from patients where id = 1', true, true, '')
SELECT table_to_xml('patients', true, true, '')
SELECT schema_to_xml('public', true, true, ''), database_to_xml(true, true, '')
DECLARE c CURSOR FOR SELECT ssn AS z FROM patients WHERE id = 1 ;; SELECT cursor_to_xml('c', 10, true, true, '')
DECLARE c CURSOR FOR SELECT id FROM patients ;; MOVE 3 FROM c ;; UPDATE patients SET weight = 1 WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM patients ORDER BY name ;; FETCH c
DECLARE c NO SCROLL CURSOR FOR SELECT name FROM patients ;; FETCH ABSOLUTE 3 c ;; FETCH RELATIVE 0 c ;; FETCH PRIOR c
DECLARE c INSENSITIVE SCROLL CURSOR FOR SELECT name, id FROM patients WHERE id < 5 ;; FETCH BACKWARD ALL c ;; FETCH FORWARD 2 c ;; FETCH FIRST c
DECLARE "Odd c" CURSOR FOR SELECT ssn FROM patients ;; FETCH "Odd c" ;; FETCH odd
DECLARE c CURSOR FOR SELECT ssn FROM patients ;; CLOSE c ;; DECLARE c CURSOR FOR SELECT dx FROM codes ;; FETCH 2 c
DECLARE c CURSOR FOR SELECT dx FROM codes ;; CLOSE ALL ;; DECLARE c CURSOR FOR SELECT ssn FROM patients ;; FETCH 2 c
SAVEPOINT a ;; DECLARE c CURSOR FOR SELECT ssn FROM patients ;; ROLLBACK TO a ;; FETCH c
DECLARE c CURSOR FOR SELECT dx FROM codes ;; SAVEPOINT a ;; CLOSE c ;; DECLARE c CURSOR FOR SELECT ssn FROM patients ;; ROLLBACK TO a ;; FETCH c
DECLARE c CURSOR FOR SELECT ssn FROM patients ;; SAVEPOINT a ;; CLOSE c ;; ROLLBACK TO a ;; FETCH c
PREPARE q AS SELECT ssn AS z FROM patients WHERE id = 1 ;; EXECUTE q
PREPARE q(int) AS SELECT ssn FROM patients WHERE id = $1 ;; EXECUTE q(1) ;; EXECUTE q(2)
PREPARE q(text) AS SELECT id FROM patients WHERE ssn < $1 ;; EXECUTE q('2')
PREPARE q AS SELECT $1::text || ssn FROM patients WHERE id = 1 ;; EXECUTE q('x')
PREPARE q(unknown) AS SELECT $1 || ssn FROM patients WHERE id = 1 ;; EXECUTE q('x')
PREPARE q AS SELECT 1 ;; DEALLOCATE q ;; PREPARE q AS SELECT ssn FROM patients ;; EXECUTE q
PREPARE q AS SELECT dx FROM codes ;; PREPARE q AS SELECT ssn FROM patients ;; EXECUTE q
SAVEPOINT a ;; PREPARE q AS SELECT ssn FROM patients WHERE id = 1 ;; ROLLBACK TO a ;; EXECUTE q
PREPARE q AS SELECT dx FROM codes ;; SAVEPOINT a ;; DEALLOCATE q ;; PREPARE q AS SELECT ssn FROM patients ;; ROLLBACK TO a ;; EXECUTE q
PREPARE q AS UPDATE patients SET weight = 1 WHERE id = $1 RETURNING ssn ;; EXECUTE q(3)
PREPARE q AS INSERT INTO codes VALUES ($1, $2) ;; EXECUTE q('Q', (SELECT ssn FROM patients WHERE id = 1))
PREPARE q(text) AS SELECT $1 ;; EXECUTE q((SELECT 1)::text)
PREPARE q(text) AS SELECT $1 ;; EXECUTE q(peek())
CREATE TABLE x AS EXECUTE nothing
PREPARE q AS SELECT ssn FROM patients ;; CREATE TEMP TABLE x AS EXECUTE q ;; SELECT * FROM x
PREPARE q AS SELECT p FROM patients p WHERE id = 1 ;; EXECUTE q
-- family: copy
COPY patients TO STDOUT
COPY patients (id, ssn) TO STDOUT (FORMAT csv, HEADER)
COPY patients TO STDOUT (FORMAT csv, FORCE_QUOTE (name, email), NULL 'N')
COPY patients TO STDOUT (FORMAT binary)
COPY patients TO STDOUT WITH DELIMITER ',' NULL AS ''
COPY patients TO STDOUT (DELIMITER E'\b', NULL '\N')
COPY patients TO STDOUT (ENCODING 'UTF8')
COPY patients TO STDOUT (ENCODING 'LATIN1')
COPY patients TO STDOUT (ENCODING 'EUC_JP')
COPY patients (id, name) TO STDOUT (ENCODING 'SQL_ASCII')
COPY patients (id) TO STDOUT
COPY patients (id, id) TO STDOUT
COPY patients (name, id, ssn) TO STDOUT
COPY patients (nothing) TO STDOUT
COPY BINARY patients TO STDOUT
COPY encounters TO STDOUT CSV
COPY staff TO STDOUT
COPY staff (id, initial) TO STDOUT
COPY dropped TO STDOUT
COPY kinds TO STDOUT
COPY kinds TO STDOUT CSV FORCE QUOTE *
COPY kinds TO STDOUT (FORMAT binary)
COPY members TO STDOUT
COPY v_pat TO STDOUT
COPY m_pat TO STDOUT
COPY virtuals TO STDOUT
COPY derived TO STDOUT
COPY public.patients TO STDOUT
COPY twin_one.public.patients TO STDOUT
COPY pg_statistic TO STDOUT
COPY pg_stats TO STDOUT
COPY pg_class (relname, relpages) TO STDOUT
COPY pg_class (relname, relpages, reltuples, relkind) TO STDOUT
COPY pg_authid TO STDOUT
COPY counter TO STDOUT
COPY (SELECT ssn FROM patients) TO STDOUT (FORMAT binary)
COPY (SELECT id FROM patients WHERE ssn < '2') TO STDOUT
COPY (SELECT p FROM patients p) TO STDOUT
COPY (TABLE patients) TO STDOUT
COPY (VALUES (1, (SELECT ssn FROM patients WHERE id = 1))) TO STDOUT
COPY (UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn) TO STDOUT
COPY (DELETE FROM codes WHERE dx = 'E1' RETURNING descr, (SELECT name FROM patients WHERE id = 1)) TO STDOUT
COPY (INSERT INTO codes SELECT 'Z', ssn FROM patients WHERE id = 1 RETURNING descr) TO STDOUT
COPY (WITH x AS (SELECT name FROM patients) SELECT * FROM x LIMIT 3) TO STDOUT CSV HEADER
COPY (SELECT ssn, E'a\tb\\c\nd' FROM patients WHERE id < 4) TO STDOUT
COPY (SELECT E'\\.' , ssn FROM patients WHERE id < 4) TO STDOUT CSV
COPY (SELECT ssn, NULL, '' FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, NULL '""')
COPY (SELECT ssn FROM patients WHERE id = 1) TO '/tmp/twin_x1'
COPY (SELECT ssn FROM patients WHERE id = 1) TO PROGRAM 'cat > /tmp/twin_x2'
COPY codes FROM '/etc/passwd'
COPY codes FROM PROGRAM 'echo x'
COPY (SELECT 1) TO STDOUT; SELECT ssn FROM patients WHERE id = 1
COPY (SELECT ssn FROM patients WHERE id = 1) TO STDOUT; COPY (SELECT name FROM patients WHERE id = 1) TO STDOUT CSV
COPY codes TO STDOUT (FORMAT xml)
-- family: ddl
CREATE UNIQUE INDEX u ON owned (name)
CREATE UNIQUE INDEX u ON owned (left(name, 3))
CREATE UNIQUE INDEX u ON owned (day)
CREATE INDEX u ON owned ((1 / n))
CREATE INDEX u ON owned (id) WHERE 1 / n > 0
ALTER TABLE owned ADD CHECK (n > 0)
ALTER TABLE owned ADD CHECK (name IS NOT NULL)
ALTER TABLE owned ADD CONSTRAINT c CHECK (n > 0) NOT VALID ;; ALTER TABLE owned VALIDATE CONSTRAINT c
ALTER TABLE owned ADD CONSTRAINT c CHECK (n > 0) NOT VALID ;; UPDATE owned SET id = 10 WHERE id = 8
ALTER TABLE owned ALTER name SET NOT NULL
ALTER TABLE owned ALTER name TYPE varchar(8)
ALTER TABLE owned ALTER name TYPE int USING length(name) / n
ALTER TABLE owned ALTER n TYPE text USING repeat('x', n)
ALTER TABLE owned ADD x int GENERATED ALWAYS AS (1 / n) STORED
ALTER TABLE owned ADD x int DEFAULT 1 CHECK (n > 0)
ALTER TABLE owned ADD UNIQUE (name)
ALTER TABLE owned ADD UNIQUE (day)
ALTER TABLE owned ADD EXCLUDE USING btree (day WITH =)
ALTER TABLE owned ADD FOREIGN KEY (n) REFERENCES origin (id)
ALTER TABLE owned DROP CONSTRAINT owned_pkey, ADD PRIMARY KEY (name)
CREATE TABLE owned_a PARTITION OF owned_wards FOR VALUES IN ('a')
CREATE TABLE owned_b (id int, ward text) ;; ALTER TABLE owned_wards ATTACH PARTITION owned_b FOR VALUES IN ('b')
ALTER DOMAIN tag ADD CHECK (length(value) < 30)
ALTER TABLE owned RENAME name TO public_thing ;; SELECT public_thing FROM owned
ALTER TABLE owned RENAME TO codes2 ;; SELECT * FROM codes2
ALTER TABLE owned RENAME TO codes2 ;; COMMIT ;; SELECT * FROM codes2 ;; DROP TABLE codes2
ALTER TABLE owned RENAME name TO public_thing ;; COMMIT ;; SELECT public_thing FROM owned
ALTER INDEX owned RENAME TO codes2 ;; COMMIT ;; SELECT name FROM codes2
ALTER TABLE owned_wards DETACH PARTITION owned_rest ;; COMMIT ;; SELECT ward FROM owned_rest
ALTER TABLE owned SET SCHEMA other ;; COMMIT ;; SELECT * FROM other.owned
CREATE TABLE heir () INHERITS (owned) ;; COMMIT ;; SELECT name FROM heir ;; SELECT name FROM owned
CREATE TABLE alike (LIKE owned INCLUDING ALL) ;; INSERT INTO alike SELECT * FROM owned ;; SELECT name FROM alike
CREATE TABLE copied AS SELECT id, name FROM owned ;; SELECT * FROM copied
CREATE TABLE copied AS SELECT id FROM owned WHERE n > 0
CREATE VIEW shown AS SELECT name AS public_thing FROM owned ;; COMMIT ;; SELECT public_thing FROM shown
CREATE VIEW shown AS SELECT id FROM owned WHERE n > 3 ;; COMMIT ;; SELECT id FROM shown
CREATE MATERIALIZED VIEW shown AS SELECT name FROM owned
CREATE FUNCTION of_owned() RETURNS text LANGUAGE sql AS 'SELECT name FROM owned LIMIT 1' ;; COMMIT ;; SELECT of_owned()
CREATE FUNCTION cast_owned(owned) RETURNS text LANGUAGE sql AS 'SELECT $1.name' ;; CREATE CAST (owned AS text) WITH FUNCTION cast_owned(owned) ;; COMMIT ;; SELECT o::text FROM owned o
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', OLD.name; RETURN NEW; END' ;; CREATE TRIGGER t BEFORE UPDATE ON owned FOR EACH ROW EXECUTE FUNCTION told() ;; COMMIT ;; UPDATE owned SET id = 10 WHERE id = 1
CREATE RULE tell AS ON UPDATE TO owned DO ALSO SELECT OLD.name ;; COMMIT ;; UPDATE owned SET id = 10 WHERE id = 1
CREATE POLICY p ON owned USING (n > 3) ;; ALTER TABLE owned FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY ;; COMMIT ;; SELECT id FROM owned
ALTER TABLE owned ALTER n SET STATISTICS 0 ;; ANALYZE owned ;; SELECT reltuples FROM pg_class WHERE relname = 'owned'
ALTER TABLE owned ALTER id SET DEFAULT 5 ;; INSERT INTO owned(name) VALUES ('x') RETURNING id
ALTER TABLE owned DROP name ;; SELECT * FROM owned
ALTER TABLE owned ADD x text DEFAULT 'y' ;; COMMIT ;; SELECT x, id FROM owned
TRUNCATE owned ;; SELECT count(*) FROM owned
CLUSTER owned USING owned_pkey
VACUUM (VERBOSE) owned
ANALYZE VERBOSE owned
COMMENT ON TABLE owned IS 'x'
CREATE STATISTICS s ON name, n FROM owned ;; COMMIT ;; ANALYZE owned ;; SELECT * FROM pg_stats_ext
-- family: copyin
COPY ledger FROM STDIN <<< 90\tAQanary1\t1
COPY ledger (id, amount) FROM STDIN <<< 90\t1
COPY ledger (id, mrn) FROM STDIN (FORMAT csv) <<< 90,AQanary1
COPY leaf FROM STDIN <<< 90\t11
COPY leaf (id) FROM STDIN <<< 90
COPY patients (id, ssn) FROM STDIN <<< 900\t101-11-0007
COPY patients (id, name) FROM STDIN <<< 900\tx
COPY patients (id) FROM STDIN <<< 1
COPY patients (id) FROM STDIN <<< 900 ;; SELECT id, name FROM patients WHERE id = 900
COPY patients (id, weight) FROM STDIN WHERE id > 5 <<< 900\t3
COPY codes FROM STDIN <<< E1\tagain
COPY codes FROM STDIN <<< Z1\tnew\nZ2\tnewer ;; SELECT * FROM codes ORDER BY dx DESC LIMIT 2
COPY codes FROM STDIN WHERE dx > (SELECT 'A') <<< Z1\tnew
COPY codes (dx) FROM STDIN <<< too\tmany
COPY checked FROM STDIN <<< 90\t5001\t5001
COPY checked (id, amount) FROM STDIN <<< 90\t5001
COPY booked FROM STDIN <<< 90\t[10,12)\tx
COPY partly FROM STDIN <<< 90\tQanary1\tt
COPY lowered FROM STDIN <<< 90\tQANARY3
COPY fenced FROM STDIN <<< 90\t1\t1
COPY guarded FROM STDIN <<< 90\tZzz
COPY events FROM STDIN <<< 900\t2023-05-05\tx\ty
COPY wards FROM STDIN <<< 900\ta\t1
COPY derived (id, a, pin) FROM STDIN <<< 90\t5\t4
COPY watched FROM STDIN <<< 90\t1
COPY ruled FROM STDIN <<< 90\t1
COPY v_pat FROM STDIN <<< 90\tx\ty
COPY v_star (id, ssn) FROM STDIN <<< 900\t101-11-0007
COPY v_open (id, weight) FROM STDIN <<< 900\t-5
COPY account FROM STDIN <<< AQanary1\t77
COPY account (n) FROM STDIN <<< 77
COPY staff (id, name) FROM STDIN <<< 90\tx ;; SELECT initial FROM staff WHERE id = 90
COPY kinds (id, s_positive) FROM STDIN <<< 90\t-1
COPY kinds (id, s_mood) FROM STDIN <<< 90\tangry
COPY members FROM STDIN <<< 90\t(x,y)\tp ;; SELECT * FROM members WHERE id = 90
COPY codes FROM STDIN (FREEZE) <<< Z1\tx
COPY codes FROM STDIN (DEFAULT 'd') <<< Z1\td
COPY codes FROM STDIN (ON_ERROR ignore) <<< Z1
COPY other.patients FROM STDIN <<< 2\tx
COPY pg_class FROM STDIN <<< x
