"""The list of sessions, kept up to date while the log grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorder_world import ALLOWED, World

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.log import REPLAY_KEY
from hoopgate.recorder.replay import Replay, Sessions, sessions
from hoopgate.recorder.sealing import ReplayKey

QUERY = b"Q\0\0\0\x0dSELECT 1\0"


def grown(world: World) -> None:
    """Wait until all that is durable is signed."""
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)


def test_what_is_new_is_added_to_what_is_known(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    known = Sessions()
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
            assert known.update(log) == sessions(log)
    grown(world)
    log = world.reader()
    found = known.update(log)
    assert found == sessions(log)
    assert known.update(log) == found  # nothing is new
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
    known = Sessions()
    known.update(world.reader())
    world.wait(world.session("ses-2").close("client.terminate"))
    world.stop()
    log = world.reader()
    for path in (world.directory / "tile" / "entries").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b'"agent-7"', b'"agent-8"'))
    with pytest.raises(BadLog, match="not those that were signed"):
        known.update(log)
