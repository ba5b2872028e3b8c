"""A server's answers: OK, ERR, EOF, column definitions. Sans-I/O.

MySQL Internals "Generic Response Packets", "COM_QUERY Response"; MariaDB knowledge base "Result Set
Packets".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.wire import EOF, ERR, OK, Reader, Status, lenenc, string

#: The charset of what is no text.
BINARY_CHARSET: Final = 63

#: Column flags.
NOT_NULL, PRIMARY_KEY, UNIQUE_KEY, MULTIPLE_KEY = 1, 2, 4, 8
UNSIGNED, AUTO_INCREMENT, PART_KEY = 32, 512, 16384


@dataclass(frozen=True, slots=True)
class Ok:
    """``OK_Packet``; with ``CLIENT_DEPRECATE_EOF`` also the end of rows, then its header is 0xFE.

    :ivar changes: what the server says of the session's state, undecoded.
    """

    affected: int
    last_insert_id: int
    status: int
    warnings: int
    info: bytes = field(default=b"", repr=False)
    changes: bytes = field(default=b"", repr=False)
    header: int = OK

    def encode(self) -> bytes:
        """The payload for a client without ``CLIENT_SESSION_TRACK``."""
        return b"".join(
            (
                bytes((self.header,)),
                lenenc(self.affected),
                lenenc(self.last_insert_id),
                (self.status & ~Status.SESSION_STATE_CHANGED).to_bytes(2, "little"),
                self.warnings.to_bytes(2, "little"),
                self.info,
            )
        )


def ok_packet(payload: bytes, *, tracking: bool) -> Ok:
    """Decode an OK packet.

    :param tracking: ``CLIENT_SESSION_TRACK`` was agreed.
    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(payload)
    header = reader.integer(1)
    affected, last = reader.lenenc(), reader.lenenc()
    status, warnings = reader.integer(2), reader.integer(2)
    info = changes = b""
    if not tracking:
        info = reader.rest()
    elif reader.left:
        info = reader.string()
        if status & Status.SESSION_STATE_CHANGED:
            changes = reader.string()
        reader.end()
    return Ok(affected, last, status, warnings, info, changes, header)


#: Kinds of session state (``SESSION_TRACK_…``).
TRACK_VARIABLES, TRACK_SCHEMA = 0, 1


def tracked(changes: bytes) -> list[tuple[int, tuple[bytes, ...]]]:
    """What an OK packet says of the session's state: kind, and names and values, or a schema.

    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(changes)
    found: list[tuple[int, tuple[bytes, ...]]] = []
    while reader.left:
        kind = reader.integer(1)
        part = Reader(reader.string())
        if kind not in (TRACK_VARIABLES, TRACK_SCHEMA):
            continue
        values = []
        while part.left:
            values.append(part.string())
        found.append((kind, tuple(values)))
    return found


@dataclass(frozen=True, slots=True)
class Eof:
    """``EOF_Packet``, where ``CLIENT_DEPRECATE_EOF`` was not agreed."""

    warnings: int
    status: int

    def encode(self) -> bytes:
        """The payload."""
        return b"\xfe" + self.warnings.to_bytes(2, "little") + self.status.to_bytes(2, "little")


def eof_packet(payload: bytes) -> Eof:
    """Decode an EOF packet.

    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(payload)
    if reader.integer(1) != EOF:
        raise RemoteProtocolError("an EOF packet was due")
    found = Eof(reader.integer(2), reader.integer(2))
    reader.end()
    return found


@dataclass(frozen=True, slots=True)
class Err:
    """``ERR_Packet``."""

    code: int
    sqlstate: bytes
    message: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The payload."""
        return b"\xff" + self.code.to_bytes(2, "little") + b"#" + self.sqlstate + self.message


def err_packet(payload: bytes) -> Err:
    """Decode an ERR packet. Before the login it may have no SQLSTATE.

    :raises RemoteProtocolError: it is malformed, or a progress report, which was not agreed.
    """
    reader = Reader(payload)
    if reader.integer(1) != ERR:
        raise RemoteProtocolError("an error was due")
    code = reader.integer(2)
    if code == 0xFFFF:
        raise RemoteProtocolError("the server reports progress, which was not agreed")
    state = b"HY000"
    if payload[3:4] == b"#":
        reader.take(1)
        state = reader.take(5)
    return Err(code, state, reader.rest())


@dataclass(frozen=True, slots=True)
class Column:
    """``ColumnDefinition41``.

    :ivar extended: MariaDB's extended type information; None where it was not agreed.
    :ivar default: of COM_FIELD_LIST only: behind the definition, with its length; else empty.
    """

    schema: bytes
    table: bytes
    org_table: bytes
    name: bytes
    org_name: bytes
    charset: int
    length: int
    type: int
    flags: int
    decimals: int
    extended: bytes | None = None
    default: bytes = field(default=b"", repr=False)
    catalogue: bytes = b"def"

    @property
    def unsigned(self) -> bool:
        """For numbers."""
        return bool(self.flags & UNSIGNED)

    def format(self) -> bytes:
        """MariaDB's name of the type behind the type (``uuid``, ``json``), or empty.

        :raises RemoteProtocolError: the extended information is malformed.
        """
        reader = Reader(self.extended or b"")
        found = b""
        while reader.left:
            kind = reader.integer(1)
            value = reader.string()
            if kind in (0, 1):
                found = value
        return found

    def without_origin(self) -> Column:
        """The same, no longer said to be a table's own column: its values are not."""
        keys = PRIMARY_KEY | UNIQUE_KEY | MULTIPLE_KEY | AUTO_INCREMENT | PART_KEY
        return replace(self, org_table=b"", org_name=b"", flags=self.flags & ~keys)

    def encode(self) -> bytes:
        """The payload."""
        out = [
            string(self.catalogue),
            string(self.schema),
            string(self.table),
            string(self.org_table),
            string(self.name),
            string(self.org_name),
        ]
        if self.extended is not None:
            out.append(string(self.extended))
        out += (
            b"\x0c",
            self.charset.to_bytes(2, "little"),
            self.length.to_bytes(4, "little"),
            bytes((self.type,)),
            self.flags.to_bytes(2, "little"),
            bytes((self.decimals,)),
            bytes(2),
            self.default,
        )
        return b"".join(out)


def column(payload: bytes, *, extended: bool, listed: bool = False) -> Column:
    """Decode a column definition.

    :param extended: ``MARIADB_CLIENT_EXTENDED_METADATA`` was agreed.
    :param listed: it answers COM_FIELD_LIST, so a default value may follow.
    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(payload)
    catalogue, schema, table, org_table, name, org_name = (reader.string() for _ in range(6))
    more = reader.string() if extended else None
    if reader.integer(1) != 0x0C:
        raise RemoteProtocolError("malformed column definition")
    found = Column(
        schema,
        table,
        org_table,
        name,
        org_name,
        reader.integer(2),
        reader.integer(4),
        reader.integer(1),
        reader.integer(2),
        reader.integer(1),
        more,
        catalogue=catalogue,
    )
    reader.take(2)
    if listed:
        return replace(found, default=reader.rest())
    reader.end()
    return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """The first packet of the answer to COM_STMT_PREPARE."""

    statement: int
    columns: int
    parameters: int
    warnings: int

    def encode(self) -> bytes:
        """The payload."""
        return b"".join(
            (
                b"\0" + self.statement.to_bytes(4, "little"),
                self.columns.to_bytes(2, "little"),
                self.parameters.to_bytes(2, "little"),
                b"\0" + self.warnings.to_bytes(2, "little"),
            )
        )


def prepared(payload: bytes) -> Prepared:
    """Decode ``COM_STMT_PREPARE_OK``.

    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(payload)
    if reader.integer(1) != OK:
        raise RemoteProtocolError("malformed answer to a prepare")
    statement, columns, parameters = reader.integer(4), reader.integer(2), reader.integer(2)
    reader.take(1)
    warnings = reader.integer(2)
    reader.end()
    return Prepared(statement, columns, parameters, warnings)
