"""Builds a node from its settings, starts it under twistd, reloads its rules, and drains it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from hoopgate.approvals.service import Approvals
from hoopgate.errors import HoopgateError, SettingsError
from hoopgate.events import Principal
from hoopgate.gateway.admin import AdminServer
from hoopgate.gateway.judge import Rules
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.metrics import Metrics, metrics_site
from hoopgate.gateway.node import Node
from hoopgate.gateway.reactor import make_lean
from hoopgate.gateway.resolver import ServerResolver
from hoopgate.gateway.tls import NodeTLS
from hoopgate.gateway.workers import ParserPool
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.identity.secrets import SecretSource
from hoopgate.identity.verifier import make_verifier
from hoopgate.interfaces import IStatementResolver
from hoopgate.postgres.factory import PostgresFactory
from hoopgate.postgres.side import SideConnections
from hoopgate.recorder.log import open_log
from hoopgate.settings.load import load_policy, needs_restart
from hoopgate.settings.model import LDAPDirectory, Listener, Settings
from hoopgate.state.sqlite import SQLiteStore

log = Logger()

#: A gap between heartbeats shows an auditor that the node was stopped or held up.
HEARTBEAT_SECONDS = 60.0

#: The gateway itself, where it asks a backend on its own behalf.
ITSELF = Principal("", "hoopgate", frozenset(), float("inf"))


class GatewayService(Service):
    """``twistd hoopgate``.

    Ports are bound before privileges are dropped; files, threads and children come after it.
    """

    name = "hoopgate"

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._metrics = Metrics()
        self._tls = NodeTLS()
        self._ports: list[IListeningPort] = []
        self._factories: dict[str, _Late] = {}
        self._stop: list[Callable[[], Any]] = []
        self._node: Node | None = None
        self._rules: Rules | None = None

    def privilegedStartService(self) -> None:
        """Bind the listeners' ports."""
        for listener in self._settings.listeners:
            late = self._factories[listener.name] = _Late()
            listening = self._listen(listener.endpoint, late)
            listening.addErrback(self._fatal, listener.name)

    def _listen(self, endpoint: str, factory: IProtocolFactory) -> Deferred[None]:
        listening: Deferred[IListeningPort] = serverFromString(self._reactor, endpoint).listen(
            factory
        )
        return listening.addCallback(self._ports.append)

    def _fatal(self, failure: Failure, what: str) -> None:
        """A node that cannot do all it was told to does nothing."""
        # Text of our own and of the operating system's errors only: both are about the node.
        ours = failure.check(HoopgateError, OSError, CannotListenError)
        log_event(
            log,
            "node.failed",
            LogLevel.critical,
            code=what,
            error=type(failure.value).__name__,
            reason=str(failure.value) if ours else "",
        )
        self._reactor.callWhenRunning(self._reactor.stop)

    def startService(self) -> None:
        """Open the log and the state, start the children, take connections."""
        Service.startService(self)
        make_lean(self._reactor)
        if not self._factories:
            self.privilegedStartService()
        starting = Deferred.fromCoroutine(self._start())
        starting.addErrback(self._fatal, "start")

    async def _start(self) -> None:
        settings, reactor, metrics = self._settings, self._reactor, self._metrics
        state_dir = settings.node.state_dir
        recorder = await open_log(settings.recording, state_dir, reactor)

        def committed(seconds: float, leaves: int) -> None:
            metrics.commit(seconds, leaves)
            metrics.log_size(recorder.size)

        recorder.observe_commit = committed
        self._stop.append(recorder.stop)
        store = SQLiteStore(state_dir / "state.sqlite", reactor)
        store.open()
        self._stop.append(store.close)
        approvals = Approvals(
            store, recorder, reactor, key_file=state_dir / "keys" / "approvals.key"
        )
        await approvals.start()
        self._stop.append(approvals.stop)
        analyzer = ParserPool(reactor, settings.node.workers, limit=settings.limits.statement_bytes)
        analyzer.start()
        self._stop.append(analyzer.stop)
        verifier = make_verifier(settings, reactor, metrics.identity_failure)
        self._stop.append(verifier.stop)
        secrets = SecretSource(reactor)
        self._rules = Rules(
            make_pipeline(settings.policy, settings.resources), settings.policy.digest
        )
        directory = settings.directory
        self._node = Node(
            reactor=reactor,
            settings=settings,
            tls=self._tls,
            secrets=secrets,
            verifier=verifier,
            rules=self._rules,
            analyzer=analyzer,
            resolvers=self._resolvers(secrets),
            recorder=recorder,
            approvals=approvals,
            metrics=metrics,
            recheck_seconds=(
                directory.recheck_seconds if isinstance(directory, LDAPDirectory) else 0
            ),
        )
        metrics.health.check("recorder", lambda: "failed" if recorder.failed() else "ok")
        metrics.health.check("state", lambda: "failed" if store.failed() else "ok")
        admin = AdminServer(approvals, verifier, reactor)
        await self._listen(f"unix:{state_dir / 'admin.sock'}:mode=600", admin.site)
        for listener in settings.listeners:
            self._factories[listener.name].become(self._factory(listener))
        if settings.node.metrics:
            await self._listen(settings.node.metrics, metrics_site(metrics, reactor))
        heartbeat = LoopingCall(recorder.append, "heartbeat", {})
        heartbeat.clock = reactor
        # A log that fails has said so; sessions end for it, the heartbeat just stops.
        heartbeat.start(HEARTBEAT_SECONDS, now=False).addErrback(lambda _: None)

        def stop_heartbeat() -> None:
            if heartbeat.running:
                heartbeat.stop()

        self._stop.append(stop_heartbeat)
        signal.signal(signal.SIGHUP, self._hangup)
        log_event(log, "node.ready", rules_digest=settings.policy.digest)

    def _resolvers(self, secrets: SecretSource) -> dict[str, IStatementResolver]:
        resolvers: dict[str, IStatementResolver] = {}
        for resource in self._settings.resources.values():
            side = SideConnections(self._reactor, resource, self._tls, secrets, ITSELF)
            self._stop.append(side.stop)
            resolvers[resource.name] = ServerResolver(side)
        return resolvers

    def _factory(self, listener: Listener) -> Factory:
        assert self._node is not None
        resources = {name: self._settings.resources[name] for name in listener.resources}
        return PostgresFactory(self._reactor, self._node, listener, resources)

    # --- reload -----------------------------------------------------------------------------------

    def _hangup(self, *_: object) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read rules and labels again; a bad file keeps the old ones and says so."""
        assert self._rules is not None
        path: Path = self._settings.path
        try:
            policy = load_policy(path)
            pipeline = make_pipeline(policy, self._settings.resources)
        except SettingsError as error:
            for problem in error.problems:
                log_event(log, "node.reload_failed", LogLevel.error, reason=problem)
            return
        for key in needs_restart(self._settings):
            log_event(log, "node.needs_restart", LogLevel.warn, reason=key)
        for problem in self._tls.reload():
            log_event(log, "node.certificate_kept", LogLevel.error, reason=problem)
        self._rules.replace(pipeline, policy.digest)
        log_event(log, "node.reloaded", rules_digest=policy.digest)

    # --- stop -------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Drain the sessions, then close everything in the opposite order of its start."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        await gatherResults([maybeDeferred(port.stopListening) for port in self._ports])
        self._metrics.health.draining = True
        if self._node is not None:
            await self._node.drain(self._settings.node.drain_seconds)
        for stop in reversed(self._stop):
            try:
                await maybeDeferred(stop)
            except Exception:  # noqa: BLE001 - what is below it still has to be closed
                log.failure("node.stop_failed")
        log_event(log, "node.stopped")


class _Late(Factory):
    """Stands in for a listener's factory while the node starts: such clients are turned away."""

    noisy = False

    def __init__(self) -> None:
        self._factory: Factory | None = None

    def become(self, factory: Factory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: Any) -> Any:
        return None if self._factory is None else self._factory.buildProtocol(addr)


def make_service(settings: Settings, reactor: Any) -> GatewayService:
    """The service for ``settings``."""
    return GatewayService(settings, reactor)
