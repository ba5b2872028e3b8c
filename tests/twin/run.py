"""``make twin``: every case on every server, a table of outcomes, and what leaked.

Usage: run.py [--versions 15,18] [--examples N] [--seed N] [--families a,b] [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import twin_benign  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from twin_cases import in_modes, plain, written  # noqa: E402
from twin_grammar import cases  # noqa: E402
from twin_judge import Case, Judge, Outcome, Report, told  # noqa: E402
from twin_world import running_world  # noqa: E402


def run_written(
    judge: Judge, report: Report, families: set[str], every: int, verbose: bool, simple: bool
) -> None:
    for number, (family, source) in enumerate(written()):
        if families and family not in families:
            continue
        case = plain(family, source)
        began = time.monotonic()
        finding = judge.judge(case)
        report.add(finding, judge.live(case))
        others = [] if simple else in_modes(family, source)
        if finding.outcome is Outcome.DENIED:
            # The same verdict meets every other way in: a few of them, other ones each time.
            others = [one for index, one in enumerate(others) if (index + number) % every == 0]
        for other in others:
            report.add(judge.judge(other), False)
        took = time.monotonic() - began
        if verbose and took > 2:
            print(f"{took:.1f} s: {source[:150]}", file=sys.stderr, flush=True)


class Enough(Exception):
    """So many examples are enough."""


def run_generated(judge: Judge, report: Report, examples: int, number: int) -> None:
    """``examples`` distinct cases of the grammar; the same ones for the same ``number``."""
    seen: set[tuple[str, str]] = set()

    @seed(number)
    @settings(
        max_examples=20 * examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def run(case: Case) -> None:
        if len(seen) >= examples:
            raise Enough
        if (case.source, case.mode) in seen:
            return
        seen.add((case.source, case.mode))
        report.add(judge.judge(case), judge.live(case))
        if sys.stderr.isatty() and len(seen) % 20 == 0:
            print(
                f"\r{len(seen)} of {examples} generated, {len(report.leaks)} leaks",
                end="",
                file=sys.stderr,
            )

    with suppress(Enough):
        run()
    if sys.stderr.isatty():
        print(file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", default="15,18")
    parser.add_argument("--families", default="")
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--no-written", dest="written", action="store_false")
    parser.add_argument("--benign", action="store_true")
    parser.add_argument("--guard-alone", action="store_true")
    parser.add_argument("--simple", action="store_true")
    options = parser.parse_args()
    families = set(filter(None, options.families.split(",")))
    failed = False
    if options.benign:
        for version in map(int, options.versions.split(",")):
            with running_world(version, hospital=twin_benign.labels()) as world:
                found = twin_benign.answers(world)
            print(f"PostgreSQL {version}, honest work on a hospital's warehouse")
            print(twin_benign.table(found))
            failed |= twin_benign.share(found) < 95
        return 1 if failed else 0
    for version in map(int, options.versions.split(",")):
        started = time.monotonic()
        report = Report()
        packs = () if options.guard_alone else ("hipaa-baseline",)
        with running_world(version, packs=packs) as world:
            judge = Judge(world)
            if options.written:
                run_written(judge, report, families, options.every, options.verbose, options.simple)
            run_generated(judge, report, options.examples, options.seed)
            judge.close()
        print(f"PostgreSQL {version}: {report.runs} runs in {time.monotonic() - started:.0f} s")
        print(report.table())
        shown = report.leaks + report.cuts + (report.unstable if options.verbose else [])
        seen = set()
        for finding in shown:
            if (finding.outcome, finding.case.source) not in seen:
                print(told(finding, version))
            seen.add((finding.outcome, finding.case.source))
        failed |= bool(report.leaks)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
