"""One session's wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from hoopgate.errors import HoopgateError
from hoopgate.gateway import unapproved
from hoopgate.gateway.logging import log_event
from hoopgate.verdicts import Block, Hold

if TYPE_CHECKING:
    from hoopgate.gateway.metrics import Metrics
    from hoopgate.interfaces import IApprovals

log = Logger()


class OnHold(Protocol):
    def __call__(self, request_id: str, hold: Hold) -> None: ...


class Waiting:
    """At most one statement of a session waits at a time.

    :param address: of the page on which a request is decided.
    :ivar canceled: the client gave up what is judged, or waits.
    """

    def __init__(
        self,
        session_id: str,
        approvals: IApprovals,
        metrics: Metrics,
        address: Callable[[str], str],
    ) -> None:
        self.canceled = False
        self._left = False
        self._session_id = session_id
        self._approvals = approvals
        self._metrics = metrics
        self._address = address
        self._hold: Deferred[bool] | None = None

    def begin(self) -> None:
        """Something else is asked: nobody has given that up yet."""
        self.canceled = self._left = False

    def leave(self) -> None:
        """Nobody waits any longer for the statement that is held: it is refused for now. Its
        request stays, and once approved lets the same statement pass, sent again."""
        self._left = True
        if self._hold is not None:
            self._hold.cancel()

    def cancel(self) -> None:
        """The client cancelled: the statement that is judged, or waits for a person, is refused."""
        self.canceled = True
        if self._hold is not None:
            self._hold.cancel()

    async def approved(self, request: str, hold: Hold, on_hold: OnHold) -> bool:
        """Wait for a person. A request that nobody waits for any more is abandoned."""
        if self.canceled:
            await self._abandon(request)
            return False
        on_hold(request, replace(hold, address=self._address(request)))
        self._hold = self._approvals.wait(request)
        self._metrics.hold_started()
        try:
            return await self._hold
        except CancelledError:
            if self._left and not self.canceled and not hold.effect:
                await self._detach(request)
            else:
                await self._abandon(request)
            return False
        except HoopgateError:
            return False
        finally:
            self._hold = None
            self._metrics.hold_ended()

    async def _abandon(self, request: str) -> None:
        try:
            await self._approvals.abandon(request)
        except HoopgateError:
            # It lapses at its deadline. Whoever approves it before approves the next such request.
            log_event(log, "hold.not_abandoned", session=self._session_id, approval=request)

    async def _detach(self, request: str) -> None:
        try:
            await self._approvals.detach(request)
        except HoopgateError:
            # The same statement files a request of its own when another session sends it again.
            log_event(log, "hold.not_detached", session=self._session_id, approval=request)

    def not_approved(self, hold: Hold, approved: bool, request: str | None) -> Block:
        if self.canceled:
            return unapproved.canceled(hold)
        if self._left and not approved and not hold.effect:
            return unapproved.pending(hold, request)
        return unapproved.stale(hold) if approved else unapproved.refused(hold)
