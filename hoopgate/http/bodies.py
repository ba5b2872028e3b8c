"""Bodies of answers on their way to the client. Sans-I/O.

What holds PHI is shown only once it was understood: decoded, read, masked and written anew. What
cannot be understood is not shown at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hoopgate.errors import HoopgateError
from hoopgate.http import codings
from hoopgate.http.codings import Undecodable
from hoopgate.phi.documents import Unreadable

#: A line of NDJSON, or an event of a stream.
LINE_BYTES: Final = 4 * 2**20
#: Masked at once where they come; more would keep everybody else waiting, see ``masking_work.py``.
INLINE_BYTES: Final = 64 * 1024
Mask = Callable[[bytes], bytes]


class BodyRefused(HoopgateError):
    """A body that cannot be shown to the client.

    :ivar code: stable dotted word.
    :ivar status: the answer's, when that may be known all the same, else 502.
    """

    def __init__(self, code: str, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Rewriter(Protocol):
    """Rewrites one body.

    :ivar media: the content type for the client; None: the upstream's.
    :ivar whole: nothing comes out before :meth:`finish`.
    :ivar etag: of what came out, once it has; b"" without one.
    :ivar recipe: see ``masking_work.py``; None: everything is shown at once.
    :ivar pending: what :meth:`feed` or :meth:`finish` have not shown, because it is a lot: each is
        to be given to :meth:`show`, in order, before anything else is asked for.
    """

    media: bytes | None
    whole: bool
    etag: bytes
    recipe: object
    pending: Sequence[bytes]

    @property
    def buffered(self) -> int:
        """Bytes held."""

    def feed(self, data: bytes) -> bytes:
        """:raises BodyRefused: the body cannot be shown."""

    def finish(self) -> bytes:
        """The rest, once all has come.

        :raises BodyRefused: as :meth:`feed`.
        """

    def show(self, part: bytes) -> bytes:
        """What may be seen of a part: a document, a line, an event.

        :raises BodyRefused: as :meth:`feed`.
        """


class Unchanged:
    """Passes a body on."""

    media: bytes | None = None
    whole = False
    etag = b""
    buffered = 0
    recipe: object = None
    pending: Sequence[bytes] = ()

    def show(self, part: bytes) -> bytes:
        """See :class:`Rewriter`."""
        return part

    def feed(self, data: bytes) -> bytes:
        """See :class:`Rewriter`."""
        return data

    def finish(self) -> bytes:
        """See :class:`Rewriter`."""
        return b""


class Nothing:
    """Shows nothing of a body that says nothing: the status is the answer."""

    media: bytes | None = None
    whole = True
    etag = b""
    buffered = 0
    recipe: object = None
    pending: Sequence[bytes] = ()

    def show(self, part: bytes) -> bytes:
        """See :class:`Rewriter`."""
        return part

    def feed(self, data: bytes) -> bytes:
        """See :class:`Rewriter`."""
        return b""

    def finish(self) -> bytes:
        """See :class:`Rewriter`."""
        return b""


class Decoding:
    """What all that look at a body do first.

    :ivar recipe: what it is made of, where another process may do a part of its work.
    """

    etag = b""
    recipe: object = None

    def __init__(self, media: bytes, decoder: codings.Decoder, limit: int) -> None:
        self.pending: Sequence[bytes] = ()
        self.media: bytes | None = media
        self._decoder = decoder
        self._limit = limit
        self._held = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._held) + sum(map(len, self.pending))

    def show(self, part: bytes) -> bytes:
        """See :class:`Rewriter`."""
        raise NotImplementedError

    def _shown(self, parts: Sequence[bytes]) -> bytes:
        if self.recipe is not None and sum(map(len, parts)) > INLINE_BYTES:
            self.pending = parts
            return b""
        return b"".join(map(self.show, parts))

    def _take(self, data: bytes) -> None:
        try:
            self._held += self._decoder.feed(data)
        except Undecodable as error:
            raise BodyRefused(error.code, str(error)) from None
        if len(self._held) > self._limit:
            raise BodyRefused("body.size", "The answer is larger than can be seen whole.")

    def _end(self) -> None:
        try:
            self._decoder.finish()
        except Undecodable as error:
            raise BodyRefused(error.code, str(error)) from None


class Whole(Decoding):
    """A document that is read when all of it is there."""

    whole = True

    def __init__(
        self,
        media: bytes,
        decoder: codings.Decoder,
        limit: int,
        mask: Mask,
        etag: Callable[[], bytes] = lambda: b"",
    ) -> None:
        super().__init__(media, decoder, limit)
        self._mask = mask
        self._etag = etag

    def feed(self, data: bytes) -> bytes:
        """See :class:`Rewriter`."""
        self._take(data)
        return b""

    def finish(self) -> bytes:
        """See :class:`Rewriter`."""
        self._end()
        data = bytes(self._held)
        self._held.clear()
        return self._shown([data]) if data else b""

    def show(self, part: bytes) -> bytes:
        """See :class:`Rewriter`."""
        shown = masked(self._mask, part)
        self.etag = self._etag()
        return shown


class Lines(Decoding):
    """A document per line: each goes out when it is masked."""

    whole = False

    def __init__(self, media: bytes, decoder: codings.Decoder, mask: Mask) -> None:
        super().__init__(media, decoder, LINE_BYTES + codings.SLICE * 128)
        self._mask = mask

    def feed(self, data: bytes) -> bytes:
        """See :class:`Rewriter`."""
        self._take(data)
        end = self._held.rfind(b"\n") + 1
        lines = bytes(self._held[:end])
        del self._held[:end]
        if len(self._held) > LINE_BYTES:
            raise BodyRefused("body.size", "A line of the answer is too long.")
        return self._shown(lines.split(b"\n"))

    def finish(self) -> bytes:
        """See :class:`Rewriter`."""
        self._end()
        last = bytes(self._held)
        self._held.clear()
        return self._shown([last])

    def show(self, part: bytes) -> bytes:
        """See :class:`Rewriter`."""
        line = part.strip(b"\r\t ")
        return masked(self._mask, line) + b"\n" if line else b""


def masked(mask: Mask, data: bytes) -> bytes:
    """What ``mask`` leaves of ``data``.

    :raises BodyRefused: it cannot be understood.
    """
    try:
        return mask(data)
    except Unreadable as error:
        raise BodyRefused("body.unreadable", f"{_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
