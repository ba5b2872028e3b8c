"""SFTP relayed operation by operation, sans-I/O.

Rules:

1. Every operation on a path is asked about, and runs on the path that the server said it leads to.
2. A handle is what the server gave for an operation that was allowed; no other is accepted, and it
   is good for what it was opened for.
3. An answer belongs to a request that is open. Requests that are not relayed are answered here.
4. A file that has to be masked is read whole, masked, and given out from memory: neither offsets
   nor lengths of the original reach the client.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hoopgate.errors import LimitExceeded, Refused, RemoteProtocolError
from hoopgate.events import Action, Command, Decision, Forward, OperationFacts, Reply
from hoopgate.plans import MaskPlan
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh import wire
from hoopgate.ssh.refusals import sentence
from hoopgate.ssh.sftp_wire import Packets, Request
from hoopgate.ssh.wire import Reader
from hoopgate.verdicts import Block, Hold, Mask

MOST_HANDLES: Final = 256
MOST_OPEN: Final = 1024  #: requests without an answer
#: Ids from here on are the gateway's own.
_OWN: Final = 0xFFFF0000
_CHUNK: Final = 32 * 1024
_PIPELINE: Final = 16
_DATA_FRAME: Final = 32 * 1024

_KINDS: Final = {
    sftp.LSTAT: "sftp.lstat",
    sftp.STAT: "sftp.stat",
    sftp.REALPATH: "sftp.stat",
    sftp.READLINK: "sftp.readlink",
    sftp.SETSTAT: "sftp.attributes",
    sftp.OPENDIR: "sftp.list",
    sftp.REMOVE: "sftp.remove",
    sftp.RMDIR: "sftp.remove",
    sftp.MKDIR: "sftp.make",
    sftp.RENAME: "sftp.rename",
    sftp.SYMLINK: "sftp.link",
}
_EXTENDED_KINDS: Final = {
    b"posix-rename@openssh.com": "sftp.rename",
    b"statvfs@openssh.com": "sftp.stat",
    b"hardlink@openssh.com": "sftp.link",
    b"lsetstat@openssh.com": "sftp.lsetstat",
}
_WORDS: Final = {
    sftp.LSTAT: "lstat",
    sftp.STAT: "stat",
    sftp.REALPATH: "realpath",
    sftp.READLINK: "readlink",
    sftp.SETSTAT: "setstat",
    sftp.OPENDIR: "opendir",
    sftp.REMOVE: "remove",
    sftp.RMDIR: "rmdir",
    sftp.MKDIR: "mkdir",
    sftp.RENAME: "rename",
    sftp.SYMLINK: "symlink",
    sftp.OPEN: "open",
    sftp.FSETSTAT: "fsetstat",
}


class MaskFile(Protocol):
    """Masks a whole file."""

    def __call__(self, path: str, content: bytes, plan: MaskPlan) -> bytes:
        """:raises Refused: it cannot be masked."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a session may do before a person has to approve more."""

    read_bytes: int
    files: int
    removals: int
    mask_bytes: int


@dataclass(slots=True)
class _File:
    """What a handle stands for.

    :ivar content: what the client may read, where the file was masked.
    """

    path: str
    reads: bool
    writes: bool
    directory: bool = False
    content: bytes | None = field(default=None, repr=False)
    attrs: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _Fetch:
    """A file on its way into memory."""

    id: int
    handle: bytes
    file: _File
    plan: MaskPlan = field(repr=False)
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)
    size: int = 0
    at: int = 0
    open: int = 0
    over: bool = False
    gone: bool = False


@dataclass(slots=True)
class _Open:
    """A request without an answer.

    :ivar fetch: it is the gateway's own, for this file.
    :ivar offset: of its own READ.
    :ivar promised: bytes that a READ may bring at most.
    """

    kind: int
    extension: bytes = b""
    handle: bytes = b""
    file: _File | None = None
    plan: MaskPlan | None = field(default=None, repr=False)
    fetch: _Fetch | None = None
    offset: int = 0
    promised: int = 0


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


class SFTPStream:
    """See :class:`hoopgate.ssh.session.Stream`.

    :param ask: makes the question about a command.
    :param mask: masks files of a resource that holds PHI; None where none does.
    """

    def __init__(
        self, ask: Callable[[Command], Action], bounds: Bounds, mask: MaskFile | None = None
    ) -> None:
        self._ask = ask
        self._bounds = bounds
        self._mask = mask
        self._client = Packets()
        self._backend = Packets()
        self._begun = self._ready = False
        self._open: dict[int, _Open] = {}
        self._handles: dict[bytes, _File] = {}
        self._asked: _Asked | None = None
        self._next = _OWN
        self._eof = False
        self._read = self._files = self._removals = 0
        self._bulk = False
        self._fetched = 0  # bytes of files in memory

    # --- Stream ---------------------------------------------------------------------------------

    @property
    def read_ahead(self) -> int:
        """See :class:`hoopgate.ssh.session.Stream`."""
        return self._client.buffered

    @property
    def buffered(self) -> int:
        """See :class:`hoopgate.ssh.session.Stream`."""
        return self._client.buffered + self._backend.buffered + self._fetched

    def from_client(self, data: bytes) -> list[Action]:
        self._client.feed(data)
        return self._go_on()

    def client_eof(self) -> list[Action]:
        self._eof = True
        return self._go_on()

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        if number != wire.CHANNEL_DATA:
            return [Reply(wire.stderr(data))]
        self._backend.feed(data)
        answers = _Batch()
        while (packet := self._backend.next()) is not None:
            self._answer(packet, answers)
        return answers.actions()

    def backend_eof(self) -> list[Action]:
        return []

    def told_hold(self, text: str) -> list[Action]:
        return [Reply(wire.stderr(text.encode() + b"\r\n"))]

    def decided(self, decision: Decision) -> list[Action]:
        asked = self._asked
        assert asked is not None
        asked.decisions.append(decision)
        if isinstance(decision.verdict, Block | Hold):
            self._asked = None
            told = sftp.status(asked.request.id, sftp.PERMISSION_DENIED, sentence(decision))
            return [*self._refused(asked, told), *self._go_on()]
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
        if request.id >= _OWN or request.id in self._open:
            raise RemoteProtocolError("an id of SFTP that may not be used")
        if len(self._open) >= MOST_OPEN:
            raise LimitExceeded("too many requests of SFTP at once")
        if request.handles:
            return self._on_handle(request, packet)
        if request.kind == sftp.EXTENDED and not request.paths:
            if request.extension == b"limits@openssh.com":
                self._open[request.id] = _Open(sftp.EXTENDED, request.extension)
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
        asked = _Asked(request, _data(wire.string(packet)), [])
        if request.kind == sftp.OPEN:
            flags = Reader(request.rest).uint32()
            kinds = ["sftp.write"] if flags & sftp.WRITING else []
            kinds += ["sftp.read"] if flags & sftp.READING or not kinds else []
            asked.left = [Command(kind, "open", tuple(paths)) for kind in kinds]
            if "sftp.read" in kinds:
                self._files += 1
                asked.left += self._beyond(self._files > self._bounds.files, "files")
        else:
            kind = _KINDS.get(request.kind) or _EXTENDED_KINDS[request.extension]
            word = _WORDS.get(request.kind, request.extension.decode("ascii", "replace"))
            if request.kind == sftp.SYMLINK:  # OpenSSH: where it leads to stands first
                paths[0] = posixpath.join(posixpath.dirname(paths[1]), paths[0])
            asked.left = [Command(kind, word, tuple(paths))]
            if (
                kind in ("sftp.attributes", "sftp.lsetstat")
                and sftp.size_of(request.rest) is not None
            ):
                # A size cuts the file, or makes it longer: that is writing.
                asked.left.append(Command("sftp.write", "truncate", tuple(paths)))
            if kind in ("sftp.remove", "sftp.rename"):
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

    def _allowed(self, asked: _Asked) -> list[Action]:
        """All verdicts are there: the request goes on with the paths that were judged."""
        request = asked.request
        facts = asked.decisions[0].facts[0]
        assert isinstance(facts, OperationFacts)
        resolved = tuple(path for path, _ in facts.attributes["ssh.path"])
        assert len(resolved) == len(request.paths)
        self._bulk = self._bulk or any(_is_bulk(one) for one in asked.decisions)
        opened = _Open(request.kind, request.extension)
        if request.kind in (sftp.OPEN, sftp.OPENDIR):
            flags = Reader(request.rest).uint32() if request.kind == sftp.OPEN else 0
            writes = bool(flags & sftp.WRITING)
            reads = bool(flags & sftp.READING) or not writes
            opened.file = _File(resolved[0], reads, writes, request.kind == sftp.OPENDIR)
            opened.plan = _plan(asked.decisions)
            if self._must_mask(opened) and (writes or opened.plan is None):
                text = "hoopgate: refused: open it for reading or for writing [reason=phi.opaque]"
                return self._refused(asked, sftp.status(request.id, sftp.FAILURE, text))
        self._open[request.id] = opened
        paths = tuple(path.encode() for path in resolved)
        if request.kind in (sftp.OPEN, sftp.MKDIR):
            skip = 4 if request.kind == sftp.OPEN else 0
            attrs = sftp.without_set_id(request.rest[skip:])
            request = replace(request, rest=request.rest[:skip] + attrs)
        if request.kind == sftp.SYMLINK:
            paths = (request.paths[0], paths[1])
        return [Forward(_data(request.encode(paths)), asked.received, tuple(asked.decisions))]

    def _must_mask(self, opened: _Open) -> bool:
        file = opened.file
        return self._mask is not None and file is not None and file.reads and not file.directory

    def _on_handle(self, request: Request, packet: bytes) -> list[Action] | None:
        files = [self._handles.get(one) for one in request.handles]
        file = files[0]
        if file is None or None in files:
            return _answered(packet, sftp.status(request.id, sftp.FAILURE, "no such handle"))
        if file.content is not None:
            return self._from_memory(request, packet, file)
        if not _fits(request, files):
            text = "the handle was not opened for this"
            return _answered(packet, sftp.status(request.id, sftp.PERMISSION_DENIED, text))
        opened = _Open(request.kind, request.extension, request.handles[0], file)
        if request.kind == sftp.FSETSTAT:
            asked = _Asked(request, _data(wire.string(packet)), [])
            asked.left = [Command("sftp.attributes", "fsetstat", (file.path,))]
            asked.then = lambda: self._unchanged(asked, opened)
            return self._begin(asked)
        if request.kind == sftp.READ:
            # Counted when it is asked for: many may be asked for before one is answered.
            opened.promised = _length(request)
            self._read += opened.promised
            more = self._beyond(self._read > self._bounds.read_bytes, "bytes")
            if more:
                asked = _Asked(request, _data(wire.string(packet)), more)
                asked.then = lambda: self._unchanged(asked, opened)
                return self._begin(asked)
        if request.kind == sftp.CLOSE:
            del self._handles[request.handles[0]]
        self._open[request.id] = opened
        return None

    def _unchanged(self, asked: _Asked, opened: _Open) -> list[Action]:
        self._bulk = self._bulk or any(_is_bulk(one) for one in asked.decisions)
        self._open[asked.request.id] = opened
        return [Forward(asked.received, None, tuple(asked.decisions))]

    def _from_memory(self, request: Request, packet: bytes, file: _File) -> list[Action] | None:
        """What the client may know of a file that was masked."""
        content = file.content
        assert content is not None
        if request.kind == sftp.READ:
            reader = Reader(request.rest)
            offset, length = reader.uint64(), reader.uint32()
            part = content[offset : offset + min(length, _CHUNK * 2)]
            if part:
                self._read += len(part)
                return _answered(packet, sftp.data(request.id, part))
            return _answered(packet, sftp.status(request.id, sftp.EOF, "End of file"))
        if request.kind == sftp.FSTAT:
            attrs = sftp.with_size(file.attrs, len(content))
            return _answered(packet, sftp.attributes(request.id, attrs))
        if request.kind == sftp.CLOSE:
            del self._handles[request.handles[0]]
            self._fetched -= len(content)
            self._open[request.id] = _Open(sftp.CLOSE)
            return None
        text = "not offered for files that are masked"
        return _answered(packet, sftp.status(request.id, sftp.UNSUPPORTED, text))

    # --- the backend ----------------------------------------------------------------------------

    def _answer(self, packet: bytes, answers: _Batch) -> None:
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
            self._fetching(opened, kind, reader, answers)
        elif kind == sftp.HANDLE:
            self._opened(opened, id_, reader.string(), packet, answers)
        else:
            self._read -= opened.promised
            if kind == sftp.DATA:
                self._read += len(packet) - 9
            elif kind not in (sftp.STATUS, sftp.NAME, sftp.ATTRS, sftp.EXTENDED_REPLY):
                raise RemoteProtocolError("a packet of SFTP that servers do not send")
            answers.reply(wire.string(packet))

    def _opened(self, opened: _Open, id_: int, name: bytes, packet: bytes, answers: _Batch) -> None:
        if opened.file is None or len(name) > sftp.HANDLE_BYTES or name in self._handles:
            raise RemoteProtocolError("a handle of SFTP that nobody asked for")
        if len(self._handles) >= MOST_HANDLES:
            raise LimitExceeded("too many files of SFTP at once")
        if self._must_mask(opened):
            assert opened.plan is not None
            fetch = _Fetch(id_, name, opened.file, opened.plan)
            self._open[id_] = _Open(sftp.OPEN)  # the client's own is not answered yet
            self._own(fetch, sftp.FSTAT, b"", 0, answers)
            return
        self._handles[name] = opened.file
        answers.reply(wire.string(packet))

    # --- files that are masked ------------------------------------------------------------------

    def _own(self, fetch: _Fetch, kind: int, rest: bytes, offset: int, answers: _Batch) -> None:
        self._next = _OWN + (self._next - _OWN + 1) % 0xFFFF
        self._open[self._next] = _Open(kind, fetch=fetch, offset=offset)
        fetch.open += 1
        request = Request(kind, self._next, handles=(fetch.handle,), rest=rest)
        answers.forward(request.encode())

    def _fetching(self, opened: _Open, kind: int, reader: Reader, answers: _Batch) -> None:
        fetch = opened.fetch
        assert fetch is not None
        fetch.open -= 1
        if fetch.gone:
            return
        if opened.kind == sftp.FSTAT and kind == sftp.ATTRS:
            fetch.file.attrs = reader.rest()
            fetch.size = sftp.size_of(fetch.file.attrs) or 0
            if fetch.size > self._bounds.mask_bytes:
                self._give_up(fetch, "the file is too large to be masked", answers)
                return
        elif opened.kind == sftp.READ and kind == sftp.DATA:
            part = reader.string()
            fetch.parts[opened.offset] = part
            self._fetched += len(part)
            if 0 < len(part) < _CHUNK and not fetch.over:
                # A short read is no end (draft-ietf-secsh-filexfer-02 section 6.4).
                self._read_at(fetch, opened.offset + len(part), _CHUNK - len(part), answers)
        elif opened.kind == sftp.READ and kind == sftp.STATUS and reader.uint32() == sftp.EOF:
            fetch.over = True
        else:
            self._give_up(fetch, "the file cannot be read", answers)
            return
        if sum(map(len, fetch.parts.values())) > self._bounds.mask_bytes:
            self._give_up(fetch, "the file is too large to be masked", answers)
            return
        while not fetch.over and fetch.open < _PIPELINE:
            self._read_at(fetch, fetch.at, _CHUNK, answers)
            fetch.at += _CHUNK
            if fetch.at > fetch.size:
                break
        if fetch.over and not fetch.open:
            self._fetched_whole(fetch, answers)

    def _read_at(self, fetch: _Fetch, offset: int, length: int, answers: _Batch) -> None:
        rest = offset.to_bytes(8, "big") + wire.uint32(length)
        self._own(fetch, sftp.READ, rest, offset, answers)

    def _fetched_whole(self, fetch: _Fetch, answers: _Batch) -> None:
        content = b""
        for offset in sorted(fetch.parts):
            if offset != len(content):
                self._give_up(fetch, "the file changed while it was read", answers)
                return
            content += fetch.parts[offset]
        self._forget(fetch)
        assert self._mask is not None
        try:
            masked = self._mask(fetch.file.path, content, fetch.plan)
        except Refused as refused:
            self._give_up(fetch, f"{refused} [reason={refused.code}]", answers)
            return
        self._fetched += len(masked)
        fetch.file.content = masked
        self._handles[fetch.handle] = fetch.file
        del self._open[fetch.id]
        answers.reply(sftp.handle(fetch.id, fetch.handle))

    def _forget(self, fetch: _Fetch) -> None:
        self._fetched -= sum(map(len, fetch.parts.values()))
        fetch.parts.clear()

    def _give_up(self, fetch: _Fetch, why: str, answers: _Batch) -> None:
        self._forget(fetch)
        fetch.gone = True
        del self._open[fetch.id]
        answers.reply(sftp.status(fetch.id, sftp.FAILURE, f"hoopgate: refused: {why}"))
        self._own(fetch, sftp.CLOSE, b"", 0, answers)


class _Batch:
    """Answers of one read, in order; those to the client go out together."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._replies = b""

    def reply(self, packet: bytes) -> None:
        """For the client."""
        self._replies += packet

    def forward(self, packet: bytes) -> None:
        """For the backend: the gateway's own request."""
        self._flush()
        self._actions.append(Forward(wire.data(packet), b""))

    def _flush(self) -> None:
        if self._replies:
            self._actions.append(Reply(_data(self._replies)))
            self._replies = b""

    def actions(self) -> list[Action]:
        self._flush()
        return self._actions


def _data(payload: bytes) -> bytes:
    """Frames of data that are not too long."""
    return b"".join(
        wire.data(payload[at : at + _DATA_FRAME]) for at in range(0, len(payload), _DATA_FRAME)
    )


def _forward(packets: bytes) -> list[Action]:
    return [Forward(_data(packets))]


def _answered(packet: bytes, answer: bytes) -> list[Action]:
    """The gateway answers; the backend does not hear of it."""
    return [Forward(b"", _data(wire.string(packet))), Reply(_data(answer))]


def _length(request: Request) -> int:
    """How many bytes a READ may bring."""
    reader = Reader(request.rest)
    reader.uint64()
    return min(reader.uint32(), sftp.PACKET_BYTES)


def _fits(request: Request, files: list[_File | None]) -> bool:
    """Whether the handles were opened for this."""
    file, *others = files
    assert file is not None
    if request.kind == sftp.READ:
        return file.reads and not file.directory
    if request.kind in (sftp.WRITE, sftp.FSETSTAT):
        return file.writes
    if request.kind == sftp.READDIR:
        return file.directory
    if request.extension == b"copy-data":
        return file.reads and all(other is not None and other.writes for other in others)
    return True


def _is_bulk(decision: Decision) -> bool:
    return any("sftp.bulk" in one.classes for one in decision.facts)


def _plan(decisions: list[Decision]) -> MaskPlan | None:
    for decision in decisions:
        verdict = decision.verdict
        if isinstance(verdict, Mask) and "sftp.read" in decision.facts[0].classes:
            return next((plan for plan in verdict.plans if plan is not None), None)
    return None
