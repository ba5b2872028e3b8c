"""What a query depends on: one method for each kind of clause and of expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.sql import equality
from hoopgate.sql.mysql import functions
from hoopgate.sql.mysql.catalogue import SYSTEM, Relation
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.places import named_in
from hoopgate.sql.mysql.scopes import (
    BINARY,
    CONSTANT,
    MARKS,
    NARROW,
    NOTHING,
    BaseColumns,
    Columns,
    Flow,
    Scope,
    SystemColumns,
    Table,
    either,
    named,
    narrows,
)
from hoopgate.sql.mysql.tree import Expression, Query, Select, Source, Union
from hoopgate.sql.mysql.values import MIXED, STRICT, Values
from hoopgate.sql.mysql.widths import ANY

_MOST_ROUNDS: Final = 20


class Missing(Exception):
    """A relation is not in the catalogue yet."""

    def __init__(self, schema: str, name: str) -> None:
        super().__init__(schema, name)
        self.relation = schema, name


class Reading(Values):
    """Collects what one statement's queries depend on."""

    def __init__(
        self,
        catalogue: Mapping[tuple[str, str], Relation],
        scratch: str,
        *,
        writes: bool,
        parameters: bool = False,
        mysql: bool = True,
    ) -> None:
        super().__init__(writes=writes, parameters=parameters, mysql=mysql)
        self._catalogue = catalogue
        self._scratch = scratch
        self.relations: set[str] = set()
        self.written: set[ColumnRef] = set()
        self.stored: set[ColumnRef] = set()
        self.present: set[ColumnRef] = set()
        self._views: list[tuple[str, str]] = []
        self._seen: dict[tuple[str, str, bool], dict[str, Flow]] = {}
        self._target_only = False  #: what is read now is the table that is modified

    def top(self, text: str) -> list[Flow]:
        """Flows of the columns of the query in ``text``."""
        tree, _ = parse(text)
        if not isinstance(tree, Query):
            raise UnresolvableStatement("resolve.unknown", "The server's text is no query.")
        return [flow for _, flow in self._query(tree, Scope(None, {}), NOTHING)]

    def _influence(self, relation: Relation, columns: Iterable[str]) -> None:
        for column in columns:
            self.influences |= self._base(relation, column).sources

    def _influence_of(self, place: tuple[str, str, str]) -> None:
        schema, name, column = place
        self.influences.add(ColumnRef(schema, name, column))

    # --- queries ------------------------------------------------------------------------------

    def _query(self, query: Query, outer: Scope, control: Columns) -> list[tuple[str, Flow]]:
        self._step()
        self.influences |= control  # whether it runs at all, and fails
        scope = Scope(outer, dict(outer.common))
        for common in query.common:
            self._common(common.name, common.columns, common.query, common.recursive, scope)
        columns, inner = self._body(query.body, scope)
        for one in query.order:
            self._key(one, columns, inner)
        if query.order:
            self._sorted(columns)
        if _made_first(query):
            return [
                (name, replace(flow, calls=frozenset(), folded=False)) for name, flow in columns
            ]
        return columns

    def _common(
        self, name: str, columns: list[str], query: Query, recursive: bool, scope: Scope
    ) -> None:
        if not recursive:
            scope.common[name.lower()] = named(self._query(query, scope, NOTHING), columns)
            return
        known: dict[str, Flow] | None = None
        for _ in range(_MOST_ROUNDS):
            if known is None:
                # Its own columns are those of the first part; nothing flows into them yet.
                names = columns or [item for item, _ in self._names(query, scope)]
                known = {one.lower(): CONSTANT for one in names}
            inner = Scope(scope, {**scope.common, name.lower(): known})
            found = named(self._query(query, inner, NOTHING), columns)
            if {k: v.sources for k, v in found.items()} == {k: v.sources for k, v in known.items()}:
                break
            if found.keys() != known.keys():
                raise UnresolvableStatement("resolve.unknown", "A recursive query is not known.")
            known = {key: either((flow, known[key])) for key, flow in found.items()}
        else:
            raise UnresolvableStatement("resolve.size", "A recursive query is too large to judge.")
        if (name.lower(),) in named_in(query):
            self._fitted(name.lower(), columns, query, scope)
        scope.common[name.lower()] = {
            key: Flow(flow.sources, width=flow.width) for key, flow in known.items()
        }

    def _fitted(self, name: str, columns: list[str], query: Query, outer: Scope) -> None:
        """Columns of a recursive query have the types of its first part: what another part brings
        has to fit, and whether it does is told by an error. The same column fits, and what was
        there before."""
        first = self._names(query, outer)
        seeds = [Flow(flow.sources, flow.direct) for _, flow in first]
        names = columns or [item for item, _ in first]
        known = dict(zip(map(str.lower, names), seeds, strict=True))
        scope = Scope(outer, {**outer.common, name: known})
        body = query.body
        while isinstance(body, Union):
            for seed, (_, flow) in zip(seeds, self._body(body.right, scope)[0], strict=True):
                same = seed.direct and flow.direct and flow.sources == seed.sources
                if flow is not seed and not same:
                    self.flowed(STRICT, flow.sources)
            body = body.left

    def _names(self, query: Query, scope: Scope) -> list[tuple[str, Flow]]:
        """Names of the columns of a recursive query: its first part does not refer to itself."""
        body = query.body
        while isinstance(body, Union):
            body = body.left
        if isinstance(body, Query):
            return self._query(body, scope, NOTHING)
        columns, _ = self._body(body, scope)
        return columns

    def _body(
        self, body: Select | Union | Query | None, scope: Scope
    ) -> tuple[list[tuple[str, Flow]], Scope]:
        if isinstance(body, Query):
            return self._query(body, scope, NOTHING), scope
        if isinstance(body, Union):
            left, _ = self._body(body.left, scope)
            right, _ = self._body(body.right, scope)
            if len(left) != len(right):
                raise UnresolvableStatement("resolve.unknown", "A union's sides do not match.")
            if body.operation != "UNION ALL":
                for _, flow in (*left, *right):
                    self.influences |= flow.sources
            for (_, a), (_, b) in zip(left, right, strict=True):
                if narrows(a, b) or narrows(b, a):
                    self.flowed(MIXED, a.sources | b.sources)
            union = [
                (name, either((a, b), direct=a.direct and b.direct))
                for (name, a), (_, b) in zip(left, right, strict=True)
            ]
            own = Scope(scope, scope.common)
            return union, own
        if body is None:
            raise UnresolvableStatement("resolve.unknown", "A query is empty.")
        return self._select(body, scope)

    def _select(self, select: Select, outer: Scope) -> tuple[list[tuple[str, Flow]], Scope]:
        scope = Scope(outer, outer.common)
        for source in select.sources:
            self._source(source, scope)
        for name, keys in select.windows.items():
            scope.windows[name] = self._union(keys, scope)
        columns = []
        for item, alias in select.items:
            if item.kind == "star":
                raise UnresolvableStatement("resolve.unknown", "A column list is not written out.")
            flow = self._expression(item, scope, NOTHING)
            name = alias or (item.parts[-1] if item.kind == "column" else "")
            columns.append((name, flow))
            if name:
                known = scope.aliases.get(name.lower(), CONSTANT)
                scope.aliases[name.lower()] = either((flow, known))
        for condition in (select.where, select.having):
            if condition is not None:
                self.influences |= self._expression(condition, scope, NOTHING).sources
        for key in select.group:
            self._key(key, columns, scope)
        if select.distinct:
            for _, flow in columns:
                self.influences |= flow.sources
        for sources in scope.windows.values():
            self.influences |= sources
        if select.windows or any(_gathers(item) for item, _ in select.items):
            self._sorted(columns)
        return columns, scope

    def _key(self, key: Expression, columns: list[tuple[str, Flow]], scope: Scope) -> None:
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
        self.influences |= self._expression(key, scope, NOTHING).sources

    def _source(self, source: Source, scope: Scope) -> None:
        self._step()
        if source.kind == "join":
            assert source.left is not None and source.right is not None
            if source.natural or source.using:
                raise UnresolvableStatement("resolve.unknown", "A join is not written out.")
            self._source(source.left, scope)
            self._source(source.right, scope)
            if source.on is not None:
                self.influences |= self._expression(source.on, scope, NOTHING).sources
            return
        if source.kind == "derived":
            assert source.query is not None
            # A derived table sees common table expressions, and no column around it.
            inner = Scope(None, scope.common)
            columns = named(self._query(source.query, inner, NOTHING), source.columns)
            scope.tables.append(Table("", source.alias, columns))
            return
        name = source.name
        alias = source.alias or name[-1]
        if len(name) == 1:
            common = scope.common.get(name[0].lower())
            if common is None:
                raise UnresolvableStatement("resolve.unknown", "A table has no schema.")
            scope.tables.append(Table("", alias, common))
            return
        scope.tables.append(Table(name[0], alias, self._stored(name[0], name[1])))

    def _stored(self, schema: str, name: str) -> dict[str, Flow]:
        """Columns of a table or view."""
        if schema.lower() in SYSTEM:
            self.relations.add(f"{schema.lower()}.{name.lower()}")
            return SystemColumns(schema.lower(), name)
        relation = self._relation(schema, name)
        self.relations.add(relation.qualified)
        for column in relation.columns:
            self.present.add(relation.ref(column))
        if relation.definition:
            return self._view(relation)
        for column in relation.clustered:
            # Rows in the order of its values: as much as joining it with itself may tell.
            own = self._base(relation, column).sources - MARKS
            self.influences |= equality.marked(own, [equality.places(own)])
        self._influence(relation, relation.partitioned)
        return BaseColumns(relation, self._base)

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
        own = frozenset({ref})
        if column in relation.binary:
            own |= {BINARY}
        if column in relation.narrow:
            own |= {NARROW}
        made_of = relation.generated.get(column)
        if made_of is None:
            return Flow(own, True, width=relation.widths.get(column, ANY))
        sources = set(own)
        for name in made_of:
            if name != column:
                sources |= self._base(relation, name).sources
        return Flow(frozenset(sources), width=relation.widths.get(column, ANY))

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
        flows = [flow for _, flow in self._query(tree, Scope(None, {}), NOTHING)]
        self._writes = writes
        self._views.pop()
        if len(flows) != len(relation.columns):
            raise UnresolvableStatement("resolve.unknown", "A view's columns do not match.")
        found = self._seen[*place, strict] = {
            column: replace(flow, sources=flow.sources | {relation.ref(column)})
            for column, flow in zip(relation.columns, flows, strict=True)
        }
        return found


def _made_first(query: Query) -> bool:
    """Whether a query is made as a whole, not as its values are used: it cannot be put into the one
    around it (MySQL's manual, "Optimizing Derived Tables"; MariaDB's, "Derived Table Merge")."""
    body = query.body
    if query.limited or isinstance(body, Union):
        return True
    if isinstance(body, Query):
        return _made_first(body)
    if body is None or body.distinct or body.group or body.having is not None or body.windows:
        return body is not None
    return any(_gathers(item) for item, _ in body.items)


def _gathers(node: Expression) -> bool:
    """Whether several rows are in a value: there is an aggregate or a window function."""
    aggregate = functions.classify(node.name) == functions.AGGREGATE
    own = node.kind == "call" and (node.windowed or aggregate)
    return own or any(map(_gathers, node.arguments))
