"""A timestamping authority: ``openssl ts -reply`` behind HTTP, with certificates of its own."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_CONFIG = """
[tsa]
default_tsa = one
[one]
dir = {directory}
serial = {directory}/serial
signer_cert = {directory}/tsa.pem
signer_key = {directory}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""

_EXTENSIONS = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


class Tsa:
    """Answers on loopback.

    :ivar roots: its root certificate, PEM.
    :ivar url: where it is asked.
    :ivar broken: it answers 503.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.broken = False
        self.roots = directory / "ca.pem"
        self._directory = directory
        (directory / "serial").write_text("01\n")
        (directory / "tsa.cnf").write_text(_CONFIG.format(directory=directory))
        (directory / "extensions").write_text(_EXTENSIONS)
        key = ["-newkey", "rsa:2048", "-nodes"]
        self._openssl(
            *("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
            *("-subj", "/CN=testbed timestamp root"),
        )
        self._openssl("req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa")
        self._openssl(
            *("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", "tsa.pem", "-days", "2", "-extfile", "extensions"),
        )
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b"" if authority.broken else authority.reply(body)
                self.send_response(503 if authority.broken else 200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsr"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reply(self, query: bytes) -> bytes:
        """What ``openssl ts`` answers to a query."""
        path = self._directory / f"{threading.get_ident()}.tsq"
        path.write_bytes(query)
        return self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", str(path))

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _openssl(self, *arguments: str) -> bytes:
        command = ["openssl", *arguments]
        done = subprocess.run(command, cwd=self._directory, capture_output=True, check=True)
        return done.stdout
