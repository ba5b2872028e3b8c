"""A server as a child process: its output in a file, its end certain."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class ServerFailed(Exception):
    """A server ended or stayed silent before it was ready; the text ends with its log's tail."""


def unprivileged_user() -> str | None:
    """Who runs servers that refuse root: None when we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("running as root and neither user postgres nor user nobody exists")


def as_user(user: str | None, orphan_signal: str = "TERM", group: str | None = None) -> list[str]:
    """What to put before a command so that ``user`` runs it and it does not outlive us.

    :param group: one that ``user`` is to be in beside its own, where there is a user.
    """
    prefix = ["setpriv", "--pdeathsig", orphan_signal]
    if user is not None:
        entry = pwd.getpwnam(user)
        prefix += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}"]
        prefix += ["--clear-groups" if group is None else f"--groups={group}"]
    return [*prefix, "--"]


class Server:
    """Starts ``command``, collects what it prints in ``log``, and stops it.

    :param user: run as this user (only root may say so), with ``group`` beside its own.
    :param orphan_signal: sent by the kernel when the test process dies, so that nothing is left.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        orphan_signal: str = "TERM",
        group: str | None = None,
    ) -> None:
        self.log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*as_user(user, orphan_signal, group), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._child.pid

    def running(self) -> bool:
        """False once the process has ended."""
        return self._child.poll() is None

    def log_text(self) -> str:
        """Everything the server printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Poll ``ready`` until it is true.

        :param timeout: seconds.
        :raises ServerFailed: the process ended or the time is up; it is killed then.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            ended = self._child.poll()
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                what = "not ready in time" if ended is None else f"ended with status {ended}"
                tail = self.log_text()[-4000:]
                raise ServerFailed(f"{self._name}: {what}; its log ends:\n{tail}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 60.0) -> int:
        """Ask the server to stop and wait; kill it after ``timeout`` seconds. Its exit status."""
        self.send(number)
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill the server and everything in its process group; its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        return self._child.wait(60)
