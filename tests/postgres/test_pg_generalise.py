"""Ages, births and places as numbers, text and words: coarse in every form, the same in all."""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.numeric import NumericBinaryLoader, NumericLoader

from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import types, wire
from hoopgate.postgres.generalise import generaliser
from hoopgate.postgres.masking import described, sent_type

THIS_YEAR = 2026
PACKED = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q"}


def coarse(
    label: str, oid: int, old: bytes | None, *, binary: bool = False, as_text: bool = False
) -> bytes | None:
    mask = ColumnMask(label, Method.GENERALISE, oid, as_text)
    made = generaliser(mask, binary, b"constant", THIS_YEAR)
    assert made is not None
    return made(old)


def packed(oid: int, number: int) -> bytes:
    return struct.pack(PACKED[oid], number)


@given(st.integers(-10, 200), st.sampled_from(list(PACKED)))
def test_ages_are_alike_in_text_and_in_binary(age: int, oid: int) -> None:
    text = coarse("AGE", oid, b"%d" % age)
    binary = coarse("AGE", oid, packed(oid, age), binary=True)
    if age < 0:
        assert text == binary == b"constant"
    else:
        assert text == b"%d" % min(age, 90)
        assert binary == packed(oid, min(age, 90))
    words = coarse("age", oid, packed(oid, age), binary=True, as_text=True)
    assert words == coarse("age", oid, b"%d" % age, as_text=True)
    if age >= 0:
        assert words == (b"90+" if age >= 90 else b"%d" % age)


@given(st.decimals(0, 200, places=3))
def test_ages_that_are_numeric_lose_their_fraction(age: Decimal) -> None:
    connection = None
    sent = psycopg.adapt.Transformer(connection)
    dumper = psycopg.types.numeric.DecimalBinaryDumper(Decimal)
    new = coarse("AGE", types.NUMERIC, bytes(dumper.dump(age) or b""), binary=True)
    assert new is not None
    loaded = NumericBinaryLoader(types.NUMERIC, sent).load(new)
    assert loaded == min(int(age), 90)
    text = coarse("AGE", types.NUMERIC, str(age).encode())
    assert text is not None
    assert NumericLoader(types.NUMERIC, sent).load(text) == loaded


@pytest.mark.parametrize("old", [b"NaN", b"-1.5", b"Infinity", b"", b"1e3", b"42 years", b"x"])
def test_what_is_no_age_is_the_constant(old: bytes) -> None:
    assert coarse("AGE", types.NUMERIC, old) == b"constant"
    assert coarse("AGE", types.TEXT, old) == b"constant"
    assert coarse("AGE", types.NUMERIC, old, binary=True) == b"constant"


def test_an_age_in_text_ends_at_90_or_more() -> None:
    assert coarse("AGE", types.VARCHAR, b"104") == b"90+"
    assert coarse("AGE", types.TEXT, b"89", binary=True) == b"89"
    for number in (float("nan"), float("inf"), -1.0):
        assert coarse("AGE", types.FLOAT8, struct.pack(">d", number), binary=True) == b"constant"
    assert coarse("AGE", types.FLOAT8, struct.pack(">d", 33.7), binary=True) == struct.pack(
        ">d", 33
    )


@given(st.dates(datetime.date(1, 1, 1)))
def test_a_birth_tells_of_no_age_over_89(day: datetime.date) -> None:
    days = (day - datetime.date(2000, 1, 1)).days
    binary = coarse("DOB", types.DATE, struct.pack(">i", days), binary=True)
    text = coarse("DOB", types.DATE, day.isoformat().encode())
    year = max(day.year, THIS_YEAR - 90)
    assert text == b"%04d-01-01" % year
    first = (datetime.date(year, 1, 1) - datetime.date(2000, 1, 1)).days
    assert binary == struct.pack(">i", first)
    words = coarse("BIRTH_DATE", types.DATE, struct.pack(">i", days), binary=True, as_text=True)
    assert words == coarse("BIRTH_DATE", types.DATE, day.isoformat().encode(), as_text=True)
    assert words == (b"1936 or earlier" if day.year <= 1936 else b"%d" % day.year)
    # another date may be as old as it likes
    assert coarse("VISIT", types.DATE, day.isoformat().encode()) == b"%04d-01-01" % day.year


def test_births_before_christ_and_at_the_ends_of_time() -> None:
    assert coarse("DOB", types.DATE, b"0044-03-15 BC") == b"1936-01-01"
    assert coarse("DOB", types.DATE, b"0044-03-15 BC", as_text=True) == b"1936 or earlier"
    assert coarse("VISIT", types.DATE, b"0044-03-15 BC", as_text=True) == b"44 BC"
    ides = struct.pack(">i", -746_100)
    assert coarse("VISIT", types.DATE, ides, binary=True, as_text=True) == b"44 BC"
    for oid, bits in ((types.DATE, 31), (types.TIMESTAMP, 63)):
        end = struct.pack(">i" if bits == 31 else ">q", 2**bits - 1)
        assert coarse("DOB", oid, end, binary=True, as_text=True) == b"infinity"


def test_dates_kept_as_text_come_as_their_year() -> None:
    assert coarse("DOB", types.TEXT, b"1951-07-30") == b"1951"
    assert coarse("VISIT_DATE", types.VARCHAR, b"2025-07-30T10:00:00Z") == b"2025"
    assert coarse("DATE", types.TEXT, b"30 July 1951") == b"constant"
    assert coarse("YOB", types.INT4, b"1920") == b"1936"
    assert coarse("YOB", types.INT2, packed(types.INT2, 1977), binary=True) == packed(
        types.INT2, 1977
    )
    assert coarse("YOB", types.INT4, b"1920", as_text=True) == b"1936 or earlier"


@pytest.mark.parametrize(
    ("old", "area"),
    [(2139, b"021"), (94110, b"941"), (3601, b"000"), (941_101_234, b"941"), (2**31 - 1, b"000")],
)
def test_places_kept_as_numbers(old: int, area: bytes) -> None:
    assert coarse("ZIP", types.INT4, b"%d" % old, as_text=True) == area
    new = coarse("ZIP", types.INT4, packed(types.INT4, old), binary=True)
    assert new == packed(types.INT4, int(area))


def test_nothing_is_not_generalised() -> None:
    for label, oid in (("ZIP", 25), ("AGE", 23), ("DOB", 1082), ("VISIT_DATE", 25), ("YOB", 21)):
        for binary in (False, True):
            assert coarse(label, oid, None, binary=binary) is None


# --- descriptions --------------------------------------------------------------------------------


def field(oid: int, size: int, typmod: int = -1, format: int = 0) -> wire.Field:
    return wire.Field(b"c", 7, 3, oid, size, typmod, format)


def test_what_comes_as_words_is_described_as_text() -> None:
    masks = (
        ColumnMask("DOB", Method.GENERALISE, types.DATE, True),
        ColumnMask("MRN", Method.TOKEN, types.INT4),
        ColumnMask("NAME", Method.TOKEN, types.VARCHAR),
        ColumnMask("X", Method.NULL, types.DATE),
        ColumnMask("X", Method.TOKEN, types.DATE),
        None,
    )
    sent = [
        field(types.DATE, 4, format=1),
        field(types.INT4, 4),
        field(types.VARCHAR, -1, 12),
        field(types.DATE, 4),
        field(types.DATE, 4),
        field(types.NUMERIC, -1, 262_150),
    ]
    plan = MaskPlan(masks)
    message = described(wire.encode_row_description(sent), plan, True)
    assert message is not None
    assert list(wire.row_description(message)) == [
        field(types.TEXT, -1, format=1),
        field(types.TEXT, -1),
        field(types.VARCHAR, -1),
        *sent[3:],
    ]
    # without keys there are no tokens, so an integer stays one
    assert sent_type(masks[1], tokens=False) == types.INT4
    again = described(wire.encode_row_description(sent[3:]), MaskPlan(masks[3:]), True)
    assert again is None
