"""Statements that wait hold literals, and literals may be PHI: on disk they are ciphertext.

AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; far below the 2^32 messages that one key
allows. Digests are stored keyed, too: a bare hash of a statement that holds an SSN is a hash of
the SSN, and can be guessed.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hoopgate.errors import HoopgateError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class SealingError(HoopgateError):
    """The key file is unusable, or a ciphertext is not what was sealed."""


class Sealer:
    """Seals and opens by the key in a file.

    :param path: 32 random bytes, mode 0600; made when it does not exist.
    :raises SealingError: the file cannot be read, is readable by others or has another length.
    """

    def __init__(self, path: Path) -> None:
        try:
            key = _read_or_create(path)
        except OSError as error:
            raise SealingError(f"{path}: {error.strerror}") from None
        self._cipher = AESGCM(_derive(key, b"hoopgate approvals seal"))
        self._mac = _derive(key, b"hoopgate approvals commitment")

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt; the result opens only with the same ``context``."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """
        :raises SealingError: changed, or sealed under another key or context.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise SealingError("not what was sealed, or sealed under another key") from None

    def commit(self, data: bytes) -> str:
        """HMAC-SHA-256 (hex): equal for equal data, says nothing to who lacks the key."""
        return hmac.new(self._mac, data, "sha256").hexdigest()


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(key)


def _read_or_create(path: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    # Written aside and linked into place: a crash leaves no short key, of two starters one wins.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, os.urandom(_KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        os.unlink(aside)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return _read(path)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise SealingError(f"{path}: others may read it: run chmod 600 on it")
        key = os.read(descriptor, _KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(key) != _KEY_BYTES:
        raise SealingError(f"{path}: not a key of {_KEY_BYTES} bytes; restore it from a backup")
    return key
