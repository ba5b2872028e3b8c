"""Channels of one connection, sans-I/O: windows, ends, and what still may come behind them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.ssh import wire
from hoopgate.ssh.channels import WINDOW, Channel, Mux, OpenRefused
from hoopgate.ssh.wire import string, uint32

EOF = wire.frame(wire.CHANNEL_EOF)
STATUS = wire.request(b"exit-status", uint32(3))
REMOTE = 7


class Wire:
    """What the peer would get, and a channel that it opened."""

    def __init__(self, room: int = WINDOW, packet: int = 2**15) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.lost = 0
        socket = SimpleNamespace(registerProducer=lambda *_: None)
        self.transport = SimpleNamespace(
            transport=socket,
            full=False,
            blocked=False,
            sendPacket=lambda number, *body: self.sent.append((number, b"".join(body))),
        )
        self.mux = Mux(cast(Any, self.transport), 4)
        self.channel: Channel = self.mux.reserve()
        self.mux.confirm(self.channel, REMOTE, room, packet)
        self.channel.lost = self._lost
        self.sent.clear()

    def _lost(self) -> None:
        self.lost += 1

    def peer(self, number: int, rest: bytes = b"") -> None:
        self.mux.received(number, uint32(self.channel.number) + rest)

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.sent]


def test_a_peer_that_closes_behind_our_data_is_still_told_the_exit_status() -> None:
    one = Wire()
    one.channel.lingers = True
    one.channel.write(EOF)
    one.peer(wire.CHANNEL_EOF)
    one.peer(wire.CHANNEL_CLOSE)
    assert one.lost == 0
    one.channel.write(STATUS)
    one.channel.loseConnection()
    assert one.numbers == [wire.CHANNEL_EOF, wire.CHANNEL_REQUEST, wire.CHANNEL_CLOSE]
    assert one.lost == 1
    assert not one.mux.channels


def test_a_peer_that_closes_before_leaves_at_once() -> None:
    one = Wire()
    one.channel.lingers = True
    one.peer(wire.CHANNEL_CLOSE)
    assert one.lost == 1
    assert one.numbers == [wire.CHANNEL_CLOSE]
    assert not one.mux.channels


def test_a_lingering_channel_ends_with_its_connection() -> None:
    one = Wire()
    one.channel.lingers = True
    one.channel.write(EOF)
    one.peer(wire.CHANNEL_CLOSE)
    one.mux.lost()
    assert one.lost == 1
    assert one.channel.disconnected


@pytest.mark.parametrize("number", [wire.CHANNEL_DATA, wire.CHANNEL_EOF, wire.CHANNEL_CLOSE])
def test_nothing_comes_behind_the_end(number: int) -> None:
    one = Wire()
    one.channel.lingers = True
    one.channel.write(EOF)
    one.peer(wire.CHANNEL_CLOSE)
    with pytest.raises(RemoteProtocolError):
        one.peer(number, string(b"x") if number == wire.CHANNEL_DATA else b"")


def test_our_close_waits_for_the_peer_s_and_is_sent_once() -> None:
    one = Wire()
    one.channel.loseConnection()
    one.channel.abortConnection()
    assert (one.numbers, one.lost) == ([wire.CHANNEL_CLOSE], 0)
    one.peer(wire.CHANNEL_DATA, string(b"late"))
    one.peer(wire.CHANNEL_CLOSE)
    assert (one.numbers, one.lost) == ([wire.CHANNEL_CLOSE], 1)


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=12),
    st.integers(0, 3000),
    st.integers(1, 700),
    st.lists(st.integers(1, 4000), max_size=12),
)
def test_no_more_is_sent_than_the_peer_granted(
    writes: list[int], room: int, packet: int, grants: list[int]
) -> None:
    one = Wire(room, packet)
    data = bytes(range(256)) * 250
    at = 0
    for size in writes:
        one.channel.write(wire.data(data[at : at + size]))
        at += size
    one.channel.write(EOF)
    granted = room

    def check() -> bytes:
        got = b""
        for number, body in one.sent:
            if number == wire.CHANNEL_DATA:
                piece = wire.Reader(body[4:]).string()
                assert len(piece) <= packet
                got += piece
        assert len(got) <= granted
        assert data.startswith(got)
        # The end comes behind everything, and only then.
        assert (wire.CHANNEL_EOF in one.numbers) == (len(got) == at)
        return got

    check()
    for more in [*grants, sum(writes)]:
        granted += more
        one.peer(wire.CHANNEL_WINDOW_ADJUST, uint32(more))
        check()
    assert check() == data[:at]
    assert one.channel.queued_bytes == 0


def test_a_peer_may_not_send_more_than_it_was_granted() -> None:
    one = Wire()
    one.channel.ahead = lambda: WINDOW  # nothing leaves
    for _ in range(WINDOW // 2**15):
        one.peer(wire.CHANNEL_DATA, string(b"x" * 2**15))
    with pytest.raises(LimitExceeded):
        one.peer(wire.CHANNEL_DATA, string(b"x"))


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (wire.CHANNEL_DATA, string(b"")),
        (wire.CHANNEL_DATA, string(b"x")),
        (wire.CHANNEL_EXTENDED_DATA, uint32(1) + string(b"")),
        (wire.CHANNEL_REQUEST, string(b"signal") + b"\0" + string(b"x" * 1000)),
        (wire.CHANNEL_REQUEST, string(b"x" * 200_000) + b"\0"),
        (wire.CHANNEL_SUCCESS, b""),
    ],
)
def test_what_needs_no_window_is_bounded_while_a_channel_waits(number: int, body: bytes) -> None:
    one = Wire()
    kept = 0

    def keep(data: bytes) -> None:
        nonlocal kept
        kept += len(data)

    one.channel.deliver = keep
    for _ in range(100):
        one.channel.pauseProducing()
        for _ in range(10):
            one.peer(number, body)
        one.channel.resumeProducing()  # what waited has left
    kept = 0
    one.channel.pauseProducing()
    with pytest.raises(LimitExceeded):
        for _ in range(200_000):
            one.peer(number, body)
    assert kept <= 5 * WINDOW


def test_a_window_may_be_used_up_while_a_channel_waits() -> None:
    one = Wire()
    one.channel.ahead = lambda: WINDOW
    one.channel.pauseProducing()
    for _ in range(WINDOW // 64):
        one.peer(wire.CHANNEL_DATA, string(b"x" * 64))
    one.peer(wire.CHANNEL_REQUEST, string(b"signal") + b"\0" + string(b"TERM"))
    one.peer(wire.CHANNEL_EOF)


@pytest.mark.parametrize("packet", [0, 1, 1023])
def test_no_channel_to_a_server_that_takes_hardly_anything_at_once(packet: int) -> None:
    one = Wire()
    refused: list[object] = []
    one.mux.open(b"session").addErrback(lambda failure: refused.append(failure.value))
    numbers = (1, REMOTE, WINDOW, packet)
    one.mux.received(wire.CHANNEL_OPEN_CONFIRMATION, b"".join(map(uint32, numbers)))
    assert isinstance(refused[0], OpenRefused)
    assert one.numbers[-1] == wire.CHANNEL_CLOSE


@pytest.mark.parametrize("reason", ["full", "blocked"])
def test_data_waits_in_its_channel_and_pauses_who_writes(reason: str) -> None:
    """A peer that grants a large window, and then reads nothing or does not finish its part of a
    key exchange, has nothing pile up behind it."""
    one = Wire(room=2**32 - 1)
    paused: list[bool] = []
    producer = SimpleNamespace(
        pauseProducing=lambda: paused.append(True), resumeProducing=lambda: paused.append(False)
    )
    one.channel.registerProducer(producer, True)
    setattr(one.transport, reason, True)
    count = 0
    while not paused:
        one.channel.write(wire.data(bytes(2**15)))
        count += 1
        assert count < 100
    one.channel.write(EOF)
    one.channel.loseConnection()
    assert not one.sent
    setattr(one.transport, reason, False)
    one.mux.flush()
    expected = [wire.CHANNEL_DATA] * count + [wire.CHANNEL_EOF, wire.CHANNEL_CLOSE]
    assert one.numbers == expected
    assert paused == [True, False]


def test_refused_channels_leave_nothing_behind() -> None:
    """CVE-2026-39827."""
    one = Wire()
    for _ in range(1000):
        refused = one.mux.reserve()
        one.mux.refuse(refused, 7, OpenRefused(wire.PROHIBITED, "no"))
    one.mux.refuse(None, 7, OpenRefused(wire.PROHIBITED, "no"))
    assert list(one.mux.channels.values()) == [one.channel]
