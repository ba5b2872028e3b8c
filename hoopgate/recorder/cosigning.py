"""Asking witnesses to cosign the log's checkpoints (c2sp.org/tlog-witness, the client's side).

A thread takes the newest checkpoint at most once an interval, asks all witnesses at once, and puts
what they cosigned, once the quorum is met, into ``checkpoint.witnessed``. A witness that was away
is asked again later and less and less often; nothing is lost by it, since what it cosigns then
covers all that came before. Nor do the others wait for it while it hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from hoopgate.recorder.cosign import WitnessKey
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole, replace_file
from hoopgate.recorder.note import Checkpoint, Note, Signature
from hoopgate.recorder.posting import Answer, NoAnswer, post
from hoopgate.recorder.tiles import TileReader
from hoopgate.recorder.tree import consistency_proof
from hoopgate.recorder.witness import Request

WITNESSED = "checkpoint.witnessed"
#: Seconds between rounds, for a witness to answer, and before one that was away is asked again.
INTERVAL, TIMEOUT, _FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 3.0, 1.0, 30.0
_ROUNDS = 3


class WitnessAway(Exception):
    """It could not be asked, or did not answer as the specification says. Quotes no answer."""


class WitnessDisagrees(Exception):
    """It cosigned what this log does not continue: the log was rolled back, or forked. Or it does
    not know what it cosigned: it was rolled back itself, and vouches for nothing."""


@dataclass(slots=True)
class Peer:
    """A witness as the log knows it.

    :ivar size: of the checkpoint that it cosigned last, as far as we know.
    :ivar cosigned: of the largest checkpoint that has its cosignature.
    :ivar away: why it did not cosign when it was asked last; "" when it did.
    :ivar disagrees: it cosigned what this log does not continue.
    """

    name: str
    key: WitnessKey
    url: str
    ca_file: Path | None = None
    size: int = 0
    cosigned: int = 0
    away: str = ""
    disagrees: bool = False
    pause: float = 0.0
    again: float = field(default=0.0)

    def ask(self, body: bytes) -> Answer:
        """Its answer.

        :raises WitnessAway: there was none.
        """
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        try:
            return post(url, body, timeout=TIMEOUT, ca_file=self.ca_file)
        except NoAnswer as error:
            raise WitnessAway(str(error)) from None

    def cosign(self, directory: Path, note: Note, checkpoint: Checkpoint) -> Signature:
        """Its cosignature of a checkpoint of the log in ``directory``, verified.

        :raises WitnessAway: it gave none.
        :raises WitnessDisagrees: it cannot, for what it cosigned before.
        """
        for _ in range(_ROUNDS):
            answer = self.ask(self._request(directory, note, checkpoint))
            if answer.status == 200:
                signature = self._verified(note, answer.body)
                self.size = self.cosigned = checkpoint.size
                return signature
            if answer.status == 422:
                raise WitnessDisagrees
            if answer.status != 409 or answer.kind != "text/x.tlog.size":
                raise WitnessAway(f"HTTP status {answer.status}")
            number = answer.body.strip()
            if not number.isdigit() or len(number) > 19:
                raise WitnessAway("a size that is no number")
            # Larger than the log, or no other than what it was told: it has another log. Smaller
            # than what has its cosignature: it is not the witness that it was.
            told = int(number)
            if told > checkpoint.size or told == self.size or told < self.cosigned:
                raise WitnessDisagrees
            self.size = told
        raise WitnessAway("it keeps changing its mind")

    def _request(self, directory: Path, note: Note, checkpoint: Checkpoint) -> bytes:
        old = min(self.size, checkpoint.size)
        proof: Sequence[bytes] = ()
        try:
            if 0 < old < checkpoint.size:
                tiles = TileReader(checkpoint.size, lambda name: read_whole(directory / name))
                proof = consistency_proof(old, checkpoint.size, tiles.subtree)
        except (BadLog, OSError) as error:
            # Partial tiles are gone once they are full: the next checkpoint has them all.
            raise WitnessAway(f"no proof ({type(error).__name__})") from None
        return Request(old, tuple(proof), note.encode()).encode()

    def _verified(self, note: Note, answer: bytes) -> Signature:
        try:
            cosigned = Note.parse(note.text.encode() + b"\n" + answer)
            if self.key.cosigned(cosigned) is None:
                raise WitnessAway("no cosignature in its answer")
        except BadNote:
            raise WitnessAway("its cosignature is wrong") from None
        wanted = self.key.id
        return next(s for s in cosigned.signatures if (s.name, s.id) == (self.key.name, wanted))

    def remember(self, note: Note) -> None:
        """A checkpoint of the log, kept from earlier: what it cosigned, it has to know.

        :raises BadNote: no checkpoint, or its cosignature is wrong.
        """
        if self.key.cosigned(note) is not None:
            self.size = self.cosigned = Checkpoint.parse(note.text).size

    def failed(self, why: str, now: float) -> None:
        """It did not cosign; when to ask again."""
        self.away = why
        self.pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, self.pause * 2))
        self.again = now + self.pause

    def answered(self) -> None:
        """It cosigned."""
        self.away, self.pause, self.again = "", 0.0, 0.0


class Cosigning(threading.Thread):
    """Has the log's checkpoints cosigned.

    :param quorum: how many witnesses it takes; keys of one name are one witness's.
    :param witnessed: called from this thread with the size of each checkpoint that they cosigned.
    :param changed: called from this thread with a peer that went away, came back or disagrees.
    """

    def __init__(
        self,
        directory: Path,
        peers: Sequence[Peer],
        quorum: int,
        *,
        witnessed: Callable[[int], object],
        changed: Callable[[Peer], object],
        interval: float = INTERVAL,
    ) -> None:
        super().__init__(name="hoopgate-log-cosigning", daemon=True)
        self.size = 0  #: of the last checkpoint that the quorum cosigned
        self.peers = tuple(peers)
        self._directory = directory
        self._quorum = quorum
        self._witnessed = witnessed
        self._changed = changed
        self._interval = interval
        self._newest = b""
        self._late: dict[Future[Signature], Peer] = {}  #: asked in a round that is over
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def offer(self, note: bytes) -> None:
        """From any thread: the log's newest checkpoint, signed."""
        self._newest = note
        self._wake.set()

    def stop(self) -> None:
        """One more round for what was offered, then end: on return, where its witnesses answer."""
        self._stopping.set()
        self._wake.set()
        self.join(2 * TIMEOUT)

    def run(self) -> None:
        """Until :meth:`stop`."""
        with ThreadPoolExecutor(len(self.peers), "hoopgate-witness") as pool:
            while True:
                pause = self._pause()
                self._wake.wait(pause)
                self._wake.clear()
                note = self._newest
                if note:
                    self._round(pool, Note.parse(note))
                if self._stopping.is_set():
                    return
                self._stopping.wait(self._interval)

    def _pause(self) -> float | None:
        """Seconds until one that was away is asked again."""
        due = [peer.again for peer in self.peers if peer.away]
        return max(0.0, min(due) - time.monotonic()) if due and self._newest else None

    def _round(self, pool: ThreadPoolExecutor, note: Note) -> None:
        checkpoint = Checkpoint.parse(note.text)
        now = time.monotonic()
        for future in [one for one in self._late if one.done()]:
            self._settle(future, self._late.pop(future))  # of a checkpoint that is outgrown
        busy = {peer.name for peer in self._late.values()}
        asked: dict[Future[Signature], Peer] = {
            pool.submit(peer.cosign, self._directory, note, checkpoint): peer
            for peer in self.peers
            if peer.name not in busy and (peer.again <= now or self._stopping.is_set())
        }
        signatures: list[Signature] = []
        waiting = set(asked)
        while waiting:
            left = now + 2 * TIMEOUT - time.monotonic()
            done, waiting = wait(waiting, max(0.0, left), FIRST_COMPLETED)
            if not done:
                break
            before = len(signatures)
            for future in done:
                signatures += self._settle(future, asked[future])
            # A witness with two keys is one.
            met = len({signature.name for signature in signatures}) >= self._quorum
            if met and len(signatures) > before:
                self._publish(note, checkpoint, signatures)
            if met and all(asked[future].away for future in waiting):
                break  # who was away is given its time, beside the next rounds
        for future in waiting:
            peer = asked[future]
            if not peer.away:
                self._changes(peer, "no answer in time")
            self._late[future] = peer
            future.add_done_callback(lambda _: self._wake.set())

    def _settle(self, future: Future[Signature], peer: Peer) -> list[Signature]:
        """What came of asking a peer: its cosignature, or nothing."""
        try:
            signature = future.result(timeout=0)
        except WitnessDisagrees:
            self._changes(peer, "it cosigned another log", disagrees=True)
        except WitnessAway as error:
            self._changes(peer, str(error), disagrees=peer.disagrees)
        except Exception as error:  # noqa: BLE001 - one that is odd does not end asking the others
            self._changes(peer, type(error).__name__, disagrees=peer.disagrees)
        else:
            self._changes(peer, "")
            return [signature]
        return []

    def _changes(self, peer: Peer, away: str, disagrees: bool = False) -> None:
        before = bool(peer.away), peer.disagrees
        peer.disagrees = disagrees
        if away:
            peer.failed(away, time.monotonic())
        else:
            peer.answered()
        if before != (bool(peer.away), peer.disagrees):
            self._changed(peer)

    def _publish(self, note: Note, checkpoint: Checkpoint, signatures: list[Signature]) -> None:
        cosigned = note.signed_too(signatures).encode()
        try:
            replace_file(self._directory / WITNESSED, cosigned)
        except OSError:  # a full disk: what nobody can show was not cosigned, and is asked again
            self._wake.set()
            return
        self.size = checkpoint.size
        self._witnessed(checkpoint.size)
