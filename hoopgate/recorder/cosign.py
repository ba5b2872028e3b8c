"""Cosignatures of witnesses (c2sp.org/tlog-cosignature, ``cosignature/v1``, Ed25519).

A witness says with its signature that, as of a time, the checkpoint continues every one of the same
log that it signed before.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import create_secret, read_secret
from hoopgate.recorder.note import Note, Signature, checked_name, decode_base64

COSIGNATURE = b"\x04"  #: signature type identifier
_PREFIX = "PRIVATE+KEY+"
_TIME_BYTES = 8


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + COSIGNATURE + public).digest()[:4]


def _message(time: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _parse(text: str, what: str) -> tuple[str, str, bytes]:
    """Name, tag and key bytes of ``name+hash+base64(0x04 ‖ key)``."""
    try:
        name, tag, encoded = text.strip().split("+", 2)
    except ValueError:
        raise BadNote(f"{what} has the form name+hash+base64") from None
    checked_name(name)
    key = decode_base64(encoded)
    if key[:1] != COSIGNATURE or len(key) != 33:
        raise BadNote(f"{what} is not an Ed25519 key for cosignatures")
    return name, tag, key[1:]


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key, trusted under ``name``."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """Read a verifier key.

        :raises BadNote: not of that form, another algorithm, or a wrong hash.
        """
        name, tag, public = _parse(text, "a witness's verifier key")
        if tag != _key_id(name, public).hex():
            raise BadNote("the verifier key's hash does not match its name and key")
        return cls(name, public)

    @property
    def id(self) -> bytes:
        """The four bytes that stand for it in a signature line."""
        return _key_id(self.name, self.public)

    def __str__(self) -> str:
        key = b64encode(COSIGNATURE + self.public).decode()
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
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(
                signature[_TIME_BYTES:], _message(time, text)
            )
        except InvalidSignature:
            raise BadNote(f"the cosignature of {self.name} is wrong") from None
        return time


class Cosigner:
    """Cosigns with a witness's key, a file that only it may read."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def verifier(self) -> WitnessKey:
        """What others trust."""
        return WitnessKey(self.name, self._key.public_key().public_bytes_raw())

    def cosign(self, text: str, time: int) -> Signature:
        """The signature of a checkpoint's text as of ``time``, seconds since the epoch."""
        signature = time.to_bytes(_TIME_BYTES, "big") + self._key.sign(_message(time, text))
        return Signature(self.name, self.verifier.id, signature)

    @classmethod
    def create(cls, path: Path, name: str) -> Cosigner:
        """Make a key and its file (mode 0600).

        :raises BadNote: not a name for a key.
        """
        checked_name(name)
        cosigner = cls(name, Ed25519PrivateKey.generate().private_bytes_raw())
        tag = cosigner.verifier.id.hex()
        seed = b64encode(COSIGNATURE + cosigner._key.private_bytes_raw()).decode()
        create_secret(path, f"{_PREFIX}{name}+{tag}+{seed}\n".encode())
        return cosigner

    @classmethod
    def load(cls, path: Path) -> Cosigner:
        """:raises BadNote: not such a key. :raises OSError: unreadable, or readable by others."""
        text = read_secret(path).decode("ascii", "replace").strip()
        if not text.startswith(_PREFIX):
            raise BadNote(f"{path} is not a witness's key")
        name, tag, seed = _parse(text[len(_PREFIX) :], str(path))
        cosigner = cls(name, seed)
        if cosigner.verifier.id.hex() != tag:
            raise BadNote(f"{path} is not a witness's key")
        return cosigner
