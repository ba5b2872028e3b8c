-- The twins of tokens, groups and generalised values (twin_coins.py). :side is 1 or 2. What comes as
-- tokens differs in value, length and rank, and not in what equals what; quasi-identifiers differ
-- within what their generalisation shows; values that are aggregated differ in small groups alone.

INSERT INTO people SELECT i,
    CASE :side WHEN 1 THEN i * 37 ELSE 90000 - i * 11 END,
    CASE :side WHEN 1 THEN i * 37 ELSE 9000000000 - i END,
    CASE :side WHEN 1 THEN lpad((i * 7919)::text, 9, '0') ELSE 'S' || (900 - i) END,
    CASE :side WHEN 1 THEN 'M' || i ELSE 'MRN' || repeat('x', 64) || (900 - i) END,
    CASE :side WHEN 1 THEN lpad(i::text, 32, '0')::uuid ELSE lpad(i::text, 32, 'f')::uuid END,
    CASE :side WHEN 1 THEN 'c' || i ELSE 'z' || (99 - i) END,
    CASE :side WHEN 1 THEN 'h' || i ELSE 'y' || (99 - i) END,
    CASE WHEN i % 5 > 0 THEN CASE :side WHEN 1 THEN i || '@a.example' ELSE (99 - i) || 'é@much.longer.example' END END,
    'Qanary' || i * :side,
    make_date(1900 + CASE WHEN i % 90 < 30 THEN i * :side % 30 ELSE i % 90 END, 1 + :side * (i % 6), :side * 7),
    i % 89 + CASE :side WHEN 1 THEN 0.2 ELSE 0.7 END,
    CASE WHEN i % 7 = 0 THEN 90 + :side ELSE i END,
    1915 + CASE WHEN i % 7 = 0 THEN :side ELSE i + 25 END,
    (100 + i) * 100 + :side * (i % 30),
    (100 + i * 3) || lpad((i * :side % 100)::text, 2, '0'),
    make_date(1950 + i % 40, :side * 5, :side * 9)::text,
    (make_date(1950 + i % 40, CASE :side WHEN 1 THEN 7 ELSE 12 END, CASE :side WHEN 1 THEN 1 ELSE 31 END)
        + time '22:30') AT TIME ZONE 'UTC',
    make_timestamp(1960 + i % 20, :side, :side, :side, :side, 30.5),
    CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END,
    CASE WHEN i <= 24 THEN 'large' WHEN i <= 46 THEN 'ample' ELSE 'small' END,
    CASE WHEN i <= 46 THEN 50 + i ELSE 40 + i * :side END,
    CASE WHEN i <= 46 THEN i ELSE i * 3 * :side END,
    i * (3 - 2 * :side),
    'Qanary alias ' || i * :side,
    'tag' || i * :side
    FROM generate_series(1, 53) i;
INSERT INTO visits SELECT v, p.pid, p.mrn, v, p.ward, (ARRAY['ICU', 'ER', 'OR'])[v % 3 + 1], 'Qanary ' || v * :side,
    date '2020-01-01' + v FROM generate_series(1, 120) v JOIN people p ON p.id = v % 53 + 1;
INSERT INTO wards VALUES ('large', 1), ('ample', 2), ('small', 3);
INSERT INTO beds SELECT w, n, n FROM unnest(ARRAY['large', 'ample', 'small']) w, generate_series(1, 3) n;
INSERT INTO later VALUES ('large', 1), ('ample', 2), ('small', 3);
INSERT INTO partly SELECT ward, floor, true FROM wards;
INSERT INTO mixed SELECT i, 'note ' || i, date '2001-02-03' + i, i, (20000 + i)::text FROM generate_series(1, 60) i;
-- What equals a secret of the first twin alone: a guess, where its token shows.
INSERT INTO mixed VALUES (61, '000023757', '1903-04-21', 111, '000023757'), (62, 'M3', '1903-04-22', 37, 'M3');
INSERT INTO parted SELECT id, ssn, born, id FROM people;
INSERT INTO base SELECT id, ssn FROM people WHERE id < 20;
INSERT INTO derived SELECT id, ssn, 'x' FROM people WHERE id > 40;
INSERT INTO made(id, ssn, born) SELECT id, ssn, born FROM people;
INSERT INTO pairs SELECT id, ROW(ssn, born)::pair, ARRAY[ssn, mrn] FROM people;
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\if :has_virtual
INSERT INTO virtuals(id, ssn, born) SELECT id, ssn, born FROM people;
\endif
ANALYZE;
