"""Messages of the protocol as a line of text: what no driver would send in this order.

``\\P name text`` is Parse, ``\\B portal statement v=1,NULL f=0 r=1`` Bind with values, their
formats and the results', ``\\DS name`` and ``\\DP name`` Describe, ``\\E portal rows`` Execute,
``\\CS name`` and ``\\CP name`` Close, ``\\S`` Sync, ``\\s`` one without an answer, ``\\H`` Flush,
``\\Q text`` Query, ``\\d text`` CopyData, ``\\c`` CopyDone, ``\\f text`` CopyFail. ``-`` is the
name of what has none, ``name:23,25`` declares types of parameters, a value may be bytes: ``0x00``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twin_wire import Step

from hoopgate.postgres import wire

_PART = re.compile(r"(?:^|\s)\\(?=(?:P|B|DS|DP|E|CS|CP|S|s|H|Q|d|c|f)(?:\s|$))")


def messages(line: str) -> Step:
    """What a line stands for; as many answers are due as it has Syncs and Queries.

    :raises KeyError: a letter that there is not.
    """
    data, ready = [], 0
    for part in filter(None, _PART.split(line)):
        letter, _, rest = part.partition(" ")
        data.append(_MAKERS[letter](rest.rstrip() if letter not in "dQ" else rest))
        ready += letter in ("S", "Q")
    return Step(b"".join(data), ready)


def _name(text: str) -> bytes:
    return b"" if text == "-" else text.encode()


def _parse(rest: str) -> bytes:
    name, _, text = rest.partition(" ")
    name, _, types = name.partition(":")
    return wire.parse(_name(name), text.encode(), [int(one) for one in types.split(",") if one])


def _bind(rest: str) -> bytes:
    portal, statement, *options = rest.split(" ")
    given = dict(option.split("=", 1) for option in options)
    values = [_value(one) for one in given["v"].split(",")] if "v" in given else []
    formats, results = (
        [int(one) for one in given.get(letter, "").split(",") if one] for letter in "fr"
    )
    return wire.bind(_name(portal), _name(statement), formats, values, results)


def _value(text: str) -> bytes | None:
    if text == "NULL":
        return None
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def _execute(rest: str) -> bytes:
    portal, _, limit = rest.partition(" ")
    return wire.execute(_name(portal), int(limit or 0))


_MAKERS: dict[str, Callable[[str], bytes]] = {
    "P": _parse,
    "B": _bind,
    "DS": lambda rest: wire.describe(b"S", _name(rest)),
    "DP": lambda rest: wire.describe(b"P", _name(rest)),
    "E": _execute,
    "CS": lambda rest: wire.close(b"S", _name(rest)),
    "CP": lambda rest: wire.close(b"P", _name(rest)),
    "S": lambda _: wire.sync(),
    "s": lambda _: wire.sync(),
    "H": lambda _: wire.flush(),
    "Q": lambda rest: wire.query(rest.encode()),
    "d": lambda rest: wire.copy_data(rest.replace("\\t", "\t").replace("\\n", "\n").encode()),
    "c": lambda _: wire.copy_done(),
    "f": lambda rest: wire.copy_fail(rest.encode()),
}
