"""How a node binds its ports, and how it says that it cannot start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from hoopgate.errors import HoopgateError
from hoopgate.gateway.logging import log_event

log = Logger()


class StartFailed(SystemExit, Exception):
    """The node cannot start: one line says why.

    In the foreground twistd ends with status 1, after this line on the standard error; as a daemon
    its parent quotes the line and ends with status 1. It takes both bases: twistd tells its parent
    of an ``Exception`` only, and ends with a traceback for any that is no ``SystemExit``.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.code = 1


@contextmanager
def or_fail() -> Iterator[None]:
    """What goes wrong inside is told in one line.

    :raises StartFailed: instead of it.
    """
    try:
        yield
    except (HoopgateError, OSError, CannotListenError, StartFailed) as error:
        log_failed(error)
        print(f"hoopgate: {error}", file=sys.__stderr__)  # sys.stderr is the log by now
        raise StartFailed(str(error)) from None


def log_failed(error: BaseException) -> None:
    """Say in the log that the node cannot go on."""
    # Text of our own and of the operating system's errors only: both are about the node.
    ours = isinstance(error, HoopgateError | OSError | CannotListenError | StartFailed)
    log_event(
        log,
        "node.failed",
        LogLevel.critical,
        error=type(error).__name__,
        reason=str(error) if ours else "",
    )


def bind(reactor: Any, endpoint: str, factory: IProtocolFactory) -> Any:
    """The port of a Twisted endpoint string, bound at once.

    :raises StartFailed: systemd has not passed such a socket.
    :raises CannotListenError: the address is taken.
    """
    try:
        listening = serverFromString(reactor, endpoint).listen(factory)
    except LookupError:
        raise StartFailed(f"{endpoint}: systemd has not passed such a socket") from None
    ports: list[Any] = []
    listening.addCallback(ports.append)
    failures: list[Failure] = []
    listening.addErrback(failures.append)
    for failure in failures:
        failure.raiseException()
    return ports[0]  # the endpoints that settings may name are bound at once


class Late(Factory):
    """Stands in for a listener's factory, which can be made only after its port is bound."""

    noisy = False
    factory: Any

    def buildProtocol(self, addr: Any) -> Any:
        return self.factory.buildProtocol(addr)
