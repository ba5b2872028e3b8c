"""Tokens, budgets and words in place of values: what their settings mean, and each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settings_file import File
from testbed.certificates import Certificates, write_private

from hoopgate.cli.main import main
from hoopgate.phi.tokens import parse_keys
from hoopgate.plans import Method
from hoopgate.settings.model import Budget, Match, Secret, TokenSettings

TOKEN_LABEL = {
    "resource": "clinic",
    "column": "public.patients.mrn",
    "kind": "MRN",
    "method": "token",
}
KEYS = {"resources.0.tokens": {"keys": {"file": "tokens"}}, "labels.1": TOKEN_LABEL}


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    write_private(tmp_path / "tokens", f"1 {'ab' * 32}\n".encode())
    return File(tmp_path, certificates)


def test_what_valid_settings_mean(file: File, tmp_path: Path) -> None:
    settings = file.load(
        resources__0__tokens={"keys": {"file": "tokens"}, "lifetime": "2d", "entries": 5},
        labels__1={**TOKEN_LABEL, "joins": True},
        labels__2={"resource": "clinic", "column": "a.b.id", "level": "public", "patient": True},
        rules__0__tokens=["MRN"],
        budgets=[
            {"name": "hourly", "cells": 100},
            {
                "name": "daily",
                "queries": 7,
                "window": "1d",
                "verdict": "approve",
                "reviewers": ["reviewers"],
                "expires": "1m",
                "match": {"groups": ["analysts"], "issuers": ["login"], "resources": ["cli*"]},
            },
        ],
    )
    keys = Secret(file=tmp_path / "tokens")
    assert settings.resources["clinic"].tokens == TokenSettings(keys, 2 * 86_400.0, 5)
    mrn, identity = settings.policy.labels[1:]
    assert (mrn.method, mrn.joins, identity.patient) == (Method.TOKEN, True, True)
    assert settings.policy.rules[0].tokens == {"MRN"}
    assert settings.policy.budgets == (
        Budget("hourly", cells=100),
        Budget(
            "daily",
            Match(
                groups=frozenset({"analysts"}),
                issuers=frozenset({"https://login.example"}),
                resources=frozenset({"cli*"}),
            ),
            queries=7,
            window_seconds=86_400.0,
            verdict="approve",
            reviewers=frozenset({"reviewers"}),
            expires=60.0,
        ),
    )
    assert settings.policy.digest != file.load().policy.digest


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"labels.1": TOKEN_LABEL}, "labels[1].method: there are no keys to make tokens with"),
    (
        {**KEYS, "labels.1": {**TOKEN_LABEL, "kind": "medical number"}},
        'labels[1].kind: "medical number" cannot stand in a token',
    ),
    (
        {**KEYS, "labels.1": {**TOKEN_LABEL, "level": "public"}},
        "labels[1].method: a public column comes as it is",
    ),
    ({"labels.0.joins": True}, "labels[0].joins: has no meaning without tokens"),
    (
        {"labels.0.as_text": True, "labels.0.method": "null"},
        'labels[0].as_text: has no meaning for method "null"',
    ),
    ({"resources.0.tokens": {}}, "resources[0].tokens.keys: missing"),
    ({**KEYS, "rules.0.tokens": ["NRM"]}, 'rules[0].tokens: "NRM" is not known; write one of MRN'),
    (
        {**KEYS, "rules.0": {"name": "x", "verdict": "block", "tokens": ["MRN"]}},
        "rules[0].tokens: a block lets nobody use one",
    ),
    ({"budgets": [{"name": "x"}]}, "budgets[0].cells: nothing is counted"),
    ({"budgets": [{"name": "x", "cells": 0}]}, "budgets[0].cells: 0 is too small"),
    (
        {"budgets": [{"name": "x", "cells": 1, "window": "10s"}]},
        "budgets[0].window: shorter than a minute",
    ),
    (
        {"budgets": [{"name": "x", "cells": 1, "verdict": "approve"}]},
        "budgets[0].reviewers: missing: nobody could approve",
    ),
    (
        {"budgets": [{"name": "x", "cells": 1, "reviewers": ["reviewers"]}]},
        'budgets[0].reviewers: has no meaning for verdict "block"',
    ),
    (
        {"budgets": [{"name": "x", "cells": 1, "match": {"groups": ["analyst"]}}]},
        'budgets[0].match.groups: "analyst" is not known; write analysts',
    ),
    (
        {"budgets": [{"name": "x", "cells": 1}, {"name": "x", "cells": 1}]},
        'budgets[1].name: two budgets are called "x"',
    ),
]


@pytest.mark.parametrize(("changes", "expected"), MISTAKES)
def test_mistakes(file: File, changes: dict[str, Any], expected: str) -> None:
    assert any(expected in line for line in file.problems(changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (KEYS, "tokens of kind MRN can be read, and no rule lets anybody use one"),
        (
            {"resources.0.tokens": KEYS["resources.0.tokens"]},
            "resource clinic has keys for tokens, and no label says",
        ),
        (
            {"budgets": [{"name": "x", "cells": 1}]},
            "no label says patient = true: budgets count every row as another patient",
        ),
    ],
)
def test_what_is_probably_not_meant(
    file: File, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], expected: str
) -> None:
    assert main(["check", "--config", str(file.write(changes))]) == 0
    assert expected in capsys.readouterr().out


def test_a_key_is_added_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    for epoch in (1, 2):
        assert main(["token-key", str(path)]) == 0
        assert f"epoch {epoch} was added" in capsys.readouterr().out
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(parse_keys(path.read_text())) == list(range(1, epoch + 1))
    first = path.read_text().splitlines()[0]
    assert len(first.split()[1]) == 64
    path.write_text("nonsense\n")
    assert main(["token-key", str(path)]) == 2
    assert "token" not in path.read_text()
    assert path.read_text() == "nonsense\n"
