"""One gateway process: what its sessions share, and the list of them.

:class:`Node` is what protocol folders see of it (:class:`hoopgate.interfaces.IGateway`);
``service.py`` builds one from the settings and starts and stops it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, ITransport
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused
from hoopgate.events import Principal, SessionFacts
from hoopgate.gateway.judge import Judge, mint_request_id
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.relay import Relay
from hoopgate.gateway.resolver import NoSchema
from hoopgate.gateway.rules import Rules
from hoopgate.identity.credentials import Credentials
from hoopgate.interfaces import (
    ITLS,
    IApprovals,
    ICommandExaminer,
    IGateway,
    IIdentityVerifier,
    IRecorder,
    IRelay,
    ISecretSource,
    ISessionRecording,
    IStatementAnalyzer,
    IStatementResolver,
    MakeSession,
)

if TYPE_CHECKING:
    from hoopgate.gateway.budgets import Budgets
    from hoopgate.gateway.metrics import Metrics
    from hoopgate.gateway.tokens import Tokens
    from hoopgate.guardrails.budgets import Meter
    from hoopgate.phi.tokens import Tokeniser
    from hoopgate.settings.model import Resource, Settings

log = Logger()

#: Seconds between two looks at the clock for a session whose identity will end: whatever the
#: reactor's own clock is, and however the wall clock is set meanwhile.
_LOOK_SECONDS = 60.0

_NO_SCHEMA = NoSchema()

_DRAINING = "the gateway is shutting down; connect again"


@dataclass(slots=True)
class _Session:
    facts: SessionFacts
    relay: Relay
    judge: Judge
    recording: ISessionRecording
    began: float
    recheck: LoopingCall | None = None
    expiry: IDelayedCall | None = None


@implementer(IGateway)
class Node:
    """What the sessions of one process share.

    :param analyzer: of statements; ``analyzers``: of other protocols' than PostgreSQL's.
    :param workers: by protocol: does what sessions have done by a child process.
    :param now: wall clock, seconds since the epoch: what tokens and rules go by.
    :ivar sessions: running sessions by id.
    :ivar on_sessions: called when a session begins or ends.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        settings: Settings,
        tls: ITLS,
        secrets: ISecretSource,
        verifier: IIdentityVerifier,
        rules: Rules,
        analyzer: IStatementAnalyzer,
        resolvers: dict[str, IStatementResolver],
        recorder: IRecorder,
        approvals: IApprovals,
        metrics: Metrics,
        recheck_seconds: float,
        tokens: Tokens | None = None,
        budgets: Budgets | None = None,
        examiners: Mapping[str, ICommandExaminer] = MappingProxyType({}),
        analyzers: Mapping[str, IStatementAnalyzer] = MappingProxyType({}),
        credentials: Credentials | None = None,
        workers: Mapping[str, Callable[[bytes], Deferred[bytes]]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = settings.limits
        self.credentials = Credentials(now) if credentials is None else credentials
        self._workers = workers or {}
        self._now = now
        self.tls = tls
        self.secrets = secrets
        self._reactor = reactor
        self._settings = settings
        self._verifier = verifier
        self._rules = rules
        self._analyzer = analyzer
        self._analyzers = analyzers
        self._resolvers = resolvers
        self._examiners = examiners
        self._recorder = recorder
        self._approvals = approvals
        self._tokens = tokens
        self._budgets = budgets
        self._metrics = metrics
        self._recheck_seconds = recheck_seconds
        self._logging_in = 0
        self._silent: dict[Callable[[], None], None] = {}  # the oldest first
        self._empty: Deferred[None] | None = None
        self._interrupts: set[Deferred[None]] = set()
        self.draining = False
        self.sessions: dict[str, _Session] = {}
        self.on_sessions: Callable[[], None] = lambda: None

    # --- IGateway -------------------------------------------------------------------------------

    def admit(self, turn_away: Callable[[], None]) -> bool:
        """See :class:`hoopgate.interfaces.IGateway`."""
        if self.draining or self._recorder.failed() or len(self.sessions) >= self.limits.sessions:
            return False
        if self._logging_in >= self.limits.sessions_before_login:
            if not self._silent:
                return False
            next(iter(self._silent))()  # it leaves
        self._logging_in += 1
        self._silent[turn_away] = None
        return True

    def stays(self, turn_away: Callable[[], None]) -> None:
        """See :class:`hoopgate.interfaces.IGateway`."""
        self._silent.pop(turn_away, None)

    def left(self, turn_away: Callable[[], None]) -> None:
        """See :class:`hoopgate.interfaces.IGateway`."""
        self._silent.pop(turn_away, None)
        self._logging_in -= 1

    def canceled(self) -> None:
        """See :class:`hoopgate.interfaces.IGateway`."""
        self._metrics.cancel()

    def tokeniser(self, resource: Resource) -> Tokeniser | None:
        """See :class:`hoopgate.interfaces.IGateway`."""
        return None if self._tokens is None else self._tokens.tokeniser(resource.name)

    def meter(self, session_id: str) -> Meter | None:
        """See :class:`hoopgate.interfaces.IGateway`."""
        return None if self._budgets is None else self._budgets.meter(session_id)

    def verify(self, token: str, resource: Resource) -> Deferred[Principal]:
        """See :class:`hoopgate.interfaces.IGateway`."""
        return self._verifier.verify(token, resource).addErrback(self._not_verified, resource)

    def confirm(self, principal: Principal, resource: Resource) -> Deferred[Principal]:
        """See :class:`hoopgate.interfaces.IGateway`."""

        def check(confirmed: Principal) -> Principal:
            self.credentials.check(confirmed)  # revoked since the client logged in
            return confirmed

        checking = self._verifier.recheck(principal, resource).addCallback(check)
        return checking.addErrback(self._not_verified, resource)

    def _not_verified(self, failure: Failure, resource: Resource) -> Failure:
        code = failure.value.code if isinstance(failure.value, Refused) else "identity.bug"
        log_event(log, "login.refused", resource=resource.name, code=code)
        return failure

    def serve(
        self,
        facts: SessionFacts,
        make: MakeSession,
        client: ITransport,
        backend: ITransport,
        interrupt: Callable[[], Deferred[None]],
    ) -> Deferred[IRelay]:
        """See :class:`hoopgate.interfaces.IGateway`."""
        facts = replace(facts, rules_digest=self._rules.digest)

        def begin(recording: ISessionRecording) -> IRelay:
            try:
                return self._begin(facts, make, client, backend, interrupt, recording)
            except Exception:
                # Twisted takes the transport of a client that has left apart.
                if self._budgets is not None:
                    self._budgets.close(facts.id)
                recording.close("login.failed").addErrback(lambda _: None)
                raise

        return self._recorder.open_session(facts).addCallback(begin)

    def _begin(
        self,
        facts: SessionFacts,
        make: MakeSession,
        client: ITransport,
        backend: ITransport,
        interrupt: Callable[[], Deferred[None]],
        recording: ISessionRecording,
    ) -> IRelay:
        resource = self._settings.resources[facts.resource]
        judge = Judge(
            session=facts,
            phi=resource.phi and resource.name in self._resolvers,
            rules=self._rules,
            analyzer=self._analyzers.get(resource.protocol, self._analyzer),
            resolver=self._resolvers.get(resource.name, _NO_SCHEMA),
            approvals=self._approvals,
            metrics=self._metrics,
            clock=self._now,
            principal_valid=lambda: self._valid(facts.id),
            limit=self.limits.statement_bytes,
            tokens=self._tokens,
            budgets=self._budgets,
            examiner=self._examiners.get(resource.name),
            console="" if self._settings.console is None else self._settings.console.url,
        )
        relay = Relay(
            reactor=self._reactor,
            # What was prepared is asked for again while the log is full, and refused then.
            session=make(
                lambda: judge.generation,
                lambda: judge.confirmed() and not recording.full(),
                mint_request_id,
                judge.stamp,
            ),
            session_id=facts.id,
            judge=judge,
            recording=recording,
            client=client,
            backend=backend,
            interrupt=lambda: self._interrupt(interrupt()),
            limits=self.limits,
            window=self._settings.recording.window_bytes,
            on_closed=lambda reason: self._closed(facts.id, reason),
            worker=self._workers.get(facts.protocol),
        )
        session = _Session(facts, relay, judge, recording, self._now())
        self.sessions[facts.id] = session
        self.on_sessions()
        self._metrics.session_opened(facts.protocol, facts.resource)
        log_event(
            log,
            "session.open",
            session=facts.id,
            resource=facts.resource,
            protocol=facts.protocol,
            peer=facts.peer,
        )
        self._watch_expiry(session)
        if self._recheck_seconds > 0:
            session.recheck = LoopingCall(self._recheck, session)
            session.recheck.clock = self._reactor
            session.recheck.start(self._recheck_seconds, now=False)  # it never fails
        if self.draining:  # since this client began to log in
            relay.drain(_DRAINING)
        try:
            self.credentials.check(facts.principal)
        except Refused:  # revoked since this client began to log in
            self._reactor.callLater(0, self._end_revoked, session)
        running: IRelay = relay
        return running

    # --- the identity while a session runs ----------------------------------------------------

    def _watch_expiry(self, session: _Session) -> None:
        left = session.facts.principal.expires_at - self._now()
        if left > 0:
            session.expiry = self._reactor.callLater(
                min(left, _LOOK_SECONDS), self._watch_expiry, session
            )
        else:
            session.expiry = None
            session.relay.identity_ended(
                "identity.expired", "the token has expired; connect again with a new one"
            )

    def _valid(self, session_id: str) -> bool:
        session = self.sessions.get(session_id)
        return session is not None and session.facts.principal.expires_at > self._now()

    def credential_revoked(self, name: str) -> int:
        """End the sessions that a session credential began; how many.

        Those that are being opened are ended as they begin.
        """
        ended = [one for one in self.sessions.values() if one.facts.principal.token_id == name]
        for session in ended:
            self._end_revoked(session)
        return len(ended)

    def _end_revoked(self, session: _Session) -> None:
        log_event(log, "session.credential_revoked", session=session.facts.id)
        session.relay.end("identity.revoked", "the session credential was revoked")

    def _recheck(self, session: _Session) -> Deferred[None]:
        resource = self._settings.resources[session.facts.resource]
        checking = maybeDeferred(self._verifier.recheck, session.facts.principal, resource)
        done = checking.addCallback(lambda principal: self._rechecked(session, principal))
        return done.addErrback(lambda failure: self._recheck_failed(session, failure))

    def _rechecked(self, session: _Session, principal: Principal) -> None:
        if principal != session.facts.principal:
            session.facts = replace(session.facts, principal=principal)
            session.judge.update(session.facts)

    def _recheck_failed(self, session: _Session, failure: Failure) -> None:
        code = failure.value.code if isinstance(failure.value, Refused) else "identity.bug"
        log_event(log, "session.identity_lost", session=session.facts.id, code=code)
        session.relay.end(code, f"the identity could not be confirmed again ({code})")

    def rules_replaced(self) -> None:
        """New rules are in force: every session's recording says so."""
        for session in self.sessions.values():
            session.facts = replace(session.facts, rules_digest=self._rules.digest)
            session.judge.update(session.facts)
            noted = session.recording.note(
                "admin", {"action": "rules.replace", "rules": self._rules.digest}
            )
            noted.addErrback(lambda _: None)  # a failed log says so itself

    # --- ends -----------------------------------------------------------------------------------

    async def end_session(self, session_id: str, by: Principal, reason: str) -> None:
        """An operator ends a running session; what it runs is stopped at the backend, too.

        :raises Refused: ``session.unknown``: it does not run.
        :raises RecorderFailed: that he did is not recorded, so he did not.
        """
        session = self.sessions.get(session_id)
        if session is None:
            raise Refused("session.unknown", "this session does not run")
        detail = {
            "action": "session.end",
            "issuer": by.issuer[:200],
            "subject": by.subject[:200],
            "reason": reason,
        }
        await session.recording.note("admin", detail)
        log_event(log, "session.ended", session=session_id, issuer=by.issuer, subject=by.subject)
        session.relay.end("operator.end", "an operator of the gateway has ended this session")

    def _closed(self, session_id: str, reason: str) -> None:
        session = self.sessions.pop(session_id, None)
        if self._budgets is not None:
            self._budgets.close(session_id)
        if session is None:
            return
        if session.recheck is not None and session.recheck.running:
            session.recheck.stop()
        if session.expiry is not None and session.expiry.active():
            session.expiry.cancel()
        self._metrics.session_closed(session.facts.protocol, session.facts.resource)
        log_event(log, "session.close", session=session_id, reason=reason)
        self.on_sessions()
        if self._empty is not None and not self.sessions:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def _interrupt(self, asking: Deferred[None]) -> None:
        self._interrupts.add(asking)
        asking.addBoth(lambda _: self._interrupts.discard(asking))

    def recorder_failed(self) -> None:
        """The log can take nothing more, so nothing goes on that would have to be in it."""
        for session in list(self.sessions.values()):
            session.relay.end("recorder.failed", "the log cannot record this session")

    async def drain(self, seconds: float) -> None:
        """Take no new session; let running ones end when idle, at the latest after ``seconds``."""
        self.draining = True
        if self.sessions:
            await self._end_sessions(seconds)
        # What was cut off must have been stopped at its backend before nobody can stop it.
        await DeferredList(list(self._interrupts))

    async def _end_sessions(self, seconds: float) -> None:
        self._empty = Deferred()
        self._empty.addTimeout(seconds, self._reactor)
        waiting = self._empty
        for session in list(self.sessions.values()):
            session.relay.drain(_DRAINING)
        try:
            await waiting
        except Exception:  # noqa: BLE001 - the deadline; nothing else cancels it
            self._empty = None
            for session in list(self.sessions.values()):
                session.relay.end("node.drain", _DRAINING)
