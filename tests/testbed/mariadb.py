"""A private MariaDB (or MySQL) server: TLS on, its own data directory and port."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pymysql

from testbed.certificates import Certificates, write_private
from testbed.parts import CACHE, debian
from testbed.ports import free_port
from testbed.process import Server, ServerFailed, as_user, unprivileged_user

_LOG_SIZE = "--innodb-log-file-size=8M"
_SETTINGS: Mapping[str, str] = {
    "skip-log-bin": "",
    "innodb-buffer-pool-size": "24M",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-flush-method": "nosync",
    "innodb-fast-shutdown": "2",
    "performance-schema": "OFF",
    "character-set-server": "utf8mb4",
    "max-connections": "150",
    "max-allowed-packet": "64M",
    "default-time-zone": "+00:00",
    "plugin-maturity": "beta",
}


class MariaDB:
    """A server that runs between ``__enter__`` and ``__exit__``.

    :param settings: more server settings, e.g. ``{"general-log": "ON"}``.
    :ivar port: TCP port on 127.0.0.1 (plaintext and TLS).
    :ivar socket: path of the unix socket.
    :ivar password: of the superuser ``root``.
    """

    host = "127.0.0.1"
    user = "root"
    password = "testbed-superuser"
    protocol = "mariadb"
    SETTINGS: ClassVar[Mapping[str, str]] = _SETTINGS

    def __init__(
        self, certificates: Certificates, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self.certificates = certificates
        self._settings = {**self.SETTINGS, **(settings or {})}
        self._account = unprivileged_user()
        self._server: Server | None = None
        self.port = 0
        self._find()

    def _find(self) -> None:
        daemon = debian("mariadbd", "mariadb-server")
        self._daemon = [str(daemon), "--no-defaults"]
        self._install = debian("mariadb-install-db", "mariadb-server")

    def __enter__(self) -> MariaDB:
        # A unix socket's path has 107 bytes at most: keep it short, outside of pytest's own.
        self._root = Path(tempfile.mkdtemp(prefix="hgmy-"))
        self._log = self._root / "server.log"
        self._data = self._root / "data"
        self.socket = self._root / "server.sock"
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.stop()
            shutil.rmtree(self._root, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def _prepare(self) -> None:
        shutil.copytree(self._template(), self._data)
        write_private(self._root / "server.key", self.certificates.server.key.read_bytes())
        shutil.copyfile(self.certificates.server.certificate, self._root / "server.crt")
        shutil.copyfile(self.certificates.ca, self._root / "ca.crt")
        self._give(self._root)

    def _give(self, path: Path) -> None:
        if self._account is not None:
            subprocess.run(["chown", "-R", self._account, path], check=True)

    def _template(self) -> Path:
        """A fresh data directory to copy, made once: installing takes seconds."""
        release = subprocess.run(
            [*self._daemon, "--version"], text=True, capture_output=True, check=True
        ).stdout.strip()
        key = hashlib.sha256(f"{release} {self.password} 2".encode()).hexdigest()[:12]
        template = CACHE / f"{self.protocol}-{key}"
        if template.exists():
            return template
        with tempfile.TemporaryDirectory(prefix="hgmy-init-") as scratch:
            root = Path(scratch)
            data = root / "data"
            self._give(root)
            self._initialise(data)
            CACHE.mkdir(parents=True, exist_ok=True)
            # Another test process may be making the same: whoever renames first wins.
            fresh = Path(tempfile.mkdtemp(prefix="fresh-", dir=CACHE))
            shutil.copytree(data, fresh / "data")
            try:
                (fresh / "data").rename(template)
            except OSError:
                if not template.exists():
                    raise
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return template

    def _initialise(self, data: Path) -> None:
        self._run_to_end(
            [
                *(self._install, "--no-defaults", f"--datadir={data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", _LOG_SIZE),
                *("--skip-name-resolve", "--innodb-flush-method=nosync"),
            ],
            data.parent,
        )
        bootstrap = data.parent / "bootstrap.sql"
        bootstrap.write_text(
            "FLUSH PRIVILEGES;\n"
            f"ALTER USER root@localhost IDENTIFIED BY '{self.password}';\n"
            f"ALTER USER root@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
        )
        with bootstrap.open() as script:
            self._run_to_end(
                [*self._daemon, f"--datadir={data}", "--bootstrap", _LOG_SIZE],
                data.parent,
                stdin=script,
            )

    def _run_to_end(self, command: Sequence[str | Path], directory: Path, **more: Any) -> None:
        done = subprocess.run(
            [*as_user(self._account), *command],
            text=True,
            capture_output=True,
            cwd=directory,
            env={**os.environ, "TMPDIR": str(directory)},  # ours may be closed to its account
            timeout=180,
            check=False,
            **more,
        )
        if done.returncode != 0:
            raise ServerFailed(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _command(self) -> list[str | Path]:
        return [
            *(*self._daemon, f"--datadir={self._data}", f"--port={self.port}"),
            *(f"--socket={self.socket}", f"--bind-address={self.host}", "--skip-name-resolve"),
            *(f"--ssl-cert={self._root / 'server.crt'}", f"--ssl-key={self._root / 'server.key'}"),
            f"--ssl-ca={self._root / 'ca.crt'}",
            *self._own_settings(),
            *(f"--pid-file={self._root / 'server.pid'}", f"--tmpdir={self._root}"),
            *(f"--{k}={v}" if v else f"--{k}" for k, v in self._settings.items()),
        ]

    def _own_settings(self) -> list[str]:
        return [_LOG_SIZE]

    def start(self) -> None:
        """Start the server (again); the port stays once it is chosen.

        :raises ServerFailed: it did not come up.
        """
        for attempt in range(3):
            self.port = self.port or free_port()
            server = Server(
                self._command(),
                log=self._log,
                user=self._account,
                directory=self._root,
                orphan_signal="KILL",
            )
            self._server = server
            try:
                server.wait_until(self._answers, 120)
            except ServerFailed:
                if attempt == 2 or "in use" not in server.log_text():
                    raise
                self.port = 0
                continue
            return

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        self.connect().close()
        return True

    def stop(self) -> None:
        """Stop the server: sessions are closed. Nothing happens when it is not running."""
        if self._server is not None:
            self._server.stop(signal.SIGTERM)
            self._server = None

    def log_text(self) -> str:
        """What the server printed."""
        return self._log.read_text(errors="replace")

    def connect(self, database: str | None = None, **more: Any) -> Any:
        """A connection of the superuser by PyMySQL, over the unix socket."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            **more,
        )

    def sql(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last."""
        connection = self.connect(database)
        rows: list[tuple[Any, ...]] = []
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def create_database(self, name: str, schema: str = "") -> None:
        """Make a database and run a script in it: statements that end with ``;`` and a newline."""
        statements = [one for one in schema.split(";\n") if one.strip()]
        self.sql(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}`")
        self.sql(*statements, database=name) if statements else None

    def create_account(
        self, name: str, identified: str, grants: Sequence[str] = (), require: str = ""
    ) -> None:
        """Make an account: ``IDENTIFIED {identified} REQUIRE {require}``, then its grants.

        :param grants: e.g. ``SELECT ON clinic.*``.
        """
        requirement = f" REQUIRE {require}" if require else ""
        self.sql(
            f"DROP USER IF EXISTS '{name}'@'%'",
            f"CREATE USER '{name}'@'%' IDENTIFIED {identified}{requirement}",
            *(f"GRANT {grant} TO '{name}'@'%'" for grant in grants),
        )
