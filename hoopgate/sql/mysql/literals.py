"""Tokens for values in a statement's text, as :mod:`hoopgate.sql.tokens` has them for PostgreSQL.

A literal that is a whole token becomes a parameter with a number of its own, ``?3``, behind those
of the statement. No server takes one so written: what is asked of it has ``?``, and what is sent is
the client's own text with the value in place of the literal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.errors import Refused
from hoopgate.sql.mysql.tokens import PARAMETER, STRING, introduces, scan
from hoopgate.sql.tokens import MOST_TOKENS, Lifted, Literal

_QUOTES: Final = frozenset("'\"")


def lift(text: str, is_token: Callable[[str], bool]) -> Lifted | None:
    """``text`` with a parameter in place of each token; None when there is none in it.

    Literals with a character set of their own, and those that are continued, stay what they are.

    :raises Refused: ``parse.syntax``; ``token.many``.
    """
    tokens = scan(text)
    found: list[tuple[int, int, str]] = []
    parameters = 0
    for index, token in enumerate(tokens):
        if token.kind == PARAMETER:
            parameters += 1
        if token.kind != STRING or token.text[0] not in _QUOTES or not is_token(token.text[1:-1]):
            continue
        around = tokens[max(index - 1, 0) : index + 2]
        if sum(one.kind == STRING for one in around) == 1 and not introduces(around[0]):
            found.append((token.start, token.end, token.text[1:-1]))
    if not found:
        return None
    if len(found) > MOST_TOKENS:
        raise Refused("token.many", f"More than {MOST_TOKENS} tokens in one request.")
    literals = tuple(
        Literal(start, end, 0, parameters + number, content)
        for number, (start, end, content) in enumerate(found, 1)
    )
    return Lifted(_put(text, literals, [f"?{one.number}" for one in literals]), literals)


def fill(text: str, literals: tuple[Literal, ...], values: list[bytes]) -> str:
    """``text`` with values, quoted, in place of its tokens.

    ``NO_BACKSLASH_ESCAPES`` is off in every session, so a backslash is doubled as a quote is.
    """
    quoted = [
        "'" + value.decode().replace("\\", "\\\\").replace("'", "''") + "'" for value in values
    ]
    return _put(text, literals, quoted)


def _put(text: str, literals: tuple[Literal, ...], new: list[str]) -> str:
    parts: list[str] = []
    at = 0
    for literal, replacement in zip(literals, new, strict=True):
        # A literal may stand close by a word that a parameter or a quote would become part of.
        parts += (text[at : literal.start], " ", replacement, " ")
        at = literal.end
    return "".join([*parts, text[at:]])
