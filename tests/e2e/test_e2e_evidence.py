"""Evidence of a running node: exported, verified, kept, viewed, with the commands of an auditor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from testbed.clinic import Clinic

HOOPGATE = Path(sys.executable).with_name("hoopgate")


def hoopgate(clinic: Clinic, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOOPGATE_CONFIG": str(clinic.gateway.config)}
    environment["HOOPGATE_TOKEN"] = clinic.token("rita")
    command = [HOOPGATE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def leaves(clinic: Clinic, word: str) -> list[dict[str, object]]:
    """Leaves of the running log that hold a word, once they are signed."""
    from hoopgate.recorder.note import Verifier
    from hoopgate.recorder.reading import LogReader

    directory = clinic.gateway.state_dir / "log"
    log = LogReader(directory, [Verifier.parse((directory / "vkey").read_text())])
    return [leaf for leaf, _ in log.leaves(word.encode())]


@pytest.fixture
def session(clinic: Clinic) -> str:
    """A session that has ended, by its id."""
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        connection.execute("SELECT id, ssn FROM patients WHERE id = 7")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            connection.execute("DROP TABLE encounters")
    request = json.loads(refused.value.diag.message_detail or "")["request"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        own = {leaf["session"] for leaf in leaves(clinic, request)}
        closed = [leaf["session"] for leaf in leaves(clinic, '"session.close"')]
        for found in own & set(closed):
            return str(found)
        time.sleep(0.1)
    raise AssertionError("the session's end is not in the log")


def test_a_bundle_of_today(clinic: Clinic, session: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    period = ["--from", (now - timedelta(hours=1)).isoformat(), "--to", now.isoformat()]
    out = tmp_path / "bundle"
    made = hoopgate(clinic, "evidence", "export", *period, "--out", out)
    assert made.returncode == 0, made.stderr
    policy = tmp_path / "policy"
    policy.write_text(f"log {(clinic.gateway.state_dir / 'log/vkey').read_text()}quorum none\n")
    checked = hoopgate(clinic, "evidence", "verify", out, "--policy", policy, "--json")
    assert checked.returncode == 0, checked.stdout
    report = json.loads(checked.stdout)
    assert report["unproven"] == ["config/hoopgate.toml", "config/policy"]
    assert (report["absent_rules"], report["doubts"]) == ([], [])
    assert (out / "config/policy").read_text().splitlines()[1:] == policy.read_text().splitlines()
    own = hoopgate(clinic, "evidence", "verify", out, "--policy", out / "config/policy")
    assert own.returncode == 2
    assert "has to come another way" in own.stderr
    listed = [json.loads(line) for line in (out / "sessions.ndjson").read_text().splitlines()]
    found = next(one for one in listed if one["session"] == session)
    assert found["verdicts"] == {"mask": 1, "block": 1}
    assert found["subject"] == "executor"
    rules = {path.stem: path.read_bytes() for path in (out / "config/rules").iterdir()}
    assert sha256(rules[found["rules"]]).hexdigest() == found["rules"]
    assert b"bulk-export" in rules[found["rules"]]
    text = (out / "ocsf.ndjson").read_text() + (out / "report.html").read_text()
    real = clinic.postgres.psql("SELECT ssn FROM patients WHERE id = 7", "clinic").strip()
    assert real not in text
    assert "hipaa-baseline/ddl" in text


def test_a_view_is_recorded(clinic: Clinic, session: str) -> None:
    shown = hoopgate(clinic, "replay", session)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    deadline = time.monotonic() + 60
    while not (views := leaves(clinic, '"replay.view"')) and time.monotonic() < deadline:
        time.sleep(0.1)
    detail = views[-1]["detail"]
    assert isinstance(detail, dict)
    assert detail["session"] == session
    assert detail["uid"] == os.getuid()


def test_holds_and_retention(clinic: Clinic, session: str) -> None:
    held = hoopgate(clinic, "audit", "hold", session, "--reference", "LIT-2026-7")
    assert held.returncode == 0, held.stderr
    twice = hoopgate(clinic, "audit", "hold", session, "--reference", "LIT-2026-7")
    assert twice.returncode == 1
    assert "hold.exists" in twice.stderr
    shred = hoopgate(clinic, "audit", "shred", session, "--reference", "RET-1")
    assert shred.returncode == 1
    assert "recording.kept" in shred.stderr
    assert (clinic.gateway.state_dir / f"log/wraps/{session}.json").exists()
    released = hoopgate(clinic, "audit", "release", session, "--reference", "LIT-2026-7")
    assert released.returncode == 0, released.stderr
    told = [
        leaf["detail"]
        for leaf in leaves(clinic, "LIT-2026-7")
        if isinstance(leaf["detail"], dict) and leaf["detail"]["session"] == session
    ]
    assert [one["action"] for one in told if isinstance(one, dict)] == ["hold.set", "hold.release"]
    assert {one["subject"] for one in told if isinstance(one, dict)} == {"rita"}
    assert hoopgate(clinic, "audit", "verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("hold", "ses-none", "--reference", "x"), "recording.unknown"),
        (("release", "ses-none", "--reference", "x"), "recording.unknown"),
        (("hold", "ses-none", "--reference", "Ann Lee, SSN\n1"), "recording.reference"),
    ],
)
def test_what_cannot_be_kept(clinic: Clinic, arguments: tuple[str, ...], code: str) -> None:
    done = hoopgate(clinic, "audit", *arguments)
    assert done.returncode == 1
    assert code in done.stderr


def test_keeping_needs_its_scope(clinic: Clinic, session: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(clinic.token("executor"))
    token.chmod(0o600)
    arguments = ("hold", session, "--reference", "x", "--token-file", token)
    done = hoopgate(clinic, "audit", *arguments)
    assert done.returncode == 1
    assert "scope" in done.stderr
