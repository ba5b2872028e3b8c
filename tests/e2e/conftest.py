"""One clinic behind one gateway per server version, shared by the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.postgres import Postgres


@pytest.fixture(scope="session", params=[15, 18])
def clinic(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Clinic]:
    """The clinic on PostgreSQL 15, then on 18."""
    postgres: Postgres = request.getfixturevalue(f"postgres{request.param}")
    directory = tmp_path_factory.mktemp(f"clinic{request.param}")
    with running_clinic(directory, certificates, postgres) as running:
        yield running
