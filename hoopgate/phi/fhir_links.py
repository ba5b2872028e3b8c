"""Links in FHIR that are shown: to resources by type and id, and to pages; not to searches, and not
with words in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

#: A URL of the server → the one by which the client reaches it; None: it is not the server's.
Link = Callable[[str], "str | None"]

#: Of links of a bundle (R4 2.36.2, IANA's link relations).
RELATIONS: Final = frozenset(
    {"self", "first", "previous", "prev", "next", "last", "alternate", "search", "up"}
)
_RELATIVE: Final = re.compile(
    r"#[A-Za-z0-9.-]{0,64}|[A-Z][A-Za-z]{1,40}/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?"
)
_URN: Final = re.compile(r"urn:uuid:[0-9a-fA-F-]{36}|urn:oid:[0-9.]{3,100}")
#: The path of a URL with names and ids in it, and nothing that is encoded.
_PATH: Final = re.compile(r"https?://[^/?#\s]{1,300}(/[A-Za-z0-9$._~-]{1,128}){0,32}/?")


def address_of(target: str, link: Link) -> str | None:
    """A link to a resource, for the client: relative, a URN, or a URL of the server; None: it is
    something else."""
    if _RELATIVE.fullmatch(target) or _URN.fullmatch(target):
        return target
    return link(target) if plain(target) else None


def plain(url: str) -> bool:
    """Whether there is nothing in a URL but host, names and ids."""
    return _PATH.fullmatch(url) is not None
