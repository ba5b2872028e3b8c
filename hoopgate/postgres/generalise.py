"""Generalised values: what the Safe Harbor rule leaves of a date, an age and a place.

45 CFR 164.514(b)(2)(i): of dates the year (C), of ages over 89 and of years of birth that tell of
them one category "90 or older" (C), of ZIP codes the first three digits where more than 20,000
people live (B).

What has another form than is expected here becomes the type's constant; NULL stays NULL.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from hoopgate.phi.safe_harbor import (
    AGES,
    BIRTHS,
    OLDEST_AGE,
    ZIPS,
    age,
    age_in_words,
    births,
    is_date,
    zip_area,
    zip_area_of_number,
)
from hoopgate.plans import ColumnMask
from hoopgate.postgres import types

#: old value (None: NULL) → new one
Rewriter = Callable[[bytes | None], bytes | None]

_NUMBER: Final = re.compile(rb"([0-9]{1,19})(?:\.[0-9]+)? *")
# ISO output only; other styles do not match and become the constant. Five or more digits of year
# are possible.
_ISO_DATE: Final = re.compile(rb"([0-9]{4,7})-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.+-]+Z?)?( BC)? *")
_INFINITIES: Final = (b"infinity", b"-infinity")

_INTEGERS: Final = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q"}
_FLOATS: Final = {types.FLOAT4: ">f", types.FLOAT8: ">d"}
_DATES: Final = frozenset({types.DATE, types.TIMESTAMP, types.TIMESTAMPTZ})


def generaliser(
    mask: ColumnMask, binary: bool, constant: bytes | None, this_year: int
) -> Rewriter | None:
    """The rewriter of a column with ``Method.GENERALISE``; None where there is nothing coarser but
    the constant.

    :param constant: what takes the place of a value that is not understood.
    :param this_year: by it years of birth of those over 89 are told.
    """
    kind, oid = mask.label.upper(), mask.type
    words = mask.as_text or oid in types.TEXTUAL
    if oid in _DATES:
        floor = this_year - OLDEST_AGE if kind in BIRTHS else None
        return (
            _binary_dates(oid, floor, words, constant)
            if binary
            else _text_dates(oid, floor, words, constant)
        )
    if oid in types.TEXTUAL and kind in ZIPS:
        return _zip
    if oid in types.TEXTUAL and is_date(kind):
        return _text_dates(oid, this_year - OLDEST_AGE if kind in BIRTHS else None, True, constant)
    coarse: Callable[[int], bytes]
    if kind in AGES:
        coarse = age_in_words if words else age
    elif kind in ZIPS and oid in _INTEGERS:
        coarse = zip_area_of_number
    elif kind in BIRTHS and oid in _INTEGERS:
        coarse = births(this_year - OLDEST_AGE, words)
    else:
        return None
    read = _reader(oid, binary)
    return None if read is None else _numbers(read, coarse, _writer(oid, binary, words), constant)


# --- dates -------------------------------------------------------------------------------------


def _text_dates(oid: int, floor: int | None, words: bool, constant: bytes | None) -> Rewriter:
    tail = {types.DATE: b"", types.TIMESTAMP: b" 00:00:00"}.get(oid, b" 00:00:00+00")

    def year(value: bytes | None) -> bytes | None:
        if value is None or value in _INFINITIES:
            return value
        match = _ISO_DATE.fullmatch(value)
        if match is None:
            return constant
        year, before_christ = match[1], match[2] or b""
        early = floor is not None and (bool(before_christ) or int(year) <= floor)
        if words:
            return _words(floor or 0, True) if early else b"%d" % int(year) + before_christ
        if early:
            return b"%04d-01-01" % (floor or 0) + tail
        return year + b"-01-01" + tail + before_christ

    return year


def _binary_dates(oid: int, floor: int | None, words: bool, constant: bytes | None) -> Rewriter:
    packed = struct.Struct(">i" if oid == types.DATE else ">q")
    bits = packed.size * 8 - 1
    last, first = 2**bits - 1, -(2**bits)
    unit = 1 if packed.size == 4 else 86_400_000_000

    def year(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if len(value) != packed.size:
            return constant
        number: int = packed.unpack(value)[0]
        if number in (first, last):
            if words:
                return b"infinity" if number == last else b"-infinity"
            return value
        found = year_of(number // unit)
        early = floor is not None and found <= floor
        if early:
            found = floor or 0
        if words:
            return _words(found, early)
        day = year_begins(found) * unit
        # The first representable year began before the first representable instant.
        return packed.pack(day) if day > first else constant

    return year


def _words(year: int, early: bool) -> bytes:
    text = b"%d" % year if year > 0 else b"%d BC" % (1 - year)
    return text + b" or earlier" if early else text


def year_of(days: int) -> int:
    """The year that ``days`` after 2000-01-01 falls in; 0 is the year 1 before Christ.

    Proleptic Gregorian calendar, any year: a cycle of 400 years has 146,097 days.
    """
    cycle, rest = divmod(days, 146_097)
    # 2000 opens a cycle: leap, and the one century in it that is leap.
    year = min(rest * 400 // 146_097, 399)
    while _year_start(year) > rest:
        year -= 1
    while year < 399 and _year_start(year + 1) <= rest:
        year += 1
    return 2000 + cycle * 400 + year


def year_begins(year: int) -> int:
    """Days from 2000-01-01 to 1 January of ``year``."""
    cycle, rest = divmod(year - 2000, 400)
    return cycle * 146_097 + _year_start(rest)


def _year_start(year: int) -> int:
    """Days before 1 January of year ``year`` of a cycle."""
    return year * 365 + (year + 3) // 4 - (year + 99) // 100 + (year + 399) // 400


# --- places ------------------------------------------------------------------------------------


def _zip(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    return zip_area(value)


# --- numbers -----------------------------------------------------------------------------------


def _numbers(
    read: Callable[[bytes], int],
    coarse: Callable[[int], bytes],
    write: Callable[[bytes], bytes],
    constant: bytes | None,
) -> Rewriter:
    def number(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        found = read(value)
        return constant if found < 0 else write(coarse(found))

    return number


def _reader(oid: int, binary: bool) -> Callable[[bytes], int] | None:
    """Reads a number's whole part; -1 stands for all that is not understood, or negative."""
    if oid in types.TEXTUAL or (not binary and (oid in _INTEGERS or oid in _FLOATS)):
        return _text_number
    if oid == types.NUMERIC:
        return _binary_numeric if binary else _text_number
    if oid in _INTEGERS:
        return _binary_integer(_INTEGERS[oid])
    return _binary_float(_FLOATS[oid]) if oid in _FLOATS else None


def _text_number(value: bytes) -> int:
    match = _NUMBER.fullmatch(value)
    return -1 if match is None else int(match[1])


def _binary_integer(format: str) -> Callable[[bytes], int]:
    packed = struct.Struct(format)

    def read(value: bytes) -> int:
        if len(value) != packed.size:
            return -1
        number: int = packed.unpack(value)[0]
        return number

    return read


def _binary_float(format: str) -> Callable[[bytes], int]:
    packed = struct.Struct(format)

    def read(value: bytes) -> int:
        if len(value) != packed.size:
            return -1
        number: float = packed.unpack(value)[0]
        return int(number) if 0 <= number < 2**53 else -1

    return read


def _binary_numeric(value: bytes) -> int:
    """``numeric_send``: digits of base 10,000; the first has the weight 10,000 ** weight."""
    if len(value) < 8:
        return -1
    count, weight, sign, _ = struct.unpack_from(">hhHh", value)
    if sign != 0 or count < 0 or len(value) != 8 + 2 * count or weight > 4:
        return -1
    digits = struct.unpack_from(f">{count}h", value, 8)
    whole = 0
    for place in range(weight + 1):
        whole = whole * 10_000 + (digits[place] if place < count else 0)
    return whole


def _writer(oid: int, binary: bool, words: bool) -> Callable[[bytes], bytes]:
    """Writes digits as a value of the type."""
    if words or not binary:
        return _as_is
    if oid == types.NUMERIC:
        return _numeric
    return _packed(_INTEGERS.get(oid) or _FLOATS[oid])


def _as_is(digits: bytes) -> bytes:
    return digits


def _numeric(digits: bytes) -> bytes:
    number = int(digits)
    if number == 0:
        return bytes(8)
    return struct.pack(">hhHhh", 1, 0, 0, 0, number)


def _packed(format: str) -> Callable[[bytes], bytes]:
    packed = struct.Struct(format)

    def write(digits: bytes) -> bytes:
        return packed.pack(int(digits))

    return write
