"""The typed settings: what ``hoopgate.toml`` means once it is valid. Frozen; no I/O in here.

``settings/load.py`` reads and validates the file, ``docs/settings.md`` explains every key. All is
imported from here; a file beside this one has what belongs to one part of ``hoopgate.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hoopgate.settings.model.identity import (
    Directory,
    FileDirectory,
    Introspection,
    Issuer,
    LDAPDirectory,
)
from hoopgate.settings.model.listeners import (
    ClientCertificates,
    DeviceLogin,
    Listener,
    SSHListener,
)
from hoopgate.settings.model.node import (
    EventStream,
    Limits,
    Node,
    Recording,
    SharedHead,
    TimestampAuthority,
    Witness,
    WitnessPeer,
)
from hoopgate.settings.model.pages import (
    Console,
    Exchange,
    Notification,
)
from hoopgate.settings.model.policy import (
    UNLABELLED,
    Budget,
    CommandEntry,
    Label,
    LabelClass,
    Match,
    Policy,
    Rule,
    TimeWindow,
)
from hoopgate.settings.model.resources import (
    BackendTLS,
    HTTPTarget,
    Resource,
    SSHBackend,
    TokenSettings,
    WebSocketTarget,
)
from hoopgate.settings.model.secrets import (
    Secret,
    ServerTLS,
    TLSMode,
)

__all__ = [
    "UNLABELLED",
    "BackendTLS",
    "Budget",
    "ClientCertificates",
    "CommandEntry",
    "Console",
    "DeviceLogin",
    "Directory",
    "EventStream",
    "Exchange",
    "FileDirectory",
    "HTTPTarget",
    "Introspection",
    "Issuer",
    "LDAPDirectory",
    "Label",
    "LabelClass",
    "Limits",
    "Listener",
    "Match",
    "Node",
    "Notification",
    "Policy",
    "Recording",
    "Resource",
    "Rule",
    "SSHBackend",
    "SSHListener",
    "Secret",
    "ServerTLS",
    "Settings",
    "SharedHead",
    "TLSMode",
    "TimeWindow",
    "TimestampAuthority",
    "TokenSettings",
    "WebSocketTarget",
    "Witness",
    "WitnessPeer",
]


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
