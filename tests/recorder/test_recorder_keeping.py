"""Retention, legal holds, shredding: what the node refuses, and what a verification finds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from recorder_world import World
from twisted.python.failure import Failure

from hoopgate.errors import Refused
from hoopgate.recorder.commit import Clock
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.keeping import Keeping

BY = {"issuer": "https://id.example.org", "subject": "rita"}
DAY = 86_400
START = 1_780_000_000


class Threads:
    """A thread pool of one thread per call."""

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], object], call: Callable[..., Any], *args: Any
    ) -> None:
        def run() -> None:
            try:
                result, good = call(*args), True
            except Exception:  # noqa: BLE001
                result, good = Failure(), False
            done(good, result)

        threading.Thread(target=run).start()


class Kept:
    """A log whose clock is set by the test, and who keeps its recordings."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = float(START)
        world.pump.getThreadPool = Threads  # type: ignore[attr-defined]
        world.open(Clock(lambda: int(self.now * 1e9), lambda: int((self.now - START) * 1e9) + 1))
        self.keeping = Keeping(world.log, world.directory, world.pump)

    def ended(self, name: str) -> str:
        session = self.world.session(name)
        self.world.wait(session.request(b"SELECT 1", None, ()))
        self.world.wait(session.close("client.terminate"))
        self.signed()
        return name

    def signed(self) -> None:
        world = self.world
        world.pump.until(lambda: world.log.checkpoint_size == world.log.size)

    def do(self, step: str, session: str, reference: str = "C-1") -> int:
        index: int = self.world.wait(getattr(self.keeping, step)(session, reference, BY))
        return index

    def refused(self, step: str, session: str, reference: str = "C-1") -> str:
        with pytest.raises(Refused) as error:
            self.do(step, session, reference)
        return error.value.code


@pytest.fixture
def kept(make_world: Any) -> Kept:
    return Kept(make_world(retention_seconds=30.0 * DAY, checkpoint_ms=5))


def test_a_recording_is_kept_for_its_time_and_then_shredded(kept: Kept) -> None:
    kept.ended("s-1")
    kept.ended("s-2")
    assert kept.refused("shred", "s-1") == "recording.kept"
    kept.now += 29 * DAY
    assert kept.refused("shred", "s-1") == "recording.kept"
    kept.now += 2 * DAY
    index = kept.do("shred", "s-1")
    leaf = kept.world.leaves()[index]
    assert leaf["type"] == "purge"
    assert leaf["detail"] == {"action": "shred", "session": "s-1", "reference": "C-1", **BY}
    with pytest.raises(BadLog, match="was shredded"):
        kept.world.replay("s-1")
    assert kept.world.stream("s-2", 2) == [b"SELECT 1"]
    assert kept.world.verify().sessions == 2
    assert kept.refused("hold", "s-1") == "recording.shredded"


def test_a_hold_outlasts_the_retention(kept: Kept) -> None:
    kept.ended("s-1")
    kept.do("hold", "s-1", "LIT-1")
    kept.do("hold", "s-1", "LIT-2")
    assert kept.refused("hold", "s-1", "LIT-1") == "hold.exists"
    kept.now += 60 * DAY
    assert kept.refused("shred", "s-1") == "recording.held"
    kept.do("release", "s-1", "LIT-1")
    assert kept.refused("release", "s-1", "LIT-1") == "hold.unknown"
    assert kept.refused("shred", "s-1") == "recording.held"
    kept.do("release", "s-1", "LIT-2")
    kept.do("shred", "s-1")
    kept.world.verify()


def test_what_is_refused(kept: Kept) -> None:
    kept.world.session("s-open")
    kept.signed()
    assert kept.refused("shred", "s-open") == "recording.open"
    assert kept.refused("shred", "s-none") == "recording.unknown"
    assert kept.refused("hold", "../../etc") == "recording.unknown"
    assert kept.refused("hold", "s-open", "x\ny") == "recording.reference"
    assert kept.refused("hold", "s-open", "") == "recording.reference"
    with pytest.raises(Refused):
        kept.world.wait(kept.keeping.view("../../etc/passwd", BY))


def test_an_interrupted_shredding_is_completed(kept: Kept) -> None:
    """The leaf comes first: a crash leaves a key that the log calls destroyed."""
    kept.ended("s-1")
    kept.now += 31 * DAY
    kept.world.wait(kept.world.log.append("purge", {"session": "s-1"}))
    kept.signed()
    wrap = kept.world.directory / "wraps/s-1.json"
    assert wrap.exists()
    assert kept.do("shred", "s-1") == -1
    assert not wrap.exists()
    kept.world.verify()


def test_a_view_is_recorded(kept: Kept) -> None:
    kept.ended("s-1")
    index = kept.world.wait(kept.keeping.view("s-1", {"uid": 7}))
    kept.signed()
    leaf = kept.world.leaves()[index]
    assert (leaf["type"], leaf["detail"]) == ("replay.view", {"session": "s-1", "uid": 7})


def test_a_clock_set_ahead_for_a_shredding_is_found(kept: Kept) -> None:
    """The node believes its clock; the leaves that come once it is right again tell."""
    kept.ended("s-1")
    kept.ended("s-2")
    before = kept.now
    kept.now += 31 * DAY
    index = kept.do("shred", "s-1")
    kept.world.verify()
    kept.now = before + 1  # a start without a clock, until it is set: nobody cheated
    kept.ended("s-boot")
    kept.now = before + 31 * DAY
    kept.ended("s-set")
    kept.world.verify()
    kept.now = before + 30 * DAY  # set right by less than two days: nobody cheated
    kept.ended("s-3")
    kept.world.verify()
    kept.now = before + 60
    kept.ended("s-4")
    with pytest.raises(BadLog, match="by a clock set ahead") as error:
        kept.world.verify()
    assert error.value.index == index
    # What is done after it counts all the same.
    kept.do("hold", "s-4")
    kept.now += 40 * DAY
    assert kept.refused("shred", "s-4") == "recording.held"


@pytest.mark.parametrize("how", ["early", "held", "open", "unknown"])
def test_a_purge_that_was_not_lawful_is_found(kept: Kept, how: str) -> None:
    """Whoever could write such a leaf, past the node's refusal."""
    if how == "open":
        kept.world.session("s-1")
    else:
        kept.ended("s-1")
    if how == "held":
        kept.do("hold", "s-1")
        kept.now += 31 * DAY
    session = "s-9" if how == "unknown" else "s-1"
    index = kept.world.wait(kept.world.log.append("purge", {"session": session}))
    kept.signed()
    with pytest.raises(BadLog, match="it purges") as error:
        kept.world.verify()
    assert error.value.index == index


def test_the_retention_of_the_epoch_counts(make_world: Any) -> None:
    """Shortening it later does not shorten what was promised for what was recorded before."""
    kept = Kept(make_world(retention_seconds=30.0 * DAY, checkpoint_ms=5))
    kept.ended("s-1")
    kept.world.stop()
    shorter = World(kept.world.directory.parent, retention_seconds=1.0, checkpoint_ms=5)
    again = Kept(shorter)
    again.now += 2 * DAY
    assert again.refused("shred", "s-1") == "recording.kept"
    shorter.stop()
