"""The one driver of every session: moves bytes between two transports and a sans-I/O session.

What the session wants done is done here and nowhere else, so these hold for every protocol:

* bytes go to the backend only out of :meth:`Relay._forward`, after their leaf is durable;
* bytes go to the client only out of :meth:`Relay._reply`, after the recorder has them;
* each direction is bounded: by back-pressure where nothing waits, by an end where something does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgate.actions import (
    Action,
    Ask,
    Close,
    Decision,
    Forward,
    Pause,
    Reply,
    SchemaChange,
    Vouch,
    WaitAtMost,
    Work,
)
from hoopgate.errors import LimitExceeded, RecorderFailed, RecorderFull, RemoteProtocolError
from hoopgate.events import Event, Side
from hoopgate.gateway.ends import End
from hoopgate.gateway.logging import log_event
from hoopgate.interfaces import IRelay
from hoopgate.network import receive

if TYPE_CHECKING:
    from hoopgate.interfaces import IProtocolSession, ISessionRecording
    from hoopgate.settings.model import Limits
    from hoopgate.verdicts import Hold

log = Logger()


class Judge(Protocol):
    """What a relay needs of :class:`hoopgate.gateway.judge.Judge`, which is compiled apart."""

    def remembered(self, event: Event) -> Decision | None: ...

    def unrecordable(self) -> Decision: ...

    def decide(
        self, event: Event, on_hold: Callable[[str, Hold], None]
    ) -> Coroutine[Deferred[Any], Any, Decision]: ...

    def cancel(self) -> None: ...

    def leave(self) -> None: ...

    def expired(self) -> None: ...

    def schema_changes(self, *, over: bool) -> None: ...

    def vouch(self, doubt: Vouch) -> Coroutine[Deferred[Any], Any, bool]: ...

    def ended(self) -> None: ...


_CHANGED = "what this statement reads has changed while it waited; connect, and ask again"
#: Bytes that a leaf under way costs besides its data, about.
_LEAF_BYTES = 1024


@final
class Relay:
    """One session, from login to close.

    :param reactor: an ``IReactorTime``.
    :param window: response bytes the client may be ahead of the disk.
    :param on_closed: called once with the reason, when both connections are closed.
    :param worker: does what the session has done elsewhere; it fails where that cannot be done.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        session: IProtocolSession,
        session_id: str,
        judge: Judge,
        recording: ISessionRecording,
        client: ITransport,
        backend: ITransport,
        interrupt: Callable[[], object],
        limits: Limits,
        window: int,
        on_closed: Callable[[str], None],
        worker: Callable[[bytes], Deferred[bytes]] | None = None,
    ) -> None:
        self._reactor = reactor
        # Any: to mypyc, which knows no zope.interface, an interface's methods have no self.
        self._session: Any = session
        self._session_id = session_id
        self._judge = judge
        self._recording: Any = recording
        self._client = End(client)
        self._backend = End(backend)
        self._interrupt = interrupt
        self._limits = limits
        self._window = window
        self._on_closed = on_closed
        self._work: deque[Action] = deque()
        self._working = False
        self._asked: Deferred[Decision] | None = None
        self._worker = worker
        self._given: Deferred[Any] | None = None
        self._doubted: Deferred[Any] | None = None
        self._holding = False
        self._queued = 0  # bytes whose leaf is not durable yet, with what each leaf costs
        self._under_way: dict[object, tuple[bytes, int]] = {}  # data whose leaf is, and its cost
        self._unrecordable = False
        self._ending: tuple[str, str] | None = None  # reason and message, once it is to end
        self._closing = ""
        self._closed = False
        self._timers: dict[str, Any] = {}
        self._active = reactor.seconds()
        self._client.throttle(self._backend)
        self._backend.throttle(self._client)
        self._after("idle", limits.idle_seconds, self._check_idle)
        receive(client, self.client_data)
        receive(backend, self.backend_data)

    # --- what happens to it -------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """The client sent bytes."""
        self._active = self._reactor.seconds()
        self._received(Side.CLIENT, data)
        self._bound_read_ahead()

    def backend_data(self, data: bytes) -> None:
        """The backend sent bytes."""
        self._active = self._reactor.seconds()
        self._received(Side.BACKEND, data)
        self._read_again()

    def client_lost(self) -> None:
        """The client's connection is gone; a held statement ends with it."""
        self._client.lost = True
        self._perform(self._session.lost(Side.CLIENT))

    def backend_lost(self) -> None:
        """The backend's connection is gone."""
        self._backend.lost = True
        self._perform(self._session.lost(Side.BACKEND))

    def cancel(self) -> None:
        """The client asked to cancel: what is judged, or waits for a person, is refused."""
        self._judge.cancel()

    def busy(self) -> bool:
        """True when a cancel should go to the backend."""
        return not self._closed and not self._session.idle()

    def identity_ended(self, reason: str, message: str) -> None:
        """The identity has ended: an idle session ends now, a busy one within the grace.

        No new statement is allowed any more; what runs may finish. The client is heard meanwhile:
        a COPY needs the rest of its rows.
        """
        self._judge.expired()
        self._after("identity", self._limits.grace_seconds, lambda: self.end(reason, message))
        self._end_when_idle(reason, message)

    def end(self, reason: str, message: str) -> None:
        """End the session now, with a message in its protocol. What it runs is stopped at the
        backend, too: it must not take effect after the client was told that it ended."""
        if not self._closing and not self._backend.lost and self.busy():
            self._interrupt()
        self._perform(self._session.expire(reason, message))

    def drain(self, message: str) -> None:
        """End the session as soon as it is idle; the caller has the deadline."""
        self._end_when_idle("node.drain", message)

    # --- the machine --------------------------------------------------------------------------

    def _received(self, side: Side, data: bytes) -> None:
        if self._closing:
            return
        try:
            actions = self._session.received(side, data)
        except Exception as error:  # noqa: BLE001
            self._step_failed(error, side)
            return
        self._perform(actions)

    def _step_failed(self, error: Exception, side: Side) -> None:
        """A peer broke its protocol, or we have a bug: nothing of what is held may leave."""
        if isinstance(error, RemoteProtocolError):
            reason = f"protocol.{side.value}"
            log_event(log, "session.protocol_error", session=self._session_id, code=reason)
            if isinstance(error, LimitExceeded) and error.shown:
                self._perform([Reply(error.shown)])
            self.end(reason, str(error))
        else:
            log.failure("session.bug", Failure(error))  # its type and place; no payload
            self.end("internal", "an internal error ended the session")

    def _perform(self, actions: list[Action]) -> None:
        """Carry out ``actions``; those that they lead to at once come behind them, in a loop and
        not by recursion: one read may hold thousands of statements whose verdict is known."""
        self._work.extend(actions)
        if self._working:
            return
        self._working = True
        try:
            while self._work and not self._closing:
                action = self._work.popleft()
                if type(action) is Reply:
                    self._reply(action.data)
                elif type(action) is Forward:
                    self._forward(action)
                elif type(action) is Ask:
                    self._ask(action)
                elif type(action) is Close:
                    self._close(action.reason)
                elif type(action) is WaitAtMost:
                    self._after("hold", action.seconds, self._judge.leave)
                elif type(action) is SchemaChange:
                    self._judge.schema_changes(over=action.over)
                elif type(action) is Pause:
                    self._pace(action.on)
                elif type(action) is Work:
                    self._give_out(action)
                elif type(action) is Vouch:
                    self._vouch(action)
        except Exception:  # noqa: BLE001 - a bug of ours, and nothing can be told the client
            log.failure("session.bug")
            self._close("internal")
        finally:
            self._working = False
            if self._closing:
                self._work.clear()
        if self._ending is not None:
            self._end_if_idle()

    def _reply(self, data: bytes) -> None:
        recording = self._recording
        recording.response(data)
        self._client.write(data)
        if recording.unreleased > self._window:
            self._backend.hold("recorder")
            # Half is enough to go on: what waited for all of it would stand still at every turn.
            caught_up = recording.flushed(self._window // 2)
            caught_up.addCallbacks(self._caught_up, self._not_flushed)

    def _caught_up(self, _: None) -> None:
        self._backend.release("recorder")

    def _not_flushed(self, failure: Failure) -> None:
        self._recorder_failed(failure.value)

    def _forward(self, action: Forward) -> None:
        received = action.data if action.received is None else action.received
        sent = action.data if action.recorded is None else action.recorded
        rewritten = None if action.received is None else sent
        try:
            entry = self._recording.request_for(self, received, rewritten, action.decisions)
        except RecorderFailed as error:
            self._recorder_failed(error)
            return
        size = len(received) + _LEAF_BYTES
        self._under_way[entry] = action.data, size
        self._queued += size
        if self._queued > self._limits.held_bytes:
            self._client.hold("read ahead")

    def recorded(self, entry: object, error: Exception | None) -> None:
        """See :meth:`hoopgate.interfaces.ISessionRecording.request_for`."""
        data, size = self._under_way.pop(entry)
        if error is not None:
            self._recorder_failed(error)
        # A full disk may have refused what came before it, and room been made since: it does not
        # run without that.
        elif not self._unrecordable and not self._closed:
            self._backend.write(data)
        self._settled(size)

    def _settled(self, size: int) -> None:
        self._queued -= size
        if not self._closing:
            self._read_again()
        elif not self._under_way:
            self._finish()

    def _recorder_failed(self, error: BaseException | None) -> None:
        if self._closed or self._unrecordable:
            return
        self._unrecordable = True
        full = isinstance(error, RecorderFull)
        log_event(log, "session.unrecordable", session=self._session_id, full=full)
        if full:
            self.end("recorder.full", "the log has no room for new requests; try again later")
        else:
            self.end("recorder.failed", "the log cannot record this session")

    def _ask(self, action: Ask) -> None:
        if self._recording.full():
            self._go_on(action.ticket, self._judge.unrecordable())
            return
        decision = self._judge.remembered(action.event)
        if decision is not None:
            self._go_on(action.ticket, decision)
            return

        def on_hold(request_id: str, hold: Hold) -> None:
            # In a turn of its own: it may end the session, which stops the judge who calls.
            self._after("held", 0, lambda: self._held(action.ticket, request_id, hold))

        self._asked = Deferred.fromCoroutine(self._judge.decide(action.event, on_hold))
        self._asked.addCallbacks(self._decided, self._judge_failed, callbackArgs=(action.ticket,))

    def _held(self, ticket: int, request_id: str, hold: Hold) -> None:
        self._holding = True
        self._perform(self._session.held(ticket, request_id, hold))
        self._bound_read_ahead()  # more may have been read than a hold allows

    def _pace(self, on: bool) -> None:
        if on:
            self._backend.hold("session")
        else:
            self._backend.release("session")

    def _give_out(self, action: Work) -> None:
        assert self._worker is not None
        self._given = self._worker(action.request)
        self._given.addBoth(self._worked, action.ticket)

    def _worked(self, outcome: bytes | Failure, ticket: int) -> None:
        self._given = None
        if self._closing:
            return
        answer = None if isinstance(outcome, Failure) else outcome
        try:
            actions = self._session.worked(ticket, answer)
        except Exception as error:  # noqa: BLE001
            self._step_failed(error, Side.BACKEND)
            return
        self._perform(actions)

    def _vouch(self, action: Vouch) -> None:
        self._backend.hold("vouch")
        self._doubted = Deferred.fromCoroutine(self._judge.vouch(action))
        self._doubted.addBoth(self._vouched)

    def _vouched(self, outcome: bool | Failure) -> None:
        self._doubted = None
        self._backend.release("vouch")
        if self._closing:
            return
        if outcome is not True:
            if isinstance(outcome, Failure):
                log.failure("session.bug", failure=outcome)
            self.end("schema.changed", _CHANGED)
            return
        try:
            actions = self._session.vouched()
        except Exception as error:  # noqa: BLE001
            self._step_failed(error, Side.BACKEND)
            return
        self._perform(actions)
        self._read_again()

    def _decided(self, decision: Decision, ticket: int) -> None:
        self._asked_no_more()
        if not self._closing:
            self._go_on(ticket, decision)
            self._read_again()

    def _go_on(self, ticket: int, decision: Decision) -> None:
        try:
            actions = self._session.decided(ticket, decision)
        except Exception as error:  # noqa: BLE001
            self._step_failed(error, Side.CLIENT)
            return
        self._perform(actions)

    def _judge_failed(self, failure: Failure) -> None:
        self._asked_no_more()
        if self._closing:
            return
        if failure.check(CancelledError) is None:
            log.failure("session.bug", failure=failure)
        self.end("internal", "an internal error ended the session")

    def _asked_no_more(self) -> None:
        self._asked = None
        self._holding = False
        self._stop_timer("held")
        self._stop_timer("hold")

    def _bound_read_ahead(self) -> None:
        """Keep reading while something waits, so that a hang-up is seen, but only so much."""
        limit = self._limits.held_bytes
        ahead = self._session.read_ahead > limit
        if ahead and self._holding:
            self.end("limit.held", "too much was sent while a statement was held")
        elif ahead or self._queued > limit:
            self._client.hold("read ahead")
        else:
            self._client.release("read ahead")

    def _read_again(self) -> None:
        if self._client.held("read ahead"):
            self._bound_read_ahead()

    # --- ends -----------------------------------------------------------------------------------

    def _after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._stop_timer(name)
        if not self._closed:
            self._timers[name] = self._reactor.callLater(seconds, call)

    def _stop_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _check_idle(self) -> None:
        quiet = self._reactor.seconds() - self._active
        left = self._limits.idle_seconds - quiet
        if left <= 0 and not self._holding:
            self.end("idle", "the session was idle for too long")
        else:
            self._after("idle", max(left, 1.0), self._check_idle)

    def _end_when_idle(self, reason: str, message: str) -> None:
        self._ending = reason, message
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._ending is None or self._closing or self._working:
            return
        if self._holding or self._session.idle():
            self.end(*self._ending)

    def _close(self, reason: str) -> None:
        self._closing = self._closing or reason
        if self._asked is not None:
            self._asked.cancel()
        if self._given is not None:
            self._given.cancel()
        if self._doubted is not None:
            self._doubted.cancel()
        if not self._under_way:
            self._finish()

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        for name in list(self._timers):
            self._stop_timer(name)
        self._client.close(self._reactor)
        self._backend.close(self._reactor)
        self._judge.ended()
        done = self._recording.close(self._closing)
        done.addErrback(lambda _: None)  # a failed log has said so already, for every session
        self._on_closed(self._closing)


# No decorator: mypyc makes a decorated class slow.
classImplements(Relay, IRelay)
