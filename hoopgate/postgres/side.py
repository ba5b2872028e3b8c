"""Side connections: the gateway's own questions to a PostgreSQL server about statements.

They log in as the sessions do (same account, so the same rights), ask by the extended protocol,
and roll back everything. A question that takes too long ends its connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import RemoteProtocolError, UnresolvableStatement
from hoopgate.interfaces import ITLS, ISecretSource, ISideConnection
from hoopgate.postgres import wire
from hoopgate.postgres.upstream import BackendConnection, connect

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.settings.model import Resource

Rows = list[tuple[str | None, ...]]

#: Seconds a question may take, and questions that may wait for a connection.
QUESTION_SECONDS = 5.0
MOST_WAITING = 256
ANSWER_LIMIT = 16 * 2**20


class _Conversation:
    """One connection, one question at a time: extended messages up to Sync, rows back."""

    def __init__(self, connection: BackendConnection) -> None:
        self._connection = connection
        self._reader = wire.BackendReader(ANSWER_LIMIT)
        self._results: list[Rows] = []
        self._types: tuple[int, ...] = ()
        self._error = ""
        self._done: Deferred[None] | None = None
        self.lost = False
        connection.hand_over(self._received, self._lost)

    def ask(self, messages: bytes) -> Deferred[None]:
        """Send ``messages`` (they end with Sync); fires at ReadyForQuery."""
        assert self._done is None and self._connection.transport is not None
        self._results, self._types, self._error = [], (), ""
        self._done = Deferred()
        self._connection.transport.write(messages)
        return self._done

    @property
    def answer(self) -> tuple[list[Rows], tuple[int, ...]]:
        """Rows of each statement and the parameters' types.

        :raises UnresolvableStatement: the server refused one.
        """
        if self._error:
            raise UnresolvableStatement(
                f"resolve.{self._error}", "the database does not accept this statement"
            )
        return self._results, self._types

    def _received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while self._reader.peek() is not None:
                self._message(self._reader.take())
        except RemoteProtocolError:
            self.abort()

    def _message(self, message: bytes) -> None:
        kind = message[:1]
        if kind == b"D":
            values = wire.data_row_values(message)
            row = tuple(None if value is None else value.decode() for value in values)
            self._results[-1].append(row)
        elif kind == b"2":  # BindComplete: the next statement's rows start
            self._results.append([])
        elif kind == b"t":
            self._types = wire.parameter_description(message)
        elif kind == b"E":
            self._error = wire.error_fields(message).get(b"C", b"XX000").decode("ascii", "replace")
        elif kind == b"Z":
            done, self._done = self._done, None
            if done is not None:
                done.callback(None)

    def _lost(self) -> None:
        self.lost = True
        done, self._done = self._done, None
        if done is not None:
            done.errback(Failure(UnresolvableStatement("resolve.lost", "the database went away")))

    def abort(self) -> None:
        """Give the connection up."""
        self.lost = True
        if self._connection.transport is not None:
            self._connection.transport.abortConnection()  # type: ignore[attr-defined]


@implementer(ISideConnection)
class SideConnections:
    """A bounded pool for one resource.

    :param principal: on whose behalf secrets are asked for: the gateway itself.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        resource: Resource,
        tls: ITLS,
        secrets: ISecretSource,
        principal: Principal,
    ) -> None:
        self._reactor = reactor
        self._resource = resource
        self._tls = tls
        self._secrets = secrets
        self._principal = principal
        self._idle: list[_Conversation] = []
        self._open = 0
        self._waiting: deque[Deferred[None]] = deque()
        self._stopped = False

    def run(self, script: Sequence[str]) -> Deferred[list[Rows]]:
        """See :class:`hoopgate.interfaces.ISideConnection`."""
        return Deferred.fromCoroutine(self._run(script))

    def describe(self, text: str, types: Sequence[int]) -> Deferred[tuple[int, ...]]:
        """See :class:`hoopgate.interfaces.ISideConnection`."""
        return Deferred.fromCoroutine(self._describe(text, types))

    async def _run(self, script: Sequence[str]) -> list[Rows]:
        messages = b"".join(
            wire.parse(b"", statement.encode(), ())
            + wire.bind(b"", b"", (), (), ())
            + wire.execute(b"", 0)
            for statement in ("BEGIN", *script)
        )
        results, _ = await self._question(messages + wire.sync())
        return results[1:]

    async def _describe(self, text: str, types: Sequence[int]) -> tuple[int, ...]:
        messages = (
            wire.parse(b"", text.encode(), tuple(types)) + wire.describe(b"S", b"") + wire.sync()
        )
        _, inferred = await self._question(messages)
        return inferred

    async def _question(self, messages: bytes) -> tuple[list[Rows], tuple[int, ...]]:
        conversation = await self._take()
        asking = conversation.ask(messages)
        asking.addTimeout(QUESTION_SECONDS, self._reactor)
        try:
            await asking
            answer = conversation.answer
        except UnresolvableStatement:
            await self._rolled_back(conversation)
            raise
        except Exception as error:
            conversation.abort()
            self._release(conversation)
            raise UnresolvableStatement("resolve.timeout", "the database took too long") from error
        await self._rolled_back(conversation)
        return answer

    async def _rolled_back(self, conversation: _Conversation) -> None:
        """End the question's transaction before the connection is used again."""
        if not conversation.lost:
            asking = conversation.ask(wire.query(b"ROLLBACK"))
            asking.addTimeout(QUESTION_SECONDS, self._reactor)
            try:
                await asking
            except Exception:  # noqa: BLE001 - whatever it was, this connection is not used again
                conversation.abort()
        self._release(conversation)

    async def _take(self) -> _Conversation:
        while not self._stopped:
            while self._idle:
                conversation = self._idle.pop()
                if not conversation.lost:
                    return conversation
                self._open -= 1
            if self._open < self._resource.side_connections:
                return await self._connect()
            if len(self._waiting) >= MOST_WAITING:
                break
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn
        raise UnresolvableStatement("resolve.busy", "too many statements wait to be resolved")

    async def _connect(self) -> _Conversation:
        self._open += 1
        try:
            password = None
            if self._resource.password is not None:
                password = await self._secrets.password(self._resource, self._principal)
            parameters = {"application_name": "hoopgate", "client_encoding": "UTF8"}
            connection = await connect(
                self._reactor, self._resource, self._tls, password, parameters
            )
        except BaseException as error:
            self._open -= 1
            self._wake()
            raise UnresolvableStatement(
                "resolve.connect", "the database cannot be asked about statements"
            ) from error
        return _Conversation(connection)

    def _release(self, conversation: _Conversation) -> None:
        if conversation.lost or self._stopped:
            self._open -= 1
            conversation.abort()
        else:
            self._idle.append(conversation)
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)

    def stop(self) -> None:
        """Close every connection; what waits fails."""
        self._stopped = True
        for conversation in self._idle:
            conversation.abort()
        self._idle.clear()
        while self._waiting:
            self._wake()
