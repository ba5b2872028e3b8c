"""The tree of a query or a data modification, as much of it as lineage needs.

Positions are indexes of tokens, so that parts of a statement can be cut out of its text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Name = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Expression:
    """One node of an expression.

    :ivar kind: ``column``, ``literal``, ``parameter``, ``variable``, ``star``, ``call``,
        ``operator`` or ``query``.
    :ivar name: function, operator, variable or (of a query) how it is used: ``scalar``, ``exists``,
        ``in``, ``any``.
    :ivar parts: of a column's or star's name; the one collation of COLLATE.
    :ivar arguments: operands, arguments.
    :ivar keys: what ORDER BY and PARTITION BY of a call, and of its window, name.
    """

    kind: str
    start: int
    end: int = 0
    name: str = ""
    parts: Name = ()
    arguments: list[Expression] = field(default_factory=list)
    keys: list[Expression] = field(default_factory=list)
    windowed: bool = False
    query: Query | None = None


@dataclass(slots=True, eq=False)
class Source:
    """A member of FROM.

    :ivar kind: ``table``, ``derived`` or ``join``.
    :ivar place: token behind which an index hint may stand.
    :ivar start: its first token; ``named`` the end of the table's name.
    """

    kind: str
    start: int
    name: Name = ()
    alias: str = ""
    columns: list[str] = field(default_factory=list)
    query: Query | None = None
    left: Source | None = None
    right: Source | None = None
    on: Expression | None = None
    using: list[str] = field(default_factory=list)
    natural: bool = False
    named: int = 0
    place: int = 0


@dataclass(slots=True, eq=False)
class Select:
    distinct: bool = False
    items: list[tuple[Expression, str]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    where: Expression | None = None
    group: list[Expression] = field(default_factory=list)
    having: Expression | None = None
    windows: dict[str, list[Expression]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Union:
    """``operation``: ``UNION ALL``, ``UNION``, ``EXCEPT`` …"""

    operation: str
    left: Select | Union | Query
    right: Select | Union | Query


@dataclass(slots=True, eq=False)
class Common:
    """A common table expression."""

    name: str
    columns: list[str]
    query: Query
    recursive: bool


@dataclass(slots=True, eq=False)
class Query:
    start: int
    end: int = 0
    body: Select | Union | Query | None = None
    common: list[Common] = field(default_factory=list)
    order: list[Expression] = field(default_factory=list)
    limit: list[Expression] = field(default_factory=list)
    limited: bool = False
    locking: bool = False


@dataclass(slots=True, eq=False)
class Modification:
    """INSERT, REPLACE, UPDATE or DELETE of one table.

    :ivar kind: ``insert``, ``replace``, ``update``, ``delete``.
    :ivar columns: names assigned, one for each value of a row or column of the query; empty for an
        INSERT without a list of columns.
    :ivar values: what is assigned: of an INSERT the expressions of all its rows.
    :ivar rows: how many values each row has.
    :ivar updates: of ON DUPLICATE KEY UPDATE.
    :ivar given: the name that a row to be inserted has in those.
    :ivar duplicate: it has such a clause.
    :ivar returning: items of RETURNING, as in SELECT.
    """

    kind: str
    table: Name
    alias: str = ""
    ignoring: bool = False
    columns: list[Name] = field(default_factory=list)
    values: list[Expression] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    query: Query | None = None
    updates: list[tuple[Name, Expression]] = field(default_factory=list)
    given: str = ""
    duplicate: bool = False
    where: Expression | None = None
    order: list[Expression] = field(default_factory=list)
    limit: list[Expression] = field(default_factory=list)
    returning: list[tuple[Expression, str]] = field(default_factory=list)
    returned: tuple[int, int] = (0, 0)


Statement = Query | Modification
