"""hoopgate beside a direct connection, pgbouncer and haproxy, in one run, interleaved.

Prints tables, and keeps all figures in benchmarks/results/. What each table means, and how to read
it, is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import bulk
import memory
import tables
import transactions
from facts import facts
from pgbench import BenchmarkFailed
from rounds import within
from testbed.parts import MissingPart
from testbed.process import ServerFailed
from world import World, running_world

HERE = Path(__file__).resolve().parent
THROUGH = ("pgbouncer", "haproxy", "hoopgate")
SECTIONS = ("transactions", "tls", "guardrails", "bulk", "memory", "micro")


@dataclass(frozen=True)
class Size:
    """How much is measured.

    :ivar seconds: of each run of pgbench.
    :ivar micro: seconds for each figure of ``micro.py``.
    :ivar limited: rounds are left out that would take a section beyond its limit.
    """

    rounds: int
    seconds: int
    clients: tuple[int, ...]
    modes: tuple[str, ...]
    rows: int
    idle: int
    micro: float
    limited: bool = True

    def numbers(self, section: str) -> Iterator[int]:
        """The rounds of a section."""
        return within(self.rounds, LIMITS[section] if self.limited else math.inf)


FULL = Size(3, 1, (1, 8, 32), transactions.MODES, 1_000_000, 200, 0.5)
QUICK = Size(1, 1, (1, 8), transactions.MODES, 200_000, 50, 0.2)
SMOKE = Size(1, 1, (1,), ("prepared",), 2_000, 5, 0.01)
#: Seconds that the rounds of a section may take, so that all of them end within six minutes.
LIMITS = {"transactions": 170.0, "tls": 35.0, "guardrails": 45.0, "bulk": 50.0}


def main() -> int:
    options = _options()
    size = SMOKE if options.smoke else QUICK if options.quick else FULL
    if options.rounds:
        size = replace(size, rounds=options.rounds, limited=False)
    say = print if options.verbose else _progress
    try:
        with running_world(size.rows) as world:
            found = {"facts": facts(world.disk)}
            print(tables.facts(found["facts"]), flush=True)
            for name in options.sections:
                began = time.monotonic()
                print(f"\n## {name}\n", flush=True)
                found[name] = _MEASURES[name](world, size, options.through, say)
                _progress("")
                print(_TABLES[name](found[name]), flush=True)
                print(_footer(found[name], time.monotonic() - began), flush=True)
    except (MissingPart, BenchmarkFailed, ServerFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    _keep(found, options.results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="one round of less, in 90 seconds")
    sizes.add_argument("--smoke", action="store_true", help="only whether it all runs")
    parser.add_argument("--rounds", type=int, help="paired rounds, however long they take")
    parser.add_argument(
        "--through", type=_list_of(THROUGH), default=THROUGH, help=f"some of {','.join(THROUGH)}"
    )
    parser.add_argument(
        "--sections", type=_list_of(SECTIONS), default=SECTIONS, help=f"of {','.join(SECTIONS)}"
    )
    parser.add_argument(
        "--results", type=Path, default=HERE / "results", help="directory of the figures, as JSON"
    )
    parser.add_argument("--verbose", action="store_true", help="print each run as it ends")
    return parser.parse_args()


def _list_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        named = tuple(text.split(","))
        for name in named:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return named

    return parse


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _footer(found: Any, seconds: float) -> str:
    rounds = len(found[0].get("ratios", ())) if isinstance(found, list) else 0
    return f"\n({seconds:.0f} s{f', {rounds} rounds' if rounds else ''})"


# --- what is measured -----------------------------------------------------------------------------

Say = Callable[[str], None]


def _transactions(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    make = partial(transactions.cases, world, through)
    rounds = size.numbers("transactions")
    return transactions.measure(make, size.modes, size.clients, rounds, size.seconds, say)


def _tls(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    make = partial(transactions.cases, world, through, tls=True)
    clients = tuple(count for count in size.clients if count <= 8)
    rounds = size.numbers("tls")
    return transactions.measure(make, ("prepared",), clients, rounds, size.seconds, say)


def _guardrails(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    make = partial(transactions.guardrails, world)
    modes = tuple(mode for mode in size.modes if mode != "extended")
    rounds = size.numbers("guardrails")
    return transactions.measure(make, modes, (8,), rounds, size.seconds, say)


def _bulk(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    make = partial(bulk.cases, world, through)
    return bulk.measure(make, size.rows, size.numbers("bulk"), say)


def _memory(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    targets = []
    if "pgbouncer" in through:
        targets.append(world.pgbouncer(tls=True))
    if "hoopgate" in through:
        targets.append(world.hoopgate(tls=True))
    return memory.measure(targets, size.idle)


def _micro(world: World, size: Size, through: tuple[str, ...], say: Say) -> Any:
    done = subprocess.run(
        [
            *(sys.executable, HERE / "micro.py", "--seconds", str(size.micro)),
            *("--sessions", "100", "--directory", world.disk),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise BenchmarkFailed(f"micro.py: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


_MEASURES = {
    "transactions": _transactions,
    "tls": _tls,
    "guardrails": _guardrails,
    "bulk": _bulk,
    "memory": _memory,
    "micro": _micro,
}
_TABLES: dict[str, Callable[[Any], str]] = {
    "transactions": tables.transactions,
    "tls": tables.transactions,
    "guardrails": tables.transactions,
    "bulk": tables.bulk,
    "memory": tables.memory,
    "micro": tables.micro,
}


def _keep(found: dict[str, Any], directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"\nAll figures: {path}")


if __name__ == "__main__":
    raise SystemExit(main())
