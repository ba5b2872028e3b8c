"""Messages that two programs may read in two ways: what becomes of each, on both sides.

A case that is taken says how it was read: (method, target, body) per request. The same table goes
through h11 to see that what we take, it reads alike.
"""

from __future__ import annotations

from typing import Any

import h11
import pytest

from hoopgate.http.targets import parse
from hoopgate.http.wire import (
    Data,
    End,
    Malformed,
    RequestHead,
    RequestReader,
    ResponseHead,
    ResponseReader,
)

Read = list[tuple[str, str, bytes]]


def requests_of(data: bytes) -> Read:
    """Every complete request in ``data``."""
    reader = RequestReader()
    reader.feed(data)
    found: Read = []
    body = b""
    head: RequestHead | None = None
    while (event := reader.next_event()) is not None:
        if isinstance(event, RequestHead):
            head, body = event, b""
        elif isinstance(event, Data):
            body += event.data
        else:
            assert isinstance(event, End) and head is not None
            found.append((head.method, head.target.decode(), body))
            reader.next_request()
    return found


def request(
    *lines: str, first: str = "GET / HTTP/1.1", host: str | None = "h", body: str = ""
) -> bytes:
    own = [] if host is None else [f"Host: {host}"]
    return ("\r\n".join([first, *own, *lines, "", ""]) + body).encode("latin-1", "replace")


def post(*lines: str, body: str = "") -> bytes:
    return request(*lines, first="POST / HTTP/1.1", body=body)


GET = [("GET", "/", b"")]
CHUNKED = "Transfer-Encoding: chunked"

#: None: neither is it taken, nor need it be refused before more has come.
REQUESTS: dict[str, tuple[bytes, int | Read | None]] = {
    # --- lengths
    "a length": (post("Content-Length: 2", body="hi"), [("POST", "/", b"hi")]),
    "chunks": (post(CHUNKED, body="2\r\nhi\r\n0\r\n\r\n"), [("POST", "/", b"hi")]),
    "no length": (post(), [("POST", "/", b"")]),
    "CL.TE": (post("Content-Length: 6", CHUNKED, body="0\r\n\r\nX"), 400),
    "TE.CL": (post(CHUNKED, "Content-Length: 3", body="1\r\nZ\r\n0\r\n\r\n"), 400),
    "two lengths": (post("Content-Length: 2", "Content-Length: 3", body="hi!"), 400),
    "the same length twice": (post("Content-Length: 2", "Content-Length: 2", body="hi"), 400),
    "a list of lengths": (post("Content-Length: 2, 2", body="hi"), 400),
    "a length with a plus": (post("Content-Length: +2", body="hi"), 400),
    "a negative length": (post("Content-Length: -1"), 400),
    "a hexadecimal length": (post("Content-Length: 0x2", body="hi"), 400),
    "a length with an underscore": (post("Content-Length: 1_0", body="hi"), 400),
    "a length in other digits": (post("Content-Length: \xb2", body="hi"), 400),
    "an empty length": (post("Content-Length:"), 400),
    "a length beyond 2^64": (post("Content-Length: 18446744073709551618", body="hi"), 400),
    "a length with blanks inside": (post("Content-Length: 2 2", body="hi"), 400),
    # --- transfer codings
    "TE.TE": (post(CHUNKED, "Transfer-Encoding: x", body="0\r\n\r\n"), 400),
    "chunked twice": (post(CHUNKED, CHUNKED, body="0\r\n\r\n"), 400),
    "chunked in a list": (post("Transfer-Encoding: chunked, chunked", body="0\r\n\r\n"), 501),
    "gzip, chunked": (post("Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"), 501),
    "identity": (post("Transfer-Encoding: identity", body="0\r\n\r\n"), 501),
    "identity and a length": (post("Transfer-Encoding: identity", "Content-Length: 2"), 400),
    "xchunked": (post("Transfer-Encoding: xchunked", body="0\r\n\r\n"), 501),
    "chunked in quotes": (post('Transfer-Encoding: "chunked"', body="0\r\n\r\n"), 501),
    "chunked with a tab": (
        post("Transfer-Encoding:\tchunked", body="0\r\n\r\n"),
        [("POST", "/", b"")],
    ),
    "chunked with a vertical tab": (post("Transfer-Encoding: \x0bchunked", body="0\r\n\r\n"), 400),
    "ChUnKeD": (post("Transfer-Encoding: ChUnKeD", body="0\r\n\r\n"), [("POST", "/", b"")]),
    "a blank before the colon": (post("Transfer-Encoding : chunked", body="0\r\n\r\n"), 400),
    "a blank before the name": (post(" Transfer-Encoding: chunked", body="0\r\n\r\n"), 400),
    "a folded coding": (post("Transfer-Encoding:\r\n chunked", body="0\r\n\r\n"), 400),
    "a coding with a NUL": (post("Transfer-Encoding: chunked\x00", body="0\r\n\r\n"), 400),
    "a coding with a semicolon": (post("Transfer-Encoding: chunked;q=1", body="0\r\n\r\n"), 501),
    "Transfer_Encoding": (post("Transfer_Encoding: chunked", body="0\r\n\r\n"), 400),
    "Content_Length": (post("Content_Length: 5", "Content-Length: 0"), 400),
    # --- chunks
    "a chunk extension": (post(CHUNKED, body="2;x=y\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size with blanks": (post(CHUNKED, body="2 \r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size with 0x": (post(CHUNKED, body="0x2\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size with a minus": (post(CHUNKED, body="-2\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size with an underscore": (post(CHUNKED, body="0_2\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size that wraps": (post(CHUNKED, body="10000000000000002\r\nhi\r\n0\r\n\r\n"), 400),
    "no chunk size": (post(CHUNKED, body="\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk that ends in LF": (post(CHUNKED, body="2\r\nhi\n0\r\n\r\n"), 400),
    "a chunk size that ends in LF": (post(CHUNKED, body="2\nhi\r\n0\r\n\r\n"), 400),
    "a chunk longer than it says": (post(CHUNKED, body="2\r\nhi!\r\n0\r\n\r\n"), 400),
    "a trailer": (post(CHUNKED, body="0\r\nX: y\r\n\r\n"), [("POST", "/", b"")]),
    "a malformed trailer": (post(CHUNKED, body="0\r\nX\r\n\r\n"), 400),
    "a folded trailer": (post(CHUNKED, body="0\r\nX: y\r\n z\r\n\r\n"), 400),
    "a trailer with a length": (
        post(CHUNKED, body="0\r\nContent-Length: 5\r\n\r\n"),
        [("POST", "/", b"")],
    ),
    "trailers without end": (post(CHUNKED, body="0\r\n" + "X: y\r\n" * 5000), 431),
    # --- chunks, as they were read in two ways lately (CVE-2024-53868, CVE-2025-22871,
    # CVE-2025-43859, CVE-2025-55315, CVE-2025-59822 and their like)
    "an extension with LF in it": (post(CHUNKED, body="2;\nxx\r\nhi\r\n0\r\n\r\n"), 400),
    "LF, then an extension": (post(CHUNKED, body="2\n;x\r\nhi\r\n0\r\n\r\n"), 400),
    "an extension that ends in LF": (post(CHUNKED, body="2;x\nhi\r\n0\r\n\r\n"), 400),
    "an extension with CR in it": (post(CHUNKED, body="2;x\ry\r\nhi\r\n0\r\n\r\n"), 400),
    "an extension in quotes": (post(CHUNKED, body='2;x="\r\n"\r\nhi\r\n0\r\n\r\n'), 400),
    "an extension behind the last chunk": (post(CHUNKED, body="0;x\r\n\r\n"), 400),
    "a semicolon alone": (post(CHUNKED, body="2;\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size that ends in CR": (post(CHUNKED, body="2\rhi\r\n0\r\n\r\n"), 400),
    "two other bytes behind a chunk": (post(CHUNKED, body="2\r\nhiXX0\r\n\r\n"), 400),
    "LF LF behind a chunk": (post(CHUNKED, body="2\r\nhi\n\n0\r\n\r\n"), 400),
    "a last chunk that ends in LF": (post(CHUNKED, body="0\n\r\n"), 400),
    "a trailer that ends in LF": (post(CHUNKED, body="0\r\nX: y\n\r\n"), 400),
    "a trailer section that ends in LF": (post(CHUNKED, body="0\r\nX: y\n\nGET / HTTP/1.1"), None),
    "a trailer without a colon": (
        post(CHUNKED, body="0\r\nGET /secret HTTP/1.1\r\nHost: h\r\n\r\n"),
        400,
    ),
    "a trailer with a blank name": (post(CHUNKED, body="0\r\n: y\r\n\r\n"), 400),
    "a chunk size in other digits": (post(CHUNKED, body="\u0662\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size with leading noughts": (
        post(CHUNKED, body="0002\r\nhi\r\n000\r\n\r\n"),
        [("POST", "/", b"hi")],
    ),
    "a chunk size with a plus": (post(CHUNKED, body="+2\r\nhi\r\n0\r\n\r\n"), 400),
    "a chunk size behind a tab": (post(CHUNKED, body="\t2\r\nhi\r\n0\r\n\r\n"), 400),
    # --- lengths and codings that one side does not see (0.CL, CL.0, TE.0)
    "a length behind a fold": (post("X: y", " Content-Length: 5", body="hello"), 400),
    "a length on the next line": (post("Content-Length:", " 5", body="hello"), 400),
    "a length with a blank before the colon": (post("Content-Length : 5", body="hello"), 400),
    "a length with a tab before the colon": (post("Content-Length\t: 5", body="hello"), 400),
    "a length behind CR": (post("X: y\rContent-Length: 5", body="hello"), 400),
    "a length behind LF": (post("X: y\nContent-Length: 5", body="hello"), 400),
    "a length behind NUL": (post("\0Content-Length: 5", body="hello"), 400),
    "a length with a vertical tab": (post("Content-Length: \x0b5", body="hello"), 400),
    "a length with a semicolon": (post("Content-Length: 5;x", body="hello"), 400),
    "a length with a point": (post("Content-Length: 5.0", body="hello"), 400),
    "a length with an exponent": (post("Content-Length: 1e1", body="hello"), 400),
    "a length in quotes": (post('Content-Length: "5"', body="hello"), 400),
    "lengths of another case": (post("Content-Length: 2", "content-length: 5", body="hi"), 400),
    "a coding of another case": (
        post("transfer-ENCODING: chunked", CHUNKED, body="0\r\n\r\n"),
        400,
    ),
    "a coding with a comma behind": (post("Transfer-Encoding: chunked,", body="0\r\n\r\n"), 501),
    "a coding with a comma before": (post("Transfer-Encoding: ,chunked", body="0\r\n\r\n"), 501),
    "an empty coding": (post("Transfer-Encoding:", body="0\r\n\r\n"), 501),
    "chunked, identity": (post("Transfer-Encoding: chunked, identity", body="0\r\n\r\n"), 501),
    "a coding within Connection": (post(CHUNKED, "Connection: transfer-encoding"), 400),
    "a length within Connection": (post("Content-Length: 2", "Connection: content-length"), 400),
    "OPTIONS with a body": (
        request("Content-Length: 2", first="OPTIONS / HTTP/1.1", body="hi"),
        400,
    ),
    # --- what is expected
    "Expect: 100-continue, x": (post("Expect: 100-continue, x", "Content-Length: 2"), 417),
    "Expect: y 100-continue": (post("Expect: y 100-continue", "Content-Length: 2"), 417),
    "Expect twice": (post("Expect: 100-continue", "Expect: 100-continue"), 400),
    "Expect behind a fold": (post("Expect:", " 100-continue", "Content-Length: 2"), 400),
    "Expect without a body": (request("Expect: 100-continue"), GET),
    # --- lines
    "two versions": (b"GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a vertical tab in the line": (b"GET\x0b/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a NUL in the line": (b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "LF behind the line's CR": (b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400),
    "CR before the end": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", None),
    "a Host with two ports": (request(host="h:1:2"), 400),
    "a Host without its port": (request(host="h:"), 400),
    "a Host with a comma": (request(host="h,i"), 400),
    "LF alone": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "LF before the headers": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "LF in a value": (request("X: a\nTransfer-Encoding: chunked"), 400),
    "CR in a value": (request("X: a\rTransfer-Encoding: chunked"), 400),
    "an empty line first": (b"\r\n" + request(), 400),
    "a blank line within": (b"GET / HTTP/1.1\r\n\r\nHost: h\r\n\r\n", 400),
    "obs-fold": (request("X: a", " b"), 400),
    "obs-fold by a tab": (request("X: a", "\tb"), 400),
    "a fold as the first header": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "a header without a colon": (request("X"), 400),
    "a header without a name": (request(": x"), 400),
    "a name with a blank": (request("X Y: x"), 400),
    "a name with a bracket": (request("X[]: x"), 400),
    "a name that is not ASCII": (request("X\xe9: x"), 400),
    "a value that is not ASCII": (request("X: \xe9"), 400),
    "a value with DEL": (request("X: \x7f"), 400),
    "too many headers": (request(*(f"X{n}: y" for n in range(200))), 431),
    "a head that is too long": (request("X: " + "y" * 200_000), 431),
    # --- the request line
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/1.0 and chunks": (
        b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        505,
    ),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    "HTTP/2.0": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "http/1.1": (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/1.1x": (b"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a blank in the target": (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "CONNECT": (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "an unknown method": (b"FROB / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "get": (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "an absolute target": (b"GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target with a fragment": (b"GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target that is not ASCII": (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target that is too long": (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    # --- Host
    "no Host": (request(host=None), 400),
    "two Hosts": (request("Host: other"), 400),
    "an empty Host": (request(host=""), 400),
    "a Host with a path": (request(host="h/x"), 400),
    "a Host with a user": (request(host="u@h"), 400),
    "a Host with a list": (request(host="h, other"), 400),
    # --- bodies where none belong
    "GET with a body": (request("Content-Length: 2", body="hi"), 400),
    "HEAD with chunks": (
        request(CHUNKED, first="HEAD / HTTP/1.1", body="0\r\n\r\n"),
        400,
    ),
    "GET with a length of 0": (request("Content-Length: 0"), GET),
    "DELETE with a body": (
        request("Content-Length: 2", first="DELETE /x HTTP/1.1", body="hi"),
        [("DELETE", "/x", b"hi")],
    ),
    # --- Connection, Upgrade, Expect
    "Connection: authorization": (request("Connection: authorization"), 400),
    "Connection: close, x-request-id": (request("Connection: close, x-request-id"), 400),
    "Connection: close": (request("Connection: close"), GET),
    "h2c": (request("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"), GET),
    "an unknown upgrade": (request("Upgrade: TLS/1.0", "Connection: upgrade"), 400),
    "Expect: 200-maybe": (post("Expect: 200-maybe", "Content-Length: 0"), 417),
    "two Authorizations": (request("Authorization: Bearer a", "Authorization: Bearer b"), 400),
    "two types": (post("Content-Type: a/b", "Content-Type: c/d", "Content-Length: 0"), 400),
    # --- one behind the other
    "two requests": (request() + request(first="GET /b HTTP/1.1"), [*GET, ("GET", "/b", b"")]),
    "a request behind a body": (
        post("Content-Length: 2", body="hi") + request(),
        [("POST", "/", b"hi"), *GET],
    ),
    "blanks between requests": (request() + b"\r\n" + request(), 400),
}

OK = b"HTTP/1.1 200 OK\r\n"
RESPONSES: dict[str, tuple[bytes, bytes | None]] = {
    "a length": (OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
    "until it closes": (OK + b"\r\nhi", b"hi"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    "an interim answer": (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        b"",
    ),
    "CL and TE": (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None),
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", None),
    "an unknown coding": (OK + b"Transfer-Encoding: gzip\r\n\r\n", None),
    "chunks in HTTP/1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None),
    "LF alone": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", None),
    "obs-fold": (OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", None),
    "a NUL": (OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", None),
    "a short status": (b"HTTP/1.1 20 OK\r\n\r\n", None),
    "a status of letters": (b"HTTP/1.1 2OO OK\r\n\r\n", None),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", None),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", None),
    "a chunk extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n", None),
    "an extension with LF in it": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;\nx\r\nhi\r\n0\r\n\r\n",
        None,
    ),
    "two other bytes behind a chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n",
        None,
    ),
    "a trailer without a colon": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
        None,
    ),
    "a folded coding": (OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", None),
    "a length with a blank before the colon": (OK + b"Content-Length : 2\r\n\r\nhi", None),
    "a list of lengths": (OK + b"Content-Length: 2, 2\r\n\r\nhi", None),
    "a length with a plus": (OK + b"Content-Length: +2\r\n\r\nhi", None),
    "CR in a value": (OK + b"X: a\rContent-Length: 9\r\nContent-Length: 0\r\n\r\n", None),
    "204 with a body": (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nhi", None),
    "304 with a body": (b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nhi", None),
    "304 with a length": (b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", b""),
    "100 with a body": (
        b"HTTP/1.1 100 Go\r\nContent-Length: 2\r\n\r\nhi" + OK + b"Content-Length: 0\r\n\r\n",
        None,
    ),
    "two interim answers": (
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 102 Go\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        b"",
    ),
    "status 099": (b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", None),
    "a second answer": (OK + b"Content-Length: 2\r\n\r\nhi" + OK + b"\r\n", None),
    "bytes behind the end": (OK + b"Content-Length: 2\r\n\r\nhi!", None),
    "a length that is cut": (OK + b"Content-Length: 5\r\n\r\nhi", None),
    "chunks that are cut": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", None),
    "a head without end": (OK + b"X: " + b"y" * 200_000, None),
}


def test_there_are_enough_cases() -> None:
    assert len(REQUESTS) + len(RESPONSES) >= 190


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("size", [0, 1])
def test_requests(name: str, size: int) -> None:
    data, outcome = REQUESTS[name]
    if size and len(data) > 5000:
        return  # byte by byte is for the small ones
    if outcome is None:
        try:
            assert read_in_pieces(data, size) == []  # what comes is waited for
        except Malformed as error:
            assert error.status == 400
    elif isinstance(outcome, int):
        with pytest.raises(Malformed) as refused:
            read_in_pieces(data, size)
        assert refused.value.status == outcome
    else:
        assert read_in_pieces(data, size) == outcome


def read_in_pieces(data: bytes, size: int) -> Read:
    if not size:
        return requests_of(data)
    reader = RequestReader()
    found: Read = []
    head: RequestHead | None = None
    body = b""
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (event := reader.next_event()) is not None:
            if isinstance(event, RequestHead):
                head, body = event, b""
            elif isinstance(event, Data):
                body += event.data
            elif head is not None:
                found.append((head.method, head.target.decode(), body))
                reader.next_request()
    return found


@pytest.mark.parametrize("name", [one for one in REQUESTS if isinstance(REQUESTS[one][1], list)])
def test_h11_reads_what_is_taken_alike(name: str) -> None:
    data, outcome = REQUESTS[name]
    assert by_h11(data) == outcome


def by_h11(data: bytes) -> Read:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    found: Read = []
    body = b""
    line = ("", "")
    while True:
        event: Any = connection.next_event()
        if isinstance(event, h11.Request):
            line, body = (event.method.decode(), event.target.decode()), b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            found.append((*line, body))
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return found
            connection.start_next_cycle()
        else:
            return found


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(name: str) -> None:
    data, outcome = RESPONSES[name]
    if outcome is None:
        with pytest.raises((Malformed, EOFError)):
            answer_of(data)
    else:
        assert answer_of(data) == outcome


def answer_of(data: bytes) -> bytes:
    """The body of the one answer; EOFError when it is cut."""
    reader = ResponseReader()
    reader.expect("GET")
    reader.feed(data)
    body, ended = b"", False
    while (event := reader.next_event()) is not None:
        if isinstance(event, Data):
            body += event.data
        elif isinstance(event, End):
            ended = True
        else:
            assert isinstance(event, ResponseHead)
    if not ended and reader.ended() is None:
        raise EOFError
    return body


def test_nothing_is_an_answer_that_nobody_asked_for() -> None:
    reader = ResponseReader()
    reader.feed(OK)
    with pytest.raises(Malformed):
        reader.next_event()


#: A path as a client may write it → how rules see it and the upstream gets it; None: refused.
PATHS: dict[str, str | None] = {
    "/a/b": "/a/b",
    "/%61/b": "/a/b",
    "/a%20b": "/a b",
    "/Patient/$everything": "/Patient/$everything",
    "/%C3%A9": "/é",
    "/a/": "/a/",
    "/": "/",
    "//a": None,
    "/a//b": None,
    "/./a": None,
    "/a/.": None,
    "/a/../b": None,
    "/..": None,
    "/...": None,
    "/a/%2e%2e/b": None,
    "/a/%2E./b": None,
    "/a/.%2e/b": None,
    "/a;x/b": None,
    "/a%3bx/b": None,
    "/a/b;jsessionid=1": None,
    "/..;/a": None,
    "/a%2fb": None,
    "/a%2Fb": None,
    "/a%5cb": None,
    "/a\\b": None,
    "/a%00": None,
    "/a%0d%0aX:%20y": None,
    "/a%252e": None,
    "/a%25": None,
    "/a%": None,
    "/a%2": None,
    "/a%zz": None,
    "/%c0%ae%c0%ae/a": None,
    "/%c0%af": None,
    "/%e0%80%af": None,
    "/%ed%a0%80": None,
    "/%ff": None,
    "/a%u002e": None,
    "/a%E2%80%8Bb": None,
    "/%EF%BC%8F": None,
    "/a%E2%88%95b": None,
    "/a%E2%88%96b": None,
    "/a%C2%A5b": None,
    "/a%E2%82%A9b": None,
    "/a%E2%A7%B8..%E2%A7%B8b": None,
    "/%EF%BC%8E%EF%BC%8E": None,
    "/%E2%80%AEa": None,
    "/a.": None,
    "/a%20": None,
    "/%20a": None,
    "/a%3fb": None,
    "/a%23b": None,
    "/" + "a/" * 100: None,
    "/" + "a" * 2000: None,
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    seen = PATHS[path]
    if seen is None:
        with pytest.raises(Malformed) as refused:
            parse(path.encode("ascii"))
        assert refused.value.status == 400
    else:
        target = parse(path.encode("ascii"))
        assert target.path == seen
        assert parse(target.encode().encode("ascii")) == target
