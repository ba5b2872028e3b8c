"""The fuzz targets' promises on their corpus: edge cases, and whatever once broke one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.pg_checks import CHECKS

FUZZ = Path(__file__).parents[1] / "fuzz"
CASES = [
    pytest.param(target, path, id=f"{target}-{path.name}")
    for target in CHECKS
    for path in sorted((FUZZ / "corpus" / target).iterdir())
]


@pytest.mark.parametrize(("target", "path"), CASES)
def test_a_promise_holds(target: str, path: Path) -> None:
    CHECKS[target](path.read_bytes())


def test_every_check_has_a_target() -> None:
    assert {path.stem for path in FUZZ.glob("fuzz_pg_*.py")} == {f"fuzz_{name}" for name in CHECKS}
