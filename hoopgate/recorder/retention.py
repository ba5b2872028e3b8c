"""How long recordings are kept: retention, legal holds, and the lawful way to destroy one.

All of it is in the log. ``epoch.start`` states the retention in force; a hold is set and released
by ``admin`` leaves; ``purge`` says that a session's sealed key is destroyed, and with it what was
recorded of it. So anybody who verifies the log finds a recording that was destroyed too early.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import Leaf, decode, encode
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader

#: What a hold or a shredding is done for: a case number, not a story; it may not hold PHI.
REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/#:-]{0,63}\Z")

#: A clock that is set right may go back by so much (µs) without anybody's having cheated.
_SET_BACK: Final = 2 * 86_400_000_000

HOLD: Final = "hold.set"
RELEASE: Final = "hold.release"


class Keeper:
    """Follows a log's leaves and says of each ``purge`` whether it was lawful.

    :ivar until: closed session → µs since the epoch from which it may be destroyed.
    :ivar holds: session → references of the holds on it.
    :ivar purged: sessions whose key was destroyed.
    """

    def __init__(self) -> None:
        self.until: dict[str, int] = {}
        self.holds: dict[str, set[str]] = {}
        self.purged: set[str] = set()
        # Until when what was purged was to be kept (µs), and which leaf did it.
        self._ahead = (0, 0)
        self._time = 0  # µs
        self._retention: int | None = None  # µs; None: a log that states none

    def follow(self, leaf: Leaf) -> str:
        """Take the next leaf; what is wrong with it, "" for nothing."""
        kind = leaf["type"]
        self._time = leaf["time"]
        if kind == "session.close":
            self.until[leaf["session"]] = leaf["time"] + (self._retention or 0)
        elif kind == "epoch.start":
            retention = leaf.get("retention")
            self._retention = retention * 1_000_000 if isinstance(retention, int) else None
        elif kind == "admin":
            self._hold(leaf)
        elif kind == "purge":
            return self._purge(leaf)
        return ""

    def too_early(self) -> int | None:
        """Index of a ``purge`` that was lawful by a clock which was set ahead for it: by that of
        the last leaf, what it purged would still have to be kept. That leaf counts and no other: a
        node may start with a clock that is wrong, until it is set."""
        until, index = self._ahead
        return index if self._time < until - _SET_BACK else None

    def _hold(self, leaf: Leaf) -> None:
        detail = leaf.get("detail")
        if not isinstance(detail, dict) or detail.get("action") not in (HOLD, RELEASE):
            return
        holds = self.holds.setdefault(str(detail.get("session")), set())
        if detail["action"] == HOLD:
            holds.add(str(detail.get("reference")))
        else:
            holds.discard(str(detail.get("reference")))

    def _purge(self, leaf: Leaf) -> str:
        detail = leaf.get("detail")
        session = str(detail.get("session")) if isinstance(detail, dict) else ""
        self.purged.add(session)
        if self._retention is None:
            return ""
        if session not in self.until:
            return "it purges a session that had not ended"
        if leaf["time"] < self.until[session]:
            return "it purges a recording before its retention ended"
        if self.holds.get(session):
            return "it purges a recording under a legal hold"
        self._ahead = max(self._ahead, (self.until[session], leaf["index"]))
        return ""


def look(directory: Path, session: str) -> tuple[Keeper, bool]:
    """What the signed log in ``directory`` says of a session; False: nothing.

    :raises BadLog: its leaves are none.
    """
    verifier = Verifier.parse(read_whole(directory / "vkey").decode())
    needle = encode(session)
    keeper, known = Keeper(), False
    for _, entries in LogReader(directory, [verifier]).bundles():
        for entry in entries:
            if needle in entry or b'"type":"epoch.start"' in entry:
                leaf = decode(entry)
                keeper.follow(leaf)
                known |= leaf["type"] == "session.open" and leaf["session"] == session
    return keeper, known
