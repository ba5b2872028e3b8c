"""Fixtures of the recorder's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from recorder_world import World

from hoopgate.errors import HoopgateError


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Any]:
    """Makes worlds that are closed at the end."""
    worlds: list[World] = []

    def make(**recording: Any) -> World:
        world = World(tmp_path / str(len(worlds)), **recording)
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        if hasattr(world, "log"):
            with suppress(HoopgateError):
                world.stop()


@pytest.fixture
def world(make_world: Any) -> World:
    """An open log."""
    opened: World = make_world().open()
    return opened
