"""From an event to a decision: parse, resolve, judge, and wait for a person where a rule says so.

The waiting is here and only here; the guardrails themselves are pure. A decision that was made
before is found again without any of it (``remembered``), as long as rules and schema are the same.

Nothing that was decided holds for longer than the schema is vouched for: what comes later waits
until it was looked at (:mod:`hoopgate.gateway.examination`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from hoopgate.actions import Decision, Vouch
from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import (
    Command,
    Effect,
    Event,
    Judged,
    Operation,
    SessionFacts,
    Statement,
    StatementFacts,
)
from hoopgate.gateway import unapproved
from hoopgate.gateway.decided import Decisions, Remembered
from hoopgate.gateway.examination import Asked, Examination
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.substitution import UNAVAILABLE, substitute, substitute_compared
from hoopgate.gateway.waiting import OnHold, Waiting
from hoopgate.sql.digest import approval_digest
from hoopgate.sql.resolver import needs_resolution
from hoopgate.trials import UNFIT, fit
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

if TYPE_CHECKING:
    from hoopgate.gateway.budgets import Budgets
    from hoopgate.gateway.metrics import Metrics
    from hoopgate.gateway.rules import Rules
    from hoopgate.gateway.tokens import Tokens
    from hoopgate.interfaces import (
        IApprovals,
        ICommandExaminer,
        IStatementAnalyzer,
        IStatementResolver,
    )
    from hoopgate.plans import MaskPlan

log = Logger()

_CANCELED = Block("client", "canceled", "The client canceled the statement.")
_FAILED = Block("gateway", "gateway.error", "The gateway failed to judge the statement.")
_FULL = Block(
    "recorder",
    "recorder.full",
    "The log has no room for new requests.",
    "Try again later.",
)
_EXPIRED = Block(
    "identity",
    "identity.expired",
    "The token has expired.",
    "Connect again with a new one.",
)


#: Protocols that cannot tell a client why its answer does not come: after a while it is told to
#: come back, which it may do on another connection.
_RETURNING = frozenset({"mariadb", "mysql"})


def _questions(verdict: Allow | Mask) -> int:
    """How many of the statements take of a budget of queries."""
    spent = [plan.spend for plan in _plans(verdict) if plan is not None]
    return sum(spend is not None and spend.predicates for spend in spent)


def _plans(verdict: Verdict) -> tuple[MaskPlan | None, ...]:
    return verdict.plans if isinstance(verdict, Mask) else ()


def mint_request_id() -> str:
    """An id that is safe to quote: it says nothing and cannot be guessed."""
    return "req-" + secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A statement that runs in a transaction until somebody has decided about its effect.

    :ivar rules: generations of the rules and of the identity's groups that it was judged by.
    """

    event: Statement
    judged: Judged
    hold: Hold
    monitored: tuple[str, ...]
    rules: tuple[int, int]


class Judge:
    """Decides for one session.

    :param principal_valid: asked before a statement is judged and when a held one is released: is
        the identity still valid?
    """

    def __init__(
        self,
        *,
        session: SessionFacts,
        phi: bool,
        rules: Rules,
        analyzer: IStatementAnalyzer,
        resolver: IStatementResolver,
        approvals: IApprovals,
        metrics: Metrics,
        clock: Callable[[], float],
        principal_valid: Callable[[], bool],
        limit: int,
        examiner: ICommandExaminer | None = None,
        tokens: Tokens | None = None,
        budgets: Budgets | None = None,
        console: str = "",
    ) -> None:
        self._session = session
        self._console = console
        self._tokens = tokens if tokens is not None and tokens.tokeniser(session.resource) else None
        self._budgets = budgets
        self._meter = budgets.open(session) if budgets is not None and phi else None
        self._phi = phi
        self._rules = rules
        self._approvals = approvals
        self._metrics = metrics
        self._clock = clock
        self._principal_valid = principal_valid
        self._looking = Examination(
            phi, analyzer, resolver, limit, examiner, tokens=self._tokens is not None
        )
        self._waiting = Waiting(session.id, approvals, metrics, self._address)
        self._decisions = Decisions(analyzer)
        self._epoch = 0
        self._timed: tuple[object, object, bool] = (None, None, False)
        self._minute = 0
        self._minutes = 0
        self._tried: _Tried | None = None

    def update(self, session: SessionFacts) -> None:
        """The identity's groups were looked up again."""
        if session.principal != self._session.principal:
            self._epoch += 1
            if self._budgets is not None and self._meter is not None:
                self._budgets.open(session)
        self._session = session

    def expired(self) -> None:
        """The identity has ended: what it prepared is judged again, and refused."""
        self._epoch += 1

    @property
    def generation(self) -> int:
        """Of what this session's decisions rest on: rules, schema, the identity's groups; and the
        minute, where a rule says when it holds."""
        generation = self._rules.generation + self._epoch + self._looking.generation
        pipeline, session = self._rules.pipeline, self._session
        if self._timed[0] is not pipeline or self._timed[1] is not session:
            self._timed = pipeline, session, pipeline.momentary(session)
        if self._timed[2]:
            # What was prepared within a window may not run after its end.
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute = minute
                self._minutes += 1
        return generation + self._minutes

    def confirmed(self) -> bool:
        """Whether that is known to be the present generation, and nothing is used up: the schema
        can change unseen, and another session spend."""
        return self._looking.confirmed() and (self._meter is None or not self._meter.exhausted())

    def stamp(self) -> float:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return self._looking.stamp()

    def ended(self) -> None:
        """The session is over."""
        self._looking.end()

    async def vouch(self, doubt: Vouch) -> bool:
        """Whether a statement that has begun to be answered means what was judged: the server may
        have read its names only after it had waited for a lock."""
        if not await self._looking.look_now():
            return False
        if self.generation == doubt.generation:
            return True
        judged = await self._looking.look(doubt.event, self._session, before=True)
        verdict = self._rules.pipeline.judge(judged, self._session, self._clock()).verdict
        if isinstance(verdict, Block):
            return False
        plans = () if isinstance(verdict, Allow) else verdict.plans
        return (plans[doubt.index] if doubt.index < len(plans) else None) == doubt.plan

    def schema_changes(self, *, over: bool) -> None:
        """The session sends a statement that changes the schema; ``over``: its transaction ended,
        so everybody sees the change."""
        self._looking.schema_changes(over=over)

    def leave(self) -> None:
        """Nobody waits any longer for the statement that is held: it is refused for now."""
        self._waiting.leave()

    def cancel(self) -> None:
        """The client cancelled: the statement that is judged, or waits for a person, is refused."""
        self._waiting.cancel()

    def remembered(self, event: Event) -> Decision | None:
        """The decision, when it was made before under the same rules; no waiting."""
        if isinstance(event, Statement) and event.binds:
            return None  # what its tokens stand for has to be looked up
        return self._remembered(event)

    def _remembered(self, event: Event) -> Decision | None:
        found = self._recall(event)
        if found is None or (found.resolved and not self._looking.confirmed()):
            return None
        if self._meter is not None and found.spends and self._meter.exhausted():
            return None
        decision = self._decide(found.verdict, found.monitored, found.facts)
        decision.text = found.text
        return decision

    def _recall(self, event: Event) -> Remembered | None:
        if not isinstance(event, Statement):
            return None
        return self._decisions.find(event, self.generation, tokens=self._tokens is not None)

    def unrecordable(self) -> Decision:
        """The decision on anything while the log has no room for it."""
        return self._decide(_FULL, (), ())

    async def decide(self, event: Event, on_hold: OnHold) -> Decision:
        """The decision on ``event``. What goes wrong is a Block: it fails only when cancelled,
        because nobody wants it any more."""
        self._waiting.begin()
        self._looking.steered = None
        try:
            decision = await self._judged(event, on_hold)
            blocked = isinstance(decision.verdict, Block)
            if self._looking.steered is not None and decision.text is None and not blocked:
                decision.text = self._looking.steered
            return decision
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the statement does not run
            log.failure("judge.bug")
            return self._decide(_FAILED, (), ())

    async def _judged(self, event: Event, on_hold: OnHold) -> Decision:
        if isinstance(event, Effect):
            return await self._effect(event, on_hold)
        if self._budgets is not None and self._meter is not None and not self._meter.loaded:
            await self._budgets.load(self._meter)
        if self._recall(event) is not None and await self._looking.confirm():
            decision = self._remembered(event)
            if decision is not None:
                decision = await self._filled(event, (), decision)
                if self._waiting.canceled:
                    return self._decide(_CANCELED, (), decision.facts)
                return decision
        generation = self.generation
        judged = await self._looking.look(event, self._session)
        if self._waiting.canceled:
            return self._decide(_CANCELED, (), judged.facts or ())
        if not self._principal_valid():
            return self._decide(_EXPIRED, (), judged.facts or ())
        outcome = self._rules.pipeline.judge(judged, self._session, self._clock())
        facts = judged.facts or ()
        verdict = outcome.verdict
        if isinstance(verdict, Hold) and (not isinstance(event, Statement) or event.executes):
            if verdict.effect:
                decision = self._try(event, judged, verdict, outcome.monitored)
                return await self._filled(event, judged.tokens, decision)
            decision = await self._wait(event, judged, verdict, outcome.monitored, on_hold)
            return await self._filled(event, judged.tokens, decision)
        if (
            isinstance(event, Statement)
            and isinstance(verdict, Allow | Mask)
            and not outcome.momentary
            and not judged.tokens
            and _questions(verdict) < 2  # several at once: whether so many are left is asked anew
            and generation == self.generation
        ):
            resolved = self._phi and any(map(needs_resolution, facts))
            spends = any(plan is not None and plan.spend is not None for plan in _plans(verdict))
            known = Remembered(
                verdict, outcome.monitored, facts, resolved, self._looking.steered, spends
            )
            # A guard of the operator's own may look at the text; every other looks at its facts.
            shared = not self._rules.pipeline.policy.guards
            self._decisions.keep(event, generation, known, shared=shared)
        decision = self._decide(verdict, outcome.monitored, facts)
        return await self._filled(event, judged.tokens, decision)

    async def _filled(
        self, event: Event, tokens: tuple[Mapping[int, str], ...], decision: Decision
    ) -> Decision:
        """``decision`` with values in place of the tokens that were judged."""
        vault, resource = self._tokens, self._session.resource
        if vault is None or isinstance(decision.verdict, Block):
            return decision
        if isinstance(event, Operation):
            if not any(tokens):
                return decision
            block: Block | None = await substitute_compared(event, decision, vault, resource)
        elif not isinstance(event, Statement) or not (tokens or event.binds):
            return decision
        else:
            text = event.text if self._looking.steered is None else self._looking.steered
            mysql = "dialect" in event.settings
            try:
                found = await self._looking.lift(text, mysql=mysql) if tokens else None
            except Refused:  # no parser can be had
                block = UNAVAILABLE
            else:
                block = await substitute(event, text, found, decision, vault, resource)
        if block is None:
            return decision
        return self._decide(block, decision.monitored, decision.facts, decision.approval)

    # --- parts --------------------------------------------------------------------------------

    def _address(self, approval: str) -> str:
        """Where a person decides; "" where there is no console."""
        return f"{self._console}/approvals/{approval}" if self._console else ""

    def _decide(
        self,
        verdict: Verdict,
        monitored: tuple[str, ...],
        facts: tuple[StatementFacts, ...],
        approval: str = "",
    ) -> Decision:
        decision = Decision(mint_request_id(), verdict, monitored, approval, facts)
        if approval:
            decision.address = self._address(approval)
        resource = self._session.resource
        self._metrics.statement(resource, type(verdict).__name__.lower())
        for rule in monitored:
            self._metrics.monitored(resource, rule)
            log_event(
                log,
                "statement.monitored",
                session=self._session.id,
                request_id=decision.request_id,
                resource=resource,
                rule=rule,
            )
        if isinstance(verdict, Block):
            log_event(
                log,
                "statement.blocked",
                session=self._session.id,
                request_id=decision.request_id,
                resource=resource,
                rule=verdict.rule,
                reason=verdict.reason,
            )
        return decision

    async def _wait(
        self,
        event: Asked,
        judged: Judged,
        hold: Hold,
        monitored: tuple[str, ...],
        on_hold: OnHold,
    ) -> Decision:
        facts = judged.facts or ()
        rules = self._rules.generation, self._epoch
        # What was approved under other rules than these is not approved.
        session = replace(self._session, rules_digest=self._rules.digest)
        digest = approval_digest(session.principal, session.resource, judged.statement, facts)
        request = None
        if isinstance(event, Operation) and not event.waits:
            # The answer ends the exchange, and the next one may come on another connection.
            session = replace(session, id="", peer=session.peer.rpartition(":")[0])
        elif session.protocol in _RETURNING:
            session = replace(session, peer=session.peer.rpartition(":")[0])
        try:
            used = await self._approvals.passes(digest, session)
            if used is None and not self._waiting.canceled:
                judged = await self._looking.estimated(judged)
                request = await self._approvals.request(digest, judged, session, hold)
        except Refused as refused:
            return self._decide(unapproved.crowded(hold, refused), monitored, facts)
        except HoopgateError:
            return self._decide(unapproved.unavailable(hold), monitored, facts)
        approved = stands = used is not None
        if request is not None and isinstance(event, Operation) and not event.waits:
            return self._decide(hold, monitored, facts, request)
        if request is not None:
            approved = await self._waiting.approved(request, hold, on_hold)
            stands = approved and await self._same(event, judged, hold)
        stands = stands and rules == (self._rules.generation, self._epoch)
        verdict: Verdict = self._waiting.not_approved(hold, approved, request)
        if stands and self._principal_valid() and not self._waiting.canceled:
            verdict = Mask(hold.rule, hold.plans) if any(hold.plans) else Allow(hold.rule)
        return self._decide(verdict, monitored, facts, used or request or "")

    # --- effects ------------------------------------------------------------------------------

    def _try(
        self, event: Event, judged: Judged, hold: Hold, monitored: tuple[str, ...]
    ) -> Decision:
        """Have the session run it in a transaction, and ask again with what it did."""
        facts = judged.facts or ()
        if not isinstance(event, Statement) or not event.tries or not fit(facts):
            reason, message, remedy = UNFIT
            return self._decide(Block(hold.rule, reason, message, remedy), monitored, facts)
        rules = self._rules.generation, self._epoch
        self._tried = _Tried(event, judged, hold, monitored, rules)
        return self._decide(hold, monitored, facts)

    async def _effect(self, effect: Effect, on_hold: OnHold) -> Decision:
        """Whether what was tried last may be committed."""
        tried, self._tried = self._tried, None
        if tried is None:
            return self._decide(_FAILED, (), ())
        judged, hold = replace(tried.judged, affected=effect.affected), tried.hold
        facts = judged.facts or ()
        session = replace(self._session, rules_digest=self._rules.digest)
        digest = approval_digest(session.principal, session.resource, judged.statement, facts)
        try:
            request = await self._approvals.request(digest, judged, session, hold)
        except Refused as refused:
            return self._decide(unapproved.crowded(hold, refused), tried.monitored, facts)
        except HoopgateError:
            return self._decide(unapproved.unavailable(hold), tried.monitored, facts)
        approved = await self._waiting.approved(request, hold, on_hold)
        stands = (
            approved
            and await self._same(tried.event, judged, hold)
            and tried.rules == (self._rules.generation, self._epoch)
            and self._principal_valid()
            and not self._waiting.canceled
        )
        verdict: Verdict = Allow(hold.rule)
        if not stands:
            verdict = self._waiting.not_approved(hold, approved, request)
        return self._decide(verdict, tried.monitored, facts, request)

    async def _same(self, event: Asked, shown: Judged, hold: Hold) -> bool:
        """Whether a statement that was held means the same as when it was shown to a person."""
        if not self._phi and not isinstance(event, Command):
            return True
        self._looking.expire()  # look now: a person's word is worth a round trip
        judged = await self._looking.look(event, self._session)
        if judged.statement.text != shown.statement.text:
            return False  # a path leads to another place
        verdict = self._rules.pipeline.judge(judged, self._session, self._clock()).verdict
        return isinstance(verdict, Hold) and (verdict.rule, verdict.plans) == (
            hold.rule,
            hold.plans,
        )
