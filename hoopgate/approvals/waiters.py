"""Sessions that wait for a person's answer, and the timers that end their waiting."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from hoopgate.errors import HoopgateError


class Waiters:
    """Who waits for which request.

    :param overdue: called with the id of a request whose deadline has passed, after those who wait
        for it were told. The timer rules even where the wall clock was set back meanwhile, and no
        trouble with the log or the store may keep a hold alive.
    """

    def __init__(self, clock: IReactorTime, overdue: Callable[[str], None]) -> None:
        self._clock = clock
        self._overdue = overdue
        self._waiting: dict[str, list[Deferred[bool]]] = {}
        self._deadlines: dict[str, IDelayedCall] = {}

    def __contains__(self, request_id: str) -> bool:
        return bool(self._waiting.get(request_id))

    def add(self, request_id: str) -> Deferred[bool]:
        """One more waits; cancelling it stops that and nothing else."""

        def forget(waiter: Deferred[bool]) -> None:
            self._dismiss(request_id, waiter)

        waiter: Deferred[bool] = Deferred(forget)
        self._waiting.setdefault(request_id, []).append(waiter)
        return waiter

    def answer(self, request_id: str, answer: bool | HoopgateError) -> None:
        """Everybody who waits is told. One approval is one use, however many wait for it."""
        waiters = self._waiting.pop(request_id, [])
        self._disarm(request_id)
        for waiter in waiters:
            if isinstance(answer, HoopgateError):
                waiter.errback(answer)
            else:
                waiter.callback(answer)
                answer = False

    def arm(self, request_id: str, seconds: float) -> None:
        """Nobody waits longer than so many seconds more."""
        if request_id not in self._deadlines:
            self._deadlines[request_id] = self._clock.callLater(seconds, self._deadline, request_id)

    def stop(self) -> None:
        """Stop the timers. Whoever still waits is not answered."""
        for call in self._deadlines.values():
            call.cancel()
        self._deadlines.clear()

    def _deadline(self, request_id: str) -> None:
        del self._deadlines[request_id]
        self.answer(request_id, False)
        self._overdue(request_id)

    def _dismiss(self, request_id: str, waiter: Deferred[bool]) -> None:
        waiters = self._waiting.get(request_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiting.pop(request_id, None)
            self._disarm(request_id)

    def _disarm(self, request_id: str) -> None:
        call = self._deadlines.pop(request_id, None)
        if call is not None:
            call.cancel()
