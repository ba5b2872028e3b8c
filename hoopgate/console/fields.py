"""What a browser sends to the console, read strictly: fields, each once, and cookies."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import parse_qsl

from hoopgate.errors import Refused
from hoopgate.gateway.web import QuietRequest

_FIELDS: Final = 12


def cookie(request: QuietRequest, name: str) -> str:
    """A cookie's value; "" where there is none."""
    value: bytes | None = request.getCookie(name.encode())  # type: ignore[no-untyped-call]
    return value.decode("ascii", "replace") if value else ""


def set_cookie(request: QuietRequest, name: str, value: str, seconds: int | None) -> None:
    """Have the browser keep a cookie.

    :param seconds: for so long; 0: it goes; None: as long as the browser runs.
    """
    lasting = "" if seconds is None else f"; Max-Age={seconds}"
    text = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{lasting}"
    request.responseHeaders.addRawHeader("Set-Cookie", text)


def query_of(request: QuietRequest) -> dict[str, str]:
    """The address's parameters.

    :raises Refused: ``request.query``.
    """
    return _pairs(request.uri.partition(b"?")[2])


def form_of(request: QuietRequest) -> dict[str, str]:
    """The body's fields. It may be read again.

    :raises Refused: ``request.size``, ``request.type``, ``request.body``, ``request.query``.
    """
    if request.oversized:
        raise Refused("request.size", "the form is too large")
    assert request.content is not None
    request.content.seek(0)
    data = request.content.read()
    types = request.requestHeaders.getRawHeaders("content-type") or [""]
    kind = types[0].partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise Refused("request.body", "the body must be a JSON object of strings")
        return found
    if data and kind != "application/x-www-form-urlencoded":
        raise Refused("request.type", "send a form, or JSON")
    return _pairs(data)


def _pairs(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS
        )
    except ValueError:
        raise Refused("request.query", "the fields cannot be read") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refused("request.query", "a field is given twice")
    return dict(pairs)
