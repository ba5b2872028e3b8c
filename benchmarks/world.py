"""Everything a run needs, private and on loopback: PostgreSQL, issuer, gateways, yardsticks."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pgbench import Target
from testbed.certificates import Certificates
from testbed.clinic import AGENT_PASSWORD, AGENTS, GROUPS, REVIEWERS, SCHEMA, clients
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer
from testbed.ports import free_port
from testbed.postgres import Postgres
from usage import Meter
from yardsticks import CONNECTIONS, HAProxy, PgBouncer

DATABASE = "clinic"
ACCOUNTS = 100_000

#: Both columns have the same type and width: the database has the same work with either.
POINT_SELECT = "\\set id random(1, {accounts})\nSELECT {column} FROM accounts WHERE id = :id;\n"
PLAIN = POINT_SELECT.format(accounts=ACCOUNTS, column="balance")
MASKED = POINT_SELECT.format(accounts=ACCOUNTS, column="holder")

#: 23 bytes of frame and lengths, 84 of data: 107 per row in text format.
_TABLES = """
CREATE TABLE accounts (id integer PRIMARY KEY, branch integer, balance text, holder text);
INSERT INTO accounts
    SELECT i, i % 100, lpad((i * 7)::text, 16, '0'), lpad('Holder' || i, 16, 'x')
    FROM generate_series(1, {accounts}) AS i;
CREATE TABLE readings (id integer, ward integer, value integer, note text);
INSERT INTO readings
    SELECT 1000000 + i, 1000 + i % 100, 100000 + i % 1000, rpad('Note of patient ' || i, 67, '.')
    FROM generate_series(1, {rows}) AS i;
GRANT SELECT ON accounts, readings TO agent;
"""
READINGS = "SELECT id, ward, value, note FROM readings"

LABELS = [
    {"resource": "clinic", "column": "public.accounts.holder", "kind": "NAME"},
    {"resource": "clinic", "column": "public.readings.note", "kind": "NOTE"},
]
RULES = [{"name": "analysts", "verdict": "allow", "match": {"groups": ["analysts"]}}]

#: Resource → its ``phi``. All are the same database; labels are for ``clinic`` alone.
RESOURCES = {"clinic": True, "unlabelled": True, "plain": False}

_WHO = "executor"
#: A token is good for longer; no run shall meet its end.
_TOKEN_SECONDS = 120.0


class World:
    """The servers of a run; each gateway and yardstick starts when it is first asked for.

    :param rows: of the table ``readings``.
    """

    def __init__(self, stack: ExitStack, rows: int) -> None:
        self._stack = stack
        self.rows = rows
        # Not /tmp, which may be in memory: the log's fdatasync is part of what is measured.
        self.disk = Path(stack.enter_context(_directory("/var/tmp")))
        self.memory = Path(stack.enter_context(_directory("/dev/shm")))
        self.certificates = Certificates(self.disk / "certificates")
        self.postgres = stack.enter_context(
            Postgres(
                15,
                self.certificates,
                settings={
                    "shared_buffers": "256MB",
                    "max_connections": str(CONNECTIONS),
                    "max_wal_size": "1GB",
                },
            )
        )
        self.postgres.create_database(DATABASE, SCHEMA.read_text())
        self.postgres.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'")
        self.postgres.psql(_TABLES.format(accounts=ACCOUNTS, rows=rows), DATABASE)
        self.postgres.psql("VACUUM ANALYZE accounts, readings", DATABASE)
        self.postgres.psql("CHECKPOINT", DATABASE)
        self._issuer = stack.enter_context(
            TestIssuer(clients(), {**AGENTS, **REVIEWERS}, self.certificates)
        )
        self._token = ("", float("-inf"))
        self._gateways: dict[str, Gateway] = {}
        self._meters: dict[int, Meter] = {}
        self._bouncers: dict[bool, PgBouncer] = {}
        self._haproxy: HAProxy | None = None

    # --- where to connect to --------------------------------------------------------------------

    def direct(self, *, tls: bool = False) -> Target:
        """PostgreSQL itself."""
        return Target("direct", self._environment(self.postgres.port, tls=tls))

    def pgbouncer(self, *, tls: bool = False) -> Target:
        """pgbouncer, plaintext to the backend."""
        if tls not in self._bouncers:
            bouncer = PgBouncer(
                self.disk / f"pgbouncer{'-tls' if tls else ''}",
                self.postgres,
                DATABASE,
                ("agent", AGENT_PASSWORD),
                self.certificates if tls else None,
            )
            self._stack.callback(bouncer.stop)
            self._bouncers[tls] = bouncer
        bouncer = self._bouncers[tls]
        return Target(
            "pgbouncer", self._environment(bouncer.port, tls=tls), self._meter(bouncer.pid)
        )

    def haproxy(self) -> Target:
        """haproxy, TCP mode."""
        if self._haproxy is None:
            self._haproxy = HAProxy(self.disk / "haproxy", self.postgres)
            self._stack.callback(self._haproxy.stop)
        meter = self._meter(self._haproxy.pid)
        return Target("haproxy", self._environment(self._haproxy.port), meter)

    def hoopgate(
        self,
        name: str = "hoopgate",
        *,
        resource: str = "clinic",
        tls: bool = False,
        packs: bool = True,
        disk: bool = True,
    ) -> Target:
        """A gateway, plaintext to the backend.

        :param name: what it is called in the tables.
        :param packs: with the pack of rules that is in force by default.
        :param disk: it records on the disk; else in memory.
        """
        gateway = self.gateway(packs=packs, disk=disk)
        listener = gateway.settings["listeners"][1 if tls else 0]
        environment = self._environment(
            int(listener["endpoint"].split(":")[1]),
            tls=tls,
            account=(_WHO, self.token()),
            database=resource,
        )
        return Target(name, environment, self._meter(gateway.pid))

    def token(self) -> str:
        """A token that outlives the run it is for."""
        token, taken = self._token
        if time.monotonic() - taken > _TOKEN_SECONDS:
            token = self._issuer.token(_WHO, resources=["hoopgate"])
            self._token = (token, time.monotonic())
        return token

    def gateway(self, *, packs: bool = True, disk: bool = True) -> Gateway:
        """The gateway itself, running."""
        key = f"gateway{'' if packs else '-no-packs'}{'' if disk else '-in-memory'}"
        if key not in self._gateways:
            directory = self.disk / key
            directory.mkdir()
            settings = self._settings(directory, packs)
            if not disk:
                settings["recording"] = {"directory": str(self.memory / key)}
            self._gateways[key] = self._stack.enter_context(
                Gateway(directory, settings, self.certificates)
            )
        return self._gateways[key]

    # --- parts ------------------------------------------------------------------------------------

    def _settings(self, directory: Path, packs: bool) -> dict[str, Any]:
        settings = settings_for(
            directory,
            self.certificates,
            self.postgres,
            issuers=[
                {
                    "name": "embedded",
                    "url": self._issuer.url,
                    "audiences": ["hoopgate"],
                    "ca_file": str(self.certificates.ca),
                }
            ],
            groups=GROUPS,
            rules=RULES,
            user="agent",
            password=AGENT_PASSWORD,
            policy={"packs": ["hipaa-baseline"] if packs else [], "unlabelled": "public"},
        )
        settings["labels"] = LABELS
        (encrypted,) = settings["listeners"]
        encrypted |= {"name": "encrypted", "resources": list(RESOURCES)}
        plaintext = {
            **encrypted,
            "name": "plaintext",
            "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
        }
        del plaintext["tls"]
        settings["listeners"] = [plaintext, encrypted]
        (resource,) = settings["resources"]
        settings["resources"] = [
            {
                **resource,
                "name": name,
                "scope": "hoopgate:clinic",
                "phi": phi,
                "tls": {"mode": "disable"},
            }
            for name, phi in RESOURCES.items()
        ]
        return settings

    def _environment(
        self,
        port: int,
        *,
        tls: bool = False,
        account: tuple[str, str] = ("agent", AGENT_PASSWORD),
        database: str = DATABASE,
    ) -> Mapping[str, str]:
        encryption = {"PGSSLMODE": "disable"}
        if tls:
            encryption = {
                "PGSSLMODE": "verify-full",
                "PGSSLROOTCERT": str(self.certificates.ca),
            }
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": account[0],
            "PGPASSWORD": account[1],
            "PGDATABASE": database,
            "PGCONNECT_TIMEOUT": "20",
            **encryption,
        }

    def _meter(self, pid: int) -> Meter:
        # Made once: a gateway's children are there when it is ready, and stay.
        if pid not in self._meters:
            self._meters[pid] = Meter(pid)
        return self._meters[pid]


@contextmanager
def _directory(parent: str) -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="hoopgate-bench-", dir=parent)
    Path(path).chmod(0o755)  # servers that run as somebody else have their files in here
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running_world(rows: int) -> Iterator[World]:
    """The servers; everything is stopped and removed at the end."""
    with ExitStack() as stack:
        yield World(stack, rows)


def proxies(world: World, through: Sequence[str], *, tls: bool = False) -> list[Target]:
    """The targets to compare, ``direct`` first."""
    made = [world.direct(tls=tls)]
    if "pgbouncer" in through:
        made.append(world.pgbouncer(tls=tls))
    if "haproxy" in through and not tls:  # it knows nothing of how TLS starts in this protocol
        made.append(world.haproxy())
    return made
