"""A new key: the log goes on under it, and the old one counts for nothing any more."""

from __future__ import annotations

import shutil
from base64 import b64encode
from pathlib import Path

import pytest
from recorder_world import ALLOWED, World

from hoopgate.errors import RecorderFailed
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note
from hoopgate.recorder.rotation import RETIRED, SIGNER_KEY, rotate
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.verify import verify_log


def record(world: World, name: str) -> None:
    session = world.session(name)
    world.wait(session.request(b"SELECT 1", None, ALLOWED))
    world.wait(session.close("done"))


def turned(world: World) -> tuple[str, str]:
    old, new = rotate(world.directory, world.state, world.recording.origin)
    return str(old), str(new)


def test_the_log_goes_on_under_the_new_key(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    record(world, "s-1")
    world.stop()
    before, trusted = world.reader().checkpoint, world.vkey()
    old, new = turned(world)
    assert (old, str(trusted)) == (str(trusted), old)
    assert old != new
    world.open()
    record(world, "s-2")
    world.stop()
    assert str(world.vkey()) == new
    assert world.verify().sessions == 2
    with pytest.raises(BadNote, match="no trusted key"):
        verify_log(world.directory, [trusted])
    (said,) = [leaf["previous"] for leaf in world.leaves() if "previous" in leaf]
    root = b64encode(before.root).decode()
    assert said == {"key": old, "size": before.size, "root": root}
    # A restart is no rotation.
    world.open().stop()
    assert len([leaf for leaf in world.leaves() if "previous" in leaf]) == 1
    # And another one goes the same way.
    assert turned(world)[0] == new
    world.open()
    world.stop()
    assert [leaf["previous"]["key"] for leaf in world.leaves() if "previous" in leaf] == [old, new]
    assert (world.state / RETIRED).read_text().split() == [old, new]


def test_what_a_retired_key_signs_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    record(world, "s-1")
    world.stop()
    stolen = tmp_path / "stolen.key"
    shutil.copy(world.state / SIGNER_KEY, stolen)
    turned(world)
    for _ in range(2):  # the second rotation takes the old key's last word
        world.open()
        world.stop()
        turned(world)
    world.open()
    world.stop()
    checkpoint = world.directory / "checkpoint"
    head = Checkpoint.parse(Note.parse(checkpoint.read_bytes()).text)
    checkpoint.write_bytes(FileSigner.load(stolen).sign(head))
    with pytest.raises(BadNote):
        world.verify()
    with pytest.raises(RecorderFailed, match="no trusted key signed"):
        world.open()


def test_when_it_cannot_be_rotated(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(RecorderFailed, match="no log"):
        turned(world)
    world.open()
    with pytest.raises(RecorderFailed, match="the node runs"):
        turned(world)
    world.stop()
    turned(world)
    with pytest.raises(RecorderFailed, match="start the node once"):
        turned(world)
    key = world.state / SIGNER_KEY
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(RecorderFailed, match="no key to replace"):
        turned(world)
    key.write_bytes(kept)
    key.chmod(0o600)
    world.open()
    world.stop()
