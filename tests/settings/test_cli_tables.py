"""Tables of the command line: whole in a file, cut where a terminal ends."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.cli.tables import fitted, lines

ROWS = [("ID", "NAME", "WHAT"), ("ses-0123456789", "a" * 70, "b" * 70), ("ses-1", "", "c")]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8), st.integers(1, 300), st.data())
def test_columns_are_cut_as_far_as_they_have_to_be(
    widths: list[int], columns: int, data: st.DataObject
) -> None:
    whole = data.draw(st.sets(st.integers(0, len(widths) - 1)))
    found = fitted(widths, columns, whole)
    room = sum(found) + 2 * (len(found) - 1)
    assert room <= columns or all(
        width <= 6 for index, width in enumerate(found) if index not in whole
    )
    assert all(now <= before for now, before in zip(found, widths, strict=True))
    assert all(found[index] == widths[index] for index in whole)
    if sum(widths) + 2 * (len(widths) - 1) <= columns:
        assert found == widths


def test_a_file_gets_everything() -> None:
    assert "a" * 70 in lines(ROWS)[1]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_gets_what_fits(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delitem(os.environ, "LINES", raising=False)
    made = lines(ROWS, whole=(0,))
    assert max(map(len, made)) <= columns
    assert made[1].startswith("ses-0123456789  ")
    assert ("…" in made[1]) == (columns < 158)
