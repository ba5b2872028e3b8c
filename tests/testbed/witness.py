"""A witness as its operators run it: ``twistd hoopgate --witness-only`` on a settings file."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from testbed.certificates import Certificates
from testbed.gateway import TWISTD
from testbed.ports import free_port
from testbed.process import Server


class Witness:
    """A witness for logs, over TLS.

    :ivar key: its verifier key.
    :ivar url: where it is asked.
    """

    def __init__(self, base: Path, name: str, logs: Sequence[str], certificates: Certificates):
        base.mkdir(parents=True, exist_ok=True)
        self.directory = base / "witness"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}/"
        self._certificates = certificates
        self._log = base / "twistd.log"
        self._config = base / "witness.toml"
        pair = certificates.server
        settings = {
            "endpoint": f"tcp:{self.port}:interface=127.0.0.1",
            "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
            "name": name,
            "directory": str(self.directory),
            "logs": list(logs),
            "ml_dsa": True,
        }
        self._config.write_text(tomli_w.dumps({"witness": settings}))
        self._server: Server | None = None

    @property
    def key(self) -> str:
        """Its verifier key, made at its first start."""
        return (self.directory / "vkey").read_text().strip()

    @property
    def ml_dsa_key(self) -> str:
        """Its verifier key for ML-DSA-44."""
        return (self.directory / "vkey.ml-dsa-44").read_text().strip()

    @property
    def running(self) -> bool:
        """Whether it is to answer."""
        return self._server is not None

    def start(self) -> None:
        """Start it (again); it answers on return."""
        command = [TWISTD, "--nodaemon", "--pidfile=", "hoopgate", "--witness-only"]
        self._server = Server(
            [*command, "--config", self._config], log=self._log, directory=self._config.parent
        )
        self._server.wait_until(self._answers, 120)

    def stop(self) -> None:
        """Stop it, if it runs."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, bytes]:
        """Status, content type and body of its answer."""
        trust = ssl.create_default_context(cafile=str(self._certificates.ca))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=trust)
        try:
            connection.request("POST", path, body)
            response = connection.getresponse()
            return response.status, response.headers.get_content_type(), response.read()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.post(b"")[0] == 400
        except OSError:
            return False
