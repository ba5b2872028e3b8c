"""Verification of OIDC access tokens: RFC 9068, RFC 8725, RFC 8693 ``act``. Pure: no I/O, no clock.

PROTOCOLS.md E1 and E2 are the checklist. Keys come from the issuer's settings only: ``jwk``,
``jku``, ``x5u`` and ``x5c`` in a token's header are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.jose import (
    MAXIMUM_TOKEN_BYTES,
    UnverifiedToken,
    VerificationKey,
    algorithm_of,
    check_signature,
    is_name,
    kid_of,
    parse_token,
)
from hoopgate.settings.model import Issuer

MAXIMUM_LEEWAY = 60.0
MAXIMUM_ACTORS = 8
_MAXIMUM_AUDIENCES = 16
_MAXIMUM_SCOPES = 256
#: Claims of tokens that prove something else: ID tokens (OIDC Core 2), logout tokens
#: (Back-Channel Logout 2.4), security events (RFC 8417).
FOREIGN_CLAIMS = ("nonce", "at_hash", "c_hash", "s_hash", "events", "toe")
#: Issuers that sign every kind of token as ``typ: JWT`` tell them apart by these claims.
_KIND_CLAIMS = ("typ", "token_use")
_FOREIGN_KINDS = frozenset({"id", "refresh", "offline", "logout", "id_token", "refresh_token"})


def unverified_issuer(token: UnverifiedToken) -> str:
    """``iss`` before verification: good for choosing whose keys are tried, for nothing else.

    :raises IdentityRefused: ``identity.claims``.
    """
    issuer = token.claims.get("iss")
    if not is_name(issuer, 2048):
        raise IdentityRefused("identity.claims", "the token has no issuer (iss)")
    return str(issuer)


def check_header(token: UnverifiedToken, issuer: Issuer) -> str:
    """What the header alone decides; done before any key is fetched.

    :return: the ``kid``.
    :raises IdentityRefused: ``identity.type``, ``identity.algorithm``, ``identity.key``.
    """
    kind = token.header.get("typ", "")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in issuer.types:
        raise IdentityRefused("identity.type", "the token is not an access token (typ)")
    algorithm_of(token, issuer.algorithms)
    return kid_of(token)


def verify_token(
    token: str | UnverifiedToken,
    issuer: Issuer,
    keys: Mapping[str, VerificationKey],
    now: float,
    maximum_bytes: int = MAXIMUM_TOKEN_BYTES,
) -> Principal:
    """Verify an access token of ``issuer``.

    ``exp`` is exact: a session would end at it anyway. ``issuer.leeway`` (60 s at most) is for
    ``iat`` and ``nbf``.

    :param keys: the issuer's keys by ``kid``.
    :param now: seconds since the epoch.
    :raises IdentityRefused: see ``docs/issuer.md`` for the codes.
    """
    parsed = parse_token(token, maximum_bytes) if isinstance(token, str) else token
    kid = check_header(parsed, issuer)
    key = keys.get(kid)
    if key is None:
        raise IdentityRefused("identity.key", "the token's signing key is unknown to its issuer")
    check_signature(parsed, key)
    return principal_of(parsed.claims, issuer, now)


def principal_of(claims: Mapping[str, Any], issuer: Issuer, now: float) -> Principal:
    """Whom verified claims name.

    :raises IdentityRefused: they are not what an access token for us has.
    """
    if claims.get("iss") != issuer.url:
        raise IdentityRefused("identity.issuer", "the token is from another issuer")
    _check_kind(claims)
    expires_at = _check_times(claims, issuer, now)
    _check_audience(claims, issuer)
    if "cnf" in claims:
        raise IdentityRefused(
            "identity.bound", "the token is bound to a key (cnf) whose possession is not proven"
        )
    _name(claims, "sub")  # required also where another claim names the subject
    subject = _name(claims, issuer.subject_claim)
    if issuer.subjects and not any(fnmatchcase(subject, one) for one in issuer.subjects):
        raise IdentityRefused("identity.subject", "the token's subject is not accepted here")
    return Principal(
        issuer=issuer.url,
        subject=subject,
        scopes=_scopes(claims.get(issuer.scope_claim)) | issuer.scopes,
        expires_at=float(expires_at),
        actors=actor_chain(claims),
        owner=_optional_name(claims, issuer.owner_claim) if issuer.owner_claim else "",
        client_id=_optional_name(claims, "client_id") or _optional_name(claims, "azp"),
        token_id=_optional_name(claims, "jti"),
    )


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not is_name(value):
        raise IdentityRefused("identity.claims", f"the token has no usable claim {claim}")
    return str(value)


def _optional_name(claims: Mapping[str, Any], claim: str) -> str:
    return _name(claims, claim) if claim in claims else ""


def _check_kind(claims: Mapping[str, Any]) -> None:
    foreign = any(claim in claims for claim in FOREIGN_CLAIMS)
    kinds = (claims.get(claim) for claim in _KIND_CLAIMS)
    if foreign or any(isinstance(kind, str) and kind.lower() in _FOREIGN_KINDS for kind in kinds):
        raise IdentityRefused("identity.type", "the token is not an access token")


def _seconds(claims: Mapping[str, Any], claim: str) -> int:
    value = claims.get(claim)
    # bool is an int to Python, and a float would let 10^300 in
    if type(value) is not int or not 0 < value < 2**53:
        raise IdentityRefused("identity.claims", f"the token's {claim} is missing or not a time")
    return value


def _check_times(claims: Mapping[str, Any], issuer: Issuer, now: float) -> int:
    leeway = min(issuer.leeway, MAXIMUM_LEEWAY)
    expires_at, issued_at = _seconds(claims, "exp"), _seconds(claims, "iat")
    if expires_at <= now:
        raise IdentityRefused("identity.expired", "the token has expired")
    if issued_at > now + leeway:
        raise IdentityRefused("identity.not_yet", "the token was issued in the future")
    if "nbf" in claims and _seconds(claims, "nbf") > now + leeway:
        raise IdentityRefused("identity.not_yet", "the token is not valid yet")
    if not 0 < expires_at - issued_at <= issuer.maximum_lifetime:
        raise IdentityRefused(
            "identity.lifetime",
            f"the token lives longer than the {issuer.maximum_lifetime:g} seconds allowed",
        )
    return expires_at


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    claimed = claims.get("aud")
    audiences = claimed if isinstance(claimed, list) else [claimed]
    if len(audiences) > _MAXIMUM_AUDIENCES or not all(is_name(name, 2048) for name in audiences):
        raise IdentityRefused("identity.claims", "the token's aud is missing or not a name")
    if not set(issuer.audiences).intersection(audiences):
        raise IdentityRefused("identity.audience", "the token is meant for another service (aud)")
    party = _optional_name(claims, "azp")
    if len(audiences) > 1:
        # Which of several parties asked for it must be said (OIDC Core 3.1.3.7), and only once.
        client = _optional_name(claims, "client_id")
        if not party or (client and client != party):
            raise IdentityRefused(
                "identity.audience", "the token has several audiences and no matching azp"
            )


def _scopes(value: object) -> frozenset[str]:
    words = value.split(" ") if isinstance(value, str) else value
    if words is None:
        return frozenset()
    if (
        not isinstance(words, list)
        or len(words) > _MAXIMUM_SCOPES
        or not all(word == "" or is_name(word) for word in words)
    ):
        raise IdentityRefused("identity.claims", "the token's scopes are not a list of names")
    return frozenset(words) - {""}


def actor_chain(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Subjects of the ``act`` chain, the current actor first (RFC 8693 4.1).

    :raises IdentityRefused: ``identity.actor``.
    """
    actors: list[str] = []
    holder: Mapping[str, Any] = claims
    while "act" in holder:
        link = holder["act"]
        if (
            len(actors) >= MAXIMUM_ACTORS
            or not isinstance(link, dict)
            or not is_name(link.get("sub"))
        ):
            raise IdentityRefused("identity.actor", "the token's act chain is too long or broken")
        actors.append(link["sub"])
        holder = link
    return tuple(actors)


def may_act(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Issuer and subject of who may act for the token's holder (RFC 8693 4.4).

    :return: two empty strings where there is no such claim; the issuer is "" where only the
        subject is said.
    :raises IdentityRefused: ``identity.actor``.
    """
    if "may_act" not in claims:
        return "", ""
    named = claims["may_act"]
    issuer = named.get("iss", "") if isinstance(named, dict) else None
    if not isinstance(named, dict) or not is_name(named.get("sub")) or not isinstance(issuer, str):
        raise IdentityRefused("identity.actor", "the token's may_act names nobody")
    return issuer, str(named["sub"])
