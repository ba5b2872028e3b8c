"""JSON of requests, read so strictly that every other reader reads the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

from hoopgate.http.wire import Malformed

DEPTH: Final = 64
LEAVES: Final = 20_000
_INDEX: Final = re.compile(r"/(?:0|[1-9][0-9]*)(?=/|\Z)")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def strict(data: bytes) -> Any:
    """Read a JSON document (RFC 8259) that has one meaning only.

    :raises Malformed: not JSON, no UTF-8, a byte order mark, a key twice (also in another case),
        NaN, a number beyond those of IEEE 754, half a surrogate pair, or too deep.
    """
    value = _read(data, "body", _number)
    if b"\\u" in data and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise _bad("half a surrogate pair")
    return value


def forgiving(data: bytes) -> Any:
    """Read a document that will be masked and written anew: as :func:`strict` does, but for what is
    wrong within texts, and for numbers that few readers can read.

    :raises Malformed: anything else is wrong with it.
    """
    return _read(data, "message", Decimal, forgives=True)


def _read(
    data: bytes, what: str, number: Callable[[str], object], *, forgives: bool = False
) -> Any:
    try:
        text = data.decode("utf-8", "replace" if forgives else "strict")
        _shallow(text)
        return json.loads(
            text,
            strict=not forgives,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=number,
        )
    except Malformed:
        raise
    except (ValueError, ArithmeticError, RecursionError):
        raise _bad(f"the {what} is not JSON") from None


def leaves(value: Any) -> tuple[tuple[str, str], ...]:
    """JSON pointers (RFC 6901) of everything that is no object or array, with the values as text;
    of those that are empty "".

    :raises Malformed: too many.
    """
    found = []
    for pair in _leaves("", value):
        found.append(pair)
        if len(found) > LEAVES:
            raise Malformed(413, "leaves", "the body holds too many values")
    return tuple(found)


def _leaves(pointer: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and not value:
        yield pointer, ""
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(f"{pointer}/{index}", item)
    elif isinstance(value, str):
        yield pointer, value
    else:
        yield pointer, str(value) if isinstance(value, Decimal) else json.dumps(value)


def meant(found: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The pointers besides by which a block may mean what ``found`` holds: without the indices of
    arrays (``/role=admin`` is for ``{"role": ["admin"]}`` and ``[{"role": "admin"}]``, too), and of
    objects, whatever they hold."""
    others: dict[tuple[str, str], None] = {}
    for pointer, value in found:
        plain = _INDEX.sub("", pointer)
        if plain != pointer:
            others[plain, value] = None
        for one in {pointer, plain}:
            while one := one.rpartition("/")[0]:
                if (one, "") in others:
                    break
                others[one, ""] = None
    return tuple(others)


def looks_like_json(data: bytes) -> bool:
    """Whether a body begins as an object or an array does, whatever it is said to be.

    :param data: its beginning, or all of it.
    """
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def is_lines(data: bytes) -> bool:
    """Whether something follows a first line that is a document by itself (NDJSON): no reader takes
    all of it for one document.

    :param data: the beginning of a body.
    """
    first, _, rest = data.partition(b"\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(rest.strip())


def undeclared(data: bytes) -> Any:
    """A document that is said to be something else, and which some servers read all the same.

    :return: None: it is none.
    :raises Malformed: as :func:`strict`.
    """
    try:
        return strict(data)
    except Malformed:
        try:
            json.loads(data.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError):
            return None
        raise


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
