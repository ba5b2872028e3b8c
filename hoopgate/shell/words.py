"""A command line of literal words, and back: strict on purpose, sans-I/O.

A shell reads more into a line than its words (POSIX, XCU 2). Here every character that a shell
might act on makes the line something else than literal words; what is left has one meaning only,
in which every word can be quoted again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: What may stand in a word without quotes. No ``~``, ``*``, ``{``, ``#``, ``!``, ``=`` is one for
#: words behind the first only: an assignment is no command.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]")
#: An option with its value behind an equals sign; in a pattern, too.
_ASSIGNED: Final = re.compile(r"-[-A-Za-z0-9_*?]*=(.*)", re.DOTALL)
_ESCAPED_IN_DOUBLE: Final = '$`"\\'


def literal_words(text: str) -> tuple[str, ...] | None:
    """The words of ``text``; None when it is anything but literal words."""
    words: list[str] = []
    word: list[str] | None = None
    at, end = 0, len(text)
    while at < end:
        character = text[at]
        at += 1
        if character in " \t":
            if word is not None:
                words.append("".join(word))
                word = None
            continue
        if word is None:
            word = []
        if character == "'":
            close = text.find("'", at)
            if close < 0:
                return None
            word.append(text[at:close])
            at = close + 1
        elif character == '"':
            found = _double(text, at)
            if found is None:
                return None
            part, at = found
            word.append(part)
        elif character == "\\":
            if at >= end:
                return None
            word.append(text[at])
            at += 1
        elif _PLAIN.match(character):
            word.append(character)
        else:
            return None
    if word is not None:
        words.append("".join(word))
    if not words or not words[0] or not all(map(_printable, words)):
        return None
    return tuple(words)


def _double(text: str, at: int) -> tuple[str, int] | None:
    """What stands in double quotes from ``at`` on, and where it goes on behind them."""
    part: list[str] = []
    while at < len(text):
        character = text[at]
        at += 1
        if character == '"':
            return "".join(part), at
        if character in "$`!":
            return None
        if character == "\\" and text[at : at + 1] and text[at] in _ESCAPED_IN_DOUBLE:
            character = text[at]
            at += 1
        part.append(character)
    return None


def _printable(word: str) -> bool:
    return word.isprintable()


def value_of(option: str) -> str:
    """The value in an option's own word: ``--file=x``, ``-f=x``, ``-fx``; "" where is none."""
    found = _ASSIGNED.fullmatch(option)
    if found is not None:
        return found[1]
    return "" if option.startswith("--") else option[2:]


def quote(words: Iterable[str]) -> str:
    """A command line of exactly these words, each in single quotes: no alias, no keyword, no
    expansion is left in it."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
