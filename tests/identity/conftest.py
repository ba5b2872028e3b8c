"""Fixtures of this room: web servers that misbehave, a directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from identity_web import ShiftedReactor, Web
from testbed.certificates import Certificates
from testbed.slapd import Slapd


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def shifted() -> ShiftedReactor:
    return ShiftedReactor()


@pytest.fixture(scope="session")
def slapd(certificates: Certificates) -> Iterator[Slapd]:
    """One directory for the tests that do not change it."""
    with Slapd(certificates) as server:
        yield server
