"""Fixtures of the tests of evidence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from evidence_world import eventful, hour
from recorder.recorder_world import World

from hoopgate.evidence.export import export


@pytest.fixture(scope="session")
def eventful_log(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A stopped log with something of everything in it; not to be changed."""
    return eventful(tmp_path_factory.mktemp("eventful"))


@pytest.fixture(scope="session")
def made(eventful_log: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of hours 2 to 3; not to be changed."""
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    export(eventful_log.reader(), out, hour(1.5), hour(3.5), created=1)
    return out


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))
