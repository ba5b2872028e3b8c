"""The npm package ``pg``, unmodified: only connection settings."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from testbed.clinic import OLDEST_BIRTH, Clinic
from testbed.parts import node, node_package

SCRIPT = Path(__file__).with_name("clients_node.js")

MASKED = {
    "id": 1,
    "mrn": "[MRN]",
    "ssn": "[SSN]",
    "name": "[NAME]",
    "dob": f"{OLDEST_BIRTH}T00:00:00.000Z",
    "sex": "M",
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "zip": "004",
    "weight": "49.5",
    "contact": "[CONTACT]",
    "portal_id": "00000000-0000-0000-0000-000000000000",
    "last_seen": "2026-01-01T08:37:00.000Z",
}


@pytest.mark.parametrize("direct", [False, True], ids=["TLS by request", "direct TLS"])
def test_node_pg(clinic: Clinic, direct: bool) -> None:
    done = subprocess.run(
        [node(), SCRIPT],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "NODE_PG": str(node_package("pg")),
            "PGHOST": "localhost",
            "PGPORT": str(clinic.gateway.port),
            "PGUSER": "executor",
            "PGDATABASE": "clinic",
            "PGPASSWORD": clinic.token(),
            "PGSSLROOTCERT": str(clinic.gateway.certificates.ca),
            "TZ": "UTC",
            **({"DIRECT": "1"} if direct else {}),
        },
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["simple"] == seen["extended"] == MASKED
    assert seen["named"] == [[1, "[SSN]"], [2, "[SSN]"], [3, "[SSN]"]]
    assert seen["binary"] == {"id": 4, "ssn": "[SSN]"}
    assert seen["several"] == [[{"x": 1}], [{"ssn": "[SSN]"}]]
    assert seen["refusals"] == [
        ["42501", "hipaa-baseline/ddl"],
        ["42501", "hipaa-baseline/truncate"],
        ["42501", "hipaa-baseline/ddl"],
        ["42501", "hipaa-baseline/multi-statement"],
        ["42501", "phi/predicate"],
    ]
    assert seen["alive"] == [{"x": 1}]
    assert seen["inside"] == ["42501", "hipaa-baseline/ddl"]
    assert seen["aborted"] == "25P02"
    assert seen["rolledBack"] == [{"n": 0}]
    assert seen["pool"] == (["[SSN]"] * 4 + ["42501"]) * 4
