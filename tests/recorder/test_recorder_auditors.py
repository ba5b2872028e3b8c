"""Recordings sealed to auditors' keys: the gateway itself opens none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorder_world import World

from hoopgate.cli.main import main
from hoopgate.errors import RecorderFailed
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.log import REPLAY_KEY
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.replay import Replay
from hoopgate.recorder.sealing import Recipient, ReplayKey


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
