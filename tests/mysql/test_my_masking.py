"""Rows rewritten by plans: against a plain reference, for every type, in text and in binary."""

from __future__ import annotations

import struct
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql import types
from hoopgate.mysql.kernels import renumber, run_end
from hoopgate.mysql.masking import compile_plan, described, value_size
from hoopgate.mysql.wire import MOST_PAYLOAD, Reader, packets, string
from hoopgate.mysql.wire_results import UNSIGNED, Column
from hoopgate.mysql.wire_values import Type, binary_value
from hoopgate.plans import ColumnMask, MaskPlan, Method

CODES = sorted(
    value
    for name, value in vars(Type).items()
    if name.isupper() and name not in ("NULL", "TIMESTAMP2", "DATETIME2", "TIME2")
)


def column(code: int, *, decimals: int = 0, flags: int = 0, length: int = 16) -> Column:
    return Column(b"s", b"t", b"ot", b"n", b"on", 45, length, code, flags, decimals)


def text_row(values: list[bytes | None]) -> bytes:
    return b"".join(b"\xfb" if value is None else string(value) for value in values)


def read_text(payload: bytes, count: int) -> list[bytes | None]:
    reader = Reader(payload)
    found: list[bytes | None] = []
    for _ in range(count):
        if reader.data[reader.at] == 0xFB:
            reader.take(1)
            found.append(None)
        else:
            found.append(reader.string())
    reader.end()
    return found


def binary_field(code: int, value: bytes) -> bytes:
    size = value_size(code)
    if size >= 0:
        return value
    return string(value) if size == -1 else bytes((len(value),)) + value


def binary_row(codes: list[int], values: list[bytes | None]) -> bytes:
    nulls = bytearray((len(values) + 9) // 8)
    out = b""
    for index, (code, value) in enumerate(zip(codes, values, strict=True)):
        if value is None:
            nulls[(index + 2) // 8] |= 1 << (index + 2) % 8
        else:
            out += binary_field(code, value)
    return b"\0" + bytes(nulls) + out


def read_binary(payload: bytes, codes: list[int]) -> list[bytes | None]:
    reader = Reader(payload)
    assert reader.take(1) == b"\0"
    nulls = reader.take((len(codes) + 9) // 8)
    found: list[bytes | None] = []
    for index, code in enumerate(codes):
        null = nulls[(index + 2) // 8] >> (index + 2) % 8 & 1
        found.append(None if null else binary_value(reader, code))
    reader.end()
    return found


def mask(method: Method = Method.REDACT, label: str = "SSN", **more: Any) -> ColumnMask:
    return ColumnMask(label, method, -1, **more)


VALUES = st.none() | st.binary(max_size=300)


@given(st.data(), st.integers(1, 6), st.integers(1, 4), st.integers(0, 255))
def test_text_rows_change_where_the_plan_says(
    data: st.DataObject, count: int, rows: int, first: int
) -> None:
    masks = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    plan = MaskPlan(tuple(mask() if one else None for one in masks))
    values = [data.draw(st.lists(VALUES, min_size=count, max_size=count)) for _ in range(rows)]
    run = b"".join(packets(text_row(row), (7 + i) & 255) for i, row in enumerate(values))
    masker = compile_plan(plan, [column(Type.VAR_STRING)] * count, False)
    out, after = masker.rewrite(run, first)
    assert after == (first + rows) & 255
    at = 0
    for number, row in enumerate(values):
        size = int.from_bytes(out[at : at + 3], "little")
        assert out[at + 3] == (first + number) & 255
        wanted = [b"[SSN]" if one else value for one, value in zip(masks, row, strict=True)]
        assert read_text(out[at + 4 : at + 4 + size], count) == wanted
        assert masker.row(text_row(row)) == text_row(wanted)
        at += 4 + size
    assert at == len(out)


def value_of(code: int, draw: Any) -> bytes:
    size = value_size(code)
    if size >= 0:
        return bytes(draw(st.binary(min_size=size, max_size=size)))
    if size == -2:
        length = draw(st.sampled_from((0, 8, 12) if code == Type.TIME else (0, 4, 7, 11)))
        return bytes(draw(st.binary(min_size=length, max_size=length)))
    return bytes(draw(st.binary(max_size=300)))


@given(st.data(), st.lists(st.sampled_from(CODES), min_size=1, max_size=12))
def test_binary_rows_change_where_the_plan_says(data: st.DataObject, codes: list[int]) -> None:
    masks = data.draw(st.lists(st.booleans(), min_size=len(codes), max_size=len(codes)))
    method = data.draw(st.sampled_from((Method.REDACT, Method.NULL)))
    plan = MaskPlan(tuple(mask(method) if one else None for one in masks))
    columns = [column(code) for code in codes]
    values = [None if data.draw(st.booleans()) else value_of(code, data.draw) for code in codes]
    out, _ = compile_plan(plan, columns, True).rewrite(packets(binary_row(codes, values), 1), 1)
    found = read_binary(out[4:], codes)
    for one, place, before, after in zip(masks, columns, values, found, strict=True):
        if not one:
            assert after == before
        elif method is Method.NULL:
            assert after is None
        else:
            assert after == types.constant(place, "SSN", True)


@given(st.data(), st.lists(st.sampled_from(CODES), min_size=1, max_size=12), st.booleans())
def test_of_long_rows_what_is_masked_is_not_held(
    data: st.DataObject, codes: list[int], binary: bool
) -> None:
    masks = data.draw(st.lists(st.booleans(), min_size=len(codes), max_size=len(codes)))
    method = data.draw(st.sampled_from((Method.REDACT, Method.NULL)))
    plan = MaskPlan(tuple(mask(method) if one else None for one in masks))
    values = [None if data.draw(st.booleans()) else value_of(code, data.draw) for code in codes]
    masker = compile_plan(plan, [column(code) for code in codes], binary)
    row = binary_row(codes, values) if binary else text_row(values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(row)), max_size=5)))
    held = masker.long_row()
    for start, end in pairwise([0, *cuts, len(row)]):
        held.feed(row[start:end])
    assert masker.row(held.whole()) == masker.row(row)
    seen = sum(len(v) for v, one in zip(values, masks, strict=True) if v is not None and not one)
    assert held.size <= seen + 12 * len(codes) + 3


@given(st.binary(min_size=1, max_size=60), st.booleans(), st.integers(1, 5))
@example(b"\xfe" + b"\xff" * 8, False, 1)
@example(b"\0\0\xfe" + b"\xff" * 8, True, 1)
def test_arbitrary_long_rows_raise_protocol_errors_only(
    data: bytes, binary: bool, count: int
) -> None:
    plan = MaskPlan((mask(),) * count)
    held = compile_plan(plan, [column(Type.VAR_STRING)] * count, binary).long_row()
    with suppress(RemoteProtocolError):
        held.feed(data)
        held.whole()


@given(st.binary(min_size=1, max_size=60), st.booleans(), st.integers(1, 5))
@example(b"\xfe" + b"\xff" * 8, False, 1)
@example(b"\0\0\xfe" + b"\xff" * 8, True, 1)
def test_arbitrary_rows_raise_protocol_errors_only(data: bytes, binary: bool, count: int) -> None:
    plan = MaskPlan((mask(),) * count)
    masker = compile_plan(plan, [column(Type.VAR_STRING)] * count, binary)
    try:
        out = masker.row(data)
    except RemoteProtocolError:
        return
    assert out.count(b"[SSN]") == count


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_every_constant_is_a_value_of_its_type(code: int, binary: bool) -> None:
    place = column(code, decimals=2)
    value = types.constant(place, "SSN", binary)
    if value is None:
        assert code == Type.VECTOR
        return
    if binary:
        reader = Reader(binary_field(code, value))
        assert binary_value(reader, code) == value
        reader.end()
    elif code in types.INTEGERS or code in types.FLOATS or code in types.DECIMALS:
        assert float(value) == 0


def test_rows_that_are_not_the_plans_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        compile_plan(MaskPlan((mask(), None)), [column(Type.VAR_STRING)], False)
    masker = compile_plan(MaskPlan((mask(), None)), [column(Type.VAR_STRING)] * 2, False)
    for row in (b"\x01a", b"\x01a\x01b\x01c", b"\x01a\x05b", b"\xff", b"\x01a\xfc\x01"):
        with pytest.raises(RemoteProtocolError):
            masker.row(row)


def test_a_masked_row_that_outgrows_a_packet_is_cut_anew() -> None:
    plan = MaskPlan((None, mask()))
    masker = compile_plan(plan, [column(Type.LONG_BLOB), column(Type.VAR_STRING)], False)
    row = text_row([bytes(MOST_PAYLOAD - 8), b"a"])
    out, after = masker.rewrite(packets(row, 5), 5)
    masked = text_row([bytes(MOST_PAYLOAD - 8), b"[SSN]"])
    assert (out, after) == (packets(masked, 5), 7)


def test_descriptions_fit_what_is_sent() -> None:
    place = column(Type.DATE, flags=1 | 2 | 512)
    shown = described(place, mask(Method.NULL))
    assert (shown.org_table, shown.org_name, shown.flags) == (b"", b"", 0)
    words = described(place, mask(as_text=True))
    assert (words.type, words.length >= 5) == (Type.VAR_STRING, True)
    assert described(column(Type.STRING, length=1), mask()).length >= len("[SSN]")


GENERALISED = [
    (Type.DATE, "DOB", b"1950-03-04", b"1950-01-01"),
    (Type.DATE, "DOB", b"1920-03-04", b"1936-01-01"),
    (Type.DATETIME, "VISIT", b"1920-03-04 05:06:07.25", b"1920-01-01 00:00:00.00"),
    (Type.VAR_STRING, "ZIP", b"12345-6789", b"123"),
    (Type.VAR_STRING, "ZIP", b"03601", b"000"),
    (Type.VAR_STRING, "ZIP", b"nowhere", b"000"),
    (Type.LONG, "ZIP", b"1234", b"012"),
    (Type.LONG, "AGE", b"97", b"90"),
    (Type.NEWDECIMAL, "AGE", b"41.5", b"41"),
    (Type.YEAR, "YOB", b"1911", b"1936"),
    (Type.LONG, "YOB", b"1951", b"1951"),
    (Type.LONG, "YOB", b"19511224", b"0"),  # a day is no year
    (Type.VAR_STRING, "DOB", b"1920-03-04", b"1936 or earlier"),
    (Type.VAR_STRING, "DOB", b"soon", b"[DOB]"),
    (Type.LONG, "AGE", b"-3", b"0"),
    (Type.VAR_STRING, "NAME", b"Ada", b"[NAME]"),
]


@pytest.mark.parametrize(("code", "label", "value", "wanted"), GENERALISED)
def test_text_is_generalised(code: int, label: str, value: bytes, wanted: bytes) -> None:
    plan = MaskPlan((mask(Method.GENERALISE, label),))
    masker = compile_plan(plan, [column(code, decimals=2)], False, this_year=2026)
    assert masker.row(text_row([value])) == text_row([wanted])
    assert masker.row(text_row([None])) in (text_row([None]), text_row([b"[NAME]"]))


def test_days_counted_from_some_day_are_no_years() -> None:
    masker = compile_plan(
        MaskPlan((mask(Method.GENERALISE, "DOB"),)), [column(Type.LONG)], False, this_year=2026
    )
    assert masker.row(text_row([b"1951"])) == masker.row(text_row([b"7351"])) == text_row([b"0"])


BINARY_GENERALISED = [
    (Type.DATE, 0, "DOB", b"\x9e\x07\x03\x04", b"\x9e\x07\x01\x01"),
    (Type.DATE, 0, "DOB", b"\x80\x07\x03\x04", b"\x90\x07\x01\x01"),
    (Type.DATETIME, 0, "V", b"\x9e\x07\x03\x04\x05\x06\x07", b"\x9e\x07\x01\x01"),
    (Type.TINY, UNSIGNED, "AGE", b"\x61", b"\x5a"),
    (Type.TINY, 0, "AGE", b"\xff", b"\x00"),
    (Type.LONGLONG, 0, "AGE", struct.pack("<q", 120), struct.pack("<q", 90)),
    (Type.DOUBLE, 0, "AGE", struct.pack("<d", 41.5), struct.pack("<d", 41)),
    (Type.YEAR, UNSIGNED, "YOB", struct.pack("<H", 1911), struct.pack("<H", 1936)),
    (Type.LONG, 0, "ZIP", struct.pack("<i", 90210), struct.pack("<i", 902)),
    (Type.LONG, 0, "YOB", struct.pack("<i", 19511224), bytes(4)),
]


@pytest.mark.parametrize(("code", "flags", "label", "value", "wanted"), BINARY_GENERALISED)
def test_binary_is_generalised(
    code: int, flags: int, label: str, value: bytes, wanted: bytes
) -> None:
    plan = MaskPlan((mask(Method.GENERALISE, label),))
    masker = compile_plan(plan, [column(code, flags=flags)], True, this_year=2026)
    assert masker.row(binary_row([code], [value])) == binary_row([code], [wanted])
    assert masker.row(binary_row([code], [None])) == binary_row([code], [None])


def test_tokens_are_words() -> None:
    def tokeniser(label: str, value: bytes) -> str:
        return f"[{label}:{value.decode()}]"

    plan = MaskPlan((mask(Method.TOKEN),))
    for code, value, token in (
        (Type.VAR_STRING, b"900-1", b"[SSN:900-1]"),
        (Type.LONG, struct.pack("<i", -17), b"[SSN:-17]"),
    ):
        assert described(column(code), plan.columns[0] or mask(), tokeniser).type in (
            Type.VAR_STRING,
        )
        masker = compile_plan(plan, [column(code)], True, tokeniser)
        assert masker.row(binary_row([code], [value])) == binary_row([Type.VAR_STRING], [token])


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6), st.integers(0, 255))
def test_runs_end_where_the_rows_do(values: list[bytes], first: int) -> None:
    run = b"".join(packets(text_row([value]), (first + i) & 255) for i, value in enumerate(values))
    after = (first + len(values)) & 255
    eof = packets(b"\xfe\0\0\2\0", after)
    assert run_end(run + eof, 0, first, False) == (len(run), after)
    cut = len(run) - 1
    end, number = run_end(run[:cut], 0, first, False)
    assert run[:end] + packets(text_row([values[-1]]), number) == run
    again = renumber(run, first + 3 & 255)
    assert run_end(again, 0, first + 3 & 255, False)[0] == len(run)
    if len(values) > 1:
        with pytest.raises(RemoteProtocolError):
            run_end(renumber(run, first + 1 & 255), 0, first, False)
