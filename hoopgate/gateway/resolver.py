"""The resolver on the reactor: one question at a time for each statement, over side connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution, SessionFacts, Statement, StatementFacts
from hoopgate.interfaces import ISideConnection, IStatementResolver
from hoopgate.sql.resolver import Key, Resolver


@implementer(IStatementResolver)
class ServerResolver:
    """Asks the backend; see :class:`hoopgate.sql.resolver.Resolver` for what is remembered.

    :param side: side connections of the one resource this resolver is for.
    """

    def __init__(
        self,
        side: ISideConnection,
        clock: Callable[[], float] = time.monotonic,
        *,
        ttl: float = 60.0,
        capacity: int = 4096,
    ) -> None:
        self._side = side
        self._resolver = Resolver(clock, ttl=ttl, capacity=capacity)
        self._running: dict[Key, list[Deferred[Resolution]]] = {}

    def cached(
        self, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Resolution | None:
        """What is known without waiting."""
        return self._resolver.cached(self._resolver.key(statement, facts, session))

    def invalidate(self, resource: str) -> None:
        """The schema of ``resource`` may have changed: ask again."""
        self._resolver.invalidate(resource)

    def resolve(
        self, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Deferred[Resolution]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        result: Deferred[Resolution] = Deferred()
        key = self._resolver.key(statement, facts, session)
        known = self._resolver.cached(key)
        if known is not None:
            result.callback(known)
        elif key in self._running:
            self._running[key].append(result)
        else:
            self._running[key] = [result]
            Deferred.fromCoroutine(self._ask(key, statement, facts, session))
        return result

    async def _ask(
        self, key: Key, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> None:
        outcome: Resolution | Refused
        try:
            asking: Coroutine[Any, Any, Resolution] = self._resolver.ask(
                self._side, statement, facts, session
            )
            outcome = await asking
        except Refused as refused:
            outcome = refused
        except Exception:  # noqa: BLE001 - whatever goes wrong, the statement does not run
            outcome = UnresolvableStatement("resolve.failed", "The statement was not resolved.")
        for waiting in self._running.pop(key):
            if waiting.called:
                continue  # its caller gave up
            if isinstance(outcome, Refused):
                waiting.errback(outcome)
            else:
                waiting.callback(outcome)
