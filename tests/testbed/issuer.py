"""Our own issuer as its users run it: ``hoopgate issuer`` as a child process, tokens by HTTP."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from hoopgate.cli import token as token_command
from hoopgate.identity.client_secrets import hash_secret
from testbed.certificates import Certificates, write_private
from testbed.process import Server

#: ``hoopgate issuer`` without the commands of other rooms.
_RUN = "from hoopgate.cli import main; main.COMMANDS = ('issuer',); raise SystemExit(main.main())"


def client(
    secret: str | None = None,
    *,
    scopes: Sequence[str],
    resources: Sequence[str] = ("hoopgate",),
    **more: Any,
) -> dict[str, Any]:
    """A table ``[clients.NAME]``."""
    table: dict[str, Any] = {"scopes": list(scopes), "resources": list(resources), **more}
    if secret is not None:
        table["secret_hash"] = hash_secret(secret)
    return table


class TestIssuer:
    """Runs the issuer on a free port of 127.0.0.1.

    :ivar url: the issuer's URL, once started.
    :ivar secrets: client id → secret, for :meth:`token`.
    """

    __test__ = False

    def __init__(
        self,
        clients: Mapping[str, Mapping[str, Any]],
        secrets: Mapping[str, str],
        certificates: Certificates | None = None,
        directory: Path | None = None,
        **settings: Any,
    ) -> None:
        """:param clients: tables ``[clients.NAME]``, see :func:`client`.
        :param certificates: with it the issuer speaks https, else http.
        """
        self._temporary = tempfile.TemporaryDirectory(prefix="hoopgate-issuer-")
        self.directory = directory or Path(self._temporary.name)
        self.secrets = dict(secrets)
        self._certificates = certificates
        scheme = "http" if certificates is None else "https"
        table: dict[str, Any] = {
            "issuer": f"{scheme}://127.0.0.1:0",
            "listen": "tcp:0:interface=127.0.0.1",
            **settings,
            "clients": {name: dict(entry) for name, entry in clients.items()},
        }
        if certificates is not None:
            table["certificate"] = str(certificates.server.certificate)
            table["key"] = str(certificates.server.key)
        self.config = self.directory / "issuer.toml"
        self.config.write_text(tomli_w.dumps(table))
        self.url = ""
        self._server: Server | None = None

    def __enter__(self) -> TestIssuer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._temporary.cleanup()

    @property
    def ca_file(self) -> Path | None:
        """What a client of the issuer trusts."""
        return None if self._certificates is None else self._certificates.ca

    def start(self) -> None:
        """Start the issuer and learn its URL."""
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        self._server = Server(
            [sys.executable, "-c", _RUN, "issuer", "--config", self.config], log=log
        )
        self._server.wait_until(self._ready, 120)

    def stop(self) -> None:
        """Stop the issuer; its files stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def log_text(self) -> str:
        """What the issuer printed and logged."""
        return (self.directory / "log").read_text()

    def run_command(self, *arguments: str) -> str:
        """``hoopgate token …`` in this process; what it prints."""
        parser = ArgumentParser()
        token_command.add(parser.add_subparsers())
        options = parser.parse_args(["token", *arguments])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = options.run(options)
        assert status == 0
        return printed.getvalue().strip()

    def token(
        self,
        client_id: str,
        *,
        scopes: Sequence[str] = (),
        resources: Sequence[str] = (),
    ) -> str:
        """An access token, fetched by ``hoopgate token``."""
        secret = self.directory / f"{client_id}.secret"
        if not secret.exists():
            write_private(secret, self.secrets[client_id].encode() + b"\n")
        arguments = ["--issuer", self.url, "--client-id", client_id]
        arguments += ["--client-secret-file", str(secret)]
        for scope in scopes:
            arguments += ["--scope", scope]
        for resource in resources:
            arguments += ["--resource", resource]
        if self.ca_file is not None:
            arguments += ["--ca-file", str(self.ca_file)]
        return self.run_command(*arguments)

    def _ready(self) -> bool:
        found = re.search(r"^issuer (\S+) is ready$", self.log_text(), flags=re.MULTILINE)
        if found:
            self.url = found[1]
        return found is not None
