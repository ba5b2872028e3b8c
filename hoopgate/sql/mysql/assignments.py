"""Facts of SET: what would change how later statements have to be read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql import settings
from hoopgate.sql.mysql.row_facts import plain
from hoopgate.sql.mysql.tokens import (
    NUMBER,
    QUOTED,
    STRING,
    SYMBOL,
    SYSTEM_VARIABLE,
    WORD,
    Token,
)


def setting(tokens: list[Token]) -> StatementFacts:
    """Facts of a SET.

    :raises Refused: ``parse.session``.
    """
    words = [token.text if token.kind == WORD else "" for token in tokens]
    if words[1:2] == ["NAMES"]:
        return _names(tokens[2:])
    rest = words[1:]
    if rest[:1] in (["SESSION"], ["LOCAL"]):
        rest = rest[1:]
    if rest[:1] == ["TRANSACTION"]:
        return plain("transaction")
    if words[1:2] == ["CHARACTER"] or words[1:2] == ["CHARSET"]:
        raise _other_session()
    if words[1:2] in (["PASSWORD"], ["ROLE"], ["DEFAULT"]):
        return plain("role", "session", flags=_UNLISTED)
    flags: frozenset[str] = frozenset()
    for assignment in _split(tokens[1:]):
        flags |= _assignment(assignment)
    return plain("session", flags=flags)


_UNLISTED: Final = frozenset({"unlisted_setting"})


def _other_session() -> Refused:
    return Refused(
        "parse.session", "The session speaks UTF-8 and reads texts by the server's default mode."
    )


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    depth = 0
    for token in tokens:
        if token.kind == SYMBOL and token.text in "()":
            depth += 1 if token.text == "(" else -1
        if token.kind == SYMBOL and token.text == "," and not depth:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _assignment(tokens: list[Token]) -> frozenset[str]:
    while tokens and tokens[0].kind == WORD and tokens[0].text in ("SESSION", "LOCAL"):
        tokens = tokens[1:]
    if len(tokens) < 3 or tokens[1].text not in ("=", ":=") or tokens[0].text == "GLOBAL":
        return _UNLISTED
    name = _variable(tokens[0])
    value = tokens[2:]
    if name == "sql_mode":
        modes = set(filter(None, _text(value).upper().split(",")))
        if not modes <= settings.MODES or not _is_text(value):
            raise _other_session()
        return frozenset()
    if name in settings.CHARACTER_SET or name == "names":
        given = _text(value).lower()
        stored = name == "character_set_results" and given in settings.AS_STORED
        if given not in settings.CHARACTER_SETS and not stored:
            raise _other_session()
        return frozenset()
    if name == "collation_connection":
        if not _text(value).lower().startswith("utf8"):
            raise _other_session()
        return frozenset()
    if name in settings.PLANNER:
        return frozenset({"planner_setting"})
    if name in settings.HARMLESS and _constant(value):
        return frozenset()
    return _UNLISTED


def _variable(token: Token) -> str:
    if token.kind == SYSTEM_VARIABLE:
        scope, _, name = token.text[2:].lower().rpartition(".")
        return name if scope in ("", "session", "local") else ""
    return token.text.lower() if token.kind in (WORD, QUOTED) else ""


def _is_text(value: list[Token]) -> bool:
    return len(value) == 1 and value[0].kind in (STRING, WORD)


def _text(value: list[Token]) -> str:
    if not _is_text(value):
        return "?"
    return value[0].text[1:-1] if value[0].kind == STRING else value[0].text


def _constant(value: list[Token]) -> bool:
    if len(value) == 2 and value[0].text in ("-", "+"):
        value = value[1:]
    return len(value) == 1 and value[0].kind in (STRING, NUMBER, WORD)


def _names(rest: list[Token]) -> StatementFacts:
    if not rest or _text(rest[:1]).lower() not in settings.CHARACTER_SETS:
        raise _other_session()
    if len(rest) > 1:
        collation = _text(rest[2:]).lower() if rest[1].text == "COLLATE" else ""
        if not collation.startswith("utf8"):
            raise _other_session()
    return plain("session")
