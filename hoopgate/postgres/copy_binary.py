"""COPY in binary format: signature, flags, extension, tuples, trailer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hoopgate.errors import RemoteProtocolError
from hoopgate.postgres.generalise import Rewriter
from hoopgate.postgres.masking import RowMasker

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_SIZE = len(_SIGNATURE) + 8
_TRAILER = b"\xff\xff"


class BinaryRows:
    """Tuples, whole out of payloads cut anywhere.

    The header goes out in front of the first tuple, or of the trailer, as the server sends it.

    :param columns: fields every tuple must have.
    """

    def __init__(self, columns: int, rewriters: Mapping[int, bytes | Rewriter | None]) -> None:
        self._columns = columns
        self._masker = RowMasker(columns, rewriters)
        self._data = bytearray()
        self._need = _HEADER_SIZE
        self._header: bytes | None = None  # not sent yet
        self._started = False
        self._ended = False

    @property
    def buffered(self) -> int:
        """Bytes of a tuple that is not whole yet."""
        return len(self._data)

    def plain(self, run: bytes, at: int, out: list[bytes]) -> int:
        """A run in which every message is one tuple is laid out as a run of rows is."""
        if at or not self._started or self._ended or self._data or self._header is not None:
            return at
        try:
            out.append(self._masker.rewrite(run))
        except RemoteProtocolError:  # the trailer, or tuples that are cut: payload by payload
            return at
        return len(run)

    def push(self, payload: bytes) -> Sequence[bytes]:
        """The tuples that are complete with ``payload``.

        :raises RemoteProtocolError: a stream that is not what COPY writes.
        """
        if self._ended and payload:
            raise RemoteProtocolError("data behind the end of a binary COPY")
        self._data += payload
        out: list[bytes] = []
        if len(self._data) >= self._need:
            at = 0
            while not self._ended and (end := self._next(at)) is not None:
                piece = bytes(self._data[at:end])
                if not self._started:
                    self._started = True
                    self._header = piece
                else:
                    piece = self._rewritten(piece)
                    out.append(piece if self._header is None else self._header + piece)
                    self._header = None
                at = end
            if self._ended and at != len(self._data):
                raise RemoteProtocolError("data behind the end of a binary COPY")
            del self._data[:at]
        return out

    def finish(self) -> Sequence[bytes]:
        """Nothing: the trailer has ended the stream.

        :raises RemoteProtocolError: it has not.
        """
        if not self._ended:
            raise RemoteProtocolError("a binary COPY ends without its trailer")
        return ()

    def _next(self, at: int) -> int | None:
        """Where the header, tuple or trailer at ``at`` ends; None sets how much must come first."""
        data = self._data
        held = len(data)
        if not self._started:
            return self._header_end(data)
        if not self._has(at + 2, at):
            return None
        if data[at : at + 2] == _TRAILER:
            self._ended = True
            return at + 2
        if int.from_bytes(data[at : at + 2], "big", signed=True) != self._columns:
            raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
        end = at + 2
        for _ in range(self._columns):
            if not self._has(end + 4, at):
                return None
            length = int.from_bytes(data[end : end + 4], "big", signed=True)
            if length < -1:
                raise RemoteProtocolError("a field of a row has an impossible length")
            end += 4 + max(length, 0)
            if end > held:
                self._need = end - at
                return None
        return end

    def _header_end(self, data: bytearray) -> int | None:
        # Bits 16 to 31 are critical flags, none of which is defined any more.
        if data[: len(_SIGNATURE)] != _SIGNATURE or data[11:13] != b"\0\0":
            raise RemoteProtocolError("malformed header of a binary COPY")
        extension = int.from_bytes(data[15:19], "big", signed=True)
        if extension < 0:
            raise RemoteProtocolError("malformed header of a binary COPY")
        end = _HEADER_SIZE + extension
        if not self._has(end, 0):
            return None
        self._need = 2
        return end

    def _has(self, end: int, at: int) -> bool:
        if len(self._data) >= end:
            return True
        self._need = end - at
        return False

    def _rewritten(self, piece: bytes) -> bytes:
        if self._ended:
            return piece
        message = b"d" + (len(piece) + 4).to_bytes(4, "big") + piece
        return self._masker.rewrite(message)[5:]
