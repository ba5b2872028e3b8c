"""Files of SFTP that are read whole, masked, and given out from memory; sans-I/O.

The gateway asks for such a file itself, between the client's own requests, under ids that clients
may not use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from hoopgate.actions import Action, Forward, Reply, Work
from hoopgate.errors import Refused
from hoopgate.plans import MaskPlan
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh import wire
from hoopgate.ssh.masking import INLINE, read
from hoopgate.ssh.sftp_wire import Request
from hoopgate.ssh.wire import Reader

#: Files of the largest size that one session may have in memory at once.
MOST_WHOLE: Final = 2
#: Ids from here on are the gateway's own.
OWN_IDS: Final = 0xFFFF0000
#: Bytes of one READ, and how many are on their way at once.
CHUNK: Final = 32 * 1024
_PIPELINE: Final = 16
_FULL: Final = "too much is open that was masked; close some of it first"


class MaskFile(Protocol):
    """Masks a whole file."""

    def __call__(self, path: str, content: bytes, plan: MaskPlan) -> bytes:
        """:raises Refused: it cannot be masked."""


#: Has a child process mask a file of a path, with its content, by a plan.
GiveOut = Callable[[str, bytes, MaskPlan], Work]


@dataclass(slots=True)
class File:
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
class Fetch:
    """A file on its way into memory."""

    id: int
    handle: bytes
    file: File
    plan: MaskPlan = field(repr=False)
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)
    size: int = 0
    at: int = 0
    open: int = 0
    over: bool = False
    gone: bool = False


@dataclass(slots=True)
class Open:
    """A request without an answer.

    :ivar fetch: it is the gateway's own, for this file.
    :ivar offset: of its own READ.
    :ivar promised: bytes that a READ may bring at most.
    """

    kind: int
    extension: bytes = b""
    handle: bytes = b""
    file: File | None = None
    plan: MaskPlan | None = field(default=None, repr=False)
    fetch: Fetch | None = None
    offset: int = 0
    promised: int = 0


class Batch:
    """Answers of one read, in order; those to the client go out together."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._replies: list[bytes] = []

    def reply(self, *packet: bytes) -> None:
        """For the client: a packet, which may come in parts."""
        self._replies += packet

    def forward(self, packet: bytes) -> None:
        """For the backend: the gateway's own request."""
        self._flush()
        self._actions.append(Forward(wire.data(packet), b""))

    def work(self, work: Work) -> None:
        """For a child process."""
        self._flush()
        self._actions.append(work)

    def _flush(self) -> None:
        if self._replies:
            self._actions.append(Reply(wire.in_frames(b"".join(self._replies))))
            self._replies = []

    def actions(self) -> list[Action]:
        self._flush()
        return self._actions


class Fetches:
    """Files on their way into memory, and in it.

    :param most: bytes of a file.
    :param requests: id → request without an answer, shared with who relays the client's.
    :param handles: of the client, likewise.
    :param give_out: for large ones; None: all are masked here.
    :ivar bytes: held.
    """

    def __init__(
        self,
        mask: MaskFile,
        most: int,
        requests: dict[int, Open],
        handles: dict[bytes, File],
        give_out: GiveOut | None = None,
    ) -> None:
        self.bytes = 0
        self._mask = mask
        self._most = most
        self._open = requests
        self._handles = handles
        self._give_out = give_out
        self._working: dict[int, tuple[Fetch, int]] = {}
        self._next = OWN_IDS

    def begin(self, id_: int, name: bytes, opened: Open, answers: Batch) -> None:
        """The server has opened the file; the client's own request waits for all of it."""
        assert opened.file is not None and opened.plan is not None
        fetch = Fetch(id_, name, opened.file, opened.plan)
        self._open[id_] = Open(sftp.OPEN)
        self._own(fetch, sftp.FSTAT, b"", 0, answers)

    def close(self, file: File) -> None:
        """The client is done with it."""
        assert file.content is not None
        self.bytes -= len(file.content)

    def _own(self, fetch: Fetch, kind: int, rest: bytes, offset: int, answers: Batch) -> None:
        self._next = OWN_IDS + (self._next - OWN_IDS + 1) % 0xFFFF
        self._open[self._next] = Open(kind, fetch=fetch, offset=offset)
        fetch.open += 1
        request = Request(kind, self._next, handles=(fetch.handle,), rest=rest)
        answers.forward(request.encode())

    def answered(self, opened: Open, kind: int, reader: Reader, answers: Batch) -> None:
        """An answer to a request of ours."""
        fetch = opened.fetch
        assert fetch is not None
        fetch.open -= 1
        if fetch.gone:
            return
        if opened.kind == sftp.FSTAT and kind == sftp.ATTRS:
            fetch.file.attrs = reader.rest()
            fetch.size = sftp.size_of(fetch.file.attrs) or 0
            if fetch.size > self._most:
                self._give_up(fetch, "the file is too large to be masked", answers)
                return
            if self.bytes + fetch.size > MOST_WHOLE * self._most:
                self._give_up(fetch, _FULL, answers)
                return
        elif opened.kind == sftp.READ and kind == sftp.DATA:
            part = reader.string()
            fetch.parts[opened.offset] = part
            self.bytes += len(part)
            if 0 < len(part) < CHUNK and not fetch.over:
                # A short read is no end (draft-ietf-secsh-filexfer-02 section 6.4).
                self._read_at(fetch, opened.offset + len(part), CHUNK - len(part), answers)
        elif opened.kind == sftp.READ and kind == sftp.STATUS and reader.uint32() == sftp.EOF:
            fetch.over = True
        else:
            self._give_up(fetch, "the file cannot be read", answers)
            return
        if sum(map(len, fetch.parts.values())) > self._most:
            self._give_up(fetch, "the file is too large to be masked", answers)
            return
        if self.bytes > MOST_WHOLE * self._most:
            self._give_up(fetch, _FULL, answers)
            return
        while not fetch.over and fetch.open < _PIPELINE:
            self._read_at(fetch, fetch.at, CHUNK, answers)
            fetch.at += CHUNK
            if fetch.at > fetch.size:
                break
        if fetch.over and not fetch.open:
            self._whole(fetch, answers)

    def _read_at(self, fetch: Fetch, offset: int, length: int, answers: Batch) -> None:
        rest = offset.to_bytes(8, "big") + wire.uint32(length)
        self._own(fetch, sftp.READ, rest, offset, answers)

    def _whole(self, fetch: Fetch, answers: Batch) -> None:
        content = b""
        for offset in sorted(fetch.parts):
            if offset != len(content):
                self._give_up(fetch, "the file changed while it was read", answers)
                return
            content += fetch.parts[offset]
        self._forget(fetch)
        if self._give_out is not None and len(content) > INLINE:
            work = self._give_out(fetch.file.path, content, fetch.plan)
            self._working[work.ticket] = fetch, len(content)
            self.bytes += len(content)
            answers.work(work)
            return
        self._have(fetch, lambda: self._mask(fetch.file.path, content, fetch.plan), answers)

    def worked(self, ticket: int, answer: bytes | None, answers: Batch) -> None:
        """A child process has masked a file, or not."""
        fetch, size = self._working.pop(ticket)
        self.bytes -= size
        self._have(fetch, lambda: read(answer), answers)

    def _have(self, fetch: Fetch, mask: Callable[[], bytes], answers: Batch) -> None:
        try:
            masked = mask()
        except Refused as refused:
            self._give_up(fetch, f"{refused} [reason={refused.code}]", answers)
            return
        self.bytes += len(masked)
        fetch.file.content = masked
        self._handles[fetch.handle] = fetch.file
        del self._open[fetch.id]
        answers.reply(sftp.handle(fetch.id, fetch.handle))

    def _forget(self, fetch: Fetch) -> None:
        self.bytes -= sum(map(len, fetch.parts.values()))
        fetch.parts.clear()

    def _give_up(self, fetch: Fetch, why: str, answers: Batch) -> None:
        self._forget(fetch)
        fetch.gone = True
        del self._open[fetch.id]
        answers.reply(sftp.status(fetch.id, sftp.FAILURE, f"hoopgate: refused: {why}"))
        self._own(fetch, sftp.CLOSE, b"", 0, answers)
