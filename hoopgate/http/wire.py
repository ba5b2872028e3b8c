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

from hoopgate.errors import RemoteProtocolError

#: A bearer token of 64 KiB and other headers.
HEAD_BYTES: Final = 96 * 1024
HEADERS: Final = 100
TARGET_BYTES: Final = 16 * 1024
#: A chunk's size line and the trailer section, which are not kept.
TRAILER_BYTES: Final = 8 * 1024
_LONGEST_SIZE: Final = 15  # decimal digits: below 2^53 everywhere

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: A body means nothing there (RFC 9110 9.3.1), and some servers take it for the next request.
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_REQUEST_LINE: Final = re.compile(rb"([A-Za-z]{1,20}) (\S{1,65536}) (HTTP/[0-9]\.[0-9])")
_STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2}) ?([\t\x20-\x7e\x80-\xff]{0,200})"
)
#: No underscore: a CGI-like server takes X_A for X-A (RFC 3875 4.1.18).
_NAME: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^`|~-]{1,100}")
_ASCII_VALUE: Final = re.compile(rb"[\t\x20-\x7e]*")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET: Final = re.compile(rb"/[\x21\x24-\x7e]*")
HOST: Final = re.compile(
    rb"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?"
)
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,12}")

#: Headers that may be there once. A second one is read by some and not by others.
_ONCE: Final = frozenset(
    {
        *(b"authorization", b"hoopgate-authorization", b"proxy-authorization", b"host"),
        *(b"content-length", b"transfer-encoding", b"content-type", b"content-encoding"),
        *(b"content-range", b"content-location", b"expect", b"upgrade", b"origin", b"range"),
        *(b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
        *(b"if-range", b"if-none-exist", b"location", b"etag", b"referer", b"user-agent"),
        *(b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name"),
        *(b"last-event-id", b"sec-websocket-key", b"sec-websocket-version", b"max-forwards"),
        *(b"x-http-method-override", b"date", b"last-modified"),
    }
)
#: Of one hop only (RFC 9110 7.6.1), and what is said to proxies.
HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-authentication-info", b"http2-settings"),
    }
)
#: What Connection may name besides: the rest would strip a header that somebody relies on.
_CONNECTION: Final = frozenset(
    {b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings", b"trailer", b"proxy-connection"}
)

Headers = tuple[tuple[bytes, bytes], ...]


class Malformed(RemoteProtocolError):
    """A message that is not taken.

    :ivar status: for the client, when it is the client's.
    :ivar code: stable word, ``http.`` is put before it.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = f"http.{code}"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's line and headers.

    :ivar headers: names in lower case, values without surrounding blanks, in order.
    :ivar length: of the body, in bytes; None when it is chunked.
    :ivar close: the client wants the connection closed afterwards.
    :ivar upgrade: ``websocket`` when the client asks for one, else "".
    :ivar expects: it waits for 100 Continue.
    """

    method: str
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    length: int | None
    close: bool
    upgrade: str
    expects: bool

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header, or None."""
        return next((value for one, value in self.headers if one == name), None)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response's line and headers, see :class:`RequestHead`.

    :ivar length: None: chunked, or until the connection ends, see ``chunked``.
    """

    status: int
    headers: Headers = field(repr=False)
    length: int | None
    chunked: bool
    close: bool

    def get(self, name: bytes) -> bytes | None:
        """The first value of a header, or None."""
        return next((value for one, value in self.headers if one == name), None)


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
                _field(line, _ASCII_VALUE)  # well-formed, and then forgotten
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


def request_head(block: bytes) -> RequestHead:
    """Read a head without its last empty line.

    :raises Malformed: it is not exactly one request's.
    """
    lines = _lines(block)
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise Malformed(400, "request_line", "the request line is malformed")
    method, target, version = line[1].decode(), line[2], line[3]
    if version != b"HTTP/1.1":
        raise Malformed(505, "version", "only HTTP/1.1 is spoken here")
    if method not in METHODS:
        raise Malformed(501, "method", "the method is not known")
    if len(target) > TARGET_BYTES:
        raise Malformed(414, "target_size", "the target is too long")
    if _TARGET.fullmatch(target) is None:
        raise Malformed(400, "target", "the target must be a path (RFC 9112 3.2.1)")
    headers = _headers(lines, _ASCII_VALUE)
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or HOST.fullmatch(hosts[0]) is None:
        raise Malformed(400, "host", "exactly one valid Host is needed")
    length, chunked = _framing(headers, 501)
    if length is None and not chunked:
        length = 0
    if method in _BODILESS and length != 0:
        raise Malformed(400, "body", "this method has no body")
    options = _connection(headers)
    upgrade = ""
    asked = next((value.lower() for name, value in headers if name == b"upgrade"), b"")
    if asked == b"websocket" and b"upgrade" in options:
        if method != "GET":
            raise Malformed(400, "upgrade", "a WebSocket is opened by GET")
        upgrade = "websocket"
    elif asked and asked != b"h2c":  # a client that offers h2c takes no for an answer
        raise Malformed(400, "upgrade", "no upgrade but to websocket")
    expect = next((value.lower() for name, value in headers if name == b"expect"), b"")
    if expect not in (b"", b"100-continue"):
        raise Malformed(417, "expect", "nothing but 100-continue can be expected")
    return RequestHead(
        method,
        target,
        headers,
        None if chunked else length,
        b"close" in options,
        upgrade,
        bool(expect) and length != 0,
    )


def response_head(block: bytes) -> ResponseHead:
    """Read a head without its last empty line.

    :raises Malformed: it is not exactly one response's.
    """
    lines = _lines(block)
    line = _STATUS_LINE.fullmatch(lines[0])
    if line is None:
        raise Malformed(502, "status_line", "the status line is malformed")
    headers = _headers(lines, _VALUE)
    length, chunked = _framing(headers, 502)
    old = line[1] == b"0"
    if old and chunked:
        raise Malformed(502, "framing", "chunks in HTTP/1.0")
    options = {
        one.strip(b" \t").lower()
        for name, value in headers
        if name == b"connection"
        for one in value.split(b",")
    }
    close = b"close" in options or (old and b"keep-alive" not in options)
    return ResponseHead(
        int(line[2]), headers, length, chunked, close or (length is None and not chunked)
    )


def _lines(block: bytes) -> list[bytes]:
    lines = block.split(b"\r\n")
    if len(lines) > HEADERS + 1:
        raise Malformed(431, "headers", "too many headers")
    return lines


def _headers(lines: list[bytes], value: re.Pattern[bytes]) -> Headers:
    headers = tuple([_field(line, value) for line in lines[1:]])
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _ONCE:
            if name in seen:
                raise Malformed(400, "duplicate", f"the header {name.decode()} is there twice")
            seen.add(name)
    return headers


def _field(line: bytes, allowed: re.Pattern[bytes]) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    # A name with a blank behind it, and a line that begins with one, are no names either.
    if not colon or _NAME.fullmatch(name) is None:
        raise Malformed(400, "header", "a header line is malformed")
    value = value.strip(b" \t")
    if allowed.fullmatch(value) is None:
        raise Malformed(400, "header", "a header's value holds what it may not")
    return name.lower(), value


def _framing(headers: Headers, status: int) -> tuple[int | None, bool]:
    """Content-Length and whether it is chunked (RFC 9112 6.3); both, or another coding: refused."""
    length = next((value for name, value in headers if name == b"content-length"), None)
    coding = next((value for name, value in headers if name == b"transfer-encoding"), None)
    if coding is not None:
        if length is not None:
            raise Malformed(400, "framing", "Content-Length beside Transfer-Encoding")
        if coding.lower() != b"chunked":
            raise Malformed(status, "framing", "no transfer coding but chunked")
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > _LONGEST_SIZE:
        raise Malformed(400, "framing", "Content-Length is malformed")
    return int(length), False


def _connection(headers: Headers) -> set[bytes]:
    options: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            options.update(one.strip(b" \t").lower() for one in value.split(b","))
    options.discard(b"")
    if not options <= _CONNECTION:
        raise Malformed(400, "connection", "Connection names a header that is not of one hop")
    return options


# --- what we write -----------------------------------------------------------------------------


def head(first: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """A head from a first line and headers that were read or made here."""
    lines = [first.encode("ascii"), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """A chunk; of no bytes there is none, for it would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
