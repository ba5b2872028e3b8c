"""The gateway's own connections to a PostgreSQL server: login done, credentials injected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused, RemoteProtocolError
from hoopgate.interfaces import ITLS
from hoopgate.network import keep_alive, no_delay
from hoopgate.postgres import login
from hoopgate.settings.model import TLSMode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

#: Seconds a backend may take from connect to its first ReadyForQuery.
LOGIN_SECONDS = 15.0
#: Seconds a CancelRequest may take from connect to the backend's hanging up.
CANCEL_SECONDS = 5.0


class BackendUnavailable(Refused):
    """The backend could not be reached or did not let the gateway in."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"backend.{code}", message)


@implementer(IHandshakeListener)
class BackendConnection(Protocol):
    """A connection that logs in, then hands every byte to ``receive``.

    :ivar ready: the login's outcome; set once :meth:`logged_in` has fired.
    """

    ready: login.Ready

    def __init__(self, machine: login.BackendLogin, resource: Resource, tls: ITLS) -> None:
        self._machine: login.BackendLogin | None = machine
        self._resource = resource
        self._tls = tls
        self._login: Deferred[None] | None = Deferred()
        self._early: list[bytes] = []
        self._securing = False
        self._gone = False
        self.receive: Callable[[bytes], None] | None = None
        self.lost: Callable[[], None] = lambda: None

    def logged_in(self) -> Deferred[None]:
        """Fires when the server is ready for queries; fails with :class:`BackendUnavailable`."""
        assert self._login is not None
        return self._login

    def connectionMade(self) -> None:
        assert self._machine is not None and self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)
        self.transport.write(self._machine.start())

    def dataReceived(self, data: bytes) -> None:
        if self._machine is None:
            if self.receive is None:
                self._early.append(data)
            else:
                self.receive(data)
            return
        try:
            for action in self._machine.received(data):
                self._perform(action)
        except RemoteProtocolError as error:
            self.fail(BackendUnavailable("protocol", str(error)))

    def _perform(self, action: login.LoginAction) -> None:
        assert self.transport is not None
        if isinstance(action, login.Send):
            self.transport.write(action.data)
        elif isinstance(action, login.StartTLS):
            self._securing = True
            ITLSTransport(self.transport).startTLS(self._tls.client(self._resource))
        elif isinstance(action, login.Ready):
            self.ready = action
            self._machine = None
            if action.rest:
                self._early.append(action.rest)
            waiting, self._login = self._login, None
            if waiting is not None:
                waiting.callback(None)
        else:
            self.fail(BackendUnavailable(action.code, action.message))

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified; channel binding needs it from here on."""
        assert self._machine is not None and self.transport is not None
        self._securing = False
        self.transport.write(self._machine.secured(self._tls.certificate(self.transport)))

    def hand_over(self, receive: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        """From now on bytes go to ``receive``, and the connection's end to ``lost``."""
        self.receive, self.lost = receive, lost
        early, self._early = self._early, []
        for data in early:
            receive(data)
        if self._gone:  # between two owners
            lost()

    def abandon(self) -> None:
        """Nobody wants this connection any more."""
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def fail(self, why: BackendUnavailable) -> None:
        self._machine = None
        self.receive = lambda _: None
        waiting, self._login = self._login, None
        if waiting is not None:
            waiting.errback(Failure(why))
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._login is not None:
            why = BackendUnavailable("lost", "the database closed the connection at login")
            if self._securing:
                why = BackendUnavailable(
                    "tls", "the database's certificate is not trusted, or is not for its name"
                )
            why.__cause__ = reason.value
            self.fail(why)
        self._gone = True
        self.lost()


class _Single(Factory):
    """For one connection; unlike Twisted's own it does not log every start and stop."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._protocol


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
    protocol = BackendConnection(machine, resource, tls)
    connecting = clientFromString(reactor, resource.target).connect(_Single(protocol))
    connecting.addTimeout(LOGIN_SECONDS, reactor)
    try:
        await connecting
    except Exception as error:
        raise BackendUnavailable("connect", "the database cannot be reached") from error
    waiting = protocol.logged_in()
    waiting.addTimeout(LOGIN_SECONDS, reactor)
    try:
        await waiting
    except BackendUnavailable:
        raise
    except Exception as error:
        protocol.fail(BackendUnavailable("timeout", "the database did not answer"))
        raise BackendUnavailable("timeout", "the database did not answer the login") from error
    return protocol


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
    connecting = clientFromString(reactor, resource.target).connect(_Single(protocol))
    asking: Deferred[None] = connecting.addCallback(lambda _: protocol.done)
    asking.addTimeout(CANCEL_SECONDS, reactor)
    # A cancel that does not arrive is not an error to anybody: the client sees no answer either.
    asking.addErrback(lambda _: None)
    return asking
