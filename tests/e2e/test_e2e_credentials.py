"""Session credentials: SCRAM-SHA-256(-PLUS) for clients that send no secret in the clear."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.postgres import Postgres

HOOPGATE = Path(sys.executable).with_name("hoopgate")


@pytest.fixture(scope="module")
def scram_clinic(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A clinic whose listener takes session credentials only."""
    directory = tmp_path_factory.mktemp("scram")
    with running_clinic(
        directory,
        certificates,
        postgres15,
        database="scram_clinic",
        adjust=lambda settings: settings["listeners"][0].update(authentication="scram"),
    ) as running:
        yield running


def credential(clinic: Clinic, who: str = "executor", *more: str) -> dict[str, str]:
    done = subprocess.run(
        [HOOPGATE, "credential", "clinic", "--json", "--config", clinic.gateway.config, *more],
        env={"HOOPGATE_TOKEN": clinic.token(who), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def connect(clinic: Clinic, user: str, password: str, **more: object) -> psycopg.Connection:
    return psycopg.connect(clinic.gateway.dsn(password, user, **more), autocommit=True)


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_a_client_that_demands_scram_is_served(scram_clinic: Clinic, binding: str) -> None:
    given = credential(scram_clinic)
    with connect(
        scram_clinic,
        given["user"],
        given["password"],
        require_auth="scram-sha-256",
        channel_binding=binding,
    ) as connection:
        assert connection.execute("SELECT ssn FROM patients LIMIT 1").fetchone() == ("[SSN]",)


def test_wrong_passwords_and_unknown_users_are_refused_alike(scram_clinic: Clinic) -> None:
    given = credential(scram_clinic)
    messages = set()
    for user in (given["user"], "hg-nobody"):
        with pytest.raises(psycopg.OperationalError) as caught:
            connect(scram_clinic, user, "wrong")
        messages.add(str(caught.value).partition("FATAL:")[2])
    assert len(messages) == 1
    assert "identity.credential" in messages.pop()


def test_a_token_is_not_taken_here(scram_clinic: Clinic) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(scram_clinic, "executor", scram_clinic.token())


def test_the_session_is_the_agents(scram_clinic: Clinic) -> None:
    """The log names the agent, not the credential."""
    given = credential(scram_clinic, "planner")
    with connect(scram_clinic, given["user"], given["password"]) as connection:
        connection.execute("SELECT 1")
    listed = subprocess.run(
        [HOOPGATE, "sessions", "--config", scram_clinic.gateway.config],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "planner" in listed.stdout
    assert given["password"] not in scram_clinic.gateway.log_text()


def test_a_stranger_gets_no_credential(scram_clinic: Clinic) -> None:
    done = subprocess.run(
        [HOOPGATE, "credential", "clinic", "--config", scram_clinic.gateway.config],
        env={"HOOPGATE_TOKEN": scram_clinic.token("stranger"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "scope" in done.stderr


def test_a_credential_ends(scram_clinic: Clinic) -> None:
    import time

    given = credential(scram_clinic, "executor", "--lifetime", "1")
    time.sleep(1.2)
    with pytest.raises(psycopg.OperationalError, match=r"identity\.credential"):
        connect(scram_clinic, given["user"], given["password"])
