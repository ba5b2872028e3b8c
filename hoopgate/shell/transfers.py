"""What scp and rsync ask of the other side: their server command lines, sans-I/O.

``scp -t dir`` and ``scp -f file`` are what ``scp -O`` and ``rcp``'s heirs run; ``rsync --server``
is what rsync runs. What is not known of them is refused: an unknown option may run anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import Refused

_SCP_OPTIONS: Final = re.compile(r"-[vrpdtfq1246]+")
#: The cluster of short options, and what ``-e`` says of the protocol (rsync's options.c).
_RSYNC_SHORT: Final = re.compile(r"-[vqcruplogDtHAXSnWxzIOJhixmdby0-9.]*(e[0-9]*\.[A-Za-z]*)?")
_RSYNC_LONG: Final = re.compile(
    r"--(server|sender|numeric-ids|partial|inplace|append|append-verify|size-only|delay-updates"
    r"|bwlimit=[0-9.]+[kmg]?|timeout=[0-9]+|checksum-choice=[a-z0-9,]+|compress-choice=[a-z0-9,]+"
    r"|compress-level=[0-9]+|block-size=[0-9]+|max-size=[0-9]+[kmg]?|min-size=[0-9]+[kmg]?"
    r"|existing|ignore-existing|omit-dir-times|no-[a-z-]+|open-noatime"
    r"|delete|delete-before|delete-during|delete-after|delete-delay|delete-excluded|force"
    r"|max-delete=[0-9]+|remove-source-files)"
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A command line of scp or rsync as the server's side.

    :ivar options: all words before the paths.
    :ivar writes: files come to the server.
    """

    options: tuple[str, ...] = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    writes: bool
    flags: frozenset[str]

    def words_for(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """The command line with these paths in the place of its own."""
        # To rsync a slash at the end says: what is in the directory.
        ends = [
            path.rstrip("/") + "/" if old.endswith("/") else path
            for old, path in zip(self.paths, paths, strict=True)
        ]
        return (*self.options, *ends)


def transfer(words: tuple[str, ...]) -> Transfer | None:
    """What a command line of scp or rsync transfers; None when it is none.

    :raises Refused: ``command.transfer``: it is one that is not understood.
    """
    if words[0] == "scp" and any(re.fullmatch(r"-[a-z0-9]*[tf][a-z0-9]*", w) for w in words[1:]):
        return _scp(words)
    if words[0] == "rsync" and words[1:2] == ("--server",):
        return _rsync(words)
    return None


def _unknown() -> Refused:
    return Refused("command.transfer", "the transfer has an option that is not known")


def _scp(words: tuple[str, ...]) -> Transfer:
    options = []
    rest = list(words[1:])
    while rest and rest[0].startswith("-") and rest[0] != "--":
        options.append(rest.pop(0))
    if rest[:1] == ["--"]:
        rest.pop(0)
    letters = set("".join(options))
    if not all(map(_SCP_OPTIONS.fullmatch, options)) or len(rest) != 1:
        raise _unknown()
    if ("t" in letters) == ("f" in letters):
        raise _unknown()
    flags = frozenset({"recursive"} if "r" in letters else ())
    return Transfer(("scp", *options, "--"), tuple(rest), "t" in letters, flags)


def _rsync(words: tuple[str, ...]) -> Transfer:
    rest = list(words[1:])
    options = []
    while rest and rest[0] != ".":
        option = rest.pop(0)
        if not _RSYNC_SHORT.fullmatch(option) and not _RSYNC_LONG.fullmatch(option):
            raise _unknown()
        options.append(option)
    if rest[:1] != ["."] or len(rest) < 2:
        raise _unknown()
    flags = {"recursive"}
    if any(one.startswith(("--delete", "--remove", "--force")) for one in options):
        flags.add("destructive")
    paths = tuple(rest[1:])
    return Transfer(("rsync", *options, "."), paths, "--sender" not in options, frozenset(flags))
