"""Bytes of a stream, joined only once the message they belong to is known to be whole."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64


@final
class StreamBuffer:
    """Received bytes in front of a message reader.

    A message that arrives in n chunks is copied once, not n times: chunks are kept in a list until
    the reader asks and at least ``need`` bytes are there.

    :ivar data: the bytes the reader walks, valid after :meth:`starved` was false.
    :ivar at: offset in ``data`` of the first byte not taken yet.
    :ivar need: bytes, from ``at`` on, without which the reader cannot go on.
    """

    __slots__ = ("_parts", "_waiting", "at", "data", "need")

    def __init__(self) -> None:
        self.data = b""
        self.at: i64 = 0
        self.need: i64 = 0
        self._parts: list[bytes] = []
        self._waiting: i64 = 0

    @property
    def size(self) -> int:
        """Bytes held and not taken yet."""
        return len(self.data) - self.at + self._waiting

    def feed(self, data: bytes) -> None:
        """Append ``data``. A reader that has taken all it had gets it without a copy."""
        if not self._waiting and self.at == len(self.data):
            self.data = data
            self.at = 0
            self.need = 0
        else:
            self._parts.append(data)
            self._waiting += len(data)

    def starved(self) -> bool:
        """True while the reader waits for more; else everything held is in ``data``."""
        if not self._waiting:
            return False
        if self.size < self.need:
            return True
        self._parts.insert(0, self.data[self.at :])
        self.data = b"".join(self._parts)
        self._parts.clear()
        self._waiting = self.at = self.need = 0
        return False

    def drain(self) -> bytes:
        """Everything held, taken."""
        rest = b"".join((self.data[self.at :], *self._parts))
        self.clear()
        return rest

    def clear(self) -> None:
        """Drop everything held."""
        self.data = b""
        self._parts.clear()
        self._waiting = self.at = self.need = 0
