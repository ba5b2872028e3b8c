"""What somebody with the node's disk tries beyond the table of cases: each is found or refused.

Who has the signing key, too, is found by what is kept elsewhere (cases 7 and 12 to 16).
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from recorder.recorder_world import ALLOWED, World

from hoopgate.cli.main import main
from hoopgate.errors import HoopgateError, RecorderFailed
from hoopgate.evidence.export import export
from hoopgate.evidence.stream import Cursor
from hoopgate.evidence.verify import verify_bundle
from hoopgate.recorder.cosign import Cosigner, WitnessKey
from hoopgate.recorder.cosigning import Peer, WitnessAway
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.known import check_known
from hoopgate.recorder.leaf import encode
from hoopgate.recorder.note import Checkpoint, Note, Signature
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.rotation import SIGNER_KEY, rotate
from hoopgate.recorder.segments import HEADER_BYTES, MAGIC, encode_record
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tree import frontier, leaf_hash
from hoopgate.recorder.verify import verify_log
from hoopgate.recorder.witness import Request, Witness

BAD = (BadLog, BadNote, OSError)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log of two epochs, several segments, over 256 leaves."""
    world = World(tmp_path_factory.mktemp("good"), segment_bytes=60_000, checkpoint_ms=5)
    for epoch in range(2):
        world.open()
        opened = [world.session(f"s-{epoch}-{number}") for number in range(2)]
        for number in range(70):
            for session in opened:
                session.response(b"row %03d" % number * 10)
                done = session.request(b"SELECT %03d" % number, None, ALLOWED)
            world.wait(done)
        world.stop()
    assert world.reader().size > 256
    return world


@pytest.fixture
def log(good: World, tmp_path: Path) -> World:
    shutil.copytree(good.directory, tmp_path / "log")
    shutil.copytree(good.state, tmp_path / "state")
    return World(tmp_path, checkpoint_ms=5)


def refused(world: World, match: str = "not what was signed") -> None:
    with pytest.raises(RecorderFailed, match=match):
        world.open()


# --- files moved about ----------------------------------------------------------------------------


def _swap(one: Path, two: Path) -> None:
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _segments_renumbered(base: Path) -> None:
    one, two = base / "seg/00000001.hgs", base / "seg/00000002.hgs"
    _swap(one, two)
    for number, path in ((1, one), (2, two)):
        path.write_bytes(MAGIC + number.to_bytes(4, "big") + path.read_bytes()[8:])


def _segment_inserted(base: Path) -> None:
    numbers = sorted(base.glob("seg/*.hgs"), reverse=True)
    for path in numbers[:-1]:
        path.rename(path.with_name(f"{int(path.stem) + 1:08d}.hgs"))
    (base / "seg/00000002.hgs").write_bytes(MAGIC + (2).to_bytes(4, "big"))


def _segment_behind(base: Path) -> None:
    """The first segment again, behind the last one."""
    last = max(base.glob("seg/*.hgs"))
    number = int(last.stem) + 1
    data = (base / "seg/00000001.hgs").read_bytes()
    (base / f"seg/{number:08d}.hgs").write_bytes(MAGIC + number.to_bytes(4, "big") + data[8:])
    size = int((base / "checkpoint").read_text().split("\n")[1])
    assert size > 0
    (base / "seg/00000001.hgs").unlink()


def _tail_of_another_epoch(base: Path) -> None:
    paths = sorted(base.glob("seg/*.hgs"))
    data = paths[0].read_bytes()
    paths[0].write_bytes(data[: len(data) // 2] + paths[-1].read_bytes()[-len(data) // 2 :])


def _link_elsewhere(base: Path) -> None:
    path = base / "tile/0/000"
    path.unlink()
    path.symlink_to(base / "tile/0/001.p" / min(os.listdir(base / "tile/0/001.p")))


def _link_to_itself(base: Path) -> None:
    path = base / "seg/00000002.hgs"
    path.unlink()
    path.symlink_to(path)


def _directory_for_a_file(base: Path) -> None:
    path = base / "tile/entries/000"
    path.unlink()
    path.mkdir()


def _partial_for_full(base: Path) -> None:
    """A full tile cut to a partial one, as if the log had been smaller."""
    path = base / "tile/0/000"
    data = path.read_bytes()
    path.unlink()
    (base / "tile/0/000.p").mkdir(exist_ok=True)
    (base / "tile/0/000.p/200").write_bytes(data[: 200 * 32])


def _marker(base: Path) -> None:
    """A quarantine that never was, over leaves that are signed."""
    last = max(base.glob("seg/*.hgs"))
    last.with_suffix(f".{HEADER_BYTES}.quarantine").write_bytes(b"")


def _hole(base: Path) -> None:
    path = base / "seg/00000001.hgs"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 4096] + bytes(4096))


def _grown_sparse(base: Path) -> None:
    """A terabyte of nothing behind a sealed segment."""
    os.truncate(base / "seg/00000001.hgs", 2**40)


#: Names that are numbers to some readers, of what is in no log.
NAMES = [
    *("seg/\u0660\u0660\u0660\u0660\u0660\u0660\u0669\u0669.hgs", "seg/" + "9" * 200 + ".hgs"),
    *("seg/0000000001.hgs", "seg/4294967295.hgs", "seg/00000001.\u00b2.quarantine"),
    *("seg/00000001.-1.quarantine", "tile/0/001.p/\u00b2", "tile/entries/001.p/" + "1" * 100),
    *("tile/0/001.p/\u0661", "timestamps/\u00b2.tsr", "timestamps/" + "1" * 200 + ".tsr"),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_no_numbers(log: World, name: str, tmp_path: Path) -> None:
    """They say nothing, and stop nobody."""
    path = log.directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    size = log.reader().size
    assert log.verify().checkpoint.size == size
    times = [leaf["time"] for leaf in log.leaves()]
    export(log.reader(), tmp_path / "out", min(times), max(times) + 1)
    verify_bundle(tmp_path / "out", Policy((log.vkey(),)))
    log.open()
    log.stop()
    assert log.verify().checkpoint.size > size


def test_a_pipe_for_a_timestamp(log: World, tmp_path: Path) -> None:
    (log.directory / "timestamps").mkdir()
    os.mkfifo(log.directory / "timestamps/5.tsr")
    (log.directory / "timestamps/5.checkpoint").write_bytes(b"")
    with pytest.raises(OSError, match="regular file"):
        export(log.reader(), tmp_path / "out", 0, 2**62)


MOVES: list[Callable[[Path], None]] = [
    lambda base: _swap(base / "wraps/s-0-0.json", base / "wraps/s-0-1.json"),
    lambda base: _swap(base / "seg/00000001.hgs", base / "seg/00000002.hgs"),
    lambda base: _swap(base / "tile/0/000", base / "tile/entries/000"),
    lambda base: (base / "seg/00000002.hgs").unlink(),
    lambda base: shutil.rmtree(base / "tile/entries"),
    _segments_renumbered,
    _segment_inserted,
    _segment_behind,
    _tail_of_another_epoch,
    _link_elsewhere,
    _link_to_itself,
    _directory_for_a_file,
    _partial_for_full,
    _hole,
    _grown_sparse,
]


@pytest.mark.parametrize("number", range(len(MOVES)))
def test_files_moved_about(log: World, number: int) -> None:
    MOVES[number](log.directory)
    with pytest.raises(BAD):
        log.verify()


def test_a_quarantine_that_never_was(log: World) -> None:
    """It changes nothing that is signed; a start does not take it for a reason to drop leaves."""
    _marker(log.directory)
    assert log.verify().sessions == 4
    refused(log)


# --- leaves that nobody signed --------------------------------------------------------------------


def append(world: World, leaf: dict[str, Any], payload: bytes = b"") -> None:
    """A record at the end of the last segment, as somebody forges it who knows the format."""
    last = max(world.directory.glob("seg/*.hgs"))
    size = world.reader().size
    about = {
        "mono": 2**50,
        "time": 2**50,
        "prev": "",
        "seq": 0,
        **leaf,
        "index": leaf.get("index", size),
        "segment": int(last.stem),
        "offset": last.stat().st_size,
        "length": len(payload),
    }
    if payload:
        about["hash"] = b64encode(sha256(payload).digest()).decode()
    with last.open("ab") as file:
        file.write(b"".join(encode_record(encode(about), payload)))


def test_a_session_forged_behind_the_end(log: World) -> None:
    append(log, {"type": "session.open", "session": "s-forged"})
    assert log.verify().above == 1
    refused(log, "after the end of its epoch")


def test_an_epoch_forged_behind_the_end(log: World) -> None:
    last = max(log.directory.glob("seg/*.hgs"))
    number = int(last.stem) + 1
    size = log.reader().size
    file = bytearray(MAGIC + number.to_bytes(4, "big"))
    state = encode({"open": {}, "sealed": [[number - 1, *[last.stat().st_size] * 2, ""]]})
    common = {"mono": 2**50, "time": 2**50, "segment": number, "prev": "", "seq": 0}
    records = [("epoch.start", "epoch-forged", state), ("session.open", "s-forged", b"")]
    for at, (kind, session, payload) in enumerate(records):
        leaf: dict[str, Any] = {
            **common,
            "type": kind,
            "session": session,
            "index": size + at,
            "offset": len(file),
            "length": len(payload),
        }
        if payload:
            leaf["hash"] = b64encode(sha256(payload).digest()).decode()
        file += b"".join(encode_record(encode(leaf), payload))
    (log.directory / f"seg/{number:08d}.hgs").write_bytes(file)
    assert log.verify().above == 2
    refused(log, "whose beginning was never signed")


@pytest.mark.parametrize(
    "leaf",
    [
        {"type": "chunk", "session": "s-0-0"},
        {"type": "session.close", "session": "s-1-1", "reason": "x", "last_seq": 1},
        {"type": "session.open", "session": "s-0-0", "index": 3},
        {"type": "purge", "session": "s-0-0", "detail": {"session": "s-0-0"}},
    ],
)
def test_a_leaf_forged_behind_the_end(log: World, leaf: dict[str, Any]) -> None:
    append(log, leaf, b"x" if leaf["type"] == "chunk" else b"")
    refused(log)


def test_the_last_leaf_again(log: World) -> None:
    leaf = log.leaves()[-1]
    append(log, {**leaf, "index": log.reader().size})
    refused(log)


def test_a_torn_end_without_an_end(log: World) -> None:
    """A start hashes a torn end; nobody lets it do so for hours."""
    os.truncate(max(log.directory.glob("seg/*.hgs")), 2**42)
    assert log.verify().torn > 2**41
    refused(log, "no crash leaves that many")


# --- checkpoints, keys, policies ------------------------------------------------------------------


def test_an_older_checkpoint_of_the_same_log(good: World, log: World) -> None:
    """What it covers verifies; who knows the newer one, as the node does, sees what is missing."""
    newest = (log.directory / "checkpoint").read_bytes()
    signer = FileSigner.load(log.state / SIGNER_KEY)
    reader = log.reader()
    old = signer.sign(Checkpoint(signer.name, 200, frontier(200, reader.tiles.subtree).root()))
    (log.directory / "checkpoint").write_bytes(old)
    with pytest.raises(BadLog, match="rolled back"):
        check_known(log.reader(), [("newest", newest)])
    last = max(log.directory.glob("seg/*.hgs"))
    last.unlink()
    refused(log)


@pytest.mark.parametrize("size", [2**62, 10**18, 513 * 256**3])
def test_a_checkpoint_of_a_log_too_large(log: World, size: int) -> None:
    """Even the key's holder cannot have a verification run for ever."""
    signer = FileSigner.load(log.state / SIGNER_KEY)
    note = signer.sign(Checkpoint(signer.name, size, bytes(32)))
    (log.directory / "checkpoint").write_bytes(note)
    with pytest.raises(BAD):
        log.verify()


def test_key_and_checkpoint_of_somebody_else(log: World, tmp_path: Path) -> None:
    trusted = log.vkey()
    mine = FileSigner.create(tmp_path / "mine.key", trusted.name)
    checkpoint = log.reader().checkpoint
    (log.directory / "checkpoint").write_bytes(mine.sign(checkpoint))
    (log.directory / "vkey").write_text(f"{mine.verifier}\n")
    with pytest.raises(BadNote, match="no trusted key"):
        verify_log(log.directory, [trusted])
    refused(log)


def test_both_keys_retired_by_hand(log: World) -> None:
    """The list of retired keys is the node's own memory: a stranger's key in it signs nothing more
    than what the node would take up, and an auditor does not read it."""
    before = log.vkey()
    rotate(log.directory, log.state, log.recording.origin)
    path = log.state / "keys/log-signer.retired"
    path.write_text(path.read_text() + "not a key\n")
    with pytest.raises((RecorderFailed, BadNote)):
        log.open()
    path.write_text(f"{before}\n")
    log.open()
    log.stop()
    with pytest.raises(BadNote):
        verify_log(log.directory, [before])


def test_a_checkpoint_of_another_log_of_the_same_key(log: World) -> None:
    signer = FileSigner.load(log.state / SIGNER_KEY)
    checkpoint = log.reader().checkpoint
    note = signer.sign(Checkpoint("other.example/log", checkpoint.size, checkpoint.root))
    policy = Policy((log.vkey(),))
    with pytest.raises(BadNote, match="another log"):
        policy.check(note)


@pytest.mark.parametrize("wanted", ["all", "2"])
def test_one_witness_under_two_names(log: World, wanted: str) -> None:
    key = Cosigner("w.example", bytes(32)).verifier
    with pytest.raises(BadNote, match="under another name"):
        Policy.parse(
            f"log {log.vkey()}\nwitness a {key}\nwitness b {WitnessKey('x.example', key.public)}\n"
            f"group g {wanted} a b\nquorum g\n"
        )


def test_a_cosignature_under_another_name(log: World) -> None:
    """Of a witness that signed something else, of another witness, of another time."""
    text = (log.directory / "checkpoint").read_bytes()
    note = Note.parse(text)
    ours, other = Cosigner("w.example", bytes(32)), Cosigner("x.example", b"x" * 32)
    policy = Policy((log.vkey(),), {"w": ours.verifier}, quorum="w")
    good = ours.cosign(note.text, 7)
    assert policy.check(note.signed_too([good]).encode())[1] == {"w": 7}
    stolen = other.cosign(note.text, 7)
    forged = [
        Signature("w.example", ours.verifier.id, stolen.signature),
        Signature("w.example", ours.verifier.id, (8).to_bytes(8, "big") + good.signature[8:]),
        Signature("w.example", ours.verifier.id, ours.cosign(str(log.vkey()), 7).signature),
        Signature("w.example", stolen.id, good.signature),
        Signature("x.example", good.id, good.signature),
    ]
    for one in forged:
        with pytest.raises(BadNote):
            policy.check(note.signed_too([one]).encode())


# --- witnesses ------------------------------------------------------------------------------------


def test_requests_and_answers_replayed(log: World, tmp_path: Path) -> None:
    signer = FileSigner.load(log.state / SIGNER_KEY)
    cosigner = Cosigner("w.example", bytes(32))
    witness = Witness(tmp_path / "witness", cosigner, [signer.verifier], clock=lambda: 7)
    first = signer.sign(Checkpoint(signer.name, 1, leaf_hash(b"one")))
    body = Request(0, (), first).encode()
    answer = witness.add_checkpoint(body)
    assert answer.status == 200
    root = sha256(b"\1" + leaf_hash(b"one") + leaf_hash(b"two")).digest()
    second = signer.sign(Checkpoint(signer.name, 2, root))
    assert witness.add_checkpoint(Request(1, (leaf_hash(b"two"),), second).encode()).status == 200
    assert witness.add_checkpoint(body).status == 409
    # An answer of before is no cosignature of what comes after it.
    peer = Peer("w", cosigner.verifier, "http://127.0.0.1:1/")
    assert peer._verified(Note.parse(first), answer.body)
    with pytest.raises(WitnessAway):
        peer._verified(Note.parse(second), answer.body)


# --- the node's own memory ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"next": 10**9},
        {"next": -1},
        {"next": 1, "note": ""},
        {"note": "x"},
        {"open": {"s-0-0": "x"}},
        {"open": [1]},
    ],
)
def test_a_cursor_edited(log: World, tmp_path: Path, change: dict[str, Any]) -> None:
    """One that would leave events out is none."""
    path = tmp_path / "cursor"
    given = {"next": 5, "note": (log.directory / "checkpoint").read_text(), "open": {}}
    path.write_text(json.dumps(given))
    assert Cursor.load(path).next == 5
    path.write_text(json.dumps({**given, **change}))
    with pytest.raises(HoopgateError, match="no cursor"):
        Cursor.load(path)


def test_the_lock_removed_and_a_second_node(log: World) -> None:
    """Two nodes on one directory: the head lets one of them sign."""
    log.open()
    (log.directory / "lock").unlink()
    other = World(log.directory.parent, checkpoint_ms=5).open()
    log.log.append("heartbeat", {}).addErrback(lambda _: None)
    log.pump.until(log.log.failed)
    assert "changed by another process" in str(log.log.failure())
    other.stop()


def test_a_head_edited(log: World) -> None:
    path = log.state / "log-head"
    path.write_bytes(path.read_bytes().replace(b"/hoopgate\n", b"/other\n", 1))
    refused(log)


def test_a_head_removed(good: World, log: World) -> None:
    """Without it nobody could tell a log that was rolled back."""
    (log.state / "log-head").unlink()
    refused(log, "is missing: nobody knows whether the log was rolled back")
    shutil.copy(log.directory / "checkpoint", log.state / "log-head")
    log.open()
    log.stop()


def test_a_head_put_back(log: World) -> None:
    """Whoever is going to roll the log back begins with what would tell."""
    older = (log.state / "log-head").read_bytes()
    log.open()
    log.stop()
    (log.state / "log-head").write_bytes(older)
    refused(log, "is older than the log")


def test_a_head_that_is_a_pipe(log: World) -> None:
    path = log.state / "log-head"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RecorderFailed, match="regular file"):
        log.open()


def test_names_that_would_speak_to_a_terminal(
    log: World, capfd: pytest.CaptureFixture[str]
) -> None:
    path = log.directory / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"hoopgate\n", b"hoop\x1b[2Jgate\n", 1))
    assert main(["audit", "verify", "-d", str(log.directory)]) == 1
    out = capfd.readouterr()
    assert "\x1b" not in out.out + out.err
