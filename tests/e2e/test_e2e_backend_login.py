"""How the gateway logs in to real servers: every method, every refusal (PROTOCOLS "Server")."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic import Clinic, running_clinic
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.raw import SSL_REQUEST

PASSWORD = "the-backend-pässword"
WRONG = "not-the-backend-password"

HBA = (
    "hostssl all login_scram 127.0.0.1/32 scram-sha-256",
    "hostnossl all login_scram 127.0.0.1/32 scram-sha-256",
    "host all login_md5 127.0.0.1/32 md5",
    "host all login_clear 127.0.0.1/32 password",
    "hostssl all login_cert 127.0.0.1/32 cert",
    "host all login_trust 127.0.0.1/32 trust",
    "host all login_reject 127.0.0.1/32 reject",
)


@dataclass
class Backend:
    """A resource: which account logs in, with what, over what."""

    user: str
    password: str | None = PASSWORD
    tls: dict[str, str] = field(default_factory=dict)
    target: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    certificate: str = ""  #: common name of a client certificate


PLAINTEXT = {"mode": "disable"}

BACKENDS = {
    "scram": Backend("login_scram"),
    "scram-plaintext": Backend("login_scram", tls=PLAINTEXT),
    "scram-verify-ca": Backend(
        "login_scram", tls={"mode": "verify-ca", "server_name": "x.example"}
    ),
    "md5": Backend("login_md5"),
    "md5-plaintext": Backend("login_md5", tls=PLAINTEXT),
    "clear": Backend("login_clear"),
    "cert": Backend("login_cert", None, certificate="login_cert"),
    "unix": Backend("login_scram", tls=PLAINTEXT, target="unix"),
    # Refused:
    "trust": Backend("login_trust"),
    "trust-plaintext": Backend("login_trust", tls=PLAINTEXT),
    "clear-plaintext": Backend("login_clear", tls=PLAINTEXT),
    "scram-wrong": Backend("login_scram", WRONG),
    "md5-wrong": Backend("login_md5", WRONG),
    "clear-wrong": Backend("login_clear", WRONG),
    "no-password": Backend("login_scram", None, certificate="login_scram"),
    "cert-wrong": Backend("login_cert", None, certificate="somebody"),
    "reject": Backend("login_reject"),
    "no-role": Backend("login_nobody"),
    "no-database": Backend("login_scram", more={"database": "nowhere"}),
    "wrong-name": Backend("login_scram", tls={"server_name": "db.example"}),
    "wrong-ca": Backend("login_scram", tls={"ca_file": "other"}),
    "down": Backend("login_scram", target="down"),
    "in-the-middle": Backend("login_scram", target="in-the-middle"),
    "stripping": Backend("login_scram", target="stripping"),
    "in-the-middle-md5": Backend("login_md5", target="in-the-middle"),
}


#: AuthenticationSASL of a server that offers channel binding, and one without it.
OFFERED = b"R\0\0\0*\0\0\0\nSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
STRIPPED = b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"


class InTheMiddle:
    """Ends TLS with a certificate of the right authority, and relays to the real server.

    :param strips: hides from the gateway that the server can bind to the channel.
    """

    def __init__(self, server: Postgres, certificates: Certificates, *, strips: bool) -> None:
        self._server = server
        self._strips = strips
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own = certificates.issue("localhost")
        self._context.load_cert_chain(own.certificate, own.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        # Closing alone does not wake accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(60)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(60)
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        address = self._server.host, self._server.port
        with client, socket.create_connection(address, timeout=60) as server:
            assert client.recv(8) == SSL_REQUEST
            server.sendall(SSL_REQUEST)
            assert server.recv(1) == b"S"
            client.sendall(b"S")
            unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
            with (
                contextlib.suppress(OSError),
                self._context.wrap_socket(client, server_side=True) as outer,
                unverified.wrap_socket(server) as inner,
            ):
                back = threading.Thread(target=self._pump, args=(inner, outer))
                back.start()
                self._pump(outer, inner)
                back.join(60)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data.replace(OFFERED, STRIPPED) if self._strips else data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module", params=[15, 18])
def logins(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Clinic]:
    """A gateway with one resource per backend of BACKENDS, all on one server."""
    server: Postgres = request.getfixturevalue(f"postgres{request.param}")
    directory = tmp_path_factory.mktemp("logins")
    hba = (server.data_directory / "pg_hba.conf").read_text().splitlines()
    middle = InTheMiddle(server, certificates, strips=False)
    stripping = InTheMiddle(server, certificates, strips=True)
    for account in ("scram", "md5", "clear", "cert", "trust", "reject"):
        kept = "md5" if account == "md5" else "scram-sha-256"
        server.psql(
            f"SET password_encryption = '{kept}';"
            f" CREATE ROLE login_{account} LOGIN PASSWORD '{PASSWORD}'"
        )
    server.psql("ALTER SYSTEM SET log_connections = 'on'")
    server.set_hba([*HBA, *hba])

    def adjust(settings: dict[str, Any]) -> None:
        (clinic,) = settings["resources"]
        other = Certificates(directory / "other", "another authority")
        targets = {
            "": clinic["target"],
            "unix": f"unix:{server.socket_directory}/.s.PGSQL.{server.port}",
            "down": f"127.0.0.1:{free_port()}",
            "in-the-middle": f"127.0.0.1:{middle.port}",
            "stripping": f"127.0.0.1:{stripping.port}",
        }
        for name, backend in BACKENDS.items():
            credentials: dict[str, Any] = {"user": backend.user}
            if backend.password is not None:
                file = directory / f"{name}.password"
                write_private(file, backend.password.encode())
                credentials["password"] = {"file": str(file)}
            if backend.certificate:
                pair = certificates.issue(backend.certificate, client=True)
                credentials["certificate"] = str(pair.certificate)
                credentials["key"] = str(pair.key)
            tls = {"mode": "verify-full", "ca_file": str(certificates.ca), **backend.tls}
            if tls["mode"] == "disable":
                del tls["ca_file"]
            elif tls["ca_file"] == "other":
                tls["ca_file"] = str(other.ca)
            settings["resources"].append(
                {
                    **clinic,
                    "name": name,
                    "scope": "hoopgate:clinic",
                    "target": targets[backend.target],
                    "credentials": credentials,
                    "tls": tls,
                    **backend.more,
                }
            )
            settings["listeners"][0]["resources"].append(name)

    try:
        with running_clinic(
            directory, certificates, server, database="logins", adjust=adjust
        ) as running:
            server.psql("GRANT agent TO " + ", ".join(accounts(server)), "logins")
            yield running
    finally:
        middle.close()
        stripping.close()
        server.set_hba(hba)
        server.psql("ALTER SYSTEM RESET log_connections")
        server.psql("SELECT pg_reload_conf()")


def accounts(server: Postgres) -> list[str]:
    names = server.psql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'login\\_%'")
    return names.split()


def query(clinic: Clinic, resource: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(clinic.dsn(dbname=resource)) as connection:
        return connection.execute("SELECT id, description FROM codes, patients LIMIT 1").fetchall()


@pytest.mark.parametrize(
    ("resource", "method"),
    [
        ("scram", "scram-sha-256"),
        ("scram-plaintext", "scram-sha-256"),
        ("scram-verify-ca", "scram-sha-256"),
        ("unix", "scram-sha-256"),
        ("md5", "md5"),
        ("md5-plaintext", "md5"),
        ("clear", "password"),
        ("cert", "cert"),
        ("in-the-middle-md5", "md5"),  # only channel binding sees who is in the middle
    ],
)
def test_every_method(logins: Clinic, resource: str, method: str) -> None:
    before = len(logins.postgres.log_text())
    assert len(query(logins, resource)) == 1
    log = logins.postgres.log_text()[before:]
    used = re.findall(r'connection authenticated: identity="(\S+)" method=(\S+) ', log)
    account = BACKENDS[resource].user
    identity = f"CN={account}" if method == "cert" else account
    # The session's own connection, and the one beside it that asks about statements.
    assert used[0] == (identity, method)
    assert set(used) == {(identity, method)}


@pytest.mark.parametrize(
    ("resource", "code", "said"),
    [
        ("trust", "backend.downgrade", "without its password"),
        ("trust-plaintext", "backend.downgrade", "without its password"),
        ("clear-plaintext", "backend.downgrade", "bare password"),
        ("scram-wrong", "backend.refused", "SQLSTATE 28P01"),
        ("md5-wrong", "backend.refused", "SQLSTATE 28P01"),
        ("clear-wrong", "backend.refused", "SQLSTATE 28P01"),
        ("no-password", "backend.authentication", "there is none"),
        ("cert-wrong", "backend.refused", "SQLSTATE 28000"),
        ("reject", "backend.refused", "SQLSTATE 28000"),
        ("no-role", "backend.refused", "SQLSTATE 28"),
        ("no-database", "backend.refused", "SQLSTATE 3D000"),
        ("wrong-name", "backend.tls", "not for its name"),
        ("wrong-ca", "backend.tls", "not trusted"),
        ("down", "backend.connect", "cannot be reached"),
        ("in-the-middle", "backend.refused", "SQLSTATE 28000"),
        ("stripping", "backend.refused", "SQLSTATE 28000"),
    ],
)
def test_every_refusal(logins: Clinic, resource: str, code: str, said: str) -> None:
    """The client and the log say what is wrong, and nothing of what only the two sides know."""
    log_before = len(logins.gateway.log_text())
    token = logins.token()
    started = time.monotonic()
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(logins.gateway.dsn(token, database=resource))
    assert time.monotonic() - started < 60
    shown = str(caught.value)
    assert "FATAL:  hoopgate: " in shown
    assert f"({code}" in shown
    assert said in shown
    log = logins.gateway.log_text()[log_before:]
    (line,) = (json.loads(line) for line in log.splitlines() if '"backend.unavailable"' in line)
    assert (line["resource"], line["code"]) == (resource, code)
    if code == "backend.tls":
        assert line["error"] == ("VerificationError" if resource == "wrong-name" else "Error")
    account = BACKENDS[resource].user
    for secret in (PASSWORD, WRONG, account, "pg_hba", "nowhere", token):
        assert secret not in shown
        assert secret not in log


@pytest.mark.parametrize(
    ("resource", "complaint"),
    [
        ("in-the-middle", "SCRAM channel binding check failed"),
        ("stripping", "SCRAM channel binding negotiation error"),
    ],
)
def test_scram_is_bound_to_the_channel(logins: Clinic, resource: str, complaint: str) -> None:
    """SCRAM-SHA-256-PLUS: a certificate that is trusted is not enough, nor is hiding -PLUS."""
    before = len(logins.postgres.log_text())
    with pytest.raises(psycopg.OperationalError):
        query(logins, resource)
    assert complaint in logins.postgres.log_text()[before:]


def test_a_server_without_tls_is_refused(logins: Clinic) -> None:
    server = logins.postgres
    server.psql("ALTER SYSTEM SET ssl = off")
    server.psql("SELECT pg_reload_conf()")
    try:
        deadline = time.monotonic() + 60
        while server.psql("SHOW ssl").strip() != "off":
            assert time.monotonic() < deadline
        with pytest.raises(psycopg.OperationalError, match="has no TLS"):
            query(logins, "md5")
        assert len(query(logins, "md5-plaintext")) == 1
    finally:
        server.psql("ALTER SYSTEM RESET ssl")
        server.psql("SELECT pg_reload_conf()")
        while server.psql("SHOW ssl").strip() != "on":
            time.sleep(0.05)
    assert len(query(logins, "md5")) == 1


def test_a_backend_that_goes_and_comes_back(logins: Clinic) -> None:
    """A running session ends with a word; the next login, and its side connections, are new."""
    with psycopg.connect(logins.dsn(dbname="scram")) as connection:
        connection.execute("SELECT 1")
        logins.postgres.kill()
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute("SELECT 2")
        assert connection.closed
    assert "closed" in str(caught.value) or "57P0" in (caught.value.sqlstate or "")
    with pytest.raises(psycopg.OperationalError, match=r"backend\.connect"):
        query(logins, "scram")
    logins.postgres.start()
    assert len(query(logins, "scram")) == 1


def test_no_secret_is_in_any_file(logins: Clinic) -> None:
    """The node's state, recordings and log hold no password and no backend cancel key."""
    for path in Path(logins.gateway.directory).rglob("*"):
        if path.is_file() and not path.name.endswith(".password"):
            data = path.read_bytes()
            assert PASSWORD.encode() not in data, path
            assert WRONG.encode() not in data, path
