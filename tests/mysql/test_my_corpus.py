"""The fuzz targets' promises on their corpus: edge cases, and whatever once broke one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.my_checks import CHECKS
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parents[1] / "fuzz"
CASES = [
    pytest.param(target, path, id=f"{target}-{path.name}")
    for target in CHECKS
    for path in sorted((FUZZ / "corpus" / target).iterdir())
]


@pytest.mark.parametrize(("target", "path"), CASES)
def test_a_promise_holds(target: str, path: Path) -> None:
    CHECKS[target](path.read_bytes())


@pytest.mark.parametrize("target", list(CHECKS))
@settings(max_examples=150)
@given(data=st.binary(max_size=200))
def test_a_promise_holds_for_any_bytes(target: str, data: bytes) -> None:
    CHECKS[target](data)


def test_every_check_has_a_target() -> None:
    assert {path.stem for path in FUZZ.glob("fuzz_my_*.py")} == {f"fuzz_{name}" for name in CHECKS}
