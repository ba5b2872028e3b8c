"""What agents of a clinic ask every day: none of it has to be refused."""

# ruff: noqa: E501 - statements read better on one line
BENIGN = """
SELECT 1
SELECT VERSION()
SELECT @@version_comment LIMIT 1
SELECT @@session.time_zone, @@autocommit
SELECT DATABASE(), USER(), CURRENT_USER()
SELECT now() IS NOT NULL
SET NAMES utf8mb4
SET NAMES utf8mb4 COLLATE utf8mb4_general_ci
SET autocommit = 1
SET SESSION time_zone = '+00:00'
SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE'
SHOW DATABASES LIKE 'phi'
SHOW TABLES LIKE 'p%'
SHOW FULL TABLES FROM phi LIKE 'v%'
SHOW COLUMNS FROM patients
SHOW FULL COLUMNS FROM encounters FROM phi
SHOW INDEX FROM encounters
DESCRIBE codes
SHOW VARIABLES LIKE 'lower_case_table_names'
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'phi' ORDER BY 1
SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'phi' AND table_name = 'patients' ORDER BY ordinal_position
SELECT * FROM information_schema.key_column_usage WHERE table_schema = 'phi' ORDER BY table_name, constraint_name, ordinal_position
SELECT * FROM patients WHERE id = 7
SELECT * FROM patients ORDER BY id LIMIT 10
SELECT id, name, sex FROM patients WHERE sex = 'F' ORDER BY id LIMIT 20
SELECT id, name FROM patients WHERE id IN (3, 5, 8)
SELECT id, concat(name, ' <', email, '>') AS contact FROM patients WHERE id BETWEEN 1 AND 5
SELECT id, upper(name), coalesce(email, 'none') FROM patients WHERE weight > 100 ORDER BY weight DESC
SELECT id, year(dob), timestampdiff(YEAR, dob, '2026-01-01') AS age FROM patients WHERE id < 10
SELECT id, left(zip, 3) FROM patients LIMIT 5
SELECT id, CASE WHEN sex = 'F' THEN 'female' ELSE 'male' END AS s, name FROM patients LIMIT 5
SELECT id, if(weight > 80, 'heavy', 'light') FROM patients LIMIT 5
SELECT count(*) FROM patients
SELECT sex, count(*) FROM patients GROUP BY sex
SELECT sex, count(*) AS n, avg(weight), min(weight), max(weight) FROM patients GROUP BY sex HAVING n > 2 ORDER BY n DESC
SELECT p.id, p.name, e.admit, e.dept FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE e.dept = 'ICU' ORDER BY e.admit LIMIT 10
SELECT p.name, c.descr FROM patients p JOIN encounters e ON e.patient_id = p.id JOIN codes c ON c.dx = e.dx WHERE p.id = 4
SELECT e.*, c.descr FROM encounters e LEFT JOIN codes c USING (dx) WHERE e.id < 6
SELECT dept, count(*) FROM encounters GROUP BY dept ORDER BY 2 DESC, 1
SELECT date_format(admit, '%Y-%m-%d') AS day, count(*) FROM encounters GROUP BY day ORDER BY day LIMIT 5
SELECT dept, group_concat(DISTINCT dx ORDER BY dx SEPARATOR ',') FROM encounters GROUP BY dept ORDER BY dept
SELECT DISTINCT dept FROM encounters ORDER BY dept
SELECT dx, descr FROM codes WHERE descr LIKE 'disease 1%' ORDER BY dx
SELECT * FROM encounters WHERE admit >= '2024-01-02' AND admit < '2024-01-03' ORDER BY id
SELECT id FROM encounters WHERE admit > '2024-01-10' - INTERVAL 3 DAY ORDER BY id LIMIT 3
SELECT p.id, (SELECT count(*) FROM encounters e WHERE e.patient_id = p.id) AS n FROM patients p ORDER BY n DESC, p.id LIMIT 5
SELECT id, name FROM patients p WHERE EXISTS (SELECT 1 FROM encounters e WHERE e.patient_id = p.id AND e.dept = 'ER') ORDER BY id LIMIT 5
SELECT id FROM patients WHERE id NOT IN (SELECT patient_id FROM encounters WHERE dept = 'OB') ORDER BY id
SELECT id, row_number() OVER (PARTITION BY dept ORDER BY admit) AS n FROM encounters WHERE patient_id = 3
SELECT id, lag(admit) OVER (ORDER BY id) FROM encounters WHERE patient_id = 3
WITH latest AS (SELECT patient_id, max(admit) AS m FROM encounters GROUP BY patient_id) SELECT p.name, l.m FROM patients p JOIN latest l ON l.patient_id = p.id ORDER BY l.m DESC, p.id LIMIT 3
WITH RECURSIVE days(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM days WHERE n < 5) SELECT n FROM days
SELECT * FROM (SELECT id, name AS who FROM patients WHERE id < 10) t WHERE t.id > 7
SELECT id FROM encounters WHERE id < 3 UNION ALL SELECT id FROM patients WHERE id < 3
SELECT dx FROM codes WHERE dx < 'E12' UNION SELECT dx FROM encounters WHERE id < 5
SELECT * FROM v_pat WHERE id = 2
SELECT id, dept FROM v_public WHERE id < 4
SELECT v.id, v.s, e.dept FROM v_pat v JOIN encounters e ON e.patient_id = v.id WHERE v.id = 5
SELECT * FROM v_wide WHERE id = 3 ORDER BY dept
SELECT plain, doubled FROM derived WHERE plain < 4 ORDER BY plain
SELECT id, photo, kind FROM binaries WHERE id = 1
UPDATE encounters SET dept = 'ICU' WHERE id = 9
UPDATE encounters SET note = 'seen again' WHERE id = 9
UPDATE patients SET weight = weight + 1 WHERE id = 9
UPDATE patients SET name = 'New Name', email = NULL WHERE id = 9
DELETE FROM encounters WHERE id = 12
INSERT INTO encounters(patient_id, admit, dept, dx, note) VALUES (1, '2025-01-01', 'ER', 'E1', 'first'), (2, '2025-01-01', 'ER', 'E2', 'second')
INSERT INTO codes(dx, descr) VALUES ('Z1', 'zed') ON DUPLICATE KEY UPDATE descr = VALUES(descr)
INSERT INTO codes SET dx = 'Z2', descr = 'zwei'
INSERT INTO staging(t) SELECT descr FROM codes WHERE dx = 'E1'
REPLACE INTO codes VALUES ('Z3', 'drei')
DELETE FROM codes WHERE dx = 'E19' RETURNING dx
EXPLAIN SELECT descr FROM codes WHERE dx = 'E1'
START TRANSACTION
SAVEPOINT a
ROLLBACK
COMMIT
""".strip().splitlines()
