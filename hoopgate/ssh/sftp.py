"""SFTP relayed operation by operation, sans-I/O.

Rules:

1. Every operation on a path is asked about, and runs on the path that the server said it leads to.
   A link is made to that, too: it leads there still when it is moved.
2. A handle is what the server gave for an operation that was allowed; no other is accepted, and it
   is good for what it was opened for.
3. An answer belongs to a request that is open. Requests that are not relayed are answered here.
4. A file that has to be masked is read whole, masked, and given out from memory: neither offsets
   nor lengths of the original reach the client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from hoopgate.actions import Action, Decision, Forward, Reply
from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.events import Command, OperationFacts
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh import wire
from hoopgate.ssh.masking import LineMasker
from hoopgate.ssh.refusals import sentence
from hoopgate.ssh.sftp_files import CHUNK, OWN_IDS, Batch, Fetches, File, GiveOut, MaskFile, Open
from hoopgate.ssh.sftp_questions import changes, fits, is_bulk, length_of, plan_of, questions
from hoopgate.ssh.sftp_wire import Packets, Request
from hoopgate.ssh.wire import Reader
from hoopgate.verdicts import Block, Hold

MOST_HANDLES: Final = 256
MOST_OPEN: Final = 1024  #: requests without an answer
_SET_ID: Final = (
    "hoopgate: refused: no file is made to run as its owner or group (set-user-id, set-group-id)"
    " [reason=sftp.set_id]"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a session may do before a person has to approve more."""

    read_bytes: int
    files: int
    removals: int
    mask_bytes: int


@dataclass(slots=True)
class _Asked:
    """A request that waits for its verdicts.

    :ivar left: what is still to be asked.
    """

    request: Request
    received: bytes = field(repr=False)
    left: list[Command] = field(repr=False)
    decisions: list[Decision] = field(default_factory=list)
    then: Callable[[], list[Action]] | None = None


#: Refusals that are told on the standard error of one channel, too.
_SHOWN_LINES = 10


class SFTPStream:
    """See :class:`hoopgate.ssh.output.Stream`.

    :param ask: makes the question about a command.
    :param mask: masks files of a resource that holds PHI; None where none does.
    :param give_out: has a child process mask a large one; None: there is none.
    """

    def __init__(
        self,
        ask: Callable[[Command], Action],
        bounds: Bounds,
        mask: MaskFile | None = None,
        give_out: GiveOut | None = None,
    ) -> None:
        self._ask = ask
        self._bounds = bounds
        self._client = Packets()
        self._backend = Packets()
        self._begun = self._ready = False
        self._open: dict[int, Open] = {}
        self._handles: dict[bytes, File] = {}
        self._asked: _Asked | None = None
        self._eof = False
        self._read = self._files = self._removals = self._shown_lines = 0
        self._bulk = False
        self._masked = LineMasker() if mask is not None else None  # what the server says of errors
        self._fetches = (
            Fetches(mask, bounds.mask_bytes, self._open, self._handles, give_out)
            if mask is not None
            else None
        )

    #: Answers to requests under way come in while something is asked.
    waits = holds_back = False

    # --- Stream ---------------------------------------------------------------------------------

    @property
    def read_ahead(self) -> int:
        """See :class:`hoopgate.ssh.output.Stream`."""
        return self._client.buffered

    @property
    def buffered(self) -> int:
        """See :class:`hoopgate.ssh.output.Stream`."""
        held = self._fetches.bytes if self._fetches is not None else 0
        return self._client.buffered + self._backend.buffered + held

    def from_client(self, data: bytes) -> list[Action]:
        self._client.feed(data)
        return self._go_on()

    def client_eof(self) -> list[Action]:
        self._eof = True
        return self._go_on()

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        if number != wire.CHANNEL_DATA:
            return self._errors(data if self._masked is None else self._masked.feed(data))
        self._backend.feed(data)
        answers = Batch()
        while (packet := self._backend.next()) is not None:
            self._answer(packet, answers)
        return answers.actions()

    def backend_eof(self) -> list[Action]:
        return self._errors(b"" if self._masked is None else self._masked.end())

    def _errors(self, text: bytes) -> list[Action]:
        return [Reply(wire.stderr(text))] if text else []

    def told_hold(self, text: str) -> list[Action]:
        return [Reply(wire.stderr(text.encode() + b"\r\n"))]

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        assert self._fetches is not None
        answers = Batch()
        self._fetches.worked(ticket, answer, answers)
        return answers.actions()

    def decided(self, decision: Decision) -> list[Action]:
        asked = self._asked
        assert asked is not None
        asked.decisions.append(decision)
        if isinstance(decision.verdict, Block | Hold):
            self._asked = None
            text = sentence(decision)
            told = sftp.status(asked.request.id, sftp.PERMISSION_DENIED, text)
            return [*self._refused(asked, told), *self._shown(text), *self._go_on()]
        if asked.left:
            return [self._ask(asked.left.pop(0))]
        self._asked = None
        actions = asked.then() if asked.then else self._allowed(asked)
        return actions + self._go_on()

    # --- the client -----------------------------------------------------------------------------

    def _go_on(self) -> list[Action]:
        """Packets up to the next question. Those that pass as they are go out together."""
        actions: list[Action] = []
        passing = b""
        while self._asked is None and (packet := self._client.next()) is not None:
            step = self._packet(packet)
            if step is None:
                passing += wire.string(packet)
                continue
            if passing:
                actions += _forward(passing)
                passing = b""
            actions += step
        if passing:
            actions += _forward(passing)
        if self._eof and self._asked is None:
            self._eof = False
            actions.append(Forward(wire.frame(wire.CHANNEL_EOF)))
        return actions

    def _packet(self, packet: bytes) -> list[Action] | None:
        """None: it passes as it is."""
        if not self._begun:
            if packet[0] != sftp.INIT or len(packet) < 5:
                raise RemoteProtocolError("SFTP begins with INIT")
            self._begun = True
            init = wire.string(bytes((sftp.INIT,)) + wire.uint32(3))
            return [Forward(wire.data(init), wire.data(wire.string(packet)))]
        request = sftp.request(packet)
        if request.id >= OWN_IDS or request.id in self._open:
            raise RemoteProtocolError("an id of SFTP that may not be used")
        if len(self._open) >= MOST_OPEN:
            raise LimitExceeded("too many requests of SFTP at once")
        if request.handles:
            return self._on_handle(request, packet)
        if request.kind == sftp.EXTENDED and not request.paths:
            if request.extension == b"limits@openssh.com":
                self._open[request.id] = Open(sftp.EXTENDED, request.extension)
                return None
            unknown = sftp.status(request.id, sftp.UNSUPPORTED, "not offered by this gateway")
            return _answered(packet, unknown)
        return self._on_paths(request, packet)

    def _on_paths(self, request: Request, packet: bytes) -> list[Action]:
        try:
            paths = [path.decode() for path in request.paths]
        except UnicodeDecodeError:
            text = "hoopgate: refused: a path is not UTF-8 [reason=resolve.path]"
            return _answered(packet, sftp.status(request.id, sftp.FAILURE, text))
        asked = _Asked(request, wire.in_frames(wire.string(packet)), [])
        if changes(request) and sftp.sets_id(request.rest):
            return _answered(packet, sftp.status(request.id, sftp.PERMISSION_DENIED, _SET_ID))
        asked.left = questions(request, paths)
        kinds = {one.kind for one in asked.left}
        if "sftp.read" in kinds:
            self._files += 1
            asked.left += self._beyond(self._files > self._bounds.files, "files")
        if kinds & {"sftp.remove", "sftp.rename"}:
            self._removals += 1
            asked.left += self._beyond(self._removals > self._bounds.removals, "removals")
        return self._begin(asked)

    def _begin(self, asked: _Asked) -> list[Action]:
        self._asked = asked
        return [self._ask(asked.left.pop(0))]

    def _beyond(self, beyond: bool, what: str) -> list[Command]:
        """A person has to approve what goes beyond a session's bound; once is enough."""
        if not beyond or self._bulk:
            return []
        return [Command("sftp.bulk", f"more {what} than a session may have")]

    def _refused(self, asked: _Asked, told: bytes) -> list[Action]:
        forward = Forward(b"", asked.received, tuple(asked.decisions))
        return [forward, Reply(wire.data(told))]

    def _shown(self, text: str) -> list[Action]:
        """The same for people: OpenSSH's clients drop the words of a status, and show the standard
        error. Not for ever, as others read none of it."""
        self._shown_lines += 1
        return self.told_hold(text) if self._shown_lines <= _SHOWN_LINES else []

    def _allowed(self, asked: _Asked) -> list[Action]:
        """All verdicts are there: the request goes on with the paths that were judged."""
        request = asked.request
        facts = asked.decisions[0].facts[0]
        assert isinstance(facts, OperationFacts)
        # Behind those of the request stands what it was judged by besides.
        judged = tuple(path for path, _ in facts.attributes["ssh.path"])
        resolved = judged[: len(request.paths)]
        assert len(resolved) == len(request.paths)
        self._bulk = self._bulk or any(is_bulk(one) for one in asked.decisions)
        opened = Open(request.kind, request.extension)
        if request.kind in (sftp.OPEN, sftp.OPENDIR):
            flags = Reader(request.rest).uint32() if request.kind == sftp.OPEN else 0
            writes = bool(flags & sftp.WRITING)
            reads = bool(flags & sftp.READING) or not writes
            opened.file = File(resolved[0], reads, writes, request.kind == sftp.OPENDIR)
            opened.plan = plan_of(asked.decisions)
            if self._must_mask(opened) and (writes or opened.plan is None):
                text = "hoopgate: refused: open it for reading or for writing [reason=phi.opaque]"
                return self._refused(asked, sftp.status(request.id, sftp.FAILURE, text))
        self._open[request.id] = opened
        paths = tuple(path.encode() for path in resolved)
        if request.kind in (sftp.OPEN, sftp.MKDIR):
            skip = 4 if request.kind == sftp.OPEN else 0
            attrs = sftp.without_set_id(request.rest[skip:])
            request = replace(request, rest=request.rest[:skip] + attrs)
        return [
            Forward(wire.in_frames(request.encode(paths)), asked.received, tuple(asked.decisions))
        ]

    def _must_mask(self, opened: Open) -> bool:
        file = opened.file
        return self._fetches is not None and file is not None and file.reads and not file.directory

    def _on_handle(self, request: Request, packet: bytes) -> list[Action] | None:
        files = [self._handles.get(one) for one in request.handles]
        file = files[0]
        if file is None or None in files:
            return _answered(packet, sftp.status(request.id, sftp.FAILURE, "no such handle"))
        if file.content is not None:
            return self._from_memory(request, packet, file)
        if request.kind == sftp.FSETSTAT and sftp.sets_id(request.rest):
            return _answered(packet, sftp.status(request.id, sftp.PERMISSION_DENIED, _SET_ID))
        if not fits(request, files):
            text = "the handle was not opened for this"
            return _answered(packet, sftp.status(request.id, sftp.PERMISSION_DENIED, text))
        opened = Open(request.kind, request.extension, request.handles[0], file)
        if request.kind == sftp.FSETSTAT:
            asked = _Asked(request, wire.in_frames(wire.string(packet)), [])
            asked.left = [Command("sftp.attributes", "fsetstat", (file.path,))]
            asked.then = lambda: self._unchanged(asked, opened)
            return self._begin(asked)
        if request.kind == sftp.READ:
            # Counted when it is asked for: many may be asked for before one is answered.
            opened.promised = length_of(request)
            self._read += opened.promised
            more = self._beyond(self._read > self._bounds.read_bytes, "bytes")
            if more:
                asked = _Asked(request, wire.in_frames(wire.string(packet)), more)
                asked.then = lambda: self._unchanged(asked, opened)
                return self._begin(asked)
        if request.kind == sftp.CLOSE:
            del self._handles[request.handles[0]]
        self._open[request.id] = opened
        return None

    def _unchanged(self, asked: _Asked, opened: Open) -> list[Action]:
        self._bulk = self._bulk or any(is_bulk(one) for one in asked.decisions)
        self._open[asked.request.id] = opened
        return [Forward(asked.received, None, tuple(asked.decisions))]

    def _given_out(self, asked: _Asked, told: bytes) -> list[Action]:
        self._bulk = self._bulk or any(is_bulk(one) for one in asked.decisions)
        forward = Forward(b"", asked.received, tuple(asked.decisions))
        return [forward, Reply(wire.in_frames(told))]

    def _from_memory(self, request: Request, packet: bytes, file: File) -> list[Action] | None:
        """What the client may know of a file that was masked."""
        content = file.content
        assert content is not None
        if request.kind == sftp.READ:
            reader = Reader(request.rest)
            offset, length = reader.uint64(), reader.uint32()
            part = content[offset : offset + min(length, CHUNK * 2)]
            if part:
                self._read += len(part)
                told = sftp.data(request.id, part)
                more = self._beyond(self._read > self._bounds.read_bytes, "bytes")
                if not more:
                    return _answered(packet, told)
                asked = _Asked(request, wire.in_frames(wire.string(packet)), more)
                asked.then = lambda: self._given_out(asked, told)
                return self._begin(asked)
            return _answered(packet, sftp.status(request.id, sftp.EOF, "End of file"))
        if request.kind == sftp.FSTAT:
            attrs = sftp.with_size(file.attrs, len(content))
            return _answered(packet, sftp.attributes(request.id, attrs))
        if request.kind == sftp.CLOSE:
            del self._handles[request.handles[0]]
            assert self._fetches is not None
            self._fetches.close(file)
            self._open[request.id] = Open(sftp.CLOSE)
            return None
        text = "not offered for files that are masked"
        return _answered(packet, sftp.status(request.id, sftp.UNSUPPORTED, text))

    # --- the backend ----------------------------------------------------------------------------

    def _answer(self, packet: bytes, answers: Batch) -> None:
        if not self._ready:
            self._ready = True
            answers.reply(sftp.version(packet))
            return
        reader = Reader(packet)
        kind, id_ = reader.byte(), reader.uint32()
        opened = self._open.pop(id_, None)
        if opened is None:
            raise RemoteProtocolError("an answer of SFTP to no request")
        if opened.fetch is not None:
            assert self._fetches is not None
            self._fetches.answered(opened, kind, reader, answers)
        elif kind == sftp.HANDLE:
            self._opened(opened, id_, reader.string(), packet, answers)
        elif not sftp.answers(opened.kind, kind):
            raise RemoteProtocolError("an answer of SFTP that is none to its request")
        else:
            self._read -= opened.promised
            if kind == sftp.DATA:
                self._read += len(packet) - 9
            if kind == sftp.STATUS and self._fetches is not None:
                # The server's words may be of the file.
                code = reader.uint32()
                answers.reply(sftp.status(id_, code, sftp.MEANINGS.get(code, "Failure")))
                return
            answers.reply(wire.uint32(len(packet)), packet)

    def _opened(self, opened: Open, id_: int, name: bytes, packet: bytes, answers: Batch) -> None:
        if opened.file is None or len(name) > sftp.HANDLE_BYTES or name in self._handles:
            raise RemoteProtocolError("a handle of SFTP that nobody asked for")
        if len(self._handles) >= MOST_HANDLES:
            raise LimitExceeded("too many files of SFTP at once")
        if self._fetches is not None and self._must_mask(opened):
            self._fetches.begin(id_, name, opened, answers)
            return
        self._handles[name] = opened.file
        answers.reply(wire.string(packet))


def _forward(packets: bytes) -> list[Action]:
    return [Forward(wire.in_frames(packets))]


def _answered(packet: bytes, answer: bytes) -> list[Action]:
    """The gateway answers; the backend does not hear of it."""
    return [Forward(b"", wire.in_frames(wire.string(packet))), Reply(wire.in_frames(answer))]
