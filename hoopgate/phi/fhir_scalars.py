"""Values of FHIR that are no objects, by the types that the specification gives them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from hoopgate.phi.fhir_types import DATE, INSTANT, KEEP, NUMBER, TEXT, TRUTH

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
)

_YEAR: Final = re.compile(r"([0-9]{4})(-.*)?")
ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
#: FHIR allows blanks in codes; no terminology in use has them, and text would pass for one.
WORD: Final = re.compile(r"[^\s\x00-\x20\x7f]+")


def scalar(value: Any, form: int, kind: str, name: str, oldest: int) -> Any:
    """What is shown of a value.

    :param form: how values of its type are masked, see ``fhir_types.py``.
    :param kind: the type that it is an element of, as ``name``.
    :param oldest: year as which earlier births are shown.
    :return: :data:`DROP`: nothing.
    """
    if form == KEEP:
        if isinstance(value, str) and len(value) <= 2048 and WORD.fullmatch(value):
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
        if found is not None and form == DATE:
            if (kind, name) in BIRTHS:
                return f"{max(int(found[1]), oldest):04}"
            return found[1]
        if found is not None and form == INSTANT:
            return f"{found[1]}-01-01T00:00:00Z"
    return DROP
