"""Text and tables without what identifies patients.

Patterns find one identifier in five of a clinical text (docs/masking.md), so text is shown only
where the data dictionary says that it holds no PHI, or that nothing is secret that it does not
name; there the detectors are a tripwire.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from hoopgate.phi.detectors import hidden
from hoopgate.phi.detectors.search import replaced_in
from hoopgate.phi.documents import Tokens, Unreadable, replacement
from hoopgate.plans import Method, PathMask

#: The place of a whole text in the data dictionary.
WHOLE: Final = "text"
_MARK: Final = "\ufeff"
#: The comma first: it is meant where there are as many of another.
_SEPARATORS: Final = (",", ";", "\t", "|")
_UNLABELLED: Final = PathMask("", "UNLABELLED", Method.REDACT)


class TextMasker:
    """Masks plain text.

    :param unlabelled: what nothing is said of counts as secret.
    """

    def __init__(self, masks: Sequence[PathMask], *, unlabelled: bool) -> None:
        said = next((one for one in masks if one.path == WHOLE), None)
        self._mask = said or (_UNLABELLED if unlabelled else None)

    def mask(self, text: str) -> str:
        """The text as the client may see it."""
        if self._mask is None:
            return detected(text)
        if self._mask.method is None:
            return text
        return f"[{self._mask.label}]"


class CSVMasker:
    """Masks tables (RFC 4180) by the names in their first row.

    Spreadsheets write a byte order mark before it, and semicolons where the comma is decimal.
    """

    def __init__(
        self, masks: Sequence[PathMask], *, unlabelled: bool, tokens: Tokens | None = None
    ) -> None:
        self._tokens = tokens
        self._masks = {one.path.casefold(): one for one in reversed(masks)}
        self._unlabelled = unlabelled

    def mask(self, text: str) -> str:
        """The table as the client may see it.

        :raises Unreadable: it is none: a row is longer than the first, or what separates its names
            cannot be told.
        """
        if "\0" in text:
            raise Unreadable("the content is no table")
        mark = _MARK if text.startswith(_MARK) else ""
        text = text.removeprefix(_MARK)
        if text[:4].casefold() == "sep=":
            raise Unreadable("its first row has no names")  # but what spreadsheets take for one
        separator = _separator(text)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except csv.Error:
            raise Unreadable("the content is no table") from None
        if not rows:
            return mark
        others = [one for one in _SEPARATORS if one != separator]
        if any(one in name for name in rows[0] for one in others):
            raise Unreadable("what separates the names in the first row cannot be told")
        columns = [self._column(name) for name in rows[0]]
        written = io.StringIO()
        written.write(mark)
        writer = csv.writer(written, delimiter=separator, lineterminator="\r\n")
        # A table without names would give its first row away.
        writer.writerow(
            [
                detected(name) if mask is not _UNLABELLED else f"column_{number}"
                for number, (name, mask) in enumerate(zip(rows[0], columns, strict=True), 1)
            ]
        )
        for row in rows[1:]:
            if len(row) > len(columns):
                raise Unreadable("a row has more fields than names")
            writer.writerow(
                [self._cell(value, mask) for value, mask in zip(row, columns, strict=False)]
            )
        return written.getvalue()

    def _column(self, name: str) -> PathMask | None:
        found = self._masks.get(name.strip().casefold())
        return found or (_UNLABELLED if self._unlabelled else None)

    def _cell(self, value: str, mask: PathMask | None) -> str:
        if mask is None:
            return detected(value)
        if mask.method is None or not value:
            return value
        return replacement(value, mask, self._tokens) or ""


def _separator(text: str) -> str:
    """What stands between the fields of a table: what is most in its first line."""
    line = text.lstrip("\r\n").partition("\n")[0]
    return max(_SEPARATORS, key=line.count)


def detected(text: str) -> str:
    """Text with what the detectors find replaced by its kind, also where digits and dashes only
    look like the plain ones."""
    return replaced_in(text, hidden.find)
