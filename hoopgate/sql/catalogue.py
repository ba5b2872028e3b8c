"""What the server's catalogue says of the objects a query tree names, by OID.

The questions are SQL for a side connection, the answers rows in text format: no I/O in here.
Everything is asked in batches, and what is known is not asked again, so a statement over known
tables costs no catalogue read at all. A relation is one row: JSON, read only when a statement needs
it, because its views and policies are trees that take time to read.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import HoopgateError
from hoopgate.sql import nodetree
from hoopgate.sql.nodetree import Node, NodeTreeError, Value
from hoopgate.sql.questions import FUNCTIONS, OPERATORS, RELATIONS, TYPES, array
from hoopgate.sql.relations import Function, Relation, Type, read_relation

Rows = Sequence[Sequence[str | None]]


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
        self._named: tuple[Value, Wanted] = (None, Wanted())

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

    def named(self, tree: Value) -> Wanted:
        """:func:`wanted` of a statement, which is examined more than once; not to be changed."""
        if self._named[0] is not tree or tree is None:
            self._named = tree, wanted(tree)
        return self._named[1]


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
            (TYPES, types),
            (OPERATORS, operators),
            (FUNCTIONS, functions, operators, types),
            (RELATIONS, relations),
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
        names = Wanted(set(more))
        names.add(reader.named(tree))
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
        relation, trees = read_relation(json.loads(self.rows[oid]), reader.read)
        cascades = {key.relation for key in relation.keys if key.cascades}
        needs = Wanted(
            {*relation.parents, *relation.children, *cascades},
            {*relation.triggers, *relation.called},
        )
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


def _int(text: str | None) -> int:
    return int(text or "0")
