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
from typing import TYPE_CHECKING, Final

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
from hoopgate.ssh.authentication import (
    AwaitDevice,
    BeginDevice,
    CheckCertificate,
    CheckSecret,
    Login,
    Proven,
    Send,
)
from hoopgate.ssh.backend import BackendUnavailable, session_channel
from hoopgate.ssh.certificates import UserCertificate
from hoopgate.ssh.channels import Channel, Mux, OpenRefused
from hoopgate.ssh.exchanges import ServerTransport
from hoopgate.ssh.identities import DeviceFlows, Identities, instruction
from hoopgate.ssh.jump import ChannelSocket
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.sharing import SharedBackend
from hoopgate.ssh.streams import make_stream
from hoopgate.ssh.transport import (
    BY_APPLICATION,
    NO_MORE_METHODS,
    SERVICE_ACCEPT,
    SERVICE_REQUEST,
)
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.identity.device_flow import Begun
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
        self._address = peer.rpartition(":")[0]
        settings = factory.listener.ssh
        assert settings is not None
        self._identities = Identities(
            factory.gateway,
            self._resources,
            settings.separator,
            factory.authority,
            self._address,
            settings.security_keys,
        )
        self._login: Login | None = None
        self._running: set[Deferred[None]] = set()  # steps of the login
        self._begun: Begun | None = None
        self._principal: Principal | None = None
        self._resource: Resource | None = None
        self._certificate: UserCertificate | None = None
        self._mux: Mux | None = None
        self._backend = SharedBackend(factory.reactor, factory.gateway.secrets)
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

    def unblocked(self) -> None:
        """See :class:`SSHTransport`."""
        if self._mux is not None:
            self._mux.flush()

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
            device = self._node.devices is not None
            self._login = Login(self.sessionID, secret_limit=limit, device=device)
            self.sendPacket(SERVICE_ACCEPT, payload)
        else:
            raise RemoteProtocolError("a message that has no place before a login")

    # --- login ----------------------------------------------------------------------------------

    def _do(self, steps: list[authentication.Step]) -> None:
        for step in steps:
            if isinstance(step, Send):
                self.sendPacket(step.number, step.body)
            else:
                running = Deferred.fromCoroutine(self._verify(step))
                self._running.add(running)
                running.addErrback(self._login_bug)
                running.addCallback(self._step_done, running)

    def _step_done(self, _: object, step: Deferred[None]) -> None:
        self._running.discard(step)

    def _login_bug(self, failure: Failure) -> None:
        if failure.check(CancelledError) is not None:
            return
        log.failure("login.bug", failure=failure)
        self.fail(BY_APPLICATION, "an internal error ended the login")

    async def _verify(self, step: authentication.Step) -> None:
        login = self._login
        assert login is not None and login.user is not None
        try:
            name, resource = self._identities.names(login.user)
            if isinstance(step, CheckCertificate):
                found = self._identities.certificate(step.blob, name, resource)
                self._do(login.certificate(found))
                return
            if isinstance(step, BeginDevice):
                await self._begin_device(login, resource)
                return
            self._gateway.stays(self._turn_away)
            principal = await self._principal_of(step, name, resource)
        except IdentityRefused as refusal:
            self._refuse(login, refusal)
        except Refused as refusal:
            self._refuse(login, IdentityRefused(refusal.code, str(refusal)))
        else:
            if not self._ended:
                self._logged_in(login, principal, resource)

    async def _principal_of(
        self, step: authentication.Step, name: str, resource: Resource
    ) -> Principal:
        if isinstance(step, Proven):
            self._certificate = step.certificate
            return await self._identities.proven(step.certificate, resource)
        if isinstance(step, CheckSecret):
            return await self._identities.secret(step.secret, name, resource)
        flows, begun = self._node.devices, self._begun
        assert isinstance(step, AwaitDevice) and flows is not None and begun is not None
        token = await flows.token(begun)
        self._after("login", self._gateway.limits.login_seconds, self._login_too_slow)
        return await self._identities.secret(token, name, resource)

    async def _begin_device(self, login: Login, resource: Resource) -> None:
        """Where a person has to go; a prompt where no more can be asked to go."""
        flows = self._node.devices
        assert flows is not None
        self._begun = await flows.begin(self._address, resource)
        if self._begun is None or self._ended:
            self._close_device()
            self._do(login.prompt())
            return
        self._after("login", self._begun.seconds, self._login_too_slow)
        self._do(login.device(instruction(self._begun, resource.name)))

    def _close_device(self) -> None:
        if self._begun is not None and self._node.devices is not None:
            self._begun = None
            self._node.devices.close(self._address)

    def _refuse(self, login: Login, refusal: IdentityRefused) -> None:
        if self._ended:
            return
        self._certificate = None
        self._close_device()
        log.info("login.refused", listener=self._node.listener.name, code=refusal.code)
        try:
            self._do(login.refused(refusal))
        except RemoteProtocolError as error:
            self.fail(NO_MORE_METHODS, str(error))

    def _logged_in(self, login: Login, principal: Principal, resource: Resource) -> None:
        self._principal, self._resource = principal, resource
        self._stop("login")
        self._close_device()
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
        backend = await self._backend.connected(principal, resource)
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
        for step in list(self._running):
            step.cancel()
        self._close_device()
        self._backend.end()
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
    :ivar devices: asks an issuer for people who have nothing to show yet; None: there is none.
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
        self.devices: DeviceFlows | None = None
        self.reactor = reactor
        self.gateway = gateway
        self.listener = listener
        self.resources = resources
        self.host_keys = host_keys
        self.authority = authority

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = getattr(addr, "host", None)
        return SSHServer(self, f"{host}:{addr.port}" if host else "unix")  # type: ignore[union-attr]
