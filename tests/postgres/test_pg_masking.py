"""Rows rewritten by a plan: what must come out whatever the values, and what must be refused."""

from __future__ import annotations

import datetime
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import RemoteProtocolError
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import types, wire
from hoopgate.postgres.dates import year_begins, year_of
from hoopgate.postgres.masking import compile_plan

TEXT, DATE, TIMESTAMP, TIMESTAMPTZ, INT4 = 25, 1082, 1114, 1184, 23
BUILT_IN = [
    *types._FIXED,
    *types._ARRAYS,
    *types._RANGES,
    *types._MULTIRANGES,
    *types.TEXTUAL,
    types.BYTEA,
    types.JSON,
    types.JSONB,
    types.XML,
]
UNKNOWN = 99_999


def mask(oid: int = TEXT, method: Method = Method.REDACT, label: str = "SSN") -> ColumnMask:
    return ColumnMask(label, method, oid)


def token(label: str, value: bytes) -> str:
    return f"[{label}:{len(value)}]"


def rewrite(
    columns: list[ColumnMask | None],
    values: list[bytes | None],
    formats: tuple[int, ...] = (),
) -> tuple[bytes | None, ...]:
    masker = compile_plan(MaskPlan(tuple(columns)), formats, token)
    return wire.data_row_values(masker.rewrite(wire.data_row(values)))


def value(method: Method, oid: int, old: bytes | None, binary: bool = False, label: str = "X"):
    [new] = rewrite([mask(oid, method, label)], [old], (int(binary),))
    return new


def split(run: bytes) -> list[bytes]:
    out = []
    while run:
        size = 1 + int.from_bytes(run[1:5], "big")
        out.append(run[:size])
        run = run[size:]
    return out


# --- properties --------------------------------------------------------------------------------

cells = st.none() | st.binary(max_size=30)
masks = st.builds(
    ColumnMask, st.sampled_from(["SSN", "NAME"]), st.just(Method.REDACT), st.sampled_from(BUILT_IN)
) | st.builds(ColumnMask, st.just("X"), st.just(Method.NULL), st.just(UNKNOWN))


@st.composite
def results(draw: st.DrawFn):
    columns = draw(st.lists(st.none() | masks, max_size=6))
    rows = draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=5))
    formats = draw(
        st.sampled_from([(), (0,), (1,)])
        | st.lists(st.integers(0, 1), min_size=len(columns), max_size=len(columns)).map(tuple)
    )
    return MaskPlan(tuple(columns)), rows, formats


@given(results())
def test_masked_columns_are_constant_and_the_others_as_they_were(result) -> None:
    plan, rows, formats = result
    out = compile_plan(plan, formats).rewrite(b"".join(map(wire.data_row, rows)))
    messages = split(out)
    assert len(messages) == len(rows)
    seen: dict[int, set[bytes | None]] = {}
    for message, row in zip(messages, rows, strict=True):
        for index, (new, old) in enumerate(zip(wire.data_row_values(message), row, strict=True)):
            if plan.columns[index] is None:
                assert new == old
            else:
                seen.setdefault(index, set()).add(new)
    assert all(len(constants) == 1 for constants in seen.values())


@given(results(), st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_run_is_refused_or_still_masked(result, place: int, byte: int) -> None:
    """Whatever a server sends: the output parses, masked columns constant, or nothing comes out."""
    plan, rows, formats = result
    if not rows:
        return
    run = bytearray(b"".join(map(wire.data_row, rows)))
    place %= len(run)
    run[place] = byte
    masker = compile_plan(plan, formats)
    try:
        out = masker.rewrite(bytes(run))
    except RemoteProtocolError:
        return
    clean = masker.rewrite(wire.data_row([None] * len(plan.columns)))
    constants = wire.data_row_values(clean)
    for message in split(out):
        for index, new in enumerate(wire.data_row_values(message)):
            if plan.columns[index] is not None:
                assert new == constants[index]


@given(st.binary(max_size=80), st.integers(0, 4))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(run: bytes, columns: int) -> None:
    masker = compile_plan(MaskPlan((mask(),) * columns), ())
    for data in (run, b"D" + struct.pack(">i", len(run) + 4) + run):
        try:
            masker.rewrite(data)
        except RemoteProtocolError:
            pass


# --- hostile rows ------------------------------------------------------------------------------


def row(body: bytes) -> bytes:
    return b"D" + struct.pack(">I", len(body) + 4) + body


HOSTILE = {
    "a field more": wire.data_row([b"a", b"b", b"c"]),
    "a field less": wire.data_row([b"a"]),
    "no fields": wire.data_row([]),
    "negative length (CVE-2026-32286)": row(b"\0\2\0\0\0\1a\xff\xff\xff\xfe"),
    "length -2^31": row(b"\0\2\x80\0\0\0\0\0\0\0"),
    "length 2^31-1": row(b"\0\2\x7f\xff\xff\xff\0\0\0\0"),
    "masked length 2^31-1": row(b"\0\2\0\0\0\0\x7f\xff\xff\xff"),
    "a field into the next row": row(b"\0\2\0\0\0\0\0\0\0\x15") + wire.data_row([b"a", b"b"]),
    "a first field into the next row": row(b"\0\2\0\0\0\x19\0\0\0\0") + wire.data_row([b"a", b"b"]),
    "bytes behind the last field": row(b"\0\2\0\0\0\0\0\0\0\0x"),
    "a row that ends in a length": row(b"\0\2\0\0\0\0\0\0"),
    "half a count": row(b"\0"),
    "a row cut short": wire.data_row([b"a", b"b"])[:-1],
    "a header cut short": wire.data_row([b"a", b"b"]) + b"D\0\0",
    "length 0": b"D\0\0\0\0\0\2",
    "negative row length": b"D\xff\xff\xff\xff\0\2\0\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("run", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("plan", [(None, mask()), (mask(), None), (mask(), mask())])
def test_a_row_that_does_not_fit_is_refused(run: bytes, plan) -> None:
    masker = compile_plan(MaskPlan(plan), ())
    for data in (run, wire.data_row([b"fine", b"fine"]) + run):
        with pytest.raises(RemoteProtocolError) as caught:
            masker.rewrite(data)
        assert "fine" not in str(caught.value)


@pytest.mark.parametrize("formats", [(0, 0, 0), (1, 1, 1), (2,), (0, -1)])
def test_formats_that_do_not_fit_are_refused(formats: tuple[int, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        compile_plan(MaskPlan((mask(), None)), formats)


# --- methods -----------------------------------------------------------------------------------


def test_formats_none_one_or_each() -> None:
    columns = [mask(INT4), None, mask(INT4)]
    old = [b"7", b"keep", b"7"]
    assert rewrite(columns, old) == (b"0", b"keep", b"0")
    assert rewrite(columns, old, (1,)) == (bytes(4), b"keep", bytes(4))
    assert rewrite(columns, old, (0, 0, 1)) == (b"0", b"keep", bytes(4))


def test_redaction_hides_whether_a_value_is_there() -> None:
    assert value(Method.REDACT, TEXT, None) == value(Method.REDACT, TEXT, b"x") == b"[X]"


@pytest.mark.parametrize("binary", [False, True])
def test_a_type_without_a_constant_becomes_null(binary: bool) -> None:
    for method in Method:
        assert value(method, UNKNOWN, b"123-45-6789", binary) is None


@pytest.mark.parametrize("binary", [False, True])
def test_null_is_null_for_every_type(binary: bool) -> None:
    for oid in BUILT_IN:
        assert value(Method.NULL, oid, b"x", binary) is None


def test_tokens_stand_for_values_that_have_one_form_of_text() -> None:
    assert value(Method.TOKEN, TEXT, b"abc") == b"[X:3]"
    assert value(Method.TOKEN, TEXT, b"abc", binary=True) == b"[X:3]"
    assert value(Method.TOKEN, types.BPCHAR, b"abc   ") == b"[X:3]"
    assert value(Method.TOKEN, TEXT, None) is None
    assert value(Method.TOKEN, INT4, b"12345") == b"[X:5]"
    assert value(Method.TOKEN, INT4, struct.pack(">i", -12345), binary=True) == b"[X:6]"
    assert value(Method.TOKEN, types.INT8, struct.pack(">q", 7), binary=True) == b"[X:1]"
    assert value(Method.TOKEN, types.UUID, bytes(16), binary=True) == b"[X:36]"
    assert value(Method.TOKEN, DATE, b"1980-05-17") == b"1900-01-01"
    assert value(Method.TOKEN, types.NUMERIC, b"1.50") == b"0"
    without = compile_plan(MaskPlan((mask(method=Method.TOKEN),)), ())
    assert wire.data_row_values(without.rewrite(wire.data_row([b"abc"]))) == (b"[SSN]",)


def test_a_name_stays_within_63_bytes() -> None:
    assert value(Method.REDACT, types.NAME, b"x", label="Ä" * 40) == b"[" + "Ä".encode() * 31


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"02139", b"021"),
        (b"02139-4307", b"021"),
        (b"021394307", b"021"),
        (b"02139 ", b"021"),
        (b"03601", b"000"),
        (b"82101", b"000"),
        (b"2139", b"000"),
        (b"SW1A 1AA", b"000"),
        (b"", b"000"),
        ("٠٢١٣٩".encode(), b"000"),
        (None, None),
    ],
)
def test_zip_codes_keep_three_digits_at_most(old: bytes | None, new: bytes | None) -> None:
    assert value(Method.GENERALISE, TEXT, old, label="ZIP") == new
    assert value(Method.GENERALISE, TEXT, old, label="zip", binary=True) == new


def test_other_text_is_not_generalised_but_redacted() -> None:
    assert value(Method.GENERALISE, TEXT, b"02139", label="NAME") == b"[NAME]"
    assert value(Method.GENERALISE, types.UUID, None, label="X") == b"0" * 8 + b"-0000" * 3 + (
        b"-" + b"0" * 12
    )


@pytest.mark.parametrize(
    ("oid", "old", "new"),
    [
        (DATE, b"1980-05-17", b"1980-01-01"),
        (DATE, b"0044-03-15 BC", b"0044-01-01 BC"),
        (DATE, b"12024-02-29", b"12024-01-01"),
        (DATE, b"infinity", b"infinity"),
        (DATE, b"-infinity", b"-infinity"),
        (DATE, b"05/17/1980", b"1900-01-01"),
        (DATE, b"1980-05-17; x", b"1900-01-01"),
        (DATE, None, None),
        (TIMESTAMP, b"1980-05-17 10:20:30.123", b"1980-01-01 00:00:00"),
        (TIMESTAMP, b"0044-03-15 00:00:00 BC", b"0044-01-01 00:00:00 BC"),
        (TIMESTAMPTZ, b"1980-05-17 10:20:30.1+05:30", b"1980-01-01 12:00:00+00"),
        (TIMESTAMPTZ, b"0044-03-15 00:00:00+00 BC", b"0044-01-01 12:00:00+00 BC"),
        (TIMESTAMPTZ, b"Sat May 17 10:20:30 1980 UTC", b"1900-01-01 00:00:00+00"),
    ],
)
def test_dates_in_text_keep_their_year(oid: int, old: bytes | None, new: bytes | None) -> None:
    assert value(Method.GENERALISE, oid, old) == new


EPOCH = datetime.date(2000, 1, 1)


def first_of_year(days: int) -> int:
    return year_begins(year_of(days))


@given(st.dates())
def test_the_first_of_a_year_agrees_with_the_calendar(day: datetime.date) -> None:
    first = day.replace(month=1, day=1)
    assert first_of_year((day - EPOCH).days) == (first - EPOCH).days


@given(st.integers(-(2**40), 2**40))
def test_the_first_of_a_year_is_a_fixed_point_within_a_year(days: int) -> None:
    first = first_of_year(days)
    assert 0 <= days - first <= 365
    assert first_of_year(first) == first
    assert first_of_year(first - 1) < first


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1))
def test_dates_in_binary_keep_their_year_or_stay_infinite(days: int, micros: int) -> None:
    for format_, oid, old in ((">i", DATE, days), (">q", TIMESTAMP, micros)):
        packed = struct.pack(format_, old)
        new = value(Method.GENERALISE, oid, packed, binary=True)
        assert new is not None
        assert len(new) == len(packed)
        again = value(Method.GENERALISE, oid, new, binary=True)
        assert again == new


def test_infinite_dates_in_binary_stay() -> None:
    for format_, oid, bits in ((">i", DATE, 31), (">q", TIMESTAMPTZ, 63)):
        for infinity in (2**bits - 1, -(2**bits)):
            packed = struct.pack(format_, infinity)
            assert value(Method.GENERALISE, oid, packed, binary=True) == packed


@pytest.mark.parametrize("oid", [DATE, TIMESTAMP, INT4])
def test_a_binary_value_of_the_wrong_size_is_not_passed_on(oid: int) -> None:
    constant = types.constant(oid, "AGE", binary=True)
    for old in (b"", b"123-45-6789"):
        assert value(Method.GENERALISE, oid, old, binary=True, label="AGE") == constant


@pytest.mark.parametrize(
    ("old", "new"), [(b"42", b"42"), (b"89", b"89"), (b"90", b"90"), (b"104", b"90"), (b"-1", b"0")]
)
def test_ages_end_at_90(old: bytes, new: bytes) -> None:
    assert value(Method.GENERALISE, INT4, old, label="AGE") == new
    packed = value(Method.GENERALISE, INT4, struct.pack(">i", int(old)), True, "AGE")
    assert packed == struct.pack(">i", int(new))
