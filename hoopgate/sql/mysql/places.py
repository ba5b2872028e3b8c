"""Where a statement names tables, and where it compares parameters with columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.sql.mysql import comparisons
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.tree import Expression, Modification, Name, Query, Select, Source, Union

#: The server writes names of common table expressions without quotes into a view's text.
_SIMPLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement names a table in FROM, in tokens.

    :ivar start: the first of the table's name.
    :ivar named: the one behind the name.
    :ivar end: the one behind the alias: an index hint may stand before it.
    """

    name: Name
    alias: str
    start: int
    named: int
    end: int


def tables(text: str) -> list[Place]:
    """Where a view's own text names tables.

    :raises Refused: it is not in the subset.
    """
    tree, _ = parse(text)
    return list(Places().of(tree))


def named_in(query: Query) -> set[Name]:
    """Tables that a query names in FROM, in lower case."""
    return {tuple(map(str.lower, place.name)) for place in Places().of(query)}


class Places:
    """Finds the tables in every FROM; names of common table expressions are none."""

    def of(self, tree: Query | Modification) -> Iterator[Place]:
        nothing: frozenset[str] = frozenset()
        if isinstance(tree, Query):
            yield from self._query(tree, nothing)
            return
        if tree.query is not None:
            yield from self._query(tree.query, nothing)
        expressions = [
            *tree.values,
            *tree.order,
            *(value for _, value in tree.updates),
            *(item for item, _ in tree.returning),
            *([] if tree.where is None else [tree.where]),
        ]
        for one in expressions:
            yield from self._expression(one, nothing)

    def _query(self, query: Query, known: frozenset[str]) -> Iterator[Place]:
        for common in query.common:
            if not _SIMPLE.match(common.name):
                raise UnresolvableStatement(
                    "resolve.class", "The name of a common table expression must be a plain word."
                )
            name = common.name.lower()
            yield from self._query(common.query, known | {name} if common.recursive else known)
            known = known | {name}
        yield from self._body(query.body, known)
        for one in query.order:
            yield from self._expression(one, known)

    def _body(self, body: Select | Union | Query | None, known: frozenset[str]) -> Iterator[Place]:
        if isinstance(body, Query):
            yield from self._query(body, known)
        elif isinstance(body, Union):
            yield from self._body(body.left, known)
            yield from self._body(body.right, known)
        elif body is not None:
            for source in body.sources:
                yield from self._source(source, known)
            for one in expressions(body):
                yield from self._expression(one, known)

    def _source(self, source: Source, known: frozenset[str]) -> Iterator[Place]:
        if source.kind == "table":
            if len(source.name) > 1 or source.name[0].lower() not in known:
                yield Place(
                    source.name,
                    source.alias,
                    source.start,
                    source.named,
                    source.place,
                )
        elif source.query is not None:
            yield from self._query(source.query, known)
        for side in (source.left, source.right):
            if side is not None:
                yield from self._source(side, known)
        if source.on is not None:
            yield from self._expression(source.on, known)

    def _expression(self, expression: Expression, known: frozenset[str]) -> Iterator[Place]:
        if expression.query is not None:
            yield from self._query(expression.query, known)
        for one in (*expression.arguments, *expression.keys):
            yield from self._expression(one, known)


class Compared(Places):
    """Finds parameters that are compared with a column."""

    def __init__(self) -> None:
        self.starts: set[int] = set()

    def _expression(self, expression: Expression, known: frozenset[str]) -> Iterator[Place]:
        self.starts.update(comparisons.compared(expression))
        yield from super()._expression(expression, known)


def expressions(select: Select) -> Iterator[Expression]:
    """Every expression of a SELECT but those in FROM."""
    for item, _ in select.items:
        yield item
    for one in (select.where, select.having):
        if one is not None:
            yield one
    yield from select.group
    for keys in select.windows.values():
        yield from keys
