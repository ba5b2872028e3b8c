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
from hoopgate.postgres import dates, types, wire
from hoopgate.postgres.generalise import generaliser
from hoopgate.postgres.masking import described, sent_type

THIS_YEAR = 2026
PACKED = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q"}


def coarse(
    label: str,
    oid: int,
    old: bytes | None,
    *,
    binary: bool = False,
    as_text: bool = False,
    style: bytes = dates.ISO,
) -> bytes | None:
    mask = ColumnMask(label, Method.GENERALISE, oid, as_text)
    made = generaliser(mask, binary, b"constant", THIS_YEAR, style)
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


MICROSECOND = datetime.timedelta(microseconds=1)
TURN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@given(
    st.timedeltas(datetime.timedelta(days=-9), datetime.timedelta(days=9)),
    st.integers(-14 * 3600, 14 * 3600),
)
def test_the_year_of_an_instant_is_the_one_of_no_session(
    apart: datetime.timedelta, offset: int
) -> None:
    """A client chooses its TimeZone: near the turn of the year that must not tell the day."""
    instant = TURN + apart
    zone = datetime.timezone(datetime.timedelta(seconds=offset))
    shown = instant.astimezone(zone).isoformat(" ").encode()
    text = coarse("VISIT", types.TIMESTAMPTZ, shown)
    assert text == b"%d-01-01 12:00:00+00" % instant.year
    epoch = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    sent = struct.pack(">q", (instant - epoch) // MICROSECOND)
    binary = coarse("VISIT", types.TIMESTAMPTZ, sent, binary=True)
    noon = datetime.datetime(instant.year, 1, 1, 12, tzinfo=datetime.UTC)
    assert binary == struct.pack(">q", (noon - epoch) // MICROSECOND)
    words = coarse("VISIT", types.TIMESTAMPTZ, shown, as_text=True)
    assert words == coarse("VISIT", types.TIMESTAMPTZ, sent, binary=True, as_text=True)
    # whoever shows it in a zone of his own shows the year
    for hours in (-12, -5, 0, 5.5, 14):
        there = datetime.timezone(datetime.timedelta(hours=hours))
        assert noon.astimezone(there).year == instant.year


@pytest.mark.parametrize(
    ("shown", "year"),
    [
        (b"2020-01-06 23:00:00+167", b"2019"),
        (b"2019-12-25 01:00:00.5-167:59:59", b"2020"),
        (b"2020-03-01 00:00:00+00", b"2020"),
        (b"1883-11-18 12:03:57-04:56:02", b"1883"),
        (b"0001-12-31 23:30:00-01 BC", b"1"),
        (b"0001-01-01 00:30:00+01", b"1 BC"),
        (b"12020-01-01 00:30:00+01", b"12019"),
        (b"2020-13-01 00:00:00+00", b"constant"),
        (b"2020-01-01 00:00:00", b"constant"),
        (b"2020-01-01", b"constant"),
    ],
)
def test_instants_at_odd_offsets(shown: bytes, year: bytes) -> None:
    assert coarse("VISIT", types.TIMESTAMPTZ, shown, as_text=True) == year


@pytest.mark.parametrize(
    ("style", "oid", "old", "new"),
    [
        (b"German, DMY", types.DATE, b"24.12.1951", b"01.01.1951"),
        (b"German, DMY", types.TIMESTAMP, b"24.12.1951 07:35:01.5 BC", b"01.01.1951 00:00:00 BC"),
        (b"SQL, MDY", types.DATE, b"12/24/1951", b"01/01/1951"),
        (b"SQL, DMY", types.TIMESTAMP, b"24/12/1951 07:35:01", b"01/01/1951 00:00:00"),
        (b"Postgres, MDY", types.DATE, b"12-24-1951", b"01-01-1951"),
        (
            *(b"Postgres, MDY", types.TIMESTAMP),
            *(b"Mon Dec 24 07:35:01.5 1951", b"Mon Jan 01 00:00:00 1951"),
        ),
        (
            *(b"Postgres, DMY", types.TIMESTAMP),
            *(b"Mon 24 Dec 07:35:01 1951", b"Mon 01 Jan 00:00:00 1951"),
        ),
        # which year it is in UTC a zone's name does not say
        (b"German, DMY", types.TIMESTAMPTZ, b"24.12.1951 07:35:01 EST", b"constant"),
        (b"Postgres, MDY", types.TIMESTAMPTZ, b"Mon Dec 24 07:35:01 1951 UTC", b"constant"),
        (b"German, DMY", types.DATE, b"1951-12-24", b"constant"),
        (b"ISO, DMY", types.DATE, b"24.12.1951", b"constant"),
        (b"German, DMY", types.DATE, b"infinity", b"infinity"),
        (b"German, DMY", types.TEXT, b"1951-12-24", b"1951"),  # not the server's own text
    ],
)
def test_dates_in_the_sessions_style(style: bytes, oid: int, old: bytes, new: bytes) -> None:
    assert coarse("BIRTH_DATE", oid, old, style=style, as_text=True) in (
        (new,) if new in (b"constant", b"infinity") else (b"1951", b"1936 or earlier")
    )
    assert coarse("VISIT_DATE", oid, old, style=style) == new


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


@pytest.mark.parametrize("oid", list(PACKED))
@pytest.mark.parametrize("as_text", [False, True])
def test_days_kept_as_numbers_are_no_years(oid: int, as_text: bool) -> None:
    """19511224, days since some day: none of them is a year of birth, whatever the label says."""
    for number in (0, -1951, THIS_YEAR + 2, 7351, 9999, 19511224, 2**31 - 1):
        if number >= 2**15 and oid == types.INT2:
            continue
        assert coarse("YOB", oid, b"%d" % number, as_text=as_text) == b"constant"
        sent = packed(oid, number)
        assert coarse("YOB", oid, sent, binary=True, as_text=as_text) == b"constant"
    for kind in ("DOB", "DATE_OF_BIRTH", "VISIT_DATE"):  # 1951 days since 1970 are a day in 1975
        mask = ColumnMask(kind, Method.GENERALISE, oid, as_text)
        assert generaliser(mask, False, b"constant", THIS_YEAR) is None


def test_a_place_kept_as_a_number_is_a_number() -> None:
    for old, new in ((b"2139", b"21"), (b"3601", b"0"), (b"94110", b"941")):
        assert coarse("ZIP", types.INT4, old) == new


@given(st.floats(), st.sampled_from([types.FLOAT4, types.FLOAT8]))
def test_ages_that_are_floats_are_alike_in_text_and_in_binary(age: float, oid: int) -> None:
    form = ">f" if oid == types.FLOAT4 else ">d"
    try:
        sent = struct.pack(form, age)
    except OverflowError:
        return
    number = struct.unpack(form, sent)[0]
    names = {float("inf"): b"Infinity", float("-inf"): b"-Infinity"}
    shown = b"NaN" if number != number else names.get(number, b"%r" % number)
    text = coarse("AGE", oid, shown, as_text=True)
    assert text == coarse("AGE", oid, sent, binary=True, as_text=True)


@pytest.mark.parametrize("digits", [18, 19, 20, 21, 60, 5000])
def test_what_is_greater_than_any_age_is_alike_in_text_and_in_binary(digits: int) -> None:
    text = b"9" * digits
    assert coarse("AGE", types.NUMERIC, text) == b"90"
    count = (digits + 3) // 4
    sent = struct.pack(f">hhHh{count}h", count, count - 1, 0, 0, *[9999] * count)
    assert coarse("AGE", types.NUMERIC, sent, binary=True, as_text=True) == b"90+"


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


def year(
    label: str, oid: int, old: bytes | None, *, binary: bool = False, words: bool = False
) -> bytes | None:
    """What becomes of a year that was made of dates; the constant where it may be any value."""
    mask = ColumnMask(label, Method.GENERALISE, oid, words, year=True)
    made = generaliser(mask, binary, b"constant", THIS_YEAR)
    return b"constant" if made is None else made(old)


@given(st.integers(-4713, 5_874_897), st.sampled_from(["DOB", "ADMITTED"]))
def test_years_of_dates_are_alike_in_every_type(number: int, label: str) -> None:
    shown = max(number, 1936) if label == "DOB" else number
    decimal = psycopg.types.numeric.DecimalBinaryDumper(Decimal)
    for oid in (types.INT4, types.INT8, types.NUMERIC, types.FLOAT8):
        assert year(label, oid, b"%d" % number) == b"%d" % shown
    for oid in (types.INT4, types.INT8):
        assert year(label, oid, packed(oid, number), binary=True) == packed(oid, shown)
    float8 = struct.pack(">d", number)
    assert year(label, types.FLOAT8, float8, binary=True) == struct.pack(">d", shown)
    sent = year(label, types.NUMERIC, bytes(decimal.dump(Decimal(number)) or b""), binary=True)
    loaded = NumericBinaryLoader(types.NUMERIC, psycopg.adapt.Transformer(None)).load(sent or b"")
    assert loaded == shown
    words = year(label, types.NUMERIC, b"%d" % number, words=True)
    if label == "DOB":
        assert words == (b"1936 or earlier" if number <= 1936 else b"%d" % number)


@pytest.mark.parametrize("old", [b"Infinity", b"-Infinity", b"NaN", b"-", b""])
def test_what_is_no_year_of_a_birth_is_the_constant(old: bytes) -> None:
    assert year("DOB", types.NUMERIC, old) == b"constant"


def test_a_number_that_is_no_year_is_the_constant() -> None:
    assert year("DOB", types.NUMERIC, b"5874898") == b"constant"
    huge = struct.pack(">hhHhh", 1, 6, 0, 0, 1)
    assert year("DOB", types.NUMERIC, huge, binary=True) == b"constant"


def test_years_of_births_are_read_where_that_is_certain_alone() -> None:
    assert year("DOB", types.TEXT, b"1899") == b"constant"
    assert year("DOB", types.TIMESTAMPTZ, b"1899-01-01 00:00:00+00") == b"constant"
    assert year("DOB", types.TIMESTAMP, b"1899-01-01 00:00:00") == b"1936-01-01 00:00:00"
    assert year("DOB", types.DATE, b"1980-01-01") == b"1980-01-01"
    assert year("DOB", types.INT4, None) is None
    assert year("ADMITTED", types.TEXT, b"FY2150") == b"FY2150"
    assert year("ADMITTED", types.TEXT, b"FY2150", words=True) == b"FY2150"
    assert (
        year("ADMITTED", types.TIMESTAMPTZ, b"2150-01-01 00:00:00+14") == b"2150-01-01 00:00:00+14"
    )
