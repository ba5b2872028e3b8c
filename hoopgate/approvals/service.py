"""Requests that wait for a person: filed, decided, used, or lapsed.

Every step is a leaf in the log first and a change of state second. The change is one
compare-and-swap in SQL, so of two reviewers, two processes, or a reviewer and the deadline, one
wins; the other's leaf is followed by a ``void`` leaf. In one process a lock per request makes that
rare.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from hoopgate.approvals import model
from hoopgate.approvals.bounds import USUAL, Bounds
from hoopgate.approvals.model import Contents, Request, Vote
from hoopgate.approvals.rows import Filing, Rows, damaged, reasons, unknown
from hoopgate.approvals.serial import Locks, to_the_end
from hoopgate.approvals.states import OPEN, TRANSITIONS, State, Step
from hoopgate.approvals.waiters import Waiters
from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import Judged, Principal, SessionFacts
from hoopgate.interfaces import IApprovals, IRecorder, IStateStore
from hoopgate.verdicts import Hold

Observer = Callable[[Request, Step], None]

_log = Logger()


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
        bounds: Bounds = USUAL,
    ) -> None:
        self._rows = Rows(store)
        self._recorder = recorder
        self._key_file = key_file
        self._now = now
        self._bounds = bounds
        self._locks = Locks()
        self._waiters = Waiters(clock, lambda request_id: self._wake(request_id, overdue=True))
        self._observers: list[Observer] = []
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> Deferred[None]:
        """Read or make the key, take over what an earlier process left, begin to sweep.

        Pending requests of sessions that died with the last process stay: they can be decided,
        and the same statement of the same identity passes once after that. Those about an effect
        are closed: their transactions are gone.

        :raises SealingError: the key file is unusable.
        """
        self._rows.open(self._key_file)

        async def take_over() -> None:
            await self._rows.leave()
            for request_id in await self._rows.open_effects():
                await self._abandon(request_id)
            self._sweeper.start(self._bounds.sweep_seconds, now=True)

        return Deferred.fromCoroutine(take_over())

    def stop(self) -> None:
        """Stop the timers. Whoever still waits is not answered."""
        if self._sweeper.running:
            self._sweeper.stop()
        self._waiters.stop()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call ``observer(request, step)`` after every step; the result stops that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    # --- for sessions --------------------------------------------------------------------------

    def request(
        self, digest: str, judged: Judged, session: SessionFacts, hold: Hold
    ) -> Deferred[str]:
        """File a request for a person; fires with its id once it is durable.

        The same statement of the same session that is still pending keeps its id, but not where
        its effect waits. A cancelled call abandons what it filed.

        Fails with :class:`Refused`: ``approval.too_many``.
        """
        filing = self._file(digest, judged, session, hold)
        return to_the_end(filing, unwanted=self.abandon)

    def passes(self, digest: str, session: SessionFacts) -> Deferred[str | None]:
        """Use an approval of this digest by this identity, which uses it up where it is for once;
        its id, or None."""
        return to_the_end(self._passes(digest, session))

    def wait(self, request_id: str) -> Deferred[bool]:
        """Fires with True when approved (and used), False when it can no longer be.

        Cancelling stops waiting and nothing else. Fails when the log or the store does.
        """
        waiter = self._waiters.add(request_id)
        self._wake(request_id)
        return waiter

    def detach(self, request_id: str) -> Deferred[None]:
        """The client was told to come back: a request still pending is no session's any more, and
        is found again by the same statement of any session of the same identity."""

        async def detach() -> None:
            await self._rows.leave(request_id)

        return to_the_end(self._locks.hold(request_id, detach))

    def abandon(self, request_id: str) -> Deferred[None]:
        """The client left: a request still pending is closed. An approved one stays good for a
        resubmission until its deadline, but not where what was approved is an effect."""

        async def abandon() -> None:
            await self._abandon(request_id)
            self._wake(request_id)

        return to_the_end(self._locks.hold(request_id, abandon))

    # --- for reviewers -------------------------------------------------------------------------

    def decide(
        self, request_id: str, approve: bool, reviewer: Principal, reason: str
    ) -> Deferred[Request]:
        """Approve or deny; fires with the request as it then stands: still pending when it takes
        more persons to approve it. One who denies is enough.

        Fails with :class:`Refused`: ``approval.unknown``, ``approval.self``, ``approval.group``,
        ``approval.reason``, ``approval.not_pending``, ``approval.expired``, ``approval.damaged``,
        ``approval.twice``.
        """
        step = Step.APPROVE if approve else Step.DENY
        return self._review(request_id, State.PENDING, step, reviewer, reason)

    def revoke(self, request_id: str, reviewer: Principal, reason: str) -> Deferred[Request]:
        """Take back an approval that is not used yet, or whose window is open. Fails as
        :meth:`decide` does, with ``approval.not_approved`` for ``approval.not_pending``."""
        return self._review(request_id, State.APPROVED, Step.REVOKE, reviewer, reason)

    def get(self, request_id: str) -> Deferred[Request]:
        """Fails with :class:`Refused`: ``approval.unknown``."""

        async def get() -> Request:
            return await self._known(request_id)

        return Deferred.fromCoroutine(get())

    def requests(self, states: Collection[State], limit: int = 500) -> Deferred[list[Request]]:
        """Requests that stand in one of ``states`` now, the newest first."""
        return Deferred.fromCoroutine(self._rows.listing(states, limit, self._now()))

    def history(self, request: Request, limit: int) -> Deferred[list[Request]]:
        """What the same identity has asked for besides, the newest first."""

        async def history() -> list[Request]:
            found = await self._rows.of_identity(
                request.issuer, request.subject, limit + 1, self._now()
            )
            return [one for one in found if one.id != request.id][:limit]

        return Deferred.fromCoroutine(history())

    def seconds_left(self, request: Request) -> float:
        """Until the deadline; 0 for what is no longer open."""
        return max(0.0, request.expires - self._now()) if request.state in OPEN else 0.0

    def contents(self, request_id: str) -> Deferred[Contents | None]:
        """The statement, for a member of the reviewers only; None once it was erased.

        Fails with :class:`Refused`: ``approval.unknown``, ``approval.damaged``.
        """
        return Deferred.fromCoroutine(self._rows.contents(request_id))

    def reason(self, request_id: str) -> Deferred[str]:
        """The reason given with the latest decision; empty without one. Fails as
        :meth:`contents` does."""
        return Deferred.fromCoroutine(self._rows.reason(request_id))

    def reasons(self, request: Request) -> list[tuple[Vote, str]]:
        """Each approval with its reason, in order.

        :raises Refused: ``approval.damaged``.
        """
        return list(reasons(self._rows, request))

    # --- steps ---------------------------------------------------------------------------------

    async def _file(self, digest: str, judged: Judged, session: SessionFacts, hold: Hold) -> str:
        requester = model.requester_key(session.principal)
        facts = model.facts_of(judged, session, hold)
        # Sealed before anything waits: the bound values need not stay in memory for it.
        contents = Contents.of(digest, judged, session, hold).encode()
        request_id = model.new_id()
        bound = model.binding_key(session, request_id if hold.effect else "")

        async def file() -> str:
            same = (bound, self._rows.digest(digest))
            found = await self._rows.take(same, facts, session.id, self._now())
            if found is not None:
                return found
            self._bounds.check(await self._rows.counts(requester, self._now()))
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
                    **({"approvers": hold.approvers} if hold.approvers > 1 else {}),
                    **({"window": hold.window} if hold.window else {}),
                    **({"effect": judged.affected} if hold.effect else {}),
                },
            )
            expires = now + hold.expires
            await self._rows.insert(
                Filing(
                    request_id,
                    same,
                    requester,
                    (session.principal.issuer, session.principal.subject),
                    facts,
                    session.id,
                    now,
                    expires,
                    contents,
                )
            )
            self._tell(await self._known(request_id), Step.REQUEST)
            return request_id

        return await self._locks.hold(requester, file)

    async def _passes(self, digest: str, session: SessionFacts) -> str | None:
        same = (model.binding_key(session), self._rows.digest(digest))
        for request_id in await self._rows.approved(same, self._now()):

            async def use(request_id: str = request_id) -> bool:
                request = await self._rows.load(request_id, self._now())
                return request is not None and await self._use(request)

            if await self._locks.hold(request_id, use):
                return request_id
        return None

    async def _use(self, request: Request) -> bool:
        if request.state is not State.APPROVED:
            return False
        if await self._rows.contents(request.id) is None:  # what was approved is what was asked
            raise damaged()
        return await self._move(request, State.APPROVED, Step.USE)

    async def _abandon(self, request_id: str) -> None:
        request = await self._rows.load(request_id, self._now())
        if request is None:
            return
        if request.state is State.PENDING or (request.effect and request.state is State.APPROVED):
            await self._move(request, request.state, Step.ABANDON)

    def _review(
        self, request_id: str, before: State, step: Step, reviewer: Principal, reason: str
    ) -> Deferred[Request]:
        async def review() -> Request:
            request = await self._known(request_id)
            model.check_reviewer(request, reviewer)
            given = model.check_reason(reason)
            _standing(request, before)
            taken = step
            if step is Step.APPROVE:
                if await self._rows.contents(request_id) is None:
                    raise damaged()
                model.check_distinct(request, reviewer)
                if len(request.votes) + 1 < request.approvers:
                    taken = Step.ENDORSE
            moved = await self._move(request, before, taken, reviewer, given)
            request = await self._known(request_id)
            if not moved:
                _standing(request, before)
                raise Refused("approval.not_pending", "somebody else decided first")
            return request

        return to_the_end(self._locks.hold(request_id, review))

    async def _move(
        self,
        request: Request,
        before: State,
        step: Step,
        by: Principal | None = None,
        reason: str = "",
    ) -> bool:
        """Leaf, then compare-and-swap: False when somebody else was faster, or the deadline was."""
        after = TRANSITIONS[before, step]
        if step is Step.USE and request.window:
            after = State.APPROVED
        detail: dict[str, object] = {}
        sealed = vote = None
        if by is not None:
            sealed = self._rows.seal_reason(request.id, reason)
            detail = {
                "reviewer_issuer": by.issuer[:200],
                "reviewer": by.subject[:200],
                "reason_hmac": self._rows.commit(reason.encode()),
            }
            if step in (Step.ENDORSE, Step.APPROVE):
                names = model.names_of(by)
                vote = Vote(by.issuer, by.subject, names, float(self._now()), sealed)
                if request.approvers > 1:
                    detail |= {"approval": len(request.votes) + 1, "of": request.approvers}
        index = await self._leaf(step, request.id, detail)
        who = None if by is None else (by.issuer, by.subject)
        now = self._now()
        if not await self._rows.move(request, step, before, after, now, who, sealed, vote):
            await self._record({"step": "void", "request": request.id, "of": index})
            return False
        self._tell(await self._known(request.id), step)
        self._wake(request.id)
        return True

    # --- those who wait ------------------------------------------------------------------------

    def _wake(self, request_id: str, overdue: bool = False) -> None:
        """Look at the request again and answer whoever waits for it."""

        async def settle() -> None:
            if request_id not in self._waiters and not overdue:
                return
            try:
                answer = await self._standing_now(request_id, overdue)
            except HoopgateError as error:
                self._waiters.answer(request_id, error)
            else:
                if answer is not None:
                    self._waiters.answer(request_id, answer)

        to_the_end(self._locks.hold(request_id, settle)).addErrback(_unexpected)

    async def _standing_now(self, request_id: str, overdue: bool) -> bool | None:
        """True: used just now. False: never any more. None: still pending."""
        now = self._now()
        found = await self._rows.stored(request_id, now)
        if found is None:
            return False
        request, stored = found
        if stored in OPEN and request.state is not State.EXPIRED and overdue:
            # The deadline of a request that was approved for a window has moved.
            overdue = not (stored is State.APPROVED and request.window)
        if stored in OPEN and (overdue or request.state is State.EXPIRED):
            self._waiters.answer(request_id, False)
            await self._move(request, stored, Step.EXPIRE)
            return False
        if request.state is State.APPROVED:
            return await self._use(request)
        if request.state is State.PENDING:
            self._waiters.arm(request_id, request.expires - now)
            return None
        return False

    def _sweep(self) -> Deferred[None]:
        async def sweep() -> None:
            now = self._now()
            try:
                for request_id in await self._rows.overdue(now):
                    self._wake(request_id, overdue=True)
                await self._rows.erase(now - self._bounds.keep_seconds)
            except HoopgateError as error:
                # The next sweep tries again; deadlines hold without it.
                _log.warn("approvals.sweep_failed", code=type(error).__name__)

        return Deferred.fromCoroutine(sweep())

    # --- parts ---------------------------------------------------------------------------------

    async def _known(self, request_id: str) -> Request:
        request = await self._rows.load(request_id, self._now())
        if request is None:
            raise unknown()
        return request

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


def _unexpected(failure: Any) -> None:
    if not failure.check(HoopgateError):
        _log.failure("approvals.failed", failure)


def _standing(request: Request, wanted: State) -> None:
    if request.state is wanted:
        return
    if request.state is State.EXPIRED:
        raise Refused("approval.expired", "the request has expired")
    raise Refused(f"approval.not_{wanted}", f"the request is {request.state}")
