"""DataRow messages rewritten by a masking plan, in text and in binary format.

What a method yields (:class:`hoopgate.plans.Method`):

- REDACT: the type's constant, for NULL too (whether a value is there is itself data).
- TOKEN: a token of the value where its type has one form of text (:data:`TOKENISED`), else as
  REDACT. NULL stays: a token that joined with others where the value does not would be no token.
- NULL: NULL.
- GENERALISE: see :mod:`hoopgate.postgres.generalise`; everything else its constant.

Words take the place of a value that is no text where a column is *described as text*: tokens of
integers, and what a label's ``as_text`` says so of. :func:`sent_type` is what RowDescription then
has, :func:`described` makes it.
"""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import dates, types, wire
from hoopgate.postgres.generalise import Rewriter, generaliser
from hoopgate.postgres.kernels import mask_rows

#: label, value in its one form of text → the whole token, ``[SSN:1.k7f3…]``
Tokeniser = Callable[[str, bytes], str]

_INTEGERS: Final = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q", types.OID: ">I"}
#: Types whose values have one form of text each, whatever the session's settings are.
TOKENISED: Final = frozenset({*types.TEXTUAL, *_INTEGERS, types.UUID})


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

    @property
    def unseen(self) -> frozenset[int]:
        """Columns whose values do not matter: constants take their place."""
        return frozenset(
            index
            for index, constant in zip(self._masked, self._constants, strict=True)
            if constant is not None
        )


def compile_plan(
    plan: MaskPlan,
    formats: tuple[int, ...],
    tokeniser: Tokeniser | None = None,
    style: bytes = dates.ISO,
) -> RowMasker:
    """Make the rewriter of a result.

    :param formats: result formats as bound: none (all text), one for all, or one per column.
    :param tokeniser: makes the tokens of ``TOKEN`` columns; None: they become constants.
    :param style: the session's DateStyle.
    :raises RemoteProtocolError: another number of formats, or an unknown one.
    """
    count = len(plan.columns)
    if len(formats) not in (0, 1, count) or not {0, 1}.issuperset(formats):
        raise RemoteProtocolError("result formats do not match the result")
    every = formats * count if len(formats) == 1 else formats or (0,) * count
    return RowMasker(
        count,
        {
            index: rewriter(mask, every[index] == 1, tokeniser, style)
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


def sent_type(mask: ColumnMask, tokens: bool) -> int:
    """The type that the client is told of a masked column.

    :param tokens: there are keys to make tokens with.
    """
    oid = mask.type
    if oid in types.TEXTUAL or mask.method is Method.NULL:
        return oid
    if mask.as_text or (tokens and mask.method is Method.TOKEN and oid in TOKENISED):
        return types.TEXT
    return oid


def described(message: bytes, plan: MaskPlan, tokens: bool) -> bytes | None:
    """A RowDescription as the client is sent it; None when it is the server's own.

    What is described as text loses its length as well; so does masked text, which is longer than
    a ``varchar(n)`` may say.

    :raises RemoteProtocolError: the result is not the one that the plan was made for.
    """
    fields = list(wire.row_description(message))
    if len(fields) != len(plan.columns):
        raise RemoteProtocolError("a result does not have the columns its plan was made for")
    changed = False
    for index, mask in enumerate(plan.columns):
        if mask is None:
            continue
        field = fields[index]
        if field.type_oid != mask.type:
            raise RemoteProtocolError(
                "a masked column does not have the type its plan was made for"
            )
        sent = sent_type(mask, tokens)
        size = field.type_size if sent == mask.type else -1
        typmod = -1 if sent in _SIZED else field.typmod
        if (sent, size, typmod) != (field.type_oid, field.type_size, field.typmod):
            changed = True
            fields[index] = wire.Field(
                field.name, field.table_oid, field.attnum, sent, size, typmod, field.format
            )
    return wire.encode_row_description(fields) if changed else None


_SIZED: Final = frozenset({types.TEXT, types.VARCHAR, types.BPCHAR})


def rewriter(
    mask: ColumnMask,
    binary: bool,
    tokeniser: Tokeniser | None = None,
    style: bytes = dates.ISO,
) -> bytes | Rewriter | None:
    """What takes the place of a column's values: a constant (None: NULL) or a function."""
    label, oid = mask.label, mask.type
    if mask.method is Method.NULL:
        return None
    if mask.method is Method.TOKEN and tokeniser is not None and oid in TOKENISED:
        return _tokens(label, oid, binary, tokeniser)
    shown = types.TEXT if mask.as_text and oid not in types.TEXTUAL else oid
    constant = types.constant(shown, label, binary)
    if shown in dates.OIDS and not binary:
        constant = dates.first_day(1900, shown, style)
    if mask.method is Method.GENERALISE:
        this_year = time.gmtime().tm_year
        return generaliser(mask, binary, constant, this_year, style) or constant
    return constant


def _tokens(label: str, oid: int, binary: bool, tokeniser: Tokeniser) -> Rewriter:
    if oid in types.TEXTUAL or not binary:

        def token(value: bytes | None) -> bytes | None:
            if value is None:
                return None
            if oid == types.BPCHAR:
                value = value.rstrip(b" ")  # padding is no part of a char(n)
            return types.textual(oid, tokeniser(label, value))

        return token
    text = _uuid if oid == types.UUID else _integer(_INTEGERS[oid])

    def token_of_text(value: bytes | None) -> bytes | None:
        return None if value is None else tokeniser(label, text(value)).encode()

    return token_of_text


def _uuid(value: bytes) -> bytes:
    if len(value) != 16:
        raise RemoteProtocolError("a value does not have its type's length")
    return str(uuid.UUID(bytes=value)).encode()


def _integer(format: str) -> Callable[[bytes], bytes]:
    packed = struct.Struct(format)

    def text(value: bytes) -> bytes:
        if len(value) != packed.size:
            raise RemoteProtocolError("a value does not have its type's length")
        return b"%d" % packed.unpack(value)[0]

    return text
