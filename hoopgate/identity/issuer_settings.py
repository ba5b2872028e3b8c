"""``issuer.toml``: what the embedded issuer issues to whom. See ``docs/issuer.md``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hoopgate.errors import IdentityRefused, SettingsError
from hoopgate.identity.client_secrets import is_hash
from hoopgate.identity.fetch import is_loopback
from hoopgate.identity.issuer_keys import MAXIMUM_LIFETIME
from hoopgate.identity.jose import VerificationKey, is_name, verification_key
from hoopgate.identity.oidc import FOREIGN_CLAIMS, actor_chain

#: Algorithms of client assertions (RFC 7523).
ASSERTION_ALGORITHMS = ("ES256", "ES384", "RS256", "PS256", "EdDSA")
_RESERVED_CLAIMS = frozenset(
    ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "scope", "cnf"]
) | frozenset(FOREIGN_CLAIMS)
_TOP = {"issuer", "listen", "certificate", "key", "key_file", "lifetime", "clients", "users"}
_CLIENT = {
    *("secret_hash", "public_keys", "scopes", "resources", "subject", "lifetime", "claims"),
    *("redirect_uris", "device", "refresh"),
}
#: A person logs in again after that at the latest.
MAXIMUM_REFRESH = 30 * 86_400
_USER = {"password_hash", "scopes", "subject", "claims"}


@dataclass(frozen=True, slots=True)
class Client:
    """Who may ask for tokens.

    :ivar resources: audiences it may ask for (RFC 8707); the first one without asking.
    :ivar claims: put into each of its tokens: ``owner``, ``act`` …
    :ivar redirect_uris: where people who log in through it are sent back to. Such a client may be
        without a secret: a public one, for PKCE alone.
    :ivar device: people may let it act for them by the device flow; it may be a public one, too.
    :ivar refresh: seconds after a log-in during which it renews its tokens itself; 0: never.
    """

    id: str
    subject: str
    scopes: frozenset[str]
    resources: tuple[str, ...]
    lifetime: int
    secret_hash: str | None = field(default=None, repr=False)
    public_keys: tuple[VerificationKey, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    redirect_uris: tuple[str, ...] = ()
    device: bool = False
    refresh: int = 0

    @property
    def public(self) -> bool:
        """It has no way to prove who it is."""
        return self.secret_hash is None and not self.public_keys


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """A whole, valid ``issuer.toml``.

    :ivar url: ``iss``. Port 0 stands for the port the kernel gives.
    :ivar listen: Twisted server endpoint string.
    :ivar users: people who may log in with name and password, through a client.
    """

    path: Path
    url: str
    listen: str
    key_file: Path
    clients: Mapping[str, Client]
    certificate: Path | None = None
    key: Path | None = None
    users: Mapping[str, Client] = field(default_factory=dict)


class _Reader:
    """Reads typed values and collects what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def wrong(self, key: str, problem: str) -> None:
        self.problems.append(f"{self.path}: {key}: {problem}")

    def text(self, table: Mapping[str, Any], where: str, key: str, default: str = "") -> str:
        value = table.get(key, default)
        if not is_name(value, 2048):
            self.wrong(where + key, 'missing or not a string; write it as "…"')
            return ""
        return str(value)

    def file(self, table: Mapping[str, Any], where: str, key: str) -> Path:
        return self.path.parent / self.text(table, where, key)

    def texts(self, table: Mapping[str, Any], where: str, key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(is_name(item, 2048) for item in value):
            self.wrong(where + key, 'not a list of strings; write ["…", "…"]')
            return ()
        return tuple(value)

    def lifetime(self, table: Mapping[str, Any], where: str, default: int) -> int:
        value = table.get("lifetime", default)
        if type(value) is not int or not 1 <= value <= MAXIMUM_LIFETIME:
            self.wrong(where + "lifetime", f"write seconds from 1 to {MAXIMUM_LIFETIME}")
            return default
        return value

    def known(self, table: Mapping[str, Any], where: str, keys: set[str]) -> None:
        for key in sorted(set(table) - keys):
            self.wrong(where + key, f"unknown key; known are {', '.join(sorted(keys))}")


def load_issuer_settings(path: Path) -> IssuerSettings:
    """Read and check ``issuer.toml``. File names in it are relative to its directory.

    :raises SettingsError: with every mistake.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
    except ValueError as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from None
    reader = _Reader(path)
    reader.known(table, "", _TOP)
    url = reader.text(table, "", "issuer")
    secure = _check_url(reader, url)
    given = [name for name in ("certificate", "key") if name in table]
    if len(given) != (2 if secure else 0):
        reader.wrong("certificate", "write certificate and key with https, neither with http")
    lifetime = reader.lifetime(table, "", MAXIMUM_LIFETIME)
    listed = table.get("clients", {})
    if not isinstance(listed, dict) or not listed:
        reader.wrong("clients", "no client; write a table [clients.NAME]")
        listed = {}
    clients = {name: _client(reader, name, entry, lifetime) for name, entry in listed.items()}
    settings = IssuerSettings(
        path=path,
        url=url,
        listen=reader.text(table, "", "listen", "tcp:8443:interface=127.0.0.1"),
        key_file=path.parent / reader.text(table, "", "key_file", "issuer-keys.json"),
        clients=clients,
        certificate=reader.file(table, "", "certificate") if given else None,
        key=reader.file(table, "", "key") if given else None,
        users=_users(reader, table.get("users", {}), lifetime),
    )
    if not settings.users:
        for name in (name for name, client in clients.items() if client.device):
            reader.wrong(f"clients.{name}.device", "nobody can log in; write a table [users.NAME]")
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _check_url(reader: _Reader, url: str) -> bool:
    """Reports an unusable issuer URL; True for https."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        reader.wrong("issuer", "not a URL")
        return False
    if parts.query or parts.fragment or parts.username or url.endswith("/") or not host:
        reader.wrong("issuer", "write a URL without query, fragment, user or final slash")
    elif parts.scheme not in ("http", "https"):
        reader.wrong("issuer", "write https://…")
    elif parts.scheme == "http" and not is_loopback(host):
        reader.wrong("issuer", "http is for loopback only; write https://…")
    return parts.scheme == "https"


def _client(reader: _Reader, name: str, entry: object, lifetime: int) -> Client:
    where = f"clients.{name}."
    if not isinstance(entry, dict):
        reader.wrong(where.rstrip("."), "write a table [clients.NAME]")
        entry = {}
    reader.known(entry, where, _CLIENT)
    if not is_name(name):
        reader.wrong(where, "not a usable client id")
    secret_hash = entry.get("secret_hash")
    if secret_hash is not None and not (isinstance(secret_hash, str) and is_hash(secret_hash)):
        reader.wrong(where + "secret_hash", "write what `hoopgate issuer hash` prints")
        secret_hash = None
    keys = tuple(
        key
        for file in reader.texts(entry, where, "public_keys")
        if (key := _public_key(reader, where, reader.path.parent / file)) is not None
    )
    redirect_uris = reader.texts(entry, where, "redirect_uris")
    for uri in redirect_uris:
        _check_redirect(reader, where, uri)
    device = entry.get("device", False)
    if not isinstance(device, bool):
        reader.wrong(where + "device", "write true or false")
    refresh = entry.get("refresh", 0)
    if type(refresh) is not int or not 0 <= refresh <= MAXIMUM_REFRESH:
        reader.wrong(where + "refresh", f"write seconds from 0 to {MAXIMUM_REFRESH}")
        refresh = 0
    if secret_hash is None and not keys and not redirect_uris and not device:
        reader.wrong(where + "secret_hash", "no way to log in; write secret_hash or public_keys")
    resources = reader.texts(entry, where, "resources")
    if not resources:
        reader.wrong(where + "resources", 'no audience; write ["https://…"]')
    scopes = reader.texts(entry, where, "scopes")
    if any(" " in scope for scope in scopes):
        reader.wrong(where + "scopes", "a scope holds a space; write one string for each")
    return Client(
        id=name,
        subject=reader.text(entry, where, "subject", name),
        scopes=frozenset(scopes),
        resources=resources,
        lifetime=reader.lifetime(entry, where, lifetime),
        secret_hash=secret_hash,
        public_keys=keys,
        claims=_claims(reader, where, entry),
        redirect_uris=redirect_uris,
        device=device is True,
        refresh=refresh,
    )


def _check_redirect(reader: _Reader, where: str, uri: str) -> None:
    parts = urlsplit(uri)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if (parts.scheme != "https" and not local) or parts.fragment or not parts.hostname:
        reader.wrong(where + "redirect_uris", f"{uri}: write https://… without a fragment")


def _users(reader: _Reader, listed: object, lifetime: int) -> Mapping[str, Client]:
    if not isinstance(listed, dict):
        reader.wrong("users", "write a table [users.NAME]")
        return {}
    found = {}
    for name, entry in listed.items():
        where = f"users.{name}."
        if not isinstance(entry, dict) or not is_name(name):
            reader.wrong(where.rstrip("."), "write a table [users.NAME]")
            continue
        reader.known(entry, where, _USER)
        password_hash = entry.get("password_hash")
        if not isinstance(password_hash, str) or not is_hash(password_hash):
            reader.wrong(where + "password_hash", "write what `hoopgate issuer hash` prints")
            password_hash = None
        found[name] = Client(
            id=name,
            subject=reader.text(entry, where, "subject", name),
            scopes=frozenset(reader.texts(entry, where, "scopes")),
            resources=(),
            lifetime=lifetime,
            secret_hash=password_hash,
            claims=_claims(reader, where, entry),
        )
    return found


def _public_key(reader: _Reader, where: str, path: Path) -> VerificationKey | None:
    try:
        loaded = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        reader.wrong(where + "public_keys", f"{path}: not a public key in PEM ({error})")
        return None
    key = verification_key(path.name, loaded, ASSERTION_ALGORITHMS)
    if key is None:
        reader.wrong(
            where + "public_keys", f"{path}: write an EC P-256, Ed25519 or RSA (≥ 2048 bits) key"
        )
    return key


def _claims(reader: _Reader, where: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    claims = entry.get("claims", {})
    if not isinstance(claims, dict):
        reader.wrong(where + "claims", "write a table [clients.NAME.claims]")
        return {}
    for claim in sorted(_RESERVED_CLAIMS.intersection(claims)):
        reader.wrong(f"{where}claims.{claim}", "the issuer itself sets or excludes this claim")
    try:
        actor_chain(claims)
    except IdentityRefused:
        reader.wrong(where + "claims.act", 'write act = { sub = "…" }')
    return claims
