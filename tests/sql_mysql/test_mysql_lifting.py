"""Tokens in texts of MariaDB's and MySQL's dialect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.phi.tokens import read
from hoopgate.sql.mysql.attestation import attest
from hoopgate.sql.mysql.literals import fill, lift
from hoopgate.sql.mysql.tokens import STRING, scan

ONE, TWO = "[MRN:1.91c6f0aa35d7c2b8e610]", "[PID:2.5f0b6c2f7a1c0e9d3b44]"


def is_token(text: str) -> bool:
    return read(text) is not None


@pytest.mark.parametrize(
    ("text", "lifted"),
    [
        (f"SELECT a FROM t WHERE m='{ONE}'", "SELECT a FROM t WHERE m= ?1 "),
        (f'SELECT a FROM t WHERE m="{ONE}"', "SELECT a FROM t WHERE m= ?1 "),
        (
            f"SELECT a FROM t WHERE x = ? AND m IN ('{ONE}', ?, '{TWO}')",
            "SELECT a FROM t WHERE x = ? AND m IN ( ?3 , ?,  ?4 )",
        ),
        ("SELECT '[nothing]'", None),
        (f"SELECT _latin1'{ONE}'", None),
        (f"SELECT N'{ONE}'", None),
        (f"SELECT '{ONE}' 'x'", None),
        (f"SELECT 1 -- '{ONE}'", None),
        (f"SELECT `'{ONE}'`", None),
        (f"SELECT 'it''s {ONE}'", None),
    ],
)
def test_lifting(text: str, lifted: str | None) -> None:
    found = lift(text, is_token)
    assert (found.text if found else None) == lifted


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_is_filled_in_is_one_literal(value: str, other: str) -> None:
    text = f"SELECT '\u00e9', a FROM t WHERE m = '{ONE}' AND n='{TWO}' OR 1"
    found = lift(text, is_token)
    assert found is not None
    try:
        data = [value.encode(), other.encode()]
    except UnicodeEncodeError:
        return
    if "\0" in value + other:
        return
    filled = fill(text, found.literals, data)
    strings = [token.text for token in scan(filled) if token.kind == STRING]
    assert len(scan(filled)) == len(scan(text))
    read_back = [one[1:-1].replace("''", "'").replace("\\\\", "\\") for one in strings[1:]]
    assert read_back == [value, other]


def test_too_many() -> None:
    with pytest.raises(Refused, match="More than"):
        lift("SELECT a FROM t WHERE m IN (" + ", ".join([f"'{ONE}'"] * 1001) + ")", is_token)


def test_what_is_asked_of_the_server() -> None:
    """Parameters that are compared with a column keep their number, and no server sees ``?2``."""
    text = f"SELECT a, ? FROM t WHERE x IN (?, '{ONE}') AND upper(b) = ? AND '{TWO}' = c LIMIT ?"
    found = lift(text, is_token)
    assert found is not None
    asked = attest(found.text)
    assert asked.text == text.replace(f"'{ONE}'", " ? ").replace(f"'{TWO}'", " ? ")
    assert "x IN (nullif(NULL,'hg?2'), nullif(NULL,'hg?5') )" in asked.query
    assert "upper(b) = NULL AND nullif(NULL,'hg?6') = c LIMIT 1" in asked.query
