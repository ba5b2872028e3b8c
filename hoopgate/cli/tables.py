"""Rows in columns, cut where a terminal ends."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Sequence

_LEAST = 6  #: characters of a column that is cut


def lines(rows: Sequence[Sequence[str]], whole: Collection[int] = ()) -> list[str]:
    """The rows, the first of which are the columns' names, as lines. On a terminal they fit.

    :param whole: columns that are never cut.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sys.stdout.isatty():
        widths = fitted(widths, shutil.get_terminal_size().columns, whole)
    return [
        "  ".join(_cut(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fitted(widths: Sequence[int], columns: int, whole: Collection[int] = ()) -> list[int]:
    """Take from the widest columns until the line fits, as far as it can."""
    found = list(widths)
    taken = [index for index in range(len(found)) if index not in whole]
    while taken and sum(found) + 2 * (len(found) - 1) > columns:
        widest = max(taken, key=lambda index: found[index])
        if found[widest] <= _LEAST:
            break
        found[widest] -= 1
    return found


def _cut(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"
