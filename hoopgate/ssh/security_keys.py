"""Signatures of security keys (OpenSSH PROTOCOL.u2f), sans-I/O.

A security key signs what it knows beside the message: the application it was made for, what it saw
of a person, and how often it has signed. So a signature says that somebody touched the key, and,
where it was asked to look, who.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from hoopgate.errors import RemoteProtocolError
from hoopgate.ssh.wire import Reader

_SUFFIX: Final = b"@openssh.com"
ED25519: Final = b"sk-ssh-ed25519" + _SUFFIX
ECDSA: Final = b"sk-ecdsa-sha2-nistp256" + _SUFFIX
KINDS: Final = frozenset({ED25519, ECDSA})

#: Flags of a signature: a person was there; a person was recognised.
PRESENT: Final = 0x01
VERIFIED: Final = 0x04

#: What the application of a key for SSH begins with; others are for web sites.
_APPLICATION: Final = b"ssh:"
_P256: Final = b"nistp256"
_NUMBER_BYTES: Final = 33


def certificate_kind(kind: bytes) -> bytes:
    """The kind of certificates with keys of ``kind``."""
    return kind.removesuffix(_SUFFIX) + b"-cert-v01" + _SUFFIX


#: Kind of a certificate → of its key.
CERTIFICATE_KINDS: Final = {certificate_kind(one): one for one in KINDS}


@dataclass(frozen=True, slots=True)
class SecurityKey:
    """A public key.

    :ivar application: what it was made for: ``ssh:`` and perhaps more.
    """

    kind: bytes
    key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
    application: bytes

    def proves(self, signature: bytes, data: bytes, *, verified: bool = False) -> bool:
        """Whether ``signature`` is of ``data``, and a person was there.

        :param verified: the key has to have recognised the person, too.
        """
        try:
            reader = Reader(signature)
            kind, inner = reader.string(), reader.string()
            flags, counter = reader.byte(), reader.uint32()
            reader.end()
            if kind != self.kind:
                return False
            needed = PRESENT | (VERIFIED if verified else 0)
            if flags & needed != needed:
                return False
            told = bytes((flags,)) + counter.to_bytes(4, "big")
            digest = hashlib.sha256(self.application).digest()
            self._verify(inner, digest + told + hashlib.sha256(data).digest())
        except (RemoteProtocolError, InvalidSignature, ValueError):
            return False
        return True

    def _verify(self, signature: bytes, message: bytes) -> None:
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            self.key.verify(signature, message)
            return
        reader = Reader(signature)
        numbers = reader.string(), reader.string()
        reader.end()
        if any(not 0 < len(one) <= _NUMBER_BYTES or one[0] & 0x80 for one in numbers):
            raise ValueError("no positive number of that size")
        r, s = (int.from_bytes(one, "big") for one in numbers)
        self.key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))


def read_key(kind: bytes, reader: Reader) -> SecurityKey:
    """The fields of a public key behind its kind.

    :raises RemoteProtocolError: they are malformed.
    :raises ValueError: it is no key for SSH, or none on its curve.
    """
    key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
    if kind == ED25519:
        key = ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    elif kind == ECDSA:
        if reader.string() != _P256:
            raise ValueError("another curve")
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), reader.string())
    else:
        raise ValueError("no security key")
    application = reader.string()
    if not application.startswith(_APPLICATION):
        raise ValueError("a key for something else than SSH")
    return SecurityKey(kind, key, application)
