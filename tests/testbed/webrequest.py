"""Requests of HTTP/1.1 as the gateway reads them, without a connection."""

from __future__ import annotations

from hoopgate.http.wire import RequestHead, RequestReader


def read(method: str, target: str, *lines: str) -> RequestHead:
    """The head of a request."""
    reader = RequestReader()
    reader.feed("\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode())
    head = reader.next_event()
    assert isinstance(head, RequestHead)
    return head
