"""Confidential payload: one random key per session, sealed to those who may replay it.

A record's payload is AES-256-GCM under the session's key, nonce = sequence number, associated
data = session ‖ sequence. GCM commits to no key, so ``session.open`` carries a commitment to it.
The key itself is sealed by HPKE (RFC 9180) and lies outside the log, in ``wraps/<session>.json``:
deleting that file is the lawful way to shred a recording.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import create_secret, read_secret
from hoopgate.recorder.leaf import SESSION_ID, encode

#: Where a node's own replay key is in its state directory.
REPLAY_KEY = "keys/replay.key"

SUITE = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
_hpke = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SessionKey:
    """Encrypts and authenticates the records of one session."""

    def __init__(self, session: str, key: bytes) -> None:
        self._associated = session.encode()
        self._aead = AESGCM(HKDFExpand(SHA256(), 32, b"hoopgate payload v1").derive(key))
        mac = HKDFExpand(SHA256(), 32, b"hoopgate payload hmac v1").derive(key)
        # HMAC's two hashes with their halves of the key taken in (RFC 2104, section 4): to copy
        # them costs half of what a new HMAC does.
        self._inner = sha256(bytes([byte ^ 0x36 for byte in mac]) + b"\x36" * 32)
        self._outer = sha256(bytes([byte ^ 0x5C for byte in mac]) + b"\x5c" * 32)
        self.commitment = sha256(b"hoopgate key commitment v1\n" + key).digest()

    def encrypt(self, seq: int, plaintext: bytes) -> bytes:
        """Ciphertext and tag. ``seq`` is used once: it is the nonce."""
        nonce = seq.to_bytes(12, "big")
        return self._aead.encrypt(nonce, plaintext, self._associated + nonce[4:])

    def decrypt(self, seq: int, ciphertext: bytes) -> bytes:
        """:raises BadLog: not what this session's record ``seq`` was encrypted to."""
        nonce = seq.to_bytes(12, "big")
        try:
            return self._aead.decrypt(nonce, ciphertext, self._associated + nonce[4:])
        except InvalidTag:
            raise BadLog("the payload does not open under the session's key") from None

    def mac(self, plaintext: bytes) -> bytes:
        """HMAC-SHA256: a bare hash of a short secret could be guessed for ever."""
        inner = self._inner.copy()
        inner.update(plaintext)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who may replay: an X25519 public key."""

    public: bytes

    @property
    def id(self) -> str:
        return sha256(self.public).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> Recipient:
        """:raises BadNote: not such a key. :raises OSError: unreadable."""
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except ValueError:
            key = None
        if not isinstance(key, X25519PublicKey):
            raise BadNote(f"{path} is not an X25519 public key in PEM")
        return cls(key.public_bytes_raw())

    def pem(self) -> bytes:
        """The key, to be handed to those who record."""
        return X25519PublicKey.from_public_bytes(self.public).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@dataclass(frozen=True, slots=True)
class ReplayKey:
    """The private half of a recipient, from a PEM file with mode 0600."""

    private: bytes = field(repr=False)

    @property
    def recipient(self) -> Recipient:
        key = X25519PrivateKey.from_private_bytes(self.private)
        return Recipient(key.public_key().public_bytes_raw())

    @classmethod
    def create(cls, path: Path) -> ReplayKey:
        key = X25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        create_secret(path, pem)
        return cls(key.private_bytes_raw())

    @classmethod
    def load(cls, path: Path) -> ReplayKey:
        """:raises BadNote: not such a key. :raises OSError: unreadable, or readable by others."""
        return cls.parse(read_secret(path), str(path))

    @classmethod
    def parse(cls, pem: bytes, what: str = "what was given") -> ReplayKey:
        """A key that its owner hands over for the moment, and that is kept nowhere.

        :raises BadNote: not such a key.
        """
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, X25519PrivateKey):
            raise BadNote(f"{what} is not an X25519 private key in PEM")
        return cls(key.private_bytes_raw())


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """The key of one session, unsealed by who has an auditor's: it opens that session alone."""

    session: str
    key: bytes = field(repr=False)

    def text(self) -> str:
        """To be handed over."""
        return f"{_OPENED}{self.session}:{b64encode(self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> OpenedKey:
        """:raises BadNote: not what :meth:`text` gave."""
        try:
            session, encoded = text.strip().removeprefix(_OPENED).split(":")
            key = b64decode(encoded, validate=True)
        except ValueError:
            raise BadNote("it is not the key of a session") from None
        if not text.strip().startswith(_OPENED) or len(key) != 32:
            raise BadNote("it is not the key of a session")
        return cls(session, key)


_OPENED = "hoopgate-session-key:"


def _info(session: str) -> bytes:
    return b"hoopgate session key v1\n" + session.encode()


def new_key() -> bytes:
    return os.urandom(32)


def seal(session: str, key: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Content of ``wraps/<session>.json``: the key sealed to each recipient."""
    sealed = [
        {
            "id": recipient.id,
            "key": b64encode(
                _hpke.encrypt(
                    key, X25519PublicKey.from_public_bytes(recipient.public), _info(session)
                )
            ).decode(),
        }
        for recipient in recipients
    ]
    return encode({"recipients": sealed, "session": session, "suite": SUITE}) + b"\n"


def session_of(wrap: bytes) -> str:
    """The session that a wrap says it is of.

    :raises BadLog: it is no wrap.
    """
    try:
        session = json.loads(wrap)["session"]
    except (ValueError, KeyError, TypeError, RecursionError):
        session = None
    if not isinstance(session, str) or SESSION_ID.match(session) is None:
        raise BadLog("it is no sealed key")
    return session


def unseal(session: str, wrap: bytes, key: ReplayKey | OpenedKey) -> bytes:
    """The session's key.

    :raises BadLog: the wrap is malformed, of another session, or not sealed to ``key``.
    """
    if isinstance(key, OpenedKey):
        if key.session != session:
            raise BadLog("the key is of another session", session=session)
        return key.key
    try:
        content = json.loads(wrap)
        if content["session"] != session or content["suite"] != SUITE:
            raise BadLog("the wrap belongs to another session or suite", session=session)
        mine = key.recipient.id
        sealed = next((r["key"] for r in content["recipients"] if r["id"] == mine), None)
        data = None if sealed is None else b64decode(sealed, validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadLog("the wrap is malformed", session=session) from None
    if data is None:
        raise BadLog("the recording is not sealed to this replay key", session=session)
    try:
        private = X25519PrivateKey.from_private_bytes(key.private)
        return _hpke.decrypt(data, private, _info(session))
    except (InvalidTag, ValueError):
        raise BadLog("the wrap does not open under this replay key", session=session) from None
