"""What the embedded issuer answers: tokens by the grants it knows, metadata, keys.

It knows client credentials (RFC 6749 4.4) and, for people, the authorization code with PKCE
(``issuer_code.py``), the device flow (``issuer_device.py``) and refresh tokens
(``issuer_grants.py``), with resource indicators (RFC 8707). It issues JWT access tokens (RFC 9068)
that live 15 minutes at most.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.identity.client_auth import ClientAuthenticator, TokenError
from hoopgate.identity.issuer_code import CodeFlow
from hoopgate.identity.issuer_device import DEVICE_GRANT, DeviceFlow
from hoopgate.identity.issuer_grants import Grant, RefreshTokens
from hoopgate.identity.issuer_html import Answer
from hoopgate.identity.issuer_keys import ALGORITHM, SigningKeys
from hoopgate.identity.issuer_settings import ASSERTION_ALGORITHMS, Client, IssuerSettings

_MAXIMUM_FIELDS = 32
_CODE: Final = "authorization_code"
_REFRESH: Final = "refresh_token"


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
        self._device_path = f"{prefix}/device_authorization"
        self._revoke_path = f"{prefix}/revoke"
        self._refresh = RefreshTokens(now)
        self._codes: CodeFlow | None = None
        self._devices: DeviceFlow | None = None
        self._pages: dict[str, _AnswerPerson] = {}
        if settings.users:
            people = ClientAuthenticator(settings.users, frozenset(), now)
            self._codes = CodeFlow(settings, people, now)
            self._devices = DeviceFlow(settings, people, now)
            self._pages[f"{prefix}/authorize"] = self._codes.answer
            self._pages[f"{prefix}/device"] = self._devices.answer
        self._scopes = sorted({s for client in settings.clients.values() for s in client.scopes})

    def _metadata(self) -> Mapping[str, Any]:
        """OIDC Discovery 3, RFC 8414 2."""
        people: dict[str, Any] = {"grant_types_supported": ["client_credentials"]}
        if self._codes is not None:
            people = {
                "authorization_endpoint": self._url + "/authorize",
                "device_authorization_endpoint": self._url + "/device_authorization",
                "revocation_endpoint": self._url + "/revoke",
                "grant_types_supported": ["client_credentials", _CODE, DEVICE_GRANT, _REFRESH],
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
                *(["none"] if any(one.public for one in self._clients.values()) else []),
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
            if path == self._device_path and self._devices is not None:
                return await self._begin_device(request, self._devices)
            if path == self._revoke_path and self._codes is not None:
                return await self._revoke(request)
            if path in self._pages:
                return await _page(request, self._pages[path])
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
        single = _single(form)
        address = _address(request)
        client = await self._client(request, single)
        now = self._now()
        more: dict[str, str] = {}
        self._keys.reload()
        if single.get("grant_type") == "client_credentials" and not client.public:
            claims = issue(client, form, self._url, now)
        else:
            grant, renewing = self._granted(client, single)
            claims = issue_to_person(grant, self._url, now)
            if renewing is not None:
                more["refresh_token"] = renewing
            if "openid" in grant.scopes and single["grant_type"] != _REFRESH:
                more["id_token"] = self._keys.sign(identify(grant, self._url, now), "JWT")
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

    def _granted(self, client: Client, form: Mapping[str, str]) -> tuple[Grant, str | None]:
        """What a person has let ``client`` have, and the refresh token that comes with it.

        :raises TokenError: it may not have it, or this grant is not known.
        """
        kind = form.get("grant_type")
        if kind == _REFRESH and self._codes is not None:
            asked = frozenset(form.get("scope", "").split(" ")) - {""}
            return self._refresh.use(client, form.get("refresh_token", ""), asked)
        if kind == _CODE and self._codes is not None:
            grant = self._codes.redeem(client, form)
        elif kind == DEVICE_GRANT and self._devices is not None:
            grant = self._devices.redeem(client, form)
        else:
            raise TokenError("unsupported_grant_type", "this grant is not supported")
        return grant, self._refresh.begin(grant)

    async def _begin_device(
        self, request: Any, devices: DeviceFlow
    ) -> tuple[int, dict[str, str], Mapping[str, Any]]:
        form = _form(request)
        client = await self._client(request, _single(form))
        return 200, {}, devices.authorize(client, form, _address(request))

    async def _revoke(self, request: Any) -> tuple[int, dict[str, str], Mapping[str, Any]]:
        """RFC 7009: the same answer whether there was such a refresh token or not."""
        single = _single(_form(request))
        client = await self._client(request, single)
        self._refresh.revoke(client, single.get("token", ""))
        return 200, {}, {}

    async def _client(self, request: Any, form: Mapping[str, str]) -> Client:
        """Who asks. One without a secret proves nothing: the code, the person's answer or the
        refresh token is what counts then.

        :raises TokenError: it cannot prove who it is.
        """
        authorization = request.getHeader(b"authorization")
        proofs = "client_secret", "client_assertion", "client_assertion_type"
        if authorization is None and not any(proof in form for proof in proofs):
            client = self._clients.get(form.get("client_id", ""))
            if client is not None and client.public:
                return client
        return await self._authenticator.authenticate(authorization, form, _address(request))


#: Method, query, form, Origin and address → the page for a person.
_AnswerPerson = Callable[
    [bytes, bytes, Mapping[str, str], str | None, str], Coroutine[Any, Any, Answer]
]


async def _page(request: Any, answer: _AnswerPerson) -> Answer:
    """
    :raises TokenError: what was sent is no form.
    """
    body: dict[str, str] = {}
    if request.method == b"POST":
        body = _single(_form(request, query=True))
    elif request.method != b"GET":
        raise TokenError("invalid_request", "use GET or POST", 405)
    query = request.uri.partition(b"?")[2]
    return await answer(request.method, query, body, request.getHeader("origin"), _address(request))


def _single(form: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in form.items() if name != "resource"}


def _address(request: Any) -> str:
    return str(getattr(request.getClientAddress(), "host", "unix"))


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
