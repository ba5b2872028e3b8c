"""The log's head, kept outside of it: compared and swapped before each checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from recorder_world import World

from hoopgate.errors import RecorderFailed
from hoopgate.recorder.log import HEAD


def written(world: World, name: str) -> None:
    session = world.session(name)
    world.wait(session.request(b"x", None, ()))
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)


def head(world: World) -> bytes:
    return (world.state / HEAD).read_bytes()


def test_it_is_the_newest_checkpoint(make_world: Any) -> None:
    world = make_world(checkpoint_ms=5).open()
    for number in range(3):
        written(world, f"s-{number}")
        assert head(world) == (world.directory / "checkpoint").read_bytes()
    world.stop()
    assert head(world) == (world.directory / "checkpoint").read_bytes()


def test_one_lost_checkpoint_is_noticed(make_world: Any, tmp_path: Path) -> None:
    """However young it was."""
    world = make_world(checkpoint_ms=5).open()
    written(world, "s-1")
    shutil.copytree(world.directory, tmp_path / "older")
    written(world, "s-2")
    world.stop()
    shutil.rmtree(world.directory)
    shutil.copytree(tmp_path / "older", world.directory)
    with pytest.raises(RecorderFailed, match="rolled back") as error:
        world.open()
    assert "hoopgate audit verify" in str(error.value)


def test_a_copy_that_is_written_elsewhere_stops_both_from_signing(
    make_world: Any, tmp_path: Path
) -> None:
    """The lock is in the directory, and so in the copy, too; the head is not."""
    world = make_world(checkpoint_ms=5).open()
    written(world, "s-1")
    copied = tmp_path / "copied"
    shutil.copytree(world.directory, copied / "log")
    (copied / "state").symlink_to(world.state)
    other = World(copied, checkpoint_ms=5).open()
    session = world.session("s-2")
    session.request(b"y", None, ()).addErrback(lambda _: None)
    world.pump.until(world.log.failed)
    assert "changed by another process" in str(world.log.failure())
    written(other, "s-3")
    other.stop()
    other.verify()


def test_a_crash_between_head_and_checkpoint(make_world: Any, tmp_path: Path) -> None:
    """The head is ahead then, by leaves that the segments hold."""
    world = make_world(checkpoint_ms=5).open()
    written(world, "s-1")
    shutil.copytree(world.directory / "tile", tmp_path / "tile")
    before = (world.directory / "checkpoint").read_bytes()
    written(world, "s-2")
    ahead = head(world)
    segment = (world.directory / "seg/00000001.hgs").read_bytes()
    world.stop()
    (world.state / HEAD).write_bytes(ahead)
    (world.directory / "checkpoint").write_bytes(before)
    (world.directory / "seg/00000001.hgs").write_bytes(segment)
    shutil.rmtree(world.directory / "tile")
    shutil.copytree(tmp_path / "tile", world.directory / "tile")
    world.open()
    world.stop()
    report = world.verify()
    assert (report.sessions, report.crashed) == (2, 3)


def test_a_head_of_other_leaves(make_world: Any, tmp_path: Path) -> None:
    """Durable leaves above the checkpoint, but not those that were signed."""
    world = make_world(checkpoint_ms=5).open()
    written(world, "s-1")
    shutil.copytree(world.directory, tmp_path / "older")
    written(world, "s-2")
    ahead = head(world)
    world.stop()
    shutil.rmtree(world.directory)
    shutil.copytree(tmp_path / "older", world.directory)
    shutil.copy(world.directory / "checkpoint", world.state / HEAD)
    slow = World(world.directory.parent, checkpoint_ms=60_000).open()
    slow.wait(slow.session("s-other").request(b"z", None, ()))
    for number in range(5):
        slow.wait(slow.log.append("heartbeat", {"n": number}))
    segments = {path.name: path.read_bytes() for path in slow.directory.glob("seg/*.hgs")}
    note = (slow.directory / "checkpoint").read_bytes()
    tiles = shutil.copytree(slow.directory / "tile", tmp_path / "tile")
    slow.stop()
    for name, content in segments.items():
        (slow.directory / "seg" / name).write_bytes(content)
    (slow.directory / "checkpoint").write_bytes(note)
    shutil.rmtree(slow.directory / "tile")
    shutil.copytree(tiles, slow.directory / "tile")
    (slow.state / HEAD).write_bytes(ahead)
    with pytest.raises(RecorderFailed, match="not those it had before"):
        slow.open()
