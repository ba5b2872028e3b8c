"""Client secrets as the embedded issuer stores them: scrypt hashes (RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re

from hoopgate.identity.jose import decode_base64url, encode_base64url

#: About 50 ms and 16 MiB: verified on threads, a few at a time.
_LOG_N, _R, _P = 14, 8, 1
_FORMAT = re.compile(r"scrypt:ln=(\d{1,2}),r=(\d{1,2}),p=(\d):([A-Za-z0-9_-]+):([A-Za-z0-9_-]+)")
_MAXIMUM_MEMORY = 256 * 2**20


def new_secret() -> str:
    """A secret of 256 bits for a client."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def hash_secret(secret: str) -> str:
    """The line for ``secret_hash`` in issuer.toml."""
    salt = os.urandom(16)
    return _stored(salt, _derive(secret, salt, _LOG_N, _R, _P, 32))


def is_hash(text: str) -> bool:
    """True for what :func:`hash_secret` gives, with parameters neither weak nor ruinous."""
    match = _FORMAT.fullmatch(text)
    if match is None:
        return False
    log_n, r, p = int(match[1]), int(match[2]), int(match[3])
    try:
        salt, digest = decode_base64url(match[4]), decode_base64url(match[5])
    except ValueError:
        return False
    return (
        14 <= log_n <= 17 and r == 8 and 1 <= p <= 4 and len(salt) >= 16 and 32 <= len(digest) <= 64
    )


def matches(secret: str, stored: str) -> bool:
    """True when ``stored`` is the hash of ``secret``. Takes about 50 ms: not for the reactor.

    :raises ValueError: ``stored`` is not a hash of ours.
    """
    match = _FORMAT.fullmatch(stored)
    if match is None:
        raise ValueError("not a hash of hoopgate issuer")
    salt, digest = decode_base64url(match[4]), decode_base64url(match[5])
    derived = _derive(secret, salt, int(match[1]), int(match[2]), int(match[3]), len(digest))
    return hmac.compare_digest(derived, digest)


def _derive(secret: str, salt: bytes, log_n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(
        secret.encode(),
        salt=salt,
        n=2**log_n,
        r=r,
        p=p,
        maxmem=_MAXIMUM_MEMORY,
        dklen=length,
    )


def _stored(salt: bytes, digest: bytes) -> str:
    parameters = f"ln={_LOG_N},r={_R},p={_P}"
    return f"scrypt:{parameters}:{encode_base64url(salt)}:{encode_base64url(digest)}"


#: Compared with when there is no such client, so that the answer takes as long.
NOBODY = _stored(os.urandom(16), os.urandom(32))
