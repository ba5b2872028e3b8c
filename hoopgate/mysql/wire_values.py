"""Types of columns, and values in the binary protocol. Sans-I/O.

MySQL Internals "Binary Protocol Value".
"""

from __future__ import annotations

from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.wire import Reader


class Type:
    """Type codes of column definitions and parameters."""

    DECIMAL: Final = 0x00
    TINY: Final = 0x01
    SHORT: Final = 0x02
    LONG: Final = 0x03
    FLOAT: Final = 0x04
    DOUBLE: Final = 0x05
    NULL: Final = 0x06
    TIMESTAMP: Final = 0x07
    LONGLONG: Final = 0x08
    INT24: Final = 0x09
    DATE: Final = 0x0A
    TIME: Final = 0x0B
    DATETIME: Final = 0x0C
    YEAR: Final = 0x0D
    NEWDATE: Final = 0x0E
    VARCHAR: Final = 0x0F
    BIT: Final = 0x10
    TIMESTAMP2: Final = 0x11
    DATETIME2: Final = 0x12
    TIME2: Final = 0x13
    VECTOR: Final = 0xF2
    JSON: Final = 0xF5
    NEWDECIMAL: Final = 0xF6
    ENUM: Final = 0xF7
    SET: Final = 0xF8
    TINY_BLOB: Final = 0xF9
    MEDIUM_BLOB: Final = 0xFA
    LONG_BLOB: Final = 0xFB
    BLOB: Final = 0xFC
    VAR_STRING: Final = 0xFD
    STRING: Final = 0xFE
    GEOMETRY: Final = 0xFF


#: A parameter of an execute: type code (0x8000: unsigned) and value, None for NULL.
Parameter = tuple[int, bytes | None]

#: Bytes of a value whose length is its type's.
FIXED: Final = {
    Type.NULL: 0,
    Type.TINY: 1,
    Type.SHORT: 2,
    Type.YEAR: 2,
    Type.LONG: 4,
    Type.INT24: 4,
    Type.FLOAT: 4,
    Type.LONGLONG: 8,
    Type.DOUBLE: 8,
}
#: Values with a byte of length in front, and which lengths there are.
DATES: Final = {
    Type.DATE: (0, 4, 7, 11),
    Type.NEWDATE: (0, 4, 7, 11),
    Type.DATETIME: (0, 4, 7, 11),
    Type.TIMESTAMP: (0, 4, 7, 11),
    Type.TIME: (0, 8, 12),
}
#: Values with a length-encoded length in front.
COUNTED: Final = frozenset(
    {
        Type.DECIMAL,
        Type.NEWDECIMAL,
        Type.VARCHAR,
        Type.BIT,
        Type.VECTOR,
        Type.JSON,
        Type.ENUM,
        Type.SET,
        Type.TINY_BLOB,
        Type.MEDIUM_BLOB,
        Type.LONG_BLOB,
        Type.BLOB,
        Type.VAR_STRING,
        Type.STRING,
        Type.GEOMETRY,
    }
)


def binary_value(reader: Reader, code: int) -> bytes:
    """The next value, without its length.

    :raises RemoteProtocolError: its type is unknown, or it is malformed.
    """
    size = FIXED.get(code)
    if size is not None:
        return reader.take(size)
    if code in COUNTED:
        return reader.string()
    lengths = DATES.get(code)
    if lengths is None:
        raise RemoteProtocolError("a value of an unknown type")
    size = reader.integer(1)
    if size not in lengths:
        raise RemoteProtocolError("a date or time of an impossible length")
    return reader.take(size)
