"""What the judges of noninterference have in common: what a case can come to, and rows' order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum


class Outcome(Enum):
    """What a case did."""

    LEAK = "leak"  #: the client can tell the twins apart, or sees a canary
    MASKED = "masked"  #: unmasked it tells them apart, through the gateway it does not
    DENIED = "denied"  #: the gateway refused it, with a reason
    INERT = "inert"  #: it does not tell them apart even without the gateway
    ORDER = "order"  #: another order that nobody asked for: the server's, and not the data's
    UNSTABLE = "unstable"  #: it differs from run to run of one twin: clocks, process ids
    CUT = "cut"  #: the gateway ended the session rather than answer


def reordered(one: Sequence[bytes], two: Sequence[bytes]) -> bool:
    """Whether two answers are the same messages in another order."""
    return one != two and Counter(one) == Counter(two)
