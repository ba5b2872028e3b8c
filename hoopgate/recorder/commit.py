"""Group commit: every entry that waits goes to the disk with one write and one fdatasync.

:class:`Appender` turns entries into leaves and records and makes them durable; :class:`Writer` is
the thread that does so for a running log, a batch at a time.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from hoopgate.events import Decision
from hoopgate.recorder.files import sync_directory
from hoopgate.recorder.leaf import (
    LEAF_BYTES,
    decision_fields,
    encode,
    encode_chunk,
    encode_decisions,
    fit,
)
from hoopgate.recorder.payload import Kind, Piece, cut, encode_pieces
from hoopgate.recorder.sealing import SessionKey
from hoopgate.recorder.segments import CHUNK_BYTES, Segment, encode_record, quarantine
from hoopgate.recorder.tree import leaf_hash

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

BATCH_BYTES = 4 * 2**20  #: a batch is closed above: bounds memory and the wait of its first entry
#: Detail above goes into the payload whole, and into the leaf as far as it fits.
DETAIL_BYTES = 480
CLOCK_JUMP_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Clock:
    """Time in ns; tests bring their own."""

    wall: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.monotonic_ns


class Stream:
    """The chain of leaves of one session (or of the node itself). Belongs to the writer."""

    __slots__ = ("id", "key", "prev", "seq")

    def __init__(self, id: str, key: SessionKey | None, seq: int = 0, prev: str = "") -> None:
        self.id = id
        self.key = key
        self.seq = seq
        self.prev = prev


class Recording(Protocol):
    """What an entry's session is told when response bytes have become durable."""

    def released(self, size: int) -> None: ...


class Entry:
    """One thing to record: becomes a leaf, or several when its data is large."""

    __slots__ = (
        "decisions",
        "deferred",
        "essential",
        "extra",
        "index",
        "pieces",
        "plain",
        "recording",
        "released",
        "size",
        "stream",
        "type",
        "vital",
    )

    def __init__(
        self,
        stream: Stream,
        type: str,
        pieces: list[Piece] | None = None,
        *,
        decisions: Sequence[Decision] = (),
        vital: Mapping[str, object] | None = None,
        extra: Mapping[str, object] | None = None,
        plain: bytes = b"",
        essential: bool = True,
        recording: Recording | None = None,
        released: int = 0,
        size: int = 0,
        deferred: Deferred[Any] | None = None,
    ) -> None:
        self.stream = stream
        self.type = type
        self.pieces = [] if pieces is None else pieces
        self.decisions = decisions
        self.vital = vital  #: fields of the leaf that are never cut
        self.extra = extra  #: fields of the leaf, as far as they fit
        self.plain = plain  #: payload that is stored unencrypted: the recorder's own
        self.essential = essential  #: recorded from the reserve when the disk is full
        self.recording = recording
        self.released = released  #: response bytes that are durable with it
        self.size = size
        self.deferred = deferred
        self.index = -1


class Reserve:
    """Room on the disk that is kept for closing what is open."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._path = directory / "reserve"
        self._size = size
        self._held = False

    def hold(self) -> None:
        """:raises OSError: there is no room."""
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._size:
                os.posix_fallocate(fd, 0, self._size)
        except OSError:
            self._path.unlink()
            raise
        finally:
            os.close(fd)
        self._held = True

    def release(self) -> bool:
        """Give the room back to the disk; False when that was done before."""
        if not self._held:
            return False
        self._held = False
        self._path.unlink(missing_ok=True)
        sync_directory(self._directory)
        return True

    def room(self) -> bool:
        """True when :meth:`low` would be False: a look that changes nothing, from any thread."""
        return not self._size or self._free() >= (1 if self._held else 2) * self._size

    def _free(self) -> int:
        stats = os.statvfs(self._directory)
        return stats.f_bavail * stats.f_frsize

    def low(self) -> bool:
        """True while new requests must be refused."""
        if not self._size:
            return False
        free = self._free()
        if not self._held and free >= 2 * self._size:
            with suppress(OSError):
                self.hold()
                free -= self._size
        return not self._held or free < self._size


_RESPONSE: Final = int(Kind.RESPONSE)
_REQUEST: Final = int(Kind.REQUEST)
_DECISIONS: Final = int(Kind.DECISIONS)


def _direction(pieces: list[Piece]) -> str:
    requested = answered = False
    for kind, _, _ in pieces:
        if kind == _RESPONSE:
            answered = True
        elif kind == _REQUEST:
            requested = True
    if not requested:
        return "backend"
    return "both" if answered else "client"


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _sealed(stream: Stream, pieces: list[Piece]) -> tuple[bytes, str]:
    """The payload as it is stored, and the HMAC of its plaintext."""
    key = stream.key
    assert key is not None
    plaintext = encode_pieces(pieces)
    return key.encrypt(stream.seq, plaintext), _base64(key.mac(plaintext))


class Appender:
    """Appends to the log. Used by one thread at a time.

    :ivar index: the next leaf's.
    :ivar open: streams that are opened and not closed.
    """

    def __init__(
        self, directory: Path, segment: Segment, index: int, reserve: Reserve, clock: Clock
    ) -> None:
        self.segment = segment
        self.index = index
        self.open: dict[str, Stream] = {}
        self._directory = directory
        self._reserve = reserve
        self._clock = clock
        self._buffer: list[bytes] = []
        self._position = segment.offset
        self._leaves: list[tuple[bytes, bytes]] = []
        self._time = self._mono = 0
        self.tick()

    def tick(self) -> int:
        """Take the time for the leaves that follow; wall clock minus monotonic clock, in µs."""
        self._time = self._clock.wall() // 1000
        self._mono = max(self._mono, self._clock.monotonic() // 1000)
        return self._time - self._mono

    def add(self, entry: Entry) -> None:
        """Encode an entry; it is written by the next :meth:`commit`."""
        stream = entry.stream
        if entry.type == "chunk":
            pieces = entry.pieces
            if entry.decisions:
                detail = encode_decisions(entry.decisions)
                pieces = [*pieces, (_DECISIONS, pieces[-1][1], detail)]
            if entry.size > CHUNK_BYTES:
                *groups, pieces = cut(pieces, CHUNK_BYTES)
                for group in groups:
                    self._chunk(stream, group, ())
            self._chunk(stream, pieces, entry.decisions)
        else:
            self._leaf(stream, entry)
        entry.index = self.index - 1

    def _chunk(self, stream: Stream, pieces: list[Piece], decisions: Sequence[Decision]) -> None:
        payload, mac = _sealed(stream, pieces)
        leaf = encode_chunk(
            _direction(pieces),
            _base64(sha256(payload).digest()),
            mac,
            self.index,
            len(payload),
            self._mono,
            self._position,
            stream.prev,
            self.segment.number,
            stream.seq,
            stream.id,
            self._time,
            decisions,
        )
        if len(leaf) > LEAF_BYTES:
            fields = self._fields(stream, "chunk", payload, mac)
            fields["direction"] = _direction(pieces)
            leaf, _ = fit(fields, decision_fields(decisions))
        self._append(stream, leaf, payload)

    def _leaf(self, stream: Stream, entry: Entry) -> None:
        vital = entry.vital or {}
        extra = entry.extra or {}
        pieces = entry.pieces
        if (
            stream.key is not None
            and entry.type != "session.open"  # its payload has all of it
            and len(encode(extra)) > DETAIL_BYTES
        ):
            pieces = [*pieces, (int(Kind.DETAIL), self._mono, encode(extra))]
        if entry.type == "session.close":
            self.open.pop(stream.id, None)
            vital = {**vital, "last_seq": stream.seq - 1}
        payload, mac = _sealed(stream, pieces) if pieces else (entry.plain, "")
        fields = {**vital, **self._fields(stream, entry.type, payload, mac)}
        leaf, _ = fit(fields, extra)
        self._append(stream, leaf, payload)
        if entry.type in ("session.open", "epoch.start"):
            self.open[stream.id] = stream

    def _fields(self, stream: Stream, type: str, payload: bytes, mac: str) -> dict[str, object]:
        fields: dict[str, object] = {
            "index": self.index,
            "length": len(payload),
            "mono": self._mono,
            "offset": self._position,
            "prev": stream.prev,
            "segment": self.segment.number,
            "seq": stream.seq,
            "session": stream.id,
            "time": self._time,
            "type": type,
        }
        if mac:
            fields["hmac"] = mac
        if payload:
            fields["hash"] = _base64(sha256(payload).digest())
        return fields

    def _append(self, stream: Stream, leaf: bytes, payload: bytes) -> None:
        assert len(leaf) <= LEAF_BYTES
        hashed = leaf_hash(leaf)
        head, lengthened, payload = encode_record(leaf, payload)
        self._buffer.append(head)
        self._buffer.append(lengthened)
        self._buffer.append(payload)
        self._position += len(head) + len(lengthened) + len(payload)
        self._leaves.append((leaf, hashed))
        stream.seq += 1
        stream.prev = _base64(hashed)
        self.index += 1

    def commit(self) -> list[tuple[bytes, bytes]]:
        """Make everything added durable; the leaves and their hashes.

        :raises OSError: nothing may be written any more.
        """
        view = memoryview(b"".join(self._buffer))
        self._buffer.clear()
        while view:
            try:
                written = self.segment.write(view)
                view = view[written:]
            except OSError as error:
                # The rest of the batch still goes out, from the reserve: records that are
                # encrypted already must not be encrypted anew under the same nonce.
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._reserve.release():
                    raise
        self.segment.sync()
        assert self.segment.offset == self._position
        leaves, self._leaves = self._leaves, []
        return leaves

    def rotate(self, node: Stream) -> None:
        """Go on in a new segment, whose first leaf says how this one ended."""
        old = self.segment
        old.close()
        self.segment = Segment(self._directory, old.number + 1)
        self._position = self.segment.offset
        self.first(node, "segment.start", [[old.number, old.offset, old.offset, ""]], {})

    def first(
        self, node: Stream, type: str, sealed: list[list[object]], vital: Mapping[str, object]
    ) -> None:
        """Add a segment's first leaf.

        :param sealed: number, end of the records, length and SHA-256 (base64) of what follows the
            records, for each segment since the last one that was sealed.
        """
        running = {s.id: [s.seq, s.prev] for s in self.open.values()}
        plain = encode({"open": running, "sealed": sealed})
        self.add(Entry(node, type, plain=plain, vital=vital))


class Writer(threading.Thread):
    """Takes entries from ``queue`` until it gets None.

    The four callables are called from this thread.
    """

    def __init__(
        self,
        appender: Appender,
        node: Stream,
        reserve: Reserve,
        segment_bytes: int,
        directory: Path,
        *,
        durable: Callable[[list[Entry], list[tuple[bytes, bytes]], float], None],
        refused: Callable[[list[Entry]], None],
        failed: Callable[[BaseException], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name="hoopgate-log-writer", daemon=True)
        self.queue: SimpleQueue[Entry | None] = SimpleQueue()
        self.full = False
        self._appender = appender
        self._node = node
        self._reserve = reserve
        self._segment_bytes = segment_bytes
        self._directory = directory
        self._durable = durable
        self._refused = refused
        self._failed = failed
        self._ended = ended
        self._skew = appender.tick()

    def run(self) -> None:
        try:
            more = True
            while more:
                batch, more = self._take()
                if batch:
                    self._commit(batch)
            self._appender.segment.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing more is durable
            self._quarantine()
            self._failed(error)
            return
        self._ended()

    def room(self) -> bool:
        """True when the disk has room now; :attr:`full` is as of the last commit."""
        return self._reserve.room()

    def _take(self) -> tuple[list[Entry], bool]:
        """Everything that waits, up to the size of a batch; False: the last batch."""
        queue = self.queue
        entry = queue.get()
        batch: list[Entry] = []
        size = 0
        while entry is not None:
            batch.append(entry)
            size += entry.size
            if size >= BATCH_BYTES or queue.empty():  # nobody else takes from it
                return batch, True
            entry = queue.get()
        return batch, False

    def _commit(self, batch: list[Entry]) -> None:
        began = time.perf_counter()
        appender = self._appender
        skew = appender.tick()
        self.full = self._reserve.low()
        if self.full:
            batch = self._refuse(batch)
        if appender.segment.offset >= self._segment_bytes:
            appender.rotate(self._node)
        jump, self._skew = skew - self._skew, skew
        if abs(jump) > CLOCK_JUMP_SECONDS * 1_000_000:
            detail = {"event": "clock.jump", "microseconds": jump}
            appender.add(Entry(self._node, "admin", extra={"detail": detail}))
        for entry in batch:
            appender.add(entry)
        leaves = appender.commit()
        self._durable(batch, leaves, time.perf_counter() - began)

    def _refuse(self, batch: list[Entry]) -> list[Entry]:
        """What of a batch is recorded on a full disk: everything except new requests."""
        kept: list[Entry] = []
        refused: list[Entry] = []
        for entry in batch:
            if entry.essential:
                kept.append(entry)
                continue
            refused.append(entry)
            if entry.released:
                seen = [piece for piece in entry.pieces if piece[0] == _RESPONSE]
                kept.append(
                    Entry(
                        entry.stream,
                        "chunk",
                        seen,
                        recording=entry.recording,
                        released=entry.released,
                        size=entry.size,
                    )
                )
        if refused:
            self._refused(refused)
        return kept

    def _quarantine(self) -> None:
        segment = self._appender.segment
        # Best effort: the disk may take nothing any more. The next start does not rely on it.
        with suppress(OSError):
            quarantine(self._directory, segment.number, segment.durable)
