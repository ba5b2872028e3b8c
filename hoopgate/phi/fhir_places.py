"""What the data dictionary says of the elements of FHIR resources: ``Patient.name``,
``HumanName.family``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hoopgate.phi.documents import Places
from hoopgate.phi.fhir_types import types
from hoopgate.plans import PathMask

Roots = Mapping[str, Places]
NONE: Final[tuple[Places, ...]] = ()

#: Of a type, what a search by an element of that type compares (R4 3.1.1.4); of the others _PARTS.
_COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "CodeableConcept": ("coding",),
    "CodeableReference": ("concept", "reference"),
    "Coding": ("code", "system"),
    "Period": ("start", "end"),
    "Range": ("low", "high"),
    "Reference": ("reference",),
    "Timing": ("event", "repeat"),
}
_PARTS: Final = ("value", "code", "system", "unit", "currency")


def roots(masks: Sequence[PathMask]) -> Roots:
    """Type → what is said of its elements. JSON pointers are not about FHIR."""
    found: dict[str, Places] = {}
    for mask in masks:
        if "." in mask.path and not mask.path.startswith("/"):
            kind, *elements = mask.path.split(".")
            found.setdefault(kind, Places()).add(elements, mask)
    return found


def within(places: Sequence[Places], kinds: Sequence[str], said: Roots) -> list[Places]:
    """What is said of the members of an element of one of ``kinds``: of its place first, then of
    its type."""
    return [*places, *(said[kind] for kind in kinds if kind in said)]


def below(places: Sequence[Places], name: str) -> list[Places]:
    """What is said of a member, and of what it holds."""
    return [place.keys[key] for place in places for key in (name, "*") if key in place.keys]


def mask_of(places: Sequence[Places]) -> PathMask | None:
    """What is said of a member itself."""
    return next((one.mask for one in places if one.mask), None)


def kinds_of(kinds: Sequence[str], name: str) -> Iterator[str]:
    """The types of a member of an element that has one of ``kinds``."""
    for kind in kinds:
        found = types().get(kind, {}).get(name)
        if found is not None:
            yield from found.kinds


def compares_hidden(place: str, said: Roots) -> bool:
    """Whether a search by ``place`` (``Observation.valueQuantity``) would compare what somebody has
    said is not shown."""
    kind, *elements = place.split(".")
    kinds: tuple[str, ...] = (kind,)
    here = within(NONE, kinds, said)
    for element in elements:
        here = below(here, element)
        mask = mask_of(here)
        if mask is not None:
            return mask.method is not None
        kinds = tuple(kinds_of(kinds, element))
        here = within(here, kinds, said)
    return _hidden(here, kinds, said, 3)


def _hidden(here: Sequence[Places], kinds: Sequence[str], said: Roots, depth: int) -> bool:
    for name in {name for kind in kinds for name in _COMPARED.get(kind, _PARTS)}:
        inner = below(here, name)
        mask = mask_of(inner)
        if mask is not None:
            if mask.method is not None:
                return True
            continue
        parts = tuple(kinds_of(kinds, name))
        if depth and _hidden(within(inner, parts, said), parts, said, depth - 1):
            return True
    return False
