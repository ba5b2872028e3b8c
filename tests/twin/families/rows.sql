-- family: wholerow
SELECT p FROM patients p WHERE id = 1
SELECT (p).* FROM patients p WHERE id = 1
SELECT (p).ssn FROM patients p WHERE id = 1
SELECT ((p)).ssn || 'x' FROM patients p WHERE id = 1
SELECT p.*::text FROM patients p WHERE id = 1
SELECT patients FROM patients WHERE id = 1
SELECT patients.patients FROM patients WHERE id = 1
SELECT public.patients.* FROM public.patients WHERE id = 1
SELECT ssn(p), name(p) FROM patients p WHERE id = 1
SELECT p.nick FROM patients p WHERE id = 1
SELECT nick(p) FROM patients p WHERE id = 1
SELECT nick(p.*) FROM patients p WHERE id = 1
SELECT row(p.*) FROM patients p WHERE id = 1
SELECT row(p.*) = row(p.*) FROM patients p WHERE id = 5
SELECT (row(id, ssn)).f2 FROM patients WHERE id = 1
SELECT (row(id, ssn)).f1, (row(ssn)).* FROM patients WHERE id = 1
SELECT ROW(ssn, 1) = ROW('x', 1) FROM patients WHERE id = 1
SELECT ROW(id, name) < ROW(id, 'N') FROM patients WHERE id < 9
SELECT (p.ssn, p.name)::text FROM patients p WHERE id = 1
SELECT (SELECT p) FROM patients p WHERE id = 1
SELECT to_jsonb(p) FROM patients p WHERE id = 1
SELECT to_jsonb(p) - 'id' FROM patients p WHERE id = 1
SELECT row_to_json(p)->>'ssn' FROM patients p WHERE id = 1
SELECT json_build_array(p) FROM patients p WHERE id = 1
SELECT jsonb_populate_record(p, '{"id": 3}') FROM patients p WHERE id = 1
SELECT (jsonb_populate_record(p, '{"id": 3}')).* FROM patients p WHERE id = 1
SELECT (jsonb_populate_record(NULL::patients, to_jsonb(p))).name FROM patients p WHERE id = 1
SELECT p::text FROM patients p WHERE id = 1
SELECT CAST(p AS text) COLLATE "C" FROM patients p WHERE id = 1
SELECT length(p::text) FROM patients p WHERE id = 1
SELECT q.p FROM (SELECT p FROM patients p WHERE id = 1) q
SELECT (q.p).ssn FROM (SELECT p FROM patients p WHERE id = 1) q
SELECT (q.p).id FROM (SELECT p FROM patients p WHERE id = 1) q
SELECT (q.r).name FROM v_row q WHERE id = 1
SELECT r FROM v_row WHERE id = 1
SELECT (r).* FROM v_row WHERE id < 3
SELECT r IS NULL, r IS NOT NULL FROM v_row WHERE id = 5
SELECT p IS NULL, p IS NOT NULL FROM patients p WHERE id = 5
SELECT NOT (p IS NOT NULL) FROM patients p WHERE id < 20
SELECT id FROM patients p WHERE p IS NOT NULL
SELECT count(p) FROM patients p
SELECT count(*) FROM patients p WHERE p IS DISTINCT FROM NULL
SELECT j FROM (patients p JOIN encounters e ON e.patient_id = p.id) j LIMIT 1
SELECT j.ssn FROM (patients p JOIN codes c ON true) j LIMIT 1
SELECT array_agg(p) FROM patients p
SELECT (array_agg(p ORDER BY id))[1] FROM patients p
SELECT ARRAY[p.ssn, p.name] FROM patients p WHERE id = 1
SELECT (ARRAY[p.ssn])[1] FROM patients p WHERE id = 1
SELECT (ARRAY[p])[1].ssn FROM patients p WHERE id = 1
SELECT ARRAY[ssn]::int[] FROM patients WHERE id = 1
SELECT ARRAY(SELECT p FROM patients p WHERE id < 3)
SELECT num_nulls(name, email) FROM patients WHERE id = 5
SELECT num_nonnulls(VARIADIC ARRAY[name, email]) FROM patients WHERE id = 5
SELECT p = p FROM patients p WHERE id = 5
SELECT p < p2 FROM patients p, patients p2 WHERE p.id = 1 AND p2.id = 2
SELECT p.id FROM patients p ORDER BY p LIMIT 3
SELECT DISTINCT p.* FROM patients p WHERE id < 3
SELECT greatest(p) FROM patients p WHERE id = 1
SELECT coalesce(p, p) FROM patients p WHERE id = 1
SELECT CASE WHEN true THEN p END FROM patients p WHERE id = 1
SELECT CASE WHEN id = 1 THEN p.name ELSE p.ssn END FROM patients p WHERE id < 3
SELECT ctid FROM patients WHERE id IN (50, 150)
SELECT id FROM patients WHERE ctid = '(1,5)'
SELECT id FROM patients WHERE ctid > '(0,30)' ORDER BY id LIMIT 2
SELECT id FROM patients ORDER BY ctid LIMIT 3 OFFSET 100
SELECT (ctid::text::point)[0] FROM patients WHERE id = 200
SELECT max(ctid) FROM patients
SELECT count(DISTINCT tableoid) FROM wards
SELECT tableoid::regclass, count(*) FROM wards GROUP BY 1 ORDER BY 1
SELECT id, tableoid = 'wards_a'::regclass FROM wards ORDER BY id
SELECT xmin::text = xmax::text, cmin FROM patients WHERE ctid = '(1,1)'
SELECT members.c FROM members WHERE id = 1
SELECT (members.c).phone FROM members WHERE id = 1
SELECT (c).* FROM members
SELECT (m.c).mail || '' FROM members m WHERE id = 2
SELECT m.c IS NULL FROM members m
SELECT id FROM members WHERE (c).phone > 'q'
SELECT row_to_json(c) FROM members WHERE id = 1
SELECT m FROM members m
SELECT c::text FROM members WHERE id = 1
SELECT ((ROW(id, c))::record) FROM members WHERE id = 1
SELECT name::contact FROM patients WHERE id = 1
SELECT (name::contact).phone FROM patients WHERE id = 1
SELECT doctor::person FROM doctor
SELECT d::person::text FROM doctor d
SELECT (s::doctor).name FROM surgeon s
-- family: place
SELECT id FROM patients TABLESAMPLE SYSTEM (40) REPEATABLE (3) ORDER BY id
SELECT id FROM patients TABLESAMPLE BERNOULLI (40) REPEATABLE (3) ORDER BY id
SELECT count(*) FROM encounters TABLESAMPLE SYSTEM (50) REPEATABLE (1)
SELECT relpages FROM pg_class WHERE relname = 'patients'
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relpages DESC, relname
SELECT reltuples FROM pg_class WHERE relname = 'indexed_some'
SELECT relallvisible FROM pg_class WHERE relname = 'encounters'
SELECT sum(relpages) FROM pg_class
SELECT relname, relpages, reltuples FROM pg_catalog.pg_class WHERE relname LIKE 'patient%' ORDER BY 1
SELECT c FROM pg_class c WHERE relname = 'patients'
SELECT row_to_json(c) FROM pg_class c WHERE relname = 'patients'
SELECT oid, relname, relpages, reltuples, relallvisible, relkind FROM pg_class WHERE relkind <> 't' AND relname !~ 'toast' ORDER BY oid
SELECT pg_relation_size('patients')
SELECT pg_total_relation_size('encounters'), pg_table_size('patients'), pg_indexes_size('patients')
SELECT pg_relation_size('patients_ssn_key')
SELECT pg_database_size(current_database())
SELECT pg_size_pretty(pg_relation_size('encounters'))
SELECT pg_column_size(name), pg_column_size(p.*) FROM patients p WHERE id = 1
SELECT pg_column_compression(name) FROM patients WHERE id < 9
SELECT size FROM pg_stat_file('base')
SELECT n_live_tup, n_dead_tup, seq_scan FROM pg_stat_user_tables WHERE relname = 'patients'
SELECT seq_tup_read FROM pg_stat_all_tables WHERE relname = 'patients'
SELECT heap_blks_read + heap_blks_hit > 0 FROM pg_statio_user_tables WHERE relname = 'patients'
SELECT idx_scan FROM pg_stat_user_indexes WHERE relname = 'patients'
SELECT id FROM wards
SELECT count(*) FROM wards_a
SELECT id, n FROM wards_b ORDER BY id
SELECT id FROM ONLY wards
SELECT sum(n) FROM wards_x
SELECT n FROM wards WHERE id = 3
SELECT id FROM indexed
SET enable_seqscan = off ;; SELECT id FROM indexed
SET enable_seqscan = off ;; SET enable_bitmapscan = off ;; SELECT id FROM indexed WHERE sex = 'F'
SET enable_seqscan = off ;; SET enable_sort = off ;; SELECT id, sex FROM indexed LIMIT 5
SET random_page_cost = 0 ;; SELECT id FROM indexed LIMIT 5
SET work_mem = '64kB' ;; SELECT e.id, p.name FROM encounters e JOIN patients p ON p.id = e.patient_id
SET enable_nestloop = off ;; SET enable_hashjoin = off ;; SELECT e.id, p.name FROM encounters e JOIN patients p ON p.id = e.patient_id
SELECT sex, count(*) FROM indexed GROUP BY sex
SELECT DISTINCT sex FROM indexed
SELECT id FROM indexed LIMIT 3
SELECT id FROM long_notes LIMIT 1000 ;; SELECT id FROM long_notes LIMIT 3
SELECT id, note FROM long_notes LIMIT 1500 ;; SELECT sex, note FROM long_notes LIMIT 3 ;; COPY (SELECT id FROM long_notes LIMIT 2) TO STDOUT
DECLARE c CURSOR FOR SELECT id FROM long_notes ;; FETCH 900 FROM c ;; CLOSE c ;; SELECT id FROM long_notes LIMIT 1
SET synchronize_seqscans = on ;; SELECT id FROM long_notes LIMIT 1000 ;; SELECT id FROM long_notes LIMIT 3
RESET ALL ;; SELECT id FROM long_notes LIMIT 1000 ;; SELECT id FROM long_notes LIMIT 3
DISCARD ALL ;; SELECT id FROM long_notes LIMIT 1000 ;; SELECT id FROM long_notes LIMIT 3
RESET synchronize_seqscans ;; SELECT id FROM long_notes LIMIT 1000 ;; SELECT id FROM long_notes LIMIT 3
-- family: catalogue
SELECT * FROM pg_stats WHERE tablename = 'patients' ORDER BY attname
SELECT most_common_vals FROM pg_stats WHERE tablename = 'patients' AND attname = 'name'
SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'patients' AND attname = 'ssn'
SELECT null_frac, avg_width, n_distinct, correlation FROM pg_stats WHERE tablename = 'patients' AND attname = 'name'
SELECT attname FROM pg_stats WHERE tablename = 'patients' AND avg_width > 10 ORDER BY 1
SELECT stawidth FROM pg_statistic WHERE starelid = 'patients'::regclass
SELECT stavalues1 FROM pg_statistic
SELECT * FROM pg_stats_ext
SELECT * FROM pg_stats_ext_exprs
SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'patient_statistics'
SELECT stxdmcv FROM pg_statistic_ext_data
SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data
SELECT query FROM pg_stat_activity
SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%ssn%'
SELECT statement FROM pg_prepared_statements
PREPARE q AS SELECT 'x' ;; SELECT name, statement, parameter_types FROM pg_prepared_statements
DECLARE c CURSOR FOR SELECT ssn FROM patients ;; SELECT name, statement FROM pg_cursors
SELECT last_value FROM counter
SELECT last_value, is_called FROM pg_sequences, counter
SELECT sequencename, last_value FROM pg_sequences
SELECT pg_sequence_last_value('counter')
SELECT definition FROM pg_views WHERE viewname = 'v_pat'
SELECT pg_get_viewdef('v_pat'), pg_get_functiondef('peek'::regproc)
SELECT prosrc FROM pg_proc WHERE proname = 'peek'
SELECT pg_describe_object('pg_class'::regclass, 'patients'::regclass, 1)
SELECT col_description('patients'::regclass, 2)
SELECT data FROM pg_largeobject
SELECT length(data), loid FROM pg_largeobject
SELECT lo_get(99001)
SELECT convert_from(lo_get(99001), 'UTF8')
SELECT loread(lo_open(99001, 262144), 100)
SELECT lo_export(99001, '/tmp/twin_lo')
SELECT * FROM pg_locks
SELECT mode FROM pg_locks WHERE relation = 'patients'::regclass
SELECT * FROM pg_stat_database WHERE datname = current_database()
SELECT tup_returned > 0, blks_hit FROM pg_stat_database
SELECT rolname, rolpassword FROM pg_authid
SELECT usename, passwd FROM pg_shadow
SELECT current_setting('data_directory'), current_setting('server_version')
SELECT setting FROM pg_settings WHERE name = 'application_name'
SELECT name, setting FROM pg_settings WHERE name IN ('work_mem', 'search_path')
SELECT * FROM pg_show_all_settings() WHERE name = 'application_name'
SELECT partbounddef FROM (SELECT pg_get_expr(relpartbound, oid) partbounddef FROM pg_class WHERE relname LIKE 'wards_%') q
SELECT pg_get_partkeydef('wards'::regclass)
SELECT attname, attstattarget FROM pg_attribute WHERE attrelid = 'patients'::regclass ORDER BY attnum
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'patients'::regclass ORDER BY 1
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'checked'::regclass ORDER BY 1
SELECT has_column_privilege('patients', 'ssn', 'select')
SELECT table_name, column_name, column_default FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position
SELECT view_definition FROM information_schema.views WHERE table_schema = 'public' ORDER BY 1
SELECT * FROM information_schema.sequences
SELECT txid_current() IS NOT NULL
SELECT pg_stat_get_live_tuples('patients'::regclass)
SELECT pg_stat_get_numscans('indexed_some'::regclass)
SELECT pg_freespace('patients')
SELECT * FROM pg_buffercache
SELECT * FROM pgstattuple('patients')
SELECT get_raw_page('patients', 0)
SELECT * FROM pg_toast.pg_toast_1255
SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'codes'
SELECT pg_relation_filepath('patients')
SELECT pg_read_file('PG_VERSION')
SELECT pg_read_binary_file('PG_VERSION')
SELECT pg_ls_dir('.')
SELECT pg_current_logfile()
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT pg_stat_reset()
SELECT pg_sleep(0)
SELECT pg_export_snapshot()
SELECT pg_terminate_backend(1)
SELECT pg_logical_emit_message(false, 'x', name) FROM patients WHERE id = 1
SHOW search_path
SHOW ALL
SHOW work_mem
-- family: collation
SELECT s_text = q.x FROM kinds, (SELECT label COLLATE "C" x FROM kinds WHERE id = 1) q WHERE id = 2
SELECT upper(s_text || x) FROM (SELECT id, s_text, label COLLATE "C" x FROM kinds) q
SELECT GREATEST(s_text, x) FROM (SELECT id, s_text, label COLLATE "C" x FROM kinds) q
SELECT s_text < x FROM (SELECT id, s_text, label COLLATE "C" x FROM kinds) q WHERE id = 5
SELECT name < x FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT name IN (x, 'y') FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT ROW(name, 1) < ROW(x, 2) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT ARRAY[name] = ARRAY[x] FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT lower(name || x), initcap(concat(name, x)) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT NULLIF(name, x) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT name IS DISTINCT FROM x FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT CASE name WHEN x THEN 1 END FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT lower(CASE WHEN id = 9 THEN name ELSE x END) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id = 9
SELECT starts_with(name, x), strpos(name, x), translate(name, x, x) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id IN (2, 9)
SELECT upper(a.name || b.name) FROM patients a, (SELECT id, email COLLATE "C" AS name FROM patients) b, (SELECT name COLLATE "POSIX" AS x FROM staff) c WHERE a.id = b.id AND a.id = 11
SELECT upper(CASE WHEN a.id > 0 THEN a.name ELSE b.x END) FROM (SELECT id, name COLLATE "C" AS name FROM patients) a, (SELECT dx COLLATE "POSIX" AS x FROM codes LIMIT 1) b
SELECT id FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q ORDER BY lower(name || x)
SELECT name COLLATE "C" < sex COLLATE "POSIX" FROM patients
SELECT (id, name) < (3, x) FROM (SELECT id, name COLLATE "C" AS name, sex::text COLLATE "POSIX" x FROM patients) q WHERE id IN (3, 9)
SELECT (id, name) < (3, 'x') FROM patients WHERE id IN (3, 9)
-- family: lazy
SELECT (name, 1) < ('Name1', 1/(id-1)) FROM patients WHERE id = 1
SELECT (name, 1) < ('Name1', nextval('counter')) FROM patients WHERE id = 1 ;; SELECT nextval('counter')
SELECT (ssn, 1) >= ('101-11-0007', 1/(id-1)) FROM patients WHERE id = 1
SELECT s_texts[1/(id-1)] FROM kinds WHERE id = 1
SELECT s_jsonb[(1/(id-1))::text] FROM kinds WHERE id = 1
SELECT (SELECT (name, 1) < ('Name1', 1/(id-1))) FROM patients WHERE id = 1
SELECT ARRAY[1, 2]::text[] FROM patients WHERE id = 1
SELECT (ARRAY[name])[1/(id-1)] FROM patients WHERE id = 1
SELECT lag(name, 1, (1/(id-1))::text) OVER (ORDER BY id) FROM patients WHERE id = 1
SELECT string_agg(dept, (1/(patient_id-1))::text) FROM encounters WHERE id = 1
SELECT name || (1/(id-1))::text FROM patients WHERE id = 1
SELECT isfinite(dob) FROM patients WHERE id = 1
SELECT GROUPING(sex) FROM patients GROUP BY sex, id HAVING id = 1
SELECT name FROM patients WHERE id = 1 UNION ALL SELECT name FROM patients WHERE id = 1/(id-1)
SELECT coalesce(name, 'x') = ANY (ARRAY['a', (1/(id-1))::text]) FROM patients WHERE id = 1
SELECT name = 'x' AND id = 1 IS NULL FROM patients WHERE id = 1
SELECT xmlforest(name, 1/(id-1)) FROM patients WHERE id = 1
SELECT (ssn, name, 1) < ('101-11-0007', 'Name1', 1/(id-1)) FROM patients WHERE id = 1
-- family: types
SELECT CASE WHEN s_bool THEN 1 ELSE 2 END FROM kinds
SELECT jsonb_extract_path(s_jsonb, VARIADIC ARRAY['a', NULL]) FROM kinds
SELECT jsonb_exists_any(s_jsonb, ARRAY[['a','b'],['c','d']]) FROM kinds
SELECT concat_ws(NULL, name), concat(VARIADIC ARRAY[name, email]) FROM patients WHERE id < 9
SELECT num_nulls(VARIADIC ARRAY[name]) FROM patients WHERE id < 9
SELECT left(name, -2147483648), right(name, -2147483648) FROM patients WHERE id < 9
SELECT substr(name, -2147483648), substring(name, 2147483647) FROM patients WHERE id < 9
SELECT translate(name, '', 'x'), translate(name, repeat('a', 3), chr(128512)) FROM patients WHERE id < 9
SELECT pg_column_size(p), pg_typeof(name) FROM patients p WHERE id < 9
SELECT s_timestamptz::text, s_timestamp::text, s_date::text, s_interval::text FROM kinds
SELECT s_timestamptz = '2020-01-01'::date, s_date < '2020-01-01'::timestamptz, s_timestamp > '2020-01-01'::timestamptz FROM kinds
SET timezone = 'UTC-14' ;; SELECT s_timestamptz = '2020-01-01'::timestamp, s_timestamp < '2020-01-01'::timestamptz, s_date > '2020-01-01'::timestamptz FROM kinds
SET timezone = 'America/New_York' ;; SELECT s_timestamptz::text, s_timestamptz, s_timetz FROM kinds
SET datestyle = 'German' ;; SELECT s_date, s_timestamp, s_timestamptz, s_date::text FROM kinds
SET intervalstyle = 'iso_8601' ;; SELECT s_interval, s_interval::text FROM kinds
SET bytea_output = 'escape' ;; SELECT s_bytea, s_bytea::text FROM kinds
SET extra_float_digits = -15 ;; SELECT s_float4, s_float8::text FROM kinds
SET lc_monetary = 'C' ;; SELECT s_money, s_money::text FROM kinds
SET xmloption = document ;; SELECT name::xml FROM patients WHERE id = 1
SELECT s_money = 1::money, s_money > '5' FROM kinds
SELECT s_numeric::text, s_numeric = 'NaN', abs(s_numeric), sign(s_numeric), s_float8 = 'NaN' FROM kinds
SELECT s_uuid::text, s_inet::text, s_cidr::text, s_macaddr::text, host(s_inet) FROM kinds
SELECT s_inet::text FROM kinds
SELECT s_bit = B'00010001', s_varbit::text, s_bit::text FROM kinds
SELECT s_char::text, s_name::text, s_bpchar::text, s_varchar::text, s_text::varchar(2)::char(1) FROM kinds
SELECT s_tag::text, s_tag2 || 'x', upper(s_tag2), s_tag2::tag FROM kinds
SELECT s_positive + 0, s_positive::int, s_positive = 3 FROM kinds
SELECT s_mood = 'ok', s_mood::text, s_mood > 'sad' FROM kinds
SELECT s_contact::text, (s_contact).phone, s_contact IS NULL FROM kinds
SELECT s_contacts[1], (s_contacts[1]).mail FROM kinds
SELECT s_lsn::text, s_oid::text, s_oid = 3, s_regclass::oid FROM kinds
SELECT s_regclass::text FROM kinds
SELECT s_jsonpath::text, s_tsvector::text, s_tsquery::text FROM kinds
SELECT s_json->>'qanary', s_json::text, s_json::jsonb FROM kinds
SELECT s_point::text, s_box::text, s_path::text FROM kinds
SELECT s_int4range::text, lower(s_int4range), s_daterange @> date '2000-01-01' FROM kinds
SELECT greatest(s_int4range, s_int4range), least(s_jsonb, '1') FROM kinds
SELECT greatest(s_ints, ARRAY[1]), least(s_contact, s_contact) FROM kinds
SELECT greatest(s_point::text, 'x') FROM kinds
SELECT ROW(s_int4, s_text)::text FROM kinds
SELECT NULLIF(s_contact, ROW('a', 'b')::contact) FROM kinds
SELECT ROW(s_point) = ROW(s_point) FROM kinds
SELECT ROW(s_json, 1) IS NULL, ROW(name, email) IS NOT NULL FROM kinds, patients WHERE patients.id = kinds.id
SELECT xmlserialize(content xmlelement(name a) AS text) || name FROM patients WHERE id = 1
SELECT (SELECT name FROM patients WHERE id = 1) || name FROM patients WHERE id = 2
SELECT name FROM patients WHERE id = (SELECT min(id) FROM patients)
SELECT max(id) OVER (ORDER BY id ROWS BETWEEN length('x') PRECEDING AND CURRENT ROW), name FROM patients WHERE id < 5
SELECT count(*) OVER (PARTITION BY sex), name FROM patients WHERE id < 5
SELECT first_value(name) OVER w, nth_value(name, 2) OVER w FROM patients WHERE id < 5 WINDOW w AS (ORDER BY id)
SELECT nth_value(name, id) OVER (ORDER BY id) FROM patients WHERE id < 5
SELECT name, generate_series(1, 2) FROM patients WHERE id < 3
SELECT name, unnest(ARRAY[1, 2]), generate_series(1, 3) FROM patients WHERE id < 3
SELECT id, name FROM patients WHERE id < 9 ORDER BY id OFFSET 2 FETCH NEXT 3 ROWS ONLY
SELECT DISTINCT ON (sex) sex, name FROM patients WHERE id < 9 ORDER BY sex, id
SELECT sex, (array_agg(id ORDER BY id))[1:2], count(*) FROM patients GROUP BY sex ORDER BY sex
SELECT id, name FROM patients WHERE id IN (SELECT patient_id FROM encounters WHERE dept = 'ICU' AND id < 20) ORDER BY id
SELECT p.name FROM patients p JOIN encounters e ON e.patient_id = p.id AND e.id < 5 ORDER BY e.id FOR SHARE OF p
WITH x AS (DELETE FROM encounters WHERE id = 1 RETURNING note, id) SELECT note, id FROM x
WITH x AS (INSERT INTO codes VALUES ('N', 'n') RETURNING dx) SELECT x.dx, name FROM x, patients WHERE id = 1
WITH a AS (SELECT name FROM patients WHERE id = 1), b AS (SELECT * FROM a UNION ALL SELECT dept FROM encounters WHERE id = 1) SELECT * FROM b
INSERT INTO patients(id, name) VALUES (900, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING (xmax = 0), name
UPDATE patients SET name = DEFAULT WHERE id = 1 RETURNING name, id
UPDATE patients SET (name, email) = ROW('a', 'b') WHERE id = 1 RETURNING name
UPDATE patients SET notes['x'] = '1' WHERE id = 1 RETURNING id
UPDATE patients SET notes = '{}' WHERE id = 3 RETURNING notes, id
UPDATE encounters e SET dept = 'X' FROM (VALUES (1), (2)) v(i) WHERE e.id = v.i RETURNING e.id, e.note
DELETE FROM encounters e USING patients p WHERE p.id = e.patient_id AND p.id = 5 RETURNING p.name, e.id
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy
SELECT * FROM pg_policies
SELECT * FROM pg_rules
SELECT pg_get_triggerdef(oid) FROM pg_trigger
SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
SELECT * FROM pg_matviews
SELECT reloptions, relhassubclass, relnatts FROM pg_class WHERE relname = 'patients'
SELECT pg_relation_is_updatable('patients'::regclass, true), pg_column_is_updatable('patients'::regclass, 2::int2, true)
SELECT row_security_active('guarded')
SELECT query, state FROM pg_stat_activity
SELECT pg_index_has_property('patients_pkey'::regclass, 'clusterable')
SELECT pg_encoding_max_length(6), getdatabaseencoding(), pg_client_encoding()
SELECT pg_safe_snapshot_blocking_pids(1)
SELECT currval('counter')
SELECT nextval('counter'), name FROM patients WHERE id = 1
SELECT lastval()
