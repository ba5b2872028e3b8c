"""Commands on a directory in which somebody has put what is no file, or no key: they end in a line.

No hang, no traceback: an auditor's script takes both for a log that could not be read yet.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorder.recorder_world import ALLOWED, World

from hoopgate.cli.main import main


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log of over 256 leaves."""
    world = World(tmp_path_factory.mktemp("good"), checkpoint_ms=5).open()
    session = world.session("s-1-0")
    for number in range(260):
        done = session.request(b"SELECT %d" % number, None, ALLOWED)
    world.wait(done)
    world.stop()
    return world


@pytest.fixture
def log(good: World, tmp_path: Path) -> World:
    for name in ("log", "state"):
        shutil.copytree(good.directory.parent / name, tmp_path / name)
    return World(tmp_path)


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """A command that waits for a pipe ends here, not with the run."""

    def hangs(*_: object) -> None:
        pytest.fail("it waits for what is no file")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "command", ["audit verify", "audit prove --leaf 3", "sessions", "replay s-1-0"]
)
@pytest.mark.parametrize("name", ["vkey", "checkpoint", "tile/0/000", "tile/entries/000"])
@pytest.mark.usefixtures("no_waiting")
def test_what_is_no_file_ends_a_command_in_a_line(
    log: World, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log.directory / name
    path.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(path)
        before = [*command.split(), "-d", str(log.directory)]
        assert main(before) in (1, 2)
        said = capsys.readouterr()
        assert "BAD" in said.out or "hoopgate " in said.err
        path.unlink() if path.is_fifo() else path.rmdir()


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b"", b"\xff"])
def test_a_sealed_key_that_is_none(
    log: World, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (log.directory / "wraps/s-1-0.json").write_bytes(content)
    key = str(log.state / "keys/replay.key")
    assert main(["replay", "s-1-0", "-d", str(log.directory), "--key", key]) == 1
    assert "the wrap is malformed" in capsys.readouterr().err
