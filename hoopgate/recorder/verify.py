"""Offline verification: every byte of a log against its signature, the first bad leaf named.

Checked for each leaf: entry bundle, hash tile and segment agree; the record's checksum and its
payload's hash; its place; its session's chain from ``session.open`` to ``session.close``; the wrap
of the session's key. Then all tiles, and the root against the signed checkpoint.

Segments are checked by themselves (:mod:`hoopgate.recorder.verify_segment`), several at a time
where that is asked for, and put together here in their order.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import number_of, read_whole
from hoopgate.recorder.leaf import decode
from hoopgate.recorder.note import Checkpoint, Verifier
from hoopgate.recorder.prepared import content_end
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.recover import TORN_BYTES, hash_tail
from hoopgate.recorder.retention import Keeper
from hoopgate.recorder.segments import Scan, segment_numbers, segment_path
from hoopgate.recorder.tiles import WIDTH, tile_path, tile_width
from hoopgate.recorder.tree import frontier, perfect_root
from hoopgate.recorder.verify_segment import Chains, Part, check_segment, place_of

Progress = Callable[[int, int], object]
#: Segments that a process has before it: a log of any size takes the same memory.
_AHEAD = 2
_WORTH_PROCESSES = 20_000  #: leaves; fewer are checked before a process has begun


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
class _State:
    """What has been seen so far."""

    index: int = 0
    chains: Chains = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    keeper: Keeper = field(default_factory=Keeper)
    unwrapped: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsealed: dict[int, int] = field(default_factory=dict)  # segment → end of its records
    left: dict[int, int] = field(default_factory=dict)  # segment → first record left behind
    mono: int = 0


def verify_log(
    directory: Path,
    verifiers: Sequence[Verifier],
    progress: Progress = lambda done, total: None,
    processes: int = 1,
) -> Report:
    """Verify a log; what is above its checkpoint is counted only.

    :param processes: that check segments at a time.
    :raises BadNote: the checkpoint is malformed or no trusted key signed it.
    :raises BadLog: the first bad leaf.
    :raises OSError: a file cannot be read.
    """
    reader = LogReader(directory, verifiers)
    report = Report(reader.checkpoint)
    state = _State()
    last = 0
    for part in _parts(reader, processes):
        state.unsealed[part.number] = part.end
        if part.first < part.stop:
            _add(directory, part, state, report, reader)
            progress(state.index, reader.size)
        if part.left is not None:
            state.left[part.number] = part.left
        if part.above:
            report.above += part.above
            last = part.number
    if state.index < reader.size:
        raise _missing(reader, state.index)
    _check_tree(reader)
    for place in (p for id, p in state.unwrapped.items() if id not in state.keeper.purged):
        raise BadLog("the session's wrapped key is gone and no purge is recorded", **place)
    if (index := state.keeper.too_early()) is not None:
        raise BadLog(
            "it purges a recording before its retention ended, by a clock set ahead", index=index
        )
    report.running = len(state.chains)
    for number, end in state.unsealed.items():
        if number >= last:
            report.torn += content_end(segment_path(directory, number), end, TORN_BYTES) - end
    return report


def _ranges(directory: Path, size: int) -> list[tuple[int, int, int]]:
    """Number of each segment, and the leaves below ``size`` that it has to hold: up to the first
    one of the next segment. Whether that is so is seen when they are put together."""
    found: list[tuple[int, int, int]] = []
    stop = size
    for number in reversed(segment_numbers(directory)):
        first = _first_leaf(directory, number)
        if first is None:
            # Torn before its first record was whole. Or damaged: then leaves will be missing.
            found.append((number, size, size))
        else:
            # Where the next segment begins with the same leaf, this one was left behind whole.
            found.append((number, min(first, stop), stop))
            stop = min(first, stop)
    found.reverse()
    return found


def _first_leaf(directory: Path, number: int) -> int | None:
    try:
        for _, leaf, _ in Scan(directory, number):
            return int(decode(leaf)["index"])
    except BadLog:
        pass
    return None


def _parts(reader: LogReader, processes: int) -> Iterator[Part]:
    """The segments, checked, in order."""
    directory, size = reader.directory, reader.size
    ranges = _ranges(directory, size)
    processes = min(processes, len(ranges))
    if processes <= 1 or size < _WORTH_PROCESSES:
        for number, first, stop in ranges:
            yield check_segment(directory, number, first, stop, size, reader.tiles)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        ahead = []
        try:
            for number, first, stop in ranges:
                ahead.append(pool.submit(check_segment, directory, number, first, stop, size))
                if len(ahead) > _AHEAD * processes:
                    yield ahead.pop(0).result()
            while ahead:
                yield ahead.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def _missing(reader: LogReader, index: int) -> BadLog:
    entry = reader.tiles.bundle(index // WIDTH)[index % WIDTH]
    what = "its record in the segment is missing or damaged"
    try:
        return BadLog(what, **place_of(decode(entry), index))
    except BadLog:
        return BadLog(what, index=index)


def _add(directory: Path, part: Part, state: _State, report: Report, reader: LogReader) -> None:
    """Put a segment behind those before it."""
    leaf = part.began
    if part.first != state.index:
        raise _missing(reader, state.index)
    if leaf is None:
        assert part.bad is not None
        raise part.bad
    place = place_of(leaf, part.first)
    _check_sealed(directory, part, state, place)
    if leaf["type"] != "epoch.start" and leaf["mono"] < state.mono:
        # The node may have been booted before an epoch.
        raise BadLog("its monotonic time is before that of the leaf before it", **place)
    state.mono = part.mono
    wrong: list[BadLog] = []
    for id, opened in part.opened:
        if id in state.seen:
            wrong.append(BadLog("the session's id was used before", **opened))
            break
        state.seen.add(id)
    for kept, at in part.kept:
        if what := state.keeper.follow(kept):
            wrong.append(BadLog(what, **at))
            break
    if part.bad is not None:
        wrong.append(part.bad)
    if wrong:
        raise min(wrong, key=lambda error: -1 if error.index is None else error.index)
    state.chains = part.chains
    state.unwrapped.update(part.unwrapped)
    report.sessions += part.sessions
    report.crashed += part.crashed
    report.gaps += part.gaps
    report.payload_bytes += part.payload_bytes
    state.index = part.stop


def _check_sealed(directory: Path, part: Part, state: _State, place: dict[str, Any]) -> None:
    """The first leaf of a segment says which sessions run and how the segments before it ended."""
    if part.running != state.chains:
        raise BadLog("the segment begins with other open sessions", **place)
    ended = {n: end for n, end in state.unsealed.items() if n < part.number}
    ended |= state.left
    state.left.clear()
    for number, end, length, torn in part.sealed:
        path = segment_path(directory, number)
        place = {**place, "segment": number, "offset": end}
        if not path.exists():
            raise BadLog("the segment is missing", **place)
        if ended.pop(number, None) != end or path.stat().st_size != length:
            raise BadLog("the segment was cut off or appended to", **place)
        if length > end and b64encode(hash_tail(path, end, length)).decode() != torn:
            raise BadLog("the torn end of the segment was altered", **place)
    for number, end in ended.items():
        raise BadLog(
            "a segment that the log does not know", **{**place, "segment": number, "offset": end}
        )
    for number in [n for n in state.unsealed if n < part.number]:
        del state.unsealed[number]


def _check_tree(reader: LogReader) -> None:
    """The hashes above the leaves, the signed root, and the files of the right edge.

    Full tiles of leaves stand in the tiles above: that was checked with the leaves.
    """
    tiles, size = reader.tiles, reader.size
    level = 1
    while size >> 8 * (level + 1):
        for number in range(size >> 8 * (level + 1)):
            if tiles.tile(level + 1, number // WIDTH)[number % WIDTH] != perfect_root(
                tiles.tile(level, number)
            ):
                above = number // WIDTH
                path = tile_path(level + 1, above, tile_width(level + 1, above, size))
                raise BadLog(f"{path} was altered", index=number << 8 * (level + 1))
        level += 1
    if frontier(size, tiles.subtree).root() != reader.checkpoint.root:
        raise BadLog(f"the {size} leaves do not hash to the signed root")
    _check_files(reader.directory, tiles.edge().partials())


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
        if not 0 < number_of(name) < width:
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
