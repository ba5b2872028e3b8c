-- What somebody tried who had not read the other files: constraints that look at what a write leaves
-- out, functions and clauses of PostgreSQL 16 to 18, inference by differences, state that outlives a
-- statement, and options of COPY and EXPLAIN.
-- family: unmentioned
INSERT INTO nulled(id) VALUES (90)
INSERT INTO nulled(id, x) VALUES (90, 1) ON CONFLICT DO NOTHING
INSERT INTO nulled(id) VALUES (90) ON CONFLICT (pin) DO NOTHING RETURNING id
INSERT INTO nulled(id, pin) VALUES (90, NULL)
INSERT INTO nulled(id, pin) VALUES (90, DEFAULT) ON CONFLICT DO NOTHING
INSERT INTO nulled(id) SELECT 90 + n FROM generate_series(1, 2) n ON CONFLICT DO NOTHING
MERGE INTO nulled t USING (VALUES (90)) v(i) ON t.id = v.i WHEN NOT MATCHED THEN INSERT (id) VALUES (v.i)
COPY nulled(id, x) FROM STDIN <<< 90\t1
UPDATE nulled SET x = 1
UPDATE nulled SET id = id + 100
UPDATE nulled SET id = 100, pin = DEFAULT WHERE id = 1
INSERT INTO blanked(id) VALUES (90)
INSERT INTO blanked(id, x) VALUES (90, 1) ON CONFLICT DO NOTHING RETURNING id
INSERT INTO blanked(id) VALUES (90) ON CONFLICT (coalesce(handle, '')) DO UPDATE SET x = 7 RETURNING id, x
MERGE INTO blanked t USING (VALUES (90)) v(i) ON t.id = v.i WHEN NOT MATCHED THEN INSERT (id) VALUES (v.i)
COPY blanked(id) FROM STDIN <<< 90
COPY blanked(id, x) FROM STDIN (FORMAT csv) <<< 90,1
UPDATE blanked SET x = 2 WHERE id = 3
INSERT INTO barred(id) VALUES (90)
INSERT INTO barred(id, x) VALUES (90, 2) ON CONFLICT DO NOTHING RETURNING x
COPY barred(id) FROM STDIN <<< 90
UPDATE barred SET x = 1 WHERE id = 1
INSERT INTO presets(id) VALUES (90)
INSERT INTO presets(id, x) VALUES (90, 1) ON CONFLICT DO NOTHING
INSERT INTO presets(id, code) VALUES (90, NULL)
INSERT INTO numbered(id) VALUES (90)
INSERT INTO numbered(id) VALUES (90) ON CONFLICT DO NOTHING RETURNING id
INSERT INTO numbered(id, no) VALUES (90, DEFAULT)
WITH i AS (INSERT INTO blanked(id) VALUES (90) ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM i
-- family: several keys
UPDATE cover SET plan = plan + 1 WHERE id = 1
UPDATE cover SET plan = plan + 1 WHERE id = 2 RETURNING id
UPDATE cover SET plan = 7
UPDATE cover SET plan = 3 WHERE id = 9
UPDATE cover SET plan = NULL WHERE id = 2
UPDATE cover SET x = 3 WHERE id = 2
INSERT INTO cover(id, plan) VALUES (90, 99)
INSERT INTO cover(id, plan, x) VALUES (91, 1, 4) RETURNING id
INSERT INTO cover VALUES (92, 1, 'Qanary1', 0)
UPDATE cover_full SET plan = NULL WHERE id = 1
UPDATE cover_full SET plan = plan + 1
UPDATE cover_late SET plan = 4 WHERE id = 3
UPDATE cover_late SET plan = 6 ;; SET CONSTRAINTS ALL IMMEDIATE
UPDATE cover_late SET plan = 6 ;; COMMIT
UPDATE tariff SET plan = plan + 10 WHERE plan = 2
UPDATE tariff SET plan = 100 WHERE plan = 3 RETURNING plan
UPDATE tariff SET x = 1 WHERE plan = 2
UPDATE tariff SET plan = plan + 10 WHERE plan > 6
DELETE FROM tariff WHERE plan = 6
DELETE FROM tariff WHERE plan = 7
DELETE FROM tariff WHERE plan = 1 ;; SET CONSTRAINTS ALL IMMEDIATE
MERGE INTO cover c USING (VALUES (1)) v(i) ON c.id = v.i WHEN MATCHED THEN UPDATE SET plan = c.plan + 1
INSERT INTO cover(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET plan = cover.plan + 1
UPDATE stays SET id = int4range(2, 3) WHERE no = 1
UPDATE stays SET id = NULL WHERE no = 1
UPDATE spans SET id = int4range(7, 8) WHERE id = int4range(2, 3)
DELETE FROM spans WHERE id = int4range(2, 3)
INSERT INTO stays(no, id) VALUES (90, int4range(77, 78))
INSERT INTO spans(id) VALUES (int4range(1, 2))
UPDATE spans SET what = 'y' WHERE id = int4range(2, 3)
-- family: sizes of rows
UPDATE packed SET fill = repeat('x', 120) WHERE id = 2
UPDATE packed SET x = 5, fill = rpad('', 100, 'y')
MERGE INTO packed p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET fill = repeat('z', 150)
INSERT INTO packed(id, fill) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET fill = repeat('z', 150)
UPDATE packed SET x = 4 RETURNING id
UPDATE wide SET fill = repeat('x', 23)
UPDATE wide SET x = 1 WHERE id = 1
INSERT INTO wide(id, fill) VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET fill = 'abcdefghijklmnopqrstuvw'
SELECT g FROM generate_series(1, 3000) g, patients WHERE patients.id = 5 ORDER BY g % 2 LIMIT 5
SELECT g, p.name FROM generate_series(1, 30000) g, patients p WHERE p.id = 5 ORDER BY g % 7 LIMIT 100000
SELECT string_agg(g::text, ',') FROM (SELECT g, n.note FROM generate_series(1, 9000) g, long_notes n WHERE n.id = 5 ORDER BY g % 7 OFFSET 0) x WHERE g < 50
SELECT n.id, n.note, m.id FROM long_notes n JOIN long_notes m USING (sex) WHERE m.id < 3 OFFSET 100 LIMIT 20
SELECT a.id, a.note, b.id FROM long_notes a JOIN long_notes b ON a.id = b.id LIMIT 30
SELECT g, p.name, row_number() OVER (PARTITION BY g % 3) FROM generate_series(1, 20000) g, patients p WHERE p.id = 4 LIMIT 40
SELECT g % 3, array_agg(g) FROM (SELECT g, n.note FROM generate_series(1, 9000) g, long_notes n WHERE n.id = 5 ORDER BY g % 7) x WHERE g < 90 GROUP BY 1
DECLARE c SCROLL CURSOR FOR SELECT g, n.note FROM generate_series(1, 20000) g, long_notes n WHERE n.id = 5 ;; FETCH LAST FROM c ;; FETCH FIRST FROM c
-- family: sixteen
SELECT any_value(name) FROM patients WHERE id = 1
SELECT sex, any_value(id ORDER BY name) FROM patients GROUP BY sex
SELECT any_value(id) FILTER (WHERE ssn > '2') FROM patients
SELECT array_sample(ARRAY[name, ssn], 1) FROM patients WHERE id = 2
SELECT array_shuffle(ARRAY(SELECT name FROM patients))
SELECT pg_input_is_valid(ssn, 'int4') FROM patients WHERE id < 4
SELECT pg_input_is_valid('1', name) FROM patients WHERE id = 1
SELECT (pg_input_error_info(dob::text, 'integer')).message FROM patients WHERE id = 4
SELECT i.sql_error_code FROM patients, pg_input_error_info(name, 'date') i WHERE id < 3
SELECT id FROM patients WHERE pg_input_is_valid(name, 'date')
SELECT random_normal(length(name)::float8) FROM patients WHERE id = 1
SELECT erf(length(name)::float8), erfc(weight::float8) FROM patients WHERE id < 3
SELECT date_add(dob::timestamptz, '1 day', 'UTC'), date_subtract(dob::timestamptz, '1 day') FROM patients WHERE id < 20
SELECT JSON_ARRAYAGG(name ORDER BY id) FROM patients WHERE id < 4
SELECT JSON_OBJECTAGG(id VALUE ssn) FROM patients WHERE id < 4
SELECT JSON_OBJECTAGG(coalesce(name, 'x') VALUE id WITH UNIQUE KEYS) FROM patients WHERE id < 30
SELECT JSON_OBJECT(name: 1) FROM patients WHERE id < 12
SELECT JSON_OBJECT(KEY 'a' VALUE notes FORMAT JSON) FROM patients WHERE id < 4
SELECT JSON_ARRAY(SELECT name FROM patients WHERE id < 4 ORDER BY id)
SELECT JSON_ARRAY(SELECT id FROM patients ORDER BY name LIMIT 3)
SELECT id FROM patients WHERE name IS JSON
SELECT id, name IS JSON VALUE WITH UNIQUE KEYS, notes IS JSON ARRAY FROM patients WHERE id < 9
SELECT name IS NOT JSON SCALAR FROM patients WHERE id < 9
SELECT 0x10 + length(name), 1_000 - id, 0b11 FROM patients WHERE id < 3
SELECT x.name FROM (SELECT name FROM patients WHERE id = 1), LATERAL (SELECT 1) x(name)
SELECT name FROM (SELECT name, id FROM patients) WHERE id < 4
SELECT id FROM (SELECT id, name FROM patients) WHERE name > 'N'
SELECT * FROM (TABLE patients) LIMIT 2
EXPLAIN (GENERIC_PLAN) SELECT name FROM patients WHERE id = $1
EXPLAIN (GENERIC_PLAN, VERBOSE) SELECT id FROM codes WHERE dx = $1
SELECT id FROM patients ORDER BY name COLLATE unicode LIMIT 3
SELECT name COLLATE ucs_basic < 'N' FROM patients WHERE id < 3
SELECT id FROM indexed WHERE id < 5 ORDER BY name COLLATE "pg_c_utf8"
SELECT SYSTEM_USER, name FROM patients WHERE id = 1
SELECT xmlserialize(CONTENT xmlelement(name a, xmlattributes(name AS n)) AS text NO INDENT) FROM patients WHERE id < 3
COPY codes(dx, descr) FROM STDIN (DEFAULT '\\D') <<< zz\tnew
COPY staff(id, name) FROM STDIN (DEFAULT '\\D', FORMAT csv) <<< 90,\\D
COPY patients FROM STDIN (DEFAULT '\\D') <<< 1\tx\tx\t2000-01-01\tx\tx\tF\t0\t{}\t1
-- family: seventeen
MERGE INTO patients p USING (VALUES (1), (999)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 1 WHEN NOT MATCHED THEN INSERT (id) VALUES (v.i) RETURNING merge_action(), p.name, v.i
MERGE INTO patients p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 2 RETURNING p.*
MERGE INTO v_open p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 3
MERGE INTO v_check p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 3
MERGE INTO encounters e USING (SELECT * FROM patients WHERE id < 5) p ON e.patient_id = p.id AND e.id < 9 WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN MATCHED THEN DO NOTHING
MERGE INTO encounters e USING (SELECT * FROM patients WHERE name < 'N') p ON e.patient_id = p.id WHEN NOT MATCHED BY SOURCE AND e.id < 20 THEN DELETE
WITH m AS (MERGE INTO patients p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED AND p.ssn > '2' THEN DELETE RETURNING p.id) SELECT count(*) FROM m
WITH m AS (MERGE INTO patients p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 9 RETURNING p.id, p.name) SELECT id FROM m WHERE name > 'N'
SELECT j.* FROM patients, JSON_TABLE(notes, '$.*' COLUMNS (n FOR ORDINALITY, v text PATH '$')) j WHERE id < 8
SELECT count(*) FROM patients, JSON_TABLE(notes, '$[*]' COLUMNS (v text PATH '$' ERROR ON ERROR)) j
SELECT j.n FROM patients, JSON_TABLE(notes, '$' COLUMNS (n int PATH '$.n' DEFAULT 7 ON EMPTY ERROR ON ERROR)) j WHERE id < 9
SELECT id, j.p FROM patients LEFT JOIN JSON_TABLE(notes, '$' COLUMNS (NESTED PATH '$.phone' COLUMNS (p text PATH '$'))) j ON true WHERE id < 9
SELECT j.e FROM patients p, JSON_TABLE(p.notes, 'strict $.phone' PASSING p.name AS n COLUMNS (e bool EXISTS PATH '$ ? (@ == $n)')) j WHERE p.id < 9
SELECT j.* FROM JSON_TABLE('[1,2,3]', '$[*] ? (@ < $x)' PASSING (SELECT length(name) FROM patients WHERE id = 1) AS x COLUMNS (v int PATH '$')) j
SELECT JSON_EXISTS(jsonb '{"a":[1,2]}', '$.a[*] ? (@ > $x)' PASSING length(name) AS x) FROM patients WHERE id < 9
SELECT JSON_VALUE(notes, '$.phone' RETURNING int ERROR ON ERROR) FROM patients WHERE id = 3
SELECT JSON_VALUE(notes, '$.phone' RETURNING int DEFAULT 1/0 ON ERROR) FROM patients WHERE id = 3
SELECT JSON_VALUE(notes, '$.n' RETURNING short NULL ON ERROR) FROM patients WHERE id < 9
SELECT JSON_QUERY(notes, '$.*' WITH CONDITIONAL WRAPPER OMIT QUOTES ON SCALAR STRING) FROM patients WHERE id < 9
SELECT JSON_QUERY(notes, '$.phone' ERROR ON EMPTY) FROM patients WHERE id < 9
SELECT JSON_SCALAR(name), JSON_SERIALIZE(JSON_OBJECT('n': ssn)), JSON('"' || id || '"') FROM patients WHERE id < 4
SELECT JSON(name) FROM patients WHERE id < 9
SELECT jsonb_path_query(notes, '$.phone.upper()') FROM patients WHERE id < 9
SELECT jsonb_path_query_array(notes, '$.phone.string()'), jsonb_path_query_first(notes, '$.n.bigint()') FROM patients WHERE id < 9
SELECT random(1, length(name)) > 0 FROM patients WHERE id = 1
SELECT random(id, length(name)) FROM patients WHERE id = 7
SELECT to_bin(length(name)), to_oct(id) FROM patients WHERE id < 4
SELECT uuid_extract_timestamp(s_uuid), uuid_extract_version(s_uuid) FROM kinds
SELECT xmltext(name) FROM patients WHERE id < 9
SELECT unicode_assigned(name), unicode_version() FROM patients WHERE id < 9
SELECT pg_basetype('tag2'), name FROM patients WHERE id = 1
SELECT s_timestamp AT LOCAL, s_timestamptz AT LOCAL, s_timetz AT LOCAL FROM kinds
SELECT regexp_substr(name, 'Q[a-z]+'), regexp_like(name, 'q', 'i') FROM patients WHERE id < 9
SELECT id FROM patients WHERE regexp_like(name, 'q')
SELECT range_agg(int4range(id, id + length(name))) FROM patients WHERE id < 9
SELECT lower(s_int4range) = id, upper_inc(s_int4range), s_int4range @> id FROM kinds
EXPLAIN (ANALYZE, SERIALIZE, TIMING OFF, SUMMARY OFF, COSTS OFF) SELECT name FROM patients WHERE id < 3
EXPLAIN (MEMORY) SELECT * FROM patients
EXPLAIN (ANALYZE, SERIALIZE BINARY, FORMAT json, TIMING OFF, SUMMARY OFF) SELECT note FROM long_notes WHERE id = 1
COPY codes FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose) <<< zz\tnew
COPY checked(id, amount) FROM STDIN (ON_ERROR ignore) <<< 90\tx\n91\t2
COPY checked(id, amount) FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose) <<< 1\t5\n91\tx
COPY patients(id, weight) FROM STDIN (ON_ERROR ignore) <<< 1\tx
COPY (SELECT name FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, FORCE_QUOTE *)
COPY patients TO STDOUT (FORMAT csv, FORCE_QUOTE (name, ssn), HEADER)
COPY staff FROM STDIN (FORMAT csv, FORCE_NOT_NULL *) <<< 90,x
COPY staff(id, name) FROM STDIN (FORMAT csv, FORCE_NULL *) <<< 90,""
COPY staff(id, name) FROM STDIN (FORMAT csv, HEADER MATCH) <<< id,name\n90,x
COPY staff(id, name) FROM STDIN (HEADER MATCH) <<< id\tssn\n90\tx
COPY (SELECT p FROM patients p WHERE id < 4) TO STDOUT
COPY (SELECT ARRAY[name, ssn], ROW(name), notes FROM patients WHERE id < 4) TO STDOUT CSV
COPY (SELECT name FROM patients WHERE id < 4) TO STDOUT (ENCODING 'LATIN1')
COPY (SELECT name FROM patients WHERE id < 4) TO STDOUT (FORMAT csv, NULL '[NAME]')
COPY (SELECT name FROM patients WHERE id < 4) TO STDOUT (DELIMITER 'N')
COPY (SELECT coalesce(name, '\\.') FROM patients WHERE id < 12) TO STDOUT
COPY patients(name, ssn) TO STDOUT WITH (FORMAT binary)
COPY v_pat TO STDOUT
COPY m_pat TO STDOUT
COPY pg_statistic TO STDOUT
COPY (SELECT * FROM pg_stats WHERE tablename = 'patients') TO STDOUT
COPY (UPDATE patients SET weight = 1 WHERE id < 3 RETURNING name) TO STDOUT
COPY (MERGE INTO patients p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET weight = 1 RETURNING p.name) TO STDOUT
COPY (DELETE FROM staff WHERE name > 'E' RETURNING id) TO STDOUT
ALTER TABLE owned_wards SPLIT PARTITION owned_rest INTO (PARTITION owned_a FOR VALUES IN ('a'), PARTITION owned_rest DEFAULT)
VACUUM (VERBOSE) owned
ANALYZE (VERBOSE) owned
ANALYZE (VERBOSE, BUFFER_USAGE_LIMIT '256kB') owned
-- family: eighteen
UPDATE patients SET weight = weight WHERE id = 1 RETURNING old.name, new.name
UPDATE patients SET name = 'x' WHERE id = 1 RETURNING old.name = 'Name1', new.name
UPDATE patients SET name = 'x' WHERE id = 1 RETURNING WITH (OLD AS was, NEW AS now) was.ssn, now.weight
UPDATE patients SET weight = 1 WHERE id < 3 RETURNING WITH (OLD AS o) o, o.*
UPDATE patients SET weight = 1 WHERE id < 3 RETURNING old IS DISTINCT FROM new
UPDATE patients SET weight = weight WHERE id < 3 RETURNING id / length(old.name)
DELETE FROM staff RETURNING old.name, new.name
DELETE FROM staff WHERE id < 3 RETURNING old::text, new IS NULL
INSERT INTO patients(id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING old.name, new.name
INSERT INTO patients(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET weight = 2 RETURNING old.ssn IS NULL, old IS NULL
MERGE INTO patients p USING (VALUES (1), (999)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET name = 'y' WHEN NOT MATCHED THEN INSERT (id) VALUES (v.i) RETURNING merge_action(), old.name, new.id
MERGE INTO patients p USING (VALUES (1)) v(i) ON p.id = v.i WHEN MATCHED THEN DELETE RETURNING WITH (OLD AS o) o.ssn
WITH u AS (UPDATE patients SET weight = 1 WHERE id < 9 RETURNING old.name AS n, id) SELECT id FROM u WHERE n > 'N'
WITH u AS (UPDATE patients SET weight = 1 WHERE id < 9 RETURNING old.name AS n, id) SELECT id FROM u ORDER BY n
INSERT INTO visits(what) SELECT n FROM (SELECT name AS n FROM patients WHERE id = 1) x RETURNING new.what, old.what
SELECT size FROM virtuals
SELECT id FROM virtuals WHERE size > 10
SELECT id, quotient FROM virtuals
SELECT count(size), max(size) FROM virtuals
UPDATE virtuals SET id = id + 10 RETURNING size, old.size
INSERT INTO virtuals(id, name) VALUES (90, '') RETURNING quotient
INSERT INTO virtuals(id, name) VALUES (90, 'abc') RETURNING new.size, new.quotient
SELECT v FROM virtuals v
SELECT v::text, to_jsonb(v) FROM virtuals v
COPY virtuals TO STDOUT
COPY (SELECT size FROM virtuals) TO STDOUT
SELECT casefold(name) FROM patients WHERE id < 9
SELECT id FROM patients WHERE casefold(name COLLATE "pg_unicode_fast") = 'name1'
SELECT lower(name COLLATE "pg_c_utf8"), upper(name COLLATE "pg_unicode_fast") FROM patients WHERE id < 9
SELECT array_sort(ARRAY[name, ssn]), array_reverse(ARRAY[name, ssn]) FROM patients WHERE id < 9
SELECT array_sort(s_contacts), array_sort(s_dates, true, true) FROM kinds
SELECT crc32(name::bytea), crc32c(convert_to(ssn, 'UTF8')) FROM patients WHERE id < 9
SELECT gamma(length(name)::float8), lgamma(weight::float8) FROM patients WHERE id < 9
SELECT reverse(s_bytea), s_int4::bytea, s_int8::bytea FROM kinds
SELECT s_bytea::int4, s_bytea::int8 FROM kinds
SELECT uuidv7() IS NULL, uuidv7(name::interval) FROM patients WHERE id = 1
SELECT uuidv7(s_interval) IS NULL FROM kinds
SELECT jsonb_strip_nulls(notes, true), json_strip_nulls(notes::json, true) FROM patients WHERE id < 9
SELECT s_jsonb::bool, s_jsonb::int FROM kinds WHERE id > 2
SELECT max(ROW(id, name)) FROM patients
SELECT min(ARRAY[name]) FROM patients WHERE id < 9
SELECT max(s_contact), min(s_bytea), max(s_tags) FROM kinds
SELECT to_number(name, 'RN'), to_char(length(name), 'RN') FROM patients WHERE id < 3
SELECT id FROM spans WHERE during && int4range(1, 20)
SELECT id, during FROM spans ORDER BY id
INSERT INTO spans VALUES (int4range(1, 2), int4range(5, 6), 'x')
INSERT INTO spans VALUES (int4range(1, 2), int4range(5, 6), 'x') ON CONFLICT DO NOTHING
INSERT INTO stays VALUES (90, int4range(1, 2), int4range(1, 15))
UPDATE stays SET during = int4range(1, 12) WHERE no = 1
SELECT s.no FROM stays s JOIN spans p ON p.id = s.id AND p.during @> s.during
EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) SELECT id FROM patients ORDER BY sex
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT dx, count(*) FROM codes GROUP BY dx
EXPLAIN ANALYZE SELECT g, p.name FROM generate_series(1, 10) g, patients p ORDER BY g
COPY staff(id, name) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 1) <<< x\ta\ny\tb\n90\tc
COPY checked(id, amount, pin) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 2, LOG_VERBOSITY silent) <<< 1\t2\t3
COPY m_pat(who) TO STDOUT (FORMAT csv, HEADER)
ALTER TABLE owned ADD CONSTRAINT owned_name NOT NULL name NOT VALID
ALTER TABLE owned ADD CONSTRAINT owned_name NOT NULL name NOT VALID ;; ALTER TABLE owned VALIDATE CONSTRAINT owned_name
ALTER TABLE owned ADD CONSTRAINT owned_n CHECK (n > 3) NOT ENFORCED
ALTER TABLE owned ADD COLUMN half int GENERATED ALWAYS AS (100 / (n - 3)) VIRTUAL ;; SELECT half FROM owned
ALTER TABLE owned ADD UNIQUE NULLS NOT DISTINCT (name)
SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'owned', 'attname', 'name', 'inherited', false, 'null_frac', 0.1::real)
SELECT pg_clear_relation_stats('public', 'owned')
SELECT pg_get_process_memory_contexts(pg_backend_pid(), false, 1)
SELECT * FROM pg_stat_get_backend_io(pg_backend_pid())
SELECT * FROM pg_stat_get_backend_wal(pg_backend_pid())
SELECT relallfrozen, relallvisible, reltuples FROM pg_class WHERE relname = 'long_notes'
SELECT * FROM pg_aios
-- family: differences
SELECT count(*) FROM patients WHERE id <> 7 AND weight > 60
SELECT sum(length(name)) - (SELECT sum(length(name)) FROM patients WHERE id <> 7) FROM patients
SELECT (SELECT count(*) FROM patients WHERE name < 'Name5') - (SELECT count(*) FROM patients WHERE name < 'Name5' AND id <> 5)
SELECT id FROM patients ORDER BY (SELECT count(*) FROM patients q WHERE q.name < patients.name), id LIMIT 3
SELECT max(id) FROM patients GROUP BY left(name, 4) ORDER BY 1 LIMIT 3
SELECT id, rank() OVER w, dense_rank() OVER w, ntile(4) OVER w FROM patients WINDOW w AS (ORDER BY dob) LIMIT 4
SELECT id FROM patients ORDER BY age(dob) DESC NULLS LAST OFFSET 3 FETCH FIRST ROW ONLY
SELECT id FROM patients ORDER BY zip FETCH NEXT 1 ROW WITH TIES
SELECT count(*) FROM (SELECT DISTINCT zip, sex FROM patients) x
SELECT count(*) FROM (SELECT 1 FROM patients GROUP BY ssn) x
SELECT sex, count(*) FROM patients GROUP BY GROUPING SETS ((sex), (sex, zip), ())
SELECT sex, GROUPING(sex, dob) FROM patients WHERE id < 9 GROUP BY CUBE (sex, dob)
SELECT id, lead(id) OVER (ORDER BY ssn), name FROM patients WHERE id < 9
SELECT id, count(*) OVER (PARTITION BY name) FROM patients WHERE id < 9
SELECT id, count(*) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP), row_number() OVER (ORDER BY mrn) FROM patients WHERE id < 9
SELECT p.id FROM patients p WHERE EXISTS (SELECT FROM patients q WHERE q.zip = p.zip AND q.id <> p.id) LIMIT 5
SELECT p.id FROM patients p LEFT JOIN codes c ON c.dx = p.name WHERE c.dx IS NULL LIMIT 3
SELECT p.id FROM patients p FULL JOIN staff s ON s.name = p.name WHERE p.id < 3 OR s.id < 3
SELECT p.id FROM patients p NATURAL JOIN (SELECT 'Name5' AS name) x
SELECT id FROM patients p JOIN (VALUES ('Name5')) v(name) USING (name)
SELECT id FROM patients, LATERAL (SELECT 1 WHERE name > 'N') x LIMIT 3
SELECT id FROM patients CROSS JOIN LATERAL generate_series(1, length(name)) g WHERE id < 3
SELECT id FROM patients WHERE id = ANY (SELECT length(name) FROM patients)
SELECT id FROM patients WHERE (id, name) IN (VALUES (1, 'Name1'))
SELECT id FROM patients WHERE ROW(ssn, id) < ROW('2', 5)
SELECT id FROM patients WHERE ARRAY[name] && ARRAY['Name1'] OR id = 3
SELECT id FROM patients WHERE jsonb_build_object('n', name) @> '{"n": "Name1"}'
SELECT id FROM patients WHERE (dob, interval '1 year') OVERLAPS (date '1950-01-01', date '1951-01-01')
SELECT id FROM patients WHERE name BETWEEN SYMMETRIC 'Name3' AND 'Name1'
SELECT id FROM patients WHERE NULLIF(name, 'Name1') IS NULL
SELECT id FROM patients WHERE (SELECT name) IS NULL
SELECT id FROM patients p WHERE NOT (p.* IS NOT NULL)
SELECT id FROM patients WHERE concat(name, ssn) LIKE '%Name1%'
SELECT id FROM patients WHERE coalesce(name, '') = '' OR id = 1
SELECT id FROM patients WHERE hashtext(name) % 2 = 0
SELECT id FROM patients WHERE starts_with(name, 'N') IS TRUE
SELECT id FROM patients WHERE name ^@ 'Name1'
SELECT id FROM patients WHERE weight > length(name) * 10
SELECT id FROM patients LIMIT (SELECT length(name) FROM patients WHERE id = 3)
SELECT id FROM patients OFFSET (SELECT ascii(name) FROM patients WHERE id = 1)
SELECT id FROM patients LIMIT CASE WHEN EXISTS (SELECT FROM patients WHERE ssn = '101-11-0007') THEN 1 ELSE 2 END
VALUES ((SELECT name FROM patients WHERE id = 1), (SELECT count(*) FROM patients WHERE name IS NULL))
SELECT exists(SELECT FROM patients WHERE id = 1 AND name = 'Name1')
SELECT 'Name1' IN (SELECT name FROM patients)
SELECT 'Name1' = ANY (ARRAY(SELECT name FROM patients))
SELECT bool_and(name > 'A'), bool_or(ssn < '2') FROM patients
SELECT id FROM indexed WHERE sex = 'F' ORDER BY sex LIMIT 3
SELECT sex, min(id), percentile_disc(0.5) WITHIN GROUP (ORDER BY weight) FROM patients GROUP BY sex, name IS NULL
-- family: state
SELECT set_config('application_name', name, false) FROM patients WHERE id = 1 ;; SHOW application_name
SELECT set_config('timezone', CASE WHEN name > 'N' THEN 'UTC' ELSE 'CET' END, true) FROM patients WHERE id = 1 ;; SELECT now() - now() AT TIME ZONE 'UTC' IS NULL, current_setting('timezone')
SELECT set_config('datestyle', 'German', true) FROM patients WHERE name > 'N' LIMIT 1 ;; SELECT date '2020-01-02'
UPDATE pg_settings SET setting = (SELECT name FROM patients WHERE id = 1) WHERE name = 'application_name' ;; SHOW application_name
UPDATE pg_settings SET setting = 'x' WHERE name = 'application_name' AND EXISTS (SELECT FROM patients WHERE ssn < '2')
SELECT nextval('counter') FROM patients WHERE id < 4 AND name IS NOT NULL ;; SELECT last_value FROM counter
SELECT coalesce(name, nextval('counter')::text) FROM patients WHERE id < 30 ;; SELECT currval('counter')
SELECT CASE WHEN name IS NULL THEN nextval('counter') END FROM patients ;; SELECT lastval()
SELECT name, nextval('counter') FROM patients ORDER BY id LIMIT 3 ;; SELECT currval('counter')
SELECT nextval('counter'), id FROM patients ORDER BY name LIMIT 2
INSERT INTO visits(what) SELECT sex FROM patients WHERE name IS NULL ;; SELECT currval('visits_id_seq')
SELECT name FROM patients WHERE id < 4 AND pg_try_advisory_lock(id)
SELECT pg_advisory_lock(CASE WHEN ssn > '2' THEN 1 ELSE 2 END) FROM patients WHERE id = 1 ;; SELECT objid FROM pg_locks WHERE locktype = 'advisory'
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE ;; SELECT weight FROM patients WHERE id = 150 ;; SELECT page, tuple FROM pg_locks WHERE mode = 'SIReadLock'
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE ;; SELECT count(*) FROM long_notes WHERE id BETWEEN 20 AND 60 ;; SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock'
SELECT id FROM patients WHERE id = 150 FOR UPDATE ;; SELECT relation::regclass, page FROM pg_locks WHERE pid = pg_backend_pid() ORDER BY 1, 2
SELECT id FROM patients WHERE name > 'N' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 2
SELECT id FROM patients WHERE id = 1 FOR NO KEY UPDATE NOWAIT ;; SELECT xmax = 0 FROM patients WHERE id = 1
PREPARE p(int) AS SELECT dx FROM codes WHERE length(dx) > $1 ;; EXECUTE p(1) ;; SELECT generic_plans, custom_plans, statement FROM pg_prepared_statements
DECLARE c CURSOR FOR SELECT id FROM patients WHERE id < 3 ;; SELECT statement, creation_time IS NULL FROM pg_cursors
SELECT current_query(), name FROM patients WHERE id = 1
SELECT pg_backend_pid() = pid, query FROM pg_stat_activity
SELECT backend_xmin FROM pg_stat_activity WHERE pid = pg_backend_pid()
SELECT n_live_tup, n_mod_since_analyze, n_tup_newpage_upd FROM pg_stat_user_tables WHERE relname = 'patients'
UPDATE patients SET weight = weight ;; SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_all_tables WHERE relname = 'patients'
SELECT pg_stat_get_xact_blocks_fetched('patients'::regclass) >= 0
SELECT pg_stat_force_next_flush() ;; SELECT pg_stat_get_tuples_returned('long_notes'::regclass)
SELECT datname, temp_bytes, blk_read_time FROM pg_stat_database WHERE datname = current_database()
SELECT pg_current_xact_id()::text IS NULL ;; SELECT pg_snapshot_xmax(pg_current_snapshot()) IS NULL
SELECT pg_get_multixact_members('1')
SELECT pg_visible_in_snapshot(xmin::text::xid8, pg_current_snapshot()) FROM patients WHERE id = 1
SELECT age(xmin) > 0, xmin = cmin::text::xid FROM patients WHERE id = 1
SELECT * FROM pg_get_wal_resource_managers()
SELECT pg_walfile_name(pg_current_wal_flush_lsn())
SELECT backend_type, object, hits FROM pg_stat_io WHERE hits > 0 LIMIT 1
SELECT name, level, total_bytes FROM pg_backend_memory_contexts WHERE name = 'CacheMemoryContext'
SELECT sum(calls) FROM pg_stat_user_functions
SELECT stats_reset FROM pg_stat_bgwriter
SELECT seq_scan, last_seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'indexed'
SELECT pg_gin_clean_pending_list('owned')
SELECT brin_summarize_new_values('owned_pkey'::regclass)
SELECT pg_stat_get_function_calls('peek'::regproc)
SELECT has_column_privilege('patients', name, 'SELECT') FROM patients WHERE id = 1
SELECT to_regclass(name), to_regtype(name), to_regproc(name) FROM patients WHERE id < 3
SELECT name::regclass FROM patients WHERE id = 1
SELECT current_setting(name, true) FROM patients WHERE id = 1
SELECT obj_description(length(name)::oid) FROM patients WHERE id = 1
SELECT format_type(length(name)::oid, NULL), pg_get_viewdef(length(name)::oid) FROM patients WHERE id = 1
SELECT pg_typeof(name), pg_collation_for(name), pg_column_size(name) FROM patients WHERE id < 9
DISCARD TEMP ;; SELECT name FROM patients WHERE id = 1
DISCARD ALL
DISCARD PLANS ;; DISCARD SEQUENCES ;; SELECT name FROM patients WHERE id = 1
-- family: shadows
CREATE TEMP VIEW codes AS SELECT ssn AS dx, name AS descr FROM patients ;; COMMIT ;; SELECT * FROM codes
CREATE VIEW pg_temp.codes AS SELECT ssn AS dx FROM patients ;; SELECT dx FROM codes
CREATE TEMP TABLE codes AS SELECT ssn AS dx FROM patients ;; SELECT dx FROM codes
SELECT ssn AS dx INTO TEMP codes FROM patients ;; SELECT dx FROM codes
CREATE TABLE mine AS SELECT id, name FROM patients ;; SELECT name FROM mine
CREATE TABLE mine AS SELECT id FROM patients WHERE name > 'N' ;; SELECT count(*) FROM mine
CREATE TABLE mine AS TABLE patients WITH NO DATA
CREATE TABLE mine(LIKE patients INCLUDING ALL) ;; SELECT * FROM mine
CREATE TABLE mine() INHERITS (person) ;; SELECT name FROM person ;; SELECT count(*) FROM mine
CREATE VIEW mine AS SELECT name AS dx FROM patients ;; COMMIT ;; SELECT dx FROM mine WHERE dx > 'N' ;; DROP VIEW mine ;; COMMIT
CREATE VIEW mine AS SELECT dx FROM codes ;; COMMIT ;; SELECT dx FROM mine LIMIT 2 ;; CREATE OR REPLACE VIEW mine AS SELECT name AS dx FROM patients ;; SELECT dx FROM mine LIMIT 2 ;; COMMIT ;; SELECT dx FROM mine LIMIT 2 ;; DROP VIEW mine
CREATE VIEW mine AS SELECT dx FROM codes ;; COMMIT ;; PREPARE p AS SELECT dx FROM mine LIMIT 2 ;; EXECUTE p ;; CREATE OR REPLACE VIEW mine AS SELECT name AS dx FROM patients ;; COMMIT ;; EXECUTE p ;; DROP VIEW mine
CREATE VIEW mine WITH (security_barrier, security_invoker) AS SELECT id FROM patients WHERE name > 'N' ;; COMMIT ;; SELECT count(*) FROM mine ;; DROP VIEW mine
CREATE FUNCTION mine(text) RETURNS text LANGUAGE sql RETURN upper($1) ;; COMMIT ;; SELECT mine(name) FROM patients WHERE id = 1 ;; DROP FUNCTION mine ;; COMMIT
CREATE FUNCTION pg_temp.mine() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.patients WHERE id = 1' ;; SELECT pg_temp.mine()
CREATE OPERATOR <<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_lt) ;; COMMIT ;; SELECT id FROM patients WHERE name <<<< 'N' LIMIT 3 ;; DROP OPERATOR <<<< (text, text) ;; COMMIT
CREATE AGGREGATE mine(text) (SFUNC = pg_catalog.textcat, STYPE = text) ;; COMMIT ;; SELECT mine(name) FROM patients ;; DROP AGGREGATE mine(text) ;; COMMIT
CREATE CAST (text AS int4range) WITH INOUT ;; SELECT name::int4range FROM patients WHERE id = 1
CREATE DOMAIN mine AS text CHECK (value < 'N') ;; COMMIT ;; SELECT name::mine FROM patients WHERE id = 1 ;; DROP DOMAIN mine ;; COMMIT
CREATE DOMAIN mine AS text ;; COMMIT ;; PREPARE p AS SELECT name::mine FROM patients WHERE id = 1 ;; EXECUTE p ;; ALTER DOMAIN mine ADD CHECK (value < 'N') ;; COMMIT ;; EXECUTE p ;; DROP DOMAIN mine ;; COMMIT
CREATE TYPE mine AS (a int, b short) ;; COMMIT ;; SELECT ROW(1, name)::mine FROM patients WHERE id = 2 ;; DROP TYPE mine ;; COMMIT
CREATE COLLATION mine (provider = icu, locale = 'und-u-ks-level1', deterministic = false) ;; COMMIT ;; SELECT strpos(name COLLATE mine, 'a') FROM patients WHERE id < 30 ;; DROP COLLATION mine ;; COMMIT
SELECT strpos(name COLLATE loose, 'a') FROM patients WHERE id < 30
SELECT starts_with(name COLLATE loose, 'N') FROM patients WHERE id < 30
SELECT name COLLATE loose = 'name1', upper(name COLLATE loose) FROM patients WHERE id < 30
SELECT replace(name COLLATE loose, 'a', 'b') FROM patients WHERE id < 30
SELECT (name COLLATE loose) LIKE 'N%' FROM patients WHERE id < 30
SELECT upper(name || (dx COLLATE "C")) FROM patients, codes WHERE id < 3 AND dx < 'E2'
SET search_path = other, public ;; SELECT upper(name) FROM patients WHERE id = 1
SET search_path = '' ;; SELECT name FROM public.patients WHERE id = 1
SET search_path = "$user", other ;; SELECT ssn FROM patients
SELECT set_config('search_path', 'other', true) ;; SELECT id FROM patients
CREATE SCHEMA agent ;; CREATE VIEW agent.codes AS SELECT name AS dx, ssn AS descr FROM public.patients ;; COMMIT ;; SELECT dx FROM codes ;; DROP SCHEMA agent CASCADE ;; COMMIT
CREATE PUBLICATION mine FOR TABLE owned WHERE (name > 'N')
CREATE STATISTICS mine (ndistinct) ON name, n FROM owned ;; ANALYZE owned ;; SELECT n_distinct FROM pg_stats_ext WHERE statistics_name = 'mine'
CREATE INDEX ON owned ((1 / (n - 3)))
CREATE UNIQUE INDEX ON owned (name)
CREATE INDEX ON owned (id) WHERE name::int > 0
CREATE TRIGGER mine BEFORE UPDATE ON owned FOR EACH ROW WHEN (old.name > 'N') EXECUTE FUNCTION suppress_redundant_updates_trigger() ;; UPDATE owned SET id = id
CREATE RULE mine AS ON UPDATE TO owned WHERE old.name > 'N' DO INSTEAD NOTHING ;; COMMIT ;; UPDATE owned SET id = id + 100 ;; DROP RULE mine ON owned ;; COMMIT
CREATE POLICY mine ON owned USING (name > 'N') ;; ALTER TABLE owned ENABLE ROW LEVEL SECURITY ;; ALTER TABLE owned FORCE ROW LEVEL SECURITY ;; SELECT count(*) FROM owned
ALTER TABLE owned ALTER name TYPE int USING length(name)
ALTER TABLE owned ALTER n SET NOT NULL ;; ALTER TABLE owned ALTER name SET NOT NULL
ALTER TABLE owned ADD CHECK (n < 5)
ALTER TABLE owned ADD CONSTRAINT mine CHECK (n < 5) NOT VALID ;; UPDATE owned SET id = id + 50 WHERE id = 7
ALTER TABLE owned ADD FOREIGN KEY (name) REFERENCES codes
ALTER TABLE owned ADD EXCLUDE (n WITH =)
ALTER TABLE owned ADD COLUMN copy text GENERATED ALWAYS AS (name) STORED ;; COMMIT ;; SELECT copy FROM owned ;; ALTER TABLE owned DROP COLUMN copy ;; COMMIT
ALTER TABLE owned ADD COLUMN more int DEFAULT 1 ;; COMMIT ;; UPDATE owned SET more = n ;; SELECT more FROM owned ;; ALTER TABLE owned DROP COLUMN more ;; COMMIT
ALTER TABLE owned RENAME COLUMN name TO title ;; COMMIT ;; SELECT title FROM owned ;; ALTER TABLE owned RENAME COLUMN title TO name ;; COMMIT
ALTER TABLE owned RENAME TO mine ;; COMMIT ;; SELECT name FROM mine ;; ALTER TABLE mine RENAME TO owned ;; COMMIT
ALTER TABLE owned SET SCHEMA other
ALTER TABLE owned ALTER COLUMN name SET STORAGE PLAIN
ALTER TABLE owned ALTER COLUMN name SET DEFAULT 'x' ;; INSERT INTO owned(id) VALUES (90) RETURNING name
ALTER TABLE owned CLUSTER ON owned_pkey ;; CLUSTER owned ;; SELECT id FROM owned
ALTER DOMAIN tag ADD CHECK (length(value) < 9)
ALTER DOMAIN tag SET NOT NULL
ALTER DOMAIN tag ADD CONSTRAINT t CHECK (value < 'r') NOT VALID ;; ALTER DOMAIN tag VALIDATE CONSTRAINT t
ALTER TABLE owned_wards DETACH PARTITION owned_rest
CREATE TABLE owned_a PARTITION OF owned_wards FOR VALUES IN ('a')
CREATE TABLE mine PARTITION OF owned_wards FOR VALUES IN ('qq') ;; COMMIT ;; SELECT ward FROM mine ;; DROP TABLE mine ;; COMMIT
COMMENT ON COLUMN owned.name IS 'x' ;; SELECT col_description('owned'::regclass, 2)
REINDEX (VERBOSE) TABLE owned
TRUNCATE owned ;; SELECT count(*) FROM owned
LOCK TABLE patients IN ACCESS SHARE MODE ;; SELECT name FROM patients WHERE id = 1
SECURITY LABEL FOR x ON TABLE owned IS 'y'
IMPORT FOREIGN SCHEMA public FROM SERVER nowhere INTO other
-- family: cursors again
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM patients WHERE name > 'N' ;; MOVE ALL c
DECLARE c SCROLL CURSOR FOR SELECT name FROM patients ORDER BY id ;; MOVE 5 c ;; FETCH RELATIVE -2 c ;; FETCH ABSOLUTE 7 c ;; MOVE LAST c ;; FETCH PRIOR c
DECLARE c INSENSITIVE NO SCROLL CURSOR FOR TABLE patients ;; FETCH FORWARD 2 c
DECLARE c ASENSITIVE CURSOR FOR VALUES ((SELECT name FROM patients WHERE id = 1)) ;; FETCH c
DECLARE c CURSOR FOR SELECT id, name FROM patients WHERE id < 9 FOR UPDATE ;; FETCH c ;; UPDATE patients SET weight = 1 WHERE CURRENT OF c
DECLARE c CURSOR FOR SELECT id FROM patients ORDER BY name ;; FETCH 2 c
DECLARE c CURSOR FOR SELECT id FROM patients WHERE id < 5 ;; FETCH c ;; UPDATE patients SET name = 'x' WHERE CURRENT OF c RETURNING old.name
DECLARE "C c" CURSOR FOR SELECT name FROM patients WHERE id < 5 ;; FETCH ALL "C c" ;; CLOSE "C c"
DECLARE c CURSOR FOR EXECUTE p
DECLARE c CURSOR FOR SELECT name FROM patients WHERE id < 4 ;; SAVEPOINT s ;; FETCH c ;; ROLLBACK TO s ;; FETCH c
DECLARE c CURSOR WITH HOLD FOR SELECT name FROM patients WHERE id < 4 ;; COMMIT ;; CREATE VIEW mine AS SELECT 1 ;; FETCH c ;; CLOSE c ;; ROLLBACK
CLOSE ALL ;; SELECT name FROM patients WHERE id = 1
PREPARE p AS SELECT name FROM patients WHERE id = 1 ;; EXPLAIN EXECUTE p ;; EXPLAIN ANALYZE EXECUTE p
PREPARE p AS INSERT INTO codes SELECT name, 'x' FROM patients WHERE id = 1 RETURNING dx ;; EXECUTE p
PREPARE p(text, text) AS UPDATE patients SET name = $1 WHERE id = 1 AND ssn = $2 ;; EXECUTE p('x', '101-11-0007')
PREPARE p(int[]) AS SELECT name FROM patients WHERE id = ANY ($1) ;; EXECUTE p('{1,2}')
PREPARE p(json) AS SELECT name, $1 -> 'a' FROM patients WHERE id = 1 ;; EXECUTE p('{"a": 1}')
CREATE TABLE mine AS EXECUTE p
PREPARE p AS SELECT id FROM patients WHERE name > 'N' ;; CREATE TABLE mine AS EXECUTE p
