"""Parser processes that misbehave, and callers that give up."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgate.events import StatementFacts
from hoopgate.gateway.workers import ParserPool
from hoopgate.sql.worker import encode

ANSWER = encode((StatementFacts(frozenset({"read"}), fingerprint="=1"),))


class Children(Clock):
    """A reactor whose one child process answers when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[bytes] = []
        self.killed = 0

    def spawnProcess(self, child: Any, *_: object, **__: object) -> None:
        self.child = child
        child.transport = self
        child.connectionMade()

    def write(self, data: bytes) -> None:
        self.requests.append(data[4:])

    def signalProcess(self, name: str) -> None:
        self.killed += 1

    def answer(self, data: bytes = ANSWER) -> None:
        self.child.outReceived(struct.pack("!I", len(data)) + data)

    def end(self) -> None:
        self.child.processEnded(Failure(ProcessDone(None)))


@pytest.fixture
def children() -> Children:
    return Children()


@pytest.fixture
def pool(children: Children) -> ParserPool:
    pool = ParserPool(children)
    pool.start()
    return pool


def outcome(asking: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    asking.addCallbacks(
        found.append, lambda failure: found.append(getattr(failure.value, "code", ""))
    )
    return found


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense", b"[]", b'{"facts": [{}]}', b'{"facts": 1}', b"\xff"]
)
def test_nonsense_refuses_the_statement_and_ends_the_child(
    pool: ParserPool, children: Children, answer: bytes
) -> None:
    """Nobody was told, and the statement waited for ever."""
    found = outcome(pool.analyze("SELECT 1"))
    children.answer(answer)
    assert found == ["parse.crash"]
    assert children.killed == 1
    children.end()
    children.advance(1)
    found = outcome(pool.analyze("SELECT 1"))
    children.answer()
    assert found[0][0].classes == {"read"}


def test_what_everybody_gave_up_is_not_parsed(pool: ParserPool, children: Children) -> None:
    first, second = pool.analyze("SELECT 1"), pool.analyze("SELECT 2")
    third = pool.analyze("SELECT 3")
    for one in (first, second):
        outcome(one)
        one.cancel()
    found = outcome(third)
    children.answer()
    assert [request[1:] for request in children.requests] == [b"SELECT 1", b"SELECT 3"]
    children.answer()
    assert found[0][0].classes == {"read"}
    again = outcome(pool.analyze("SELECT 2"))
    children.answer()
    assert again[0][0].classes == {"read"}
