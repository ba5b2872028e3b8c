-- What is let through so that honest work passes, and what lies just beside it: group keys that a
-- primary key makes idle, calls that cannot fail for their constants, views over secrets, views of
-- the catalogue with rules.
-- family: idle keys
SELECT id, name, count(*) FROM patients GROUP BY id, name
SELECT name, id FROM patients GROUP BY name, id
SELECT name, id FROM patients GROUP BY name, id LIMIT 3
SELECT name, id FROM patients GROUP BY 1, 2 OFFSET 2 LIMIT 5
SELECT p.name, p.email, p.id, p.mrn, sum(length(e.dept)) FROM patients p JOIN encounters e ON e.patient_id = p.id GROUP BY p.name, p.email, p.mrn, p.id LIMIT 4
SELECT p.name, p.id, count(e.id) FROM encounters e LEFT JOIN patients p ON p.id = e.patient_id + 3 GROUP BY p.name, p.id LIMIT 4
SELECT p.name, p.id, count(e.id) FROM encounters e FULL JOIN patients p ON p.id = e.patient_id GROUP BY p.name, p.id LIMIT 4
SELECT name, id FROM patients JOIN encounters USING (id) GROUP BY name, id LIMIT 3
SELECT name, j.id FROM (patients JOIN encounters USING (id)) AS j GROUP BY name, j.id LIMIT 3
SELECT p.name, e.id FROM patients p JOIN encounters e ON e.patient_id = p.id GROUP BY p.name, e.id LIMIT 3
SELECT p.name, e.patient_id FROM patients p JOIN encounters e ON e.patient_id = p.id GROUP BY p.name, e.patient_id LIMIT 3
SELECT q.name, p.id FROM patients p JOIN patients q ON q.id = p.id GROUP BY q.name, p.id LIMIT 3
SELECT ssn, id FROM patients GROUP BY ssn, id LIMIT 3
SELECT ssn, id, name FROM patients GROUP BY ssn, id, name LIMIT 3
SELECT upper(name), id FROM patients GROUP BY upper(name), id LIMIT 3
SELECT name, id::text FROM patients GROUP BY name, id::text LIMIT 3
SELECT name::varchar, id FROM patients GROUP BY name::varchar, id LIMIT 3
SELECT name, id FROM patients GROUP BY name, id HAVING name > 'M'
SELECT name, id FROM patients GROUP BY name, id ORDER BY name LIMIT 3
SELECT id, rank() OVER (ORDER BY name) FROM patients GROUP BY name, id ORDER BY id
SELECT DISTINCT name FROM patients GROUP BY name, id
SELECT DISTINCT name, id FROM patients GROUP BY name, id LIMIT 3
SELECT count(name) FROM patients GROUP BY name, id
SELECT name, id, count(*) FROM patients GROUP BY GROUPING SETS ((name, id), ())
SELECT name, id, count(*) FROM patients GROUP BY ROLLUP (name, id) LIMIT 4
SELECT name, id FROM patients GROUP BY CUBE (name), id LIMIT 4
SELECT name, id FROM patients GROUP BY DISTINCT name, id LIMIT 4
SELECT count(*) FROM (SELECT name, id FROM patients GROUP BY name, id) s
SELECT id FROM (SELECT name, id FROM patients GROUP BY name, id LIMIT 4) s ORDER BY id
SELECT name, id FROM v_star GROUP BY name, id LIMIT 3
SELECT s.name, s.id FROM (SELECT * FROM patients) s GROUP BY s.name, s.id LIMIT 3
SELECT s.name, s.id FROM (SELECT * FROM patients OFFSET 0) s GROUP BY s.name, s.id LIMIT 3
SELECT (SELECT count(*) FROM encounters e GROUP BY p.name, e.id LIMIT 1) FROM patients p ORDER BY p.id
SELECT (SELECT e.note FROM encounters e GROUP BY e.note, e.id, p.name LIMIT 1) FROM patients p ORDER BY p.id
SELECT name, id FROM person GROUP BY name, id LIMIT 3
SELECT name, id FROM ONLY person GROUP BY name, id LIMIT 3
SELECT who, id FROM guarded GROUP BY who, id LIMIT 3
SELECT who, id FROM events GROUP BY who, id LIMIT 3
SELECT pin, id FROM nulled GROUP BY pin, id LIMIT 3
SELECT pin, id FROM derived GROUP BY pin, id LIMIT 3
SELECT q, id FROM derived GROUP BY q, id LIMIT 3
SELECT name, initial, id FROM staff GROUP BY name, initial, id LIMIT 3
SELECT name, initial FROM staff GROUP BY name, initial LIMIT 3
INSERT INTO visits(n) SELECT id FROM patients GROUP BY name, id LIMIT 2
CREATE VIEW grouped AS SELECT name, id FROM patients GROUP BY name, id ;; COMMIT ;; COPY (SELECT id FROM grouped LIMIT 3) TO STDOUT
WITH g AS MATERIALIZED (SELECT name, id FROM patients GROUP BY name, id) SELECT id FROM g LIMIT 3
SELECT p.id, p.name FROM patients p, generate_series(1, 3) n GROUP BY p.name, n, p.id LIMIT 5
SELECT p.id, p.name FROM patients p, codes c GROUP BY p.name, c.descr, p.id, c.dx LIMIT 5
SELECT min(id) FROM patients GROUP BY name, notes LIMIT 2
SELECT name, id FROM patients TABLESAMPLE BERNOULLI (100) GROUP BY name, id LIMIT 3
-- family: constant arguments
SELECT id, substring(mrn, 1, 3) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, -1) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, '3') FROM patients ORDER BY id ;; SELECT id, substring(mrn, 1, '-1') FROM patients ORDER BY id
SELECT id, substring(mrn, 1, int '3') FROM patients ORDER BY id ;; SELECT id, substring(mrn, 1, int '-3') FROM patients ORDER BY id
SELECT id, substring(mrn, 1, 3) FROM patients WHERE sex = 'a' ORDER BY id ;; SELECT id, substring(mrn, 1, 3) FROM patients WHERE sex = 'F' ORDER BY id
SELECT id, substring(mrn, 2147483647, 3) FROM patients ORDER BY id
SELECT id, substring(mrn, -2147483648, 3) FROM patients ORDER BY id
SELECT id, substring(mrn, length(name), 3) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, length(name)) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, length(name) - 5) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, 1 - 2) FROM patients ORDER BY id
SELECT id, substring(mrn, 1, NULL) FROM patients ORDER BY id
SELECT id, substring('abc', 1, length(name) - 5) FROM patients ORDER BY id
SELECT id, substring(mrn FROM 1 FOR 3), substr(mrn, 0, 2), substr(mrn, 1, -2) FROM patients ORDER BY id
SELECT id FROM patients WHERE substring(mrn, 1, 1) = '1'
SELECT id, split_part(email, '@', 2) FROM patients ORDER BY id
SELECT id, split_part(email, '@', 0) FROM patients ORDER BY id
SELECT id, split_part(email, '@', '1') FROM patients ORDER BY id ;; SELECT id, split_part(email, '@', '0') FROM patients ORDER BY id
SELECT id, split_part(email, name, 1) FROM patients ORDER BY id
SELECT id, split_part(email, '@', -1) FROM patients ORDER BY id
SELECT id, overlay(mrn placing 'xx' FROM 1 FOR 2) FROM patients ORDER BY id
SELECT id, overlay(mrn placing 'xx' FROM 0 FOR 2) FROM patients ORDER BY id
SELECT id, overlay(mrn placing 'xx' FROM 1 FOR -2147483648) FROM patients ORDER BY id
SELECT id, overlay(mrn placing name FROM 1 FOR 2) FROM patients ORDER BY id
SELECT id, overlay(mrn placing 'xx' FROM 65535 FOR 65535) FROM patients ORDER BY id
SELECT id, lpad(mrn, 12, '0'), rpad(mrn, 3), lpad(mrn, 0), rpad(mrn, 12, '') FROM patients ORDER BY id
SELECT id, length(lpad(mrn, 1000000000, 'x')) FROM patients ORDER BY id
SELECT id, lpad(mrn, length(name)) FROM patients ORDER BY id
SELECT id, lpad('x', 12, name) FROM patients ORDER BY id
SELECT id, concat(lpad(mrn, 65535), lpad(mrn, 65535), lpad(mrn, 65535)) FROM patients ORDER BY id
SELECT id, replace(mrn, '0', '') FROM patients ORDER BY id
SELECT id, replace(mrn, '0', 'long and longer') FROM patients ORDER BY id
SELECT id, replace(mrn, '', '') FROM patients ORDER BY id ;; SELECT id, replace(mrn, '1', repeat('x', 100000000)) FROM patients ORDER BY id
SELECT id, replace(mrn, name, '') FROM patients ORDER BY id
SELECT id, replace(mrn, '1', email) FROM patients ORDER BY id
PREPARE p1(int) AS SELECT id, substring(mrn, 1, $1) FROM patients ORDER BY id ;; EXECUTE p1(3) ;; EXECUTE p1(-1)
SELECT id, CASE WHEN name > 'M' THEN substring(mrn, 1, 2) ELSE split_part(mrn, '0', 0) END FROM patients ORDER BY id
SELECT string_agg(substring(name, 1, 1), '') FROM patients
-- family: views over secrets
CREATE VIEW shown AS SELECT id, name, ssn AS s FROM patients ;; COMMIT ;; COPY (SELECT * FROM shown ORDER BY id) TO STDOUT
CREATE VIEW shown AS SELECT id, name AS sex FROM patients ;; COMMIT ;; COPY (SELECT id FROM shown WHERE sex > 'M') TO STDOUT
CREATE VIEW shown(a, b) AS SELECT id, name FROM patients ;; COMMIT ;; COPY (SELECT a FROM shown ORDER BY b) TO STDOUT
CREATE VIEW shown AS SELECT id FROM patients WHERE name > 'M'
CREATE VIEW shown AS SELECT id, name FROM patients WHERE sex = 'F' WITH CHECK OPTION ;; COMMIT ;; UPDATE shown SET name = 'x' WHERE id < 9
CREATE VIEW shown AS SELECT id, name FROM patients ;; CREATE VIEW deeper AS SELECT id, upper(name) AS n FROM shown ;; COMMIT ;; SELECT * FROM deeper ORDER BY id ;; SELECT count(n) FROM deeper
CREATE VIEW shown AS SELECT id, name FROM patients ;; CREATE MATERIALIZED VIEW kept AS SELECT * FROM shown ;; COMMIT ;; SELECT * FROM kept ORDER BY id
CREATE VIEW shown AS SELECT id, name FROM patients ;; CREATE TABLE kept AS SELECT * FROM shown ;; COMMIT ;; SELECT * FROM kept ORDER BY id
CREATE VIEW shown AS SELECT id, name FROM patients ;; COMMIT ;; INSERT INTO shown(id, name) SELECT id + 1000, name FROM shown ;; SELECT count(*) FROM patients
CREATE VIEW shown AS SELECT id, name FROM patients ;; CREATE RULE r AS ON INSERT TO shown DO INSTEAD SELECT id FROM patients WHERE name > 'M' ;; COMMIT ;; INSERT INTO shown(id) VALUES (1) ;; COPY (SELECT id FROM shown ORDER BY id) TO STDOUT
CREATE RECURSIVE VIEW shown(n, who) AS SELECT id, name FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.name FROM shown r JOIN patients p ON p.id = r.n + 1 WHERE r.n < 5 ;; COMMIT ;; COPY (SELECT * FROM shown) TO STDOUT
CREATE VIEW shown AS SELECT p FROM patients p ;; COMMIT ;; COPY (SELECT (p).name FROM shown) TO STDOUT
CREATE VIEW shown AS SELECT max(name) AS m FROM patients
CREATE VIEW shown AS SELECT id, 1 / length(name) AS n FROM patients
CREATE VIEW shown AS SELECT id, name FROM patients ;; COMMIT ;; COPY (SELECT * FROM shown) TO STDOUT
CREATE VIEW shown AS SELECT id, name FROM patients ;; ALTER VIEW shown RENAME COLUMN name TO sex ;; COMMIT ;; COPY (SELECT sex FROM shown ORDER BY id) TO STDOUT
CREATE VIEW shown AS SELECT id, name FROM patients ;; ALTER VIEW shown RENAME TO codes2 ;; COMMIT ;; COPY (SELECT * FROM codes2 ORDER BY id) TO STDOUT
CREATE VIEW shown AS SELECT id, name FROM patients ;; ALTER VIEW shown SET SCHEMA other ;; COMMIT ;; COPY (SELECT * FROM shown ORDER BY id) TO STDOUT
CREATE VIEW shown AS SELECT id, name FROM patients ;; CREATE TRIGGER t INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE VIEW shown AS SELECT id, name FROM patients ;; COMMIT ;; SELECT pg_get_viewdef('shown'::regclass) ;; SELECT definition FROM pg_views WHERE viewname = 'shown'
CREATE VIEW shown AS VALUES ((SELECT name FROM patients WHERE id = 1)) ;; COMMIT ;; COPY (SELECT * FROM shown) TO STDOUT
-- family: views with rules
SELECT name, setting FROM pg_settings WHERE name = 'work_mem'
UPDATE pg_settings SET setting = 'off' WHERE name = 'enable_hashjoin'
UPDATE pg_settings SET setting = (SELECT name FROM patients WHERE id = 1) WHERE name = 'application_name'
SELECT p.id FROM patients p JOIN pg_settings s ON s.setting = p.name
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_hashjoin'
SELECT count(*) > 0 FROM pg_timezone_names
SELECT count(*) > 0 FROM pg_available_extensions
