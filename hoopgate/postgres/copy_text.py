r"""COPY in text and CSV format: rows out of payloads, fields out of rows.

In text a backslash makes the next character data, in CSV quotes do. In both a row ends at a newline
that is not data: COPY TO STDOUT writes ``\n`` on every platform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hoopgate.errors import RemoteProtocolError
from hoopgate.postgres.generalise import Rewriter
from hoopgate.postgres.kernels import mask_lines

if TYPE_CHECKING:
    from hoopgate.postgres.copy import CopyOptions

_NEWLINE, _BACKSLASH = b"\n", b"\\"


def _unchanged(field: bytes) -> bytes:
    return field


class _LineRows:
    """What text and CSV share: lines out of payloads, masked columns of a line replaced."""

    #: Quote and escape of the format, or none: see ``mask_lines``.
    _marked: tuple[bytes, bytes]

    def __init__(
        self,
        columns: int,
        rewriters: Mapping[int, bytes | Rewriter | None],
        options: CopyOptions,
    ) -> None:
        self._columns = columns
        self._options = options
        self._delimiter = options.delimiter
        self._header = options.header
        self._parts: list[bytes] = []
        self.buffered = 0
        self._masked = sorted(rewriters)
        self._constants: list[bytes | None] = []
        self._functions: list[Callable[[bytes], bytes]] = []
        for index in self._masked:
            end = _NEWLINE if index == columns - 1 else b""
            rewriter = rewriters[index]
            if callable(rewriter):
                self._constants.append(None)
                self._functions.append(self._field_rewriter(rewriter, end))
            else:
                self._constants.append(self._encode(rewriter) + end)
                self._functions.append(_unchanged)

    def plain(self, run: bytes, at: int, out: list[bytes]) -> int:
        """As many rows as are plain: the slow path is for the others."""
        if self.buffered or self._header or self._columns == 0:
            return at
        return mask_lines(
            run,
            at,
            self._delimiter,
            self._columns,
            *self._marked,
            self._masked,
            self._constants,
            self._functions,
            out,
        )

    def push(self, payload: bytes) -> Sequence[bytes]:
        """The rows that are complete with ``payload``, each with its newline."""
        out: list[bytes] = []
        start = 0
        for newline in self._line_ends(payload):
            self._parts.append(payload[start : newline + 1])
            out.append(self._row(b"".join(self._parts)))
            self._parts.clear()
            self.buffered = 0
            start = newline + 1
        if start < len(payload):
            self._parts.append(payload[start:])
            self.buffered += len(payload) - start
        return out

    def finish(self) -> Sequence[bytes]:
        """A last row that has no newline.

        :raises RemoteProtocolError: it ends inside quotes or an escape.
        """
        if not self.buffered:
            return ()
        self._check_end()
        row = self._row(b"".join(self._parts) + _NEWLINE)
        self._parts.clear()
        self.buffered = 0
        return (row[:-1],)

    def _row(self, line: bytes) -> bytes:
        """:param line: with its newline, which stays with the last field."""
        if self._columns == 0:
            if line != _NEWLINE:
                raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
            return line
        fields = self._split(line)
        if len(fields) != self._columns:
            raise RemoteProtocolError("a COPY does not have the columns its plan was made for")
        if self._header:
            self._header = False
            return line
        for step, index in enumerate(self._masked):
            constant = self._constants[step]
            fields[index] = self._functions[step](fields[index]) if constant is None else constant
        return self._delimiter.join(fields)

    def _field_rewriter(self, rewriter: Rewriter, end: bytes) -> Callable[[bytes], bytes]:
        def rewrite(field: bytes) -> bytes:
            return self._encode(rewriter(self._decode(field.removesuffix(end)))) + end

        return rewrite

    def _line_ends(self, payload: bytes) -> Sequence[int]:
        """Offsets of the newlines that end a row; state is carried from payload to payload."""
        raise NotImplementedError

    def _check_end(self) -> None:
        raise NotImplementedError

    def _split(self, line: bytes) -> list[bytes]:
        raise NotImplementedError

    def _encode(self, value: bytes | None) -> bytes:
        raise NotImplementedError

    def _decode(self, field: bytes) -> bytes | None:
        raise NotImplementedError


_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_LETTERS = {value: letter for letter, value in _ESCAPES.items()}
_ESCAPED = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, character = match.groups()
    if octal is not None:
        return bytes((int(octal, 8) & 0xFF,))
    if hexadecimal is not None:
        return bytes((int(hexadecimal, 16),))
    assert character is not None
    return _ESCAPES.get(character, character)


class TextRows(_LineRows):
    """``FORMAT text``."""

    def __init__(
        self,
        columns: int,
        rewriters: Mapping[int, bytes | Rewriter | None],
        options: CopyOptions,
    ) -> None:
        delimiter = re.escape(options.delimiter)
        self._field = re.compile(rb"(?:[^\\%b]++|\\.)*+" % delimiter, re.DOTALL)
        self._special = re.compile(rb"[\\\x08\f\n\r\t\v%b]" % delimiter)
        self._marked = (b"", _BACKSLASH)
        self._escaping = False  # the last payload ended in a backslash that escapes
        super().__init__(columns, rewriters, options)

    def _line_ends(self, payload: bytes) -> Sequence[int]:
        ends: list[int] = []
        if _BACKSLASH not in payload and not self._escaping:
            at = payload.find(_NEWLINE)
            while at >= 0:
                ends.append(at)
                at = payload.find(_NEWLINE, at + 1)
            return ends
        skip = 0 if self._escaping else -1
        for match in _BACKSLASH_OR_NEWLINE.finditer(payload):
            at = match.start()
            if at == skip:
                continue
            if payload[at] == 0x0A:
                ends.append(at)
            else:
                skip = at + 1
        if payload:
            self._escaping = skip == len(payload)
        return ends

    def _check_end(self) -> None:
        if self._escaping:
            raise RemoteProtocolError("a COPY ends inside an escape")

    def _split(self, line: bytes) -> list[bytes]:
        if _BACKSLASH + self._delimiter not in line:
            return line.split(self._delimiter)
        fields: list[bytes] = []
        at = 0
        while True:
            match = self._field.match(line, at)
            assert match is not None  # it matches the empty string
            fields.append(match.group())
            at = match.end()
            if at == len(line):
                return fields
            if line[at : at + 1] != self._delimiter:
                raise RemoteProtocolError("a COPY row ends inside an escape")
            at += 1

    def _encode(self, value: bytes | None) -> bytes:
        if value is None:
            return self._options.null
        return self._special.sub(
            lambda match: _BACKSLASH + _LETTERS.get(match.group(), match.group()), value
        )

    def _decode(self, field: bytes) -> bytes | None:
        if field == self._options.null:
            return None
        return _ESCAPED.sub(_unescaped, field) if _BACKSLASH in field else field


_BACKSLASH_OR_NEWLINE = re.compile(rb"[\\\n]")


class CSVRows(_LineRows):
    """``FORMAT csv``."""

    def __init__(
        self,
        columns: int,
        rewriters: Mapping[int, bytes | Rewriter | None],
        options: CopyOptions,
    ) -> None:
        q, e, d = (re.escape(c) for c in (options.quote, options.escape, options.delimiter))
        if options.quote == options.escape:
            quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (q, q, q, q, q)
            self._escape = b""
        else:
            quoted = rb"%b(?:[^%b%b]++|%b[%b%b]|%b)*+%b" % (q, q, e, e, q, e, e, q)
            self._escape = options.escape
        self._field = re.compile(rb"(?:[^%b%b]++|%b)*+" % (q, d, quoted))
        self._marked = (options.quote, b"")
        self._marks = re.compile(rb"[%b%b\n]" % (q, e))
        self._escapes = re.compile(rb"%b([%b%b])" % (e, q, e))
        self._quoting = False  # inside quotes
        self._escaping = False  # and behind an escape
        super().__init__(columns, rewriters, options)

    def _line_ends(self, payload: bytes) -> Sequence[int]:
        # As CopyReadLineText counts: a doubled quote closes and opens again.
        ends: list[int] = []
        quote = self._options.quote
        skip = 0 if self._escaping else -1
        for match in self._marks.finditer(payload):
            at, mark = match.start(), match.group()
            if mark == _NEWLINE:
                if not self._quoting:
                    ends.append(at)
            elif self._quoting and mark == self._escape:
                if at != skip:
                    skip = at + 1
            elif mark == quote and not (self._quoting and at == skip):
                self._quoting = not self._quoting
        if payload:
            self._escaping = self._quoting and skip == len(payload)
        return ends

    def _check_end(self) -> None:
        if self._quoting:
            raise RemoteProtocolError("a COPY ends inside quotes")

    def _split(self, line: bytes) -> list[bytes]:
        if self._options.quote not in line:
            return line.split(self._delimiter)
        fields: list[bytes] = []
        at = 0
        while True:
            match = self._field.match(line, at)
            assert match is not None  # it matches the empty string
            fields.append(match.group())
            at = match.end()
            if at == len(line):
                return fields
            if line[at : at + 1] != self._delimiter:
                raise RemoteProtocolError("a COPY row ends inside quotes")
            at += 1

    def _encode(self, value: bytes | None) -> bytes:
        options = self._options
        if value is None:
            return options.null
        plain = not (
            options.force_quote
            or value in (options.null, b"\\.")
            or any(c in value for c in (options.delimiter, options.quote, b"\n", b"\r"))
        )
        if plain:
            return value
        quote = options.quote
        escaped = re.sub(
            rb"[%b%b]" % (re.escape(quote), re.escape(options.escape)),
            lambda match: options.escape + match.group(),
            value,
        )
        return quote + escaped + quote

    def _decode(self, field: bytes) -> bytes | None:
        if field == self._options.null:
            return None
        quote = self._options.quote
        if quote not in field:
            return field
        # The server quotes a field as a whole; other layouts are valid input, never its output.
        if not (field[:1] == quote and field[-1:] == quote and len(field) > 1):
            raise RemoteProtocolError("a COPY field is quoted in part")
        return self._escapes.sub(lambda match: match[1], field[1:-1])
