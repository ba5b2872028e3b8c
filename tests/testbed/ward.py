"""A ward's file server behind the gateway: what the end-to-end tests of SSH start from."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.clinic import AGENTS, GROUPS, REVIEWERS
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.openssh import SYSTEM, OpenSSH
from testbed.ports import free_port
from testbed.sshd import SSHServer

COMMANDS: list[dict[str, Any]] = [
    {"name": "identity", "programs": ["id", "hostname", "true", "false", "pwd"]},
    {"name": "echo", "programs": ["echo", "printf"], "arguments": ["*"]},
    {
        "name": "look",
        "programs": ["ls", "cat", "head", "wc", "sha256sum"],
        "options": ["-l", "-a", "-n *", "-c"],
        "paths": ["{root}/public/*"],
    },
    {
        "name": "search",
        "programs": ["grep"],
        "options": ["-n", "-i", "-c"],
        "arguments": ["*"],
        "paths": ["{root}/public/*"],
    },
    {"name": "slow", "programs": ["sleep", "seq"], "arguments": ["*"]},
    {"name": "copy", "programs": ["tee"], "paths": ["{root}/public/*"]},
]

RULES: list[dict[str, Any]] = [
    {
        "name": "held",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "ssh": {"command": ["hostname"]}},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "The host's name is a secret.",
    },
    {
        "name": "files",
        "verdict": "allow",
        "match": {
            "groups": ["analysts", "exporters"],
            "classes": [
                "sftp.stat",
                "sftp.list",
                "sftp.read",
                "sftp.write",
                "sftp.attributes",
                "sftp.make",
                "sftp.remove",
                "sftp.rename",
            ],
            "ssh": {"path": ["{root}/public", "{root}/public/*"]},
        },
    },
    {
        "name": "where",
        "verdict": "allow",
        "match": {"groups": ["analysts", "exporters"], "classes": ["sftp.stat"]},
    },
    {
        "name": "programs",
        "verdict": "allow",
        "match": {"groups": ["analysts", "exporters"], "classes": ["ssh.exec", "sftp.session"]},
    },
]

FILES: dict[str, bytes] = {
    "public/readme.txt": b"hello ward\n",
    "public/lines.txt": b"".join(b"line %d\n" % number for number in range(2000)),
    "secret/patients.csv": b"name,ssn\nAda Example,123-45-6789\n",
}


def _filled(value: Any, root: str) -> Any:
    if isinstance(value, str):
        return value.replace("{root}", root)
    if isinstance(value, list):
        return [_filled(one, root) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, root) for key, one in value.items()}
    return value


HOOPGATE = Path(sys.executable).with_name("hoopgate")


class Ward:
    """A running gateway with its issuer and its SSH server.

    :ivar authority: public key of whoever certifies the gateway's account, where a test has one.
    :ivar home: directory for what clients keep: known_hosts, keys, control sockets.
    """

    def __init__(
        self, gateway: Gateway, issuer: TestIssuer, server: SSHServer, directory: Path
    ) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.server = server
        self.authority: Path | None = None
        self._tokens: dict[str, str] = {}
        self._credentials: dict[str, tuple[str, str, float]] = {}
        self.home = directory / "home"
        self.home.mkdir(exist_ok=True)
        self.known_hosts = self.home / "known_hosts"
        key = (gateway.state_dir / "keys" / "ssh_host_ed25519_key.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{gateway.port} {key}")

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.gateway.port

    def restart(self) -> None:
        """Start the gateway again, with the settings as they are now."""
        self.gateway.stop()
        self._credentials.clear()  # they ended with it
        self.gateway.start()

    def token(self, who: str = "executor") -> str:
        """A token; the same one for a while, because a client's start takes its time."""
        if who not in self._tokens:
            self._tokens[who] = self.issuer.token(who, resources=["hoopgate"])
        return self._tokens[who]

    def credential(self, who: str = "executor", lifetime: int = 600) -> tuple[str, str]:
        """A session credential, its name and its password; the same one for a while."""
        found = self._credentials.get(who)
        if found is None or time.monotonic() > found[2]:
            body = {"resource": "ward", "lifetime": str(lifetime)}
            page = self.admin("POST", "/v1/credentials", who, body)
            found = page["user"], page["password"], time.monotonic() + lifetime / 2
            self._credentials[who] = found
        return found[:2]

    def admin(
        self, method: str, path: str, who: str, body: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Ask the node's admin socket with a token."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.gateway.state_dir / "admin.sock"))
            headers = {
                "Authorization": f"Bearer {self.token(who)}",
                "Content-Type": "application/json",
            }
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            page: dict[str, Any] = json.loads(response.read())
            assert response.status == 200, page
            return page
        finally:
            connection.close()

    def memory(self) -> int:
        """Bytes that the gateway holds in memory (VmRSS)."""
        text = Path(f"/proc/{self.gateway.pid}/status").read_text()
        line = next(one for one in text.splitlines() if one.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def sessions(self) -> list[str]:
        """Ids of sessions, in the order in which they were opened."""
        lines = self.gateway.log_text().splitlines()
        return [json.loads(line)["session"] for line in lines if '"session.open"' in line]

    def replay(self, session: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        """``hoopgate replay`` of a session that is over."""
        closed = f'"event": "session.close", "session": "{session}"'
        self.wait_until(lambda: closed in self.gateway.log_text())
        command = [HOOPGATE, "replay", session, "--config", self.gateway.config, *options]
        done: list[subprocess.CompletedProcess[bytes]] = []

        def shown() -> bool:
            done.append(subprocess.run(command, capture_output=True, timeout=60))
            return done[-1].returncode == 0  # the last checkpoint may not have it yet

        self.wait_until(shown)
        return done[-1]

    def approval(self, approval: str) -> str:
        """The state of a request for approval."""
        page = self.admin("GET", f"/v1/approvals/{approval}", "rita")
        return str(page["state"])

    def decide(self, approval: str, step: str, who: str) -> None:
        """Approve or deny a request."""
        self.admin("POST", f"/v1/approvals/{approval}/{step}", who, {"reason": "as discussed"})

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Look again and again."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    def options(self) -> list[str]:
        """Options of OpenSSH's clients: nothing of the user's own, and no questions."""
        return [
            *("-F", "none", "-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none"),
            *(
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "IdentityFile=none",
                "-o",
                "NumberOfPasswordPrompts=1",
            ),
            *("-o", "PreferredAuthentications=password", "-o", "ConnectTimeout=60"),
        ]

    def environment(self, password: str) -> dict[str, str]:
        """Makes OpenSSH ask for the password where nobody is."""
        script = self.home / "askpass"
        if not script.exists():
            script.write_text('#!/bin/sh\nprintf "%s\\n" "$HOOPGATE_TEST_PASSWORD"\n')
            script.chmod(0o700)
        return {
            **os.environ,
            "SSH_ASKPASS": str(script),
            "SSH_ASKPASS_REQUIRE": "force",
            "HOOPGATE_TEST_PASSWORD": password,
        }

    def ssh(
        self,
        *command: str,
        who: str = "executor",
        options: Sequence[str] = (),
        input: bytes = b"",
        timeout: float = 60,
        openssh: OpenSSH = SYSTEM,
    ) -> subprocess.CompletedProcess[bytes]:
        """OpenSSH's client with a session credential.

        :param openssh: whose client it is; version 10 wants the percent sign doubled.
        """
        return self.run_as(
            who,
            lambda user: [
                *(str(openssh.program("ssh")), *self.options(), *options, "-p", str(self.port)),
                *(f"{user}{openssh.percent}ward@127.0.0.1", *command),
            ],
            input=input,
            timeout=timeout,
        )

    def run_as(
        self,
        who: str,
        command: Callable[[str], Sequence[str]],
        *,
        input: bytes = b"",
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a client of OpenSSH's with a new session credential.

        :param command: makes it from the credential's name.
        """
        user, password = self.credential(who)
        return subprocess.run(
            command(user),
            env=self.environment(password),
            input=input,
            capture_output=True,
            timeout=timeout,
            check=False,
        )


@contextmanager
def running_ward(
    directory: Path,
    certificates: Certificates,
    *,
    commands: list[dict[str, Any]] | None = None,
    rules: list[dict[str, Any]] | None = None,
    resource: Mapping[str, Any] | None = None,
    ssh: Mapping[str, Any] | None = None,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
    server: Mapping[str, str] | None = None,
    openssh: OpenSSH = SYSTEM,
    people: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Ward]:
    """Start SSH server, issuer and gateway.

    :param resource: more keys of the resource; ``ssh``: of its table ``ssh``.
    :param adjust: changes the settings before the gateway starts.
    :param server: more lines of sshd_config; ``openssh``: whose sshd it is.
    :param people: tables ``[users.NAME]`` of the issuer's, who may use the client ``device``.
    """
    clients = {
        name: client(secret, scopes=["hoopgate:ward", "other"])
        for name, secret in AGENTS.items()
        if name != "stranger"
    }
    clients["stranger"] = client(AGENTS["stranger"], scopes=["other"])
    for name, secret in REVIEWERS.items():
        clients[name] = client(secret, scopes=["hoopgate:approve"])
    more: dict[str, Any] = {}
    if people is not None:
        clients["device"] = client(scopes=["hoopgate:ward"], device=True)
        more["users"] = {name: dict(entry) for name, entry in people.items()}
    secrets = {**AGENTS, **REVIEWERS}
    with (
        SSHServer(server, FILES, openssh) as sshd,
        TestIssuer(clients, secrets, certificates, **more) as issuer,
    ):
        settings = {
            "node": {
                "name": "gw.testbed.example",
                "state_dir": str(directory / "state"),
                "metrics": f"tcp:{free_port()}:interface=127.0.0.1",
                "drain_time": "2s",
            },
            "listeners": [
                {
                    "name": "ssh",
                    "protocol": "ssh",
                    "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
                    "resources": ["ward"],
                }
            ],
            "issuers": [
                {
                    "name": "embedded",
                    "url": issuer.url,
                    "audiences": ["hoopgate"],
                    "ca_file": str(certificates.ca),
                }
            ],
            "directory": {"groups": GROUPS},
            "resources": [
                {
                    "name": "ward",
                    "protocol": "ssh",
                    "target": f"{sshd.host}:{sshd.port}",
                    "phi": False,
                    "credentials": {"user": sshd.user},
                    "ssh": {
                        "known_hosts": str(sshd.known_hosts),
                        "key": str(sshd.key),
                        **(ssh or {}),
                    },
                    **(resource or {}),
                }
            ],
            "policy": {"packs": []},
            "commands": _filled(COMMANDS if commands is None else commands, str(sshd.root)),
            "rules": _filled(RULES if rules is None else rules, str(sshd.root)),
        }
        adjust(settings)
        with Gateway(directory, settings, certificates) as gateway:
            yield Ward(gateway, issuer, sshd, directory)
