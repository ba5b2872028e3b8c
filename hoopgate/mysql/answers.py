"""The server's half of a session: its answer to the one command that is under way, masked.

A command is passed on only when the answer to the one before it is complete, so there is one answer
at a time. It is read by a grammar that knows the command: whatever does not fit it ends the
session. Rows without a description that came before them are never passed on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.guardrails.budgets import Meter
from hoopgate.mysql import errors
from hoopgate.mysql.answer_stream import AnswerStream, State
from hoopgate.mysql.expected import Kind
from hoopgate.mysql.masking import Tokeniser, compile_plan, described
from hoopgate.mysql.pinned import check_variable
from hoopgate.mysql.prepared import Cursor, Prepared
from hoopgate.mysql.wire import (
    EOF,
    ERR,
    LOCAL_INFILE,
    MOST_PAYLOAD,
    OK,
    Reader,
    Status,
)
from hoopgate.mysql.wire_handshake import Capability
from hoopgate.mysql.wire_results import (
    TRACK_SCHEMA,
    TRACK_VARIABLES,
    Eof,
    Ok,
    column,
    eof_packet,
    err_packet,
    ok_packet,
    prepared,
    tracked,
)
from hoopgate.trials import Trial

_SHOWN_STATUS: Final = (
    Status.IN_TRANSACTION
    | Status.AUTOCOMMIT
    | Status.MORE_RESULTS
    | Status.CURSOR_EXISTS
    | Status.LAST_ROW_SENT
    | Status.PS_OUT_PARAMS
    | Status.IN_TRANSACTION_READONLY
)


class Answers(AnswerStream):
    """Turns the server's bytes into the client's.

    :param phi: the resource holds PHI: errors, counts of warnings and the like are scrubbed.
    :param capabilities: agreed with the client; the server has them and session tracking.
    :param database: the one database that the session may be in.
    :param limit: bytes of a payload that has to be held at most.
    :ivar trial: the statement that is tried (``trials.py``).
    :ivar own_error: what the server has answered to the gateway's own command: an ERR, or nothing.
    :ivar altered: what may have changed the schema has taken effect; to be taken back.
    """

    def __init__(
        self,
        *,
        phi: bool,
        capabilities: int,
        database: str,
        limit: int,
        tokeniser: Tokeniser | None = None,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(limit, meter)
        self._phi = phi
        self._no_eof = bool(capabilities & Capability.DEPRECATE_EOF)
        self._extended = bool(capabilities & Capability.EXTENDED_TYPES)
        self._database = database.encode()
        self._tokeniser = tokeniser
        self._left = 0
        self._after = 0  # definitions that follow those of a statement's parameters
        self.statements: dict[int, Prepared] = {}
        self.prepared_size = 0  # characters of their texts
        self.last_prepared: Prepared | None = None
        self.altered = False
        self.trial: Trial | None = None
        self.own_error = b""

    # --- one payload -----------------------------------------------------------------------------

    def _payload(self, payload: bytes, out: list[bytes]) -> None:
        state = self._state
        if not payload:
            raise RemoteProtocolError("an empty packet from the server")
        if state is State.ROWS:
            self._in_rows(payload, out)
        elif state is State.FIRST:
            self._first(payload, out)
        elif state is State.COLUMNS:
            self._column(payload, out)
        elif state is State.PARAMETERS:
            self._parameter(payload, out)
        else:
            self._marker(payload, out)

    def _first(self, payload: bytes, out: list[bytes]) -> None:
        head = self._due[0]
        kind, first = head.kind, payload[0]
        if first == ERR:
            self._error(payload, out)
        elif kind is Kind.STRING:
            self._emit(payload, out)
            self._finish()
        elif kind is Kind.COLUMNS:
            if first == EOF and len(payload) < MOST_PAYLOAD:
                self._ended(payload, out)
            else:
                self._listed(payload, out)
        elif kind is Kind.PREPARE:
            self._prepared(payload, out)
        elif first == OK:
            self._ok(payload, out)
        elif kind not in (Kind.TEXT, Kind.BINARY):
            raise RemoteProtocolError("the server sent a result where none was due")
        elif first == LOCAL_INFILE:
            raise RemoteProtocolError("the server asks for a file of the client's")
        else:
            self._result(payload, out)

    def _result(self, payload: bytes, out: list[bytes]) -> None:
        head = self._due[0]
        reader = Reader(payload)
        count = reader.lenenc()
        reader.end()
        if not 0 < count <= 4096:
            raise RemoteProtocolError("a result with an impossible number of columns")
        head.results += 1
        if head.plan is not None:
            if head.results > 1:
                raise RemoteProtocolError("a second result where one was judged")
            if count != len(head.plan.columns):
                raise RemoteProtocolError(
                    "a result does not have the columns its plan was made for"
                )
        self._columns = []
        self._left = count
        self._state = State.COLUMNS
        self._emit(payload, out)

    def _column(self, payload: bytes, out: list[bytes]) -> None:
        head = self._due[0]
        found = column(payload, extended=self._extended)
        index = len(self._columns)
        self._columns.append(found)
        self._left -= 1
        plan = head.plan
        if plan is None:
            self._emit(payload, out)
        else:
            if plan.names and plan.names[index].encode() != found.name:
                raise RemoteProtocolError(
                    "a result does not have the columns its plan was made for"
                )
            mask = plan.columns[index]
            shown = payload
            if mask is not None:
                shown = described(found, mask, self._tokeniser).encode()
            self._emit(shown, out)
        if self._left:
            return
        if head.kind is Kind.PREPARE:
            self._state = State.AFTER_COLUMNS
            if self._no_eof:
                self._finish()
        elif self._no_eof:
            self._rows_begin()
        else:
            self._state = State.AFTER_COLUMNS

    def _rows_begin(self) -> None:
        head = self._due[0]
        self._masker = None
        if head.plan is not None:
            self._masker = compile_plan(head.plan, self._columns, self._binary, self._tokeniser)
            self._spend = head.plan.spend
        if head.prepared is not None:
            head.prepared.cursor = Cursor(self._masker, self._spend)
        self._state = State.ROWS

    def _marker(self, payload: bytes, out: list[bytes]) -> None:
        """The EOF behind definitions, where EOFs were agreed. Where a cursor was wanted, MySQL may
        find only now that there will be no rows."""
        if payload[0] == ERR and self._due[0].kind is Kind.BINARY:
            self._error(payload, out)
            return
        found = eof_packet(payload)
        self._emit(self._shown_eof(found), out)
        kind = self._due[0].kind
        if self._state is State.AFTER_PARAMETERS:
            self._after_parameters()
        elif kind is Kind.PREPARE:
            self._finish()
        else:
            self._rows_begin()
            if kind is Kind.BINARY and found.status & Status.CURSOR_EXISTS:
                self._status(found.status)
                self._finish()

    def _in_rows(self, payload: bytes, out: list[bytes]) -> None:
        first = payload[0]
        if first == ERR:
            self._error(payload, out)
        elif first == EOF and len(payload) < MOST_PAYLOAD:
            self._ended(payload, out)
        elif self._masker is not None:
            self._emit(self._masker.row(payload), out)
            if self._spend is not None and self._meter is not None:
                # Of one so large it is not looked up whom it is about.
                self._meter.rows(self._spend, 1, None)
        else:
            self._emit(payload, out)

    def _ended(self, payload: bytes, out: list[bytes]) -> None:
        """The end of a result: an EOF, or an OK with its header."""
        if self._no_eof:
            self._ok(payload, out)
            return
        found = eof_packet(payload)
        self._emit(self._shown_eof(found), out)
        self._result_over(found.status)

    def _ok(self, payload: bytes, out: list[bytes]) -> None:
        found = ok_packet(payload, tracking=True)
        self._track(found.changes)
        trial = self.trial
        if trial is not None and trial.began and not self._due[0].results:
            trial.affected = found.affected  # a result has its rows, and no such number
        shown = Ok(
            found.affected,
            found.last_insert_id,
            self._shown_status(found.status),
            0 if self._phi else found.warnings,
            b"" if self._phi else found.info,
            header=found.header,
        )
        self._emit(shown.encode(), out)
        if self._due[0].resets:
            self.statements.clear()
            self.prepared_size = 0
            self.last_prepared = None
        self._result_over(found.status)

    def _result_over(self, status: int) -> None:
        self._status(status)
        if status & Status.MORE_RESULTS:
            if self._due[0].kind not in (Kind.TEXT, Kind.BINARY):
                raise RemoteProtocolError("the server has more results where none were due")
            self._state = State.FIRST
        else:
            self._finish()

    def _error(self, payload: bytes, out: list[bytes]) -> None:
        found = err_packet(payload)
        if self._due[0].kind is Kind.INTERNAL:
            raise RemoteProtocolError("the server refused the settings of a session")
        if self.trial is not None and self.trial.began:
            self.trial.failed = True
        if self._due[0].kind is Kind.OWN:
            self.own_error = (errors.scrub(found) if self._phi else found).encode()
        self._emit((errors.scrub(found) if self._phi else found).encode(), out)
        if len(self._due) > 1:  # what the gateway would have asked next is answered, too
            raise RemoteProtocolError("the server refused to reset its session")
        self._finish()

    def _finish(self) -> None:
        head = self._due.pop(0)
        if head.alters:
            self.altered = True
        self._masker = None
        self._state = State.IDLE
        if self._due:
            self._begin()

    # --- what is only looked at ------------------------------------------------------------------

    def _status(self, status: int) -> None:
        self.status = status

    def _shown_status(self, status: int) -> int:
        if self.trial is not None:  # the client knows of no transaction
            status &= ~Status.IN_TRANSACTION
        return status & _SHOWN_STATUS if self._phi else status & ~Status.SESSION_STATE_CHANGED

    def _shown_eof(self, found: Eof) -> bytes:
        return Eof(0 if self._phi else found.warnings, self._shown_status(found.status)).encode()

    def _track(self, changes: bytes) -> None:
        """What must not change during a session (PROTOCOLS B17): the database it is in, and on a
        resource that holds PHI how text is read."""
        if not changes:
            return
        for kind, values in tracked(changes):
            if kind == TRACK_SCHEMA:
                if values and values[0] != self._database:
                    raise RemoteProtocolError("the session was moved to another database")
            elif kind == TRACK_VARIABLES and self._phi:
                for name, value in zip(values[::2], values[1::2], strict=False):
                    check_variable(name, value)

    # --- prepared statements ---------------------------------------------------------------------

    def _prepared(self, payload: bytes, out: list[bytes]) -> None:
        head = self._due[0]
        assert head.made is not None
        found = prepared(payload)
        if head.plan is not None and found.columns != len(head.plan.columns):
            raise RemoteProtocolError("a result does not have the columns its plan was made for")
        made = head.made(found.statement, found.parameters)
        self.statements[found.statement] = self.last_prepared = made
        self.prepared_size += made.size
        if self._phi:
            found = replace(found, warnings=0)
        self._emit(found.encode(), out)
        self._after, self._left = found.columns, found.parameters
        if found.parameters:
            self._state = State.PARAMETERS
        else:
            self._after_parameters()

    def _parameter(self, payload: bytes, out: list[bytes]) -> None:
        column(payload, extended=self._extended)
        self._emit(payload, out)
        self._left -= 1
        if self._left:
            return
        if self._no_eof:
            self._after_parameters()
        else:
            self._state = State.AFTER_PARAMETERS

    def _after_parameters(self) -> None:
        self._left = self._after
        if self._left:
            self._state = State.COLUMNS
        else:
            self._finish()

    # --- COM_FIELD_LIST --------------------------------------------------------------------------

    def _listed(self, payload: bytes, out: list[bytes]) -> None:
        found = column(payload, extended=self._extended, listed=True)
        if self._phi:
            # A default is a value, and may be one of a person's (PROTOCOLS B10).
            found = replace(found, default=b"\xfb")
        self._emit(found.encode(), out)
