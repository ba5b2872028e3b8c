"""Opaque tokens: their issuer is asked what they mean (RFC 7662), and its answer kept for a while.

Fail closed: an issuer that does not answer, or answers anything but ``active: true``, lets nobody
in. What is kept is known by a hash of the token.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote_plus

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.identity.fetch import FetchFailed, JSONFetcher, checked_url
from hoopgate.identity.jose import JSONRefused, strict_json
from hoopgate.identity.jwks import DISCOVERY_PATH
from hoopgate.identity.secrets import SecretSource
from hoopgate.settings.model import Introspection, Issuer

#: A "no" is kept for so long, so that a client that tries again does not become a flood.
NEGATIVE_SECONDS: Final = 5.0
_MOST: Final = 10_000
#: Questions under way; more log-ins are refused for now.
_MOST_ASKED: Final = 200


class Introspector:
    """Asks one issuer.

    :param now: wall clock, seconds since the epoch.
    """

    log = Logger()

    def __init__(
        self,
        issuer: Issuer,
        settings: Introspection,
        secrets: SecretSource,
        reactor: Any,
        now: Callable[[], float],
    ) -> None:
        """:raises SettingsError: the issuer's ``ca_file`` cannot be used."""
        self._issuer = issuer
        self._settings = settings
        self._secrets = secrets
        self._now = now
        self._fetcher = JSONFetcher(reactor, issuer.ca_file)
        self._url = settings.url
        self._known: OrderedDict[bytes, tuple[float, Mapping[str, Any] | None]] = OrderedDict()
        self._asking: dict[bytes, list[Deferred[None]]] = {}

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What the issuer says of an active token, as claims of a JWT are.

        :raises IdentityRefused: ``identity.inactive``, ``identity.introspection``.
        """
        key = hashlib.sha256(token.encode()).digest()
        found = self._fresh(key)
        if found is None and key in self._asking:
            # The same token, asked about a moment ago: one question does for both.
            waiting: Deferred[None] = Deferred()
            self._asking[key].append(waiting)
            await waiting
            found = self._fresh(key)
            if found is None:
                raise _unavailable()
        if found is None:
            if len(self._asking) >= _MOST_ASKED:
                raise _unavailable()
            self._asking[key] = []
            try:
                found = await self._ask(token)
                self._keep(key, found)
            finally:
                for one in self._asking.pop(key):
                    if not one.called:
                        one.callback(None)
        _, claims = found
        if claims is None:
            raise IdentityRefused("identity.inactive", "the token's issuer says it is not active")
        return claims

    def _fresh(self, key: bytes) -> tuple[float, Mapping[str, Any] | None] | None:
        found = self._known.get(key)
        return found if found is not None and self._now() < found[0] else None

    def _keep(self, key: bytes, found: tuple[float, Mapping[str, Any] | None]) -> None:
        self._known[key] = found
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    async def _ask(self, token: str) -> tuple[float, Mapping[str, Any] | None]:
        """Until when the answer holds, and the answer; None: not active."""
        try:
            url = self._url or await self._discovered()
            secret = await self._secrets.read(self._settings.client_secret)
            pair = f"{quote_plus(self._settings.client_id)}:{quote_plus(secret)}"
            headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
            form = {"token": token, "token_type_hint": "access_token"}
            answer = strict_json(await self._fetcher.post(url, form, headers))
        except (FetchFailed, JSONRefused, Refused) as error:
            self.log.warn(
                "issuer {issuer} was not asked about a token: {reason}",
                issuer=self._issuer.name,
                reason=str(error),
            )
            raise _unavailable() from None
        if answer.get("active") is not True:
            return self._now() + NEGATIVE_SECONDS, None
        expires = answer.get("exp")
        until = self._now() + self._settings.cache_seconds
        if type(expires) is int:
            until = min(until, float(expires))
        return until, self._as_claims(answer)

    def _as_claims(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """RFC 7662 2.2 leaves out what RFC 9068 wants: the issuer is the one asked; a client that
        acts for itself is the subject; without ``iat`` the token is as old as the answer."""
        claims = dict(answer)
        del claims["active"]
        claims.setdefault("iss", self._issuer.url)
        claims.setdefault("iat", int(self._now()))
        if "client_id" in claims:
            claims.setdefault("sub", claims["client_id"])
        return claims

    async def _discovered(self) -> str:
        document = strict_json(
            await self._fetcher.get(self._issuer.url.rstrip("/") + DISCOVERY_PATH)
        )
        url = document.get("introspection_endpoint")
        if document.get("issuer") != self._issuer.url or not isinstance(url, str):
            raise JSONRefused("its discovery document names no introspection_endpoint")
        checked_url(url)
        self._url = url
        return url


def _unavailable() -> IdentityRefused:
    return IdentityRefused(
        "identity.introspection", "the token's issuer cannot be asked about it now"
    )
