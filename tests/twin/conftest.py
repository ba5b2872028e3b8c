"""The twins, started once for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twin_world import World, running_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The twins on PostgreSQL 15, behind a gateway."""
    with running_world(15) as running:
        yield running
