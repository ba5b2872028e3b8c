"""Twisted's side of PostgreSQL: listener, start-up, login, and the hand-over to the relay.

A login reads top to bottom in :meth:`PostgresServer._log_in`: start-up message, TLS, token,
directory, scope, backend, session.open, greeting. Until it is through nothing of the client's
reaches anything but these steps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ITLSTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import HoopgateError, IdentityRefused, Refused, RemoteProtocolError
from hoopgate.events import Principal, SessionFacts
from hoopgate.identity.certificates import require_same
from hoopgate.identity.jwks import DISCOVERY_PATH
from hoopgate.incoming import Busy, DatabaseFactory, DatabaseServer, Early, Gone, Late
from hoopgate.interfaces import IGateway, IProtocolSession, IRelay, MakeSession
from hoopgate.outgoing import BackendUnavailable
from hoopgate.postgres import scram, startup, upstream, wire
from hoopgate.postgres.answers import REPORTED
from hoopgate.postgres.authentication import (
    ClientAuthentication,
    CredentialAuthentication,
    Send,
    Token,
)
from hoopgate.postgres.cancels import Cancels
from hoopgate.postgres.refusals import fatal, not_let_in
from hoopgate.postgres.scram_server import ScramServer
from hoopgate.postgres.session import PostgresSession
from hoopgate.postgres.side import search_path

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Listener, Resource


@implementer(IHandshakeListener)
class PostgresServer(DatabaseServer):
    """One client connection."""

    def __init__(self, factory: PostgresFactory, peer: str) -> None:
        super().__init__(factory, peer)
        self._node = factory
        self._startup = startup.ClientStartup(
            limit=factory.gateway.limits.startup_bytes,
            tls_required=factory.listener.tls is not None,
            tls_available=factory.listener.tls is not None,
            parameters=factory.parameters,
        )
        self._authentication: ClientAuthentication | CredentialAuthentication | None = None
        self._pid = 0

    # --- start-up -------------------------------------------------------------------------------

    def _greeted(self, data: bytes) -> None:
        try:
            events = self._startup.received(data)
        except RemoteProtocolError:
            self._end(b"")
            return
        for event in events:
            self._on_startup(event)

    def _on_startup(self, event: startup.StartupEvent) -> None:
        assert self.transport is not None
        if isinstance(event, startup.Answer):
            self.transport.write(event.data)
        elif isinstance(event, startup.StartTLS):
            tls = ITLSTransport(self.transport)
            tls.startTLS(self._gateway.tls.server(self._listener))
            if event.early:  # a direct TLS handshake whose first bytes were read already
                self.transport.protocol.dataReceived(event.early)  # type: ignore[attr-defined]
        elif isinstance(event, startup.Cancel):
            # No answer, but the hang-up: clients wait for it before they send what comes next.
            canceling = self._node.cancels.cancel(event.pid, event.key)
            canceling.addCallback(lambda _: self._end(b""))
        elif isinstance(event, startup.Fatal):
            self._end(event.data)
        else:
            self._receive = self._too_early
            self._run(self._log_in(event))

    def handshakeCompleted(self) -> None:
        """The client's TLS is up."""
        facts = self._gateway.tls.facts(self.transport)
        for event in self._startup.secured(facts.get("alpn", "").encode() or None):
            self._on_startup(event)

    # --- login ----------------------------------------------------------------------------------

    async def _log_in(self, start: startup.Startup) -> None:
        assert self.transport is not None
        if start.negotiate:
            self.transport.write(start.negotiate)
        resource = self._resource(start)
        self._resource_name = resource.name
        if self._listener.authentication == "scram":
            who = self._identify_by_credential(start.parameters["user"], resource)
        else:
            who = self._identify(resource)
        principal = await self._step(who)
        if self._listener.clients is not None:
            require_same(self._gateway.tls.certificate(self.transport), principal)
        password = None
        if resource.password is not None:
            password = await self._step(self._gateway.secrets.password(resource, principal))
        self._backend = backend = await upstream.connect(
            self._reactor, resource, self._gateway.tls, password, start.session_parameters
        )
        if self._ended:
            raise Gone
        assert backend.transport is not None
        path = ""
        if resource.phi:
            path = await self._step(search_path(backend, self._reactor))
        facts = self._facts(start, principal, resource)
        self._relay = relay = await self._gateway.serve(
            facts,
            self._session(resource, path, facts.id, backend),
            self.transport,
            backend.transport,
            lambda: self._interrupt(resource, backend),
        )
        if self._ended:
            raise Gone
        self._greet(start, resource, relay, backend)

    def _resource(self, start: startup.Startup) -> Resource:
        parameters = start.parameters
        name = parameters.get("database", parameters["user"])
        resource = self._node.resources.get(name)
        if resource is None:
            raise _Fatal(
                "3D000",
                "there is no resource of that name on this listener",
                "Name a resource as the database (PGDATABASE).",
            )
        # The listener takes what any of its resources allows: which one it is was not known then.
        allowed = startup.PARAMETERS | {name.lower() for name in resource.parameters}
        if not allowed.issuperset(name.lower() for name in start.session_parameters):
            raise _Fatal(
                "28000",
                "a startup parameter is not allowed for this resource",
                "Leave it out, or have it added to the resource's parameters.",
            )
        return resource

    async def _identify(self, resource: Resource) -> Principal:
        """Ask the client for its token and verify it.

        :raises Refused: what came is not a token, or not one that opens ``resource``.
        """
        listener = self._listener
        self._authentication = ClientAuthentication(
            listener.authentication,
            self._gateway.limits.token_bytes,
            listener.issuer_url.rstrip("/") + DISCOVERY_PATH,
            resource.scope,
        )
        token = await self._exchange(self._authentication.start())
        try:
            return await self._gateway.verify(token, resource)
        except IdentityRefused as refusal:
            challenge = self._authentication.refuse(refusal)
            if challenge:
                await self._exchange(challenge)
            raise

    async def _identify_by_credential(self, user: str, resource: Resource) -> Principal:
        """Let the client prove its session credential; look the identity's groups up again.

        :raises Refused: it is not in force, or does not open ``resource``.
        """
        credentials = self._gateway.credentials
        certificate = self._gateway.tls.own_certificate(self.transport)
        binding = None if certificate is None else scram.server_end_point(certificate)
        server = ScramServer(credentials.verifier(user), binding)
        self._authentication = CredentialAuthentication(server)
        await self._exchange(self._authentication.start())
        return await self._gateway.confirm(credentials.principal(user, resource.name), resource)

    async def _exchange(self, data: bytes) -> str:
        """Send ``data`` and read on until there is a token, or a proof (then the token is "").

        :raises IdentityRefused: what came is neither.
        """
        assert self.transport is not None
        if self._ended:
            raise Gone
        received: Deferred[str] = Deferred()

        def receive(data: bytes) -> None:
            assert self._authentication is not None and self.transport is not None
            try:
                for event in self._authentication.received(data):
                    if isinstance(event, Send):
                        self.transport.write(event.data)
                        continue
                    self._has_shown(received, event.token if isinstance(event, Token) else "")
            except (RemoteProtocolError, IdentityRefused) as error:
                self._receive = lambda _: None
                received.errback(Failure(error))

        self._receive = receive
        self._credential = received
        self.transport.write(data)
        return await received

    def _facts(
        self, start: startup.Startup, principal: Principal, resource: Resource
    ) -> SessionFacts:
        return SessionFacts(
            id="ses-" + secrets.token_hex(10),
            principal=principal,
            resource=resource.name,
            protocol="postgres",
            database=resource.database,
            peer=self._peer,
            listener=self._listener.name,
            tls=self._gateway.tls.facts(self.transport),
            application=start.parameters.get("application_name", ""),
        )

    def _session(
        self, resource: Resource, path: str, session_id: str, backend: upstream.BackendConnection
    ) -> MakeSession:
        limits = self._gateway.limits
        style = backend.ready.parameters.get("DateStyle", "").encode()

        def make(
            generation: Callable[[], int],
            confirmed: Callable[[], bool],
            mint: Callable[[], str],
            stamp: Callable[[], float],
        ) -> IProtocolSession:
            session: IProtocolSession = PostgresSession(
                phi=resource.phi,
                settings={"search_path": path},
                generation=generation,
                confirmed=confirmed,
                stamp=stamp,
                mint=mint,
                message_limit=limits.message_bytes,
                response_limit=limits.response_message_bytes,
                tokeniser=self._gateway.tokeniser(resource),
                meter=self._gateway.meter(session_id),
                style=style,
            )
            return session

        return make

    def _greet(
        self,
        start: startup.Startup,
        resource: Resource,
        relay: IRelay,
        backend: upstream.BackendConnection,
    ) -> None:
        ready = backend.ready
        backend_key = ready.pid, ready.key
        pid, key = self._node.cancels.open(start.minor, resource, backend_key, relay)
        self._pid = pid
        reported = {
            name: value
            for name, value in ready.parameters.items()
            if not resource.phi or name.encode() in REPORTED
        }
        greeting = (
            wire.authentication_ok(),
            *(
                wire.parameter_status(name.encode(), value.encode())
                for name, value in reported.items()
            ),
            wire.backend_key_data(pid, key),
            wire.ready_for_query(b"I"),
        )
        self._hand_over(relay, backend, b"".join(greeting))

    def _interrupt(self, resource: Resource, backend: upstream.BackendConnection) -> Deferred[None]:
        ready = backend.ready
        return upstream.cancel(self._reactor, resource, self._gateway.tls, ready.pid, ready.key)

    # --- ends -----------------------------------------------------------------------------------

    def _farewell(self, why: BaseException | None) -> bytes:
        if isinstance(why, _Fatal):
            return fatal(why.code, str(why), hint=why.hint)
        if isinstance(why, Busy):
            return fatal("53300", str(why), hint="Try again later.")
        if isinstance(why, Late):
            return fatal("08004", str(why))
        if isinstance(why, Early | RemoteProtocolError):
            return fatal("08P01", str(why))
        if isinstance(why, BackendUnavailable):
            return fatal("08001", f"{why} ({why.code})", hint="Tell the operator.")
        if isinstance(why, Refused):
            return not_let_in(why.code, str(why))
        if isinstance(why, HoopgateError):
            return fatal("58030", "the log cannot record a session now", hint="Try again later.")
        return fatal("XX000", "an internal error ended the login")

    def _forget(self) -> None:
        self._node.cancels.remove(self._pid)


class _Fatal(Refused):
    def __init__(self, sqlstate: str, message: str, hint: str) -> None:
        super().__init__(sqlstate, message)
        self.hint = hint


class PostgresFactory(DatabaseFactory):
    """Makes a :class:`PostgresServer` per client of one listener."""

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
    ) -> None:
        super().__init__(reactor, gateway, listener, resources)
        self.parameters = frozenset().union(*(one.parameters for one in resources.values()))
        self.cancels = Cancels(reactor, gateway, gateway.limits.cancels_per_second)

    server = PostgresServer
