"""The server's half of a session: its answers matched to what was asked of it, masked, passed on.

Rules (PostgreSQL manual, 55.2 Message Flow):

1. Every message forwarded to the server that will be answered is *expected* here, in order.
2. Query and Sync each end with one ReadyForQuery; an error skips the expected answers up to it.
3. A refused message was replaced on its way by one that must fail (see ``requests.py``), so its
   answer is an ErrorResponse in exactly the right place; the gateway's own takes its place.
4. A result whose shape is not the one its plan was made for ends the session: nothing of it leaves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.guardrails.budgets import Meter
from hoopgate.plans import MaskPlan, Spend
from hoopgate.postgres import errors, wire
from hoopgate.postgres.copy import CopyMasker
from hoopgate.postgres.dates import ISO
from hoopgate.postgres.expected import Expected, Kind, Run
from hoopgate.postgres.kernels import bounded, column_values, count_messages
from hoopgate.postgres.long_rows import LongRow
from hoopgate.postgres.masking import RowMasker, Tokeniser, compile_plan, described
from hoopgate.postgres.names import Names
from hoopgate.trials import Trial

#: ParameterStatus a client may be told of on a resource that holds PHI: a value set by
#: set_config() could carry data.
REPORTED = frozenset(
    {
        b"server_version",
        b"server_encoding",
        b"client_encoding",
        b"DateStyle",
        b"IntervalStyle",
        b"TimeZone",
        b"integer_datetimes",
        b"standard_conforming_strings",
        b"is_superuser",
        b"in_hot_standby",
        b"default_transaction_read_only",
        b"scram_iterations",
    }
)

_PARSE_COMPLETE: Final = ord("1")
_BIND_COMPLETE: Final = ord("2")
_CLOSE_COMPLETE: Final = ord("3")
_ROW_DESCRIPTION: Final = ord("T")
_DATA_ROW: Final = ord("D")
_COMMAND_COMPLETE: Final = ord("C")
_COPY_DATA: Final = ord("d")
_READY: Final = ord("Z")
#: Notices, notifications and parameters come by themselves.
_UNASKED: Final = frozenset(b"NAS")
#: Seconds in which a statement that waits for nothing begins to be answered.
_MOMENT: Final = 0.25
_TOO_LONG: Final = b"enlargeStringInfo"  #: stringinfo.c: where a message grows above 1 GB


@final
class Answers:
    """Turns the server's bytes into the client's.

    :ivar copying_in: the server waits for the client's CopyData.
    :ivar discarding: the server discards everything up to a Sync that was not sent yet.
    :ivar status: transaction status of the last ReadyForQuery: ``I``, ``T`` or ``E``.
    :ivar altering: the schema may have been changed by a transaction that has not ended.
    :ivar altered: that transaction has ended; for the session to see and take back.
    :ivar trial: the statement that is tried (``trials.py``).
    :ivar style: the session's DateStyle, as the server has reported it.
    :ivar stamp: of now.
    :ivar doubted: the statement whose answer waits until it is vouched for.
    :ivar ran_in: number of the last stretch up to a Sync or Query in which something has run.
    """

    def __init__(
        self,
        names: Names,
        phi: bool,
        message_limit: int,
        tokeniser: Tokeniser | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._names = names
        self._phi = phi
        self._tokeniser = tokeniser
        self._meter = meter
        self._spend: Spend | None = None  # of the rows that come
        self._reader = wire.BackendReader(message_limit, long_rows=True)
        self._limit = message_limit
        self._long: LongRow | None = None  # in the middle of a row above the limit
        self._masker: RowMasker | None = None
        self._described = False  # the rows of a Query may come
        self._copy: CopyMasker | None = None
        self._copying_out = False
        self.expected: deque[Expected] = deque()
        self.copying_in = False
        self.discarding = False
        self.status = b"I"
        self.altering = False
        self.altered = False
        self.trial: Trial | None = None
        self.ran_in = -1
        self.stamp = 0.0
        self.doubted: Run | None = None
        self.style = ISO
        self._turn = b""  # the gateway's own command that has just been done
        self._free: list[bytes] = []  # shown ahead of what a trial keeps

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._reader.buffered + (self._long.held if self._long is not None else 0)

    def received(self, data: bytes) -> bytes:
        """The server's bytes arrived; the bytes for the client.

        :raises RemoteProtocolError: the server broke the protocol, or a result does not fit its
            plan. Nothing that was not masked is in the exception.
        """
        reader = self._reader
        reader.feed(data)
        out: list[bytes] = []
        try:
            self._walk(out)
        except LimitExceeded as error:
            # What came before the row is out, whatever it was read together with.
            shown = b"".join((*out, error.shown, reader.kept()))
            raise LimitExceeded(str(error), b"" if self._keeps() else shown) from None
        rest = reader.kept()
        if self.trial is not None and self.trial.began:
            self.trial.keep(b"".join((*out, rest)))
            free = b"".join(self._free)
            self._free.clear()
            return free
        if not out:
            return rest
        out.append(rest)
        return b"".join(out)

    def _walk(self, out: list[bytes]) -> None:
        """The messages that are whole, one by one, and what there is of a long row."""
        reader = self._reader
        while self._row_whole(out) and self._ready(out):
            kind = reader.kind
            if self._doubtful(kind):
                return
            if kind == _DATA_ROW:
                self._rows_expected()
                masker = self._masker
                if masker is None:
                    reader.keep_run()
                else:
                    out.append(reader.kept())
                    rows = reader.take_run()
                    out.append(masker.rewrite(rows))
                    if self._spend is not None:
                        self._spent(rows, self._spend)
            elif kind == _COPY_DATA:
                copy = self._copy
                if not self._copying_out:
                    raise RemoteProtocolError("the server sent CopyData where none was due")
                if copy is None:
                    reader.keep_run()
                else:
                    out.append(reader.kept())
                    rows = reader.take_run()
                    out.append(bounded(copy.data(rows), self._limit // 2))
                    if self._spend is not None and self._meter is not None:
                        self._meter.rows(self._spend, count_messages(rows), None)
            else:
                shown = self._answer(kind)
                if shown is None:
                    reader.keep()
                else:
                    out.append(reader.kept())
                    out.append(shown)
                    reader.drop()
                if self._turn:
                    self._turned(out)

    def _ready(self, out: list[bytes]) -> bool:
        """Whether a message is whole; a row above the limit is begun."""
        if self._reader.ready():
            return True
        if not self._reader.long or self._doubtful(_DATA_ROW):
            return False
        out.append(self._reader.kept())
        self._rows_expected()
        if self._masker is None:
            raise LimitExceeded("a message of the server is above the limit")
        self._long = LongRow(self._reader.long, self._masker.unseen, self._limit)
        self._reader.begin_long()
        return self._row_whole(out) and self._ready(out)

    def _doubtful(self, kind: int) -> bool:
        """Whether this is the first of an answer and what was judged may be another statement:
        either a while ago, or while somebody was changing the schema."""
        if not self.expected or kind in _UNASKED:
            return False
        run = self.expected[0].doubtful
        if run is None:
            return False
        if run.stamp >= 0.0 and 0.0 <= self.stamp - run.stamp < _MOMENT:
            run.doubt = None
            return False
        self.doubted = run
        return True

    def _row_whole(self, out: list[bytes]) -> bool:
        """False in the middle of a long row."""
        row = self._long
        if row is None:
            return True
        row.feed(self._reader.piece(row.left))
        if row.left:
            return False
        self._long = None
        message = row.whole(_DATA_ROW)
        assert self._masker is not None
        out.append(self._masker.rewrite(message))
        if self._spend is not None:
            self._spent(message, self._spend)
        return True

    # --- a trial --------------------------------------------------------------------------------

    def _turned(self, out: list[bytes]) -> None:
        """A trial's transaction has begun or ended."""
        turn, self._turn = self._turn, b""
        trial = self.trial
        if trial is None or turn == b"SET":
            return
        if turn == b"BEGIN":
            trial.began = True
            self._free.extend(out)
            out.clear()
            return
        if trial.began:
            out[:0] = [*self._free, trial.release()]
            self._free.clear()
        self.trial = None

    def _own_answer(self, kind: int, head: Expected) -> bytes | None:
        """The answer to what the gateway has asked itself; empty: the client sees nothing."""
        if kind == _COMMAND_COMPLETE and head.kind is Kind.EXECUTE:
            tag = wire.command_tag(self._reader.message())
            if tag != head.own:  # COMMIT of what has failed is a ROLLBACK
                raise RemoteProtocolError("the server has not done what the gateway asked it")
            self._turn = head.own
        elif kind == _READY and head.kind is Kind.SYNC:
            self.status = wire.transaction_status(self._reader.message())
        elif kind != _OWN.get(head.kind):
            return self._rare(kind)
        self.expected.popleft()
        return b""

    def _keeps(self) -> bool:
        return self.trial is not None and self.trial.began

    def _spent(self, rows: bytes, spend: Spend) -> None:
        """Rows that were masked go out: count whom they are about."""
        if self._meter is None:
            return
        patients = None if spend.patient < 0 else column_values(rows, spend.patient)
        count = count_messages(rows) if patients is None else len(patients)
        self._meter.rows(spend, count, patients)

    # --- one message: None passes it on as it is ------------------------------------------------

    def _answer(self, kind: int) -> bytes | None:
        if self.expected and self.expected[0].own:
            return self._own_answer(kind, self.expected[0])
        if kind == _READY:
            self._on_ready()
            return b"" if self._keeps() else None
        if kind == _COMMAND_COMPLETE:
            return self._on_command_complete()
        if kind == _BIND_COMPLETE:
            self._complete(Kind.BIND)
            return None
        if kind == _ROW_DESCRIPTION:
            return self._on_row_description()
        if kind == _PARSE_COMPLETE:
            self._complete(Kind.PARSE)
            return None
        if kind == _CLOSE_COMPLETE:
            self._complete(Kind.CLOSE)
            return None
        return self._rare(kind)

    def _rare(self, kind: int) -> bytes | None:
        handler = _HANDLERS.get(kind)
        if handler is None:
            raise RemoteProtocolError(f"unexpected message {kind:#04x} from the server")
        return handler(self)

    def _head(self) -> Expected:
        if not self.expected:
            raise RemoteProtocolError("the server answered something that was not asked")
        return self.expected[0]

    def _running(self) -> Expected:
        head = self._head()
        if (head.kind is not Kind.EXECUTE and head.kind is not Kind.QUERY) or head.failed:
            raise RemoteProtocolError("the server sent a result where none was due")
        if head.refusal is not None:
            raise RemoteProtocolError("the server ran what was refused")
        return head

    def _rows_expected(self) -> None:
        """Rows need a masker made from the plan; in a Query it is made at RowDescription."""
        head = self._running()
        if head.kind is Kind.QUERY:
            if not self._described:
                raise RemoteProtocolError("the server sent rows that it did not describe")
        elif self._masker is None:
            self._make_masker(head.run)

    def _make_masker(self, run: Run) -> None:
        plan = run.plan
        self._masker = None
        self._spend = None
        if plan is not None and plan.masks:
            self._masker = compile_plan(plan, run.formats, self._tokeniser, self.style)
            self._spend = plan.spend

    def _complete(self, kind: Kind) -> None:
        head = self._head()
        if head.kind is not kind:
            raise RemoteProtocolError("the server's answers are out of order")
        if head.refusal is not None:
            raise RemoteProtocolError("the server accepted what was refused")
        self.expected.popleft()
        if head.change is not None:
            self._names.settle(head.change)

    def _on_parameter_description(self) -> None:
        if self._head().kind is not Kind.DESCRIBE_STATEMENT:
            raise RemoteProtocolError("the server's answers are out of order")

    def _on_no_data(self) -> None:
        head = self._head()
        if head.kind not in (Kind.DESCRIBE_STATEMENT, Kind.DESCRIBE_PORTAL):
            raise RemoteProtocolError("the server's answers are out of order")
        self.expected.popleft()

    def _on_row_description(self) -> bytes | None:
        head = self._head()
        if head.kind is Kind.DESCRIBE_PORTAL or head.kind is Kind.DESCRIBE_STATEMENT:
            try:
                shown = self._as_planned(head.plan)
            except RemoteProtocolError:
                if not head.named:
                    raise
                shown = None  # what it names has other columns now, and will not run
            self.expected.popleft()
            return shown
        run = self._running().run
        shown = self._as_planned(run.plan)
        if run.plan is not None and run.plan.masks:
            # a FETCH from a BINARY cursor answers a simple query in binary
            run.formats = tuple(
                column.format for column in wire.row_description(self._reader.message())
            )
        self._make_masker(run)
        self._described = True
        return shown

    def _as_planned(self, plan: MaskPlan | None) -> bytes | None:
        """Fail closed when a result is not the one that the plan was made for."""
        if plan is None or not plan.masks:
            return None
        return described(self._reader.message(), plan, self._tokeniser is not None)

    def _result_ended(self) -> None:
        self._masker = None
        self._described = False
        self._copy = None
        self._copying_out = False
        self.copying_in = False

    def _on_command_complete(self) -> bytes | None:
        head = self._running()
        run = head.finish_run()
        if self.trial is not None:
            count = wire.command_tag(self._reader.message()).rpartition(b" ")[2]
            self.trial.affected = int(count) if count.isdigit() else 0
        tail = b"" if self._copy is None else self._copy.finish()
        self._result_ended()
        if run.change is not None:
            self._names.settle(run.change)
        if head.kind is Kind.EXECUTE:
            self.expected.popleft()
        return tail + self._reader.message() if tail else None

    def _on_portal_suspended(self) -> None:
        head = self._running()
        if head.kind is not Kind.EXECUTE:
            raise RemoteProtocolError("the server suspended a portal that was not executed")
        self._masker = None
        self.expected.popleft()

    def _on_empty_query(self) -> None:
        head = self._running()
        if head.kind is Kind.EXECUTE:
            self.expected.popleft()

    def _on_copy_in(self) -> None:
        self._running()
        self.copying_in = True

    def _on_copy_out(self) -> None:
        run = self._running().run
        self._copying_out = True
        if run.plan is not None and run.plan.masks:
            binary, columns = wire.copy_response(self._reader.message())
            if len(columns) != len(run.plan.columns):
                raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
            form = "binary" if binary else run.copy_options.get("format", "text").lower()
            try:
                options = run.copy_options
                self._copy = CopyMasker(run.plan, form, options, self._tokeniser, style=self.style)
                self._spend = run.plan.spend
            except ValueError:  # an option that the masker cannot follow was let through
                raise RemoteProtocolError("a COPY in a format that cannot be masked") from None

    def _on_copy_done(self) -> bytes | None:
        self._running()
        tail = b"" if self._copy is None else self._copy.finish()
        self._copy = None
        self._copying_out = False
        return tail + self._reader.message() if tail else None

    def _on_error(self) -> bytes | None:
        self._too_long()
        self._result_ended()
        shown = self._scrubbed()
        if self.trial is not None:
            if not self.expected or self.trial.ending:
                self.trial.drop()
                self._turn = b"ERROR"
            else:
                self.trial.failed = True
        if not self.expected:
            return shown  # FATAL ahead of a close: an administrator's shutdown, a time-out
        head = self.expected[0]
        if head.refusal is not None:
            shown = head.refusal
        if head.kind is Kind.QUERY:
            head.failed = True
            self._forget(head)
            return shown
        while self.expected and self.expected[0].kind is not Kind.SYNC:
            self._forget(self.expected.popleft())
        self.discarding = not self.expected
        return shown

    def _too_long(self) -> None:
        """A row with masked columns above the server's own limit ends as one above ours does."""
        masked = self._masker is not None or self._copy is not None
        head = self.expected[0] if self.expected else None
        if not masked and head is not None and head.kind is Kind.EXECUTE and head.runs:
            plan = head.run.plan
            masked = plan is not None and bool(plan.masks)
        if masked and wire.error_fields(self._reader.message()).get(b"R") == _TOO_LONG:
            raise LimitExceeded("a message of the server is above the limit")

    def _forget(self, expected: Expected) -> None:
        for change in expected.changes():
            self._names.abort(change)

    def _on_ready(self) -> None:
        head = self._head()
        if head.kind is Kind.QUERY:
            if head.refusal is not None and not head.failed:
                raise RemoteProtocolError("the server accepted what was refused")
            if not head.failed:
                self._forget(head)  # an empty statement list completes nothing
        elif head.kind is not Kind.SYNC:
            raise RemoteProtocolError("the server became ready before it answered")
        self.expected.popleft()
        self._result_ended()
        self.status = wire.transaction_status(self._reader.message())
        if self.status == b"I":
            self._names.transaction_ended()
            if self.altering:
                self.altering = any(run.alters for due in self.expected for run in due.runs)
                self.altered = not self.altering

    def _scrubbed(self) -> bytes | None:
        """An error, a notice or a notification as the client may see it."""
        return errors.scrub(self._reader.message()) if self._phi else None

    def _on_parameter_status(self) -> bytes | None:
        name, value = wire.parameter_status_fields(self._reader.message())
        if name == b"DateStyle":
            self.style = value
        pinned = _PINNED.get(name)
        if pinned is not None and value not in pinned:
            raise RemoteProtocolError("a pinned session parameter was changed")
        return None if not self._phi or name in REPORTED else b""


#: Settings that change how text is read: judged statements rely on them (PROTOCOLS "State").
_PINNED = {b"client_encoding": (b"UTF8",), b"standard_conforming_strings": (b"on",)}

#: What completes the gateway's own messages.
_OWN: Final = {
    Kind.PARSE: _PARSE_COMPLETE,
    Kind.BIND: _BIND_COMPLETE,
    Kind.CLOSE: _CLOSE_COMPLETE,
}

#: What does not come with every statement.
_HANDLERS: dict[int, Callable[[Answers], bytes | None]] = {
    ord("t"): Answers._on_parameter_description,
    ord("n"): Answers._on_no_data,
    ord("s"): Answers._on_portal_suspended,
    ord("I"): Answers._on_empty_query,
    ord("G"): Answers._on_copy_in,
    ord("H"): Answers._on_copy_out,
    ord("c"): Answers._on_copy_done,
    ord("E"): Answers._on_error,
    ord("N"): Answers._scrubbed,
    ord("A"): Answers._scrubbed,
    ord("S"): Answers._on_parameter_status,
}
