"""A write whose effect is approved: it is done, shown to a person, and committed only then."""

from __future__ import annotations

import http.client
import json
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.node import until
from testbed.postgres import Postgres

HOOPGATE = Path(sys.executable).with_name("hoopgate")

RULES: list[dict[str, Any]] = [
    {
        "name": "brief",
        "verdict": "approve",
        "approve": "effect",
        "match": {"classes": ["delete"], "groups": ["analysts"]},
        "reviewers": ["privacy-office"],
        "expires": "3s",
    },
    {
        "name": "writes",
        "verdict": "approve",
        "approve": "effect",
        "match": {"groups": ["analysts"], "classes": ["insert", "update", "merge"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
    },
    {"name": "analysts", "verdict": "allow", "match": {"groups": ["analysts", "exporters"]}},
]
TABLES = """
CREATE TABLE plans (id integer PRIMARY KEY, state text NOT NULL, parent integer,
    CONSTRAINT known FOREIGN KEY (parent) REFERENCES plans (id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO plans SELECT i, 'new' FROM generate_series(1, 40) AS i;
GRANT SELECT, INSERT, UPDATE, DELETE ON plans TO agent;
"""


@pytest.fixture(scope="module", params=[18])
def ward(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Clinic]:
    postgres: Postgres = request.getfixturevalue(f"postgres{request.param}")
    directory = tmp_path_factory.mktemp(f"effects{request.param}")
    labels = [{"column": "public.plans.*", "level": "public"}]
    with running_clinic(
        directory, certificates, postgres, database="effects", rules=RULES, labels=labels
    ) as running:
        postgres.psql(TABLES, "effects")
        yield running


#: The reviewer's; minted before any thread wants it.
TOKENS: list[str] = []
#: Of agents; closed after each test.
OPEN: list[psycopg.Connection[Any]] = []


@pytest.fixture(autouse=True)
def anew(ward: Clinic) -> Iterator[None]:
    TOKENS[:] = [ward.token("rita")]
    ward.postgres.psql("UPDATE plans SET state = 'new', parent = NULL", "effects")
    yield
    while OPEN:
        OPEN.pop().close()


def cli(ward: Clinic, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HOOPGATE, "approvals", *arguments, "--config", ward.gateway.config],
        env={"HOOPGATE_TOKEN": ward.token(who), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def decide(ward: Clinic, step: str, request: str) -> None:
    """As the command line does, without a process of its own."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(ward.gateway.state_dir / "admin.sock"))
        connection.request(
            "POST",
            f"/v1/approvals/{request}/{step}",
            json.dumps({"reason": "looked at it"}),
            {"Authorization": f"Bearer {TOKENS[0]}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    finally:
        connection.close()


def states(ward: Clinic) -> set[str]:
    """What everybody else sees."""
    with psycopg.connect(ward.direct_dsn()) as direct:
        return {row[0] for row in direct.execute("SELECT DISTINCT state FROM plans")}


class Write(threading.Thread):
    """An agent's write, in a session of its own."""

    def __init__(self, ward: Clinic, text: str, *values: Any, **more: Any) -> None:
        super().__init__(daemon=True)
        self.connection = psycopg.connect(ward.dsn(), autocommit=True)
        OPEN.append(self.connection)
        self.notices: queue.Queue[str] = queue.Queue()
        self.connection.add_notice_handler(
            lambda notice: self.notices.put(f"{notice.message_primary}")
        )
        self.text, self.values, self.more = text, values, more
        self.rows: list[Any] = []
        self.count = -1
        self.error: psycopg.Error | None = None
        self.start()

    def run(self) -> None:
        try:
            cursor = self.connection.execute(self.text, self.values or None, **self.more)
            self.count = cursor.rowcount
            if cursor.description:
                self.rows = cursor.fetchall()
        except psycopg.Error as error:
            self.error = error

    def request(self) -> str:
        until(lambda: not self.notices.empty() or not self.is_alive(), "it is held", 60)
        assert not self.notices.empty(), self.error
        found = re.search(r"apr-\w+", self.notices.get())
        assert found
        return found[0]

    def finish(self) -> None:
        self.join(60)
        assert not self.is_alive()


WAYS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "simple": (("UPDATE plans SET state = 'done' WHERE id <= 3",), {}),
    "extended": (("UPDATE plans SET state = %s WHERE id <= %s", "done", 3), {}),
    "prepared": (("UPDATE plans SET state = %s WHERE id <= %s", "done", 3), {"prepare": True}),
    "returning": (("UPDATE plans SET state = 'done' WHERE id <= 3 RETURNING id, state",), {}),
    "binary": (
        ("UPDATE plans SET state = %s WHERE id <= %s RETURNING id, state", "done", 3),
        {"binary": True},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_committed_when_it_is_approved(ward: Clinic, way: str) -> None:
    arguments, more = WAYS[way]
    write = Write(ward, *arguments, **more)
    request = write.request()
    assert states(ward) == {"new"}
    assert write.is_alive()
    decide(ward, "approve", request)
    write.finish()
    assert write.error is None
    assert write.count == 3
    assert states(ward) == {"new", "done"}
    if "RETURNING" in arguments[0]:
        assert sorted(write.rows) == [(1, "done"), (2, "done"), (3, "done")]
    # The session goes on, outside any transaction, its prepared statements are what they were.
    assert write.connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert write.connection.execute("SELECT count(*) FROM plans").fetchone() == (40,)
    again = Write(ward, *arguments, **more)
    decide(ward, "deny", again.request())
    again.finish()


def test_the_reviewer_sees_what_it_did(ward: Clinic) -> None:
    write = Write(ward, "UPDATE plans SET state = 'done' WHERE id <= 3")
    request = write.request()
    page = json.loads(cli(ward, "rita", "show", request, "--json").stdout)
    assert page["effect"]
    assert page["statement"]["affected"] == 3
    assert "3 rows changed; it is done, and waits" in cli(ward, "rita", "show", request).stdout
    assert "3 rows" not in cli(ward, "otto", "show", request).stdout
    decide(ward, "approve", request)
    write.finish()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_rolled_back_when_it_is_denied(ward: Clinic, way: str) -> None:
    arguments, more = WAYS[way]
    write = Write(ward, *arguments, **more)
    request = write.request()
    decide(ward, "deny", request)
    write.finish()
    assert isinstance(write.error, psycopg.errors.InsufficientPrivilege)
    told = json.loads(write.error.diag.message_detail or "")
    assert (told["approval"], told["reason"]) == (request, "approval.refused")
    assert "rolled back" in str(write.error)
    assert not write.rows
    assert states(ward) == {"new"}
    for _ in range(2):  # the same session can go on
        assert write.connection.execute(
            "SELECT id FROM plans WHERE id = %s", (7,), prepare=True
        ).fetchone() == (7,)
    assert write.connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_the_same_prepared_statement_again_and_again(ward: Clinic) -> None:
    with psycopg.connect(ward.dsn(), autocommit=True) as agent:
        notices: queue.Queue[str] = queue.Queue()
        agent.add_notice_handler(lambda notice: notices.put(str(notice.message_primary)))

        def judge() -> None:
            for step in ("approve", "deny", "approve"):
                found = re.search(r"apr-\w+", notices.get(timeout=60))
                assert found
                decide(ward, step, found[0])

        reviewer = threading.Thread(target=judge)
        reviewer.start()
        for number, fine in ((1, True), (2, False), (3, True)):
            try:
                agent.execute(
                    "UPDATE plans SET state = 'done' WHERE id = %s", (number,), prepare=True
                )
                done = True
            except psycopg.errors.InsufficientPrivilege:
                done = False
            assert done is fine
        reviewer.join(60)
        assert agent.execute("SELECT id FROM plans WHERE state = 'done' ORDER BY 1").fetchall() == [
            (1,),
            (3,),
        ]


@pytest.mark.parametrize("values", [(), (99,)], ids=["simple", "extended"])
def test_what_the_server_refuses_is_told_at_once(ward: Clinic, values: tuple[int, ...]) -> None:
    where = "%s" if values else "99"
    write = Write(ward, f"INSERT INTO plans VALUES ({where}, NULL)", *values)
    write.finish()
    assert isinstance(write.error, psycopg.errors.NotNullViolation)
    assert write.notices.empty()
    assert write.connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert write.connection.execute("SELECT count(*) FROM plans").fetchone() == (40,)


@pytest.mark.parametrize("values", [(), (999,)], ids=["simple", "extended"])
def test_what_fails_at_the_commit_is_an_error(ward: Clinic, values: tuple[int, ...]) -> None:
    """A deferred constraint: approved, and yet not done."""
    where = "%s" if values else "999"
    write = Write(ward, f"UPDATE plans SET parent = {where} WHERE id = 1 RETURNING id", *values)
    decide(ward, "approve", write.request())
    write.finish()
    assert isinstance(write.error, psycopg.errors.ForeignKeyViolation)
    assert not write.rows
    assert write.connection.execute("SELECT parent FROM plans WHERE id = 1").fetchone() == (None,)


def test_inside_a_transaction_it_is_refused(ward: Clinic) -> None:
    with psycopg.connect(ward.dsn()) as agent:
        agent.execute("SELECT 1")
        for values in (None, ("done",)):
            value = "%s" if values else "'done'"
            text = f"UPDATE plans SET state = {value} WHERE id < 9"
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="one INSERT") as caught:
                agent.execute(text, values)
            assert json.loads(caught.value.diag.message_detail or "")["reason"] == (
                "approval.effect"
            )
            agent.rollback()
    assert states(ward) == {"new"}


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE plans SET state = 'done' WHERE id < 9; SELECT 1",
        "UPDATE plans SET state = 'done' WHERE id < 9; COMMIT",
        "EXPLAIN ANALYZE UPDATE plans SET state = 'done' WHERE id < 9",
        "UPDATE plans SET state = 'done' WHERE set_config('work_mem', '1MB', false) <> ''",
    ],
)
def test_what_cannot_be_shown_is_refused(ward: Clinic, text: str) -> None:
    with psycopg.connect(ward.dsn(), autocommit=True) as agent:
        with pytest.raises(psycopg.Error):
            agent.execute(text)
        assert agent.execute("SELECT 1").fetchone() == (1,)
    assert states(ward) == {"new"}


def test_in_a_pipeline_it_has_to_be_alone(ward: Clinic) -> None:
    with psycopg.connect(ward.dsn(), autocommit=True) as agent:
        with pytest.raises(psycopg.Error), agent.pipeline():
            agent.execute("UPDATE plans SET state = %s WHERE id = 1", ("done",))
            agent.execute("SELECT %s::int", (1,))
        assert agent.execute("SELECT 1").fetchone() == (1,)
    assert states(ward) == {"new"}


def locked(ward: Clinic) -> bool:
    with psycopg.connect(ward.direct_dsn(), autocommit=True) as direct:
        found = direct.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'effects'"
            " AND state LIKE 'idle in transaction%%'"
        ).fetchone()
        return found != (0,)


def test_a_client_that_leaves_takes_it_back(ward: Clinic) -> None:
    agent = psycopg.connect(ward.dsn(), autocommit=True)
    notices: list[str] = []
    agent.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    agent.pgconn.send_query(b"UPDATE plans SET state = 'done' WHERE id < 9")

    def held() -> bool:
        agent.pgconn.consume_input()
        agent.pgconn.is_busy()
        return bool(notices)

    until(held, "it is held", 60)
    assert locked(ward)
    agent.close()
    until(lambda: not locked(ward), "it is rolled back", 60)
    assert states(ward) == {"new"}
    request = re.search(r"apr-\w+", notices[0])
    assert request
    late = cli(ward, "rita", "approve", request[0], "--reason", "too late")
    assert late.returncode == 1
    assert json.loads(cli(ward, "rita", "show", request[0], "--json").stdout)["state"] in (
        "abandoned",
    )


def test_a_client_that_cancels_takes_it_back(ward: Clinic) -> None:
    write = Write(ward, "UPDATE plans SET state = %s WHERE id < 9", "done")
    write.request()
    write.connection.cancel_safe(timeout=60)
    write.finish()
    assert isinstance(write.error, psycopg.errors.QueryCanceled)
    assert not locked(ward)
    assert states(ward) == {"new"}
    assert write.connection.execute("SELECT 1").fetchone() == (1,)


def test_the_deadline_takes_it_back(ward: Clinic) -> None:
    """Nobody decides: locks are held as long as the rule says, no longer."""
    write = Write(ward, "DELETE FROM plans WHERE id > 38")
    request = write.request()
    began = time.monotonic()
    write.finish()
    assert time.monotonic() - began < 60
    assert isinstance(write.error, psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(ward.direct_dsn()) as direct:
        assert direct.execute("SELECT count(*) FROM plans").fetchone() == (40,)
    assert not locked(ward)
    late = cli(ward, "rita", "approve", request, "--reason", "too late")
    assert "approval.expired" in late.stderr


def test_the_server_has_a_deadline_of_its_own(ward: Clinic) -> None:
    """A gateway that is gone without a trace leaves no lock behind for long."""
    write = Write(ward, "UPDATE plans SET state = 'done' WHERE id < 9")
    request = write.request()
    with psycopg.connect(ward.direct_dsn(), autocommit=True) as direct:
        found = direct.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = 'effects'"
            " AND state = 'idle in transaction'"
        ).fetchall()
    assert len(found) == 1
    decide(ward, "deny", request)
    write.finish()
    shown = write.connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert shown == ("0",)  # it was for that transaction


def test_a_transaction_that_the_server_ends_is_an_error(ward: Clinic) -> None:
    write = Write(ward, "UPDATE plans SET state = 'done' WHERE id < 9")
    write.request()
    ward.postgres.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = 'effects' AND state = 'idle in transaction'",
        "effects",
    )
    write.finish()
    assert write.error is not None
    assert not write.rows
    assert states(ward) == {"new"}
