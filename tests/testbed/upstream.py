"""A small HTTP server of the tests: says what it was sent, and answers in any form it is asked for.

Run as a program it serves on the port that it prints. Its answers are its own words, so that no
library between makes them better than they are.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import secrets
import socket
import socketserver
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import zstandard

from testbed.process import Server

ROUTES: dict[str, Callable[[Talk], None]] = {}


class Talk(socketserver.StreamRequestHandler):
    """One connection, read and written by hand."""

    method = path = ""
    body = b""

    def handle(self) -> None:
        """Answer request after request."""
        while line := self.rfile.readline():
            self.method, self.path, _ = line.decode("latin-1").split(" ")
            self.fields: list[tuple[str, str]] = []
            while (line := self.rfile.readline().rstrip(b"\r\n")) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                self.fields.append((name.lower(), value.strip()))
            self.body = self._body()
            route = self.path.partition("?")[0].removeprefix("/base").rstrip("/") or "/"
            name = next((one for one in ROUTES if route.startswith(one)), "")
            ROUTES[name](self)
            self.wfile.flush()

    def header(self, name: str) -> str:
        """The first value of a header."""
        return next((value for one, value in self.fields if one == name), "")

    def _body(self) -> bytes:
        if self.header("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.header("content-length") or "0"))

    def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        """A response with a length."""
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        if self.method != "HEAD":
            self.wfile.write(body)

    def write(self, data: bytes) -> None:
        """Any bytes."""
        self.wfile.write(data)
        self.wfile.flush()


def route(path: str) -> Callable[[Callable[[Talk], None]], Callable[[Talk], None]]:
    """Say what is at a path and below it."""

    def add(function: Callable[[Talk], None]) -> Callable[[Talk], None]:
        ROUTES[path] = function
        return function

    return add


@route("/bytes/")
def _bytes(talk: Talk) -> None:
    count = int(talk.path.rpartition("/")[2])
    talk.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    if talk.method != "HEAD":
        piece = bytes(range(256)) * 256
        while count > 0:
            part = piece[:count]
            talk.write(b"%x\r\n%b\r\n" % (len(part), part))
            count -= len(part)
        talk.write(b"0\r\n\r\n")


@route("/raw")
def _raw(talk: Talk) -> None:
    """What the request's body says, to the letter."""
    talk.write(talk.body)
    talk.connection.shutdown(socket.SHUT_WR)


@route("/large/")
def _large(talk: Talk) -> None:
    """``/large/FORM/COUNT``: a large answer about the patient; ``cut`` ends before its end."""
    form, _, count = talk.path.partition("?")[0].removeprefix("/large/").partition("/")
    one = {"id": "1", "name": PATIENT["name"], "ssn": PATIENT["ssn"]}
    kind = "Content-Type: application/json"
    if form == "ndjson":
        lines = (json.dumps({**one, "id": str(number)}) for number in range(int(count)))
        body = "".join(line + "\n" for line in lines).encode()
        kind = "Content-Type: application/x-ndjson"
    else:
        rest = [{**one, "id": secrets.token_hex(8)} for _ in range(int(count))]
        body = json.dumps({**one, "rest": rest}).encode()
    if form == "gzip":
        talk.answer(gzip.compress(body), kind, "Content-Encoding: gzip")
    elif form == "closing":
        talk.write(f"HTTP/1.1 200 OK\r\n{kind}\r\nConnection: close\r\n\r\n".encode() + body)
        talk.connection.shutdown(socket.SHUT_WR)
    elif form == "cut":
        talk.answer(body[:-1], kind)
    else:
        talk.answer(body, kind)


@route("/redirect")
def _redirect(talk: Talk) -> None:
    host = talk.header("host")
    talk.answer(b"", f"Location: http://{host}/base/there", status="302 Found")


@route("/token")
def _token(talk: Talk) -> None:
    """An issuer for clients (RFC 6749 4.4): says in the token who asked for which scope."""
    given = base64.b64decode(talk.header("authorization").removeprefix("Basic ")).decode()
    form = talk.body.decode()
    if "grant_type=client_credentials" not in form:
        talk.answer(b"{}", "Content-Type: application/json", status="400 Bad Request")
        return
    word = base64.urlsafe_b64encode(f"{given} {form}".encode()).decode()
    answer = {"access_token": word, "token_type": "Bearer", "expires_in": 300}
    talk.answer(json.dumps(answer).encode(), "Content-Type: application/json")


@route("/status/")
def _status(talk: Talk) -> None:
    code = talk.path.rpartition("/")[2]
    talk.answer(b"{}", "Content-Type: application/json", status=f"{code} Whatever")


#: Who the odd answers are about: what tells two such servers apart.
PATIENT = {"name": "Nobody", "ssn": "000-00-0000"}


@functools.cache
def _odd_bodies() -> dict[str, tuple[bytes, list[str]]]:
    """Name → body and headers: one patient in many forms."""
    name, ssn = PATIENT["name"], PATIENT["ssn"]
    plain = json.dumps({"id": 7, "name": name, "ssn": ssn, "tags": [name], name: 1}).encode()
    escaped = "".join(f"\\u{ord(one):04x}" for one in name)
    kind = "Content-Type: application/json"
    coded = {
        "gzip": gzip.compress(plain, mtime=0),
        "deflate": zlib.compress(plain),
        "raw-deflate": zlib.compress(plain)[2:-4],
        "br": brotli.compress(plain),
        "zstd": zstandard.ZstdCompressor().compress(plain),
    }
    found: dict[str, tuple[bytes, list[str]]] = {
        coding: (data, [kind, f"Content-Encoding: {coding.removeprefix('raw-')}"])
        for coding, data in coded.items()
    }
    text = f"Dear {name}, your number is {ssn}."
    hl7 = (
        f"MSH|^~\\&|A|B|C|D|20240101||ADT^A01|1|P|2.5\rPID|1||{ssn}||{name}||19700101|M\rZZZ|{name}"
    )
    event = f'id: 1\ndata: {plain.decode()}\n\n: {name}\n\ndata: {{"name":\ndata: "{name}"}}\n\n'
    return found | {
        "json": (plain, [kind]),
        "bom": (b"\xef\xbb\xbf" + plain, [kind]),
        "utf-16": (plain.decode().encode("utf-16"), [f"{kind}; charset=utf-16"]),
        "utf-16-unsaid": (plain.decode().encode("utf-16"), [kind]),
        "latin": (plain, [f"{kind}; charset=iso-8859-1"]),
        "twice": (f'{{"name": "x", "name": "{name}"}}'.encode(), [kind]),
        "escaped": (f'{{"n\\u0061me": "{escaped}"}}'.encode(), [kind]),
        "deep": (b'{"name":' * 300 + plain + b"}" * 300, [kind]),
        "number": (f'{{"ssn": {int(ssn.replace("-", ""))}}}'.encode(), [kind]),
        "cut": (plain[:-2], [kind]),
        "html-as-json": (f"<p>{text}</p>".encode(), [kind]),
        "json-as-text": (plain, ["Content-Type: text/plain"]),
        "no-type": (plain, []),
        "ndjson": (plain + b"\n" + plain, ["Content-Type: application/x-ndjson"]),
        "events": (event.encode(), ["Content-Type: text/event-stream"]),
        "csv": (f"id,name,{name}\r\n7,{name},{ssn}\r\n".encode(), ["Content-Type: text/csv"]),
        "text": (text.encode(), ["Content-Type: text/plain; charset=utf-8"]),
        "hl7": (hl7.encode(), ["Content-Type: application/hl7-v2"]),
        "hl7-odd": (hl7.replace("|", "#").encode(), ["Content-Type: application/hl7-v2"]),
        "html": (text.encode(), ["Content-Type: text/html"]),
        "xml": (f"<a>{text}</a>".encode(), ["Content-Type: application/xml"]),
        "image": (text.encode(), ["Content-Type: image/png"]),
        "multipart": (text.encode(), ["Content-Type: multipart/mixed; boundary=x"]),
        "two-codings": (plain, [kind, "Content-Encoding: gzip, br"]),
        "wrong-coding": (plain, [kind, "Content-Encoding: gzip"]),
        "unknown-coding": (plain, [kind, "Content-Encoding: rot13"]),
        "bomb": (gzip.compress(b" " * 10**8, mtime=0), [kind, "Content-Encoding: gzip"]),
        "headers": (
            plain,
            [
                *(kind, f"X-Patient: {name}", f"Set-Cookie: p={ssn}", f'ETag: "{ssn}"'),
                *(f"Content-Disposition: attachment; filename={name}.json", f"Server: {name}"),
                *(f"Link: </{name}>; rel=next", f"Content-MD5: {ssn}", f'Warning: 199 - "{name}"'),
                *(f"Location: https://elsewhere.example/{name}", f"Last-Modified: {ssn}"),
                *(f"Retry-After: {name}", f"WWW-Authenticate: Basic realm={name}"),
            ],
        ),
    }


@route("/odd/")
def _odd(talk: Talk) -> None:
    """A form of an answer, or an error with one for a body: ``/odd/FORM``, ``/odd/FORM/STATUS``."""
    form, _, status = talk.path.partition("?")[0].removeprefix("/odd/").partition("/")
    body, headers = _odd_bodies()[form]
    talk.answer(body, *headers, status=f"{status} {PATIENT['name']}" if status else "200 OK")


@route("/slow")
def _slow(talk: Talk) -> None:
    """An answer that begins, and takes a minute."""
    talk.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(600):
        talk.write(b"1\r\n.\r\n")
        time.sleep(0.1)
    talk.write(b"0\r\n\r\n")


@route("")
def _echo(talk: Talk) -> None:
    seen = {
        "method": talk.method,
        "path": talk.path,
        "headers": talk.fields,
        "body": talk.body.decode("latin-1"),
    }
    talk.answer(json.dumps(seen).encode(), "Content-Type: application/json", 'ETag: "1"')


class _Listening(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Upstream:
    """Runs this file as a child process.

    :ivar port: on 127.0.0.1, once started.
    """

    def __init__(
        self, directory: Path, patient: tuple[str, str] = ("Nobody", "000-00-0000")
    ) -> None:
        """:param patient: name and number, for the odd answers."""
        self._log = directory / f"upstream-{patient[1]}.log"
        self._patient = patient
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> Upstream:
        self._server = Server(
            [sys.executable, "-m", "testbed.upstream", *self._patient],
            log=self._log,
            environment={"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self._server.wait_until(self._ready, 120)
        return self

    def _ready(self) -> bool:
        text = self._log.read_text()
        if "port " not in text:
            return False
        self.port = int(text.split("port ")[1].split()[0])
        return True

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()


if __name__ == "__main__":
    PATIENT.update(name=sys.argv[1], ssn=sys.argv[2])
    with _Listening(("127.0.0.1", 0), Talk) as server:
        print("port", server.server_address[1], flush=True)
        server.serve_forever()
