"""The log's key in a process of its own: the gateway, which parses hostile bytes, never has it.

The process signs checkpoints of its log that grow, and nothing else: it takes the text of a
checkpoint and gives the signed note. It is a child of the node, or, to keep the key from the node's
own user, started apart on a unix socket (``hoopgate signer``).

Frames in both directions: length u32 ‖ data. The process begins with its verifier key.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_CORE, setrlimit

from hoopgate.errors import RecorderFailed
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Verifier
from hoopgate.recorder.signer import FileSigner

_length = struct.Struct(">I")
#: A checkpoint is three short lines.
FRAME_BYTES = 4096
SECONDS = 10.0  #: for an answer
_PR_SET_DUMPABLE = 4


class Guard:
    """Signs only what can follow what it signed before."""

    def __init__(self, signer: FileSigner) -> None:
        self.verifier = signer.verifier
        self._signer = signer
        self._last: Checkpoint | None = None

    def sign(self, text: bytes) -> bytes:
        """The signed note; empty: refused."""
        try:
            checkpoint = Checkpoint.parse(text.decode())
        except (BadNote, UnicodeDecodeError):
            return b""
        last = self._last
        if checkpoint.origin != self._signer.name:
            return b""
        if last is not None and (
            checkpoint.size < last.size
            or (checkpoint.size == last.size and checkpoint.root != last.root)
        ):
            return b""
        self._last = checkpoint
        return self._signer.sign(checkpoint)


def serve(connection: socket.socket, guard: Guard) -> None:
    """Answer until the other side hangs up or breaks the protocol."""
    with suppress(OSError, EOFError):
        _send(connection, str(guard.verifier).encode())
        while True:
            _send(connection, guard.sign(_receive(connection)))


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_length.pack(len(data)) + data)


def _receive(connection: socket.socket) -> bytes:
    """:raises EOFError: the other side hung up, or sent too much."""
    (length,) = _length.unpack(_exactly(connection, _length.size))
    if length > FRAME_BYTES:
        raise EOFError
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class ProcessSigner:
    """Signs by asking such a process. Blocks; may be used by several threads.

    :ivar name: the origin of the log.
    """

    def __init__(
        self, connection: socket.socket, child: subprocess.Popen[bytes] | None = None
    ) -> None:
        """:raises RecorderFailed: there is nobody, or it is no signer."""
        self._connection = connection
        self._child = child
        self._one = threading.Lock()
        connection.settimeout(SECONDS)
        try:
            self.verifier = Verifier.parse(_receive(connection).decode())
        except (OSError, EOFError, BadNote, UnicodeDecodeError):
            self.close()
            raise RecorderFailed(
                "the signer did not start: see the lines before this one, and run 'hoopgate check'"
            ) from None
        self.name = self.verifier.name

    @classmethod
    def spawn(cls, key: Path) -> ProcessSigner:
        """Start a child that has the key in a file.

        :raises RecorderFailed: it did not start.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-m", "hoopgate.recorder.signer_process", str(key)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # what ends the node by a signal lets it sign the last one
            )
        return cls(ours, child)

    @classmethod
    def connect(cls, path: Path) -> ProcessSigner:
        """Ask a signer that was started apart.

        :raises RecorderFailed: nobody answers there.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise RecorderFailed(
                f"no signer answers at {path} ({error.strerror}): start 'hoopgate signer', or take "
                "recording.signer out of the settings"
            ) from None
        return cls(connection)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The signed note of a checkpoint.

        :raises RecorderFailed: the signer is gone, refuses, or signed something else.
        """
        text = str(checkpoint)
        try:
            with self._one:
                _send(self._connection, text.encode())
                note = _receive(self._connection)
        except (OSError, EOFError):
            raise RecorderFailed("the signer is gone") from None
        if not note.startswith(text.encode() + b"\n"):
            raise RecorderFailed("the signer refuses to sign: it signed another log before")
        return note

    def close(self) -> None:
        """Hang up; a child ends."""
        self._connection.close()
        child, self._child = self._child, None
        if child is not None:
            try:
                child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def harden() -> None:
    """No core dump and no ptrace by others of the same user."""
    setrlimit(RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main(key: Path) -> int:
    """The child: signs for who has the other end of its standard input."""
    harden()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        guard = Guard(FileSigner.load(key))
    except (BadNote, OSError) as error:
        print(f"hoopgate: {error}", file=sys.stderr)
        return 1
    with socket.socket(fileno=os.dup(0)) as connection:
        serve(connection, guard)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
