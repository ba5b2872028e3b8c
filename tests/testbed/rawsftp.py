"""SFTP's packets, written by hand, and what they could have changed on the server."""

from __future__ import annotations

import re

import paramiko

from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.wire import Reader, string, uint32
from testbed.ward import Ward

NONE = uint32(0)  #: no attributes


def state(ward: Ward) -> dict[str, tuple[int, bytes]]:
    """Everything that an attack could have changed."""
    found = {}
    for path in sorted(ward.server.root.rglob("*")):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = path.lstat().st_mode, content
    return found


def patient(ward: Ward) -> paramiko.Transport:
    """A connection that also a busy machine has the time to answer."""
    transport = paramiko.Transport(("127.0.0.1", ward.port))
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = 100
    return transport


class Raw:
    """SFTP's packets, written by hand."""

    def __init__(self, ward: Ward, who: str) -> None:
        self._transport = patient(ward)
        self._transport.connect(username=f"{who}%ward", password=ward.token(who))
        self._channel = self._transport.open_session()
        self._channel.settimeout(100)
        self._channel.invoke_subsystem("sftp")
        self._id = 0
        self.send(string(bytes((sftp.INIT,)) + uint32(3)))
        self.version = self.packet()

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def packet(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._channel.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def ask(self, kind: int, *parts: bytes) -> tuple[int, Reader]:
        """Kind of the answer, and its fields behind the id."""
        self._id += 1
        self.send(string(bytes((kind,)) + uint32(self._id) + b"".join(parts)))
        answer = Reader(self.packet())
        found = answer.byte()
        assert answer.uint32() == self._id
        return found, answer

    def code(self, kind: int, *parts: bytes) -> int:
        """The code of a STATUS; 0 also for what is none: it was done."""
        found, answer = self.ask(kind, *parts)
        return answer.uint32() if found == sftp.STATUS else 0

    def handle(self, path: bytes, flags: int = sftp.READING) -> bytes:
        found, answer = self.ask(sftp.OPEN, string(path), uint32(flags), uint32(0))
        assert found == sftp.HANDLE
        return answer.string()

    def approval(self) -> str:
        """Wait until a request for approval is told; its name."""
        told = b""
        while (found := re.search(rb'"approval": "([^"]+)"', told)) is None:
            piece = self._channel.recv_stderr(4096)
            if not piece:
                raise EOFError
            told += piece
        return found[1].decode()

    def close(self) -> None:
        self._transport.close()


def extended(name: bytes, *parts: bytes) -> tuple[int, bytes]:
    return sftp.EXTENDED, string(name) + b"".join(parts)
