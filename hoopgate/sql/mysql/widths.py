"""How long a value can be, in bytes, as far as its expression tells.

MySQL sorts rows with all their values, and fails where one row is longer than its buffer (error
1038). A value that is made long where a secret says so tells the secret by that:
``if(ssn IS NULL, repeat('x', 16000), '')``. So what is sorted must not be able to be so long.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.sql.mysql.tree import Expression

#: Longer than anything; of what is not known.
ANY: Final = 1 << 40
#: Bytes of computed values that a row may have where it is sorted: half a sort_buffer_size.
SORTED: Final = 131_072
#: Numbers, dates, hashes.
SHORT: Final = 300

_CHOICES: Final = frozenset(
    """case coalesce elt if ifnull nullif nvl nvl2 lag lead first_value last_value nth_value
    any_value min max cast collate""".split()
) | {"cast binary"}
#: How many arguments they have where the last says how many characters are left.
_CUTS: Final = {"left": 2, "right": 2, "substr": 3}
_SUMS: Final = frozenset("concat concat_ws insert make_set".split())
_DOUBLES: Final = frozenset(
    """hex lcase left lower ltrim mid quote reverse right rtrim substr substring substring_index
    to_base64 trim ucase unhex upper""".split()
)


def of_call(node: Expression, widths: Sequence[int]) -> int:
    """Of what a function or operator makes of values so wide."""
    name = node.name
    widest = max(widths, default=0)
    if name in _CUTS and _count(node.arguments[-1:]) < ANY and len(widths) == _CUTS[name]:
        found = 4 * _count(node.arguments[-1:])
    elif name in _CHOICES:
        found = widest
    elif name in _SUMS:
        found = sum(widths) * (2 if name == "concat_ws" else 1)
    elif name in _DOUBLES:
        found = 2 * widest + 2
    elif name in ("repeat", "space"):
        found = max(widths[:-1], default=1) * _count(node.arguments[-1:])
    elif name in ("lpad", "rpad"):
        found = 4 * _count(node.arguments[1:2])
    elif name in ("replace", "export_set"):
        found = max(64, widths[0]) * (1 + sum(widths[1:])) if widths else ANY
    else:
        found = 16 * widest + SHORT
    return min(found, ANY)


def of_literal(node: Expression, *, parameters: bool) -> int:
    """Of a constant; NULL may stand for a parameter."""
    if node.kind == "literal" and (node.name != "NULL" or not parameters):
        return len(node.name.encode())
    return ANY


def _count(arguments: Sequence[Expression]) -> int:
    """A whole number that is written out."""
    if len(arguments) == 1 and arguments[0].kind == "literal" and arguments[0].name.isdigit():
        return int(arguments[0].name)
    return ANY
