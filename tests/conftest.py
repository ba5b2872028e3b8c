"""Fixtures that every room shares: real servers, private to this run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from testbed.certificates import Certificates
from testbed.mariadb import MariaDB
from testbed.mysql import MySQL, unavailable
from testbed.parts import MissingPart
from testbed.postgres import VERSIONS, Postgres

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

PACKAGE = Path(__file__).resolve().parents[1] / "hoopgate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--allow-missing``: skip, instead of fail, what needs a part that is not installed."""
    parser.addoption(
        "--allow-missing",
        action="store_true",
        help="skip tests that need a part which is not installed (CI never does)",
    )


def pytest_configure() -> None:
    """No test runs a compiled module that its source has left behind (``make compile``)."""
    for binary in PACKAGE.rglob("*.so"):
        source = binary.with_name(binary.name.partition(".")[0] + ".py")
        if source.stat().st_mtime > binary.stat().st_mtime:
            pytest.exit(f"{binary} is older than its source: make interpreted, or make compile", 4)


def _on_mysql(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    names = getattr(item, "fixturenames", ())
    return any(name.startswith("mysql9") for name in names) or (
        parameters is not None and "mysql9" in parameters.params.values()
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs on MySQL 9 where ``tools/install-mysql`` could not get it."""
    if unavailable():
        config.hook.pytest_deselected(items=[item for item in items if _on_mysql(item)])
        items[:] = [item for item in items if not _on_mysql(item)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    if why := unavailable():
        terminalreporter.section("left out", sep="=", yellow=True, bold=True)
        terminalreporter.line(
            f"MySQL 9 is not tested: {why}. What needs it was not collected; MariaDB is tested."
        )


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Iterator[None]:
    """A part that is missing fails the test with the line that installs it."""
    try:
        return (yield)
    except MissingPart as missing:
        if request.config.getoption("--allow-missing"):
            pytest.skip(str(missing))
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A throwaway authority with a server certificate for 127.0.0.1 and localhost."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def postgres15(certificates: Certificates) -> Iterator[Postgres]:
    """PostgreSQL 15, one server for the whole run: make a database of your own in it."""
    with Postgres(15, certificates) as server:
        yield server


@pytest.fixture(scope="session")
def postgres18(certificates: Certificates) -> Iterator[Postgres]:
    """PostgreSQL 18, one server for the whole run: make a database of your own in it."""
    with Postgres(18, certificates) as server:
        yield server


@pytest.fixture(scope="session")
def postgres16(certificates: Certificates) -> Iterator[Postgres]:
    """PostgreSQL 16, for ``POSTGRES_VERSIONS=16,17 pytest tests/sql``."""
    with Postgres(16, certificates) as server:
        yield server


@pytest.fixture(scope="session")
def postgres17(certificates: Certificates) -> Iterator[Postgres]:
    """PostgreSQL 17, likewise."""
    with Postgres(17, certificates) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(certificates: Certificates) -> Iterator[MariaDB]:
    """MariaDB, one server for the whole run: make a database of your own in it."""
    with MariaDB(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def mysql9(certificates: Certificates) -> Iterator[MySQL]:
    """MySQL 9. Where it cannot be had, what needs it is not collected."""
    with MySQL(certificates) as server:
        yield server


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"postgres{version}")
def any_postgres(request: pytest.FixtureRequest) -> Postgres:
    """Both versions, one after the other."""
    server: Postgres = request.getfixturevalue(f"postgres{request.param}")
    return server


@pytest.fixture(scope="session")
def clinic_sql() -> str:
    """The synthetic clinic: schema and about 200 patients, the same at every run."""
    return (Path(__file__).parent / "testbed" / "clinic.sql").read_text()
