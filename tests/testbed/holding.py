"""A statement that waits for a person, sent by a real client on a thread of its own."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import psycopg

from testbed.node import until

EXPORT = "COPY (SELECT id, name, ssn FROM patients WHERE sex = 'F' ORDER BY id LIMIT 20) TO STDOUT"


class Held:
    """One statement under way.

    :ivar request: id of its approval request.
    :ivar connection: the client's.
    """

    def __init__(self, dsn: str, statement: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self._notices: Queue[str] = Queue()
        self.connection.add_notice_handler(
            lambda notice: self._notices.put(f"{notice.message_primary} {notice.message_hint}")
        )
        self.outcome: str | int | None = None
        self._thread = threading.Thread(target=self._run, args=(statement,), daemon=True)
        self._thread.start()
        until(lambda: not self._notices.empty() or self.outcome is not None, "it is held", 60)
        if self._notices.empty():
            self.give_up()
            raise AssertionError(f"it was not held: {self.outcome}")
        told = self._notices.get()
        found = re.search(r"apr-[0-9a-z]+", told)
        assert found, told
        self.request = found[0]

    def _run(self, statement: str) -> None:
        try:
            with self.connection.cursor().copy(statement.encode()) as rows:
                self.outcome = sum(1 for _ in rows)
        except psycopg.Error as error:
            self.outcome = str(error)

    def give_up(self) -> None:
        """Cancel it and close. A connection that another thread waits on is not to be closed."""
        if self._thread.is_alive() and not self.connection.broken:
            with contextlib.suppress(psycopg.Error):
                self.connection.cancel_safe(timeout=60)
        self._thread.join(60)
        assert not self._thread.is_alive(), "it can still be waited for"
        self.connection.close()

    def result(self) -> str | int | None:
        """Rows, or the error's text, once it is over."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "it still waits"
        return self.outcome


@contextmanager
def held(dsn: str, statement: str = EXPORT) -> Iterator[Held]:
    """Send ``statement``; it waits while the context runs."""
    one = Held(dsn, statement)
    try:
        yield one
    finally:
        one.give_up()
