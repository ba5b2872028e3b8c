"""docs/architecture.md is about the tree as it is: its files are there, and no room is left out."""

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


def test_what_lies_beside_the_rooms_is_in_the_house() -> None:
    beside = {one for one in FILES if "/" not in one} - {"__init__.py"}
    assert beside <= named(HOUSE)


@pytest.mark.parametrize("room", ["postgres", "mysql", "ssh", "http"])
def test_no_file_of_a_protocol_is_left_out(room: str) -> None:
    """A file that one was split into goes with it: ``wire_heads`` with ``wire``."""
    known = {name.removesuffix(".py").rstrip("*_") for name in named(section(room))}
    assert known
    for file in FILES:
        folder, _, name = file.rpartition("/")
        stem = name.removesuffix(".py")
        if folder == room and stem != "__init__":
            words = stem.split("_")
            prefixes = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
            assert prefixes & known, f"{file}: say on the page what it is for"
