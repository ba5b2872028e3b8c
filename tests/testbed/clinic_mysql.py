"""The clinic on MariaDB or MySQL behind the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

from testbed.certificates import Certificates
from testbed.clinic import AGENTS, GROUPS, LABELS, REVIEWERS, clients
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer
from testbed.mariadb import MariaDB

SCHEMA = Path(__file__).with_name("clinic_mysql.sql")

AGENT_PASSWORD = "backend-account-of-the-gateway"

RULES: list[dict[str, Any]] = [
    {
        "name": "bulk-update",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "classes": ["update"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "A change of the clinic's data.",
    },
    {
        "name": "analysts",
        "verdict": "allow",
        "match": {"groups": ["analysts", "exporters"]},
    },
]


def grants(database: str) -> list[str]:
    """What the gateway's account needs: the clinic's data, and a scratch schema of its own."""
    return [
        f"SELECT, INSERT, UPDATE, DELETE, SHOW VIEW, EXECUTE, TRIGGER ON `{database}`.* ",
        "CREATE VIEW, SHOW VIEW, SELECT, DROP ON hoopgate_scratch.* ",
    ]


def labels(database: str) -> list[dict[str, Any]]:
    """The clinic's labels, with the database in the place of PostgreSQL's schema."""

    def moved(column: str) -> str:
        return f"{database}.{column.removeprefix('public.')}"

    return [
        {
            **label,
            "column": moved(label["column"])
            if isinstance(label["column"], str)
            else [moved(one) for one in label["column"]],
        }
        for label in LABELS
    ]


def make_database(server: MariaDB, database: str, identified: str = "") -> None:
    """The clinic's database and the account ``agent``, which logs in by ``identified``."""
    server.create_database(database, SCHEMA.read_text())
    server.sql("CREATE DATABASE IF NOT EXISTS hoopgate_scratch")
    server.create_account("agent", identified or f"BY '{AGENT_PASSWORD}'", grants(database))


class MysqlClinic:
    """A running gateway with its issuer and its backend."""

    def __init__(
        self, gateway: Gateway, issuer: TestIssuer, server: MariaDB, database: str
    ) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.server = server
        self.database = database

    def token(self, who: str = "executor") -> str:
        """A fresh token."""
        return self.issuer.token(who, resources=["hoopgate"])

    def connect(self, who: str = "executor", **more: Any) -> Any:
        """A connection of PyMySQL through the gateway, with a fresh token."""
        options: dict[str, Any] = {
            "host": self.gateway.host,
            "port": self.gateway.port,
            "user": who,
            "database": "clinic",
            "autocommit": True,
            "ssl": {"ca": str(self.gateway.certificates.ca)},
            "connect_timeout": 30,
            "read_timeout": 60,
            **more,
        }
        if "password" not in options:
            options["password"] = self.token(who)
        return pymysql.connect(**options)


def settings(
    directory: Path, certificates: Certificates, server: MariaDB, issuer: TestIssuer, database: str
) -> dict[str, Any]:
    """Settings of a node with one listener and one resource ``clinic`` of the server's dialect."""
    standin: Any = server  # only its address is looked at
    found = settings_for(
        directory,
        certificates,
        standin,
        issuers=[
            {
                "name": "embedded",
                "url": issuer.url,
                "audiences": ["hoopgate"],
                "ca_file": str(certificates.ca),
            }
        ],
        groups=GROUPS,
        rules=RULES,
        labels=labels(database),
        database=database,
        user="agent",
        password=AGENT_PASSWORD,
    )
    found["listeners"][0].update(name=server.protocol, protocol=server.protocol)
    found["resources"][0].update(protocol=server.protocol)
    return found


@contextmanager
def running_mysql_clinic(
    directory: Path,
    certificates: Certificates,
    server: MariaDB,
    *,
    database: str = "clinic",
    identified: str = "",
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[MysqlClinic]:
    """Make the database, start issuer and gateway.

    :param identified: how the account is identified at the backend.
    :param adjust: changes the settings before the gateway starts.
    """
    make_database(server, database, identified)
    with TestIssuer(clients(), {**AGENTS, **REVIEWERS}, certificates) as issuer:
        found = settings(directory, certificates, server, issuer, database)
        adjust(found)
        with Gateway(directory, found, certificates, environment=environment) as gateway:
            yield MysqlClinic(gateway, issuer, server, database)
