"""Twisted's side of MySQL and MariaDB: listener, login, and the hand-over to the relay.

A login reads top to bottom in :meth:`MysqlServer._log_in`: greeting, TLS, user and database, token
or proof, directory, backend, session.open, OK. Until it is through nothing of the client's reaches
anything but these steps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ITLSTransport
from zope.interface import implementer

from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import Principal, SessionFacts
from hoopgate.identity.certificates import require_same
from hoopgate.incoming import Busy, DatabaseFactory, DatabaseServer, Early, Gone, Late
from hoopgate.interfaces import IGateway, IProtocolSession, IRelay, MakeSession
from hoopgate.mysql import render as _render  # noqa: F401 - for the console of this node
from hoopgate.mysql import startup, upstream
from hoopgate.mysql.kills import Kills
from hoopgate.mysql.refusals import not_let_in
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_results import Ok
from hoopgate.outgoing import BackendUnavailable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Listener, Resource


@implementer(IHandshakeListener)
class MysqlServer(DatabaseServer):
    """One client connection."""

    def __init__(self, factory: MysqlFactory, peer: str) -> None:
        super().__init__(factory, peer)
        self._node = factory
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

    def connectionMade(self) -> None:
        super().connectionMade()
        assert self.transport is not None
        if not self._ended:
            self.transport.write(self._login.start())

    # --- start-up ---------------------------------------------------------------------------------

    def _greeted(self, data: bytes) -> None:
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
            tls.startTLS(self._gateway.tls.server(self._listener))
            if event.early:  # in one segment with the request for TLS
                self.transport.protocol.dataReceived(event.early)  # type: ignore[attr-defined]
        elif isinstance(event, startup.Hello):
            self._credential = Deferred()
            self._run(self._log_in(event, self._credential))
        elif isinstance(event, startup.Fatal):
            self._end(event.data)
        else:
            assert self._credential is not None
            token = event.token if isinstance(event, startup.Token) else ""
            self._has_shown(self._credential, token)

    def handshakeCompleted(self) -> None:
        """The client's TLS is up."""
        self._login.secured()

    # --- login ------------------------------------------------------------------------------------

    async def _log_in(self, hello: startup.Hello, credential: Deferred[str]) -> None:
        assert self.transport is not None
        resource = self._resource(hello.database)
        self._resource_name = resource.name
        for event in self._login.proceed():
            self._on_login(event)
        token = await self._step(credential)
        if self._listener.authentication == "credential":
            proven = self._gateway.credentials.principal(hello.user, resource.name)
            principal = await self._step(self._gateway.confirm(proven, resource))
        else:
            principal = await self._step(self._gateway.verify(token, resource))
        if self._listener.clients is not None:
            require_same(self._gateway.tls.certificate(self.transport), principal)
        password = await self._step(self._password(resource, principal))
        facts = self._facts(hello, principal, resource)
        self._backend = backend = await upstream.connect(
            self._reactor,
            resource,
            self._gateway.tls,
            password,
            hello.capabilities,
            {"hoopgate_session": facts.id},
        )
        if self._ended:
            raise Gone
        assert backend.transport is not None

        def interrupt() -> Deferred[None]:
            return self._interrupt(resource, principal, backend)

        self._relay = relay = await self._gateway.serve(
            facts,
            self._session(hello, principal, resource, backend, facts.id),
            self.transport,
            backend.transport,
            interrupt,
        )
        if self._ended:
            raise Gone
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
            listener=self._listener.name,
            tls=self._gateway.tls.facts(self.transport),
            application=hello.program,
        )

    def _session(
        self,
        hello: startup.Hello,
        principal: Principal,
        resource: Resource,
        backend: upstream.BackendConnection,
        session_id: str,
    ) -> MakeSession:
        limits = self._gateway.limits
        kill = self._node.kills.killer(principal, resource.name)

        def make(
            generation: Callable[[], int],
            confirmed: Callable[[], bool],
            mint: Callable[[], str],
            stamp: Callable[[], float],
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
                meter=self._gateway.meter(session_id),
            )
            return session

        return make

    def _greet(self, relay: IRelay, backend: upstream.BackendConnection) -> None:
        greeting = self._login.ok(Ok(0, 0, backend.ready.status, 0).encode())
        self._hand_over(relay, backend, greeting)

    def _interrupt(
        self, resource: Resource, principal: Principal, backend: upstream.BackendConnection
    ) -> Deferred[None]:
        async def interrupt() -> None:
            try:
                password = await self._password(resource, principal)
            except Refused:
                return
            await upstream.kill(
                self._reactor, resource, self._gateway.tls, password, backend.ready.thread
            )

        return Deferred.fromCoroutine(interrupt())

    # --- ends -------------------------------------------------------------------------------------

    def _farewell(self, why: BaseException | None) -> bytes:
        if isinstance(why, Busy):  # before the greeting there is no SQLSTATE
            return packets(b"\xff\x10\x04hoopgate: " + str(why).encode(), 0)
        if isinstance(why, _Fatal):
            return self._login.error(why.number, why.state, str(why))
        if isinstance(why, Late):
            return self._login.error(1159, "08S01", str(why))
        if isinstance(why, Early):
            return self._login.error(1043, "08S01", str(why))
        if isinstance(why, BackendUnavailable):
            return self._login.error(1429, "HY000", f"{why} ({why.code}); tell the operator")
        if isinstance(why, Refused):
            return self._login.error(1045, "28000", not_let_in(why.code, str(why)))
        if isinstance(why, HoopgateError):
            message = "the log cannot record a session now; try again later"
            return self._login.error(1105, "HY000", message)
        return self._login.error(1105, "HY000", "an internal error ended the login")

    def _forget(self) -> None:
        self._node.kills.remove(self._thread)


class _Fatal(Refused):
    def __init__(self, number: int, state: str, message: str) -> None:
        super().__init__(f"login.{number}", message)
        self.number = number
        self.state = state


class MysqlFactory(DatabaseFactory):
    """Makes a :class:`MysqlServer` per client of one listener."""

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
    ) -> None:
        super().__init__(reactor, gateway, listener, resources)
        self.kills = Kills(reactor, gateway, gateway.limits.cancels_per_second)

    server = MysqlServer
