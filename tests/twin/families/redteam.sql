-- What a reviewer who knows PostgreSQL well tries besides; families of MASKING.md and PROTOCOLS A21.
-- family: stats
SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'patients'
UPDATE patients SET weight = weight + 1 WHERE id < 50 ;; SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'patients'
UPDATE patients SET weight = weight + 1 WHERE id < 50 ;; SELECT pg_stat_get_xact_tuples_hot_updated('patients'::regclass)
SELECT pg_current_wal_insert_lsn() ;; UPDATE patients SET weight = 1 WHERE id = 1 ;; SELECT pg_current_wal_insert_lsn()
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') > 0
SELECT wal_bytes, wal_records FROM pg_stat_wal
SELECT heap_blks_hit + heap_blks_read FROM pg_statio_user_tables WHERE relname = 'patients'
SELECT toast_blks_hit, tidx_blks_hit FROM pg_statio_all_tables WHERE relname = 'patients'
SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_all_tables WHERE relname = 'indexed'
SELECT idx_tup_read, idx_tup_fetch FROM pg_stat_user_indexes WHERE relname = 'patients'
SELECT blks_hit, tup_returned, temp_bytes FROM pg_stat_database WHERE datname = current_database()
SELECT used_bytes, total_bytes FROM pg_backend_memory_contexts ORDER BY total_bytes DESC LIMIT 3
SELECT locktype, page, tuple FROM pg_locks WHERE relation = 'patients'::regclass
SELECT hits, reads FROM pg_stat_io LIMIT 3
SELECT blks_zeroed FROM pg_stat_slru
SELECT (pg_mcv_list_items(stxdmcv)).* FROM pg_statistic_ext_data
SELECT most_common_vals FROM pg_stats_ext
SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'patients'
SELECT stavalues1::text FROM pg_statistic WHERE starelid = 'patients'::regclass
SELECT reltuples FROM pg_class WHERE relname = 'indexed_some'
SELECT relname FROM pg_class WHERE relpages > 3 AND relnamespace = 'public'::regnamespace
SELECT relname FROM pg_class WHERE pg_relation_size(oid) > 20000 AND relnamespace = 'public'::regnamespace
SELECT c.relname, pg_size_pretty(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relname = 'kinds'
SELECT pg_relation_size('patients', 'fsm'), pg_relation_size('patients', 'vm')
SELECT pg_size_bytes(pg_size_pretty(pg_table_size('long_notes')))
SELECT sum(pg_column_size(p.*)) FROM patients p
SELECT pg_column_compression(note), pg_column_size(note) FROM long_notes WHERE id = 3
SELECT pg_column_toast_chunk_id(s_varchar) FROM kinds
SELECT * FROM pg_stat_progress_copy
SELECT pg_stat_get_live_tuples('patients'::regclass)
SELECT pg_stat_get_blocks_fetched('patients'::regclass)
SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()
SELECT statement FROM pg_prepared_statements
SELECT pg_stat_reset_single_table_counters('patients'::regclass)
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL ORDER BY 1, 2
SELECT ctid > '(0,50)' FROM patients WHERE id = 150
SELECT (ctid::text::point)[0] FROM patients WHERE id = 150
SELECT count(DISTINCT (ctid::text::point)[0]) FROM long_notes
SELECT id FROM long_notes WHERE ctid < '(1,0)'
SELECT min(ctid) FROM patients WHERE id > 60
SELECT xmin = xmax FROM patients WHERE id = 1
-- family: orders
UPDATE patients SET sex = sex WHERE id = 5 ;; SELECT id FROM patients ORDER BY id LIMIT 3
SELECT id FROM patients ORDER BY sex, (SELECT name), id LIMIT 4
SELECT id FROM patients ORDER BY array_position(ARRAY['Name5', 'Name7'], name), id LIMIT 2
SELECT id FROM patients ORDER BY CASE sex WHEN 'F' THEN ssn ELSE mrn END LIMIT 3
SELECT id FROM patients ORDER BY sex FETCH FIRST (SELECT count(name) - 180 FROM patients) ROWS WITH TIES
SELECT id FROM patients ORDER BY random() * length(name) LIMIT 1
SELECT id FROM patients ORDER BY name::"char", id LIMIT 5
SELECT id FROM patients ORDER BY to_jsonb(patients) LIMIT 3
SELECT id FROM patients ORDER BY patients LIMIT 3
SELECT id FROM patients p ORDER BY (p).ssn LIMIT 3
SELECT id FROM patients ORDER BY notes -> 'phone', id LIMIT 3
SELECT id FROM kinds ORDER BY s_int4range, id
SELECT id FROM kinds ORDER BY s_multirange DESC NULLS LAST
SELECT id FROM kinds ORDER BY s_mood, s_tag
SELECT id FROM kinds ORDER BY s_contact
SELECT id FROM kinds ORDER BY s_point <-> point(0, 0), id
SELECT array_agg(id ORDER BY name) FROM patients WHERE id < 9
SELECT string_agg(dept, ',' ORDER BY note) FROM encounters WHERE id < 9
SELECT json_agg(id ORDER BY ssn DESC) FROM patients WHERE id < 5
SELECT jsonb_object_agg(id, sex ORDER BY name) FROM patients WHERE id < 5
SELECT xmlagg(xmlelement(name a, id) ORDER BY name) FROM patients WHERE id < 5
SELECT (array_agg(id ORDER BY length(name), id))[1:3] FROM patients
SELECT mode() WITHIN GROUP (ORDER BY name) FROM patients
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY length(name)) FROM patients
SELECT percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY length(name)) FROM patients
SELECT rank('N') WITHIN GROUP (ORDER BY name) FROM patients
SELECT dense_rank('Name5', 3) WITHIN GROUP (ORDER BY name, id) FROM patients
SELECT cume_dist(5) WITHIN GROUP (ORDER BY length(name)) FROM patients
SELECT percent_rank('2') WITHIN GROUP (ORDER BY ssn) FROM patients
SELECT DISTINCT ON (sex) id FROM patients ORDER BY sex, name DESC
SELECT DISTINCT ON (length(name)) id FROM patients ORDER BY length(name), id
SELECT DISTINCT id > 100, name IS NULL FROM patients
SELECT id FROM patients WHERE id < 30 ORDER BY name COLLATE "POSIX" DESC
WITH s AS MATERIALIZED (SELECT id FROM patients ORDER BY mrn) SELECT id FROM s LIMIT 2
SELECT a.id FROM (SELECT id FROM patients ORDER BY ssn LIMIT 5) a ORDER BY a.id
SELECT (SELECT id FROM patients ORDER BY email LIMIT 1)
SELECT u FROM unnest(ARRAY(SELECT id FROM patients ORDER BY name)) WITH ORDINALITY x(u, n) WHERE n < 4
-- family: frames
SELECT id, count(*) OVER (ORDER BY length(name) RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM patients WHERE id < 9
SELECT id, sum(id) OVER (ORDER BY dob RANGE BETWEEN '10 days' PRECEDING AND CURRENT ROW) FROM patients WHERE id < 9
SELECT id, first_value(id) OVER (ORDER BY name GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM patients WHERE id < 9
SELECT id, nth_value(id, 2) OVER (PARTITION BY name IS NULL ORDER BY id) FROM patients WHERE id < 12
SELECT id, lag(id, length(name)) OVER (ORDER BY id) FROM patients WHERE id < 30
SELECT id, lead(id, 1, length(name)) OVER (ORDER BY id DESC) FROM patients WHERE id < 3
SELECT id, ntile(length(name)) OVER (ORDER BY id) FROM patients WHERE id < 9
SELECT id, count(*) FILTER (WHERE name > 'N') OVER (ORDER BY id) FROM patients WHERE id < 9
SELECT id, count(*) OVER w FROM patients WHERE id < 9 WINDOW w AS (ORDER BY id ROWS (length('ab')) PRECEDING)
SELECT id, last_value(name) OVER (ORDER BY id), last_value(id) OVER (ORDER BY sex, name) FROM patients WHERE id < 9
SELECT id FROM (SELECT id, row_number() OVER (ORDER BY ssn) r FROM patients) x WHERE r = 1
SELECT id, bool_or(name > 'N') OVER (ORDER BY id ROWS 1 PRECEDING) FROM patients WHERE id < 5
SELECT id, count(name) OVER () FROM patients WHERE id < 3
SELECT id, sum(weight) OVER (PARTITION BY zip) FROM patients WHERE id < 9
-- family: ranges
SELECT id FROM kinds WHERE s_int4range && int4range(1, 20)
SELECT isempty(s_int4range), lower_inf(s_int4range), upper(s_daterange) FROM kinds
SELECT s_int4range + int4range(1, 5) FROM kinds
SELECT s_int4range - int4range(4, 5) FROM kinds
SELECT range_merge(s_int4range, int4range(0, 1)) FROM kinds
SELECT range_merge(s_multirange), s_multirange * int4multirange(int4range(2, 9)) FROM kinds
SELECT unnest(s_multirange) FROM kinds WHERE id = 4
SELECT int4range(id, s_int4) FROM kinds
SELECT daterange(s_date, date '2000-01-01', '[]') FROM kinds
SELECT int4multirange(s_int4range, int4range(5, 9)) FROM kinds
SELECT count(*) FROM kinds WHERE upper(s_daterange) - lower(s_daterange) > 4
SELECT range_agg(s_int4range) FROM kinds
SELECT range_intersect_agg(s_int4range) FROM kinds
SELECT id FROM kinds WHERE s_int4range -|- int4range(40, 50)
SELECT during FROM booked WHERE id = 1 ;; SELECT id FROM booked WHERE during @> 12
INSERT INTO booked VALUES (9, '[12,13)', 'x')
INSERT INTO booked VALUES (9, '[12,13)', 'x') ON CONFLICT DO NOTHING
UPDATE booked SET during = '[0,1000)' WHERE id = 1
-- family: documents
SELECT jsonb_path_query(notes, '$.phone') FROM patients WHERE id < 4
SELECT jsonb_path_exists(notes, '$ ? (@.n > 3)'), id FROM patients WHERE id < 9
SELECT jsonb_path_query_first(notes, 'strict $.phone') FROM patients WHERE id < 9
SELECT id FROM patients WHERE notes @? '$.phone'
SELECT id FROM patients WHERE notes @@ '$.n > 100'
SELECT k FROM patients, jsonb_object_keys(notes) k WHERE id < 4
SELECT k, v FROM patients, jsonb_each_text(notes) e(k, v) WHERE id < 4
SELECT jsonb_array_length(notes) FROM patients WHERE id = 1
SELECT x.phone FROM patients, jsonb_to_record(notes) x(phone text) WHERE id < 3
SELECT jsonb_set(notes, '{phone}', '1'), jsonb_insert(notes, '{a}', '2') FROM patients WHERE id < 3
SELECT notes - 'phone', notes #- '{n}', notes || '{"a": 1}' FROM patients WHERE id < 5
SELECT notes::text::int FROM patients WHERE id = 2
SELECT (notes)::int FROM patients WHERE id = 2
SELECT id, notes IS JSON OBJECT FROM patients WHERE id < 5
SELECT notes ->> 'n' IS NULL, notes -> 'n' -> 0 FROM patients WHERE id < 5
SELECT jsonb_typeof(notes), id FROM patients WHERE id < 5
SELECT t.* FROM patients, JSON_TABLE(notes, '$' COLUMNS (phone text PATH '$.phone')) t WHERE id < 4
SELECT JSON_VALUE(notes, '$.phone' DEFAULT 'none' ON ERROR) FROM patients WHERE id < 4
SELECT JSON_EXISTS(notes, '$.phone'), id FROM patients WHERE id < 4
SELECT JSON_QUERY(notes, '$.phone' WITH WRAPPER) FROM patients WHERE id < 4
SELECT JSON_OBJECT('k': name, 'v': id ABSENT ON NULL WITH UNIQUE KEYS) FROM patients WHERE id < 4
SELECT JSON_ARRAY(name, ssn NULL ON NULL) FROM patients WHERE id < 4
SELECT x.a FROM patients, XMLTABLE('/r' PASSING xmlelement(name r, name) COLUMNS a text PATH '.') x WHERE id < 4
SELECT xpath('/a/text()', xmlelement(name a, name)) FROM patients WHERE id < 4
SELECT xmlforest(name, ssn AS s), xmlconcat(xmlelement(name b, id), xmlcomment('x')) FROM patients WHERE id < 4
SELECT xmlpi(name php, name) FROM patients WHERE id < 4
SELECT xmlelement(name x, xmlattributes(ssn AS a)) IS DOCUMENT FROM patients WHERE id < 4
SELECT xmlserialize(DOCUMENT xmlelement(name x, name) AS text INDENT) FROM patients WHERE id < 4
SELECT xmlparse(CONTENT name) FROM patients WHERE id < 9
SELECT query_to_xml('SELECT ssn FROM patients', true, false, '')
SELECT table_to_xml('patients', false, false, '')
SELECT xml_is_well_formed(name), id FROM patients WHERE id < 9
SELECT ts_headline('simple', name, to_tsquery('simple', 'name1')) FROM patients WHERE id < 4
SELECT ts_rank(to_tsvector('simple', name), to_tsquery('simple', 'qanary')) FROM patients WHERE id < 4
SELECT word FROM ts_stat('SELECT to_tsvector(name) FROM patients')
SELECT ts_rewrite('a'::tsquery, 'SELECT s_tsquery, s_tsquery FROM kinds')
SELECT (ts_parse('default', name)).token FROM patients WHERE id < 3
SELECT ts_lexize('simple', name) FROM patients WHERE id < 3
SELECT alias, token FROM patients, ts_debug('simple', name) WHERE id < 3
SELECT lexeme FROM kinds, unnest(s_tsvector) WHERE id = 4
SELECT s_tsvector || s_tsvector, strip(s_tsvector), setweight(s_tsvector, 'A') FROM kinds
SELECT numnode(s_tsquery), querytree(s_tsquery), s_tsquery && s_tsquery FROM kinds
SELECT levenshtein(name, 'Name1'), soundex(name), similarity(name, 'x') FROM patients WHERE id < 3
SELECT lo_get(99001)
SELECT convert_from(lo_get(99001, 0, 6), 'UTF8')
SELECT lo_open(99001, 262144) ;; SELECT loread(0, 10)
SELECT lo_lseek64(lo_open(99001, 262144), 0, 2)
SELECT length(data) FROM pg_largeobject WHERE loid = 99001
SELECT lo_put(99001, 0, 'x')
SELECT lo_unlink(99001)
-- family: writes
MERGE INTO patients p USING (VALUES (1)) v(x) ON p.id = v.x WHEN MATCHED THEN UPDATE SET weight = 1 RETURNING p.ssn, merge_action()
MERGE INTO codes c USING patients p ON c.dx = p.name WHEN MATCHED THEN DELETE
MERGE INTO codes c USING (SELECT 'E1' d) s ON c.dx = s.d WHEN MATCHED AND EXISTS (SELECT 1 FROM patients WHERE ssn < '2') THEN DELETE
MERGE INTO patients p USING (VALUES (1)) v(x) ON p.id = v.x WHEN MATCHED AND p.name > 'N' THEN DO NOTHING WHEN MATCHED THEN DELETE
MERGE INTO patients p USING (VALUES (999)) v(x) ON p.ssn = '101-11-0007' WHEN NOT MATCHED THEN INSERT (id) VALUES (999)
MERGE INTO patients p USING (VALUES (1)) v(x) ON p.id = v.x WHEN NOT MATCHED BY SOURCE AND p.name > 'N' THEN DELETE
INSERT INTO patients(id, ssn) VALUES (901, '101-11-0007') ON CONFLICT (ssn) DO NOTHING
INSERT INTO patients(id, ssn) VALUES (901, '101-11-0007') ON CONFLICT ON CONSTRAINT patients_ssn_key DO UPDATE SET weight = 0 RETURNING id
INSERT INTO patients(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET weight = 0 WHERE patients.name > 'N' RETURNING id
INSERT INTO patients(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET weight = length(patients.name) RETURNING weight
INSERT INTO lowered VALUES (90, 'QANARY3')
INSERT INTO partly VALUES (90, 'Qanary1', true)
INSERT INTO ledger VALUES (90, 'AQanary1', 1)
INSERT INTO leaf VALUES (90, 12)
DELETE FROM account WHERE n = 5
DELETE FROM branch WHERE id = 5
UPDATE account SET n = 7 WHERE n = 1 RETURNING mrn
UPDATE root SET id = id + 100
DELETE FROM root
UPDATE twig SET root_id = NULL WHERE id = 1
UPDATE checked SET amount = 5001 WHERE id = 1
UPDATE patients SET weight = CASE WHEN name > 'N' THEN 1 ELSE 2 END WHERE id = 1 RETURNING weight
UPDATE patients SET weight = (SELECT count(*) FROM patients q WHERE q.name > patients.name) WHERE id = 1 RETURNING weight
UPDATE patients SET (sex, weight) = (SELECT left(name, 1), 1 FROM patients q WHERE q.id = patients.id) WHERE id = 1
UPDATE codes SET descr = p.name FROM patients p WHERE p.id = 1 AND dx = 'E1' RETURNING descr
UPDATE patients SET name = ssn WHERE id = 1 RETURNING name
UPDATE patients SET ssn = name, name = ssn WHERE id = 1
UPDATE patients SET ssn = '101-11-0008' WHERE id = 1
UPDATE patients SET dob = NULL WHERE id < 4 RETURNING id, dob
DELETE FROM encounters USING patients p WHERE p.id = patient_id AND p.name > 'N' RETURNING encounters.id
DELETE FROM staff RETURNING *
WITH d AS (DELETE FROM staff WHERE name > 'E' RETURNING id) SELECT count(*) FROM d
WITH u AS (UPDATE patients SET weight = 0 WHERE id < 4 RETURNING id, name) SELECT * FROM u ORDER BY name
WITH i AS (INSERT INTO codes SELECT name, 'x' FROM patients WHERE id = 1 RETURNING dx) SELECT length(dx) FROM i
INSERT INTO visits(what) SELECT name FROM patients WHERE id = 1 ;; SELECT what FROM visits ORDER BY id DESC LIMIT 1
INSERT INTO visits(what) SELECT 'x' FROM patients WHERE name > 'N' ;; SELECT count(*) FROM visits
INSERT INTO visits SELECT length(name), 'x' FROM patients WHERE id = 1
SELECT setval('counter', length(name)) FROM patients WHERE id = 1 ;; SELECT nextval('counter')
SELECT nextval('counter') FROM patients WHERE name > 'N' LIMIT 1 ;; SELECT last_value FROM counter
SELECT last_value, is_called FROM visits_id_seq
UPDATE v_pat SET s = 'x' WHERE id = 1 RETURNING n
INSERT INTO v_star(id, ssn) VALUES (950, '101-11-0007')
INSERT INTO watched VALUES (5, 5)
INSERT INTO ruled VALUES (5, 5)
DELETE FROM origin WHERE id = 2
UPDATE v_instead SET weight = 3 WHERE id = 1
SET CONSTRAINTS ALL DEFERRED ;; INSERT INTO ledger VALUES (91, 'AQanary2', 1) ;; SET CONSTRAINTS ALL IMMEDIATE
SAVEPOINT a ;; INSERT INTO account VALUES ('AQanary3', 77) ;; ROLLBACK TO a ;; SELECT 1
INSERT INTO owned_wards VALUES (1, 'a') RETURNING tableoid
UPDATE fenced SET x = pin WHERE id = 1
UPDATE fenced SET x = 101 WHERE id BETWEEN 1 AND 5 RETURNING x
COPY patients (id, ssn) FROM STDIN <<< 950\t101-11-0007
COPY lowered FROM STDIN <<< 95\tQANARY4
COPY visits (what) FROM STDIN WHERE what > (SELECT max(name) FROM patients) <<< zz
-- family: cursors
DECLARE c CURSOR FOR SELECT id FROM patients ORDER BY name ;; FETCH 3 FROM c
DECLARE c SCROLL CURSOR FOR SELECT ssn, id FROM patients ORDER BY id ;; MOVE 5 IN c ;; FETCH BACKWARD 2 FROM c ;; FETCH ABSOLUTE 1 FROM c
DECLARE c CURSOR WITH HOLD FOR SELECT name, id FROM patients WHERE id < 4 ORDER BY id ;; COMMIT ;; FETCH ALL FROM c ;; CLOSE c
DECLARE c BINARY CURSOR FOR SELECT dob, weight FROM patients WHERE id < 4 ORDER BY id ;; FETCH ALL FROM c
DECLARE c INSENSITIVE CURSOR FOR SELECT ssn FROM patients WHERE id = 1 ;; UPDATE patients SET weight = 0 WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id, name FROM patients WHERE id < 3 ORDER BY id FOR UPDATE ;; FETCH c ;; DELETE FROM patients WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM patients WHERE name > 'N' ;; MOVE ALL IN c
DECLARE "naïve;--" CURSOR FOR SELECT ssn FROM patients WHERE id = 2 ;; FETCH ALL FROM "naïve;--"
PREPARE p(text) AS SELECT id FROM patients WHERE ssn = $1 ;; EXECUTE p('101-11-0007')
PREPARE p AS SELECT $1::text FROM patients WHERE id = $2 ;; EXECUTE p('x', 1)
PREPARE p(patients) AS SELECT ($1).ssn ;; EXECUTE p((SELECT p FROM patients p WHERE id = 1))
PREPARE p(int) AS SELECT name, $1 / (id - 1) FROM patients WHERE id < 3 ;; EXECUTE p(1)
PREPARE p(regclass) AS SELECT $1::text, ssn FROM patients WHERE id = 1 ;; EXECUTE p('patients')
PREPARE p(unknown) AS SELECT $1 || name FROM patients WHERE id = 1 ;; EXECUTE p('x')
PREPARE p(short) AS SELECT $1, ssn FROM patients WHERE id = 1 ;; EXECUTE p('toolongtext')
PREPARE p(int) AS SELECT ssn FROM patients WHERE id = $1 ;; EXECUTE p(length((SELECT name FROM patients WHERE id = 1)))
PREPARE p AS SELECT ssn FROM patients WHERE id = 1 ;; DEALLOCATE p ;; PREPARE p AS SELECT 'public' AS ssn ;; EXECUTE p
PREPARE p AS SELECT 'a' ;; DEALLOCATE ALL ;; PREPARE p AS SELECT ssn FROM patients WHERE id = 3 ;; EXECUTE p
PREPARE p AS DELETE FROM staff WHERE id = 1 RETURNING name ;; EXECUTE p
PREPARE p AS VALUES ((SELECT name FROM patients WHERE id = 1)) ;; EXECUTE p
CREATE TABLE x AS EXECUTE nothing
-- family: settings
SET bytea_output = 'escape' ;; SELECT name::bytea, s_bytea FROM patients, kinds WHERE patients.id = 1 AND kinds.id = 4
SET extra_float_digits = -15 ;; SELECT s_float8, s_float4, s_float8::text FROM kinds
SET datestyle = 'German, DMY' ;; SELECT dob, dob::text, s_timestamptz FROM patients, kinds WHERE patients.id = 3 AND kinds.id = 5
SET intervalstyle = 'iso_8601' ;; SELECT s_interval, s_interval::text FROM kinds
SET lc_monetary = 'C' ;; SELECT s_money, s_money::text FROM kinds
SET xmloption = 'document' ;; SELECT name::xml FROM patients WHERE id = 1
SET client_min_messages = 'debug5' ;; SELECT name FROM patients WHERE id = 1
SET client_min_messages = 'notice' ;; SELECT boom(name) FROM patients WHERE id = 1
SET log_statement_stats = on ;; SELECT 1
SET debug_print_plan = on ;; SELECT id FROM patients WHERE id = 1
SET row_security = off ;; SELECT id FROM guarded
SET session_replication_role = 'replica' ;; INSERT INTO leaf VALUES (91, 4)
SET default_text_search_config = 'simple' ;; SELECT to_tsvector(name) FROM patients WHERE id = 1
SET search_path = other, public ;; SELECT ssn FROM patients WHERE id = 1
SET LOCAL search_path = pg_temp ;; SELECT 1
SET array_nulls = off ;; SELECT '{NULL}'::text[], s_texts FROM kinds
SET transform_null_equals = on ;; SELECT id FROM patients WHERE name = NULL
SET plan_cache_mode = 'force_generic_plan' ;; PREPARE p(int) AS SELECT name FROM patients WHERE id = $1 ;; EXECUTE p(1)
SET work_mem = '64kB' ;; SELECT sex, count(*) FROM patients GROUP BY sex
SET temp_file_limit = '10kB' ;; SELECT p.id FROM patients p, long_notes l ORDER BY l.note
SET max_stack_depth = '100kB' ;; SELECT notes FROM patients WHERE id = 1
SET statement_timeout = '1ms' ;; SELECT count(*) FROM long_notes WHERE note > 'n'
SET parallel_setup_cost = 0 ;; SELECT id FROM patients LIMIT 1
SET application_name = 'x' ;; SELECT current_setting('application_name'), ssn FROM patients WHERE id = 1
SET my.own = 'x' ;; SELECT set_config('my.own', ssn, false) FROM patients WHERE id = 1 ;; SELECT current_setting('my.own')
SET TIME ZONE 'Foo+25' ;; SELECT s_timestamptz FROM kinds
SET timezone TO DEFAULT ;; SELECT s_timestamptz AT TIME ZONE 'UTC' FROM kinds
SET allow_system_table_mods = on ;; SELECT 1
SET backslash_quote = on ;; SELECT ssn FROM patients WHERE id = 1
SET escape_string_warning = off ;; SELECT name FROM patients WHERE name = '\\'
ALTER ROLE agent SET enable_seqscan = off
ALTER DATABASE twin_one SET enable_seqscan = off
LISTEN twin ;; SELECT pg_notify('twin', name) FROM patients WHERE id = 1
NOTIFY twin, 'x'
SELECT pg_notification_queue_usage()
SELECT pg_advisory_lock(hashtext(name)) FROM patients WHERE id = 1
SELECT pg_try_advisory_xact_lock(length(name)) FROM patients WHERE id < 3 ;; SELECT objid FROM pg_locks WHERE locktype = 'advisory'
SELECT pg_sleep(length(name)::float8 / 1000) FROM patients WHERE id = 1
SELECT pg_cancel_backend(length(name)) FROM patients WHERE id = 1
SELECT pg_export_snapshot() IS NULL
SELECT txid_current_if_assigned() IS NULL
-- family: spelling
SELECT U&"\0073sn" FROM patients WHERE id = 1
SELECT U&"d!0061t" FROM (SELECT name AS "dat" FROM patients WHERE id = 1) x
SELECT U&"s!0073n" UESCAPE '!' FROM patients WHERE id = 1
SELECT "patients"."ssn" FROM "public"."patients" WHERE id = 1
SELECT public.patients.ssn FROM public.patients WHERE id = 1
SELECT twin_one.public.patients.ssn FROM twin_one.public.patients WHERE id = 1
SELECT patients.* FROM patients WHERE id = 1
SELECT (SELECT p.*) FROM patients p WHERE id = 1
SELECT (p.*)::text, p::text FROM patients p WHERE id = 1
SELECT ROW(p.*) FROM patients p WHERE id = 1
SELECT p IS NULL, p IS NOT NULL, ROW(p.*) IS NULL FROM patients p WHERE id < 12
SELECT (p.*) IS DISTINCT FROM (q.*) FROM patients p, patients q WHERE p.id = 1 AND q.id = 2
SELECT p = q FROM patients p, patients q WHERE p.id = 1 AND q.id = 2
SELECT p *= q FROM patients p, patients q WHERE p.id = 1 AND q.id = 1
SELECT p.upper FROM (SELECT name FROM patients WHERE id = 1) n, LATERAL upper(n.name) p(upper)
SELECT name(p), p.name FROM patients p WHERE id = 1
SELECT (patients).nick FROM patients WHERE id = 1
SELECT nick FROM (SELECT patients.nick FROM patients WHERE id = 1) x
SELECT E'\x27', ssn FROM patients WHERE id = 1
SELECT $tag$ FROM codes $tag$, ssn FROM patients WHERE id = 1
SELECT/**/ssn/**/FROM/**/patients/* -- */WHERE/**/id=1
SELECT ssn --, id
SELECT ssn FROM patients WHERE id = 1;--'
SELECT id AS ssn, ssn AS id FROM patients WHERE patients.id = 1
SELECT sex AS "ssn", ssn AS "sex" FROM patients WHERE id = 1
SELECT a.weight FROM patients a(id, weight) WHERE a.id = 1
SELECT w FROM (TABLE patients) AS t(a, w, c) WHERE a = 1
SELECT t.dept FROM (SELECT id, note AS dept FROM encounters) t WHERE id = 1
SELECT id FROM patients AS codes(id, dx) WHERE dx < '2'
SELECT dx FROM (SELECT ssn FROM patients WHERE id < 3) AS codes(dx)
WITH codes(dx) AS (SELECT ssn FROM patients WHERE id < 3) SELECT dx FROM codes
WITH patients AS (SELECT 1 AS id, 'x' AS ssn) SELECT ssn FROM public.patients WHERE id = 1
WITH RECURSIVE t(n, s) AS (SELECT 1, ssn FROM patients WHERE id = 1 UNION SELECT n + 1, s FROM t WHERE n < 3) SELECT n FROM t
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < (SELECT length(name) FROM patients WHERE id = 1)) SELECT count(*) FROM t
WITH RECURSIVE t(id) AS (SELECT 1 UNION ALL SELECT p.id FROM t JOIN patients p ON p.name > 'N' AND p.id = t.id + 1) CYCLE id SET c USING path SELECT id FROM t
WITH RECURSIVE t(id, name) AS (SELECT id, name FROM patients WHERE id < 4 UNION ALL SELECT id, name FROM t WHERE false) SEARCH BREADTH FIRST BY name SET o SELECT id, o FROM t ORDER BY o
SELECT name OPERATOR(pg_catalog.||) '' FROM patients WHERE id = 1
SELECT ssn === ssn FROM patients WHERE id = 1
SELECT glue(name) FROM patients
SELECT count(name) FROM patients
SELECT public.count(name) FROM patients WHERE id = 1
SELECT other.upper('x')
SELECT name::contact FROM patients WHERE id = 1
SELECT (to_contact(name)).phone FROM patients WHERE id = 1
SELECT peek(), name_of(1), atomic()
SELECT (everyone()).ssn LIMIT 1
SELECT e.ssn FROM everyone() e WHERE e.id = 1
-- family: failing
SELECT CASE WHEN name > 'N' THEN 1/0 ELSE 1 END FROM patients WHERE id = 1
SELECT CASE WHEN id > 0 THEN 1 ELSE 1 / (length(name) - 5) END FROM patients WHERE id = 1
SELECT id / (CASE WHEN name > 'N' THEN 0 ELSE 1 END) FROM patients WHERE id = 1
SELECT substr(name, 1, id - 5) FROM patients WHERE id = 2
SELECT split_part(name, 'a', id - 11) FROM patients WHERE id = 11
SELECT overlay(name placing 'x' from id - 11) FROM patients WHERE id = 11
SELECT chr(id - 11) || name FROM patients WHERE id = 11
SELECT make_date(2000, length(name), 1) FROM patients WHERE id < 30
SELECT to_date(name, 'YYYY') FROM patients WHERE id = 1
SELECT to_char(s_numeric, '999'), to_number(ssn, '999') FROM kinds, patients WHERE kinds.id = 1 AND patients.id = 1
SELECT name LIKE '%\' FROM patients WHERE id = 1
SELECT name LIKE 'Name1\' FROM patients WHERE id = 1
SELECT 'x' LIKE name ESCAPE '\' FROM patients WHERE id = 1
SELECT name SIMILAR TO 'Name#' ESCAPE '##' FROM patients WHERE id = 1
SELECT name ~ ('(' || left(name, 0)) FROM patients WHERE id = 11
SELECT regexp_replace('a', name, 'b') FROM patients WHERE id = 3
SELECT regexp_count(name, 'a'), regexp_instr(name, 'q') FROM patients WHERE id < 3
SELECT (regexp_match(name, 'Q'))[1] FROM patients WHERE id < 3
SELECT regexp_split_to_table(name, 'a') FROM patients WHERE id = 1
SELECT string_to_table(name, 'a') FROM patients WHERE id = 1
SELECT string_to_array(name, NULL) FROM patients WHERE id = 1
SELECT array_length(string_to_array(name, 'a'), 1) FROM patients WHERE id = 1
SELECT (string_to_array(name, 'a'))[2], (string_to_array(name, 'a'))[1:2] FROM patients WHERE id = 1
SELECT s_ints || 5, s_ints || s_ints, array_prepend(1, s_ints) FROM kinds
SELECT array_position(s_ints, 4), array_remove(s_ints, 4), trim_array(s_ints, 1) FROM kinds
SELECT ARRAY[s_ints, '{1}'::int[]] FROM kinds WHERE id < 3
SELECT array_shuffle(s_ints), array_sample(s_ints, 1) FROM kinds WHERE id < 3
SELECT array_sort(s_texts), array_reverse(s_ints) FROM kinds WHERE id < 3
SELECT s_ints[s_int2], s_ints[1:s_int2] FROM kinds
SELECT width_bucket(s_numeric, 0, 10, 5), width_bucket(s_int4, ARRAY[1, 5]) FROM kinds
SELECT power(s_float8, 2), exp(s_float8), ln(s_float8), sqrt(s_float8) FROM kinds WHERE id > 4
SELECT s_float4 * 10, s_float8 / 0.5, s_float8::real FROM kinds
SELECT s_int2 + 1::int2, s_int8 - 1, s_int4 * s_int4 FROM kinds WHERE id > 3
SELECT gcd(s_int4, 2), lcm(s_int4, 7), factorial(s_int8) FROM kinds WHERE id = 4
SELECT round(s_numeric, 1000), trunc(s_numeric, -5), scale(s_numeric), trim_scale(s_numeric) FROM kinds
SELECT s_numeric::numeric(3, 1) FROM kinds
SELECT s_money / 0, s_money * 2, s_money::numeric FROM kinds WHERE id = 4
SELECT s_bit & B'00000001', s_bit << 1, ~s_bit, s_varbit || B'1' FROM kinds
SELECT s_varbit & B'10' FROM kinds
SELECT get_bit(s_bytea, 3), get_byte(s_bytea, 0), set_byte(s_bytea, 0, 1) FROM kinds WHERE id > 3
SELECT encode(s_bytea, 'escape'), decode(label, 'base64'), convert_from(s_bytea, 'UTF8') FROM kinds
SELECT s_bytea || '\x00', substr(s_bytea, 1, 2), position('\x71' in s_bytea) FROM kinds
SELECT s_inet + 5, s_inet - '10.0.0.1', s_inet & '255.0.0.0', broadcast(s_inet), set_masklen(s_inet, 8) FROM kinds
SELECT host(s_inet), family(s_inet), abbrev(s_cidr), inet_merge(s_inet, '10.0.0.0') FROM kinds
SELECT s_macaddr & '08:00:2b:00:00:00', trunc(s_macaddr), s_macaddr::macaddr8 FROM kinds
SELECT s_date + s_interval, s_timestamp + s_interval, s_time + s_interval FROM kinds
SELECT age(s_timestamp), age(s_timestamp, s_timestamp), date_trunc('year', s_timestamptz) FROM kinds
SELECT extract(epoch FROM s_timestamp), extract(julian FROM s_date), date_part('year', s_interval) FROM kinds
SELECT s_date - date '2000-01-01', s_timestamp::date, s_timestamptz::timestamp, s_time::interval FROM kinds
SELECT date_bin('1 day', s_timestamp, '2000-01-01'), justify_interval(s_interval), -s_interval FROM kinds
SELECT make_interval(days => s_int4), make_time(s_int2, 0, 0), to_timestamp(s_float8) FROM kinds WHERE id > 3
SELECT (s_date, s_date) OVERLAPS (date '2000-01-01', date '2001-01-01') FROM kinds
SELECT s_mood < 'ok', enum_range(s_mood, NULL), enum_first(s_mood), s_mood::text::mood FROM kinds
SELECT s_text::mood, s_text::int, s_text::uuid FROM kinds WHERE id = 4
SELECT s_positive::positive, s_int4::positive, (s_int4 - 5000)::positive FROM kinds
SELECT s_tag::short, s_varchar::varchar(2), s_bpchar::bpchar(1), s_text::name FROM kinds
SELECT s_oid::regclass, s_regclass::oid, s_regclass::text FROM kinds
SELECT s_lsn + 1, s_lsn - '0/0', s_lsn > '0/1' FROM kinds
SELECT s_jsonpath::text, jsonb_path_query('{"a": 1}', s_jsonpath) FROM kinds WHERE id > 3
SELECT s_json -> 'qanary', json_typeof(s_json), json_array_length(s_json) FROM kinds WHERE id > 3
SELECT s_uuid::text, uuid_extract_version(s_uuid), s_uuid < gen_random_uuid() IS NULL FROM kinds
SELECT s_point[0], s_box ## s_point, area(s_box), s_path + s_path, npoints(s_path) FROM kinds
SELECT circle(s_point, 1), polygon(s_box), diagonal(s_box), s_point / s_point FROM kinds
SELECT cardinality(s_contacts), (s_contacts[1]).phone, s_contact = ROW('a', 'b')::contact FROM kinds
SELECT s_contact::text, ROW(s_contact), (s_contact).*, s_contact IS NULL FROM kinds
SELECT pg_input_is_valid(name, 'integer'), pg_input_error_info(name, 'integer') FROM patients WHERE id = 1
SELECT normalize(name), is_normalized(name), unistr(name), name IS NFC NORMALIZED FROM patients WHERE id < 8
SELECT to_ascii(name), to_hex(length(name)), quote_literal(name), format('%I', name) FROM patients WHERE id < 8
SELECT convert_to(name, 'LATIN1') FROM patients WHERE id < 8
SELECT crypt(name, 'x'), digest(name, 'md5'), crc32(name::bytea), hashtext(name) FROM patients WHERE id < 3
SELECT xmin FROM patients WHERE (SELECT count(*) FROM patients q WHERE q.name < patients.name) = 1
SELECT (SELECT id FROM patients WHERE name > 'N' AND id < 30)
SELECT (SELECT 1 FROM patients q WHERE q.id = p.id AND 1 / (q.id - 1) > 0) FROM patients p WHERE p.name > 'N' AND p.id < 3
SELECT id FROM patients WHERE id < 5 AND 1 / (id - 5) < 0 ;; SELECT 1
SELECT count(*) FROM patients WHERE (id = 1 OR 1/0 > 0) AND name IS NOT NULL
SELECT name FROM patients WHERE id = 1 UNION SELECT 'x' ORDER BY 1
SELECT name FROM patients WHERE id < 3 INTERSECT ALL SELECT 'Name1'
SELECT id, name FROM patients WHERE id < 3 EXCEPT SELECT 1, 'Name1'
SELECT name FROM patients WHERE id = 1 UNION ALL SELECT id::text FROM patients WHERE id = 2
(SELECT id FROM patients ORDER BY ssn LIMIT 1) UNION ALL (SELECT id FROM patients WHERE id = 2)
SELECT GROUPING(name), count(*) FROM patients WHERE id < 5 GROUP BY ROLLUP (name)
SELECT sex, count(*) FROM patients GROUP BY sex, name HAVING count(*) > 1
SELECT sex FROM patients GROUP BY sex HAVING max(name) > 'N'
SELECT count(DISTINCT name), count(*) FROM patients
SELECT any_value(name), min(ssn) FROM patients
SELECT avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE name IS NOT NULL) >= 11
SELECT bit_xor(length(name)), every(name > 'N'), corr(length(name), id), regr_count(length(name), id) FROM patients
SELECT TABLESAMPLE.id FROM patients TABLESAMPLE SYSTEM (10) REPEATABLE (1)
SELECT id FROM patients TABLESAMPLE BERNOULLI (length('ab')) REPEATABLE (7) LIMIT 2
SELECT id FROM indexed TABLESAMPLE SYSTEM (1) REPEATABLE (3)
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, WAL, BUFFERS OFF) UPDATE patients SET weight = 1
EXPLAIN (GENERIC_PLAN) SELECT id FROM patients WHERE name = $1
EXPLAIN (ANALYZE, SERIALIZE TEXT, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT name FROM patients
EXPLAIN (FORMAT yaml, SETTINGS, MEMORY) SELECT id FROM patients
