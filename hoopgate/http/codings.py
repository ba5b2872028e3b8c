"""Content codings of answers that have to be seen: decoded within bounds, sans-I/O."""

from __future__ import annotations

import zlib
from typing import Any, Final, Protocol

import brotli
import zstandard

from hoopgate.errors import HoopgateError

SLICE: Final = 64 * 1024
#: Input given to zstandard at once: it has no bound of its own for what comes out of it.
_SIP: Final = 128
_WINDOW: Final = 8 * 2**20


class Undecodable(HoopgateError):
    """A body that is not what its Content-Encoding says, or grows beyond what it may.

    :ivar code: stable dotted word.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Decoder(Protocol):
    """Decodes one body."""

    def feed(self, data: bytes) -> bytes:
        """:raises Undecodable: it cannot be."""

    def finish(self) -> None:
        """:raises Undecodable: the end is missing."""


class Identity:
    """No coding."""

    def feed(self, data: bytes) -> bytes:
        """See :class:`Decoder`."""
        return data

    def finish(self) -> None:
        """See :class:`Decoder`."""


class _Bounded:
    """A decoder whose output may be ``expansion`` times its input, and ``limit`` bytes in all."""

    def __init__(self, limit: int, expansion: int) -> None:
        self._limit = limit
        self._expansion = expansion
        self._in = 0
        self._out = 0

    def feed(self, data: bytes) -> bytes:
        """See :class:`Decoder`."""
        self._in += len(data)
        parts = []
        try:
            for part in self._decode(data):
                self._out += len(part)
                # The first bytes of a body may well stand for many: a page of blanks is no bomb.
                allowed = max(self._in * self._expansion, 2**20)
                if self._out > min(self._limit, allowed):
                    raise Undecodable("body.size", "The answer is too large once it is decoded.")
                parts.append(part)
        except Undecodable:
            raise
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError, ValueError):
            raise Undecodable("body.coding", "The answer is not coded as it says.") from None
        return b"".join(parts)

    def _decode(self, data: bytes) -> Any:
        raise NotImplementedError

    def finish(self) -> None:
        """See :class:`Decoder`."""
        if not self._ended():
            raise Undecodable("body.coding", "The end of the coded answer is missing.")

    def _ended(self) -> bool:
        raise NotImplementedError


class _Zlib(_Bounded):
    """gzip and deflate; deflate with the header of RFC 1950, or without as some send it."""

    def __init__(self, limit: int, expansion: int, *, gzip: bool) -> None:
        super().__init__(limit, expansion)
        self._object = zlib.decompressobj(31) if gzip else None
        self._begun = False

    def _decode(self, data: bytes) -> Any:
        if not data:
            return
        if self._object is None:
            # RFC 1950: the low bits of the first byte say deflate (8).
            self._object = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
        self._begun = True
        while data:
            if self._object.eof:
                raise ValueError  # a second member: nobody needs one
            yield self._object.decompress(data, SLICE)
            data = self._object.unconsumed_tail or self._object.unused_data

    def _ended(self) -> bool:
        return not self._begun or (self._object is not None and self._object.eof)


class _Brotli(_Bounded):
    """RFC 7932."""

    def __init__(self, limit: int, expansion: int) -> None:
        super().__init__(limit, expansion)
        self._object = brotli.Decompressor()

    def _decode(self, data: bytes) -> Any:
        part = self._object.process(data, output_buffer_limit=SLICE)
        while part:
            yield part
            part = self._object.process(b"", output_buffer_limit=SLICE)

    def _ended(self) -> bool:
        return self._in == 0 or self._object.is_finished()


class _Zstandard(_Bounded):
    """RFC 8878, one frame."""

    def __init__(self, limit: int, expansion: int) -> None:
        super().__init__(limit, expansion)
        self._object = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    def _decode(self, data: bytes) -> Any:
        for at in range(0, len(data), _SIP):
            yield self._object.decompress(data[at : at + _SIP])
        if self._object.unused_data:
            raise ValueError

    def _ended(self) -> bool:
        return self._in == 0 or bool(self._object.eof)


def decoder(coding: bytes | None, limit: int, expansion: int) -> Decoder:
    """What decodes a body.

    :param coding: the value of Content-Encoding, None without one.
    :raises Undecodable: a coding that is not known, or several.
    """
    match (coding or b"identity").strip().lower():
        case b"identity" | b"":
            return Identity()
        case b"gzip" | b"x-gzip":
            return _Zlib(limit, expansion, gzip=True)
        case b"deflate":
            return _Zlib(limit, expansion, gzip=False)
        case b"br":
            return _Brotli(limit, expansion)
        case b"zstd":
            return _Zstandard(limit, expansion)
        case _:
            raise Undecodable("body.coding", "The answer has a coding that is not known, or two.")
