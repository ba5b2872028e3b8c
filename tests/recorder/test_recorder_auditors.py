"""Recordings sealed to auditors' keys: the gateway itself opens none of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from recorder_world import World

from hoopgate.cli.main import main
from hoopgate.errors import RecorderFailed
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.replay import Replay
from hoopgate.recorder.sealing import REPLAY_KEY, OpenedKey, Recipient, ReplayKey, unseal


@pytest.fixture
def keys(tmp_path: Path) -> list[Path]:
    """Two auditors' private keys, made as they make them."""
    found = [tmp_path / f"{name}.key" for name in ("ann", "bob")]
    for path in found:
        assert main(["audit", "keygen", "--out", str(path)]) == 0
        assert path.stat().st_mode & 0o077 == 0
    return found


def public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def test_any_auditor_opens_it_and_nobody_else(make_world: Any, keys: list[Path]) -> None:
    world = make_world(auditors=tuple(public(path) for path in keys)).open()
    session = world.session("s-1")
    world.wait(session.request(b"SELECT 1", None, ()))
    world.wait(session.close("client.terminate"))
    world.stop()
    for path in keys:
        moments = Replay(world.reader(), "s-1", ReplayKey.load(path)).moments()
        assert [m.data for m in moments if m.kind == Kind.REQUEST] == [b"SELECT 1"]
    assert not (world.state / REPLAY_KEY).exists()
    stranger = ReplayKey.create(world.state / "stranger.key")
    with pytest.raises(BadLog, match="not sealed"):
        Replay(world.reader(), "s-1", stranger)
    # Whatever lies in the node's directories: nothing of it is a key that opens the session.
    secret = ReplayKey.load(keys[0]).private
    for base in (world.directory, world.state):
        for path in base.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes()
    world.verify()


_NODE = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from recorder_world import World
world = World(Path(sys.argv[1]), auditors=(Path(sys.argv[2]),), checkpoint_ms=5).open()
kept = []
for number in range(12):
    kept.append(world.session(f"s-{number}"))
    for count in range(10):
        world.wait(kept[-1].request(b"SELECT secret", None, ()))
    world.wait(kept[-1].close("client.terminate"))
running = world.session("s-running")
for count in range(200):
    world.wait(running.request(b"SELECT %d" % count, None, ()))
print("ready", flush=True)
sys.stdin.read()
"""


def test_root_on_the_gateway_opens_no_closed_session(keys: list[Path], tmp_path: Path) -> None:
    """Neither by what is on its disk nor by what is in the node's memory."""
    node = tmp_path / "node"
    command = [sys.executable, "-c", _NODE, str(node), str(public(keys[0]))]
    child = subprocess.Popen(
        [*command, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    with child:
        assert child.stdout.readline() == "ready\n"
        memory = memory_of(child.pid)
        child.stdin.close()
    on_disk = b"".join(path.read_bytes() for path in node.rglob("*") if path.is_file())
    auditor = ReplayKey.load(keys[0])
    found: dict[str, bool] = {}
    for name in [*(f"s-{number}" for number in range(12)), "s-running"]:
        key = unseal(name, (node / f"log/wraps/{name}.json").read_bytes(), auditor)
        derived = HKDFExpand(SHA256(), 32, b"hoopgate payload v1").derive(key)
        assert key not in on_disk
        assert derived not in on_disk
        found[name] = key in memory or derived in memory
    # That of the session that runs is there: the test would see one.
    assert found.pop("s-running")
    # Memory that was given back may keep what it held until it is used again: of the last one.
    assert sum(found.values()) <= 1, found


def memory_of(pid: int) -> bytes:
    """What a process can write to of its memory."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line):
                start, end = int(match[1], 16), int(match[2], 16)
                try:
                    memory.seek(start)
                    parts.append(memory.read(end - start))
                except OSError:
                    continue  # the kernel's own
    return b"".join(parts)


def test_what_is_handed_over_is_a_key_or_refused(keys: list[Path]) -> None:
    assert ReplayKey.parse(keys[0].read_bytes()) == ReplayKey.load(keys[0])
    for bad in (b"", public(keys[0]).read_bytes(), b"-----BEGIN PRIVATE KEY-----\n"):
        with pytest.raises(BadNote):
            ReplayKey.parse(bad)


def test_the_key_of_one_session_opens_it_alone(
    make_world: Any, keys: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world(auditors=(public(keys[0]),)).open()
    for name in ("s-1", "s-2"):
        session = world.session(name)
        world.wait(session.request(b"SELECT 1", None, ()))
        world.wait(session.close("client.terminate"))
    world.stop()
    capsys.readouterr()
    wrap = tmp_path / "s-1.json"
    wrap.write_bytes((world.directory / "wraps/s-1.json").read_bytes())
    assert main(["audit", "unseal", str(wrap), "--key", str(keys[0])]) == 0
    text = capsys.readouterr().out
    key = OpenedKey.parse(text)
    assert text.split(":")[-1].strip() not in repr(key)
    moments = Replay(world.reader(), "s-1", key).moments()
    assert [m.data for m in moments if m.kind == Kind.REQUEST] == [b"SELECT 1"]
    with pytest.raises(BadLog, match="of another session"):
        Replay(world.reader(), "s-2", key)
    with pytest.raises(BadLog, match="not the one the session began with"):
        Replay(world.reader(), "s-2", OpenedKey("s-2", key.key))
    assert main(["audit", "unseal", str(wrap), "--key", str(keys[1])]) == 1
    wrap.write_bytes(b'{"session": "../\x1b[2J"}')
    assert main(["audit", "unseal", str(wrap), "--key", str(keys[0])]) == 1
    assert main(["audit", "unseal", str(tmp_path / "none"), "--key", str(keys[0])]) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.err
    for bad in ("", "s-1", text.replace("hoopgate-session-key:", ""), text.replace("=", "")):
        with pytest.raises(BadNote):
            OpenedKey.parse(bad)


def test_a_later_change_of_auditors(make_world: Any, keys: list[Path]) -> None:
    """Each recording keeps those it was sealed to."""
    world = make_world().open()
    world.wait(world.session("s-1").close("x"))
    world.stop()
    after = World(world.directory.parent, auditors=(public(keys[0]),)).open()
    after.wait(after.session("s-2").close("x"))
    after.stop()
    own, ann = ReplayKey.load(world.state / REPLAY_KEY), ReplayKey.load(keys[0])
    Replay(after.reader(), "s-1", own)
    Replay(after.reader(), "s-2", ann)
    for session, key in (("s-1", ann), ("s-2", own)):
        with pytest.raises(BadLog, match="not sealed"):
            Replay(after.reader(), session, key)


def test_a_key_that_is_none(make_world: Any, keys: list[Path], tmp_path: Path) -> None:
    assert Recipient.load(public(keys[0])) == ReplayKey.load(keys[0]).recipient
    for path in (keys[0], tmp_path / "missing"):
        with pytest.raises(RecorderFailed):
            make_world(auditors=(path,)).open()
    assert main(["audit", "keygen", "--out", str(keys[0])]) == 2
