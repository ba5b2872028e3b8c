"""The proxies that hoopgate is held against, as small as they go: one process, one thread."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from testbed.certificates import Certificates
from testbed.parts import debian
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.process import Server, unprivileged_user

#: Clients of a yardstick, the 200 idle ones included.
CONNECTIONS = 400


class Yardstick:
    """A proxy in front of ``postgres`` that runs until :meth:`stop`.

    :ivar port: on 127.0.0.1.
    """

    def __init__(self, directory: Path, program: Path, arguments: list[str], content: str) -> None:
        directory.mkdir(mode=0o755, exist_ok=True)
        config = directory / "config"
        config.write_text(content)
        self._server = Server(
            [program, *arguments, config], log=directory / "log", user=_given_to(directory)
        )
        self._server.wait_until(self._listens, 10)

    port: int

    @property
    def pid(self) -> int:
        return self._server.pid

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._server.stop()


class PgBouncer(Yardstick):
    """pgbouncer in session mode: one backend connection per client, as hoopgate has.

    It asks its clients for no password: the login is no part of what is measured.
    """

    def __init__(
        self,
        directory: Path,
        postgres: Postgres,
        database: str,
        account: tuple[str, str],
        certificates: Certificates | None = None,
    ) -> None:
        """:param certificates: with it clients must speak TLS."""
        program = debian("pgbouncer", "pgbouncer")
        self.port = free_port()
        directory.mkdir(mode=0o755, exist_ok=True)
        tls = "client_tls_sslmode = disable"
        if certificates is not None:
            tls = "client_tls_sslmode = require\n"
            for name, file in (
                ("key", certificates.server.key),
                ("cert", certificates.server.certificate),
            ):
                # A copy that the unprivileged account may read
                shutil.copyfile(file, directory / file.name)
                tls += f"client_tls_{name}_file = {directory / file.name}\n"
        user, password = account
        backend = f"host={postgres.host} port={postgres.port} user={user} password={password}"
        super().__init__(
            directory,
            program,
            [],
            f"""[databases]
{database} = {backend} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = session
default_pool_size = {CONNECTIONS}
max_client_conn = {CONNECTIONS}
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
{tls}
""",
        )


class HAProxy(Yardstick):
    """haproxy that passes bytes on, TCP mode."""

    def __init__(self, directory: Path, postgres: Postgres) -> None:
        program = debian("haproxy", "haproxy")
        self.port = free_port()
        super().__init__(
            directory,
            program,
            ["-db", "-f"],
            f"""global
    nbthread 1
    maxconn {CONNECTIONS}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:{self.port}
    server postgres {postgres.host}:{postgres.port}
""",
        )


def _given_to(directory: Path) -> str | None:
    """pgbouncer refuses root: the account that runs it, and owns its files."""
    user = unprivileged_user()
    if user is not None:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, user)
    return user
