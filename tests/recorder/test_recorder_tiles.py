"""Tiles: paths and contents as c2sp.org/tlog-tiles has them, proofs out of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.tiles import (
    WIDTH,
    Edge,
    TileReader,
    bundle_path,
    encode_bundle,
    split_bundle,
    tile_path,
    tile_width,
)
from hoopgate.recorder.tree import (
    Frontier,
    frontier,
    inclusion_proof,
    leaf_hash,
    perfect_root,
    verify_inclusion,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (tile_path(0, 0), "tile/0/000"),
        (tile_path(3, 1234067), "tile/3/x001/x234/067"),
        (tile_path(1, 999, 7), "tile/1/999.p/7"),
        (tile_path(63, 1000, 255), "tile/63/x001/000.p/255"),
        (bundle_path(1234067), "tile/entries/x001/x234/067"),
        (bundle_path(5, 1), "tile/entries/005.p/1"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize(("level", "width"), [(64, 256), (-1, 256), (0, 0), (0, 257)])
def test_no_such_tile(level: int, width: int) -> None:
    with pytest.raises(ValueError, match="no tile"):
        tile_path(level, 0, width)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_a_bundle_is_its_entries(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert split_bundle(data, len(entries)) == entries
    for width in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(BadLog):
            split_bundle(data, width)


@given(st.binary(max_size=2000), st.integers(0, 256))
def test_arbitrary_bundles_end(data: bytes, width: int) -> None:
    try:
        assert encode_bundle(split_bundle(data, width)) == data
    except BadLog:
        pass


SIZE = 70_000
ENTRIES = [b"entry %d" % i for i in range(SIZE)]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The tiles of the specification's example: a tree of 70,000 leaves."""
    edge = Edge(0, [], [])
    for entry in ENTRIES:
        edge.append(entry, leaf_hash(entry))
    return {**edge.pending, **edge.partials()}


def test_the_example_of_the_specification(files: dict[str, bytes]) -> None:
    names = [name for name in files if "entries" not in name]
    full = [name for name in names if ".p/" not in name]
    assert len([n for n in full if n.startswith("tile/0/")]) == 273
    assert [n for n in full if not n.startswith("tile/0/")] == ["tile/1/000"]
    assert sorted(set(names) - set(full)) == [
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert all(len(files[n]) == 8192 for n in full)
    assert files["tile/2/000.p/1"] == perfect_root([leaf_hash(entry) for entry in ENTRIES[:65536]])


def read(files: dict[str, bytes], name: str) -> bytes:
    try:
        return files[name]
    except KeyError:
        raise FileNotFoundError(name) from None


def test_proofs_from_tiles(files: dict[str, bytes]) -> None:
    reader = TileReader(SIZE, lambda name: read(files, name))
    tree = Frontier()
    for entry in ENTRIES:
        tree.append(leaf_hash(entry))
    root = tree.root()
    assert frontier(SIZE, reader.subtree).root() == root
    for index in (0, 1, 255, 256, 65535, 65536, 69_887, 69_888, 69_999):
        proof = inclusion_proof(index, SIZE, reader.subtree)
        assert verify_inclusion(index, SIZE, leaf_hash(ENTRIES[index]), root, proof)
        assert reader.bundle(index // WIDTH)[index % WIDTH] == ENTRIES[index]


def test_a_full_tile_stands_in_for_the_partial_one_it_replaced(files: dict[str, bytes]) -> None:
    older = 1000  # its partial tile 0/003.p/232 has become 0/003
    tree = Frontier()
    for entry in ENTRIES[:older]:
        tree.append(leaf_hash(entry))
    reader = TileReader(older, lambda name: read(files, name))
    assert frontier(older, reader.subtree).root() == tree.root()
    assert reader.edge().entries == ENTRIES[768:1000]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_an_edge_that_is_read_again_goes_on(steps: list[int]) -> None:
    """Any sequence of checkpoints and restarts writes the same files."""
    disk: dict[str, bytes] = {}
    size = 0
    for step in steps:
        edge = TileReader(size, lambda name: read(disk, name)).edge()
        for entry in ENTRIES[size : size + step]:
            edge.append(entry, leaf_hash(entry))
        size += step
        disk.update(edge.pending)
        disk.update(edge.partials())
    once = Edge(0, [], [])
    for entry in ENTRIES[:size]:
        once.append(entry, leaf_hash(entry))
    final = {**once.pending, **once.partials()}
    assert {name: disk[name] for name in final} == final


@given(st.integers(0, 2**40), st.integers(0, 5), st.integers(0, 2**20))
def test_widths_add_up(size: int, level: int, number: int) -> None:
    width = tile_width(level, number, size)
    assert 0 <= width <= WIDTH
    assert (width > 0) == (size >> 8 * level > number * WIDTH)


def test_a_missing_or_malformed_tile_is_named(files: dict[str, bytes]) -> None:
    broken = {**files, "tile/0/007": files["tile/0/007"][:-1]}
    del broken["tile/entries/008"]
    reader = TileReader(SIZE, lambda name: read(broken, name))
    with pytest.raises(BadLog, match="tile/0/007"):
        reader.tile(0, 7)
    with pytest.raises(BadLog, match="tile/entries/008 is missing"):
        reader.bundle(8)
