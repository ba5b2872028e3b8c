"""Which signatures count, of hosts and of users; sans-I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hoopgate.errors import HoopgateError, RemoteProtocolError
from hoopgate.ssh.wire import Reader

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key

#: Signature algorithms for host keys and users, by preference. SHA-1 is not among them.
SIGNATURES: Final = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)


class HostKeyRefused(HoopgateError):
    """A backend's host key is not the one that is known, or nothing is known of it."""


def signed(key: Key, algorithm: bytes, signature: bytes, data: bytes) -> bool:
    """Whether ``signature`` is of ``data`` by ``key``, with exactly the algorithm agreed on.

    :param algorithm: a name of :data:`SIGNATURES`, or of a certificate with such a key.
    """
    plain = algorithm.replace(b"-cert-v01@openssh.com", b"")
    reader = Reader(signature)
    try:
        name = reader.string()
        reader.string()
        reader.end()
    except RemoteProtocolError:
        return False
    if name != plain or plain not in key.supportedSignatureAlgorithms():
        return False
    return bool(key.verify(signature, data))
