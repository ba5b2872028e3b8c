"""Writing at once keeps every byte in order, however slowly the peer reads."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator

import pytest
from testbed.certificates import Certificates
from testbed.reactor import on_reactor, reactor
from twisted.internet.protocol import Factory, Protocol

from hoopgate.gateway.tls import ServerContext
from hoopgate.network import hang_up, write
from hoopgate.settings.model import ServerTLS

PIECES = [bytes([n % 251]) * (1 + n * n * 7 % 9973) for n in range(4000)]


class Talker(Protocol):
    """Sends PIECES as soon as it hears something, now and then in the stock way."""

    context: ServerContext | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.setTcpNoDelay(True)  # type: ignore[attr-defined]
        if self.context is not None:
            self.transport.startTLS(self.context)  # type: ignore[attr-defined]

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        for number, piece in enumerate(PIECES):
            if number % 97 == 0:
                self.transport.write(piece)
            else:
                write(self.transport, piece)
        hang_up(reactor, self.transport)


@pytest.fixture(params=["plain", "tls"])
def port(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[int, bool]]:
    tls = request.param == "tls"
    pair = certificates.server
    Talker.context = ServerContext(ServerTLS(pair.certificate, pair.key)) if tls else None
    factory = Factory.forProtocol(Talker)
    factory.noisy = False
    listening = on_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield listening.getHost().port, tls
    finally:
        on_reactor(listening.stopListening)


def test_every_byte_arrives_in_order(port: tuple[int, bool], certificates: Certificates) -> None:
    import ssl

    number, tls = port
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(60)
    plain.connect(("127.0.0.1", number))
    connection: socket.socket = plain
    if tls:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        connection = context.wrap_socket(plain, server_hostname="localhost")
    with connection:
        connection.sendall(b"go")
        time.sleep(0.05)  # the kernel's buffers are full by now: the rest is queued
        got, slow = hashlib.sha256(), 6
        left = sum(map(len, PIECES))
        while left:
            data = connection.recv(65536)
            assert data
            got.update(data)
            left -= len(data)
            if slow:
                slow -= 1
                time.sleep(0.3)  # reads, if slowly: it is not cut off
    assert got.digest() == hashlib.sha256(b"".join(PIECES)).digest()
