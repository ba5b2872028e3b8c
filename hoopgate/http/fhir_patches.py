"""JSON Patch (RFC 6902) of FHIR resources: a step that fails tells what is there.

``test`` compares, ``copy`` and ``move`` carry PHI to where it is not masked. ``replace`` and
``remove`` fail where nothing is, and ``add`` behind the end of a list: within what is shown as a
constant (how many given names, whether there is a prefix) that would tell.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.http.wire import Malformed
from hoopgate.phi.fhir_types import TEXT, types

PREDICATE: Final = "phi.predicate"
SINK: Final = "phi.sink"

#: Types whose elements are shown as constants, or not at all (phi/fhir.py).
_CLOSED: Final = frozenset(
    {
        *("HumanName", "Address", "ContactPoint", "Identifier", "Attachment", "Annotation"),
        *("Narrative", "Signature", "Extension", "SampledData"),
    }
)
_INDEX: Final = re.compile(r"[0-9]{1,6}|-")


def reasons(kind: str, patch: list[Any]) -> list[str]:
    """Why a patch of a resource of type ``kind`` may not be made without further ado.

    :raises Malformed: it is none.
    """
    found = []
    for step in patch:
        verb = step.get("op") if isinstance(step, dict) else None
        path = step.get("path") if isinstance(step, dict) else None
        if not isinstance(path, str) or (path and not path.startswith("/")):
            raise Malformed(400, "patch", "the body is no JSON Patch")
        if verb == "test":
            found.append(PREDICATE)
        elif verb in ("copy", "move"):
            found.append(SINK)
        elif verb not in ("add", "remove", "replace"):
            raise Malformed(400, "patch", "the body is no JSON Patch")
        elif not _open(kind, path) or path.startswith("/meta/profile"):
            # A server that checks what it stores says whether all of it keeps to a profile.
            found.append(PREDICATE)
    return found


def _open(kind: str, path: str) -> bool:
    """Whether all is shown on the way to ``path`` that makes a step fail."""
    kinds: tuple[str, ...] = (kind,)
    text = False  # the last element is one: of a list of them one is shown
    for token in path.split("/")[1:]:
        if _INDEX.fullmatch(token):
            if text and token != "-":
                return False
            continue
        if _CLOSED.intersection(kinds):
            return False
        elements = [types()[one][token] for one in kinds if token in types().get(one, {})]
        if not elements and token not in ("extension", "modifierExtension"):
            return False
        text = any(one.scalar == TEXT for one in elements)
        kinds = tuple(code for one in elements for code in one.kinds) or ("Extension",)
    return True
