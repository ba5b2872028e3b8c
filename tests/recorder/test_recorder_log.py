"""The log as the gateway uses it: what is acknowledged is durable, signed, can be replayed."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorder_world import ALLOWED, ORIGIN, World, facts
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred, gatherResults
from zope.interface.verify import verifyObject

from hoopgate.actions import Decision
from hoopgate.errors import LocalProtocolError, RecorderFailed
from hoopgate.events import Principal, StatementFacts
from hoopgate.interfaces import IRecorder, ISessionRecording
from hoopgate.recorder.commit import Clock
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.leaf import LEAF_BYTES, encode
from hoopgate.recorder.listing import sessions
from hoopgate.recorder.log import open_log
from hoopgate.recorder.note import Note
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.sealing import REPLAY_KEY
from hoopgate.recorder.segments import read_record, segment_numbers
from hoopgate.verdicts import Block, Mask

SECRET = b"SSN 536-90-4399"


def test_it_provides_the_contracts(world: World) -> None:
    assert verifyObject(IRecorder, world.log)
    assert verifyObject(ISessionRecording, world.session("s-1"))


def test_an_acknowledged_request_is_on_the_disk(world: World) -> None:
    session = world.session("s-1")
    index = world.wait(session.request(b"SELECT 1", None, ALLOWED))
    assert index == world.log.size - 1 == 2
    world.pump.until(lambda: world.log.checkpoint_size > index)
    leaf = world.leaves()[index]
    assert leaf["decisions"] == [["req-1", "allow", "operator/readers"]]
    assert leaf["verdicts"] == {"allow": 1}
    stored, payload = read_record(world.directory, leaf["segment"], leaf["offset"], leaf["length"])
    assert stored == encode(leaf)
    assert b"SELECT" not in payload
    assert world.stream("s-1", Kind.REQUEST) == [b"SELECT 1"]


def test_nothing_of_the_payload_is_readable_on_the_disk(world: World) -> None:
    who = Principal("https://i", "agent", frozenset(), 2e9)
    session = world.session("s-1", principal=who, application=SECRET.decode())
    session.response(SECRET)
    world.wait(session.request(SECRET, SECRET + b"!", ALLOWED))
    session.response(SECRET)
    world.wait(session.close("client.terminate"))
    world.stop()
    files = [p for p in world.directory.rglob("*") if p.is_file()]
    assert len(files) > 5
    for path in files:
        assert b"536-90" not in path.read_bytes(), path
    assert SECRET in world.stream("s-1", Kind.RESPONSE)


def test_what_happened_is_replayed_in_order(world: World) -> None:
    session = world.session("s-1")
    session.response(b"greeting")
    blocked = Decision(
        "req-2", Block("hipaa-baseline/ddl", "statement.ddl", "no"), monitored=("operator/x",)
    )
    world.wait(session.request(b"DROP TABLE t", b"", [blocked]))
    session.response(b"refused")
    world.wait(session.note("approval", {"request": "req-3", "reviewer": "dr-9"}))
    world.wait(session.request(b"raw", b"rewritten", ALLOWED))
    world.wait(session.close("client.terminate"))
    world.stop()
    told = [
        (m.kind, m.data) if m.kind else (None, m.leaf["type"].encode())
        for m in world.replay("s-1")
        if m.kind not in (Kind.FACTS, Kind.DECISIONS)
    ]
    assert told == [
        (None, b"session.open"),
        (Kind.RESPONSE, b"greeting"),
        (Kind.REQUEST, b"DROP TABLE t"),
        (Kind.FORWARDED, b""),
        (Kind.RESPONSE, b"refused"),
        (None, b"approval"),
        (Kind.REQUEST, b"raw"),
        (Kind.FORWARDED, b"rewritten"),
        (None, b"session.close"),
    ]
    decisions = json.loads(world.stream("s-1", Kind.DECISIONS)[0])
    assert decisions[0]["reason"] == "statement.ddl"
    assert decisions[0]["monitored"] == ["operator/x"]
    (summary,) = sessions(world.reader())
    assert (summary.requests, summary.verdicts) == (2, {"block": 1, "allow": 1})
    assert summary.reason == "client.terminate"
    assert world.verify().sessions == 1


class TestWindow:
    def test_a_response_alone_becomes_durable_within_the_window(self, world: World) -> None:
        session = world.session("s-1")
        session.response(b"rows")
        assert session.unreleased == 4
        world.pump.until(lambda: session.unreleased == 0)
        world.stop()
        assert world.stream("s-1", Kind.RESPONSE) == [b"rows"]

    def test_flushed_does_not_wait_for_the_window(self, make_world: Any) -> None:
        world = make_world(window_ms=60_000).open()
        session = world.session("s-1")
        assert world.wait(session.flushed()) is None
        session.response(b"rows")
        flushed = session.flushed()
        session.response(b"later")
        world.wait(flushed)
        assert session.unreleased == 5

    def test_flushed_but_for_the_last_bytes(self, make_world: Any) -> None:
        world = make_world(window_ms=60_000).open()
        session = world.session("s-1")
        session.response(bytes(70_000))  # a chunk, which is written at once
        session.response(b"later")
        assert world.wait(session.flushed(5)) is None
        assert session.unreleased == 5, "what may be behind was not hurried"
        few, all_ = session.flushed(4), session.flushed()
        world.wait(few)
        world.wait(all_)
        assert session.unreleased == 0

    def test_a_large_response_is_cut_into_records(self, make_world: Any) -> None:
        world = make_world(window_ms=60_000).open()
        session = world.session("s-1")
        rows = bytes(range(256)) * 1024
        for at in range(0, len(rows), 8000):
            session.response(rows[at : at + 8000])
        world.pump.until(lambda: session.unreleased < 65_536)
        world.stop()
        assert b"".join(world.stream("s-1", Kind.RESPONSE)) == rows
        chunks = [leaf for leaf in world.leaves() if leaf["type"] == "chunk"]
        assert len(chunks) >= 4
        assert max(leaf["length"] for leaf in chunks) < 70_000
        assert {leaf["direction"] for leaf in chunks} == {"backend"}

    def test_a_request_takes_the_responses_before_it_along(self, make_world: Any) -> None:
        world = make_world(window_ms=60_000).open()
        session = world.session("s-1")
        session.response(b"rows")
        index = world.wait(session.request(b"next", None, ()))
        assert session.unreleased == 0
        world.stop()
        assert world.leaves()[index]["direction"] == "both"


def test_a_large_request_is_acknowledged_with_its_last_leaf(world: World) -> None:
    session = world.session("s-1")
    request = b"INSERT " * 100_000
    index = world.wait(session.request(request, None, ALLOWED))
    assert index > 10
    world.stop()
    assert b"".join(world.stream("s-1", Kind.REQUEST)) == request
    assert world.leaves()[index]["verdicts"] == {"allow": 1}
    (summary,) = sessions(world.reader())
    assert summary.verdicts == {"allow": 1}


def test_leaves_stay_below_a_kilobyte_and_lose_nothing(world: World) -> None:
    groups = frozenset(f"cn=group-{i},ou=a department with a long name" for i in range(500))
    who = Principal("https://" + "i" * 300, "s" * 300, frozenset(), 2e9, groups, ("a" * 300,) * 9)
    session = world.session("s-1", principal=who, application="ü" * 3000)
    many = [
        Decision(
            f"req-{i}" * 20, Mask("r" * 200, ()), facts=(StatementFacts(frozenset({"select"})),)
        )
        for i in range(300)
    ]
    last = Decision("req-block", Block("operator/no", "statement.no", "no"))
    world.wait(session.request(b"x", None, [*many, last]))
    world.wait(session.note("approval", {"reason": "because " * 400}))
    world.wait(world.log.append("admin", {"what": ["\x1b\u202e" * 90] * 100}))
    world.stop()
    assert all(len(encode(leaf)) <= LEAF_BYTES for leaf in world.leaves())
    opened, chunk, note = (
        next(leaf for leaf in world.leaves() if leaf["type"] == t and leaf["session"] == "s-1")
        for t in ("session.open", "chunk", "approval")
    )
    assert opened["cut"] is True
    assert opened["subject"] == "s" * 96
    assert chunk["verdicts"] == {"mask": 300, "block": 1}
    assert chunk["decisions"][0] == ["req-block", "block", "operator/no"]
    assert note["cut"] is True
    whole = json.loads(world.stream("s-1", Kind.FACTS)[0])
    assert set(whole["groups"]) == groups
    assert whole["subject"] == "s" * 300
    decided = json.loads(world.stream("s-1", Kind.DECISIONS)[0])
    assert len(decided) == 301
    detail = json.loads(world.stream("s-1", Kind.DETAIL)[0])
    assert detail["detail"]["reason"] == "because " * 400


class TestIds:
    def test_a_session_id_is_never_used_again(self, make_world: Any) -> None:
        world = make_world().open()
        session = world.session("s-1")
        world.wait(session.close("done"))
        with pytest.raises(LocalProtocolError, match="used before"):
            world.session("s-1")
        world.stop()
        world.open()
        with pytest.raises(LocalProtocolError, match="used before"):
            world.session("s-1")
        world.session("s-2")
        world.stop()
        assert world.verify().sessions == 2

    @pytest.mark.parametrize("name", ["", "../s", "a/b", ".hidden", "a" * 65, "a\n", "ü"])
    def test_an_id_cannot_leave_the_directory(self, world: World, name: str) -> None:
        with pytest.raises(LocalProtocolError, match="session id"):
            world.session(name)


def test_nothing_follows_close(world: World) -> None:
    session = world.session("s-1")
    world.wait(session.close("done"))
    for answer in (session.request(b"x", None, ()), session.note("admin", {}), session.close("x")):
        with pytest.raises(LocalProtocolError):
            world.wait(answer)
    with pytest.raises(LocalProtocolError):
        session.response(b"x")


@pytest.mark.parametrize("kind", ["session.open", "chunk", "gap.recovered", "epoch.start", "other"])
def test_nobody_writes_the_recorders_own_leaves(world: World, kind: str) -> None:
    with pytest.raises(LocalProtocolError):
        world.log.append(kind, {})


def test_many_sessions_share_commits(world: World) -> None:
    opened = world.wait(gatherResults([world.log.open_session(facts(f"s-{i}")) for i in range(50)]))
    commits: list[float] = []
    world.log.observe_commit = lambda seconds, leaves: commits.append(seconds)
    done = [s.request(b"q%d" % i, None, ()) for i, s in enumerate(opened)]
    indices = world.wait(gatherResults(done))
    assert sorted(indices) == list(range(51, 101))
    assert len(commits) < 25
    world.stop()
    assert world.verify().sessions == 50
    assert world.stream("s-17", Kind.REQUEST) == [b"q17"]


def test_a_commit_waits_for_fdatasync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from hoopgate.recorder import segments

    session = world.session("s-1")
    real = segments.os.fdatasync
    released = False

    def slow(fd: int) -> None:
        while not released:
            time.sleep(0.001)
        real(fd)

    monkeypatch.setattr(segments.os, "fdatasync", slow)
    done = session.request(b"x", None, ())
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        world.pump.turn()
    assert not done.called
    assert world.log.checkpoint_size == 2
    released = True
    world.wait(done)


class TestCheckpoint:
    def test_it_comes_in_time_and_is_a_signed_note(self, make_world: Any) -> None:
        world = make_world(checkpoint_ms=100).open()
        session = world.session("s-1")
        for _ in range(5):
            world.wait(session.request(b"x", None, ()))
            world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
        note = Note.parse((world.directory / "checkpoint").read_bytes())
        assert note.text.splitlines()[:2] == [ORIGIN, str(world.log.size)]
        assert note.verified([world.vkey()])

    def test_outgrown_partial_tiles_go(self, world: World) -> None:
        session = world.session("s-1")
        for batch in range(6):
            done = [session.request(b"x", None, ()) for _ in range(100)]
            world.wait(gatherResults(done))
            world.pump.until(lambda: world.log.checkpoint_size == world.log.size)
            assert world.verify().checkpoint.size >= 100 * batch
        assert (world.directory / "tile/0/001").stat().st_size == 8192
        assert not (world.directory / "tile/0/001.p").exists()
        assert not (world.directory / "tile/entries/001.p").exists()
        assert (world.directory / "tile/0/002.p").exists()


def test_segments_rotate(make_world: Any) -> None:
    world = make_world(segment_bytes=4096).open()
    opened = [world.session(f"s-{i}") for i in range(3)]
    for _ in range(30):
        for session in opened:
            session.response(b"y" * 100)
            world.wait(session.request(b"x" * 300, None, ()))
    world.stop()
    assert len(segment_numbers(world.directory)) > 8
    report = world.verify()
    assert (report.sessions, report.running, report.torn) == (3, 0, 0)
    assert world.stream("s-2", Kind.REQUEST) == [b"x" * 300] * 30
    world.open().session("s-9")
    world.stop()
    assert world.verify().sessions == 4


class TestStop:
    def test_it_closes_signs_and_lets_go(self, make_world: Any) -> None:
        world = make_world(checkpoint_ms=60_000, window_ms=60_000).open()
        session = world.session("s-1")
        session.response(b"last words")
        waiting = session.request(b"x", None, ())
        world.stop()
        assert waiting.called
        report = world.verify()
        assert (report.sessions, report.running, report.above) == (1, 0, 0)
        assert world.stream("s-1", Kind.RESPONSE) == [b"last words"]
        assert world.leaves()[-1]["reason"] == "node.stop"
        assert (world.state / "log-head").read_bytes() == (
            world.directory / "checkpoint"
        ).read_bytes()
        world.stop()  # again: nothing happens

    def test_it_waits_for_logins(self, make_world: Any) -> None:
        world = make_world().open()
        opening: list[Deferred[Any]] = [world.log.open_session(facts(f"s-{i}")) for i in range(5)]
        world.stop()
        assert all(one.called for one in opening)
        assert (world.verify().sessions, world.verify().running) == (5, 0)

    def test_nothing_is_taken_afterwards(self, make_world: Any) -> None:
        world = make_world().open()
        world.stop()
        for late in (world.log.open_session(facts("s-1")), world.log.append("admin", {})):
            with pytest.raises(RecorderFailed):
                world.wait(late)


class TestStart:
    def test_a_second_writer_is_refused(self, world: World) -> None:
        with pytest.raises(RecorderFailed, match="another process"):
            World(world.directory.parent).open()

    def test_keys_are_private_and_the_verifier_key_is_published(self, world: World) -> None:
        for key in (SIGNER_KEY, REPLAY_KEY):
            assert stat.S_IMODE((world.state / key).stat().st_mode) == 0o600
        assert world.vkey().name == ORIGIN

    def test_epochs_follow_each_other(self, make_world: Any) -> None:
        world = make_world()
        for epoch in range(4):
            world.open().session(f"s-{epoch}")
            world.stop()
        report = world.verify()
        assert (report.sessions, report.crashed, report.gaps) == (4, 0, 0)
        assert [leaf["type"] for leaf in world.leaves()].count("epoch.start") == 4

    def refused(self, world: World) -> str:
        with pytest.raises(RecorderFailed) as failure:
            world.open()
        return str(failure.value)

    @pytest.fixture
    def stopped(self, make_world: Any) -> World:
        world: World = make_world().open()
        session = world.session("s-1")
        for _ in range(300):
            session.request(b"x", None, ())
        world.stop()
        return world

    def test_a_missing_signer_key(self, stopped: World) -> None:
        (stopped.state / SIGNER_KEY).unlink()
        assert "is missing: restore it" in self.refused(stopped)

    def test_another_origin(self, stopped: World) -> None:
        other = World(stopped.directory.parent)
        object.__setattr__(other.recording, "origin", "other.example.org")
        assert "recording.origin is other.example.org" in self.refused(other)

    def test_an_altered_checkpoint(self, stopped: World) -> None:
        path = stopped.directory / "checkpoint"
        path.write_bytes(path.read_bytes().replace(b"\n304\n", b"\n303\n"))
        assert "the signature of" in self.refused(stopped)

    def test_an_altered_tile(self, stopped: World) -> None:
        (path,) = stopped.directory.glob("tile/1/000.p/1")
        path.write_bytes(b"\0" + path.read_bytes()[1:])
        assert "do not hash to the signed root" in self.refused(stopped)

    def test_an_altered_tile_of_leaves(self, stopped: World) -> None:
        path = stopped.directory / "tile/0/000"
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert "leaf 0, segment 1, offset 8: the segment's leaf is not" in self.refused(stopped)

    def test_an_altered_segment(self, stopped: World) -> None:
        path = stopped.directory / "seg/00000001.hgs"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        message = self.refused(stopped)
        assert "segment 1, offset" in message
        assert "the record is damaged" in message
        assert "hoopgate audit verify" in message

    def test_a_segment_cut_below_the_checkpoint(self, stopped: World) -> None:
        path = stopped.directory / "seg/00000001.hgs"
        path.write_bytes(path.read_bytes()[:-700])
        assert "leaf 30" in self.refused(stopped)

    def test_a_missing_segment(self, stopped: World) -> None:
        (stopped.directory / "seg/00000001.hgs").unlink()
        assert "segment is missing" in self.refused(stopped)

    def test_a_missing_checkpoint(self, stopped: World) -> None:
        (stopped.directory / "checkpoint").unlink()
        (stopped.state / "log-head").unlink()
        assert "has sessions and no checkpoint" in self.refused(stopped)

    def test_an_older_copy_of_the_directory(self, stopped: World) -> None:
        backup = stopped.directory.with_name("backup")
        shutil.copytree(stopped.directory, backup)
        stopped.open().session("s-2")
        stopped.stop()
        shutil.rmtree(stopped.directory)
        backup.rename(stopped.directory)
        assert "rolled back" in self.refused(stopped)

    def test_an_empty_directory_where_a_log_was(self, stopped: World) -> None:
        shutil.rmtree(stopped.directory)
        assert "rolled back" in self.refused(stopped)

    def test_a_directory_that_cannot_be_made(self, make_world: Any) -> None:
        world = make_world()
        world.directory.parent.mkdir()
        world.directory.write_text("a file")
        assert str(world.directory) in self.refused(world)


def test_a_clock_that_jumps_is_recorded(make_world: Any) -> None:
    offset = 0
    clock = Clock(lambda: time.time_ns() + offset, time.monotonic_ns)
    world = make_world().open(clock)
    session = world.session("s-1")
    world.wait(session.request(b"x", None, ()))
    offset = -86_400 * 10**9
    world.wait(session.request(b"y", None, ()))
    offset = 0
    world.wait(session.request(b"z", None, ()))
    world.stop()
    jumps = [leaf["detail"] for leaf in world.leaves() if leaf["type"] == "admin"]
    assert [jump["event"] for jump in jumps] == ["clock.jump", "clock.jump"]
    assert jumps[0]["microseconds"] == pytest.approx(-86_400_000_000, rel=0.001)
    assert world.verify().sessions == 1
    times = [moment.time for moment in world.replay("s-1")]
    assert times == sorted(times)


_step = st.one_of(
    st.tuples(st.just("request"), st.binary(max_size=200), st.none() | st.binary(max_size=50)),
    st.tuples(st.just("response"), st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("big"), st.integers(60_000, 140_000)),
    st.tuples(st.just("wait")),
    st.tuples(st.just("flush")),
    st.tuples(st.just("restart")),
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 2), _step), max_size=25))
def test_any_history_is_replayed_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, history: Sequence[tuple[int, tuple[Any, ...]]]
) -> None:
    """Whatever sessions do, in whatever order: each one's bytes come back, and the log verifies."""
    world = World(tmp_path_factory.mktemp("history"), segment_bytes=100_000).open()
    running: dict[int, tuple[str, Any]] = {}
    told: dict[str, list[tuple[int, bytes]]] = {}
    try:
        for number, (who, (what, *given)) in enumerate(history):
            if what == "restart":
                world.stop()
                world.open()
                running.clear()
                continue
            if who not in running:
                name = f"s-{number}"
                running[who] = name, world.session(name)
                told[name] = []
            name, session = running[who]
            if what == "request":
                done = session.request(given[0], given[1], ALLOWED)
                told[name].append((Kind.REQUEST, given[0]))
                if given[1] is not None:
                    told[name].append((Kind.FORWARDED, given[1]))
                world.wait(done)
            elif what in ("response", "big"):
                data = given[0] if what == "response" else bytes(given[0])
                session.response(data)
                told[name].append((Kind.RESPONSE, data))
            elif what == "flush":
                world.wait(session.flushed())
                assert session.unreleased == 0
            else:
                world.pump.turn()
        world.stop()
        world.verify()
        for name, expected in told.items():
            found = [
                (m.kind, m.data)
                for m in world.replay(name)
                if m.kind in (Kind.REQUEST, Kind.FORWARDED, Kind.RESPONSE)
            ]
            assert _joined(found) == _joined(expected)
    finally:
        world.stop()


def _joined(pieces: Sequence[tuple[int | None, bytes]]) -> list[tuple[int | None, bytes]]:
    """Pieces of one kind that follow each other are one stream."""
    joined: list[tuple[int | None, bytes]] = []
    for kind, data in pieces:
        if joined and joined[-1][0] == kind:
            joined[-1] = kind, joined[-1][1] + data
        else:
            joined.append((kind, data))
    return joined


def test_on_a_real_reactor(tmp_path: Path) -> None:
    """Opened off the reactor's thread, many sessions at once, stopped."""
    world = World(tmp_path)

    async def agent(log: Any, name: str) -> list[int]:
        session = await log.open_session(facts(name))
        indices = []
        for number in range(50):
            indices.append(await session.request(b"%d" % number, None, ALLOWED))
            session.response(b"answer")
        await session.flushed()
        assert session.unreleased == 0
        await session.close("done")
        return indices

    async def life() -> list[list[int]]:
        log = await open_log(world.recording, world.state, reactor)
        agents = [Deferred.fromCoroutine(agent(log, f"s-{n}")) for n in range(20)]
        indices = await gatherResults(agents)
        await log.stop()
        return list(indices)

    found = on_reactor(lambda: Deferred.fromCoroutine(life()))
    assert len({index for one in found for index in one}) == 1000
    assert all(one == sorted(one) for one in found)
    assert world.verify().running == 0
    assert world.stream("s-7", Kind.REQUEST) == [b"%d" % n for n in range(50)]


def test_a_list_of_sessions_is_what_was_signed(world: World) -> None:
    world.session("s-1")
    world.stop()
    (path,) = world.directory.glob("tile/entries/000.p/4")
    path.write_bytes(path.read_bytes().replace(b"agent-7", b"agent-8"))
    with pytest.raises(BadLog, match="not those that were signed"):
        sessions(world.reader())
