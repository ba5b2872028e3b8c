"""What the data dictionary says of files: a place is a pattern of paths, and with ``#`` a place in
the file: ``/data/*.csv#ssn``, ``/data/*.json#/patients/*/ssn``, ``/data/fhir/*#Patient.name``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from hoopgate.plans import PathMask

_WILDCARD: Final = re.compile(r"[*?\[]")


def labels_of(path: str, masks: Iterable[PathMask]) -> tuple[PathMask | None, list[PathMask]]:
    """What is said of a file as a whole, and of places in it; the most specific first."""
    whole, inner = None, []
    for mask in masks:
        pattern, marked, place = mask.path.partition("#")
        if not fnmatchcase(path, pattern):
            continue
        if marked:
            inner.append(replace(mask, path=place))
        elif whole is None:
            whole = mask
    return whole, inner


def labelled(path: str, masks: Iterable[PathMask]) -> bool:
    """Whether something in a file is said to be PHI."""
    whole, inner = labels_of(path, masks)
    return bool(inner) or (whole is not None and whole.method is not None)


def labelled_below(directory: str, masks: Iterable[PathMask]) -> bool:
    """Whether there may be such files in a directory."""
    base = directory.rstrip("/") + "/"
    for mask in masks:
        pattern, marked, _ = mask.path.partition("#")
        literal = _WILDCARD.split(pattern, maxsplit=1)[0]
        named = literal.startswith(base) or (literal != pattern and base.startswith(literal))
        if named and (marked or mask.method is not None):
            return True
    return False
