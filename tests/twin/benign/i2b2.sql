-- What i2b2's query tool, its users and SHRINE-like reports ask. A statement each, a blank line between two; a script's statements end in ";".

-- querytool: a panel, by path
SELECT count(DISTINCT patient_num) FROM observation_fact WHERE concept_cd IN (SELECT concept_cd FROM concept_dimension WHERE concept_path LIKE '\\i2b2\\Diagnoses\\(E08-E13) Diabetes\\%')

-- querytool: a panel with a value
SELECT f.patient_num FROM observation_fact f WHERE f.concept_cd IN (SELECT concept_cd FROM concept_dimension WHERE concept_path LIKE '\\i2b2\\Labtests\\LAB\\(LLB16) Chemistry\\A1C\\%') AND f.modifier_cd = '@' AND f.valtype_cd = 'N' AND f.nval_num > 9 AND f.tval_char IN ('E', 'GE') GROUP BY f.patient_num ORDER BY 1

-- querytool: two panels and one to leave out
SELECT count(*) FROM (SELECT patient_num FROM observation_fact WHERE concept_cd = 'ICD10:E11.9' INTERSECT SELECT patient_num FROM observation_fact WHERE concept_cd = 'ICD10:I10' EXCEPT SELECT patient_num FROM observation_fact WHERE concept_cd = 'ICD10:E10.9') s

-- querytool: the same encounter
WITH t AS (SELECT f.encounter_num, f.patient_num FROM observation_fact f WHERE f.concept_cd = 'ICD10:E11.9' GROUP BY f.encounter_num, f.patient_num) SELECT count(DISTINCT t.patient_num) FROM t WHERE EXISTS (SELECT 1 FROM observation_fact g WHERE g.encounter_num = t.encounter_num AND g.patient_num = t.patient_num AND g.concept_cd = 'LOINC:4548-4')

-- querytool: one before the other
SELECT count(*) FROM (SELECT a.patient_num FROM (SELECT patient_num, min(start_date) AS first FROM observation_fact WHERE concept_cd = 'ICD10:I10' GROUP BY patient_num) a JOIN (SELECT patient_num, max(start_date) AS last FROM observation_fact WHERE concept_cd = 'ICD10:E11.9' GROUP BY patient_num) b ON a.patient_num = b.patient_num AND a.first < b.last) q

-- querytool: occurs more than once
SELECT patient_num, count(DISTINCT encounter_num || '|' || instance_num) AS times FROM observation_fact WHERE concept_cd LIKE 'ICD10:E11%' GROUP BY patient_num HAVING count(DISTINCT start_date) >= 2 ORDER BY times DESC, patient_num LIMIT 10

-- querytool: demographics out of the patient dimension
SELECT count(*) FROM patient_dimension WHERE sex_cd = 'F' AND age_in_years_num BETWEEN 65 AND 74 AND vital_status_cd <> 'Y'

-- querytool: by age from birth date
SELECT count(*) FROM patient_dimension WHERE birth_date BETWEEN (CURRENT_DATE - INTERVAL '365.25 day' * 75) AND (CURRENT_DATE - INTERVAL '365.25 day' * 64)

-- querytool: by ZIP
SELECT zip_cd, count(*) FROM patient_dimension WHERE zip_cd LIKE '02%' OR statecityzip_path LIKE 'Zip codes\\Massachusetts\\%' GROUP BY zip_cd ORDER BY zip_cd LIMIT 10

-- querytool: breakdown by sex
SELECT p.sex_cd AS patient_range, count(DISTINCT p.patient_num) AS patient_count FROM patient_dimension p WHERE p.patient_num IN (SELECT patient_num FROM qt_patient_set_collection WHERE result_instance_id = 1) GROUP BY p.sex_cd ORDER BY 1

-- querytool: breakdown by age bands
SELECT CASE WHEN age_in_years_num < 18 THEN '0-17' WHEN age_in_years_num < 35 THEN '18-34' WHEN age_in_years_num < 65 THEN '35-64' WHEN age_in_years_num < 85 THEN '65-84' ELSE '85+' END AS band, count(DISTINCT patient_num) FROM patient_dimension WHERE patient_num = ANY (ARRAY(SELECT patient_num FROM qt_patient_set_collection WHERE result_instance_id = 1)) GROUP BY band ORDER BY band

-- querytool: breakdown by medication with names
SELECT c.name_char, count(DISTINCT f.patient_num) FROM observation_fact f JOIN qt_patient_set_collection s USING (patient_num) JOIN concept_dimension c USING (concept_cd) WHERE c.concept_path LIKE '\\i2b2\\Medications\\%' GROUP BY c.name_char ORDER BY 2 DESC

-- querytool: length of stay of a set
SELECT v.length_of_stay, count(*) FROM visit_dimension v WHERE (v.patient_num) IN (SELECT patient_num FROM qt_patient_set_collection WHERE result_instance_id = 1) AND v.inout_cd = 'I' GROUP BY 1 ORDER BY 1

-- querytool: a new query in its tables
WITH m AS (INSERT INTO qt_query_master (name, user_id, group_id, create_date, delete_flag, request_xml) VALUES ('Diab@11:02', 'demo', 'Demo', now(), 'N', '<query_definition/>') RETURNING query_master_id), i AS (INSERT INTO qt_query_instance (query_master_id, start_date, status_type_id) SELECT query_master_id, now(), 5 FROM m RETURNING query_instance_id) INSERT INTO qt_query_result_instance (query_instance_id, status_type_id) SELECT query_instance_id, 5 FROM i RETURNING result_instance_id > 0 AS made

-- querytool: save a patient set
INSERT INTO qt_patient_set_collection (result_instance_id, set_index, patient_num) SELECT 2, row_number() OVER (ORDER BY patient_num), patient_num FROM (SELECT DISTINCT patient_num FROM observation_fact WHERE concept_cd = 'ICD10:E11.9') t

-- querytool: size of the result
UPDATE qt_query_result_instance SET set_size = (SELECT count(DISTINCT patient_num) FROM qt_patient_set_collection WHERE result_instance_id = 1), status_type_id = 3 WHERE result_instance_id = 1

-- querytool: delete a query softly
UPDATE qt_query_master SET delete_flag = 'Y' WHERE query_master_id = 1 AND user_id = 'demo' RETURNING query_master_id, name

-- querytool: previous queries
SELECT query_master_id, name, user_id, to_char(create_date, 'DD-Mon-YYYY HH24:MI:SS') AS created FROM qt_query_master WHERE user_id = 'demo' AND delete_flag = 'N' ORDER BY create_date DESC LIMIT 20

-- querytool: its temporary tables
CREATE TEMP TABLE query_global_temp (encounter_num int, patient_num int, instance_num int, concept_cd varchar(50), start_date timestamp, provider_id varchar(50), panel_count int, fact_count int, fact_panels int);
INSERT INTO query_global_temp (patient_num, panel_count) WITH t AS (SELECT f.patient_num FROM observation_fact f WHERE f.concept_cd IN (SELECT concept_cd FROM concept_dimension WHERE concept_path LIKE '\\i2b2\\Diagnoses\\%') GROUP BY f.patient_num) SELECT t.patient_num, 0 AS panel_count FROM t;
UPDATE query_global_temp SET panel_count = 1 WHERE query_global_temp.panel_count = 0 AND EXISTS (SELECT 1 FROM observation_fact f WHERE f.concept_cd = 'ICD10:I10' AND f.patient_num = query_global_temp.patient_num);
SELECT count(DISTINCT patient_num) FROM query_global_temp WHERE panel_count = 1;
DROP TABLE query_global_temp;

-- ontology: the top
SELECT c_hlevel, c_fullname, c_name, c_visualattributes, c_basecode FROM i2b2 WHERE c_hlevel <= 1 AND c_synonym_cd = 'N' ORDER BY upper(c_name)

-- ontology: children of a folder
SELECT c_fullname, c_name, c_totalnum FROM i2b2 WHERE c_fullname LIKE '\\i2b2\\Diagnoses\\%' ESCAPE '\' AND c_hlevel = 1 + (SELECT c_hlevel FROM i2b2 WHERE c_fullname = '\i2b2\Diagnoses\' LIMIT 1) ORDER BY c_name

-- ontology: search
SELECT c_name, c_basecode, c_fullname FROM i2b2 WHERE upper(c_name) LIKE upper('%diab%') AND c_visualattributes NOT LIKE '_H%' ORDER BY c_hlevel, c_name LIMIT 200

-- ontology: levels out of paths
SELECT concept_path, string_to_array(trim(both '\' from concept_path), '\') AS parts, cardinality(string_to_array(trim(both '\' from concept_path), '\')) AS depth, (regexp_match(concept_path, '\(([A-Z]\d+)'))[1] AS code FROM concept_dimension ORDER BY concept_path

-- ontology: rolled up counts
SELECT o.c_name, (SELECT count(DISTINCT f.patient_num) FROM observation_fact f JOIN concept_dimension c ON c.concept_cd = f.concept_cd WHERE starts_with(c.concept_path, o.c_fullname)) AS n FROM i2b2 o ORDER BY o.c_fullname

-- ontology: totals by merge
MERGE INTO totalnum t USING (SELECT concept_path, count(DISTINCT patient_num)::int AS n FROM concept_dimension JOIN observation_fact USING (concept_cd) GROUP BY concept_path) s ON t.c_fullname = s.concept_path AND t.agg_date = CURRENT_DATE WHEN MATCHED THEN UPDATE SET agg_count = s.n WHEN NOT MATCHED THEN INSERT (c_fullname, agg_date, agg_count, typeflag_cd) VALUES (s.concept_path, CURRENT_DATE, s.n, 'PF')

-- ontology: units out of XML
SELECT c_basecode, (xpath('/ValueMetadata/UnitValues/NormalUnits/text()', c_metadataxml::xml))[1]::text AS units FROM i2b2 WHERE c_metadataxml IS NOT NULL ORDER BY 1

-- facts: what a patient set has
SELECT f.concept_cd, c.name_char, f.start_date, f.nval_num, f.units_cd, f.valueflag_cd FROM observation_fact f LEFT JOIN concept_dimension c USING (concept_cd) WHERE f.patient_num = 42 ORDER BY f.start_date DESC, f.concept_cd LIMIT 20

-- facts: with notes and providers
SELECT f.encounter_num, f.observation_blob, p.name_char FROM observation_fact f JOIN provider_dimension p USING (provider_id) WHERE f.patient_num IN (3, 4) ORDER BY f.start_date, f.instance_num LIMIT 5

-- facts: wide, one row a patient
SELECT patient_num, max(nval_num) FILTER (WHERE concept_cd = 'LOINC:4548-4') AS a1c_max, avg(nval_num) FILTER (WHERE concept_cd = 'LOINC:2160-0')::numeric(6,2) AS creat_avg, bool_or(concept_cd = 'ICD10:I10') AS htn, max(start_date) FILTER (WHERE concept_cd = 'NDC:00093') AS last_metformin FROM observation_fact GROUP BY patient_num ORDER BY patient_num LIMIT 10

-- facts: most recent value of each test
SELECT DISTINCT ON (patient_num, concept_cd) patient_num, concept_cd, nval_num, start_date FROM observation_fact WHERE valtype_cd = 'N' ORDER BY patient_num, concept_cd, start_date DESC, instance_num DESC LIMIT 10

-- facts: abnormal flags
SELECT concept_cd, coalesce(valueflag_cd, '-') AS flag, count(*), to_char(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY concept_cd), 'FM990.0') || ' %' AS share FROM observation_fact GROUP BY 1, 2 ORDER BY 1, 2

-- facts: modifiers
SELECT m.name_char, count(DISTINCT f.patient_num) FROM observation_fact f JOIN modifier_dimension m ON f.modifier_cd = m.modifier_cd WHERE m.modifier_path LIKE '\\Diagnosis\\%' GROUP BY m.name_char ORDER BY 1

-- facts: estimated GFR by a formula
SELECT f.patient_num, round((141 * power(least(f.nval_num / 0.9, 1), -0.411) * power(greatest(f.nval_num / 0.9, 1), -1.209) * power(0.993, p.age_in_years_num) * CASE p.sex_cd WHEN 'F' THEN 1.018 ELSE 1 END)::numeric, 1) AS egfr FROM observation_fact f JOIN patient_dimension p USING (patient_num) WHERE f.concept_cd = 'LOINC:2160-0' AND f.nval_num > 0 ORDER BY 1, f.start_date LIMIT 10

-- facts: suppress small cells
SELECT location_cd, CASE WHEN count(DISTINCT patient_num) < 10 THEN '<10' ELSE count(DISTINCT patient_num)::text END AS n FROM observation_fact GROUP BY location_cd

-- facts: codes that share patients (Jaccard)
WITH sets AS (SELECT concept_cd, array_agg(DISTINCT patient_num ORDER BY patient_num) AS ids FROM observation_fact GROUP BY concept_cd) SELECT a.concept_cd, b.concept_cd, round((SELECT count(*) FROM (SELECT unnest(a.ids) INTERSECT SELECT unnest(b.ids)) i)::numeric / (SELECT count(*) FROM (SELECT unnest(a.ids) UNION SELECT unnest(b.ids)) u), 3) AS jaccard FROM sets a JOIN sets b ON a.concept_cd < b.concept_cd ORDER BY 3 DESC, 1, 2

-- facts: visits with a code, joined by a VALUES list
SELECT v.inout_cd, w.label, count(*) FROM visit_dimension v JOIN observation_fact f USING (encounter_num, patient_num) JOIN (VALUES ('ICD10:E11.9', 'T2D'), ('ICD10:I10', 'HTN')) AS w(code, label) ON f.concept_cd = w.code GROUP BY 1, 2 ORDER BY 1, 2

-- facts: decode with lookups
SELECT p.patient_num, s.name_char AS sex, coalesce(r.name_char, p.race_cd) AS race, p.birth_date, p.zip_cd, p.patient_blob FROM patient_dimension p LEFT JOIN code_lookup s ON s.table_cd = 'patient_dimension' AND s.column_cd = 'sex_cd' AND s.code_cd = p.sex_cd LEFT JOIN code_lookup r ON r.column_cd = 'race_cd' AND r.code_cd = p.race_cd ORDER BY p.patient_num LIMIT 10

-- facts: hours to the first antihyperglycaemic
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d) / 3600) AS median_hours FROM (SELECT dx.patient_num, (SELECT min(rx.start_date) FROM observation_fact rx WHERE rx.patient_num = dx.patient_num AND rx.concept_cd = 'NDC:00093' AND rx.start_date >= dx.t) - dx.t AS d FROM (SELECT patient_num, min(start_date) AS t FROM observation_fact WHERE concept_cd = 'ICD10:E11.9' GROUP BY 1) dx) q WHERE d IS NOT NULL

-- facts: new patients a month, cumulative
SELECT month, n, sum(n) OVER (ORDER BY month) AS cumulative, n - lag(n, 1, 0::bigint) OVER (ORDER BY month) AS change FROM (SELECT to_char(min_date, 'YYYY-MM') AS month, count(*) AS n FROM (SELECT patient_num, min(start_date) AS min_date FROM visit_dimension GROUP BY patient_num) f GROUP BY 1) m ORDER BY month

-- mapping: how many numbers a source has
SELECT patient_ide_source, patient_ide_status, count(*) FROM patient_mapping GROUP BY 1, 2

-- mapping: numbers of a set, masked
SELECT m.patient_ide, m.patient_num, p.sex_cd FROM patient_mapping m JOIN patient_dimension p USING (patient_num) WHERE p.sex_cd = 'F' ORDER BY m.patient_num LIMIT 10

-- mapping: encounters without a visit
SELECT count(*) FROM encounter_mapping e WHERE NOT EXISTS (SELECT FROM visit_dimension v WHERE v.encounter_num = e.encounter_num)
