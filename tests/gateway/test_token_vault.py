"""What tokens stand for, in a real store: sealed, bounded, forgotten, rotated."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from testbed.loop import Loop
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.gateway.tokens import BATCH, MOST_WAITING, Vault
from hoopgate.phi.tokens import Epoch, Token, read
from hoopgate.settings.model import Secret, TokenSettings
from hoopgate.state.sqlite import SQLiteStore

ONE, TWO = Epoch(1, b"1" * 32), Epoch(2, b"2" * 32)


class World:
    def __init__(self, path: Path, **settings: Any) -> None:
        self.loop = Loop()
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.path = path
        self.store = SQLiteStore(path, self.loop)
        self.store.open()
        self.settings = TokenSettings(Secret(), **settings)
        self.vault = self.open()

    def open(self, resource: str = "clinic", **keys: Epoch) -> Vault:
        """A vault of this process, or of one after a restart."""
        found = {one.number: one for one in (keys.values() or (ONE,))}
        return Vault(resource, self.settings, found, self.store, self.clock, self.clock.seconds)

    def token(self, value: bytes, kind: str = "MRN") -> Token:
        token = read(self.vault.tokeniser(kind, value))
        assert token is not None
        return token

    def values(self, *tokens: Token, vault: Vault | None = None) -> dict[Token, bytes]:
        asked = Deferred.fromCoroutine((vault or self.vault).values(tokens))
        found: dict[Token, bytes] = self.loop.wait(asked)
        return found

    def written(self) -> None:
        """Everything that waits is in the store."""
        stopping = Deferred.fromCoroutine(self.vault.stop())
        self.loop.wait(stopping)

    def tidy(self) -> None:
        self.loop.wait(Deferred.fromCoroutine(self.vault.tidy()))

    def count(self) -> int:
        [(count,)] = self.loop.wait(self.store.execute("SELECT count(*) FROM tokens"))
        return int(count)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "state" / "state.sqlite", lifetime_seconds=800.0, entries=10)
    yield world
    world.loop.wait(world.store.close())


def test_a_value_is_known_at_once_and_after_a_restart(world: World) -> None:
    token = world.token(b"MRN0000001")
    assert world.values(token) == {token: b"MRN0000001"}
    world.written()
    assert world.values(token, vault=world.open()) == {token: b"MRN0000001"}
    # another resource's, another kind's, another value's
    assert world.values(token, vault=world.open("lab")) == {}
    other = Token("PID", 1, token.id)
    guess = Token("MRN", 1, bytes(10))
    assert world.values(other, guess, vault=world.open()) == {}


def test_the_store_holds_no_value(world: World) -> None:
    world.token(b"MRN0000001-canary")
    world.written()
    for file in world.path.parent.iterdir():
        assert b"canary" not in file.read_bytes()
    assert world.count() == 1


def test_values_of_two_are_not_swapped_in_the_store(world: World) -> None:
    one, two = world.token(b"one"), world.token(b"two")
    world.written()
    with closing(sqlite3.connect(world.path)) as other, other:
        rows = other.execute("SELECT rowid, sealed FROM tokens").fetchall()
        for (rowid, _), (_, sealed) in zip(rows, reversed(rows), strict=True):
            other.execute("UPDATE tokens SET sealed = ? WHERE rowid = ?", (sealed, rowid))
    assert world.values(one, two, vault=world.open()) == {}


def test_what_is_old_or_too_much_is_forgotten(world: World) -> None:
    old = world.token(b"old")
    kept = world.token(b"kept")
    world.written()
    world.clock.advance(700)
    assert world.token(b"kept") == kept  # handed out again
    world.written()
    world.clock.advance(200)
    fresh = world.open()
    assert world.values(old, kept, vault=fresh) == {kept: b"kept"}
    world.tidy()
    assert world.count() == 1
    for number in range(30):
        world.token(b"%d" % number)
    world.written()
    world.tidy()
    assert world.count() == 10


def test_old_epochs_serve_until_they_are_retired(world: World) -> None:
    old = world.token(b"7")
    world.vault.replace({1: ONE, 2: TWO})
    new = world.token(b"7")
    assert old != new
    world.written()
    assert world.values(old, new) == {old: b"7", new: b"7"}
    world.vault.replace({2: TWO})
    assert world.values(old, new) == {new: b"7"}
    world.tidy()
    assert world.count() == 1
    world.vault.replace({1: ONE, 2: TWO})  # what is gone is gone
    assert world.values(old, new) == {new: b"7"}


def test_batches_are_written_behind(world: World) -> None:
    for number in range(3 * BATCH):
        world.token(b"%d" % number)
    for _ in range(20):
        world.clock.advance(0.1)
    while world.count() < 3 * BATCH:
        world.clock.advance(0.1)
    assert world.count() == 3 * BATCH


def test_a_flood_is_bounded(world: World) -> None:
    tokens = [world.token(b"%d" % number) for number in range(MOST_WAITING + 5)]
    assert world.values(tokens[0]) == {tokens[0]: b"0"}
    assert world.values(tokens[-1]) == {}
    world.written()
    assert world.token(b"%d" % (MOST_WAITING + 4)) == tokens[-1]
    assert world.values(tokens[-1]) == {tokens[-1]: b"%d" % (MOST_WAITING + 4)}
