"""TLS on both legs: TLS 1.2 and 1.3 with forward secrecy, nothing resumed, nothing renegotiated.

Sessions are not resumed, so that every connection is verified in full and no ticket key has to be
kept; TLS 1.2 renegotiation would let a client change its certificate after login.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import ref

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import LocalProtocolError, SettingsError
from hoopgate.interfaces import ITLS
from hoopgate.settings.model import (
    BackendTLS,
    ClientCertificates,
    Listener,
    Resource,
    ServerTLS,
    TLSMode,
)

#: What a client that negotiates ALPN on a listener must offer (PostgreSQL 17 manual, 55.2.11; RFC
#: 7301 6).
ALPN = {"postgres": (b"postgresql",), "http": (b"http/1.1",)}

#: TLS 1.2: ephemeral keys and authenticated encryption only. TLS 1.3 has nothing else.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

_OPTIONS = (
    SSL.OP_NO_COMPRESSION
    | SSL.OP_NO_TICKET
    | SSL.OP_NO_RENEGOTIATION
    | SSL.OP_CIPHER_SERVER_PREFERENCE
)


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """The gateway's own side of TLS on a listener.

    :param alpn: protocols to choose from, the preferred first. A client that offers ALPN and none
        of these is refused (RFC 7301 3.2); one that offers no ALPN is taken.
    :param clients: certificates that clients must have; None asks for none.
    :raises SettingsError: certificate or key cannot be used.
    """

    def __init__(
        self,
        tls: ServerTLS,
        alpn: Sequence[bytes] = (),
        clients: ClientCertificates | None = None,
    ) -> None:
        self._tls = tls
        self._clients = clients
        self._alpn = tuple(alpn)
        self._context = self._load()

    def reload(self) -> None:
        """Read certificate and key again. New connections get the new one, running ones stay.

        :raises SettingsError: they cannot be used; the ones in use stay.
        """
        self._context = self._load()

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See :class:`IOpenSSLServerConnectionCreator`."""
        return SSL.Connection(self._context, None)

    def _load(self) -> SSL.Context:
        context = _context(SSL.TLS_SERVER_METHOD)
        _present(context, self._tls)
        if self._clients is not None:
            _demand(context, self._clients)
        if self._alpn:
            context.set_alpn_select_callback(self._select)
        return context

    def _select(self, connection: SSL.Connection, offered: list[bytes]) -> bytes:
        for protocol in self._alpn:
            if protocol in offered:
                return protocol
        # SSL.Error is what Twisted takes for a failed handshake; the client gets an alert.
        raise SSL.Error([("hoopgate", "alpn", "no application protocol in common")])


def client_context(
    tls: BackendTLS, host: str, certificate: ServerTLS | None = None
) -> IOpenSSLClientConnectionCreator:
    """The gateway's side of TLS towards a server.

    :param host: name or address that the certificate must be for, unless ``tls`` names another;
        not looked at under ``verify-ca``.
    :param certificate: the gateway's own, for servers that authenticate clients.
    :raises SettingsError: a file cannot be used, or there is no name to verify.
    """
    if tls.mode is TLSMode.DISABLE:
        raise LocalProtocolError("TLS is switched off for this server")
    context = _context(SSL.TLS_CLIENT_METHOD)
    if tls.ca_file is None:
        context.set_default_verify_paths()
    else:
        store = context.get_cert_store()
        assert store is not None
        for authority in _certificates(tls.ca_file, "ca_file"):
            store.add_cert(X509.from_cryptography(authority))
    if certificate is not None:
        _present(context, certificate)
    if tls.mode is TLSMode.VERIFY_CA:
        return _ClientContext(context, None)
    name = tls.server_name or host
    if not name or name.startswith("/"):
        raise SettingsError(["tls: verify-full needs a host name: set server_name"])
    return _ClientContext(context, _Name(name))


class _Name:
    """What the server's certificate must be for: a DNS name or an IP address (RFC 9525).

    :raises SettingsError: neither of the two.
    """

    def __init__(self, name: str) -> None:
        self.sni: bytes | None = None
        try:
            self._pattern: DNS_ID | IPAddress_ID = IPAddress_ID(name)
        except ValueError:
            try:
                self.sni = name.encode("ascii" if name.isascii() else "idna")
                self._pattern = DNS_ID(self.sni.decode())
            except (ValueError, UnicodeError):
                raise SettingsError([f"tls: {name!r} is not a host name"]) from None

    def verify(self, certificate: x509.Certificate) -> None:
        """
        :raises VerificationError: for another name, or for none (the common name is no name).
        :raises CertificateError: its alternative names are not readable.
        """
        verify_service_identity(extract_patterns(certificate), [self._pattern], [])


@implementer(IOpenSSLClientConnectionCreator)
class _ClientContext:
    """Verifies the chain, and the name where there is one: before any byte of ours is sent."""

    def __init__(self, context: SSL.Context, name: _Name | None) -> None:
        self._context = context
        self._name = name

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See :class:`IOpenSSLClientConnectionCreator`."""
        connection = SSL.Connection(self._context, None)
        if self._name is not None and self._name.sni is not None:
            connection.set_tlsext_host_name(self._name.sni)
        connection.set_verify(SSL.VERIFY_PEER, self._verified(tlsProtocol))
        return connection

    def _verified(
        self, protocol: TLSMemoryBIOProtocol
    ) -> Callable[[SSL.Connection, X509, int, int, int], bool]:
        # OpenSSL keeps the callback, the protocol keeps the connection: no strong cycle.
        reference = ref(protocol)

        def verified(
            connection: SSL.Connection, certificate: X509, error: int, depth: int, ok: int
        ) -> bool:
            if not ok or depth != 0 or self._name is None:
                return bool(ok)
            try:
                self._name.verify(certificate.to_cryptography())
            except Exception as problem:  # noqa: BLE001  (an exception here would be lost: refuse)
                owner = reference()
                if owner is not None:
                    owner.failVerification(Failure(problem))
                return False
            return True

        return verified


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_cipher_list(_CIPHERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # idle connections are many
    return context


def _present(context: SSL.Context, tls: ServerTLS) -> None:
    """Give a context its certificate, the rest of the chain, and the key.

    :raises SettingsError: naming the file and what is wrong with it.
    """
    leaf, *chain = _certificates(tls.certificate, "certificate")
    data = _read(tls.key, "key")
    if stat.S_IMODE(tls.key.stat().st_mode) & 0o007:
        raise SettingsError([f"key {tls.key}: everybody may read it: run chmod o= on it"])
    try:
        # Not by OpenSSL, which asks on the terminal for a passphrase.
        key: Any = load_pem_private_key(data, None)
        matches = key.public_key() == leaf.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError([f"key {tls.key}: not an unencrypted PEM private key"]) from None
    if not matches:
        raise SettingsError([f"key {tls.key}: not the key of {tls.certificate}"])
    try:
        context.use_certificate(leaf)
        for certificate in chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(key)
    except (SSL.Error, TypeError):
        # OpenSSL's security level: keys too short, signatures too weak.
        raise SettingsError([f"certificate {tls.certificate}: too weak for TLS"]) from None


def _demand(context: SSL.Context, clients: ClientCertificates) -> None:
    """Let nobody through the handshake without a certificate of these authorities, in its time and
    not revoked.

    :raises SettingsError: naming the file and what is wrong with it.
    """
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    store = context.get_cert_store()
    assert store is not None
    for authority in _certificates(clients.ca_file, "ca_file"):
        store.add_cert(X509.from_cryptography(authority))
    if clients.crl_file is None:
        return
    pem = _read(clients.crl_file, "crl_file")
    try:
        for text in pem.split(_END_CRL)[:-1]:
            store.add_crl(x509.load_pem_x509_crl(text + _END_CRL))
    except ValueError:
        problem = f"crl_file {clients.crl_file}: holds no PEM revocation list"
        raise SettingsError([problem]) from None
    store.set_flags(X509StoreFlags.CRL_CHECK)


_END_CRL = b"-----END X509 CRL-----"


def _certificates(path: Path, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path, what))
    except ValueError:
        raise SettingsError([f"{what} {path}: holds no PEM certificate"]) from None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{what} {path}: {error.strerror}"]) from None


def _connection(transport: object) -> SSL.Connection | None:
    get_handle = getattr(transport, "getHandle", None)
    handle = None if get_handle is None else get_handle()
    return handle if isinstance(handle, SSL.Connection) else None


def peer_certificate_der(transport: object) -> bytes | None:
    """The peer's certificate (DER) once the handshake is done; None without one."""
    connection = _connection(transport)
    certificate = None if connection is None else connection.get_peer_certificate()
    if certificate is None:
        return None
    return certificate.to_cryptography().public_bytes(Encoding.DER)


def tls_facts(transport: object) -> dict[str, str]:
    """``version``, ``cipher`` and (where negotiated) ``alpn``; empty for plaintext."""
    connection = _connection(transport)
    if connection is None:
        return {}
    facts = {
        "version": connection.get_protocol_version_name(),
        "cipher": connection.get_cipher_name() or "",
    }
    protocol = connection.get_alpn_proto_negotiated()
    if protocol:
        facts["alpn"] = protocol.decode("ascii", "replace")
    return facts


@implementer(ITLS)
class NodeTLS:
    """The contexts of a node's listeners and resources, made when first asked for."""

    def __init__(self) -> None:
        self._servers: dict[str, ServerContext] = {}
        self._clients: dict[str, tuple[Resource, IOpenSSLClientConnectionCreator]] = {}

    def server(self, listener: Listener) -> IOpenSSLServerConnectionCreator:
        """See :class:`ITLS`.

        :raises SettingsError: certificate or key cannot be used.
        """
        if listener.tls is None:
            raise LocalProtocolError("the listener has no certificate")
        if listener.name not in self._servers:
            alpn = ALPN.get(listener.protocol, ())
            if listener.http2:
                alpn = (b"h2", *alpn)
            self._servers[listener.name] = ServerContext(listener.tls, alpn, listener.clients)
        return self._servers[listener.name]

    def client(self, resource: Resource) -> IOpenSSLClientConnectionCreator:
        """See :class:`ITLS`.

        :raises SettingsError: a file cannot be used.
        """
        if resource.name not in self._clients:
            self._clients[resource.name] = (resource, _context_for(resource))
        return self._clients[resource.name][1]

    def certificate(self, transport: object) -> bytes | None:
        """See :class:`ITLS`."""
        return peer_certificate_der(transport)

    def own_certificate(self, transport: object) -> bytes | None:
        """See :class:`ITLS`."""
        connection = _connection(transport)
        certificate = None if connection is None else connection.get_certificate()
        if certificate is None:
            return None
        return certificate.to_cryptography().public_bytes(Encoding.DER)

    def facts(self, transport: object) -> dict[str, str]:
        """See :class:`ITLS`."""
        return tls_facts(transport)

    def reload(self) -> list[str]:
        """Read all certificates, keys and authorities again; what cannot be used stays as it is.

        :return: one line per file that could not be used.
        """
        problems: list[str] = []
        for context in self._servers.values():
            try:
                context.reload()
            except SettingsError as error:
                problems += error.problems
        for name, (resource, _) in self._clients.items():
            try:
                self._clients[name] = (resource, _context_for(resource))
            except SettingsError as error:
                problems += error.problems
        return problems


def _context_for(resource: Resource) -> IOpenSSLClientConnectionCreator:
    return client_context(resource.tls, resource.host, resource.certificate)
