"""The client's transport as one session has it: a session may end and leave it open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer, ITransport
from zope.interface import implementer

from hoopgate.network import write


@implementer(IPushProducer)
class _Paced:
    """A producer for a client that does not read: what it sends is not read either, for every
    request asks for an answer, and the answers of the gateway itself have no producer."""

    def __init__(self, producer: Any, end: ClientEnd) -> None:
        self._producer = producer
        self._end = end

    def pauseProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self._end.hold("full")
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self._end.release("full")
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self._producer.stopProducing()


@implementer(ITransport)
class ClientEnd:
    """One session's view of a client's transport.

    :param over: called when the session has done with it.
    """

    def __init__(self, transport: Any, over: Callable[[], object]) -> None:
        self._transport = transport
        self._over = over
        self._reasons: set[str] = set()
        self.connected = True
        self.disconnected = False

    def hold(self, reason: str) -> None:
        """Do not read, for ``reason``."""
        if self.connected and not self._reasons:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def release(self, reason: str) -> None:
        """``reason`` is none any more."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if self.connected and not self._reasons:
                self._transport.resumeProducing()

    def write(self, data: bytes) -> None:
        """See :class:`ITransport`."""
        write(self._transport, data)

    def writeSequence(self, data: Any) -> None:
        """See :class:`ITransport`."""
        self.write(b"".join(data))

    def getPeer(self) -> Any:
        """See :class:`ITransport`."""
        return self._transport.getPeer()

    def getHost(self) -> Any:
        """See :class:`ITransport`."""
        return self._transport.getHost()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See :class:`IConsumer`."""
        self._transport.registerProducer(_Paced(producer, self), streaming)

    def unregisterProducer(self) -> None:
        """See :class:`IConsumer`."""
        self._transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self.hold("relay")

    def resumeProducing(self) -> None:
        """See :class:`IPushProducer`."""
        self.release("relay")

    def loseConnection(self) -> None:
        """The session is over; what becomes of the connection is its server's to say."""
        if self.connected:
            self.connected, self.disconnected = False, True
            self._transport.resumeProducing()
            self._over()

    def abortConnection(self) -> None:
        """See :class:`ITCPTransport`."""
        self.loseConnection()
