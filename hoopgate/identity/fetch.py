"""Fetching one small JSON document over HTTPS: no redirects, capped in bytes and in seconds."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    BrowserLikePolicyForHTTPS,
    FileBodyProducer,
    ResponseDone,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from hoopgate import __version__
from hoopgate.errors import HoopgateError, SettingsError

#: Header and body of one answer, and the time for it from connect to the last byte.
MAXIMUM_ANSWER_BYTES = 262_144
FETCH_SECONDS = 5.0

_PEM_END = b"-----END CERTIFICATE-----"


class FetchFailed(HoopgateError):
    """No usable answer. The message quotes nothing of it."""


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and loopback addresses."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def checked_url(url: str) -> bytes:
    """``url`` for a request, when it is https, or http on loopback.

    :raises FetchFailed: anything else.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
        encoded = url.encode("ascii")
    except ValueError:
        raise FetchFailed("the address is not a URL") from None
    if not host or parts.username is not None or any(byte <= 0x20 for byte in encoded):
        raise FetchFailed("the address is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise FetchFailed("the address is neither https nor http on loopback")
    return encoded


def trust_root(ca_file: Path | None) -> Any:
    """The certificates to trust: those in ``ca_file`` (PEM), else the system's.

    :raises SettingsError: the file cannot be read or holds no certificate.
    """
    if ca_file is None:
        return platformTrust()
    try:
        pieces = ca_file.read_bytes().split(_PEM_END)[:-1]
        certificates = [Certificate.loadPEM(piece + _PEM_END + b"\n") for piece in pieces]
    except Exception as error:  # OpenSSL raises its own, untyped
        raise SettingsError([f"{ca_file}: ca_file: cannot be read as PEM ({error})"]) from error
    if not certificates:
        raise SettingsError([f"{ca_file}: ca_file: holds no certificate; write a PEM file"])
    return trustRootFromCertificates(certificates)


class _Capped(ProtocolWrapper):
    """Ends a connection that sends more than an answer may have, headers included."""

    received = 0
    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > MAXIMUM_ANSWER_BYTES:
            self.transport.abortConnection()
        else:
            self.wrappedProtocol.dataReceived(data)


@implementer(IStreamClientEndpoint)
class _CappedEndpoint:
    """Connects once; :meth:`abort` ends that connection without waiting for its peer."""

    _wrapper: _Capped | None = None

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        factory = WrappingFactory(protocolFactory)
        factory.protocol = _Capped
        factory.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(factory)
        return connected.addCallback(self._connected)

    def _connected(self, wrapper: _Capped) -> Any:
        self._wrapper = wrapper
        return wrapper.wrappedProtocol

    def abort(self) -> None:
        if self._wrapper is not None:
            self._wrapper.abortConnection()


@implementer(IAgentEndpointFactory)
class _OneEndpoint:
    def __init__(self, endpoint: _CappedEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self._endpoint


class _Body(Protocol):
    """Collects a response's body; the connection bounds its size."""

    def __init__(self) -> None:
        self._received: list[bytes] = []
        self.complete: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.complete.called:
            return  # cancelled
        # PotentialDataLoss is an answer without a length: cut short, it is no JSON
        if reason.check(ResponseDone, PotentialDataLoss):
            self.complete.callback(b"".join(self._received))
        else:
            self.complete.errback(FetchFailed("the answer is incomplete or too long"))


class JSONFetcher:
    """GETs documents from one party, whose certificate is verified."""

    def __init__(self, reactor: Any, ca_file: Path | None = None) -> None:
        """:raises SettingsError: ``ca_file`` cannot be used."""
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS(trust_root(ca_file))

    def get(self, url: str) -> Deferred[bytes]:
        """The body at ``url``. Redirects are not followed.

        Fails with :class:`FetchFailed`; nothing else.
        """
        return self._fetch(url, None, {})

    def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str], refusal: int = 200
    ) -> Deferred[bytes]:
        """The answer to a form. Fails as :meth:`get` does.

        :param refusal: a status beside 200 whose answer is wanted, too.
        """
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch(url, urlencode(form).encode(), {**kind, **headers}, refusal)

    def _fetch(
        self, url: str, body: bytes | None, more: Mapping[str, str], refusal: int = 200
    ) -> Deferred[bytes]:
        fetch: Deferred[bytes] = Deferred.fromCoroutine(self._ask(url, body, more, refusal))
        return fetch.addTimeout(FETCH_SECONDS, self._reactor).addErrback(_fetch_failed)

    def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> Deferred[bytes]:
        """Post ``body``; any answer that says that it arrived (2xx) will do. Fails as :meth:`get`
        does."""
        sending: Deferred[bytes] = Deferred.fromCoroutine(
            self._ask(url, body, headers, 200, any_success=True)
        )
        return sending.addTimeout(FETCH_SECONDS, self._reactor).addErrback(_fetch_failed)

    async def _ask(
        self,
        url: str,
        sent: bytes | None,
        more: Mapping[str, str],
        refusal: int,
        any_success: bool = False,
    ) -> bytes:
        uri = URI.fromBytes(checked_url(url))
        endpoint = _CappedEndpoint(self._endpoint(uri))
        agent = Agent.usingEndpointFactory(self._reactor, _OneEndpoint(endpoint))
        headers = Headers(
            {"Accept": ["application/json"], "User-Agent": [f"hoopgate/{__version__}"]}
        )
        for name, value in more.items():
            headers.setRawHeaders(name, [value])
        producer = None if sent is None else FileBodyProducer(BytesIO(sent))
        method = b"GET" if sent is None else b"POST"
        try:
            response = await agent.request(method, uri.toBytes(), headers, producer)
            if any_success and 200 <= response.code < 300:
                return b""
            if response.code not in (200, refusal) or any_success:
                raise FetchFailed(f"HTTP status {response.code}")
            _check_media_type(response.headers.getRawHeaders(b"content-type", [b""]))
            body = _Body()
            response.deliverBody(body)
            return await body.complete
        finally:
            endpoint.abort()

    def _endpoint(self, uri: URI) -> Any:
        host = uri.host.decode("ascii")
        endpoint: Any = HostnameEndpoint(self._reactor, host, uri.port, timeout=FETCH_SECONDS)
        if uri.scheme == b"https":
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return endpoint


def _check_media_type(values: Sequence[bytes]) -> None:
    kind = values[0].split(b";")[0].strip().lower() if len(values) == 1 else b""
    structured = kind.startswith(b"application/") and kind.endswith(b"+json")
    if kind != b"application/json" and not structured:
        raise FetchFailed("the answer is not JSON by its content type")


def _fetch_failed(failure: Failure) -> Any:
    if failure.check(FetchFailed):
        return failure
    raise FetchFailed(f"no complete answer ({type(failure.value).__name__})") from None
