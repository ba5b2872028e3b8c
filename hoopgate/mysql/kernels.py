"""The loops over rows: the only code of this folder whose speed per row matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from librt.strings import BytesWriter, read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

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
    # A field that overruns its row is found at the row's end: offsets only grow, so once past it
    # they cannot come back to it.
    size: i64 = len(run)
    fields: i64 = columns
    count: i64 = len(masked)
    number: i64 = sequence
    out = BytesWriter()
    at: i64 = 0
    done: i64 = 0
    first: i64 = 0
    start: i64 = 0
    try:
        while at < size:
            header: int = read_i32_le(run, at)
            length: i64 = header & 0xFFFFFF
            place: i64 = len(out) + at - done  # of the packet's header, in the output
            at += 4
            end: i64 = at + length
            if end > size:
                raise RemoteProtocolError("a field overruns its row")
            if count == 0:
                out.write(run[done:at])
                done = at
            column: i64 = 0
            step: i64 = 0
            while step < count:
                target: i64 = masked[step]
                while column < target:
                    first = run[at]
                    at += 1
                    if first < 0xFB:
                        at += first
                    elif first != 0xFB:
                        at = _wide(run, at, first)
                    column += 1
                out.write(run[done:at])
                first = run[at]
                start = at + 1
                done = start
                if first < 0xFB:
                    done += first
                elif first != 0xFB:
                    done = _wide(run, start, first)
                    start += _width(first)
                if done > end:
                    raise RemoteProtocolError("a field overruns its row")
                new = constants[step]
                if new is None:
                    new = functions[step](None if first == 0xFB else run[start:done])
                    if new is None:
                        new = b"\xfb"
                out.write(new)
                length += len(new) - (done - at)
                at = done
                column += 1
                step += 1
            while column < fields:
                first = run[at]
                at += 1
                if first < 0xFB:
                    at += first
                elif first != 0xFB:
                    at = _wide(run, at, first)
                column += 1
            if at != end:
                raise RemoteProtocolError("the fields of a row do not fill it")
            if length >= MOST_PAYLOAD:  # it has become too long for one packet
                out.write(run[done:end])
                done = end
                row = out.getvalue()[place + 4 :]
                out.truncate(place)
                out.write(packets(row, number))
                number += length // MOST_PAYLOAD
            else:
                _put(out, place, length | number << 24)
            number = (number + 1) & 0xFF
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    out.write(run[done:size])
    return out.getvalue(), number


def _put(out: BytesWriter, place: i64, value: int) -> None:
    """Write four bytes over what stands at ``place``."""
    out[place] = value & 0xFF
    out[place + 1] = (value >> 8) & 0xFF
    out[place + 2] = (value >> 16) & 0xFF
    out[place + 3] = (value >> 24) & 0xFF


def _put_byte(out: BytesWriter, place: i64, value: int) -> None:
    out[place] = value & 0xFF


def _width(first: i64) -> i64:
    """Of a length behind ``first``, in bytes; 0: there is none such."""
    if first == 0xFC:
        return 2
    if first == 0xFD:
        return 3
    return 8 if first == 0xFE else 0


def _wide(data: bytes, at: i64, first: i64) -> i64:
    """Where a field ends whose length takes more than a byte."""
    length: int = 0
    if first == 0xFC:
        short: int = read_i16_le(data, at)
        length = short & 0xFFFF
    elif first == 0xFD:
        length = read_i32_le(data, at - 1) >> 8 & 0xFFFFFF
    elif first == 0xFE:
        length = read_i64_le(data, at)
    else:
        raise RemoteProtocolError("a field of a row has an impossible length")
    if length < 0 or length > len(data):
        raise RemoteProtocolError("a field overruns its row")
    return at + _width(first) + length


#: The column, the new field or None, and what makes one then.
Steps = list[tuple[int, bytes | None, FieldMaker]]


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
                    at = _wide(data, at, first)
                column += 1
            pieces.append(data[done:at])
            first = data[at]
            start = at + 1
            at = start
            if first < 0xFB:
                at += first
            elif first != 0xFB:
                at = _wide(data, start, first)
                start += _width(first)
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
                at = _wide(data, at, first)
            column += 1
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    if at != end:
        raise RemoteProtocolError("the fields of a row do not fill it")
    pieces.append(data[done:at])
    return b"".join(pieces), at


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
    size: i64 = len(run)
    fields: i64 = len(sizes)
    nulls: i64 = (fields + 9) // 8
    count: i64 = len(masked)
    number: i64 = sequence
    out = BytesWriter()
    at: i64 = 0
    done: i64 = 0
    start: i64 = 0
    bit: i64 = 0
    try:
        while at < size:
            header: int = read_i32_le(run, at)
            length: i64 = header & 0xFFFFFF
            place: i64 = len(out) + at - done  # of the packet's header, in the output
            bits: i64 = at + 5  # where it says which are NULL
            end: i64 = at + 4 + length
            if bits + nulls > end or end > size or run[at + 4] != 0:
                raise RemoteProtocolError("a binary row is malformed")
            at = bits + nulls
            if count == 0:
                out.write(run[done:at])
                done = at
            column: i64 = 0
            step: i64 = 0
            while step < count:
                target: i64 = masked[step]
                while column < target:
                    bit = column + 2
                    if not run[bits + (bit >> 3)] >> (bit & 7) & 1:
                        at = _after(run, at, sizes[column])
                    column += 1
                out.write(run[done:at])
                done = at
                bit = column + 2
                null = run[bits + (bit >> 3)] >> (bit & 7) & 1 != 0
                if not null:
                    done = _after(run, at, sizes[column])
                    if done > end:
                        raise RemoteProtocolError("a field overruns its row")
                new = constants[step]
                if new is None:
                    start = at if null else _begin(run, at, sizes[column])
                    new = functions[step](None if null else run[start:done])
                if null != (new is None):
                    here: i64 = place + 5 + (bit >> 3)
                    old: int = out[here]
                    change: i64 = 1 << (bit & 7)
                    _put_byte(out, here, old ^ change)
                if new is not None:
                    out.write(new)
                    length += len(new)
                length -= done - at
                at = done
                column += 1
                step += 1
            while column < fields:
                bit = column + 2
                if not run[bits + (bit >> 3)] >> (bit & 7) & 1:
                    at = _after(run, at, sizes[column])
                column += 1
            if at != end:
                raise RemoteProtocolError("the fields of a row do not fill it")
            if length >= MOST_PAYLOAD:  # it has become too long for one packet
                out.write(run[done:end])
                done = end
                row = out.getvalue()[place + 4 :]
                out.truncate(place)
                out.write(packets(row, number))
                number += length // MOST_PAYLOAD
            else:
                _put(out, place, length | number << 24)
            number = (number + 1) & 0xFF
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    out.write(run[done:size])
    return out.getvalue(), number


def _begin(data: bytes, at: i64, size: i64) -> i64:
    """Where the value at ``at`` of a binary row begins, behind its length."""
    if size >= 0:
        return at
    return at + 1 if size == BYTE_COUNTED else at + 1 + _width(data[at])


def _after(data: bytes, at: i64, size: i64) -> i64:
    """Where the value at ``at`` of a binary row ends."""
    if size >= 0:
        return at + size
    first: i64 = data[at]
    if size == BYTE_COUNTED or first < 0xFB:
        return at + 1 + first
    return _wide(data, at + 1, first)


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
                    at = _after(data, at, sizes[column])
                column += 1
            pieces.append(data[done:at])
            place, bit = (column + 2) >> 3, 1 << ((column + 2) & 7)
            value: bytes | None = None
            if not nulls[place] & bit:
                first = _begin(data, at, sizes[column])
                at = _after(data, at, sizes[column])
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
                at = _after(data, at, sizes[column])
            column += 1
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    if at != end:
        raise RemoteProtocolError("the fields of a row do not fill it")
    pieces.append(data[done:at])
    pieces[1] = bytes(nulls)
    return b"".join(pieces), at


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
                    at = _wide(run, start, first)
                    start += _width(first)
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
                    start = _begin(run, at, sizes[index])
                    at = _after(run, at, sizes[index])
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
