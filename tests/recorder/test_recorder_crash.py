"""Crashes and failing disks: no acknowledged leaf is lost, and nothing goes on that cannot be
recorded."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_writer import Interposed
from recorder_world import World, facts
from twisted.logger import LogLevel, capturedLogs

from hoopgate.errors import RecorderFailed, RecorderFull
from hoopgate.recorder import commit, files, log, segments
from hoopgate.recorder.payload import Kind

HERE = Path(__file__).parent


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: what a killed process has written survives it
    there as well as on a disk, and hundreds of restarts cost no waiting for fsync."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="hoopgate-") as name:
        yield Path(name)


def spawn(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "crash_writer.py"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(world: World, acknowledged: list[tuple[str, int, str]]) -> None:
    """After a restart the log verifies and holds everything that was acknowledged, where it was."""
    report = world.verify()
    assert report.running == 0
    leaves = world.leaves()
    texts = {}
    for name, index, text in acknowledged:
        assert leaves[index]["session"] == name
        texts.setdefault(name, world.stream(name, Kind.REQUEST))
        assert text.encode() in texts[name]


def test_kill_at_any_moment(tmp_path: Path) -> None:
    """``kill -9`` at random moments, also while the log is opened again after the last kill."""
    world = World(tmp_path)
    acknowledged: list[tuple[str, int, str]] = []
    chance = random.Random(7)
    for kill in range(40):
        if kill >= 12 and len(acknowledged) > 50:
            break
        child = spawn(tmp_path)
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        # However slow the machine: after enough early moments, one with entries behind it.
        told = [child.stdout.readline().rstrip() for _ in range(10 if kill >= 12 else 0)]
        time.sleep(chance.choice([0, 0.005, 0.01, 0.02, 0.05, 0.2]) * chance.random())
        child.send_signal(signal.SIGKILL)
        for line in (*told, *child.stdout.read().splitlines()):
            name, index, text = line.split(" ")
            acknowledged.append((name, int(index), text))
        child.stdout.close()
        assert child.wait(60) == -signal.SIGKILL
    assert len(acknowledged) > 50
    world.open()
    world.stop()
    check(world, acknowledged)
    assert world.verify().crashed > 3


def test_death_at_every_system_call(fast: Path) -> None:
    """The first start, a session's life and the stop, cut short at each of their calls; each start
    finds what the one before it left."""
    child = spawn(fast, "--every")
    output, _ = child.communicate(timeout=120)
    results = [json.loads(line) for line in output.splitlines()]
    assert len(results) > 60
    assert [r["code"] for r in results] == [9] * (len(results) - 1) + [0], results[-1]
    acknowledged = []
    for result in results:
        for line in result["lines"]:
            name, index, text = line.split(" ")
            acknowledged.append((name, int(index), text))
    assert len(acknowledged) > 30
    check(World(fast), acknowledged)


@pytest.fixture
def ended(tmp_path: Path) -> World:
    """A log whose node died after its last checkpoint, with durable leaves above it."""
    world = World(tmp_path, checkpoint_ms=20).open()
    session = world.session("s-1")
    for number in range(10):
        world.wait(session.request(b"below %d" % number, None, ()))
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    below = tmp_path / "below"
    shutil.copytree(world.directory, below)
    shutil.copytree(world.state, tmp_path / "head")
    for number in range(5):
        world.wait(session.request(b"above %d" % number, None, ()))
    shutil.copy(world.directory / "seg/00000001.hgs", below / "seg/00000001.hgs")
    world.stop()
    shutil.rmtree(world.directory)
    shutil.rmtree(world.state)
    below.rename(world.directory)
    (tmp_path / "head").rename(world.state)
    return World(tmp_path)


def test_a_durable_tail_is_taken_up(ended: World) -> None:
    assert ended.verify().above == 5
    ended.open()
    ended.stop()
    check(ended, [("s-1", 12 + n, f"above {n}") for n in range(5)])
    assert ended.verify().gaps == 0
    closed = next(
        leaf
        for leaf in ended.leaves()
        if leaf["type"] == "session.close" and leaf["session"] == "s-1"
    )
    assert (closed["reason"], closed["last_seq"]) == ("crash", 15)


def test_a_tail_torn_anywhere(ended: World, tmp_path: Path) -> None:
    """Whatever part of the tail a power loss leaves: whole records stay, the rest is a gap."""
    path = ended.directory / "seg/00000001.hgs"
    whole = path.read_bytes()
    boundaries = {leaf["offset"] for leaf in _all_leaves(ended)} | {len(whole)}
    base = max(leaf["offset"] for leaf in ended.leaves())
    first = min(at for at in boundaries if at > base)
    chance = random.Random(3)
    cuts = sorted({first, first + 1, *chance.sample(range(first, len(whole)), 10), len(whole)})
    for number, cut in enumerate(cuts):
        copy = World(tmp_path / f"cut-{number}")
        shutil.copytree(ended.directory, copy.directory)
        shutil.copytree(ended.state, copy.state)
        torn = copy.directory / "seg/00000001.hgs"
        # Zeros behind the records are those of a segment that was prepared: nothing is torn.
        behind = (b"", bytes(50), b"\0" * 40 + b"x" + bytes(50))[number % 3]
        torn.write_bytes(whole[:cut] + behind)
        clean = not (whole[max(at for at in boundaries if at <= cut) : cut] + behind).strip(b"\0")
        assert (copy.verify().torn == 0) == clean
        copy.open()
        copy.stop()
        report = copy.verify()
        assert report.gaps == (0 if clean else 1)
        kept = len([at for at in boundaries if first < at <= cut])
        assert len(copy.stream("s-1", Kind.REQUEST)) == 10 + kept
        if not clean:  # what was torn is evidence, too: it may not change any more
            torn.write_bytes(torn.read_bytes()[:-1])
            with pytest.raises(Exception, match="cut off or appended"):
                copy.verify()


def _all_leaves(world: World) -> list[dict[str, Any]]:
    return [json.loads(leaf) for _, leaf, _ in segments.Scan(world.directory, 1)]


class Disk:
    """A disk that can be told to fail."""

    def __init__(self) -> None:
        self.failing: Callable[[str], bool] = lambda name: False
        self.error = errno.EIO
        self.calls: list[str] = []

    def strike(self, name: str) -> None:
        self.calls.append(name)
        if self.failing(name):
            raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    found = Disk()
    for module in (commit, files, log, segments):
        monkeypatch.setattr(module, "os", Interposed(found.strike))
    yield found
    found.failing = lambda name: False


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_failing_disk_stops_everything(make_world: Any, disk: Disk, call: str) -> None:
    world = make_world(checkpoint_ms=60_000).open()
    told: list[str] = []
    world.log.on_failure = lambda: told.append("failed")
    session = world.session("s-1")
    kept = world.wait(session.request(b"good", None, ()))
    once = [call]
    # Once only: a second fsync would report success without the data.
    disk.failing = lambda name: name in once and (once.remove(name) or True)
    session.response(b"rows")
    with capturedLogs() as logged:
        waiting = [session.request(b"lost", None, ()), session.note("admin", {}), session.flushed()]
        for one in waiting:
            with pytest.raises(RecorderFailed, match="Input/output error"):
                world.wait(one)
    [line] = [one for one in logged if one["log_level"] is LogLevel.critical]
    assert (line["log_format"], line["error"], line["code"]) == (
        *("recorder.failed", "OSError", "EIO"),
    )
    assert world.log.failed()
    assert told == ["failed"]
    for late in (
        session.request(b"x", None, ()),
        session.flushed(),
        session.close("x"),
        world.log.append("admin", {}),
        world.log.open_session(facts("s-2")),
    ):
        with pytest.raises(RecorderFailed):
            world.wait(late)
    world.stop()
    assert list(world.directory.glob("seg/00000001.*.quarantine"))
    world.open()
    world.stop()
    check(world, [("s-1", kept, "good")])
    assert b"lost" not in world.stream("s-1", Kind.REQUEST)


def test_a_disk_that_fails_at_any_call(fast: Path, disk: Disk) -> None:
    """EIO at each call in turn: what was acknowledged is there after a restart, the rest was
    refused, nothing hangs."""
    failures = 0
    for number in range(1000):
        world = World(fast / str(number), segment_bytes=2500, checkpoint_ms=2)
        disk.calls.clear()
        disk.failing = lambda name, number=number: len(disk.calls) == number + 1
        acknowledged: list[tuple[str, int, str]] = []
        try:
            world.open()
            session = world.session("s-1")
            for n in range(6):
                index = world.wait(session.request(f"text {n}".encode(), None, ()))
                acknowledged.append(("s-1", index, f"text {n}"))
            world.stop()
            failed = world.log.failed()
        except RecorderFailed:
            failed = True
            if hasattr(world, "log"):
                world.stop()
        disk.failing = lambda name: False
        failures += failed
        if len(disk.calls) <= number:
            break
        world.open()
        world.stop()
        check(world, acknowledged)
    assert number > 50
    assert failures > number * 0.8  # closing a file may fail without harm


def test_a_checkpoint_that_cannot_be_written_stops_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hoopgate.recorder import integrate

    def fail(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    session = world.session("s-1")
    monkeypatch.setattr(integrate, "write_file", fail)
    session.request(b"x", None, ()).addErrback(lambda failure: None)
    world.pump.until(world.log.failed)
    with pytest.raises(RecorderFailed):
        world.wait(session.request(b"y", None, ()))


def test_a_bit_that_flips_in_memory_is_not_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.session("s-1")
    world.pump.until(lambda: world.log.checkpoint_size == 2)
    before = (world.directory / "checkpoint").read_bytes()
    real = world.log._integrator.add

    def flip(leaves: Any) -> None:
        real([(bytes([leaf[0] ^ 1]) + leaf[1:], hashed) for leaf, hashed in leaves])

    monkeypatch.setattr(world.log._integrator, "add", flip)
    world.wait(session.request(b"x", None, ()))
    world.pump.until(world.log.failed)
    assert "entry and hash differ" in str(world.log.failure())
    assert (world.directory / "checkpoint").read_bytes() == before


class TestFullDisk:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        """A file system of 3 MiB."""
        if os.geteuid() != 0:
            pytest.skip("mounting a small tmpfs needs root")
        mounted = tmp_path / "small"
        mounted.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mounted)]
        subprocess.run(command, check=True)
        yield mounted
        subprocess.run(["umount", "-l", str(mounted)], check=True)

    def test_requests_are_refused_and_sessions_closed(self, small: Path) -> None:
        world = World(small, reserve_bytes=400_000).open()
        session, other = world.session("s-1"), world.session("s-2")
        acknowledged = []
        with pytest.raises(RecorderFull, match="is full"):
            for number in range(10_000):
                text = f"{number:05d}" * 2000
                index = world.wait(session.request(text.encode(), None, ()))
                acknowledged.append(("s-1", index, text))
        assert len(acknowledged) > 50
        assert not world.log.failed()
        assert world.log.full()
        with pytest.raises(RecorderFull):
            world.session("s-3")
        # What the client saw meanwhile is still recorded, and the session is closed.
        other.response(b"rows " * 10_000)
        world.wait(other.flushed())
        world.wait(other.close("client.terminate"))
        world.stop()
        check(world, acknowledged[:5] + acknowledged[-5:])
        assert b"".join(world.stream("s-2", Kind.RESPONSE)) == b"rows " * 10_000

    def test_it_goes_on_when_there_is_room_again(self, small: Path) -> None:
        ballast = small / "ballast"
        ballast.write_bytes(bytes(2_000_000))
        world = World(small, reserve_bytes=400_000).open()
        with pytest.raises(RecorderFull):
            for number in range(1000):
                world.session(f"s-{number}")
        ballast.unlink()
        world.wait(world.log.append("heartbeat", {}))
        world.wait(world.session("late").request(b"x", None, ()))
        world.stop()
        assert world.verify().running == 0

    def test_no_space_at_all_is_a_failure_not_a_loss(self, small: Path) -> None:
        """Without a reserve: the write fails, the log stops; it starts again when there is room."""
        world = World(small, reserve_bytes=0, checkpoint_ms=60_000).open()
        session = world.session("s-1")
        acknowledged = []
        with pytest.raises(RecorderFailed, match="No space left"):
            for number in range(10_000):
                text = f"{number:05d}" * 2000
                index = world.wait(session.request(text.encode(), None, ()))
                acknowledged.append(("s-1", index, text))
        world.stop()
        subprocess.run(["mount", "-o", "remount,size=9m", str(small)], check=True)
        world.open()
        world.stop()
        check(world, acknowledged[:5] + acknowledged[-5:])

    def test_a_start_without_room_says_so(self, small: Path) -> None:
        with pytest.raises(RecorderFull, match="has no room"):
            World(small, reserve_bytes=2**23).open()

    def test_no_space_in_the_middle_of_a_batch(self, make_world: Any, disk: Disk) -> None:
        """The rest of the batch goes out from the reserve: nothing is encrypted twice."""
        world = make_world(reserve_bytes=65_536).open()
        session = world.session("s-1")
        disk.error = errno.ENOSPC
        reserve = world.directory / "reserve"
        disk.failing = lambda name: name == "write" and reserve.exists()
        world.wait(session.request(b"x", None, ()))
        assert not reserve.exists()
        disk.failing = lambda name: False
        world.stop()
        assert world.stream("s-1", Kind.REQUEST) == [b"x"]
        assert world.verify().running == 0


def test_a_limit_on_file_size_is_a_failing_disk(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from recorder_world import World\n"
        "world = World(Path(sys.argv[1])).open(); session = world.session('s-1')\n"
        "try:\n"
        "    while True: print(world.wait(session.request(bytes(5000), None, ())), flush=True)\n"
        "except Exception as error: print(type(error).__name__, world.log.failed())\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    command = [sys.executable, "-c", script, str(tmp_path), str(HERE)]
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=limit, timeout=60, check=True
    ).stdout.splitlines()
    assert output[-1] == "RecorderFailed True"
    world = World(tmp_path).open()
    world.stop()
    assert len(world.stream("s-1", Kind.REQUEST)) >= len(output) - 1 > 20
    assert world.verify().running == 0
