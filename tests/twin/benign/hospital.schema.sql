-- A hospital's warehouse: clinical tables in the manner of MIMIC-IV, purchases and claims in the
-- manner of TPC-H. Synthetic, and the same in every run.
CREATE TABLE patients(subject_id int PRIMARY KEY, mrn text NOT NULL UNIQUE, ssn text UNIQUE,
    first_name text NOT NULL, last_name text NOT NULL, gender char(1) NOT NULL, dob date NOT NULL,
    dod date, race text, language text, zip text, phone text, email text, address text,
    anchor_age int NOT NULL, insurance_no text);
CREATE TABLE providers(provider_id int PRIMARY KEY, name text NOT NULL, specialty text NOT NULL, pager text);
CREATE TABLE admissions(hadm_id int PRIMARY KEY, subject_id int NOT NULL REFERENCES patients,
    admittime timestamp NOT NULL, dischtime timestamp, deathtime timestamp, admission_type text NOT NULL,
    admission_location text, discharge_location text, insurance text NOT NULL,
    provider_id int REFERENCES providers, hospital_expire_flag int NOT NULL);
CREATE TABLE icustays(stay_id int PRIMARY KEY, subject_id int NOT NULL REFERENCES patients,
    hadm_id int NOT NULL REFERENCES admissions, first_careunit text NOT NULL, last_careunit text NOT NULL,
    intime timestamp NOT NULL, outtime timestamp, los numeric);
CREATE TABLE transfers(transfer_id int PRIMARY KEY, subject_id int, hadm_id int, eventtype text,
    careunit text, intime timestamp, outtime timestamp);
CREATE TABLE d_icd(icd_code text, icd_version int, long_title text NOT NULL, PRIMARY KEY (icd_code, icd_version));
CREATE TABLE diagnoses(subject_id int NOT NULL, hadm_id int NOT NULL REFERENCES admissions, seq_num int NOT NULL,
    icd_code text NOT NULL, icd_version int NOT NULL, PRIMARY KEY (hadm_id, seq_num));
CREATE TABLE procedures(subject_id int NOT NULL, hadm_id int NOT NULL, seq_num int, chartdate date,
    icd_code text, icd_version int);
CREATE TABLE d_labitems(itemid int PRIMARY KEY, label text NOT NULL, fluid text, category text);
CREATE TABLE labevents(labevent_id int PRIMARY KEY, subject_id int NOT NULL, hadm_id int, itemid int NOT NULL,
    charttime timestamp NOT NULL, valuenum float8, valueuom text, ref_range_lower float8,
    ref_range_upper float8, flag text, comments text);
CREATE TABLE chartevents(stay_id int, itemid int, charttime timestamp, valuenum float8, warning bool);
CREATE TABLE prescriptions(pharmacy_id int PRIMARY KEY, subject_id int, hadm_id int, starttime timestamp,
    stoptime timestamp, drug text NOT NULL, route text, dose numeric, dose_unit text);
CREATE TABLE notes(note_id int PRIMARY KEY, subject_id int, hadm_id int, charttime timestamp, category text, body text);
CREATE TABLE devices(device_id int PRIMARY KEY, serial text, model text, subject_id int, implanted date);
CREATE TABLE orders_fhir(id int PRIMARY KEY, subject_id int, resource jsonb);
CREATE TABLE nation(n_nationkey int PRIMARY KEY, n_name text);
CREATE TABLE supplier(s_suppkey int PRIMARY KEY, s_name text, s_nationkey int REFERENCES nation, s_acctbal numeric);
CREATE TABLE item(i_itemkey int PRIMARY KEY, i_name text, i_type text, i_size int, i_retail numeric);
CREATE TABLE purchase(p_orderkey int PRIMARY KEY, p_suppkey int, p_date date, p_priority text, p_status char(1));
CREATE TABLE lineitem(l_orderkey int, l_linenumber int, l_itemkey int, l_quantity numeric, l_price numeric,
    l_discount numeric, l_tax numeric, l_returnflag char(1), l_shipdate date, l_receiptdate date,
    l_shipmode text, PRIMARY KEY (l_orderkey, l_linenumber));
CREATE TABLE payer(payer_id int PRIMARY KEY, payer_name text);
CREATE TABLE claim(claim_id int PRIMARY KEY, hadm_id int, payer_id int, policy_number text, submitted date,
    paid date, charged numeric, allowed numeric, status text);
CREATE VIEW cohort_base AS SELECT a.hadm_id, a.subject_id, p.gender, p.race, p.anchor_age, a.admission_type,
    a.insurance, a.admittime, a.dischtime, a.hospital_expire_flag
    FROM admissions a JOIN patients p USING (subject_id);
CREATE VIEW patient_card AS SELECT subject_id, last_name || ', ' || first_name AS name, mrn, dob, gender FROM patients;

INSERT INTO patients SELECT i, 'M' || lpad(i::text, 7, '0'), '9' || lpad(i::text, 8, '0'), 'First' || i, 'Last' || i % 90,
    CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END, date '1930-01-01' + i * 97, CASE WHEN i % 9 = 0 THEN date '2180-01-01' + i END,
    (ARRAY['WHITE','BLACK','ASIAN','HISPANIC','OTHER'])[i % 5 + 1], (ARRAY['EN','ES','ZH'])[i % 3 + 1],
    lpad((i * 317 % 100000)::text, 5, '0'), '555-01-' || i, 'p' || i || '@hospital.example', i || ' Elm St', 18 + i % 73, 'INS' || i
    FROM generate_series(1, 300) i;
INSERT INTO providers SELECT i, 'Dr Provider' || i, (ARRAY['CARD','NEUR','SURG','MED'])[i % 4 + 1], '77' || i FROM generate_series(1, 20) i;
INSERT INTO admissions SELECT 1000 + i, i % 300 + 1, timestamp '2150-01-01' + i * interval '13 hours',
    timestamp '2150-01-01' + i * interval '13 hours' + (i % 14 + 1) * interval '1 day',
    CASE WHEN i % 17 = 0 THEN timestamp '2150-01-01' + i * interval '13 hours' + interval '2 days' END,
    (ARRAY['EMERGENCY','ELECTIVE','URGENT'])[i % 3 + 1], (ARRAY['ER','CLINIC','TRANSFER'])[i % 3 + 1],
    (ARRAY['HOME','SNF','REHAB','DIED'])[i % 4 + 1], (ARRAY['Medicare','Medicaid','Other'])[i % 3 + 1], i % 20 + 1,
    (i % 17 = 0)::int FROM generate_series(1, 600) i;
INSERT INTO icustays SELECT 5000 + i, a.subject_id, a.hadm_id, (ARRAY['MICU','SICU','CCU'])[i % 3 + 1], (ARRAY['MICU','CCU'])[i % 2 + 1],
    a.admittime + interval '3 hours', a.admittime + interval '3 hours' + (i % 9 + 1) * interval '11 hours', (i % 9 + 1) * 11 / 24.0
    FROM generate_series(1, 200) i JOIN admissions a ON a.hadm_id = 1000 + i * 3;
INSERT INTO transfers SELECT i, i % 300 + 1, 1000 + i % 600 + 1, (ARRAY['admit','transfer','discharge'])[i % 3 + 1], (ARRAY['MICU','MED','SURG'])[i % 3 + 1],
    timestamp '2150-01-01' + i * interval '7 hours', timestamp '2150-01-02' + i * interval '7 hours' FROM generate_series(1, 600) i;
INSERT INTO d_icd SELECT (ARRAY['I10','E11','J18','N17','I50','A41'])[i], 10, (ARRAY['Hypertension','Type 2 diabetes','Pneumonia','Acute kidney failure','Heart failure','Sepsis'])[i] FROM generate_series(1, 6) i;
INSERT INTO diagnoses SELECT a.subject_id, a.hadm_id, s, (ARRAY['I10','E11','J18','N17','I50','A41'])[(a.hadm_id * s) % 6 + 1], 10 FROM admissions a, generate_series(1, 3) s;
INSERT INTO procedures SELECT subject_id, hadm_id, 1, admittime::date + 1, 'P' || hadm_id % 7, 10 FROM admissions;
INSERT INTO d_labitems VALUES (50912, 'Creatinine', 'Blood', 'Chemistry'), (50813, 'Lactate', 'Blood', 'Blood Gas'), (51222, 'Hemoglobin', 'Blood', 'Hematology'), (50931, 'Glucose', 'Blood', 'Chemistry');
INSERT INTO labevents SELECT i, a.subject_id, a.hadm_id, (ARRAY[50912, 50813, 51222, 50931])[i % 4 + 1], a.admittime + (i % 50) * interval '1 hour',
    (i % 37) / 3.0, 'mg/dL', 0.5, 9, CASE WHEN i % 5 = 0 THEN 'abnormal' END, 'seen by Last' || i % 90 FROM generate_series(1, 1500) i JOIN admissions a ON a.hadm_id = 1001 + i % 600;
INSERT INTO chartevents SELECT 5001 + i % 200, (ARRAY[220045, 220181, 223761])[i % 3 + 1], timestamp '2150-01-01' + i * interval '1 hour', 60 + i % 60, i % 19 = 0 FROM generate_series(1, 1500) i;
INSERT INTO prescriptions SELECT i, i % 300 + 1, 1001 + i % 600, timestamp '2150-01-01' + i * interval '9 hours', timestamp '2150-01-03' + i * interval '9 hours',
    (ARRAY['Heparin','Insulin','Vancomycin','Aspirin'])[i % 4 + 1], (ARRAY['IV','PO','SC'])[i % 3 + 1], i % 40, 'mg' FROM generate_series(1, 800) i;
INSERT INTO notes SELECT i, i % 300 + 1, 1001 + i % 600, timestamp '2150-01-01' + i * interval '9 hours', (ARRAY['DS','RR'])[i % 2 + 1], 'Mr Last' || i % 90 || ' was admitted' FROM generate_series(1, 200) i;
INSERT INTO devices SELECT i, 'SN' || i, (ARRAY['PACER','PUMP'])[i % 2 + 1], i * 3, date '2149-01-01' + i FROM generate_series(1, 60) i;
INSERT INTO orders_fhir SELECT i, i % 300 + 1, jsonb_build_object('resourceType', 'ServiceRequest', 'subject', 'Last' || i % 90) FROM generate_series(1, 60) i;
INSERT INTO nation SELECT i, (ARRAY['FRANCE','GERMANY','JAPAN','BRAZIL','CANADA'])[i] FROM generate_series(1, 5) i;
INSERT INTO supplier SELECT i, 'Supplier ' || i, i % 5 + 1, i * 10.5 FROM generate_series(1, 30) i;
INSERT INTO item SELECT i, 'Item ' || i, (ARRAY['SYRINGE','GLOVE','STENT'])[i % 3 + 1], i % 50, i * 1.1 FROM generate_series(1, 100) i;
INSERT INTO purchase SELECT i, i % 30 + 1, date '2149-01-01' + i, (ARRAY['1-URGENT','2-HIGH','3-LOW'])[i % 3 + 1], (ARRAY['O','F'])[i % 2 + 1] FROM generate_series(1, 300) i;
INSERT INTO lineitem SELECT i % 300 + 1, i / 300 + 1, i % 100 + 1, i % 50 + 1, i * 2.5, (i % 10) / 100.0, 0.07, (ARRAY['A','N','R'])[i % 3 + 1],
    date '2149-01-01' + i % 400, date '2149-01-05' + i % 400, (ARRAY['AIR','MAIL','TRUCK'])[i % 3 + 1] FROM generate_series(0, 899) i;
INSERT INTO payer VALUES (1, 'Medicare'), (2, 'Acme Health'), (3, 'Self');
INSERT INTO claim SELECT i, 1000 + i, i % 3 + 1, 'POL' || i, date '2150-02-01' + i, date '2150-03-01' + i, 100 * i, 80 * i, (ARRAY['PAID','DENIED','OPEN'])[i % 3 + 1] FROM generate_series(1, 600) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;
ANALYZE;
