"""The Merkle tree against the definitions of RFC 6962 and its published test vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.recorder.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    frontier,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    verify_consistency,
    verify_inclusion,
)

# Test data of the Certificate Transparency project (merkletree/merkle_tree_test.cc).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(mth(hashes[:k]), mth(hashes[k:]))


def path(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962 2.1.1."""
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def proof(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962 2.1.2."""

    def subproof(m: int, hashes: list[bytes], whole: bool) -> list[bytes]:
        if m == len(hashes):
            return [] if whole else [mth(hashes)]
        k = 1 << (len(hashes) - 1).bit_length() - 1
        if m <= k:
            return [*subproof(m, hashes[:k], whole), mth(hashes[k:])]
        return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]

    return subproof(m, hashes, True)


class Tree:
    """The subtree callable over hashes in memory."""

    def __init__(self, size: int) -> None:
        self.hashes = [leaf_hash(b"%d" % i) for i in range(size)]

    def __call__(self, level: int, index: int) -> bytes:
        found = self.hashes[index << level : (index + 1) << level]
        assert len(found) == 1 << level, "not a perfect subtree of this tree"
        return perfect_root(found)


def test_published_roots() -> None:
    tree = Frontier()
    assert tree.root() == EMPTY_ROOT
    for data, root in zip(INPUTS, ROOTS, strict=True):
        tree.append(leaf_hash(data))
        assert tree.root().hex() == root


def test_published_inclusion_proof() -> None:
    tree = Tree(0)
    tree.hashes = [leaf_hash(data) for data in INPUTS]
    assert [h.hex() for h in inclusion_proof(5, 8, tree)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_proof_of_every_small_tree() -> None:
    for size in range(1, 34):
        tree = Tree(size)
        root = mth(tree.hashes)
        assert frontier(size, tree).root() == root
        for index, leaf in enumerate(tree.hashes):
            found = inclusion_proof(index, size, tree)
            assert found == path(index, tree.hashes)
            assert verify_inclusion(index, size, leaf, root, found)
        for old in range(size + 1):
            found = consistency_proof(old, size, tree)
            assert found == (proof(old, tree.hashes) if old > 0 else [])
            assert verify_consistency(old, size, mth(tree.hashes[:old]), root, found)


BIG = Tree(3000)


@given(st.data())
def test_proofs_verify_and_nothing_else_does(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(BIG.hashes)))
    index = data.draw(st.integers(0, size - 1))
    root = mth(BIG.hashes[:size])
    leaf = BIG.hashes[index]
    found = inclusion_proof(index, size, BIG)
    assert verify_inclusion(index, size, leaf, root, found)
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
    assert not verify_inclusion(other, size, leaf, root, found)
    assert not verify_inclusion(index, size, leaf, root, found[:-1])
    assert not verify_inclusion(index, size, leaf, root, [*found, found[0]])
    at = data.draw(st.integers(0, len(found) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(found[at], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not verify_inclusion(index, size, leaf, root, [*found[:at], flipped, *found[at + 1 :]])


@given(st.data())
def test_consistency_proofs_verify_and_nothing_else_does(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, len(BIG.hashes)))
    old = data.draw(st.integers(1, new - 1))
    roots = mth(BIG.hashes[:old]), mth(BIG.hashes[:new])
    found = consistency_proof(old, new, BIG)
    assert verify_consistency(old, new, *roots, found)
    assert not verify_consistency(old, new, roots[1], roots[0], found)
    assert not verify_consistency(old, new, leaf_hash(b"fork"), roots[1], found)
    assert not verify_consistency(old, new, *roots, [*found, roots[0]])
    if found:
        assert not verify_consistency(old, new, *roots, found[1:])


@given(
    st.integers(-2, 300),
    st.integers(-2, 300),
    st.lists(st.binary(min_size=32, max_size=32), max_size=12),
)
def test_verifiers_survive_anything(first: int, size: int, hashes: list[bytes]) -> None:
    some = leaf_hash(b"x")
    assert not verify_inclusion(first, size, some, leaf_hash(b"y"), hashes)
    verify_consistency(first, size, some, leaf_hash(b"y"), hashes)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_proof_of_a_leaf_outside(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(index, size, BIG)
