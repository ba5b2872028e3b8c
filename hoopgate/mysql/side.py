"""Side connections: the gateway's own questions to a MariaDB or MySQL server about statements.

They log in as the sessions do, with the same account and settings, so that names and texts mean the
same; see :mod:`hoopgate.sql.mysql.conversation` for what is asked. One question waits for the
answer to the one before; a script that takes too long ends its connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.errors import RemoteProtocolError
from hoopgate.interfaces import ITLS, ISecretSource
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.upstream import BackendConnection, connect
from hoopgate.mysql.wire import Oversized, PacketReader, Reader, packets
from hoopgate.mysql.wire_results import column, err_packet, prepared
from hoopgate.outgoing import BackendUnavailable
from hoopgate.pooling import Pool
from hoopgate.sql.mysql.catalogue import Rows
from hoopgate.sql.mysql.conversation import Conversation, ServerError
from hoopgate.sql.mysql.resolver import Step
from hoopgate.sql.mysql.shown import Outputs

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.settings.model import Resource

#: Seconds a script may take; bytes of one payload, and of an answer.
SCRIPT_SECONDS: Final = 10.0
_PAYLOAD_LIMIT: Final = 4 * 2**20
_ANSWER_LIMIT: Final = 32 * 2**20
#: A statement waits no longer than this for a lock on what it asks about.
_SETTINGS: Final = "SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 1"

_OK, _LOCAL_INFILE, _EOF, _ERR, _NULL = 0x00, 0xFB, 0xFE, 0xFF, 0xFB
_CLOSE: Final = 0x19


class _Connection:
    """Asks over one connection; see :class:`hoopgate.sql.mysql.conversation.Connection`.

    :ivar lost: it is gone, or its answers cannot be followed any more.
    """

    def __init__(self, connection: BackendConnection, scratch: str) -> None:
        self._connection = connection
        self._reader = PacketReader(_PAYLOAD_LIMIT)
        self._waiting: Deferred[bytes] | None = None
        self._received = 0
        self.lost = False
        self.conversation = Conversation(self, scratch)
        connection.hand_over(self._data, self._gone)

    async def query(self, text: str) -> Rows:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        head = await self._ask(commands.query(text.encode()))
        if head[0] == _OK:
            return []
        if head[0] == _LOCAL_INFILE:
            raise RemoteProtocolError("the server asks for a file")
        columns = Reader(head).lenenc()
        for _ in range(columns):
            await self._payload()
        await self._end()
        rows: list[tuple[object, ...]] = []
        while True:
            payload = await self._payload()
            if _is_end(payload):
                return rows
            if payload[0] == _ERR:
                raise ServerError(err_packet(payload).code)
            rows.append(_row(payload, columns))

    async def prepare(self, text: str) -> Outputs:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        answer = prepared(await self._ask(commands.prepare(text.encode())))
        if answer.parameters:
            for _ in range(answer.parameters):
                await self._payload()
            await self._end()
        found: list[tuple[str, int]] = []
        if answer.columns:
            for _ in range(answer.columns):
                definition = column(await self._payload(), extended=False)
                found.append((definition.name.decode("utf-8", "replace"), definition.type))
            await self._end()
        # COM_STMT_CLOSE is not answered.
        self._send(bytes((_CLOSE,)) + answer.statement.to_bytes(4, "little"))
        return found or None

    async def use(self, database: str) -> None:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        await self._ask(b"\x02" + database.encode())

    def abort(self) -> None:
        """Close the connection now."""
        self.lost = True
        self._connection.abandon()

    # --- packets ------------------------------------------------------------------------------

    async def _ask(self, command: bytes) -> bytes:
        """The first payload of the answer.

        :raises ServerError: it is an error.
        """
        self._received = 0
        self._send(command)
        head = await self._payload()
        if not head:
            raise RemoteProtocolError("the server's answer is empty")
        if head[0] == _ERR:
            raise ServerError(err_packet(head).code)
        return head

    def _send(self, command: bytes) -> None:
        if self.lost or self._connection.transport is None:
            raise BackendUnavailable("lost", "the database closed the connection")
        self._connection.transport.write(packets(command, 0))

    async def _end(self) -> None:
        if not _is_end(await self._payload()):
            raise RemoteProtocolError("an EOF packet was due")

    async def _payload(self) -> bytes:
        found = self._next()
        if found is not None:
            return found
        if self.lost:
            raise BackendUnavailable("lost", "the database closed the connection")
        self._waiting = Deferred()
        return await self._waiting

    def _next(self) -> bytes | None:
        payload = self._reader.next()
        if payload is None:
            return None
        if isinstance(payload, Oversized):
            raise RemoteProtocolError("the server's answer is too long")
        return payload.data

    def _data(self, data: bytes) -> None:
        self._received += len(data)
        waiting = self._waiting
        try:
            if self._received > _ANSWER_LIMIT:
                raise RemoteProtocolError("the server's answer is too long")
            self._reader.feed(data)
            if waiting is None:
                return
            payload = self._next()
        except RemoteProtocolError as error:
            self.abort()
            if waiting is not None:
                self._waiting = None
                waiting.errback(Failure(error))
            return
        if payload is not None:
            self._waiting = None
            waiting.callback(payload)

    def _gone(self) -> None:
        self.lost = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(BackendUnavailable("lost", "the database closed the connection"))


def _is_end(payload: bytes) -> bool:
    return payload[:1] == bytes((_EOF,)) and len(payload) < 9


def _row(payload: bytes, columns: int) -> tuple[object, ...]:
    reader = Reader(payload)
    found: list[object] = []
    for _ in range(columns):
        if payload[reader.at] == _NULL:
            reader.take(1)
            found.append(None)
        else:
            found.append(reader.string().decode("utf-8", "replace"))
    reader.end()
    return tuple(found)


class SideConnections:
    """A bounded pool for one resource: a :class:`hoopgate.sql.mysql.resolver.Side`.

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

    def run(self, database: str, script: Sequence[Step]) -> Deferred[list[Any]]:
        """The answer to each step of the script.

        Fails with :class:`UnresolvableStatement`.
        """

        def ask(connection: _Connection) -> Deferred[list[Any]]:
            return Deferred.fromCoroutine(connection.conversation.run(database, script))

        return Deferred.fromCoroutine(self._pool.ask(ask, SCRIPT_SECONDS))

    async def _connect(self) -> _Connection:
        password = None
        if self._resource.password is not None:
            password = await self._secrets.password(self._resource, self._principal)
        made = await connect(self._reactor, self._resource, self._tls, password)
        connection = _Connection(made, self._resource.scratch)
        settling = Deferred.fromCoroutine(connection.query(_SETTINGS))
        settling.addTimeout(SCRIPT_SECONDS, self._reactor)
        try:
            await settling
        except Exception:
            connection.abort()
            raise
        return connection
