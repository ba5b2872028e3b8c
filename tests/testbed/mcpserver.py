"""npm's reference server of MCP with every feature, private to a test run."""

from __future__ import annotations

import socket
from pathlib import Path

from testbed.parts import node, node_package
from testbed.ports import free_port
from testbed.process import Server


class MCPServer:
    """Runs between ``__enter__`` and ``__exit__``; streamable HTTP at ``/mcp`` of ``port``."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "mcp.log"
        self._server: Server | None = None
        self.port = free_port()

    def __enter__(self) -> MCPServer:
        package = node_package("@modelcontextprotocol/server-everything")
        loopback = Path(__file__).with_name("mcp_loopback.cjs")
        self._server = Server(
            [
                *(node(), "--require", loopback),
                *(package / "dist" / "index.js", "streamableHttp"),
            ],
            log=self._log,
            environment={"PORT": str(self.port)},
        )
        self._server.wait_until(self._ready, 120)
        return self

    def _ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
