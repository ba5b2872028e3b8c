"""Keys, settings and tokens that the tests of this room share."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hoopgate.identity.jose import VerificationKey, parse_key_set
from hoopgate.settings.model import Issuer

NOW = 1_800_000_000
URL = "https://issuer.example.org"
ALL_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
ISSUER = Issuer(name="main", url=URL, audiences=("hoopgate",), algorithms=ALL_ALGORITHMS)


@functools.cache
def private_key(kind: str) -> Any:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


_LOADERS: dict[str, Any] = {
    "rsa": jwt.algorithms.RSAAlgorithm,
    "ed2": jwt.algorithms.OKPAlgorithm,
    "p25": jwt.algorithms.ECAlgorithm,
    "p38": jwt.algorithms.ECAlgorithm,
}


def jwk(kind: str, kid: str, **members: Any) -> dict[str, Any]:
    public = private_key(kind).public_key()
    return {**_LOADERS[kind[:3]].to_jwk(public, as_dict=True), "kid": kid, **members}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def standard_key_set() -> bytes:
    return key_set(
        jwk("rsa2048", "r", alg="RS256", use="sig"),
        jwk("p256", "e", use="sig"),
        jwk("ed25519", "d"),
    )


@functools.cache
def keys() -> dict[str, VerificationKey]:
    return parse_key_set(standard_key_set(), ISSUER.algorithms)


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims; a value of None removes one."""
    good = {
        "iss": URL,
        "sub": "agent-7",
        "aud": "hoopgate",
        "iat": NOW - 10,
        "exp": NOW + 600,
        "jti": "one",
        "client_id": "client-7",
        "scope": "pg:clinic pg:other",
        **changed,
    }
    return {name: value for name, value in good.items() if value is not None}


def b64(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign_raw(
    header: bytes | str, payload: bytes | str, kind: str = "p256", algorithm: str = "ES256"
) -> str:
    """Signs exactly these bytes: what no library would."""
    signed = f"{b64(header)}.{b64(payload)}"
    signer = jwt.algorithms.get_default_algorithms()[algorithm]
    return f"{signed}.{b64(signer.sign(signed.encode(), private_key(kind)))}"


def token(
    payload: dict[str, Any] | None = None,
    *,
    kind: str = "p256",
    algorithm: str = "ES256",
    **header: Any,
) -> str:
    """A signed token; header members of None are left out."""
    members = {"alg": algorithm, "typ": "at+jwt", "kid": "e", **header}
    members = {name: value for name, value in members.items() if value is not None}
    return sign_raw(
        json.dumps(members), json.dumps(payload or claims()), kind=kind, algorithm=algorithm
    )


def hmac_token(secret: bytes, **header: Any) -> str:
    """HS256 with any secret, the public key's own bytes among them (CVE-2022-29217)."""
    members = {"alg": "HS256", "typ": "at+jwt", "kid": "e", **header}
    signed = f"{b64(json.dumps(members))}.{b64(json.dumps(claims()))}"
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{b64(mac.finalize())}"


def public_pem(kind: str) -> bytes:
    return bytes(
        private_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
