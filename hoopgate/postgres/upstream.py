"""The gateway's own connections to a PostgreSQL server: login done, credentials injected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.interfaces import ITLS
from hoopgate.outgoing import BackendUnavailable, DatabaseConnection, log_in, reach
from hoopgate.postgres import login
from hoopgate.settings.model import TLSMode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

#: Seconds a CancelRequest may take from connect to the backend's hanging up.
CANCEL_SECONDS = 5.0


class BackendConnection(DatabaseConnection[login.Ready]):
    """A connection to a PostgreSQL server."""

    def __init__(self, machine: login.BackendLogin, resource: Resource, tls: ITLS) -> None:
        super().__init__(resource, tls)
        self._machine = machine

    def connectionMade(self) -> None:
        super().connectionMade()
        assert self.transport is not None
        self.transport.write(self._machine.start())

    def take(self, data: bytes) -> None:
        """See :class:`DatabaseConnection`."""
        for action in self._machine.received(data):
            self._perform(action)

    def _perform(self, action: login.LoginAction) -> None:
        assert self.transport is not None
        if isinstance(action, login.Send):
            self.transport.write(action.data)
        elif isinstance(action, login.StartTLS):
            self.start_tls()
        elif isinstance(action, login.Ready):
            self.begin(action, action.rest)
        else:
            self.fail(BackendUnavailable(action.code, action.message))

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified; channel binding needs it from here on."""
        super().handshakeCompleted()
        assert self.transport is not None
        self.transport.write(self._machine.secured(self._tls.certificate(self.transport)))


async def connect(
    reactor: IReactorTime,
    resource: Resource,
    tls: ITLS,
    password: str | None,
    parameters: Mapping[str, str],
    minor: int = 0,
) -> BackendConnection:
    """Connect and log in to ``resource`` with the gateway's own credentials.

    :raises BackendUnavailable: with a stable code; its message quotes nothing the server said.
    """
    machine = login.BackendLogin(
        user=resource.user,
        database=resource.database,
        password=password,
        parameters=parameters,
        tls_mode="disable" if resource.tls.mode is TLSMode.DISABLE else "required",
        allow_cleartext=resource.tls.mode is not TLSMode.DISABLE,
        certificate_login=resource.certificate is not None,
        minor=minor,
    )
    connection = BackendConnection(machine, resource, tls)
    await log_in(reactor, resource, connection)
    return connection


@implementer(IHandshakeListener)
class _Canceler(Protocol):
    """Sends one CancelRequest (manual 55.2.8), inside TLS where the resource has it."""

    def __init__(self, request: bytes, resource: Resource, tls: ITLS) -> None:
        self._request = request
        self._resource = resource
        self._tls = tls
        self._securing = False
        self.done: Deferred[None] = Deferred(lambda _: self._abort())

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self._resource.tls.mode is TLSMode.DISABLE:
            self._send()
        else:
            self.transport.write(login.SSL_REQUEST)

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        if data == b"S" and not self._securing:
            self._securing = True
            ITLSTransport(self.transport).startTLS(self._tls.client(self._resource))
        else:
            self.transport.loseConnection()

    def handshakeCompleted(self) -> None:
        """The server is the one we know: it may have the key."""
        self._send()

    def _send(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The server hangs up once it has carried the request out."""
        if not self.done.called:
            self.done.callback(None)

    def _abort(self) -> None:
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]


def cancel(
    reactor: IReactorTime, resource: Resource, tls: ITLS, pid: int, key: bytes
) -> Deferred[None]:
    """Ask the server to cancel what its process ``pid`` runs. There is no answer to it.

    Fires when the server has closed the connection, or is given up; never fails.
    """
    protocol = _Canceler(login.cancel_request(pid, key), resource, tls)
    asking: Deferred[None] = reach(reactor, resource, protocol)
    asking.addCallback(lambda _: protocol.done)
    asking.addTimeout(CANCEL_SECONDS, reactor)
    # A cancel that does not arrive is not an error to anybody: the client sees no answer either.
    asking.addErrback(lambda _: None)
    return asking
