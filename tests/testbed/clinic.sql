-- A synthetic clinic. Nothing in it is random: every run has the same rows, and no row is a person.
-- Run it in an empty database as a superuser; it creates the role "agent" when there is none.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent') THEN
        CREATE ROLE agent LOGIN;
    END IF;
END $$;

CREATE TABLE patients (
    id integer PRIMARY KEY,
    mrn text NOT NULL UNIQUE,
    ssn text NOT NULL UNIQUE,
    name text NOT NULL,
    dob date NOT NULL,
    sex char(1) NOT NULL CHECK (sex IN ('F', 'M')),
    email text,
    phone text,
    zip text NOT NULL,
    weight numeric(5, 1) CHECK (weight > 0),
    contact jsonb NOT NULL,
    portal_id uuid NOT NULL,
    last_seen timestamptz
);

CREATE TABLE codes (
    dx text PRIMARY KEY,
    description text NOT NULL
);

CREATE TABLE encounters (
    id integer PRIMARY KEY,
    patient_id integer NOT NULL REFERENCES patients (id),
    admitted timestamp NOT NULL,
    department text NOT NULL,
    dx text NOT NULL REFERENCES codes (dx),
    cost numeric(10, 2) NOT NULL,
    note text NOT NULL
);

INSERT INTO codes
SELECT 'E' || i, 'finding ' || i FROM generate_series(0, 19) AS i;

INSERT INTO patients
SELECT
    i,
    'MRN' || lpad(i::text, 7, '0'),
    -- Area numbers 900 to 999 are never issued: no row can be somebody's.
    (900 + i % 100)::text || '-' || lpad((i / 100 * 10 + i % 90 + 10)::text, 2, '0')
        || '-' || lpad((i * 7 % 10000)::text, 4, '0'),
    (ARRAY['Ada', 'Ben', 'Cora', 'Dan', 'Eva', 'Finn', 'Gus', 'Hana', 'Ida', 'Jon'])[i % 10 + 1]
        || ' Testcase' || lpad(i::text, 3, '0'),
    date '1930-03-01' + i * 133,
    CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END,
    CASE WHEN i % 11 <> 0 THEN 'patient' || i || '@clinic.example' END,
    CASE WHEN i % 7 <> 0 THEN '555-010-' || lpad(i::text, 4, '0') END,
    lpad((i * 479 % 100000)::text, 5, '0'),
    48.5 + i % 71,
    jsonb_build_object('kin', 'Kin of Testcase' || i, 'phone', '555-011-' || lpad(i::text, 4, '0')),
    ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
    timestamptz '2026-01-01 08:00+00' + i * interval '37 minutes'
FROM generate_series(1, 200) AS i;

INSERT INTO encounters
SELECT
    i,
    i % 200 + 1,
    timestamp '2025-01-01' + i * interval '1 hour',
    (ARRAY['ICU', 'ER', 'OB', 'GP'])[i % 4 + 1],
    'E' || i % 20,
    120 + i * 17 % 900,
    'Testcase' || lpad((i % 200 + 1)::text, 3, '0') || ' seen, MRN'
        || lpad((i % 200 + 1)::text, 7, '0') || ', follow up in ' || i % 6 + 1 || ' weeks'
FROM generate_series(1, 1000) AS i;

CREATE VIEW patient_names AS SELECT id, ssn AS s, upper(name) AS n FROM patients;

CREATE VIEW department_load AS
SELECT department, count(*) AS visits, sum(cost) AS cost FROM encounters GROUP BY department;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO agent;
GRANT CREATE, USAGE ON SCHEMA public TO agent;
ANALYZE;
