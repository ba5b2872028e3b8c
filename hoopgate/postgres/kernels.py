"""The loops over rows: the only code of this folder whose speed per row matters.

Runs interpreted, and compiled by mypyc from this very file, where the ``i64`` locals and the
readers of ``librt.strings`` become plain machine code. Keep to what both do well: no closures, no
generators; lengths stay ``int`` because ``i64(…)`` costs a call when interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, read_i64_le
from mypy_extensions import i64

from hoopgate.errors import LimitExceeded, RemoteProtocolError

#: Whether this runs as an extension module.
COMPILED: Final = not __file__.endswith(".py")

_pack_header = Struct(">Bi").pack
_COPY_DATA = 0x64
_NEWLINE: Final = 0x0A


def run_end(data: bytes, start: i64, end: i64, limit: i64) -> i64:
    """Where the run of complete messages of one type ends.

    :param start: offset of the first message, whose type byte is the run's.
    :param end: where that first message ends.
    :param limit: a message of more bytes ends the run in front of it, as an impossible length does:
        the reader then meets it at the front and refuses it.
    """
    size: i64 = len(data)
    kind = data[start]
    while size - end >= 5 and data[end] == kind:
        length: int = read_i32_be(data, end + 1)
        if length < 4 or length >= limit or length >= size - end:
            break
        end += length + 1
    return end


def mask_rows(
    run: bytes,
    columns: int,
    masked: list[int],
    constants: list[bytes | None],
    functions: list[Callable[[bytes | None], bytes]],
) -> bytes:
    """Rewrite columns of a run of rows: DataRow, or CopyData of one binary tuple each.

    :param columns: fields every row must have.
    :param masked: the columns to rewrite, ascending.
    :param constants: for each of ``masked``, the new field with its length in front, or None.
    :param functions: for each of ``masked``, makes that from the old value where the constant is
        None.
    :raises RemoteProtocolError: a row has another number of fields, or its fields do not fill it.
    """
    # A field that overruns its row is found at the row's end: offsets only grow, so once past it
    # they cannot come back to it.
    size: i64 = len(run)
    fields: i64 = columns
    count: i64 = len(masked)
    out = BytesWriter()
    at: i64 = 0
    done: i64 = 0
    length: int = 0
    try:
        while at < size:
            head: i64 = at + 1
            length = read_i32_be(run, head)
            end: i64 = head + length
            if end > size or read_i16_be(run, at + 5) != fields:
                raise RemoteProtocolError("a row does not have the columns its plan was made for")
            place: i64 = len(out) + head - done  # of the row's length, in the output
            at += 7
            grown: i64 = 0
            column: i64 = 0
            step: i64 = 0
            while step < count:
                target: i64 = masked[step]
                while column < target:
                    length = read_i32_be(run, at)
                    at += 4
                    if length > 0:
                        at += length
                    elif length < -1:
                        raise RemoteProtocolError("a field of a row has an impossible length")
                    column += 1
                out.write(run[done:at])
                length = read_i32_be(run, at)
                done = at + 4
                if length > 0:
                    done += length
                elif length < -1:
                    raise RemoteProtocolError("a field of a row has an impossible length")
                if done > end:
                    raise RemoteProtocolError("a field overruns its row")
                new = constants[step]
                if new is None:
                    new = functions[step](None if length < 0 else run[at + 4 : done])
                out.write(new)
                grown += len(new) - (done - at)
                at = done
                column += 1
                step += 1
            while column < fields:
                length = read_i32_be(run, at)
                at += 4
                if length > 0:
                    at += length
                elif length < -1:
                    raise RemoteProtocolError("a field of a row has an impossible length")
                column += 1
            if at != end:
                raise RemoteProtocolError("the fields of a row do not fill it")
            if grown != 0:
                _put(out, place, end - head + grown)
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    out.write(run[done:size])
    return out.getvalue()


def _put(out: BytesWriter, place: i64, value: int) -> None:
    """Overwrite four bytes of ``out`` with ``value``, big-endian.

    :raises RemoteProtocolError: there is no such length.
    """
    if value > 0x7FFFFFFF:
        raise RemoteProtocolError("a row is too long once it is masked")
    out[place] = value >> 24
    out[place + 1] = value >> 16 & 0xFF
    out[place + 2] = value >> 8 & 0xFF
    out[place + 3] = value & 0xFF


def bounded(run: bytes, limit: int) -> bytes:
    """Masked CopyData, if each leaves room for what was masked in it.

    Else a client could fill a row up to what a message may have, and learn a secret's length by
    whether the row comes.

    :param limit: bytes of a masked row at most: half of what the server's may have.
    :raises LimitExceeded: a row has more.
    """
    size: i64 = len(run)
    if size > limit:
        at: i64 = 0
        while at < size:
            length: int = read_i32_be(run, at + 1)
            if length >= limit:
                raise LimitExceeded("a message of the server is above the limit")
            at += 1 + length
    return run


def count_messages(run: bytes) -> int:
    """How many complete messages a run has."""
    size: i64 = len(run)
    at: i64 = 0
    count: i64 = 0
    while at < size:
        length: int = read_i32_be(run, at + 1)
        at += 1 + length
        count += 1
    return count


def column_values(run: bytes, column: int) -> list[bytes]:
    """The values of one column of a run of DataRow messages; NULL is empty.

    :raises RemoteProtocolError: a row has no such field.
    """
    size: i64 = len(run)
    target: i64 = column
    out: list[bytes] = []
    start: i64 = 0
    length: int = 0
    try:
        while start < size:
            length = read_i32_be(run, start + 1)
            end: i64 = start + 1 + length
            at: i64 = start + 7
            step: i64 = 0
            while step < target:
                length = read_i32_be(run, at)
                at += 4
                if length > 0:
                    at += length
                step += 1
            length = read_i32_be(run, at)
            at += 4
            stop: i64 = at
            if length > 0:
                stop += length
            if stop > end:
                raise RemoteProtocolError("a field overruns its row")
            out.append(run[at:stop])
            start = end
    except IndexError:
        raise RemoteProtocolError("a field overruns its row") from None
    return out


def mask_lines(
    run: bytes,
    at: i64,
    delimiter: bytes,
    columns: int,
    quote: bytes,
    escape: bytes,
    masked: list[int],
    constants: list[bytes | None],
    functions: list[Callable[[bytes], bytes]],
    out: list[bytes],
) -> i64:
    """Rewrite the plain rows of a run of CopyData in text or CSV, up to the first that is not.

    A row is plain when its message holds it whole, and nothing else, and no byte of it is a
    ``quote``, and no delimiter or newline stands behind an ``escape``.

    :param at: where to begin.
    :param quote: one byte, or none where the format has no quotes; so ``escape``.
    :param masked: the columns to rewrite, as in :func:`mask_rows`; fields here are the bytes
        between delimiters, and the last one has its newline.
    :param out: takes the messages, in pieces.
    :return: where the first message that is not plain begins, or the run's end.
    :raises RemoteProtocolError: a row has another number of fields.
    """
    # A byte costs a nanosecond compiled, and fifty interpreted: there, what is C already is faster.
    if COMPILED:
        return scan_lines(
            run, at, delimiter, columns, quote, escape, masked, constants, functions, out
        )
    return split_lines(
        run, at, delimiter, columns, quote, escape, masked, constants, functions, out
    )


def scan_lines(
    run: bytes,
    at: i64,
    delimiter: bytes,
    columns: int,
    quote: bytes,
    escape: bytes,
    masked: list[int],
    constants: list[bytes | None],
    functions: list[Callable[[bytes], bytes]],
    out: list[bytes],
) -> i64:
    """See :func:`mask_lines`: eight bytes at a time where nothing ends, else byte by byte."""
    size: i64 = len(run)
    fields: i64 = columns
    count: i64 = len(masked)
    between: i64 = delimiter[0]
    mark: i64 = quote[0] if quote else -1
    guard: i64 = escape[0] if escape else -1
    ones: i64 = 0x0101010101010101  # in every byte of a word
    highs: i64 = -0x7F7F7F7F7F7F7F80  # the highest bit of every byte
    betweens: i64 = ones * between
    newlines: i64 = ones * _NEWLINE
    marks: i64 = ones * mark if quote else newlines
    word: i64 = 0
    x: i64 = 0
    y: i64 = 0
    z: i64 = 0
    rows = BytesWriter()
    done: i64 = at
    target: i64 = 0
    byte: i64 = 0
    while at < size:
        length: int = read_i32_be(run, at + 1)
        end: i64 = at + 1 + length
        if length < 5 or run[end - 1] != _NEWLINE:
            break
        written: i64 = len(rows)
        copied: i64 = done
        place: i64 = written + at + 1 - done  # of the row's length, in the output
        grown: i64 = 0
        column: i64 = 0
        step: i64 = 0
        target = masked[0] if count else -1
        start: i64 = at + 5  # of the field
        here: i64 = start
        while here < end:
            while here + 8 <= end:  # eight bytes at once, as long as none of them matters
                word = read_i64_le(run, here)
                x = word ^ betweens
                y = word ^ newlines
                z = word ^ marks
                if ((x - ones) & ~x | (y - ones) & ~y | (z - ones) & ~z) & highs:
                    break
                here += 8
            byte = run[here]
            while byte != between and byte != _NEWLINE and byte != mark:
                here += 1
                byte = run[here]  # there is one: a newline is the row's last byte
            if byte == mark:
                break
            if byte == _NEWLINE and here != end - 1:
                break
            if here > at + 5 and run[here - 1] == guard:
                break
            if column == target:
                rows.write(run[done:start])
                done = end if byte == _NEWLINE else here
                new = constants[step]
                if new is None:
                    new = functions[step](run[start:done])
                rows.write(new)
                grown += len(new) - (done - start)
                step += 1
                target = masked[step] if step < count else -1
            column += 1
            here += 1
            start = here
        if here < end:
            rows.truncate(written)
            done = copied
            break
        if column != fields:
            raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
        if grown != 0:
            _put(rows, place, length + grown)
        at = end
    rows.write(run[done:at])
    out.append(rows.getvalue())
    return at


def split_lines(
    run: bytes,
    at: i64,
    delimiter: bytes,
    columns: int,
    quote: bytes,
    escape: bytes,
    masked: list[int],
    constants: list[bytes | None],
    functions: list[Callable[[bytes], bytes]],
    out: list[bytes],
) -> i64:
    """See :func:`mask_lines`: row by row, split at the delimiters."""
    size: i64 = len(run)
    fields: i64 = columns
    count: i64 = len(masked)
    escaped, escaped_end = escape + delimiter, escape + b"\n"
    while at < size:
        length: int = read_i32_be(run, at + 1)
        end: i64 = at + 1 + length
        row = run[at + 5 : end]
        if length < 5 or row.find(b"\n") != length - 5:
            break
        if quote and quote in row:
            break
        if escape and (escaped in row or row.endswith(escaped_end)):
            break
        parts = row.split(delimiter)
        if len(parts) != fields:
            raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
        step: i64 = 0
        while step < count:
            column = masked[step]
            new = constants[step]
            parts[column] = functions[step](parts[column]) if new is None else new
            step += 1
        row = delimiter.join(parts)
        out.append(_pack_header(_COPY_DATA, len(row) + 4))
        out.append(row)
        at = end
    return at
