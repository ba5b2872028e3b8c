"""``[[listeners]]``: where clients connect, and how they show who they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hoopgate.settings import endpoints, material, urls
from hoopgate.settings.model import ClientCertificates, Issuer, Listener, Resource, SSHListener
from hoopgate.settings.reader import Table
from hoopgate.settings.resources import PROTOCOLS
from hoopgate.settings.rules import known, name
from hoopgate.settings.ssh import ssh_listener

AUTHENTICATIONS = ("token", "oauthbearer", "scram", "credential")
#: MariaDB and MySQL speak one protocol, in two dialects.
_MYSQL = ("mariadb", "mysql")


def listeners(
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
            origins=urls.origins(table),
        )
        if listener.http2 and (tls is None or listener.protocol != "http"):
            table.wrong("http2", "is for HTTP with TLS only", "leave it out")
        if listener.origins and listener.protocol != "http":
            table.wrong("origins", "is for HTTP only", "leave it out")
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
