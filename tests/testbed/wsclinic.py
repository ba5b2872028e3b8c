"""WebSockets behind the gateway: one resource without PHI in two settings, and twins with it."""

from __future__ import annotations

import select
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from testbed.certificates import Certificates
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings
from testbed.wsserver import WSServer

ORIGIN = "https://app.example.org"
SUBPROTOCOL = "chat.v1"
LIMIT = 256 * 1024

RULES: list[dict[str, Any]] = [
    {
        "name": "no-drops",
        "verdict": "block",
        "match": {"http": {"message": ["client.*"], "body": ["/action=drop"]}},
        "reason": "message.drop",
        "message": "Nothing is dropped here.",
    },
    {
        "name": "no-alarms",
        "verdict": "block",
        "match": {"http": {"message": ["server.text"], "body": ["/alarm=true"]}},
        "reason": "message.alarm",
        "message": "Alarms are not for agents.",
    },
    {
        "name": "publishing",
        "verdict": "approve",
        "match": {"http": {"message": ["client.text"], "body": ["/action=publish"]}},
        "reviewers": ["privacy-office"],
        "expires": "2m",
        "message": "Publishing needs a person.",
    },
    {
        "name": "forbidden",
        "verdict": "block",
        "match": {"http": {"message": ["open"], "path": ["/forbidden*"]}},
        "reason": "path.forbidden",
        "message": "Nobody may go there.",
    },
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]
LABELS: list[dict[str, Any]] = [
    {"resource": resource, **label}
    for resource in ("wsa", "wsb")
    for label in (
        {"place": "/id", "level": "public"},
        {"place": "/name", "kind": "NAME"},
        {"place": "/ssn", "kind": "SSN"},
    )
]


class OneAtATime(ssl.SSLSocket):
    """A TLS socket that one thread may read while another writes.

    The client does that, and OpenSSL's connections bear no two calls at once: a request that was
    written while a session ticket was read did not always leave.
    """

    @cached_property
    def turns(self) -> threading.Lock:
        """Held by whoever is in OpenSSL."""
        return threading.Lock()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """What has come, as soon as there is some."""
        while True:
            with self.turns:
                patience = self.gettimeout()
                self.settimeout(0)
                try:
                    return super().recv(buflen, flags)
                except ssl.SSLWantReadError:
                    pass
                finally:
                    self.settimeout(patience)
            select.select([self], [], [])

    def sendall(self, data: Any, flags: int = 0) -> None:
        """All of it."""
        with self.turns:
            super().sendall(data, flags)


class Sockets:
    """A running gateway with WebSocket servers behind it."""

    def __init__(self, gateway: Gateway, issuer: TestIssuer, certificates: Certificates) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.certificates = certificates

    def token(self, who: str = "executor") -> str:
        """A fresh token."""
        return self.issuer.token(who, resources=["hoopgate"])

    def context(self) -> ssl.SSLContext:
        """TLS of a client."""
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        context.sslsocket_class = OneAtATime
        return context

    def url(self, path: str) -> str:
        """Of a WebSocket."""
        return f"wss://127.0.0.1:{self.gateway.port}{path}"

    def connect(self, path: str, **options: Any) -> ClientConnection:
        """PyPI's client with a token; it offers compression, as it does by default."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        return connect(
            self.url(path), ssl=self.context(), additional_headers=headers, proxy=None, **options
        )


@contextmanager
def running_sockets(directory: Path, certificates: Certificates) -> Iterator[Sockets]:
    """Start servers, issuer and gateway: ``ws`` closes on a refusal, ``wsm`` tells of it by a
    message; ``wsa`` and ``wsb`` differ in the patient alone; ``none`` has no WebSockets."""
    scopes = [f"hoopgate:{name}" for name in ("ws", "wsm", "wsa", "wsb", "none")]
    common = {"subprotocols": [SUBPROTOCOL], "origins": [ORIGIN], "message_size": f"{LIMIT}B"}
    with (
        WSServer(directory) as plain,
        WSServer(directory, ("Ann Canary-Long", "111-11-1111")) as one,
        WSServer(directory, ("Bo Canary", "222-22-2222")) as other,
        TestIssuer(web_clients(*scopes), {**AGENTS, **REVIEWERS}, certificates) as issuer,
    ):
        resources = [
            web_resource(
                "ws", plain.port, phi=False, http={"base": "/base", "websocket": {**common}}
            ),
            web_resource(
                "wsm", plain.port, phi=False, http={"websocket": {**common, "refusal": "message"}}
            ),
            web_resource("none", plain.port, phi=False),
            *(
                web_resource(f"ws{key}", twin.port, http={"websocket": {"refusal": "message"}})
                for key, twin in (("a", one), ("b", other))
            ),
        ]
        settings = web_settings(directory, certificates, issuer, resources, RULES, LABELS)
        with Gateway(directory, settings, certificates) as gateway:
            yield Sockets(gateway, issuer, certificates)
