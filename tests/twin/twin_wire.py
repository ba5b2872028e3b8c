"""A client that keeps every byte it is sent, and can be told to send anything."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoopgate.postgres import wire

SSL_REQUEST = struct.pack("!II", 8, 80877103)

#: What is minted at random, or is a process's own: request and approval ids, the notifying process.
_MINTED = re.compile(rb"req-[0-9a-f]{12}|apr-[0-9A-Za-z]+")

#: What each twin calls itself.
_MEANT = b"twin_one"
_NAMES = re.compile(rb"(twin|soft|bare|coin)_(?:one|two)")

#: Seconds to wait for an answer: a case that takes longer is reported as a time-out.
PATIENCE = 8.0


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to send, and how many ReadyForQuery are due for them.

    :ivar ready: 0 sends without waiting for an answer.
    :ivar session: which of the client's sessions on this database: 0 is the first.
    """

    data: bytes
    ready: int = 1
    session: int = 0


class Ended(Exception):
    """The server closed the connection, or did not answer in time."""


class Client:
    """One session, past its login.

    :ivar database: its database, which a script means when it says ``twin_one``.

    :ivar status: transaction status of the last ReadyForQuery.
    :ivar greeting: the ParameterStatus messages of the login.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self.database = _MEANT
        self.status = b"I"
        self.greeting: list[bytes] = []
        self.ended = False

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data.replace(_MEANT, self.database))
        except OSError:
            self.ended = True

    def answers(self, ready: int) -> list[bytes]:
        """Every message up to the ``ready``-th ReadyForQuery; the end shows as a last ``b""``."""
        found: list[bytes] = []
        while ready and not self.ended:
            try:
                message = self._message()
            except Ended as why:
                self.ended = True
                found.append(b"" if not str(why) else str(why).encode())
                break
            found.append(normal(message))
            if message[:1] == b"Z":
                self.status = message[5:6]
                ready -= 1
        return found

    def wait(self, seconds: float) -> None:
        """How long an answer may take from now on."""
        self._socket.settimeout(seconds)

    def login(self, user: str, database: str, token: str | None) -> None:
        """:raises Ended: the login failed; the text says how."""
        pairs = {"user": user, "database": database, "client_encoding": "UTF8"}
        if _NAMES.fullmatch(database.encode()):
            self.database = database.encode()
        body = b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in pairs.items()) + b"\0"
        self.send(struct.pack("!II", 8 + len(body), 196608) + body)
        while (message := self._message())[:1] != b"Z":
            if message[:1] == b"R" and message[5:9] == b"\0\0\0\3":
                self.send(wire.password((token or "").encode() + b"\0"))
            elif message[:1] == b"E":
                raise Ended(f"login: {wire.error_fields(message)}")
            elif message[:1] == b"S":
                self.greeting.append(message)

    def close(self) -> None:
        self._socket.close()

    def _message(self) -> bytes:
        while len(self._buffer) < 5 or len(self._buffer) < self._size():
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                raise Ended("timeout") from None
            except OSError:
                data = b""
            if not data:
                raise Ended
            self._buffer += data
        size = self._size()
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        return message

    def _size(self) -> int:
        return 1 + int.from_bytes(self._buffer[1:5], "big")


def through_gateway(
    address: tuple[str, int], ca: Path, user: str, resource: str, token: str
) -> Client:
    """A session on ``resource``, as a native client opens it."""
    connection: socket.socket = socket.create_connection(address, timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(SSL_REQUEST)
    if connection.recv(1) != b"S":
        raise Ended("no TLS")
    context = ssl.create_default_context(cafile=str(ca))
    client = Client(context.wrap_socket(connection, server_hostname="localhost"))
    client.login(user, resource, token)
    return client


def directly(path: Path, user: str, database: str) -> Client:
    """A session on the server itself, over its unix socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(str(path))
    client = Client(connection)
    client.login(user, database, None)
    return client


def normal(message: bytes) -> bytes:
    """A message without what is random in every run."""
    kind = message[:1]
    message = _NAMES.sub(rb"\1_xxx", message)
    if kind in (b"E", b"N"):
        return _MINTED.sub(lambda found: b"x" * len(found[0]), message)
    if kind == b"A":
        return message[:5] + b"\0\0\0\0" + message[9:]
    return message


# --- scripts --------------------------------------------------------------------------------------


def query(text: str | bytes) -> Step:
    """A simple query."""
    return Step(wire.query(text if isinstance(text, bytes) else text.encode()))


def queries(texts: Iterable[str]) -> list[Step]:
    return [query(text) for text in texts]


def extended(
    text: str | bytes,
    *,
    formats: Sequence[int] = (),
    parameters: Sequence[bytes | None] = (),
    parameter_formats: Sequence[int] = (),
    types: Sequence[int] = (),
    limits: Sequence[int] = (0,),
    describe: bool = True,
    name: bytes = b"",
    portal: bytes = b"",
) -> Step:
    """Parse, Describe, Bind, Describe, Execute (once per limit) and Sync, in one go."""
    source = text if isinstance(text, bytes) else text.encode()
    parts = [wire.parse(name, source, types)]
    if describe:
        parts.append(wire.describe(b"S", name))
    parts.append(wire.bind(portal, name, parameter_formats, parameters, formats))
    if describe:
        parts.append(wire.describe(b"P", portal))
    parts += [wire.execute(portal, limit) for limit in limits]
    return Step(b"".join(parts) + wire.sync())
