"""Where no more of a column is looked at than whether its values equal something.

A token stands for a value that may be compared and not be read, so it matters how a column is
compared: by an operator that says of two values whether they are the same, bytes for bytes, and
cannot fail. That is so for the types whose values have one form each, and for text but where a
collation of the users' own may call different strings equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.sql.catalogue import ALIASES, Catalogue
from hoopgate.sql.nodetree import Node, Value

#: Collations below were made with the database: they tell strings apart by their bytes.
_FIRST_OF_USERS: Final = 16_384

_EQUALITIES: Final = frozenset(
    {
        "pg_catalog.texteq(text, text)",
        "pg_catalog.bpchareq(character, character)",
        "pg_catalog.nameeq(name, name)",
        "pg_catalog.nameeqtext(name, text)",
        "pg_catalog.texteqname(text, name)",
        "pg_catalog.uuid_eq(uuid, uuid)",
        "pg_catalog.oideq(oid, oid)",
        "pg_catalog.int2eq(smallint, smallint)",
        "pg_catalog.int4eq(integer, integer)",
        "pg_catalog.int8eq(bigint, bigint)",
        "pg_catalog.int24eq(smallint, integer)",
        "pg_catalog.int42eq(integer, smallint)",
        "pg_catalog.int28eq(smallint, bigint)",
        "pg_catalog.int82eq(bigint, smallint)",
        "pg_catalog.int48eq(integer, bigint)",
        "pg_catalog.int84eq(bigint, integer)",
    }
)
_INT8, _INT2, _INT4, _OID, _NAME = 20, 21, 23, 26, 19
_TEXT, _BPCHAR, _VARCHAR, _UUID = 25, 1042, 1043, 2950
#: Types of columns → those in which each of their values can be said, whole and without a failure.
_ROOMY: Final = {
    _INT2: {_INT2, _INT4, _INT8},
    _INT4: {_INT4, _INT8},
    _INT8: {_INT8},
    _OID: {_OID},
    _UUID: {_UUID},
    _NAME: {_NAME, _TEXT, _VARCHAR},
    _TEXT: {_TEXT, _VARCHAR},
    _VARCHAR: {_TEXT, _VARCHAR},
    _BPCHAR: {_BPCHAR},
}
#: Arrays → the types of what is in them.
_ELEMENTS: Final = {
    1003: _NAME,
    1005: _INT2,
    1007: _INT4,
    1009: _TEXT,
    1014: _BPCHAR,
    1015: _VARCHAR,
    1016: _INT8,
    1028: _OID,
    2951: _UUID,
}
_RELABELLED: Final = ("RELABELTYPE", "COLLATEEXPR")


def equality(kind: str, node: Node, catalogue: Catalogue) -> tuple[Value, Value] | None:
    """Both sides of ``a = b`` or ``a = ANY (b)``; None when the node is anything else."""
    if kind == "SCALARARRAYOPEXPR":
        if not node.true("useOr"):
            return None
    elif kind != "OPEXPR":
        return None
    number = node.integer("opfuncid", 0) or catalogue.operators.get(node.integer("opno", 0), 0)
    function = catalogue.functions.get(number)
    if function is None or function.signature not in _EQUALITIES:
        return None
    if node.integer("inputcollid", 0) >= _FIRST_OF_USERS:
        return None
    arguments = node.fields.get("args")
    if not isinstance(arguments, list) or len(arguments) != 2:
        return None
    return arguments[0], arguments[1]


def is_column(value: Value) -> bool:
    """Whether an expression is a reference to a column, and no more."""
    value = _bare(value)
    return isinstance(value, Node) and value.type == "VAR" and value.integer("varattno") != 0


def parameters(value: Value) -> list[Node]:
    """The parameters that an expression is: one, or an ARRAY of nothing else; else none."""
    value = _bare(value)
    if not isinstance(value, Node):
        return []
    if value.type == "PARAM":
        return [value] if value.integer("paramkind", 0) == 0 else []
    if ALIASES.get(value.type, value.type) != "ARRAYEXPR" or value.true("multidims"):
        return []
    elements = value.fields.get("elements")
    found = [parameters(one) for one in elements] if isinstance(elements, list) else []
    return [one[0] for one in found] if found and all(len(one) == 1 for one in found) else []


def takes(parameter: Node, column: Value, catalogue: Catalogue) -> bool:
    """Whether a parameter's type has room for every value of a column. A cast to a domain, to a
    smaller number, or to a name would say by a failure, or by the equality, what the value is."""
    column = _bare(column)
    if not isinstance(column, Node):
        return False
    stored = column.integer("vartype", 0)
    known = catalogue.types.get(stored)
    own = parameter.integer("paramtype", 0)
    room = _ROOMY.get(stored if known is None else known.base, set())
    return _ELEMENTS.get(own, own) in room


def marked(sources: Iterable[ColumnRef], against: Iterable[str]) -> frozenset[ColumnRef]:
    """``sources``, each as compared with every one of ``against``, which is not empty."""
    others = list(against)
    return frozenset(replace(one, against=other) for one in sources for other in others)


def places(columns: Iterable[ColumnRef]) -> str:
    """Columns as another one's ``against``."""
    return "\1".join(sorted(map(_place, columns)))


def _place(column: ColumnRef) -> str:
    derived = "derived" if column.derived else ""
    return "\0".join((column.schema, column.relation, column.column, derived))


def at(against: str) -> list[ColumnRef]:
    """The columns that another one is compared with; none when it is a parameter."""
    found = [place.split("\0") for place in against.split("\1")]
    return [ColumnRef(one[0], one[1], one[2], bool(one[3])) for one in found if len(one) == 4]


def _bare(value: Value) -> Value:
    while isinstance(value, Node) and ALIASES.get(value.type, value.type) in _RELABELLED:
        value = value.fields.get("arg")
    return value
