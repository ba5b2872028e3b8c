"""What a client may send after its login, decoded. Sans-I/O.

MySQL Internals "Command Phase", MariaDB knowledge base "2 - Text protocol", "3 - Binary protocol
(prepared statements)". Everything that is not in here is :class:`Unsupported`, and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.wire import Oversized, Payload, Reader, string
from hoopgate.mysql.wire_values import DATES, FIXED, Parameter, binary_value

QUIT, INIT_DB, QUERY, FIELD_LIST = 0x01, 0x02, 0x03, 0x04
STATISTICS, PROCESS_KILL, PING = 0x09, 0x0C, 0x0E
STMT_PREPARE, STMT_EXECUTE, STMT_SEND_LONG_DATA = 0x16, 0x17, 0x18
STMT_CLOSE, STMT_RESET, SET_OPTION, STMT_FETCH = 0x19, 0x1A, 0x1B, 0x1C
RESET_CONNECTION, STMT_BULK_EXECUTE = 0x1F, 0xFA

#: Commands that no answer follows.
SILENT: Final = frozenset({QUIT, STMT_SEND_LONG_DATA, STMT_CLOSE})

#: What a refused command is called in its refusal. What is not here is unknown.
NAMES: Final = {
    0x00: "COM_SLEEP",
    QUIT: "COM_QUIT",
    INIT_DB: "COM_INIT_DB",
    QUERY: "COM_QUERY",
    FIELD_LIST: "COM_FIELD_LIST",
    0x05: "COM_CREATE_DB",
    0x06: "COM_DROP_DB",
    0x07: "COM_REFRESH",
    0x08: "COM_SHUTDOWN",
    STATISTICS: "COM_STATISTICS",
    0x0A: "COM_PROCESS_INFO",
    0x0B: "COM_CONNECT",
    PROCESS_KILL: "COM_PROCESS_KILL",
    0x0D: "COM_DEBUG",
    PING: "COM_PING",
    0x0F: "COM_TIME",
    0x10: "COM_DELAYED_INSERT",
    0x11: "COM_CHANGE_USER",
    0x12: "COM_BINLOG_DUMP",
    0x13: "COM_TABLE_DUMP",
    0x14: "COM_CONNECT_OUT",
    0x15: "COM_REGISTER_SLAVE",
    STMT_PREPARE: "COM_STMT_PREPARE",
    STMT_EXECUTE: "COM_STMT_EXECUTE",
    STMT_SEND_LONG_DATA: "COM_STMT_SEND_LONG_DATA",
    STMT_CLOSE: "COM_STMT_CLOSE",
    STMT_RESET: "COM_STMT_RESET",
    SET_OPTION: "COM_SET_OPTION",
    STMT_FETCH: "COM_STMT_FETCH",
    0x1D: "COM_DAEMON",
    0x1E: "COM_BINLOG_DUMP_GTID",
    RESET_CONNECTION: "COM_RESET_CONNECTION",
    0x20: "COM_CLONE",
    0xFA: "COM_STMT_BULK_EXECUTE",
    0xFE: "COM_MULTI",
}

#: Of COM_STMT_EXECUTE: a statement id that means the one prepared last (MariaDB).
LAST_PREPARED: Final = 0xFFFFFFFF
#: Cursors that a server may open: none, or one to read from.
CURSORS: Final = (0, 1)


@dataclass(frozen=True, slots=True)
class Quit:
    """COM_QUIT."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A command without content: COM_PING, COM_STATISTICS, COM_RESET_CONNECTION."""

    code: int


@dataclass(frozen=True, slots=True)
class InitDb:
    """COM_INIT_DB."""

    database: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """COM_QUERY."""

    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FieldList:
    """COM_FIELD_LIST."""

    table: bytes
    wildcard: bytes


@dataclass(frozen=True, slots=True)
class ProcessKill:
    """COM_PROCESS_KILL."""

    thread: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """COM_STMT_PREPARE."""

    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Execute:
    """COM_STMT_EXECUTE; its values can be read only by who knows the statement, see :func:`bound`.

    :ivar values: null bitmap, types, values; undecoded.
    """

    statement: int
    cursor: int
    values: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BulkExecute:
    """COM_STMT_BULK_EXECUTE (MariaDB)."""

    statement: int
    flags: int
    values: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LongData:
    """COM_STMT_SEND_LONG_DATA."""

    statement: int
    parameter: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OfStatement:
    """COM_STMT_CLOSE, COM_STMT_RESET."""

    code: int
    statement: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """COM_STMT_FETCH."""

    statement: int
    rows: int


@dataclass(frozen=True, slots=True)
class SetOption:
    """COM_SET_OPTION: 0 switches multi-statements on, 1 off."""

    option: int


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A command that the gateway passes on to no server."""

    code: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A known command whose content is not what it has to be."""

    code: int
    why: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A command above the limit; only its first bytes were kept."""

    code: int
    size: int


Command = (
    Quit
    | Plain
    | InitDb
    | Query
    | FieldList
    | ProcessKill
    | Prepare
    | Execute
    | BulkExecute
    | LongData
    | OfStatement
    | Fetch
    | SetOption
    | Unsupported
    | Malformed
    | TooLarge
)


def command(message: Payload | Oversized) -> Command:
    """Decode what a client sent.

    :raises RemoteProtocolError: it is empty, or not numbered as the first of a conversation.
    """
    if message.sequence != 0:
        raise RemoteProtocolError("packets out of order")
    if isinstance(message, Oversized):
        return TooLarge(message.head[0], message.size)
    data = message.data
    if not data:
        raise RemoteProtocolError("a command without a content")
    code = data[0]
    decode = _DECODERS.get(code)
    if decode is None:
        return Unsupported(code)
    reader = Reader(data, 1)
    try:
        found: Command = decode(reader)
        reader.end()
    except RemoteProtocolError as error:
        return Malformed(code, str(error))
    return found


def _execute(reader: Reader) -> Command:
    statement, cursor, iterations = reader.integer(4), reader.integer(1), reader.integer(4)
    if iterations != 1:
        raise RemoteProtocolError("an execute of more than one iteration")
    if cursor not in CURSORS:
        raise RemoteProtocolError("an unknown kind of cursor")
    return Execute(statement, cursor, reader.rest())


def _field_list(reader: Reader) -> Command:
    return FieldList(reader.until_nul(), reader.rest())


_DECODERS: Final[dict[int, Callable[[Reader], Command]]] = {
    QUIT: lambda reader: Quit(),
    INIT_DB: lambda reader: InitDb(reader.rest()),
    QUERY: lambda reader: Query(reader.rest()),
    FIELD_LIST: _field_list,
    STATISTICS: lambda reader: Plain(STATISTICS),
    PROCESS_KILL: lambda reader: ProcessKill(reader.integer(4)),
    PING: lambda reader: Plain(PING),
    STMT_PREPARE: lambda reader: Prepare(reader.rest()),
    STMT_EXECUTE: _execute,
    STMT_SEND_LONG_DATA: lambda reader: LongData(
        reader.integer(4), reader.integer(2), reader.rest()
    ),
    STMT_CLOSE: lambda reader: OfStatement(STMT_CLOSE, reader.integer(4)),
    STMT_RESET: lambda reader: OfStatement(STMT_RESET, reader.integer(4)),
    SET_OPTION: lambda reader: SetOption(reader.integer(2)),
    STMT_FETCH: lambda reader: Fetch(reader.integer(4), reader.integer(4)),
    RESET_CONNECTION: lambda reader: Plain(RESET_CONNECTION),
    STMT_BULK_EXECUTE: lambda reader: BulkExecute(
        reader.integer(4), reader.integer(2), reader.rest()
    ),
}


# --- values of an execute ------------------------------------------------------------------------

#: Flags of COM_STMT_BULK_EXECUTE.
BULK_TYPES, BULK_RESULTS = 128, 64
_BULK_INDICATORS: Final = (0, 1, 2, 3)  # a value, NULL, the default, ignore


def bound(
    values: bytes, count: int, known: tuple[int, ...], long: frozenset[int]
) -> tuple[tuple[int, ...], tuple[Parameter, ...]]:
    """Types and values of the parameters of COM_STMT_EXECUTE.

    :param count: how many parameters the statement has.
    :param known: types that an execute before it gave; they hold when it gives none.
    :param long: parameters whose value came by COM_STMT_SEND_LONG_DATA: there is none here.
    :raises RemoteProtocolError: they are malformed, or there are none and never were.
    """
    reader = Reader(values)
    if not count:
        # Some clients send the flag all the same, as they would without a null bitmap.
        if reader.left > 1:
            raise RemoteProtocolError("values for a statement without parameters")
        return (), ()
    nulls = reader.take((count + 7) // 8)
    fresh = reader.integer(1)
    if fresh not in (0, 1):
        raise RemoteProtocolError("malformed flag in front of parameter types")
    types = tuple(reader.integer(2) for _ in range(count)) if fresh else known
    if len(types) != count:
        raise RemoteProtocolError("an execute without types of its parameters")
    found: list[Parameter] = []
    for index, code in enumerate(types):
        if index in long:
            found.append((code, b""))
        elif nulls[index >> 3] >> (index & 7) & 1:
            found.append((code, None))
        else:
            found.append((code, binary_value(reader, code & 0xFF)))
    reader.end()
    return types, tuple(found)


def rebound(types: tuple[int, ...], values: Sequence[bytes | None], long: frozenset[int]) -> bytes:
    """What :func:`bound` reads, with other values.

    :param long: parameters whose value came by COM_STMT_SEND_LONG_DATA.
    """
    nulls = bytearray((len(types) + 7) // 8)
    parts: list[bytes] = []
    for index, (code, value) in enumerate(zip(types, values, strict=True)):
        if index in long:
            continue
        if value is None:
            nulls[index >> 3] |= 1 << (index & 7)
        elif code & 0xFF in FIXED:
            parts.append(value)
        elif code & 0xFF in DATES:
            parts.append(bytes((len(value),)) + value)
        else:
            parts.append(string(value))
    codes = [code.to_bytes(2, "little") for code in types]
    return b"".join((bytes(nulls), b"\1", *codes, *parts))


def check_bulk(flags: int, values: bytes, count: int, known: tuple[int, ...]) -> tuple[int, ...]:
    """Read a COM_STMT_BULK_EXECUTE through to its end; the types of its parameters.

    :raises RemoteProtocolError: it is malformed.
    """
    if not count or flags & ~(BULK_TYPES | BULK_RESULTS):
        raise RemoteProtocolError("a bulk execute without parameters, or with unknown flags")
    reader = Reader(values)
    types = known
    if flags & BULK_TYPES:
        types = tuple(reader.integer(2) for _ in range(count))
    if len(types) != count:
        raise RemoteProtocolError("a bulk execute without types of its parameters")
    while reader.left:
        for code in types:
            indicator = reader.integer(1)
            if indicator not in _BULK_INDICATORS:
                raise RemoteProtocolError("an unknown indicator in a bulk execute")
            if indicator == 0:
                binary_value(reader, code & 0xFF)
    return types


# --- encoders, for tests and for what the gateway asks itself ------------------------------------


def query(text: bytes) -> bytes:
    """COM_QUERY."""
    return bytes((QUERY,)) + text


def prepare(text: bytes) -> bytes:
    """COM_STMT_PREPARE."""
    return bytes((STMT_PREPARE,)) + text
