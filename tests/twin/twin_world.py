"""Two databases that differ in PHI alone, behind one gateway, and beside it for comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer, client
from testbed.postgres import Postgres
from twin_wire import Client, directly, through_gateway

HERE = Path(__file__).parent
HBA = ("local all all trust", "host all all 127.0.0.1/32 scram-sha-256")
PASSWORD = "backend-account-of-the-twins"

#: Columns of the twins that are secret, with their kinds.
SECRETS = {
    "public.patients.ssn": "SSN",
    "public.patients.name": "NAME",
    "public.patients.dob": "DATE",
    "public.patients.mrn": "MRN",
    "public.patients.email": "EMAIL",
    "public.patients.zip": "ZIP",
    "public.patients.notes": "NOTES",
    "public.encounters.note": "NOTES",
    "public.staff.name": "NAME",
    "public.derived.pin": "PIN",
    "public.events.who": "NAME",
    "public.wards.ward": "WARD",
    "public.person.name": "NAME",
    "public.guarded.who": "NAME",
    "public.fenced.pin": "PIN",
    "public.dropped.b": "OTHER",
    "public.checked.pin": "PIN",
    "public.booked.during": "DATE",
    "public.partly.code": "CODE",
    "public.lowered.handle": "ACCOUNT",
    "public.account.mrn": "MRN",
    "public.ledger.mrn": "MRN",
    "public.branch.pin": "PIN",
    "public.leaf.pin": "PIN",
    "public.twig.pin": "PIN",
    "public.indexed.name": "NAME",
    "public.fallout.pin": "PIN",
    "public.members.c": "CONTACT",
    "public.virtuals.name": "NAME",
    "public.spans.during": "DATE",
    "public.kinds.s_*": "KIND",
}
#: Names whose dots a dictionary's line cannot tell from its own are reached by wildcards.
ODD = {"We?ird.T?able.na?ve": "OTHER", "public.Odd?Table.Se cret": "OTHER"}
QUASI = {"public.patients.dob": "DOB", "public.patients.zip": "ZIP"}

#: The pair whose dates and ZIPs are secret too, and the pair that generalises them.
STRICT = ("one", "two")
SOFT = ("soft_one", "soft_two")


def labels() -> list[dict[str, Any]]:
    """The data dictionary of all four resources; what it does not name is public."""
    found: list[dict[str, Any]] = []
    for resource in (*STRICT, *SOFT):
        for column, kind in {**SECRETS, **ODD}.items():
            line = {"resource": resource, "column": column, "kind": kind}
            if resource in SOFT and column in QUASI:
                line |= {"kind": QUASI[column], "level": "quasi", "method": "generalise"}
            found.append(line)
        for schema in ("public", "other", "We?ird"):
            column = f"{schema}.*.*"
            found.append(
                {"resource": resource, "column": column, "kind": "NONE", "level": "public"}
            )
    return found


class World:
    """The running pair.

    :ivar version: PostgreSQL's major version.
    """

    def __init__(self, postgres: Postgres, gateway: Gateway, issuer: TestIssuer) -> None:
        self.version = postgres.version
        self.postgres = postgres
        self.gateway = gateway
        self._issuer = issuer

    def client(self, resource: str) -> Client:
        """A session through the gateway."""
        address = (self.gateway.host, self.gateway.port)
        token = self._issuer.token("agent", resources=["hoopgate"])
        ca = self.gateway.certificates.ca
        return through_gateway(address, ca, "agent", resource, token)

    def direct(self, resource: str) -> Client:
        """A session on the database of ``resource``, nothing in between."""
        socket = self.postgres.socket_directory / f".s.PGSQL.{self.postgres.port}"
        return directly(socket, "agent", database(resource))


def database(resource: str) -> str:
    """The database of a resource."""
    return f"twin_{resource}"


def make_databases(postgres: Postgres) -> None:
    """One template, cloned, so that the twins' OIDs agree; then each its own rows."""
    postgres.create_role("agent", PASSWORD)
    postgres.psql("ALTER ROLE agent SET statement_timeout = '3s'")
    postgres.create_database("twin_template", (HERE / "twin_schema.sql").read_text())
    fill = (HERE / "twin_fill.sql").read_text()
    for side, (strict, soft) in enumerate(zip(STRICT, SOFT, strict=True), start=1):
        for resource in (strict, soft):
            name = database(resource)
            postgres.psql(f"CREATE DATABASE {name} TEMPLATE twin_template")
            postgres.psql(f"\\set side {side}\n{fill}", name)
    # Quasi-identifiers differ here within what their generalisation shows, and no further.
    for side, soft in enumerate(SOFT, start=1):
        postgres.psql(
            "SELECT setting FROM pg_settings WHERE false;"
            f" UPDATE patients SET dob = make_date(1900 + id % 90, 1 + {side} * (id % 6),"
            f" {side} * 7), zip = lpad((100 + id * 3)::text, 3, '0') || lpad((id * {side} % 100)"
            "::text, 2, '0');"
            " CLUSTER patients USING patients_pkey; VACUUM ANALYZE patients;",
            database(soft),
        )


def settings(
    directory: Path, certificates: Certificates, postgres: Postgres, issuer: TestIssuer
) -> dict[str, Any]:
    """hoopgate.toml: one listener, two pairs of resources, everything allowed but for PHI."""
    made = settings_for(
        directory,
        certificates,
        postgres,
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
    )
    (template,) = made["resources"]
    names = (*STRICT, *SOFT)
    made["resources"] = [
        {**template, "name": name, "database": database(name), "scope": "hoopgate:twins"}
        for name in names
    ]
    made["listeners"][0]["resources"] = list(names)
    made["labels"] = labels()
    return made


@contextmanager
def running_world(version: int) -> Iterator[World]:
    """PostgreSQL of ``version`` with the twins, an issuer and a gateway; gone afterwards."""
    # In memory where there is room: the log's durability is not what is judged here.
    memory = Path("/dev/shm")
    place = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hoopgate-twin-", dir=place) as scratch:
        directory = Path(scratch)
        certificates = Certificates(directory)
        clients = {"agent": client("agent-secret", scopes=["hoopgate:twins"])}
        with (
            Postgres(version, certificates, hba=HBA) as postgres,
            TestIssuer(clients, {"agent": "agent-secret"}, certificates) as issuer,
        ):
            make_databases(postgres)
            made = settings(directory, certificates, postgres, issuer)
            with Gateway(directory, made, certificates) as gateway:
                yield World(postgres, gateway, issuer)
