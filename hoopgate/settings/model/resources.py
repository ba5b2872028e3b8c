"""Backends that agents reach by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hoopgate.settings.model.secrets import Secret, ServerTLS, TLSMode


@dataclass(frozen=True, slots=True)
class BackendTLS:
    mode: TLSMode = TLSMode.VERIFY_FULL
    ca_file: Path | None = None  #: None: the system's trust store
    server_name: str | None = None  #: None: the target's host


@dataclass(frozen=True, slots=True)
class WebSocketTarget:
    """What is said of a resource that has WebSockets.

    :ivar subprotocols: those that may be spoken; a client that offers only others is refused.
    :ivar origins: of pages that may open one, in lower case. A client that is no browser has none.
    :ivar message_bytes: that a message may have.
    :ivar refusal: how the client is told of one that is refused: ``close`` (with code 1008), or
        ``message`` (JSON, and the WebSocket stays open).
    """

    subprotocols: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    message_bytes: int = 2**20
    refusal: str = "close"


@dataclass(frozen=True, slots=True)
class HTTPTarget:
    """What is said of a resource that speaks HTTP.

    :ivar base: path at the upstream under which the resource is, without a slash at its end.
    :ivar format: what the bodies are: ``rest`` (JSON and what else is known), ``fhir``, ``mcp``.
    :ivar hosts: host names of the gateway that stand for the resource; there its name is not in
        the path.
    :ivar host: the Host header for the upstream; "": the target's host and port.
    :ivar credential: how the gateway shows the upstream who it is: ``none``, ``basic`` (user and
        password), ``header`` (the password in a header), ``oauth`` (client credentials).
    :ivar header: the header of ``header``.
    :ivar prefix: what stands before the password there, e.g. ``Bearer``.
    :ivar token_url: where ``oauth`` gets its tokens; ``token_scope``: the scope asked for.
    :ivar pass_authorization: the client's own Authorization goes to the upstream; its token for
        the gateway is then in Hoopgate-Authorization.
    :ivar body_bytes: a body that has to be seen whole may have, decoded.
    :ivar expansion: times that a compressed body may be larger than what came.
    :ivar websocket: None: there are no WebSockets.
    """

    base: str = ""
    format: str = "rest"
    hosts: tuple[str, ...] = ()
    host: str = ""
    credential: str = "none"
    header: str = "Authorization"
    prefix: str = ""
    token_url: str = ""
    token_scope: str = ""
    pass_authorization: bool = False
    body_bytes: int = 16 * 2**20
    expansion: int = 100
    websocket: WebSocketTarget | None = None


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How the tokens of a resource are made.

    :ivar keys: a secret with a line for each key: its epoch and 64 hexadecimal digits.
    :ivar lifetime_seconds: how long a token can be used after it was last handed out.
    :ivar entries: values remembered at most; the oldest go first.
    """

    keys: Secret
    lifetime_seconds: float = 30 * 86_400.0
    entries: int = 1_000_000


@dataclass(frozen=True, slots=True)
class SSHBackend:
    """What is said of a resource that speaks SSH.

    :ivar known_hosts: OpenSSH's file of the host keys that are known; there is no first use.
    :ivar host_name: the name looked up in it.
    :ivar key: the account's private key; ``certificate``: of a backend's authority, for the key.
    :ivar environment: variables that clients may set; ``*`` at the end is a wildcard.
    :ivar shell: terminals and shells may be allowed by rules; without it none is.
    :ivar commands: ``allow``: literal command lines of the list ``[[commands]]`` only; ``deny``:
        any that the tripwire does not know as destructive.
    :ivar bulk_bytes: of files read in a session before a person has to approve more;
        ``bulk_files``: files, and ``bulk_removals``: removals and renamings, likewise.
    :ivar mask_bytes: of a file that is masked whole, at most; larger ones are refused.
    :ivar binary: files on PHI resources that are not text are passed on instead of refused.
    """

    known_hosts: Path
    host_name: str
    port: int = 22
    key: Path | None = None
    certificate: Path | None = None
    environment: frozenset[str] = frozenset({"LANG", "LC_*"})
    shell: bool = False
    commands: str = "allow"
    binary: bool = False
    bulk_bytes: int = 256 * 2**20
    bulk_files: int = 1000
    bulk_removals: int = 20
    mask_bytes: int = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Resource:
    """A backend that agents reach by name.

    :ivar target: Twisted client endpoint string (``tcp:host=db:port=5432``, ``unix:/run/…``).
    :ivar scope: scope a token must have to open it.
    :ivar phi: False turns masking and resolution off: a resource known to hold no PHI.
    :ivar user: the backend account (agents never see it).
    :ivar password: None: client certificate or peer authentication.
    :ivar side_connections: connections for statement resolution at most.
    :ivar scratch: MariaDB and MySQL: the schema that the gateway makes its views in.
    :ivar parameters: start-up and session parameters a client may set, besides the built-in list.
    :ivar http: not None where the protocol is HTTP.
    """

    name: str
    protocol: str
    target: str
    host: str
    database: str
    scope: str
    user: str
    password: Secret | None = None
    certificate: ServerTLS | None = None
    tls: BackendTLS = field(default_factory=BackendTLS)
    phi: bool = True
    side_connections: int = 2
    scratch: str = "hoopgate_scratch"
    parameters: frozenset[str] = frozenset()
    http: HTTPTarget | None = None
    ssh: SSHBackend | None = None
    tokens: TokenSettings | None = None
