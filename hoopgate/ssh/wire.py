"""The SSH wire's data types and the frames that stand for channel messages; sans-I/O.

RFC 4251 section 5 has the types, RFC 4254 the messages. Between the transports and a session,
messages of one channel travel as frames: a four-byte length, the message number, and the message
without its channel number, which is the transports' business. Recordings hold the same frames.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from hoopgate.errors import LimitExceeded, RemoteProtocolError

GLOBAL_REQUEST: Final = 80
REQUEST_SUCCESS: Final = 81
REQUEST_FAILURE: Final = 82
CHANNEL_OPEN: Final = 90
CHANNEL_OPEN_CONFIRMATION: Final = 91
CHANNEL_OPEN_FAILURE: Final = 92
CHANNEL_WINDOW_ADJUST: Final = 93
CHANNEL_DATA: Final = 94
CHANNEL_EXTENDED_DATA: Final = 95
CHANNEL_EOF: Final = 96
CHANNEL_CLOSE: Final = 97
CHANNEL_REQUEST: Final = 98
CHANNEL_SUCCESS: Final = 99
CHANNEL_FAILURE: Final = 100

STDERR: Final = 1  #: RFC 4254 section 5.2

#: Reasons of CHANNEL_OPEN_FAILURE (RFC 4254 section 5.1).
PROHIBITED: Final = 1
CONNECT_FAILED: Final = 2
UNKNOWN_CHANNEL: Final = 3
RESOURCE_SHORTAGE: Final = 4

_UINT32: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">IB")
_DATA: Final = struct.Struct(">IBI")


def uint32(value: int) -> bytes:
    """A uint32."""
    return _UINT32.pack(value)


def uint64(value: int) -> bytes:
    """A uint64, encoded."""
    return value.to_bytes(8, "big")


def string(value: bytes) -> bytes:
    """A string: its length, then its bytes."""
    return _UINT32.pack(len(value)) + value


class Reader:
    """Reads the fields of one message.

    :raises RemoteProtocolError: a field is cut off.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, size: int) -> bytes:
        at, end = self._at, self._at + size
        if end > len(self._data):
            raise RemoteProtocolError("an SSH message is cut off")
        self._at = end
        return self._data[at:end]

    def byte(self) -> int:
        """A byte."""
        return self._take(1)[0]

    def boolean(self) -> bool:
        """A boolean: everything but 0 is true."""
        return self._take(1) != b"\0"

    def uint32(self) -> int:
        """A uint32."""
        value: int = _UINT32.unpack(self._take(4))[0]
        return value

    def uint64(self) -> int:
        """A uint64."""
        return int.from_bytes(self._take(8), "big")

    def string(self) -> bytes:
        """A string of bytes."""
        return self._take(self.uint32())

    def text(self) -> str:
        """A string that is UTF-8.

        :raises RemoteProtocolError: it is not.
        """
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError("a name in an SSH message is not UTF-8") from None

    def rest(self) -> bytes:
        """Everything that is left."""
        rest = self._data[self._at :]
        self._at = len(self._data)
        return rest

    def end(self) -> None:
        """
        :raises RemoteProtocolError: something is left.
        """
        if self._at != len(self._data):
            raise RemoteProtocolError("an SSH message goes on behind its end")


def frame(number: int, body: bytes = b"") -> bytes:
    """A channel message between transport and session."""
    return b"".join((_FRAME.pack(1 + len(body), number), body))


def data(payload: bytes) -> bytes:
    """The frame of CHANNEL_DATA."""
    size = len(payload)
    return b"".join((_DATA.pack(5 + size, CHANNEL_DATA, size), payload))


def in_frames(payload: bytes) -> bytes:
    """Frames of CHANNEL_DATA that are not too long."""
    most = 32 * 1024
    return b"".join(data(payload[at : at + most]) for at in range(0, len(payload), most))


def stderr(payload: bytes) -> bytes:
    """The frame of CHANNEL_EXTENDED_DATA of type stderr."""
    return frame(CHANNEL_EXTENDED_DATA, _UINT32.pack(STDERR) + string(payload))


def output(number: int, payload: bytes) -> bytes:
    """The frame of either: CHANNEL_DATA, or CHANNEL_EXTENDED_DATA of type stderr."""
    return data(payload) if number == CHANNEL_DATA else stderr(payload)


def request(name: bytes, body: bytes = b"", *, want_reply: bool = False) -> bytes:
    """The frame of CHANNEL_REQUEST."""
    return frame(CHANNEL_REQUEST, string(name) + bytes((want_reply,)) + body)


class Frames:
    """Frames out of chunks of any size.

    :param limit: bytes of one frame at most.
    :ivar buffered: bytes of a frame that is not whole yet.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Message numbers and bodies.

        :raises LimitExceeded: a frame is too long.
        :raises RemoteProtocolError: a frame is empty.
        """
        # As a rule a chunk is whole frames: these are not copied first.
        buffer: bytes | bytearray = self._buffer
        if buffer:
            self._buffer += chunk
        else:
            buffer = chunk
        at, end = 0, len(buffer)
        try:
            while end - at >= 4:
                (length,) = _UINT32.unpack_from(buffer, at)
                if length < 1:
                    raise RemoteProtocolError("an empty SSH message")
                if length > self._limit:
                    raise LimitExceeded("an SSH message is too long")
                if end - at < 4 + length:
                    break
                begin = at + 5
                at += 4 + length
                yield buffer[begin - 1], bytes(buffer[begin:at])
        finally:
            if buffer is chunk:
                self._buffer += chunk[at:]
            else:
                del self._buffer[:at]
