"""A web server that keeps no access log, no session and nothing of a request on disk."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

#: Bodies are small JSON objects; more is read away up to the second bound, then cut off.
BODY_BYTES = 16 * 1024
_DISCARDED_BYTES = 16 * BODY_BYTES

#: A bearer token of 64 KiB and the other headers.
_HEADER_BYTES = 80 * 1024


class QuietRequest(Request):
    """Holds its body in memory, up to a bound (Twisted's own writes large ones to /tmp).

    :ivar oversized: the body was larger than that, and is gone.
    :cvar body_bytes: the bound.
    """

    body_bytes = BODY_BYTES
    oversized = False
    _received = 0

    def gotLength(self, length: int | None) -> None:
        """See :class:`twisted.web.http.Request`."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """See :class:`twisted.web.http.Request`."""
        self._received += len(data)
        if self._received <= self.body_bytes:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]
            return
        self.oversized = True
        self.content = BytesIO()
        if self._received > self.body_bytes + _DISCARDED_BYTES:
            self.channel.loseConnection()

    def answer(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Answer and finish, unless the client is gone.

        :param headers: more headers, ``www_authenticate`` for ``WWW-Authenticate``.
        """
        if self._disconnected:
            return
        self.setResponseCode(status)
        self.responseHeaders.removeHeader(b"server")
        fixed = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in (fixed | headers).items():
            self.responseHeaders.setRawHeaders(name.replace("_", "-"), [value])
        self.write(body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]


class _Channel(HTTPChannel):
    MAX_LENGTH = _HEADER_BYTES
    totalHeadersSize = _HEADER_BYTES
    maxHeaders = 50


class QuietSite(Site):
    """HTTP/1.1 for programs.

    :param reactor: None: the global one.
    :param timeout: seconds a connection may be idle.
    :param request: what requests are.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime | None,
        timeout: float = 30.0,
        request: type[QuietRequest] = QuietRequest,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            resource,
            requestFactory=request,
            parsePOSTFormSubmission=False,
            timeout=timeout,
            reactor=reactor,
        )
        self.protocol = _Channel  # type: ignore[method-assign, assignment]

    def log(self, request: Any) -> None:
        """No access log: paths and referrers are the client's words."""
