-- What one asks of synthea who does not think of labels. Each is refused, by reason and with the next step: REASON / words of the hint.

-- phi.predicate / choose rows by columns that are not secret
SELECT count(*) FROM ehr.patients WHERE last = 'Last7'

-- phi.predicate / choose rows by columns that are not secret
SELECT count(*) FROM ehr.notes WHERE body ILIKE '%fall%'

-- phi.predicate / choose rows by columns that are not secret
SELECT id FROM ehr.patients WHERE ssn IS NULL OR phone ~ '^555'

-- phi.predicate / primary key of its table in GROUP BY
SELECT author, count(*) FROM ehr.notes GROUP BY author ORDER BY 2 DESC

-- phi.predicate / Order by columns that are not secret
SELECT id, last, first FROM ehr.patients ORDER BY last, first LIMIT 20

-- phi.predicate / Order by columns that are not secret
SELECT id, row_number() OVER (ORDER BY last) FROM ehr.patients

-- phi.predicate / Partition by columns that are not secret
SELECT id, row_number() OVER (PARTITION BY last ORDER BY id) FROM ehr.patients

-- phi.predicate / DISTINCT ON (KEY)
SELECT DISTINCT last FROM ehr.patients

-- phi.predicate / count(DISTINCT KEY)
SELECT count(DISTINCT last) FROM ehr.patients

-- phi.predicate / count(*) counts rows
SELECT count(ssn) FROM ehr.patients

-- phi.predicate / Join by a key
SELECT a.id, b.id FROM ehr.patients a JOIN ehr.patients b ON a.phone = b.phone AND a.id < b.id

-- phi.predicate / UNION ALL
SELECT last FROM ehr.patients UNION SELECT name FROM ehr.providers

-- phi.predicate / choose rows by columns that are not secret
SELECT gender, count(*) FROM ehr.patients GROUP BY gender HAVING bool_or(last = 'Last7')

-- phi.aggregate / Aggregate columns that are not secret
SELECT type, avg(length(body)) FROM ehr.notes GROUP BY type

-- phi.aggregate / Aggregate columns that are not secret
SELECT string_agg(last, ', ') FROM ehr.patients

-- phi.explain / Run the statement itself
EXPLAIN ANALYZE SELECT * FROM ehr.patients WHERE birthdate < '1960-01-01'

-- phi.function / select columns one by one
SELECT to_jsonb(p) FROM ehr.patients p

-- phi.function / select columns one by one
SELECT json_build_object('mrn', ssn, 'name', last) FROM ehr.patients

-- phi.function / lengths from 0
SELECT substring(ssn, 1, length(last)) FROM ehr.patients

-- phi.function / only take away
SELECT replace(ssn, '-', '––') FROM ehr.patients

-- phi.function / concat()
SELECT format('%s, %s', last, first) FROM ehr.patients

-- phi.function / Select the column itself
SELECT md5(ssn) FROM ehr.patients

-- phi.write / columns that are public
CREATE TABLE mart.copied AS SELECT id, last FROM ehr.patients

-- phi.write / into a column with the same label
INSERT INTO mart.daily_volume (day, department, n) SELECT starts::date, department, count(*) FROM ehr.appointments GROUP BY 1, 2

-- phi.temporary / Use a CTE
CREATE TEMP TABLE t AS SELECT 1 AS a

-- statement.setting / write names with their schema
SET search_path TO ehr

-- phi.function / ask an operator for what it says
SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY relname
