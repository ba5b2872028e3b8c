-- family: hints
SELECT /*+ JOIN_ORDER(e, p) */ e.id FROM patients p JOIN encounters e ON p.id = e.patient_id LIMIT 5
SELECT /*+ INDEX(patients by_sex) */ id FROM patients
SELECT /*+ ORDER_INDEX(patients by_sex) */ id FROM patients LIMIT 5
SELECT /*+ SET_VAR(sql_mode = 'ANSI_QUOTES') */ "ssn" FROM patients LIMIT 1
SELECT /*+ SET_VAR(optimizer_switch = 'mrr=on') */ id FROM patients WHERE sex = 'F' LIMIT 5
SELECT /*+ MAX_EXECUTION_TIME(1) */ id FROM patients WHERE ssn < '5'
SELECT /*+ QB_NAME(q) BNL(@q p) */ p.id FROM patients p JOIN codes c ON c.dx > p.name LIMIT 5
SELECT id FROM patients FORCE INDEX FOR ORDER BY (by_sex) ORDER BY sex LIMIT 4
SELECT id FROM patients USE INDEX FOR JOIN (by_zip) LIMIT 4
SELECT id FROM patients IGNORE INDEX (PRIMARY) LIMIT 4
SELECT HIGH_PRIORITY SQL_BIG_RESULT id FROM patients GROUP BY id, ssn LIMIT 3
SELECT SQL_BUFFER_RESULT ssn FROM patients LIMIT 2
SELECT SQL_CALC_FOUND_ROWS id FROM patients WHERE ssn < '5' LIMIT 1
SELECT id FROM patients WHERE ssn < '5' LIMIT 1 ;; SELECT FOUND_ROWS()
-- family: json
SELECT j.p FROM patients p, JSON_TABLE(p.notes, '$' COLUMNS (p varchar(20) PATH '$.phone')) j WHERE p.id = 1
SELECT j.n FROM patients p JOIN JSON_TABLE(p.notes, '$' COLUMNS (n FOR ORDINALITY)) j WHERE p.id < 3
SELECT notes->>'$.phone' FROM patients WHERE id = 1
SELECT json_extract(notes, '$.n') < 3 FROM patients WHERE id = 2
SELECT json_value(notes, '$.phone') FROM patients WHERE id = 1
SELECT json_unquote(json_extract(notes, '$.phone')) FROM patients WHERE id = 1
SELECT json_length(notes), json_depth(notes), json_keys(notes), json_type(notes) FROM patients WHERE id = 1
SELECT json_search(notes, 'one', '555-010-0002') FROM patients WHERE id = 1
SELECT json_contains(notes, '2', '$.n') FROM patients WHERE id = 1
SELECT json_overlaps(notes, '{"n": 2}') FROM patients WHERE id < 5
SELECT json_set(notes, '$.x', name) FROM patients WHERE id = 1
SELECT json_merge_patch(notes, json_object('a', ssn)) FROM patients WHERE id = 1
SELECT json_pretty(notes), json_compact(notes) FROM patients WHERE id = 1
SELECT json_objectagg(id, name) FROM patients WHERE id < 4
SELECT json_arrayagg(json_object('s', ssn)) FROM patients WHERE id < 4
SELECT json_detailed(notes) FROM patients WHERE id = 1
SELECT json_storage_size(notes) FROM patients WHERE id = 1
SELECT json_schema_valid('{"properties":{"n":{"maximum":3}}}', notes) FROM patients WHERE id = 2
SELECT id FROM patients WHERE json_extract(notes, '$.n') MEMBER OF ('[1,2,4]')
SELECT json_array(name, (SELECT ssn FROM patients q WHERE q.id = p.id)) FROM patients p WHERE id = 1
SELECT cast(notes AS char) FROM patients WHERE id = 1
SELECT id FROM patients ORDER BY notes->'$.n' LIMIT 3
-- family: windows
SELECT id, rank() OVER (ORDER BY ssn) FROM patients LIMIT 5
SELECT id, dense_rank() OVER (PARTITION BY sex ORDER BY dob) FROM patients ORDER BY id LIMIT 5
SELECT id, ntile(4) OVER (ORDER BY name) FROM patients ORDER BY id LIMIT 5
SELECT id, cume_dist() OVER (ORDER BY zip), percent_rank() OVER (ORDER BY mrn) FROM patients ORDER BY id LIMIT 5
SELECT id, lead(ssn, 1, name) OVER (ORDER BY id) FROM patients LIMIT 5
SELECT id, nth_value(name, 2) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM patients LIMIT 5
SELECT id, sum(pin) OVER (ORDER BY id) FROM derived LIMIT 5
SELECT id, count(*) OVER (ORDER BY pin RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) FROM derived ORDER BY id LIMIT 5
SELECT id, max(name) OVER w FROM patients WINDOW w AS (ORDER BY id) LIMIT 3
SELECT id, row_number() OVER (w ORDER BY name) FROM patients WINDOW w AS (PARTITION BY sex) ORDER BY id LIMIT 3
SELECT id, median(pin) OVER (PARTITION BY plain % 2) FROM derived ORDER BY id LIMIT 3
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pin) OVER (PARTITION BY 1) FROM derived LIMIT 1
SELECT bit_xor(pin), bit_or(pin), bit_and(pin), std(pin), var_samp(pin) FROM derived
SELECT sex, group_concat(DISTINCT zip ORDER BY zip SEPARATOR '') FROM patients GROUP BY sex
SELECT group_concat(id ORDER BY (SELECT s FROM v_pat v WHERE v.id = p.id)) FROM patients p WHERE id < 9
SELECT count(DISTINCT ssn, name) FROM patients
SELECT sex, grouping(sex), max(dob) FROM patients GROUP BY sex WITH ROLLUP
-- family: recursion
WITH RECURSIVE r(i, c) AS (SELECT 1, substr(name, 1, 1) FROM patients WHERE id = 1 UNION ALL SELECT i + 1, substr((SELECT name FROM patients WHERE id = 1), i + 1, 1) FROM r WHERE i < 6) SELECT i, c FROM r
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r, patients WHERE ssn > i AND id = 1 AND i < 9) SELECT max(i) FROM r
WITH RECURSIVE r(i) AS (SELECT ascii(ssn) FROM patients WHERE id = 1 UNION ALL SELECT i - 1 FROM r WHERE i > 40) SELECT count(*) FROM r
WITH RECURSIVE r(a, b, n) AS (SELECT ssn, sex, 1 FROM patients WHERE id = 1 UNION ALL SELECT b, a, n + 1 FROM r WHERE n < 3) SELECT b FROM r
WITH a AS (SELECT name AS x FROM patients), b AS (SELECT x AS y FROM a), c AS (SELECT y AS z FROM b) SELECT z FROM c LIMIT 2
WITH a AS (SELECT id FROM patients WHERE ssn < '5') SELECT (SELECT count(*) FROM a), dx FROM codes LIMIT 1
WITH a AS (SELECT id, ssn FROM patients) SELECT dx FROM codes WHERE EXISTS (SELECT 1 FROM a WHERE a.ssn < '5' AND a.id = 1)
SELECT * FROM (WITH q AS (SELECT email FROM patients WHERE id < 3) SELECT * FROM q) d
SELECT dx FROM codes, LATERAL (SELECT ssn FROM patients WHERE id = 1) l WHERE l.ssn > dx
SELECT l.name FROM codes c, LATERAL (SELECT name FROM patients p WHERE concat('E', p.id) = c.dx) l ORDER BY c.dx LIMIT 2
-- family: variables
SELECT @s := ssn FROM patients WHERE id = 1 ;; SELECT @s
SELECT ssn, name FROM patients WHERE id = 1 INTO @a, @b ;; SELECT @a, @b
SET @x := (SELECT name FROM patients WHERE id = 1) ;; SELECT upper(@x)
SET @q = 'SELECT name FROM patients' ;; PREPARE s FROM @q ;; EXECUTE s
SELECT id, (@p := concat(coalesce(@p, ''), name)) FROM patients LIMIT 2
DO @z := (SELECT ssn FROM patients WHERE id = 1) ;; SELECT @z
SELECT id FROM patients WHERE (@n := name) IS NOT NULL LIMIT 1 ;; SELECT @n
GET DIAGNOSTICS @c = ROW_COUNT ;; SELECT @c
GET CURRENT DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT ;; SELECT @m
INSERT INTO patients(id, ssn) VALUES (9001, '317-11-0007') ;; GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT ;; SELECT @m
SELECT @@identity, @@last_insert_id, @@rand_seed1 FROM patients WHERE ssn < '5'
SELECT @@warning_count, @@error_count FROM patients WHERE cast(ssn AS signed) > 0 LIMIT 1
SELECT cast(ssn AS signed) FROM patients WHERE id = 1 ;; SELECT @@warning_count
SELECT row_count(), found_rows() FROM codes LIMIT 1
UPDATE touched SET who = 'Qanary1' WHERE id = 1 ;; SELECT row_count()
DECLARE c CURSOR FOR SELECT name FROM patients
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'
SELECT name FROM patients PROCEDURE ANALYSE(10, 2000)
-- family: versions
SELECT who FROM versioned FOR SYSTEM_TIME ALL
SELECT id, who FROM versioned FOR SYSTEM_TIME AS OF TIMESTAMP '2000-01-01' ORDER BY id
SELECT count(*) FROM versioned FOR SYSTEM_TIME ALL WHERE who < 'Qanary5'
SELECT id, row_start FROM versioned WHERE who < 'Qanarynew5'
SELECT id, row_end, who FROM versioned FOR SYSTEM_TIME BETWEEN '2000-01-01' AND now() ORDER BY id
SET system_versioning_asof = '2000-01-01' ;; SELECT who FROM versioned
DELETE HISTORY FROM versioned
SELECT * FROM versioned WHERE id = 1
UPDATE versioned SET who = 'Qanarynew1' WHERE id = 1
SELECT code FROM hidden ORDER BY id
SELECT * FROM hidden WHERE code < 'Qanary5'
SELECT *, code FROM hidden ORDER BY id
SELECT h.code, h.* FROM hidden h ORDER BY h.code
INSERT INTO hidden SELECT id + 100, plain FROM hidden WHERE code < 'Qanary5'
TABLE hidden
TABLE patients ORDER BY name LIMIT 2
VALUES ROW((SELECT ssn FROM patients WHERE id = 1), 2)
SELECT * FROM (VALUES (1), ((SELECT length(name) FROM patients WHERE id = 1))) v
SELECT nextval(sq) ;; SELECT lastval(sq)
CREATE SEQUENCE sq START WITH 5 ;; SELECT nextval(sq), setval(sq, (SELECT length(name) FROM patients WHERE id = 1))
SELECT id FROM ranged PARTITION (old)
SELECT id, ward FROM ranged
SELECT ward FROM ranged ORDER BY ward LIMIT 3
INSERT INTO ranged PARTITION (old) SELECT id + 100, born, ward FROM ranged WHERE id = 1
UPDATE ranged SET ward = 1 WHERE born < 1960
ALTER TABLE ranged TRUNCATE PARTITION old
-- family: errors
INSERT INTO patients(id, ssn) VALUES (9001, '634-21-0014')
INSERT INTO account VALUES (900, 'M14q', 1, 2)
INSERT INTO encounters(id, patient_id, note) VALUES (1, 1, 'x') ON DUPLICATE KEY UPDATE dept = if(note < 'Pt Qanary5', 'a', 'b') ;; SELECT dept FROM encounters WHERE id = 1
INSERT INTO encounters(id, note) VALUES (1, 'x') ON DUPLICATE KEY UPDATE note = concat(note, VALUES(note))
INSERT INTO encounters(id, note) VALUES (1, 'x') AS new ON DUPLICATE KEY UPDATE dept = left(note, 5)
REPLACE INTO account VALUES (3, 'M21q', 5, 5)
REPLACE INTO unkeyed VALUES ('Qanary31', 5)
UPDATE unkeyed SET who = 'Qanary62' WHERE visits = 1
UPDATE keyed_by_name SET name = 'Qanary62' WHERE ward = 1
UPDATE checked SET plain = -99980 WHERE id = 2
UPDATE checked SET secret = 200000 WHERE id = 2
INSERT INTO checked VALUES (99, 150000, 40000)
INSERT INTO checked(id, secret, plain) SELECT id + 50, 100000, secret FROM checked
SELECT cast(name AS signed) FROM patients WHERE id = 1
SELECT cast(name AS date), cast(ssn AS time), cast(zip AS decimal(2)) FROM patients WHERE id = 1
SELECT convert(name, signed) + 1 FROM patients WHERE id < 4
SELECT id FROM patients WHERE name = 0 LIMIT 3
SELECT id FROM patients WHERE ssn + 0 > 500 LIMIT 3
SELECT 1 / (pin % 3) FROM derived WHERE id = 1
SELECT (SELECT id FROM derived WHERE pin < 500)
SELECT dx FROM codes WHERE dx = (SELECT name FROM patients)
SELECT pow(pin, 400) FROM derived WHERE id < 9
SELECT cot(pin % 13) FROM derived WHERE id < 20
SELECT str_to_date(name, '%Y'), makedate(pin, 1), sec_to_time(pin * 1e9) FROM patients p JOIN derived d USING (id) WHERE id = 1
SELECT st_geomfromtext(name) FROM patients WHERE id = 1
SELECT extractvalue(concat('<', name, '>'), '/a') FROM patients WHERE id = 1
SELECT updatexml('<a/>', concat('/', name), 'x') FROM patients WHERE id = 1
SELECT regexp_like(name, concat('[', ssn)) FROM patients WHERE id = 1
SELECT name REGEXP '^Qanary(3|6)' FROM patients WHERE id < 4
SELECT name RLIKE concat(ssn, '(') FROM patients WHERE id = 1
SELECT inet6_aton(name), inet_ntoa(pin), is_ipv4(ssn) FROM patients JOIN derived USING (id) WHERE id = 1
SELECT uuid_to_bin(name) FROM patients WHERE id = 1
SELECT uncompress(name), aes_decrypt(unhex(ssn), 'k') FROM patients WHERE id = 1
SELECT from_base64(name), to_base64(photo) FROM patients JOIN binaries USING (id) WHERE id = 1
SELECT format_bytes(pin), format_pico_time(pin) FROM derived WHERE id = 1
UPDATE staging SET n = (SELECT name FROM patients WHERE id = 1)
UPDATE staging SET d = (SELECT ssn FROM patients WHERE id = 1)
UPDATE IGNORE staging SET n = (SELECT name FROM patients WHERE id = 1) ;; SELECT n FROM staging
INSERT IGNORE INTO staging(n) SELECT name FROM patients WHERE id < 3 ;; SHOW WARNINGS
INSERT INTO staging(t) VALUES (repeat((SELECT name FROM patients WHERE id = 1), 50))
SET sql_mode = '' ;; UPDATE staging SET n = (SELECT ssn FROM patients WHERE id = 1) ;; SELECT n FROM staging
SET sql_mode = '' ;; SELECT sex, name FROM patients GROUP BY sex
SET sql_mode = 'TRADITIONAL' ;; INSERT INTO staging(n) SELECT pin / 0 FROM derived WHERE id = 1
-- family: locks
SELECT get_lock(concat('l', (SELECT ssn FROM patients WHERE id = 1)), 0) ;; SELECT is_used_lock('l317-11-0007')
SELECT release_lock(ssn), release_all_locks() FROM patients WHERE id = 1
SELECT sleep(if(ssn < '5', 0.01, 0)) FROM patients WHERE id = 1
SELECT benchmark(if(name < 'Qanary5', 1000, 1), md5('x')) FROM patients WHERE id = 1
SELECT id FROM patients WHERE ssn < '5' FOR UPDATE SKIP LOCKED
SELECT id FROM patients WHERE id = 1 AND ssn < '5' LOCK IN SHARE MODE
SELECT master_pos_wait(name, 1, 0) FROM patients WHERE id = 1
SELECT uuid_short() > pin, connection_id() FROM derived WHERE id = 1
SELECT wait_for_executed_gtid_set(ssn, 0) FROM patients WHERE id = 1
LOCK TABLES codes WRITE ;; SELECT name FROM patients LIMIT 1 ;; UNLOCK TABLES
FLUSH TABLES patients FOR EXPORT
FLUSH LOCAL TABLES ;; SELECT id FROM patients WHERE ssn < '5'
-- family: shapes
SELECT st_x(spot), st_y(spot) FROM shapes WHERE id = 1
SELECT st_astext(spot) FROM shapes ORDER BY id
SELECT spot FROM shapes ORDER BY id
SELECT id FROM shapes WHERE st_x(spot) < 5
SELECT st_distance(spot, point(0, 0)) FROM shapes WHERE id = 1
SELECT st_asgeojson(spot), st_geohash(spot, 8), hex(st_aswkb(spot)) FROM shapes WHERE id = 1
SELECT id FROM shapes WHERE mbrcontains(st_geomfromtext('POLYGON((0 0,0 9,9 9,9 0,0 0))'), spot)
SELECT st_collect(spot) FROM shapes
SELECT linestring(spot, point(0, 0)) FROM shapes WHERE id = 1
-- family: charsets
SELECT _binary'x' < name, name COLLATE utf8mb4_bin FROM patients WHERE id = 1
SELECT convert(name USING utf16), convert(name USING ascii) FROM patients WHERE id = 1
SELECT hex(convert(name USING ucs2)), collation(name), charset(name) FROM patients WHERE id = 1
SELECT id FROM patients WHERE name = convert('Qanary31x' USING latin1) COLLATE latin1_bin
SELECT weight_string(name AS char(3)), hex(weight_string(ssn)) FROM patients WHERE id = 1
SELECT name < _utf8mb4'Qanary5' COLLATE utf8mb4_unicode_ci FROM patients WHERE id = 1
SELECT concat(name, _latin1 x'E9') FROM patients WHERE id = 1
SELECT char(ascii(name) USING utf8mb4) FROM patients WHERE id = 1
SELECT length(ssn), char_length(name), bit_length(mrn), octet_length(email) FROM patients WHERE id = 1
SELECT max(length(name)) FROM patients
SET NAMES latin1 ;; SELECT name FROM patients LIMIT 1
SET NAMES utf8mb4 COLLATE utf8mb4_bin ;; SELECT id FROM patients WHERE name < 'Qanary5' LIMIT 3
SET collation_connection = utf8mb4_bin ;; SELECT least(name, 'Qanary5') FROM patients WHERE id = 1
SET character_set_results = 'binary' ;; SELECT name, ssn FROM patients LIMIT 2
-- family: metadata
SHOW INDEX FROM patients WHERE cardinality > 50
SHOW COLUMNS FROM patients LIKE '%s%'
SHOW FULL COLUMNS FROM encounters
SHOW TABLE STATUS WHERE data_length > 0
SHOW TABLE STATUS LIKE 'patients'
SHOW CREATE TABLE ranged
SHOW CREATE TABLE checked
SHOW CREATE TABLE parted
SHOW CREATE TABLE derived
SHOW CREATE TABLE triggered
SHOW CREATE TABLE v_filtered
SHOW CREATE VIEW v_wide
SHOW CREATE TRIGGER bitten
SHOW TRIGGERS LIKE 'triggered'
SHOW CREATE PROCEDURE show_all
SHOW STATUS LIKE 'Last_query_cost'
SHOW STATUS WHERE variable_name LIKE 'Sort%'
SHOW TABLES LIKE (SELECT name FROM patients LIMIT 1)
SHOW INDEX FROM (SELECT ssn FROM patients) x
EXPLAIN FORMAT=TREE SELECT id FROM patients WHERE ssn < '5'
EXPLAIN ANALYZE SELECT id FROM patients WHERE name < 'Qanary5'
EXPLAIN FORMAT=JSON SELECT name FROM patients WHERE id = 1
ANALYZE FORMAT=JSON UPDATE patients SET sex = 'F' WHERE ssn < '3'
EXPLAIN FOR CONNECTION 1
DESCRIBE patients ssn
SELECT histogram FROM information_schema.column_statistics
SELECT * FROM information_schema.innodb_tablestats
SELECT column_name FROM information_schema.columns WHERE table_schema = 'phi' AND column_default = 'x'
SELECT count(*) FROM information_schema.statistics WHERE table_schema = 'phi' AND cardinality > 90
SELECT index_name FROM information_schema.statistics WHERE table_schema = 'phi' ORDER BY cardinality, index_name
SELECT partition_name FROM information_schema.partitions WHERE table_name = 'ranged' AND table_rows > 5
SELECT update_time > '2020-01-01', checksum FROM information_schema.tables WHERE table_name = 'patients'
SELECT action_statement FROM information_schema.triggers
SELECT trigger_name FROM information_schema.triggers WHERE action_statement LIKE '%secret%'
SELECT view_definition FROM information_schema.views WHERE table_name = 'v_filtered'
SELECT check_clause FROM information_schema.check_constraints
SELECT * FROM information_schema.user_statistics
SELECT * FROM information_schema.innodb_ft_index_table
SET GLOBAL innodb_ft_aux_table = 'phi/searched' ;; SELECT word FROM information_schema.innodb_ft_index_table
SELECT * FROM performance_schema.data_locks
SELECT digest_text FROM performance_schema.events_statements_summary_by_digest
SELECT * FROM sys.innodb_lock_waits
ANALYZE TABLE patients UPDATE HISTOGRAM ON ssn
-- family: copies
SELECT name FROM patients LIMIT 2 INTO OUTFILE '/tmp/hoopgate-copy'
SELECT ssn FROM patients INTO DUMPFILE '/tmp/hoopgate-dump'
LOAD DATA INFILE '/etc/passwd' INTO TABLE staging (t)
LOAD XML INFILE '/etc/passwd' INTO TABLE staging
LOAD DATA INFILE '/etc/hostname' REPLACE INTO TABLE codes SET descr = (SELECT name FROM patients LIMIT 1)
INSERT INTO staging(t) TABLE codes
INSERT INTO staging(t) SELECT concat(s, n) FROM v_pat WHERE id = 1 ;; SELECT t FROM staging
INSERT INTO codes SELECT left(name, 5), ssn FROM patients WHERE id < 3 ;; SELECT * FROM codes ORDER BY dx
INSERT INTO codes SET dx = 'zz', descr = (SELECT name FROM patients WHERE id = 1) ;; SELECT descr FROM codes WHERE dx = 'zz'
INSERT INTO staging(t) VALUES ('a') RETURNING id, (SELECT ssn FROM patients WHERE id = 1)
REPLACE INTO codes SELECT dx, (SELECT name FROM patients WHERE id = 1) FROM codes WHERE dx = 'E1' ;; SELECT descr FROM codes WHERE dx = 'E1'
DELETE FROM touched WHERE id < 4 RETURNING who, length(who)
DELETE FROM touched ORDER BY who LIMIT 1
DELETE QUICK FROM touched WHERE who = 'Qanary1'
DELETE t FROM touched t JOIN patients p ON p.id = t.id WHERE p.ssn < '5'
UPDATE touched t, patients p SET t.who = p.name WHERE t.id = p.id
UPDATE touched SET id = id + if(who < 'Qanary5', 100, 200) ;; SELECT id FROM touched ORDER BY id
UPDATE encounters SET dept = note WHERE id = 1 ;; SELECT dept FROM encounters WHERE id = 1
UPDATE encounters SET dx = (SELECT left(name, 3) FROM patients WHERE id = 1) WHERE id = 1 ;; SELECT dx FROM encounters WHERE id = 1
UPDATE v_nested SET a = a WHERE b < '5'
CREATE TABLE q AS SELECT ssn FROM patients
CREATE TABLE q LIKE patients
CREATE TEMPORARY TABLE q SELECT name FROM patients ;; SELECT * FROM q LIMIT 2
CREATE VIEW q AS SELECT name FROM patients WITH CHECK OPTION
ALTER VIEW v_public AS SELECT id, note AS dept FROM encounters ;; SELECT dept FROM v_public LIMIT 2
ALTER TABLE patients ALTER INDEX by_sex INVISIBLE ;; ALTER TABLE patients ALTER INDEX by_sex VISIBLE
ALTER TABLE encounters EXCHANGE PARTITION p0 WITH TABLE codes
-- family: comments
SELECT id /*!99999 , ssn */ FROM patients LIMIT 1
SELECT id /*!40000 , ssn */ FROM patients LIMIT 1
SELECT id /*M!100000 , name */ FROM patients LIMIT 1
SELECT id /*!40000 FROM patients WHERE ssn < '5' UNION SELECT id */ FROM patients LIMIT 1
SELECT /*!40000 ssn AS */ id FROM patients LIMIT 1
SELECT 1 /*!40000 /* nested */ , ssn */ FROM patients LIMIT 1
SELECT '*/' /*!40000 , '*/', ssn */ FROM patients LIMIT 1
SELECT id FROM patients WHERE /*!40000 ssn < '5' AND */ id < 9
/*!40000 SELECT ssn FROM patients LIMIT 1 */
/*!50700 SET sql_mode = 'ANSI_QUOTES' */ ;; SELECT "ssn" FROM patients LIMIT 1
/*M!100000 SET sql_mode = 'ANSI_QUOTES' */ ;; SELECT "ssn" FROM patients LIMIT 1
/*!40000 SET NAMES gbk */ ;; SELECT ssn FROM patients LIMIT 1
SELECT id FROM patients /*!40000 FORCE INDEX (by_sex) */ LIMIT 5
SELECT id FROM patients -- /*!40000 , ssn */
SELECT id FROM patients --/*!40000 x */1 LIMIT 2
DELIMITER // ;; SELECT ssn FROM patients//
-- family: computed
UPDATE defaulted SET plain = DEFAULT WHERE id = 1 ;; SELECT plain FROM defaulted WHERE id = 1
UPDATE defaulted SET plain = DEFAULT(plain) WHERE id = 1 ;; SELECT plain FROM defaulted WHERE id = 1
SELECT id, DEFAULT(plain) FROM defaulted ORDER BY id
SELECT DEFAULT(d.plain) AS x FROM defaulted d WHERE id = 2
SELECT id FROM defaulted WHERE DEFAULT(plain) > 'xQanary5' ORDER BY id
INSERT INTO defaulted(id, who) VALUES (1, 'zz') ON DUPLICATE KEY UPDATE plain = DEFAULT ;; SELECT plain FROM defaulted WHERE id = 1
INSERT INTO defaulted(id, who) VALUES (50, 'zz') ;; SELECT plain FROM defaulted WHERE id = 50
INSERT INTO defaulted(id, who, plain) SELECT id + 100, 'x', DEFAULT(plain) FROM defaulted ;; SELECT plain FROM defaulted WHERE id = 101
INSERT INTO staging(t) SELECT DEFAULT(plain) FROM defaulted WHERE id = 1 ;; SELECT t FROM staging
REPLACE INTO defaulted(id, who, plain) VALUES (1, 'z', DEFAULT)
UPDATE mixed SET plain = 100 WHERE id = 1
UPDATE mixed SET other = 100 WHERE id = 1
UPDATE mixed SET plain = plain + 70 WHERE id < 3
UPDATE mixed SET secret = 5 WHERE id = 1
SELECT id, total, virt FROM mixed ORDER BY id
SELECT id FROM mixed WHERE virt > 20
SELECT id FROM mixed ORDER BY total LIMIT 3
INSERT INTO mixed(id, secret, plain, other) VALUES (1, 1, 1, 1) ON DUPLICATE KEY UPDATE plain = 100
REPLACE INTO mixed(id, secret, plain, other) VALUES (1, 1, 1, 1)
UPDATE dated SET who = 'Qanary1' ;; SELECT a.id FROM dated a JOIN dated b ON a.rs > b.rs ORDER BY a.id LIMIT 5
-- family: turns
UPDATE tree SET place = place + 1 WHERE grp = 'a'
UPDATE tree SET place = place + 1 WHERE grp > 'A'
UPDATE tree SET place = place - 1 WHERE grp = 'a' AND id > 293
UPDATE tree SET id = id + 1 WHERE grp = 'a'
UPDATE tree SET boss = boss - 1 WHERE grp = 'a'
UPDATE tree SET place = place + 1 WHERE id = '300x'
UPDATE tree SET grp = 'c' WHERE grp = 'a' LIMIT 1 ;; SELECT id FROM tree WHERE grp = 'c'
DELETE FROM tree WHERE grp = 'a'
DELETE FROM tree WHERE grp = 'a' AND place > 290
DELETE FROM tree WHERE grp = 'a' LIMIT 2 ;; SELECT id FROM tree WHERE grp = 'a' ORDER BY id
DELETE FROM tree WHERE grp = 'a' RETURNING id
INSERT INTO staging(n) SELECT id FROM tree WHERE grp = 'a' ;; SELECT n FROM staging ORDER BY id
INSERT INTO tree(id, boss, who, place, grp) SELECT id + 900, id + 899, 'x', place + 900, 'z' FROM tree WHERE grp = 'a'
-- family: widths
WITH RECURSIVE r(n, s) AS (SELECT 1, cast('x' AS char(9)) UNION ALL SELECT n + 1, (SELECT name FROM patients WHERE id = 1) FROM r WHERE n < 3) SELECT n FROM r
WITH RECURSIVE r(n, s) AS (SELECT 1, cast('x' AS char(10)) UNION ALL SELECT n + 1, p.name FROM r JOIN patients p ON p.id = n WHERE n < 30) SELECT n, s FROM r
WITH RECURSIVE r(n, s) AS (SELECT 1, 5 UNION ALL SELECT n + 1, (SELECT dob FROM patients WHERE id = n) FROM r WHERE n < 9) SELECT n FROM r
WITH RECURSIVE r(n, s) AS (SELECT 1, cast(1 AS decimal(3,1)) UNION ALL SELECT n + 1, (SELECT amount FROM binaries WHERE id = n) FROM r WHERE n < 9) SELECT n FROM r
WITH RECURSIVE r(n, s, t) AS (SELECT id, name, ssn FROM patients WHERE id = 1 UNION ALL SELECT n + 1, t, s FROM r WHERE n < 5) SELECT n, s FROM r ORDER BY n
WITH RECURSIVE r AS (SELECT id, name AS s FROM patients WHERE id = 1 UNION ALL SELECT id + 1, concat(s, 'x') FROM r WHERE id < 40) SELECT id FROM r
WITH RECURSIVE r AS (SELECT id, left(name, 9) AS s FROM patients WHERE id = 1 UNION ALL SELECT r.id + 1, p.name FROM r JOIN patients p ON p.id = r.id WHERE r.id < 4) SELECT id FROM r
SELECT ntile(length(coalesce(email, ''))) OVER (ORDER BY id) FROM patients WHERE id = 4
SELECT nth_value(id, length(coalesce(email, ''))) OVER (ORDER BY id) FROM patients WHERE id = 4
SELECT lag(id, length(coalesce(email, ''))) OVER (ORDER BY id) FROM patients WHERE id IN (3, 4)
SELECT elt(isnull(email), repeat('x', 16000000)) a, elt(isnull(email), repeat('x', 16000000)) b, elt(isnull(email), repeat('x', 16000000)) c, elt(isnull(email), repeat('x', 16000000)) d, elt(isnull(email), repeat('x', 16000000)) e FROM patients WHERE id = 4
SELECT id, repeat(name, 100000) FROM patients WHERE id < 20
SELECT d.id FROM (SELECT id, repeat(name, 100000) AS b FROM patients LIMIT 100) d ORDER BY d.id
-- family: bytes
SELECT quote(data) FROM raw WHERE id = 2
SELECT quote(flag), lpad(1, 2, data) FROM raw WHERE id = 2
SELECT concat_ws('-', data, notes) FROM raw JOIN patients USING (id) WHERE id = 2
SELECT locate(data, now()), instr(1, data), field('x', id, data) FROM raw WHERE id = 2
SELECT replace(id, data, 'x'), substring_index(id, data, 1), insert(id, 1, 1, data) FROM raw WHERE id = 2
SELECT coalesce(json_quote('x'), data), if(id > 0, data, id) FROM raw WHERE id = 2
SELECT convert(data USING utf8mb4), cast(data AS char), convert(flag USING latin1) FROM raw ORDER BY id
SELECT week(quote(data)), str_to_date(data, '%Y'), date_format(now(), data) FROM raw WHERE id = 2
SELECT coalesce(email, x'FF') FROM patients WHERE id < 9
SELECT coalesce(notes, x'FF'), ifnull(kind, unhex('FF')) FROM patients JOIN binaries USING (id) WHERE id < 9
SELECT concat_ws(weight, x'FF', email) FROM patients WHERE id = 4
SELECT concat(if(email IS NULL, '', id), unhex('FF'), now()) FROM patients WHERE id = 4
SELECT elt(isnull(email), concat(id, quote(x'FF'))) FROM patients WHERE id = 4
SELECT elt(isnull(email) + 1, id, quote(d.b)) FROM patients, (SELECT char(255) AS b) d WHERE id = 4
SELECT make_set(length(email), notes, x'FF', id), export_set(length(ssn), x'FF', id) FROM patients WHERE id < 9
SELECT id, lag(kind, 1, x'FF') OVER (ORDER BY id) FROM binaries
SELECT hex(data), length(data), md5(data), to_base64(data), crc32(data), isnull(data) FROM raw ORDER BY id
SELECT data, flag, big FROM raw ORDER BY id
SELECT id, CASE WHEN open = 1 THEN data ELSE NULL END FROM raw ORDER BY id
SELECT r.id, CASE WHEN r.open = 1 THEN p.name ELSE '' END, if(r.open, p.name, p.ssn) FROM raw r JOIN patients p USING (id) ORDER BY r.id
SELECT data FROM raw WHERE id = 2 UNION ALL SELECT notes FROM patients WHERE id = 2
SELECT kind FROM binaries WHERE id < 4 UNION ALL SELECT x'FF'
SELECT cast(concat('1e', left(ssn, 2)) AS float) FROM patients WHERE id = 1
SELECT cast(cast(concat('1e', left(ssn, 2)) AS double) AS signed) FROM patients WHERE id = 1
SELECT cast(big AS signed), cast(big AS float), cast(big AS decimal(5,2)), cast(big AS unsigned) FROM raw WHERE id < 3
SELECT timestampadd(MICROSECOND, big, now()), sec_to_time(big), from_unixtime(big), makedate(big, big) FROM raw WHERE id < 3
SELECT left('abc', big), repeat('x', big), elt(big, 'a'), from_days(big), char(big), space(big) FROM raw WHERE id < 3
SELECT id, ward, who FROM visits ORDER BY id
SELECT hex(id), upper(who) FROM visits WHERE ward = 'a' ORDER BY id
SELECT a.who, b.ward FROM visits a JOIN visits b ON a.id = b.id WHERE a.id = unhex(lpad(3, 32, 0))
SELECT ward FROM visits WHERE who = unhex('51')
UPDATE visits SET ward = 'c' WHERE id = unhex(lpad(3, 32, 0))
-- family: lazy
SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, exp(id * 300) x FROM encounters) d WHERE d.id = 3 AND p.id = 4
SELECT coalesce(p.email, d.x) FROM patients p JOIN (SELECT id, exp(id * 300) x FROM encounters) d ON d.id = p.id WHERE p.id = 4
WITH d AS (SELECT id, exp(id * 300) x FROM encounters) SELECT if(isnull(p.email), d.x, 1) FROM patients p, d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), (SELECT d.x FROM (SELECT exp(id * 300) x, id FROM encounters) d WHERE d.id = 3), 1) FROM patients p WHERE p.id = 4
SELECT d.y FROM (SELECT if(isnull(p.email), e.x, 1) y FROM patients p, (SELECT id, pow(10, id * 100) x FROM encounters) e WHERE e.id = 5 AND p.id = 4) d
SELECT id, if(isnull(email), x, 1) FROM (SELECT id, email, exp(id * 300) x FROM patients) d WHERE id = 4
SELECT id, coalesce(email, x) FROM (SELECT id, email, exp(id * 300) x FROM patients) d WHERE id = 4
SELECT if(isnull(p.email), v.x, 1) FROM patients p, v_big v WHERE v.id = 3 AND p.id = 4
SELECT if(isnull(email), (SELECT max(x) FROM (SELECT exp(id * 300) x FROM encounters) d), 1) FROM patients WHERE id = 4
SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, exp(id * 300) x FROM encounters ORDER BY id) d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, exp(id * 300) x FROM encounters WHERE id < 4 LIMIT 9) d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, (SELECT f.id FROM encounters f WHERE f.id < 5) x FROM encounters) d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, EXISTS (SELECT 1 FROM encounters f WHERE exp(f.id * 300)) x FROM encounters) d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), d.z, 1) FROM patients p, (SELECT id, x AS z FROM (SELECT id, exp(id * 300) x FROM encounters) c) d WHERE d.id = 3 AND p.id = 4
SELECT if(isnull(p.email), upper(d.x), 1) FROM patients p, (SELECT id, exp(id * 300) x FROM encounters UNION ALL SELECT 5, 5) d WHERE d.id = 5 AND p.id = 4
UPDATE staging SET n = (SELECT if(isnull(p.email), d.x, 1) FROM patients p, (SELECT id, exp(id * 300) x FROM encounters) d WHERE d.id = 3 AND p.id = 4)
SELECT concat(p.name, ' ', d.n) FROM patients p JOIN (SELECT patient_id, round(avg(id), 1) n FROM encounters GROUP BY patient_id) d ON d.patient_id = p.id WHERE p.id < 4 ORDER BY p.id
SELECT concat(p.name, e.d) FROM patients p JOIN (SELECT patient_id, upper(dept) d FROM encounters) e ON e.patient_id = p.id WHERE p.id < 4 ORDER BY p.id
-- family: sorted
SELECT d.id, d.c0, d.c1, d.c2, d.c3, d.c4, d.c5, d.c6, d.c7 FROM (SELECT id, weight, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c0, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c1, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c2, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c3, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c4, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c5, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c6, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c7 FROM patients WHERE id IN (4, 5, 6) LIMIT 3) d ORDER BY d.weight DESC
SELECT d.id, row_number() OVER (ORDER BY d.weight DESC), d.c0, d.c1, d.c2, d.c3, d.c4, d.c5, d.c6, d.c7 FROM (SELECT id, weight, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c0, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c1, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c2, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c3, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c4, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c5, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c6, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c7 FROM patients WHERE id IN (4, 5, 6) LIMIT 3) d
SELECT id, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c0, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c1, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c2, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c3, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c4, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c5, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c6, cast(if(isnull(email), repeat('😀', 16000), '') AS char(16000)) c7 FROM patients WHERE id IN (4,5,6) UNION ALL SELECT 1,'','','','','','','','' ORDER BY 1 DESC
SELECT d.id, d.r FROM (SELECT id, weight, repeat(name, 22000) r FROM patients LIMIT 3) d ORDER BY d.weight DESC
SELECT d.id, d.n FROM (SELECT id, weight, concat(upper(name), ' ', left(ssn, 3)) n FROM patients) d ORDER BY d.weight DESC LIMIT 5
SELECT id, concat(name, ' <', email, '>') AS c, substr(name, 1, 3) FROM patients ORDER BY weight LIMIT 5
SELECT id, row_number() OVER (ORDER BY weight), upper(name), left(note, 20) FROM patients JOIN encounters USING (id) ORDER BY id LIMIT 5
-- family: types
SELECT str_to_date('2020-01-01', (SELECT if(isnull(email), '%Y-%m-%d', '%H:%i') FROM patients WHERE id = 4))
SELECT str_to_date('2020-01-01', if((SELECT isnull(email) FROM patients WHERE id = 4), '%Y-%m-%d', '%H:%i:%s.%f'))
SELECT x FROM v_typed
SELECT d.a FROM (SELECT str_to_date('2020-01-01', (SELECT if(isnull(email), '%Y-%m-%d', '%H:%i') FROM patients WHERE id = 4)) AS a) d
SELECT time(concat('10:10:10', if((SELECT isnull(email) FROM patients WHERE id = 4), '.123456', '')))
SELECT time(d.x) FROM (SELECT concat('10:10:10', (SELECT if(isnull(email), '.123456', '') FROM patients WHERE id = 4)) AS x FROM codes WHERE dx = 'E1') d
WITH d AS (SELECT (SELECT if(isnull(email), '.123456', '') FROM patients WHERE id = 4) AS x FROM codes WHERE dx = 'E1') SELECT time(concat('10:10:10', d.x)) FROM d
SELECT time((SELECT if(isnull(p.email), '10:10:10.12345', '') FROM patients p WHERE p.id = d.k)) FROM (SELECT 4 AS k FROM codes WHERE dx = 'E1') d
SELECT timestamp(concat('2020-01-01 10:10:10', if((SELECT isnull(email) FROM patients WHERE id = 4), '.123456', '')))
SELECT timediff('10:10:10', (SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4)), time_to_sec((SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4))
SELECT unix_timestamp(concat('2020-01-01 ', (SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4))), convert_tz(concat('2020-01-01 ', (SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4)), '+00:00', '+01:00')
SELECT addtime('2020-01-01 10:00:00', (SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4)), maketime(1, 1, (SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4)), sec_to_time((SELECT if(isnull(email), '10:10:10.123', '10:10:10') FROM patients WHERE id = 4))
SELECT repeat('x', (SELECT length(name) FROM patients WHERE id = 1)), space(if((SELECT isnull(email) FROM patients WHERE id = 4), 1000, 2000)), sha2('x', if((SELECT isnull(email) FROM patients WHERE id = 4), 256, 512))
SELECT substr(repeat('x', 5000), if((SELECT isnull(email) FROM patients WHERE id = 4), 1000, 2000)), left(repeat('x', 5000), if((SELECT isnull(email) FROM patients WHERE id = 4), 1000, 2000)), rpad('x', if((SELECT isnull(email) FROM patients WHERE id = 4), 1000, 2000), 'y')
SELECT date_format(now(), if((SELECT isnull(email) FROM patients WHERE id = 4), repeat('%W', 100), 'x')), from_unixtime(1, if((SELECT isnull(email) FROM patients WHERE id = 4), repeat('%H%i', 100), 'x'))
SELECT if((SELECT isnull(email) FROM patients WHERE id = 4), 'a', 'bbbbbbbbbbbbbbbb'), concat('a', (SELECT email FROM patients WHERE id = 4))
SELECT dx, left(descr, (SELECT max(id) FROM patients)) FROM codes
SELECT id, left((SELECT p.name FROM patients p WHERE p.id = e.patient_id), 3) FROM encounters e ORDER BY id LIMIT 5
-- family: narrow
SELECT concat(nm, _latin1'x' COLLATE latin1_bin) FROM latin WHERE id = 1
SELECT concat((SELECT nm FROM latin WHERE id = 1), _latin1'x' COLLATE latin1_bin)
SELECT coalesce((SELECT nm FROM latin WHERE id = 1), one COLLATE latin1_bin) FROM latin WHERE id = 2
SELECT replace(one COLLATE latin1_bin, nm, 'x'), instr(one COLLATE latin1_bin, nm) FROM latin
SELECT concat(d.c, nm) FROM (SELECT one COLLATE latin1_bin AS c FROM latin WHERE id = 2) d, latin
SELECT concat_ws(nm, one COLLATE latin1_bin, 'x'), elt(1, nm, one COLLATE latin1_bin) FROM latin
SELECT CASE WHEN id > 0 THEN nm ELSE one COLLATE latin1_bin END FROM latin
SELECT lag(one COLLATE latin1_bin, 1, nm) OVER (ORDER BY id) FROM latin
SELECT one COLLATE latin1_bin FROM latin WHERE id = 2 UNION ALL SELECT nm FROM latin
SELECT concat(nm, _utf8mb3'x' COLLATE utf8mb3_bin) FROM latin
SET lc_time_names = 'pl_PL' ;; SELECT concat(one, monthname(dob)) FROM latin JOIN patients USING (id)
SET lc_time_names = 'pl_PL' ;; SELECT lpad(one, 20, date_format(dob, '%M')) FROM latin JOIN patients USING (id)
SET lc_time_names = 'pl_PL' ;; SELECT one FROM latin WHERE id = 2 UNION ALL SELECT monthname(dob) FROM patients WHERE id < 5
SET lc_time_names = 'pl_PL' ;; SELECT if(isnull(email), one, monthname('2020-10-10')) FROM latin JOIN patients USING (id)
SELECT concat(one, if(isnull(email), '😀', 'a')) FROM latin JOIN patients USING (id)
SELECT concat(one, nm), concat(nm COLLATE utf8mb4_bin, one), convert(nm USING latin1), concat(one, ' – ', nm) FROM latin
-- family: numbered
INSERT INTO counted(id, x) VALUES (900, 1)
INSERT INTO counted(id, x) VALUES (900, 1) ;; SELECT last_insert_id()
INSERT INTO counted VALUES (900, 0, 1)
INSERT INTO counted(id, x) SELECT id + 900, 1 FROM touched
REPLACE INTO counted(id, x) VALUES (900, 1)
INSERT INTO counted(id, x) VALUES (900, 1) RETURNING id, acct
