"""Rows rewritten by a masking plan, in text and in binary, and the columns described to fit.

What a method yields (:class:`hoopgate.plans.Method`):

- REDACT: the type's constant, for NULL too (whether a value is there is itself data).
- TOKEN: where there are keys, a token of a text or whole number, in the place of text; else as
  REDACT. NULL stays.
- NULL: NULL.
- GENERALISE: see :mod:`hoopgate.phi.safe_harbor`; everything else its constant. NULL stays.

The type is the one that the server describes for this very result, so that a value is valid for
it whatever was thought before. Words take the place of a value that is no text where the label
says ``as_text``: the column is then described as text. A masked column no longer names the table
and column that it comes from: clients that write rows back must not take it for a stored value.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql import types
from hoopgate.mysql.kernels import (
    BYTE_COUNTED,
    COUNTED,
    FieldMaker,
    binary_row,
    binary_values,
    mask_binary_rows,
    mask_text_rows,
    packet_heads,
    text_row,
    text_values,
)
from hoopgate.mysql.long_rows import LongRow
from hoopgate.mysql.wire import string
from hoopgate.mysql.wire_results import BINARY_CHARSET, NOT_NULL, UNSIGNED, Column
from hoopgate.mysql.wire_values import DATES as BYTE_COUNTED_TYPES
from hoopgate.mysql.wire_values import FIXED, Type
from hoopgate.phi import safe_harbor
from hoopgate.plans import ColumnMask, MaskPlan, Method

#: label, value → the whole token, ``[SSN:1.k7f3…]``
Tokeniser = Callable[[str, bytes], str]

_UTF8MB4: Final = 45
_WORDS: Final = 64
_ISO_DATE: Final = re.compile(rb"([0-9]{4})-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+)?")
_NUMBER: Final = re.compile(rb"([0-9]{1,19})(?:\.[0-9]+)? *")


class RowMasker:
    """Rewrites the rows of one result; made by :func:`compile_plan`."""

    __slots__ = ("_binary", "_columns", "_constants", "_functions", "_masked", "_sizes")

    def __init__(
        self,
        sizes: list[int],
        binary: bool,
        masked: list[int],
        constants: list[bytes | None],
        functions: list[FieldMaker],
        columns: Sequence[Column],
    ) -> None:
        self._columns = columns
        self._sizes = sizes
        self._binary = binary
        self._masked = masked
        self._constants = constants
        self._functions = functions

    def long_row(self) -> LongRow:
        """What takes in a row of several packets, see :meth:`row`."""
        unseen = (
            column
            for column, constant, function in zip(
                self._masked, self._constants, self._functions, strict=True
            )
            if constant is not None or function is _null
        )
        return LongRow(self._sizes, frozenset(unseen), self._binary)

    def row(self, payload: bytes) -> bytes:
        """Rewrite one row, given as its payload.

        :raises RemoteProtocolError: as :meth:`rewrite`.
        """
        steps = list(zip(self._masked, self._constants, self._functions, strict=True))
        if self._binary:
            return binary_row(payload, 0, len(payload), self._sizes, steps)[0]
        return text_row(payload, 0, len(payload), len(self._sizes), steps)[0]

    def rewrite(self, run: bytes, sequence: int) -> tuple[bytes, int]:
        """Rewrite a run of whole rows.

        :param sequence: number of the first packet that is made.
        :return: the rows, and the number of the packet after them.
        :raises RemoteProtocolError: a row whose fields are not as many as columns were described,
            or do not fill it.
        """
        if self._binary:
            return mask_binary_rows(
                run, self._sizes, self._masked, self._constants, self._functions, sequence
            )
        return mask_text_rows(
            run, len(self._sizes), self._masked, self._constants, self._functions, sequence
        )

    def counted(self, run: bytes, column: int) -> tuple[int, list[bytes] | None]:
        """How many rows a run has, and their values in ``column``, whole numbers as text: the same
        value is the same in text and binary. -1: there is no such column.

        :raises RemoteProtocolError: a row has no such field.
        """
        if column < 0:
            return packet_heads(run), None
        if not self._binary:
            values = text_values(run, column)
        else:
            values = binary_values(run, self._sizes, column)
            read = _integer(self._columns[column])
            if read is not None:
                values = [b"%d" % read(one) if one else one for one in values]
        return len(values), values


def compile_plan(
    plan: MaskPlan,
    columns: Sequence[Column],
    binary: bool,
    tokeniser: Tokeniser | None = None,
    this_year: int | None = None,
) -> RowMasker:
    """Make the rewriter of a result.

    :param columns: as the server describes them.
    :raises RemoteProtocolError: another number of columns than the plan's, or a column of a type
        that is not known.
    """
    if len(columns) != len(plan.columns):
        raise RemoteProtocolError("a result does not have the columns its plan was made for")
    year = time.gmtime().tm_year if this_year is None else this_year
    masked: list[int] = []
    constants: list[bytes | None] = []
    functions: list[FieldMaker] = []
    for index, mask in enumerate(plan.columns):
        if mask is None:
            continue
        constant, function = _field(columns[index], mask, binary, tokeniser, year)
        masked.append(index)
        constants.append(constant)
        functions.append(function)
    sizes = [value_size(column.type) for column in columns] if binary else [0] * len(columns)
    return RowMasker(sizes, binary, masked, constants, functions, columns)


def value_size(code: int) -> int:
    """How the length of a binary value is known, see :mod:`hoopgate.mysql.kernels`.

    :raises RemoteProtocolError: the type is unknown.
    """
    size = FIXED.get(code)
    if size is not None:
        return size
    if code in BYTE_COUNTED_TYPES:
        return BYTE_COUNTED
    if code in (Type.TIMESTAMP2, Type.DATETIME2, Type.TIME2):
        raise RemoteProtocolError("a column of an unknown type")
    return COUNTED


def described(column: Column, mask: ColumnMask, tokeniser: Tokeniser | None = None) -> Column:
    """The definition of a masked column as the client is sent it."""
    shown = column.without_origin()
    if mask.method is Method.NULL or types.constant(column, mask.label, False) is None:
        return replace(shown, flags=shown.flags & ~NOT_NULL)
    if _in_words(column, mask, tokeniser):
        return replace(
            shown,
            type=Type.VAR_STRING,
            charset=_UTF8MB4,
            length=max(column.length, 4 * _WORDS),
            decimals=0,
            flags=shown.flags & ~UNSIGNED,
            extended=None if shown.extended is None else b"",
        )
    if column.type in types.STRINGS:
        return replace(shown, length=max(column.length, 4 * _WORDS))
    return shown


def _in_words(column: Column, mask: ColumnMask, tokeniser: Tokeniser | None) -> bool:
    if types.textual(column) or mask.method is Method.NULL:
        return False
    return mask.as_text or _tokenised(column, mask, tokeniser)


def _tokenised(column: Column, mask: ColumnMask, tokeniser: Tokeniser | None) -> bool:
    """Text and whole numbers: their values have one form each."""
    one_form = types.textual(column) or column.type in types.INTEGERS
    return one_form and mask.method is Method.TOKEN and tokeniser is not None


def _null(value: bytes | None) -> bytes | None:
    return None


def _field(
    column: Column, mask: ColumnMask, binary: bool, tokeniser: Tokeniser | None, this_year: int
) -> tuple[bytes | None, FieldMaker]:
    """What takes the place of a column's values: a constant field, or a function that makes one."""
    if mask.method is Method.NULL:
        return None, _null
    words = _in_words(column, mask, tokeniser)
    write = string if words else _writer(column, binary)
    value = f"[{mask.label}]".encode() if words else types.constant(column, mask.label, binary)
    if value is None:
        return None, _null
    constant = write(value)
    if tokeniser is not None and _tokenised(column, mask, tokeniser):
        return None, _tokens(column, mask.label, binary, tokeniser)
    if mask.method is Method.GENERALISE:
        function = _generaliser(column, mask, binary, words, constant, this_year)
        if function is not None:
            return None, function
    return constant, _null


def _writer(column: Column, binary: bool) -> Callable[[bytes], bytes]:
    """Puts in front of a value what its type has in front of it."""
    size = value_size(column.type) if binary else COUNTED
    if size == COUNTED:
        return string
    if size == BYTE_COUNTED:
        return lambda value: bytes((len(value),)) + value
    return lambda value: value


def _tokens(column: Column, label: str, binary: bool, tokeniser: Tokeniser) -> FieldMaker:
    integer = _integer(column) if binary else None
    digits = column.type in types.INTEGERS

    def token(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if integer is not None:
            value = b"%d" % integer(value)
        elif digits:
            value = b"%d" % int(value)  # ZEROFILL is no part of the number
        elif column.type == Type.STRING and column.charset != BINARY_CHARSET:
            value = value.rstrip(b" ")  # padding is no part of a CHAR(n)
        return string(tokeniser(label, value).encode())

    return token


# --- generalisation ------------------------------------------------------------------------------


def _generaliser(
    column: Column,
    mask: ColumnMask,
    binary: bool,
    words: bool,
    constant: bytes,
    this_year: int,
) -> FieldMaker | None:
    kind = mask.label.upper()
    floor = this_year - safe_harbor.OLDEST_AGE if kind in safe_harbor.BIRTHS else None
    words = words or types.textual(column)
    if column.type in types.DATES or (types.textual(column) and safe_harbor.is_date(kind)):
        return _dates(column, binary, words, constant, floor)
    if types.textual(column) and kind in safe_harbor.ZIPS:
        return lambda value: None if value is None else string(safe_harbor.zip_area(value))
    coarse: Callable[[int], bytes | None]
    if kind in safe_harbor.AGES:
        coarse = safe_harbor.age_in_words if words else safe_harbor.age
    elif kind in safe_harbor.ZIPS and column.type in types.INTEGERS:
        coarse = safe_harbor.zip_area_of_number
    elif floor is not None and (
        column.type == Type.YEAR
        or (column.type in types.INTEGERS and kind in safe_harbor.BIRTH_YEARS)
    ):
        coarse = safe_harbor.births(floor, words)
    else:
        return None
    read = _number(column, binary)
    write = string if words else _number_writer(column, binary)
    if read is None or write is None:
        return None
    return _numbers(read, coarse, write, constant)


def _dates(
    column: Column, binary: bool, words: bool, constant: bytes, floor: int | None
) -> FieldMaker:
    packed = binary and column.type in types.DATES
    write = string if words else _writer(column, binary)

    def year(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if packed:
            found = int.from_bytes(value[:2], "little")
        else:
            match = _ISO_DATE.fullmatch(value)
            if match is None:
                return constant
            found = int(match[1])
        early = floor is not None and found <= floor
        if words:
            return string(safe_harbor.or_earlier(floor or 0) if early else b"%04d" % found)
        return write(types.date(column, (floor or 0) if early else found, binary))

    return year


def _numbers(
    read: Callable[[bytes], int],
    coarse: Callable[[int], bytes | None],
    write: Callable[[bytes], bytes],
    constant: bytes,
) -> FieldMaker:
    def number(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        found = read(value)
        new = None if found < 0 else coarse(found)
        return constant if new is None else write(new)

    return number


def _integer(column: Column) -> Callable[[bytes], int] | None:
    """Reads an integer column's binary value."""
    if column.type not in types.INTEGERS and column.type != Type.YEAR:
        return None
    signed = not column.unsigned and column.type != Type.YEAR
    return lambda value: int.from_bytes(value, "little", signed=signed)


def _number(column: Column, binary: bool) -> Callable[[bytes], int] | None:
    """Reads a number's whole part; below 0 stands for all that is not understood, or negative."""
    numeric = column.type in types.INTEGERS or column.type == Type.YEAR
    if binary and numeric:
        return _integer(column)
    if binary and column.type in types.FLOATS:
        packed = struct.Struct(types.FLOATS[column.type])

        def read(value: bytes) -> int:
            number: float = packed.unpack(value)[0]
            return int(number) if 0 <= number < 2**53 else -1

        return read
    if numeric or column.type in types.DECIMALS or column.type in types.FLOATS:
        return _text_number
    return _text_number if types.textual(column) else None


def _text_number(value: bytes) -> int:
    match = _NUMBER.fullmatch(value)
    return -1 if match is None else int(match[1])


def _number_writer(column: Column, binary: bool) -> Callable[[bytes], bytes] | None:
    """Writes digits as a field of the column."""
    if not binary or column.type in types.DECIMALS:
        return string
    if column.type in types.FLOATS:
        packed = struct.Struct(types.FLOATS[column.type])
        return lambda digits: packed.pack(int(digits))
    size = 2 if column.type == Type.YEAR else types.INTEGERS.get(column.type)
    if size is None:
        return None
    return _packed(size)


def _packed(size: int) -> Callable[[bytes], bytes]:
    def write(digits: bytes) -> bytes:
        return (int(digits) % (1 << 8 * size)).to_bytes(size, "little")

    return write
