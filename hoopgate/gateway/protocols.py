"""The protocols that a node speaks: for each its factory, and who asks its backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from hoopgate.events import Principal
from hoopgate.gateway.mysql_judgement import MysqlAnalyzer, make_resolver
from hoopgate.gateway.resolver import ServerResolver
from hoopgate.gateway.workers import ParserPool
from hoopgate.http.factory import HTTPFactory
from hoopgate.mysql.factory import MysqlFactory
from hoopgate.postgres.factory import PostgresFactory
from hoopgate.postgres.side import SideConnections
from hoopgate.shell.line import Line, decode

if TYPE_CHECKING:
    from hoopgate.gateway.node import Node
    from hoopgate.gateway.rules import Rules
    from hoopgate.gateway.tls import NodeTLS
    from hoopgate.identity.secrets import SecretSource
    from hoopgate.interfaces import ICommandExaminer, IStatementAnalyzer, IStatementResolver
    from hoopgate.settings.model import Listener, Settings
    from hoopgate.ssh.room import SSHRoom

_MYSQL = ("mariadb", "mysql")

#: Seconds that masking a large answer may take, and answers, in memory, that may wait for it.
_MASKING_SECONDS = 60.0
_MASKING_QUEUE = 32

#: The gateway itself, where it asks a backend on its own behalf.
ITSELF = Principal("", "hoopgate", frozenset(), float("inf"))


class Protocols:
    """What a node needs of each protocol's room.

    :param stops: takes what is to be called when the node stops.
    :ivar analyzers: of the dialects that have one of their own, by protocol.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        tls: NodeTLS,
        secrets: SecretSource,
        parser: ParserPool,
        rules: Rules,
        ssh: SSHRoom,
        stops: list[Callable[[], Any]],
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._tls = tls
        self._secrets = secrets
        self._parser = parser
        self._rules = rules
        self._ssh = ssh
        self._stops = stops
        self._mysql = MysqlAnalyzer(parser, settings.limits.statement_bytes)
        self.analyzers: Mapping[str, IStatementAnalyzer] = dict.fromkeys(_MYSQL, self._mysql)

    def resolvers(self) -> dict[str, IStatementResolver]:
        """By the name of the resource: who asks its server what a statement reads."""
        secrets = self._secrets
        resolvers: dict[str, IStatementResolver] = {}
        for resource in self._settings.resources.values():
            if resource.protocol in _MYSQL:
                made, stops = make_resolver(
                    self._reactor,
                    resource,
                    self._tls,
                    secrets,
                    ITSELF,
                    self._mysql,
                    lambda: self._rules,
                )
                self._stops += stops
                resolvers[resource.name] = made
            if resource.protocol != "postgres":
                continue  # these say themselves what an operation reads
            asking, watching = (
                SideConnections(self._reactor, resource, self._tls, secrets, ITSELF, most)
                for most in (resource.side_connections, 1)
            )
            self._stops += (asking.stop, watching.stop)
            resolvers[resource.name] = ServerResolver(asking, watching, examiner=self._parser)
        return resolvers

    def masking(self) -> dict[str, Callable[[bytes], Deferred[bytes]]]:
        """By protocol: children that mask large answers and files; started when first needed."""
        resources = self._settings.resources.values()
        bodies = [one.http.body_bytes for one in resources if one.http]
        files = [one.ssh.mask_bytes for one in resources if one.ssh]
        return {
            "http": self._masked_by("hoopgate.http.masking_worker", bodies),
            "ssh": self._masked_by("hoopgate.ssh.masking_worker", files),
        }

    def _masked_by(self, module: str, sizes: list[int]) -> Callable[[bytes], Deferred[bytes]]:
        pool = ParserPool(
            self._reactor,
            self._settings.node.workers,
            module=module,
            seconds=_MASKING_SECONDS,
            queue=_MASKING_QUEUE,
            answer=4 * max(sizes, default=0),
        )
        self._stops.append(pool.stop)
        return lambda asked: pool.ask(asked, bytes)

    def examiners(self) -> Mapping[str, ICommandExaminer]:
        """By the name of the resource: who finds out where the paths of a command lead."""
        if not self._ssh.needed():
            return {}
        shell = ParserPool(self._reactor, module="hoopgate.shell.worker")

        def parse(text: str) -> Deferred[Line]:
            return shell.ask(text.encode("utf-8", "surrogatepass"), decode)

        self._stops += (shell.stop, self._ssh.stop)
        return self._ssh.examiners(self._secrets, ITSELF, parse)

    def factory(self, node: Node, listener: Listener) -> Factory:
        """What answers a listener's clients."""
        resources = {name: self._settings.resources[name] for name in listener.resources}
        if listener.protocol == "ssh":
            return self._ssh.factory(node, listener, resources)
        if listener.protocol in _MYSQL:
            return MysqlFactory(self._reactor, node, listener, resources)
        if listener.protocol == "http":
            issuers = [issuer.url for issuer in self._settings.issuers]
            return HTTPFactory(self._reactor, node, listener, resources, issuers)
        return PostgresFactory(self._reactor, node, listener, resources)
