"""JSON Web Tokens and keys, read strictly: what PyJWT alone would let pass is refused in here.

Pure: no I/O, no clock. PyJWT checks signatures only, each with one key and one algorithm chosen by
us; the token never chooses (RFC 8725 3.1). Messages never quote a token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from hoopgate.errors import IdentityRefused

MAXIMUM_TOKEN_BYTES = 65_536
MAXIMUM_KEYS = 64
MINIMUM_RSA_BITS = 2048
#: Verifying costs time quadratic in the modulus: a key set may not make logins slow.
MAXIMUM_RSA_BITS = 8192

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
#: Every algorithm that can be pinned. HS* and none are not among them, whatever the settings say.
ALGORITHMS = _RSA_ALGORITHMS | frozenset(_CURVE_ALGORITHMS.values()) | {"EdDSA"}

#: Characters of base64url in a JWK's members: a huge exponent makes verifying slow as well.
_LONGEST = {"n": MAXIMUM_RSA_BITS // 6 + 2, "e": 8}

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SIGNATURES = {
    name: jwt.PyJWS(algorithms=[name], options={"enforce_minimum_key_length": True})
    for name in sorted(ALGORITHMS)
}


class JSONRefused(ValueError):
    """The bytes are not one JSON object that every parser would read alike."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JSONRefused("a member appears twice")
    return members


def _no_constant(name: str) -> Any:
    raise JSONRefused(f"{name} is not JSON")


def strict_json(data: bytes) -> dict[str, Any]:
    """One JSON object without duplicate members, NaN or broken UTF-8 (RFC 8725 2.6, RFC 8259 4).

    :raises JSONRefused: anything else.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except JSONRefused:
        raise
    except (ValueError, RecursionError):
        # ``from None`` here and below: the parser's own errors quote what they parsed
        raise JSONRefused("not JSON") from None
    if not isinstance(value, dict):
        raise JSONRefused("not a JSON object")
    return value


def decode_base64url(text: str) -> bytes:
    """Base64url without padding, canonical: one byte string has one spelling (RFC 7515 2).

    :raises ValueError: not canonical base64url.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not canonical base64url")
    return data


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def is_name(value: object, limit: int = 256) -> bool:
    """True for a non-empty string that can be logged and compared: no control characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= limit
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)
    )


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token taken apart. Nothing in it may be believed before :func:`check_signature`."""

    compact: str = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def parse_token(compact: str, maximum_bytes: int = MAXIMUM_TOKEN_BYTES) -> UnverifiedToken:
    """Take a compact JWS apart (RFC 7515 3.1).

    :raises IdentityRefused: ``identity.size``, ``identity.encrypted``, ``identity.malformed``,
        ``identity.header``.
    """
    if len(compact) > maximum_bytes:
        raise IdentityRefused("identity.size", f"the token is longer than {maximum_bytes} bytes")
    if _COMPACT.fullmatch(compact) is None:
        if compact.count(".") == 4:
            raise IdentityRefused("identity.encrypted", "encrypted tokens (JWE) are not accepted")
        raise IdentityRefused("identity.malformed", "the credential is not a signed JSON Web Token")
    header_segment, claims_segment, signature_segment = compact.split(".")
    try:
        header = strict_json(decode_base64url(header_segment))
        claims = strict_json(decode_base64url(claims_segment))
        decode_base64url(signature_segment)
    except ValueError:
        raise IdentityRefused(
            "identity.malformed", "the token is not well-formed base64url and JSON"
        ) from None
    # We understand no critical extension (RFC 7515 4.1.11); b64 and zip would change what is signed
    if "crit" in header or "b64" in header or "zip" in header:
        raise IdentityRefused("identity.header", "the token's header asks for an extension")
    return UnverifiedToken(compact, header, claims)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key of an issuer, with the algorithms it may be used with.

    :ivar algorithms: already narrowed to what the issuer's settings pin.
    """

    kid: str
    algorithms: frozenset[str]
    public_key: PublicKey = field(repr=False)


def _algorithms_of(public_key: PublicKey) -> frozenset[str]:
    if isinstance(public_key, RSAPublicKey):
        return _RSA_ALGORITHMS
    if isinstance(public_key, Ed25519PublicKey):
        return frozenset({"EdDSA"})
    curves = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
    return frozenset({curves[public_key.curve.name]} if public_key.curve.name in curves else ())


def verification_key(
    kid: str, public_key: object, algorithms: Sequence[str]
) -> VerificationKey | None:
    """A key pinned to ``algorithms``; None when it is too weak or fits none of them."""
    if not isinstance(public_key, PublicKey):
        return None
    if isinstance(public_key, RSAPublicKey) and not (
        MINIMUM_RSA_BITS <= public_key.key_size <= MAXIMUM_RSA_BITS
    ):
        return None
    fitting = _algorithms_of(public_key) & ALGORITHMS & frozenset(algorithms)
    return VerificationKey(kid, fitting, public_key) if fitting else None


def _load_public_key(jwk: Mapping[str, Any]) -> object:
    """The key object of a JWK (RFC 7518 6), None when it is not one of ours."""
    public_only = {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}
    if not all(
        isinstance(value, str) and len(value) <= _LONGEST.get(name, _LONGEST["n"])
        for name, value in public_only.items()
    ):
        return None
    loaders: Mapping[Any, Any] = {
        "RSA": jwt.algorithms.RSAAlgorithm.from_jwk,
        "EC": jwt.algorithms.ECAlgorithm.from_jwk,
        "OKP": jwt.algorithms.OKPAlgorithm.from_jwk,
    }
    loader = loaders.get(public_only.get("kty"))
    if loader is None:
        return None
    try:
        return loader(public_only)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, UnsupportedAlgorithm):
        return None


def _key_of(jwk: object, algorithms: Sequence[str]) -> VerificationKey | None:
    if not isinstance(jwk, dict) or not is_name(jwk.get("kid")):
        return None
    if jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if any(name in jwk for name in ("d", "k", "p", "q")):
        return None  # a private key that was published signs for anyone who read it
    pinned = algorithms
    if "alg" in jwk:
        if jwk["alg"] not in algorithms:
            return None
        pinned = (jwk["alg"],)
    return verification_key(jwk["kid"], _load_public_key(jwk), pinned)


def parse_key_set(data: bytes, algorithms: Sequence[str]) -> dict[str, VerificationKey]:
    """The usable signature keys of a JWK Set (RFC 7517 5), by kid.

    A key that is unknown, weak, for another use, or whose kid appears twice is left out.

    :raises JSONRefused: not a JWK Set, or one with more than :data:`MAXIMUM_KEYS` keys.
    """
    listed = strict_json(data).get("keys")
    if not isinstance(listed, list) or len(listed) > MAXIMUM_KEYS:
        raise JSONRefused("not a JWK Set of acceptable size")
    keys: dict[str, VerificationKey] = {}
    kids = [jwk.get("kid") for jwk in listed if isinstance(jwk, dict)]
    for jwk in listed:
        key = _key_of(jwk, algorithms)
        if key is not None and kids.count(key.kid) == 1:
            keys[key.kid] = key
    return keys


def algorithm_of(token: UnverifiedToken, algorithms: Sequence[str]) -> str:
    """The header's ``alg``, when it is pinned.

    :raises IdentityRefused: ``identity.algorithm``.
    """
    algorithm = token.header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS.intersection(algorithms):
        raise IdentityRefused(
            "identity.algorithm", "the token's signature algorithm is not one that is accepted here"
        )
    return algorithm


def kid_of(token: UnverifiedToken) -> str:
    """The header's ``kid``.

    :raises IdentityRefused: ``identity.key``.
    """
    kid = token.header.get("kid")
    if not is_name(kid):
        raise IdentityRefused("identity.key", "the token does not name its signing key (kid)")
    return str(kid)


def check_signature(token: UnverifiedToken, key: VerificationKey) -> None:
    """Verify the token's signature with one key and the one algorithm both agree on.

    :raises IdentityRefused: ``identity.algorithm``, ``identity.signature``.
    """
    algorithm = algorithm_of(token, tuple(key.algorithms))
    try:
        _SIGNATURES[algorithm].decode_complete(
            token.compact, key.public_key, algorithms=[algorithm]
        )
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityRefused(
            "identity.signature", "the token's signature does not verify with its issuer's key"
        ) from None
