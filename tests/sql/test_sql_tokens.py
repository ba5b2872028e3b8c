"""Tokens in a text: found where they are literals, put back where they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.phi.tokens import read
from hoopgate.sql.tokens import MOST_TOKENS, Lifted, fill, lift

TOKEN = "[MRN:1.0123456789abcdef0123]"
OTHER = "[PID:2.ffffffffffffffffffff]"


def lifted(text: str) -> Lifted | None:
    return lift(text, lambda content: read(content) is not None)


def test_literals_become_parameters_and_values() -> None:
    text = f"SELECT 'é' FROM p WHERE mrn IN ('{TOKEN}','x') AND id=$2 OR id='{OTHER}'"
    found = lifted(text)
    assert found is not None
    assert found.text == "SELECT 'é' FROM p WHERE mrn IN ( $3 ,'x') AND id=$2 OR id= $4 "
    assert [one.content for one in found.literals] == [TOKEN, OTHER]
    assert fill(text, found.literals, [b"O'Hara", b"7"]) == (
        "SELECT 'é' FROM p WHERE mrn IN ( 'O''Hara' ,'x') AND id=$2 OR id= '7' "
    )


def test_each_statement_counts_its_own() -> None:
    found = lifted(f"; SELECT 1;; SELECT '{TOKEN}' ; SELECT $1, '{OTHER}', '{TOKEN}'; ")
    assert found is not None
    assert [(one.statement, one.number) for one in found.literals] == [(1, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        f"SELECT E'{TOKEN}'",
        f"SELECT $${TOKEN}$$",
        f"SELECT 'a{TOKEN}'",
        f"SELECT '{TOKEN} '",
        f"SELECT '{TOKEN}\n'",
        f'SELECT "{TOKEN}"',
        f"SELECT 1 -- '{TOKEN}'",
        f"SELECT 1 /* '{TOKEN}' */",
        "SELECT '[MRN]'",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert lifted(text) is None


def test_a_continued_literal_is_no_token() -> None:
    found = lifted(f"SELECT '{TOKEN}'\n'more'")
    # Either it is one literal, or what is left of it no longer parses: nothing is substituted.
    assert found is None or found.text.rstrip().endswith("'more'")


def test_too_many_are_refused() -> None:
    lifted(", ".join([f"SELECT '{TOKEN}'", *[f"'{TOKEN}'"] * (MOST_TOKENS - 1)]))
    with pytest.raises(Refused) as refused:
        lifted(", ".join([f"SELECT '{TOKEN}'", *[f"'{TOKEN}'"] * MOST_TOKENS]))
    assert refused.value.code == "token.many"


@given(
    st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1, max_size=4)
)
def test_values_stand_as_literals_whatever_is_in_them(values: list[str]) -> None:
    text = "SELECT " + ", ".join([f"'{TOKEN}'"] * len(values))
    found = lifted(text)
    assert found is not None
    filled = fill(text, found.literals, [one.encode() for one in values])
    again = filled.removeprefix("SELECT ")
    assert again == ", ".join(" '" + one.replace("'", "''") + "' " for one in values)
