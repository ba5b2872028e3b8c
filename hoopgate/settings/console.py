"""``[console]``: the pages for reviewers, auditors and operators."""

from __future__ import annotations

from collections.abc import Sequence

from hoopgate.settings import endpoints, material, urls
from hoopgate.settings.model import Console, Issuer
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import known


def console(table: Table, issuers: Sequence[Issuer], check: bool) -> Console:
    """The table ``[console]``."""
    default = defaults(Console)
    names = [one.name for one in issuers]
    issuer = table.text("issuer", names[0] if len(names) == 1 else None, f'"{(names or ["…"])[0]}"')
    if issuer:
        known(table, "issuer", [issuer], names)
    found = next((one for one in issuers if one.name == issuer), None)
    tls = table.table("tls")
    if "tls" not in table:
        table.wrong("tls", "missing", "tls = { certificate = …, key = … }")
    pair = material.pair(tls, check=check and "tls" in table)
    tls.finish()
    settings = Console(
        endpoint=endpoints.server(table, "endpoint", '"tcp:8443"'),
        url=_url(table),
        tls=pair,
        issuer=issuer,
        client_id=table.text("client_id", "hoopgate-console"),
        client_secret=material.secret(table, "client_secret", check=check),
        scopes=table.texts("scopes", default["scopes"]),
        audience=table.text("audience", found.audiences[0] if found and found.audiences else ""),
        auditors=frozenset(table.texts("auditors", (), '["auditors"]', empty=True)),
        operators=frozenset(table.texts("operators", (), '["operators"]', empty=True)),
        session_seconds=table.duration("session_time", default["session_seconds"]),
        idle_seconds=table.duration("idle_time", default["idle_seconds"]),
    )
    table.finish()
    return settings


def _url(table: Table) -> str:
    example = '"https://console.example.org:8443"'
    url = table.text("url", example=example)
    if url and not urls.is_origin(url):
        table.wrong("url", f'"{url}" is not scheme, host and port of https', example)
    return url.lower()
