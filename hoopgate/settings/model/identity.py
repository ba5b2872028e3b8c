"""Whose tokens are accepted, and who knows the groups of a subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hoopgate.settings.model.secrets import Secret


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
