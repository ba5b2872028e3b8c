"""What stands for a redacted value of each type, in text and in binary rows."""

from __future__ import annotations

import json
import struct
from typing import Final

from hoopgate.mysql.wire_results import BINARY_CHARSET, Column
from hoopgate.mysql.wire_values import Type

#: Types whose values are strings of some kind on the wire.
STRINGS: Final = frozenset(
    {
        Type.VARCHAR,
        Type.VAR_STRING,
        Type.STRING,
        Type.ENUM,
        Type.SET,
        Type.TINY_BLOB,
        Type.MEDIUM_BLOB,
        Type.LONG_BLOB,
        Type.BLOB,
    }
)
#: Integers: size in bytes.
INTEGERS: Final = {
    Type.TINY: 1,
    Type.SHORT: 2,
    Type.INT24: 4,
    Type.LONG: 4,
    Type.LONGLONG: 8,
}
FLOATS: Final = {Type.FLOAT: "<f", Type.DOUBLE: "<d"}
DECIMALS: Final = frozenset({Type.DECIMAL, Type.NEWDECIMAL})
DATES: Final = frozenset({Type.DATE, Type.NEWDATE, Type.DATETIME, Type.TIMESTAMP})

#: MariaDB's types that are strings with a form of their own.
_FORMATS: Final = {
    b"uuid": b"00000000-0000-0000-0000-000000000000",
    b"inet6": b"::",
    b"inet4": b"0.0.0.0",
}
_MOST_DECIMALS: Final = 38
#: Of the range that dates have; clients read years below 100 as of another century.
OLDEST_YEAR: Final = 1000
_POINT: Final = bytes(4) + b"\x01\x01\x00\x00\x00" + bytes(16)  # SRID 0, WKB of POINT(0 0)


def constant(column: Column, label: str, binary: bool) -> bytes | None:
    """The value that stands for every redacted value of a column, without its length; None: NULL.

    :param label: the kind shown where the type can show it, e.g. ``SSN``.
    """
    code = column.type
    if code in STRINGS:
        form = column.format()
        if form == b"json":
            return json.dumps(f"[{label}]").encode()
        return _FORMATS.get(form, f"[{label}]".encode())
    if code == Type.JSON:
        return json.dumps(f"[{label}]").encode()
    if code in INTEGERS:
        return bytes(INTEGERS[code]) if binary else b"0"
    if code in FLOATS:
        return bytes(struct.calcsize(FLOATS[code])) if binary else b"0"
    if code in DECIMALS:
        places = min(column.decimals, _MOST_DECIMALS)
        return b"0." + b"0" * places if places else b"0"
    if code == Type.YEAR:
        return bytes(2) if binary else b"0000"
    if code in DATES:
        return date(column, OLDEST_YEAR, binary)
    if code == Type.TIME:
        return b"" if binary else b"00:00:00" + _fraction(column)
    if code == Type.BIT:
        return bytes(max(1, (column.length + 7) // 8))
    if code == Type.GEOMETRY:
        return _POINT
    return None


def date(column: Column, year: int, binary: bool) -> bytes:
    """1 January of ``year`` (0 to 9999) as a value of a date column."""
    if binary:
        return year.to_bytes(2, "little") + b"\x01\x01"
    day = b"%04d-01-01" % year
    if column.type in (Type.DATE, Type.NEWDATE):
        return day
    return day + b" 00:00:00" + _fraction(column)


def _fraction(column: Column) -> bytes:
    return b"." + b"0" * column.decimals if 0 < column.decimals <= 6 else b""


def textual(column: Column) -> bool:
    """True where words can take the place of a value."""
    return column.type in STRINGS and not column.format()


def is_binary(column: Column) -> bool:
    """True for strings of bytes."""
    return column.charset == BINARY_CHARSET
