"""The keys of an OIDC issuer: discovery and JWKS, fetched asynchronously and kept for a while.

Fail closed: keys that were never fetched, or are too old, verify nothing. Sources: OIDC Discovery
1.0 section 4, RFC 7517; behaviour by PROTOCOLS.md E3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hoopgate.errors import IdentityRefused
from hoopgate.identity.fetch import FetchFailed, JSONFetcher, checked_url
from hoopgate.identity.jose import JSONRefused, VerificationKey, parse_key_set, strict_json
from hoopgate.settings.model import Issuer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

DISCOVERY_PATH = "/.well-known/openid-configuration"

FRESH_SECONDS = 300.0  #: keys are used without asking again
REFRESH_AHEAD_SECONDS = 240.0  #: from this age a log-in starts a refresh and does not wait for it
STALE_SECONDS = 3600.0  #: with an issuer that does not answer, keys are used up to this age
UNKNOWN_KID_SECONDS = 10.0  #: pause between fetches that only an unknown kid asks for
RETRY_SECONDS = 5.0  #: pause after a failed fetch

_NEVER = float("-inf")


class KeySource:
    """Keys of one issuer. One fetch runs at a time, however many log-ins wait for it."""

    log = Logger()

    def __init__(self, issuer: Issuer, reactor: IReactorTime) -> None:
        """:raises SettingsError: the issuer's ``ca_file`` cannot be used."""
        self._issuer = issuer
        self._reactor = reactor
        self._fetcher = JSONFetcher(reactor, issuer.ca_file)
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = _NEVER
        self._tried_at = _NEVER
        self._failed_at = _NEVER
        self._waiting: list[Deferred[None]] = []
        self._running: Deferred[None] | None = None

    async def keys(self, kid: str) -> Mapping[str, VerificationKey]:
        """Keys by ``kid``; asks the issuer first where what is known is old or lacks ``kid``.

        :raises IdentityRefused: ``identity.keys_unavailable``.
        """
        age = self._reactor.seconds() - self._fetched_at
        if age >= FRESH_SECONDS or kid not in self._keys:
            if self._may_fetch(age):
                await self._refreshed()
        elif age >= REFRESH_AHEAD_SECONDS and self._may_fetch(age):
            self._start()
        if self._reactor.seconds() - self._fetched_at >= STALE_SECONDS:
            raise IdentityRefused(
                "identity.keys_unavailable", "the keys of the token's issuer cannot be fetched now"
            )
        return self._keys

    def stop(self) -> None:
        """End a running fetch."""
        if self._running is not None:
            self._running.cancel()

    def _may_fetch(self, age: float) -> bool:
        if self._running is not None:
            return True  # joins it
        now = self._reactor.seconds()
        if now - self._failed_at < RETRY_SECONDS:
            return False
        return age >= REFRESH_AHEAD_SECONDS or now - self._tried_at >= UNKNOWN_KID_SECONDS

    def _refreshed(self) -> Deferred[None]:
        waiter: Deferred[None] = Deferred(lambda cancelled: self._waiting.remove(cancelled))
        self._waiting.append(waiter)
        self._start()
        return waiter

    def _start(self) -> None:
        if self._running is None:
            self._tried_at = self._reactor.seconds()
            running = Deferred.fromCoroutine(self._fetch())
            if not running.called:
                self._running = running
            running.addBoth(self._finished)

    def _finished(self, _: object) -> None:
        self._running = None
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    async def _fetch(self) -> None:
        try:
            body = await self._fetcher.get(self._issuer.jwks_url or await self._discover())
            keys = parse_key_set(body, self._issuer.algorithms)
            if not keys:
                raise JSONRefused("it holds no key that can be used")
        except (FetchFailed, JSONRefused) as error:
            self._failed_at = self._reactor.seconds()
            self.log.warn(
                "keys of issuer {issuer} not refreshed: {reason}",
                issuer=self._issuer.name,
                reason=str(error),
            )
        else:
            self._keys, self._fetched_at = keys, self._reactor.seconds()

    async def _discover(self) -> str:
        document = strict_json(
            await self._fetcher.get(self._issuer.url.rstrip("/") + DISCOVERY_PATH)
        )
        if document.get("issuer") != self._issuer.url:
            raise JSONRefused("its discovery document is of another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise JSONRefused("its discovery document names no jwks_uri")
        checked_url(url)
        return url
