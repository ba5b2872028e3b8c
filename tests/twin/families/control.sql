-- family: control
SELECT CASE WHEN ssn LIKE '1%' THEN 'a' ELSE 'b' END FROM patients WHERE id = 1
SELECT CASE ssn WHEN '101-11-0007' THEN 1 ELSE 2 END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN id ELSE weight END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN 1/(id-1) ELSE 1 END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN (SELECT id FROM patients) END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN (SELECT 1/(id-1) FROM codes, patients WHERE id = 1 LIMIT 1) END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN nextval('counter') END FROM patients WHERE id = 1 ;; SELECT nextval('counter')
SELECT CASE WHEN ssn < '5' THEN nextval('counter'::regclass) IS NULL END FROM patients ;; SELECT currval('counter') ;; SELECT lastval()
SELECT CASE WHEN name IS NULL THEN set_config('application_name', 'x', false) END FROM patients ;; SHOW application_name
SELECT CASE WHEN ssn < '5' THEN pg_sleep(0.01) END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN pg_notify('c', 'x') END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN pg_advisory_lock(1) END FROM patients WHERE id = 1 ;; SELECT pg_try_advisory_lock(1)
SELECT CASE WHEN ssn < '5' THEN 'x'::int END FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN dx::int END FROM patients, codes WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN repeat('x', 1000000000) || repeat('x', 1000000000) END IS NULL FROM patients WHERE id = 1
SELECT CASE WHEN ssn < '5' THEN EXISTS (SELECT 1 FROM encounters a, encounters b, encounters c WHERE a.dx || b.dx = c.dept) END FROM patients WHERE id = 1
SET statement_timeout = '150ms' ;; SELECT CASE WHEN ssn < '5' THEN EXISTS (SELECT 1 FROM encounters a, encounters b, encounters c WHERE a.dx < b.dept AND b.dx < c.dept AND a.dept > c.dx) END FROM patients WHERE id = 1
SET statement_timeout = '150ms' ;; SELECT CASE WHEN ssn < '5' THEN 'ICU' IN (SELECT a.dept FROM encounters a, encounters b, encounters c WHERE a.dx < b.dept AND b.dx < c.dept AND a.dept > c.dx) END FROM patients WHERE id = 1
SET statement_timeout = '150ms' ;; SELECT ssn < '5' AND EXISTS (SELECT 1 FROM encounters a, encounters b, encounters c WHERE a.dx < b.dept AND b.dx < c.dept AND a.dept > c.dx) FROM patients WHERE id = 1
SET statement_timeout = '150ms' ;; SELECT coalesce(name, (ARRAY(SELECT a.dx FROM encounters a, encounters b, encounters c WHERE a.dx < b.dept AND b.dx < c.dept AND a.dept > c.dx))[1]) FROM patients WHERE id IN (2, 9)
SET lock_timeout = '50ms' ;; SELECT CASE WHEN ssn < '5' THEN pg_advisory_xact_lock(5) END FROM patients WHERE id = 1
SELECT COALESCE(name, (1/(id-9))::text) FROM patients WHERE id = 9
SELECT COALESCE(NULL, name, 'x'::int::text) FROM patients WHERE id IN (2, 9)
SELECT ssn < '5' AND 1/(id-1) = 1 FROM patients WHERE id = 1
SELECT ssn < '5' OR 1/(id-1) = 1 FROM patients WHERE id = 1
SELECT NOT (ssn < '5' AND NOT 1/(id-1) = 1) FROM patients WHERE id = 1
SELECT (ssn < '5')::int FROM patients WHERE id = 1
SELECT 1/(ssn < '5')::int FROM patients WHERE id = 1
SELECT 1/(name IS NULL)::int FROM patients WHERE id = 2
SELECT sqrt((ssn > '5')::int - 1) FROM patients WHERE id = 1
SELECT 10 % (ascii(ssn) - 49) FROM patients WHERE id = 1
SELECT (2147483600 + ascii(ssn)) FROM patients WHERE id = 1
SELECT (9223372036854775750 + ascii(ssn)::bigint) FROM patients WHERE id = 1
SELECT s_int4 + 1 FROM kinds WHERE id = 3
SELECT -s_int2, abs(s_int4) FROM kinds WHERE id = 3
SELECT s_int8 * 2 FROM kinds WHERE id = 3
SELECT s_int4::int2 FROM kinds
SELECT s_float8::int FROM kinds WHERE id = 3
SELECT s_numeric::int FROM kinds WHERE id = 3
SELECT s_date + 10000 FROM kinds WHERE id = 3
SELECT s_timestamp::timestamptz FROM kinds WHERE id = 3
SET timezone = 'UTC+14' ;; SELECT s_timestamptz FROM kinds WHERE id = 3
SET timezone = 'UTC-14' ;; SELECT s_timestamptz FROM kinds WHERE id = 3
SET timezone = 'UTC-14' ;; SELECT s_timestamptz::text FROM kinds WHERE id = 3
SELECT s_timestamp - interval '1 day' FROM kinds WHERE id = 3
SELECT s_interval * 3 FROM kinds WHERE id = 3
SELECT NULLIF(ssn, '101-11-0007') FROM patients WHERE id = 1
SELECT NULLIF(id, length(name)) FROM patients WHERE id < 9
SELECT GREATEST(ssn, '5'), LEAST(name, 'N') FROM patients WHERE id = 1
SELECT id, CASE WHEN q.x THEN 1 ELSE 0 END FROM (SELECT id, ssn < '5' x FROM patients) q LIMIT 3
SELECT CASE WHEN ssn < '5' THEN q.x END FROM patients p, (SELECT 1/(id-1) x FROM patients) q WHERE p.id = 1
SELECT CASE WHEN ssn < '5' THEN q.x END FROM patients p, (SELECT 1/(id-1) x FROM patients OFFSET 0) q WHERE p.id = 1
WITH c AS (SELECT 1/(id-1) x FROM patients) SELECT CASE WHEN ssn < '5' THEN (SELECT max(x) FROM c) END FROM patients WHERE id = 1
WITH c AS MATERIALIZED (SELECT nextval('counter') x) SELECT CASE WHEN ssn < '5' THEN (SELECT x FROM c) END FROM patients WHERE id = 1 ;; SELECT nextval('counter')
WITH c AS (SELECT nextval('counter') x) SELECT ARRAY(SELECT x FROM c), ssn < '5' FROM patients WHERE id = 1
SELECT ssn IN (SELECT '101-11-0007') FROM patients WHERE id = 1
SELECT ssn NOT IN (SELECT dx FROM codes) FROM patients WHERE id < 40
SELECT ssn = ANY (ARRAY['101-11-0007']) FROM patients WHERE id = 1
SELECT ssn <> ALL ('{101-11-0007,x}') FROM patients WHERE id < 30
SELECT '101-11-0007' IN (SELECT ssn FROM patients)
SELECT 'x' = ANY (SELECT ssn FROM patients)
SELECT (SELECT ssn < '5' FROM patients WHERE id = 1) IS TRUE
SELECT (SELECT true WHERE (SELECT ssn FROM patients WHERE id = 1) < '5')
SELECT EXISTS (SELECT 1 FROM patients WHERE name IS NULL AND id = 2)
SELECT NOT EXISTS (SELECT FROM patients WHERE ssn LIKE '999%')
SELECT name IS NULL FROM patients WHERE id = 5
SELECT name IS DISTINCT FROM 'Name1' FROM patients WHERE id = 1
SELECT name IS NOT DISTINCT FROM NULL FROM patients WHERE id < 10
SELECT (name < 'N') IS UNKNOWN FROM patients WHERE id < 10
SELECT name BETWEEN SYMMETRIC 'A' AND 'M' FROM patients WHERE id = 1
SELECT (dob, dob + 1) OVERLAPS (date '1950-01-01', date '1950-03-01') FROM patients WHERE id = 1
SELECT id FROM patients WHERE id = 1 AND CASE WHEN name IS NULL THEN 1/(id-1) = 1 END
SELECT 1 FROM patients WHERE id = 1 AND (ssn < '5' OR 1/0 = 1)
SELECT id FROM patients WHERE CASE WHEN id < 3 THEN ssn < '5' END
SELECT (SELECT id FROM patients WHERE ssn < '2')
SELECT (SELECT id FROM patients p2 WHERE p2.ssn = p.ssn) FROM patients p LIMIT 5
SELECT ARRAY(SELECT id FROM patients WHERE name < 'B' ORDER BY id)
SELECT xmlelement(name a, xmlattributes(ssn AS s)) FROM patients WHERE id = 1
SELECT CASE WHEN current_setting('application_name') = '' THEN ssn ELSE 'x' END FROM patients WHERE id = 1
-- family: error
SELECT ssn::int FROM patients WHERE id = 1
SELECT ssn::uuid FROM patients WHERE id = 1
SELECT ssn::date FROM patients WHERE id = 1
SELECT ssn::json FROM patients WHERE id = 1
SELECT ssn::regclass FROM patients WHERE id = 1
SELECT ssn::regtype FROM patients WHERE id = 1
SELECT name::regrole FROM patients WHERE id = 1
SELECT name::inet FROM patients WHERE id = 1
SELECT name::xml FROM patients WHERE id = 3
SELECT name::tsquery FROM patients WHERE id = 3
SELECT name::point FROM patients WHERE id = 1
SELECT name::bool FROM patients WHERE id = 1
SELECT name::mood FROM patients WHERE id = 1
SELECT name::bytea FROM patients WHERE id = 3
SELECT name::bit(3) FROM patients WHERE id = 3
SELECT name::interval FROM patients WHERE id = 1
SELECT name::money FROM patients WHERE id = 1
SELECT name::"char", ssn::name FROM patients WHERE id = 1
SELECT ssn::short FROM patients WHERE id = 1
SELECT name::varchar(3)::tag FROM patients WHERE id = 1
SELECT length(name)::positive FROM patients WHERE id = 7
SELECT ('x' || name)::date FROM patients WHERE id = 1
SELECT to_date(name, 'YYYY-MM-DD') FROM patients WHERE id = 1
SELECT to_number(ssn, '999') FROM patients WHERE id = 1
SELECT to_timestamp(name, 'HH') FROM patients WHERE id = 1
SELECT decode(ssn, 'hex') FROM patients WHERE id = 1
SELECT decode(name, 'base64') FROM patients WHERE id = 1
SELECT convert_from(ssn::bytea, name) FROM patients WHERE id = 1
SELECT convert_to(name, 'LATIN1') FROM patients WHERE id < 9
SELECT convert_to(name, 'SQL_ASCII') FROM patients WHERE id = 1
SELECT encode(convert_to(name, 'UTF8'), 'hex') FROM patients WHERE id = 1
SELECT chr(ascii(name) - 78) FROM patients WHERE id = 1
SELECT chr(length(name) - 5) FROM patients WHERE id = 1
SELECT substr(name, 1, length(name) - 6) FROM patients WHERE id < 9
SELECT substring(name, 1, -1 * length(email)) FROM patients WHERE id = 1
SELECT substring(name from '(' ) FROM patients WHERE id = 1
SELECT name ~ email FROM patients WHERE id < 9
SELECT name ~ ('(' || ssn) FROM patients WHERE id < 9
SELECT regexp_replace(name, email, 'x') FROM patients WHERE id < 9
SELECT 'x' LIKE name ESCAPE '' FROM patients WHERE id = 1
SELECT 'x' LIKE (name || '\') FROM patients WHERE id < 9
SELECT name LIKE 'x' ESCAPE email FROM patients WHERE id < 9
SELECT similar_to_escape(name, ssn) FROM patients WHERE id < 9
SELECT repeat(name, 200000000) FROM patients WHERE id = 1
SELECT lpad(name, length(email) * 100000000) FROM patients WHERE id = 1
SELECT overlay(name placing 'x' from length(email) - 9) FROM patients WHERE id < 9
SELECT split_part(name, 'a', length(email) - 17) FROM patients WHERE id < 9
SELECT make_date(1900, 1, length(name)) FROM patients
SELECT make_interval(days => length(name)) FROM patients WHERE id = 1
SELECT date_trunc(name, dob) FROM patients WHERE id = 1
SELECT date_part(name, dob) FROM patients WHERE id = 1
SELECT extract(year FROM dob)::int2 FROM patients WHERE id < 20
SELECT dob AT TIME ZONE name FROM patients WHERE id = 1
SELECT int4range(length(name), 6) FROM patients WHERE id < 9
SELECT numrange(1, weight, name) FROM patients WHERE id = 1
SELECT (ARRAY[1,2,3])[length(name)] FROM patients WHERE id = 1
SELECT ARRAY[ARRAY[1], string_to_array(name, 'a')::int[]] FROM patients WHERE id = 1
SELECT array_fill(1, ARRAY[length(name) - 6]) FROM patients WHERE id < 9
SELECT width_bucket(1, 1, length(name) - 4, 3) FROM patients WHERE id < 9
SELECT power(10, length(name) * 60)::float8 FROM patients WHERE id < 9
SELECT ln(length(name) - 5) FROM patients WHERE id < 9
SELECT exp(length(name) * 140.0::float8) FROM patients WHERE id < 9
SELECT factorial(length(name) * 10000) FROM patients WHERE id < 9
SELECT gcd(s_int4, 0) FROM kinds WHERE id = 3
SELECT setseed(length(name)) FROM patients WHERE id = 1
SELECT json_object(ARRAY[name, email]) FROM patients WHERE id < 9
SELECT json_object_agg(name, id) FROM patients
SELECT jsonb_object_agg(name, id) FROM patients WHERE id < 9
SELECT notes->'phone'->>0, (notes->>'phone')::int FROM patients WHERE id = 1
SELECT jsonb_array_length(notes) FROM patients WHERE id = 1
SELECT jsonb_array_elements(notes) FROM patients WHERE id < 9
SELECT jsonb_each_text(notes) FROM patients WHERE id < 9
SELECT jsonb_set(notes, '{phone}', '1') FROM patients WHERE id < 9
SELECT jsonb_insert(notes, '{0}', '1') FROM patients WHERE id < 9
SELECT notes - 1 FROM patients WHERE id < 9
SELECT notes #> ARRAY[name] FROM patients WHERE id < 9
SELECT notes::int FROM patients WHERE id = 2
SELECT jsonb_path_query(notes, 'strict $.phone') FROM patients WHERE id < 9
SELECT jsonb_path_exists(notes, name::jsonpath) FROM patients WHERE id < 9
SELECT notes @@ '$.n > 3' FROM patients WHERE id < 9
SELECT xmlparse(content name) FROM patients WHERE id < 9
SELECT xmlcomment(name) FROM patients WHERE id < 9
SELECT xpath(name, '<a/>') FROM patients WHERE id = 1
SELECT xpath('/a', ('<a>' || name || '</a>')::xml) FROM patients WHERE id < 9
SELECT xmlpi(name php, email) FROM patients WHERE id < 9
SELECT xmlserialize(content s_xml AS text) FROM (SELECT name::xml s_xml FROM patients WHERE id < 9) q
SELECT to_tsquery(name) FROM patients WHERE id < 9
SELECT to_tsvector(name::regconfig, 'x') FROM patients WHERE id = 1
SELECT ts_headline(name, to_tsquery('x')) FROM patients WHERE id = 1
SELECT inet '10.0.0.1' + length(name)::bigint * 100000000 FROM patients WHERE id = 1
SELECT set_masklen(s_inet, 30) FROM kinds
SELECT s_cidr::inet + 1 FROM kinds WHERE id = 3
SELECT bit '101' & s_bit FROM kinds
SELECT get_bit(s_varbit, 5) FROM kinds
SELECT get_byte(s_bytea, 10) FROM kinds
SELECT set_bit(s_bytea, 60, 1) FROM kinds
SELECT s_bit::int, s_varbit::bit(4) FROM kinds
SELECT "varchar"(name::varchar, 9, false) FROM patients WHERE id = 1
SELECT pg_catalog.varchar(name::varchar, 8, false) FROM patients WHERE id = 1
SELECT pg_catalog.bpchar(name::bpchar, 8, false) FROM patients WHERE id = 1
SELECT pg_catalog."bit"(s_bit, 7, false) FROM kinds
SELECT pg_catalog.varbit(s_varbit, 8, false) FROM kinds
SELECT pg_catalog."numeric"(s_numeric, 262148) FROM kinds
SELECT varcharin(textout(name), 0, 9) FROM patients WHERE id = 1
SELECT pg_catalog.bpcharin(textout(name), 0, 9) FROM patients WHERE id = 1
SELECT int4in(textout(ssn)) FROM patients WHERE id = 1
SELECT array_in(textout(name), 23, -1) FROM patients WHERE id = 1
SELECT quote_literal(name), quote_ident(name), quote_nullable(email) FROM patients WHERE id = 3
SELECT format('%s %I', name, email) FROM patients WHERE id = 1
SELECT format(name, 1) FROM patients WHERE id = 1
SELECT format('%' || length(name) || '$s', 1, 2, 3, 4, 5) FROM patients WHERE id < 9
SELECT current_setting(name) FROM patients WHERE id = 1
SELECT current_setting(name, true) FROM patients WHERE id = 1
SELECT has_table_privilege(name, 'select') FROM patients WHERE id = 1
SELECT has_schema_privilege('public', name) FROM patients WHERE id = 1
SELECT to_regclass(name), to_regtype(name) FROM patients WHERE id = 1
SELECT pg_typeof(name), pg_input_is_valid(name, 'int4') FROM patients WHERE id = 1
SELECT pg_client_encoding(), pg_encoding_to_char(length(name)) FROM patients WHERE id < 9
SELECT obj_description(length(name)::oid) FROM patients WHERE id = 1
SELECT pg_get_userbyid(ascii(name)::oid) FROM patients WHERE id = 1
SELECT format_type(ascii(ssn)::oid, NULL) FROM patients WHERE id = 1
SELECT age(dob), age(timestamp '2024-01-01', dob) FROM patients WHERE id < 20
SELECT justify_days(s_interval) FROM kinds WHERE id = 3
SELECT hashtext(name), hashtextextended(ssn, 1), hash_record(p) FROM patients p WHERE id = 1
SELECT md5(ssn), sha256(ssn::bytea), crc32(ssn::bytea) FROM patients WHERE id = 1
SELECT crypt(name, 'x'), digest(name, 'md5') FROM patients WHERE id = 1
SELECT levenshtein(name, 'x'), soundex(name), similarity(name, 'y') FROM patients WHERE id = 1
SELECT normalize(name), unistr(name) FROM patients WHERE id = 3
SELECT parse_ident(name) FROM patients WHERE id = 3
SELECT string_to_table(name, 'a') FROM patients WHERE id = 3
SELECT unnest(s_ints), s_ints[1], s_ints[1:2], array_length(s_ints, 1), cardinality(s_texts) FROM kinds
SELECT array_position(s_texts, 'qanary'), array_append(s_ints, 1), s_ints || s_ints FROM kinds
SELECT s_ints + 1, s_ints & s_ints FROM kinds
SELECT array_to_string(s_texts, ','), trim_array(s_ints, 2), array_ndims(s_ints) FROM kinds
SELECT upper(s_int4range) - lower(s_int4range), isempty(s_int4range) FROM kinds
SELECT s_int4range + int4range(1000, 1001) FROM kinds
SELECT range_merge(s_int4range, int4range(1, 2)), s_int4range * int4range(1, 5) FROM kinds
SELECT unnest(s_multirange), range_agg(s_int4range) FROM kinds GROUP BY 1
SELECT enum_last(s_mood), s_mood::text, enum_range(s_mood, s_mood) FROM kinds
SELECT s_point <-> point(0,0), s_box @> s_point, area(s_path) FROM kinds
SELECT s_lsn - '0/0'::pg_lsn, s_regclass::oid::int FROM kinds
SELECT s_money / 2, s_money::numeric, cash_words(s_money) FROM kinds
SELECT s_money / (s_int4 - 998) FROM kinds
SELECT s_contact::text, (s_contact).phone, (s_contacts[1]).phone, s_tags[1] FROM kinds
