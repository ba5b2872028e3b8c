"""Which command lines show what the data dictionary names: refused, or masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopgate.events import Judged, Operation, OperationFacts, Principal, SessionFacts
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.settings.model import (
    CommandEntry,
    Label,
    LabelClass,
    Match,
    Policy,
    Resource,
    Rule,
    SSHBackend,
)
from hoopgate.shell.readers import shows_names_only
from hoopgate.verdicts import Block, Mask, Verdict

SESSION = SessionFacts(
    "s-1",
    Principal("https://idp", "agent", frozenset(), 2e9, frozenset({"analysts"})),
    "ward",
    "ssh",
    "",
    "127.0.0.1",
    "main",
)
WARD = Resource(
    "ward",
    "ssh",
    "tcp:a:22",
    "a",
    "",
    "ward",
    "u",
    phi=True,
    ssh=SSHBackend(Path("known_hosts"), "a"),
)
LABELS = (
    Label("ward", "/d/*.csv#ssn", "SSN"),
    Label("ward", "/d/notes/*", "NOTE"),
    Label("ward", "/d/public/*", "PUBLIC", LabelClass.PUBLIC),
)
ENTRY = CommandEntry(
    "all",
    frozenset({"cat", "head", "grep", "ls", "wc", "tac"}),
    options=("-r", "-l"),
    paths=("/*",),
)
ALLOW = Rule("run", "allow", Match(classes=frozenset({"ssh.exec"})))
DIRECTORIES = ("/d", "/d/notes", "/d/public", "/", "/e")


def judge(*words: str) -> Verdict:
    paths = [word for word in words[1:] if word.startswith("/")]
    facts = OperationFacts(
        classes=frozenset({"ssh.exec"}),
        text=" ".join(words),
        attributes={
            "ssh.command": ((words[0], ""),),
            "ssh.path": (("", ""),),
            "ssh.word": tuple((word, "") for word in words),
            "ssh.resolved": tuple((path, path) for path in paths),
            "ssh.file": tuple(
                (path, "directory" if path in DIRECTORIES else "file") for path in paths
            ),
        },
    )
    pipeline = make_pipeline(Policy((ALLOW,), (), LABELS, "", commands=(ENTRY,)), {"ward": WARD})
    operation = Operation(facts.text, (facts,))
    return pipeline.judge(Judged(operation, (facts,), (None,)), SESSION, 1.7e9).verdict


@pytest.mark.parametrize(
    "words",
    [
        ("head", "/d/people.csv"),
        ("tac", "/d/people.csv"),
        ("head", "/d/sub/people.csv"),
        ("head", "/d/notes/1"),
        ("cat", "/d/notes/1", "/d/public/x"),
        ("cat", "/d/public/x", "/d/people.csv"),
        ("cat", "-l", "/d/people.csv"),
        ("grep", "-r", "/d"),
        ("grep", "-r", "/d/notes"),
        ("grep", "-r", "/"),
        ("head", "/d/public/people.csv"),  # the one says that it is public, the other what is in it
    ],
    ids=" ".join,
)
def test_what_would_be_shown_unmasked(words: tuple[str, ...]) -> None:
    verdict = judge(*words)
    assert isinstance(verdict, Block)
    assert verdict.reason == "phi.unmasked"
    assert verdict.remedy


@pytest.mark.parametrize(
    "words",
    [
        ("cat", "/d/people.csv"),
        ("cat", "--", "/d/notes/1"),
        ("ls", "-l", "/d"),
        ("ls", "/d/people.csv"),
        ("wc", "-l", "/d/people.csv"),
        ("head", "/d/public/readme"),
        ("head", "/d/other.txt"),
        ("grep", "-r", "/e"),
        ("cat", "/d/public/x", "/d/other.txt"),
    ],
    ids=" ".join,
)
def test_what_is_masked_or_shows_nothing(words: tuple[str, ...]) -> None:
    assert isinstance(judge(*words), Mask)


def test_names_may_be_in_a_file() -> None:
    """What does not exist is named in the errors of wc and du: line by line, the file."""
    assert shows_names_only(("wc", "-l", "/d/people.csv"))
    for option in ("--files0-from=/d/people.csv", "--files0=/d/people.csv", "--f=/d/people.csv"):
        assert not shows_names_only(("wc", option))
