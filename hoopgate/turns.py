"""Work that is done once per turn of the reactor, and results of threads, in batches.

A statement is a few microseconds of work; to wake a thread for it, or to be woken by one, costs
more than that. So what a turn of the reactor hands to a thread goes out when the turn ends, and
what a thread brings back rings once, however much has gathered meanwhile.

Where the reactor has no such end of a turn (any but :mod:`hoopgate.gateway.reactor`'s), or the
system no eventfd, both fall back to Twisted's own ways.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any, final

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements

_log = Logger()

#: The reactor's attribute: callables that it calls, once each, before it waits for events.
ENDS = "hoopgate_turn_ends"


def at_turn_end(reactor: object, call: Callable[[], object]) -> None:
    """Call ``call`` when the reactor's turn ends; at once where there is no such end."""
    ends: list[Callable[[], object]] | None = getattr(reactor, ENDS, None)
    if ends is None:
        call()
    else:
        ends.append(call)


@final
class Mailbox:
    """Calls from other threads, made in the reactor's thread, in order.

    :param reactor: must provide ``callFromThread``; with ``addReader`` it is done by an eventfd.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._letters: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._rung = False
        self._descriptor = -1
        if hasattr(os, "eventfd") and IReactorFDSet.providedBy(reactor):
            self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._reactor.addReader(self)

    def post(self, call: Callable[..., object], *args: Any) -> None:
        """From any thread: have ``call(*args)`` called."""
        if self._descriptor < 0:
            self._reactor.callFromThread(call, *args)
            return
        self._letters.append((call, args))
        # Read after the append: who finds it set knows that its letters are still to be taken.
        if not self._rung:
            self._rung = True
            os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Nothing is posted any more; what was is called at the reactor's next turn."""
        if self._descriptor < 0:
            return
        self._reactor.removeReader(self)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        letters, self._letters = self._letters, deque()
        for call, args in letters:
            self._reactor.callFromThread(call, *args)

    # --- IReadDescriptor ------------------------------------------------------------------------

    def fileno(self) -> int:
        """The eventfd, or -1."""
        return self._descriptor

    def logPrefix(self) -> str:
        """For Twisted's log."""
        return "mailbox"

    def doRead(self) -> None:
        """It rang."""
        os.eventfd_read(self._descriptor)
        self._rung = False
        letters = self._letters
        while letters:
            call, args = letters.popleft()
            try:
                call(*args)
            except Exception:  # noqa: BLE001 - as callFromThread does: the others are called
                _log.failure("mailbox.bug")

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave it up, as it does with all at its end."""


# No decorator: mypyc makes a decorated class slow.
classImplements(Mailbox, IReadDescriptor)
