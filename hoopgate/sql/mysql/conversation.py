"""A side connection's half of the conversation.

The connection speaks UTF-8 with the default SQL mode, as the sessions do, and keeps no transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol

from hoopgate.errors import UnresolvableStatement
from hoopgate.sql.mysql.catalogue import Rows, definition
from hoopgate.sql.mysql.resolver import Ask, Describe, Plan, Step, View
from hoopgate.sql.mysql.shown import Outputs
from hoopgate.sql.mysql.tokens import quote

#: Columns a query may return; what a view may have.
_MOST_COLUMNS: Final = 4096


class ServerError(Exception):
    """The server refuses; its text may quote the statement, so only the number is kept."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Connection(Protocol):
    """What is needed of a connection."""

    def query(self, text: str) -> Awaitable[Rows]:
        """:raises ServerError: the server refuses."""

    def prepare(self, text: str) -> Awaitable[Outputs]:
        """Columns that the statement returns; it is not run, and not kept.

        :raises ServerError: the server refuses.
        """

    def use(self, database: str) -> Awaitable[None]:
        """:raises ServerError: the server refuses."""


class Conversation:
    """Answers scripts of :mod:`hoopgate.sql.mysql.resolver`.

    :param scratch: the schema that views are made in.
    """

    def __init__(self, connection: Connection, scratch: str) -> None:
        self._connection = connection
        self._scratch = scratch
        # Unlike any that another connection uses.
        self._view = f"{quote(scratch)}.{quote('hg_' + secrets.token_hex(12))}"
        self._database = ""

    async def run(self, database: str, script: Sequence[Step]) -> list[Any]:
        """The answer to each step.

        :param database: which names without one belong to; ``""``: none has to.
        :raises UnresolvableStatement: the server refuses a step.
        """
        try:
            return [await self._step(step, database) for step in script]
        except ServerError as error:
            raise UnresolvableStatement(
                f"resolve.{error.number}", "The server refuses the statement."
            ) from None

    async def _step(self, step: Step, database: str) -> Any:
        if isinstance(step, Ask):
            await self._use(self._scratch)  # so that tables are written with their schemas
            try:
                return await self._connection.query(step.text)
            except ServerError:
                if step.optional:
                    return None
                raise
        if database:
            await self._use(database)
        if isinstance(step, Plan):
            return await self._connection.query(step.text)
        outputs = await self._connection.prepare(step.text)
        if isinstance(step, Describe):
            return outputs
        return await self._viewed(step, outputs)

    async def _viewed(self, step: View, outputs: Outputs) -> str:
        if not outputs or len(outputs) > _MOST_COLUMNS:
            raise UnresolvableStatement("resolve.class", "This is no query.")
        # Names of its own: a view's have to differ from one another, a query's have not.
        columns = ", ".join(f"c{number}" for number in range(1, len(outputs) + 1))
        query = self._connection.query
        await query(
            f"CREATE OR REPLACE ALGORITHM = UNDEFINED SQL SECURITY INVOKER VIEW {self._view}"
            f" ({columns}) AS {step.text}"
        )
        try:
            # Names of another schema's tables are written with it.
            await self._use(self._scratch)
            rows = await query(f"SHOW CREATE VIEW {self._view}")
        finally:
            await query(f"DROP VIEW {self._view}")
        text = rows[0][1]
        return definition(text.decode() if isinstance(text, bytes) else str(text))

    async def _use(self, database: str) -> None:
        if database != self._database:
            self._database = ""
            await self._connection.use(database)
            self._database = database
