-- The twins' common template: every kind of object that a value can hide in or leave by. Two
-- databases are cloned from it, so that even their OIDs agree; twin_fill.sql then gives each other
-- secrets. Names of the issue's corpus (patients, encounters, codes, v_pat) keep its columns.

CREATE TABLE patients(id int PRIMARY KEY, ssn text UNIQUE, name text, dob date, mrn text, email text,
                      sex char(1), zip text, notes jsonb, weight numeric);
CREATE TABLE encounters(id int PRIMARY KEY, patient_id int REFERENCES patients(id),
                        admit timestamp, dept text, dx text, note text);
CREATE TABLE codes(dx text PRIMARY KEY, descr text);

-- views, to any depth and with every way to choose rows
CREATE VIEW v_pat AS SELECT id, ssn AS s, upper(name) n FROM patients;
CREATE VIEW v_deep AS SELECT v.id AS who, v.s || v.n AS joint FROM v_pat v
    JOIN encounters e ON e.patient_id = v.id WHERE e.dept = 'ICU';
CREATE VIEW v_hidden AS SELECT id FROM patients WHERE ssn < '2';
CREATE VIEW v_sorted AS SELECT id FROM patients ORDER BY name LIMIT 20;
CREATE VIEW v_sexes AS SELECT sex, count(*) AS n, max(name) AS last FROM patients GROUP BY sex;
CREATE VIEW v_barrier WITH (security_barrier) AS SELECT id, name, sex FROM patients WHERE weight > 60;
CREATE VIEW v_check AS SELECT id, name, weight FROM patients WHERE name > 'M' WITH CHECK OPTION;
CREATE VIEW v_open AS SELECT id, weight, sex FROM patients WHERE weight > 0 WITH CHECK OPTION;
CREATE VIEW v_star AS SELECT * FROM patients;
CREATE VIEW v_row AS SELECT p AS r, p.id FROM patients p;
CREATE RECURSIVE VIEW v_rec(n, who) AS
    SELECT id, name FROM patients WHERE id = 1
    UNION ALL SELECT p.id, p.name FROM v_rec r JOIN patients p ON p.id = r.n + 1 WHERE r.n < 5;
CREATE VIEW v_union AS SELECT id, name AS t FROM patients UNION ALL SELECT id, dept FROM encounters;
CREATE VIEW v_window AS SELECT id, rank() OVER (ORDER BY ssn) AS r FROM patients;
CREATE MATERIALIZED VIEW m_pat AS SELECT id, name AS who, sex FROM patients;
CREATE MATERIALIZED VIEW m_deep AS SELECT who AS w2, id FROM m_pat;

-- generated columns
CREATE TABLE staff(id int PRIMARY KEY, name text,
    born date GENERATED ALWAYS AS (date '1980-01-01') STORED,
    initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
CREATE TABLE derived(id int PRIMARY KEY, a int, pin int,
    q int GENERATED ALWAYS AS (1000 / (a - pin)) STORED);

-- partitions: by a public key, and by a secret one
CREATE TABLE events(id int, at date, who text, what text) PARTITION BY RANGE (at);
CREATE TABLE events_23 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE events_24 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE wards(id int, ward text, n int) PARTITION BY LIST (ward);
CREATE TABLE wards_a PARTITION OF wards FOR VALUES IN ('a');
CREATE TABLE wards_b PARTITION OF wards FOR VALUES IN ('b');
CREATE TABLE wards_x PARTITION OF wards DEFAULT;

-- inheritance: labelled on the parent alone
CREATE TABLE person(id int, name text);
CREATE TABLE doctor(grade int) INHERITS (person);
CREATE TABLE surgeon(tool text) INHERITS (doctor);

-- row security, dropped columns, odd names
CREATE TABLE guarded(id int PRIMARY KEY, who text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_name ON guarded USING (who < 'Name2');
CREATE TABLE fenced(id int PRIMARY KEY, pin int, x int);
ALTER TABLE fenced ENABLE ROW LEVEL SECURITY;
CREATE POLICY fence_read ON fenced FOR SELECT USING (true);
CREATE POLICY fence_write ON fenced FOR UPDATE USING (true) WITH CHECK (x <> pin);
CREATE TABLE dropped(a int, gone text, b text);
ALTER TABLE dropped DROP COLUMN gone;
CREATE TABLE "Odd.Table"("Se cret" text, "pla""in" int);
CREATE SCHEMA "We.ird";
CREATE TABLE "We.ird"."T""able"(id int, "naïve" text);

-- constraints that compare
CREATE TABLE checked(id int PRIMARY KEY, amount int, pin int, CHECK (amount <> pin));
CREATE TABLE booked(id int PRIMARY KEY, during int4range, note text, EXCLUDE USING gist (during WITH &&));
CREATE TABLE partly(id int PRIMARY KEY, code text, live bool);
CREATE UNIQUE INDEX partly_live ON partly (code) WHERE live;
CREATE TABLE lowered(id int PRIMARY KEY, handle text);
CREATE UNIQUE INDEX lowered_handle ON lowered (lower(handle));
CREATE TABLE account(mrn text PRIMARY KEY, n int UNIQUE);
CREATE TABLE ledger(id int PRIMARY KEY, mrn text REFERENCES account(mrn) ON UPDATE CASCADE, amount int);
CREATE TABLE root(id int PRIMARY KEY, x int);
CREATE TABLE branch(id int PRIMARY KEY, root_id int REFERENCES root(id) ON DELETE CASCADE, pin int UNIQUE);
CREATE TABLE leaf(id int PRIMARY KEY, pin int REFERENCES branch(pin));
CREATE TABLE twig(id int PRIMARY KEY, root_id int REFERENCES root(id) ON DELETE SET NULL, pin int,
                  CHECK (root_id IS NOT NULL OR pin > 50));

-- constraints that look at what a write does not mention
CREATE TABLE nulled(id int PRIMARY KEY, pin int UNIQUE NULLS NOT DISTINCT, x int);
CREATE TABLE blanked(id int PRIMARY KEY, handle text, x int);
CREATE UNIQUE INDEX blanked_handle ON blanked (coalesce(handle, ''));
CREATE TABLE barred(id int PRIMARY KEY, during int4range, x int,
    EXCLUDE USING gist (coalesce(during, int4range(0, 5)) WITH &&));
CREATE TABLE tariff(plan int, grade text, x int, PRIMARY KEY (plan, grade));
CREATE TABLE cover(id int PRIMARY KEY, plan int, grade text, x int,
    FOREIGN KEY (plan, grade) REFERENCES tariff);
CREATE TABLE cover_full(id int PRIMARY KEY, plan int, grade text,
    FOREIGN KEY (plan, grade) REFERENCES tariff MATCH FULL);
CREATE TABLE cover_late(id int PRIMARY KEY, plan int, grade text, UNIQUE (plan, grade) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (plan, grade) REFERENCES tariff ON UPDATE CASCADE ON DELETE SET NULL (grade)
    DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE packed(id int PRIMARY KEY, x int, fill text, pin text);
ALTER TABLE packed ALTER fill SET STORAGE PLAIN, ALTER pin SET STORAGE PLAIN;
CREATE DOMAIN preset AS text DEFAULT 'Qanary preset';
CREATE TABLE presets(id int PRIMARY KEY, code preset UNIQUE, x int);
CREATE TABLE numbered(id int PRIMARY KEY, no int GENERATED BY DEFAULT AS IDENTITY UNIQUE);
DO $$ BEGIN
    EXECUTE 'CREATE TABLE wide(id int PRIMARY KEY, x int, fill text, '
        || (SELECT string_agg('c' || i || ' text', ', ') FROM generate_series(1, 406) i) || ')';
END $$;
CREATE TABLE numbers(n int PRIMARY KEY);

-- partitions that ask more of a row than their parent does: rows may be moved into them
CREATE TABLE moving(id int, at int, who text, pin int, x int,
    q int GENERATED ALWAYS AS (1) STORED) PARTITION BY RANGE (at);
CREATE TABLE moving_0 PARTITION OF moving FOR VALUES FROM (0) TO (10);
CREATE TABLE moving_unique PARTITION OF moving FOR VALUES FROM (10) TO (20);
CREATE UNIQUE INDEX moving_who ON moving_unique (who);
CREATE TABLE moving_checked PARTITION OF moving FOR VALUES FROM (20) TO (30);
ALTER TABLE moving_checked ADD CHECK (pin > 50);
CREATE TABLE moving_filled PARTITION OF moving FOR VALUES FROM (30) TO (40);
ALTER TABLE moving_filled ALTER who SET NOT NULL;
CREATE TABLE moving_keyed PARTITION OF moving FOR VALUES FROM (40) TO (50);
ALTER TABLE moving_keyed ADD FOREIGN KEY (pin) REFERENCES numbers;
CREATE TABLE moving_indexed PARTITION OF moving FOR VALUES FROM (50) TO (60);
CREATE INDEX moving_quotient ON moving_indexed ((100 / (pin - 60)));
CREATE TABLE moving_long PARTITION OF moving FOR VALUES FROM (60) TO (70);
CREATE INDEX moving_length ON moving_long (who);

-- a table so much larger on one side that it is read in another way
CREATE TABLE sized(id int PRIMARY KEY, k int, note text);
CREATE INDEX sized_k ON sized (k);

-- an index whose entries grow when a NULL becomes a short value
CREATE TABLE growing(id int PRIMARY KEY, a int8, b int8, c int8, d int8, note text);
CREATE INDEX growing_all ON growing (a, b, c, d, note);

-- indexes that put the values of several rows into one entry, and such that do not
CREATE TABLE summed(id int PRIMARY KEY, x text, note text);
CREATE INDEX summed_note ON summed USING brin (x, note);
CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");
CREATE TABLE bounded(id int PRIMARY KEY, x int, span textrange);
CREATE INDEX bounded_span ON bounded USING gist (span);
CREATE TABLE forked(id int PRIMARY KEY, x int, span textrange);
CREATE INDEX forked_span ON forked USING spgist (span);
CREATE TABLE branching(id int PRIMARY KEY, x int, note text);
CREATE INDEX branching_note ON branching USING spgist (note);
CREATE TABLE words(id int PRIMARY KEY, x int, open text[], shut text[]);
CREATE INDEX words_both ON words USING gin (open, shut);
CREATE TABLE hashed(id int PRIMARY KEY, x int, note text);
CREATE INDEX hashed_note ON hashed USING hash (note);
CREATE TABLE days(id int PRIMARY KEY, x int, during daterange, at timestamp, name text);
CREATE INDEX days_during ON days USING gist (during);
CREATE INDEX days_at ON days USING brin (at, name text_bloom_ops);
CREATE INDEX days_name ON days USING gist (to_tsvector('simple', name));

CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false);

-- an index that holds a secret in front of what is asked for
CREATE TABLE indexed(id int, name text, sex char(1), filler text);
CREATE INDEX indexed_name ON indexed (name, id, sex);
CREATE INDEX indexed_some ON indexed (id) WHERE name > 'N';

-- a table of more than a quarter of the shared buffers: scans of it may begin where the last one was
CREATE TABLE long_notes(id int PRIMARY KEY, sex char(1), note text);

-- what belongs to the agents' own account: it may change these
CREATE TABLE owned(id int PRIMARY KEY, name text, n int, day date);
CREATE TABLE owned_wards(id int, ward text) PARTITION BY LIST (ward);
CREATE TABLE owned_rest PARTITION OF owned_wards DEFAULT;
CREATE TABLE owned_made(id int PRIMARY KEY, name text, initial text GENERATED ALWAYS AS (left(name, 9)) STORED);
CREATE VIEW owned_view AS SELECT id, name FROM owned;
CREATE MATERIALIZED VIEW owned_kept AS SELECT id, name FROM owned_view;
CREATE INDEX owned_name ON owned (name);
ALTER TABLE owned_made OWNER TO agent;
ALTER VIEW owned_view OWNER TO agent;
ALTER MATERIALIZED VIEW owned_kept OWNER TO agent;
ALTER TABLE owned OWNER TO agent;
ALTER TABLE owned_wards OWNER TO agent;
ALTER TABLE owned_rest OWNER TO agent;

-- code: functions, triggers, rules, operators, casts, aggregates
CREATE FUNCTION peek() RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM patients WHERE id = 1';
CREATE FUNCTION name_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM patients WHERE id = $1';
CREATE FUNCTION everyone() RETURNS SETOF patients LANGUAGE sql STABLE AS 'SELECT * FROM patients';
CREATE FUNCTION nick(patients) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left($1.name, 3)';
CREATE FUNCTION atomic() RETURNS text LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT ssn FROM patients WHERE id = 2; END;
CREATE FUNCTION boom(text) RETURNS bool LANGUAGE plpgsql COST 1 AS
    $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE FUNCTION count(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT length($1)';
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM patients WHERE id = 1); RETURN NEW; END $$;
CREATE FUNCTION same(text, text) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE '% %', $1, $2; RETURN $1 = $2; END $$;
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
CREATE AGGREGATE glue(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE TYPE contact AS (phone text, mail text);
CREATE FUNCTION to_contact(text) RETURNS contact LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1, $1)::contact';
CREATE CAST (text AS contact) WITH FUNCTION to_contact(text);
CREATE TABLE prefilled(id int PRIMARY KEY, code text DEFAULT name_of(1));
CREATE TABLE limited(id int PRIMARY KEY, x int CHECK (x < length(peek())));
CREATE TABLE watched(id int PRIMARY KEY, x int);
CREATE TRIGGER loud BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION loud();
CREATE TABLE ruled(id int, x int);
CREATE RULE tell AS ON INSERT TO ruled DO ALSO SELECT ssn FROM patients WHERE id = 1;
CREATE VIEW v_instead AS SELECT id, weight FROM patients;
CREATE TRIGGER loud_view INSTEAD OF UPDATE ON v_instead FOR EACH ROW EXECUTE FUNCTION loud();
CREATE TABLE origin(id int PRIMARY KEY);
CREATE TABLE fallout(id int PRIMARY KEY, origin_id int REFERENCES origin(id) ON DELETE CASCADE, pin int);
CREATE TRIGGER loud_fallout AFTER DELETE ON fallout FOR EACH ROW EXECUTE FUNCTION loud();

-- a secret of every type
CREATE DOMAIN short AS text CHECK (length(value) < 8);
CREATE DOMAIN tag AS text;
CREATE DOMAIN tag2 AS tag;
CREATE DOMAIN positive AS int CHECK (value > 0);
ALTER DOMAIN tag OWNER TO agent;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE kinds(id int PRIMARY KEY, label text, s_bool bool, s_int2 int2, s_int4 int, s_int8 int8,
    s_float4 real, s_float8 float8, s_numeric numeric, s_money money, s_oid oid, s_date date,
    s_time time, s_timetz timetz, s_timestamp timestamp, s_timestamptz timestamptz,
    s_interval interval, s_uuid uuid, s_inet inet, s_cidr cidr, s_macaddr macaddr, s_bytea bytea,
    s_bit bit(8), s_varbit varbit, s_json json, s_jsonb jsonb, s_char "char", s_name name,
    s_bpchar char(12), s_varchar varchar(4000), s_tsvector tsvector, s_tsquery tsquery,
    s_point point, s_box box, s_path path, s_int4range int4range, s_daterange daterange,
    s_multirange int4multirange, s_ints int[], s_texts text[], s_dates date[], s_mood mood,
    s_tag tag, s_tag2 tag2, s_positive positive, s_contact contact, s_contacts contact[],
    s_tags tag[], s_lsn pg_lsn, s_regclass regclass, s_jsonpath jsonpath, s_text text COLLATE "POSIX");
CREATE TABLE members(id int PRIMARY KEY, c contact, plain text);

-- public things with a state, and public things of the same names elsewhere
CREATE SEQUENCE counter;
CREATE TABLE visits(id int GENERATED ALWAYS AS IDENTITY, what text DEFAULT 'seen');
CREATE SCHEMA other;
CREATE TABLE other.patients(id int PRIMARY KEY, ssn text);
CREATE FUNCTION other.upper(text) RETURNS text LANGUAGE sql STABLE AS
    'SELECT ssn FROM public.patients WHERE id = 1';
CREATE STATISTICS patient_statistics (mcv) ON name, sex FROM patients;
COMMENT ON COLUMN patients.ssn IS 'social security number';

DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'CREATE TABLE virtuals(id int PRIMARY KEY, name text,
                 size int GENERATED ALWAYS AS (length(name)) VIRTUAL,
                 quotient int GENERATED ALWAYS AS (id / length(name)) VIRTUAL)';
        EXECUTE 'CREATE TABLE spans(id int4range, during int4range, what text,
                 PRIMARY KEY (id, during WITHOUT OVERLAPS))';
        EXECUTE 'CREATE TABLE stays(no int PRIMARY KEY, id int4range, during int4range,
                 FOREIGN KEY (id, PERIOD during) REFERENCES spans)';
    END IF;
END $$;

GRANT USAGE ON SCHEMA public, other, "We.ird" TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, other, "We.ird" TO PUBLIC;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
