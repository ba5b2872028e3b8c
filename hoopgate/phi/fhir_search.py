"""Which searches of FHIR tell something about PHI.

Who searches by a name learns from the number of hits whether there is one. So the type of what a
parameter searches decides (``data/fhir_search.json``, made by ``tools/fhir-tables``): codes,
references, quantities and dates may be searched by, text and identifiers and when somebody was
born may not. A parameter that the specification does not know is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

PREDICATE: Final = "phi.predicate"
OPAQUE: Final = "phi.opaque"

#: Parameters of the answer, not of what is found; and those of pages, by which servers go on.
_RESULT: Final = frozenset(
    {
        *("_count", "_summary", "_elements", "_total", "_pretty", "_include", "_revinclude"),
        *("_contained", "_containedType", "_maxresults", "_type", "_since", "_at", "_score"),
        *("_cursor", "_offset", "_page", "_getpages", "_getpagesoffset", "_bundletype", "page"),
        *("_pageId", "_page_token", "ct", "_typeFilter", "_outputFormat"),
    }
)
_COMMON: Final = frozenset(
    {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_in"}
)
#: Of text, of everything, or in a language of their own.
_FREE: Final = frozenset({"_text", "_content", "_filter", "_query", "_list"})
_BIRTHS: Final = frozenset({"birthdate", "death-date", "birthOrderBoolean", "age"})
_CODED: Final = frozenset(
    {
        *("CodeableConcept", "Coding", "code", "boolean", "dateTime", "CodeableReference"),
        *("canonical", "uri", "id", "Quantity", "Period", "Range", "Age", "positiveInt"),
    }
)
_PLAIN: Final = frozenset({"reference", "quantity", "number", "uri"})
#: Modifiers that search something else than the element's code or reference.
_MODIFIERS: Final = frozenset(
    {"missing", "not", "in", "not-in", "above", "below", "iterate", "recurse"}
)
_COMPOSITE: Final = re.compile(r".*-value-(quantity|concept|date)\Z")


@cache
def parameters() -> Mapping[str, Mapping[str, list[str]]]:
    """Resource → parameter → its kind, and the types of what it searches."""
    text = files("hoopgate.phi").joinpath("data", "fhir_search.json").read_text("utf-8")
    found: Mapping[str, Mapping[str, list[str]]] = json.loads(text)
    return found


def reason(resource: str, name: str, value: str = "") -> str:
    """Why a search may not be made without further ado: :data:`PREDICATE`, :data:`OPAQUE`, or "".

    :param resource: the type that is searched; "" for all.
    :param name: the parameter as written, with modifiers and chains.
    """
    if name.startswith("_has:"):
        return _reverse(name, value)
    first, dot, rest = name.partition(".")
    own, _, modifier = first.partition(":")
    if dot:
        return _chain(resource, own, modifier, rest, value)
    if own == "_sort":
        fields = [one.strip().removeprefix("-") for one in value.split(",")]
        return _worst(reason(resource, field) for field in fields if field)
    if own in _RESULT:
        return PREDICATE if own == "_typeFilter" else ""
    if own in _FREE:
        return PREDICATE
    if modifier and modifier not in _MODIFIERS and not modifier[:1].isupper():
        return PREDICATE
    if own in _COMMON:
        return ""
    return _parameter(resource, own)


def _parameter(resource: str, name: str) -> str:
    table = parameters()
    found = None
    for kind in (resource, "DomainResource", "Resource"):
        found = found or table.get(kind, {}).get(name)
    if found is None:
        return OPAQUE
    kind, *types = found
    if name in _BIRTHS:
        return PREDICATE
    if kind in _PLAIN or kind == "date":
        return ""
    if kind == "token":
        return "" if types and _CODED.issuperset(types) else PREDICATE
    if kind == "composite":
        return "" if _COMPOSITE.match(name) else PREDICATE
    return PREDICATE


def _chain(resource: str, own: str, modifier: str, rest: str, value: str) -> str:
    """``subject:Patient.name``: the last link decides; without a type, all that may be meant do."""
    here = _parameter(resource, own)
    if here:
        return here
    if modifier:
        return reason(modifier, rest, value)
    last = rest.partition(".")[0].partition(":")[0]
    kinds = [kind for kind, names in parameters().items() if last in names]
    return _worst(reason(kind, rest, value) for kind in kinds) if kinds else OPAQUE


def _reverse(name: str, value: str) -> str:
    """``_has:Observation:patient:code``."""
    parts = name.split(":", 3)
    if len(parts) < 4:
        return OPAQUE
    _, kind, link, rest = parts
    return _worst((_parameter(kind, link), reason(kind, rest, value)))


def _worst(reasons: object) -> str:
    assert hasattr(reasons, "__iter__")
    found = set(reasons) - {""}
    return PREDICATE if PREDICATE in found else next(iter(found), "")
