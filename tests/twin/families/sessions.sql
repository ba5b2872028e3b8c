-- What a client does over a session, or over two: cursors, messages of the protocol out of their usual
-- order, COPY both ways, settings that last, indexes whose entries hold other rows' values.
-- family: current of
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ORDER BY k ;; FETCH 1 FROM c ;; UPDATE sized SET k = k WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ;; FETCH 1 FROM c ;; UPDATE sized SET k = k WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 ORDER BY k ;; FETCH 1 FROM c ;; DELETE FROM sized WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT s.id FROM sized s JOIN root r ON r.id = s.id WHERE s.k < 100 ;; FETCH 1 FROM c ;; UPDATE sized SET k = k WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM sized WHERE k < 100 FOR UPDATE ;; FETCH 1 FROM c ;; UPDATE sized SET k = k WHERE CURRENT OF c
DECLARE c SCROLL CURSOR FOR SELECT id FROM sized WHERE k < 100 ORDER BY k ;; FETCH 1 FROM c ;; UPDATE sized SET k = k WHERE CURRENT OF c RETURNING id
\P s SELECT id FROM sized WHERE k < 100 ORDER BY k \B p s \E p 1 \S ;; UPDATE sized SET k = k WHERE CURRENT OF p
DECLARE c CURSOR FOR SELECT id, name FROM patients WHERE id < 9 ORDER BY id ;; FETCH 1 FROM c ;; UPDATE patients SET weight = 2 WHERE CURRENT OF c RETURNING id
DECLARE c CURSOR FOR SELECT id, name FROM patients WHERE id < 9 FOR UPDATE ;; FETCH 1 FROM c ;; UPDATE patients SET weight = 2 WHERE CURRENT OF c RETURNING id
-- family: settings that last
SELECT set_config('enable_seqscan', 'off', false) ;; SELECT id FROM sized WHERE k < 100
SELECT set_config($$enable_seqscan$$, 'off', true)
\P s SELECT set_config($1, $2, false) \B - s v=enable_seqscan,off \E - \S
\P s SELECT set_config('transaction_isolation', $1, true) \B - s v=serializable \E - \S
PREPARE p(text) AS SELECT set_config('enable_seqscan', $1, false) ;; EXECUTE p('off')
UPDATE pg_settings SET setting = 'off' WHERE name = 'enable_seqscan' ;; SELECT id FROM sized WHERE k < 100
RESET ALL ;; SELECT id FROM long_notes LIMIT 3
RESET synchronize_seqscans
SET synchronize_seqscans = on
SET LOCAL default_toast_compression = 'lz4'
SET row_security = off
SET debug_parallel_query = on
SET track_io_timing = on
SET log_statement_stats = on ;; SET client_min_messages = log
SET client_min_messages = debug1 ;; SELECT name FROM patients WHERE id = 1
SET trace_sort = on
-- family: copying in
COPY codes FROM STDIN (FORMAT csv, HEADER MATCH) <<< dx,descr\nzz,new
COPY checked(id, amount) FROM STDIN WHERE amount <> 3 <<< 90\t3
COPY checked FROM STDIN <<< 90\t1\t1
COPY account FROM STDIN <<< AQanary1\t77
COPY account FROM STDIN (ON_ERROR ignore) <<< AQanary1\t77\nzz\tx
COPY account FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 1) <<< zz\tx\nzy\ty
COPY account FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY silent) <<< zz\tx
COPY account FROM STDIN (ON_ERROR set_null) <<< zz\tx
COPY ledger(id, amount) FROM STDIN <<< 90\tx
COPY codes FROM STDIN (FORMAT csv, FORCE_NULL (dx)) <<< "",x
COPY codes FROM STDIN (FORMAT binary) <<< x
COPY watched FROM STDIN <<< 1\t1
COPY ruled FROM STDIN <<< 1\t1
COPY v_instead FROM STDIN <<< 1\t1
COPY v_check(id, weight) FROM STDIN <<< 901\t1
COPY guarded(id) FROM STDIN <<< 901
COPY fenced(id, x) FROM STDIN <<< 901\t1
COPY spans(id, what) FROM STDIN <<< [90,91)\tx
COPY codes FROM STDIN (FREEZE) <<< zz\tnew
COPY moving(id, at) FROM STDIN <<< 90\t15
\Q COPY codes FROM STDIN \d zz\tnew\n \f no more
\P - COPY codes FROM STDIN \B - - \E - \d zz\tnew\n \s \c \S
\P - COPY codes FROM STDIN \B - - \E - \s \d zz\tnew\n \c \S
\P - COPY codes FROM STDIN \B - - \E - \H \d broken\n \c \S \Q SELECT 1
\Q COPY account(n) FROM STDIN \c
\c \Q SELECT name FROM patients WHERE id = 1
\f x \Q SELECT name FROM patients WHERE id = 1
\d x \Q SELECT name FROM patients WHERE id = 1
COPY (SELECT name FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, FORCE_QUOTE (name), HEADER MATCH)
COPY (SELECT name, id FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, FORCE_QUOTE (id))
COPY (SELECT name, id FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, QUOTE '[', ESCAPE ']')
COPY (SELECT name, id FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, DELIMITER '[')
COPY (SELECT name, id FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, DELIMITER 'A')
COPY (SELECT name, id FROM patients WHERE id < 4) TO STDOUT (NULL 'NAME', DELIMITER 'E')
COPY (SELECT id, name FROM patients WHERE id < 12 ORDER BY id) TO STDOUT (NULL E'\t')
COPY (SELECT id, name FROM patients WHERE id < 12 ORDER BY id) TO STDOUT (NULL '')
COPY (SELECT id, name FROM patients WHERE id < 12 ORDER BY id) TO STDOUT (FORMAT csv, NULL '')
COPY patients TO STDOUT (FORMAT json)
COPY BINARY patients (name) TO STDOUT
COPY patients (name) TO STDOUT WITH BINARY
COPY patients (name) TO STDOUT USING DELIMITERS '|'
COPY (SELECT FROM patients WHERE id < 4) TO STDOUT
COPY (SELECT NULL, name FROM patients WHERE id < 4) TO STDOUT
COPY (VALUES (1, (SELECT name FROM patients WHERE id = 1))) TO STDOUT
COPY (TABLE m_pat) TO STDOUT CSV HEADER
COPY (SELECT E'a\nb', name FROM patients WHERE id < 3) TO STDOUT
COPY (SELECT E'a\n"b', name, E'\r' FROM patients WHERE id < 3) TO STDOUT CSV
COPY (SELECT '\.', name FROM patients WHERE id < 3) TO STDOUT CSV
COPY (SELECT repeat('x', 70000), name FROM patients WHERE id < 3) TO STDOUT
-- family: messages again
\P s SELECT id, name, dob, weight FROM patients WHERE id < 4 ORDER BY id \B p s r=1,0,1,0 \DP p \E p 1 \E p 0 \S
\P s SELECT id, name FROM patients WHERE id < 4 ORDER BY id \B p s r=0,1,0 \E p \S
\P s SELECT id, name FROM patients WHERE id < 4 ORDER BY id \B p s r=0,0,0,0,1 \E p \S
\P s SELECT id FROM patients WHERE id = $1 \B p s v=7,8 \E p \S
\P s SELECT id FROM patients WHERE id = $1 \B p s v=NULL \E p \S
\P s SELECT id, name FROM patients WHERE id = $1 \B p s v=7 f=1 \E p \S
\P s SELECT id, name FROM patients WHERE id = $1 \B p s v=7 f=0,0 \E p \S
\P s SELECT 1 \CS s \P s SELECT id, name FROM patients WHERE id < 3 \B p s \E p \S
\P s SELECT 1 \P s SELECT name FROM patients WHERE id = 1 \B p s \E p \S \B p s \E p \S
\P - SELECT dx FROM codes ORDER BY dx \B p - \P - SELECT name FROM patients ORDER BY id \E p 2 \B q - \E q 2 \E p 2 \S
\P s SELECT dx FROM codes ORDER BY dx \B p s \CS s \E p 1 \P s SELECT name FROM patients ORDER BY id \E p 1 \B p s \S \E p 1 \S
\P s SELECT name FROM patients ORDER BY id \B p s \CP p \B p s \E p 2 \CP p \E p \S
\P s SELECT dx FROM codes ORDER BY dx \B p s \E p 1 \CP p \P t SELECT name AS dx FROM patients ORDER BY id \B p t \E p 2 \S
\P s SELECT dx FROM codes ORDER BY dx \B p s \Q CLOSE p \E p 1 \S
\P s SELECT dx FROM codes \S ;; DEALLOCATE s ;; PREPARE s AS SELECT name AS dx FROM patients ;; \B - s \DP - \E - 2 \S
PREPARE s AS SELECT dx FROM codes ;; DEALLOCATE s; PREPARE s AS SELECT name FROM patients WHERE id < 4 ;; \B - s \E - \S ;; EXECUTE s
PREPARE s AS SELECT dx FROM codes; DEALLOCATE s; PREPARE s AS SELECT name FROM patients WHERE id < 4; EXECUTE s
BEGIN; PREPARE s AS SELECT dx FROM codes; SELECT 1/0 ;; ROLLBACK ;; EXECUTE s
PREPARE s AS SELECT name FROM patients WHERE id < 3 ;; SELECT 1/0 ;; ROLLBACK ;; EXECUTE s
\P s SELECT name FROM patients WHERE id < 3 \P t SELECT 1/0 \B - t \E - \B - s \E - \S \B - s \E - \S
\P s SELECT name FROM patients WHERE id < 3 \P t SELECT nosuch \B - s \E - \S ;; ROLLBACK ;; \B - s \E - \S
\P s SELECT name FROM patients WHERE id < 3 \P t SELECT id FROM patients WHERE ssn > '2' \B - s \E - \S ;; ROLLBACK ;; \B - s \E - \S
\P - SELECT dx FROM codes ORDER BY dx LIMIT 1 \S \P - SELECT nosuch \S \B - - \E - \S
\P - SELECT dx FROM codes ORDER BY dx LIMIT 1 \P - SELECT id FROM patients WHERE name > 'N' \S \B - - \E - \S
\P s SELECT dx FROM codes \B p s \E p 1 \S ;; FETCH 1 FROM p ;; MOVE 1 IN p ;; \E p 1 \DP p \S
\P s SELECT name FROM patients ORDER BY id \B p s r=1 \E p 1 \S ;; FETCH 1 FROM p ;; MOVE ALL IN p ;; FETCH ALL FROM p
\P s UPDATE patients SET weight = 3 WHERE id < 5 RETURNING name, id \B p s \E p 1 \E p 1 \E p 0 \S
\P s DELETE FROM staff WHERE id < 4 RETURNING * \B p s r=1 \E p 2 \DP p \E p \S
\P s WITH u AS (UPDATE patients SET weight = 3 WHERE id < 5 RETURNING name, id) SELECT * FROM u \B p s \E p 2 \E p \S
\P s SELECT name FROM patients WHERE id < 4 \B p s \S \E p \S
COMMIT ;; \P s SELECT name FROM patients WHERE id < 4 \B p s \S \E p \S
COMMIT ;; \P s SELECT name FROM patients WHERE id < 4 \B p s \E p 1 \S \E p 1 \S
COMMIT ;; \P s BEGIN \B - s \E - \P t SELECT name FROM patients WHERE id < 4 \B p t \E p 1 \S \E p 1 \S ;; COMMIT ;; \E p 1 \S
\P s SAVEPOINT a \B - s \E - \P t SELECT name FROM patients WHERE id < 4 \B p t \E p 1 \P u ROLLBACK TO a \B - u \E - \E p 1 \S
\P s DECLARE c CURSOR FOR SELECT name FROM patients WHERE id < 9 \B - s \E - \DP c \E c 2 \P f FETCH 2 FROM c \DS f \B q f r=1 \DP q \E q \S
\P s DECLARE c BINARY CURSOR FOR SELECT id, dob, name FROM patients WHERE id < 9 \B - s \E - \E c 2 \S ;; FETCH 2 c ;; \P f FETCH 2 FROM c \B q f r=0 \DP q \E q \S
\P f FETCH 2 FROM c \DS f \S
DECLARE c CURSOR FOR SELECT name FROM patients WHERE id < 9 ;; \P f FETCH 2 FROM c \B q f \S ;; CLOSE c ;; DECLARE c CURSOR FOR SELECT dx, descr FROM codes ;; \E q \S
DECLARE c CURSOR FOR SELECT dx FROM codes ;; \P f FETCH 2 FROM c \B q f \S ;; CLOSE c; DECLARE c CURSOR FOR SELECT name FROM patients ;; \E q \S
DECLARE c CURSOR FOR SELECT dx FROM codes ;; \P f FETCH 2 FROM c \S ;; CLOSE c; DECLARE c CURSOR FOR SELECT name FROM patients ;; \B q f \DP q \E q \S
PREPARE s AS SELECT dx FROM codes ;; \P e EXECUTE s \B q e \S ;; DEALLOCATE s; PREPARE s AS SELECT name FROM patients ;; \E q \S
PREPARE s AS SELECT dx FROM codes ;; \P e EXECUTE s \DS e \S ;; DEALLOCATE s; PREPARE s AS SELECT name FROM patients ;; \B q e \DP q \E q 3 \S
PREPARE s AS SELECT dx FROM codes; PREPARE s2 AS SELECT name FROM patients WHERE id < 3 ;; EXECUTE s; EXECUTE s2; EXECUTE s
PREPARE s AS SELECT name FROM patients WHERE id < 3 ;; PREPARE t AS EXECUTE s
\P a PREPARE s AS SELECT name FROM patients WHERE id < 3 \B - a \E - \P b EXECUTE s \B - b \E - \S
\P a PREPARE s AS SELECT dx FROM codes \B - a \E - \P b DEALLOCATE ALL \B - b \E - \P c PREPARE s AS SELECT name FROM patients WHERE id < 3 \B - c \E - \P d EXECUTE s \B - d \E - \S
EXECUTE s ;; ROLLBACK ;; DECLARE s CURSOR FOR SELECT name FROM patients ;; FETCH s
DECLARE c CURSOR WITH HOLD FOR SELECT dx FROM codes ;; COMMIT ;; CLOSE c ;; BEGIN ;; DECLARE c CURSOR FOR SELECT name FROM patients ORDER BY id ;; FETCH 2 c ;; \E c 2 \S
DECLARE c CURSOR WITH HOLD FOR SELECT name FROM patients ORDER BY id ;; COMMIT ;; \DP c \E c 2 \S ;; FETCH 1 c ;; MOVE 3 c ;; \E c 1 \CP c \S ;; FETCH c
DECLARE c CURSOR WITH HOLD FOR SELECT name FROM patients ORDER BY id ;; ROLLBACK ;; FETCH c
SAVEPOINT a ;; DECLARE c CURSOR FOR SELECT name FROM patients ORDER BY id ;; ROLLBACK TO a ;; FETCH c
DECLARE c CURSOR FOR SELECT dx FROM codes ;; SAVEPOINT a ;; CLOSE c ;; DECLARE c CURSOR FOR SELECT name FROM patients ;; ROLLBACK TO a ;; FETCH c
DECLARE c CURSOR FOR SELECT dx FROM codes ;; SAVEPOINT a ;; CLOSE c ;; ROLLBACK TO a ;; DECLARE c CURSOR FOR SELECT name FROM patients ;; FETCH 2 c
CLOSE ALL; DECLARE c CURSOR FOR SELECT name FROM patients WHERE id < 9; FETCH 2 c; MOVE 1 c; FETCH ALL c
DECLARE c CURSOR FOR SELECT name FROM patients WHERE id < 9; SELECT 1/0 ;; FETCH c ;; ROLLBACK ;; FETCH c
EXPLAIN EXECUTE s ;; ROLLBACK ;; PREPARE s AS SELECT name FROM patients ;; EXPLAIN ANALYZE EXECUTE s ;; CREATE TABLE mine AS EXECUTE s
EXPLAIN CREATE TABLE mine AS SELECT name FROM patients
EXPLAIN DECLARE c CURSOR FOR SELECT name FROM patients
EXPLAIN CREATE MATERIALIZED VIEW mine AS SELECT name FROM patients
EXPLAIN REFRESH MATERIALIZED VIEW m_pat
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DECLARE c CURSOR FOR SELECT name FROM patients
-- family: joined entries
INSERT INTO summed VALUES (90, 'x', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g))
INSERT INTO summed(id, x) VALUES (90, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g))
UPDATE summed SET x = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g) WHERE id = 1
UPDATE summed SET note = (SELECT '~' || string_agg(md5(g::text), '') FROM generate_series(1, 140) g) WHERE id = 1
INSERT INTO summed VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET x = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g)
MERGE INTO summed s USING (VALUES (1)) v(i) ON s.id = v.i WHEN MATCHED THEN UPDATE SET x = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g)
COPY summed(id, x) FROM STDIN <<< 90\tshort
INSERT INTO bounded VALUES (90, 1, textrange('a', (SELECT 'd' || string_agg(md5(g::text), '') FROM generate_series(1, 150) g)))
INSERT INTO bounded(id, x) VALUES (90, 1)
UPDATE bounded SET span = textrange('a', (SELECT 'd' || string_agg(md5(g::text), '') FROM generate_series(1, 150) g)) WHERE id = 1
UPDATE bounded SET x = 5
DELETE FROM bounded WHERE id = 1
INSERT INTO forked SELECT 90 + n, 1, textrange('a' || n, (SELECT 'd' || string_agg(md5(g::text), '') FROM generate_series(1, 150) g)) FROM generate_series(1, 9) n
INSERT INTO forked(id, x) VALUES (90, 1)
UPDATE forked SET x = 5 WHERE id = 1
INSERT INTO branching SELECT 90 + n, 1, 'Qanary' || n || (SELECT string_agg(md5(g::text || n), '') FROM generate_series(1, 100) g) FROM generate_series(1, 90) n
INSERT INTO branching(id, x) VALUES (90, 1)
INSERT INTO words VALUES (90, 1, '{w1}', ARRAY[(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 80) g)])
INSERT INTO words(id, open) VALUES (90, ARRAY[(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 80) g)])
UPDATE words SET open = ARRAY['a', 'b'] WHERE id = 1
UPDATE words SET x = 6
INSERT INTO hashed VALUES (90, 1, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 140) g))
UPDATE hashed SET x = 6
UPDATE hashed SET note = 'x' WHERE id = 3
INSERT INTO days VALUES (90, 1, '[2001-01-01,2001-02-01)', '2001-01-01', 'x')
INSERT INTO days(id, x) VALUES (90, 1)
UPDATE days SET x = 7
UPDATE days SET at = '2002-01-01' WHERE id = 2
-- family: explained
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM codes ORDER BY dx
EXPLAIN (ANALYZE, WAL, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO codes VALUES ('zz', 'new')
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM root WHERE id = 6
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE root SET id = 90 WHERE id = 6
EXPLAIN (VERBOSE) SELECT relname FROM pg_class
EXPLAIN SELECT relname FROM pg_class c JOIN pg_stats s ON s.tablename = c.relname
EXPLAIN SELECT * FROM pg_stats
EXPLAIN SELECT * FROM codes, generate_series(1, (SELECT count(*) FROM pg_class))
-- family: sizes of public values
UPDATE encounters SET dept = repeat('x', 1800) WHERE id = 3 ;; SELECT pg_column_size(dept) FROM encounters WHERE id = 3
UPDATE sized SET k = 1 WHERE id = 3 ;; SELECT pg_column_size(k), pg_column_compression(k::text) FROM sized WHERE id = 3
INSERT INTO codes SELECT 'zz', repeat('x', 3000) ;; SELECT pg_column_size(descr), pg_column_compression(descr) FROM codes WHERE dx = 'zz'
SELECT octet_length(dept), bit_length(dept) FROM encounters WHERE id = 3
-- family: two sessions
UPDATE patients SET weight = 2 WHERE id = 1 ;; 2& UPDATE patients SET weight = 3 WHERE id = 1 ;; ROLLBACK ;; 2?
2> BEGIN ISOLATION LEVEL REPEATABLE READ ;; 2> SELECT weight FROM patients WHERE id = 1 ;; UPDATE patients SET weight = 2 WHERE id = 1 ;; COMMIT ;; 2> UPDATE patients SET weight = 4 WHERE id = 1 RETURNING name
INSERT INTO lowered VALUES (90, 'Qanary3') ;; 2& INSERT INTO lowered VALUES (91, 'QANARY3') ;; ROLLBACK ;; 2?
2> SET lock_timeout = '100ms' ;; SELECT id FROM patients WHERE id = 1 FOR UPDATE ;; 2> SELECT name FROM patients WHERE id = 1 FOR SHARE
2> SET lock_timeout = '100ms' ;; UPDATE patients SET name = 'Qanary1' WHERE id = 1 ;; 2> SELECT id FROM patients WHERE id = 1 FOR KEY SHARE
2> SET lock_timeout = '100ms' ;; UPDATE account SET mrn = 'AQanary1' WHERE n = 1 ;; 2> INSERT INTO ledger VALUES (90, 'AQanary1', 1)
2> SET lock_timeout = '100ms' ;; UPDATE patients SET email = 'x' WHERE id = 1 ;; 2> INSERT INTO encounters(id, patient_id) VALUES (9001, 1)
2> SET lock_timeout = '100ms' ;; UPDATE patients SET ssn = '101-11-0007' WHERE id = 1 ;; 2> INSERT INTO encounters(id, patient_id) VALUES (9001, 1)
SELECT id FROM patients WHERE id < 4 FOR UPDATE ;; 2> SELECT id FROM patients WHERE id < 9 ORDER BY id FOR UPDATE SKIP LOCKED
SELECT id FROM patients WHERE id < 4 FOR UPDATE ;; 2> SELECT name FROM patients WHERE id < 9 ORDER BY id FOR UPDATE NOWAIT
2> LISTEN c ;; 2> BEGIN ;; NOTIFY c, 'x' ;; COMMIT ;; 2> COMMIT
PREPARE s AS SELECT dx FROM codes ;; 2> EXECUTE s ;; 2> PREPARE s AS SELECT name FROM patients ;; EXECUTE s ;; 2> EXECUTE s
DECLARE c CURSOR FOR SELECT dx FROM codes ;; 2> BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; FETCH 2 c ;; FETCH 2 c ;; 2> FETCH 2 c
2> SELECT pid, mode FROM pg_locks WHERE relation = 'patients'::regclass ;; UPDATE patients SET weight = 1 WHERE id = 3 ;; 2> SELECT count(*) FROM pg_locks WHERE locktype = 'tuple'
SELECT pg_export_snapshot() IS NULL ;; 2> SET TRANSACTION SNAPSHOT '00000003-0000001B-1'
2> SELECT state, wait_event_type FROM pg_stat_activity WHERE datname = 'twin_one' ORDER BY 1, 2
INSERT INTO visits(what) VALUES ('x') ;; 2> INSERT INTO visits(what) VALUES ('y') RETURNING id ;; SELECT max(id) FROM visits
2> BEGIN; UPDATE patients SET weight = 9 WHERE id = 2 ;; UPDATE patients SET weight = 9 WHERE id = 1 ;; 2& UPDATE patients SET weight = 8 WHERE id = 1 ;; UPDATE patients SET weight = 8 WHERE id = 2 ;; 2?
-- family: at the end
SET CONSTRAINTS ALL DEFERRED ;; UPDATE cover_late SET grade = 'Qanary9' WHERE id = 1 ;; SET CONSTRAINTS ALL IMMEDIATE
INSERT INTO cover_late VALUES (90, 1, 'Qanary1') ;; COMMIT
INSERT INTO cover_late VALUES (90, 1, NULL) ;; COMMIT
\P s INSERT INTO cover_late VALUES (90, 1, 'Qanary1') \B - s \E - \S \P t COMMIT \B - t \E - \S
COMMIT ;; \P s INSERT INTO cover_late VALUES (90, 1, 'Qanary1') \B - s \E - \S
COMMIT ;; \P s INSERT INTO account VALUES ('AQanary1', 90) \B - s \E - \P t SELECT name FROM patients WHERE id = 1 \B - t \E - \S
PREPARE TRANSACTION 'mine' ;; SELECT name FROM patients WHERE id = 1
COMMIT AND CHAIN ;; SELECT name FROM patients WHERE id = 1 ;; ROLLBACK AND CHAIN ;; SELECT name FROM patients WHERE id = 2
SAVEPOINT a ;; INSERT INTO numbered(id) VALUES (90) ;; ROLLBACK TO a ;; SELECT lastval()
SAVEPOINT a ;; SELECT nextval('counter') FROM patients WHERE name > 'N' ;; ROLLBACK TO a ;; SELECT nextval('counter')
SAVEPOINT a ;; SELECT id FROM patients WHERE ssn > '2' ;; RELEASE a ;; SELECT name FROM patients WHERE id = 1
-- family: made and read back
COMMIT ;; CREATE VIEW mine AS SELECT id, weight FROM patients WHERE weight > 60 ;; SELECT count(*) FROM mine ;; 2> SELECT count(*) FROM mine ;; DROP VIEW mine
COMMIT ;; CREATE VIEW mine AS SELECT id, name AS weight FROM patients ;; 2> SELECT weight || '' FROM mine ORDER BY id LIMIT 3 ;; DROP VIEW mine
COMMIT ;; CREATE TABLE mine AS SELECT id, name FROM patients ;; 2> SELECT name || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, name text) ;; INSERT INTO mine SELECT id, name FROM patients ;; 2> SELECT name || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, n text DEFAULT (SELECT 1)) ;; DROP TABLE mine
COMMIT ;; CREATE TABLE yours (id int, descr text) ;; CREATE RULE r AS ON INSERT TO yours DO ALSO INSERT INTO codes SELECT name, 'x' FROM patients WHERE id = 1 ;; INSERT INTO yours VALUES (1, 'x') ;; DROP TABLE yours ;; SELECT dx FROM codes ORDER BY dx
COMMIT ;; CREATE TABLE yours (id int, descr text) ;; CREATE POLICY p ON yours USING (EXISTS (SELECT FROM patients WHERE name > 'R')) ;; ALTER TABLE yours ENABLE ROW LEVEL SECURITY ;; ALTER TABLE yours FORCE ROW LEVEL SECURITY ;; INSERT INTO yours VALUES (1, 'x') ;; DROP TABLE yours
-- family: called by definitions
COMMIT ;; CREATE TABLE mine (id int, n text DEFAULT name_of(1)) ;; INSERT INTO mine(id) VALUES (1) RETURNING n || '' ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, n text DEFAULT name_of(1)) ;; INSERT INTO mine DEFAULT VALUES RETURNING n || '' ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, n text DEFAULT name_of(1)) ;; INSERT INTO mine VALUES (1, 'x') ;; UPDATE mine SET n = DEFAULT RETURNING n || '' ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, n text DEFAULT upper(peek())) ;; COPY mine(id) FROM STDIN <<< 1 ;; SELECT n || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int, n text) ;; ALTER TABLE mine ALTER n SET DEFAULT peek() ;; INSERT INTO mine VALUES (1, DEFAULT) ;; SELECT n || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int) ;; ALTER TABLE mine ADD COLUMN n text DEFAULT peek() ;; INSERT INTO mine VALUES (1) ;; SELECT n || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE TABLE mine (id int) ;; INSERT INTO mine VALUES (1) ;; ALTER TABLE mine ADD COLUMN n text DEFAULT peek() ;; SELECT n || '' FROM mine ;; DROP TABLE mine
COMMIT ;; CREATE DOMAIN mine AS text DEFAULT peek() ;; CREATE TABLE yours (id int, n mine) ;; INSERT INTO yours(id) VALUES (1) RETURNING n || '' ;; DROP TABLE yours ;; DROP DOMAIN mine
COMMIT ;; CREATE TABLE mine (id int CHECK (id < length(peek()))) ;; INSERT INTO mine VALUES (12) ;; DROP TABLE mine
COMMIT ;; CREATE DOMAIN mine AS int CHECK (value < length(peek())) ;; CREATE TABLE yours (id mine) ;; INSERT INTO yours VALUES (12) ;; DROP TABLE yours ;; DROP DOMAIN mine
COMMIT ;; CREATE DOMAIN mine AS int CHECK (value < length(peek())) ;; SELECT 12::mine ;; DROP DOMAIN mine
COMMIT ;; CREATE DOMAIN mine AS int CHECK (value < length(peek())) ;; CREATE TABLE yours (id int, d mine[]) ;; INSERT INTO yours VALUES (1, '{12}') ;; DROP TABLE yours ;; DROP DOMAIN mine
COMMIT ;; CREATE FUNCTION mine(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ssn FROM public.patients WHERE id = $1' ;; CREATE TABLE yours (id int, n text GENERATED ALWAYS AS (mine(id)) STORED) ;; INSERT INTO yours VALUES (1) RETURNING n || '' ;; DROP TABLE yours ;; DROP FUNCTION mine
COMMIT ;; CREATE FUNCTION mine(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT length(ssn) FROM public.patients WHERE id = $1' ;; CREATE TABLE yours (id int, n int) PARTITION BY RANGE (mine(id)) ;; CREATE TABLE yours_a PARTITION OF yours FOR VALUES FROM (1) TO (12) ;; INSERT INTO yours VALUES (1, 1) ;; DROP TABLE yours ;; DROP FUNCTION mine
COMMIT ;; CREATE TABLE yours (id int, n text) ;; INSERT INTO yours VALUES (1, 'x') ;; CREATE POLICY p ON yours USING (length(peek()) < 12) ;; ALTER TABLE yours ENABLE ROW LEVEL SECURITY ;; ALTER TABLE yours FORCE ROW LEVEL SECURITY ;; SELECT count(*) FROM yours ;; DROP TABLE yours
COMMIT ;; CREATE TABLE yours (id int, n text) ;; CREATE POLICY p ON yours WITH CHECK (length(peek()) < 12) ;; ALTER TABLE yours ENABLE ROW LEVEL SECURITY ;; ALTER TABLE yours FORCE ROW LEVEL SECURITY ;; INSERT INTO yours VALUES (1, 'x') ;; DROP TABLE yours
COMMIT ;; CREATE TABLE yours (id int, n text, CHECK (n === peek())) ;; INSERT INTO yours VALUES (1, '101-11-0007') ;; DROP TABLE yours
COMMIT ;; CREATE TABLE yours (id int, n text) ;; CREATE TRIGGER t BEFORE INSERT ON yours FOR EACH ROW WHEN (length(peek()) < 12) EXECUTE FUNCTION suppress_redundant_updates_trigger() ;; INSERT INTO yours VALUES (1, 'x') ;; DROP TABLE yours
INSERT INTO prefilled(id) VALUES (90) RETURNING code || ''
INSERT INTO prefilled VALUES (90, DEFAULT) ;; SELECT code || '' FROM prefilled WHERE id = 90
COPY prefilled(id) FROM STDIN <<< 90
MERGE INTO prefilled p USING (VALUES (90)) v(i) ON p.id = v.i WHEN NOT MATCHED THEN INSERT (id) VALUES (v.i)
INSERT INTO limited VALUES (90, 12)
INSERT INTO limited VALUES (90, 12) ON CONFLICT DO NOTHING
COPY limited FROM STDIN <<< 90\t12
DELETE FROM limited WHERE id = 1
-- family: definitions
COMMIT ;; CREATE VIEW mine AS SELECT id, name FROM patients ;; CREATE TRIGGER t INSTEAD OF UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION loud() ;; UPDATE mine SET id = id WHERE id = 1 ;; DROP VIEW mine
COMMIT ;; CREATE VIEW mine AS SELECT id, weight FROM patients WHERE name > 'R' WITH CHECK OPTION ;; UPDATE mine SET weight = 1 WHERE id = 3 ;; DROP VIEW mine
COMMIT ;; CREATE VIEW mine AS SELECT id, weight, name AS n FROM patients ;; CREATE VIEW yours AS SELECT id FROM mine WHERE n > 'R' ;; SELECT count(*) FROM yours ;; DROP VIEW yours ;; DROP VIEW mine
COMMIT ;; CREATE VIEW mine(a) AS SELECT name FROM patients ;; 2> COPY mine TO STDOUT ;; 2> COPY (SELECT a FROM mine) TO STDOUT CSV ;; DROP VIEW mine
COMMIT ;; CREATE TABLE mine (n text) ;; INSERT INTO mine SELECT dx FROM codes ;; CREATE VIEW yours AS SELECT n FROM mine UNION ALL SELECT name FROM patients ;; 2> SELECT n || '' FROM yours ;; DROP VIEW yours ;; DROP TABLE mine
COMMIT ;; CREATE VIEW mine AS SELECT id, name FROM patients ;; CREATE RULE r AS ON INSERT TO mine DO INSTEAD INSERT INTO codes VALUES (new.name, 'x') ;; INSERT INTO mine SELECT id, name FROM patients WHERE id = 1 ;; DROP VIEW mine
COMMIT ;; CREATE VIEW mine AS SELECT id, sex FROM patients ;; ALTER VIEW mine ALTER COLUMN sex SET DEFAULT peek() ;; DROP VIEW mine
COMMIT ;; CREATE FUNCTION mine() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM patients WHERE id = 1; END ;; SELECT mine() ;; DROP FUNCTION mine
COMMIT ;; CREATE STATISTICS mine ON (length(name)), id FROM owned ;; DROP STATISTICS mine
-- family: names that change while a statement waits
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; SELECT name || '' FROM mine LIMIT 2 ;; 2> BEGIN; DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 1& SELECT name || '' FROM mine LIMIT 2 ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; SELECT count(*) FROM mine WHERE name > 'R' ;; 2> BEGIN; DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 1& SELECT count(*) FROM mine WHERE name > 'R' ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; PREPARE p AS SELECT name || '' FROM mine LIMIT 2 ;; EXECUTE p ;; 2> BEGIN; DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 1& EXECUTE p ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; \P s SELECT name || '' FROM mine LIMIT 2 \B p s \DP p \E p \S ;; 2> BEGIN; DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 1& \B p s \DP p \E p \S ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; COPY (SELECT name FROM mine LIMIT 2) TO STDOUT ;; 2> BEGIN; DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 1& COPY (SELECT name FROM mine LIMIT 2) TO STDOUT ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; 2> LOCK TABLE codes IN ACCESS EXCLUSIVE MODE ;; SELECT name || '' FROM mine LIMIT 2 ;; 2> BEGIN; LOCK TABLE mine IN ACCESS EXCLUSIVE MODE ;; 1& SELECT name || '' FROM mine LIMIT 2 ;; 2> DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine ;; 2> COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
COMMIT ;; CREATE VIEW mine AS SELECT length(dx) AS id, dx AS name FROM codes ;; SELECT name || '' FROM mine LIMIT 2 ;; 2> BEGIN; LOCK TABLE mine IN ACCESS EXCLUSIVE MODE ;; 1& SELECT name || '' FROM mine LIMIT 2 ;; 2> DROP VIEW mine; ALTER VIEW owned_view RENAME TO mine; COMMIT ;; 1? ;; ALTER VIEW mine RENAME TO owned_view
