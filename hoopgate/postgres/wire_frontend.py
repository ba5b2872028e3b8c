"""Messages a client sends after start-up (manual 55.7, "F"): decoded, and encoded side by side.

Decoding follows the server's own reading (``src/backend/tcop/postgres.c``,
``libpq/pqformat.c``), so that what is judged is what the server runs: counts are unsigned, a
message must end where its last field ends.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NoReturn, final

from librt.strings import read_i16_be, read_i32_be
from mypy_extensions import i64

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.postgres.wire_buffer import StreamBuffer
from hoopgate.postgres.wire_framing import LARGEST_LENGTH, counted, framed, terminated
from hoopgate.postgres.wire_messages import (
    Bind,
    CloseMessage,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    FunctionCall,
    Malformed,
    Oversized,
    Parse,
    PasswordMessage,
    Query,
    Sync,
    Terminate,
)

_QUERY: Final = 0x51
_PARSE: Final = 0x50
_BIND: Final = 0x42
_DESCRIBE: Final = 0x44
_EXECUTE: Final = 0x45
_SYNC: Final = 0x53
_COPY_DATA: Final = 0x64
_KNOWN: Final = frozenset(b"QPBDECSHFdcfXp")

_I32: Final = struct.Struct(">i")


@final
class FrontendReader:
    """The client's byte stream, cut into decoded messages.

    A message of more than ``message_limit`` bytes is never held: it is skipped as it streams in and
    then reported as :class:`Oversized`, so the session can refuse it and go on.

    :param message_limit: bytes of a whole message, header included.
    """

    __slots__ = ("_broken", "_buffer", "_limit", "_oversized", "_skip")

    def __init__(self, message_limit: int) -> None:
        self._limit: i64 = message_limit
        self._buffer = StreamBuffer()
        self._skip: i64 = 0
        self._oversized: Oversized | None = None
        self._broken = ""

    @property
    def buffered(self) -> int:
        """Bytes held: at most the limit and one read."""
        return self._buffer.size

    @property
    def skipping(self) -> bool:
        """True while a message above the limit streams by."""
        return self._oversized is not None

    def feed(self, data: bytes) -> None:
        """Append what was read from the socket."""
        if self._broken:
            return
        if self._skip:
            skipped: i64 = len(data)
            if skipped > self._skip:
                skipped = self._skip
            self._skip -= skipped
            data = data[skipped:]
        if data:
            self._buffer.feed(data)

    def next(self) -> FrontendMessage | None:
        """The next message, or None until more bytes are there.

        :raises RemoteProtocolError: unknown type or impossible length: where the next message
            starts cannot be known. Raised again at every further call.
        """
        if self._broken:
            raise RemoteProtocolError(self._broken)
        if self._oversized is not None:
            if self._skip:
                return None
            oversized, self._oversized = self._oversized, None
            return oversized
        buffer = self._buffer
        if buffer.starved():
            return None
        data = buffer.data
        at: i64 = buffer.at
        held: i64 = len(data) - at
        if held < 5:
            buffer.need = 5
            return None
        type_ = data[at]
        length: int = read_i32_be(data, at + 1)
        if type_ not in _KNOWN:
            self._fail("unknown message type")
        if length < 4 or length > LARGEST_LENGTH:
            self._fail("impossible message length")
        size: i64 = length + 1
        if size > self._limit:
            taken: i64 = size if size < held else held
            buffer.at = at + taken
            self._skip = size - taken
            self._oversized = Oversized(type_, length + 1, data[at : at + 5])
            return self.next()
        if held < size:
            buffer.need = size
            return None
        raw = data[at : at + size] if at or held > size else data
        buffer.at = at + size
        try:
            return _decode(type_, raw)
        except _BodyError as error:
            return Malformed(type_, error.why, raw)

    def _fail(self, why: str) -> NoReturn:
        self._broken = why
        self._buffer.clear()
        raise RemoteProtocolError(why)


# --- decoding ----------------------------------------------------------------------------------


class _BodyError(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _string(raw: bytes, at: i64) -> tuple[bytes, i64]:
    end: i64 = raw.find(b"\0", at)
    if end < 0:
        raise _BodyError("a string has no terminator")
    if end == at:  # most names are empty
        return b"", end + 1
    text = raw[at:end]
    if not text.isascii():
        _require_utf8(text)
    return text, end + 1


def _require_utf8(text: bytes) -> None:
    # The server accepts the same sequences: no surrogates, nothing above U+10FFFF.
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise _BodyError("a string is not UTF-8") from None


def _require_end(raw: bytes, at: i64) -> None:
    if at != len(raw):
        raise _BodyError("bytes behind the last field")


def _count(raw: bytes, at: i64) -> int:
    if at + 2 > len(raw):
        raise _BodyError("shorter than its fields")
    return raw[at] << 8 | raw[at + 1]


#: What nearly every list of format codes is, by how many there are and the first of them.
_TEXT: Final = (0,)
_BINARY: Final = (1,)


def _formats(raw: bytes, at: i64) -> tuple[tuple[int, ...], i64]:
    count = _count(raw, at)
    at += 2
    if count == 0:
        return (), at
    end: i64 = at + 2 * count
    if end > len(raw):
        raise _BodyError("shorter than its fields")
    if count == 1:
        code: int = read_i16_be(raw, at)
        if code == 0:
            return _TEXT, end
        if code == 1:
            return _BINARY, end
    formats: tuple[int, ...] = struct.unpack_from(f">{count}H", raw, at)
    if max(formats) > 1:
        raise _BodyError("unknown format code")
    return formats, end


def _decode(type_: int, raw: bytes) -> FrontendMessage:
    """:raises _BodyError: the body is not one of a message of this type."""
    if type_ == _BIND:
        return _decode_bind(raw)
    if type_ == _EXECUTE:
        return _decode_execute(raw)
    if type_ == _SYNC:
        _require_end(raw, 5)
        return Sync(raw)
    if type_ == _DESCRIBE:
        kind, name = _kind_and_name(raw)
        return Describe(kind, name, raw)
    if type_ == _QUERY:
        text, end = _string(raw, 5)
        _require_end(raw, end)
        return Query(text, raw)
    if type_ == _COPY_DATA:
        return CopyData(raw)
    if type_ == _PARSE:
        return _decode_parse(raw)
    return _decode_rare(type_, raw)


def _decode_rare(type_: int, raw: bytes) -> FrontendMessage:
    if type_ == ord("C"):
        kind, name = _kind_and_name(raw)
        return CloseMessage(kind, name, raw)
    if type_ == ord("f"):
        reason, end = _string(raw, 5)
        _require_end(raw, end)
        return CopyFail(reason, raw)
    if type_ == ord("p"):
        return PasswordMessage(raw[5:], raw)
    if type_ == ord("F"):
        return FunctionCall(raw)
    _require_end(raw, 5)
    if type_ == ord("H"):
        return Flush(raw)
    if type_ == ord("c"):
        return CopyDone(raw)
    assert type_ == ord("X")
    return Terminate(raw)


def _decode_parse(raw: bytes) -> Parse:
    name, at = _string(raw, 5)
    text, at = _string(raw, at)
    count = _count(raw, at)
    at += 2
    if at + 4 * count > len(raw):
        raise _BodyError("shorter than its fields")
    types = struct.unpack_from(f">{count}I", raw, at) if count else ()
    _require_end(raw, at + 4 * count)
    return Parse(name, text, types, raw)


def _decode_bind(raw: bytes) -> Bind:
    portal, at = _string(raw, 5)
    statement, at = _string(raw, at)
    formats, at = _formats(raw, at)
    count = _count(raw, at)
    at += 2
    if len(formats) > 1 and len(formats) != count:
        raise _BodyError("parameter formats do not match the parameters")
    end: i64 = len(raw)
    parameters: list[bytes | None] = []
    for _ in range(count):
        if at + 4 > end:
            raise _BodyError("shorter than its fields")
        length: int = read_i32_be(raw, at)
        at += 4
        if length == -1:
            parameters.append(None)
            continue
        if length < 0:
            raise _BodyError("negative parameter length")
        if length > end - at:
            raise _BodyError("shorter than its fields")
        parameters.append(raw[at : at + length])
        at += length
    result_formats, at = _formats(raw, at)
    _require_end(raw, at)
    return Bind(portal, statement, formats, tuple(parameters), result_formats, raw)


def _kind_and_name(raw: bytes) -> tuple[bytes, bytes]:
    kind = raw[5:6]
    if kind != b"S" and kind != b"P":
        raise _BodyError("neither a statement nor a portal")
    name, end = _string(raw, 6)
    _require_end(raw, end)
    return kind, name


def _decode_execute(raw: bytes) -> Execute:
    portal, at = _string(raw, 5)
    if at + 4 > len(raw):
        raise _BodyError("shorter than its fields")
    limit: int = read_i32_be(raw, at)
    _require_end(raw, at + 4)
    return Execute(portal, limit, raw)


# --- encoding ----------------------------------------------------------------------------------


def _packed_formats(formats: Sequence[int]) -> bytes:
    if any(code not in (0, 1) for code in formats):
        raise LocalProtocolError("unknown format code")
    return counted(formats) + b"".join(b"\0\1" if code else b"\0\0" for code in formats)


def _kind(kind: bytes) -> bytes:
    if kind not in (b"S", b"P"):
        raise LocalProtocolError("neither a statement nor a portal")
    return kind


def query(text: bytes) -> bytes:
    return framed(b"Q", terminated(text))


def parse(name: bytes, text: bytes, types: Sequence[int] = ()) -> bytes:
    oids = b"".join(oid.to_bytes(4, "big") for oid in types)
    return framed(b"P", terminated(name) + terminated(text) + counted(types) + oids)


def bind(
    portal: bytes,
    statement: bytes,
    formats: Sequence[int] = (),
    parameters: Sequence[bytes | None] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    parts = [terminated(portal), terminated(statement), _packed_formats(formats)]
    parts.append(counted(parameters))
    for value in parameters:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts.append(len(value).to_bytes(4, "big"))
            parts.append(value)
    parts.append(_packed_formats(result_formats))
    return framed(b"B", b"".join(parts))


def describe(kind: bytes, name: bytes) -> bytes:
    return framed(b"D", _kind(kind) + terminated(name))


def execute(portal: bytes, limit: int = 0) -> bytes:
    return framed(b"E", terminated(portal) + _I32.pack(limit))


def close(kind: bytes, name: bytes) -> bytes:
    return framed(b"C", _kind(kind) + terminated(name))


def sync() -> bytes:
    return b"S\0\0\0\4"


def flush() -> bytes:
    return b"H\0\0\0\4"


def function_call(body: bytes) -> bytes:
    return framed(b"F", body)


def copy_data(data: bytes) -> bytes:
    """CopyData: the same in both directions."""
    return framed(b"d", data)


def copy_done() -> bytes:
    """CopyDone: the same in both directions."""
    return b"c\0\0\0\4"


def copy_fail(reason: bytes) -> bytes:
    return framed(b"f", terminated(reason))


def terminate() -> bytes:
    return b"X\0\0\0\4"


def password(body: bytes) -> bytes:
    """The frame of PasswordMessage, SASLInitialResponse and SASLResponse."""
    return framed(b"p", body)


def cleartext_password(message: PasswordMessage) -> bytes:
    """The password in a PasswordMessage.

    :raises RemoteProtocolError: no terminator, or bytes behind it.
    """
    password, terminator, rest = message.body.partition(b"\0")
    if not terminator or rest:
        raise RemoteProtocolError("malformed password message")
    return password
