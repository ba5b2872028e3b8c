"""A refusal is one JSON object for programs, in every protocol, to the client as it is."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest
from testbed.certificates import Certificates
from testbed.hospital import Hospital, running_hospital
from testbed.mariadb import MariaDB
from testbed.node import HOOPGATE
from testbed.postgres import Postgres

GUESS = "SELECT id FROM patients WHERE ssn = '900-10-0000'"
WRITE = "UPDATE codes SET description = 'x' WHERE dx = 'E1'"


@pytest.fixture(scope="module")
def hospital(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    mariadb: MariaDB,
) -> Iterator[Hospital]:
    directory = tmp_path_factory.mktemp("refusals")
    with running_hospital(directory, certificates, postgres15, mariadb) as running:
        yield running


def console(hospital: Hospital) -> str:
    return str(hospital.gateway.settings["console"]["url"])


@contextlib.contextmanager
def postgres(hospital: Hospital) -> Iterator[psycopg.Connection]:
    given = hospital.exchange("pg")
    with psycopg.connect(
        host="127.0.0.1",
        port=given["hoopgate"]["port"],
        user=given["hoopgate"]["credential"],
        password=given["access_token"],
        dbname="pg",
        sslmode="verify-full",
        sslrootcert=str(hospital.ca),
        autocommit=True,
    ) as connection:
        yield connection


@contextlib.contextmanager
def mysql(hospital: Hospital) -> Iterator[Any]:
    given = hospital.exchange("my")
    connection = pymysql.connect(
        host="127.0.0.1",
        port=given["hoopgate"]["port"],
        user=given["hoopgate"]["credential"],
        password=given["access_token"],
        database="my",
        ssl={"ca": str(hospital.ca)},
    )
    with connection, connection.cursor() as cursor:
        yield cursor


def after_brace(text: str) -> dict[str, Any]:
    """What a program does with one line."""
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def test_postgres(hospital: Hospital) -> None:
    with postgres(hospital) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(GUESS)
        told = json.loads(caught.value.diag.message_detail or "")
        assert (told["reason"], told["retry"]) == ("phi.predicate", "no")
        assert told["request"].startswith("req-")
        assert told["rule"]
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_postgres_says_where_a_person_decides(hospital: Hospital) -> None:
    with postgres(hospital) as connection:
        notices: list[str] = []
        connection.add_notice_handler(
            lambda notice: (notices.append(notice.message_detail or ""), connection.cancel())[0]
        )
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(WRITE)
        waiting = json.loads(notices[0])
        assert waiting["address"] == f"{console(hospital)}/approvals/{waiting['approval']}"
        told = json.loads(caught.value.diag.message_detail or "")
        assert (told["reason"], told["retry"]) == ("canceled", "later")


def test_mysql(hospital: Hospital) -> None:
    with mysql(hospital) as cursor:
        with pytest.raises(pymysql.Error) as caught:
            cursor.execute(GUESS)
        told = after_brace(caught.value.args[1])
        assert (told["reason"], told["retry"]) == ("phi.predicate", "no")
        with pytest.raises(pymysql.Error) as caught:
            cursor.execute(WRITE)
        told = after_brace(caught.value.args[1])
        assert (told["reason"], told["retry"]) == ("approval.pending", "after_approval")
        assert told["address"] == f"{console(hospital)}/approvals/{told['approval']}"
        cursor.execute("SELECT 1")


def run(hospital: Hospital, script: str) -> subprocess.CompletedProcess[str]:
    """A shell with ``hoopgate`` and a token in it."""
    home = hospital.gateway.directory / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-uc", script],
        env={
            "HOME": str(home),
            "PATH": f"{HOOPGATE.parent}:/usr/bin:/bin",
            "HOOPGATE_TOKEN": hospital.token(),
            "HOOPGATE_GATEWAY": hospital.url,
            "HOOPGATE_CA_FILE": str(hospital.ca),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_ssh(hospital: Hospital) -> None:
    done = run(hospital, "hoopgate connect ward -- rm -rf /")
    assert done.returncode == 126
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("hoopgate: ")]
    told = after_brace(line)
    assert (told["reason"], told["retry"]) == ("command.unlisted", "no")
    assert told["request"].startswith("req-")
    assert told["rule"]


@pytest.mark.parametrize(
    ("path", "reason", "retry"),
    [
        ("secret", "path.secret", "no"),
        ("publish", "approval.pending", "after_approval"),
    ],
)
def test_http(path: str, reason: str, retry: str, hospital: Hospital) -> None:
    done = run(
        hospital,
        'eval "$(hoopgate env web)"; '
        f'curl -sS -D - --config "$HOOPGATE_CURL" "$HOOPGATE_URL/{path}"',
    )
    head, _, body = done.stdout.partition("\n\n")  # in text mode
    assert "application/problem+json" in head
    told = json.loads(body)
    assert (told["reason"], told["retry"], told["status"]) == (reason, retry, 403)
    assert told["request_id"].startswith("req-")
    if reason == "approval.pending":
        assert told["address"] == f"{console(hospital)}/approvals/{told['approval']}"
        assert "retry-after:" in head.lower()


def test_a_credential_that_is_not_good(hospital: Hospital) -> None:
    """At the login, too, there is a word for programs."""
    with pytest.raises(psycopg.OperationalError, match=r"identity\.credential"):
        psycopg.connect(
            host="127.0.0.1",
            port=hospital.ports["pg"],
            user="hg-aaaaaaaaaaaa",
            password="x" * 32,
            dbname="pg",
            sslmode="verify-full",
            sslrootcert=str(hospital.ca),
        )
    status, told = hospital.try_exchange("nowhere")
    assert (status, told["code"], told["request_id"][:4]) == (400, "resource.unknown", "exc-")
