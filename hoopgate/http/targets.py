"""Targets of requests: one reading of path and query, for rules and for the upstream alike.

A path that servers read differently (``//``, ``/./``, ``/../``, ``;x``, ``%2f``, backslashes, what
is encoded twice) is refused, for nobody needs it. The rest is decoded once, judged, and encoded
anew: the upstream gets what was judged.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from hoopgate.http.wire import Malformed

_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: What a path segment or a parameter may not hold once it is decoded.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
#: The last ones are slashes and backslashes to servers that make do with the nearest character of a
#: code page.
_SEGMENT: Final = re.compile(
    r"[/\\;?#%\u00a5\u0338\u20a9\u2044\u2215\u2216\u2571\u2572\u29f5\u29f8\u29f9]"
)
#: sub-delims of RFC 3986 but ";", and what else may stand in a segment.
_SAFE_PATH: Final = "!$&'()*+,=:@"
_SAFE_QUERY: Final = "!$'()*,:@/?|"
_LONGEST_SEGMENT: Final = 1024
_SEGMENTS: Final = 64
_PARAMETERS: Final = 200

#: An id rather than a name: digits, a UUID, a long word with digits in it.
_ID: Final = re.compile(
    r"[0-9]+|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|"
    r"(?=[^0-9]*[0-9])[A-Za-z0-9_-]{12,}|[0-9A-Fa-f]{16,}"
)

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A path and a query, decoded.

    :ivar segments: of the path; the last is "" when it ends in a slash.
    :ivar parameters: names and values in order.
    """

    segments: tuple[str, ...] = field(repr=False)
    parameters: Parameters = field(default=(), repr=False)

    @property
    def path(self) -> str:
        """The decoded path, for rules."""
        return "/" + "/".join(self.segments)

    @property
    def template(self) -> str:
        """The path with ids as ``{id}``."""
        return "/" + "/".join("{id}" if _ID.fullmatch(one) else one for one in self.segments)

    def below(self, count: int) -> Target:
        """Without its first segments."""
        return Target(self.segments[count:], self.parameters)

    def encode(self, base: str = "") -> str:
        """As it goes to the upstream."""
        path = base + "/" + "/".join(quote(one, _SAFE_PATH) for one in self.segments)
        query = encode_query(self.parameters)
        return f"{path}?{query}" if query else path


def parse(target: bytes) -> Target:
    """Read an origin-form target (RFC 9112 3.2.1).

    :raises Malformed: it is not written in the one way that is taken.
    """
    text = target.decode("ascii")
    path, mark, query = text.partition("?")
    raw = path[1:].split("/") if path != "/" else [""]
    if len(raw) > _SEGMENTS:
        raise _bad("the path has too many segments")
    segments = tuple(_segment(one, last=index == len(raw) - 1) for index, one in enumerate(raw))
    return Target(segments, parse_query(query) if mark else ())


def parse_query(query: str) -> Parameters:
    """Read a query or a form (application/x-www-form-urlencoded).

    :raises Malformed: an escape or a character in it is not taken.
    """
    pairs = [one for one in query.split("&") if one]
    if len(pairs) > _PARAMETERS:
        raise Malformed(400, "query", "too many parameters")
    found = []
    for pair in pairs:
        name, _, value = pair.partition("=")
        name, value = (_decoded(one.replace("+", " "), "query") for one in (name, value))
        if not name or name != name.strip():
            raise Malformed(400, "query", "a parameter without a name")
        found.append((name, value))
    return tuple(found)


def encode_query(parameters: Parameters) -> str:
    """The inverse of :func:`parse_query`, in one spelling."""
    return "&".join(
        f"{quote(name, _SAFE_QUERY)}={quote(value, _SAFE_QUERY)}" for name, value in parameters
    )


def _segment(text: str, *, last: bool) -> str:
    if not text:
        if last:
            return ""
        raise _bad("the path has an empty segment")
    found = _decoded(text, "path")
    if len(found) > _LONGEST_SEGMENT:
        raise _bad("a segment of the path is too long")
    # A percent sign that is still there was encoded twice, or wants to be.
    if _SEGMENT.search(found):
        raise _bad("a segment of the path holds a separator")
    if not found.strip(".") or found != found.strip() or found.endswith("."):
        raise _bad("a segment of the path is made of dots, or ends in a dot or blank")
    if unicodedata.normalize("NFKC", found) != found:
        raise _bad("a segment of the path is not in its plain form (NFKC)")
    return found


def _decoded(text: str, code: str) -> str:
    if "%" in text:
        if _BAD_ESCAPE.search(text):
            raise Malformed(400, code, "a percent sign without two hexadecimal digits")
        data = _ESCAPE.sub(lambda one: chr(int(one[0][1:], 16)), text).encode("latin-1")
        try:
            text = data.decode("utf-8")  # overlong forms are no UTF-8
        except UnicodeDecodeError:
            raise Malformed(400, code, "an escape that is not UTF-8") from None
    if _CONTROL.search(text):
        raise Malformed(400, code, "a control character")
    return text


def _bad(message: str) -> Malformed:
    return Malformed(400, "path", message)
