"""What tells open pages of news: nothing is missed between a page and its stream, and a stream is
for who is logged in."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from testbed.console import ConsoleClinic, WebClient
from testbed.holding import held
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.test.requesthelper import DummyRequest

from hoopgate.console import live
from hoopgate.console.live import Streams
from hoopgate.console.logins import COOKIE, Logins
from hoopgate.events import Principal


@contextmanager
def listening(rita: WebClient, query: str = "") -> Iterator[http.client.HTTPResponse]:
    """A stream that is read line by line."""
    place = urlsplit(rita.url)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(place.netloc, timeout=60, context=tls)
    try:
        cookie = f"{COOKIE}={rita.cookies[COOKIE]}"
        connection.request("GET", f"/events{query}", headers={"Cookie": cookie})
        yield connection.getresponse()
    finally:
        connection.close()


def test_what_happens_before_a_page_listens_is_told(console: ConsoleClinic) -> None:
    rita = WebClient(console)
    rita.log_in("rita")
    found = re.search(r'data-news="([^"]+)"', rita.get("/approvals").text)
    assert found
    news = found[1].replace("&amp;", "&")
    assert re.fullmatch(r"approvals=\d+&live=\d+&log=\d+", news)
    with held(console.clinic.dsn()), listening(rita, f"?{news}") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["x-content-type-options"] == "nosniff"
        assert stream.readline().startswith(b"retry:")
        assert stream.readline() == b"\n"
        assert stream.readline() == b"event: approvals\n"


@pytest.mark.parametrize("query", ["?approvals=x", "?approvals=", "?other=1&log=-1", "?approvals"])
def test_any_position_is_one(console: ConsoleClinic, query: str) -> None:
    rita = WebClient(console)
    rita.log_in("rita")
    with listening(rita, query) as stream:
        assert stream.status == 200
        assert stream.readline().startswith(b"retry:")


class Request(DummyRequest):
    """One whose connection can be closed."""

    def __init__(self) -> None:
        super().__init__([b"events"])  # type: ignore[no-untyped-call]
        self.channel = self
        self.closed = False

    def loseConnection(self) -> None:
        self.closed = True
        self.processingFailed(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]


def test_a_stream_ends_with_its_session() -> None:
    """A page that is left open is no way to stay."""
    clock, wall = Clock(), [1000.0]
    logins = Logins(3600.0, 600.0, lambda: wall[0])
    who = Principal("https://idp", "rita", frozenset({"hoopgate:approve"}), 2000.0)
    values = [logins.open(who) for _ in range(3)]
    found = [logins.find(value) for value in values]
    streams = Streams(clock, logins.alive)
    streams.start()
    requests: list[Request] = []
    for login in found:
        assert login is not None
        request = Request()
        streams.add(request, login, {"live": "0", "log": "7"})  # type: ignore[arg-type]
        requests.append(request)
    assert [b"event: log" in b"".join(one.written) for one in requests] == [True] * 3
    streams.tell("live")
    clock.advance(1)
    assert all(one.written[-1] == b"event: live\ndata: \n\n" for one in requests)
    assert streams.position() == "approvals=0&live=1&log=0"
    logins.close(values[0])
    wall[0] += 599
    logins.find(values[1])
    wall[0] += 2
    assert [one is not None and logins.alive(one) for one in found] == [False, True, False]
    clock.advance(live._SILENCE)
    assert [one.closed for one in requests] == [True, False, True]
    assert [one.written[-1] == b": \n\n" for one in requests] == [False, True, False]
    assert [one is not None and one.streams for one in found] == [0, 1, 0]
    streams.stop()
