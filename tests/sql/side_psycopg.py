"""A side connection for tests: psycopg over a real server, and the way from SQL to a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

import psycopg

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Judged, Principal, Resolution, SessionFacts, Statement
from hoopgate.guardrails.pipeline import Outcome, Pipeline
from hoopgate.sql import printed
from hoopgate.sql.analysis import analyze
from hoopgate.sql.resolver import Resolver, needs_resolution


class PsycopgSide:
    """Runs a script as :class:`hoopgate.interfaces.ISideConnection` does, at once.

    :param creates: whether statements become procedures' bodies; else their trees are printed.
    """

    def __init__(self, connection: psycopg.Connection[Any], creates: bool = True) -> None:
        self.connection = connection
        self.creates = creates
        self.rounds = 0

    async def run(
        self, script: Sequence[str | tuple[str, ...]]
    ) -> list[list[tuple[str | None, ...]]]:
        self.rounds += 1
        found = []
        try:
            with self.connection.transaction(force_rollback=True):
                for statement in script:
                    text, *values = (statement,) if isinstance(statement, str) else statement
                    # With parameters, though none: the extended protocol, as the real one uses.
                    cursor = psycopg.RawCursor(self.connection)
                    cursor.execute(text.encode(), values, prepare=False)
                    found.append(
                        [tuple(row) for row in cursor.fetchall()] if cursor.description else []
                    )
        except psycopg.Error as error:
            raise UnresolvableStatement(f"resolve.{error.sqlstate}", "refused") from None
        return found

    async def tree(
        self, script: Sequence[str | tuple[str, ...]], text: str, types: Sequence[int]
    ) -> str:
        self.rounds += 1
        found: list[str | None] = []

        def noticed(told: psycopg.errors.Diagnostic) -> None:
            fields = {
                b"V": told.severity_nonlocalized or "",
                b"M": told.message_primary or "",
                b"D": told.message_detail or "",
            }
            tree = printed.tree({kind: value.encode() for kind, value in fields.items()})
            found.extend([] if tree is None else [tree])

        self.connection.add_notice_handler(noticed)
        try:
            with self.connection.transaction(force_rollback=True):
                for statement in (*script, printed.TELL):
                    before, *values = (statement,) if isinstance(statement, str) else statement
                    psycopg.RawCursor(self.connection).execute(before.encode(), values)
                parsed = self.connection.pgconn.prepare(b"", text.encode(), list(types))
                trees = list(found)  # ROLLBACK has one, too
        finally:
            self.connection.remove_notice_handler(noticed)
        code = parsed.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        if parsed.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            raise UnresolvableStatement(f"resolve.{(code or b'').decode()}", "refused")
        (tree,) = trees
        assert tree is not None
        return tree


def connect(dsn: str) -> psycopg.Connection[Any]:
    """A connection whose rows are all text."""
    connection = psycopg.connect(dsn, autocommit=True)
    text = psycopg.types.string.TextLoader
    for info in connection.execute("SELECT oid FROM pg_type").fetchall():
        connection.adapters.register_loader(info[0], text)
    return connection


def finished(coroutine: Coroutine[Any, Any, Resolution] | Awaitable[Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)  # type: ignore[union-attr]
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


SESSION = SessionFacts(
    "s-1",
    Principal("https://issuer", "agent-1", frozenset({"phi"}), 1e12, frozenset({"analysts"})),
    "clinic",
    "postgresql",
    "phi",
    "127.0.0.1",
    "main",
)


class Desk:
    """SQL in, verdict out: analysis, resolution on a real server, pipeline."""

    def __init__(self, connection: psycopg.Connection[Any], pipeline: Pipeline) -> None:
        self.side = PsycopgSide(connection)
        self.pipeline = pipeline
        self.now = 1e9
        self.resolver = Resolver(lambda: self.now)

    def judged(self, sql: str, types: tuple[int, ...] = (), path: str = "") -> Judged:
        statement = Statement(sql, types, settings={"search_path": path} if path else {})
        try:
            facts = analyze(sql)
        except Refused as refused:
            return Judged(statement, None, parse_error=refused.code)
        resolutions: list[Resolution | None] = []
        unresolved = {}
        for index, one in enumerate(facts):
            resolution = None
            if needs_resolution(one):
                single = Statement(one.text or sql, types, settings=statement.settings)
                try:
                    resolution = finished(self.resolver.ask(self.side, single, one, SESSION))
                except Refused as refused:
                    unresolved[index] = refused.code
            resolutions.append(resolution)
        return Judged(statement, facts, tuple(resolutions), unresolved)

    def judge(self, sql: str, types: tuple[int, ...] = (), path: str = "") -> Outcome:
        return self.pipeline.judge(self.judged(sql, types, path), SESSION, self.now)
