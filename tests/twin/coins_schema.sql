-- The twins of twin_coins.py: tokens, groups and generalised values.

CREATE TABLE people(id int PRIMARY KEY, pid int UNIQUE, big int8, ssn text UNIQUE, mrn varchar(80), uid uuid,
    code char(12), handle name, email text, name text, born date, age float8, years int, yob int, zipn int, zip text,
    day text, seen timestamptz, met timestamp, sex char(1), ward text, weight numeric, score int, rank int, alias text,
    tag text);

CREATE TABLE visits(id int PRIMARY KEY, pid int, mrn text, small int2, ward text, dept text, what text, on_day date);
CREATE INDEX visits_pid ON visits (pid);

CREATE TABLE wards(ward text PRIMARY KEY, floor int);
CREATE TABLE beds(ward text, no int, weight int);
CREATE TABLE later(ward text UNIQUE DEFERRABLE INITIALLY DEFERRED, n int);
CREATE TABLE partly(ward text, n int, live bool);
CREATE UNIQUE INDEX partly_ward ON partly (ward) WHERE live;

CREATE TABLE mixed(id int PRIMARY KEY, note text, at date, n int, txt text);
CREATE TABLE copies(id int PRIMARY KEY, born date, day text, zip text, age float8, yob int, zipn int, years int,
    name text, plain text, met timestamp);
CREATE TABLE parted(id int, ssn text, born date, at int) PARTITION BY RANGE (at);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (30);
CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (30) TO (90);
CREATE TABLE base(id int, ssn text);
CREATE TABLE derived(extra text) INHERITS (base);
CREATE TABLE made(id int PRIMARY KEY, ssn text, copy text GENERATED ALWAYS AS (ssn) STORED,
    born date, year date GENERATED ALWAYS AS (born + 0) STORED, ages int GENERATED ALWAYS AS ((date '2020-01-01' - born)) STORED);
CREATE VIEW v_people AS SELECT id, pid, ssn, mrn, born, zip, name FROM people;
CREATE VIEW v_mixed AS SELECT id, ssn AS t FROM people UNION ALL SELECT id, note FROM mixed;
CREATE VIEW v_years AS SELECT id, yob AS n FROM people UNION ALL SELECT id, zipn FROM people;
CREATE VIEW v_alias AS SELECT id, note AS ssn FROM mixed;
CREATE VIEW v_row AS SELECT p AS r, id FROM people p;
CREATE DOMAIN short AS text CHECK (length(value) < 8);
CREATE DOMAIN low AS int CHECK (value < 5000);
CREATE DOMAIN plain AS text;
CREATE TYPE pair AS (ssn text, born date);
CREATE TABLE pairs(id int PRIMARY KEY, two pair, list text[]);
DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'CREATE TABLE virtuals(id int PRIMARY KEY, ssn text, born date, same text GENERATED ALWAYS AS (ssn) VIRTUAL,
            again date GENERATED ALWAYS AS (born) VIRTUAL)';
    END IF;
END $$;
CREATE SEQUENCE counter;
CREATE SEQUENCE visits_id_seq;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO PUBLIC;
