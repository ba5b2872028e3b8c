"""The key in a process of its own: it signs a log that grows, and nothing else."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_world import ALLOWED, ORIGIN, World

from hoopgate.errors import RecorderFailed
from hoopgate.recorder.log import open_log_blocking
from hoopgate.recorder.note import Checkpoint, open_checkpoint
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.signer_process import FRAME_BYTES, Guard, ProcessSigner

HOOPGATE = Path(sys.executable).with_name("hoopgate")


def head(size: int, root: int = 7) -> Checkpoint:
    return Checkpoint(ORIGIN, size, bytes([root]) * 32)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=20))
def test_what_is_signed_never_shrinks_or_forks(asked: list[tuple[int, int]]) -> None:
    guard = Guard(FileSigner(ORIGIN, b"s" * 32))
    last: Checkpoint | None = None
    for size, root in asked:
        note = guard.sign(str(head(size, root)).encode())
        follows = last is None or size > last.size or head(size, root) == last
        assert bool(note) is follows
        if follows:
            last = head(size, root)
            assert open_checkpoint(note, [guard.verifier]) == last


@given(st.binary(max_size=200))
def test_nothing_else_is_signed(text: bytes) -> None:
    assert Guard(FileSigner(ORIGIN, b"s" * 32)).sign(text) == b""


def test_another_log_is_not_signed() -> None:
    assert Guard(FileSigner("other/log", b"s" * 32)).sign(str(head(1)).encode()) == b""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys/signer.key"
    FileSigner.create(path, ORIGIN)
    return path


def test_a_child_signs_until_it_is_left(key: Path) -> None:
    signer = ProcessSigner.spawn(key)
    child = signer._child
    assert child is not None
    assert signer.verifier == FileSigner.load(key).verifier
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child.send_signal(number)
    assert open_checkpoint(signer.sign(head(3)), [signer.verifier]) == head(3)
    with pytest.raises(RecorderFailed, match="refuses"):
        signer.sign(head(2))
    status = Path(f"/proc/{child.pid}/status").read_text()
    assert "CoreDumping:\t0" in status
    limits = Path(f"/proc/{child.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
    signer.close()
    assert child.returncode == 0


def test_a_child_that_is_gone(key: Path) -> None:
    signer = ProcessSigner.spawn(key)
    assert signer._child is not None
    signer._child.kill()
    with pytest.raises(RecorderFailed, match="gone"):
        signer.sign(head(1))
    signer.close()


def test_no_key_no_signer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecorderFailed, match="did not start"):
        ProcessSigner.spawn(tmp_path / "missing.key")
    assert "missing.key" in capfd.readouterr().err
    with pytest.raises(RecorderFailed, match="no signer answers"):
        ProcessSigner.connect(tmp_path / "missing.sock")


def test_a_log_whose_key_its_process_never_has(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.log = open_log_blocking(world.recording, world.state, world.pump, apart=True)
    session = world.session("s-1")
    world.wait(session.request(b"SELECT 1", None, ALLOWED))
    seed = FileSigner.load(world.state / SIGNER_KEY)._key.private_bytes_raw()
    assert seed
    world.stop()
    assert world.verify().sessions == 1


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A signer of another user, where we may have one."""
    home = tmp_path / "signer"
    home.mkdir()
    prefix = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(home, user.pw_uid, 0)
        for path in (tmp_path, *tmp_path.parents):
            if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o011)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", "--regid=0", "--clear-groups", "--"]
    files = ["--key", home / "log.key", "--origin", ORIGIN, "--socket", home / "signer.sock"]
    child = subprocess.Popen([*prefix, HOOPGATE, "signer", *files], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not (home / "signer.sock").exists():
            assert time.monotonic() < end and child.poll() is None
            time.sleep(0.02)
        yield home, child
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0


def test_a_signer_of_another_user(
    apart: tuple[Path, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    home, _ = apart
    assert (home / "log.key").stat().st_mode & 0o777 == 0o600
    assert (home / "signer.sock").stat().st_mode & 0o777 == 0o660
    world = World(tmp_path)
    world.recording = replace(world.recording, signer=home / "signer.sock")
    for name in ("s-1", "s-2"):
        world.open()
        session = world.session(name)
        world.wait(session.request(b"SELECT 1", None, ALLOWED))
        world.stop()
    assert world.verify().sessions == 2
    assert not (world.state / SIGNER_KEY).exists()
    # Who breaks its protocol is hung up on; the next one is served.
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(home / "signer.sock"))
        rude.sendall((FRAME_BYTES + 1).to_bytes(4, "big"))
        rude.settimeout(60)
        while rude.recv(4096):
            pass
    signer = ProcessSigner.connect(home / "signer.sock")
    assert signer.name == ORIGIN
    with pytest.raises(RecorderFailed, match="refuses"):
        signer.sign(head(1))  # it is beyond that
    signer.close()


def test_a_signer_of_another_log(
    apart: tuple[Path, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.recording = replace(
        world.recording, signer=apart[0] / "signer.sock", origin="another/log"
    )
    with pytest.raises(RecorderFailed, match="signs for"):
        world.open()
