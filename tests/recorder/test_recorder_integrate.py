"""Checkpoints while leaves keep coming."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from hoopgate.recorder.integrate import IntegratorThread

LEAF = (b"leaf", bytes(32))


class Flooded:
    """An integrator to which another leaf comes whenever it has added one, up to ``most``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.added = 0
        self.checkpoints: list[int] = []
        self.give_way: Callable[[], object] = lambda: None
        self.more: Callable[[list[tuple[bytes, bytes]]], None] = lambda leaves: None

    def add(self, leaves: Iterable[tuple[bytes, bytes]]) -> None:
        self.added += len(list(leaves))
        self.give_way()
        if self.added < self.most:
            self.more([LEAF])

    def checkpoint(self) -> None:
        self.checkpoints.append(self.added)


def test_a_checkpoint_does_not_wait_for_a_pause() -> None:
    """What comes while leaves are added is for the next one, or there would be none for long."""
    flooded = Flooded(50)
    failed: list[BaseException] = []
    ended = threading.Event()
    thread = IntegratorThread(
        flooded,  # type: ignore[arg-type]
        0.001,
        release=lambda: True,
        failed=failed.append,
        ended=ended.set,
    )
    flooded.more = thread.hand_over
    thread.hand_over([LEAF] * 3)
    thread.start()
    while flooded.added < flooded.most and thread.is_alive():
        thread.join(0.01)
    thread.finish()
    assert ended.wait(60)
    assert not failed
    # The leaves that came first, then each of the others by itself.
    assert flooded.checkpoints[:2] == [3, 4]
    assert flooded.checkpoints[-1] == flooded.added
