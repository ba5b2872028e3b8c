"""The shape of a statement: its tokens without the literals that cannot change what it means.

Two statements of one shape resolve to the same columns, types, functions and relations, so what is
known of one is known of the other. A literal is left out only where its value has no bearing on
that: strings (but not the pattern of LIKE, nor UESCAPE, nor the few words that name a unit of
time), and numbers right of a comparison, by their size. ``ORDER BY 2`` keeps its 2.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import postgast
from postgast.pg_query_pb2 import Token

from hoopgate.errors import Refused
from hoopgate.sql.constants import TELLING

#: The first words of statements that have a shape; all others are known by their exact text.
_SHAPED: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES"})
_COMPARISONS: Final = frozenset({"=", "<", ">", "<=", ">=", "<>", "!="})
_STRING_MATTERS: Final = frozenset({"LIKE", "ILIKE", "UESCAPE", "TO", "ESCAPE"})
_COMMENTS: Final = frozenset({Token.Value("SQL_COMMENT"), Token.Value("C_COMMENT")})
SCONST: Final = Token.Value("SCONST")
_ICONST: Final = Token.Value("ICONST")
_FCONST: Final = Token.Value("FCONST")

#: Words, numbers, a few operators and simple strings: no comment, no quoted name, no string with
#: another one's rules, nothing that begins one, no string in pieces.
_PLAIN: Final = re.compile(
    r"(?:[A-Za-z0-9_ \t\r\n,.()=<>*;]++|(?<![A-Za-z0-9_])'[^'\\\0]*+'(?![ \t\r\n]*+'))*+"
)
_SIMPLE: Final = re.compile(
    r"'[^']*'|((?<![*=<>])(?:<=|>=|<>|=|<|>)[ \t\r\n]*)[0-9]{1,9}(?![A-Za-z0-9_.])"
)
#: A string that says what it is; a quote in it is doubled.
_ORDINARY: Final = re.compile(rb"'(?:[^'\\]|'')*+'")
#: A string after one of these matters, or what stands where a literal may does.
_ODD: Final = re.compile(r"\b(?:I?LIKE|UESCAPE|TO|ESCAPE)\b", re.IGNORECASE)

#: Characters of operators (manual, 4.1.3), many of them.
_RUN: Final = re.compile(r"(?<![-~!@#^&|`?+*/%<>=])[-~!@#^&|`?+*/%<>=]{64,}")
#: Steps that runs of such characters may cost the scanner: some ten milliseconds.
_MOST_STEPS: Final = 2_000_000

#: Kind of token, start and end in bytes.
Tokens = list[tuple[int, int, int]]


def plain(text: str) -> str | None:
    """``text`` without the literals that its shape leaves out, where that can be said without its
    tokens; None where it cannot.

    Texts with one plain form have one shape: as long as nothing but words, numbers, comparisons
    and ordinary strings is there, a string is one token, and so is an integer behind a comparison.
    """
    if _PLAIN.fullmatch(text) is None or _ODD.search(text) is not None:
        return None
    return _SIMPLE.sub(_left_out, text)


def _left_out(literal: re.Match[str]) -> str:
    before = literal[1]
    if before is not None:
        return f"{before}0"
    return literal[0] if literal[0][1:-1].lower() in TELLING else "''"


def _tells(literal: bytes) -> bool:
    """Whether a string may be one of the words that matter: it is, or is written in another way
    (``E'…'``, ``U&'…'``, ``$$…$$``, in pieces), in which anything can be said."""
    if _ORDINARY.fullmatch(literal) is None:
        return True
    return literal[1:-1].decode("ascii", "replace").lower() in TELLING


def token_number(name: str) -> int:
    """Number of a kind of token, by the grammar's name for it."""
    number: int = Token.Value(name)
    return number


def scan(source: bytes, text: str) -> Tokens:
    """Tokens of ``text`` (whose UTF-8 is ``source``), without comments.

    The scanner does not recurse, so this is safe in any thread for any text.

    :raises Refused: ``parse.syntax``, an unterminated literal or comment; ``parse.size``, a run of
        characters over which the scanner would go again and again.
    """
    if "\0" in text:
        raise Refused("parse.syntax", "The statement holds a NUL character.")
    if sum(map(_steps, _RUN.finditer(text))) > _MOST_STEPS:
        raise Refused("parse.size", "The statement has too many operators in a row.")
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError:
        raise Refused("parse.syntax", "The statement cannot be read.") from None
    return [(t.token, t.start, t.end) for t in found if t.token not in _COMMENTS]


def _steps(run: re.Match[str]) -> int:
    """What a run costs: PostgreSQL's scanner reads all of it, and then goes back behind the first
    ``/*``, or ``+`` (src/backend/parser/scan.l: ``xcstart``, ``operator``)."""
    found = run[0]
    return len(found) * (found.count("+") + 4 * found.count("/*"))


def shape(source: bytes, tokens: Tokens) -> str:
    """The shape's digest (hex); ``""`` when the statement is to be known by its text alone."""
    while tokens and source[tokens[-1][1] : tokens[-1][2]] == b";":
        tokens = tokens[:-1]  # psql sends it with the statement, drivers do not
    if not tokens:
        return ""
    words = [source[start:end] for _, start, end in tokens]
    if words[0].decode("ascii", "replace").upper() not in _SHAPED:
        return ""
    parts: list[bytes] = []
    before = ""
    for (kind, _, _), word in zip(tokens, words, strict=True):
        if kind == SCONST and before not in _STRING_MATTERS and not _tells(word):
            parts.append(b"\1s")
        elif kind == _ICONST and before in _COMPARISONS and word.isdigit():
            parts.append(b"\1i")
        elif kind == _FCONST and before in _COMPARISONS and word.isdigit():
            # An integer above int4: int8 or numeric, told by its size.
            parts.append(b"\1b" if int(word) < 2**63 else b"\1n")
        else:
            parts.append(word)
        if word != b"(" or before not in _STRING_MATTERS:  # LIKE ('%')
            before = word.decode("ascii", "replace").upper() if len(word) <= 8 else ""
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()
