"""What a name means is what it means in the client's own session, or the statement is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import GROUPS, LABELS, RULES, Clinic, running_clinic
from testbed.postgres import Postgres

ARCHIVE = """
CREATE SCHEMA archive;
CREATE TABLE archive.codes (dx text, description text);
INSERT INTO archive.codes VALUES ('E0', 'canary');
GRANT USAGE ON SCHEMA archive TO agent;
GRANT SELECT ON archive.codes TO agent;
"""
LOOSE = {
    "name": "settings",
    "verdict": "allow",
    "match": {"groups": ["analysts"], "classes": ["session", "role"]},
    "overrides": ["hipaa-baseline/settings", "hipaa-baseline/role"],
}


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """Two tables of one name, a column of one of them labelled; a careless operator."""
    labels = [
        {"column": "archive.codes.description", "kind": "TEXT"},
        {"column": "archive.codes.dx", "level": "public"},
    ]
    with running_clinic(
        tmp_path_factory.mktemp("search_path"),
        certificates,
        postgres15,
        database="search_path",
        groups=GROUPS,
        labels=[*LABELS, *labels],
        rules=[LOOSE, *RULES],
        resource={"parameters": ["Search_Path"]},
    ) as clinic:
        postgres15.psql(ARCHIVE, "search_path")
        yield clinic


@pytest.mark.parametrize(
    ("path", "expected"),
    [(None, "finding 0"), ("archive, public", "[TEXT]"), ("public, archive", "finding 0")],
)
def test_a_path_from_startup_decides_what_is_masked(
    archive: Clinic, path: str | None, expected: str
) -> None:
    async def ask() -> str:
        connection = await asyncpg.connect(
            host=archive.gateway.host,
            port=archive.gateway.port,
            user="executor",
            password=archive.token(),
            database="clinic",
            ssl=ssl.create_default_context(cafile=str(archive.gateway.certificates.ca)),
            server_settings={} if path is None else {"search_path": path},
        )
        try:
            return str(await connection.fetchval("SELECT description FROM codes WHERE dx = 'E0'"))
        finally:
            await connection.close()

    assert asyncio.run(ask()) == expected


@pytest.mark.parametrize(
    "statement",
    ["SET search_path TO archive", "SET LOCAL search_path TO archive", "SET ROLE agent"],
)
def test_no_rule_lets_a_session_change_what_names_mean(archive: Clinic, statement: str) -> None:
    with psycopg.connect(archive.dsn(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="phi/setting"):
            connection.execute(statement)
        row = connection.execute("SELECT description FROM codes WHERE dx = 'E0'").fetchone()
        assert row == ("finding 0",)
