"""Text in what clients have sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_world import ALLOWED, World

from hoopgate.recorder import searching
from hoopgate.recorder.listing import sessions
from hoopgate.recorder.sealing import REPLAY_KEY, ReplayKey
from hoopgate.recorder.searching import holding
from hoopgate.recorder.segments import CHUNK_BYTES, OVERHEAD, segment_path
from hoopgate.recorder.wraps import wrap_path


def ask(text: str) -> bytes:
    body = text.encode() + b"\0"
    return b"Q" + (len(body) + 4).to_bytes(4, "big") + body


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Sessions that overlap; each has its own number in what it sends."""
    world = World(tmp_path_factory.mktemp("searching")).open()
    running = [world.session(f"ses-{number}") for number in range(12)]
    for turn in range(30):
        for number, session in enumerate(running):
            world.wait(session.request(ask(f"SELECT {number} AS Turn{turn}"), None, ALLOWED))
            session.response(f"answered {number}".encode())
    long = "x" * (CHUNK_BYTES - 200) + "Über die Grenze" + "y" * CHUNK_BYTES
    for start in range(0, len(ask(long)), 60_000):
        world.wait(running[3].request(ask(long)[start : start + 60_000], None, ()))
    for session in running[::2]:
        world.wait(session.close("client.terminate"))
    world.stop()
    return world


def found(world: World, text: str) -> list[str]:
    log = world.reader()
    key = ReplayKey.load(world.state / REPLAY_KEY)
    every = sessions(log)
    wanted = holding(log, key, every, text)
    # One by one it is the same: that they are read together changes nothing.
    assert wanted == frozenset().union(*(holding(log, key, [one], text) for one in every))
    return sorted(wanted)


def test_what_was_sent_is_found_whatever_its_case(world: World) -> None:
    assert found(world, "select 7 as turn0") == ["ses-7"]
    assert found(world, "SELECT 1 AS") == ["ses-1"]
    assert len(found(world, "turn29")) == 12
    assert found(world, "turn30") == []


def test_answers_are_not_searched(world: World) -> None:
    assert found(world, "answered") == []


def test_what_was_cut_in_two_is_found(world: World) -> None:
    assert found(world, "xüber DIE grenzey") == ["ses-3"]
    assert found(world, "x" * 1000 + "über") == ["ses-3"]


@given(st.data())
def test_wherever_it_is_cut(world: World, data: st.DataObject) -> None:
    start = data.draw(st.integers(CHUNK_BYTES - 260, CHUNK_BYTES - 180))
    length = data.draw(st.integers(1, 300))
    long = "x" * (CHUNK_BYTES - 200) + "Über die Grenze" + "y" * CHUNK_BYTES
    text = long[start : start + length]
    if set(text) - {"x", "y"}:
        assert "ses-3" in found(world, text)


def test_what_cannot_be_opened_holds_nothing(tmp_path: Path) -> None:
    world = World(tmp_path).open()
    for number in range(3):
        session = world.session(f"ses-{number}")
        world.wait(session.request(ask("SELECT wanted"), None, ALLOWED))
        world.wait(session.close("client.terminate"))
    world.stop()
    wrap_path(world.directory, "ses-0").unlink()
    wrap = wrap_path(world.directory, "ses-1")
    wrap.write_bytes(wrap.read_bytes().replace(b"ses-1", b"ses-9"))
    assert found(world, "wanted") == ["ses-2"]
    another = ReplayKey.create(tmp_path / "another.key")
    assert holding(world.reader(), another, sessions(world.reader()), "wanted") == frozenset()
    # A byte of a payload that was changed is a payload that does not open.
    segment = segment_path(world.directory, 1)
    data = bytearray(segment.read_bytes())
    log = world.reader()
    leaf = next(leaf for leaf in world.leaves() if (leaf["session"], leaf["seq"]) == ("ses-2", 1))
    data[leaf["offset"] + OVERHEAD + len(log.entry(leaf["index"])) + 5] ^= 1
    segment.write_bytes(data)
    assert found(world, "wanted") == []


def test_no_session_keeps_a_search_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_RECORDS", 10)
    assert found(world, "SELECT 5 AS turn29") == ["ses-5"]
    assert found(world, "SELECT 5 AS turn0") == []
