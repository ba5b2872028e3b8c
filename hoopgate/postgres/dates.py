"""Dates and times as PostgreSQL writes them: the year of one, and 1 January of a year.

Text goes by the session's DateStyle: ``EncodeDateOnly`` and ``EncodeDateTime`` of
``src/backend/utils/adt/datetime.c``. Years are astronomical: 0 is the year 1 before Christ.
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.postgres import types

#: The DateStyle of a server that nobody has configured, as ParameterStatus has it.
ISO: Final = b"ISO, MDY"

OIDS: Final = frozenset({types.DATE, types.TIMESTAMP, types.TIMESTAMPTZ})

_ISO_DATE: Final = re.compile(rb"([0-9]{4,7})-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.+-]+Z?)?( BC)? *")
_ISO_INSTANT: Final = re.compile(
    rb"([0-9]{4,7})-(0[1-9]|1[0-2])-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    rb"([+-])([0-9]{2,3})(?::([0-9]{2}))?(?::([0-9]{2}))?( BC)?"
)
_DAY: Final = 86_400

#: Style → what a date and a timestamp without a zone look like.
_STYLES: Final = {
    b"SQL": re.compile(rb"[0-9]{2}/[0-9]{2}/([0-9]{4,7})(?: [0-9:.]+)?( BC)?"),
    b"German": re.compile(rb"[0-9]{2}\.[0-9]{2}\.([0-9]{4,7})(?: [0-9:.]+)?( BC)?"),
    b"Postgres": re.compile(
        rb"(?:[0-9]{2}-[0-9]{2}-|[A-Z][a-z]{2} (?:[A-Z][a-z]{2} [0-9]{2}|[0-9]{2} [A-Z][a-z]{2})"
        rb" [0-9:.]+ )([0-9]{4,7})( BC)?"
    ),
}
_FIRST: Final = {b"SQL": b"01/01/", b"German": b"01.01.", b"Postgres": b"01-01-"}
_WEEKDAYS: Final = (b"Sat", b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri")


def year_in_text(value: bytes, oid: int, style: bytes = ISO) -> int | None:
    """The year of a date or timestamp in the server's text, or of an ISO date in a text column.

    Of a timestamp with a time zone it is the year in UTC, whatever zone the session shows it in:
    else by zones of up to a week a client could find the day.

    :return: None when it is not understood, as the names of zones outside ISO style are.
    """
    pattern = _STYLES.get(_name(style)) if oid in OIDS else None
    if pattern is not None:
        other = None if oid == types.TIMESTAMPTZ else pattern.fullmatch(value)
        return None if other is None else _astronomical(int(other[1]), other[2])
    if oid != types.TIMESTAMPTZ:
        match = _ISO_DATE.fullmatch(value)
        return None if match is None else _astronomical(int(match[1]), match[2])
    match = _ISO_INSTANT.fullmatch(value)
    if match is None:
        return None
    year, month = _astronomical(int(match[1]), match[11]), int(match[2])
    if 1 < month < 12:  # no zone is a month away
        return year
    days = year_begins(year) + (334 if month == 12 else 0) + int(match[3]) - 1
    if month == 12 and year_begins(year + 1) - year_begins(year) == 366:
        days += 1
    shown = _seconds(match[4], match[5], match[6])
    offset = _seconds(match[8], match[9], match[10])
    if match[7] == b"-":
        offset = -offset
    return year_of(days + (shown - offset) // _DAY)


def first_day(year: int, oid: int, style: bytes = ISO, time: bytes = b"00:00:00") -> bytes:
    """1 January of ``year`` as the server writes it, at ``time`` UTC if there is a time."""
    name = _name(style)
    digits = b"%04d" % (year if year > 0 else 1 - year)
    era = b"" if year > 0 else b" BC"
    zone = b"" if oid != types.TIMESTAMPTZ else b" UTC" if name in _FIRST else b"+00"
    if name not in _FIRST:
        written = digits + b"-01-01"
    elif name == b"Postgres" and oid != types.DATE:
        weekday = _WEEKDAYS[year_begins(year) % 7]
        day = b" 01 Jan " if style.endswith(b"DMY") else b" Jan 01 "
        return weekday + day + time + b" " + digits + zone + era
    else:
        written = _FIRST[name] + digits
    if oid == types.DATE:
        return written + era
    return written + b" " + time + zone + era


def _name(style: bytes) -> bytes:
    return style.partition(b",")[0]


def _astronomical(year: int, before_christ: bytes | None) -> int:
    return 1 - year if before_christ else year


def _seconds(hours: bytes, minutes: bytes | None, seconds: bytes | None) -> int:
    return int(hours) * 3600 + int(minutes or b"0") * 60 + int(seconds or b"0")


def year_of(days: int) -> int:
    """The year that ``days`` after 2000-01-01 falls in.

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
