"""Facts of queries and modifications: what their trees name, and how much they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql import functions
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.places import expressions
from hoopgate.sql.mysql.tokens import NUMBER, PARAMETER, QUOTED, STRING, SYMBOL, WORD, Token
from hoopgate.sql.mysql.tree import (
    Expression,
    Modification,
    Query,
    Select,
    Source,
    Statement,
    Union,
)

QUERIES: Final = frozenset({"SELECT", "WITH"})
MODIFIES: Final = {
    "INSERT": "insert",
    "REPLACE": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
}


def plain(
    *classes: str, flags: frozenset[str] = frozenset(), kind: str = "", name: str = ""
) -> StatementFacts:
    """Facts of a statement that is only known by its classes."""
    return StatementFacts(frozenset(classes), kind=kind, name=name, flags=flags)


def spelled(text: str, token: Token) -> str:
    """A name as it was written."""
    return token.text if token.kind == QUOTED else text[token.start : token.end]


def row_facts(text: str, tokens: list[Token]) -> StatementFacts:
    """Facts of what begins like a query or a modification.

    :raises Refused: ``parse.size``.
    """
    verb = MODIFIES.get(tokens[0].text if tokens[0].kind == WORD else "", "read")
    try:
        tree, tokens = parse(text)
    except Refused as refused:
        if refused.code != "parse.syntax":
            raise
        return _beyond(tokens, verb)
    seen = _Seen()
    seen.statement(tree)
    classes = {verb}
    if verb == "read" or seen.selects or (isinstance(tree, Modification) and tree.returning):
        classes.add("read")
    if isinstance(tree, Modification) and tree.kind == "replace":
        classes.add("delete")
    if isinstance(tree, Modification) and tree.duplicate:
        classes.add("update")
    flags = set(_flags(tree, tokens)) | functions.flags(seen.functions)
    if any(token.kind == PARAMETER for token in tokens):
        flags.add("parameters")
    return StatementFacts(
        frozenset(classes),
        relations=tuple(dict.fromkeys(seen.relations)),
        functions=tuple(dict.fromkeys(seen.functions)),
        fingerprint=fingerprint(text, tokens),
        flags=frozenset(flags),
    )


def _beyond(tokens: list[Token], verb: str) -> StatementFacts:
    """Of a statement that is not in the subset: what its words give away."""
    words = {token.text for token in tokens if token.kind == WORD}
    classes = {verb, "unknown"}
    if words & {"OUTFILE", "DUMPFILE", "LOAD_FILE"}:
        classes.add("copy.file")
    for word, its in MODIFIES.items():
        if word in words:
            classes.add(its)
    called = {
        token.text.lower()
        for token, behind in pairwise(tokens)
        if token.kind == WORD and behind.kind == SYMBOL and behind.text == "("
    }
    return StatementFacts(
        frozenset(classes),
        functions=tuple(sorted(called)),
        flags=frozenset({"no_where", "no_limit"} | functions.flags(called)),
    )


class _Seen:
    """Relations and functions that a tree names."""

    def __init__(self) -> None:
        self.relations: list[str] = []
        self.functions: list[str] = []
        self.selects = False

    def statement(self, tree: Statement) -> None:
        if isinstance(tree, Query):
            self.query(tree)
            return
        self.relations.append(".".join(tree.table))
        for one in (*tree.values, *tree.order, *(e for _, e in tree.updates)):
            self.expression(one)
        for one, _ in tree.returning:
            self.expression(one)
        if tree.where is not None:
            self.expression(tree.where)
        if tree.query is not None:
            self.query(tree.query)

    def query(self, query: Query) -> None:
        self.selects = True
        names = {common.name.lower() for common in query.common}
        before = len(self.relations)
        for common in query.common:
            self.query(common.query)
        self._body(query.body)
        for one in query.order:
            self.expression(one)
        self.relations[before:] = [
            name for name in self.relations[before:] if name.lower() not in names
        ]

    def _body(self, body: Select | Union | Query | None) -> None:
        if isinstance(body, Query):
            self.query(body)
        elif isinstance(body, Union):
            self._body(body.left)
            self._body(body.right)
        elif body is not None:
            for one in expressions(body):
                self.expression(one)
            for source in body.sources:
                self._source(source)

    def _source(self, source: Source | None) -> None:
        if source is None:
            return
        if source.kind == "table":
            self.relations.append(".".join(source.name))
        elif source.query is not None:
            self.query(source.query)
        self._source(source.left)
        self._source(source.right)
        if source.on is not None:
            self.expression(source.on)

    def expression(self, expression: Expression) -> None:
        if expression.kind == "call":
            self.functions.append(expression.name.removeprefix("."))
        if expression.query is not None:
            self.query(expression.query)
        for one in (*expression.arguments, *expression.keys):
            self.expression(one)


def _flags(tree: Statement, tokens: list[Token]) -> Iterator[str]:
    if isinstance(tree, Modification):
        if tree.kind in ("update", "delete"):
            if tree.where is None:
                yield "no_where"
            elif trivial(tree.where, tokens):
                yield "trivial_where"
        return
    if tree.locking:
        yield "locking"
    if not tree.limited:
        yield "no_limit"
    body = tree.body
    if isinstance(body, Select) and body.sources:
        unfiltered = body.where is None or trivial(body.where, tokens)
        if unfiltered:
            yield "unfiltered"
        if unfiltered and not tree.limited and not _aggregated(body):
            yield "bulk"
    elif not isinstance(body, Select) and not tree.limited:
        yield "bulk"


def _aggregated(select: Select) -> bool:
    return bool(select.items) and all(
        item.kind == "literal"
        or (item.kind == "call" and functions.classify(item.name) == functions.AGGREGATE)
        for item, _ in select.items
    )


def trivial(condition: Expression, tokens: list[Token]) -> bool:
    """A condition that holds for every row, as far as the words can tell."""
    if not _reads(condition):
        return True
    if condition.kind != "operator":
        return False
    if condition.name == "or":
        return any(trivial(one, tokens) for one in condition.arguments)
    if condition.name == "and":
        return all(trivial(one, tokens) for one in condition.arguments)
    if len(condition.arguments) == 2:
        left, right = condition.arguments
        if right.kind == "column" and left.kind == "column":
            return left.parts[-1].lower() == right.parts[-1].lower()
    return (
        condition.name in ("is null", "like")
        and _reads(condition) == 1
        and (condition.name == "is null" or _everything(condition, tokens))
    )


def _everything(condition: Expression, tokens: list[Token]) -> bool:
    pattern = condition.arguments[1]
    return pattern.kind == "literal" and not tokens[pattern.start].text.strip("'\"%")


def _reads(expression: Expression) -> int:
    """How many columns and queries are in it."""
    own = 1 if expression.kind in ("column", "query") else 0
    return own + sum(map(_reads, (*expression.arguments, *expression.keys)))


def fingerprint(text: str, tokens: list[Token]) -> str:
    """Equal for statements that differ in the literals of conditions only (hex)."""
    parts = []
    conditions = False
    before = ""
    for token in tokens:
        word = text[token.start : token.end]
        if token.kind == WORD:
            if token.text == "SELECT":
                conditions = False
            elif token.text in ("WHERE", "ON", "VALUES"):
                conditions = True
        if conditions and token.kind == STRING and before in _BEFORE_VALUE:
            word = "\1s"
        elif conditions and token.kind == NUMBER and before in _BEFORE_VALUE and word.isdigit():
            word = "\1n"
        parts.append(word)
        before = token.text if token.kind in (WORD, SYMBOL) else ""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


_BEFORE_VALUE: Final = frozenset(["=", "<=>", ">=", ">", "<=", "<", "<>", "!=", "(", ","])
