"""Channels of one SSH connection (RFC 4254), and the end of one as a relay's transport.

Windows end at the gateway on both legs: what a peer may send is granted again only once what it
sent before has left for the other side, and what it is sent waits here within the window it
granted. So a slow reader stops the writer behind it, and nobody else; and a channel whose reading
is paused still notices that its peer closed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, ITransport
from zope.interface import implementer

from hoopgate.errors import HoopgateError, LimitExceeded, RemoteProtocolError
from hoopgate.ssh import wire
from hoopgate.ssh.wire import Reader, string, uint32

if TYPE_CHECKING:
    from hoopgate.ssh.transport import SSHTransport

#: What a peer may send ahead on a channel, and in one message (OpenSSH: 2 MiB and 32 KiB).
WINDOW: Final = 2**20
PACKET: Final = 2**15
#: A peer takes at least so much in one message: less would keep us busy with its heads.
LEAST_PACKET: Final = 1024
#: What a peer may send while its channel is paused, beside what its window is for: messages count
#: as so many bytes each, those without data with their own.
_MOST_MEANWHILE: Final = 4 * WINDOW
_MESSAGE_BYTES: Final = 64
#: A frame: a message with its data.
FRAME_BYTES: Final = 2**17
#: Bytes waiting for the peer above which the other side is paused, and where it goes on.
_HIGH: Final = 2**18
_LOW: Final = 2**16
_MOST_WINDOW: Final = 2**32 - 1


class OpenRefused(HoopgateError):
    """A channel was not opened. ``reason`` is RFC 4254's, section 5.1."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@implementer(ITransport, IPushProducer)
class Channel:
    """Our end of one channel.

    :ivar deliver: takes frames of what the peer sends.
    :ivar lost: called once when the peer closed the channel, or the connection is gone.
    :ivar ahead: bytes of the peer's that were delivered and have not left yet.
    :ivar lingers: a peer that closes the channel behind the end of our data is still told what
        comes then. OpenSSH's master closes as soon as both directions have ended, and its server
        says the exit status after that all the same: a program may end later than its output.
    """

    def __init__(self, mux: Mux, number: int, window: int) -> None:
        self._mux = mux
        self.number = number
        self.remote = -1
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.lost: Callable[[], None] = lambda: None
        self.ahead: Callable[[], int] = lambda: 0
        self.written: Callable[[], None] = lambda: None
        self.connected = True
        self.disconnected = False
        self._granted = self._window = window
        self._room = 0  # what the peer lets us send
        self._packet = PACKET
        self._frames = wire.Frames(FRAME_BYTES)
        self._queue: deque[tuple[int, bytes]] = deque()
        self.queued_bytes = 0
        self._paused = False
        self._meanwhile = 0
        self._closing = False
        self._close_sent = False
        self._eof_received = False
        self._eof_sent = False
        self._peer_closed = False
        self.lingers = False
        self._producer: Any = None
        self._told_full = False

    # --- from the peer --------------------------------------------------------------------------

    def opened(self, remote: int, room: int, packet: int) -> None:
        """The channel is open on both sides."""
        self.remote, self._room = remote, room
        self._packet = max(1, min(packet, PACKET))

    def received(self, number: int, body: bytes) -> None:
        """A message of the peer's for this channel, without the number.

        :raises RemoteProtocolError: it goes beyond what was granted, or comes after the end.
        """
        if number == wire.CHANNEL_WINDOW_ADJUST:
            reader = Reader(body)
            self._room += reader.uint32()
            reader.end()
            if self._room > _MOST_WINDOW:
                raise LimitExceeded("a window grew beyond its bound")
            self._send()
        elif self._peer_closed:
            raise RemoteProtocolError("a message behind the end of a channel")
        elif number == wire.CHANNEL_CLOSE:
            self._peer_closed = True
            if not (self.lingers and self._eof_sent) or self._close_sent:
                self._gone()
        elif self._closing:
            pass  # it was sent before the peer knew
        else:
            self._bound(number, body)
            self._take(number, body)

    def _bound(self, number: int, body: bytes) -> None:
        """Messages without data need no window, and those with little of it hardly any."""
        if not self._paused:
            return
        data = number in (wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA)
        self._meanwhile += _MESSAGE_BYTES + (0 if data else len(body))
        if self._meanwhile > _MOST_MEANWHILE:
            raise LimitExceeded("too many messages on a channel that waits")

    def _take(self, number: int, body: bytes) -> None:
        if number in (wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA):
            size = len(body) - (4 if number == wire.CHANNEL_DATA else 8)
            if self._eof_received:
                raise RemoteProtocolError("data behind the end of a channel's data")
            if size > self._granted or size > PACKET:
                raise LimitExceeded("more was sent on a channel than its window allows")
            self._granted -= size
        elif number == wire.CHANNEL_EOF:
            if self._eof_received:
                raise RemoteProtocolError("a channel's data ends twice")
            self._eof_received = True
        self.deliver(wire.frame(number, body))
        self.grant()

    def grant(self) -> None:
        """Let the peer send on, as far as what it sent has left."""
        if self._paused or self._closing or self._eof_received or self._peer_closed:
            return
        more = self._window - self._granted - self.ahead()
        if more >= self._window // 2:
            self._granted += more
            self._mux.send(wire.CHANNEL_WINDOW_ADJUST, uint32(self.remote) + uint32(more))

    def _gone(self) -> None:
        """The peer closed the channel, or is gone itself."""
        if self.disconnected:
            return
        self.disconnected, self.connected = True, False
        self._closing = True
        self._queue.clear()
        self.queued_bytes = 0
        self._send_close()
        self._mux.forget(self)
        self.lost()

    # --- ITransport -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send frames; data in them as the peer's window allows."""
        if self._closing:
            return
        for number, body in self._frames.feed(data):
            self._queue.append((number, body))
            self.queued_bytes += len(body)
        self._send()
        self.written()

    def _send(self) -> None:
        queue = self._queue
        while queue and not self._mux.full:
            number, body = queue[0]
            if number in (wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA):
                begin = 4 if number == wire.CHANNEL_DATA else 8
                whole = len(body) - begin
                size = min(whole, self._room, self._packet)
                if size == 0 and whole:
                    break
                self._room -= size
                if size < whole:
                    kind, payload = body[: begin - 4], body[begin:]
                    self._post(number, kind + string(payload[:size]))
                    self.queued_bytes -= size
                    queue[0] = (number, kind + string(payload[size:]))
                    continue
                self._post(number, body)
                self.queued_bytes -= len(body)
            else:
                self._post(number, body)
                self.queued_bytes -= len(body)
            queue.popleft()
        if self._closing and not queue:
            self._send_close()
        self._tell()

    def _post(self, number: int, body: bytes) -> None:
        self._eof_sent = self._eof_sent or number == wire.CHANNEL_EOF
        self._mux.send(number, uint32(self.remote), body)

    def flush(self) -> None:
        """The connection takes data again."""
        self._send()

    def _tell(self) -> None:
        full = self.queued_bytes > (_LOW if self._told_full else _HIGH)
        if full != self._told_full and self._producer is not None:
            self._told_full = full
            if full:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def writeSequence(self, data: Any) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close the channel once everything is sent."""
        if self._closing:
            return
        self._closing = True
        self._send()

    def abortConnection(self) -> None:
        """Close the channel now."""
        self._closing = True
        self._queue.clear()
        self.queued_bytes = 0
        self._send_close()

    def _send_close(self) -> None:
        if not self._close_sent and self.remote >= 0:
            self._close_sent = True
            self._mux.send(wire.CHANNEL_CLOSE, uint32(self.remote))
            if self._peer_closed:
                self._gone()

    def getPeer(self) -> Any:
        """See ITransport."""
        return self._mux.transport.transport.getPeer()

    def getHost(self) -> Any:
        """See ITransport."""
        return self._mux.transport.transport.getHost()

    # --- producers ------------------------------------------------------------------------------

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """``producer`` is paused while too much waits for the peer."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Grant no more; what was granted may still come."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Grant again."""
        self._paused = False
        self._meanwhile = 0
        self.grant()

    def stopProducing(self) -> None:
        """The connection tells when it is gone."""


class Mux:
    """The channels of one connection.

    :param most: channels open at once.
    """

    def __init__(self, transport: SSHTransport, most: int, window: int = WINDOW) -> None:
        self.transport = transport
        self.channels: dict[int, Channel] = {}
        self.on_empty: Callable[[], None] = lambda: None
        self._opening: dict[int, Deferred[Channel]] = {}
        self._most = most
        self._window = window
        self._number = 0
        transport.transport.registerProducer(_Throttle(self), True)

    @property
    def full(self) -> bool:
        """The connection itself takes nothing more now, or changes its keys."""
        return self.transport.full or self.transport.blocked

    def flush(self) -> None:
        """Send what waits in the channels."""
        for channel in list(self.channels.values()):
            channel.flush()

    def send(self, number: int, body: bytes, *more: bytes) -> None:
        """Send a message, which may come in parts."""
        self.transport.sendPacket(number, body, *more)

    def received(self, number: int, payload: bytes) -> None:
        """A message from number 91 on.

        :raises RemoteProtocolError: it is malformed, or for a channel that is not there.
        """
        reader = Reader(payload)
        local = reader.uint32()
        if number == wire.CHANNEL_OPEN_CONFIRMATION:
            self._confirmed(local, reader)
        elif number == wire.CHANNEL_OPEN_FAILURE:
            waiting = self._waiting(local)
            del self.channels[local]
            self._count()
            waiting.errback(OpenRefused(reader.uint32(), "the backend refused the channel"))
        elif wire.CHANNEL_WINDOW_ADJUST <= number <= wire.CHANNEL_FAILURE:
            channel = self.channels.get(local)
            if channel is None or channel.remote < 0:
                raise RemoteProtocolError("a message for a channel that is not open")
            channel.received(number, reader.rest())
        else:
            self.transport.unimplemented()

    # --- channels that the peer opens -----------------------------------------------------------

    def reserve(self) -> Channel:
        """A channel that the peer asks for.

        :raises OpenRefused: there are too many.
        """
        if len(self.channels) >= self._most:
            raise OpenRefused(wire.RESOURCE_SHORTAGE, "too many channels")
        return self._new()

    def confirm(self, channel: Channel, remote: int, room: int, packet: int) -> None:
        """Open it."""
        channel.opened(remote, room, packet)
        numbers = (remote, channel.number, self._window, PACKET)
        self.send(wire.CHANNEL_OPEN_CONFIRMATION, b"".join(map(uint32, numbers)))

    def refuse(self, channel: Channel | None, remote: int, refusal: OpenRefused) -> None:
        """Do not."""
        if channel is not None:
            self.forget(channel)
        body = uint32(remote) + uint32(refusal.reason) + string(str(refusal).encode()) + string(b"")
        self.send(wire.CHANNEL_OPEN_FAILURE, body)

    # --- channels that we open ------------------------------------------------------------------

    def open(self, kind: bytes) -> Deferred[Channel]:
        """Open a channel; fails with :class:`OpenRefused`."""
        channel = self._new()
        waiting: Deferred[Channel] = Deferred(lambda _: None)
        self._opening[channel.number] = waiting
        numbers = (channel.number, self._window, PACKET)
        self.send(wire.CHANNEL_OPEN, string(kind) + b"".join(map(uint32, numbers)))
        return waiting

    def _confirmed(self, local: int, reader: Reader) -> None:
        waiting = self._waiting(local)
        channel = self.channels[local]
        remote, room, packet = reader.uint32(), reader.uint32(), reader.uint32()
        channel.opened(remote, room, packet)
        if waiting.called:  # given up meanwhile
            channel.abortConnection()
        elif packet < LEAST_PACKET:
            channel.abortConnection()
            why = "the backend takes too little at once"
            waiting.errback(OpenRefused(wire.CONNECT_FAILED, why))
        else:
            waiting.callback(channel)

    def _waiting(self, local: int) -> Deferred[Channel]:
        waiting = self._opening.pop(local, None)
        if waiting is None:
            raise RemoteProtocolError("an answer to a channel that nobody asked for")
        return waiting

    # --- all ------------------------------------------------------------------------------------

    def _new(self) -> Channel:
        channel = Channel(self, self._number, self._window)
        self.channels[self._number] = channel
        self._number += 1
        return channel

    def forget(self, channel: Channel) -> None:
        """The channel is closed on both sides."""
        self.channels.pop(channel.number, None)
        self._count()

    def _count(self) -> None:
        if not self.channels:
            self.on_empty()

    def lost(self) -> None:
        """The connection is gone, and with it every channel."""
        opening, self._opening = self._opening, {}
        for waiting in opening.values():
            if not waiting.called:
                waiting.errback(OpenRefused(wire.CONNECT_FAILED, "the connection is gone"))
        for channel in list(self.channels.values()):
            channel._gone()
        self.channels.clear()


@implementer(IPushProducer)
class _Throttle:
    """Told by the connection's transport when it is full."""

    def __init__(self, mux: Mux) -> None:
        self._mux = mux

    def pauseProducing(self) -> None:
        self._mux.transport.full = True

    def resumeProducing(self) -> None:
        self._mux.transport.full = False
        self._mux.flush()

    def stopProducing(self) -> None:
        """The transport says itself that it is gone."""
