"""Statements of honest work: analytics, drivers and psql. They must be answered."""

# ruff: noqa: E501 - a statement a line
from __future__ import annotations

ANALYTICS = """
SELECT count(*) FROM patients
SELECT sex, count(*), avg(weight), min(weight), max(weight) FROM patients GROUP BY sex ORDER BY sex
SELECT * FROM patients WHERE id = 7
SELECT id, name, ssn, sex FROM patients WHERE weight > 100 ORDER BY weight DESC LIMIT 10
SELECT dept, date_trunc('day', admit) AS day, count(*) FROM encounters GROUP BY 1, 2 ORDER BY 1, 2
SELECT c.descr, count(*) FROM encounters e JOIN codes c USING (dx) GROUP BY c.descr ORDER BY 2 DESC
SELECT p.sex, e.dept, count(DISTINCT p.id) FROM patients p JOIN encounters e ON e.patient_id = p.id GROUP BY ROLLUP (1, 2)
SELECT p.id, p.name, e.admit, e.dx FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id AND e.dept = 'ICU' WHERE p.id BETWEEN 1 AND 20 ORDER BY p.id, e.admit
WITH f AS (SELECT patient_id, min(admit) AS first FROM encounters GROUP BY patient_id) SELECT dept, count(*) FROM encounters e JOIN f ON f.patient_id = e.patient_id AND f.first = e.admit GROUP BY dept
SELECT patient_id, admit, lag(admit) OVER (PARTITION BY patient_id ORDER BY admit) FROM encounters WHERE patient_id < 5
SELECT dept, percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM encounters GROUP BY dept
SELECT sex, round(avg(weight), 1), stddev(weight) FROM patients GROUP BY sex HAVING count(*) > 5
SELECT CASE WHEN weight < 100 THEN 'light' ELSE 'heavy' END AS band, count(*) FROM patients GROUP BY 1
SELECT e.id, e.dept, (SELECT count(*) FROM encounters x WHERE x.patient_id = e.patient_id) AS visits FROM encounters e ORDER BY e.id LIMIT 5
SELECT id FROM patients p WHERE EXISTS (SELECT 1 FROM encounters e WHERE e.patient_id = p.id AND e.dept = 'OB')
SELECT id FROM patients EXCEPT SELECT patient_id FROM encounters WHERE dept = 'ER'
SELECT dx FROM codes UNION ALL SELECT dept FROM encounters WHERE id < 3
SELECT count(*) FROM patients WHERE dob < date '1960-01-01'
SELECT id, dob, zip FROM patients WHERE dob BETWEEN '1960-01-01' AND '1961-01-01' ORDER BY dob
SELECT zip, count(*) FROM patients GROUP BY zip HAVING count(*) > 1
SELECT e.patient_id, e.admit - p.dob AS age FROM encounters e JOIN patients p ON p.id = e.patient_id LIMIT 3
SELECT upper(name), left(name, 1) || '.', coalesce(email, '-') FROM patients WHERE id = 3
SELECT generate_series(date '2024-01-01', date '2024-01-07', interval '1 day')::date
SELECT d::date, count(e.id) FROM generate_series(timestamp '2024-01-01', '2024-01-10', '1 day') d LEFT JOIN encounters e ON e.admit >= d AND e.admit < d + interval '1 day' GROUP BY 1 ORDER BY 1
SELECT now(), current_user, version(), 1 + 1, 'a' || 'b', random() < 2
SELECT id, row_number() OVER (ORDER BY weight DESC) FROM patients ORDER BY 2 LIMIT 5
SELECT dept, array_agg(DISTINCT dx ORDER BY dx), string_agg(DISTINCT dx, ',') FROM encounters GROUP BY dept
SELECT jsonb_build_object('dept', dept, 'n', count(*)) FROM encounters GROUP BY dept
INSERT INTO codes(dx, descr) VALUES ('Z1', 'new') RETURNING dx
INSERT INTO codes VALUES ('E1', 'again') ON CONFLICT (dx) DO UPDATE SET descr = excluded.descr
UPDATE patients SET weight = weight + 1 WHERE id = 4
UPDATE patients SET name = 'New Name' WHERE id = 4 RETURNING id, name
UPDATE encounters SET dept = 'ER', note = 'moved' WHERE id = 9
DELETE FROM codes WHERE dx = 'E19'
COPY codes TO STDOUT
COPY (SELECT id, ssn, sex FROM patients WHERE id < 10) TO STDOUT (FORMAT csv)
SELECT x.id, x.dept FROM encounters x TABLESAMPLE SYSTEM (100) LIMIT 2
SELECT * FROM v_pat WHERE id = 2
VALUES (1, 'a'), (2, 'b')
SELECT nextval('counter')
EXPLAIN SELECT * FROM codes WHERE dx = 'E1'
SHOW server_version
BEGIN
SET statement_timeout = '5s'
"""

CATALOGUE = """
SELECT n.nspname as "Schema", c.relname as "Name", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as "Type", pg_catalog.pg_get_userbyid(c.relowner) as "Owner" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam WHERE c.relkind IN ('r','p','v','m','S','f','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2
SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(patients)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation, a.attidentity, a.attgenerated FROM pg_catalog.pg_attribute a WHERE a.attrelid = '1259' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x')) WHERE c.oid = '1259' AND c.oid = i.indrelid AND i.indexrelid = c2.oid ORDER BY i.indisprimary DESC, c2.relname
SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner", pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding" FROM pg_catalog.pg_database d ORDER BY 1
SELECT n.nspname, p.proname, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid) FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE pg_catalog.pg_function_is_visible(p.oid) AND n.nspname <> 'pg_catalog'
SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcanlogin FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1
SELECT t.typname AS name, t.oid, t.typarray AS array_oid, t.oid::regtype::text AS regtype, t.typdelim AS delimiter FROM pg_type t WHERE t.oid = to_regtype('hstore') ORDER BY t.oid
SELECT t.oid, t.typelem AS elemtype, t.typtype AS kind, ns.nspname AS ns, t.typname AS name FROM pg_catalog.pg_type AS t INNER JOIN pg_catalog.pg_namespace ns ON ns.oid = t.typnamespace WHERE t.oid = 25
SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'
SELECT tc.constraint_name, kcu.column_name, ccu.table_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_name) JOIN information_schema.constraint_column_usage ccu USING (constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY'
SELECT pg_catalog.obj_description('patients'::regclass, 'pg_class'), pg_catalog.col_description('patients'::regclass, 1)
SELECT relname FROM pg_class WHERE relkind = 'r' AND has_table_privilege(oid, 'select')
SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes WHERE tablename = 'patients'
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'patients'::regclass
SELECT current_schema(), current_database(), current_setting('server_version_num')
SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
"""

#: What asyncpg sends once per connection to learn a type it does not know (introspection.py).
ASYNCPG = """
WITH RECURSIVE typeinfo_tree(oid, ns, name, kind, basetype, elemtype, elemdelim, range_subtype,
    attrtypoids, attrnames, depth) AS (
    SELECT ti.oid, ti.ns, ti.name, ti.kind, ti.basetype, ti.elemtype, ti.elemdelim,
           ti.range_subtype, ti.attrtypoids, ti.attrnames, 0
    FROM (SELECT t.oid AS oid, ns.nspname AS ns, t.typname AS name, t.typtype AS kind,
            (CASE WHEN t.typtype = 'd' THEN (WITH RECURSIVE typebases(oid, depth) AS (
                SELECT t2.typbasetype AS oid, 0 AS depth FROM pg_type t2 WHERE t2.oid = t.oid
                UNION ALL SELECT t2.typbasetype AS oid, tb.depth + 1 AS depth
                FROM pg_type t2, typebases tb WHERE tb.oid = t2.oid AND t2.typbasetype != 0)
                SELECT oid FROM typebases ORDER BY depth DESC LIMIT 1) ELSE NULL END) AS basetype,
            t.typelem AS elemtype, elem_t.typdelim AS elemdelim,
            COALESCE(range_t.rngsubtype, multirange_t.rngsubtype) AS range_subtype,
            (CASE WHEN t.typtype = 'c' THEN (SELECT array_agg(ia.atttypid ORDER BY ia.attnum)
                FROM pg_attribute ia INNER JOIN pg_class c ON (ia.attrelid = c.oid)
                WHERE ia.attnum > 0 AND NOT ia.attisdropped AND c.reltype = t.oid) ELSE NULL END)
                AS attrtypoids,
            (CASE WHEN t.typtype = 'c' THEN (SELECT array_agg(ia.attname::text ORDER BY ia.attnum)
                FROM pg_attribute ia INNER JOIN pg_class c ON (ia.attrelid = c.oid)
                WHERE ia.attnum > 0 AND NOT ia.attisdropped AND c.reltype = t.oid) ELSE NULL END)
                AS attrnames
          FROM pg_catalog.pg_type AS t
          INNER JOIN pg_catalog.pg_namespace ns ON (ns.oid = t.typnamespace)
          LEFT JOIN pg_type elem_t ON (t.typlen = -1 AND t.typelem != 0 AND t.typelem = elem_t.oid)
          LEFT JOIN pg_range range_t ON (t.oid = range_t.rngtypid)
          LEFT JOIN pg_range multirange_t ON (t.oid = multirange_t.rngmultitypid)) AS ti
    WHERE ti.oid = any($1::oid[]))
SELECT DISTINCT *, basetype::regtype::text AS basetype_name, elemtype::regtype::text AS elemtype_name
FROM typeinfo_tree ORDER BY depth DESC"""


def lines(text: str) -> list[str]:
    """The statements of one of the lists above."""
    return [line.replace("\\\\", "\\") for line in text.strip().split("\n")]
