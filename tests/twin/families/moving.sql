-- What a change does besides: rows that move to another partition, entries of an index that grow,
-- and what is stored under an older meaning. What the plan decides, asked by errors and counts.
-- family: moving
UPDATE moving SET at = 15 WHERE id = 1
UPDATE moving SET at = 15 WHERE id = 2 RETURNING id
UPDATE moving SET at = at + 10 WHERE id = 2 RETURNING at
UPDATE moving SET at = 25 WHERE id = 1
UPDATE moving SET at = 35 WHERE id = 4
UPDATE moving SET at = 45 WHERE id = 3
UPDATE moving SET at = 55 WHERE id = 6
UPDATE moving SET at = 65 WHERE id = 5
UPDATE moving SET x = 3 WHERE id = 2
UPDATE moving_0 SET at = 6 WHERE id = 2
MERGE INTO moving m USING (VALUES (2, 15)) v(i, a) ON m.id = v.i WHEN MATCHED THEN UPDATE SET at = v.a
WITH u AS (UPDATE moving SET at = 25 WHERE id < 4 RETURNING id) SELECT count(*) FROM u
-- family: growing
UPDATE growing SET a = 1, b = 1, c = 1, d = 1 WHERE id = 1
UPDATE growing SET a = 1 WHERE id = 1
INSERT INTO growing VALUES (9, 1, 2, 3, 4, 'x')
INSERT INTO growing VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = 1, b = 2, c = 3, d = 4
MERGE INTO growing g USING (VALUES (1)) v(i) ON g.id = v.i WHEN MATCHED THEN UPDATE SET a = 1, b = 2, c = 3, d = 4
-- family: older meaning
ALTER TABLE owned_made ALTER initial DROP EXPRESSION ;; COMMIT ;; SELECT id, initial FROM owned_made ORDER BY id
CREATE OR REPLACE VIEW owned_view AS SELECT id, 'x'::text AS name FROM owned ;; COMMIT ;; SELECT id, name FROM owned_kept ORDER BY id
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO owned_view DO INSTEAD SELECT id, 'x'::text AS name FROM owned ;; COMMIT ;; SELECT id, name FROM owned_kept ORDER BY id
COMMIT ;; CLUSTER owned USING owned_name ;; SELECT id FROM owned
CREATE STATISTICS os ON (1 / (n - 3)), id FROM owned ;; COMMIT ;; ANALYZE owned
-- family: the plan
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH BACKWARD 1 FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH PRIOR FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH ABSOLUTE 1 FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH RELATIVE -1 FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH 0 FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; MOVE -2 IN c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; MOVE 3 IN c ;; FETCH FIRST FROM c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH LAST FROM c
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM sized WHERE k < 100 ;; COMMIT ;; FETCH 3 FROM c ;; FETCH BACKWARD 1 FROM c
DECLARE c NO SCROLL CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH BACKWARD 1 FROM c
DECLARE c SCROLL CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 3 FROM c ;; FETCH BACKWARD 1 FROM c
SELECT is_scrollable FROM pg_cursors
SELECT count(*) FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE nextval('counter') + p.id > 0 AND e.id < 30 ;; SELECT currval('counter')
SELECT count(*) FROM (SELECT id, nextval('counter') AS n FROM patients) p JOIN encounters e ON e.patient_id = p.id WHERE e.id < 30 ;; SELECT lastval()
SELECT count(*) FROM sized s JOIN codes c ON s.k % 20 = length(c.dx) WHERE nextval('counter') + s.id > 0 AND s.k < 100 ;; SELECT lastval()
SELECT count(*) FROM encounters e WHERE e.id < 30 AND EXISTS (SELECT FROM patients p WHERE p.id = e.patient_id AND nextval('counter') + p.id > 0) ;; SELECT lastval()
SELECT count(*) FROM v_barrier v JOIN encounters e ON e.patient_id = v.id WHERE e.id < 30 AND nextval('counter') + v.id > 0 ;; SELECT lastval()
WITH s AS (SELECT nextval('counter') AS n, id FROM patients) SELECT e.id FROM s JOIN encounters e ON e.patient_id = s.id ORDER BY e.id LIMIT 3 ;; SELECT lastval()
SELECT count(*) FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE txid_current() + p.id > 0 AND e.id < 0 ;; SELECT pg_current_xact_id_if_assigned() IS NULL
SELECT nextval('counter'), id FROM patients ORDER BY id LIMIT 3 ;; SELECT lastval()
INSERT INTO visits(what) SELECT 'seen' FROM patients WHERE id < 4 RETURNING id
INSERT INTO root SELECT nextval('counter') + 100, id FROM patients WHERE id < 4 RETURNING x
WITH s AS (SELECT nextval('counter') AS n) INSERT INTO root SELECT n + 200, p.id FROM s, patients p WHERE p.id = 3 RETURNING x
INSERT INTO root(id, x) VALUES (nextval('counter') + 300, 1), (nextval('counter') + 300, 2) RETURNING x
-- family: isolation
BEGIN ISOLATION LEVEL SERIALIZABLE ;; SELECT id FROM patients WHERE id = 3
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET default_transaction_isolation = serializable
SET transaction_isolation TO 'Serializable'
SELECT set_config('transaction_isolation', 'serializable', true)
SET default_transaction_isolation = 'repeatable read'
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- family: hashes
SELECT id, md5(name) FROM patients ORDER BY id LIMIT 12
SELECT id, md5(s_bytea) FROM kinds ORDER BY id
SELECT id, sha256(s_bytea) FROM kinds ORDER BY id
