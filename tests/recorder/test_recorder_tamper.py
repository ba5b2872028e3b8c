"""Tampering: whatever is done to the files, verification ends and names what is bad."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorder_world import ALLOWED, World

from hoopgate.recorder import verify
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.leaf import decode
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.sealing import ReplayKey, SessionKey, seal
from hoopgate.recorder.segments import Scan
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import encode_bundle, split_bundle
from hoopgate.recorder.verify import verify_log

BAD = (BadLog, BadNote)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log with 600 leaves, three sessions, three segments, two epochs."""
    world = World(tmp_path_factory.mktemp("good"), segment_bytes=150_000)
    for epoch in range(2):
        world.open()
        opened = [world.session(f"s-{epoch}-{i}") for i in range(3)]
        for number in range(33):
            for session in opened:
                session.response(b"row %d" % number * 10)
                done = session.request(b"SELECT %d" % number, None, ALLOWED)
                session.request(b"more", b"", ALLOWED)
                session.request(b"x", None, ())
            world.wait(done)
            if number % 10 == 0:
                world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
        world.stop()
    assert world.verify().sessions == 6
    assert len(list(world.directory.glob("seg/*"))) >= 3
    return world


@pytest.fixture
def copy(good: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it to tamper with."""
    shutil.copytree(good.directory, tmp_path / "log")
    shutil.copytree(good.state, tmp_path / "state")
    return World(tmp_path)


def found(world: World) -> BadLog:
    with pytest.raises(BadLog) as error:
        world.verify()
    return error.value


def files(world: World) -> list[Path]:
    directory = world.directory
    named = [directory / "checkpoint"]
    for part in ("seg", "tile", "wraps"):
        named += sorted(p for p in (directory / part).rglob("*") if p.is_file())
    return named


@settings(
    max_examples=120, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_flipped_bit_is_found(good: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(good)))
    original = path.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    flipped = bytearray(original)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    try:
        with pytest.raises(BAD):
            good.verify()
    finally:
        path.write_bytes(original)
    good.verify()


@settings(
    max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_file_gone_cut_or_swapped_is_found(good: World, data: st.DataObject) -> None:
    """Except outgrown partial tiles, which a log may delete."""
    size = good.reader().size
    needed = [
        p for p in files(good) if ".p" not in str(p) or int(p.name) in (size % 256, size >> 8)
    ]
    path = data.draw(st.sampled_from(needed))
    original = path.read_bytes()
    how = data.draw(st.sampled_from(["gone", "cut", "other", "longer"]))
    other = data.draw(st.sampled_from([p for p in needed if p.read_bytes() != original]))
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(original[: data.draw(st.integers(0, len(original) - 1))])
    elif how == "other":
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(original + b"x")
    last = sorted(good.directory.glob("seg/*"))[-1]
    try:
        if how == "longer" and path == last:
            assert good.verify().torn == 1  # above the checkpoint, as after a crash
        else:
            with pytest.raises((*BAD, FileNotFoundError)):
                good.verify()
    finally:
        path.write_bytes(original)
    good.verify()


def test_a_flipped_byte_of_a_recording_names_session_and_offset(copy: World) -> None:
    leaf = next(
        leaf
        for leaf in copy.leaves()
        if leaf["session"] == "s-1-2" and leaf["type"] == "chunk" and leaf["seq"] == 7
    )
    path = copy.directory / f"seg/{leaf['segment']:08d}.hgs"
    data = bytearray(path.read_bytes())
    data[leaf["offset"] + 500] ^= 1
    path.write_bytes(data)
    error = found(copy)
    assert (error.index, error.session, error.segment, error.offset) == (
        leaf["index"],
        "s-1-2",
        leaf["segment"],
        leaf["offset"],
    )
    assert f"leaf {leaf['index']}, session s-1-2" in str(error)


def rewrite(
    world: World, leaf: dict[str, Any], payload: bytes, stored: bytes | None = None
) -> None:
    """Replace a record's payload (and leaf) by one of the same length, checksum and all."""
    from hoopgate.recorder.leaf import encode
    from hoopgate.recorder.segments import encode_record

    path = world.directory / f"seg/{leaf['segment']:08d}.hgs"
    record = b"".join(encode_record(stored or encode(leaf), payload))
    data = path.read_bytes()
    path.write_bytes(data[: leaf["offset"]] + record + data[leaf["offset"] + len(record) :])


def chunk(world: World, session: str, seq: int) -> dict[str, Any]:
    return next(
        leaf for leaf in world.leaves() if leaf["session"] == session and leaf["seq"] == seq
    )


def test_a_payload_deleted(copy: World) -> None:
    leaf = chunk(copy, "s-0-1", 5)
    rewrite(copy, leaf, bytes(leaf["length"]))
    assert found(copy).index == leaf["index"]
    assert "not the one its leaf names" in str(found(copy))


def test_a_payload_of_another_session(copy: World) -> None:
    leaf, other = chunk(copy, "s-0-1", 5), chunk(copy, "s-0-2", 5)
    assert leaf["length"] == other["length"]
    rewrite(copy, leaf, copy.reader().payload(other, copy.reader().entry(other["index"])))
    assert found(copy).index == leaf["index"]


def test_an_earlier_record_again(copy: World) -> None:
    reader = copy.reader()
    chunks = [leaf for leaf in copy.leaves() if leaf["session"] == "s-0-1" and leaf["length"]]
    first, second = next(
        (one, two)
        for one in chunks
        for two in chunks
        if one["index"] < two["index"]
        and one["length"] == two["length"]
        and len(reader.entry(one["index"])) == len(reader.entry(two["index"]))
    )
    stored = reader.entry(first["index"])
    rewrite(copy, second, reader.payload(first, stored), stored)
    assert found(copy).index == second["index"]


def test_two_leaves_swapped_everywhere_but_in_the_tree(copy: World) -> None:
    path = copy.directory / "tile/entries/000"
    entries = split_bundle(path.read_bytes(), 256)
    entries[20], entries[21] = entries[21], entries[20]
    path.write_bytes(encode_bundle(entries))
    assert found(copy).index == 20


def test_two_bundles_swapped(copy: World) -> None:
    one, two = copy.directory / "tile/entries/000", copy.directory / "tile/entries/001"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert found(copy).index == 0


def test_a_checkpoint_of_another_size_or_root_even_signed(copy: World) -> None:
    signer = FileSigner.load(copy.state / "keys/log-signer.key")
    checkpoint = copy.reader().checkpoint
    for size, root in ((checkpoint.size - 1, checkpoint.root), (checkpoint.size, bytes(32))):
        note = signer.sign(Checkpoint(checkpoint.origin, size, root))
        (copy.directory / "checkpoint").write_bytes(note)
        found(copy)


def test_a_log_signed_by_another_key(copy: World, tmp_path: Path) -> None:
    other = FileSigner.create(tmp_path / "other.key", copy.recording.origin)
    (copy.directory / "checkpoint").write_bytes(other.sign(copy.reader().checkpoint))
    with pytest.raises(BadNote, match="no trusted key"):
        copy.verify()


def test_a_tree_rebuilt_without_a_leaf_needs_the_segments_rebuilt_too(copy: World) -> None:
    """Whoever holds the signing key can re-sign a smaller tree, but not beside the segments."""
    from hoopgate.recorder.tiles import Edge
    from hoopgate.recorder.tree import Frontier, leaf_hash

    entries = [data for _, data in copy.reader().leaves()]
    del entries[100]
    edge, tree = Edge(0, [], []), Frontier()
    for entry in entries:
        edge.append(entry, leaf_hash(entry))
        tree.append(leaf_hash(entry))
    shutil.rmtree(copy.directory / "tile")
    for name, content in {**edge.pending, **edge.partials()}.items():
        path = copy.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    signer = FileSigner.load(copy.state / "keys/log-signer.key")
    note = signer.sign(Checkpoint(copy.recording.origin, len(entries), tree.root()))
    (copy.directory / "checkpoint").write_bytes(note)
    assert found(copy).index == 100


def test_a_wrap_deleted_without_a_purge(copy: World) -> None:
    (copy.directory / "wraps/s-0-1.json").unlink()
    error = found(copy)
    assert error.session == "s-0-1"
    assert "no purge is recorded" in error.what


def test_a_wrap_deleted_with_a_purge(copy: World) -> None:
    copy.open()
    copy.wait(copy.log.append("purge", {"session": "s-0-1"}))
    (copy.directory / "wraps/s-0-1.json").unlink()
    copy.stop()
    copy.verify()
    with pytest.raises(BadLog, match="was shredded"):
        copy.replay("s-0-1")
    assert copy.replay("s-0-2")


def test_a_wrap_that_seals_another_key(copy: World) -> None:
    """A ciphertext may open under two keys; the commitment in session.open names the one."""
    replay = ReplayKey.load(copy.state / "keys/replay.key")
    wrap = seal("s-0-1", bytes(32), [replay.recipient])
    (copy.directory / "wraps/s-0-1.json").write_bytes(wrap)
    assert "wrapped key was altered" in found(copy).what
    with pytest.raises(BadLog, match="not the one the session began with"):
        copy.replay("s-0-1")


def test_a_recording_opens_for_its_recipients_alone(copy: World, tmp_path: Path) -> None:
    from hoopgate.recorder.replay import Replay

    stranger = ReplayKey.create(tmp_path / "stranger.key")
    with pytest.raises(BadLog, match="not sealed to this replay key"):
        Replay(copy.reader(), "s-0-1", stranger)
    one, two = (SessionKey("s", bytes([n]) * 32) for n in (1, 2))
    sealed = one.encrypt(3, b"text")
    assert one.decrypt(3, sealed) == b"text"
    for key, seq in ((one, 4), (two, 3), (SessionKey("t", bytes([1]) * 32), 3)):
        with pytest.raises(BadLog):
            key.decrypt(seq, sealed)


def test_replay_finds_what_was_altered(copy: World) -> None:
    leaf = chunk(copy, "s-0-1", 5)
    rewrite(copy, leaf, bytes(leaf["length"]))
    with pytest.raises(BadLog) as error:
        copy.replay("s-0-1")
    assert error.value.index == leaf["index"]


def test_a_symbolic_path_in_a_leaf_leads_nowhere() -> None:
    leaf = {
        **dict.fromkeys(("index", "length", "mono", "offset", "segment", "seq", "time"), 0),
        "prev": "",
        "type": "chunk",
        "session": "../../etc/passwd",
    }
    data = json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(BadLog, match="session id"):
        decode(data)


@given(st.binary(max_size=300))
def test_arbitrary_leaves_raise_only_bad_log(data: bytes) -> None:
    for one in (data, b"{" + data + b"}", b'{"a":' + data, b"[" * 1000):
        try:
            decode(one)
        except BadLog:
            pass


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=400))
def test_an_arbitrary_segment_is_read_to_an_end(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "seg").mkdir(exist_ok=True)
    path = tmp_path / "seg/00000001.hgs"
    for content in (data, b"HGS1\0\0\0\1" + data):
        path.write_bytes(content)
        scan = Scan(tmp_path, 1)
        list(scan)
        assert scan.end <= len(content)


def test_a_log_may_be_read_while_it_is_written(make_world: Any) -> None:
    world = make_world(segment_bytes=60_000, checkpoint_ms=5).open()
    session = world.session("s-1")
    for _ in range(40):
        done = [session.request(b"x" * 200, None, ()) for _ in range(25)]
        world.wait(done[0])
        report = verify_log(world.directory, [world.vkey()])
        assert report.running in (1, 2)  # the node itself and, once it is signed, the session
        LogReader(world.directory, [world.vkey()])


@pytest.mark.parametrize("segment", [1, 2])
def test_processes_say_what_one_says(
    copy: World, monkeypatch: pytest.MonkeyPatch, segment: int
) -> None:
    monkeypatch.setattr(verify, "_WORTH_PROCESSES", 0)
    trusted = [copy.vkey()]
    assert verify_log(copy.directory, trusted, processes=2) == verify_log(copy.directory, trusted)
    path = copy.directory / f"seg/{segment:08d}.hgs"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadLog) as together:
        verify_log(copy.directory, trusted, processes=2)
    alone = found(copy)
    assert str(together.value) == str(alone)
    assert alone.segment == segment


def test_what_is_no_file_is_not_waited_for(copy: World) -> None:
    for name in ("seg/00000001.hgs", "tile/0/000", "tile/entries/001", "checkpoint"):
        path = copy.directory / name
        data = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises((BadLog, OSError)):
            copy.verify()
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises((BadLog, OSError)):
            copy.verify()
        path.unlink()
        path.write_bytes(data)
    copy.verify()


def test_a_segment_that_was_left_behind_whole(copy: World, tmp_path: Path) -> None:
    """A start whose first commit failed: the next one takes nothing of its segment."""
    last = max(copy.directory.glob("seg/*.hgs"))
    number = int(last.stem) + 1
    before = tmp_path / "before"
    shutil.copytree(copy.directory, before / "log")
    shutil.copytree(copy.state, before / "state")
    copy.open()
    begun = (copy.directory / f"seg/{number:08d}.hgs").read_bytes()
    copy.stop()
    (before / f"log/seg/{number:08d}.hgs").write_bytes(begun)
    (before / f"log/seg/{number:08d}.8.quarantine").write_bytes(b"")
    world = World(before).open()
    world.stop()
    assert (world.directory / f"seg/{number + 1:08d}.hgs").exists()
    assert world.verify().gaps == 1
    path = world.directory / f"seg/{number:08d}.hgs"
    path.write_bytes(begun[:-1] + bytes([begun[-1] ^ 1]))
    assert "cut off or appended" in found(world).what or "torn end" in found(world).what
