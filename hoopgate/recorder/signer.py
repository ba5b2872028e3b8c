"""The log's signing key: a file that only the node may read, in the encoding of Go's ``note``."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import create_secret, read_secret
from hoopgate.recorder.note import ED25519, Checkpoint, Verifier, key_id, sign

_PREFIX = "PRIVATE+KEY+"


class Signer(Protocol):
    """Signs checkpoints of one log.

    :ivar name: the log's origin.
    """

    @property
    def name(self) -> str: ...

    @property
    def verifier(self) -> Verifier: ...

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The signed note of a checkpoint. Blocks.

        :raises RecorderFailed: it cannot be signed.
        """

    def close(self) -> None:
        """Nothing is signed any more."""


class FileSigner:
    """Signs checkpoints of the log ``name`` with an Ed25519 key."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name: str = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self._key.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The signed note of a checkpoint."""
        return sign(str(checkpoint), self.name, self._key).encode()

    def close(self) -> None:
        """See :class:`Signer`."""

    @classmethod
    def create(cls, path: Path, name: str) -> FileSigner:
        """Make a key and its file (mode 0600)."""
        key = Ed25519PrivateKey.generate()
        seed = key.private_bytes_raw()
        tag = key_id(name, key.public_key().public_bytes_raw()).hex()
        text = f"{_PREFIX}{name}+{tag}+{b64encode(ED25519 + seed).decode()}\n"
        create_secret(path, text.encode())
        return cls(name, seed)

    @classmethod
    def load(cls, path: Path) -> FileSigner:
        """:raises BadNote: not such a key. :raises OSError: unreadable, or readable by others."""
        text = read_secret(path).decode("ascii", "replace").strip()
        try:
            if not text.startswith(_PREFIX):
                raise ValueError
            name, tag, encoded = text[len(_PREFIX) :].split("+", 2)
            key = b64decode(encoded, validate=True)
            if key[:1] != ED25519 or len(key) != 33:
                raise ValueError
            signer = cls(name, key[1:])
            if key_id(name, signer.verifier.public).hex() != tag:
                raise ValueError
        except ValueError:
            raise BadNote(f"{path} is not an Ed25519 note key") from None
        return signer
