"""What somebody tries with a bundle on its way to an auditor: each is found, nothing hangs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from evidence_world import HOUR, START, Hours, hour
from recorder.recorder_world import World

from hoopgate.cli.main import main
from hoopgate.evidence.export import export
from hoopgate.evidence.manifest import MANIFEST
from hoopgate.evidence.period import select
from hoopgate.evidence.verify import BAD, verify_bundle
from hoopgate.recorder.commit import Clock
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.signer import FileSigner


def refit(bundle: Path, change: Callable[[dict[str, Any]], None] = lambda about: None) -> None:
    """Make the manifest fit the files as they are now, and change it."""
    about = json.loads((bundle / MANIFEST).read_bytes())
    about["files"] = {
        str(path.relative_to(bundle)): [path.stat().st_size, sha256(path.read_bytes()).hexdigest()]
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    change(about)
    (bundle / MANIFEST).write_text(json.dumps(about))


def edit(bundle: Path, name: str, old: bytes, new: bytes) -> None:
    path = bundle / name
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    refit(bundle)


def _narrowed(bundle: Path) -> None:
    """The last leaves of the period left out."""

    def change(about: dict[str, Any]) -> None:
        about["leaves"][1] -= 20

    refit(bundle, change)


def _moved_period(bundle: Path) -> None:
    def change(about: dict[str, Any]) -> None:
        about["period"][0] += 1_800_000_000

    refit(bundle, change)


def _session_forgotten(bundle: Path) -> None:
    def change(about: dict[str, Any]) -> None:
        about["opened_before"].popitem()

    refit(bundle, change)


def _purged_by_hand(bundle: Path) -> None:
    """A sealed key left out, and called shredded by a leaf that says something else."""
    (bundle / "log/wraps/s-2.json").unlink()

    def change(about: dict[str, Any]) -> None:
        about["purged"]["s-2"] = about["leaves"][0]

    refit(bundle, change)


def _purged_by_a_view(bundle: Path) -> None:
    """The same, by a leaf that speaks of the session and purges nothing."""
    (bundle / "log/wraps/s-2.json").unlink()
    lines = map(json.loads, (bundle / "administration.ndjson").read_text().splitlines())
    view = next(one for one in lines if one["type"] == "replay.view")
    assert view["session"] == "s-2"

    def change(about: dict[str, Any]) -> None:
        about["purged"]["s-2"] = view["leaf"]

    refit(bundle, change)


def _words_for_a_version(bundle: Path) -> None:
    """What the report quotes of the manifest is no place for a text."""

    def change(about: dict[str, Any]) -> None:
        about["version"] = "1.0, and an auditor has found no fault with it"

    refit(bundle, change)


def _a_word_more(bundle: Path) -> None:
    def change(about: dict[str, Any]) -> None:
        about["certified_by"] = "an auditor"

    refit(bundle, change)


def _recordings_perhaps(bundle: Path) -> None:
    def change(about: dict[str, Any]) -> None:
        about["recordings"] = "yes"

    refit(bundle, change)


def _too_deep_to_look(bundle: Path) -> None:
    """Files where their path is longer than any that can be opened."""
    at = os.open(bundle, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("hidden", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def _without_recordings(bundle: Path) -> None:
    """Records left out, and the manifest says that they were never asked for."""
    shutil.rmtree(bundle / "log/seg")
    refit(bundle)


def _extra_leaf_file(bundle: Path) -> None:
    (bundle / "log/tile/0/999").write_bytes(bytes(8192))
    refit(bundle)


def _extra_in_log(bundle: Path) -> None:
    (bundle / "log/seg/00000099.hgs").write_bytes(b"HGS1\0\0\0\x63")
    refit(bundle)


def _homoglyph(bundle: Path) -> None:
    (bundle / "rep\u043ert.html").write_bytes(b"<p>all is well</p>")
    refit(bundle)


def _decomposed(bundle: Path) -> None:
    (bundle / unicodedata.normalize("NFD", "\xe9")).write_bytes(b"x")
    refit(bundle)


def _newline(bundle: Path) -> None:
    (bundle / "a\nb").write_bytes(b"x")
    refit(bundle)


def _pipe(bundle: Path) -> None:
    os.mkfifo(bundle / "more")


def _pipe_for_the_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    os.mkfifo(bundle / MANIFEST)


def _device(bundle: Path) -> None:
    (bundle / "report.html").unlink()
    (bundle / "report.html").symlink_to("/dev/zero")


def _loop(bundle: Path) -> None:
    (bundle / "log/again").symlink_to(bundle)


def _deep_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b'{"a":' * 100_000)


def _huge_number(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    size = json.loads(text)["size"]
    (bundle / MANIFEST).write_text(text.replace(f'"size":{size}', '"size":1' + "0" * 5000, 1))


def _manifest_twice(bundle: Path) -> None:
    """A key that stands twice: which of them counts is up to the reader."""
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text('{"origin":"other.example/log",' + text[1:])


def _sparse(bundle: Path) -> None:
    os.truncate(bundle / MANIFEST, 2**40)


def _report(bundle: Path) -> None:
    edit(bundle, "report.html", b"</body>", b"<script>alert(1)</script></body>")


def _instructions(bundle: Path) -> None:
    """Another program for the auditor to run."""
    with (bundle / "verify.go").open("ab") as file:
        file.write(b"// and more\n")
    refit(bundle)


def _fewer_events(bundle: Path) -> None:
    path = bundle / "ocsf.ndjson"
    path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1]))
    refit(bundle)


def _rules_of_others(bundle: Path) -> None:
    data = b'{"rules":[]}'
    (bundle / "config/rules").mkdir(parents=True, exist_ok=True)
    (bundle / f"config/rules/{sha256(data).hexdigest()}.json").write_bytes(data)
    refit(bundle)


def _proof_of_another(bundle: Path) -> None:
    one, two = sorted((bundle / "proofs").iterdir())
    one.write_bytes(two.read_bytes())
    refit(bundle)


ATTACKS = [
    *(_narrowed, _moved_period, _session_forgotten, _purged_by_hand, _without_recordings),
    *(_extra_leaf_file, _extra_in_log, _homoglyph, _decomposed, _newline, _pipe),
    *(_pipe_for_the_manifest, _device, _loop, _deep_manifest, _huge_number, _sparse),
    *(
        _a_word_more,
        _recordings_perhaps,
        _purged_by_a_view,
        _words_for_a_version,
        _too_deep_to_look,
    ),
    *(_manifest_twice, _report, _instructions, _fewer_events, _rules_of_others, _proof_of_another),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_a_bundle_altered(
    eventful_log: World,
    bundle: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    attack: Callable[[Path], None],
) -> None:
    attack(bundle)
    with pytest.raises((*BAD, OSError)):
        verify_bundle(bundle, Policy((eventful_log.vkey(),)))
    policy = tmp_path / "policy"
    policy.write_text(f"log {eventful_log.vkey()}\nquorum none\n")
    assert main(["evidence", "verify", str(bundle), "--policy", str(policy)]) in (1, 2)
    said = capfd.readouterr()
    assert all(c == "\n" or c >= " " for c in said.out + said.err)


def test_a_bundle_signed_by_its_bearer(eventful_log: World, bundle: Path, tmp_path: Path) -> None:
    """Key, checkpoint and manifest of his own: the policy came another way."""
    log = eventful_log.vkey()
    mine = FileSigner.create(tmp_path / "mine.key", log.name)
    checkpoint = eventful_log.reader().checkpoint
    (bundle / "log/checkpoint").write_bytes(mine.sign(checkpoint))
    refit(bundle)
    with pytest.raises(BAD, match="no trusted key"):
        verify_bundle(bundle, Policy((log,)))


def clocked(tmp_path: Path) -> World:
    """A log whose node's clock was a day ahead for a while."""
    hours = Hours()
    since = count(10**9, 10**6)  # ns: no clock that is monotonic follows the one that is set
    passed = {0.0: 0, 1.0: HOUR, 1.5: HOUR // 2, 25.5: 0, 2.0: HOUR // 2, 3.0: HOUR, 4.0: HOUR}
    boot = 0
    clock = Clock(lambda: hours.now, lambda: boot + next(since))
    world = World(tmp_path / "node", checkpoint_ms=5).open(clock)
    for number, (when, after) in enumerate(passed.items()):
        hours.now, boot = START + int(when * HOUR), boot + after
        world.wait(world.session(f"s-{number}").close("client.terminate"))
    world.stop()
    return world


def test_a_period_that_ends_where_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who leaves out what was recorded after the clock was put right again."""
    world = clocked(tmp_path)
    reader = world.reader()
    policy = Policy((world.vkey(),))
    export(reader, tmp_path / "honest", hour(0.5), hour(3.5))
    honest = verify_bundle(tmp_path / "honest", policy)
    assert [s.id for s in honest.facts.sessions.values()] == [f"s-{n}" for n in range(1, 6)]
    assert honest.doubts == []
    chosen = select(reader, hour(0.5), hour(3.5))
    ahead = next(leaf["index"] for leaf in world.leaves() if leaf["time"] > hour(20))
    for ends, narrowed in (
        (True, replace(chosen, last=ahead - 1)),
        (False, replace(chosen, first=world_after(world, ahead))),
    ):
        with monkeypatch.context() as patched:
            patched.setattr("hoopgate.evidence.export.select", lambda *_, at=narrowed: at)
            out = tmp_path / f"narrow-{ends}"
            export(reader, out, hour(0.5), hour(3.5))
        (doubt,) = verify_bundle(out, policy).doubts
        assert ("ends" if ends else "begins") in doubt
    (tmp_path / "policy").write_text(f"log {world.vkey()}\nquorum none\n")
    assert main(["evidence", "verify", str(out), "--policy", str(tmp_path / "policy")]) == 0
    assert "the node's clock was set where the range begins" in capsys.readouterr().out


def world_after(world: World, ahead: int) -> int:
    """The first leaf behind ``ahead`` whose time is right again."""
    return next(
        int(leaf["index"])
        for leaf in world.leaves()
        if leaf["index"] > ahead and leaf["time"] < hour(20)
    )


def test_rules_left_out(
    eventful_log: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exporter, who has them or has not: it is told."""
    rules = tmp_path / "rules"
    rules.mkdir()
    reader = eventful_log.reader()
    judged = {leaf["rules"] for leaf in eventful_log.leaves() if "rules" in leaf}
    export(reader, tmp_path / "without", hour(1.5), hour(3.5), rules=rules)
    absent = verify_bundle(tmp_path / "without", Policy((eventful_log.vkey(),))).absent
    assert judged < set(absent)
    (tmp_path / "policy").write_text(f"log {eventful_log.vkey()}\nquorum none\n")
    where = ["--policy", str(tmp_path / "policy")]
    assert main(["evidence", "verify", str(tmp_path / "without"), *where]) == 0
    assert f"not in it: {absent[0][:12]}" in capsys.readouterr().out


def test_a_key_shredded_too_early(tmp_path: Path) -> None:
    """The bundle alone shows it, where it holds the session's end."""
    world = World(tmp_path / "node", checkpoint_ms=5, retention_seconds=3600.0).open()
    world.wait(world.session("s-1").close("client.terminate"))
    world.wait(world.log.append("purge", {"action": "shred", "session": "s-1"}))
    world.stop()
    (world.directory / "wraps/s-1.json").unlink()
    leaves = world.leaves()
    export(world.reader(), tmp_path / "out", leaves[0]["time"], leaves[-1]["time"] + 1)
    with pytest.raises(BAD, match="before its retention ended"):
        verify_bundle(tmp_path / "out", Policy((world.vkey(),)))


@pytest.mark.parametrize("released", [True, False])
def test_a_key_shredded_under_a_hold(tmp_path: Path, released: bool) -> None:
    """Where the hold is set within the range."""
    world = World(tmp_path / "node", checkpoint_ms=5, retention_seconds=0.0).open()
    world.wait(world.session("s-1").close("client.terminate"))
    about = {"session": "s-1", "reference": "LIT-1"}
    world.wait(world.log.append("admin", {"action": "hold.set", **about}))
    if released:
        world.wait(world.log.append("admin", {"action": "hold.release", **about}))
    world.wait(world.log.append("purge", {"action": "shred", **about}))
    world.stop()
    (world.directory / "wraps/s-1.json").unlink()
    leaves = world.leaves()
    export(world.reader(), tmp_path / "out", leaves[0]["time"], leaves[-1]["time"] + 1)
    policy = Policy((world.vkey(),))
    if released:
        assert verify_bundle(tmp_path / "out", policy).facts.of("purge")
    else:
        with pytest.raises(BAD, match="under a legal hold"):
            verify_bundle(tmp_path / "out", policy)


def test_an_export_of_leaves_that_are_none(tmp_path: Path) -> None:
    """Somebody has written into the node's files: it is said, in a line."""
    world = World(tmp_path / "node", checkpoint_ms=5).open()
    world.wait(world.session("s-1").close("client.terminate"))
    world.stop()
    path = max(world.directory.glob("tile/entries/000.p/*"), key=lambda path: int(path.name))
    good = path.read_bytes()
    for what, instead in ((b'"type"', b'"typf"'), (b'{"', b"[["), (b'"time":', b'"timf":')):
        path.write_bytes(good.replace(what, instead))
        with pytest.raises(BadLog):
            export(world.reader(), tmp_path / "out", 0, 2**60)
        assert not (tmp_path / "out").exists()


def test_it_takes_nothing_but_bundle_and_policy(
    eventful_log: World, bundle: Path, tmp_path: Path
) -> None:
    """In an empty directory, with an empty environment, as another user, without a network."""
    policy = tmp_path / "policy"
    policy.write_text(f"log {eventful_log.vkey()}\nquorum none\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    code = "import sys; from hoopgate.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-I", "-c", code, "evidence", "verify", str(bundle)]
    alone = [] if os.geteuid() else ["unshare", "--net"]
    done = subprocess.run(
        [*alone, *command, "--policy", str(policy)],
        cwd=empty,
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("good")
    assert not list(empty.iterdir())
