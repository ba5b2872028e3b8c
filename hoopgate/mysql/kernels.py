"""The loops over rows: the only code of this folder whose speed per row matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.wire import MOST_PAYLOAD, packets

#: Lengths of values in binary rows: as many bytes (0 and above), or what is in front of the value.
COUNTED: Final = -1  #: a length-encoded integer
BYTE_COUNTED: Final = -2  #: one byte

#: old value (None: NULL) → the whole new field, None for NULL
FieldMaker = Callable[[bytes | None], bytes | None]


def run_end(data: bytes, at: int, sequence: int, binary: bool) -> tuple[int, int]:
    """Where the run of whole rows ends that begins at ``at``.

    :param sequence: number that the first packet must have.
    :return: the offset behind the last row, and the number of the packet after it. The run stops in
        front of what is no row, is not whole, or goes on in a further packet.
    :raises RemoteProtocolError: packets out of order.
    """
    size = len(data) - 5
    # A row of text begins with a length (0xFE only where it is above 16 MiB) or NULL, a binary one
    # with 0.
    above = 0 if binary else 0xFD
    while at <= size:
        if data[at + 4] > above:
            break
        length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        end = at + 4 + length
        if end > size + 5 or length == MOST_PAYLOAD or not length:
            break
        if data[at + 3] != sequence:
            raise RemoteProtocolError("packets out of order")
        sequence = (sequence + 1) & 0xFF
        at = end
    return at, sequence


def renumber(run: bytes, sequence: int) -> bytes:
    """Whole packets with other numbers."""
    out = bytearray(run)
    at = 0
    while at < len(out):
        out[at + 3] = sequence
        sequence = (sequence + 1) & 0xFF
        at += 4 + (out[at] | out[at + 1] << 8 | out[at + 2] << 16)
    return bytes(out)


def mask_text_rows(
    run: bytes,
    columns: int,
    masked: list[int],
    constants: list[bytes | None],
    functions: list[FieldMaker],
    sequence: int,
) -> tuple[bytes, int]:
    """Rewrite columns of a run of rows in the text protocol.

    :param masked: the columns to rewrite, ascending.
    :param constants: for each of ``masked``, the new field with its length in front; None: made by
        its function.
    :param sequence: number of the first packet that is made.
    :return: the rows, and the number of the packet after them.
    :raises RemoteProtocolError: a row whose fields are not as many, or do not fill it.
    """
    out: list[bytes] = []
    at = 0
    size = len(run)
    steps = list(zip(masked, constants, functions, strict=True))
    while at < size:
        end = at + 4 + (run[at] | run[at + 1] << 8 | run[at + 2] << 16)
        body, at = text_row(run, at + 4, end, columns, steps)
        sequence = _packet(out, body, sequence)
    return b"".join(out), sequence


#: The column, the new field or None, and what makes one then.
Steps = list[tuple[int, bytes | None, FieldMaker]]


def _packet(out: list[bytes], body: bytes, sequence: int) -> int:
    length = len(body)
    if length >= MOST_PAYLOAD:
        out.append(packets(body, sequence))
        return (sequence + length // MOST_PAYLOAD + 1) & 0xFF
    out.append((length | sequence << 24).to_bytes(4, "little"))
    out.append(body)
    return (sequence + 1) & 0xFF


def text_row(data: bytes, at: int, end: int, columns: int, steps: Steps) -> tuple[bytes, int]:
    """Rewrite the one row between ``at`` and ``end``; the row, and where it ended."""
    pieces: list[bytes] = []
    done = at
    column = 0
    try:
        for target, constant, function in steps:
            while column < target:
                first = data[at]
                at += 1
                if first < 0xFB:
                    at += first
                elif first != 0xFB:
                    at = _long(data, at, first)
                column += 1
            pieces.append(data[done:at])
            first = data[at]
            start = at + 1
            at = start
            if first < 0xFB:
                at += first
            elif first != 0xFB:
                at = _long(data, start, first)
                start += _WIDTHS[first]
            if at > end:
                raise RemoteProtocolError("a field overruns its row")
            if constant is None:
                new = function(None if first == 0xFB else data[start:at])
                constant = b"\xfb" if new is None else new
            pieces.append(constant)
            done = at
            column += 1
        while column < columns:
            first = data[at]
            at += 1
            if first < 0xFB:
                at += first
            elif first != 0xFB:
                at = _long(data, at, first)
            column += 1
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    if at != end:
        raise RemoteProtocolError("the fields of a row do not fill it")
    pieces.append(data[done:at])
    return b"".join(pieces), at


_WIDTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def _long(data: bytes, at: int, first: int) -> int:
    """Where a field ends whose length takes more than a byte."""
    width = _WIDTHS.get(first)
    if width is None:
        raise RemoteProtocolError("a field of a row has an impossible length")
    start = at + width
    return start + int.from_bytes(data[at:start], "little")


def mask_binary_rows(
    run: bytes,
    sizes: list[int],
    masked: list[int],
    constants: list[bytes | None],
    functions: list[FieldMaker],
    sequence: int,
) -> tuple[bytes, int]:
    """As :func:`mask_text_rows`, for the binary protocol.

    :param sizes: of each column's values, or :data:`COUNTED`, :data:`BYTE_COUNTED`.
    """
    out: list[bytes] = []
    at = 0
    size = len(run)
    steps = list(zip(masked, constants, functions, strict=True))
    while at < size:
        end = at + 4 + (run[at] | run[at + 1] << 8 | run[at + 2] << 16)
        body, at = binary_row(run, at + 4, end, sizes, steps)
        sequence = _packet(out, body, sequence)
    return b"".join(out), sequence


def binary_row(data: bytes, at: int, end: int, sizes: list[int], steps: Steps) -> tuple[bytes, int]:
    columns = len(sizes)
    start = at + 1
    at = start + (columns + 9) // 8
    nulls = bytearray(data[start:at])
    if at > end or data[start - 1]:
        raise RemoteProtocolError("a binary row is malformed")
    pieces: list[bytes] = [b"\0", b""]
    done = at
    column = 0
    try:
        for target, constant, function in steps:
            while column < target:
                if not nulls[(column + 2) >> 3] >> ((column + 2) & 7) & 1:
                    at = _behind(data, at, sizes[column])[1]
                column += 1
            pieces.append(data[done:at])
            place, bit = (column + 2) >> 3, 1 << ((column + 2) & 7)
            value: bytes | None = None
            if not nulls[place] & bit:
                first, at = _behind(data, at, sizes[column])
                if at > end:
                    raise RemoteProtocolError("a field overruns its row")
                if constant is None:
                    value = data[first:at]
            new = function(value) if constant is None else constant
            if new is None:
                nulls[place] |= bit
            else:
                nulls[place] &= ~bit
                pieces.append(new)
            done = at
            column += 1
        while column < columns:
            if not nulls[(column + 2) >> 3] >> ((column + 2) & 7) & 1:
                at = _behind(data, at, sizes[column])[1]
            column += 1
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    if at != end:
        raise RemoteProtocolError("the fields of a row do not fill it")
    pieces.append(data[done:at])
    pieces[1] = bytes(nulls)
    return b"".join(pieces), at


def _behind(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Where the value at ``at`` begins and ends."""
    if size >= 0:
        return at, at + size
    first = data[at]
    at += 1
    if size == BYTE_COUNTED or first < 0xFB:
        return at, at + first
    end = _long(data, at, first)
    return at + _WIDTHS[first], end


def text_values(run: bytes, column: int) -> list[bytes]:
    """The values of one column of a run of rows in the text protocol; NULL is empty.

    :raises RemoteProtocolError: a row has no such field.
    """
    out: list[bytes] = []
    at = 0
    size = len(run)
    try:
        while at < size:
            end = at + 4 + (run[at] | run[at + 1] << 8 | run[at + 2] << 16)
            at += 4
            start = at
            for _ in range(column + 1):
                first = run[at]
                start = at + 1
                at = start
                if first < 0xFB:
                    at += first
                elif first != 0xFB:
                    at = _long(run, start, first)
                    start += _WIDTHS[first]
            if at > end:
                raise RemoteProtocolError("a field overruns its row")
            out.append(run[start:at])
            at = end
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    return out


def binary_values(run: bytes, sizes: list[int], column: int) -> list[bytes]:
    """As :func:`text_values`, for the binary protocol."""
    out: list[bytes] = []
    at = 0
    size = len(run)
    nulls = (len(sizes) + 9) // 8
    try:
        while at < size:
            end = at + 4 + (run[at] | run[at + 1] << 8 | run[at + 2] << 16)
            bits = at + 5
            at = start = bits + nulls
            for index in range(column + 1):
                start = at
                if not run[bits + ((index + 2) >> 3)] >> ((index + 2) & 7) & 1:
                    start, at = _behind(run, at, sizes[index])
            if at > end:
                raise RemoteProtocolError("a field overruns its row")
            out.append(run[start:at])
            at = end
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    return out


def packet_heads(run: bytes) -> int:
    """How many packets there are in a run of whole ones."""
    count = at = 0
    size = len(run)
    while at < size:
        at += 4 + (run[at] | run[at + 1] << 8 | run[at + 2] << 16)
        count += 1
    return count
