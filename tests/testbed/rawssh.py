"""A client of SSH whose messages are written by hand, behind a key exchange of its own."""

from __future__ import annotations

import socket
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.task import Clock

from hoopgate.ssh import wire
from hoopgate.ssh.exchanges import ClientTransport
from hoopgate.ssh.signatures import SIGNATURES
from hoopgate.ssh.transport import SERVICE_ACCEPT, SERVICE_REQUEST
from hoopgate.ssh.wire import Reader, string, uint32
from testbed.ward import Ward


class _Socket:
    """Enough of a transport."""

    connected = True
    disconnected = False

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def loseConnection(self) -> None:
        self._socket.close()

    abortConnection = loseConnection


class _Client(ClientTransport):
    def __init__(self) -> None:
        super().__init__(Clock(), lambda blob: Key.fromString(blob, "blob"), list(SIGNATURES))  # type: ignore[no-any-return]
        self.messages: list[tuple[int, bytes]] = []
        self.ready = False

    def secured(self) -> None:
        self.ready = self._may_rekey = True

    def received(self, number: int, payload: bytes) -> None:
        self.messages.append((number, payload))

    def ended(self, reason: str) -> None:
        pass


class RawSSH:
    """Connected, and with a ``who`` logged in.

    :param who: None: the login is the test's own.
    """

    def __init__(self, ward: Ward, who: str | None = "executor") -> None:
        self._socket = socket.create_connection(("127.0.0.1", ward.port), timeout=60)
        self.client: Any = _Client()
        self.client.makeConnection(_Socket(self._socket))
        while not self.client.ready:
            self._read()
        if who is None:
            return
        self.send(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.next(SERVICE_ACCEPT)
        token = ward.token(who).encode()
        user = string(f"{who}%ward".encode()) + string(b"ssh-connection")
        self.send(50, user + string(b"password") + b"\0" + string(token))
        self.next(52)

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self.client.dataReceived(data)

    def send(self, number: int, body: bytes = b"") -> None:
        self.client.sendPacket(number, body)

    def next(self, *numbers: int) -> tuple[int, Reader]:
        """The next message, of one of these kinds where some are named."""
        while True:
            while self.client.messages:
                number, payload = self.client.messages.pop(0)
                if not numbers or number in numbers:
                    return number, Reader(payload)
            self._read()

    def ended(self) -> bool:
        """Read on until the gateway closes a channel, or hangs up."""
        try:
            while not self.client.over:
                if any(number == wire.CHANNEL_CLOSE for number, _ in self.client.messages):
                    return True
                self._read()
        except (EOFError, ConnectionError):
            pass
        return True

    def open(
        self, number: int = 0, room: int = 2**21, packet: int = 2**15, kind: bytes = b"session"
    ) -> int:
        """Ask for a channel: the gateway's number of it, or -1."""
        self.send(wire.CHANNEL_OPEN, string(kind) + b"".join(map(uint32, (number, room, packet))))
        found, reader = self.next(wire.CHANNEL_OPEN_CONFIRMATION, wire.CHANNEL_OPEN_FAILURE)
        reader.uint32()
        return reader.uint32() if found == wire.CHANNEL_OPEN_CONFIRMATION else -1

    def request(
        self, channel: int, name: bytes, body: bytes = b"", *, want_reply: bool = True
    ) -> None:
        flag = bytes((want_reply,))
        self.send(wire.CHANNEL_REQUEST, uint32(channel) + string(name) + flag + body)

    def run(self, command: bytes) -> tuple[bytes, bytes, int | None]:
        """Output, errors and status of a command on a channel of its own."""
        channel = self.open(99)
        self.request(channel, b"exec", string(command))
        output, errors, status = b"", b"", None
        while True:
            number, reader = self.next()
            reader.uint32()
            if number == wire.CHANNEL_DATA:
                output += reader.string()
            elif number == wire.CHANNEL_EXTENDED_DATA:
                reader.uint32()
                errors += reader.string()
            elif number == wire.CHANNEL_REQUEST and reader.string() == b"exit-status":
                reader.boolean()
                status = reader.uint32()
            elif number == wire.CHANNEL_CLOSE:
                self.send(wire.CHANNEL_CLOSE, uint32(channel))
                return output, errors, status

    def close(self) -> None:
        self._socket.close()
