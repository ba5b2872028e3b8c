"""The typed settings: what ``hoopgate.toml`` means once it is valid. Frozen; no I/O in here.

``settings/load.py`` reads and validates the file, ``docs/settings.md`` explains every key.
Secrets are never held: a :class:`Secret` says where one is, and is read when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from hoopgate.plans import Method


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: exactly one of the three is set.

    :ivar file: read at every use, trailing newline dropped; must not be readable by others.
    :ivar environment: name of an environment variable.
    :ivar command: run without a shell, its standard output is the secret (10 s at most).
    """

    file: Path | None = None
    environment: str | None = None
    command: tuple[str, ...] | None = None


class TLSMode(Enum):
    """How the gateway speaks TLS to a backend or directory. There is no "prefer"."""

    DISABLE = "disable"  #: plaintext: loopback and unix sockets only
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"  #: the default: chain and host name


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """The gateway's own certificate on a listener (PEM files)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Node:
    """This gateway process.

    :ivar state_dir: everything durable: log, state database, keys, admin socket.
    :ivar metrics: endpoint string of /metrics and /healthz, loopback; None = off.
    :ivar drain_seconds: how long running sessions may finish after SIGTERM.
    """

    name: str
    state_dir: Path
    metrics: str | None = None
    drain_seconds: float = 30.0
    workers: int = 1  #: parser child processes


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds per connection. Bytes and seconds."""

    startup_bytes: int = 10_000
    token_bytes: int = 65_536
    message_bytes: int = 16 * 2**20  #: a client message above is refused, the session goes on
    response_message_bytes: int = 64 * 2**20
    held_bytes: int = 2**20  #: read ahead of a client whose statement waits
    login_seconds: float = 30.0
    idle_seconds: float = 3600.0
    statement_bytes: int = 2**20  #: SQL text above is refused
    sessions: int = 2000
    sessions_before_login: int = 200
    cancels_per_second: float = 20.0
    grace_seconds: float = 30.0  #: a statement running when the token expires
    hold_seconds: float = 30.0  #: a client that cannot be told waits for an approval


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


@dataclass(frozen=True, slots=True)
class Introspection:
    """An issuer is asked what its opaque tokens mean (RFC 7662).

    :ivar client_id: as whom the gateway asks; with ``client_secret``.
    :ivar url: None: from discovery.
    :ivar cache_seconds: an answer holds: a revoked token is taken so long at most.
    """

    client_id: str
    client_secret: Secret
    url: str | None = None
    cache_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OIDC issuer whose tokens are accepted.

    :ivar url: ``iss``, exactly. https, or http on loopback.
    :ivar audiences: one of them must be in ``aud``.
    :ivar algorithms: the pinned asymmetric algorithms.
    :ivar types: accepted ``typ`` header values, lower case.
    :ivar maximum_lifetime: seconds between ``iat`` and ``exp`` at most.
    :ivar scope_claim: claim with scopes: a string (space separated) or a list.
    :ivar owner_claim: claim naming the person an agent runs for; "" = none.
    :ivar subjects: patterns (``*``, ``?``) of who is accepted; empty: everybody it names.
    :ivar scopes: that its tokens have besides what they say: for workloads, whose tokens say none.
    :ivar introspection: not None: tokens that are no JWT are its.
    """

    name: str
    url: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    types: tuple[str, ...] = ("at+jwt",)
    maximum_lifetime: float = 3600.0
    leeway: float = 30.0
    scope_claim: str = "scope"
    subject_claim: str = "sub"
    owner_claim: str = ""
    jwks_url: str | None = None  #: default: from discovery
    ca_file: Path | None = None
    subjects: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    introspection: Introspection | None = None


@dataclass(frozen=True, slots=True)
class FileDirectory:
    """Groups kept in the settings file: subject → groups. For nodes without a directory."""

    members: Mapping[str, frozenset[str]]  #: group → subjects


@dataclass(frozen=True, slots=True)
class LDAPDirectory:
    """Groups in LDAP.

    :ivar url: ``ldaps://host[:port]`` or ``ldap://`` with ``start_tls``; plain on loopback only.
    :ivar user_filter: with ``{subject}``, escaped when filled in.
    :ivar groups: ``memberof`` (attribute of the user), ``member`` (search with
        ``group_filter``, nested by repetition), or ``ad`` (matching rule in chain).
    :ivar nested: depth of nesting followed at most.
    :ivar group_name: attribute that names a group.
    """

    url: str
    base: str
    user_filter: str = "(uid={subject})"
    bind_dn: str = ""
    bind_password: Secret | None = None
    start_tls: bool = False
    ca_file: Path | None = None
    groups: str = "member"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={uid}))"
    group_name: str = "cn"
    nested: int = 8
    timeout: float = 5.0
    cache_seconds: float = 60.0
    negative_cache_seconds: float = 10.0
    recheck_seconds: float = 300.0
    threads: int = 4


Directory = FileDirectory | LDAPDirectory


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


class LabelClass(Enum):
    SECRET = "secret"
    QUASI = "quasi"
    PUBLIC = "public"  #: reviewed, holds no PHI


#: The kind of a column that no label names.
UNLABELLED = "UNLABELLED"


@dataclass(frozen=True, slots=True)
class Label:
    """A line of the data dictionary.

    :ivar resource: the resource's name.
    :ivar column: ``schema.relation.column``; ``*`` in any part is a wildcard.
    :ivar kind: what the value is: ``SSN``, ``NAME``, ``DATE`` … shown in the redaction.
    :ivar as_text: the column comes as text, whatever its type is: ``[DOB]``, ``1951``, ``90+``.
    :ivar joins: columns with tokens of one kind may be joined: which values are equal is told.
    :ivar patient: it says which patient a row is about: budgets count by it.
    """

    resource: str
    column: str
    kind: str
    level: LabelClass = LabelClass.SECRET
    method: Method = Method.REDACT
    as_text: bool = False
    joins: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Days (0 = Monday) and minutes of the day in ``zone``; an empty set means every day."""

    days: frozenset[int] = frozenset()
    start: int = 0
    end: int = 24 * 60
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Match:
    """When a rule applies: every field that is not empty must match; in a field, any of its values.

    ``relations`` and ``labels`` (kinds) match what is read or written, after resolution where
    there is one; ``*`` and ``?`` are wildcards in subjects, resources and relations.

    :ivar attributes: what a protocol without SQL says of an operation, ``http.path`` → patterns of
        values; of what has a name and a value, ``name`` or ``name=value``.
    """

    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    times: TimeWindow | None = None
    attributes: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the operator or of a pack.

    :ivar name: unique; shown as ``operator/name`` or ``pack/name``.
    :ivar verdict: ``allow``, ``block`` or ``approve``.
    :ivar monitor: only report what it would have done.
    :ivar overrides: names of block rules (``hipaa-baseline/ddl``) this rule stands in for where it
        matches.
    :ivar reviewers: groups who may approve (``approve`` only).
    :ivar expires: seconds a request waits at most.
    :ivar approvers: distinct persons who have to approve.
    :ivar window: seconds for which the same statement passes again once approved; 0: once.
    :ivar effect: what is approved is what the statement did, before it is committed.
    :ivar tokens: kinds whose tokens may be used in a statement that it allows; ``*``: all.
    """

    name: str
    verdict: str
    match: Match = field(default_factory=Match)
    reason: str = ""
    message: str = ""
    remedy: str = ""
    monitor: bool = False
    overrides: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    expires: float = 900.0
    approvers: int = 1
    window: float = 0.0
    effect: bool = False
    tokens: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Budget:
    """What an identity may take in a stretch of time, over all its sessions.

    Stretches of ``window_seconds`` follow one another, the first began with the epoch.

    :ivar name: unique; shown as ``budget/name``.
    :ivar match: whom and what it is for: groups, scopes, subjects, issuers, resources.
    :ivar cells: distinct patients times labelled columns; None: not counted.
    :ivar queries: statements that choose rows by quasi-identifiers; None: not counted.
    :ivar verdict: ``block`` or ``approve``: what becomes of a statement when it is used up.
    """

    name: str
    match: Match = field(default_factory=Match)
    cells: int | None = None
    queries: int | None = None
    window_seconds: float = 3600.0
    verdict: str = "block"
    reviewers: frozenset[str] = frozenset()
    expires: float = 900.0


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """Command lines that may be allowed where a resource's commands are an allow-list.

    :ivar programs: the first word, as it is written.
    :ivar resources: where it holds; empty: everywhere.
    :ivar options: patterns of words that begin with a dash; one with a space in it is an option
        and the value behind it.
    :ivar arguments: patterns of the first other words, one for each.
    :ivar paths: patterns of what the rest of the words lead to on the server, as paths.
    """

    name: str
    programs: frozenset[str]
    resources: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and labels: what SIGHUP reloads. ``digest`` is of their canonical form (hex SHA-256).

    :ivar guards: extra guards, ``package.module:factory``.
    :ivar unlabelled: what a column without a label counts as where there is PHI: secret or public.
    :ivar min_group: patients an aggregate over secret columns must cover; 0 = such aggregates are
        refused.
    """

    rules: tuple[Rule, ...]
    packs: tuple[str, ...]
    labels: tuple[Label, ...]
    digest: str
    guards: tuple[str, ...] = ()
    unlabelled: LabelClass = LabelClass.SECRET
    min_group: int = 0
    commands: tuple[CommandEntry, ...] = ()
    budgets: tuple[Budget, ...] = ()
    text: str = field(default="", repr=False)  #: the canonical form


@dataclass(frozen=True, slots=True)
class WitnessPeer:
    """A witness of this log: c2sp.org/tlog-witness, its verifier key, and where it is asked."""

    name: str
    key: str
    url: str
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """The witness that this node is to other logs.

    :ivar endpoint: Twisted server endpoint string.
    :ivar tls: None: plaintext, on loopback.
    :ivar name: of its key.
    :ivar directory: its key, and what it cosigned last.
    :ivar logs: verifier keys of the logs that it cosigns for.
    :ivar ml_dsa: it cosigns with an ML-DSA-44 key, too.
    """

    endpoint: str
    tls: ServerTLS | None
    name: str
    directory: Path
    logs: tuple[str, ...]
    ml_dsa: bool = False


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Who timestamps the log's checkpoints (RFC 3161).

    :ivar roots: PEM: certificates that verify its tokens.
    :ivar ca_file: those that verify its TLS; None: the system's.
    """

    url: str
    roots: Path
    interval_seconds: float = 3600.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class SharedHead:
    """A PostgreSQL database where the log's head is kept, beside the state directory.

    :ivar password: None: by certificate, trust or peer, as the server says.
    :ivar ca_file: certificates that verify its TLS; None: the system's.
    :ivar tls: False: plaintext, on loopback.
    """

    host: str
    port: int = 5432
    database: str = "hoopgate"
    user: str = "hoopgate"
    password: Secret | None = None
    ca_file: Path | None = None
    tls: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    """The log. ``checkpoint_ms``: signed checkpoint at most this late when dirty.

    :ivar quorum: witnesses that it takes for a checkpoint to be cosigned.
    :ivar gate: ``durable``: a request is forwarded when its leaf is on the disk; ``witnessed``:
        when a checkpoint above it is cosigned, too.
    :ivar signer: socket of a signer that was started apart; None: a child of the node.
    :ivar auditors: public keys (X25519, PEM) that recordings are sealed to; empty: one of the node.
    """

    directory: Path
    origin: str  #: the log's name in its checkpoints, e.g. ``gw-1.example.org/hoopgate``
    checkpoint_ms: int = 200
    window_bytes: int = 2**20  #: response bytes a session may be ahead of the disk
    window_ms: int = 100
    segment_bytes: int = 64 * 2**20
    reserve_bytes: int = 16 * 2**20  #: kept free to close what is open on a full disk
    retention_seconds: float = 2192 * 86400.0  #: six years: 45 CFR 164.316(b)(2)(i)
    quorum: int = 1
    gate: str = "durable"
    witnesses: tuple[WitnessPeer, ...] = ()
    signer: Path | None = None
    auditors: tuple[Path, ...] = ()
    timestamps: TimestampAuthority | None = None
    head: SharedHead | None = None


@dataclass(frozen=True, slots=True)
class EventStream:
    """Where events go as they are signed.

    :ivar to: ``file:/PATH``, ``https://…`` (``http://`` on loopback) or ``syslog://HOST[:PORT]``.
    :ivar token: bearer token for HTTP.
    :ivar ca_file: certificates that verify its TLS; None: the system's.
    :ivar from_now: at the first start, leave out what the log holds already.
    """

    name: str
    to: str
    token: Secret | None = None
    ca_file: Path | None = None
    from_now: bool = False


@dataclass(frozen=True, slots=True)
class Console:
    """The pages for reviewers, auditors and operators.

    :ivar endpoint: Twisted server endpoint string.
    :ivar url: where browsers find it: scheme, host and port, nothing after them.
    :ivar issuer: name of the issuer whose people log in.
    :ivar client_secret: None: a public client, for PKCE alone.
    :ivar audience: asked of the issuer as ``resource`` (RFC 8707); "": not asked.
    :ivar auditors: groups that see sessions, recordings, the log, identities and rules.
    :ivar operators: groups that see running sessions, identities and rules, and end sessions.
    :ivar session_seconds: a log-in is good for; ``idle_seconds``: and without a request.
    """

    endpoint: str
    url: str
    tls: ServerTLS
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ("openid", "hoopgate:approve")
    audience: str = ""
    auditors: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    session_seconds: float = 8 * 3600.0
    idle_seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where agents exchange their tokens for credentials of minutes (RFC 8693).

    :ivar endpoint: Twisted server endpoint string.
    :ivar url: where programs find it: scheme, host and port, nothing after them; ``iss`` of JWTs.
    :ivar lifetime_seconds: of a credential at most; it never outlives the tokens it was given for.
    :ivar delegation: who may act for the holder of a token: ``may_act``: whom its claim names;
        ``any``: and everybody who may open the resource, where it names nobody; ``none``.
    :ivar operators: groups that see and revoke everybody's credentials.
    :ivar addresses: name of a listener → ``host:port`` where clients reach it; without an entry
        it is the host of ``url`` and the listener's own port.
    """

    endpoint: str
    url: str
    tls: ServerTLS
    lifetime_seconds: float = 900.0
    delegation: str = "may_act"
    operators: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """Who is told of steps of approvals.

    :ivar kind: ``webhook`` or ``smtp``.
    :ivar steps: of requests (:class:`hoopgate.approvals.states.Step`).
    :ivar reviewers: groups whose requests are told of; empty: all.
    :ivar secret: key of the signatures of a webhook.
    :ivar tls: ``starttls``, ``tls`` from the first byte, or ``none`` (loopback only).
    """

    name: str
    kind: str
    steps: frozenset[str] = frozenset({"request"})
    reviewers: frozenset[str] = frozenset()
    url: str = ""
    secret: Secret | None = None
    ca_file: Path | None = None
    host: str = ""
    port: int = 587
    tls: str = "starttls"
    sender: str = ""
    recipients: tuple[str, ...] = ()
    user: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole, valid ``hoopgate.toml``."""

    path: Path
    node: Node
    listeners: tuple[Listener, ...]
    issuers: tuple[Issuer, ...]
    directory: Directory
    resources: Mapping[str, Resource]
    policy: Policy
    recording: Recording
    limits: Limits = field(default_factory=Limits)
    embedded_issuer: Path | None = None  #: its settings live in their own file, see docs/issuer.md
    console: Console | None = None
    exchange: Exchange | None = None
    witness: Witness | None = None
    notifications: tuple[Notification, ...] = ()
    streams: tuple[EventStream, ...] = ()
