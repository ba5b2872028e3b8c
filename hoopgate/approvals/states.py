"""The life of an approval request, as one table.

::

    pending ──approve──▶ approved ──use──▶ used
       │ endorse ▶ pending  │ use ▶ approved (as long as its window is open)
       │ deny ▶ denied      │ revoke ▶ revoked
       │ expire ▶ expired   │ expire ▶ expired
       │ abandon ▶ abandoned │ abandon ▶ abandoned (an effect)

An approval that is not the last of those that it takes is an endorsement. Everything that is not
in :data:`TRANSITIONS` is refused. ``used``, ``denied``, ``expired``, ``abandoned`` and ``revoked``
are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"  #: enough said yes; good for one use until the deadline, or for a window
    USED = "used"
    DENIED = "denied"
    EXPIRED = "expired"
    ABANDONED = "abandoned"  #: the client left before anybody answered
    REVOKED = "revoked"  #: a reviewer took an unused approval back


class Step(StrEnum):
    """What happens to a request; the word in its leaf."""

    REQUEST = "request"
    ENDORSE = "endorse"  #: approved by one of several who have to
    APPROVE = "approve"
    DENY = "deny"
    USE = "use"
    EXPIRE = "expire"
    ABANDON = "abandon"
    REVOKE = "revoke"


TRANSITIONS: Mapping[tuple[State, Step], State] = {
    (State.PENDING, Step.ENDORSE): State.PENDING,
    (State.PENDING, Step.APPROVE): State.APPROVED,
    (State.PENDING, Step.DENY): State.DENIED,
    (State.PENDING, Step.EXPIRE): State.EXPIRED,
    (State.PENDING, Step.ABANDON): State.ABANDONED,
    (State.APPROVED, Step.USE): State.USED,
    (State.APPROVED, Step.EXPIRE): State.EXPIRED,
    (State.APPROVED, Step.REVOKE): State.REVOKED,
    (State.APPROVED, Step.ABANDON): State.ABANDONED,  # what an effect's approval was for is gone
}

#: States a request can still leave.
OPEN = frozenset(state for state, _ in TRANSITIONS)

#: Steps that the deadline forbids. The others only ever close a request.
TIMELY = frozenset({Step.ENDORSE, Step.APPROVE, Step.USE})
