"""Bundles of a log whose checkpoints witnesses cosign."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from evidence_world import hour
from recorder.recorder_world import World

from hoopgate.evidence.export import export
from hoopgate.evidence.manifest import MANIFEST
from hoopgate.evidence.verify import BAD, verify_bundle
from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.note import Note
from hoopgate.recorder.policy import Policy

TIME = 1_780_100_000


class Witnessed:
    """A copy of a log, with two cosignatures on its last checkpoint."""

    def __init__(self, log: World, base: Path) -> None:
        shutil.copytree(log.directory, base / "log")
        shutil.copytree(log.state, base / "state")
        self.world = World(base)
        self.cosigners = {
            name: Cosigner.create(base / f"{name}.key", f"{name}.example")
            for name in ("city", "county")
        }
        note = Note.parse((base / "log/checkpoint").read_bytes())
        cosignatures = [one.cosign(note.text, TIME) for one in self.cosigners.values()]
        whole = Note(note.text, (*note.signatures, *cosignatures))
        (self.world.directory / WITNESSED).write_bytes(whole.encode())

    def policy(self, quorum: str) -> Policy:
        keys = "".join(f"witness {n} {one.verifier}\n" for n, one in self.cosigners.items())
        group = f"group both {quorum} city county\nquorum both\n"
        return Policy.parse(f"log {self.world.vkey()}\n{keys}{group}")


@pytest.fixture
def witnessed(eventful_log: World, tmp_path: Path) -> Witnessed:
    return Witnessed(eventful_log, tmp_path / "witnessed")


@pytest.fixture
def bundle(witnessed: Witnessed, tmp_path: Path) -> Path:
    out = tmp_path / "bundle"
    export(witnessed.world.reader(), out, hour(1.5), hour(3.5))
    return out


def refit(bundle: Path) -> None:
    """Make the manifest fit the cosigned checkpoint as it is now."""
    manifest = json.loads((bundle / MANIFEST).read_bytes())
    data = (bundle / "log" / WITNESSED).read_bytes()
    manifest["files"][f"log/{WITNESSED}"] = [len(data), sha256(data).hexdigest()]
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def test_who_cosigned(witnessed: Witnessed, bundle: Path) -> None:
    for quorum in ("any", "all"):
        verified = verify_bundle(bundle, witnessed.policy(quorum))
        assert verified.witnesses == {"city": TIME, "county": TIME}
    assert verified.unproven == []


@pytest.mark.parametrize("how", ["stripped", "forged", "gone"])
def test_a_cosignature_that_is_not_there(witnessed: Witnessed, bundle: Path, how: str) -> None:
    path = bundle / "log" / WITNESSED
    lines = path.read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if "county.example" in line)
    if how == "stripped":
        del lines[at]
    elif how == "forged":
        lines[at] = lines[at][:40] + lines[at][40:60].swapcase() + lines[at][60:]
    path.write_text("".join(lines))
    refit(bundle)
    if how == "gone":
        path.unlink()
    with pytest.raises(BAD):
        verify_bundle(bundle, witnessed.policy("all"))
    if how == "stripped":
        assert verify_bundle(bundle, witnessed.policy("any")).witnesses == {"city": TIME}


def test_a_log_that_nobody_cosigned(eventful_log: World, made: Path, witnessed: Witnessed) -> None:
    verify_bundle(made, Policy((eventful_log.vkey(),)))
    with pytest.raises(BAD, match="no witness cosigned"):
        verify_bundle(made, witnessed.policy("any"))


def test_witnesses_that_saw_less_than_the_period(tmp_path: Path) -> None:
    """They vouch for what they saw, which is shown to be a part of the log; not for the rest."""
    world = World(tmp_path / "node", checkpoint_ms=5).open()
    world.session("s-1")
    world.stop()
    scene = Witnessed(world, tmp_path / "witnessed")
    scene.world.open()
    session = scene.world.session("s-2")
    for number in range(300):
        done = session.request(b"%d" % number, None, ())
    scene.world.wait(done)
    scene.world.stop()
    export(scene.world.reader(), tmp_path / "b", 0, 2**62)
    verify_bundle(tmp_path / "b", Policy((scene.world.vkey(),)))
    with pytest.raises(BAD, match="witnesses vouch for"):
        verify_bundle(tmp_path / "b", scene.policy("all"))
