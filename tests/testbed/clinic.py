"""A clinic behind the gateway: what end-to-end tests, the demo and the benchmarks start from."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer, client
from testbed.postgres import Postgres

SCHEMA = Path(__file__).with_name("clinic.sql")

#: The backend account: the role ``agent`` of clinic.sql.
AGENT_PASSWORD = "backend-account-of-the-gateway"

AGENTS = {
    "planner": "planner-secret",
    "executor": "executor-secret",
    "exporter": "exporter-secret",
    "stranger": "stranger-secret",
}
REVIEWERS = {"rita": "rita-secret", "otto": "otto-secret"}

GROUPS = {
    "analysts": ["planner", "executor"],
    "exporters": ["exporter"],
    "privacy-office": ["rita", "planner"],
}

LABELS: list[dict[str, Any]] = [
    {"column": "public.patients.ssn", "kind": "SSN"},
    {"column": "public.patients.name", "kind": "NAME"},
    {"column": "public.patients.mrn", "kind": "MRN"},
    {"column": "public.patients.email", "kind": "EMAIL"},
    {"column": "public.patients.phone", "kind": "PHONE"},
    {"column": "public.patients.contact", "kind": "CONTACT"},
    {"column": "public.patients.portal_id", "kind": "ACCOUNT"},
    {"column": "public.patients.dob", "kind": "DOB", "level": "quasi", "method": "generalise"},
    {"column": "public.patients.zip", "kind": "ZIP", "level": "quasi", "method": "generalise"},
    {"column": "public.encounters.note", "kind": "NOTE"},
    {
        "column": [
            *(f"public.patients.{name}" for name in ("id", "sex", "weight", "last_seen")),
            *("public.encounters.*", "public.codes.*", "public.pgbench_*.*"),
        ],
        "level": "public",
    },
]

RULES: list[dict[str, Any]] = [
    {
        "name": "bulk-export",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "classes": ["copy.to"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "Bulk export of a clinic table.",
    },
    {
        "name": "analysts",
        "verdict": "allow",
        "match": {"groups": ["analysts", "exporters"]},
    },
]

#: The date of birth that comes for all patients who are over 89; the first of clinic.sql is.
OLDEST_BIRTH = f"{datetime.datetime.now(datetime.UTC).year - 90}-01-01"

#: Makes the exporter's token longer than 16 KiB, as tokens with many groups or roles are.
ENTITLEMENTS = [f"https://entitlements.clinic.example/{number:04}" for number in range(320)]


def clients() -> dict[str, dict[str, Any]]:
    """The issuer's clients: agents with the scope of the clinic, reviewers with that to approve."""
    table = {
        name: client(secret, scopes=["hoopgate:clinic", "other"])
        for name, secret in AGENTS.items()
        if name != "stranger"
    }
    table["stranger"] = client(AGENTS["stranger"], scopes=["other"])
    table["exporter"]["claims"] = {"entitlements": ENTITLEMENTS}
    for name, secret in REVIEWERS.items():
        table[name] = client(secret, scopes=["hoopgate:approve", "hoopgate:audit"])
    return table


class Clinic:
    """A running gateway with its issuer and its backend."""

    def __init__(
        self, gateway: Gateway, issuer: TestIssuer, postgres: Postgres, database: str
    ) -> None:
        self.gateway = gateway
        self.database = database
        self.issuer = issuer
        self.postgres = postgres

    def token(self, who: str = "executor") -> str:
        """A fresh token."""
        return self.issuer.token(who, resources=["hoopgate"])

    def dsn(self, who: str = "executor", **more: object) -> str:
        """libpq connection string through the gateway."""
        return self.gateway.dsn(self.token(who), who, **more)

    def direct_dsn(self) -> str:
        """libpq connection string to the database itself, as the gateway's own account."""
        return self.postgres.dsn(self.database, "agent", AGENT_PASSWORD)


@contextmanager
def running_clinic(
    directory: Path,
    certificates: Certificates,
    postgres: Postgres,
    *,
    database: str = "clinic",
    rules: list[dict[str, Any]] | None = None,
    labels: list[dict[str, Any]] | None = None,
    groups: Mapping[str, Any] | None = None,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
    issuer_clients: Mapping[str, Any] | None = None,
    issuer_settings: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Iterator[Clinic]:
    """Make the database, start issuer and gateway.

    :param adjust: changes the settings before the gateway starts.
    :param issuer_clients: instead of :func:`clients`; ``issuer_settings``: more of its settings.
    """
    postgres.create_database(database, SCHEMA.read_text())
    postgres.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'", database)
    secrets = {**AGENTS, **REVIEWERS}
    with TestIssuer(
        issuer_clients or clients(), secrets, certificates, **(issuer_settings or {})
    ) as issuer:
        settings = settings_for(
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
            groups=GROUPS if groups is None else groups,
            rules=RULES if rules is None else rules,
            labels=LABELS if labels is None else labels,
            database=database,
            user="agent",
            password=AGENT_PASSWORD,
            **sections,
        )
        adjust(settings)
        with Gateway(directory, settings, certificates) as gateway:
            yield Clinic(gateway, issuer, postgres, database)
