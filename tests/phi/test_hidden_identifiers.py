"""What detectors find in output that hides it between control sequences and look-alikes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.phi.detectors import hidden, search

SSN = "123-45-6789"
#: What stands between characters, and is not seen.
UNSEEN = [
    "\x1b[0m",
    "\x1b[31;1m",
    "\x1b[01;31m\x1b[K",
    "\x1b[m",
    "\x1b]8;;file:///data/x\x1b\\",
    "\x1b]8;;file:///data/x\x07",
    "\x1bPq\x1b\\",
    "\x1b(B",
    "\x1b7",
    "\x00",
    "\r",
    "\x07",
    "\x0e",
    "\x7f",
    "x\b",
    "_\b",
    "ab\b\b",
    "\u200b",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u034f",
    "\u0301",
    "\ufe0f",
]


@pytest.mark.parametrize("between", UNSEEN, ids=ascii)
def test_between_any_two_characters(between: str) -> None:
    for at in range(len(SSN) + 1):
        text = f"ssn {SSN[:at]}{between}{SSN[at:]} end".encode()
        ((start, stop, kind),) = hidden.find(text)
        assert kind == "SSN"
        left = text[:start] + text[stop:]
        assert not any(character in b"0123456789" for character in _unhidden(left)), left
        assert left.startswith(b"ssn ")
        assert left.endswith(b" end")


def _unhidden(text: bytes) -> bytes:
    return hidden._HIDING.sub(b"", text)


@pytest.mark.parametrize("between", UNSEEN, ids=ascii)
def test_between_all_characters(between: str) -> None:
    text = f"ssn {between.join(SSN)} end".encode()
    assert [kind for *_, kind in hidden.find(text)] == ["SSN"]


@pytest.mark.parametrize(
    "text",
    [
        SSN.encode("utf-16-le"),
        SSN.encode("utf-16-be"),
        SSN.encode("utf-16"),
        SSN.encode("utf-32-le"),
        SSN.translate({ord(str(n)): 0xFF10 + n for n in range(10)}).encode(),
        SSN.translate({ord(str(n)): 0x0660 + n for n in range(10)}).encode(),
        SSN.translate({ord(str(n)): 0x1D7CE + n for n in range(10)}).encode(),
        *(SSN.replace("-", dash).encode() for dash in "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"),
        *(SSN.replace("-", space).encode() for space in "\u00a0\u2007\u202f\u3000"),
        b"patient\x1b[31m123-45-6789\x1b[0mx",
        b"\x1b[35mfile\x1b[36m:\x1b[m1\x1b[36m:\x1b[mname,\x1b[01;31m\x1b[K123\x1b[m\x1b[K-45-6789",
        "".join(f"{one}\b{one}" for one in SSN).encode(),
        "".join(f"_\b{one}" for one in SSN).encode(),
        b"99\b\b123-45-6789",
        b"123-45-6789\b\b\b\b\b\b\b\b\b\b\b           ",
        b"123-45-6789\r           ",
        b"\xff123-45-6789\xfe",
    ],
    ids=ascii,
)
def test_other_looks(text: bytes) -> None:
    assert [kind for *_, kind in hidden.find(b"a " + text + b" b")] == ["SSN"]


def test_what_is_around_it_stays() -> None:
    text = "näher \x1b[31m123-45-6789\x1b[0m größer".encode()
    ((start, stop, _),) = hidden.find(text)
    assert text[:start] + b"[SSN]" + text[stop:] == "näher \x1b[31m[SSN]\x1b[0m größer".encode()


@given(
    st.lists(st.sampled_from([*UNSEEN, SSN, "1", "-", "a", " ", "é", "\n", "\x1b"]), max_size=40)
)
def test_places_are_places(pieces: list[str]) -> None:
    """In order, apart, within the text; and nothing of the plain shape is left."""
    text = "".join(pieces).encode()
    done, left = 0, b""
    for start, stop, _ in hidden.find(text):
        assert done <= start < stop <= len(text)
        left += text[done:start] + b">"
        done = stop
    left += text[done:]
    assert not any(kind == "SSN" for *_, kind in search.find(left))


@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    for start, stop, _ in hidden.find(text):
        assert 0 <= start < stop <= len(text)


@given(st.lists(st.sampled_from(["James", " Smith", "\n", SSN, " ", "x@example.org", "a"])))
def test_a_line_does_not_depend_on_the_lines_around_it(pieces: list[str]) -> None:
    text = "".join(pieces).encode()
    lines = [search.replaced(one) for one in text.split(b"\n")]
    assert search.replaced(text) == b"\n".join(lines)
