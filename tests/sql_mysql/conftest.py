from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mysql_world import World
from testbed.certificates import Certificates
from testbed.mariadb import MariaDB

_TWIN = Path(__file__).parent.parent / "twin_mysql"


@pytest.fixture(scope="session")
def mysql_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One of the twins, and all that judges its statements."""
    with MariaDB(Certificates(tmp_path_factory.mktemp("certificates"))) as server:
        rows = (_TWIN / "mytwin_fill.sql").read_text().replace("{side}", "1")
        schema = (_TWIN / "mytwin_schema.sql").read_text()
        server.create_database("phi", f"{schema}\n{rows}")
        server.sql("CREATE DATABASE hoopgate_scratch")
        world = World(server)
        yield world
        world.side.connection.close()
