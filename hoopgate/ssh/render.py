"""How a recording of SSH is shown: programs as what a terminal saw, SFTP as operations.

A session is one channel; its recording holds the frames of :mod:`hoopgate.ssh.wire` in both
directions, what the client sent and what it was sent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.recorder.cast import HEIGHT, WIDTH, Decoder, Event, register_terminal
from hoopgate.recorder.render import inert, register
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh import wire
from hoopgate.ssh.channels import FRAME_BYTES
from hoopgate.ssh.sftp_wire import Packets
from hoopgate.ssh.wire import Reader

#: Bytes of a file that came out of order and are kept for its hash.
_KEPT: Final = 64 * 2**20
_NAMES: Final = {
    sftp.LSTAT: "lstat",
    sftp.SETSTAT: "setstat",
    sftp.OPENDIR: "opendir",
    sftp.REMOVE: "remove",
    sftp.MKDIR: "mkdir",
    sftp.RMDIR: "rmdir",
    sftp.REALPATH: "realpath",
    sftp.STAT: "stat",
    sftp.RENAME: "rename",
    sftp.READLINK: "readlink",
    sftp.SYMLINK: "symlink",
    sftp.FSETSTAT: "fsetstat",
}


@dataclass(slots=True)
class _Sum:
    """Size and hash of one direction of a file."""

    size: int = 0
    hash: hashlib._Hash | None = field(default_factory=hashlib.sha256)
    _next: int = 0
    _later: dict[int, bytes] = field(default_factory=dict)
    _kept: int = 0

    def add(self, offset: int, data: bytes) -> None:
        self.size += len(data)
        self._later[offset] = data
        self._kept += len(data)
        while self._next in self._later and self.hash is not None:
            part = self._later.pop(self._next)
            self._kept -= len(part)
            if not part:
                break
            self.hash.update(part)
            self._next += len(part)
        if self._kept > _KEPT:
            self.hash = None
            self._later.clear()

    def told(self) -> str:
        """``123 bytes, sha256:…``; no hash where parts were skipped or repeated."""
        if self.hash is None or self._later or self._next != self.size:
            return f"{self.size} bytes"
        return f"{self.size} bytes, sha256:{self.hash.hexdigest()}"


@dataclass(slots=True)
class _File:
    path: str
    read: _Sum = field(default_factory=_Sum)
    written: _Sum = field(default_factory=_Sum)


@dataclass(slots=True)
class _Open:
    text: str
    file: _File | None = None
    offset: int = 0
    quiet: bool = False


class SFTPLines:
    """Operations with paths and outcomes; sizes and hashes of files when they are closed."""

    def __init__(self) -> None:
        self._client = Packets()
        self._server = Packets()
        self._open: dict[int, _Open] = {}
        self._files: dict[bytes, _File] = {}

    def request(self, data: bytes) -> list[str]:
        """Lines for what the client sent."""
        self._client.feed(data)
        lines = []
        while (packet := self._client.next()) is not None:
            if packet[0] != sftp.INIT:
                lines += self._asked(sftp.request(packet))
        return lines

    def response(self, data: bytes) -> list[str]:
        """Lines for what the client was sent."""
        self._server.feed(data)
        lines = []
        while (packet := self._server.next()) is not None:
            if packet[0] != sftp.VERSION:
                lines += self._answered(Reader(packet))
        return lines

    def _asked(self, request: sftp.Request) -> list[str]:
        paths = " ".join(inert(path.decode("utf-8", "backslashreplace")) for path in request.paths)
        file = self._files.get(request.handles[0]) if request.handles else None
        if request.kind == sftp.OPEN:
            flags = Reader(request.rest).uint32()
            word = "write" if flags & sftp.WRITING else "read"
            self._open[request.id] = _Open(f"open {paths} to {word}", _File(paths))
        elif request.kind == sftp.OPENDIR:
            self._open[request.id] = _Open(f"list {paths}", _File(paths))
        elif request.kind in (sftp.READ, sftp.WRITE) and file is not None:
            reader = Reader(request.rest)
            offset = reader.uint64()
            if request.kind == sftp.WRITE:
                file.written.add(offset, reader.string())
            self._open[request.id] = _Open("", file, offset, quiet=True)
        elif request.kind == sftp.CLOSE and file is not None:
            self._open[request.id] = _Open("", quiet=True)
            del self._files[request.handles[0]]
            return self._closed(file)
        elif request.paths:
            name = _NAMES.get(request.kind) or request.extension.decode("ascii", "replace")
            self._open[request.id] = _Open(f"{name} {paths}")
        else:
            self._open[request.id] = _Open("", quiet=True)
        return []

    def _closed(self, file: _File) -> list[str]:
        parts = [f"read {file.read.told()}"] if file.read.size else []
        parts += [f"wrote {file.written.told()}"] if file.written.size else []
        return [f"close {file.path}: {'; '.join(parts)}"] if parts else []

    def _answered(self, reader: Reader) -> list[str]:
        kind, id_ = reader.byte(), reader.uint32()
        opened = self._open.pop(id_, None)
        if opened is None:
            return []
        if kind == sftp.HANDLE and opened.file is not None:
            self._files[reader.string()] = opened.file
            return [opened.text]
        if kind == sftp.DATA and opened.file is not None:
            opened.file.read.add(opened.offset, reader.string())
        if kind == sftp.STATUS:
            code, message = reader.uint32(), reader.string()
            if code not in (sftp.OK, sftp.EOF):
                text = inert(message.decode("utf-8", "backslashreplace"))
                return [f"{opened.text or 'request'}: {text}"]
        return [] if opened.quiet or not opened.text else [opened.text]


class _Channel:
    """What both views share: frames, and which program it is."""

    def __init__(self) -> None:
        self._sent = wire.Frames(FRAME_BYTES)
        self._seen = wire.Frames(FRAME_BYTES)
        self.files: SFTPLines | None = None
        self._broken = False

    def frames(self, data: bytes, *, sent: bool) -> list[tuple[int, bytes]]:
        """The frames in a piece of the recording; none behind one that is not ours."""
        if self._broken:
            return []
        try:
            return list((self._sent if sent else self._seen).feed(data))
        except RemoteProtocolError:
            self._broken = True
            return []

    def requested(self, body: bytes) -> tuple[str, Reader]:
        """Name and fields of a channel's request."""
        reader = Reader(body)
        name = reader.string().decode("ascii", "replace")
        reader.boolean()
        return name, reader

    def program(self, name: str, reader: Reader) -> str | None:
        """The line about a program that is asked for."""
        if name == "exec":
            return inert(reader.string().decode("utf-8", "backslashreplace"))
        if name == "shell":
            return "(a shell)"
        if name == "subsystem":
            found = reader.string().decode("ascii", "replace")
            if found == "sftp":
                self.files = SFTPLines()
            return f"({inert(found)})"
        return None


def _payload(number: int, body: bytes) -> bytes:
    reader = Reader(body)
    if number == wire.CHANNEL_EXTENDED_DATA:
        reader.uint32()
    return reader.string()


#: A terminal that says it is larger is not believed: players make room for all of it.
_MOST_COLUMNS: Final = 1000
_DATA: Final = (wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA)


class SSHRenderer:
    """Programs, their input and output by lines, exit statuses; operations of SFTP."""

    def __init__(self) -> None:
        self._channel = _Channel()

    def request(self, data: bytes) -> list[str]:
        """Lines for what the client sent."""
        lines: list[str] = []
        for number, body in self._channel.frames(data, sent=True):
            try:
                lines += self._requested(number, body)
            except RemoteProtocolError:
                lines.append("(a malformed message)")
        return lines

    def response(self, data: bytes) -> list[str]:
        """Lines for what the client was sent."""
        lines: list[str] = []
        for number, body in self._channel.frames(data, sent=False):
            try:
                lines += self._answered(number, body)
            except RemoteProtocolError:
                lines.append("(a malformed message)")
        return lines

    def _requested(self, number: int, body: bytes) -> list[str]:
        if number in _DATA:
            payload = _payload(number, body)
            if self._channel.files is not None:
                return self._channel.files.request(payload)
            return [f"input: {line}" for line in _lines(payload)]
        if number == wire.CHANNEL_REQUEST:
            name, reader = self._channel.requested(body)
            line = self._channel.program(name, reader)
            if line is not None:
                return [f"{name} {line}"]
            if name in ("pty-req", "window-change"):
                term = reader.string() + b" " if name == "pty-req" else b""
                size = f"{reader.uint32()}x{reader.uint32()}"
                return [f"{name} {inert(term.decode('utf-8', 'backslashreplace'))}{size}"]
            if name == "signal":
                return [f"signal {inert(reader.string().decode('ascii', 'replace'))}"]
            if name == "env":
                return [f"env {inert(reader.string().decode('utf-8', 'backslashreplace'))}"]
            return [inert(name)]
        return ["end of input"] if number == wire.CHANNEL_EOF else []

    def _answered(self, number: int, body: bytes) -> list[str]:
        if number in _DATA:
            payload = _payload(number, body)
            if number == wire.CHANNEL_EXTENDED_DATA:
                return [f"stderr: {line}" for line in _lines(payload)]
            if self._channel.files is not None:
                return self._channel.files.response(payload)
            return list(_lines(payload))
        if number == wire.CHANNEL_REQUEST:
            name, reader = self._channel.requested(body)
            if name == "exit-status":
                return [f"exit status {reader.uint32()}"]
            return [inert(name)]
        return []


def _lines(data: bytes) -> list[str]:
    return [inert(line.decode("utf-8", "backslashreplace")) for line in data.splitlines()]


class SSHTerminal:
    """What a terminal saw of a program; of SFTP, its operations."""

    def __init__(self) -> None:
        self.size = (WIDTH, HEIGHT)
        self._channel = _Channel()
        self._input = Decoder()
        self._output = Decoder()

    def request(self, data: bytes) -> list[Event]:
        """What the client sent."""
        events: list[Event] = []
        for number, body in self._channel.frames(data, sent=True):
            try:
                events += self._requested(number, body)
            except RemoteProtocolError:
                continue
        return events

    def response(self, data: bytes) -> list[Event]:
        """What the client was sent."""
        events: list[Event] = []
        for number, body in self._channel.frames(data, sent=False):
            if number not in _DATA:
                continue
            try:
                payload = _payload(number, body)
                if self._channel.files is not None and number == wire.CHANNEL_DATA:
                    lines = self._channel.files.response(payload)
                    events += [("o", f"{line}\r\n") for line in lines]
                else:
                    events.append(("o", self._output.feed(payload)))
            except RemoteProtocolError:
                continue
        return events

    def _requested(self, number: int, body: bytes) -> list[Event]:
        if number in _DATA:
            payload = _payload(number, body)
            if self._channel.files is not None:
                return [("o", f"{line}\r\n") for line in self._channel.files.request(payload)]
            return [("i", self._input.feed(payload))]
        if number != wire.CHANNEL_REQUEST:
            return []
        name, reader = self._channel.requested(body)
        if name == "pty-req":
            reader.string()
            columns, rows = reader.uint32(), reader.uint32()
            if 0 < columns <= _MOST_COLUMNS and 0 < rows <= _MOST_COLUMNS:
                self.size = columns, rows
            return []
        if name == "window-change":
            return [("r", f"{reader.uint32()}x{reader.uint32()}")]
        line = self._channel.program(name, reader)
        return [("o", f"\x1b[1m$ {line}\x1b[0m\r\n")] if line is not None else []


register("ssh", SSHRenderer)
register_terminal("ssh", SSHTerminal)
