"""Reading at once keeps every byte in order, however the network cuts what the peer sends."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.certificates import Certificates
from testbed.reactor import on_reactor, reactor
from twisted.internet.protocol import Factory, Protocol

from hoopgate.gateway.tls import ServerContext
from hoopgate.network import receive, write
from hoopgate.settings.model import ServerTLS
from hoopgate.tls_records import RecordCounter

SIZES = st.lists(st.integers(0, 16640), min_size=1, max_size=20)


def record(length: int, type: int = 23) -> bytes:
    """The head of a TLS record, and noise that looks like more heads."""
    return (
        bytes([type, 3, 3]) + length.to_bytes(2, "big") + (b"\x17\x03\x03\x00\x05" * 4000)[:length]
    )


@given(SIZES, st.lists(st.integers(0, 100_000), max_size=12))
def test_records_are_counted_where_they_end(sizes: list[int], cuts: list[int]) -> None:
    stream = b"".join(map(record, sizes))
    ends, at = [], 0
    for size in sizes:
        at += 5 + size
        ends.append(at)
    counter, before, counted = RecordCounter(), 0, 0
    for cut in [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]:
        counted += counter.count(stream[before:cut])
        if counter.lost:  # only where a head is cut in two
            start = max((end for end in [0, *ends] if end <= cut), default=0)
            assert 0 < cut - start < 5
            return
        assert counted == sum(end <= cut for end in ends)
        before = cut


@given(SIZES, st.binary(min_size=5, max_size=5))
def test_what_is_no_application_data_is_not_counted(sizes: list[int], head: bytes) -> None:
    counter = RecordCounter()
    counter.count(b"".join(map(record, sizes)))
    valid = head[:3] == b"\x17\x03\x03" and int.from_bytes(head[3:], "big") <= 2**14 + 2048
    counter.count(head)
    assert counter.lost is not valid


class Echo(Protocol):
    """Reads at once from its second message on, and says what it read."""

    context: ServerContext | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self.context is not None:
            self.transport.startTLS(self.context)  # type: ignore[attr-defined]

    def dataReceived(self, data: bytes) -> None:
        receive(self.transport, self.say)
        self.say(data)

    def say(self, data: bytes) -> None:
        write(self.transport, data)


@pytest.fixture(params=["plain", "1.2", "1.3"])
def echo(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[int, str]]:
    pair = certificates.server
    tls = ServerTLS(pair.certificate, pair.key)
    Echo.context = None if request.param == "plain" else ServerContext(tls)
    factory = Factory.forProtocol(Echo)
    factory.noisy = False
    listening = on_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield listening.getHost().port, request.param
    finally:
        on_reactor(listening.stopListening)


class Cut:
    """A TLS client whose records are sent in pieces of its own choice."""

    def __init__(self, plain: socket.socket, certificates: Certificates, version: str) -> None:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        wanted = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        context.minimum_version = context.maximum_version = wanted
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._plain = plain
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush(10**6)
                self._in.write(plain.recv(65536))
        self.flush(10**6)

    def flush(self, size: int) -> None:
        data = self._out.read()
        for at in range(0, len(data), size):
            self._plain.sendall(data[at : at + size])
            if size < 10**6:
                time.sleep(0.001)

    def send(self, data: bytes, size: int) -> None:
        for at in range(0, len(data), 16384):
            self._tls.write(data[at : at + 16384])
        self.flush(size)

    def receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                data = self._plain.recv(65536)
                assert data
                self._in.write(data)


@pytest.mark.parametrize("size", [10**6, 16_407, 9_999, 701, 3])
def test_every_byte_is_read(echo: tuple[int, str], certificates: Certificates, size: int) -> None:
    port, version = echo
    total = 60 if size == 3 else 200_000
    data = bytes(n * n % 251 for n in range(total))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        if version == "plain":
            plain.sendall(b"go")
            assert plain.recv(2) == b"go"
            plain.sendall(data)
            read = plain.recv
        else:
            client = Cut(plain, certificates, version)
            client.send(b"go", 10**6)
            assert client.receive() == b"go"
            for part in (data[:7], data[7:]):
                client.send(part, size)

            def read(_: int) -> bytes:
                return client.receive()

        got, left = hashlib.sha256(), len(data)
        while left:
            part = read(65536)
            assert part
            got.update(part)
            left -= len(part)
    assert got.digest() == hashlib.sha256(data).digest()
