"""The server's byte stream (manual 55.7, "B"), cut into whole messages and runs of them.

Rows are never objects: :class:`BackendReader` hands out whole messages, or runs of messages of one
type, as slices of what was received. ``wire_backend.py`` decodes them.
"""

from __future__ import annotations

from typing import Final, NoReturn, final

from librt.strings import read_i32_be
from mypy_extensions import i64

from hoopgate.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from hoopgate.postgres.kernels import run_end
from hoopgate.postgres.wire_buffer import StreamBuffer

_DATA_ROW: Final = ord("D")
_KNOWN: Final = frozenset(b"RKSZTDCENAInst123VGHWdcv")


@final
class BackendReader:
    """The server's byte stream, cut into whole messages.

    The message at the front is taken (:meth:`take`, :meth:`take_run`), dropped, or kept: kept ones
    that follow each other come out together, and uncopied where they are all that was fed.

    :param message_limit: bytes of a whole message, header included.
    :param long_rows: stop at a DataRow above the limit, and let it be taken in pieces.
    :ivar kind: type byte of the message at the front, once :meth:`ready` was true.
    :ivar long: bytes of the body of a DataRow above the limit, where :meth:`ready` stops; 0: none.
    """

    __slots__ = ("_broken", "_buffer", "_end", "_kept", "_limit", "_long_rows", "kind", "long")

    def __init__(self, message_limit: int, *, long_rows: bool = False) -> None:
        self.kind = 0
        self.long = 0
        self._long_rows = long_rows
        self._limit: i64 = message_limit
        self._buffer = StreamBuffer()
        self._end: i64 = 0  # where the message at the front ends; 0: not looked at yet
        self._kept: i64 = 0  # bytes in front of it that are kept
        self._broken: RemoteProtocolError | None = None

    @property
    def buffered(self) -> int:
        """Bytes held: at most the limit and one read, as long as whole messages are taken."""
        return self._buffer.size

    def feed(self, data: bytes) -> None:
        """Append what was read from the socket."""
        if self._broken is None and data:
            self._end = 0  # the buffer may move
            self._buffer.feed(data)

    def ready(self) -> bool:
        """True when a whole message is at the front.

        :raises RemoteProtocolError: unknown type or impossible length; again at every further call.
        :raises LimitExceeded: the message is above the limit; likewise.
        """
        if self._broken is not None:
            raise type(self._broken)(str(self._broken))
        if self._end:
            return True
        buffer = self._buffer
        if buffer.starved():
            return False
        data = buffer.data
        at: i64 = buffer.at
        held: i64 = len(data) - at
        if held < 5:
            buffer.need = 5
            return False
        kind = data[at]
        length: int = read_i32_be(data, at + 1)
        if kind not in _KNOWN:
            self._fail(RemoteProtocolError("unknown message type"))
        if length < 4:
            self._fail(RemoteProtocolError("impossible message length"))
        if length >= self._limit:
            if self._long_rows and kind == _DATA_ROW:
                self.long = length - 4
                return False
            before = self.kept()
            self._fail(LimitExceeded("a message of the server is above the limit", before))
        if held <= length:
            buffer.need = length + 1
            return False
        self.kind = kind
        self._end = at + 1 + length
        return True

    def peek(self) -> int | None:
        """Type byte of the message at the front, or None until it is whole; see :meth:`ready`."""
        return self.kind if self.ready() else None

    def message(self) -> bytes:
        """The message at the front, which stays there.

        :raises LocalProtocolError: there is none.
        """
        self._must_be_ready()
        return self._buffer.data[self._buffer.at : self._end]

    def keep(self) -> None:
        """Step over the message at the front; :meth:`kept` hands it out. Feed nothing between.

        :raises LocalProtocolError: there is none.
        """
        self._must_be_ready()
        self._step_over(self._end)

    def keep_run(self) -> None:
        """:meth:`keep` for it and the complete ones of the same type that follow it directly."""
        self._must_be_ready()
        self._step_over(run_end(self._buffer.data, self._buffer.at, self._end, self._limit))

    def kept(self) -> bytes:
        """What was kept since the last call, taken. Call it before anything else is taken."""
        size = self._kept
        if size == 0:
            return b""
        buffer = self._buffer
        data, at = buffer.data, buffer.at
        self._kept = 0
        if at == len(data):
            buffer.clear()
            return data if size == at else data[at - size :]
        return data[at - size : at]

    def drop(self) -> None:
        """Take the message at the front without looking at it.

        :raises LocalProtocolError: there is none.
        """
        self._must_be_ready()
        self._buffer.at = self._end
        self._end = 0

    def take(self) -> bytes:
        """The message at the front, taken.

        :raises LocalProtocolError: there is none; ``peek`` first.
        """
        self.keep()
        return self.kept()

    def take_run(self) -> bytes:
        """:meth:`take` for it and the complete ones of the same type that follow it directly."""
        self.keep_run()
        return self.kept()

    def begin_long(self) -> None:
        """Take the head of the DataRow above the limit; its body is taken by :meth:`piece`."""
        self._buffer.at += 5
        self.long = 0

    def piece(self, most: int) -> bytes:
        """What is held, taken: at most so many bytes."""
        held = self._buffer.drain()
        if len(held) <= most:
            return held
        self._buffer.feed(held[most:])
        return held[:most]

    def drain(self) -> bytes:
        """Everything held, whole messages or not; for a reader that hands over to another."""
        self._end = 0
        return self._buffer.drain()

    def _must_be_ready(self) -> None:
        if not self._end and not self.ready():
            raise LocalProtocolError("no complete message to take")

    def _step_over(self, end: i64) -> None:
        self._kept += end - self._buffer.at
        self._buffer.at = end
        self._end = 0

    def _fail(self, error: RemoteProtocolError) -> NoReturn:
        self._broken = error
        self._kept = 0
        self._buffer.clear()
        raise error
