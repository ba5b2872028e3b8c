"""What the server's catalogue says of the objects a query tree names, by OID.

The questions are SQL for a side connection, the answers rows in text format: no I/O in here.
Everything is asked in batches, and what is known is not asked again, so a statement over known
tables costs no catalogue read at all. A relation is one row: JSON, read only when a statement needs
it, because its views and policies are trees that take time to read.
"""

# ruff: noqa: S608 - what is put into SQL is our own text and constants
from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import HoopgateError
from hoopgate.events import ColumnRef
from hoopgate.sql import nodetree, versions
from hoopgate.sql.nodetree import Node, NodeTreeError, Value

Rows = Sequence[Sequence[str | None]]

_SYSTEM_COLUMNS: Final = {
    -1: "ctid",
    -2: "xmin",
    -3: "cmin",
    -4: "xmax",
    -5: "cmax",
    -6: "tableoid",
}


@dataclass(frozen=True, slots=True)
class Function:
    """A row of pg_proc. ``signature`` is ``schema.name(type, …)``, ``name`` ``schema.name``."""

    name: str
    signature: str


@dataclass(frozen=True, slots=True)
class Type:
    """A row of pg_type.

    :ivar sql: its name, quoted and qualified, for use in a statement.
    :ivar base: what a domain is made of in the end, which is what a client is told; else itself.
    """

    sql: str
    array: int
    input: int
    output: int
    base: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One column of a foreign key: ``column`` (of ``relation``) refers to ``foreign_column``.

    :ivar cascades: a DELETE or UPDATE there changes rows here.
    """

    relation: int
    attribute: int
    column: ColumnRef
    foreign: int
    foreign_attribute: int
    foreign_column: ColumnRef
    cascades: bool


@dataclass(frozen=True, slots=True)
class Index:
    """Columns of an index: its keys, and what its expressions and its predicate read.

    :ivar compares: it is unique, or of an exclusion constraint.
    :ivar computes: it has an expression, which may fail.
    :ivar key: columns of which no two rows have the same values; empty when that is not certain.
    """

    columns: frozenset[int]
    compares: bool
    computes: bool
    key: frozenset[int] = frozenset()


@dataclass(slots=True)
class Relation:
    """A row of pg_class with what hangs on it. Columns are attribute numbers.

    :ivar kind: pg_class.relkind.
    :ivar inherited: columns that a parent has, too.
    :ivar definition: the query of a view or materialised view.
    :ivar generated: expressions of generated columns.
    :ivar virtual: generated columns that are computed when they are read.
    :ivar policies: expressions of row security policies.
    :ivar checks: columns of each CHECK constraint.
    :ivar unproven: columns of constraints that stored rows may break (NOT VALID).
    :ivar partitioned: columns that decide which partition a row is in.
    :ivar defaulted: columns with a default.
    :ivar triggers: OIDs of functions of enabled user triggers.
    :ivar ruled: it has a rewrite rule other than a view's own.
    """

    schema: str
    name: str
    kind: str
    columns: dict[int, str] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)
    inherited: set[int] = field(default_factory=set)
    definition: Node | None = None
    generated: dict[int, Value] = field(default_factory=dict)
    virtual: set[int] = field(default_factory=set)
    policies: list[Value] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    checks: list[frozenset[int]] = field(default_factory=list)
    unproven: frozenset[int] = frozenset()
    partitioned: frozenset[int] = frozenset()
    defaulted: set[int] = field(default_factory=set)
    keys: list[ForeignKey] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    ruled: bool = False
    parents: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, attribute: int) -> ColumnRef:
        """The reference of a column, system columns included.

        :raises NodeTreeError: there is no such column.
        """
        name = _SYSTEM_COLUMNS.get(attribute) or self.columns.get(attribute)
        if name is None:
            raise NodeTreeError("a column is not in the catalogue")
        derived = (
            attribute < 0
            or self.definition is not None
            or attribute in self.inherited
            or attribute in self.generated
        )
        return ColumnRef(self.schema, self.name, name, derived)


@dataclass(slots=True)
class Wanted:
    """OIDs that a tree names."""

    relations: set[int] = field(default_factory=set)
    functions: set[int] = field(default_factory=set)
    operators: set[int] = field(default_factory=set)
    types: set[int] = field(default_factory=set)

    def add(self, other: Wanted) -> None:
        """Take in what ``other`` names."""
        self.relations |= other.relations
        self.functions |= other.functions
        self.operators |= other.operators
        self.types |= other.types

    def __bool__(self) -> bool:
        return bool(self.relations or self.functions or self.operators or self.types)


#: Fields that hold one OID, by what they name. ``resulttype`` & co. name a type whose input or
#: output function a COERCEVIAIO may call, or whose array type an ARRAY sublink has.
_FUNCTION_FIELDS: Final = ("funcid", "opfuncid", "aggfnoid", "winfnoid", "tsmhandler")
_OPERATOR_FIELDS: Final = ("eqop", "sortop", "opno")
TYPE_FIELDS: Final = {
    "VAR": "vartype",
    "CONST": "consttype",
    "PARAM": "paramtype",
    "AGGREF": "aggtype",
    "WINDOWFUNC": "wintype",
    "SUBSCRIPTINGREF": "refrestype",
    "FUNCEXPR": "funcresulttype",
    "OPEXPR": "opresulttype",
    "DISTINCTEXPR": "opresulttype",
    "NULLIFEXPR": "opresulttype",
    "FIELDSELECT": "resulttype",
    "FIELDSTORE": "resulttype",
    "RELABELTYPE": "resulttype",
    "COERCEVIAIO": "resulttype",
    "ARRAYCOERCEEXPR": "resulttype",
    "CONVERTROWTYPEEXPR": "resulttype",
    "CASEEXPR": "casetype",
    "CASETESTEXPR": "typeId",
    "ARRAYEXPR": "array_typeid",
    "ROWEXPR": "row_typeid",
    "COALESCEEXPR": "coalescetype",
    "MINMAXEXPR": "minmaxtype",
    "SQLVALUEFUNCTION": "type",
    "COERCETODOMAIN": "resulttype",
    "COERCETODOMAINVALUE": "typeId",
    "SETTODEFAULT": "typeId",
    "NEXTVALUEEXPR": "typeId",
    "MERGESUPPORTFUNC": "msftype",
}
#: Names of node types before PostgreSQL 16.
ALIASES: Final = {
    "CASE": "CASEEXPR",
    "WHEN": "CASEWHEN",
    "ARRAY": "ARRAYEXPR",
    "ROW": "ROWEXPR",
    "ROWCOMPARE": "ROWCOMPAREEXPR",
    "COALESCE": "COALESCEEXPR",
    "MINMAX": "MINMAXEXPR",
    "COLLATE": "COLLATEEXPR",
}


def wanted(tree: Value) -> Wanted:
    """Every OID in ``tree`` that lineage may look up."""
    found = Wanted()
    todo: list[Value] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(value)
            continue
        if not isinstance(value, Node):
            continue
        kind = ALIASES.get(value.type, value.type)
        fields = value.fields
        for name, content in fields.items():
            if content is None:
                continue
            if not isinstance(content, str):
                todo.append(content)
            elif name in _FUNCTION_FIELDS:
                found.functions.add(value.integer(name))
            elif name in _OPERATOR_FIELDS:
                found.operators.add(value.integer(name))
        if kind == "RANGETBLENTRY":
            found.relations.add(value.integer("relid", 0))
        elif kind == "ROWCOMPAREEXPR":
            found.operators.update(value.integers("opnos"))
        elif kind in TYPE_FIELDS and TYPE_FIELDS[kind] in fields:
            found.types.add(value.integer(TYPE_FIELDS[kind]))
    for oids in (found.relations, found.functions, found.operators, found.types):
        oids.discard(0)
    return found


def _attributes(text: str | None) -> frozenset[int]:
    return frozenset(int(item) for item in (text or "").split()) - {0}


class Overrun(HoopgateError):
    """The trees are too large to be read here."""


class TreeReader:
    """Reads node trees and remembers them.

    :param memory: characters of trees remembered at most.
    :param limit: characters read at most after each :meth:`restart`; None: no limit.
    """

    def __init__(self, memory: int, limit: int | None = None) -> None:
        self._memory = memory
        self._limit = limit
        self._left = limit or 0
        self._held = 0
        self._known: OrderedDict[str, Value] = OrderedDict()

    def restart(self) -> None:
        """Another statement is looked at."""
        self._left = self._limit or 0

    def read(self, text: str) -> Value:
        """The tree in ``text``.

        :raises NodeTreeError: it cannot be read.
        :raises Overrun: it is above what is left of the limit.
        """
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
            return found
        if self._limit is not None:
            self._left -= len(text)
            if self._left < 0:
                raise Overrun("the trees are too large to be read here")
        found = nodetree.parse(text)
        self._known[text] = found
        self._held += len(text)
        while self._held > self._memory:
            old, _ = self._known.popitem(last=False)
            self._held -= len(old)
        return found


class Catalogue:
    """What is known of one database. Grows.

    :ivar rows: relations as the server described them: JSON by OID.
    :ivar relations: those of them that were opened.
    """

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.relations: dict[int, Relation] = {}
        self.functions: dict[int, Function] = {}
        self.operators: dict[int, int] = {}
        self.types: dict[int, Type] = {}
        self._needs: dict[int, Wanted] = {}

    def missing(self, names: Wanted) -> Wanted:
        """What of ``names`` has to be asked."""
        return Wanted(
            names.relations - self.rows.keys(),
            names.functions - self.functions.keys(),
            names.operators - self.operators.keys(),
            names.types - self.types.keys(),
        )

    def questions(self, names: Wanted) -> list[tuple[str, ...]]:
        """SQL and parameters whose rows :meth:`learn` takes, in the same order."""
        types, operators, functions, relations = map(
            array, (names.types, names.operators, names.functions, names.relations)
        )
        return [
            (_TYPES, types),
            (_OPERATORS, operators),
            (_FUNCTIONS, functions, operators, types),
            (_RELATIONS, relations),
        ]

    def learn(self, names: Wanted, answers: Sequence[Rows]) -> dict[int, int]:
        """Take the answers in.

        :return: the new relations' versions by OID, see :mod:`hoopgate.sql.versions`.
        :raises NodeTreeError: the server left out an object.
        """
        types, operators, functions, relations = answers
        for oid, sql, *numbers in types:
            self.types[_int(oid)] = Type(sql or "", *map(_int, numbers))
        for oid, code in operators:
            self.operators[_int(oid)] = _int(code)
        for oid, name, signature in functions:
            self.functions[_int(oid)] = Function(name or "", signature or "")
        versions = {}
        for oid, content, version in relations:
            if _int(oid) not in self.rows:
                self.rows[_int(oid)] = content or ""
                versions[_int(oid)] = _int(version)
        if self.missing(names):
            raise NodeTreeError("an object is not in the catalogue")
        return versions

    def open(self, tree: Value, reader: TreeReader, more: Collection[int] = ()) -> Wanted:
        """Open every relation that ``tree`` reaches, through views and the like.

        :param more: relations that are reached besides.
        :return: what has to be asked before all of them can be opened.
        :raises NodeTreeError: a relation cannot be read.
        :raises Overrun: see :class:`TreeReader`.
        """
        names = wanted(tree)
        names.relations.update(more)
        reached = set(names.relations)
        todo = list(reached)
        while todo:
            oid = todo.pop()
            if oid not in self.relations:
                if oid not in self.rows:
                    continue
                self._open(oid, reader)
            needs = self._needs[oid]
            names.add(needs)
            todo.extend(needs.relations - reached)
            reached |= needs.relations
        return self.missing(names)

    def _open(self, oid: int, reader: TreeReader) -> None:
        relation, trees = _relation(json.loads(self.rows[oid]), reader)
        cascades = {key.relation for key in relation.keys if key.cascades}
        needs = Wanted({*relation.parents, *relation.children, *cascades}, set(relation.triggers))
        for tree in trees:
            needs.add(wanted(tree))
        self.relations[oid] = relation
        self._needs[oid] = needs

    # --- to and from another process --------------------------------------------------------------

    def export(self, names: Wanted) -> dict[str, Any]:
        """What is known of ``names``, for :meth:`load`: JSON."""
        functions = {*names.functions, *(self.operators[oid] for oid in names.operators)}
        for oid in names.types:
            functions |= {self.types[oid].input, self.types[oid].output}
        return {
            "rows": [[oid, self.rows[oid]] for oid in names.relations],
            "functions": [
                [oid, self.functions[oid].name, self.functions[oid].signature]
                for oid in functions
                if oid in self.functions
            ],
            "operators": [[oid, self.operators[oid]] for oid in names.operators],
            "types": [
                [oid, known.sql, known.array, known.input, known.output, known.base]
                for oid, known in ((oid, self.types[oid]) for oid in names.types)
            ],
        }

    def load(self, content: Mapping[str, Any]) -> None:
        """Take in what another catalogue exported."""
        self.rows.update(content["rows"])
        for oid, name, signature in content["functions"]:
            self.functions[oid] = Function(name, signature)
        self.operators.update(content["operators"])
        for oid, *fields in content["types"]:
            self.types[oid] = Type(*fields)

    def sent_as(self, type_: int) -> int:
        """The type a client is told: a domain's is what it is made of."""
        known = self.types.get(type_)
        return known.base if known else type_

    def kin(self, oid: int) -> set[int]:
        """The relation, its ancestors and its descendants: a column's label counts for all."""
        found = {oid}
        for direction in ("parents", "children"):
            todo = [oid]
            while todo:
                relation = self.relations.get(todo.pop())
                for other in getattr(relation, direction, ()):
                    if other not in found:
                        found.add(other)
                        todo.append(other)
        return found


def _relation(row: Sequence[Any], reader: TreeReader) -> tuple[Relation, list[Value]]:
    """A relation from its row, and all trees that hang on it."""
    (
        schema,
        name,
        kind,
        columns,
        parents,
        children,
        rules,
        defaults,
        policies,
        indexes,
        checks,
        keys,
        triggers,
        partitioned,
    ) = row
    relation = Relation(schema, name, kind)
    trees: list[Value] = []
    for number, column, type_, inherited in columns or ():
        relation.columns[number] = column
        relation.types[number] = int(type_)
        if inherited:
            relation.inherited.add(number)
    relation.parents = [int(oid) for oid in parents or ()]
    relation.children = [int(oid) for oid in children or ()]
    for own, action in rules or ():
        if not own:
            relation.ruled = True
            continue
        tree = reader.read(action)
        if not isinstance(tree, list) or len(tree) != 1 or not isinstance(tree[0], Node):
            raise NodeTreeError("a view is not one query")
        relation.definition = tree[0]
        trees.append(tree)
    for number, generated, expression in defaults or ():
        if expression is None:
            relation.defaulted.add(number)
        else:
            tree = reader.read(expression)
            relation.generated[number] = tree
            trees.append(tree)
            if generated == "v":
                relation.virtual.add(number)
    for expression in policies or ():
        tree = reader.read(expression)
        relation.policies.append(tree)
        trees.append(tree)
    for numbers, compares, unique, *expressions in indexes or ():
        used = _attributes(numbers) | _columns_in(expressions, relation, reader)
        key = frozenset(map(int, numbers.split()[:unique]))
        relation.indexes.append(Index(used, compares, any(expressions), key))
    for numbers, proven in checks or ():
        relation.checks.append(_attributes(numbers))
        if not proven:
            relation.unproven |= _attributes(numbers)
    relation.keys = [ForeignKey(*_end(key[:6]), *_end(key[6:12]), key[12]) for key in keys or ()]
    relation.triggers = [int(oid) for oid in triggers or ()]
    for numbers, expression in partitioned or ():
        used = _attributes(numbers) | _columns_in([expression], relation, reader)
        relation.partitioned |= used
    if kind in "vm" and relation.definition is None:
        raise NodeTreeError("a view's definition is not in the catalogue")
    return relation, trees


def _columns_in(
    expressions: Iterable[str | None], relation: Relation, reader: TreeReader
) -> set[int]:
    found: set[int] = set()
    todo: list[Value] = [reader.read(text) for text in expressions if text]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, Node):
            if value.type == "VAR":
                number = value.integer("varattno")
                found |= {number} if number else set(relation.columns)
            todo.extend(value.fields.values())
    return found


def _end(row: Sequence[Any]) -> tuple[int, int, ColumnRef]:
    oid, schema, relation, number, column, inherited = row
    return int(oid), number, ColumnRef(schema, relation, column, inherited)


def _int(text: str | None) -> int:
    return int(text or "0")


def array(oids: Collection[int]) -> str:
    """The text of an array of OIDs."""
    return "{" + ",".join(map(str, sorted(oids))) + "}"


# Everything is qualified: the session's search_path is the client's, and an operator of a schema
# in front of pg_catalog would be the client's too.
_EQ: Final = "OPERATOR(pg_catalog.=)"
_ANY: Final = f"{_EQ} ANY ($1::pg_catalog.oid[])"
#: Actions of foreign keys that change the referring rows: CASCADE, SET NULL, SET DEFAULT.
_CASCADES: Final = "'{c,n,d}'::pg_catalog.\"char\"[]"

_TYPES: Final = f"""
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

_OPERATORS: Final = f"""
SELECT oid, oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid {_ANY}"""

_FUNCTIONS: Final = f"""
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
_RELATIONS: Final = f"""
WITH RECURSIVE up(oid) AS (
    SELECT u FROM pg_catalog.unnest($1::pg_catalog.oid[]) u
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid {_EQ} up.oid),
down(oid) AS (
    SELECT u FROM pg_catalog.unnest($1::pg_catalog.oid[]) u
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent {_EQ} down.oid),
kin(oid) AS (SELECT oid FROM up UNION SELECT oid FROM down)
SELECT c.oid, pg_catalog.json_build_array(n.nspname, c.relname, c.relkind,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              a.attnum, a.attname, a.atttypid, a.attinhcount OPERATOR(pg_catalog.<>) 0))
   FROM pg_catalog.pg_attribute a
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
              CASE WHEN i.indisunique AND i.indimmediate AND i.indisvalid AND i.indexprs IS NULL
                        AND i.indpred IS NULL THEN i.indnkeyatts ELSE 0::pg_catalog.int2 END,
              i.indexprs::pg_catalog.text, i.indpred::pg_catalog.text))
   FROM pg_catalog.pg_index i WHERE i.indrelid {_EQ} c.oid),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              pg_catalog.array_to_string(o.conkey, ' '), o.convalidated))
   FROM pg_catalog.pg_constraint o WHERE o.conrelid {_EQ} c.oid
         AND (o.contype {_EQ} 'c' OR o.contype {_EQ} 'n' AND NOT o.convalidated)),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
              kc.oid, kn.nspname, kc.relname, ka.attnum, ka.attname,
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
   FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid {_EQ} c.oid)),
  ({versions.RELATION})
FROM kin JOIN pg_catalog.pg_class c ON c.oid {_EQ} kin.oid
JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} c.relnamespace"""
