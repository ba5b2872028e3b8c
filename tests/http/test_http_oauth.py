"""The gateway's own tokens for an upstream: from a real issuer, renewed in time, and if refused."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from testbed.certificates import Certificates, write_private
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings

from hoopgate.http.oauth import REFUSED_SECONDS

SECRET = "the-gateways-own-secret"
RULES: list[dict[str, Any]] = [
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]


class Guarded(http.server.ThreadingHTTPServer):
    """Takes the issuer's tokens while they hold, and until it is told not to.

    :ivar seen: every token, in order of appearance.
    :ivar taken: path and body of every request that it took.
    """

    daemon_threads = True

    def __init__(self, keys: jwt.PyJWKClient) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = keys
        self.seen: list[str] = []
        self.revoked: set[str] = set()
        self.taken: list[tuple[str, bytes]] = []
        self.refusals = 0
        self.lock = threading.Lock()

    def good(self, token: str) -> bool:
        with self.lock:
            if token and token not in self.seen:
                self.seen.append(token)
            if token in self.revoked or "*" in self.revoked:
                self.refusals += 1
                return False
        try:
            key = self.keys.get_signing_key_from_jwt(token).key
            jwt.decode(token, key, algorithms=["ES256"], audience="upstream")
        except jwt.PyJWTError:
            self.refusals += 1
            return False
        return True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Guarded

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        good = self.server.good(token)
        if good:
            with self.server.lock:
                self.server.taken.append((self.path, body))
        self.send_response(200 if good else 401)
        if not good:
            self.send_header("WWW-Authenticate", 'Bearer error="invalid_token"')
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok" if good else b"no")

    do_GET = do_POST = _answer

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


class World:
    """A gateway before a guarded upstream."""

    def __init__(
        self, gateway: Gateway, agents: TestIssuer, issuer: TestIssuer, upstream: Guarded
    ) -> None:
        self.gateway = gateway
        self.agents = agents
        self.issuer = issuer
        self.upstream = upstream

    def revoke(self) -> None:
        """None of the tokens that there are is taken any more."""
        with self.upstream.lock:
            self.upstream.revoked |= set(self.upstream.seen)


@contextmanager
def running(directory: Path, certificates: Certificates, lifetime: int) -> Iterator[World]:
    """Everything there is, with tokens that hold for so many seconds."""
    secret = directory / "secret"
    write_private(secret, SECRET.encode())
    own = client(SECRET, scopes=["read"], resources=["upstream"], lifetime=lifetime)
    with (
        TestIssuer({"gateway": own}, {}) as issuer,
        TestIssuer(web_clients("hoopgate:api"), {**AGENTS, **REVIEWERS}, certificates) as agents,
    ):
        upstream = Guarded(jwt.PyJWKClient(f"{issuer.url}/jwks"))
        thread = threading.Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        resource = web_resource(
            "api",
            upstream.server_address[1],
            phi=False,
            http={
                "credential": "oauth",
                "token_url": f"{issuer.url}/token",
                "token_scope": "read",
            },
            credentials={"user": "gateway", "password": {"file": str(secret)}},
        )
        settings = web_settings(directory, certificates, agents, [resource], RULES, [])
        with Gateway(directory, settings, certificates) as gateway:
            yield World(gateway, agents, issuer, upstream)
        upstream.shutdown()
        upstream.server_close()
        thread.join()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[World]:
    """Tokens that hold for ten minutes."""
    with running(tmp_path_factory.mktemp("oauth"), certificates, 600) as made:
        yield made


@contextmanager
def asking(world: World, certificates: Certificates) -> Iterator[httpx.Client]:
    """A client that keeps its connections."""
    token = world.agents.token("executor", resources=["hoopgate"])
    with httpx.Client(
        base_url=f"https://127.0.0.1:{world.gateway.port}/api",
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=str(certificates.ca)),
        timeout=60,
    ) as made:
        yield made


@pytest.fixture
def agent(world: World, certificates: Certificates) -> Iterator[httpx.Client]:
    """One whose token was refused some time ago, if ever."""
    time.sleep(REFUSED_SECONDS + 0.1)
    with asking(world, certificates) as made:
        assert made.get("/a").text == "ok"
        yield made


def test_a_refused_token_is_renewed_and_the_request_sent_once_more(
    world: World, agent: httpx.Client
) -> None:
    world.revoke()
    before = len(world.upstream.seen)
    world.upstream.taken.clear()
    assert agent.post("/b", content=iter([b"piece by ", b"piece"])).text == "ok"
    assert agent.post("/c", content=b"whole").text == "ok"
    assert agent.get("/d").text == "ok"
    assert world.upstream.taken == [("/b", b"piece by piece"), ("/c", b"whole"), ("/d", b"")]
    assert len(world.upstream.seen) == before + 1


def test_many_at_once_share_one_renewal(world: World, agent: httpx.Client) -> None:
    world.revoke()
    before = len(world.upstream.seen)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: agent.get(f"/{number}").text, range(16)))
    assert answers == ["ok"] * 16
    assert len(world.upstream.seen) == before + 1


def test_a_token_that_has_expired_is_renewed_before_the_next_request(
    tmp_path: Path, certificates: Certificates
) -> None:
    with running(tmp_path, certificates, 3) as world, asking(world, certificates) as agent:
        for _ in range(3):
            assert agent.get("/b").text == "ok"
            time.sleep(3.1)
        assert agent.get("/c").text == "ok"
        assert len(world.upstream.seen) == 4
        assert world.upstream.refusals == 0


def test_an_upstream_that_takes_no_token_is_told_of_and_the_issuer_left_alone(
    world: World, agent: httpx.Client
) -> None:
    world.upstream.revoked.add("*")
    try:
        before = len(world.upstream.seen)
        begun = time.monotonic()
        answers = [agent.get("/b") for _ in range(10)]
        most = 1 + (time.monotonic() - begun) / REFUSED_SECONDS
    finally:
        world.upstream.revoked.discard("*")
    assert {one.status_code for one in answers} == {502}
    assert {one.json()["reason"] for one in answers} == {"upstream.unauthorised"}
    assert len(world.upstream.seen) - before <= most


def test_an_issuer_that_is_down_is_told_of(world: World, agent: httpx.Client) -> None:
    world.issuer.stop()
    world.revoke()
    answers = [agent.get("/b"), agent.post("/b", content=b"x"), agent.get("/b")]
    assert {one.status_code for one in answers} == {503}
    assert {one.json()["reason"] for one in answers} == {"upstream.credential"}
    assert all("retry-after" in one.headers for one in answers)
    port = world.issuer.url.rpartition(":")[2]
    settings = world.issuer.config.read_text()
    world.issuer.config.write_text(
        settings.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1).replace("tcp:0:", f"tcp:{port}:")
    )
    world.issuer.start()
    assert agent.get("/c").text == "ok"
