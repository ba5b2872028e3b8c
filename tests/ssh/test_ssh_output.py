"""What passes between client and program, sans-I/O: ends, bounds, work that is done elsewhere."""

from __future__ import annotations

import re

import pytest

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Pause, Reply, Work
from hoopgate.events import OperationFacts, Side
from hoopgate.plans import BodyPlan, Method, PathMask
from hoopgate.ssh import masking, wire
from hoopgate.ssh.channels import FRAME_BYTES
from hoopgate.ssh.masking import FileMasker, MaskedStream, WholeStream
from hoopgate.ssh.output import BoundedStream, MakeStream, Means, Stream
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.wire import Frames, Reader, string, uint32
from hoopgate.verdicts import Allow, Block

SSN = b"123-45-6789"
PATH = "/d/people.csv"
PLAN = BodyPlan(columns=(), paths=(PathMask("/d/*.csv#ssn", "SSN", Method.REDACT),))
STATUS = wire.request(b"exit-status", uint32(3))
EOF = wire.frame(wire.CHANNEL_EOF)
ALLOWED = Decision("req", Allow("r"), facts=(OperationFacts(frozenset({"ssh.exec"}), "cat"),))
REFUSED = Decision("req", Block("r", "bulk.bytes", "No."), facts=ALLOWED.facts)


class Play:
    """A session whose program was allowed; what the client was told, in order."""

    def __init__(self, make: MakeStream) -> None:
        self.session = SSHSession(ChannelPolicy(), make)
        self.told: list[tuple[int, bytes]] = []
        self.asked: list[Ask] = []
        self.works: list[Work] = []
        self.paused = False
        self.closed = ""
        exec_ = wire.request(b"exec", string(b"cat"), want_reply=True)
        self.take(self.session.received(Side.CLIENT, exec_))
        self.decide(ALLOWED)
        self.server(wire.frame(wire.CHANNEL_SUCCESS))
        self.told.clear()

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            if self.closed:
                return
            if isinstance(action, Reply):
                self.told += Frames(FRAME_BYTES).feed(action.data)
            elif isinstance(action, Ask):
                self.asked.append(action)
            elif isinstance(action, Work):
                self.works.append(action)
            elif isinstance(action, Pause):
                self.paused = action.on
            elif isinstance(action, Close):
                self.closed = action.reason
            else:
                assert isinstance(action, Forward)

    def server(self, *frames: bytes) -> None:
        self.take(self.session.received(Side.BACKEND, b"".join(frames)))

    def decide(self, decision: Decision) -> None:
        self.take(self.session.decided(self.asked.pop().ticket, decision))

    def worked(self, answer: bytes | None) -> None:
        self.take(self.session.worked(self.works.pop().ticket, answer))

    @property
    def output(self) -> bytes:
        return b"".join(
            Reader(body).string() for number, body in self.told if number == wire.CHANNEL_DATA
        )

    @property
    def errors(self) -> bytes:
        found = [body for number, body in self.told if number == wire.CHANNEL_EXTENDED_DATA]
        return b"".join(Reader(body[4:]).string() for body in found)

    @property
    def ends(self) -> list[bytes]:
        return [wire.frame(*one) for one in self.told if one[0] in (96, 98)]


def masked(*_: object) -> Stream:
    return MaskedStream(terminal=False)


def whole(kind: str, decision: Decision, means: Means) -> Stream:
    return WholeStream(FileMasker(binary=False), PATH, PLAN, 2**20, means)


def bounded(kind: str, decision: Decision, means: Means) -> Stream:
    return BoundedStream(100, means)


@pytest.mark.parametrize("number", [wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA])
def test_a_status_before_the_end_of_the_output_cuts_nothing(number: int) -> None:
    """OpenSSH's server says the status when the program has ended, also with data to come."""
    play = Play(masked)
    play.server(wire.output(number, b"ssn " + SSN[:6]), STATUS)
    play.server(wire.output(number, SSN[6:] + b" end"), EOF)
    assert play.output + play.errors == b"ssn [SSN] end"
    assert play.ends == [EOF, STATUS]


def test_a_backend_that_closes_without_an_end_leaves_nothing_behind() -> None:
    play = Play(masked)
    play.server(wire.data(b"the last line"), STATUS)
    play.take(play.session.lost(Side.BACKEND))
    assert play.output == b"the last line"
    assert play.ends == [EOF, STATUS]
    assert play.closed


def test_a_small_file_is_masked_at_its_end() -> None:
    play = Play(whole)
    play.server(wire.data(b"name,ssn\nAda,"), wire.data(SSN + b"\n"), wire.stderr(SSN))
    assert play.output == b""
    play.server(EOF, STATUS)
    assert play.output == b"column_1,ssn\r\n[UNLABELLED],[SSN]\r\n"
    assert play.errors == b"[SSN]"
    assert play.ends == [EOF, STATUS]


@pytest.mark.parametrize("lost", [False, True])
def test_a_large_file_is_masked_elsewhere_and_what_follows_waits(lost: bool) -> None:
    play = Play(whole)
    rows = b"Ada," + SSN + b"\n"
    play.server(STATUS, wire.data(b"name,ssn\n"))
    for _ in range(40):
        play.server(wire.data(rows * 100))
    play.server(EOF)
    assert play.paused
    play.server(wire.stderr(b"late"))
    if lost:
        play.take(play.session.lost(Side.BACKEND))
    assert not play.told
    assert not play.closed
    play.worked(masking.answer(play.works[0].request))
    assert play.output.count(b"[SSN]") == 4000
    assert SSN not in play.output
    assert play.ends == [EOF, STATUS]
    assert bool(play.closed) is lost


@pytest.mark.parametrize("answer", [None, b"", b"\2x", b'\1["phi.unreadable", "no table"]'])
def test_what_was_not_masked_is_not_shown(answer: bytes | None) -> None:
    play = Play(whole)
    play.server(wire.data(b"name,ssn\n" + (SSN + b",x\n") * 2000), EOF, STATUS)
    play.worked(answer)
    assert play.output == b""
    assert re.search(rb"hoopgate: refused: .*\[reason=phi\.", play.errors)
    assert play.ends == [wire.request(b"exit-status", uint32(126)), EOF]
    assert play.closed


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name,ssn\n1,2,3\n", b"x" * (2**20 + 1)])
def test_what_cannot_be_masked_is_not_shown(content: bytes) -> None:
    play = Play(whole)
    for at in range(0, len(content), 2**15):
        play.server(wire.data(content[at : at + 2**15]))
        if play.closed:
            break
    play.server(EOF)
    assert play.output == b""
    assert b"hoopgate: refused" in play.errors


def test_a_bound_asks_once_and_nothing_overtakes() -> None:
    play = Play(bounded)
    play.server(wire.data(b"a" * 100))
    play.server(wire.data(b"b"), wire.data(b"c"), EOF, STATUS)
    assert play.output == b"a" * 100
    assert play.paused
    assert not play.ends
    play.decide(ALLOWED)
    assert play.output == b"a" * 100 + b"bc"
    assert play.ends == [EOF, STATUS]
    assert not play.paused


def test_beyond_a_bound_nothing_is_told_without_a_person() -> None:
    play = Play(bounded)
    play.server(wire.data(b"a" * 101), wire.data(b"c"), EOF, STATUS)
    play.decide(REFUSED)
    assert play.output == b""
    assert b"hoopgate: refused" in play.errors
    assert play.ends == [wire.request(b"exit-status", uint32(126)), EOF]
    assert play.closed


def test_a_backend_that_is_gone_meanwhile_is_heard_to_its_end() -> None:
    play = Play(bounded)
    play.server(wire.data(b"a" * 101), wire.data(b"c"), EOF, STATUS)
    play.take(play.session.lost(Side.BACKEND))
    assert not play.closed
    play.decide(ALLOWED)
    assert play.output == b"a" * 101 + b"c"
    assert play.closed
