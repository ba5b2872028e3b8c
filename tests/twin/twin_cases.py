"""The written cases: families/*.sql, the issue's corpus, and what other tests try."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from twin_judge import Case
from twin_messages import messages
from twin_modes import modes_of
from twin_wire import Step, query

HERE = Path(__file__).parent
_SQL = HERE.parent / "sql"
_SEPARATOR = " ;; "
_OTHER = re.compile(r"([1-9])([>&?]) ?(.*)", re.DOTALL)


def families() -> Iterator[tuple[str, str]]:
    """Family and source: one statement, or several with ``;;`` between them."""
    for path in sorted((HERE / "families").glob("*.sql")):
        yield from from_file(path)


def soft() -> list[tuple[str, str]]:
    """What is run where quasi-identifiers differ within their generalisation."""
    return from_file(HERE / "soft.sql")


def from_file(path: Path) -> list[tuple[str, str]]:
    """Family (``-- family: NAME`` above it, else the file's name) and source of each line."""
    family, found = path.stem, []
    for line in path.read_text().splitlines():
        if line.startswith("-- family: "):
            family = line.removeprefix("-- family: ")
        elif line.strip() and not line.startswith("-- "):
            found.append((family, line))
    return found


def corpus() -> Iterator[tuple[str, str]]:
    """The known ways around masking, and those of the resolver's own tests."""
    for entry in json.loads((_SQL / "evasion_postgres.json").read_text()):
        yield "corpus", _SEPARATOR.join(entry["statements"])
    sys.path.append(str(_SQL))
    try:
        from evasions import evasions
    finally:
        sys.path.remove(str(_SQL))
    for source in evasions():
        yield "evasions", source


def written() -> list[tuple[str, str]]:
    """All of them, each source once."""
    found: dict[str, str] = {}
    for family, source in (*families(), *corpus()):
        found.setdefault(source, family)
    return [(family, source) for source, family in found.items()]


def plain(family: str, source: str) -> Case:
    """The case as a client types it: one simple query after the other."""
    return Case(family, source, tuple(map(_step, source.split(_SEPARATOR))))


def _step(text: str) -> Step:
    """A query; ``COPY … FROM STDIN <<< LINE`` with what is copied, sent without waiting.

    ``\\P …`` is messages of the protocol (:mod:`twin_messages`). ``2> `` in front says that it is
    for a second session of the same client, ``2& `` that nobody waits for its answer, and ``2?``
    waits for it.
    """
    other = _OTHER.match(text)
    if other is not None:
        what = other[3]
        step = _step(what) if what else Step(b"", 0)
        ready = {">": step.ready, "&": 0, "?": 1}[other[2]]
        return Step(step.data, ready, int(other[1]) - 1)
    if text.startswith("\\"):
        return messages(text)
    statement, here, line = text.partition(" <<< ")
    if not here:
        return query(text)
    lines = line.replace("\\t", "\t").replace("\\n", "\n").encode() + b"\n"
    data = b"d" + (len(lines) + 4).to_bytes(4, "big") + lines + b"c\0\0\0\4"
    return Step(query(statement).data + data)


def in_modes(family: str, source: str) -> list[Case]:
    """The case in every other way to run its one statement; none for several statements."""
    if _SEPARATOR in source or " <<< " in source or source.startswith("\\"):
        return []
    return [
        Case(family, source, tuple(mode(source)), name)
        for name, mode in modes_of(source).items()
        if name != "simple"
    ]
