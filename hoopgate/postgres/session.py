"""A PostgreSQL session after login, sans-I/O: the rooms of both halves put together.

1. What is forwarded was judged: Query, Parse and, where an approval is needed or the rules have
   changed, Execute ask and wait (``simple.py``, ``extended.py``).
2. A refusal keeps the protocol in step (``requests.py``).
3. Plans hang on statements and portals (``names.py``, ``planning.py``).
4. The server's answers are matched, held against their plans and masked (``answers.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from zope.interface import classImplements

from hoopgate.actions import Action, Close, Decision, Reply, SchemaChange
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Side
from hoopgate.guardrails.budgets import Meter
from hoopgate.interfaces import IDoubtingSession
from hoopgate.postgres import wire
from hoopgate.postgres.answers import Answers
from hoopgate.postgres.dates import ISO
from hoopgate.postgres.extended import ExtendedQuery
from hoopgate.postgres.masking import Tokeniser
from hoopgate.postgres.names import Names, Unsettled
from hoopgate.postgres.planning import Planner
from hoopgate.postgres.refusals import fatal, hold_notice
from hoopgate.postgres.requests import Handler, Message, Requests
from hoopgate.postgres.simple import SimpleQuery
from hoopgate.postgres.trials import Trials
from hoopgate.postgres.wire import Bind, Describe, Execute, Parse, Query, Sync
from hoopgate.verdicts import Hold


@final
class PostgresSession(Handler):
    """One client's session.

    :param phi: the resource holds PHI: errors, notices and notifications are scrubbed.
    :param settings: what decides the meaning of names at the server: ``search_path``.
    :param generation: the present generation of rules and schema; a statement judged under
        another one is judged again before it runs.
    :param confirmed: whether the generation is known to be the present one.
    :param mint: makes request ids.
    :param stamp: see :class:`hoopgate.interfaces.IStatementResolver`.
    :param message_limit: bytes of a client's message; a longer one is refused.
    :param response_limit: bytes of a server's message; a longer one ends the session.
    :param meter: counts what budgets are about.
    :param tokeniser: makes the tokens of columns that come as tokens; None: constants.
    :param style: the DateStyle that the session begins with.
    """

    def __init__(
        self,
        *,
        phi: bool,
        settings: dict[str, str],
        generation: Callable[[], int],
        confirmed: Callable[[], bool] = lambda: True,
        mint: Callable[[], str],
        stamp: Callable[[], float] = lambda: 0.0,
        message_limit: int,
        response_limit: int,
        tokeniser: Tokeniser | None = None,
        meter: Meter | None = None,
        style: bytes = ISO,
    ) -> None:
        names = Names()
        planner = Planner(names, settings, generation, confirmed, phi=phi)
        self._answers = Answers(names, phi, response_limit, tokeniser, meter)
        self._answers.style = style
        self._stamp = stamp
        self._kept: list[bytes] = []  # of the server's, while an answer is to be vouched for
        self._requests = Requests(
            self._answers, self, mint, generation, stamp, message_limit, meter
        )
        self._trials = Trials(self._requests, self._answers)
        self._simple = SimpleQuery(self._requests, names, planner, settings, self._trials)
        self._extended = ExtendedQuery(self._requests, names, planner, settings, self._trials)
        self._closed = False

    # --- IProtocolSession -------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes held, both directions."""
        kept = sum(map(len, self._kept))
        return self._requests.buffered + self._answers.buffered + kept

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait for a verdict, or for an answer of the server."""
        return self._requests.read_ahead

    def received(self, side: Side, data: bytes) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if side is Side.CLIENT:
            self._requests.received(data)
        elif self._answers.doubted is not None:
            self._kept.append(data)
        else:
            self._answered(data)
        return self._take()

    def _answered(self, data: bytes) -> None:
        self._answers.stamp = self._stamp()
        shown = self._answers.received(data)
        if self._answers.altered:
            self._answers.altered = False
            self._requests.actions.append(SchemaChange(over=True))
        if shown:
            self._requests.actions.append(Reply(shown))
        run = self._answers.doubted
        if run is not None and run.doubt is not None:
            self._requests.actions.append(run.doubt)
        if self._trials.active:
            self._trials.went_on()
        if self._requests.stalled:
            self._requests.pump()

    def vouched(self) -> list[Action]:
        """See :class:`hoopgate.interfaces.IDoubtingSession`."""
        run = self._answers.doubted
        if self._closed or run is None:
            return []
        run.doubt = self._answers.doubted = None
        data = b"".join(self._kept)
        self._kept.clear()
        self._answered(data)
        return self._take()

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if self._trials.is_asking(ticket):
            self._trials.decided(decision)
        else:
            self._requests.decided(ticket, decision)
        return self._take()

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed or not (self._requests.is_asking(ticket) or self._trials.is_asking(ticket)):
            return []
        return [Reply(hold_notice(request_id, hold))]

    def lost(self, side: Side) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        self._closed = True
        if side is Side.CLIENT:
            return [Close("client.gone")]
        return [
            Reply(fatal("08006", "the database closed the connection", hint="Connect again.")),
            Close("backend.gone"),
        ]

    def expire(self, reason: str, message: str) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        self._closed = True
        return [Reply(fatal("57P01", message)), Close(reason)]

    def idle(self) -> bool:
        """True when nothing runs or waits and no transaction is open."""
        return (
            not self._requests.waiting
            and not self._trials.active
            and not self._answers.expected
            and self._answers.status == b"I"
        )

    # --- the client's messages --------------------------------------------------------------------

    def _take(self) -> list[Action]:
        actions = self._requests.actions
        if not actions:
            return []
        self._requests.actions = []
        return actions

    def handle(self, message: Message) -> None:
        """See :class:`hoopgate.postgres.requests.Handler`."""
        if self._closed:
            return
        if self._answers.copying_in:
            self._in_copy(message)
            return
        if self._trials.pending:
            self._trials.follows(message)
        if self._trials.active:
            raise Unsettled
        if isinstance(message, Sync):
            self._extended.sync(message)
        elif isinstance(message, wire.Terminate):
            self._terminate(message)
        elif self._requests.discarding:
            self._requests.drop(message)
        elif isinstance(message, Bind):
            self._extended.bind(message)
        elif isinstance(message, Execute):
            self._extended.execute(message)
        elif isinstance(message, Describe):
            self._extended.describe(message)
        elif isinstance(message, Query):
            self._simple.query(message)
        elif isinstance(message, Parse):
            self._extended.parse(message)
        else:
            self._handle_rare(message)

    def _handle_rare(self, message: Message) -> None:
        match message:
            case wire.CloseMessage():
                self._extended.close(message)
            case wire.Flush():
                self._extended.flush(message)
            case wire.CopyData() | wire.CopyDone() | wire.CopyFail():
                # What a client still sends after its COPY has failed; the server ignores it too.
                self._requests.drop(message)
            case wire.FunctionCall():
                self._simple.function_call(message)
            case wire.Oversized() | wire.Malformed():
                self._unfit(message)
            case _:
                raise RemoteProtocolError("a message out of state from the client")

    def _in_copy(self, message: Message) -> None:
        """COPY FROM STDIN: the server ignores Sync and Flush until CopyDone or CopyFail."""
        match message:
            case wire.CopyData():
                self._requests.forward(message)
            case wire.CopyDone() | wire.CopyFail():
                self._requests.forward(message)
                self._answers.copying_in = False
                self._requests.flush()
            case wire.Sync() | wire.Flush():
                self._requests.drop(message)
            case wire.Oversized() | wire.Malformed():
                self._requests.refuse_copy(message, self._unfit_decision(message))
            case wire.Terminate():
                self._terminate(message)
            case _:
                raise RemoteProtocolError("a message out of state during COPY from the client")

    def _unfit(self, message: wire.Oversized | wire.Malformed) -> None:
        if message.type in b"QF":
            self._requests.refuse_query(message, self._unfit_decision(message))
        elif message.type in b"PBDEC":
            self._requests.refuse_extended(message, self._unfit_decision(message))
        elif message.type in b"dcf":
            self._requests.drop(message)
        else:
            raise RemoteProtocolError("a malformed message from the client")

    def _unfit_decision(self, message: wire.Oversized | wire.Malformed) -> Decision:
        if isinstance(message, wire.Oversized):
            return self._requests.block(
                "message.size",
                f"A message of {message.size} bytes is above the limit.",
                "Send less in one message; the limit is limits.message_size.",
            )
        return self._requests.block(
            "message.malformed", f"A message is not well formed: {message.why}.", "Fix the client."
        )

    def _terminate(self, message: wire.Terminate) -> None:
        self._requests.forward(message)
        self._requests.flush()
        self._requests.actions.append(Close("client.terminate"))
        self._closed = True


# No decorator: mypyc makes a decorated class slow.
classImplements(PostgresSession, IDoubtingSession)
