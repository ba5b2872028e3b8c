"""Answers that the server owes, in the order in which it will give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Final, final

from hoopgate.actions import Vouch
from hoopgate.errors import RemoteProtocolError
from hoopgate.plans import MaskPlan
from hoopgate.postgres.names import Change

_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


class Kind(Enum):
    """Which message is to be answered."""

    PARSE = ord("1")
    BIND = ord("2")
    CLOSE = ord("3")
    DESCRIBE_STATEMENT = ord("t")
    DESCRIBE_PORTAL = ord("T")
    EXECUTE = ord("C")
    SYNC = ord("Z")
    QUERY = ord("Q")


@final
class Run:
    """One statement of a Query, or the one of an Execute.

    :ivar plan: how its rows are rewritten; None leaves them as they are.
    :ivar change: what its success does to the session's names.
    :ivar alters: it may change the schema.
    :ivar goes_on: it fetches more of what was counted when it was opened.
    :ivar doubt: what was judged, until the server has begun to answer it and nothing speaks against
        it; None where nothing rests on the schema.
    :ivar stamp: of when it was judged.
    """

    __slots__ = ("alters", "change", "copy_options", "doubt", "formats", "goes_on", "plan", "stamp")

    def __init__(
        self,
        plan: MaskPlan | None = None,
        formats: tuple[int, ...] = (),
        change: Change | None = None,
        copy_options: Mapping[str, str] = _NO_OPTIONS,
        *,
        alters: bool = False,
    ) -> None:
        self.plan = plan
        self.alters = alters
        self.goes_on = False
        self.formats = formats
        self.change = change
        self.copy_options = copy_options
        self.doubt: Vouch | None = None
        self.stamp = 0.0


@final
class Expected:
    """An answer that the server owes.

    :ivar refusal: the ErrorResponse that takes the place of the server's.
    :ivar runs: what is run, in order (QUERY: each statement; EXECUTE: one).
    :ivar change: what ParseComplete, BindComplete or CloseComplete does to the session's names.
    :ivar named: it describes EXECUTE or FETCH, by ``plan`` of what that names now. The server goes
        by what it named when it was parsed.
    :ivar own: not empty: the gateway has asked, and the client sees nothing of it; of a command
        its first word.
    """

    __slots__ = ("_run", "change", "failed", "kind", "named", "own", "plan", "refusal", "runs")

    def __init__(
        self,
        kind: Kind,
        *,
        refusal: bytes | None = None,
        runs: Sequence[Run] = (),
        change: Change | None = None,
        plan: MaskPlan | None = None,
        own: bytes = b"",
        named: bool = False,
    ) -> None:
        self.kind = kind
        self.named = named
        self.own = own
        self.refusal = refusal
        self.runs = runs
        self.change = change
        self.plan = plan
        self.failed = False
        self._run = 0

    @property
    def run(self) -> Run:
        """The statement that is answering.

        :raises RemoteProtocolError: more results than statements were sent.
        """
        if self._run >= len(self.runs):
            raise RemoteProtocolError("the server answered more statements than it was sent")
        return self.runs[self._run]

    @property
    def doubtful(self) -> Run | None:
        """The statement that is answering, or will be next, where it is to be vouched for."""
        if self._run < len(self.runs):
            run = self.runs[self._run]
            if run.doubt is not None:
                return run
        return None

    def finish_run(self) -> Run:
        """The statement that is answering is complete."""
        run = self.run
        self._run += 1
        return run

    def changes(self) -> list[Change]:
        """Every change of names that has not come about."""
        left = [run.change for run in self.runs[self._run :] if run.change is not None]
        return [*left, self.change] if self.change is not None else left
