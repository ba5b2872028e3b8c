"""OpenSSH's programs in the two versions of the matrix: Debian 12's own, and version 10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.parts import CHECKOUT, MissingPart


@dataclass(frozen=True, slots=True)
class OpenSSH:
    """An installation.

    :ivar name: for the ids of tests.
    :ivar root: the directory that holds ``usr``.
    :ivar percent: how its client is given one percent sign in a user name.
    """

    name: str
    root: Path
    percent: str = "%"

    def program(self, name: str) -> Path:
        """``ssh``, ``scp``, ``sftp``, ``sshd`` …

        :raises MissingPart: it is not installed.
        """
        for directory in ("usr/bin", "usr/sbin"):
            path = self.root / directory / name
            if path.exists():
                return path
        raise MissingPart(f"{self.name}: {name}", "tools/install-parts")

    def server_settings(self) -> dict[str, str]:
        """Where sshd of an installation beside the system's finds its parts."""
        if self.root == Path("/"):
            return {}
        parts = self.root / "usr/lib/openssh"
        return {"SshdSessionPath": f"{parts}/sshd-session", "SshdAuthPath": f"{parts}/sshd-auth"}


SYSTEM = OpenSSH("system", Path("/"))
TEN = OpenSSH("openssh10", CHECKOUT / "var" / "parts" / "openssh", "%%")
