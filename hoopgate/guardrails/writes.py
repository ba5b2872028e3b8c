"""What may be stored: nothing labelled where its label does not follow it.

A secret goes nowhere. A quasi-identifier goes as it is to a column of its own kind, where no more
of it is seen than here. And into a column whose values come as tokens nobody puts a value: a guess
would come back as its token.
"""

from __future__ import annotations

from typing import Final

from hoopgate.events import Move, Resolution, StatementFacts
from hoopgate.guardrails.remedies import stored_as
from hoopgate.guardrails.years import whole_years
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method
from hoopgate.settings.model import LabelClass
from hoopgate.verdicts import Block

_RULE: Final = "phi/write"
_REASON: Final = "phi.write"


def writes(facts: StatementFacts, resolution: Resolution, labels: LabelSet) -> Block | None:
    """Why a statement may not store what it does; None where it may."""
    for column in sorted(resolution.assigned, key=str):
        label = labels.lookup(column)
        if label is not None and label.method is Method.TOKEN:
            return guessed(str(column))
    stored = resolution.stored
    if "into" in facts.flags:  # a view keeps nothing: its columns have the labels of their sources
        for output in resolution.columns or ():
            if labels.tokenises(output.name):
                return guessed(output.name)
        for output in resolution.columns or ():
            if not whole_years(output, labels):
                stored |= output.sources
    found = labels.strictest(stored)
    if found is None:
        return None
    if found.level is LabelClass.QUASI and _kept(facts, resolution, labels):
        return None
    place = min(str(one) for one in stored if labels.lookup(one) is found)
    return Block(
        _RULE,
        _REASON,
        f"Values of {place} may not be copied to another place.",
        stored_as(found),
        place,
    )


def guessed(column: str) -> Block:
    """Why a value may not be put into a column whose values come as tokens."""
    return Block(
        _RULE,
        _REASON,
        f"{column} may come as tokens: a guess that is stored there would come back as its token,"
        " and tell whether it is right.",
        "Leave the column to the application that keeps it.",
        column,
    )


def _kept(facts: StatementFacts, resolution: Resolution, labels: LabelSet) -> bool:
    """Whether quasi-identifiers go only where no more of them is seen: into a column of their own
    kind as they are, or into a secret one. Worked out or under another kind they would say there
    what is left out here: ``SET dob = make_date(1900 + day(dob), 1, 1)`` has the day for its year.
    """
    if "ddl" in facts.classes or "into" in facts.flags:
        return False
    moves = resolution.moves
    if moves is None:
        moves = frozenset(
            Move(source, target, False)
            for source in resolution.stored
            for target in resolution.written or (None,)
        )
    for move in moves:
        label = labels.lookup(move.source)
        if label is None or label.level is not LabelClass.QUASI:
            continue
        target = None if move.target is None else labels.lookup(move.target)
        if target is None or target.level is LabelClass.PUBLIC:
            if move.target is not None and move.target.derived:
                continue  # it stands beside what it is made of
            return False
        alike = (target.kind, target.method) == (label.kind, label.method)
        if target.level is not LabelClass.SECRET and not (move.direct and alike):
            return False
    return True
