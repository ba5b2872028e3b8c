"""Expressions of which a date's year may be shown, because the year is all that they are made of.

What is generalised shows a date's year, so a value that is a function of years alone tells no more.
Three forms of expressions are, or have in them, nothing else:

- ``DATE``: a date or timestamp whose own year is a function of the years of dates, and never a
  later one than theirs but by taking another date's: ``date_trunc('month', d)``, ``min(d)``,
  ``coalesce(d, e)``. It is generalised as a date itself is.
- ``YEAR``: the year itself, a number or its first day, ``extract(year FROM d)``.
- ``WHOLE``: anything that is computed of years, ``extract(year FROM d) - 1``.

``ZONED`` is ``WHOLE`` where a date became an instant on the way, as in ``date_trunc('year', d)``:
midnight in the session's time zone. In that one call it is in the date's year; where the instant
is computed by itself, and kept while a cursor waits, the session may have gone to another zone.

All else, and whatever is not listed, is of no form: it comes out as a constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hoopgate.sql.catalogue import ALIASES, Catalogue
from hoopgate.sql.constants import WITHIN_YEARS, YEAR_FORMAT, YEARS, word
from hoopgate.sql.flows import NONE, Columns, Flow, Scope, nodes
from hoopgate.sql.nodetree import Node, Value

DATE, YEAR, WHOLE, ZONED = "date", "year", "whole", "zoned"
FORMS: Final = (DATE, YEAR, WHOLE, ZONED)
_OPEN: Final = "open"  #: it has a subquery in it, of which is not known here what it reads
#: OIDs of date and timestamp. A timestamptz has another year in another zone.
DATES: Final = (1082, 1114)

_TIMESTAMP, _INSTANT = "timestamp without time zone", "timestamp with time zone"
_TRUNCATE: Final = f"pg_catalog.date_trunc(text, {_TIMESTAMP})"
_TRUNCATE_INSTANT: Final = f"pg_catalog.date_trunc(text, {_INSTANT})"
_WRITE: Final = f"pg_catalog.to_char({_TIMESTAMP}, text)"
_WRITE_INSTANT: Final = f"pg_catalog.to_char({_INSTANT}, text)"
_PARTS: Final = frozenset(
    f"pg_catalog.{name}(text, {type_})"
    for name in ("extract", "date_part")
    for type_ in ("date", _TIMESTAMP)
)
_MIDNIGHT: Final = "pg_catalog.timestamptz(date)"
#: The same date, and the same number, in another type.
_SAME: Final = frozenset(
    {
        f"pg_catalog.date({_TIMESTAMP})",
        "pg_catalog.timestamp(date)",
        *(
            f"pg_catalog.{name}({type_})"
            for name in ("int2", "int4", "int8", "numeric", "float8")
            for type_ in ("smallint", "integer", "bigint", "numeric", "double precision")
        ),
    }
)
_CHOOSING: Final = frozenset({"pg_catalog.min", "pg_catalog.max"})
#: Window functions that take another row's value.
_TAKING: Final = _CHOOSING | {
    f"pg_catalog.{name}" for name in ("first_value", "last_value", "nth_value", "lag", "lead")
}
_EXPRESSION_SUBLINK: Final = 4  # SubLinkType of primnodes.h


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an expression.

    :ivar form: see above; "" for none.
    :ivar columns: whose years it is made of; disjoint with ``others``.
    :ivar others: columns that it depends on in another way.
    """

    form: str = ""
    columns: Columns = NONE
    others: Columns = NONE


_LOST: Final = Kept(_OPEN)
_NOTHING: Final = Kept()


def kept_of(flow: Flow, type_: int) -> Kept:
    """What is known of a column of a query or a table."""
    if flow.form:
        return Kept(flow.form, flow.kept, flow.sources - flow.kept)
    if flow.direct and type_ in DATES and flow.sources:
        return Kept(DATE, flow.sources)
    return Kept("", NONE, flow.sources)


def either(parts: Iterable[Kept], others: Columns = NONE) -> Kept:
    """One of several values, which of them is for ``others`` to say."""
    form, columns = "", NONE
    for part in parts:
        if part.form == _OPEN or form == _OPEN:
            return _LOST
        if part.form:
            form = part.form if form in ("", part.form) else _JOINED.get((form, part.form), "no")
        columns |= part.columns
        others |= part.others
    return _made(form, columns, others)


_JOINED: Final = {
    (DATE, YEAR): DATE,
    (YEAR, DATE): DATE,
    **{(one, WHOLE): WHOLE for one in (YEAR, WHOLE)},
    **{(WHOLE, one): WHOLE for one in (YEAR, WHOLE)},
    **{(one, ZONED): ZONED for one in (YEAR, WHOLE, ZONED)},
    **{(ZONED, one): ZONED for one in (YEAR, WHOLE, ZONED)},
}


def _made(form: str, columns: Columns, others: Columns) -> Kept:
    if form not in FORMS or columns & others:
        return Kept("", NONE, columns | others)
    return Kept(form, columns, others)


def _computed(parts: Iterable[Kept]) -> Kept:
    """What is computed of several values."""
    form, columns, others = "", NONE, NONE
    for part in parts:
        if part.form == _OPEN:
            return _LOST
        if part.form == DATE or form == DATE:
            form = DATE  # of a date more than its year may show
        elif part.form:
            form = ZONED if ZONED in (form, part.form) else WHOLE
        columns |= part.columns
        others |= part.others
    return _made("" if form == DATE else form, columns, others)


class Years:
    """Finds the form of an expression."""

    catalogue: Catalogue

    def __init__(self) -> None:
        self._midnights: set[int] = set()  #: nodes of dates made instants in the one good place
        self.adrift = False  #: there is another one

    def _variable(self, node: Node, scope: Scope) -> Flow:
        raise NotImplementedError

    def _query(self, node: Node, parent: Scope | None) -> list[Flow]:
        raise NotImplementedError

    def _step(self) -> None:
        raise NotImplementedError

    def _zoned(self, node: Node) -> None:
        """Note whether a call makes an instant of a date; calls are read before their arguments."""
        signature = self._signature(node)
        if signature == _MIDNIGHT:
            self.adrift |= id(node) not in self._midnights
        elif signature in (_TRUNCATE_INSTANT, _WRITE_INSTANT):
            self._midnights.update(map(id, node.nodes("args")))

    def _signature(self, node: Node) -> str:
        known = self.catalogue.functions.get(node.integer("funcid", 0))
        return "" if known is None else known.signature

    def _kept(self, value: Value, scope: Scope) -> Kept:
        if not isinstance(value, Node):
            return _NOTHING if value is None or isinstance(value, str) else _LOST
        self._step()
        kind = ALIASES.get(value.type, value.type)
        if kind == "VAR":
            flow = self._variable(value, scope)
            if value.integer("varattno") == 0:
                return Kept("", NONE, flow.sources)
            return kept_of(flow, value.integer("vartype", 0))
        read = _READ.get(kind)
        return self._named(value, scope) if read is None else read(self, value, scope)

    def _named(self, value: Value, scope: Scope) -> Kept:
        """An expression of no form, with all columns in it."""
        others = NONE
        for node in nodes(value):
            if node.type == "QUERY":
                return _LOST
            if node.type == "VAR":
                others |= self._variable(node, scope).sources
        return Kept("", NONE, others)

    def _inside(self, node: Node, scope: Scope) -> Kept:
        return self._kept(node.fields.get("expr" if node.type == "TARGETENTRY" else "arg"), scope)

    def _operation(self, node: Node, scope: Scope) -> Kept:
        arguments = node.nodes("args") if "args" in node.fields else [node.node("arg")]
        if node.true("opretset"):
            return self._named(arguments, scope)  # type: ignore[arg-type]
        return _computed([self._kept(one, scope) for one in arguments])

    def _choice(self, node: Node, scope: Scope) -> Kept:
        return either([self._kept(one, scope) for one in node.nodes("args")])

    def _cases(self, node: Node, scope: Scope) -> Kept:
        whens = node.nodes("args")
        asked = self._named([node.fields.get("arg"), *(w.fields.get("expr") for w in whens)], scope)
        values = [*(when.fields.get("result") for when in whens), node.fields.get("defresult")]
        return either([asked, *(self._kept(one, scope) for one in values)])

    def _call_kept(self, node: Node, scope: Scope) -> Kept:
        arguments = node.nodes("args")
        if node.true("funcretset"):
            return self._named(node.fields.get("args"), scope)
        signature = self._signature(node)
        parts = [self._kept(one, scope) for one in arguments]
        if signature in _SAME and parts[0].form in (DATE, YEAR):
            return parts[0]
        form = self._form(signature, arguments, parts, scope)
        if form is None:
            return _computed(parts)
        return _made(form[0], form[1].columns, form[1].others)

    def _form(
        self, signature: str, arguments: list[Node], parts: list[Kept], scope: Scope
    ) -> tuple[str, Kept] | None:
        """The form of a call of its own kind; None where it is computed as any other."""
        if signature in (_TRUNCATE_INSTANT, _WRITE_INSTANT):
            place = 0 if signature == _WRITE_INSTANT else 1
            made = arguments[place]
            if made.type != "FUNCEXPR" or self._signature(made) != _MIDNIGHT:
                return None
            day, unit = self._kept(made.nodes("args")[0], scope), word(arguments[1 - place])
            fine = unit == YEAR_FORMAT if place == 0 else unit in YEARS
            return (ZONED, day) if day.form == DATE and fine else None
        if signature == _WRITE:
            fine = parts[0].form == DATE and word(arguments[1]) == YEAR_FORMAT
            return (WHOLE, parts[0]) if fine else None
        if signature != _TRUNCATE and signature not in _PARTS:
            return None
        unit, day = word(arguments[0]), parts[1]
        if day.form not in (DATE, YEAR):
            return None
        if signature == _TRUNCATE:
            if unit in YEARS or (unit in WITHIN_YEARS and day.form == YEAR):
                return YEAR, day
            return (DATE, day) if unit in WITHIN_YEARS else None
        if unit == "year":
            return YEAR, day
        return (WHOLE, day) if unit in YEARS else None

    def _aggregated(self, node: Node, scope: Scope) -> Kept:
        window = "winfnoid" in node.fields
        function = self.catalogue.functions.get(node.integer("winfnoid" if window else "aggfnoid"))
        if function is None or function.name not in (_TAKING if window else _CHOOSING):
            return self._named(list(node.fields.values()), scope)
        arguments = node.nodes("args")
        asked = self._named([node.fields.get("aggfilter"), *arguments[1:2]], scope)
        values = [*arguments[:1], *arguments[2:]]
        return either([asked, *(self._kept(one, scope) for one in values)])

    def _subquery(self, node: Node, scope: Scope) -> Kept:
        query = node.node("subselect")
        if node.integer("subLinkType") != _EXPRESSION_SUBLINK or query is None:
            return _LOST
        flow = self._query(query, scope)[0]
        return kept_of(flow, flow.type)


_READ: Final = {
    "RELABELTYPE": Years._inside,
    "COLLATEEXPR": Years._inside,
    "TARGETENTRY": Years._inside,
    "COERCEVIAIO": Years._operation,
    "OPEXPR": Years._operation,
    "FUNCEXPR": Years._call_kept,
    "COALESCEEXPR": Years._choice,
    "MINMAXEXPR": Years._choice,
    "CASEEXPR": Years._cases,
    "AGGREF": Years._aggregated,
    "WINDOWFUNC": Years._aggregated,
    "SUBLINK": Years._subquery,
}
#: Kinds of expressions that may have a form.
FORMED: Final = frozenset(_READ)
