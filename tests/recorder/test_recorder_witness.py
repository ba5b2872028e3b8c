"""A witness cosigns what continues, and nothing else, whatever it is asked in whatever order."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note, Signature, Verifier, sign
from hoopgate.recorder.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    leaf_hash,
    perfect_root,
    verify_consistency,
)
from hoopgate.recorder.witness import Request, Witness

NAME = "log.example/x"
KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG = Verifier(NAME, KEY.public_key().public_bytes_raw())
COSIGNER = Cosigner("w.example", b"w" * 32)
SIZE = 24


class Tree:
    """A log's history. Two of them agree in their first ``common`` leaves."""

    def __init__(self, tag: bytes, common: int) -> None:
        self.leaves = [
            leaf_hash((b"same" if n < common else tag) + bytes([n])) for n in range(SIZE)
        ]

    def checkpoint(self, size: int) -> Checkpoint:
        tree = Frontier()
        for leaf in self.leaves[:size]:
            tree.append(leaf)
        return Checkpoint(NAME, size, tree.root() if size else EMPTY_ROOT)

    def note(self, size: int, key: Ed25519PrivateKey = KEY) -> Note:
        return sign(str(self.checkpoint(size)), NAME, key)

    def proof(self, old: int, new: int) -> list[bytes]:
        def subtree(level: int, index: int) -> bytes:
            return perfect_root(self.leaves[index << level : (index + 1) << level])

        return consistency_proof(old, new, subtree) if 0 < old < new else []

    def request(self, old: int, new: int) -> bytes:
        return Request(old, tuple(self.proof(old, new)), self.note(new).encode()).encode()


def witness(base: Path) -> Witness:
    return Witness(base / "w", COSIGNER, [LOG], clock=lambda: 1_700_000_000.5)


ASKED = st.lists(
    st.tuples(st.booleans(), st.integers(0, SIZE), st.integers(0, SIZE), st.booleans()), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(ASKED, st.integers(0, SIZE))
def test_all_that_it_cosigned_is_one_history(
    asked: list[tuple[bool, int, int, bool]], common: int
) -> None:
    """Two forks, any sizes, restarts between: what is cosigned is pairwise consistent."""
    forks = Tree(b"one", common), Tree(b"two", common)
    with tempfile.TemporaryDirectory() as base:
        one = witness(Path(base))
        cosigned: list[tuple[Tree, Checkpoint]] = []
        for which, old, new, restarted in asked:
            if restarted:
                one = witness(Path(base))
            tree = forks[which]
            last = cosigned[-1][1].size if cosigned else 0
            answer = one.add_checkpoint(tree.request(old, new))
            if answer.status == 200:
                note = tree.note(new).encode() + answer.body
                assert COSIGNER.verifier.cosigned(Note.parse(note)) == 1_700_000_000
                assert old == last
                cosigned.append((tree, tree.checkpoint(new)))
            elif answer.status == 409:
                assert (answer.content_type, answer.body) == ("text/x.tlog.size", b"%d\n" % last)
            else:
                assert answer.status in (400, 422)
                assert old > new or (old == last and (tree is not cosigned[-1][0] or common < SIZE))
        for (_, before), (tree, after) in pairwise(cosigned):
            assert before.size <= after.size
            assert verify_consistency(
                before.size,
                after.size,
                before.root,
                after.root,
                tree.proof(before.size, after.size),
            )


def test_one_that_asks_as_it_should_is_cosigned(tmp_path: Path) -> None:
    one, tree = witness(tmp_path), Tree(b"x", SIZE)
    for old, new in ((0, 0), (0, 1), (1, 1), (1, 7), (7, 8), (8, 24)):
        assert one.add_checkpoint(tree.request(old, new)).status == 200


def test_a_fork_is_kept_as_proof(tmp_path: Path) -> None:
    heard: list[str] = []
    one = Witness(tmp_path / "w", COSIGNER, [LOG], on_conflict=heard.append)
    tree, other = Tree(b"one", 5), Tree(b"two", 5)
    assert one.add_checkpoint(tree.request(0, 9)).status == 200
    assert one.add_checkpoint(other.request(9, 9)).status == 409
    assert one.add_checkpoint(other.request(9, 12)).status == 422
    assert heard == [NAME, NAME]
    kept = sorted((tmp_path / "w/conflicts").glob("*.fork.*"))
    claimed, cosigned = (Note.parse(path.read_bytes()) for path in kept)
    assert claimed.verified([LOG]) and cosigned.verified([LOG])
    one_head, other_head = Checkpoint.parse(claimed.text), Checkpoint.parse(cosigned.text)
    assert one_head.size == other_head.size == 9
    assert one_head.root != other_head.root
    # And it goes on with the history that it knows.
    assert one.add_checkpoint(tree.request(9, 10)).status == 200


def test_who_has_a_note_makes_no_new_ones_of_it(tmp_path: Path) -> None:
    """Notes are public: they come again, with wrong proofs or signatures of nobody."""
    heard: list[str] = []
    one = Witness(tmp_path / "w", COSIGNER, [LOG], on_conflict=heard.append)
    tree = Tree(b"one", SIZE)
    assert one.add_checkpoint(tree.request(0, 9)).status == 200
    note = tree.note(12)
    for number in range(110):
        junk = Signature(
            NAME, note.signatures[0].id if number % 2 else b"junk", bytes([number]) * 64
        )
        body = Request(9, (b"h" * 32,), note.signed_too([junk]).encode()).encode()
        assert one.add_checkpoint(body).status == 422
    assert heard == [NAME]
    assert len(list((tmp_path / "w/conflicts").iterdir())) == 2
    assert one.add_checkpoint(Tree(b"two", 5).request(9, 9)).status == 409
    assert len(heard) == 2  # a real one is heard of
    good = Request(9, tuple(tree.proof(9, 12)), note.signed_too([junk]).encode()).encode()
    assert one.add_checkpoint(good).status == 200
    (kept,) = (tmp_path / "w").glob("*.checkpoint")
    assert kept.read_bytes() == note.encode()


def test_the_memory_of_another_log_is_none(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    keys = [LOG, Verifier("other.example/x", other.public_key().public_bytes_raw())]
    one, tree = Witness(tmp_path / "w", COSIGNER, keys), Tree(b"one", SIZE)
    assert one.add_checkpoint(tree.request(0, 9)).status == 200
    (path,) = (tmp_path / "w").glob("*.checkpoint")
    head = sign(str(Checkpoint("other.example/x", 1, b"r" * 32)), "other.example/x", other)
    path.write_bytes(head.encode())
    with pytest.raises(BadNote, match="another log"):
        one.add_checkpoint(tree.request(1, 9))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 0\n", 400),
        (b"old 00\n\n" + Tree(b"x", 0).note(3).encode(), 400),
        (b"old -1\n\n" + Tree(b"x", 0).note(3).encode(), 400),
        (b"old 4\n\n" + Tree(b"x", 0).note(3).encode(), 400),
        (b"old 0\nAAAA\n\n" + Tree(b"x", 0).note(3).encode(), 400),
        (b"old 0\n" + b64encode(b"h" * 32) + b"\n\n" + Tree(b"x", 0).note(3).encode(), 422),
        (b"old 0\n" + (b64encode(b"h" * 32) + b"\n") * 64 + b"\n" + b"x", 400),
        (b"old 0\n\n" + b"x" * 80_000, 400),
        (
            b"old 0\n\n"
            + Tree(b"x", 0).note(3, Ed25519PrivateKey.from_private_bytes(b"m" * 32)).encode(),
            403,
        ),
        (b"old 0\n\n" + sign("other/log\n3\n" + "A" * 43 + "=\n", "other/log", KEY).encode(), 404),
        (Tree(b"x", 0).request(0, 3).replace(b"\n3\n", b"\n4\n"), 403),
    ],
)
def test_bad_requests(tmp_path: Path, body: bytes, status: int) -> None:
    assert witness(tmp_path).add_checkpoint(body).status == status
    assert not list((tmp_path / "w").glob("*.checkpoint"))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(BadNote):
        Request.parse(data.replace(b"old ", b"new "))


@given(st.integers(0, 10**18), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_is_read_as_it_is_written(old: int, proof: list[bytes]) -> None:
    request = Request(old, tuple(proof), Tree(b"x", 0).note(3).encode())
    assert Request.parse(request.encode()) == request


def test_a_damaged_memory_does_not_begin_anew(tmp_path: Path) -> None:
    one, tree = witness(tmp_path), Tree(b"x", SIZE)
    assert one.add_checkpoint(tree.request(0, 9)).status == 200
    (path,) = (tmp_path / "w").glob("*.checkpoint")
    path.write_bytes(b"")
    with pytest.raises(BadNote):
        one.add_checkpoint(tree.request(0, 9))
