"""A MySQL or MariaDB session after login, sans-I/O.

The protocol is half-duplex, and the gateway holds both ends to it: a command is handled when the
answer to the one before it is complete, whatever a client sends ahead.

1. What is forwarded was judged: COM_QUERY, COM_STMT_PREPARE, COM_FIELD_LIST, and an execute where
   an approval is needed or the rules have changed, ask and wait (``statements.py``).
2. A refused command is answered by the gateway and reaches no server. A failed statement ends no
   transaction in this protocol, so the server's state is what the client believes.
3. Plans hang on prepared statements and cursors (``prepared.py``).
4. The server's answers are read by the grammar of what was asked, and masked (``answers.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from zope.interface import classImplements

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply, SchemaChange, WaitAtMost
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.events import Effect, Side, Statement
from hoopgate.guardrails.budgets import Meter
from hoopgate.interfaces import IProtocolSession
from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.answers import Answers
from hoopgate.mysql.expected import Expected, Kind
from hoopgate.mysql.masking import Tokeniser
from hoopgate.mysql.prepared import plan_of
from hoopgate.mysql.refusals import error, refusal
from hoopgate.mysql.statements import Statements
from hoopgate.mysql.trials import Trials
from hoopgate.mysql.wire import Oversized, PacketReader, Payload, packet_count, packets
from hoopgate.verdicts import Allow, Block, Hold

#: Goes on with a command once its verdict is known.
Resume = Callable[[Decision], None]
#: (connection id, the statement only) → whether there was such a session of the same identity.
Kill = Callable[[int, bool], bool]

Message = Payload | Oversized


@final
class MysqlSession:
    """One client's session.

    :param protocol: ``mysql`` or ``mariadb``.
    :param phi: the resource holds PHI: errors and the like are scrubbed.
    :param settings: what decides the meaning of statements at the server.
    :param capabilities: agreed with the client.
    :param resource: its name, by which clients know their database.
    :param kill: carries KILL out.
    :param generation: the present generation of rules and schema; a statement judged under
        another one is judged again before it runs.
    :param confirmed: whether the generation is known to be the present one.
    :param mint: makes request ids.
    :param message_limit: bytes of a client's command; a longer one is refused.
    :param response_limit: bytes of what has to be held of an answer; more ends the session.
    :param hold_seconds: a statement that needs an approval waits so long; then it is refused with
        the request's id, and passes once when it is sent again after the approval.
    :param tokeniser: makes tokens of values; None: there are no keys.
    :param meter: counts what budgets are about.
    """

    def __init__(
        self,
        *,
        protocol: str,
        phi: bool,
        settings: Mapping[str, str],
        capabilities: int,
        resource: str,
        kill: Kill,
        generation: Callable[[], int],
        confirmed: Callable[[], bool] = lambda: True,
        mint: Callable[[], str],
        message_limit: int,
        response_limit: int,
        hold_seconds: float = 30.0,
        tokeniser: Tokeniser | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.protocol = protocol
        self.phi = phi
        self.settings = settings
        self.capabilities = capabilities
        self.databases = frozenset((resource, settings["database"]))
        self.kill = kill
        self.generation = generation
        self.confirmed = confirmed
        self.answers = Answers(
            phi=phi,
            capabilities=capabilities,
            database=settings["database"],
            limit=response_limit,
            tokeniser=tokeniser,
            meter=meter,
        )
        self._meter = meter
        self._mint = mint
        self._hold_seconds = hold_seconds
        self._reader = PacketReader(message_limit)
        self.trials = Trials(self)
        self._statements = Statements(self)
        self._message: Message | None = None
        self._resume: Resume | None = None
        self._ticket = 0
        self._decisions: list[Decision] = []
        self._actions: list[Action] = []
        self._closed = False

    # --- IProtocolSession ------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes held, both directions."""
        return self._reader.buffered + self.answers.buffered

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait for a verdict, or for an answer of the server."""
        return self._reader.buffered if self._waits else 0

    @property
    def _waits(self) -> bool:
        return self._resume is not None or self.answers.busy or self.trials.active

    def received(self, side: Side, data: bytes) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if side is Side.CLIENT:
            self._reader.feed(data)
        else:
            shown = self.answers.received(data)
            if self.answers.altered:
                self.answers.altered = False
                self._actions.append(SchemaChange(over=True))
            if shown:
                self.show(shown)
            if self.trials.active:
                self.trials.went_on()
        self._pump()
        return self._take()

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if self.trials.is_asking(ticket):
            self._decisions.append(decision)
            self.trials.decided(decision)
            return self._take()
        resume = self._resume
        if resume is None or ticket != self._ticket:
            raise LocalProtocolError("a verdict that was not asked for")
        self._resume = None
        self._decisions.append(decision)
        if isinstance(decision.verdict, Block):
            self.refuse(decision)
        else:
            resume(decision)
        self._pump()
        return self._take()

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`. There is nothing in this protocol that
        could be sent to a client that waits for an answer, so it does not wait for long; but where
        an effect waits, there is nothing to come back to."""
        if self._closed or self._resume is None or ticket != self._ticket:
            return []  # an effect among them
        return [WaitAtMost(self._hold_seconds)]

    def lost(self, side: Side) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if side is Side.CLIENT:
            self._closed = True
            return [Close("client.gone")]
        return self._end(1053, "08S01", "the database closed the connection", "backend.gone")

    def expire(self, reason: str, message: str) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        return self._end(1053, "08S01", message, reason)

    def idle(self) -> bool:
        """True when nothing runs or waits and no transaction is open."""
        return not self._waits and not self.answers.in_transaction

    # --- what the handlers of commands use -------------------------------------------------------

    def ask(self, event: Statement, resume: Resume) -> None:
        """Wait for the verdict on ``event``; a Block refuses the command, else ``resume``."""
        self._ticket += 1
        self._resume = resume
        self._actions.append(Ask(self._ticket, event))

    def ask_of(self, effect: Effect) -> int:
        """Have the verdict on ``effect``, while no command is handled; the ticket."""
        self._ticket += 1
        self._actions.append(Ask(self._ticket, effect))
        return self._ticket

    def send_own(self, text: str) -> None:
        """Have the server run ``text``, of which the client sees nothing."""
        self._forward(packets(commands.query(text.encode()), 0), b"")
        self.answers.expect(Expected(Kind.OWN))

    def show(self, data: bytes) -> None:
        """The client gets ``data``, once nothing is tried."""
        trial = self.answers.trial
        if trial is not None and trial.began:
            trial.keep(data)
        elif data:
            self._actions.append(Reply(data))

    def reply(self, payload: bytes) -> None:
        """Answer a command that was tried."""
        self._actions.append(Reply(packets(payload, self._current().after)))

    def reply_refusal(self, decision: Decision) -> None:
        """Answer a command that was tried, and may not be, with the refusal."""
        self.reply(refusal(decision))

    def fail(self, message: str) -> None:
        """End the session."""
        self._actions += self._end(1053, "08S01", message, "protocol.backend")

    def send(self, expected: Expected | None, payload: bytes | None = None) -> None:
        """Pass the command on, or ``payload`` in its place, which the log does not hold: it has
        only what the client sent."""
        message = self._current()
        received = _raw(message)
        if payload is None or payload == _content(message):
            self._forward(received, None)
            count = message.packets
        else:
            self._forward(packets(payload, 0), received, received)
            count = packet_count(len(payload))
        if expected is not None:
            expected.sent, expected.received = count, message.packets
            self.answers.expect(expected)

    def send_and_settle(self, expected: Expected, settle: bytes, answer: Expected) -> None:
        """Pass the command on, with one of the gateway's own behind it."""
        message = self._current()
        received = _raw(message)
        self._forward(received + packets(settle, 0), received)
        expected.sent = expected.received = message.packets
        self.answers.expect(expected, answer)

    def answer(self, payload: bytes, allowed: str = "") -> None:
        """Answer the command here; the server does not see it.

        :param allowed: rule that the log names; else the decision of who asked.
        """
        if allowed:
            self._decisions.append(Decision(self._mint(), Allow(allowed)))
        message = self._current()
        self._forward(b"", _raw(message))
        self._actions.append(Reply(packets(payload, message.after)))

    def drop(self) -> None:
        """Neither pass the command on nor answer it: none of its kind is answered."""
        self._forward(b"", _raw(self._current()))

    def block(self, reason: str, message: str, remedy: str) -> Decision:
        """A refusal of the session's own, for what never becomes a statement."""
        decision = Decision(self._mint(), Block("protocol", reason, message, remedy))
        self._decisions.append(decision)
        return decision

    def refuse(self, decision: Decision) -> None:
        """Answer the command with a refusal, where its kind is answered."""
        message = self._current()
        self._forward(b"", _raw(message))
        head = message.head if isinstance(message, Oversized) else message.data
        if head[0] not in commands.SILENT:
            self._actions.append(Reply(packets(refusal(decision), message.after)))

    def spend(self, decision: Decision) -> None:
        """What was decided is forwarded next: it may take of a budget."""
        plan = plan_of(decision)
        spend = None if plan is None else plan.spend
        if self._meter is not None and spend is not None and spend.predicates:
            self._meter.query()

    def alters_schema(self) -> None:
        """What is forwarded next may change the schema."""
        self._actions.append(SchemaChange(over=False))

    def quit(self) -> None:
        """The client takes its leave."""
        self.send(None)
        self._actions.append(Close("client.terminate"))
        self._closed = True

    # --- the machine -----------------------------------------------------------------------------

    def _pump(self) -> None:
        while not self._closed and not self._waits:
            try:
                message = self._reader.next()
                if message is None:
                    return
                command = commands.command(message)
            except RemoteProtocolError as error:
                # Not raised: what was answered before it is the client's all the same.
                self._actions += self._end(1156, "08S01", str(error), "protocol.client")
                return
            self._message = message
            self._statements.handle(command, self._content_of(message))

    def _content_of(self, message: Message) -> bytes:
        return message.head if isinstance(message, Oversized) else message.data

    def _current(self) -> Message:
        if self._message is None:
            raise LocalProtocolError("no command is being handled")
        return self._message

    def _forward(self, data: bytes, received: bytes | None, recorded: bytes | None = None) -> None:
        decisions, self._decisions = tuple(self._decisions), []
        self._actions.append(Forward(data, received, decisions, recorded))

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def _end(self, code: int, state: str, message: str, reason: str) -> list[Action]:
        """Tell the client as well as may be. In the middle of an answer it takes the packet for
        what ends the answer; with nothing under way, for the answer to what it asks next."""
        self._closed = True
        sequence = 0
        if self.answers.busy:
            sequence = self.answers.sequence
        elif self._resume is not None or self.trials.active:
            sequence = self._current().after
        return [Reply(packets(error(code, state, message), sequence)), Close(reason)]


# Not by a decorator: mypyc takes none.
classImplements(MysqlSession, IProtocolSession)


def _raw(message: Message) -> bytes:
    return message.head if isinstance(message, Oversized) else message.raw


def _content(message: Message) -> bytes:
    return message.head if isinstance(message, Oversized) else message.data


__all__ = ["Kill", "MysqlSession", "RemoteProtocolError"]
