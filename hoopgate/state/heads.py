"""The heads of logs in a PostgreSQL database that several machines share.

One row for each log. Whoever starts a log from an older copy, or goes on with one that another node
has taken over, finds there that it has moved on.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from hoopgate.errors import HeadAway

SECONDS = 5  #: for a connection, and for an answer
_TABLE = """CREATE TABLE IF NOT EXISTS hoopgate_log_heads (
    origin text PRIMARY KEY, size bigint NOT NULL, root text NOT NULL, note bytea NOT NULL,
    node text NOT NULL, moved timestamptz NOT NULL DEFAULT now())"""
_FIRST = """INSERT INTO hoopgate_log_heads (origin, size, root, note, node)
    VALUES (:origin, :size, :root, :note, :node) ON CONFLICT DO NOTHING RETURNING 1"""
_MOVE = """UPDATE hoopgate_log_heads
    SET size = :size, root = :root, note = :note, node = :node, moved = now()
    WHERE origin = :origin AND note = :old RETURNING 1"""


class PostgresHead:
    """The head of one log, in a row of ``hoopgate_log_heads``. See :class:`~.recorder.head.Head`.

    :param origin: the log's name.
    :param node: this machine's name, for who finds that the head was moved.
    :param password: reads it, for each connection.
    :param context: of TLS; None: plaintext, on this machine only.
    """

    def __init__(
        self,
        origin: str,
        node: str,
        *,
        host: str,
        port: int,
        database: str,
        user: str,
        password: Callable[[], str] | None,
        context: ssl.SSLContext | None,
    ) -> None:
        self._origin = origin
        self._node = node
        self._about: dict[str, Any] = {
            "host": host,
            "port": port,
            "database": database,
            "user": user,
            "ssl_context": context,
            "timeout": SECONDS,
            "application_name": "hoopgate log head",
        }
        self._password = password
        self._connection: Any = None

    @property
    def place(self) -> str:
        about = self._about
        return f"the head of {self._origin} in {about['host']}:{about['port']}/{about['database']}"

    def read(self) -> bytes:
        """See :class:`~hoopgate.recorder.head.Head`."""
        rows = self._ask(
            "SELECT note FROM hoopgate_log_heads WHERE origin = :origin", origin=self._origin
        )
        return bytes(rows[0][0]) if rows else b""

    def swap(self, old: bytes, new: bytes) -> bool:
        """See :class:`~hoopgate.recorder.head.Head`."""
        _, size, root = new.decode().split("\n")[:3]
        moved = self._ask(
            _MOVE if old else _FIRST,
            origin=self._origin,
            size=int(size),
            root=root,
            note=new,
            node=self._node,
            **({"old": old} if old else {}),
        )
        return bool(moved)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _ask(self, statement: str, **values: object) -> list[list[Any]]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            rows: list[list[Any]] | None = self._connection.run(statement, **values)
        except (DatabaseError, InterfaceError, OSError, struct.error) as error:
            self.close()
            raise HeadAway(f"{self.place}: {_why(error)}") from None
        return rows or []

    def _connect(self) -> Connection:
        password = None if self._password is None else self._password()
        connection = Connection(password=password, **self._about)
        try:
            # It may have been made by somebody with more rights.
            if connection.run("SELECT to_regclass('hoopgate_log_heads')") == [[None]]:
                connection.run(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection


def _why(error: Exception) -> str:
    """What the server says, without its details."""
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return f"{error.args[0].get('C', '')} {error.args[0].get('M', '')}".strip()
    return str(error) or type(error).__name__
