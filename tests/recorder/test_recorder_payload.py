"""What is longer than a record goes on in the next one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hoopgate.recorder.payload import Kind, Piece, cut

_pieces = st.lists(
    st.tuples(st.sampled_from([int(kind) for kind in Kind]), st.integers(0, 9), st.binary()),
    max_size=8,
)


@given(_pieces, st.integers(1, 16))
def test_groups_hold_what_was_cut(pieces: list[Piece], size: int) -> None:
    streams: dict[tuple[int, int], bytes] = {}
    for number, (kind, _, data) in enumerate(pieces):
        pieces[number] = kind, number, data  # a moment of its own tells pieces apart
        streams[kind, number] = data
    joined: dict[tuple[int, int], bytes] = {}
    for group in (groups := list(cut(pieces, size))):
        streamed = sum(len(data) for kind, _, data in group if kind <= Kind.FORWARDED)
        assert streamed <= size
        for kind, number, data in group:
            joined[kind, number] = joined.get((kind, number), b"") + data
    assert joined == streams
    assert len(groups) <= 1 + sum(len(data) for data in streams.values()) / size


def test_a_long_row_is_cut_in_one_pass() -> None:
    """Each group that copied what was left took seconds for this, in the writer's thread."""
    copied = 0

    class Counted(bytes):
        def __getitem__(self, at: object) -> bytes:
            nonlocal copied
            part = super().__getitem__(at)  # type: ignore[index]
            copied += len(part)
            return Counted(part)

    groups = list(cut([(Kind.RESPONSE, 1, Counted(2**20))], 64))
    assert len(groups) == 2**20 // 64
    assert copied <= 2 * 2**20
