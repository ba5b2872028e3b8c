"""A bulk export waits for a person: the whole way, with the command line a reviewer uses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from testbed.clinic import Clinic

HOOPGATE = Path(sys.executable).with_name("hoopgate")
EXPORT = "COPY patients (id, ssn, sex) TO STDOUT"


def approvals(clinic: Clinic, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``hoopgate approvals …`` as ``who``."""
    command = [HOOPGATE, "approvals", *arguments, "--config", clinic.gateway.config]
    return subprocess.run(
        command,
        env={"HOOPGATE_TOKEN": clinic.token(who), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


class Export(threading.Thread):
    """An agent's COPY in a session of its own."""

    def __init__(self, clinic: Clinic, statement: str = EXPORT, who: str = "executor") -> None:
        super().__init__()
        self.rows: list[bytes] = []
        self.error: psycopg.Error | None = None
        self.notices: list[str] = []
        self.connection = psycopg.connect(clinic.dsn(who), autocommit=True)
        self.connection.add_notice_handler(self._notice)
        self.statement = statement
        self.start()

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        self.notices.append(f"{notice.message_primary} {notice.message_detail}")

    def run(self) -> None:
        try:
            with self.connection.cursor().copy(self.statement.encode()) as copy:
                self.rows = [bytes(row) for row in copy]
        except psycopg.Error as error:
            self.error = error

    def request(self) -> str:
        """The request's id, as the NOTICE told it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for notice in self.notices:
                if found := re.search(r"apr-\w+", notice):
                    return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no notice with an approval id: {self.notices} {self.error}")

    def finish(self) -> None:
        self.join(60)
        assert not self.is_alive()
        self.connection.close()


def test_an_export_is_held_approved_and_delivered_masked(clinic: Clinic) -> None:
    export = Export(clinic)
    request = export.request()
    listed = json.loads(approvals(clinic, "rita", "list", "--json").stdout)
    assert request in json.dumps(listed)
    shown = approvals(clinic, "rita", "show", request)
    assert EXPORT in shown.stdout
    assert not export.rows
    decided = approvals(clinic, "rita", "approve", request, "--reason", "for the yearly report")
    assert decided.returncode == 0, decided.stderr
    export.finish()
    assert export.error is None
    lines = b"".join(export.rows).decode().splitlines()
    assert lines[0] == "1\t[SSN]\tM"
    assert len(lines) == 200
    assert {line.split("\t")[1] for line in lines} == {"[SSN]"}


def test_an_approval_is_used_once(clinic: Clinic) -> None:
    for _ in range(2):
        export = Export(clinic)
        request = export.request()
        assert approvals(clinic, "rita", "approve", request, "--reason", "once").returncode == 0
        export.finish()
        assert export.error is None


def test_a_denial_is_an_answer(clinic: Clinic) -> None:
    export = Export(clinic)
    request = export.request()
    decided = approvals(clinic, "rita", "deny", request, "--reason", "not needed")
    assert decided.returncode == 0, decided.stderr
    export.finish()
    assert isinstance(export.error, psycopg.errors.InsufficientPrivilege)
    assert json.loads(export.error.diag.message_detail or "")["approval"] == request


def test_reviewers_see_what_the_planner_expects(clinic: Clinic) -> None:
    """And nobody else: an estimate rests on statistics over the rows."""
    clinic.postgres.psql("ANALYZE patients", clinic.database)
    export = Export(clinic, "COPY (SELECT id FROM patients WHERE id <= 10) TO STDOUT")
    request = export.request()
    page = json.loads(approvals(clinic, "rita", "show", request, "--json").stdout)
    assert 5 <= page["statement"]["estimated"] <= 20
    assert "estimated" not in approvals(clinic, "otto", "show", request, "--json").stdout
    assert approvals(clinic, "rita", "deny", request, "--reason", "seen").returncode == 0
    export.finish()
    assert "estimate" not in f"{export.notices} {export.error}"


def test_who_may_not_approve(clinic: Clinic) -> None:
    """Not a stranger to the reviewers' group, not without a reason; the hold goes on."""
    export = Export(clinic)
    request = export.request()
    assert approvals(clinic, "otto", "approve", request, "--reason", "please").returncode != 0
    assert approvals(clinic, "rita", "approve", request, "--reason", " ").returncode != 0
    assert approvals(clinic, "executor", "approve", request, "--reason", "mine").returncode != 0
    assert export.is_alive()
    assert approvals(clinic, "rita", "deny", request, "--reason", "enough").returncode == 0
    export.finish()


def test_a_client_that_cancels_ends_the_hold(clinic: Clinic) -> None:
    export = Export(clinic)
    request = export.request()
    export.connection.cancel_safe()
    export.finish()
    assert isinstance(export.error, psycopg.errors.QueryCanceled)
    late = approvals(clinic, "rita", "approve", request, "--reason", "too late")
    assert late.returncode != 0


def test_a_client_that_leaves_ends_the_hold(clinic: Clinic) -> None:
    connection = psycopg.connect(clinic.dsn(), autocommit=True)
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    connection.pgconn.send_query(EXPORT.encode())
    deadline = time.monotonic() + 60
    while not notices and time.monotonic() < deadline:
        connection.pgconn.consume_input()
        connection.pgconn.is_busy()  # parses what came, and so calls the notice handler
        time.sleep(0.05)
    connection.close()
    (notice,) = notices
    request = re.search(r"apr-\w+", notice)
    assert request
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        late = approvals(clinic, "rita", "approve", request[0], "--reason", "too late")
        if late.returncode != 0:
            return
        time.sleep(0.1)
    pytest.fail("the request of a client that left could be approved")


def test_the_session_goes_on_after_a_hold(clinic: Clinic) -> None:
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        found: list[str] = []

        def deny(notice: psycopg.errors.Diagnostic) -> None:
            match = re.search(r"apr-\w+", str(notice.message_primary))
            if match:
                found.append(match[0])
                threading.Thread(
                    target=approvals, args=(clinic, "rita", "deny", match[0], "--reason", "no no")
                ).start()

        connection.add_notice_handler(deny)
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.cursor().copy(EXPORT) as copy,
        ):
            list(copy)
        assert connection.execute("SELECT 1").fetchone() == (1,)
