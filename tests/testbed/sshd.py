"""A private OpenSSH server, not as root, on a port of its own, with files of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.openssh import SYSTEM, OpenSSH
from testbed.parts import MissingPart
from testbed.ports import free_port
from testbed.process import Server, as_user, unprivileged_user

_SETTINGS = {
    "UsePAM": "no",
    "StrictModes": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "AcceptEnv": "*",
    "AllowTcpForwarding": "yes",
    "AllowAgentForwarding": "yes",
    "PermitTunnel": "no",
    "PrintMotd": "no",
    "LogLevel": "DEBUG3",
    # Sequence numbers count with these, not with AES-GCM.
    "Ciphers": "aes256-ctr",
    "MaxSessions": "100",
    "MaxStartups": "200",
}


_LISTENING = "Server listening on"


def keygen(path: Path, kind: str = "ed25519", *more: str) -> Path:
    """A key pair at ``path`` and ``path``.pub."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "testbed", "-f", path, *more]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return path


class SSHServer:
    """A server that runs between ``__enter__`` and ``__exit__``.

    :param settings: more lines of sshd_config.
    :param openssh: the installation whose sshd it is.
    :ivar root: the directory with the files that the account may use.
    :ivar user: the account that logs in, and that the server runs as.
    :ivar home: the directory in which its programs begin.
    :ivar key: the account's private key.
    :ivar known_hosts: a file that names the server's host key.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        openssh: OpenSSH = SYSTEM,
    ) -> None:
        if shutil.which("sshd", path="/usr/sbin:/usr/bin") is None:
            raise MissingPart("sshd", "apt-get install openssh-server   (or: make parts)")
        self._settings = {**_SETTINGS, **openssh.server_settings(), **(settings or {})}
        self._program = openssh.program("sshd")
        self._files = files or {}
        self.user = unprivileged_user() or pwd.getpwuid(os.getuid()).pw_name
        home = os.path.realpath(pwd.getpwnam(self.user).pw_dir)
        self.home = home if os.path.isdir(home) else "/"
        self.port = free_port()
        self._server: Server | None = None

    def __enter__(self) -> SSHServer:
        self.directory = Path(tempfile.mkdtemp(prefix="hoopgate-sshd-"))
        self.root = self.directory / "files"
        self.root.mkdir()
        self.key = keygen(self.directory / "account")
        self.host_key = keygen(self.directory / "host")
        self.known_hosts = self.directory / "known_hosts"
        public = self.host_key.with_suffix(".pub").read_text()
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {public}")
        for name, content in self._files.items():
            self.write(name, content)
        authorized = self.directory / "authorized_keys"
        authorized.write_text(self.key.with_suffix(".pub").read_text())
        self.restart({})
        return self

    def restart(self, settings: Mapping[str, str]) -> None:
        """Start the server (again) on its port, with more lines of sshd_config."""
        self.stop()
        config = self.directory / "sshd_config"
        lines = {
            "AuthorizedKeysFile": str(self.directory / "authorized_keys"),
            **self._settings,
            **settings,
        }
        config.write_text(
            "\n".join(
                [
                    f"ListenAddress {self.host}:{self.port}",
                    f"HostKey {self.host_key}",
                    "PidFile none",
                    "Subsystem sftp internal-sftp",
                    *(f"{key} {value}" for key, value in lines.items()),
                    "",
                ]
            )
        )
        self._hand_over()
        begun = self.log_text().count(_LISTENING)
        self._server = Server(
            [self._program, "-D", "-e", "-f", config],
            log=self.directory / "sshd.log",
            user=unprivileged_user(),
            group="tty",  # it hands terminals over to that group
            environment={"HOME": str(self.root), "USER": self.user},
            directory=self.root,
        )
        self._server.wait_until(lambda: self.log_text().count(_LISTENING) > begun, 120)

    def stop(self) -> None:
        """End the server; its files stay."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _hand_over(self) -> None:
        if unprivileged_user() is not None:
            subprocess.run(["chown", "-R", self.user, self.directory], check=True, timeout=60)

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name: str, content: bytes) -> Path:
        """A file below :attr:`root`, owned by the account."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._hand_over()
        return path

    def log_text(self) -> str:
        """What the server has logged so far."""
        path = self.directory / "sshd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, command: Sequence[str | Path]) -> str:
        """Run a command as the server's account."""
        done = subprocess.run(
            [*as_user(unprivileged_user()), *command],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout
