-- The synthetic clinic of clinic.sql for MariaDB and MySQL: the same tables, and the same rows.

CREATE TABLE patients (
    id integer PRIMARY KEY,
    mrn varchar(20) NOT NULL UNIQUE,
    ssn varchar(11) NOT NULL UNIQUE,
    name varchar(100) NOT NULL,
    dob date NOT NULL,
    sex char(1) NOT NULL,
    email varchar(100),
    phone varchar(30),
    zip varchar(10) NOT NULL,
    weight decimal(5, 1),
    contact json NOT NULL,
    portal_id char(36) NOT NULL,
    last_seen timestamp NULL
);

CREATE TABLE codes (
    dx varchar(10) PRIMARY KEY,
    description varchar(100) NOT NULL
);

CREATE TABLE encounters (
    id integer PRIMARY KEY,
    patient_id integer NOT NULL,
    admitted datetime NOT NULL,
    department varchar(10) NOT NULL,
    dx varchar(10) NOT NULL,
    cost decimal(10, 2) NOT NULL,
    note text NOT NULL,
    FOREIGN KEY (patient_id) REFERENCES patients (id),
    FOREIGN KEY (dx) REFERENCES codes (dx)
);

INSERT INTO codes
WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < 19)
SELECT concat('E', i), concat('finding ', i) FROM numbers;

INSERT INTO patients
WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 200)
SELECT
    i,
    concat('MRN', lpad(i, 7, '0')),
    concat(900 + i % 100, '-', lpad(i DIV 100 * 10 + i % 90 + 10, 2, '0'), '-',
        lpad(i * 7 % 10000, 4, '0')),
    concat(elt(i % 10 + 1, 'Ada', 'Ben', 'Cora', 'Dan', 'Eva', 'Finn', 'Gus', 'Hana', 'Ida', 'Jon'),
        ' Testcase', lpad(i, 3, '0')),
    date '1930-03-01' + INTERVAL i * 133 DAY,
    if(i % 2 = 0, 'F', 'M'),
    if(i % 11 <> 0, concat('patient', i, '@clinic.example'), NULL),
    if(i % 7 <> 0, concat('555-010-', lpad(i, 4, '0')), NULL),
    lpad(i * 479 % 100000, 5, '0'),
    48.5 + i % 71,
    json_object('kin', concat('Kin of Testcase', i), 'phone', concat('555-011-', lpad(i, 4, '0'))),
    concat('00000000-0000-4000-8000-', lpad(i, 12, '0')),
    timestamp '2026-01-01 08:00:00' + INTERVAL i * 37 MINUTE
FROM numbers;

INSERT INTO encounters
WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 1000)
SELECT
    i,
    i % 200 + 1,
    timestamp '2025-01-01 00:00:00' + INTERVAL i HOUR,
    elt(i % 4 + 1, 'ICU', 'ER', 'OB', 'GP'),
    concat('E', i % 20),
    120 + i * 17 % 900,
    concat('Testcase', lpad(i % 200 + 1, 3, '0'), ' seen, MRN', lpad(i % 200 + 1, 7, '0'),
        ', follow up in ', i % 6 + 1, ' weeks')
FROM numbers;

CREATE VIEW patient_names AS SELECT id, ssn AS s, upper(name) AS n FROM patients;

CREATE VIEW department_load AS
SELECT department, count(*) AS visits, sum(cost) AS cost FROM encounters GROUP BY department;
