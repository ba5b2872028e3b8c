"""Where a secret legitimately meets the server: tokens, groups, generalised values."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from twin_coins import CoinJudge, bound_cases, coin_cases, otherwise, running_coins, typed
from twin_judge import Outcome, Report, told
from twin_world import World

SEED = 20_26


@pytest.fixture(scope="module")
def coins() -> Iterator[World]:
    """Without the baseline's rules: labels guard by themselves."""
    with running_coins(18, packs=()) as running:
        yield running


def test_what_tokens_and_groups_let_through_tells_nothing(coins: World) -> None:
    judge, report, rng = CoinJudge(coins), Report(), random.Random(SEED)
    written = coin_cases()
    committing = [one for one in written if "COMMIT" in one[1]]
    chosen = rng.sample([one for one in written if one not in committing], 150)
    for family, source in [*chosen, *rng.sample(committing, 8)]:
        case = typed(family, source)
        report.add(judge.judge(case), judge.live(case))
        others = otherwise(family, source)
        if rng.random() < 0.2:
            for other in rng.sample(others, min(2, len(others))):
                report.add(judge.judge(other), False)
    for case in rng.sample(list(bound_cases(coins)), 40):
        report.add(judge.judge(case), False)
    judge.close()
    found = "\n".join(told(one, 18) for one in (*report.leaks, *report.cuts))
    assert not report.leaks and not report.cuts, found
    assert len(report.live) >= 70
    outcomes = sum(report.counts.values(), start=type(report.reasons)())
    assert outcomes[Outcome.MASKED] >= 15 and outcomes[Outcome.DENIED] >= 70
