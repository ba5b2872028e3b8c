"""What names mean at a place in a query: tables, their columns, and what flows into each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.sql.mysql.catalogue import SYSTEM, Relation, system_column
from hoopgate.sql.mysql.tree import Name
from hoopgate.sql.mysql.widths import SHORT

Columns = frozenset[ColumnRef]

NOTHING: Final[Columns] = frozenset()


@dataclass(frozen=True, slots=True)
class Flow:
    """A value.

    :ivar sources: the columns it can depend on.
    :ivar direct: it is one of them unchanged.
    :ivar width: bytes it has at most.
    :ivar folded: a query in it names nothing around it: MariaDB may run that one when it is asked
        which types the columns have.
    :ivar calls: what may fail when it is made. A server that puts a derived table or a view into
        the query makes its values where they are used, or does not.
    """

    sources: Columns
    direct: bool = False
    calls: frozenset[str] = frozenset()
    width: int = SHORT
    folded: bool = False


CONSTANT: Final = Flow(NOTHING)
#: These stand among the columns of a value, and are none. It may be a binary string;
BINARY: Final = ColumnRef("", "", "binary", True)
#: a text of a character set that does not have every character;
NARROW: Final = ColumnRef("", "", "narrow", True)
#: one whose character set was told by COLLATE, which all others are converted to;
COLLATED: Final = ColumnRef("", "", "collated", True)
#: a text that was made, not stored, of any characters.
WIDE: Final = ColumnRef("", "", "wide", True)
MARKS: Final[Columns] = frozenset({BINARY, NARROW, COLLATED, WIDE})


def either(flows: Iterable[Flow], *, direct: bool = False) -> Flow:
    """A value that is one of these, or is made of them."""
    known = list(flows)
    return Flow(
        NOTHING.union(*(flow.sources for flow in known)),
        direct,
        frozenset[str]().union(*(flow.calls for flow in known)),
        max((flow.width for flow in known), default=SHORT),
        any(flow.folded for flow in known),
    )


def narrows(target: Flow, other: Flow) -> bool:
    """Whether the other text may be converted to the character set of ``target``, which may not
    have its characters; where it is a constant, that is known before a row is read."""
    made = other.sources
    return not made <= MARKS and (
        COLLATED in target.sources or (NARROW in target.sources and WIDE in made)
    )


@dataclass(slots=True, eq=False)
class Table:
    """A member of FROM.

    :ivar schema: where it is stored; ``""``: nowhere.
    :ivar name: it has in the query.
    :ivar columns: by their names in lower case.
    """

    schema: str
    name: str
    columns: dict[str, Flow]


@dataclass(slots=True, eq=False)
class Scope:
    parent: Scope | None
    common: dict[str, dict[str, Flow]]
    tables: list[Table] = field(default_factory=list)
    aliases: dict[str, Flow] = field(default_factory=dict)
    windows: dict[str, Columns] = field(default_factory=dict)
    known: dict[tuple[int, Columns], Flow] = field(default_factory=dict)
    correlated: bool = False  #: a name in it is a column's of a query around it


def same(table: Table, named: Name) -> bool:
    """Whether a column's qualifier is this table's. The server may leave the schema out, and may
    write it before an alias."""
    system = table.schema.lower() in SYSTEM
    if len(named) > 1 and named[0] != table.schema:
        # MariaDB writes a schema of its own as the statement does, and before columns as it is.
        return system and named[0].lower() == table.schema.lower() and same(table, named[-1:])
    return table.name == named[-1] or (system and table.name.lower() == named[-1].lower())


def named(columns: list[tuple[str, Flow]], names: list[str]) -> dict[str, Flow]:
    """Columns of a derived table by name; the same name twice is either."""
    found: dict[str, Flow] = {}
    if names and len(names) != len(columns):
        raise UnresolvableStatement("resolve.unknown", "A table's columns do not match.")
    for index, (own, flow) in enumerate(columns):
        name = (names[index] if names else own).lower()
        known = found.get(name)
        found[name] = flow if known is None else either((flow, known))
    return found


class BaseColumns(dict[str, Flow]):
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


class SystemColumns(dict[str, Flow]):
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
