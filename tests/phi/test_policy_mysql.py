"""``hoopgate policy test`` on MariaDB: the same file, the other dialect."""

from __future__ import annotations

from pathlib import Path

import tomli_w
from phi_world import hoopgate
from testbed.certificates import Certificates
from testbed.clinic import clients
from testbed.clinic_mysql import make_database, settings
from testbed.issuer import TestIssuer
from testbed.mariadb import MariaDB

TESTS = """
[defaults]
subject = "executor"

[[tests]]
name = "masked"
statement = "SELECT `name`, id FROM patients LIMIT 2"
expect = "mask"
columns = ["name"]

[[tests]]
name = "no secret decides"
statement = "SELECT id FROM patients WHERE ssn = 'x'"
expect = "block"
reason = "phi.predicate"

[[tests]]
name = "a change is held"
statement = "UPDATE patients SET sex = 'F' WHERE id = 1"
expect = "hold"
reviewers = ["privacy-office"]

[[tests]]
name = "wrong on purpose"
statement = "SELECT id FROM patients"
expect = "block"
"""


def test_verdicts_on_mariadb(tmp_path: Path, certificates: Certificates, mariadb: MariaDB) -> None:
    make_database(mariadb, "tried")
    with TestIssuer(clients(), {}, certificates) as issuer:
        config = tmp_path / "hoopgate.toml"
        found = settings(tmp_path, certificates, mariadb, issuer, "tried")
        config.write_text(tomli_w.dumps(found))
        file = tmp_path / "tests.toml"
        file.write_text(TESTS)
        done = hoopgate(config, "policy", "test", file)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("ok    ") == 3, done.stdout
    assert "FAIL  wrong on purpose" in done.stdout
    assert mariadb.sql("SELECT sex FROM tried.patients WHERE id = 1") == [("M",)]
