"""This process: its name, its bounds, its log, and who else keeps the log's head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoopgate.settings.model.secrets import Secret, ServerTLS


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
