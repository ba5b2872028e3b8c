"""The packets of the server's answers: in order, cut into runs of rows and single payloads.

Runs of whole rows are rewritten, or passed on, at once; everything else is put together to payloads
and handed on one at a time.
"""

from __future__ import annotations

from enum import Enum, auto

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.guardrails.budgets import Meter
from hoopgate.mysql.expected import Expected, Kind
from hoopgate.mysql.kernels import renumber, run_end
from hoopgate.mysql.long_rows import LongRow
from hoopgate.mysql.masking import RowMasker
from hoopgate.mysql.wire import HEADER, MOST_PAYLOAD, Status, packet_count, packets
from hoopgate.mysql.wire_results import Column
from hoopgate.plans import Spend


class State(Enum):
    """What the next packet is."""

    IDLE = auto()
    FIRST = auto()
    COLUMNS = auto()
    AFTER_COLUMNS = auto()
    ROWS = auto()
    PARAMETERS = auto()
    AFTER_PARAMETERS = auto()


class AnswerStream:
    """Numbers packets for the client, and holds what is not whole.

    :param limit: bytes of a payload that has to be held at most.
    :ivar status: the server's last status flags.
    """

    def __init__(self, limit: int, meter: Meter | None) -> None:
        self._limit = limit
        self._meter = meter
        self._spend: Spend | None = None  # of the rows that come
        self._data = b""
        self._at = 0
        self._waiting: list[bytes] = []  # what came since, until a packet is whole with it
        self._need = 0
        self._parts: list[bytes] = []
        self._long: LongRow | None = None  # in the middle of a row of several packets
        self._held = 0
        self._streaming = False  # in the middle of a row of several packets that passes as it is
        self._state = State.IDLE
        self._due: list[Expected] = []
        self._in = 0  # number of the server's next packet
        self._out = 0  # number of the client's next packet
        self._columns: list[Column] = []
        self._masker: RowMasker | None = None
        self._binary = False
        self.status = int(Status.AUTOCOMMIT)

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
        self._state = State.FIRST
        self._columns = []
        self._masker = None
        self._spend = None
        self._binary = head.kind in (Kind.BINARY, Kind.ROWS)
        if head.kind is Kind.ROWS:
            cursor = None if head.prepared is None else head.prepared.cursor
            self._masker = None if cursor is None else cursor.masker
            self._spend = None if cursor is None else cursor.spend
            self._state = State.ROWS

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
            if self._state is State.ROWS and self._long is None and not self._streaming:
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
        if self._long is None and self._held + length > self._limit:
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
            more and self._state is State.ROWS and self._masker is None and not self._parts
        ):
            # A row of several packets that passes as it is: only where it ends is of interest.
            self._emit_packet(body, out)
            self._streaming = more
            return True
        masked = self._masker is not None and self._state is State.ROWS
        if self._long is not None or (more and masked):
            self._long_row(body, more, out)
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

    def _long_row(self, body: bytes, more: bool, out: list[bytes]) -> None:
        """A packet of a row that is masked and has several; what is masked counts for nothing."""
        if self._long is None:
            assert self._masker is not None
            self._long = self._masker.long_row()
        row = self._long
        row.feed(body)
        self._held = row.size
        if self._held > self._limit:
            raise RemoteProtocolError("a message of the server is above the limit")
        if not more:
            self._long = None
            self._held = 0
            self._payload(row.whole(), out)

    def _emit_packet(self, body: bytes, out: list[bytes]) -> None:
        out.append(len(body).to_bytes(3, "little") + bytes((self._out,)) + body)
        self._out = (self._out + 1) & 0xFF

    def _emit(self, payload: bytes, out: list[bytes]) -> None:
        if self._due[0].kind in (Kind.INTERNAL, Kind.OWN):
            return
        out.append(packets(payload, self._out))
        self._out = (self._out + packet_count(len(payload))) & 0xFF

    def _payload(self, payload: bytes, out: list[bytes]) -> None:
        """One payload that is none of a run."""
        raise NotImplementedError
