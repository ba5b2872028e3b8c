"""Aggregates over labelled columns, where each covers enough patients.

The statement itself keeps small groups back (:mod:`hoopgate.sql.groups`); here is judged whether it
does so for enough, and whether it counts patients. What one answer tells of a group it tells on
purpose. Two answers about groups that differ by one patient tell of that patient: so nothing is
given out to who may ask as often as he likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hoopgate.events import ColumnRef, Resolution, SessionFacts
from hoopgate.guardrails.budgets import applies
from hoopgate.guardrails.tokens import columns_of, without
from hoopgate.phi.labels import LabelSet
from hoopgate.settings.model import Budget
from hoopgate.sql.groups import promise
from hoopgate.verdicts import Block


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How many patients an aggregate must cover.

    :ivar least: 0: none is given out.
    :ivar budgets: that bound how often an identity asks.
    """

    least: int
    budgets: Sequence[Budget] = ()

    def bounded(self, session: SessionFacts) -> bool:
        """Whether this identity's questions are counted."""
        return self.least > 0 and any(
            budget.queries is not None and applies(budget.match, session) for budget in self.budgets
        )

    def advised(self, block: Block, bounded: bool) -> Block:
        """A refusal with what would be answered."""
        if not self.least:
            return block
        if not bounded:
            return replace(
                block, remedy="Ask an operator for a budget of queries: without one none is given."
            )
        return replace(
            block,
            remedy=(
                "Use count, sum, avg, stddev or variance of the column itself, with"
                " HAVING count(DISTINCT PATIENT) FILTER (WHERE COLUMN IS NOT NULL)"
                f" >= {self.least}, in a query of its own."
            ),
        )


#: Nothing is given out.
NO_GROUPS: Final = GroupSize(0)


def release(
    resolution: Resolution, labels: LabelSet, groups: GroupSize
) -> tuple[Resolution, set[ColumnRef]]:
    """The resolution without what is seen over enough patients only, and what that is."""
    if not groups.least:
        return resolution, set()
    found = {
        column
        for column in columns_of(resolution)
        if column.grouped and _enough(column, labels, groups.least)
    }
    return (without(resolution, found), found) if found else (resolution, found)


def _enough(column: ColumnRef, labels: LabelSet, least: int) -> bool:
    patients, who = promise(column)
    known = [label for label in map(labels.lookup, who) if label is not None]
    return patients >= least and any(label.patient for label in known)
