"""Which leaves of a log an export is about: one unbroken range, and what stands before it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopgate.errors import HoopgateError
from hoopgate.recorder.leaf import decode
from hoopgate.recorder.reading import LogReader


class NothingThere(HoopgateError):
    """No leaf was recorded in the period."""


@dataclass(slots=True)
class Selection:
    """An unbroken range of leaves that holds every leaf of a period.

    Where the wall clock was set back or forth meanwhile, it also holds leaves of other times.

    :ivar start: of the period, µs since the epoch, inclusive.
    :ivar end: of the period, µs since the epoch, exclusive.
    :ivar first: index of the first leaf.
    :ivar last: index of the last leaf.
    :ivar opened: session → index of its first leaf, for those that began before ``first``.
    :ivar purged: session → index of the leaf by which its key was destroyed.
    :ivar witnessed: leaves under the cosigned checkpoint; 0: there is none.
    """

    start: int
    end: int
    first: int
    last: int
    opened: dict[str, int] = field(default_factory=dict)
    purged: dict[str, int] = field(default_factory=dict)
    witnessed: int = 0

    def indices(self) -> set[int]:
        """Leaves that the bundle must hold beside those of the range, with the range's
        neighbours."""
        return {
            *self.opened.values(),
            *self.purged.values(),
            max(0, self.first - 1),
            self.last + 1,
        }


def select(log: LogReader, start: int, end: int) -> Selection:
    """Look for the leaves of ``[start, end)``.

    :raises NothingThere: there is none.
    :raises BadLog: the files are not a log's.
    """
    first = last = -1
    running: dict[str, int] = {}
    opened: dict[str, int] = {}
    purged: dict[str, int] = {}
    for base, entries in log.bundles():
        for index, entry in enumerate(entries, base):
            leaf = decode(entry)
            if start <= leaf["time"] < end:
                if first < 0:
                    first, opened = index, dict(running)
                last = index
            kind = leaf["type"]
            if kind in ("session.open", "epoch.start"):
                running[leaf["session"]] = index
            elif kind == "session.close":
                running.pop(leaf["session"], None)
            elif kind == "purge":
                detail = leaf.get("detail")
                if isinstance(detail, dict):
                    purged[str(detail.get("session"))] = index
    if first < 0:
        raise NothingThere("nothing was recorded in that period")
    return Selection(start, end, first, last, opened, purged)
