"""Sessions of MySQL's protocol through the running gateway: holds, KILL, credentials, identity,
the log, and how the gateway logs in to MariaDB."""

from __future__ import annotations

import copy
import json
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mysql.connector
import pymysql
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic import LABELS
from testbed.clinic_mysql import AGENT_PASSWORD, MysqlClinic, grants, running_mysql_clinic
from testbed.mariadb import MariaDB
from testbed.parts import debian
from testbed.ports import free_port

HOOPGATE = Path(sys.executable).with_name("hoopgate")
DATABASE = "mysql_sessions"
#: Runs for minutes: SLEEP() is not for agents.
SLOW = "SELECT count(*) FROM encounters a, encounters b, encounters c, encounters d"


#: Resources by how the gateway logs in to them, and how their account is identified.
WAYS = {
    "native": f"VIA mysql_native_password USING PASSWORD('{AGENT_PASSWORD}')",
    "ed25519": f"VIA ed25519 USING PASSWORD('{AGENT_PASSWORD}')",
    "certificate": "BY ''",
    "unix": f"BY '{AGENT_PASSWORD}'",
    "wrong": "BY 'another password'",
    "unverified": f"BY '{AGENT_PASSWORD}'",
}


def resources(
    settings: dict[str, Any], certificates: Certificates, other: Certificates, mariadb: MariaDB
) -> list[dict[str, Any]]:
    """Of WAYS, made like the clinic's own."""
    made = []
    for way in WAYS:
        resource = copy.deepcopy(settings["resources"][0])
        resource.update(name=way, scope="hoopgate:clinic")
        resource["credentials"]["user"] = f"login_{way}"
        if way == "certificate":
            pair = certificates.issue("agent", client=True)
            resource["credentials"] = {
                "user": f"login_{way}",
                "certificate": str(pair.certificate),
                "key": str(pair.key),
            }
        elif way == "unix":
            resource.update(target=f"unix:{mariadb.socket}", tls={"mode": "disable"})
        elif way == "unverified":
            resource["tls"]["ca_file"] = str(other.ca)
        made.append(resource)
    return made


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, mariadb: MariaDB
) -> Iterator[MysqlClinic]:
    """Three listeners: the second one takes session credentials, and needs no TLS for that; the
    third one believes that the server is MySQL."""
    directory = tmp_path_factory.mktemp("mysql-sessions")
    other = Certificates(tmp_path_factory.mktemp("other"))
    if not mariadb.sql("SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'ed25519'"):
        mariadb.sql("INSTALL SONAME 'auth_ed25519'")
    for way, identified in WAYS.items():
        require = "X509" if way == "certificate" else ""
        mariadb.create_account(f"login_{way}", identified, grants(DATABASE), require)

    def adjust(settings: dict[str, Any]) -> None:
        settings["limits"] = {"hold_time": "300ms"}
        (listener,) = settings["listeners"]
        settings["resources"] += resources(settings, certificates, other, mariadb)
        settings["resources"].append(
            {
                **settings["resources"][0],
                "name": "m",
                "protocol": "mysql",
                "scope": "hoopgate:clinic",
            }
        )
        settings["listeners"] += [
            {
                **{key: value for key, value in listener.items() if key != "tls"},
                "name": "credentials",
                "authentication": "credential",
                "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
            },
            {
                **listener,
                "name": "mysql",
                "protocol": "mysql",
                "endpoint": f"tcp:{free_port()}:interface=127.0.0.1",
                "resources": ["m"],
            },
        ]
        keys = directory / "tokens.keys"
        write_private(keys, f"1 {secrets.token_hex(32)}\n".encode())
        settings["resources"].append(
            {**settings["resources"][0], "name": "tokens", "scope": "hoopgate:clinic"}
            | {"tokens": {"keys": {"file": str(keys)}}}
        )
        settings["labels"] += [
            {**label, "resource": "tokens"}
            | ({"method": "token"} if label.get("kind") in ("MRN", "PHONE") else {})
            for label in settings["labels"][: len(LABELS)]
        ]
        listener["resources"] = ["clinic", "tokens", *WAYS]
        for one in WAYS:
            settings["labels"] += [
                {**label, "resource": one} for label in settings["labels"][: len(LABELS)]
            ]

    with running_mysql_clinic(
        directory, certificates, mariadb, database=DATABASE, adjust=adjust
    ) as running:
        yield running


def port(clinic: MysqlClinic, listener: int) -> int:
    """Of one of the three listeners."""
    return int(clinic.gateway.settings["listeners"][listener]["endpoint"].split(":")[1])


def hoopgate(
    clinic: MysqlClinic, *arguments: str, who: str = ""
) -> subprocess.CompletedProcess[str]:
    """``hoopgate …``, with a token of ``who`` where it needs one."""
    environment = {"PATH": "/usr/bin:/bin"}
    if who:
        environment["HOOPGATE_TOKEN"] = clinic.token(who)
    return subprocess.run(
        [HOOPGATE, *arguments, "--config", clinic.gateway.config],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rows(connection: Any, text: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def refusal(connection: Any, text: str) -> tuple[int, dict[str, str]]:
    """Error number, and what is said for programs."""
    with pytest.raises(pymysql.err.MySQLError) as caught:
        rows(connection, text)
    code, message = caught.value.args
    return code, json.loads(message[message.index("{") :])


def until(found: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (outcome := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return outcome


# --- holds -------------------------------------------------------------------------------------


def test_a_held_statement_is_told_to_come_back_and_passes_once(clinic: MysqlClinic) -> None:
    update = "UPDATE encounters SET department = 'ICU' WHERE id = 5"
    with clinic.connect() as connection:
        code, said = refusal(connection, update)
        assert (code, said["reason"]) == (1105, "approval.pending")
        request = said["approval"]
        # Again, here and on another connection: it is the same request.
        assert refusal(connection, update)[1]["approval"] == request
        with clinic.connect() as other:
            assert refusal(other, update)[1]["approval"] == request
        shown = hoopgate(clinic, "approvals", "show", request, who="rita")
        assert update in shown.stdout, shown.stderr
        decided = hoopgate(
            clinic, "approvals", "approve", request, "--reason", "for the report", who="rita"
        )
        assert decided.returncode == 0, decided.stderr
        with clinic.connect() as other, other.cursor() as cursor:
            assert cursor.execute(update) == 1
        again = refusal(connection, update)[1]
        assert (again["reason"], again["approval"] != request) == ("approval.pending", True)
        assert rows(connection, "SELECT department FROM encounters WHERE id = 5") == (("ICU",),)


def test_a_held_statement_may_be_approved_while_it_waits(clinic: MysqlClinic) -> None:
    text = "UPDATE encounters SET department = 'ER' WHERE id = 6"
    outcomes: list[Any] = []
    connection = clinic.connect()  # here: the issuer's command is run in this process

    def run() -> None:
        with connection, connection.cursor() as cursor:
            for _ in range(200):
                try:
                    outcomes.append(cursor.execute(text))
                except pymysql.err.MySQLError:
                    continue
                return

    thread = threading.Thread(target=run)
    thread.start()

    def pending() -> str:
        listed = hoopgate(clinic, "approvals", "list", "--json", who="rita").stdout
        for found in re.findall(r"apr-\w+", listed):
            if "id = 6" in hoopgate(clinic, "approvals", "show", found, who="rita").stdout:
                return str(found)
        return ""

    request = until(pending, 90)
    hoopgate(clinic, "approvals", "approve", request, "--reason", "quick", who="rita")
    thread.join(60)
    assert outcomes == [1]


def test_a_denied_statement_is_asked_for_anew(clinic: MysqlClinic) -> None:
    text = "UPDATE encounters SET department = 'OB' WHERE id = 7"
    with clinic.connect() as connection:
        request = refusal(connection, text)[1]["approval"]
        done = hoopgate(clinic, "approvals", "deny", request, "--reason", "not now", who="rita")
        assert done.returncode == 0, done.stderr
        assert refusal(connection, text)[1]["approval"] != request


# --- KILL --------------------------------------------------------------------------------------


def running(clinic: MysqlClinic) -> int:
    found = clinic.server.sql(
        "SELECT count(*) FROM information_schema.processlist"
        " WHERE user = 'agent' AND info LIKE '%encounters d%' AND info NOT LIKE '%processlist%'"
    )
    return int(found[0][0])


class Slow(threading.Thread):
    """A statement that runs at the backend until somebody stops it."""

    def __init__(self, clinic: MysqlClinic) -> None:
        super().__init__()
        self.connection = clinic.connect()
        self.error: pymysql.err.MySQLError | None = None
        self.start()
        until(lambda: running(clinic))

    def run(self) -> None:
        try:
            rows(self.connection, SLOW)
        except pymysql.err.MySQLError as error:
            self.error = error

    def finish(self) -> pymysql.err.MySQLError:
        self.join(60)
        assert not self.is_alive()
        assert self.error is not None
        return self.error


def test_a_statement_is_killed_by_the_id_of_the_greeting(clinic: MysqlClinic) -> None:
    slow = Slow(clinic)
    with clinic.connect() as killer:
        rows(killer, f"KILL QUERY {slow.connection.thread_id()}")
        assert slow.finish().args[0] in (1317, 1028)
        until(lambda: not running(clinic))
        assert rows(slow.connection, "SELECT 1") == ((1,),)
    slow.connection.close()


def test_a_connection_is_killed(clinic: MysqlClinic) -> None:
    slow = Slow(clinic)
    with clinic.connect() as killer:
        killer.kill(slow.connection.thread_id())
        slow.finish()
        until(lambda: not running(clinic))
        assert rows(killer, "SELECT 1") == ((1,),)
        assert refusal(killer, f"KILL {slow.connection.thread_id()}")[0] == 1094


def test_nobody_kills_anothers(clinic: MysqlClinic) -> None:
    slow = Slow(clinic)
    thread = slow.connection.thread_id()
    ((own,),) = clinic.server.sql(
        "SELECT id FROM information_schema.processlist WHERE user = 'agent'"
        " AND info LIKE '%encounters d%' AND info NOT LIKE '%processlist%'"
    )
    with clinic.connect("planner") as other:
        assert refusal(other, f"KILL QUERY {thread}")[0] == 1094
        assert refusal(other, f"KILL {own}")[0] == 1094
        assert refusal(other, f"KILL QUERY {own} /* x */")[1]["reason"] != ""
        assert running(clinic) == 1
    with clinic.connect() as same:
        rows(same, f"KILL {thread}")
    slow.finish()


# --- session credentials -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "plugin", ["mysql_native_password", "client_ed25519", "caching_sha2_password"]
)
def test_session_credentials_are_proven(clinic: MysqlClinic, plugin: str) -> None:
    """By the command line of MariaDB, without TLS: the password itself is never sent."""
    given = json.loads(hoopgate(clinic, "credential", "clinic", "--json", who="executor").stdout)

    def ask(user: str, password: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(debian("mariadb", "mariadb-client"), "--no-defaults", "--batch", "--skip-ssl"),
                *(f"--default-auth={plugin}", "--host=127.0.0.1", f"--port={port(clinic, 1)}"),
                *(f"--user={user}", "clinic", "-e", "SELECT ssn FROM patients WHERE id = 1"),
            ],
            env={"MYSQL_PWD": password, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = ask(given["user"], given["password"])
    assert done.stdout.split() == ["ssn", "[SSN]"], done.stderr
    refused = {ask(user, "w" * 32).stderr for user in (given["user"], "hg-nobody")}
    assert len(refused) == 1
    assert "identity.credential" in refused.pop()


def test_pymysql_with_a_session_credential(clinic: MysqlClinic) -> None:
    given = json.loads(hoopgate(clinic, "credential", "clinic", "--json", who="executor").stdout)
    where = {"port": port(clinic, 1), "ssl": None, "ssl_disabled": True}
    with clinic.connect(user=given["user"], password=given["password"], **where) as connection:
        assert rows(connection, "SELECT name FROM patients WHERE id = 1") == (("[NAME]",),)
    with pytest.raises(pymysql.err.OperationalError, match=r"identity\.credential"):
        clinic.connect(**where)


# --- identity ----------------------------------------------------------------------------------


def login_error(clinic: MysqlClinic, **more: Any) -> tuple[int, str]:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        clinic.connect(**more)
    code, message = caught.value.args
    return code, message


def test_who_is_not_let_in(clinic: MysqlClinic) -> None:
    assert login_error(clinic, password="no.token.this")[0] == 1045
    assert "identity.missing" in login_error(clinic, password="")[1]
    code, message = login_error(clinic, password=clinic.token("stranger"))
    assert code == 1045 and "scope" in message
    assert login_error(clinic, database="mysql")[0] == 1049
    assert login_error(clinic, database=DATABASE)[0] == 1049
    secret = clinic.token()[:-8] + "tampered"
    assert secret[:40] not in login_error(clinic, password=secret)[1]


def test_the_only_resource_needs_no_name(clinic: MysqlClinic) -> None:
    assert login_error(clinic, database=None)[0] == 1049
    assert "backend.protocol" in login_error(clinic, database=None, port=port(clinic, 2))[1]


# --- the log -----------------------------------------------------------------------------------


def test_a_session_is_replayed_as_the_client_saw_it(clinic: MysqlClinic) -> None:
    def sessions() -> list[dict[str, Any]]:
        lines = hoopgate(clinic, "sessions", "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    before = {one["id"] for one in sessions()}
    token = clinic.token()
    with clinic.connect(password=token, program_name="replayed") as connection:
        rows(connection, "SELECT id, ssn AS canary_alias FROM patients WHERE id = 7")
        refusal(connection, "DROP TABLE encounters")

    def ended() -> list[str]:
        return [one["id"] for one in sessions() if one["id"] not in before and one.get("end")]

    (session,) = until(ended)
    shown = hoopgate(clinic, "replay", session)
    assert shown.returncode == 0, shown.stderr
    for expected in ("canary_alias", "row: 7 | [SSN]", "DROP TABLE encounters", "hipaa-baseline"):
        assert expected in shown.stdout
    ((real,),) = clinic.server.sql(f"SELECT ssn FROM {DATABASE}.patients WHERE id = 7")
    raw = hoopgate(clinic, "replay", session, "--json").stdout
    assert real not in shown.stdout + raw
    assert token not in shown.stdout + raw + clinic.gateway.log_text()
    assert hoopgate(clinic, "audit", "verify").returncode == 0


def test_the_backend_knows_the_gateway_and_not_the_client(clinic: MysqlClinic) -> None:
    with clinic.connect(program_name="agent with a secret name") as connection:
        ((user,),) = rows(connection, "SELECT USER()")
        assert user.startswith("agent@")


# --- tokens ------------------------------------------------------------------------------------


def test_tokens_are_the_same_in_text_and_in_binary(clinic: MysqlClinic) -> None:
    query = "SELECT mrn, phone, ssn FROM patients WHERE id IN (6, 7) ORDER BY id"
    with clinic.connect(database="tokens") as connection:
        text = rows(connection, query)
    (one, phone, ssn), (other, nothing, _) = text
    assert re.fullmatch(r"\[MRN:1\.[0-9a-f]{20}\]", one)
    assert re.fullmatch(r"\[PHONE:1\.[0-9a-f]{20}\]", phone)
    assert (ssn, nothing, other != one) == ("[SSN]", None, True)
    connection = mysql.connector.connect(
        host=clinic.gateway.host,
        port=clinic.gateway.port,
        user="executor",
        password=clinic.token(),
        database="tokens",
        ssl_ca=str(clinic.gateway.certificates.ca),
    )
    try:
        cursor = connection.cursor(prepared=True)
        cursor.execute(query)
        assert cursor.fetchall() == list(text)
    finally:
        connection.close()


# --- the gateway's own login -------------------------------------------------------------------


@pytest.mark.parametrize("way", ["native", "ed25519", "certificate", "unix"])
def test_the_gateway_logs_in(clinic: MysqlClinic, way: str) -> None:
    with clinic.connect(database=way) as connection:
        assert rows(connection, "SELECT name FROM patients WHERE id = 1") == (("[NAME]",),)
        assert rows(connection, "SELECT USER()")[0][0].startswith(f"login_{way}@")


@pytest.mark.parametrize(
    ("database", "listener", "reason"),
    [
        ("wrong", 0, "backend.refused"),
        ("unverified", 0, "backend.tls"),
        ("m", 2, "backend.protocol"),
    ],
)
def test_a_backend_that_is_not_what_it_should_be(
    clinic: MysqlClinic, database: str, listener: int, reason: str
) -> None:
    code, message = login_error(clinic, database=database, port=port(clinic, listener))
    assert code == 1429
    assert reason in message
    assert AGENT_PASSWORD not in message
