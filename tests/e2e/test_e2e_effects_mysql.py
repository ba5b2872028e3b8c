"""A write whose effect is approved, on MariaDB and MySQL."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import mysql.connector
import pymysql
import pytest
from testbed.certificates import Certificates
from testbed.clinic_mysql import MysqlClinic, running_mysql_clinic
from testbed.mariadb import MariaDB
from testbed.node import until

DATABASE = "effects"
RULES: list[dict[str, Any]] = [
    {
        "name": "brief",
        "verdict": "approve",
        "approve": "effect",
        "match": {"classes": ["delete"]},
        "reviewers": ["privacy-office"],
        "expires": "3s",
    },
    {
        "name": "writes",
        "verdict": "approve",
        "approve": "effect",
        "match": {"classes": ["insert", "update"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
    },
    {
        "name": "reads",
        "verdict": "approve",
        "match": {"relations": ["*.beds"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
    },
    {"name": "analysts", "verdict": "allow", "match": {"groups": ["analysts"]}},
]


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def ward(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[MysqlClinic]:
    server: MariaDB = request.getfixturevalue(request.param)

    def adjust(settings: dict[str, Any]) -> None:
        settings["rules"] = RULES
        settings["labels"] += [
            {"resource": "clinic", "column": f"{DATABASE}.{table}.*", "level": "public"}
            for table in ("plans", "beds")
        ]

    with running_mysql_clinic(
        tmp_path_factory.mktemp(f"effects-{request.param}"),
        certificates,
        server,
        database=DATABASE,
        adjust=adjust,
    ) as running:
        server.sql(
            "CREATE TABLE plans (id int PRIMARY KEY, state text NOT NULL)", database=DATABASE
        )
        beds = ", ".join(f"({number}, {number % 10})" for number in range(2000))
        server.sql(
            "CREATE TABLE beds (id int PRIMARY KEY, ward int NOT NULL, KEY (ward))",
            f"INSERT INTO beds VALUES {beds}",
            "COMMIT",
            "ANALYZE TABLE beds",
            database=DATABASE,
        )
        yield running


TOKENS: list[str] = []
OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def anew(ward: MysqlClinic) -> Iterator[None]:
    TOKENS[:] = [ward.token("rita")]
    ward.server.sql(
        "DELETE FROM plans", "INSERT INTO plans VALUES (1, 'new'), (2, 'new'), (3, 'new')",
        "COMMIT", database=DATABASE,
    )  # fmt: skip
    yield
    while OPEN:
        OPEN.pop().close()


def ask(ward: MysqlClinic, path: str, reason: str = "") -> Any:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(ward.gateway.state_dir / "admin.sock"))
        headers = {"Authorization": f"Bearer {TOKENS[0]}", "Content-Type": "application/json"}
        body = json.dumps({"reason": reason}) if reason else None
        connection.request("POST" if reason else "GET", path, body, headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def pending(ward: MysqlClinic, write: Write | None = None) -> str:
    found: list[Any] = []

    def held() -> bool:
        assert write is None or write.is_alive(), write.error
        found[:] = ask(ward, "/v1/approvals")["approvals"]
        return bool(found)

    until(held, "it is held", 60)
    return str(found[0]["id"])


def decide(ward: MysqlClinic, step: str, request: str) -> None:
    answer = ask(ward, f"/v1/approvals/{request}/{step}", "looked at it")
    assert answer["id"] == request, answer


def states(ward: MysqlClinic) -> list[str]:
    return [row[0] for row in ward.server.sql("SELECT state FROM plans", database=DATABASE)]


class Write(threading.Thread):
    def __init__(self, ward: MysqlClinic, text: str, *values: Any, prepared: bool = False) -> None:
        super().__init__(daemon=True)
        self.ward = ward
        if prepared:
            self.connection: Any = mysql.connector.connect(
                host=ward.gateway.host, port=ward.gateway.port, user="executor",
                password=ward.token(), database="clinic", autocommit=True,
                ssl_ca=str(ward.gateway.certificates.ca), auth_plugin="mysql_clear_password",
                use_pure=True,
            )  # fmt: skip
            self.cursor = self.connection.cursor(prepared=True)
        else:
            self.connection = ward.connect()
            self.cursor = self.connection.cursor()
        OPEN.append(self.connection)
        self.text, self.values = text, values
        self.count = -1
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.cursor.execute(self.text, self.values)
            self.count = self.cursor.rowcount
        except (pymysql.Error, mysql.connector.Error) as error:
            self.error = error

    def finish(self) -> None:
        self.join(60)
        assert not self.is_alive()

    def goes_on(self) -> None:
        self.cursor.execute("SELECT count(*) FROM plans")
        assert self.cursor.fetchone()[0] == 3


@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_it_is_committed_when_it_is_approved(ward: MysqlClinic, prepared: bool) -> None:
    write = Write(ward, "UPDATE plans SET state = %s WHERE id < %s", "done", 3, prepared=prepared)
    request = pending(ward, write)
    assert states(ward) == ["new"] * 3
    page = ask(ward, f"/v1/approvals/{request}")
    assert (page["effect"], page["statement"]["affected"]) == (True, 2)
    decide(ward, "approve", request)
    write.finish()
    assert write.error is None
    assert write.count == 2
    assert states(ward) == ["done", "done", "new"]
    write.goes_on()


@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_it_is_rolled_back_when_it_is_denied(ward: MysqlClinic, prepared: bool) -> None:
    write = Write(ward, "UPDATE plans SET state = %s WHERE id < %s", "done", 3, prepared=prepared)
    request = pending(ward, write)
    decide(ward, "deny", request)
    write.finish()
    assert "rolled back" in str(write.error)
    assert request in str(write.error)
    assert states(ward) == ["new"] * 3
    write.goes_on()


def test_the_deadline_takes_it_back(ward: MysqlClinic) -> None:
    write = Write(ward, "DELETE FROM plans WHERE id = 1")
    write.finish()
    assert "rolled back" in str(write.error)
    write.goes_on()


def test_what_the_server_refuses_is_told_at_once(ward: MysqlClinic) -> None:
    write = Write(ward, "INSERT INTO plans VALUES (1, 'again')")
    write.finish()
    assert isinstance(write.error, pymysql.err.IntegrityError)
    write.goes_on()
    assert write.connection.get_autocommit() is not False
    assert not ask(ward, "/v1/approvals")["approvals"]


def test_a_client_that_leaves_takes_it_back(ward: MysqlClinic) -> None:
    agent = ward.connect()
    agent._execute_command(3, "UPDATE plans SET state = 'done' WHERE id < 3")
    request = pending(ward)
    agent._force_close()
    until(lambda: ask(ward, f"/v1/approvals/{request}")["state"] == "abandoned", "it ended", 60)
    assert states(ward) == ["new"] * 3
    ward.server.sql("UPDATE plans SET state = 'free'", "COMMIT", database=DATABASE)  # no lock left


def test_inside_a_transaction_it_is_refused(ward: MysqlClinic) -> None:
    agent = ward.connect()
    OPEN.append(agent)
    cursor = agent.cursor()
    for begin, end in (("BEGIN", "ROLLBACK"), ("SET autocommit = 0", "SET autocommit = 1")):
        cursor.execute(begin)
        with pytest.raises(pymysql.Error, match="outside a transaction"):
            cursor.execute("UPDATE plans SET state = 'done' WHERE id = 1")
        cursor.execute(end)
    assert states(ward) == ["new"] * 3


def test_a_table_that_takes_nothing_back_is_in_the_way(ward: MysqlClinic) -> None:
    ward.server.sql("CREATE TABLE lasting (id int) ENGINE = MyISAM", database=DATABASE)
    try:
        write = Write(ward, "UPDATE plans SET state = 'done' WHERE id = 1")
        write.finish()
        assert "takes nothing back" in str(write.error)
        write.goes_on()
    finally:
        ward.server.sql("DROP TABLE lasting", database=DATABASE)
    assert states(ward) == ["new"] * 3


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("SELECT id FROM beds WHERE id <= 99", 90, 110),
        ("SELECT id, ward FROM beds", 1500, 2500),
        ("SELECT id FROM beds WHERE ward = 3", 150, 250),
        ("SELECT id FROM beds WHERE id = 7", 1, 1),
        ("SELECT id FROM beds WHERE id = -7", 0, 1),
        (
            "SELECT a.id FROM beds a JOIN beds b ON a.id = b.id WHERE a.id < 50"
            " UNION ALL SELECT id FROM beds WHERE id < 20",
            60,
            80,
        ),
        ("SELECT x.id FROM (SELECT id FROM beds WHERE id < 30) x WHERE x.id > 9", 10, 31),
        # What would be done while it is planned is not planned.
        ("SELECT id FROM beds WHERE id = effects.seven()", None, None),
    ],
)
def test_reviewers_see_what_the_optimiser_expects(
    ward: MysqlClinic, text: str, least: int | None, most: int | None
) -> None:
    """And nobody else: an estimate rests on statistics over the rows."""
    ward.server.sql(
        "DROP FUNCTION IF EXISTS seven",
        "CREATE FUNCTION seven() RETURNS int DETERMINISTIC NO SQL RETURN 7",
        database=DATABASE,
    )
    read = Write(ward, text)
    if least is None:
        # A routine's body is not known: it is refused, or held without an estimate.
        until(lambda: read.error or ask(ward, "/v1/approvals")["approvals"], "it is judged", 60)
        if read.error is not None:
            return
    request = pending(ward, read)
    found = ask(ward, f"/v1/approvals/{request}")["statement"]["estimated"]
    decide(ward, "deny", request)
    read.finish()
    assert "estimate" not in str(read.error)
    if least is None or most is None:
        assert found is None
    else:
        assert least <= found <= most
