"""Which columns an expression depends on, and which of them its functions are called with.

A node type that is not listed here is refused: a newer server may know ways for data to move that
this file does not.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.events import ColumnRef, Move
from hoopgate.sql.catalogue import ALIASES, TYPE_FIELDS, Catalogue, Overrun
from hoopgate.sql.collations import unsettled
from hoopgate.sql.constants import total_as_called
from hoopgate.sql.equality import equality, is_column, marked, parameters, places, takes
from hoopgate.sql.flows import NONE, Columns, Flow, Scope, nodes, union
from hoopgate.sql.functions import AS_CALLED, COUNTING, GROWING, PUT_TOGETHER, measured
from hoopgate.sql.nodetree import Node, NodeTreeError, Value
from hoopgate.sql.years import FORMED, FORMS, Years

_BOOL, _INT4, _XML = 16, 23, 142
_EXPLICIT_CAST: Final = 1  # CoercionForm of primnodes.h
_ARRAY_SUBLINK: Final = 6  # SubLinkType of primnodes.h
_LEAVES: Final = frozenset({"VAR", "PARAM", "CONST", "SUBLINK", "CASETESTEXPR"})
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


class Expressions(Years):
    """One method for each kind of expression; what it finds is added up here.

    Ivars are those of :class:`hoopgate.events.Resolution`.

    :param steps: of work at most.
    """

    def __init__(self, catalogue: Catalogue, steps: int) -> None:
        super().__init__()
        self.catalogue = catalogue
        self.influences: set[ColumnRef] = set()
        self.roles: dict[str, str] = {}
        self.relations: set[str] = set()
        self.functions: set[str] = set()
        self.aggregated: set[ColumnRef] = set()
        self.written: set[ColumnRef] = set()
        self.stored: set[ColumnRef] = set()
        self.moves: set[Move] = set()
        self.present: set[ColumnRef] = set()
        self.flows: dict[str, set[ColumnRef]] = {}
        self.assigned: set[ColumnRef] = set()
        self._matched: set[int] = set()  #: PARAM nodes that a column is compared with
        self._mismatched: set[int] = set()  #: and those that something else is compared with
        self._cascading: set[int] = set()
        self._pieces = [0]  #: calls that make a value longer, of each query level around
        self._growth: dict[int, int] = {}  #: the same, of every level there is
        self._once = False  #: what is read now runs once for each row of the outermost query
        self._uncounted = False  #: a function with an effect runs as often as the plan likes
        self._control: Columns = NONE  #: columns that decide whether what is read now runs
        self._known: dict[tuple[int, Columns], list[Flow]] = {}
        self._stored: dict[tuple[int, int], Flow] = {}  #: columns that are stored as they are
        self._recursive: dict[int, list[Flow]] = {}
        self._views: list[int] = []
        self._excluded: dict[int, dict[int, Columns]] = {}
        self._steps = steps

    def _query(self, node: Node, parent: Scope | None) -> list[Flow]:
        raise NotImplementedError

    def _table(self, scope: Scope, number: int) -> Node:
        raise NotImplementedError

    def _column(self, table: Node, number: int, scope: Scope) -> Flow:
        raise NotImplementedError

    def _promised(self, node: Node, sources: Columns, scope: Scope) -> Columns:
        """What an aggregate shows of ``sources``."""
        raise NotImplementedError

    def _selected(self, entry: Node, scope: Scope, *, once: bool = True) -> Flow:
        """An entry of a list of columns.

        :param once: it is computed once for each row of the outermost query.
        """
        self._once = once
        flow = self._flow(entry.node("expr"), scope)
        self._once = False
        return flow

    def _flow(self, value: Value, scope: Scope) -> Flow:
        node = value
        while isinstance(node, Node) and ALIASES.get(node.type, node.type) in (
            "RELABELTYPE",
            "COLLATEEXPR",
        ):
            node = node.fields.get("arg")
        if isinstance(node, Node) and node.type == "VAR" and node.integer("varattno") != 0:
            flow = self._variable(node, scope)
            self._expression(value, scope)
            return Flow(flow.sources, flow.direct, self._type(value, scope), flow.form, flow.kept)
        sources, type_ = self._expression(value, scope), self._type(value, scope)
        if sources and isinstance(value, Node) and ALIASES.get(value.type, value.type) in FORMED:
            found = self._kept(value, scope)
            if found.form in FORMS and found.columns <= sources:
                return Flow(sources, False, type_, found.form, found.columns)
        return Flow(sources, False, type_)

    def _variable(self, node: Node, scope: Scope) -> Flow:
        owner = scope.up(node.integer("varlevelsup"))
        table = self._table(owner, node.integer("varno"))
        return self._column(table, node.integer("varattno"), owner)

    def _expression(self, value: Value, scope: Scope) -> Columns:
        if value is None or isinstance(value, str):
            return NONE
        if isinstance(value, list):
            sources = NONE
            for item in value:
                sources |= self._expression(item, scope)
            return sources
        self._step()
        kind = ALIASES.get(value.type, value.type)
        if kind == "VAR":
            return self._variable(value, scope).sources
        if kind == "CONST" or kind == "PARAM":
            return NONE
        special = _SPECIAL.get(kind)
        if special is not None:
            return special(self, value, scope)
        if kind not in _PLAIN:
            raise NodeTreeError(f"an expression has {kind}")
        children: list[Value] = [
            c for c in value.fields.values() if c is not None and not isinstance(c, str)
        ]
        if kind == "FUNCEXPR":
            self._zoned(value)
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

    def _compared(self, kind: str, node: Node, scope: Scope) -> Columns | None:
        """Sources of ``column = $1``, ``column IN ($1, …)`` or ``column = column``: marked, because
        no more of the values is looked at than whether they are equal."""
        sides = equality(kind, node, self.catalogue)
        if sides is None:
            return None
        flows = [self._flow(side, scope) if is_column(side) else None for side in sides]
        for flow, column, other in (
            (flows[0], sides[0], sides[1]),
            (flows[1], sides[1], sides[0]),
        ):
            found = parameters(other)
            if not found:
                continue
            ids = {id(one) for one in found}
            if (
                flow is None
                or not (flow.direct and flow.sources)
                or (kind != "OPEXPR" and other is sides[0])
                or not all(takes(one, column, self.catalogue) for one in found)
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
            for one in nodes(tree)
            if one.type == "PARAM" and (id(one) not in self._matched or id(one) in self._mismatched)
        )

    def _called(self, kind: str, node: Node, sources: Columns, scope: Scope) -> None:
        for field in ("funcid", "opfuncid", "tsmhandler"):
            if field in node.fields:
                function = node.integer(field)
                if function:
                    self._call(function, sources, node)
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

    def _call(self, function: int, sources: Columns, node: Node | None = None) -> None:
        known = self.catalogue.functions.get(function)
        if known is None:
            raise NodeTreeError("a function is not in the catalogue")
        self.functions.add(known.name)
        if known.name in COUNTING and not self._once:
            self._uncounted = True
        safe = node is not None and total_as_called(known.signature, node)
        self._flowed(AS_CALLED if safe else known.signature, sources)

    def _decides(self, sources: Columns, clause: str) -> None:
        """Rows or their order depend on ``sources``, by a clause."""
        self.influences |= sources
        for column in sources - self._control:
            self.roles.setdefault(str(column), clause)

    def _flowed(self, signature: str, sources: Columns) -> None:
        self.flows.setdefault(signature, set()).update(sources, self._control)

    def _under(self, control: Columns, value: Value, scope: Scope) -> Columns:
        """Evaluate ``value`` where ``control`` decides whether it runs."""
        before = self._control
        self._control = before | control
        try:
            return self._expression(value, scope)
        finally:
            self._control = before

    def _case(self, node: Node, scope: Scope) -> Columns:
        sources = control = self._expression(node.fields.get("arg"), scope)
        for when in node.nodes("args"):
            control |= self._under(control, when.fields.get("expr"), scope)
            sources |= self._under(control, when.fields.get("result"), scope)
        return sources | control | self._under(control, node.fields.get("defresult"), scope)

    def _coalesce(self, node: Node, scope: Scope) -> Columns:
        sources = NONE
        for argument in node.nodes("args"):
            sources |= self._under(sources, argument, scope)
        return sources

    def _boolean(self, node: Node, scope: Scope) -> Columns:
        arguments = node.fields.get("args")
        sources = self._expression(arguments, scope)
        if not sources <= self._control and isinstance(arguments, list) and len(arguments) > 1:
            # AND and OR stop early, and the planner chooses the order.
            self._under(sources, arguments, scope)
        return sources

    def _aggregate(self, node: Node, scope: Scope) -> Columns:
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
            self._decides(sources, "count()")
            return NONE
        if "aggfnoid" in node.fields or node.true("winagg"):
            self.aggregated |= sources
        return sources

    def _grouping(self, node: Node, scope: Scope) -> Columns:
        return NONE

    def _field(self, node: Node, scope: Scope) -> Columns:
        argument = node.fields.get("arg")
        if isinstance(argument, Node) and argument.type == "VAR":
            owner = scope.up(argument.integer("varlevelsup"))
            table = self._table(owner, argument.integer("varno"))
            if argument.integer("varattno") == 0 and table.integer("rtekind") in (0, 1):
                return self._column(table, node.integer("fieldnum"), owner).sources
        return self._expression(argument, scope)

    def _sublink(self, node: Node, scope: Scope) -> Columns:
        query = node.node("subselect")
        if query is None or query.type != "QUERY":
            raise NodeTreeError("a subquery is missing")
        found = union(self._query(query, scope))
        sources = self._under(found, node.fields.get("testexpr"), scope)
        link = node.integer("subLinkType")
        # More than one row may be an error; and one that runs, or runs on, for a value's sake alone
        # tells of it by the time it takes, which a time-out makes an error too.
        self._flowed("syntax.subquery()", sources)
        if link == _ARRAY_SUBLINK:
            self._flowed("syntax.array()", found)  # it has a size that it must keep to
        # EXISTS: whether there is a row is in the influences.
        return sources if link == 0 else sources | found

    def _cursor(self, node: Node, scope: Scope) -> Columns:
        raise NodeTreeError("WHERE CURRENT OF is not supported")

    def _grows(self, signature: str, node: Node, sources: Columns) -> None:
        """A value is put together of those in ``node``."""
        self._flowed(signature, sources)
        if node.type == "OPEXPR":
            self._pieces[-1] += 1
        else:
            self._pieces[-1] += sum(part.type in _LEAVES for part in nodes(node))

    # --- types --------------------------------------------------------------------------------

    def _type(self, value: Value, scope: Scope) -> int:
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

    def _sublink_type(self, node: Node, scope: Scope) -> int:
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


_SPECIAL: Final = {
    "CASEEXPR": Expressions._case,
    "COALESCEEXPR": Expressions._coalesce,
    "BOOLEXPR": Expressions._boolean,
    "AGGREF": Expressions._aggregate,
    "WINDOWFUNC": Expressions._aggregate,
    "GROUPINGFUNC": Expressions._grouping,
    "FIELDSELECT": Expressions._field,
    "SUBLINK": Expressions._sublink,
    "CURRENTOFEXPR": Expressions._cursor,
}
