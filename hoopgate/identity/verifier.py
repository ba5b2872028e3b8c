"""From a token to a principal with groups: the one entry to everything about identity."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate.errors import DirectoryUnavailable, IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.directory import LDAPGroups
from hoopgate.identity.groups import FileGroups
from hoopgate.identity.introspection import Introspector
from hoopgate.identity.jose import MAXIMUM_TOKEN_BYTES, parse_token
from hoopgate.identity.jwks import KeySource
from hoopgate.identity.oidc import (
    check_header,
    may_act,
    principal_of,
    unverified_issuer,
    verify_token,
)
from hoopgate.identity.own_tokens import OwnTokens
from hoopgate.identity.secrets import SecretSource
from hoopgate.interfaces import IGroupDirectory, IIdentityVerifier
from hoopgate.settings.model import FileDirectory, Issuer, Resource, Settings

OnFailure = Callable[[str], object]


def _nobody_counts(code: str) -> None:
    """The default for ``on_failure``."""


@implementer(IIdentityVerifier)
class IdentityVerifier:
    """Verifies tokens of several issuers.

    :ivar on_failure: called with the code of every refusal, for metrics.
    :ivar own: tokens of the gateway's own; None: it gives none out.
    :ivar spelled: adds to groups how else their names are written, where the directory ignores it.
    """

    log = Logger()

    def __init__(
        self,
        issuers: Sequence[Issuer],
        directory: IGroupDirectory,
        keys: Mapping[str, KeySource],
        *,
        maximum_bytes: int = MAXIMUM_TOKEN_BYTES,
        now: Callable[[], float] = time.time,
        on_failure: OnFailure = _nobody_counts,
        introspectors: Mapping[str, Introspector] | None = None,
    ) -> None:
        """:param keys: the source of keys of each issuer, by the issuer's URL.
        :param introspectors: the same for opaque tokens; one at most, for they name no issuer.
        """
        self._introspectors = dict(introspectors or {})
        self._issuers = {issuer.url: issuer for issuer in issuers}
        self._directory = directory
        self._keys = dict(keys)
        self._maximum_bytes = maximum_bytes
        self._now = now
        self.on_failure = on_failure
        self.own: OwnTokens | None = None
        self.spelled: Callable[[frozenset[str]], frozenset[str]] = lambda groups: groups

    def verify(self, token: str, resource: Resource) -> Deferred[Principal]:
        """Fails with :class:`IdentityRefused` or :class:`DirectoryUnavailable`; nothing else."""
        return self._guarded(self._verify(token, resource))

    def verify_for_exchange(
        self, token: str, resource: Resource
    ) -> Deferred[tuple[Principal, str, str]]:
        """As :meth:`verify`, with issuer and subject of who may act for the token's holder
        (``may_act``, RFC 8693 4.4); both are "" where it says nothing of it."""
        return Deferred.fromCoroutine(self._counted(self._verify_for_exchange(token, resource)))

    def identify(self, token: str) -> Deferred[Principal]:
        """Whose ``token`` is, whatever it may open; fails as :meth:`verify` does."""
        return self._guarded(self._verify(token, None))

    async def _verify_for_exchange(
        self, token: str, resource: Resource
    ) -> tuple[Principal, str, str]:
        principal = await self._verify(token, resource)
        if self._is_opaque(token):
            (introspector,) = self._introspectors.values()
            return principal, *may_act(await introspector.claims(token))
        claims = parse_token(token, self._maximum_bytes).claims
        return principal, *may_act(claims)

    def _is_opaque(self, token: str) -> bool:
        return bool(self._introspectors) and token.count(".") != 2

    async def _introspected(self, token: str) -> Principal:
        if len(token) > self._maximum_bytes:
            raise IdentityRefused("identity.size", "the token is above the size limit")
        ((url, introspector),) = self._introspectors.items()
        claims = await introspector.claims(token)
        return principal_of(claims, self._issuers[url], self._now())

    def recheck(self, principal: Principal, resource: Resource) -> Deferred[Principal]:
        """Expiry, scope and groups again, for a running session; fails as :meth:`verify`."""
        return self._guarded(self._with_groups(principal, resource))

    def stop(self) -> Deferred[None]:
        """End fetches, threads and connections."""
        for source in self._keys.values():
            source.stop()
        stop = getattr(self._directory, "stop", lambda: None)
        return maybeDeferred(stop)

    async def _verify(self, token: str, resource: Resource | None) -> Principal:
        if self._is_opaque(token):
            return await self._with_groups(await self._introspected(token), resource)
        parsed = parse_token(token, self._maximum_bytes)
        # Not verified yet: it only chooses whose keys are tried
        claimed = unverified_issuer(parsed)
        if self.own is not None and claimed == self.own.url:
            name = None if resource is None else resource.name
            return await self._with_groups(self.own.principal(parsed, name), resource)
        issuer = self._issuers.get(claimed)
        if issuer is None:
            raise IdentityRefused("identity.issuer", "the token's issuer is not accepted here")
        kid = check_header(parsed, issuer)
        keys = await self._keys[issuer.url].keys(kid)
        principal = verify_token(parsed, issuer, keys, self._now())
        return await self._with_groups(principal, resource)

    async def _with_groups(self, principal: Principal, resource: Resource | None) -> Principal:
        if principal.expires_at <= self._now():
            raise IdentityRefused("identity.expired", "the token has expired")
        if resource is not None and resource.scope not in principal.scopes:
            raise IdentityRefused(
                "scope.missing",
                f"the token lacks the scope {resource.scope}, which opens {resource.name}",
            )
        groups = self.spelled(await self._directory.groups(principal))
        if principal.expires_at <= self._now():
            raise IdentityRefused("identity.expired", "the token has expired")
        return dataclasses.replace(principal, groups=groups)

    def _guarded(self, work: Any) -> Deferred[Principal]:
        return Deferred.fromCoroutine(self._counted(work))

    async def _counted(self, work: Any) -> Any:
        try:
            principal = await work
        except (IdentityRefused, DirectoryUnavailable) as refused:
            self.on_failure(refused.code)
            raise
        except CancelledError:
            raise  # by our caller, whose client left
        except Exception:  # noqa: BLE001 - the interface promises two errors and no other
            # A bug may close a door, never open one
            self.log.failure("identity check failed")
            self.on_failure("identity.internal")
            raise IdentityRefused("identity.internal", "the identity check failed") from None
        return principal


def make_directory(settings: Settings, reactor: Any) -> IGroupDirectory:
    """The directory the settings name."""
    if isinstance(settings.directory, FileDirectory):
        return FileGroups(settings.directory)
    return LDAPGroups(settings.directory, reactor)


def make_verifier(
    settings: Settings, reactor: Any, on_failure: OnFailure = _nobody_counts
) -> IdentityVerifier:
    """A verifier for all issuers of ``settings``.

    :raises SettingsError: an issuer's ``ca_file`` cannot be used.
    """
    keys = {issuer.url: KeySource(issuer, reactor) for issuer in settings.issuers}
    secrets = SecretSource(reactor)
    introspectors = {
        one.url: Introspector(one, one.introspection, secrets, reactor, time.time)
        for one in settings.issuers
        if one.introspection is not None
    }
    return IdentityVerifier(
        settings.issuers,
        make_directory(settings, reactor),
        keys,
        maximum_bytes=settings.limits.token_bytes,
        on_failure=on_failure,
        introspectors=introspectors,
    )
