"""Operations of a FHIR server (R4 3.2): what they ask, by their addresses and their Parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from hoopgate.http.inquiry import Pairs
from hoopgate.http.wire import Malformed
from hoopgate.phi.fhir_types import is_resource

#: Hits on a page; whoever wants more at once wants a copy of the data.
PAGE: Final = 250
#: Reads whatever there is of any type: what rules name by type covers none of it.
ANY: Final = "*"

#: Operations whose answer is about definitions, or no more than a search.
_KNOWN: Final = frozenset(
    {
        *("$validate", "$expand", "$lookup", "$validate-code", "$translate", "$subsumes"),
        *("$meta", "$lastn", "$document", "$versions"),
    }
)
_BULK: Final = frozenset({"$everything", "$export"})
#: Of the status of an export.
OF_JOBS: Final = frozenset({"_jobId", "jobId", "job", "jobid", "_outputFormat"})
_OF_DOCUMENTS: Final = frozenset({"persist", "graph"})


def given(document: Any) -> Iterator[tuple[str, str | None]]:
    """What a Parameters resource passes: names and plain values; None: a value that is none."""
    parameters = document.get("parameter") if isinstance(document, dict) else None
    for one in parameters if isinstance(parameters, list) else ():
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise Malformed(400, "parameters", "a parameter without a name")
        found = [item for key, item in one.items() if key.startswith("value")]
        value = found[0] if len(found) == 1 and len(one) == 2 else None
        if isinstance(value, str):
            yield name, value
        else:
            plain = isinstance(value, bool | int | float)
            yield name, json.dumps(value) if plain else None


def kinds_of(operation: str, parameters: Pairs, own: list[str]) -> set[str]:
    """Types of what an operation reads, besides ``own``, which its address names."""
    if operation not in (*_BULK, "$document"):
        return set()
    named = [value for name, value in parameters if name == "_type"]
    if operation == "$document" or not named:
        return {ANY}
    return {one for value in named for one in value.split(",") if is_resource(one)}


def reasons(segments: tuple[str, ...], operation: str, parameters: Pairs, body: Any) -> list[str]:
    """Why an operation may not be run without further ado, by what it is alone.

    :param parameters: of the address and of the body.
    :raises Malformed: a number is none.
    """
    if segments[-1] != operation:
        return ["phi.opaque"]
    names = {name for name, _ in parameters}
    if operation in _BULK:
        return ["phi.bulk"]
    if operation == "$export-poll-status":
        return ["phi.opaque"] if len(segments) > 1 or not names <= OF_JOBS else []
    if operation not in _KNOWN:
        return ["phi.opaque"]
    if operation == "$document":
        return [] if len(segments) == 3 and names <= _OF_DOCUMENTS else ["phi.opaque"]
    if operation == "$validate" and _stored(segments, parameters, body):
        # Whether somebody's record keeps to a profile is for the profile to say, and so for whoever
        # chose or wrote it.
        return ["phi.predicate"]
    if operation == "$lastn":
        for name, value in parameters:
            if name == "max" and number(value) > PAGE:
                return ["phi.bulk"]
    return []


def _stored(segments: tuple[str, ...], parameters: Pairs, body: Any) -> bool:
    """Whether it is about a resource of the server's, and not about one that the client shows."""
    if any(name == "mode" and value.lower() == "profile" for name, value in parameters):
        return True
    if len(segments) < 3:
        return False
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if kind != "Parameters":
        return kind is None
    parts = body.get("parameter")
    return not any(
        isinstance(one, dict) and one.get("name") == "resource" and "resource" in one
        for one in (parts if isinstance(parts, list) else ())
    )


def number(value: str) -> int:
    """A number of hits.

    :raises Malformed: it is none.
    """
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise Malformed(400, "count", "a number of hits must be a number")
    return int(value)
