-- After the rows: what differs though no value of it is PHI is made to agree. The order of rows that
-- nobody asked for is that of their places, which their lengths decide; the age of a database's rows
-- is that of its making.
REFRESH MATERIALIZED VIEW m_pat;
REFRESH MATERIALIZED VIEW m_deep;
REFRESH MATERIALIZED VIEW owned_kept;
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT c.oid::regclass AS name,
                    (SELECT min(attnum) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                     WHERE attrelid = c.oid AND attnum > 0 AND typname IN ('int4', 'int4range')) AS number
             FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE relkind IN ('r', 'm') AND nspname !~ '^(pg_|information_schema)' LOOP
        IF r.number IS NOT NULL THEN
            EXECUTE format('CREATE INDEX settle ON %s (%I)', r.name, (SELECT attname FROM pg_attribute
                WHERE attrelid = r.name AND attnum = r.number));
            EXECUTE format('CLUSTER %s USING settle', r.name);
            EXECUTE 'DROP INDEX ' || (SELECT indexrelid::regclass FROM pg_index
                WHERE indrelid = r.name AND indexrelid::regclass::text ~ 'settle');
        END IF;
    END LOOP;
END $$;
VACUUM ANALYZE;
UPDATE pg_class SET relfrozenxid = '1000' WHERE relfrozenxid <> '0';
UPDATE pg_class SET relminmxid = '1' WHERE relminmxid <> '0';
CHECKPOINT;
