"""How every message of either side is framed, and what strings and lists in it look like (55.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.errors import LocalProtocolError

#: The server's own bound on any message (PQ_LARGE_MESSAGE_LIMIT); beyond it the length is a lie.
LARGEST_LENGTH: Final = 0x3FFFFFFF


def framed(type_: bytes, body: bytes) -> bytes:
    """A whole message."""
    length = len(body) + 4
    if length > LARGEST_LENGTH:
        raise LocalProtocolError("a message would be longer than the protocol allows")
    return type_ + length.to_bytes(4, "big") + body


def terminated(text: bytes) -> bytes:
    """A string as the protocol sends it."""
    if 0 in text:
        raise LocalProtocolError("a string with a NUL cannot be sent")
    return text + b"\0"


def counted(values: Sequence[object]) -> bytes:
    """The count in front of a list, unsigned 16 bits."""
    if len(values) > 0xFFFF:
        raise LocalProtocolError("more values than a message can count")
    return len(values).to_bytes(2, "big")
