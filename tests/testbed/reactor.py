"""The reactor on a thread of its own, for tests of code that needs real sockets and real time.

A process can run the reactor once: start it here, where every room can share it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import maybeDeferred
from twisted.internet.threads import blockingCallFromThread

reactor: Any = installed
_lock = threading.Lock()


def _running() -> None:
    with _lock:
        if not reactor.running:
            started = threading.Event()
            reactor.callWhenRunning(started.set)
            run = threading.Thread(
                target=reactor.run,
                kwargs={"installSignalHandlers": False},
                name="reactor",
                daemon=True,
            )
            run.start()
            assert started.wait(60), "the reactor did not start"


def on_reactor(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call on the reactor's thread and wait: the result (of its Deferred), or its exception."""
    _running()
    return blockingCallFromThread(reactor, maybeDeferred, call, *arguments, **options)
