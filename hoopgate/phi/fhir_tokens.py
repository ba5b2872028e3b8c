"""Searches of FHIR by a token: equality with elements whose values come as tokens.

``Patient?identifier=[MRN:1.8f0c…]`` asks which patients have a value that the client has seen the
token of, which says no more than the tokens do. That holds where everything that the parameter
compares (``data/fhir_equality.json``, made by ``tools/fhir-tables``) comes as tokens of that kind,
and where it is compared whole: a search by text finds what begins alike, so ``:exact`` is asked
for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from hoopgate.phi.fhir_places import Roots, below, kinds_of, mask_of, within
from hoopgate.phi.tokens import Token, read
from hoopgate.plans import Method, PathMask

_LIST: Final = 100
_ESCAPED: Final = str.maketrans({one: f"\\{one}" for one in "\\,|$"})


@cache
def comparisons() -> Mapping[str, Mapping[str, list[str]]]:
    """Resource → parameter → its kind, and the places of all that it compares."""
    text = files("hoopgate.phi").joinpath("data", "fhir_equality.json").read_text("utf-8")
    found: Mapping[str, Mapping[str, list[str]]] = json.loads(text)
    return found


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """A parameter of a search with nothing but tokens for values.

    :ivar name, value: as the client wrote them.
    :ivar asked: the parameter's name for the server.
    :ivar places: what it compares, ``Patient.identifier.value``.
    :ivar parts: of the list of values: what stands before the token (``system|``), and the token.
    """

    name: str
    value: str = field(repr=False)
    asked: str
    places: tuple[str, ...]
    parts: tuple[tuple[str, Token], ...] = field(repr=False)

    def filled(self, values: Mapping[Token, str]) -> tuple[str, str]:
        """Name and value for the server, with values in the place of tokens."""
        parts = [front + values[token].translate(_ESCAPED) for front, token in self.parts]
        return self.asked, ",".join(parts)


def token_search(resource: str, name: str, value: str) -> TokenSearch | None:
    """A parameter as a search by tokens; None when it is none, or may not be one."""
    own, _, modifier = name.partition(":")
    found = comparisons().get(resource, {}).get(own)
    if found is None or modifier not in ("", "exact"):
        return None
    kind, *places = found
    if kind != "string" and modifier:
        return None
    parts = []
    for one in value.split(","):
        front, bar, text = one.rpartition("|")
        token = read(text)
        if token is None or (bar and (kind == "string" or not _system(front))):
            return None
        parts.append((front + bar, token))
    if len(parts) > _LIST or len({token.kind for _, token in parts}) > 1:
        return None
    asked = f"{own}:exact" if kind == "string" else own
    return TokenSearch(name, value, asked, tuple(places), tuple(parts))


def _system(text: str) -> bool:
    return text.isprintable() and not set(text) & set("\\|$ ")


def uncovered(kind: str, places: Sequence[str], said: Roots) -> str | None:
    """The first of ``places`` whose values do not come as tokens of ``kind``."""
    for place in places:
        mask = _said_of(place, said)
        if mask is None or mask.method is not Method.TOKEN or mask.label != kind:
            return place
    return None


def _said_of(place: str, said: Roots) -> PathMask | None:
    """What the data dictionary says of a place, as the masking reads it."""
    kind, *elements = place.split(".")
    here = within((), (kind,), said)
    kinds: tuple[str, ...] = (kind,)
    for index, element in enumerate(elements):
        here = below(here, element)
        mask = mask_of(here)
        if mask is not None:
            return mask if index == len(elements) - 1 else None
        kinds = tuple(kinds_of(kinds, element))
        here = within(here, kinds, said)
    return None
