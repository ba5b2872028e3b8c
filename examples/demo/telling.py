"""How a story is told: numbered titles, what somebody types, what comes of it."""

from __future__ import annotations

import json
import shlex
import subprocess

from terminal import command, output, title
from world import World


class StoryFailed(Exception):
    """Something did not happen as told."""


def expect(outcome: object, what: str) -> None:
    """The story goes on only if ``outcome`` is true.

    :raises StoryFailed: it is not.
    """
    if not outcome:
        raise StoryFailed(f"this was to happen and did not: {what}")


class Telling:
    """Runs what it shows.

    :ivar _secrets: what may never be shown.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0
        self._secrets: set[str] = set()

    def _title(self, text: str) -> None:
        self._number += 1
        title(self._number, text)

    def _decide(self, who: str, line: str, status: int) -> str:
        command("reviewer", f"be {who} {line}")
        answer = self._run(["be", who, *shlex.split(line)], status)
        output(answer, table="list" in line)
        return answer

    def _typed(self, line: str, status: int = 0) -> str:
        command("quiet", line)
        return self._run(shlex.split(line), status)

    def _sessions(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._hoopgate("sessions", "--json").split("\n")]

    def _hoopgate(self, *words: str) -> str:
        return self._run(["hoopgate", *words], 0)

    def _run(self, words: list[str], status: int) -> str:
        done = subprocess.run(
            words,
            env=self._world.environment,
            cwd=self._world.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        wanted = f"{shlex.join(words)} was to end with {status}"
        expect(done.returncode == status, f"{wanted}, not {done.returncode}: {done.stdout}")
        return done.stdout.rstrip("\n")

    def _no_secret_in(self, text: str) -> None:
        found = [one for one in self._secrets if one.upper() in text.upper()]
        expect(not found, "no patient's name, number or address is shown")
