-- Aggregates over secrets with a floor of 5 patients (test_sql_groups.py), a statement a line.
-- given
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, round(avg(weight), 1) AS a, count(weight), stddev(weight) FROM patients WHERE ward < 3 GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 ORDER BY a DESC LIMIT 3
SELECT sex, sum(weight) FROM patients GROUP BY 1 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 AND count(*) > 2
SELECT avg(weight), avg(height) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL AND height IS NOT NULL) > 4
SELECT avg(weight), avg(height) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 AND count(DISTINCT id) FILTER (WHERE height IS NOT NULL) >= 6
SELECT avg(smoker::int) FROM patients HAVING count(DISTINCT id) FILTER (WHERE smoker IS NOT NULL) >= 5
SELECT p.sex, avg(l.value) FROM labs l JOIN patients p ON p.id = l.patient_id GROUP BY p.sex HAVING count(DISTINCT l.patient_id) FILTER (WHERE l.value IS NOT NULL) >= 5
SELECT w.name, avg(l.value) FROM labs l JOIN patients p ON p.id = l.patient_id LEFT JOIN wards w ON w.id = p.ward WHERE l.item = 3 GROUP BY w.name HAVING count(DISTINCT l.patient_id) FILTER (WHERE l.value IS NOT NULL) >= 5
SELECT p.sex, avg(l.value) FROM labs l, patients p WHERE p.id = l.patient_id GROUP BY p.sex HAVING count(DISTINCT l.patient_id) FILTER (WHERE l.value IS NOT NULL) >= 5
SELECT avg(value) FROM labs l WHERE patient_id IN (SELECT id FROM patients WHERE sex = 'F') HAVING count(DISTINCT l.patient_id) FILTER (WHERE l.value IS NOT NULL) >= 5
WITH f AS (SELECT id FROM patients WHERE sex = 'F') SELECT item, avg(value) FROM labs l WHERE patient_id IN (TABLE f) GROUP BY item HAVING count(DISTINCT l.patient_id) FILTER (WHERE l.value IS NOT NULL) >= 5
SELECT item, sum(value) FROM parts GROUP BY item HAVING count(DISTINCT patient_id) FILTER (WHERE value IS NOT NULL) >= 5
SELECT rank() OVER (ORDER BY avg(weight)), sex FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
COPY (SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5) TO STDOUT
PREPARE x AS SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
-- refused
-- : no floor, or another one
SELECT sex, avg(weight) FROM patients GROUP BY sex
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(*) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 4
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) > 3
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) <> 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) <= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= -5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 OR true
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 IS NOT NULL
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NULL) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count( id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT ward) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id * random()) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(height) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL AND weight > 60) >= 5
SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL OR sex = sex) >= 5
-- : what small groups are asked besides
SELECT sex FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 AND avg(weight) > 60
SELECT sex FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 AND 1 / (avg(weight) - 60) > 0
-- : single values
SELECT sex, max(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, array_agg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(DISTINCT weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, sum(weight ORDER BY id) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight) FILTER (WHERE id = 3) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(CASE WHEN id = 3 THEN weight ELSE 0 END) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight * id) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, sum(1 / weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, avg(weight::int) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(spell) FROM patients HAVING count(DISTINCT id) FILTER (WHERE spell IS NOT NULL) >= 5
SELECT sum(price) FROM patients HAVING count(DISTINCT id) FILTER (WHERE price IS NOT NULL) >= 5
SELECT string_agg(note, '') FROM labs HAVING count(DISTINCT patient_id) FILTER (WHERE note IS NOT NULL) >= 5
SELECT avg(avg(weight)) OVER (), avg(weight) OVER () FROM patients GROUP BY weight HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
-- : overlapping groups, and rows that count more than once
SELECT sex, avg(weight) FROM patients GROUP BY ROLLUP (sex) HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, ward, avg(weight) FROM patients GROUP BY CUBE (sex, ward) HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT g, sum(weight) FROM patients, generate_series(1, 24) g WHERE id <= g GROUP BY g HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT g, sum(weight) FROM patients JOIN generate_series(1, 24) g ON id = g GROUP BY g HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p, wards HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p JOIN wards w ON w.twice = p.ward HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p JOIN wards w ON w.id >= p.ward HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p JOIN wards w ON w.id = p.ward OR p.id = 3 HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p JOIN labs l ON l.patient_id = p.id HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p JOIN loose l ON l.twin = p.id HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM wards w JOIN patients p ON w.id = p.ward HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p RIGHT JOIN wards w ON w.id = p.ward HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p FULL JOIN wards w ON w.id = p.ward HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sum(weight) FROM patients p LEFT JOIN wards w ON p.ward = 1 AND p.id = 3 HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT w.g, sum(weight) FROM patients p, LATERAL (SELECT p.id % 2 AS g) w GROUP BY w.g HAVING count(DISTINCT p.id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT generate_series(1, 3), sum(weight) FROM patients GROUP BY 1 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex, sum(weight) FROM patients TABLESAMPLE SYSTEM (50) GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
-- : not the statement itself
SELECT * FROM (SELECT sex, avg(weight) FROM patients GROUP BY sex HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5) x
SELECT (SELECT avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5)
WITH x AS (SELECT avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5) TABLE x
SELECT avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5 UNION ALL SELECT avg(weight) FROM patients WHERE id <> 3 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT sex FROM patients p GROUP BY sex HAVING 60 < (SELECT avg(weight) FROM patients q HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5)
INSERT INTO wards SELECT 9, 'x', avg(weight) FROM patients HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT avg(value) FROM v_labs HAVING count(DISTINCT patient_id) FILTER (WHERE value IS NOT NULL) >= 5
-- : secret keys are keys
SELECT smoker, avg(weight) FROM patients GROUP BY smoker HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
SELECT avg(weight) FROM patients WHERE height > 1 HAVING count(DISTINCT id) FILTER (WHERE weight IS NOT NULL) >= 5
