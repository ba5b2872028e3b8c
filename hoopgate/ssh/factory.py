"""Twisted's side of SSH: listeners, and logins.

A login reads top to bottom in :meth:`SSHServer._verify`; what a client may do behind it is in
``connection.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.errors import IdentityRefused, Refused, RemoteProtocolError
from hoopgate.events import Principal
from hoopgate.interfaces import IGateway
from hoopgate.network import keep_alive, no_delay
from hoopgate.ssh import authentication
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
from hoopgate.ssh.certificates import UserCertificate
from hoopgate.ssh.connection import Connection
from hoopgate.ssh.exchanges import ServerTransport
from hoopgate.ssh.identities import DeviceFlows, Identities, instruction
from hoopgate.ssh.transport import (
    BY_APPLICATION,
    NO_MORE_METHODS,
    SERVICE_ACCEPT,
    SERVICE_REQUEST,
)
from hoopgate.ssh.wire import string

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
        self._certificate: UserCertificate | None = None
        self._connection: Connection | None = None
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
        self.after("login", self._gateway.limits.login_seconds, self._login_too_slow)
        super().connectionMade()

    def inside(self, name: str, resource: Resource) -> SSHServer:
        """For a connection inside of this one, to one resource."""
        return SSHServer(self._node, self._peer, {name: resource})

    def _login_too_slow(self) -> None:
        self.fail(NO_MORE_METHODS, "the login took too long")

    def secured(self) -> None:
        """See :class:`SSHTransport`."""

    def unblocked(self) -> None:
        """See :class:`SSHTransport`."""
        if self._connection is not None:
            self._connection.flush()

    def received(self, number: int, payload: bytes) -> None:
        """See :class:`SSHTransport`."""
        if self._connection is not None:
            self._connection.received(number, payload)
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
        self.after("login", self._gateway.limits.login_seconds, self._login_too_slow)
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
        self.after("login", self._begun.seconds, self._login_too_slow)
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
        self._stop("login")
        self._close_device()
        self._do(login.accepted())
        self.packet_limit = type(self).packet_limit
        self._may_rekey = True
        self._connection = Connection(
            self,
            self._node,
            self._peer,
            principal,
            resource,
            self._certificate,
            inner=self._inner,
        )
        self._make_room()

    # --- ends -----------------------------------------------------------------------------------

    def ended(self, reason: str) -> None:
        """See :class:`SSHTransport`."""
        if self._connection is not None:
            self._connection.lost()
        for step in list(self._running):
            step.cancel()
        self._close_device()
        self._make_room()

    def _make_room(self) -> None:
        if self._admitted:
            self._admitted = False
            self._gateway.left(self._turn_away)

    def _turn_away(self) -> None:
        """It has shown nothing yet, and others wait: no ceremony."""
        self._over("turned away")
        self.transport.abortConnection()


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
