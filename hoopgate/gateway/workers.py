"""Child processes that parse SQL, so that no statement can stop or end the gateway."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.child import LENGTH
from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution, StatementFacts
from hoopgate.interfaces import IStatementAnalyzer
from hoopgate.phi.tokens import TOKEN
from hoopgate.sql.catalogue import Catalogue, Wanted
from hoopgate.sql.examination import Task, decode_answer, encode_task
from hoopgate.sql.shape import plain, scan, shape
from hoopgate.sql.tokens import Lifted
from hoopgate.sql.worker import decode, decode_lifted, lifting

log = Logger()

Facts = tuple[StatementFacts, ...]
_T = TypeVar("_T")

#: Bytes of an answer at most; facts are larger than their text only by names.
MOST_ANSWER: Final = 32 * 2**20
#: Texts up to this many characters are looked up by shape when they are not known themselves.
_SHAPED: Final = 4096
#: Seconds that a child may take to start on a busy machine, beside those of its first request.
_STARTING: Final = 30.0
#: Seconds before a child that died is replaced: doubled at every death without an answer between.
_BACKOFF: Final = (0.05, 5.0)
#: More deaths in a row than hostile statements are likely to cause between two good ones.
_DEATHS: Final = 5
_MOST_SHAPES: Final = 4096


def _examined(answer: bytes) -> Resolution | Wanted:
    content = json.loads(answer)
    if "refused" in content:
        raise UnresolvableStatement(content["refused"], content["message"])
    return decode_answer(content)


@dataclass(slots=True, eq=False)
class _Job:
    """One request to a child.

    :ivar decode: makes the outcome of an answer, or raises Refused.
    :ivar text: the statement whose facts are asked for; None for a tree.
    """

    request: bytes
    decode: Callable[[bytes], Any]
    waiting: list[Deferred[Any]]
    text: str | None = None


class _Child(ProcessProtocol):
    """One child. Works on one job at a time."""

    transport: IProcessTransport

    def __init__(self, pool: ParserPool) -> None:
        self.pool = pool
        self.job: _Job | None = None
        self.timed_out = False
        self.stopped: Deferred[None] | None = None
        self._started = False
        self._buffer = bytearray()
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self.pool._ready(self)

    def start(self, job: _Job, seconds: float) -> None:
        self.job = job
        if not self._started:
            seconds += _STARTING
        self._deadline = self.pool._reactor.callLater(seconds, self._expired)
        self.transport.write(LENGTH.pack(len(job.request)) + job.request)

    def outReceived(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < LENGTH.size:
            return
        (length,) = LENGTH.unpack_from(self._buffer)
        if self.job is None or length > self.pool.answer:
            self.kill()
        elif len(self._buffer) >= LENGTH.size + length:
            answer = bytes(self._buffer[LENGTH.size : LENGTH.size + length])
            self._buffer.clear()
            self._started = True
            job = self._take()
            self.pool._answered(self, job, answer)

    def errReceived(self, data: bytes) -> None:
        # A traceback may quote the statement: dropped, the exit status is what is logged.
        pass

    def processEnded(self, reason: Failure) -> None:
        job = self._take()
        self.pool._ended(self, job, reason)
        if self.stopped is not None:
            self.stopped.callback(None)

    def kill(self) -> None:
        try:
            self.transport.signalProcess("KILL")
        except error.ProcessExitedAlready:
            pass

    def _expired(self) -> None:
        self._deadline = None
        self.timed_out = True
        self.kill()

    def _take(self) -> _Job | None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        job, self.job = self.job, None
        return job


@implementer(IStatementAnalyzer)
class ParserPool:
    """Parses in child processes, remembers what was parsed; examines trees there, too.

    :param reactor: IReactorProcess and IReactorTime.
    :param size: child processes; started when first needed.
    :param limit: bytes of SQL a text may have.
    :param seconds: wall-clock seconds a text may take; then its child is killed. The first one of
        a child may take longer: what the child needs to start comes before it.
    :param queue: texts that may wait for a child.
    :param memory: bytes of text the memory of answers may hold.
    :param module: what the children run.
    :param answer: bytes that an answer may have.
    """

    def __init__(
        self,
        reactor: Any,
        size: int = 1,
        *,
        limit: int = 2**20,
        seconds: float = 5.0,
        queue: int = 256,
        memory: int = 8 * 2**20,
        module: str = "hoopgate.sql.worker",
        answer: int = MOST_ANSWER,
    ) -> None:
        self.answer = answer
        self._reactor = reactor
        self._size = size
        self._limit = limit
        self._seconds = seconds
        self._most_waiting = queue
        self._memory = memory
        self._module = module
        self._held = 0
        self._known: OrderedDict[str, Facts] = OrderedDict()
        self._shapes: OrderedDict[str, Facts] = OrderedDict()
        self._plain: OrderedDict[str, str] = OrderedDict()  # form to shape
        self._queue: deque[_Job] = deque()
        self._jobs: dict[str, _Job] = {}
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._deaths = 0
        self._restart: IDelayedCall | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the children now rather than at the first statement.

        :raises OSError: they cannot be started.
        """
        while len(self._children) < self._size and not self._stopped:
            self._spawn()

    def failing(self) -> bool:
        """True while one child after the other ends without an answer: nothing can be parsed."""
        return self._deaths > _DEATHS

    def cached(self, text: str) -> Facts | None:
        """See :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
            return found
        if len(text) > _SHAPED:
            return None
        form = plain(text)
        digest = None if form is None else self._plain.get(form)
        if digest is None:
            try:
                source = text.encode()
                digest = shape(source, scan(source, text))
            except (Refused, UnicodeEncodeError):
                return None
            if form is not None:
                self._plain[form] = digest
                if len(self._plain) > _MOST_SHAPES:
                    self._plain.popitem(last=False)
        found = self._shapes.get(digest) if digest else None
        if found is not None:
            self._shapes.move_to_end(digest)
        return found

    def analyze(self, text: str) -> Deferred[Facts]:
        """Facts of each statement; see :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        result: Deferred[Facts] = Deferred()
        found = self.cached(text)
        refusal = None
        if found is not None:
            result.callback(found)
            return result
        if self._stopped:
            refusal = Refused("parse.crash", "The parser has been stopped.")
        elif len(text) > self._limit:
            refusal = Refused("parse.size", "The statement is too long.")
        elif text not in self._jobs and len(self._queue) >= self._most_waiting:
            refusal = Refused("parse.timeout", "Too many statements wait to be parsed.")
        if refusal is not None:
            result.errback(refusal)
            return result
        job = self._jobs.get(text)
        if job is not None:
            job.waiting.append(result)
            return result
        request = b"S" + text.encode("utf-8", "surrogatepass")
        job = self._jobs[text] = _Job(request, decode, [result], text)
        self._queue.append(job)
        self._pump()
        return result

    def lift(self, text: str, *, mysql: bool = False) -> Deferred[Lifted | None]:
        """See :class:`hoopgate.interfaces.IStatementAnalyzer`."""
        return self.ask(lifting(text, TOKEN, mysql=mysql), decode_lifted)

    def examine(
        self, task: Task, catalogue: Catalogue, known: Wanted
    ) -> Deferred[Resolution | Wanted]:
        """See :class:`hoopgate.sql.resolver.Examiner`.

        Fails with :class:`Refused`: ``resolve.…``, ``parse.crash``, ``parse.timeout``.
        """
        return self.ask(b"T" + encode_task(task, catalogue, known), _examined)

    def ask(self, request: bytes, decode: Callable[[bytes], _T]) -> Deferred[_T]:
        """An answer of a child, decoded; nothing is remembered.

        Fails with :class:`Refused`: what ``decode`` raises, ``parse.crash``, ``parse.timeout``.
        """
        result: Deferred[_T] = Deferred()
        if self._stopped:
            result.errback(Refused("parse.crash", "The parser has been stopped."))
        elif len(self._queue) >= self._most_waiting:
            result.errback(Refused("parse.timeout", "Too many statements wait to be parsed."))
        else:
            self._queue.append(_Job(request, decode, [result]))
            self._pump()
        return result

    async def stop(self) -> None:
        """End the children; what still waits is refused."""
        self._stopped = True
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        for job in (*self._jobs.values(), *self._queue):
            self._finish(job, Refused("parse.crash", "The parser has been stopped."))
        self._queue.clear()
        ends = []
        for child in list(self._children):
            child.stopped = Deferred()
            ends.append(child.stopped)
            child.kill()
        for end in ends:
            await end

    # --- children -----------------------------------------------------------------------------

    def _spawn(self) -> None:
        child = _Child(self)
        # -I: neither the working directory nor the environment chooses the code.
        arguments = [sys.executable, "-I", "-m", self._module, str(self._limit)]
        self._children.add(child)
        try:
            self._reactor.spawnProcess(
                child, sys.executable, arguments, env={"LC_ALL": "C.UTF-8", "PATH": os.defpath}
            )
        except OSError:
            self._children.discard(child)
            raise

    def _replace(self) -> None:
        """Start a child; where the system does not let us, refuse what waits and try later."""
        try:
            self._spawn()
        except OSError as problem:
            log.error("The parser process cannot be started: {error}", error=type(problem).__name__)
            while self._queue:
                refusal = Refused("parse.crash", "The parser cannot be started.")
                self._finish(self._queue.popleft(), refusal)
            self._retry()

    def _pump(self) -> None:
        while self._queue and self._idle:
            job = self._queue.popleft()
            if all(waiting.called for waiting in job.waiting):
                self._finish(job, None)  # everybody gave up
            else:
                self._idle.pop().start(job, self._seconds)
        waits = self._queue and not self._idle and self._restart is None
        if waits and len(self._children) < self._size:
            self._replace()

    def _ready(self, child: _Child) -> None:
        self._idle.append(child)
        self._pump()

    def _answered(self, child: _Child, job: _Job | None, answer: bytes) -> None:
        self._deaths = 0
        self._idle.append(child)
        if job is not None:
            try:
                outcome = job.decode(answer)
            except Refused as refused:
                self._finish(job, refused)
            except Exception as problem:  # noqa: BLE001 - what it says cannot be trusted
                log.error("The parser answers nonsense: {error}", error=type(problem).__name__)
                self._finish(job, Refused("parse.crash", "The statement cannot be parsed."))
                child.kill()
            else:
                if job.text is not None:
                    self._remember(job.text, outcome)
                self._finish(job, outcome)
        self._pump()

    def _ended(self, child: _Child, job: _Job | None, reason: Failure) -> None:
        self._children.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if job is not None:
            if child.timed_out:
                refusal = Refused("parse.timeout", "The statement took too long to parse.")
            else:
                refusal = Refused("parse.crash", "The statement cannot be parsed.")
            self._finish(job, refusal)
        if self._stopped:
            return
        log.warn(
            "The parser process ended: {status}",
            status="timeout" if child.timed_out else reason.value.__class__.__name__,
        )
        self._retry()

    def _retry(self) -> None:
        low, high = _BACKOFF
        delay = min(high, low * 2**self._deaths)
        self._deaths = min(self._deaths + 1, 16)
        if self._restart is None:
            self._restart = self._reactor.callLater(delay, self._again)

    def _again(self) -> None:
        self._restart = None
        if len(self._children) < self._size:
            self._replace()
        self._pump()

    def _finish(self, job: _Job, outcome: Any) -> None:
        if job.text is not None:
            self._jobs.pop(job.text, None)
        for waiting in job.waiting:
            if waiting.called:
                continue  # its caller gave up
            if isinstance(outcome, Refused):
                waiting.errback(outcome)
            else:
                waiting.callback(outcome)

    # --- memory -------------------------------------------------------------------------------

    def _remember(self, text: str, facts: Facts) -> None:
        size = 2 * len(text) + 1024
        if size > self._memory // 64:
            return
        if len(facts) == 1 and not facts[0].fingerprint.startswith("="):
            self._shapes[facts[0].fingerprint] = facts
            if len(self._shapes) > _MOST_SHAPES:
                self._shapes.popitem(last=False)
        self._known[text] = facts
        self._held += size
        while self._held > self._memory:
            old, _ = self._known.popitem(last=False)
            self._held -= 2 * len(old) + 1024
