"""A request that has been understood: what every format says of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from hoopgate.events import BESIDES, Operation
from hoopgate.http import documents
from hoopgate.http.headers import client_headers
from hoopgate.http.problems import Problem
from hoopgate.http.targets import Target
from hoopgate.http.wire import Malformed, RequestHead

if TYPE_CHECKING:
    from hoopgate.http.websockets import Handshake

#: Headers that take part in what is asked, and so in what an approval is for.
_MEANING: Final = frozenset(
    {
        *("prefer", "if-none-exist", "if-match", "if-none-match", "if-unmodified-since"),
        *("content-type", "content-encoding", "accept"),
    }
)
#: Characters; no server takes a path that is longer.
_LONGEST_PATH: Final = 2**16
#: A segment that is "." or "..".
_DOTS: Final = re.compile(r"(?:\A|/)\.\.?(?:/|\Z)")
#: What stands before the first segment: scheme and host, or the root.
_START: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)?/*")
_CHARSET: Final = re.compile(rb";\s*charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)

Pairs = tuple[tuple[str, str], ...]
Link = Callable[[str], "str | None"]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request that has been understood.

    :ivar target: for the upstream, below its base.
    :ivar accept: the Accept header for the upstream; None: the client's.
    :ivar answers: what kind of body is expected: ``rest``, ``fhir``, ``mcp``.
    :ivar asked: of MCP, id → method.
    :ivar refusal: how the protocol inside says no: status and JSON; None: by a problem document.
    :ivar filled: target and body for the upstream, given what the operation's tokens stand for;
        None when it holds none.
    :ivar pages: makes the rewriter of links between pages of the one for other links; None: they
        are the same.
    :ivar handshake: it asks for a WebSocket.
    """

    operation: Operation
    target: Target
    accept: bytes | None = None
    answers: str = "rest"
    asked: Mapping[str, str] = field(default_factory=dict)
    refusal: Callable[[Problem], tuple[int, bytes] | None] = lambda problem: None
    filled: Callable[[Sequence[str]], tuple[Target, bytes | None]] | None = None
    pages: Callable[[Link], Link] | None = None
    handshake: Handshake | None = None


def media_type(value: bytes | None) -> str:
    """A content type without its parameters, in lower case."""
    return (value or b"").partition(b";")[0].strip().lower().decode("latin-1")


def is_json(media: str) -> bool:
    """``application/json`` and its like (RFC 6839)."""
    return media in ("application/json", "text/json") or media.endswith("+json")


def charset(value: bytes | None) -> str:
    """The charset parameter of a content type, in lower case; ``utf-8`` without one."""
    found = _CHARSET.search(value or b"")
    return found[1].lower().decode("latin-1") if found else "utf-8"


def require_utf8(head: RequestHead) -> None:
    """
    :raises Malformed: the body is compressed, or in another charset.
    """
    if head.get(b"content-encoding") not in (None, b"identity"):
        raise Malformed(415, "coding", "a compressed request body is not taken")
    if charset(head.get(b"content-type")) not in ("utf-8", "utf8", "us-ascii"):
        raise Malformed(415, "charset", "a request body must be UTF-8")


def attributes(
    head: RequestHead,
    target: Target,
    *,
    parameters: Pairs | None = None,
    body: Pairs = (),
    tool: tuple[str, ...] = (),
    template: str = "",
    method: str = "",
) -> dict[str, Pairs]:
    """What rules see of a request.

    Of a value that is a path with dots in it (``/public/../secret``) they see also where it leads:
    an allow has to be for both.
    """
    asked = target.parameters if parameters is None else parameters
    asked += tuple((name, found) for name, value in asked if (found := resolved(value)))
    body += tuple((name, found) for name, value in body if (found := resolved(value)))
    tool += tuple(found for name in tool if (found := resolved(name)))
    return {
        "http.method": ((method or head.method, ""),),
        "http.path": ((target.path, ""),),
        "http.template": ((template or target.template, ""),),
        "http.parameter": asked,
        "http.parameter" + BESIDES: tuple(
            (name.partition("[")[0], value) for name, value in asked if "[" in name
        ),
        "http.header": client_headers(head.headers),
        "http.body": body,
        "http.body" + BESIDES: documents.meant(body),
        "http.tool": tuple((name, "") for name in tool),
        "http.tool" + BESIDES: tuple((unquote(name), "") for name in tool if "%" in name),
    }


def resolved(value: str) -> str:
    """Where a path or a URI with dots for segments leads, once it is decoded; "" where there are
    none."""
    if len(value) > _LONGEST_PATH or ("." not in value and "%" not in value):
        return ""
    text = unquote(value).replace("\\", "/")
    if not _DOTS.search(text):
        return ""
    start = _START.match(text)
    front = start[0] if start is not None else ""
    found: list[str] = []
    for one in text[len(front) :].split("/"):
        if one == "..":
            del found[-1:]
        elif one not in (".", ""):
            found.append(one)
    return front + "/".join(found)


def canonical(head: RequestHead, target: Target, body: bytes | None) -> str:
    """Everything of a request that takes part in what it does."""
    lines = [f"{head.method} {target.encode()}"]
    lines += sorted(
        f"{name}: {value}" for name, value in client_headers(head.headers) if name in _MEANING
    )
    return "\n".join([*lines, "", (body or b"").decode("utf-8", "backslashreplace")])
