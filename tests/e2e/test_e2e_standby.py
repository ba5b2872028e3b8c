"""Where nothing can be created: a hot standby, and an account without the privilege."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.postgres import HBA, Postgres
from testbed.standby import Standby

ONE = "SELECT id, name, ssn, dob, zip, sex FROM patients WHERE id = 1"
MASKED = (1, "[NAME]", "[SSN]")
TREE = "parse tree"


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[tuple[Clinic, Standby]]:
    """A clinic whose gateway knows the standby alone."""
    with ExitStack() as stack:
        primary = stack.enter_context(Postgres(18, certificates, hba=[*HBA, Standby.HBA]))
        standbys: list[Standby] = []

        def adjust(settings: dict[str, Any]) -> None:
            primary.psql(
                "CREATE VIEW turning AS SELECT id, sex::text AS x FROM patients;"
                "GRANT SELECT ON turning TO agent",
                "clinic",
            )
            standbys.append(stack.enter_context(Standby(primary)))
            (resource,) = settings["resources"]
            resource["target"] = f"{standbys[0].host}:{standbys[0].port}"

        directory = tmp_path_factory.mktemp("standby")
        clinic = stack.enter_context(
            running_clinic(directory, certificates, primary, adjust=adjust)
        )
        yield clinic, standbys[0]


def test_a_standby_is_masked(pair: tuple[Clinic, Standby]) -> None:
    clinic, standby = pair
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        (row,) = connection.execute(ONE).fetchall()
        assert row[:3] == MASKED
        parts = connection.execute(
            "SELECT p.name, e.department FROM patients p JOIN encounters e ON e.patient_id = p.id"
            " WHERE p.id = %s AND e.cost > %s ORDER BY e.id LIMIT 1",
            (1, 0),
            binary=True,
        ).fetchall()
        assert [name for name, _ in parts] == ["[NAME]"]
        broken = f'SELECT id AS "{"(" * 63}" FROM patients'  # longer than a line of the tree
        for refused in ("SELECT 1 FROM patients WHERE ssn LIKE '9%'", "SELECT nothing", broken):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="hoopgate"):
                connection.execute(refused)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("UPDATE patients SET weight = 70 WHERE id = 1")
        assert connection.execute("SELECT count(*) FROM codes").fetchone() == (20,)
    with (
        psycopg.connect(clinic.dsn("exporter")) as exporter,
        exporter.cursor().copy("COPY (SELECT id, name FROM patients LIMIT 3) TO STDOUT") as copy,
    ):
        assert {row[1] for row in copy.rows()} == {"[NAME]"}
    assert TREE in standby.log_text()  # docs/masking.md says so


def test_a_change_on_the_primary_reaches_what_is_known(pair: tuple[Clinic, Standby]) -> None:
    clinic, standby = pair
    ask = "SELECT x FROM turning WHERE id = 1"
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        assert connection.execute(ask).fetchall() == [("M",)]
        clinic.postgres.psql(
            "CREATE OR REPLACE VIEW turning AS SELECT id, ssn AS x FROM patients", "clinic"
        )
        at = clinic.postgres.psql("SELECT pg_current_wal_insert_lsn()").strip()
        deadline = time.monotonic() + 60
        while standby.psql(f"SELECT pg_last_wal_replay_lsn() >= '{at}'").strip() != "t":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1.0)  # what a change by others may take; docs/masking.md
        assert connection.execute(ask).fetchall() == [("[SSN]",)]


@pytest.mark.parametrize("keeps_out", [True, False])
def test_an_account_that_may_create_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    keeps_out: bool,
) -> None:
    database = f"no_temp_{keeps_out}".lower()
    with running_clinic(
        tmp_path_factory.mktemp(database), certificates, postgres15, database=database
    ) as clinic:
        word = "GRANT SET ON PARAMETER log_min_messages TO" if keeps_out else "REVOKE SET ON"
        word += "" if keeps_out else " PARAMETER log_min_messages FROM"
        postgres15.psql(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC; {word} agent")
        before = len(postgres15.log_text())
        with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
            (row,) = connection.execute(ONE).fetchall()
            assert row[:3] == MASKED
            with pytest.raises(psycopg.Error) as refused:
                connection.execute("SELECT id FROM patients ORDER BY name")
            assert "patients.name" in str(refused.value)
            connection.execute("INSERT INTO codes VALUES (%s, %s)", ("T1", "test"))
        assert (TREE in postgres15.log_text()[before:]) is not keeps_out
    postgres15.psql("REVOKE SET ON PARAMETER log_min_messages FROM agent")
