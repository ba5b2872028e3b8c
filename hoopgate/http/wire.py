"""HTTP/1.1 messages (RFC 9112), sans-I/O: bytes → heads and bodies, with hard limits.

Two programs that read one message differently are how requests are smuggled, so this reader takes
one spelling of everything and refuses the rest, on both sides: lines end in CRLF, no folding, one
Host, one way to say how long a body is. What goes on is written anew from what was read here, never
copied. What is refused, and with which status, stands in ``tests/http/test_http_smuggling.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from hoopgate.http.wire_heads import (
    ASCII_VALUE,
    HEAD_BYTES,
    HEADERS,
    HOP_BY_HOP,
    HOST,
    METHODS,
    TARGET_BYTES,
    Headers,
    Malformed,
    RequestHead,
    ResponseHead,
    head,
    header,
    request_head,
    response_head,
)

__all__ = [
    "CONTINUE",
    "HEADERS",
    "HEAD_BYTES",
    "HOP_BY_HOP",
    "HOST",
    "LAST_CHUNK",
    "METHODS",
    "TARGET_BYTES",
    "TRAILER_BYTES",
    "Data",
    "End",
    "Headers",
    "Malformed",
    "RequestHead",
    "RequestReader",
    "ResponseHead",
    "ResponseReader",
    "chunk",
    "head",
    "request_head",
    "response_head",
]
#: A chunk's size line and the trailer section, which are not kept.
TRAILER_BYTES: Final = 8 * 1024
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,12}")


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a body, decoded from chunks."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """The message is complete."""


class _Reader:
    """What both directions share: the buffer, lines, bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._left: int | None = None  # of a body or chunk
        self._chunked = False
        self._state = "head"

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes; ``next_event`` says what they mean."""
        self._buffer += data

    def rest(self) -> bytes:
        """Everything unread: after an upgrade it is of another protocol."""
        return self._take(len(self._buffer))

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return data

    def _block(self, end: bytes, limit: int, status: int, code: str) -> bytes | None:
        """Everything up to ``end``, which is taken off; None when it is not there yet.

        :raises Malformed: more than ``limit`` bytes without it.
        """
        found = self._buffer.find(end, max(0, self._searched - len(end)))
        if found < 0:
            self._searched = len(self._buffer)
            if self._searched > limit:
                raise Malformed(status, code, "a head or a line is too long")
            return None
        if found > limit:
            raise Malformed(status, code, "a head or a line is too long")
        block = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        self._searched = 0
        return block

    def _head(self) -> bytes | None:
        buffer = self._buffer
        if buffer[:1] == b"\r" or buffer[:1] == b"\n":
            raise Malformed(400, "line", "an empty line before the message")
        seen = self._searched
        block = self._block(b"\r\n\r\n", HEAD_BYTES, 431, "head_size")
        # A peer that ends lines in LF alone would wait for ever.
        if block is None and _BARE_LF.search(buffer, max(0, seen - 1)) is not None:
            raise Malformed(400, "line", "a line does not end in CRLF")
        return block

    def _body(self, final: str) -> Data | End | None:
        if self._chunked:
            return self._chunks(final)
        if self._left == 0:
            self._state = final
            return End()
        if not self._buffer:
            return None
        size = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        if self._left is not None:
            self._left -= size
        return Data(self._take(size))

    def _chunks(self, final: str) -> Data | End | None:
        while True:
            if self._state == "trailers":
                line = self._block(b"\r\n", TRAILER_BYTES, 431, "trailers")
                if line is None:
                    return None
                if not line:
                    self._state = final
                    return End()
                self._trailers += len(line) + 2
                if self._trailers > TRAILER_BYTES:
                    raise Malformed(431, "trailers", "too many trailers")
                header(line, ASCII_VALUE)  # well-formed, and then forgotten
            elif self._left is None:
                line = self._block(b"\r\n", 16, 400, "chunk")
                if line is None:
                    return None
                if _CHUNK.fullmatch(line) is None:
                    raise Malformed(400, "chunk", "a chunk's size is malformed, or has extensions")
                self._left = int(line, 16)
                if not self._left:
                    self._left = None
                    self._state = "trailers"
                    self._trailers = 0
            elif self._left == 0:
                if len(self._buffer) < 2:
                    return None
                if self._take(2) != b"\r\n":
                    raise Malformed(400, "chunk", "a chunk is longer than it says")
                self._left = None
            else:
                if not self._buffer:
                    return None
                size = min(self._left, len(self._buffer))
                self._left -= size
                return Data(self._take(size))

    _trailers = 0


class RequestReader(_Reader):
    """Requests of one client, one after the other.

    A request is read only once :meth:`next_request` was called after the one before: pipelined
    bytes wait unread.
    """

    def next_event(self) -> RequestHead | Data | End | None:
        """What came next, or None when more bytes are needed (or the request is over).

        :raises Malformed: the connection cannot go on.
        """
        if self._state == "head":
            block = self._head()
            if block is None:
                return None
            head = request_head(block)
            self._chunked = head.length is None
            self._left = head.length
            self._state = "body"
            return head
        if self._state == "over":
            return None
        return self._body("over")

    def next_request(self) -> None:
        """The exchange is over: read on."""
        assert self._state == "over"
        self._state = "head"

    def again(self, body: bytes) -> None:
        """The request that is over is to be read once more behind its head: ``body`` is its."""
        assert self._state == "over"
        self._buffer[:0] = body
        self._searched = 0
        self._chunked, self._left = False, len(body)
        self._state = "body"

    @property
    def between(self) -> bool:
        """True when nothing of a request has come yet."""
        return self._state == "head" and not self._buffer


class ResponseReader(_Reader):
    """Responses of one server, one per request that was sent."""

    def __init__(self) -> None:
        super().__init__()
        self._state = "idle"
        self._method = ""

    def expect(self, method: str) -> None:
        """A request was sent."""
        self._method = method
        self._state = "head"

    @property
    def waiting(self) -> bool:
        """True while an answer is due or under way."""
        return self._state != "idle"

    def next_event(self) -> ResponseHead | Data | End | None:
        """What came next, or None when more bytes are needed.

        :raises Malformed: the connection cannot go on.
        """
        if self._state == "idle":
            if self._buffer:
                raise Malformed(502, "unasked", "the server sent what nobody asked for")
            return None
        if self._state == "upgraded":
            return None
        if self._state != "head":
            return self._body("idle")
        block = self._head()
        if block is None:
            return None
        head = response_head(block)
        if head.status == 101:
            self._state = "upgraded"
        elif head.status >= 200:
            self._chunked = head.chunked
            self._left = head.length
            self._state = "body"
            if self._method == "HEAD" or head.status in (204, 304):
                self._chunked, self._left = False, 0
        return head

    def ended(self) -> End | None:
        """The server closed: the end of a body that lasts until then, else None (it is cut)."""
        if self._state == "body" and not self._chunked and self._left is None and not self._buffer:
            self._state = "idle"
            return End()
        return None


def chunk(data: bytes) -> bytes:
    """A chunk; of no bytes there is none, for it would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
