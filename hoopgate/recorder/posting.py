"""One POST to a server of others, from a thread: bounded in time and in what is read."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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


def post(
    url: str,
    body: bytes,
    *,
    timeout: float,
    ca_file: Path | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """What the server says. Redirects are not followed. Blocks.

    :param timeout: seconds for every step of it.
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
