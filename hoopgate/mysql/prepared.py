"""Statements that a client has prepared, and by which plan their rows are rewritten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.actions import Decision
from hoopgate.mysql.masking import RowMasker
from hoopgate.mysql.wire_results import Column
from hoopgate.plans import MaskPlan, Spend
from hoopgate.verdicts import Allow, Hold, Mask

#: Statements that one session may have prepared at a time, and characters of their texts.
MOST_PREPARED: Final = 16_384
MOST_PREPARED_SIZE: Final = 64 * 2**20

#: May change the schema, and so what other statements mean.
_ALTERING: Final = frozenset({"ddl", "truncate", "grant", "do", "call", "unknown"})


@dataclass(slots=True)
class Cursor:
    """A cursor that an execute has opened: its rows come by COM_STMT_FETCH.

    :ivar masker: of its rows; None where nothing is masked.
    :ivar spend: what they take of budgets.
    """

    masker: RowMasker | None
    spend: Spend | None = None


@dataclass(slots=True)
class LongValue:
    """A parameter that is sent in pieces, before its statement is executed.

    :ivar digest: SHA-256 of them, one of :mod:`hashlib`'s objects.
    """

    digest: Any  # what it is called there has no name at run time
    size: int = 0


@dataclass(slots=True)
class Prepared:
    """A prepared statement.

    :ivar id: the server's.
    :ivar text: as the client sent it: what is judged again when the rules change.
    :ivar sent: as the server has it.
    :ivar decision: the last verdict, none of them a Block.
    :ivar generation: of rules and schema, when that came.
    :ivar types: of the parameters, as the last execute gave them.
    :ivar long: parameters that came by COM_STMT_SEND_LONG_DATA.
    :ivar spoilt: a piece of one was not passed on: it cannot run.
    """

    id: int
    text: str = field(repr=False)
    sent: str = field(repr=False)
    decision: Decision
    generation: int
    parameters: int
    types: tuple[int, ...] = ()
    long: dict[int, LongValue] = field(default_factory=dict)
    spoilt: bool = False
    cursor: Cursor | None = None
    columns: tuple[Column, ...] = ()

    @property
    def size(self) -> int:
        """Characters held for it."""
        return len(self.text) + len(self.sent)

    def forget_long(self) -> None:
        """The statement was executed or reset."""
        self.long.clear()
        self.spoilt = False


def plan_of(decision: Decision) -> MaskPlan | None:
    """The plan of a decision that is not a Block."""
    verdict = decision.verdict
    plans = verdict.plans if isinstance(verdict, Mask | Hold) else ()
    return plans[0] if plans else None


def masks_of(decision: Decision) -> MaskPlan | None:
    """The plan for its rows; None where nothing is masked."""
    plan = plan_of(decision)
    return plan if plan is not None and plan.masks else None


def takes_tokens(decision: Decision) -> bool:
    """True when values that are bound have to be looked through for tokens."""
    plan = plan_of(decision)
    return plan is not None and bool(plan.tokens)


def take_text(decision: Decision, text: str) -> str:
    """What the server is sent for ``text``; taken out, as it may hold what tokens stand for."""
    other, decision.text = decision.text, None
    return text if other is None else other


def runs_at_once(decision: Decision) -> bool:
    """Whether a statement may be executed by the verdict that it was prepared with."""
    return isinstance(decision.verdict, Allow | Mask)


def alters(decision: Decision) -> bool:
    """True for what may change the schema."""
    return any(not facts.classes.isdisjoint(_ALTERING) for facts in decision.facts)
