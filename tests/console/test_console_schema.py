"""The JSON API against its own document: schemathesis makes requests, right and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from testbed.console import PROGRAM, ConsoleClinic
from testbed.holding import held

DOCUMENT = json.loads((files("hoopgate.console") / "static" / "openapi.json").read_text())
OPERATIONS = [
    (method, path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if not path.endswith("openapi.json")
]


@pytest.fixture(scope="module")
def pending(console: ConsoleClinic) -> Iterator[str]:
    """Something to be listed."""
    with held(console.clinic.dsn()) as export:
        yield export.request


def test_the_document_is_openapi() -> None:
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    found = list(loaded.get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    assert len(found) == len(OPERATIONS) + 1


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described(
    console: ConsoleClinic, pending: str, method: str, path: str
) -> None:
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    loaded.config.update(base_url=console.url)
    operation = loaded[path][method.upper()]
    headers = {"Authorization": f"Bearer {console.clinic.token(PROGRAM)}"}

    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        case.call_and_validate(headers=headers, verify=str(console.ca))

    run()
