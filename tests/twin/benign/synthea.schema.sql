-- An operational record: Synthea's tables in schema ehr, flowsheets and scheduling in the manner of Clarity, documents, marts. Synthetic.
CREATE SCHEMA ehr;
CREATE SCHEMA mart;
CREATE TYPE ehr.appt_status AS ENUM ('scheduled', 'arrived', 'completed', 'no_show', 'cancelled');
CREATE TABLE ehr.organizations(id uuid PRIMARY KEY, name text NOT NULL, city text, state text, zip text, utilization int, settings jsonb);
CREATE TABLE ehr.providers(id uuid PRIMARY KEY, organization uuid REFERENCES ehr.organizations, name text, gender char(1), speciality text, npi text);
CREATE TABLE ehr.payers(id uuid PRIMARY KEY, name text, ownership text, amount_covered numeric);
CREATE TABLE ehr.patients(id uuid PRIMARY KEY, birthdate date NOT NULL, deathdate date, ssn text, drivers text, passport text, prefix text, first text,
    last text, maiden text, marital char(1), race text, ethnicity text, gender char(1), birthplace text, address text, city text, state text, county text,
    zip text, lat numeric, lon numeric, healthcare_expenses numeric, healthcare_coverage numeric, income int, email text, phone text, preferences jsonb);
CREATE TABLE ehr.encounters(id uuid PRIMARY KEY, start timestamptz NOT NULL, stop timestamptz, patient uuid NOT NULL REFERENCES ehr.patients, organization uuid,
    provider uuid, payer uuid, encounterclass text NOT NULL, code text NOT NULL, description text, base_encounter_cost numeric, total_claim_cost numeric, payer_coverage numeric, reasoncode text);
CREATE TABLE ehr.conditions(start date, stop date, patient uuid, encounter uuid, code text, description text);
CREATE TABLE ehr.medications(start timestamptz, stop timestamptz, patient uuid, payer uuid, encounter uuid, code text, description text, base_cost numeric, dispenses int, totalcost numeric, reasoncode text);
CREATE TABLE ehr.observations(date timestamptz, patient uuid, encounter uuid, category text, code text, description text, value text, units text, type text);
CREATE TABLE ehr.immunizations(date timestamptz, patient uuid, encounter uuid, code text, description text, base_cost numeric);
CREATE TABLE ehr.appointments(appt_id bigserial PRIMARY KEY, patient uuid, provider uuid, department text, starts timestamptz, minutes int, status ehr.appt_status NOT NULL, reason text);
CREATE TABLE ehr.bed_events(event_id bigserial PRIMARY KEY, unit text, bed text, event text, at timestamp, encounter uuid);
CREATE TABLE ehr.notes(note_id bigserial PRIMARY KEY, patient uuid, encounter uuid, type text, author text, written timestamptz, body text);
CREATE TABLE ehr.messages(id bigserial PRIMARY KEY, patient uuid, sent timestamptz, subject text, body text, is_read bool DEFAULT false);
CREATE TABLE ehr.departments(department text PRIMARY KEY, specialty text, opens time, closes time, tags text[], hours int4range);
CREATE TABLE ehr.job_runs(id bigserial PRIMARY KEY, job text, started timestamptz, finished timestamptz, ok bool, rows bigint, meta jsonb, host inet);
CREATE TABLE mart.daily_volume(day date, department text, n int NOT NULL, updated timestamptz DEFAULT now(), PRIMARY KEY (day, department));
CREATE TABLE mart.kpi(kpi_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, value numeric, target numeric, note text);
CREATE VIEW mart.patient_summary AS SELECT p.id, p.first || ' ' || p.last AS name, p.gender, p.birthdate, p.zip, count(e.id) AS encounters, max(e.start) AS last_seen
    FROM ehr.patients p LEFT JOIN ehr.encounters e ON e.patient = p.id GROUP BY p.id;
CREATE FUNCTION pg_temp.u(kind int, i int) RETURNS uuid LANGUAGE sql AS $$ SELECT (lpad(kind::text, 8, '0') || '-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid $$;
INSERT INTO ehr.organizations SELECT pg_temp.u(1, i), 'Hospital ' || i, 'Town' || i, 'MA', '0210' || i, i * 100, jsonb_build_object('tier', i % 3, 'services', jsonb_build_array('lab', 'er'), 'contact', jsonb_build_object('ext', 100 + i)) FROM generate_series(1, 5) i;
INSERT INTO ehr.providers SELECT pg_temp.u(2, i), pg_temp.u(1, i % 5 + 1), 'Dr ' || i, 'F', (ARRAY['GENERAL PRACTICE','CARDIOLOGY','ONCOLOGY'])[i % 3 + 1], (1800000000 + i)::text FROM generate_series(1, 15) i;
INSERT INTO ehr.payers SELECT pg_temp.u(3, i), (ARRAY['Medicare','Medicaid','Aetna','NO_INSURANCE'])[i], (ARRAY['GOVERNMENT','GOVERNMENT','PRIVATE','NO_INSURANCE'])[i], i * 1000 FROM generate_series(1, 4) i;
INSERT INTO ehr.patients SELECT pg_temp.u(4, i), date '1932-01-01' + i * 113, CASE WHEN i % 13 = 0 THEN date '2019-01-01' + i END, '999-' || lpad((i % 90)::text, 2, '0') || '-' || lpad(i::text, 4, '0'), 'S' || i, 'X' || i, 'Mr.', 'First' || i, 'Last' || i % 60, NULL, (ARRAY['M','S'])[i % 2 + 1],
    (ARRAY['white','black','asian'])[i % 3 + 1], (ARRAY['hispanic','nonhispanic'])[i % 2 + 1], (ARRAY['M','F'])[i % 2 + 1], 'Town' || i % 9, i || ' Main St', 'Town' || i % 9, 'Massachusetts', 'County' || i % 5, lpad((i * 271 % 100000)::text, 5, '0'), 42 + i / 1000.0, -71 - i / 1000.0, 1000 + i * 10.5, 800 + i, 20000 + i * 321,
    'p' || i || '@example.org', '555-010-' || i, jsonb_build_object('language', (ARRAY['en','es'])[i % 2 + 1], 'reminders', i % 2 = 0) FROM generate_series(1, 250) i;
INSERT INTO ehr.encounters SELECT pg_temp.u(5, i), timestamptz '2017-01-01 08:00+00' + i * interval '29 hours', timestamptz '2017-01-01 08:15+00' + i * interval '29 hours' + i % 5 * interval '17 hours', pg_temp.u(4, i % 250 + 1), pg_temp.u(1, i % 5 + 1), pg_temp.u(2, i % 15 + 1), pg_temp.u(3, i % 4 + 1),
    (ARRAY['ambulatory','emergency','inpatient','wellness','urgentcare'])[i % 5 + 1], (ARRAY['185345009','50849002','183452005'])[i % 3 + 1], 'Encounter', 77.49, 100 + i % 900, 60 + i % 700, CASE WHEN i % 4 = 0 THEN '44054006' END FROM generate_series(1, 1000) i;
INSERT INTO ehr.conditions SELECT e.start::date, CASE WHEN i % 3 = 0 THEN e.start::date + 20 END, e.patient, e.id, (ARRAY['44054006','59621000','91302008','195662009'])[i % 4 + 1], (ARRAY['Diabetes mellitus type 2 (disorder)','Essential hypertension (disorder)','Sepsis (disorder)','Acute viral pharyngitis (disorder)'])[i % 4 + 1] FROM generate_series(1, 900) i JOIN ehr.encounters e ON e.id = pg_temp.u(5, i);
INSERT INTO ehr.medications SELECT e.start, e.start + interval '30 days' * (i % 6 + 1), e.patient, e.payer, e.id, (ARRAY['860975','314076','197361'])[i % 3 + 1], (ARRAY['24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet','lisinopril 10 MG Oral Tablet','amlodipine 5 MG Oral Tablet'])[i % 3 + 1], 12.5, i % 6 + 1, 12.5 * (i % 6 + 1), NULL FROM generate_series(1, 700) i JOIN ehr.encounters e ON e.id = pg_temp.u(5, i);
INSERT INTO ehr.observations SELECT e.start + i % 5 * interval '7 minutes', e.patient, e.id, 'vital-signs', (ARRAY['8480-6','8462-4','8867-4','2708-6','72166-2'])[i % 5 + 1], (ARRAY['Systolic Blood Pressure','Diastolic Blood Pressure','Heart rate','Oxygen saturation','Tobacco smoking status'])[i % 5 + 1],
    CASE i % 5 WHEN 4 THEN 'Never smoked tobacco' ELSE (60 + i % 90)::text || '.' || i % 10 END, (ARRAY['mm[Hg]','mm[Hg]','/min','%','{nominal}'])[i % 5 + 1], CASE i % 5 WHEN 4 THEN 'text' ELSE 'numeric' END FROM generate_series(1, 3000) i JOIN ehr.encounters e ON e.id = pg_temp.u(5, i % 1000 + 1);
INSERT INTO ehr.immunizations SELECT e.start, e.patient, e.id, '140', 'Influenza, seasonal, injectable, preservative free', 140.52 FROM ehr.encounters e WHERE e.encounterclass = 'wellness';
INSERT INTO ehr.appointments(patient, provider, department, starts, minutes, status, reason) SELECT pg_temp.u(4, i % 250 + 1), pg_temp.u(2, i % 15 + 1), 'D' || i % 4, timestamptz '2020-01-06 08:00+00' + i * interval '45 minutes', 15 + i % 3 * 15, (enum_range(NULL::ehr.appt_status))[i % 5 + 1], 'call P' || i FROM generate_series(1, 600) i;
INSERT INTO ehr.bed_events(unit, bed, event, at, encounter) SELECT 'U' || i % 3, 'B' || i % 10, (ARRAY['in','out'])[i % 2 + 1], timestamp '2020-01-01' + i * interval '3 hours', pg_temp.u(5, i) FROM generate_series(1, 300) i;
INSERT INTO ehr.notes(patient, encounter, type, author, written, body) SELECT e.patient, e.id, (ARRAY['Progress','Discharge','Triage'])[i % 3 + 1], 'Dr ' || i % 15, e.start, 'Patient First' || i || ' came' FROM generate_series(1, 300) i JOIN ehr.encounters e ON e.id = pg_temp.u(5, i);
INSERT INTO ehr.messages(patient, sent, subject, body) SELECT pg_temp.u(4, i), timestamptz '2020-01-01' + i * interval '5 hours', 'Refill', 'Please' FROM generate_series(1, 60) i;
INSERT INTO ehr.departments SELECT 'D' || i, (ARRAY['Cardiology','Oncology','Primary Care','Surgery'])[i + 1], time '08:00', time '17:00', ARRAY['adult', CASE WHEN i % 2 = 0 THEN 'tele' ELSE 'onsite' END], int4range(8, 17) FROM generate_series(0, 3) i;
INSERT INTO ehr.job_runs(job, started, finished, ok, rows, meta, host) SELECT (ARRAY['load','dq','mart'])[i % 3 + 1], timestamptz '2020-02-01' + i * interval '1 hour', timestamptz '2020-02-01' + i * interval '1 hour' + i % 50 * interval '1 minute', i % 10 <> 0, i * 1000, jsonb_build_object('attempt', i % 3, 'steps', jsonb_build_array(jsonb_build_object('name', 'extract', 'seconds', i), jsonb_build_object('name', 'load', 'seconds', i * 2))), '10.0.0.1' FROM generate_series(1, 90) i;
INSERT INTO mart.daily_volume(day, department, n) SELECT date '2020-01-01' + i / 4, 'D' || i % 4, i % 30 FROM generate_series(0, 119) i;
INSERT INTO mart.kpi(name, value, target) VALUES ('readmissions', 14.2, 12), ('lwbs', 2.1, 2);
GRANT USAGE, CREATE ON SCHEMA ehr, mart, public TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ehr, mart TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ehr, mart TO PUBLIC;
ANALYZE;
