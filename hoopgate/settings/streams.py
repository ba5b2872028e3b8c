"""``[[streams]]``: where events go as they are signed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from hoopgate.settings import endpoints, material
from hoopgate.settings.model import EventStream
from hoopgate.settings.reader import Table

_EXAMPLE = '"syslog://siem.example.org:6514", "https://…", or "file:/…"'


def streams(root: Table, check: bool) -> Iterator[EventStream]:
    """The tables ``[[streams]]``."""
    taken: set[str] = set()
    for table in root.tables("streams"):
        found = EventStream(
            name=table.text("name", example='"siem"'),
            to=table.text("to", example=_EXAMPLE),
            token=material.secret(table, "token", check=check),
            ca_file=table.optional_path("ca_file"),
            from_now=table.boolean("from_now", False),
        )
        if found.name in taken:
            table.wrong("name", f'"{found.name}" is there twice', "another name")
        taken.add(found.name)
        if found.to and not _usable(found.to):
            table.wrong("to", f'"{found.to}" is no place for events', _EXAMPLE)
        if found.token is not None and not found.to.startswith("http"):
            table.wrong("token", "only HTTP servers are shown one", "no token")
        if check and found.ca_file is not None:
            material.read(table, "ca_file", found.ca_file, "certificates (PEM)")
        table.finish()
        yield found


def _usable(to: str) -> bool:
    try:
        url: SplitResult = urlsplit(to)
        if url.port == 0 or url.username is not None:
            return False
    except ValueError:
        return False
    if url.scheme == "file":
        return url.path.startswith("/") and not url.netloc
    if url.scheme == "http":
        return endpoints.is_loopback(url.hostname or "")
    return url.scheme in ("https", "syslog") and bool(url.hostname)
