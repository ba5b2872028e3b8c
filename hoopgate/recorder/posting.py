"""One POST to a server of others, from a thread: bounded in time and in what is read."""

from __future__ import annotations

import http.client
import io
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ANSWER_BYTES = 65_536


class NoAnswer(Exception):
    """There was none, or none of HTTP: a word for the log, nothing of the server's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """:ivar kind: its media type."""

    status: int
    kind: str
    body: bytes


class _Hasty(io.RawIOBase):
    """What a socket receives until its timeout is over, from now on: a server that sends a byte now
    and then has no more of it than one that sends nothing."""

    def __init__(self, sock: Any) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open
        self._end = time.monotonic() + sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        got: int | None = self._raw.readinto(buffer)
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()

    def makefile(self, mode: str) -> io.BufferedReader:
        """As :class:`http.client.HTTPResponse` asks a socket for it."""
        return io.BufferedReader(self)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **more: Any) -> None:
        hasty: Any = _Hasty(sock)
        super().__init__(hasty, *args, **more)


def post(
    url: str,
    body: bytes,
    *,
    timeout: float,
    ca_file: Path | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """What the server says. Redirects are not followed. Blocks.

    :param timeout: seconds for every step of it: to connect, to send, and for the whole answer.
    :param ca_file: certificates that verify its TLS; None: the system's.
    :raises NoAnswer: it cannot be reached, is not the one, or talks nonsense.
    """
    connection: http.client.HTTPConnection
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            trust = ssl.create_default_context(cafile=ca_file and str(ca_file))
            trust.minimum_version = ssl.TLSVersion.TLSv1_2
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=trust)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.response_class = _Response
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, dict(headers or {}))
            response = connection.getresponse()
            data = response.read(_ANSWER_BYTES)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(type(error).__name__) from None
    return Answer(response.status, response.headers.get_content_type(), data)
