"""What a client may do behind its login (RFC 4254): each channel is a decision and a session of its
own. The identity's groups are looked up again, a channel is opened on the backend, session.open is
made durable, and only then is the channel open for the client.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.errors import HoopgateError, Refused, RemoteProtocolError
from hoopgate.events import Principal, SessionFacts
from hoopgate.interfaces import IProtocolSession, IRelay
from hoopgate.ssh import wire
from hoopgate.ssh.backend import BackendUnavailable, session_channel
from hoopgate.ssh.certificates import UserCertificate
from hoopgate.ssh.channels import LEAST_PACKET, Channel, Mux, OpenRefused
from hoopgate.ssh.jump import ChannelSocket
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.sharing import SharedBackend
from hoopgate.ssh.streams import make_stream
from hoopgate.ssh.transport import BY_APPLICATION
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from hoopgate.interfaces import MakeSession
    from hoopgate.settings.model import Resource
    from hoopgate.ssh.factory import SSHFactory, SSHServer

log = Logger()

#: Channels of one connection, open at once.
MOST_CHANNELS: Final = 32


class Connection:
    """The channels of a client that is logged in.

    :param certificate: that it has logged in with, if it was one.
    :param inner: it is inside another connection, and reaches nothing from here.
    """

    def __init__(
        self,
        server: SSHServer,
        node: SSHFactory,
        peer: str,
        principal: Principal,
        resource: Resource,
        certificate: UserCertificate | None,
        *,
        inner: bool,
    ) -> None:
        self._server = server
        self._node = node
        self._gateway = node.gateway
        self._peer = peer
        self._principal = principal
        self._resource = resource
        self._certificate = certificate
        self._inner = inner
        self._backend = SharedBackend(node.reactor, node.gateway.secrets)
        self._no_more = False
        self._mux = Mux(server, MOST_CHANNELS)
        self._mux.on_empty = self._idle
        self._idle()

    def flush(self) -> None:
        """Send what waits."""
        self._mux.flush()

    def lost(self) -> None:
        """The client is gone."""
        self._mux.lost()
        self._backend.end()

    def _idle(self) -> None:
        """Nothing is open: the connection may stay for a while, and no longer than its identity."""
        if not self._server.over:
            left = max(0.0, self._principal.expires_at - time.time())
            seconds = min(left, self._gateway.limits.idle_seconds)
            self._server.after("idle", seconds, self._idle_too_long)

    def _idle_too_long(self) -> None:
        if not self._mux.channels:
            self._server.fail(
                BY_APPLICATION, "the connection was idle for too long, or its identity ended"
            )

    def received(self, number: int, payload: bytes) -> None:
        if number == wire.GLOBAL_REQUEST:
            reader = Reader(payload)
            name = reader.string()
            if name == b"no-more-sessions@openssh.com":
                self._no_more = True
            if reader.boolean():
                # Forwardings, and keep-alives, which any answer will do for.
                self._server.sendPacket(wire.REQUEST_FAILURE, b"")
        elif number == wire.CHANNEL_OPEN:
            self._open(Reader(payload))
        elif number in (wire.REQUEST_SUCCESS, wire.REQUEST_FAILURE):
            raise RemoteProtocolError("an answer to a request that was not made")
        else:
            self._mux.received(number, payload)

    def _open(self, reader: Reader) -> None:
        kind = reader.string()
        remote, room, packet = reader.uint32(), reader.uint32(), reader.uint32()
        channel = None
        try:
            if packet < LEAST_PACKET:
                text = "hoopgate: the channel is for messages that are too small"
                raise OpenRefused(wire.RESOURCE_SHORTAGE, text)
            if kind == b"direct-tcpip" and not self._inner:
                self._jump(reader, remote, room, packet)
                return
            if kind != b"session":
                known = kind in (b"x11", b"forwarded-tcpip", b"direct-tcpip", b"tun@openssh.com")
                reason = wire.PROHIBITED if known else wire.UNKNOWN_CHANNEL
                raise OpenRefused(reason, "hoopgate: channels of this kind are not allowed")
            if self._no_more:
                raise OpenRefused(wire.PROHIBITED, "hoopgate: the client wanted no more sessions")
            channel = self._mux.reserve()
            channel.lingers = True
        except OpenRefused as refusal:
            self._mux.refuse(channel, remote, refusal)
            return
        opening = Deferred.fromCoroutine(self._begin(channel, remote, room, packet))
        opening.addErrback(self._not_opened, channel, remote)

    def _jump(self, reader: Reader, remote: int, room: int, packet: int) -> None:
        """A named resource of this listener, through a connection of its own.

        :raises OpenRefused: there is none of that name.
        """
        name = reader.string().decode("utf-8", "replace")
        resource = self._node.resources.get(name)
        if resource is None or self._no_more:
            text = "hoopgate: only resources of this listener can be reached, by their names"
            raise OpenRefused(wire.PROHIBITED, text)
        channel = self._mux.reserve()
        inner = self._server.inside(name, resource)
        self._mux.confirm(channel, remote, room, packet)
        ChannelSocket(channel, inner).begin()

    async def _begin(self, channel: Channel, remote: int, room: int, packet: int) -> None:
        resource = self._resource
        principal = await self._gateway.confirm(self._principal, resource)
        backend = await self._backend.connected(principal, resource)
        end = await session_channel(backend)
        if self._server.over:
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
        if self._server.over or channel.disconnected:
            relay.client_lost()
        elif end.disconnected:
            self._mux.refuse(
                channel, remote, OpenRefused(wire.CONNECT_FAILED, "the backend is gone")
            )
            relay.backend_lost()
        else:
            self._mux.confirm(channel, remote, room, packet)

    def _not_opened(self, failure: Failure, channel: Channel, remote: int) -> None:
        error = failure.value
        if isinstance(error, OpenRefused):
            refusal = error
        elif isinstance(error, BackendUnavailable):
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
        if not self._server.over:
            self._mux.refuse(channel, remote, refusal)

    def _facts(self, principal: Principal, resource: Resource) -> SessionFacts:
        return SessionFacts(
            id="ses-" + secrets.token_hex(10),
            principal=principal,
            resource=resource.name,
            protocol="ssh",
            database=resource.database,
            peer=self._peer,
            listener=self._node.listener.name,
            tls=self._server.algorithms,
            application=self._server.otherVersionString.decode("ascii", "replace")[:128],
        )

    def _session(self, resource: Resource, made: list[SSHSession]) -> MakeSession:
        settings = resource.ssh
        assert settings is not None
        force = None if self._certificate is None else self._certificate.force_command
        policy = ChannelPolicy(settings.environment, settings.shell, force)
        streams = make_stream(resource)

        def make(
            generation: Callable[[], int],
            confirmed: Callable[[], bool],
            mint: Callable[[], str],
            stamp: Callable[[], float],
        ) -> IProtocolSession:
            made.append(SSHSession(policy, streams))
            session: IProtocolSession = made[0]
            return session

        return make


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
