"""Clients that are logged in and mean ill: channels, windows, keys and logins out of turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from testbed.rawssh import RawSSH
from testbed.ward import Ward

from hoopgate.ssh import wire
from hoopgate.ssh.wire import string, uint32

EXEC = string(b"printf fine")


@pytest.fixture
def raw(ward: Ward) -> Iterator[RawSSH]:
    one = RawSSH(ward)
    yield one
    one.close()


def _messages(*messages: tuple[int, bytes]) -> Callable[[int], list[tuple[int, bytes]]]:
    return lambda channel: [(number, uint32(channel) + body) for number, body in messages]


def _request(name: bytes, body: bytes) -> tuple[int, bytes]:
    return wire.CHANNEL_REQUEST, string(name) + b"\1" + body


#: By the gateway's number of a channel that is open, the messages.
OUT_OF_TURN: dict[str, Callable[[int], list[tuple[int, bytes]]]] = {
    "data-before-exec": _messages((wire.CHANNEL_DATA, string(b"x"))),
    "end-before-exec": _messages((wire.CHANNEL_EOF, b"")),
    "stderr-of-a-client": _messages(
        _request(b"exec", EXEC), (wire.CHANNEL_EXTENDED_DATA, uint32(1) + string(b"x"))
    ),
    "nobodys-channel": lambda c: [(wire.CHANNEL_EOF, uint32(c + 1))],
    "huge-channel": lambda c: [(wire.CHANNEL_DATA, uint32(2**32 - 1) + string(b"x"))],
    "more-than-granted": _messages(
        _request(b"exec", string(b"sleep 100")), *[(wire.CHANNEL_DATA, string(bytes(2**15)))] * 99
    ),
    "a-larger-packet": _messages((wire.CHANNEL_DATA, string(bytes(2**16)))),
    "window-overflow": _messages(*[(wire.CHANNEL_WINDOW_ADJUST, uint32(2**32 - 1))] * 2),
    "length-lies": _messages((wire.CHANNEL_DATA, uint32(2**31) + b"x")),
    "behind-close": _messages((wire.CHANNEL_CLOSE, b""), _request(b"exec", EXEC)),
    "eof-twice": _messages(_request(b"exec", EXEC), *[(wire.CHANNEL_EOF, b"")] * 2),
    "confirmation": _messages(
        (wire.CHANNEL_OPEN_CONFIRMATION, uint32(0) + uint32(2**20) + uint32(2**15))
    ),
    "answer-to-nothing": lambda c: [(wire.REQUEST_SUCCESS, b"")],
    "new-keys": lambda c: [(21, b"")],
    "exchange": lambda c: [(30, string(bytes(32)))],
    "end-of-an-exchange": lambda c: [(31, string(bytes(32)))],
    "a-command-that-is-no-text": _messages(_request(b"exec", string(b"\xff\xfe"))),
    "a-command-that-goes-on": _messages(_request(b"exec", EXEC + b"x")),
    "a-command-that-is-too-long": _messages(_request(b"exec", string(b"x" * 40_000))),
    "many-requests": _messages(*[_request(b"env", string(b"A") * 2)] * 100),
}


@pytest.mark.parametrize("name", OUT_OF_TURN)
def test_what_has_no_place_ends_it(ward: Ward, raw: RawSSH, name: str) -> None:
    channel = raw.open()
    before = ward.gateway.log_text()
    with suppress(ConnectionError):  # it may have hung up before it was sent all of it
        for number, body in OUT_OF_TURN[name](channel):
            raw.send(number, body)
    assert raw.ended()
    new = ward.gateway.log_text().removeprefix(before)
    assert "bug" not in new
    assert "Traceback" not in new


#: What a client may well send, and what is never a login.
IGNORED = [
    (50, string(b"reader%ward") + string(b"ssh-connection") + string(b"none")),
    (5, string(b"ssh-userauth")),
    (52, b"\0\0\0\0"),
    (60, b"\0\0\0\0"),
    (61, uint32(0)),
    (2, string(b"ignored")),
    (3, uint32(7)),
    (4, b"\1" + string(b"debug") + string(b"")),
    (7, uint32(0)),
    (192, b"\0\0\0\0"),
    (255, b"\0\0\0\0"),
    (80, string(b"keepalive@openssh.com") + b"\1"),
    (80, string(b"hostkeys-prove-00@openssh.com") + b"\1"),
    (80, string(b"tcpip-forward") + b"\1" + string(b"") + uint32(0)),
]


def test_messages_of_logins_mean_nothing_behind_one(raw: RawSSH) -> None:
    for number, body in IGNORED:
        raw.send(number, body)
    output, _, status = raw.run(b"printf fine")
    assert (output, status) == (b"fine", 0)


def test_keys_that_a_client_changes_at_any_time(raw: RawSSH) -> None:
    for _ in range(5):
        raw.client.rekey()
        output, _, status = raw.run(b"seq 2000")
        assert output.endswith(b"1999\n2000\n")
        assert status == 0


@pytest.mark.parametrize("packet", [0, 1, 100])
def test_no_channel_for_a_few_bytes_at_once(raw: RawSSH, packet: int) -> None:
    assert raw.open(packet=packet) == -1
    assert raw.open(packet=packet, kind=b"direct-tcpip") == -1
    assert raw.run(b"printf fine")[0] == b"fine"


def test_channels_are_so_many(raw: RawSSH) -> None:
    opened = [raw.open(number) for number in range(40)]
    assert len([one for one in opened if one >= 0]) == 32
    for one in opened:
        if one >= 0:
            raw.send(wire.CHANNEL_CLOSE, uint32(one))
            raw.next(wire.CHANNEL_CLOSE)
    assert raw.run(b"printf fine")[0] == b"fine"


def test_a_window_of_nothing_holds_the_program_and_nobody_else(raw: RawSSH) -> None:
    channel = raw.open(1, room=0)
    raw.request(channel, b"exec", string(b"seq 200000"))
    assert raw.run(b"printf fine")[0] == b"fine"
    for _ in range(3):
        raw.send(wire.CHANNEL_WINDOW_ADJUST, uint32(channel) + uint32(5))
        got = b""
        while len(got) < 5:
            _, reader = raw.next(wire.CHANNEL_DATA)
            reader.uint32()
            got += reader.string()
        assert len(got) == 5


def test_what_needs_no_window_is_bounded_while_a_person_decides(ward: Ward, raw: RawSSH) -> None:
    channel = raw.open()
    raw.request(channel, b"exec", string(b"hostname"))
    raw.next(wire.CHANNEL_EXTENDED_DATA)  # it waits for a person
    memory = ward.memory()
    for _ in range(2200):
        raw.request(channel, b"signal", bytes(30_000), want_reply=False)
    raw.next(wire.CHANNEL_CLOSE)
    assert ward.memory() - memory < 48 * 2**20
    assert raw.run(b"printf fine")[0] == b"fine"
