"""The browser's log-in at the issuer: authorization code with PKCE (RFC 6749 4.1, RFC 7636).

What proves who somebody is, is the access token: it is verified as any agent's is, by the node's
own verifier, and dropped. The ID token binds the answer to this browser's question (its nonce).
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from hoopgate.console.logins import Pending
from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.gateway.admin import APPROVALS
from hoopgate.identity.fetch import FetchFailed, JSONFetcher, checked_url
from hoopgate.identity.jose import (
    JSONRefused,
    algorithm_of,
    check_signature,
    kid_of,
    parse_token,
    strict_json,
)
from hoopgate.identity.jwks import DISCOVERY_PATH, KeySource
from hoopgate.identity.secrets import SecretSource
from hoopgate.interfaces import IIdentityVerifier
from hoopgate.settings.model import Console, Issuer

CALLBACK: Final = "/login/callback"
_METADATA_SECONDS: Final = 300.0
_LEEWAY: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorize: str
    token: str
    names_itself: bool  #: RFC 9207: the answer says whose it is


class OIDCLogin:
    """The console as a client of one issuer.

    :raises SettingsError: the issuer's ``ca_file`` cannot be used.
    """

    def __init__(
        self,
        console: Console,
        issuer: Issuer,
        verifier: IIdentityVerifier,
        secrets: SecretSource,
        reactor: Any,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._console = console
        self._issuer = issuer
        self._verifier = verifier
        self._secrets = secrets
        self._reactor = reactor
        self._now = now
        self._fetcher = JSONFetcher(reactor, issuer.ca_file)
        self._keys = KeySource(issuer, reactor)
        self._known: tuple[float, _Metadata] | None = None
        self.redirect_uri = console.url + CALLBACK

    def stop(self) -> None:
        """End what is being fetched."""
        self._keys.stop()

    async def address(self, state: str, pending: Pending) -> str:
        """Where to send the browser.

        :raises IdentityRefused: ``identity.issuer_unavailable``.
        """
        metadata = await self._metadata()
        digest = hashlib.sha256(pending.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._console.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self._console.scopes),
            "state": state,
            "nonce": pending.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self._console.audience:
            query["resource"] = self._console.audience
        mark = "&" if "?" in metadata.authorize else "?"
        return f"{metadata.authorize}{mark}{urlencode(query)}"

    async def redeem(self, code: str, said_issuer: str | None, pending: Pending) -> Principal:
        """Who has logged in, with groups.

        :param said_issuer: ``iss`` of the answer: another issuer's answer is not ours (RFC 9207).
        :raises IdentityRefused: and why.
        :raises DirectoryUnavailable: groups are not known.
        """
        metadata = await self._metadata()
        if said_issuer != self._issuer.url and (metadata.names_itself or said_issuer is not None):
            raise IdentityRefused("identity.issuer", "the answer is not from the issuer asked")
        answer = await self._exchange(metadata.token, code, pending.verifier)
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise IdentityRefused("identity.claims", "the issuer's answer holds no token")
        principal = await self._verifier.verify(token, APPROVALS)
        if principal.issuer != self._issuer.url:
            raise IdentityRefused("identity.issuer", "the token is from another issuer")
        if "openid" in self._console.scopes:
            await self._check_id_token(answer.get("id_token"), pending.nonce, token)
        return principal

    async def _exchange(self, url: str, code: str, verifier: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        if self._console.audience:
            form["resource"] = self._console.audience
        headers = {}
        if self._console.client_secret is None:
            form["client_id"] = self._console.client_id
        else:
            secret = await self._secrets.read(self._console.client_secret)
            pair = f"{quote_plus(self._console.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        try:
            return strict_json(await self._fetcher.post(url, form, headers))
        except (FetchFailed, JSONRefused):
            raise IdentityRefused("identity.code", "the issuer did not accept the log-in") from None

    async def _check_id_token(self, id_token: object, nonce: str, access_token: str) -> None:
        """OIDC Core 3.1.3.7, as far as it says more than the access token does."""
        if not isinstance(id_token, str):
            raise IdentityRefused("identity.claims", "the issuer's answer holds no ID token")
        parsed = parse_token(id_token)
        algorithm_of(parsed, self._issuer.algorithms)
        kid = kid_of(parsed)
        key = (await self._keys.keys(kid)).get(kid)
        if key is None:
            raise IdentityRefused("identity.key", "the ID token's signing key is unknown")
        check_signature(parsed, key)
        claims = parsed.claims
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires = claims.get("exp")
        if (
            claims.get("iss") != self._issuer.url
            or audiences != [self._console.client_id]
            or claims.get("nonce") != nonce
            or type(expires) is not int
            or expires + _LEEWAY <= self._now()
            or claims.get("sub") != parse_token(access_token).claims.get("sub")
        ):
            raise IdentityRefused("identity.nonce", "the ID token is not of this log-in")

    async def _metadata(self) -> _Metadata:
        now = self._reactor.seconds()
        if self._known is not None and now - self._known[0] < _METADATA_SECONDS:
            return self._known[1]
        try:
            address = self._issuer.url.rstrip("/") + DISCOVERY_PATH
            document = strict_json(await self._fetcher.get(address))
            if document.get("issuer") != self._issuer.url:
                raise JSONRefused("its discovery document is of another issuer")
            places = [document.get(name) for name in ("authorization_endpoint", "token_endpoint")]
            for place in places:
                if not isinstance(place, str):
                    raise JSONRefused("it lets nobody log in")
                checked_url(place)
        except (FetchFailed, JSONRefused):
            raise IdentityRefused(
                "identity.issuer_unavailable", "the issuer cannot be asked now; try again"
            ) from None
        names_itself = document.get("authorization_response_iss_parameter_supported") is True
        found = _Metadata(str(places[0]), str(places[1]), names_itself)
        self._known = now, found
        return found
