"""The numbers of budgets: shared by an identity's sessions, written behind them.

What was spent is in the state within half a second, so a crash forgets that much at most. Before an
identity's first statement is judged, what it spent before is read.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

from hoopgate.errors import HoopgateError
from hoopgate.events import SessionFacts
from hoopgate.gateway.logging import log_event
from hoopgate.guardrails.budgets import Account, Meter, applies
from hoopgate.interfaces import IStateStore
from hoopgate.settings.model import Budget

log = Logger()

_WRITE_SECONDS: Final = 0.5
_BATCH: Final = 500


class Budgets:
    """Every budget's accounts.

    :param secret: key of the hashes that stand for patients.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        store: IStateStore,
        reactor: IReactorTime,
        secret: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._budgets = tuple(budgets)
        self._store = store
        self._reactor = reactor
        self._secret = secret
        self._clock = clock
        self._accounts: weakref.WeakValueDictionary[str, Account] = weakref.WeakValueDictionary()
        self._meters: dict[str, tuple[SessionFacts, Meter]] = {}
        self._counts: dict[tuple[str, int, str], int] = {}
        self._patients: list[tuple[str, int, bytes, bytes, int]] = []
        self._kept: dict[str, Account] = {}
        self._timer: IDelayedCall | None = None
        self._lock = DeferredLock()

    # --- sessions -------------------------------------------------------------------------------

    def open(self, session: SessionFacts) -> Meter:
        """A session begins, or its identity's groups are others: the budgets that are for it."""
        known = self._meters.get(session.id)
        meter = Meter(session.resource, self._clock) if known is None else known[1]
        meter.accounts = tuple(
            self._account(budget, session)
            for budget in self._budgets
            if applies(budget.match, session)
        )
        self._meters[session.id] = session, meter
        return meter

    def close(self, session_id: str) -> None:
        """A session has ended."""
        self._meters.pop(session_id, None)

    def meter(self, session_id: str) -> Meter | None:
        """What a running session spends."""
        known = self._meters.get(session_id)
        return None if known is None else known[1]

    def replace(self, budgets: Sequence[Budget]) -> None:
        """Other budgets are in force. What was spent of one stays with its name."""
        self._budgets = tuple(budgets)
        self._accounts.clear()
        self._kept.clear()
        for session, _ in list(self._meters.values()):
            self.open(session)

    def _account(self, budget: Budget, session: SessionFacts) -> Account:
        principal = session.principal
        key = "\0".join((budget.name, principal.issuer, principal.subject))
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(key, budget, self._secret, self)
            account.roll(self._clock())
        return account

    async def load(self, meter: Meter) -> None:
        """Read what was spent before. What cannot be read is not given."""
        for account in meter.accounts:
            if account.loaded or account.broken:
                continue
            began = account.began
            await self._written()
            try:
                counts = await self._store.execute(
                    "SELECT counted, used FROM budget_counts WHERE account = ? AND began = ?",
                    (account.key, began),
                )
                patients = await self._store.execute(
                    "SELECT columns, patient, width FROM budget_patients"
                    " WHERE account = ? AND began = ?",
                    (account.key, began),
                )
            except HoopgateError:
                account.broken = True
                log_event(log, "budgets.unavailable", LogLevel.error)
                continue
            if account.loaded:
                continue  # another session was quicker
            if account.began != began:
                account.load((), ())
                continue
            account.load(
                [(str(counted), int(str(used))) for counted, used in counts],
                [(_bytes(c), _bytes(p), int(str(width))) for c, p, width in patients],
            )

    # --- what was spent ---------------------------------------------------------------------------

    def count(self, account: Account, counted: str, more: int) -> None:
        """See :class:`hoopgate.guardrails.budgets.Note`."""
        key = account.key, account.began, counted
        self._counts[key] = self._counts.get(key, 0) + more
        self._note(account)

    def patients(self, account: Account, columns: bytes, found: list[bytes], width: int) -> None:
        """See :class:`hoopgate.guardrails.budgets.Note`."""
        place = account.key, account.began, columns
        self._patients += [(*place, patient, width) for patient in found]
        self._note(account)

    def _note(self, account: Account) -> None:
        # Until it is written, nobody may read it anew.
        self._kept[account.key] = account
        if self._timer is None:
            self._timer = self._reactor.callLater(_WRITE_SECONDS, self._write)

    def _write(self) -> None:
        self._timer = None
        self._written()

    def _written(self) -> Deferred[None]:
        """Fires when what was spent so far is written."""
        return self._lock.run(lambda: Deferred.fromCoroutine(self._write_out()))

    async def _write_out(self) -> None:
        counts, self._counts = self._counts, {}
        patients, self._patients = self._patients, []
        kept, self._kept = self._kept, {}
        try:
            for (key, began, counted), more in counts.items():
                await self._store.execute(
                    "INSERT INTO budget_counts (account, began, counted, used) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (account, began, counted)"
                    " DO UPDATE SET used = used + excluded.used",
                    (key, began, counted, more),
                )
            for at in range(0, len(patients), _BATCH):
                batch = patients[at : at + _BATCH]
                rows = ", ".join(["(?, ?, ?, ?, ?)"] * len(batch))
                await self._store.execute(
                    "INSERT INTO budget_patients (account, began, columns, patient, width)"  # noqa: S608
                    f" VALUES {rows} ON CONFLICT DO NOTHING",
                    [value for row in batch for value in row],
                )
            for account in kept.values():
                await self._tidy(account)
        except HoopgateError:
            log_event(log, "budgets.not_written", LogLevel.error)

    async def _tidy(self, account: Account) -> None:
        for table in ("budget_counts", "budget_patients"):
            await self._store.execute(
                f"DELETE FROM {table} WHERE account = ? AND began < ?",  # noqa: S608
                (account.key, account.began),
            )

    async def stop(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._written()


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
