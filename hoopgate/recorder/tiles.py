"""The files of a tiled log (c2sp.org/tlog-tiles): their names, their contents, their right edge."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.tree import HASH_BYTES, leaf_hash, perfect_root

WIDTH = 256  #: hashes in a full tile, entries in a full bundle
ENTRY_BYTES = 65_535  #: an entry's length is a u16
CHECKPOINT = "checkpoint"


def _number_path(number: int) -> str:
    """``1234067`` → ``x001/x234/067``."""
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03d}")
    return "/".join(reversed(parts))


def _path(kind: str, number: int, width: int) -> str:
    if not 1 <= width <= WIDTH:
        raise ValueError(f"no tile is {width} wide")
    path = f"tile/{kind}/{_number_path(number)}"
    return path if width == WIDTH else f"{path}.p/{width}"


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Path of a hash tile; ``level`` counts tiles of height 8."""
    if not 0 <= level <= 63:
        raise ValueError(f"no tile has level {level}")
    return _path(str(level), number, width)


def bundle_path(number: int, width: int = WIDTH) -> str:
    """Path of an entry bundle."""
    return _path("entries", number, width)


def partial_directory(path: str) -> str:
    """The directory of the partial tiles that the full tile ``path`` makes superfluous."""
    return f"{path}.p"


def tile_width(level: int, number: int, size: int) -> int:
    """Hashes that tile ``number`` of ``level`` holds in a tree of ``size`` leaves (0 = none)."""
    return max(0, min(WIDTH, (size >> 8 * level) - number * WIDTH))


def split_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile.

    :raises BadLog: not exactly ``width`` hashes.
    """
    if len(data) != width * HASH_BYTES:
        raise BadLog(f"a tile of width {width} has {len(data)} bytes")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length as a big-endian u16."""
    return b"".join(part for e in entries for part in (len(e).to_bytes(2, "big"), e))


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle.

    :raises BadLog: cut off, or not exactly ``width`` entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or len(entries) == width:
            raise BadLog(f"an entry bundle of width {width} is malformed")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise BadLog(f"an entry bundle of width {width} has {len(entries)} entries")
    return entries


class Edge:
    """The unfinished tile of each level and the unfinished bundle: all that appending needs.

    ``pending`` collects the files that the next checkpoint must write: path → content.
    """

    def __init__(self, size: int, levels: list[list[bytes]], entries: list[bytes]) -> None:
        self.size = size
        self.levels = levels
        self.entries = entries
        self.pending: dict[str, bytes] = {}
        self.finished: list[str] = []  #: full tiles since the last checkpoint

    def append(self, entry: bytes, hashed: bytes) -> None:
        """Add a leaf: its data and its hash."""
        number = self.size // WIDTH
        self.size += 1
        self.entries.append(entry)
        if len(self.entries) == WIDTH:
            self._finish(bundle_path(number), encode_bundle(self.entries))
            self.entries = []
        level = 0
        while True:
            if level == len(self.levels):
                self.levels.append([])
            hashes = self.levels[level]
            hashes.append(hashed)
            if len(hashes) < WIDTH:
                return
            self._finish(tile_path(level, number), b"".join(hashes))
            hashed = perfect_root(hashes)
            self.levels[level] = []
            level += 1
            number //= WIDTH

    def _finish(self, path: str, content: bytes) -> None:
        self.pending[path] = content
        self.finished.append(path)

    def partials(self) -> dict[str, bytes]:
        """The partial tiles and the partial bundle of the present size."""
        files: dict[str, bytes] = {}
        if self.entries:
            path = bundle_path(self.size // WIDTH, len(self.entries))
            files[path] = encode_bundle(self.entries)
        for level, hashes in enumerate(self.levels):
            if hashes:
                number = self.size >> 8 * (level + 1)
                files[tile_path(level, number, len(hashes))] = b"".join(hashes)
        return files


class TileReader:
    """Hashes of a tree of ``size`` leaves, read from its tiles; a few tiles are cached."""

    def __init__(self, size: int, read: Callable[[str], bytes], cached: int = 64) -> None:
        self.size = size
        self._read = read
        self._cached = cached
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._bundle: tuple[int, list[bytes]] = (-1, [])  # the last one

    def _load(self, path_of: Callable[[int], str], width: int) -> tuple[bytes, bool]:
        """A file of the given width, or the full one that has replaced it."""
        try:
            return self._read(path_of(width)), True
        except FileNotFoundError:
            if width == WIDTH:
                raise
            return self._read(path_of(WIDTH)), False

    def tile(self, level: int, number: int) -> list[bytes]:
        """The hashes of a tile, as many as the tree's size implies.

        :raises BadLog: missing or malformed.
        """
        key = (level, number)
        hashes = self._cache.get(key)
        if hashes is None:
            width = tile_width(level, number, self.size)
            path = tile_path(level, number, width)
            try:
                data, exact = self._load(lambda w: tile_path(level, number, w), width)
                hashes = split_tile(data, width if exact else WIDTH)[:width]
            except FileNotFoundError:
                raise BadLog(f"{path} is missing", index=number << 8 * (level + 1)) from None
            except BadLog as error:
                raise BadLog(f"{path}: {error.what}", index=number << 8 * (level + 1)) from None
            self._cache[key] = hashes
            if len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        return hashes

    def bundle(self, number: int) -> list[bytes]:
        """The entries of a bundle, as many as the tree's size implies.

        :raises BadLog: missing or malformed.
        """
        if self._bundle[0] == number:
            return self._bundle[1]
        width = tile_width(0, number, self.size)
        try:
            data, exact = self._entries(number, width)
            self._bundle = number, split_bundle(data, width if exact else WIDTH)[:width]
            return self._bundle[1]
        except BadLog as error:
            path = bundle_path(number, width)
            raise BadLog(f"{path}: {error.what}", index=number * WIDTH) from None

    def holds(self, number: int, needle: bytes) -> bool:
        """Whether a bundle's file has ``needle`` anywhere: most are told apart so, unsplit.

        :raises BadLog: missing.
        """
        return needle in self._entries(number, tile_width(0, number, self.size))[0]

    def _entries(self, number: int, width: int) -> tuple[bytes, bool]:
        try:
            return self._load(lambda w: bundle_path(number, w), width)
        except FileNotFoundError:
            missing = f"{bundle_path(number, width)} is missing"
            raise BadLog(missing, index=number * WIDTH) from None

    def subtree(self, level: int, index: int) -> bytes:
        """Hash of a perfect subtree, see :data:`hoopgate.recorder.tree.Subtree`."""
        height = level % 8
        first = index << height
        hashes = self.tile(level // 8, first // WIDTH)
        start = first % WIDTH
        return perfect_root(hashes[start : start + (1 << height)])

    def edge(self) -> Edge:
        """The right edge of the tree, to append to.

        :raises BadLog: a file is missing, or the last bundle does not hash to its tile.
        """
        levels: list[list[bytes]] = []
        level = 0
        while self.size >> 8 * level:
            number = self.size >> 8 * (level + 1)
            partial = tile_width(level, number, self.size)
            levels.append(list(self.tile(level, number)) if partial else [])
            level += 1
        entries: list[bytes] = []
        if self.size % WIDTH:
            number = self.size // WIDTH
            entries = list(self.bundle(number))
            for at, (entry, hashed) in enumerate(zip(entries, levels[0], strict=True)):
                if leaf_hash(entry) != hashed:
                    raise BadLog("entry bundle and tile disagree", index=number * WIDTH + at)
        return Edge(self.size, levels, entries)
