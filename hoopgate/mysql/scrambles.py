"""Proofs that somebody knows a password: native, SHA-2 and Ed25519, for both ends of a login.

MySQL Internals "Authentication Methods"; MariaDB knowledge base "Authentication Plugin - ed25519".
SHA-1 is the protocol's choice for ``mysql_native_password``, not ours.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl import bindings as sodium

#: Length of an Ed25519 seed: session credentials have passwords of this length.
SEED_BYTES: Final = 32


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


# --- the client's side -------------------------------------------------------------------------


def native(password: bytes, scramble: bytes) -> bytes:
    """The answer of ``mysql_native_password``; empty for no password."""
    if not password:
        return b""
    once = _sha1(password)
    return _xor(once, _sha1(scramble + _sha1(once)))


def sha2(password: bytes, scramble: bytes) -> bytes:
    """The first answer of ``caching_sha2_password``; empty for no password."""
    if not password:
        return b""
    once = _sha256(password)
    return _xor(once, _sha256(_sha256(once) + scramble))


def ed25519(password: bytes, scramble: bytes) -> bytes:
    """The answer of MariaDB's ``client_ed25519``: RFC 8032 with the password as the seed, of
    whatever length."""
    extended = hashlib.sha512(password).digest()
    clamped = bytearray(extended[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    secret = bytes(clamped)
    public = sodium.crypto_scalarmult_ed25519_base_noclamp(secret)
    nonce = sodium.crypto_core_ed25519_scalar_reduce(
        hashlib.sha512(extended[32:] + scramble).digest()
    )
    point = sodium.crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = sodium.crypto_core_ed25519_scalar_reduce(
        hashlib.sha512(point + public + scramble).digest()
    )
    product = sodium.crypto_core_ed25519_scalar_mul(challenge, secret)
    return bytes(point + sodium.crypto_core_ed25519_scalar_add(nonce, product))


# --- the server's side: each takes what is kept of a password ------------------------------------


def native_matches(answer: bytes, scramble: bytes, kept: bytes) -> bool:
    """Whether ``answer`` is of who knows the password whose SHA-1 of SHA-1 is ``kept``."""
    if len(answer) != 20:
        return False
    once = _xor(answer, _sha1(scramble + kept))
    return hmac.compare_digest(_sha1(once), kept)


def sha2_matches(answer: bytes, scramble: bytes, kept: bytes) -> bool:
    """Whether ``answer`` is of who knows the password whose SHA-256 of SHA-256 is ``kept``."""
    if len(answer) != 32:
        return False
    once = _xor(answer, _sha256(kept + scramble))
    return hmac.compare_digest(_sha256(once), kept)


def ed25519_matches(answer: bytes, scramble: bytes, kept: bytes) -> bool:
    """Whether ``answer`` is a signature by the key whose public half is ``kept``."""
    try:
        Ed25519PublicKey.from_public_bytes(kept).verify(answer, scramble)
    except (InvalidSignature, ValueError):
        return False
    return True
