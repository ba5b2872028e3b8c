"""The gateway's own connections to a MySQL or MariaDB server: login done, credentials injected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused, RemoteProtocolError
from hoopgate.interfaces import ITLS
from hoopgate.mysql import login
from hoopgate.mysql.capabilities import wanted
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_commands import query
from hoopgate.network import keep_alive, no_delay
from hoopgate.settings.model import TLSMode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

#: Seconds a backend may take from connect to the end of its login.
LOGIN_SECONDS: Final = 15.0
#: Seconds a KILL may take from connect to its answer.
KILL_SECONDS: Final = 5.0


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
        """Fires when the session may begin; fails with :class:`BackendUnavailable`."""
        assert self._login is not None
        return self._login

    def connectionMade(self) -> None:
        assert self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)

    def dataReceived(self, data: bytes) -> None:
        machine = self._machine
        if machine is None:
            if self.receive is None:
                self._early.append(data)
            else:
                self.receive(data)
            return
        try:
            for action in machine.received(data):
                self._perform(action, machine)
        except RemoteProtocolError as error:
            self.fail(BackendUnavailable("protocol", str(error)))

    def _perform(self, action: login.LoginAction, machine: login.BackendLogin) -> None:
        assert self.transport is not None
        if isinstance(action, login.Send):
            self.transport.write(action.data)
        elif isinstance(action, login.StartTLS):
            self._securing = True
            ITLSTransport(self.transport).startTLS(self._tls.client(self._resource))
        elif isinstance(action, login.Ready):
            self.ready = action
            self._machine = None
            rest = machine.drain()
            if rest:
                self._early.append(rest)
            waiting, self._login = self._login, None
            if waiting is not None:
                waiting.callback(None)
        else:
            self.fail(BackendUnavailable(action.code, action.message))

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified: it may have the credentials."""
        assert self._machine is not None and self.transport is not None
        self._securing = False
        self.transport.write(self._machine.secured())

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
        """Give the login up."""
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
    capabilities: int = 0,
    attributes: Mapping[str, str] | None = None,
) -> BackendConnection:
    """Connect and log in to ``resource`` with the gateway's own credentials.

    :param capabilities: agreed with the client.
    :param attributes: connection attributes besides the gateway's own.
    :raises BackendUnavailable: with a stable code; its message quotes nothing the server said.
    """
    secured = resource.tls.mode is not TLSMode.DISABLE
    machine = login.BackendLogin(
        protocol=resource.protocol,
        user=resource.user,
        database=resource.database,
        password=password,
        capabilities=wanted(capabilities, resource.protocol, phi=resource.phi),
        tls=secured,
        private=resource.target.startswith("unix:"),
        attributes={"_client_name": "hoopgate", "program_name": "hoopgate", **(attributes or {})},
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


async def kill(
    reactor: IReactorTime, resource: Resource, tls: ITLS, password: str | None, thread: int
) -> None:
    """Ask the server to stop what its connection ``thread`` runs. Never fails: a KILL that does not
    arrive is no error to anybody, the statement just goes on."""
    try:
        connection = await connect(reactor, resource, tls, password)
    except BackendUnavailable:
        return
    assert connection.transport is not None
    answered: Deferred[None] = Deferred()

    def settle(_: bytes = b"") -> None:
        if not answered.called:
            answered.callback(None)

    connection.hand_over(settle, settle)
    answered.addTimeout(KILL_SECONDS, reactor)
    connection.transport.write(packets(query(b"KILL QUERY %d" % thread), 0))
    with suppress(TimeoutError):
        await answered
    connection.abandon()
