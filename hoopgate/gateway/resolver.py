"""The resolver on the reactor: one question at a time for each statement, over side connections.

What is known rests on a schema that was seen to be the same at most ``CONFIRMED_SECONDS`` ago: this
is how long a change by another client may go unnoticed. While statements keep coming the schema is
looked at in the background; after a pause the first of them waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution, SessionFacts, Statement, StatementFacts
from hoopgate.interfaces import ISideConnection, IStatementResolver
from hoopgate.sql import estimates
from hoopgate.sql.mysql import estimates as mysql_estimates
from hoopgate.sql.resolver import Examiner, Resolver

#: Seconds that a look at the schema is good for.
CONFIRMED_SECONDS: Final = 1.0
_MOST_LOOKS: Final = 5
#: Seconds between stamps before and after a change.
_FAR: Final = 1e6


@implementer(IStatementResolver)
class ServerResolver:
    """Asks the backend; see :class:`hoopgate.sql.resolver.Resolver` for what is remembered.

    :param side: side connections of the one resource this resolver is for.
    :param watch: side connections for looking at the schema: no statement keeps them waiting.
    :param examiner: for trees that are too large for the reactor's thread.
    :param resolver: for another database than PostgreSQL: what asks, and remembers.
    """

    def __init__(
        self,
        side: ISideConnection,
        watch: ISideConnection | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        examiner: Examiner | None = None,
        ttl: float = 600.0,
        capacity: int = 4096,
        resolver: Any = None,
    ) -> None:
        self._side = side
        self._watch = side if watch is None else watch
        self._clock = clock
        if resolver is None:
            resolver = Resolver(clock, ttl=ttl, capacity=capacity, examiner=examiner)
        self._resolver: Any = resolver
        self._running: dict[tuple[int, Any], list[Deferred[Resolution]]] = {}
        self._looking: list[Deferred[None]] | None = None
        self._look_again = False
        self._prepared = False
        self._next: list[Deferred[None]] = []
        self._changes = 0
        self._changing: set[object] = set()

    # --- the schema ---------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        generation: int = self._resolver.generation
        return generation

    def stamp(self) -> float:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return -1.0 if self._changing else self._clock() + _FAR * self._changes

    def look(self) -> Deferred[None]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        result: Deferred[None] = Deferred()
        if self._looking is None:
            self._look(result)
        else:
            self._next.append(result)
        return result

    def changes(self, by: object, *, over: bool) -> None:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        if over:
            self._changing.discard(by)
        else:
            self._changing.add(by)
        self._changes += 1
        self.expire()

    def confirmed(self) -> bool:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        age = self._age()
        if age > CONFIRMED_SECONDS:
            return False
        if age > CONFIRMED_SECONDS / 2 and self._looking is None:
            self._look()
        return True

    def confirm(self) -> Deferred[None]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        result: Deferred[None] = Deferred()
        if self.confirmed():
            result.callback(None)
            return result
        if self._looking is None:
            self._look(result)
        else:
            self._looking.append(result)
        return result

    def expire(self) -> None:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        self._resolver.expire()
        self._look_again = self._looking is not None

    def prepare(self) -> None:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        if self._prepared:
            return
        self._prepared = True
        self.confirm().addErrback(lambda _: None)
        warming: Deferred[None] = Deferred.fromCoroutine(self._resolver.warm(self._side))
        warming.addErrback(lambda _: None)

    def _look(self, *waiting: Deferred[None]) -> None:
        self._looking = list(waiting)
        Deferred.fromCoroutine(self._confirm())

    async def _confirm(self) -> None:
        problem: Refused | None = None
        try:
            await self._confirmation()
        except Refused as refused:
            problem = refused
        except Exception:  # noqa: BLE001 - whatever goes wrong, nothing is confirmed
            problem = UnresolvableStatement("resolve.failed", "The schema cannot be looked at.")
        waiting, self._looking = self._looking or [], None
        later, self._next = self._next, []
        if later:
            self._look(*later)
        for one in waiting:
            if one.called:
                continue  # its caller gave up
            if problem is not None:
                one.errback(problem)
            else:
                one.callback(None)

    async def _confirmation(self) -> None:
        for _ in range(_MOST_LOOKS):
            self._look_again = False
            await self._resolver.confirm(self._watch)
            if self._look_again:  # it expired while we looked: too early
                self._resolver.expire()
            elif self._age() <= CONFIRMED_SECONDS:
                return
        raise UnresolvableStatement("resolve.changing", "The schema keeps changing.")

    def _age(self) -> float:
        confirmed_at: float = self._resolver.confirmed_at
        return self._clock() - confirmed_at

    # --- statements ---------------------------------------------------------------------------

    def cached(
        self, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Resolution | None:
        """What is known without waiting."""
        key = self._resolver.key(statement, facts, session)
        known: Resolution | None = self._resolver.cached(key)
        return known

    def resolve(
        self, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Deferred[Resolution]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        result: Deferred[Resolution] = Deferred()
        key = self._resolver.key(statement, facts, session)
        known = self._resolver.cached(key)
        # An answer to a question of an earlier schema is no answer.
        running = self.generation, key
        if known is not None:
            result.callback(known)
        elif running in self._running:
            self._running[running].append(result)
        else:
            self._running[running] = [result]
            Deferred.fromCoroutine(self._ask(running, statement, facts, session))
        return result

    def estimate(
        self, statement: Statement, facts: StatementFacts, resolution: Resolution
    ) -> Deferred[int | None]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        asking: Any
        if isinstance(self._resolver, Resolver):
            asking = estimates.estimate(self._side, statement, facts, resolution)
        else:
            side: Any = self._side
            asking = mysql_estimates.estimate(
                side, statement, facts, resolution, mysql=self._resolver.mysql
            )
        asked: Deferred[int | None] = Deferred.fromCoroutine(asking)
        return asked.addErrback(lambda _: None)

    async def _ask(
        self,
        running: tuple[int, Any],
        statement: Statement,
        facts: StatementFacts,
        session: SessionFacts,
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
        for waiting in self._running.pop(running):
            if waiting.called:
                continue  # its caller gave up
            if isinstance(outcome, Refused):
                waiting.errback(outcome)
            else:
                waiting.callback(outcome)


@implementer(IStatementResolver)
class NoSchema:
    """For resources that have none: their protocol says itself what an operation reads."""

    generation = 0

    def stamp(self) -> float:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return 0.0

    def look(self) -> Deferred[None]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return succeed(None)

    def changes(self, by: object, *, over: bool) -> None:
        """Of nothing."""

    def resolve(
        self, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Deferred[Resolution]:
        """Fails: there is nothing to ask."""
        return fail(UnresolvableStatement("resolve.failed", "the resource has no schema"))

    def estimate(
        self, statement: Statement, facts: StatementFacts, resolution: Resolution
    ) -> Deferred[int | None]:
        """Nobody knows."""
        return succeed(None)

    def prepare(self) -> None:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""

    def confirmed(self) -> bool:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return True

    def confirm(self) -> Deferred[None]:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return succeed(None)

    def expire(self) -> None:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
