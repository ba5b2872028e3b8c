"""A log as it lies on the disk, read only: its checkpoint, leaves and payloads.

Safe beside a running gateway: only what a signed checkpoint covers is read, and that no longer
changes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import Leaf, decode, hash_of
from hoopgate.recorder.note import Verifier, open_checkpoint
from hoopgate.recorder.segments import read_record
from hoopgate.recorder.tiles import CHECKPOINT, WIDTH, TileReader
from hoopgate.recorder.tree import inclusion_proof, leaf_hash, verify_inclusion

UNSIGNED = "the leaves are not those that were signed: run 'hoopgate audit verify'"


class LogReader:
    """The log in ``directory`` up to its present checkpoint.

    :raises BadNote: no trusted key signed the checkpoint.
    :raises OSError: there is none, or it cannot be read.
    """

    def __init__(self, directory: Path, verifiers: Sequence[Verifier]) -> None:
        self.directory = directory
        self.verifiers = tuple(verifiers)
        self.note = read_whole(directory / CHECKPOINT)
        self.checkpoint = open_checkpoint(self.note, verifiers)
        self.size = self.checkpoint.size
        self.tiles = TileReader(self.size, lambda name: read_whole(f"{directory}/{name}"))

    def bundles(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, list[bytes]]]:
        """Index of the first entry, and the entries, of each bundle that has one in this range."""
        stop = self.size if end is None else min(end, self.size)
        for number in range(start // WIDTH, (stop + WIDTH - 1) // WIDTH):
            yield number * WIDTH, self.tiles.bundle(number)

    def leaves(
        self, containing: bytes = b"", start: int = 0, end: int | None = None
    ) -> Iterator[tuple[Leaf, bytes]]:
        """Leaves in order, those alone whose data holds ``containing``; decoded, and as stored.

        :param start: index of the first; ``end``: of the one behind the last.
        """
        stop = self.size if end is None else min(end, self.size)
        for number in range(start // WIDTH, (stop + WIDTH - 1) // WIDTH):
            if containing and not self.tiles.holds(number, containing):
                continue
            for at, data in enumerate(self.tiles.bundle(number), number * WIDTH):
                if containing in data and start <= at and (end is None or at < end):
                    leaf = decode(data)
                    if leaf["index"] != at:
                        raise BadLog("the leaf belongs to another place", index=at)
                    yield leaf, data

    def entry(self, index: int) -> bytes:
        """One leaf's data.

        :raises BadLog: the log has no such leaf.
        """
        if not 0 <= index < self.size:
            raise BadLog(f"the checkpoint covers {self.size} leaves, so there is no leaf {index}")
        return self.tiles.bundle(index // WIDTH)[index % WIDTH]

    def proven(self, number: int) -> list[bytes]:
        """The entries of a bundle, each checked to be in the log.

        :raises BadLog: one of them is not, or the files do not prove it.
        """
        entries = self.tiles.bundle(number)
        for at, (data, hashed) in enumerate(zip(entries, self.tiles.tile(0, number), strict=True)):
            if leaf_hash(data) != hashed:
                raise BadLog(UNSIGNED, index=number * WIDTH + at)
        # One leaf's proof goes through the hashes of all the others of its tile.
        self.prove(number * WIDTH)
        return entries

    def prove(self, index: int) -> tuple[bytes, list[bytes]]:
        """A leaf's data and its inclusion proof, checked against the checkpoint.

        :raises BadLog: no such leaf, or the files do not prove it.
        """
        data = self.entry(index)
        proof = inclusion_proof(index, self.size, self.tiles.subtree)
        if not verify_inclusion(index, self.size, leaf_hash(data), self.checkpoint.root, proof):
            raise BadLog("the log's files do not prove this leaf to be in it", index=index)
        return data, proof

    def payload(self, leaf: Leaf, data: bytes) -> bytes:
        """A leaf's payload as stored, checked against its hash."""
        place = {name: leaf[name] for name in ("index", "session", "segment", "offset")}
        try:
            stored, payload = read_record(
                self.directory, leaf["segment"], leaf["offset"], leaf["length"]
            )
        except FileNotFoundError:
            raise BadLog("the segment is missing", **place) from None
        except ValueError as error:
            raise BadLog(str(error), **place) from None
        if stored != data:
            raise BadLog("the segment holds another leaf", **place)
        if leaf["length"] and sha256(payload).digest() != hash_of(leaf, "hash"):
            raise BadLog("the payload is not the one its leaf names", **place)
        return payload


def proof_text(note: bytes, index: int, entry: bytes, proof: Sequence[bytes]) -> str:
    """A proof of inclusion in c2sp.org/tlog-proof form; its extra data is the leaf itself."""
    lines = ["c2sp.org/tlog-proof@v1", f"extra {b64encode(entry).decode()}", f"index {index}"]
    lines += [b64encode(hashed).decode() for hashed in proof]
    return "\n".join(lines) + "\n\n" + note.decode()
