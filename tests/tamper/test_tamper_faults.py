"""Faults at the recorder's system calls, by a preloaded library: death, power failure, EIO, ENOSPC.

The C library's calls are what is hit, whoever makes them: nothing of the recorder is replaced. CI
takes every few calls, from a place that the seed says; ``make tamper`` takes all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorder.recorder_world import World

from hoopgate.recorder.payload import Kind

HERE = Path(__file__).parent
STEP = int(os.environ.get("TAMPER_STEP", "13"))
FIRST = int(os.environ.get("TAMPER_SEED", "3")) % STEP


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    assert compiler is not None, "apt-get install gcc libc6-dev   (or: make parts)"
    out = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", out]
    subprocess.run([*command, HERE / "shim.c", "-ldl"], check=True)
    return out


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="hoopgate-") as name:
        yield Path(name)


def children(shim: Path, base: Path, what: str) -> Iterator[tuple[World, dict[str, Any]]]:
    """Each child's directory and what became of it; the last one got to its end."""
    environment = {**os.environ, "LD_PRELOAD": str(shim)}
    script = HERE / "fault_writer.py"
    command = [sys.executable, script, shim, base, what, STEP, FIRST]
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert results, done.stderr
    assert "nothing more" in results[-1]["lines"], done.stderr[-2000:]
    assert len(results) > 150 // STEP
    for result in results:
        yield World(base / f"{what}-{result['call']}"), result


def acknowledged(result: dict[str, Any]) -> list[tuple[str, int, str]]:
    found = []
    for line in result["lines"]:
        words = line.split(" ")
        if len(words) == 3 and words[1].isdigit():
            found.append((words[0], int(words[1]), words[2]))
    return found


def check(world: World, result: dict[str, Any]) -> int:
    """It starts again, verifies, and holds what was acknowledged; how much that was."""
    world.open()
    world.stop()
    report = world.verify()
    assert report.running == 0
    promised = acknowledged(result)
    leaves = world.leaves()
    texts: dict[str, list[bytes]] = {}
    for name, index, text in promised:
        assert leaves[index]["session"] == name, (result["call"], index)
        texts.setdefault(name, world.stream(name, Kind.REQUEST))
        assert text.encode() in texts[name]
    return len(promised)


@pytest.mark.case(19, "kill -9 at every system call")
@pytest.mark.parametrize("what", ["k", "K"], ids=["before", "after"])
def test_death(shim: Path, fast: Path, what: str) -> None:
    kept = 0
    for world, result in children(shim, fast, what):
        done = "nothing more" in result["lines"]
        assert result["code"] == (0 if done else 9), result
        kept += check(world, result)
    assert kept > 10


@pytest.mark.case(22, "power loss")
def test_power_loss(shim: Path, fast: Path) -> None:
    """What was never synchronised is gone, names of new files too; of the rest, a half."""
    kept = 0
    for world, result in children(shim, fast, "p"):
        kept += check(world, result)
    assert kept > 10


@pytest.mark.case(20, "EIO at every system call")
@pytest.mark.parametrize("what", ["e", "E"], ids=["once", "for-good"])
def test_a_failing_disk(shim: Path, fast: Path, what: str) -> None:
    """It fails closed, and a failed fsync is never tried again: the second try would succeed."""
    refused = 0
    told: list[str] = []
    for world, result in children(shim, fast, what):
        assert result["code"] in (0, 1), result  # 5 and 6: an fsync was tried again
        refused += result["code"]
        told += [line for line in result["lines"] if line.startswith("error")]
        check(world, result)
    assert refused > 5
    assert any("Input/output error" in line for line in told)


@pytest.mark.case(21, "ENOSPC")
def test_a_full_disk(shim: Path, fast: Path) -> None:
    refused = 0
    for world, result in children(shim, fast, "s"):
        assert result["code"] in (0, 1), result
        refused += result["code"]
        check(world, result)
    assert refused > 5
