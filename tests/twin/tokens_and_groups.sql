-- Tokens, generalised values and groups, on the pair of twin_coins.py: {ssn:3} is the token of row 3's SSN.
-- What is in one twin alone is a guess: mixed's rows 61 and 62 say what row 3 of people has in the first.
-- family: tokens
SELECT id, ssn, pid, mrn, uid, code, handle, email FROM people WHERE id < 9 ORDER BY id
SELECT id FROM people WHERE ssn = '{ssn:3}'
SELECT id FROM people WHERE ssn IN ('{ssn:3}', '{ssn:4}') ORDER BY id
SELECT id FROM people WHERE pid = '{pid:3}'
SELECT id FROM people WHERE uid = '{uid:3}'
SELECT id FROM people WHERE code = '{code:3}'
SELECT id FROM people WHERE handle = '{handle:3}'
SELECT v.id, v.dept FROM visits v JOIN people p ON p.pid = v.pid WHERE p.pid = '{pid:3}' ORDER BY v.id
SELECT count(*) FROM visits WHERE mrn = '{mrn:3}'
-- family: casts
SELECT id FROM people WHERE pid = '{pid:3}'::smallint
SELECT id FROM people WHERE pid = '{pid:3}'::int2 OR id = 1 ORDER BY id
SELECT id FROM people WHERE big = '{big:3}'::int
SELECT id FROM people WHERE big = '{big:3}'::int2
SELECT id FROM people WHERE pid = CAST('{pid:3}' AS int8)
SELECT id FROM people WHERE ssn = '{ssn:3}'::short
SELECT id FROM people WHERE ssn = CAST('{ssn:3}' AS short)
SELECT id FROM people WHERE pid = '{pid:3}'::low
SELECT id FROM people WHERE mrn = '{mrn:3}'::name
SELECT id FROM people WHERE mrn = '{mrn:3}'::plain
SELECT id FROM people WHERE ssn = '{ssn:3}'::varchar
SELECT id FROM people WHERE ssn = '{ssn:3}'::varchar(6)
SELECT id FROM people WHERE ssn = '{ssn:3}'::char
SELECT id FROM people WHERE ssn = '{ssn:3}'::"char"
SELECT id FROM people WHERE ssn = '{ssn:3}'::char(4)
SELECT id FROM people WHERE pid = '{pid:3}'::oid
SELECT id FROM people WHERE pid = '{pid:3}'::regclass
SELECT id FROM people WHERE ssn::name = '{ssn:3}'
SELECT id FROM people WHERE pid::int8 = '{pid:3}'
SELECT id FROM people WHERE pid::int2 = '{pid:3}'
SELECT id FROM people WHERE pid = ANY (ARRAY['{pid:3}']::int2[])
SELECT id FROM people WHERE pid = ANY (ARRAY['{pid:3}'::int2])
SELECT id FROM people WHERE pid = ANY (ARRAY['{pid:3}'::int2, '{pid:4}'])
SELECT id FROM people WHERE pid IN ('{pid:3}'::int2, '{pid:4}'::int2)
SELECT id FROM people WHERE ssn = ANY (ARRAY['{ssn:3}'::short, '{ssn:4}'::short])
SELECT id FROM people WHERE ssn = ANY (ARRAY['{ssn:3}', '{ssn:4}']::short[])
SELECT id FROM people WHERE ssn = int2 '{ssn:3}'
-- family: unions
SELECT ssn FROM people WHERE id = 3 UNION ALL SELECT note FROM mixed WHERE id = 3
SELECT note FROM mixed WHERE id = 3 UNION ALL SELECT ssn FROM people WHERE id = 3
SELECT t FROM v_mixed WHERE id = 3
SELECT n FROM v_years WHERE id = 3
SELECT yob FROM people WHERE id < 30 UNION ALL SELECT zipn FROM people WHERE id < 30
SELECT zipn FROM people WHERE id < 30 UNION ALL SELECT yob FROM people WHERE id < 30
SELECT years FROM people WHERE id < 30 UNION ALL SELECT rank FROM people WHERE id < 30
SELECT years FROM people WHERE id < 30 UNION ALL SELECT yob FROM people WHERE id < 30
SELECT ssn FROM people WHERE id < 5 UNION ALL SELECT mrn FROM people WHERE id < 5
SELECT pid FROM people WHERE id < 5 UNION ALL SELECT id FROM people WHERE id < 5
-- family: guesses
SELECT ssn FROM people WHERE id = 3 UNION ALL SELECT note FROM mixed WHERE id = 61
SELECT note FROM mixed WHERE id = 61 UNION ALL SELECT ssn FROM people WHERE id = 3
SELECT t FROM v_mixed WHERE id IN (3, 61)
SELECT pid FROM people WHERE id = 3 UNION ALL SELECT n FROM mixed WHERE id = 61
SELECT x FROM (SELECT ssn x, id FROM people UNION ALL SELECT note, id FROM mixed) s WHERE id IN (3, 61)
WITH s AS (SELECT ssn x, id FROM people UNION ALL SELECT note, id FROM mixed) SELECT x FROM s WHERE id IN (3, 61)
WITH RECURSIVE r(n, x) AS (SELECT 1, note FROM mixed WHERE id = 61 UNION ALL SELECT n + 1, ssn FROM r JOIN people ON id = 3 WHERE n < 2) SELECT x FROM r
SELECT ssn FROM people WHERE id = 3 UNION ALL (SELECT ssn FROM v_alias WHERE id = 61)
SELECT ssn FROM people WHERE id = 3 UNION ALL SELECT '000023757'
SELECT ssn FROM people WHERE id = 3 UNION ALL VALUES ('000023757')
SELECT coalesce(p.ssn, m.note) FROM people p, mixed m WHERE p.id = 3 AND m.id = 61
SELECT CASE WHEN p.id = 3 THEN p.ssn ELSE m.note END FROM people p, mixed m WHERE p.id < 5 AND m.id = 61
SELECT mrn FROM people WHERE id = 3 UNION ALL SELECT ssn FROM people WHERE id = 3
SELECT ssn FROM people WHERE id = 3 UNION ALL SELECT code::text FROM people WHERE id = 3
SELECT p.ssn, q.note FROM people p FULL JOIN (SELECT note, note AS ssn, id FROM mixed) q USING (ssn) WHERE p.id = 3 OR q.id = 61
SELECT ssn FROM people WHERE ssn = '000023757'
SELECT ssn FROM people p WHERE EXISTS (SELECT FROM mixed m WHERE m.note = p.ssn)
SELECT ssn FROM people p JOIN mixed m ON m.note = p.ssn
SELECT ssn = '{ssn:3}', id FROM people WHERE id < 6 ORDER BY id
SELECT note = '{ssn:3}' FROM mixed WHERE id = 61
SELECT t = '{ssn:3}' FROM v_mixed WHERE id = 61
SELECT id FROM v_mixed WHERE t = '{ssn:3}'
SELECT x.id FROM (SELECT ssn x, id FROM people UNION ALL SELECT note, id FROM mixed) x WHERE x.x = '{ssn:3}'
SELECT id FROM v_alias WHERE ssn = '{ssn:3}'
SELECT id, ssn FROM v_alias WHERE id = 61
SELECT id FROM mixed WHERE txt = '{ssn:3}' OR note = '{ssn:3}'
SELECT a.id FROM people a JOIN visits v ON v.pid = a.id WHERE a.id = 3
SELECT p.id FROM people p JOIN mixed m ON m.n = p.pid
SELECT p.id FROM people p JOIN v_mixed m ON m.t = p.ssn WHERE m.id = 61
INSERT INTO parted(id, ssn, at) VALUES (99, '000023757', 5) RETURNING ssn
INSERT INTO made(id, ssn) VALUES (99, '000023757') RETURNING ssn, copy
UPDATE people SET ssn = '000023757' WHERE id = 50 RETURNING ssn
UPDATE mixed SET note = ssn FROM people p WHERE p.id = mixed.id RETURNING note
MERGE INTO people p USING mixed m ON p.id = m.id AND m.id = 61 WHEN NOT MATCHED THEN INSERT (id, ssn) VALUES (m.id, m.note)
COPY people(id, ssn) FROM STDIN <<< 99\t000023757
-- family: statements side by side
SELECT 1; CREATE TABLE kept (x text DEFAULT '{ssn:3}'); SELECT column_default FROM information_schema.columns WHERE table_name = 'kept'
SELECT 1; CREATE TABLE kept (x text DEFAULT '{ssn:3}') ;; COMMIT ;; SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'kept'::regclass ;; DROP TABLE kept
SELECT 1; CREATE TABLE kept (x text CHECK (x <> '{ssn:3}')) ;; COMMIT ;; SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'kept'::regclass ;; DROP TABLE kept
SELECT 1; CREATE DOMAIN kept AS text DEFAULT '{ssn:3}' ;; COMMIT ;; SELECT typdefault FROM pg_type WHERE typname = 'kept' ;; DROP DOMAIN kept
SELECT 1; CREATE VIEW kept AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; COMMIT ;; SELECT pg_get_viewdef('kept') ;; DROP VIEW kept
CREATE VIEW kept AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; COMMIT ;; SELECT pg_get_viewdef('kept'::regclass) ;; SELECT definition FROM pg_views WHERE viewname = 'kept' ;; DROP VIEW kept
CREATE MATERIALIZED VIEW kept AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; COMMIT ;; SELECT pg_get_viewdef('kept'::regclass) ;; DROP MATERIALIZED VIEW kept
CREATE TABLE kept AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; COMMIT ;; SELECT * FROM kept ;; DROP TABLE kept
CREATE TABLE kept (x text DEFAULT '{ssn:3}') ;; COMMIT ;; SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'kept'::regclass ;; DROP TABLE kept
CREATE INDEX kept ON mixed (id) WHERE note = '{ssn:3}' ;; COMMIT ;; SELECT pg_get_indexdef('kept'::regclass) ;; DROP INDEX kept
SELECT 1; CREATE FUNCTION kept() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT '{ssn:3}'::text; END ;; COMMIT ;; SELECT pg_get_functiondef('kept'::regproc) ;; SELECT kept()
CREATE FUNCTION kept() RETURNS text LANGUAGE sql RETURN '{ssn:3}' ;; COMMIT ;; SELECT pg_get_functiondef('kept'::regproc) ;; SELECT kept()
SELECT 1; COMMENT ON TABLE mixed IS '{ssn:3}' ;; SELECT obj_description('mixed'::regclass)
SELECT 1; SET application_name = '{ssn:3}' ;; SHOW application_name
SELECT 1; SET application_name TO '{ssn:3}'; SELECT current_setting('application_name')
SELECT id FROM people WHERE ssn = '{ssn:3}'; SELECT set_config('application_name', '{ssn:3}', false)
PREPARE q(text) AS SELECT $1 ;; EXECUTE q('{ssn:3}')
PREPARE q(text) AS SELECT $1 ;; SELECT 1; EXECUTE q('{ssn:3}')
PREPARE q(text) AS SELECT $1 ;; SELECT id FROM people WHERE ssn = '{ssn:3}'; EXECUTE q('{ssn:3}')
PREPARE q(text) AS SELECT id FROM people WHERE ssn = $1 ;; EXECUTE q('{ssn:3}')
PREPARE q AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; EXECUTE q ;; SELECT statement FROM pg_prepared_statements
PREPARE q AS SELECT id FROM people WHERE ssn = '{ssn:3}' ;; SELECT statement FROM pg_catalog.pg_prepared_statement()
DECLARE c CURSOR FOR SELECT id FROM people WHERE ssn = '{ssn:3}' ;; FETCH c ;; SELECT statement FROM pg_cursors
SELECT current_query() FROM people WHERE ssn = '{ssn:3}'
SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() ;; SELECT id FROM people WHERE ssn = '{ssn:3}'
SELECT id FROM people WHERE ssn = '{ssn:3}'; NOTIFY x, '{ssn:3}'
SELECT id FROM people WHERE ssn = '{ssn:3}'; DO '{ssn:3}'
EXPLAIN SELECT id FROM people WHERE ssn = '{ssn:3}'
EXPLAIN (VERBOSE, GENERIC_PLAN) SELECT id FROM people WHERE ssn = '{ssn:3}'
SELECT id FROM people WHERE ssn = '{ssn:3}' AND 1 / (id - 3) > 0
SELECT id FROM people WHERE ssn = '{ssn:3}' AND nothing = 1
SELECT id, ssn FROM people WHERE ssn = '{ssn:3}' FOR UPDATE
SELECT '{ssn:3}'
SELECT '{ssn:3}'::text || ''
SELECT '{ssn:3}' FROM people WHERE id = 3
VALUES ('{ssn:3}')
INSERT INTO mixed(id, note) VALUES (99, '{ssn:3}') RETURNING note
INSERT INTO mixed(id, note) SELECT 99, '{ssn:3}' RETURNING note
UPDATE mixed SET note = '{ssn:3}' WHERE id = 1 RETURNING note
UPDATE mixed SET note = p.id FROM people p WHERE p.ssn = '{ssn:3}' AND mixed.id = 4 RETURNING note
INSERT INTO mixed(id, note) SELECT 99, 'x' FROM people WHERE ssn = '{ssn:3}' RETURNING note
COPY mixed(id, note) FROM STDIN <<< 99\t{ssn:3}
COPY (SELECT id FROM people WHERE ssn = '{ssn:3}') TO STDOUT
COPY (SELECT id, '{ssn:3}' FROM people WHERE ssn = '{ssn:3}') TO STDOUT
SELECT id FROM people WHERE ssn LIKE '{ssn:3}'
SELECT id FROM people WHERE ssn ~ '{ssn:3}'
SELECT id FROM people WHERE ssn ILIKE '{ssn:3}%'
SELECT id FROM people WHERE ssn = '{ssn:3}' || ''
SELECT id FROM people WHERE ssn = concat('{ssn:3}')
SELECT id FROM people WHERE ssn = E'{ssn:3}'
SELECT id FROM people WHERE ssn = U&'{ssn:3}'
SELECT id FROM people WHERE ssn = $${ssn:3}$$
SELECT id FROM people WHERE ssn = $q${ssn:3}$q$
SELECT id FROM people WHERE ssn = N'{ssn:3}'
SELECT id FROM people WHERE ssn = ANY ('{"{ssn:3}"}')
SELECT id FROM people WHERE ssn = ANY (string_to_array('{ssn:3}', ','))
SELECT id FROM people WHERE ssn = ('["{ssn:3}"]'::jsonb)->>0
SELECT id FROM people WHERE ssn = (SELECT '{ssn:3}')
SELECT id FROM people WHERE ssn IN (SELECT '{ssn:3}')
SELECT id FROM people WHERE ssn IN (VALUES ('{ssn:3}'))
SELECT id FROM people WHERE (ssn, id) = ('{ssn:3}', 3)
SELECT id FROM people WHERE (ssn, id) IN (('{ssn:3}', 3), ('{ssn:4}', 4)) ORDER BY id
SELECT id FROM people WHERE ROW(ssn) = ROW('{ssn:3}')
SELECT id FROM people WHERE ssn IS NOT DISTINCT FROM '{ssn:3}'
SELECT id FROM people WHERE nullif(ssn, '{ssn:3}') IS NULL
SELECT id FROM people WHERE CASE ssn WHEN '{ssn:3}' THEN true END
SELECT id FROM people WHERE ssn <> '{ssn:3}'
SELECT count(*) FROM people WHERE ssn > '{ssn:3}'
SELECT count(*) FROM people WHERE ssn BETWEEN '{ssn:3}' AND '{ssn:5}'
SELECT count(*) FROM people WHERE pid > '{pid:3}'
SELECT greatest('{ssn:3}', ssn) = ssn FROM people WHERE id = 5
SELECT id FROM people WHERE ssn = '{mrn:3}'
SELECT id FROM people WHERE mrn = '{ssn:3}'
SELECT id FROM people WHERE email = '{email:3}'
SELECT id FROM people WHERE ssn = '[SSN:1.00000000000000000000]'
SELECT id FROM people WHERE ssn = '[SSN:2.00000000000000000000]'
SELECT id FROM people WHERE ssn = '[ssn:1.00000000000000000000]'
SELECT id FROM people WHERE NOT (ssn = '{ssn:3}') AND id < 6 ORDER BY id
SELECT id, '{ssn:3}' = ssn FROM people WHERE id < 6 ORDER BY id
SELECT id FROM people ORDER BY ssn = '{ssn:3}' DESC, id LIMIT 2
SELECT ssn = '{ssn:3}', count(*) FROM people GROUP BY 1 ORDER BY 1
SELECT count(*) FILTER (WHERE ssn = '{ssn:3}') FROM people
SELECT 1 / CASE WHEN ssn = '{ssn:3}' THEN 0 ELSE 1 END FROM people WHERE id < 5
SELECT length('{ssn:3}') FROM people WHERE id = 3
SELECT id FROM people WHERE length(ssn) = length('{ssn:3}')
SELECT id FROM people LIMIT '{pid:3}'
SELECT id FROM people ORDER BY '{ssn:3}'
SELECT generate_series(1, '{pid:3}')
SELECT id FROM people WHERE pid = '{pid:3}' + 0
SELECT id FROM people WHERE pid - '{pid:3}' = 0
SELECT id FROM people WHERE code = '{code:3}'::text
SELECT id FROM people WHERE code = '{code:3}   '
SELECT id FROM people WHERE pid = '{pid:3}' OR pid = 111 ORDER BY id
SELECT id FROM people WHERE pid IN ('{pid:3}', 37) ORDER BY id
SELECT id FROM people WHERE pid IN ('{pid:3}', '37') ORDER BY id
-- family: generalised
SELECT id, born, age, years, yob, zipn, zip, day, seen, met, rank, tag FROM people ORDER BY id
SELECT seen FROM people ORDER BY id
SET timezone = '-12' ;; SELECT id, seen FROM people ORDER BY id
SET timezone = '+14' ;; SELECT id, seen FROM people ORDER BY id
SET timezone = 'XXX-167:59:59' ;; SELECT id, seen FROM people ORDER BY id
SET timezone = 'XXX+167' ;; SELECT id, seen FROM people ORDER BY id
SET timezone = 'Pacific/Kiritimati' ;; SELECT id, seen FROM people ORDER BY id
SET timezone = 'Pacific/Kiritimati' ;; COPY (SELECT id, seen FROM people ORDER BY id) TO STDOUT
SET timezone = 'Pacific/Kiritimati' ;; SELECT id, seen::timestamp FROM people ORDER BY id
SET timezone = 'Asia/Kolkata' ;; SET datestyle = 'German' ;; SELECT seen FROM people ORDER BY id
SELECT seen AT TIME ZONE '+14' FROM people ORDER BY id
SET extra_float_digits = -15 ;; SELECT age FROM people ORDER BY id
SET extra_float_digits = -14 ;; SELECT age FROM people ORDER BY id
SET extra_float_digits = 0 ;; SELECT age FROM people ORDER BY id
SET LOCAL extra_float_digits TO '-14' ;; SELECT age FROM people ORDER BY id
SELECT set_config('extra_float_digits', '-14', false) ;; SELECT age FROM people ORDER BY id
SET extra_float_digits = -15 ;; COPY (SELECT age FROM people ORDER BY id) TO STDOUT
SELECT age::numeric, age::int, age::float4, round(age) FROM people ORDER BY id
SELECT age + 0, -age, age * 10 FROM people ORDER BY id
SELECT CAST(zip AS char(5)), zip::bpchar, zip::varchar FROM people ORDER BY id
SELECT born::timestamp, day::date, day::varchar FROM people ORDER BY id
SELECT yob::oid, zipn::oid, years::oid, rank::oid FROM people WHERE id = 3
SELECT yob::int8, zipn::int8 FROM people ORDER BY id
SELECT zip FROM people WHERE id < 30 UNION ALL SELECT day FROM people WHERE id < 30
SELECT day FROM people WHERE id < 30 UNION ALL SELECT zip FROM people WHERE id < 30
SELECT born FROM people WHERE id < 30 UNION ALL SELECT at FROM mixed WHERE id < 30
SELECT at FROM mixed WHERE id < 30 UNION ALL SELECT born FROM people WHERE id < 30
SELECT met FROM people WHERE id < 30 UNION ALL SELECT met FROM copies
SELECT zip FROM people WHERE id < 30 UNION ALL SELECT txt FROM mixed WHERE id < 30
SELECT born FROM people WHERE id < 30 UNION ALL SELECT met FROM people WHERE id < 30
SELECT born FROM people WHERE id < 5 UNION ALL SELECT name::date FROM people WHERE false
SELECT tag FROM people WHERE id < 5 UNION ALL SELECT zip FROM people WHERE id < 5
SELECT zip FROM people WHERE id < 5 UNION ALL SELECT tag FROM people WHERE id < 5
SELECT zip FROM people WHERE id < 5 UNION ALL SELECT name FROM people WHERE id < 5
SELECT yob FROM people WHERE id < 5 UNION ALL SELECT score FROM people WHERE id < 5
WITH RECURSIVE r(n, x) AS (SELECT 1, yob FROM people WHERE id = 1 UNION ALL SELECT n + 1, zipn FROM r JOIN people p ON p.id = n + 1 WHERE n < 5) SELECT x FROM r
SELECT * FROM v_years WHERE id < 9
SELECT x FROM (SELECT yob x, id FROM people UNION ALL SELECT zipn, id FROM people) s WHERE id < 9
SELECT x FROM people p, LATERAL (SELECT p.yob x UNION ALL SELECT p.zipn) l WHERE id < 9
SELECT max(zipn), min(yob), array_agg(zipn) FROM people WHERE id = 3
SELECT year, ages, born FROM made ORDER BY id
SELECT again, born, same FROM virtuals ORDER BY id
SELECT born FROM parted ORDER BY id
SELECT born FROM parted_a ORDER BY id
SELECT (p).born, (p).zip FROM people p ORDER BY id
SELECT p FROM people p WHERE id = 3
SELECT (r).born, (r).ssn FROM v_row WHERE id = 3
SELECT (two).born, (two).ssn, list[1] FROM pairs WHERE id = 3
-- family: years
SELECT extract(year FROM met), count(*) FROM people GROUP BY 1 ORDER BY 1
SELECT extract(year FROM born), extract(year FROM born)::int2, date_part('year', born), extract(year FROM born)::text FROM people ORDER BY id
SELECT extract(year FROM met), date_part('year', met)::int8, to_char(met, 'YYYY'), extract(year FROM met)::text FROM people ORDER BY id
SELECT extract(decade FROM met), extract(century FROM met), extract(millennium FROM met), extract(isoyear FROM met) FROM people ORDER BY id
SELECT date_trunc('year', met), date_trunc('decade', met), date_trunc('quarter', met), date_trunc('month', met), date_trunc('day', met), date_trunc('week', met) FROM people ORDER BY id
SELECT date_trunc('year', met::date), date_trunc('month', met::date), date_trunc('week', met::date), to_char(met::date, 'YYYY') FROM people ORDER BY id
SELECT date_trunc('year', met::date)::date, date_trunc('year', met)::timestamptz, date_trunc('year', met::timestamptz) FROM people ORDER BY id
SET timezone = 'Pacific/Kiritimati' ;; SELECT id, date_trunc('year', met::date), to_char(met::date, 'YYYY') FROM people ORDER BY id
SET timezone = 'XXX+167' ;; SELECT id, date_trunc('year', met::date)::date, extract(year FROM date_trunc('year', met::date)) FROM people ORDER BY id
DECLARE c CURSOR FOR SELECT id, date_trunc('year', met::date), met::date::timestamptz FROM people GROUP BY id, met::date, met::date::timestamptz ORDER BY met::date::timestamptz ;; SET timezone = 'XXX+167' ;; FETCH 60 FROM c
SET timezone = 'XXX-167' ;; DECLARE c CURSOR FOR SELECT to_char(met::date, 'YYYY') FROM people GROUP BY met::date, met::date::timestamptz ;; FETCH 1 FROM c ;; SET timezone = 'XXX+167' ;; FETCH 60 FROM c
DECLARE c CURSOR WITH HOLD FOR SELECT date_trunc('month', met), date_trunc('year', met::date) FROM people ORDER BY id ;; SET timezone = 'XXX+167' ;; FETCH 60 FROM c
SELECT extract(year FROM seen), date_trunc('year', seen), to_char(seen, 'YYYY'), seen::date FROM people ORDER BY id
SET timezone = '+14' ;; SELECT extract(year FROM seen), min(seen) OVER (), extract(year FROM seen::timestamp) FROM people ORDER BY id
SELECT coalesce(met, born), coalesce(born, met::date), greatest(met::date, born), extract(year FROM met) - extract(year FROM born) FROM people ORDER BY id
SELECT greatest(met, timestamp '1965-05-05'), least(met, timestamp '1965-05-05'), least(met::date, on_day) FROM people p JOIN visits v ON v.id = p.id ORDER BY p.id
SELECT lag(met) OVER (ORDER BY id), first_value(met) OVER w, nth_value(met, 2) OVER w, lead(met, 1, met) OVER (ORDER BY id) FROM people WINDOW w AS (PARTITION BY ward ORDER BY id) ORDER BY id
SELECT lag(met, extract(day FROM met)::int) OVER (ORDER BY id), nth_value(met, extract(day FROM met)::int) OVER (ORDER BY id) FROM people ORDER BY id
SELECT min(met), max(met), min(met) FILTER (WHERE sex = 'F'), max(met) FILTER (WHERE extract(day FROM met) = 1) FROM people GROUP BY ward ORDER BY ward
SELECT CASE sex WHEN 'F' THEN met ELSE met - interval '200 days' END, CASE sex WHEN 'F' THEN met ELSE timestamp '2000-01-01' END FROM people ORDER BY id
SELECT CASE WHEN extract(day FROM met) = 1 THEN extract(year FROM met) END, nullif(met, met), nullif(extract(year FROM met), 1960) FROM people ORDER BY id
SELECT extract(year FROM met) * weight, extract(year FROM met) * id, extract(year FROM met) + extract(day FROM met) FROM people ORDER BY id
SELECT extract(year FROM met + interval '200 days'), to_char(met, 'YYYY-MM'), to_char(met, 'YYYYMM'), met::timestamp(0) FROM people ORDER BY id
SELECT y, d FROM (SELECT extract(year FROM met) AS y, met::date AS d, id FROM people OFFSET 0) q ORDER BY id
WITH q AS MATERIALIZED (SELECT id, date_trunc('month', met) AS m FROM people) SELECT extract(year FROM m), extract(month FROM m), m FROM q ORDER BY id
SELECT date_trunc('month', met) FROM people WHERE id < 9 UNION ALL SELECT met + interval '200 days' FROM people WHERE id < 9
SELECT extract(year FROM met) FROM people UNION SELECT extract(day FROM met) FROM people
WITH RECURSIVE r(n, d) AS (SELECT 1, date_trunc('day', met) FROM people WHERE id = 1 UNION ALL SELECT n + 1, d + interval '50 days' FROM r WHERE n < 9) SELECT d FROM r
SELECT date_trunc('year', met) FROM people ORDER BY id ;; SELECT date_trunc('week', met) FROM people ORDER BY id ;; SELECT date_trunc(E'year', met) FROM people ORDER BY id ;; SELECT date_trunc(E'week', met) FROM people ORDER BY id
COPY (SELECT id, extract(year FROM met), date_trunc('month', met), extract(year FROM born) FROM people ORDER BY id) TO STDOUT (FORMAT binary)
CREATE TABLE years AS SELECT id, extract(year FROM met)::int AS y, date_trunc('year', met) AS d FROM people ;; SELECT * FROM years ORDER BY id
CREATE TABLE years AS SELECT id, date_trunc('month', met) AS d FROM people ;; SELECT * FROM years ORDER BY id
CREATE TABLE years AS SELECT id, extract(year FROM born)::int AS y FROM people ;; SELECT * FROM years ORDER BY id
SELECT id, extract(year FROM met)::int AS y INTO years FROM people ;; SELECT * FROM years ORDER BY id
-- family: written
UPDATE people SET born = make_date(1900 + extract(day FROM born)::int, 1, 1) WHERE id < 9 ;; SELECT id, born FROM people WHERE id < 9 ORDER BY id
UPDATE people SET born = make_date(1900 + extract(day FROM born)::int, 1, 1) WHERE id < 9 RETURNING id, born
UPDATE people SET born = born + (extract(doy FROM born)::int * 365) WHERE id < 9 RETURNING id, born
UPDATE people SET zip = right(zip, 2) || '000' WHERE id < 9 RETURNING id, zip
UPDATE people SET zip = '0' || reverse(zip) WHERE id < 9 RETURNING id, zip
UPDATE people SET zip = '1' || right(day, 2) || '00' WHERE id < 9 RETURNING id, zip
UPDATE people SET age = (age * 10)::int % 10 WHERE id < 9 RETURNING id, age
UPDATE people SET yob = zipn WHERE id < 9 RETURNING id, yob
UPDATE people SET yob = 2000 + zipn % 100 WHERE id < 9 RETURNING yob
UPDATE people SET years = zipn % 100 WHERE id < 9 RETURNING years
UPDATE people SET zipn = zipn * 100 WHERE id < 9 RETURNING zipn
UPDATE people SET day = right(day, 5) WHERE id < 9 RETURNING day
UPDATE people SET day = '19' || right(day, 2) || '-01-01' WHERE id < 9 RETURNING day
UPDATE people SET met = make_timestamp(1900 + extract(minute FROM met)::int, 1, 1, 0, 0, 0) WHERE id < 9 RETURNING met
UPDATE people SET seen = make_timestamptz(1900 + extract(day FROM seen)::int, 1, 1, 0, 0, 0) WHERE id < 9 RETURNING seen
UPDATE people SET met = born WHERE id < 9 RETURNING met
UPDATE people SET zip = zipn::text WHERE id < 9 RETURNING zip
UPDATE people SET zip = substr(zip, 1, 3) || '99' WHERE id < 9 RETURNING zip
INSERT INTO copies(id, born) SELECT id, make_date(1900 + extract(day FROM born)::int, 1, 1) FROM people ;; SELECT id, born FROM copies ORDER BY id
INSERT INTO copies(id, born) SELECT id, born FROM people ;; SELECT id, born FROM copies ORDER BY id
INSERT INTO copies(id, zip) SELECT id, day FROM people ;; SELECT id, zip FROM copies ORDER BY id
INSERT INTO copies(id, zip) SELECT id, right(day, 2) || '000' FROM people ;; SELECT id, zip FROM copies ORDER BY id
INSERT INTO copies(id, yob) SELECT id, zipn FROM people RETURNING yob
INSERT INTO copies(id, years) SELECT id, rank FROM people WHERE id < 40 RETURNING years
INSERT INTO copies(id, years) SELECT id, extract(day FROM born)::int FROM people RETURNING years
INSERT INTO copies(id, plain) SELECT id, zip FROM people RETURNING plain
INSERT INTO copies(id, name) SELECT id, zip FROM people RETURNING name
INSERT INTO copies(id, zip) SELECT id, tag FROM people RETURNING zip
INSERT INTO copies(id, zip) SELECT id, name FROM people RETURNING zip
INSERT INTO copies(id, zip) SELECT id, ssn FROM people RETURNING zip
INSERT INTO copies(id, born, zip) SELECT id, born, zip FROM people ON CONFLICT (id) DO UPDATE SET born = make_date(1900 + extract(day FROM excluded.born)::int, 1, 1) RETURNING born
INSERT INTO copies(id, yob) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET yob = (SELECT zipn FROM people WHERE id = 3) RETURNING yob
INSERT INTO copies(id, yob) VALUES (1, (SELECT zipn FROM people WHERE id = 3)) RETURNING yob
MERGE INTO copies c USING people p ON c.id = p.id WHEN NOT MATCHED THEN INSERT (id, yob) VALUES (p.id, p.zipn) ;; SELECT id, yob FROM copies ORDER BY id
MERGE INTO people p USING mixed m ON p.id = m.id WHEN MATCHED THEN UPDATE SET born = make_date(1900 + extract(day FROM p.born)::int, 1, 1) ;; SELECT id, born FROM people ORDER BY id
WITH w AS (UPDATE people SET zip = right(zip, 2) || '000' WHERE id < 9 RETURNING id, zip) SELECT zip FROM w ORDER BY id
WITH x AS (SELECT id, zipn AS z FROM people) INSERT INTO copies(id, yob) SELECT id, z FROM x RETURNING yob
WITH x AS (SELECT id, right(zip, 2) || '000' AS z FROM people) INSERT INTO copies(id, zip) SELECT id, z FROM x RETURNING zip
UPDATE v_people SET zip = right(zip, 2) || '000' WHERE id < 9 RETURNING zip
UPDATE v_people SET born = make_date(1900 + extract(day FROM born)::int, 1, 1) WHERE id < 9 RETURNING born
UPDATE people SET (zip, born) = (SELECT right(q.zip, 2) || '000', q.born FROM people q WHERE q.id = people.id) WHERE id < 5 RETURNING zip
UPDATE people SET born = q.born FROM people q WHERE q.id = people.id + 1 AND people.id < 5 RETURNING people.born
UPDATE people SET born = '1950-01-01' WHERE zip LIKE '10%' AND id < 9 RETURNING id, born
UPDATE mixed SET at = born FROM people p WHERE p.id = mixed.id RETURNING at
UPDATE mixed SET n = extract(day FROM born)::int FROM people p WHERE p.id = mixed.id RETURNING n
-- family: groups
SELECT ward, count(weight), avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, sum(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 2
SELECT ward, stddev(score::int), var_pop(score::numeric) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE score IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight), avg(score) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE score IS NOT NULL AND weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight), avg(score) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE score IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 2 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 10 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) > 10 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 7 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= '7' ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 - 10 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= -11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 4294967297 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) <= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING 11 <= count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING 11 >= count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING NOT count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 OR true ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 IS NOT NULL ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING (count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11) IN (true, false) ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 AND max(weight) > 60 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 AND 1 / (min(weight) - 94) > -9 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 AND avg(weight) > 80 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE score IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT score) FILTER (WHERE weight IS NOT NULL) >= 3 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id + 0) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT (id, ward)) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL OR true) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL AND weight > 60) >= 11 ORDER BY ward
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING max(id) >= 11 ORDER BY ward
SELECT ward, max(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY ward
SELECT ward, array_agg(weight ORDER BY id) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, sum(weight) FILTER (WHERE id = 50) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 2
SELECT ward, sum(weight) FILTER (WHERE id = 3) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, sum(CASE WHEN id = 3 THEN weight END) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, sum(weight * (id = 3)::int) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, sum(DISTINCT weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(p.weight) FROM people p JOIN beds b USING (ward) GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE p.weight IS NOT NULL) >= 11
SELECT p.ward, avg(p.weight) FROM people p JOIN wards w ON w.ward = p.ward GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT w.floor, avg(p.weight) FROM people p LEFT JOIN wards w ON w.ward = p.ward GROUP BY w.floor HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT w.floor, avg(p.weight) FROM wards w LEFT JOIN people p ON w.ward = p.ward GROUP BY w.floor HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT l.n, avg(p.weight) FROM people p JOIN later l ON l.ward = p.ward GROUP BY l.n HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
INSERT INTO later SELECT 'large', g FROM generate_series(1, 5) g ;; SELECT p.ward, sum(p.weight) FROM people p JOIN later l ON l.ward = p.ward GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT l.n, avg(p.weight) FROM people p JOIN partly l ON l.ward = p.ward GROUP BY l.n HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT p.ward, avg(p.weight) FROM people p JOIN people q ON q.id = p.id GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT p.ward, avg(q.weight) FROM people p JOIN people q ON q.id = 50 GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT p.ward, avg(q.weight) FROM people p JOIN people q ON q.id = 50 GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE q.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT v.ward, avg(p.weight) FROM visits v JOIN people p ON p.id = v.id GROUP BY v.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11 ORDER BY 1
SELECT p.ward, avg(p.weight) FROM people p, generate_series(1, 50) g WHERE g = 1 OR p.id = 3 GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11
SELECT p.ward, avg(p.weight) FROM people p, LATERAL (SELECT 1 FROM generate_series(1, CASE WHEN p.id = 3 THEN 99 ELSE 1 END)) l GROUP BY p.ward HAVING count(DISTINCT p.id) FILTER (WHERE p.weight IS NOT NULL) >= 11
SELECT ward, avg(weight) FROM people GROUP BY ROLLUP (ward) HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, sex, avg(weight) FROM people GROUP BY CUBE (ward, sex) HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(weight) FROM people GROUP BY GROUPING SETS ((ward), ()) HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(weight), generate_series(1, 2) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(weight) FROM (SELECT * FROM people WHERE id < 50) p GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
WITH p AS (SELECT * FROM people) SELECT ward, avg(weight) FROM p GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT * FROM (SELECT ward, avg(weight) a FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11) s WHERE a > 60
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 UNION ALL SELECT ward, max(weight) FROM people GROUP BY ward
SELECT ward, avg(weight), sum(avg(weight)) OVER (), rank() OVER (ORDER BY avg(weight)) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1
SELECT ward, avg(weight), lag(avg(weight)) OVER (ORDER BY ward DESC) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1
SELECT ward, avg(weight), (SELECT max(weight) FROM people q WHERE q.ward = people.ward) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(weight), (SELECT max(people.weight)) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, 1 / (avg(weight) - 64)::int FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1
SELECT ward, avg(weight) FROM people WHERE weight > 50 GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT ward, avg(weight) FROM people GROUP BY ward, weight HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT weight > 60, count(*) FROM people GROUP BY 1 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT avg(weight) FROM people HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 99
SELECT avg(weight) FROM people WHERE id < 47 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT avg(weight) FROM people WHERE id > 46 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11
SELECT DISTINCT ON (sex) sex, avg(weight) FROM people WHERE id < 47 GROUP BY sex, ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY sex, avg(weight)
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY avg(weight) LIMIT 1
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY max(weight) LIMIT 1
SELECT ward, count(*) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 LIMIT (SELECT count(*) FROM people WHERE weight > 60)
SELECT ward, count(*), min(id) FROM people GROUP BY ward ORDER BY 1
SELECT ward, count(name) FROM people GROUP BY ward ORDER BY 1
SELECT ward, avg(length(name)) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE name IS NOT NULL) >= 11
SELECT ward, count(name) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE name IS NOT NULL) >= 11 ORDER BY 1
PREPARE q AS SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1 ;; EXECUTE q
PREPARE q(int) AS SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= $1 ORDER BY 1 ;; EXECUTE q(1)
SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1 ;; SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 1 ORDER BY 1
COPY (SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1) TO STDOUT ;; COPY (SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 1 ORDER BY 1) TO STDOUT
DECLARE c CURSOR FOR SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ORDER BY 1 ;; FETCH ALL c
CREATE TABLE kept AS SELECT ward, avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 ;; COMMIT ;; SELECT * FROM kept ;; DROP TABLE kept
INSERT INTO mixed(id, n) SELECT 900 + count(*), avg(weight) FROM people GROUP BY ward HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 11 RETURNING n
-- family: own tables
CREATE TABLE mine AS SELECT '000023757'::text AS wild ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3
CREATE TABLE mine AS SELECT '000023757'::text AS wild ;; COMMIT ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE TABLE mine (wild text DEFAULT '000023757', x int) ;; COMMIT ;; INSERT INTO mine(x) VALUES (1) RETURNING wild ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE TABLE mine (wild text, x int) ;; COMMIT ;; INSERT INTO mine VALUES ('000023757', 1) ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE TABLE mine (x int) ;; COMMIT ;; INSERT INTO mine VALUES (1) ;; ALTER TABLE mine ADD wild text DEFAULT '000023757' ;; COMMIT ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE VIEW mine AS SELECT note AS wild, id FROM mixed ;; COMMIT ;; SELECT wild FROM mine WHERE id = 61 UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP VIEW mine
CREATE VIEW mine AS SELECT note AS wild, id FROM mixed ;; COMMIT ;; SELECT wild FROM mine WHERE id = 61
SELECT '000023757'::text AS wild INTO mine ;; COMMIT ;; SELECT wild FROM mine ;; DROP TABLE mine
CREATE TABLE mine(wild) AS SELECT '000023757'::text ;; COMMIT ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE DOMAIN guess AS text DEFAULT '000023757' ;; COMMIT ;; CREATE TABLE mine (wild guess, x int) ;; COMMIT ;; INSERT INTO mine(x) VALUES (1) ;; SELECT wild::text FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE TABLE mine (wild text GENERATED ALWAYS AS ('000023757') STORED, x int) ;; COMMIT ;; INSERT INTO mine(x) VALUES (1) ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
CREATE MATERIALIZED VIEW mine AS SELECT note AS wild, id FROM mixed ;; COMMIT ;; SELECT wild FROM mine WHERE id = 61 UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP MATERIALIZED VIEW mine
CREATE TABLE mine (wild text, x int) ;; COMMIT ;; ALTER TABLE mine ALTER wild SET DEFAULT '000023757' ;; COMMIT ;; INSERT INTO mine(x) VALUES (1) ;; SELECT wild FROM mine UNION ALL SELECT ssn FROM people WHERE id = 3 ;; DROP TABLE mine
-- family: tokens with everything
UPDATE people SET sex = 'X' WHERE ssn = '{ssn:3}' RETURNING old.ssn, new.ssn, old.born, new.zip, old.sex
UPDATE people SET sex = 'X' WHERE ssn = '{ssn:3}' RETURNING WITH (OLD AS o, NEW AS n) o.ssn = n.ssn, (o).ssn
DELETE FROM visits WHERE pid = '{pid:3}' RETURNING pid, mrn, dept, what
DELETE FROM people WHERE ssn = '{ssn:3}' RETURNING *
MERGE INTO visits v USING people p ON p.pid = v.pid WHEN MATCHED THEN UPDATE SET dept = 'XX' RETURNING merge_action(), v.pid, p.ssn
MERGE INTO mixed m USING people p ON m.id = p.id AND p.ssn = '{ssn:3}' WHEN MATCHED THEN UPDATE SET n = 1 RETURNING m.id
INSERT INTO mixed(id, note) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET n = 5 WHERE mixed.note = '{ssn:3}' RETURNING id
INSERT INTO mixed(id, n) SELECT id + 100, 1 FROM people WHERE ssn IN ('{ssn:3}', '{ssn:4}') RETURNING id
WITH t AS MATERIALIZED (SELECT '{ssn:3}'::text x) SELECT id FROM people, t WHERE ssn = t.x
WITH t AS (SELECT id, ssn FROM people WHERE ssn = '{ssn:3}') SELECT t.id, t.ssn, p.mrn FROM t JOIN people p USING (id)
SELECT id FROM people WHERE ssn = '{ssn:3}' UNION ALL SELECT id FROM people WHERE ssn = '{ssn:4}'
SELECT id FROM people WHERE ssn = '{ssn:3}' UNION SELECT id FROM people WHERE ssn = '{ssn:4}' ORDER BY id
SELECT id FROM people WHERE ssn = '{ssn:3}' AND EXISTS (SELECT FROM visits v WHERE v.pid = people.pid)
SELECT id FROM people p WHERE EXISTS (SELECT FROM visits v WHERE v.pid = p.pid AND v.mrn = '{mrn:5}')
SELECT id FROM people p WHERE pid IN (SELECT pid FROM visits WHERE dept = 'ICU') ORDER BY id
SELECT id FROM people p WHERE pid NOT IN (SELECT pid FROM visits) ORDER BY id
SELECT id FROM people p WHERE pid = ANY (SELECT v.pid FROM visits v WHERE v.mrn = '{mrn:5}')
SELECT p.id, v.id FROM people p FULL JOIN visits v ON v.pid = p.pid ORDER BY 1, 2
SELECT p.id, count(v.id) FROM people p LEFT JOIN visits v USING (pid) GROUP BY p.id ORDER BY 1
SELECT p.id, count(v.id) FROM people p LEFT JOIN visits v ON v.pid = p.pid GROUP BY p.id ORDER BY 1
SELECT pid, count(*) FROM visits GROUP BY pid
SELECT DISTINCT pid FROM visits
SELECT pid FROM visits ORDER BY pid
SELECT max(pid) FROM visits
SELECT p.id FROM people p JOIN people q ON q.pid = p.pid WHERE q.ssn = '{ssn:3}'
SELECT p.id FROM people p JOIN people q ON q.ssn = p.ssn
SELECT p.id FROM people p JOIN made m USING (ssn)
SELECT id FROM parted WHERE ssn = '{ssn:3}'
SELECT id FROM parted_a WHERE ssn = '{ssn:3}'
SELECT id, ssn FROM parted_a WHERE ssn = '{ssn:3}'
SELECT id, ssn FROM base WHERE ssn = '{ssn:3}'
SELECT id, ssn FROM ONLY base WHERE ssn = '{ssn:45}'
SELECT id, ssn, extra FROM derived WHERE ssn = '{ssn:45}'
SELECT id, ssn, copy FROM made WHERE ssn = '{ssn:3}'
SELECT id, ssn, copy FROM made WHERE copy = '{ssn:3}'
SELECT id, same FROM virtuals WHERE same = '{ssn:3}'
SELECT id, same FROM virtuals WHERE ssn = '{ssn:3}'
SELECT id, ssn FROM v_people WHERE ssn = '{ssn:3}'
SELECT (p).ssn FROM people p WHERE (p).ssn = '{ssn:3}'
SELECT p FROM people p WHERE p.ssn = '{ssn:3}'
SELECT to_jsonb(p)->>'ssn' FROM people p WHERE p.ssn = '{ssn:3}'
SELECT (r).ssn FROM v_row WHERE (r).ssn = '{ssn:3}'
SELECT row_to_json(r) FROM (SELECT id, ssn FROM people WHERE ssn = '{ssn:3}') r
SELECT json_agg(ssn) FROM people WHERE ssn = '{ssn:3}'
SELECT id FROM people WHERE ssn = '{ssn:3}' FETCH FIRST 1 ROWS WITH TIES
SELECT id FROM people WHERE ssn = '{ssn:3}' ORDER BY id FETCH FIRST 1 ROWS WITH TIES
SELECT count(*) OVER (), id FROM people WHERE ssn = '{ssn:3}' OR id = 4 ORDER BY id
SELECT id, rank() OVER (ORDER BY ssn = '{ssn:3}') FROM people WHERE id < 6 ORDER BY id
SELECT CASE WHEN ssn = '{ssn:3}' THEN name ELSE sex END FROM people WHERE id < 6 ORDER BY id
SELECT CASE WHEN ssn = '{ssn:3}' THEN 'yes' ELSE sex END FROM people WHERE id < 6 ORDER BY id
SELECT CASE WHEN ssn = '{ssn:3}' THEN repeat('x', id) END FROM people WHERE id < 6 ORDER BY id
SELECT coalesce(nullif(ssn = '{ssn:3}', false), id = 4) FROM people WHERE id < 6 ORDER BY id
SELECT bool_or(ssn = '{ssn:3}'), count(*) FROM people
SELECT pg_typeof(ssn), pg_column_size(ssn) FROM people WHERE ssn = '{ssn:3}'
SELECT octet_length(ssn), ascii(mrn), hashtext(ssn) FROM people WHERE id = 3
SELECT ssn COLLATE "C", ssn::text, ssn::bpchar, mrn::text, pid::oid, big::int4 FROM people WHERE id = 3
SELECT tableoid, ctid, xmin FROM people WHERE ssn = '{ssn:3}'
LOCK TABLE people ;; SELECT id FROM people WHERE ssn = '{ssn:3}'
SELECT id FROM people WHERE ssn = '{ssn:3}' FOR UPDATE NOWAIT
SELECT id FROM json_table('[1]', '$[*]' PASSING '{ssn:3}' AS t COLUMNS (x text PATH '$')) j, people WHERE id = 3
SELECT JSON_VALUE('{}', '$.a' DEFAULT '{ssn:3}' ON EMPTY)
SELECT xmlelement(name a, '{ssn:3}')
SELECT ts_headline('a', to_tsquery('a'), '{ssn:3}')
SELECT format('%s', '{ssn:3}'), concat_ws(',', '{ssn:3}', 'x')
SELECT quote_literal('{ssn:3}'), md5('{ssn:3}'), encode('{ssn:3}'::bytea, 'hex')
SELECT * FROM unnest(ARRAY['{ssn:3}', '{ssn:4}']) u
SELECT * FROM (VALUES ('{ssn:3}', 1)) v(a, b)
SELECT id FROM people p JOIN LATERAL (SELECT '{ssn:3}'::text s) l ON l.s = p.ssn
SELECT 1 WHERE '{ssn:3}' = '{ssn:3}'
SELECT 1 WHERE '{ssn:3}' < '{ssn:4}'
SELECT 1 WHERE '{pid:3}'::int < '{pid:4}'::int
SELECT 1 FROM mixed WHERE n = '{pid:3}'
SELECT id FROM people WHERE id = '{pid:3}'
SELECT id FROM people WHERE yob = '{pid:3}'
SELECT id FROM people WHERE weight = '{pid:3}'
SELECT id FROM people WHERE name = '{ssn:3}'
SELECT p.id, q.id FROM parted p JOIN v_people q USING (id) WHERE p.ssn = '{ssn:3}' AND q.ssn = '{ssn:3}'
SELECT v.id FROM v_people v JOIN visits w ON w.pid = v.pid WHERE v.ssn = '{ssn:3}' ORDER BY w.id
