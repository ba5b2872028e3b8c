"""Before a login, behind the first keys (C13): what a client that speaks SSH well may not say, and
what a backend may not flood its side with."""

from __future__ import annotations

import time
from collections.abc import Iterator

import paramiko
import pytest
from paramiko.common import byte_chr
from test_ssh_rekey import HOST, make
from testbed.rawsftp import patient
from testbed.ward import Ward
from twisted.internet.task import Clock

from hoopgate.ssh.exchanges import ClientTransport
from hoopgate.ssh.wire import string, uint32


@pytest.fixture
def client(ward: Ward) -> Iterator[paramiko.Transport]:
    """paramiko behind the key exchange, not logged in."""
    one = patient(ward)
    one.start_client(timeout=60)
    yield one
    one.close()


def request(user: bytes, method: bytes, rest: bytes = b"") -> tuple[int, bytes]:
    return 50, string(user) + string(b"ssh-connection") + string(method) + rest


SERVICE = (5, string(b"ssh-userauth"))
NONE = request(b"executor%ward", b"none")
OPEN = (90, string(b"session") + uint32(0) + uint32(2**20) + uint32(2**15))


@pytest.mark.parametrize(
    "messages",
    [
        [OPEN],
        [SERVICE, OPEN],
        [SERVICE, NONE, OPEN],
        [SERVICE, (80, string(b"tcpip-forward") + b"\1" + string(b"") + uint32(0))],
        [SERVICE, (98, uint32(0) + string(b"exec") + b"\1" + string(b"id"))],
        [SERVICE, (94, uint32(0) + string(b"data"))],
        [SERVICE, SERVICE],
        [SERVICE, NONE, SERVICE],
        [(5, string(b"ssh-connection"))],
        [SERVICE, (5, string(b"ssh-connection"))],
        [NONE],
        [SERVICE, NONE, request(b"planner%ward", b"none")],
        [SERVICE, NONE, (52, b"")],
        [SERVICE, NONE, (6, string(b"ssh-connection"))],
        [SERVICE, NONE, (61, uint32(1) + string(b"x"))],
        [SERVICE, request(b"executor%ward", b"password", b"\0" + string(b"a.b.c")), OPEN],
        [SERVICE, (50, string(b"x" * 600) + string(b"ssh-connection") + string(b"none"))],
        [SERVICE, (50, b"\xff" * 4)],
    ],
    ids=range(18),
)
def test_what_has_no_place_ends_the_connection(
    ward: Ward, client: paramiko.Transport, messages: list[tuple[int, bytes]]
) -> None:
    before = ward.gateway.log_text().count("session.open")
    for number, body in messages:
        message = paramiko.Message()
        message.add_byte(byte_chr(number))
        message.packet.write(body)
        try:
            client._send_message(message)
        except (OSError, EOFError, paramiko.SSHException):
            break
        time.sleep(0.05)
    ward.wait_until(lambda: not client.is_active())
    assert ward.gateway.log_text().count("session.open") == before
    assert "login.bug" not in ward.gateway.log_text()


def test_a_login_that_is_too_large_ends_the_connection(
    ward: Ward, client: paramiko.Transport
) -> None:
    message = paramiko.Message()
    message.add_byte(byte_chr(5))
    message.packet.write(string(b"ssh-userauth" + b"x" * 100_000))
    client._send_message(message)
    ward.wait_until(lambda: not client.is_active())


@pytest.mark.parametrize(
    "line", [b"welcome\r\n", b"no end of a line ", b"\n", b"SSH-2.0-" + b"x" * 99]
)
def test_a_backend_that_floods_lines_is_left(line: bytes) -> None:
    """Lines before its version (RFC 4253 section 4.2), by any pieces."""
    one, got = make(ClientTransport, Clock(), lambda _: HOST.public(), [b"ssh-ed25519"])
    sent = 0
    while not got.reason:
        one.dataReceived(line)
        sent += len(line)
        assert sent < 20_000
    assert got.reason == "protocol"
