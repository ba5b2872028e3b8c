"""``make twin-mysql``: every case on both twins, a table of outcomes, and what leaked.

Usage: run.py [--mysql] [--examples N] [--seed N] [--families a,b] [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "sql_mysql"), str(HERE)]

from mysql_benign import BENIGN, OF_MARIADB, OF_MYSQL  # noqa: E402
from mytwin_cases import generated, in_modes, plain, written  # noqa: E402
from mytwin_judge import Case, Judge, Outcome, Report, told  # noqa: E402
from mytwin_world import running_world  # noqa: E402

LIVE, ANSWERED = 600, 0.95


def cases(families: set[str], examples: int, seed: int) -> Iterator[Case]:
    """Written cases first."""
    for case in (*written(), *generated(examples, seed)):
        if not families or case.family in families:
            yield case


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=1400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", default="")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--mysql", action="store_true", help="on MySQL 9, where it is installed")
    options = parser.parse_args()
    families = set(filter(None, options.families.split(",")))
    started = time.monotonic()
    report, benign = Report(), Report()
    with running_world(mysql=options.mysql) as world:
        judge = Judge(world)
        for number, case in enumerate(cases(families, options.examples, options.seed)):
            finding = judge.judge(case)
            report.add(finding, judge.live(case))
            if options.verbose or number % 100 == 99:
                took = time.monotonic() - started
                print(f"{took:.0f} s {number} {case.source[:120]}", file=sys.stderr, flush=True)
            if finding.outcome is Outcome.LEAK:
                print(told(finding), flush=True)
            others = in_modes(case)
            if finding.outcome is Outcome.DENIED and number % options.every:
                others = []  # the same verdict meets every other way in: some of them will do
            for other in others:
                report.add(judge.judge(other), False)
        own = OF_MYSQL if options.mysql else OF_MARIADB
        for source in [] if families else (*BENIGN, *own):
            benign.add(judge.judge(plain("benign", source)), False)
        judge.close()
    name = "MySQL 9" if options.mysql else "MariaDB"
    print(f"{name}: {report.runs} runs in {time.monotonic() - started:.0f} s")
    print(report.table())
    for finding in (*report.findings, *benign.findings):
        if options.verbose or finding.outcome is not Outcome.UNSTABLE:
            print(told(finding))
    answered = benign.runs - benign.counts["benign"][Outcome.DENIED]
    if benign.runs:
        print(f"benign: {answered} of {benign.runs} answered")
        print("\n".join(f"  {word} {count}" for word, count in benign.reasons.items()))
    print(
        f"{name}: {report.leaks + benign.leaks} leaks; {len(report.live)} live cases"
        f" (at least {LIVE}), {report.runs} runs"
    )
    failed = bool(report.leaks or benign.leaks)
    if not families:
        failed |= len(report.live) < LIVE or answered < ANSWERED * benign.runs
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
