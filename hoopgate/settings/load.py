"""``hoopgate.toml`` → :class:`Settings`. All mistakes of a file are reported at once.

``docs/settings.md`` explains every key. The names of numbers carry no unit in the file, see
:meth:`hoopgate.settings.reader.Table.bounds`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hoopgate.errors import SettingsError
from hoopgate.settings import endpoints, material
from hoopgate.settings.console import console
from hoopgate.settings.exchange import exchange
from hoopgate.settings.http import http_target
from hoopgate.settings.model import (
    BackendTLS,
    ClientCertificates,
    Directory,
    FileDirectory,
    Introspection,
    Issuer,
    LDAPDirectory,
    Limits,
    Listener,
    Node,
    Policy,
    Resource,
    Secret,
    Settings,
    SSHListener,
    TLSMode,
    TokenSettings,
    Witness,
)
from hoopgate.settings.notifications import notifications
from hoopgate.settings.policy import policy
from hoopgate.settings.reader import Problems, Table, defaults
from hoopgate.settings.rules import known, name
from hoopgate.settings.ssh import ssh_backend, ssh_listener
from hoopgate.settings.streams import streams
from hoopgate.settings.witness import recording, witness

PROTOCOLS = ("postgres", "ssh", "mariadb", "mysql", "http")
AUTHENTICATIONS = ("token", "oauthbearer", "scram", "credential")
#: What an issuer has said of an opaque token holds so long at most.
MAXIMUM_CACHE_SECONDS = 300.0
#: MariaDB and MySQL speak one protocol, in two dialects.
_MYSQL = ("mariadb", "mysql")
#: Signature algorithms whose verifier holds no secret. HS256 and "none" are not among them.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


def load(path: Path) -> Settings:
    """Read and validate the settings file.

    :raises SettingsError: with a line for every mistake.
    """
    return _load(path, check=True)


def load_policy(path: Path) -> Policy:
    """Read only what a running node can take up: rules, packs, labels, guards.

    Certificates and secrets are not looked at: after start-up the node may have dropped the right
    to read them.

    :raises SettingsError: something in the file is wrong; the policy in force stays.
    """
    return _load(path, check=False).policy


def load_unchecked(path: Path) -> Settings:
    """Read the whole file as a child of a running node does: certificates and secrets are not
    looked at, which it may have no right to.

    :raises SettingsError: something in the file is wrong.
    """
    return _load(path, check=False)


def needs_restart(running: Settings) -> tuple[str, ...]:
    """Sections of the file on disk that differ from the running ones and are not taken up.

    :raises SettingsError: as :func:`load_policy`.
    """
    now = _load(running.path, check=False)
    sections = [field.name for field in dataclasses.fields(Settings) if field.name != "policy"]
    return tuple(one for one in sections if getattr(now, one) != getattr(running, one))


def _load(path: Path, *, check: bool) -> Settings:
    path = path.absolute()
    problems = Problems(path)
    root = Table(_parse(path), "", problems)
    node = _node(root.table("node"), check)
    directory = _directory(root.table("directory"), check)
    issuers = tuple(_issuers(root, check))
    resources = {one.name: one for one in _resources(root, check)}
    listeners = tuple(_listeners(root, resources, issuers, check))
    settings = Settings(
        path=path,
        node=node,
        listeners=listeners,
        issuers=issuers,
        directory=directory,
        resources=resources,
        policy=policy(
            root,
            resources,
            {issuer.name: issuer.url for issuer in issuers},
            frozenset(directory.members) if isinstance(directory, FileDirectory) else None,
        ),
        recording=recording(root.table("recording"), node, check),
        limits=_limits(root.table("limits")),
        embedded_issuer=_embedded_issuer(root.table("embedded_issuer"), check)
        if "embedded_issuer" in root
        else None,
        console=console(root.table("console"), issuers, check) if "console" in root else None,
        exchange=exchange(root.table("exchange"), listeners, check) if "exchange" in root else None,
        witness=witness(root.table("witness"), check) if "witness" in root else None,
        notifications=notifications(root.tables("notifications"), check),
        streams=tuple(streams(root, check)),
    )
    root.finish()
    if problems.lines:
        raise SettingsError(problems.lines)
    return settings


def load_witness(path: Path, *, check: bool = True) -> Witness:
    """The table ``[witness]`` of a file that may have others, too.

    :raises SettingsError: every mistake in it.
    """
    path = path.absolute()
    problems = Problems(path)
    root = Table(_parse(path), "", problems)
    found = witness(root.table("witness"), check)
    if problems.lines:
        raise SettingsError(problems.lines)
    return found


def _parse(path: Path) -> Mapping[str, object]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise SettingsError([f"{path}: no such file; write the path of a hoopgate.toml"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}; write a file that can be read"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: not UTF-8; write TOML, which is UTF-8"]) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: not TOML: {error}; write TOML 1.0"]) from None


def _node(table: Table, check: bool) -> Node:
    metrics = None
    if "metrics" in table:
        example = '"tcp:9187:interface=127.0.0.1"'
        metrics = endpoints.server(table, "metrics", example)
        if metrics and not endpoints.listens_locally(metrics):
            table.wrong("metrics", "reachable from other machines", example)
    node = Node(
        name=table.text("name", example='"gw-1.example.org"'),
        state_dir=table.path("state_dir", example='"/var/lib/hoopgate"'),
        metrics=metrics,
        **table.bounds(Node),
    )
    if check and "state_dir" in table:
        material.directory(table, "state_dir", node.state_dir)
    table.finish()
    return node


def _limits(table: Table) -> Limits:
    found = Limits(**table.bounds(Limits))
    table.finish()
    return found


def _embedded_issuer(table: Table, check: bool) -> Path:
    path = table.path("file", example='"issuer.toml"')
    if check:
        material.read(table, "file", path, "the issuer's settings")
    table.finish()
    return path


# --- clients' side -----------------------------------------------------------------------------


def _listeners(
    root: Table, resources: Mapping[str, Resource], issuers: Sequence[Issuer], check: bool
) -> Iterator[Listener]:
    taken: set[str] = set()
    for table in root.tables("listeners"):
        tls = None
        if "tls" in table:
            tls_table = table.table("tls")
            tls = material.pair(tls_table, check=check)
            tls_table.finish()
        authentication = table.choice("authentication", AUTHENTICATIONS, "token")
        listener = Listener(
            name=name(table, taken, "listeners"),
            protocol=table.choice("protocol", PROTOCOLS),
            endpoint=endpoints.server(table, "endpoint", '"tcp:5432"'),
            tls=tls,
            resources=table.texts("resources"),
            authentication=authentication,
            issuer_url=_issuer_url(table, authentication, issuers),
            clients=_clients(table, check),
            ssh=_ssh_listener(table, issuers, check),
            http2=table.boolean("http2", False),
        )
        if listener.http2 and (tls is None or listener.protocol != "http"):
            table.wrong("http2", "is for HTTP with TLS only", "leave it out")
        if listener.clients is not None and tls is None:
            table.wrong("clients", "has no meaning without TLS", "tls = { … } on the listener")
        plain = tls is None and listener.ssh is None
        if listener.endpoint and plain and not endpoints.listens_locally(listener.endpoint):
            write = "tls = { certificate = …, key = … }, or an endpoint on loopback"
            table.wrong("tls", "missing: tokens would cross the network in the clear", write)
        _check_authentication(table, listener)
        known(table, "resources", listener.resources, resources)
        for one in listener.resources:
            resource = resources.get(one)
            if resource is not None and resource.protocol != listener.protocol:
                wrong = f'"{one}" speaks {resource.protocol}, the listener {listener.protocol}'
                table.wrong("resources", wrong, "a resource of the same protocol")
        table.finish()
        yield listener
    if not taken:
        root.wrong("listeners", "missing: nobody could connect", "a table [[listeners]]")


def _ssh_listener(table: Table, issuers: Sequence[Issuer], check: bool) -> SSHListener | None:
    ssh = table.choice("protocol", PROTOCOLS) == "ssh"
    if "ssh" in table and not ssh:
        table.wrong("ssh", "has no meaning for another protocol", 'protocol = "ssh"')
    for key in ("tls", "clients", "authentication") if ssh else ():
        if key in table:
            table.wrong(key, "has no meaning for SSH", "it for other protocols only")
    names = [one.name for one in issuers]
    return ssh_listener(table, names, check=check) if ssh or "ssh" in table else None


def _check_authentication(table: Table, listener: Listener) -> None:
    """Each protocol has its own ways; in MySQL's a token has none but TLS."""
    own = ("token", "credential") if listener.protocol in _MYSQL else AUTHENTICATIONS[:3]
    if listener.protocol and listener.authentication not in own:
        wrong = f'"{listener.authentication}" is no way of protocol {listener.protocol}'
        table.wrong("authentication", wrong, " or ".join(f'"{one}"' for one in own))
    elif listener.protocol in _MYSQL and listener.authentication == "token" and not listener.tls:
        write = 'tls = { certificate = …, key = … }, or authentication = "credential"'
        table.wrong("tls", "missing: clients send a token over TLS only", write)


def _clients(parent: Table, check: bool) -> ClientCertificates | None:
    table = parent.table("clients")
    if "clients" not in parent:
        return None
    ca_file = material.authorities(table, "ca_file", check=check)
    crl_file = material.revocations(table, "crl_file", check=check)
    if ca_file is None:
        table.wrong("ca_file", "missing", "the path of a PEM file")
    table.finish()
    return None if ca_file is None else ClientCertificates(ca_file, crl_file)


def _issuer_url(table: Table, authentication: str, issuers: Sequence[Issuer]) -> str:
    """Where OAUTHBEARER clients are sent for a token: to the issuer named, or to the only one."""
    named = table.optional_text("issuer")
    urls = {issuer.name: issuer.url for issuer in issuers}
    if authentication != "oauthbearer":
        if named is not None:
            write = 'authentication = "oauthbearer"'
            table.wrong("issuer", f'has no meaning for authentication "{authentication}"', write)
        return ""
    if named is None:
        if len(urls) > 1:
            table.wrong("issuer", "missing: which of the issuers is it?", " or ".join(urls))
        return next(iter(urls.values()), "")
    known(table, "issuer", [named], urls)
    return urls.get(named, "")


def _issuers(root: Table, check: bool) -> Iterator[Issuer]:
    taken: set[str] = set()
    urls: set[str] = set()
    opaque = False
    for table in root.tables("issuers"):
        default = defaults(Issuer)
        issuer = Issuer(
            name=name(table, taken, "issuers"),
            url=table.text("url", example='"https://login.example.org"'),
            audiences=table.texts("audiences", example='["https://gw-1.example.org"]'),
            algorithms=table.texts("algorithms", default["algorithms"], '["ES256"]'),
            types=tuple(_type(one) for one in table.texts("types", default["types"])),
            maximum_lifetime=table.duration("maximum_lifetime", default["maximum_lifetime"]),
            leeway=table.duration("leeway", default["leeway"], zero=True),
            scope_claim=table.text("scope_claim", default["scope_claim"]),
            subject_claim=table.text("subject_claim", default["subject_claim"]),
            owner_claim=table.text("owner_claim", default["owner_claim"]),
            jwks_url=table.optional_text("jwks_url"),
            ca_file=material.authorities(table, "ca_file", check=check),
            subjects=table.texts("subjects", (), '["repo:example/agents:*"]', empty=True),
            scopes=frozenset(table.texts("scopes", (), '["hoopgate:clinic"]', empty=True)),
            introspection=_introspection(table, check),
        )
        if "*" in issuer.subjects:
            table.wrong("subjects", '"*" is everybody', "a narrower pattern, or leave it out")
        if issuer.introspection is not None and opaque:
            table.wrong("introspection", "another issuer has it: an opaque token names none", "one")
        opaque = opaque or issuer.introspection is not None
        _check_url(table, "url", issuer.url, ("https", "http"))
        _check_url(table, "jwks_url", issuer.jwks_url or "", ("https", "http"))
        known(table, "algorithms", issuer.algorithms, ALGORITHMS)
        if issuer.url and issuer.url in urls:
            table.wrong("url", f'two issuers have the url "{issuer.url}"', "one table for it")
        urls.add(issuer.url)
        table.finish()
        yield issuer
    if not taken:
        root.wrong("issuers", "missing: no token would be accepted", "a table [[issuers]]")


def _type(word: str) -> str:
    """``none`` stands for a token without ``typ``, as Kubernetes issues them."""
    return "" if word.lower() == "none" else word.lower()


def _introspection(parent: Table, check: bool) -> Introspection | None:
    if "introspection" not in parent:
        return None
    table = parent.table("introspection")
    secret = material.secret(table, "client_secret", check=check)
    if secret is None:
        table.wrong("client_secret", "missing", '{ file = "…" }')
    found = Introspection(
        client_id=table.text("client_id", example='"hoopgate"'),
        client_secret=secret or Secret(),
        url=table.optional_text("url"),
        cache_seconds=table.duration("cache", defaults(Introspection)["cache_seconds"], zero=True),
    )
    _check_url(table, "url", found.url or "", ("https", "http"))
    if found.cache_seconds > MAXIMUM_CACHE_SECONDS:
        table.wrong("cache", "a revoked token would be taken for too long", '"5m" at most')
    table.finish()
    return found


def _check_url(table: Table, key: str, url: str, schemes: tuple[str, str]) -> bool:
    """Encrypted, or on loopback; True when the URL is well-formed and encrypted."""
    if not url:
        return False
    encrypted, plain = schemes
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in schemes or parts.username or parts.fragment:
        table.wrong(key, f'"{url}" is no {encrypted} URL', f'"{encrypted}://host"')
        return False
    if parts.scheme == plain and not endpoints.is_loopback(host):
        table.wrong(key, f"{plain} to another machine", f"{encrypted}://, or a loopback host")
    return parts.scheme == encrypted


def _directory(table: Table, check: bool) -> Directory:
    kind = table.choice("kind", ("file", "ldap"), "file")
    directory = _file_directory(table) if kind == "file" else _ldap_directory(table, check)
    table.finish()
    return directory


def _file_directory(table: Table) -> FileDirectory:
    groups = table.table("groups")
    return FileDirectory(
        {
            group: frozenset(groups.texts(group, example='["subject", …]'))
            for group in groups.entries()
        }
    )


def _ldap_directory(table: Table, check: bool) -> LDAPDirectory:
    default = defaults(LDAPDirectory)
    found = LDAPDirectory(
        url=table.text("url", example='"ldaps://ldap.example.org"'),
        base=table.text("base", example='"dc=example,dc=org"'),
        user_filter=table.text("user_filter", default["user_filter"]),
        bind_dn=table.text("bind_dn", default["bind_dn"]),
        bind_password=material.secret(table, "bind_password", check=check),
        start_tls=table.boolean("start_tls", default["start_tls"]),
        ca_file=material.authorities(table, "ca_file", check=check),
        groups=table.choice("groups", ("member", "memberof", "ad"), default["groups"]),
        group_base=table.text("group_base", default["group_base"]),
        group_filter=table.text("group_filter", default["group_filter"]),
        group_name=table.text("group_name", default["group_name"]),
        timeout=table.duration("timeout", default["timeout"]),
        **table.bounds(LDAPDirectory, but=["timeout"]),
    )
    if "{subject}" not in found.user_filter:
        table.wrong("user_filter", "no {subject} in it", default["user_filter"])
    if bool(found.bind_dn) != (found.bind_password is not None):
        table.wrong("bind_dn", "bind_dn and bind_password go together", "both, or neither")
    if found.start_tls and found.url.startswith("ldaps:"):
        table.wrong("start_tls", "ldaps is encrypted from the first byte", "false, or ldap://")
    if not found.start_tls:
        _check_url(table, "url", found.url, ("ldaps", "ldap"))
    return found


# --- backends' side ----------------------------------------------------------------------------


def _resources(root: Table, check: bool) -> Iterator[Resource]:
    taken: set[str] = set()
    default = defaults(Resource)
    for table in root.tables("resources"):
        resource_name = name(table, taken, "resources")
        target, host = endpoints.client(table, "target", '"db.example.org:5432"')
        credentials = table.table("credentials")
        certificate = None
        if "certificate" in credentials or "key" in credentials:
            certificate = material.pair(credentials, check=check)
        protocol = table.choice("protocol", PROTOCOLS)
        ssh = None
        if protocol == "ssh" or "ssh" in table:
            ssh = ssh_backend(table, target, host, check=check)
            if protocol != "ssh":
                table.wrong("ssh", f"has no meaning for protocol {protocol}", 'protocol = "ssh"')
        http = http_target(table) if protocol == "http" or "http" in table else None
        if http is not None and protocol != "http":
            table.wrong("http", f"has no meaning for protocol {protocol}", 'protocol = "http"')
        if "credentials" not in table and http is None:
            table.wrong(
                "credentials", "missing", 'credentials = { user = "…", password = { file = "…" } }'
            )
        anonymous = http is not None and http.credential in ("none", "header")
        yield Resource(
            name=resource_name,
            protocol=protocol,
            target=target,
            host=host,
            database=table.text("database", host or "-")
            if protocol == "ssh"
            else table.text("database", None if http is None else http.base or "/"),
            scope=table.text("scope", f"hoopgate:{resource_name}"),
            user=credentials.text("user", "-" if anonymous else None)
            if "credentials" in table
            else "",
            password=material.secret(credentials, "password", check=check),
            certificate=certificate,
            tls=BackendTLS(TLSMode.DISABLE)  # it has keys of its own
            if protocol == "ssh"
            else _backend_tls(table.table("tls"), target, host, check),
            phi=table.boolean("phi", default["phi"]),
            side_connections=table.integer("side_connections", default["side_connections"]),
            scratch=table.text("scratch", default["scratch"]),
            parameters=frozenset(table.texts("parameters", (), '["search_path"]')),
            http=http,
            ssh=ssh,
            tokens=_tokens(table.table("tokens"), check) if "tokens" in table else None,
        )
        credentials.finish()
        table.finish()
    if not taken:
        root.wrong("resources", "missing: there would be nothing to reach", "a table [[resources]]")


def _tokens(table: Table, check: bool) -> TokenSettings:
    keys = material.secret(table, "keys", check=check)
    if keys is None:
        table.wrong("keys", "missing", 'keys = { file = "…" }, made by hoopgate token-key')
    default = defaults(TokenSettings)
    found = TokenSettings(
        keys or Secret(),
        table.duration("lifetime", default["lifetime_seconds"]),
        table.integer("entries", default["entries"]),
    )
    table.finish()
    return found


def _backend_tls(table: Table, target: str, host: str, check: bool) -> BackendTLS:
    found = BackendTLS(
        TLSMode(table.choice("mode", [mode.value for mode in TLSMode], TLSMode.VERIFY_FULL.value)),
        material.authorities(table, "ca_file", check=check),
        table.optional_text("server_name"),
    )
    if found.mode is TLSMode.DISABLE:
        if host and not endpoints.is_loopback(host):
            write = '"verify-full", or a target on loopback or a unix socket'
            table.wrong("mode", f"PHI would cross the network to {host} in the clear", write)
        for key in ("ca_file", "server_name"):
            if key in table:
                table.wrong(key, 'has no meaning for mode "disable"', "another mode")
    elif target.startswith("unix:"):
        table.wrong("mode", "a unix socket has no TLS", '"disable"')
    table.finish()
    return found
