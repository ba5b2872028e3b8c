"""Rows above the limit: the same as in one piece, and no longer than what may be seen of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.postgres.long_rows import LongRow
from hoopgate.postgres.masking import RowMasker

_VALUES = st.none() | st.binary(max_size=40)


def row(values: list[bytes | None]) -> bytes:
    body = len(values).to_bytes(2, "big")
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return b"D" + (len(body) + 4).to_bytes(4, "big") + body


@given(
    values=st.lists(_VALUES, max_size=8),
    masked=st.sets(st.integers(0, 7)),
    cuts=st.lists(st.integers(1, 30), max_size=40),
)
def test_a_row_in_pieces_is_masked_as_a_whole_one(
    values: list[bytes | None], masked: set[int], cuts: list[int]
) -> None:
    masker = RowMasker(len(values), {index: b"[X]" for index in masked if index < len(values)})
    body = row(values)[5:]
    long = LongRow(len(body), masker.unseen, 2**20)
    for cut in [*cuts, len(body)]:
        piece, body = body[: min(cut, long.left)], body[min(cut, long.left) :]
        long.feed(piece)
    assert long.left == 0
    assert masker.rewrite(long.whole(ord("D"))) == masker.rewrite(row(values))
    seen = sum(len(v or b"") for i, v in enumerate(values) if i not in masker.unseen)
    assert long.held == 2 + 4 * len(values) + seen


def test_what_is_masked_may_have_any_length() -> None:
    body = row([b"x" * 100_000, b"y" * 90])[5:]
    long = LongRow(len(body), frozenset({0}), 120)
    for at in range(0, len(body), 1000):
        long.feed(body[at : at + 1000])
        assert long.held <= 120
    assert len(long.whole(ord("D"))) < 120


def test_what_is_not_may_not() -> None:
    body = row([b"x" * 100, b"y" * 200])[5:]
    long = LongRow(len(body), frozenset({0}), 120)
    with pytest.raises(LimitExceeded):
        long.feed(body)


def test_a_field_that_overruns_its_row_is_refused() -> None:
    body = row([b"x" * 100])[5:-1]
    long = LongRow(len(body), frozenset({0}), 120)
    long.feed(body)
    with pytest.raises(RemoteProtocolError):
        long.whole(ord("D"))
