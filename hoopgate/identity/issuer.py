"""A small OIDC issuer for nodes without an identity provider: ``hoopgate issuer``.

It knows client credentials (RFC 6749 4.4) and, for people, the authorization code with PKCE
(``issuer_code.py``), with resource indicators (RFC 8707), and issues JWT access tokens (RFC 9068)
that live 15 minutes at most. ``docs/issuer.md`` tells the rest.
"""

from __future__ import annotations

import dataclasses
import io
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from hoopgate.errors import Refused, SettingsError
from hoopgate.identity.client_auth import ClientAuthenticator, TokenError
from hoopgate.identity.fetch import is_loopback
from hoopgate.identity.issuer_code import CodeFlow, Grant
from hoopgate.identity.issuer_keys import ALGORITHM, SigningKeys
from hoopgate.identity.issuer_settings import ASSERTION_ALGORITHMS, Client, IssuerSettings
from hoopgate.identity.secrets import read_private_file

MAXIMUM_BODY = 16_384
_MAXIMUM_FIELDS = 32
_REQUEST_SECONDS = 15
_MAXIMUM_CONNECTIONS = 500


def issue(client: Client, form: Mapping[str, list[str]], url: str, now: float) -> dict[str, Any]:
    """The claims of a token for ``client``.

    :param form: ``resource`` and ``scope`` of the request.
    :raises TokenError: ``invalid_target``, ``invalid_scope``.
    """
    wanted = form.get("resource", []) or list(client.resources[:1])
    if not set(wanted) <= set(client.resources):
        raise TokenError("invalid_target", "the client may not ask for this resource")
    scopes = frozenset(" ".join(form.get("scope", [])).split(" ")) - {""}
    if not scopes <= client.scopes:
        raise TokenError("invalid_scope", "the client may not ask for this scope")
    audiences = list(dict.fromkeys(wanted))
    claims: dict[str, Any] = {
        **client.claims,
        "iss": url,
        "sub": client.subject,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "iat": int(now),
        "exp": int(now) + client.lifetime,
        "jti": secrets.token_urlsafe(16),
        "client_id": client.id,
        "scope": " ".join(sorted(scopes or client.scopes)),
    }
    if len(audiences) > 1:
        claims["azp"] = client.id
    return claims


def issue_to_person(grant: Grant, url: str, now: float) -> dict[str, Any]:
    """The claims of an access token for who has logged in."""
    return {
        **grant.person.claims,
        "iss": url,
        "sub": grant.person.subject,
        "aud": grant.resource,
        "iat": int(now),
        "exp": int(now) + grant.client.lifetime,
        "jti": secrets.token_urlsafe(16),
        "client_id": grant.client.id,
        "scope": " ".join(sorted(grant.scopes)),
    }


def identify(grant: Grant, url: str, now: float) -> dict[str, Any]:
    """The claims of an ID token (OIDC Core 2)."""
    claims: dict[str, Any] = {
        "iss": url,
        "sub": grant.person.subject,
        "aud": grant.client.id,
        "iat": int(now),
        "exp": int(now) + grant.client.lifetime,
        "auth_time": int(now),
    }
    return {**claims, "nonce": grant.nonce} if grant.nonce else claims


class IssuerPages(Resource):
    """Every path of the issuer."""

    isLeaf = True
    log = Logger()

    def __init__(
        self, settings: IssuerSettings, keys: SigningKeys, now: Callable[[], float]
    ) -> None:
        Resource.__init__(self)
        self._url = settings.url
        self._keys = keys
        self._now = now
        self._clients = settings.clients
        token_url = settings.url + "/token"
        self._authenticator = ClientAuthenticator(
            settings.clients, frozenset({settings.url, token_url}), now
        )
        prefix = urlsplit(settings.url).path
        self._documents: dict[str, Callable[[], Mapping[str, Any]]] = {
            f"{prefix}/.well-known/openid-configuration": self._metadata,
            f"/.well-known/oauth-authorization-server{prefix}": self._metadata,
            f"{prefix}/jwks": self._key_set,
        }
        self._token_path = f"{prefix}/token"
        self._authorize_path = f"{prefix}/authorize"
        self._codes = CodeFlow(settings, now) if settings.users else None
        self._scopes = sorted({s for client in settings.clients.values() for s in client.scopes})

    def _metadata(self) -> Mapping[str, Any]:
        """OIDC Discovery 3, RFC 8414 2."""
        people: dict[str, Any] = {"grant_types_supported": ["client_credentials"]}
        if self._codes is not None:
            people = {
                "authorization_endpoint": self._url + "/authorize",
                "grant_types_supported": ["client_credentials", "authorization_code"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        return {
            "issuer": self._url,
            "token_endpoint": self._url + "/token",
            "jwks_uri": self._url + "/jwks",
            **people,
            "response_types_supported": [] if self._codes is None else ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "scopes_supported": self._scopes,
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        }

    def _key_set(self) -> Mapping[str, Any]:
        self._keys.reload()
        return self._keys.public_set(self._now())

    def render(self, request: Any) -> int:
        handled = Deferred.fromCoroutine(self._handle(request))
        left = request.notifyFinish().addErrback(lambda _: handled.cancel())
        handled.addCallback(lambda answer: _respond(request, *answer) if not left.called else None)
        handled.addErrback(lambda _: None)  # the client left
        return NOT_DONE_YET

    async def _handle(self, request: Any) -> tuple[int, dict[str, str], Mapping[str, Any] | str]:
        try:
            path = request.path.decode("ascii", "replace")
            if path == self._token_path:
                return await self._token(request)
            if path == self._authorize_path and self._codes is not None:
                return await self._authorize(request, self._codes)
            document = self._documents.get(path)
            if document is None:
                raise TokenError("not_found", "no such page", 404)
            if request.method not in (b"GET", b"HEAD"):
                raise TokenError("invalid_request", "use GET", 405)
            return 200, {"Cache-Control": "public, max-age=60"}, document()
        except TokenError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            if error.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="hoopgate issuer"'
            return error.status, headers, {"error": error.error, "error_description": str(error)}
        except Exception:  # noqa: BLE001 - a bug must not end in an HTML traceback
            self.log.failure("request failed")
            return 500, {}, {"error": "server_error", "error_description": "see the issuer's log"}

    async def _token(self, request: Any) -> tuple[int, dict[str, str], Mapping[str, Any]]:
        form = _form(request)
        single = {name: values[0] for name, values in form.items() if name != "resource"}
        address = getattr(request.getClientAddress(), "host", "unix")
        authorization = request.getHeader(b"authorization")
        client = self._public(single) if authorization is None else None
        if client is None:
            client = await self._authenticator.authenticate(authorization, single, address)
        now = self._now()
        more: dict[str, str] = {}
        self._keys.reload()
        if single.get("grant_type") == "authorization_code" and self._codes is not None:
            grant = self._codes.redeem(client, single)
            claims = issue_to_person(grant, self._url, now)
            if "openid" in grant.scopes:
                more["id_token"] = self._keys.sign(identify(grant, self._url, now), "JWT")
        elif single.get("grant_type") == "client_credentials":
            claims = issue(client, form, self._url, now)
        else:
            raise TokenError("unsupported_grant_type", "this grant is not supported")
        token = self._keys.sign(claims, "at+jwt")
        self.log.info(
            "token {jti} issued to {client} at {address}",
            jti=claims["jti"],
            client=client.id,
            address=address,
        )
        return (
            200,
            {},
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": client.lifetime,
                "scope": claims["scope"],
                **more,
            },
        )

    def _public(self, form: Mapping[str, str]) -> Client | None:
        """The client without a secret that redeems a code; its proof is PKCE's."""
        if form.get("grant_type") != "authorization_code" or self._codes is None:
            return None
        if "client_secret" in form or "client_assertion" in form:
            return None
        client = self._clients.get(form.get("client_id", ""))
        return client if client is not None and client.public else None

    async def _authorize(
        self, request: Any, codes: CodeFlow
    ) -> tuple[int, dict[str, str], Mapping[str, Any] | str]:
        body: dict[str, str] = {}
        if request.method == b"POST":
            form = _form(request, query=True)
            body = {name: values[0] for name, values in form.items()}
        elif request.method != b"GET":
            raise TokenError("invalid_request", "use GET or POST", 405)
        return await codes.answer(
            request.method,
            request.uri.partition(b"?")[2],
            body,
            request.getHeader("origin"),
            getattr(request.getClientAddress(), "host", "unix"),
        )


def _form(request: Any, *, query: bool = False) -> dict[str, list[str]]:
    """The fields of a token request, each once but ``resource`` (RFC 6749 3.2, RFC 8707 2).

    :raises TokenError: ``invalid_request``.
    """
    if request.method != b"POST":
        raise TokenError("invalid_request", "use POST", 405)
    if b"?" in request.uri and not query:
        raise TokenError("invalid_request", "credentials and parameters go into the body")
    kind = (request.getHeader(b"content-type") or b"").split(b";")[0].strip().lower()
    if kind != b"application/x-www-form-urlencoded":
        raise TokenError("invalid_request", "send application/x-www-form-urlencoded", 415)
    try:
        fields = parse_qsl(
            request.content.read().decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAXIMUM_FIELDS,
        )
    except ValueError:
        raise TokenError("invalid_request", "the body is not a form") from None
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    for name, values in form.items():
        if len(values) > (16 if name == "resource" else 1):
            raise TokenError("invalid_request", "a field is given twice")
    return form


def _respond(
    request: Any, status: int, headers: Mapping[str, str], document: Mapping[str, Any] | str
) -> None:
    page = isinstance(document, str)
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    request.setResponseCode(status)
    request.setHeader("Content-Type", "text/html; charset=utf-8" if page else "application/json")
    request.setHeader("Content-Length", str(len(body)))
    request.setHeader("Cache-Control", "no-store")
    request.setHeader("X-Content-Type-Options", "nosniff")
    for name, value in headers.items():
        request.setHeader(name, value)
    if request.method != b"HEAD":
        request.write(body)
    request.finish()


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
