"""What the specification of FHIR says of every element (R4 and R5): ``data/fhir_types.json``, made
by ``tools/fhir-tables``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

#: What becomes of a value that is no object, by its type.
KEEP, URI, NUMBER, TRUTH, TEXT, DATE, INSTANT, NOTHING = range(8)
SCALARS: Final = {
    **dict.fromkeys(("code", "id", "token"), KEEP),
    **dict.fromkeys(("uri", "canonical", "oid", "uuid"), URI),
    **dict.fromkeys(
        ("decimal", "integer", "integer64", "positiveInt", "unsignedInt", "positiveint"), NUMBER
    ),
    "boolean": TRUTH,
    **dict.fromkeys(("string", "markdown", "xhtml", "encodedBytes", "base64Binary"), TEXT),
    **dict.fromkeys(("date", "dateTime"), DATE),
    "instant": INSTANT,
    **dict.fromkeys(("time", "url"), NOTHING),
}


#: Definitions: they are about no patient. Within another resource they are masked as all else.
DEFINITIONS: Final = frozenset(
    {
        *("CapabilityStatement", "StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap"),
        *("SearchParameter", "OperationDefinition", "NamingSystem", "CompartmentDefinition"),
        *("TerminologyCapabilities", "ImplementationGuide", "StructureMap", "GraphDefinition"),
    }
)


class Element:
    """What the specification says of an element: how a plain value, how an object is masked."""

    __slots__ = ("kinds", "resource", "scalar")

    def __init__(self, codes: str) -> None:
        # Where versions disagree, the stricter: the constants above are in that order.
        plain = [SCALARS[code] for code in codes.split() if code in SCALARS]
        self.scalar = max(plain) if plain else NOTHING
        self.kinds = tuple(code for code in codes.split() if code not in SCALARS)
        self.resource = "Resource" in self.kinds or "ResourceList" in self.kinds


@cache
def types() -> Mapping[str, Mapping[str, Element]]:
    """Type → element → what is said of it."""
    text = files("hoopgate.phi").joinpath("data", "fhir_types.json").read_text("utf-8")
    shared: dict[str, Element] = {}
    return {
        name: {
            element: shared.setdefault(codes, Element(codes)) for element, codes in members.items()
        }
        for name, members in json.loads(text).items()
    }


def is_resource(name: object) -> bool:
    """True for the name of a type of resources."""
    return isinstance(name, str) and "meta" in types().get(name, {})
