"""Tokens in a statement's text: found as literals, judged as parameters, sent as values.

A literal that is a whole token, ``'[MRN:1.8f0c…]'``, is lifted out of the text and a parameter put
in its place: so the server says what it is compared with (a literal has no identity in the
analysed query), and what it says holds for every token. What is sent in the end is the client's
own text with the value in place of the literal; every other byte is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import Refused
from hoopgate.sql.shape import SCONST, scan, token_number

#: Tokens in one statement at most.
MOST_TOKENS: Final = 1_000

_PARAM: Final = token_number("PARAM")


@dataclass(frozen=True, slots=True)
class Literal:
    """A token in a text.

    :ivar start, end: of the literal with its quotes, in bytes of the text's UTF-8.
    :ivar statement: index of the statement that it is in.
    :ivar number: of the parameter that takes its place there.
    :ivar content: what is between the quotes.
    """

    start: int
    end: int
    statement: int
    number: int
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lifted:
    """A text whose tokens have become parameters."""

    text: str = field(repr=False)
    literals: tuple[Literal, ...]


def lift(text: str, is_token: Callable[[str], bool]) -> Lifted | None:
    """``text`` with a parameter in place of each token; None when there is none in it.

    Only plain literals count: ``E''``, ``U&''``, dollar quotes and continued ones stay what they
    are, text that happens to look like a token.

    :raises Refused: ``parse.syntax``; ``token.many``.
    """
    source = text.encode()
    tokens = scan(source, text)
    statement, begins, highest = 0, True, 0
    found: list[tuple[int, int, int, str]] = []
    numbers: dict[int, int] = {}  # statement → its highest parameter
    for kind, start, end in tokens:
        word = source[start:end]
        if word == b";":
            if not begins:
                numbers[statement] = highest
                statement, begins, highest = statement + 1, True, 0
            continue
        begins = False
        if kind == _PARAM:
            highest = max(highest, int(word[1:]))
        elif kind == SCONST and word[:2] == b"'[" and word[-2:] == b"]'":
            content = word[1:-1].decode()
            if is_token(content):
                found.append((start, end, statement, content))
    numbers[statement] = highest
    if not found:
        return None
    if len(found) > MOST_TOKENS:
        raise Refused("token.many", f"More than {MOST_TOKENS} tokens in one request.")
    literals: list[Literal] = []
    for start, end, place, content in found:
        numbers[place] += 1
        literals.append(Literal(start, end, place, numbers[place], content))
    lifted = _put(source, literals, [f"${one.number}".encode() for one in literals])
    return Lifted(lifted.decode(), tuple(literals))


def encode(found: Lifted | None) -> dict[str, object] | None:
    """What a child has found, as JSON."""
    if found is None:
        return None
    literals = [
        (one.start, one.end, one.statement, one.number, one.content) for one in found.literals
    ]
    return {"text": found.text, "literals": literals}


def decode(content: dict[str, Any] | None) -> Lifted | None:
    """What :func:`encode` has made."""
    if content is None:
        return None
    return Lifted(content["text"], tuple(Literal(*one) for one in content["literals"]))


def fill(text: str, literals: tuple[Literal, ...], values: list[bytes]) -> str:
    """``text`` with values, quoted, in place of its tokens.

    ``standard_conforming_strings`` is on in every session, so a quote is all that has to be
    doubled.
    """
    quoted = [b"'" + value.replace(b"'", b"''") + b"'" for value in values]
    return _put(text.encode(), literals, quoted).decode()


def _put(source: bytes, literals: tuple[Literal, ...] | list[Literal], new: list[bytes]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for literal, replacement in zip(literals, new, strict=True):
        # A literal may stand close by a word that a parameter or a quote would become part of.
        parts += (source[at : literal.start], b" ", replacement, b" ")
        at = literal.end
    parts.append(source[at:])
    return b"".join(parts)
