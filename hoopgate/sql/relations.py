"""What is known of relations, functions and types: rows of the server's catalogue, read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.events import ColumnRef
from hoopgate.sql.nodetree import Node, NodeTreeError, Value

_SYSTEM_COLUMNS: Final = {
    -1: "ctid",
    -2: "xmin",
    -3: "cmin",
    -4: "xmax",
    -5: "cmax",
    -6: "tableoid",
}
#: Bytes of a row on a page of 8 kB, less its header with a bit for each of 1,600 columns.
_PAGE: Final = 8160 - 24 - 200
#: Bytes that a value takes at most when it is stored elsewhere, or is too short for that
#: (toast_tuple_find_biggest_attribute of toast_helper.c), with its alignment.
_ELSEWHERE: Final = 24


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

    :ivar constraint: OID of the foreign key: columns that have the same are compared together.
    :ivar cascades: a DELETE or UPDATE there changes rows here.
    """

    constraint: int
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
    :ivar always: it compares rows whose columns are NULL, too.
    :ivar computes: it has an expression, which may fail.
    :ivar joins: an entry holds values of several rows, and may become too long by a new one.
    :ivar key: columns of which no two rows have the same values; empty when that is not certain.
    """

    columns: frozenset[int]
    compares: bool
    always: bool
    computes: bool
    joins: bool
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
    :ivar defaulted: columns with a default, their own or their type's.
    :ivar filled: columns that are NOT NULL.
    :ivar tight: a row may be too long for a page, by values that cannot be stored elsewhere.
    :ivar identity: columns of the primary key of a table without children.
    :ivar triggers: OIDs of functions of enabled user triggers.
    :ivar called: OIDs of users' functions that defaults, constraints and the like call.
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
    filled: set[int] = field(default_factory=set)
    keys: list[ForeignKey] = field(default_factory=list)
    identity: frozenset[int] = frozenset()
    triggers: list[int] = field(default_factory=list)
    called: list[int] = field(default_factory=list)
    ruled: bool = False
    tight: bool = False
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


def read_relation(row: Sequence[Any], read: Callable[[str], Value]) -> tuple[Relation, list[Value]]:
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
        called,
        identity,
    ) = row
    relation = Relation(schema, name, kind)
    trees: list[Value] = []
    room = _PAGE
    for number, column, type_, inherited, length, plain, defaulted, filled in columns or ():
        relation.columns[number] = column
        relation.types[number] = int(type_)
        if inherited:
            relation.inherited.add(number)
        if defaulted:
            relation.defaulted.add(number)
        if filled:
            relation.filled.add(number)
        room -= _PAGE if plain and length < 0 else max(length, _ELSEWHERE)
    relation.tight = room < 0
    relation.parents = [int(oid) for oid in parents or ()]
    relation.children = [int(oid) for oid in children or ()]
    for own, action in rules or ():
        if not own:
            relation.ruled = True
            continue
        tree = read(action)
        if not isinstance(tree, list) or len(tree) != 1 or not isinstance(tree[0], Node):
            raise NodeTreeError("a view is not one query")
        relation.definition = tree[0]
        trees.append(tree)
    for number, generated, expression in defaults or ():
        if expression is None:
            relation.defaulted.add(number)
        else:
            tree = read(expression)
            relation.generated[number] = tree
            trees.append(tree)
            if generated == "v":
                relation.virtual.add(number)
    for expression in policies or ():
        tree = read(expression)
        relation.policies.append(tree)
        trees.append(tree)
    for numbers, compares, always, unique, joins, *expressions in indexes or ():
        used = _attributes(numbers) | _columns_in(expressions, relation, read)
        key = frozenset(map(int, numbers.split()[:unique]))
        index = Index(used, compares, bool(always), any(expressions), joins, key)
        relation.indexes.append(index)
    for numbers, proven in checks or ():
        relation.checks.append(_attributes(numbers))
        if not proven:
            relation.unproven |= _attributes(numbers)
    relation.keys = [
        ForeignKey(int(key[0]), *_end(key[1:7]), *_end(key[7:13]), key[13]) for key in keys or ()
    ]
    relation.triggers = [int(oid) for oid in triggers or ()]
    relation.called = [int(oid) for oid in called]
    relation.identity = _attributes(identity)
    for numbers, expression in partitioned or ():
        used = _attributes(numbers) | _columns_in([expression], relation, read)
        relation.partitioned |= used
    if kind in "vm" and relation.definition is None:
        raise NodeTreeError("a view's definition is not in the catalogue")
    return relation, trees


def _columns_in(
    expressions: Iterable[str | None], relation: Relation, read: Callable[[str], Value]
) -> set[int]:
    found: set[int] = set()
    todo: list[Value] = [read(text) for text in expressions if text]
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


def _attributes(text: str | None) -> frozenset[int]:
    return frozenset(int(item) for item in (text or "").split()) - {0}
