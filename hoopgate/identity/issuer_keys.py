"""The embedded issuer's signing keys: a private file, created at first start, rotated on demand.

The file is a JWK Set (RFC 7517 5) with private keys; two members are ours: ``created`` and
``retired``, seconds since the epoch. A retired key signs nothing, and stays published until the
last token it signed has expired.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from hoopgate.errors import Refused, SettingsError
from hoopgate.identity.jose import JSONRefused, encode_base64url, is_name, strict_json
from hoopgate.identity.secrets import read_private_file

ALGORITHM = "ES256"
MAXIMUM_LIFETIME = 900
#: A retired key is published for a token's life and the leeway of those who verify it.
_PUBLISHED_AFTER_RETIREMENT = MAXIMUM_LIFETIME + 60
_ES256 = jwt.algorithms.ECAlgorithm


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638, SHA-256, of an EC key."""
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":"))
    return encode_base64url(hashlib.sha256(canonical.encode()).digest())


def _generate(now: float) -> dict[str, Any]:
    private_key = ec.generate_private_key(ec.SECP256R1())
    jwk: dict[str, Any] = _ES256.to_jwk(private_key, as_dict=True)
    return {
        **jwk,
        "kid": thumbprint(jwk),
        "alg": ALGORITHM,
        "use": "sig",
        "created": int(now),
        "retired": None,
    }


class SigningKeys:
    """The keys in one file. Reads the file again when it was changed (by a rotation)."""

    def __init__(self, path: Path) -> None:
        """Read the keys; create them where the file does not exist.

        :raises SettingsError: the file cannot be read, written or understood.
        """
        self._path = path
        self._keys: list[dict[str, Any]] = []
        self._private_key: Any = None
        self._version: tuple[int, int, int] | None = None
        with self._locked():
            if not path.exists():
                self._write([_generate(time.time())])
        self.reload()

    @property
    def kid(self) -> str:
        """Identifies the key that signs now."""
        return str(self._signing_jwk()["kid"])

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """A compact JWS of ``claims`` with ``kind`` as its ``typ``."""
        return jwt.encode(
            claims,
            self._private_key,
            algorithm=ALGORITHM,
            headers={"typ": kind, "kid": self.kid},
        )

    def public_set(self, now: float) -> dict[str, Any]:
        """The JWK Set to publish."""
        public = ("kty", "crv", "x", "y", "kid", "alg", "use")
        return {
            "keys": [{name: jwk[name] for name in public} for jwk in _published(self._keys, now)]
        }

    def rotate(self, now: float) -> str:
        """Retire the signing key and make a new one; its kid.

        :raises SettingsError: the file cannot be written.
        """
        with self._locked():
            self.reload()
            kept = [
                {**jwk, "retired": int(now) if jwk["retired"] is None else jwk["retired"]}
                for jwk in _published(self._keys, now)
            ]
            self._write([*kept, _generate(now)])
        self.reload()
        return self.kid

    def reload(self) -> None:
        """Read the file when it is not the one that was read last.

        :raises SettingsError: the file cannot be read or understood.
        """
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version == self._version:
                return
            keys = _checked(read_private_file(self._path))
        except (OSError, Refused, JSONRefused, ValueError) as error:
            raise SettingsError([f"{self._path}: key_file: {error}"]) from None
        self._keys = keys
        self._private_key = _ES256.from_jwk(self._signing_jwk())
        self._version = version

    def _signing_jwk(self) -> dict[str, Any]:
        return next(jwk for jwk in reversed(self._keys) if jwk["retired"] is None)

    def _write(self, keys: list[dict[str, Any]]) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                json.dump({"keys": keys}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise SettingsError([f"{self._path}: key_file: {error.strerror}"]) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two rotations, or two first starts, at once must not lose a key."""
        try:
            descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise SettingsError([f"{self._path}: key_file: {error.strerror}"]) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _published(keys: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    return [
        jwk
        for jwk in keys
        if jwk["retired"] is None or now < jwk["retired"] + _PUBLISHED_AFTER_RETIREMENT
    ]


def _checked(data: bytes) -> list[dict[str, Any]]:
    keys = strict_json(data).get("keys")
    if not isinstance(keys, list) or not keys:
        raise ValueError("holds no keys")
    for jwk in keys:
        if (
            not isinstance(jwk, dict)
            or not is_name(jwk.get("kid"))
            or jwk.get("alg") != ALGORITHM
            or not isinstance(jwk.get("retired", ""), int | None)
        ):
            raise ValueError("is not a key file of hoopgate issuer")
        try:
            private = _ES256.from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y", "d")})
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise ValueError("holds a key that is not ES256") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("holds a key without its private part")
    if all(jwk["retired"] is not None for jwk in keys):
        raise ValueError("holds retired keys only; run hoopgate issuer rotate")
    return keys
