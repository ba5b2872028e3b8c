"""One session channel between client and backend, sans-I/O: frames in, actions out.

States and what they allow the client (RFC 4254 section 6):

========  ==========================================================================
NEW       ``env`` of the allow-list, ``pty-req`` where shells are, one of ``exec``,
          ``shell``, ``subsystem``
ASKED     everything is kept until the verdict is there
RUNNING   data, end of data, ``signal``, ``break``, with a terminal ``window-change``
OVER      nothing; what still comes is dropped
========  ==========================================================================

Rules:

1. Every request is answered once, in the order of the requests, whoever answers it.
2. A program runs by its verdict only, as the words that were judged where there are words.
3. What is not known is refused: X11, agents, other subsystems, other names.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from zope.interface import implementer

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply, Work
from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.events import Command, OperationFacts, Side
from hoopgate.interfaces import IDelegatingSession
from hoopgate.shell.words import quote
from hoopgate.ssh import wire
from hoopgate.ssh.channels import FRAME_BYTES
from hoopgate.ssh.output import MakeStream, Means, PlainStream, Stream, plain_stream
from hoopgate.ssh.refusals import refused_program, sentence, waiting
from hoopgate.ssh.wire import Reader, string
from hoopgate.verdicts import Block, Hold

#: What one message costs beside its bytes, so that many empty ones are bounded, too.
_MESSAGE_BYTES: Final = 64
#: Environment variables and unanswered requests of one channel.
_MOST_REQUESTS: Final = 64
_COMMAND_BYTES: Final = 32 * 1024

#: Variables (POSIX, XBD 8.1). Values are names of languages, zones and the like: no path, so that
#: no program is led to files by them, and nothing that a shell or a terminal acts on.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE: Final = re.compile(rb"[A-Za-z0-9_.,:@+=-]{0,256}")
_TERM: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}|")

_SIGNALS: Final = frozenset(
    b"ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2 INFO@openssh.com".split()
)


class State(Enum):
    """Of a channel."""

    NEW = auto()
    ASKED = auto()
    RUNNING = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What the settings say of a resource's channels.

    :ivar environment: names of variables a client may set; ``LC_*`` is a wildcard at its end.
    :ivar shell: terminals and shells may be asked for; rules decide on them still.
    :ivar force_command: of the client's certificate: runs in the place of what is asked for.
    """

    environment: frozenset[str] = frozenset()
    shell: bool = False
    force_command: str | None = field(default=None, repr=False)

    def allows(self, name: str) -> bool:
        """Whether the variable ``name`` may be set."""
        return _NAME.fullmatch(name) is not None and any(
            name.startswith(one[:-1]) if one.endswith("*") else name == one
            for one in self.environment
        )


@dataclass(slots=True)
class _Reply:
    """An answer that the client is owed.

    :ivar frame: None while it is the backend's to give.
    """

    wanted: bool
    frame: bytes | None


@implementer(IDelegatingSession)
class SSHSession:
    """See :class:`hoopgate.interfaces.IDelegatingSession`.

    :param stream: makes what stands between client and program.
    """

    def __init__(self, policy: ChannelPolicy, stream: MakeStream = plain_stream) -> None:
        self._policy = policy
        self._make_stream = stream
        self._frames = {side: wire.Frames(FRAME_BYTES) for side in Side}
        self._state = State.NEW
        self._program: tuple[str, bytes, bool] | None = None  # kind, frame as sent, reply wanted
        self._stream: Stream = PlainStream()
        self._pty = False
        self._ticket = 0
        self._asked_by_stream = False
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._behind: deque[tuple[int, bytes]] = deque()  # of the backend, while the stream waits
        self._behind_bytes = 0
        self._works = 0
        self._exit = b""  # frame that waits for the end of the output
        self._output_over = self._backend_gone = False
        self._replies: deque[_Reply] = deque()
        self._requests = 0

    # --- IProtocolSession -----------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        frames = sum(one.buffered for one in self._frames.values())
        return frames + self._kept_bytes + self._behind_bytes + self._stream.buffered

    @property
    def read_ahead(self) -> int:
        return self._kept_bytes + self._stream.read_ahead

    def received(self, side: Side, data: bytes) -> list[Action]:
        actions: list[Action] = []
        for number, body in self._frames[side].feed(data):
            if side is Side.BACKEND:
                actions += self._backend(number, body)
            elif self._state is State.ASKED:
                self._kept.append((number, body))
                self._kept_bytes += len(body) + _MESSAGE_BYTES
            else:
                actions += self._client(number, body)
        return actions

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        if self._state is not State.ASKED or ticket != self._ticket:
            return []
        if self._asked_by_stream:
            self._state = State.RUNNING
            actions = self._stream.decided(decision)
        else:
            actions = self._start(decision)
        return actions + self._go_on()

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        if self._state is not State.ASKED:
            return []
        text = waiting(request_id, hold)
        if self._asked_by_stream:
            return self._stream.told_hold(text)
        answers: list[Action] = []
        if self._program is not None:
            # Clients read nothing before the request is answered; a refusal is a status.
            kind, received, wanted = self._program
            answers = self._owe(wanted, fine=True)
            self._program = kind, received, False
        return [*answers, Reply(wire.stderr(text.encode() + b"\r\n"))]

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        if self._state is State.OVER:
            return []
        return self._stream.worked(ticket, answer) + self._go_on()

    def lost(self, side: Side) -> list[Action]:
        actions: list[Action] = []
        if side is Side.BACKEND and self._state is not State.OVER:
            # What is held back of the output is the client's still.
            if self._stream.holds_back and not self._output_over and not self._stream.waits:
                actions = self._ends()
            if self._stream.waits:
                self._backend_gone = True
                return actions
        self._state = State.OVER
        return [*actions, Close(f"{side.value}.closed")]

    def expire(self, reason: str, message: str) -> list[Action]:
        actions: list[Action] = []
        if self._state is not State.OVER:
            text = f"hoopgate: the session ends: {message} [{reason}]"
            actions.append(Reply(wire.stderr(text.encode("ascii", "replace") + b"\r\n")))
        self._state = State.OVER
        return [*actions, Close(reason)]

    def idle(self) -> bool:
        return self._state in (State.NEW, State.OVER)

    # --- the client -----------------------------------------------------------------------------

    def _go_on(self) -> list[Action]:
        """What was kept while something was asked, or done elsewhere."""
        actions: list[Action] = []
        while self._kept and self._state is not State.ASKED:
            number, body = self._kept.popleft()
            self._kept_bytes -= len(body) + _MESSAGE_BYTES
            actions += self._client(number, body)
        while self._behind and not self._stream.waits and self._state is not State.OVER:
            number, body = self._behind.popleft()
            self._behind_bytes -= len(body) + _MESSAGE_BYTES
            actions += self._backend(number, body)
        if self._backend_gone and not self._stream.waits:
            self._backend_gone = False
            actions += self.lost(Side.BACKEND)
        return actions

    def _client(self, number: int, body: bytes) -> list[Action]:
        if self._state is State.OVER:
            return []
        if number == wire.CHANNEL_REQUEST:
            return self._request(body)
        if number in (wire.CHANNEL_SUCCESS, wire.CHANNEL_FAILURE):
            return []  # to what the gateway never asks
        if self._state is not State.RUNNING:
            raise RemoteProtocolError("data on a channel without a program")
        if number == wire.CHANNEL_DATA:
            reader = Reader(body)
            data = reader.string()
            reader.end()
            return self._stream.from_client(data)
        if number == wire.CHANNEL_EOF:
            return self._stream.client_eof()
        raise RemoteProtocolError("a message that clients do not send")

    def _request(self, body: bytes) -> list[Action]:
        reader = Reader(body)
        name, wanted = reader.string(), reader.boolean()
        received = wire.frame(wire.CHANNEL_REQUEST, body)
        if self._state is State.RUNNING:
            return self._while_running(name, wanted, reader, received)
        self._requests += 1
        if self._requests > _MOST_REQUESTS:
            raise LimitExceeded("too many requests on a channel")
        if name == b"env":
            variable, value = reader.text(), reader.string()
            reader.end()
            if not self._policy.allows(variable) or not _VALUE.fullmatch(value):
                return self._local(wanted, received, fine=False)
            frame = wire.request(b"env", string(variable.encode()) + string(value))
            return [Forward(frame, received), *self._owe(wanted, fine=True)]
        if name == b"pty-req" and self._policy.shell and not self._pty:
            if not _is_terminal(reader):
                return self._local(wanted, received, fine=False)
            self._pty = True
            self._replies.append(_Reply(wanted, None))
            asked = wire.request(name, body[len(string(name)) + 1 :], want_reply=True)
            return [Forward(asked, received)]
        if name in (b"exec", b"shell", b"subsystem"):
            text = reader.text() if name != b"shell" else ""
            reader.end()
            return self._ask_program(name.decode(), text, wanted, received)
        return self._local(wanted, received, fine=False)

    def _while_running(
        self, name: bytes, wanted: bool, reader: Reader, received: bytes
    ) -> list[Action]:
        known = (
            (name == b"signal" and Reader(reader.rest()).string() in _SIGNALS)
            or name == b"break"
            or (name == b"window-change" and self._pty)
        )
        if not known:
            return self._local(wanted, received, fine=False)
        if not wanted:
            return [Forward(received)]
        if len(self._replies) > _MOST_REQUESTS:
            raise LimitExceeded("too many requests on a channel")
        self._replies.append(_Reply(True, None))
        return [Forward(received)]

    def _local(self, wanted: bool, received: bytes, *, fine: bool) -> list[Action]:
        """The gateway answers; the backend does not hear of it."""
        return [Forward(b"", received), *self._owe(wanted, fine=fine)]

    def _owe(self, wanted: bool, *, fine: bool) -> list[Action]:
        number = wire.CHANNEL_SUCCESS if fine else wire.CHANNEL_FAILURE
        self._replies.append(_Reply(wanted, wire.frame(number)))
        return self._settle()

    def _settle(self) -> list[Action]:
        answers = b""
        while self._replies and self._replies[0].frame is not None:
            reply = self._replies.popleft()
            if reply.wanted and reply.frame is not None:
                answers += reply.frame
        return [Reply(answers)] if answers else []

    # --- the program ----------------------------------------------------------------------------

    def _ask_program(self, kind: str, text: str, wanted: bool, received: bytes) -> list[Action]:
        if len(text) > _COMMAND_BYTES:
            raise LimitExceeded("the command is too long")
        if self._policy.force_command is not None:
            kind, text = "exec", self._policy.force_command
        if kind == "subsystem" and text == "sftp":
            kind = "sftp"
        self._program = kind, received, wanted
        return [self._ask(Command(kind, text, terminal=self._pty), by_stream=False)]

    def _ask(self, command: Command, *, by_stream: bool = True) -> Action:
        self._ticket += 1
        self._state = State.ASKED
        self._asked_by_stream = by_stream
        return Ask(self._ticket, command)

    def _give_out(self, request: bytes) -> Work:
        self._works += 1
        return Work(self._works, request)

    def _start(self, decision: Decision) -> list[Action]:
        assert self._program is not None
        kind, received, wanted = self._program
        if isinstance(decision.verdict, Block | Hold):
            self._state = State.OVER
            self._replies.append(_Reply(wanted, wire.frame(wire.CHANNEL_SUCCESS)))
            answers = self._settle()
            told = Reply(refused_program(sentence(decision)))
            return [Forward(b"", received, (decision,)), *answers, told, Close("refused")]
        self._state = State.RUNNING
        self._stream = self._make_stream(kind, decision, Means(self._ask, self._give_out))
        self._replies.append(_Reply(wanted, None))
        return [Forward(self._program_frame(kind, decision), received, (decision,))]

    def _program_frame(self, kind: str, decision: Decision) -> bytes:
        if kind == "shell":
            return wire.request(b"shell", want_reply=True)
        if kind == "sftp":
            return wire.request(b"subsystem", string(b"sftp"), want_reply=True)
        (facts,) = decision.facts
        assert isinstance(facts, OperationFacts)
        words = [word for word, _ in facts.attributes.get("ssh.word", ())]
        text = quote(words) if words else facts.text
        return wire.request(b"exec", string(text.encode()), want_reply=True)

    # --- the backend ----------------------------------------------------------------------------

    def _backend(self, number: int, body: bytes) -> list[Action]:
        if self._state is State.OVER:
            return []
        if self._stream.waits:
            self._behind.append((number, body))
            self._behind_bytes += len(body) + _MESSAGE_BYTES
            return []
        if number == wire.CHANNEL_DATA:
            reader = Reader(body)
            data = reader.string()
            reader.end()
            return self._output(number, data)
        if number == wire.CHANNEL_EXTENDED_DATA:
            reader = Reader(body)
            kind, data = reader.uint32(), reader.string()
            reader.end()
            return self._output(number, data) if kind == wire.STDERR else []
        if number == wire.CHANNEL_EOF:
            return self._ends()
        if number in (wire.CHANNEL_SUCCESS, wire.CHANNEL_FAILURE):
            return self._answered(number)
        if number == wire.CHANNEL_REQUEST:
            return self._from_program(body)
        raise RemoteProtocolError("a message that servers do not send")

    def _ends(self) -> list[Action]:
        """The output is over; what comes of a status behind it."""
        actions = self._stream.backend_eof()
        if self._stream.waits:
            self._behind.appendleft((wire.CHANNEL_EOF, b""))
            self._behind_bytes += _MESSAGE_BYTES
            return actions
        self._output_over = True
        told, self._exit = self._exit, b""
        return [*actions, Reply(wire.frame(wire.CHANNEL_EOF) + told)]

    def _output(self, number: int, data: bytes) -> list[Action]:
        if self._program is None:
            raise RemoteProtocolError("data of a program that was not started")
        return self._stream.from_backend(number, data)

    def _answered(self, number: int) -> list[Action]:
        owed = next((one for one in self._replies if one.frame is None), None)
        if owed is None:
            raise RemoteProtocolError("an answer to a request that was not made")
        owed.frame = wire.frame(number)
        return self._settle()

    def _from_program(self, body: bytes) -> list[Action]:
        reader = Reader(body)
        name, wanted = reader.string(), reader.boolean()
        if name in (b"exit-status", b"exit-signal"):
            told = wire.request(name, _exit(name, reader))
            if self._stream.holds_back and not self._output_over:
                # A program may end before its output has been sent.
                self._exit = told
                return []
            return [Reply(told)]
        # Keep-alives, mostly: they are between the gateway and the backend.
        return [Forward(wire.frame(wire.CHANNEL_FAILURE), b"")] if wanted else []


def _is_terminal(reader: Reader) -> bool:
    """RFC 4254 section 6.2. TERM names a file of terminfo's: it is no path out of it.

    :raises RemoteProtocolError: it is malformed.
    """
    term = reader.string()
    for _ in range(4):
        reader.uint32()
    reader.string()
    reader.end()
    return _TERM.fullmatch(term) is not None


def _exit(name: bytes, reader: Reader) -> bytes:
    """What an exit tells (RFC 4254 section 6.10), without the server's words about it."""
    if name == b"exit-status":
        return wire.uint32(reader.uint32())
    signal, dumped = reader.string(), reader.boolean()
    known = signal if signal in _SIGNALS else b"TERM"  # others are of the server's own making
    return string(known) + bytes((dumped,)) + string(b"") + string(b"")
