"""Constants that stand for a redacted value: valid for their type, in text and in binary.

A type that is not here (extensions, enums, composites, everything unknown) has no constant: its
value becomes NULL, never itself. Numbers are 0, dates 1900-01-01 (a date every client can decode,
unlike year 1 or ``infinity``), arrays and ranges empty. Binary forms follow the ``*send`` functions
of PostgreSQL's ``src/backend/utils/adt``.
"""

from __future__ import annotations

import json
import struct
from html import escape

BOOL, BYTEA, CHAR, NAME, INT8, INT2, INT4 = 16, 17, 18, 19, 20, 21, 23
TEXT, OID, JSON, XML = 25, 26, 114, 142
FLOAT4, FLOAT8, UNKNOWN = 700, 701, 705
BPCHAR, VARCHAR, DATE, TIME, TIMESTAMP, TIMESTAMPTZ = 1042, 1043, 1082, 1083, 1114, 1184
NUMERIC, UUID, JSONB = 1700, 2950, 3802

#: Types whose values are characters in both formats: they take ``[LABEL]`` and tokens.
TEXTUAL = frozenset({NAME, TEXT, UNKNOWN, BPCHAR, VARCHAR})

_NAME_BYTES = 63  # NAMEDATALEN - 1

#: 1900-01-01 counted from PostgreSQL's epoch, 2000-01-01.
_DAYS_1900 = -36524
_MICROS_1900 = _DAYS_1900 * 86_400_000_000

_IPV4 = 2  # PGSQL_AF_INET

#: type OID → its constant in text and in binary.
_FIXED: dict[int, tuple[bytes, bytes]] = {
    BOOL: (b"f", b"\0"),
    CHAR: (b"*", b"*"),
    INT2: (b"0", bytes(2)),
    INT4: (b"0", bytes(4)),
    INT8: (b"0", bytes(8)),
    OID: (b"0", bytes(4)),
    FLOAT4: (b"0", bytes(4)),
    FLOAT8: (b"0", bytes(8)),
    NUMERIC: (b"0", bytes(8)),  # no digits, weight 0, positive, scale 0
    DATE: (b"1900-01-01", struct.pack(">i", _DAYS_1900)),
    TIME: (b"00:00:00", bytes(8)),
    1266: (b"00:00:00+00", bytes(12)),  # timetz
    TIMESTAMP: (b"1900-01-01 00:00:00", struct.pack(">q", _MICROS_1900)),
    TIMESTAMPTZ: (b"1900-01-01 00:00:00+00", struct.pack(">q", _MICROS_1900)),
    1186: (b"00:00:00", bytes(16)),  # interval
    UUID: (b"00000000-0000-0000-0000-000000000000", bytes(16)),
    869: (b"0.0.0.0", bytes((_IPV4, 32, 0, 4)) + bytes(4)),  # inet
    650: (b"0.0.0.0/32", bytes((_IPV4, 32, 1, 4)) + bytes(4)),  # cidr
    829: (b"00:00:00:00:00:00", bytes(6)),  # macaddr
    774: (b"00:00:00:00:00:00:00:00", bytes(8)),  # macaddr8
    1560: (b"0", b"\0\0\0\1\0"),  # bit
    1562: (b"", bytes(4)),  # varbit
    600: (b"(0,0)", bytes(16)),  # point
    3614: (b"", bytes(4)),  # tsvector
}

#: array type OID → element type OID
_ARRAYS = {
    1000: BOOL,
    1001: BYTEA,
    1002: CHAR,
    1003: NAME,
    1005: INT2,
    1007: INT4,
    1009: TEXT,
    1014: BPCHAR,
    1015: VARCHAR,
    1016: INT8,
    1017: 600,
    1021: FLOAT4,
    1022: FLOAT8,
    1028: OID,
    1040: 829,
    775: 774,
    1041: 869,
    651: 650,
    1115: TIMESTAMP,
    1182: DATE,
    1183: TIME,
    1185: TIMESTAMPTZ,
    1187: 1186,
    1231: NUMERIC,
    1270: 1266,
    1561: 1560,
    1563: 1562,
    143: XML,
    199: JSON,
    2951: UUID,
    3643: 3614,
    3807: JSONB,
    # of ranges and of multiranges
    3905: 3904,
    3907: 3906,
    3909: 3908,
    3911: 3910,
    3913: 3912,
    3927: 3926,
    6150: 4451,
    6151: 4532,
    6152: 4533,
    6153: 4534,
    6155: 4535,
    6157: 4536,
}

_RANGES = frozenset({3904, 3906, 3908, 3910, 3912, 3926})
_MULTIRANGES = frozenset({4451, 4532, 4533, 4534, 4535, 4536})


def constant(oid: int, label: str, binary: bool) -> bytes | None:
    """The value that stands for every redacted value of a type; None is NULL.

    :param label: the kind shown where the type can show it, e.g. ``SSN``.
    """
    token = f"[{label}]"
    if oid in TEXTUAL:
        return textual(oid, token)
    fixed = _FIXED.get(oid)
    if fixed is not None:
        return fixed[binary]
    element = _ARRAYS.get(oid)
    if element is not None:
        return struct.pack(">iiI", 0, 0, element) if binary else b"{}"
    if oid in _RANGES:
        return b"\1" if binary else b"empty"
    if oid in _MULTIRANGES:
        return bytes(4) if binary else b"{}"
    if oid == BYTEA:
        return token.encode() if binary else b"\\x" + token.encode().hex().encode()
    if oid in (JSON, JSONB):
        value = json.dumps(token).encode()
        return b"\1" + value if binary and oid == JSONB else value
    if oid == XML:
        return f"<masked>{escape(label)}</masked>".encode()
    return None


def textual(oid: int, text: str) -> bytes:
    """``text`` as a value of one of the :data:`TEXTUAL` types; ``name`` is cut to its 63 bytes."""
    value = text.encode()
    if oid == NAME:
        return value[:_NAME_BYTES].decode("utf-8", "ignore").encode()
    return value
