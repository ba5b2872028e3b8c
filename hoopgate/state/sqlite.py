"""The embedded state store: one SQLite file, one thread, one durable transaction per statement.

SQLite blocks, so nothing here runs on the reactor's thread but handing over and taking back. The
thread starts in :meth:`SQLiteStore.open`, not in the constructor: ``twistd`` forks and drops its
privileges between building the service and starting it, and neither a thread nor an open SQLite
connection survives a fork (https://www.sqlite.org/howtocorrupt.html, 2.6).
"""

from __future__ import annotations

import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import IStateStore
from hoopgate.state.schema import APPLICATION_ID, STEPS

Rows = list[tuple[object, ...]]
_Task = tuple[str, tuple[object, ...], "defer.Deferred[Rows]"]

#: Result codes after which what is on the disk is not known: the store takes nothing more.
#: (https://www.sqlite.org/rescode.html, primary codes)
_FATAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StateError(HoopgateError):
    """The state database could not be opened or did not do what was asked. Quotes no values."""


@implementer(IStateStore)
class SQLiteStore:
    """State in one SQLite file.

    :param path: the database; created 0600, its directory 0700. Neither may be open to others.
    :param reactor: takes results back to its own thread.
    :param pending: statements that may wait at most; one more fails at once.
    :param busy_seconds: how long to wait for another process that is writing.
    :param steps: the schema, see ``schema.py``.
    """

    def __init__(
        self,
        path: Path,
        reactor: IReactorFromThreads,
        *,
        pending: int = 1000,
        busy_seconds: float = 5.0,
        steps: Sequence[Sequence[str]] = STEPS,
    ) -> None:
        self._path = path
        self._reactor = reactor
        self._busy_seconds = busy_seconds
        self._steps = steps
        self._tasks: queue.Queue[_Task | None] = queue.Queue(pending)
        self._thread: threading.Thread | None = None
        self._closed: defer.Deferred[None] | None = None
        self._broken = False

    def open(self) -> None:
        """Create or check the file, bring its schema up to date, start the thread.

        Blocks for some milliseconds (longer where a large file is checked): call it while the
        service starts, after ``twistd`` has dropped its privileges.

        :raises StateError: the file cannot be used; the message says why and what to do.
        """
        if self._thread is not None:
            raise StateError(f"{self._path}: already open")
        answer: queue.SimpleQueue[StateError | None] = queue.SimpleQueue()
        # A daemon thread: a process that dies without close() must not hang, and every finished
        # statement is durable anyway.
        thread = threading.Thread(
            target=self._run, args=(answer,), name="hoopgate-state", daemon=True
        )
        thread.start()
        error = answer.get()
        if error is not None:
            thread.join()
            raise error
        self._thread = thread

    def execute(
        self, sql: str, parameters: Sequence[object] = ()
    ) -> defer.Deferred[list[tuple[object, ...]]]:
        """Run one statement in its own durable transaction; fires with its rows.

        Fails with :class:`StateError`. Cancelling gives up the answer, not the statement.
        """
        result: defer.Deferred[Rows] = defer.Deferred()
        if self._thread is None or self._closed is not None:
            return defer.fail(StateError("the state database is not open"))
        if self._broken:
            return defer.fail(StateError("the state database failed; restart the node"))
        try:
            self._tasks.put_nowait((sql, tuple(parameters), result))
        except queue.Full:
            return defer.fail(StateError("the state database is overloaded"))
        return result

    def close(self) -> defer.Deferred[None]:
        """Finish what is queued and close. Nothing more is taken from here on."""
        if self._thread is None:
            return defer.succeed(None)
        if self._closed is None:
            self._closed = defer.Deferred()
            # The queue is bounded and its reader may be busy: do not wait for room here.
            threading.Thread(target=self._tasks.put, args=(None,), daemon=True).start()
        waiting: defer.Deferred[None] = defer.Deferred()
        self._closed.chainDeferred(waiting)
        return waiting

    def failed(self) -> bool:
        """True once the disk or the file failed: nothing more is taken until a restart."""
        return self._broken

    # --- on the thread -------------------------------------------------------------------------

    def _run(self, answer: queue.SimpleQueue[StateError | None]) -> None:
        try:
            connection = _open(self._path, self._busy_seconds, self._steps)
        except StateError as error:
            answer.put(error)
            return
        except (sqlite3.Error, OSError) as error:
            answer.put(StateError(f"{self._path}: {_why(error)}"))
            return
        answer.put(None)
        with closing(connection):
            while (task := self._tasks.get()) is not None:
                sql, parameters, result = task
                answered = self._execute(connection, sql, parameters)
                if isinstance(answered, StateError):
                    self._back(result.errback, answered)
                else:
                    self._back(result.callback, answered)
                # Bound values may be PHI: none may outlive its statement.
                del task, parameters, result, answered
        closed = self._closed
        assert closed is not None
        self._back(closed.callback, None)

    def _execute(
        self, connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]
    ) -> Rows | StateError:
        # An error is returned, not raised: a traceback would carry frames with the bound values.
        if self._broken:
            return StateError("the state database failed; restart the node")
        try:
            # Autocommit: the transaction ends when the last row has been fetched.
            with closing(connection.execute(sql, parameters)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _FATAL:
                self._broken = True
            why = _why(error)
        except Exception as error:  # noqa: BLE001 - a value SQLite has no type for, or a bug:
            why = type(error).__name__  # the thread goes on, and nobody waits for ever
        return StateError(f"state database: {why}")

    def _back(self, call: Callable[[Any], None], value: object) -> None:
        self._reactor.callFromThread(call, value)


def _why(error: Exception) -> str:
    """What went wrong without any value: the result code's name, or the system's words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    name = getattr(error, "sqlite_errorname", None)
    return {
        "SQLITE_FULL": "the disk is full",
        "SQLITE_BUSY": "locked by another process",
        "SQLITE_READONLY": "read-only",
        "SQLITE_CANTOPEN": "cannot be opened",
        "SQLITE_NOTADB": "is not a SQLite database",
        "SQLITE_CORRUPT": "is damaged; restore it from a backup or move it away",
    }.get(name or "", name or type(error).__name__)


def _open(path: Path, busy_seconds: float, steps: Sequence[Sequence[str]]) -> sqlite3.Connection:
    """
    :raises StateError: the file is not ours, not private, damaged or of a newer version.
    :raises sqlite3.Error: SQLite says no.
    """
    _private(path)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",  # erased statements are overwritten, not only unlinked
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "temp_store = MEMORY",  # nothing of a sort or a view spills into a temporary file
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _check(path, connection)
        _migrate(path, connection, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def _private(path: Path) -> None:
    """Create the file 0600 in a 0700 directory; refuse what others may read or replace."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o022:
        raise StateError(f"{path.parent}: others may write here: run chmod go-w on it")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode):
        raise StateError(f"{path}: not a regular file")
    if stat.S_IMODE(mode) & 0o077:
        raise StateError(f"{path}: others may read it: run chmod 600 on it")


def _check(path: Path, connection: sqlite3.Connection) -> None:
    problems = connection.execute("PRAGMA quick_check(1)").fetchall()
    if problems != [("ok",)]:
        raise StateError(f"{path}: is damaged; restore it from a backup or move it away")


def _migrate(path: Path, connection: sqlite3.Connection, steps: Sequence[Sequence[str]]) -> None:
    # One transaction that locks first: a second process waits, then finds the work done.
    connection.execute("BEGIN IMMEDIATE")
    try:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if owner != APPLICATION_ID and (owner or version or tables):
            raise StateError(f"{path}: belongs to another program; choose another state_dir")
        if version > len(steps):
            raise StateError(
                f"{path}: written by a newer hoopgate (schema {version}, this one knows "
                f"{len(steps)}); run that version or newer"
            )
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
