"""``[[resources]]``: backends that agents reach by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hoopgate.settings import endpoints, material
from hoopgate.settings.http import http_target
from hoopgate.settings.model import BackendTLS, Resource, Secret, TLSMode, TokenSettings
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import name
from hoopgate.settings.ssh import ssh_backend

#: A setting's name, an extension's with a dot.
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
#: They change who runs, how SQL reads, or the protocol itself.
_FIXED = frozenset(
    {"options", "replication", "role", "session_authorization", "user", "database", "is_superuser"}
)
PROTOCOLS = ("postgres", "ssh", "mariadb", "mysql", "http")


def resources(root: Table, check: bool) -> Iterator[Resource]:
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
            parameters=_parameters(table),
            http=http,
            ssh=ssh,
            tokens=_tokens(table.table("tokens"), check) if "tokens" in table else None,
        )
        credentials.finish()
        table.finish()
    if not taken:
        root.wrong("resources", "missing: there would be nothing to reach", "a table [[resources]]")


def _parameters(table: Table) -> frozenset[str]:
    names = table.texts("parameters", (), '["search_path"]')
    for one in names:
        if not _PARAMETER.fullmatch(one):
            table.wrong("parameters", f'"{one}" is no name of a parameter', '"search_path"')
        elif one.lower() in _FIXED:
            table.wrong("parameters", f'"{one}" is never a client\'s to set', "the list without it")
    return frozenset(names)


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
