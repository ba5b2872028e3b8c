"""Those outside of this machine who vouch for the log while it grows: witnesses, an authority for
timestamps, places that keep its head. Whoever goes away, comes back or disagrees stands in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred

from hoopgate.recorder.cosigning import WITNESSED, Cosigning, Peer
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.note import Note
from hoopgate.recorder.tiles import CHECKPOINT
from hoopgate.recorder.timestamping import Authority, Timestamping


class Noting(Protocol):
    """What takes the news, in the reactor's thread."""

    def post(self, callable: Callable[..., object], *args: object) -> None:
        """From any thread: have it called in the reactor's."""

    def takes(self) -> bool:
        """It neither ends nor has failed."""

    def append(self, type: str, detail: dict[str, object]) -> Deferred[int]: ...

    def cosigned(self, size: int) -> None:
        """Witnesses cosigned the first ``size`` leaves."""


class Outside:
    """Asks them, on threads of their own.

    :ivar on_witness: called in the reactor's thread with a witness that went away, came back or
        disagrees; ``on_timestamps``: with whether the authority fails; ``on_head``: with whether a
        place that keeps the head is away.
    """

    def __init__(self, log: Noting, directory: Path) -> None:
        self.cosigning: Cosigning | None = None
        self.timestamping: Timestamping | None = None
        self.on_witness: Callable[[Peer], object] = lambda peer: None
        self.on_timestamps: Callable[[bool], object] = lambda failing: None
        self.on_head: Callable[[bool], object] = lambda away: None
        self._log = log
        self._directory = directory
        self._offer_to: list[Callable[[bytes], object]] = []

    def witness(self, peers: Sequence[Peer], quorum: int) -> None:
        """Have the checkpoints cosigned from now on, beginning with the last one."""
        try:
            cosigned = Note.parse(read_whole(self._directory / WITNESSED))
            for peer in peers:
                peer.remember(cosigned)
        except (OSError, BadNote):
            pass  # none yet; or what 'hoopgate audit verify' calls bad: they are asked
        self.cosigning = Cosigning(
            self._directory,
            peers,
            quorum,
            witnessed=lambda size: self._log.post(self._log.cosigned, size),
            changed=lambda peer: self._log.post(self._witness_changed, peer),
        )
        self._begin(self.cosigning)

    def timestamp(self, authority: Authority, interval: float) -> None:
        """Have a checkpoint timestamped every ``interval`` seconds from now on."""
        self.timestamping = Timestamping(
            self._directory,
            authority,
            interval,
            changed=lambda why: self._log.post(self._timestamps_changed, bool(why)),
        )
        self._begin(self.timestamping)

    def _begin(self, asking: Cosigning | Timestamping) -> None:
        self._offer_to.append(asking.offer)
        asking.offer(read_whole(self._directory / CHECKPOINT))
        asking.start()

    def published(self, note: bytes) -> None:
        """From any thread: the log's newest checkpoint, signed."""
        for offer in self._offer_to:
            offer(note)

    def stop(self) -> None:
        """Nothing is asked any more."""
        for asking in (self.cosigning, self.timestamping):
            if asking is not None:
                asking.stop()

    def head_changed(self, away: bool) -> None:
        """A place that keeps the head is away, or back."""
        self._note({"event": "head.away" if away else "head.back"})
        self.on_head(away)

    def _timestamps_changed(self, failing: bool) -> None:
        self._note({"event": "timestamps.away" if failing else "timestamps.back"})
        self.on_timestamps(failing)

    def _witness_changed(self, peer: Peer) -> None:
        # What it says of itself is a witness's word; that it said so is a fact of this log.
        if peer.disagrees:
            what = "witness.disagrees"
        else:
            what = "witness.away" if peer.away else "witness.back"
        self._note({"event": what, "witness": peer.name})
        self.on_witness(peer)

    def _note(self, detail: dict[str, object]) -> None:
        if self._log.takes():
            self._log.append("admin", detail).addErrback(lambda failure: None)
