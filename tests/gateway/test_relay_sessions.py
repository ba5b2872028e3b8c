"""What a relay does at every turn that a session can take."""

from __future__ import annotations

from typing import Any

import pytest
from relay_world import ALLOW, BLOCK, LIMITS, World

from hoopgate.actions import Decision, Vouch, WaitAtMost
from hoopgate.events import Statement
from hoopgate.verdicts import Allow


@pytest.fixture
def world() -> World:
    return World()


def test_bytes_wait_for_their_leaf(world: World) -> None:
    world.relay.client_data(b"ff")
    assert world.backend.written == b""
    world.recording.complete(1)
    assert world.backend.written == b"f"
    world.recording.complete()
    assert world.backend.written == b"ff"


def test_what_comes_behind_an_unrecorded_request_does_not_run(world: World) -> None:
    """The disk was full for the first, and had room again for the second; the client has left."""
    world.relay.client_data(b"ffx")
    world.recording.refuse()
    world.recording.complete()
    assert world.backend.written == b""
    assert world.closed == ["client.terminate"]


@pytest.mark.parametrize("lost", ["client", "backend"])
def test_a_log_that_fails_ends_a_session_that_waited_for_it(world: World, lost: str) -> None:
    world.relay.client_data(b"f")
    world.lose_client() if lost == "client" else world.lose_backend()
    assert world.closed == []
    world.recording.fail()
    assert world.closed == [f"{lost}.gone"]
    assert world.recording.closed == world.closed


def test_a_client_that_is_refused_its_leaf_is_told(world: World) -> None:
    world.relay.client_data(b"ff")
    world.recording.refuse()
    assert world.client.written == b"(end)"
    world.recording.complete()
    assert world.backend.written == b""
    assert world.closed == ["recorder.full"]


def test_nothing_is_judged_while_the_log_has_no_room(world: World) -> None:
    world.recording.no_room = True
    world.relay.client_data(b"a")
    assert world.judge.asked is None
    world.recording.complete()
    assert world.backend.written == b"B"  # what makes the backend answer with an error
    assert world.closed == []
    world.recording.no_room = False
    world.relay.client_data(b"a")
    assert world.judge.asked is not None


@pytest.mark.parametrize("message", [b"s", b"a"], ids=["for the backend", "for a verdict"])
def test_what_is_read_ahead_is_bounded(world: World, message: bytes) -> None:
    """A COPY whose start the server delays: its rows came in without end."""
    world.relay.client_data(message)
    world.recording.complete()
    sent = 0
    while not world.client.paused and sent < 100_000:
        world.relay.client_data(b"f" * 1000)
        sent += 1000
    assert world.client.paused
    assert world.session.buffered <= LIMITS.held_bytes + 1000
    if message == b"s":
        world.relay.backend_data(b"S")
    else:
        world.judge.say(ALLOW)
    world.recording.complete()
    assert not world.client.paused
    assert world.backend.written == message + b"f" * sent


def test_leaves_under_way_are_bounded(world: World) -> None:
    """Each message of a few bytes costs a leaf: bytes alone are no bound."""
    sent = 0
    while not world.client.paused and sent < 100:
        world.relay.client_data(b"f")
        sent += 1
    assert world.client.paused
    assert sent <= LIMITS.held_bytes / 1024 + 1
    world.recording.complete()
    assert not world.client.paused
    assert world.backend.written == b"f" * sent


def test_a_client_that_sent_too_much_before_the_hold_does_not_hide_its_hang_up(
    world: World,
) -> None:
    """It was paused while its statement was judged, and a paused transport sees no FIN."""
    world.relay.client_data(b"a" + b"f" * 5000)
    assert world.client.paused
    world.judge.hold()
    world.clock.advance(0)
    assert world.closed == ["limit.held"]
    assert world.judge.stopped == 1


def test_too_much_during_a_hold_ends_it(world: World) -> None:
    world.relay.client_data(b"a")
    world.judge.hold()
    world.clock.advance(0)
    assert world.client.written == b"(held)"
    world.relay.client_data(b"f" * 4000)
    assert not world.client.paused
    world.relay.client_data(b"f" * 4000)
    assert world.closed == ["limit.held"]


def test_a_hold_that_is_over_is_not_told(world: World) -> None:
    world.relay.client_data(b"a")
    world.judge.hold()
    world.judge.say(BLOCK)
    world.clock.advance(1)
    assert world.client.written == b""


def test_a_hold_that_a_session_bounds_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    monkeypatch.setattr(world.session, "held", lambda *_: [WaitAtMost(7.0)])
    monkeypatch.setattr(
        world.judge, "leave", lambda: left.append(world.clock.seconds()), raising=False
    )
    for said in (None, BLOCK):
        world.relay.client_data(b"a")
        world.judge.hold()
        world.clock.advance(1)
        if said is not None:
            world.judge.say(said)
        world.clock.advance(7)
        assert len(left) == 1
        if said is None:
            world.judge.say(BLOCK)


@pytest.mark.parametrize("known", [False, True])
def test_a_session_that_breaks_at_a_verdict_is_told(world: World, known: bool) -> None:
    """Also when the verdict was known and came at once: the exception went to the transport."""
    decision = Decision("req-break", Allow("test"))
    if known:
        world.judge.known["k"] = decision
    world.relay.client_data(b"k")
    world.judge.say(decision)
    assert world.client.written == b"(end)"
    assert world.closed == ["protocol.client"]


@pytest.mark.parametrize(("data", "reason"), [(b"!", "protocol"), (b"?", "internal")])
@pytest.mark.parametrize("side", ["client", "backend"])
def test_what_breaks_a_session_ends_it_with_a_word(
    world: World, data: bytes, reason: str, side: str
) -> None:
    (world.relay.client_data if side == "client" else world.relay.backend_data)(data)
    assert world.client.written == b"(end)"
    assert world.closed == [f"{reason}.{side}" if reason == "protocol" else reason]
    assert world.recording.closed == world.closed


def test_a_recorder_with_a_bug_ends_the_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> None:
        raise ValueError

    monkeypatch.setattr(world.recording, "response", broken)
    world.relay.backend_data(b"F")
    assert world.closed == ["internal"]
    assert world.client.written == b""
    assert world.client.losing
    assert world.backend.losing


@pytest.mark.parametrize("how", ["client", "backend", "end"])
def test_whoever_ends_a_session_stops_the_judge(world: World, how: str) -> None:
    world.relay.client_data(b"a")
    if how == "client":
        world.lose_client()
    elif how == "backend":
        world.lose_backend()
    else:
        world.relay.end("test", "over")
    assert world.judge.stopped == 1
    assert world.judge.asked is None
    assert len(world.closed) == 1


def test_a_response_is_recorded_before_it_is_shown_and_not_too_far_ahead(world: World) -> None:
    shown: list[bytes] = []
    record: Any = world.recording.response

    def response(data: bytes) -> None:
        shown.append(world.client.written)
        record(data)

    world.recording.response = response  # type: ignore[method-assign]
    world.relay.backend_data(b"F" * 60)
    assert shown == [b""]
    assert not world.backend.paused
    world.relay.backend_data(b"F" * 60)
    assert world.backend.paused
    world.recording.complete()
    assert not world.backend.paused


def test_each_side_is_held_while_the_other_is_full(world: World) -> None:
    world.client.full(True)
    assert world.backend.paused
    world.client.full(False)
    assert not world.backend.paused
    world.backend.full(True)
    assert world.client.paused
    world.backend.full(False)
    assert not world.client.paused


def test_an_idle_session_ends(world: World) -> None:
    world.clock.advance(599)
    world.relay.client_data(b"d")
    world.recording.complete()
    world.clock.advance(599)
    assert world.closed == []
    world.clock.advance(2)
    assert world.closed == ["idle"]


def test_nothing_is_left_behind(world: World) -> None:
    world.relay.client_data(b"fx")
    world.recording.complete()
    assert world.closed == world.recording.closed == ["client.terminate"]
    world.lose_client()
    world.lose_backend()
    world.clock.advance(5)
    assert world.clock.getDelayedCalls() == []
    assert not world.client.aborted
    assert world.closed == ["client.terminate"]


def test_peers_that_stay_are_cut_off(world: World) -> None:
    world.relay.end("test", "over")
    assert world.client.losing
    world.clock.advance(5)
    assert world.client.aborted
    assert world.backend.aborted


# --- answers that are vouched for -----------------------------------------------------------------

DOUBT = Vouch(Statement("select 1"), 0, None, 7)


def doubted(world: World) -> None:
    world.relay.client_data(b"f")
    world.recording.complete()
    world.session.received_as = [DOUBT]
    world.relay.backend_data(b"F")
    assert world.client.written == b""
    assert world.backend.paused


def test_the_server_waits_while_an_answer_is_vouched_for(world: World) -> None:
    doubted(world)
    world.judge.doubts[0].callback(True)
    assert world.client.written == b"(vouched)"
    assert not world.backend.paused
    assert world.closed == []


@pytest.mark.parametrize("failed", [False, True])
def test_a_session_ends_whose_answer_nobody_vouches_for(world: World, failed: bool) -> None:
    doubted(world)
    if failed:
        world.judge.doubts[0].errback(ValueError("a bug"))
    else:
        world.judge.doubts[0].callback(False)
    assert world.client.written == b"(end)"
    assert world.closed == ["schema.changed"]
    assert world.judge.over == 1


@pytest.mark.parametrize("lost", ["client", "backend"])
def test_nobody_is_asked_any_more_when_the_session_is_over(world: World, lost: str) -> None:
    doubted(world)
    world.lose_client() if lost == "client" else world.lose_backend()
    assert world.closed == [f"{lost}.gone"]
    assert world.judge.doubts[0].called
