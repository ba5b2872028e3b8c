"""Server-sent events (HTML Living Standard 9.2): which topics have news, never what they are.

A page that hears of news asks for itself again, as whoever is logged in by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from twisted.internet.task import LoopingCall

from hoopgate.console.logins import Login
from hoopgate.errors import Refused
from hoopgate.gateway.web import QuietRequest

TOPICS: Final = ("approvals", "live", "log")
_MOST_STREAMS: Final = 400
_MOST_OF_ONE: Final = 12
#: News of a topic within this many seconds is one event.
_GATHERED: Final = 0.4
#: Proxies and browsers give up what stays silent.
_SILENCE: Final = 15.0


class Streams:
    """The event streams that are open.

    :param alive: whether a browser's session still is one: its streams end with it.
    """

    def __init__(self, reactor: Any, alive: Callable[[Login], bool]) -> None:
        self._reactor = reactor
        self._alive = alive
        self._open: dict[QuietRequest, Login] = {}
        self._news: set[str] = set()
        self._told = dict.fromkeys(TOPICS, 0)
        self._timer: Any = None
        self._beat = LoopingCall(self._keep)
        self._beat.clock = reactor

    def start(self) -> None:
        """Begin to tell that nothing is new."""
        self._beat.start(_SILENCE, now=False)

    def position(self) -> str:
        """What was told so far, as a query: what is told between a page and its stream is told
        when the stream begins."""
        return "&".join(f"{topic}={count}" for topic, count in self._told.items())

    def add(self, request: QuietRequest, login: Login, since: Mapping[str, str]) -> None:
        """Answer ``request`` with events from now on.

        :param since: the fields of a :meth:`position`.
        :raises Refused: ``console.streams``: too many are open.
        """
        if len(self._open) >= _MOST_STREAMS or login.streams >= _MOST_OF_ONE:
            raise Refused("console.streams", "too many pages are open")
        login.streams += 1
        self._open[request] = login
        request.notifyFinish().addBoth(lambda _: self._left(request, login))
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
        }
        request.responseHeaders.removeHeader(b"server")
        for name, value in headers.items():
            request.responseHeaders.setRawHeaders(name, [value])
        missed = [one for one in TOPICS if since.get(one, "") not in ("", str(self._told[one]))]
        request.write(b"retry: 2000\n\n" + _events(missed))  # type: ignore[no-untyped-call]

    def _left(self, request: QuietRequest, login: Login) -> None:
        if self._open.pop(request, None) is not None:
            login.streams -= 1

    def tell(self, topic: str) -> None:
        """There is news."""
        self._told[topic] += 1
        self._news.add(topic)
        if self._timer is None:
            self._timer = self._reactor.callLater(_GATHERED, self._tell)

    def _tell(self) -> None:
        self._timer = None
        news, self._news = sorted(self._news), set()
        self._send(_events(news))

    def _send(self, data: bytes) -> None:
        for request in list(self._open):
            request.write(data)  # type: ignore[no-untyped-call]

    def _keep(self) -> None:
        for request, login in list(self._open.items()):
            if self._alive(login):
                request.write(b": \n\n")  # type: ignore[no-untyped-call]
            else:
                request.channel.loseConnection()

    def end(self, login: Login) -> None:
        """Somebody has logged out."""
        for request, whose in list(self._open.items()):
            if whose is login:
                request.channel.loseConnection()

    def stop(self) -> None:
        """End every stream."""
        if self._beat.running:
            self._beat.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for request in list(self._open):
            request.channel.loseConnection()


def _events(topics: Iterable[str]) -> bytes:
    return b"".join(b"event: %s\ndata: \n\n" % topic.encode() for topic in topics)
