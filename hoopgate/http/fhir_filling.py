"""Tokens in searches of FHIR: their values go to the server, and do not come back in links.

Servers say in ``Bundle.link`` what was searched for. A link of an answer may hold what the client
itself asked, with its tokens as they were, and places on the way through the pages; one that holds
anything else about PHI is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from hoopgate.http.inquiry import Link, Pairs
from hoopgate.http.targets import Target, encode_query, parse_query
from hoopgate.http.wire import Malformed
from hoopgate.phi import fhir_search
from hoopgate.phi.fhir_links import plain
from hoopgate.phi.fhir_search import PAGES
from hoopgate.phi.fhir_tokens import TokenSearch
from hoopgate.phi.fhir_types import is_resource
from hoopgate.phi.tokens import Token

Filled = Callable[[Sequence[str]], tuple[Target, bytes | None]]

#: Of a page's link: what holds no value of anybody's.
_PAGE: Final = re.compile(
    r"(_count|_offset|_page|page|_getpagesoffset)=[0-9]{1,9}|_pretty=(true|false)"
    r"|_getpages=[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|_bundletype=searchset|_format=(json|application/fhir[+]json)"
)
#: Where a server goes on, in its own way: one word.
_CURSOR: Final = re.compile(r"[A-Za-z0-9._~=+/:|-]{1,1024}")


def filling(target: Target, form: Pairs | None, searches: Sequence[TokenSearch]) -> Filled | None:
    """Makes target and body for the server of what the tokens of ``searches`` stand for, given in
    their order; None where there are none.

    :param form: the body as parameters, when it is one.
    """
    if not searches:
        return None
    tokens = list(tokens_of(searches))
    known = {(one.name, one.value): one for one in searches}

    def fill(values: Sequence[str]) -> tuple[Target, bytes | None]:
        meant = dict(zip(tokens, values, strict=True))

        def written(pairs: Pairs) -> Pairs:
            return tuple(known[pair].filled(meant) if pair in known else pair for pair in pairs)

        body = None if form is None else encode_query(written(form)).encode("ascii")
        return Target(target.segments, written(target.parameters)), body

    return fill


def tokens_of(searches: Sequence[TokenSearch]) -> Iterator[Token]:
    """Every token, in order."""
    return (token for one in searches for _, token in one.parts)


@dataclass(frozen=True, slots=True)
class Pages:
    """Makes the rewriter of a bundle's links of the one for other links.

    :ivar asked: the client's parameters.
    """

    asked: Pairs
    searches: tuple[TokenSearch, ...]

    def __call__(self, link: Link) -> Link:
        return partial(self._page, link)

    def _page(self, link: Link, url: str) -> str | None:
        shown = link(url)
        if shown is None:
            return None
        address, _, query = shown.partition("?")
        if not plain(address):
            return None
        try:
            found = parse_query(query)
        except Malformed:
            return None
        tokens = {one.name.partition(":")[0] for one in self.searches}
        kept = [pair for pair in found if pair[0].partition(":")[0] not in tokens]
        kind = address.rpartition("/")[2]
        if not all(pair in self.asked or _harmless(kind, *pair, tokens) for pair in kept):
            return None
        if len(kept) < len(found):
            # Whatever the server made of the values, the client gets its own words.
            kept += [(one.name, one.value) for one in self.searches]
        return f"{address}?{encode_query(tuple(kept))}" if kept else address


def _harmless(kind: str, name: str, value: str, tokens: set[str]) -> bool:
    if _PAGE.fullmatch(f"{name}={value}"):
        return True
    if name in PAGES:
        return not tokens and _CURSOR.fullmatch(value) is not None
    # A server's own words for a page may hold what was searched for; what is not known is of no use
    # to the client, who may not ask it.
    asked = fhir_search.search(kind if is_resource(kind) else "", name, value)
    return not tokens and not asked.reason
