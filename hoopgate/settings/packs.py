"""Rule packs that come with hoopgate: ``guardrails/packs/NAME.toml``, rules as in the settings."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

import hoopgate
from hoopgate.errors import SettingsError
from hoopgate.settings.model import Rule
from hoopgate.settings.reader import Problems, Table
from hoopgate.settings.rules import Vocabulary, rules

DIRECTORY = Path(hoopgate.__file__).parent / "guardrails" / "packs"


def names() -> tuple[str, ...]:
    """The packs there are."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.toml")))


def content(name: str) -> bytes:
    """A pack as it is on disk: what its digest is made of."""
    return (DIRECTORY / f"{name}.toml").read_bytes()


@functools.cache
def read_pack(name: str) -> tuple[Rule, ...]:
    """The rules of a pack, in order.

    :raises SettingsError: the pack is wrong.
    """
    problems = Problems(DIRECTORY / f"{name}.toml")
    root = Table(tomllib.loads(content(name).decode()), "", problems)
    root.text("description", "")
    found = rules(root.tables("rules"), Vocabulary())
    root.finish()
    if problems.lines:
        raise SettingsError(problems.lines)
    return found
