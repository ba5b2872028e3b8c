"""What command lines show of the files that they name."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: Programs that show names, sizes and the like, and nothing of what is in files.
_NAMES_ONLY: Final = frozenset(
    "ls stat du df wc readlink realpath basename dirname pwd id whoami groups hostname uname uptime"
    " echo printf true false test [ sleep touch mkdir rmdir rm chmod".split()
)

#: Programs that look at the directory that they run in where no path is named.
_HERE: Final = frozenset("ls dir vdir du find tree fd rg ag ack ncdu".split())
#: Those that do so with such an option.
_SEARCHERS: Final = frozenset("grep egrep fgrep zgrep".split())
_RECURSES: Final = re.compile(r"-[A-Za-z]*[rRd].*|--(rec|deref|dir).*")


def looks_here(words: Sequence[str]) -> bool:
    """Whether a program looks at the directory that it runs in, if these words name no path."""
    program = words[0].rpartition("/")[2]
    recurses = program in _SEARCHERS and any(map(_RECURSES.fullmatch, words[1:]))
    return program in _HERE or recurses


def shows_names_only(words: Sequence[str]) -> bool:
    """Whether a program shows nothing of what is in files; one that is not known may."""
    lists = any(word.startswith("--f") for word in words)  # --files0-from: names are in a file
    return words[0].rpartition("/")[2] in _NAMES_ONLY and not lists


def shown_whole(words: Sequence[str]) -> str | None:
    """The file that a command line shows as it is, and nothing else: that of ``cat FILE``."""
    rest = [word for word in words[1:] if word != "--"]
    if words[0].rpartition("/")[2] == "cat" and len(rest) == 1 and not rest[0].startswith("-"):
        return rest[0]
    return None
