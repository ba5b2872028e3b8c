"""User certificates of security keys (OpenSSH PROTOCOL.certkeys), read and made, sans-I/O.

The library that reads other certificates knows none of these. Only what this gateway signs is
accepted, so the signature key is always ed25519.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import SSHCertificateType

from hoopgate.ssh.known_hosts import public_blob
from hoopgate.ssh.security_keys import (
    CERTIFICATE_KINDS,
    SecurityKey,
    certificate_kind,
    read_key,
)
from hoopgate.ssh.wire import Reader, string, uint32, uint64

_ED25519: Final = b"ssh-ed25519"
_MOST_PRINCIPALS: Final = 256


@dataclass(frozen=True, slots=True)
class SecurityKeyCertificate:
    """Fields of a certificate, with the names that ``cryptography``'s have."""

    key: SecurityKey
    type: SSHCertificateType
    key_id: bytes
    valid_principals: Sequence[bytes]
    valid_after: int
    valid_before: int
    critical_options: dict[bytes, bytes]
    authority: ed25519.Ed25519PublicKey
    signature: bytes = field(repr=False)
    body: bytes = field(repr=False)

    def signature_key(self) -> ed25519.Ed25519PublicKey:
        """Who signed it."""
        return self.authority

    def verify_cert_signature(self) -> None:
        """
        :raises InvalidSignature: it is another's.
        """
        self.authority.verify(self.signature, self.body)


def load(blob: bytes) -> SecurityKeyCertificate:
    """Read a certificate.

    :raises RemoteProtocolError: it is malformed.
    :raises ValueError: a part of it is none.
    """
    reader = Reader(blob)
    kind = CERTIFICATE_KINDS[reader.string()]
    reader.string()  # the nonce
    key = read_key(kind, reader)
    reader.uint64()  # the serial
    type_ = SSHCertificateType(reader.uint32())
    key_id = reader.string()
    principals = _strings(reader.string())
    after, before = reader.uint64(), reader.uint64()
    options = _options(reader.string())
    reader.string()  # extensions grant what nobody gets here
    reader.string()  # reserved
    authority = _named(reader.string())
    rest = reader.rest()
    signed = Reader(rest)
    signature = _named(signed.string())
    signed.end()
    return SecurityKeyCertificate(
        key=key,
        type=type_,
        key_id=key_id,
        valid_principals=principals,
        valid_after=after,
        valid_before=before,
        critical_options=options,
        authority=ed25519.Ed25519PublicKey.from_public_bytes(authority),
        signature=signature,
        body=blob[: len(blob) - len(rest)],
    )


def _named(data: bytes) -> bytes:
    """An ed25519 key or signature."""
    reader = Reader(data)
    if reader.string() != _ED25519:
        raise ValueError("not of an authority with ed25519")
    found = reader.string()
    reader.end()
    return found


def _strings(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    while data:
        if len(found) == _MOST_PRINCIPALS:
            raise ValueError("too many principals")
        found.append(Reader(data).string())
        data = data[len(string(found[-1])) :]
    return found


def _options(data: bytes) -> dict[bytes, bytes]:
    """Name → value; in lexical order, each once."""
    texts = _strings(data)
    names = texts[::2]
    if len(texts) % 2 or names != sorted(set(names)):
        raise ValueError("options out of order, or twice")
    return dict(zip(names, texts[1::2], strict=True))


def issue(
    authority: ed25519.Ed25519PrivateKey,
    public_key: str,
    *,
    credential: str,
    principals: list[str],
    times: tuple[int, int],
) -> str:
    """A user's certificate without options: a touch is always wanted.

    :param times: valid from, and until.
    :raises RemoteProtocolError: the key is malformed.
    :raises ValueError: it is none.
    """
    name, text = public_key.split()[:2]
    blob = base64.b64decode(text, validate=True)
    reader = Reader(blob)
    kind = reader.string()
    if kind != name.encode():
        raise ValueError("another kind of key than it says")
    read_key(kind, reader)
    reader.end()
    body = b"".join(
        [
            string(certificate_kind(kind)),
            string(secrets.token_bytes(32)),
            blob[len(string(kind)) :],
            uint64(secrets.randbits(63)),
            uint32(SSHCertificateType.USER.value),
            string(credential.encode()),
            string(b"".join(string(one.encode()) for one in principals)),
            *(uint64(one) for one in times),
            *(string(b""), string(b""), string(b"")),
            string(public_blob(authority.public_key())),
        ]
    )
    whole = body + string(string(_ED25519) + string(authority.sign(body)))
    return f"{certificate_kind(kind).decode()} {base64.b64encode(whole).decode()}"
