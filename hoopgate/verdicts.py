"""What a guardrail may say about an event. The pipeline turns many of these into one.

Order of strength: Block > Hold > Allow. :class:`Mask` is an Allow that also says how the
answer must be rewritten. No opinion from any guard is a Block (see ``guardrails/pipeline.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopgate.plans import MaskPlan


@dataclass(frozen=True, slots=True)
class Allow:
    """Forward the event as it is.

    :ivar rule: name of the rule that allowed it, e.g. ``operator/readers``.
    """

    rule: str


@dataclass(frozen=True, slots=True)
class Mask:
    """Forward the event; rewrite its answer by ``plans`` (one per statement of the request)."""

    rule: str
    plans: tuple[MaskPlan | None, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Refuse the event.

    :ivar rule: which rule refused, e.g. ``hipaa-baseline/ddl``.
    :ivar reason: stable dotted word for programs, e.g. ``statement.ddl``.
    :ivar message: one sentence for people. Never quotes data or literals of the statement.
    :ivar remedy: what to do next, one sentence.
    :ivar subject: the offending relation, column or function, when there is one.
    """

    rule: str
    reason: str
    message: str
    remedy: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait for a person.

    :ivar reviewers: directory groups whose members may decide.
    :ivar expires: seconds until the request lapses into a Block.
    :ivar approvers: distinct persons who have to approve.
    :ivar window: seconds for which the same may be done again once it is approved; 0: once.
    :ivar effect: what is approved is what it did: it runs in a transaction that is held open.
    :ivar address: where it is decided, once it is asked for; "" where there is no console.
    """

    rule: str
    reason: str
    message: str
    reviewers: frozenset[str]
    expires: float
    plans: tuple[MaskPlan | None, ...] = ()
    monitored: tuple[str, ...] = field(default=())
    approvers: int = 1
    window: float = 0.0
    effect: bool = False
    address: str = ""


Verdict = Allow | Mask | Block | Hold
