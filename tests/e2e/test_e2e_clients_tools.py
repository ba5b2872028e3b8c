"""pgbench in its three query modes, and pg_dump where policy allows it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.certificates import Certificates
from testbed.clinic import AGENT_PASSWORD, Clinic, running_clinic
from testbed.parts import debian
from testbed.postgres import Postgres

MODES = ("simple", "extended", "prepared")
POINT_SELECT = """\\set id random(1, 200)
SELECT id, ssn, name, dob, portal_id FROM patients WHERE id = :id;
"""


def run(
    program: str, clinic: Clinic, *arguments: str | Path, who: str = "executor", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs with connection settings alone."""
    return subprocess.run(
        [debian(program, "postgresql-15", "/usr/lib/postgresql/15/bin"), *arguments],
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "PGHOST": clinic.gateway.host,
            "PGPORT": str(clinic.gateway.port),
            "PGUSER": who,
            "PGDATABASE": "clinic",
            "PGPASSWORD": clinic.token(who),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(clinic.gateway.certificates.ca),
            **more,
        },
    )


def direct(clinic: Clinic, user: str = "agent", password: str = AGENT_PASSWORD) -> dict[str, str]:
    """Settings that lead past the gateway."""
    return {
        "PGHOST": clinic.postgres.host,
        "PGPORT": str(clinic.postgres.port),
        "PGUSER": user,
        "PGPASSWORD": password,
    }


# --- pgbench --------------------------------------------------------------------------------------


def test_pgbench_custom_script(clinic: Clinic, tmp_path: Path) -> None:
    script = tmp_path / "select.sql"
    script.write_text(POINT_SELECT)
    for mode in MODES:
        done = run("pgbench", clinic, "-n", "-f", script, "-M", mode, "-c", "4", "-t", "50")
        assert done.returncode == 0, done.stderr
        assert "processed: 200/200" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def accounts(clinic: Clinic) -> Clinic:
    """pgbench's own tables, made at the database: DDL is not for agents."""
    superuser = direct(clinic, clinic.postgres.user, clinic.postgres.password)
    done = run("pgbench", clinic, "-i", "-q", "-s", "1", **superuser)
    assert done.returncode == 0, done.stderr
    clinic.postgres.psql("GRANT ALL ON ALL TABLES IN SCHEMA public TO agent", "clinic")
    return clinic


def test_pgbench_built_in_scripts(accounts: Clinic) -> None:
    for mode in MODES:
        done = run("pgbench", accounts, "-n", "-S", "-M", mode, "-c", "4", "-t", "50")
        assert done.returncode == 0, done.stderr
        assert "processed: 200/200" in done.stdout, done.stdout
        done = run("pgbench", accounts, "-n", "-M", mode, "-c", "2", "-t", "20")
        assert done.returncode == 0, done.stderr
        assert "processed: 40/40" in done.stdout, done.stdout
    total = accounts.postgres.psql("SELECT count(*) FROM pgbench_history", "clinic")
    assert int(total) == 120


def test_pgbench_pipelines(accounts: Clinic, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + POINT_SELECT * 5 + "\\endpipeline\n")
    for mode in ("extended", "prepared"):
        done = run("pgbench", accounts, "-n", "-f", script, "-M", mode, "-c", "2", "-t", "20")
        assert done.returncode == 0, done.stderr
        assert "processed: 40/40" in done.stdout, done.stdout


def test_pgbench_stops_at_a_refusal(clinic: Clinic, tmp_path: Path) -> None:
    script = tmp_path / "refused.sql"
    script.write_text("DELETE FROM codes;\n")
    for mode in MODES:
        done = run("pgbench", clinic, "-n", "-f", script, "-M", mode, "-t", "1")
        assert done.returncode == 2
        assert "hipaa-baseline/unbounded-write" in done.stderr


def test_pgbench_may_not_make_its_tables(clinic: Clinic) -> None:
    done = run("pgbench", clinic, "-i", "-q")
    assert done.returncode != 0
    assert "hoopgate" in done.stderr


# --- pg_dump --------------------------------------------------------------------------------------

DUMP = {
    "name": "dump",
    "verdict": "allow",
    "match": {"groups": ["exporters"], "resources": ["archive"]},
    "overrides": ["hipaa-baseline/server-functions", "hipaa-baseline/settings"],
}


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A resource ``archive`` that holds no PHI, beside the clinic; its dump is allowed by a rule.

    On PostgreSQL 15 alone: pg_dump 15 refuses newer servers.
    """
    directory = tmp_path_factory.mktemp("archive")
    everyone = {"groups": ["exporters", "analysts"]}
    rules = [DUMP, {"name": "rest", "verdict": "allow", "match": everyone}]

    def adjust(settings: dict[str, Any]) -> None:
        (clinic,) = settings["resources"]
        archive = {"name": "archive", "phi": False, "scope": "hoopgate:clinic"}
        settings["resources"].append({**clinic, **archive})
        settings["listeners"][0]["resources"].append("archive")

    with running_clinic(
        directory, certificates, postgres15, database="archive", rules=rules, adjust=adjust
    ) as running:
        yield running


def dumped(text: str) -> list[str]:
    """A dump without what differs from run to run."""
    return [line for line in text.splitlines() if not re.match(r"--|\\(un)?restrict", line)]


@pytest.mark.parametrize("arguments", [["--schema-only"], ["--data-only"], []])
def test_pg_dump_where_a_rule_allows_it(archive: Clinic, arguments: list[str]) -> None:
    done = run("pg_dump", archive, *arguments, who="exporter", PGDATABASE="archive")
    assert done.returncode == 0, done.stderr
    without = run("pg_dump", archive, *arguments, **{**direct(archive), "PGDATABASE": "archive"})
    assert without.returncode == 0, without.stderr
    assert dumped(done.stdout) == dumped(without.stdout)
    assert len(done.stdout) > 1000


@pytest.mark.parametrize(
    ("who", "resource"), [("executor", "archive"), ("exporter", "clinic"), ("executor", "clinic")]
)
def test_pg_dump_is_refused_clearly(archive: Clinic, who: str, resource: str) -> None:
    """Without the rule, and where there is PHI: it would change what names mean."""
    for arguments in ([], ["--schema-only"]):
        done = run("pg_dump", archive, *arguments, who=who, PGDATABASE=resource)
        assert done.returncode == 1
        assert "ERROR:  hoopgate: Functions that reach" in done.stderr
        assert "CREATE" not in done.stdout
        assert "Testcase" not in done.stdout
