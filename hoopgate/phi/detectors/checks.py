"""Checksums and issued ranges: what tells an identifier from other digits of its shape.

Every check takes the matched text, with its separators, and never raises.
"""

from __future__ import annotations

from typing import Final

#: 49 CFR 565.15: values of a VIN's letters; I, O and Q are not used.
_VIN_VALUES: Final = dict(
    zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", [*range(10), *range(1, 9), *range(1, 6), 7, 9,
                                             *range(2, 10)], strict=True)
)  # fmt: skip
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1 annex B: payment cards."""
    digits = _digits(text)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return len(digits) >= 2 and len(set(digits)) > 1 and total % 10 == 0


def npi(text: str) -> bool:
    """45 CFR 162.406: ten digits, Luhn with the prefix 80840 (health applications, US)."""
    digits = "".join(map(str, _digits(text)))
    return len(digits) == 10 and digits[0] in "12" and luhn(f"80840{digits}")


def ssn(text: str) -> bool:
    """Ranges that the Social Security Administration issues (POMS RM 10201.035)."""
    digits = "".join(map(str, _digits(text)))
    if len(digits) != 9:
        return False
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def dea(text: str) -> bool:
    """A DEA registration number: (1st + 3rd + 5th) + 2 · (2nd + 4th + 6th) ends in the 7th."""
    digits = _digits(text[2:])
    if len(digits) != 7:
        return False
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def iban(text: str) -> bool:
    """ISO 13616: the remainder by 97 is 1."""
    packed = "".join(text.split()).upper()
    if not 15 <= len(packed) <= 34 or not (packed.isascii() and packed.isalnum()):
        return False
    return int("".join(str(int(one, 36)) for one in packed[4:] + packed[:4])) % 97 == 1


def vin(text: str) -> bool:
    """49 CFR 565.15(c): the ninth place is the weighted sum modulo 11."""
    upper = text.upper()
    if len(upper) != 17 or any(one not in _VIN_VALUES for one in upper):
        return False
    total = sum(_VIN_VALUES[one] * weight for one, weight in zip(upper, _VIN_WEIGHTS, strict=True))
    return upper[8] == "0123456789X"[total % 11]


def _digits(text: str) -> list[int]:
    return [int(one) for one in text if "0" <= one <= "9"]
