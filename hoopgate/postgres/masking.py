"""DataRow messages rewritten by a masking plan, in text and in binary format.

What a method yields (:class:`hoopgate.plans.Method`):

- REDACT: the type's constant, for NULL too (whether a value is there is itself data).
- TOKEN: textual types a token of the value, NULL that of the empty string; others their constant.
- NULL: NULL.
- GENERALISE: dates and timestamps 1 January of their year, ``ZIP`` labels of textual types three
  digits, ``AGE`` labels of integer types at most 90; NULL stays; everything else its constant.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping

from hoopgate.errors import RemoteProtocolError
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import types
from hoopgate.postgres.kernels import mask_rows

#: label, value → the whole token, ``[SSN:k7f3…]``
Tokeniser = Callable[[str, bytes], str]

#: old value (None: NULL) → new one
Rewriter = Callable[[bytes | None], bytes | None]


class RowMasker:
    """Rewrites the rows of one portal; made by :func:`compile_plan`."""

    __slots__ = ("_columns", "_constants", "_functions", "_masked")

    def __init__(self, columns: int, rewriters: Mapping[int, bytes | Rewriter | None]) -> None:
        self._columns = columns
        self._masked = sorted(rewriters)
        self._constants: list[bytes | None] = []
        self._functions: list[Callable[[bytes | None], bytes]] = []
        for index in self._masked:
            rewriter = rewriters[index]
            if callable(rewriter):
                self._constants.append(None)
                self._functions.append(_field_maker(rewriter))
            else:
                self._constants.append(_field(rewriter))
                self._functions.append(_field)

    def rewrite(self, run: bytes) -> bytes:
        """Rewrite a run of complete DataRow messages.

        :raises RemoteProtocolError: a row whose count of fields is not the plan's, or a field
            longer than its row.
        """
        return mask_rows(run, self._columns, self._masked, self._constants, self._functions)


def compile_plan(
    plan: MaskPlan, formats: tuple[int, ...], tokeniser: Tokeniser | None = None
) -> RowMasker:
    """Make the rewriter of a result.

    :param formats: result formats as bound: none (all text), one for all, or one per column.
    :param tokeniser: makes the tokens of ``TOKEN`` columns; None: they become constants.
    :raises RemoteProtocolError: another number of formats, or an unknown one.
    """
    count = len(plan.columns)
    if len(formats) not in (0, 1, count) or not {0, 1}.issuperset(formats):
        raise RemoteProtocolError("result formats do not match the result")
    every = formats * count if len(formats) == 1 else formats or (0,) * count
    return RowMasker(
        count,
        {
            index: rewriter(mask, every[index] == 1, tokeniser)
            for index, mask in enumerate(plan.columns)
            if mask is not None
        },
    )


def _field(value: bytes | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    return len(value).to_bytes(4, "big") + value


def _field_maker(rewriter: Rewriter) -> Callable[[bytes | None], bytes]:
    def make(value: bytes | None) -> bytes:
        return _field(rewriter(value))

    return make


def rewriter(
    mask: ColumnMask, binary: bool, tokeniser: Tokeniser | None = None
) -> bytes | Rewriter | None:
    """What takes the place of a column's values: a constant (None: NULL) or a function."""
    label, oid = mask.label, mask.type
    if mask.method is Method.NULL:
        return None
    if mask.method is Method.TOKEN and tokeniser is not None and oid in types.TEXTUAL:
        return _tokens(label, oid, tokeniser)
    constant = types.constant(oid, label, binary)
    if mask.method is Method.GENERALISE:
        return _generaliser(label, oid, binary, constant) or constant
    return constant


def _tokens(label: str, oid: int, tokeniser: Tokeniser) -> Rewriter:
    def token(value: bytes | None) -> bytes:
        value = value or b""
        if oid == types.BPCHAR:
            value = value.rstrip(b" ")  # padding is no part of a char(n)
        return types.textual(oid, tokeniser(label, value))

    return token


# --- generalisation ----------------------------------------------------------------------------

_ZIP = re.compile(rb"([0-9]{3})[0-9]{2}(?:-?[0-9]{4})? *")

#: Three digits shared by 20,000 people or fewer (45 CFR 164.514(b)(2)(i)(B), census of 2000).
_RARE_ZIP = frozenset(
    b"036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()
)

# ISO output only; other styles do not match and become the constant. Five or more digits of year
# are possible.
_ISO_DATE = re.compile(rb"([0-9]{4,7})-[0-9]{2}-[0-9]{2}(?: [0-9:.+-]+)?( BC)?")
_INFINITIES = (b"infinity", b"-infinity")

_OLDEST_AGE = 90
_INTEGERS = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q"}


def _generaliser(label: str, oid: int, binary: bool, constant: bytes | None) -> Rewriter | None:
    kind = label.upper()
    if oid in types.TEXTUAL and kind in ("ZIP", "ZIPCODE", "ZIP_CODE", "POSTAL_CODE"):
        return _zip
    if oid in _INTEGERS and kind == "AGE":
        return _binary_age(_INTEGERS[oid], constant) if binary else _text_age(constant)
    if oid in (types.DATE, types.TIMESTAMP, types.TIMESTAMPTZ):
        if binary:
            return _binary_year(">i" if oid == types.DATE else ">q", constant)
        tail = {types.DATE: b"", types.TIMESTAMP: b" 00:00:00"}.get(oid, b" 00:00:00+00")
        return _text_year(tail, constant)
    return None


def _zip(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    match = _ZIP.fullmatch(value)
    return b"000" if match is None or match[1] in _RARE_ZIP else match[1]


def _text_age(constant: bytes | None) -> Rewriter:
    def age(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if not value.isdigit() or len(value) > 19:
            return constant
        return b"%d" % min(int(value), _OLDEST_AGE)

    return age


def _binary_age(format: str, constant: bytes | None) -> Rewriter:
    packed = struct.Struct(format)

    def age(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if len(value) != packed.size:
            return constant
        years: int = packed.unpack(value)[0]
        return constant if years < 0 else packed.pack(min(years, _OLDEST_AGE))

    return age


def _text_year(tail: bytes, constant: bytes | None) -> Rewriter:
    def year(value: bytes | None) -> bytes | None:
        if value is None or value in _INFINITIES:
            return value
        match = _ISO_DATE.fullmatch(value)
        if match is None:
            return constant
        return match[1] + b"-01-01" + tail + (match[2] or b"")

    return year


def _binary_year(format: str, constant: bytes | None) -> Rewriter:
    packed = struct.Struct(format)
    bits = packed.size * 8 - 1
    infinities = (2**bits - 1, -(2**bits))
    unit = 1 if packed.size == 4 else 86_400_000_000

    def year(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if len(value) != packed.size:
            return constant
        number: int = packed.unpack(value)[0]
        if number in infinities:
            return value
        first = first_of_year(number // unit) * unit
        # The first representable year began before the first representable instant.
        return packed.pack(first) if first > infinities[1] else constant

    return year


def first_of_year(days: int) -> int:
    """Days from 2000-01-01 to 1 January of the year that ``days`` after 2000-01-01 falls in.

    Proleptic Gregorian calendar, any year: a cycle of 400 years has 146,097 days.
    """
    cycle, rest = divmod(days, 146_097)
    # 2000 opens a cycle: leap, and the one century in it that is leap.
    year = min(rest * 400 // 146_097, 399)
    while _year_start(year) > rest:
        year -= 1
    while year < 399 and _year_start(year + 1) <= rest:
        year += 1
    return cycle * 146_097 + _year_start(year)


def _year_start(year: int) -> int:
    """Days before 1 January of year ``year`` of a cycle."""
    return year * 365 + (year + 3) // 4 - (year + 99) // 100 + (year + 399) // 400
