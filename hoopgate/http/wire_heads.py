"""Heads of HTTP/1.1 messages (RFC 9112 2 to 6), sans-I/O: one spelling of everything, or refused.

What is refused, and with which status, stands in ``tests/http/test_http_smuggling.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import RemoteProtocolError

#: A bearer token of 64 KiB and other headers.
HEAD_BYTES: Final = 96 * 1024
HEADERS: Final = 100
TARGET_BYTES: Final = 16 * 1024
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
ASCII_VALUE: Final = re.compile(rb"[\t\x20-\x7e]*")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET: Final = re.compile(rb"/[\x21\x24-\x7e]*")
HOST: Final = re.compile(
    rb"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?"
)

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
    :ivar told: how the protocol inside says so, as :class:`hoopgate.http.inquiry.Inquiry` has it.
    """

    told: Callable[[Any], tuple[int, bytes] | None] | None = None

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
    headers = _headers(lines, ASCII_VALUE)
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
    headers = tuple([header(line, value) for line in lines[1:]])
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _ONCE:
            if name in seen:
                raise Malformed(400, "duplicate", f"the header {name.decode()} is there twice")
            seen.add(name)
    return headers


def header(line: bytes, allowed: re.Pattern[bytes]) -> tuple[bytes, bytes]:
    """Name, in lower case, and value of a line.

    :param allowed: what a value may be.
    :raises Malformed: it is not exactly one header.
    """
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


def head(first: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """A head from a first line and headers that were read or made here."""
    lines = [first.encode("ascii"), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"
