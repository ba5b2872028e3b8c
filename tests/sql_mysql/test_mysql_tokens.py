"""Cutting texts, and putting them together again."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.sql.mysql.attestation import edited
from hoopgate.sql.mysql.tokens import literal, quote, scan

#: What SQL is made of, so that random texts have something to do with it.
PIECES = st.sampled_from(
    [
        *[
            "SELECT",
            "FROM",
            "WHERE",
            "id",
            "ssn",
            "patients",
            "`a``b`",
            "'it''s'",
            "'a\\'b'",
            '"q"',
            "(",
            ")",
            ",",
            ".",
            ";",
            "=",
            "<>",
            "<=>",
            ":=",
        ],
        *[
            "+",
            "-",
            "--",
            "*",
            "/",
            "%",
            "!",
            "||",
            "&&",
            "1",
            "1.5",
            ".5",
            "1e3",
            "0x41",
            "x'41'",
            "b'01'",
            "_utf8mb4",
            "_gbk",
            "n'x'",
            "@v",
            "@@version",
        ],
        *["?", "#", "/*", "*/", "/*!", "/*M!", "/*+", "1a", "é", "{oj", "\\N"],
        "\n",
        "-- \n",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=25).map(" ".join),
    st.lists(PIECES, max_size=25).map("".join),
    st.text(st.sampled_from("'\"`\\/*!-# \n;a1@?"), max_size=40),
)


@given(TEXTS)
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        tokens = scan(text)
    except Refused as refused:
        assert refused.code == "parse.syntax"
        return
    position = 0
    for token in tokens:
        between = text[position : token.start]
        assert token.start >= position
        assert token.end > token.start
        assert not between.strip() or "--" in between or "#" in between or "/*" in between
        position = token.end


@given(TEXTS)
def test_what_is_no_edit_changes_nothing(text: str) -> None:
    try:
        assert edited(text, []) == text
    except Refused:
        pass


@given(TEXTS, st.integers(0, 30), st.integers(0, 3))
def test_an_edit_touches_its_tokens_alone(text: str, at: int, length: int) -> None:
    try:
        tokens = scan(text)
    except Refused:
        return
    start, end = at, at + length
    if not 0 < start <= end <= len(tokens):
        return
    found = edited(text, [(start, end, "`hg`")])
    assert found.startswith(text[: tokens[start - 1].end])
    assert found.endswith(text[tokens[end - 1].end :])
    assert "`hg`" in found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 /*! , ssn */",
        "SELECT 1 /*!50000 , ssn */",
        "SELECT 1 /*M!100100 , ssn */",
        "SELECT 1 /*m! , ssn */",
        "SELECT /*+ NO_INDEX(t) */ 1",
        "SELECT 1 /* /* */ , ssn */",
        "SELECT 1 /* open",
        "SELECT 'open",
        'SELECT "open',
        "SELECT `open",
        "SELECT ``",
        "SELECT 1a",
        "SELECT 1.5x",
        "SELECT é",
        "SELECT \\N",
        "SELECT {d '2020-01-01'}",
        "SELECT _gbk'x'",
        "SELECT a'x'",
        "SELECT 'x'a",
        "SELECT 'a\0b'",
        "SELECT 1 --\x01 2",
        "SELECT 1 --\u00a0 2",
        "SELECT 0x4",
        "SELECT x'4'",
    ],
)
def test_what_servers_cut_differently_is_refused(text: str) -> None:
    if text == "SELECT 0x4":
        scan(text)  # one digit is fine without quotes
        return
    with pytest.raises(Refused):
        scan(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT -- x\n 1", ["SELECT", "1"]),
        ("SELECT 1--1", ["SELECT", "1", "-", "-", "1"]),
        ("SELECT 1 # x", ["SELECT", "1"]),
        ("select`a``b`.c", ["SELECT", "a`b", ".", "C"]),
        ("'a''b' 'c\\'d'", ["'a''b'", "'c\\'d'"]),
        ("a<=>b<>c:=1", ["A", "<=>", "B", "<>", "C", ":=", "1"]),
        ("@@session.sql_mode @x @`y z`", ["@@session.sql_mode", "@x", "@`y z`"]),
        ("1.e5 .5 0xAF x'AF'", ["1.e5", ".5", "0xAF", "x'AF'"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [token.text for token in scan(text)] == words


@given(st.text(string.printable + "`'\\é", min_size=1))
def test_names_and_literals_are_quoted_so_that_they_are_one_word(name: str) -> None:
    (token,) = scan(quote(name))
    assert token.text == name
    (token,) = scan(literal(name))
    assert (token.start, token.end) == (0, len(literal(name)))
