"""Commands that ask servers: a coroutine run to its end on a reactor of the command's own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TextIO, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

#: Columns of a terminal that does not say how many it has.
_WIDTH = 80


def finished(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run the reactor until ``work(reactor)`` is done; its result. Once per process.

    :raises: what ``work`` raises; KeyboardInterrupt when it was interrupted.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    outcome: list[T | Failure] = []
    interrupted = False

    def stopping() -> None:
        # What fails from here on fails because connections are closed.
        nonlocal interrupted
        interrupted = not outcome

    def begin() -> None:
        reactor.addSystemEventTrigger("before", "shutdown", stopping)
        doing = Deferred.fromCoroutine(work(reactor)).addBoth(outcome.append)
        doing.addBoth(lambda _: reactor.stop() if reactor.running else None)

    reactor.callWhenRunning(begin)
    reactor.run()
    if interrupted:
        raise KeyboardInterrupt
    (found,) = outcome
    if isinstance(found, Failure):
        found.raiseException()
    return found


class Progress:
    """How far a command is, on standard error: one line that changes on a terminal, else a line
    every few seconds."""

    _EVERY = 5.0

    def __init__(self, what: str, total: int, stream: TextIO | None = None) -> None:
        self._what = what
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._shown = time.monotonic()
        self._done = 0

    def step(self, doing: str) -> None:
        """Begin the next of the steps."""
        line = f"{self._what}: {self._done} of {self._total}: {doing}"
        self._done += 1
        if self._terminal:
            width = os.get_terminal_size(self._stream.fileno()).columns or _WIDTH
            self._stream.write(f"\r\x1b[2K{line[: width - 1]}")
            self._stream.flush()
        elif time.monotonic() - self._shown >= self._EVERY:
            self._shown = time.monotonic()
            print(line, file=self._stream)

    def end(self, said: str) -> None:
        """All is done."""
        start = "\r\x1b[2K" if self._terminal else ""
        print(f"{start}{self._what}: {said}", file=self._stream)
