"""What the server is asked about a statement: queries that it can take as a view's text.

A view holds a query without parameters and variables. Parameters become NULL (a column's sources do
not depend on a value), system variables too; of a modification of one table the expressions are put
into a query on that table. Cutting the text is safe because the words that part it are reserved:
they cannot stand in an expression.
"""

# ruff: noqa: S608 - what is put into SQL is parts of the statement that was read
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from hoopgate.errors import UnresolvableStatement
from hoopgate.sql.mysql import comparisons
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.places import Compared, Place, Places
from hoopgate.sql.mysql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    STRING,
    SYMBOL,
    SYSTEM_VARIABLE,
    WORD,
    Token,
    quote,
    scan,
)
from hoopgate.sql.mysql.tree import Expression, Modification, Name, Query, Select, Union


@dataclass(slots=True)
class Attestation:
    """What has to be asked.

    :ivar text: the statement itself, as a server takes it.
    :ivar kind: ``read``, ``constant`` (no table is read), ``insert``, ``replace``, ``update``,
        ``delete``.
    :ivar query: the query whose output is the statement's own, or is inserted; ``""``: none.
    :ivar effect: the query on the table modified: first the columns assigned, then the values.
    :ivar assigned: how many columns of ``effect`` are assigned; -1: all it has.
    :ivar defaulted: which of the assigned columns of an UPDATE get their default.
    :ivar pinned: columns (lower case) that WHERE wants to equal a constant, all of them, and
        whether that one is a text.
    :ivar returning: the query of what RETURNING returns; ``""``: none.
    :ivar target: the table modified.
    :ivar limited: a modification stops after some rows.
    :ivar duplicate: ON DUPLICATE KEY UPDATE, or REPLACE.
    :ivar variables: system variables that are read.
    :ivar places: tables in FROM.
    :ivar unnamed: columns of the output that have no alias: their number, from the last (-1) where
        a star stands before, and the token behind them.
    """

    kind: str
    text: str = ""
    query: str = ""
    effect: str = ""
    assigned: int = 0
    defaulted: tuple[int, ...] = ()
    pinned: tuple[tuple[str, bool], ...] = ()
    returning: str = ""
    target: Name = ()
    limited: bool = False
    duplicate: bool = False
    variables: tuple[str, ...] = ()
    places: list[Place] = field(default_factory=list)
    unnamed: list[tuple[int, int]] = field(default_factory=list)


def attest(text: str) -> Attestation:
    """What to ask about the statement ``text``.

    :raises Refused: ``parse.syntax``, ``parse.size``: it is not in the subset.
    :raises UnresolvableStatement: the server cannot be asked about it.
    """
    tree, tokens = parse(text)
    given = tree.given if isinstance(tree, Modification) else ""
    cut = _Cut(text, tokens, _compared(tree), given)
    plain = unnumbered(text, tokens)
    places = list(Places().of(tree))
    variables = tuple(t.text.lower() for t in tokens if t.kind == SYSTEM_VARIABLE)
    if isinstance(tree, Query):
        kind = "read" if places else "constant"
        return Attestation(
            kind,
            plain,
            cut(tree.start, tree.end),
            variables=variables,
            places=places,
            unnamed=list(_unnamed(tree)),
        )
    return replace(_modified(tree, cut, tokens, variables, places), text=plain)


def unnumbered(text: str, tokens: list[Token]) -> str:
    """``text`` with ``?`` for every parameter."""
    parts: list[str] = []
    at = 0
    for token in tokens:
        if token.kind == PARAMETER and len(token.text) > 1:
            parts += (text[at : token.start], "?")
            at = token.end
    return "".join([*parts, text[at:]]) if parts else text


def _compared(tree: Query | Modification) -> frozenset[int]:
    """Tokens that are parameters compared with a column for equality."""
    found = Compared()
    for _ in found.of(tree):
        pass
    return frozenset(found.starts)


def _unnamed(query: Query) -> Iterator[tuple[int, int]]:
    body: Select | Union | Query | None = query
    while not isinstance(body, Select):
        if body is None:
            return
        body = body.left if isinstance(body, Union) else body.body
    stars = [index for index, (item, _) in enumerate(body.items) if item.kind == "star"]
    for index, (item, alias) in enumerate(body.items):
        if alias or item.kind in ("star", "column"):
            continue
        if not stars or index < stars[0]:
            yield index, item.end
        elif index > stars[-1]:
            yield index - len(body.items), item.end


def _modified(
    tree: Modification,
    cut: _Cut,
    tokens: list[Token],
    variables: tuple[str, ...],
    places: list[Place],
) -> Attestation:
    if tree.ignoring and tree.kind != "insert":
        raise UnresolvableStatement("resolve.class", "UPDATE IGNORE and the like are not judged.")
    if tree.query is not None and tree.duplicate:
        raise UnresolvableStatement(
            "resolve.class", "INSERT … SELECT … ON DUPLICATE KEY UPDATE cannot be judged."
        )
    same = tree.given.lower() == tree.table[-1].lower()
    if tree.given and (same or any(_queries(value) for _, value in tree.updates)):
        # What has the name of the new row may be the table, or one of a query in there.
        raise UnresolvableStatement("resolve.class", "The name of the new row may be another's.")
    where = ".".join(map(quote, tree.table))
    alias = f" AS {quote(tree.alias)}" if tree.alias else ""
    columns = [*tree.columns, *(name for name, _ in tree.updates)]
    assigned = [".".join(map(quote, name)) for name in columns]
    every = tree.kind in ("insert", "replace") and not tree.columns
    if every:
        assigned.insert(0, f"{quote(tree.table[-1])}.*")
    values = [
        f"({cut(one.start, one.end)})"
        for one in (*tree.values, *(value for _, value in tree.updates))
        if one.kind not in ("literal", "parameter")
    ]
    effect = f"SELECT {', '.join([*assigned, *values]) or '1'} FROM {where}{alias}"
    if tree.where is not None:
        effect += f" WHERE {cut(tree.where.start, tree.where.end)}"
    if tree.order:
        effect += f" ORDER BY {cut(tree.order[0].start, tree.order[-1].end)}"
    returning = ""
    if tree.returning:
        returning = f"SELECT {cut(*tree.returned)} FROM {where}{alias}"
    defaulted = tuple(
        index
        for index, one in enumerate(tree.values)
        if tree.kind == "update" and one.kind == "literal" and one.name == "DEFAULT"
    )
    return Attestation(
        tree.kind,
        "",
        cut(tree.query.start, tree.query.end) if tree.query is not None else "",
        effect,
        -1 - len(tree.updates) if every else len(assigned),
        defaulted,
        tuple(_pinned(tree.where, tokens)),
        returning,
        tree.table,
        bool(tree.limit),
        tree.duplicate or tree.kind == "replace",
        variables,
        places,
    )


def _queries(expression: Expression) -> bool:
    return expression.query is not None or any(
        map(_queries, (*expression.arguments, *expression.keys))
    )


def _pinned(where: Expression | None, tokens: list[Token]) -> Iterator[tuple[str, bool]]:
    """Columns that must equal a constant for ``where`` to hold."""
    if where is None or where.kind != "operator":
        return
    if where.name == "and":
        for one in where.arguments:
            yield from _pinned(one, tokens)
    elif where.name == "=":
        left, right = where.arguments
        if left.kind == "column" and right.kind in ("literal", "parameter"):
            yield left.parts[-1].lower(), tokens[right.start].kind == STRING


class _Cut:
    """Cuts parts out of a statement's text, with constants in place of what no view may hold."""

    def __init__(
        self, text: str, tokens: list[Token], compared: frozenset[int], given: str
    ) -> None:
        self._given = given
        self._text = text
        self._tokens = tokens
        self._numbers: dict[int, int] = {}
        count = 0
        for index, token in enumerate(tokens):
            if token.kind != PARAMETER:
                continue
            count += token.text == "?"
            if index in compared:
                self._numbers[index] = int(token.text[1:] or count)

    def __call__(self, start: int, end: int) -> str:
        """The tokens from ``start`` up to ``end`` as text."""
        parts: list[str] = []
        index = start
        while index < end:
            token = self._tokens[index]
            word = self._text[token.start : token.end]
            behind = index + 1
            if token.kind == PARAMETER:
                number = self._numbers.get(index)
                if number is not None:
                    word = comparisons.mark(number)
                else:
                    word = "1" if self._counts(index) else "NULL"
            elif token.kind == SYSTEM_VARIABLE:
                word = "NULL"
            elif self._given and self._is_given(index):
                word = "NULL"
                behind += 2
            elif token.kind == WORD and token.text == "VALUES" and self._symbol(behind, "("):
                # The value that was to be inserted: it is among the others.
                word = "NULL"
                while not self._symbol(behind, ")"):
                    behind += 1
                behind += 1
            parts.append(f" {word}" if token.space and parts else word)
            index = behind
        return "".join(parts)

    def _is_given(self, index: int) -> bool:
        """Whether a column of the row that was to be inserted is named here."""
        token = self._tokens[index]
        name = token.text if token.kind == QUOTED else self._text[token.start : token.end]
        qualifies = self._symbol(index + 1, ".") and not (index and self._symbol(index - 1, "."))
        return token.kind in (WORD, QUOTED) and name == self._given and qualifies

    def _symbol(self, index: int, text: str) -> bool:
        token = self._tokens[index] if index < len(self._tokens) else None
        return token is not None and token.kind == SYMBOL and token.text == text

    def _counts(self, index: int) -> bool:
        """Whether the parameter is LIMIT's or OFFSET's."""
        before = self._tokens[index - 1] if index else None
        if before is not None and self._symbol(index - 1, ",") and index > 2:
            if self._tokens[index - 2].kind not in (NUMBER, PARAMETER):
                return False
            before = self._tokens[index - 3]
        return before is not None and before.kind == WORD and before.text in ("LIMIT", "OFFSET")


#: Tokens ``start`` up to ``end`` are replaced by a text; the two being the same, it goes between.
Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a table in FROM.

    :ivar ignored: indexes not to be read.
    :ivar instead: the query that takes its place; ``columns`` are its columns' names, where they
        are others than it gives them.
    """

    ignored: Sequence[str] = ()
    instead: str = ""
    columns: Sequence[str] = ()


def steering(
    text: str, places: Iterable[Place], change: Callable[[Name], Change | None]
) -> list[Edit]:
    """Index hints, and views replaced by what they are.

    What InnoDB returns without ORDER BY is in the order of the index it reads, and it prefers a
    small index that has all it needs: with ``UNIQUE (ssn)`` in the order of what nobody may see.

    :param text: in which the places are.
    :param change: for a table's name; None: nothing is done.
    """
    found: dict[tuple[int, int], Edit] = {}
    replaced: set[str] = set()
    for place in places:
        wanted = change(place.name)
        if wanted is None:
            continue
        if wanted.instead:
            alias = "" if place.alias else f" AS {quote(place.name[-1])}"
            found[place.start, 0] = (place.start, place.named, f"({wanted.instead}){alias}")
            replaced.add(place.alias or place.name[-1])
        if wanted.columns:
            names = f"({', '.join(map(quote, wanted.columns))})"
            found[place.end, 1] = (place.end, place.end, names)
        if wanted.ignored:
            hint = f"IGNORE INDEX ({', '.join(map(quote, wanted.ignored))})"
            found[place.end, 1] = (place.end, place.end, hint)
    if replaced:
        for start in _schemas(scan(text), text, replaced):
            found[start, 0] = (start, start + 2, "")
    return [found[key] for key in sorted(found)]


def _schemas(tokens: list[Token], text: str, replaced: set[str]) -> Iterator[int]:
    """Where a column's name begins with a schema, and its table has none any more."""

    def name(index: int) -> str:
        token = tokens[index]
        return token.text if token.kind == QUOTED else text[token.start : token.end]

    for index in range(len(tokens) - 4):
        dots = tokens[index + 1].text == tokens[index + 3].text == "."
        before = tokens[index - 1].text if index else ""
        names = dots and before != "." and tokens[index].kind in (WORD, QUOTED)
        if names and name(index + 2) in replaced:
            yield index


def edited(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with its tokens edited.

    :raises Refused: the text cannot be read.
    """
    tokens = scan(text)
    parts = []
    position = 0
    for start, end, replacement in edits:
        if end > start:
            parts += [text[position : tokens[start].start], replacement]
        else:
            parts += [text[position : tokens[start - 1].end], " ", replacement]
        position = tokens[end - 1].end
    return "".join([*parts, text[position:]])
