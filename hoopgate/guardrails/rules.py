"""The rules of the operator and of packs, compiled for quick matching.

*Block* and *approve* rules match when **any** statement class, relation, label or function of the
statement is one they name. *Allow* rules are the other way round: what they name must cover **all**
that the statement does, or a rule for reading would let a DELETE in a CTE through. Several allow
rules may share the classes of one statement between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zope.interface import implementer

from hoopgate.events import Judged, SessionFacts, StatementFacts
from hoopgate.guardrails.matching import CompiledRule, Subject, covers, touches
from hoopgate.guardrails.tokens import bound, literals
from hoopgate.interfaces import IGuardrail
from hoopgate.phi.labels import LabelSet
from hoopgate.settings.model import Rule
from hoopgate.verdicts import Allow, Block, Hold, Verdict

#: Classes that say how a statement was sent, not what it does: nothing needs to allow them.
_MARKERS: Final = frozenset({"multi"})
_DEFAULT_MESSAGE: Final = {
    "block": "A rule of this gateway refuses the statement.",
    "approve": "A person must approve the statement.",
}


@dataclass(frozen=True, slots=True)
class _ForSession:
    session: SessionFacts
    blocks: tuple[CompiledRule, ...]
    approvals: tuple[CompiledRule, ...]
    allows: tuple[CompiledRule, ...]
    overriding: tuple[CompiledRule, ...]
    monitors: bool
    momentary: bool


@implementer(IGuardrail)
class RuleGuard:
    """Judges by rules.

    :param rules: (origin, rules) in order of precedence: the operator's, then each pack's.
    :param labels: labels by resource.
    """

    name = "rules"

    def __init__(
        self, rules: Sequence[tuple[str, Sequence[Rule]]], labels: dict[str, LabelSet]
    ) -> None:
        self._rules = [CompiledRule.of(rule, origin) for origin, own in rules for rule in own]
        self._labels = labels
        self._sessions: dict[int, _ForSession] = {}

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """See :class:`hoopgate.interfaces.IGuardrail`."""
        rules = self._for(session)
        allowed: list[str] = []
        hold: Hold | None = None
        silent = False
        for subject in self._subjects(judged, session):
            overridden = self._overridden(rules, subject, now)
            block = self._first(rules.blocks, subject, now, overridden)
            if block is not None:
                return _block(block)
            tokens = subject.tokens
            if tokens and not self._may_use(rules, subject, tokens, now):
                return _no_tokens(tokens)
            approve = self._first(rules.approvals, subject, now, frozenset())
            if approve is not None:
                hold = hold or _hold(approve)
                continue
            name = self._allowed(rules, subject, now)
            if name is None:
                silent = True
            else:
                allowed.append(name)
        if silent:
            return None
        if hold is not None:
            return hold
        return Allow(allowed[0]) if allowed else None

    def monitored(self, judged: Judged, session: SessionFacts, now: float) -> tuple[str, ...]:
        """Names of rules in monitor mode that would have blocked or held."""
        rules = self._for(session)
        if not rules.monitors:
            return ()
        found: dict[str, None] = {}
        for subject in self._subjects(judged, session):
            overridden = self._overridden(rules, subject, now)
            for rule in (*rules.blocks, *rules.approvals):
                if (
                    rule.rule.monitor
                    and rule.name not in overridden
                    and rule.now(now)
                    and touches(rule, subject)
                ):
                    found[rule.name] = None
        return tuple(found)

    def approves(
        self, facts: StatementFacts, session: SessionFacts, now: float, flags: frozenset[str]
    ) -> bool:
        """Whether an approve rule that names one of ``flags`` is for this operation: somebody has
        decided that a person may let it through."""
        subject = Subject(facts, None, self._labels.get(session.resource))
        return any(
            not rule.rule.monitor
            and not rule.match.flags.isdisjoint(flags)
            and rule.now(now)
            and touches(rule, subject)
            for rule in self._for(session).approvals
        )

    def momentary(self, session: SessionFacts) -> bool:
        """Whether the time of day has a say in this session's verdicts."""
        return self._for(session).momentary

    # --- parts --------------------------------------------------------------------------------

    def _subjects(self, judged: Judged, session: SessionFacts) -> Iterable[Subject]:
        labels = self._labels.get(session.resource)
        resolutions = judged.resolutions
        tokens = bound(judged.statement)
        for index, facts in enumerate(judged.facts or ()):
            resolution = resolutions[index] if index < len(resolutions) else None
            yield Subject(facts, resolution, labels, literals(judged, index), bound=tokens)

    def _for(self, session: SessionFacts) -> _ForSession:
        found = self._sessions.get(id(session))
        if found is not None and found.session is session:
            return found
        if len(self._sessions) > 4096:
            self._sessions.clear()
        own = [rule for rule in self._rules if rule.for_session(session)]
        found = self._sessions[id(session)] = _ForSession(
            session,
            tuple(rule for rule in own if rule.rule.verdict == "block"),
            tuple(rule for rule in own if rule.rule.verdict == "approve"),
            tuple(rule for rule in own if rule.rule.verdict == "allow"),
            tuple(rule for rule in own if rule.rule.overrides and not rule.rule.monitor),
            any(rule.rule.monitor for rule in own),
            any(rule.zone is not None for rule in own),
        )
        return found

    def _overridden(self, rules: _ForSession, subject: Subject, now: float) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for rule in rules.overriding:
            if rule.now(now) and (
                touches(rule, subject)
                if rule.rule.verdict == "approve"
                else covers(rule, subject)
                and not (
                    rule.match.classes and rule.match.classes.isdisjoint(subject.facts.classes)
                )
            ):
                found |= rule.rule.overrides
        return found

    def _first(
        self,
        rules: Sequence[CompiledRule],
        subject: Subject,
        now: float,
        overridden: frozenset[str],
    ) -> CompiledRule | None:
        for rule in rules:
            if (
                touches(rule, subject)
                and not rule.rule.monitor
                and rule.name not in overridden
                and rule.now(now)
            ):
                return rule
        return None

    def _may_use(
        self, rules: _ForSession, subject: Subject, tokens: frozenset[str], now: float
    ) -> bool:
        """Whether a rule that is for the statement lets tokens of these kinds be used in it."""
        return any(
            (tokens <= rule.rule.tokens or "*" in rule.rule.tokens)
            and not rule.rule.monitor
            and rule.now(now)
            and touches(rule, subject)
            for rule in (*rules.allows, *rules.approvals)
        )

    def _allowed(self, rules: _ForSession, subject: Subject, now: float) -> str | None:
        """The rule that allows the statement, or the first of several that do so together."""
        left = subject.facts.classes - _MARKERS
        first = None
        for rule in rules.allows:
            classes = rule.match.classes
            if (classes and classes.isdisjoint(left)) or not rule.now(now):
                continue
            if not covers(rule, subject):
                continue
            first = first or rule.name
            if not classes:
                return first
            left -= classes
            if not left:
                return first
        return None


def _no_tokens(kinds: frozenset[str]) -> Block:
    kind = min(kinds)
    return Block(
        "rules/tokens",
        "token.denied",
        f"No rule lets this identity use tokens of kind {kind} here.",
        "Ask an operator for a rule with tokens.",
        kind,
    )


def _block(rule: CompiledRule) -> Block:
    own = rule.rule
    return Block(
        rule.name,
        own.reason or "rule.block",
        own.message or _DEFAULT_MESSAGE["block"],
        own.remedy,
    )


def _hold(rule: CompiledRule) -> Hold:
    own = rule.rule
    return Hold(
        rule.name,
        own.reason or "rule.approve",
        own.message or _DEFAULT_MESSAGE["approve"],
        own.reviewers,
        own.expires,
        approvers=own.approvers,
        window=own.window,
        effect=own.effect,
    )
