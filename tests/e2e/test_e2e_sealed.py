"""Recordings that only auditors open, on a running node: replay, evidence, and who is root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.node import sessions
from testbed.postgres import Postgres

from hoopgate.cli.main import main
from hoopgate.errors import HoopgateError
from hoopgate.recorder.sealing import ReplayKey, unseal

HOOPGATE = Path(sys.executable).with_name("hoopgate")
STATEMENT = "SELECT id, ssn AS sealed_alias FROM patients WHERE id = 7"


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auditor's key, on a machine of the auditor's."""
    path = tmp_path_factory.mktemp("auditor") / "auditor.key"
    assert main(["audit", "keygen", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def clinic(
    certificates: Certificates,
    postgres15: Postgres,
    auditor: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Clinic]:
    def adjust(settings: dict[str, Any]) -> None:
        settings.setdefault("recording", {})["auditors"] = [f"{auditor}.pub"]

    with running_clinic(
        tmp_path_factory.mktemp("sealed"),
        certificates,
        postgres15,
        database="sealed",
        adjust=adjust,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def session(clinic: Clinic) -> str:
    """A session that has ended."""
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        connection.execute(STATEMENT)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for one in sessions(clinic.gateway):
            if one.get("end"):
                return str(one["id"])
        time.sleep(0.1)
    raise AssertionError("the session's end is not in the log")


def hoopgate(clinic: Clinic, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOOPGATE_CONFIG": str(clinic.gateway.config)}
    command = [HOOPGATE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_replay_takes_the_auditors_key(clinic: Clinic, session: str, auditor: Path) -> None:
    without = hoopgate(clinic, "replay", session)
    assert without.returncode == 2
    assert "give the key of a recipient with --key" in without.stderr
    assert "sealed_alias" not in without.stdout + without.stderr
    shown = hoopgate(clinic, "replay", session, "--key", auditor)
    assert shown.returncode == 0, shown.stderr
    assert "sealed_alias" in shown.stdout
    assert "[SSN]" in shown.stdout
    cast = hoopgate(clinic, "replay", session, "--key", auditor, "--cast")
    assert "sealed_alias" in cast.stdout


def test_evidence_takes_the_auditors_key(
    clinic: Clinic, session: str, auditor: Path, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    period = ["--from", (now - timedelta(hours=1)).isoformat(), "--to", now.isoformat()]
    keys = ["--key", auditor, "--index-key", tmp_path / "index.key"]
    out = tmp_path / "bundle"
    patients = ["--patients", "clinic=id"]
    made = hoopgate(clinic, "evidence", "export", *period, "--out", out, *keys, *patients)
    assert made.returncode == 0, made.stderr
    policy = tmp_path / "policy"
    policy.write_text(f"log {(clinic.gateway.state_dir / 'log/vkey').read_text()}quorum none\n")
    checked = hoopgate(clinic, "evidence", "verify", out, "--policy", policy, *keys, "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["unproven"] == ["config/hoopgate.toml", "config/policy"]
    assert session in (out / "sessions.ndjson").read_text()
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"sealed_alias" not in content, path
            assert ReplayKey.load(auditor).private not in content, path


def test_root_on_the_gateway_opens_nothing(clinic: Clinic, session: str, auditor: Path) -> None:
    """With everything that lies on the node's disk: no file is a key, none holds one in any
    writing, none says what was sent."""
    private = ReplayKey.load(auditor)
    wrap = (clinic.gateway.state_dir / f"log/wraps/{session}.json").read_bytes()
    key = unseal(session, wrap, private)
    derived = HKDFExpand(SHA256(), 32, b"hoopgate payload v1").derive(key)
    written = [
        form
        for secret in (key, derived, private.private)
        for form in (secret, secret.hex().encode(), b64encode(secret)[:42])
    ]
    looked = 0
    for path in clinic.gateway.directory.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        looked += 1
        assert not any(form in content for form in written), path
        assert b"sealed_alias" not in content, path
        try:
            stolen = ReplayKey.parse(content)
        except HoopgateError:
            continue
        with pytest.raises(HoopgateError):
            unseal(session, wrap, stolen)
    assert looked > 10
    assert not (clinic.gateway.state_dir / "keys/replay.key").exists()
    # What root may ask of the node gives nothing either.
    answers = [hoopgate(clinic, *words) for words in (("replay", session), ("sessions",))]
    assert all("sealed_alias" not in one.stdout + one.stderr for one in answers)
    assert hoopgate(clinic, "audit", "verify").returncode == 0
