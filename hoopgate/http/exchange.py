"""A request and its answer, as a session keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hoopgate.http.bodies import Rewriter
from hoopgate.http.gate import Opening
from hoopgate.http.headers import Written
from hoopgate.http.inquiry import Inquiry
from hoopgate.http.problems import Problem
from hoopgate.http.wire import RequestHead
from hoopgate.plans import BodyPlan


@dataclass(slots=True)
class Exchange:
    """A request and its answer."""

    head: RequestHead
    opening: Opening
    body: bytearray = field(default_factory=bytearray)
    asking: bool = False
    complete: bool = False  # the request has been read to its end
    whole: bool = True  # its body is in ``body``
    inspected: bool = False  # it has to be
    inquiry: Inquiry | None = None
    told: Callable[[Problem], tuple[int, bytes] | None] | None = None  # how it is refused
    forwarded: bool = False
    request_id: str = ""
    plan: BodyPlan | None = None
    rewriter: Rewriter | None = None
    working: bool = False  # another process masks what has come of the answer
    ending: bool = False  # and nothing more comes
    status: int = 0
    written: Written = field(default_factory=list)
    chunked: bool = False  # the answer to the client is
    answering: bool = False  # its head is out
    answered: bool = False
    skipping: bool = False  # what still comes of the answer is not shown
    key: bytes = b""  # that a WebSocket was asked for with
    credential: tuple[bytes, bytes] | None = None  # of the gateway, that was sent
    sent: bytes | None = None  # the body, where the request may be sent once more

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self.body) + (self.rewriter.buffered if self.rewriter is not None else 0)

    def gone(self) -> Problem:
        """The upstream has hung up."""
        return Problem(
            502,
            "upstream.gone",
            "The upstream closed the connection before it answered.",
            "Send the request again if it may run twice.",
            request_id=self.request_id,
        )

    def streamed(self, rule: str) -> Problem:
        """It needs an approval, and nobody could approve all of it."""
        return Problem(
            403,
            "approval.streamed",
            "A body as long as this one cannot be approved.",
            "Send it in parts.",
            rule,
            self.request_id,
        )
