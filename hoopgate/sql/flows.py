"""What lineage is made of: values with the columns that they depend on, and levels of a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.sql.nodetree import Node, NodeTreeError, Value

Columns = frozenset[ColumnRef]

NONE: Final[Columns] = frozenset()
#: How many pieces a value may be put together of. A parameter has 16 MB at most, and PostgreSQL
#: fails at 1 GB.
MOST_PIECES: Final = 60
#: How often one value may be in a row. With so many copies, only a value above 100 kB can be told
#: to be so by a row that is too long for the gateway (``answers.py``).
MOST_COPIES: Final = 300
#: Expressions evaluated or columns looked up at most; a tree can be made that needs 2^n.
MOST_STEPS: Final = 400_000


@dataclass(frozen=True, slots=True)
class Flow:
    """A value: the base columns it can depend on, whether it is one of them unchanged, its type.

    :ivar form: what it shows of ``kept``: see :mod:`hoopgate.sql.years`.
    """

    sources: Columns
    direct: bool
    type: int
    form: str = ""
    kept: Columns = NONE


@dataclass(slots=True, eq=False)
class Scope:
    """A query level: what Var.varno and CTE names refer to."""

    node: Node
    tables: list[Node]
    parent: Scope | None

    def up(self, levels: int) -> Scope:
        scope: Scope | None = self
        for _ in range(levels):
            scope = scope.parent if scope else None
        if scope is None:
            raise NodeTreeError("a reference leaves the query")
        return scope


def nodes(tree: Value) -> Iterator[Node]:
    """Every node in ``tree``."""
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, Node):
            yield value
            todo.extend(value.fields.values())


def plain_table(oid: int) -> Node:
    """A range table entry of a table by itself."""
    return Node("RANGETBLENTRY", {"rtekind": "0", "relid": str(oid)})


def union(flows: Iterable[Flow]) -> Columns:
    """Sources of all of them."""
    return frozenset().union(*(flow.sources for flow in flows))
