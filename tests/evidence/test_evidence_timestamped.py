"""Bundles of a log whose checkpoints an authority timestamps; openssl checks what is in them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from recorder.recorder_world import World
from testbed.tsa import Tsa

from hoopgate.cli.main import main
from hoopgate.evidence.export import export
from hoopgate.evidence.manifest import MANIFEST
from hoopgate.evidence.verify import BAD, verify_bundle
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.timestamping import Authority, timestamps


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    found = Tsa(tmp_path_factory.mktemp("authority") / "tsa")
    yield found
    found.close()


@pytest.fixture
def stamped(tsa: Tsa, tmp_path: Path) -> World:
    """A stopped log with two timestamps."""
    world = World(tmp_path / "node", checkpoint_ms=5).open()
    world.log.outside.timestamp(Authority(tsa.url, tsa.roots.read_bytes()), 0.05)
    for number in range(2):
        session = world.session(f"s-{number}")
        world.wait(session.request(b"SELECT 1", None, ()))
        before = len(timestamps(world.directory))
        world.pump.until(lambda: len(timestamps(world.directory)) > before, 60)  # noqa: B023
    world.stop()
    return world


def test_when_it_was_there_at_the_latest(
    stamped: World, tsa: Tsa, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b"
    export(stamped.reader(), out, 0, 2**62)
    policy = Policy((stamped.vkey(),))
    found = timestamps(out / "log")
    assert len(found) >= 2
    authority = Authority("", tsa.roots.read_bytes())
    verified = verify_bundle(out, policy, authority=authority)
    assert sorted(verified.stamped) == [size for size, _, _ in found]
    assert verified.unproven == []
    assert len(verify_bundle(out, policy).unproven) == len(found)  # without roots: the tokens
    for size, _, _ in found:
        base = out / "log/timestamps"
        command = ["openssl", "ts", "-verify", "-in", base / f"{size}.tsr"]
        command += ["-data", base / f"{size}.checkpoint", "-CAfile", tsa.roots]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (tmp_path / "policy").write_text(f"log {stamped.vkey()}\nquorum none\n")
    command = ["evidence", "verify", str(out), "--policy", str(tmp_path / "policy")]
    assert main([*command, "--timestamp-roots", str(tsa.roots)]) == 0
    assert "timestamped: the first" in capsys.readouterr().out


def test_timestamps_swapped(stamped: World, tsa: Tsa, tmp_path: Path) -> None:
    out = tmp_path / "b"
    export(stamped.reader(), out, 0, 2**62)
    base = out / "log/timestamps"
    one, two = sorted(base.glob("*.tsr"))[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    manifest = json.loads((out / MANIFEST).read_bytes())
    for path in (one, two):
        data = path.read_bytes()
        manifest["files"][str(path.relative_to(out))] = [len(data), sha256(data).hexdigest()]
    (out / MANIFEST).write_text(json.dumps(manifest))
    authority = Authority("", tsa.roots.read_bytes())
    with pytest.raises(BAD, match="not the authority"):
        verify_bundle(out, Policy((stamped.vkey(),)), authority=authority)
