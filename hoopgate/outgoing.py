"""Connections that the gateway opens to backends: reached, logged in, then handed to a relay."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused, RemoteProtocolError
from hoopgate.interfaces import ITLS
from hoopgate.network import keep_alive, no_delay

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

#: Seconds a backend may take from connect to the end of its login.
LOGIN_SECONDS = 15.0

Ready = TypeVar("Ready")


class BackendUnavailable(Refused):
    """The backend could not be reached or did not let the gateway in."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"backend.{code}", message)


class Outgoing(Protocol):
    """A connection whose bytes go to ``receive`` once it is handed over; they wait until then."""

    def __init__(self, resource: Resource, tls: ITLS) -> None:
        self._resource = resource
        self._tls = tls
        self._early: list[bytes] = []
        self._gone = False
        self.receive: Callable[[bytes], None] | None = None
        self.lost: Callable[[], None] = lambda: None

    def connectionMade(self) -> None:
        assert self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self.receive is None:
            self._early.append(data)
        else:
            self.receive(data)

    def hand_over(self, receive: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        """From now on bytes go to ``receive``, and the connection's end to ``lost``."""
        self.receive, self.lost = receive, lost
        early, self._early = self._early, []
        for data in early:
            receive(data)
        if self._gone:  # between two owners
            lost()

    def start_tls(self) -> None:
        """Begin TLS as the resource's settings say."""
        ITLSTransport(self.transport).startTLS(self._tls.client(self._resource))

    def abandon(self) -> None:
        """Nobody wants this connection any more."""
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        self.lost()


@implementer(IHandshakeListener)
class DatabaseConnection(Outgoing, Generic[Ready]):
    """One that logs in to a database first. A protocol says how, in :meth:`take` and
    :meth:`handshakeCompleted`.

    :ivar ready: the login's outcome; set once :meth:`logged_in` has fired.
    """

    ready: Ready

    def __init__(self, resource: Resource, tls: ITLS) -> None:
        super().__init__(resource, tls)
        self._logging_in = True
        self._login: Deferred[None] | None = Deferred()
        self._securing = False

    def logged_in(self) -> Deferred[None]:
        """Fires when the session may begin; fails with :class:`BackendUnavailable`."""
        assert self._login is not None
        return self._login

    def take(self, data: bytes) -> None:
        """Bytes of the login.

        :raises RemoteProtocolError: they are none.
        """
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        if not self._logging_in:
            super().dataReceived(data)
            return
        try:
            self.take(data)
        except RemoteProtocolError as error:
            self.fail(BackendUnavailable("protocol", str(error)))

    def start_tls(self) -> None:
        """See :class:`Outgoing`; an end before it is up is TLS' fault."""
        self._securing = True
        super().start_tls()

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified."""
        self._securing = False

    def begin(self, ready: Ready, rest: bytes) -> None:
        """The login is through; ``rest`` came behind it."""
        self.ready = ready
        self._logging_in = False
        if rest:
            self._early.append(rest)
        waiting, self._login = self._login, None
        if waiting is not None:
            waiting.callback(None)

    def fail(self, why: BackendUnavailable) -> None:
        """Give the login up."""
        self._logging_in = False
        self.receive = lambda _: None
        waiting, self._login = self._login, None
        if waiting is not None:
            waiting.errback(Failure(why))
        self.abandon()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._login is not None:
            why = BackendUnavailable("lost", "the database closed the connection at login")
            if self._securing:
                why = BackendUnavailable(
                    "tls", "the database's certificate is not trusted, or is not for its name"
                )
            why.__cause__ = reason.value
            self.fail(why)
        super().connectionLost(reason)


class _Single(Factory):
    """For one connection; unlike Twisted's own it does not log every start and stop."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._protocol


def reach(reactor: IReactorTime, resource: Resource, protocol: Protocol) -> Deferred[Any]:
    """Connect ``protocol`` to the resource's target. Fires when it is connected."""
    connecting: Deferred[Any] = clientFromString(reactor, resource.target).connect(
        _Single(protocol)
    )
    return connecting


async def log_in(
    reactor: IReactorTime, resource: Resource, connection: DatabaseConnection[Any]
) -> None:
    """Connect and wait for the login.

    :raises BackendUnavailable: with a stable code; its message quotes nothing the server said.
    """
    try:
        await reach(reactor, resource, connection).addTimeout(LOGIN_SECONDS, reactor)
    except Exception as error:
        raise BackendUnavailable("connect", "the database cannot be reached") from error
    waiting = connection.logged_in()
    waiting.addTimeout(LOGIN_SECONDS, reactor)
    try:
        await waiting
    except BackendUnavailable:
        raise
    except Exception as error:
        connection.fail(BackendUnavailable("timeout", "the database did not answer"))
        raise BackendUnavailable("timeout", "the database did not answer the login") from error
