"""Facts of SET: what would change how later statements have to be read is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
        names, *others = _split(tokens[2:])
        _names(names)
        return plain("session", flags=_assignments(others))
    rest = words[1:]
    if rest[:1] in (["SESSION"], ["LOCAL"]):
        rest = rest[1:]
    if rest[:1] == ["TRANSACTION"]:
        return plain("transaction")
    if words[1:2] == ["CHARACTER"] or words[1:2] == ["CHARSET"]:
        raise _other_session()
    if words[1:2] in (["PASSWORD"], ["ROLE"], ["DEFAULT"]):
        return plain("role", "session", flags=_UNLISTED)
    return plain("session", flags=_assignments(_split(tokens[1:])))


def _assignments(parts: Iterable[list[Token]]) -> frozenset[str]:
    flags: frozenset[str] = frozenset()
    for part in parts:
        flags |= _assignment(part)
    return flags


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
        modes = _modes(value)
        if modes is None or not modes <= settings.MODES:
            raise _other_session()
        return frozenset()
    if name in settings.TRACKED and [one.text.upper() for one in value] in (["1"], ["ON"]):
        return frozenset()  # the gateway itself has it on
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


def _modes(value: list[Token]) -> set[str] | None:
    """Modes that a value of ``sql_mode`` names, besides those of the session; None: it may be any.

    Clients add to what there is, ``CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')``, or take out of it,
    ``(SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))``.
    """
    words = [token.text.upper() for token in value]
    if words[:2] == ["(", "SELECT"] and words[-1] == ")":
        words, value = words[2:-1], value[2:-1]
    if words[:2] in (["CONCAT", "("], ["REPLACE", "("]) and words[-1] == ")":
        parts = list(_split(value[2:-1]))
        current = [one for one in parts if len(one) == 1 and _variable(one[0]) == "sql_mode"]
        texts = [one[0].text[1:-1] for one in parts if len(one) == 1 and one[0].kind == STRING]
        if len(current) != 1 or len(texts) != len(parts) - 1:
            return None
        if words[0] == "REPLACE" and (parts[0] != current[0] or texts[1:] != [""]):
            return None
        return set(filter(None, ",".join(texts).upper().split(",")))
    return set(filter(None, _text(value).upper().split(","))) if _is_text(value) else None


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


def _names(rest: list[Token]) -> None:
    if not rest or _text(rest[:1]).lower() not in settings.CHARACTER_SETS:
        raise _other_session()
    if len(rest) > 1:
        collation = _text(rest[2:]).lower() if rest[1].text == "COLLATE" else ""
        if not collation.startswith("utf8"):
            raise _other_session()
