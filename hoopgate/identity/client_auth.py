"""How clients of the embedded issuer prove who they are: RFC 6749 2.3, RFC 7523 (OIDC Core 9)."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.threads import deferToThread

from hoopgate.errors import HoopgateError, IdentityRefused
from hoopgate.identity.client_secrets import NOBODY, matches
from hoopgate.identity.issuer_settings import ASSERTION_ALGORITHMS, Client
from hoopgate.identity.jose import algorithm_of, check_signature, is_name, parse_token

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAXIMUM_ASSERTION_BYTES = 8192
MAXIMUM_ASSERTION_LIFETIME = 300
_ASSERTION_LEEWAY = 30
_ASSERTION_TYPES = ("", "jwt", "client-authentication+jwt")
_MAXIMUM_REMEMBERED = 100_000
_MAXIMUM_SECRET = 1024
#: scrypt runs at the same time, and waits
_HASHING, _WAITING = 2, 32

FAILURES_PER_CLIENT, FAILURES_PER_ADDRESS = 5, 30
FAILURE_SECONDS = 60.0


class TokenError(HoopgateError):
    """An error answer of the token endpoint (RFC 6749 5.2).

    :ivar retry_after: seconds, with ``slow_down`` and ``temporarily_unavailable``.
    """

    def __init__(
        self, error: str, description: str, status: int = 400, retry_after: int = 0
    ) -> None:
        super().__init__(description)
        self.error = error
        self.status = status
        self.retry_after = retry_after


class FailureLimiter:
    """Slows guessing down: a few failures a minute for a client from an address.

    Per address, so that nobody can lock a client out from elsewhere. An attempt counts as a
    failure until it succeeds, or parallel guesses would all be free.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def attempt(self, address: str, client_id: str) -> Callable[[], None]:
        """Count an attempt.

        :return: to call when the attempt succeeds.
        :raises TokenError: too many.
        """
        now = self._clock()
        counted = (
            (self._recent((address, client_id), now), FAILURES_PER_CLIENT),
            (self._recent((address, ""), now), FAILURES_PER_ADDRESS),
        )
        for times, limit in counted:
            if len(times) >= limit:
                raise TokenError(
                    "slow_down",
                    "too many failed attempts",
                    429,
                    retry_after=int(times[0] + FAILURE_SECONDS - now) + 1,
                )
        for times, _ in counted:
            times.append(now)

        def succeeded() -> None:
            for times, _ in counted:
                if now in times:
                    times.remove(now)

        return succeeded

    def _recent(self, key: tuple[str, str], now: float) -> list[float]:
        times = self._failures.setdefault(key, [])
        times[:] = [time for time in times if now - time < FAILURE_SECONDS]
        self._failures.move_to_end(key)
        while len(self._failures) > _MAXIMUM_REMEMBERED:
            self._failures.popitem(last=False)
        return times


class ReplayCache:
    """Remembers the ``jti`` of each assertion until it has expired (RFC 7523 3, point 7)."""

    def __init__(self) -> None:
        self._expiry: OrderedDict[tuple[str, str], float] = OrderedDict()

    def use(self, client_id: str, token_id: str, expires_at: float, now: float) -> bool:
        """True the first time. Full of live entries it refuses: forgetting would allow a replay."""
        key = (client_id, token_id)
        if key in self._expiry and self._expiry[key] > now:
            return False
        if len(self._expiry) >= _MAXIMUM_REMEMBERED:
            live = {key: until for key, until in self._expiry.items() if until > now}
            self._expiry = OrderedDict(live)
            if len(live) >= _MAXIMUM_REMEMBERED:
                return False
        self._expiry[key] = expires_at
        return True


class ClientAuthenticator:
    """Finds out which client asks."""

    def __init__(
        self, clients: Mapping[str, Client], audiences: frozenset[str], clock: Callable[[], float]
    ) -> None:
        """:param audiences: what an assertion's ``aud`` may be: the issuer, its token endpoint."""
        self._clients = clients
        self._audiences = audiences
        self._clock = clock
        self._limiter = FailureLimiter(clock)
        self._replays = ReplayCache()
        self._hashing = DeferredSemaphore(_HASHING)

    async def authenticate(
        self, authorization: bytes | None, form: Mapping[str, str], address: str
    ) -> Client:
        """The client, when exactly one method was used and proves it.

        :raises TokenError: ``invalid_client``, ``invalid_request``, ``slow_down``,
            ``temporarily_unavailable``.
        """
        assertion = "client_assertion" in form or "client_assertion_type" in form
        methods = [authorization is not None, "client_secret" in form, assertion]
        if sum(methods) != 1:
            raise TokenError(
                "invalid_client" if not any(methods) else "invalid_request",
                "authenticate by exactly one of client_secret_basic, client_secret_post and "
                "private_key_jwt",
                401 if not any(methods) else 400,
            )
        if assertion:
            return self._by_assertion(form, address)
        if authorization is not None:
            client_id, secret = _basic(authorization)
            if form.get("client_id", client_id) != client_id:
                raise _invalid_client()
        else:
            client_id, secret = form.get("client_id", ""), form["client_secret"]
        return await self._by_secret(client_id, secret, address)

    async def _by_secret(self, client_id: str, secret: str, address: str) -> Client:
        client = self._clients.get(client_id)
        stored = client.secret_hash if client is not None else None
        succeeded = self._limiter.attempt(address, client_id if client is not None else "?")
        if len(secret) > _MAXIMUM_SECRET:
            raise _invalid_client()
        if len(self._hashing.waiting) >= _WAITING:
            raise TokenError("temporarily_unavailable", "too many log-ins at once", 503, 1)
        right = await self._hashing.run(deferToThread, matches, secret, stored or NOBODY)
        if client is None or stored is None or not right:
            raise _invalid_client()
        succeeded()
        return client

    def _by_assertion(self, form: Mapping[str, str], address: str) -> Client:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError("invalid_request", "unknown client_assertion_type")
        try:
            token = parse_token(form.get("client_assertion", ""), MAXIMUM_ASSERTION_BYTES)
            claimed = token.claims.get("sub")
            client = self._clients.get(claimed) if isinstance(claimed, str) else None
            succeeded = self._limiter.attempt(address, client.id if client is not None else "?")
            kind = token.header.get("typ", "")
            if client is None or not isinstance(kind, str) or kind.lower() not in _ASSERTION_TYPES:
                raise _invalid_client()
            algorithm = algorithm_of(token, ASSERTION_ALGORITHMS)
            self._check_any_signature(token, client, algorithm)
        except IdentityRefused:
            raise _invalid_client() from None
        self._check_claims(token.claims, client, form)
        succeeded()
        return client

    def _check_any_signature(self, token: Any, client: Client, algorithm: str) -> None:
        for key in client.public_keys:
            if algorithm in key.algorithms:
                try:
                    return check_signature(token, key)
                except IdentityRefused:
                    continue
        raise _invalid_client()

    def _check_claims(
        self, claims: Mapping[str, Any], client: Client, form: Mapping[str, str]
    ) -> None:
        now = self._clock()
        expires_at, audience = claims.get("exp"), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if (
            claims.get("iss") != client.id
            or form.get("client_id", client.id) != client.id
            or len(audiences) != 1
            or not isinstance(audiences[0], str)
            or audiences[0] not in self._audiences
            or type(expires_at) is not int
            or not now < expires_at <= now + MAXIMUM_ASSERTION_LIFETIME + _ASSERTION_LEEWAY
            or not all(_is_past(claims[name], now) for name in ("iat", "nbf") if name in claims)
            or not is_name(claims.get("jti"))
            or not self._replays.use(client.id, claims["jti"], expires_at, now)
        ):
            raise _invalid_client()


def _is_past(value: object, now: float) -> bool:
    return type(value) is int and value <= now + _ASSERTION_LEEWAY


def _invalid_client() -> TokenError:
    """One answer for every reason: it must not tell a guesser how close he is."""
    return TokenError("invalid_client", "client authentication failed", 401)


def _basic(authorization: bytes) -> tuple[str, str]:
    """Client id and secret of HTTP Basic, form-encoded inside (RFC 6749 2.3.1)."""
    scheme, _, encoded = authorization.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = pair.partition(":")
        if not colon:
            raise ValueError
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        raise _invalid_client() from None
