"""A node's admin socket: real approvals on a real store, real HTTP on a real unix socket.

Only who a token belongs to is decided here; the identity room has its own tests.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import serverFromString
from zope.interface import implementer

from hoopgate.approvals.service import Approvals
from hoopgate.errors import DirectoryUnavailable, IdentityRefused
from hoopgate.events import Principal
from hoopgate.gateway.admin import SCOPE, AdminServer
from hoopgate.interfaces import IIdentityVerifier
from hoopgate.settings.model import Resource
from hoopgate.state.sqlite import SQLiteStore
from testbed.approvals import AGENT, ALICE, BOB, CAROL, Leaves, hold, judged, principal, session
from testbed.reactor import on_reactor, reactor

TOKENS = {
    "alice": ALICE,
    "bob": BOB,
    "carol": CAROL,
    "dora": principal("dora", "phi-reviewers"),
    "self": principal("agent-7", "phi-reviewers"),
    "agent": AGENT,
    "x" * 60_000: BOB,
}


@implementer(IIdentityVerifier)
class Tokens:
    """Knows whose each token is."""

    def verify(self, token: str, resource: Resource) -> Deferred[Principal]:
        assert resource.scope == SCOPE
        if token == "outage":
            return fail(DirectoryUnavailable("directory.timeout", "ldap01 says: secret words"))
        if token == "unscoped":
            return fail(IdentityRefused("scope.missing", "the token lacks the scope"))
        if token == "bug":
            return fail(ZeroDivisionError("canary 219-09-9999"))
        who = TOKENS.get(token)
        if who is None:
            return fail(IdentityRefused("identity.malformed", "not a token"))
        return succeed(who)

    def recheck(self, principal: Principal, resource: Resource) -> Deferred[Principal]:
        raise NotImplementedError


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


class AdminNode:
    """Approvals and their socket."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "admin.sock"
        self.log = Leaves()
        self.store = SQLiteStore(directory / "state.sqlite3", reactor)
        self.store.open()
        self.approvals = Approvals(
            self.store, self.log, reactor, key_file=directory / "approvals.key"
        )

    def file(self, text: str = "COPY patients TO STDOUT", digest: str = "d1", **more: Any) -> str:
        wanted = {key: more.pop(key) for key in ("approvers", "window", "effect") if key in more}
        expires = more.pop("expires", 900.0)
        filed = self.approvals.request
        request_id: str = on_reactor(
            filed, digest, judged(text), session(**more), hold(expires=expires, **wanted)
        )
        return request_id

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = "bob",
        body: object = None,
        **headers: str,
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        """``body``: bytes as they are, anything else as JSON."""
        sent: dict[str, str] = {}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = _Connection(self.path)
        try:
            connection.request(method, path, body, {k: v for k, v in sent.items() if v})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        return response.status, response.headers, json.loads(data) if data else None


@contextmanager
def admin_node(directory: Path) -> Iterator[AdminNode]:
    directory.mkdir(mode=0o700)
    node = AdminNode(directory)
    on_reactor(node.approvals.start)
    server = AdminServer(node.approvals, Tokens(), reactor)
    endpoint = serverFromString(reactor, f"unix:{node.path}:mode=600")
    port = on_reactor(endpoint.listen, server.site)
    try:
        yield node
    finally:
        on_reactor(port.stopListening)
        on_reactor(node.approvals.stop)
        on_reactor(node.store.close)
