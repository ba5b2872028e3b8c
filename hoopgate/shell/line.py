"""What a child says of a command line, and how it is put into its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hoopgate.errors import Refused


@dataclass(frozen=True, slots=True)
class Line:
    """A command line.

    :ivar words: its words, where it is one simple command of literal words; else empty.
    :ivar flags: of ``hoopgate/settings/operations.py``.
    """

    words: tuple[str, ...] = field(repr=False)
    flags: frozenset[str]


def encode(line: Line) -> bytes:
    """The answer's JSON."""
    return json.dumps({"words": line.words, "flags": sorted(line.flags)}).encode()


def decode(answer: bytes) -> Line:
    """The line in an answer.

    :raises Refused: the answer is a refusal.
    """
    content = json.loads(answer)
    if "refused" in content:
        raise Refused(content["refused"], "The command line cannot be parsed.")
    return Line(tuple(content["words"]), frozenset(content["flags"]))
