"""Which searches of FHIR tell something about PHI.

Who searches by a name learns from the number of hits whether there is one. So the type of what a
parameter searches decides (``data/fhir_search.json``, made by ``tools/fhir-tables`` of R4 and R5):
codes, references, quantities and dates may be searched by, text and identifiers and when somebody
was born may not. Neither may a value that is never shown, as a code with blanks in it, or an age
above 89. Definitions may be searched by all that they say. A parameter that neither version knows
is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from hoopgate.phi import fhir_ages
from hoopgate.phi.fhir_types import DEFINITIONS, is_resource
from hoopgate.phi.safe_harbor import OLDEST_AGE

PREDICATE: Final = "phi.predicate"
OPAQUE: Final = "phi.opaque"

#: By which servers go on to another page.
PAGES: Final = frozenset(
    {
        *("_cursor", "_offset", "_page", "_getpages", "_getpagesoffset", "page"),
        *("_pageId", "_page_token", "ct"),
    }
)
#: Parameters of the answer, not of what is found; and those of pages, by which servers go on.
_RESULT: Final = (
    frozenset(
        {
            *("_count", "_summary", "_elements", "_total", "_totalMethod", "_pretty"),
            *("_include", "_revinclude"),
            *("_contained", "_containedType", "_maxresults", "_type", "_since", "_at", "_score"),
            *("_bundletype", "_typeFilter", "_outputFormat"),
        }
    )
    | PAGES
)
_COMMON: Final = frozenset(
    {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_in", "_language"}
)
#: Of text, of everything, or in a language of their own.
_FREE: Final = frozenset({"_text", "_content", "_filter", "_query", "_list"})
_BIRTHS: Final = frozenset({"birthdate", "death-date", "birthOrderBoolean", "age"})
_CODED: Final = frozenset(
    {
        *("CodeableConcept", "Coding", "code", "boolean", "dateTime", "CodeableReference"),
        *("canonical", "uri", "Quantity", "Period", "Range", "Age", "positiveInt"),
    }
)
#: Of a kind, what its parameters may compare; of the kinds that are not here, nothing.
_SHOWN: Final[Mapping[str, frozenset[str]]] = {
    "token": _CODED | {"Reference"},
    "composite": _CODED | {"Reference", "integer", "decimal"},
    "uri": frozenset({"uri", "canonical"}),
}
#: Kinds that compare nothing of what else their elements may be.
_PLAIN: Final = frozenset({"reference", "quantity", "number", "date"})
#: Modifiers that search something else than the element's code or reference.
_MODIFIERS: Final = frozenset(
    {"missing", "not", "in", "not-in", "above", "below", "iterate", "recurse"}
)
#: What is shown of codes and URIs, see ``phi/fhir.py``; and of references.
_WORD: Final = re.compile(r"[^\s\x00-\x20\x7f]{0,2048}")
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_LOCAL: Final = re.compile(
    r"([A-Z][A-Za-z]{1,40}/)?[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?"
    r"|urn:uuid:[0-9a-fA-F-]{36}|urn:oid:[0-9.]{3,100}"
)


#: A number and its unit, of a quantity (R4 3.1.1.4.9).
_QUANTITY: Final = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)"
    r"(?:\|[^|]*\|([^|]*))?"
)


@dataclass(frozen=True, slots=True)
class Search:
    """What a parameter asks for.

    :ivar reason: why it may not be asked without further ado: :data:`PREDICATE`, :data:`OPAQUE`,
        or "".
    :ivar places: what it compares, ``Observation.valueQuantity``: somebody may have said that it is
        not shown.
    """

    reason: str = ""
    places: frozenset[str] = frozenset()


_NOTHING: Final = Search()


@cache
def parameters() -> Mapping[str, Mapping[str, list[str]]]:
    """Resource → parameter → its kind, the types of what it compares, and their places."""
    text = files("hoopgate.phi").joinpath("data", "fhir_search.json").read_text("utf-8")
    found: Mapping[str, Mapping[str, list[str]]] = json.loads(text)
    return found


def search(resource: str, name: str, value: str = "") -> Search:
    """What a parameter asks for.

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
        return _worst([_order(resource, field) for field in fields if field])
    if own in _RESULT:
        return Search(PREDICATE) if own == "_typeFilter" else _NOTHING
    if own in _FREE:
        return Search(PREDICATE)
    if resource in DEFINITIONS and own in parameters().get(resource, {}):
        return Search("", frozenset(parameters()[resource][own][2].split()))
    if modifier and modifier not in _MODIFIERS and not modifier[:1].isupper():
        return Search(PREDICATE)
    if modifier == "missing":
        value = ""
    if own in _COMMON:
        shown = _ID if own == "_id" else _WORD
        return _NOTHING if _all(value, shown) else Search(PREDICATE)
    return _parameter(resource, own, value)


def _parameter(resource: str, name: str, value: str = "") -> Search:
    table = parameters()
    found = None
    for kind in (resource, "DomainResource", "Resource"):
        found = found or table.get(kind, {}).get(name)
    if found is None:
        return Search(OPAQUE)
    kind, codes, places = found[0], frozenset(found[1].split()), frozenset(found[2].split())
    shown = _SHOWN.get(kind)
    if shown is None and kind not in _PLAIN:
        return Search(PREDICATE)
    if not codes or name in _BIRTHS or (shown is not None and not codes <= shown):
        return Search(PREDICATE)
    if kind in ("quantity", "composite") and _hidden_age(value, always="Age" in codes):
        return Search(PREDICATE, places)
    if kind == "reference" and "Reference" in codes:
        good = _all(value, _LOCAL)
    else:
        good = kind in ("quantity", "number", "date") or _all(value, _WORD)
    return Search("" if good else PREDICATE, places)


def _order(resource: str, field: str) -> Search:
    """Sorting by a parameter compares all there is, also ages that are not shown."""
    kind, codes = parameters().get(resource, {}).get(field, ["", "", ""])[:2]
    if kind == "quantity" and "Age" in codes.split():
        return Search(PREDICATE)
    return search(resource, field)


def _hidden_age(value: str, *, always: bool) -> bool:
    """Whether a search compares ages with one that is not shown.

    :param always: whatever the unit.
    """
    for one in re.split(r"[,$]", value):
        found = _QUANTITY.fullmatch(one)
        if found is None:
            continue
        most = fhir_ages.limit(found[3]) or (OLDEST_AGE if always else None)
        # "About" is a tenth more (R4 3.1.1.5.5), and an exponent makes what is equal broader.
        wide = found[1] == "ap" or "e" in found[2].lower()
        if most is not None and float(found[2]) * (1.2 if wide else 1) >= most:
            return True
    return False


def _all(value: str, shown: re.Pattern[str]) -> bool:
    """Whether everything in a list of values is of a kind that is shown."""
    return not value or all(shown.fullmatch(one) for one in value.split(",") if one)


def _chain(resource: str, own: str, modifier: str, rest: str, value: str) -> Search:
    """``subject:Patient.name``: the last link decides; without a type, all that may be meant do."""
    here = _parameter(resource, own)
    if here.reason:
        return here
    if modifier:
        return _worst([here, search(modifier, rest, value)])
    last = rest.partition(".")[0].partition(":")[0]
    kinds = [kind for kind, names in parameters().items() if last in names]
    if not kinds:
        return Search(OPAQUE)
    return _worst([here, *(search(kind, rest, value) for kind in kinds)])


def _reverse(name: str, value: str) -> Search:
    """``_has:Observation:patient:code``."""
    parts = name.split(":", 3)
    if len(parts) < 4:
        return Search(OPAQUE)
    _, kind, link, rest = parts
    return _worst([_parameter(kind, link), search(kind, rest, value)])


def _worst(found: Iterable[Search]) -> Search:
    several = list(found)
    reasons = {one.reason for one in several} - {""}
    reason = PREDICATE if PREDICATE in reasons else next(iter(reasons), "")
    return Search(reason, frozenset().union(*(one.places for one in several)))


def kinds_of(resource: str, name: str, value: str) -> set[str]:
    """Types of what a parameter of a search reads besides what is found: includes, chains,
    ``_has``; ``*``: whatever a reference leads to, or comes from."""
    own, _, modifier = name.partition(".")[0].partition(":")
    if own == "_type":
        return {one for one in value.split(",") if is_resource(one)}
    if own == "_include":
        source, _, rest = value.partition(":")
        link, _, target = rest.partition(":")
        return {source, *_targets(link, target)} - {resource, ""}
    if own == "_revinclude":
        source = value.partition(":")[0]
        return {source if is_resource(source) else "*"} - {resource}
    if own == "_has":
        kind, _, rest = name.removeprefix("_has:").partition(":")
        inner = rest.partition(":")[2]
        return {kind, *kinds_of(kind, inner, value)} - {resource, ""}
    if "." in name and own:
        rest = name.partition(".")[2]
        targets = _targets(own, modifier)
        return targets.union(*(kinds_of(kind, rest, value) for kind in targets)) - {resource}
    return set()


def _targets(link: str, named: str) -> set[str]:
    """What a reference may lead to: the type that is named, or the one that it is called by."""
    called = {"patient": "Patient", "encounter": "Encounter", "organization": "Organization"}
    found = named or called.get(link, "*")
    return {found if is_resource(found) else "*"}
