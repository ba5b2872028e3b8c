"""``hoopgate check --connect``: labels and accounts against the databases that there are."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from testbed.certificates import Certificates, write_private
from testbed.clinic import Clinic, running_clinic
from testbed.node import HOOPGATE
from testbed.postgres import Postgres


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("check")
    with running_clinic(directory, certificates, postgres15, database="check_clinic") as running:
        yield running


def check(
    clinic: Clinic, directory: Path, change: Callable[[dict[str, Any]], object], *more: str
) -> subprocess.CompletedProcess[str]:
    settings = copy.deepcopy(clinic.gateway.settings)
    change(settings)
    file = directory / "hoopgate.toml"
    file.write_text(tomli_w.dumps(settings))
    return subprocess.run(
        [HOOPGATE, "check", "--config", file, "--connect", *more],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_the_database_has(clinic: Clinic, tmp_path: Path) -> None:
    done = check(clinic, tmp_path, lambda settings: settings["labels"].pop(0))
    assert done.returncode == 0, done.stderr
    assert "columns have no label and are masked (hoopgate phi scan proposes some)" in done.stdout
    done = check(clinic, tmp_path, lambda settings: None, "--json")
    assert json.loads(done.stdout)["valid"] is True


def test_a_label_of_nothing(clinic: Clinic, tmp_path: Path) -> None:
    wrong = {"resource": "clinic", "column": "public.patient.ssn", "kind": "SSN"}
    for more in ([], ["--json"]):
        done = check(clinic, tmp_path, lambda settings: settings["labels"].append(wrong), *more)
        assert done.returncode == 1
        told = json.loads(done.stdout)["problems"] if more else done.stderr.splitlines()
        assert told == [
            f"{tmp_path / 'hoopgate.toml'}: labels: public.patient.ssn is no column of clinic that "
            "needs a label; write schema.relation.column as the database has it"
        ]


def test_a_rule_about_nothing(clinic: Clinic, tmp_path: Path) -> None:
    match = {"resources": ["clinic"], "relations": ["public.codez", "codes"]}
    rule = {"name": "codes", "verdict": "block", "match": match}
    done = check(clinic, tmp_path, lambda settings: settings["rules"].insert(0, rule))
    assert done.returncode == 0
    expected = "note: rules[0] codes: public.codez is no table of clinic (a view, or a mistake)"
    assert [line for line in done.stdout.splitlines() if "rules[0] codes:" in line] == [expected]


@pytest.mark.parametrize("which", ["password", "port", "authority"])
def test_a_database_that_cannot_be_asked(
    clinic: Clinic, certificates: Certificates, tmp_path: Path, which: str
) -> None:
    def change(settings: dict[str, Any]) -> None:
        (resource,) = settings["resources"]
        if which == "password":
            write_private(tmp_path / "wrong", b"wrong")
            resource["credentials"]["password"] = {"file": str(tmp_path / "wrong")}
        elif which == "port":
            resource["target"] = "127.0.0.1:1"
        else:
            resource["tls"]["ca_file"] = str(Certificates(tmp_path).ca)

    done = check(clinic, tmp_path, change)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path / 'hoopgate.toml'}: resources[0]: clinic cannot be asked: " in line
    assert "; write a target, credentials and TLS that it takes" in line
    assert "Traceback" not in line
