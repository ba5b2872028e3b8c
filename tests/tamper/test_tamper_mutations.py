"""A hundred thousand mutations of whole directories at random: none unnoticed, no hang, no crash.
``make tamper MUTATIONS=1000000`` makes a million.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from mutator import (
    Progress,
    Target,
    applied,
    harmless,
    log_target,
    outcome,
    run_many,
    table,
)

COUNT = int(os.environ.get("MUTATIONS", "100000"))
SEED = int(os.environ.get("TAMPER_SEED", "1"))


def test_nothing_goes_unnoticed() -> None:
    counts, failures = run_many(SEED, COUNT, 2, part=max(1, COUNT // 2))
    assert not failures, "\n".join(failures[:20])
    assert sum(counts.values()) == COUNT
    found = sum(count for (_, _, what), count in counts.items() if what == "found")
    assert found > COUNT * 0.85
    # Every kind of mutation did something on every kind of directory.
    kinds = {how for _, how, _ in counts}
    assert len(kinds) == 24
    assert len(list(table(counts))) > 24


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """What was done is not done again, unless it was by other sources."""
    path = tmp_path / "var/progress.json"
    whole, failures = run_many(7, 30, 1, path, part=10)
    assert (sum(whole.values()), failures) == (30, [])
    kept = json.loads(path.read_text())
    assert kept["done"] == [7, 17, 27]
    done = Progress(path, 10)
    assert (done.counts, done.done) == (whole, {7, 17, 27})
    # As if it had been stopped in the middle: the one part that is missing is made again.
    path.unlink()
    half = Progress(path, 10)
    half.add(7, Counter({("log", "bit", "found"): 1000}), ["seed 9: told"])
    half.add(17, Counter(), [])
    counts, failures = run_many(7, 30, 1, path, part=10)
    assert (sum(counts.values()), failures) == (1010, ["seed 9: told"])
    path.write_text(json.dumps({**kept, "what": ["of other sources", 10]}))
    assert Progress(path, 10).done == set()


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return log_target("small log", tmp_path, epochs=2, rounds=4)


def test_the_mutator_sees_a_verification_that_sees_nothing(target: Target) -> None:
    """It would fail if a check were missing."""
    name = next(name for name in target.files if name.startswith("seg/"))
    changed = bytearray(target.content[name])
    changed[60] ^= 1
    change: dict[str, bytes | None] = {name: bytes(changed)}
    assert outcome(target, change) == "found"
    target.verify = lambda: None
    assert outcome(target, change) == "UNNOTICED"

    def crash() -> None:
        raise KeyError("x")

    target.verify = crash
    assert outcome(target, change).startswith("CRASH KeyError")


def test_what_is_done_is_taken_back(target: Target) -> None:
    chance = random.Random(1)
    before = {path: path.read_bytes() for path in target.directory.rglob("*") if path.is_file()}
    for name in chance.sample(target.files, 5):
        with applied(target, {name: None, "tile/new/x": b"y"}):
            assert not (target.directory / name).exists()
    (target.directory / "tile/new").rmdir()
    after = {path: path.read_bytes() for path in target.directory.rglob("*") if path.is_file()}
    assert after == before
    assert harmless(target, {target.last: target.content[target.last] + b"x"})
    assert not harmless(target, {"checkpoint": b""})
    shutil.rmtree(target.directory)
