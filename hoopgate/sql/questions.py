"""Questions about the server's catalogue: SQL whose rows :mod:`hoopgate.sql.catalogue` takes."""

# ruff: noqa: S608 - what is put into SQL is our own text and constants
from __future__ import annotations

from collections.abc import Collection
from typing import Final

from hoopgate.sql import versions


def array(oids: Collection[int]) -> str:
    """The text of an array of OIDs."""
    return "{" + ",".join(map(str, sorted(oids))) + "}"


# Everything is qualified: the session's search_path is the client's, and an operator of a schema
# in front of pg_catalog would be the client's too.
_EQ: Final = "OPERATOR(pg_catalog.=)"
_ANY: Final = f"{_EQ} ANY ($1::pg_catalog.oid[])"
#: Actions of foreign keys that change the referring rows: CASCADE, SET NULL, SET DEFAULT.
_CASCADES: Final = "'{c,n,d}'::pg_catalog.\"char\"[]"
#: Whether NULLs are equal in a unique index (PostgreSQL 15); JSON, for 14 knows no such column.
_NULLS_MEET: Final = (
    "pg_catalog.to_jsonb(i.*) OPERATOR(pg_catalog.->>) 'indnullsnotdistinct'"
    " OPERATOR(pg_catalog.=) 'true'"
)

#: Types whose keys have a bound in indexes that put the keys of many rows together: ranges of what
#: has one length, addresses, signatures of texts.
_BOUNDED: Final = "'{869,650,1560,1562,3642,3904,3906,3908,3910,3912,3926}'::pg_catalog.oid[]"
#: Whether an index keeps, in an entry, values of several rows that can be long: GiST, SP-GiST, BRIN
#: and what extensions bring. Not B-tree, hash and GIN.
_JOINS: Final = f"""
EXISTS (SELECT FROM pg_catalog.pg_class x JOIN pg_catalog.pg_am m ON m.oid {_EQ} x.relam
        JOIN pg_catalog.pg_attribute a ON a.attrelid {_EQ} x.oid
        JOIN pg_catalog.pg_type t ON t.oid {_EQ} a.atttypid
        LEFT JOIN pg_catalog.pg_opclass o
        ON o.oid {_EQ} i.indclass[a.attnum OPERATOR(pg_catalog.-) 1]
        WHERE x.oid {_EQ} i.indexrelid
              AND m.amname OPERATOR(pg_catalog.<>) ALL ('{{btree,hash,gin}}'::pg_catalog.name[])
              AND a.attlen {_EQ} '-1'::pg_catalog.int2
              AND a.atttypid OPERATOR(pg_catalog.<>) ALL ({_BOUNDED})
              AND t.typname OPERATOR(pg_catalog.<>) 'gtrgm'
              AND (o.opcname IS NULL OR o.opcname OPERATOR(pg_catalog.!~~) '%\\_bloom\\_ops'))"""

#: Functions, neither PostgreSQL's nor an extension's, that a write to the relation may call by
#: itself: in defaults, generated columns, CHECK constraints, indexes, partition keys and domains.
#: What is built in has no dependency.
_CALLED: Final = f"""
SELECT coalesce(w.oprcode::pg_catalog.oid, d.refobjid)
FROM (SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, x.oid
      FROM pg_catalog.pg_attrdef x WHERE x.adrelid {_EQ} c.oid
      UNION SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, x.oid
      FROM pg_catalog.pg_constraint x WHERE x.conrelid {_EQ} c.oid
      UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid
      FROM pg_catalog.pg_index x WHERE x.indrelid {_EQ} c.oid
      UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid
      UNION SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid {_EQ} a.atttypid
      WHERE a.attrelid {_EQ} c.oid AND t.typtype {_EQ} 'd'
      UNION SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, x.oid
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_constraint x ON x.contypid {_EQ} a.atttypid
      WHERE a.attrelid {_EQ} c.oid AND x.contypid OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid
     ) e(class, oid)
JOIN pg_catalog.pg_depend d ON d.classid {_EQ} e.class AND d.objid {_EQ} e.oid
LEFT JOIN pg_catalog.pg_operator w
ON d.refclassid {_EQ} 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid
   AND w.oid {_EQ} d.refobjid
WHERE (w.oid IS NOT NULL
       OR d.refclassid {_EQ} 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend m WHERE m.classid {_EQ} d.refclassid
                      AND m.objid {_EQ} d.refobjid AND m.deptype {_EQ} 'e')"""

TYPES: Final = f"""
SELECT t.oid, pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.'
       OPERATOR(pg_catalog.||) pg_catalog.quote_ident(t.typname),
       t.typarray, t.typinput::pg_catalog.oid, t.typoutput::pg_catalog.oid,
       (WITH RECURSIVE d(oid, base) AS (
            SELECT t.oid, t.typbasetype
            UNION ALL SELECT b.oid, b.typbasetype FROM d JOIN pg_catalog.pg_type b
            ON b.oid {_EQ} d.base)
        SELECT d.oid FROM d WHERE d.base {_EQ} '0'::pg_catalog.oid)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} t.typnamespace
WHERE t.oid {_ANY}"""

OPERATORS: Final = f"""
SELECT oid, oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid {_ANY}"""

FUNCTIONS: Final = f"""
SELECT p.oid, n.nspname OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) p.proname,
       pg_catalog.concat(n.nspname, '.', p.proname, '(',
                         pg_catalog.oidvectortypes(p.proargtypes), ')')
FROM (SELECT pg_catalog.unnest($1::pg_catalog.oid[])
      UNION SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator
            WHERE oid {_EQ} ANY ($2::pg_catalog.oid[])
      UNION SELECT typinput::pg_catalog.oid FROM pg_catalog.pg_type
            WHERE oid {_EQ} ANY ($3::pg_catalog.oid[])
      UNION SELECT typoutput::pg_catalog.oid FROM pg_catalog.pg_type
            WHERE oid {_EQ} ANY ($3::pg_catalog.oid[])) f(oid)
JOIN pg_catalog.pg_proc p ON p.oid {_EQ} f.oid
JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} p.pronamespace"""

#: The relations asked for and their kin: OID, JSON in the order of :func:`_relation`, version.
RELATIONS: Final = f"""
WITH RECURSIVE up(oid) AS (
    SELECT u FROM pg_catalog.unnest($1::pg_catalog.oid[]) u
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid {_EQ} up.oid),
down(oid) AS (
    SELECT u FROM pg_catalog.unnest($1::pg_catalog.oid[]) u
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent {_EQ} down.oid),
kin(oid) AS (SELECT oid FROM up UNION SELECT oid FROM down)
SELECT c.oid, pg_catalog.json_build_array(n.nspname, c.relname, c.relkind,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              a.attnum, a.attname, a.atttypid, a.attinhcount OPERATOR(pg_catalog.<>) 0,
              a.attlen, a.attstorage {_EQ} 'p',
              a.attidentity OPERATOR(pg_catalog.<>) '' OR t.typdefault IS NOT NULL,
              a.attnotnull))
   FROM pg_catalog.pg_attribute a
   LEFT JOIN pg_catalog.pg_type t ON t.oid {_EQ} a.atttypid
   WHERE a.attrelid {_EQ} c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
         AND NOT a.attisdropped),
  (SELECT pg_catalog.json_agg(i.inhparent) FROM pg_catalog.pg_inherits i
   WHERE i.inhrelid {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(i.inhrelid) FROM pg_catalog.pg_inherits i
   WHERE i.inhparent {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              r.rulename {_EQ} '_RETURN' AND r.ev_type {_EQ} '1', r.ev_action::pg_catalog.text))
   FROM pg_catalog.pg_rewrite r WHERE r.ev_class {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(d.adnum, a.attgenerated,
              CASE WHEN a.attgenerated OPERATOR(pg_catalog.<>) ''
                   THEN d.adbin::pg_catalog.text END))
   FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a
   ON a.attrelid {_EQ} d.adrelid AND a.attnum {_EQ} d.adnum WHERE d.adrelid {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(e.x::pg_catalog.text) FROM pg_catalog.pg_policy p
   CROSS JOIN LATERAL (VALUES (p.polqual), (p.polwithcheck)) e(x)
   WHERE p.polrelid {_EQ} c.oid AND c.relrowsecurity AND e.x IS NOT NULL),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(i.indkey::pg_catalog.text,
              i.indisunique OR i.indisexclusion,
              i.indexprs IS NOT NULL OR {_NULLS_MEET},
              CASE WHEN i.indisunique AND i.indimmediate AND i.indisvalid AND i.indexprs IS NULL
                        AND i.indpred IS NULL THEN i.indnkeyatts ELSE 0::pg_catalog.int2 END,
              {_JOINS},
              i.indexprs::pg_catalog.text, i.indpred::pg_catalog.text))
   FROM pg_catalog.pg_index i WHERE i.indrelid {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              pg_catalog.array_to_string(o.conkey, ' '), o.convalidated))
   FROM pg_catalog.pg_constraint o WHERE o.conrelid {_EQ} c.oid
         AND (o.contype {_EQ} 'c' OR o.contype {_EQ} 'n' AND NOT o.convalidated)),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              o.oid, kc.oid, kn.nspname, kc.relname, ka.attnum, ka.attname,
              ka.attinhcount OPERATOR(pg_catalog.<>) 0,
              fc.oid, fn.nspname, fc.relname, fa.attnum, fa.attname,
              fa.attinhcount OPERATOR(pg_catalog.<>) 0,
              o.confdeltype {_EQ} ANY ({_CASCADES}) OR o.confupdtype {_EQ} ANY ({_CASCADES})))
   FROM pg_catalog.pg_constraint o
   CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(o.conkey), pg_catalog.unnest(o.confkey))
              k(own, far)
   JOIN pg_catalog.pg_class kc ON kc.oid {_EQ} o.conrelid
   JOIN pg_catalog.pg_namespace kn ON kn.oid {_EQ} kc.relnamespace
   JOIN pg_catalog.pg_attribute ka ON ka.attrelid {_EQ} kc.oid AND ka.attnum {_EQ} k.own
   JOIN pg_catalog.pg_class fc ON fc.oid {_EQ} o.confrelid
   JOIN pg_catalog.pg_namespace fn ON fn.oid {_EQ} fc.relnamespace
   JOIN pg_catalog.pg_attribute fa ON fa.attrelid {_EQ} fc.oid AND fa.attnum {_EQ} k.far
   WHERE o.oid {_EQ} ANY (ARRAY(SELECT g.tgconstraint FROM pg_catalog.pg_trigger g
                                WHERE g.tgrelid {_EQ} c.oid
                                UNION SELECT f.oid FROM pg_catalog.pg_constraint f
                                WHERE f.conrelid {_EQ} c.oid))
         AND o.contype {_EQ} 'f'),
  (SELECT pg_catalog.json_agg(g.tgfoid) FROM pg_catalog.pg_trigger g
   WHERE g.tgrelid {_EQ} c.oid AND NOT g.tgisinternal
         AND g.tgenabled OPERATOR(pg_catalog.<>) 'D'),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(p.partattrs::pg_catalog.text,
              p.partexprs::pg_catalog.text))
   FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid {_EQ} c.oid),
  ARRAY({_CALLED}),
  (SELECT pg_catalog.array_to_string(o.conkey, ' ')
   FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_index i ON i.indexrelid {_EQ} o.conindid
   WHERE o.conrelid {_EQ} c.oid AND o.contype {_EQ} 'p' AND NOT o.condeferrable
         AND i.indisvalid AND NOT i.indisexclusion
         AND c.relkind {_EQ} 'r' AND NOT c.relhassubclass)),
  ({versions.RELATION})
FROM kin JOIN pg_catalog.pg_class c ON c.oid {_EQ} kin.oid
JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} c.relnamespace"""
