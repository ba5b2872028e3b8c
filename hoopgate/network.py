"""What every protocol does with a Twisted transport: read and write at once, hang up.

Transports and clocks are ``Any`` here: this is compiled by mypyc, to which a method of a
zope.interface has no self.

Twisted buffers a write and sends it at the next turn of the reactor: a second trip through epoll
for every small message, which costs more than parsing it (docs/performance.md). A plain TCP or
unix connection that has nothing queued is written to at once instead. What it reads goes through
four calls before it reaches a session; :func:`receive` makes that one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet import error, main
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.tcp import Client, Connection, Server
from twisted.internet.unix import Client as UnixClient
from twisted.internet.unix import Server as UnixServer
from twisted.protocols.tls import BufferingTLSTransport
from twisted.python.failure import Failure

from hoopgate import tls_records
from hoopgate.tls_records import READ_BYTES

_KNOWN: Final = (Server, Client, UnixServer, UnixClient)


def receive(transport: Any, deliver: Callable[[bytes], None]) -> None:
    """Give what ``transport`` reads from now on to ``deliver``, without the way through the
    protocol, where that is possible: a TCP or unix connection, with or without TLS.

    The protocol's ``dataReceived`` must do the same: elsewhere it is called as ever.
    """
    if type(transport) not in _KNOWN:
        return
    if transport.TLS:
        opened = tls_records.opening(transport, deliver)
        if opened is None:
            return
        deliver = opened
    _read_to(transport, deliver)


def _read_to(transport: Any, deliver: Callable[[bytes], None]) -> None:
    take: Callable[[int], bytes] = transport.socket.recv
    stock: Callable[[], object] = transport.doRead

    def read() -> object:
        try:
            data = take(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return stock()  # which meets the same end, and says what the reactor is to do
        deliver(data)
        return None

    vars(transport)["doRead"] = read


def write(transport: Any, data: bytes) -> None:
    """Write ``data``, at once where the transport allows it."""
    if not data:
        return
    if not isinstance(transport, Connection):
        transport.write(data)
    elif transport.TLS:
        _write_tls(transport, data)
    else:
        _write_plain(transport, data)


def _write_plain(connection: Any, data: bytes) -> None:
    """Give the kernel what it takes; only the rest goes through the reactor's queue, which costs
    two system calls to say that it has something and that it has nothing any more."""
    rest = _send(connection, data)
    if rest:
        connection.write(rest)


def _send(connection: Any, data: bytes) -> bytes:
    """What the kernel does not take of ``data`` now; all of it where something is queued before."""
    queued = connection._tempDataBuffer or connection.offset != len(connection.dataBuffer)
    if queued or not connection.connected or connection.disconnecting:
        return data
    try:
        sent: int = connection.socket.send(data)
    except BlockingIOError:
        return data
    except OSError:
        return data  # the reactor meets the same error and ends the connection as it should
    return b"" if sent == len(data) else data[sent:]


def _write_tls(connection: Any, data: bytes) -> None:
    """Encrypt now. Twisted would collect small writes until the next turn of the reactor."""
    tls = getattr(connection, "protocol", None)
    if not isinstance(tls, BufferingTLSTransport) or not connection.connected:
        connection.write(data)
        return
    records = tls_records.encrypt(tls, data)
    if records is None:
        _send_now(connection)
        return
    rest = _send(connection, records)
    if rest:
        beneath: Any = tls.transport
        beneath.write(rest)


def _send_now(connection: Any) -> None:
    """Send what is queued as far as the kernel takes it, as the reactor would."""
    if connection.disconnected or not connection.connected:
        return
    result = connection.doWrite()
    if result is not None and result is not main.CONNECTION_DONE:
        # The reactor would end the connection now; leave that to its next turn, as callers of
        # write() do not expect connectionLost() out of it.
        reason = result if isinstance(result, Exception) else error.ConnectionLost()
        connection.reactor.callLater(0, _lose, connection, Failure(reason))


def _lose(connection: Connection, reason: Failure) -> None:
    if not connection.disconnected:
        connection.connectionLost(reason)


#: Seconds that a peer has to hang up itself once all is sent, and those for which it may read
#: nothing before. The kernel reports room only when a third of its buffer is free, so a slow reader
#: seems to stand still for a while.
LINGER, STALL = 1.0, 30.0


def hang_up(clock: Any, transport: Any) -> None:
    """Close once everything is written; a peer that stops reading, or goes on sending, is cut off.

    TLS waits for the peer's close_notify, and a full send buffer for the peer to read: neither may
    keep a connection that we have done with.
    """
    transport.loseConnection()
    clock.callLater(LINGER, _abort_idle, clock, transport, queued(transport), clock.seconds())


def _abort_idle(clock: Any, transport: Any, before: int, since: float) -> None:
    if transport.disconnected and not transport.connected:
        return
    left, now = queued(transport), clock.seconds()
    if left != before:
        since = now
    if now - since >= (STALL if left else LINGER):
        transport.abortConnection()
    else:
        clock.callLater(LINGER, _abort_idle, clock, transport, left, since)


def queued(transport: Any) -> int:
    """Bytes that the kernel has not taken yet."""
    if not isinstance(transport, FileDescriptor):
        return int(getattr(transport, "queued_bytes", 0))  # a channel of SSH
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def no_delay(transport: Any) -> None:
    """Switch Nagle's algorithm off where there is one (unix sockets have none)."""
    if ITCPTransport.providedBy(transport):
        with suppress(OSError):  # a unix socket says it is one, and is not
            transport.setTcpNoDelay(True)


def keep_alive(transport: Any) -> None:
    """Let the kernel find out that a silent peer is gone."""
    if ITCPTransport.providedBy(transport):
        with suppress(OSError):
            transport.setTcpKeepAlive(True)
