"""A row that is too long must not be so by what is masked in it: else its length is an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twin_cases import in_modes, plain
from twin_judge import Case, Judge, Outcome, told
from twin_world import World, running_world

#: Bytes of a server's message at most, here.
LIMIT = 2**20
#: How much of a row is public: around the limit, around the half of it, and far beyond both.
SIZES = [
    *(LIMIT - rest for rest in (4, 25, 39, 46, 60, 900)),
    *(LIMIT // 2 - rest for rest in (0, 25, 900)),
    LIMIT + 5,
    3 * LIMIT,
]


@pytest.fixture(scope="module")
def narrow() -> Iterator[World]:
    """The twins behind a gateway whose messages are short."""
    with running_world(15, packs=(), limits={"response_message_size": "1MiB"}) as running:
        yield running


def cases() -> Iterator[Case]:
    for size in SIZES:
        yield plain("long", f"SELECT id, name, repeat('x', {size}) FROM patients WHERE id = 4")
    for size in SIZES[1::6]:
        source = (
            f"SELECT repeat('x', {size}), note, name FROM patients p JOIN long_notes n USING (id)"
        )
        yield from in_modes("long", f"{source} WHERE id < 6 ORDER BY id")
    for count in (200, 301):
        names = ", ".join(["note"] * count)
        yield plain("long", f"SELECT {names} FROM long_notes WHERE id = 7")
        yield plain("long", f"COPY (SELECT {names} FROM long_notes WHERE id = 7) TO STDOUT")
    for count in (20, 100):
        names = ", ".join(["concat(note, note, note)"] * count)
        yield plain("long", f"SELECT {names} FROM long_notes WHERE id = 7")


def test_the_length_of_a_row_tells_nothing(narrow: World) -> None:
    judge = Judge(narrow)
    found = [judge.judge(case) for case in cases()]
    judge.close()
    leaks = [one for one in found if one.outcome is Outcome.LEAK]
    assert not leaks, "\n".join(told(one, 15) for one in leaks)
    # Both sides of the limit were reached.
    outcomes = [one.outcome for one in found]
    assert outcomes.count(Outcome.MASKED) >= 5 and outcomes.count(Outcome.CUT) >= 3
