"""The benchmark harness runs: every kind of figure comes out. No figure is held to a value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"


def bench(*arguments: str, results: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUN, "--results", results, *arguments],
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_every_kind_of_figure_comes_out(tmp_path: Path) -> None:
    sections = "transactions,bulk,memory,micro"
    done = bench("--smoke", "--through", "hoopgate", "--sections", sections, results=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    (kept,) = tmp_path.glob("*.json")
    found = json.loads(kept.read_text())
    assert set(found) == {"facts", *sections.split(",")}
    assert all(f"## {name}" in done.stdout for name in sections.split(","))

    runs = {row["through"]: row for row in found["transactions"]}
    assert set(runs) == {"direct", "hoopgate", "hoopgate, masked"}
    assert runs["direct"]["ratio"] == 1.0
    assert runs["hoopgate"]["cpu_us"]["main"] > 0
    assert runs["hoopgate"]["added_p50_us"] is not None

    reads = {(row["form"], row["through"]): row for row in found["bulk"]}
    assert {form for form, _ in reads} == {"text", "binary", "copy"}
    assert all(row["mb_per_s"] > 0 and row["first_row_ms"] > 0 for row in reads.values())
    assert ("text", "hoopgate, masked") in reads

    assert [row["through"] for row in found["memory"]] == ["hoopgate"]
    assert set(found["micro"]) == {"rows, ns", "statements, µs", "recorder"}


@pytest.mark.parametrize(
    ("option", "value"), [("--through", "haproxi"), ("--sections", "bulk,nothing")]
)
def test_a_name_that_is_not_known_is_explained(tmp_path: Path, option: str, value: str) -> None:
    done = bench(option, value, results=tmp_path)
    assert done.returncode == 2
    assert "is none of" in done.stderr
