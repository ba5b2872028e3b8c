"""What PostgreSQL's own grammar (libpg_query, by postgast) says of a text: its statements' facts.

Pure, and meant for a child process (:mod:`hoopgate.sql.worker`): the C parser can exhaust the stack
on deep nesting. Facts come from the raw grammar alone: they name, they do not resolve. What a
statement reads is for the server to say (:mod:`hoopgate.sql.lineage`).
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import ctypes
import json
from typing import Final

from postgast.native import lib

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.rawtree import Tree
from hoopgate.sql.shape import Tokens, scan
from hoopgate.sql.statements import SqlStatement

MAX_BYTES: Final = 2**20
MAX_TOKENS: Final = 200_000
MAX_BRACKETS: Final = 400
MAX_STATEMENTS: Final = 1000
_OPEN: Final = frozenset({ord("("), ord("[")})
_CLOSE: Final = frozenset({ord(")"), ord("]")})
_SEMICOLON: Final = ord(";")
#: Classes in one request of several that do no harm to one another.
_MIXABLE: Final = frozenset(
    "read transaction session show prepare execute deallocate cursor fetch close multi".split()
)


def analyze(
    text: str, max_bytes: int = MAX_BYTES, max_tokens: int = MAX_TOKENS
) -> tuple[StatementFacts, ...]:
    """Facts of each statement in ``text``; an empty text has none.

    :raises Refused: ``parse.size`` (bytes, tokens, nesting or statements above the bounds),
        ``parse.syntax``.
    """
    try:
        source = text.encode()
    except UnicodeEncodeError:
        raise Refused("parse.syntax", "The statement is not valid Unicode.") from None
    if len(source) > max_bytes:
        raise Refused("parse.size", "The statement is too long.")
    tokens = scan(source, text)
    if len(tokens) > max_tokens:
        raise Refused("parse.size", "The statement has too many words.")
    _check_nesting(tokens)
    raw = _parse(source)
    if len(raw) > MAX_STATEMENTS:
        raise Refused("parse.size", "The request has too many statements.")
    found = []
    for entry in raw:
        start = entry.get("stmt_location", 0)
        end = start + entry["stmt_len"] if entry.get("stmt_len") else len(source)
        own = [t for t in tokens if start <= t[1] and t[2] <= end and t[0] != _SEMICOLON]
        found.append(SqlStatement(source, own, entry["stmt"]))
    if not found and any(token[0] != _SEMICOLON for token in tokens):
        raise Refused("parse.syntax", "The statement cannot be read.")
    mixed = len(found) > 1 and any(one.classes - _MIXABLE for one in found)
    return tuple(one.facts(len(found) > 1, mixed) for one in found)


def _check_nesting(tokens: Tokens) -> None:
    depth = 0
    for kind, _, _ in tokens:
        if kind in _OPEN:
            depth += 1
            if depth > MAX_BRACKETS:
                raise Refused("parse.size", "The statement is nested too deeply.")
        elif kind in _CLOSE:
            depth -= 1


def _parse(source: bytes) -> list[Tree]:
    result = lib.pg_query_parse(source)
    try:
        if result.error:
            raise Refused("parse.syntax", "The statement is not valid SQL.")
        tree = ctypes.string_at(result.parse_tree)
    finally:
        lib.pg_query_free_parse_result(result)
    try:
        statements: list[Tree] = json.loads(tree).get("stmts", [])
    except (ValueError, RecursionError):
        raise Refused("parse.size", "The statement is nested too deeply.") from None
    return statements
