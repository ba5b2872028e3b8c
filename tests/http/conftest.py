"""One gateway with web resources for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.webclinic import Twins, Web, running_mcp, running_twins, running_web


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Web]:
    """Resources that hold no PHI, in front of the small upstream."""
    with running_web(tmp_path_factory.mktemp("web"), certificates) as running:
        yield running


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Twins]:
    """Two FHIR servers that differ in PHI alone."""
    with running_twins(tmp_path_factory.mktemp("twins"), certificates) as running:
        yield running


@pytest.fixture(scope="session")
def mcp_web(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Web]:
    """The reference server of MCP, once with PHI and once without."""
    with running_mcp(tmp_path_factory.mktemp("mcp"), certificates) as running:
        yield running
