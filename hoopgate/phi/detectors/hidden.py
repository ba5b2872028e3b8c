"""What detectors find in the output of programs, as a person would read it on a terminal.

Colours, overstriking, characters without a width and encodings with zero bytes stand between the
characters of an identifier without being seen; fullwidth digits and typographic dashes look like
the plain ones. So output is searched as it is, with all of that taken for a bound, and without it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from operator import itemgetter
from typing import Final

import re2

from hoopgate.phi.detectors import search

#: ECMA-48: CSI sequences; strings (OSC, DCS …) up to their end; other escape sequences. Then
#: controls but tab and line feed, and characters of more than one byte in UTF-8.
_HIDING: Final = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)?"
    rb"|\x1b[ -/]*[0-~]?"
    rb"|\x08+"
    rb"|[\x00-\x07\x0b-\x1a\x1c-\x1f\x7f]"
    rb"|[\xc2-\xf4][\x80-\xbf]+"
)
_ANY: Final = re2.compile(rb"[^\t\n -~]")


#: A piece of what is seen: where it begins, its size, and where it stands in the text from and to.
#: Of the same size byte stands for byte; else the one looks like the other.
_Piece = tuple[int, int, int, int]


def find(text: bytes) -> list[tuple[int, int, str]]:
    """See :func:`hoopgate.phi.detectors.search.find`."""
    found = search.find(text)
    if _ANY.search(text) is None:
        return found
    found += search.find(_HIDING.sub(_bound, text))
    seen, pieces = _seen(text)
    for start, stop, kind in search.find(seen):
        first, last = _place(pieces, start)[0], _place(pieces, stop - 1)[1]
        found.append((first, last, kind))
    return search.merged(found)


def _bound(found: re.Match[bytes]) -> bytes:
    return b">" * len(found[0]) if found[0] < b"\x80" else found[0]


def _seen(text: bytes) -> tuple[bytes, list[_Piece]]:
    """What is seen of ``text``, in pieces."""
    kept: list[bytes] = []
    pieces: list[_Piece] = []
    size = done = 0

    def keep(piece: bytes, start: int, stop: int) -> None:
        nonlocal size
        if piece:
            pieces.append((size, len(piece), start, stop))
            kept.append(piece)
            size += len(piece)

    for match in _HIDING.finditer(text):
        keep(text[done : match.start()], done, match.start())
        token, done = match[0], match.end()
        if token.startswith(b"\x08"):
            size -= _taken_back(kept, len(token))
            while pieces and pieces[-1][0] >= size:
                pieces.pop()
        elif token >= b"\x80":
            keep(_look(token), match.start(), done)
    keep(text[done:], done, len(text))
    return b"".join(kept), pieces


def _place(pieces: list[_Piece], at: int) -> tuple[int, int]:
    """Where in the text a byte of what is seen stands, from and to."""
    begin, size, start, stop = pieces[bisect_right(pieces, at, key=itemgetter(0)) - 1]
    if size != stop - start:
        return start, stop
    return start + at - begin, start + at - begin + 1


def _taken_back(kept: list[bytes], count: int) -> int:
    """How many bytes are typed over: as many as there are, on the same line."""
    taken = 0
    while kept and taken < count:
        line = kept[-1].rfind(b"\n") + 1
        part = min(count - taken, len(kept[-1]) - line)
        if part:
            kept[-1] = kept[-1][:-part]
        taken += part
        if kept[-1]:
            break
        kept.pop()
    return taken


@lru_cache(maxsize=4096)
def _look(character: bytes) -> bytes:
    """What a character looks like in ASCII, as far as identifiers are concerned."""
    try:
        text = character.decode()
    except UnicodeDecodeError:
        return character
    shown = ""
    for one in text:
        category = unicodedata.category(one)
        if category in ("Cf", "Cc", "Mn", "Me"):
            continue
        digit = unicodedata.digit(one, None)
        normal = unicodedata.normalize("NFKC", one)
        if digit is not None:
            shown += str(digit)
        elif category == "Pd" or one == "\u2212":
            shown += "-"
        elif category == "Zs":
            shown += " "
        else:
            shown += normal if len(normal) == 1 and normal.isascii() else one
    return shown.encode()
