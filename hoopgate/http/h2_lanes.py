"""Lanes of an HTTP/2 connection: transports of HTTP/1.1 in memory, and budgets of what is cheap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import ITransport
from zope.interface import implementer

from hoopgate.http.wire import ResponseReader

#: Bytes of an answer that wait for the client to take them, before the upstream is paused.
_HIGH, _LOW = 64 * 1024, 16 * 1024


class Front(Protocol):
    """What a lane asks of the client's connection."""

    transport: Any

    def answer(self, lane: Lane, data: bytes) -> None: ...

    def taken(self, stream: int, counted: int) -> None: ...

    def left(self, lane: Lane) -> None: ...

    def send(self) -> None: ...


class Budget:
    """So many at once, and so many more with time."""

    def __init__(self, clock: Callable[[], float], most: float, rate: float) -> None:
        self._clock = clock
        self._most = self._left = most
        self._rate = rate
        self._since = clock()

    def earn(self, count: float) -> None:
        self._left = min(self._most, self._left + count)

    def spend(self) -> bool:
        """False: there is nothing left."""
        now = self._clock()
        self.earn((now - self._since) * self._rate)
        self._since = now
        self._left -= 1
        return self._left >= 0


@implementer(ITransport)
class Lane:
    """The transport of a server of HTTP/1.1, whose requests come from one stream after another."""

    def __init__(self, front: Front, key: bytes) -> None:
        self._front = front
        self.key = key
        self.server: Any = None
        self.stream = 0  # that is served now
        self.reader = ResponseReader()
        self.connected, self.disconnected = True, False
        self.chunked = False
        self.asked = False  # the request is complete
        self.out: deque[bytes] = deque()
        self.waiting = 0  # bytes in ``out``
        self.over = False  # and nothing more comes for the stream
        self._paused = False
        self._early: deque[tuple[bytes, int]] = deque()  # of the client, while reading is paused
        self._producer: Any = None
        self._full = False

    # --- what the server of HTTP/1.1 asks of it

    def write(self, data: bytes) -> None:
        """See :class:`ITransport`."""
        if self.connected and self.stream:
            self._front.answer(self, data)

    def writeSequence(self, data: Any) -> None:
        """See :class:`ITransport`."""
        self.write(b"".join(data))

    def getPeer(self) -> Any:
        """See :class:`ITransport`."""
        return self._front.transport.getPeer()

    def getHost(self) -> Any:
        """See :class:`ITransport`."""
        return self._front.transport.getHost()

    @property
    def unread(self) -> bool:
        """True when something of the request has not been taken."""
        return bool(self._early)

    @property
    def queued_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        return self.waiting

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See :class:`IConsumer`."""
        self._producer = producer
        self._full = False

    def unregisterProducer(self) -> None:
        """See :class:`IConsumer`."""
        self._producer = None

    def pauseProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self._paused = False
        while self._early and not self._paused and self.connected:
            data, counted = self._early.popleft()
            self._give(data, counted)
        self._front.send()

    def loseConnection(self) -> None:
        """The server has done with it; what it has written still goes out."""
        if self.connected:
            self.connected, self.disconnected = False, True
            self._front.left(self)

    def abortConnection(self) -> None:
        """See :class:`ITCPTransport`."""
        self.loseConnection()

    # --- what the client's connection asks of it

    def take(self, data: bytes, counted: int = 0) -> None:
        """Bytes of the request; ``counted`` of them by the client's window."""
        if self._paused or self._early:
            self._early.append((data, counted))
        else:
            self._give(data, counted)

    def _give(self, data: bytes, counted: int) -> None:
        stream = self.stream
        if data:
            self.server.dataReceived(data)
        self._front.taken(stream, counted)

    def paced(self) -> None:
        """Pause or resume the upstream, by what waits for the client."""
        if self._producer is None:
            return
        if not self._full and self.waiting > _HIGH:
            self._full = True
            self._producer.pauseProducing()
        elif self._full and self.waiting < _LOW:
            self._full = False
            self._producer.resumeProducing()
