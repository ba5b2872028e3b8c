"""Entries, and how they become leaves and records: :class:`Appender`.

:mod:`hoopgate.recorder.writer` makes them durable, a batch at a time.
"""

from __future__ import annotations

import errno
import os
import time
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hoopgate.actions import Decision
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
from hoopgate.recorder.prepared import Preparer
from hoopgate.recorder.sealing import SessionKey
from hoopgate.recorder.segments import CHUNK_BYTES, Segment, encode_record
from hoopgate.recorder.tree import leaf_hash

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

#: Detail above goes into the payload whole, and into the leaf as far as it fits.
DETAIL_BYTES = 480


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


class Waiter(Protocol):
    """Who waits for an entry, where a Deferred would cost more than the entry."""

    def recorded(self, entry: Entry, error: Exception | None) -> None:
        """It is durable, or refused for ``error``. Once."""


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
        "refusal",
        "released",
        "size",
        "stream",
        "type",
        "vital",
        "waiter",
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
        self.refusal = False  #: a request that does not run: recorded from a part of the reserve
        self.recording = recording
        self.released = released  #: response bytes that are durable with it
        self.size = size
        self.deferred = deferred
        self.waiter: Waiter | None = None
        self.index = -1


class Reserve:
    """Room on the disk that is kept for closing what is open."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._path = directory / "reserve"
        self.size = size  #: bytes
        self._held = False

    def hold(self) -> None:
        """:raises OSError: there is no room."""
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self.size:
                os.posix_fallocate(fd, 0, self.size)
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
        return not self.size or self._free() >= (1 if self._held else 2) * self.size

    def _free(self) -> int:
        stats = os.statvfs(self._directory)
        return stats.f_bavail * stats.f_frsize

    def low(self) -> bool:
        """True while new requests must be refused."""
        if not self.size:
            return False
        free = self._free()
        if not self._held and free >= 2 * self.size:
            with suppress(OSError):
                self.hold()
                free -= self.size
        return not self._held or free < self.size


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
    """Turns entries into what is appended to the log. Used by one thread at a time.

    :ivar index: the next leaf's.
    :ivar position: where the next record begins in its segment.
    :ivar open: streams that are opened and not closed.
    :ivar preparer: of segments; None: they grow as they are written.
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
        self.position = segment.offset
        self._leaves: list[tuple[bytes, bytes]] = []
        self._time = self._mono = 0
        self.preparer: Preparer | None = None
        self.tick()

    def tick(self) -> None:
        """Take the time for the leaves that follow."""
        self._time = self._clock.wall() // 1000
        self._mono = max(self._mono, self._clock.monotonic() // 1000)

    def jump(self) -> int:
        """Take the time; by how many µs the wall clock was set since it was taken last."""
        before = self._time - self._mono
        self.tick()
        return self._time - self._mono - before

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
            self.position,
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
        elif entry.type == "session.close":
            # Whoever still holds the recording must not hold what opens it.
            stream.key = None

    def _fields(self, stream: Stream, type: str, payload: bytes, mac: str) -> dict[str, object]:
        fields: dict[str, object] = {
            "index": self.index,
            "length": len(payload),
            "mono": self._mono,
            "offset": self.position,
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
        self.position += len(head) + len(lengthened) + len(payload)
        self._leaves.append((leaf, hashed))
        stream.seq += 1
        stream.prev = _base64(hashed)
        self.index += 1

    def take(self) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
        """What is to be written for the entries added since, and their leaves with hashes."""
        buffer, self._buffer = self._buffer, []
        leaves, self._leaves = self._leaves, []
        return buffer, leaves

    def write(self, buffer: list[bytes]) -> None:
        """Make what was taken durable.

        :raises OSError: nothing may be written any more.
        """
        view = memoryview(b"".join(buffer))
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

    def commit(self) -> list[tuple[bytes, bytes]]:
        """Make everything added durable; the leaves and their hashes.

        :raises OSError: nothing may be written any more.
        """
        buffer, leaves = self.take()
        self.write(buffer)
        assert self.segment.offset == self.position
        return leaves

    def ended(self, size: int) -> bool:
        """True when it is time for a new segment: this one has ``size`` bytes, or it is slower
        than one that is prepared."""
        if self.position >= size:
            return True
        preparer = self.preparer
        return preparer is not None and preparer.ready and not self.segment.prepared

    def rotate(self, node: Stream) -> None:
        """Go on in a new segment, whose first leaf says how this one ended."""
        old = self.segment
        old.close()
        zeros = self.preparer.take() if self.preparer is not None else None
        self.segment = Segment(self._directory, old.number + 1, zeros)
        self.position = self.segment.offset
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
