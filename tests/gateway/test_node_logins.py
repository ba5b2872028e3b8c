"""Logins that end at any of their steps: what was counted, opened or begun is given back."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from relay_world import Recording, Transport
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.errors import DirectoryUnavailable, IdentityRefused, RecorderFull
from hoopgate.events import Principal
from hoopgate.gateway.judge import Rules
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.node import Node
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.postgres import factory, wire
from hoopgate.postgres.login import Ready
from hoopgate.postgres.upstream import BackendUnavailable
from hoopgate.settings import model

LIMITS = model.Limits(
    sessions_before_login=50, sessions=100, login_seconds=30.0, idle_seconds=10_000.0
)
RESOURCE = model.Resource(
    "clinic",
    "postgres",
    "tcp:db:5432",
    "db",
    "clinic",
    "s",
    "u",
    password=model.Secret(environment="X"),
    parameters=frozenset({"work_mem"}),
)
OTHER = model.Resource("other", "postgres", "tcp:db:5432", "db", "other", "s", "u", phi=False)
LISTENER = model.Listener("main", "postgres", "tcp:0", None, ("clinic", "other"))


def startup(**parameters: str) -> bytes:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items())
    return struct.pack("!II", 9 + len(body), 196608) + body + b"\0"


class Backend:
    """A backend connection after login."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.ready = Ready({"server_version": "18"}, 7, b"key!", b"I")
        self.abandoned = False

    def hand_over(self, receive: Any, lost: Any) -> None:
        self.receive, self.lost = receive, lost

    def abandon(self) -> None:
        self.abandoned = True

    @property
    def over(self) -> bool:
        return self.abandoned or self.transport.losing


class Recorder:
    def __init__(self, world: World) -> None:
        self._world = world
        self.recordings: list[Recording] = []

    def failed(self) -> bool:
        return False

    def open_session(self, facts: object) -> Deferred[Any]:
        def opened(_: object) -> Recording:
            self.recordings.append(Recording())
            return self.recordings[-1]

        return self._world.step("open").addCallback(opened)


class Resolver:
    generation = 0

    def prepare(self) -> None:
        pass

    def confirmed(self) -> bool:
        return True


#: The steps of a login, in order, and how each may fail.
STEPS = {
    "verify": IdentityRefused("identity.expired", "expired"),
    "password": DirectoryUnavailable("secret.unavailable", "no secret"),
    "connect": BackendUnavailable("connect", "no database"),
    "path": BackendUnavailable("settings", "no settings"),
    "open": RecorderFull("full"),
}


class World:
    """A node whose logins wait at each step until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.waiting: dict[str, Deferred[Any]] = {}
        self.backends: list[Backend] = []
        self.recorder = Recorder(self)
        made: Any = self
        settings = model.Settings(
            Path("hoopgate.toml"),
            model.Node("gw", Path("state")),
            (LISTENER,),
            (),
            model.FileDirectory({}),
            {"clinic": RESOURCE, "other": OTHER},
            model.Policy((), (), (), ""),
            model.Recording(Path("log"), "gw"),
            LIMITS,
        )
        resolver: Any = Resolver()
        unused: Any = None
        self.node = Node(
            reactor=self.clock,
            settings=settings,
            tls=made,
            secrets=made,
            verifier=made,
            rules=Rules(make_pipeline(settings.policy, settings.resources), ""),
            analyzer=unused,
            resolvers={"clinic": resolver, "other": resolver},
            recorder=made.recorder,
            approvals=unused,
            metrics=Metrics(),
            recheck_seconds=0,
            now=self.clock.seconds,
        )
        self.factory = factory.PostgresFactory(
            made.clock, self.node, LISTENER, {"clinic": RESOURCE, "other": OTHER}
        )
        monkeypatch.setattr(factory.upstream, "connect", self.connect)
        monkeypatch.setattr(factory, "search_path", lambda *_: self.step("path"))

    def step(self, name: str) -> Deferred[Any]:
        self.waiting[name] = Deferred()
        return self.waiting[name]

    def facts(self, transport: object) -> dict[str, str]:
        return {}

    def verify(self, token: str, resource: object) -> Deferred[Principal]:
        who = Principal("i", "agent", frozenset(), self.clock.seconds() + 3600)
        return self.step("verify").addCallback(lambda _: who)

    def password(self, resource: object, principal: object) -> Deferred[str]:
        return self.step("password").addCallback(lambda _: "secret")

    def connect(self, *_: object) -> Deferred[Any]:
        def connected(_: object) -> Backend:
            self.backends.append(Backend())
            return self.backends[-1]

        return self.step("connect").addCallback(connected)


class Client:
    """One client, as far in its login as it is told to go."""

    def __init__(self, world: World, **parameters: str) -> None:
        self.world = world
        self.transport = Transport()
        self.protocol = world.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)  # type: ignore[arg-type]
        if parameters:
            self.send(startup(**parameters))

    def send(self, data: bytes) -> Client:
        if not self.transport.losing and not self.transport.disconnected:
            self.protocol.dataReceived(data)
        return self

    def until(self, step: str) -> Client:
        """Goes through the login up to ``step``, which is under way then."""
        self.send(wire.password(b"token\0"))
        for name in STEPS:
            if name == step:
                return self
            self.go(name)
        return self

    def go(self, step: str) -> Client:
        """Lets ``step`` succeed."""
        waiting = self.world.waiting.pop(step, None)
        if waiting is not None:
            waiting.callback(None)
        return self

    def fail(self, step: str) -> Client:
        waiting = self.world.waiting.pop(step, None)
        if waiting is not None:
            waiting.errback(STEPS[step])
        return self

    def leave(self) -> Client:
        if not self.transport.disconnected:
            self.transport.connected, self.transport.disconnected = False, True
            self.protocol.connectionLost()
        return self


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def login(world: World, **more: str) -> Client:
    return Client(world, user="agent", database="clinic", **more)


def nothing_left(world: World) -> None:
    assert world.node._logging_in == 0
    assert world.node.sessions == {}
    assert all(backend.over for backend in world.backends)
    assert all(len(one.closed) == 1 for one in world.recorder.recordings)
    world.clock.advance(100)
    assert world.clock.getDelayedCalls() == []


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
    from hoopgate.postgres.upstream import BackendConnection

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
    clients = [Client(world) for _ in range(LIMITS.sessions_before_login)]
    turned_away = Client(world)
    assert b"53300" in turned_away.transport.written
    turned_away.leave()
    clients.pop().leave()
    clients.append(login(world).until("verify").leave())
    assert b"53300" in Client(world).transport.written  # its step still runs
    clients[-1].fail("verify")
    assert b"53300" not in Client(world).transport.written


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


def test_the_identity_ends_by_the_wall_clock(world: World) -> None:
    """The reactor's clock may be any: what counts is what the token says."""
    client = login(world).until("")
    world.clock.advance(3599)
    assert len(world.node.sessions) == 1
    world.clock.advance(2)
    assert b"token has expired" in client.transport.written
    client.leave()
    nothing_left(world)
