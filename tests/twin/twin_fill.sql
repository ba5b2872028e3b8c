-- Rows of one twin. :side is 1 or 2: what is labelled differs in every row, in length, in where it
-- is NULL, in order, in what is there twice, and goes to the ends of its type; nothing else differs.
-- Every secret text holds a canary that no answer may show.

SET twin.side = :side;
CREATE FUNCTION pg_temp.text_of(side int, i int, kind text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN side = 1 THEN CASE
            WHEN i % 11 = 0 THEN NULL
            ELSE kind || 'Qanary' || i END
        ELSE CASE i % 7
            WHEN 0 THEN ''
            WHEN 1 THEN 'qanary'
            WHEN 2 THEN NULL
            WHEN 3 THEN E'z\\N\tqanary\n"' || i || E'",\\.\r\n'
            WHEN 4 THEN repeat('Qanary' || (1000 - i), 1 + i % 40)
            WHEN 5 THEN '佐藤 qanary ' || chr(128512) || (999 - i)
            ELSE 'Aqanary' || (i % 3) END END $$;

INSERT INTO patients SELECT i,
    CASE WHEN :side = 1 THEN lpad((100+i)::text,3,'0')||'-'||lpad((i%90+10)::text,2,'0')||'-'||lpad((i*7%10000)::text,4,'0')
         WHEN i % 13 = 0 THEN NULL ELSE (999-i)||'-Qanary-'||(i%7+10)||'-'||repeat('9', i%9) END,
    CASE WHEN :side = 1 THEN 'Name'||i ELSE pg_temp.text_of(2, i, 'n') END,
    CASE WHEN :side = 1 THEN date '1950-01-01'+i*30 WHEN i%17=0 THEN NULL WHEN i%17=1 THEN 'infinity'
         WHEN i%17=2 THEN '4713-01-01 BC' WHEN i%17=3 THEN '5874897-12-31' ELSE date '1931-05-05'+i*3 END,
    CASE WHEN :side = 1 THEN 'MRN'||lpad(i::text,7,'0') WHEN i%5=0 THEN NULL ELSE 'Q'||(i%9) END,
    CASE WHEN :side = 1 THEN 'p'||i||'@qanary.example' ELSE pg_temp.text_of(2, i+1, 'e') END,
    CASE WHEN i%2=0 THEN 'F' ELSE 'M' END,
    CASE WHEN :side = 1 THEN lpad((i*13%100000)::text,5,'0') WHEN i%6=0 THEN NULL WHEN i%6=1 THEN '03601'
         ELSE lpad((i*7919%100000)::text,5,'9') END,
    CASE WHEN :side = 1 THEN jsonb_build_object('phone','555-010-'||lpad(i::text,4,'0'),'q','Qanary')
         WHEN i%4=0 THEN NULL WHEN i%4=1 THEN '["qanary"]' WHEN i%4=2 THEN '7'
         ELSE jsonb_build_object('phone', repeat('qanary', i), 'n', i) END,
    50+i FROM generate_series(1,200) i;
INSERT INTO encounters SELECT i, i%200+1, timestamp '2024-01-01'+i*interval '1 hour',
    (ARRAY['ICU','ER','OB'])[i%3+1], 'E'||(i%20),
    CASE WHEN :side = 1 THEN 'Pt Name'||(i%200+1)||' seen, qanary' ELSE pg_temp.text_of(2, i, 'n') END
    FROM generate_series(1,500) i;
INSERT INTO codes SELECT 'E'||i, 'disease '||i FROM generate_series(0,19) i;
INSERT INTO staff SELECT i, CASE WHEN :side = 1 THEN 'DocQanary'||i ELSE repeat('z', i)||'qanary' END
    FROM generate_series(1,5) i;
INSERT INTO derived SELECT i, 1, CASE WHEN :side = 1 THEN 5000+i ELSE 70000-i*i END FROM generate_series(1,6) i;
INSERT INTO events SELECT i, date '2023-06-01'+i, pg_temp.text_of(:side, i, 'w'), 'x' FROM generate_series(1,300) i;
INSERT INTO wards SELECT i, CASE WHEN :side = 1 THEN (ARRAY['a','b','c'])[i%3+1] ELSE (ARRAY['b','b','a','d'])[i%4+1] END, i
    FROM generate_series(1,30) i;
INSERT INTO person SELECT i, pg_temp.text_of(:side, i, 'p') FROM generate_series(1,5) i;
INSERT INTO doctor SELECT i, pg_temp.text_of(:side, i, 'd'), i FROM generate_series(6,9) i;
INSERT INTO surgeon SELECT i, pg_temp.text_of(:side, i, 's'), i, 'knife' FROM generate_series(10,12) i;
INSERT INTO guarded SELECT i, CASE WHEN :side = 1 THEN 'Name'||i ELSE 'Aame'||(90-i) END FROM generate_series(1,20) i;
INSERT INTO fenced SELECT i, CASE WHEN :side = 1 THEN i+100 ELSE i+200 END, 0 FROM generate_series(1,5) i;
INSERT INTO dropped SELECT i, pg_temp.text_of(:side, i, 'b') FROM generate_series(1,9) i;
INSERT INTO "Odd.Table" SELECT pg_temp.text_of(:side, i, 'o'), i FROM generate_series(1,9) i;
INSERT INTO "We.ird"."T""able" SELECT i, pg_temp.text_of(:side, i, 'w') FROM generate_series(1,9) i;
INSERT INTO checked SELECT i, i, CASE WHEN :side = 1 THEN 5000+i ELSE 6000-i END FROM generate_series(1,5) i;
INSERT INTO booked SELECT i, CASE WHEN :side = 1 THEN int4range(i*10, i*10+5) ELSE int4range(i*100, i*100+7) END, 'x'
    FROM generate_series(1,5) i;
INSERT INTO partly SELECT i, CASE WHEN :side = 1 THEN 'Qanary'||i ELSE 'Qanary'||(i%2) END, i < 3 FROM generate_series(1,6) i;
INSERT INTO lowered SELECT i, CASE WHEN :side = 1 THEN 'Qanary'||i ELSE 'qanary-'||(9-i) END FROM generate_series(1,6) i;
INSERT INTO account SELECT CASE WHEN :side = 1 THEN 'AQanary'||i ELSE 'BQanary'||(7*i) END, i FROM generate_series(1,6) i;
INSERT INTO ledger SELECT i, CASE WHEN :side = 1 THEN 'AQanary'||(i%3+1) ELSE 'BQanary'||(7*(i%5+1)) END, i FROM generate_series(1,9) i;
INSERT INTO root SELECT i, i FROM generate_series(1,6) i;
INSERT INTO branch SELECT i, i, CASE WHEN :side = 1 THEN 10+i ELSE 90-i END FROM generate_series(1,6) i;
INSERT INTO leaf SELECT i, CASE WHEN i > 3 THEN NULL WHEN :side = 1 THEN 10+i ELSE 90-i-3 END FROM generate_series(1,6) i;
INSERT INTO twig SELECT i, i, CASE WHEN :side = 1 THEN i*20 ELSE 130-i*20 END FROM generate_series(1,6) i;
INSERT INTO indexed SELECT i, CASE WHEN :side = 1 THEN 'Qanary'||lpad(i::text,4,'0') ELSE 'qanary'||lpad((997*i%1000)::text,4,'0')||repeat('x',i%30) END,
    CASE WHEN i%2=0 THEN 'F' ELSE 'M' END, repeat('f', 200) FROM generate_series(1,400) i;
INSERT INTO origin SELECT i FROM generate_series(1,4) i;
INSERT INTO fallout SELECT i, i, CASE WHEN :side = 1 THEN i ELSE -i END FROM generate_series(1,4) i;
INSERT INTO members SELECT i, CASE WHEN :side = 1 AND i = 2 OR :side = 2 AND i = 4 THEN NULL
    ELSE ROW(pg_temp.text_of(:side, i, 'c'), pg_temp.text_of(:side, i+1, 'm'))::contact END, 'p'||i FROM generate_series(1,9) i;
INSERT INTO visits(what) SELECT 'seen' FROM generate_series(1,5);
INSERT INTO other.patients VALUES (1, 'public knowledge');
SELECT lo_from_bytea(99001, convert_to(pg_temp.text_of(:side, 4, 'lo'), 'UTF8')) AS lo \gset
GRANT SELECT ON LARGE OBJECT 99001 TO PUBLIC;

INSERT INTO kinds SELECT i, 'row '||i, b, i2, i4, i8, f4, f8, num, mon, o, d, t, tz, ts, tstz, iv, u, ine, cid, mac, bin,
    bit8, vbit, js, jb, ch, nm, bp, vc, tsv, tsq, pt, bx, pa, ir, dr, mr, ia, ta, da, mo, tg, tg, pos, co, ca, tga, lsn, rc, jp, tx
FROM generate_series(1,9) i, LATERAL (SELECT
    CASE WHEN i%3=:side THEN NULL ELSE (i+:side)%2=0 END AS b,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY[-32768,32767])[:side] ELSE (:side*100+i) END::int2 AS i2,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY[-2147483648,2147483647])[:side] ELSE (:side*1000-i) END::int AS i4,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY[-9223372036854775808,9223372036854775807])[:side] ELSE (:side*10000-i) END::int8 AS i8,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['NaN','-Infinity'])[:side] WHEN i=4 THEN (ARRAY['3.4e38','1e-45'])[:side] ELSE (i/7.0*:side)::text END)::real AS f4,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['NaN','Infinity'])[:side] WHEN i=4 THEN (ARRAY['1.7e308','5e-324'])[:side] ELSE (i/7.0*:side)::text END)::float8 AS f8,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['NaN','Infinity'])[:side] WHEN i=4 THEN (ARRAY['1e100','1e-100'])[:side] ELSE (i*1.50*:side)::text END)::numeric AS num,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY[-92233720368547758.08,92233720368547758.07])[:side] ELSE i*:side END)::money AS mon,
    (CASE WHEN i=:side THEN NULL ELSE 100000*:side+i END)::oid AS o,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['4713-01-01 BC','5874897-12-31'])[:side] WHEN i=4 THEN (ARRAY['-infinity','infinity'])[:side] ELSE '19'||(50+i*:side)||'-02-03' END)::date AS d,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['00:00:00','24:00:00'])[:side] ELSE '0'||i||':00:0'||:side END)::time AS t,
    (CASE WHEN i=:side THEN NULL ELSE '0'||i||':00:00+0'||:side END)::timetz AS tz,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['4713-01-01 00:00 BC','294276-12-31 23:59:59.999999'])[:side] WHEN i=4 THEN (ARRAY['-infinity','infinity'])[:side] ELSE '20'||(10+i*:side)||'-02-03 04:05:06' END)::timestamp AS ts,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['4713-01-01 00:00+00 BC','294276-12-31 23:59:59.999999+00'])[:side] WHEN i=4 THEN (ARRAY['-infinity','infinity'])[:side] ELSE '20'||(10+i*:side)||'-02-03 04:05:06+00' END)::timestamptz AS tstz,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['-178000000 years','178000000 years'])[:side] ELSE i||' days '||:side||' hours' END)::interval AS iv,
    (CASE WHEN i=:side THEN NULL ELSE '00000000-0000-0000-000'||:side||'-00000000000'||i END)::uuid AS u,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['::1','255.255.255.255'])[:side] ELSE '10.'||:side||'.0.'||i END)::inet AS ine,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['::/0','0.0.0.0/0'])[:side] ELSE '10.'||:side||'.'||i||'.0/24' END)::cidr AS cid,
    (CASE WHEN i=:side THEN NULL ELSE '08:00:2b:01:0'||:side||':0'||i END)::macaddr AS mac,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN ''::bytea ELSE convert_to(repeat('qanary', i*:side), 'UTF8') END AS bin,
    CASE WHEN i=:side THEN NULL ELSE (i+16*:side)::bit(8) END AS bit8,
    CASE WHEN i=:side THEN NULL ELSE repeat('10', i*:side)::varbit END AS vbit,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['null','[]'])[:side] ELSE '{"qanary": '||i*:side||'}' END)::json AS js,
    (CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['null','[]'])[:side] ELSE '{"qanary": '||i*:side||'}' END)::jsonb AS jb,
    CASE WHEN i=:side THEN NULL ELSE (chr(64+i*:side))::"char" END AS ch,
    CASE WHEN i=:side THEN NULL ELSE (repeat('qanary', i*:side))::name END AS nm,
    CASE WHEN i=:side THEN NULL ELSE ('q'||i*:side)::char(12) END AS bp,
    CASE WHEN i=:side THEN NULL ELSE repeat('qanary', i*:side*10) END AS vc,
    CASE WHEN i=:side THEN NULL ELSE to_tsvector('simple', repeat('qanary'||i||' ', i*:side)) END AS tsv,
    CASE WHEN i=:side THEN NULL ELSE to_tsquery('simple', 'qanary'||i*:side) END AS tsq,
    CASE WHEN i=:side THEN NULL ELSE point(i, :side) END AS pt,
    CASE WHEN i=:side THEN NULL ELSE box(point(i, :side), point(0,0)) END AS bx,
    CASE WHEN i=:side THEN NULL ELSE ('[('||i||','||:side||'),(1,1)]')::path END AS pa,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['empty','(,)'])[:side]::int4range ELSE int4range(i, i*10*:side) END AS ir,
    CASE WHEN i=:side THEN NULL ELSE daterange(date '2000-01-01', date '2000-01-01'+i*:side) END AS dr,
    CASE WHEN i=:side THEN NULL ELSE int4multirange(int4range(i, i*10*:side)) END AS mr,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['{}','{{1,2},{3,4}}'])[:side]::int[] ELSE array_fill(i, ARRAY[:side*i]) END AS ia,
    CASE WHEN i=:side THEN NULL WHEN i=3 THEN (ARRAY['{}','{NULL}'])[:side]::text[] ELSE array_fill('qanary'::text, ARRAY[:side*i]) END AS ta,
    CASE WHEN i=:side THEN NULL ELSE array_fill(date '2000-01-01'+:side, ARRAY[i]) END AS da,
    CASE WHEN i=:side THEN NULL ELSE (ARRAY['sad','ok','happy'])[(i+:side)%3+1]::mood END AS mo,
    CASE WHEN i=:side THEN NULL ELSE repeat('qanary', i*:side) END AS tg,
    CASE WHEN i=:side THEN NULL ELSE i*:side END AS pos,
    CASE WHEN i=:side THEN NULL ELSE ROW('qanary'||i*:side, NULL)::contact END AS co,
    CASE WHEN i=:side THEN NULL ELSE array_fill(ROW('qanary'||i*:side, NULL)::contact, ARRAY[:side]) END AS ca,
    CASE WHEN i=:side THEN NULL ELSE array_fill(repeat('qanary', :side)::tag, ARRAY[i]) END AS tga,
    CASE WHEN i=:side THEN NULL ELSE ('0/'||i*:side)::pg_lsn END AS lsn,
    CASE WHEN i=:side THEN NULL ELSE (ARRAY['codes','staff'])[:side]::regclass END AS rc,
    CASE WHEN i=:side THEN NULL ELSE (ARRAY['$.a','$.b.c'])[:side]::jsonpath END AS jp,
    pg_temp.text_of(:side, i, 't') AS tx) v;

DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE format('INSERT INTO virtuals SELECT i, repeat(''qanary'', i*%s) FROM generate_series(1,5) i',
                       current_setting('twin.side'));
        EXECUTE format('INSERT INTO spans SELECT int4range(i, i+1), int4range(i, i+%s*10), ''x'' FROM generate_series(1,5) i',
                       current_setting('twin.side'));
        EXECUTE format('INSERT INTO stays SELECT i, int4range(i, i+1), int4range(i+1, i+%s*3) FROM generate_series(1,4) i',
                       current_setting('twin.side'));
    END IF;
END $$;
INSERT INTO long_notes SELECT i, CASE WHEN i%2=0 THEN 'F' ELSE 'M' END, CASE WHEN :side = 1 THEN rpad('Qanary'||i, 400, 'x') ELSE rpad('Qanary'||i, 150 + i%300, 'y') END
    FROM generate_series(1,2500) i;
INSERT INTO owned SELECT i, CASE WHEN :side = 1 THEN 'Qanary'||i WHEN i%3=0 THEN NULL ELSE repeat('qanary', i%2+1) END,
    CASE WHEN :side = 1 THEN i ELSE 7-i END, CASE WHEN :side = 1 THEN date '2000-01-01'+i ELSE date '1990-01-01' END FROM generate_series(1,9) i;
INSERT INTO owned_wards SELECT i, CASE WHEN :side = 1 THEN 'a' ELSE 'b' END FROM generate_series(1,5) i;
INSERT INTO nulled SELECT i, CASE WHEN i = 3 AND :side = 1 THEN NULL ELSE i + 50*:side END, 0 FROM generate_series(1,5) i;
INSERT INTO blanked SELECT i, CASE WHEN i = 3 AND :side = 1 THEN '' ELSE 'qanary'||i END, 0 FROM generate_series(1,5) i;
INSERT INTO barred SELECT i, CASE WHEN :side = 1 THEN int4range(i*10-9, i*10) ELSE int4range(i*100, i*100+7) END, 0 FROM generate_series(1,5) i;
INSERT INTO tariff SELECT i, 'Qanary'||(i*:side), 0 FROM generate_series(1,6) i;
INSERT INTO tariff SELECT i, 'Qanary'||(CASE WHEN :side = 1 THEN i - 1 ELSE i + 90 END), 0 FROM generate_series(2,6) i;
INSERT INTO tariff SELECT i, 'Qanary free', 0 FROM generate_series(7,9) i;
INSERT INTO cover SELECT i, i, 'Qanary'||(i*:side), 0 FROM generate_series(1,6) i WHERE i < 6;
INSERT INTO cover SELECT i, i - 4, CASE WHEN :side = 1 THEN NULL ELSE 'Qanary'||(2*i-8) END, 0 FROM generate_series(7,9) i;
INSERT INTO cover_full SELECT i, i, 'Qanary'||(i*:side) FROM generate_series(1,4) i;
INSERT INTO cover_late SELECT i, i, CASE WHEN i = 3 AND :side = 1 THEN NULL ELSE 'Qanary'||(i*:side) END FROM generate_series(1,4) i;
INSERT INTO packed SELECT i, 0, 'x', repeat('Qanary00', CASE WHEN :side = 1 THEN 10 * i ELSE 1008 END) FROM generate_series(1,4) i;
INSERT INTO presets SELECT i, CASE WHEN i = 2 AND :side = 1 THEN 'Qanary preset' ELSE 'Qanary'||i END, 0 FROM generate_series(1,4) i;
INSERT INTO numbered SELECT i, CASE WHEN :side = 1 THEN i ELSE 50 + i END FROM generate_series(1,4) i;
INSERT INTO numbers SELECT generate_series(1, 60);
INSERT INTO moving(id, at, who, pin) SELECT i, 5, CASE WHEN i = 4 THEN (ARRAY['Qanary4', NULL])[:side]
    WHEN i = 5 THEN (SELECT (ARRAY['Qanary5', string_agg('Qanary' || md5(j::text), '')])[:side] FROM generate_series(1, 200) j)
    ELSE 'Qanary'||(i*:side) END, CASE WHEN :side = 1 THEN 10+i ELSE 60*(i%2)+i END FROM generate_series(1,6) i;
INSERT INTO moving(id, at, who, pin) SELECT 10+i, 15, 'Qanary'||i, 1 FROM generate_series(1,3) i;
INSERT INTO growing SELECT i, NULL, NULL, NULL, NULL, CASE WHEN :side = 1 THEN 'Qanary' ELSE (SELECT left('Qanary' || string_agg(chr(33 + get_byte(decode(md5(i || ' ' || j), 'hex'), j % 16) % 90), ''), 2670) FROM generate_series(1, 3000) j) END
    FROM generate_series(1,2) i;
INSERT INTO sized SELECT i, i * 7919 % 2000, CASE WHEN :side = 1 THEN 'Qanary' ELSE repeat('qanary', 200) END FROM generate_series(1, 2000) i;
CREATE FUNCTION pg_temp.noise(seed text, size int) RETURNS text LANGUAGE sql AS
    $$ SELECT left(string_agg(chr(33 + get_byte(decode(md5(seed || j), 'hex'), j % 16) % 90), ''), size) FROM generate_series(1, size) j $$;
INSERT INTO summed SELECT i, 'x'||i, 'Qanary' || CASE WHEN :side = 1 THEN i::text ELSE pg_temp.noise('s'||i, 4000) END FROM generate_series(1, 4) i;
INSERT INTO bounded SELECT i, i, CASE WHEN :side = 1 THEN textrange('b'||i, 'c') ELSE textrange('b'||pg_temp.noise('b'||i, 3500), 'c') END FROM generate_series(1, 2) i;
INSERT INTO forked SELECT i, i, CASE WHEN :side = 1 THEN textrange('b'||i, 'c') ELSE textrange('b'||pg_temp.noise('f'||i, 3500), 'c') END FROM generate_series(1, 2) i;
INSERT INTO branching SELECT i, i, 'Qanary' || CASE WHEN :side = 1 THEN i::text ELSE pg_temp.noise('g'||i, 3000) END FROM generate_series(1, 40) i;
INSERT INTO words SELECT i, i, ARRAY['w'||i], ARRAY['Qanary' || CASE WHEN :side = 1 THEN i::text ELSE pg_temp.noise('w'||i, 2500) END] FROM generate_series(1, 9) i;
INSERT INTO hashed SELECT i, i, 'Qanary' || CASE WHEN :side = 1 THEN i::text ELSE pg_temp.noise('h'||i, 4000) END FROM generate_series(1, 9) i;
INSERT INTO days SELECT i, i, daterange(date '2000-01-01', date '2000-01-01' + i*:side), timestamp '2000-01-01' + i * :side * interval '1 day', 'Qanary'||(i*:side) FROM generate_series(1, 9) i;
INSERT INTO owned_made SELECT i, CASE WHEN :side = 1 THEN 'Qanary'||i ELSE 'qanary'||(9-i) END FROM generate_series(1,5) i;
DO $$ BEGIN
    EXECUTE format('INSERT INTO wide SELECT i, 0, %L, %s FROM generate_series(1,2) i', '',
        (SELECT string_agg(format('repeat(%L, %s)', 'q', CASE current_setting('twin.side') WHEN '1' THEN 5 ELSE 19 END), ', ')
         FROM generate_series(1,406)));
END $$;
