"""ProxyJump: a channel to a named resource is another connection to this gateway.

``ssh -J`` opens a ``direct-tcpip`` channel to what it takes for a host, and speaks SSH in it. Here
the host is a resource's name, and who answers is the gateway itself, with a login of its own. No
address of a client's is ever dialled.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import RemoteProtocolError
from hoopgate.ssh import wire
from hoopgate.ssh.channels import FRAME_BYTES, Channel
from hoopgate.ssh.wire import Reader

_PIECE = 32 * 1024


@implementer(ITransport)
class ChannelSocket:
    """A channel as the transport of a protocol that reads and writes bytes."""

    def __init__(self, channel: Channel, protocol: Protocol) -> None:
        self._channel = channel
        self._protocol = protocol
        self._frames = wire.Frames(FRAME_BYTES)
        self.disconnecting = False

    def begin(self) -> None:
        """Let them talk."""
        self._channel.deliver, self._channel.lost = self._deliver, self._lost
        self._protocol.makeConnection(self)

    @property
    def connected(self) -> bool:
        return self._channel.connected

    @property
    def disconnected(self) -> bool:
        return self._channel.disconnected

    @property
    def queued_bytes(self) -> int:
        return self._channel.queued_bytes

    def _deliver(self, data: bytes) -> None:
        for number, body in self._frames.feed(data):
            if number == wire.CHANNEL_DATA:
                self._protocol.dataReceived(Reader(body).string())
            elif number == wire.CHANNEL_EOF:
                self.loseConnection()
            elif number != wire.CHANNEL_REQUEST:
                raise RemoteProtocolError("a message that has no place on this channel")

    def _lost(self) -> None:
        self._protocol.connectionLost(Failure(connectionDone.value))

    def write(self, data: bytes) -> None:
        """See ITransport."""
        for at in range(0, len(data), _PIECE):
            self._channel.write(wire.data(data[at : at + _PIECE]))

    def writeSequence(self, data: Any) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """See ITransport."""
        self.disconnecting = True
        self._channel.loseConnection()

    def abortConnection(self) -> None:
        """See ITransport."""
        self._channel.abortConnection()

    def getPeer(self) -> Any:
        """See ITransport."""
        return self._channel.getPeer()

    def getHost(self) -> Any:
        """See ITransport."""
        return self._channel.getHost()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer."""
        self._channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._channel.unregisterProducer()
