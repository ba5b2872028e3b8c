"""Looks at the wire between gateway and backend, and at the gateway's log at the same moment."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from hoopgate.recorder.leaf import decode
from hoopgate.recorder.payload import Kind, split_pieces
from hoopgate.recorder.sealing import REPLAY_KEY, ReplayKey, SessionKey, unseal
from hoopgate.recorder.segments import Scan, segment_numbers
from hoopgate.recorder.wraps import wrap_path


class Tapped:
    """One connection from the gateway to its backend, in plaintext.

    :ivar application: ``application_name`` of its start-up message.
    :ivar received: what the backend has been sent since its first ReadyForQuery.
    """

    def __init__(self, tap: Tap, gateway: socket.socket, backend: socket.socket) -> None:
        self.application = ""
        self.received = b""
        self._tap = tap
        self._sockets = (gateway, backend)
        self._startup = b""
        self._ready = False
        self._answers = b""
        for move in (self._requests, self._responses):
            threading.Thread(target=self._run, args=(move, gateway, backend), daemon=True).start()

    def _run(
        self,
        move: Callable[[socket.socket, socket.socket], None],
        gateway: socket.socket,
        backend: socket.socket,
    ) -> None:
        with contextlib.suppress(OSError):
            move(gateway, backend)
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _requests(self, gateway: socket.socket, backend: socket.socket) -> None:
        while data := gateway.recv(65_536):
            if self._ready:
                self.received += data
                self._tap.look(self)
            elif not self.application:
                self._start(data)
            backend.sendall(data)

    def _responses(self, gateway: socket.socket, backend: socket.socket) -> None:
        while data := backend.recv(65_536):
            if not self._ready:
                self._answers += data
                self._ready = self._has_ready()
            gateway.sendall(data)

    def _start(self, data: bytes) -> None:
        self._startup += data
        if (
            len(self._startup) >= 8
            and len(self._startup) >= struct.unpack_from("!I", self._startup)[0]
        ):
            words = self._startup[8:].split(b"\0")
            parameters = dict(zip(words[::2], words[1::2], strict=False))
            self.application = parameters.get(b"application_name", b"?").decode()

    def _has_ready(self) -> bool:
        at = 0
        while at + 5 <= len(self._answers):
            if self._answers[at : at + 1] == b"Z":
                return True
            at += 1 + struct.unpack_from("!I", self._answers, at + 1)[0]
        return False

    def close(self) -> None:
        for one in self._sockets:
            one.close()


class Tap:
    """A TCP relay in front of a backend that records what passes.

    :ivar look_at: called before bytes of a logged-in connection go on to the backend; what it
        raises is kept in ``failures``.
    """

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        self.look_at: Callable[[Tapped], None] = lambda connection: None
        self.connections: list[Tapped] = []
        self.failures: list[BaseException] = []
        self._backend = port
        self._listening = socket.create_server((self.host, 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listening.close()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                gateway, _ = self._listening.accept()
                try:
                    backend = socket.create_connection((self.host, self._backend), 10)
                except OSError:
                    gateway.close()
                    continue
                backend.settimeout(None)
                for one in (gateway, backend):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.append(Tapped(self, gateway, backend))

    def look(self, connection: Tapped) -> None:
        try:
            self.look_at(connection)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            self.failures.append(error)

    def of(self, application: str) -> Tapped:
        """The connection of the session with this ``application_name``."""
        (found,) = [one for one in self.connections if one.application == application]
        return found


class Segments:
    """The recordings as they lie on the disk now, signed or not.

    :ivar forwarded: session → what its backend was sent, by its leaves.
    :ivar requests: session → what its client sent.
    :ivar facts: session → what its first record says of it, JSON.
    :ivar ended: session → the reason of its end.
    """

    def __init__(self, state_dir: Path, directory: Path | None = None) -> None:
        self._log = directory or state_dir / "log"
        self._replay = ReplayKey.load(state_dir / REPLAY_KEY)
        self._keys: dict[str, SessionKey] = {}
        self.forwarded: dict[str, bytes] = {}
        self.requests: dict[str, bytes] = {}
        self.facts: dict[str, bytes] = {}
        self.ended: dict[str, str] = {}
        self._pending: dict[str, list[tuple[int, bytes]]] = {}
        for number in segment_numbers(self._log):
            for _, data, payload in Scan(self._log, number):
                self._leaf(data, payload)
        for session in list(self._pending):
            self._settle(session)

    def _leaf(self, data: bytes, payload: bytes) -> None:
        leaf = decode(data)
        session = leaf["session"]
        if leaf["type"] == "session.close":
            self.ended[session] = str(leaf.get("reason"))
        if "hmac" not in leaf:
            return  # not encrypted: the recorder's own
        plaintext = self._key(session).decrypt(leaf["seq"], payload)
        for kind, moment, piece in split_pieces(plaintext):
            if kind == Kind.FACTS:
                self.facts[session] = piece
            elif kind == Kind.REQUEST:
                self.requests[session] = self.requests.get(session, b"") + piece
                self._pending.setdefault(session, []).append((moment, piece))
            elif kind == Kind.FORWARDED:
                pending = self._pending.setdefault(session, [])
                while pending and pending[-1][0] == moment:
                    pending.pop()  # the request that this was sent instead of
                self._settle(session)
                self.forwarded[session] = self.forwarded.get(session, b"") + piece

    def _settle(self, session: str) -> None:
        data = b"".join(piece for _, piece in self._pending.pop(session, []))
        self.forwarded[session] = self.forwarded.get(session, b"") + data

    def _key(self, session: str) -> SessionKey:
        if session not in self._keys:
            wrap = wrap_path(self._log, session).read_bytes()
            self._keys[session] = SessionKey(session, unseal(session, wrap, self._replay))
        return self._keys[session]

    def of(self, application: str) -> str:
        """Id of the session with this ``application_name``."""
        needle = f'"application":"{application}"'.encode()
        (found,) = [session for session, facts in self.facts.items() if needle in facts]
        return found
