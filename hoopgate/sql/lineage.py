"""Which base columns a statement's output, row set and errors depend on.

The tree is the analysed query (``src/include/nodes/parsenodes.h``) that PostgreSQL stores for a
``BEGIN ATOMIC`` body: names are resolved, ``*`` is expanded, types and functions are chosen. What
is computed errs on the side of naming too many columns, never too few:

- an *output column*'s sources are every base column in its expression, through subqueries, CTEs,
  views, joins, conditions of CASE and the like;
- *influences* are the columns in every predicate, join, key, LIMIT and set operation anywhere in
  the statement, and in every argument that decides how many rows a function returns;
- *flows* say for every function which columns reach it or decide whether it runs at all, because
  an error is an answer too.

A node type that is not listed here is refused: a newer server may know ways for data to move that
this file does not.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef, OutputColumn, Resolution
from hoopgate.sql.catalogue import Catalogue, Overrun
from hoopgate.sql.dependence import idle_keys
from hoopgate.sql.flows import MOST_COPIES, MOST_PIECES, MOST_STEPS, NONE, Columns, Flow, Scope
from hoopgate.sql.functions import COUNTED, GROWING
from hoopgate.sql.groups import Floor, Groups, promised
from hoopgate.sql.nodetree import Node, NodeTreeError, Value
from hoopgate.sql.writes import Writes
from hoopgate.sql.years import DATE, DATES, WHOLE, ZONED, either, kept_of

#: Fields of a Query that are read below, or carry nothing that moves data.
_QUERY_FIELDS: Final = frozenset(
    """
    commandType querySource canSetTag utilityStmt resultRelation hasAggs hasWindowFuncs
    hasTargetSRFs hasSubLinks hasDistinctOn hasRecursive hasModifyingCTE hasForUpdate
    hasRowSecurity hasGroupRTE isReturn cteList rtable rteperminfos jointree mergeActionList
    mergeTargetRelation mergeJoinCondition mergeUseOuterJoin targetList override onConflict
    returningOldAlias returningNewAlias returningList groupClause groupDistinct groupingSets
    havingQual windowClause distinctClause sortClause limitOffset limitCount limitOption rowMarks
    setOperations constraintDeps withCheckOptions stmt_location stmt_len queryId
    """.split()
)


def resolve(
    tree: Value,
    catalogue: Catalogue,
    parameter_types: tuple[int, ...] = (),
    steps: int = MOST_STEPS,
) -> Resolution:
    """The lineage of one analysed query.

    :param steps: of work at most.
    :raises UnresolvableStatement: ``resolve.unknown`` for a node type that is not known here.
    :raises Overrun: it needs more steps, or a deeper stack.
    """
    lineage = _Lineage(catalogue, steps)
    try:
        node = _single(tree)
        outputs, names = lineage.statement(node)
        lineage.check_growth()
        lineage.check_counts()
        lineage.check_copies(outputs or [])
        loose = lineage.loose(node)
    except NodeTreeError as error:
        raise UnresolvableStatement(
            "resolve.unknown", f"The query tree is not known: {error}."
        ) from (None)
    except RecursionError:
        raise Overrun("the query is nested too deeply") from None
    columns = None
    if outputs is not None:
        columns = tuple(
            lineage.output(name, flow) for name, flow in zip(names, outputs, strict=True)
        )
    return Resolution(
        columns=columns,
        influences=frozenset(lineage.influences),
        relations=frozenset(lineage.relations),
        functions=frozenset(lineage.functions),
        aggregated=frozenset(lineage.aggregated),
        parameter_types=parameter_types,
        written=frozenset(lineage.written),
        stored=frozenset(lineage.stored),
        moves=frozenset(lineage.moves),
        roles=lineage.roles,
        flows={name: frozenset(columns) for name, columns in lineage.flows.items()},
        present=frozenset(lineage.present),
        assigned=frozenset(lineage.assigned),
        loose=loose,
    )


def copied(
    oid: int,
    catalogue: Catalogue,
    numbers: Sequence[int],
    *,
    out: bool,
    steps: int = MOST_STEPS,
) -> Resolution:
    """The lineage of COPY of a table's columns: TO the client when ``out``, else FROM it.

    :raises UnresolvableStatement, Overrun: as :func:`resolve`.
    """
    lineage = _Lineage(catalogue, steps)
    relation = catalogue.relations[oid]
    try:
        flows = [lineage.base(oid, number) for number in numbers]
        if not out:
            for number in numbers:
                lineage.written |= lineage.base(oid, number).sources
            lineage.assigned |= lineage.written
            lineage.constrained(oid, set(numbers), "insert")
        lineage.rows_of(oid)
    except NodeTreeError as error:
        raise UnresolvableStatement(
            "resolve.unknown", f"The table is not known: {error}."
        ) from None
    except RecursionError:
        raise Overrun("an expression is nested too deeply") from None
    columns = tuple(
        OutputColumn(
            relation.columns[number], catalogue.sent_as(flow.type), flow.sources, flow.direct
        )
        for number, flow in zip(numbers, flows, strict=True)
    )
    return Resolution(
        columns=columns if out else None,
        influences=frozenset(lineage.influences),
        relations=frozenset(lineage.relations),
        functions=frozenset(lineage.functions),
        written=frozenset(lineage.written),
        flows={name: frozenset(columns) for name, columns in lineage.flows.items()},
        present=frozenset(lineage.present),
        assigned=frozenset(lineage.assigned),
    )


def _single(tree: Value) -> Node:
    """The one query in ``prosqlbody``: ``((QUERY))``, a list of statements' lists."""
    while isinstance(tree, list):
        found = [item for item in tree if item is not None]
        if len(found) != 1:
            raise NodeTreeError("there is more than one query")
        tree = found[0]
    if not isinstance(tree, Node) or tree.type != "QUERY":
        raise NodeTreeError("there is no query")
    return tree


def _key(clause: Node) -> int:
    return clause.integer("tleSortGroupRef")


class _Lineage(Writes):
    """What a statement is made of."""

    def __init__(self, catalogue: Catalogue, steps: int) -> None:
        super().__init__(catalogue, steps)
        self._groups: Groups | None = None
        self._floor: Floor | None = None  #: the part of HAVING that is read now

    def statement(self, node: Node) -> tuple[list[Flow] | None, list[str]]:
        """Flows and names of the statement's own output; None when it returns no rows."""
        self._groups = Groups(node, self.catalogue)
        flows = self._query(node, None)
        if node.integer("commandType") == 1:
            entries = [e for e in node.nodes("targetList") if not e.true("resjunk")]
        else:
            entries = node.nodes("returningList")
            if not entries:
                return None, []
        return flows, [entry.text("resname") or "" for entry in entries]

    def output(self, name: str, flow: Flow) -> OutputColumn:
        """A column of the statement's output."""
        type_, form = self.catalogue.sent_as(flow.type), flow.form
        if form == ZONED:
            form = "" if self.adrift else WHOLE
        if form == DATE and type_ not in DATES:
            form = ""
        return OutputColumn(
            name, type_, flow.sources, flow.direct, form, flow.kept if form else NONE
        )

    def check_growth(self) -> None:
        """A value put together of itself again and again fails by its length in the end.

        One made at a level has at most as many pieces as the level has calls, and one more, each of
        which was made at a level below.
        """
        bound = math.prod(calls + 1 for calls in (*self._growth.values(), self._pieces[0]))
        if bound > MOST_PIECES:
            grown = NONE.union(*(self.flows.get(signature, NONE) for signature in GROWING))
            self._flowed("syntax.growth()", grown)

    def check_counts(self) -> None:
        """How often a plan calls a function depends on the sizes of what it reads."""
        if self._uncounted:
            self._flowed(COUNTED, frozenset(self.present))

    def check_copies(self, outputs: list[Flow]) -> None:
        """A row with a value in it many times over fails by the value's length, too."""
        pieces = math.prod(calls + 1 for calls in (*self._growth.values(), self._pieces[0]))
        copies: Counter[ColumnRef] = Counter()
        for flow in outputs:
            for source in flow.sources:
                copies[source] += 1 if flow.direct else pieces
        many = {source for source, count in copies.items() if count > MOST_COPIES}
        if many:
            self._flowed("syntax.growth()", frozenset(many))

    def _query(self, node: Node, parent: Scope | None) -> list[Flow]:
        key = (id(node), self._control)
        known = self._known.get(key)
        if known is None:
            self._pieces.append(0)
            once, self._once = self._once, False
            known = self._known[key] = self._evaluate(node, parent)
            self._once = once
            pieces = self._pieces.pop()
            self._growth[id(node)] = max(pieces, self._growth.get(id(node), 0))
        return known

    def _evaluate(self, node: Node, parent: Scope | None) -> list[Flow]:
        self._step()
        for name, value in node.fields.items():
            if name not in _QUERY_FIELDS and value not in (None, "false", "0", []):
                raise NodeTreeError(f"a query has {name}")
        command = node.integer("commandType")
        if command not in (1, 2, 3, 4, 5) or node.fields.get("utilityStmt") is not None:
            raise NodeTreeError("a query is a utility statement")
        scope = Scope(node, node.nodes("rtable"), parent)
        for cte in node.nodes("cteList"):
            self._cte(cte, scope)
        self._from(node.node("jointree"), scope)
        entries = node.nodes("targetList")
        operations = node.node("setOperations")
        if operations is not None:
            flows = self._set_operation(operations, scope)
            values = [e for e in entries if not e.true("resjunk")]
            if len(values) != len(flows):
                raise NodeTreeError("a set operation's columns do not match")
            # The top query's own expressions name the first branch alone.
            keyed = {
                e.integer("ressortgroupref", 0): flow.sources
                for e, flow in zip(values, flows, strict=True)
            }
        else:
            flows = []
            keyed = {}
            for entry in entries:
                flow = self._selected(entry, scope, once=self._runs_by_row(scope))
                keyed[entry.integer("ressortgroupref", 0)] = flow.sources
                if not entry.true("resjunk"):
                    flows.append(flow)
        self._clauses(node, scope, keyed)
        if command == 1:
            return flows
        return self._modification(node, command, scope)

    def _runs_by_row(self, scope: Scope) -> bool:
        """Whether what a query selects is computed once for each row that it sends or writes."""
        if scope.node.integer("commandType") != 1:
            return True
        if scope.parent is None:
            return not self._views
        outer = scope.parent.node
        if any(scope.node is cte.node("ctequery") for cte in outer.nodes("cteList")):
            return not scope.tables
        return outer.integer("commandType", 1) == 3

    def _clauses(self, node: Node, scope: Scope, keyed: dict[int, Columns]) -> None:
        idle = idle_keys(node, scope.tables, self.catalogue)
        grouped = [one for one in node.nodes("groupClause") if _key(one) not in idle]
        self._keys(grouped, keyed, "GROUP BY")
        self._keys(node.nodes("distinctClause"), keyed, "DISTINCT")
        self._keys(node.nodes("sortClause"), keyed, "ORDER BY")
        self._having(node, scope)
        for field in ("limitOffset", "limitCount", "mergeJoinCondition"):
            self.influences |= self._expression(node.fields.get(field), scope)
        for window in node.nodes("windowClause"):
            self._keys(window.nodes("partitionClause"), keyed, "PARTITION BY")
            self._keys(window.nodes("orderClause"), keyed, "ORDER BY")
            for field in ("startOffset", "endOffset", "runCondition"):
                self.influences |= self._expression(window.fields.get(field), scope)

    def _having(self, node: Node, scope: Scope) -> None:
        groups = self._groups
        if groups is None or groups.query is not node or not groups.floors:
            self._decides(self._expression(node.fields.get("havingQual"), scope), "HAVING")
            return
        # What is asked besides is asked of small groups, too: it has no part in the promise.
        self._groups = None
        for part in groups.conjuncts():
            self._floor = groups.condition(part)
            self.influences |= self._expression(part, scope)
        self._floor, self._groups = None, groups

    def _promised(self, node: Node, sources: Columns, scope: Scope) -> Columns:
        """What an aggregate shows of ``sources``: less where groups have a size."""
        floor, groups = self._floor, self._groups
        if floor is not None:
            return self._over(sources, floor)
        if groups is None or scope.node is not groups.query:
            return sources
        floor = groups.floor_of(node)
        return sources if floor is None else self._over(sources, floor)

    def _over(self, sources: Columns, floor: Floor) -> Columns:
        return promised(sources, floor, self.base(floor.relation, floor.patient).sources)

    def _keys(self, clauses: list[Node], keyed: dict[int, Columns], name: str) -> None:
        for clause in clauses:
            sources = keyed.get(_key(clause))
            if sources is None:
                raise NodeTreeError("a sort or group key is not in the target list")
            self._decides(sources, name)
            for field in ("eqop", "sortop"):
                operator = clause.integer(field, 0)
                if operator:
                    self._operator(operator, sources)

    def _from(self, node: Node | None, scope: Scope) -> None:
        """Predicates and members of a FROM clause, whether or not a column of theirs is used."""
        todo = [node]
        while todo:
            item = todo.pop()
            if item is None:
                continue
            if item.type == "FROMEXPR":
                todo.extend(item.nodes("fromlist"))
                self._decides(self._expression(item.fields.get("quals"), scope), "WHERE")
            elif item.type == "JOINEXPR":
                todo.extend((item.node("larg"), item.node("rarg")))
                self._decides(self._expression(item.fields.get("quals"), scope), "JOIN")
            elif item.type == "RANGETBLREF":
                self._rows(self._table(scope, item.integer("rtindex")), scope)
            else:
                raise NodeTreeError(f"FROM has {item.type}")

    def _set_operation(self, node: Node, scope: Scope) -> list[Flow]:
        if node.type == "RANGETBLREF":
            return self._all_columns(self._table(scope, node.integer("rtindex")), scope)
        if node.type != "SETOPERATIONSTMT":
            raise NodeTreeError(f"a set operation has {node.type}")
        sides = []
        for field in ("larg", "rarg"):
            side = node.node(field)
            if side is None:
                raise NodeTreeError("a set operation has one side")
            sides.append(self._set_operation(side, scope))
        left, right = sides
        if len(left) != len(right):
            raise NodeTreeError("a set operation's sides do not match")
        types = node.integers("colTypes")
        if not (node.integer("op") == 1 and node.true("all")):
            # Everything but UNION ALL compares values: what is left over depends on them.
            for flow in (*left, *right):
                self._decides(flow.sources, "UNION")
        for clause in node.nodes("groupClauses"):
            operator = clause.integer("eqop", 0)
            if operator:
                self._operator(operator, NONE)
        return [_either(a, b, type_) for a, b, type_ in zip(left, right, types, strict=True)]


def _either(one: Flow, other: Flow, type_: int) -> Flow:
    """A column of a set operation."""
    found = either([kept_of(one, one.type), kept_of(other, other.type)])
    sources = one.sources | other.sources
    direct = one.direct and other.direct
    return Flow(sources, direct, type_, "" if direct else found.form, found.columns)
