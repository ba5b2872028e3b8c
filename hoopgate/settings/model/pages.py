"""What people and programs are told and asked over HTTP and by mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hoopgate.settings.model.secrets import Secret, ServerTLS


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
