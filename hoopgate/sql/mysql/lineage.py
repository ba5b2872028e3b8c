"""Which columns a query's output, row set and errors depend on, by the text the server keeps of it.

That text (``SHOW CREATE VIEW``) has every name resolved: columns carry their table or its alias,
``*`` is written out, comments and the client's character set are gone. What is computed errs on the
side of naming too many columns; see :mod:`hoopgate.sql.lineage`, which does the same for
PostgreSQL, for what the parts of a resolution mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef, OutputColumn, Resolution
from hoopgate.sql import equality
from hoopgate.sql.mysql import comparisons, functions
from hoopgate.sql.mysql.attestation import Attestation
from hoopgate.sql.mysql.catalogue import SYSTEM, Relation, system_column
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.tree import Expression, Name, Query, Select, Source, Union

Columns = frozenset[ColumnRef]

_NONE: Final[Columns] = frozenset()
#: Expressions looked at; names can be chosen so that it were 2^n.
MOST_STEPS: Final = 200_000
_MOST_ROUNDS: Final = 20
#: Reported for whatever works on a value in a statement that writes: strict mode makes the
#: warnings errors.
STRICT: Final = "syntax.strict()"


class Missing(Exception):
    """A relation is not in the catalogue yet."""

    def __init__(self, schema: str, name: str) -> None:
        super().__init__(schema, name)
        self.relation = schema, name


@dataclass(frozen=True, slots=True)
class Flow:
    """A value: the columns it can depend on; whether it is one of them unchanged."""

    sources: Columns
    direct: bool = False


_CONSTANT: Final = Flow(_NONE)


@dataclass(slots=True, eq=False)
class _Table:
    """A member of FROM.

    :ivar schema: where it is stored; ``""``: nowhere.
    :ivar name: it has in the query.
    :ivar columns: by their names in lower case.
    """

    schema: str
    name: str
    columns: dict[str, Flow]


@dataclass(slots=True, eq=False)
class _Scope:
    parent: _Scope | None
    common: dict[str, dict[str, Flow]]
    tables: list[_Table] = field(default_factory=list)
    aliases: dict[str, Flow] = field(default_factory=dict)
    windows: dict[str, Columns] = field(default_factory=dict)
    known: dict[tuple[int, Columns], Flow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Texts:
    """The server's texts of an :class:`Attestation`'s queries; ``""`` where it has none."""

    query: str = ""
    effect: str = ""
    returning: str = ""


def resolve(
    asked: Attestation,
    texts: Texts,
    outputs: Sequence[tuple[str, int]] | None,
    catalogue: Mapping[tuple[str, str], Relation],
    scratch: str,
) -> Resolution:
    """The lineage of a statement.

    :param outputs: names and types of the columns that the server says it returns; None: no rows.
    :param scratch: the schema that holds our own views.
    :raises Missing: what is to be learnt first.
    :raises UnresolvableStatement, Refused: it cannot be resolved.
    """
    lineage = _Lineage(catalogue, scratch, writes=asked.kind not in ("read", "constant"))
    flows: list[Flow] | None = None
    try:
        if asked.kind in ("read", "constant"):
            flows = lineage.top(texts.query or asked.query)
        else:
            flows = lineage.modification(asked, texts)
    except RecursionError:
        raise UnresolvableStatement("resolve.size", "The query is nested too deeply.") from None
    for variable in asked.variables:
        lineage.flowed(variable, _NONE)
    columns = None
    if outputs is not None:
        if flows is None or len(flows) != len(outputs):
            raise UnresolvableStatement("resolve.unknown", "The columns do not match.")
        columns = tuple(
            OutputColumn(name, type_, flow.sources, flow.direct)
            for (name, type_), flow in zip(outputs, flows, strict=True)
        )
    elif flows is not None:
        raise UnresolvableStatement("resolve.unknown", "The columns do not match.")
    return Resolution(
        columns=columns,
        influences=frozenset(lineage.influences),
        relations=frozenset(lineage.relations),
        functions=frozenset(name.removeprefix(".") for name in lineage.flows),
        aggregated=frozenset(lineage.aggregated),
        written=frozenset(lineage.written),
        stored=frozenset(lineage.stored),
        flows={name: frozenset(columns) for name, columns in lineage.flows.items()},
        present=frozenset(lineage.present),
    )


class _Lineage:
    def __init__(
        self, catalogue: Mapping[tuple[str, str], Relation], scratch: str, *, writes: bool
    ) -> None:
        self._catalogue = catalogue
        self._scratch = scratch
        self._writes = writes
        self.influences: set[ColumnRef] = set()
        self.relations: set[str] = set()
        self.aggregated: set[ColumnRef] = set()
        self.written: set[ColumnRef] = set()
        self.stored: set[ColumnRef] = set()
        self.present: set[ColumnRef] = set()
        self.flows: dict[str, set[ColumnRef]] = {}
        self._views: list[tuple[str, str]] = []
        self._seen: dict[tuple[str, str, bool], dict[str, Flow]] = {}
        self._steps = 0
        self._target_only = False  #: what is read now is the table that is modified

    # --- statements ---------------------------------------------------------------------------

    def top(self, text: str) -> list[Flow]:
        """Flows of the columns of the query in ``text``."""
        tree, _ = parse(text)
        if not isinstance(tree, Query):
            raise UnresolvableStatement("resolve.unknown", "The server's text is no query.")
        return [flow for _, flow in self._query(tree, _Scope(None, {}), _NONE)]

    def modification(self, asked: Attestation, texts: Texts) -> list[Flow] | None:
        """What a modification reads, stores and returns."""
        self._target_only = True
        effect = self.top(texts.effect)
        self._target_only = False
        inserted = self.top(texts.query) if texts.query else []
        relation = self._relation(*self._target(texts.effect))
        if asked.assigned < 0:
            assigned = len(relation.columns) + (-1 - asked.assigned)
        else:
            assigned = asked.assigned
        for flow in effect[:assigned]:
            self.written |= flow.sources
        for flow in (*effect[assigned:], *inserted):
            self.stored |= flow.sources
        own = {ref.column.lower() for flow in effect[:assigned] for ref in flow.sources}
        bases = self._bases(relation)
        if len(bases) > 1:
            raise UnresolvableStatement("resolve.class", "The view is over several tables.")
        for base in bases:
            self._constrained(base, own, asked)
        if asked.limited:
            self._ordered(bases)
        if not asked.returning:
            return None
        returned = self.top(texts.returning)
        if asked.kind == "delete":
            self._ordered(bases)
        return returned

    def _target(self, text: str) -> tuple[str, str]:
        """The table that the query of an effect is about."""
        tree, _ = parse(text)
        body = tree.body if isinstance(tree, Query) else None
        if not isinstance(body, Select) or len(body.sources) != 1:
            raise UnresolvableStatement("resolve.unknown", "What is modified is not known.")
        name = body.sources[0].name
        if body.sources[0].kind != "table" or len(name) != 2:
            raise UnresolvableStatement("resolve.unknown", "What is modified is not known.")
        return name[0], name[1]

    def _bases(self, relation: Relation) -> list[Relation]:
        """The stored tables of a relation."""
        if not relation.definition:
            return [relation]
        found: dict[str, Relation] = {}
        for place in _tables(relation.definition):
            for base in self._bases(self._relation(*place)):
                found[base.qualified] = base
        return list(found.values())

    def _constrained(self, relation: Relation, own: set[str], asked: Attestation) -> None:
        """Columns that constraints compare a write with: whether it fails depends on them."""
        for trigger in relation.triggers:
            self.flowed(trigger, _NONE)
        changes = asked.kind != "delete"
        for name, made_of in relation.generated.items():
            if not own.isdisjoint(made_of):
                own = own | {name}
        for index in relation.unique:
            # A key that is not given has a default, which may be there already.
            given = changes and not own.isdisjoint(relation.indexes[index])
            if given or asked.duplicate or (asked.kind == "insert" and index == "PRIMARY"):
                self._influence(relation, relation.indexes[index])
        self._compared(relation, own, asked)
        if changes:
            for check in relation.checks:
                if not own.isdisjoint(check):
                    self._influence(relation, [name for name in check if name not in own])
        here = relation.schema, relation.name
        for key in relation.keys:
            if key.own[:2] == here and key.own[2] in own:
                self._influence_of(key.other)
            if key.other[:2] == here and (
                asked.kind in ("delete", "replace") or asked.duplicate or key.other[2] in own
            ):
                self._influence_of(key.own)
                if key.cascades:
                    raise UnresolvableStatement(
                        "resolve.class", "Rows of another table change with these."
                    )

    def _compared(self, relation: Relation, own: set[str], asked: Attestation) -> None:
        """Columns whose stored values are compared with what is written.

        Rows that stay as they are count differently after REPLACE and ON DUPLICATE KEY UPDATE, and
        columns that tell when a row was changed do not change.
        """
        if asked.kind == "replace":
            self._influence(relation, relation.columns)
        elif asked.duplicate or (asked.kind == "update" and not own.issuperset(relation.touched)):
            self._influence(relation, own)

    def _ordered(self, relations: Iterable[Relation]) -> None:
        """Which rows come first is the order of whichever index is read."""
        for relation in relations:
            for columns in relation.indexes.values():
                self._influence(relation, columns)

    def _influence(self, relation: Relation, columns: Iterable[str]) -> None:
        for column in columns:
            self.influences |= self._base(relation, column).sources

    def _influence_of(self, place: tuple[str, str, str]) -> None:
        schema, name, column = place
        self.influences.add(ColumnRef(schema, name, column))

    # --- queries ------------------------------------------------------------------------------

    def _query(self, query: Query, outer: _Scope, control: Columns) -> list[tuple[str, Flow]]:
        self._step()
        self.influences |= control  # whether it runs at all, and fails
        scope = _Scope(outer, dict(outer.common))
        for common in query.common:
            self._common(common.name, common.columns, common.query, common.recursive, scope)
        columns, inner = self._body(query.body, scope)
        for one in query.order:
            self._key(one, columns, inner)
        return columns

    def _common(
        self, name: str, columns: list[str], query: Query, recursive: bool, scope: _Scope
    ) -> None:
        if not recursive:
            scope.common[name.lower()] = _named(self._query(query, scope, _NONE), columns)
            return
        known: dict[str, Flow] | None = None
        for _ in range(_MOST_ROUNDS):
            if known is None:
                # Its own columns are those of the first part; nothing flows into them yet.
                names = columns or [item for item, _ in self._names(query, scope)]
                known = {one.lower(): _CONSTANT for one in names}
            inner = _Scope(scope, {**scope.common, name.lower(): known})
            found = _named(self._query(query, inner, _NONE), columns)
            if {k: v.sources for k, v in found.items()} == {k: v.sources for k, v in known.items()}:
                break
            if found.keys() != known.keys():
                raise UnresolvableStatement("resolve.unknown", "A recursive query is not known.")
            known = {key: Flow(flow.sources | known[key].sources) for key, flow in found.items()}
        else:
            raise UnresolvableStatement("resolve.size", "A recursive query is too large to judge.")
        scope.common[name.lower()] = {key: Flow(flow.sources) for key, flow in known.items()}

    def _names(self, query: Query, scope: _Scope) -> list[tuple[str, Flow]]:
        """Names of the columns of a recursive query: its first part does not refer to itself."""
        body = query.body
        while isinstance(body, Union):
            body = body.left
        if isinstance(body, Query):
            return self._query(body, scope, _NONE)
        columns, _ = self._body(body, scope)
        return columns

    def _body(
        self, body: Select | Union | Query | None, scope: _Scope
    ) -> tuple[list[tuple[str, Flow]], _Scope]:
        if isinstance(body, Query):
            return self._query(body, scope, _NONE), scope
        if isinstance(body, Union):
            left, _ = self._body(body.left, scope)
            right, _ = self._body(body.right, scope)
            if len(left) != len(right):
                raise UnresolvableStatement("resolve.unknown", "A union's sides do not match.")
            if body.operation != "UNION ALL":
                for _, flow in (*left, *right):
                    self.influences |= flow.sources
            union = [
                (name, Flow(a.sources | b.sources, a.direct and b.direct))
                for (name, a), (_, b) in zip(left, right, strict=True)
            ]
            own = _Scope(scope, scope.common)
            return union, own
        if body is None:
            raise UnresolvableStatement("resolve.unknown", "A query is empty.")
        return self._select(body, scope)

    def _select(self, select: Select, outer: _Scope) -> tuple[list[tuple[str, Flow]], _Scope]:
        scope = _Scope(outer, outer.common)
        for source in select.sources:
            self._source(source, scope)
        for name, keys in select.windows.items():
            scope.windows[name] = self._union(keys, scope)
        columns = []
        for item, alias in select.items:
            if item.kind == "star":
                raise UnresolvableStatement("resolve.unknown", "A column list is not written out.")
            flow = self._expression(item, scope, _NONE)
            name = alias or (item.parts[-1] if item.kind == "column" else "")
            columns.append((name, flow))
            if name:
                known = scope.aliases.get(name.lower(), _CONSTANT)
                scope.aliases[name.lower()] = Flow(flow.sources | known.sources)
        for condition in (select.where, select.having):
            if condition is not None:
                self.influences |= self._expression(condition, scope, _NONE).sources
        for key in select.group:
            self._key(key, columns, scope)
        if select.distinct:
            for _, flow in columns:
                self.influences |= flow.sources
        for sources in scope.windows.values():
            self.influences |= sources
        return columns, scope

    def _key(self, key: Expression, columns: list[tuple[str, Flow]], scope: _Scope) -> None:
        """What is sorted or grouped by: an expression, or a column's place."""
        if key.kind == "literal" and key.name.isdigit():
            place = int(key.name)
            if not 1 <= place <= len(columns):
                raise UnresolvableStatement("resolve.unknown", "A key names no column.")
            self.influences |= columns[place - 1][1].sources
            return
        if key.kind == "column" and len(key.parts) == 1:
            named = [flow for name, flow in columns if name.lower() == key.parts[0].lower()]
            if named:
                for flow in named:
                    self.influences |= flow.sources
                return
        self.influences |= self._expression(key, scope, _NONE).sources

    def _source(self, source: Source, scope: _Scope) -> None:
        self._step()
        if source.kind == "join":
            assert source.left is not None and source.right is not None
            if source.natural or source.using:
                raise UnresolvableStatement("resolve.unknown", "A join is not written out.")
            self._source(source.left, scope)
            self._source(source.right, scope)
            if source.on is not None:
                self.influences |= self._expression(source.on, scope, _NONE).sources
            return
        if source.kind == "derived":
            assert source.query is not None
            # A derived table sees common table expressions, and no column around it.
            inner = _Scope(None, scope.common)
            columns = _named(self._query(source.query, inner, _NONE), source.columns)
            scope.tables.append(_Table("", source.alias, columns))
            return
        name = source.name
        alias = source.alias or name[-1]
        if len(name) == 1:
            common = scope.common.get(name[0].lower())
            if common is None:
                raise UnresolvableStatement("resolve.unknown", "A table has no schema.")
            scope.tables.append(_Table("", alias, common))
            return
        scope.tables.append(_Table(name[0], alias, self._stored(name[0], name[1])))

    def _stored(self, schema: str, name: str) -> dict[str, Flow]:
        """Columns of a table or view."""
        if schema.lower() in SYSTEM:
            self.relations.add(f"{schema.lower()}.{name.lower()}")
            return _SystemColumns(schema.lower(), name)
        relation = self._relation(schema, name)
        self.relations.add(relation.qualified)
        for column in relation.columns:
            self.present.add(relation.ref(column))
        if relation.definition:
            return self._view(relation)
        for column in relation.clustered:
            # Rows in the order of its values: as much as joining it with itself may tell.
            own = self._base(relation, column).sources
            self.influences |= equality.marked(own, [equality.places(own)])
        self._influence(relation, relation.partitioned)
        return _BaseColumns(relation, self._base)

    def _relation(self, schema: str, name: str) -> Relation:
        if schema.lower() == self._scratch.lower() or schema.lower() in SYSTEM:
            raise UnresolvableStatement("resolve.catalogue", "This table is the server's own.")
        found = self._catalogue.get((schema, name))
        if found is None:
            raise Missing(schema, name)
        return found

    def _base(self, relation: Relation, column: str) -> Flow:
        if relation.definition:
            return self._view(relation)[column]
        ref = relation.ref(column)
        made_of = relation.generated.get(column)
        if made_of is None:
            return Flow(frozenset({ref}), True)
        sources = {ref}
        for name in made_of:
            if name != column:
                sources |= self._base(relation, name).sources
        return Flow(frozenset(sources))

    def _view(self, relation: Relation) -> dict[str, Flow]:
        place = relation.schema, relation.name
        writes = self._writes
        # Columns of a view that is written to are worked out only where they are named.
        strict = writes and not self._target_only
        if (*place, strict) in self._seen:
            return self._seen[*place, strict]
        if place in self._views:
            raise UnresolvableStatement("resolve.unknown", "A view reads itself.")
        self._views.append(place)
        tree, _ = parse(relation.definition)
        if not isinstance(tree, Query):
            raise UnresolvableStatement("resolve.unknown", "A view's text is no query.")
        self._writes = strict
        flows = [flow for _, flow in self._query(tree, _Scope(None, {}), _NONE)]
        self._writes = writes
        self._views.pop()
        if len(flows) != len(relation.columns):
            raise UnresolvableStatement("resolve.unknown", "A view's columns do not match.")
        found = self._seen[*place, strict] = {
            column: Flow(flow.sources | {relation.ref(column)}, flow.direct)
            for column, flow in zip(relation.columns, flows, strict=True)
        }
        return found

    # --- expressions --------------------------------------------------------------------------

    def flowed(self, name: str, sources: Columns) -> None:
        """These columns reach the function or operator, or decide whether it runs."""
        self.flows.setdefault(name, set()).update(sources)
        if self._writes and sources and functions.classify(name) == functions.TOTAL:
            self.flows.setdefault(STRICT, set()).update(sources)

    def _union(self, expressions: Iterable[Expression], scope: _Scope) -> Columns:
        return _NONE.union(*(self._expression(one, scope, _NONE).sources for one in expressions))

    def _expression(self, node: Expression, scope: _Scope, control: Columns) -> Flow:
        """The flow of an expression.

        :param control: columns that decide whether it is evaluated at all: functions stop at the
            first NULL, and an error that does not come is an answer, too.
        """
        key = id(node), control
        found = scope.known.get(key)
        if found is None:
            found = scope.known[key] = self._evaluated(node, scope, control)
        return found

    def _evaluated(self, node: Expression, scope: _Scope, control: Columns) -> Flow:
        self._step()
        if node.kind == "column":
            return self._column(node.parts, scope)
        if node.kind in ("literal", "parameter", "variable"):
            return _CONSTANT
        if node.kind == "query":
            assert node.query is not None
            columns = self._query(node.query, scope, control)
            if node.name == "exists":
                return _CONSTANT
            return Flow(_NONE.union(*(flow.sources for _, flow in columns)))
        if node.kind == "star":
            raise UnresolvableStatement("resolve.unknown", "A column list is not written out.")
        return self._applied(node, scope, control)

    def _applied(self, node: Expression, scope: _Scope, control: Columns) -> Flow:
        """An operator or a function."""
        compared = self._equality(node, scope)
        if compared is not None:
            self.flowed(node.name, compared | control)
            return Flow(compared)
        arguments = node.arguments
        flows = [self._expression(one, scope, control) for one in arguments]
        if len(arguments) > 1 and any(flow.sources for flow in flows):
            # Once more, now that it is known what decides whether each is looked at.
            for index, one in enumerate(arguments):
                others = _NONE.union(*(f.sources for i, f in enumerate(flows) if i != index))
                if one.kind not in ("column", "literal", "parameter") and not others <= control:
                    self._expression(one, scope, control | others)
        sources = _NONE.union(*(flow.sources for flow in flows))
        keys = _NONE
        if node.keys and node.keys is not arguments:
            keys = self._union(node.keys, scope)
        if node.windowed:
            if node.parts:
                keys |= self._named_window(node.parts[0], scope)
            self.influences |= keys
        name = node.name
        if functions.classify(name) == functions.AGGREGATE:
            self.aggregated |= sources | keys
        if name == "match":
            self.influences |= sources  # rows come by how well they match
        if name == "last_insert_id" and arguments:
            name = "last_insert_id()"  # it keeps the value: not on the list
        self.flowed(name, sources if name in functions.CALM else sources | control)
        return Flow(sources | keys)

    def _equality(self, node: Expression, scope: _Scope) -> Columns | None:
        """What is looked at by a comparison for equality of a column with parameters or another
        column; None when ``node`` is none."""
        sides = comparisons.sides(node)
        if sides is None:
            return None
        column, others = sides
        own = self._column(column.parts, scope)
        if not own.direct:
            return None
        if all(one.kind == "parameter" and one.name for one in others):
            return equality.marked(own.sources, (f"${one.name}" for one in others))
        if len(others) > 1 or others[0].kind != "column":
            return None
        other = self._column(others[0].parts, scope)
        if not other.direct:
            return None
        return equality.marked(own.sources, [equality.places(other.sources)]) | equality.marked(
            other.sources, [equality.places(own.sources)]
        )

    def _named_window(self, name: str, scope: _Scope) -> Columns:
        found = scope.windows.get(name)
        if found is None:
            raise UnresolvableStatement("resolve.unknown", "A window is not known.")
        return found

    def _column(self, parts: Name, scope: _Scope) -> Flow:
        column = parts[-1].lower()
        place: _Scope | None = scope
        while place is not None:
            if len(parts) == 1:
                alias = place.aliases.get(column)
                if alias is not None:
                    return alias
                # A name that the server left bare is looked for in every table.
                everywhere = [t.columns[column] for t in place.tables if column in t.columns]
                if everywhere:
                    return Flow(_NONE.union(*(flow.sources for flow in everywhere)))
            named = [t.columns for t in place.tables if parts[:-1] and _same(t, parts[:-1])]
            if named:
                found = [columns[column] for columns in named if column in columns]
                if not found:
                    raise UnresolvableStatement("resolve.unknown", "A column is not known.")
                # Two tables of one name in two schemas: it may be either's.
                return (
                    found[0] if len(found) == 1 else Flow(_NONE.union(*(f.sources for f in found)))
                )
            place = place.parent
        raise UnresolvableStatement("resolve.unknown", "A column is not known.")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise UnresolvableStatement("resolve.size", "The query is too large to judge.")


def _same(table: _Table, named: Name) -> bool:
    """Whether a column's qualifier is this table's. The server may leave the schema out, and may
    write it before an alias."""
    system = table.schema.lower() in SYSTEM
    if len(named) > 1 and named[0] != table.schema:
        # MariaDB writes a schema of its own as the statement does, and before columns as it is.
        return system and named[0].lower() == table.schema.lower() and _same(table, named[-1:])
    return table.name == named[-1] or (system and table.name.lower() == named[-1].lower())


def _named(columns: list[tuple[str, Flow]], names: list[str]) -> dict[str, Flow]:
    """Columns of a derived table by name; the same name twice is either."""
    found: dict[str, Flow] = {}
    if names and len(names) != len(columns):
        raise UnresolvableStatement("resolve.unknown", "A table's columns do not match.")
    for index, (own, flow) in enumerate(columns):
        name = (names[index] if names else own).lower()
        known = found.get(name)
        found[name] = flow if known is None else Flow(flow.sources | known.sources)
    return found


def _tables(text: str) -> list[tuple[str, str]]:
    """The stored relations in the FROM of a view that can be written to."""
    tree, _ = parse(text)
    body = tree.body if isinstance(tree, Query) else None
    if not isinstance(body, Select):
        raise UnresolvableStatement("resolve.class", "A view that cannot be written to.")
    found: list[tuple[str, str]] = []
    todo = list(body.sources)
    while todo:
        source = todo.pop()
        if source.kind == "join":
            todo += [side for side in (source.left, source.right) if side is not None]
        elif source.kind == "table" and len(source.name) == 2:
            found.append((source.name[0], source.name[1]))
        else:
            raise UnresolvableStatement("resolve.class", "A view that cannot be written to.")
    return found


class _BaseColumns(dict[str, Flow]):
    """Columns of a stored table, made as they are asked for."""

    def __init__(self, relation: Relation, base: Callable[[Relation, str], Flow]) -> None:
        super().__init__()
        self._relation = relation
        self._make = base

    def __contains__(self, name: object) -> bool:
        return name in self._relation.columns

    def __missing__(self, name: str) -> Flow:
        if name not in self._relation.columns:
            raise KeyError(name)
        flow = self[name] = self._make(self._relation, name)
        return flow


class _SystemColumns(dict[str, Flow]):
    """Columns of a table of the server's own."""

    def __init__(self, schema: str, name: str) -> None:
        super().__init__()
        if schema != "information_schema" or system_column(name, "") is None:
            raise UnresolvableStatement("resolve.catalogue", "This table is the server's own.")
        self._name = name

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Flow:
        ref = system_column(self._name, name)
        assert ref is not None
        flow = self[name] = Flow(frozenset({ref}), True)
        return flow
