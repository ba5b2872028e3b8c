"""Rows of several packets, of which only what the client may see is held.

How long a row is depends on secrets: ``if(email IS NULL, repeat('x', 16000000), '')``. So what
counts towards a limit must not be the values that are masked. They are left out as they come, and
the row is handed on with empty ones in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.kernels import BYTE_COUNTED

_NULL: Final = 0xFB
_WIDTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}


class LongRow:
    """One row, piece by piece.

    :param sizes: of each column's values, as :mod:`hoopgate.mysql.kernels` has them.
    :param unseen: columns whose values are not looked at.
    :ivar size: bytes held.
    """

    def __init__(self, sizes: Sequence[int], unseen: frozenset[int], binary: bool) -> None:
        self._sizes = sizes
        self._unseen = unseen
        self._head = 1 + (len(sizes) + 9) // 8 if binary else 0
        self._binary = binary
        self._nulls = b""
        self._column = 0
        self._rest = b""  # the beginning of a length, or of the row
        self._take = 0  # bytes of the value that are still to come
        self._keeps = True
        self._parts: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> None:
        """More of the row.

        :raises RemoteProtocolError: it has more than its columns.
        """
        at = 0
        if self._rest:
            data = self._rest + data
            self._rest = b""
        end = len(data)
        while at < end:
            if self._take:
                piece = min(self._take, end - at)
                if self._keeps:
                    self._keep(data[at : at + piece])
                self._take -= piece
                at += piece
                continue
            after = self._begin(data, at, end)
            if after < 0:
                self._rest = data[at:]
                return
            at = after

    def whole(self) -> bytes:
        """The row, now that all of it came.

        :raises RemoteProtocolError: it did not.
        """
        self._pass_nulls()
        if self._rest or self._take or self._column != len(self._sizes):
            raise RemoteProtocolError("the fields of a row do not fill it")
        return b"".join(self._parts)

    def _begin(self, data: bytes, at: int, end: int) -> int:
        """Read what is in front of the next value; where that begins, -1: it is not all there."""
        if self._head:
            if end - at < self._head:
                return -1
            head = data[at : at + self._head]
            self._nulls = head[1:]
            self._keep(head)
            at += self._head
            self._head = 0
            return at
        self._pass_nulls()
        if self._column >= len(self._sizes):
            raise RemoteProtocolError("the fields of a row do not fill it")
        size = self._sizes[self._column] if self._binary else -1
        behind = at
        if size < 0:
            first = data[at]
            behind = at + 1
            if not self._binary and first == _NULL:
                size = 0
            elif size == BYTE_COUNTED or first < _NULL:
                size = first
            else:
                width = _WIDTHS.get(first)
                if width is None:
                    raise RemoteProtocolError("a field of a row has an impossible length")
                behind += width
                if behind > end:
                    return -1
                size = int.from_bytes(data[at + 1 : behind], "little")
            self._keeps = self._column not in self._unseen or not size
            self._keep(data[at:behind] if self._keeps else b"\0")
        else:
            self._keeps = True
        self._take = size
        self._column += 1
        return behind

    def _pass_nulls(self) -> None:
        """Columns that a binary row has no value of."""
        while self._binary and not self._head and self._column < len(self._sizes):
            place = self._column + 2
            if not self._nulls[place >> 3] >> (place & 7) & 1:
                return
            self._column += 1

    def _keep(self, piece: bytes) -> None:
        self._parts.append(piece)
        self.size += len(piece)
