"""Facts of SHOW and DESCRIBE.

What says nothing of data passes; of some answers a part is masked
(:mod:`hoopgate.sql.mysql.shown`); all the others are ``unknown``.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql import settings
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.row_facts import plain, spelled
from hoopgate.sql.mysql.tokens import QUOTED, STRING, SYMBOL, WORD, Token
from hoopgate.sql.mysql.tree import Expression, Query, Select

_ADVERBS: Final = frozenset("FULL EXTENDED STORAGE SESSION LOCAL".split())
#: SHOW of what says nothing of data.
_SHOWN: Final = frozenset(
    "DATABASES SCHEMAS TABLES COLLATION CHARSET ENGINES STORAGE PLUGINS PRIVILEGES".split()
)
#: SHOW whose answer is masked in a part, by the word for it.
_COLUMNS: Final = frozenset({"COLUMNS", "FIELDS"})
_INDEXES: Final = frozenset({"INDEX", "INDEXES", "KEYS"})
#: Columns of what is shown that WHERE may be about: they say nothing of data.
_TESTED: Final = frozenset(
    """field type collation null key table_type table non_unique key_name seq_in_index column_name
    index_type charset name engine db trigger event support""".split()
)
_TESTS: Final = frozenset({"=", "<>", "like", "in", "and", "or", "not", "is null", "<=>"})


def showing(text: str, tokens: list[Token], words: list[str]) -> StatementFacts:
    """Facts of a SHOW.

    :param words: the first tokens in upper case, ``""`` for what is no word.
    """
    words = [word for word in words[1:] if word not in _ADVERBS]
    first = words[0]
    start = next((i for i, token in enumerate(tokens) if token.text == first), 0)
    rest = tokens[start + 1 :]
    if first == "CHARACTER" and words[1] == "SET":
        first, rest = "CHARSET", rest[1:]
    unknown = plain("show", "unknown")
    if first in ("VARIABLES", "STATUS"):
        return plain("show") if _of_variables(text, rest, first) else unknown
    if first in _COLUMNS | _INDEXES and rest and rest[0].text in ("FROM", "IN"):
        name, length = _dotted(text, rest[1:])
        rest = rest[1 + length :]
        if name and rest and rest[0].text in ("FROM", "IN") and len(rest) > 1 and "." not in name:
            name, rest = f"{spelled(text, rest[1])}.{name}", rest[2:]
        if name and _chosen(text, rest):
            return _part("columns" if first in _COLUMNS else "indexes", (name,), text)
        return unknown
    if first == "CREATE" and rest and rest[0].text in ("TABLE", "VIEW"):
        name, length = _dotted(text, rest[1:])
        if name and len(rest) == 1 + length and name.count(".") == length // 2:
            return _part("create", (name,), text)
    if words[1] == "STATUS" and first in ("TABLE", "PROCEDURE", "FUNCTION"):
        return _part("status", (), text) if _from_and_chosen(text, rest[1:]) else unknown
    if first in ("TRIGGERS", "EVENTS") and _from_and_chosen(text, rest):
        return _part("triggers", (), text)
    if first in ("WARNINGS", "ERRORS") and (not rest or rest[0].text == "LIMIT"):
        return _part("warnings", (), text)
    if first in _SHOWN and _from_and_chosen(text, rest):
        return plain("show")
    return unknown


def described(text: str, tokens: list[Token]) -> StatementFacts | None:
    """Facts of DESCRIBE of what ``tokens`` name: a table, a column of it."""
    name, length = _dotted(text, tokens)
    if name and len(tokens) in (length, length + 1):
        return _part("columns", (name,), text)
    return None


def _part(name: str, relations: tuple[str, ...], text: str) -> StatementFacts:
    return StatementFacts(
        frozenset({"show"}), relations=relations, name=name, inner=text, fingerprint="=" + text
    )


def _dotted(text: str, tokens: list[Token]) -> tuple[str, int]:
    """A table's name at the beginning, and how many tokens it has."""
    parts: list[str] = []
    index = 0
    while index < len(tokens) and tokens[index].kind in (WORD, QUOTED) and len(parts) < 2:
        parts.append(spelled(text, tokens[index]))
        index += 1
        if index < len(tokens) and tokens[index].text == "." and tokens[index].kind == SYMBOL:
            index += 1
        else:
            return ".".join(parts), index
    return "", 0


def _of_variables(text: str, tokens: list[Token], what: str) -> bool:
    """Whether it names variables that may be seen, and no others."""
    known = settings.READABLE_STATUS if what == "STATUS" else settings.READABLE
    if len(tokens) == 2 and tokens[0].text == "LIKE" and tokens[1].kind == STRING:
        pattern = tokens[1].text[1:-1].lower().replace("\\_", "_")
        beginning = pattern.rstrip("%")
        return pattern in known or (
            what == "VARIABLES"
            and "%" not in beginning
            and beginning.startswith(settings.READABLE_BEGINNINGS)
        )
    condition = _condition(text, tokens)
    return condition is not None and all(name in known for name in _named(condition))


def _named(condition: Expression) -> list[str]:
    """Names that ``variable_name`` must be one of; ``""`` is no name."""
    if condition.name == "or":
        return [name for one in condition.arguments for name in _named(one)]
    variable, *values = condition.arguments or [condition]
    if condition.name not in ("=", "in") or [p.lower() for p in variable.parts] != [
        "variable_name"
    ]:
        return [""]
    return [one.name[1:-1].lower() if one.kind == "literal" else "" for one in values]


def _from_and_chosen(text: str, tokens: list[Token]) -> bool:
    """Nothing, or ``FROM name``, and :func:`_chosen`."""
    if tokens and tokens[0].text in ("FROM", "IN") and len(tokens) > 1:
        if tokens[1].kind not in (WORD, QUOTED):
            return False
        tokens = tokens[2:]
    return _chosen(text, tokens)


def _chosen(text: str, tokens: list[Token]) -> bool:
    """Nothing, or ``LIKE 'pattern'``, or WHERE about what says nothing of data."""
    if not tokens:
        return True
    if tokens[0].text == "LIKE" and len(tokens) == 2:
        return tokens[1].kind == STRING
    condition = _condition(text, tokens)
    return condition is not None and _harmless(condition)


def _condition(text: str, tokens: list[Token]) -> Expression | None:
    """The expression of ``WHERE …``."""
    if not tokens or tokens[0].kind != WORD or tokens[0].text != "WHERE":
        return None
    try:
        tree, _ = parse(f"SELECT 1 FROM t {text[tokens[0].start : tokens[-1].end]}")  # noqa: S608
    except Refused:
        return None
    body = tree.body if isinstance(tree, Query) else None
    plain_select = isinstance(body, Select) and not (body.group or body.having or body.windows)
    if not plain_select or not isinstance(tree, Query) or tree.order or tree.limited:
        return None
    return body.where if isinstance(body, Select) else None


def _harmless(node: Expression) -> bool:
    if node.kind == "operator":
        return node.name in _TESTS and all(map(_harmless, node.arguments))
    if node.kind == "column":
        (name,) = node.parts[-1:]
        return len(node.parts) == 1 and (
            name.lower() in _TESTED or name.lower().startswith("tables_in_")
        )
    return node.kind == "literal"
