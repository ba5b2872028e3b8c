"""Packets of SFTP, version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions; sans-I/O."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.ssh.wire import Reader, string, uint32

INIT: Final = 1
VERSION: Final = 2
OPEN: Final = 3
CLOSE: Final = 4
READ: Final = 5
WRITE: Final = 6
LSTAT: Final = 7
FSTAT: Final = 8
SETSTAT: Final = 9
FSETSTAT: Final = 10
OPENDIR: Final = 11
READDIR: Final = 12
REMOVE: Final = 13
MKDIR: Final = 14
RMDIR: Final = 15
REALPATH: Final = 16
STAT: Final = 17
RENAME: Final = 18
READLINK: Final = 19
SYMLINK: Final = 20
STATUS: Final = 101
HANDLE: Final = 102
DATA: Final = 103
NAME: Final = 104
ATTRS: Final = 105
EXTENDED: Final = 200
EXTENDED_REPLY: Final = 201

#: Flags of OPEN.
READING: Final = 0x01
WRITING: Final = 0x02 | 0x04 | 0x08 | 0x10  # write, append, creat, trunc

#: Codes of STATUS.
OK: Final = 0
EOF: Final = 1
NO_SUCH_FILE: Final = 2
PERMISSION_DENIED: Final = 3
FAILURE: Final = 4
UNSUPPORTED: Final = 8

#: What each code means (draft-ietf-secsh-filexfer-02 section 7).
MEANINGS: Final = {
    OK: "Success",
    EOF: "End of file",
    NO_SUCH_FILE: "No such file",
    PERMISSION_DENIED: "Permission denied",
    FAILURE: "Failure",
    5: "Bad message",
    6: "No connection",
    7: "Connection lost",
    UNSUPPORTED: "Operation unsupported",
}

#: OpenSSH's SFTP_MAX_MSG_LENGTH.
PACKET_BYTES: Final = 256 * 1024
HANDLE_BYTES: Final = 256
_SIZE, _OWNER, _PERMISSIONS = 0x01, 0x02, 0x04  # which attributes there are

#: Extensions that are relayed, and those with paths: how many of them stand first.
EXTENSIONS: Final = {
    b"posix-rename@openssh.com": 2,
    b"statvfs@openssh.com": 1,
    b"fstatvfs@openssh.com": 0,
    b"hardlink@openssh.com": 2,
    b"fsync@openssh.com": 0,
    b"lsetstat@openssh.com": 1,
    b"limits@openssh.com": 0,
    b"copy-data": 0,
}

_PATHS: Final = {
    **dict.fromkeys((OPEN, LSTAT, SETSTAT, OPENDIR, REMOVE, MKDIR, RMDIR, REALPATH), 1),
    **dict.fromkeys((STAT, READLINK), 1),
    **dict.fromkeys((RENAME, SYMLINK), 2),
}
#: What answers a request where it is no STATUS (section 7).
_ANSWERS: Final = {
    READ: DATA,
    **dict.fromkeys((OPEN, OPENDIR), HANDLE),
    **dict.fromkeys((LSTAT, FSTAT, STAT), ATTRS),
    **dict.fromkeys((READDIR, REALPATH, READLINK), NAME),
    EXTENDED: EXTENDED_REPLY,
}
_HANDLES: Final = frozenset([CLOSE, READ, WRITE, FSTAT, FSETSTAT, READDIR])


class Packets:
    """Packets out of chunks of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes that no packet was made of yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> None:
        """Take more bytes."""
        self._buffer += chunk

    def next(self) -> bytes | None:
        """The next packet without its length; None when it is not whole yet.

        :raises RemoteProtocolError: its length is wrong.
        """
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "big")
        if length < 1:
            raise RemoteProtocolError("an empty packet of SFTP")
        if length > PACKET_BYTES:
            raise LimitExceeded("a packet of SFTP is too long")
        if len(buffer) < 4 + length:
            return None
        with memoryview(buffer) as view:
            packet = bytes(view[4 : 4 + length])
        del buffer[: 4 + length]
        return packet


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request.

    :ivar extension: name of an EXTENDED request.
    :ivar paths: as the client wrote them.
    :ivar handles: one; of copy-data two.
    :ivar rest: the fields behind paths and handles.
    """

    kind: int
    id: int
    extension: bytes = b""
    paths: tuple[bytes, ...] = field(default=(), repr=False)
    handles: tuple[bytes, ...] = ()
    rest: bytes = field(default=b"", repr=False)

    def encode(self, paths: tuple[bytes, ...] | None = None) -> bytes:
        """The packet, with other paths when they are given; not for copy-data."""
        head = bytes((self.kind,)) + uint32(self.id)
        if self.extension:
            head += string(self.extension)
        strings = (*(self.paths if paths is None else paths), *self.handles)
        return string(head + b"".join(map(string, strings)) + self.rest)


def request(packet: bytes) -> Request:
    """A client's packet.

    :raises RemoteProtocolError: it is malformed, or no request.
    """
    reader = Reader(packet)
    kind, id_ = reader.byte(), reader.uint32()
    if kind == EXTENDED:
        name = reader.string()
        return _extended(id_, name, reader)
    if kind in _PATHS:
        paths = tuple([reader.string() for _ in range(_PATHS[kind])])
        return Request(kind, id_, paths=paths, rest=reader.rest())
    if kind in _HANDLES:
        return Request(kind, id_, handles=(_handle(reader),), rest=reader.rest())
    raise RemoteProtocolError("a packet of SFTP that clients do not send")


def _extended(id_: int, name: bytes, reader: Reader) -> Request:
    if name == b"copy-data":
        first = _handle(reader)
        reader.uint64()
        reader.uint64()
        second = _handle(reader)
        return Request(EXTENDED, id_, name, handles=(first, second))
    if name in (b"fstatvfs@openssh.com", b"fsync@openssh.com"):
        return Request(EXTENDED, id_, name, handles=(_handle(reader),), rest=reader.rest())
    paths = tuple([reader.string() for _ in range(EXTENSIONS.get(name, 0))])
    return Request(EXTENDED, id_, name, paths, rest=reader.rest())


def _handle(reader: Reader) -> bytes:
    handle = reader.string()
    if len(handle) > HANDLE_BYTES:
        raise LimitExceeded("a handle of SFTP is too long")
    return handle


def status(id_: int, code: int, message: str) -> bytes:
    """The packet of a STATUS."""
    body = uint32(id_) + uint32(code) + string(message.encode()) + string(b"en")
    return string(bytes((STATUS,)) + body)


def answers(asked: int, told: int) -> bool:
    """Whether a packet of the kind ``told`` answers one of the kind ``asked``."""
    return told in (STATUS, _ANSWERS.get(asked))


def data(id_: int, payload: bytes) -> bytes:
    """The packet of DATA."""
    return string(bytes((DATA,)) + uint32(id_) + string(payload))


def handle(id_: int, name: bytes) -> bytes:
    """The packet of a HANDLE."""
    return string(bytes((HANDLE,)) + uint32(id_) + string(name))


def attributes(id_: int, attrs: bytes) -> bytes:
    """The packet of ATTRS."""
    return string(bytes((ATTRS,)) + uint32(id_) + attrs)


def size_of(attrs: bytes) -> int | None:
    """The size in attributes, where it is."""
    reader = Reader(attrs)
    return reader.uint64() if reader.uint32() & _SIZE else None


def with_size(attrs: bytes, size: int) -> bytes:
    """The same attributes with another size."""
    flags = Reader(attrs).uint32()
    rest = attrs[12:] if flags & _SIZE else attrs[4:]
    return uint32(flags | _SIZE) + struct.pack(">Q", size) + rest


def mode_of(attrs: bytes) -> int | None:
    """The mode in attributes, where it is.

    :raises RemoteProtocolError: they are malformed.
    """
    flags = Reader(attrs).uint32()
    if not flags & _PERMISSIONS:
        return None
    at = 4 + (8 if flags & _SIZE else 0) + (8 if flags & _OWNER else 0)
    return Reader(attrs[at:]).uint32()


def sets_id(attrs: bytes) -> bool:
    """Whether a file with these attributes runs as its owner or its group.

    :raises RemoteProtocolError: they are malformed.
    """
    return bool((mode_of(attrs) or 0) & 0o6000)


def without_set_id(attrs: bytes) -> bytes:
    """The same attributes without the bits that have a program run as its owner (or sticky).

    :raises RemoteProtocolError: they are malformed.
    """
    mode = mode_of(attrs)
    if mode is None:
        return attrs
    flags = Reader(attrs).uint32()
    at = 4 + (8 if flags & _SIZE else 0) + (8 if flags & _OWNER else 0)
    return attrs[:at] + uint32(mode & ~0o7000) + attrs[at + 4 :]


def version(packet: bytes) -> bytes:
    """The server's VERSION, as the client gets it: version 3, with what is relayed.

    :raises RemoteProtocolError: it is malformed, or another version.
    """
    reader = Reader(packet)
    if reader.byte() != VERSION or reader.uint32() != 3:
        raise RemoteProtocolError("the server does not speak version 3 of SFTP")
    kept = b""
    rest = reader.rest()
    reader = Reader(rest)
    left = len(rest)
    for _ in range(64):
        if not left:
            break
        name, value = reader.string(), reader.string()
        left -= 8 + len(name) + len(value)
        if name in EXTENSIONS:
            kept += string(name) + string(value)
    return string(bytes((VERSION,)) + uint32(3) + kept)
