"""What judges statements of MariaDB and MySQL, put together for a node."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused
from hoopgate.events import ColumnRef, Principal, StatementFacts
from hoopgate.gateway.resolver import ServerResolver
from hoopgate.gateway.workers import ParserPool
from hoopgate.interfaces import ITLS, ISecretSource, IStatementAnalyzer, IStatementResolver
from hoopgate.mysql.side import SideConnections
from hoopgate.sql.mysql.examination import request
from hoopgate.sql.mysql.resolver import Hidden, Resolver
from hoopgate.sql.tokens import Lifted
from hoopgate.sql.worker import decode

if TYPE_CHECKING:
    from hoopgate.gateway.rules import Rules
    from hoopgate.settings.model import Resource

Facts = tuple[StatementFacts, ...]

#: Texts whose facts are remembered, and characters of one.
_REMEMBERED: Final = 4096
_LONGEST: Final = 16_384


def make_resolver(
    reactor: Any,
    resource: Resource,
    tls: ITLS,
    secrets: ISecretSource,
    principal: Principal,
    analyzer: MysqlAnalyzer,
    rules: Callable[[], Rules],
) -> tuple[IStatementResolver, list[Callable[[], None]]]:
    """The resolver of a resource, and what stops its connections.

    :param rules: those in force; known once the resolver is asked.
    """
    asking, watching = (
        SideConnections(reactor, resource, tls, secrets, principal, most)
        for most in (resource.side_connections, 1)
    )

    def secret(column: ColumnRef) -> bool:
        return bool(rules().pipeline.labels[resource.name].secrets((column,)))

    resolver = Resolver(
        time.monotonic,
        analyzer,
        Hidden(lambda: rules().generation, secret),
        scratch=resource.scratch,
        mysql=resource.protocol == "mysql",
    )
    side: Any = asking
    watch: Any = watching
    return ServerResolver(side, watch, resolver=resolver), [asking.stop, watching.stop]


def _decoded(answer: bytes) -> Any:
    content = json.loads(answer)
    if isinstance(content, dict) and "refused" in content:
        raise Refused(content["refused"], content["message"])
    return content


@implementer(IStatementAnalyzer)
class MysqlAnalyzer:
    """Parses statements of this dialect in the parsers' children; remembers facts.

    :param pool: of the children.
    :param limit: bytes of SQL a text may have.
    """

    def __init__(self, pool: ParserPool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._known: OrderedDict[str, Facts] = OrderedDict()
        self._asking: dict[str, list[Deferred[Facts]]] = {}

    def analyze(self, text: str) -> Deferred[Facts]:
        """See :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        result: Deferred[Facts] = Deferred()
        found = self.cached(text)
        if found is not None:
            result.callback(found)
        elif len(text) > self._limit:
            result.errback(Refused("parse.size", "The statement is too long."))
        elif text in self._asking:
            self._asking[text].append(result)
        else:
            self._asking[text] = [result]
            asking = self._pool.ask(b"M" + request("analyze", text=text), decode)
            asking.addBoth(self._answered, text)
        return result

    def cached(self, text: str) -> Facts | None:
        """See :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
        return found

    def lift(self, text: str) -> Deferred[Lifted | None]:
        """See :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        return self._pool.lift(text, mysql=True)

    def work(self, request: bytes) -> Deferred[Any]:
        """See :class:`hoopgate.sql.mysql.resolver.Parser`."""
        return self._pool.ask(b"M" + request, _decoded)

    def _answered(self, outcome: Facts | Failure, text: str) -> None:
        if not isinstance(outcome, Failure) and len(text) <= _LONGEST:
            self._known[text] = outcome
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        for waiting in self._asking.pop(text):
            if waiting.called:
                continue  # its caller gave up
            if isinstance(outcome, Failure):
                waiting.errback(outcome)
            else:
                waiting.callback(outcome)
