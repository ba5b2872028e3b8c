-- What an operational record is asked by analysts, dashboards, pipelines, consoles and agents. A statement each, a blank line between two; a script's statements end in ";".

-- ops: no-show rate by department and weekday
SELECT department, extract(isodow FROM starts)::int AS dow, count(*) AS booked, count(*) FILTER (WHERE status = 'no_show') AS missed, round(100.0 * count(*) FILTER (WHERE status = 'no_show') / count(*), 1) AS pct FROM ehr.appointments GROUP BY 1, 2 ORDER BY 1, 2

-- ops: next free slot per provider
SELECT provider, starts + make_interval(mins => minutes) AS free_from, lead(starts) OVER w - (starts + make_interval(mins => minutes)) AS gap FROM ehr.appointments WHERE status <> 'cancelled' WINDOW w AS (PARTITION BY provider ORDER BY starts) ORDER BY provider, starts LIMIT 20

-- ops: utilisation of opening hours
SELECT d.department, d.specialty, sum(a.minutes) / (extract(epoch FROM d.closes - d.opens) / 60 * count(DISTINCT a.starts::date)) AS used FROM ehr.departments d JOIN ehr.appointments a USING (department) WHERE a.starts::time BETWEEN d.opens AND d.closes GROUP BY d.department ORDER BY 1

-- ops: occupied beds by hour
SELECT h, count(*) FILTER (WHERE event = 'in') - count(*) FILTER (WHERE event = 'out') AS net, sum(count(*) FILTER (WHERE event = 'in') - count(*) FILTER (WHERE event = 'out')) OVER (ORDER BY h) AS occupied FROM generate_series(timestamp '2020-01-01', timestamp '2020-01-08', interval '6 hours') h LEFT JOIN ehr.bed_events b ON b.at >= h AND b.at < h + interval '6 hours' GROUP BY h ORDER BY h

-- ops: emergency length of stay, percentiles by month
SELECT date_trunc('month', start) AS month, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY stop - start) AS median, percentile_cont(0.9) WITHIN GROUP (ORDER BY stop - start) AS p90 FROM ehr.encounters WHERE encounterclass = 'emergency' GROUP BY 1 ORDER BY 1

-- ops: revisits to the emergency department within 72 hours
SELECT count(*) AS revisits FROM ehr.encounters a WHERE a.encounterclass = 'emergency' AND EXISTS (SELECT 1 FROM ehr.encounters b WHERE b.patient = a.patient AND b.encounterclass = 'emergency' AND b.id <> a.id AND b.start > a.stop AND b.start <= a.stop + interval '72 hours')

-- ops: payer mix
SELECT py.ownership, py.name, count(DISTINCT e.patient) AS patients, sum(e.total_claim_cost - e.payer_coverage)::money AS out_of_pocket FROM ehr.encounters e JOIN ehr.payers py ON py.id = e.payer GROUP BY ROLLUP (py.ownership, py.name) ORDER BY 1 NULLS LAST, 2 NULLS LAST

-- ops: top 3 providers of each organisation
SELECT o.name, x.provider, x.n FROM ehr.organizations o CROSS JOIN LATERAL (SELECT e.provider, count(*) AS n FROM ehr.encounters e WHERE e.organization = o.id GROUP BY e.provider ORDER BY n DESC, e.provider LIMIT 3) x ORDER BY o.name, x.n DESC, x.provider

-- ops: providers by name, masked
SELECT pr.id, pr.name, pr.speciality, count(e.id) FROM ehr.providers pr JOIN ehr.encounters e ON e.provider = pr.id GROUP BY pr.id ORDER BY count(e.id) DESC, pr.id LIMIT 5

-- ops: patients with their last encounter
SELECT p.id, p.first, p.last, p.birthdate, e.start, e.description FROM ehr.patients p LEFT JOIN LATERAL (SELECT start, description FROM ehr.encounters WHERE patient = p.id ORDER BY start DESC LIMIT 1) e ON true ORDER BY p.id LIMIT 10

-- ops: worklist of a day
SELECT a.appt_id, to_char(a.starts, 'HH24:MI') AS at, a.status, coalesce(p.prefix || ' ', '') || p.last AS who, p.phone, a.reason FROM ehr.appointments a JOIN ehr.patients p ON p.id = a.patient WHERE a.starts >= '2020-01-07' AND a.starts < '2020-01-08' AND a.department = 'D1' ORDER BY a.starts

-- ops: summary view
SELECT * FROM mart.patient_summary ORDER BY encounters DESC, id LIMIT 10

-- ops: summary view counted by its own columns
SELECT encounters, count(*) FROM mart.patient_summary WHERE gender = 'F' GROUP BY encounters ORDER BY 1

-- ops: who was not seen for two years
SELECT count(*) FROM mart.patient_summary WHERE last_seen < timestamptz '2018-12-31' OR last_seen IS NULL

-- ops: mark messages as read
UPDATE ehr.messages SET is_read = true WHERE sent < '2020-01-05' AND NOT is_read

-- ops: an appointment's status
UPDATE ehr.appointments SET status = 'arrived' WHERE appt_id = 17 RETURNING appt_id, status, starts

-- ops: book
INSERT INTO ehr.appointments (patient, provider, department, starts, minutes, status) VALUES ('00000004-0000-4000-8000-000000000007', '00000002-0000-4000-8000-000000000003', 'D2', '2020-03-01 09:00+00', 30, 'scheduled') RETURNING appt_id > 0 AS booked

-- ops: a note is written
INSERT INTO ehr.notes (patient, encounter, type, author, written, body) VALUES ('00000004-0000-4000-8000-000000000007', NULL, 'Progress', 'Dr 3', now(), 'Seen today.')

-- quality: childhood or flu immunisation gap
SELECT count(*) FILTER (WHERE i.patient IS NULL) AS open, count(*) AS eligible FROM ehr.patients p LEFT JOIN (SELECT DISTINCT patient FROM ehr.immunizations WHERE code = '140' AND date >= '2017-07-01' AND date < '2018-07-01') i ON i.patient = p.id WHERE p.deathdate IS NULL AND age(date '2018-06-30', p.birthdate) >= interval '18 years'

-- quality: controlled blood pressure, latest reading
WITH r AS (SELECT patient, encounter, code, value::numeric AS v, row_number() OVER (PARTITION BY patient, code ORDER BY date DESC) AS n FROM ehr.observations WHERE code IN ('8480-6', '8462-4') AND type = 'numeric') SELECT count(*) FILTER (WHERE s.v < 140 AND d.v < 90)::float / nullif(count(*), 0) AS rate FROM r s JOIN r d ON d.patient = s.patient AND d.code = '8462-4' AND d.n = 1 WHERE s.code = '8480-6' AND s.n = 1

-- quality: SIRS-like within three hours
SELECT count(DISTINCT hr.encounter) FROM ehr.observations hr JOIN ehr.observations sp ON sp.encounter = hr.encounter AND sp.date BETWEEN hr.date - interval '3 hours' AND hr.date + interval '3 hours' WHERE hr.code = '8867-4' AND hr.value ~ '^\d+(\.\d+)?$' AND hr.value::numeric > 90 AND sp.code = '2708-6' AND sp.value::numeric < 92

-- quality: comorbidity pairs, lift
WITH pc AS (SELECT DISTINCT patient, code FROM ehr.conditions), n AS (SELECT count(DISTINCT patient)::numeric AS total FROM pc), s AS (SELECT code, count(*)::numeric AS c FROM pc GROUP BY code) SELECT a.code, b.code, count(*) AS both, round(count(*) * n.total / (sa.c * sb.c), 2) AS lift FROM pc a JOIN pc b ON a.patient = b.patient AND a.code < b.code JOIN s sa ON sa.code = a.code JOIN s sb ON sb.code = b.code CROSS JOIN n GROUP BY a.code, b.code, n.total, sa.c, sb.c ORDER BY lift DESC, 1, 2

-- quality: active problem list on a day
SELECT description, count(DISTINCT patient) FROM ehr.conditions WHERE start <= '2018-01-01' AND (stop IS NULL OR stop > '2018-01-01') GROUP BY description ORDER BY 2 DESC

-- quality: disorders without the suffix
SELECT initcap(trim(regexp_replace(description, '\s*\(([a-z]+)\)$', ''))) AS problem, substring(description FROM '\(([a-z ]+)\)$') AS tag, count(*) FROM ehr.conditions GROUP BY 1, 2 ORDER BY 3 DESC, 1

-- quality: dose out of a description
SELECT description, (regexp_matches(description, '(\d+) MG'))[1]::int AS mg, count(*) FROM ehr.medications GROUP BY 1, 2 ORDER BY 2

-- quality: medication adherence by month
SELECT m.month::date, count(DISTINCT x.patient) FILTER (WHERE x.start <= m.month AND x.stop > m.month) AS on_drug FROM generate_series(timestamptz '2017-01-01', timestamptz '2018-12-01', interval '1 month') AS m(month) LEFT JOIN ehr.medications x ON x.code = '860975' AND x.start <= m.month AND x.stop > m.month GROUP BY m.month ORDER BY m.month

-- quality: polypharmacy
SELECT n AS drugs, count(*) AS patients FROM (SELECT patient, count(DISTINCT code) AS n FROM ehr.medications GROUP BY patient) q GROUP BY n ORDER BY n

-- quality: life table by age and sex
SELECT gender, (extract(year FROM birthdate)::int / 10) * 10 AS decade, count(*) AS n, count(deathdate) AS deaths, round(count(deathdate)::numeric / count(*), 3) AS crude FROM ehr.patients GROUP BY GROUPING SETS ((gender, (extract(year FROM birthdate)::int / 10) * 10), (gender), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST

-- quality: distance of ZIP areas by median income
SELECT substr(zip, 1, 3) AS area, percentile_disc(0.5) WITHIN GROUP (ORDER BY income) AS income, count(*) FROM ehr.patients GROUP BY 1 HAVING count(*) >= 1 ORDER BY 1 LIMIT 10

-- quality: languages out of preferences
SELECT preferences ->> 'language' AS language, count(*) FILTER (WHERE (preferences ->> 'reminders')::boolean) AS reminded, count(*) FROM ehr.patients GROUP BY 1 ORDER BY 1

-- pipeline: dbt incremental
INSERT INTO mart.daily_volume (day, department, n) (SELECT starts::date AS day, department, count(*) AS n FROM ehr.appointments WHERE starts >= (SELECT coalesce(max(day), '1900-01-01') FROM mart.daily_volume) GROUP BY 1, 2) ON CONFLICT (day, department) DO UPDATE SET n = excluded.n, updated = now() WHERE mart.daily_volume.n IS DISTINCT FROM excluded.n

-- pipeline: dbt table by renaming
CREATE TABLE mart.visits__dbt_tmp AS (WITH src AS (SELECT encounterclass, date_trunc('week', start) AS week, total_claim_cost FROM ehr.encounters) SELECT encounterclass, week, count(*) AS n, sum(total_claim_cost) AS cost FROM src GROUP BY 1, 2);
ALTER TABLE mart.visits__dbt_tmp RENAME TO visits;
CREATE INDEX ON mart.visits (week);
COMMENT ON TABLE mart.visits IS 'weekly visits';
SELECT encounterclass, sum(n) FROM mart.visits GROUP BY 1 ORDER BY 1;
DROP TABLE IF EXISTS mart.visits CASCADE;

-- pipeline: dbt tests
SELECT count(*) AS failures, count(*) != 0 AS should_warn, count(*) != 0 AS should_error FROM (SELECT encounterclass FROM ehr.encounters WHERE encounterclass IS NULL) dbt_internal_test

-- pipeline: dbt, accepted values
SELECT count(*) AS failures FROM (WITH all_values AS (SELECT encounterclass AS value_field, count(*) AS n_records FROM ehr.encounters GROUP BY encounterclass) SELECT * FROM all_values WHERE value_field NOT IN ('ambulatory', 'emergency', 'inpatient', 'wellness', 'urgentcare')) t

-- pipeline: dbt, uniqueness of a key
SELECT count(*) AS failures FROM (SELECT id AS unique_field, count(*) AS n_records FROM ehr.encounters WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) t

-- pipeline: dbt, relationships
WITH child AS (SELECT patient AS from_field FROM ehr.encounters WHERE patient IS NOT NULL), parent AS (SELECT id AS to_field FROM ehr.patients) SELECT count(*) FROM child LEFT JOIN parent ON child.from_field = parent.to_field WHERE parent.to_field IS NULL

-- pipeline: Great Expectations, share of nulls of a secret
SELECT count(*) FILTER (WHERE ssn IS NULL) AS unexpected FROM ehr.patients

-- pipeline: watermark and log of a job
WITH ins AS (INSERT INTO ehr.job_runs (job, started, ok, rows, meta) SELECT 'load', now(), true, count(*), '{"attempt": 1}' FROM ehr.encounters WHERE start > '2019-01-01' RETURNING job, rows) SELECT * FROM ins

-- pipeline: latest runs, pivoted
SELECT job, max(finished) FILTER (WHERE ok) AS last_ok, count(*) FILTER (WHERE NOT ok) AS failed, avg(finished - started) AS mean, host(max(host)) FROM ehr.job_runs GROUP BY job ORDER BY job

-- pipeline: steps out of jsonb
SELECT job, s ->> 'name' AS step, avg((s ->> 'seconds')::numeric) AS seconds FROM ehr.job_runs, jsonb_array_elements(meta -> 'steps') s GROUP BY 1, 2 ORDER BY 1, 2

-- pipeline: jsonb as records
SELECT r.id, x.name, x.seconds FROM ehr.job_runs r, jsonb_to_recordset(r.meta -> 'steps') AS x(name text, seconds int) WHERE r.id <= 3 ORDER BY 1, 2

-- pipeline: keys and paths of jsonb
SELECT k, jsonb_typeof(meta -> k) AS t, count(*) FROM ehr.job_runs, jsonb_object_keys(meta) k GROUP BY 1, 2 ORDER BY 1

-- pipeline: jsonb changed
UPDATE ehr.job_runs SET meta = jsonb_set(meta, '{attempt}', to_jsonb((meta ->> 'attempt')::int + 1)) || '{"retried": true}' WHERE NOT ok

-- pipeline: upsert of a KPI
INSERT INTO mart.kpi (name, value, target) SELECT 'no_show', round(100.0 * avg((status = 'no_show')::int), 2), 10 FROM ehr.appointments ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value RETURNING name, value

-- pipeline: merge with delete
MERGE INTO mart.daily_volume v USING (SELECT starts::date AS day, department, count(*)::int AS n FROM ehr.appointments GROUP BY 1, 2) s ON v.day = s.day AND v.department = s.department WHEN MATCHED AND v.n = s.n THEN DO NOTHING WHEN MATCHED THEN UPDATE SET n = s.n, updated = now() WHEN NOT MATCHED THEN INSERT (day, department, n) VALUES (s.day, s.department, s.n)

-- pipeline: batches deleted by a CTE
WITH old AS (SELECT id FROM ehr.job_runs WHERE started < '2020-02-02' ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED) DELETE FROM ehr.job_runs j USING old WHERE j.id = old.id RETURNING j.id

-- pipeline: load by COPY and look
CREATE TEMP TABLE staging (code text, label text, weight numeric);
INSERT INTO staging VALUES ('44054006', 'T2DM', 1), ('59621000', 'HTN', 0.5), ('91302008', 'SEPSIS', 2);
ANALYZE staging;
SELECT s.label, count(DISTINCT c.patient) FROM staging s JOIN ehr.conditions c USING (code) GROUP BY s.label ORDER BY 1;
TRUNCATE staging;
DROP TABLE staging;

-- pipeline: partitions of a mart
CREATE TABLE mart.facts (day date NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE mart.facts_2018 PARTITION OF mart.facts FOR VALUES FROM ('2018-01-01') TO ('2019-01-01');
INSERT INTO mart.facts SELECT start::date, count(*) FROM ehr.encounters WHERE start >= '2018-01-01' AND start < '2019-01-01' GROUP BY 1;
SELECT count(*), sum(n) FROM mart.facts;
DROP TABLE mart.facts;

-- pipeline: a savepoint around a try
BEGIN;
SAVEPOINT s;
INSERT INTO mart.kpi (name, value) VALUES ('tmp', 1);
ROLLBACK TO SAVEPOINT s;
SELECT count(*) FROM mart.kpi;
COMMIT;

-- bi: Metabase, count by week
SELECT CAST(DATE_TRUNC('week', "ehr"."encounters"."start" + INTERVAL '1 day') AS timestamp) + INTERVAL '-1 day' AS "start", COUNT(*) AS "count" FROM "ehr"."encounters" WHERE ("ehr"."encounters"."start" >= timestamptz '2018-01-01 00:00:00.000Z') AND ("ehr"."encounters"."start" < timestamptz '2019-01-01 00:00:00.000Z') GROUP BY 1 ORDER BY 1

-- bi: Metabase, binned
SELECT FLOOR(("source"."total_claim_cost" - 0.0) / 100.0) * 100.0 + 0.0 AS "total_claim_cost", COUNT(*) AS "count" FROM (SELECT "ehr"."encounters"."total_claim_cost" FROM "ehr"."encounters") AS "source" GROUP BY 1 ORDER BY 1 ASC

-- bi: Metabase, a table's rows
SELECT "ehr"."patients"."id" AS "id", "ehr"."patients"."birthdate" AS "birthdate", "ehr"."patients"."first" AS "first", "ehr"."patients"."ssn" AS "ssn", "ehr"."patients"."gender" AS "gender", "ehr"."patients"."income" AS "income" FROM "ehr"."patients" LIMIT 2000

-- bi: Metabase, fingerprint by substring
SELECT SUBSTRING("ehr"."patients"."race", 1, 1234) AS "substring0", SUBSTRING("ehr"."patients"."first", 1, 1234) AS "substring1" FROM "ehr"."patients" LIMIT 10000

-- bi: Superset, a time series with others
SELECT date_trunc('month', start) AS start, encounterclass AS encounterclass, COUNT(*) AS count FROM ehr.encounters JOIN (SELECT encounterclass AS encounterclass__, COUNT(*) AS mme_inner__ FROM ehr.encounters GROUP BY encounterclass ORDER BY mme_inner__ DESC LIMIT 3) AS series_limit ON encounterclass = encounterclass__ WHERE start >= TO_TIMESTAMP('2017-06-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY encounterclass, date_trunc('month', start) ORDER BY count DESC LIMIT 50

-- bi: Superset, box plot
SELECT department, percentile_cont(0.25) WITHIN GROUP (ORDER BY minutes), percentile_cont(0.75) WITHIN GROUP (ORDER BY minutes), min(minutes), max(minutes) FROM ehr.appointments GROUP BY department ORDER BY department

-- bi: Tableau, custom SQL with its wrapper
SELECT "Custom SQL Query"."encounterclass" AS "encounterclass", SUM("Custom SQL Query"."total_claim_cost") AS "sum:total_claim_cost:ok", COUNT(DISTINCT "Custom SQL Query"."patient") AS "ctd:patient:ok" FROM (SELECT * FROM ehr.encounters e) "Custom SQL Query" GROUP BY 1 HAVING (COUNT(1) > 0)

-- bi: Tableau, year and quarter parts
SELECT CAST(TRUNC(EXTRACT(YEAR FROM start)) AS INTEGER) AS "yr:start:ok", CAST(TRUNC(EXTRACT(QUARTER FROM start)) AS INTEGER) AS "qr:start:ok", AVG(CAST(total_claim_cost AS DOUBLE PRECISION)) AS "avg" FROM ehr.encounters GROUP BY 1, 2 ORDER BY 1, 2

-- bi: Power BI, folded
select "_"."department", "_"."a0" from (select "rows"."department" as "department", count(distinct "rows"."patient") + max(case when "rows"."patient" is null then 1 else 0 end) as "a0" from (select "patient", "department" from "ehr"."appointments" "$Table") "rows" group by "department") "_" where not "_"."a0" is null limit 1000001

-- bi: Power BI, import of columns
select "$Table"."id" as "id", "$Table"."birthdate" as "birthdate", "$Table"."first" as "first", "$Table"."last" as "last", "$Table"."zip" as "zip" from "ehr"."patients" "$Table" limit 4096

-- bi: Looker, symmetric aggregate
SELECT pa.race AS "patients.race", COUNT(DISTINCT e.id) AS "encounters.count", COALESCE(SUM(e.total_claim_cost), 0) AS "encounters.total" FROM ehr.encounters AS e LEFT JOIN ehr.patients AS pa ON e.patient = pa.id WHERE ((e.start >= ((SELECT TIMESTAMP '2018-01-01')) AND e.start < ((SELECT (TIMESTAMP '2018-01-01' + (12 || ' month')::INTERVAL))))) GROUP BY 1 ORDER BY 2 DESC FETCH NEXT 500 ROWS ONLY

-- bi: Looker, tiers
SELECT CASE WHEN income < 30000 THEN 'Below 30000' WHEN income >= 30000 AND income < 60000 THEN '30000 to 59999' ELSE '60000 or Above' END AS tier, count(*) FROM ehr.patients GROUP BY 1 ORDER BY min(income)

-- bi: Grafana, time series
SELECT floor(extract(epoch from started)/3600)*3600 AS "time", job AS metric, avg(extract(epoch from finished - started)) AS "seconds" FROM ehr.job_runs WHERE started BETWEEN '2020-02-01T00:00:00Z' AND '2020-02-03T00:00:00Z' GROUP BY 1, job ORDER BY 1, 2

-- bi: Grafana, variable
SELECT DISTINCT department AS __text, department AS __value FROM ehr.departments ORDER BY 1

-- bi: moving average, share and rank
SELECT day, department, n, avg(n) OVER (PARTITION BY department ORDER BY day ROWS 6 PRECEDING)::numeric(6,2) AS ma7, ratio, dense_rank() OVER (PARTITION BY day ORDER BY n DESC) FROM (SELECT *, n::numeric / nullif(sum(n) OVER (PARTITION BY day), 0) AS ratio FROM mart.daily_volume) t ORDER BY day DESC, department LIMIT 12

-- bi: year over year
SELECT y, n, n - lag(n) OVER (ORDER BY y) AS delta, to_char((n - lag(n) OVER (ORDER BY y))::numeric / lag(n) OVER (ORDER BY y) * 100, 'FMS990.0%') AS growth FROM (SELECT extract(year FROM start)::int AS y, count(*) AS n FROM ehr.encounters GROUP BY 1) t ORDER BY y

-- tools: what is there
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2

-- tools: columns for a prompt
SELECT c.table_name, string_agg(c.column_name || ' ' || c.data_type || CASE WHEN c.is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END, ', ' ORDER BY c.ordinal_position) AS columns FROM information_schema.columns c WHERE c.table_schema = 'ehr' GROUP BY c.table_name ORDER BY 1

-- tools: foreign keys
SELECT tc.table_name, kcu.column_name, ccu.table_name AS foreign_table_name, ccu.column_name AS foreign_column_name FROM information_schema.table_constraints AS tc JOIN information_schema.key_column_usage AS kcu ON tc.constraint_name = kcu.constraint_name AND tc.table_schema = kcu.table_schema JOIN information_schema.constraint_column_usage AS ccu ON ccu.constraint_name = tc.constraint_name WHERE tc.constraint_type = 'FOREIGN KEY' AND tc.table_schema = 'ehr' ORDER BY 1, 2

-- tools: indexes
SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'ehr' ORDER BY tablename, indexname

-- tools: enums
SELECT t.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname

-- tools: comments and definitions
SELECT c.relname, obj_description(c.oid, 'pg_class'), pg_get_viewdef(c.oid, true) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'mart' AND c.relkind = 'v'

-- tools: privileges of mine
SELECT has_table_privilege('ehr.patients', 'SELECT'), has_schema_privilege(current_user, 'mart', 'CREATE'), current_user, session_user, current_database(), current_schema()

-- tools: version and settings
SELECT version(), current_setting('server_version_num')::int, current_setting('TimeZone'), pg_postmaster_start_time() < now(), pg_is_in_recovery()

-- tools: settings list
SELECT name, setting, unit, short_desc FROM pg_settings WHERE name IN ('work_mem', 'statement_timeout', 'max_connections') ORDER BY name

-- tools: extensions and languages
SELECT extname, extversion FROM pg_extension UNION ALL SELECT lanname, NULL FROM pg_language ORDER BY 1

-- tools: session settings
SET search_path TO ehr, mart, public;
SET TIME ZONE 'America/Chicago';
SET statement_timeout = '20s';
SET application_name = 'notebook';
SET DateStyle = 'ISO, MDY';
SET extra_float_digits = 3;
SHOW search_path;
SHOW server_version;
SELECT count(*) FROM encounters;
RESET ALL;

-- tools: pings
SELECT 1

-- tools: a sample of every kind
SELECT p.gender, s.id FROM (SELECT DISTINCT gender FROM ehr.patients) p CROSS JOIN LATERAL (SELECT id FROM ehr.patients q WHERE q.gender = p.gender ORDER BY hashtext(id::text) LIMIT 3) s ORDER BY 1, 2

-- tools: random sample
SELECT encounterclass, total_claim_cost FROM ehr.encounters ORDER BY random() LIMIT 5

-- tools: profile of a column
SELECT count(*) AS n, count(DISTINCT race) AS distinct_values, min(race), max(race), avg(length(race)) AS mean_length, count(*) FILTER (WHERE race ~ '\d') AS with_digits FROM ehr.patients

-- tools: first rows of each table
SELECT * FROM ehr.providers LIMIT 5

-- tools: first rows of a table as JSON
SELECT row_to_json(t) FROM (SELECT * FROM ehr.encounters ORDER BY start LIMIT 3) t

-- tools: rows of patients as JSON
SELECT to_jsonb(p) FROM ehr.patients p ORDER BY id LIMIT 3

-- tools: arrays and ranges
SELECT department, tags, array_length(tags, 1), 'tele' = ANY (tags) AS tele, lower(hours), upper(hours) - lower(hours) AS long, hours @> 12 AS noon, tags || ARRAY['x'] FROM ehr.departments WHERE tags @> ARRAY['adult'] ORDER BY 1

-- tools: unnest with ordinality
SELECT d.department, t.tag, t.no FROM ehr.departments d, unnest(d.tags) WITH ORDINALITY AS t(tag, no) ORDER BY 1, 3

-- tools: formatting
SELECT format('%s: %s of %s', name, value, target) AS line, to_char(value, '999D99'), lpad(kpi_id::text, 4, '0'), md5(name), encode(sha256(name::bytea), 'hex') FROM mart.kpi ORDER BY kpi_id

-- tools: hashed bucket of a public id
SELECT abs(hashtext(encounterclass)) % 10 AS bucket, count(*) FROM ehr.encounters GROUP BY 1 ORDER BY 1

-- tools: sizes of words
SELECT w, count(*) FROM ehr.medications, regexp_split_to_table(lower(description), '\s+') AS w WHERE length(w) > 3 GROUP BY w ORDER BY 2 DESC, 1 LIMIT 10
