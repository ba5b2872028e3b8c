"""Where a statement may use tokens: as equality with a column of their kind, and nowhere else.

A column whose values come as tokens tells which of them are equal; that is what tokens are for. So
a comparison that asks for no more (see :mod:`hoopgate.sql.equality`) tells nothing new of it, as
long as what it is compared with is a token too: a free value would be a guess, and the answer would
say whether it is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hoopgate.events import ColumnRef, Judged, Resolution, Statement, StatementFacts
from hoopgate.phi.labels import LabelSet
from hoopgate.phi.tokens import TOKEN
from hoopgate.plans import Method, TokenUse
from hoopgate.settings.model import Label, LabelClass
from hoopgate.sql.equality import at
from hoopgate.verdicts import Block

NONE: Final[Mapping[int, str]] = {}
_IN_A_VALUE: Final = re.compile(TOKEN.pattern.encode())


@dataclass(frozen=True, slots=True)
class Settled:
    """A statement's resolution without what its tokens may look at.

    :ivar uses: parameters that take tokens, those in the place of literals left out.
    :ivar kinds: of the tokens it uses.
    :ivar welcome: kinds of tokens that may be bound to it, and other values as well.
    :ivar block: why one may not stand where it does.
    """

    resolution: Resolution
    uses: tuple[TokenUse, ...] = ()
    kinds: frozenset[str] = frozenset()
    welcome: frozenset[str] = frozenset()
    block: Block | None = None


def literals(judged: Judged, index: int) -> Mapping[int, str]:
    """Kinds of the tokens in a statement's text, by the parameter in their place."""
    return judged.tokens[index] if index < len(judged.tokens) else NONE


def settle(
    facts: StatementFacts, resolution: Resolution, labels: LabelSet, tokens: Mapping[int, str]
) -> Settled:
    """Take out of a resolution what tokens of the right kind are compared with.

    :param tokens: see :func:`literals`.
    """
    marked = {column for column in columns_of(resolution) if column.against}
    if not marked and not tokens:
        return Settled(resolution)
    uses: dict[int, TokenUse] = {}
    allowed: set[ColumnRef] = set()
    for number, columns in _by_parameter(marked).items():
        use = _use(number, columns, facts, resolution, labels, tokens)
        if use is not None:
            uses[number] = use
            allowed |= columns
        elif number in tokens:
            return Settled(resolution, block=_misplaced(tokens[number], min(map(str, columns))))
    for number in tokens:
        if number not in uses:
            return Settled(resolution, block=_misplaced(tokens[number]))
    allowed |= {column for column in marked if _joins(column, labels)}
    kinds = frozenset(use.kind for use in uses.values() if use.required or use.number in tokens)
    bound = tuple(use for number, use in sorted(uses.items()) if number not in tokens)
    welcome = frozenset(use.kind for use in bound if not use.required)
    return Settled(without(resolution, allowed) if allowed else resolution, bound, kinds, welcome)


def bound(statement: object) -> bool:
    """Whether a token may be among the values that are bound to a statement."""
    values = statement.parameters if isinstance(statement, Statement) and statement.binds else None
    return any(value is not None and _IN_A_VALUE.search(value) for _, value in values or ())


def unread(tokens: Mapping[int, str]) -> Block:
    """Why tokens may not stand in a statement that nobody has read, or that keeps its own text: a
    setting, EXECUTE's arguments, a default, a view."""
    return _misplaced(min(tokens.values()))


def columns_of(resolution: Resolution) -> Iterator[ColumnRef]:
    """Every column that a resolution says is looked at."""
    yield from resolution.influences
    yield from resolution.aggregated
    yield from resolution.stored
    for columns in resolution.flows.values():
        yield from columns
    for output in resolution.columns or ():
        yield from output.sources


def _by_parameter(marked: set[ColumnRef]) -> dict[int, set[ColumnRef]]:
    found: dict[int, set[ColumnRef]] = {}
    for column in marked:
        if column.against.startswith("$"):
            found.setdefault(int(column.against[1:]), set()).add(column)
    return found


def _use(
    number: int,
    columns: set[ColumnRef],
    facts: StatementFacts,
    resolution: Resolution,
    labels: LabelSet,
    tokens: Mapping[int, str],
) -> TokenUse | None:
    """How a parameter takes a token; None when it may not."""
    kinds: set[str] = set()
    required = False
    for column in columns:
        label = labels.lookup(column)
        if column.derived and not _hides(label):
            continue  # it stands beside what it is made of
        if label is None or label.method is not Method.TOKEN:
            return None
        kinds.add(label.kind)
        required = required or label.level is LabelClass.SECRET
    # A value that is used elsewhere, too, would come out there.
    if len(kinds) != 1 or number in resolution.loose:
        return None
    kind = kinds.pop()
    if number in tokens:
        if tokens[number] != kind:
            return None
    elif facts.kind == "prepare":
        return None  # what EXECUTE gives it is not looked at
    types = resolution.parameter_types
    type_ = types[number - 1] if number <= len(types) else 0
    return TokenUse(number, kind, type_, required)


def _joins(column: ColumnRef, labels: LabelSet) -> bool:
    """Whether a column may be compared with the columns it is compared with."""
    own = labels.lookup(column)
    if own is None or (column.derived and not _hides(own)):
        return column.derived
    others = at(column.against)
    kinds: set[str] = set()
    for other in others:
        label = labels.lookup(other)
        if other.derived and not _hides(label):
            continue
        if label is None or label.method is not Method.TOKEN or not label.joins:
            return False
        kinds.add(label.kind)
    return own.method is Method.TOKEN and own.joins and kinds == {own.kind}


def _hides(label: Label | None) -> bool:
    return label is not None and label.level is not LabelClass.PUBLIC


def without(resolution: Resolution, allowed: set[ColumnRef]) -> Resolution:
    """A resolution as if nothing of ``allowed`` were looked at."""
    columns = resolution.columns
    return replace(
        resolution,
        influences=resolution.influences - allowed,
        aggregated=resolution.aggregated - allowed,
        stored=resolution.stored - allowed,
        flows={name: found - allowed for name, found in resolution.flows.items()},
        columns=None
        if columns is None
        else tuple(
            replace(one, sources=one.sources - allowed) if one.sources & allowed else one
            for one in columns
        ),
    )


def _misplaced(kind: str, subject: str = "") -> Block:
    return Block(
        "phi/token",
        "phi.token",
        f"A token of kind {kind} may only be compared for equality with a column of that kind.",
        f"Write it as column = '[{kind}:…]' or column IN (…), and use it for nothing else.",
        subject,
    )
