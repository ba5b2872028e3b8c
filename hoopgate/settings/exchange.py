"""``[exchange]``: where agents exchange their tokens for credentials of minutes."""

from __future__ import annotations

from collections.abc import Sequence

from hoopgate.settings import endpoints, material, urls
from hoopgate.settings.model import Exchange, Listener
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import known

_EXAMPLE = '"https://gw.example.org:8445"'


def exchange(table: Table, listeners: Sequence[Listener], check: bool) -> Exchange:
    """The table ``[exchange]``."""
    default = defaults(Exchange)
    tls = table.table("tls")
    if "tls" not in table:
        table.wrong("tls", "missing: tokens come here", "tls = { certificate = …, key = … }")
    pair = material.pair(tls, check=check and "tls" in table)
    tls.finish()
    url = table.text("url", example=_EXAMPLE).rstrip("/").lower()
    if url and not urls.is_origin(url):
        table.wrong("url", f'"{url}" is not scheme, host and port of https', _EXAMPLE)
    lifetime = table.duration("lifetime", default["lifetime_seconds"])
    if not 1 <= lifetime <= default["lifetime_seconds"]:
        table.wrong("lifetime", "longer than a quarter of an hour", '"15m" at most')
    found = Exchange(
        endpoint=endpoints.server(table, "endpoint", '"tcp:8445"'),
        url=url,
        tls=pair,
        lifetime_seconds=lifetime,
        delegation=table.choice("delegation", ("may_act", "any", "none"), default["delegation"]),
        operators=frozenset(table.texts("operators", (), '["operators"]', empty=True)),
        addresses=dict(_addresses(table.table("addresses"), [one.name for one in listeners])),
    )
    table.finish()
    return found


def _addresses(table: Table, names: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for name in table.entries():
        known(table, name, [name], names)
        address = table.text(name, example='"db.example.org:5432"')
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            table.wrong(name, f'"{address}" is no host and port', '"db.example.org:5432"')
        found.append((name, address))
    return found
