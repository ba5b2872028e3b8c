"""The two ends of a key exchange: mlkem768x25519 and curve25519 (RFC 8731,
draft-ietf-sshm-mlkem-hybrid-kex), as a client's server and as a backend's client."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.common import MP

from hoopgate.errors import RemoteProtocolError
from hoopgate.network import write
from hoopgate.ssh.security_keys import KINDS
from hoopgate.ssh.signatures import SIGNATURES, HostKeyRefused, signed
from hoopgate.ssh.transport import (
    CURVES,
    EXT_INFO,
    HYBRID,
    KEX_INIT,
    KEX_REPLY,
    STRICT_CLIENT,
    STRICT_SERVER,
    SSHTransport,
)
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IReactorTime

_MLKEM_PUBLIC: Final = 1184
_MLKEM_CIPHERTEXT: Final = 1088


class ServerTransport(SSHTransport):
    """The leg to a client.

    :param host_keys: signature algorithm → private key.
    """

    isClient = False
    supportedKeyExchanges = [HYBRID, *CURVES, STRICT_SERVER]  # noqa: RUF012

    def __init__(self, reactor: IReactorTime, host_keys: dict[bytes, Key]) -> None:
        super().__init__(reactor)
        self._host_keys = host_keys
        self.supportedPublicKeys = [name for name in SIGNATURES if name in host_keys]

    def exchange(self, number: int, payload: bytes) -> None:
        """The client's half: the secret, our half, and keys."""
        if number != KEX_INIT:
            raise RemoteProtocolError("a message that has no place in a key exchange")
        reader = Reader(payload)
        theirs = reader.string()
        reader.end()
        own = x25519.X25519PrivateKey.generate()
        public = own.public_key().public_bytes_raw()
        if self.kexAlg == HYBRID:
            if len(theirs) != _MLKEM_PUBLIC + 32:
                raise RemoteProtocolError("a key of the exchange has a wrong length")
            kem = mlkem.MLKEM768PublicKey.from_public_bytes(theirs[:_MLKEM_PUBLIC])
            shared, ciphertext = kem.encapsulate()
            classic = _x25519(own, theirs[_MLKEM_PUBLIC:])
            secret = string(hashlib.sha256(shared + classic).digest())
            public = ciphertext + public
        else:
            secret = MP(int.from_bytes(_x25519(own, theirs), "big"))
        key = self._host_keys[self.keyAlg]
        blob = key.public().blob()
        exchange_hash = self.agree(secret, blob, theirs, public)
        signature = key.sign(exchange_hash, signatureType=self.keyAlg)
        first = self.sessionID is None
        self.sendPacket(KEX_REPLY, string(blob) + string(public) + string(signature))
        self.set_keys(secret, exchange_hash)
        if first and self._peerSupportsExtensions:
            names = b",".join((*SIGNATURES, *sorted(KINDS)))
            body = struct.pack(">I", 1) + string(b"server-sig-algs") + string(names)
            # It is the first message under the new keys (RFC 8308 section 2.4).
            data = self._sealer.seal(self.outgoingPacketSequence, bytes((EXT_INFO,)) + body)
            self.outgoingPacketSequence += 1
            write(self.transport, data)


class ClientTransport(SSHTransport):
    """The leg to a backend.

    :param verify: the host key's blob → the public key that has to have signed.
    :param host_key_algorithms: those that something is known for, preferred ones first.
    """

    isClient = True
    supportedKeyExchanges = [HYBRID, *CURVES, STRICT_CLIENT]  # noqa: RUF012

    def __init__(
        self,
        reactor: IReactorTime,
        verify: Callable[[bytes], Key],
        host_key_algorithms: list[bytes],
    ) -> None:
        super().__init__(reactor)
        self._verify = verify
        self.supportedPublicKeys = host_key_algorithms
        self._own: tuple[x25519.X25519PrivateKey, mlkem.MLKEM768PrivateKey | None] | None = None
        self._sent = b""

    def refused(self, error: HostKeyRefused) -> None:
        """The host key was not accepted; the connection ends."""
        raise NotImplementedError

    def begin_exchange(self) -> None:
        """Our half."""
        own = x25519.X25519PrivateKey.generate()
        kem = mlkem.MLKEM768PrivateKey.generate() if self.kexAlg == HYBRID else None
        self._own = own, kem
        self._sent = own.public_key().public_bytes_raw()
        if kem is not None:
            self._sent = kem.public_key().public_bytes_raw() + self._sent
        self.sendPacket(KEX_INIT, string(self._sent))

    def exchange(self, number: int, payload: bytes) -> None:
        """The server's half: its key is checked before anything it says is used."""
        if number != KEX_REPLY or self._own is None:
            raise RemoteProtocolError("a message that has no place in a key exchange")
        reader = Reader(payload)
        blob, theirs, signature = reader.string(), reader.string(), reader.string()
        reader.end()
        (own, kem), self._own = self._own, None
        if kem is not None:
            if len(theirs) != _MLKEM_CIPHERTEXT + 32:
                raise RemoteProtocolError("a key of the exchange has a wrong length")
            shared = kem.decapsulate(theirs[:_MLKEM_CIPHERTEXT])
            classic = _x25519(own, theirs[_MLKEM_CIPHERTEXT:])
            secret = string(hashlib.sha256(shared + classic).digest())
        else:
            secret = MP(int.from_bytes(_x25519(own, theirs), "big"))
        try:
            key = self._verify(blob)
        except HostKeyRefused as error:
            self.refused(error)
            self.fail(conch.DISCONNECT_HOST_KEY_NOT_VERIFIABLE, "the host key is not accepted")
            return
        exchange_hash = self.agree(secret, blob, self._sent, theirs)
        if not signed(key, self.keyAlg, signature, exchange_hash):
            raise RemoteProtocolError("the host key's signature is wrong")
        self.set_keys(secret, exchange_hash)


def _x25519(own: x25519.X25519PrivateKey, theirs: bytes) -> bytes:
    """RFC 8731 section 3: of 32 bytes, and not all zero, which cryptography sees to."""
    if len(theirs) != 32:
        raise RemoteProtocolError("a key of the exchange has a wrong length")
    return own.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
