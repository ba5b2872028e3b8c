-- An i2b2 star: facts, dimensions, an ontology, and the tables that its query tool fills. Synthetic.
CREATE TABLE patient_dimension(patient_num int PRIMARY KEY, vital_status_cd varchar(50), birth_date timestamp, death_date timestamp,
    sex_cd varchar(50), age_in_years_num int, language_cd varchar(50), race_cd varchar(50), marital_status_cd varchar(50),
    religion_cd varchar(50), zip_cd varchar(10), statecityzip_path varchar(700), income_cd varchar(50), patient_blob text,
    update_date timestamp, sourcesystem_cd varchar(50), upload_id int);
CREATE TABLE patient_mapping(patient_ide varchar(200), patient_ide_source varchar(50), patient_num int NOT NULL,
    patient_ide_status varchar(50), project_id varchar(50), PRIMARY KEY (patient_ide, patient_ide_source, project_id));
CREATE TABLE encounter_mapping(encounter_ide varchar(200), encounter_ide_source varchar(50), encounter_num int, patient_ide varchar(200));
CREATE TABLE visit_dimension(encounter_num int, patient_num int, active_status_cd varchar(50), start_date timestamp, end_date timestamp,
    inout_cd varchar(50), location_cd varchar(50), location_path varchar(900), length_of_stay int, visit_blob text, PRIMARY KEY (encounter_num, patient_num));
CREATE TABLE provider_dimension(provider_id varchar(50), provider_path varchar(700), name_char varchar(850), PRIMARY KEY (provider_path, provider_id));
CREATE TABLE concept_dimension(concept_path varchar(700) PRIMARY KEY, concept_cd varchar(50), name_char varchar(2000), concept_blob text, sourcesystem_cd varchar(50));
CREATE TABLE modifier_dimension(modifier_path varchar(700) PRIMARY KEY, modifier_cd varchar(50), name_char varchar(2000));
CREATE TABLE observation_fact(encounter_num int, patient_num int, concept_cd varchar(50), provider_id varchar(50), start_date timestamp,
    modifier_cd varchar(100) DEFAULT '@', instance_num int DEFAULT 1, valtype_cd varchar(50), tval_char varchar(255), nval_num numeric(18,5),
    valueflag_cd varchar(50), quantity_num numeric, units_cd varchar(50), end_date timestamp, location_cd varchar(50), observation_blob text,
    confidence_num numeric, text_search_index serial, PRIMARY KEY (patient_num, concept_cd, modifier_cd, start_date, encounter_num, instance_num, provider_id));
CREATE TABLE i2b2(c_hlevel int, c_fullname varchar(700), c_name varchar(2000), c_synonym_cd char(1), c_visualattributes char(3), c_totalnum int,
    c_basecode varchar(50), c_metadataxml text, c_facttablecolumn varchar(50), c_tablename varchar(50), c_columnname varchar(50),
    c_columndatatype varchar(50), c_operator varchar(10), c_dimcode varchar(700), m_applied_path varchar(700));
CREATE TABLE qt_query_master(query_master_id serial PRIMARY KEY, name varchar(250), user_id varchar(50), group_id varchar(50), create_date timestamp, delete_flag varchar(3), request_xml text);
CREATE TABLE qt_query_instance(query_instance_id serial PRIMARY KEY, query_master_id int REFERENCES qt_query_master, start_date timestamp, end_date timestamp, status_type_id int);
CREATE TABLE qt_query_result_instance(result_instance_id serial PRIMARY KEY, query_instance_id int REFERENCES qt_query_instance, set_size int, status_type_id int);
CREATE TABLE qt_patient_set_collection(patient_set_coll_id bigserial PRIMARY KEY, result_instance_id int, set_index int, patient_num int);
CREATE TABLE code_lookup(table_cd varchar(100), column_cd varchar(100), code_cd varchar(50), name_char varchar(650), PRIMARY KEY (table_cd, column_cd, code_cd));
CREATE TABLE totalnum(c_fullname varchar(700), agg_date date, agg_count int, typeflag_cd varchar(3), PRIMARY KEY (c_fullname, agg_date));

INSERT INTO patient_dimension SELECT i, CASE WHEN i % 9 = 0 THEN 'Y' ELSE 'N' END, timestamp '1930-02-01' + i * interval '97 days', CASE WHEN i % 9 = 0 THEN timestamp '2019-01-01' + i * interval '1 day' END,
    (ARRAY['M','F'])[i % 2 + 1], 18 + i % 80, (ARRAY['english','spanish'])[i % 2 + 1], (ARRAY['white','black','asian'])[i % 3 + 1], (ARRAY['single','married'])[i % 2 + 1], 'none',
    lpad((i * 431 % 100000)::text, 5, '0'), 'Zip codes\Massachusetts\City' || i % 9 || '\' || lpad((i * 431 % 100000)::text, 5, '0') || '\', 'Low', '<name>P' || i || '</name>', timestamp '2020-01-01', 'DEMO', 1 FROM generate_series(1, 200) i;
INSERT INTO patient_mapping SELECT 'MRN' || i, 'HOSP', i, 'A', 'Demo' FROM generate_series(1, 200) i;
INSERT INTO visit_dimension SELECT 1000 + i, i % 200 + 1, 'F', timestamp '2016-01-01' + i * interval '31 hours', timestamp '2016-01-01' + i * interval '31 hours' + i % 6 * interval '1 day', (ARRAY['I','O','E'])[i % 3 + 1], 'W' || i % 5, '\Hosp\W' || i % 5 || '\', i % 6, NULL FROM generate_series(1, 600) i;
INSERT INTO encounter_mapping SELECT 'CSN' || i, 'HOSP', 1000 + i, 'MRN' || i % 200 + 1 FROM generate_series(1, 600) i;
INSERT INTO provider_dimension SELECT 'LCS-I2B2:D' || i, '\Providers\Medicine\D' || i || '\', 'Provider' || i || ', MD' FROM generate_series(1, 10) i;
INSERT INTO concept_dimension VALUES ('\i2b2\Diagnoses\', NULL, 'Diagnoses', NULL, 'DEMO'), ('\i2b2\Diagnoses\(E08-E13) Diabetes\', NULL, 'Diabetes', NULL, 'DEMO'), ('\i2b2\Diagnoses\(E08-E13) Diabetes\(E11) Type 2\', 'ICD10:E11.9', 'Type 2 diabetes', NULL, 'DEMO'),
    ('\i2b2\Diagnoses\(E08-E13) Diabetes\(E10) Type 1\', 'ICD10:E10.9', 'Type 1 diabetes', NULL, 'DEMO'), ('\i2b2\Diagnoses\(I10) Hypertension\', 'ICD10:I10', 'Essential hypertension', NULL, 'DEMO'),
    ('\i2b2\Labtests\LAB\(LLB16) Chemistry\A1C\', 'LOINC:4548-4', 'Hemoglobin A1c', NULL, 'DEMO'), ('\i2b2\Labtests\LAB\(LLB16) Chemistry\CREAT\', 'LOINC:2160-0', 'Creatinine', NULL, 'DEMO'), ('\i2b2\Medications\Metformin\', 'NDC:00093', 'Metformin', NULL, 'DEMO'),
    ('\i2b2\Demographics\Age\65-74\70\', 'DEM|AGE:70', '70 years old', NULL, 'DEMO');
INSERT INTO modifier_dimension VALUES ('\Diagnosis\Principal\', 'DIAG|TYPE:P', 'Principal diagnosis'), ('\Diagnosis\Secondary\', 'DIAG|TYPE:S', 'Secondary diagnosis');
INSERT INTO observation_fact(encounter_num, patient_num, concept_cd, provider_id, start_date, modifier_cd, instance_num, valtype_cd, tval_char, nval_num, valueflag_cd, units_cd, location_cd, observation_blob)
    SELECT v.encounter_num, v.patient_num, (ARRAY['ICD10:E11.9','ICD10:I10','LOINC:4548-4','LOINC:2160-0','NDC:00093','ICD10:E10.9'])[i % 6 + 1], 'LCS-I2B2:D' || i % 10 + 1, v.start_date + i % 5 * interval '1 hour',
    CASE WHEN i % 6 IN (0, 1, 5) THEN 'DIAG|TYPE:P' ELSE '@' END, i, CASE WHEN i % 6 IN (2, 3) THEN 'N' ELSE '@' END, CASE WHEN i % 6 IN (2, 3) THEN 'E' END, CASE WHEN i % 6 IN (2, 3) THEN 1 + i % 70 / 6.0 END, CASE WHEN i % 7 = 0 THEN 'H' END, '%', 'W1', 'Patient P' || v.patient_num
    FROM generate_series(1, 2400) i JOIN visit_dimension v ON v.encounter_num = 1001 + i % 600;
INSERT INTO i2b2 SELECT length(concept_path) - length(replace(concept_path, '\', '')) - 2, concept_path, name_char, 'N', CASE WHEN concept_cd IS NULL THEN 'FA ' ELSE 'LA ' END, NULL, concept_cd,
    CASE WHEN concept_cd LIKE 'LOINC%' THEN '<ValueMetadata><Version>3.02</Version><DataType>PosFloat</DataType><UnitValues><NormalUnits>mg/dL</NormalUnits></UnitValues></ValueMetadata>' END, 'concept_cd', 'concept_dimension', 'concept_path', 'T', 'LIKE', concept_path, '@' FROM concept_dimension;
INSERT INTO qt_query_master VALUES (1, 'Diabetes@10:00', 'demo', 'Demo', '2020-01-01', 'N', '<query/>');
INSERT INTO qt_query_instance VALUES (1, 1, '2020-01-01', '2020-01-01 00:01', 3);
INSERT INTO qt_query_result_instance VALUES (1, 1, 0, 3);
INSERT INTO qt_patient_set_collection(result_instance_id, set_index, patient_num) SELECT 1, i, i * 3 FROM generate_series(1, 60) i;
INSERT INTO code_lookup VALUES ('patient_dimension', 'sex_cd', 'M', 'Male'), ('patient_dimension', 'sex_cd', 'F', 'Female'), ('patient_dimension', 'race_cd', 'white', 'White');
SELECT setval('qt_query_master_query_master_id_seq', 10), setval('qt_query_instance_query_instance_id_seq', 10), setval('qt_query_result_instance_result_instance_id_seq', 10);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
ANALYZE;
