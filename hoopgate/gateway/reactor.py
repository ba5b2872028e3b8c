"""A leaner poll loop for Twisted's epoll reactor.

The stock loop runs every read and write inside a logging context of its own, so that a line logged
without a logger can be attributed. The gateway logs through named loggers only, and that context
costs more than parsing a small statement (docs/performance.md). A descriptor that has only
something to read, the common case, is read without a detour; whatever else happens to it is left to
Twisted's own ``_doReadOrWrite``, unchanged.

The loop knows when a turn ends, see :mod:`hoopgate.turns`.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from select import EPOLLIN
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger

from hoopgate.turns import ENDS

_log = Logger()

#: Seconds that another thread keeps the interpreter when the loop wants it back. Python's 5 ms are
#: made for throughput: here every client waits meanwhile.
SWITCH_SECONDS: Final = 0.001


def make_lean(reactor: Any) -> bool:
    """Give ``reactor`` the lean loop; True when it is one that can have it. Threads beside it give
    the interpreter back sooner, either way."""
    sys.setswitchinterval(SWITCH_SECONDS)
    if type(reactor) is not EPollReactor:
        return False
    if hasattr(reactor, ENDS):
        return True
    ends: list[Callable[[], object]] = []
    poll = reactor._poller.poll
    selectables: dict[int, Any] = reactor._selectables
    read_or_write: Callable[[Any, int, int], None] = reactor._doReadOrWrite
    only_readable = int(EPOLLIN)

    def end_turn() -> None:
        calls = ends[:]
        ends.clear()
        for call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001 - as for a delayed call: the loop goes on
                _log.failure("turn.bug")

    def iterate(timeout: float | None) -> None:
        if ends:  # of what was called between two turns
            end_turn()
        try:
            events = poll(-1 if timeout is None else timeout, len(selectables) or 1)
        except OSError as problem:
            if problem.errno == errno.EINTR:
                return
            raise
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue
            if event != only_readable or selectable.fileno() == -1:
                read_or_write(selectable, descriptor, event)
                continue
            try:
                why = selectable.doRead()
            except BaseException as problem:  # noqa: BLE001 - as the stock loop does
                _log.failure("read.bug")
                why = problem
            if why:
                reactor._disconnectSelectable(selectable, why, True)
        if ends:
            end_turn()

    vars(reactor).update({"doPoll": iterate, "doIteration": iterate, ENDS: ends})
    return True
