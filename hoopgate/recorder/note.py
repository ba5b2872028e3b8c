"""Signed notes (c2sp.org/signed-note) and checkpoints (c2sp.org/tlog-checkpoint), Ed25519 only.

Keys use the encodings of Go's ``golang.org/x/mod/sumdb/note``: a verifier key is
``name+hhhhhhhh+base64(0x01 ‖ key)``, so that its tools read ours.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hoopgate.recorder.errors import BadNote

ED25519 = b"\x01"  #: signature type identifier
NOTE_BYTES = 65_536  #: notes above are refused: room for far more than 16 cosignatures
_SIGNATURES = 100


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that stand for an Ed25519 key in a signature line."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def checked_name(name: str) -> None:
    """:raises BadNote: not a name for a key."""
    if not name or "+" in name or any(c.isspace() or ord(c) < 32 for c in name):
        raise BadNote("a key name is not empty and holds neither spaces nor '+'")


def decode_base64(text: str) -> bytes:
    """Decode canonical base64: two spellings of one signature would be a place to hide in."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64") from None
    if b64encode(data).decode() != text:
        raise BadNote("base64 with stray bits")
    return data


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key that is trusted under ``name``."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read a verifier key.

        :raises BadNote: not of the form ``name+hash+base64``, another algorithm, or a wrong hash.
        """
        try:
            name, tag, encoded = text.strip().split("+", 2)
        except ValueError:
            raise BadNote("a verifier key has the form name+hash+base64") from None
        checked_name(name)
        key = decode_base64(encoded)
        if key[:1] != ED25519 or len(key) != 33:
            raise BadNote("the verifier key is not an Ed25519 key")
        if tag != key_id(name, key[1:]).hex():
            raise BadNote("the verifier key's hash does not match its name and key")
        return cls(name, key[1:])

    def __str__(self) -> str:
        key = b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{key_id(self.name, self.public).hex()}+{key}"

    def verify(self, text: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: ``— name base64(id ‖ signature)``."""

    name: str
    id: bytes
    signature: bytes

    def line(self) -> str:
        return f"— {self.name} {b64encode(self.id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """:raises BadNote: malformed or oversized."""
        if len(data) > NOTE_BYTES:
            raise BadNote("the note is too large")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise BadNote("the note is not UTF-8") from None
        if any(ord(c) < 32 and c != "\n" for c in whole):
            raise BadNote("the note holds control characters")
        split = whole.rfind("\n\n")
        if split < 0 or not whole.endswith("\n"):
            raise BadNote("the note has no signature block")
        signatures = []
        lines = whole[split + 2 : -1].split("\n")
        if len(lines) > _SIGNATURES:
            raise BadNote("the note has too many signatures")
        for line in lines:
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "—":
                raise BadNote("malformed signature line")
            checked_name(parts[1])
            raw = decode_base64(parts[2])
            if len(raw) < 5:
                raise BadNote("a signature is too short")
            signature = Signature(parts[1], raw[:4], raw[4:])
            if signature in signatures:
                raise BadNote("a signature stands there twice")
            signatures.append(signature)
        return cls(whole[: split + 1], tuple(signatures))

    def signed_too(self, more: Sequence[Signature]) -> Note:
        """The same text with more signatures behind those there are."""
        return Note(self.text, (*self.signatures, *more))

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()

    def verified(self, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
        """The trusted keys that signed.

        :raises BadNote: a trusted key's signature is wrong, or no trusted key signed.
        """
        known = {(v.name, key_id(v.name, v.public)): v for v in verifiers}
        good: list[Verifier] = []
        for signature in self.signatures:
            verifier = known.get((signature.name, signature.id))
            if verifier is None or verifier in good:
                continue
            if not verifier.verify(self.text.encode(), signature.signature):
                raise BadNote(f"the signature of {verifier.name} is wrong")
            good.append(verifier)
        if not good:
            raise BadNote("no trusted key signed the note")
        return tuple(good)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head. No extension lines: they would be signed and yet checked by nobody."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """:raises BadNote: not a checkpoint."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise BadNote("a checkpoint of this log has exactly three lines")
        origin, size, root = lines[:3]
        if not origin:
            raise BadNote("the checkpoint has no origin")
        if not (size.isascii() and size.isdigit()) or len(size) > 19 or str(int(size)) != size:
            raise BadNote("the checkpoint's size is not a decimal number")
        decoded = decode_base64(root)
        if len(decoded) != 32:
            raise BadNote("the checkpoint's root hash is not 32 bytes")
        return cls(origin, int(size), decoded)

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def open_checkpoint(data: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Parse and verify a stored checkpoint.

    :raises BadNote: malformed, or not signed by a trusted key of its log.
    """
    note = Note.parse(data)
    signers = note.verified(verifiers)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin not in {signer.name for signer in signers}:
        raise BadNote("the checkpoint is of another log than the one that signed it")
    return checkpoint


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Note:
    """``text`` with one signature of ``key`` under ``name``."""
    signature = Signature(
        name, key_id(name, key.public_key().public_bytes_raw()), key.sign(text.encode())
    )
    return Note(text, (signature,))
