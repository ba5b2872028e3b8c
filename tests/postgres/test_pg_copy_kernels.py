"""Rows of COPY cut byte by byte, as where it is compiled, and split, as where it is not."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from hoopgate.errors import RemoteProtocolError
from hoopgate.postgres.kernels import scan_lines, split_lines

#: Short ones, and some that fill the words in which they are read, with what is close to a newline.
FIELDS = (
    st.text('a\\"\t,\n\r', max_size=4) | st.text("aé\x00\x08\x0b,\t", min_size=6, max_size=30)
).map(str.encode)


def message(payload: bytes) -> bytes:
    return b"d" + (len(payload) + 4).to_bytes(4, "big") + payload


@st.composite
def payloads(draw: st.DrawFn, columns: int, delimiter: bytes) -> bytes:
    fields = draw(st.lists(FIELDS, min_size=columns, max_size=columns))
    if draw(st.integers(0, 9)) == 0:
        fields = draw(st.lists(FIELDS, max_size=4))
    return delimiter.join(fields) + draw(st.sampled_from((b"\n", b"\n", b"\n", b"", b"a\n")))


def upper(field: bytes) -> bytes:
    return field.upper() * 2


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, bytes, int, bytes, bytes, list[int]]:
    delimiter = draw(st.sampled_from((b"\t", b",", b"\xa9")))
    quote, escape = draw(st.sampled_from(((b"", b"\\"), (b'"', b""))))
    columns = draw(st.integers(1, 4))
    run = b"".join(map(message, draw(st.lists(payloads(columns, delimiter), max_size=6))))
    masked = sorted(draw(st.sets(st.integers(0, columns - 1))))
    return run, delimiter, columns, quote, escape, masked


def outcome(
    cut: Callable[..., int], case: tuple[bytes, bytes, int, bytes, bytes, list[int]], start: int
) -> tuple[int, bytes] | str:
    run, delimiter, columns, quote, escape, masked = case
    constants = [b"X" if index % 2 else None for index in masked]
    out: list[bytes] = []
    try:
        end = cut(
            run, start, delimiter, columns, quote, escape, masked, constants,
            [upper] * len(masked), out,
        )  # fmt: skip
    except RemoteProtocolError as error:
        return str(error)
    return end, b"".join(out)


@given(cases())
@example((message(b"\ta\n"), b"\t", 2, b"", b"\\", [0]))
@example((message(b",a\n"), b",", 2, b'"', b"", [1]))
@example((message(b"a\tb\n") + message(b"a\\\tb\n"), b"\t", 2, b"", b"\\", [0]))
@example((message(b"a\tb\n") + message(b""), b"\t", 2, b"", b"\\", [1]))
def test_both_ways_of_cutting_give_the_same(
    case: tuple[bytes, bytes, int, bytes, bytes, list[int]],
) -> None:
    assert outcome(scan_lines, case, 0) == outcome(split_lines, case, 0)
    first = 1 + int.from_bytes(case[0][1:5], "big") if case[0] else 0
    assert outcome(scan_lines, case, first) == outcome(split_lines, case, first)
