"""``make twin``: every case on every server, a table of outcomes, and what leaked.

    run.py [--versions 15,18] [--examples N] [--seed N] [--families a,b] [--cases FILE]
           [--coins] [--control] [--guard-alone] [--benign]

The exit status is 1 when anything leaks (or when honest work is not answered).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import twin_benign  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from twin_cases import from_file, in_modes, plain, soft, written  # noqa: E402
from twin_coins import (  # noqa: E402
    CoinJudge,
    bound_cases,
    coin_cases,
    otherwise,
    running_coins,
    typed,
)
from twin_grammar import cases  # noqa: E402
from twin_judge import Case, Judge, Outcome, Report, told  # noqa: E402
from twin_world import BARE, SOFT, STRICT, World, running_world  # noqa: E402


class Progress:
    """A line on standard error now and then, so that nobody wonders."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        self._next = time.monotonic() + 2

    def step(self, report: Report) -> None:
        self._done += 1
        if time.monotonic() < self._next and self._done != self._total:
            return
        self._next = time.monotonic() + 5
        print(
            f"  {self._what}: {self._done} of {self._total}, {len(report.live)} live,"
            f" {len(report.leaks)} leaks",
            file=sys.stderr,
            flush=True,
        )


def run_sources(
    judge: Judge, report: Report, sources: list[tuple[str, str]], every: int, what: str
) -> None:
    """Each source as typed, and in the other ways to run it.

    :param every: of what is denied as typed, one other way in so many, other ones each time; all
        of them for what is answered. 0: as typed alone.
    """
    progress = Progress(len(sources), what)
    for number, (family, source) in enumerate(sources):
        case = plain(family, source)
        finding = judge.judge(case)
        report.add(finding, judge.live(case))
        others = in_modes(family, source) if every else []
        if finding.outcome is Outcome.DENIED:
            others = [one for index, one in enumerate(others) if (index + number) % every == 0]
        for other in others:
            report.add(judge.judge(other), False)
        progress.step(report)


class Enough(Exception):
    """So many examples are enough."""


def generated(examples: int, number: int, use: Callable[[Case], None]) -> None:
    """``examples`` distinct cases of the grammar; the same ones for the same ``number``."""
    seen: set[tuple[str, str]] = set()

    @seed(number)
    @settings(
        max_examples=40 * examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def run(case: Case) -> None:
        if len(seen) >= examples:
            raise Enough
        if (case.source, case.mode) not in seen:
            seen.add((case.source, case.mode))
            use(case)

    with suppress(Enough):
        run()


def run_generated(judge: Judge, report: Report, examples: int, number: int) -> None:
    progress = Progress(examples, f"generated from seed {number}")

    def use(case: Case) -> None:
        report.add(judge.judge(case), judge.live(case))
        progress.step(report)

    if examples:
        generated(examples, number, use)


def run_coins(world: World, report: Report, every: int) -> None:
    """What uses tokens, groups and generalised values, on a pair of its own."""
    judge, written = CoinJudge(world), coin_cases()
    progress = Progress(len(written), "tokens and groups")
    for number, (family, source) in enumerate(written):
        case = typed(family, source)
        finding = judge.judge(case)
        report.add(finding, judge.live(case))
        others = otherwise(family, source)
        if finding.outcome is Outcome.DENIED:
            others = [one for index, one in enumerate(others) if (index + number) % every == 0]
        for other in others:
            report.add(judge.judge(other), False)
        progress.step(report)
    for case in bound_cases(world):
        report.add(judge.judge(case), False)
    judge.close()


def judged(version: int, options: argparse.Namespace) -> Report:
    """One server, everything that the options ask for."""
    report = Report()
    packs = () if options.guard_alone else ("hipaa-baseline",)
    sources = from_file(options.cases) if options.cases else written()
    families = set(filter(None, options.families.split(",")))
    if families:
        sources = [one for one in sources if one[0] in families]
    alone = bool(families or options.cases or options.control)
    if options.coins or not alone:
        with running_coins(version, packs) as world:
            run_coins(world, report, options.every)
    if options.coins:
        return report
    with running_world(version, packs=packs) as world:
        judge = Judge(world, BARE if options.control else STRICT)
        run_sources(judge, report, sources, 0 if options.control else options.every, "written")
        if not families and not options.cases:
            for number in range(options.seed, options.seed + options.seeds):
                run_generated(judge, report, options.examples // options.seeds, number)
        judge.close()
        if not families and not options.cases and not options.control:
            judge = Judge(world, SOFT)
            run_sources(judge, report, soft(), 1, "generalised")
            judge.close()
    return report


def shown(report: Report, version: int, options: argparse.Namespace) -> Iterator[str]:
    found = report.cuts + report.ordered + (report.unstable if options.verbose else [])
    if not options.control:
        found = report.leaks + found
    seen = set()
    for finding in found:
        if (finding.outcome, finding.case.source) not in seen:
            yield told(finding, version)
        seen.add((finding.outcome, finding.case.source))


def benign(versions: list[int], models: tuple[str, ...]) -> int:
    failed = False
    asked = [one for model in models for one in twin_benign.works(model)]
    for version in versions:
        with running_world(version, honest=twin_benign.dictionaries(models)) as world:
            found = twin_benign.answers(world, asked)
        print(f"PostgreSQL {version}: honest work")
        print(twin_benign.table(found))
        failed |= twin_benign.share(found) < 94
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", default="15,18", help="of PostgreSQL")
    parser.add_argument("--examples", type=int, default=1000, help="cases of the grammar")
    parser.add_argument("--seed", type=int, default=1, help="the first seed of the grammar")
    parser.add_argument("--seeds", type=int, default=1, help="so many seeds share the examples")
    parser.add_argument(
        "--families", default="", help="these families of written cases, or models, alone"
    )
    parser.add_argument("--cases", type=Path, help="cases of this file instead, one a line")
    parser.add_argument("--every", type=int, default=6, help="1: denied cases in every mode, too")
    parser.add_argument("--coins", action="store_true", help="tokens, groups and dates alone")
    parser.add_argument("--control", action="store_true", help="nothing is labelled: all must leak")
    parser.add_argument("--guard-alone", action="store_true", help="without the baseline's rules")
    parser.add_argument("--benign", action="store_true", help="the share of honest work answered")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    versions = [int(version) for version in options.versions.split(",")]
    if options.benign:
        models = tuple(filter(None, options.families.split(","))) or twin_benign.MODELS
        return benign(versions, models)
    failed = False
    for version in versions:
        started = time.monotonic()
        report = judged(version, options)
        title = "PostgreSQL {}{}: {} runs of {} distinct cases in {:.0f} s".format(
            version,
            ", nothing labelled" if options.control else "",
            report.runs,
            len(report.sources),
            time.monotonic() - started,
        )
        print(title)
        print(report.table())
        for line in shown(report, version, options):
            print(line)
        if options.control:
            failed |= 10 * len(report.leaking) < 8 * len(report.live - report.denied)
        else:
            failed |= bool(report.leaks)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
