"""The tamper cases, one by one: what is done to a log, and who notices."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from recorder.recorder_world import ALLOWED, World
from tamper_cases import CASES
from tamper_forge import Record, rewrite
from testbed.tsa import Tsa

from hoopgate.cli.main import main
from hoopgate.errors import LocalProtocolError, RecorderFailed, SettingsError
from hoopgate.evidence.facts import SILENCE, gather
from hoopgate.evidence.manifest import BadBundle, Manifest
from hoopgate.recorder.commit import Clock
from hoopgate.recorder.cosign import Cosigner
from hoopgate.recorder.cosigning import WITNESSED, Peer
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.known import check_known, check_witnessed
from hoopgate.recorder.leaf import LEAF_BYTES, decode, encode
from hoopgate.recorder.note import Checkpoint, Note
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.replay import Replay
from hoopgate.recorder.rotation import rotate
from hoopgate.recorder.sealing import ReplayKey, SessionKey, seal
from hoopgate.recorder.segments import encode_record
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import encode_bundle, split_bundle
from hoopgate.recorder.timestamping import Authority, TimestampFailed


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log: three sessions in each of two epochs, over 512 leaves, several segments."""
    world = World(tmp_path_factory.mktemp("good"), segment_bytes=100_000, checkpoint_ms=5)
    for epoch in range(2):
        world.open()
        opened = [world.session(f"s-{epoch}-{number}") for number in range(3)]
        for number in range(90):
            for session in opened:
                session.response(b"row %03d" % number * 10)
                done = session.request(b"SELECT %03d" % number, None, ALLOWED)
            world.wait(done)
        world.stop()
    assert len(world.leaves()) > 512
    return world


@pytest.fixture
def log(good: World, tmp_path: Path) -> World:
    """A copy of it to tamper with."""
    shutil.copytree(good.directory, tmp_path / "log")
    shutil.copytree(good.state, tmp_path / "state")
    return World(tmp_path, checkpoint_ms=5)


def found(world: World) -> BadLog:
    with pytest.raises(BadLog) as error:
        world.verify()
    return error.value


def chunk(world: World, session: str, seq: int) -> dict[str, Any]:
    return next(x for x in world.leaves() if x["session"] == session and x["seq"] == seq)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def replace(world: World, leaf: dict[str, Any], payload: bytes) -> None:
    """Put another payload of the same length into a record, checksum and all."""
    path = world.directory / f"seg/{leaf['segment']:08d}.hgs"
    record = b"".join(encode_record(encode(leaf), payload))
    data = path.read_bytes()
    path.write_bytes(data[: leaf["offset"]] + record + data[leaf["offset"] + len(record) :])


def payload_of(world: World, leaf: dict[str, Any]) -> bytes:
    return world.reader().payload(leaf, encode(leaf))


def continued(world: World, known: bytes) -> None:
    """The log is what it was when ``known`` was signed."""
    check_known(world.reader(), [("known", known)])


# --- the files -----------------------------------------------------------------------------------


@pytest.mark.case(1, CASES[1][0])
def test_a_byte_in_a_segment(log: World) -> None:
    leaf = chunk(log, "s-1-2", 7)
    flip(log.directory / f"seg/{leaf['segment']:08d}.hgs", leaf["offset"] + 400)
    error = found(log)
    assert (error.session, error.segment, error.offset) == (
        "s-1-2",
        leaf["segment"],
        leaf["offset"],
    )


@pytest.mark.case(2, CASES[2][0])
@pytest.mark.parametrize("tile", ["0/000", "0/001", "1/000.p/2"])
def test_a_byte_in_a_tile(log: World, tile: str) -> None:
    flip(log.directory / "tile" / tile, 40)
    found(log)


@pytest.mark.case(3, CASES[3][0])
@pytest.mark.parametrize("at", [0, 1, 100, -1])
def test_a_byte_in_a_bundle(log: World, at: int) -> None:
    began = time.monotonic()
    flip(log.directory / "tile/entries/001", at)
    found(log)
    assert time.monotonic() - began < 60


@pytest.mark.case(4, CASES[4][0])
def test_a_segment_cut(log: World) -> None:
    last = max(log.directory.glob("seg/*.hgs"))
    last.write_bytes(last.read_bytes()[:-30])
    found(log)
    with pytest.raises(RecorderFailed, match="not what was signed"):
        log.open()


@pytest.mark.case(5, CASES[5][0])
def test_a_torn_tail(log: World) -> None:
    last = max(log.directory.glob("seg/*.hgs"))
    with last.open("ab") as file:
        file.write(b"half a reco")
    assert log.verify().torn == 11
    log.open()
    log.stop()
    report = log.verify()
    assert (report.gaps, report.torn) == (1, 0)


@pytest.mark.case(6, CASES[6][0])
def test_a_sessions_payload_deleted(log: World) -> None:
    for leaf in log.leaves():
        if leaf["session"] == "s-0-1" and leaf["type"] == "chunk":
            replace(log, leaf, bytes(leaf["length"]))
    assert found(log).session == "s-0-1"


@pytest.mark.case(8, CASES[8][0])
def test_leaves_reordered(log: World) -> None:
    path = log.directory / "tile/entries/000"
    entries = split_bundle(path.read_bytes(), 256)
    entries[20], entries[21] = entries[21], entries[20]
    path.write_bytes(encode_bundle(entries))
    assert found(log).index == 20


@pytest.mark.case(9, CASES[9][0])
def test_bundles_swapped(log: World) -> None:
    one, two = log.directory / "tile/entries/000", log.directory / "tile/entries/001"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert found(log).index == 0


@pytest.mark.case(10, CASES[10][0])
def test_a_chunk_of_another_session(log: World) -> None:
    mine, other = chunk(log, "s-0-1", 5), chunk(log, "s-0-2", 5)
    assert mine["length"] == other["length"]
    replace(log, mine, payload_of(log, other))
    assert found(log).index == mine["index"]
    with pytest.raises(BadLog):
        log.replay("s-0-1")


@pytest.mark.case(11, CASES[11][0])
def test_a_record_again(log: World) -> None:
    first, second = chunk(log, "s-0-1", 5), chunk(log, "s-0-1", 6)
    replace(log, second, payload_of(log, first))
    assert found(log).index == second["index"]


@pytest.mark.case(17, CASES[17][0])
@pytest.mark.parametrize("line", [1, 2])
def test_a_checkpoint_edited(log: World, line: int) -> None:
    path = log.directory / "checkpoint"
    lines = path.read_text().split("\n")
    lines[line] = "17" if line == 1 else lines[line].swapcase()
    path.write_text("\n".join(lines))
    with pytest.raises((BadNote, BadLog)):
        log.verify()


# --- with the signing key: only what is kept elsewhere helps --------------------------------------


@pytest.mark.case(7, CASES[7][0])
@pytest.mark.case(16, CASES[16][0])
def test_a_leaf_deleted_and_everything_made_anew(log: World) -> None:
    """The log's own files agree with each other afterwards. A checkpoint kept elsewhere does not,
    so that what was done is bounded: to what no such checkpoint covers."""
    known = (log.directory / "checkpoint").read_bytes()
    size = log.reader().size

    def change(records: list[Record]) -> list[Record]:
        return [one for one in records if (one[0]["session"], one[0]["seq"]) != ("s-0-1", 5)]

    rewrite(log, change)
    assert log.verify().checkpoint.size == size - 1
    with pytest.raises(BadLog, match="rolled back"):
        continued(log, known)
    with pytest.raises(RecorderFailed, match="rolled back"):
        log.open()
    head = log.state / "log-head"
    head.unlink()
    with pytest.raises(RecorderFailed, match="is missing"):
        log.open()
    shutil.copy(log.directory / "checkpoint", head)  # who holds the disk holds that, too
    log.open()  # and it grows: now it is longer than what is known
    log.stop()
    with pytest.raises(BadLog, match="rewritten or forked"):
        continued(log, known)


@pytest.mark.case(12, CASES[12][0])
def test_rolled_back(log: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = shutil.copytree(log.directory, tmp_path / "older")
    log.open()
    log.wait(log.session("s-later").request(b"x", None, ()))
    log.stop()
    known = tmp_path / "known"
    shutil.copy(log.directory / "checkpoint", known)
    shutil.rmtree(log.directory)
    shutil.copytree(older, log.directory)
    log.verify()  # nothing in the directory says so
    with pytest.raises(RecorderFailed, match="rolled back"):
        log.open()
    where = ["-d", str(log.directory), "--vkey", str(log.vkey())]
    assert main(["audit", "verify", *where, "--known", str(known)]) == 1
    assert "rolled back" in capsys.readouterr().out


@pytest.mark.case(13, CASES[13][0])
def test_rolled_back_with_the_state_and_grown_again(log: World, tmp_path: Path) -> None:
    older = shutil.copytree(log.directory.parent, tmp_path / "older", ignore=_not_older)
    log.open()
    log.wait(log.session("s-later").request(b"x", None, ()))
    log.stop()
    known = (log.directory / "checkpoint").read_bytes()
    again = World(Path(older), checkpoint_ms=5).open()
    for number in range(5):
        again.wait(again.session(f"s-other-{number}").request(b"y", None, ()))
    again.stop()
    again.verify()
    assert again.reader().size > log.reader().size
    with pytest.raises(BadLog, match="rewritten or forked"):
        continued(again, known)


def _not_older(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "older"]


@pytest.mark.case(14, CASES[14][0])
def test_a_fork_for_two_auditors(log: World, tmp_path: Path) -> None:
    """Each auditor's copy is good. Their checkpoints, put together, are not of one log."""
    copies = []
    for number in range(2):
        base = tmp_path / f"for-auditor-{number}"
        shutil.copytree(log.directory, base / "log")
        shutil.copytree(log.state, base / "state")
        copy = World(base, checkpoint_ms=5).open()
        copy.wait(copy.session("s-shown").request(b"to auditor %d" % number, None, ()))
        copy.stop()
        copy.verify()
        copies.append(copy)
    one, two = copies
    with pytest.raises(BadLog, match="rewritten or forked"):
        continued(one, (two.directory / "checkpoint").read_bytes())
    continued(one, (log.directory / "checkpoint").read_bytes())


# --- witnesses -----------------------------------------------------------------------------------


class Town:
    """Witnesses of a log, whose cosignatures are put beside it as a node does."""

    def __init__(self, base: Path) -> None:
        self.cosigners = {
            name: Cosigner.create(base / f"{name}.key", f"{name}.example")
            for name in ("city", "county")
        }

    def cosign(self, log: World, text: str | None = None) -> None:
        """Cosign its checkpoint, or another text in place of it."""
        note = Note.parse((log.directory / "checkpoint").read_bytes())
        given = [one.cosign(text or note.text, 1_780_000_000) for one in self.cosigners.values()]
        whole = Note(note.text, (*note.signatures, *given))
        (log.directory / WITNESSED).write_bytes(whole.encode())

    def check(self, log: World, quorum: str = "all") -> int:
        keys = "".join(f"witness {n} {one.verifier}\n" for n, one in self.cosigners.items())
        policy = Policy.parse(f"log {log.vkey()}\n{keys}group g {quorum} city county\nquorum g\n")
        note = (log.directory / WITNESSED).read_bytes()
        return check_witnessed(log.reader(), policy, note)[0]


@pytest.mark.case(18, CASES[18][0])
@pytest.mark.parametrize("how", ["stripped", "forged"])
def test_a_cosignature_stripped_or_forged(log: World, tmp_path: Path, how: str) -> None:
    town = Town(tmp_path)
    town.cosign(log)
    assert town.check(log) == log.reader().size
    path = log.directory / WITNESSED
    lines = path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "county.example" in line)
    if how == "stripped":
        del lines[at]
    else:
        lines[at] = lines[at][:40] + lines[at][40:60].swapcase() + lines[at][60:]
    path.write_text("".join(lines))
    with pytest.raises(BadNote):
        town.check(log)


@pytest.mark.case(25, CASES[25][0])
def test_a_witness_that_is_down(log: World, tmp_path: Path) -> None:
    """The log goes on as it was told to (``durable``), says so in a leaf, and remembers what it has
    to have cosigned."""
    town = Town(tmp_path)
    peers = [
        Peer(name, one.verifier, "http://127.0.0.1:9/") for name, one in town.cosigners.items()
    ]
    log.open().log.outside.witness(peers, 1)
    log.wait(log.session("s-alone").request(b"x", None, ()))
    log.pump.until(lambda: all(peer.away for peer in peers))

    def away() -> set[str]:
        said = [leaf["detail"] for leaf in log.leaves() if leaf["type"] == "admin"]
        return {one["witness"] for one in said if one.get("event") == "witness.away"}

    log.pump.until(lambda: away() == set(town.cosigners))  # the leaves come behind
    log.stop()
    log.verify()
    assert away() == set(town.cosigners)


@pytest.mark.case(26, CASES[26][0])
def test_a_witness_that_lies(log: World, tmp_path: Path) -> None:
    """One that vouches for another tree, and ones that vouch for both branches of a fork."""
    town = Town(tmp_path)
    checkpoint = log.reader().checkpoint
    town.cosign(log, str(Checkpoint(checkpoint.origin, checkpoint.size, bytes(32))))
    with pytest.raises(BadNote):
        town.check(log)
    branches = []
    for number in range(2):
        base = tmp_path / f"branch-{number}"
        shutil.copytree(log.directory, base / "log")
        shutil.copytree(log.state, base / "state")
        branch = World(base, checkpoint_ms=5).open()
        branch.wait(branch.session("s-branch").request(b"%d" % number, None, ()))
        branch.stop()
        town.cosign(branch)
        town.check(branch)
        branches.append(branch)
    one, two = branches
    shutil.copy(two.directory / WITNESSED, one.directory / WITNESSED)
    with pytest.raises(BadLog, match=r"rewritten or forked|rolled back"):
        town.check(one)


@pytest.mark.case(27, CASES[27][0])
def test_timestamps_swapped(log: World, tmp_path: Path) -> None:
    tsa = Tsa(tmp_path / "tsa")
    try:
        authority = Authority(tsa.url, tsa.roots.read_bytes())
        notes = [(log.directory / "checkpoint").read_bytes()]
        log.open()
        log.stop()
        notes.append((log.directory / "checkpoint").read_bytes())
        tokens = [authority.stamp(note)[0] for note in notes]
    finally:
        tsa.close()
    for note, token in zip(notes, tokens, strict=True):
        assert authority.verify(token, note)
    for note, token in zip(notes, reversed(tokens), strict=True):
        with pytest.raises(TimestampFailed):
            authority.verify(token, note)


@pytest.mark.case(15, CASES[15][0])
def test_a_retired_key(log: World, tmp_path: Path) -> None:
    """Whoever finds it signs what he likes: a policy of today trusts the new key alone, and the
    node takes nothing up that the retired key signed after its end."""
    shutil.copy(log.state / "keys/log-signer.key", tmp_path / "retired.key")
    retired = FileSigner.load(tmp_path / "retired.key")
    old, new = rotate(log.directory, log.state, log.recording.origin)
    log.open()
    log.wait(log.session("s-new").request(b"x", None, ()))
    log.stop()
    assert (log.vkey(), retired.verifier) == (new, old)
    log.verify()
    checkpoint = log.reader().checkpoint
    forged = Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root)
    (log.directory / "checkpoint").write_bytes(retired.sign(forged))
    with pytest.raises(BadNote, match="no trusted key"):
        log.verify()
    with pytest.raises(BadNote):
        Policy((new,)).check((log.directory / "checkpoint").read_bytes())


# --- the writer ----------------------------------------------------------------------------------


@pytest.mark.case(23, CASES[23][0])
def test_two_writers(log: World) -> None:
    log.open()
    with pytest.raises(RecorderFailed, match="another process writes"):
        World(log.directory.parent).open()
    log.stop()


@pytest.mark.case(24, CASES[24][0])
@pytest.mark.parametrize("days", [1, -1])
def test_the_clock_set_by_a_day(log: World, days: int) -> None:
    shift = 0
    log.open(Clock(lambda: time.time_ns() + shift))
    session = log.session("s-clock")
    log.wait(session.request(b"before", None, ()))
    shift = days * 86_400 * 10**9
    log.wait(session.request(b"after", None, ()))
    log.stop()
    log.verify()
    jumps = [leaf["detail"] for leaf in log.leaves() if leaf["type"] == "admin"]
    assert [one["event"] for one in jumps] == ["clock.jump"]
    assert abs(jumps[0]["microseconds"] - days * 86_400 * 10**6) < 60 * 10**6
    times = [moment.time for moment in log.replay("s-clock")]
    assert times == sorted(times)  # a replay goes by the monotonic clock


@pytest.mark.case(33, CASES[33][0])
def test_a_stopped_recorder(tmp_path: Path) -> None:
    """Nothing is acknowledged while it is stopped; who reads the log sees the silence."""
    script = Path(__file__).parents[1] / "recorder" / "crash_writer.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parent)}
    child = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert child.stdout is not None
    try:
        for _ in range(20):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        size = sum(path.stat().st_size for path in tmp_path.glob("log/seg/*"))
        time.sleep(0.3)
        assert sum(path.stat().st_size for path in tmp_path.glob("log/seg/*")) == size
        os.kill(child.pid, signal.SIGCONT)
        assert child.stdout.readline()
    finally:
        child.kill()
        child.stdout.close()
        child.wait()
    times = {"time": 0, "session": "epoch", "index": 0}
    facts = gather(
        [],
        [
            {**times, "type": "epoch.start"},
            {**times, "type": "heartbeat", "time": 60_000_000},
            {**times, "type": "heartbeat", "time": 60_000_001 + SILENCE},
        ],
    )
    assert facts.silences == [(60_000_000, 60_000_001 + SILENCE)]


@pytest.mark.case(35, CASES[35][0])
def test_recording_cannot_be_switched_off(tmp_path: Path) -> None:
    """There is no such key: the settings are refused, the node does not start."""
    from hoopgate.settings.load import load

    example = (Path(__file__).parents[2] / "examples/hoopgate.toml").read_text()
    for line in ("enabled = false", "gate = 'off'", "mode = 'none'"):
        path = tmp_path / "hoopgate.toml"
        text = example.replace("[recording]", f"[recording]\n{line}")
        path.write_text(text if text != example else f"{example}\n[recording]\n{line}\n")
        with pytest.raises(SettingsError) as error:
            load(path)
        assert any("recording" in problem for problem in error.value.problems)


@pytest.mark.case(36, CASES[36][0])
def test_a_bit_that_flips_in_memory(log: World, monkeypatch: pytest.MonkeyPatch) -> None:
    log.open()
    session = log.session("s-flip")
    log.pump.until(lambda: log.log.checkpoint_size == log.log.size)
    before = (log.directory / "checkpoint").read_bytes()
    real = log.log._integrator.add

    def flipped(leaves: Any) -> None:
        real([(bytes([leaf[0] ^ 1]) + leaf[1:], hashed) for leaf, hashed in leaves])

    monkeypatch.setattr(log.log._integrator, "add", flipped)
    log.wait(session.request(b"x", None, ()))
    log.pump.until(log.log.failed)
    assert (log.directory / "checkpoint").read_bytes() == before
    log.stop()


@pytest.mark.case(37, CASES[37][0])
def test_a_sessions_id_again(log: World) -> None:
    wrap = (log.directory / "wraps/s-0-1.json").read_bytes()
    log.open()
    with pytest.raises(LocalProtocolError, match="used before"):
        log.session("s-0-1")
    log.stop()
    assert (log.directory / "wraps/s-0-1.json").read_bytes() == wrap
    log.verify()


# --- keys and recordings -------------------------------------------------------------------------


@pytest.mark.case(28, CASES[28][0])
def test_a_ciphertext_that_opens_under_another_key(log: World) -> None:
    """GCM commits to no key; the session's first leaf does."""
    replay = ReplayKey.load(log.state / "keys/replay.key")
    other = seal("s-0-1", bytes(32), [replay.recipient])
    (log.directory / "wraps/s-0-1.json").write_bytes(other)
    assert "wrapped key was altered" in found(log).what
    with pytest.raises(BadLog, match="not the one the session began with"):
        Replay(log.reader(), "s-0-1", replay)
    assert SessionKey("s", bytes(32)).commitment != SessionKey("s", b"\1" * 32).commitment


@pytest.mark.case(29, CASES[29][0])
@pytest.mark.parametrize("how", ["no leaf", "a leaf too early"])
def test_a_sealed_key_deleted_early(log: World, how: str) -> None:
    kept = World(log.directory.parent, retention_seconds=86_400.0, checkpoint_ms=5).open()
    kept.wait(kept.session("s-kept").close("client.terminate"))
    if how == "a leaf too early":
        kept.wait(kept.log.append("purge", {"session": "s-kept"}))
    kept.stop()
    (kept.directory / "wraps/s-kept.json").unlink()
    expected = "before its retention" if how == "a leaf too early" else "no purge is recorded"
    assert expected in found(kept).what


@pytest.mark.case(30, CASES[30][0])
def test_a_lawful_shred(log: World) -> None:
    log.open()
    log.wait(log.log.append("purge", {"session": "s-0-1"}))
    log.stop()
    (log.directory / "wraps/s-0-1.json").unlink()
    log.verify()
    with pytest.raises(BadLog, match="was shredded"):
        log.replay("s-0-1")
    assert log.replay("s-0-2")


# --- hostile input -------------------------------------------------------------------------------


@pytest.mark.case(31, CASES[31][0])
@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "log/../../x", "log/./x", "a\0b"])
def test_a_path_out_of_a_bundle(path: str) -> None:
    about = {
        "format": "hoopgate-evidence/1",
        "origin": "o",
        "size": 1,
        "created": 1,
        "version": "1",
        "recordings": True,
        "period": [0, 1],
        "leaves": [0, 0],
        "opened_before": {},
        "purged": {},
        "witnessed": 0,
        "files": {path: [0, "0" * 64]},
    }
    with pytest.raises(BadBundle, match="no path within a bundle"):
        Manifest.decode(json.dumps(about).encode())
    Manifest.decode(json.dumps({**about, "files": {"log/x": [0, "0" * 64]}}).encode())


@pytest.mark.case(32, CASES[32][0])
def test_an_oversized_leaf_and_malformed_notes(log: World) -> None:
    fields = json.loads(encode(chunk(log, "s-0-1", 5)))
    with pytest.raises(BadLog, match="a leaf of"):
        decode(encode({**fields, "zzz": "x" * LEAF_BYTES}))
    checkpoint = (log.directory / "checkpoint").read_bytes()
    for bad in (
        b"",
        checkpoint[:-1],
        checkpoint.replace(b"\n\n", b"\n"),
        checkpoint + b"\x1b[2J\n",
        checkpoint + b"x" * 70_000,
        b"\xff" + checkpoint,
        checkpoint.replace("—".encode(), b"-"),
    ):
        with pytest.raises(BadNote):
            Note.parse(bad)


@pytest.mark.case(34, CASES[34][0])
def test_escapes_and_markup_are_inert(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e<script>alert(1)</script>"
    world = World(tmp_path / "node").open()
    session = world.session("s-1", protocol="unknown", database=hostile, peer=hostile)
    world.wait(session.request(hostile.encode(), None, ALLOWED))
    session.response(hostile.encode())
    world.wait(session.close("client.terminate"))
    world.stop()
    where = ["-d", str(world.directory)]
    key = ["--key", str(world.state / "keys/replay.key")]
    for command in (["replay", "s-1", *where, *key], ["sessions", *where]):
        assert main(command) == 0
    out = tmp_path / "bundle"
    period = ["--from", "2001-01-01", "--to", "2100-01-01"]
    assert main(["evidence", "export", *where, *period, "--out", str(out)]) == 0
    shown = capfd.readouterr().out
    assert main(["replay", "s-1", "--cast", *where, *key]) == 0
    for text in (shown, (out / "report.html").read_text(), capfd.readouterr().out):
        assert "\x1b]" not in text
        assert "\x07" not in text
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page


def test_every_case_has_its_test(request: pytest.FixtureRequest) -> None:
    """When this folder is run as a whole."""
    there = {mark.args[0] for item in request.session.items for mark in item.iter_markers("case")}
    if {1, 19} <= there:
        assert there == set(CASES)
