"""From evidence to a proposed label. Reasons never quote a value.

A scan proposes what to hide, and only names what might be public: opening a column is a person's
decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hoopgate.events import ColumnRef
from hoopgate.phi.detectors.columns import Column, Family, Relation, Sample
from hoopgate.phi.detectors.patterns import DETECTORS, LONGEST
from hoopgate.phi.detectors.words import said, words
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass

#: Below this a guess is no proposal.
ENOUGH: Final = 0.35
#: A value of which a match covers this share is the identifier; else it has it in it.
_WHOLE: Final = 0.8
#: Share of the sample that must match before a column counts as one of identifiers.
_MANY: Final = 0.2
#: Values of a column of codes: as many different ones, and as long, at most.
_MOST_CODES, _LONGEST_CODE, _FEWEST_ROWS = 24, 40, 50
_FREE_TEXT_WORDS: Final = 5
#: Kinds that may be shown in a coarser form, and the types for which there is one.
_GENERAL: Final = {
    "DOB": {Family.DATE, Family.TIMESTAMP},
    "DATE": {Family.DATE, Family.TIMESTAMP},
    "ZIP": {Family.TEXT},
    "AGE": {Family.INTEGER},
    "YEAR_OF_BIRTH": {Family.INTEGER},
}
#: Says whom a row is about, and mostly by a number that means nothing elsewhere.
WHO: Final = "PATIENT"
#: A word may mean something that the type rules out: an integer holds no street.
_TEXTS: Final = {Family.TEXT, Family.DOCUMENT, Family.OTHER}
_POSSIBLE: Final = {
    **dict.fromkeys(("NAME", "EMAIL", "ADDRESS", "NOTE", "URL", "CONTACT", "CREDENTIAL"), _TEXTS),
    "DOB": _TEXTS | {Family.DATE, Family.TIMESTAMP},
    "DATE": _TEXTS | {Family.DATE, Family.TIMESTAMP},
    "AGE": {Family.INTEGER, Family.NUMBER},
    "IMAGE": _TEXTS | {Family.BYTES},
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a scan thinks of one column.

    :ivar label: what it proposes; of level public: only for a person to consider; None: it cannot
        tell, the column stays without a label, which is secret.
    :ivar confidence: 0 to 1.
    :ivar reasons: the strongest first; no values.
    """

    column: ColumnRef
    type: str
    label: Label | None
    confidence: float
    reasons: tuple[str, ...]


class Finder(Protocol):
    """What finds identifiers: see :class:`hoopgate.phi.detectors.patterns.Detector`."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def strength(self) -> float: ...
    @property
    def context(self) -> frozenset[str]: ...
    @property
    def alone(self) -> bool: ...

    def spans(self, text: str) -> Iterator[tuple[int, int]]: ...


@dataclass(frozen=True, slots=True)
class _Evidence:
    kind: str
    score: float
    reason: str


def propose(
    resource: str, relation: Relation, sample: Sample, detectors: Sequence[Finder] = DETECTORS
) -> Iterator[Proposal]:
    """One proposal per column, in the relation's order."""
    for index, column in enumerate(relation.columns):
        found = [row[index] for row in sample.values]
        values = [one for one in found if one is not None]
        yield propose_column(resource, column, values, detectors)


def propose_column(
    resource: str, column: Column, values: Sequence[str], detectors: Sequence[Finder] = DETECTORS
) -> Proposal:
    """:param values: sampled ones, without NULLs; may be empty."""
    evidence = [*_said(column), *_typed(column), *_found(column, values, detectors)]
    by_kind: dict[str, list[_Evidence]] = defaultdict(list)
    for one in evidence:
        by_kind[one.kind].append(one)
    scores = {kind: _together(found) for kind, found in by_kind.items()}
    best = max(scores, key=lambda kind: (scores[kind], kind), default="")
    name = str(column.reference)
    if best and scores[best] >= ENOUGH:
        reasons = sorted(by_kind[best], key=lambda one: -one.score)
        label = _label(resource, name, best, column.family)
        told = tuple(dict.fromkeys(one.reason for one in reasons))
        return Proposal(column.reference, column.type, label, scores[best], told)
    public = _public(column, values)
    if public is not None:
        confidence, reason = public
        label = Label(resource, name, "PUBLIC", LabelClass.PUBLIC)
        # Any suspicion, however weak, is for the person who opens the column to know.
        told = (reason, *(one.reason for one in evidence))
        confidence *= 1 - scores.get(best, 0.0)
        return Proposal(column.reference, column.type, label, confidence, told)
    return Proposal(column.reference, column.type, None, 0.0, ("nothing tells what it holds",))


def _label(resource: str, name: str, kind: str, family: Family) -> Label:
    if family in _GENERAL.get(kind, ()):
        return Label(resource, name, kind, LabelClass.QUASI, Method.GENERALISE)
    if kind == WHO:  # rows have to be joined by it
        return Label(resource, name, kind, LabelClass.QUASI, patient=True)
    return Label(resource, name, kind)


def _together(found: Sequence[_Evidence]) -> float:
    """Independent reasons: what is left of the doubt. Of one source the strongest counts."""
    doubt = 1.0
    strongest: dict[str, float] = {}
    for one in found:
        source = one.reason.partition(" ")[0]
        strongest[source] = max(strongest.get(source, 0.0), one.score)
    for score in strongest.values():
        doubt *= 1 - score
    return min(0.99, 1 - doubt)


def _said(column: Column) -> Iterator[_Evidence]:
    reference = column.reference
    for kind, score, reason in said(reference.column, reference.relation, column.comment):
        if column.family in _POSSIBLE.get(kind, {column.family}):
            yield _Evidence(kind, score, reason)


def _typed(column: Column) -> Iterator[_Evidence]:
    if column.family in (Family.DATE, Family.TIMESTAMP):
        yield _Evidence("DATE", 0.5, f"type {column.type}: dates of events identify")
    elif column.family is Family.ADDRESS:
        yield _Evidence("IP", 0.8, f"type {column.type}: addresses of networks and devices")
    elif column.family is Family.BYTES:
        yield _Evidence("BINARY", 0.5, f"type {column.type}: it could hold anything")
    elif column.family is Family.DOCUMENT:
        yield _Evidence("DOCUMENT", 0.4, f"type {column.type}: its keys are anybody's")


def _found(
    column: Column, values: Sequence[str], detectors: Sequence[Finder]
) -> Iterator[_Evidence]:
    if not values or column.family in (Family.BYTES, Family.BOOLEAN, Family.DATE, Family.TIMESTAMP):
        return
    about = _about(column)
    inside: list[tuple[float, Finder]] = []
    for detector in detectors:
        if detector.context and not detector.context & about:
            continue
        whole, within = _count(detector, values)
        share = (whole if detector.alone else whole + within) / len(values)
        if whole >= within and whole / len(values) >= _MANY:
            score = detector.strength * min(1.0, 0.3 + whole / len(values))
            yield _Evidence(detector.kind, score, f"looks like {detector.name} in {share:.0%}")
        elif not detector.alone and within:
            inside.append((share, detector))
    texts = column.family in (Family.TEXT, Family.DOCUMENT, Family.OTHER)
    if not texts:
        return
    kind = "DOCUMENT" if column.family is Family.DOCUMENT else "NOTE"
    for share, detector in inside:
        score = detector.strength * min(0.95, 0.45 + share)
        yield _Evidence(kind, score, f"holds text like {detector.name} in {share:.0%}")
    wordy = sum(len(words(value)) >= _FREE_TEXT_WORDS for value in values) / len(values)
    if kind == "NOTE" and wordy > _MANY and not _few(values):
        yield _Evidence(kind, 0.5, f"prose in {wordy:.0%}: free text holds anything")


def _count(detector: Finder, values: Sequence[str]) -> tuple[int, int]:
    """How many values are what the detector looks for, and how many have it in them."""
    whole = within = 0
    for value in values:
        text = value.strip()[:LONGEST]
        longest = max((end - start for start, end in detector.spans(text)), default=0)
        if longest and longest >= _WHOLE * len(text):
            whole += 1
        elif longest:
            within += 1
    return whole, within


def _about(column: Column) -> frozenset[str]:
    reference = column.reference
    said_of_it = (
        *words(reference.column),
        *words(reference.relation),
        *words(column.comment),
        *words(column.relation_comment),
    )
    return frozenset(said_of_it)


def _few(values: Sequence[str]) -> bool:
    """The same few come again and again, as codes and what they are called do."""
    return len(values) >= _FEWEST_ROWS and len(set(values)) <= _MOST_CODES


def _public(column: Column, values: Sequence[str]) -> tuple[float, str] | None:
    """What looks harmless, how sure, and why."""
    if column.family is Family.BOOLEAN:
        return 0.7, "two values only"
    if column.key and column.family is Family.INTEGER:
        return 0.6, "an integer key; make sure that nobody outside knows these numbers"
    different = len(set(values))
    if column.family is Family.TEXT and _few(values) and max(map(len, values)) <= _LONGEST_CODE:
        return 0.6, f"{different} different short values in {len(values)} rows, like codes"
    if column.family in (Family.INTEGER, Family.NUMBER) and values:
        return 0.4, "plain numbers; rare values may point at a person"
    return None
