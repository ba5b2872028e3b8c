"""Cosignatures of witnesses (c2sp.org/tlog-cosignature): Ed25519, and ML-DSA-44 (FIPS 204).

A witness says with its signature that, as of a time, the checkpoint continues every one of the same
log that it signed before. What ML-DSA-44 signs holds against quantum computers, too.
"""

from __future__ import annotations

import os
import struct
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import create_secret, read_secret
from hoopgate.recorder.note import Checkpoint, Note, Signature, checked_name, decode_base64

#: Signature type identifiers, of Ed25519 and of ML-DSA-44, and bytes of their public keys.
COSIGNATURE: Final = b"\x04"
ML_DSA: Final = b"\x06"
_PUBLIC_BYTES = {COSIGNATURE: 32, ML_DSA: 1312}
_PREFIX = "PRIVATE+KEY+"
_TIME_BYTES = 8
_SEED_BYTES = 32
_number = struct.Struct(">Q")


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def _message(kind: bytes, name: str, time: int, text: str) -> bytes:
    """What is signed.

    :raises BadNote: ``text`` is not a checkpoint.
    """
    if kind == COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    checkpoint = Checkpoint.parse(text)
    parts = [b"subtree/v1\n\0", _opaque(name), _number.pack(time), _opaque(checkpoint.origin)]
    return b"".join([*parts, _number.pack(0), _number.pack(checkpoint.size), checkpoint.root])


def _opaque(text: str) -> bytes:
    """``opaque<1..2^8-1>`` of RFC 8446, section 3.4."""
    data = text.encode()
    if not 0 < len(data) < 256:
        raise BadNote("a name has 1 to 255 bytes")
    return bytes([len(data)]) + data


def _parse(text: str, what: str, sizes: dict[bytes, int]) -> tuple[str, str, bytes, bytes]:
    """Name, tag, kind and key bytes of ``name+hash+base64(kind ‖ key)``."""
    try:
        name, tag, encoded = text.strip().split("+", 2)
    except ValueError:
        raise BadNote(f"{what} has the form name+hash+base64") from None
    checked_name(name)
    key = decode_base64(encoded)
    if sizes.get(key[:1]) != len(key) - 1:
        raise BadNote(f"{what} is not an Ed25519 or ML-DSA-44 key for cosignatures")
    return name, tag, key[:1], key[1:]


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key, trusted under ``name``.

    :ivar kind: :data:`COSIGNATURE` or :data:`ML_DSA`.
    """

    name: str
    public: bytes
    kind: bytes = COSIGNATURE

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """Read a verifier key.

        :raises BadNote: not of that form, another algorithm, or a wrong hash.
        """
        name, tag, kind, public = _parse(text, "a witness's verifier key", _PUBLIC_BYTES)
        if tag != _key_id(name, kind, public).hex():
            raise BadNote("the verifier key's hash does not match its name and key")
        return cls(name, public, kind)

    @property
    def id(self) -> bytes:
        """The four bytes that stand for it in a signature line."""
        return _key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        key = b64encode(self.kind + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    def cosigned(self, note: Note) -> int | None:
        """When this witness cosigned ``note``, in seconds since the epoch; None: it did not.

        :raises BadNote: its signature is wrong.
        """
        for signature in note.signatures:
            if (signature.name, signature.id) == (self.name, self.id):
                return self._verify(note.text, signature.signature)
        return None

    def _verify(self, text: str, signature: bytes) -> int:
        time = int.from_bytes(signature[:_TIME_BYTES], "big")
        key: Ed25519PublicKey | MLDSA44PublicKey
        if time >= 2**63:
            raise BadNote(f"the cosignature of {self.name} has no time")
        try:
            if self.kind == ML_DSA:
                key = MLDSA44PublicKey.from_public_bytes(self.public)
            else:
                key = Ed25519PublicKey.from_public_bytes(self.public)
            message = _message(self.kind, self.name, time, text)
            key.verify(signature[_TIME_BYTES:], message)
        except (InvalidSignature, ValueError):
            raise BadNote(f"the cosignature of {self.name} is wrong") from None
        return time


class Cosigner:
    """Cosigns with a witness's key, a file that only it may read."""

    def __init__(self, name: str, seed: bytes, kind: bytes = COSIGNATURE) -> None:
        self.name = name
        self._kind = kind
        self._key: Ed25519PrivateKey | MLDSA44PrivateKey
        if kind == ML_DSA:
            self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        else:
            self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def verifier(self) -> WitnessKey:
        """What others trust."""
        return WitnessKey(self.name, self._key.public_key().public_bytes_raw(), self._kind)

    def cosign(self, text: str, time: int) -> Signature:
        """The signature of a checkpoint's text as of ``time``, seconds since the epoch.

        :raises BadNote: not a checkpoint.
        """
        message = _message(self._kind, self.name, time, text)
        signature = time.to_bytes(_TIME_BYTES, "big") + self._key.sign(message)
        return Signature(self.name, self.verifier.id, signature)

    @classmethod
    def create(cls, path: Path, name: str, kind: bytes = COSIGNATURE) -> Cosigner:
        """Make a key and its file (mode 0600).

        :raises BadNote: not a name for a key.
        """
        checked_name(name)
        cosigner = cls(name, os.urandom(_SEED_BYTES), kind)
        tag = cosigner.verifier.id.hex()
        seed = b64encode(kind + cosigner._key.private_bytes_raw()).decode()
        create_secret(path, f"{_PREFIX}{name}+{tag}+{seed}\n".encode())
        return cosigner

    @classmethod
    def load(cls, path: Path) -> Cosigner:
        """:raises BadNote: not such a key. :raises OSError: unreadable, or readable by others."""
        text = read_secret(path).decode("ascii", "replace").strip()
        if not text.startswith(_PREFIX):
            raise BadNote(f"{path} is not a witness's key")
        sizes = dict.fromkeys(_PUBLIC_BYTES, _SEED_BYTES)
        name, tag, kind, seed = _parse(text[len(_PREFIX) :], str(path), sizes)
        cosigner = cls(name, seed, kind)
        if cosigner.verifier.id.hex() != tag:
            raise BadNote(f"{path} is not a witness's key")
        return cosigner
