-- The OMOP common data model 5.4, as far as studies read it, and a study's own schema. Synthetic.
CREATE TABLE concept(concept_id int PRIMARY KEY, concept_name text NOT NULL, domain_id text NOT NULL,
    vocabulary_id text NOT NULL, concept_class_id text NOT NULL, standard_concept char(1),
    concept_code text NOT NULL, valid_start_date date NOT NULL, valid_end_date date NOT NULL, invalid_reason char(1));
CREATE TABLE concept_ancestor(ancestor_concept_id int, descendant_concept_id int, min_levels_of_separation int,
    max_levels_of_separation int, PRIMARY KEY (ancestor_concept_id, descendant_concept_id));
CREATE TABLE concept_relationship(concept_id_1 int, concept_id_2 int, relationship_id text,
    valid_start_date date, valid_end_date date, invalid_reason char(1));
CREATE TABLE concept_synonym(concept_id int, concept_synonym_name text, language_concept_id int);
CREATE TABLE vocabulary(vocabulary_id text PRIMARY KEY, vocabulary_name text, vocabulary_version text, settings jsonb);
CREATE TABLE location(location_id int PRIMARY KEY, address_1 text, city text, state char(2), zip text, county text,
    latitude numeric, longitude numeric);
CREATE TABLE care_site(care_site_id int PRIMARY KEY, care_site_name text, place_of_service_concept_id int, location_id int);
CREATE TABLE provider(provider_id int PRIMARY KEY, provider_name text, npi text, dea text, specialty_concept_id int,
    care_site_id int, year_of_birth int, gender_concept_id int);
CREATE TABLE person(person_id int PRIMARY KEY, gender_concept_id int NOT NULL, year_of_birth int NOT NULL,
    month_of_birth int, day_of_birth int, birth_datetime timestamp, race_concept_id int NOT NULL,
    ethnicity_concept_id int NOT NULL, location_id int REFERENCES location, provider_id int REFERENCES provider,
    care_site_id int, person_source_value text, gender_source_value text);
CREATE TABLE observation_period(observation_period_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    observation_period_start_date date NOT NULL, observation_period_end_date date NOT NULL, period_type_concept_id int);
CREATE TABLE visit_occurrence(visit_occurrence_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    visit_concept_id int NOT NULL, visit_start_date date NOT NULL, visit_start_datetime timestamptz,
    visit_end_date date NOT NULL, visit_end_datetime timestamptz, provider_id int, care_site_id int,
    visit_source_value text, discharged_to_concept_id int, preceding_visit_occurrence_id int);
CREATE TABLE condition_occurrence(condition_occurrence_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    condition_concept_id int NOT NULL, condition_start_date date NOT NULL, condition_end_date date,
    condition_type_concept_id int, visit_occurrence_id int REFERENCES visit_occurrence, condition_source_value text);
CREATE TABLE drug_exposure(drug_exposure_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    drug_concept_id int NOT NULL, drug_exposure_start_date date NOT NULL, drug_exposure_end_date date,
    refills int, quantity numeric, days_supply int, sig text, visit_occurrence_id int, drug_source_value text);
CREATE TABLE procedure_occurrence(procedure_occurrence_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    procedure_concept_id int NOT NULL, procedure_date date NOT NULL, visit_occurrence_id int);
CREATE TABLE measurement(measurement_id int PRIMARY KEY, person_id int NOT NULL REFERENCES person,
    measurement_concept_id int NOT NULL, measurement_date date NOT NULL, measurement_datetime timestamptz,
    value_as_number numeric, value_as_concept_id int, unit_concept_id int, range_low numeric, range_high numeric,
    visit_occurrence_id int, value_source_value text);
CREATE TABLE observation(observation_id int PRIMARY KEY, person_id int NOT NULL, observation_concept_id int,
    observation_date date, value_as_string text, value_as_number numeric);
CREATE TABLE note(note_id int PRIMARY KEY, person_id int NOT NULL, note_date date, note_title text, note_text text,
    visit_occurrence_id int, note_class_concept_id int);
CREATE TABLE death(person_id int PRIMARY KEY REFERENCES person, death_date date NOT NULL, cause_concept_id int);
CREATE TABLE device_exposure(device_exposure_id int PRIMARY KEY, person_id int NOT NULL, device_concept_id int,
    device_exposure_start_date date, unique_device_id text);
CREATE TABLE cost(cost_id int PRIMARY KEY, cost_event_id int, cost_domain_id text, total_charge numeric,
    total_paid numeric, paid_by_patient numeric, drg_source_value text);
CREATE TABLE drug_era(drug_era_id int PRIMARY KEY, person_id int, drug_concept_id int, drug_era_start_date date,
    drug_era_end_date date, drug_exposure_count int, gap_days int);
CREATE SCHEMA results;
CREATE TABLE results.cohort_definition(cohort_definition_id int PRIMARY KEY, cohort_definition_name text, expression jsonb, tags text[]);
CREATE TABLE results.cohort(cohort_definition_id int, subject_id int, cohort_start_date date, cohort_end_date date);
CREATE TABLE results.achilles_results(analysis_id int, stratum_1 text, stratum_2 text, count_value bigint, PRIMARY KEY (analysis_id, stratum_1, stratum_2));

INSERT INTO concept SELECT * FROM (VALUES
    (8507, 'MALE', 'Gender', 'Gender', 'Gender', 'S', 'M'), (8532, 'FEMALE', 'Gender', 'Gender', 'Gender', 'S', 'F'),
    (8527, 'White', 'Race', 'Race', 'Race', 'S', '5'), (8516, 'Black or African American', 'Race', 'Race', 'Race', 'S', '3'),
    (9201, 'Inpatient Visit', 'Visit', 'Visit', 'Visit', 'S', 'IP'), (9202, 'Outpatient Visit', 'Visit', 'Visit', 'Visit', 'S', 'OP'),
    (9203, 'Emergency Room Visit', 'Visit', 'Visit', 'Visit', 'S', 'ER'), (441840, 'Clinical finding', 'Condition', 'SNOMED', 'Clinical Finding', 'S', '404684003'),
    (201820, 'Diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', 'S', '73211009'), (201826, 'Type 2 diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', 'S', '44054006'),
    (201254, 'Type 1 diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', 'S', '46635009'), (316866, 'Hypertensive disorder', 'Condition', 'SNOMED', 'Disorder', 'S', '38341003'),
    (4329847, 'Myocardial infarction', 'Condition', 'SNOMED', 'Disorder', 'S', '22298006'), (132797, 'Sepsis', 'Condition', 'SNOMED', 'Disorder', 'S', '91302008'),
    (1503297, 'metformin', 'Drug', 'RxNorm', 'Ingredient', 'S', '6809'), (40163924, 'metformin 500 MG Oral Tablet', 'Drug', 'RxNorm', 'Clinical Drug', 'S', '861007'),
    (1310149, 'warfarin', 'Drug', 'RxNorm', 'Ingredient', 'S', '11289'), (1341927, 'enalapril', 'Drug', 'RxNorm', 'Ingredient', 'S', '3827'),
    (3004410, 'Hemoglobin A1c/Hemoglobin.total in Blood', 'Measurement', 'LOINC', 'Lab Test', 'S', '4548-4'), (3016723, 'Creatinine [Mass/volume] in Serum or Plasma', 'Measurement', 'LOINC', 'Lab Test', 'S', '2160-0'),
    (3004249, 'Systolic blood pressure', 'Measurement', 'LOINC', 'Clinical Observation', 'S', '8480-6'), (3047181, 'Lactate [Mass/volume] in Blood', 'Measurement', 'LOINC', 'Lab Test', 'S', '32693-4'),
    (45576876, 'Type 2 diabetes mellitus without complications', 'Condition', 'ICD10CM', '5-char billing code', NULL, 'E11.9')
    ) v(a, b, c, d, e, f, g), LATERAL (SELECT date '1970-01-01', date '2099-12-31', NULL::char(1)) w;
INSERT INTO concept_ancestor VALUES (441840,441840,0,0), (441840,201820,1,1), (441840,316866,1,1), (441840,4329847,1,1), (441840,132797,1,1), (201820,201820,0,0),
    (201820,201826,1,1), (201820,201254,1,1), (441840,201826,2,2), (441840,201254,2,2), (201826,201826,0,0), (1503297,1503297,0,0), (1503297,40163924,1,1), (1310149,1310149,0,0);
INSERT INTO concept_relationship VALUES (45576876, 201826, 'Maps to', '1970-01-01', '2099-12-31', NULL), (201826, 201820, 'Is a', '1970-01-01', '2099-12-31', NULL),
    (201254, 201820, 'Is a', '1970-01-01', '2099-12-31', NULL), (201820, 441840, 'Is a', '1970-01-01', '2099-12-31', NULL), (132797, 441840, 'Is a', '1970-01-01', '2099-12-31', NULL);
INSERT INTO concept_synonym VALUES (201826, 'NIDDM', 4180186), (201826, 'Diabetes mellitus type II', 4180186), (4329847, 'Heart attack', 4180186);
INSERT INTO vocabulary VALUES ('SNOMED', 'Systematic Nomenclature', '2024-02-01', '{"license": {"required": true, "level": 4}, "editions": ["US", "UK"]}'),
    ('LOINC', 'Logical Observation Identifiers', '2.77', '{"license": {"required": false}, "editions": ["INTL"]}'), ('RxNorm', 'RxNorm', '20240205', '{"license": {"required": false}, "editions": []}');
INSERT INTO location SELECT i, i || ' Oak Ave', 'City' || i % 12, (ARRAY['MA','NY','CA'])[i % 3 + 1], lpad((i * 613 % 100000)::text, 5, '0'), 'County' || i % 7, 42 + i / 100.0, -71 - i / 100.0 FROM generate_series(1, 80) i;
INSERT INTO care_site SELECT i, 'Site ' || i, 9201 + i % 3, i FROM generate_series(1, 6) i;
INSERT INTO provider SELECT i, 'Provider ' || i, (1000000000 + i)::text, 'AB' || i, 38004446 + i % 4, i % 6 + 1, 1950 + i, 8507 FROM generate_series(1, 25) i;
INSERT INTO person SELECT i, CASE WHEN i % 2 = 0 THEN 8532 ELSE 8507 END, 1928 + i * 7 % 80, i % 12 + 1, i % 28 + 1, make_timestamp(1928 + i * 7 % 80, i % 12 + 1, i % 28 + 1, 0, 0, 0),
    CASE WHEN i % 3 = 0 THEN 8516 ELSE 8527 END, 0, i % 80 + 1, i % 25 + 1, i % 6 + 1, 'MRN' || lpad(i::text, 8, '0'), CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END FROM generate_series(1, 300) i;
INSERT INTO observation_period SELECT i, i, date '2015-01-01' + i % 200, date '2019-01-01' + i * 5 % 900, 44814724 FROM generate_series(1, 300) i;
INSERT INTO visit_occurrence SELECT i, i % 300 + 1, (ARRAY[9201, 9202, 9203])[i % 3 + 1], date '2016-01-01' + i * 11 % 1400, timestamptz '2016-01-01 08:00+00' + (i * 11 % 1400) * interval '1 day',
    date '2016-01-01' + i * 11 % 1400 + i % 8, timestamptz '2016-01-01 17:00+00' + (i * 11 % 1400 + i % 8) * interval '1 day', i % 25 + 1, i % 6 + 1, (ARRAY['IP','OP','ER'])[i % 3 + 1], 0, NULLIF(i - 300, -abs(i - 300)) FROM generate_series(1, 900) i;
INSERT INTO condition_occurrence SELECT i, v.person_id, (ARRAY[201826, 316866, 4329847, 132797, 201254])[i % 5 + 1], v.visit_start_date, v.visit_end_date, 32817, v.visit_occurrence_id, (ARRAY['E11.9','I10','I21.4','A41.9','E10.9'])[i % 5 + 1]
    FROM generate_series(1, 1200) i JOIN visit_occurrence v ON v.visit_occurrence_id = i % 900 + 1;
INSERT INTO drug_exposure SELECT i, i % 300 + 1, (ARRAY[40163924, 1310149, 1341927, 1503297])[i % 4 + 1], date '2016-01-01' + i * 13 % 1400, date '2016-01-01' + i * 13 % 1400 + 30, i % 4, 30, 30, 'take one for patient ' || i, i % 900 + 1, '861007' FROM generate_series(1, 1000) i;
INSERT INTO procedure_occurrence SELECT i, i % 300 + 1, 4000 + i % 9, date '2016-03-01' + i * 7 % 1300, i % 900 + 1 FROM generate_series(1, 400) i;
INSERT INTO measurement SELECT i, v.person_id, (ARRAY[3004410, 3016723, 3004249, 3047181])[i % 4 + 1], v.visit_start_date, v.visit_start_datetime + i % 7 * interval '1 hour', (ARRAY[4.5, 0.6, 100, 0.5])[i % 4 + 1] + (i * 37 % 100) / 10.0, NULL, 8840, 0.5, 9.5, v.visit_occurrence_id, '7.2'
    FROM generate_series(1, 2000) i JOIN visit_occurrence v ON v.visit_occurrence_id = i % 900 + 1;
INSERT INTO observation SELECT i, i % 300 + 1, 4275495, date '2017-01-01' + i, 'said Provider ' || i, i % 10 FROM generate_series(1, 100) i;
INSERT INTO note SELECT i, i % 300 + 1, date '2017-01-01' + i, (ARRAY['Discharge summary','Progress note'])[i % 2 + 1], 'Patient ' || i || ' was seen', i % 900 + 1, 0 FROM generate_series(1, 200) i;
INSERT INTO death SELECT i, date '2019-06-01' + i, 4329847 FROM generate_series(7, 300, 11) i;
INSERT INTO device_exposure SELECT i, i * 5 % 300 + 1, 2200000 + i % 3, date '2018-01-01' + i, 'UDI' || i FROM generate_series(1, 50) i;
INSERT INTO cost SELECT i, i, 'Visit', 100 + i * 3.5, 80 + i * 2.5, i % 40, '470' FROM generate_series(1, 900) i;
INSERT INTO drug_era SELECT i, i % 300 + 1, 1503297, date '2016-01-01' + i % 300, date '2016-06-01' + i % 600, 3, i % 20 FROM generate_series(1, 300) i;
INSERT INTO results.cohort_definition VALUES (1, 'Type 2 diabetes, first', '{"ConceptSets": [{"id": 0, "expression": {"items": [{"concept": 201826, "includeDescendants": true}, {"concept": 201254, "isExcluded": true}]}}]}', '{endocrine,published}'),
    (2, 'Sepsis', '{"ConceptSets": []}', '{infection}');
INSERT INTO results.cohort SELECT 1, person_id, min(condition_start_date), min(condition_start_date) + 365 FROM condition_occurrence WHERE condition_concept_id = 201826 GROUP BY person_id;
INSERT INTO results.achilles_results VALUES (0, 'clinic', '', 300), (1, '', '', 300), (2, '8507', '', 150), (2, '8532', '', 150);
GRANT USAGE, CREATE ON SCHEMA public, results TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA results TO PUBLIC;
ANALYZE;
