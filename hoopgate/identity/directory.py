"""Groups from LDAP without blocking the reactor: threads, deadlines, caches.

Every outcome but a full answer is a denial. A look-up that misses its deadline has its connection
cut, so that a server which hangs holds no thread for longer than that.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from hoopgate.errors import DirectoryUnavailable, IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.ldap import LDAPFailed, LDAPLookup
from hoopgate.interfaces import IGroupDirectory
from hoopgate.settings.model import LDAPDirectory

MAXIMUM_CACHED = 10_000
MAXIMUM_QUEUED = 64  #: look-ups of different subjects that wait for a thread
IDLE_SECONDS = 60.0  #: a bound connection is used again within

Outcome = frozenset[str] | IdentityRefused


class _DaemonThread(threading.Thread):
    """A server that hangs in connect() must not keep the process alive."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "daemon": True})


class _Job:
    """One look-up and those who wait for it."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.waiting: list[Deferred[frozenset[str]]] = []
        self.lookup: LDAPLookup | None = None
        self.abandoned = False


@implementer(IGroupDirectory)
class LDAPGroups:
    """Asks an LDAP directory."""

    log = Logger()

    def __init__(self, settings: LDAPDirectory, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._pool = ThreadPool(0, max(1, settings.threads), name="hoopgate-ldap")
        self._pool.threadFactory = _DaemonThread
        self._pool.start()
        self._jobs: dict[str, _Job] = {}
        self._cache: OrderedDict[str, tuple[float, Outcome]] = OrderedDict()
        self._lock = threading.Lock()
        self._idle: list[LDAPLookup] = []
        self._running = 0  #: look-ups a thread has or will have, abandoned ones too
        self._stopped = False

    def groups(self, principal: Principal) -> Deferred[frozenset[str]]:
        """Fails with :class:`IdentityRefused` (``identity.unknown``, ``.ambiguous``,
        ``.disabled``) or :class:`DirectoryUnavailable` (``directory.…``).
        """
        subject = principal.subject
        cached = self._cached(subject)
        if cached is not None:
            # A fresh exception each time: one that is shared would collect tracebacks
            if isinstance(cached, IdentityRefused):
                return fail(IdentityRefused(cached.code, str(cached)))
            return succeed(cached)
        job = self._jobs.get(subject)
        if job is None:
            if self._stopped or self._running >= self._settings.threads + MAXIMUM_QUEUED:
                return fail(_unavailable("directory.busy"))
            job = self._start(subject)
        waiter: Deferred[frozenset[str]] = Deferred(job.waiting.remove)
        job.waiting.append(waiter)
        return waiter

    def stop(self) -> Deferred[None]:
        """Fail what waits, close connections, end the threads."""
        self._stopped = True
        for job in list(self._jobs.values()):
            self._give_up(job)
        ended: Deferred[None] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), self._pool.stop
        )
        return ended.addCallback(lambda _: self._close_idle())

    # --- on the reactor's thread ---------------------------------------------------------------

    def _start(self, subject: str) -> _Job:
        job = self._jobs[subject] = _Job(subject)
        self._running += 1
        deadline = self._reactor.callLater(self._settings.timeout, self._give_up, job)
        answer: Deferred[frozenset[str]] = deferToThreadPool(
            self._reactor, self._pool, self._look_up, job
        )
        answer.addBoth(self._answered, job, deadline)
        return job

    def _give_up(self, job: _Job) -> None:
        job.abandoned = True
        lookup = job.lookup
        if lookup is not None:
            lookup.abort()
        self._finish(job, Failure(_unavailable("directory.timeout")))

    def _answered(self, result: Any, job: _Job, deadline: Any) -> None:
        self._running -= 1
        if deadline.active():
            deadline.cancel()
        error = result.value if isinstance(result, Failure) else None
        if isinstance(error, IdentityRefused):
            self._remember(job.subject, error, self._settings.negative_cache_seconds)
        elif error is not None:
            code = getattr(error, "code", "directory.unavailable")
            if not job.abandoned:
                self.log.warn("directory: {code}: {reason}", code=code, reason=_reason(error))
            result = Failure(_unavailable(code))
        else:
            self._remember(job.subject, result, self._settings.cache_seconds)
        self._finish(job, result)

    def _finish(self, job: _Job, result: Any) -> None:
        if self._jobs.get(job.subject) is job:
            del self._jobs[job.subject]
        waiting, job.waiting = job.waiting, []
        for waiter in waiting:
            waiter.callback(result)

    def _cached(self, subject: str) -> Outcome | None:
        until, outcome = self._cache.get(subject, (0.0, None))
        if outcome is not None and until <= self._reactor.seconds():
            del self._cache[subject]
            return None
        return outcome

    def _remember(self, subject: str, outcome: Outcome, seconds: float) -> None:
        self._cache[subject] = (self._reactor.seconds() + seconds, outcome)
        self._cache.move_to_end(subject)
        while len(self._cache) > MAXIMUM_CACHED:
            self._cache.popitem(last=False)

    # --- on a thread of the pool ---------------------------------------------------------------

    def _look_up(self, job: _Job) -> frozenset[str]:
        """:raises IdentityRefused: the directory has answered.
        :raises LDAPFailed: it has not, or ldap3 stumbled over what it sent.
        """
        reused = self._take_idle()
        if reused is not None:
            try:
                return self._ask(reused, job)
            except LDAPFailed as failed:
                if failed.code != "directory.connection" or job.abandoned:
                    raise
                # The server had closed an idle connection: that is no outage
        return self._ask(LDAPLookup(self._settings), job)

    def _ask(self, lookup: LDAPLookup, job: _Job) -> frozenset[str]:
        job.lookup = lookup
        try:
            if job.abandoned:
                raise LDAPFailed("directory.timeout", "waited too long for a thread")
            lookup.open()
            groups = lookup.groups(job.subject)
        except IdentityRefused:
            self._put_idle(lookup, job)
            raise
        except LDAPFailed:
            lookup.close()
            raise
        except Exception as error:  # noqa: BLE001 - ldap3 raises much for what a server sends
            lookup.close()
            raise LDAPFailed("directory.connection", type(error).__name__) from None
        self._put_idle(lookup, job)
        return groups

    def _take_idle(self) -> LDAPLookup | None:
        with self._lock:
            while self._idle:
                lookup = self._idle.pop()
                if time.monotonic() - lookup.used_at < IDLE_SECONDS:
                    return lookup
                lookup.close()
        return None

    def _put_idle(self, lookup: LDAPLookup, job: _Job) -> None:
        with self._lock:
            if not job.abandoned and not self._stopped:
                self._idle.append(lookup)
                return
        lookup.close()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for lookup in idle:
            lookup.close()


def _reason(error: BaseException) -> str:
    """For the log: ldap3's own messages may quote what a server sent."""
    return str(error) if isinstance(error, LDAPFailed) else type(error).__name__


def _unavailable(code: str) -> DirectoryUnavailable:
    return DirectoryUnavailable(code, "the group directory did not give a full answer in time")
