"""What the data dictionary says of the elements of FHIR resources: ``Patient.name``,
``HumanName.family``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hoopgate.phi.documents import Places
from hoopgate.plans import PathMask

Roots = Mapping[str, Places]
NONE: Final[tuple[Places, ...]] = ()


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
