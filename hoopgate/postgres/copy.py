"""COPY TO STDOUT rewritten by a masking plan: text, CSV and binary (manual, COPY "File Formats").

The server sends one row per CopyData message, and clients count on it; so one row per message goes
out, whatever the cuts between the messages that come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hoopgate.errors import LimitExceeded
from hoopgate.plans import MaskPlan
from hoopgate.postgres.copy_binary import BinaryRows
from hoopgate.postgres.copy_text import CSVRows, TextRows
from hoopgate.postgres.dates import ISO
from hoopgate.postgres.generalise import Rewriter
from hoopgate.postgres.masking import Tokeniser, rewriter

#: Bytes of a row at most, as long as it is in pieces.
ROW_LIMIT = 64 * 2**20

#: Column → what takes the place of its values.
Rewriters = Mapping[int, bytes | Rewriter | None]


class _Rows(Protocol):
    """The rows of one format, out of a stream of payloads."""

    @property
    def buffered(self) -> int:
        """Bytes of a row that is not whole yet."""

    def plain(self, run: bytes, at: int, out: list[bytes]) -> int:
        """Rewrite messages from ``at`` on into ``out``, as long as each is one whole row.

        :return: where the first message begins that must go through :meth:`push`.
        """

    def push(self, payload: bytes) -> Sequence[bytes]:
        """The rewritten payloads that are complete with this one."""

    def finish(self) -> Sequence[bytes]:
        """The rewritten payloads that were left at the end."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """COPY's options as far as they change how rows read. Single bytes but for ``null``."""

    delimiter: bytes
    null: bytes
    quote: bytes = b'"'
    escape: bytes = b'"'
    header: bool = False
    force_quote: bool = False


class CopyMasker:
    """Rewrites the CopyData of one COPY.

    :param format: ``text``, ``csv`` or ``binary``.
    :param options: COPY's own WITH list, keys in lower case.
    :param tokeniser: as for :func:`hoopgate.postgres.masking.compile_plan`.
    :param row_limit: bytes of a row at most.
    :param style: the session's DateStyle.
    :raises ValueError: an option that is unknown, or that the masker cannot follow.
    """

    def __init__(
        self,
        plan: MaskPlan,
        format: str,
        options: Mapping[str, str],
        tokeniser: Tokeniser | None = None,
        row_limit: int = ROW_LIMIT,
        style: bytes = ISO,
    ) -> None:
        self._limit = row_limit
        count = len(plan.columns)
        rewriters: Rewriters = {
            index: rewriter(mask, format == "binary", tokeniser, style)
            for index, mask in enumerate(plan.columns)
            if mask is not None
        }
        self._rows: _Rows
        if format == "binary":
            binary_options(options)
            self._rows = BinaryRows(count, rewriters)
        elif format in ("text", "csv"):
            parsed = text_options(options, csv=format == "csv")
            make: Callable[[int, Rewriters, CopyOptions], _Rows]
            make = CSVRows if format == "csv" else TextRows
            self._rows = make(count, rewriters, parsed)
        else:
            raise ValueError("unknown COPY format")

    @property
    def buffered(self) -> int:
        """Bytes of rows that are not whole yet."""
        return self._rows.buffered

    def data(self, run: bytes) -> bytes:
        """Rewrite a run of CopyData messages; a row that is not whole yet is kept back.

        :raises RemoteProtocolError: a row does not fit the plan.
        :raises LimitExceeded: a row is above the limit.
        """
        rows = self._rows
        out: list[bytes] = []
        size = len(run)
        at = rows.plain(run, 0, out)
        while at < size:
            end = at + 1 + int.from_bytes(run[at + 1 : at + 5], "big")
            for row in rows.push(run[at + 5 : end]):
                out += (b"d", (len(row) + 4).to_bytes(4, "big"), row)
            if rows.buffered > self._limit:
                raise LimitExceeded("a row of a COPY is above the limit")
            at = rows.plain(run, end, out)
        return b"".join(out)

    def finish(self) -> bytes:
        """The messages that are left when CopyDone arrives.

        :raises RemoteProtocolError: the stream ends inside a row.
        """
        return b"".join(
            b"d" + (len(row) + 4).to_bytes(4, "big") + row for row in self._rows.finish()
        )


# --- options -----------------------------------------------------------------------------------

_NO_TEXT_DELIMITER = b"\\.abcdefghijklmnopqrstuvwxyz0123456789"
_TRUE, _FALSE = ("", "true", "on", "1"), ("false", "off", "0")


def binary_options(options: Mapping[str, str]) -> None:
    """:raises ValueError: an option besides the format."""
    _only(options, {"format", "encoding"}, "binary")
    _encoding(options)


def text_options(options: Mapping[str, str], *, csv: bool) -> CopyOptions:
    """Read COPY's options as ``ProcessCopyOptions`` does.

    :raises ValueError: unknown, or not for this format.
    """
    allowed = {"format", "delimiter", "null", "header", "encoding"}
    if csv:
        allowed |= {"quote", "escape", "force_quote"}
    _only(options, allowed, "csv" if csv else "text")
    _encoding(options)
    delimiter = _byte(options, "delimiter", b"," if csv else b"\t")
    null = options.get("null", "" if csv else "\\N").encode()
    if delimiter in b"\r\n" or (
        not csv and delimiter in b"\\.abcdefghijklmnopqrstuvwxyz0123456789"
    ):
        raise ValueError("unusable COPY delimiter")
    if b"\r" in null or b"\n" in null or delimiter in null:
        raise ValueError("unusable COPY null string")
    header = options.get("header", "false").lower()
    if header not in _TRUE + _FALSE:
        raise ValueError("unusable COPY header")
    quote = _byte(options, "quote", b'"')
    escape = _byte(options, "escape", quote)
    if csv and (quote == delimiter or quote in null or quote in b"\r\n" or escape in b"\r\n"):
        raise ValueError("unusable COPY quote or escape")
    return CopyOptions(
        delimiter, null, quote, escape, header in _TRUE, bool(options.get("force_quote"))
    )


def _only(options: Mapping[str, str], allowed: set[str], format: str) -> None:
    if not allowed.issuperset(options):
        raise ValueError(f"a COPY option that is not known for format {format}")
    if options.get("format", format).lower() != format:
        raise ValueError("COPY's format is not the one of its options")


def _encoding(options: Mapping[str, str]) -> None:
    # In some other encodings a delimiter's byte is the second half of a character.
    spelled = "".join(c for c in options.get("encoding", "utf8").lower() if c.isalnum())
    if spelled not in ("utf8", "unicode"):
        raise ValueError("COPY's encoding must be UTF8")


def _byte(options: Mapping[str, str], name: str, default: bytes) -> bytes:
    value = options.get(name, "").encode() if name in options else default
    if len(value) != 1:
        raise ValueError(f"COPY's {name} must be a single one-byte character")
    return value
