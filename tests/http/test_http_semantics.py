"""What a proxy that rewrites bodies owes to HTTP: ranges, validators, trailers, codings, memory."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from testbed.certificates import Certificates
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.webclinic import AGENTS, REVIEWERS, Web, web_clients, web_resource, web_settings


def connected(web: Web) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    plain.settimeout(60)
    plain.connect(("127.0.0.1", web.gateway.port))
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def resident(web: Web) -> int:
    """Bytes of memory that the gateway has."""
    return int(Path(f"/proc/{web.gateway.pid}/statm").read_text().split()[1]) * 4096


@pytest.fixture
def agent(web: Web) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(web.certificates.ca))
    with httpx.Client(
        verify=context,
        base_url=web.url("/"),
        headers={"Authorization": f"Bearer {web.token()}"},
        timeout=60,
    ) as client:
        yield client


PARTIAL = {
    "Range": "bytes=3-5",
    "If-Range": '"1"',
    "If-None-Match": '"1"',
    "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT",
    "Want-Digest": "sha-256",
    "Want-Content-Digest": "sha-256=1",
    "Cookie": "a=b",
}


def test_ranges_and_conditions_are_the_upstreams_without_phi(agent: httpx.Client) -> None:
    seen = dict(agent.get("/web/x", headers=PARTIAL).json()["headers"])
    assert {name.lower(): value for name, value in PARTIAL.items()}.items() <= seen.items()


@pytest.mark.parametrize("form", ["json", "headers", "gzip"])
def test_what_was_masked_has_no_ranges_nor_the_upstreams_validators(
    agent: httpx.Client, form: str
) -> None:
    plain = agent.get(f"/odda/odd/{form}")
    asked = agent.get(f"/odda/odd/{form}", headers=PARTIAL)
    assert plain.status_code == asked.status_code == 200
    assert asked.content == plain.content
    assert int(asked.headers["content-length"]) == len(asked.content)
    gone = "etag last-modified digest content-digest repr-digest content-md5 accept-ranges vary"
    assert not [name for name in gone.split() if name in asked.headers]
    assert asked.headers["cache-control"] == "private, no-store"
    assert "content-encoding" not in asked.headers


def test_head_says_nothing_of_a_masked_body(agent: httpx.Client) -> None:
    answer = agent.head("/odda/odd/json")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("unknown-coding", "body.coding"),
        ("two-codings", "body.coding"),
        ("wrong-coding", "body.coding"),
        ("bomb", "body.size"),
        ("utf-16", "body.charset"),
        ("image", "body.type"),
    ],
)
def test_what_cannot_be_decoded_is_not_shown(agent: httpx.Client, form: str, reason: str) -> None:
    answer = agent.get(f"/odda/odd/{form}")
    assert (answer.status_code, answer.json()["reason"]) == (502, reason)
    assert agent.get("/odda/odd/json").status_code == 200


def test_trailers_go_no_further(web: Web, agent: httpx.Client) -> None:
    response = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-T\r\nTransfer-Encoding: chunked"
        b"\r\n\r\n2\r\nhi\r\n0\r\nX-T: canary\r\nContent-Length: 9\r\n\r\n"
    )
    head = f"POST /web/raw HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {web.token()}\r\n"
    head += f"Content-Length: {len(response)}\r\nConnection: close\r\n\r\n"
    with connected(web) as connection:
        connection.sendall(head.encode() + response)
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"2\r\nhi\r\n0\r\n\r\n" in seen
    assert b"canary" not in seen and b"trailer" not in seen.lower()


def flood(connection: ssl.SSLSocket, web: Web, path: str) -> int:
    """Ask and ask, and read no answer; how many times, until nothing more was taken."""
    one = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {web.token()}\r\n\r\n".encode()
    connection.settimeout(3)
    for count in range(600):
        try:
            connection.sendall(one * 50)
        except (TimeoutError, ConnectionError, ssl.SSLError):
            return count * 50
    return 30_000


def test_a_session_does_not_hear_who_does_not_read(web: Web) -> None:
    before = resident(web)
    with connected(web) as connection:
        assert flood(connection, web, "/web/secret") < 30_000
        assert resident(web) - before < 40 * 2**20


def test_who_has_no_session_and_does_not_read_is_turned_away(web: Web) -> None:
    before = resident(web)
    with connected(web) as connection:
        asked = flood(connection, web, "/nothing")
        assert resident(web) - before < 40 * 2**20
        connection.settimeout(60)
        answers = 0
        try:
            while piece := connection.recv(65536):
                answers += piece.count(b"HTTP/1.1 404")
        except (ConnectionError, ssl.SSLError):
            pass
        assert 0 < answers < asked


def test_nothing_is_spilled(web: Web, agent: httpx.Client) -> None:
    """The recording is encrypted, the log knows no payload, and no other file is written."""
    canary = "canary-of-a-spill"
    sent = (canary * 300_000).encode()
    assert len(agent.put("/web/up", content=sent).json()["body"]) == len(sent)
    assert agent.post("/web/b", json={"a": canary * 1000}).status_code == 200
    fds = [os.readlink(one) for one in Path(f"/proc/{web.gateway.pid}/fd").iterdir()]
    root = web.gateway.config.parent
    own = [one for one in fds if one.startswith("/") and not one.startswith(("/dev", str(root)))]
    assert not [one for one in own if "deleted" in one or one.startswith(("/tmp", "/var/tmp"))]
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("upstream"):
            assert canary.encode() not in path.read_bytes(), path.name


def test_two_connections_share_the_gateways_token(web: Web) -> None:
    seen = []
    for _ in range(2):
        context = ssl.create_default_context(cafile=str(web.certificates.ca))
        answer = httpx.get(
            web.url("/oauth/x"),
            headers={"Authorization": f"Bearer {web.token()}"},
            verify=context,
            timeout=60,
        )
        seen.append(dict(answer.json()["headers"])["authorization"])
    assert seen[0] == seen[1]
    assert seen[0].startswith("Bearer ")


class _Shown(BaseHTTPRequestHandler):
    """Says whose certificate it was shown."""

    def do_GET(self) -> None:
        connection: Any = self.connection
        subject = dict(pair for one in connection.getpeercert()["subject"] for pair in one)
        body = json.dumps({"shown": subject["commonName"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def asking_for_certificates(certificates: Certificates) -> Iterator[int]:
    """A server that takes nobody without a certificate; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Shown)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_gateway_shows_the_upstream_a_certificate(
    tmp_path: Path, certificates: Certificates
) -> None:
    pair = certificates.issue("the-gateway", client=True)
    other = Certificates(tmp_path / "other", name="nobody knows it").issue("stranger", client=True)
    shown = {"certificate": str(pair.certificate), "key": str(pair.key)}
    strange = {"certificate": str(other.certificate), "key": str(other.key)}
    tls = {"mode": "verify-full", "ca_file": str(certificates.ca)}
    with (
        asking_for_certificates(certificates) as port,
        TestIssuer(
            web_clients("hoopgate:good", "hoopgate:bad"), {**AGENTS, **REVIEWERS}, certificates
        ) as issuer,
    ):
        resources = [
            web_resource("good", port, phi=False, credentials=shown, tls=tls),
            web_resource("bad", port, phi=False, credentials=strange, tls=tls),
        ]
        rules = [{"name": "all", "verdict": "allow", "match": {"groups": ["agents"]}}]
        settings = web_settings(tmp_path, certificates, issuer, resources, rules, [])
        with Gateway(tmp_path, settings, certificates) as gateway:
            context = ssl.create_default_context(cafile=str(certificates.ca))
            with httpx.Client(
                verify=context,
                base_url=f"https://127.0.0.1:{gateway.port}",
                headers={
                    "Authorization": f"Bearer {issuer.token('executor', resources=['hoopgate'])}"
                },
                timeout=60,
            ) as client:
                assert client.get("/good/x").json() == {"shown": "the-gateway"}
                assert client.get("/bad/x").status_code == 502
