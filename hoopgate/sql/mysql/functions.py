"""The allow-list of MariaDB's and MySQL's functions and operators.

``data/functions-mysql.json`` holds it, with the reason of each group. A name is as the server
writes it in a view's text, or as a client does; routines of users begin with a dot and are never
listed. See :mod:`hoopgate.sql.functions` for what the classes mean.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from importlib import resources
from typing import Final

from hoopgate.sql.mysql import settings

TOTAL, FALLIBLE, AGGREGATE, CATALOGUE = "total", "fallible", "aggregate", "catalogue"

#: Comparisons and logic: whether they fail is decided by their own operands, not by whether they
#: are evaluated at all.
CALM: Final = frozenset(
    """= <=> >= > <= < <> like in between and or xor not any case row interval""".split()
) | {"is null", "is true", "sounds like"}

#: These work on bytes: they do not read binary strings as texts. Whatever else is given one and a
#: text fails in MySQL where its bytes are not of the text's character set (error 3854).
BYTEWISE: Final = frozenset(
    """ascii bit_length crc32 hex isnull length md5 octet_length ord sha sha1 sha2
    to_base64""".split()
) | {"cast binary", "is null", "is true", "row"}
#: Their results are numbers or texts, whatever they are given.
PLAIN: Final = (
    (BYTEWISE | CALM) - {"case", "cast binary", "row"}
    | frozenset("avg count sum locate instr field find_in_set strcmp char_length".split())
    | {"cast number"}
)
#: Texts that they make have characters that none of their arguments has: names of months and days,
#: and those whose numbers they are given.
WORDY: Final = frozenset("char date_format dayname monthname time_format".split())
#: The type of the result does not depend on the values that the arguments have.
TYPED: Final = frozenset(
    """case char_length coalesce concat concat_ws if ifnull isnull lcase length lower md5 nvl trim
    ucase upper year""".split()
) | {"is null"}
#: These make binary strings of anything.
BINARY: Final = frozenset(
    """char compress from_base64 inet6_aton uncompress unhex uuid_to_bin weight_string""".split()
) | {"cast binary"}

_FILE: Final = frozenset({"load_file"})
_STATE: Final = frozenset(
    """
    benchmark get_lock is_free_lock is_used_lock lastval master_gtid_wait master_pos_wait nextval
    release_all_locks release_lock setval sleep source_pos_wait wait_for_executed_gtid_set
    """.split()
)
_SUPERUSER: Final = frozenset({"sys_exec", "sys_eval", "sys_get", "sys_set"})


@functools.cache
def _table() -> dict[str, str]:
    text = resources.files("hoopgate.sql").joinpath("data/functions-mysql.json").read_text()
    return {name: group["kind"] for group in json.loads(text)["groups"] for name in group["names"]}


def classify(name: str) -> str | None:
    """The class of a function, operator or system variable (``@@name``); None: not on the list."""
    if name.startswith("@@"):
        scope, _, own = name[2:].rpartition(".")
        known = scope in ("", "session", "local", "global") and own in settings.READABLE
        return CATALOGUE if known else None
    return _table().get(name)


def flags(names: Iterable[str]) -> set[str]:
    """Flags of :mod:`hoopgate.sql.classes` that calling these functions sets."""
    called = set(names)
    return {
        flag
        for flag, known in (
            ("file_function", _FILE),
            ("state_function", _STATE),
            ("superuser_function", _SUPERUSER),
        )
        if called & known
    }
