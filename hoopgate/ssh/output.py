"""What passes between a client and the program that it was allowed; sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hoopgate.actions import Action, Close, Decision, Forward, Pause, Reply, Work
from hoopgate.events import Command
from hoopgate.ssh import wire
from hoopgate.ssh.refusals import refused_program, sentence
from hoopgate.verdicts import Block, Hold


class Stream(Protocol):
    """What stands between client and program once it runs.

    :ivar waits: what the backend sends has to wait: for a verdict, or for work given out.
    :ivar holds_back: of the output something may be shown at its end only.
    """

    @property
    def waits(self) -> bool: ...

    @property
    def holds_back(self) -> bool: ...

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait."""

    @property
    def buffered(self) -> int:
        """Bytes held."""

    def from_client(self, data: bytes) -> list[Action]:
        """Data for the program."""

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        """Data of the program's output: CHANNEL_DATA or CHANNEL_EXTENDED_DATA (standard error)."""

    def client_eof(self) -> list[Action]:
        """The client sends no more."""

    def backend_eof(self) -> list[Action]:
        """The program's output is over; called again where it had to wait meanwhile."""

    def decided(self, decision: Decision) -> list[Action]:
        """The answer to the stream's question."""

    def told_hold(self, text: str) -> list[Action]:
        """The question waits for a person."""

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        """The answer to work that was given out; None: there is none."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a stream may have done.

    :ivar ask: makes the question about something; the client is not heard until it is decided.
    :ivar work: has a child process do something.
    """

    ask: Callable[[Command], Action]
    work: Callable[[bytes], Work]


#: Makes the stream of an allowed program, of its kind.
MakeStream = Callable[[str, Decision, Means], Stream]


class PlainStream:
    """Data as it is."""

    waits = False
    holds_back = False
    read_ahead = 0

    @property
    def buffered(self) -> int:
        """See :class:`Stream`."""
        return 0

    def from_client(self, data: bytes) -> list[Action]:
        return [Forward(wire.data(data))]

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        return [Reply(wire.output(number, data))]

    def client_eof(self) -> list[Action]:
        return [Forward(wire.frame(wire.CHANNEL_EOF))]

    def backend_eof(self) -> list[Action]:
        return []

    def decided(self, decision: Decision) -> list[Action]:
        raise AssertionError("nothing was asked")

    def told_hold(self, text: str) -> list[Action]:
        return [Reply(wire.stderr(text.encode() + b"\r\n"))]

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        raise AssertionError("no work was given out")


def plain_stream(kind: str, decision: Decision, means: Means) -> Stream:
    """Every program's data as it is."""
    return PlainStream()


class BoundedStream(PlainStream):
    """Files that ``scp -O`` or rsync send: beyond a bound a person has to approve more.

    :param most: bytes of output before that.
    """

    def __init__(self, most: int, means: Means) -> None:
        self._left = most
        self._means = means
        self._approved = False
        self._held = b""

    @property
    def waits(self) -> bool:  # type: ignore[override]
        """See :class:`Stream`."""
        return bool(self._held)

    @property
    def buffered(self) -> int:
        """See :class:`Stream`."""
        return len(self._held)

    def from_backend(self, number: int, data: bytes) -> list[Action]:
        self._left -= len(data)
        shown = wire.output(number, data)
        if self._left >= 0 or self._approved:
            return [Reply(shown)]
        self._held = shown
        asked = self._means.ask(Command("sftp.bulk", "more bytes than a session may have"))
        return [Pause(on=True), asked]

    def decided(self, decision: Decision) -> list[Action]:
        held, self._held = self._held, b""
        if isinstance(decision.verdict, Block | Hold):
            told = Reply(refused_program(sentence(decision)))
            return [Forward(b"", b"", (decision,)), told, Close("refused")]
        self._approved = True
        return [Forward(b"", b"", (decision,)), Pause(on=False), Reply(held)]
