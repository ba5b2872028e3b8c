"""Messages a server sends (manual 55.7, "B"), decoded and encoded side by side.

``wire_backend_reader.py`` cuts them out of the stream. Decoders take one whole message, header
included, and raise nothing but :class:`RemoteProtocolError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.postgres.wire_framing import counted, framed, terminated

_FIELD: Final = struct.Struct(">IhIhih")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise RemoteProtocolError(f"malformed {what}")


def _string(message: bytes, at: int, what: str) -> tuple[bytes, int]:
    end = message.find(0, at)
    _require(end >= 0, what)
    return message[at:end], end + 1


def _count(message: bytes, at: int, what: str) -> int:
    _require(at + 2 <= len(message), what)
    count = int.from_bytes(message[at : at + 2], "big", signed=True)
    _require(count >= 0, what)
    return count


@dataclass(slots=True)
class Field:
    """A column of a RowDescription.

    :ivar table_oid: 0 when the column is no column of a table.
    :ivar attnum: its number in that table, 0 as above.
    :ivar type_size: ``pg_type.typlen``; negative: variable.
    :ivar format: 0 text, 1 binary; always 0 in the answer to Describe of a statement.
    """

    name: bytes = field(repr=False)
    table_oid: int = 0
    attnum: int = 0
    type_oid: int = 25
    type_size: int = -1
    typmod: int = -1
    format: int = 0


def row_description(message: bytes) -> tuple[Field, ...]:
    what = "RowDescription"
    count = _count(message, 5, what)
    at = 7
    fields = []
    for _ in range(count):
        name, at = _string(message, at, what)
        _require(at + 18 <= len(message), what)
        column = Field(name, *_FIELD.unpack_from(message, at))
        _require(column.format in (0, 1), what)
        fields.append(column)
        at += 18
    _require(at == len(message), what)
    return tuple(fields)


def encode_row_description(fields: Sequence[Field]) -> bytes:
    parts = [counted(fields)]
    for f in fields:
        numbers = (f.table_oid, f.attnum, f.type_oid, f.type_size, f.typmod, f.format)
        parts += (terminated(f.name), _FIELD.pack(*numbers))
    return framed(b"T", b"".join(parts))


def parameter_description(message: bytes) -> tuple[int, ...]:
    """Type OIDs of a statement's parameters. The count is unsigned: up to 65,535."""
    what = "ParameterDescription"
    _require(len(message) >= 7, what)
    count = int.from_bytes(message[5:7], "big")
    _require(len(message) == 7 + 4 * count, what)
    return struct.unpack_from(f">{count}I", message, 7) if count else ()


def encode_parameter_description(types: Sequence[int]) -> bytes:
    return framed(b"t", counted(types) + b"".join(oid.to_bytes(4, "big") for oid in types))


def data_row_values(message: bytes) -> tuple[bytes | None, ...]:
    """The values of one DataRow. For side connections; results are rewritten as spans."""
    what = "DataRow"
    count = _count(message, 5, what)
    at, end = 7, len(message)
    values: list[bytes | None] = []
    for _ in range(count):
        _require(at + 4 <= end, what)
        length = int.from_bytes(message[at : at + 4], "big", signed=True)
        at += 4
        if length == -1:
            values.append(None)
            continue
        _require(0 <= length <= end - at, what)
        values.append(message[at : at + length])
        at += length
    _require(at == end, what)
    return tuple(values)


def data_row(values: Sequence[bytes | None]) -> bytes:
    parts = [counted(values)]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts += (len(value).to_bytes(4, "big"), value)
    return framed(b"D", b"".join(parts))


def command_tag(message: bytes) -> bytes:
    """The tag of a CommandComplete, e.g. ``SELECT 5``."""
    tag, end = _string(message, 5, "CommandComplete")
    _require(end == len(message), "CommandComplete")
    return tag


def command_complete(tag: bytes) -> bytes:
    return framed(b"C", terminated(tag))


def transaction_status(message: bytes) -> bytes:
    """Of a ReadyForQuery: ``b"I"`` idle, ``b"T"`` in a transaction, ``b"E"`` in a failed one."""
    status = message[5:]
    _require(status in (b"I", b"T", b"E"), "ReadyForQuery")
    return status


def ready_for_query(status: bytes) -> bytes:
    if status not in (b"I", b"T", b"E"):
        raise LocalProtocolError("unknown transaction status")
    return b"Z\0\0\0\5" + status


def parameter_status_fields(message: bytes) -> tuple[bytes, bytes]:
    """Name and value of a ParameterStatus."""
    name, at = _string(message, 5, "ParameterStatus")
    value, at = _string(message, at, "ParameterStatus")
    _require(at == len(message), "ParameterStatus")
    return name, value


def parameter_status(name: bytes, value: bytes) -> bytes:
    return framed(b"S", terminated(name) + terminated(value))


def authentication(message: bytes) -> tuple[int, bytes]:
    """The code (0 ok, 3 cleartext, 5 md5, 10 SASL, 11 continue, 12 final …) and what follows."""
    _require(len(message) >= 9, "Authentication")
    return int.from_bytes(message[5:9], "big"), message[9:]


def sasl_mechanisms(rest: bytes) -> tuple[bytes, ...]:
    """The mechanisms of an AuthenticationSASL, from what :func:`authentication` returned."""
    _require(rest.endswith(b"\0\0"), "AuthenticationSASL")
    names = tuple(rest[:-2].split(b"\0"))
    _require(all(names), "AuthenticationSASL")
    return names


def authentication_ok() -> bytes:
    return b"R\0\0\0\x08\0\0\0\0"


def authentication_cleartext() -> bytes:
    return b"R\0\0\0\x08\0\0\0\3"


def authentication_sasl(mechanisms: Iterable[bytes]) -> bytes:
    names = b"".join(terminated(name) for name in mechanisms)
    return framed(b"R", b"\0\0\0\x0a" + names + b"\0")


def sasl_continue(data: bytes) -> bytes:
    return framed(b"R", b"\0\0\0\x0b" + data)


def sasl_final(data: bytes) -> bytes:
    return framed(b"R", b"\0\0\0\x0c" + data)


def backend_key_fields(message: bytes) -> tuple[int, bytes]:
    """Process id and cancel key: 4 bytes under protocol 3.0, up to 256 under 3.2."""
    _require(13 <= len(message) <= 265, "BackendKeyData")
    return int.from_bytes(message[5:9], "big"), message[9:]


def backend_key_data(pid: int, key: bytes) -> bytes:
    if not 4 <= len(key) <= 256:
        raise LocalProtocolError("a cancel key has 4 to 256 bytes")
    return framed(b"K", pid.to_bytes(4, "big") + key)


def copy_response(message: bytes) -> tuple[int, tuple[int, ...]]:
    """Overall format and the columns' formats (0 text, 1 binary) of a COPY's start."""
    what = "CopyResponse"
    count = _count(message, 6, what)
    _require(len(message) == 8 + 2 * count, what)
    formats = struct.unpack_from(f">{count}H", message, 8) if count else ()
    _require(message[5] <= 1 and all(code <= 1 for code in formats), what)
    return message[5], formats


def negotiated_version(message: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Of a NegotiateProtocolVersion: the newest minor version spoken, and the unknown options.

    The field holds the whole version (3 in the upper half), whatever the manual calls it.
    """
    what = "NegotiateProtocolVersion"
    _require(len(message) >= 13, what)
    version = int.from_bytes(message[5:9], "big")
    count = int.from_bytes(message[9:13], "big")
    _require(version >> 16 == 3 and count <= len(message) - 13, what)
    at = 13
    options = []
    for _ in range(count):
        name, at = _string(message, at, what)
        options.append(name)
    _require(at == len(message), what)
    return version & 0xFFFF, tuple(options)


def negotiate_protocol_version(minor: int, options: Sequence[bytes]) -> bytes:
    body = (3 << 16 | minor).to_bytes(4, "big") + len(options).to_bytes(4, "big")
    return framed(b"v", body + b"".join(terminated(name) for name in options))


def error_fields(message: bytes) -> dict[bytes, bytes]:
    """Fields of an ErrorResponse or NoticeResponse by type byte; the first of a kind counts."""
    what = "ErrorResponse"
    at = 5
    fields: dict[bytes, bytes] = {}
    while at < len(message) and message[at]:
        code = message[at : at + 1]
        value, at = _string(message, at + 1, what)
        fields.setdefault(code, value)
    _require(at + 1 == len(message), what)
    return fields


def error_response(
    severity: str, sqlstate: str, message: str, detail: str = "", hint: str = ""
) -> bytes:
    """:param severity: ``ERROR``, or ``FATAL`` when the connection is closed behind it."""
    return _report(b"E", severity, sqlstate, message, detail, hint)


def notice_response(
    severity: str, sqlstate: str, message: str, detail: str = "", hint: str = ""
) -> bytes:
    """:param severity: ``NOTICE``, ``WARNING`` …"""
    return _report(b"N", severity, sqlstate, message, detail, hint)


def _report(
    type_: bytes, severity: str, sqlstate: str, message: str, detail: str, hint: str
) -> bytes:
    values = {"S": severity, "V": severity, "C": sqlstate, "M": message, "D": detail, "H": hint}
    body = b"".join(
        # A refusal must always come out: what cannot be sent is replaced, not refused.
        (code + value.replace("\0", "")).encode("utf-8", "replace") + b"\0"
        for code, value in values.items()
        if value or code not in "DH"
    )
    return framed(type_, body + b"\0")


def empty_query_response() -> bytes:
    return b"I\0\0\0\4"


def parse_complete() -> bytes:
    return b"1\0\0\0\4"


def bind_complete() -> bytes:
    return b"2\0\0\0\4"


def close_complete() -> bytes:
    return b"3\0\0\0\4"


def no_data() -> bytes:
    return b"n\0\0\0\4"


def portal_suspended() -> bytes:
    return b"s\0\0\0\4"
