"""A statement for a reviewer's eye: clauses on lines of their own, what has a label marked.

Only white space is changed and only where the scanner says that there is some, or none is needed;
what cannot be scanned is shown as it was sent. Comments are left out: they do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hoopgate.console.html import Markup, join, tag
from hoopgate.errors import Refused
from hoopgate.settings.model import Label, LabelClass
from hoopgate.sql.shape import scan

#: Words that begin a clause, and those that belong to the JOIN behind them.
_BEFORE_JOIN: Final = frozenset({"LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "OUTER"})
_CLAUSES: Final = frozenset({
    *("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION"),
    *("INTERSECT", "EXCEPT", "VALUES", "SET", "RETURNING", "WINDOW", "TO", "JOIN"),
    *(_BEFORE_JOIN - {"OUTER"}),
})  # fmt: skip
_WITHIN: Final = frozenset(("AND", "OR"))
#: Longer ones would keep the reactor busy; they are shown as they were sent.
_LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Marks:
    """Names to be marked, in lower case.

    :ivar columns: name → label; ``relations``: names (with and without schema) of labelled ones.
    """

    columns: dict[str, Label]
    relations: frozenset[str]


def marks(labels: Sequence[Label], resource: str, relations: Sequence[str]) -> Marks:
    """What the data dictionary says of the columns of these relations (``schema.name``)."""
    full = {name if "." in name else f"public.{name}" for name in relations}
    columns: dict[str, Label] = {}
    labelled: set[str] = set()
    for label in labels:
        if label.resource != resource or label.level is LabelClass.PUBLIC:
            continue
        schema, relation, column = label.column.split(".", 2)
        touched = [
            name
            for name in full
            if _fits(schema, name.partition(".")[0]) and _fits(relation, name.partition(".")[2])
        ]
        if not touched:
            continue
        labelled |= {*touched, *(name.partition(".")[2] for name in touched)}
        if "*" not in column:
            columns[column.lower()] = label
    return Marks(columns, frozenset(name.lower() for name in labelled))


def _fits(pattern: str, name: str) -> bool:
    return pattern in ("*", name)


@dataclass(slots=True)
class _Token:
    text: str
    spaced: bool  #: there was white space before it

    @property
    def word(self) -> str:
        return self.text.upper()


def pretty(text: str, marked: Marks) -> Markup:
    """The statement in lines, as the content of a ``pre``."""
    tokens = _tokens(text)
    if not tokens:
        return join(text)
    return join([_rendered(token, space, marked) for token, space in _laid_out(tokens)])


def _tokens(text: str) -> list[_Token]:
    source = text.encode("utf-8", "replace")
    if len(source) > _LONGEST or "\ufffd" in text:
        return []
    try:
        found = scan(source, text)
    except (Refused, UnicodeEncodeError):
        return []
    tokens = []
    end = 0
    for _, start, stop in found:
        tokens.append(_Token(source[start:stop].decode("utf-8", "replace"), start > end))
        end = stop
    return tokens


def _laid_out(tokens: Sequence[_Token]) -> Iterator[tuple[_Token, str]]:
    """Each token and the white space before it."""
    queries: list[bool] = []  # for each bracket that is open: a query is in it
    begun = False
    between = False
    for index, token in enumerate(tokens):
        word = token.word
        following = tokens[index + 1].word if index + 1 < len(tokens) else ""
        before = tokens[index - 1].word if index else ""
        depth = sum(queries)
        top = not queries or queries[-1]
        indent = "  " * depth
        space = " " if token.spaced else ""
        if word == ")" and queries:
            if queries.pop():
                space = "\n" + "  " * (depth - 1)
        elif before == "(" and word in ("SELECT", "WITH", "VALUES") and queries:
            queries[-1] = True
            space = "\n" + "  " * sum(queries)
        elif top and begun and word in _CLAUSES and following != "(" and token.spaced:
            if not (word == "JOIN" and before in _BEFORE_JOIN):
                space = "\n" + indent
        elif top and word == "BETWEEN":
            between = True
        elif top and word in _WITHIN and token.spaced:
            if word == "AND" and between:
                between = False
            else:
                space = f"\n{indent}  "
        elif before == ";":
            space = "\n"
        if word == "(":
            queries.append(False)
        yield token, space if begun else ""
        begun = True


def _rendered(token: _Token, space: str, marked: Marks) -> Markup:
    text = token.text
    name = text[1:-1].replace('""', '"') if text[:1] == '"' else text.lower()
    label = marked.columns.get(name.lower())
    if label is not None:
        title = f"{label.column}: {label.kind}, {label.level.value}"
        return join(space, tag("mark", text, tag("small", label.kind), title=title))
    if name.lower() in marked.relations:
        return join(space, tag("mark", text, class_="relation", title="has labelled columns"))
    if text[:1] in "'$" or (len(text) > 1 and text[1] == "'"):
        return join(space, tag("span", text, class_="string"))
    if text[:1].isdigit():
        return join(space, tag("span", text, class_="number"))
    if text.isalpha() and text.isupper():
        return join(space, tag("b", text))
    return join(space, text)
