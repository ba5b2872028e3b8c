"""``hoopgate check`` and ``twistd hoopgate``: what they say about a settings file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from settings_file import REMOVE, File
from testbed.certificates import Certificates
from twisted.python import usage

from hoopgate import tap
from hoopgate.cli import check


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


def run(path: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    check.add(parser.add_subparsers())
    options = parser.parse_args(["check", "--config", str(path), *arguments])
    status: int = options.run(options)
    return status


def lines(text: str) -> set[str]:
    """Lines with runs of spaces made one."""
    return {" ".join(line.split()) for line in text.splitlines()}


def test_a_valid_file_is_explained(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    export = {
        "name": "export",
        "verdict": "approve",
        "reviewers": ["reviewers"],
        "match": {
            "classes": ["copy.to"],
            "resources": ["clinic"],
            "times": {"days": ["mon", "fri"], "from": "08:30", "zone": "UTC"},
        },
    }
    night = {"name": "night", "verdict": "block", "monitor": True, "match": {"flags": ["bulk"]}}
    file.write({"rules.1": export, "rules.2": night})
    assert run(file.path) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    pair = file.certificates.server
    assert {
        f"{file.path} is valid.",
        "postgres on tcp:5432 (TLS, token as password) → clinic".join(["main ", ""]),
        "clinic postgres tcp:host=db.example:port=5432, database phi",
        f"as gateway, password from {file.directory / 'password'}; "
        "TLS verify-full, trusting the system's authorities",
        "opened by tokens with scope hoopgate:clinic",
        "clinic public.patients.ssn SSN (secret) → redact",
        "1 read allow: group analysts",
        "2 export approve: resource clinic; class copy.to; mon and fri 08:30–24:00 UTC",
        "by reviewers within 15m",
        "3 night block (only reported): flag bulk",
        "analysts: agent",
        "note: no rule pack: only this file's rules and guards refuse",
    } <= lines(captured.out)
    assert str(pair.key) not in captured.out
    assert "hunter2" not in captured.out


def test_for_programs(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    settings = file.load()
    assert run(file.path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is True
    assert told["digest"] == settings.policy.digest
    assert told["resources"][0]["scope"] == "hoopgate:clinic"
    assert told["rules"] == [
        {"name": "read", "verdict": "allow", "monitor": False, "match": "group analysts"}
    ]


def test_mistakes_are_printed_and_counted_as_failure(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write({"node.name": REMOVE, "rules.0.verdict": "permit"})
    assert run(file.path) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
    assert run(file.path, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told == {"valid": False, "problems": captured.err.splitlines()}


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"labels": []}, "resource clinic holds PHI and has no labels: everything would be masked"),
        (
            {"labels": [], "policy.unlabelled": "public"},
            "resource clinic holds PHI and has no labels: nothing would be masked",
        ),
        (
            {"policy.unlabelled": "public"},
            "policy.unlabelled is public: a column that nobody has labelled is not masked",
        ),
        ({"rules": []}, "no rule allows anything: every statement would be refused"),
    ],
)
def test_what_is_probably_not_meant(
    file: File, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], note: str
) -> None:
    assert run(file.write(changes)) == 0
    assert f"note: {note}" in capsys.readouterr().out


def test_a_resource_nobody_serves(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    other = {**file.valid["resources"][0], "name": "other", "phi": False}
    assert run(file.write({"resources.1": other})) == 0
    told = capsys.readouterr().out
    assert "note: resource other is not served by any listener" in told
    assert "holds no PHI: nothing is resolved or masked" in told


def test_twistd_wants_a_settings_file() -> None:
    with pytest.raises(usage.UsageError, match="--config is required"):
        tap.Options().parseOptions([])


def test_twistd_prints_mistakes_without_traceback(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tap.Options()
    options.parseOptions(["--config", str(file.write({"node.name": REMOVE}))])
    with pytest.raises(SystemExit) as caught:
        tap.makeService(options)
    assert caught.value.code == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [f'{file.path}: node.name: missing; write name = "gw-1.example.org"']


def test_what_is_public_is_not_said_to_be_redacted(
    file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    public = {"resource": "clinic", "column": "public.codes.*", "level": "public"}
    file.write({"labels.1": public, "policy.min_group": 11})
    assert run(file.path) == 0
    shown = lines(capsys.readouterr().out)
    assert "clinic public.codes.* PUBLIC (public)" in shown
    assert "aggregates of secret columns cover 11 patients, or are refused" in shown


def no_guard(policy: object, resources: object) -> object:
    """A factory whose result judges nothing."""
    return object()


def test_a_guard_is_made_and_looked_at(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    file.write({"policy.guards": [f"{__name__}:no_guard"]})
    assert run(file.path) == 1
    assert f"{__name__}:no_guard does not provide IGuardrail" in capsys.readouterr().err
