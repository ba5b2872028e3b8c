"""npm's conformance package of MCP, and what it needs on either side of the gateway."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.parts import NODE_MODULES, node, node_package
from testbed.ports import free_port
from testbed.process import Server
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings

_LINE = re.compile(r"^([✓✗]) ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
RULES: list[dict[str, Any]] = [
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]


class Conformance:
    """A server that does what the package asks for, and a gateway before it.

    ``open`` holds no PHI, ``closed`` does; ``client`` leads to whatever the package starts.
    """

    def __init__(
        self, gateway: Gateway, issuer: TestIssuer, port: int, forwarder: Forwarder
    ) -> None:
        self.forwarder = forwarder
        self.gateway = gateway
        self.issuer = issuer
        self.port = port
        self._known: dict[tuple[str, str], dict[str, bool]] = {}

    def passed(self, version: str, resource: str = "") -> dict[str, bool]:
        """Scenario → whether all its checks pass: at the server itself, or through the gateway."""
        if (version, resource) in self._known:
            return self._known[version, resource]
        url = f"http://127.0.0.1:{self.port}/mcp"
        environment: dict[str, str] = {}
        if resource:
            url = f"http://127.0.0.1:{self.gateway.port}/{resource}/mcp"
            environment = {
                "NODE_OPTIONS": f"--require {Path(__file__).with_name('mcp_bearer.cjs')}",
                "NODE_PATH": str(NODE_MODULES),
                "MCP_GATEWAY": url,
                "MCP_TOKEN": self.issuer.token("executor", resources=["hoopgate"]),
            }
        words = ["server", "--url", url, "--suite", "all", "--spec-version", version]
        words += ["--timeout", "5000"]
        found = self._known[version, resource] = conformance(words, environment)
        return found

    def client_passed(self, scenario: str, version: str) -> bool:
        """Whether the official client passes, with the gateway between it and the package."""
        script = Path(__file__).with_name("mcp_conformance_client.py")
        environment = {
            "FORWARD": str(self.forwarder.target),
            "GATEWAY": f"http://127.0.0.1:{self.gateway.port}/client",
            "TOKEN": self.issuer.token("executor", resources=["hoopgate"]),
        }
        words = ["client", "--command", f"{sys.executable} {script}", "--scenario", scenario]
        words += ["--spec-version", version, "--timeout", "30000"]
        done = run(words, environment)
        assert "Checks" in done.stdout or "assed" in done.stdout, done.stdout
        return done.returncode == 0 and self.forwarder.used


class Forwarder:
    """Passes connections on to a port that a file names when they come.

    :ivar used: there was one.
    """

    def __init__(self, directory: Path) -> None:
        self.target = directory / "target"
        self.used = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._serve)

    def close(self) -> None:
        """Take no more, and wait for what goes on."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(60)

    def _start(self, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            self.used = True
            self._start(self._pass, here)

    def _pass(self, here: socket.socket) -> None:
        # The package listens on all addresses of the name localhost, or on one of them.
        port = int(self.target.read_text())
        with here, socket.create_connection(("localhost", port)) as there:
            back = self._start(_pump, there, here)
            _pump(here, there)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def conformance(words: list[str], environment: Mapping[str, str]) -> dict[str, bool]:
    """Scenario → whether all its checks pass."""
    done = run(words, environment)
    found = {name: mark == "✓" for mark, name, _, _ in _LINE.findall(done.stdout)}
    assert found, done.stdout
    return found


def run(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the package."""
    return subprocess.run(
        [
            node(),
            node_package("@modelcontextprotocol/conformance") / "dist" / "index.js",
            *words,
        ],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )


@contextmanager
def running_conformance(
    directory: Path,
    certificates: Certificates,
    *,
    adjust: Callable[[dict[str, Any]], None] = lambda settings: None,
) -> Iterator[Conformance]:
    """Start server, issuer and gateway."""
    port = free_port()
    script = Path(__file__).with_name("mcp_conformance_server.py")
    server = Server([sys.executable, script, str(port)], log=directory / "mcp.log")

    def ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    forwarder = Forwarder(directory)
    try:
        server.wait_until(ready, 120)
        clients = web_clients("hoopgate:open", "hoopgate:closed", "hoopgate:client")
        with TestIssuer(clients, {**AGENTS, **REVIEWERS}, certificates) as issuer:
            resources = [
                web_resource("open", port, phi=False, http={"format": "mcp"}),
                web_resource("closed", port, http={"format": "mcp"}),
                web_resource("client", forwarder.port, phi=False, http={"format": "mcp"}),
            ]
            settings = web_settings(directory, certificates, issuer, resources, RULES, [])
            # The package speaks HTTP without TLS, and takes the Host header for the host's name.
            del settings["listeners"][0]["tls"]
            adjust(settings)
            with Gateway(directory, settings, certificates) as gateway:
                yield Conformance(gateway, issuer, port, forwarder)
    finally:
        forwarder.close()
        server.stop()
