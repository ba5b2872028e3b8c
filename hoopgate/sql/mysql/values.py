"""What an expression depends on: one method for each kind of expression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.sql import equality
from hoopgate.sql.mysql import comparisons, functions, widths
from hoopgate.sql.mysql.scopes import (
    BINARY,
    COLLATED,
    MARKS,
    NARROW,
    NOTHING,
    WIDE,
    Columns,
    Flow,
    Scope,
    either,
    same,
)
from hoopgate.sql.mysql.tree import Expression, Name, Query

#: Expressions looked at; names can be chosen so that it were 2^n.
MOST_STEPS: Final = 200_000
#: Reported for whatever reads bytes together with texts, or converts a text to a character set that
#: may not have its characters.
MIXED: Final = "syntax.mixed()"
#: Reported for what is so long that sorting may fail.
LONG: Final = "syntax.sorted()"
#: Reported for a query that is a value: it fails where it has several rows, or something in it.
SUBQUERY: Final = "syntax.subquery()"
#: Reported for whatever has a type that the value of a query may decide.
FOLDED: Final = "syntax.folded()"
_BYTES: Final = ("0x", "x'", "0b", "b'", "_binary")
#: Reported for whatever works on a value in a statement that writes: strict mode makes the
#: warnings errors.
STRICT: Final = "syntax.strict()"


class Values:
    """Collects what expressions depend on."""

    def __init__(self, *, writes: bool, parameters: bool, mysql: bool) -> None:
        self._writes = writes
        self._mysql = mysql
        self._parameters = parameters  #: NULL may stand for one
        self.influences: set[ColumnRef] = set()
        self.aggregated: set[ColumnRef] = set()
        self.flows: dict[str, set[ColumnRef]] = {}
        self._steps = 0

    def _query(self, query: Query, outer: Scope, control: Columns) -> list[tuple[str, Flow]]:
        raise NotImplementedError

    def flowed(self, name: str, sources: Columns) -> None:
        """These columns reach the function or operator, or decide whether it runs."""
        self.flows.setdefault(name, set()).update(sources)
        if self._writes and sources and functions.classify(name) == functions.TOTAL:
            self.flows.setdefault(STRICT, set()).update(sources)

    def _sorted(self, columns: Iterable[tuple[str, Flow]]) -> None:
        """These values are in rows that are sorted."""
        made = [flow for _, flow in columns if flow.sources and not flow.direct]
        if self._mysql and sum(flow.width for flow in made) > widths.SORTED:
            self.flowed(LONG, either(made).sources)

    def _union(self, expressions: Iterable[Expression], scope: Scope) -> Columns:
        return NOTHING.union(
            *(self._expression(one, scope, NOTHING).sources for one in expressions)
        )

    def _expression(self, node: Expression, scope: Scope, control: Columns) -> Flow:
        """The flow of an expression.

        :param control: columns that decide whether it is evaluated at all: functions stop at the
            first NULL, and an error that does not come is an answer, too.
        """
        key = id(node), control
        found = scope.known.get(key)
        if found is None:
            found = scope.known[key] = self._evaluated(node, scope, control)
        return found

    def _evaluated(self, node: Expression, scope: Scope, control: Columns) -> Flow:
        self._step()
        if node.kind == "column":
            flow = self._column(node.parts, scope)
            for name in flow.calls if control else ():
                self.flowed(name, control)
            return flow
        if node.kind == "literal" and node.name.lower().startswith(_BYTES):
            return Flow(frozenset({BINARY}), width=len(node.name))
        if node.kind in ("literal", "parameter", "variable"):
            given = node.kind == "parameter" or (node.name == "NULL" and self._parameters)
            wide = given or node.name.startswith("_") or not node.name.isascii()
            return Flow(
                frozenset({WIDE}) if wide else NOTHING,
                width=widths.of_literal(node, parameters=self._parameters),
            )
        if node.kind == "query":
            assert node.query is not None
            own = Scope(scope, scope.common)
            columns = self._query(node.query, own, control)
            value = either(() if node.name == "exists" else (flow for _, flow in columns))
            folded = not self._mysql and (value.folded or not own.correlated)
            return Flow(value.sources, False, frozenset({SUBQUERY}), value.width, folded)
        if node.kind == "star":
            raise UnresolvableStatement("resolve.unknown", "A column list is not written out.")
        return self._applied(node, scope, control)

    def _applied(self, node: Expression, scope: Scope, control: Columns) -> Flow:
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
                others = NOTHING.union(*(f.sources for i, f in enumerate(flows) if i != index))
                lazy = one.kind not in ("column", "literal", "parameter") or flows[index].calls
                if lazy and not others <= control:
                    self._expression(one, scope, control | others)
        sources = NOTHING.union(*(flow.sources for flow in flows))
        keys = NOTHING
        if node.keys and node.keys is not arguments:
            keys = self._union(node.keys, scope)
        if node.windowed:
            if node.parts:
                keys |= self._named_window(node.parts[0], scope)
            self.influences |= keys
        name = node.name
        if functions.classify(name) == functions.AGGREGATE:
            self.aggregated |= sources | keys
        mixes = self._mixes(node, flows) or _narrows(node, flows)
        if mixes:
            self.flowed(MIXED, sources | control)
        if name == "match":
            self.influences |= sources  # rows come by how well they match
        if name == "last_insert_id" and arguments:
            name = "last_insert_id()"  # it keeps the value: not on the list
        self.flowed(name, sources if name in functions.CALM else sources | control)
        folded = NOTHING.union(*(flow.sources for flow in flows if flow.folded))
        if folded and (name not in functions.TYPED or not sources.isdisjoint(MARKS)):
            self.flowed(FOLDED, folded)
        constant = all(flow.folded or flow.sources <= MARKS for flow in flows)
        if name in functions.BINARY:
            sources |= {BINARY}
        elif name in functions.PLAIN:
            sources -= MARKS
        if name in functions.WORDY:
            sources |= {WIDE}
        if name == "collate" and not node.parts[0].startswith("utf8mb4"):
            sources |= {COLLATED}
        calls = frozenset[str]().union(*(flow.calls for flow in flows))
        if name not in functions.CALM and functions.classify(name) != functions.TOTAL:
            calls |= {name}
        if mixes:
            calls |= {MIXED}
        width = widths.of_call(node, [flow.width for flow in flows])
        return Flow(sources | keys, False, calls, width, bool(folded) and constant)

    def _mixes(self, node: Expression, flows: list[Flow]) -> bool:
        """Whether a binary string may be read as text, or a text be put together with one."""
        binary = [BINARY in flow.sources for flow in flows]
        if node.name == "if":
            binary = binary[1:]  # what is only tested is not read
        if node.name in functions.BYTEWISE or not any(binary):
            return False
        # What is compared with a constant, a BIT with 1, is not either.
        others = [
            one for one, is_binary in zip(node.arguments, binary, strict=False) if not is_binary
        ]
        return node.name not in functions.CALM or any(one.kind != "literal" for one in others)

    def _equality(self, node: Expression, scope: Scope) -> Columns | None:
        """What is looked at by a comparison for equality of a column with parameters or another
        column; None when ``node`` is none."""
        sides = comparisons.sides(node)
        if sides is None:
            return None
        column, others = sides
        own = self._column(column.parts, scope)
        if not own.direct:
            return None
        values = own.sources - MARKS
        if all(one.kind == "parameter" and one.name for one in others):
            return equality.marked(values, (f"${one.name}" for one in others))
        if len(others) > 1 or others[0].kind != "column":
            return None
        other = self._column(others[0].parts, scope)
        if not other.direct:
            return None
        same = other.sources - MARKS
        return equality.marked(values, [equality.places(same)]) | equality.marked(
            same, [equality.places(values)]
        )

    def _named_window(self, name: str, scope: Scope) -> Columns:
        found = scope.windows.get(name)
        if found is None:
            raise UnresolvableStatement("resolve.unknown", "A window is not known.")
        return found

    def _column(self, parts: Name, scope: Scope) -> Flow:
        found, place = self._looked_up(parts, scope)
        if not found.sources <= MARKS:
            inner: Scope | None = scope
            while inner is not None and inner is not place:
                inner.correlated = True
                inner = inner.parent
        return found

    def _looked_up(self, parts: Name, scope: Scope) -> tuple[Flow, Scope]:
        """A column, and where it was found."""
        column = parts[-1].lower()
        place: Scope | None = scope
        while place is not None:
            if len(parts) == 1:
                alias = place.aliases.get(column)
                if alias is not None:
                    return alias, place
                # A name that the server left bare is looked for in every table.
                everywhere = [t.columns[column] for t in place.tables if column in t.columns]
                if everywhere:
                    return either(everywhere), place
            named = [t.columns for t in place.tables if parts[:-1] and same(t, parts[:-1])]
            if named:
                found = [columns[column] for columns in named if column in columns]
                if not found:
                    raise UnresolvableStatement("resolve.unknown", "A column is not known.")
                # Two tables of one name in two schemas: it may be either's.
                return found[0] if len(found) == 1 else either(found), place
            place = place.parent
        raise UnresolvableStatement("resolve.unknown", "A column is not known.")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise UnresolvableStatement("resolve.size", "The query is too large to judge.")


def _narrows(node: Expression, flows: list[Flow]) -> bool:
    """Whether a text that is made for each row may be converted to a character set that does not
    have its characters. MySQL says by an error whether it had."""
    made = [
        NOTHING if one.kind in ("literal", "parameter") else flow.sources
        for one, flow in zip(node.arguments, flows, strict=True)
    ]
    for index, flow in enumerate(flows):
        others = NOTHING.union(*made[:index], *made[index + 1 :])
        if (NARROW in flow.sources and WIDE in others) or (COLLATED in flow.sources and others):
            return True
    return False
