"""How much may wait for a person, and for how long what is over is kept."""

from __future__ import annotations

from dataclasses import dataclass

from hoopgate.errors import Refused


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait.

    :ivar pending: requests one identity may have pending.
    :ivar hourly: requests one identity may file in an hour.
    :ivar total: requests pending on the node.
    :ivar keep_seconds: statement text is erased this long after its request closed; what was
        decided, by whom and why stays.
    :ivar sweep_seconds: how often overdue requests without a waiting session are closed.
    """

    pending: int = 20
    hourly: int = 200
    total: int = 2000
    keep_seconds: float = 30 * 86400.0
    sweep_seconds: float = 30.0

    def check(self, counts: tuple[int, int, int]) -> None:
        """Whether one more may be filed.

        :param counts: pending of this identity, filed by it within an hour, pending in all.
        :raises Refused: ``approval.too_many``.
        """
        for number, bound, what in zip(
            counts,
            (self.pending, self.hourly, self.total),
            (
                "pending for this identity",
                "filed by this identity within an hour",
                "pending on this gateway",
            ),
            strict=True,
        ):
            if number >= bound:
                raise Refused("approval.too_many", f"already {number} requests {what}")


#: Those of a node.
USUAL = Bounds()
