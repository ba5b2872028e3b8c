"""A security key in software, and an agent that holds one: what OpenSSH's client talks to."""

from __future__ import annotations

import hashlib
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hoopgate.ssh.security_keys import ED25519, PRESENT
from hoopgate.ssh.wire import Reader, string, uint32


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


@dataclass
class SoftKey:
    """What a FIDO token does for SSH (PROTOCOL.u2f), without a token.

    :ivar touched: what it says that it saw: the flags.
    """

    kind: bytes = ED25519
    application: bytes = b"ssh:"
    touched: int = PRESENT
    counter: int = 6

    def __post_init__(self) -> None:
        self.private: Any = (
            ed25519.Ed25519PrivateKey.generate()
            if self.kind == ED25519
            else ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def fields(self) -> bytes:
        public = self.private.public_key()
        if self.kind == ED25519:
            point = string(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        else:
            form = (Encoding.X962, PublicFormat.UncompressedPoint)
            point = string(b"nistp256") + string(public.public_bytes(*form))
        return point + string(self.application)

    @property
    def blob(self) -> bytes:
        return string(self.kind) + self.fields

    def sign(self, data: bytes, application: bytes | None = None) -> bytes:
        """A signature blob."""
        self.counter += 1
        told = bytes((self.touched,)) + uint32(self.counter)
        named = hashlib.sha256(self.application if application is None else application).digest()
        message = named + told + hashlib.sha256(data).digest()
        if self.kind == ED25519:
            inner = self.private.sign(message)
        else:
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(SHA256())))
            inner = mpint(r) + mpint(s)
        return string(self.kind) + string(inner) + told


class Agent:
    """An ssh-agent (draft-ietf-sshm-ssh-agent) that holds a certificate and its security key.

    :ivar path: of its socket.
    """

    def __init__(self, path: Path, key: SoftKey, certificate: bytes) -> None:
        self.path = path
        self._key = key
        self._certificate = certificate
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Agent:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while len(head := stream.read(4)) == 4:
                    body = stream.read(int.from_bytes(head, "big"))
                    connection.sendall(string(self._answer(body)))

    def _answer(self, body: bytes) -> bytes:
        if body[0] == 11:  # REQUEST_IDENTITIES
            return bytes((12,)) + uint32(1) + string(self._certificate) + string(b"software")
        if body[0] == 13:  # SIGN_REQUEST
            reader = Reader(body[1:])
            reader.string()
            return bytes((14,)) + string(self._key.sign(reader.string()))
        return bytes((5,))  # FAILURE
