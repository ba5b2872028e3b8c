"""What a call's constants say: integers in it, and functions that cannot fail for these.

``substring(x, 1, -1)`` fails, and of NULL it is not called, so it tells whether there is an x. With
a length that is not negative it is defined for every text. A constant counts only where it stands
in the server's tree as one; what a parameter will be is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.sql.nodetree import Node, Value
from hoopgate.sql.rawtree import Tree, walk

_INTEGERS: Final = (20, 23)
#: The bytes of a text without characters: the header of a varlena that says "4", in either order.
_EMPTY: Final = ("[ 16 0 0 0 ]", "[ 0 0 0 4 ]")


def integer(value: Value) -> int | None:
    """An integer constant: a length, then its bytes in the server's order, which is known by a
    small number's: the others are zero. None for what is none, is negative or above 65,535."""
    if not isinstance(value, Node) or value.type != "CONST":
        return None
    if value.integer("consttype") not in _INTEGERS or value.fields.get("constvalue") is None:
        return None
    words = (value.text("constvalue") or "").strip("[] ").split()
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return None
    little = sum((byte & 255) << 8 * place for place, byte in enumerate(numbers))
    return little if len(numbers) >= 4 and not any(numbers[2:]) else None


def _natural(value: Value) -> bool:
    return integer(value) is not None


def _positive(value: Value) -> bool:
    return (integer(value) or 0) > 0


def _constant(value: Value) -> bool:
    return isinstance(value, Node) and value.type == "CONST"


def _empty(value: Value) -> bool:
    return _constant(value) and isinstance(value, Node) and value.text("constvalue") in _EMPTY


#: Units of time that leave a date's year as it is, those that leave no more of it, and the format
#: of to_char() that does.
WITHIN_YEARS: Final = frozenset({"quarter", "month", "day", "hour", "minute", "second"})
YEARS: Final = frozenset({"year", "decade", "century", "millennium"})
YEAR_FORMAT: Final = "yyyy"
#: Literals, in lower case, of which a statement's shape has to tell: see :func:`word`.
TELLING: Final = WITHIN_YEARS | YEARS | {YEAR_FORMAT}
_TEXT: Final = 25


def word(value: Value) -> str:
    """A constant of type text in lower case, where it is one of :data:`TELLING`; else ""."""
    if not isinstance(value, Node) or value.type != "CONST":
        return ""
    if value.integer("consttype") != _TEXT or value.fields.get("constvalue") is None:
        return ""
    try:
        numbers = [int(one) & 255 for one in (value.text("constvalue") or "").strip("[] ").split()]
    except ValueError:
        return ""
    # The header of a varlena says how long it is, header and all: four times that, or as it is.
    size, content = len(numbers), bytes(numbers[4:])
    if bytes(numbers[:4]) not in ((size * 4).to_bytes(4, "little"), size.to_bytes(4, "big")):
        return ""
    found = content.decode("ascii", "replace").lower()
    return found if found in TELLING else ""


#: Functions that are total where arguments (by place) are constants of a kind. Lengths are below
#: 65,536 here, so that what is made by lpad() stays short; replace() may only take away.
_WHERE: Final[dict[str, dict[int, Callable[[Value], bool]]]] = {
    "pg_catalog.substring(text, integer, integer)": {2: _natural},
    "pg_catalog.substr(text, integer, integer)": {2: _natural},
    "pg_catalog.split_part(text, text, integer)": {2: _positive},
    "pg_catalog.overlay(text, text, integer)": {1: _constant, 2: _positive},
    "pg_catalog.overlay(text, text, integer, integer)": {1: _constant, 2: _positive, 3: _natural},
    "pg_catalog.lpad(text, integer)": {1: _natural},
    "pg_catalog.rpad(text, integer)": {1: _natural},
    "pg_catalog.lpad(text, integer, text)": {1: _natural, 2: _constant},
    "pg_catalog.rpad(text, integer, text)": {1: _natural, 2: _constant},
    "pg_catalog.replace(text, text, text)": {2: _empty},
}
#: Their names. What a literal says decides about them: see :func:`literals_matter`.
_NAMES: Final = frozenset(one.partition("(")[0].partition(".")[2] for one in _WHERE)


def total_as_called(signature: str, call: Node) -> bool:
    """Whether a function that may fail cannot do so by the constants of this call."""
    where = _WHERE.get(signature)
    arguments = call.fields.get("args")
    if where is None or not isinstance(arguments, list) or call.true("funcvariadic"):
        return False
    return all(place < len(arguments) and test(arguments[place]) for place, test in where.items())


def literals_matter(name: str, call: Tree) -> bool:
    """Whether literals in a call decide what is known of its statement: those in quotes, of which
    the statement's shape says nothing (``substring(x, 1, '-1')``).

    :param name: of the function, without its schema.
    :param call: in the raw tree.
    """
    return name in _NAMES and any("sval" in one for kind, one in walk(call) if kind == "A_Const")
