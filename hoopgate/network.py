"""What every protocol does with a Twisted transport: write at once, switch Nagle off, hang up.

Twisted buffers a write and sends it at the next turn of the reactor: a second trip through epoll
for every small message, which costs more than parsing it (docs/performance.md). A plain TCP or
unix connection that has nothing queued is written to at once instead.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet import error, main
from twisted.internet.interfaces import IReactorTime, ITCPTransport, ITransport
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure


def write(transport: ITransport, data: bytes) -> None:
    """Write ``data``, at once where the transport allows it."""
    if not data:
        return
    transport.write(data)
    if isinstance(transport, Connection) and not transport.TLS:
        send_now(transport)


def send_now(connection: Connection) -> None:
    """Send what ``connection`` has queued as far as the kernel takes it, as its reactor would."""
    if connection.disconnected or not connection.connected:
        return
    result = connection.doWrite()
    if result is not None and result is not main.CONNECTION_DONE:
        # The reactor would end the connection now; leave that to its next turn, as callers of
        # write() do not expect connectionLost() out of it.
        reason = result if isinstance(result, Exception) else error.ConnectionLost()
        IReactorTime(connection.reactor).callLater(0, _lose, connection, Failure(reason))


def _lose(connection: Connection, reason: Failure) -> None:
    if not connection.disconnected:
        connection.connectionLost(reason)


#: Seconds that a peer has to read what is left and to hang up itself.
LINGER = 1.0


def hang_up(clock: IReactorTime, transport: Any) -> None:
    """Close once everything is written; a peer that does not read, or goes on sending, is cut off.

    TLS waits for the peer's close_notify, and a full send buffer for the peer to read: neither may
    keep a connection that we have done with.
    """
    transport.loseConnection()
    clock.callLater(LINGER, _abort, transport)


def _abort(transport: Any) -> None:
    if transport.connected or not transport.disconnected:
        transport.abortConnection()


def no_delay(transport: object) -> None:
    """Switch Nagle's algorithm off where there is one (unix sockets have none)."""
    if ITCPTransport.providedBy(transport):
        with suppress(OSError):  # a unix socket says it is one, and is not
            transport.setTcpNoDelay(True)


def keep_alive(transport: object) -> None:
    """Let the kernel find out that a silent peer is gone."""
    if ITCPTransport.providedBy(transport):
        with suppress(OSError):
            transport.setTcpKeepAlive(True)
