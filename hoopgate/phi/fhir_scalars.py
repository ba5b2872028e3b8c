"""Values of FHIR that are no objects, by the types that the specification gives them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from hoopgate.phi.fhir_types import DATE, INSTANT, KEEP, NUMBER, TEXT, TRUTH, URI

#: Nothing is shown, not even that there is something.
DROP: Final = object()
_BASE64: Final = "W1JFREFDVEVEXQ=="  # "[REDACTED]"

#: Text that says nothing of a patient: names of codes and units.
_PUBLIC_TEXT: Final = frozenset(
    {
        *(("Coding", "display"), ("Coding", "version")),
        *((unit, "unit") for unit in ("Quantity", "Age", "Count", "Distance", "Duration")),
        ("MoneyQuantity", "unit"),
        ("SimpleQuantity", "unit"),
    }
)
BIRTHS: Final = frozenset(
    (kind, "birthDate") for kind in ("Patient", "Person", "RelatedPerson", "Practitioner")
) | {("FamilyMemberHistory", "bornDate")}

_YEAR: Final = re.compile(r"([0-9]{4})(-.*)?")
ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
#: FHIR allows blanks in codes; no terminology in use has them, and text would pass for one.
WORD: Final = re.compile(r"[^\s\x00-\x20\x7f]+")
#: A name of the web's, a URN, or something relative: no telephone number (``tel:``), no mailbox, no
#: document (``data:``), nothing encoded, no search.
_URI: Final = re.compile(
    r"(?:https?://[^\s?#@%]+(?:\?fhir_(?:vs|cm)[=A-Za-z0-9/.-]*)?"
    r"|urn:[A-Za-z0-9-]{2,32}:[^\s?#@%]+|[^\s:?#@%]*)(?:#[A-Za-z0-9._-]*)?(?:\|[^\s?@%]*)?"
)


def scalar(value: Any, form: int, kind: str, name: str, oldest: int) -> Any:
    """What is shown of a value.

    :param form: how values of its type are masked, see ``fhir_types.py``.
    :param kind: the type that it is an element of, as ``name``.
    :param oldest: year as which earlier ones are shown: who had an illness then is older than that.
    :return: :data:`DROP`: nothing.
    """
    if form == KEEP:
        if isinstance(value, str) and len(value) <= 2048 and WORD.fullmatch(value):
            return value
    elif form == URI:
        if isinstance(value, str) and len(value) <= 2048 and _URI.fullmatch(value):
            return value
    elif form == NUMBER:
        if isinstance(value, int | Decimal | float) and not isinstance(value, bool):
            return value
    elif form == TRUTH:
        if isinstance(value, bool):
            return value
    elif form == TEXT:
        if (kind, name) in _PUBLIC_TEXT and isinstance(value, str):
            return value
        if name == "data" or name.endswith("Base64Binary"):
            return _BASE64
        return "[TEXT]"
    elif isinstance(value, str):
        found = _YEAR.fullmatch(value)
        if found is not None:
            year = f"{max(int(found[1]), oldest):04}"
            if form == DATE:
                return year
            if form == INSTANT:
                return f"{year}-01-01T00:00:00Z"
    return DROP
