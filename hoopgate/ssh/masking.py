"""What a client sees of output and files on a resource that holds PHI; sans-I/O.

Files are masked by what the data dictionary says of their path. Output of programs is searched by
detectors only: these are a tripwire (docs/masking.md), and the control is which programs may run
on which paths.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

import re2

from hoopgate.actions import Action, Forward, Reply
from hoopgate.errors import Refused
from hoopgate.phi import documents
from hoopgate.phi.detectors.patterns import DETECTORS, LONGEST
from hoopgate.phi.documents import JSONMasker, Unreadable
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.phi.fhir_types import is_resource
from hoopgate.phi.hl7 import HL7Masker
from hoopgate.phi.texts import CSVMasker, TextMasker, detected
from hoopgate.plans import BodyPlan, MaskPlan, PathMask
from hoopgate.ssh import wire

#: Bytes of a line that is not over that are held back at most.
HELD: Final = 4096
#: Whether there is anything to look for.
_ANY: Final = re2.compile("|".join(f"(?:{one.pattern})" for one in DETECTORS if not one.alone))


class FileMasker:
    """Masks whole files, see :class:`hoopgate.ssh.sftp_files.MaskFile`.

    A place in the data dictionary is a pattern of paths, and with ``#`` a place in the file:
    ``/data/*.csv#ssn``, ``/data/*.json#/patients/*/ssn``, ``/data/fhir/*#Patient.name``.

    :param binary: pass on what is not text.
    """

    def __init__(self, *, binary: bool, year: Callable[[], int] | None = None) -> None:
        self._binary = binary
        self._year = year or (lambda: time.gmtime().tm_year)

    def __call__(self, path: str, content: bytes, plan: MaskPlan) -> bytes:
        """:raises Refused: ``phi.unlabelled``, ``phi.binary``, ``phi.unreadable``."""
        assert isinstance(plan, BodyPlan)
        whole, inner = _labels(path, plan)
        if whole is not None and whole.method is None and not inner:
            return content
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            if self._binary and whole is None and not inner:
                return content
            raise Refused("phi.binary", "the file is not text in UTF-8, and cannot be masked")
        if inner:
            try:
                return self._by_format(path, text, tuple(inner), plan)
            except Unreadable as error:
                raise Refused("phi.unreadable", f"the file cannot be masked: {error}") from None
        if whole is not None:
            return f"[{whole.label}]\n".encode()
        if plan.unlabelled:
            raise Refused("phi.unlabelled", "the data dictionary says nothing of this file")
        return detected(text).encode()

    def _by_format(
        self, path: str, text: str, masks: tuple[PathMask, ...], plan: BodyPlan
    ) -> bytes:
        suffix = path.rpartition(".")[2].lower()
        if suffix == "csv":
            return CSVMasker(masks, unlabelled=plan.unlabelled).mask(text).encode()
        if suffix == "hl7":
            return HL7Masker(masks).mask(text).encode()
        if suffix in ("ndjson", "jsonl"):
            lines = [line for line in text.splitlines() if line.strip()]
            return b"".join(self._document(line, masks, plan) + b"\n" for line in lines)
        if suffix == "json":
            return self._document(text, masks, plan)
        return TextMasker(masks, unlabelled=plan.unlabelled).mask(text).encode()

    def _document(self, text: str, masks: tuple[PathMask, ...], plan: BodyPlan) -> bytes:
        document = documents.decode(text.encode())
        kind = document.get("resourceType") if isinstance(document, dict) else None
        if is_resource(kind):
            masker = FHIRMasker(masks, lambda _: None, self._year())
            return documents.encode(masker.mask(document))
        return documents.encode(JSONMasker(masks, unlabelled=plan.unlabelled).mask(document))


def _labels(path: str, plan: BodyPlan) -> tuple[PathMask | None, list[PathMask]]:
    """What is said of a file as a whole, and of places in it; the most specific first."""
    whole, inner = None, []
    for mask in plan.paths:
        pattern, marked, place = mask.path.partition("#")
        if not fnmatchcase(path, pattern):
            continue
        if marked:
            inner.append(replace(mask, path=place))
        elif whole is None:
            whole = mask
    return whole, inner


class LineMasker:
    """What detectors find is replaced, also where it lies across chunks.

    A line is shown when it is over; of one that goes on no more than :data:`HELD` bytes wait.

    :param best_effort: nothing waits: for terminals, where people type.
    """

    def __init__(self, *, best_effort: bool = False) -> None:
        self._best_effort = best_effort
        self._held = b""

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """What may be shown of the output so far."""
        if self._best_effort:
            return b"".join(map(_whole, data.splitlines(keepends=True)))
        text = self._held + data
        end = text.rfind(b"\n", len(self._held)) + 1
        shown = _lines(text[:end])
        text = text[end:]
        if len(text) > HELD:
            part, done = _part(text, len(text) - LONGEST)
            shown += part
            text = text[done:]
        self._held = text
        return shown

    def end(self) -> bytes:
        """The output is over."""
        held, self._held = self._held, b""
        return _lines(held)


def _lines(block: bytes) -> bytes:
    """Whole lines. Most blocks hold nothing: one look at all of one tells."""
    if not block or _ANY.search(block.decode("latin-1")) is None:
        return block
    return b"\n".join(map(_whole, block.split(b"\n")))


def _whole(line: bytes) -> bytes:
    return _part(line, len(line))[0]


def _part(line: bytes, end: int) -> tuple[bytes, int]:
    """The line up to about ``end``, and where it really ended: nothing found is cut in two."""
    # A character for a byte: nothing changes but what is found.
    text = line.decode("latin-1")
    if _ANY.search(text) is None:
        return line[:end], end
    shown: list[str] = []
    done = 0
    for start, stop, kind in _found(text):
        if start >= end:
            break
        if stop > done:
            if start >= done:
                shown.append(f"{text[done:start]}[{kind}]")
            done = stop
    last = max(done, end)
    shown.append(text[done:last])
    return "".join(shown).encode("latin-1"), last


def _found(text: str) -> list[tuple[int, int, str]]:
    spans: list[tuple[int, int, str]] = []
    for at in range(0, max(len(text), 1), LONGEST // 2):
        part = text[at : at + LONGEST]
        for detector in DETECTORS:
            if not detector.alone:
                found = detector.spans(part)
                spans += [(at + start, at + stop, detector.kind) for start, stop in found]
    return sorted(spans)


#: Said where a terminal begins, and so in its recording, too.
BEST_EFFORT: Final = (
    b"hoopgate: what this terminal shows is searched for identifiers as it comes, by best effort"
    b" only [masking=best-effort]\r\n"
)


class MaskedStream:
    """A program's data; its output as it may be seen. See :class:`hoopgate.ssh.session.Stream`."""

    read_ahead = 0

    def __init__(self, *, terminal: bool) -> None:
        self._untold = terminal
        self._output = LineMasker(best_effort=terminal)
        self._errors = LineMasker(best_effort=terminal)

    @property
    def buffered(self) -> int:
        """See :class:`hoopgate.ssh.session.Stream`."""
        return self._output.buffered + self._errors.buffered

    def from_client(self, data: bytes) -> list[Action]:
        return [Forward(wire.data(data))]

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        masker = self._output if number == wire.CHANNEL_DATA else self._errors
        return [*self._notice(), *_reply(number, masker.feed(data))]

    def _notice(self) -> list[Action]:
        untold, self._untold = self._untold, False
        return [Reply(wire.stderr(BEST_EFFORT))] if untold else []

    def client_eof(self) -> list[Action]:
        return [Forward(wire.frame(wire.CHANNEL_EOF))]

    def backend_eof(self) -> list[Action]:
        return [
            *_reply(wire.CHANNEL_DATA, self._output.end()),
            *_reply(wire.CHANNEL_EXTENDED_DATA, self._errors.end()),
        ]

    def decided(self, decision: object) -> list[Action]:
        raise AssertionError("nothing was asked")

    def told_hold(self, text: str) -> list[Action]:
        return []


def _reply(number: int, data: bytes) -> list[Action]:
    if not data:
        return []
    return [Reply(wire.data(data) if number == wire.CHANNEL_DATA else wire.stderr(data))]
