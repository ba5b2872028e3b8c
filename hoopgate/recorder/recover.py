"""What a start finds: the log up to its checkpoint, verified, and the durable tail above it."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from hoopgate.recorder.commit import Stream
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import open_file, read_whole
from hoopgate.recorder.leaf import Leaf, decode, hash_of
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.prepared import content_end
from hoopgate.recorder.segments import (
    Scan,
    quarantined,
    segment_name,
    segment_numbers,
    segment_path,
)
from hoopgate.recorder.tiles import WIDTH, Edge, TileReader
from hoopgate.recorder.tree import Frontier, frontier, leaf_hash

TORN_BYTES = 2**30  #: of a commit that a crash tore, and of zeros behind it, at most
#: A log without a checkpoint ended during its very first start: it can hold nothing else.
_FIRST = frozenset({"epoch.start", "segment.start", "gap.recovered", "session.close"})


@dataclass(slots=True)
class Recovered:
    """:ivar size: leaves under the checkpoint.
    :ivar tail: durable leaves above the checkpoint with their hashes.
    :ivar open: sessions that were opened and not closed.
    :ivar sealed: how the segments ended, see ``Appender.first``.
    :ivar gaps: segment, offset and length of what was torn.
    :ivar zeros: the last segment, and where it ends before zeros that were prepared for more.
    """

    edge: Edge
    tree: Frontier
    size: int
    tail: list[tuple[bytes, bytes]] = field(default_factory=list)
    open: dict[str, Stream] = field(default_factory=dict)
    sealed: list[list[object]] = field(default_factory=list)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)
    next_segment: int = 1
    node: str = ""  #: the node's own chain
    unsigned_epoch: bool = False
    zeros: tuple[Path, int] | None = None


def recover(
    directory: Path, checkpoint: Checkpoint | None, heads: Sequence[tuple[str, Checkpoint]] = ()
) -> Recovered:
    """Read the log and check it from the checkpoint on.

    :param heads: checkpoints that this log had before, kept outside its directory, and where.
    :raises BadLog: the log is not what was signed.
    :raises OSError: it cannot be read.
    """
    size = checkpoint.size if checkpoint else 0
    reader = TileReader(size, lambda name: read_whole(directory / name))
    tree = frontier(size, reader.subtree)
    if checkpoint and tree.root() != checkpoint.root:
        raise BadLog(f"the tiles of {size} leaves do not hash to the signed root")
    for place, head in heads:
        if head.size <= size and frontier(head.size, reader.subtree).root() != head.root:
            raise BadLog(
                f"the log's first {head.size} leaves are not those it had before ({place})"
            )
    found = Recovered(reader.edge(), tree, size)
    first = 1
    if size:
        last = decode(reader.bundle((size - 1) // WIDTH)[-1])
        first = int(last["segment"])
    numbers = [n for n in segment_numbers(directory) if n >= first]
    if size and numbers[:1] != [first]:
        raise BadLog("the segment is missing", index=size - 1, segment=first)
    index: int | None = None
    for number in numbers:
        index = _scan(directory, number, reader, found, index, number == numbers[-1])
    if size and (index is None or index < size):
        raise BadLog("the segments end before the checkpoint does", index=index, segment=first)
    if checkpoint is None:
        for leaf, _ in found.tail:
            if decode(leaf)["type"] not in _FIRST:
                raise BadLog("the log has sessions and no checkpoint")
    for place, head in heads:
        if head.size > size:
            _check_head(place, head, found)
    found.next_segment = numbers[-1] + 1 if numbers else 1
    return found


def _check_head(place: str, head: Checkpoint, found: Recovered) -> None:
    """A crash between head and checkpoint leaves the head ahead: by leaves that are durable."""
    durable = found.size + len(found.tail)
    if head.size > durable:
        raise BadLog(
            f"the log has {durable} leaves; it had {head.size} before ({place}): it is rolled back"
        )
    tree = Frontier(found.size, found.tree.hashes)
    for _, hashed in found.tail[: head.size - found.size]:
        tree.append(hashed)
    if tree.root() != head.root:
        raise BadLog(f"the log's first {head.size} leaves are not those it had before ({place})")


def _scan(
    directory: Path,
    number: int,
    reader: TileReader,
    found: Recovered,
    index: int | None,
    last: bool,
) -> int | None:
    """Read one segment; the index that its successor goes on with."""
    path = segment_path(directory, number)
    _from_disk(path)
    scan = Scan(directory, number, quarantined(directory, number))
    empty = True
    for offset, data, payload in scan:
        place: dict[str, Any] = {"segment": number, "offset": offset}
        leaf = decode(data)
        if empty:
            _first_leaf(leaf, payload, found, place)
            if index is None and found.size == 0 and leaf["index"] != 0:
                raise BadLog("the first segments are missing", index=0)
        expected = leaf["index"] if index is None else index
        hashed = leaf_hash(data)
        if (leaf["index"], leaf["segment"], leaf["offset"]) != (expected, number, offset):
            raise BadLog("the leaf belongs to another place", index=expected, **place)
        if empty:
            found.node = leaf["session"]
        if expected < reader.size:
            if reader.tile(0, expected // WIDTH)[expected % WIDTH] != hashed:
                raise BadLog("the segment's leaf is not the one signed", index=expected, **place)
        else:
            _may_follow(leaf, found, {"index": expected, **place})
            found.tail.append((data, hashed))
        _follow(leaf, hashed, found.open, place)
        index = expected + 1
        empty = False
    length = path.stat().st_size
    torn = ""
    if length > scan.end:
        if index is not None and index < reader.size:
            raise BadLog("the record is damaged", index=index, segment=number, offset=scan.end)
        if length - scan.end > TORN_BYTES:
            what = f"{length - scan.end} bytes are no records: no crash leaves that many"
            raise BadLog(what, segment=number, offset=scan.end)
        if last and (end := content_end(path, scan.end, TORN_BYTES)) < length:
            found.zeros, length = (path, end), end
    if length > scan.end:
        found.gaps.append((number, scan.end, length - scan.end))
        torn = b64encode(hash_tail(path, scan.end, length)).decode()
    found.sealed.append([number, scan.end, length, torn])
    return index


def _may_follow(leaf: Leaf, found: Recovered, place: dict[str, Any]) -> None:
    """What nobody has signed yet is what a crash left, or what somebody wrote. A node signs the
    beginning of its epoch before it takes a session, and takes none after the end."""
    found.unsigned_epoch |= leaf["type"] == "epoch.start"
    if found.size and found.unsigned_epoch and leaf["type"] not in _FIRST:
        raise BadLog("it is of an epoch whose beginning was never signed", **place)
    if leaf["type"] == "session.open" and found.node not in found.open:
        raise BadLog("the session begins after the end of its epoch", **place)


def _from_disk(path: Path) -> None:
    """Make the next reads come from the disk: after a failed fsync the page cache shows data that
    is not on it."""
    fd, _ = open_file(path)
    try:
        os.fdatasync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def hash_tail(path: Path, offset: int, end: int) -> bytes:
    """SHA-256 of a file from ``offset`` to ``end``."""
    digest = sha256()
    fd, _ = open_file(path)
    with open(fd, "rb") as file:
        file.seek(offset)
        while block := file.read(min(2**20, end - file.tell())):
            digest.update(block)
    return digest.digest()


def _first_leaf(leaf: Leaf, payload: bytes, found: Recovered, place: dict[str, Any]) -> None:
    """A segment's first leaf names the open sessions and seals the segments before it."""
    running, _ = segment_state(leaf, payload, place)
    found.open = {id: Stream(id, None, seq, prev) for id, (seq, prev) in running.items()}
    found.sealed.clear()
    found.gaps.clear()


def _follow(leaf: Leaf, hashed: bytes, running: dict[str, Stream], place: dict[str, Any]) -> None:
    id = leaf["session"]
    stream = running.get(id)
    if stream is None:
        if leaf["type"] not in ("session.open", "epoch.start") or leaf["seq"]:
            raise BadLog("the session is not open", session=id, **place)
        stream = running[id] = Stream(id, None)
    if (leaf["seq"], leaf["prev"]) != (stream.seq, stream.prev):
        raise BadLog("the leaf does not follow the session's last one", session=id, **place)
    stream.seq += 1
    stream.prev = b64encode(hashed).decode()
    if leaf["type"] == "session.close":
        del running[id]


def segment_state(
    leaf: Leaf, payload: bytes, place: dict[str, Any]
) -> tuple[dict[str, tuple[int, str]], list[tuple[int, int, int, str]]]:
    """What a segment's first record says: open sessions (id → next sequence, previous hash), and
    how earlier segments ended.

    :raises BadLog: it is not a segment's first record.
    """
    if leaf["type"] not in ("epoch.start", "segment.start"):
        raise BadLog(f"{segment_name(leaf['segment'])} does not begin as a segment does", **place)
    if hash_of(leaf, "hash") != sha256(payload).digest():
        raise BadLog("the payload is not the one its leaf names", **place)
    try:
        state = json.loads(payload)
        running = {str(id): (int(seq), str(prev)) for id, (seq, prev) in state["open"].items()}
        sealed = [(int(n), int(end), int(size), str(h)) for n, end, size, h in state["sealed"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadLog("the payload is malformed", **place) from None
    return running, sealed
