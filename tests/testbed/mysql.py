"""A private MySQL 9 of Debian sid, which runs on its own C library (``tools/install-mysql``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from testbed.mariadb import MariaDB
from testbed.parts import CHECKOUT, MissingPart

ROOT = CHECKOUT / "var" / "parts" / "mysql"
#: Of the server and of its clients.
PLUGINS = ROOT / "usr" / "lib" / "mysql" / "plugin"
#: Written by ``tools/install-mysql`` where Debian sid has not been had.
UNAVAILABLE = ROOT.with_name("mysql-unavailable")


def unavailable() -> str:
    """Why it cannot be had on this machine; ``""`` where it is installed, or should be."""
    if (ROOT / "usr" / "sbin" / "mysqld").exists() or not UNAVAILABLE.exists():
        return ""
    return UNAVAILABLE.read_text().strip() or "no reason is known"


def program(name: str) -> list[str]:
    """The command line of one of its programs, ``usr/bin/mysqldump``, with its own C library.

    :raises MissingPart: it is not installed.
    """
    path = ROOT / name
    if not path.exists():
        raise MissingPart("MySQL 9", "tools/install-mysql")
    libraries = ROOT / "usr" / "lib"
    native = next(libraries.glob("*/ld-linux-*.so.*"))
    return [
        str(native),
        "--library-path",
        f"{native.parent}:{libraries / 'mysql' / 'private'}",
        str(path),
    ]


class MySQL(MariaDB):
    """As :class:`testbed.mariadb.MariaDB`. Accounts log in by caching_sha2_password only."""

    protocol = "mysql"
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "skip-log-bin": "",
        "skip-mysqlx": "",
        "secure-file-priv": "NULL",
        "innodb-buffer-pool-size": "24M",
        "innodb-redo-log-capacity": "8M",
        "innodb-flush-log-at-trx-commit": "0",
        "innodb-flush-method": "nosync",
        "innodb-fast-shutdown": "2",
        "performance-schema": "OFF",
        "character-set-server": "utf8mb4",
        "max-connections": "150",
        "max-allowed-packet": "64M",
        "default-time-zone": "+00:00",
    }

    def _find(self) -> None:
        self._daemon = [
            *program("usr/sbin/mysqld"),
            "--no-defaults",
            f"--lc-messages-dir={ROOT / 'usr' / 'share' / 'mysql'}",
            f"--plugin-dir={PLUGINS}",
        ]

    def _own_settings(self) -> list[str]:
        return []

    def _initialise(self, data: Path) -> None:
        bootstrap = data.parent / "bootstrap.sql"
        bootstrap.write_text(
            f"ALTER USER root@localhost IDENTIFIED BY '{self.password}';\n"
            f"CREATE USER root@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        bootstrap.chmod(0o644)
        self._run_to_end(
            [
                *(*self._daemon, "--initialize-insecure", f"--datadir={data}"),
                *("--innodb-redo-log-capacity=8M", "--secure-file-priv=NULL"),
                f"--init-file={bootstrap}",
            ],
            data.parent,
        )
