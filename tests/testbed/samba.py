"""A private Active Directory: Samba's domain controller, on 127.0.0.1, with its own directory.

Its ports are fixed (389 and 636), so there is one at a time, and it needs root.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldap3

from testbed.certificates import Certificates, write_private
from testbed.parts import debian
from testbed.process import Server, ServerFailed

#: A disabled account has the second bit (MS-ADTS 2.2.16).
NORMAL, DISABLED = 512, 514


class Samba:
    """A domain controller with people and groups, run between ``__enter__`` and ``__exit__``.

    :ivar url: ``ldaps://127.0.0.1``; ``plain_url``: ``ldap://``, which also does StartTLS.
    :ivar reader_dn: may read; ``reader_password`` is its password.
    """

    base = "DC=clinic,DC=example"
    people = f"CN=Users,{base}"
    url = "ldaps://127.0.0.1"
    plain_url = "ldap://127.0.0.1"
    password = "Adm1n-of-the-testbed"
    reader_dn = f"CN=reader,CN=Users,{base}"
    reader_password = "Read3r-of-the-testbed"

    def __init__(self, certificates: Certificates) -> None:
        """:raises MissingPart: Samba is not installed."""
        self._tool = debian("samba-tool", "samba-ad-dc")
        self._program = debian("samba", "samba-ad-dc", "/usr/sbin")
        self.ca_file = certificates.ca
        self._certificates = certificates
        self.directory = Path(tempfile.mkdtemp(prefix="hoopgate-samba-"))
        self._server: Server | None = None

    def __enter__(self) -> Samba:
        try:
            self._provision()
            self._start()
            self.user("reader", self.reader_password)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self.directory)

    def _provision(self) -> None:
        done = subprocess.run(
            [
                *(self._tool, "domain", "provision", "--server-role=dc", "--dns-backend=NONE"),
                *("--realm=CLINIC.EXAMPLE", "--domain=CLINIC", f"--adminpass={self.password}"),
                *("--host-name=dc1", f"--targetdir={self.directory}"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise ServerFailed(f"samba-tool: {done.stderr[-4000:]}")
        tls = self.directory / "private" / "tls"
        tls.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self._certificates.ca, tls / "ca.pem")
        shutil.copy(self._certificates.server.certificate, tls / "cert.pem")
        write_private(tls / "key.pem", self._certificates.server.key.read_bytes())

    def _start(self) -> None:
        for port in (389, 636):
            with socket.socket() as probe:
                # Without it, a port that was in use a moment ago counts as taken
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        # A name is not in force where the settings say nothing of interfaces
        options = {
            "interfaces": "127.0.0.1",
            "bind interfaces only": "yes",
            "server services": "ldap",
            "log file": str(self.directory / "log.samba"),
            "pid directory": str(self.directory),
            "ncalrpc dir": str(self.directory / "ncalrpc"),
            "tls enabled": "yes",
            "tls keyfile": str(self.directory / "private" / "tls" / "key.pem"),
            "tls certfile": str(self.directory / "private" / "tls" / "cert.pem"),
            "tls cafile": str(self.directory / "private" / "tls" / "ca.pem"),
            "ldap server require strong auth": "yes",
        }
        self._server = Server(
            [
                *(self._program, "--interactive", "--model=single", "--no-process-group"),
                f"--configfile={self.directory / 'etc' / 'smb.conf'}",
                *(f"--option={name}={value}" for name, value in options.items()),
            ],
            log=self.directory / "log",
        )
        self._server.wait_until(self._answers, 120)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", 636), 1).close()
        except OSError:
            return False
        return True

    # --- content -------------------------------------------------------------------------------

    def user(self, name: str, password: str = "", **attributes: Any) -> str:
        """Add an account; its DN. Without a password it is enabled all the same."""
        dn = f"CN={name},{self.people}"
        entry: dict[str, Any] = {
            "sAMAccountName": name,
            "userPrincipalName": f"{name}@clinic.example",
            "unicodePwd": f'"{password or self.password}"'.encode("utf-16-le"),
            "userAccountControl": NORMAL,
            **attributes,
        }
        self._add(dn, ["top", "person", "organizationalPerson", "user"], entry)
        return dn

    def group(self, name: str, *members: str) -> str:
        """Add a group of these DNs; its DN."""
        dn = f"CN={name},{self.people}"
        entry: dict[str, Any] = {"sAMAccountName": name}
        if members:
            entry["member"] = list(members)
        self._add(dn, ["top", "group"], entry)
        return dn

    def change(self, dn: str, **attributes: Any) -> None:
        """Replace attributes."""
        with self._administrator() as connection:
            changes = {
                name: [(ldap3.MODIFY_REPLACE, value if isinstance(value, list) else [value])]
                for name, value in attributes.items()
            }
            assert connection.modify(dn, changes), connection.result

    def _add(self, dn: str, classes: list[str], entry: dict[str, Any]) -> None:
        with self._administrator() as connection:
            assert connection.add(dn, classes, entry), connection.result

    @contextmanager
    def _administrator(self) -> Iterator[ldap3.Connection]:
        server = ldap3.Server("127.0.0.1", 636, use_ssl=True, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, "Administrator@clinic.example", self.password, check_names=False
        )
        try:
            assert connection.bind(), connection.result
            yield connection
        finally:
            connection.unbind()
