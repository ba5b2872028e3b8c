"""The sessions of a log, the newest first, read from its end and only as far as somebody asks.

A log of years has more leaves than a page can wait for, so none is read that a page does not need,
and what was read is kept. Every bundle is proven to be in the signed log before it counts. Leaves
are counted in any order: between what was read earlier and what the log has got since there may be
gaps, which are closed from the newest end.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import replace

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.leaf import Leaf, decode, encode
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Summary, count
from hoopgate.recorder.tiles import WIDTH
from hoopgate.recorder.tree import consistency_proof, verify_consistency


class Listing:
    """What is known of sessions. Not safe in two threads at once; what it gives away is."""

    def __init__(self) -> None:
        self._found: dict[str, Summary] = {}  # those whose first leaf was read, and others
        self._firsts: list[int] = []
        self._by_first: dict[int, Summary] = {}
        # Leaves not read yet, ascending: from, up to, and the time of the one behind them.
        self._gaps: list[tuple[int, int, int | None]] = []
        self._checkpoint: Checkpoint | None = None

    @property
    def complete_from(self) -> int:
        """Every leaf from this index on was read."""
        return self._gaps[-1][1] if self._gaps else 0

    @property
    def since(self) -> int | None:
        """Nothing later than this was left out, µs since the epoch; None: nothing at all."""
        return self._gaps[-1][2] if self._gaps else None

    def grow(self, log: LogReader) -> None:
        """Learn how long the log is now.

        :raises BadLog: it does not hold what it held before.
        """
        known, now = self._checkpoint, log.checkpoint
        if known is not None and known.size == now.size and known.root == now.root:
            return
        if known is not None and known.size:
            grown = known.size <= now.size
            proof = consistency_proof(known.size, now.size, log.tiles.subtree) if grown else []
            if not grown or not verify_consistency(
                known.size, now.size, known.root, now.root, proof
            ):
                raise BadLog("the log is not the one it was: run 'hoopgate audit verify'")
        size = 0 if known is None else known.size
        if now.size > size:
            if self._gaps and self._gaps[-1][1] == size:
                size, _, _ = self._gaps.pop()
            self._gaps.append((size, now.size, None))
        self._checkpoint = now

    def newest(
        self, log: LogReader, before: int | None = None, go_on: Callable[[], bool] = lambda: True
    ) -> Iterator[Summary]:
        """Sessions, the newest first; each is a copy.

        :param log: what :meth:`grow` was told of.
        :param before: only those whose first leaf comes before this index.
        :param go_on: asked before more of the log is read; False ends it. Something is read first.
        :raises BadLog: a leaf is not one of those that were signed.
        """
        at = log.size if before is None else before
        read = False
        while True:
            place = bisect_left(self._firsts, at) - 1
            first = self._firsts[place] if place >= 0 else -1
            if first >= 0 and first >= self.complete_from:
                at = first
                yield _copy(self._by_first[first])
            elif not self._gaps or (read and not go_on()):
                return
            else:
                self._read(log)
                read = True

    def find(self, session: str) -> Summary | None:
        """What is known of one session, where all its leaves were read."""
        found = self._found.get(session)
        if found is None or found.first < self.complete_from or found.first not in self._by_first:
            return None
        return _copy(found)

    def _read(self, log: LogReader) -> None:
        """The newest bundle of which something was not read."""
        start, end, _ = self._gaps[-1]
        number = (end - 1) // WIDTH
        begin = max(start, number * WIDTH)
        entries = log.proven(number)[begin - number * WIDTH : end - number * WIDTH]
        leaves = [decode(data) for data in entries]
        self._gaps.pop()
        if begin > start:
            self._gaps.append((start, begin, leaves[0]["time"]))
        for leaf in leaves:
            self._count(leaf)

    def _count(self, leaf: Leaf) -> None:
        id = leaf["session"]
        summary = self._found.get(id)
        if summary is None:
            summary = self._found[id] = Summary(id)
        if count(summary, leaf):
            insort(self._firsts, summary.first)
            self._by_first[summary.first] = summary


def find(log: LogReader, session: str) -> Summary | None:
    """What the log says of one session, looked for from the end; None: it has no such session.

    :raises BadLog: a leaf is not one of those that were signed.
    """
    needle = b'"session":' + encode(session)
    summary = Summary(session)
    for number in range((log.size - 1) // WIDTH, -1, -1):
        if not log.tiles.holds(number, needle):
            continue
        begun = False
        for leaf in map(decode, log.proven(number)):
            if leaf["session"] == session:
                begun |= count(summary, leaf)
        if begun:
            return summary
    return None


def _copy(summary: Summary) -> Summary:
    return replace(summary, verdicts=dict(summary.verdicts))


def sessions(log: LogReader) -> list[Summary]:
    """All sessions, in the order they began.

    :raises BadLog: the leaves are not those that were signed.
    """
    listing = Listing()
    listing.grow(log)
    return [*listing.newest(log)][::-1]
