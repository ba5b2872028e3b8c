"""What a client sees of output and files on a resource that holds PHI; sans-I/O.

Files are masked by what the data dictionary says of their path. Output of programs is searched by
detectors only: these are a tripwire (docs/masking.md), and the control is which programs may run
on which paths.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from hoopgate.actions import Action, Forward, Reply
from hoopgate.errors import Refused
from hoopgate.phi import documents
from hoopgate.phi.detectors import hidden
from hoopgate.phi.detectors.patterns import LONGEST
from hoopgate.phi.documents import JSONMasker, Unreadable
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.phi.fhir_types import is_resource
from hoopgate.phi.files import labels_of
from hoopgate.phi.hl7 import HL7Masker
from hoopgate.phi.texts import CSVMasker, TextMasker, detected
from hoopgate.plans import BodyPlan, MaskPlan, PathMask
from hoopgate.ssh import wire

#: Bytes of a line that is not over that are held back at most.
HELD: Final = 4096


class FileMasker:
    """Masks whole files, see :class:`hoopgate.ssh.sftp_files.MaskFile`.

    :param binary: pass on what is not text.
    """

    def __init__(self, *, binary: bool, year: Callable[[], int] | None = None) -> None:
        self._binary = binary
        self._year = year or (lambda: time.gmtime().tm_year)

    def __call__(self, path: str, content: bytes, plan: MaskPlan) -> bytes:
        """:raises Refused: ``phi.unlabelled``, ``phi.binary``, ``phi.unreadable``."""
        assert isinstance(plan, BodyPlan)
        whole, inner = labels_of(path, plan.paths)
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


class LineMasker:
    """What detectors find is replaced, also where it lies across chunks, or has control sequences
    in it that a terminal does not show (``hidden.py``).

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
            return _shown(data, len(data))[0]
        text = self._held + data
        end = text.rfind(b"\n", len(self._held)) + 1
        shown = _shown(text[:end], end)[0]
        text = text[end:]
        if len(text) > HELD:
            part, done = _shown(text, len(text) - LONGEST)
            shown += part
            text = text[done:]
        self._held = text
        return shown

    def end(self) -> bytes:
        """The output is over."""
        held, self._held = self._held, b""
        return _shown(held, len(held))[0]


def _shown(text: bytes, end: int) -> tuple[bytes, int]:
    """``text`` up to about ``end``, and where it really ended: nothing found is cut in two."""
    shown: list[bytes] = []
    done = 0
    for start, stop, kind in hidden.find(text):
        if start >= end:
            break
        shown += [text[done:start], f"[{kind}]".encode()]
        done = stop
    last = max(done, end)
    return b"".join([*shown, text[done:last]]), last


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
