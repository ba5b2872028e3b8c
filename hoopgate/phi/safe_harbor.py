"""Generalised values: what the Safe Harbor rule leaves of a date, an age and a place.

45 CFR 164.514(b)(2)(i): of dates the year (C), of ages over 89 and of years of birth that tell of
them one category "90 or older" (C), of ZIP codes the first three digits where more than 20,000
people live (B). How values are written is each protocol's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

ZIPS: Final = frozenset({"ZIP", "ZIPCODE", "ZIP_CODE", "ZIP5", "POSTAL_CODE"})
AGES: Final = frozenset({"AGE", "AGE_YEARS", "AGE_AT_VISIT", "AGE_AT_ADMISSION"})
BIRTH_YEARS: Final = frozenset({"YOB", "BIRTH_YEAR", "YEAR_OF_BIRTH"})
BIRTHS: Final = BIRTH_YEARS | {"DOB", "BIRTHDATE", "BIRTH_DATE", "DATE_OF_BIRTH", "BIRTHDAY"}
OLDEST_AGE: Final = 90

#: Three digits shared by 20,000 people or fewer (45 CFR 164.514(b)(2)(i)(B), census of 2000).
RARE_ZIPS: Final = frozenset(
    b"036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()
)
_ZIP: Final = re.compile(rb"([0-9]{3})[0-9]{2}(?:-?[0-9]{4})? *")


def zip_area(code: bytes) -> bytes:
    """Three digits of a ZIP code; 000 for an area of few people, and for what is no ZIP code."""
    match = _ZIP.fullmatch(code)
    return b"000" if match is None or match[1] in RARE_ZIPS else match[1]


def zip_area_of_number(code: int) -> bytes:
    """The same of a number of five digits or nine, which has lost its leading zeros."""
    area = b"%03d" % (code // 100 if code < 100_000 else code // 1_000_000)
    return b"000" if code < 0 or len(area) > 3 or area in RARE_ZIPS else area


def is_date(kind: str) -> bool:
    """True for the kinds of labels whose text may be a date."""
    return kind in BIRTHS or kind == "DATE" or kind.endswith("_DATE")


def age(years: int) -> bytes:
    """An age in digits, 90 for all above."""
    return b"%d" % min(years, OLDEST_AGE)


def age_in_words(years: int) -> bytes:
    """An age, ``90+`` for all above 89."""
    return b"90+" if years >= OLDEST_AGE else b"%d" % years


def births(floor: int, words: bool) -> Callable[[int], bytes | None]:
    """Makes years of birth from years of birth; None of what cannot be one: a day, written 19511224
    or counted from some day on, must not pass for a year.

    :param floor: the year of birth of those of 90; who was born earlier is told with them.
    """
    next_year = floor + OLDEST_AGE + 1  # somewhere it has begun

    def birth(year: int) -> bytes | None:
        if not 1 <= year <= next_year:
            return None
        return or_earlier(floor) if words and year <= floor else b"%d" % max(year, floor)

    return birth


def or_earlier(year: int) -> bytes:
    """``1936 or earlier``."""
    return b"%d or earlier" % year
