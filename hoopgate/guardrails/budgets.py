"""Budgets: what an identity may take in a stretch of time, over all its sessions.

*Cells* are distinct patients times labelled columns: a patient counts once for a set of columns,
however often its row is read. Where no column of a result says which patient a row is about, every
row counts as another one. *Queries* are statements whose rows are chosen by quasi-identifiers.

What runs is not cut short: a budget that is used up stops the next statement that would take of it.
Pure: :mod:`hoopgate.gateway.budgets` keeps the numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Final, Protocol, final

from hoopgate.events import SessionFacts
from hoopgate.plans import MaskPlan, Spend
from hoopgate.settings.model import Budget, Match
from hoopgate.verdicts import Block, Hold

#: What is counted without a patient's name: cells of rows that tell none, and queries.
CELLS: Final = "cells"
QUERIES: Final = "queries"
_HASH_BYTES: Final = 8


def applies(match: Match, session: SessionFacts) -> bool:
    """Whether a budget is for this session's identity and resource."""
    principal = session.principal
    return (
        (not match.groups or not match.groups.isdisjoint(principal.groups))
        and (not match.scopes or not match.scopes.isdisjoint(principal.scopes))
        and (not match.issuers or principal.issuer in match.issuers)
        and (
            not match.subjects or any(fnmatchcase(principal.subject, one) for one in match.subjects)
        )
        and (
            not match.resources
            or any(fnmatchcase(session.resource, one) for one in match.resources)
        )
    )


class Note(Protocol):
    """Takes down what was spent, to be written."""

    def count(self, account: Account, counted: str, more: int) -> None:
        """``more`` of ``counted``, which is :data:`CELLS` or :data:`QUERIES`."""

    def patients(self, account: Account, columns: bytes, found: list[bytes], width: int) -> None:
        """Patients, as hashes, whose ``columns`` were not taken before."""


@final
class Account:
    """One identity's use of one budget in the present stretch of time.

    :ivar key: says whose and which.
    :ivar began: of the stretch, seconds since the epoch.
    :ivar loaded: what was spent before this process began is known.
    :ivar broken: it cannot be known: nothing is given.
    """

    def __init__(self, key: str, budget: Budget, secret: bytes, note: Note) -> None:
        self.key = key
        self.budget = budget
        self.began = 0
        self.loaded = False
        self.broken = False
        self._secret = secret
        self._note = note
        self._queries = 0
        self._cells = 0
        self._known: dict[bytes, set[bytes]] = {}  # of each set of columns, patients as they come
        self._hashes: dict[bytes, set[bytes]] = {}

    def roll(self, now: float) -> bool:
        """True when another stretch of time has begun."""
        window = int(self.budget.window_seconds)
        began = int(now) // window * window
        if began == self.began:
            return False
        self.began = began
        self._queries = self._cells = 0
        self._known.clear()
        self._hashes.clear()
        return True

    def load(
        self, counts: Sequence[tuple[str, int]], patients: Sequence[tuple[bytes, bytes, int]]
    ) -> None:
        """What was spent before: counts by what is counted; columns, patient's hash, width."""
        for counted, used in counts:
            if counted == QUERIES:
                self._queries += used
            else:
                self._cells += used
        for columns, patient, width in patients:
            known = self._hashes.setdefault(columns, set())
            if patient not in known:
                known.add(patient)
                self._cells += width
        self.loaded = True

    def query(self) -> None:
        """A statement was sent whose rows quasi-identifiers choose."""
        self._queries += 1
        self._note.count(self, QUERIES, 1)

    def rows(self, spend: Spend, columns: bytes, count: int, patients: list[bytes] | None) -> None:
        """Rows came.

        :param columns: which labelled columns these are, and of which resource.
        :param patients: of each row, where it tells.
        """
        limit = self.budget.cells
        if limit is None or self._cells >= limit:
            return  # used up: how far it goes beyond is not counted
        if patients is None:
            self._cells += count * spend.width
            self._note.count(self, CELLS, count * spend.width)
            return
        known = self._known.setdefault(columns, set())
        new = set(patients) - known
        if not new:
            return
        known |= new
        hashes = self._hashes.setdefault(columns, set())
        found = []
        for patient in new:
            hashed = hashlib.blake2b(patient, key=self._secret, digest_size=_HASH_BYTES).digest()
            if hashed not in hashes:
                hashes.add(hashed)
                found.append(hashed)
        self._cells += len(found) * spend.width
        self._note.patients(self, columns, found, spend.width)

    def over(
        self, spend: Spend | None, now: float, *, goes_on: bool = False, before: int = 0
    ) -> str:
        """Which count is used up, of those that ``spend`` would take of (None: of any); or "".

        :param goes_on: it was counted as a question before.
        :param before: questions that are asked before this one, and not counted yet.
        """
        self.roll(now)
        budget = self.budget
        if self.broken or not self.loaded:
            return CELLS
        if (
            budget.queries is not None
            and not goes_on
            and self._queries + before >= budget.queries
            and (spend is None or spend.predicates)
        ):
            return QUERIES
        if (
            budget.cells is not None
            and self._cells >= budget.cells
            and (spend is None or spend.width)
        ):
            return CELLS
        return ""


@final
class Meter:
    """What a session spends, of every budget that is for it.

    :param clock: seconds since the epoch.
    """

    def __init__(self, resource: str, clock: Callable[[], float]) -> None:
        self._resource = hashlib.blake2b(resource.encode(), digest_size=_HASH_BYTES).digest()
        self._clock = clock
        self.accounts: tuple[Account, ...] = ()

    @property
    def loaded(self) -> bool:
        """What was spent before is known."""
        return all(account.loaded or account.broken for account in self.accounts)

    def exhausted(self) -> bool:
        """Whether a budget is used up: what was decided before has to be decided again."""
        if not self.accounts:
            return False
        now = self._clock()
        return any(account.over(None, now) for account in self.accounts)

    def query(self) -> None:
        """A statement was sent whose rows quasi-identifiers choose."""
        now = self._clock()
        for account in self.accounts:
            account.roll(now)
            account.query()

    def rows(self, spend: Spend, count: int, patients: list[bytes] | None) -> None:
        """``count`` rows came; ``patients`` says of each whom it is about, where it tells."""
        now = self._clock()
        columns = spend.columns + self._resource
        for account in self.accounts:
            account.roll(now)
            account.rows(spend, columns, count, patients)

    def refusal(
        self, plans: Sequence[MaskPlan | None], now: float, *, goes_on: bool
    ) -> Block | Hold | None:
        """What becomes of a statement that would take of a budget that is used up."""
        hold: Hold | None = None
        for account in self.accounts:
            before = 0
            for plan in plans:
                spend = None if plan is None else plan.spend
                if spend is None:
                    continue
                counted = account.over(spend, now, goes_on=goes_on, before=before)
                before += spend.predicates
                if not counted:
                    continue
                if account.budget.verdict == "block" or account.broken:
                    return _block(account, counted, spend)
                hold = hold or _hold(account, counted, tuple(plans))
        return hold


_WHAT: Final = {
    CELLS: "labelled values of {} patients times columns",
    QUERIES: "{} statements that choose rows by quasi-identifiers",
}


def _said(account: Account, counted: str) -> str:
    budget = account.budget
    bound = budget.cells if counted == CELLS else budget.queries
    return f"The budget of {_WHAT[counted].format(bound)} is used up"


def _block(account: Account, counted: str, spend: Spend) -> Block:
    budget = account.budget
    if account.broken:
        return Block(
            f"budget/{budget.name}",
            "budget.unavailable",
            "What was spent of a budget cannot be looked up now.",
            "Try again later.",
        )
    left = int(account.began + budget.window_seconds)
    hours, minutes = left // 3600 % 24, left // 60 % 60
    return Block(
        f"budget/{budget.name}",
        f"budget.{counted}",
        f"{_said(account, counted)}.",
        f"The next one begins at {hours:02}:{minutes:02} UTC; or ask an operator.",
        spend.subject,
    )


def _hold(account: Account, counted: str, plans: tuple[MaskPlan | None, ...]) -> Hold:
    budget = account.budget
    return Hold(
        f"budget/{budget.name}",
        f"budget.{counted}",
        f"{_said(account, counted)}.",
        budget.reviewers,
        budget.expires,
        plans,
    )
