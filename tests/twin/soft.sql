-- Run on the pair whose dates of birth and ZIPs differ within what their generalisation shows: these
-- may come out generalised, and nothing finer.
SELECT dob, zip FROM patients
SELECT id, dob, zip, name FROM patients WHERE id < 30
SELECT * FROM patients WHERE id < 9
SELECT p FROM patients p WHERE id < 9
SELECT (p).dob, (p).zip FROM patients p WHERE id < 9
SELECT dob::text, zip || '' FROM patients WHERE id < 9
SELECT dob + 0, dob - interval '1 day' FROM patients WHERE id < 9
SELECT extract(day FROM dob), extract(month FROM dob) FROM patients WHERE id < 9
SELECT to_char(dob, 'MM-DD'), date_part('doy', dob) FROM patients WHERE id < 9
SELECT dob::timestamp, dob::timestamptz FROM patients WHERE id < 9
SELECT make_date(extract(day FROM dob)::int + 1900, 1, 1) FROM patients WHERE id < 9
SELECT right(zip, 2), left(zip, 3), substr(zip, 4) FROM patients WHERE id < 9
SELECT reverse(zip), upper(zip), zip::char(5), zip::varchar(4) FROM patients WHERE id < 9
SELECT coalesce(dob, now()::date), greatest(dob, date '1900-01-01') FROM patients WHERE id < 9
SELECT CASE WHEN id > 0 THEN dob END, CASE WHEN id > 0 THEN zip END FROM patients WHERE id < 9
SELECT (SELECT dob), (SELECT zip) FROM patients WHERE id < 9
SELECT ARRAY[dob], ROW(zip, dob) FROM patients WHERE id < 9
SELECT to_jsonb(p)->>'dob' FROM patients p WHERE id < 9
SELECT min(dob), max(zip) FROM patients WHERE id = 3
SELECT array_agg(dob ORDER BY id), string_agg(zip, ',' ORDER BY id) FROM patients
SELECT lag(dob) OVER (ORDER BY id), first_value(zip) OVER (ORDER BY id) FROM patients WHERE id < 9
SELECT dob FROM patients WHERE id < 9 UNION ALL SELECT admit::date FROM encounters WHERE id < 3
SELECT zip FROM patients WHERE id < 9 UNION ALL SELECT dept FROM encounters WHERE id < 3
WITH c AS (SELECT id, dob, zip FROM patients) SELECT dob, zip FROM c WHERE id < 9
WITH RECURSIVE r(n, d) AS (SELECT 1, dob FROM patients WHERE id = 1 UNION ALL SELECT n + 1, p.dob FROM r JOIN patients p ON p.id = n + 1 WHERE n < 5) SELECT n, d FROM r
SELECT l.dob FROM patients p, LATERAL (SELECT p.dob) l WHERE id < 9
SELECT v.dob, v.zip FROM v_star v WHERE id < 9
SELECT u FROM patients p, unnest(ARRAY[p.zip]) u WHERE id = 3 AND false
SELECT p.dob - date '1900-01-01', age(p.dob), justify_days(age(date '2000-01-01', p.dob)) FROM patients p WHERE id < 9
SELECT date_trunc('year', dob), date_trunc('month', dob) FROM patients WHERE id < 9
UPDATE patients SET weight = 1 WHERE id = 4 RETURNING dob, zip
COPY patients (id, dob, zip) TO STDOUT
COPY (SELECT dob, zip FROM patients) TO STDOUT (FORMAT csv)
COPY (SELECT dob, zip FROM patients) TO STDOUT (FORMAT binary)
SET datestyle = 'German' ;; SELECT dob FROM patients WHERE id < 9
SET datestyle = 'SQL, DMY' ;; SELECT id, dob, zip FROM patients WHERE id < 9
SET datestyle = 'Postgres, MDY' ;; COPY (SELECT dob FROM patients) TO STDOUT
SET timezone = 'Asia/Tokyo' ;; SELECT dob::timestamptz, dob FROM patients WHERE id < 9
PREPARE q AS SELECT dob, zip FROM patients WHERE id = $1 ;; EXECUTE q(3)
DECLARE c CURSOR FOR SELECT dob, zip FROM patients ;; FETCH 5 FROM c
SELECT extract(year FROM dob), extract(year FROM dob)::int, date_part('year', dob) FROM patients ORDER BY id
SELECT extract(year FROM dob)::text, to_char(dob, 'YYYY'), extract(decade FROM dob), extract(year FROM dob) - 1 FROM patients ORDER BY id
SELECT extract(isoyear FROM dob), to_char(dob, 'IYYY'), date_part('week', dob) FROM patients ORDER BY id
SELECT date_trunc('year', dob), date_trunc('year', dob)::date, date_trunc('year', dob::timestamp) FROM patients ORDER BY id
SELECT date_trunc('decade', dob::timestamp), date_trunc('month', dob::timestamp), dob::timestamp::date FROM patients ORDER BY id
SELECT date_trunc('week', dob::timestamp), date_trunc('week', dob), dob::timestamptz FROM patients ORDER BY id
SELECT dob FROM patients WHERE id < 9 UNION ALL SELECT dob + 200 FROM patients WHERE id < 9
SELECT extract(year FROM dob) FROM patients WHERE id < 9 UNION ALL SELECT extract(day FROM dob) FROM patients WHERE id < 9
SELECT greatest(dob, dob + 200), least(dob, dob - 200), coalesce(dob, dob + 1), nullif(dob, dob) FROM patients ORDER BY id
SELECT CASE WHEN extract(day FROM dob) = 7 THEN dob ELSE date '2001-01-01' END FROM patients ORDER BY id
SELECT CASE WHEN sex = 'F' THEN extract(year FROM dob) ELSE extract(day FROM dob) END FROM patients ORDER BY id
SELECT max(dob) OVER (), max(extract(year FROM dob)) OVER (PARTITION BY sex), lag(dob, 1, dob) OVER (ORDER BY id) FROM patients ORDER BY id
SELECT (SELECT max(dob) FROM patients q WHERE q.id <= p.id), extract(year FROM (SELECT dob)) FROM patients p ORDER BY id
SELECT min(extract(year FROM dob)::text), max(extract(year FROM dob)::text) FROM patients
SELECT sum(extract(year FROM dob)), avg(extract(year FROM dob)), array_agg(extract(year FROM dob) ORDER BY id) FROM patients
SELECT make_date(extract(year FROM dob)::int, 1, 1), make_date(extract(day FROM dob)::int + 1950, 1, 1) FROM patients ORDER BY id
SELECT extract(year FROM dob) + extract(day FROM dob), extract(year FROM dob) || to_char(dob, 'DDD') FROM patients ORDER BY id
SELECT extract(year FROM age(dob)), extract(year FROM dob + 200), extract(year FROM dob::timestamptz) FROM patients ORDER BY id
CREATE TABLE kept_years AS SELECT id, extract(year FROM dob)::int AS y FROM patients ;; SELECT * FROM kept_years ORDER BY id
