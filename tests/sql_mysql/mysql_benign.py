"""What agents of a clinic, and the programs they use, ask every day: none of it has to be refused.

Behind the agents' own come Django, SQLAlchemy, Sequelize, Hibernate, Rails, Prisma, drivers, tools
that show a schema, and those that make charts.
"""

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
SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL
SET SQL_AUTO_IS_NULL = 0
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
SELECT table_name, table_type, table_comment FROM information_schema.tables WHERE table_schema = DATABASE()
SELECT column_name, data_type, collation_name, character_maximum_length, numeric_precision, numeric_scale, extra, column_default, CASE WHEN column_type LIKE '% unsigned' THEN 1 ELSE 0 END AS is_unsigned, column_comment FROM information_schema.columns WHERE table_name = 'patients' AND table_schema = DATABASE()
SELECT column_name, referenced_table_name, referenced_column_name FROM information_schema.key_column_usage WHERE table_name = 'encounters' AND table_schema = DATABASE() AND referenced_table_schema = DATABASE() AND referenced_table_name IS NOT NULL AND referenced_column_name IS NOT NULL
SELECT engine FROM information_schema.tables WHERE table_name = 'encounters' AND table_schema = DATABASE()
SELECT cc.constraint_name, cc.check_clause FROM information_schema.check_constraints AS cc, information_schema.table_constraints AS tc WHERE cc.constraint_schema = DATABASE() AND tc.table_schema = cc.constraint_schema AND cc.constraint_name = tc.constraint_name AND tc.constraint_type = 'CHECK' AND tc.table_name = 'account'
SELECT `patients`.`id`, `patients`.`name`, `patients`.`sex` FROM `patients` WHERE `patients`.`id` = 3 LIMIT 21
SELECT COUNT(*) AS `__count` FROM `encounters` WHERE `encounters`.`dept` = 'ICU'
SELECT 1 AS `a` FROM `encounters` WHERE `encounters`.`id` = 1 LIMIT 1
SELECT DISTINCT CAST(DATE_FORMAT(`encounters`.`admit`, '%Y-01-01') AS DATE) AS `datefield` FROM `encounters` WHERE `encounters`.`admit` IS NOT NULL ORDER BY `datefield` ASC
SELECT `codes`.`dx` FROM `codes` WHERE `codes`.`descr` LIKE BINARY '%sease 1%' ORDER BY `codes`.`dx` ASC
SELECT `encounters`.`dept`, COUNT(`encounters`.`id`) AS `n` FROM `encounters` WHERE EXTRACT(YEAR FROM `encounters`.`admit`) = 2024 GROUP BY `encounters`.`dept` HAVING COUNT(`encounters`.`id`) > 3 ORDER BY NULL
SELECT `encounters`.`dept` FROM `encounters` GROUP BY `encounters`.`dept` ORDER BY NULL LIMIT 3
SAVEPOINT `s140_x1`
SELECT EXISTS(SELECT * FROM patients WHERE patients.id = 4) AS anon_1
SELECT anon_1.dept, anon_1.n FROM (SELECT encounters.dept AS dept, count(*) AS n FROM encounters GROUP BY encounters.dept) AS anon_1 ORDER BY anon_1.dept
SELECT patients_1.id AS patients_1_id, encounters_1.dept AS d FROM patients AS patients_1 LEFT OUTER JOIN encounters AS encounters_1 ON patients_1.id = encounters_1.patient_id WHERE patients_1.id = 2 ORDER BY encounters_1.id
SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1
SHOW FULL TABLES FROM `phi`
SHOW CREATE TABLE `codes`
SHOW VARIABLES LIKE 'sql_mode'
SHOW VARIABLES LIKE 'character_set%'
SHOW SESSION VARIABLES LIKE 'lower\\_case\\_table\\_names'
SHOW VARIABLES WHERE variable_name = 'sql_mode'
DESCRIBE `phi`.`patients`
SELECT `id`, `dept`, `admit` FROM `encounters` AS `Encounter` WHERE `Encounter`.`id` = 1 LIMIT 1;
SELECT count(*) AS `count` FROM `encounters` AS `encounter` WHERE (`encounter`.`dept` IN ('ICU', 'ER') AND `encounter`.`id` > 10);
SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE='BASE TABLE' AND TABLE_NAME='encounters' AND TABLE_SCHEMA='phi'
SELECT 1+1 AS result
INSERT INTO `encounters` (`id`,`dept`,`admit`) VALUES (DEFAULT,'ICU','2025-01-01 00:00:00')
INSERT INTO codes (dx, descr) VALUES ('Q2', 'q') ON DUPLICATE KEY UPDATE descr = CONCAT(VALUES(descr), '!')
select e1_0.id,e1_0.admit,e1_0.dept from encounters e1_0 where e1_0.id=3
select e1_0.id from encounters e1_0 order by e1_0.id limit 5,10
select e1_0.id from encounters e1_0 where e1_0.id=3 for update
select distinct p1_0.id,e1_0.dept from patients p1_0 join encounters e1_0 on p1_0.id=e1_0.patient_id where p1_0.id in (1,2) order by 1, 2
/* mysql-connector-j-8.0.33 (Revision: 7d6b0800528b6b25c68b52dc10d6c1c8429c100c) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout
set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')
SET autocommit=1, session_track_schema=1
SET character_set_results = NULL
select @@max_allowed_packet, @@wait_timeout
SELECT TABLE_SCHEMA AS TABLE_CAT, NULL AS TABLE_SCHEM, TABLE_NAME, CASE WHEN TABLE_TYPE='BASE TABLE' THEN CASE WHEN TABLE_SCHEMA = 'mysql' OR TABLE_SCHEMA = 'performance_schema' THEN 'SYSTEM TABLE' ELSE 'TABLE' END WHEN TABLE_TYPE='TEMPORARY' THEN 'LOCAL_TEMPORARY' ELSE TABLE_TYPE END AS TABLE_TYPE, TABLE_COMMENT AS REMARKS FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'phi' HAVING TABLE_TYPE IN ('TABLE','VIEW') ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME
SHOW ENGINES
SHOW PLUGINS
SHOW CHARSET
SHOW COLLATION
SHOW TABLE STATUS FROM `phi` LIKE 'codes'
SELECT * FROM information_schema.SCHEMATA
SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='phi' AND TABLE_NAME='codes' ORDER BY TABLE_SCHEMA,TABLE_NAME,INDEX_NAME,SEQ_IN_INDEX
SET SQL_SELECT_LIMIT=DEFAULT
SET SQL_SELECT_LIMIT=200
SELECT routine_name, routine_type FROM information_schema.routines WHERE routine_schema = 'phi' ORDER BY 1
SELECT * FROM information_schema.parameters WHERE specific_schema = 'phi'
SHOW PROCEDURE STATUS WHERE db = 'phi'
SHOW FUNCTION STATUS LIKE 'x'
SHOW EVENTS FROM phi
SHOW COLLATION WHERE Charset = 'utf8mb4'
SHOW TABLES FROM `phi` WHERE Tables_in_phi = 'codes'
SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'
SHOW COLUMNS FROM codes WHERE Field = 'dx'
SHOW FULL FIELDS FROM `encounters`
SHOW KEYS FROM `codes` WHERE Key_name = 'PRIMARY'
SHOW INDEX FROM `encounters` FROM `phi`
SET NAMES utf8mb4,  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483, @@SESSION.sql_mode = 'STRICT_ALL_TABLES'
SET  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'), @@SESSION.wait_timeout = 2147483
set names 'utf8mb4' collate 'utf8mb4_unicode_ci'
set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
select exists(select 1 from information_schema.tables where table_schema = 'phi' and table_name = 'migrations' and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')) as `exists`
SELECT `phi`.`encounters`.`id`, `phi`.`encounters`.`dept` FROM `phi`.`encounters` WHERE (`phi`.`encounters`.`id` = 4 AND 1=1) LIMIT 1 OFFSET 0
SELECT COUNT(*) AS `_count._all` FROM (SELECT `phi`.`encounters`.`id` FROM `phi`.`encounters` WHERE 1=1 LIMIT 100 OFFSET 0) AS `sub`
SELECT VERSION() AS `version`
SELECT DATABASE() AS `db_name`
SELECT * FROM `INFORMATION_SCHEMA`.`COLUMNS` WHERE `TABLE_SCHEMA` = 'phi' AND `TABLE_NAME` = 'codes'
SELECT `SCHEMA_NAME` FROM `INFORMATION_SCHEMA`.`SCHEMATA` WHERE `SCHEMA_NAME` = 'phi'
SELECT `encounters`.`dept` AS `dept`, COUNT(*) AS `count` FROM `encounters` GROUP BY `encounters`.`dept` ORDER BY `encounters`.`dept` ASC
SELECT STR_TO_DATE(CONCAT(DATE_FORMAT(`encounters`.`admit`, '%Y-%m'), '-01'), '%Y-%m-%d') AS `admit`, SUM(CASE WHEN `encounters`.`dept` = 'ICU' THEN 1 ELSE 0.0 END) AS `sum-where` FROM `encounters` GROUP BY STR_TO_DATE(CONCAT(DATE_FORMAT(`encounters`.`admit`, '%Y-%m'), '-01'), '%Y-%m-%d') ORDER BY 1 ASC
SELECT MAKEDATE(YEAR(`encounters`.`admit`), 1) AS y, QUARTER(admit), YEARWEEK(admit), COUNT(*) FROM encounters GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 20
SELECT DATE(DATE_SUB(admit, INTERVAL DAYOFWEEK(admit) - 1 DAY)) AS wk, count(*) AS `COUNT(*)` FROM encounters WHERE admit >= STR_TO_DATE('2024-01-01 00:00:00.000000', '%Y-%m-%d %H:%i:%s.%f') GROUP BY wk ORDER BY `COUNT(*)` DESC, wk LIMIT 1000
SELECT dept AS dept, count(*) AS `COUNT(*)` FROM (SELECT * FROM encounters WHERE id < 50) AS virtual_table GROUP BY dept ORDER BY `COUNT(*)` DESC, dept LIMIT 1000
SELECT SUM(1) AS `sum`, ADDDATE( CONCAT( DATE_FORMAT( `encounters`.`admit`, '%Y-%m-' ), '01 00:00:00' ), INTERVAL 0 SECOND ) AS `tmn` FROM `encounters` GROUP BY 2 ORDER BY 2
select `$Table`.`dx` as `dx`, `$Table`.`descr` as `descr` from `phi`.`codes` `$Table` limit 1000
select t.* from phi.codes t limit 501
SELECT admit, TIMESTAMPDIFF(HOUR, admit, NOW()) > 0 FROM encounters WHERE admit > DATE_ADD(NOW(), INTERVAL -30 YEAR) ORDER BY id LIMIT 3
SELECT dept, AVG(id) OVER (PARTITION BY dept ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM encounters WHERE id < 9 ORDER BY id
SELECT dept, COUNT(*) FROM encounters GROUP BY dept WITH ROLLUP
SELECT dx FROM codes EXCEPT SELECT dx FROM encounters ORDER BY 1
SELECT dx FROM codes INTERSECT SELECT dx FROM encounters ORDER BY 1
SELECT dx FROM codes ORDER BY dx LIMIT 2 OFFSET 3
DELETE FROM codes WHERE dx = 'E3' ORDER BY dx LIMIT 1
INSERT IGNORE INTO codes (dx, descr) VALUES ('E1', 'n')
SELECT GROUP_CONCAT(DISTINCT dept ORDER BY dept SEPARATOR ', ') FROM encounters
SELECT JSON_OBJECT('dept', dept, 'n', count(*)) FROM encounters GROUP BY dept ORDER BY dept
SELECT JSON_ARRAYAGG(dx) FROM codes WHERE dx < 'E11'
SELECT IFNULL(SUM(weight), 0), ROUND(AVG(weight), 2), FORMAT(MAX(weight), 1) FROM patients
SELECT id, name FROM patients WHERE (id, sex) IN ((1, 'M'), (2, 'F')) ORDER BY id
SELECT id, name, TIMESTAMPDIFF(YEAR, dob, CURDATE()) AS age FROM patients ORDER BY id LIMIT 5
SHOW WARNINGS
SHOW STATUS LIKE 'Ssl_cipher'
SHOW SESSION STATUS LIKE 'Ssl_version'
SELECT CONNECTION_ID() > 0
SELECT LAST_INSERT_ID()
SELECT UUID() IS NOT NULL, RAND() < 2, PI()
EXPLAIN FORMAT=JSON SELECT descr FROM codes WHERE dx = 'E1'
START TRANSACTION READ ONLY
SELECT BINARY 'a' = 'A', 'a' COLLATE utf8mb4_bin = 'A'
SELECT CAST(id AS CHAR), CAST(weight AS SIGNED), CAST(id AS DECIMAL(10, 2)), CONVERT(id, CHAR) FROM patients WHERE id = 3
SELECT CAST(id AS DOUBLE), CAST(id AS UNSIGNED INTEGER) FROM patients WHERE id = 3
SELECT dept, dx, COUNT(*) FROM encounters GROUP BY dept, dx HAVING COUNT(*) > 1 ORDER BY 3 DESC, 1, 2 LIMIT 5
SELECT id FROM encounters WHERE admit BETWEEN '2024-01-01' AND '2024-01-02 12:00:00' AND dept NOT LIKE 'I%' ORDER BY id LIMIT 5
SELECT id FROM encounters WHERE NOT (dept <=> NULL) AND id % 7 = 0 AND id & 1 ORDER BY id LIMIT 5
SELECT DATE_FORMAT(admit, '%H') AS hour, COUNT(*) FROM encounters GROUP BY hour ORDER BY hour
SELECT DAYNAME('2024-01-01'), MONTHNAME('2024-01-01'), LAST_DAY('2024-02-01'), FROM_UNIXTIME(0) IS NOT NULL
SELECT dx, ROW_NUMBER() OVER (ORDER BY dx) AS rn FROM codes LIMIT 3
SELECT * FROM (SELECT dx, RANK() OVER w AS r FROM codes WINDOW w AS (ORDER BY dx)) t WHERE r < 3 ORDER BY dx
SHOW ERRORS
SHOW WARNINGS LIMIT 5
SET SESSION sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))
""".strip().splitlines()
#: What only one of the servers knows.
OF_MARIADB = """
SELECT @@tx_isolation
INSERT INTO codes VALUES ('N1', 'n') RETURNING dx
""".strip().splitlines()
OF_MYSQL = """
SELECT @@transaction_isolation
INSERT INTO codes (dx, descr) VALUES ('Q1', 'q') AS new ON DUPLICATE KEY UPDATE descr = new.descr
INSERT INTO codes (dx, descr) VALUES ('Q1', 'q') AS n ON DUPLICATE KEY UPDATE descr = concat(n.dx, n.descr)
SELECT ANY_VALUE(descr), count(*) FROM codes GROUP BY left(dx, 2)
SELECT IF(GROUPING(dept), 'all', dept), COUNT(*) FROM encounters GROUP BY dept WITH ROLLUP
SELECT dx FROM codes WHERE REGEXP_LIKE(descr, '1[0-3]', 'c') ORDER BY dx
""".strip().splitlines()
