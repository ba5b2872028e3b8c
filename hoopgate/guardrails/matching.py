"""What one rule matches. A rule's patterns are compiled once; what depends on the session alone is
tested once per session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate
from typing import Final
from zoneinfo import ZoneInfo

from hoopgate.events import BESIDES, OperationFacts, Resolution, SessionFacts, StatementFacts
from hoopgate.guardrails.tokens import NONE, settle
from hoopgate.phi.labels import LabelSet
from hoopgate.settings.model import LabelClass, Match, Rule, TimeWindow

_WILDCARD: Final = re.compile(r"[*?[]")
#: Attributes whose patterns are one text, also with an equals sign in it.
_WHOLE: Final = frozenset({"ssh.path", "ssh.command"})

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
class CompiledRule:
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
    def of(cls, rule: Rule, origin: str) -> CompiledRule:
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


class Subject:
    """What a statement touches, worked out only when a rule asks.

    :param bound: a token may be among the values that are bound to it.
    """

    __slots__ = ("_bound", "_kinds", "_labels", "_literals", "facts", "resolution")

    def __init__(
        self,
        facts: StatementFacts,
        resolution: Resolution | None,
        labels: LabelSet | None,
        literals: Mapping[int, str] = NONE,
        *,
        bound: bool = False,
    ) -> None:
        self._bound = bound
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
        found = settle(self.facts, self.resolution, self._labels, self._literals)
        return found.kinds | found.welcome if self._bound else found.kinds

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
    """One of ``names`` matches, with its schema or without: a name may be written both ways. ``*``
    stands for whatever there is."""
    return any(name == "*" or test(name) or test(name.rpartition(".")[2]) for name in names)


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


def _has_attributes(rule: CompiledRule, facts: StatementFacts, *, all_of_them: bool) -> bool:
    """One (or each) of the operation's values of every attribute is what the rule names."""
    if not isinstance(facts, OperationFacts):
        return False
    for attribute, patterns in rule.attributes:
        values = facts.attributes.get(attribute, ())
        if not all_of_them:
            values += facts.attributes.get(attribute + BESIDES, ())
        found = [_is(patterns, name, value) for name, value in values]
        if not all_of_them and attribute == "ssh.path" and "recursive" in facts.flags:
            # What is done to a directory is done to what is in it, which nobody names.
            named = dict(rule.match.attributes)[attribute]
            found += [_below(pattern, name) for pattern in named for name, _ in values]
        if not (all(found) if all_of_them else any(found)):
            return False
    return True


def touches(rule: CompiledRule, subject: Subject) -> bool:
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


def covers(rule: CompiledRule, subject: Subject) -> bool:
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
