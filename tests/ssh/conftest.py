"""One ward behind one gateway, shared by the end-to-end tests of SSH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.ward import Ward, running_ward


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """A file server that holds no PHI, commands by allow-list."""
    with running_ward(tmp_path_factory.mktemp("ward"), certificates) as running:
        yield running
