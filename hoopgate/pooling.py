"""A bounded pool of connections of the gateway's own, for questions that do not wait long."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hoopgate.errors import UnresolvableStatement

#: Seconds that a question may wait for a connection; how many may wait.
TURN_SECONDS: Final = 20.0
MOST_WAITING: Final = 256


class Pooled(Protocol):
    """What is needed of a connection.

    :ivar lost: it is of no more use.
    """

    lost: bool

    def abort(self) -> None:
        """Close it now."""


_C = TypeVar("_C", bound=Pooled)
_T = TypeVar("_T")


class Pool(Generic[_C]):
    """Hands out connections, one to each that asks.

    :param open: makes a connection that is ready for use.
    :param most: connections at most.
    """

    def __init__(self, reactor: IReactorTime, open: Callable[[], Awaitable[_C]], most: int) -> None:
        self._reactor = reactor
        self._make = open
        self._most = most
        self._idle: list[_C] = []
        self._open = 0
        self._waiting: deque[Deferred[None]] = deque()
        self._stopped = False

    async def ask(self, question: Callable[[_C], Deferred[_T]], seconds: float) -> _T:
        """What ``question`` finds out of a connection.

        :raises UnresolvableStatement: as it says, as :meth:`take`, or ``resolve.timeout``.
        """
        connection = await self.take()
        try:
            asking = question(connection)
            asking.addTimeout(seconds, self._reactor)
            return await asking
        except UnresolvableStatement:
            raise
        except Exception as error:
            connection.abort()
            raise UnresolvableStatement("resolve.timeout", "the database took too long") from error
        finally:
            self.release(connection)

    async def take(self) -> _C:
        """A connection that is nobody else's until it is given back.

        :raises UnresolvableStatement: ``resolve.busy``, ``resolve.connect``.
        """
        while not self._stopped:
            while self._idle:
                connection = self._idle.pop()
                if not connection.lost:
                    return connection
                self._open -= 1
            if self._open < self._most:
                return await self._connect()
            if len(self._waiting) >= MOST_WAITING:
                break
            await self._turn()
        raise _busy()

    def release(self, connection: _C) -> None:
        """Give a connection back."""
        if connection.lost or self._stopped:
            self._open -= 1
            connection.abort()
        else:
            self._idle.append(connection)
        if self._waiting:
            self._waiting.popleft().callback(None)

    def stop(self) -> None:
        """Close every connection; what waits fails."""
        self._stopped = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        while self._waiting:
            self._waiting.popleft().errback(_busy())

    async def _turn(self) -> None:
        """Wait until a connection may be free.

        :raises UnresolvableStatement: that took too long, or the backend cannot be reached.
        """
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        turn.addTimeout(TURN_SECONDS, self._reactor)
        try:
            await turn
        except UnresolvableStatement:
            raise
        except Exception:  # noqa: BLE001 - the time is over
            raise _busy() from None

    async def _connect(self) -> _C:
        self._open += 1
        try:
            return await self._make()
        except Exception as error:
            self._open -= 1
            while self._waiting and not self._open:  # nobody is left whose turn ends
                self._waiting.popleft().errback(_unreachable())
            raise _unreachable() from error


def _busy() -> UnresolvableStatement:
    return UnresolvableStatement("resolve.busy", "too many statements wait to be resolved")


def _unreachable() -> UnresolvableStatement:
    return UnresolvableStatement("resolve.connect", "the database cannot be asked about statements")
