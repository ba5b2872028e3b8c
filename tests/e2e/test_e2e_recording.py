"""What the log holds of a session, checked with the commands an auditor uses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from testbed.clinic import Clinic

HOOPGATE = Path(sys.executable).with_name("hoopgate")


def hoopgate(clinic: Clinic, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HOOPGATE, *arguments, "--config", clinic.gateway.config],
        capture_output=True,
        text=True,
        timeout=60,
    )


def sessions(clinic: Clinic) -> list[dict[str, object]]:
    """``hoopgate sessions --json``: a line each."""
    lines = hoopgate(clinic, "sessions", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def recorded(clinic: Clinic, application: str) -> str:
    """Run a small session; its id once its end is in the log."""
    before = {one["id"] for one in sessions(clinic)}
    with psycopg.connect(clinic.dsn(application_name=application), autocommit=True) as connection:
        connection.execute("SELECT id, ssn AS canary_alias FROM patients WHERE id = 7")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE encounters")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in sessions(clinic):
            if one["id"] not in before and one.get("end"):
                return str(one["id"])
        time.sleep(0.1)
    raise AssertionError("the session's end is not in the log")


def test_a_session_is_replayed_as_the_client_saw_it(clinic: Clinic) -> None:
    session = recorded(clinic, "replayed")
    shown = hoopgate(clinic, "replay", session)
    assert shown.returncode == 0, shown.stderr
    assert "canary_alias" in shown.stdout
    assert "[SSN]" in shown.stdout
    assert "DROP TABLE encounters" in shown.stdout
    assert "hipaa-baseline/ddl" in shown.stdout
    real = clinic.postgres.psql("SELECT ssn FROM patients WHERE id = 7", "clinic").strip()
    assert len(real) == 11
    assert real not in shown.stdout


def test_the_log_verifies_and_a_flipped_byte_is_found(clinic: Clinic, tmp_path: Path) -> None:
    recorded(clinic, "verified")
    good = hoopgate(clinic, "audit", "verify")
    assert good.returncode == 0, good.stdout + good.stderr
    copy = tmp_path / "log"
    subprocess.run(["cp", "-r", clinic.gateway.state_dir / "log", copy], check=True)
    segment = next((copy / "seg").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    bad = subprocess.run(
        [HOOPGATE, "audit", "verify", "--directory", copy], capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert "leaf" in bad.stdout + bad.stderr
