-- Two databases are made of this: the same in everything but what is labelled secret.
CREATE TABLE patients(id int PRIMARY KEY, ssn text UNIQUE, name text, dob date, mrn text, email text,
                      sex char(1), zip text, notes jsonb, weight numeric);
CREATE TABLE encounters(id int PRIMARY KEY, patient_id int REFERENCES patients(id),
                        admit timestamp, dept text, dx text, note text);
CREATE TABLE codes(dx text PRIMARY KEY, descr text);
INSERT INTO patients SELECT i, lpad((100+i)::text,3,'0')||'-'||lpad((i%90+10)::text,2,'0')||'-'||
    lpad((i*7%10000)::text,4,'0'), 'Name'||i, date '1950-01-01'+i*30, 'MRN'||lpad(i::text,7,'0'),
    'p'||i||'@example.org', CASE WHEN i%2=0 THEN 'F' ELSE 'M' END, lpad((i*13%100000)::text,5,'0'),
    jsonb_build_object('phone','555-010-'||lpad(i::text,4,'0')), 50+i FROM generate_series(1,200) i;
INSERT INTO encounters SELECT i, i%200+1, timestamp '2024-01-01' + i*interval '1 hour',
    (ARRAY['ICU','ER','OB'])[i%3+1], 'E'||(i%20), 'Pt Name'||(i%200+1)||' seen'
    FROM generate_series(1,1000) i;
INSERT INTO codes SELECT 'E'||i, 'disease '||i FROM generate_series(0,19) i;
CREATE VIEW v_pat AS SELECT id, ssn AS s, upper(name) n FROM patients;
CREATE VIEW v_deep AS SELECT v.id AS who, v.s || v.n AS joint FROM v_pat v JOIN encounters e ON e.patient_id = v.id WHERE e.dept = 'ICU';
CREATE VIEW v_hidden AS SELECT id FROM patients WHERE ssn < '2';
CREATE MATERIALIZED VIEW m_pat AS SELECT id, name AS who, sex FROM patients;
CREATE TABLE staff(id int PRIMARY KEY, name text, born date GENERATED ALWAYS AS (date '1980-01-01') STORED, initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
INSERT INTO staff SELECT i, 'Doc'||i FROM generate_series(1,5) i;
CREATE TABLE events(id int, at date, who text, what text) PARTITION BY RANGE (at);
CREATE TABLE events_23 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE events_24 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events SELECT i, date '2023-06-01' + i, 'Name'||i, 'x' FROM generate_series(1,300) i;
CREATE TABLE guarded(id int PRIMARY KEY, who text);
INSERT INTO guarded SELECT i, 'Name'||i FROM generate_series(1,20) i;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_name ON guarded USING (who < 'Name2');
CREATE TABLE dropped(a int, gone text, b text);
ALTER TABLE dropped DROP COLUMN gone;
INSERT INTO dropped SELECT i, 'b'||i FROM generate_series(1,5) i;
CREATE TABLE "Odd.Table"("Se cret" text, "pla""in" int);
INSERT INTO "Odd.Table" SELECT 'o'||i, i FROM generate_series(1,5) i;
CREATE TABLE checked(id int PRIMARY KEY, amount int, pin int, CHECK (amount <> pin));
INSERT INTO checked SELECT i, i, 5000+i FROM generate_series(1,5) i;
CREATE FUNCTION peek() RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM patients WHERE id = 1';
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM patients WHERE id = 1); RETURN NEW; END $$;
CREATE TABLE watched(id int PRIMARY KEY, x int);
CREATE TRIGGER loud BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION loud();
CREATE TABLE ruled(id int, x int);
CREATE RULE tell AS ON INSERT TO ruled DO ALSO SELECT ssn FROM patients WHERE id = 1;
CREATE DOMAIN short AS text CHECK (length(value) < 8);
CREATE SEQUENCE counter;
CREATE SCHEMA other;
CREATE TABLE other.patients(id int PRIMARY KEY, ssn text);
INSERT INTO other.patients VALUES (1, 'public knowledge');
GRANT USAGE ON SCHEMA public, other TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, other TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
