"""Paired rounds: in every round all targets run one after the other, and ratios are of one round.

The machine's pace drifts; a ratio to the direct run a second before drifts far less. What is
reported is the median over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


def within(rounds: int, seconds: float) -> Iterator[int]:
    """Numbers of the rounds: ``rounds``, or fewer where another would not end within ``seconds``.

    A busy machine shall give coarser figures, not later ones. There is always one round.
    """
    began = time.monotonic()
    for number in range(rounds):
        yield number
        passed = time.monotonic() - began
        if passed + passed / (number + 1) > seconds:
            return


def in_turn(round_: int, targets: Sequence[T]) -> list[T]:
    """The order in which a round visits its targets: there and back."""
    return list(targets) if round_ % 2 == 0 else list(reversed(targets))


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what there is."""
    there = [value for value in values if value is not None]
    return median(there) if there else None


def middles(usages: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The median of each key."""
    keys = {key for usage in usages for key in usage}
    return {key: middle(usage.get(key) for usage in usages) for key in sorted(keys)}
