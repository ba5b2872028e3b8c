"""Statements that try to get a secret past resolution, a family at a time."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

EVASIONS = """
-- rows and records
SELECT p FROM patients p WHERE id = 1
SELECT (p).* FROM patients p WHERE id = 1
SELECT row(p.*) FROM patients p WHERE id = 1
SELECT (row(id, ssn)).f2 FROM patients WHERE id = 1
SELECT ROW(ssn, 1) = ROW('x', 1) FROM patients WHERE id = 1
SELECT (SELECT p) FROM patients p WHERE id = 1
SELECT to_jsonb(p) FROM patients p WHERE id = 1
SELECT row_to_json(p) FROM patients p WHERE id = 1
SELECT p::text FROM patients p WHERE id = 1
SELECT q.p FROM (SELECT p FROM patients p WHERE id = 1) q
SELECT (q.p).ssn FROM (SELECT p FROM patients p WHERE id = 1) q
SELECT hstore(p) FROM patients p
SELECT p IS NULL, p IS NOT NULL FROM patients p WHERE id = 5
SELECT count(p) FROM patients p
SELECT j FROM (patients p JOIN encounters e ON e.patient_id = p.id) j LIMIT 1
SELECT array_agg(p) FROM patients p
SELECT ARRAY[p.ssn, p.name] FROM patients p WHERE id = 1
SELECT (ARRAY[p.ssn])[1] FROM patients p WHERE id = 1
SELECT ARRAY[ssn]::int[] FROM patients WHERE id = 1
SELECT num_nulls(name, email) FROM patients WHERE id = 5
-- control flow
SELECT CASE WHEN ssn LIKE '1%' THEN 'a' ELSE 'b' END FROM patients WHERE id = 1
SELECT CASE ssn WHEN '101-11-0007' THEN 1 ELSE 2 END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN 1/(id-1) ELSE 1 END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN (SELECT id FROM patients) END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN nextval('counter') END FROM patients WHERE id = 1
SELECT COALESCE(name, (1/(id-5))::text) FROM patients WHERE id = 5
SELECT ssn < '5' AND 1/(id-1) = 1 FROM patients WHERE id = 1
SELECT ssn < '5' OR 1/(id-1) = 1 FROM patients WHERE id = 1
SELECT (ssn < '5')::int FROM patients WHERE id = 1
SELECT 1/(ssn < '5')::int FROM patients WHERE id = 1
SELECT NULLIF(ssn, '101-11-0007') FROM patients WHERE id = 1
SELECT GREATEST(ssn, '5') FROM patients WHERE id = 1
SELECT id, CASE WHEN q.x THEN 1 ELSE 0 END FROM (SELECT id, ssn < '5' x FROM patients) q LIMIT 3
SELECT CASE WHEN ssn < '5' THEN q.x END FROM patients p, (SELECT 1/(id-1) x FROM patients) q WHERE p.id = 1
WITH c AS (SELECT 1/(id-1) x FROM patients) SELECT CASE WHEN ssn < '5' THEN (SELECT max(x) FROM c) END FROM patients WHERE id = 1
SELECT ssn IN (SELECT '101-11-0007') FROM patients WHERE id = 1
SELECT ssn = ANY (ARRAY['101-11-0007']) FROM patients WHERE id = 1
SELECT '101-11-0007' IN (SELECT ssn FROM patients)
SELECT (SELECT ssn < '5' FROM patients WHERE id = 1) IS TRUE
SELECT name IS NULL FROM patients WHERE id = 5
SELECT name IS DISTINCT FROM 'Name1' FROM patients WHERE id = 1
-- rows: which, how many, in which order
SELECT id FROM patients WHERE ssn LIKE '1%'
SELECT id FROM patients ORDER BY ssn LIMIT 3
SELECT id FROM patients ORDER BY upper(name) DESC LIMIT 3
SELECT DISTINCT ssn IS NULL FROM patients
SELECT DISTINCT ON (name) id FROM patients
SELECT DISTINCT name FROM patients
SELECT count(*) FROM (SELECT DISTINCT name FROM patients) q
SELECT sex, count(*) FROM patients GROUP BY sex, name
SELECT sex FROM patients GROUP BY sex HAVING max(name) > 'N'
SELECT count(DISTINCT name) FROM patients
SELECT count(name) FROM patients
SELECT name FROM patients UNION SELECT 'x'
SELECT name FROM patients INTERSECT SELECT 'Name1'
SELECT name FROM patients EXCEPT SELECT 'Name1'
SELECT name FROM patients EXCEPT ALL SELECT 'Name1'
SELECT count(*) FROM (SELECT name FROM patients UNION SELECT 'x') q
SELECT p.id FROM patients p JOIN encounters e ON e.note LIKE '%' || p.name || '%' LIMIT 3
SELECT a.id FROM patients a JOIN patients b USING (name)
SELECT a.id FROM patients a NATURAL JOIN staff b
SELECT a.id FROM patients a LEFT JOIN staff b ON a.name = b.name WHERE b.id IS NULL
SELECT e.id FROM encounters e WHERE EXISTS (SELECT 1 FROM patients p WHERE p.id = e.patient_id AND p.ssn < '2')
SELECT e.id FROM encounters e WHERE e.patient_id IN (SELECT id FROM patients WHERE ssn < '2')
SELECT id FROM patients WHERE (SELECT ssn) < '2'
SELECT id FROM patients TABLESAMPLE BERNOULLI ((SELECT length(name) FROM patients WHERE id = 1))
SELECT id FROM codes, generate_series(1, (SELECT length(name) FROM patients WHERE id = 1)) id LIMIT 100
SELECT unnest(string_to_array(ssn, '-')) FROM patients WHERE id = 1
SELECT regexp_split_to_table(name, '') FROM patients WHERE id = 1
SELECT id FROM encounters ORDER BY id OFFSET (SELECT length(name) FROM patients WHERE id = 1) LIMIT 1
SELECT id FROM encounters ORDER BY id FETCH FIRST (SELECT length(name) FROM patients WHERE id = 1) ROWS ONLY
SELECT jsonb_object_keys(notes) FROM patients WHERE id = 1
SELECT id FROM patients, jsonb_each(notes) WHERE id < 5
SELECT x.* FROM patients, json_to_record('{}') AS x(a int) WHERE ssn < '2'
SELECT x.t FROM patients p, xmltable('/a' PASSING xmlparse(document '<a/>') COLUMNS t text PATH '.') x WHERE p.name < 'N'
-- windows and aggregates
SELECT id, row_number() OVER (ORDER BY ssn) FROM patients LIMIT 3
SELECT id, count(*) OVER (PARTITION BY name) FROM patients LIMIT 3
SELECT id, lag(ssn) OVER (ORDER BY id) FROM patients LIMIT 3
SELECT id, sum(weight) OVER (ORDER BY length(name)) FROM patients LIMIT 3
SELECT id, count(*) FILTER (WHERE ssn < '5') OVER () FROM patients LIMIT 3
SELECT rank('5') WITHIN GROUP (ORDER BY ssn) FROM patients
SELECT sum(weight) FILTER (WHERE ssn < '5') FROM patients
SELECT avg(length(name)) FROM patients
SELECT max(name) FROM patients
SELECT min(ssn), id FROM patients GROUP BY id LIMIT 3
SELECT bool_and(ssn < '5') FROM patients
SELECT string_agg(left(name, 1), '') FROM patients
SELECT array_agg(id ORDER BY ssn) FROM patients
SELECT array_agg(DISTINCT name) FROM patients
SELECT corr(weight, length(name)) FROM patients
SELECT grouping(name) FROM patients GROUP BY ROLLUP (name) LIMIT 2
SELECT sex, count(*) FROM patients GROUP BY GROUPING SETS ((sex), (name))
-- expressions
SELECT ssn || '' FROM patients WHERE id = 1
SELECT md5(ssn) FROM patients WHERE id = 1
SELECT left(name, 1), right(name, 1), length(name) FROM patients WHERE id = 1
SELECT length(ssn || repeat('x', 1073741800)) FROM patients WHERE id = 1
SELECT replace(name, 'N', repeat('x', 100000000)) IS NULL FROM patients WHERE id = 1
SELECT concat(name, email, id) FROM patients WHERE id = 1
SELECT format('%s', ssn) FROM patients WHERE id = 1
SELECT ssn COLLATE "C" FROM patients WHERE id = 1
SELECT ssn::short FROM patients WHERE id = 1
SELECT name::varchar(3) FROM patients WHERE id = 1
SELECT mrn::numeric FROM patients WHERE id = 1
SELECT notes->>'phone' FROM patients WHERE id = 1
SELECT notes['phone'] FROM patients WHERE id = 1
SELECT notes @> '{}' FROM patients WHERE id = 2
SELECT jsonb_array_length(notes) FROM patients WHERE id = 1
SELECT dob + 1, dob - date '2000-01-01', extract(year FROM dob), to_char(dob, 'DDD') FROM patients WHERE id = 1
SELECT date_trunc('month', dob), age(dob) > interval '50 years' FROM patients WHERE id = 1
SELECT to_tsvector('simple', name) FROM patients WHERE id = 1
SELECT similarity(name, 'x') FROM patients WHERE id = 1
SELECT ssn ~ '^1' FROM patients WHERE id = 1
SELECT pg_column_size(name) FROM patients WHERE id = 1
SELECT pg_typeof(name) FROM patients WHERE id = 1
SELECT ascii(name), chr(ascii(name)) FROM patients WHERE id = 1
SELECT current_setting(name) FROM patients WHERE id = 1
SELECT has_table_privilege(name, 'select') FROM patients WHERE id = 1
SELECT set_config('application_name', name, false) FROM patients WHERE id = 1
SELECT pg_sleep(length(name)) FROM patients WHERE id = 1
SELECT pg_advisory_lock(length(name)) FROM patients WHERE id = 1
SELECT setval('counter', length(name)) FROM patients WHERE id = 1
SELECT pg_notify('c', name) FROM patients WHERE id = 1
SELECT lo_from_bytea(0, convert_to(name, 'UTF8')) FROM patients WHERE id = 1
SELECT xmlelement(name x, ssn) FROM patients WHERE id = 1
SELECT json_object_agg(id, name) FROM patients
SELECT int4range(1, length(name)) FROM patients WHERE id = 1
SELECT make_date(2000, 1, length(name)) FROM patients WHERE id = 1
SELECT ('x' || ssn)::bit(8) FROM patients WHERE id = 1
-- views, generated columns, kin, policies
SELECT * FROM v_pat WHERE id = 1
SELECT s FROM v_pat WHERE id = 1
SELECT joint FROM v_deep WHERE who = 1
SELECT * FROM v_hidden
SELECT count(*) FROM v_hidden
SELECT who FROM m_pat WHERE id = 1
SELECT id FROM m_pat WHERE who < 'O'
SELECT initial FROM staff WHERE id = 1
SELECT id FROM staff WHERE initial = 'D'
SELECT who FROM events WHERE id = 1
SELECT who FROM events_23 WHERE id = 1
SELECT id FROM events_24 WHERE who < 'O'
SELECT id FROM ONLY events_23 ORDER BY who LIMIT 1
SELECT id FROM guarded
SELECT count(*) FROM guarded
SELECT * FROM dropped
SELECT b FROM dropped WHERE a = 1
SELECT * FROM "Odd.Table"
SELECT "Se cret" FROM "Odd.Table"
SELECT "pla""in" FROM "Odd.Table" WHERE "Se cret" IS NULL
TABLE "Odd.Table"
SELECT * FROM other.patients
-- common table expressions
WITH RECURSIVE t(a, b) AS (SELECT id, name FROM patients WHERE id < 4 UNION ALL SELECT a + 1, b FROM t WHERE a < 6) SELECT * FROM t
WITH RECURSIVE t(a, b) AS (SELECT id, name FROM patients WHERE id < 4 UNION SELECT a, b FROM t) SELECT a FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) SELECT b FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) SEARCH DEPTH FIRST BY b SET o SELECT a, o FROM t
WITH RECURSIVE t(a, b) AS (SELECT 1, 'x' UNION ALL SELECT p.id, p.name FROM t JOIN patients p ON p.id = t.a + 1 WHERE t.a < 5) CYCLE b SET c USING d SELECT a, c FROM t
WITH x AS (SELECT * FROM patients), y AS (SELECT * FROM x) SELECT y.email FROM y WHERE id = 1
WITH x AS MATERIALIZED (SELECT ssn AS id FROM patients) SELECT id FROM x LIMIT 1
WITH x AS (UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn) SELECT * FROM x
WITH x AS (DELETE FROM codes WHERE dx = 'E1' RETURNING (SELECT ssn FROM patients WHERE id = 1)) SELECT * FROM x
WITH x AS (INSERT INTO codes SELECT 'Z', name FROM patients WHERE id = 1 RETURNING descr) SELECT * FROM x
-- joins and scopes
SELECT x.y FROM patients p CROSS JOIN LATERAL (SELECT p.ssn AS y) x WHERE p.id = 1
SELECT a.ssn FROM patients a FULL JOIN encounters b ON a.id = b.patient_id WHERE a.id = 1
SELECT ssn FROM patients a FULL JOIN (SELECT id, ssn FROM other.patients) b USING (id, ssn)
SELECT (SELECT (SELECT p.ssn)) FROM patients p WHERE id = 1
SELECT v.c FROM patients p, LATERAL (VALUES (p.ssn), (p.name)) v(c) WHERE p.id = 1
SELECT j.ssn FROM (patients p JOIN encounters e ON e.patient_id = p.id) j WHERE j.admit < '2024-01-02' LIMIT 1
SELECT id AS ssn, ssn AS id FROM patients WHERE id = 1
SELECT ssn "id" FROM patients WHERE id = 1
SELECT public.patients.ssn FROM public.patients WHERE id = 1
SELECT U&"\\0073sn" FROM patients WHERE id = 1
SELECT id, -- ssn
  /* name */ ssn FROM patients WHERE id = 1
SELECT ctid, xmin, tableoid::regclass FROM patients WHERE ssn < '2'
-- writes
UPDATE codes SET descr = (SELECT ssn FROM patients WHERE id = 1) WHERE dx = 'E1'
UPDATE codes SET descr = 'x' WHERE dx = (SELECT 'E' || length(name) FROM patients WHERE id = 1)
UPDATE codes c SET descr = 'x' FROM patients p WHERE p.ssn < '2' AND c.dx = 'E1'
UPDATE patients SET weight = length(name) WHERE id = 1
UPDATE patients SET name = email WHERE id = 1 RETURNING name
UPDATE patients SET weight = 1 WHERE ssn < '2'
UPDATE patients SET ssn = '999-10-1001' WHERE id = 1
UPDATE patients SET weight = 2 WHERE id = 1 RETURNING *
UPDATE patients SET (weight, sex) = (SELECT length(name), 'F' FROM patients WHERE id = 2) WHERE id = 1
UPDATE checked SET amount = 3 WHERE id = 2
DELETE FROM encounters WHERE note LIKE '%a%'
DELETE FROM encounters e USING patients p WHERE p.id = e.patient_id AND p.ssn < '2'
DELETE FROM patients WHERE id = 1
DELETE FROM codes WHERE dx = 'E1' RETURNING *, (SELECT name FROM patients WHERE id = 1)
INSERT INTO codes SELECT 'Z' || id, name FROM patients WHERE id = 1
INSERT INTO codes VALUES ('Z', (SELECT ssn FROM patients WHERE id = 1)) RETURNING descr
INSERT INTO codes SELECT 'Z' FROM patients WHERE ssn < '2' LIMIT 1
INSERT INTO patients(id, ssn) VALUES (1000, '101-11-0007')
INSERT INTO patients(id, ssn) VALUES (1000, '101-11-0007') ON CONFLICT DO NOTHING
INSERT INTO patients(id, ssn) VALUES (1, 'n') ON CONFLICT (ssn) DO UPDATE SET weight = 1
INSERT INTO patients(id, name) VALUES (1, 'n') ON CONFLICT (id) DO UPDATE SET weight = length(patients.name) RETURNING weight
INSERT INTO codes VALUES ('E1', 'y') ON CONFLICT (dx) DO UPDATE SET descr = excluded.descr RETURNING descr
INSERT INTO patients(id, name) VALUES (1001, 'n') RETURNING id, name
INSERT INTO v_pat(id, s) VALUES (1002, '101-11-0007')
INSERT INTO watched VALUES (1, 1)
INSERT INTO ruled VALUES (1, 1)
MERGE INTO codes c USING patients p ON c.dx = p.name WHEN MATCHED THEN DELETE
MERGE INTO codes c USING patients p ON p.id = 1 AND c.dx = 'E1' WHEN MATCHED AND p.ssn < '2' THEN UPDATE SET descr = 'x' WHEN MATCHED THEN DO NOTHING
MERGE INTO codes c USING (SELECT 'E1' d) s ON c.dx = s.d WHEN MATCHED THEN UPDATE SET descr = (SELECT ssn FROM patients WHERE id = 1)
-- code in strings, other doors
SELECT query_to_xml('select ssn from patients where id = 1', true, true, '')
SELECT table_to_xml('patients', true, true, '')
SELECT * FROM ts_stat('select to_tsvector(name) from patients')
SELECT peek()
SELECT 1 WHERE peek() < '5'
DO $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM patients WHERE id = 1); END $$
EXPLAIN SELECT id FROM patients WHERE id < 5
EXPLAIN ANALYZE SELECT id FROM patients WHERE id < 5
EXPLAIN SELECT peek()
SELECT * FROM pg_stats WHERE tablename = 'patients'
SELECT most_common_vals FROM pg_stats
SELECT stavalues1 FROM pg_statistic
SELECT query FROM pg_stat_activity
SELECT n_distinct FROM pg_stats WHERE tablename = 'patients' AND attname = 'name'
SELECT * FROM pg_toast.pg_toast_16384
SELECT pg_read_file('/etc/passwd')
SELECT pg_relation_size('patients')
SELECT pg_get_viewdef('v_pat')
SELECT 1/(SELECT count(*) FROM patients WHERE ssn < '0')
COPY patients TO STDOUT
COPY patients(id, ssn) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT ssn FROM patients) TO STDOUT (FORMAT binary)
COPY (SELECT id FROM patients WHERE ssn < '2') TO STDOUT
COPY (UPDATE patients SET weight = 1 WHERE id = 1 RETURNING ssn) TO STDOUT
COPY "Odd.Table" TO STDOUT
COPY staff TO STDOUT
COPY dropped TO STDOUT
COPY events_23 TO STDOUT
VALUES ((SELECT ssn FROM patients WHERE id = 1))
SELECT 1 LIMIT (SELECT (ssn < '2')::int FROM patients WHERE id = 1)
DECLARE c CURSOR WITH HOLD FOR SELECT ssn FROM patients
SELECT FROM patients WHERE name IS NULL
SELECT id FROM patients WHERE id = 1 FOR UPDATE
SELECT 1 FROM patients WHERE id = 1 AND CASE WHEN name IS NULL THEN 1/(id-1) = 1 END
CREATE TEMP VIEW codes AS SELECT ssn AS dx, name AS descr FROM patients
CREATE TABLE copy_of AS SELECT * FROM patients
SELECT * INTO copy_of FROM patients
CALL peek()
"""


def evasions() -> list[str]:
    """The statements, one by one; a line that starts with blanks continues the one above."""
    found: list[str] = []
    for line in EVASIONS.strip("\n").split("\n"):
        if line.startswith(" "):
            found[-1] += "\n" + line
        elif line and not line.startswith("-- "):
            found.append(line.replace("\\\\", "\\"))
    return found
