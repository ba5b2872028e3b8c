"""A web server that misbehaves on request, and a clock to put forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testbed.reactor import on_reactor, reactor
from twisted.internet.protocol import Factory, Protocol
from zope.interface import directlyProvides, providedBy

Answer = bytes | Callable[[Any], None]


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """An HTTP answer, byte by byte as written here."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


class _Scripted(Protocol):
    def connectionMade(self) -> None:
        self._received = b""
        self.factory.open.add(self)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            path = self._received.split(b" ")[1].decode()
            self._received = b""
            self.factory.requests.append(path)
            scripted = self.factory.answers.get(path, answer(b"", status="404 Not Found"))
            if callable(scripted):
                scripted(self.transport)
            else:
                self.transport.write(scripted)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.discard(self)


class Web:
    """A web server that says exactly what a test wants, right or wrong."""

    def __init__(self) -> None:
        self.factory: Any = Factory.forProtocol(_Scripted)
        self.factory.noisy = False
        self.factory.open = set()
        self.requests: list[str] = []
        self.factory.requests = self.requests
        self.answers: dict[str, Answer] = {}
        self.factory.answers = self.answers
        self._port = on_reactor(reactor.listenTCP, 0, self.factory, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"

    @property
    def open(self) -> int:
        """Connections."""
        return len(self.factory.open)

    def close(self) -> None:
        on_reactor(self._port.stopListening)
        on_reactor(self._drop)

    def _drop(self) -> None:
        for connection in list(self.factory.open):
            connection.transport.abortConnection()


class ShiftedReactor:
    """The reactor with a clock that a test can put forward. Time-outs run in real time."""

    def __init__(self) -> None:
        self.offset = 0.0
        directlyProvides(self, providedBy(reactor))

    def seconds(self) -> float:
        return float(reactor.seconds()) + self.offset

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)
