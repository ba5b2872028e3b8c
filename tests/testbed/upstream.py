"""A small HTTP server of the tests: says what it was sent, and answers in any form it is asked for.

Run as a program it serves on the port that it prints. Its answers are its own words, so that no
library between makes them better than they are.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
from collections.abc import Callable
from pathlib import Path

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


@route("/redirect")
def _redirect(talk: Talk) -> None:
    host = talk.header("host")
    talk.answer(b"", f"Location: http://{host}/base/there", status="302 Found")


@route("/status/")
def _status(talk: Talk) -> None:
    code = talk.path.rpartition("/")[2]
    talk.answer(b"{}", "Content-Type: application/json", status=f"{code} Whatever")


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

    def __init__(self, directory: Path) -> None:
        self._log = directory / "upstream.log"
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> Upstream:
        self._server = Server(
            [sys.executable, "-m", "testbed.upstream"],
            log=self._log,
            environment={"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self._server.wait_until(self._ready, 20)
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
    with _Listening(("127.0.0.1", 0), Talk) as server:
        print("port", server.server_address[1], flush=True)
        server.serve_forever()
