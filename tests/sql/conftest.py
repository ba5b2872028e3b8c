"""Twin databases: the same schema and data, but for what is labelled secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from side_psycopg import Desk, connect
from testbed.postgres import Postgres

from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass, Match, Policy, Resource, Rule

HERE = Path(__file__).parent

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
    "public.events.who": "NAME",
    "public.guarded.who": "NAME",
    "public.dropped.b": "OTHER",
    "public.Odd?Table.Se cret": "OTHER",
    "public.checked.pin": "PIN",
}


def policy(quasi: frozenset[str] = frozenset()) -> Policy:
    """Everything allowed to all but for the baseline pack and the labels."""
    labels = tuple(
        Label("clinic", column, kind, LabelClass.QUASI, Method.GENERALISE)
        if kind in quasi
        else Label("clinic", column, kind)
        for column, kind in SECRETS.items()
    )
    rules = (Rule("all", "allow", Match()),)
    return Policy(rules, ("hipaa-baseline",), labels, "0" * 64, unlabelled=LabelClass.PUBLIC)


RESOURCES = {"clinic": Resource("clinic", "postgresql", "tcp:db:5432", "db", "phi", "phi", "agent")}


@dataclass
class Twins:
    """Connections to both databases, and a desk that judges by the first."""

    one: psycopg.Connection[Any]
    other: psycopg.Connection[Any]
    desk: Desk
    quasi: Desk


@pytest.fixture(scope="session")
def twins(any_postgres: Postgres) -> Iterator[Twins]:
    """The twins on both server versions."""
    schema = (HERE / "twin_schema.sql").read_text()
    difference = (HERE / "twin_difference.sql").read_text()
    settle = (HERE / "twin_settle.sql").read_text()
    any_postgres.create_role("twin_agent", "secret-of-the-twins")
    any_postgres.create_database("twin_one", schema + settle)
    any_postgres.create_database("twin_other", schema + difference + settle)
    one, other = (
        connect(any_postgres.dsn(name, "twin_agent", "secret-of-the-twins"))
        for name in ("twin_one", "twin_other")
    )
    yield Twins(
        one,
        other,
        Desk(one, make_pipeline(policy(), RESOURCES)),
        Desk(one, make_pipeline(policy(frozenset({"DATE", "ZIP"})), RESOURCES)),
    )
    one.close()
    other.close()


@pytest.fixture(scope="session")
def corpus() -> list[dict[str, Any]]:
    """Known ways around masking."""
    cases: list[dict[str, Any]] = json.loads((HERE / "evasion_postgres.json").read_text())
    return cases
