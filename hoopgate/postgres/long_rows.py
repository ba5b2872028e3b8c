"""Rows above the limit, of which only what the client may see is held.

How long a row is depends on secrets: ``SELECT name, repeat('x', 67108800)``. So what counts towards
the limit must not be the values that are masked. They are left out as they come, and the row is
handed on with empty ones in their place.
"""

from __future__ import annotations

from hoopgate.errors import LimitExceeded, RemoteProtocolError

_FIELDS_MOST = 1664  # MaxTupleAttributeNumber of access/htup_details.h


class LongRow:
    """The body of one DataRow, or of a tuple of binary COPY, piece by piece.

    :param unseen: columns whose values are not looked at.
    :param limit: bytes held at most.
    :ivar left: bytes that are still to come.
    :ivar held: bytes of what came that are kept.
    """

    def __init__(self, size: int, unseen: frozenset[int], limit: int) -> None:
        self.left = size
        self._unseen = unseen
        self._limit = limit
        self._column = -1  # the count of columns comes first
        self._rest = b""  # the beginning of a count or a length
        self._take = 0  # bytes of the value that are still to come
        self._keeps = True
        self._parts: list[bytes] = []
        self.held = 0

    def feed(self, data: bytes) -> None:
        """More of the row, at most ``left`` bytes.

        :raises LimitExceeded: what is not masked is above the limit.
        """
        self.left -= len(data)
        data = self._rest + data
        at, end = 0, len(data)
        while at < end:
            if self._take:
                piece = min(self._take, end - at)
                if self._keeps:
                    self._keep(data[at : at + piece])
                self._take -= piece
                at += piece
                continue
            width = 2 if self._column < 0 else 4
            if end - at < width:
                break
            head = data[at : at + width]
            at += width
            if self._column >= 0:
                self._take = max(int.from_bytes(head, "big", signed=True), 0)
                self._keeps = self._column not in self._unseen or not self._take
                if not self._keeps:
                    head = b"\0\0\0\0"
            self._column += 1
            self._keep(head)
        self._rest = data[at:]

    def whole(self, kind: int) -> bytes:
        """The message, now that all of it came.

        :param kind: its type byte.
        :raises RemoteProtocolError: a field is longer than the row.
        """
        if self._rest or self._take or self._column > _FIELDS_MOST:
            raise RemoteProtocolError("a field overruns its row")
        body = b"".join(self._parts)
        return bytes((kind,)) + (len(body) + 4).to_bytes(4, "big") + body

    def _keep(self, piece: bytes) -> None:
        self._parts.append(piece)
        self.held += len(piece)
        if self.held > self._limit:
            raise LimitExceeded("a message of the server is above the limit")
