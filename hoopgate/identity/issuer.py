"""A small OIDC issuer for nodes without an identity provider: ``hoopgate issuer``.

This is its socket; ``issuer_pages.py`` is what it answers. ``docs/issuer.md`` tells the rest.
"""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from hoopgate.errors import Refused, SettingsError
from hoopgate.identity.fetch import is_loopback
from hoopgate.identity.issuer_keys import SigningKeys
from hoopgate.identity.issuer_pages import IssuerPages
from hoopgate.identity.issuer_settings import IssuerSettings
from hoopgate.identity.secrets import read_private_file

MAXIMUM_BODY = 16_384
_REQUEST_SECONDS = 15
_MAXIMUM_CONNECTIONS = 500


class _Request(Request):
    """Keeps a body in memory, and little of it: Twisted would write a large one to disk."""

    content: io.BytesIO

    def gotLength(self, length: int | None) -> None:
        self.content = io.BytesIO()
        if length is not None and length > MAXIMUM_BODY:
            self.channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > MAXIMUM_BODY:
            self.channel.loseConnection()
        else:
            self.content.write(data)


class _Site(Site):
    """Without an access log: what is worth a line, the endpoints log themselves."""

    noisy = False

    def __init__(self) -> None:
        Site.__init__(
            self,
            Resource(),
            requestFactory=_Request,
            timeout=_REQUEST_SECONDS,
            parsePOSTFormSubmission=False,
        )

    def log(self, request: object) -> None:
        """Nothing: a request's line is the client's text."""


class _Limited(WrappingFactory):
    """Drops connections above a bound, before TLS."""

    noisy = False

    def __init__(self, wrapped: object) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.protocols) >= _MAXIMUM_CONNECTIONS:
            return None
        return super().buildProtocol(addr)


class EmbeddedIssuer:
    """The issuer on its socket."""

    def __init__(
        self,
        settings: IssuerSettings,
        reactor: Any,
        now: Callable[[], float] = time.time,
    ) -> None:
        """:raises SettingsError: key file, certificate or key cannot be used."""
        self._settings = settings
        self._now = now
        self._reactor = reactor
        self._keys = SigningKeys(settings.key_file)
        self._site = _Site()
        tls = _server_tls(settings)
        inner = self._site if tls is None else TLSMemoryBIOFactory(tls, False, self._site)
        self._factory = _Limited(inner)
        self._port: Any = None

    async def start(self) -> str:
        """Listen; the issuer's URL.

        :raises SettingsError: ``listen`` cannot be used, or is no loopback address with http.
        """
        settings = self._settings
        try:
            self._port = await serverFromString(self._reactor, settings.listen).listen(
                self._factory
            )
        except (CannotListenError, ValueError, TypeError, KeyError, OSError) as error:
            raise SettingsError([f"{settings.path}: listen: {error}"]) from None
        address = self._port.getHost()
        # A unix socket has no host, and is local
        if settings.certificate is None and not is_loopback(getattr(address, "host", "localhost")):
            await self.stop()
            raise SettingsError([f"{settings.path}: listen: http is for loopback only"])
        url = settings.url
        if urlsplit(url).port == 0:
            url = url.replace(":0", f":{address.port}", 1)
        self._site.resource = IssuerPages(
            dataclasses.replace(settings, url=url), self._keys, self._now
        )
        return url

    def stop(self) -> Deferred[None]:
        """Stop listening and end open connections."""
        if self._port is None:
            return succeed(None)
        for connection in list(self._factory.protocols):
            connection.abortConnection()
        return maybeDeferred(self._port.stopListening)


def _server_tls(settings: IssuerSettings) -> CertificateOptions | None:
    """The listener's TLS: 1.2 and newer, its certificate with the chain.

    :raises SettingsError: certificate or key cannot be used.
    """
    if settings.certificate is None or settings.key is None:
        return None
    try:
        # Twisted's annotations know only OpenSSL's own, deprecated class
        leaf: Any
        leaf, *chain = x509.load_pem_x509_certificates(settings.certificate.read_bytes())
        # Not by OpenSSL, which asks on the terminal for a passphrase
        key: Any = load_pem_private_key(read_private_file(settings.key), None)
        if key.public_key() != leaf.public_key():
            raise ValueError("the key is not the certificate's")
        options = CertificateOptions(
            privateKey=key,
            certificate=leaf,
            extraCertChain=cast(Any, chain),
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        options.getContext()  # fails here, not at the first connection, when OpenSSL minds
    except (OSError, Refused, SSL.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            [f"{settings.path}: certificate, key: cannot be used ({error})"]
        ) from None
    return options
