"""A reactor of one method: what other threads hand over runs when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure


class Loop:
    """Provides as much of IReactorFromThreads as a store needs."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._ready = threading.Condition()

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        with self._ready:
            self._calls.append((call, arguments))
            self._ready.notify()

    def wait(self, deferred: Any, timeout: float = 60.0) -> Any:
        """Run what was handed over until ``deferred`` fires; its result, or raise its failure."""
        results: list[object] = []
        deferred.addBoth(results.append)
        while not results:
            self.step(timeout)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def step(self, timeout: float = 60.0) -> None:
        """Run what was handed over; wait for something where there is nothing yet."""
        with self._ready:
            assert self._ready.wait_for(lambda: self._calls, timeout), "nothing came back"
            calls, self._calls = self._calls, []
        for call, arguments in calls:
            call(*arguments)
