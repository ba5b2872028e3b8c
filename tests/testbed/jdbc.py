"""pgjdbc (Debian libpostgresql-jdbc-java), driven by ``JdbcClient.java``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.parts import MissingPart, debian

_JAR = Path("/usr/share/java/postgresql.jar")
_SOURCE = Path(__file__).with_name("JdbcClient.java")


def url(host: str, port: int, database: str, ca: Path | None = None) -> str:
    """A JDBC address; with ``ca``, of a server that is verified by it."""
    tls = "sslmode=disable" if ca is None else f"sslmode=verify-full&sslrootcert={ca}"
    return f"jdbc:postgresql://{host}:{port}/{database}?{tls}"


def rows(address: str, user: str, password: str, statements: Sequence[str]) -> list[Any]:
    """``[mode, statement, [[name, type, precision], …], rows]`` of each statement in each mode."""
    return _run(["rows"], user, password, "\n".join(statements), JDBC_URL=address)


def metadata(address: str, user: str, password: str) -> dict[str, Any]:
    """What ``DatabaseMetaData`` tells."""
    (found,) = _run(["metadata", address], user, password)
    assert isinstance(found, dict)
    return found


def _run(
    arguments: list[str], user: str, password: str, given: str = "", **environment: str
) -> list[Any]:
    java = debian("java", "default-jdk-headless")
    if not _JAR.exists():
        raise MissingPart("pgjdbc", "apt-get install libpostgresql-jdbc-java   (or: make parts)")
    done = subprocess.run(
        # one compiler, which is quicker to start
        [java, "-XX:TieredStopAtLevel=1", "-cp", _JAR, _SOURCE, *arguments],
        input=given, text=True, capture_output=True, timeout=180, check=False,
        env={"PATH": os.environ["PATH"], "PGUSER": user, "PGPASSWORD": password, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
