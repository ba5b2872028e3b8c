"""``make twin``: every case on every server, a table of outcomes, and what leaked.

Usage: run.py [--versions 15,18] [--examples N] [--seed N] [--families a,b] [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from twin_cases import in_modes, plain, written  # noqa: E402
from twin_judge import Judge, Outcome, Report, told  # noqa: E402
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", default="15,18")
    parser.add_argument("--families", default="")
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--simple", action="store_true")
    options = parser.parse_args()
    families = set(filter(None, options.families.split(",")))
    failed = False
    for version in map(int, options.versions.split(",")):
        started = time.monotonic()
        report = Report()
        with running_world(version) as world:
            judge = Judge(world)
            run_written(judge, report, families, options.every, options.verbose, options.simple)
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
