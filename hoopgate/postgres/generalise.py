"""Generalised values: what the Safe Harbor rule leaves of a date, an age and a place.

45 CFR 164.514(b)(2)(i): of dates the year (C), of ages over 89 and of years of birth that tell of
them one category "90 or older" (C), of ZIP codes the first three digits where more than 20,000
people live (B).

What has another form than is expected here becomes the type's constant; NULL stays NULL.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Final

from hoopgate.phi.safe_harbor import (
    AGES,
    BIRTH_YEARS,
    BIRTHS,
    OLDEST_AGE,
    ZIPS,
    age,
    age_in_words,
    births,
    is_date,
    or_earlier,
    zip_area,
    zip_area_of_number,
)
from hoopgate.plans import ColumnMask
from hoopgate.postgres import types
from hoopgate.postgres.dates import ISO, OIDS, first_day, year_begins, year_in_text, year_of

#: old value (None: NULL) → new one
Rewriter = Callable[[bytes | None], bytes | None]

_NUMBER: Final = re.compile(rb"0*([0-9]+)(?:\.[0-9]+)? *")
_FLOAT: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
_INFINITIES: Final = (b"infinity", b"-infinity")

_INTEGERS: Final = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q"}
_FLOATS: Final = {types.FLOAT4: ">f", types.FLOAT8: ">d"}
#: An instant that is on 1 January in all time zones but those 12 hours and more ahead, and in the
#: year in all of them.
_NOON: Final = b"12:00:00"
#: The last one of the type date.
_LAST_YEAR: Final = 5_874_897
_MOST_YEARS: Final = 1000
#: Stands for whole numbers that are greater than any age, year or place.
_HUGE: Final = 10**18


def generaliser(
    mask: ColumnMask,
    binary: bool,
    constant: bytes | None,
    this_year: int,
    style: bytes = ISO,
) -> Rewriter | None:
    """The rewriter of a column with ``Method.GENERALISE``; None where there is nothing coarser but
    the constant.

    :param constant: what takes the place of a value that is not understood.
    :param this_year: by it years of birth of those over 89 are told.
    :param style: the session's DateStyle.
    """
    kind, oid = mask.label.upper(), mask.type
    words = mask.as_text or oid in types.TEXTUAL
    if mask.year and kind not in BIRTHS and (not mask.as_text or oid in types.TEXTUAL):
        return _as_it_is
    if mask.year and (oid == types.TIMESTAMPTZ or oid in types.TEXTUAL):
        return None  # no year that could be read for certain
    if mask.year and oid not in OIDS:
        return _years(mask, binary, constant, this_year)
    if oid in OIDS:
        floor = this_year - OLDEST_AGE if kind in BIRTHS else None
        return (
            _binary_dates(oid, floor, words, constant)
            if binary
            else _text_dates(oid, floor, words, constant, style)
        )
    if oid in types.TEXTUAL and kind in ZIPS:
        return _zip
    if oid in types.TEXTUAL and is_date(kind):
        floor = this_year - OLDEST_AGE if kind in BIRTHS else None
        return _text_dates(oid, floor, True, constant, ISO)
    coarse: Callable[[int], bytes | None]
    if kind in AGES:
        coarse = age_in_words if words else age
    elif kind in ZIPS and oid in _INTEGERS:
        coarse = zip_area_of_number
    elif kind in BIRTH_YEARS and oid in _INTEGERS:
        coarse = births(this_year - OLDEST_AGE, words)
    else:
        return None
    read = _reader(oid, binary)
    return None if read is None else _numbers(read, coarse, _writer(oid, binary, words), constant)


def _as_it_is(value: bytes | None) -> bytes | None:
    return value


def _years(
    mask: ColumnMask, binary: bool, constant: bytes | None, this_year: int
) -> Rewriter | None:
    """Numbers that are years of dates; negative ones are before Christ."""
    read = _reader(mask.type, binary)
    if read is None:
        return None
    floor = this_year - OLDEST_AGE if mask.label.upper() in BIRTHS else None
    write = _writer(mask.type, binary, mask.as_text)

    def year(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        found = read(value)
        if found < 0:
            if floor is None or not _negative(mask.type, value, binary):
                return constant
            found = floor
        if found > _LAST_YEAR:
            return constant
        early = floor is not None and found <= floor
        shown = max(found, floor) if floor is not None else found
        return or_earlier(shown) if early and mask.as_text else write(b"%d" % shown)

    return year


def _negative(oid: int, value: bytes, binary: bool) -> bool:
    """Whether a value is a number below zero, and a finite one."""
    if not binary:
        return _NUMBER.fullmatch(value.removeprefix(b"-")) is not None and value[:1] == b"-"
    if oid in _INTEGERS:
        return value[:1] >= b"\x80"
    if oid in _FLOATS:
        number: float = struct.unpack(_FLOATS[oid], value)[0]
        return -math.inf < number < 0
    return value[4:6] == b"\x40\x00"  # NUMERIC_NEG of numeric.c


# --- dates -------------------------------------------------------------------------------------


def _text_dates(
    oid: int, floor: int | None, words: bool, constant: bytes | None, style: bytes
) -> Rewriter:
    time = _NOON if oid == types.TIMESTAMPTZ else b"00:00:00"
    made: dict[int, bytes] = {}  # by year: there are few in a result

    def year(value: bytes | None) -> bytes | None:
        if value is None or value in _INFINITIES:
            return value
        found = year_in_text(value, oid, style)
        if found is None:
            return constant
        if floor is not None and found < floor:
            found = floor
        new = made.get(found)
        if new is None:
            early = floor is not None and found <= floor
            new = _words(found, early) if words else first_day(found, oid, style, time)
            if len(made) < _MOST_YEARS:
                made[found] = new
        return new

    return year


def _binary_dates(oid: int, floor: int | None, words: bool, constant: bytes | None) -> Rewriter:
    packed = struct.Struct(">i" if oid == types.DATE else ">q")
    bits = packed.size * 8 - 1
    last, first = 2**bits - 1, -(2**bits)
    unit = 1 if packed.size == 4 else 86_400_000_000
    time = unit // 2 if oid == types.TIMESTAMPTZ else 0  # noon

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
        day = year_begins(found) * unit + time
        # The first representable year began before the first representable instant.
        return packed.pack(day) if day > first else constant

    return year


def _words(year: int, early: bool) -> bytes:
    text = b"%d" % year if year > 0 else b"%d BC" % (1 - year)
    return text + b" or earlier" if early else text


# --- places ------------------------------------------------------------------------------------


def _zip(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    return zip_area(value)


# --- numbers -----------------------------------------------------------------------------------


def _numbers(
    read: Callable[[bytes], int],
    coarse: Callable[[int], bytes | None],
    write: Callable[[bytes], bytes],
    constant: bytes | None,
) -> Rewriter:
    def number(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        found = read(value)
        new = None if found < 0 else coarse(found)
        return constant if new is None else write(new)

    return number


def _reader(oid: int, binary: bool) -> Callable[[bytes], int] | None:
    """Reads a number's whole part; -1 stands for all that is not understood, or negative."""
    if oid in types.TEXTUAL or (not binary and oid in _INTEGERS):
        return _text_number
    if oid in _FLOATS and not binary:
        return _text_float
    if oid == types.NUMERIC:
        return _binary_numeric if binary else _text_number
    if oid in _INTEGERS:
        return _binary_integer(_INTEGERS[oid])
    return _binary_float(_FLOATS[oid]) if oid in _FLOATS else None


def _text_number(value: bytes) -> int:
    match = _NUMBER.fullmatch(value)
    if match is None:
        return -1
    return int(match[1]) if len(match[1]) < 19 else _HUGE


def _text_float(value: bytes) -> int:
    """``float8out``: digits, an exponent where there are many, ``NaN``, ``Infinity``."""
    return _whole(float(value)) if _FLOAT.fullmatch(value) else -1


def _whole(number: float) -> int:
    if not 0 <= number < math.inf:
        return -1
    return int(min(number, _HUGE))


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
        return _whole(number)

    return read


def _binary_numeric(value: bytes) -> int:
    """``numeric_send``: digits of base 10,000; the first has the weight 10,000 ** weight."""
    if len(value) < 8:
        return -1
    count, weight, sign, _ = struct.unpack_from(">hhHh", value)
    if sign != 0 or count < 0 or len(value) != 8 + 2 * count:
        return -1
    if weight > 4:
        return _HUGE
    digits = struct.unpack_from(f">{count}h", value, 8)
    whole = 0
    for place in range(weight + 1):
        whole = whole * 10_000 + (digits[place] if place < count else 0)
    return whole


def _writer(oid: int, binary: bool, words: bool) -> Callable[[bytes], bytes]:
    """Writes digits as a value of the type."""
    if words:
        return _as_is
    if not binary:
        return _plain  # a ZIP code's leading zeros are no number's
    if oid == types.NUMERIC:
        return _numeric
    return _packed(_INTEGERS.get(oid) or _FLOATS[oid])


def _as_is(digits: bytes) -> bytes:
    return digits


def _plain(digits: bytes) -> bytes:
    return b"%d" % int(digits)


def _numeric(digits: bytes) -> bytes:
    number = int(digits)
    if number == 0:
        return bytes(8)
    high, low = divmod(number, 10_000)
    if high:
        return struct.pack(">hhHhhh", 2, 1, 0, 0, high, low)
    return struct.pack(">hhHhh", 1, 0, 0, 0, low)


def _packed(format: str) -> Callable[[bytes], bytes]:
    packed = struct.Struct(format)

    def write(digits: bytes) -> bytes:
        return packed.pack(int(digits))

    return write
