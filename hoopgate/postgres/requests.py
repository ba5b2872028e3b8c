"""The client's half of a session: one message at a time, each forwarded, asked about or refused.

States: *ready* (messages are handled as they come), *asked* (a verdict is due), *stalled* (an
answer of the server is due first: a COPY's start, or a name's meaning), *skipping* (everything up
to Sync is dropped, as the server does after an error).

A refused message is replaced by one that the server itself must refuse, and the server's error by
the gateway's: a pipeline stays in step, its transaction fails as the client believes it did, and
nothing of it half-commits (PROTOCOLS A19).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, final

from hoopgate.actions import Action, Ask, Decision, Forward, SchemaChange, Vouch
from hoopgate.errors import LocalProtocolError
from hoopgate.events import Effect, Statement
from hoopgate.guardrails.budgets import Meter
from hoopgate.postgres import wire
from hoopgate.postgres.answers import Answers
from hoopgate.postgres.expected import Expected, Kind, Run
from hoopgate.postgres.names import Portal, Unsettled
from hoopgate.postgres.refusals import refusal
from hoopgate.verdicts import Block

#: Name of the statement that a refused Parse is replaced by. It never comes to exist.
_REFUSED = b"hoopgate.refused"

Message = wire.FrontendMessage
_M = TypeVar("_M", bound=Message)
#: Goes on with a message once its verdict is known.
_Resume = Callable[[Any, Decision], None]


class Handler:
    """Handles one message. A class and no callable: mypyc then calls it as C does."""

    def handle(self, message: Message) -> None:
        """Forward, ask about, drop or refuse ``message``.

        :raises Unsettled: it must wait, and is handled again later.
        """
        raise NotImplementedError


@final
class Requests:
    """What the handlers of messages have in common.

    :ivar segment: counts the stretches of messages that one error of the server skips together.
    :ivar decided_at: generation of rules and schema when the last verdict came. What goes on with
        it may have to wait, and is no newer for that.
    :ivar decided_stamp: of the same moment (:class:`hoopgate.interfaces.IStatementResolver`).
    :ivar actions: what the driver is to do next.
    """

    def __init__(
        self,
        answers: Answers,
        handler: Handler,
        mint: Callable[[], str],
        generation: Callable[[], int],
        stamp: Callable[[], float],
        message_limit: int,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter
        self.answers = answers
        self.segment = 0
        self.decided_at = 0
        self.decided_stamp = 0.0
        self.actions: list[Action] = []
        self._handler = handler
        self._mint = mint
        self._generation = generation
        self.stamp = stamp
        self._reader = wire.FrontendReader(message_limit)
        self._tickets = 0
        self._asked: tuple[Message, _Resume] | None = None
        self._again: tuple[Message, _Resume | None, Decision | None] | None = None
        self._copy: Expected | None = None
        self._skipping = False
        self._received: list[bytes] = []
        self._data: list[bytes] | None = None  # None: what was received
        self._recorded: list[bytes] | None = None  # None: what is sent
        self._decisions: list[Decision] = []

    @property
    def buffered(self) -> int:
        """Bytes of the client's that were not handled yet."""
        return self._reader.buffered

    @property
    def read_ahead(self) -> int:
        """Bytes that wait for a verdict, or for an answer of the server."""
        return self._reader.buffered if self.waiting or self.stalled else 0

    @property
    def waiting(self) -> bool:
        """True while a verdict is due."""
        return self._asked is not None

    @property
    def stalled(self) -> bool:
        """True while an answer of the server is due before the next message."""
        return self._again is not None or self._copy is not None

    @property
    def discarding(self) -> bool:
        """True when the server ignores everything up to the next Sync."""
        return self._skipping or self.answers.discarding

    # --- the machine ----------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """The client's bytes arrived."""
        self._reader.feed(data)
        self.pump()

    def decided(self, ticket: int, decision: Decision) -> None:
        """The verdict on the last Ask."""
        asked = self._asked
        if asked is None or ticket != self._tickets:
            raise LocalProtocolError("a verdict that was not asked for")
        self._asked = None
        self.decided_at = self._generation()
        self.decided_stamp = self.stamp()
        self._decisions.append(decision)
        self._again = asked[0], asked[1], decision
        self.pump()

    def is_asking(self, ticket: int) -> bool:
        """True while the verdict on ``ticket`` is due."""
        return self._asked is not None and ticket == self._tickets

    def pump(self) -> None:
        """Handle messages until one has to wait."""
        while self._asked is None:
            if self._copy is not None:
                expected = self.answers.expected
                if not self.answers.copying_in and expected and expected[-1] is self._copy:
                    return
                self._copy = None
            again = self._again
            if again is None:
                message = self._reader.next()
                if message is None:
                    self.flush()
                    return
                resume = decision = None
            else:
                self._again = None
                message, resume, decision = again
                # the server failed something before it while it waited
                if self.discarding and not isinstance(message, wire.Sync):
                    self.drop(message)
                    continue
            try:
                if resume is None or decision is None:
                    self._handler.handle(message)
                else:
                    resume(message, decision)
            except Unsettled:
                self._again = message, resume, decision
                self.flush()
                return

    # --- what a handler may do with its message ---------------------------------------------------

    def forward(self, message: Message, expected: Expected | None = None) -> None:
        """Pass ``message`` on; the server will answer as ``expected``."""
        raw = message.raw
        self._received.append(raw)
        if self._data is not None:
            self._data.append(raw)
            if self._recorded is not None:
                self._recorded.append(raw)
        if expected is not None:
            self.answers.expected.append(expected)

    def doubt(self, run: Run, doubt: Vouch, stamp: float) -> None:
        """``run`` is sent next, and means what was judged if the schema stays what it is."""
        if not run.alters and not run.goes_on:
            run.doubt, run.stamp = doubt, stamp

    def spend(self, run: Run) -> None:
        """``run`` is sent next: it may take of a budget."""
        if self._meter is None or run.goes_on:
            return
        plan = run.plan
        change = run.change
        if change is not None and isinstance(change.value, Portal):
            plan = change.value.prepared.plan  # a cursor is counted when it is opened
        if plan is not None and plan.spend is not None and plan.spend.predicates:
            self._meter.query()

    def alters_schema(self) -> None:
        """What is forwarded next may change the schema."""
        self.answers.altering = True
        self.actions.append(SchemaChange(over=False))

    def drop(self, message: Message) -> None:
        """Do not pass ``message`` on, as the server would ignore it; it is recorded."""
        self._changed()
        self._received.append(message.raw)

    def replace(self, message: Message, data: bytes) -> None:
        """Send ``data`` in place of ``message``."""
        self._changed().append(data)
        if self._recorded is not None:
            self._recorded.append(data)
        self._received.append(message.raw)

    def substitute(self, message: Message, data: bytes, expected: Expected) -> None:
        """Send ``data``, which is ``message`` with values in place of tokens: the log has the
        tokens."""
        changed = self._changed()
        if self._recorded is None:
            self._recorded = list(changed)
        changed.append(data)
        self._recorded.append(message.raw)
        self._received.append(message.raw)
        self.answers.expected.append(expected)

    def insert(self, data: bytes, expected: Expected | None = None) -> None:
        """Send ``data``, which the client has not asked for."""
        self._changed().append(data)
        if self._recorded is not None:
            self._recorded.append(data)
        if expected is not None:
            self.answers.expected.append(expected)

    def poison(self, decision: Decision) -> None:
        """Send what must fail, for ``decision`` to be the answer; what follows it is Sync."""
        refused = Expected(Kind.PARSE, refusal=refusal(decision))
        self.insert(wire.parse(_REFUSED, _poison(decision), ()), refused)

    def _changed(self) -> list[bytes]:
        """What goes to the server, now that it is not what was received."""
        data = self._data
        if data is None:
            data = self._data = list(self._received)
        return data

    def ask(self, message: _M, event: Statement, resume: Callable[[_M, Decision], None]) -> None:
        """Wait for the verdict on ``event``, then go on with ``resume``."""
        self._tickets += 1
        self._asked = message, resume
        self.actions.append(Ask(self._tickets, event))

    def ask_of(self, effect: Effect) -> int:
        """Have the verdict on ``effect``, while no message is handled; the ticket."""
        self._tickets += 1
        self.actions.append(Ask(self._tickets, effect))
        return self._tickets

    def decided_effect(self, decision: Decision) -> None:
        """The verdict on what was tried: it goes into the log with what is sent next."""
        self.decided_at = self._generation()
        self._decisions.append(decision)

    def block(self, reason: str, message: str, remedy: str) -> Decision:
        """A refusal of the session's own, for what never becomes a statement."""
        decision = Decision(self._mint(), Block("protocol", reason, message, remedy))
        self._decisions.append(decision)
        return decision

    def refuse_query(self, message: Message, decision: Decision) -> None:
        """Replace a message that ReadyForQuery follows by a Query that must fail."""
        self.replace(message, wire.query(_poison(decision)))
        self.answers.expected.append(Expected(Kind.QUERY, refusal=refusal(decision)))
        self.end_segment()

    def refuse_extended(self, message: Message, decision: Decision) -> None:
        """Replace a message of the extended protocol by a Parse that must fail; skip to Sync."""
        # One without a name drops the unnamed statement even when it fails.
        name = b"" if isinstance(message, wire.Parse) and not message.name else _REFUSED
        self.replace(message, wire.parse(name, _poison(decision), ()))
        self.answers.expected.append(Expected(Kind.PARSE, refusal=refusal(decision)))
        self._skipping = True

    def refuse_copy(self, message: Message, decision: Decision) -> None:
        """End COPY FROM STDIN by a CopyFail."""
        self.replace(message, wire.copy_fail(_poison(decision)))
        self.answers.expected[0].refusal = refusal(decision)
        self.answers.copying_in = False
        self.flush()

    def wait_for_copy(self, expected: Expected) -> None:
        """Handle nothing more until the server has answered whether the COPY starts: it reads
        what follows differently then."""
        self._copy = expected
        self.flush()

    def end_segment(self) -> None:
        """A Sync or Query was passed on: an error of the server skips no further than it."""
        self._skipping = False
        self.segment += 1
        self.flush()

    def flush(self) -> None:
        """Hand over what is ready for the server, with what it came from."""
        if not self._received and not self._data:
            return
        received = b"".join(self._received)
        decisions = tuple(self._decisions)
        if self._data is None:
            self.actions.append(Forward(received, None, decisions))
        else:
            recorded = None if self._recorded is None else b"".join(self._recorded)
            self.actions.append(Forward(b"".join(self._data), received, decisions, recorded))
            self._data = None
            self._recorded = None
        self._received = []
        self._decisions = []


def _poison(decision: Decision) -> bytes:
    """A syntax error that tells the server's own log which refusal it stands for."""
    return b"hoopgate refused " + decision.request_id.encode()
