"""A client of the protocol that keeps every byte it is sent."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import pymysql

#: What differs from one run to the next: ids of requests, held statements.
_RUN = re.compile(rb"req-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    :ivar text: SQL; bytes as they are sent.
    :ivar prepared: by COM_STMT_PREPARE and COM_STMT_EXECUTE, not COM_QUERY.
    :ivar cursor: rows come by COM_STMT_FETCH, in pieces.
    """

    text: bytes
    prepared: bool = False
    cursor: bool = False


class Client:
    """A session.

    :ivar ended: the server hung up.
    """

    def __init__(self, **arguments: Any) -> None:
        self._connection: Any = pymysql.connect(charset="utf8mb4", read_timeout=60, **arguments)
        self.ended = False

    def run(self, step: Step) -> list[bytes]:
        """Every packet of the answer; the last is empty when the server hung up."""
        if self.ended:
            return [b""]
        try:
            if step.prepared:
                return self._prepared(step)
            return self._answer(0x03, step.text)
        except (pymysql.MySQLError, OSError, struct.error, AttributeError):
            self.ended = True
            return [b""]

    def close(self) -> None:
        """Hang up."""
        self._connection._force_close()

    # --- parts --------------------------------------------------------------------------------

    def _packet(self) -> bytes:
        head = self._connection._read_bytes(4)
        size = int.from_bytes(head[:3], "little")
        data: bytes = self._connection._read_bytes(size) if size else b""
        return _RUN.sub(b"req", data)

    def _send(self, command: int, data: bytes) -> None:
        self._connection._next_seq_id = 0
        body = bytes((command,)) + data
        self._connection._write_bytes(len(body).to_bytes(3, "little") + b"\0" + body)

    def _answer(self, command: int, data: bytes) -> list[bytes]:
        self._send(command, data)
        found = [self._packet()]
        if found[0][0] in (0x00, 0xFF):
            return found
        count = found[0][0]
        self._columns(count, found)
        # SERVER_STATUS_CURSOR_EXISTS: rows are fetched. An error may take the place of the EOF.
        if found[-1][0] != 0xFF and not found[-1][3] & 0x40:
            self._rows(found)
        return found

    def _columns(self, count: int, found: list[bytes]) -> None:
        found.extend(self._packet() for _ in range(count + 1))

    def _rows(self, found: list[bytes]) -> None:
        while True:
            found.append(self._packet())
            if found[-1][:1] == b"\xff" or (found[-1][:1] == b"\xfe" and len(found[-1]) < 9):
                return

    def _prepared(self, step: Step) -> list[bytes]:
        self._send(0x16, step.text)
        found = [self._packet()]
        if found[0][:1] == b"\xff":
            return found
        statement, columns, parameters = struct.unpack_from("<xIHH", found[0])
        if parameters:
            self._columns(parameters, found)
        if columns:
            self._columns(columns, found)
        found[0] = b"prepared" + found[0][5:]
        head = struct.pack("<I", statement)
        found += self._answer(0x17, head + (b"\1" if step.cursor else b"\0") + b"\1\0\0\0")
        if step.cursor and found[-1][:1] == b"\xfe" and found[-1][3] & 0x40:
            while not (found[-1][:1] == b"\xff" or (found[-1][3:4] and found[-1][3] & 0x80)):
                self._send(0x1C, head + struct.pack("<I", 7))
                self._rows(found)
        self._send(0x19, head)
        return found


def error(packets: list[bytes]) -> str:
    """The message of the first error."""
    for packet in packets:
        if packet[:1] == b"\xff":
            return packet[9:].decode("utf-8", "replace")
    return ""
