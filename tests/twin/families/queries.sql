-- family: predicate
SELECT id FROM patients WHERE ssn = '101-11-0007'
SELECT id FROM patients WHERE ssn LIKE '1%'
SELECT id FROM patients WHERE ssn ILIKE '%QAN%'
SELECT id FROM patients WHERE ssn SIMILAR TO '1[0-9]{2}-%'
SELECT id FROM patients WHERE ssn ~ '^1'
SELECT id FROM patients WHERE ssn OPERATOR(pg_catalog.~) '^1'
SELECT id FROM patients WHERE ssn OPERATOR(public.===) '101-11-0007'
SELECT id FROM patients WHERE ssn === '101-11-0007' OR name === 'x'
SELECT id FROM patients WHERE starts_with(ssn, '1')
SELECT id FROM patients WHERE ssn ^@ '10'
SELECT id FROM patients WHERE position('7' in ssn) > 9
SELECT id FROM patients WHERE name IS NULL
SELECT id FROM patients WHERE name IS NOT NULL AND id < 9
SELECT id FROM patients WHERE name ISNULL
SELECT id FROM patients WHERE (name, id) = ('Name1', 1)
SELECT id FROM patients WHERE (name, id) >= ('Name1', 1)
SELECT id FROM patients WHERE (id, name) IN ((1, 'Name1'))
SELECT id FROM patients WHERE ssn IN ('101-11-0007', 'b')
SELECT id FROM patients WHERE 'Name1' IN (name, email)
SELECT id FROM patients WHERE ssn = ANY ('{101-11-0007}')
SELECT id FROM patients WHERE id IN (SELECT id FROM patients WHERE ssn < '2')
SELECT id FROM patients WHERE (SELECT ssn) < '2'
SELECT id FROM patients p WHERE EXISTS (SELECT 1 WHERE p.ssn < '2')
SELECT id FROM patients WHERE boom(name)
SELECT id FROM patients WHERE length(name) > 5
SELECT id FROM patients WHERE md5(ssn) < '8'
SELECT id FROM patients WHERE notes @> '{"q": "Qanary"}'
SELECT id FROM patients WHERE notes ? 'phone'
SELECT id FROM patients WHERE notes->>'phone' LIKE '555%'
SELECT id FROM patients WHERE notes['phone'] = '"555-010-0001"'
SELECT id FROM patients WHERE jsonb_path_exists(notes, '$.phone')
SELECT id FROM patients WHERE dob < '1951-01-01'
SELECT id FROM patients WHERE dob <@ daterange('1950-01-01', '1950-06-01')
SELECT id FROM patients WHERE extract(year FROM dob) = 1950
SELECT id FROM patients WHERE to_tsvector('simple', name) @@ to_tsquery('simple', 'name1')
SELECT id FROM patients WHERE name COLLATE "C" < 'N'
SELECT id FROM patients WHERE name::bytea < '\x4f'
SELECT count(*) FROM patients WHERE ssn < '5'
SELECT FROM patients WHERE name IS NULL
SELECT 1 WHERE (SELECT ssn FROM patients WHERE id = 1) < '5'
SELECT id FROM patients WHERE id = (SELECT length(name) FROM patients WHERE id = 1)
SELECT id FROM patients WHERE id < 9 AND NOT (name < 'N' AND true)
SELECT id FROM patients WHERE nullif(name, 'Name1') IS NULL
SELECT id FROM patients WHERE coalesce(name, '') = ''
SELECT id FROM patients WHERE num_nulls(name) = 1
SELECT id FROM patients WHERE CASE WHEN name IS NULL THEN true ELSE id = 1 END
SELECT id FROM kinds WHERE s_bool
SELECT id FROM kinds WHERE NOT s_bool
SELECT id FROM kinds WHERE s_bool IS NOT TRUE
SELECT id FROM kinds WHERE s_int4 > 1000
SELECT id FROM kinds WHERE s_float8 = 'NaN'
SELECT id FROM kinds WHERE s_date = 'infinity'
SELECT id FROM kinds WHERE s_inet << '10.1.0.0/16'
SELECT id FROM kinds WHERE s_ints @> ARRAY[4]
SELECT id FROM kinds WHERE 4 = ANY (s_ints)
SELECT id FROM kinds WHERE s_int4range @> 5
SELECT id FROM kinds WHERE s_mood = 'ok'
SELECT id FROM kinds WHERE s_tag LIKE 'qanaryq%'
SELECT id FROM kinds WHERE (s_contact).phone IS NULL
SELECT id FROM kinds WHERE s_uuid > '00000000-0000-0000-0001-000000000005'
SELECT id FROM kinds WHERE s_point <@ box(point(0,0), point(4,1))
SELECT id FROM kinds WHERE s_bytea > '\x71'
SELECT id FROM kinds WHERE s_tsv @@ 'qanary3'
SELECT id FROM kinds WHERE s_tsvector @@ 'qanary3'
SELECT id FROM kinds WHERE s_char = 'C'
SELECT id FROM kinds WHERE s_lsn > '0/5'
-- family: join
SELECT p.id FROM patients p JOIN encounters e ON e.note LIKE '%' || p.name || '%' LIMIT 3
SELECT a.id FROM patients a JOIN patients b USING (name)
SELECT a.id FROM patients a NATURAL JOIN staff b
SELECT count(*) FROM patients a NATURAL JOIN patients b
SELECT name FROM patients a FULL JOIN staff b USING (name)
SELECT a.id, b.id FROM patients a LEFT JOIN staff b ON a.name < b.name WHERE a.id < 5
SELECT a.id FROM patients a LEFT JOIN staff b ON a.name = b.name WHERE b.id IS NULL
SELECT a.id FROM patients a RIGHT JOIN staff b ON a.ssn > b.name LIMIT 9
SELECT c.dx, p.id FROM codes c CROSS JOIN LATERAL (SELECT id FROM patients WHERE name > c.dx LIMIT 1) p
SELECT e.id FROM encounters e WHERE EXISTS (SELECT 1 FROM patients p WHERE p.id = e.patient_id AND p.ssn < '2')
SELECT e.id FROM encounters e WHERE e.patient_id IN (SELECT id FROM patients WHERE ssn < '2')
SELECT e.id FROM encounters e WHERE e.patient_id = ANY (ARRAY(SELECT id FROM patients WHERE ssn < '2'))
SELECT l.v FROM patients p, LATERAL (SELECT p.ssn AS v) l WHERE id = 1
SELECT l.* FROM patients p, LATERAL (VALUES (p.ssn), (p.name)) l WHERE id = 1
SELECT u FROM patients p, unnest(ARRAY[p.ssn]) u WHERE id = 1
SELECT u.* FROM patients p, unnest(ARRAY[p.ssn], ARRAY[p.name]) WITH ORDINALITY u(a, b, n) WHERE id = 1
SELECT l.x FROM codes c LEFT JOIN LATERAL (SELECT name x FROM patients WHERE id < 3) l ON true
SELECT x.y FROM (patients p CROSS JOIN codes) AS x(a, y)  LIMIT 1
SELECT x.b FROM patients AS x(a, b) WHERE a = 1
SELECT u.name FROM (SELECT id, name FROM patients) AS u WHERE id = 1
SELECT j.name FROM patients JOIN encounters USING (id) AS j, patients j2 LIMIT 1
SELECT k.id, name FROM patients JOIN encounters USING (id) AS k WHERE k.id < 3
SELECT p.id FROM patients p JOIN account a ON a.mrn = p.mrn
SELECT l.id FROM ledger l JOIN account a USING (mrn) WHERE a.n = 2
SELECT a.n, sum(l.amount) FROM ledger l JOIN account a USING (mrn) GROUP BY a.n ORDER BY 1
SELECT l.mrn, a.n FROM ledger l, account a WHERE a.n = l.id ORDER BY a.n
-- family: order
SELECT id FROM patients ORDER BY ssn LIMIT 3
SELECT id FROM patients ORDER BY upper(name) DESC LIMIT 3
SELECT id, name FROM patients ORDER BY 2, 1 LIMIT 5
SELECT id, name AS weight FROM patients ORDER BY weight LIMIT 3
SELECT id FROM patients ORDER BY ssn USING > LIMIT 3
SELECT id FROM patients ORDER BY name NULLS FIRST LIMIT 5
SELECT id FROM patients ORDER BY name IS NULL, id LIMIT 5
SELECT id FROM patients ORDER BY name COLLATE "C" LIMIT 3
SELECT id FROM patients ORDER BY CASE WHEN ssn < '2' THEN id END, id LIMIT 3
SELECT id FROM patients ORDER BY (SELECT name) LIMIT 3
SELECT id FROM (SELECT id FROM patients ORDER BY name) q LIMIT 3
SELECT id FROM patients ORDER BY sex, ssn FETCH FIRST 3 ROWS ONLY
SELECT id FROM patients ORDER BY length(name) FETCH FIRST 3 ROWS WITH TIES
SELECT id FROM patients ORDER BY sex FETCH FIRST 1 ROW WITH TIES
SELECT id FROM patients ORDER BY sex LIMIT (SELECT length(name) FROM patients WHERE id = 1)
SELECT id FROM encounters ORDER BY id OFFSET (SELECT length(name) FROM patients WHERE id = 1) LIMIT 1
SELECT id FROM encounters ORDER BY id FETCH FIRST (SELECT length(name) FROM patients WHERE id = 1) ROWS ONLY
SELECT 1 LIMIT (SELECT (ssn < '2')::int FROM patients WHERE id = 1)
SELECT id FROM patients ORDER BY row(name, id) LIMIT 3
SELECT id FROM kinds ORDER BY s_numeric
SELECT id FROM kinds ORDER BY s_jsonb, id
SELECT id FROM patients ORDER BY name, id FOR UPDATE LIMIT 2
SELECT id FROM patients WHERE ssn < '2' FOR UPDATE SKIP LOCKED
SELECT name FROM patients WHERE id = 1 FOR UPDATE
SELECT name FROM patients WHERE id = 1 FOR KEY SHARE NOWAIT
-- family: group
SELECT DISTINCT ssn IS NULL FROM patients
SELECT DISTINCT ON (name) id FROM patients ORDER BY name, id
SELECT DISTINCT ON (sex) sex, name FROM patients ORDER BY sex, name
SELECT DISTINCT ON (sex) sex, id FROM patients ORDER BY sex, name
SELECT DISTINCT name FROM patients
SELECT DISTINCT sex, left(name, 1) FROM patients
SELECT count(*) FROM (SELECT DISTINCT name FROM patients) q
SELECT sex, count(*) FROM patients GROUP BY sex, name
SELECT count(*) FROM patients GROUP BY ssn < '5'
SELECT sex FROM patients GROUP BY sex HAVING max(name) > 'N'
SELECT sex FROM patients GROUP BY sex HAVING count(name) > 95
SELECT sex FROM patients GROUP BY sex HAVING bool_or(ssn LIKE '1%')
SELECT grouping(name) FROM patients GROUP BY ROLLUP (name) LIMIT 2
SELECT sex, count(*) FROM patients GROUP BY GROUPING SETS ((sex), (name))
SELECT sex, dept, count(*) FROM patients p JOIN encounters e ON e.patient_id = p.id GROUP BY CUBE (sex, dept, left(name, 1))
SELECT sex, max(name) FROM patients GROUP BY GROUPING SETS ((sex), ()) ORDER BY 1
SELECT name, ssn FROM patients GROUP BY id LIMIT 2
SELECT id, name FROM patients GROUP BY id, name ORDER BY id LIMIT 2
-- family: set
SELECT name FROM patients UNION SELECT 'x'
SELECT name FROM patients WHERE id < 3 UNION ALL SELECT 'x'
SELECT id, name FROM patients WHERE id < 3 UNION ALL SELECT id, dept FROM encounters WHERE id < 3
SELECT id FROM patients UNION SELECT length(name) FROM patients
SELECT name FROM patients INTERSECT SELECT 'Name1'
SELECT name FROM patients INTERSECT ALL SELECT email FROM patients
SELECT name FROM patients EXCEPT SELECT 'Name1'
SELECT name FROM patients EXCEPT ALL SELECT 'Name1'
SELECT dx FROM codes EXCEPT SELECT name FROM patients
SELECT dx FROM codes WHERE dx = 'E1' UNION ALL SELECT ssn FROM patients WHERE id = 1
(SELECT name FROM patients ORDER BY name LIMIT 1) UNION ALL (SELECT dx FROM codes ORDER BY dx LIMIT 1)
(SELECT id FROM patients ORDER BY name LIMIT 1) UNION ALL SELECT 0
SELECT count(*) FROM (SELECT name FROM patients UNION SELECT 'x') q
SELECT q.t FROM (SELECT dx t FROM codes UNION ALL SELECT name FROM patients) q LIMIT 22
SELECT t FROM v_union WHERE id = 1
SELECT id FROM v_union WHERE t < 'N'
SELECT NULL::text UNION ALL SELECT ssn FROM patients WHERE id = 1
SELECT 1::numeric UNION ALL SELECT s_int4 FROM kinds
SELECT name FROM patients WHERE id = 1 UNION ALL VALUES ('y'), ((SELECT ssn FROM patients WHERE id = 2))
VALUES ((SELECT ssn FROM patients WHERE id = 1))
VALUES (1, 'a'), (2, (SELECT name FROM patients WHERE id = 1)) ORDER BY 2
TABLE patients
TABLE patients LIMIT 2
TABLE "Odd.Table"
TABLE v_star ORDER BY id LIMIT 1
SELECT ALL name FROM ONLY (patients) WHERE id = 1
SELECT name FROM patients * WHERE id = 1
-- family: window
SELECT id, row_number() OVER (ORDER BY ssn) FROM patients ORDER BY id LIMIT 3
SELECT id, count(*) OVER (PARTITION BY name) FROM patients ORDER BY id LIMIT 3
SELECT id, lag(ssn) OVER (ORDER BY id) FROM patients LIMIT 3
SELECT id, lead(name, 1, 'none') OVER (ORDER BY id) FROM patients LIMIT 3
SELECT id, lag(id, length(name)) OVER (ORDER BY id) FROM patients LIMIT 20
SELECT id, nth_value(name, 2) OVER (ORDER BY id) FROM patients LIMIT 3
SELECT id, ntile(length(name)) OVER (ORDER BY id) FROM patients LIMIT 3
SELECT id, first_value(id) OVER (ORDER BY name) FROM patients ORDER BY id LIMIT 3
SELECT id, sum(weight) OVER (ORDER BY length(name)) FROM patients ORDER BY id LIMIT 3
SELECT id, sum(weight) OVER (ORDER BY dob RANGE BETWEEN '1 month' PRECEDING AND CURRENT ROW) FROM patients ORDER BY id LIMIT 5
SELECT id, count(*) FILTER (WHERE ssn < '5') OVER () FROM patients LIMIT 3
SELECT id, count(name) OVER (ORDER BY id) FROM patients LIMIT 30
SELECT id, max(name) OVER w FROM patients WINDOW w AS (PARTITION BY sex ORDER BY id) LIMIT 3
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN (SELECT length(name) FROM patients WHERE id = 1) PRECEDING AND CURRENT ROW) FROM patients LIMIT 20
SELECT id, rank() OVER (ORDER BY name IS NULL) FROM patients ORDER BY id LIMIT 20
SELECT id, sum(id) OVER (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES), name FROM patients LIMIT 3
SELECT id FROM (SELECT id, row_number() OVER (ORDER BY ssn) r FROM patients) q WHERE r < 4
SELECT r, id FROM v_window ORDER BY id LIMIT 5
SELECT id, cume_dist() OVER (PARTITION BY sex ORDER BY ssn) FROM patients ORDER BY id LIMIT 3
-- family: aggregate
SELECT max(name) FROM patients
SELECT min(ssn), id FROM patients GROUP BY id ORDER BY id LIMIT 3
SELECT count(name) FROM patients
SELECT count(DISTINCT name) FROM patients
SELECT count(ALL email) FROM patients
SELECT pg_catalog.count(name) FROM patients
SELECT public.count(name) FROM patients WHERE id = 1
SELECT count(*) FILTER (WHERE ssn LIKE '1%') FROM patients
SELECT sum(weight) FILTER (WHERE ssn < '5') FROM patients
SELECT avg(length(name)) FROM patients
SELECT sum(s_int4), avg(s_numeric), sum(s_float8), min(s_date) FROM kinds
SELECT sum(s_int8) FROM kinds
SELECT avg(s_interval) FROM kinds
SELECT var_pop(s_float8), corr(s_float8, id) FROM kinds
SELECT bit_and(s_int4), bool_and(s_bool), every(s_bool) FROM kinds
SELECT bool_or(ssn = '101-11-0007') FROM patients
SELECT string_agg(ssn, ',' ORDER BY id) FROM patients
SELECT string_agg(left(name, 1), '') FROM patients
SELECT string_agg(sex, name ORDER BY id) FROM patients
SELECT string_agg(sex, '' ORDER BY name, id) FROM patients
SELECT array_agg(id ORDER BY ssn) FROM patients
SELECT array_agg(DISTINCT name) FROM patients
SELECT array_agg(name) FILTER (WHERE id < 3) FROM patients
SELECT json_agg(name), jsonb_agg(p), json_object_agg(id, name), xmlagg(xmlforest(name)) FROM patients p WHERE id < 3
SELECT mode() WITHIN GROUP (ORDER BY zip) FROM patients
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM patients
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY length(name)) FROM patients
SELECT percentile_disc(length(name) / 1000.0) WITHIN GROUP (ORDER BY id) FROM patients GROUP BY name ORDER BY 1 LIMIT 3
SELECT rank('5') WITHIN GROUP (ORDER BY ssn) FROM patients
SELECT dense_rank('N', 3) WITHIN GROUP (ORDER BY name, id) FROM patients
SELECT glue(name) FROM patients
SELECT glue(name ORDER BY id) FILTER (WHERE id < 3) FROM patients
SELECT corr(weight, length(name)), regr_slope(weight, ascii(name)) FROM patients
SELECT range_agg(s_int4range), range_intersect_agg(s_int4range) FROM kinds
SELECT any_value(name) FROM patients
SELECT max(id) FILTER (WHERE name IS NULL) FROM patients
SELECT max(CASE WHEN ssn < '5' THEN id END) FROM patients
SELECT (SELECT count(*) FROM encounters e WHERE e.patient_id = length(p.name)) FROM patients p WHERE id < 5
SELECT (SELECT count(p.name)) FROM patients p
SELECT (SELECT max(p.name) FROM codes LIMIT 1) FROM patients p
SELECT count(*) + (SELECT count(name) FROM patients) FROM codes
SELECT ts_stat('SELECT to_tsvector(name) FROM patients')
-- family: srf
SELECT generate_series(1, length(name)) FROM patients WHERE id = 1
SELECT generate_series(1, (SELECT ascii(ssn) FROM patients WHERE id = 1))
SELECT id FROM codes, generate_series(1, (SELECT length(name) FROM patients WHERE id = 1)) id LIMIT 100
SELECT g FROM patients p, generate_series(1, length(p.name)) g WHERE p.id = 1
SELECT unnest(string_to_array(ssn, '-')) FROM patients WHERE id = 1
SELECT regexp_split_to_table(name, '') FROM patients WHERE id = 1
SELECT regexp_matches(name, 'a', 'g') FROM patients WHERE id < 9
SELECT jsonb_object_keys(notes) FROM patients WHERE id = 1
SELECT id FROM patients, jsonb_each(notes) WHERE id < 2
SELECT id, key FROM patients, jsonb_each_text(notes) WHERE id = 1
SELECT * FROM patients, jsonb_to_record(notes) AS x(phone text) WHERE id = 1
SELECT x.* FROM patients, json_to_record('{}') AS x(a int) WHERE ssn < '2'
SELECT x.t FROM patients p, xmltable('/a' PASSING xmlparse(document '<a/>') COLUMNS t text PATH '.') x WHERE p.name < 'N'
SELECT x.t FROM patients p, xmltable('/a' PASSING xmlelement(name a, p.name) COLUMNS t text PATH '.') x WHERE id = 1
SELECT x.t FROM patients p, xmltable('/a/b' PASSING xmlelement(name a, xmlelement(name b, p.name)) COLUMNS t text PATH '.', n FOR ORDINALITY) x WHERE p.id = 1
SELECT jt.* FROM patients, JSON_TABLE(notes, '$.*' COLUMNS (v text PATH '$')) jt WHERE id = 1
SELECT JSON_VALUE(notes, '$.phone'), JSON_QUERY(notes, '$'), JSON_EXISTS(notes, '$.q') FROM patients WHERE id = 1
SELECT JSON_VALUE(notes, '$.n' RETURNING int ERROR ON ERROR) FROM patients WHERE id < 9
SELECT JSON_OBJECT('a': name), JSON_ARRAY(name, ssn), JSON_SCALAR(name), JSON(name) FROM patients WHERE id = 1
SELECT JSON_OBJECTAGG(id: name), JSON_ARRAYAGG(name) FROM patients WHERE id < 3
SELECT name IS JSON, name IS JSON OBJECT FROM patients WHERE id < 9
SELECT JSON_SERIALIZE(notes) FROM patients WHERE id = 1
SELECT * FROM ROWS FROM (generate_series(1, 2), unnest((SELECT s_ints FROM kinds WHERE id = 4))) x(a, b)
SELECT * FROM everyone() WHERE id = 1
SELECT name FROM everyone() WHERE id = 1
SELECT * FROM name_of(1)
SELECT name_of(id) FROM codes, generate_series(1, 2) id LIMIT 1
SELECT peek()
SELECT atomic()
SELECT 1 WHERE peek() < '5'
SELECT other.upper('x')
SELECT count(*) FROM generate_series(1, 3) WHERE boom((SELECT ssn FROM patients WHERE id = 1))
SELECT id, generate_series(1, 2) FROM patients WHERE ssn < '2'
SELECT (each).* FROM (SELECT jsonb_each(notes) AS each FROM patients WHERE id = 1) q
SELECT pg_get_keywords() LIMIT (SELECT ascii(name) - 70 FROM patients WHERE id = 1)
-- family: expression
SELECT ssn || '' FROM patients WHERE id = 1
SELECT ssn AS harmless, name "ID", email AS id FROM patients WHERE id = 1
SELECT upper(name), lower(name), initcap(name), reverse(ssn) FROM patients WHERE id = 1
SELECT left(name, 1), right(name, 1), length(name), octet_length(name), bit_length(ssn) FROM patients WHERE id = 1
SELECT btrim(name, 'N'), ltrim(name), rtrim(name, '1') FROM patients WHERE id = 1
SELECT translate(ssn, '0123456789', 'abcdefghij') FROM patients WHERE id = 1
SELECT substr(ssn, 1, 3), substring(ssn from 1 for 3), substring(ssn, '^...') FROM patients WHERE id = 1
SELECT ascii(substr(ssn, 1, 1)), strpos(ssn, '-') FROM patients WHERE id = 1
SELECT concat(name, email, id), concat_ws('-', name, id, ssn) FROM patients WHERE id = 1
SELECT name || repeat('x', 9) FROM patients WHERE id = 1
SELECT length(ssn || repeat('x', 1073741800)) FROM patients WHERE id = 1
SELECT length(ssn || lpad('', 1073741800, 'x')) FROM patients WHERE id = 1
SELECT replace(name, 'N', repeat('x', 100000000)) IS NULL FROM patients WHERE id = 1
SELECT ssn COLLATE "C", ssn COLLATE "POSIX" < 'x' FROM patients WHERE id = 1
SELECT name::varchar(3), name::char(2), name::text, name::name FROM patients WHERE id = 1
SELECT name::text::varchar::bpchar::text FROM patients WHERE id = 1
SELECT CAST(name AS character varying(4)) FROM patients WHERE id = 1
SELECT text 'x' || name, E'\x41' || name, U&'\0041' || name, $$x$$ || name FROM patients WHERE id = 1
SELECT notes->>'phone', notes->'phone', notes #>> '{phone}', notes['phone'] FROM patients WHERE id = 1
SELECT notes @> '{}', notes ? 'x', notes || '{"a":1}', notes - 'phone', notes #- '{phone}' FROM patients WHERE id = 2
SELECT jsonb_typeof(notes), jsonb_pretty(notes), jsonb_strip_nulls(notes), notes::text FROM patients WHERE id = 1
SELECT dob + 1, dob - date '2000-01-01', extract(year FROM dob), to_char(dob, 'DDD') FROM patients WHERE id = 1
SELECT date_trunc('month', dob), dob::timestamp, dob + interval '1 day', isfinite(dob) FROM patients WHERE id = 1
SELECT dob = '1950-01-31', dob IS NULL, dob::text FROM patients WHERE id = 1
SELECT weight + length(name), weight * ascii(ssn) FROM patients WHERE id = 1
SELECT pg_typeof(name), pg_column_size(name), num_nulls(name) FROM patients WHERE id = 1
SELECT to_tsvector('simple', name), to_json(name), to_jsonb(ssn), quote_literal(name) FROM patients WHERE id = 1
SELECT json_build_object('k', ssn), jsonb_build_array(name), xmlelement(name x, ssn), xmlforest(name, email) FROM patients WHERE id = 1
SELECT (SELECT ssn FROM patients WHERE id = 1), ARRAY(SELECT name FROM patients ORDER BY id LIMIT 3)
SELECT (SELECT ssn FROM patients WHERE id = 1) || (SELECT name FROM patients WHERE id = 2)
SELECT U&"\0073sn", U&"!0073sn" UESCAPE '!' FROM patients WHERE id = 1
SELECT "ssn", "patients"."name", "public"."patients"."email" FROM patients WHERE id = 1
SELECT SSN, Name FROM PATIENTS WHERE ID = 1
SELECT/**/ssn/* /* x */ */FROM/**/patients--x
SELECT ssn FROM patients WHERE id = 1 -- ' ; SELECT 1
SELECT id /* , */ , ssn AS z FROM patients WHERE id = 1
SELECT DISTINCT q.x FROM (SELECT name x FROM patients WHERE id = 1) q
SELECT * FROM (SELECT * FROM (SELECT * FROM patients) a) b WHERE id = 1
SELECT a.b FROM (SELECT ssn FROM patients WHERE id = 1) AS a(b)
SELECT s_bool, s_int2, s_int4, s_int8, s_float4, s_float8, s_numeric, s_money, s_oid FROM kinds
SELECT s_date, s_time, s_timetz, s_timestamp, s_timestamptz, s_interval FROM kinds
SELECT s_uuid, s_inet, s_cidr, s_macaddr, s_bytea, s_bit, s_varbit, s_json, s_jsonb FROM kinds
SELECT s_char, s_name, s_bpchar, s_varchar, s_tsvector, s_tsquery, s_text FROM kinds
SELECT s_point, s_box, s_path, s_int4range, s_daterange, s_multirange FROM kinds
SELECT s_ints, s_texts, s_dates, s_mood, s_lsn, s_regclass, s_jsonpath FROM kinds
SELECT s_tag, s_tag2, s_positive FROM kinds
SELECT s_contact, s_contacts, s_tags FROM kinds
SELECT * FROM kinds
SELECT s_tag || 'x', s_positive + 1, upper(s_tag2) FROM kinds
SELECT s_tag::text, s_positive::int, s_int4::positive FROM kinds WHERE id = 4
SET bytea_output = 'escape' ;; SELECT s_bytea FROM kinds
SET extra_float_digits = -15 ;; SELECT s_float4, s_float8 FROM kinds
SET DateStyle = 'German' ;; SELECT s_date, s_timestamp FROM kinds
SET IntervalStyle = 'iso_8601' ;; SELECT s_interval FROM kinds
SET xmloption = 'document' ;; SELECT name::xml FROM patients WHERE id = 1
SET lc_messages = 'C' ;; SELECT ssn::int FROM patients WHERE id = 1
SET client_min_messages = 'debug5' ;; SELECT name FROM patients WHERE id = 1
SET client_encoding = 'LATIN1' ;; SELECT name FROM patients WHERE id < 9
SET client_encoding = 'SJIS' ;; SELECT ssn AS z FROM patients WHERE id = 1
SET standard_conforming_strings = off ;; SELECT ssn, '\' FROM patients WHERE id = 1
SET search_path = other, public ;; SELECT ssn FROM patients
SET search_path = '' ;; SELECT ssn FROM public.patients WHERE id = 1
SET quote_all_identifiers = on ;; SELECT ssn FROM patients WHERE id = 1
SET row_security = off ;; SELECT * FROM guarded
SET escape_string_warning = off ;; SELECT ssn, '\\' FROM patients WHERE id = 1
SET transform_null_equals = on ;; SELECT id FROM patients WHERE name = NULL
SET LOCAL session_replication_role = replica ;; UPDATE root SET x = 1 WHERE id = 1
SET role = postgres ;; SELECT ssn FROM patients WHERE id = 1
RESET ALL ;; SELECT ssn FROM patients WHERE id = 1
-- family: cte
WITH a AS (SELECT ssn x FROM patients WHERE id = 1) SELECT x FROM a
WITH a(x) AS (SELECT ssn FROM patients WHERE id = 1) SELECT x FROM a
WITH x AS (SELECT * FROM patients), y AS (SELECT * FROM x) SELECT y.email FROM y WHERE id = 1
WITH x AS MATERIALIZED (SELECT ssn AS id FROM patients) SELECT id FROM x LIMIT 1
WITH x AS NOT MATERIALIZED (SELECT ssn AS id, id AS ssn FROM patients) SELECT id FROM x WHERE ssn = 1
WITH patients AS (SELECT 1 id, 'x'::text ssn) SELECT ssn FROM patients
WITH patients AS (SELECT * FROM public.patients) SELECT ssn FROM patients WHERE id = 1
WITH codes AS (SELECT ssn AS dx FROM patients WHERE id = 1) SELECT dx FROM codes
WITH a AS (WITH b AS (SELECT name FROM patients WHERE id = 1) SELECT * FROM b) SELECT * FROM a
WITH a AS (SELECT id, ssn FROM patients) SELECT (SELECT a FROM a WHERE id = 1), (SELECT (a).ssn FROM a WHERE id = 1)
WITH a AS (SELECT ssn FROM patients WHERE id = 1) SELECT * FROM a, a b
WITH RECURSIVE t(a, b) AS (SELECT id, name FROM patients WHERE id < 4 UNION ALL SELECT a + 1, b FROM t WHERE a < 6) SELECT * FROM t
WITH RECURSIVE t(a, b) AS (SELECT id, name FROM patients WHERE id < 4 UNION SELECT a, b FROM t) SELECT a FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) SELECT b FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) SEARCH DEPTH FIRST BY b SET o SELECT a, o FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) SEARCH BREADTH FIRST BY a SET o SELECT a, b FROM t ORDER BY o
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) CYCLE b SET c USING d SELECT a, c FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT a + 1, (SELECT name FROM patients WHERE id = a) FROM t WHERE a < 5) SELECT * FROM t
WITH RECURSIVE t(n, b) AS (SELECT 0, (SELECT name FROM patients WHERE id = 1) UNION ALL SELECT n + 1, left(b, length(b) - 1) FROM t WHERE b <> '') SELECT n FROM t
WITH RECURSIVE t(n, x) AS (SELECT 1, ssn FROM patients WHERE id = 1 UNION ALL SELECT n + 1, x || x FROM t WHERE n < 28) SELECT n, length(x) FROM t
WITH RECURSIVE x AS (SELECT * FROM y), y AS (SELECT ssn FROM patients WHERE id = 1) SELECT * FROM x
WITH x AS (UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn) SELECT * FROM x
WITH x AS (DELETE FROM codes WHERE dx = 'E1' RETURNING (SELECT ssn FROM patients WHERE id = 1)) SELECT * FROM x
WITH x AS (INSERT INTO codes SELECT 'Z', name FROM patients WHERE id = 1 RETURNING descr) SELECT * FROM x
WITH x AS (INSERT INTO codes VALUES ('Y', 'y') RETURNING dx) SELECT p.name FROM x, patients p WHERE id = 1
WITH p AS (SELECT ssn FROM patients WHERE id = 1) UPDATE codes SET descr = ssn FROM p WHERE dx = 'E1' RETURNING descr
WITH p AS (SELECT ssn FROM patients WHERE id = 1) DELETE FROM codes USING p WHERE dx < ssn
WITH p AS (SELECT ssn FROM patients WHERE id = 1) INSERT INTO codes SELECT 'W', ssn FROM p
WITH u AS (UPDATE encounters SET dept = 'X' WHERE note LIKE '%1 %' RETURNING id) SELECT count(*) FROM u
WITH a AS MATERIALIZED (SELECT name || name x FROM patients WHERE id = 1), b AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM a), c AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM b), d AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM c), e AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM d), f AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM e), g AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM f), h AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM g), i AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM h), j AS MATERIALIZED (SELECT x || x || x || x || x || x || x || x x FROM i) SELECT length(x) FROM j
