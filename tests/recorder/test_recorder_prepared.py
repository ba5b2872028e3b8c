"""Segments that are written over zeros: prepared beside the log, cut off at their end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_world import ALLOWED, World

from hoopgate.recorder import prepared
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.prepared import NAME, Preparer, content_end
from hoopgate.recorder.segments import Segment, segment_numbers, segment_path

BYTES = 400_000


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "WORTH_BYTES", 2000)


def filled(world: World, session: Any, rounds: int) -> None:
    for number in range(rounds):
        session.response(b"row %03d" % number * 30)
        world.wait(session.request(b"SELECT %03d" % number, None, ALLOWED))


def until_prepared(world: World, session: Any) -> Path:
    """Record until a prepared segment is being written; its path."""
    for _ in range(200):
        filled(world, session, 2)
        path = segment_path(world.directory, segment_numbers(world.directory)[-1])
        if path.stat().st_size == BYTES:
            return path
    raise AssertionError("no prepared segment was taken")


def test_a_busy_log_goes_on_in_a_segment_of_zeros(make_world: Any, busy: None) -> None:
    world = make_world(segment_bytes=BYTES).open()
    session = world.session("s-1")
    path = until_prepared(world, session)
    filled(world, session, 5)
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    # Beside the running node: what lies behind the records is no damage.
    report = world.verify()
    assert (report.above, report.torn) == (0, 0)
    world.wait(session.close("client.terminate"))
    world.stop()
    assert path.stat().st_size < BYTES
    assert world.verify().torn == 0
    assert not (path.parent / NAME).exists()
    last = max(leaf["offset"] for leaf in world.leaves() if leaf["segment"] == int(path.stem))
    assert last < path.stat().st_size
    # Sealed by the next epoch: nothing may stand behind it any more, zeros neither.
    world.open()
    world.stop()
    os.truncate(path, path.stat().st_size + 50)
    with pytest.raises(BadLog, match="cut off or appended to"):
        world.verify()


def test_one_that_is_full_is_followed_by_the_next(make_world: Any, busy: None) -> None:
    world = make_world(segment_bytes=30_000).open()
    session = world.session("s-1")
    filled(world, session, 250)
    world.stop()
    assert len(segment_numbers(world.directory)) > 4
    report = world.verify()
    assert (report.gaps, report.torn) == (0, 0)
    assert len(world.stream("s-1", Kind.REQUEST)) == 250


_CRASHES = """
import os, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from hoopgate.recorder import prepared
from recorder_world import World
from test_recorder_prepared import BYTES, filled, until_prepared
prepared.WORTH_BYTES = 2000
world = World(Path(sys.argv[1]), segment_bytes=BYTES, checkpoint_ms=5).open()
session = world.session("s-1")
until_prepared(world, session)
filled(world, session, 20)
world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
print(world.log.size, flush=True)
os._exit(9)
"""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that died while it wrote over zeros; not to be changed."""
    base = tmp_path_factory.mktemp("crashed")
    done = subprocess.run(
        [sys.executable, "-c", _CRASHES, str(base), *sys.path],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert done.returncode == 9
    world = World(base)
    assert world.reader().size == int(done.stdout)
    return world


@pytest.fixture
def copy(crashed: World, tmp_path: Path) -> World:
    shutil.copytree(crashed.directory, tmp_path / "log")
    shutil.copytree(crashed.state, tmp_path / "state")
    return World(tmp_path)


def last_segment(world: World) -> Path:
    return segment_path(world.directory, segment_numbers(world.directory)[-1])


def test_zeros_are_no_gap_after_a_crash(copy: World) -> None:
    path = last_segment(copy)
    assert path.stat().st_size == BYTES
    assert copy.verify().torn == 0
    copy.open()
    copy.stop()
    assert path.stat().st_size < BYTES
    report = copy.verify()
    assert (report.gaps, report.torn, report.crashed) == (0, 0, 2)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_a_crash_tore_in_front_of_zeros_is_one(
    crashed: World, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Blocks reach the disk in any order: what is whole counts, what is behind it is torn."""
    base = tmp_path_factory.mktemp("torn")
    shutil.copytree(crashed.directory, base / "log")
    shutil.copytree(crashed.state, base / "state")
    world = World(base)
    path = last_segment(world)
    end = content_end(path, 0, 2**30)
    behind = data.draw(st.integers(0, 5000))
    noise = data.draw(st.binary(min_size=1, max_size=50).filter(lambda some: some.strip(b"\0")))
    with path.open("r+b") as file:
        file.seek(end + behind)
        file.write(noise)
    assert world.verify().torn == content_end(path, 0, 2**30) - end
    world.open()
    world.stop()
    assert world.verify().gaps == 1
    torn = next(leaf for leaf in world.leaves() if leaf["type"] == "gap.recovered")
    assert torn["detail"]["offset"] == end
    assert path.stat().st_size == end + behind + len(noise.rstrip(b"\0"))
    with path.open("r+b") as file:  # it is evidence, too
        file.seek(end + behind)
        file.write(bytes([noise[0] ^ 1]))
    with pytest.raises(BadLog):
        world.verify()


def test_records_zeroed_below_the_checkpoint_are_missed(copy: World) -> None:
    path = last_segment(copy)
    end = content_end(path, 0, 2**30)
    with path.open("r+b") as file:
        file.seek(end - 300)
        file.write(bytes(300))
    with pytest.raises(BadLog, match="missing or damaged"):
        copy.verify()
    with pytest.raises(Exception, match="not what was signed"):
        copy.open()
    assert path.stat().st_size == BYTES  # it is left as it is


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "seg").mkdir()
    kept = segment_path(tmp_path, 1)
    kept.write_bytes(b"evidence")
    zeros = tmp_path / "seg" / NAME
    zeros.write_bytes(bytes(100))
    with pytest.raises(FileExistsError):
        Segment(tmp_path, 1, zeros)
    assert kept.read_bytes() == b"evidence"


@pytest.mark.usefixtures("busy")
class TestPreparer:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        (tmp_path / "seg").mkdir()
        return tmp_path

    def prepared(self, directory: Path, size: int = 300_000) -> Preparer:
        preparer = Preparer(directory, size)
        preparer.look(size)
        thread = preparer._thread
        assert thread is not None
        thread.join()
        return preparer

    def test_it_is_zeros_and_taken_once(self, directory: Path) -> None:
        preparer = Preparer(directory, 300_000)
        preparer.look(10)
        assert preparer._thread is None  # a quiet log prepares nothing
        assert preparer.take() is None
        preparer = self.prepared(directory)
        path = preparer.take()
        assert path is not None
        assert path.read_bytes() == bytes(300_000)
        assert preparer.take() is None
        preparer.stop()
        assert os.listdir(directory / "seg") == []

    def test_a_disk_that_fills_up_keeps_its_room(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = namedtuple("room", "f_bavail f_frsize")
        monkeypatch.setattr(prepared.os, "statvfs", lambda path: room(1_199_999, 1))
        preparer = self.prepared(directory)
        assert not preparer.ready
        assert os.listdir(directory / "seg") == []
        monkeypatch.setattr(prepared.os, "statvfs", lambda path: room(1_200_000, 1))
        assert preparer.take() is None  # a segment later it is looked at again
        preparer.look(300_000)
        thread = preparer._thread
        assert thread is not None
        thread.join()
        assert preparer.ready

    def test_one_that_could_not_be_synchronised_is_not_used(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(fd: int) -> None:
            raise OSError(errno.EIO, "")

        monkeypatch.setattr(prepared.os, "fsync", fails)
        preparer = self.prepared(directory)
        assert preparer.take() is None
        assert os.listdir(directory / "seg") == []
        thread = preparer._thread
        preparer.look(300_000)
        assert preparer._thread is thread  # and no other is tried

    def test_it_stops_in_the_middle(self, directory: Path) -> None:
        preparer = Preparer(directory, 2**28)
        preparer.look(2**28)
        preparer.stop()
        assert os.listdir(directory / "seg") == []


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 3))
def test_where_content_ends(content: bytes, start: int, blocks: int) -> None:
    path = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"end-{os.getpid()}"
    try:
        path.write_bytes(content + bytes(blocks * 2**18))
        start = min(start, len(content))
        end = content_end(path, start, 2**30)
        assert end == start + len(content[start:].rstrip(b"\0"))
        assert content_end(path, start, 10) in (end, path.stat().st_size)
    finally:
        path.unlink()
