"""What a person let a client have at the embedded issuer, and the tokens that renew it.

Refresh tokens (RFC 6749 6) are good once: with each use comes another one, and one that is used a
second time ends all that came of the same log-in (RFC 9700 4.14.2). They are in memory, as hashes:
a restart of the issuer ends them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from hoopgate.identity.client_auth import TokenError
from hoopgate.identity.issuer_settings import Client

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What tokens may be issued.

    :ivar person: whose tokens they are.
    :ivar nonce: for the ID token; "" where there was none.
    """

    client: Client
    person: Client
    scopes: frozenset[str]
    resource: str
    nonce: str = ""


@dataclass(slots=True)
class _LogIn:
    """One log-in and its line of refresh tokens.

    :ivar current: hash of the one that is good.
    :ivar used: hashes of those before it.
    """

    grant: Grant
    ends_at: float
    current: bytes = field(repr=False)
    used: list[bytes] = field(repr=False, default_factory=list)


class RefreshTokens:
    """The refresh tokens that are out.

    :param now: seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._log_ins: OrderedDict[bytes, _LogIn] = OrderedDict()  # by every hash of theirs

    def begin(self, grant: Grant) -> str | None:
        """The first refresh token of a log-in; None where its client gets none."""
        if grant.client.refresh <= 0:
            return None
        self._tidy()
        token = secrets.token_urlsafe(32)
        hashed = _hash(token)
        self._log_ins[hashed] = _LogIn(grant, self._now() + grant.client.refresh, hashed)
        return token

    def use(self, client: Client, token: str, scopes: frozenset[str]) -> tuple[Grant, str]:
        """What ``token`` stands for, and the token that takes its place.

        :param scopes: asked for; empty: those of the log-in.
        :raises TokenError: ``invalid_grant``, ``invalid_scope``.
        """
        hashed = _hash(token)
        found = self._log_ins.get(hashed)
        if found is None or found.grant.client is not client or found.ends_at <= self._now():
            raise _invalid()
        if hashed != found.current:
            self._forget(found)
            raise _invalid()
        if not scopes <= found.grant.scopes:
            raise TokenError("invalid_scope", "the log-in was for other scopes")
        new = secrets.token_urlsafe(32)
        found.used.append(hashed)
        found.current = _hash(new)
        self._log_ins[found.current] = found
        return replace(found.grant, scopes=scopes or found.grant.scopes, nonce=""), new

    def revoke(self, client: Client, token: str) -> None:
        """End the log-in that ``token`` belongs to (RFC 7009); nothing where there is none."""
        found = self._log_ins.get(_hash(token))
        if found is not None and found.grant.client is client:
            self._forget(found)

    def _forget(self, log_in: _LogIn) -> None:
        for hashed in (log_in.current, *log_in.used):
            self._log_ins.pop(hashed, None)

    def _tidy(self) -> None:
        now = self._now()
        for one in [one for one in self._log_ins.values() if one.ends_at <= now]:
            self._forget(one)
        while len(self._log_ins) >= _MOST:
            self._forget(next(iter(self._log_ins.values())))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _invalid() -> TokenError:
    return TokenError("invalid_grant", "the refresh token is unknown, used, expired or another's")
