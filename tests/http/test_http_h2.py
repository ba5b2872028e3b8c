"""HTTP/2 towards clients: what its requests become, whom it turns away; real clients work."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.certificates import Certificates
from testbed.node import events, until, verified
from testbed.webclinic import Web, running_web

from hoopgate.http import h2_messages
from hoopgate.http.wire import Data, End, Malformed, RequestHead, RequestReader, response_head

Fields = tuple[tuple[bytes, bytes], ...]
GET: Fields = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"h"),
    (b":path", b"/"),
)
POST: Fields = ((b":method", b"POST"), *GET[1:])


def replaced(name: bytes, value: bytes, base: Fields = GET) -> Fields:
    return tuple((one, value if one == name else had) for one, had in base)


def without(name: bytes) -> Fields:
    return tuple(pair for pair in GET if pair[0] != name)


#: Fields of a request without a body → what the gate of HTTP/1.1 makes of them: a status, or
#: method, target and the headers besides Host.
CASES: dict[str, tuple[Fields, int | tuple[str, str, dict[str, str]]]] = {
    "a request": (GET, ("GET", "/", {})),
    "a header": ((*GET, (b"x-a", b"b c")), ("GET", "/", {"x-a": "b c"})),
    "Host that says the same": ((*GET, (b"host", b"h")), ("GET", "/", {})),
    "Host for :authority": ((*without(b":authority"), (b"host", b"h")), ("GET", "/", {})),
    "cookies in pieces": (
        (*GET, (b"cookie", b"a=1"), (b"cookie", b"b=2")),
        ("GET", "/", {"cookie": "a=1; b=2"}),
    ),
    "TE: trailers": ((*GET, (b"te", b"trailers")), ("GET", "/", {})),
    "a length of nothing": ((*POST, (b"content-length", b"0")), ("POST", "/", {})),
    # --- pseudo-headers
    "no :method": (without(b":method"), 501),
    "no :scheme": (without(b":scheme"), 400),
    "no :path": (without(b":path"), 400),
    "no host at all": (without(b":authority"), 400),
    ":method twice": ((*GET[:1], *GET), 400),
    ":path twice": ((*GET, (b":path", b"/secret")), 400),
    ":authority twice": ((*GET, (b":authority", b"i")), 400),
    ":path behind a header": ((*GET[:3], (b"x-a", b"b"), GET[3]), 400),
    ":protocol": ((*GET, (b":protocol", b"websocket")), 400),
    ":status": ((*GET, (b":status", b"200")), 400),
    ":x": ((*GET, (b":x", b"y")), 400),
    "CONNECT": (replaced(b":method", b"CONNECT"), 501),
    "an unknown method": (replaced(b":method", b"PROPFIND"), 501),
    "a method in lower case": (replaced(b":method", b"get"), 501),
    "a line in :method": (replaced(b":method", b"GET / HTTP/1.1\r\nX: y\r\n\r\nGET"), 501),
    "a blank in :method": (replaced(b":method", b"GET /secret"), 501),
    ":scheme http": (replaced(b":scheme", b"http"), 400),
    "a line in :scheme": (replaced(b":scheme", b"https\r\n"), 400),
    ":path with a blank": (replaced(b":path", b"/a HTTP/1.1"), 400),
    ":path with CRLF": (replaced(b":path", b"/ HTTP/1.1\r\nHost: i\r\n\r\nGET /"), 400),
    ":path with LF": (replaced(b":path", b"/\nx"), 400),
    ":path with NUL": (replaced(b":path", b"/\0"), 400),
    ":path with a tab": (replaced(b":path", b"/\tx"), 400),
    ":path that is a URL": (replaced(b":path", b"https://i/"), 400),
    ":path *": (replaced(b":path", b"*"), 400),
    "an empty :path": (replaced(b":path", b""), 400),
    ":path with a fragment": (replaced(b":path", b"/a#b"), 400),
    ":path with bytes": (replaced(b":path", b"/\xe9"), 400),
    "an empty :authority": (replaced(b":authority", b""), 400),
    ":authority with a user": (replaced(b":authority", b"u@h"), 400),
    ":authority with a path": (replaced(b":authority", b"h/secret"), 400),
    ":authority with CRLF": (replaced(b":authority", b"h\r\nX: y"), 400),
    ":authority with a blank": (replaced(b":authority", b"h i"), 400),
    # --- headers
    "Host that says another": ((*GET, (b"host", b"i")), 400),
    "Host twice": ((*GET, (b"host", b"h"), (b"host", b"h")), 400),
    "Transfer-Encoding": ((*GET, (b"transfer-encoding", b"chunked")), 400),
    "Connection": ((*GET, (b"connection", b"close")), 400),
    "Connection: Authorization": ((*GET, (b"connection", b"authorization")), 400),
    "Keep-Alive": ((*GET, (b"keep-alive", b"timeout=5")), 400),
    "Proxy-Connection": ((*GET, (b"proxy-connection", b"close")), 400),
    "Upgrade": ((*GET, (b"upgrade", b"websocket")), 400),
    "HTTP2-Settings": ((*GET, (b"http2-settings", b"AAMAAABk")), 400),
    "TE: trailers, chunked": ((*GET, (b"te", b"trailers, chunked")), 400),
    "an upper case name": ((*GET, (b"X-A", b"b")), 400),
    "a name with a colon": ((*GET, (b"x:y", b"b")), 400),
    "a name with CRLF": ((*GET, (b"x\r\ntransfer-encoding", b"chunked")), 400),
    "a name with a blank": ((*GET, (b"transfer-encoding ", b"chunked")), 400),
    "a name with an underscore": ((*GET, (b"content_length", b"5")), 400),
    "an empty name": ((*GET, (b"", b"b")), 400),
    "a value with CRLF": ((*GET, (b"x-a", b"b\r\ntransfer-encoding: chunked")), 400),
    "a value with LF": ((*GET, (b"x-a", b"b\nc: d")), 400),
    "a value with CR": ((*GET, (b"x-a", b"b\rc")), 400),
    "a value with NUL": ((*GET, (b"x-a", b"b\0")), 400),
    "a value with bytes": ((*GET, (b"x-a", b"\xff")), 400),
    "a value behind a blank": ((*GET, (b"x-a", b" b")), 400),
    "a value before a blank": ((*GET, (b"x-a", b"b ")), 400),
    "a length of something": ((*POST, (b"content-length", b"5")), 400),
    "two lengths": ((*POST, (b"content-length", b"0"), (b"content-length", b"0")), 400),
    "a length with a plus": ((*POST, (b"content-length", b"+0")), 400),
    "a length in hexadecimal": ((*POST, (b"content-length", b"0x0")), 400),
    "two tokens": ((*GET, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")), 400),
    "too many headers": ((*GET, *(((b"x-a", b"b"),) * 101)), 431),
}


def become(fields: Fields) -> int | tuple[str, str, dict[str, str]]:
    """What the reader of HTTP/1.1 makes of the translation: one request and nothing behind it."""
    try:
        method, head, _ = h2_messages.request(fields, ended=True)
        reader = RequestReader()
        reader.feed(head)
        found = reader.next_event()
        assert isinstance(found, RequestHead) and found.method == method
        assert isinstance(reader.next_event(), End)
        assert reader.buffered == 0
    except Malformed as error:
        return error.status
    kept = {name.decode(): value.decode() for name, value in found.headers}
    assert kept.pop("host")
    kept.pop("content-length", None)
    return found.method, found.target.decode(), kept


@pytest.mark.parametrize("name", CASES)
def test_what_a_request_becomes(name: str) -> None:
    fields, outcome = CASES[name]
    assert become(fields) == outcome


BITS = st.sampled_from(
    [*(name for name, _ in GET), b"x", b"host", b"a b", b"\r\n", b"te", b"/", b"https", b"GET", b""]
)


@given(
    st.lists(st.tuples(st.one_of(BITS, st.binary(max_size=6)), st.binary(max_size=6)), max_size=6)
)
@settings(max_examples=300, deadline=None)
def test_any_fields(more: list[tuple[bytes, bytes]]) -> None:
    for fields in ((*GET, *more), tuple(more)):
        outcome = become(fields)  # nothing but Malformed, and never two requests
        if not isinstance(outcome, int):
            assert outcome[:2] == ("GET", "/")


def test_a_body_is_framed_anew() -> None:
    _, head, chunked = h2_messages.request(POST, ended=False)
    assert chunked and head.endswith(b"transfer-encoding: chunked\r\n\r\n")
    _, head, chunked = h2_messages.request((*POST, (b"content-length", b"5")), ended=False)
    assert not chunked and b"content-length: 5\r\n" in head
    reader = RequestReader()
    reader.feed(head + b"hello" + b"GET /")
    assert [type(reader.next_event()) for _ in range(3)] == [RequestHead, Data, End]


def test_an_answer_loses_what_is_of_its_connection() -> None:
    lines = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nX-A: b"
    found = h2_messages.answer(response_head(lines.encode()))
    assert found == [(b":status", b"200"), (b"x-a", b"b")]


# --- through a gateway --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web2(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Web]:
    """As ``web``, with HTTP/2 offered."""

    def adjust(settings: dict[str, Any]) -> None:
        settings["listeners"][0]["http2"] = True

    with running_web(tmp_path_factory.mktemp("web2"), certificates, adjust=adjust) as running:
        yield running


@pytest.fixture
def agent(web2: Web) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(web2.certificates.ca))
    with httpx.Client(
        http2=True,
        verify=context,
        base_url=web2.url("/"),
        headers={"Authorization": f"Bearer {web2.token()}"},
        limits=httpx.Limits(max_connections=1),
        timeout=60,
    ) as client:
        yield client


def test_curl(web2: Web) -> None:
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--http2", "--include"]
    command += ["--cacert", str(web2.certificates.ca), "--data", "hello"]
    command += ["--header", f"Authorization: Bearer {web2.token()}", web2.url("/web/b?c=d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    head, _, body = done.stdout.partition("\n\n")
    assert head.startswith("HTTP/2 200"), done.stdout + done.stderr
    seen = json.loads(body)
    assert (seen["path"], seen["body"]) == ("/base/b?c=d", "hello")


def test_one_session_for_one_request_after_the_other(web2: Web, agent: httpx.Client) -> None:
    before = len(events(web2.gateway, "session.open"))
    for number in range(20):
        answer = agent.get(f"/web/n/{number}")
        assert (answer.http_version, answer.json()["path"]) == ("HTTP/2", f"/base/n/{number}")
    assert agent.head("/web/n").headers["content-length"] != "0"
    refused = agent.get("/web/secret/plan")
    assert (refused.status_code, refused.json()["reason"]) == (403, "path.secret")
    assert agent.get("/web/c", headers={"Authorization": "Bearer x"}).status_code == 401
    assert len(events(web2.gateway, "session.open")) == before + 1
    verified(web2.gateway)


def test_many_streams_at_once(agent: httpx.Client) -> None:
    agent.get("/web/first")

    def ask(number: int) -> bool:
        if number % 3 == 0:
            body = f"{number}-" * 3000
            return bool(agent.post(f"/web/n/{number}", content=body).json()["body"] == body)
        if number % 3 == 1:
            return "Canary" not in agent.get(f"/odda/large/ndjson/{number}").text
        return bool(agent.get(f"/web/n/{number}").json()["path"] == f"/base/n/{number}")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(pool.map(ask, range(60)))


def test_large_bodies_both_ways(agent: httpx.Client) -> None:
    size = 5_000_000
    with agent.stream("GET", f"/web/bytes/{size}") as answer:
        found = b"".join(answer.iter_bytes())
    assert found == (bytes(range(256)) * (size // 256 + 1))[:size]
    sent = hashlib.sha256(found).hexdigest().encode() * 20_000
    seen = agent.post("/web/up", content=(sent[at : at + 7000] for at in range(0, len(sent), 7000)))
    assert seen.json()["body"].encode() == sent


@pytest.mark.parametrize("form", ["json", "gzip", "events", "html", "headers", "bomb", "ndjson"])
def test_twins_look_the_same(agent: httpx.Client, form: str) -> None:
    seen = [agent.get(f"/{twin}/odd/{form}") for twin in ("odda", "oddb")]
    assert seen[0].status_code == seen[1].status_code
    own = ("hoopgate-request", "date")
    heads = [[p for p in one.headers.multi_items() if p[0] not in own] for one in seen]
    assert heads[0] == heads[1]
    if seen[0].status_code == 200:
        assert seen[0].content == seen[1].content
    assert "Canary" not in seen[0].text


OPEN: list[ssl.SSLSocket] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Raw:
    """A client that sends any frame."""

    def __init__(self, web: Web) -> None:
        context = ssl.create_default_context(cafile=str(web.certificates.ca))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", web.gateway.port), timeout=60)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        OPEN.append(self.socket)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4))
        self.encoder = Encoder()
        self.host = f"127.0.0.1:{web.gateway.port}"
        self.token = web.token()

    def head(self, path: str, *more: tuple[str, str], method: str = "GET") -> bytes:
        """A header block."""
        fields = [(":method", method), (":scheme", "https"), (":authority", self.host)]
        fields += [(":path", path), ("authorization", f"Bearer {self.token}"), *more]
        return bytes(self.encoder.encode(fields))

    def goaway(self) -> int:
        """The error of the GOAWAY that ends the connection."""
        data = b""
        code = -1
        while True:
            try:
                piece = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                break
            if not piece:
                break
            data += piece
            while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
                if data[3] == 7:
                    (code,) = struct.unpack_from("!I", data, 13)
                data = data[9 + size :]
        return code


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def sent(raw: Raw, data: bytes) -> None:
    try:
        raw.socket.sendall(data)
    except (ConnectionError, ssl.SSLError):
        pass  # it has been turned away before the end


PROTOCOL, FLOW, COMPRESSION, CALM = 1, 3, 9, 11
CALM_OR_PROTOCOL = {PROTOCOL, CALM}


def rapid_reset(raw: Raw) -> bytes:
    """CVE-2023-44487."""
    streams = range(1, 1001, 2)
    return b"".join(
        frame(1, raw.head("/web/slow"), flags=5, stream=one) + frame(3, b"\0\0\0\x08", stream=one)
        for one in streams
    )


def continuations(raw: Raw) -> bytes:
    """CVE-2024-27983 and its like."""
    return frame(1, raw.head("/web/"), flags=1, stream=1) + frame(9, stream=1) * 5000


def bomb(raw: Raw) -> bytes:
    """One large header in the table, and many references to it."""
    block = raw.head("/web/", ("x-a", "b" * 3900)) + b"\xbe" * 4000
    return frame(1, block, flags=5, stream=1)


FLOODS: dict[str, tuple[Callable[[Raw], bytes], set[int]]] = {
    "rapid reset": (rapid_reset, {CALM}),
    "pings": (lambda raw: frame(6, b"12345678") * 20_000, {CALM}),
    "settings": (lambda raw: frame(4) * 20_000, {CALM}),
    "settings that say something": (
        lambda raw: frame(4, struct.pack("!HI", 4, 70_000)) * 20_000,
        {CALM},
    ),
    "priorities": (
        lambda raw: b"".join(frame(2, b"\0\0\0\0\x10", stream=one) for one in range(1, 40_001, 2)),
        {CALM},
    ),
    "windows": (lambda raw: frame(8, b"\0\0\0\x01") * 20_000, {CALM}),
    "empty data": (
        lambda raw: (
            frame(1, raw.head("/web/up", method="POST"), flags=4, stream=1)
            + frame(0, stream=1) * 20_000
        ),
        {CALM},
    ),
    "continuations without end": (continuations, CALM_OR_PROTOCOL),
    "a bomb of headers": (bomb, {PROTOCOL, COMPRESSION, CALM}),
    "a window beyond 2^31": (lambda raw: frame(8, b"\x7f\xff\xff\xff"), {FLOW}),
    "a window of nothing": (lambda raw: frame(8, b"\0\0\0\0"), {PROTOCOL}),
    "a frame that is too long": (lambda raw: frame(0, b"x" * 20_000, stream=1), {6}),
    "more data than the window": (
        lambda raw: (
            frame(1, raw.head("/web/slow", method="POST"), flags=4, stream=1)
            + frame(0, b"x" * 16_384, stream=1) * 80
        ),
        {FLOW},
    ),
    "data on a stream that is idle": (lambda raw: frame(0, b"x", stream=5), {PROTOCOL}),
    "an upper case name": (
        lambda raw: frame(1, raw.head("/web/") + b"\x00\x03X-A\x01b", flags=5, stream=1),
        {PROTOCOL},
    ),
    "Transfer-Encoding": (
        lambda raw: frame(
            1, raw.head("/web/", ("transfer-encoding", "chunked")), flags=5, stream=1
        ),
        {PROTOCOL},
    ),
    "a body shorter than its length": (
        lambda raw: (
            frame(1, raw.head("/web/up", ("content-length", "9"), method="POST"), flags=4, stream=1)
            + frame(0, b"x", flags=1, stream=1)
        ),
        {PROTOCOL},
    ),
    "a body longer than its length": (
        lambda raw: (
            frame(1, raw.head("/web/up", ("content-length", "1"), method="POST"), flags=4, stream=1)
            + frame(0, b"xGET / HTTP/1.1", flags=1, stream=1)
        ),
        {PROTOCOL},
    ),
    "a push": (lambda raw: frame(5, b"\0\0\0\x02", flags=4, stream=1), {PROTOCOL}),
    "an even stream": (lambda raw: frame(1, raw.head("/web/"), flags=5, stream=2), {PROTOCOL}),
    "a request of HTTP/1.1": (
        lambda raw: b"GET /web/ HTTP/1.1\r\nHost: h\r\n\r\n" + b"x" * 20_000_000,
        {PROTOCOL, 6},
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_who_is_turned_away(web2: Web, agent: httpx.Client, name: str) -> None:
    make, codes = FLOODS[name]
    raw = Raw(web2)
    sent(raw, make(raw))
    # Where much was still to be read, TCP's reset may eat the GOAWAY; the end comes all the same.
    assert raw.goaway() in {*codes, -1}
    assert agent.get("/web/still").status_code == 200
    log = web2.gateway.log_text()
    assert '"event": "http2.bug"' not in log and "Traceback" not in log


def post(web: Web, body: bytes, *more: tuple[str, str], trailers: Any = ()) -> tuple[int, Any]:
    """The status and text of an answer to a request in frames of our own; 0: it was reset."""
    raw = Raw(web)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()  # Raw has said the same
    connection.data_to_send()
    connection.send_headers(
        1,
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", raw.host),
            (":path", "/web/x"),
            ("authorization", f"Bearer {raw.token}"),
        ],
    )
    connection.data_to_send()
    fields = raw.head("/web/x", *more, method="POST")
    data = frame(1, fields, flags=4, stream=1)
    data += frame(0, body, flags=0 if trailers else 1, stream=1)
    if trailers:
        data += frame(1, bytes(raw.encoder.encode(trailers)), flags=5, stream=1)
    sent(raw, data)
    status, text = 0, b""
    while True:
        piece = raw.socket.recv(65536)
        if not piece:
            return status, text
        for event in connection.receive_data(piece):
            if isinstance(event, h2.events.ResponseReceived):
                status = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                text += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return status, text
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                return 0, text


def test_trailers_are_read_and_forgotten(web2: Web) -> None:
    """Both those of HTTP/2, and of HTTP/1.1 beside it."""
    trailers = [("x-trailer", "Canary"), ("content-length", "9"), ("authorization", "Bearer x")]
    status, text = post(web2, b"body", trailers=trailers)
    assert status == 200
    assert json.loads(text)["body"] == "body"
    assert "Canary" not in text.decode() and "Bearer x" not in text.decode()


@pytest.mark.parametrize("trailers", [[(":path", "/secret")], [("X-Upper", "x")], [("te", "x")]])
def test_malformed_trailers_end_it(web2: Web, trailers: list[tuple[str, str]]) -> None:
    assert post(web2, b"body", trailers=trailers)[0] in (0, 400)


@pytest.mark.parametrize("length", ["3", "5", "0"])
def test_a_body_is_as_long_as_it_says(web2: Web, length: str) -> None:
    assert post(web2, b"body", ("content-length", "4"))[0] == 200
    before = web2.gateway.log_text().count("Traceback")
    assert post(web2, b"body", ("content-length", length))[0] in (0, 400)
    assert web2.gateway.log_text().count("Traceback") == before


def test_a_stream_that_is_reset_ends_its_session(web2: Web) -> None:
    raw = Raw(web2)
    before = len(events(web2.gateway, "session.close"))
    raw.socket.sendall(frame(1, raw.head("/web/slow"), flags=5, stream=1))
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    raw.socket.recv(65536)
    until(lambda: len(events(web2.gateway, "session.open")) > 0, "the session is open")
    raw.socket.sendall(frame(3, b"\0\0\0\x08", stream=1))
    until(lambda: len(events(web2.gateway, "session.close")) > before, "the session is over")


def test_a_client_that_does_not_read_is_waited_for(web2: Web) -> None:
    """Its windows are small: the gateway holds no more than they allow, and some."""
    raw = Raw(web2)
    memory = Path(f"/proc/{web2.gateway.pid}/statm")
    raw.socket.sendall(frame(1, raw.head("/web/bytes/300000000"), flags=5, stream=1))
    received = b""
    while len(received) < 65_535:
        received += raw.socket.recv(65536)
    before = int(memory.read_text().split()[1]) * 4096
    raw.socket.settimeout(2)
    with pytest.raises(TimeoutError):
        while True:
            received += raw.socket.recv(65536)
    assert len(received) < 100_000
    assert int(memory.read_text().split()[1]) * 4096 - before < 60 * 2**20
