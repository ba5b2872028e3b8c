"""Pages of other origins (WHATWG Fetch, CORS protocol): which may ask, and read the answers.

A browser asks before it sends a token, without one; so the gateway answers that question itself,
for every resource alike. There are no cookies in this: a page has a token of its own, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hoopgate.http.problems import Problem, status_line
from hoopgate.http.wire import RequestHead, head

#: Seconds for which a browser need not ask again.
_SECONDS: Final = 600
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
#: What a page may read besides the few that it always may.
_EXPOSED: Final = (
    b"Hoopgate-Request, Retry-After, WWW-Authenticate, Location, Content-Location, ETag,"
    b" Mcp-Session-Id, Mcp-Protocol-Version"
)
_NAMES: Final = re.compile(rb"[A-Za-z0-9-]{1,64}( *, *[A-Za-z0-9-]{1,64}){0,31}")


class Origins:
    """Those that pages may be of.

    :param allowed: as browsers write them, ``https://app.example.org``.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(one.encode("ascii") for one in allowed)

    def preflight(self, asked: RequestHead) -> bytes | None:
        """The answer to a browser that asks whether it may ask; None: it does not."""
        origin = asked.get(b"origin")
        if (
            asked.method != "OPTIONS"
            or origin is None
            or asked.get(b"access-control-request-method") is None
        ):
            return None
        names = asked.get(b"access-control-request-headers") or b""
        if origin not in self._allowed or (names and not _NAMES.fullmatch(names)):
            problem = Problem(
                403,
                "origin.refused",
                "Pages of this origin may not ask here.",
                "Ask an operator to allow it (origins of the listener).",
            )
            return problem.encode(close=asked.close)
        written = [
            *self.headers(asked),
            (b"Access-Control-Allow-Methods", _METHODS),
            (b"Access-Control-Max-Age", str(_SECONDS).encode()),
        ]
        if names:
            written.append((b"Access-Control-Allow-Headers", names))
        if asked.close:
            written.append((b"Connection", b"close"))
        return head(status_line(204), written)

    def headers(self, asked: RequestHead) -> list[tuple[bytes, bytes]]:
        """What lets the page that asked read the answer."""
        origin = asked.get(b"origin")
        if origin is None or origin not in self._allowed:
            return []
        return [
            (b"Access-Control-Allow-Origin", origin),
            (b"Access-Control-Expose-Headers", _EXPOSED),
            (b"Vary", b"Origin"),
        ]
