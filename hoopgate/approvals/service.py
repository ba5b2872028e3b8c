"""Requests that wait for a person: filed, decided, used once, or lapsed.

Every step is a leaf in the log first and a change of state second. The change is one
compare-and-swap in SQL, so of two reviewers, two processes, or a reviewer and the deadline, one
wins; the other's leaf is followed by a ``void`` leaf. In one process a lock per request makes that
rare.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate.approvals import model
from hoopgate.approvals.model import COLUMNS, Contents, Request
from hoopgate.approvals.sealing import Sealer, SealingError
from hoopgate.approvals.states import OPEN, TIMELY, TRANSITIONS, State, Step
from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import Judged, Principal, SessionFacts
from hoopgate.interfaces import IApprovals, IRecorder, IStateStore
from hoopgate.verdicts import Hold

T = TypeVar("T")
Observer = Callable[[Request, Step], None]

_log = Logger()


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


@implementer(IApprovals)
class Approvals:
    """The one place where requests change.

    :param recorder: None only where there is no log at all (tests).
    :param clock: for timers.
    :param key_file: key under which statements are sealed; made by :meth:`start` if missing.
    :param now: wall clock, seconds since the epoch; deadlines survive a restart.
    """

    def __init__(
        self,
        store: IStateStore,
        recorder: IRecorder | None,
        clock: IReactorTime,
        *,
        key_file: Path,
        now: Callable[[], float] = time.time,
        bounds: Bounds = Bounds(),
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._key_file = key_file
        self._now = now
        self._bounds = bounds
        self._locks: dict[str, tuple[DeferredLock, list[None]]] = {}
        self._waiters: dict[str, list[Deferred[bool]]] = {}
        self._deadlines: dict[str, IDelayedCall] = {}
        self._observers: list[Observer] = []
        self._sealer: Sealer | None = None
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> Deferred[None]:
        """Read or make the key, take over what an earlier process left, begin to sweep.

        Pending requests of sessions that died with the last process stay: they can be decided,
        and the same statement of the same identity passes once after that.

        :raises SealingError: the key file is unusable.
        """
        self._sealer = Sealer(self._key_file)

        async def take_over() -> None:
            await self._store.execute("UPDATE approvals SET session = '' WHERE state = 'pending'")
            self._sweeper.start(self._bounds.sweep_seconds, now=True)

        return Deferred.fromCoroutine(take_over())

    def stop(self) -> None:
        """Stop the timers. Whoever still waits is not answered."""
        if self._sweeper.running:
            self._sweeper.stop()
        for call in self._deadlines.values():
            call.cancel()
        self._deadlines.clear()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call ``observer(request, step)`` after every step; the result stops that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    # --- for sessions --------------------------------------------------------------------------

    def request(
        self, digest: str, judged: Judged, session: SessionFacts, hold: Hold
    ) -> Deferred[str]:
        """File a request for a person; fires with its id once it is durable.

        The same statement of the same session that is still pending keeps its id. A cancelled
        call abandons what it filed.

        Fails with :class:`Refused`: ``approval.too_many``.
        """
        filing = self._file(digest, judged, session, hold)
        return _to_the_end(filing, unwanted=self.abandon)

    def passes(self, digest: str, session: SessionFacts) -> Deferred[str | None]:
        """Use up an approval of this digest by this identity, once; its id, or None."""
        return _to_the_end(self._passes(digest, session))

    def wait(self, request_id: str) -> Deferred[bool]:
        """Fires with True when approved (and used up), False when it can no longer be.

        Cancelling stops waiting and nothing else. Fails when the log or the store does.
        """

        def forget(waiter: Deferred[bool]) -> None:
            self._dismiss(request_id, waiter)

        waiter: Deferred[bool] = Deferred(forget)
        self._waiters.setdefault(request_id, []).append(waiter)
        self._wake(request_id)
        return waiter

    def detach(self, request_id: str) -> Deferred[None]:
        """The client was told to come back: a request still pending is no session's any more, and
        is found again by the same statement of any session of the same identity."""

        async def detach() -> None:
            await self._store.execute(
                "UPDATE approvals SET session = '' WHERE id = ? AND state = 'pending'",
                (request_id,),
            )

        return _to_the_end(self._locked(request_id, detach))

    def abandon(self, request_id: str) -> Deferred[None]:
        """The client left: a request still pending is closed. An approved one stays good for a
        resubmission until its deadline."""

        async def abandon() -> None:
            request = await self._load(request_id)
            if request is not None and request.state is State.PENDING:
                await self._move(request, State.PENDING, Step.ABANDON)
            self._wake(request_id)

        return _to_the_end(self._locked(request_id, abandon))

    # --- for reviewers -------------------------------------------------------------------------

    def decide(
        self, request_id: str, approve: bool, reviewer: Principal, reason: str
    ) -> Deferred[Request]:
        """Approve or deny; fires with the request as it then stands.

        Fails with :class:`Refused`: ``approval.unknown``, ``approval.self``, ``approval.group``,
        ``approval.reason``, ``approval.not_pending``, ``approval.expired``, ``approval.damaged``.
        """
        step = Step.APPROVE if approve else Step.DENY
        return self._review(request_id, State.PENDING, step, reviewer, reason)

    def revoke(self, request_id: str, reviewer: Principal, reason: str) -> Deferred[Request]:
        """Take back an approval that is not used yet. Fails as :meth:`decide` does, with
        ``approval.not_approved`` in place of ``approval.not_pending``."""
        return self._review(request_id, State.APPROVED, Step.REVOKE, reviewer, reason)

    def get(self, request_id: str) -> Deferred[Request]:
        """Fails with :class:`Refused`: ``approval.unknown``."""

        async def get() -> Request:
            return _known(await self._load(request_id))

        return Deferred.fromCoroutine(get())

    def requests(self, states: Collection[State], limit: int = 500) -> Deferred[list[Request]]:
        """Requests that stand in one of ``states`` now, the newest first."""

        async def listing() -> list[Request]:
            now = self._now()
            marks = ", ".join("?" * len(states))
            # The deadline counts, not what the sweep got round to writing.
            rows = await self._store.execute(
                f"SELECT {COLUMNS} FROM approvals WHERE CASE"  # noqa: S608  (names and marks only)
                " WHEN state IN ('pending', 'approved') AND expires <= ? THEN 'expired'"
                f" ELSE state END IN ({marks}) ORDER BY created DESC, id LIMIT ?",
                (now, *(state.value for state in states), limit),
            )
            return [model.from_row(row, now) for row in rows]

        return Deferred.fromCoroutine(listing())

    def seconds_left(self, request: Request) -> float:
        """Until the deadline; 0 for what is no longer open."""
        return max(0.0, request.expires - self._now()) if request.state in OPEN else 0.0

    def contents(self, request_id: str) -> Deferred[Contents | None]:
        """The statement, for a member of the reviewers only; None once it was erased.

        Fails with :class:`Refused`: ``approval.unknown``, ``approval.damaged``.
        """
        return Deferred.fromCoroutine(self._contents(request_id))

    def reason(self, request_id: str) -> Deferred[str]:
        """The reason given with the latest decision; empty without one. Fails as
        :meth:`contents` does."""

        async def reason() -> str:
            rows = await self._store.execute(
                "SELECT reason FROM approvals WHERE id = ?", (request_id,)
            )
            if not rows:
                raise _unknown()
            (sealed,) = rows[0]
            if not isinstance(sealed, bytes):
                return ""
            return self._open(sealed, b"reason " + request_id.encode()).decode()

        return Deferred.fromCoroutine(reason())

    # --- steps ---------------------------------------------------------------------------------

    async def _file(self, digest: str, judged: Judged, session: SessionFacts, hold: Hold) -> str:
        requester = model.requester_key(session.principal)
        facts = model.facts_of(judged, session, hold)
        # Sealed before anything waits: the bound values need not stay in memory for it.
        contents = Contents.of(digest, judged, session, hold).encode()

        async def file() -> str:
            same = (model.binding_key(session), self._digest(digest))
            found = await self._pending_already(same, facts, session.id)
            if found is not None:
                return found
            await self._bounded(requester)
            request_id = model.new_id()
            now = self._now()
            await self._leaf(
                Step.REQUEST,
                request_id,
                {
                    "session": session.id,
                    "resource": session.resource,
                    "issuer": session.principal.issuer[:200],
                    "subject": session.principal.subject[:200],
                    "rule": hold.rule[:100],
                    "digest_hmac": same[1],
                    "expires": now + hold.expires,
                },
            )
            await self._store.execute(
                "INSERT INTO approvals (id, state, binding, digest, requester, facts, session,"
                " created, expires, sealed) VALUES (?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    request_id,
                    *same,
                    requester,
                    facts,
                    session.id,
                    float(now),
                    float(now + hold.expires),
                    self._seal(contents, _context(request_id, facts, *same)),
                ),
            )
            self._tell(_known(await self._load(request_id)), Step.REQUEST)
            return request_id

        return await self._locked(requester, file)

    async def _pending_already(self, same: tuple[str, str], facts: str, session: str) -> str | None:
        """The pending request of this session, or of one that a restart ended, for the same."""
        rows = await self._store.execute(
            "UPDATE approvals SET session = ? WHERE id = (SELECT id FROM approvals"
            " WHERE binding = ? AND digest = ? AND state = 'pending' AND expires > ?"
            " AND session IN (?, '') AND facts = ? ORDER BY session DESC LIMIT 1)"
            " AND state = 'pending' AND session IN (?, '') RETURNING id",
            (session, *same, self._now(), session, facts, session),
        )
        return str(rows[0][0]) if rows else None

    async def _bounded(self, requester: str) -> None:
        now = self._now()
        ((pending, hourly, total),) = await self._store.execute(
            "SELECT (SELECT count(*) FROM approvals WHERE requester = ?1 AND state = 'pending'"
            " AND expires > ?2), (SELECT count(*) FROM approvals WHERE requester = ?1"
            " AND created > ?2 - 3600), (SELECT count(*) FROM approvals WHERE state = 'pending'"
            " AND expires > ?2)",
            (requester, now),
        )
        for number, bound, what in (
            (pending, self._bounds.pending, "pending for this identity"),
            (hourly, self._bounds.hourly, "filed by this identity within an hour"),
            (total, self._bounds.total, "pending on this gateway"),
        ):
            if isinstance(number, int) and number >= bound:
                raise Refused("approval.too_many", f"already {number} requests {what}")

    async def _passes(self, digest: str, session: SessionFacts) -> str | None:
        rows = await self._store.execute(
            "SELECT id FROM approvals WHERE binding = ? AND digest = ? AND state = 'approved'"
            " AND expires > ? ORDER BY expires",
            (model.binding_key(session), self._digest(digest), self._now()),
        )
        for (found,) in rows:
            request_id = str(found)

            async def use(request_id: str = request_id) -> bool:
                request = await self._load(request_id)
                return request is not None and await self._use(request)

            if await self._locked(request_id, use):
                return request_id
        return None

    async def _use(self, request: Request) -> bool:
        if request.state is not State.APPROVED:
            return False
        if await self._contents(request.id) is None:  # what was approved is still what was asked
            raise _damaged()
        return await self._move(request, State.APPROVED, Step.USE)

    def _review(
        self, request_id: str, before: State, step: Step, reviewer: Principal, reason: str
    ) -> Deferred[Request]:
        async def review() -> Request:
            request = _known(await self._load(request_id))
            model.check_reviewer(request, reviewer)
            given = model.check_reason(reason)
            _standing(request, before)
            if step is Step.APPROVE and await self._contents(request_id) is None:
                raise _damaged()
            by = (reviewer.issuer, reviewer.subject)
            moved = await self._move(request, before, step, by, given)
            request = _known(await self._load(request_id))
            if not moved:
                _standing(request, before)
                raise Refused("approval.not_pending", "somebody else decided first")
            return request

        return _to_the_end(self._locked(request_id, review))

    async def _move(
        self,
        request: Request,
        before: State,
        step: Step,
        by: tuple[str, str] | None = None,
        reason: str = "",
    ) -> bool:
        """Leaf, then compare-and-swap: False when somebody else was faster, or the deadline was."""
        after = TRANSITIONS[before, step]
        detail: dict[str, object] = {}
        sealed = None
        if by is not None:
            sealed = self._seal(reason.encode(), b"reason " + request.id.encode())
            detail = {
                "reviewer_issuer": by[0][:200],
                "reviewer": by[1][:200],
                "reason_hmac": self._commit(reason.encode()),
            }
        index = await self._leaf(step, request.id, detail)
        now = self._now()
        rows = await self._store.execute(
            "UPDATE approvals SET state = ?, closed = coalesce(?, closed),"
            " decided = coalesce(?, decided), reviewer = coalesce(?, reviewer),"
            " reason = coalesce(?, reason)"
            " WHERE id = ? AND state = ? AND expires > ? RETURNING id",
            (
                after.value,
                None if after in OPEN else float(now),
                None if by is None else float(now),
                None if by is None else json.dumps(by),
                sealed,
                request.id,
                before.value,
                now if step in TIMELY else float("-inf"),
            ),
        )
        if not rows:
            await self._record({"step": "void", "request": request.id, "of": index})
            return False
        self._tell(_known(await self._load(request.id)), step)
        self._wake(request.id)
        return True

    # --- those who wait ------------------------------------------------------------------------

    def _wake(self, request_id: str, overdue: bool = False) -> None:
        """Look at the request again and answer whoever waits for it."""

        async def settle() -> None:
            if not self._waiters.get(request_id) and not overdue:
                return
            try:
                answer = await self._standing_now(request_id, overdue)
            except HoopgateError as error:
                self._answer(request_id, error)
            else:
                if answer is not None:
                    self._answer(request_id, answer)

        _to_the_end(self._locked(request_id, settle)).addErrback(_unexpected)

    async def _standing_now(self, request_id: str, overdue: bool) -> bool | None:
        """True: used just now. False: never any more. None: still pending."""
        now = self._now()
        rows = await self._store.execute(
            f"SELECT {COLUMNS} FROM approvals WHERE id = ?",  # noqa: S608  (constant names)
            (request_id,),
        )
        if not rows:
            return False
        request = model.from_row(rows[0], now)
        stored = State(str(rows[0][1]))
        if stored in OPEN and (overdue or request.state is State.EXPIRED):
            self._answer(request_id, False)
            await self._move(request, stored, Step.EXPIRE)
            return False
        if request.state is State.APPROVED:
            return await self._use(request)
        if request.state is State.PENDING:
            if request_id not in self._deadlines:
                self._deadlines[request_id] = self._clock.callLater(
                    request.expires - now, self._deadline, request_id
                )
            return None
        return False

    def _deadline(self, request_id: str) -> None:
        # The timer rules even where the wall clock was set back meanwhile; and those who wait hear
        # it at once: no trouble with the log or the store may keep a hold alive.
        del self._deadlines[request_id]
        self._answer(request_id, False)
        self._wake(request_id, overdue=True)

    def _answer(self, request_id: str, answer: bool | HoopgateError) -> None:
        waiters = self._waiters.pop(request_id, [])
        self._disarm(request_id)
        for waiter in waiters:
            if isinstance(answer, HoopgateError):
                waiter.errback(answer)
            else:
                waiter.callback(answer)
                answer = False  # one approval is one use, however many wait for it

    def _dismiss(self, request_id: str, waiter: Deferred[bool]) -> None:
        waiters = self._waiters.get(request_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(request_id, None)
            self._disarm(request_id)

    def _disarm(self, request_id: str) -> None:
        call = self._deadlines.pop(request_id, None)
        if call is not None:
            call.cancel()

    def _sweep(self) -> Deferred[None]:
        async def sweep() -> None:
            now = self._now()
            try:
                overdue = await self._store.execute(
                    "SELECT id FROM approvals WHERE state IN ('pending', 'approved')"
                    " AND expires <= ? LIMIT 200",
                    (now,),
                )
                for (request_id,) in overdue:
                    self._wake(str(request_id), overdue=True)
                await self._store.execute(
                    "UPDATE approvals SET sealed = NULL WHERE closed < ? AND sealed IS NOT NULL",
                    (now - self._bounds.keep_seconds,),
                )
            except HoopgateError as error:
                # The next sweep tries again; deadlines hold without it.
                _log.warn("approvals.sweep_failed", code=type(error).__name__)

        return Deferred.fromCoroutine(sweep())

    # --- parts ---------------------------------------------------------------------------------

    async def _locked(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        lock, users = self._locks.setdefault(key, (DeferredLock(), []))
        users.append(None)
        try:
            await lock.acquire()
            try:
                return await call()
            finally:
                lock.release()
        finally:
            users.pop()
            if not users:
                del self._locks[key]

    async def _load(self, request_id: str) -> Request | None:
        if not model.is_id(request_id):
            return None
        rows = await self._store.execute(
            f"SELECT {COLUMNS} FROM approvals WHERE id = ?",  # noqa: S608  (constant names)
            (request_id,),
        )
        return model.from_row(rows[0], self._now()) if rows else None

    async def _contents(self, request_id: str) -> Contents | None:
        rows = await self._store.execute(
            "SELECT sealed, facts, binding, digest FROM approvals WHERE id = ?", (request_id,)
        )
        if not rows:
            raise _unknown()
        sealed, *bound = rows[0]
        if not isinstance(sealed, bytes):
            return None
        context = _context(request_id, *(str(part) for part in bound))
        return Contents.decode(self._open(sealed, context))

    async def _leaf(self, step: Step, request_id: str, detail: dict[str, object]) -> int:
        return await self._record({"step": step.value, "request": request_id, **detail})

    async def _record(self, detail: dict[str, object]) -> int:
        if self._recorder is None:
            return -1
        return await self._recorder.append("approval", detail)

    def _tell(self, request: Request, step: Step) -> None:
        for observer in tuple(self._observers):
            try:
                observer(request, step)
            except Exception:  # noqa: BLE001  (a bug of one listener stops no decision)
                _log.failure("approvals.observer_failed")

    def _digest(self, digest: str) -> str:
        return self._commit(b"digest " + digest.encode())

    def _commit(self, data: bytes) -> str:
        return self._ready().commit(data)

    def _seal(self, data: bytes, context: bytes) -> bytes:
        return self._ready().seal(data, context)

    def _open(self, sealed: bytes, context: bytes) -> bytes:
        try:
            return self._ready().open(sealed, context)
        except SealingError:
            raise _damaged() from None

    def _ready(self) -> Sealer:
        if self._sealer is None:
            raise Refused("approval.unavailable", "approvals are not started")
        return self._sealer


def _to_the_end(
    coroutine: Coroutine[Any, Any, T], unwanted: Callable[[T], object] | None = None
) -> Deferred[T]:
    """Run to the end even when the caller stops waiting: half a step is a leaf without its change.

    :param unwanted: called with a result that nobody waits for any more.
    """
    cancelled = False

    def cancel(_: Deferred[T]) -> None:
        nonlocal cancelled
        cancelled = True

    outer: Deferred[T] = Deferred(cancel)
    inner = Deferred.fromCoroutine(coroutine)

    def done(result: T) -> None:
        if not cancelled:
            outer.callback(result)
        elif unwanted is not None:
            unwanted(result)

    def failed(failure: Any) -> None:
        if not cancelled:
            outer.errback(failure)

    inner.addCallbacks(done, failed)
    return outer


def _unexpected(failure: Any) -> None:
    if not failure.check(HoopgateError):
        _log.failure("approvals.failed", failure)


def _context(request_id: str, facts: str, binding: str, digest: str) -> bytes:
    """What a ciphertext is tied to: no row can borrow another's statement or change its facts."""
    return "\n".join((request_id, binding, digest, facts)).encode()


def _known(request: Request | None) -> Request:
    if request is None:
        raise _unknown()
    return request


def _unknown() -> Refused:
    return Refused("approval.unknown", "no such request")


def _damaged() -> Refused:
    return Refused(
        "approval.damaged", "the request cannot be read back as it was filed: it cannot be decided"
    )


def _standing(request: Request, wanted: State) -> None:
    if request.state is wanted:
        return
    if request.state is State.EXPIRED:
        raise Refused("approval.expired", "the request has expired")
    raise Refused(f"approval.not_{wanted}", f"the request is {request.state}")
