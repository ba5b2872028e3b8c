"""The life of an approval request, as one table.

::

    pending ──approve──▶ approved ──use──▶ used
       │ deny ▶ denied      │ revoke ▶ revoked
       │ expire ▶ expired   │ expire ▶ expired
       │ abandon ▶ abandoned

Everything that is not in :data:`TRANSITIONS` is refused. ``used``, ``denied``, ``expired``,
``abandoned`` and ``revoked`` are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"  #: a reviewer said yes; good for one use until the deadline
    USED = "used"
    DENIED = "denied"
    EXPIRED = "expired"
    ABANDONED = "abandoned"  #: the client left before anybody answered
    REVOKED = "revoked"  #: a reviewer took an unused approval back


class Step(StrEnum):
    """What happens to a request; the word in its leaf."""

    REQUEST = "request"
    APPROVE = "approve"
    DENY = "deny"
    USE = "use"
    EXPIRE = "expire"
    ABANDON = "abandon"
    REVOKE = "revoke"


TRANSITIONS: Mapping[tuple[State, Step], State] = {
    (State.PENDING, Step.APPROVE): State.APPROVED,
    (State.PENDING, Step.DENY): State.DENIED,
    (State.PENDING, Step.EXPIRE): State.EXPIRED,
    (State.PENDING, Step.ABANDON): State.ABANDONED,
    (State.APPROVED, Step.USE): State.USED,
    (State.APPROVED, Step.EXPIRE): State.EXPIRED,
    (State.APPROVED, Step.REVOKE): State.REVOKED,
}

#: States a request can still leave.
OPEN = frozenset(state for state, _ in TRANSITIONS)

#: Steps that the deadline forbids. The others only ever close a request.
TIMELY = frozenset({Step.APPROVE, Step.USE})
