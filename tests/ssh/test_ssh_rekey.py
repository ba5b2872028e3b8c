"""Both legs of the transport against each other: keys that change while messages flow."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.internet.task import Clock

from hoopgate.ssh.exchanges import ClientTransport, ServerTransport
from hoopgate.ssh.keys import host_keys
from hoopgate.ssh.signatures import HostKeyRefused
from hoopgate.ssh.transport import SSHTransport

HOST = Key(ed25519.Ed25519PrivateKey.generate())


class Wire:
    """Keeps what one end writes until it is carried to the other."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = False

    connected = True
    disconnected = False

    def write(self, data: bytes) -> None:
        self.data += data

    def loseConnection(self) -> None:
        self.closed = True

    abortConnection = loseConnection

    def getPeer(self) -> Any:
        return None

    getHost = getPeer


class Ends(list[tuple[int, bytes]]):
    """What an end received, and why it ended."""

    reason = ""
    exchanges = 0


def make(base: type[SSHTransport], clock: Clock, *arguments: Any) -> tuple[Any, Ends]:
    got = Ends()

    class End(base):  # type: ignore[misc, valid-type]
        rekey_bytes = 3000
        rekey_seconds = 100.0

        def secured(self) -> None:
            self._may_rekey = True

        def received(self, number: int, payload: bytes) -> None:
            got.append((number, payload))

        def refused(self, error: HostKeyRefused) -> None:
            got.reason = str(error)

        def ended(self, reason: str) -> None:
            got.reason = got.reason or reason

        def _new_keys(self, payload: bytes) -> None:
            got.exchanges += 1
            super()._new_keys(payload)

    end = End(clock, *arguments)
    end.makeConnection(Wire())
    return end, got


class Pair:
    """A client and a server that are connected."""

    def __init__(self, verify: Any = lambda _: HOST.public()) -> None:
        self.clock = Clock()
        self.server, self.at_server = make(ServerTransport, self.clock, host_keys([HOST]))
        arguments = (verify, [b"ssh-ed25519"])
        self.client, self.at_client = make(ClientTransport, self.clock, *arguments)
        self.carry()

    def carry(self, size: int = 10_000) -> None:
        """Carry everything to the other end, in pieces."""
        ends = [(self.server, self.client), (self.client, self.server)]
        while any(one.transport.data for one, _ in ends):
            for one, other in ends:
                data = bytes(one.transport.data[:size])
                del one.transport.data[:size]
                if data:
                    other.dataReceived(data)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2500), st.booleans()), max_size=25),
    st.integers(1, 700),
)
def test_every_message_arrives_once_and_in_order(
    steps: list[tuple[bool, int, bool]], size: int
) -> None:
    pair = Pair()
    sent: dict[bool, list[tuple[int, bytes]]] = {True: [], False: []}
    for by_client, length, carry in steps:
        message = 94, bytes([len(sent[by_client]) % 256]) * length
        sent[by_client].append(message)
        (pair.client if by_client else pair.server).sendPacket(*message)
        if carry:
            pair.carry(size)
    pair.carry(size)
    assert pair.at_server == sent[True]
    assert pair.at_client == sent[False]
    assert not pair.at_server.reason
    assert not pair.at_client.reason


def test_keys_change_by_volume_and_by_time() -> None:
    pair = Pair()
    assert pair.server.strict
    assert pair.client.strict
    assert pair.at_client.exchanges == 1
    for number in range(20):
        pair.server.sendPacket(94, bytes(1000))
        pair.carry()
        assert len(pair.at_client) == number + 1
    assert pair.at_client.exchanges > 4
    before = pair.at_client.exchanges
    pair.clock.advance(101)
    pair.carry()
    assert pair.at_client.exchanges > before


def test_a_peer_that_does_not_take_part_is_left() -> None:
    pair = Pair()
    pair.server.rekey()
    pair.clock.advance(31)
    assert pair.at_server.reason


def test_a_host_key_that_is_not_known_ends_it_before_anything_is_sent() -> None:
    def refuse(_: bytes) -> Key:
        raise HostKeyRefused("the host key has changed")

    pair = Pair(refuse)
    assert pair.at_client.reason == "the host key has changed"
    assert pair.at_client.exchanges == 0


def test_a_host_that_cannot_sign_for_the_known_key() -> None:
    other = Key(ed25519.Ed25519PrivateKey.generate()).public()
    pair = Pair(lambda _: other)
    assert pair.at_client.reason == "protocol"
    assert pair.at_client.exchanges == 0


@pytest.mark.parametrize("number", [5, 50, 94])
def test_nothing_else_while_keys_are_exchanged(number: int) -> None:
    pair = Pair()
    pair.client.rekey()
    # Straight into the packets, past what holds messages back.
    data = pair.client._sealer.seal(pair.client.outgoingPacketSequence, bytes([number]) + b"x")
    pair.client.transport.data += data
    pair.carry()
    assert pair.at_server.reason == "protocol"


@pytest.mark.parametrize("reason", ["full", "blocked"])
def test_answers_that_nobody_reads_are_bounded(reason: str) -> None:
    """A peer may ask on and on, and read nothing, or not finish its part of an exchange."""
    pair = Pair()
    if reason == "full":
        pair.server.full = True
    else:
        pair.server.rekey()
    for _ in range(20_000):
        pair.server.sendPacket(82, b"")
    assert pair.at_server.reason
    assert len(pair.server.transport.data) < 2**20


def test_keys_that_changed_let_go_on() -> None:
    pair = Pair()
    calls: list[bool] = []
    pair.server.unblocked = lambda: calls.append(pair.server.blocked)
    pair.client.rekey()
    pair.carry()
    assert calls == [False]
