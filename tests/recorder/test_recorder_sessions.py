"""The list of sessions, kept up to date while the log grows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_world import ALLOWED, World

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.listing import Listing, find, sessions
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Replay, Summary, count
from hoopgate.recorder.sealing import REPLAY_KEY, ReplayKey
from hoopgate.recorder.tiles import WIDTH, bundle_path

QUERY = b"Q\0\0\0\x0dSELECT 1\0"


def grown(world: World) -> None:
    """Wait until all that is durable is signed."""
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)


def listed(known: Listing, log: LogReader) -> list[Summary]:
    """All sessions, in the order they began."""
    known.grow(log)
    return [*known.newest(log)][::-1]


def test_what_is_new_is_added_to_what_is_known(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    known = Listing()
    running = []
    for number in range(120):  # more than a bundle of leaves
        session = world.session(f"ses-{number}")
        world.wait(session.request(QUERY, None, ALLOWED))
        running.append(session)
        if number % 3 == 0:
            world.wait(running.pop(0).close("client.terminate"))
        if number % 40 == 0:
            grown(world)
            log = world.reader()
            assert listed(known, log) == sessions(log)
    grown(world)
    log = world.reader()
    found = listed(known, log)
    assert found == sessions(log)
    assert listed(known, log) == found  # nothing is new
    assert len(found) == 120
    assert {one.requests for one in found} == {1}
    assert sum(one.end is None for one in found) == 80
    key = ReplayKey.load(world.state / REPLAY_KEY)
    for one in found[::17]:
        whole = list(Replay(log, one.id, key).moments())
        assert list(Replay(log, one.id, key, first=one.first, last=one.last).moments()) == whole
    # Places that leave something of the session out are noticed.
    ended = next(one for one in found if one.end is not None)
    with pytest.raises(BadLog):
        Replay(log, ended.id, key, first=ended.first + 1, last=ended.last)
    world.stop()


def test_leaves_that_were_not_signed_are_no_list(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    world.wait(world.session("ses-1").close("client.terminate"))
    grown(world)
    known = Listing()
    listed(known, world.reader())
    world.wait(world.session("ses-2").close("client.terminate"))
    world.stop()
    log = world.reader()
    for path in (world.directory / "tile" / "entries").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b'"agent-7"', b'"agent-8"'))
    with pytest.raises(BadLog, match="not those that were signed"):
        listed(known, log)


def filled(world: World, names: range, requests: int = 6) -> None:
    """Sessions that overlap, so that their leaves lie in several bundles."""
    running: list[tuple[object, int]] = []
    for number in names:
        session = world.session(f"ses-{number:04}")
        for _ in range(requests):
            world.wait(session.request(QUERY, None, ALLOWED))
        running.append((session, number))
        if number % 5 == 4:
            world.wait(running.pop(0)[0].close("client.terminate"))  # type: ignore[attr-defined]
    grown(world)


def ids(found: Iterable[Summary]) -> list[str]:
    return [one.id for one in found]


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    filled(world, range(150))
    log = world.reader()
    assert log.size > 4 * WIDTH
    known = Listing()
    known.grow(log)
    few = list(islice(known.newest(log), 10))
    assert ids(few) == [f"ses-{number:04}" for number in range(149, 139, -1)]
    assert known.complete_from > log.size // 2
    # It ends early and goes on from there.
    more = list(known.newest(log, few[-1].first, lambda: False))
    assert ids(few + more) == ids(reversed(sessions(log)))[: len(few + more)]
    assert 0 < known.complete_from < few[-1].first
    assert known.since is not None
    # What is new is in front of it, while something older is unread: two gaps.
    filled(world, range(150, 280))
    log = world.reader()
    known.grow(log)
    assert known.complete_from == log.size
    few = list(islice(known.newest(log), 3))
    assert ids(few) == ["ses-0279", "ses-0278", "ses-0277"]
    every = list(known.newest(log))
    assert every == sessions(log)[::-1]
    assert known.complete_from == 0
    assert known.since is None
    assert every[200] == known.find(every[200].id) == find(log, every[200].id)
    assert find(log, "ses-none") is None is known.find("ses-none")
    # What was given away does not change any more.
    every[0].verdicts["block"] = 7
    assert next(known.newest(log)).verdicts == {"allow": 6}
    world.stop()


@given(st.data())
def test_leaves_are_counted_in_any_order(data: st.DataObject) -> None:
    chunk = st.fixed_dictionaries(
        {
            "type": st.just("chunk"),
            "direction": st.sampled_from(["client", "backend", "both"]),
            "verdicts": st.dictionaries(st.sampled_from(["allow", "block"]), st.integers(1, 3)),
        }
    )
    opened = {"type": "session.open", "subject": "a", "resource": "r", "protocol": "p"}
    closed = {"type": "session.close", "reason": "client.terminate"}
    leaves: list[dict[str, Any]] = [opened, *data.draw(st.lists(chunk, max_size=8)), closed]
    placed: list[dict[str, Any]] = [
        {**leaf, "index": at, "time": 10 * at} for at, leaf in enumerate(leaves, 7)
    ]
    known = []
    for order in (placed, data.draw(st.permutations(placed))):
        summary = Summary("ses-1")
        assert [leaf for leaf in order if count(summary, leaf)] == [placed[0]]
        known.append(summary)
    assert known[0] == known[1]
    assert (known[0].first, known[0].last, known[0].end) == (
        7,
        placed[-1]["index"],
        placed[-1]["time"],
    )


def test_a_bundle_that_was_changed_is_not_listed(tmp_path: Path) -> None:
    """What is before and behind it is: no other bundle depends on it."""
    world = World(tmp_path).open()
    filled(world, range(150))
    world.stop()
    log = world.reader()
    path = world.directory / bundle_path(1)
    path.write_bytes(path.read_bytes().replace(b'"allow"', b'"block"', 1))
    known = Listing()
    known.grow(log)
    found: list[Summary] = []
    with pytest.raises(BadLog, match="not those that were signed") as bad:
        found.extend(known.newest(log))
    assert bad.value.index is not None
    assert WIDTH <= bad.value.index < 2 * WIDTH
    assert found[0].id == "ses-0149"
    assert found[-1].first >= 2 * WIDTH
    assert find(log, "ses-0149") == found[0]
    with pytest.raises(BadLog, match="not those that were signed"):
        next(known.newest(log, 2 * WIDTH))


def test_another_log_is_not_a_longer_one(tmp_path: Path) -> None:
    """A log that was put in the place of the one that was read: shorter, or with another past."""
    known = Listing()
    for name, number in (("one", 20), ("two", 30), ("three", 10)):
        world = World(tmp_path / name).open()
        filled(world, range(number))
        world.stop()
        log = world.reader()
        if name == "one":
            assert len(listed(known, log)) == 20
        else:
            with pytest.raises(BadLog, match="not the one it was"):
                known.grow(log)
