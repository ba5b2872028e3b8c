"""Ages above 89 in FHIR, which are all one (45 CFR 164.514(b)(2)(i)(C)): what is an age, and which
is the highest that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from hoopgate.phi.safe_harbor import OLDEST_AGE

_HOURS: Final = OLDEST_AGE * 365 * 24
#: Unit of time, as UCUM and people write it → so many are the highest age that is shown.
_UNITS: Final = {
    **dict.fromkeys(("a", "a_j", "a_g", "a_t", "y", "yr", "yrs", "year", "years"), OLDEST_AGE),
    **dict.fromkeys(("yo", "y/o", "y.o", "yrs.old", "annum", "year(s)", "yr(s)"), OLDEST_AGE),
    **dict.fromkeys(("mo", "mo_j", "mo_g", "mo_s", "mon", "mos"), OLDEST_AGE * 12),
    **dict.fromkeys(("month", "months", "month(s)"), OLDEST_AGE * 12),
    **dict.fromkeys(("wk", "wks", "week", "weeks", "week(s)"), OLDEST_AGE * 52),
    **dict.fromkeys(("d", "day", "days", "day(s)"), OLDEST_AGE * 365),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOURS),
    **dict.fromkeys(("min", "minute", "minutes"), _HOURS * 60),
    **dict.fromkeys(("s", "sec", "second", "seconds"), _HOURS * 3600),
}
#: LOINC and SNOMED CT: what is observed is an age, whatever its unit.
_CODES: Final = frozenset(
    {
        *("30525-0", "21612-7", "21611-9", "29553-5", "30972-4", "35659-2", "39016-1", "63900-5"),
        *("424144002", "397669002", "445518008", "397659008"),
    }
)
_SEPARATORS: Final = re.compile(r"[\s-]+")


def limit(*units: object) -> int | None:
    """The highest age that is shown in a unit of time; None: none of ``units`` is one.

    :param units: code and name of one unit.
    """
    for unit in units:
        if isinstance(unit, str):
            word = _SEPARATORS.split(unit.strip().strip("{}[]").lower(), 1)[0].rstrip(".")
            found = _UNITS.get(word)
            if found is not None:
                return found
    return None


def is_age(codes: Iterable[object]) -> bool:
    """Whether one of ``codes`` says that what is observed is an age."""
    return any(code in _CODES for code in codes)


def shorten(observation: dict[str, Any]) -> None:
    """Where an age is observed, one of 90 and more is 90, also without a unit of time."""
    parts = observation.get("component")
    for part in (observation, *(parts if isinstance(parts, list) else ())):
        if not isinstance(part, dict) or not _is_age(part):
            continue
        cap(part, "valueInteger", OLDEST_AGE)
        quantity = part.get("valueQuantity")
        if isinstance(quantity, dict):
            most = limit(quantity.get("code"), quantity.get("unit"))
            cap(quantity, "value", OLDEST_AGE if most is None else most)


def cap(holder: dict[str, Any], name: str, most: int) -> None:
    """Have a number in ``holder`` be no more than ``most``."""
    number = holder.get(name)
    if isinstance(number, int | Decimal) and number >= most:
        holder[name] = most


def _is_age(part: dict[str, Any]) -> bool:
    code = part.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    return isinstance(codings, list) and is_age(
        one["code"] for one in codings if isinstance(one, dict) and isinstance(one.get("code"), str)
    )
