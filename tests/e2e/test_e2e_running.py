"""A node as its operators run it: reload, drain, other ways to start, pages, failures to start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic import Clinic, running_clinic
from testbed.gateway import Gateway
from testbed.node import events, log_lines, sessions, until, verified
from testbed.postgres import Postgres


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A clinic of this module's own: its node is stopped and killed."""
    directory = tmp_path_factory.mktemp("running")
    with running_clinic(directory, certificates, postgres15, database="running") as clinic:
        yield clinic


@pytest.fixture
def clinic(running: Clinic) -> Iterator[Clinic]:
    """The node runs, with the settings it began with."""
    before = json.loads(json.dumps(running.gateway.settings))
    if not running.gateway.healthy():
        running.gateway.stop()
        running.gateway.start()
    yield running
    if running.gateway.settings != before:
        running.gateway.settings = before
        running.gateway.stop()


def connect(clinic: Clinic, *, autocommit: bool = True) -> psycopg.Connection:
    """A session whose end :func:`told` can explain."""
    connection = psycopg.connect(clinic.dsn(), autocommit=autocommit)
    notices: list[str | None] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.sqlstate))
    connection.notices = notices  # type: ignore[attr-defined]
    return connection


def told(connection: psycopg.Connection) -> str | None:
    """SQLSTATE of the FATAL that ended the session."""
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute("SELECT 1")
    assert connection.closed
    # libpq makes a notice of a FATAL that comes with the end of an answer.
    (state,) = {caught.value.sqlstate, *connection.notices} - {None}  # type: ignore[attr-defined]
    return str(state)


class Blocked(threading.Thread):
    """An agent's UPDATE that runs until :meth:`release`: somebody else has locked its row."""

    def __init__(self, clinic: Clinic, row: str = "E1") -> None:
        super().__init__()
        self.connection = connect(clinic)
        self.error: psycopg.Error | None = None
        self.updated = 0
        self._row = row
        self._postgres = clinic.postgres
        self._lock = psycopg.connect(clinic.postgres.dsn("running"))
        self._lock.execute("SELECT FROM codes WHERE dx = %s FOR UPDATE", [row])
        self.start()
        until(lambda: self._at_server() == "active", "the UPDATE waits for the row")

    def _at_server(self) -> str:
        """State of the backend that runs the UPDATE: ``active``, or ``""`` when there is none."""
        return self._postgres.psql(
            "SELECT state FROM pg_stat_activity WHERE datname = 'running' AND usename = 'agent'"
            " AND query LIKE 'UPDATE codes%' AND wait_event_type = 'Lock'"
        ).strip()

    def run(self) -> None:
        update = "UPDATE codes SET description = 'by the agent' WHERE dx = %s"
        try:
            self.updated = self.connection.execute(update, [self._row]).rowcount
        except psycopg.Error as error:
            self.error = error

    def canceled(self) -> bool:
        """True when the server runs it no more."""
        return self._at_server() == ""

    def release(self) -> None:
        self._lock.rollback()
        self._lock.close()


# --- reload -----------------------------------------------------------------------------------


def test_a_reload_judges_prepared_statements_again(clinic: Clinic) -> None:
    """No session is dropped, and none goes on under the old rules."""
    query = "SELECT dx, description FROM codes WHERE dx = %s"
    gateway = clinic.gateway
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:

        def ask() -> tuple[Any, ...] | None:
            return connection.execute(query, ["E2"], prepare=True).fetchone()

        assert ask() == ("E2", "finding 2")
        assert ask() == ("E2", "finding 2")
        gateway.settings["labels"].append(
            {"resource": "clinic", "column": "public.codes.description", "kind": "FINDING"}
        )
        gateway.reload("node.reloaded")
        assert ask() == ("E2", "[FINDING]")
        gateway.settings["rules"].append(
            {"name": "no-codes", "verdict": "block", "match": {"relations": ["public.codes"]}}
        )
        gateway.reload("node.reloaded")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            ask()
        assert json.loads(caught.value.diag.message_detail or "")["rule"] == "operator/no-codes"
        assert connection.execute("SELECT 1").fetchone() == (1,)
        del gateway.settings["rules"][-1], gateway.settings["labels"][-1]
        gateway.reload("node.reloaded")
        assert ask() == ("E2", "finding 2")
    digests = [line["rules_digest"] for line in events(gateway, "node.reloaded")[-3:]]
    assert len(set(digests)) == 3
    assert digests[-1] == events(gateway, "node.ready")[-1]["rules_digest"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda settings: settings["rules"][-1].update(verdict="perhaps"),
            ("rules", "verdict", "perhaps", "one of allow"),
        ),
        (
            lambda settings: settings["labels"][0].update(colour="red"),
            ("labels", "colour"),
        ),
        (
            lambda settings: settings["rules"].append({"name": "x", "verdict": "approve"}),
            ("rules", "reviewers"),
        ),
    ],
    ids=["value", "unknown key", "missing key"],
)
def test_a_bad_file_keeps_the_rules_and_says_so(
    clinic: Clinic, break_it: Callable[[dict[str, Any]], None], said: tuple[str, ...]
) -> None:
    gateway = clinic.gateway
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        break_it(gateway.settings)
        # Were the rules taken up in part, this would have an effect.
        gateway.settings["rules"].insert(0, {"name": "none", "verdict": "block"})
        gateway.reload("node.reload_failed")
        reason = events(gateway, "node.reload_failed")[-1]["reason"]
        assert reason.startswith(f"{gateway.config}: ")
        for word in said:
            assert word in reason
        assert "; write " in reason
        row = connection.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()
        assert row == ("[SSN]",)
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_file_that_is_no_toml_is_refused_too(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.config.write_text("[[rules]\nname = 'x'")
    os.kill(gateway.pid, signal.SIGHUP)
    until(
        lambda: [one for one in events(gateway, "node.reload_failed") if "TOML" in one["reason"]],
        "the log says that the file is no TOML",
    )
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_needs_a_restart_is_said(clinic: Clinic) -> None:
    clinic.gateway.settings["limits"] = {"sessions": 7}
    clinic.gateway.reload("node.reloaded")
    assert events(clinic.gateway, "node.needs_restart")[-1]["reason"] == "limits"


def presented(gateway: Gateway) -> bytes:
    """The certificate that a new client is shown, DER."""
    context = ssl.create_default_context(cafile=str(gateway.certificates.ca))
    context.set_alpn_protocols(["postgresql"])
    with (
        socket.create_connection((gateway.host, gateway.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def test_certificates_are_reloaded_and_bad_ones_are_not(
    clinic: Clinic, certificates: Certificates, tmp_path: Path
) -> None:
    gateway = clinic.gateway
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"

    def install(name: str) -> None:
        pair = certificates.issue(name)
        shutil.copy(pair.certificate, certificate)
        write_private(key, pair.key.read_bytes())

    install("first")
    gateway.stop()
    gateway.settings["listeners"][0]["tls"] = {"certificate": str(certificate), "key": str(key)}
    gateway.start()
    first = presented(gateway)
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        install("second")
        gateway.reload("node.reloaded")
        second = presented(gateway)
        assert second != first
        key.write_bytes(b"not a key")
        gateway.reload("node.certificate_kept")
        assert str(key) in events(gateway, "node.certificate_kept")[-1]["reason"]
        assert presented(gateway) == second
        assert connection.execute("SELECT 1").fetchone() == (1,)
        # A mistake in the rules is no reason to let a certificate expire.
        install("third")
        gateway.settings["rules"].append({"name": "x", "verdict": "perhaps"})
        gateway.reload("node.reload_failed")
        until(lambda: presented(gateway) not in (first, second), "the third certificate is shown")
        assert connection.execute("SELECT 1").fetchone() == (1,)


# --- drain ------------------------------------------------------------------------------------


def closed_cleanly(gateway: Gateway) -> None:
    """The log ends with a signed checkpoint over everything, and no session is left open."""
    report = verified(gateway)
    assert (report["above"], report["torn"], report["running"]) == (0, 0, 0)
    assert report["crashed"] == 0
    assert all(one["end"] for one in sessions(gateway))
    assert log_lines(gateway)[-1]["event"] in ("Server Shut Down.", "node.stopped")


def test_sigterm_lets_a_statement_finish(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "20s"
    gateway.start()
    idle = connect(clinic)
    blocked = Blocked(clinic)
    token = clinic.token()
    os.kill(gateway.pid, signal.SIGTERM)
    ended = until(lambda: idle.pgconn.socket and _readable(idle), "the idle session is told")
    assert ended
    assert told(idle) == "57P01"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(gateway.dsn(token), connect_timeout=5)
    assert blocked.is_alive()
    assert gateway.get("/healthz")[0] == 503
    assert json.loads(gateway.get("/healthz")[1])["draining"] is True
    blocked.release()
    blocked.join(10)
    assert blocked.updated == 1
    assert told(blocked.connection) == "57P01"
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 5
    closed_cleanly(gateway)


def test_sigterm_lets_a_copy_and_a_transaction_finish(clinic: Clinic) -> None:
    """They need more of the client's words: it must be heard."""
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "20s"
    gateway.start()
    copying = connect(clinic)
    working = connect(clinic, autocommit=False)
    working.execute("INSERT INTO codes VALUES ('D1', 'drained')")
    with copying.cursor().copy("COPY codes FROM STDIN") as copy:
        copy.write_row(("D2", "drained"))
        os.kill(gateway.pid, signal.SIGTERM)
        until(lambda: gateway.get("/healthz")[0] == 503, "the node drains")
        time.sleep(0.5)
        copy.write_row(("D3", "drained"))
    assert told(copying) == "57P01"
    working.execute("INSERT INTO codes VALUES ('D4', 'drained')")
    working.commit()
    assert told(working) == "57P01"
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 5
    count = "SELECT count(*) FROM codes WHERE description = 'drained'"
    assert clinic.postgres.psql(count, "running").strip() == "4"
    clinic.postgres.psql("DELETE FROM codes WHERE description = 'drained'", "running")
    closed_cleanly(gateway)


def _readable(connection: psycopg.Connection) -> bool:
    import select

    return bool(select.select([connection.pgconn.socket], [], [], 0)[0])


def test_the_deadline_cuts_and_the_server_is_told(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "1s"
    gateway.start()
    blocked = Blocked(clinic, "E3")
    try:
        began = time.monotonic()
        gateway.stop()
        assert 0.9 < time.monotonic() - began < 6
        blocked.join(5)
        assert blocked.error is not None
        assert blocked.error.sqlstate == "57P01"
        # Else the statement that the client was told has ended would still take effect.
        until(blocked.canceled, "the server runs the statement no more")
    finally:
        blocked.release()
    found = clinic.postgres.psql("SELECT description FROM codes WHERE dx = 'E3'", "running")
    assert found.strip() == "finding 3"
    closed_cleanly(gateway)


def test_a_login_under_way_is_not_left_behind(clinic: Clinic) -> None:
    gateway = clinic.gateway
    with socket.create_connection((gateway.host, gateway.port), 10) as half:
        half.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        assert half.recv(1) == b"S"
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 5
    closed_cleanly(gateway)


def test_an_interrupt_drains_too(clinic: Clinic) -> None:
    idle = connect(clinic)
    clinic.gateway.stop(signal.SIGINT)
    assert told(idle) == "57P01"
    closed_cleanly(clinic.gateway)
