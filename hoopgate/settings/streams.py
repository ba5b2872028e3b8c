"""``[[streams]]``: where events go as they are signed."""

from __future__ import annotations

from collections.abc import Iterator

from hoopgate.settings import material, urls
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
    if to.startswith("file:"):
        path = to.removeprefix("file:").removeprefix("//")
        return path.startswith("/") and not path.startswith("//")
    parts = urls.parts(to)
    return parts is not None and (parts.scheme == "syslog" or urls.is_safe(to))
