"""What a client sees of output and files on a resource that holds PHI; sans-I/O.

Files are masked by what the data dictionary says of their path. Output of programs is searched by
detectors only: these are a tripwire (docs/masking.md), and the control is which programs may run
on which paths.
"""

from __future__ import annotations

import json
import pickle
import re
import time
from collections.abc import Callable
from typing import Any, Final

from hoopgate.actions import Action, Close, Pause, Reply
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
from hoopgate.ssh.output import Means, PlainStream
from hoopgate.ssh.refusals import refused_program

#: Bytes of a line that is not over that are held back at most.
HELD: Final = 4096
_LINE_END: Final = re.compile(r"[\r\n]+")
#: Bytes of a file that are masked at once: more would keep everybody else waiting.
INLINE: Final = 16 * 1024


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

    def request(self, path: str, content: bytes, plan: MaskPlan) -> bytes:
        """Ask a child process for the same; :func:`read` has what it says."""
        assert isinstance(plan, BodyPlan)
        plain = BodyPlan(columns=(), paths=plan.paths, unlabelled=plan.unlabelled)
        return pickle.dumps((self._binary, path, content, plain), protocol=5)

    def _by_format(
        self, path: str, text: str, masks: tuple[PathMask, ...], plan: BodyPlan
    ) -> bytes:
        suffix = path.rpartition(".")[2].lower()
        if suffix == "csv":
            return CSVMasker(masks, unlabelled=plan.unlabelled).mask(text).encode()
        if suffix == "hl7":
            return HL7Masker(masks).mask(text).encode()
        if suffix in ("ndjson", "jsonl"):
            # Not splitlines: strings may hold what else ends lines (U+2028, say).
            lines = [line for line in _LINE_END.split(text) if line.strip()]
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
        shown = JSONMasker(masks, unlabelled=plan.unlabelled).mask(document)
        return documents.encode(shown if plan.unlabelled else _searched(shown))


def _searched(value: Any) -> Any:
    """A document with what detectors find in its texts replaced."""
    if isinstance(value, str):
        return detected(value)
    if isinstance(value, dict):
        return {name: _searched(one) for name, one in value.items()}
    return [_searched(one) for one in value] if isinstance(value, list) else value


def answer(asked: bytes) -> bytes:
    """In a child process: a byte that says whether it was masked, and the file or why not. It
    trusts who asks, its parent; not what is in the file."""
    binary, path, content, plan = pickle.loads(asked)  # noqa: S301 - its parent's
    try:
        return b"\0" + FileMasker(binary=binary)(path, content, plan)
    except Refused as refused:
        return b"\1" + json.dumps([refused.code, str(refused)]).encode()


def read(said: bytes | None) -> bytes:
    """The masked file in an :func:`answer`; None: there was none.

    :raises Refused: there is none.
    """
    if said is None or said[:1] not in (b"\0", b"\1"):
        raise Refused("phi.masking", "the file could not be masked now")
    if said[:1] == b"\1":
        code, message = json.loads(said[1:])
        raise Refused(str(code), str(message))
    return said[1:]


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


class MaskedStream(PlainStream):
    """A program's output as it may be seen: searched by detectors."""

    def __init__(self, *, terminal: bool) -> None:
        self._untold = terminal
        self.holds_back = not terminal
        self._output = LineMasker(best_effort=terminal)
        self._errors = LineMasker(best_effort=terminal)

    @property
    def buffered(self) -> int:
        """See :class:`hoopgate.ssh.output.Stream`."""
        return self._output.buffered + self._errors.buffered

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        masker = self._output if number == wire.CHANNEL_DATA else self._errors
        return [*self._notice(), *_reply(number, masker.feed(data))]

    def _notice(self) -> list[Action]:
        untold, self._untold = self._untold, False
        return [Reply(wire.stderr(BEST_EFFORT))] if untold else []

    def backend_eof(self) -> list[Action]:
        return [
            *_reply(wire.CHANNEL_DATA, self._output.end()),
            *_reply(wire.CHANNEL_EXTENDED_DATA, self._errors.end()),
        ]


class WholeStream(PlainStream):
    """A file that a command shows as it is: masked whole, by the data dictionary.

    :param path: where the file is, resolved.
    :param most: bytes of it.
    """

    holds_back = True

    def __init__(
        self, mask: FileMasker, path: str, plan: BodyPlan, most: int, means: Means
    ) -> None:
        self._mask = mask
        self._path = path
        self._plan = plan
        self._most = most
        self._means = means
        self._parts: list[bytes] = []
        self._size = 0
        self._errors = LineMasker()
        self.waits = False

    @property
    def buffered(self) -> int:
        """See :class:`hoopgate.ssh.output.Stream`."""
        return self._size + self._errors.buffered

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        if number != wire.CHANNEL_DATA:
            return _reply(number, self._errors.feed(data))
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._most:
            self._parts.clear()
            return _refused("the file is too large to be masked", "phi.size")
        return []

    def backend_eof(self) -> list[Action]:
        content = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        errors = _reply(wire.CHANNEL_EXTENDED_DATA, self._errors.end())
        if len(content) > INLINE:
            self.waits = True
            work = self._means.work(self._mask.request(self._path, content, self._plan))
            return [*errors, Pause(on=True), work]
        return [*errors, *self._shown(lambda: self._mask(self._path, content, self._plan))]

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        self.waits = False
        return [Pause(on=False), *self._shown(lambda: read(answer))]

    def _shown(self, masked: Callable[[], bytes]) -> list[Action]:
        try:
            shown = masked()
        except Refused as refused:
            return _refused(str(refused), refused.code)
        return [Reply(wire.in_frames(shown))] if shown else []


def _refused(why: str, code: str) -> list[Action]:
    told = refused_program(f"hoopgate: refused: {why} [reason={code}]")
    return [Reply(told), Close("refused")]


def _reply(number: int, data: bytes) -> list[Action]:
    return [Reply(wire.output(number, data))] if data else []
