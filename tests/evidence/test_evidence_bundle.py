"""Bundles: what is in them, and that nothing in them can be altered unnoticed."""

from __future__ import annotations

import json
import os
import random
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from evidence_world import HOSTILE, hour
from hypothesis import given
from hypothesis import strategies as st
from recorder.recorder_world import World

from hoopgate.cli.main import main
from hoopgate.evidence.export import ExportFailed, export
from hoopgate.evidence.manifest import MANIFEST, BadBundle, Manifest
from hoopgate.evidence.period import NothingThere
from hoopgate.evidence.verify import BAD, verify_bundle
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.verify import verify_log


def ndjson(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def renamed(bundle: Path, **changes: Any) -> dict[str, Any]:
    """Write a manifest that fits the files as they are now, with ``changes``."""
    about = json.loads((bundle / MANIFEST).read_bytes())
    about["files"] = {
        str(path.relative_to(bundle)): [path.stat().st_size, sha256(path.read_bytes()).hexdigest()]
        for path in files(bundle)
        if path.name != MANIFEST
    }
    about.update(changes)
    (bundle / MANIFEST).write_text(json.dumps(about))
    return dict(about)


def test_what_is_in_it(eventful_log: World, made: Path) -> None:
    verified = verify_bundle(made, Policy((eventful_log.vkey(),)))
    assert verified.unproven == []
    # s-early and the node were opened before; their first leaves are in the bundle, proven.
    assert list(verified.facts.sessions) == ["s-early", "s-2", "s-3"]
    assert verified.facts.sessions["s-early"].before
    sessions = ndjson(made / "sessions.ndjson")
    assert [(one["session"], one["requests"]) for one in sessions] == [
        ("s-early", 0),
        ("s-2", 27),
        ("s-3", 27),
    ]
    (atlas, early) = ndjson(made / "identities.ndjson"), ndjson(made / "keys.ndjson")
    assert atlas[0]["owner"] == "olga"
    assert atlas[0]["actors"] == ["executor", "planner"]
    assert early[0]["type"] == "epoch.start"
    steps = [one["step"] for one in ndjson(made / "approvals.ndjson")]
    assert steps == ["request", "approve"] * 2
    kinds = [one["type"] for one in ndjson(made / "administration.ndjson")]
    assert kinds == ["replay.view", "admin"] * 2
    assert not list(made.rglob("*.part"))


def test_a_bundle_of_everything(eventful_log: World, tmp_path: Path) -> None:
    out = tmp_path / "all"
    manifest = export(eventful_log.reader(), out, 0, 2**62)
    verified = verify_bundle(out, Policy((eventful_log.vkey(),)))
    assert manifest.selection.first == 0
    assert manifest.selection.last == verified.checkpoint.size - 1
    gaps = [one["type"] for one in ndjson(out / "gaps.ndjson")]
    assert gaps.count("gap.recovered") == 1
    assert gaps.count("crash") == 1
    # Its log is whole: the log's own verification reads it, too.
    shutil.copytree(out / "log", tmp_path / "log")
    with pytest.raises(Exception, match=r"torn|missing|cut off|known"):
        verify_log(tmp_path / "log", [eventful_log.vkey()])  # torn ends are not copied


def test_leaves_only(eventful_log: World, tmp_path: Path) -> None:
    export(eventful_log.reader(), tmp_path / "b", hour(1.5), hour(2.5), recordings=False)
    verified = verify_bundle(tmp_path / "b", Policy((eventful_log.vkey(),)))
    assert not (tmp_path / "b/log/seg").exists()
    assert not (tmp_path / "b/log/wraps").exists()
    assert list(verified.facts.sessions) == ["s-early", "s-2"]


def test_nothing_in_the_period(eventful_log: World, tmp_path: Path) -> None:
    with pytest.raises(NothingThere):
        export(eventful_log.reader(), tmp_path / "b", hour(-9), hour(-8))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(eventful_log: World, bundle: Path) -> None:
    with pytest.raises(ExportFailed, match="there already"):
        export(eventful_log.reader(), bundle, 0, 2**62)


def test_a_bundle_of_a_running_log(tmp_path: Path) -> None:
    world = World(tmp_path / "node", checkpoint_ms=5).open()
    session = world.session("s-1")
    for number in range(300):
        done = session.request(b"x%d" % number, None, ())
    world.wait(done)
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    reader = world.reader()
    for number in range(300):  # its partial tiles are outgrown meanwhile
        done = session.request(b"y%d" % number, None, ())
    world.wait(done)
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
    export(reader, tmp_path / "b", 0, 2**62)
    verify_bundle(tmp_path / "b", Policy((world.vkey(),)))
    world.stop()


class TestTampering:
    def test_another_key(self, bundle: Path, tmp_path: Path) -> None:
        other = FileSigner.create(tmp_path / "other.key", "gw-1.example.org/hoopgate")
        with pytest.raises(BAD, match="no trusted key"):
            verify_bundle(bundle, Policy((other.verifier,)))

    def test_any_changed_byte(self, eventful_log: World, bundle: Path) -> None:
        chance = random.Random(5)
        for path in files(bundle):
            original = path.read_bytes()
            for _ in range(3):
                if not original:
                    continue
                at = chance.randrange(len(original))
                changed = bytearray(original)
                changed[at] ^= 1 << chance.randrange(8)
                path.write_bytes(changed)
                if path.name == MANIFEST and same(original, bytes(changed)):
                    continue
                with pytest.raises(BAD):
                    verify_bundle(bundle, Policy((eventful_log.vkey(),)))
            path.write_bytes(original)
        verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    def test_any_changed_byte_with_a_manifest_that_fits(
        self, eventful_log: World, bundle: Path
    ) -> None:
        """Nobody signs the manifest: every file must be held to the log."""
        chance = random.Random(6)
        original_manifest = (bundle / MANIFEST).read_bytes()
        for path in files(bundle):
            if path.name == MANIFEST or not (original := path.read_bytes()):
                continue
            for _ in range(2):
                changed = bytearray(original)
                changed[chance.randrange(len(original))] ^= 1 << chance.randrange(8)
                path.write_bytes(changed)
                renamed(bundle)
                with pytest.raises(BAD):
                    verify_bundle(bundle, Policy((eventful_log.vkey(),)))
            path.write_bytes(original)
        (bundle / MANIFEST).write_bytes(original_manifest)
        verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    def test_any_file_gone(self, eventful_log: World, bundle: Path) -> None:
        for path in files(bundle):
            original = path.read_bytes()
            path.unlink()
            for fits in (False, True):
                if fits and path.name != MANIFEST:
                    renamed(bundle)
                with pytest.raises(BAD):
                    verify_bundle(bundle, Policy((eventful_log.vkey(),)))
            path.write_bytes(original)
            renamed(bundle)

    def test_a_narrower_range(self, eventful_log: World, bundle: Path) -> None:
        """Somebody leaves the first leaf of the period out."""
        about = json.loads((bundle / MANIFEST).read_bytes())
        first, last = about["leaves"]
        for leaves in ([first + 1, last], [first, last - 1]):
            renamed(bundle, leaves=leaves)
            with pytest.raises(BAD, match=r"stands (before|after) the range"):
                verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    def test_a_period_that_nobody_asked_for(self, eventful_log: World, bundle: Path) -> None:
        renamed(bundle, period=[hour(2.5), hour(3.5)])
        with pytest.raises(BAD, match="within the period"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    def test_a_checkpoint_of_another_tree(self, eventful_log: World, bundle: Path) -> None:
        """Even signed: the tiles do not hash to it."""
        signer = FileSigner.load(eventful_log.state / "keys/log-signer.key")
        checkpoint = eventful_log.reader().checkpoint
        note = signer.sign(Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)))
        (bundle / "log/checkpoint").write_bytes(note)
        renamed(bundle)
        with pytest.raises(BAD, match="signed root"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    @pytest.mark.parametrize("how", ["link", "fifo", "directory-link"])
    def test_what_is_no_file(self, eventful_log: World, bundle: Path, how: str) -> None:
        path = bundle / "gaps.ndjson"
        content = path.read_bytes()
        path.unlink()
        if how == "link":
            (bundle.parent / "else").write_bytes(content)
            path.symlink_to(bundle.parent / "else")
        elif how == "fifo":
            os.mkfifo(path)
        else:
            path.write_bytes(content)
            (bundle / "more").symlink_to("/etc")
        with pytest.raises(BadBundle, match="neither a file nor a directory"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    @pytest.mark.parametrize(
        "path",
        ["../outside", "/etc/passwd", "log/../../x", "a//b", ".hidden", "log/.x", "a\\b/c", "x\0y"],
    )
    def test_a_path_out_of_the_bundle(self, eventful_log: World, bundle: Path, path: str) -> None:
        about = json.loads((bundle / MANIFEST).read_bytes())
        about["files"][path] = [0, "0" * 64]
        (bundle / MANIFEST).write_text(json.dumps(about))
        with pytest.raises(BadBundle, match="no path within a bundle"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))

    def test_a_file_more(self, eventful_log: World, bundle: Path) -> None:
        (bundle / "log/more").write_bytes(b"x")
        with pytest.raises(BadBundle, match="not in the manifest"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))
        renamed(bundle)
        with pytest.raises(BadBundle, match="no part of the log"):
            verify_bundle(bundle, Policy((eventful_log.vkey(),)))
        (bundle / "log/more").unlink()
        (bundle / "more").write_bytes(b"x")
        renamed(bundle)
        assert verify_bundle(bundle, Policy((eventful_log.vkey(),))).unproven == ["more"]

    @given(st.binary(max_size=200))
    def test_arbitrary_manifests(self, data: bytes) -> None:
        for one in (data, b'{"format":' + data, b"[" * 10_000):
            with pytest.raises(BadBundle):
                Manifest.decode(one)


def same(one: bytes, two: bytes) -> bool:
    """True for manifests that say the same but for when the bundle was made, or by what."""
    try:
        first, second = json.loads(one), json.loads(two)
    except ValueError:
        return False
    return bool(first == second)


class TestCommands:
    @pytest.fixture
    def policy(self, eventful_log: World, tmp_path: Path) -> Path:
        path = tmp_path / "policy"
        path.write_text(f"# handed over on paper\nlog {eventful_log.vkey()}\nquorum none\n")
        return path

    def test_export_and_verify(
        self,
        eventful_log: World,
        policy: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "out"
        where = ["-d", str(eventful_log.directory), "--vkey", str(eventful_log.vkey())]
        period = ["--from", "2026-05-28T22:00", "--to", "2026-05-29"]
        assert main(["evidence", "export", *where, *period, "--out", str(out)]) == 0
        assert str(out) in capsys.readouterr().out
        assert main(["evidence", "verify", str(out), "--policy", str(policy)]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("good")
        assert "2026-05-28 22:00:00 to 2026-05-29 00:00:00 UTC" in shown
        assert main(["evidence", "verify", str(out), "--policy", str(policy), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["good"] is True
        (out / "report.html").write_text("all is well")
        assert main(["evidence", "verify", str(out), "--policy", str(policy)]) == 1
        assert "report.html" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--from", "2026-05-29", "--to", "2026-05-28"], "after --from"),
            (["--from", "2001-01-01", "--to", "2001-01-02"], "nothing was recorded"),
        ],
    )
    def test_a_wrong_period(
        self,
        eventful_log: World,
        tmp_path: Path,
        arguments: list[str],
        told: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        where = ["-d", str(eventful_log.directory), "-o", str(tmp_path / "out")]
        assert main(["evidence", "export", *where, *arguments]) == 2
        assert told in capsys.readouterr().err

    def test_a_policy_without_a_log(
        self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "policy").write_text("quorum none\n")
        arguments = ["evidence", "verify", str(made), "--policy", str(tmp_path / "policy")]
        assert main(arguments) == 2
        assert "a policy has a log" in capsys.readouterr().err


def test_the_report_is_inert(eventful_log: World, tmp_path: Path) -> None:
    """A client chooses its own name: neither markup nor an escape of it survives."""
    export(eventful_log.reader(), tmp_path / "b", 0, 2**62)
    page = (tmp_path / "b/report.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    for bad in (HOSTILE, "<script", "\x1b", "\u202e", "src=", "href="):
        assert bad not in page
    assert "164.312(b)" in page
    assert "What this does not prove" in page
