"""Two servers that differ in PHI alone, behind one gateway, and beside it for comparison."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pymysql
from mytwin_wire import Client
from testbed.certificates import Certificates
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer, client
from testbed.mariadb import MariaDB
from testbed.mysql import MySQL

HERE = Path(__file__).parent
PASSWORD = "backend-account-of-the-twins"
TWINS = ("twin_one", "twin_two")

SECRETS = {
    **dict.fromkeys(
        f"phi.patients.{name}" for name in ("ssn", "name", "dob", "mrn", "email", "zip", "notes")
    ),
    **dict.fromkeys(
        [
            "phi.encounters.note",
            "phi.account.mrn",
            "phi.account.pin",
            "phi.ledger.mrn",
            "phi.derived.pin",
            "phi.unkeyed.who",
            "phi.keyed_by_name.name",
            "phi.parted.pin",
            "phi.touched.who",
            "phi.triggered.secret",
            "phi.searched.body",
            "phi.odd ?table.se cret",
            "phi.versioned.who",
            "phi.hidden.code",
            "phi.shapes.spot",
            "phi.checked.secret",
            "phi.ranged.born",
            "phi.defaulted.who",
            "phi.mixed.secret",
            "phi.dated.who",
            "phi.tree.who",
            "phi.visits.who",
            "phi.counted.acct",
            "phi.latin.nm",
            *(f"phi.raw.{name}" for name in ("data", "flag", "big")),
            *(
                f"phi.binaries.{name}"
                for name in ("photo", "bits", "amount", "y", "t", "ts", "kind", "tags")
            ),
        ]
    ),
}


class World:
    """The running pair.

    :ivar servers: of the twins.
    """

    def __init__(self, servers: list[MariaDB], gateway: Gateway, issuer: TestIssuer) -> None:
        self.servers = servers
        self._gateway = gateway
        self._issuer = issuer
        self._kept = [_dump(server) for server in servers]

    def client(self, side: int) -> Client:
        """A session through the gateway."""
        for _ in range(5):
            try:
                return self._login(side)
            except pymysql.MySQLError:
                time.sleep(1)  # the machine is busy
        return self._login(side)

    def _login(self, side: int) -> Client:
        return Client(
            host=self._gateway.host,
            port=self._gateway.port,
            user="agent",
            password=self._issuer.token("agent", resources=["hoopgate"]),
            database=TWINS[side],
            autocommit=True,
            ssl={"ca": str(self._gateway.certificates.ca)},
        )

    def direct(self, side: int) -> Client:
        """A session on the server, nothing in between."""
        return Client(
            unix_socket=str(self.servers[side].socket),
            user="agent",
            password=PASSWORD,
            database="phi",
            autocommit=True,
        )

    def anew(self, *, alike: bool = False) -> None:
        """Make both databases anew: nothing is left of earlier cases, statistics among it.

        :param alike: both get the first twin's rows.
        """
        for side, server in enumerate(self.servers):
            fill(server, 1 if alike else side + 1)

    def settle(self) -> None:
        """Undo what a case has left behind."""
        for server, kept in zip(self.servers, self._kept, strict=True):
            now = _dump(server)
            old, new = (
                {row for row in rows if len(row) == 2 and isinstance(row[1], str)}
                for rows in (kept, now)
            )
            for name, kind in new - old if old <= new else ():
                word = {"BASE TABLE": "TABLE", "SEQUENCE": "SEQUENCE"}.get(kind, kind)
                if word in ("TABLE", "VIEW", "PROCEDURE", "FUNCTION", "SEQUENCE"):
                    server.sql(f"DROP {word} IF EXISTS phi.`{name.replace('`', '``')}`")
                    now = _dump(server)
            if now != kept:
                fill(server, self.servers.index(server) + 1)


def _dump(server: MariaDB) -> list[tuple[Any, ...]]:
    """What objects there are, and a checksum of their rows."""
    objects = server.sql(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'phi'"
        " UNION SELECT routine_name, routine_type FROM information_schema.routines"
        " WHERE routine_schema = 'phi' ORDER BY 1, 2"
    )
    tables = ", ".join(
        "phi.`" + name.replace("`", "``") + "`" for name, kind in objects if kind == "BASE TABLE"
    )
    columns = server.sql(
        "SELECT table_name, column_name, column_type FROM information_schema.columns"
        " WHERE table_schema = 'phi' UNION ALL"
        " SELECT table_name, index_name, column_name FROM information_schema.statistics"
        " WHERE table_schema = 'phi' UNION ALL"
        " SELECT table_name, constraint_name, constraint_type"
        " FROM information_schema.table_constraints WHERE table_schema = 'phi' UNION ALL"
        " SELECT event_object_table, trigger_name, event_manipulation"
        " FROM information_schema.triggers WHERE trigger_schema = 'phi' UNION ALL"
        " SELECT event_name, 'event', status FROM information_schema.events"
        " WHERE event_schema = 'phi' ORDER BY 1, 2, 3"
    )
    return [*objects, *columns, *(server.sql(f"CHECKSUM TABLE {tables}") if tables else [])]


def fill(server: MariaDB, side: int) -> None:
    """The database ``phi`` of a twin, made anew."""
    script = (HERE / "mytwin_schema.sql").read_text()
    rows = _sequences((HERE / "mytwin_fill.sql").read_text().replace("{side}", str(side)))
    server.sql(
        *(f"KILL {row[0]}" for row in server.sql(_OTHERS)),
    ) if server.sql(_OTHERS) else None
    server.create_database("phi", script + "\n" + rows)
    server.sql("ANALYZE TABLE patients, encounters, codes, account", database="phi")


def _sequences(script: str) -> str:
    """MariaDB's tables of numbers as MySQL can have them, too."""
    numbers = (
        r"(WITH RECURSIVE s(seq) AS (SELECT \1 UNION ALL SELECT seq + 1 FROM s WHERE seq < \2)"
        r" SELECT seq FROM s) AS numbers"
    )
    return re.sub(r"\bseq_(\d+)_to_(\d+)", numbers, script)


_OTHERS = "SELECT id FROM information_schema.processlist WHERE user = 'agent' AND info LIKE '%phi%'"


def settings(
    directory: Path, certificates: Certificates, servers: list[MariaDB], issuer: TestIssuer
) -> dict[str, Any]:
    """hoopgate.toml: one listener, the two resources, everything allowed but for PHI."""
    standin: Any = servers[0]
    made = settings_for(
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
        groups={"agents": ["agent"]},
        rules=[{"name": "all", "verdict": "allow", "match": {"groups": ["agents"]}}],
        user="agent",
        password=PASSWORD,
        database="phi",
        policy={"packs": []},  # what labels refuse is tried alone
    )
    (template,) = made["resources"]
    made["resources"] = [
        {
            **template,
            "name": name,
            "scope": "hoopgate:twins",
            "protocol": standin.protocol,
            "target": template["target"].replace(str(servers[0].port), str(server.port)),
        }
        for name, server in zip(TWINS, servers, strict=True)
    ]
    made["listeners"][0].update(
        name=standin.protocol, protocol=standin.protocol, resources=list(TWINS)
    )
    made["labels"] = [
        {"resource": resource, "column": column, **how}
        for resource in TWINS
        for column, how in [
            *((name, {"kind": name.rpartition(".")[2].upper().strip()}) for name in SECRETS),
            ("phi.*.*", {"kind": "NONE", "level": "public"}),
        ]
    ]
    return made


@contextmanager
def running_world(*, mysql: bool = False) -> Iterator[World]:
    """The twins, an issuer and a gateway; gone afterwards.

    :param mysql: on MySQL 9, not MariaDB.
    """
    # In memory where there is room: databases are made anew again and again.
    memory = Path("/dev/shm")
    tempfile.tempdir = str(memory) if memory.is_dir() else None
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hgmytwin-")))
        certificates = Certificates(directory)
        kind = MySQL if mysql else MariaDB
        servers = [stack.enter_context(kind(certificates)) for _ in TWINS]
        for side, server in enumerate(servers):
            server.sql("CREATE DATABASE hoopgate_scratch")
            fill(server, side + 1)
            server.create_account(
                "agent",
                f"BY '{PASSWORD}'",
                ["ALL ON phi.*", "FILE ON *.*", "ALL ON hoopgate_scratch.*"],
            )
        clients = {"agent": client("agent-secret", scopes=["hoopgate:twins"])}
        issuer = stack.enter_context(TestIssuer(clients, {"agent": "agent-secret"}, certificates))
        made = settings(directory, certificates, servers, issuer)
        gateway = stack.enter_context(Gateway(directory, made, certificates))
        yield World(servers, gateway, issuer)
