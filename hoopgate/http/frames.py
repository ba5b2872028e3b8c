"""WebSocket frames (RFC 6455 5), sans-I/O: bytes → whole messages, with hard limits.

No extension is ever negotiated, so a frame has one spelling: reserved bits are zero, lengths are as
short as they can be, and what a client sends is masked. Messages are put together here and cut anew
when they go on, so that nothing is judged in pieces.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import RemoteProtocolError

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

#: Close codes (RFC 6455 7.4.1) that the gateway itself uses.
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
NOT_UTF8: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
INTERNAL: Final = 1011

#: Of a control frame's payload (RFC 6455 5.5); two are the code of a close.
CONTROL_BYTES: Final = 125
#: Frames that one message may come in: empty ones cost their sender next to nothing.
FRAGMENTS: Final = 16_384
_HEADER_BYTES: Final = 14
#: Codes that may be sent: of the RFC, registered ones, and applications' own.
_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


class BadFrame(RemoteProtocolError):
    """A frame that is not taken; the connection cannot go on.

    :ivar close: the close code that says so.
    """

    def __init__(self, close: int, message: str) -> None:
        super().__init__(message)
        self.close = close


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message; a text's bytes are UTF-8."""

    text: bool
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Control:
    """A ping or a pong."""

    opcode: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Closing:
    """The peer sends nothing more.

    :ivar code: 1005 when it gave none.
    """

    code: int
    reason: str = field(default="", repr=False)


class FrameReader:
    """Frames of one peer.

    :param masked: it is a client: every frame is masked. A server's is never (RFC 6455 5.1).
    :param limit: bytes of a message.
    """

    def __init__(self, *, masked: bool, limit: int) -> None:
        self._masked = masked
        self._limit = limit
        self._buffer = bytearray()
        self._message = bytearray()
        self._kind = 0  # of the message under way
        self._frames = 0
        self.closed = False

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._buffer) + len(self._message)

    def feed(self, data: bytes) -> None:
        """Take bytes; what comes behind a close is nobody's (RFC 6455 5.5.1)."""
        if not self.closed:
            self._buffer += data

    def next_event(self) -> Message | Control | Closing | None:
        """What came next, or None when more bytes are needed.

        :raises BadFrame: the connection cannot go on.
        """
        while not self.closed and (found := self._frame()) is not None:
            final, opcode, payload = found
            if opcode == CLOSE:
                self.closed = True
                self._buffer.clear()
                self._message.clear()
                return _closing(payload)
            if opcode in (PING, PONG):
                return Control(opcode, payload)
            self._frames += 1
            self._kind = opcode or self._kind
            if not final:
                self._message += payload
                if self._frames > FRAGMENTS:
                    raise BadFrame(POLICY, "a message in too many fragments")
                continue
            kind, self._kind, self._frames = self._kind, 0, 0
            data = bytes(self._message) + payload if self._message else payload
            self._message.clear()
            return _message(kind, data)
        return None

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame: whether it is the last of its message, opcode, payload unmasked."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, opcode = bool(buffer[0] & 0x80), buffer[0] & 0x0F
        masked, length = bool(buffer[1] & 0x80), buffer[1] & 0x7F
        self._check(buffer[0], opcode, masked)
        if opcode >= CLOSE and (length > CONTROL_BYTES or not final):
            raise BadFrame(PROTOCOL_ERROR, "a control frame that is too long, or in fragments")
        at = 2
        if length >= 126:
            form, least = ("!H", 126) if length == 126 else ("!Q", 2**16)
            at += struct.calcsize(form)
            if len(buffer) < at:
                return None
            (length,) = struct.unpack_from(form, buffer, 2)
            if length < least or length >= 2**63:
                raise BadFrame(PROTOCOL_ERROR, "a length that is not written as it must be")
        if opcode < CLOSE and len(self._message) + length > self._limit:
            raise BadFrame(TOO_BIG, "the message is too long")
        key = at
        at += 4 if masked else 0
        if len(buffer) < at + length:
            return None
        payload = bytes(buffer[at : at + length])
        if masked:
            payload = masked_by(bytes(buffer[key:at]), payload)
        del buffer[: at + length]
        return final, opcode, payload

    def _check(self, first: int, opcode: int, masked: bool) -> None:
        if first & 0x70:
            raise BadFrame(PROTOCOL_ERROR, "reserved bits are set, and no extension was agreed on")
        if masked is not self._masked:
            raise BadFrame(PROTOCOL_ERROR, "a client's frame unmasked, or a server's masked")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise BadFrame(PROTOCOL_ERROR, "an opcode that is not known")
        if opcode < CLOSE and (opcode == CONTINUATION) is not bool(self._kind):
            raise BadFrame(PROTOCOL_ERROR, "a message within another, or a continuation of none")


def masked_by(key: bytes, data: bytes) -> bytes:
    """``data`` masked, or unmasked, by the four bytes of ``key`` (RFC 6455 5.3)."""
    size = len(data)
    repeated = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return mixed.to_bytes(size, "big")


def frame(opcode: int, payload: bytes, key: bytes | None = None) -> bytes:
    """One unfragmented frame; masked where there is a ``key``, as a client's must be."""
    size, masked = len(payload), 0x80 if key is not None else 0
    first = 0x80 | opcode
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 2**16:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    return head + payload if key is None else head + key + masked_by(key, payload)


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close; ``reason`` is cut to what fits."""
    if code == NO_STATUS:
        return b""
    text = reason.encode()[: CONTROL_BYTES - 2].decode("utf-8", "ignore")
    return struct.pack("!H", code) + text.encode()


def _message(kind: int, data: bytes) -> Message:
    if kind == TEXT:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise BadFrame(NOT_UTF8, "a text that is not UTF-8") from None
    return Message(kind == TEXT, data)


def _closing(payload: bytes) -> Closing:
    if not payload:
        return Closing(NO_STATUS)
    if len(payload) < 2:
        raise BadFrame(PROTOCOL_ERROR, "a close with half a code")
    (code,) = struct.unpack_from("!H", payload)
    if code not in _CODES:
        raise BadFrame(PROTOCOL_ERROR, "a close with a code that may not be sent")
    try:
        return Closing(code, payload[2:].decode("utf-8"))
    except UnicodeDecodeError:
        raise BadFrame(NOT_UTF8, "a close whose reason is not UTF-8") from None
