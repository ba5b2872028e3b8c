"""``[[commands]]``: what is no entry, and what is one that means something else than it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settings_file import File
from testbed.certificates import Certificates


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> File:
    return File(tmp_path, certificates)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"options": ["n"]}, '"n" is no option'),
        ({"paths": ["data/*"]}, '"data/*" is not absolute'),
        ({"arguments": ["*"], "options": ["-e *"]}, '"-e *" takes the place of the first argument'),
        ({"arguments": ["*"], "options": ["-n", "-f /d/*"]}, '"-f /d/*" takes the place'),
        ({"arguments": ["*"], "options": ["--file=/d/*"]}, '"--file=/d/*" takes the place'),
        ({"arguments": ["*"], "options": ["--fil *"]}, '"--fil *" takes the place'),
        ({"arguments": ["*"], "options": ["--regexp=*"]}, '"--regexp=*" takes the place'),
        ({"arguments": ["*"], "options": ["-*"]}, '"-*" takes the place'),
        ({"arguments": ["*"], "options": ["--*"]}, '"--*" takes the place'),
        ({"arguments": ["*"], "options": ["-f*"]}, '"-f*" takes the place'),
        (
            {"programs": ["/usr/bin/sed"], "arguments": ["p"], "options": ["-e *"]},
            "of /usr/bin/sed",
        ),
        ({"resources": ["nowhere"]}, "nowhere"),
    ],
)
def test_what_is_wrong_is_said(file: File, entry: dict[str, Any], said: str) -> None:
    problems = file.problems({"commands": [{"name": "x", "programs": ["grep"], **entry}]})
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    "entry",
    [
        {"options": ["-e *", "-f /d/*"]},
        {"arguments": ["*"], "options": ["-n", "-c", "--color=*"]},
        {"programs": ["tail"], "arguments": ["*"], "options": ["-f"]},
    ],
)
def test_what_is_right_is_taken(file: File, entry: dict[str, Any]) -> None:
    found = file.load(commands=[{"name": "x", "programs": ["grep"], **entry}])
    assert found.policy.commands[0].options == tuple(entry["options"])
