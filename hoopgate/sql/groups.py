"""Where a statement promises by itself that groups below a size do not show.

``HAVING count(DISTINCT patient) FILTER (WHERE weight IS NOT NULL) >= 11`` is such a promise: no
group comes out of which fewer than eleven patients have a weight. It is worth something only where
each row is in one group, and counts once there, so that no weighing singles a patient out:

- the statement is one SELECT from one table with GROUP BY, no grouping sets, nothing above it;
- other tables only say more of that table's rows: each is joined by the whole of a unique key;
- the aggregate is one of :data:`SMOOTH`, over a column of that table as it is, with no DISTINCT,
  FILTER or ORDER BY of its own. Smallest, largest and collected values are single patients'.

Pure: what is found here are facts of the server's tree. Whether the count is high enough, and the
column a patient's identity, is for the labels and the settings to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.sql.catalogue import Catalogue
from hoopgate.sql.constants import integer
from hoopgate.sql.equality import at, equality, places
from hoopgate.sql.nodetree import Node, Value

_FUNCTIONS: Final = {
    "count": ('"any"',),
    "avg": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "sum": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
}
_SPREADS: Final = (
    "stddev stddev_pop stddev_samp variance var_pop var_samp".split()  # noqa: SIM905
)
#: Aggregates of which every value has its share, and none shows as it is.
SMOOTH: Final = frozenset(
    f"pg_catalog.{name}({type_})"
    for name, types in (_FUNCTIONS | dict.fromkeys(_SPREADS, _FUNCTIONS["avg"])).items()
    for type_ in types
)
#: Casts between numbers that cannot fail: an aggregate may be over one of these.
_CASTS: Final = frozenset(
    {
        "pg_catalog.int4(boolean)",
        "pg_catalog.int4(smallint)",
        "pg_catalog.int8(smallint)",
        "pg_catalog.int8(integer)",
        *(
            f"pg_catalog.{to}({type_})"
            for to in ("numeric", "float8")
            for type_ in ("smallint", "integer", "bigint")
        ),
    }
)
_AT_LEAST: Final = {
    "pg_catalog.int84ge(bigint, integer)": 0,
    "pg_catalog.int8ge(bigint, bigint)": 0,
    "pg_catalog.int84gt(bigint, integer)": 1,
    "pg_catalog.int8gt(bigint, bigint)": 1,
}
_COUNT: Final = 'pg_catalog.count("any")'
_IS_NOT_NULL: Final = 1  # NullTestType of primnodes.h
_INNER, _LEFT = 0, 1  # JoinType of nodes.h
_TABLE: Final = 0  # RTEKind of parsenodes.h


@dataclass(frozen=True, slots=True)
class Floor:
    """One count of patients that HAVING asks for.

    :ivar condition: its node in HAVING.
    :ivar least: patients.
    :ivar relation: OID of the table.
    :ivar patient: the attribute that says who they are.
    :ivar covered: attributes that have a value in every row counted.
    """

    condition: Node
    least: int
    relation: int
    patient: int
    covered: frozenset[int]


class Groups:
    """What a statement promises of its groups.

    :ivar query: whose groups they are.
    :ivar floors: empty when it promises nothing.
    """

    def __init__(self, query: Node, catalogue: Catalogue) -> None:
        self.query = query
        self._relation = 0
        self.floors: tuple[Floor, ...] = ()
        self._catalogue = catalogue
        self._number = 0
        if query.fields.get("havingQual") is None or not self._plain():
            return
        conditions = list(_conjuncts(query.fields.get("havingQual")))
        self.floors = tuple(floor for floor in map(self._floor, conditions) if floor is not None)

    def condition(self, value: Value) -> Floor | None:
        """The floor that a part of HAVING is."""
        return next((one for one in self.floors if one.condition is value), None)

    def conjuncts(self) -> list[Value]:
        """The parts of HAVING."""
        return list(_conjuncts(self.query.fields.get("havingQual")))

    def floor_of(self, aggregate: Node) -> Floor | None:
        """The highest floor under an aggregate's only argument; None: nothing is promised of it."""
        if not self.floors or not self._called(aggregate, SMOOTH):
            return None
        if aggregate.fields.get("aggfilter") is not None or aggregate.nodes("aggdistinct"):
            return None
        attribute = self._attribute(_argument(aggregate), casts=True)
        found = [floor for floor in self.floors if attribute in floor.covered]
        return max(found, key=lambda floor: floor.least, default=None)

    # --- the statement ------------------------------------------------------------------------

    def _plain(self) -> bool:
        query = self.query
        if query.integer("commandType") != 1 or query.node("setOperations") is not None:
            return False
        if query.nodes("groupingSets") or query.nodes("rowMarks"):
            return False
        if any(query.true(flag) for flag in ("hasTargetSRFs", "hasModifyingCTE", "hasForUpdate")):
            return False
        return self._joined()

    def _joined(self) -> bool:
        """Whether FROM is one table, and others that say more of its rows."""
        root = self.query.node("jointree")
        if root is None:
            return False
        order: list[int] = []
        equal: list[tuple[Value, Value]] = list(self._equal(root.fields.get("quals"), None))
        for item in root.nodes("fromlist"):
            if not self._members(item, order, equal):
                return False
        tables = self.query.nodes("rtable")
        for number in order:
            table = tables[number - 1]
            if table.integer("rtekind") != _TABLE or table.node("tablesample") is not None:
                return False
        if not order:
            return False
        self._number = order[0]
        self._relation = tables[self._number - 1].integer("relid")
        if self._catalogue.relations[self._relation].kind not in "rp":
            return False
        attached = {self._number}
        waiting = order[1:]
        while waiting:
            ready = [one for one in waiting if self._by_key(one, attached, equal)]
            if not ready:
                return False
            attached.update(ready)
            waiting = [one for one in waiting if one not in attached]
        return True

    def _members(self, item: Node, order: list[int], equal: list[tuple[Value, Value]]) -> bool:
        """Tables of a FROM item, from the left, and what their joins say is equal."""
        if item.type == "RANGETBLREF":
            order.append(item.integer("rtindex"))
            return True
        if item.type != "JOINEXPR" or item.integer("jointype") not in (_INNER, _LEFT):
            return False
        left, right = item.node("larg"), item.node("rarg")
        if left is None or right is None or right.type != "RANGETBLREF":
            return False
        if not self._members(left, order, equal):
            return False
        order.append(right.integer("rtindex"))
        # A condition of LEFT JOIN chooses rows of the right side alone.
        only = right.integer("rtindex") if item.integer("jointype") == _LEFT else None
        equal.extend(self._equal(item.fields.get("quals"), only))
        return True

    def _equal(self, condition: Value, only: int | None) -> Iterator[tuple[Value, Value]]:
        """Pairs (a table's column, what it equals) among the parts of a condition.

        :param only: the number of the one table whose rows it chooses.
        """
        for part in _conjuncts(condition):
            if not isinstance(part, Node) or part.type != "OPEXPR":
                continue
            sides = equality("OPEXPR", part, self._catalogue)
            for one, other in ((0, 1), (1, 0)) if sides is not None else ():
                assert sides is not None
                column = _column(sides[one])
                if column is not None and only in (None, column[0]):
                    yield sides[one], sides[other]

    def _by_key(self, number: int, attached: set[int], equal: list[tuple[Value, Value]]) -> bool:
        """Whether a row of what is attached meets one row of a table at most."""
        fixed = set()
        for value, other in equal:
            column, source = _column(value), _column(other)
            if column is None or column[0] != number:
                continue
            if (source is not None and source[0] in attached) or _constant(other):
                fixed.add(column[1])
        table = self.query.nodes("rtable")[number - 1]
        relation = self._catalogue.relations[table.integer("relid")]
        if relation.kind != "p" and (relation.kind != "r" or relation.children):
            return False
        return any(index.key and index.key <= fixed for index in relation.indexes)

    # --- HAVING -------------------------------------------------------------------------------

    def _floor(self, value: Value) -> Floor | None:
        if not isinstance(value, Node) or value.type != "OPEXPR":
            return None
        number = value.integer("opfuncid", 0)
        number = number or self._catalogue.operators.get(value.integer("opno", 0), 0)
        function = self._catalogue.functions.get(number)
        more = _AT_LEAST.get(function.signature) if function is not None else None
        arguments = value.fields.get("args")
        if more is None or not isinstance(arguments, list) or len(arguments) != 2:
            return None
        count, least = arguments[0], integer(arguments[1])
        if least is None or not isinstance(count, Node) or not self._called(count, {_COUNT}):
            return None
        if len(count.nodes("aggdistinct")) != 1:
            return None
        patient = self._attribute(_argument(count), casts=False)
        covered = {
            self._attribute(part.fields.get("arg"), casts=False)
            for part in _conjuncts(count.fields.get("aggfilter"))
            if isinstance(part, Node)
            and part.type == "NULLTEST"
            and part.integer("nulltesttype") == _IS_NOT_NULL
            and not part.true("argisrow")
        }
        found = frozenset(one for one in covered if one is not None)
        if patient is None or not found:
            return None
        if len(list(_conjuncts(count.fields.get("aggfilter")))) != len(found):
            return None  # it asks for something else, too
        return Floor(value, least + more, self._relation, patient, found)

    def _called(self, node: Node, signatures: frozenset[str] | set[str]) -> bool:
        if node.type != "AGGREF" or node.integer("agglevelsup", 0) != 0:
            return False
        if node.nodes("aggorder") or node.nodes("aggdirectargs") or node.true("aggvariadic"):
            return False
        function = self._catalogue.functions.get(node.integer("aggfnoid"))
        return function is not None and function.signature in signatures

    def _attribute(self, value: Value, *, casts: bool) -> int | None:
        """The attribute of the aggregated table that an expression is."""
        if casts and isinstance(value, Node) and value.type == "FUNCEXPR":
            function = self._catalogue.functions.get(value.integer("funcid"))
            arguments = value.fields.get("args")
            if (
                function is None
                or function.signature not in _CASTS
                or not isinstance(arguments, list)
                or len(arguments) != 1
            ):
                return None
            value = arguments[0]
        column = _column(value)
        return column[1] if column is not None and column[0] == self._number else None


def promised(
    sources: Iterable[ColumnRef], floor: Floor, patient: Iterable[ColumnRef]
) -> frozenset[ColumnRef]:
    """``sources``, each as one that nothing is seen of but over so many patients."""
    mark = f"{floor.least}\2{places(patient)}"
    return frozenset(replace(one, grouped=mark) for one in sources)


def promise(column: ColumnRef) -> tuple[int, list[ColumnRef]]:
    """Over how many patients it is seen, and what says who they are."""
    least, _, patient = column.grouped.partition("\2")
    return int(least), at(patient)


def _conjuncts(value: Value) -> Iterator[Value]:
    if isinstance(value, Node) and value.type == "BOOLEXPR" and value.text("boolop") == "and":
        arguments = value.fields.get("args")
        for one in arguments if isinstance(arguments, list) else []:
            yield from _conjuncts(one)
    elif value is not None:
        yield value


def _argument(aggregate: Node) -> Value:
    arguments = aggregate.nodes("args")
    return arguments[0].fields.get("expr") if len(arguments) == 1 else None


def _column(value: Value) -> tuple[int, int] | None:
    """Number of the table and of the attribute of a column of this query."""
    if not isinstance(value, Node) or value.type != "VAR":
        return None
    if value.integer("varlevelsup", 0) != 0 or value.integer("varattno") <= 0:
        return None
    return value.integer("varno"), value.integer("varattno")


def _constant(value: Value) -> bool:
    return isinstance(value, Node) and value.type == "CONST"
