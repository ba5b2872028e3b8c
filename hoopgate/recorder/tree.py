"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1): hashes, roots and proofs.

Pure functions over 32-byte SHA-256 hashes, typed so that mypyc can compile them. A tree is never
held: :class:`Frontier` keeps the roots of its perfect subtrees, and proofs are made from a
callable that gives the hash of any perfect subtree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32

#: Root of the tree without leaves: the hash of the empty string.
EMPTY_ROOT = sha256(b"").digest()

#: ``subtree(level, index)``: hash of the perfect subtree over the leaves
#: ``[index << level, (index + 1) << level)``.
Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf's data, domain-separated from inner nodes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Root over ``hashes``; their number is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [
            sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)
        ]
    return level[0]


class Frontier:
    """The compact range ``[0, size)``: one hash per perfect subtree, the largest first."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError("a frontier has one hash per bit set in its size")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        hashes = self.hashes
        size = self.size
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Root hash of the tree so far."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def frontier(size: int, subtree: Subtree) -> Frontier:
    """The frontier of a tree of ``size`` leaves."""
    hashes: list[bytes] = []
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            hashes.append(subtree(level, start >> level))
            start += 1 << level
    return Frontier(size, hashes)


def _range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """``MTH(D[start:end])``; ``start`` is a multiple of a power of two not below its width."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return subtree(level, start >> level)
    split = 1 << (width - 1).bit_length() - 1
    return node_hash(
        _range_hash(start, start + split, subtree), _range_hash(start + split, end, subtree)
    )


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """``PATH(index, D[0:size])`` of RFC 6962 2.1.1: from the leaf's sibling up.

    :raises ValueError: ``index`` is not below ``size``.
    """
    if not 0 <= index < size:
        raise ValueError(f"the tree of {size} leaves has no leaf {index}")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        split = start + (1 << (end - start - 1).bit_length() - 1)
        if index < split:
            path.append(_range_hash(split, end, subtree))
            end = split
        else:
            path.append(_range_hash(start, split, subtree))
            start = split
    path.reverse()
    return path


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """``PROOF(old, D[0:new])`` of RFC 6962 2.1.2.

    :raises ValueError: unless ``0 <= old <= new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no consistency proof from {old} to {new} leaves")
    if old in (0, new):
        return []
    start, end = 0, new
    proof: list[bytes] = []
    while end != old:
        split = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= split:
            proof.append(_range_hash(split, end, subtree))
            end = split
        else:
            proof.append(_range_hash(start, split, subtree))
            start = split
    if start:
        proof.append(_range_hash(start, end, subtree))
    proof.reverse()
    return proof


def verify_inclusion(
    index: int, size: int, leaf: bytes, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Check an inclusion proof (RFC 9162 2.1.3.2). ``leaf`` is the leaf's hash."""
    if not 0 <= index < size:
        return False
    position, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and computed == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Check a consistency proof (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            older = node_hash(sibling, older)
            newer = node_hash(sibling, newer)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and older == old_root and newer == new_root
