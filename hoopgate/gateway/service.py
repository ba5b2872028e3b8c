"""Builds a node from its settings, starts it under twistd, reloads its rules, and drains it."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from resource import RLIMIT_CORE, setrlimit
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from hoopgate.approvals.sealing import Sealer
from hoopgate.approvals.service import Approvals
from hoopgate.errors import SettingsError
from hoopgate.evidence.rules import keep_rules
from hoopgate.gateway.admin import AdminServer
from hoopgate.gateway.budgets import Budgets
from hoopgate.gateway.exchange import Exchange
from hoopgate.gateway.exchange_site import exchange_site, make_exchange
from hoopgate.gateway.heads import shared_heads, watch_heads
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.metrics import DEGRADED, FAILED, OK, Metrics, metrics_site
from hoopgate.gateway.node import Node
from hoopgate.gateway.notifications import Notifications
from hoopgate.gateway.protocols import Protocols
from hoopgate.gateway.reactor import make_lean
from hoopgate.gateway.recordings import Recordings
from hoopgate.gateway.rules import Rules
from hoopgate.gateway.spelling import Spellings
from hoopgate.gateway.starting import Late, bind, log_failed, or_fail
from hoopgate.gateway.streams import Streams
from hoopgate.gateway.tls import NodeTLS
from hoopgate.gateway.tokens import Tokens
from hoopgate.gateway.witness import seek_witnesses
from hoopgate.gateway.workers import ParserPool
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.identity.secrets import SecretSource, check_secrets
from hoopgate.identity.verifier import make_verifier
from hoopgate.interfaces import (
    IIdentityVerifier,
    IRecorder,
)
from hoopgate.recorder.files import make_directory
from hoopgate.recorder.gate import Log
from hoopgate.recorder.keeping import Keeping
from hoopgate.recorder.log import open_log_blocking
from hoopgate.settings.load import load_policy, needs_restart
from hoopgate.settings.model import Console, LDAPDirectory, Listener, Settings, TLSMode
from hoopgate.settings.model import Exchange as Exchanging
from hoopgate.ssh.room import SSHRoom
from hoopgate.state.sqlite import SQLiteStore

log = Logger()

#: A gap between heartbeats shows an auditor that the node was stopped or held up.
HEARTBEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """What the console needs of the node that it shows.

    :ivar tls: makes the listener's side of TLS.
    """

    settings: Settings
    node: Node
    approvals: Approvals
    recorder: Log
    verifier: IIdentityVerifier
    rules: Rules
    tls: Any
    reactor: Any


#: Makes the console's factory, and what stops it.
MakeConsole = Callable[[Running], tuple[IProtocolFactory, Callable[[], None]]]


class GatewayService(Service):
    """``twistd hoopgate``.

    Ports are bound before privileges are dropped; files, threads and children come after it.
    """

    name = "hoopgate"

    def __init__(
        self, settings: Settings, reactor: Any, make_console: MakeConsole | None = None
    ) -> None:
        self._settings = settings
        self._make_console = make_console
        self._console = Late()
        self._exchanging = Late()
        self._reactor = reactor
        self._metrics = Metrics()
        self._tls = NodeTLS()
        self._ssh = SSHRoom(settings, reactor)
        self._ports: list[Any] = []
        self._factories: dict[str, Late] = {}
        self._stop: list[Callable[[], Any]] = []
        self._node: Node | None = None
        self._rules: Rules | None = None
        self._tokens: Tokens | None = None
        self._budgets: Budgets | None = None
        self._secrets: SecretSource | None = None
        self._starting: Deferred[None] = succeed(None)
        self._ready = False
        self._metrics.health.check("node", lambda: "ok" if self._ready else "failed")

    def privilegedStartService(self) -> None:
        """Read the keys of TLS and bind the ports: both may need the rights that are dropped next.

        :raises StartFailed: a port is taken, a key cannot be used.
        """
        # A core of ours or of a parser's would hold keys, tokens and statements.
        setrlimit(RLIMIT_CORE, (0, 0))
        settings, reactor = self._settings, self._reactor
        with or_fail():
            self._ssh.read_keys()
            for listener in settings.listeners:
                if listener.tls is not None:
                    self._tls.server(listener)
                late = self._factories[listener.name] = Late()
                port = bind(reactor, listener.endpoint, late)
                # Clients wait in the kernel's queue until we are ready. With systemd's sockets the
                # first one is there before us.
                port.stopReading()
                self._ports.append(port)
            if settings.console is not None:
                self._tls.server(_console_listener(settings.console))
                port = bind(reactor, settings.console.endpoint, self._console)
                port.stopReading()
                self._ports.append(port)
            if settings.exchange is not None:
                self._tls.server(_exchange_listener(settings.exchange))
                port = bind(reactor, settings.exchange.endpoint, self._exchanging)
                port.stopReading()
                self._ports.append(port)
            for resource in settings.resources.values():
                if resource.tls.mode is not TLSMode.DISABLE:
                    self._tls.client(resource)
            if settings.node.metrics:
                site = metrics_site(self._metrics, self._reactor)
                self._stop.append(bind(reactor, settings.node.metrics, site).stopListening)

    def startService(self) -> None:
        """Open the log and the state, start the children, take connections.

        :raises StartFailed: the log is locked or not what was signed, a secret is missing …
        """
        Service.startService(self)
        make_lean(self._reactor)
        if not self._factories:
            self.privilegedStartService()
        with or_fail():
            starting = self._open()
        signal.signal(signal.SIGHUP, self._hangup)
        self._starting = Deferred.fromCoroutine(starting).addErrback(self._fatal)

    def _open(self) -> Coroutine[Deferred[Any], Any, None]:
        """Everything that needs no reactor yet; the rest is the result."""
        settings, reactor, metrics = self._settings, self._reactor, self._metrics
        state_dir = settings.node.state_dir
        make_directory(state_dir, 0o700)
        check_secrets(settings)
        keep_rules(state_dir / "rules", settings.policy.text)
        shared = shared_heads(settings.recording, settings.node)
        recorder = open_log_blocking(
            settings.recording, state_dir, reactor, apart=True, shared=shared
        )

        def committed(seconds: float, leaves: int) -> None:
            metrics.commit(seconds, leaves)
            metrics.log_size(recorder.size)

        recorder.observe_commit = committed
        seek_witnesses(recorder, settings.recording, metrics)
        watch_heads(recorder, settings.recording, metrics)
        streams = Streams(settings, reactor)
        metrics.health.check("streams", streams.state)
        self._stop += (streams.stop, recorder.stop)
        reactor.callWhenRunning(streams.start)
        store = SQLiteStore(state_dir / "state.sqlite", reactor)
        store.open()
        self._stop.append(store.close)
        approvals = Approvals(
            store, recorder, reactor, key_file=state_dir / "keys" / "approvals.key"
        )
        console = settings.console
        self._notifications = Notifications(
            settings.notifications,
            store,
            SecretSource(reactor),
            reactor,
            link=lambda key: f"{console.url}/approvals/{key}" if console else "",
            node=settings.node.name,
        )
        approvals.observe(self._notifications.told)
        self._tokens = tokens = Tokens(settings.resources, store, reactor, time.time)
        tokens.open_blocking()
        self._stop.append(tokens.stop)
        secret = Sealer(state_dir / "keys" / "budgets.key").commit(b"patients")
        self._budgets = budgets = Budgets(
            settings.policy.budgets, store, reactor, bytes.fromhex(secret), time.time
        )
        self._stop.append(budgets.stop)
        analyzer = ParserPool(reactor, settings.node.workers, limit=settings.limits.statement_bytes)
        verifier = make_verifier(settings, reactor, metrics.identity_failure)
        self._stop.append(verifier.stop)
        self._secrets = secrets = SecretSource(reactor)
        self._rules = Rules(
            make_pipeline(settings.policy, settings.resources, budgets.meter),
            settings.policy.digest,
        )
        if isinstance(settings.directory, LDAPDirectory):
            rules = self._rules
            verifier.spelled = Spellings(settings, lambda: rules.pipeline.policy)
        protocols = Protocols(
            settings, reactor, self._tls, secrets, analyzer, self._rules, self._ssh, self._stop
        )
        directory = settings.directory
        certify = self._ssh.certify if self._ssh.needed() else None
        exchange = make_exchange(settings, verifier, recorder, store, certify)
        self._node = Node(
            reactor=reactor,
            settings=settings,
            tls=self._tls,
            secrets=secrets,
            verifier=verifier,
            rules=self._rules,
            analyzer=analyzer,
            analyzers=protocols.analyzers,
            resolvers=protocols.resolvers(),
            examiners=protocols.examiners(),
            recorder=recorder,
            approvals=approvals,
            tokens=tokens,
            budgets=budgets,
            metrics=metrics,
            credentials=exchange.credentials,
            workers=protocols.masking(),
            recheck_seconds=(
                directory.recheck_seconds if isinstance(directory, LDAPDirectory) else 0
            ),
        )
        exchange.revoked = self._node.credential_revoked
        recorder.on_failure = self._node.recorder_failed
        metrics.health.check("recorder", lambda: _recorder_state(recorder))
        metrics.health.check("state", lambda: "failed" if store.failed() else "ok")
        metrics.health.check("parser", lambda: "degraded" if analyzer.failing() else "ok")
        keeping = Keeping(recorder, settings.recording.directory, reactor)
        admin = AdminServer(
            approvals,
            verifier,
            reactor,
            exchange.issue,
            Recordings(keeping),
            certify,
        )
        self._listen_for_admins(state_dir / "admin.sock", admin)
        running = Running(
            settings,
            self._node,
            approvals,
            recorder,
            verifier,
            self._rules,
            settings.console and self._tls.server(_console_listener(settings.console)),
            reactor,
        )
        if settings.exchange is not None:
            tls = self._tls.server(_exchange_listener(settings.exchange))
            self._exchanging.factory = TLSMemoryBIOFactory(
                tls, False, exchange_site(settings, exchange, verifier, self._ssh, reactor)
            )
        return self._start(approvals, analyzer, recorder, running, exchange, protocols)

    def _listen_for_admins(self, path: Path, admin: AdminServer) -> None:
        # One left by a node that was killed. We hold the lock of its log, so it is no other's.
        path.unlink(missing_ok=True)
        port = self._reactor.listenUNIX(str(path), admin.site, mode=0o600)
        self._stop.append(port.stopListening)

    async def _start(
        self,
        approvals: Approvals,
        analyzer: ParserPool,
        recorder: IRecorder,
        running: Running,
        exchange: Exchange,
        protocols: Protocols,
    ) -> None:
        self._stop.append(approvals.stop)
        await approvals.start()
        self._stop.append(self._notifications.stop)
        self._notifications.start()
        await exchange.start()
        self._stop.append(analyzer.stop)
        analyzer.start()
        for listener in self._settings.listeners:
            self._factories[listener.name].factory = protocols.factory(running.node, listener)
        if self._settings.console is not None and self._make_console is not None:
            self._console.factory, stop = self._make_console(running)
            self._stop.append(stop)
        for port in self._ports:
            port.startReading()
        if self._tokens is not None:
            self._tokens.start()
        self._start_heartbeat(recorder)
        # What is there now stays until the node stops: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._ready = True
        log_event(log, "node.ready", rules_digest=self._settings.policy.digest)

    def _start_heartbeat(self, recorder: IRecorder) -> None:
        heartbeat = LoopingCall(recorder.append, "heartbeat", {})
        heartbeat.clock = self._reactor
        # A log that fails has said so; sessions end for it, the heartbeat just stops.
        heartbeat.start(HEARTBEAT_SECONDS, now=False).addErrback(lambda _: None)

        def stop() -> None:
            if heartbeat.running:
                heartbeat.stop()

        self._stop.append(stop)

    def _fatal(self, failure: Failure) -> None:
        """A node that cannot do all it was told to does nothing."""
        assert failure.value is not None
        log_failed(failure.value)
        # twistd ends with 0 whenever its reactor was stopped, and knows no other way.
        atexit.register(os._exit, 1)
        self._reactor.callWhenRunning(self._reactor.stop)

    def _in_force(self) -> Rules:
        assert self._rules is not None
        return self._rules

    # --- reload -----------------------------------------------------------------------------------

    def _hangup(self, *_: object) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read certificates, rules and labels again; a bad file keeps the old and says so."""
        assert self._rules is not None and self._node is not None
        for problem in self._tls.reload():
            log_event(log, "node.certificate_kept", LogLevel.error, reason=problem)
        try:
            policy = load_policy(self._settings.path)
            assert self._budgets is not None
            pipeline = make_pipeline(policy, self._settings.resources, self._budgets.meter)
            unused = needs_restart(self._settings)
            keep_rules(self._settings.node.state_dir / "rules", policy.text)
        except SettingsError as error:
            for problem in error.problems:
                log_event(log, "node.reload_failed", LogLevel.error, reason=problem)
            return
        except OSError as error:  # rules that nobody could show later do not come into force
            log_event(log, "node.reload_failed", LogLevel.error, reason=str(error))
            return
        for key in unused:
            log_event(log, "node.needs_restart", LogLevel.warn, reason=key)
        self._budgets.replace(policy.budgets)
        self._rules.replace(pipeline, policy.digest)
        self._node.rules_replaced()
        if self._tokens is not None and self._secrets is not None:
            Deferred.fromCoroutine(self._tokens.reload(self._secrets))
        log_event(log, "node.reloaded", rules_digest=policy.digest)

    # --- stop -------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        """Drain the sessions, then close everything in the opposite order of its start."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        await self._starting
        self._metrics.health.draining = True
        await gatherResults([maybeDeferred(port.stopListening) for port in self._ports])
        if self._node is not None:
            await self._node.drain(self._settings.node.drain_seconds)
        for stop in reversed(self._stop):
            try:
                await maybeDeferred(stop)
            except Exception:  # noqa: BLE001 - what is below it still has to be closed
                log.failure("node.stop_failed")
        log_event(log, "node.stopped")


def _recorder_state(recorder: Log) -> str:
    if recorder.failed():
        return FAILED
    return DEGRADED if recorder.full() else OK


def _exchange_listener(exchange: Exchanging) -> Listener:
    return Listener("[exchange]", "https", exchange.endpoint, exchange.tls, ())


def _console_listener(console: Console) -> Listener:
    return Listener("[console]", "https", console.endpoint, console.tls, ())


def make_service(
    settings: Settings, reactor: Any, make_console: MakeConsole | None = None
) -> GatewayService:
    """The service for ``settings``.

    :param make_console: what serves the pages; None: there are none.
    """
    return GatewayService(settings, reactor, make_console)
