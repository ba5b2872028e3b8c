"""A witness (c2sp.org/tlog-witness): cosigns a log's checkpoint if it continues the last one.

No I/O but its own files. Answers are what HTTP says: :mod:`hoopgate.gateway.witness` serves them.
What a log signed and what contradicts it are kept side by side: two checkpoints that one key signed
and that cannot both be true prove a fork to anybody (``conflicts/``).
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import time as now

from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import make_directory, read_whole, replace_file
from hoopgate.recorder.note import Checkpoint, Note, Verifier, decode_base64, key_id
from hoopgate.recorder.tree import verify_consistency

#: A request has 63 hashes and a note at most.
REQUEST_BYTES = 65_536 + 64 * 64
_PROOF_LINES = 63
#: Contradictions of a kind that are kept for one log: the first ones say it.
_CONFLICTS = 100

PLAIN = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response: status, content type, body."""

    status: int
    body: bytes
    content_type: str = PLAIN


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, why.encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Request:
    """``old`` size, consistency proof from there, and the signed checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """:raises BadNote: malformed or oversized."""
        if len(body) > REQUEST_BYTES:
            raise BadNote("the request is too large")
        head, found, note = body.partition(b"\n\n")
        lines = head.split(b"\n")
        number = lines[0].removeprefix(b"old ")
        if not found or not lines[0].startswith(b"old ") or not number.isdigit():
            raise BadNote("a request begins with the size that is known")
        if len(number) > 19 or str(int(number)).encode() != number:
            raise BadNote("the size is not a decimal number")
        if len(lines) - 1 > _PROOF_LINES:
            raise BadNote("the proof is too long")
        proof = []
        for line in lines[1:]:
            hashed = decode_base64(line.decode("ascii", "replace"))
            if len(hashed) != 32:
                raise BadNote("a proof has hashes of 32 bytes")
            proof.append(hashed)
        return cls(int(number), tuple(proof), note)

    def encode(self) -> bytes:
        """As it is sent."""
        lines = "".join(b64encode(hashed).decode() + "\n" for hashed in self.proof)
        return f"old {self.old}\n{lines}\n".encode() + self.note


class Witness:
    """Cosigns for the logs it knows. May be used by several threads.

    :param directory: where the last checkpoint of each log is kept.
    :param logs: keys of the logs; the name of a key is the origin of its log.
    :param more: keys of other kinds, that cosign the same.
    :param on_conflict: called with a log's origin when it signed what contradicts itself, once for
        each such checkpoint.
    """

    def __init__(
        self,
        directory: Path,
        cosigner: Cosigner,
        logs: Sequence[Verifier],
        clock: Callable[[], float] = now,
        on_conflict: Callable[[str], object] = lambda origin: None,
        more: Sequence[Cosigner] = (),
    ) -> None:
        self._directory = directory
        self._cosigners = (cosigner, *more)
        self._logs = {log.name: log for log in logs}
        self._clock = clock
        self._on_conflict = on_conflict
        self._one = threading.Lock()
        make_directory(directory)

    def add_checkpoint(self, body: bytes) -> Answer:
        """What is answered to ``POST /add-checkpoint``. The checkpoint is on the disk before."""
        try:
            request = Request.parse(body)
            note = Note.parse(request.note)
            checkpoint = Checkpoint.parse(note.text)
        except BadNote as error:
            return _refusal(400, str(error))
        log = self._logs.get(checkpoint.origin)
        if log is None:
            return _refusal(404, "the log is not known here")
        try:
            note.verified([log])
        except BadNote:
            return _refusal(403, "the log's key did not sign the checkpoint")
        # What others put behind it is nobody's word: not kept, and no other note for being there.
        signed = (log.name, key_id(log.name, log.public))
        note = Note(note.text, (next(s for s in note.signatures if (s.name, s.id) == signed),))
        if request.old > checkpoint.size:
            return _refusal(400, "the checkpoint is smaller than what it is said to continue")
        # One at a time: what was signed last is read, compared and replaced as one step.
        with self._one:
            return self._continue(request, note, checkpoint)

    def _continue(self, request: Request, note: Note, checkpoint: Checkpoint) -> Answer:
        path = self._path(checkpoint.origin)
        last = self._last(path, checkpoint.origin)
        size = 0 if last is None else last.size
        if last is not None and checkpoint.size == size and checkpoint.root != last.root:
            self._conflict(path, note, "fork")
            return Answer(409, f"{size}\n".encode(), SIZE)
        if request.old != size:
            return Answer(409, f"{size}\n".encode(), SIZE)
        if last is None or size == 0:
            if request.proof:
                return _refusal(422, "what continues nothing has no proof")
        elif not verify_consistency(
            size, checkpoint.size, last.root, checkpoint.root, request.proof
        ):
            # A proof may be wrong without any lie, and anybody may send one. Both checkpoints are
            # kept: with the log at hand its owner can tell.
            self._conflict(path, note, "unproven")
            return _refusal(422, "the checkpoint is not shown to continue the last one")
        if last is None or checkpoint.size > size:
            replace_file(path, note.encode())
        time = int(self._clock())
        lines = [cosigner.cosign(note.text, time).line() for cosigner in self._cosigners]
        return Answer(200, "".join(lines).encode())

    def _path(self, origin: str) -> Path:
        return self._directory / f"{sha256(origin.encode()).hexdigest()[:32]}.checkpoint"

    def _last(self, path: Path, origin: str) -> Checkpoint | None:
        """:raises BadNote: the witness's own file is damaged: it must not begin anew."""
        try:
            last = Checkpoint.parse(Note.parse(read_whole(path)).text)
        except FileNotFoundError:
            return None
        if last.origin != origin:
            raise BadNote(f"{path.name} is of another log")
        return last

    def _conflict(self, path: Path, note: Note, kind: str) -> None:
        """Keep ``note`` beside the checkpoint that it contradicts, and tell of it, once: a note is
        public, and whoever has it may send it again and again."""
        directory = self._directory / "conflicts"
        make_directory(directory)
        claimed = directory / f"{path.stem}.{kind}.{sha256(note.encode()).hexdigest()[:16]}.claimed"
        kept = sum(1 for _ in directory.glob(f"{path.stem}.{kind}.*.claimed"))
        if not claimed.exists() and kept < _CONFLICTS:
            replace_file(claimed.with_suffix(".cosigned"), read_whole(path))
            replace_file(claimed, note.encode())
            self._on_conflict(note.text.split("\n", 1)[0])
