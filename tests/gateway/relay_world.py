"""A relay between two transports of memory, with a recorder and a judge that wait to be told."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply, Vouch
from hoopgate.errors import RecorderFailed, RecorderFull, RemoteProtocolError
from hoopgate.events import Side, Statement
from hoopgate.gateway.relay import Relay
from hoopgate.settings.model import Limits
from hoopgate.verdicts import Allow, Block, Hold

LIMITS = Limits(held_bytes=4096, idle_seconds=600.0, grace_seconds=30.0)
WINDOW = 100
ALLOW = Decision("req-1", Allow("test"))
BLOCK = Decision("req-2", Block("test", "no", "No."))
HOLD = Hold("test", "bulk", "Bulk.", frozenset({"reviewers"}), 60.0)


class Transport:
    """One side's transport. What is written is kept; a full one pauses its producer."""

    def __init__(self) -> None:
        self.written = b""
        self.paused = False
        self.connected, self.disconnected = True, False
        self.losing = False
        self.aborted = False
        self._producer: Any = None

    def write(self, data: bytes) -> None:
        assert not self.disconnected, "written to after its connection was lost"
        assert not self.losing, "written to after it was closed"
        self.written += data

    def pauseProducing(self) -> None:
        assert not self.disconnected
        self.paused = True

    def resumeProducing(self) -> None:
        assert not self.disconnected
        self.paused = False

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        assert not self.disconnected
        self._producer = None

    def loseConnection(self) -> None:
        self.losing = True

    def abortConnection(self) -> None:
        self.aborted = True

    def full(self, full: bool) -> None:
        """The peer reads too slowly, or has caught up."""
        if self._producer is not None and not self.disconnected:
            (self._producer.pauseProducing if full else self._producer.resumeProducing)()


class Recording:
    """Keeps what it is given; leaves become durable when :meth:`complete` says so."""

    def __init__(self) -> None:
        self.unreleased = 0
        self.responses = b""
        self.no_room = False
        self.closed: list[str] = []
        self.notes: list[tuple[str, object]] = []
        self.requested: list[bytes] = []  #: what the backend is to be sent
        self.durable: list[bytes] = []  #: what of it the backend may be sent
        self._waiting: deque[tuple[Deferred[Any], bytes | None, int]] = deque()
        self._failed: Exception | None = None
        self._held = 0

    def full(self) -> bool:
        return self.no_room

    def request(
        self, data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> Deferred[int]:
        assert not self.closed
        self.requested.append(data if forwarded is None else forwarded)
        return self._wait(self.requested[-1])

    def request_for(
        self, waiter: Any, data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> object:
        if self._failed is not None:
            raise self._failed
        entry = object()
        self.request(data, forwarded, decisions).addCallbacks(
            lambda _: waiter.recorded(entry, None),
            lambda failure: waiter.recorded(entry, failure.value),
        )
        return entry

    def response(self, data: bytes) -> None:
        assert not self.closed
        self.responses += data
        self.unreleased += len(data)
        self._held += len(data)

    def note(self, type: str, detail: object) -> Deferred[int]:
        assert not self.closed
        self.notes.append((type, detail))
        return self._wait(None)

    def flushed(self, behind: int = 0) -> Deferred[None]:
        return self._wait(None)

    def close(self, reason: str) -> Deferred[int]:
        self.closed.append(reason)
        return Deferred()

    @property
    def waiting(self) -> int:
        """Leaves under way."""
        return len(self._waiting)

    def _wait(self, forwarded: bytes | None) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        if self._failed is not None:
            waiting.errback(self._failed)
        else:
            self._waiting.append((waiting, forwarded, self._held))
            self._held = 0
        return waiting

    def complete(self, count: int = 1_000_000) -> None:
        """The next entries are durable."""
        while self._waiting and count:
            count -= 1
            waiting, forwarded, released = self._waiting.popleft()
            self.unreleased -= released
            if forwarded is not None:
                self.durable.append(forwarded)
            waiting.callback(0)

    def refuse(self) -> bool:
        """The disk has no room for the next entry, if that is a request."""
        if not self._waiting or self._waiting[0][1] is None:
            return False
        waiting, _, released = self._waiting.popleft()
        self.unreleased -= released
        waiting.errback(RecorderFull("full"))
        return True

    def fail(self) -> None:
        """The log can take nothing more."""
        self._failed = RecorderFailed("failed")
        waiting, self._waiting = self._waiting, deque()
        for one, _, _ in waiting:
            one.errback(self._failed)


class Judge:
    """Decides when told to. What is in ``known`` is decided at once."""

    def __init__(self) -> None:
        self.asked: Deferred[Decision] | None = None
        self.stopped = 0
        self.canceled = 0
        self.known: dict[str, Decision] = {}
        self.doubts: list[Deferred[bool]] = []
        self.over = 0
        self._on_hold: Any = None

    def remembered(self, event: Statement) -> Decision | None:
        return self.known.get(event.text)

    def unrecordable(self) -> Decision:
        return BLOCK

    async def decide(self, event: Statement, on_hold: Any) -> Decision:
        self._on_hold = on_hold
        self.asked = Deferred()
        try:
            return await self.asked
        except Exception:
            self.stopped += 1
            raise
        finally:
            self.asked = None

    def cancel(self) -> None:
        self.canceled += 1

    def expired(self) -> None:
        pass

    def schema_changes(self, *, over: bool) -> None:
        pass

    async def vouch(self, doubt: Vouch) -> bool:
        self.doubts.append(Deferred())
        return await self.doubts[-1]

    def ended(self) -> None:
        self.over += 1

    def hold(self) -> None:
        """What is asked waits for a person."""
        if self.asked is not None:
            self._on_hold("apr-1", HOLD)

    def say(self, decision: Decision) -> None:
        """The verdict."""
        if self.asked is not None:
            self.asked.callback(decision)


class Letters:
    """A session sans-I/O whose messages are letters.

    ``f`` is forwarded, ``d`` dropped, ``r`` refused at once, ``a`` and ``k`` asked about, ``s``
    forwarded and waited for, ``x`` ends the session, ``!`` breaks the protocol, ``?`` is a bug. The
    backend answers each with a letter of its own; ``!`` and ``?`` as above.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._asking = 0
        self._ticket = 0
        self._stalled = False
        self._due = 0
        self._closed = False
        self.received_as: list[Action] = []  #: what the backend's next bytes lead to

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    @property
    def read_ahead(self) -> int:
        return len(self._buffer) if self._asking or self._stalled else 0

    def received(self, side: Side, data: bytes) -> list[Action]:
        if self._closed:
            return []
        self._break(data[:1])
        if side is Side.CLIENT:
            self._buffer += data
            return self._pump()
        if self.received_as:
            found, self.received_as = self.received_as, []
            return found
        self._due = max(0, self._due - len(data))
        self._stalled = False
        return [Reply(data), *self._pump()]

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        assert ticket == self._asking
        self._asking = 0
        letter, self._buffer = self._buffer[:1], self._buffer[1:]
        if decision.request_id == "req-break":
            raise RemoteProtocolError("too many names")
        refused = isinstance(decision.verdict, Block)
        forward = Forward(b"B", letter, (decision,)) if refused else Forward(letter)
        self._due += 1
        return [forward, *self._pump()]

    def vouched(self) -> list[Action]:
        return [Reply(b"(vouched)")]

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        return [Reply(b"(held)")] if self._asking == ticket and not self._closed else []

    def lost(self, side: Side) -> list[Action]:
        return self._end(f"{side.value}.gone", b"" if side is Side.CLIENT else b"(lost)")

    def expire(self, reason: str, message: str) -> list[Action]:
        return self._end(reason, b"(end)")

    def idle(self) -> bool:
        return not self._asking and not self._due

    def _end(self, reason: str, last: bytes) -> list[Action]:
        if self._closed:
            return []
        self._closed = True
        return [*([Reply(last)] if last else []), Close(reason)]

    def _break(self, letter: bytes) -> None:
        if letter == b"!":
            raise RemoteProtocolError("broken")
        if letter == b"?":
            raise ValueError

    def _pump(self) -> list[Action]:
        out: list[Action] = []
        while self._buffer and not self._asking and not self._stalled and not self._closed:
            letter = self._buffer[:1]
            if letter in (b"a", b"k"):
                self._ticket += 1
                self._asking = self._ticket
                return [*out, Ask(self._ticket, Statement(letter.decode()))]
            self._buffer = self._buffer[1:]
            self._due += letter in (b"f", b"s", b"r")
            if letter == b"d":
                out.append(Forward(b"", letter))
            elif letter == b"r":
                out.append(Forward(b"R", letter, (BLOCK,)))
            else:
                out.append(Forward(letter))
            self._stalled = letter == b"s"
            if letter == b"x":
                self._closed = True
                out.append(Close("client.terminate"))
        return out


class World:
    """A relay and all that is around it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock = Clock()
        self.client, self.backend = Transport(), Transport()
        self.recording, self.judge, self.session = Recording(), Judge(), Letters()
        self.closed: list[str] = []
        self.interrupts = 0
        made: Any = self
        self.relay = Relay(
            reactor=self.clock,
            session=made.session,
            session_id="ses-1",
            judge=made.judge,
            recording=made.recording,
            client=made.client,
            backend=made.backend,
            interrupt=self._interrupt,
            limits=limits,
            window=WINDOW,
            on_closed=self.closed.append,
        )

    def _interrupt(self) -> None:
        self.interrupts += 1

    def lose_client(self) -> None:
        """The client hangs up."""
        if not self.client.disconnected:
            self.client.connected, self.client.disconnected = False, True
            self.relay.client_lost()

    def lose_backend(self) -> None:
        """The backend hangs up."""
        if not self.backend.disconnected:
            self.backend.connected, self.backend.disconnected = False, True
            self.relay.backend_lost()
