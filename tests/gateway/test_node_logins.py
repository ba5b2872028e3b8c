"""Logins that end at any of their steps: what was counted, opened or begun is given back."""

from __future__ import annotations

import random
from typing import Any

import pytest
from node_world import LIMITS, RESOURCE, STEPS, Client, World, login, nothing_left

from hoopgate.postgres import wire
from hoopgate.postgres.upstream import BackendConnection


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_login_becomes_a_session(world: World) -> None:
    client = login(world).until("")
    assert client.transport.written.endswith(wire.ready_for_query(b"I"))
    assert world.node._logging_in == 0
    assert len(world.node.sessions) == 1
    client.leave()
    nothing_left(world)


@pytest.mark.parametrize("outcome", ["go", "fail", "never"])
@pytest.mark.parametrize("step", STEPS)
def test_a_client_that_leaves_during_a_step(world: World, step: str, outcome: str) -> None:
    client = login(world).until(step).leave()
    if outcome == "never":
        # It counts as long as its step does: that is what is bounded.
        assert world.node._logging_in == 1
        client.fail(step)
    for name in list(STEPS)[list(STEPS).index(step) :]:
        getattr(client, outcome if name == step and outcome != "never" else "go")(name)
    nothing_left(world)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_after_the_login_timer_changes_nothing(world: World, step: str) -> None:
    """The client was told that it took too long, and its socket may be open a little longer."""
    client = login(world).until(step)
    world.clock.advance(31)
    assert b"took too long" in client.transport.written
    client.until("").send(wire.query(b"select 1"))
    for name in STEPS:
        client.go(name)
    assert not client.transport.written.endswith(wire.ready_for_query(b"I"))
    client.leave()
    nothing_left(world)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_told(world: World, step: str) -> None:
    client = login(world).until(step).fail(step)
    assert b"FATAL" in client.transport.written
    assert client.transport.losing
    client.leave()
    nothing_left(world)


def test_a_client_that_gives_no_token(world: World) -> None:
    login(world).leave()
    Client(world).leave()
    silent = Client(world)
    world.clock.advance(31)
    assert b"took too long" in silent.transport.written
    silent.leave()
    nothing_left(world)


def test_what_came_early_is_read_after_the_login_and_bounded(world: World) -> None:
    client = login(world).until("verify").send(wire.terminate())
    client.until("")
    assert len(world.recorder.recordings) == 1
    world.recorder.recordings[0].complete()
    assert world.recorder.recordings[0].closed == ["client.terminate"]
    client.leave()
    flooding = login(world).until("verify")
    for _ in range(10_001):
        flooding.send(b"x")
    assert b"too much was sent" in flooding.transport.written
    flooding.go("verify").leave()
    nothing_left(world)


def test_half_a_message_behind_the_token_is_refused(world: World) -> None:
    client = login(world).send(wire.password(b"token\0") + b"Q\0\0")
    assert b"28000" in client.transport.written
    client.leave()
    nothing_left(world)


def test_a_backend_that_is_lost_during_the_greeting_ends_the_session() -> None:
    lost: list[bool] = []
    unused: Any = None
    connection = BackendConnection(unused, RESOURCE, unused)
    connection._login = None
    connection.connectionLost()
    connection.hand_over(lambda _: None, lambda: lost.append(True))
    assert lost == [True]


def test_a_parameter_of_one_resource_is_not_taken_for_another(world: World) -> None:
    """The listener offers both, and only one of them allows it."""
    login(world, work_mem="1MB").until("").leave()
    assert len(world.recorder.recordings) == 1
    refused = Client(world, user="agent", database="other", work_mem="1MB")
    assert b"not allowed for this resource" in refused.transport.written
    refused.leave()
    nothing_left(world)


def test_the_bound_before_login_holds(world: World) -> None:
    """Those that gave a credential count until their last step is over, client or not."""
    clients = [login(world).until("verify") for _ in range(LIMITS.sessions_before_login)]
    turned_away = Client(world)
    assert b"53300" in turned_away.transport.written
    turned_away.leave()
    clients[-1].leave()
    assert b"53300" in Client(world).transport.written  # its step still runs
    clients[-1].fail("verify")
    assert login(world).until("").transport.written.endswith(wire.ready_for_query(b"I"))


def test_silent_clients_keep_nobody_out(world: World) -> None:
    """A few of them a second were enough to stop every login."""
    silent = [Client(world) for _ in range(3 * LIMITS.sessions_before_login)]
    assert sum(not one.transport.aborted for one in silent) == LIMITS.sessions_before_login
    assert world.node._logging_in == LIMITS.sessions_before_login
    talking = login(world).until("verify")
    silent += [Client(world) for _ in range(3 * LIMITS.sessions_before_login)]
    for step in STEPS:
        talking.go(step)
    assert talking.transport.written.endswith(wire.ready_for_query(b"I"))
    for one in (talking, *silent):
        one.leave()
    nothing_left(world)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_aborted_logins_leave_no_trace(world: World, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(1000):
        client = login(world) if dice.random() < 0.9 else Client(world)
        reached = dice.choice([*STEPS, ""])
        if dice.random() < 0.8:
            client.until(reached)
        deeds = ["leave", "wait", "fail", "go", "send"]
        dice.shuffle(deeds)
        for deed in deeds:
            if deed == "leave":
                client.leave()
            elif deed == "wait":
                world.clock.advance(dice.choice([1, 31]))
            elif deed == "fail":
                client.fail(dice.choice(list(STEPS)))
            elif deed == "go":
                for name in STEPS:
                    client.go(name)
            else:
                client.send(dice.choice([wire.query(b"select 1"), b"\xff" * 20, b"p"]))
        client.leave()
        for name in list(world.waiting):
            client.go(name)
        for recording in world.recorder.recordings[-1:]:
            recording.complete()
        world.waiting.clear()
    nothing_left(world)
