"""Twisted's side of SSH: listener, login, and one relay for every channel.

A login reads top to bottom in :meth:`SSHServer._verify`. Behind it each channel is a decision and
a session of its own: the identity's groups are looked up again, a channel is opened on the
backend, session.open is made durable, and only then is the channel open for the client.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.errors import HoopgateError, IdentityRefused, Refused, RemoteProtocolError
from hoopgate.events import Principal, SessionFacts
from hoopgate.interfaces import IGateway, IProtocolSession, IRelay, MakeSession
from hoopgate.network import keep_alive, no_delay
from hoopgate.ssh import authentication, wire
from hoopgate.ssh import render as _render  # noqa: F401 - for the console of this node
from hoopgate.ssh.authentication import CheckCertificate, CheckSecret, Login, Proven, Send
from hoopgate.ssh.backend import BackendTransport, BackendUnavailable, connect, session_channel
from hoopgate.ssh.certificates import UserCertificate, check_user_certificate
from hoopgate.ssh.channels import Channel, Mux, OpenRefused
from hoopgate.ssh.jump import ChannelSocket
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.streams import make_stream
from hoopgate.ssh.transport import (
    BY_APPLICATION,
    NO_MORE_METHODS,
    SERVICE_ACCEPT,
    SERVICE_REQUEST,
    ServerTransport,
)
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Listener, Resource

log = Logger()

#: Channels of one connection, open at once.
MOST_CHANNELS: Final = 32
#: Bytes of a login's message beside the secret in it.
_LOGIN_BYTES: Final = 8192


class SSHServer(ServerTransport):
    """One client connection.

    :param resources: what can be named on a connection inside of another.
    """

    def __init__(
        self, factory: SSHFactory, peer: str, resources: dict[str, Resource] | None = None
    ) -> None:
        super().__init__(factory.reactor, factory.host_keys)
        self._inner = resources is not None
        self._resources = factory.resources if resources is None else resources
        self._node = factory
        self._gateway = factory.gateway
        self._peer = peer
        self._login: Login | None = None
        self._steps: Deferred[Any] | None = None
        self._principal: Principal | None = None
        self._resource: Resource | None = None
        self._certificate: UserCertificate | None = None
        self._mux: Mux | None = None
        self._backend: Deferred[BackendTransport] | None = None
        self._waiting: list[Deferred[BackendTransport]] = []
        self._no_more = False
        self._admitted = False
        self.packet_limit = factory.gateway.limits.token_bytes + _LOGIN_BYTES

    def connectionMade(self) -> None:
        keep_alive(self.transport)
        no_delay(self.transport)
        if not self._gateway.admit(self._turn_away):
            self._ended = True
            self.transport.write(b"hoopgate: too many connections\r\n")
            self.transport.loseConnection()
            return
        self._admitted = True
        self._after("login", self._gateway.limits.login_seconds, self._login_too_slow)
        super().connectionMade()

    def _login_too_slow(self) -> None:
        self.fail(NO_MORE_METHODS, "the login took too long")

    def secured(self) -> None:
        """See :class:`SSHTransport`."""

    def received(self, number: int, payload: bytes) -> None:
        """See :class:`SSHTransport`."""
        if self._mux is not None:
            self._serve(self._mux, number, payload)
        elif self._login is not None:
            try:
                self._do(self._login.received(number, payload))
            except RemoteProtocolError as error:
                self.fail(NO_MORE_METHODS, str(error))
        elif number == SERVICE_REQUEST and payload == string(b"ssh-userauth"):
            assert self.sessionID is not None
            limit = self._gateway.limits.token_bytes
            self._login = Login(self.sessionID, secret_limit=limit)
            self.sendPacket(SERVICE_ACCEPT, payload)
        else:
            raise RemoteProtocolError("a message that has no place before a login")

    # --- login ----------------------------------------------------------------------------------

    def _do(self, steps: list[authentication.Step]) -> None:
        for step in steps:
            if isinstance(step, Send):
                self.sendPacket(step.number, step.body)
            else:
                self._steps = Deferred.fromCoroutine(self._verify(step))
                self._steps.addErrback(self._login_bug)

    def _login_bug(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            log.failure("login.bug", failure=failure)
        self.fail(BY_APPLICATION, "an internal error ended the login")

    async def _verify(self, step: CheckSecret | CheckCertificate | Proven) -> None:
        login = self._login
        assert login is not None and login.user is not None
        try:
            name, resource = self._names(login.user)
            if isinstance(step, CheckCertificate):
                certificate = self._check(step.blob, name)
                self._gateway.credentials.principal(certificate.credential, resource.name)
                self._do(login.certificate(certificate))
                return
            self._gateway.stays(self._turn_away)
            if isinstance(step, Proven):
                principal = self._gateway.credentials.principal(
                    step.certificate.credential, resource.name
                )
                self._certificate = step.certificate
                principal = await self._gateway.confirm(principal, resource)
            else:
                principal = await self._check_secret(step.secret, name, resource)
        except IdentityRefused as refusal:
            self._refuse(login, refusal)
        except Refused as refusal:
            self._refuse(login, IdentityRefused(refusal.code, str(refusal)))
        else:
            if not self._ended:
                self._logged_in(login, principal, resource)

    def _refuse(self, login: Login, refusal: IdentityRefused) -> None:
        if self._ended:
            return
        self._certificate = None
        log.info("login.refused", listener=self._node.listener.name, code=refusal.code)
        try:
            self._do(login.refused(refusal))
        except RemoteProtocolError as error:
            self.fail(NO_MORE_METHODS, str(error))

    def _names(self, user: str) -> tuple[str, Resource]:
        """
        :raises IdentityRefused: the user name is ambiguous, or names no resource of the listener.
        """
        settings = self._node.listener.ssh
        assert settings is not None
        name, wanted = authentication.split_user(user, settings.separator)
        if not wanted and len(self._resources) == 1:
            (wanted,) = self._resources
        resource = self._resources.get(wanted)
        if resource is None:
            raise IdentityRefused(
                "resource.unknown",
                f"write the user name as name{settings.separator}resource, with a resource of this"
                " listener",
            )
        return name, resource

    def _check(self, blob: bytes, name: str) -> UserCertificate:
        return check_user_certificate(
            blob,
            authority=self._node.authority,
            name=name,
            peer=self._peer.rpartition(":")[0],
            now=time.time(),
        )

    async def _check_secret(self, secret: str, name: str, resource: Resource) -> Principal:
        """A token, or the password of a session credential."""
        if secret.count(".") == 2:
            return await self._gateway.verify(secret, resource)
        credentials = self._gateway.credentials
        if not credentials.verifier(name).proves(secret):
            raise IdentityRefused("identity.credential", "the session credential is not in force")
        return await self._gateway.confirm(credentials.principal(name, resource.name), resource)

    def _logged_in(self, login: Login, principal: Principal, resource: Resource) -> None:
        self._principal, self._resource = principal, resource
        self._stop("login")
        self._do(login.accepted())
        self.packet_limit = type(self).packet_limit
        self._may_rekey = True
        self._mux = Mux(self, MOST_CHANNELS)
        self._mux.on_empty = self._idle
        self._idle()
        self._make_room()

    def _idle(self) -> None:
        """Nothing is open: the connection may stay for a while, and no longer than its identity."""
        if self._principal is not None and not self._ended:
            left = max(0.0, self._principal.expires_at - time.time())
            seconds = min(left, self._gateway.limits.idle_seconds)
            self._after("idle", seconds, self._idle_too_long)

    def _idle_too_long(self) -> None:
        if self._mux is not None and not self._mux.channels:
            self.fail(BY_APPLICATION, "the connection was idle for too long, or its identity ended")

    # --- channels -------------------------------------------------------------------------------

    def _serve(self, mux: Mux, number: int, payload: bytes) -> None:
        if number == wire.GLOBAL_REQUEST:
            reader = Reader(payload)
            name = reader.string()
            if name == b"no-more-sessions@openssh.com":
                self._no_more = True
            if reader.boolean():
                # Forwardings, and keep-alives, which any answer will do for.
                self.sendPacket(wire.REQUEST_FAILURE, b"")
        elif number == wire.CHANNEL_OPEN:
            self._open(mux, Reader(payload))
        elif number in (wire.REQUEST_SUCCESS, wire.REQUEST_FAILURE):
            raise RemoteProtocolError("an answer to a request that was not made")
        else:
            mux.received(number, payload)

    def _open(self, mux: Mux, reader: Reader) -> None:
        kind = reader.string()
        remote, room, packet = reader.uint32(), reader.uint32(), reader.uint32()
        channel = None
        try:
            if kind == b"direct-tcpip" and not self._inner:
                self._jump(mux, reader, remote, room, packet)
                return
            if kind != b"session":
                known = kind in (b"x11", b"forwarded-tcpip", b"direct-tcpip", b"tun@openssh.com")
                reason = wire.PROHIBITED if known else wire.UNKNOWN_CHANNEL
                raise OpenRefused(reason, "hoopgate: channels of this kind are not allowed")
            if self._no_more:
                raise OpenRefused(wire.PROHIBITED, "hoopgate: the client wanted no more sessions")
            channel = mux.reserve()
            channel.lingers = True
        except OpenRefused as refusal:
            mux.refuse(channel, remote, refusal)
            return
        opening = Deferred.fromCoroutine(self._begin(mux, channel, remote, room, packet))
        opening.addErrback(self._not_opened, mux, channel, remote)

    def _jump(self, mux: Mux, reader: Reader, remote: int, room: int, packet: int) -> None:
        """A named resource of this listener, through a connection of its own.

        :raises OpenRefused: there is none of that name.
        """
        name = reader.string().decode("utf-8", "replace")
        resource = self._node.resources.get(name)
        if resource is None or self._no_more:
            text = "hoopgate: only resources of this listener can be reached, by their names"
            raise OpenRefused(wire.PROHIBITED, text)
        channel = mux.reserve()
        inner = SSHServer(self._node, self._peer, {name: resource})
        mux.confirm(channel, remote, room, packet)
        ChannelSocket(channel, inner).begin()

    async def _begin(self, mux: Mux, channel: Channel, remote: int, room: int, packet: int) -> None:
        assert self._principal is not None and self._resource is not None
        resource = self._resource
        principal = await self._gateway.confirm(self._principal, resource)
        backend = await self._connected(principal, resource)
        end = await session_channel(backend)
        if self._ended:
            end.abortConnection()
            return
        self._principal = principal
        made: list[SSHSession] = []
        try:
            relay = await self._gateway.serve(
                self._facts(principal, resource),
                self._session(resource, made),
                channel,
                end,
                partial(_interrupt, end),
            )
        except BaseException:
            end.abortConnection()
            raise
        _join(relay, made[0], channel, end)
        if self._ended or channel.disconnected:
            relay.client_lost()
        elif end.disconnected:
            mux.refuse(channel, remote, OpenRefused(wire.CONNECT_FAILED, "the backend is gone"))
            relay.backend_lost()
        else:
            mux.confirm(channel, remote, room, packet)

    def _not_opened(self, failure: Failure, mux: Mux, channel: Channel, remote: int) -> None:
        error = failure.value
        if isinstance(error, OpenRefused):
            refusal = error
        elif isinstance(error, BackendUnavailable):
            assert self._resource is not None
            log.error("backend.unavailable", resource=self._resource.name, code=error.code)
            refusal = OpenRefused(wire.CONNECT_FAILED, f"hoopgate: {error} ({error.code})")
        elif isinstance(error, Refused):
            refusal = OpenRefused(wire.PROHIBITED, f"hoopgate: {error} ({error.code})")
        elif isinstance(error, HoopgateError):
            text = "hoopgate: the log cannot record a session now; try again later"
            refusal = OpenRefused(wire.RESOURCE_SHORTAGE, text)
        else:
            log.failure("channel.bug", failure=failure)
            refusal = OpenRefused(wire.RESOURCE_SHORTAGE, "hoopgate: an internal error")
        if not self._ended:
            mux.refuse(channel, remote, refusal)

    def _connected(self, principal: Principal, resource: Resource) -> Deferred[BackendTransport]:
        """The connection to the backend, made when it is first needed and shared from then on."""
        known = getattr(self._backend, "result", None)
        if isinstance(known, BackendTransport):
            return succeed(known)
        waiting: Deferred[BackendTransport] = Deferred()
        self._waiting.append(waiting)
        if self._backend is None:
            self._backend = Deferred.fromCoroutine(self._connect(principal, resource))
            self._backend.addBoth(self._have_backend)
        return waiting

    async def _connect(self, principal: Principal, resource: Resource) -> BackendTransport:
        password = None
        if resource.password is not None:
            password = await self._gateway.secrets.password(resource, principal)
        backend = await connect(self._node.reactor, resource, password)
        backend.on_end = self._backend_gone
        if self._ended:
            backend.loseConnection()
        return backend

    def _have_backend(self, outcome: BackendTransport | Failure) -> BackendTransport | None:
        waiting, self._waiting = self._waiting, []
        if isinstance(outcome, Failure):
            self._backend = None
            for one in waiting:
                one.errback(outcome)
            return None
        for one in waiting:
            one.callback(outcome)
        return outcome

    def _backend_gone(self) -> None:
        self._backend = None  # the next channel finds another

    def _facts(self, principal: Principal, resource: Resource) -> SessionFacts:
        return SessionFacts(
            id="ses-" + secrets.token_hex(10),
            principal=principal,
            resource=resource.name,
            protocol="ssh",
            database=resource.database,
            peer=self._peer,
            listener=self._node.listener.name,
            tls=self.algorithms,
            application=self.otherVersionString.decode("ascii", "replace")[:128],
        )

    def _session(self, resource: Resource, made: list[SSHSession]) -> MakeSession:
        settings = resource.ssh
        assert settings is not None
        force = None if self._certificate is None else self._certificate.force_command
        policy = ChannelPolicy(settings.environment, settings.shell, force)
        streams = make_stream(resource)

        def make(
            generation: Callable[[], int], confirmed: Callable[[], bool], mint: Callable[[], str]
        ) -> IProtocolSession:
            made.append(SSHSession(policy, streams))
            session: IProtocolSession = made[0]
            return session

        return make

    # --- ends -----------------------------------------------------------------------------------

    def ended(self, reason: str) -> None:
        """See :class:`SSHTransport`."""
        if self._mux is not None:
            self._mux.lost()
        backend = getattr(self._backend, "result", None)
        if isinstance(backend, BackendTransport):
            backend.loseConnection()
        self._make_room()

    def _make_room(self) -> None:
        if self._admitted:
            self._admitted = False
            self._gateway.left(self._turn_away)

    def _turn_away(self) -> None:
        """It has shown nothing yet, and others wait: no ceremony."""
        self._over("turned away")
        self.transport.abortConnection()


def _join(relay: IRelay, session: SSHSession, channel: Channel, end: Channel) -> None:
    """Let the relay have what both ends receive."""
    channel.deliver, channel.lost = relay.client_data, relay.client_lost
    end.deliver, end.lost = relay.backend_data, relay.backend_lost
    channel.ahead = lambda: session.read_ahead
    end.written = channel.grant


def _interrupt(end: Channel) -> Deferred[None]:
    """Stop what runs on the backend: a signal where the server knows them, and the end of its
    input and output."""
    end.write(wire.request(b"signal", string(b"TERM")))
    end.loseConnection()
    return succeed(None)


class SSHFactory(Factory):
    """Makes an :class:`SSHServer` per client of one listener.

    :param resources: what clients may name here.
    :param host_keys: signature algorithm → private key.
    :param authority: the public key, as SSH writes it, that signs user certificates.
    """

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
        host_keys: dict[bytes, Key],
        authority: bytes,
    ) -> None:
        self.reactor = reactor
        self.gateway = gateway
        self.listener = listener
        self.resources = resources
        self.host_keys = host_keys
        self.authority = authority

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = getattr(addr, "host", None)
        return SSHServer(self, f"{host}:{addr.port}" if host else "unix")  # type: ignore[union-attr]
