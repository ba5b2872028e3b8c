"""A node whose logins wait at each of their steps until they are let go."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from relay_world import Recording, Transport
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from hoopgate.errors import DirectoryUnavailable, IdentityRefused, RecorderFull
from hoopgate.events import Principal
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.node import Node
from hoopgate.gateway.rules import Rules
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.outgoing import BackendUnavailable
from hoopgate.postgres import factory, wire
from hoopgate.postgres.login import Ready
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

    def __init__(self, monkeypatch: pytest.MonkeyPatch, recheck_seconds: float = 0) -> None:
        self.clock = Clock()
        self.rechecks = 0
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
        self.rules = Rules(make_pipeline(settings.policy, settings.resources), "digest-1")
        unused: Any = None
        self.node = Node(
            reactor=self.clock,
            settings=settings,
            tls=made,
            secrets=made,
            verifier=made,
            rules=self.rules,
            analyzer=unused,
            resolvers={"clinic": resolver, "other": resolver},
            recorder=made.recorder,
            approvals=unused,
            metrics=Metrics(),
            recheck_seconds=recheck_seconds,
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

    def recheck(self, principal: Principal, resource: object) -> Deferred[Any]:
        self.rechecks += 1
        return succeed(principal)

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
        gone = self.transport.losing or self.transport.aborted or self.transport.disconnected
        if not gone:
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


def login(world: World, **more: str) -> Client:
    return Client(world, user="agent", database="clinic", **more)


def nothing_left(world: World) -> None:
    assert world.node._logging_in == 0
    assert world.node.sessions == {}
    assert all(backend.over for backend in world.backends)
    assert all(len(one.closed) == 1 for one in world.recorder.recordings)
    world.clock.advance(100)
    assert world.clock.getDelayedCalls() == []
