-- What analysts and agents ask a hospital's warehouse. A statement each, a blank line between two.

-- census: admissions per type
SELECT admission_type, count(*) FROM admissions GROUP BY admission_type ORDER BY 2 DESC

-- census: patients by sex and race
SELECT gender, race, count(*) AS n FROM patients GROUP BY gender, race ORDER BY gender, n DESC

-- census: monthly admissions
SELECT date_trunc('month', admittime) AS month, count(*) FROM admissions GROUP BY 1 ORDER BY 1

-- census: length of stay by insurance
SELECT insurance, avg(dischtime - admittime) AS los, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM dischtime - admittime)) / 86400 AS median_days FROM admissions WHERE dischtime IS NOT NULL GROUP BY insurance ORDER BY 1

-- census: mortality by age band
SELECT CASE WHEN anchor_age < 40 THEN '18-39' WHEN anchor_age < 65 THEN '40-64' ELSE '65+' END AS band, count(*) AS admissions, round(100.0 * sum(hospital_expire_flag) / count(*), 1) AS percent_died FROM admissions a JOIN patients p USING (subject_id) GROUP BY 1 ORDER BY 1

-- census: where they went
SELECT admission_location, discharge_location, count(*) FROM admissions GROUP BY ROLLUP (admission_location, discharge_location) ORDER BY 1 NULLS LAST, 2 NULLS LAST

-- census: beds in use on a day
SELECT first_careunit, count(*) FROM icustays WHERE intime <= timestamp '2150-03-01' AND outtime > timestamp '2150-03-01' GROUP BY 1 ORDER BY 1

-- census: providers' load
SELECT pr.specialty, count(DISTINCT a.subject_id) AS patients, count(*) AS stays FROM admissions a JOIN providers pr USING (provider_id) GROUP BY pr.specialty ORDER BY stays DESC

-- cohort: adults with sepsis
SELECT count(DISTINCT d.subject_id) FROM diagnoses d JOIN patients p ON p.subject_id = d.subject_id WHERE d.icd_code LIKE 'A41%' AND d.icd_version = 10 AND p.anchor_age >= 18

-- cohort: first ICU stay of each patient
SELECT * FROM (SELECT stay_id, subject_id, first_careunit, intime, row_number() OVER (PARTITION BY subject_id ORDER BY intime) AS nth FROM icustays) s WHERE nth = 1 ORDER BY stay_id LIMIT 20

-- cohort: readmitted within 30 days
WITH visits AS (SELECT subject_id, hadm_id, admittime, lag(dischtime) OVER (PARTITION BY subject_id ORDER BY admittime) AS previous FROM admissions) SELECT count(*) FILTER (WHERE admittime - previous < interval '30 days') AS readmitted, count(*) AS all_visits FROM visits

-- cohort: diabetics without a glucose
SELECT a.hadm_id FROM admissions a JOIN diagnoses d USING (hadm_id) WHERE d.icd_code = 'E11' AND NOT EXISTS (SELECT 1 FROM labevents l WHERE l.hadm_id = a.hadm_id AND l.itemid = 50931) ORDER BY 1 LIMIT 10

-- cohort: two diagnoses at once
SELECT count(*) FROM (SELECT hadm_id FROM diagnoses WHERE icd_code = 'I10' INTERSECT SELECT hadm_id FROM diagnoses WHERE icd_code = 'E11') both_of_them

-- cohort: comorbidities as columns
SELECT hadm_id, max((icd_code = 'I50')::int) AS heart_failure, max((icd_code = 'N17')::int) AS kidney_failure, max((icd_code LIKE 'E11%')::int) AS diabetes FROM diagnoses GROUP BY hadm_id ORDER BY hadm_id LIMIT 15

-- cohort: age at admission
SELECT a.hadm_id, p.anchor_age + (extract(year FROM a.admittime) - 2150)::int AS age FROM admissions a JOIN patients p USING (subject_id) ORDER BY a.hadm_id LIMIT 10

-- cohort: born before
SELECT count(*) FROM patients WHERE dob < date '1950-01-01'

-- cohort: admitted in winter, by ZIP
SELECT left(p.zip, 3) AS area, count(*) FROM admissions a JOIN patients p USING (subject_id) WHERE extract(month FROM a.admittime) IN (12, 1, 2) GROUP BY 1 HAVING count(*) >= 3 ORDER BY 2 DESC

-- cohort: who died in hospital, masked
SELECT p.subject_id, p.first_name, p.last_name, p.gender, a.deathtime FROM patients p JOIN admissions a USING (subject_id) WHERE a.hospital_expire_flag = 1 ORDER BY p.subject_id LIMIT 10

-- cohort: on heparin within a day of admission
SELECT count(DISTINCT a.hadm_id) FROM admissions a JOIN prescriptions r ON r.hadm_id = a.hadm_id AND r.drug ILIKE 'heparin%' AND r.starttime BETWEEN a.admittime AND a.admittime + interval '400 days'

-- cohort: length of ICU stay in quartiles
SELECT quartile, count(*), min(los), max(los) FROM (SELECT los, ntile(4) OVER (ORDER BY los, stay_id) AS quartile FROM icustays) q GROUP BY quartile ORDER BY quartile

-- cohort: survival table
WITH t AS (SELECT p.subject_id, (coalesce(p.dod, date '2182-01-01') - min(a.admittime)::date) AS days, (p.dod IS NOT NULL) AS died FROM patients p JOIN admissions a USING (subject_id) GROUP BY p.subject_id, p.dod) SELECT width_bucket(days, 0, 12000, 6) AS bucket, count(*) AS at_risk, count(*) FILTER (WHERE died) AS events FROM t GROUP BY 1 ORDER BY 1

-- cohort: transfers through units
WITH RECURSIVE path(transfer_id, hadm_id, careunit, step) AS (SELECT transfer_id, hadm_id, careunit, 1 FROM transfers WHERE transfer_id <= 5 UNION ALL SELECT t.transfer_id, t.hadm_id, t.careunit, p.step + 1 FROM path p JOIN transfers t ON t.transfer_id = p.transfer_id + 100 WHERE p.step < 4) SELECT step, careunit, count(*) FROM path GROUP BY step, careunit ORDER BY 1, 2

-- cohort: matched controls
SELECT c.hadm_id, k.hadm_id AS control FROM cohort_base c CROSS JOIN LATERAL (SELECT hadm_id FROM cohort_base o WHERE o.gender = c.gender AND abs(o.anchor_age - c.anchor_age) <= 2 AND o.hospital_expire_flag = 0 AND o.hadm_id <> c.hadm_id ORDER BY abs(o.anchor_age - c.anchor_age), o.hadm_id LIMIT 1) k WHERE c.hospital_expire_flag = 1 ORDER BY 1 LIMIT 10

-- labs: worst creatinine per stay
SELECT hadm_id, max(valuenum) AS worst FROM labevents l JOIN d_labitems i USING (itemid) WHERE i.label = 'Creatinine' GROUP BY hadm_id ORDER BY worst DESC, hadm_id LIMIT 10

-- labs: first lactate after admission
SELECT DISTINCT ON (l.hadm_id) l.hadm_id, l.valuenum FROM labevents l JOIN admissions a USING (hadm_id) WHERE l.itemid = 50813 AND l.charttime >= a.admittime ORDER BY l.hadm_id, l.charttime, l.labevent_id LIMIT 10

-- labs: abnormal share
SELECT i.label, count(*) FILTER (WHERE flag = 'abnormal') * 100 / count(*) AS percent, avg(valuenum), stddev(valuenum) FROM labevents l JOIN d_labitems i USING (itemid) GROUP BY i.label ORDER BY i.label

-- labs: out of range
SELECT itemid, count(*) FROM labevents WHERE valuenum NOT BETWEEN ref_range_lower AND ref_range_upper GROUP BY itemid ORDER BY itemid

-- labs: a histogram
SELECT width_bucket(valuenum, 0, 13, 10) AS bin, count(*) FROM labevents WHERE itemid = 51222 GROUP BY 1 ORDER BY 1

-- labs: change between two measurements
SELECT hadm_id, charttime, valuenum, valuenum - lag(valuenum) OVER (PARTITION BY hadm_id ORDER BY charttime, labevent_id) AS delta FROM labevents WHERE itemid = 50912 ORDER BY hadm_id, charttime, labevent_id LIMIT 10

-- labs: last three values
SELECT hadm_id, array_agg(valuenum ORDER BY charttime DESC, labevent_id) FILTER (WHERE n <= 3) FROM (SELECT *, row_number() OVER (PARTITION BY hadm_id ORDER BY charttime DESC, labevent_id) AS n FROM labevents) l GROUP BY hadm_id ORDER BY hadm_id LIMIT 5

-- labs: comments are masked
SELECT labevent_id, valuenum, valueuom, comments FROM labevents WHERE hadm_id = 1005 ORDER BY labevent_id

-- vitals: hourly means
SELECT itemid, date_trunc('hour', charttime) AS hour, avg(valuenum) FROM chartevents WHERE stay_id = 5010 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 20

-- vitals: rolling mean
SELECT stay_id, charttime, avg(valuenum) OVER (PARTITION BY stay_id ORDER BY charttime ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM chartevents WHERE itemid = 220045 AND stay_id < 5005 ORDER BY 1, 2 LIMIT 20

-- vitals: correlation
SELECT corr(a.valuenum, b.valuenum), regr_slope(a.valuenum, b.valuenum), count(*) FROM chartevents a JOIN chartevents b ON b.stay_id = a.stay_id AND b.itemid = 220181 WHERE a.itemid = 220045

-- vitals: hours with a warning
SELECT h, count(c.stay_id) FROM generate_series(timestamp '2150-01-01', timestamp '2150-01-02', interval '1 hour') h LEFT JOIN chartevents c ON c.charttime >= h AND c.charttime < h + interval '1 hour' AND c.warning GROUP BY h ORDER BY h

-- drugs: most prescribed
SELECT drug, route, count(*), avg(dose) FROM prescriptions GROUP BY drug, route ORDER BY 3 DESC, 1, 2 LIMIT 10

-- drugs: overlapping courses
SELECT count(*) FROM prescriptions a JOIN prescriptions b ON a.subject_id = b.subject_id AND a.pharmacy_id < b.pharmacy_id AND (a.starttime, a.stoptime) OVERLAPS (b.starttime, b.stoptime)

-- drugs: exposure in days
SELECT drug, sum(extract(epoch FROM stoptime - starttime) / 86400)::int AS days FROM prescriptions WHERE stoptime > starttime GROUP BY drug ORDER BY drug

-- drugs: by specialty, as a crosstab
SELECT pr.specialty, count(*) FILTER (WHERE r.drug = 'Heparin') AS heparin, count(*) FILTER (WHERE r.drug = 'Insulin') AS insulin FROM prescriptions r JOIN admissions a USING (hadm_id) JOIN providers pr USING (provider_id) GROUP BY pr.specialty ORDER BY 1

-- drugs: antibiotics and their order
SELECT hadm_id, string_agg(drug, ' > ' ORDER BY starttime, pharmacy_id) FROM prescriptions WHERE hadm_id < 1010 GROUP BY hadm_id ORDER BY hadm_id

-- diagnoses: most frequent with titles
SELECT d.icd_code, t.long_title, count(*) FROM diagnoses d JOIN d_icd t USING (icd_code, icd_version) GROUP BY 1, 2 ORDER BY 3 DESC, 1

-- diagnoses: pairs
SELECT a.icd_code, b.icd_code, count(*) FROM diagnoses a JOIN diagnoses b ON a.hadm_id = b.hadm_id AND a.icd_code < b.icd_code GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 10

-- diagnoses: search by words
SELECT icd_code, long_title FROM d_icd WHERE long_title ILIKE '%failure%' OR to_tsvector('english', long_title) @@ plainto_tsquery('english', 'sepsis') ORDER BY 1

-- diagnoses: none of the primary ones
SELECT hadm_id FROM admissions EXCEPT SELECT hadm_id FROM diagnoses WHERE seq_num = 1 AND icd_code IN ('I10', 'E11', 'J18') ORDER BY hadm_id LIMIT 10

-- diagnoses: a risk score
SELECT hadm_id, sum(CASE icd_code WHEN 'I50' THEN 1 WHEN 'N17' THEN 2 WHEN 'A41' THEN 3 ELSE 0 END) AS score FROM diagnoses GROUP BY hadm_id HAVING sum(CASE icd_code WHEN 'I50' THEN 1 WHEN 'N17' THEN 2 WHEN 'A41' THEN 3 ELSE 0 END) > 3 ORDER BY score DESC, hadm_id LIMIT 10

-- chart: one patient
SELECT * FROM patients WHERE subject_id = 42

-- chart: a card
SELECT * FROM patient_card WHERE subject_id BETWEEN 10 AND 12 ORDER BY subject_id

-- chart: a name for a letter
SELECT subject_id, upper(left(last_name, 1)) || '. ' || first_name AS salutation, coalesce(email, 'none') AS email FROM patients ORDER BY subject_id LIMIT 5

-- chart: notes of a stay
SELECT note_id, category, charttime, body FROM notes WHERE hadm_id = 1010 ORDER BY charttime

-- chart: a timeline
SELECT 'admit' AS what, admittime AS at FROM admissions WHERE subject_id = 7 UNION ALL SELECT 'lab ' || itemid, charttime FROM labevents WHERE subject_id = 7 UNION ALL SELECT 'drug ' || drug, starttime FROM prescriptions WHERE subject_id = 7 ORDER BY at, what

-- chart: as JSON
SELECT jsonb_build_object('stay', a.hadm_id, 'type', a.admission_type, 'labs', (SELECT count(*) FROM labevents l WHERE l.hadm_id = a.hadm_id)) FROM admissions a ORDER BY a.hadm_id LIMIT 5

-- chart: implants
SELECT d.model, d.serial, d.implanted, p.gender FROM devices d JOIN patients p USING (subject_id) ORDER BY d.device_id LIMIT 8

-- chart: orders
SELECT id, resource FROM orders_fhir ORDER BY id LIMIT 3

-- supply: pricing summary (TPC-H 1)
SELECT l_returnflag, sum(l_quantity) AS qty, sum(l_price) AS base, sum(l_price * (1 - l_discount)) AS net, sum(l_price * (1 - l_discount) * (1 + l_tax)) AS charge, avg(l_discount), count(*) FROM lineitem WHERE l_shipdate <= date '2150-01-01' - interval '90 days' GROUP BY l_returnflag ORDER BY l_returnflag

-- supply: cheapest supplier (TPC-H 2)
SELECT s.s_name, n.n_name, i.i_name, l.l_price FROM lineitem l JOIN purchase o ON o.p_orderkey = l.l_orderkey JOIN supplier s ON s.s_suppkey = o.p_suppkey JOIN nation n ON n.n_nationkey = s.s_nationkey JOIN item i ON i.i_itemkey = l.l_itemkey WHERE i.i_type LIKE '%STENT' AND l.l_price = (SELECT min(l2.l_price) FROM lineitem l2 WHERE l2.l_itemkey = i.i_itemkey) ORDER BY l.l_price, i.i_name LIMIT 10

-- supply: priorities (TPC-H 4)
SELECT p_priority, count(*) FROM purchase WHERE p_date >= date '2149-04-01' AND p_date < date '2149-04-01' + interval '3 months' AND EXISTS (SELECT * FROM lineitem WHERE l_orderkey = p_orderkey AND l_shipdate < l_receiptdate) GROUP BY p_priority ORDER BY p_priority

-- supply: revenue by nation (TPC-H 5)
SELECT n.n_name, sum(l.l_price * (1 - l.l_discount)) AS revenue FROM purchase o JOIN lineitem l ON l.l_orderkey = o.p_orderkey JOIN supplier s ON s.s_suppkey = o.p_suppkey JOIN nation n ON n.n_nationkey = s.s_nationkey WHERE o.p_date >= date '2149-01-01' GROUP BY n.n_name ORDER BY revenue DESC

-- supply: forecast (TPC-H 6)
SELECT sum(l_price * l_discount) AS revenue FROM lineitem WHERE l_shipdate >= date '2149-01-01' AND l_shipdate < date '2150-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24

-- supply: modes (TPC-H 12)
SELECT l_shipmode, sum(CASE WHEN p_priority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS high, sum(CASE WHEN p_priority NOT IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS low FROM purchase, lineitem WHERE p_orderkey = l_orderkey GROUP BY l_shipmode ORDER BY l_shipmode

-- supply: distribution (TPC-H 13)
SELECT orders, count(*) AS suppliers FROM (SELECT s_suppkey, count(p_orderkey) AS orders FROM supplier LEFT JOIN purchase ON s_suppkey = p_suppkey AND p_status <> 'X' GROUP BY s_suppkey) c GROUP BY orders ORDER BY suppliers DESC, orders DESC

-- supply: promotion share (TPC-H 14)
SELECT 100.00 * sum(CASE WHEN i_type LIKE 'STENT%' THEN l_price * (1 - l_discount) ELSE 0 END) / sum(l_price * (1 - l_discount)) AS share FROM lineitem, item WHERE l_itemkey = i_itemkey AND l_shipdate >= date '2149-03-01'

-- supply: top supplier (TPC-H 15)
WITH revenue AS (SELECT p_suppkey AS supplier, sum(l_price * (1 - l_discount)) AS total FROM lineitem JOIN purchase ON p_orderkey = l_orderkey GROUP BY p_suppkey) SELECT s_suppkey, s_name, total FROM supplier, revenue WHERE s_suppkey = supplier AND total = (SELECT max(total) FROM revenue)

-- supply: small quantities (TPC-H 17)
SELECT sum(l_price) / 7.0 AS yearly FROM lineitem l, item WHERE i_itemkey = l_itemkey AND i_type = 'GLOVE' AND l_quantity < (SELECT 0.5 * avg(l_quantity) FROM lineitem WHERE l_itemkey = i_itemkey)

-- supply: waiting suppliers (TPC-H 21)
SELECT s_name, count(*) AS numwait FROM supplier, lineitem l1, purchase WHERE s_suppkey = p_suppkey AND p_orderkey = l1.l_orderkey AND p_status = 'F' AND NOT EXISTS (SELECT * FROM lineitem l3 WHERE l3.l_orderkey = l1.l_orderkey AND l3.l_returnflag = 'X') GROUP BY s_name ORDER BY numwait DESC, s_name LIMIT 10

-- claims: paid by payer
SELECT y.payer_name, status, count(*), sum(charged), sum(allowed), round(avg(allowed / charged), 3) FROM claim c JOIN payer y USING (payer_id) GROUP BY GROUPING SETS ((y.payer_name, status), (y.payer_name), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST

-- claims: days to payment
SELECT payer_id, avg(paid - submitted), max(paid - submitted) FROM claim WHERE status = 'PAID' GROUP BY payer_id ORDER BY payer_id

-- claims: running total
SELECT claim_id, charged, sum(charged) OVER (ORDER BY claim_id) AS so_far FROM claim ORDER BY claim_id LIMIT 10

-- claims: open ones with their policies
SELECT claim_id, policy_number, charged, submitted FROM claim WHERE status = 'OPEN' ORDER BY charged DESC LIMIT 10

-- claims: outliers
SELECT claim_id FROM claim c JOIN (SELECT payer_id, avg(charged) AS m, stddev(charged) AS s FROM claim GROUP BY payer_id) t USING (payer_id) WHERE charged > m + 1.5 * s ORDER BY claim_id

-- work: correct a code
UPDATE diagnoses SET icd_code = 'I50' WHERE hadm_id = 1001 AND seq_num = 3

-- work: a new lab item
INSERT INTO d_labitems VALUES (50000, 'Troponin', 'Blood', 'Chemistry') RETURNING itemid

-- work: register a patient
INSERT INTO patients (subject_id, mrn, first_name, last_name, gender, dob, anchor_age) VALUES (9001, 'M9', 'New', 'Patient', 'F', '1990-02-03', 33)

-- work: close claims
UPDATE claim SET status = 'PAID', paid = submitted + 30 WHERE status = 'OPEN' AND claim_id < 20 RETURNING claim_id, status

-- work: upsert a title
INSERT INTO d_icd VALUES ('I10', 10, 'Essential hypertension') ON CONFLICT (icd_code, icd_version) DO UPDATE SET long_title = excluded.long_title RETURNING long_title

-- work: merge prices
MERGE INTO item t USING (VALUES (1, 5.5), (900, 6.5)) v(k, price) ON t.i_itemkey = v.k WHEN MATCHED THEN UPDATE SET i_retail = v.price WHEN NOT MATCHED THEN INSERT (i_itemkey, i_retail) VALUES (v.k, v.price)

-- export: a data set without identifiers
COPY (SELECT hadm_id, gender, race, anchor_age, admission_type, hospital_expire_flag FROM cohort_base ORDER BY hadm_id) TO STDOUT (FORMAT csv, HEADER)

-- export: with names, which come masked
COPY (SELECT subject_id, last_name, gender, zip FROM patients ORDER BY subject_id LIMIT 20) TO STDOUT

-- cohort: readmitted within thirty days
SELECT a.admission_type, count(*) FILTER (WHERE n.gap <= interval '30 days') AS readmitted, count(*) AS stays FROM admissions a CROSS JOIN LATERAL (SELECT min(b.admittime) - a.dischtime AS gap FROM admissions b WHERE b.subject_id = a.subject_id AND b.admittime > a.dischtime) n WHERE a.hospital_expire_flag = 0 GROUP BY a.admission_type ORDER BY 1

-- cohort: kidney injury by creatinine (KDIGO)
WITH cr AS (SELECT hadm_id, charttime, valuenum, min(valuenum) OVER (PARTITION BY hadm_id ORDER BY charttime RANGE BETWEEN interval '48 hours' PRECEDING AND CURRENT ROW) AS low48 FROM labevents WHERE itemid = 50912) SELECT hadm_id, max(CASE WHEN valuenum >= 3 * low48 THEN 3 WHEN valuenum >= 2 * low48 THEN 2 WHEN valuenum >= low48 + 0.3 THEN 1 ELSE 0 END) AS stage FROM cr GROUP BY hadm_id HAVING max(valuenum - low48) >= 0.3 ORDER BY hadm_id LIMIT 50

-- cohort: organ failure points of each stay
SELECT i.stay_id, coalesce(max(CASE WHEN l.itemid = 50912 AND l.valuenum >= 5 THEN 4 WHEN l.itemid = 50912 AND l.valuenum >= 3.5 THEN 3 WHEN l.itemid = 50912 AND l.valuenum >= 2 THEN 2 END), 0) AS renal, coalesce(max(CASE WHEN l.itemid = 50813 AND l.valuenum > 4 THEN 2 END), 0) AS lactate FROM icustays i LEFT JOIN labevents l ON l.hadm_id = i.hadm_id AND l.charttime BETWEEN i.intime AND i.intime + interval '1 day' GROUP BY i.stay_id ORDER BY i.stay_id LIMIT 30

-- cohort: weighted comorbidity (Charlson)
SELECT d.hadm_id, sum(DISTINCT CASE d.icd_code WHEN 'I50' THEN 1 WHEN 'E11' THEN 1 WHEN 'N17' THEN 2 ELSE 0 END) + CASE WHEN min(p.anchor_age) > 80 THEN 4 WHEN min(p.anchor_age) > 70 THEN 3 ELSE 0 END AS score FROM diagnoses d JOIN patients p USING (subject_id) GROUP BY d.hadm_id ORDER BY score DESC, d.hadm_id LIMIT 25

-- cohort: on insulin and vancomycin at the same time
SELECT count(DISTINCT a.hadm_id) FROM prescriptions a JOIN prescriptions b ON b.hadm_id = a.hadm_id AND b.drug = 'Vancomycin' AND (a.starttime, a.stoptime) OVERLAPS (b.starttime, b.stoptime) WHERE a.drug = 'Insulin'

-- cohort: survival after discharge by quarter
SELECT width_bucket(extract(epoch FROM p.dod - a.dischtime) / 86400, 0, 12000, 4) AS quarter, count(*) FROM admissions a JOIN patients p USING (subject_id) WHERE p.dod IS NOT NULL GROUP BY 1 ORDER BY 1

-- cohort: diagnoses that come together
SELECT a.icd_code, b.icd_code AS with_code, count(*) AS stays, rank() OVER (PARTITION BY a.icd_code ORDER BY count(*) DESC) FROM diagnoses a JOIN diagnoses b ON b.hadm_id = a.hadm_id AND b.icd_code > a.icd_code GROUP BY 1, 2 ORDER BY 1, 4, 2

-- labs: delta check
SELECT itemid, count(*) FILTER (WHERE abs(valuenum - before) > 5) AS jumps, count(before) AS pairs FROM (SELECT itemid, valuenum, lag(valuenum) OVER (PARTITION BY subject_id, itemid ORDER BY charttime) AS before FROM labevents) x GROUP BY itemid ORDER BY itemid

-- labs: quartiles per item
SELECT d.label, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY l.valuenum) AS quartiles, mode() WITHIN GROUP (ORDER BY l.flag) FROM labevents l JOIN d_labitems d USING (itemid) GROUP BY d.label ORDER BY d.label

-- labs: pivot of the last values
SELECT hadm_id, max(valuenum) FILTER (WHERE itemid = 50912) AS creatinine, max(valuenum) FILTER (WHERE itemid = 50813) AS lactate, max(valuenum) FILTER (WHERE itemid = 51222) AS hemoglobin FROM (SELECT DISTINCT ON (hadm_id, itemid) hadm_id, itemid, valuenum FROM labevents ORDER BY hadm_id, itemid, charttime DESC) last GROUP BY hadm_id ORDER BY hadm_id LIMIT 40

-- census: occupancy hour by hour
SELECT h, count(i.stay_id) FROM generate_series(timestamp '2150-03-01', timestamp '2150-03-02', interval '4 hours') h LEFT JOIN icustays i ON h >= i.intime AND h < i.outtime GROUP BY h ORDER BY h

-- chart: what is known of one patient
SELECT p.last_name, p.first_name, p.mrn, p.dob, p.gender, (SELECT json_agg(json_build_object('code', d.icd_code, 'title', t.long_title) ORDER BY d.hadm_id, d.seq_num) FROM diagnoses d JOIN d_icd t USING (icd_code, icd_version) WHERE d.subject_id = p.subject_id) AS problems FROM patients p WHERE p.subject_id = 12

-- supply: shipping priority (TPC-H 3)
SELECT l_orderkey, sum(l_price * (1 - l_discount)) AS revenue, p_date FROM purchase JOIN lineitem ON l_orderkey = p_orderkey WHERE p_date < date '2149-06-15' AND l_shipdate > date '2149-06-15' GROUP BY l_orderkey, p_date ORDER BY revenue DESC, p_date LIMIT 10

-- supply: volume between nations (TPC-H 7)
SELECT n.n_name, extract(year FROM l.l_shipdate) AS year, sum(l.l_price * (1 - l.l_discount)) FROM supplier s JOIN nation n ON n.n_nationkey = s.s_nationkey JOIN purchase o ON o.p_suppkey = s.s_suppkey JOIN lineitem l ON l.l_orderkey = o.p_orderkey WHERE n.n_name IN ('FRANCE', 'GERMANY') GROUP BY 1, 2 ORDER BY 1, 2

-- supply: market share (TPC-H 8)
SELECT extract(year FROM p_date) AS year, sum(CASE WHEN n_name = 'BRAZIL' THEN volume ELSE 0 END) / sum(volume) AS share FROM (SELECT p_date, l_price * (1 - l_discount) AS volume, n_name FROM lineitem JOIN purchase ON p_orderkey = l_orderkey JOIN supplier ON s_suppkey = p_suppkey JOIN nation ON n_nationkey = s_nationkey) v GROUP BY 1 ORDER BY 1

-- supply: important stock (TPC-H 11)
SELECT l_itemkey, sum(l_price * l_quantity) AS value FROM lineitem GROUP BY l_itemkey HAVING sum(l_price * l_quantity) > (SELECT sum(l_price * l_quantity) * 0.015 FROM lineitem) ORDER BY value DESC, l_itemkey

-- supply: suppliers per kind of item (TPC-H 16)
SELECT i_type, i_size, count(DISTINCT p_suppkey) AS suppliers FROM lineitem JOIN item ON i_itemkey = l_itemkey JOIN purchase ON p_orderkey = l_orderkey WHERE i_type <> 'GLOVE' AND i_size IN (3, 9, 14, 23) AND p_suppkey NOT IN (SELECT s_suppkey FROM supplier WHERE s_acctbal < 30) GROUP BY i_type, i_size ORDER BY suppliers DESC, i_type, i_size

-- supply: large orders (TPC-H 18)
SELECT p_orderkey, p_date, sum(l_quantity) FROM purchase JOIN lineitem ON l_orderkey = p_orderkey WHERE p_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 100) GROUP BY p_orderkey, p_date ORDER BY 3 DESC, p_orderkey LIMIT 20

-- supply: balances without orders (TPC-H 22)
SELECT left(n_name, 2) AS country, count(*), sum(s_acctbal) FROM supplier JOIN nation ON n_nationkey = s_nationkey WHERE s_acctbal > (SELECT avg(s_acctbal) FROM supplier WHERE s_acctbal > 0) AND NOT EXISTS (SELECT 1 FROM purchase WHERE p_suppkey = s_suppkey AND p_status = 'X') GROUP BY 1 ORDER BY 1

-- claims: denial rate by diagnosis and payer, moving
SELECT y.payer_name, d.icd_code, round(avg((c.status = 'DENIED')::int), 3) AS denied, sum(count(*)) OVER (PARTITION BY y.payer_name ORDER BY d.icd_code) AS so_far FROM claim c JOIN payer y USING (payer_id) JOIN diagnoses d ON d.hadm_id = c.hadm_id AND d.seq_num = 1 GROUP BY y.payer_name, d.icd_code ORDER BY 1, 2

-- claims: charged and allowed by ward
SELECT i.first_careunit, sum(c.charged) AS charged, sum(c.allowed) / nullif(sum(c.charged), 0) AS ratio FROM icustays i JOIN claim c USING (hadm_id) GROUP BY i.first_careunit ORDER BY 1

-- export: a cohort with durations
COPY (SELECT i.stay_id, p.gender, p.anchor_age, extract(epoch FROM i.outtime - i.intime) / 3600 AS hours, a.hospital_expire_flag FROM icustays i JOIN admissions a USING (hadm_id) JOIN patients p ON p.subject_id = a.subject_id ORDER BY i.stay_id) TO STDOUT (FORMAT csv, HEADER)

-- needs a secret: find by name
SELECT subject_id FROM patients WHERE last_name = 'Last7'

-- needs a secret: how many share a name
SELECT last_name, count(*) FROM patients GROUP BY last_name HAVING count(*) > 3 ORDER BY 2 DESC

-- needs a secret: notes that mention a fall
SELECT count(*) FROM notes WHERE body ILIKE '%fall%'
