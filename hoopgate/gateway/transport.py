"""Writing at once.

Twisted buffers a write and sends it at the next turn of the reactor: a second trip through epoll
for every small message, which costs more than parsing it (docs/performance.md). A plain TCP or
unix connection that has nothing queued is written to at once instead.
"""

from __future__ import annotations

from twisted.internet import error, main
from twisted.internet.interfaces import IReactorTime, ITransport
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
