"""One segment of a log against its bundles and tiles: what can be checked without the others.

A segment's first leaf says which sessions run and where their chains are, so segments are checked
side by side, and :mod:`hoopgate.recorder.verify` puts them together.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_base64
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import CHUNK, LEAF_BYTES, Leaf, decode, hash_of
from hoopgate.recorder.recover import segment_state
from hoopgate.recorder.segments import HEADER_BYTES, Scan
from hoopgate.recorder.tiles import WIDTH, TileReader, tile_path, tile_width
from hoopgate.recorder.tree import leaf_hash, perfect_root
from hoopgate.recorder.wraps import wrap_path

#: Of leaves that say something about how long recordings are kept.
_KEPT = frozenset({"session.close", "epoch.start", "admin", "purge"})

Chains = dict[str, tuple[int, str]]  #: session → next sequence number, previous leaf's hash
Record = tuple[int, bytes, bytes]  #: offset, leaf, payload


@dataclass(slots=True)
class Part:
    """What was found in one segment.

    :ivar first: index of its first leaf; ``stop``: of the one behind its last.
    :ivar began: the first leaf; None: there is none, or it is bad.
    :ivar running: the chains that the first leaf names; ``sealed``: the segments that it seals.
    :ivar chains: the chains at the end.
    :ivar opened: sessions that began, ``kept``: leaves for a :class:`~.retention.Keeper`, each with
        its place.
    :ivar unwrapped: sessions whose wrap is not there.
    :ivar mono: monotonic time of the last leaf.
    :ivar end: where the records end; ``left``: where those begin that the log left behind.
    :ivar above: records above the checkpoint.
    :ivar bad: the first bad leaf.
    """

    number: int
    first: int
    stop: int
    began: Leaf | None = None
    running: Chains = field(default_factory=dict)
    sealed: list[tuple[int, int, int, str]] = field(default_factory=list)
    chains: Chains = field(default_factory=dict)
    opened: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    kept: list[tuple[Leaf, dict[str, Any]]] = field(default_factory=list)
    unwrapped: dict[str, dict[str, Any]] = field(default_factory=dict)
    mono: int = 0
    end: int = 0
    left: int | None = None
    above: int = 0
    sessions: int = 0
    crashed: int = 0
    gaps: int = 0
    payload_bytes: int = 0
    bad: BadLog | None = None


def place_of(leaf: Leaf, index: int) -> dict[str, Any]:
    """Where a leaf says that it is, for a :class:`BadLog`."""
    return {
        "session": leaf["session"],
        "segment": leaf["segment"],
        "offset": leaf["offset"],
        "index": index,
    }


def check_segment(
    directory: Path, number: int, first: int, stop: int, size: int, tiles: TileReader | None = None
) -> Part:
    """Check the leaves ``first`` to ``stop`` of a log of ``size`` leaves, which this segment holds.

    :raises OSError: a file cannot be read. What is bad is in the result.
    """
    if tiles is None:
        tiles = TileReader(size, lambda name: read_whole(f"{directory}/{name}"))
    checking = _Checking(directory, Part(number, first, stop), tiles)
    try:
        checking.run()
    except BadLog as error:
        checking.part.bad = error
    return checking.part


@final
class _Checking:
    def __init__(self, directory: Path, part: Part, tiles: TileReader) -> None:
        self.part = part
        self._directory = directory
        self._tiles = tiles

    def run(self) -> None:
        part = self.part
        records = Scan(self._directory, part.number)
        iterator = iter(records)
        index = part.first
        try:
            while index < part.stop:
                index = self._tile(index, iterator)
            for offset, _, _ in iterator:
                if part.stop == self._tiles.size:
                    part.above += 1
                elif part.left is None:
                    part.left = offset
        finally:
            part.end = records.end

    def _tile(self, index: int, records: Any) -> int:
        """The leaves from ``index`` on that are in one tile; the index behind the last."""
        part, tiles = self.part, self._tiles
        number = index // WIDTH
        hashes = tiles.tile(0, number)
        entries = tiles.bundle(number)
        chains = part.chains
        segment = b"%d" % part.number
        end = min(part.stop, (number + 1) * WIDTH)
        for at in range(index, end):
            entry = entries[at % WIDTH]
            hashed = sha256(b"\0" + entry).digest()
            record: Record | None = next(records, None)
            if record is None or record[1] != entry or hashed != hashes[at % WIDTH]:
                raise _differ(at, entry, hashed, hashes[at % WIDTH], record, part.number)
            offset, _, payload = record
            found = CHUNK.match(entry)
            if found is not None and len(entry) <= LEAF_BYTES:
                # The short way for nearly all of them; what does not fit goes the long way, which
                # says why.
                hash_, indexed, length, mono, placed, prev, numbered, seq, session = found.group(
                    3, 5, 6, 7, 8, 9, 10, 11, 12
                )
                id = session.decode()
                chain = chains.get(id)
                when = int(mono)
                if (
                    chain is not None
                    and int(indexed) == at
                    and int(placed) == offset
                    and numbered == segment
                    and int(length) == len(payload)
                    and int(seq) == chain[0]
                    and prev.decode() == chain[1]
                    and when >= part.mono
                    and hash_ == b2a_base64(sha256(payload).digest(), newline=False)
                ):
                    part.mono = when
                    part.payload_bytes += len(payload)
                    chains[id] = (
                        chain[0] + 1,
                        b2a_base64(hashed, newline=False).decode("ascii"),
                    )
                    continue
            self._leaf(at, entry, hashed, record)
        if end % WIDTH == 0:
            self._above(number, hashes)
        return end

    def _above(self, number: int, hashes: list[bytes]) -> None:
        """A full tile's hash stands in the tile above."""
        size = self._tiles.size
        if self._tiles.tile(1, number // WIDTH)[number % WIDTH] != perfect_root(hashes):
            above = number // WIDTH
            path = tile_path(1, above, tile_width(1, above, size))
            raise BadLog(f"{path} was altered", index=number * WIDTH)

    def _leaf(self, at: int, entry: bytes, hashed: bytes, record: Record) -> None:
        part = self.part
        leaf = decode(entry)
        place = place_of(leaf, at)
        offset, _, payload = record
        if leaf["index"] != at:
            raise BadLog("the leaf belongs to another place", **place)
        if (part.number, offset) != (leaf["segment"], leaf["offset"]):
            raise BadLog("its record in the segment is missing or damaged", **place)
        if len(payload) != leaf["length"]:
            raise BadLog("the payload has another length", **place)
        if payload and sha256(payload).digest() != hash_of(leaf, "hash"):
            raise BadLog("the payload is not the one its leaf names", **place)
        if offset == HEADER_BYTES:
            part.running, part.sealed = segment_state(leaf, payload, place)
            part.chains.update(part.running)
            part.began = leaf
        self._chain(leaf, hashed, place)

    def _chain(self, leaf: Leaf, hashed: bytes, place: dict[str, Any]) -> None:
        part = self.part
        id, type = leaf["session"], leaf["type"]
        if leaf["mono"] < part.mono:
            raise BadLog("its monotonic time is before that of the leaf before it", **place)
        part.mono = leaf["mono"]
        if type in ("session.open", "epoch.start"):
            if type == "session.open" and (
                part.began is None or part.began["session"] not in part.chains
            ):
                raise BadLog("the session begins after the end of its epoch", **place)
            part.opened.append((id, place))
            part.sessions += type == "session.open"
            part.chains[id] = (0, "")
            self._wrap(leaf, place)
        chain = part.chains.get(id)
        if chain is None:
            raise BadLog("the session is not open", **place)
        if (leaf["seq"], leaf["prev"]) != chain:
            raise BadLog("the leaf does not follow the session's last one", **place)
        part.chains[id] = (chain[0] + 1, b64encode(hashed).decode())
        part.payload_bytes += leaf["length"]
        if type == "session.close":
            if leaf.get("last_seq") != leaf["seq"] - 1:
                raise BadLog("the session's last sequence number is wrong", **place)
            del part.chains[id]
            part.crashed += leaf.get("reason") == "crash"
        elif type == "gap.recovered":
            part.gaps += 1
        if type in _KEPT:
            part.kept.append((leaf, place))

    def _wrap(self, leaf: Leaf, place: dict[str, Any]) -> None:
        try:
            wrap = read_whole(wrap_path(self._directory, leaf["session"]))
        except FileNotFoundError:
            self.part.unwrapped[leaf["session"]] = place
            return
        if hash_of(leaf, "wrap") != sha256(wrap).digest():
            raise BadLog("the session's wrapped key was altered", **place)


def _differ(
    index: int, entry: bytes, hashed: bytes, tile: bytes, record: Record | None, segment: int
) -> BadLog:
    """Which of a leaf's copies was altered: bundle, tile and segment each have one."""
    good, what = entry, ""
    if hashed != tile:
        what = "entry bundle and hash tile disagree"
        if record is not None and leaf_hash(record[1]) == tile:
            good, what = record[1], "the leaf in the entry bundle was altered"
        elif record is not None and record[1] == entry:
            what = "the leaf's hash in the tile was altered"
    try:
        leaf = decode(good)
    except BadLog as error:
        return BadLog(what or error.what, index=index)
    place = place_of(leaf, index)
    if what:
        return BadLog(what, **place)
    if leaf["index"] != index:
        return BadLog("the leaf belongs to another place", **place)
    if record is None or (segment, record[0]) != (leaf["segment"], leaf["offset"]):
        return BadLog("its record in the segment is missing or damaged", **place)
    return BadLog("the segment holds another leaf", **place)
