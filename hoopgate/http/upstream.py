"""The gateway's own connections to HTTP servers, and the credential it shows them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused
from hoopgate.http.forwarding import Credential, Fixed
from hoopgate.interfaces import ITLS
from hoopgate.outgoing import Outgoing, reach
from hoopgate.settings.model import TLSMode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import HTTPTarget, Resource

#: Seconds from connect to the end of the TLS handshake.
CONNECT_SECONDS = 15.0


class UpstreamUnavailable(Refused):
    """The upstream could not be reached."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"upstream.{code}", message)


@implementer(IHandshakeListener)
class UpstreamConnection(Outgoing):
    """A connection to an HTTP server.

    :ivar ready: fires once it is encrypted, where it is to be.
    """

    def __init__(self, resource: Resource, tls: ITLS) -> None:
        super().__init__(resource, tls)
        self.ready: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        super().connectionMade()
        if self._resource.tls.mode is TLSMode.DISABLE:
            self.ready.callback(None)
        else:
            self.start_tls()

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified."""
        self.ready.callback(None)

    def require_alive(self, cause: Exception) -> None:
        """
        :raises UpstreamUnavailable: the server has hung up, as it does in TLS 1.3 only after the
            handshake when it does not take the gateway's certificate.
        """
        if self._gone:
            raise UpstreamUnavailable("gone", "the upstream closed the connection") from cause

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.ready.called:
            why = UpstreamUnavailable(
                "tls", "the upstream's certificate is not trusted, or is not for its name"
            )
            why.__cause__ = reason.value
            self.ready.errback(Failure(why))
        super().connectionLost(reason)


async def connect(reactor: IReactorTime, resource: Resource, tls: ITLS) -> UpstreamConnection:
    """Connect to ``resource``, encrypted as its settings say.

    :raises UpstreamUnavailable: with a stable code; its message quotes nothing the server said.
    """
    protocol = UpstreamConnection(resource, tls)
    try:
        await reach(reactor, resource, protocol).addTimeout(CONNECT_SECONDS, reactor)
    except Exception as error:
        raise UpstreamUnavailable("connect", "the upstream cannot be reached") from error
    protocol.ready.addTimeout(CONNECT_SECONDS, reactor)
    try:
        await protocol.ready
    except UpstreamUnavailable:
        raise
    except Exception as error:
        protocol.abandon()
        raise UpstreamUnavailable("timeout", "the upstream did not answer") from error
    return protocol


def fixed_credential(resource: Resource, http: HTTPTarget, password: str) -> Credential:
    """The header of a credential that does not change while a session runs."""
    if http.credential == "basic":
        pair = base64.b64encode(f"{resource.user}:{password}".encode())
        header = b"Authorization", b"Basic " + pair
    else:
        value = f"{http.prefix} {password}" if http.prefix else password
        header = http.header.encode("ascii"), value.encode("utf-8")
    if not header[1].isascii() or any(byte < 32 or byte == 127 for byte in header[1]):
        raise UpstreamUnavailable("credential", "the gateway's credential is not a header's value")
    return Fixed(header)


def host_header(resource: Resource, http: HTTPTarget) -> tuple[str, tuple[str, ...]]:
    """The Host header for a resource, and all names under which it may speak of itself."""
    encrypted = resource.tls.mode is not TLSMode.DISABLE
    host = resource.host or "localhost"
    port = _port(resource.target)
    plain = f"[{host}]" if ":" in host else host
    default = "443" if encrypted else "80"
    own = plain if port in ("", default) else f"{plain}:{port}"
    chosen = http.host or own
    names = {chosen, own, f"{plain}:{port}" if port else plain}
    if port == default:
        names.add(plain)
    return chosen, tuple(sorted(names))


def _port(target: str) -> str:
    found = [part.partition("=")[2] for part in target.split(":") if part.startswith("port=")]
    return found[0] if found else ""
