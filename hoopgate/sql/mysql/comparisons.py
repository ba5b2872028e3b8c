"""Where no more of a column is looked at than whether its values equal something.

See :mod:`hoopgate.sql.equality`, which says the same of PostgreSQL. A parameter that is compared
with a column keeps its number in the text of the view that the server is asked about: there it is
``nullif(NULL,'hg?3')``, a NULL of no type. Equality is that of the column's collation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hoopgate.sql.mysql.tree import Expression

#: How a numbered parameter is written, and read, in the text of a view.
_MARK: Final = re.compile(r"'hg\?([0-9]{1,6})'")


def mark(number: int) -> str:
    """The text of parameter ``number`` in a view."""
    return f"nullif(NULL,'hg?{number}')"


def marked(literal: str) -> str:
    """The number in what is ``nullif``'s second argument; ``""`` when it is no mark."""
    found = _MARK.fullmatch(literal)
    return "" if found is None else found[1]


def sides(node: Expression) -> tuple[Expression, list[Expression]] | None:
    """A column, and what ``node`` compares it with for equality; None when it does not."""
    if node.kind != "operator" or node.name not in ("=", "in") or len(node.arguments) < 2:
        return None
    left, *others = node.arguments
    if left.kind == "column":
        return left, others
    if node.name == "=" and others[0].kind == "column":
        return others[0], [left]
    return None


def compared(node: Expression) -> Iterator[int]:
    """Tokens that are parameters compared with a column."""
    found = sides(node)
    if found is not None:
        yield from (one.start for one in found[1] if one.kind == "parameter")
