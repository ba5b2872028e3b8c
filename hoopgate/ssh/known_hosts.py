"""Which host key a backend must show: OpenSSH's known_hosts, sans-I/O (sshd(8), SSH_KNOWN_HOSTS).

There is no first use: a host that the file does not name is refused, and so is one whose key is
another. Host certificates are accepted of authorities that the file names for the host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from twisted.conch.ssh.keys import BadKeyError, Key

from hoopgate.ssh.signatures import SIGNATURES, HostKeyRefused
from hoopgate.ssh.wire import Reader

CERTIFICATE: Final = b"-cert-v01@openssh.com"
_MARKERS: Final = ("@cert-authority", "@revoked")


@dataclass(frozen=True, slots=True)
class _Line:
    marker: str
    hosts: tuple[str, ...]
    blob: bytes


class KnownHosts:
    """What a known_hosts file says.

    :raises ValueError: a line of it is malformed; the text names the line's number.
    """

    def __init__(self, text: str) -> None:
        self._lines = [line for line in map(_line, *zip(*_numbered(text), strict=True)) if line]

    def for_host(self, host: str, port: int, now: Callable[[], float]) -> HostKeys:
        """What is known of a host; ``[host]:port`` is its name unless the port is 22."""
        name = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
        mine = [line for line in self._lines if _names(line.hosts, name)]
        return HostKeys(
            host.lower(),
            frozenset(line.blob for line in mine if not line.marker),
            frozenset(line.blob for line in mine if line.marker == "@cert-authority"),
            frozenset(line.blob for line in self._lines if line.marker == "@revoked"),
            now,
        )


def _numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.splitlines(), 1)) or [(1, "")]


def _line(number: int, line: str) -> _Line | None:
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0].startswith("@") else ""
    try:
        if marker and marker not in _MARKERS:
            raise ValueError
        hosts, _kind, encoded = fields[:3]
        blob = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"line {number} is no line of a known_hosts file") from None
    return _Line(marker, tuple(hosts.split(",")), blob)


def _names(patterns: Iterable[str], name: str) -> bool:
    """Whether a line is about ``name``: one pattern matches, and no negated one does."""
    found = False
    for pattern in patterns:
        if pattern.startswith("|1|"):
            found = found or _hashed(pattern, name)
            continue
        negated = pattern.startswith("!")
        # Brackets are part of "[host]:port", not of a pattern.
        glob = pattern[negated:].lower().replace("[", "\0")
        if re.fullmatch(translate(glob), name.replace("[", "\0")):
            if negated:
                return False
            found = True
    return found


def _hashed(pattern: str, name: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        key, known = base64.b64decode(salt), base64.b64decode(digest)
    except (ValueError, binascii.Error):
        return False
    # HMAC-SHA1 is the format's; what it hides is a name, and nothing rests on it.
    return hmac.compare_digest(hmac.digest(key, name.encode(), "sha1"), known)


@dataclass(frozen=True, slots=True)
class HostKeys:
    """What a host may show.

    :ivar keys: blobs of its keys.
    :ivar authorities: blobs of keys that may certify it.
    :ivar revoked: blobs that nothing may rest on.
    """

    host: str
    keys: frozenset[bytes]
    authorities: frozenset[bytes]
    revoked: frozenset[bytes]
    now: Callable[[], float]

    def algorithms(self) -> list[bytes]:
        """Host key algorithms to offer: those with which something known can be shown."""
        names = [name for name in SIGNATURES if self.authorities]
        offered = [name + CERTIFICATE for name in names]
        kinds = {Reader(blob).string() for blob in self.keys}
        plain = [one for one in SIGNATURES if _kind(one) in kinds]
        return offered + plain

    def check(self, blob: bytes) -> Key:
        """The public key that the host has to prove.

        :raises HostKeyRefused: it is not known, not certified, or revoked.
        """
        if blob in self.revoked:
            raise HostKeyRefused("the host key is revoked")
        if blob in self.keys:
            return _key(blob)
        if Reader(blob).string().endswith(CERTIFICATE):
            return self._certified(blob)
        if not self.keys and not self.authorities:
            raise HostKeyRefused("the host is not in known_hosts")
        raise HostKeyRefused("the host key has changed")

    def _certified(self, blob: bytes) -> Key:
        try:
            return self._checked(blob)
        except InvalidSignature:
            raise HostKeyRefused("the host certificate's signature is wrong") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # Parts of it are parsed when they are read.
            raise HostKeyRefused("the host certificate is malformed") from None

    def _checked(self, blob: bytes) -> Key:
        kind = Reader(blob).string()
        certificate = load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
        if not isinstance(certificate, SSHCertificate):
            raise HostKeyRefused("the host certificate is malformed")
        certificate.verify_cert_signature()
        authority = public_blob(certificate.signature_key())
        public = public_blob(certificate.public_key())
        if authority not in self.authorities or {authority, public} & self.revoked:
            raise HostKeyRefused("the host certificate is of no authority known for the host")
        names = [name.decode("utf-8", "replace").lower() for name in certificate.valid_principals]
        if certificate.type is not SSHCertificateType.HOST or self.host not in names:
            raise HostKeyRefused("the certificate is not for this host")
        if not certificate.valid_after <= self.now() < certificate.valid_before:
            raise HostKeyRefused("the host certificate is not valid now")
        if certificate.critical_options:
            raise HostKeyRefused("the host certificate has an option that is not known")
        return _key(public)


def _kind(algorithm: bytes) -> bytes:
    """The kind of key that signs with an algorithm."""
    return b"ssh-rsa" if algorithm.startswith(b"rsa-") else algorithm


def _key(blob: bytes) -> Key:
    try:
        key: Key = Key.fromString(blob, "blob")
        return key
    except BadKeyError:
        raise HostKeyRefused("the host key is of a kind that is not accepted") from None


def public_blob(key: object) -> bytes:
    """A public key of ``cryptography`` as SSH writes it."""
    blob: bytes = Key(key).blob()
    return blob


def fingerprint(blob: bytes) -> str:
    """``SHA256:…``, as ssh-keygen prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"
