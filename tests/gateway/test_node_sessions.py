"""What happens to the sessions of a node that runs: rules, identities, the log, the end."""

from __future__ import annotations

from typing import Any

import pytest
from node_world import World, login, nothing_left
from twisted.internet.defer import Deferred, fail

from hoopgate.errors import DirectoryUnavailable
from hoopgate.postgres import wire


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_identity_ends_by_the_wall_clock(world: World) -> None:
    """The reactor's clock may be any: what counts is what the token says."""
    client = login(world).until("")
    world.clock.advance(3599)
    assert len(world.node.sessions) == 1
    world.clock.advance(2)
    assert b"token has expired" in client.transport.written
    client.leave()
    nothing_left(world)


def test_a_clock_that_is_set_forward_ends_identities(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login(world).until("")
    jumped = world.clock.seconds() + 7200
    monkeypatch.setattr(world.node, "_now", lambda: jumped)
    world.clock.advance(61)
    assert b"token has expired" in client.transport.written


def test_new_rules_are_in_every_recording(world: World) -> None:
    client = login(world).until("")
    world.rules.replace(world.rules.pipeline, "digest-2")
    world.node.rules_replaced()
    (recording,) = world.recorder.recordings
    assert recording.notes == [("admin", {"action": "rules.replace", "rules": "digest-2"})]
    client.leave()
    nothing_left(world)


def test_a_log_that_fails_ends_every_session(world: World) -> None:
    clients = [login(world).until("") for _ in range(3)]
    world.node.recorder_failed()
    for client in clients:
        assert b"cannot record" in client.transport.written
        client.leave()
    nothing_left(world)


@pytest.mark.parametrize(
    "outcome",
    [fail(DirectoryUnavailable("directory.timeout", "no answer")), fail(ValueError("bug")), None],
    ids=["directory", "bug", "raised"],
)
def test_an_identity_that_cannot_be_confirmed_ends_its_session(
    monkeypatch: pytest.MonkeyPatch, outcome: Deferred[Any] | None
) -> None:
    world = World(monkeypatch, recheck_seconds=60)

    def recheck(*_: object) -> Deferred[Any]:
        if outcome is None:
            raise ValueError
        return outcome

    world.recheck = recheck  # type: ignore[method-assign]
    client = login(world).until("")
    world.clock.advance(59)
    assert len(world.node.sessions) == 1
    world.clock.advance(2)
    assert b"could not be confirmed" in client.transport.written
    client.leave()
    nothing_left(world)


def test_an_identity_is_confirmed_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, recheck_seconds=60)
    client = login(world).until("")
    for _ in range(5):
        world.clock.advance(60)
    assert world.rechecks == 5
    client.leave()
    world.clock.advance(120)
    assert world.rechecks == 5
    nothing_left(world)


def test_a_drain_ends_idle_sessions_and_the_others_at_its_deadline(world: World) -> None:
    idle, busy = login(world).until(""), login(world).until("")
    busy.send(wire.sync())
    world.recorder.recordings[1].complete()
    drained: list[object] = []
    Deferred.fromCoroutine(world.node.drain(10)).addCallback(drained.append)
    assert b"shutting down" in idle.transport.written
    assert b"shutting down" not in busy.transport.written
    assert drained == []
    world.clock.advance(11)
    assert b"shutting down" in busy.transport.written
    assert drained == [None]
    nothing_left(world)
