-- What tools send for their users, and what data scientists write: mappers, notebooks, dashboards, database browsers.

-- django: a page of a model
SELECT "admissions"."hadm_id", "admissions"."subject_id", "admissions"."admittime", "admissions"."admission_type" FROM "admissions" WHERE ("admissions"."admission_type" IN ('EMERGENCY', 'URGENT') AND "admissions"."admittime" >= '2150-02-01T00:00:00+00:00'::timestamptz) ORDER BY "admissions"."admittime" DESC, "admissions"."hadm_id" ASC LIMIT 25 OFFSET 25

-- django: count for the pager
SELECT COUNT(*) AS "__count" FROM "admissions" INNER JOIN "patients" ON ("admissions"."subject_id" = "patients"."subject_id") WHERE "patients"."gender" = 'F'

-- django: exists
SELECT 1 AS "a" FROM "icustays" WHERE ("icustays"."hadm_id" = 1003 AND "icustays"."los" > 1.0) LIMIT 1

-- django: annotate and aggregate
SELECT "admissions"."insurance", COUNT("admissions"."hadm_id") AS "n", AVG(EXTRACT(EPOCH FROM ("admissions"."dischtime" - "admissions"."admittime")))::double precision AS "seconds" FROM "admissions" GROUP BY "admissions"."insurance" HAVING COUNT("admissions"."hadm_id") > 10 ORDER BY "n" DESC

-- django: select related with masked names
SELECT "a"."hadm_id", "p"."subject_id", "p"."first_name", "p"."last_name", "p"."dob" FROM "admissions" "a" LEFT OUTER JOIN "patients" "p" ON ("a"."subject_id" = "p"."subject_id") WHERE "a"."hadm_id" = 1007 LIMIT 21

-- django: subquery annotation
SELECT "p"."subject_id", (SELECT U0."admission_type" FROM "admissions" U0 WHERE U0."subject_id" = ("p"."subject_id") ORDER BY U0."admittime" DESC LIMIT 1) AS "latest" FROM "patients" "p" WHERE "p"."gender" = 'M' ORDER BY "p"."subject_id" LIMIT 10

-- django: dates of a hierarchy
SELECT DISTINCT DATE_TRUNC('month', "admissions"."admittime" AT TIME ZONE 'UTC') AS "datefield" FROM "admissions" WHERE "admissions"."admittime" IS NOT NULL ORDER BY "datefield" ASC

-- django: update returning
UPDATE "claim" SET "status" = 'PAID', "allowed" = ("claim"."charged" * 0.8) WHERE "claim"."claim_id" = 17 RETURNING "claim"."claim_id"

-- django: bulk insert
INSERT INTO "d_labitems" ("itemid", "label", "fluid", "category") VALUES (60001, 'Ferritin', 'Blood', 'Chemistry'), (60002, 'Folate', 'Blood', 'Chemistry') ON CONFLICT DO NOTHING RETURNING "d_labitems"."itemid"

-- django: select for update
SELECT "claim"."claim_id", "claim"."status" FROM "claim" WHERE "claim"."claim_id" = 3 LIMIT 21 FOR UPDATE OF "claim" SKIP LOCKED

-- django: table list
SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid)

-- django: constraints
SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'admissions' AND pg_catalog.pg_table_is_visible(cl.oid)

-- django: indexes
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions FROM (SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx)) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key WHERE c.relname = 'patients' AND pg_catalog.pg_table_is_visible(c.oid)) s2 GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions

-- django: sequences
SELECT s.relname AS sequence_name, a.attname AS colname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass JOIN pg_attribute a ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum JOIN pg_class tbl ON tbl.oid = d.refobjid AND tbl.relname = 'claim' AND pg_catalog.pg_table_is_visible(tbl.oid) WHERE s.relkind = 'S'

-- sqlalchemy: paged relationship load
SELECT anon_1.hadm_id AS anon_1_hadm_id, labevents_1.labevent_id, labevents_1.valuenum FROM (SELECT admissions.hadm_id AS hadm_id FROM admissions ORDER BY admissions.hadm_id LIMIT 5) AS anon_1 LEFT OUTER JOIN labevents AS labevents_1 ON anon_1.hadm_id = labevents_1.hadm_id ORDER BY anon_1.hadm_id, labevents_1.labevent_id

-- sqlalchemy: selectin load
SELECT diagnoses.hadm_id AS diagnoses_hadm_id, diagnoses.seq_num, diagnoses.icd_code FROM diagnoses WHERE diagnoses.hadm_id IN (1001, 1002, 1003) ORDER BY diagnoses.hadm_id, diagnoses.seq_num

-- sqlalchemy: insert many values
INSERT INTO item (i_itemkey, i_name, i_type, i_size, i_retail) SELECT p0::INTEGER, p1::VARCHAR, p2::VARCHAR, p3::INTEGER, p4::NUMERIC FROM (VALUES (901, 'Mask', 'GLOVE', 3, 1.25, 0), (902, 'Drape', 'GLOVE', 9, 2.5, 1)) AS imp_sen(p0, p1, p2, p3, p4, sen_counter) ORDER BY sen_counter RETURNING item.i_itemkey, item.i_itemkey AS i_itemkey__1

-- sqlalchemy: has table
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'patients' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog'

-- sqlalchemy: domains
SELECT pg_catalog.pg_type.typname AS name, pg_catalog.format_type(pg_catalog.pg_type.typbasetype, pg_catalog.pg_type.typtypmod) AS attype, NOT pg_catalog.pg_type.typnotnull AS nullable, pg_catalog.pg_type.typdefault AS "default", pg_catalog.pg_type_is_visible(pg_catalog.pg_type.oid) AS visible, pg_catalog.pg_namespace.nspname AS schema FROM pg_catalog.pg_type JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_type.typnamespace WHERE pg_catalog.pg_type.typtype = 'd' ORDER BY pg_catalog.pg_namespace.nspname, pg_catalog.pg_type.typname

-- pandas: a data frame of stays
SELECT i.stay_id, i.hadm_id, i.subject_id, p.gender, p.anchor_age, i.intime, i.outtime, i.los, a.hospital_expire_flag FROM icustays i INNER JOIN admissions a ON a.hadm_id = i.hadm_id INNER JOIN patients p ON p.subject_id = i.subject_id WHERE i.los > 0.5 AND p.anchor_age >= 18

-- pandas: head of a table
SELECT * FROM patients LIMIT 5

-- pandas: does the table exist
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'cohort'

-- pandas: chunks by key
SELECT labevent_id, itemid, charttime, valuenum FROM labevents WHERE labevent_id > 500 ORDER BY labevent_id LIMIT 200

-- notebook: features per stay
WITH firstday AS (SELECT i.stay_id, l.itemid, l.valuenum, row_number() OVER (PARTITION BY i.stay_id, l.itemid ORDER BY l.charttime DESC) AS rn FROM icustays i JOIN labevents l ON l.hadm_id = i.hadm_id AND l.charttime BETWEEN i.intime - interval '6 hours' AND i.intime + interval '24 hours' WHERE l.valuenum IS NOT NULL) SELECT stay_id, max(valuenum) FILTER (WHERE itemid = 50912 AND rn = 1) AS creatinine, max(valuenum) FILTER (WHERE itemid = 50813 AND rn = 1) AS lactate, count(*) AS n FROM firstday GROUP BY stay_id ORDER BY stay_id

-- notebook: missingness
SELECT count(*) AS n, avg((valuenum IS NULL)::int) AS missing_value, avg((flag IS NULL)::int) AS missing_flag, count(DISTINCT itemid) AS items FROM labevents

-- notebook: train and test split
SELECT hadm_id, abs(hashint4(hadm_id)) % 10 < 8 AS train FROM admissions ORDER BY hadm_id LIMIT 20

-- notebook: quantiles
SELECT itemid, percentile_cont(ARRAY[0.05, 0.25, 0.5, 0.75, 0.95]) WITHIN GROUP (ORDER BY valuenum) AS q, stddev_samp(valuenum), regr_slope(valuenum, extract(epoch FROM charttime)) FROM labevents GROUP BY itemid ORDER BY itemid

-- notebook: histogram
SELECT width_bucket(valuenum, 0, 13, 13) AS bucket, count(*), min(valuenum), max(valuenum) FROM labevents WHERE itemid = 50912 GROUP BY 1 ORDER BY 1

-- notebook: age at admission, ninety and above together
SELECT least(90, p.anchor_age + extract(year FROM a.admittime)::int - 2150) AS age, count(*) FROM admissions a JOIN patients p USING (subject_id) GROUP BY 1 ORDER BY 1

-- notebook: sepsis by two sources
SELECT h.hadm_id, bool_or(d.icd_code = 'A41') AS coded, bool_or(rx.drug = 'Vancomycin') AS treated FROM admissions h LEFT JOIN diagnoses d ON d.hadm_id = h.hadm_id LEFT JOIN prescriptions rx ON rx.hadm_id = h.hadm_id AND rx.starttime < h.admittime + interval '2 days' GROUP BY h.hadm_id HAVING bool_or(d.icd_code = 'A41') ORDER BY h.hadm_id LIMIT 50

-- notebook: gaps and islands
WITH s AS (SELECT stay_id, charttime, warning, sum(CASE WHEN warning THEN 0 ELSE 1 END) OVER (PARTITION BY stay_id ORDER BY charttime ROWS UNBOUNDED PRECEDING) AS grp FROM chartevents) SELECT stay_id, grp, min(charttime), max(charttime), count(*) FROM s WHERE warning GROUP BY stay_id, grp ORDER BY stay_id, grp LIMIT 20

-- notebook: Elixhauser flags
SELECT hadm_id, max(CASE WHEN icd_code LIKE 'I50%' THEN 1 ELSE 0 END) AS chf, max(CASE WHEN icd_code LIKE 'N17%' THEN 1 ELSE 0 END) AS renal, max((icd_code IN ('E11'))::int) AS diabetes FROM diagnoses WHERE icd_version = 10 GROUP BY hadm_id ORDER BY hadm_id

-- notebook: pivot with crosstab by filter
SELECT a.insurance, count(*) FILTER (WHERE a.admission_type = 'EMERGENCY') AS emergency, count(*) FILTER (WHERE a.admission_type = 'ELECTIVE') AS elective, round(100.0 * count(*) FILTER (WHERE a.hospital_expire_flag = 1) / nullif(count(*), 0), 2) AS died FROM admissions a GROUP BY GROUPING SETS ((a.insurance), ()) ORDER BY a.insurance NULLS LAST

-- notebook: person-time
SELECT generate_series(date_trunc('day', min(intime)), date_trunc('day', max(outtime)), interval '7 days') AS week, count(*) AS stays FROM icustays

-- notebook: nested JSON for a model
SELECT jsonb_build_object('stay', i.stay_id, 'unit', i.first_careunit, 'labs', (SELECT jsonb_agg(jsonb_build_object('item', l.itemid, 'value', l.valuenum) ORDER BY l.labevent_id) FROM labevents l WHERE l.hadm_id = i.hadm_id)) FROM icustays i ORDER BY i.stay_id LIMIT 5

-- notebook: string work on codes
SELECT upper(left(icd_code, 1)) AS chapter, string_agg(DISTINCT long_title, '; ' ORDER BY long_title) FROM d_icd GROUP BY 1 ORDER BY 1

-- notebook: regular expressions on drugs
SELECT drug, regexp_replace(lower(drug), '[^a-z]', '', 'g') AS slug, count(*) FROM prescriptions WHERE drug ~* '^(hep|ins)' GROUP BY 1, 2 ORDER BY 1

-- metabase: question by day
SELECT CAST("public"."admissions"."admittime" AS date) AS "admittime", COUNT(*) AS "count" FROM "public"."admissions" WHERE "public"."admissions"."admission_type" = 'ELECTIVE' GROUP BY CAST("public"."admissions"."admittime" AS date) ORDER BY CAST("public"."admissions"."admittime" AS date) ASC

-- metabase: binned
SELECT ((FLOOR((("source"."los" - 0.0) / 2.5)) * 2.5) + 0.0) AS "los", COUNT(*) AS "count" FROM (SELECT "public"."icustays"."los" AS "los" FROM "public"."icustays") AS "source" GROUP BY ((FLOOR((("source"."los" - 0.0) / 2.5)) * 2.5) + 0.0) ORDER BY 1 ASC

-- metabase: explore a table
SELECT "public"."patients"."subject_id" AS "subject_id", "public"."patients"."first_name" AS "first_name", "public"."patients"."zip" AS "zip", "public"."patients"."race" AS "race" FROM "public"."patients" LIMIT 2000

-- metabase: fingerprint a column
SELECT SUBSTRING("public"."d_icd"."long_title", 1, 1234) AS "substring1" FROM "public"."d_icd" LIMIT 10000

-- metabase: sync of fields
SELECT c.column_name AS name, c.udt_name AS "database-type", c.table_schema AS "table-schema", c.table_name AS "table-name", c.ordinal_position - 1 AS "database-position", pk.column_name IS NOT NULL AS "pk?", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position) AS "field-comment", ((column_default IS NULL OR LOWER(column_default) = 'null') AND is_nullable = 'NO' AND NOT (column_default IS NOT NULL AND column_default LIKE '%nextval(%') AND is_identity = 'NO') AS "database-required" FROM information_schema.columns AS c LEFT JOIN (SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name WHERE tc.constraint_type = 'PRIMARY KEY') AS pk ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('public')

-- superset: a chart
SELECT DATE_TRUNC('week', admittime) AS admittime, insurance AS insurance, COUNT(*) AS count FROM public.admissions JOIN (SELECT insurance AS insurance__, COUNT(*) AS mme_inner__ FROM public.admissions GROUP BY insurance ORDER BY mme_inner__ DESC LIMIT 5) AS anon_1 ON insurance = insurance__ WHERE admittime >= TO_TIMESTAMP('2150-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY insurance, DATE_TRUNC('week', admittime) ORDER BY count DESC LIMIT 10000

-- superset: a virtual data set
SELECT drug AS drug, sum(dose) AS "SUM(dose)" FROM (SELECT rx.drug, rx.dose, a.insurance FROM prescriptions rx JOIN admissions a USING (hadm_id)) AS virtual_table GROUP BY drug ORDER BY "SUM(dose)" DESC LIMIT 100

-- superset: estimate by row count
SELECT COUNT(*) AS rowcount FROM (SELECT * FROM labevents WHERE itemid = 50912) AS virtual_table LIMIT 50000

-- dbt: run a model as a query
with src as (select * from "hospital"."public"."claim"), renamed as (select claim_id, hadm_id, payer_id, charged::numeric(12,2) as charged, coalesce(allowed, 0) as allowed, status from src) select status, count(*) as n, sum(charged) as charged from renamed group by 1 order by 1

-- dbt: unique test
select count(*) as failures, count(*) != 0 as should_warn, count(*) != 0 as should_error from (select hadm_id as unique_field, count(*) as n_records from "hospital"."public"."admissions" where hadm_id is not null group by hadm_id having count(*) > 1) dbt_internal_test

-- dbt: not null and relationships test
select count(*) as failures from (with child as (select hadm_id as from_field from icustays where hadm_id is not null), parent as (select hadm_id as to_field from admissions) select from_field from child left join parent on child.from_field = parent.to_field where parent.to_field is null) dbt_internal_test

-- dbt: catalogue
select 'hospital' as table_database, sch.nspname as table_schema, tbl.relname as table_name, case tbl.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' else 'BASE TABLE' end as table_type, tbl_desc.description as table_comment, col.attname as column_name, col.attnum as column_index, pg_catalog.format_type(col.atttypid, col.atttypmod) as column_type, col_desc.description as column_comment, pg_get_userbyid(tbl.relowner) as table_owner from pg_catalog.pg_namespace sch join pg_catalog.pg_class tbl on tbl.relnamespace = sch.oid join pg_catalog.pg_attribute col on col.attrelid = tbl.oid left outer join pg_catalog.pg_description tbl_desc on (tbl_desc.objoid = tbl.oid and tbl_desc.objsubid = 0) left outer join pg_catalog.pg_description col_desc on (col_desc.objoid = tbl.oid and col_desc.objsubid = col.attnum) where upper(sch.nspname) = upper('public') and not pg_is_other_temp_schema(sch.oid) and tbl.relpersistence in ('p', 'u') and tbl.relkind in ('r', 'v', 'f', 'p', 'm') and col.attnum > 0 and not col.attisdropped order by sch.nspname, tbl.relname, col.attnum

-- psql: \d+ of 18
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', '), c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid) LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid) WHERE c.oid = 'patients'::regclass

-- psql: columns of \d+ of 18
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation, a.attidentity, a.attgenerated, a.attstorage, a.attcompression AS attcompression, CASE WHEN a.attstattarget=-1 THEN NULL ELSE a.attstattarget END AS attstattarget, pg_catalog.col_description(a.attrelid, a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'patients'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

-- psql: policies, publications and statistics of \d+
SELECT pol.polname, pol.polpermissive, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END, pg_catalog.pg_get_expr(pol.polqual, pol.polrelid), pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid), CASE pol.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' END AS cmd FROM pg_catalog.pg_policy pol WHERE pol.polrelid = 'patients'::regclass ORDER BY 1

-- psql: extended statistics
SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, stxname, pg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns, 'd' = any(stxkind) AS ndist_enabled, 'f' = any(stxkind) AS deps_enabled, 'm' = any(stxkind) AS mcv_enabled, stxstattarget FROM pg_catalog.pg_statistic_ext WHERE stxrelid = 'patients'::regclass ORDER BY nsp, stxname

-- psql: publications of a table
SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid WHERE pc.oid = 'patients'::regclass AND pg_catalog.pg_relation_is_publishable('patients'::regclass) ORDER BY 1

-- psql: not null constraints of 18
SELECT c.conname, a.attname, c.connoinherit, c.conislocal, c.coninhcount <> 0, c.convalidated FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.conrelid AND a.attnum = c.conkey[1]) WHERE c.contype = 'n' AND c.conrelid = 'patients'::pg_catalog.regclass ORDER BY a.attnum

-- psql: partitions and children
SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i WHERE c.oid = i.inhrelid AND i.inhparent = 'patients'::regclass ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text

-- psql: \df+
SELECT n.nspname as "Schema", p.proname as "Name", pg_catalog.pg_get_function_result(p.oid) as "Result data type", pg_catalog.pg_get_function_arguments(p.oid) as "Argument data types", CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END as "Type", CASE WHEN p.provolatile = 'i' THEN 'immutable' WHEN p.provolatile = 's' THEN 'stable' WHEN p.provolatile = 'v' THEN 'volatile' END as "Volatility", CASE WHEN p.proparallel = 'r' THEN 'restricted' WHEN p.proparallel = 's' THEN 'safe' ELSE 'unsafe' END as "Parallel", pg_catalog.pg_get_userbyid(p.proowner) as "Owner", CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END AS "Security", CASE WHEN p.proleakproof THEN 'yes' ELSE 'no' END as "Leakproof?", pg_catalog.array_to_string(p.proacl, E'\n') AS "Access privileges", l.lanname as "Language", CASE WHEN l.lanname IN ('internal', 'c') THEN p.prosrc END as "Internal name", pg_catalog.obj_description(p.oid, 'pg_proc') as "Description" FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE pg_catalog.pg_function_is_visible(p.oid) AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ORDER BY 1, 2, 4

-- psql: \dn+
SELECT n.nspname AS "Name", pg_catalog.pg_get_userbyid(n.nspowner) AS "Owner", pg_catalog.array_to_string(n.nspacl, E'\n') AS "Access privileges", pg_catalog.obj_description(n.oid, 'pg_namespace') AS "Description" FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1

-- psql: \du
SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid) as memberof, r.rolreplication, r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1

-- psql: \l of 15 and later
SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner", pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding", CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END AS "Locale Provider", d.datcollate as "Collate", d.datctype as "Ctype", CASE WHEN pg_catalog.array_length(d.datacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(d.datacl, E'\n') END AS "Access privileges" FROM pg_catalog.pg_database d ORDER BY 1

-- psql: \dp
SELECT n.nspname as "Schema", c.relname as "Name", CASE WHEN pg_catalog.array_length(c.relacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(c.relacl, E'\n') END as "Access privileges", pg_catalog.array_to_string(ARRAY(SELECT attname || E':\n  ' || pg_catalog.array_to_string(attacl, E'\n  ') FROM pg_catalog.pg_attribute a WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL), E'\n') AS "Column privileges" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','v','m','S','f','p') AND pg_catalog.pg_table_is_visible(c.oid) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2

-- psql: tab completion
SELECT pg_catalog.quote_ident(c.relname), NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (pg_catalog.quote_ident(c.relname)) LIKE 'pat%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n WHERE substring(pg_catalog.quote_ident(n.nspname) || '.',1,3)='pat' LIMIT 1000

-- psql: \dT+ and \dx
SELECT n.nspname as "Schema", pg_catalog.format_type(t.oid, NULL) AS "Name", t.typname AS "Internal name", CASE WHEN t.typrelid != 0 THEN CAST('tuple' AS pg_catalog.text) WHEN t.typlen < 0 THEN CAST('var' AS pg_catalog.text) ELSE CAST(t.typlen AS pg_catalog.text) END AS "Size", pg_catalog.array_to_string(ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder), E'\n') AS "Elements", pg_catalog.obj_description(t.oid, 'pg_type') as "Description" FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) AND NOT EXISTS(SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid) AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' AND pg_catalog.pg_type_is_visible(t.oid) ORDER BY 1, 2

-- dbeaver: start of a session
SELECT current_schema(), session_user

-- dbeaver: database
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datname = 'hospital'

-- dbeaver: types of a schema
SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') LIMIT 50

-- dbeaver: tables with their sizes
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c')

-- dbeaver: columns
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value, dsc.description, dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'c') AND c.oid = 'admissions'::regclass ORDER BY a.attnum

-- dbeaver: data of a table
SELECT x.* FROM public.patients x ORDER BY x.subject_id LIMIT 200

-- datagrip: tables
select T.oid as table_id, relname as table_name, relkind as table_kind, N.nspname, pg_catalog.pg_get_userbyid(T.relowner) as "owner", pg_catalog.array_to_string(T.reloptions, ',') as options, T.relpersistence from pg_catalog.pg_class T join pg_catalog.pg_namespace N on N.oid = T.relnamespace where relkind in ('r', 'm', 'v', 'f', 'p') and N.nspname = 'public' order by table_kind, table_id

-- datagrip: state of the database
select current_database(), current_timestamp, pg_catalog.pg_is_in_recovery(), pg_catalog.pg_postmaster_start_time() as startup, pg_catalog.age(datfrozenxid) > 0 from pg_catalog.pg_database where datname = current_database()

-- datagrip: number of the present transaction
select case when pg_catalog.pg_is_in_recovery() then null else (pg_catalog.txid_current() % (2^32)::bigint)::varchar::bigint end is null as none

-- datagrip: functions, with arguments
with languages as (select oid as lang_oid, lanname as lang from pg_catalog.pg_language), routines as (select proname as r_name, prolang as lang_oid, oid as r_id, proargnames as arg_names, proargmodes as arg_modes, proargtypes::int[] as in_arg_types, proallargtypes::int[] as all_arg_types, prorettype::int as ret_type_id, proretset as ret_set, provolatile as volatile_kind, pronargdefaults, procost as cost, prorows as rows from pg_catalog.pg_proc where pronamespace = 'public'::regnamespace and not (prokind = 'a')) select * from routines natural join languages

-- datagrip: constraints
select T.oid table_id, relkind table_kind, C.oid::bigint con_id, conname con_name, contype con_kind, conkey con_columns, conindid index_id, confrelid ref_table_id, condeferrable is_deferrable, confupdtype on_update, confdeltype on_delete, connoinherit no_inherit, pg_catalog.pg_get_expr(conbin, T.oid) con_expression, confkey ref_columns, conexclop::int[] excl_operators from pg_catalog.pg_constraint C join pg_catalog.pg_class T on C.conrelid = T.oid where relkind in ('r', 'v', 'f', 'p') and relnamespace = 'public'::regnamespace and contype in ('p', 'u', 'f', 'c', 'x') and connamespace = 'public'::regnamespace

-- npgsql: types
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind, elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind, CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid, CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype, CASE WHEN proc.proname='array_recv' THEN typ.typelem WHEN typ.typtype='r' THEN rngsubtype WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid) WHEN typ.typtype='d' THEN typ.typbasetype END AS elemtypoid FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid) LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid) LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t JOIN pg_namespace AS ns ON (ns.oid = typnamespace) WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind='c') OR (typtype = 'p' AND typname IN ('record', 'void', 'unknown')) OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'p' AND elemtypname IN ('record', 'void')) OR (elemtyptype = 'c' AND elemrelkind='c'))) ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'c' THEN 1 WHEN typtype = 'r' THEN 2 WHEN typtype = 'm' THEN 3 WHEN typtype = 'd' THEN 4 WHEN typtype = 'a' THEN 5 END LIMIT 100

-- npgsql: composite fields and labels
SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace) JOIN pg_class AS cls ON (cls.oid = typ.typrelid) JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid) WHERE (typ.typtype = 'c' AND cls.relkind='c') AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum

-- node: ORM type look-up
SELECT oid, typarray, typname FROM pg_type WHERE typtype = 'b' AND typname IN ('json', 'jsonb', 'uuid', 'timestamptz')

-- rails: schema of a table
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"admissions"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

-- prisma: tables and row level security
SELECT tbl.relname AS table_name, namespace.nspname as namespace, (tbl.relhassubclass and tbl.relkind = 'p') as is_partition, (tbl.relhassubclass and tbl.relkind = 'r') as has_subclass, tbl.relrowsecurity as has_row_level_security, reloptions, obj_description(tbl.oid, 'pg_class') as description FROM pg_class AS tbl INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace WHERE tbl.relkind = 'r' AND namespace.nspname = ANY (ARRAY['public']) ORDER BY namespace, table_name

-- grafana: a time series
SELECT floor(extract(epoch from charttime)/3600)*3600 AS "time", avg(valuenum) AS "value" FROM chartevents WHERE charttime BETWEEN '2150-01-01T00:00:00Z' AND '2150-02-01T00:00:00Z' AND itemid = 220045 GROUP BY 1 ORDER BY 1

-- tableau: a view of a sheet
SELECT CAST("admissions"."admission_type" AS TEXT) AS "admission_type", SUM(1) AS "sum:Number of Records:ok", CAST(TRUNC(EXTRACT(YEAR FROM "admissions"."admittime")) AS INTEGER) AS "yr:admittime:ok" FROM "public"."admissions" "admissions" GROUP BY 1, 3

-- powerbi: folded query
select "$Table"."hadm_id" as "hadm_id", "$Table"."admission_type" as "admission_type", "$Outer"."long_title" from "public"."admissions" "$Table" left outer join (select d.hadm_id as hadm_id2, i.long_title from diagnoses d join d_icd i on i.icd_code = d.icd_code and i.icd_version = d.icd_version where d.seq_num = 1) "$Outer" on "$Table"."hadm_id" = "$Outer"."hadm_id2" limit 1000

-- agent: what tables are there
SELECT table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name ORDER BY table_name

-- agent: rows per table
SELECT relname, reltuples::bigint FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY reltuples DESC

-- agent: distinct values
SELECT array_agg(DISTINCT race ORDER BY race), array_agg(DISTINCT language) FROM patients

-- agent: a summary in one statement
SELECT json_build_object('patients', (SELECT count(*) FROM patients), 'stays', (SELECT count(*) FROM icustays), 'first', (SELECT min(admittime) FROM admissions))
