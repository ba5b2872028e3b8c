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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef, OutputColumn, Resolution
from hoopgate.sql.catalogue import ALIASES, TYPE_FIELDS, Catalogue, Overrun, Relation
from hoopgate.sql.collations import unsettled
from hoopgate.sql.equality import equality, is_column, marked, parameters, places
from hoopgate.sql.functions import GROWING, PUT_TOGETHER, measured
from hoopgate.sql.groups import Floor, Groups, promised
from hoopgate.sql.nodetree import Node, NodeTreeError, Value

Columns = frozenset[ColumnRef]

_NONE: Final[Columns] = frozenset()
_BOOL, _INT4, _XML = 16, 23, 142
_CTID, _TABLEOID = -1, -6
_EXPLICIT_CAST: Final = 1  # CoercionForm of primnodes.h
_ARRAY_SUBLINK: Final = 6  # SubLinkType of primnodes.h
_LEAVES: Final = frozenset({"VAR", "PARAM", "CONST", "SUBLINK", "CASETESTEXPR"})
#: CmdType of nodes.h.
_COMMANDS: Final = {2: "update", 3: "insert", 4: "delete"}
#: Types (OIDs) whose values have one length, and a short one: bool to uuid.
_SHORT: Final = frozenset(
    {16, 18, 19, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 2950}
)
#: How many pieces a value may be put together of. A parameter has 16 MB at most, and PostgreSQL
#: fails at 1 GB.
_MOST_PIECES: Final = 60
#: Expressions evaluated or columns looked up at most; a tree can be made that needs 2^n.
MOST_STEPS: Final = 400_000

#: Expression nodes whose value depends on their children and on nothing else.
_PLAIN: Final = frozenset(
    """
    SUBSCRIPTINGREF FUNCEXPR NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR
    FIELDSTORE RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATEEXPR CASETESTEXPR
    ARRAYEXPR ROWEXPR ROWCOMPAREEXPR MINMAXEXPR SQLVALUEFUNCTION XMLEXPR JSONFORMAT JSONRETURNING
    JSONVALUEEXPR JSONCONSTRUCTOREXPR JSONISPREDICATE JSONBEHAVIOR JSONEXPR NULLTEST BOOLEANTEST
    COERCETODOMAIN COERCETODOMAINVALUE SETTODEFAULT NEXTVALUEEXPR INFERENCEELEM TARGETENTRY
    RETURNINGEXPR MERGESUPPORTFUNC RANGETBLFUNCTION TABLEFUNC TABLESAMPLECLAUSE JSONTABLEPATHSCAN
    JSONTABLEPATH JSONTABLESIBLINGJOIN CONST PARAM
    """.split()
)
#: Nodes that do work without naming a function: their own input functions, casts and constructors
#: can raise errors on data.
_NAMELESS_FALLIBLE: Final = {
    "COERCETODOMAIN": "domain",
    "XMLEXPR": "xml",
    "JSONCONSTRUCTOREXPR": "json",
    "JSONEXPR": "json",
    "JSONISPREDICATE": "json",
    "JSONVALUEEXPR": "json",
    "TABLEFUNC": "table",
    "CONVERTROWTYPEEXPR": "row",
    "ARRAYEXPR": "array",
    "SUBSCRIPTINGREF": "subscript",
    "NEXTVALUEEXPR": "nextval",
    "FIELDSTORE": "row",
}
#: Nodes one of whose children reads another through a CASETESTEXPR, which names no source.
_PLACEHOLDING: Final = frozenset(
    """
    ARRAYCOERCEEXPR JSONEXPR JSONCONSTRUCTOREXPR JSONVALUEEXPR SUBSCRIPTINGREF FIELDSTORE
    CONVERTROWTYPEEXPR NULLIFEXPR TABLEFUNC
    """.split()
)
#: Nodes that look at their children one by one, and at the rest only if need be.
_LAZY: Final = frozenset({"ROWCOMPAREEXPR"})
_TYPED: Final = {
    "BOOLEXPR": _BOOL,
    "NULLTEST": _BOOL,
    "BOOLEANTEST": _BOOL,
    "SCALARARRAYOPEXPR": _BOOL,
    "ROWCOMPAREEXPR": _BOOL,
    "CURRENTOFEXPR": _BOOL,
    "JSONISPREDICATE": _BOOL,
    "GROUPINGFUNC": _INT4,
}
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


@dataclass(frozen=True, slots=True)
class Flow:
    """A value: the base columns it can depend on, whether it is one of them unchanged, its type."""

    sources: Columns
    direct: bool
    type: int


@dataclass(slots=True, eq=False)
class _Scope:
    """A query level: what Var.varno and CTE names refer to."""

    node: Node
    tables: list[Node]
    parent: _Scope | None

    def up(self, levels: int) -> _Scope:
        scope: _Scope | None = self
        for _ in range(levels):
            scope = scope.parent if scope else None
        if scope is None:
            raise NodeTreeError("a reference leaves the query")
        return scope


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
            OutputColumn(name, catalogue.sent_as(flow.type), flow.sources, flow.direct)
            for name, flow in zip(names, outputs, strict=True)
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
        OutputColumn(relation.columns[number], flow.type, flow.sources, flow.direct)
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


class _Lineage:
    def __init__(self, catalogue: Catalogue, steps: int) -> None:
        self.catalogue = catalogue
        self.influences: set[ColumnRef] = set()
        self.relations: set[str] = set()
        self.functions: set[str] = set()
        self.aggregated: set[ColumnRef] = set()
        self.written: set[ColumnRef] = set()
        self.stored: set[ColumnRef] = set()
        self.present: set[ColumnRef] = set()
        self.flows: dict[str, set[ColumnRef]] = {}
        self.assigned: set[ColumnRef] = set()
        self._matched: set[int] = set()  #: PARAM nodes that a column is compared with
        self._mismatched: set[int] = set()  #: and those that something else is compared with
        self._cascading: set[int] = set()
        self._pieces = [0]  #: calls that make a value longer, of each query level around
        self._growth: dict[int, int] = {}  #: the same, of every level there is
        self._control: Columns = _NONE  #: columns that decide whether what is read now runs
        self._known: dict[tuple[int, Columns], list[Flow]] = {}
        self._recursive: dict[int, list[Flow]] = {}
        self._views: list[int] = []
        self._excluded: dict[int, dict[int, Columns]] = {}
        self._groups: Groups | None = None
        self._floor: Floor | None = None  #: the part of HAVING that is read now
        self._steps = steps

    # --- statements ---------------------------------------------------------------------------

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

    def check_growth(self) -> None:
        """A value put together of itself again and again fails by its length in the end.

        One made at a level has at most as many pieces as the level has calls, and one more, each of
        which was made at a level below.
        """
        bound = math.prod(calls + 1 for calls in (*self._growth.values(), self._pieces[0]))
        if bound > _MOST_PIECES:
            grown = _NONE.union(*(self.flows.get(signature, _NONE) for signature in GROWING))
            self._flowed("syntax.growth()", grown)

    def _grows(self, signature: str, node: Node, sources: Columns) -> None:
        """A value is put together of those in ``node``."""
        self._flowed(signature, sources)
        if node.type == "OPEXPR":
            self._pieces[-1] += 1
        else:
            self._pieces[-1] += sum(part.type in _LEAVES for part in _nodes(node))

    def _query(self, node: Node, parent: _Scope | None) -> list[Flow]:
        key = (id(node), self._control)
        known = self._known.get(key)
        if known is None:
            self._pieces.append(0)
            known = self._known[key] = self._evaluate(node, parent)
            pieces = self._pieces.pop()
            self._growth[id(node)] = max(pieces, self._growth.get(id(node), 0))
        return known

    def _evaluate(self, node: Node, parent: _Scope | None) -> list[Flow]:
        self._step()
        for name, value in node.fields.items():
            if name not in _QUERY_FIELDS and value not in (None, "false", "0", []):
                raise NodeTreeError(f"a query has {name}")
        command = node.integer("commandType")
        if command not in (1, 2, 3, 4, 5) or node.fields.get("utilityStmt") is not None:
            raise NodeTreeError("a query is a utility statement")
        scope = _Scope(node, node.nodes("rtable"), parent)
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
                flow = self._flow(entry.node("expr"), scope)
                keyed[entry.integer("ressortgroupref", 0)] = flow.sources
                if not entry.true("resjunk"):
                    flows.append(flow)
        self._clauses(node, scope, keyed)
        if command == 1:
            return flows
        return self._modification(node, command, scope)

    def _clauses(self, node: Node, scope: _Scope, keyed: dict[int, Columns]) -> None:
        for field in ("groupClause", "distinctClause", "sortClause"):
            self._keys(node.nodes(field), keyed)
        self._having(node, scope)
        for field in ("limitOffset", "limitCount", "mergeJoinCondition"):
            self.influences |= self._expression(node.fields.get(field), scope)
        for window in node.nodes("windowClause"):
            self._keys(window.nodes("partitionClause"), keyed)
            self._keys(window.nodes("orderClause"), keyed)
            for field in ("startOffset", "endOffset", "runCondition"):
                self.influences |= self._expression(window.fields.get(field), scope)

    def _having(self, node: Node, scope: _Scope) -> None:
        groups = self._groups
        if groups is None or groups.query is not node or not groups.floors:
            self.influences |= self._expression(node.fields.get("havingQual"), scope)
            return
        # What is asked besides is asked of small groups, too: it has no part in the promise.
        self._groups = None
        for part in groups.conjuncts():
            self._floor = groups.condition(part)
            self.influences |= self._expression(part, scope)
        self._floor, self._groups = None, groups

    def _promised(self, node: Node, sources: Columns, scope: _Scope) -> Columns:
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

    def _keys(self, clauses: list[Node], keyed: dict[int, Columns]) -> None:
        for clause in clauses:
            sources = keyed.get(clause.integer("tleSortGroupRef"))
            if sources is None:
                raise NodeTreeError("a sort or group key is not in the target list")
            self.influences |= sources
            for field in ("eqop", "sortop"):
                operator = clause.integer(field, 0)
                if operator:
                    self._operator(operator, sources)

    def _from(self, node: Node | None, scope: _Scope) -> None:
        """Predicates and members of a FROM clause, whether or not a column of theirs is used."""
        todo = [node]
        while todo:
            item = todo.pop()
            if item is None:
                continue
            if item.type == "FROMEXPR":
                todo.extend(item.nodes("fromlist"))
                self.influences |= self._expression(item.fields.get("quals"), scope)
            elif item.type == "JOINEXPR":
                todo.extend((item.node("larg"), item.node("rarg")))
                self.influences |= self._expression(item.fields.get("quals"), scope)
            elif item.type == "RANGETBLREF":
                self._rows(self._table(scope, item.integer("rtindex")), scope)
            else:
                raise NodeTreeError(f"FROM has {item.type}")

    def _set_operation(self, node: Node, scope: _Scope) -> list[Flow]:
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
                self.influences |= flow.sources
        for clause in node.nodes("groupClauses"):
            operator = clause.integer("eqop", 0)
            if operator:
                self._operator(operator, _NONE)
        return [
            Flow(a.sources | b.sources, a.direct and b.direct, type_)
            for a, b, type_ in zip(left, right, types, strict=True)
        ]

    # --- data modification --------------------------------------------------------------------

    def _modification(self, node: Node, command: int, scope: _Scope) -> list[Flow]:
        number = node.integer("resultRelation")
        target = self._table(scope, number)
        oid = target.integer("relid")
        self._rows(target, scope)
        if command in (2, 3):
            assigned = self._assign(node.nodes("targetList"), oid, scope)
            self.constrained(oid, assigned, _COMMANDS[command])
        elif command == 4:
            self.constrained(oid, set(), "delete")
        conflict = node.node("onConflict")
        if conflict is not None and conflict.integer("exclRelIndex", 0):
            # EXCLUDED is the row that was to be inserted, not one that is stored.
            excluded = self._table(scope, conflict.integer("exclRelIndex"))
            self._excluded[id(excluded)] = {
                entry.integer("resno"): self._flow(entry.node("expr"), scope).sources
                for entry in node.nodes("targetList")
            }
        for action in node.nodes("mergeActionList"):
            if action.type != "MERGEACTION":
                raise NodeTreeError(f"MERGE has {action.type}")
            self.influences |= self._expression(action.fields.get("qual"), scope)
            if action.integer("commandType") in _COMMANDS:
                assigned = self._assign(action.nodes("targetList"), oid, scope)
                self.constrained(oid, assigned, _COMMANDS[action.integer("commandType")])
        if conflict is not None:
            for field in ("arbiterElems", "arbiterWhere", "onConflictWhere"):
                self.influences |= self._expression(conflict.fields.get(field), scope)
            if conflict.nodes("onConflictSet"):
                assigned = self._assign(conflict.nodes("onConflictSet"), oid, scope)
                self.constrained(oid, assigned, "update")
        return [self._flow(entry.node("expr"), scope) for entry in node.nodes("returningList")]

    def _assign(self, entries: list[Node], oid: int, scope: _Scope) -> set[int]:
        assigned = set()
        for entry in entries:
            sources = self._flow(entry.node("expr"), scope).sources
            self.stored |= sources
            if not entry.true("resjunk"):
                number = entry.integer("resno")
                assigned.add(number)
                self.assigned |= self.base(oid, number).sources
                if sources:
                    self.written |= self.base(oid, number).sources
        return assigned

    def constrained(self, oid: int, assigned: set[int], command: str) -> None:
        """Columns that constraints compare a write with: whether it fails depends on them.

        :param assigned: attributes that are given a value; a DELETE has none.
        :param command: ``insert``, ``update`` or ``delete``.
        """
        if self._relation(oid).kind == "v":
            self._write_through(self._relation(oid))
        columns = self._relation(oid).columns
        names = {columns[number] for number in assigned if number in columns}
        for other in sorted(self.catalogue.kin(oid)):
            relation = self._relation(other)
            own = {n for n, name in relation.columns.items() if name in names}
            if relation.ruled:
                raise NodeTreeError("a rewrite rule stands on the table written to")
            for trigger in relation.triggers:
                self._call(trigger, _NONE)
            if command == "update":
                self._updated(other, own)
            if command == "insert":
                own |= relation.defaulted
            self._keyed(other, own, command)

    def _updated(self, oid: int, own: set[int]) -> None:
        """What of a stored row is looked at again, because a part of it changes."""
        relation = self._relation(oid)
        given = _union(self.base(oid, number) for number in own)
        computed: set[int] = set()
        for number, expression in relation.generated.items():
            scope = _Scope(Node("GENERATED", {}), [_plain_table(oid)], None)
            read = self._quietly(expression, scope)
            if not read.isdisjoint(given):
                computed.add(number)
                self.influences |= read - given
        for check in relation.checks:
            if check & (own | computed):
                self._influence(oid, check - own)
        # A row that breaks it already cannot be changed at all.
        self._influence(oid, relation.unproven - own)
        for index in relation.indexes:
            # Its expressions may fail, and an entry has a size that it must keep to.
            if index.columns & (own | computed) and (
                index.computes or not _SHORT.issuperset(relation.types[n] for n in own | computed)
            ):
                self._influence(oid, index.columns - own)

    def _keyed(self, oid: int, own: set[int], command: str) -> None:
        """Unique, exclusion and foreign keys; rows of other tables that change with this one's."""
        relation = self._relation(oid)
        every = command == "delete"
        if own:
            own = own | relation.generated.keys()
        for index in relation.indexes:
            if index.compares and index.columns & own:
                self._influence(oid, index.columns)
        for key in relation.keys:
            if key.relation == oid and key.attribute in own:
                self.influences.add(key.foreign_column)
            if (
                key.foreign == oid
                and command != "insert"
                and (every or key.foreign_attribute in own)
            ):
                self.influences.add(key.column)
                if key.cascades and key.relation not in self._cascading:
                    self._cascading.add(key.relation)
                    self.constrained(key.relation, {key.attribute}, "update")
                    self.constrained(key.relation, set(), "delete")

    def _write_through(self, view: Relation) -> None:
        if view.definition is None:
            return
        for table in view.definition.nodes("rtable"):
            oid = table.integer("relid", 0)
            if oid and self._relation(oid) is not view:
                for command in ("insert", "update", "delete"):
                    self.constrained(oid, set(self._relation(oid).columns), command)

    def _influence(self, oid: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.influences |= self.base(oid, number).sources

    # --- tables -------------------------------------------------------------------------------

    def _table(self, scope: _Scope, number: int) -> Node:
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
        if relation.ruled and relation.kind in "vm":
            raise NodeTreeError("a view has a rule of its own")
        for policy in relation.policies:
            scope = _Scope(Node("POLICY", {}), [_plain_table(oid)], None)
            self.influences |= self._quietly(policy, scope)
        for other in self.catalogue.kin(oid):
            # Which rows a partition has, and in which order partitions are read.
            self._influence(other, self._relation(other).partitioned)
        if relation.definition is not None:
            self._view(oid, relation)

    def _rows(self, table: Node, scope: _Scope) -> None:
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

    def _all_columns(self, table: Node, scope: _Scope) -> list[Flow]:
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
            for row in rows if isinstance(rows, list) else []:
                cells = row if isinstance(row, list) else [row]
                columns.extend([_NONE] * (len(cells) - len(columns)))
                for index, cell in enumerate(cells):
                    columns[index] |= self._expression(cell, scope)
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

    def _column(self, table: Node, number: int, scope: _Scope) -> Flow:
        """One column of a range table entry; 0 is the whole row."""
        self._step()
        kind = table.integer("rtekind")
        if id(table) in self._excluded:
            row = self._excluded[id(table)]
            sources = _NONE.union(*row.values()) if number == 0 else row.get(number, _NONE)
            return Flow(sources, False, 0)
        if kind == 0:
            oid = table.integer("relid")
            if number == 0:
                relation = self._relation(oid)
                return Flow(_union(self.base(oid, n) for n in relation.columns), False, 0)
            return self.base(oid, number)
        if kind in (2, 9):
            field = "joinaliasvars" if kind == 2 else "groupexprs"
            items = table.fields.get(field)
            if not isinstance(items, list) or not 0 <= number <= len(items):
                raise NodeTreeError("a join's column is missing")
            if number == 0:
                return Flow(self._expression(items, scope), False, 0)
            return self._flow(items[number - 1], scope)
        flows = self._all_columns(table, scope)
        if kind in (3, 4) or number <= 0 or (kind == 6 and number > len(flows)):
            # Functions and SEARCH or CYCLE columns: made of everything there is.
            return Flow(_union(flows), False, 0)
        if number > len(flows):
            raise NodeTreeError("a column is missing")
        return flows[number - 1]

    def base(self, oid: int, number: int) -> Flow:
        """A column of a stored relation, with its kin's columns of that name."""
        self._step()
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
        direct = number not in relation.generated
        if number in relation.generated:
            scope = _Scope(Node("GENERATED", {}), [_plain_table(oid)], None)
            evaluate = self._expression if number in relation.virtual else self._quietly
            sources |= evaluate(relation.generated[number], scope)
        if relation.definition is not None and number > 0:
            flows = self._view(oid, relation)
            index = sorted(relation.columns).index(number)
            if index >= len(flows):
                raise NodeTreeError("a view's column is missing")
            sources |= flows[index].sources
            direct = flows[index].direct
        return Flow(frozenset(sources), direct, relation.types.get(number, 0))

    def _view(self, oid: int, relation: Relation) -> list[Flow]:
        if relation.definition is None or oid in self._views:
            raise NodeTreeError("a view refers to itself")
        self._views.append(oid)
        try:
            return self._query(relation.definition, None)
        finally:
            self._views.pop()

    def _quietly(self, expression: Value, scope: _Scope) -> Columns:
        """Sources of an expression of the schema's owner (a generated column, a policy).

        Its functions are the owner's choice: they are not the statement's.
        """
        functions, flows = set(self.functions), {k: set(v) for k, v in self.flows.items()}
        sources = self._expression(expression, scope)
        self.functions, self.flows = functions, flows
        return sources

    def _cte(self, cte: Node, owner: _Scope) -> list[Flow]:
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
        flows = [Flow(_NONE, True, 0)] * width
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
            self._growth.get(id(part)) for part in _nodes(query) if part.type == "QUERY"
        ):
            self._growth[id(query)] = _MOST_PIECES
        if cte.fields.get("search_clause") or cte.fields.get("cycle_clause"):
            for flow in flows:
                self.influences |= flow.sources
        self._known[key] = flows
        return flows

    # --- expressions --------------------------------------------------------------------------

    def _flow(self, value: Value, scope: _Scope) -> Flow:
        node = value
        while isinstance(node, Node) and ALIASES.get(node.type, node.type) in (
            "RELABELTYPE",
            "COLLATEEXPR",
        ):
            node = node.fields.get("arg")
        if isinstance(node, Node) and node.type == "VAR" and node.integer("varattno") != 0:
            flow = self._variable(node, scope)
            self._expression(value, scope)
            return Flow(flow.sources, flow.direct, self._type(value, scope))
        return Flow(self._expression(value, scope), False, self._type(value, scope))

    def _variable(self, node: Node, scope: _Scope) -> Flow:
        owner = scope.up(node.integer("varlevelsup"))
        table = self._table(owner, node.integer("varno"))
        return self._column(table, node.integer("varattno"), owner)

    def _expression(self, value: Value, scope: _Scope) -> Columns:
        if value is None or isinstance(value, str):
            return _NONE
        if isinstance(value, list):
            sources = _NONE
            for item in value:
                sources |= self._expression(item, scope)
            return sources
        self._step()
        kind = ALIASES.get(value.type, value.type)
        if kind == "VAR":
            return self._variable(value, scope).sources
        if kind == "CONST" or kind == "PARAM":
            return _NONE
        special = _SPECIAL.get(kind)
        if special is not None:
            return special(self, value, scope)
        if kind not in _PLAIN:
            raise NodeTreeError(f"an expression has {kind}")
        children: list[Value] = [
            c for c in value.fields.values() if c is not None and not isinstance(c, str)
        ]
        compared = self._compared(kind, value, scope)
        sources = self._expression(children, scope) if compared is None else compared
        if (kind in _PLACEHOLDING or kind in _LAZY) and not sources <= self._control:
            self._under(sources, children, scope)
        self._called(kind, value, sources, scope)
        if kind == "FUNCEXPR":
            sources |= measured(self.catalogue.functions[value.integer("funcid")].name)
        if value.true("funcretset") or value.true("opretset"):
            self.influences |= sources | self._control
        return sources

    def _compared(self, kind: str, node: Node, scope: _Scope) -> Columns | None:
        """Sources of ``column = $1``, ``column IN ($1, …)`` or ``column = column``: marked, because
        no more of the values is looked at than whether they are equal."""
        sides = equality(kind, node, self.catalogue)
        if sides is None:
            return None
        flows = [self._flow(side, scope) if is_column(side) else None for side in sides]
        for flow, other in ((flows[0], sides[1]), (flows[1], sides[0])):
            found = parameters(other)
            if not found:
                continue
            ids = {id(one) for one in found}
            if (
                flow is None
                or not (flow.direct and flow.sources)
                or (kind != "OPEXPR" and other is sides[0])
            ):
                self._mismatched |= ids  # whatever an earlier round of a recursive query said
                continue
            self._matched |= ids
            numbers = {one.integer("paramid") for one in found}
            return marked(flow.sources, [f"${number}" for number in numbers])
        left, right = flows
        if kind != "OPEXPR" or left is None or right is None:
            return None
        if not (left.direct and right.direct and left.sources and right.sources):
            return None
        return marked(left.sources, [places(right.sources)]) | marked(
            right.sources, [places(left.sources)]
        )

    def loose(self, tree: Node) -> frozenset[int]:
        """Parameters that are used otherwise than to be compared for equality with a column."""
        if not self._matched:
            return frozenset()
        return frozenset(
            one.integer("paramid")
            for one in _nodes(tree)
            if one.type == "PARAM" and (id(one) not in self._matched or id(one) in self._mismatched)
        )

    def _called(self, kind: str, node: Node, sources: Columns, scope: _Scope) -> None:
        for field in ("funcid", "opfuncid", "tsmhandler"):
            if field in node.fields:
                function = node.integer(field)
                if function:
                    self._call(function, sources)
                    self._check_form(function, node, sources)
                    signature = self.catalogue.functions[function].signature
                    if signature in GROWING:
                        self._grows(signature, node, sources)
                elif field == "opfuncid":
                    self._operator(node.integer("opno"), sources)
        if kind == "ROWCOMPAREEXPR":
            for operator in node.integers("opnos"):
                self._operator(operator, sources)
        elif kind == "COERCEVIAIO":
            self._conversion(self._type(node.fields.get("arg"), scope), "output", sources)
            self._conversion(node.integer("resulttype"), "input", sources)
        elif kind in ("ROWEXPR", "ARRAYEXPR") and not node.true("multidims"):
            self._grows(PUT_TOGETHER, node, sources)
        elif kind in _NAMELESS_FALLIBLE and (kind != "ARRAYEXPR" or node.true("multidims")):
            self._flowed(f"syntax.{_NAMELESS_FALLIBLE[kind]}()", sources)
        if unsettled(node, lambda value: self._type(value, scope)):
            self._flowed("syntax.collation()", sources)

    def _check_form(self, function: int, node: Node, sources: Columns) -> None:
        """A function that is total as a cast or as a type's own may not be so by its name: then its
        length, or the text it reads, is the client's choice."""
        signature = self.catalogue.functions[function].signature
        if node.integer("funcformat", 0) != _EXPLICIT_CAST and (
            "cstring" in signature or signature.endswith(", integer, boolean)")
        ):
            self._flowed("syntax.cast()", sources)

    def _conversion(self, type_: int, direction: str, sources: Columns) -> None:
        known = self.catalogue.types.get(type_)
        if known is None:
            # A type that no field of the tree names (an ARRAY's, a subquery's): take the worst.
            self._flowed(f"syntax.{direction}()", sources)
        else:
            self._call(known.output if direction == "output" else known.input, sources)

    def _operator(self, operator: int, sources: Columns) -> None:
        function = self.catalogue.operators.get(operator)
        if function is None:
            raise NodeTreeError("an operator is not in the catalogue")
        self._call(function, sources)

    def _call(self, function: int, sources: Columns) -> None:
        known = self.catalogue.functions.get(function)
        if known is None:
            raise NodeTreeError("a function is not in the catalogue")
        self.functions.add(known.name)
        self._flowed(known.signature, sources)

    def _flowed(self, signature: str, sources: Columns) -> None:
        self.flows.setdefault(signature, set()).update(sources, self._control)

    def _under(self, control: Columns, value: Value, scope: _Scope) -> Columns:
        """Evaluate ``value`` where ``control`` decides whether it runs."""
        before = self._control
        self._control = before | control
        try:
            return self._expression(value, scope)
        finally:
            self._control = before

    def _case(self, node: Node, scope: _Scope) -> Columns:
        sources = control = self._expression(node.fields.get("arg"), scope)
        for when in node.nodes("args"):
            control |= self._under(control, when.fields.get("expr"), scope)
            sources |= self._under(control, when.fields.get("result"), scope)
        return sources | control | self._under(control, node.fields.get("defresult"), scope)

    def _coalesce(self, node: Node, scope: _Scope) -> Columns:
        sources = _NONE
        for argument in node.nodes("args"):
            sources |= self._under(sources, argument, scope)
        return sources

    def _boolean(self, node: Node, scope: _Scope) -> Columns:
        arguments = node.fields.get("args")
        sources = self._expression(arguments, scope)
        if not sources <= self._control and isinstance(arguments, list) and len(arguments) > 1:
            # AND and OR stop early, and the planner chooses the order.
            self._under(sources, arguments, scope)
        return sources

    def _aggregate(self, node: Node, scope: _Scope) -> Columns:
        condition = self._expression(node.fields.get("aggfilter"), scope)
        sources = condition
        for field in ("aggdirectargs", "args"):
            sources |= self._under(condition, node.fields.get(field), scope)
        sources = self._promised(node, sources, scope)
        for field in ("aggorder", "aggdistinct"):
            for clause in node.nodes(field):
                for name in ("eqop", "sortop"):
                    operator = clause.integer(name, 0)
                    if operator:
                        self._operator(operator, sources)
        function = node.integer("aggfnoid" if "aggfnoid" in node.fields else "winfnoid")
        self._call(function, sources)
        if self.catalogue.functions[function].name == "pg_catalog.count":
            # How many there are is a question about rows: the arguments are its predicate.
            self.influences |= sources
            return _NONE
        if "aggfnoid" in node.fields or node.true("winagg"):
            self.aggregated |= sources
        return sources

    def _grouping(self, node: Node, scope: _Scope) -> Columns:
        return _NONE

    def _field(self, node: Node, scope: _Scope) -> Columns:
        argument = node.fields.get("arg")
        if isinstance(argument, Node) and argument.type == "VAR":
            owner = scope.up(argument.integer("varlevelsup"))
            table = self._table(owner, argument.integer("varno"))
            if argument.integer("varattno") == 0 and table.integer("rtekind") in (0, 1):
                return self._column(table, node.integer("fieldnum"), owner).sources
        return self._expression(argument, scope)

    def _sublink(self, node: Node, scope: _Scope) -> Columns:
        query = node.node("subselect")
        if query is None or query.type != "QUERY":
            raise NodeTreeError("a subquery is missing")
        found = _union(self._query(query, scope))
        sources = self._under(found, node.fields.get("testexpr"), scope)
        link = node.integer("subLinkType")
        # More than one row may be an error; and one that runs, or runs on, for a value's sake alone
        # tells of it by the time it takes, which a time-out makes an error too.
        self._flowed("syntax.subquery()", sources)
        if link == _ARRAY_SUBLINK:
            self._flowed("syntax.array()", found)  # it has a size that it must keep to
        # EXISTS: whether there is a row is in the influences.
        return sources if link == 0 else sources | found

    def _cursor(self, node: Node, scope: _Scope) -> Columns:
        raise NodeTreeError("WHERE CURRENT OF is not supported")

    # --- types --------------------------------------------------------------------------------

    def _type(self, value: Value, scope: _Scope) -> int:
        """OID of an expression's type (exprType() of nodeFuncs.c); 0 when it is not known."""
        if not isinstance(value, Node):
            return 0
        kind = ALIASES.get(value.type, value.type)
        if kind in _TYPED:
            return _TYPED[kind]
        if kind in ("NAMEDARGEXPR", "COLLATEEXPR"):
            return self._type(value.fields.get("arg"), scope)
        if kind == "RETURNINGEXPR":
            return self._type(value.fields.get("retexpr"), scope)
        if kind == "SUBLINK":
            return self._sublink_type(value, scope)
        if kind == "XMLEXPR":
            operation = value.integer("op")  # XmlExprOp: 6 XMLSERIALIZE, 7 IS DOCUMENT
            return _BOOL if operation == 7 else value.integer("type", _XML) or _XML
        if kind in ("JSONCONSTRUCTOREXPR", "JSONEXPR"):
            returning = value.node("returning")
            return returning.integer("typid", 0) if returning else 0
        if kind == "JSONVALUEEXPR":
            return self._type(value.fields.get("formatted_expr"), scope)
        field = TYPE_FIELDS.get(kind)
        return value.integer(field, 0) if field else 0

    def _sublink_type(self, node: Node, scope: _Scope) -> int:
        link = node.integer("subLinkType")
        query = node.node("subselect")
        if link not in (4, 6) or query is None:
            return _BOOL
        entries = query.nodes("targetList")
        inner = self._type(entries[0].fields.get("expr"), scope) if entries else 0
        if link == 4:
            return inner
        known = self.catalogue.types.get(inner)
        return known.array if known else 0

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise Overrun("the query needs too much work")


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


def _nodes(tree: Value) -> Iterator[Node]:
    """Every node in ``tree``."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, Node):
            yield value
            todo.extend(value.fields.values())


def _plain_table(oid: int) -> Node:
    return Node("RANGETBLENTRY", {"rtekind": "0", "relid": str(oid)})


def _union(flows: Iterable[Flow]) -> Columns:
    return frozenset().union(*(flow.sources for flow in flows))


_SPECIAL: Final = {
    "CASEEXPR": _Lineage._case,
    "COALESCEEXPR": _Lineage._coalesce,
    "BOOLEXPR": _Lineage._boolean,
    "AGGREF": _Lineage._aggregate,
    "WINDOWFUNC": _Lineage._aggregate,
    "GROUPINGFUNC": _Lineage._grouping,
    "FIELDSELECT": _Lineage._field,
    "SUBLINK": _Lineage._sublink,
    "CURRENTOFEXPR": _Lineage._cursor,
}
