"""A psql session as a person has one: a statement at a time, what it prints as it comes."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable

from world import World

#: Printed by psql itself when everything before it is done.
_DONE = "--done--"


class Psql:
    """``be WHO psql`` with pipes for keyboard and screen.

    :raises TimeoutError: psql stayed silent.
    """

    def __init__(self, who: str, world: World) -> None:
        self._child = subprocess.Popen(
            ["be", who, "psql", "--no-psqlrc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=world.environment,
            cwd=world.directory,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, text: str) -> str:
        """Send a statement or a backslash command; everything it prints."""
        self.send(text)
        return self.until(lambda line: line == _DONE)

    def send(self, text: str) -> None:
        """Send it and do not wait."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{text}\n\\echo {_DONE}\n")
        self._child.stdin.flush()

    def rest(self) -> str:
        """What is left of the answer to :meth:`send`."""
        return self.until(lambda line: line == _DONE)

    def until(self, last: Callable[[str], bool], timeout: float = 60.0) -> str:
        """The lines up to the one that ``last`` recognises; it is part of them unless psql's mark.

        :param timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        lines: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"psql stayed silent after: {lines[-3:]}") from None
            if line is None:
                return "\n".join(lines)
            if line != _DONE:
                lines.append(line)
            if last(line):
                return "\n".join(lines).rstrip("\n")

    def close(self) -> int:
        """Leave as ``\\q`` does; the exit status."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        return self._child.wait(10)

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)
