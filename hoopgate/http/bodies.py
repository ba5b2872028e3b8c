"""Bodies of responses on their way to the client. Sans-I/O."""

from __future__ import annotations

from typing import Protocol

from hoopgate.errors import HoopgateError
from hoopgate.http.headers import Links
from hoopgate.http.wire import ResponseHead
from hoopgate.plans import BodyPlan


class BodyRefused(HoopgateError):
    """A body that cannot be shown to the client.

    :ivar code: stable dotted word.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rewriter(Protocol):
    """Rewrites one body.

    :ivar media: the content type for the client; None: the upstream's.
    :ivar whole: nothing comes out before :meth:`finish`.
    """

    media: bytes | None
    whole: bool

    @property
    def buffered(self) -> int:
        """Bytes held."""

    def feed(self, data: bytes) -> bytes:
        """
        :raises BodyRefused: the body cannot be shown.
        """

    def finish(self) -> bytes:
        """The rest, once all has come.

        :raises BodyRefused: as :meth:`feed`.
        """


class Unchanged:
    """Passes a body on."""

    media: bytes | None = None
    whole = False
    buffered = 0

    def feed(self, data: bytes) -> bytes:
        """See :class:`Rewriter`."""
        return data

    def finish(self) -> bytes:
        """See :class:`Rewriter`."""
        return b""


def rewriter(
    plan: BodyPlan | None, answers: str, head: ResponseHead, links: Links, limit: int
) -> Rewriter:
    """How the body behind ``head`` is rewritten.

    :param answers: what kind of body the request asked for.
    :raises BodyRefused: it cannot be shown at all.
    """
    if plan is None:
        return Unchanged()
    raise BodyRefused("body.type", "The answer is of a type that cannot be masked.")
