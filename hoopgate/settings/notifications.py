"""``[[notifications]]``: who is told that something waits for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hoopgate.settings import material, urls
from hoopgate.settings.endpoints import is_loopback
from hoopgate.settings.model import Notification
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import name

KINDS = ("webhook", "smtp")
STEPS = ("request", "endorse", "approve", "deny", "revoke", "expire", "abandon")
TLS = ("starttls", "tls", "none")
#: Keys that only one of the kinds has.
_OF = {
    "webhook": ("url", "secret"),
    "smtp": ("host", "port", "tls", "sender", "recipients", "user", "password"),
}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


def notifications(tables: Iterable[Table], check: bool) -> tuple[Notification, ...]:
    """All of a file, in order."""
    return tuple(_notifications(tables, check))


def _notifications(tables: Iterable[Table], check: bool) -> Iterator[Notification]:
    taken: set[str] = set()
    default = defaults(Notification)
    for table in tables:
        own_name = name(table, taken, "notifications")
        kind = table.choice("kind", KINDS)
        for other, keys in _OF.items():
            for key in keys:
                if key in table and kind in KINDS and kind != other:
                    table.wrong(key, f'has no meaning for kind "{kind}"', f'it with "{other}" only')
        webhook = kind == "webhook"
        found = Notification(
            name=own_name,
            kind=kind,
            steps=frozenset(table.texts("steps", ("request",))),
            reviewers=frozenset(table.texts("reviewers", ())),
            url=_url(table) if webhook else "",
            secret=material.secret(table, "secret", check=check),
            ca_file=material.authorities(table, "ca_file", check=check),
            host="" if webhook else table.text("host", example='"mail.example.org"'),
            port=table.integer("port", default["port"]),
            tls=table.choice("tls", TLS, default["tls"]),
            sender="" if webhook else _address(table, "sender", table.text("sender")),
            recipients=()
            if webhook
            else tuple(
                _address(table, "recipients", one)
                for one in table.texts("recipients", example='["reviewers@example.org"]')
            ),
            user=table.text("user", ""),
            password=material.secret(table, "password", check=check),
        )
        for step in sorted(found.steps - set(STEPS)):
            table.wrong("steps", f'"{step}" is not known', ", ".join(f'"{one}"' for one in STEPS))
        if webhook and found.secret is None:
            table.wrong("secret", "missing: who gets it could not tell who sent it", "secret = {…}")
        if found.port > 65_535:
            table.wrong("port", f"{found.port} is no port", "587")
        if found.tls == "none" and not is_loopback(found.host) and not webhook:
            table.wrong("tls", "without TLS on loopback only", '"starttls" or "tls"')
        if bool(found.user) != (found.password is not None):
            table.wrong("user", "user and password go together", "both or none")
        table.finish()
        yield found


def _url(table: Table) -> str:
    example = '"https://hooks.example.org/…"'
    url = table.text("url", example=example)
    if url and not urls.is_safe(url):
        table.wrong("url", "not an address of https (http on loopback)", example)
    return url


def _address(table: Table, key: str, value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        table.wrong(key, f'"{value}" is no mail address', '"reviewers@example.org"')
    return value
