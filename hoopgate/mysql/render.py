"""A recorded session of MySQL's protocol made readable, for replays.

Registers itself: who shows recordings imports it. What was agreed on is not in the recording; how
answers are framed is seen by themselves (an EOF has five bytes, an OK in its place seven and more).
"""

from __future__ import annotations

import struct
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.wire import (
    EOF,
    ERR,
    LOCAL_INFILE,
    NULL,
    OK,
    Oversized,
    PacketReader,
    Reader,
    Status,
)
from hoopgate.mysql.wire_results import Column, column, err_packet, ok_packet, prepared
from hoopgate.mysql.wire_values import Type, binary_value
from hoopgate.recorder.render import register, text

_LIMIT: Final = 64 * 2**20
_EOF_BYTES: Final = 5
_NUMBERS: Final = {
    Type.TINY: ("<b", "<B"),
    Type.SHORT: ("<h", "<H"),
    Type.YEAR: ("<H", "<H"),
    Type.LONG: ("<i", "<I"),
    Type.INT24: ("<i", "<I"),
    Type.LONGLONG: ("<q", "<Q"),
    Type.FLOAT: ("<f", "<f"),
    Type.DOUBLE: ("<d", "<d"),
}
_DATES: Final = frozenset({Type.DATE, Type.NEWDATE, Type.DATETIME, Type.TIMESTAMP})


class MysqlRenderer:
    """Statements, results and errors."""

    def __init__(self) -> None:
        self._client = PacketReader(_LIMIT)
        self._server = PacketReader(_LIMIT)
        self._pending: list[int] = []
        self._cursor: list[Column] = []  # columns of the last execute
        self._broken = False
        self._preparing = False  # an EOF may still come
        self._state = "first"
        self._command = 0
        self._left = 0
        self._parameters = 0
        self._columns: list[Column] = []

    def request(self, data: bytes) -> list[str]:
        """See :class:`hoopgate.recorder.render.Renderer`."""
        return self._read(self._client, data, self._asked)

    def response(self, data: bytes) -> list[str]:
        """See :class:`hoopgate.recorder.render.Renderer`."""
        return self._read(self._server, data, self._answered)

    def _read(self, reader: PacketReader, data: bytes, show: object) -> list[str]:
        if self._broken:
            return []
        assert callable(show)
        lines: list[str] = []
        try:
            reader.feed(data)
            while (found := reader.next()) is not None:
                payload = found.head if isinstance(found, Oversized) else found.data
                line = show(payload)
                if line:
                    lines.append(line)
        except (RemoteProtocolError, struct.error, IndexError):
            self._broken = True
            lines.append("(not MySQL)")
        return lines

    # --- what was asked --------------------------------------------------------------------------

    def _asked(self, payload: bytes) -> str:
        code = payload[0] if payload else 0
        if code not in commands.SILENT:
            self._pending.append(code)
        name = commands.NAMES.get(code, f"command {code:#04x}").removeprefix("COM_").lower()
        if code == commands.QUERY:
            return text(payload[1:])
        if code == commands.STMT_PREPARE:
            return f"prepare: {text(payload[1:])}"
        if code in (commands.STMT_EXECUTE, commands.STMT_BULK_EXECUTE, commands.STMT_FETCH):
            return f"{name.replace('stmt_', '')} {int.from_bytes(payload[1:5], 'little')}"
        if code in (commands.INIT_DB, commands.FIELD_LIST):
            return f"{name}: {text(payload[1:].partition(bytes(1))[0])}"
        return name.replace("stmt_", "")

    # --- what was answered -----------------------------------------------------------------------

    def _answered(self, payload: bytes) -> str:
        marker = len(payload) == _EOF_BYTES and payload[0] == EOF
        if self._state == "first" and marker and self._preparing:
            self._preparing = False
            return ""  # behind the definitions of a prepare
        if self._state == "first":
            self._preparing = False
            self._command = self._pending.pop(0) if self._pending else 0
        if payload[:1] == bytes((ERR,)):
            self._state = "first"
            error = err_packet(payload)
            return f"ERROR {error.code} {text(error.sqlstate)}: {text(error.message)}"
        if self._state in ("first", "more"):
            return self._first(payload)
        if self._state == "columns":
            return self._column(payload)
        if self._state == "parameters":
            return self._parameter(payload)
        if payload[:1] == bytes((EOF,)) and len(payload) < 0xFFFFFF:
            return self._end(payload)
        return "row: " + " | ".join(self._values(payload))

    def _first(self, payload: bytes) -> str:
        kind = payload[0]
        self._columns = self._cursor if self._command == commands.STMT_FETCH else []
        if self._command == commands.STATISTICS:
            self._state = "first"
            return text(payload)
        if self._command == commands.STMT_PREPARE and kind == OK:
            made = prepared(payload)
            self._left, self._parameters = made.columns, made.parameters
            self._preparing = bool(made.columns or made.parameters)
            self._state = "parameters" if made.parameters else "columns"
            if not made.parameters and not made.columns:
                self._state = "first"
            return f"prepared {made.statement}"
        if self._command in (commands.FIELD_LIST, commands.STMT_FETCH):
            self._state = "rows"
            self._left = 0
            if self._command == commands.FIELD_LIST and kind != EOF:
                self._state = "more"
                return "column: " + text(column(payload, extended=False, listed=True).name)
            return self._answered(payload)
        if kind in (OK, EOF):
            return self._end(payload)
        if kind == LOCAL_INFILE:
            return "(asks for a file)"
        self._left = Reader(payload).lenenc()
        self._state = "columns"
        return ""

    def _parameter(self, payload: bytes) -> str:
        if len(payload) != _EOF_BYTES:
            self._parameters -= 1
        if not self._parameters:
            self._state = "columns" if self._left else "first"
        return ""

    def _column(self, payload: bytes) -> str:
        if payload[0] == EOF and len(payload) == _EOF_BYTES:  # behind the parameters'
            return ""
        self._columns.append(_column(payload))
        self._left -= 1
        if self._left:
            return ""
        if self._command == commands.STMT_EXECUTE:
            self._cursor = self._columns
        names = "columns: " + " | ".join(text(one.name) for one in self._columns)
        if self._command == commands.STMT_PREPARE:
            self._state = "first"
            return ""
        self._state = "described"
        return names

    def _end(self, payload: bytes) -> str:
        if payload[0] == EOF and len(payload) == _EOF_BYTES:
            status = int.from_bytes(payload[3:5], "little")
            if self._state == "described" and not status & Status.CURSOR_EXISTS:
                self._state = "rows"
                return ""
            self._state = "more" if status & Status.MORE_RESULTS else "first"
            return ""
        found = ok_packet(payload, tracking=False)
        self._state = "more" if found.status & Status.MORE_RESULTS else "first"
        return "" if payload[0] == EOF else f"OK, {found.affected} rows"

    def _values(self, payload: bytes) -> list[str]:
        self._state = "rows"
        if self._command in (commands.STMT_EXECUTE, commands.STMT_FETCH):
            return _binary(payload, self._columns)
        reader = Reader(payload)
        values = []
        while reader.left:
            if reader.data[reader.at] == NULL:
                reader.take(1)
                values.append("NULL")
            else:
                values.append(text(reader.string()))
        return values


def _column(payload: bytes) -> Column:
    try:
        return column(payload, extended=False)
    except RemoteProtocolError:
        return column(payload, extended=True)


def _binary(payload: bytes, columns: list[Column]) -> list[str]:
    reader = Reader(payload, 1)
    nulls = reader.take((len(columns) + 9) // 8)
    values = []
    for index, one in enumerate(columns):
        if nulls[(index + 2) >> 3] >> ((index + 2) & 7) & 1:
            values.append("NULL")
        else:
            values.append(_value(one, binary_value(reader, one.type)))
    return values


def _value(one: Column, value: bytes) -> str:
    formats = _NUMBERS.get(one.type)
    if formats is not None:
        return str(struct.unpack(formats[one.unsigned], value)[0])
    if one.type in _DATES and len(value) >= 4:
        year, month, day = struct.unpack_from("<HBB", value)
        time = ":".join(f"{part:02}" for part in value[4:7])
        return f"{year:04}-{month:02}-{day:02} {time}".strip()
    if one.type in (Type.TIME, Type.BIT, Type.GEOMETRY):
        return f"0x{value.hex()}"
    return text(value)


register("mariadb", MysqlRenderer)
register("mysql", MysqlRenderer)
