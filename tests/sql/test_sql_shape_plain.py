"""The shape by a text's plain form is the shape by its tokens."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.sql.shape import plain, scan, shape

WORDS = ("SELECT", "a", "b1", "FROM", "t", "WHERE", "ORDER BY", "LIKE", "to", "E", "n", "e5", "_1")
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(("=", "<", ">", "<=", ">=", "<>", "!=", "*", "<=>", "=*", ",", ".", "(", ")")),
    st.sampled_from((" ", "\n", "\t", "", ";", "--", "/*", "*/", "$1", "::", "[", "-", "||")),
    st.integers(0, 10**11).map(str),
    st.sampled_from(("1.5", "1e3", "0x1F", "1_0", "007", "5.", ".5")),
    st.text("ab'\\\n[=5- ", max_size=4).map(lambda text: f"'{text}'"),
    st.sampled_from(("E'a\\''", "U&'\\0041'", "$$a$$", '"a"', "'")),
)
TEXTS = st.lists(PIECES, max_size=12).map(lambda parts: "SELECT " + "".join(parts))


def by_tokens(text: str) -> str | None:
    try:
        return shape(text.encode(), scan(text.encode(), text))
    except Refused:
        return None


@given(TEXTS, st.integers(0, 10**10), st.text("ab=5 -\n", max_size=5))
@example("SELECT a FROM t WHERE b = 'x' AND c <= 5", 7, "y")
@example("SELECT a FROM t WHERE b = '5' ORDER BY 5", 7, "y")
@example("SELECT a <=> 5 FROM t", 7, "y")
@example("SELECT 'a'\n'b'", 7, "")
def test_texts_of_one_form_have_one_shape(text: str, number: int, word: str) -> None:
    form = plain(text)
    if form is None:
        return
    # Every literal that the form leaves out, put in anew.
    for other in (form, form.replace("''", f"'{word}'"), form.replace(" 0", f" {number}")):
        if plain(other) == form:
            assert by_tokens(other) == by_tokens(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a WHERE b = 5", "SELECT a WHERE b = 77", True),
        ("SELECT a WHERE b='x' AND c>5", "SELECT a WHERE b='' AND c>0", True),
        ("SELECT a WHERE b = 5", "SELECT a WHERE b = 7777777777", False),
        ("SELECT a WHERE b = 5", "SELECT a WHERE b = 5.5", False),
        ("SELECT a ORDER BY 1", "SELECT a ORDER BY 2", False),
        ("SELECT a WHERE b IN (1)", "SELECT a WHERE b IN (2)", False),
        ("SELECT f('week', d)", "SELECT f('weeks', d)", True),
        ("SELECT f('week', d)", "SELECT f('year', d)", False),
        ("SELECT f('month', d)", "SELECT f('year', d)", False),
    ],
)
def test_what_has_no_bearing_is_left_out(one: str, other: str, same: bool) -> None:
    assert (plain(one) == plain(other)) is same
    assert (by_tokens(one) == by_tokens(other)) is same


@pytest.mark.parametrize(
    "text",
    [
        *("SELECT a LIKE 'x'", "SELECT E'x'", "SELECT 'it''s'", "SELECT 'a\\b'", 'SELECT "a"'),
        *("SELECT 1 -- x", "SELECT /* x */ 1", "SELECT $1", "SELECT $$x$$", "SELECT 'open"),
        *("SELECT a SIMILAR TO 'x'", "SELECT a-5", "SELECT é", "SELECT 'x' UESCAPE '!'"),
    ],
)
def test_everything_else_is_read_token_by_token(text: str) -> None:
    assert plain(text) is None
