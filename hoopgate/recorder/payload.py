"""The plaintext of a record: what happened in a session since its last record, piece by piece.

Each piece is ``kind u8 ‖ monotonic clock in µs u64 ‖ length u32 ‖ data``. What is longer than a
record goes on in the next one: pieces of one kind that follow each other are one stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum

from hoopgate.recorder.errors import BadLog

_head = struct.Struct(">BQI")


class Kind(IntEnum):
    RESPONSE = 1  #: what the client was sent
    REQUEST = 2  #: what the client sent
    FORWARDED = 3  #: what the backend was sent, where it differs; empty: nothing
    DECISIONS = 4  #: JSON: what was decided about the request before it
    FACTS = 5  #: JSON: the session's facts
    DETAIL = 6  #: JSON: the whole detail of a leaf that could only hold a part


Piece = tuple[int, int, bytes]  # kind, µs, data


def encode_pieces(pieces: Iterable[Piece]) -> bytes:
    parts: list[bytes] = []
    pack = _head.pack
    for kind, at, data in pieces:
        parts.append(pack(kind, at, len(data)))
        parts.append(data)
    return b"".join(parts)


def split_pieces(plaintext: bytes) -> Iterator[Piece]:
    """:raises BadLog: malformed."""
    at = 0
    while at < len(plaintext):
        if at + _head.size > len(plaintext):
            raise BadLog("a record's payload is cut off")
        kind, moment, length = _head.unpack_from(plaintext, at)
        at += _head.size
        if at + length > len(plaintext):
            raise BadLog("a record's payload is cut off")
        yield kind, moment, plaintext[at : at + length]
        at += length


def cut(pieces: list[Piece], size: int) -> Iterator[list[Piece]]:
    """Groups of pieces with about ``size`` bytes of data each; the long ones of a byte stream are
    split."""
    group: list[Piece] = []
    room = size
    for kind, moment, data in pieces:
        at, end = 0, len(data)
        while end - at > room and kind <= Kind.FORWARDED:
            if room:
                group.append((kind, moment, data[at : at + room]))
            yield group
            at += room
            group, room = [], size
        group.append((kind, moment, data[at:]))
        room = max(0, room - (end - at))
    yield group
