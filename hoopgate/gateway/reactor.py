"""A leaner poll loop for Twisted's epoll reactor.

The stock loop runs every read and write inside a logging context of its own, so that a line logged
without a logger can be attributed. The gateway logs through named loggers only, and that context
costs more than parsing a small statement (docs/performance.md). What happens to a selectable is
Twisted's own ``_doReadOrWrite``, unchanged.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.epollreactor import EPollReactor


def make_lean(reactor: Any) -> bool:
    """Give ``reactor`` the lean loop; True when it is one that can have it."""
    if type(reactor) is not EPollReactor:
        return False
    poll = reactor._poller.poll
    selectables = reactor._selectables
    read_or_write: Callable[[Any, int, int], None] = reactor._doReadOrWrite

    def iterate(timeout: float | None) -> None:
        try:
            events = poll(-1 if timeout is None else timeout, len(selectables) or 1)
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is not None:
                read_or_write(selectable, descriptor, event)

    vars(reactor).update(doPoll=iterate, doIteration=iterate)
    return True
