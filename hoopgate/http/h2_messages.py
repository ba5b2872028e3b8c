"""Requests and answers of HTTP/2 (RFC 9113 8) as those of HTTP/1.1, and back. Sans-I/O.

A request that is translated is where requests are smuggled: what means nothing in one version may
end a line or frame a body in the other. So every field is taken in one spelling or the request is
refused, the head is written anew, and then read by the same reader as any other (``wire.py``).
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.http.wire import HEADERS, HOP_BY_HOP, HOST, Headers, Malformed, ResponseHead, head

Fields = list[tuple[bytes, bytes]]

#: RFC 9113 8.3.1; :protocol (RFC 8441) is not offered.
_PSEUDO: Final = (b":method", b":scheme", b":authority", b":path")
_NAME: Final = re.compile(rb"[a-z0-9!#$%&'*+.^`|~-]{1,100}")
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_METHOD: Final = re.compile(rb"[A-Z]{1,20}")
_PATH: Final = re.compile(rb"/[\x21-\x7e]*")
#: What belongs to one connection (RFC 9113 8.2.2), and would frame a message of HTTP/1.1.
_CONNECTION: Final = HOP_BY_HOP - {b"te"}


def request(fields: Headers, *, ended: bool) -> tuple[str, bytes, bool]:
    """Method and head of a request in HTTP/1.1, and whether its body goes in chunks.

    :param ended: there is no body.
    :raises Malformed: it is not written in the one way that is taken.
    """
    pseudo: dict[bytes, bytes] = {}
    written: Fields = []
    cookies: list[bytes] = []
    host = length = None
    if len(fields) > HEADERS + len(_PSEUDO):
        raise Malformed(431, "headers", "too many headers")
    for name, value in fields:
        if name.startswith(b":"):
            if name not in _PSEUDO or name in pseudo or written or cookies or host is not None:
                raise _bad("a pseudo-header that is not known, is there twice, or comes late")
            pseudo[name] = value
            continue
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise _bad("a header holds what it may not")
        if name in _CONNECTION:
            raise _bad("a header that is of HTTP/1.1's connections")
        if name == b"te":
            if value != b"trailers":
                raise _bad("TE may say trailers, and nothing else")
        elif name == b"cookie":
            cookies.append(value)  # RFC 9113 8.2.3: they may come in pieces
        elif name == b"host":
            if host is not None:
                raise _bad("more than one Host")
            host = value
        else:
            if name == b"content-length":
                if length is not None or not value.isdigit():
                    raise _bad("Content-Length is malformed")
                length = int(value)
            written.append((name, value))
    line = _line(pseudo)
    authority = pseudo.get(b":authority", host)
    if authority is None or HOST.fullmatch(authority) is None or host not in (None, authority):
        raise _bad("exactly one valid host is needed, in :authority")
    if cookies:
        written.append((b"cookie", b"; ".join(cookies)))
    if ended and length:
        raise _bad("the body is shorter than Content-Length says")
    chunked = not ended and length is None
    if chunked:
        written.append((b"transfer-encoding", b"chunked"))
    method = pseudo[b":method"].decode()
    return method, head(line, [(b"host", authority), *written]), chunked


def _line(pseudo: dict[bytes, bytes]) -> str:
    method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if _METHOD.fullmatch(method) is None or method == b"CONNECT":
        raise Malformed(501, "method", "the method is not known")
    if pseudo.get(b":scheme") != b"https":
        raise _bad("the scheme must be https")
    if _PATH.fullmatch(path) is None:
        raise _bad("the target must be a path")
    return f"{method.decode()} {path.decode('ascii')} HTTP/1.1"


def answer(found: ResponseHead) -> Fields:
    """The fields of an answer of our own."""
    kept = [(name, value) for name, value in found.headers if name not in HOP_BY_HOP]
    return [(b":status", str(found.status).encode()), *kept]


def _bad(message: str) -> Malformed:
    return Malformed(400, "header", message)
