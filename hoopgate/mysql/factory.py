"""Twisted's side of MySQL and MariaDB: listener, login, and the hand-over to the relay.

A login reads top to bottom in :meth:`MysqlServer._log_in`: greeting, TLS, user and database, token
or proof, directory, backend, session.open, OK. Until it is through nothing of the client's reaches
anything but these steps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import HoopgateError, IdentityRefused, Refused
from hoopgate.events import Principal, SessionFacts
from hoopgate.identity.certificates import require_same
from hoopgate.interfaces import IGateway, IProtocolSession, IRelay, MakeSession
from hoopgate.mysql import render as _render  # noqa: F401 - for the console of this node
from hoopgate.mysql import startup, upstream
from hoopgate.mysql.kills import Kills
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_results import Ok
from hoopgate.network import hang_up, keep_alive, no_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from hoopgate.settings.model import Listener, Resource

log = Logger()

_T = TypeVar("_T")


@implementer(IHandshakeListener)
class MysqlServer(Protocol):
    """One client connection."""

    def __init__(self, factory: MysqlFactory, peer: str) -> None:
        self._node = factory
        self._gateway = factory.gateway
        self._peer = peer
        self._thread = factory.kills.mint()
        listener, limits = factory.listener, factory.gateway.limits
        credential = listener.authentication == "credential"
        self._login = startup.ClientLogin(
            listener.protocol,
            self._thread,
            tls=listener.tls is not None,
            startup_limit=limits.startup_bytes,
            token_limit=limits.token_bytes,
            verifiers=factory.gateway.credentials.verifiers if credential else None,
        )
        self._receive: Callable[[bytes], None] = self._logging_in
        self._relay: IRelay | None = None
        self._backend: upstream.BackendConnection | None = None
        self._resource_name = ""
        self._admitted = False
        self._steps: Deferred[None] | None = None  # of the login, while it runs
        self._credential: Deferred[str] | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._timer: IDelayedCall | None = None
        self._ended = False
        self._lost = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)
        if not self._gateway.admit(self._turn_away):
            self._end(packets(b"\xff\x10\x04hoopgate: too many connections", 0))
            return
        self._admitted = True
        self._timer = self._node.reactor.callLater(
            self._gateway.limits.login_seconds,
            lambda: self._fail(1159, "08S01", "the login took too long"),
        )
        self.transport.write(self._login.start())

    def dataReceived(self, data: bytes) -> None:
        self._receive(data)

    # --- start-up ---------------------------------------------------------------------------------

    def _logging_in(self, data: bytes) -> None:
        for event in self._login.received(data):
            self._on_login(event)

    def _on_login(self, event: startup.LoginEvent) -> None:
        assert self.transport is not None
        if self._ended:
            return
        if isinstance(event, startup.Send):
            self.transport.write(event.data)
        elif isinstance(event, startup.StartTLS):
            tls = ITLSTransport(self.transport)
            tls.startTLS(self._gateway.tls.server(self._node.listener))
            if event.early:  # in one segment with the request for TLS
                self.transport.protocol.dataReceived(event.early)  # type: ignore[attr-defined]
        elif isinstance(event, startup.Hello):
            self._credential = Deferred()
            self._steps = Deferred.fromCoroutine(self._log_in(event, self._credential))
            self._steps.addErrback(self._refused)
            self._steps.addCallback(self._steps_over)
        elif isinstance(event, startup.Fatal):
            self._end(event.data)
        else:
            assert self._credential is not None
            self._receive = self._too_early
            self._gateway.stays(self._turn_away)
            self._credential.callback(event.token if isinstance(event, startup.Token) else "")

    def handshakeCompleted(self) -> None:
        """The client's TLS is up."""
        self._login.secured()

    # --- login ------------------------------------------------------------------------------------

    async def _step(self, step: Awaitable[_T]) -> _T:
        """Wait for a step of the login.

        :raises _Gone: the client left meanwhile, or was sent away.
        """
        outcome = await step
        if self._ended:
            raise _Gone
        return outcome

    async def _log_in(self, hello: startup.Hello, credential: Deferred[str]) -> None:
        assert self.transport is not None
        resource = self._resource(hello.database)
        self._resource_name = resource.name
        for event in self._login.proceed():
            self._on_login(event)
        token = await self._step(credential)
        if self._node.listener.authentication == "credential":
            proven = self._gateway.credentials.principal(hello.user, resource.name)
            principal = await self._step(self._gateway.confirm(proven, resource))
        else:
            principal = await self._step(self._gateway.verify(token, resource))
        if self._node.listener.clients is not None:
            require_same(self._gateway.tls.certificate(self.transport), principal)
        password = await self._step(self._password(resource, principal))
        facts = self._facts(hello, principal, resource)
        self._backend = backend = await upstream.connect(
            self._node.reactor,
            resource,
            self._gateway.tls,
            password,
            hello.capabilities,
            {"hoopgate_session": facts.id},
        )
        if self._ended:
            raise _Gone
        assert backend.transport is not None

        def interrupt() -> Deferred[None]:
            return self._interrupt(resource, principal, backend)

        self._relay = relay = await self._gateway.serve(
            facts,
            self._session(hello, principal, resource, backend),
            self.transport,
            backend.transport,
            interrupt,
        )
        if self._ended:
            raise _Gone
        self._node.kills.open(self._thread, principal, resource.name, relay, interrupt)
        self._greet(relay, backend)

    def _resource(self, database: str) -> Resource:
        resources = self._node.resources
        if not database and len(resources) == 1:
            return next(iter(resources.values()))
        resource = resources.get(database)
        if resource is None:
            raise _Fatal(1049, "42000", "name a resource of this listener as the database")
        return resource

    async def _password(self, resource: Resource, principal: Principal) -> str | None:
        if resource.password is None:
            return None
        password: str = await self._gateway.secrets.password(resource, principal)
        return password

    def _facts(
        self, hello: startup.Hello, principal: Principal, resource: Resource
    ) -> SessionFacts:
        return SessionFacts(
            id="ses-" + secrets.token_hex(10),
            principal=principal,
            resource=resource.name,
            protocol=resource.protocol,
            database=resource.database,
            peer=self._peer,
            listener=self._node.listener.name,
            tls=self._gateway.tls.facts(self.transport),
            application=hello.program,
        )

    def _session(
        self,
        hello: startup.Hello,
        principal: Principal,
        resource: Resource,
        backend: upstream.BackendConnection,
    ) -> MakeSession:
        limits = self._gateway.limits
        kill = self._node.kills.killer(principal, resource.name)

        def make(
            generation: Callable[[], int], confirmed: Callable[[], bool], mint: Callable[[], str]
        ) -> IProtocolSession:
            session: IProtocolSession = MysqlSession(
                protocol=resource.protocol,
                phi=resource.phi,
                settings=backend.ready.settings,
                capabilities=hello.capabilities,
                resource=resource.name,
                kill=kill,
                generation=generation,
                confirmed=confirmed,
                mint=mint,
                message_limit=limits.message_bytes,
                response_limit=limits.response_message_bytes,
                hold_seconds=limits.hold_seconds,
                tokeniser=self._gateway.tokeniser(resource),
            )
            return session

        return make

    def _greet(self, relay: IRelay, backend: upstream.BackendConnection) -> None:
        assert self.transport is not None
        self._stop_timer()
        self.transport.write(self._login.ok(Ok(0, 0, backend.ready.status, 0).encode()))
        self._receive = relay.client_data
        backend.hand_over(relay.backend_data, relay.backend_lost)
        early, self._early = self._early, []
        for data in early:
            relay.client_data(data)

    def _interrupt(
        self, resource: Resource, principal: Principal, backend: upstream.BackendConnection
    ) -> Deferred[None]:
        async def interrupt() -> None:
            try:
                password = await self._password(resource, principal)
            except Refused:
                return
            await upstream.kill(
                self._node.reactor, resource, self._gateway.tls, password, backend.ready.thread
            )

        return Deferred.fromCoroutine(interrupt())

    def _too_early(self, data: bytes) -> None:
        """Bytes while a step of the login waits: kept, but only so many."""
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > self._gateway.limits.startup_bytes:
            self._fail(1043, "08S01", "too much was sent before the login was through")

    # --- ends -------------------------------------------------------------------------------------

    def _refused(self, failure: Failure) -> None:
        why = failure.value
        if self._ended:
            if failure.check(_Gone, CancelledError, HoopgateError) is None:
                log.failure("login.bug", failure=failure)
        elif isinstance(why, _Fatal):
            self._fail(why.number, why.state, str(why))
        elif isinstance(why, upstream.BackendUnavailable):
            cause = type(why.__cause__).__name__ if why.__cause__ is not None else ""
            log.error(
                "backend.unavailable",
                resource=self._resource_name,
                code=why.code,
                error=cause,
                peer=self._peer,
            )
            self._fail(1429, "HY000", f"{why} ({why.code}); tell the operator")
        elif isinstance(why, IdentityRefused):
            self._fail(1045, "28000", f"{why} ({why.code}); get a new token")
        elif isinstance(why, Refused):
            self._fail(1045, "28000", f"{why} ({why.code}); try again later")
        elif isinstance(why, HoopgateError):
            self._fail(1105, "HY000", "the log cannot record a session now; try again later")
        else:
            log.failure("login.bug", failure=failure)
            self._fail(1105, "HY000", "an internal error ended the login")

    def _fail(self, code: int, state: str, message: str) -> None:
        self._end(self._login.error(code, state, message))

    def _end(self, data: bytes) -> None:
        assert self.transport is not None
        if self._ended:
            return
        self._gone()
        if data:
            self.transport.write(data)
        hang_up(self._node.reactor, self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._gone()
        self._node.kills.remove(self._thread)
        if self._relay is not None:
            self._relay.client_lost()
        self._leave()

    def _gone(self) -> None:
        """The client has left or is sent away: no further step of its login is made."""
        self._ended = True
        self._receive = lambda _: None
        self._early.clear()
        self._stop_timer()
        if self._credential is not None:
            self._credential.cancel()

    def _steps_over(self, _: None) -> None:
        self._steps = None
        if self._ended and self._relay is not None:
            self._relay.client_lost()
        elif self._relay is None and self._backend is not None:
            self._backend.abandon()
        self._leave()

    def _leave(self) -> None:
        """Make room for another login: once this one is through, or its client and its last step
        are gone."""
        if self._steps is None and (self._lost or self._relay is not None):
            self._make_room()

    def _make_room(self) -> None:
        if self._admitted:
            self._admitted = False
            self._gateway.left(self._turn_away)

    def _turn_away(self) -> None:
        """It has shown nothing yet, and others wait: no ceremony."""
        self._gone()
        self._make_room()
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class _Gone(Exception):
    """Nobody waits for the outcome of this login."""


class _Fatal(Refused):
    def __init__(self, number: int, state: str, message: str) -> None:
        super().__init__(f"login.{number}", message)
        self.number = number
        self.state = state


class MysqlFactory(Factory):
    """Makes a :class:`MysqlServer` per client of one listener.

    :param resources: what clients may name as database here.
    """

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
    ) -> None:
        self.reactor = reactor
        self.gateway = gateway
        self.listener = listener
        self.resources = resources
        self.kills = Kills(reactor, gateway, gateway.limits.cancels_per_second)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = getattr(addr, "host", None)
        return MysqlServer(self, f"{host}:{addr.port}" if host else "unix")  # type: ignore[union-attr]
