"""Cancel keys: what opens nothing, and how often one may try."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from hoopgate.interfaces import IRelay
from hoopgate.postgres import upstream
from hoopgate.postgres.cancels import Cancels
from hoopgate.settings.model import Resource

RESOURCE = Resource("clinic", "postgres", "tcp:127.0.0.1:1", "127.0.0.1", "d", "s", "u")
BACKEND = (77, b"own!")


@implementer(IRelay)
class Relay:
    def __init__(self) -> None:
        self.running = True
        self.canceled = 0

    def busy(self) -> bool:
        return self.running

    def cancel(self) -> None:
        self.canceled += 1


class Gateway:
    tls = None

    def canceled(self) -> None:
        pass


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """Keys of backends that a cancel request was sent to."""
    found: list[tuple[int, bytes]] = []

    def cancel(reactor: Any, resource: Resource, tls: Any, pid: int, key: bytes) -> Deferred[None]:
        found.append((pid, key))
        return succeed(None)

    monkeypatch.setattr(upstream, "cancel", cancel)
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cancels(clock: Clock) -> Cancels:
    return Cancels(clock, Gateway(), 5.0)  # type: ignore[arg-type]


def test_a_key_opens_its_own_session(cancels: Cancels, sent: list[tuple[int, bytes]]) -> None:
    relay, other = Relay(), Relay()
    pid, key = cancels.open(0, RESOURCE, BACKEND, relay)
    other_pid, other_key = cancels.open(2, RESOURCE, (78, b"else"), other)
    assert (len(key), len(other_key)) == (4, 32)
    for wrong in ((pid, other_key), (other_pid, key), (pid, key + b"\0"), (pid, b""), (0, key)):
        cancels.cancel(*wrong)
    assert sent == []
    cancels.cancel(pid, key)
    assert sent == [BACKEND]
    assert (relay.canceled, other.canceled) == (1, 0)
    cancels.remove(pid)
    cancels.cancel(pid, key)
    relay.running = other.running = False
    cancels.cancel(other_pid, other_key)
    assert sent == [BACKEND]


def test_attempts_are_counted_per_session(
    clock: Clock, cancels: Cancels, sent: list[tuple[int, bytes]]
) -> None:
    pid, key = cancels.open(0, RESOURCE, BACKEND, Relay())
    other_pid, other_key = cancels.open(0, RESOURCE, (78, b"else"), Relay())
    for guess in range(1000):
        cancels.cancel(pid, guess.to_bytes(4, "big"))
    cancels.cancel(pid, key)
    assert sent == []
    cancels.cancel(other_pid, other_key)
    assert sent == [(78, b"else")]
    clock.advance(0.2)  # one more attempt, and no second one
    cancels.cancel(pid, key)
    cancels.cancel(pid, key)
    assert sent == [(78, b"else"), BACKEND]
    clock.advance(3600)
    for _ in range(100):
        cancels.cancel(pid, key)
    assert len(sent) == 2 + 5
