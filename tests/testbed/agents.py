"""What agents do that takes time: sessions that wait, that are ended, that are told why."""

from __future__ import annotations

import threading

import psycopg
import pytest

from testbed.clinic import Clinic
from testbed.node import until


def connect(
    clinic: Clinic, who: str = "executor", *, autocommit: bool = True
) -> psycopg.Connection:
    """A session whose end :func:`told` can explain."""
    connection = psycopg.connect(clinic.dsn(who), autocommit=autocommit)
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

    def __init__(self, clinic: Clinic, row: str = "E1", who: str = "executor") -> None:
        super().__init__()
        self._lock = psycopg.connect(clinic.postgres.dsn(clinic.database))
        self._lock.execute("SELECT FROM codes WHERE dx = %s FOR UPDATE", [row])
        self.connection = connect(clinic, who)  # last: the token may be brief
        self.error: psycopg.Error | None = None
        self.updated = 0
        self._row = row
        self._clinic = clinic
        self.start()
        until(lambda: self._at_server() == "active", "the UPDATE waits for the row")

    def _at_server(self) -> str:
        """State of the backend that runs the UPDATE: ``active``, or ``""`` when there is none."""
        return self._clinic.postgres.psql(
            f"SELECT state FROM pg_stat_activity WHERE datname = '{self._clinic.database}' AND"
            " usename = 'agent' AND query LIKE 'UPDATE codes%' AND wait_event_type = 'Lock'"
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
