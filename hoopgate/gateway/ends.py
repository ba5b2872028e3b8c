"""The two connections of a session, as the relay uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from twisted.internet.interfaces import IPushProducer, ITransport
from zope.interface import classImplements

from hoopgate.network import hang_up, write


@final
class Throttle:
    """Pauses one side's reading when the other side's transport is full."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume

    def pauseProducing(self) -> None:
        """The other side's transport is full."""
        self._pause()

    def resumeProducing(self) -> None:
        """It has room again."""
        self._resume()

    def stopProducing(self) -> None:
        """The transport is gone; connectionLost tells the relay."""


@final
class End:
    """One side's transport. It reads while nobody has a reason that it should not, and nothing is
    asked of it once its connection is lost (Twisted takes a lost TLS transport apart)."""

    def __init__(self, transport: ITransport) -> None:
        self._transport: Any = transport
        self._reasons: set[str] = set()
        self.lost = False

    def write(self, data: bytes) -> None:
        """Send, at once where that is possible."""
        if not self.lost:
            write(self._transport, data)

    def hold(self, reason: str) -> None:
        """Read nothing more until ``reason`` is released."""
        if not self._reasons and not self.lost:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def held(self, reason: str) -> bool:
        """Whether it is held for ``reason``."""
        return reason in self._reasons

    def release(self, reason: str) -> None:
        """Read again, if nobody else has a reason."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons and not self.lost:
                self._transport.resumeProducing()

    def throttle(self, other: End) -> None:
        """Hold the other side while this one's transport is full."""
        producer = Throttle(lambda: other.hold("full"), lambda: other.release("full"))
        self._transport.registerProducer(producer, True)

    def close(self, clock: Any) -> None:
        """Hang up once everything is sent; ``clock``: an ``IReactorTime``."""
        if not self.lost:
            self._transport.unregisterProducer()
            hang_up(clock, self._transport)


# No decorator: mypyc makes a decorated class slow.
classImplements(Throttle, IPushProducer)
