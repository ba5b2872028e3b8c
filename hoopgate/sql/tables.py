"""Which columns the members of FROM have, and what decides about their rows.

Through subqueries, CTEs, views, joins, inheritance and partitions, down to stored columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hoopgate.sql.expressions import Expressions
from hoopgate.sql.flows import MOST_PIECES, NONE, Columns, Flow, Scope, nodes, plain_table, union
from hoopgate.sql.nodetree import Node, NodeTreeError, Value
from hoopgate.sql.relations import Relation

_INT4: Final = 23
_CTID, _TABLEOID = -1, -6


class Tables(Expressions):
    """What is read."""

    def _table(self, scope: Scope, number: int) -> Node:
        if not 1 <= number <= len(scope.tables):
            raise NodeTreeError("a range table entry is missing")
        return scope.tables[number - 1]

    def _relation(self, oid: int) -> Relation:
        relation = self.catalogue.relations.get(oid)
        if relation is None:
            raise NodeTreeError("a relation is not in the catalogue")
        return relation

    def rows_of(self, oid: int) -> None:
        """Policies and view definitions decide which rows of a relation there are."""
        relation = self._relation(oid)
        self.relations.add(relation.qualified)
        for other in self.catalogue.kin(oid):
            kin = self._relation(other)
            self.present.update(map(kin.column, kin.columns))
        for policy in relation.policies:
            scope = Scope(Node("POLICY", {}), [plain_table(oid)], None)
            self.influences |= self._quietly(policy, scope)
        for other in self.catalogue.kin(oid):
            # Which rows a partition has, and in which order partitions are read.
            self._influence(other, self._relation(other).partitioned)
        if relation.definition is not None:
            self._view(oid, relation)

    def _rows(self, table: Node, scope: Scope) -> None:
        kind = table.integer("rtekind")
        if kind == 0:
            self.rows_of(table.integer("relid"))
            sample = table.node("tablesample")
            if sample is not None and not _whole(sample):
                self.influences |= self._expression(sample, scope)
                # It goes by pages and places: what is on a page is decided by every length.
                self._influence(table.integer("relid"), (_CTID,))
        elif kind in (3, 4):
            # A function decides how many rows it returns by its arguments.
            for flow in self._all_columns(table, scope):
                self.influences |= flow.sources
        else:
            self._all_columns(table, scope)

    def _all_columns(self, table: Node, scope: Scope) -> list[Flow]:
        """Flows of every column of a range table entry that is a query's result in itself."""
        kind = table.integer("rtekind")
        if kind == 1:
            query = table.node("subquery")
            if query is None:
                raise NodeTreeError("a subquery is missing")
            return self._query(query, scope)
        if kind == 3:
            sources = self._expression(table.fields.get("functions"), scope)
            return [Flow(sources, False, 0)]
        if kind == 4:
            return [Flow(self._expression(table.fields.get("tablefunc"), scope), False, 0)]
        if kind == 5:
            rows = table.fields.get("values_lists")
            columns: list[Columns] = []
            once, self._once = self._once, scope.node.integer("commandType", 1) == 3
            for row in rows if isinstance(rows, list) else []:
                cells = row if isinstance(row, list) else [row]
                columns.extend([NONE] * (len(cells) - len(columns)))
                for index, cell in enumerate(cells):
                    columns[index] |= self._expression(cell, scope)
            self._once = once
            return [Flow(sources, False, 0) for sources in columns]
        if kind == 6:
            owner = scope.up(table.integer("ctelevelsup"))
            name = table.text("ctename")
            for cte in owner.node.nodes("cteList"):
                if cte.text("ctename") == name:
                    return self._cte(cte, owner)
            raise NodeTreeError("a common table expression is missing")
        if kind == 8:
            return []
        raise NodeTreeError("a kind of range table entry is not known")

    def _column(self, table: Node, number: int, scope: Scope) -> Flow:
        """One column of a range table entry; 0 is the whole row."""
        self._step()
        kind = table.integer("rtekind")
        if id(table) in self._excluded:
            row = self._excluded[id(table)]
            sources = NONE.union(*row.values()) if number == 0 else row.get(number, NONE)
            return Flow(sources, False, 0)
        if kind == 0:
            oid = table.integer("relid")
            if number == 0:
                relation = self._relation(oid)
                return Flow(union(self.base(oid, n) for n in relation.columns), False, 0)
            return self.base(oid, number)
        if kind in (2, 9):
            field = "joinaliasvars" if kind == 2 else "groupexprs"
            items = table.fields.get(field)
            if not isinstance(items, list) or not 0 <= number <= len(items):
                raise NodeTreeError("a join's column is missing")
            if number == 0:
                return Flow(self._expression(items, scope), False, 0)
            if kind == 9:
                return self._flow(items[number - 1], scope)
            # A column of a FULL JOIN is made of one of another, and so on: each is read once.
            key = (id(items[number - 1]), self._control)
            if key not in self._known:
                self._known[key] = [self._flow(items[number - 1], scope)]
            return self._known[key][0]
        flows = self._all_columns(table, scope)
        if kind in (3, 4) or number <= 0 or (kind == 6 and number > len(flows)):
            # Functions and SEARCH or CYCLE columns: made of everything there is.
            return Flow(union(flows), False, 0)
        if number > len(flows):
            raise NodeTreeError("a column is missing")
        return flows[number - 1]

    def base(self, oid: int, number: int) -> Flow:
        """A column of a stored relation, with its kin's columns of that name."""
        self._step()
        found = self._stored.get((oid, number))
        if found is not None:
            return found
        relation = self._relation(oid)
        column = relation.column(number)
        sources = {column}
        if number < 0 and (number != _TABLEOID or len(self.catalogue.kin(oid)) > 1):
            # Where a row is, and who wrote it last, depends on all that is in it.
            for other in relation.columns:
                sources |= self.base(oid, other).sources
            return Flow(frozenset(sources), False, 0)
        if number > 0:
            for other in self.catalogue.kin(oid):
                kin = self._relation(other)
                sources.update(
                    kin.column(n) for n, name in kin.columns.items() if name == column.column
                )
        direct, form, kept = number not in relation.generated, "", NONE
        if number in relation.generated:
            scope = Scope(Node("GENERATED", {}), [plain_table(oid)], None)
            evaluate = self._expression if number in relation.virtual else self._quietly
            sources |= evaluate(relation.generated[number], scope)
        if relation.definition is not None and number > 0:
            flows = self._view(oid, relation)
            index = sorted(relation.columns).index(number)
            if index >= len(flows):
                raise NodeTreeError("a view's column is missing")
            sources |= flows[index].sources
            direct, form = flows[index].direct, flows[index].form
            kept = flows[index].kept | {column} if form else NONE
        flow = Flow(frozenset(sources), direct, relation.types.get(number, 0), form, kept)
        if direct and relation.definition is None:
            self._stored[oid, number] = flow
        return flow

    def _view(self, oid: int, relation: Relation) -> list[Flow]:
        if relation.definition is None or oid in self._views:
            raise NodeTreeError("a view refers to itself")
        self._views.append(oid)
        try:
            return self._query(relation.definition, None)
        finally:
            self._views.pop()

    def _quietly(self, expression: Value, scope: Scope) -> Columns:
        """Sources of an expression of the schema's owner (a generated column, a policy).

        Its functions are the owner's choice: they are not the statement's.
        """
        functions, flows = set(self.functions), {k: set(v) for k, v in self.flows.items()}
        sources = self._expression(expression, scope)
        self.functions, self.flows = functions, flows
        return sources

    def _cte(self, cte: Node, owner: Scope) -> list[Flow]:
        query = cte.node("ctequery")
        if query is None or query.type != "QUERY":
            raise NodeTreeError("a common table expression is not a query")
        if not cte.true("cterecursive"):
            return self._query(query, owner)
        pending = self._recursive.get(id(cte))
        if pending is not None:
            return pending
        key = (id(cte), self._control)
        if key in self._known:
            return self._known[key]
        width = len([e for e in query.nodes("targetList") if not e.true("resjunk")])
        flows = [Flow(NONE, True, 0)] * width
        while True:
            # What a recursive query's columns depend on is the least fixed point.
            self._recursive[id(cte)] = flows
            before = self._known
            self._known = dict(before)
            new = self._query(query, owner)
            self._known = before
            del self._recursive[id(cte)]
            if [(f.sources, f.direct) for f in new] == [(f.sources, f.direct) for f in flows]:
                break
            flows = new
        if self._growth.get(id(query)) or any(
            self._growth.get(id(part)) for part in nodes(query) if part.type == "QUERY"
        ):
            self._growth[id(query)] = MOST_PIECES
        if cte.fields.get("search_clause") or cte.fields.get("cycle_clause"):
            for flow in flows:
                self.influences |= flow.sources
        flows = [Flow(flow.sources, flow.direct, flow.type) for flow in flows]
        self._known[key] = flows
        return flows

    def _influence(self, oid: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.influences |= self.base(oid, number).sources


def _whole(sample: Node) -> bool:
    """A sample of 100 per cent, written as an integer."""
    cast = sample.nodes("args")[0]
    arguments = cast.nodes("args") if cast.type == "FUNCEXPR" else []
    return any(
        one.type == "CONST"
        and one.integer("consttype") == _INT4
        and (one.text("constvalue") or "").startswith("[ 100 0 0 0 ")
        for one in arguments
    )
