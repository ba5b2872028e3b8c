"""The rules of the operator and of packs, compiled for quick matching.

*Block* and *approve* rules match when **any** statement class, relation, label or function of the
statement is one they name. *Allow* rules are the other way round: what they name must cover **all**
that the statement does, or a rule for reading would let a DELETE in a CTE through. Several allow
rules may share the classes of one statement between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate
from typing import Final
from zoneinfo import ZoneInfo

from zope.interface import implementer

from hoopgate.events import Judged, OperationFacts, Resolution, SessionFacts, StatementFacts
from hoopgate.guardrails.tokens import NONE, literals, settle
from hoopgate.interfaces import IGuardrail
from hoopgate.phi.labels import LabelSet
from hoopgate.settings.model import LabelClass, Match, Rule, TimeWindow
from hoopgate.verdicts import Allow, Block, Hold, Verdict

#: Classes that say how a statement was sent, not what it does: nothing needs to allow them.
_WILDCARD: Final = re.compile(r"[*?[]")
#: Attributes whose patterns are one text, also with an equals sign in it.
_WHOLE: Final = frozenset({"ssh.path", "ssh.command"})
_MARKERS: Final = frozenset({"multi"})
_DEFAULT_MESSAGE: Final = {
    "block": "A rule of this gateway refuses the statement.",
    "approve": "A person must approve the statement.",
}

_Words = Callable[[str], object]


def _wild(patterns: Iterable[str]) -> _Words | None:
    """A test whether a word is one of ``patterns``; None when there are none."""
    found = sorted(patterns)
    if not found:
        return None
    if not any(re.search(r"[*?\[]", pattern) for pattern in found):
        return frozenset(found).__contains__
    return re.compile("|".join(translate(pattern) for pattern in found)).match


#: Tests of a name and of its value; None: whatever the value is.
_Pair = tuple[_Words, _Words | None]


def _pair(attribute: str, pattern: str, *, fold: bool) -> _Pair:
    """:param fold: without case: there are servers to which ``/Admin`` is ``/admin``, so a block is
    for both, and an allow for the one it names."""
    if attribute in _WHOLE:
        return _one(pattern, fold), None
    name, equals, value = pattern.partition("=")
    return _one(name, fold), _one(value, fold) if equals else None


def _one(pattern: str, fold: bool) -> _Words:
    return re.compile(translate(pattern), re.IGNORECASE if fold else 0).match


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """A rule: what of it depends on the session alone is tested once per session."""

    name: str
    rule: Rule
    match: Match
    subjects: _Words | None
    resources: _Words | None
    relations: _Words | None
    functions: _Words | None
    attributes: tuple[tuple[str, tuple[_Pair, ...]], ...]
    zone: ZoneInfo | None

    @classmethod
    def of(cls, rule: Rule, origin: str) -> _Compiled:
        match = rule.match
        return cls(
            f"{origin}/{rule.name}",
            rule,
            match,
            _wild(match.subjects),
            _wild(match.resources),
            _wild(match.relations),
            _wild(match.functions),
            tuple(
                (
                    name,
                    tuple(
                        _pair(name, one, fold=rule.verdict != "allow") for one in sorted(patterns)
                    ),
                )
                for name, patterns in match.attributes
            ),
            ZoneInfo(match.times.zone) if match.times else None,
        )

    def for_session(self, session: SessionFacts) -> bool:
        match, principal = self.match, session.principal
        return (
            (not match.groups or not match.groups.isdisjoint(principal.groups))
            and (not match.scopes or not match.scopes.isdisjoint(principal.scopes))
            and (not match.issuers or principal.issuer in match.issuers)
            and (self.subjects is None or bool(self.subjects(principal.subject)))
            and (self.resources is None or bool(self.resources(session.resource)))
        )

    def now(self, now: float) -> bool:
        return self.zone is None or _within(self.match.times, self.zone, now)


def _within(window: TimeWindow | None, zone: ZoneInfo, now: float) -> bool:
    if window is None:
        return True
    local = datetime.fromtimestamp(now, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    return (not window.days or local.weekday() in window.days) and (
        window.start <= minute < window.end
    )


class _Subject:
    """What a statement touches, worked out only when a rule asks."""

    __slots__ = ("_kinds", "_labels", "_literals", "facts", "resolution")

    def __init__(
        self,
        facts: StatementFacts,
        resolution: Resolution | None,
        labels: LabelSet | None,
        literals: Mapping[int, str] = NONE,
    ) -> None:
        self.facts = facts
        self.resolution = resolution
        self._labels = labels
        self._literals = literals
        self._kinds: frozenset[str] | None = None

    @property
    def tokens(self) -> frozenset[str]:
        """Kinds of the tokens that are in it, or have to be bound to it."""
        if self.resolution is None or self._labels is None:
            return frozenset(self._literals.values())
        return settle(self.facts, self.resolution, self._labels, self._literals).kinds

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the labels of every column that is read or written."""
        if self._kinds is None:
            self._kinds = self._find_kinds()
        return self._kinds

    def _find_kinds(self) -> frozenset[str]:
        resolution = self.resolution
        if resolution is None or self._labels is None:
            return frozenset()
        columns = resolution.influences | resolution.aggregated | resolution.written
        columns |= resolution.stored
        for output in resolution.columns or ():
            columns |= output.sources
        found = (self._labels.lookup(column) for column in columns)
        return frozenset(
            label.kind for label in found if label and label.level is not LabelClass.PUBLIC
        )

    def names(self, field: str) -> frozenset[str] | tuple[str, ...]:
        source = self.resolution if self.resolution is not None else self.facts
        found: frozenset[str] | tuple[str, ...] = getattr(source, field)
        return found


def _any_name(test: _Words, names: Iterable[str]) -> bool:
    """One of ``names`` matches, with its schema or without: a name may be written both ways."""
    return any(test(name) or test(name.rpartition(".")[2]) for name in names)


def _any_unqualified(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """A name written without its schema may be the one a pattern names with it."""
    tails = _wild({pattern.rpartition(".")[2] for pattern in patterns})
    return tails is not None and any("." not in name and tails(name) for name in names)


def _is(patterns: Sequence[_Pair], name: str, value: str) -> bool:
    return any(test(name) and (other is None or other(value)) for test, other in patterns)


def _below(pattern: str, directory: str) -> bool:
    """Whether a pattern of paths may name something in a directory."""
    literal = _WILDCARD.split(pattern.casefold(), maxsplit=1)[0]
    base = directory.casefold().rstrip("/") + "/"
    return literal.startswith(base) or (literal != pattern.casefold() and base.startswith(literal))


def _has_attributes(rule: _Compiled, facts: StatementFacts, *, all_of_them: bool) -> bool:
    """One (or each) of the operation's values of every attribute is what the rule names."""
    if not isinstance(facts, OperationFacts):
        return False
    for attribute, patterns in rule.attributes:
        values = facts.attributes.get(attribute, ())
        found = [_is(patterns, name, value) for name, value in values]
        if not all_of_them and attribute == "ssh.path" and "recursive" in facts.flags:
            # What is done to a directory is done to what is in it, which nobody names.
            named = dict(rule.match.attributes)[attribute]
            found += [_below(pattern, name) for pattern in named for name, _ in values]
        if not (all(found) if all_of_them else any(found)):
            return False
    return True


def _touches(rule: _Compiled, subject: _Subject) -> bool:
    """Block and approve: something the rule names is in the statement."""
    match, facts = rule.match, subject.facts
    if match.classes and match.classes.isdisjoint(facts.classes):
        return False
    if match.flags and match.flags.isdisjoint(facts.flags):
        return False
    if rule.relations is not None:
        names = subject.names("relations")
        if not _any_name(rule.relations, names) and not _any_unqualified(match.relations, names):
            return False
    if match.labels and match.labels.isdisjoint(subject.kinds):
        return False
    if rule.attributes and not _has_attributes(rule, facts, all_of_them=False):
        return False
    if rule.functions is not None:
        names = subject.names("functions")
        if not _any_name(rule.functions, names) and not _any_unqualified(match.functions, names):
            return False
    return True


def _covers(rule: _Compiled, subject: _Subject) -> bool:
    """Allow: everything in the statement, its classes aside, is named by the rule."""
    match, facts = rule.match, subject.facts
    if match.flags and match.flags.isdisjoint(facts.flags):
        return False
    if isinstance(facts, OperationFacts) and not (
        (rule.relations is None or facts.relations) and (rule.functions is None or facts.functions)
    ):
        return False  # what no type, no tool is named for is not covered by their names
    if rule.attributes and not _has_attributes(rule, facts, all_of_them=True):
        return False
    if rule.relations is not None:
        test = rule.relations
        if not all(test(name) for name in subject.names("relations")):
            return False
    if match.labels and not subject.kinds <= match.labels:
        return False
    if rule.functions is not None:
        functions = rule.functions
        for name in subject.names("functions"):
            if not functions(name) and not functions(name.removeprefix("pg_catalog.")):
                return False
    return True


@dataclass(frozen=True, slots=True)
class _ForSession:
    session: SessionFacts
    blocks: tuple[_Compiled, ...]
    approvals: tuple[_Compiled, ...]
    allows: tuple[_Compiled, ...]
    overriding: tuple[_Compiled, ...]
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
        self._rules = [_Compiled.of(rule, origin) for origin, own in rules for rule in own]
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
                    and _touches(rule, subject)
                ):
                    found[rule.name] = None
        return tuple(found)

    def approves(
        self, facts: StatementFacts, session: SessionFacts, now: float, flags: frozenset[str]
    ) -> bool:
        """Whether an approve rule that names one of ``flags`` is for this operation: somebody has
        decided that a person may let it through."""
        subject = _Subject(facts, None, self._labels.get(session.resource))
        return any(
            not rule.rule.monitor
            and not rule.match.flags.isdisjoint(flags)
            and rule.now(now)
            and _touches(rule, subject)
            for rule in self._for(session).approvals
        )

    def momentary(self, session: SessionFacts) -> bool:
        """Whether the time of day has a say in this session's verdicts."""
        return self._for(session).momentary

    # --- parts --------------------------------------------------------------------------------

    def _subjects(self, judged: Judged, session: SessionFacts) -> Iterable[_Subject]:
        labels = self._labels.get(session.resource)
        resolutions = judged.resolutions
        for index, facts in enumerate(judged.facts or ()):
            resolution = resolutions[index] if index < len(resolutions) else None
            yield _Subject(facts, resolution, labels, literals(judged, index))

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

    def _overridden(self, rules: _ForSession, subject: _Subject, now: float) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for rule in rules.overriding:
            if rule.now(now) and (
                _touches(rule, subject)
                if rule.rule.verdict == "approve"
                else _covers(rule, subject)
                and not (
                    rule.match.classes and rule.match.classes.isdisjoint(subject.facts.classes)
                )
            ):
                found |= rule.rule.overrides
        return found

    def _first(
        self,
        rules: Sequence[_Compiled],
        subject: _Subject,
        now: float,
        overridden: frozenset[str],
    ) -> _Compiled | None:
        for rule in rules:
            if (
                _touches(rule, subject)
                and not rule.rule.monitor
                and rule.name not in overridden
                and rule.now(now)
            ):
                return rule
        return None

    def _may_use(
        self, rules: _ForSession, subject: _Subject, tokens: frozenset[str], now: float
    ) -> bool:
        """Whether a rule that is for the statement lets tokens of these kinds be used in it."""
        return any(
            (tokens <= rule.rule.tokens or "*" in rule.rule.tokens)
            and not rule.rule.monitor
            and rule.now(now)
            and _touches(rule, subject)
            for rule in (*rules.allows, *rules.approvals)
        )

    def _allowed(self, rules: _ForSession, subject: _Subject, now: float) -> str | None:
        """The rule that allows the statement, or the first of several that do so together."""
        left = subject.facts.classes - _MARKERS
        first = None
        for rule in rules.allows:
            classes = rule.match.classes
            if (classes and classes.isdisjoint(left)) or not rule.now(now):
                continue
            if not _covers(rule, subject):
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


def _block(rule: _Compiled) -> Block:
    own = rule.rule
    return Block(
        rule.name,
        own.reason or "rule.block",
        own.message or _DEFAULT_MESSAGE["block"],
        own.remedy,
    )


def _hold(rule: _Compiled) -> Hold:
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
