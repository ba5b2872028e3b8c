"""mariadb-dump and MySQL's mysqldump: masked where a rule allows it, else refused or held."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed import mysql
from testbed.certificates import Certificates
from testbed.clinic_mysql import MysqlClinic, running_mysql_clinic
from testbed.mariadb import MariaDB
from testbed.parts import debian

EXPORT: list[dict[str, Any]] = [
    {"name": "export", "verdict": "allow", "match": {"groups": ["exporters"]}},
    {
        "name": "bulk",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "flags": ["bulk"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "An export in bulk.",
    },
    {"name": "locks", "verdict": "block", "match": {"groups": ["analysts"], "classes": ["lock"]}},
    {"name": "rest", "verdict": "allow", "match": {"groups": ["analysts"]}},
]


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def clinic(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[MysqlClinic]:
    """Both servers, one after the other. A dump connects without a database, so the listener has
    one resource."""
    server: MariaDB = request.getfixturevalue(request.param)

    def adjust(settings: dict[str, Any]) -> None:
        settings["rules"] = EXPORT
        settings["limits"] = {**settings.get("limits", {}), "hold_time": "1s"}

    with running_mysql_clinic(
        tmp_path_factory.mktemp("mysql-dump"), certificates, server, adjust=adjust
    ) as running:
        server.sql("GRANT LOCK TABLES ON clinic.* TO agent")
        server.sql(
            "CREATE VIEW clinic.open_encounters AS SELECT id, patient_id, note"
            " FROM clinic.encounters"
        )
        yield running


def dump(
    clinic: MysqlClinic, *arguments: str, who: str = "exporter"
) -> subprocess.CompletedProcess[str]:
    if clinic.server.protocol == "mysql":
        command = [*mysql.program("usr/bin/mysqldump"), "--no-defaults"]
        command += [f"--plugin-dir={mysql.PLUGINS}", "--ssl-mode=VERIFY_IDENTITY"]
        command += ["--set-gtid-purged=OFF", "--skip-masking-policies"]
    else:
        command = [str(debian("mariadb-dump", "mariadb-client")), "--no-defaults"]
        command += ["--ssl-verify-server-cert"]
    return subprocess.run(
        [
            *command,
            *(f"--host={clinic.gateway.host}", f"--port={clinic.gateway.port}"),
            *(f"--ssl-ca={clinic.gateway.certificates.ca}", f"--user={who}", *arguments),
        ],
        env={"MYSQL_PWD": clinic.token(who)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def names(clinic: MysqlClinic) -> set[str]:
    return {row[0] for row in clinic.server.sql("SELECT name FROM clinic.patients")}


WAYS: list[list[str]] = [
    ["--no-tablespaces"],
    ["--single-transaction", "--no-tablespaces"],
    ["--skip-lock-tables", "--no-tablespaces", "--hex-blob", "--complete-insert"],
    ["--single-transaction", "--no-tablespaces", "--skip-extended-insert"],
]


@pytest.mark.parametrize("arguments", WAYS, ids=["default", "snapshot", "unlocked", "by-row"])
def test_a_dump_is_masked(clinic: MysqlClinic, arguments: list[str]) -> None:
    done = dump(clinic, *arguments, "clinic")
    assert done.returncode == 0, done.stderr
    assert "hoopgate" not in done.stderr
    for table in ("patients", "encounters", "codes"):
        assert f"CREATE TABLE `{table}`" in done.stdout
    assert "open_encounters" in done.stdout
    assert "'finding 3'" in done.stdout
    assert "'[SSN]'" in done.stdout
    assert not re.search(r"'9\d\d-\d\d-\d\d\d\d'", done.stdout)
    assert not any(name in done.stdout for name in names(clinic))


def test_what_was_dumped_can_be_read_in(clinic: MysqlClinic) -> None:
    """Into a new database; what is unique is not so any more where it is masked."""
    done = dump(clinic, "--single-transaction", "--no-tablespaces", "clinic", "codes", "encounters")
    assert done.returncode == 0, done.stderr
    server = clinic.server
    server.create_database("again")
    read_in = [str(debian("mariadb", "mariadb-client")), "--no-defaults", "--user=root"]
    subprocess.run(
        [*read_in, f"--socket={server.socket}", f"--password={server.password}", "again"],
        input=done.stdout.replace("utf8mb4_0900_ai_ci", "utf8mb4_general_ci"),
        text=True,
        check=True,
        timeout=120,
    )
    same = "SELECT id, patient_id, dx, cost FROM {}.encounters ORDER BY id"
    assert server.sql(same.format("again")) == server.sql(same.format("clinic"))
    (notes,) = server.sql("SELECT count(DISTINCT note) FROM again.encounters")
    assert notes == (1,)


def test_a_dump_is_held_as_a_bulk_export(clinic: MysqlClinic) -> None:
    done = dump(
        clinic, "--single-transaction", "--no-tablespaces", "clinic", "codes", who="executor"
    )
    assert done.returncode != 0
    assert "approval.pending" in done.stderr
    assert "finding 3" not in done.stdout


def test_locks_are_judged(clinic: MysqlClinic) -> None:
    done = dump(clinic, "--no-tablespaces", "clinic", "codes", who="executor")
    assert done.returncode != 0
    assert '"rule":"operator/locks"' in done.stderr
    assert "finding" not in done.stdout


def test_a_dump_of_what_holds_no_phi(
    mariadb: MariaDB, certificates: Certificates, tmp_path: Path
) -> None:
    def adjust(settings: dict[str, Any]) -> None:
        settings["rules"] = EXPORT
        settings["resources"][0]["phi"] = False
        settings["labels"] = []

    with running_mysql_clinic(tmp_path, certificates, mariadb, adjust=adjust) as archive:
        mariadb.sql("GRANT LOCK TABLES ON clinic.* TO agent")
        done = dump(archive, "--no-tablespaces", "clinic")
        assert done.returncode == 0, done.stderr
        assert all(name in done.stdout for name in names(archive))


@pytest.mark.parametrize(
    ("argument", "reason"), [("--tab=/tmp", "unknown"), ("--lock-all-tables", "maintenance")]
)
def test_what_a_dump_may_not_do(clinic: MysqlClinic, argument: str, reason: str) -> None:
    """Files of the server's; a lock of all there is."""
    done = dump(clinic, "--no-tablespaces", argument, "clinic", "codes")
    assert done.returncode != 0
    assert f'"reason":"statement.{reason}"' in done.stderr
