"""Bytes of the MySQL and MariaDB client/server protocol: integers, strings, packets. Sans-I/O.

Sources: MySQL Internals "Client/Server Protocol" (protocol data types, packets), MariaDB knowledge
base "Client/Server Protocol". All integers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import RemoteProtocolError

#: Bytes of a packet's payload at most; one of exactly this many goes on in the next packet.
MOST_PAYLOAD: Final = 0xFFFFFF
HEADER: Final = 4

#: First byte of an answer.
OK, LOCAL_INFILE, EOF, ERR = 0x00, 0xFB, 0xFE, 0xFF
#: First byte of a NULL in a text row.
NULL: Final = 0xFB


class Status:
    """Status flags of OK and EOF packets."""

    IN_TRANSACTION: Final = 0x0001
    AUTOCOMMIT: Final = 0x0002
    MORE_RESULTS: Final = 0x0008
    NO_GOOD_INDEX_USED: Final = 0x0010
    NO_INDEX_USED: Final = 0x0020
    CURSOR_EXISTS: Final = 0x0040
    LAST_ROW_SENT: Final = 0x0080
    DB_DROPPED: Final = 0x0100
    NO_BACKSLASH_ESCAPES: Final = 0x0200
    METADATA_CHANGED: Final = 0x0400
    QUERY_WAS_SLOW: Final = 0x0800
    PS_OUT_PARAMS: Final = 0x1000
    IN_TRANSACTION_READONLY: Final = 0x2000
    SESSION_STATE_CHANGED: Final = 0x4000
    ANSI_QUOTES: Final = 0x8000


class Reader:
    """Reads a payload from front to back.

    Every method raises :class:`RemoteProtocolError` at the end of the payload.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise RemoteProtocolError("a packet ends too early")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def integer(self, size: int) -> int:
        """``int<size>``."""
        return int.from_bytes(self.take(size), "little")

    def lenenc(self) -> int:
        """``int<lenenc>``."""
        first = self.integer(1)
        if first < 0xFB:
            return first
        size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
        if size is None:
            raise RemoteProtocolError("an impossible length in a packet")
        return self.integer(size)

    def string(self) -> bytes:
        """``string<lenenc>``."""
        return self.take(self.lenenc())

    def until_nul(self) -> bytes:
        """``string<NUL>``."""
        end = self.data.find(0, self.at)
        if end < 0:
            raise RemoteProtocolError("a string in a packet has no end")
        piece = self.data[self.at : end]
        self.at = end + 1
        return piece

    def rest(self) -> bytes:
        """``string<EOF>``."""
        return self.take(self.left)

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise RemoteProtocolError("a packet is longer than what is in it")


def lenenc(value: int) -> bytes:
    """``int<lenenc>``."""
    if value < 0xFB:
        return value.to_bytes(1, "little")
    if value < 2**16:
        return b"\xfc" + value.to_bytes(2, "little")
    if value < 2**24:
        return b"\xfd" + value.to_bytes(3, "little")
    return b"\xfe" + value.to_bytes(8, "little")


def string(value: bytes) -> bytes:
    """``string<lenenc>``."""
    return lenenc(len(value)) + value


def packets(payload: bytes, sequence: int) -> bytes:
    """``payload`` as one packet, or as many as it takes; the first has number ``sequence``."""
    size = len(payload)
    if size < MOST_PAYLOAD:
        return size.to_bytes(3, "little") + (sequence & 0xFF).to_bytes(1, "little") + payload
    out: list[bytes] = []
    for start in range(0, size + 1, MOST_PAYLOAD):
        piece = payload[start : start + MOST_PAYLOAD]
        out.append(len(piece).to_bytes(3, "little") + bytes((sequence & 0xFF,)) + piece)
        sequence += 1
    return b"".join(out)


def packet_count(size: int) -> int:
    """How many packets a payload of ``size`` bytes takes."""
    return size // MOST_PAYLOAD + 1


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that arrived whole.

    :ivar sequence: number of its first packet.
    :ivar packets: how many it came in.
    """

    data: bytes = field(repr=False)
    sequence: int
    packets: int = 1

    @property
    def raw(self) -> bytes:
        """The packets as they came."""
        return packets(self.data, self.sequence)

    @property
    def after(self) -> int:
        """The number of the packet that comes next."""
        return (self.sequence + self.packets) & 0xFF


@dataclass(frozen=True, slots=True)
class Oversized:
    """A payload above the limit: only what it begins with was kept.

    :ivar head: its first bytes, up to nine of them.
    """

    head: bytes = field(repr=False)
    size: int
    sequence: int
    packets: int

    @property
    def after(self) -> int:
        """The number of the packet that comes next."""
        return (self.sequence + self.packets) & 0xFF


_HEAD: Final = 9


class PacketReader:
    """Whole payloads out of a stream: at a login, and of what a client sends.

    A payload above the limit is not collected: its bytes are dropped as they come, and it is
    :class:`Oversized`.

    :param limit: bytes of a payload at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0
        self._parts: list[bytes] = []
        self._held = 0
        self._begin(b"")

    def _begin(self, head: bytes) -> None:
        self._head = head
        self._sequence = 0
        self._packets = 0
        self._size = 0
        self._skipping = False
        self._drop = 0  # bytes of a packet that are still to be dropped
        self._last = True  # the packet that is being dropped is the last of its payload

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._buffer) - self._at + self._held

    def feed(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def peek(self, size: int) -> bytes:
        """Up to ``size`` of the bytes held, not taken."""
        return bytes(self._buffer[self._at : self._at + size])

    def next(self) -> Payload | Oversized | None:
        """The next payload that is whole.

        :raises RemoteProtocolError: the packets of a payload are not numbered in order.
        """
        buffer = self._buffer
        while True:
            at, size = self._at, len(buffer)
            if self._drop:
                dropped = min(self._drop, size - at)
                self._at += dropped
                self._drop -= dropped
                if self._drop:
                    return None
                if self._last:
                    return self._oversized()
                continue
            if size - at < HEADER:
                return None
            length = int.from_bytes(buffer[at : at + 3], "little")
            total = self._size + length
            if total > self._limit or self._skipping:
                if not self._head and size - at < HEADER + min(length, _HEAD):
                    return None
                self._number(buffer[at + 3])
                self._skip(length)
                if not length:
                    return self._oversized()
                continue
            if size - at < HEADER + length:
                return None
            self._number(buffer[at + 3])
            self._at = at + HEADER + length
            self._parts.append(bytes(buffer[at + HEADER : self._at]))
            self._held += length
            self._size = total
            if length < MOST_PAYLOAD:
                return self._whole()

    def _number(self, sequence: int) -> None:
        if not self._packets:
            self._sequence = sequence
        elif sequence != (self._sequence + self._packets) & 0xFF:
            raise RemoteProtocolError("packets out of order")
        self._packets += 1

    def _skip(self, length: int) -> None:
        if not self._skipping:
            self._skipping = True
            first = self._parts[0] if self._parts else self._buffer[self._at + HEADER :]
            self._head = bytes(first[:_HEAD])
            self._parts.clear()
            self._held = 0
        self._at += HEADER
        self._size += length
        self._drop = length
        self._last = length < MOST_PAYLOAD

    def _oversized(self) -> Oversized:
        found = Oversized(self._head, self._size, self._sequence, self._packets)
        self._begin(b"")
        return found

    def _whole(self) -> Payload:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        found = Payload(data, self._sequence, self._packets)
        parts.clear()
        self._held = 0
        self._begin(b"")
        return found

    def drain(self) -> bytes:
        """Everything held and not given out, taken.

        :raises RemoteProtocolError: part of a payload was taken in already.
        """
        if self._packets:
            raise RemoteProtocolError("half a payload where none was due")
        rest = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return rest
