"""The part of a log that proves a range of leaves: its bundles, and hashes up to the root.

It is a C2SP tlog-tiles directory with tiles missing, so that others' tools read it unmodified.
"""

from __future__ import annotations

from collections.abc import Iterator

from hoopgate.evidence.period import Selection
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.tiles import WIDTH, bundle_path, tile_path, tile_width
from hoopgate.recorder.tree import frontier, leaf_hash, perfect_root


def bundle_numbers(chosen: Selection, size: int) -> list[int]:
    """Numbers of the entry bundles that a selection needs."""
    numbers = set(range(chosen.first // WIDTH, chosen.last // WIDTH + 1))
    numbers |= {index // WIDTH for index in chosen.indices() if index < size}
    return sorted(numbers)


def tiles_of(chosen: Selection, size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of the hash tiles that prove the bundles: at the lowest level those
    of the bundles and the unfinished ones, above it all there are (a 255th of the log's hashes)."""
    level = 0
    while size >> 8 * level:
        count = ((size >> 8 * level) + WIDTH - 1) // WIDTH
        numbers: set[int] | range = range(count)
        if level == 0:
            numbers = {*bundle_numbers(chosen, size), count - 1}
            if chosen.witnessed % WIDTH:  # that is where its tree ends
                numbers.add(chosen.witnessed // WIDTH)
        for number in sorted(numbers):
            yield level, number, tile_width(level, number, size)
        level += 1


def provable(chosen: Selection, size: int, smaller: int) -> bool:
    """True when these tiles prove the first ``smaller`` leaves' root, too."""
    numbers = {number for level, number, _ in tiles_of(chosen, size) if level == 0}
    return 0 < smaller <= size and (smaller % WIDTH == 0 or smaller // WIDTH in numbers)


def paths_of(chosen: Selection, size: int) -> Iterator[str]:
    """Names of all tiles and entry bundles."""
    for number in bundle_numbers(chosen, size):
        yield bundle_path(number, min(WIDTH, size - number * WIDTH))
    for level, number, width in tiles_of(chosen, size):
        yield tile_path(level, number, width)


def check_tree(log: LogReader, chosen: Selection) -> None:
    """The bundles hash to their tiles, each full tile to its place in the tile above, and all to
    the signed root.

    :raises BadLog: they do not.
    """
    size = log.size
    for level, number, width in tiles_of(chosen, size):
        hashes = log.tiles.tile(level, number)
        if width < WIDTH or not size >> 8 * (level + 1):
            continue
        above = log.tiles.tile(level + 1, number // WIDTH)
        if above[number % WIDTH] != perfect_root(hashes):
            path = tile_path(level, number)
            raise BadLog(f"{path} does not hash to the tile above", index=number << 8 * (level + 1))
    if frontier(size, log.tiles.subtree).root() != log.checkpoint.root:
        raise BadLog(f"the tiles of {size} leaves do not hash to the signed root")
    for number in bundle_numbers(chosen, size):
        hashes = log.tiles.tile(0, number)
        for at, (entry, hashed) in enumerate(zip(log.tiles.bundle(number), hashes, strict=True)):
            if leaf_hash(entry) != hashed:
                raise BadLog("entry bundle and hash tile disagree", index=number * WIDTH + at)
