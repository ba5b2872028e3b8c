"""Asking witnesses to cosign the log's checkpoints (c2sp.org/tlog-witness, the client's side).

A thread takes the newest checkpoint at most once an interval, asks all witnesses at once, and puts
what they cosigned, once the quorum is met, into ``checkpoint.witnessed``. A witness that was away
is asked again later and less and less often; nothing is lost by it, since what it cosigns then
covers all that came before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
    """It cosigned what this log does not continue: the log was rolled back, or forked."""


@dataclass(slots=True)
class Peer:
    """A witness as the log knows it.

    :ivar size: of the checkpoint that it cosigned last, as far as we know.
    :ivar away: why it did not cosign when it was asked last; "" when it did.
    :ivar disagrees: it cosigned what this log does not continue.
    """

    name: str
    key: WitnessKey
    url: str
    ca_file: Path | None = None
    size: int = 0
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
                self.size = checkpoint.size
                return signature
            if answer.status == 422:
                raise WitnessDisagrees
            if answer.status != 409 or answer.kind != "text/x.tlog.size":
                raise WitnessAway(f"HTTP status {answer.status}")
            number = answer.body.strip()
            if not number.isdigit() or len(number) > 19:
                raise WitnessAway("a size that is no number")
            # Larger than the log, or no other than what it was told: it has another log.
            if int(number) > checkpoint.size or int(number) == self.size:
                raise WitnessDisagrees
            self.size = int(number)
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

    :param quorum: how many witnesses it takes.
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
        self._wake = threading.Event()
        self._stopping = False

    def offer(self, note: bytes) -> None:
        """From any thread: the log's newest checkpoint, signed."""
        self._newest = note
        self._wake.set()

    def stop(self) -> None:
        """One more round for what was offered, then end."""
        self._stopping = True
        self._wake.set()

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
                if self._stopping:
                    return
                time.sleep(self._interval)

    def _pause(self) -> float | None:
        """Seconds until one that was away is asked again."""
        due = [peer.again for peer in self.peers if peer.away]
        return max(0.0, min(due) - time.monotonic()) if due and self._newest else None

    def _round(self, pool: ThreadPoolExecutor, note: Note) -> None:
        checkpoint = Checkpoint.parse(note.text)
        now = time.monotonic()
        asked: dict[Future[Signature], Peer] = {
            pool.submit(peer.cosign, self._directory, note, checkpoint): peer
            for peer in self.peers
            if peer.again <= now or self._stopping
        }
        wait(asked, timeout=2 * TIMEOUT)
        signatures: list[Signature] = []
        for future, peer in asked.items():
            before = bool(peer.away), peer.disagrees
            try:
                signatures.append(future.result(timeout=0))
                peer.answered()
                peer.disagrees = False
            except WitnessDisagrees:
                peer.disagrees = True
                peer.failed("it cosigned another log", now)
            except WitnessAway as error:
                peer.failed(str(error), now)
            except TimeoutError:
                peer.failed("no answer in time", now)
            if before != (bool(peer.away), peer.disagrees):
                self._changed(peer)
        if len(signatures) >= self._quorum:
            cosigned = note.signed_too(signatures).encode()
            replace_file(self._directory / WITNESSED, cosigned)
            self.size = checkpoint.size
            self._witnessed(checkpoint.size)
