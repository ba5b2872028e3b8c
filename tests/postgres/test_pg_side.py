"""The pool of side connections: no question waits for ever, and none finds another's leavings."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate import pooling
from hoopgate.events import Principal
from hoopgate.postgres import side, wire
from hoopgate.settings.model import Resource

RESOURCE = Resource("clinic", "postgres", "tcp:db:5432", "db", "clinic", "s", "u")
READY = wire.ready_for_query(b"I")
ROLLED_BACK = wire.command_complete(b"ROLLBACK") + READY


class Connection:
    """A server that answers every question with one row per statement."""

    def __init__(self) -> None:
        self.transport = self
        self.answers = True
        self.aborted = False
        self.parsed: list[bytes] = []
        self._reader = wire.FrontendReader(1 << 24)

    def hand_over(self, receive: Any, lost: Any) -> None:
        self.receive, self.lost = receive, lost

    def abortConnection(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None:
        if not self.answers:
            return
        self._reader.feed(data)
        out, skipping = [], False
        while (message := self._reader.next()) is not None:
            if isinstance(message, wire.Query):
                out.append(ROLLED_BACK)
            elif isinstance(message, wire.Sync):
                skipping = False
                out.append(READY)
            elif not skipping:
                out.append(self._answer(message))
                skipping = out[-1][:1] == b"E"
        self.receive(b"".join(out))

    def _answer(self, message: wire.FrontendMessage) -> bytes:
        if isinstance(message, wire.Parse):
            if b"nonsense" in message.text:
                return wire.error_response("ERROR", "42601", "syntax")
            if message.name:
                assert message.name not in self.parsed
                self.parsed.append(message.name)
            return wire.parse_complete()
        if isinstance(message, wire.Bind):
            assert not message.statement or message.statement in self.parsed
            return wire.bind_complete()
        return wire.data_row([b"x"]) + wire.command_complete(b"SELECT 1")


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.connecting: list[Deferred[Any]] = []
        unused: Any = None
        who = Principal("", "hoopgate", frozenset(), float("inf"))
        self.pool = side.SideConnections(self.clock, RESOURCE, unused, unused, who, most=2)  # type: ignore[arg-type]
        monkeypatch.setattr(side, "connect", self._connect)

    def _connect(self, *_: object) -> Deferred[Any]:
        self.connecting.append(Deferred())
        return self.connecting[-1]

    def connected(self) -> Connection:
        connection = Connection()
        self.connecting.pop(0).callback(connection)
        return connection

    def ask(self, *script: Any) -> list[Any]:
        """The answer, or the code of the failure, once it is there."""
        found: list[Any] = []
        asking = self.pool.run(script or ("SELECT 1",))
        asking.addCallbacks(found.append, lambda failure: found.append(failure.value.code))
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_questions_share_connections(world: World) -> None:
    first = world.ask()
    connection = world.connected()
    assert first == [[[("x",)]]]
    for _ in range(5):
        assert world.ask() == [[[("x",)]]]
    assert world.connecting == []
    world.pool.stop()
    assert connection.aborted
    assert world.ask() == ["resolve.busy"]


def test_a_question_that_is_not_answered_ends_its_connection(world: World) -> None:
    world.ask()
    connection = world.connected()
    connection.answers = False
    found = world.ask()
    world.clock.advance(side.QUESTION_SECONDS + 1)
    assert found == ["resolve.timeout"]
    assert connection.aborted
    connection.lost()
    found = world.ask()
    world.connected()
    assert found == [[[("x",)]]]


def test_a_connection_that_is_lost_is_replaced(world: World) -> None:
    world.ask()
    world.connected().lost()
    found = world.ask()
    world.connected()
    assert found == [[[("x",)]]]


@pytest.mark.parametrize(
    "answer", [b"\xff\0\0\0\4", wire.data_row([b"\xff"]), wire.bind_complete()]
)
def test_a_server_that_talks_nonsense_is_left(world: World, answer: bytes) -> None:
    world.ask()
    connection = world.connected()
    connection.answers = False
    found = world.ask()
    connection.receive(answer + wire.data_row([b"\xff"]))
    assert connection.aborted
    connection.lost()
    assert found == ["resolve.lost"]


def test_when_the_database_cannot_be_reached_everybody_is_told_at_once(world: World) -> None:
    """They tried one after the other, half a minute each."""
    waiting = [world.ask() for _ in range(10)]
    assert len(world.connecting) == 2
    world.connecting.pop().errback(OSError())
    assert [found for found in waiting if found] == [["resolve.connect"]]
    world.connecting.pop().errback(OSError())
    assert waiting == [["resolve.connect"]] * 10


def test_a_turn_does_not_take_for_ever(world: World) -> None:
    waiting = [world.ask() for _ in range(3)]
    world.clock.advance(pooling.TURN_SECONDS + 1)
    assert waiting[2] == ["resolve.busy"]
    world.connected()
    world.connected()
    assert waiting[:2] == [[[[("x",)]]]] * 2


def test_a_question_that_nobody_waits_for_takes_nobody_s_turn(world: World) -> None:
    """Its turn came, and the one behind it was never woken."""
    first, second = world.ask(), world.ask()
    given_up = world.pool.run(["SELECT 1"])
    given_up.addErrback(lambda _: None)
    last = world.ask()
    given_up.cancel()
    world.connected()
    world.connected()
    assert first == second == last == [[[("x",)]]]


def test_too_many_are_not_queued(world: World) -> None:
    waiting = [world.ask() for _ in range(pooling.MOST_WAITING + 3)]
    assert waiting[-1] == ["resolve.busy"]
    assert waiting[-2] == []


def test_what_was_prepared_before_an_error_is_not_prepared_again(world: World) -> None:
    """Each failing question left another prepared statement at the server."""
    world.ask("SELECT nonsense", ("SELECT $1", "v"))
    connection = world.connected()
    for _ in range(20):
        assert world.ask("SELECT nonsense", ("SELECT $1", "v")) == ["resolve.42601"]
        assert world.ask(("SELECT $2", "v"), "SELECT nonsense") == ["resolve.42601"]
    assert world.ask(("SELECT $1", "v"), ("SELECT $2", "v")) == [[[("x",)], [("x",)]]]
    assert len(connection.parsed) == 3  # with the settings
