"""Elements of a bound parameter, a single value or an array, to put others in their place.

Arrays are those of ``column = ANY ($1)``: one dimension. Formats are those of ``array_in`` and
``array_recv`` (PostgreSQL manual, 8.15.6; ``src/backend/utils/adt/arrayfuncs.c``).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from hoopgate.postgres import types

#: Types of arrays whose elements can be tokens.
ARRAYS: Final = frozenset({1003, 1005, 1007, 1009, 1014, 1015, 1016, 1028, 2951})
_TEXTUAL_ARRAYS: Final = frozenset({1003, 1009, 1014, 1015})

_ELEMENT: Final = re.compile(
    rb'\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}\\\s](?:[^",{}\\]|\\.)*))\s*', re.DOTALL
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_HEADER: Final = struct.Struct(">iiI")

Elements = list[bytes | None]


def elements(type_: int, format: int, value: bytes | None) -> Elements | None:
    """The elements of a parameter as text, of one that is no array the value itself.

    :return: None when it is not understood: another shape, or a format in which no token can be.
    """
    if value is None:
        return []
    if type_ in ARRAYS:
        if format == 0:
            return _text_array(value)
        return _binary_array(value) if type_ in _TEXTUAL_ARRAYS else None
    if format == 0 or type_ in types.TEXTUAL:
        return [value]
    return None


def rebuilt(
    type_: int, format: int, value: bytes | None, new: Sequence[bytes | None]
) -> bytes | None:
    """``value`` with ``new`` for its elements, which are as many."""
    if value is None:
        return None
    if type_ not in ARRAYS:
        return new[0]
    if format == 0:
        return b"{" + b",".join(map(_quoted, new)) + b"}"
    head = value[: _HEADER.size + (8 if new else 0)]
    return head + b"".join(map(_sized, new))


def _sized(value: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value


def _quoted(value: bytes | None) -> bytes:
    if value is None:
        return b"NULL"
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _text_array(value: bytes) -> Elements | None:
    body = value.strip()
    if body[:1] != b"{" or body[-1:] != b"}":
        return None
    body = body[1:-1]
    found: Elements = []
    if not body.strip():
        return found
    at = 0
    while True:
        match = _ELEMENT.match(body, at)
        if match is None:
            return None
        quoted, plain = match.groups()
        if quoted is not None:
            found.append(_ESCAPED.sub(rb"\1", quoted))
        else:
            plain = plain.rstrip()
            found.append(None if plain.upper() == b"NULL" else _ESCAPED.sub(rb"\1", plain))
        at = match.end()
        if at == len(body):
            return found
        if body[at : at + 1] != b",":
            return None
        at += 1


def _binary_array(value: bytes) -> Elements | None:
    if len(value) < _HEADER.size:
        return None
    dimensions, _, _ = _HEADER.unpack_from(value)
    if dimensions == 0:
        return [] if len(value) == _HEADER.size else None
    at = _HEADER.size + 8
    if dimensions != 1 or len(value) < at:
        return None
    count = int.from_bytes(value[_HEADER.size : _HEADER.size + 4], "big", signed=True)
    found: Elements = []
    for _ in range(count):
        if len(value) < at + 4:
            return None
        length = int.from_bytes(value[at : at + 4], "big", signed=True)
        at += 4
        if length == -1:
            found.append(None)
            continue
        if length < 0 or len(value) < at + length:
            return None
        found.append(value[at : at + length])
        at += length
    return found if at == len(value) else None
