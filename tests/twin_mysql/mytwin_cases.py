"""The cases: written ones, the known ways around masking, and those of a generator."""

# ruff: noqa: E501 - statements read better on one line
from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

from mytwin_judge import Case
from mytwin_wire import Step

HERE = Path(__file__).parent
SEPARATOR = " ;; "


def plain(family: str, source: str) -> Case:
    """The case as a client types it: one text after the other."""
    steps = tuple(Step(one.encode()) for one in source.split(SEPARATOR))
    return Case(family, source, steps)


def in_modes(case: Case) -> list[Case]:
    """The case in the other ways to run its one statement."""
    if len(case.script) != 1:
        return []
    text = case.script[0].text
    return [
        Case(case.family, case.source, (Step(text, prepared=True),), "prepared"),
        Case(case.family, case.source, (Step(text, prepared=True, cursor=True),), "cursor"),
    ]


def written() -> list[Case]:
    """``mytwin_families.sql``, ``mytwin_hostile.sql``, and the corpus."""
    found = []
    family = ""
    files = ("mytwin_families.sql", "mytwin_hostile.sql")
    for line in "\n".join((HERE / file).read_text() for file in files).splitlines():
        if line.startswith("-- family: "):
            family = line.removeprefix("-- family: ")
        elif line.strip() and not line.startswith("-- "):
            found.append(plain(family, line))
    for entry in json.loads((HERE.parent / "sql_mysql" / "evasion_mariadb.json").read_text()):
        steps = tuple(
            Step(one.replace("@DIR@", "/tmp").replace("@@b", "hgb").encode())
            if isinstance(one, str)
            else Step(bytes.fromhex(one["hex"]))
            for one in entry["statements"]
        )
        name = f"{entry['family']}: {entry['name']}"
        found.append(Case("corpus", name, steps))
    return found


#: Expressions over a secret text column; ``{c}`` is it.
EXPRESSIONS = """
{c} | upper({c}) | lower({c}) | concat({c}, 'x') | concat('a', {c}, 'b') | concat_ws('-', {c}, 'z')
reverse({c}) | substr({c}, 1, 3) | substring({c} from 2 for 4) | mid({c}, 2, 2) | left({c}, 2)
right({c}, 3) | length({c}) | char_length({c}) | octet_length({c}) | bit_length({c}) | hex({c})
unhex(hex({c})) | to_base64({c}) | md5({c}) | sha1({c}) | sha2({c}, 256) | crc32({c}) | ascii({c})
ord({c}) | soundex({c}) | quote({c}) | trim({c}) | ltrim({c}) | rtrim({c}) | trim(leading 'Q' from {c})
replace({c}, '1', '2') | insert({c}, 1, 1, 'z') | lpad({c}, 30, '*') | rpad({c}, 30, '*')
repeat({c}, 2) | substring_index({c}, '-', 1) | instr({c}, '1') | locate('1', {c})
position('1' in {c}) | find_in_set({c}, 'a,b') | field({c}, 'a', 'b') | elt(1, {c}) | make_set(1, {c})
export_set(5, {c}, 'n', ',', 4) | strcmp({c}, '5') | coalesce({c}, 'x') | ifnull({c}, 'x')
nullif({c}, '5') | if({c} is null, 'n', {c}) | if({c} < '5', 1, 0) | if({c} like '1%', 'a', 'b')
case when {c} > '3' then 1 else 2 end | case {c} when 'a' then 1 else 2 end | {c} like '1%'
{c} = '5' | {c} < '5' | {c} <=> '5' | {c} is null | {c} is not null | {c} in ('1', '2')
{c} between '1' and '5' | {c} regexp '^[0-4]' | {c} sounds like 'x' | {c} + 0 | -{c} | {c} * 2
{c} div 3 | {c} % 7 | {c} & 1 | {c} | 1 | ~{c} | {c} and 1 | {c} or 0 | not {c} | {c} xor 1
cast({c} as char) | cast({c} as signed) | cast({c} as binary) | cast({c} as decimal(10,2))
cast({c} as date) | convert({c} using latin1) | convert({c}, char) | binary {c}
{c} collate utf8mb4_bin | least({c}, '5') | greatest({c}, '5') | format({c}, 2) | round({c})
json_object('a', {c}) | json_array({c}) | json_quote({c}) | json_valid({c}) | inet_aton({c})
compress({c}) | weight_string({c}) | extractvalue('<a/>', concat('/', {c})) | same({c})
last_value({c}) | uuid_to_bin({c}) | st_geomfromtext({c}) | aes_encrypt({c}, 'k') | password({c})
regexp_replace({c}, '[0-9]', 'd') | regexp_substr({c}, '[0-9]+') | str_to_date({c}, '%Y')
date_format({c}, '%Y') | benchmark(1, {c}) | get_lock({c}, 0) | last_insert_id({c}) | sleep({c} < '0')
name_const('x', {c}) | interval({c}, 1, 2) | ({c}, 1) = ('5', 1) | exists(select 1 where {c} < '5')
(select {c}) | (select max({c})) | concat(nullif({c}, 'x'), exp(710)) | if({c} < '5', exp(710), 1)
if({c} < '5', (select 1 union select 2), 1) | coalesce(nullif({c}, ''), 1/0, exp(710))
elt({c} < '5', exp(710), 1) | field({c}, exp(710)) | {c} < '5' and exp(710)
year({c}) | to_days({c}) | unix_timestamp({c}) | timestampdiff(year, {c}, now()) | {c} + interval 1 day
char({c}) | conv({c}, 10, 16) | bin({c}) | space(length({c})) | charset({c}) | coercibility({c})
"""
#: Ways for an expression to reach the client: ``{e}`` is it, ``{t}`` the table, ``{k}`` its key.
CHANNELS = """
SELECT {e} FROM {t} ORDER BY {k} LIMIT 5
SELECT {e} AS id, {k} FROM {t} WHERE {k} = 3
SELECT {k}, {e} AS x FROM {t} x WHERE {k} < 9
SELECT x FROM (SELECT {e} AS x, {k} FROM {t}) d WHERE {k} = 2
SELECT * FROM (SELECT {k}, {e} AS x FROM {t} LIMIT 4) d
WITH w AS (SELECT {e} AS x, {k} AS k FROM {t}) SELECT x FROM w WHERE k = 2
WITH w(a, b) AS (SELECT {k}, {e} FROM {t}) SELECT a, upper(b) FROM w WHERE a < 4
SELECT dx FROM codes WHERE dx = 'E1' UNION ALL SELECT {e} FROM {t} WHERE {k} = 1
SELECT {e} FROM {t} WHERE {k} < 4 UNION SELECT dx FROM codes
SELECT {k} FROM {t} EXCEPT SELECT {e} FROM {t}
SELECT {k} FROM {t} WHERE {e}
SELECT count(*) FROM {t} WHERE {e} < '5'
SELECT {k} FROM {t} WHERE {e} IN (SELECT dx FROM codes)
SELECT {k} FROM {t} ORDER BY {e} LIMIT 3
SELECT {k}, {e} FROM {t} ORDER BY 2 LIMIT 3
SELECT {k} AS z FROM {t} ORDER BY {e} DESC, z LIMIT 3
SELECT count(*) FROM {t} GROUP BY {e}
SELECT max({k}) FROM {t} GROUP BY {e} WITH ROLLUP
SELECT count(*) FROM {t} HAVING max({e}) < '5'
SELECT DISTINCT {e} FROM {t}
SELECT count(DISTINCT {e}) FROM {t}
SELECT min({e}), max({e}) FROM {t}
SELECT sum({e}) FROM {t}
SELECT group_concat({e}) FROM {t} WHERE {k} < 4
SELECT group_concat({k} ORDER BY {e}) FROM {t} WHERE {k} < 9
SELECT json_arrayagg({e}) FROM {t} WHERE {k} < 4
SELECT row_number() OVER (ORDER BY {e}), {k} FROM {t} LIMIT 9
SELECT {k}, lag({e}) OVER (ORDER BY {k}) FROM {t} LIMIT 4
SELECT {k}, first_value({k}) OVER (PARTITION BY {e} ORDER BY {k}) FROM {t} LIMIT 4
SELECT {k}, count(*) OVER w FROM {t} WINDOW w AS (PARTITION BY {e}) LIMIT 5
SELECT c.dx FROM codes c JOIN {t} ON {e} < '5' AND {k} = 1
SELECT c.dx FROM codes c LEFT JOIN {t} ON {e} = c.dx ORDER BY 1 LIMIT 5
SELECT c.dx, (SELECT {e} FROM {t} WHERE {k} = 1) FROM codes c LIMIT 2
SELECT EXISTS (SELECT 1 FROM {t} WHERE {e} < '5' AND {k} < 3)
SELECT 'E1' = ANY (SELECT {e} FROM {t}), '5' < ALL (SELECT {e} FROM {t})
SELECT dx FROM codes WHERE dx > (SELECT {e} FROM {t} WHERE {k} = 1) ORDER BY dx
SELECT if((SELECT {e} FROM {t} WHERE {k} = 1) < '5', 1, (SELECT 1 UNION SELECT 2))
INSERT INTO staging(t) SELECT {e} FROM {t} WHERE {k} < 3 ;; SELECT t FROM staging
INSERT INTO staging(n) SELECT {e} FROM {t} WHERE {k} < 3 ;; SELECT n FROM staging
INSERT INTO staging(t) VALUES ((SELECT {e} FROM {t} WHERE {k} = 1)) ;; SELECT t FROM staging
INSERT INTO staging(t) SELECT dept FROM encounters, {t} WHERE {e} < '5' AND {k} = 1 AND encounters.id = 1
UPDATE staging SET t = (SELECT {e} FROM {t} WHERE {k} = 1) WHERE id = 1 ;; SELECT t FROM staging
UPDATE staging, {t} SET t = {e} WHERE {k} = 1 ;; SELECT t FROM staging
UPDATE {t} SET {k} = {k} WHERE {e} < '5'
DELETE FROM staging WHERE EXISTS (SELECT 1 FROM {t} WHERE {e} < '5' AND {k} = 1)
DELETE FROM codes WHERE dx = 'E1' RETURNING (SELECT {e} FROM {t} WHERE {k} = 1)
REPLACE INTO staging(id, t) SELECT 1, {e} FROM {t} WHERE {k} = 1 ;; SELECT t FROM staging
CREATE TEMPORARY TABLE tt AS SELECT {e} AS a FROM {t} WHERE {k} < 3 ;; SELECT a FROM tt
CREATE TABLE kept AS SELECT {e} AS a FROM {t} WHERE {k} < 3 ;; SELECT a FROM kept
CREATE OR REPLACE VIEW seen AS SELECT {e} AS a, {k} FROM {t} ;; SELECT a FROM seen LIMIT 2
SELECT {e} INTO @v FROM {t} WHERE {k} = 1 ;; SELECT @v
SELECT @v := {e} FROM {t} WHERE {k} = 1 ;; SELECT @v
SET @v = (SELECT {e} FROM {t} WHERE {k} = 1) ;; SELECT @v
EXECUTE IMMEDIATE concat('SELECT ', 'dx', ' FROM codes, (SELECT {k} FROM {t}) x LIMIT 1')
PREPARE s FROM 'SELECT {k} FROM {t} LIMIT 2' ;; EXECUTE s
EXPLAIN SELECT {k} FROM {t} WHERE {e} < '5'
ANALYZE SELECT {k} FROM {t} WHERE {e} < '5'
SELECT {e} FROM {t} WHERE {k} = 1 ;; SHOW WARNINGS
SELECT {e} FROM {t} WHERE {k} = 1 ;; SELECT @@warning_count
SELECT {e} FROM {t} WHERE {k} = 1 LIMIT 0 ;; SELECT found_rows()
SELECT {k} /*! , {e} */ FROM {t} WHERE {k} = 1
SELECT {k} /*M!100100 , {e} */ FROM {t} WHERE {k} = 1
SELECT {k} -- {e}
SELECT{e}FROM{t}
SELECT {e} FROM {t} PROCEDURE ANALYSE()
SELECT {e} FROM {t} WHERE {k} = 1 FOR UPDATE
SELECT SQL_CALC_FOUND_ROWS {k} FROM {t} WHERE {e} < '5' LIMIT 1 ;; SELECT found_rows()
DO if((SELECT {e} FROM {t} WHERE {k} = 1) < '5', exp(710), 1)
BEGIN NOT ATOMIC DECLARE m TEXT; SELECT {e} INTO m FROM {t} WHERE {k} = 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = m; END
SELECT {e} FROM {t} WHERE {k} = 1 INTO OUTFILE '/tmp/hoopgate-twin-out'
"""
#: Secret columns: name, table, key.
COLUMNS = [
    ("ssn", "patients", "id"),
    ("name", "patients", "id"),
    ("dob", "patients", "id"),
    ("mrn", "patients", "id"),
    ("email", "patients", "id"),
    ("zip", "patients", "id"),
    ("notes", "patients", "id"),
    ("s", "v_pat", "id"),
    ("n", "v_pat", "id"),
    ("b", "v_nested", "a"),
    ("note", "encounters", "id"),
    ("pin", "derived", "id"),
    ("doubled", "derived", "id"),
    ("masked", "derived", "id"),
    ("body", "searched", "id"),
    ("pin", "account", "id"),
    ("mrn", "account", "id"),
    ("`se cret`", "`odd ``table`", "id"),
    ("photo", "binaries", "id"),
    ("bits", "binaries", "id"),
    ("amount", "binaries", "id"),
    ("y", "binaries", "id"),
    ("t", "binaries", "id"),
    ("ts", "binaries", "id"),
    ("kind", "binaries", "id"),
    ("tags", "binaries", "id"),
]


def _lines(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if line]


def generated(count: int, seed: int = 1) -> Iterator[Case]:
    """``count`` different cases: every expression and every channel, then any combination."""
    chance = random.Random(seed)
    expressions = [one.strip() for line in _lines(EXPRESSIONS) for one in _split(line)]
    channels = _lines(CHANNELS)
    seen: set[str] = set()

    def made(expression: str, channel: str) -> Case | None:
        column, table, key = chance.choice(COLUMNS)
        nested = expression
        if chance.random() < 0.15:
            nested = nested.replace("{c}", chance.choice(expressions))
        inner = nested.replace("{c}", column)
        source = channel.replace("{e}", inner).replace("{t}", table).replace("{k}", key)
        if source in seen:
            return None
        seen.add(source)
        return plain("generated", source)

    first = [(one, chance.choice(channels)) for one in expressions]
    first += [(chance.choice(expressions), one) for one in channels]
    pairs = itertools.chain(
        first, ((chance.choice(expressions), chance.choice(channels)) for _ in itertools.count())
    )
    for expression, channel in pairs:
        if len(seen) >= count:
            return
        case = made(expression, channel)
        if case is not None:
            yield case


def _split(line: str) -> list[str]:
    """At bars outside of brackets, with blanks on both sides; ``{c} | 1`` is one expression."""
    return line.replace("{c} | 1", "{c} \0 1").replace(" | ", "\n").replace("\0", "|").split("\n")
