"""User certificates of the gateway's own authority (OpenSSH PROTOCOL.certkeys), sans-I/O.

A certificate carries the name of a session credential (``key_id``); whom that stands for, and
whether it still does, the gateway knows. So a certificate ends with its credential, too.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_identity,
    load_ssh_public_key,
)
from twisted.conch.ssh.keys import Key

from hoopgate.errors import IdentityRefused, Refused, RemoteProtocolError
from hoopgate.ssh import security_certificates
from hoopgate.ssh.known_hosts import CERTIFICATE, public_blob
from hoopgate.ssh.security_certificates import SecurityKeyCertificate
from hoopgate.ssh.security_keys import CERTIFICATE_KINDS, KINDS, SecurityKey
from hoopgate.ssh.signatures import SIGNATURES, signed
from hoopgate.ssh.wire import Reader

#: Options that are carried out; a certificate with any other is refused.
_FORCE: Final = b"force-command"
_SOURCE: Final = b"source-address"
_VERIFY: Final = b"verify-required"
#: Clocks differ.
SKEW_SECONDS: Final = 30

#: RSA keys outside of this are too weak, or made to keep us busy (CVE-2026-39829).
_RSA_BITS: Final = (2048, 8192)


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """What a valid certificate says.

    :ivar credential: the session credential's name.
    :ivar key: the public key that has to sign.
    :ivar force_command: the only command it is good for; None: no such limit.
    :ivar verified: its security key has to have recognised the person.
    """

    credential: str
    key: Key | SecurityKey
    force_command: str | None
    verified: bool = False

    def proves(self, algorithm: bytes, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` is of ``data`` by the certificate's key.

        :param algorithm: what was announced with the certificate.
        """
        if isinstance(self.key, SecurityKey):
            return self.key.proves(signature, data, verified=self.verified)
        return signed(self.key, algorithm, signature, data)


def is_certificate(algorithm: bytes) -> bool:
    """Whether a public key algorithm is one of certificates with keys that are accepted."""
    plain = algorithm.removesuffix(CERTIFICATE)
    return algorithm in CERTIFICATE_KINDS or (plain != algorithm and plain in SIGNATURES)


def check_user_certificate(
    blob: bytes, *, authority: bytes, name: str, peer: str, now: float
) -> UserCertificate:
    """What the certificate says, once everything about it is in order; its key proves nothing yet.

    :param authority: blob of the only key that may have signed it.
    :param name: the login name, which has to be among the principals.
    :param peer: the client's address.
    :raises IdentityRefused: something is not in order.
    """
    try:
        return _checked(blob, authority, name, peer, now)
    except (ValueError, TypeError, UnsupportedAlgorithm, RemoteProtocolError):
        raise _refused("it is malformed") from None  # parts of it are parsed when they are read


def _checked(blob: bytes, authority: bytes, name: str, peer: str, now: float) -> UserCertificate:
    certificate = _load(blob)
    if certificate.type is not SSHCertificateType.USER:
        raise _refused("it is not a user's")
    if public_blob(certificate.signature_key()) != authority:
        raise _refused("it is of another authority")
    try:
        certificate.verify_cert_signature()
    except InvalidSignature:
        raise _refused("its signature is wrong") from None
    # A certificate without principals would be good for every name.
    if name.encode() not in certificate.valid_principals:
        raise _refused("it is for another user name")
    if not certificate.valid_after - SKEW_SECONDS <= now < certificate.valid_before:
        raise _refused("it is not valid now")
    options = certificate.critical_options
    force = _check_options(options, peer)
    verified = _VERIFY in options
    credential = certificate.key_id.decode("utf-8", "replace")
    if isinstance(certificate, SecurityKeyCertificate):
        return UserCertificate(credential, certificate.key, force, verified)
    if verified:
        raise _refused("it has an option for security keys only")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        raise _refused("its key has a size that is not accepted")
    return UserCertificate(credential, Key(key), force)


def _load(blob: bytes) -> SSHCertificate | SecurityKeyCertificate:
    try:
        if Reader(blob).string() in CERTIFICATE_KINDS:
            return security_certificates.load(blob)
        line = Reader(blob).string() + b" " + base64.b64encode(blob)
        certificate = load_ssh_public_identity(line)
    except (ValueError, UnsupportedAlgorithm, RemoteProtocolError):
        raise _refused("it is malformed") from None
    if not isinstance(certificate, SSHCertificate):
        raise _refused("it is malformed")
    return certificate


def _check_options(options: Mapping[bytes, bytes], peer: str) -> str | None:
    force = None
    for name, value in options.items():
        if name == _VERIFY and not value:
            continue
        try:
            reader = Reader(value)
            text = reader.text()
            reader.end()
        except RemoteProtocolError:
            raise _refused("an option of it is malformed") from None
        if name == _SOURCE:
            _check_source(text, peer)
        elif name == _FORCE:
            force = text
        else:
            raise _refused("it has an option that is not known")
    return force


def _check_source(networks: str, peer: str) -> None:
    try:
        address = ipaddress.ip_address(peer)
        known = [ipaddress.ip_network(one.strip(), strict=False) for one in networks.split(",")]
    except ValueError:
        raise _refused("its source addresses cannot be checked") from None
    if not any(address in network for network in known):
        raise _refused("it is for another address")


def _refused(why: str) -> IdentityRefused:
    return IdentityRefused("identity.certificate", f"the certificate is not accepted: {why}")


def issue(
    authority: ed25519.Ed25519PrivateKey,
    public_key: str,
    *,
    credential: str,
    principals: list[str],
    now: float,
    expires: float,
) -> str:
    """A certificate for a public key in OpenSSH's format, without any extension.

    :raises Refused: ``certificate.key``: it is no such key, or of a kind that is not accepted.
    """
    times = int(now) - SKEW_SECONDS, int(expires)
    try:
        if public_key.split(" ")[0].encode() in KINDS:
            return security_certificates.issue(
                authority, public_key, credential=credential, principals=principals, times=times
            )
        key = load_ssh_public_key(public_key.strip().encode())
        kind = Reader(public_blob(key)).string()
    except (ValueError, UnsupportedAlgorithm, TypeError, RemoteProtocolError):
        raise Refused("certificate.key", "that is no public key of OpenSSH's") from None
    small = isinstance(key, rsa.RSAPublicKey) and not (_RSA_BITS[0] <= key.key_size <= _RSA_BITS[1])
    if small or kind not in (*SIGNATURES, b"ssh-rsa"):
        raise Refused("certificate.key", "a key of that kind or size is not accepted")
    builder = (
        SSHCertificateBuilder()
        .public_key(key)  # type: ignore[arg-type]
        .serial(secrets.randbits(63))
        .type(SSHCertificateType.USER)
        .key_id(credential.encode())
        .valid_principals([one.encode() for one in principals])
        .valid_after(times[0])
        .valid_before(times[1])
    )
    return builder.sign(authority).public_bytes().decode()
