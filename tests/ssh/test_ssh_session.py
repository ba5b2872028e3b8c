"""A session channel, sans-I/O: transcripts, and properties that hold for any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Command, OperationFacts, Side
from hoopgate.ssh import wire
from hoopgate.ssh.channels import FRAME_BYTES
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.wire import Frames, Reader, request, string, uint32
from hoopgate.verdicts import Allow, Block, Hold

CLIENT, BACKEND = Side.CLIENT, Side.BACKEND


def allowed(*words: str, text: str = "") -> Decision:
    facts = OperationFacts(
        classes=frozenset({"ssh.exec"}),
        text=text,
        attributes={"ssh.word": tuple((word, "") for word in words)},
    )
    return Decision("req-1", Allow("operator/x"), facts=(facts,))


BLOCKED = Decision("req-2", Block("pack/x", "command.x", "No.", "Do something else."))
EXEC = request(b"exec", string(b"ls -l"), want_reply=True)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    return list(Frames(FRAME_BYTES).feed(data))


def forwarded(actions: list[Action]) -> bytes:
    return b"".join(one.data for one in actions if isinstance(one, Forward))


def replied(actions: list[Action]) -> bytes:
    return b"".join(one.data for one in actions if isinstance(one, Reply))


def asked(actions: list[Action]) -> list[Command]:
    return [one.event for one in actions if isinstance(one, Ask)]  # type: ignore[misc]


def session(**policy: object) -> SSHSession:
    return SSHSession(ChannelPolicy(**policy))  # type: ignore[arg-type]


def running(**policy: object) -> SSHSession:
    one = session(**policy)
    one.received(CLIENT, EXEC)
    one.decided(1, allowed("ls", "-l"))
    one.received(BACKEND, wire.frame(wire.CHANNEL_SUCCESS))
    return one


def test_a_command_runs_as_its_words() -> None:
    one = session()
    (command,) = asked(one.received(CLIENT, EXEC))
    assert (command.kind, command.text, command.terminal) == ("exec", "ls -l", False)
    actions = one.decided(1, allowed("ls", "-l"))
    assert forwarded(actions) == request(b"exec", string(b"'ls' '-l'"), want_reply=True)
    (forward,) = actions
    assert isinstance(forward, Forward)
    assert forward.received == EXEC
    answer = one.received(BACKEND, wire.frame(wire.CHANNEL_SUCCESS))
    assert replied(answer) == wire.frame(wire.CHANNEL_SUCCESS)
    assert replied(one.received(BACKEND, wire.data(b"out"))) == wire.data(b"out")
    assert forwarded(one.received(CLIENT, wire.data(b"in"))) == wire.data(b"in")
    status = request(b"exit-status", uint32(3))
    assert replied(one.received(BACKEND, status)) == status


def test_a_refusal_is_told_and_ends_the_channel() -> None:
    one = session()
    one.received(CLIENT, EXEC)
    actions = one.decided(1, BLOCKED)
    assert forwarded(actions) == b""
    found = frames(replied(actions))
    assert [number for number, _ in found] == [
        wire.CHANNEL_SUCCESS,
        wire.CHANNEL_EXTENDED_DATA,
        wire.CHANNEL_REQUEST,
        wire.CHANNEL_EOF,
    ]
    assert b'"rule": "pack/x", "reason": "command.x", "request": "req-2"' in found[1][1]
    assert found[2][1].endswith(uint32(126))
    assert isinstance(actions[-1], Close)
    assert one.received(CLIENT, wire.data(b"more")) == []


def test_what_is_sent_while_it_is_judged_waits() -> None:
    one = session()
    one.received(CLIENT, EXEC)
    assert one.received(CLIENT, wire.data(b"in") + wire.frame(wire.CHANNEL_EOF)) == []
    assert one.read_ahead > 0
    actions = one.decided(1, allowed("cat"))
    assert forwarded(actions).endswith(wire.data(b"in") + wire.frame(wire.CHANNEL_EOF))
    assert one.read_ahead == 0


def test_a_hold_is_told_on_the_standard_error() -> None:
    one = session()
    one.received(CLIENT, EXEC)
    hold = Hold("operator/h", "rule.approve", "Ask first.", frozenset({"office"}), 60.0)
    answer, told = frames(replied(one.held(1, "apr-1", hold)))
    assert answer[0] == wire.CHANNEL_SUCCESS
    assert b'"approval": "apr-1", "reviewers": "office"' in told[1]
    one.decided(1, allowed("ls"))
    # The request was answered already.
    assert replied(one.received(BACKEND, wire.frame(wire.CHANNEL_SUCCESS))) == b""


def test_variables_by_the_list() -> None:
    one = session(environment=frozenset({"LC_*", "LANG"}))
    fine = request(b"env", string(b"LC_ALL") + string(b"C"), want_reply=True)
    actions = one.received(CLIENT, fine)
    assert forwarded(actions) == request(b"env", string(b"LC_ALL") + string(b"C"))
    assert replied(actions) == wire.frame(wire.CHANNEL_SUCCESS)
    for name in (b"LD_PRELOAD", b"LANGUAGE", b"PATH", b"lc_all"):
        actions = one.received(
            CLIENT, request(b"env", string(name) + string(b"x"), want_reply=True)
        )
        assert forwarded(actions) == b""
        assert replied(actions) == wire.frame(wire.CHANNEL_FAILURE)


@pytest.mark.parametrize(
    "name", [b"x11-req", b"auth-agent-req@openssh.com", b"xon-xoff", b"pty-req", b"anything"]
)
def test_other_requests_are_refused(name: bytes) -> None:
    actions = session().received(CLIENT, request(name, b"", want_reply=True))
    assert forwarded(actions) == b""
    assert replied(actions) == wire.frame(wire.CHANNEL_FAILURE)


PTY = string(b"xterm") + uint32(80) + uint32(24) + uint32(0) * 2 + string(b"\0")


def test_a_terminal_where_shells_are() -> None:
    one = session(shell=True)
    pty = request(b"pty-req", PTY, want_reply=True)
    assert forwarded(one.received(CLIENT, pty)) == pty
    # Asked before the terminal is answered: the answers keep their order.
    (command,) = asked(one.received(CLIENT, request(b"shell", want_reply=True)))
    assert (command.kind, command.terminal) == ("shell", True)
    actions = one.decided(1, allowed())
    assert forwarded(actions) == request(b"shell", want_reply=True)
    both = wire.frame(wire.CHANNEL_SUCCESS) + wire.frame(wire.CHANNEL_SUCCESS)
    assert replied(one.received(BACKEND, both)) == both
    resize = request(b"window-change", uint32(132) + uint32(50) + uint32(0) * 2)
    assert forwarded(one.received(CLIENT, resize)) == resize


@pytest.mark.parametrize("term", [b"xterm-256color", b"screen.xterm", b"vt100+4bsd", b""])
def test_names_of_terminals(term: bytes) -> None:
    pty = request(b"pty-req", string(term) + PTY[9:], want_reply=True)
    assert forwarded(session(shell=True).received(CLIENT, pty)) == pty


@pytest.mark.parametrize("term", [b"../x", b"/tmp/x", b"x/y", b".", b"x\0y", b"x" * 100, b"x y"])
def test_a_terminal_is_no_path(term: bytes) -> None:
    actions = session(shell=True).received(
        CLIENT, request(b"pty-req", string(term) + PTY[9:], want_reply=True)
    )
    assert forwarded(actions) == b""
    assert replied(actions) == wire.frame(wire.CHANNEL_FAILURE)


def test_signals_of_the_list_reach_the_program() -> None:
    one = running()
    term = request(b"signal", string(b"TERM"))
    assert forwarded(one.received(CLIENT, term)) == term
    assert forwarded(one.received(CLIENT, request(b"signal", string(b"X;rm")))) == b""
    resize = request(b"window-change", uint32(1) * 4)
    assert forwarded(one.received(CLIENT, resize)) == b""  # it has no terminal


def test_a_second_program_is_refused() -> None:
    actions = running().received(CLIENT, EXEC)
    assert forwarded(actions) == b""
    assert replied(actions) == wire.frame(wire.CHANNEL_FAILURE)


def test_a_forced_command_takes_the_place_of_any() -> None:
    one = session(force_command="id -u")
    for asking in (EXEC, request(b"shell"), request(b"subsystem", string(b"sftp"))):
        (command,) = asked(session(force_command="id -u").received(CLIENT, asking))
        assert (command.kind, command.text) == ("exec", "id -u")
    assert one.idle()


def test_keep_alives_of_the_backend_are_answered_here() -> None:
    actions = running().received(BACKEND, request(b"keepalive@openssh.com", want_reply=True))
    assert forwarded(actions) == wire.frame(wire.CHANNEL_FAILURE)
    assert replied(actions) == b""


def test_the_backend_s_words_about_a_signal_are_not_passed_on() -> None:
    told = string(b"SEGV") + b"\1" + string(b"secret words") + string(b"en")
    shown = replied(running().received(BACKEND, request(b"exit-signal", told)))
    assert b"SEGV" in shown
    assert b"secret" not in shown
    told = string(b"123-45-6789") + b"\1" + string(b"") * 2
    shown = replied(running().received(BACKEND, request(b"exit-signal", told)))
    assert b"exit-signal" in shown
    assert b"123-45-6789" not in shown


@pytest.mark.parametrize(
    "data",
    [
        wire.data(b"too early"),
        wire.frame(wire.CHANNEL_EOF),
        wire.frame(wire.CHANNEL_OPEN, b""),
        wire.frame(wire.CHANNEL_REQUEST, b"\xff\xff\xff\xff"),
        request(b"exec", string(b"\xff\xfe")),
        b"\0\0\0\0",
        uint32(FRAME_BYTES + 1),
    ],
)
def test_what_clients_may_not_send(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        session().received(CLIENT, data)


@pytest.mark.parametrize(
    "data",
    [
        wire.data(b"nobody asked"),
        wire.frame(wire.CHANNEL_SUCCESS),
        wire.frame(wire.CHANNEL_OPEN, b""),
    ],
)
def test_what_servers_may_not_send(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        session().received(BACKEND, data)


def test_too_many_requests_end_the_session() -> None:
    one = session()
    env = request(b"env", string(b"A") + string(b"b"))
    with pytest.raises(RemoteProtocolError):
        for _ in range(1000):
            one.received(CLIENT, env)


MESSAGES = st.sampled_from(
    [
        EXEC,
        request(b"shell", want_reply=True),
        request(b"subsystem", string(b"sftp"), want_reply=True),
        request(b"env", string(b"LANG") + string(b"C"), want_reply=True),
        request(b"pty-req", PTY, want_reply=True),
        request(b"signal", string(b"INT")),
        wire.data(b"data"),
        wire.stderr(b"error"),
        wire.frame(wire.CHANNEL_EOF),
        wire.frame(wire.CHANNEL_SUCCESS),
        wire.frame(wire.CHANNEL_FAILURE),
        request(b"exit-status", uint32(0)),
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(Side), MESSAGES),
        st.tuples(st.sampled_from(Side), st.binary(max_size=40)),
        st.sampled_from(["allow", "block"]),
    ),
    max_size=20,
)


def play(steps: list[object], cut: int) -> tuple[bytes, bytes, bool]:
    """What reaches either side, and whether anything was forwarded without being allowed."""
    one = session(environment=frozenset({"LANG"}), shell=True)
    ticket = 0
    out = b""
    told = b""
    program = False
    early = False
    for step in steps:
        actions: list[Action] = []
        try:
            if isinstance(step, tuple):
                side, data = step
                for at in range(0, max(len(data), 1), cut):
                    actions += one.received(side, data[at : at + cut])
            elif ticket:
                decision = allowed("ls") if step == "allow" else BLOCKED
                program = program or step == "allow"
                actions = one.decided(ticket, decision)
        except RemoteProtocolError:
            break
        for action in actions:
            if isinstance(action, Ask):
                ticket = action.ticket
            elif isinstance(action, Forward):
                out += action.data
                for number, body in frames(action.data):
                    name = Reader(body).string() if number == wire.CHANNEL_REQUEST else b""
                    started = number == wire.CHANNEL_DATA or name in (b"exec", b"subsystem")
                    early = early or (started and not program)
            elif isinstance(action, Reply):
                told += action.data
        assert one.buffered >= 0
    return out, told, early


@settings(deadline=None)
@given(STEPS, st.integers(1, 50))
def test_any_chunking_does_the_same_and_nothing_runs_unjudged(
    steps: list[object], cut: int
) -> None:
    out, told, early = play(steps, 10_000)
    again, told_again, _ = play(steps, cut)
    assert not early
    assert out == again
    assert told == told_again
