-- What studies, measures and dashboards ask an OMOP warehouse. A statement each, a blank line between two; a script's statements end in ";".

-- characterise: persons by gender and race
SELECT g.concept_name AS gender, r.concept_name AS race, count(*) AS n, round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS pct FROM person p JOIN concept g ON g.concept_id = p.gender_concept_id LEFT JOIN concept r ON r.concept_id = p.race_concept_id GROUP BY g.concept_name, r.concept_name ORDER BY n DESC, 1, 2

-- characterise: age at first observation, in bands
SELECT width_bucket(extract(year FROM op.observation_period_start_date) - p.year_of_birth, 0, 100, 10) AS decade, count(*) FROM person p JOIN observation_period op USING (person_id) GROUP BY 1 ORDER BY 1

-- characterise: quantiles of observation time
SELECT min(d), percentile_cont(ARRAY[0.1, 0.25, 0.5, 0.75, 0.9]) WITHIN GROUP (ORDER BY d) AS quantiles, max(d), avg(d)::numeric(10,2), stddev_samp(d)::numeric(10,2) FROM (SELECT observation_period_end_date - observation_period_start_date AS d FROM observation_period) t

-- characterise: Achilles, persons by month of visit
INSERT INTO results.achilles_results SELECT 202, to_char(visit_start_date, 'YYYYMM'), visit_concept_id::text, count(DISTINCT person_id) FROM visit_occurrence GROUP BY 2, 3 ON CONFLICT (analysis_id, stratum_1, stratum_2) DO UPDATE SET count_value = EXCLUDED.count_value

-- characterise: table of counts
SELECT 'person' AS t, count(*) FROM person UNION ALL SELECT 'visit_occurrence', count(*) FROM visit_occurrence UNION ALL SELECT 'condition_occurrence', count(*) FROM condition_occurrence UNION ALL SELECT 'note', count(*) FROM note ORDER BY 1

-- characterise: unmapped codes
SELECT condition_source_value, count(*) AS records, count(DISTINCT person_id) AS persons FROM condition_occurrence c LEFT JOIN concept k ON k.concept_id = c.condition_concept_id AND k.standard_concept = 'S' WHERE k.concept_id IS NULL GROUP BY 1 HAVING count(*) > 5 ORDER BY 2 DESC

-- characterise: dates out of order
SELECT count(*) FILTER (WHERE visit_end_date < visit_start_date) AS backwards, count(*) FILTER (WHERE visit_start_date > CURRENT_DATE) AS future, count(*) FILTER (WHERE d.death_date < v.visit_start_date) AS after_death FROM visit_occurrence v LEFT JOIN death d USING (person_id)

-- characterise: completeness of columns
SELECT count(*) AS n, count(value_as_number) AS with_number, count(*) - count(unit_concept_id) AS without_unit, bool_and(range_low < range_high) AS ranges_ok, bool_or(value_as_number IS NULL) AS any_missing FROM measurement

-- cohort: new users of metformin with a year of washout
WITH first_use AS (SELECT de.person_id, min(de.drug_exposure_start_date) AS index_date FROM drug_exposure de JOIN concept_ancestor ca ON ca.descendant_concept_id = de.drug_concept_id WHERE ca.ancestor_concept_id = 1503297 GROUP BY de.person_id) SELECT count(*) FROM first_use f JOIN observation_period op ON op.person_id = f.person_id AND f.index_date BETWEEN op.observation_period_start_date + INTERVAL '365 days' AND op.observation_period_end_date

-- cohort: insert into the result table
INSERT INTO results.cohort (cohort_definition_id, subject_id, cohort_start_date, cohort_end_date) SELECT 2, person_id, min(condition_start_date), max(coalesce(condition_end_date, condition_start_date + 1)) FROM condition_occurrence WHERE condition_concept_id IN (SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id = 132797) OR condition_concept_id = 132797 GROUP BY person_id

-- cohort: delete before it is made again
DELETE FROM results.cohort WHERE cohort_definition_id = 1

-- cohort: entries, and those that a rule leaves
WITH e AS (SELECT c.subject_id, c.cohort_start_date, (SELECT count(*) FROM visit_occurrence v WHERE v.person_id = c.subject_id AND v.visit_start_date BETWEEN c.cohort_start_date - 180 AND c.cohort_start_date) AS prior FROM results.cohort c WHERE c.cohort_definition_id = 1) SELECT count(*) AS entered, count(*) FILTER (WHERE prior >= 1) AS left_after_rule_1, count(*) FILTER (WHERE prior >= 2) AS left_after_rule_2 FROM e

-- cohort: HEDIS diabetes, HbA1c above 9
WITH denom AS (SELECT DISTINCT p.person_id FROM person p JOIN condition_occurrence c USING (person_id) WHERE c.condition_concept_id IN (201826, 201254) AND 2017 - p.year_of_birth BETWEEN 18 AND 75 AND c.condition_start_date BETWEEN DATE '2016-01-01' AND DATE '2017-12-31'), last_a1c AS (SELECT DISTINCT ON (m.person_id) m.person_id, m.value_as_number FROM measurement m JOIN denom USING (person_id) WHERE m.measurement_concept_id = 3004410 AND m.measurement_date BETWEEN '2017-01-01' AND '2017-12-31' ORDER BY m.person_id, m.measurement_date DESC, m.measurement_id DESC) SELECT count(*) AS denominator, count(*) FILTER (WHERE a.value_as_number > 9 OR a.person_id IS NULL) AS numerator, round(count(*) FILTER (WHERE a.value_as_number > 9 OR a.person_id IS NULL)::numeric / nullif(count(*), 0), 4) AS rate FROM denom d LEFT JOIN last_a1c a USING (person_id)

-- cohort: eCQM, blood pressure under control
SELECT count(DISTINCT person_id) FILTER (WHERE value_as_number < 140) * 1.0 / count(DISTINCT person_id) AS controlled FROM (SELECT person_id, value_as_number, rank() OVER (PARTITION BY person_id ORDER BY measurement_datetime DESC) AS r FROM measurement WHERE measurement_concept_id = 3004249) t WHERE r = 1

-- cohort: readmission within 30 days
WITH inpatient AS (SELECT visit_occurrence_id, person_id, visit_start_date, visit_end_date, lead(visit_start_date) OVER (PARTITION BY person_id ORDER BY visit_start_date, visit_occurrence_id) AS next_start FROM visit_occurrence WHERE visit_concept_id IN (9201, 262)) SELECT date_part('year', visit_end_date) AS year, count(*) AS index_stays, sum(CASE WHEN next_start - visit_end_date BETWEEN 1 AND 30 THEN 1 ELSE 0 END) AS readmitted, avg((next_start - visit_end_date <= 30)::int)::numeric(5,4) AS rate FROM inpatient GROUP BY 1 ORDER BY 1

-- cohort: Charlson, by codes
WITH weights(code, w) AS (VALUES ('^I2[12]', 1), ('^E1[01]', 1), ('^C', 2), ('^N18', 2), ('^A41', 0)), hits AS (SELECT DISTINCT c.person_id, w.code, w.w FROM condition_occurrence c JOIN weights w ON c.condition_source_value ~ w.code) SELECT score, count(*) FROM (SELECT person_id, sum(w) AS score FROM hits GROUP BY person_id) s GROUP BY score ORDER BY score

-- cohort: attrition as a funnel
WITH steps AS (SELECT p.person_id, true AS all_persons, EXISTS (SELECT FROM condition_occurrence c WHERE c.person_id = p.person_id AND c.condition_concept_id = 201826) AS diabetic, NOT EXISTS (SELECT 1 FROM condition_occurrence c WHERE c.person_id = p.person_id AND c.condition_concept_id = 201254) AS not_type_1, (SELECT max(value_as_number) FROM measurement m WHERE m.person_id = p.person_id AND m.measurement_concept_id = 3004410) > 7 AS high FROM person p) SELECT step, n FROM (SELECT count(*) AS a, count(*) FILTER (WHERE diabetic) AS b, count(*) FILTER (WHERE diabetic AND not_type_1) AS c, count(*) FILTER (WHERE diabetic AND not_type_1 AND high) AS d FROM steps) t CROSS JOIN LATERAL (VALUES (1, 'all', a), (2, 'diabetic', b), (3, 'not type 1', c), (4, 'high', d)) AS v(no, step, n) ORDER BY no

-- cohort: propensity covariates, wide
SELECT p.person_id, (p.gender_concept_id = 8532)::int AS female, 2018 - p.year_of_birth AS age, coalesce(max(CASE WHEN c.condition_concept_id = 316866 THEN 1 END), 0) AS htn, coalesce(max(CASE WHEN c.condition_concept_id = 4329847 THEN 1 END), 0) AS mi, count(DISTINCT c.visit_occurrence_id) AS visits FROM person p LEFT JOIN condition_occurrence c ON c.person_id = p.person_id AND c.condition_start_date < date '2018-01-01' GROUP BY p.person_id, p.gender_concept_id, p.year_of_birth ORDER BY p.person_id LIMIT 50

-- cohort: 1 to 2 matching on age and sex
SELECT t.person_id AS case_id, m.person_id AS control_id, m.rn FROM (SELECT person_id, gender_concept_id, year_of_birth FROM person WHERE person_id % 20 = 0) t CROSS JOIN LATERAL (SELECT q.person_id, row_number() OVER (ORDER BY abs(q.year_of_birth - t.year_of_birth), q.person_id) AS rn FROM person q WHERE q.gender_concept_id = t.gender_concept_id AND q.person_id <> t.person_id AND q.person_id % 20 <> 0 ORDER BY abs(q.year_of_birth - t.year_of_birth), q.person_id LIMIT 2) m ORDER BY 1, 3

-- time: person-time at risk and incidence per 1,000
WITH atrisk AS (SELECT op.person_id, op.observation_period_start_date AS s, least(op.observation_period_end_date, min(c.condition_start_date), max(d.death_date)) AS e, min(c.condition_start_date) AS dx FROM observation_period op LEFT JOIN condition_occurrence c ON c.person_id = op.person_id AND c.condition_concept_id = 4329847 LEFT JOIN death d ON d.person_id = op.person_id GROUP BY op.person_id, op.observation_period_start_date, op.observation_period_end_date) SELECT sum(greatest(e - s, 0)) / 365.25 AS person_years, count(dx) AS cases, 1000 * count(dx) / nullif(sum(greatest(e - s, 0)) / 365.25, 0) AS per_1000 FROM atrisk

-- time: incidence by calendar year with generate_series
SELECT y.year, count(c.person_id) FILTER (WHERE extract(year FROM c.first_date) = y.year) AS new_cases, (SELECT count(*) FROM observation_period op WHERE extract(year FROM op.observation_period_start_date) <= y.year AND extract(year FROM op.observation_period_end_date) >= y.year) AS at_risk FROM generate_series(2015, 2020) AS y(year) LEFT JOIN (SELECT person_id, min(condition_start_date) AS first_date FROM condition_occurrence WHERE condition_concept_id = 201826 GROUP BY 1) c ON extract(year FROM c.first_date) = y.year GROUP BY y.year ORDER BY y.year

-- time: Kaplan-Meier inputs
WITH s AS (SELECT c.subject_id, coalesce(d.death_date, op.observation_period_end_date) - c.cohort_start_date AS t, (d.death_date IS NOT NULL)::int AS event FROM results.cohort c JOIN observation_period op ON op.person_id = c.subject_id LEFT JOIN death d ON d.person_id = c.subject_id WHERE c.cohort_definition_id = 1), g AS (SELECT t, sum(event) AS d, count(*) AS n FROM s WHERE t >= 0 GROUP BY t) SELECT t, d, sum(n) OVER (ORDER BY t DESC) AS at_risk FROM g ORDER BY t

-- time: Kaplan-Meier by exp(sum(ln))
WITH s AS (SELECT coalesce(d.death_date, op.observation_period_end_date) - op.observation_period_start_date AS t, (d.death_date IS NOT NULL)::int AS event FROM observation_period op LEFT JOIN death d USING (person_id)), g AS (SELECT t, sum(event) AS d, sum(count(*)) OVER (ORDER BY t DESC) AS r FROM s GROUP BY t) SELECT t, round(exp(sum(ln(1 - d::numeric / r)) OVER (ORDER BY t))::numeric, 5) AS survival FROM g WHERE d < r ORDER BY t LIMIT 30

-- time: medication possession ratio
SELECT person_id, sum(days_supply) AS supplied, max(drug_exposure_end_date) - min(drug_exposure_start_date) AS span, least(1.0, round(sum(days_supply)::numeric / nullif(max(drug_exposure_end_date) - min(drug_exposure_start_date), 0), 3)) AS mpr FROM drug_exposure WHERE drug_concept_id IN (SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id = 1503297) GROUP BY person_id HAVING count(*) > 1 ORDER BY mpr DESC NULLS LAST, person_id LIMIT 20

-- time: proportion of days covered, by calendar
SELECT round(avg(pdc), 4) FROM (SELECT person_id, count(DISTINCT d)::numeric / 365 AS pdc FROM drug_exposure, generate_series(drug_exposure_start_date, drug_exposure_start_date + days_supply - 1, interval '1 day') AS d WHERE d >= '2017-01-01' AND d < '2018-01-01' GROUP BY person_id) x

-- time: drug eras by gaps and islands
WITH ends AS (SELECT person_id, drug_concept_id, drug_exposure_start_date AS s, drug_exposure_end_date + 30 AS e, max(drug_exposure_end_date + 30) OVER (PARTITION BY person_id, drug_concept_id ORDER BY drug_exposure_start_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS prev FROM drug_exposure), marks AS (SELECT *, sum(CASE WHEN prev >= s THEN 0 ELSE 1 END) OVER (PARTITION BY person_id, drug_concept_id ORDER BY s) AS era FROM ends) SELECT person_id, drug_concept_id, min(s) AS era_start, max(e) - 30 AS era_end, count(*) AS exposures FROM marks GROUP BY person_id, drug_concept_id, era ORDER BY 1, 2, 3 LIMIT 40

-- time: eras with range_agg
SELECT person_id, range_agg(daterange(drug_exposure_start_date, drug_exposure_end_date, '[]')) AS covered FROM drug_exposure GROUP BY person_id ORDER BY person_id LIMIT 5

-- time: visits that overlap
SELECT count(*) FROM visit_occurrence a JOIN visit_occurrence b ON a.person_id = b.person_id AND a.visit_occurrence_id < b.visit_occurrence_id AND daterange(a.visit_start_date, a.visit_end_date, '[]') && daterange(b.visit_start_date, b.visit_end_date, '[]') WHERE a.visit_end_date >= a.visit_start_date

-- time: sepsis, lactate within six hours
SELECT c.visit_occurrence_id, min(m.measurement_datetime) - v.visit_start_datetime AS delay, (array_agg(m.value_as_number ORDER BY m.measurement_datetime))[1] AS first_lactate FROM condition_occurrence c JOIN visit_occurrence v USING (visit_occurrence_id) JOIN measurement m ON m.visit_occurrence_id = v.visit_occurrence_id AND m.measurement_concept_id = 3047181 AND m.measurement_datetime BETWEEN v.visit_start_datetime AND v.visit_start_datetime + interval '6 hours' WHERE c.condition_concept_id = 132797 GROUP BY c.visit_occurrence_id, v.visit_start_datetime ORDER BY 1 LIMIT 10

-- time: SOFA-like, worst in a window of a day
SELECT visit_occurrence_id, measurement_datetime, max(value_as_number) OVER (PARTITION BY visit_occurrence_id ORDER BY measurement_datetime RANGE BETWEEN interval '24 hours' PRECEDING AND CURRENT ROW) AS worst FROM measurement WHERE measurement_concept_id = 3016723 ORDER BY 1, 2 LIMIT 20

-- time: KDIGO, a rise of 0.3 in two days
SELECT count(DISTINCT b.person_id) FROM measurement a JOIN measurement b ON a.person_id = b.person_id AND a.measurement_concept_id = b.measurement_concept_id AND b.measurement_datetime > a.measurement_datetime AND b.measurement_datetime <= a.measurement_datetime + interval '48 hours' WHERE a.measurement_concept_id = 3016723 AND b.value_as_number - a.value_as_number >= 0.3

-- time: weekdays and hours, in local time
SELECT to_char(visit_start_datetime AT TIME ZONE 'America/New_York', 'Dy') AS day, extract(hour FROM visit_start_datetime AT TIME ZONE 'America/New_York') AS hour, count(*) FROM visit_occurrence GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2

-- time: census for each day of a month
SELECT d::date AS day, count(v.visit_occurrence_id) AS in_house FROM generate_series('2017-03-01'::date, '2017-03-31'::date, '1 day'::interval) d LEFT JOIN visit_occurrence v ON v.visit_concept_id = 9201 AND d BETWEEN v.visit_start_date AND v.visit_end_date GROUP BY d ORDER BY d

-- time: ages in words
SELECT person_id, age(date '2020-01-01', birth_datetime) AS age, date_part('year', age(date '2020-01-01', birth_datetime)) AS years FROM person ORDER BY person_id LIMIT 10

-- time: quarters with date_bin and isoyear
SELECT extract(isoyear FROM visit_start_date) AS y, extract(week FROM visit_start_date) AS w, date_bin('14 days', visit_start_datetime, timestamptz '2016-01-01') AS bin, count(*) FROM visit_occurrence GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 12

-- concepts: descendants by recursion
WITH RECURSIVE tree AS (SELECT concept_id, concept_name, 0 AS depth, ARRAY[concept_id] AS path FROM concept WHERE concept_id = 441840 UNION ALL SELECT c.concept_id, c.concept_name, t.depth + 1, t.path || c.concept_id FROM tree t JOIN concept_relationship r ON r.concept_id_2 = t.concept_id AND r.relationship_id = 'Is a' JOIN concept c ON c.concept_id = r.concept_id_1 WHERE NOT c.concept_id = ANY (t.path)) SELECT repeat('  ', depth) || concept_name AS name, array_to_string(path, '>') FROM tree ORDER BY path

-- concepts: descendants with CYCLE
WITH RECURSIVE t(id) AS (SELECT 441840 UNION ALL SELECT r.concept_id_1 FROM t JOIN concept_relationship r ON r.concept_id_2 = t.id AND r.relationship_id = 'Is a') CYCLE id SET is_cycle USING path SELECT id, is_cycle FROM t ORDER BY id

-- concepts: search by name and synonym
SELECT DISTINCT c.concept_id, c.concept_name, c.vocabulary_id, c.concept_code FROM concept c LEFT JOIN concept_synonym s USING (concept_id) WHERE c.concept_name ILIKE '%diabet%' OR s.concept_synonym_name ILIKE ANY (ARRAY['%diabet%', 'niddm']) ORDER BY c.concept_id

-- concepts: ranked full text
SELECT concept_id, concept_name, ts_rank(to_tsvector('english', concept_name), q) AS rank, ts_headline('english', concept_name, q) FROM concept, websearch_to_tsquery('english', 'diabetes or "myocardial infarction"') q WHERE to_tsvector('english', concept_name) @@ q ORDER BY rank DESC, concept_id

-- concepts: ICD codes to standard ones
SELECT s.concept_code, t.concept_id, t.concept_name FROM concept s JOIN concept_relationship r ON r.concept_id_1 = s.concept_id AND r.relationship_id = 'Maps to' AND r.invalid_reason IS NULL JOIN concept t ON t.concept_id = r.concept_id_2 WHERE s.vocabulary_id = 'ICD10CM' AND s.concept_code SIMILAR TO 'E1[01]%'

-- concepts: parts of a code
SELECT condition_source_value, substring(condition_source_value FROM '^[A-Z]\d+') AS category, split_part(condition_source_value, '.', 2) AS detail, regexp_replace(condition_source_value, '\.', '') AS undotted, position('.' IN condition_source_value), length(condition_source_value), count(*) FROM condition_occurrence GROUP BY 1 ORDER BY 1

-- concepts: settings in jsonb
SELECT vocabulary_id, settings -> 'license' ->> 'required' AS required, (settings #>> '{license,level}')::int AS level, jsonb_array_length(settings -> 'editions') AS editions, settings @> '{"license": {"required": true}}' AS licensed FROM vocabulary ORDER BY 1

-- concepts: a concept set's items out of a definition
SELECT d.cohort_definition_id, (i.value ->> 'concept')::int AS concept_id, coalesce((i.value ->> 'includeDescendants')::bool, false) AS descendants, c.concept_name FROM results.cohort_definition d CROSS JOIN LATERAL jsonb_array_elements(d.expression #> '{ConceptSets,0,expression,items}') AS i(value) JOIN concept c ON c.concept_id = (i.value ->> 'concept')::int ORDER BY 1, 2

-- concepts: by jsonpath
SELECT cohort_definition_id, jsonb_path_query_array(expression, '$.ConceptSets[*].expression.items[*] ? (@.isExcluded == true).concept') AS excluded FROM results.cohort_definition WHERE jsonb_path_exists(expression, '$.ConceptSets[*].expression.items[*].concept') ORDER BY 1

-- concepts: definitions by tag
SELECT tag, count(*), array_agg(cohort_definition_name ORDER BY cohort_definition_id) FROM results.cohort_definition, unnest(tags) AS tag WHERE tags && ARRAY['published', 'infection'] GROUP BY tag ORDER BY tag

-- concepts: as a document for an agent
SELECT jsonb_pretty(jsonb_agg(jsonb_build_object('id', concept_id, 'name', concept_name, 'domain', domain_id) ORDER BY concept_id)) FROM concept WHERE vocabulary_id = 'SNOMED'

-- labs: summary per test and unit
SELECT c.concept_name, m.unit_concept_id, count(*), min(value_as_number), round(avg(value_as_number), 2), percentile_disc(0.5) WITHIN GROUP (ORDER BY value_as_number), mode() WITHIN GROUP (ORDER BY value_as_number), max(value_as_number), round(variance(value_as_number), 3) FROM measurement m JOIN concept c ON c.concept_id = m.measurement_concept_id GROUP BY 1, 2 ORDER BY 1

-- labs: crosstab of tests by year
SELECT c.concept_name, sum(CASE WHEN extract(year FROM measurement_date) = 2016 THEN 1 ELSE 0 END) AS y2016, sum(CASE WHEN extract(year FROM measurement_date) = 2017 THEN 1 ELSE 0 END) AS y2017, sum(CASE WHEN extract(year FROM measurement_date) = 2018 THEN 1 ELSE 0 END) AS y2018 FROM measurement m JOIN concept c ON c.concept_id = m.measurement_concept_id GROUP BY 1 ORDER BY 1

-- labs: grouping sets with labels
SELECT CASE GROUPING(v.visit_concept_id) WHEN 1 THEN 'all visits' ELSE v.visit_concept_id::text END AS visit, CASE GROUPING(p.gender_concept_id) WHEN 1 THEN 'all' ELSE p.gender_concept_id::text END AS gender, count(*), avg(m.value_as_number)::numeric(8,2) FROM measurement m JOIN visit_occurrence v USING (visit_occurrence_id) JOIN person p ON p.person_id = m.person_id WHERE m.measurement_concept_id = 3004410 GROUP BY CUBE (v.visit_concept_id, p.gender_concept_id) ORDER BY 1, 2

-- labs: outliers by z score
SELECT measurement_id, value_as_number, z FROM (SELECT measurement_id, value_as_number, (value_as_number - avg(value_as_number) OVER w) / nullif(stddev_pop(value_as_number) OVER w, 0) AS z FROM measurement WINDOW w AS (PARTITION BY measurement_concept_id)) t WHERE abs(z) > 1.6 ORDER BY abs(z) DESC, measurement_id LIMIT 10

-- labs: next value in fill-forward
SELECT person_id, measurement_date, value_as_number, first_value(value_as_number) OVER (PARTITION BY person_id, grp ORDER BY measurement_date) FROM (SELECT *, count(value_as_number) OVER (PARTITION BY person_id ORDER BY measurement_date, measurement_id) AS grp FROM measurement WHERE measurement_concept_id = 3004249) t ORDER BY person_id, measurement_date LIMIT 10

-- labs: trend by regression
SELECT person_id, regr_slope(value_as_number, extract(epoch FROM measurement_datetime) / 86400) AS per_day, regr_count(value_as_number, extract(epoch FROM measurement_datetime)) AS n, regr_r2(value_as_number, extract(epoch FROM measurement_datetime)) FROM measurement WHERE measurement_concept_id = 3016723 GROUP BY person_id HAVING count(*) >= 2 ORDER BY per_day DESC NULLS LAST, person_id LIMIT 10

-- chart: everything about one person
SELECT p.*, l.* FROM person p LEFT JOIN location l USING (location_id) WHERE p.person_id = 42

-- chart: one person's events as a timeline
SELECT 'visit' AS kind, visit_start_date AS day, visit_concept_id AS concept, NULL AS note FROM visit_occurrence WHERE person_id = 42 UNION ALL SELECT 'condition', condition_start_date, condition_concept_id, NULL FROM condition_occurrence WHERE person_id = 42 UNION ALL SELECT 'note', note_date, note_class_concept_id, note_text FROM note WHERE person_id = 42 ORDER BY 2, 1

-- chart: last notes, cut
SELECT note_id, note_title, note_date, left(note_text, 80) || '…' AS beginning FROM note ORDER BY note_date DESC, note_id LIMIT 10

-- chart: notes per title and length of stay
SELECT n.note_title, count(*), avg(v.visit_end_date - v.visit_start_date) FROM note n JOIN visit_occurrence v USING (visit_occurrence_id) GROUP BY 1 ORDER BY 1

-- chart: providers with what they see
SELECT pr.provider_id, pr.provider_name, pr.npi, count(v.visit_occurrence_id) AS visits FROM provider pr LEFT JOIN visit_occurrence v USING (provider_id) GROUP BY pr.provider_id ORDER BY visits DESC, pr.provider_id LIMIT 5

-- chart: a person as JSON
SELECT json_build_object('id', person_id, 'mrn', person_source_value, 'born', year_of_birth, 'visits', (SELECT json_agg(json_build_object('start', visit_start_date, 'concept', visit_concept_id) ORDER BY visit_start_date) FROM visit_occurrence v WHERE v.person_id = p.person_id)) FROM person p WHERE person_id IN (1, 2)

-- chart: devices and who has them
SELECT d.device_exposure_id, d.unique_device_id, p.person_source_value, c.care_site_name FROM device_exposure d JOIN person p USING (person_id) LEFT JOIN care_site c USING (care_site_id) ORDER BY 1 LIMIT 10

-- chart: areas by ZIP3
SELECT left(zip, 3) AS zip3, state, count(*) FROM person JOIN location USING (location_id) GROUP BY 1, 2 HAVING count(*) > 2 ORDER BY 3 DESC, 1 LIMIT 10

-- chart: how old are patients of a site
SELECT c.care_site_name, min(2020 - p.year_of_birth), max(2020 - p.year_of_birth), avg(2020 - p.year_of_birth)::numeric(4,1) FROM person p JOIN care_site c USING (care_site_id) GROUP BY 1 ORDER BY 1

-- cost: share of charges by DRG and top decile
SELECT decile, sum(total_paid), round(100 * sum(total_paid) / sum(sum(total_paid)) OVER (), 1) AS pct FROM (SELECT total_paid, ntile(10) OVER (ORDER BY total_paid DESC, cost_id) AS decile FROM cost) t GROUP BY decile ORDER BY decile

-- cost: per member per month
WITH mm AS (SELECT op.person_id, (extract(year FROM age(observation_period_end_date, observation_period_start_date)) * 12 + extract(month FROM age(observation_period_end_date, observation_period_start_date)))::int AS months FROM observation_period op), paid AS (SELECT v.person_id, sum(c.total_paid) AS paid FROM cost c JOIN visit_occurrence v ON v.visit_occurrence_id = c.cost_event_id AND c.cost_domain_id = 'Visit' GROUP BY v.person_id) SELECT round(sum(coalesce(paid, 0)) / nullif(sum(months), 0), 2) AS pmpm FROM mm LEFT JOIN paid USING (person_id)

-- script: a working table of an analyst
CREATE TEMP TABLE t2dm AS SELECT person_id, min(condition_start_date) AS index_date FROM condition_occurrence WHERE condition_concept_id = 201826 GROUP BY person_id;
CREATE INDEX ON t2dm (person_id);
ANALYZE t2dm;
SELECT count(*), min(index_date) FROM t2dm;
SELECT date_trunc('year', t.index_date) AS y, count(*) FROM t2dm t JOIN person p USING (person_id) WHERE p.gender_concept_id = 8532 GROUP BY 1 ORDER BY 1;
DROP TABLE t2dm;

-- script: a result table for the team
CREATE TABLE results.readmissions AS SELECT visit_concept_id, extract(year FROM visit_start_date)::int AS year, count(*) AS stays FROM visit_occurrence GROUP BY 1, 2;
SELECT year, sum(stays) FROM results.readmissions GROUP BY year ORDER BY year;
DROP TABLE IF EXISTS results.readmissions;

-- script: a materialised view, and anew
CREATE MATERIALIZED VIEW results.monthly AS SELECT date_trunc('month', visit_start_date)::date AS month, visit_concept_id, count(*) AS n FROM visit_occurrence GROUP BY 1, 2;
CREATE UNIQUE INDEX monthly_key ON results.monthly (month, visit_concept_id);
REFRESH MATERIALIZED VIEW results.monthly;
REFRESH MATERIALIZED VIEW CONCURRENTLY results.monthly;
SELECT month, sum(n) FROM results.monthly GROUP BY month ORDER BY month LIMIT 12;
DROP MATERIALIZED VIEW results.monthly;

-- script: a view over persons that hides nothing itself
CREATE VIEW results.adults AS SELECT person_id, person_source_value, year_of_birth FROM person WHERE year_of_birth <= 2002;
SELECT * FROM results.adults ORDER BY person_id LIMIT 3;
SELECT count(*) FROM results.adults;
DROP VIEW results.adults;

-- script: a cursor for many rows
BEGIN;
DECLARE rows CURSOR FOR SELECT measurement_id, measurement_concept_id, value_as_number FROM measurement ORDER BY measurement_id;
FETCH 100 FROM rows;
FETCH FORWARD 50 FROM rows;
MOVE 20 IN rows;
CLOSE rows;
COMMIT;

-- script: a transaction that reads one state
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = '30s';
SELECT count(*) FROM visit_occurrence;
SELECT count(*) FROM condition_occurrence;
COMMIT;

-- script: prepared by SQL
PREPARE by_concept(int, date) AS SELECT count(DISTINCT person_id) FROM condition_occurrence WHERE condition_concept_id = $1 AND condition_start_date >= $2;
EXECUTE by_concept(201826, '2017-01-01');
EXECUTE by_concept(316866, '2018-01-01');
DEALLOCATE by_concept;

-- export: counts as CSV
COPY (SELECT c.concept_name, count(DISTINCT person_id) AS persons FROM condition_occurrence o JOIN concept c ON c.concept_id = o.condition_concept_id GROUP BY 1 ORDER BY 2 DESC, 1) TO STDOUT WITH (FORMAT csv, HEADER true)

-- export: a cohort for R, masked
COPY (SELECT subject_id, cohort_start_date, p.year_of_birth, p.gender_source_value FROM results.cohort c JOIN person p ON p.person_id = c.subject_id WHERE cohort_definition_id = 1) TO STDOUT WITH CSV HEADER

-- page: keyset
SELECT condition_occurrence_id, person_id, condition_concept_id, condition_start_date FROM condition_occurrence WHERE (condition_start_date, condition_occurrence_id) > ('2017-06-01', 100) ORDER BY condition_start_date, condition_occurrence_id LIMIT 25

-- page: with a total
SELECT count(*) OVER () AS total, c.concept_id, c.concept_name FROM concept c WHERE domain_id = 'Condition' ORDER BY concept_name OFFSET 2 LIMIT 3

-- page: fetch first with ties
SELECT condition_concept_id, count(*) AS n FROM condition_occurrence GROUP BY 1 ORDER BY n DESC FETCH FIRST 2 ROWS WITH TIES

-- plan: of a public table
EXPLAIN SELECT * FROM concept WHERE concept_id = 201826

-- plan: of public tables, run
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM concept_ancestor JOIN concept ON concept_id = descendant_concept_id
