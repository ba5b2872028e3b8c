"""Offline verification: every byte of a log against its signature, the first bad leaf named.

Checked for each leaf, in order: entry bundle, hash tile and segment agree; the record's checksum
and its payload's hash; its place; its session's chain from ``session.open`` to ``session.close``;
the wrap of the session's key. Then all tiles, and the root against the signed checkpoint.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import Leaf, decode, hash_of
from hoopgate.recorder.note import Checkpoint, Verifier
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.recover import hash_tail, segment_state
from hoopgate.recorder.retention import Keeper
from hoopgate.recorder.segments import HEADER_BYTES, Scan, segment_numbers, segment_path
from hoopgate.recorder.tiles import WIDTH, Edge
from hoopgate.recorder.tree import Frontier, leaf_hash
from hoopgate.recorder.wraps import wrap_path

Progress = Callable[[int, int], object]


@dataclass(slots=True)
class Report:
    """What was verified.

    :ivar running: sessions without a ``session.close``.
    :ivar crashed: sessions whose node crashed.
    :ivar gaps: torn tails that a start found and recorded.
    :ivar above: records above the checkpoint: durable, not signed yet.
    :ivar torn: bytes at the very end that are no record: being written, or torn by a crash.
    """

    checkpoint: Checkpoint
    sessions: int = 0
    running: int = 0
    crashed: int = 0
    gaps: int = 0
    payload_bytes: int = 0
    above: int = 0
    torn: int = 0


@dataclass(slots=True)
class _Record:
    segment: int
    offset: int
    leaf: bytes
    payload: bytes


@dataclass(slots=True)
class _Chain:
    seq: int = 0
    prev: str = ""


@dataclass(slots=True)
class _State:
    """What has been seen so far."""

    open: dict[str, _Chain] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    keeper: Keeper = field(default_factory=Keeper)
    missing_wraps: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsealed: dict[int, int] = field(default_factory=dict)  # segment → end of its records
    left: dict[int, int] = field(default_factory=dict)  # segment → first record left behind
    mono: int = 0


def verify_log(
    directory: Path, verifiers: Sequence[Verifier], progress: Progress = lambda done, total: None
) -> Report:
    """Verify a log; what is above its checkpoint is counted only.

    :raises BadNote: the checkpoint is malformed or no trusted key signed it.
    :raises BadLog: the first bad leaf.
    :raises OSError: a file cannot be read.
    """
    reader = LogReader(directory, verifiers)
    report = Report(reader.checkpoint)
    state = _State()
    records = _records(directory, state)
    edge, tree = Edge(0, [], []), Frontier()
    for first, entries in reader.bundles():
        hashes = reader.tiles.tile(0, first // WIDTH)
        for at, entry in enumerate(entries):
            record = next(records, None)
            hashed = leaf_hash(entry)
            if hashed != hashes[at]:
                raise _altered(first + at, entry, hashes[at], record)
            leaf = decode(entry)
            place = {name: leaf[name] for name in ("session", "segment", "offset")}
            place["index"] = first + at
            while record is not None and _left_behind(leaf, record):
                state.left.setdefault(record.segment, record.offset)
                record = next(records, None)
            _check_record(leaf, entry, record, place)
            assert record is not None
            _check_chain(directory, leaf, hashed, record, state, report, place)
            edge.append(entry, hashed)
            tree.append(hashed)
        _check_files(directory, edge.pending)
        edge.pending.clear()
        progress(first + len(entries), reader.size)
    if tree.root() != reader.checkpoint.root:
        raise BadLog(f"the {reader.size} leaves do not hash to the signed root")
    _check_files(directory, edge.partials())
    for place in (p for id, p in state.missing_wraps.items() if id not in state.keeper.purged):
        raise BadLog("the session's wrapped key is gone and no purge is recorded", **place)
    report.running = len(state.open)
    last = 0
    for record in records:
        report.above += 1
        last = record.segment
    for number, end in state.unsealed.items():
        if number >= last:
            report.torn += segment_path(directory, number).stat().st_size - end
    return report


def _records(directory: Path, state: _State) -> Iterator[_Record]:
    """All records of all segments in order; notes where each segment's records end."""
    done = 0
    while numbers := [n for n in segment_numbers(directory) if n > done]:
        for number in numbers:
            scan = Scan(directory, number)
            state.unsealed[number] = 0
            for offset, leaf, payload in scan:
                state.unsealed[number] = scan.end
                yield _Record(number, offset, leaf, payload)
            state.unsealed[number] = scan.end
            done = number


def _left_behind(leaf: Leaf, record: _Record) -> bool:
    """A quarantined segment may end in records that nobody acknowledged: the log went on in the
    next segment, whose first leaf seals them like any torn end."""
    return leaf["offset"] == HEADER_BYTES and record.segment < int(leaf["segment"])


def _altered(index: int, entry: bytes, tile: bytes, record: _Record | None) -> BadLog:
    """Which of a leaf's copies was altered: bundle, tile and segment each have one."""
    good = entry
    what = "entry bundle and hash tile disagree"
    if record is not None and leaf_hash(record.leaf) == tile:
        good, what = record.leaf, "the leaf in the entry bundle was altered"
    elif record is not None and record.leaf == entry:
        what = "the leaf's hash in the tile was altered"
    try:
        leaf = decode(good)
    except BadLog:
        return BadLog(what, index=index)
    place = {name: leaf[name] for name in ("session", "segment", "offset")}
    return BadLog(what, index=index, **place)


def _check_record(leaf: Leaf, entry: bytes, record: _Record | None, place: dict[str, Any]) -> None:
    if leaf["index"] != place["index"]:
        raise BadLog("the leaf belongs to another place", **place)
    if record is None or (record.segment, record.offset) != (leaf["segment"], leaf["offset"]):
        raise BadLog("its record in the segment is missing or damaged", **place)
    if record.leaf != entry:
        raise BadLog("the segment holds another leaf", **place)
    if len(record.payload) != leaf["length"]:
        raise BadLog("the payload has another length", **place)
    if record.payload and sha256(record.payload).digest() != hash_of(leaf, "hash"):
        raise BadLog("the payload is not the one its leaf names", **place)


def _check_chain(
    directory: Path,
    leaf: Leaf,
    hashed: bytes,
    record: _Record,
    state: _State,
    report: Report,
    place: dict[str, Any],
) -> None:
    id, type = leaf["session"], leaf["type"]
    if leaf["offset"] == HEADER_BYTES:
        _check_segment(directory, leaf, record, state, place)
    if type == "epoch.start":
        state.mono = 0  # the node may have been booted in between
    if leaf["mono"] < state.mono:
        raise BadLog("its monotonic time is before that of the leaf before it", **place)
    state.mono = leaf["mono"]
    chain = state.open.get(id)
    if type in ("session.open", "epoch.start"):
        if id in state.seen:
            raise BadLog("the session's id was used before", **place)
        state.seen.add(id)
        chain = state.open[id] = _Chain()
        report.sessions += type == "session.open"
        _check_wrap(directory, leaf, state, place)
    elif chain is None:
        raise BadLog("the session is not open", **place)
    if (leaf["seq"], leaf["prev"]) != (chain.seq, chain.prev):
        raise BadLog("the leaf does not follow the session's last one", **place)
    chain.seq += 1
    chain.prev = b64encode(hashed).decode()
    report.payload_bytes += leaf["length"]
    if type == "session.close":
        if leaf.get("last_seq") != leaf["seq"] - 1:
            raise BadLog("the session's last sequence number is wrong", **place)
        del state.open[id]
        report.crashed += leaf.get("reason") == "crash"
    elif type == "gap.recovered":
        report.gaps += 1
    if wrong := state.keeper.follow(leaf):
        raise BadLog(wrong, **place)


def _check_wrap(directory: Path, leaf: Leaf, state: _State, place: dict[str, Any]) -> None:
    try:
        wrap = read_whole(wrap_path(directory, leaf["session"]))
    except FileNotFoundError:
        state.missing_wraps[leaf["session"]] = place
        return
    if hash_of(leaf, "wrap") != sha256(wrap).digest():
        raise BadLog("the session's wrapped key was altered", **place)


def _check_segment(
    directory: Path, leaf: Leaf, record: _Record, state: _State, place: dict[str, Any]
) -> None:
    """The first leaf of a segment says which sessions run and how the segments before it ended."""
    running, sealed = segment_state(leaf, record.payload, place)
    if running != {id: (chain.seq, chain.prev) for id, chain in state.open.items()}:
        raise BadLog("the segment begins with other open sessions", **place)
    ended = {n: end for n, end in state.unsealed.items() if n < record.segment}
    ended |= state.left
    state.left.clear()
    for number, end, length, torn in sealed:
        path = segment_path(directory, number)
        place = {**place, "segment": number, "offset": end}
        if not path.exists():
            raise BadLog("the segment is missing", **place)
        if ended.pop(number, None) != end or path.stat().st_size != length:
            raise BadLog("the segment was cut off or appended to", **place)
        if length > end and b64encode(hash_tail(path, end)).decode() != torn:
            raise BadLog("the torn end of the segment was altered", **place)
    for number, end in ended.items():
        raise BadLog(
            "a segment that the log does not know", **{**place, "segment": number, "offset": end}
        )
    for number in [n for n in state.unsealed if n < record.segment]:
        del state.unsealed[number]


def _check_files(directory: Path, files: dict[str, bytes]) -> None:
    """Tiles and bundles as they must be, against the disk; also outgrown partial ones."""
    for name, content in files.items():
        path = directory / name
        full = directory / name.split(".p/")[0]
        try:
            data = read_whole(path)
        except FileNotFoundError:
            try:
                data = read_whole(full)[: len(content)]
            except FileNotFoundError:
                raise BadLog(f"{name} is missing") from None
        if data != content:
            raise BadLog(f"{name} was altered")
        if path != full:
            _check_outgrown(path, content)


def _check_outgrown(path: Path, content: bytes) -> None:
    """Earlier partial tiles that earlier checkpoints needed: beginnings of the present one."""
    width = int(path.name)
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():
        if not name.isdigit() or not 0 < int(name) < width:
            continue
        try:
            data = read_whole(path.parent / name)
        except FileNotFoundError:
            continue  # the running node has just finished the tile
        if not _begins(path, content, data, int(name)):
            raise BadLog(f"{path.parent / name} was altered")


def _begins(path: Path, content: bytes, data: bytes, width: int) -> bool:
    if "entries" not in path.parts:
        return data == content[: width * 32]
    at = 0
    for _ in range(width):
        at += 2 + int.from_bytes(content[at : at + 2], "big")
    return data == content[:at]
