"""docs/rules.md: every example is valid, and gives the verdicts that stand below it."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from testbed.parts import CHECKOUT

from hoopgate.events import ColumnRef, Judged, Principal, SessionFacts, Statement
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.phi.labels import LabelSet
from hoopgate.settings.load import load_policy
from hoopgate.settings.model import Resource
from hoopgate.settings.packs import read_pack
from hoopgate.sql.analysis import analyze
from hoopgate.sql.classes import CLASSES, FLAGS

PAGE = (CHECKOUT / "docs" / "rules.md").read_text()
EXAMPLES = re.findall(
    r"^```toml\n(.*?)^```$(?:\n\n```verdicts\n(.*?)^```$)?", PAGE, re.DOTALL | re.MULTILINE
)
MONDAY = datetime.datetime(2026, 3, 2, 3, 0, tzinfo=datetime.UTC).timestamp()
BASE = """
[node]
name = "gw"
state_dir = "state"

[[listeners]]
name = "pg"
protocol = "postgres"
endpoint = "tcp:6432:interface=127.0.0.1"
resources = ["clinic"]

[[issuers]]
name = "partner"
url = "https://login.example.org"
audiences = ["hoopgate"]

[directory.groups]
analysts = ["a"]
operators = ["o"]
privacy-office = ["p"]

[[resources]]
name = "clinic"
protocol = "postgres"
target = "127.0.0.1:5432"
database = "clinic"
credentials = { user = "u", password = { environment = "X" } }
tls = { mode = "disable" }

[[labels]]
resource = "clinic"
column = "public.encounters.note"
kind = "NOTE"
"""
RESOURCE = Resource("clinic", "postgres", "tcp:x:1", "x", "clinic", "s", "u", phi=False)


def session(group: str) -> SessionFacts:
    who = Principal("https://login.example.org", "a", frozenset(), 2e9, frozenset({group}))
    return SessionFacts("ses-1", who, "clinic", "postgres", "clinic", "127.0.0.1", "pg")


@pytest.mark.parametrize(("rules", "verdicts"), EXAMPLES)
def test_examples(rules: str, verdicts: str, tmp_path: Path) -> None:
    file = tmp_path / "hoopgate.toml"
    file.write_text(BASE + rules)
    policy = load_policy(file)
    assert policy.rules
    pipeline = make_pipeline(policy, {"clinic": RESOURCE})
    for line in verdicts.splitlines():
        asked = re.fullmatch(r"(\w+): (.+?) +→ (\w+) (\S+)(?: \((\S+)\))?", line)
        assert asked, line
        group, text, verdict, rule, monitored = asked.groups()
        facts = analyze(text)
        judged = Judged(Statement(text), facts, (None,) * len(facts))
        outcome = pipeline.judge(judged, session(group), MONDAY)
        found = type(outcome.verdict).__name__.lower(), outcome.verdict.rule
        assert found == (verdict, rule), line
        assert outcome.monitored == ((monitored,) if monitored else ()), line


def test_the_labels_of_masking_are_valid(tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "masking.md").read_text()
    blocks = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    labels, groups, budgets = blocks
    file = tmp_path / "hoopgate.toml"
    file.write_text(BASE + groups)
    assert load_policy(file).min_group == 11
    file.write_text(BASE + labels + budgets)
    policy = load_policy(file)
    found = LabelSet("clinic", policy.labels)
    assert [(one.name, one.cells, one.verdict) for one in policy.budgets] == [
        ("analysts-hourly", 50_000, "approve")
    ]

    def kind(table: str, column: str) -> str:
        label = found.lookup(ColumnRef("public", table, column))
        assert label is not None
        return f"{label.kind} {label.level.value} {label.method.value}"

    assert kind("patients", "ssn") == "PHI secret redact"
    assert kind("patients", "dob") == "DOB quasi generalise"
    assert kind("codes", "dx") == "PUBLIC public redact"
    assert kind("encounters", "note") == "NOTE secret redact"


def test_examples_are_worked() -> None:
    assert len(EXAMPLES) >= 8
    assert sum(bool(verdicts) for _, verdicts in EXAMPLES) >= 7


def rows(heading: str) -> dict[str, str]:
    """First cell → the rest, of the table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE))


def test_lists_are_complete() -> None:
    assert rows("Statement classes") == CLASSES
    assert rows("Flags") == FLAGS


def test_the_pack_is_as_listed() -> None:
    listed = {name: text.partition(" | ")[0] for name, text in rows("Packs").items()}
    assert listed == {rule.name: rule.verdict for rule in read_pack("hipaa-baseline")}
    for rule in read_pack("hipaa-baseline"):
        words = re.findall(r"`([^`]+)`", rows("Packs")[rule.name])
        assert set(words) == rule.match.classes | rule.match.flags
