"""The gateway as its users run it: ``twistd --nodaemon hoopgate`` on a settings file."""

from __future__ import annotations

import copy
import http.client
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from testbed.certificates import Certificates, write_private
from testbed.ports import free_port
from testbed.postgres import Postgres, conninfo
from testbed.process import Server

#: The script, not ``python -m twisted``: that would load plugins of the working directory.
TWISTD = Path(sys.executable).with_name("twistd")


def settings_for(
    directory: Path,
    certificates: Certificates,
    postgres: Postgres,
    *,
    issuers: Sequence[Mapping[str, Any]],
    groups: Mapping[str, Any],
    rules: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]] = (),
    database: str = "clinic",
    user: str = "postgres",
    password: str | None = None,
    resource: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    **sections: Any,
) -> dict[str, Any]:
    """Settings with one TLS listener and one resource ``clinic``, to change and to write.

    :param issuers: tables of ``[[issuers]]``.
    :param groups: the table ``[directory]``, or ``{group: [subjects]}``.
    :param labels: tables of ``[[labels]]``; ``resource`` is filled in.
    :param user: the backend account; ``password`` is its own (default: the superuser's).
    :param resource: more keys of the resource.
    :param sections: more sections, e.g. ``limits={…}``.
    """
    secret = directory / "clinic.password"
    secret.unlink(missing_ok=True)
    write_private(secret, (postgres.password if password is None else password).encode())
    return {
        "node": {
            "name": "gw.testbed.example",
            "state_dir": str(directory / "state"),
            "metrics": f"tcp:{free_port()}:interface=127.0.0.1",
            "drain_time": "2s",
        },
        "listeners": [
            {
                "name": "postgres",
                "protocol": "postgres",
                "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
                "tls": {
                    "certificate": str(certificates.server.certificate),
                    "key": str(certificates.server.key),
                },
                "resources": ["clinic"],
            }
        ],
        "issuers": [dict(one) for one in issuers],
        "directory": copy.deepcopy(dict(groups))
        if "kind" in groups
        else {"groups": copy.deepcopy(dict(groups))},
        "resources": [
            {
                "name": "clinic",
                "protocol": "postgres",
                "target": f"{postgres.host}:{postgres.port}",
                "database": database,
                "credentials": {"user": user, "password": {"file": str(secret)}},
                "tls": {"mode": "verify-full", "ca_file": str(certificates.ca)},
                **(resource or {}),
            }
        ],
        "labels": [{"resource": "clinic", **one} for one in labels],
        "policy": {"packs": ["hipaa-baseline"], **(policy or {})},
        "rules": [copy.deepcopy(dict(one)) for one in rules],
        **sections,
    }


class Gateway:
    """A node that runs between ``__enter__`` and ``__exit__``.

    :param settings: the content of hoopgate.toml, see :func:`settings_for`; kept in ``settings``,
        change it and call :meth:`reload`.
    :param arguments: options of twistd itself.
    :ivar port: of the first listener, on 127.0.0.1.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        certificates: Certificates,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.settings: dict[str, Any] = copy.deepcopy(dict(settings))
        self.certificates = certificates
        self.config = directory / "hoopgate.toml"
        self.state_dir = Path(self.settings["node"]["state_dir"])
        self.port = _port(self.settings["listeners"][0]["endpoint"])
        self.metrics_port = _port(self.settings["node"]["metrics"])
        self._arguments = arguments
        self._environment = environment
        self._log = directory / "twistd.log"
        self._server: Server | None = None

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write(self) -> None:
        """Write ``settings`` to the settings file."""
        self.config.write_text(tomli_w.dumps(self.settings))

    def start(self) -> None:
        """Start the node (again) on its directory and ports; it is ready on return.

        :raises ServerFailed: it did not come up; the text ends with its log.
        """
        self.write()
        command: list[str | Path] = [TWISTD, "--nodaemon", "--pidfile=", *self._arguments]
        self._server = Server(
            [*command, "hoopgate", "--config", self.config],
            log=self._log,
            directory=self.directory,
            environment=self._environment,
        )
        self._server.wait_until(self.healthy, 120)

    def healthy(self) -> bool:
        """True when /healthz says so."""
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the metrics listener.

        :raises OSError: nobody answers.
        """
        connection = http.client.HTTPConnection(self.host, self.metrics_port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        assert self._server is not None
        return self._server.pid

    def reload(self, until: str = "node.reload", timeout: float = 60.0) -> None:
        """Write ``settings``, send SIGHUP, wait until the log says ``until`` once more."""
        assert self._server is not None
        before = self.log_text().count(until)
        self.write()
        self._server.send(signal.SIGHUP)
        deadline = time.monotonic() + timeout
        while self.log_text().count(until) == before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {until} in the log: {self.log_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 60.0) -> int:
        """Ask the node to stop and wait; its exit status, minus the signal when it ended by one.

        twistd, having closed everything, ends by the signal it got. 0 when it is not running.
        """
        server, self._server = self._server, None
        return 0 if server is None else server.stop(number, timeout)

    def kill(self) -> None:
        """End the node and its children as a power cut would."""
        server, self._server = self._server, None
        if server is not None:
            server.kill()

    def log_text(self) -> str:
        """Everything the node printed so far."""
        return self._log.read_text(errors="replace")

    def dsn(self, token: str, user: str = "agent", database: str = "clinic", **more: object) -> str:
        """A libpq connection string with the token as the password."""
        address = (self.host, self.port)
        return conninfo(address, self.certificates, database, user, token, **more)


def _port(endpoint: str) -> int:
    return int(endpoint.split(":")[1])
