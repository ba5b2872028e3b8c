"""The files of a bundle that are made of its leaves: by the export, and again by its verification.

The same leaves give the same bytes, so none of these files has to be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hoopgate.evidence import facts as gathered
from hoopgate.evidence.facts import Facts, gather
from hoopgate.evidence.fhir import audit_event
from hoopgate.evidence.manifest import Manifest
from hoopgate.evidence.ocsf import event_of
from hoopgate.evidence.others import checker, instructions
from hoopgate.evidence.report import report
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.leaf import Leaf, decode, encode
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.tiles import WIDTH
from hoopgate.recorder.tree import leaf_hash

Documents = dict[str, Callable[[], Iterator[bytes]]]


def entries(log: LogReader, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    """The leaves ``first`` to ``last``, as stored."""
    for number in range(first // WIDTH, last // WIDTH + 1):
        for index, entry in enumerate(log.tiles.bundle(number), number * WIDTH):
            if first <= index <= last:
                yield index, entry


def leaves(log: LogReader, first: int, last: int) -> Iterator[tuple[Leaf, bytes]]:
    """The leaves ``first`` to ``last`` and their hashes.

    :raises BadLog: one is not a leaf, or one of another place.
    """
    for index, entry in entries(log, first, last):
        leaf = decode(entry)
        if leaf["index"] != index:
            raise BadLog("the leaf belongs to another place", index=index)
        yield leaf, leaf_hash(entry)


def facts_of(log: LogReader, manifest: Manifest) -> Facts:
    """What the leaves of the bundle's period say.

    :raises BadLog: they are no leaves.
    """
    chosen = manifest.selection
    opened = []
    for session, index in sorted(chosen.opened.items(), key=lambda item: item[1]):
        leaf = decode(log.entry(index))
        if leaf["session"] != session or leaf["type"] not in ("session.open", "epoch.start"):
            raise BadLog(f"it does not open the session {session[:64]}", index=index)
        opened.append(leaf)
    return gather(opened, (leaf for leaf, _ in leaves(log, chosen.first, chosen.last)))


def documents(log: LogReader, manifest: Manifest, facts: Facts) -> Documents:
    """Path → makes the file's content, a part at a time."""
    chosen = manifest.selection

    def ocsf() -> Iterator[bytes]:
        for leaf, hashed in leaves(log, chosen.first, chosen.last):
            session = facts.sessions.get(leaf["session"])
            yield from _lines([event_of(manifest.origin, leaf, hashed, session, manifest.version)])

    def fhir() -> Iterator[bytes]:
        for leaf, hashed in leaves(log, chosen.first, chosen.last):
            session = facts.sessions.get(leaf["session"])
            yield from _lines([audit_event(manifest.origin, leaf, hashed, session)])

    return {
        "report.html": lambda: iter([report(manifest, log.checkpoint, facts)]),
        "verify.go": lambda: iter([checker()]),
        "VERIFY.md": lambda: iter([instructions(manifest, log.checkpoint)]),
        "sessions.ndjson": lambda: _lines(gathered.session_list(facts)),
        "identities.ndjson": lambda: _lines(gathered.roster(facts)),
        "approvals.ndjson": lambda: _lines(gathered.event_list(facts, "approval")),
        "administration.ndjson": lambda: _lines(
            gathered.event_list(facts, "admin", "replay.view", "purge")
        ),
        "keys.ndjson": lambda: _lines(_keys(facts)),
        "gaps.ndjson": lambda: _lines(gathered.gap_list(facts)),
        "ocsf.ndjson": ocsf,
        "fhir-auditevents.ndjson": fhir,
    }


def _keys(facts: Facts) -> Iterator[dict[str, Any]]:
    """Starts of the node and rotations of its keys."""
    for leaf in facts.epochs:
        placed = ("type", "session", "time", "version", "retention", "previous")
        about = {name: leaf[name] for name in placed if name in leaf}
        yield {"leaf": leaf["index"], **about}
    yield from gathered.event_list(facts, "key.rotate")


def _lines(values: Iterable[dict[str, Any] | None]) -> Iterator[bytes]:
    return (encode(value) + b"\n" for value in values if value is not None)
