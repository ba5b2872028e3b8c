-- What makes the second twin: other secrets, other lengths, other gaps.
UPDATE patients SET ssn = (999-id)||'-'||(id%7+10)||'-'||(id%8999+1000),
    name = CASE id%5 WHEN 0 THEN NULL WHEN 1 THEN 'X' ELSE repeat('Zed', id%4+1)||id END,
    dob = date '1931-05-05' + id*3, mrn = 'Q'||id, zip = lpad((id*7919%100000)::text, 5, '9'),
    email = CASE WHEN id%3=0 THEN '' ELSE 'other'||id END,
    notes = CASE WHEN id%2=0 THEN NULL ELSE '["a"]'::jsonb END;
UPDATE encounters SET note = CASE WHEN id%2=0 THEN '' ELSE repeat('n', id%50) END;
REFRESH MATERIALIZED VIEW m_pat;
UPDATE staff SET name = repeat('z', id);
UPDATE events SET who = 'q'||(1000-id);
UPDATE guarded SET who = 'Aame'||(90-id);
UPDATE dropped SET b = NULL;
UPDATE "Odd.Table" SET "Se cret" = NULL WHERE "pla""in" > 2;
UPDATE checked SET pin = id + 1;
