"""Where free text holds what the detectors look for.

One pass tells which detectors find anything at all; only these say where. Both read bytes: RE2
takes UTF-8 as it is, and bytes that are none match nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import re2

from hoopgate.phi.detectors.patterns import DETECTORS

#: Those that check what they find come last: much of it is found by others already.
_DETECTORS: Final = sorted(
    (one for one in DETECTORS if not one.alone), key=lambda one: one.check is not None
)
_FINDERS: Final = [re2.compile(one.pattern) for one in _DETECTORS]
_SET: Final = re2.Set.SearchSet()
for _one in _DETECTORS:
    _SET.Add(_one.pattern)
_SET.Compile()


def find(text: bytes) -> list[tuple[int, int, str]]:
    """Begin, end and kind of what is found, in the order of the text; none overlap.

    A line's end is a bound: nothing goes on behind it. So what is found in a line does not depend
    on the lines around it.
    """
    # No detector has the sign in what it finds, nor takes it for a part of a word, or for space.
    text = text.replace(b"\n", b">")
    found: list[tuple[int, int, str]] = []
    seen: set[tuple[int, int]] = set()
    for index in sorted(_SET.Match(text) or ()):
        check, kind = _DETECTORS[index].check, _DETECTORS[index].kind
        for match in _FINDERS[index].finditer(text):
            span = match.span()
            if span in seen or (check is not None and not check(_text(match.group(0)))):
                continue
            seen.add(span)
            found.append((*span, kind))
    return merged(found)


def merged(found: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """In order, and what overlaps as one, of the kind that begins first."""
    apart: list[tuple[int, int, str]] = []
    for start, stop, kind in sorted(found):
        if apart and start < apart[-1][1]:
            first, last, name = apart[-1]
            apart[-1] = first, max(last, stop), name
        else:
            apart.append((start, stop, kind))
    return apart


def _text(found: bytes) -> str:
    return found.decode("utf-8", "replace")


def replaced(text: bytes, by: Callable[[bytes], list[tuple[int, int, str]]] = find) -> bytes:
    """``text`` with the kind of what is found in its place.

    :param by: what finds it.
    """
    shown, done = [], 0
    for start, stop, kind in by(text):
        shown += [text[done:start], b"[", kind.encode(), b"]"]
        done = stop
    return b"".join([*shown, text[done:]]) if shown else text


def replaced_in(text: str, by: Callable[[bytes], list[tuple[int, int, str]]] = find) -> str:
    """The same of a text, which may have half a surrogate pair in it."""
    return replaced(text.encode("utf-8", "surrogatepass"), by).decode("utf-8", "surrogatepass")
