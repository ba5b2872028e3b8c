"""Where clients connect, and how they show who they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoopgate.settings.model.secrets import ServerTLS


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Certificates that a listener's clients must have, besides their token.

    :ivar ca_file: authorities they must be of (PEM).
    :ivar crl_file: what these have revoked (PEM); a client of an authority without a list in it is
        refused. None: nothing is looked up.
    """

    ca_file: Path
    crl_file: Path | None = None


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """People log in by an issuer's device flow (RFC 8628), over keyboard-interactive.

    :ivar issuer: the name of one of the issuers.
    :ivar client_id: a public client there that may use the flow.
    """

    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True)
class SSHListener:
    """What is said of a listener that speaks SSH.

    :ivar host_keys: private keys; empty: one that the node makes and keeps in its state directory.
    :ivar separator: stands between a user's name and the resource's.
    :ivar security_keys: ``accept``, ``refuse`` or ``require`` them as keys of certificates.
    :ivar device: None: keyboard-interactive asks for a token or a session credential only.
    """

    host_keys: tuple[Path, ...] = ()
    separator: str = "%"
    device: DeviceLogin | None = None
    security_keys: str = "accept"


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients connect.

    :ivar endpoint: Twisted server endpoint string (``tcp:5432``, ``systemd:domain=INET:index=0``).
    :ivar authentication: ``token`` (the OIDC token as password), ``oauthbearer`` (RFC 7628) or
        ``scram`` (a session credential of ``hoopgate credential``, by SCRAM-SHA-256).
    :ivar clients: not None: a client shows a certificate whose common name or alternative name is
        its token's subject.
    :ivar issuer_url: issuer that ``oauthbearer`` clients without a token are told of, else "".
    :ivar tls: None means plaintext: accepted on loopback and unix sockets only.
    :ivar resources: names a client may ask for here.
    :ivar http2: HTTP/2 is offered besides HTTP/1.1.
    :ivar origins: of pages in browsers that may ask here, and read the answers.
    """

    name: str
    protocol: str
    endpoint: str
    tls: ServerTLS | None
    resources: tuple[str, ...]
    authentication: str = "token"
    issuer_url: str = ""
    clients: ClientCertificates | None = None
    ssh: SSHListener | None = None  #: not None where the protocol is SSH
    http2: bool = False
    origins: tuple[str, ...] = ()
