"""Side connections: the gateway's own questions to a PostgreSQL server about statements.

They log in as the sessions do (same account, so the same rights), ask by the extended protocol,
and roll back everything. A question is one round trip: all of its messages and the ROLLBACK leave
together. One that takes too long ends its connection.
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
from hoopgate.outgoing import BackendUnavailable
from hoopgate.pooling import Pool
from hoopgate.postgres import wire
from hoopgate.postgres.upstream import BackendConnection, connect
from hoopgate.sql import printed

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.settings.model import Resource

Rows = list[tuple[str | None, ...]]
#: A statement, or one with parameters (text format) that is kept prepared.
Question = str | tuple[str, ...]

#: Seconds a question may take.
QUESTION_SECONDS = 5.0
ANSWER_LIMIT = 16 * 2**20

#: Makes the session's temporary schema once for all. Made in a transaction that is rolled back it
#: would have to be made again for every question, and each time every plan be thrown away.
_SETTLE = (
    "BEGIN READ WRITE",
    "CREATE PROCEDURE pg_temp.hoopgate() BEGIN ATOMIC SELECT 1; END",
    "COMMIT",
    "BEGIN",
)
#: Each question's transaction, whatever the account's own defaults are. The catalogue's questions
#: are prepared: planned once. What waits for a lock fails before the question times out.
_BEGIN = "BEGIN READ WRITE"
#: Where nothing can be created. A standby knows no other.
_BEGIN_READING = "BEGIN READ ONLY"
_SETTINGS = (
    "SELECT "
    + ", ".join(
        f"pg_catalog.set_config('{name}', '{value}', true)"
        for name, value in (
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
            ("lock_timeout", "2s"),
            ("statement_timeout", "4s"),
        )
    ),
)


class _Conversation:
    """One connection, one question at a time: extended messages up to Sync, rows back."""

    def __init__(self, connection: BackendConnection) -> None:
        self._connection = connection
        self._reader = wire.BackendReader(ANSWER_LIMIT)
        self._results: list[Rows] = []
        self.error = ""
        self._done: Deferred[None] | None = None
        self._ready = 0
        self._prepared: dict[str, bytes] = {}  # those that exist, and those asked for
        self._parsing: deque[str] = deque()
        self._named = 0
        self._trees: list[str] = []
        self.begin = _BEGIN
        self.keeps_out = False
        self.lost = False
        connection.hand_over(self._received, self._lost)

    def ask(self, messages: bytes) -> Deferred[None]:
        """Send ``messages`` and a Sync, roll back; fires when that is done."""
        assert self._done is None and self._connection.transport is not None
        self._results, self.error = [], ""
        self._trees = []
        done: Deferred[None] = Deferred()
        self._done = done
        self._ready = 2
        self._connection.transport.write(messages + wire.sync() + wire.query(b"ROLLBACK"))
        return done

    def statement(self, question: Question) -> bytes:
        """The messages that run one statement of a script."""
        name, values = b"", question[1:] if isinstance(question, tuple) else ()
        if isinstance(question, str):
            messages = wire.parse(b"", question.encode(), ())
            self._parsing.append("")
        else:
            text = question[0]
            found = self._prepared.get(text)
            messages = b""
            if found is None:
                self._named += 1
                found = self._prepared[text] = b"hg%d" % self._named
                messages = wire.parse(found, text.encode(), ())
                self._parsing.append(text)
            name = found
        parameters = [value.encode() for value in values]
        return messages + wire.bind(b"", name, (), parameters, ()) + wire.execute(b"", 0)

    def script(self, script: Sequence[Question]) -> bytes:
        """The messages that run a script in a transaction of its own."""
        return b"".join(map(self.statement, (self.begin, _SETTINGS, *script)))

    def parsed(self, text: str, types: Sequence[int]) -> bytes:
        """The messages that have the server tell the tree of a statement, and run nothing."""
        telling = [printed.KEEP_OUT] if self.keeps_out else []
        messages = [self.statement(one) for one in (*telling, printed.TELL)]
        self._parsing.append("")
        return b"".join(messages) + wire.parse(b"", text.encode(), types)

    @property
    def tree(self) -> str:
        """The tree that the server told of.

        :raises UnresolvableStatement: it refused the statement, or told of none.
        """
        if self.answer and len(self._trees) == 1:
            return self._trees[0]
        raise UnresolvableStatement("resolve.unknown", "the database told no query tree")

    @property
    def answer(self) -> list[Rows]:
        """Rows of each statement.

        :raises UnresolvableStatement: the server refused one.
        """
        if self.error:
            raise UnresolvableStatement(
                f"resolve.{self.error}", "the database does not accept this statement"
            )
        return self._results

    def _received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while self._reader.peek() is not None:
                self._message(self._reader.take())
        except (RemoteProtocolError, UnicodeDecodeError, IndexError):
            self.abort()

    def _message(self, message: bytes) -> None:
        kind = message[:1]
        if self._ready < 2 and kind != b"Z":
            return  # the answer to ROLLBACK
        if kind == b"D":
            values = wire.data_row_values(message)
            row = tuple(None if value is None else value.decode() for value in values)
            self._results[-1].append(row)
        elif kind == b"1":  # ParseComplete: it outlives the ROLLBACK
            self._parsing.popleft()
        elif kind == b"2":  # BindComplete: the next statement's rows start
            self._results.append([])
        elif kind == b"N":
            self._noticed(wire.error_fields(message))
        elif kind == b"E":
            self.error = wire.error_fields(message).get(b"C", b"XX000").decode("ascii", "replace")
        elif kind == b"Z":
            self._on_ready()

    def _noticed(self, fields: dict[bytes, bytes]) -> None:
        try:
            tree = printed.tree(fields)
        except UnresolvableStatement:
            self.error = "unknown"
            return
        if tree is not None:
            self._trees.append(tree)

    def _on_ready(self) -> None:
        self._ready -= 1
        if self._ready == 1:
            for text in self._parsing:  # what came behind an error was not prepared
                self._prepared.pop(text, None)
            self._parsing.clear()
            return
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


async def search_path(connection: BackendConnection, reactor: IReactorTime) -> str:
    """The ``search_path`` of a session that was just logged in: the account's may have changed
    since other sessions of it began.

    :raises BackendUnavailable: the server did not say.
    """
    reported = connection.ready.parameters.get("search_path")  # PostgreSQL 18 does
    if reported is not None:
        return reported
    conversation = _Conversation(connection)
    script = map(conversation.statement, ("BEGIN", "SHOW search_path"))
    asking = conversation.ask(b"".join(script))
    asking.addTimeout(QUESTION_SECONDS, reactor)
    try:
        await asking
        ((path,),) = conversation.answer[1]
    except Exception as error:
        conversation.abort()
        raise BackendUnavailable("settings", "the database did not tell its settings") from error
    return path or ""


@implementer(ISideConnection)
class SideConnections:
    """A bounded pool for one resource.

    :param principal: on whose behalf secrets are asked for: the gateway itself.
    :param most: connections at most.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        resource: Resource,
        tls: ITLS,
        secrets: ISecretSource,
        principal: Principal,
        most: int = 2,
    ) -> None:
        self._reactor = reactor
        self._resource = resource
        self._tls = tls
        self._secrets = secrets
        self._principal = principal
        self._pool = Pool(reactor, self._connect, most)
        self.stop = self._pool.stop
        self.creates = True

    def run(self, script: Sequence[Question]) -> Deferred[list[Rows]]:
        """See :class:`hoopgate.interfaces.ISideConnection`."""

        def ask(conversation: _Conversation) -> Deferred[list[Rows]]:
            asking = conversation.ask(conversation.script(script))
            return asking.addCallback(lambda _: conversation.answer[2:])

        return Deferred.fromCoroutine(self._pool.ask(ask, QUESTION_SECONDS))

    def tree(self, script: Sequence[Question], text: str, types: Sequence[int]) -> Deferred[str]:
        """See :class:`hoopgate.interfaces.ISideConnection`."""

        def ask(conversation: _Conversation) -> Deferred[str]:
            messages = conversation.script(script) + conversation.parsed(text, types)
            return conversation.ask(messages).addCallback(lambda _: conversation.tree)

        return Deferred.fromCoroutine(self._pool.ask(ask, QUESTION_SECONDS))

    async def _connect(self) -> _Conversation:
        password = None
        if self._resource.password is not None:
            password = await self._secrets.password(self._resource, self._principal)
        parameters = {"application_name": "hoopgate", "client_encoding": "UTF8"}
        connection = await connect(self._reactor, self._resource, self._tls, password, parameters)
        conversation = _Conversation(connection)
        try:
            await self._settle(conversation)
        except Exception:  # noqa: BLE001 - whatever it was: lost, and found so by its user
            conversation.abort()
        return conversation

    async def _settle(self, conversation: _Conversation) -> None:
        async def asked(*script: str) -> str:
            asking = conversation.ask(b"".join(map(conversation.statement, script)))
            asking.addTimeout(QUESTION_SECONDS, self._reactor)
            await asking
            return conversation.error

        refused = await asked(*_SETTLE)
        self.creates = not refused
        if self.creates:
            return
        conversation.begin = _BEGIN_READING
        if not await asked("BEGIN", printed.MAY_KEEP_OUT):
            conversation.keeps_out = conversation.answer[1] == [("t",)]
