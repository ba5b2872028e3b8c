"""What can be wrong with a log that is read."""

from __future__ import annotations

from hoopgate.errors import HoopgateError


class BadNote(HoopgateError):
    """A signed note, a checkpoint or a key is malformed, or no trusted key signed it."""


class BadLog(HoopgateError):
    """The log's files contradict each other or their signature.

    :ivar what: one sentence; quotes no payload.
    :ivar index: the leaf, where it is known.
    """

    def __init__(
        self,
        what: str,
        *,
        index: int | None = None,
        session: str = "",
        segment: int | None = None,
        offset: int | None = None,
    ) -> None:
        place = [
            f"{name} {value}"
            for name, value in (
                ("leaf", index),
                ("session", session or None),
                ("segment", segment),
                ("offset", offset),
            )
            if value is not None
        ]
        super().__init__(f"{', '.join(place)}: {what}" if place else what)
        self.what = what
        self.index = index
        self.session = session
        self.segment = segment
        self.offset = offset
