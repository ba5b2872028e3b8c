"""Calls that fail for want of a collation, and on values alone.

When the parts of an expression bring collations that differ, PostgreSQL leaves its collation open
and lets each function complain (manual 24.2.1, SQLSTATE 42P22). It complains when it is called, and
nearly every function is called for no NULL: so whether the complaint comes tells whether there is a
value. Collations of users may be nondeterministic, and what functions say of those depends on
lengths too (``text_position`` of varlena.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.sql.nodetree import Node, Value

#: Types of PostgreSQL's own that have a collation: name, text, char(n), varchar, and their arrays.
_COLLATABLE: Final = frozenset({19, 25, 1042, 1043, 1003, 1009, 1014, 1015})
#: Pseudo-types, and those that hold values of a type that is not known here.
_UNKNOWN: Final = frozenset({0, 705, 2249, 2276, 2277, 2283, 2776, 5077, 5078, 5079, 5080})
_FIRST_OF_USERS: Final = 16384


def unsettled(node: Node, type_of: Callable[[Value], int]) -> bool:
    """Whether a call in ``node`` may fail, or depend on lengths, by its collation.

    :param type_of: the type (OID) of an expression, 0 where it is not known.
    """
    for collation, arguments in _pairs(node):
        if collation >= _FIRST_OF_USERS:
            return True
        if collation == 0 and any(map(_collatable, map(type_of, arguments))):
            return True
    return False


def _pairs(node: Node) -> list[tuple[int, list[Value]]]:
    """Each collation that ``node`` names, with the arguments it is for."""
    if "inputcollid" in node.fields:
        arguments = node.fields.get("args")
        return [(node.integer("inputcollid"), arguments if isinstance(arguments, list) else [])]
    if "inputcollids" in node.fields:  # a comparison of rows, column by column
        left = node.fields.get("largs")
        return [
            (collation, [argument])
            for collation, argument in zip(
                node.integers("inputcollids"), left if isinstance(left, list) else [], strict=False
            )
        ]
    return []


def _collatable(type_: int) -> bool:
    return type_ in _COLLATABLE or type_ in _UNKNOWN or type_ >= _FIRST_OF_USERS
