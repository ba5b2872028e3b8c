"""A client that sends whatever a test likes, byte by byte."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping

from hoopgate.postgres import wire
from testbed.clinic import Clinic

PROTOCOL_3_0, PROTOCOL_3_2 = 3 << 16, 3 << 16 | 2
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


def startup(parameters: Mapping[str, str], version: int = PROTOCOL_3_0) -> bytes:
    body = b"".join(
        key.encode() + b"\0" + value.encode() + b"\0" for key, value in parameters.items()
    )
    return struct.pack("!II", 9 + len(body), version) + body + b"\0"


GOOD = {"user": "executor", "database": "clinic"}


class Raw:
    """A socket, and TLS on it, with the answers cut into messages.

    :param port: of the listener; default: the gateway's first.
    :ivar key: process id and key of the BackendKeyData, once logged in.
    """

    def __init__(self, clinic: Clinic, port: int = 0) -> None:
        self.clinic = clinic
        address = (clinic.gateway.host, port or clinic.gateway.port)
        self.socket: socket.socket = socket.create_connection(address, timeout=60)
        self.key = (0, b"")
        self._buffer = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Raw:
        self.socket.sendall(data)
        return self

    def secure(self, alpn: list[str] | None = None, *, ask: bool = True) -> Raw:
        if ask:
            self.send(SSL_REQUEST)
            assert self.socket.recv(1) == b"S"
        context = ssl.create_default_context(cafile=str(self.clinic.gateway.certificates.ca))
        if alpn:
            context.set_alpn_protocols(alpn)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        return self

    def login(self, version: int = PROTOCOL_3_0, *, tls: bool = True) -> Raw:
        if tls:
            self.secure()
        self.send(startup(GOOD, version))
        assert self.message()[:1] == b"R"
        return self.authenticated(wire.password(self.clinic.token().encode() + b"\0"))

    def authenticated(self, answer: bytes) -> Raw:
        """Send the answer to the request for a credential and read up to ReadyForQuery."""
        self.send(answer)
        while (message := self.message())[:1] != b"Z":
            assert message, "closed without a word"
            assert message[:1] != b"E", message
            if message[:1] == b"K":
                self.key = wire.backend_key_fields(message)
        return self

    def message(self) -> bytes:
        """The next message; b"" at the end of the connection."""
        while (
            len(self._buffer) < 5
            or len(self._buffer) < 1 + struct.unpack("!I", self._buffer[1:5])[0]
        ):
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                return b""
            self._buffer += data
        size = 1 + struct.unpack("!I", self._buffer[1:5])[0]
        message, self._buffer = self._buffer[:size], self._buffer[size:]
        return message

    def until_ready(self) -> list[bytes]:
        out = []
        while message := self.message():
            out.append(message)
            if message[:1] == b"Z":
                return out
        raise AssertionError(f"closed after {out}")

    def fatal(self) -> dict[bytes, bytes]:
        """The FATAL that ends the connection."""
        while (message := self.message())[:1] != b"E":
            assert message, "closed without a word"
        assert self.message() == b""
        fields = wire.error_fields(message)
        assert fields[b"S"] == b"FATAL"
        return fields

    def closed(self) -> bool:
        """True when the gateway has hung up without a word."""
        return self.message() == b""
