"""What to write instead of what is refused for a secret: the next step, not the rule again."""

from __future__ import annotations

from typing import Final

from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass

_ROWS: Final = "choose rows by columns that are not secret: a key, a date, a code"
_TOKEN: Final = "compare it by = or IN with a token as a row shows it, '[{kind}:…]'"
#: Clause → what does instead.
_INSTEAD: Final = {
    "WHERE": f"Select it for a masked value, and {_ROWS}.",
    "HAVING": f"Select it for a masked value, and {_ROWS}.",
    "JOIN": "Join by a key that is not secret.",
    "GROUP BY": (
        "Group by columns that are not secret. With the primary key of its table in GROUP BY, it"
        " may stand there too, or only be selected."
    ),
    "PARTITION BY": "Partition by columns that are not secret, such as a key.",
    "DISTINCT": (
        "Leave it out, or say DISTINCT ON (KEY) with a key that is not secret, or GROUP BY the"
        " primary key of its table."
    ),
    "ORDER BY": "Order by columns that are not secret, such as a key, and sort on your side.",
    "count()": "count(*) counts rows, count(DISTINCT KEY) whom they are about.",
    "UNION": "UNION ALL compares no values; or leave it out.",
}
_ELSE: Final = "Select it for a masked value, and choose rows by columns that are not secret."
_COLUMN: Final = "Select the column itself for a masked value."
_DOCUMENT: Final = (
    "Build the document of columns that are not secret, or select columns one by one: each that is"
    " secret comes masked."
)
_CONSTANT: Final = "Its numbers have to be constants of a kind that cannot fail: lengths from 0."
_FUNCTIONS: Final = {
    **dict.fromkeys(("substring", "substr", "overlay", "split_part", "lpad", "rpad"), _CONSTANT),
    "replace": "It may only take away: replace(COLUMN, TEXT, '').",
    "format": "Put texts together by || or concat().",
}


def by_clause(clause: str) -> str:
    """The end of a sentence: where a column decides."""
    return f", as it does in {clause}" if clause else ""


def instead(clause: str, label: Label | None) -> str:
    """What to do where a secret decides in ``clause``, which may be unknown (``""``)."""
    found = _INSTEAD.get(clause, _ELSE)
    if label is None or label.method is not Method.TOKEN:
        return found
    token = _TOKEN.format(kind=label.kind)
    if clause in ("WHERE", "HAVING"):
        return f"{token[0].upper()}{token[1:]}; or {_ROWS}."
    if clause == "JOIN" and label.joins:
        return "Join it by = with a column of its own kind, or by a key that is not secret."
    return found


def of_function(signature: str) -> str:
    """What to do where a function might fail on a secret."""
    name = signature.partition("(")[0].rpartition(".")[2]
    if "json" in name or name.startswith("xml") or name == "record_out":
        return _DOCUMENT
    return _FUNCTIONS.get(name, _COLUMN)


def unlisted(signature: str) -> str:
    """What to do where a function is not on the list."""
    if signature.startswith("pg_catalog."):
        return (
            "It tells of the server's state, of other sessions or of stored values, maybe inside a"
            " view: ask an operator for what it says."
        )
    return "Use a built-in function, or compute it on your side."


def stored_as(label: Label) -> str:
    """What to do where a labelled value would be stored elsewhere."""
    if label.level is LabelClass.SECRET:
        return "Write constants, or columns that are public."
    return (
        "Write constants, or columns that are public; or this one as it is into a column with the"
        " same label, which an operator gives."
    )
