"""``hoopgate phi scan`` and ``hoopgate policy test`` on a real database."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
import tomli_w
from phi_world import hoopgate, write_settings
from testbed.certificates import Certificates
from testbed.postgres import Postgres


@pytest.fixture(scope="module", params=[15, 18])
def config(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Path:
    postgres: Postgres = request.getfixturevalue(f"postgres{request.param}")
    return write_settings(
        tmp_path_factory.mktemp(f"scan{request.param}"), certificates, postgres, limits={}
    )


@pytest.fixture(scope="module")
def scanned(config: Path) -> dict[str, dict[str, Any]]:
    done = hoopgate(config, "phi", "scan", "clinic", "--json")
    assert done.returncode == 1, done.stderr  # a label is contradicted
    return {one["column"]: one for one in json.loads(done.stdout)["columns"]}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("f1", "SSN"),
        ("f2", "EMAIL"),
        ("f3", "NOTE"),
        ("f4", "CARD"),
        ("f5", "NPI"),
        ("f7", "IP"),
        ("f8", "BINARY"),
        ("f9", "SSN"),
        ("birthDate", "DOB"),
    ],
)
def test_values_types_and_comments_tell(
    scanned: dict[str, dict[str, Any]], column: str, kind: str
) -> None:
    found = scanned[f"intake.forms.{column}"]
    assert (found["finding"], found["kind"]) == ("label", kind)


def test_what_needs_no_label_is_not_scanned(scanned: dict[str, dict[str, Any]]) -> None:
    names = set(scanned)
    assert "intake.visits.who" in names
    assert not [one for one in names if one.startswith(("intake.v.", "intake.visits_", "pg_"))]
    assert "intake.forms.reversed" not in names


def test_what_is_labelled_is_compared(scanned: dict[str, dict[str, Any]]) -> None:
    assert scanned["public.patients.ssn"]["finding"] == "labelled"
    assert scanned["intake.large.m"]["finding"] == "warning"  # sampled all over 40,000 rows


def test_the_file_is_reviewed_appended_and_valid(config: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.toml"
    done = hoopgate(config, "phi", "scan", "clinic", "-o", labels)
    assert done.returncode == 1
    assert "LABELLED PUBLIC" in done.stdout
    assert "scan of clinic: 7 relations" in done.stderr
    assert labels.stat().st_mode & 0o777 == 0o600
    text = labels.read_text()
    assert "# WARNING: intake.large.m is labelled public" in text
    for closed in ("intake.closed", "vault.codes"):
        assert f"# NOT SAMPLED: {closed}: the account may not read it" in text
        assert f"not sampled: {closed}: the account may not read it" in done.stdout
    assert "# NOT SAMPLED: intake.visits: the account may not read pin" in text
    for value in ("mail.example", "Testcase", "4111", "101-", "10.0.0."):
        assert value not in text + done.stdout + done.stderr
    again = hoopgate(config, "phi", "scan", "clinic", "-o", labels)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    appended = config.with_name("appended.toml")
    appended.write_text(config.read_text() + "\n" + text)
    checked = hoopgate(appended, "check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    labelled = {one["column"] for one in json.loads(checked.stdout)["labels"]}
    assert {"intake.forms.f1", "intake.visits.who"} <= labelled
    rest = hoopgate(appended, "phi", "scan", "clinic", "--json")
    found = {one["column"]: one["finding"] for one in json.loads(rest.stdout)["columns"]}
    assert found["intake.forms.f1"] == "labelled"
    assert "label" not in found.values()


def test_without_values_the_names_still_tell(config: Path) -> None:
    only = ("--only", "intake.f*")
    done = hoopgate(config, "phi", "scan", "clinic", "--rows", "0", *only, "--json")
    found = {one["column"]: one["kind"] for one in json.loads(done.stdout)["columns"]}
    assert found["intake.forms.birthDate"] == "DOB"
    assert found["intake.forms.f1"] is None
    assert "public.patients.ssn" not in found
    assert done.returncode == 0


def test_a_locked_relation_is_named_and_the_others_are_scanned(config: Path) -> None:
    settings = tomllib.loads(config.read_text())
    target = settings["resources"][0]["target"]
    port = target.rpartition(":")[2]
    with psycopg.connect(
        f"host=127.0.0.1 port={port} dbname=scanned user=postgres password=testbed-superuser"
    ) as holder:
        holder.execute("LOCK TABLE intake.locked IN ACCESS EXCLUSIVE MODE")
        done = hoopgate(config, "phi", "scan", "clinic", "--only", "intake.l*", "--json")
    summary = json.loads(done.stdout)
    (problem,) = summary["not_sampled"]
    assert problem.startswith("intake.locked: it took too long")
    assert {one["column"] for one in summary["columns"]} == {
        *("intake.large.n", "intake.large.m", "intake.locked.f1"),
    }


def test_mistakes_are_told_in_a_line(config: Path, tmp_path: Path) -> None:
    done = hoopgate(config, "phi", "scan", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'there is no resource "nothing"; the file has clinic' in done.stderr
    settings = tomllib.loads(config.read_text())
    settings["resources"][0]["database"] = "not-there"
    broken = config.with_name("broken.toml")
    broken.write_text(tomli_w.dumps(settings))
    done = hoopgate(broken, "phi", "scan", "clinic")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("hoopgate phi: the database cannot be")
    tests = tmp_path / "tests.toml"
    tests.write_text('[[tests]]\nsubject = "executor"\nstatement = "SELECT 1"\nexpect = "allow"\n')
    done = hoopgate(broken, "policy", "test", tests)
    assert done.returncode == 2
    assert "clinic: the database cannot be asked" in done.stderr


TESTS = """
[defaults]
subject = "executor"

[[tests]]
name = "names are masked"
statement = "SELECT p.name, q.name, p.id FROM patients p JOIN patients q USING (id)"
expect = "mask"
columns = ["name", "name"]

[[tests]]
name = "counts are open"
statement = "SELECT sex, count(*) FROM patients GROUP BY sex"
expect = "allow"
rule = "operator/analysts"

[[tests]]
name = "no secret decides"
statement = "SELECT id FROM patients WHERE ssn = '900-11-0007'"
expect = "block"
reason = "phi.predicate"

[[tests]]
name = "export is held"
statement = "COPY patients (id) TO STDOUT"
expect = "hold"
rule = "operator/bulk-export"
reviewers = ["privacy-office"]

[[tests]]
name = "nobody drops"
statement = "DROP TABLE patients"
expect = "block"

[[tests]]
name = "a new column is secret"
statement = "SELECT f6 FROM intake.forms"
expect = "mask"
columns = ["f6"]

[[tests]]
name = "strangers are refused"
subject = "stranger"
statement = "SELECT 1"
expect = "block"
rule = "default"

[[tests]]
name = "as if a member"
subject = "stranger"
groups = ["analysts"]
search_path = "intake"
statement = "SELECT f2 FROM forms"
expect = "mask"
"""


def test_verdicts_are_as_expected(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(TESTS)
    done = hoopgate(config, "policy", "test", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok    ") == 8
    assert "8 statements: 8 as expected, 0 not." in done.stdout
    assert "none run" in done.stderr


def test_a_difference_is_shown(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(TESTS.replace('["name", "name"]', '["name"]').replace("phi.pred", "phi.bred"))
    done = hoopgate(config, "policy", "test", file)
    assert done.returncode == 1
    assert "6 as expected, 2 not." in done.stdout
    lines = done.stdout.splitlines()
    start = lines.index("FAIL  names are masked")
    assert lines[start + 2] == "      - expected  mask name"
    assert lines[start + 3] == "      + got       mask name, name by operator/analysts"
    told = json.loads(hoopgate(config, "policy", "test", file, "--json").stdout)
    assert [one["passed"] for one in told] == [False, True, False, *[True] * 5]
    assert told[2]["found"]["reason"] == "phi.predicate"


def test_nothing_is_run(config: Path, tmp_path: Path) -> None:
    settings = tomllib.loads(config.read_text())
    file = tmp_path / "tests.toml"
    statement = "DELETE FROM public.encounters WHERE id = 1"
    file.write_text(
        f'[[tests]]\nsubject = "executor"\nstatement = "{statement}"\nexpect = "allow"\n'
    )
    assert hoopgate(config, "policy", "test", file).returncode == 0
    port = settings["resources"][0]["target"].rpartition(":")[2]
    with psycopg.connect(
        f"host=127.0.0.1 port={port} dbname=scanned user=postgres password=testbed-superuser"
    ) as looking:
        count = looking.execute("SELECT count(*) FROM encounters WHERE id = 1").fetchone()
    assert count == (1,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no test in it"),
        ("tests = 3", "tests: an integer where a list belongs"),
        ('[[tests]]\nstatement = "SELECT 1"\nexpect = "allow"', "tests[0].subject: missing"),
        ('[[tests]]\nsubject = "a"\nstatement = "SELECT 1"\nexpect = "maybe"', '"maybe" is not'),
        ('[[tests]]\nsubjekt = "a"', "subjekt: unknown key; write subject"),
        ('[defaults]\nexpect = "allow"\n[[tests]]', "defaults.expect: unknown key"),
        (
            '[[tests]]\nsubject = "a"\nstatement = "SELECT 1"\nexpect = "allow"\ntime = "now"',
            "tests[0].time: not a time with its zone",
        ),
        (
            '[[tests]]\nsubject = "a"\nstatement = "SELECT 1"\nexpect = "block"\ncolumns = ["a"]',
            "nothing is masked where block is expected",
        ),
        ("[[", "not TOML"),
    ],
)
def test_mistakes_in_a_file_of_tests(config: Path, tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(text)
    done = hoopgate(config, "policy", "test", file)
    assert done.returncode == 2
    assert told in done.stderr
