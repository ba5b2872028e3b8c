"""JSON of requests, read so strictly that every other reader reads the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from hoopgate.http.wire import Malformed

DEPTH: Final = 64
LEAVES: Final = 20_000
_VALUE_CHARACTERS: Final = 4096
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def strict(data: bytes) -> Any:
    """Read a JSON document (RFC 8259) that has one meaning only.

    :raises Malformed: not JSON, no UTF-8, a byte order mark, a key twice (also in another case),
        NaN, a number beyond those of IEEE 754, half a surrogate pair, or too deep.
    """
    try:
        text = data.decode("utf-8")
        _shallow(text)
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_number
        )
    except Malformed:
        raise
    except (ValueError, RecursionError):
        raise _bad("the body is not JSON") from None
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise _bad("half a surrogate pair")
    return value


def leaves(value: Any) -> tuple[tuple[str, str], ...]:
    """JSON pointers (RFC 6901) of everything that is no object or array, with the values as text.

    :raises Malformed: too many.
    """
    found = []
    for pair in _leaves("", value):
        found.append(pair)
        if len(found) > LEAVES:
            raise Malformed(413, "leaves", "the body holds too many values")
    return tuple(found)


def _leaves(pointer: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(f"{pointer}/{index}", item)
    elif isinstance(value, str):
        yield pointer, value[:_VALUE_CHARACTERS]
    else:
        yield pointer, json.dumps(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Some readers match keys without case.
    if len({key.casefold() for key in found}) != len(pairs):
        raise _bad("a key is there twice")
    return found


def _number(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise _bad("a number that not every reader can read")
    return found


def _constant(_: str) -> NoReturn:
    raise _bad("NaN and Infinity are not JSON")


def _shallow(text: str) -> None:
    """Refuse what would take the parser too deep, counting brackets also in strings."""
    if text.count("[") + text.count("{") <= DEPTH:
        return
    depth = 0
    for one in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text, re.DOTALL):
        token = one[0]
        if token in "[{":
            depth += 1
            if depth > DEPTH:
                raise _bad("the body is nested too deeply")
        elif token in "]}":
            depth -= 1


def _bad(message: str) -> Malformed:
    return Malformed(400, "json", message)
