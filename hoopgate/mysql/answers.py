"""The server's half of a session: its answer to the one command that is under way, masked.

A command is passed on only when the answer to the one before it is complete, so there is one answer
at a time. It is read by a grammar that knows the command: whatever does not fit it ends the
session. Rows without a description that came before them are never passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.guardrails.budgets import Meter
from hoopgate.mysql import errors
from hoopgate.mysql.kernels import renumber, run_end
from hoopgate.mysql.masking import RowMasker, Tokeniser, compile_plan, described
from hoopgate.mysql.prepared import Cursor, Prepared
from hoopgate.mysql.wire import (
    EOF,
    ERR,
    HEADER,
    LOCAL_INFILE,
    MOST_PAYLOAD,
    OK,
    Reader,
    Status,
    packet_count,
    packets,
)
from hoopgate.mysql.wire_handshake import Capability
from hoopgate.mysql.wire_results import (
    TRACK_SCHEMA,
    TRACK_VARIABLES,
    Column,
    Eof,
    Ok,
    column,
    eof_packet,
    err_packet,
    ok_packet,
    prepared,
    tracked,
)
from hoopgate.plans import MaskPlan, Spend
from hoopgate.trials import Trial


class Kind(Enum):
    """What an answer consists of."""

    OK = auto()  # OK or ERR
    TEXT = auto()  # results in text
    BINARY = auto()  # results in binary, perhaps a cursor
    ROWS = auto()  # more rows of a cursor
    PREPARE = auto()
    COLUMNS = auto()  # definitions with defaults
    STRING = auto()  # one packet of words
    OWN = auto()  # OK or ERR to what the gateway asks for a trial: the client sees nothing
    INTERNAL = auto()  # OK or ERR to a question of the gateway's own: the client sees nothing


@dataclass(slots=True)
class Expected:
    """The answer that is due.

    :ivar sent: packets that the command was sent in.
    :ivar received: packets that the client's command came in.
    :ivar plan: of the first result; None masks nothing.
    :ivar prepared: the statement executed or fetched from.
    :ivar made: makes the one that comes to be, of its id and its number of parameters.
    :ivar alters: the schema may be changed by it.
    """

    kind: Kind
    sent: int = 1
    received: int = 1
    plan: MaskPlan | None = None
    prepared: Prepared | None = None
    made: Callable[[int, int], Prepared] | None = None
    alters: bool = False
    resets: bool = False
    results: int = field(default=0)


class _State(Enum):
    IDLE = auto()
    FIRST = auto()
    COLUMNS = auto()
    AFTER_COLUMNS = auto()
    ROWS = auto()
    PARAMETERS = auto()
    AFTER_PARAMETERS = auto()


#: Characters sets that have ASCII as it is, so that judged text is the server's text.
_CHARSETS: Final = frozenset({b"utf8mb4", b"utf8mb3", b"utf8", b"binary", b"", b"ascii", b"latin1"})
_CLIENT_CHARSETS: Final = frozenset({b"utf8mb4", b"utf8mb3", b"utf8"})
#: Modes by which the server reads text otherwise than it was judged.
_READING_MODES: Final = frozenset(
    b"ANSI_QUOTES ANSI NO_BACKSLASH_ESCAPES PIPES_AS_CONCAT IGNORE_SPACE HIGH_NOT_PRECEDENCE "
    b"ORACLE MSSQL DB2 MAXDB POSTGRESQL EMPTY_STRING_IS_NULL".split()
)
_SHOWN_STATUS: Final = (
    Status.IN_TRANSACTION
    | Status.AUTOCOMMIT
    | Status.MORE_RESULTS
    | Status.CURSOR_EXISTS
    | Status.LAST_ROW_SENT
    | Status.PS_OUT_PARAMS
    | Status.IN_TRANSACTION_READONLY
)


class Answers:
    """Turns the server's bytes into the client's.

    :param phi: the resource holds PHI: errors, counts of warnings and the like are scrubbed.
    :param capabilities: agreed with the client; the server has them and session tracking.
    :param database: the one database that the session may be in.
    :param limit: bytes of a payload that has to be held at most.
    :ivar status: the server's last status flags.
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
        self._phi = phi
        self._no_eof = bool(capabilities & Capability.DEPRECATE_EOF)
        self._extended = bool(capabilities & Capability.EXTENDED_TYPES)
        self._database = database.encode()
        self._limit = limit
        self._tokeniser = tokeniser
        self._meter = meter
        self._spend: Spend | None = None  # of the rows that come
        self._data = b""
        self._at = 0
        self._waiting: list[bytes] = []  # what came since, until a packet is whole with it
        self._need = 0
        self._parts: list[bytes] = []
        self._held = 0
        self._streaming = False  # in the middle of a row of several packets that passes as it is
        self._state = _State.IDLE
        self._due: list[Expected] = []
        self._in = 0  # number of the server's next packet
        self._out = 0  # number of the client's next packet
        self._columns: list[Column] = []
        self._left = 0
        self._after = 0  # definitions that follow those of a statement's parameters
        self._masker: RowMasker | None = None
        self._binary = False
        self.statements: dict[int, Prepared] = {}
        self.prepared_size = 0  # characters of their texts
        self.last_prepared: Prepared | None = None
        self.status = Status.AUTOCOMMIT
        self.altered = False
        self.trial: Trial | None = None
        self.own_error = b""

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._data) - self._at + self._held + sum(map(len, self._waiting))

    @property
    def busy(self) -> bool:
        """True while an answer is due."""
        return bool(self._due)

    @property
    def sequence(self) -> int:
        """Number of the packet that the client waits for."""
        return self._out

    @property
    def in_transaction(self) -> bool:
        """True while the server has a transaction open."""
        return bool(self.status & Status.IN_TRANSACTION)

    def expect(self, *answers: Expected) -> None:
        """A command is passed on whose answers will be these, one after the other.

        :raises LocalProtocolError: another is still under way.
        """
        if self._due:
            raise LocalProtocolError("a command while another is under way")
        self._due = list(answers)
        self._begin()

    def _begin(self) -> None:
        head = self._due[0]
        self._in = head.sent & 0xFF
        self._out = head.received & 0xFF
        self._state = _State.FIRST
        self._columns = []
        self._masker = None
        self._spend = None
        self._binary = head.kind in (Kind.BINARY, Kind.ROWS)
        if head.kind is Kind.ROWS:
            cursor = None if head.prepared is None else head.prepared.cursor
            self._masker = None if cursor is None else cursor.masker
            self._spend = None if cursor is None else cursor.spend
            self._state = _State.ROWS

    # --- the stream ------------------------------------------------------------------------------

    def received(self, data: bytes) -> bytes:
        """The server's bytes arrived; the bytes for the client.

        :raises RemoteProtocolError: the server broke the protocol, or a result does not fit its
            plan. Nothing that was not masked is in the exception.
        """
        if self._need:
            # A packet of 16 MiB comes in hundreds of pieces: joined once, not at each of them.
            self._need -= len(data)
            self._waiting.append(data)
            if self._need > 0:
                return b""
            data = b"".join(self._waiting)
            self._waiting.clear()
        rest = self._data[self._at :]
        self._data = rest + data if rest else data
        self._at = self._need = 0
        out: list[bytes] = []
        while True:
            if self._state is _State.ROWS and not self._parts and not self._streaming:
                self._take_run(out)
            if not self._packet(out):
                break
        return out[0] if len(out) == 1 else b"".join(out)

    def _take_run(self, out: list[bytes]) -> None:
        start = self._at
        end, after = run_end(self._data, start, self._in, self._binary)
        if end == start:
            return
        run = self._data[start:end] if start or end < len(self._data) else self._data
        self._at = end
        if self._masker is not None:
            rows, self._out = self._masker.rewrite(run, self._out)
            out.append(rows)
            if self._spend is not None and self._meter is not None:
                self._meter.rows(self._spend, *self._masker.counted(run, self._spend.patient))
        else:
            shift = (self._out - self._in) & 0xFF
            out.append(renumber(run, self._out) if shift else run)
            self._out = (after + shift) & 0xFF
        self._in = after

    def _packet(self, out: list[bytes]) -> bool:
        """One packet; False when it is not all there."""
        data, at = self._data, self._at
        if len(data) - at < HEADER:
            return False
        length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        if not self._due:
            raise RemoteProtocolError("the server answered something that was not asked")
        if self._held + length > self._limit:
            raise RemoteProtocolError("a message of the server is above the limit")
        if len(data) - at - HEADER < length:
            self._need = HEADER + length - (len(data) - at)
            return False
        if data[at + 3] != self._in:
            raise RemoteProtocolError("packets out of order")
        self._in = (self._in + 1) & 0xFF
        body = data[at + HEADER : at + HEADER + length]
        self._at = at + HEADER + length
        more = length == MOST_PAYLOAD
        if self._streaming or (
            more and self._state is _State.ROWS and self._masker is None and not self._parts
        ):
            # A row of several packets that passes as it is: only where it ends is of interest.
            self._emit_packet(body, out)
            self._streaming = more
            return True
        if more or self._parts:
            self._parts.append(body)
            self._held += length
            if more:
                return True
            body = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        self._payload(body, out)
        return True

    def _emit_packet(self, body: bytes, out: list[bytes]) -> None:
        out.append(len(body).to_bytes(3, "little") + bytes((self._out,)) + body)
        self._out = (self._out + 1) & 0xFF

    def _emit(self, payload: bytes, out: list[bytes]) -> None:
        if self._due[0].kind in (Kind.INTERNAL, Kind.OWN):
            return
        out.append(packets(payload, self._out))
        self._out = (self._out + packet_count(len(payload))) & 0xFF

    # --- one payload -----------------------------------------------------------------------------

    def _payload(self, payload: bytes, out: list[bytes]) -> None:
        state = self._state
        if not payload:
            raise RemoteProtocolError("an empty packet from the server")
        if state is _State.ROWS:
            self._in_rows(payload, out)
        elif state is _State.FIRST:
            self._first(payload, out)
        elif state is _State.COLUMNS:
            self._column(payload, out)
        elif state is _State.PARAMETERS:
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
        self._state = _State.COLUMNS
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
            self._state = _State.AFTER_COLUMNS
            if self._no_eof:
                self._finish()
        elif self._no_eof:
            self._rows_begin()
        else:
            self._state = _State.AFTER_COLUMNS

    def _rows_begin(self) -> None:
        head = self._due[0]
        self._masker = None
        if head.plan is not None:
            self._masker = compile_plan(head.plan, self._columns, self._binary, self._tokeniser)
            self._spend = head.plan.spend
        if head.prepared is not None:
            head.prepared.cursor = Cursor(self._masker, self._spend)
        self._state = _State.ROWS

    def _marker(self, payload: bytes, out: list[bytes]) -> None:
        """The EOF behind definitions, where EOFs were agreed."""
        found = eof_packet(payload)
        self._emit(self._shown_eof(found), out)
        kind = self._due[0].kind
        if self._state is _State.AFTER_PARAMETERS:
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
            self._state = _State.FIRST
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
        self._state = _State.IDLE
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
                    _check_variable(name, value)

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
            self._state = _State.PARAMETERS
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
            self._state = _State.AFTER_PARAMETERS

    def _after_parameters(self) -> None:
        self._left = self._after
        if self._left:
            self._state = _State.COLUMNS
        else:
            self._finish()

    # --- COM_FIELD_LIST --------------------------------------------------------------------------

    def _listed(self, payload: bytes, out: list[bytes]) -> None:
        found = column(payload, extended=self._extended, listed=True)
        if self._phi:
            # A default is a value, and may be one of a person's (PROTOCOLS B10).
            found = replace(found, default=b"\xfb")
        self._emit(found.encode(), out)


def _check_variable(name: bytes, value: bytes) -> None:
    lower = name.lower()
    if lower == b"sql_mode":
        wrong = not _READING_MODES.isdisjoint(value.upper().split(b","))
    elif lower in (b"character_set_client", b"character_set_connection"):
        wrong = value.lower() not in _CLIENT_CHARSETS
    elif lower == b"character_set_results":
        wrong = value.lower() not in _CHARSETS
    else:
        return
    if wrong:
        raise RemoteProtocolError("a pinned session variable was changed")
