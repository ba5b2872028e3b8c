"""The log's head in a PostgreSQL that machines share: who has an older copy does not go on."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from recorder_world import ORIGIN, World
from testbed.ports import free_port
from testbed.postgres import Postgres

from hoopgate.errors import HeadAway, HoopgateError, RecorderFailed
from hoopgate.recorder.log import HEAD, open_log_blocking
from hoopgate.state.heads import PostgresHead

QUERY = "SELECT size || ' ' || node FROM hoopgate_log_heads"
Make = Callable[..., PostgresHead]


@pytest.fixture
def make_head(postgres15: Postgres) -> Iterator[Make]:
    postgres15.create_database("heads")
    made: list[PostgresHead] = []

    def make(**changed: object) -> PostgresHead:
        context = ssl.create_default_context(cafile=str(postgres15.certificates.ca))
        about: dict[str, object] = {
            "host": "localhost",
            "port": postgres15.port,
            "database": "heads",
            "user": "postgres",
            "password": lambda: postgres15.password,
            "context": context,
        }
        made.append(PostgresHead(ORIGIN, "gw-1", **{**about, **changed}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for head in made:
        head.close()


def opened(world: World, head: PostgresHead) -> World:
    world.log = open_log_blocking(world.recording, world.state, world.pump, shared=[head])
    return world


def written(world: World, name: str) -> None:
    session = world.session(name)
    world.wait(session.request(b"x", None, ()))
    world.pump.until(lambda: world.log.checkpoint_size == world.log.size)


def test_it_is_compared_and_swapped(make_head: Make) -> None:
    head = make_head()
    assert head.read() == b""
    assert head.swap(b"", b"a\n1\nroot\n\nsigned")
    assert not head.swap(b"", b"a\n1\nother\n\nsigned")
    assert not head.swap(b"a\n1\nother\n\nsigned", b"a\n2\nroot\n\nsigned")
    assert head.swap(b"a\n1\nroot\n\nsigned", b"a\n2\nroot\n\nsigned")
    assert make_head().read() == b"a\n2\nroot\n\nsigned"


def test_a_machine_restored_whole_does_not_start(
    make_head: Make, tmp_path: Path, postgres15: Postgres
) -> None:
    """Log and state directory of yesterday, keys and all: nothing on the machine tells."""
    world = opened(World(tmp_path / "node", checkpoint_ms=5), make_head())
    written(world, "s-1")
    world.stop()
    shutil.copytree(tmp_path / "node", tmp_path / "yesterday")
    opened(world, make_head())
    written(world, "s-2")
    world.stop()
    newest = (world.state / HEAD).read_bytes()
    assert make_head().read() == newest
    rows = postgres15.psql(QUERY, "heads")
    assert rows.split() == [newest.decode().split("\n")[1], "gw-1"]
    with pytest.raises(RecorderFailed, match="rolled back") as error:
        opened(World(tmp_path / "yesterday", checkpoint_ms=5), make_head())
    assert f"localhost:{postgres15.port}/heads" in str(error.value)
    assert "hoopgate audit verify" in str(error.value)
    # By itself the machine sees nothing wrong, which is why there is the database.
    alone = World(tmp_path / "yesterday", checkpoint_ms=5).open()
    alone.stop()


def test_who_was_taken_over_stops(make_head: Make, tmp_path: Path) -> None:
    """A failover to a copy, and then the first node is not dead after all."""
    first = opened(World(tmp_path / "first", checkpoint_ms=5), make_head())
    written(first, "s-1")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    second = opened(World(tmp_path / "second", checkpoint_ms=5), make_head())
    session = first.session("s-2")
    session.request(b"y", None, ()).addErrback(lambda _: None)
    first.pump.until(first.log.failed)
    assert "changed by another process" in str(first.log.failure())
    assert "stop one of the nodes" in str(first.log.failure())
    written(second, "s-3")
    second.stop()
    second.verify()


def test_without_it_nothing_starts(make_head: Make, tmp_path: Path) -> None:
    nobody = make_head(port=free_port())
    with pytest.raises(RecorderFailed, match="make it reachable"):
        opened(World(tmp_path), nobody)
    refused = make_head(password=lambda: "wrong")
    with pytest.raises(HeadAway, match="28P01"):
        refused.read()
    stranger = make_head(context=ssl.create_default_context())
    with pytest.raises(HeadAway, match="certificate verify failed"):
        stranger.read()


def test_it_goes_away_and_comes_back(tmp_path: Path, postgres15: Postgres) -> None:
    """Requests go on, nothing is signed meanwhile; a leaf says so."""
    with Postgres(15, postgres15.certificates) as server:
        head = PostgresHead(
            ORIGIN,
            "gw-1",
            host="127.0.0.1",
            port=server.port,
            database="postgres",
            user="postgres",
            password=lambda: server.password,
            context=None,
        )
        world = opened(World(tmp_path, checkpoint_ms=5), head)
        told: list[bool] = []
        world.log.outside.on_head = told.append
        written(world, "s-1")
        server.stop()
        session = world.session("s-2")
        world.wait(session.request(b"recorded meanwhile", None, ()))
        world.pump.until(lambda: told == [True], 60)
        signed = world.log.checkpoint_size
        world.wait(session.request(b"and this", None, ()))
        assert world.log.checkpoint_size == signed < world.log.size
        server.start()
        world.pump.until(lambda: told == [True, False], 60)
        written(world, "s-3")
        # It stops while the database is away: what is unsigned is signed by the next start.
        server.stop()
        world.wait(session.request(b"last", None, ()))
        with suppress(HoopgateError):
            world.stop()
        assert not world.log.failed()
        server.start()
        opened(world, head)
        world.stop()
        head.close()
    report = world.verify()
    assert (report.sessions, report.crashed, report.running) == (3, 0, 0)
    details = [leaf["detail"]["event"] for leaf in world.leaves() if leaf["type"] == "admin"]
    assert [one for one in details if one.startswith("head.")][:2] == ["head.away", "head.back"]
