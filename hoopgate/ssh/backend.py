"""The leg to a backend: connect, check its host key, log in, open channels.

The account's key or password is the gateway's; agents never see it. A host key that is not the
known one ends the login before anything of ours is sent.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from hoopgate.errors import Refused, RemoteProtocolError
from hoopgate.network import keep_alive, no_delay
from hoopgate.ssh import authentication, wire
from hoopgate.ssh.channels import Channel, Mux
from hoopgate.ssh.exchanges import ClientTransport
from hoopgate.ssh.known_hosts import KnownHosts
from hoopgate.ssh.signatures import HostKeyRefused
from hoopgate.ssh.transport import SERVICE_ACCEPT, SERVICE_REQUEST
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

_TIMEOUT: Final = 20.0
_MOST_CHANNELS: Final = 64
#: What a server may send ahead: while what came before becomes durable it has something to do.
_WINDOW: Final = 2**21


class BackendUnavailable(Refused):
    """There is no connection to the backend; the message is for clients, too."""


class Account:
    """How the gateway proves who it is.

    :param certificate: line of an OpenSSH certificate for ``key``, or None.
    """

    def __init__(
        self, user: str, key: Key | None, certificate: bytes | None, password: str | None
    ) -> None:
        self.user = user
        self.key = key
        self.certificate = certificate
        self.password = password

    @classmethod
    def load(cls, resource: Resource, password: str | None) -> Account:
        """The account of a resource.

        :raises BackendUnavailable: its key cannot be read.
        """
        settings = resource.ssh
        assert settings is not None
        key = certificate = None
        try:
            if settings.key is not None:
                key = load_key(settings.key)
            if settings.certificate is not None:
                line = settings.certificate.read_bytes()
                certificate = base64.b64decode(line.split()[1], validate=True)
        except (OSError, ValueError, IndexError, UnsupportedAlgorithm):
            raise BackendUnavailable("backend.key", "the account's key cannot be used") from None
        return cls(resource.user, key, certificate, password)


def load_key(path: Path) -> Key:
    """A private key of OpenSSH's or PEM format without a passphrase.

    :raises ValueError: it is not one.
    """
    data = path.read_bytes()
    if b"OPENSSH PRIVATE KEY" in data:
        try:
            return Key(load_ssh_private_key(data, None))
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from None
    key: Key = Key.fromString(data)
    return key


class BackendTransport(ClientTransport):
    """One connection to a backend.

    :ivar mux: its channels, once it is logged in.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        account: Account,
        verify: Callable[[bytes], Key],
        algorithms: list[bytes],
    ) -> None:
        super().__init__(reactor, verify, algorithms)
        self._account = account
        self._methods: list[str] = []
        self.mux: Mux | None = None
        self.ready: Deferred[BackendTransport] = Deferred(self._canceled)
        self.on_end: Callable[[], None] = lambda: None

    def _canceled(self, _: object) -> None:
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionMade(self) -> None:
        keep_alive(self.transport)
        no_delay(self.transport)
        super().connectionMade()

    def secured(self) -> None:
        """The host is proven: log in."""
        self.sendPacket(SERVICE_REQUEST, string(b"ssh-userauth"))

    def refused(self, error: HostKeyRefused) -> None:
        """See :class:`ClientTransport`."""
        self._failed(BackendUnavailable("backend.host_key", str(error)))

    def unblocked(self) -> None:
        """See :class:`SSHTransport`."""
        if self.mux is not None:
            self.mux.flush()

    def received(self, number: int, payload: bytes) -> None:
        """See :class:`SSHTransport`."""
        if self.mux is not None:
            if number == wire.GLOBAL_REQUEST:
                reader = Reader(payload)
                reader.string()
                if reader.boolean():
                    self.sendPacket(wire.REQUEST_FAILURE, b"")
            elif number == wire.CHANNEL_OPEN:
                # Forwardings that nobody asked for, agents, X11: there is none of them.
                reader = Reader(payload)
                reader.string()
                refusal = wire.uint32(reader.uint32()) + wire.uint32(wire.PROHIBITED)
                self.sendPacket(wire.CHANNEL_OPEN_FAILURE, refusal + string(b"no") + string(b""))
            else:
                self.mux.received(number, payload)
        elif number == SERVICE_ACCEPT:
            self._methods = self._possible()
            self._try()
        elif number == authentication.SUCCESS:
            self._may_rekey = True
            self.mux = Mux(self, _MOST_CHANNELS, _WINDOW)
            if not self.ready.called:
                self.ready.callback(self)
        elif number == authentication.FAILURE:
            self._try()
        elif number == authentication.INFO_REQUEST and self._methods[:1] == ["answered"]:
            self._answer(payload)
        elif number == authentication.BANNER:
            pass
        else:
            raise RemoteProtocolError("a message that has no place in a login")

    def ended(self, reason: str) -> None:
        """See :class:`SSHTransport`."""
        self._failed(BackendUnavailable("backend.lost", "the backend ended the connection"))
        if self.mux is not None:
            self.mux.lost()
        self.on_end()

    def _failed(self, error: BackendUnavailable) -> None:
        if not self.ready.called:
            self.ready.errback(error)

    # --- login ----------------------------------------------------------------------------------

    def _possible(self) -> list[str]:
        account = self._account
        found = ["certificate"] if account.key and account.certificate else []
        found += ["key"] if account.key else []
        return found + (["password", "keyboard"] if account.password is not None else [])

    def _try(self) -> None:
        if self._methods[:1] == ["answered"]:
            self._methods.pop(0)
        if not self._methods:
            self._failed(BackendUnavailable("backend.login", "the backend refused the login"))
            self.loseConnection()
            return
        method = self._methods.pop(0)
        user = string(self._account.user.encode()) + string(b"ssh-connection")
        if method == "password":
            assert self._account.password is not None
            body = string(b"password") + b"\0" + string(self._account.password.encode())
            self.sendPacket(authentication.REQUEST, user + body)
        elif method == "keyboard":
            self._methods.insert(0, "answered")
            body = string(b"keyboard-interactive") + string(b"") + string(b"")
            self.sendPacket(authentication.REQUEST, user + body)
        else:
            self._sign(user, certified=method == "certificate")

    def _answer(self, payload: bytes) -> None:
        """One question is for the password; others we cannot answer (RFC 4256)."""
        reader = Reader(payload)
        for _ in range(3):
            reader.string()
        count = reader.uint32()
        answers = string((self._account.password or "").encode()) if count == 1 else b""
        if count > 1:
            raise RemoteProtocolError("the backend asks for more than a password")
        self.sendPacket(authentication.INFO_RESPONSE, wire.uint32(count) + answers)

    def _sign(self, user: bytes, *, certified: bool) -> None:
        key = self._account.key
        assert key is not None
        blob: bytes = key.public().blob()
        algorithm = key.supportedSignatureAlgorithms()[0]
        name = algorithm
        if certified:
            assert self._account.certificate is not None
            blob = self._account.certificate
            name = algorithm + b"-cert-v01@openssh.com"
        body = user + string(b"publickey") + b"\1" + string(name) + string(blob)
        assert self.sessionID is not None
        message = string(self.sessionID) + bytes((authentication.REQUEST,)) + body
        signature = key.sign(message, signatureType=algorithm)
        self.sendPacket(authentication.REQUEST, body + string(signature))


def connect(
    reactor: IReactorTime,
    resource: Resource,
    password: str | None,
    now: Callable[[], float] = time.time,
) -> Deferred[BackendTransport]:
    """A connection that is logged in; fails with :class:`BackendUnavailable`."""
    return Deferred.fromCoroutine(_connect(reactor, resource, password, now))


async def _connect(
    reactor: IReactorTime, resource: Resource, password: str | None, now: Callable[[], float]
) -> BackendTransport:
    settings = resource.ssh
    assert settings is not None
    try:
        known = KnownHosts(settings.known_hosts.read_text())
    except (OSError, ValueError):
        raise BackendUnavailable("backend.known_hosts", "known_hosts cannot be read") from None
    host = known.for_host(settings.host_name, settings.port, now)
    algorithms = host.algorithms()
    if not algorithms:
        raise BackendUnavailable("backend.host_key", "the host is not in known_hosts")
    account = Account.load(resource, password)
    factory = Factory.forProtocol(
        lambda: BackendTransport(reactor, account, host.check, algorithms)
    )
    factory.noisy = False
    endpoint = clientFromString(reactor, resource.target)
    try:
        transport = await endpoint.connect(factory)
    except (ConnectError, OSError):
        raise BackendUnavailable("backend.connect", "the backend cannot be reached") from None
    assert isinstance(transport, BackendTransport)
    timer = reactor.callLater(_TIMEOUT, transport.ready.cancel)
    try:
        ready: BackendTransport = await transport.ready
    except BackendUnavailable:
        raise
    except CancelledError:
        raise BackendUnavailable("backend.timeout", "the backend did not answer in time") from None
    finally:
        if timer.active():
            timer.cancel()
    return ready


def session_channel(backend: BackendTransport) -> Deferred[Channel]:
    """A channel for a program; fails with :class:`~hoopgate.ssh.channels.OpenRefused`."""
    assert backend.mux is not None
    return backend.mux.open(b"session")
