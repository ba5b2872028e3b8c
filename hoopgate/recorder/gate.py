"""The log as the gateway uses it: sessions, entries, and a Deferred that fires when durable.

Everything here runs in the reactor's thread. Three threads stand behind it: the sealer writes a
new session's wrapped key, the writer commits, the integrator signs. Each hands its results back a
batch at a time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from errno import errorcode
from pathlib import Path
from typing import Any, Protocol, final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import classImplements

from hoopgate.errors import LocalProtocolError, RecorderFailed, RecorderFull
from hoopgate.events import SessionFacts
from hoopgate.interfaces import IRecorder, ISessionRecording
from hoopgate.recorder.commit import Appender, Clock, Entry, Reserve, Stream, Waiter
from hoopgate.recorder.integrate import Integrator, IntegratorThread
from hoopgate.recorder.leaf import SESSION_ID
from hoopgate.recorder.outside import Outside
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.recording import SessionRecording, check_type, session_fields
from hoopgate.recorder.sealing import Recipient
from hoopgate.recorder.wraps import Sealer
from hoopgate.recorder.writer import Batch, Writer
from hoopgate.settings.model import Recording
from hoopgate.turns import Mailbox, at_turn_end

_log = Logger()


class DelayedCall(Protocol):
    def cancel(self) -> None: ...


class Reactor(Protocol):
    """What the log needs of a reactor."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> object: ...

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> DelayedCall: ...


@final
class Log:
    """The log of one node, running. Made by ``open_log``.

    :ivar outside: those who vouch for it elsewhere.
    :ivar last_commit_seconds: how long the last commit took, from its first entry to durable.
    :ivar observe_commit: called in the reactor's thread with each commit's seconds and leaves.
    :ivar on_failure: called in the reactor's thread, once, when the log has failed.
    """

    def __init__(
        self,
        directory: Path,
        recording: Recording,
        reactor: Reactor,
        clock: Clock,
        recipients: Sequence[Recipient],
        lock: int,
        appender: Appender,
        node: Stream,
        reserve: Reserve,
        integrator: Integrator,
    ) -> None:
        self.clock = clock
        self.waiting: set[Deferred[Any]] = set()
        self.outside = Outside(self, directory)
        integrator.published = self.outside.published
        self.recordings: set[SessionRecording] = set()
        self._entries: set[Entry] = set()  #: that somebody waits for
        self.last_commit_seconds = 0.0
        self.observe_commit: Callable[[float, int], object] = lambda seconds, leaves: None
        self.on_failure: Callable[[], object] = lambda: None
        self._size = appender.index
        self._directory = directory
        self._window = recording.window_ms / 1000
        self._reactor = reactor
        self._mailbox = Mailbox(reactor)
        self._lock: int | None = lock
        self._node = node
        self._integrator = integrator
        self._failure: BaseException | None = None
        self._failed = False
        self._dirty: set[SessionRecording] = set()
        self._timer: DelayedCall | None = None
        self._opening = 0
        self._witnessed = 0 if recording.gate == "witnessed" else -1  #: -1: nobody waits for it
        self._unwitnessed: deque[tuple[int, list[Batch]]] = deque()
        self._stopping: list[Deferred[None]] | None = None
        self._stopped = False
        self._writer = Writer(
            appender,
            node,
            reserve,
            recording.segment_bytes,
            directory,
            durable=self._durable,
            refused=lambda entries: self.post(self._refuse, entries),
            failed=self._fail,
            ended=lambda: self._integrating.finish(),
        )
        self._integrating = IntegratorThread(
            integrator,
            recording.checkpoint_ms / 1000,
            release=reserve.release,
            failed=self._fail,
            ended=lambda: self.post(self._ended),
        )
        self._integrating.on_head = lambda away: self.post(self.outside.head_changed, away)
        self._sealer = Sealer(
            directory,
            recipients,
            room=lambda: not self._writer.full or self._writer.room(),
            ready=lambda entries: self.post(self._submit_all, entries),
            refused=lambda entry, error: self.post(self._refuse, [entry], error),
            failed=self._fail,
        )
        self._pending: list[Entry] = []  #: handed to the writer when the reactor's turn ends
        self._integrating.start()
        self._writer.start()
        self._sealer.start()

    # --- what the gateway calls ----------------------------------------------------------------

    @property
    def size(self) -> int:
        """Durable leaves."""
        return self._size

    @property
    def checkpoint_size(self) -> int:
        """Leaves under the last signed checkpoint."""
        return self._integrator.signed

    def full(self) -> bool:
        """True while the disk has no room for new requests."""
        return self._writer.short()

    def failed(self) -> bool:
        return self._failure is not None

    def takes(self) -> bool:
        """It neither ends nor has failed."""
        return self._stopping is None and self._failure is None

    def failure(self) -> RecorderFailed:
        """What callers are told."""
        error = self._failure
        why = error.strerror if isinstance(error, OSError) else str(error)
        return RecorderFailed(
            f"the log in {self._directory} can take nothing more "
            f"({type(error).__name__}: {why}): nothing is forwarded until it is repaired and the "
            "node is started again"
        )

    def open_session(self, session: SessionFacts) -> Deferred[ISessionRecording]:
        if SESSION_ID.match(session.id) is None:
            return fail(LocalProtocolError("a session id has 1-64 letters, digits, '.', '_', '-'"))
        if self._stopping is not None:
            return fail(RecorderFailed("the log is being closed"))
        stream = Stream(session.id, None)
        recording = SessionRecording(self, stream)
        waiting: Deferred[Any] = Deferred()
        vital, extra, facts = session_fields(session)
        entry = Entry(
            stream,
            "session.open",
            [(Kind.FACTS, self.clock.monotonic() // 1000, facts)],
            vital=vital,
            extra=extra,
            essential=False,
            size=len(facts),
            deferred=waiting,
        )
        if self.failed():
            return fail(self.failure())
        self._opening += 1
        self.waiting.add(waiting)
        self._sealer.queue.put(entry)

        def opened(result: Any) -> Any:
            self._opening -= 1
            if isinstance(result, int):
                self.recordings.add(recording)
                result = recording
            if self._stopping is not None and not self._opening:
                self._finish()
            return result

        return waiting.addBoth(opened)

    def append(self, type: str, detail: Mapping[str, object]) -> Deferred[int]:
        check_type(type)
        if self._stopping is not None:
            return fail(RecorderFailed("the log is being closed"))
        return self.submit_waiting(Entry(self._node, type, extra={"detail": dict(detail)}))

    def stop(self) -> Deferred[None]:
        """Close what is open, make everything durable, sign, let go of the directory.

        Fires when done, also when the log has failed. May be called again.
        """
        done: Deferred[None] = Deferred()
        if self._stopped:
            return succeed(None)
        if self._stopping is not None:
            self._stopping.append(done)
            return done
        self._stopping = [done]
        if self.failed():
            self._fail_waiting()
            self._ended()
        elif not self._opening:
            self._finish()
        return done

    # --- entries -------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> None:
        """Hand an entry to the writer."""
        if self._failure is None:
            self._submit(entry)

    def _submit(self, entry: Entry) -> None:
        pending = self._pending
        pending.append(entry)
        if len(pending) == 1:
            at_turn_end(self._reactor, self._hand_over)

    def _hand_over(self) -> None:
        pending = self._pending
        if not pending or self._failure is not None:
            return
        self._pending = []
        try:
            self._writer.give(pending)
        except Exception as error:  # noqa: BLE001 - what is half encoded has no end that is known
            self._fail(error)

    def _submit_all(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.submit(entry)

    def submit_waiting(self, entry: Entry) -> Deferred[int]:
        """Hand an entry to the writer; fires with its leaf's index when it is durable."""
        if self._failure is not None or self._stopped:
            return fail(self.failure() if self._failure else RecorderFailed("the log is closed"))
        waiting: Deferred[int] = Deferred()
        entry.deferred = waiting
        self.waiting.add(waiting)
        self._submit(entry)
        return waiting

    def submit_for(self, entry: Entry, waiter: Waiter) -> None:
        """Hand an entry to the writer; ``waiter`` is told, never before this returns.

        :raises RecorderFailed: the log takes nothing more.
        """
        if self._failure is not None or self._stopped:
            raise self.failure() if self._failure else RecorderFailed("the log is closed")
        entry.waiter = waiter
        self._entries.add(entry)
        self._submit(entry)

    def _tell(self, entry: Entry, error: Exception | None) -> None:
        waiter, entry.waiter = entry.waiter, None
        assert waiter is not None
        try:
            waiter.recorded(entry, error)
        except Exception:  # noqa: BLE001 - as of a Deferred's callback: the others are told
            _log.failure("recorder.bug")

    def dirty(self, recording: SessionRecording) -> None:
        """The recording holds response bytes: flush them when the window's time is over."""
        self._dirty.add(recording)
        if self._timer is None and not self._stopped:
            self._timer = self._reactor.callLater(self._window, self._flush)

    def _flush(self) -> None:
        self._timer = None
        dirty, self._dirty = self._dirty, set()
        for recording in dirty:
            recording.flush()

    # --- from the threads ----------------------------------------------------------------------

    def post(self, callable: Callable[..., object], *args: object) -> None:
        """From any thread: have it called in the reactor's."""
        self._mailbox.post(callable, *args)

    def _durable(
        self, batches: list[Batch], leaves: list[tuple[bytes, bytes]], seconds: float
    ) -> None:
        self.post(self._committed, batches, len(leaves), seconds)
        self._integrating.hand_over(leaves)

    def _committed(self, batches: list[Batch], leaves: int, seconds: float) -> None:
        self._writer.settled(batches)
        self._size += leaves
        self.last_commit_seconds = seconds
        self.observe_commit(seconds, leaves)
        if self._witnessed < 0:
            self._release(batches)
        else:
            self._unwitnessed.append((self._size, batches))

    def cosigned(self, size: int) -> None:
        """Witnesses cosigned the first ``size`` leaves: what waits for it goes on."""
        if self._witnessed < 0:
            return
        self._witnessed = size
        while self._unwitnessed and self._unwitnessed[0][0] <= size:
            self._release(self._unwitnessed.popleft()[1])

    def _release(self, batches: list[Batch]) -> None:
        """They count as recorded."""
        for batch in batches:
            for entry in batch.entries:
                if entry.index < 0:
                    continue  # refused
                if entry.released and entry.recording is not None:
                    entry.recording.released(entry.released)
                if entry.waiter is not None:
                    self._entries.discard(entry)
                    self._tell(entry, None)
                deferred = entry.deferred
                if deferred is not None and deferred in self.waiting:
                    self.waiting.discard(deferred)
                    deferred.callback(entry.index)

    def _refuse(self, entries: list[Entry], error: Exception | None = None) -> None:
        full = error or RecorderFull(
            f"the log's disk ({self._directory}) is full: no new requests until room is "
            "made; open sessions can still be closed"
        )
        for entry in entries:
            if entry.waiter is not None:
                self._entries.discard(entry)
                self._tell(entry, full)
            deferred = entry.deferred
            if deferred is not None and deferred in self.waiting:
                self.waiting.discard(deferred)
                deferred.errback(full)

    def _fail(self, error: BaseException) -> None:
        """From any thread: fail stop."""
        if self._failure is None:
            self._failure = error
            self.post(self._fail_waiting)

    def _fail_waiting(self) -> None:
        if self._failed:
            return
        self._failed = True
        failure = self.failure()
        error = self._failure
        _log.critical(
            "recorder.failed",
            error=type(error).__name__,  # its text may quote what was to be recorded
            code=errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else "",
        )
        self._sealer.queue.put(None)
        self._pending.clear()
        self._writer.end()
        self._integrating.abandon()
        waiting, self.waiting = self.waiting, set()
        for deferred in waiting:
            deferred.errback(failure)
        entries, self._entries = self._entries, set()
        for entry in entries:
            self._tell(entry, failure)
        self.on_failure()
        if self._stopping is not None:
            self._ended()

    # --- the end -------------------------------------------------------------------------------

    def _finish(self) -> None:
        if self._failure is not None:
            return
        for recording in tuple(self.recordings):
            recording.close("node.stop").addErrback(lambda failure: None)
        self.submit(Entry(self._node, "session.close", extra={"reason": "node.stop"}))
        self._sealer.queue.put(None)
        self._hand_over()
        self._writer.end()

    def _ended(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for thread in (self._sealer, self._writer, self._integrating):
            thread.join(10)
        self._integrator.close()
        self.outside.stop()
        self._mailbox.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        for done in self._stopping or []:
            done.callback(None)


# No decorator: mypyc makes a decorated class slow.
classImplements(Log, IRecorder)
