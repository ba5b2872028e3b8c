"""What the server's catalogue says of the objects a query tree names, by OID.

The questions are SQL for a side connection, the answers rows in text format: no I/O in here.
Everything is asked in batches, and what is known is not asked again, so a statement over known
tables costs no catalogue read at all.
"""

# ruff: noqa: S608 - what is put into SQL is numbers, our own names and quoted literals
from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.sql import nodetree
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
    """A row of pg_type. ``sql`` is its name, quoted and qualified, for use in a statement."""

    sql: str
    array: int
    input: int
    output: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One column of a foreign key: ``column`` (of ``relation``) refers to ``foreign_column``."""

    relation: int
    attribute: int
    column: ColumnRef
    foreign: int
    foreign_attribute: int
    foreign_column: ColumnRef


@dataclass(slots=True)
class Relation:
    """A row of pg_class with what hangs on it. Columns are attribute numbers.

    :ivar kind: pg_class.relkind.
    :ivar definition: the query of a view or materialised view.
    :ivar generated: expressions of generated columns.
    :ivar policies: expressions of row security policies.
    :ivar unique: columns of each unique or exclusion constraint's index.
    :ivar checks: columns of each CHECK constraint.
    :ivar defaulted: columns with a default.
    :ivar triggers: OIDs of functions of enabled user triggers.
    :ivar ruled: it has a rewrite rule other than a view's own.
    """

    schema: str
    name: str
    kind: str
    columns: dict[int, str] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)
    definition: Node | None = None
    generated: dict[int, Value] = field(default_factory=dict)
    policies: list[Value] = field(default_factory=list)
    unique: list[frozenset[int]] = field(default_factory=list)
    checks: list[frozenset[int]] = field(default_factory=list)
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
        return ColumnRef(self.schema, self.name, name)


@dataclass(slots=True)
class Wanted:
    """OIDs that a tree names."""

    relations: set[int] = field(default_factory=set)
    functions: set[int] = field(default_factory=set)
    operators: set[int] = field(default_factory=set)
    types: set[int] = field(default_factory=set)

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


class Catalogue:
    """What is known of one database. Grows; :meth:`clear` forgets everything."""

    def __init__(self) -> None:
        self.relations: dict[int, Relation] = {}
        self.functions: dict[int, Function] = {}
        self.operators: dict[int, int] = {}
        self.types: dict[int, Type] = {}

    def clear(self) -> None:
        """Forget everything: some of it may be out of date."""
        for known in (self.relations, self.functions, self.operators, self.types):
            known.clear()

    def missing(self, names: Wanted) -> Wanted:
        """What of ``names`` has to be asked."""
        return Wanted(
            names.relations - self.relations.keys(),
            names.functions - self.functions.keys(),
            names.operators - self.operators.keys(),
            names.types - self.types.keys(),
        )

    def questions(self, names: Wanted) -> list[str]:
        """SQL whose rows :meth:`learn` takes, in the same order."""
        kin = _KIN.format(_list(names.relations))
        return [
            _TYPES.format(_list(names.types)),
            _OPERATORS.format(_list(names.operators)),
            _FUNCTIONS.format(
                functions=_list(names.functions),
                operators=_list(names.operators),
                types=_list(names.types),
                relations=_list(names.relations),
            ),
            *([kin + question for question in _RELATIONS] if names.relations else []),
        ]

    def learn(self, names: Wanted, answers: Sequence[Rows]) -> Wanted:
        """Take the answers in.

        :return: what the new relations' own trees (views, generated columns …) name.
        :raises NodeTreeError: the server left out an object, or a tree cannot be read.
        """
        types, operators, functions, *relations = answers
        for oid, sql, array, read, write in types:
            self.types[_int(oid)] = Type(sql or "", _int(array), _int(read), _int(write))
        for oid, code in operators:
            self.operators[_int(oid)] = _int(code)
        for oid, name, signature in functions:
            self.functions[_int(oid)] = Function(name or "", signature or "")
        more = self._learn_relations(relations) if relations else Wanted()
        if self.missing(names):
            raise NodeTreeError("an object is not in the catalogue")
        return more

    def _learn_relations(self, answers: Sequence[Rows]) -> Wanted:
        (
            classes,
            columns,
            inherits,
            rules,
            defaults,
            policies,
            indexes,
            checks,
            keys,
            triggers,
        ) = answers
        new: dict[int, Relation] = {}
        trees: list[Value] = []
        more = Wanted()
        for oid, schema, name, kind in classes:
            new[_int(oid)] = Relation(schema or "", name or "", kind or "")
        for oid, number, name, type_ in columns:
            new[_int(oid)].columns[_int(number)] = name or ""
            new[_int(oid)].types[_int(number)] = _int(type_)
        for child, parent in inherits:
            if _int(child) in new:
                new[_int(child)].parents.append(_int(parent))
            if _int(parent) in new:
                new[_int(parent)].children.append(_int(child))
        for oid, own, action in rules:
            relation = new[_int(oid)]
            if own != "t":
                relation.ruled = True
                continue
            tree = nodetree.parse(action or "")
            if not isinstance(tree, list) or len(tree) != 1 or not isinstance(tree[0], Node):
                raise NodeTreeError("a view is not one query")
            relation.definition = tree[0]
            trees.append(tree)
        for oid, number, generated, expression in defaults:
            relation = new[_int(oid)]
            if generated == "t":
                tree = nodetree.parse(expression or "")
                relation.generated[_int(number)] = tree
                trees.append(tree)
            else:
                relation.defaulted.add(_int(number))
        for oid, expression in policies:
            tree = nodetree.parse(expression or "")
            new[_int(oid)].policies.append(tree)
            trees.append(tree)
        for oid, numbers, expressions, predicate in indexes:
            used = set(_attributes(numbers))
            for text in (expressions, predicate):
                if text:
                    used |= _columns_of(nodetree.parse(text), new[_int(oid)])
            new[_int(oid)].unique.append(frozenset(used))
        for oid, numbers in checks:
            new[_int(oid)].checks.append(_attributes(numbers))
        for row in keys:
            key = ForeignKey(*_end(row[:5]), *_end(row[5:]))
            for end in {key.relation, key.foreign}:
                if end in new:
                    new[end].keys.append(key)
        for oid, function in triggers:
            new[_int(oid)].triggers.append(_int(function))
            more.functions.add(_int(function))
        for identity, relation in new.items():
            if relation.kind in "vm" and relation.definition is None:
                raise NodeTreeError("a view's definition is not in the catalogue")
            self.relations[identity] = relation
            more.relations.update(relation.parents, relation.children)
        for tree in trees:
            found = wanted(tree)
            more.relations |= found.relations
            more.functions |= found.functions
            more.operators |= found.operators
            more.types |= found.types
        return self.missing(more)

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


def _columns_of(tree: Value, relation: Relation) -> set[int]:
    found: set[int] = set()
    todo = [tree]
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


def _end(row: Sequence[str | None]) -> tuple[int, int, ColumnRef]:
    oid, schema, relation, number, column = row
    return _int(oid), _int(number), ColumnRef(schema or "", relation or "", column or "")


def _int(text: str | None) -> int:
    return int(text or "0")


def _list(oids: Collection[int]) -> str:
    return "ARRAY[" + ",".join(map(str, sorted(oids))) + "]::pg_catalog.oid[]"


# Everything is qualified: the session's search_path is the client's, and an operator of a schema
# in front of pg_catalog would be the client's too.
_EQ: Final = "OPERATOR(pg_catalog.=)"

_TYPES: Final = f"""
SELECT t.oid, pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.'
       OPERATOR(pg_catalog.||) pg_catalog.quote_ident(t.typname),
       t.typarray, t.typinput::pg_catalog.oid, t.typoutput::pg_catalog.oid
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} t.typnamespace
WHERE t.oid {_EQ} ANY ({{0}})"""

_OPERATORS: Final = f"""
SELECT oid, oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid {_EQ} ANY ({{0}})"""

_FUNCTIONS: Final = f"""
SELECT p.oid, n.nspname OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) p.proname,
       pg_catalog.concat(n.nspname, '.', p.proname, '(',
                         pg_catalog.oidvectortypes(p.proargtypes), ')')
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} p.pronamespace
WHERE p.oid {_EQ} ANY ({{functions}})
   OR p.oid {_EQ} ANY (ARRAY(SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator
                             WHERE oid {_EQ} ANY ({{operators}})))
   OR p.oid {_EQ} ANY (ARRAY(SELECT typinput::pg_catalog.oid FROM pg_catalog.pg_type
                             WHERE oid {_EQ} ANY ({{types}})))
   OR p.oid {_EQ} ANY (ARRAY(SELECT typoutput::pg_catalog.oid FROM pg_catalog.pg_type
                             WHERE oid {_EQ} ANY ({{types}})))
   OR p.oid {_EQ} ANY (ARRAY(SELECT tgfoid FROM pg_catalog.pg_trigger
                             WHERE tgrelid {_EQ} ANY ({{relations}})))"""

_KIN: Final = f"""
WITH RECURSIVE up(oid) AS (
    SELECT u FROM pg_catalog.unnest({{0}}) u
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid {_EQ} up.oid),
down(oid) AS (
    SELECT u FROM pg_catalog.unnest({{0}}) u
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent {_EQ} down.oid),
kin(oid) AS (SELECT oid FROM up UNION SELECT oid FROM down)"""

_RELATIONS: Final = (
    f"""
SELECT c.oid, n.nspname, c.relname, c.relkind FROM kin
JOIN pg_catalog.pg_class c ON c.oid {_EQ} kin.oid
JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} c.relnamespace""",
    f"""
SELECT a.attrelid, a.attnum, a.attname, a.atttypid FROM kin
JOIN pg_catalog.pg_attribute a ON a.attrelid {_EQ} kin.oid
WHERE a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum""",
    f"""
SELECT DISTINCT i.inhrelid, i.inhparent FROM kin JOIN pg_catalog.pg_inherits i
ON i.inhrelid {_EQ} kin.oid OR i.inhparent {_EQ} kin.oid""",
    f"""
SELECT r.ev_class, (r.rulename {_EQ} '_RETURN' AND r.ev_type {_EQ} '1'),
       r.ev_action::pg_catalog.text
FROM kin JOIN pg_catalog.pg_rewrite r ON r.ev_class {_EQ} kin.oid""",
    f"""
SELECT d.adrelid, d.adnum, a.attgenerated OPERATOR(pg_catalog.<>) '', d.adbin::pg_catalog.text
FROM kin JOIN pg_catalog.pg_attrdef d ON d.adrelid {_EQ} kin.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid {_EQ} d.adrelid AND a.attnum {_EQ} d.adnum""",
    f"""
SELECT p.polrelid, e.x::pg_catalog.text FROM kin
JOIN pg_catalog.pg_class c ON c.oid {_EQ} kin.oid AND c.relrowsecurity
JOIN pg_catalog.pg_policy p ON p.polrelid {_EQ} kin.oid
CROSS JOIN LATERAL (VALUES (p.polqual), (p.polwithcheck)) e(x) WHERE e.x IS NOT NULL""",
    f"""
SELECT i.indrelid, i.indkey::pg_catalog.text, i.indexprs::pg_catalog.text,
       i.indpred::pg_catalog.text
FROM kin JOIN pg_catalog.pg_index i ON i.indrelid {_EQ} kin.oid
WHERE i.indisunique OR i.indisexclusion""",
    f"""
SELECT o.conrelid, pg_catalog.array_to_string(o.conkey, ' ')
FROM kin JOIN pg_catalog.pg_constraint o ON o.conrelid {_EQ} kin.oid WHERE o.contype {_EQ} 'c'""",
    f"""
SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname,
       fc.oid, fn.nspname, fc.relname, fa.attnum, fa.attname
FROM pg_catalog.pg_constraint o
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(o.conkey), pg_catalog.unnest(o.confkey)) k(own, far)
JOIN pg_catalog.pg_class c ON c.oid {_EQ} o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid {_EQ} c.oid AND a.attnum {_EQ} k.own
JOIN pg_catalog.pg_class fc ON fc.oid {_EQ} o.confrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid {_EQ} fc.relnamespace
JOIN pg_catalog.pg_attribute fa ON fa.attrelid {_EQ} fc.oid AND fa.attnum {_EQ} k.far
WHERE o.contype {_EQ} 'f' AND (o.conrelid {_EQ} ANY (ARRAY(SELECT oid FROM kin))
                               OR o.confrelid {_EQ} ANY (ARRAY(SELECT oid FROM kin)))""",
    f"""
SELECT g.tgrelid, g.tgfoid FROM kin JOIN pg_catalog.pg_trigger g ON g.tgrelid {_EQ} kin.oid
WHERE NOT g.tgisinternal AND g.tgenabled OPERATOR(pg_catalog.<>) 'D'""",
)
