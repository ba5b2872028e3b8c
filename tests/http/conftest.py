"""One gateway with web resources for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.webclinic import Web, running_web


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Web]:
    """Resources that hold no PHI, in front of the small upstream."""
    with running_web(tmp_path_factory.mktemp("web"), certificates) as running:
        yield running
