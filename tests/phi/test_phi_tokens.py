"""Tokens and their keys: what they tell, and what they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import Refused
from hoopgate.phi.tokens import ID_BYTES, Epoch, Token, Tokeniser, parse_keys, read

ONE, TWO = Epoch(1, b"1" * 32), Epoch(2, b"2" * 32)
VALUES = st.binary(max_size=40)
KINDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,31}", fullmatch=True)


def tokeniser(*epochs: Epoch) -> Tokeniser:
    return Tokeniser({one.number: one for one in epochs}, lambda *_: None)


@given(KINDS, VALUES, VALUES)
def test_equal_values_of_a_kind_have_equal_tokens_and_no_others(
    kind: str, one: bytes, two: bytes
) -> None:
    make = tokeniser(ONE)
    assert (make(kind, one) == make(kind, two)) == (one == two)
    assert make(kind, one) != make("X" if kind != "X" else "Y", one)
    assert make(kind, one) != tokeniser(TWO)(kind, one)
    token = read(make(kind, one))
    assert token is not None
    assert (token.kind, token.epoch, str(token)) == (kind, 1, make(kind, one))
    assert len(str(token)) == len(kind) + 25


@given(KINDS, VALUES, VALUES)
def test_what_is_sealed_opens_for_its_own_token_alone(kind: str, one: bytes, two: bytes) -> None:
    digest = ONE.digest(kind.encode(), one)
    token = Token(kind, 1, digest[:ID_BYTES])
    sealed = ONE.seal(digest, one, b"clinic")
    assert one not in sealed or len(one) < 4
    assert ONE.open(sealed, b"clinic", token) == one
    assert ONE.open(sealed, b"other", token) is None
    assert TWO.open(sealed, b"clinic", token) is None
    other = Token(kind, 1, ONE.digest(kind.encode(), two)[:ID_BYTES])
    assert (ONE.open(sealed, b"clinic", other) is None) == (one != two)
    damaged = bytearray(sealed)
    damaged[-1] ^= 1
    assert ONE.open(bytes(damaged), b"clinic", token) is None
    assert ONE.open(b"", b"clinic", token) is None


@given(st.text(max_size=60))
def test_other_text_is_no_token(text: str) -> None:
    token = read(text)
    assert token is None or str(token) == text


@pytest.mark.parametrize(
    "text",
    [
        "[MRN]",
        "[MRN:1.0123456789abcdef012]",
        "[MRN:1.0123456789ABCDEF0123]",
        "[MRN:0.0123456789abcdef0123]",
        "[MRN:01.0123456789abcdef0123]",
        "[M RN:1.0123456789abcdef0123]",
        "[MRN:1.0123456789abcdef0123] ",
        " [MRN:1.0123456789abcdef0123]",
        "[MRN:1.0123456789abcdef0123]\n",
    ],
)
def test_nearly_a_token_is_none(text: str) -> None:
    assert read(text) is None


def test_the_newest_key_makes_tokens_and_the_old_ones_stay_known() -> None:
    make = tokeniser(ONE)
    old = make("MRN", b"7")
    make.replace({1: ONE, 0x1F: Epoch(0x1F, b"n" * 32)})
    new = make("MRN", b"7")
    assert new.startswith("[MRN:1f.")
    assert old != new
    assert set(make.keys) == {1, 0x1F}


def test_keys_are_read_line_by_line() -> None:
    keys = parse_keys(f"# the clinic's\n1 {'ab' * 32}\n\n 12  {'CD' * 32} \n")
    assert sorted(keys) == [1, 12]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "1",
        f"0 {'ab' * 32}",
        f"65536 {'ab' * 32}",
        f"x {'ab' * 32}",
        f"-1 {'ab' * 32}",
        f"1 {'ab' * 31}",
        f"1 {'zz' * 32}",
        f"1 {'ab' * 32} more",
        f"1 {'ab' * 32}\n1 {'cd' * 32}",
    ],
)
def test_what_is_no_list_of_keys_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_keys(text)
    assert refused.value.code == "token.keys"
    assert "abab" not in str(refused.value)
