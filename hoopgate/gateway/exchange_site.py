"""The token endpoint of ``[exchange]``, on a TLS listener of its own.

``POST /token`` is token exchange (RFC 8693), ``POST /revoke`` is RFC 7009, ``GET /credentials``
lists what is in force; metadata by RFC 8414, keys at ``/jwks``. Clients do not prove who they are:
the tokens that they show do.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web import resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.errors import DirectoryUnavailable, HoopgateError, IdentityRefused, Refused
from hoopgate.gateway.exchange import CERTIFICATE, JWT, PASSWORD, Asked, Exchange
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.web import QuietRequest, QuietSite
from hoopgate.identity.credentials import LIFETIME, Credential, Credentials
from hoopgate.identity.issuer_keys import ALGORITHM, SigningKeys
from hoopgate.identity.jose import parse_token
from hoopgate.identity.own_tokens import OwnTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from hoopgate.events import Principal
    from hoopgate.identity.verifier import IdentityVerifier
    from hoopgate.interfaces import IRecorder, IStateStore
    from hoopgate.settings.model import Listener, Settings
    from hoopgate.ssh.room import SSHRoom

log = Logger()

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_OAUTH: Final = "urn:ietf:params:oauth:token-type:"
_OWN: Final = "urn:hoopgate:params:oauth:token-type:"
#: What clients may ask for, and what is said of what was given (RFC 8693 3).
FORMS: Final = {
    _OAUTH + "access_token": JWT,
    _OAUTH + "jwt": JWT,
    _OWN + "password": PASSWORD,
    _OWN + "ssh-certificate": CERTIFICATE,
}
_TYPES: Final = {JWT: _OAUTH + "jwt", PASSWORD: _OWN + PASSWORD, CERTIFICATE: _OWN + CERTIFICATE}
_TAKEN: Final = frozenset({_OAUTH + "access_token", _OAUTH + "jwt"})
_FIELDS: Final = frozenset(
    {
        *("grant_type", "subject_token", "subject_token_type", "actor_token", "actor_token_type"),
        *("resource", "audience", "scope", "requested_token_type", "lifetime", "public_key"),
        *("client_id", "token", "token_type_hint"),
    }
)
_BEARER: Final = re.compile(r"(?i:bearer) ([A-Za-z0-9._~+/-]+=*)")
_PATHS: Final = {
    "/token": b"POST",
    "/revoke": b"POST",
    "/credentials": b"GET",
    "/jwks": b"GET",
    "/.well-known/oauth-authorization-server": b"GET",
}
_STATUS: Final = {
    "request.path": 404,
    "request.method": 405,
    "request.type": 415,
    "request.size": 413,
    "identity.missing": 401,
    "credential.too_many": 429,
    "credential.unknown": 404,
}
#: RFC 6749 5.2, RFC 8693 2.2.2, RFC 8707 2; what is not named is ``invalid_request``.
_ERRORS: Final = {
    "resource.unknown": "invalid_target",
    "certificate.resource": "invalid_target",
    "scope.missing": "invalid_scope",
    "grant.unknown": "unsupported_grant_type",
    "credential.too_many": "slow_down",
    "identity.missing": "invalid_token",
}


class _Request(QuietRequest):
    body_bytes = 160 * 1024  # two tokens of 64 KiB


def make_exchange(
    settings: Settings,
    verifier: IdentityVerifier,
    recorder: IRecorder,
    store: IStateStore,
    certify: Callable[[str, Credential], str] | None,
) -> Exchange:
    """The session credentials of a node; with ``[exchange]`` they may be JWTs.

    :raises SettingsError: the keys cannot be read or made.
    """
    credentials = Credentials(time.time)
    table = settings.exchange
    exchange = Exchange(
        settings.resources,
        verifier,
        credentials,
        recorder,
        store,
        certify,
        delegation="none" if table is None else table.delegation,
        lifetime=LIFETIME if table is None else table.lifetime_seconds,
    )
    if table is not None:
        keys = SigningKeys(settings.node.state_dir / "keys" / "exchange.json")
        exchange.own = verifier.own = OwnTokens(table.url, keys, credentials, time.time)
    return exchange


def exchange_site(
    settings: Settings,
    exchange: Exchange,
    verifier: IdentityVerifier,
    ssh: SSHRoom,
    reactor: Any,
) -> QuietSite:
    """The site of the token endpoint."""
    return QuietSite(_Endpoint(settings, exchange, verifier, ssh), reactor, request=_Request)


class _Endpoint(resource.Resource):
    isLeaf = True

    def __init__(
        self, settings: Settings, exchange: Exchange, verifier: IdentityVerifier, ssh: SSHRoom
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        assert settings.exchange is not None
        self._settings = settings
        self._table = settings.exchange
        self._exchange = exchange
        self._verifier = verifier
        self._ssh = ssh

    def render(self, request: QuietRequest) -> int:
        """See :class:`twisted.web.resource.Resource`."""
        Deferred.fromCoroutine(self._serve(request))
        return NOT_DONE_YET

    async def _serve(self, request: QuietRequest) -> None:
        request_id = f"exc-{secrets.token_hex(6)}"
        more = {"X_Request_Id": request_id, "Pragma": "no-cache"}
        try:
            status, body = 200, await self._answer(request)
        except HoopgateError as error:
            status, body = _problem(error)
            if status == 401:
                more["WWW_Authenticate"] = "Bearer"
            if status == 405:
                more["Allow"] = _PATHS[request.path.decode("ascii")].decode()
            if status in (429, 503):
                more["Retry_After"] = "10"
            log_event(log, "exchange.refused", request_id=request_id, code=str(body["code"]))
        except Exception:  # noqa: BLE001 - a bug must not end in a traceback at a client
            log.failure("exchange.bug")
            status, body = 500, {"error": "server_error", "code": "internal"}
        if status != 200:
            body = {**body, "request_id": request_id}
        request.answer(status, "application/json", json.dumps(body).encode() + b"\n", **more)

    async def _answer(self, request: QuietRequest) -> Mapping[str, Any]:
        path = request.path.decode("ascii", "replace")
        method = _PATHS.get(path)
        if method is None:
            raise Refused("request.path", "there is nothing here")
        if request.method != method:
            raise Refused("request.method", f"only {method.decode()} is possible here")
        if request.uri.partition(b"?")[2]:
            raise Refused("request.query", "tokens and parameters go into the body")
        if path == "/token":
            return await self._token(_form(request))
        if path == "/revoke":
            return await self._revoke(request, _form(request))
        if path == "/credentials":
            return await self._list(await self._verifier.identify(_bearer(request)))
        if path == "/jwks":
            assert self._exchange.own is not None
            return self._exchange.own.public_set()
        return self._metadata()

    def _metadata(self) -> Mapping[str, Any]:
        """RFC 8414 2."""
        url = self._table.url
        return {
            "issuer": url,
            "token_endpoint": url + "/token",
            "revocation_endpoint": url + "/revoke",
            "jwks_uri": url + "/jwks",
            "grant_types_supported": [GRANT],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        }

    # --- giving -----------------------------------------------------------------------------------

    async def _token(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        if form.get("grant_type") != GRANT:
            raise Refused("grant.unknown", f"the grant_type is {GRANT}")
        wanted = form.get("resource", form.get("audience", ""))
        if "resource" in form and form.get("audience", wanted) != wanted:
            raise Refused("request.body", "resource and audience name different things")
        if form.get("subject_token_type") not in _TAKEN:
            raise Refused("request.body", "the subject_token_type is that of an access token")
        if ("actor_token" in form) != (form.get("actor_token_type") in _TAKEN):
            raise Refused(
                "request.body", "actor_token and its type, an access token's, go together"
            )
        name = wanted.removeprefix(self._table.url + "/")
        form_of = self._form_for(name, form)
        lifetime = form.get("lifetime", str(int(LIFETIME)))
        if re.fullmatch(r"[1-9][0-9]{0,5}", lifetime) is None:
            raise Refused("request.body", "the lifetime must be a number of seconds")
        credential, secret = await self._exchange.exchange(
            Asked(
                form.get("subject_token", ""),
                name,
                form_of,
                float(lifetime),
                form.get("actor_token", ""),
                frozenset(form.get("scope", "").split(" ")) - {""},
                form.get("public_key", ""),
            )
        )
        who = credential.principal
        return {
            "access_token": secret,
            "issued_token_type": _TYPES[credential.form],
            "token_type": "Bearer" if credential.form == JWT else "N_A",
            "expires_in": max(1, int(who.expires_at - time.time())),
            "scope": " ".join(sorted(who.scopes)),
            "hoopgate": {
                "credential": credential.user,
                "form": credential.form,
                "subject": who.subject,
                "expires": who.expires_at,
                **self._place(credential.resource, credential.form),
            },
        }

    def _form_for(self, name: str, form: Mapping[str, str]) -> str:
        """What was asked for, else what unmodified clients of the resource's listeners take."""
        wanted = form.get("requested_token_type")
        if wanted is not None:
            found = FORMS.get(wanted)
            if found is None:
                raise Refused("request.body", f"requested_token_type is one of {', '.join(FORMS)}")
            return found
        known = self._settings.resources.get(name)
        if "public_key" in form and known is not None and known.ssh is not None:
            return CERTIFICATE  # which others have no use for
        return PASSWORD if self._listener(name, PASSWORD) is not None else JWT

    def _listener(self, name: str, form: str) -> Listener | None:
        """Where a credential of that form opens the resource; None: nowhere."""
        for listener in self._settings.listeners:
            takes = {
                "ssh": (PASSWORD, JWT, CERTIFICATE),
                "http": (JWT,),
            }.get(listener.protocol)
            if takes is None:
                proven = listener.authentication in ("scram", "credential")
                takes = (PASSWORD,) if proven else (JWT,)
            if name in listener.resources and form in takes:
                return listener
        return None

    def _place(self, name: str, form: str) -> Mapping[str, Any]:
        """What a client needs to know to connect."""
        place: dict[str, Any] = {"resource": name}
        listener = self._listener(name, form)
        if listener is None:
            return place
        address = self._table.addresses.get(listener.name)
        if address is None:
            parts = listener.endpoint.split(":")
            host, port = str(urlsplit(self._table.url).hostname), parts[1]
        else:
            host, _, port = address.rpartition(":")
        place |= {
            "protocol": listener.protocol,
            "listener": listener.name,
            "tls": listener.tls is not None,
        }
        if port.isdecimal():
            place |= {"host": host.strip("[]"), "port": int(port)}
        if listener.ssh is not None:
            place["separator"] = listener.ssh.separator
            place["host_keys"] = self._ssh.public_host_keys(listener)
        return place

    # --- taking back ------------------------------------------------------------------------------

    async def _revoke(self, request: QuietRequest, form: Mapping[str, str]) -> Mapping[str, Any]:
        """RFC 7009 2: who has the token may end it, who has it not says who he is.

        An unknown token is no error to its holder; who ends by name is told.
        """
        token = form.get("token", "")
        if token.count(".") == 2:
            assert self._exchange.own is not None
            try:
                held = self._exchange.own.principal(parse_token(token), None)
                return {"sessions_ended": await self._exchange.revoke(held.token_id, None)}
            except IdentityRefused:
                return {"sessions_ended": 0}
        by = await self._verifier.identify(_bearer(request))
        found = self._exchange.credentials.find(token)
        if found is None or not self._may_see(by, found):
            raise Refused("credential.unknown", "there is no such credential in force")
        return {"sessions_ended": await self._exchange.revoke(token, by)}

    async def _list(self, who: Principal) -> Mapping[str, Any]:
        found = [one for one in self._exchange.credentials.listed() if self._may_see(who, one)]
        return {"credentials": [_summary(one) for one in found]}

    def _may_see(self, who: Principal, credential: Credential) -> bool:
        holder = credential.principal
        own = (who.issuer, who.subject) == (holder.issuer, holder.subject)
        return own or bool(who.groups & self._table.operators)


def _summary(credential: Credential) -> Mapping[str, Any]:
    who = credential.principal
    return {
        "credential": credential.user,
        "form": credential.form,
        "resource": credential.resource,
        "issuer": who.issuer,
        "subject": who.subject,
        "actors": list(who.actors),
        "scopes": sorted(who.scopes),
        "issued": credential.issued_at,
        "expires": who.expires_at,
    }


def _bearer(request: QuietRequest) -> str:
    values = request.requestHeaders.getRawHeaders("authorization") or []
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise IdentityRefused("identity.missing", "an Authorization: Bearer header is required")
    return match[1]


def _form(request: QuietRequest) -> Mapping[str, str]:
    """The fields of the body, each known and there once (RFC 6749 3.2).

    :raises Refused: ``request.…``.
    """
    if request.oversized:
        raise Refused("request.size", "the body is too large")
    kinds = request.requestHeaders.getRawHeaders("content-type") or []
    if [one.partition(";")[0].strip().lower() for one in kinds] != [
        "application/x-www-form-urlencoded"
    ]:
        raise Refused("request.type", "send application/x-www-form-urlencoded")
    assert request.content is not None
    try:
        pairs = parse_qsl(
            request.content.read().decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=16,
        )
    except ValueError:
        raise Refused("request.body", "the body is not a form") from None
    form = dict(pairs)
    if len(form) != len(pairs) or not form.keys() <= _FIELDS:
        raise Refused("request.body", "a field is given twice, or is not known")
    return form


def _problem(error: HoopgateError) -> tuple[int, dict[str, object]]:
    if isinstance(error, DirectoryUnavailable):
        said = "the directory does not answer; try again"
        return 503, {
            "error": "temporarily_unavailable",
            "error_description": said,
            "code": error.code,
        }
    if isinstance(error, Refused):
        kind = _ERRORS.get(error.code, "invalid_request")
        described = {"error": kind, "error_description": str(error), "code": error.code}
        return _STATUS.get(error.code, 400), dict(described)
    return 503, {
        "error": "temporarily_unavailable",
        "error_description": "it cannot be recorded or kept, so nothing is given out",
        "code": "recorder.failed",
    }
