"""docs/architecture.md is about the tree as it is: its files are there, no room is left out."""

from __future__ import annotations

import re

import pytest
from testbed.parts import CHECKOUT

PACKAGE = CHECKOUT / "hoopgate"
PAGE = (CHECKOUT / "docs" / "architecture.md").read_text()
HOUSE = PAGE.partition("```\nhoopgate/\n")[2].partition("```")[0]
FILES = sorted({str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")})


def section(room: str) -> str:
    """What the page says of a protocol's folder."""
    return PAGE.partition(f"## {room}/, room by room\n")[2].partition("\n## ")[0]


def named(text: str) -> set[str]:
    """Names of files: ``x.py``, ``x*.py``."""
    return set(re.findall(r"([\w/*]+\.py)\b", text))


@pytest.mark.parametrize("name", sorted(named(PAGE)))
def test_files_that_are_named_are_there(name: str) -> None:
    pattern = re.compile(re.escape(name).replace(r"\*", r"\w*"))
    there = [*FILES, *(f"hoopgate/{one}" for one in FILES)]
    there += [f"tests/{path.name}" for path in CHECKOUT.glob("tests/*.py")]
    assert any(pattern.fullmatch(one) or pattern.fullmatch(one.rpartition("/")[2]) for one in there)


@pytest.mark.parametrize(
    "room", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
)
def test_every_room_is_in_the_house(room: str) -> None:
    assert re.search(rf"^ .*\b{room}/", HOUSE, re.MULTILINE)


@pytest.mark.parametrize("room", ["postgres", "mysql", "ssh", "http"])
def test_the_table_of_a_protocol_names_its_files(room: str) -> None:
    """Those of its own folder. What the table leaves out is no mistake: a room grows."""
    own = {name.rpartition("/")[2] for name in FILES if name.startswith(f"{room}/")}
    table = {
        name for line in section(room).splitlines() if line[:3] == "| `" for name in named(line)
    }
    assert len(table) > 15
    for name in table:
        assert name in own or ("*" in name and any(one.startswith(name[:4]) for one in own)), name
