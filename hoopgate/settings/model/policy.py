"""Rules and labels: what SIGHUP takes up."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hoopgate.plans import Method


class LabelClass(Enum):
    SECRET = "secret"
    QUASI = "quasi"
    PUBLIC = "public"  #: reviewed, holds no PHI


#: The kind of a column that no label names.
UNLABELLED = "UNLABELLED"


@dataclass(frozen=True, slots=True)
class Label:
    """A line of the data dictionary.

    :ivar resource: the resource's name.
    :ivar column: ``schema.relation.column``; ``*`` in any part is a wildcard.
    :ivar kind: what the value is: ``SSN``, ``NAME``, ``DATE`` … shown in the redaction.
    :ivar as_text: the column comes as text, whatever its type is: ``[DOB]``, ``1951``, ``90+``.
    :ivar joins: columns with tokens of one kind may be joined: which values are equal is told.
    :ivar patient: it says which patient a row is about: budgets count by it.
    """

    resource: str
    column: str
    kind: str
    level: LabelClass = LabelClass.SECRET
    method: Method = Method.REDACT
    as_text: bool = False
    joins: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Days (0 = Monday) and minutes of the day in ``zone``; an empty set means every day."""

    days: frozenset[int] = frozenset()
    start: int = 0
    end: int = 24 * 60
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Match:
    """When a rule applies: every field that is not empty must match; in a field, any of its values.

    ``relations`` and ``labels`` (kinds) match what is read or written, after resolution where
    there is one; ``*`` and ``?`` are wildcards in subjects, resources and relations.

    :ivar attributes: what a protocol without SQL says of an operation, ``http.path`` → patterns of
        values; of what has a name and a value, ``name`` or ``name=value``.
    """

    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    times: TimeWindow | None = None
    attributes: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the operator or of a pack.

    :ivar name: unique; shown as ``operator/name`` or ``pack/name``.
    :ivar verdict: ``allow``, ``block`` or ``approve``.
    :ivar monitor: only report what it would have done.
    :ivar overrides: names of block rules (``hipaa-baseline/ddl``) this rule stands in for where it
        matches.
    :ivar reviewers: groups who may approve (``approve`` only).
    :ivar expires: seconds a request waits at most.
    :ivar approvers: distinct persons who have to approve.
    :ivar window: seconds for which the same statement passes again once approved; 0: once.
    :ivar effect: what is approved is what the statement did, before it is committed.
    :ivar tokens: kinds whose tokens may be used in a statement that it allows; ``*``: all.
    """

    name: str
    verdict: str
    match: Match = field(default_factory=Match)
    reason: str = ""
    message: str = ""
    remedy: str = ""
    monitor: bool = False
    overrides: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    expires: float = 900.0
    approvers: int = 1
    window: float = 0.0
    effect: bool = False
    tokens: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Budget:
    """What an identity may take in a stretch of time, over all its sessions.

    Stretches of ``window_seconds`` follow one another, the first began with the epoch.

    :ivar name: unique; shown as ``budget/name``.
    :ivar match: whom and what it is for: groups, scopes, subjects, issuers, resources.
    :ivar cells: distinct patients times labelled columns; None: not counted.
    :ivar queries: statements that choose rows by quasi-identifiers; None: not counted.
    :ivar verdict: ``block`` or ``approve``: what becomes of a statement when it is used up.
    """

    name: str
    match: Match = field(default_factory=Match)
    cells: int | None = None
    queries: int | None = None
    window_seconds: float = 3600.0
    verdict: str = "block"
    reviewers: frozenset[str] = frozenset()
    expires: float = 900.0


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """Command lines that may be allowed where a resource's commands are an allow-list.

    :ivar programs: the first word, as it is written.
    :ivar resources: where it holds; empty: everywhere.
    :ivar options: patterns of words that begin with a dash; one with a space in it is an option
        and the value behind it.
    :ivar arguments: patterns of the first other words, one for each.
    :ivar paths: patterns of what the rest of the words lead to on the server, as paths.
    """

    name: str
    programs: frozenset[str]
    resources: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and labels: what SIGHUP reloads. ``digest`` is of their canonical form (hex SHA-256).

    :ivar guards: extra guards, ``package.module:factory``.
    :ivar unlabelled: what a column without a label counts as where there is PHI: secret or public.
    :ivar min_group: patients an aggregate over secret columns must cover; 0 = such aggregates are
        refused.
    """

    rules: tuple[Rule, ...]
    packs: tuple[str, ...]
    labels: tuple[Label, ...]
    digest: str
    guards: tuple[str, ...] = ()
    unlabelled: LabelClass = LabelClass.SECRET
    min_group: int = 0
    commands: tuple[CommandEntry, ...] = ()
    budgets: tuple[Budget, ...] = ()
    text: str = field(default="", repr=False)  #: the canonical form
