"""TLS on both legs with real sockets: what is refused, what is negotiated, what reloads."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.certificates import Certificates, KeyPair
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from zope.interface.verify import verifyObject

from hoopgate.errors import LocalProtocolError, SettingsError
from hoopgate.gateway.tls import (
    NodeTLS,
    ServerContext,
    client_context,
    peer_certificate_der,
    tls_facts,
)
from hoopgate.interfaces import ITLS
from hoopgate.settings.model import BackendTLS, Listener, Resource, ServerTLS, TLSMode


def server_tls(pair: KeyPair) -> ServerTLS:
    return ServerTLS(pair.certificate, pair.key)


# --- our side is the server --------------------------------------------------------------------


class Echo(Protocol):
    """Says in plaintext that TLS may start, then echoes, as PostgreSQL's SSLRequest does."""

    context: ServerContext
    seen: list[dict[str, str]]

    def dataReceived(self, data: bytes) -> None:
        if data == b"start":
            assert tls_facts(self.transport) == {}
            self.transport.write(b"S")  # type: ignore[union-attr]
            self.transport.startTLS(self.context)  # type: ignore[union-attr]
            return
        self.seen.append(tls_facts(self.transport))
        self.transport.write(data)  # type: ignore[union-attr]


@contextlib.contextmanager
def listening(context: ServerContext) -> Iterator[tuple[int, list[dict[str, str]]]]:
    seen: list[dict[str, str]] = []
    factory = Factory.forProtocol(Echo)
    factory.noisy = False
    Echo.context, Echo.seen = context, seen
    port = on_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield port.getHost().port, seen
    finally:
        on_reactor(port.stopListening)


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    plain.sendall(b"start")
    assert plain.recv(1) == b"S"
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def trusting(certificates: Certificates, alpn: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


@pytest.fixture
def context(certificates: Certificates) -> ServerContext:
    return ServerContext(server_tls(certificates.server), (b"postgresql",))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_with_forward_secrecy(
    certificates: Certificates, context: ServerContext, version: ssl.TLSVersion
) -> None:
    client = trusting(certificates, ["postgresql"])
    client.maximum_version = version
    with listening(context) as (port, seen), connect(port, client) as tls:
        tls.sendall(b"hello")
        assert tls.recv(5) == b"hello"
        assert tls.selected_alpn_protocol() == "postgresql"
        cipher = tls.cipher()
        assert cipher is not None
        name = cipher[0]
        assert name.startswith(("ECDHE-", "TLS_"))
        assert "GCM" in name or "CHACHA" in name
        assert tls.compression() is None
        expected = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert seen == [{"version": expected, "cipher": name, "alpn": "postgresql"}]


def test_old_versions_are_refused(certificates: Certificates, context: ServerContext) -> None:
    client = trusting(certificates)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with listening(context) as (port, seen), pytest.raises((ssl.SSLError, ConnectionError)):
        connect(port, client)
    assert seen == []


def test_ciphers_without_forward_secrecy_are_refused(
    certificates: Certificates, context: ServerContext
) -> None:
    client = trusting(certificates)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ECDHE+AES256:!AESGCM:!AESCCM:!CHACHA20")  # CBC
    with listening(context) as (port, _), pytest.raises((ssl.SSLError, ConnectionError)):
        connect(port, client)


def test_a_foreign_protocol_is_refused_by_alert(
    certificates: Certificates, context: ServerContext
) -> None:
    with listening(context) as (port, _):
        with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            connect(port, trusting(certificates, ["h2", "http/1.1"]))
        with connect(port, trusting(certificates)) as tls:  # older clients offer none
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
            assert tls.selected_alpn_protocol() is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nothing_is_resumed(
    certificates: Certificates, context: ServerContext, version: ssl.TLSVersion
) -> None:
    client = trusting(certificates)
    client.maximum_version = version
    with listening(context) as (port, _):
        with connect(port, client) as first:
            first.sendall(b"x")
            first.recv(1)  # TLS 1.3 tickets come after the handshake
            session = first.session
        plain = socket.create_connection(("127.0.0.1", port), timeout=60)
        plain.sendall(b"start")
        plain.recv(1)
        with client.wrap_socket(plain, server_hostname="localhost", session=session) as second:
            assert not second.session_reused


def test_renegotiation_is_refused(certificates: Certificates, context: ServerContext) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "apt-get install openssl"
    direct = Factory.forProtocol(Protocol)
    direct.noisy = False
    listen = lambda: reactor.listenSSL(0, direct, context, interface="127.0.0.1")  # noqa: E731
    port = on_reactor(listen)
    try:
        done = subprocess.run(
            [openssl, "s_client", "-tls1_2", "-connect", f"127.0.0.1:{port.getHost().port}"],
            input=b"R\n",
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        on_reactor(port.stopListening)
    output = done.stdout + done.stderr
    assert b"RENEGOTIATING" in output
    assert b"no renegotiation" in output


def test_reload_serves_the_new_certificate_and_keeps_the_old_when_broken(
    certificates: Certificates, tmp_path: Path
) -> None:
    def install(pair: KeyPair) -> None:
        shutil.copy(pair.certificate, tmp_path / "tls.pem")
        shutil.copy(pair.key, tmp_path / "tls.key")

    def served(port: int) -> bytes:
        with connect(port, trusting(certificates)) as tls:
            return tls.getpeercert(binary_form=True) or b""

    def der(pair: KeyPair) -> bytes:
        return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())

    install(certificates.server)
    context = ServerContext(ServerTLS(tmp_path / "tls.pem", tmp_path / "tls.key"))
    renewed = certificates.issue("localhost")
    with listening(context) as (port, _):
        assert served(port) == der(certificates.server)
        with connect(port, trusting(certificates)) as running:
            install(renewed)
            assert served(port) == der(certificates.server)
            context.reload()
            assert served(port) == der(renewed)
            running.sendall(b"on")
            assert running.recv(2) == b"on"
        (tmp_path / "tls.key").write_bytes(b"half a file")
        with pytest.raises(SettingsError, match=r"tls\.key"):
            context.reload()
        assert served(port) == der(renewed)


class TestUnusableFiles:
    def refused(self, tls: ServerTLS, match: str) -> None:
        with pytest.raises(SettingsError, match=match):
            ServerContext(tls)
        with pytest.raises(SettingsError, match=match):
            client_context(BackendTLS(), "localhost", tls)

    def test_missing(self, certificates: Certificates, tmp_path: Path) -> None:
        pair = certificates.server
        self.refused(ServerTLS(tmp_path / "no.pem", pair.key), r"certificate .*no\.pem: No such")
        self.refused(ServerTLS(pair.certificate, tmp_path / "no.key"), r"key .*no\.key: No such")

    def test_not_pem(self, certificates: Certificates, tmp_path: Path) -> None:
        bad = tmp_path / "bad"
        bad.write_bytes(b"\x00\x01")
        bad.chmod(0o600)
        self.refused(ServerTLS(bad, certificates.server.key), "holds no PEM certificate")
        self.refused(ServerTLS(certificates.server.certificate, bad), "not an unencrypted PEM")

    def test_key_of_another_certificate(self, certificates: Certificates) -> None:
        other = certificates.issue("localhost")
        self.refused(ServerTLS(certificates.server.certificate, other.key), "not the key of")

    def test_key_that_everybody_reads(self, certificates: Certificates, tmp_path: Path) -> None:
        key = tmp_path / "open.key"
        shutil.copy(certificates.server.key, key)
        key.chmod(0o644)
        self.refused(ServerTLS(certificates.server.certificate, key), "chmod o=")

    def test_key_with_a_passphrase_asks_nobody(
        self, certificates: Certificates, tmp_path: Path
    ) -> None:
        key = tmp_path / "locked.key"
        subprocess.run(
            ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-out", key]  # noqa: RUF005
            + ["-in", certificates.server.key],
            check=True,
            timeout=60,
            capture_output=True,
        )
        key.chmod(0o600)
        self.refused(ServerTLS(certificates.server.certificate, key), "not an unencrypted PEM")


# --- our side is the client --------------------------------------------------------------------


class Server:
    """A TLS server of the standard library: greets, and keeps what the client presented."""

    def __init__(self, pair: KeyPair, client_ca: Path | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.certificate, pair.key)
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(60)
        self.port = self.socket.getsockname()[1]
        self.received = b""
        self.presented: bytes | None = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self.socket.accept()
            connection.settimeout(60)
            with connection, self.context.wrap_socket(connection, server_side=True) as tls:
                self.presented = tls.getpeercert(binary_form=True)
                tls.sendall(b"hello")
                self.received = tls.recv(100)

    def close(self) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.socket.close()


class Caller(Protocol):
    """Sends a secret at once, as a client with a password would; fires with what it saw."""

    def __init__(self) -> None:
        self.done: Deferred[Any] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"secret")  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        seen = (data, tls_facts(self.transport), peer_certificate_der(self.transport))
        done, self.done = self.done, Deferred()
        done.callback(seen)
        self.transport.loseConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Any = None) -> None:
        if not self.done.called:
            self.done.errback(reason)
            self.done.addErrback(lambda failure: None)


def call(
    server: Server, creator: IOpenSSLClientConnectionCreator
) -> tuple[bytes, dict[str, str], bytes | None]:
    async def connecting() -> Any:
        endpoint = wrapClientTLS(creator, HostnameEndpoint(reactor, "127.0.0.1", server.port))
        caller = await endpoint.connect(Factory.forProtocol(Caller))
        assert isinstance(caller, Caller)
        return await caller.done

    def calling() -> Any:
        return Deferred.fromCoroutine(connecting()).addTimeout(15, reactor)

    try:
        seen: tuple[bytes, dict[str, str], bytes | None] = on_reactor(calling)
        return seen
    finally:
        server.close()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("stranger"), "an authority nobody trusts")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_chain_and_name_or_address(certificates: Certificates, host: str) -> None:
    server = Server(certificates.server)
    greeting, facts, der = call(server, client_context(BackendTLS(ca_file=certificates.ca), host))
    assert greeting == b"hello"
    assert facts["version"] == "TLSv1.3"
    assert der == ssl.PEM_cert_to_DER_cert(certificates.server.certificate.read_text())
    assert server.received == b"secret"


BAD: dict[str, Callable[[Certificates, Certificates], tuple[KeyPair, str]]] = {
    "wrong host": lambda ours, theirs: (ours.server, "db.example.org"),
    "wrong address": lambda ours, theirs: (ours.server, "127.0.0.2"),
    "name without alternative names": lambda ours, theirs: (
        ours.issue("localhost", client=True),
        "localhost",
    ),
    "expired": lambda ours, theirs: (ours.issue("localhost", days=-1), "localhost"),
    "not yet valid": lambda ours, theirs: (ours.issue("localhost", days=60), "localhost"),
    "unknown authority": lambda ours, theirs: (theirs.server, "localhost"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_server_that_is_not_the_one_gets_nothing(
    certificates: Certificates, stranger: Certificates, case: str
) -> None:
    pair, host = BAD[case](certificates, stranger)
    server = Server(pair)
    with pytest.raises(Exception, match=r"(?i)certificate verify failed|Mismatch") as caught:
        call(server, client_context(BackendTLS(ca_file=certificates.ca), host))
    assert type(caught.value).__name__ in {"Error", "VerificationError"}
    assert server.received == b""


def test_verify_ca_looks_at_the_chain_only(
    certificates: Certificates, stranger: Certificates
) -> None:
    verify_ca = BackendTLS(TLSMode.VERIFY_CA, certificates.ca)
    server = Server(certificates.server)
    assert call(server, client_context(verify_ca, "db.example.org"))[0] == b"hello"
    for pair in (stranger.server, certificates.issue("localhost", days=-1)):
        server = Server(pair)
        with pytest.raises(Exception, match="certificate"):
            call(server, client_context(verify_ca, "localhost"))
        assert server.received == b""


def test_server_name_replaces_the_host(certificates: Certificates) -> None:
    tls = BackendTLS(ca_file=certificates.ca, server_name="localhost")
    assert call(Server(certificates.server), client_context(tls, "10.0.0.9"))[0] == b"hello"


def test_our_certificate_is_presented_with_its_chain(certificates: Certificates) -> None:
    pair = certificates.issue("gateway", client=True)
    server = Server(certificates.server, client_ca=certificates.ca)
    tls = BackendTLS(ca_file=certificates.ca)
    assert call(server, client_context(tls, "localhost", server_tls(pair)))[0] == b"hello"
    assert server.presented == ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def test_old_servers_are_refused(certificates: Certificates) -> None:
    server = Server(certificates.server)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.context.maximum_version = ssl.TLSVersion.TLSv1_1
    server.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(Exception, match=r"(?i)version|protocol|alert"):
        call(server, client_context(BackendTLS(ca_file=certificates.ca), "localhost"))
    assert server.received == b""


@pytest.mark.parametrize("host", ["", "/var/run/postgresql"])
def test_no_name_no_verification(host: str) -> None:
    with pytest.raises(SettingsError, match="server_name"):
        client_context(BackendTLS(), host)


def test_disabled_is_not_asked_for(certificates: Certificates) -> None:
    with pytest.raises(LocalProtocolError):
        client_context(BackendTLS(TLSMode.DISABLE), "localhost")


# --- the node ----------------------------------------------------------------------------------


def test_a_node_keeps_one_context_per_listener_and_resource(
    certificates: Certificates, tmp_path: Path
) -> None:
    node = NodeTLS()
    assert verifyObject(ITLS, node)
    listener = Listener("pg", "postgres", "tcp:0", server_tls(certificates.server), ())
    assert node.server(listener) is node.server(listener)
    with pytest.raises(LocalProtocolError):
        node.server(replace(listener, name="plain", tls=None))
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.ca, ca)
    resource = Resource(
        "clinic", "postgres", "tcp:x", "localhost", "clinic", "s", "u", tls=BackendTLS(ca_file=ca)
    )
    first = node.client(resource)
    assert node.client(resource) is first
    assert node.reload() == []
    second = node.client(resource)
    assert second is not first
    ca.write_bytes(b"")
    (problem,) = node.reload()
    assert str(ca) in problem
    assert node.client(resource) is second
    assert node.facts(object()) == {}
    assert node.certificate(object()) is None
