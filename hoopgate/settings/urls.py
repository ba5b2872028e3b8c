"""URLs in the settings: what may be written as one. Nothing is asked, no name is looked up."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hoopgate.settings import endpoints
from hoopgate.settings.reader import Table

_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def parts(url: str) -> SplitResult | None:
    """A URL taken apart (RFC 3986); None when it is none, names no host, or a user."""
    # urlsplit drops what cannot be seen.
    if not (url.isascii() and url.isprintable()) or " " in url:
        return None
    try:
        found = urlsplit(url)
        if not found.hostname or found.port == 0 or found.username is not None:
            return None
    except ValueError:
        return None
    return found


def is_safe(url: str, encrypted: str = "https", plain: str = "http") -> bool:
    """True for a URL whose scheme encrypts, and for a plain one on loopback."""
    found = parts(url)
    if found is None or found.fragment:
        return False
    return found.scheme == encrypted or (
        found.scheme == plain and endpoints.is_loopback(found.hostname or "")
    )


def is_origin(url: str) -> bool:
    """True for ``https://host`` or ``https://host:port`` with nothing behind it."""
    found = parts(url)
    return found is not None and found.scheme == "https" and f"https://{found.netloc}" == url


def origins(table: Table) -> tuple[str, ...]:
    """``origins`` of a table: of pages in browsers, as these write them."""
    found = tuple(one.lower() for one in table.texts("origins", (), '["https://a.example"]'))
    for one in found:
        if not _ORIGIN.fullmatch(one):
            table.wrong("origins", f'"{one}" is no origin', '"https://app.example.org"')
    return found


def check(table: Table, key: str, url: str, encrypted: str = "https", plain: str = "http") -> None:
    """Note a URL that is none, or would cross the network in the clear."""
    if not url or is_safe(url, encrypted, plain):
        return
    found = parts(url)
    if found is not None and found.scheme == plain and not found.fragment:
        table.wrong(key, f"{plain} to another machine", f"{encrypted}://, or a loopback host")
    else:
        table.wrong(key, f'"{url}" is no {encrypted} URL', f'"{encrypted}://host"')
