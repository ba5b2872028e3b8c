"""Budgets: what counts, once, and when it is used up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.approvals import principal, session

from hoopgate.guardrails.budgets import CELLS, QUERIES, Account, Meter, applies
from hoopgate.plans import MaskPlan, Spend
from hoopgate.settings.model import Budget, Match
from hoopgate.verdicts import Block, Hold

READS = Spend(False, 2, b"columns", 0, "public.patients.ssn")
ASKS = Spend(True, 0, b"", -1, "public.patients.zip")


class Notes:
    """What would be written."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.found: list[tuple[bytes, bytes, int]] = []

    def count(self, account: Account, counted: str, more: int) -> None:
        self.counts[counted] = self.counts.get(counted, 0) + more

    def patients(self, account: Account, columns: bytes, found: list[bytes], width: int) -> None:
        self.found += [(columns, patient, width) for patient in found]


def meter(budget: Budget, notes: Notes, now: list[float]) -> Meter:
    made = Meter("clinic", lambda: now[0])
    account = Account("key", budget, b"k" * 32, notes)
    account.roll(now[0])
    account.load((), ())
    made.accounts = (account,)
    return made


def refusal(made: Meter, spend: Spend, now: float, *, goes_on: bool = False) -> Block | Hold | None:
    return made.refusal([None, MaskPlan((), spend=spend)], now, goes_on=goes_on)


@given(st.lists(st.lists(st.binary(max_size=2), max_size=8), max_size=8))
def test_a_patient_counts_once_for_a_set_of_columns(batches: list[list[bytes]]) -> None:
    notes, now = Notes(), [0.0]
    made = meter(Budget("b", cells=10**6), notes, now)
    for batch in batches:
        made.rows(READS, len(batch), batch)
    seen = {patient for batch in batches for patient in batch}
    assert len(notes.found) == len(seen)
    assert all(width == 2 for _, _, width in notes.found)
    # what was written is what another process knows
    again = Notes()
    later = Account("key", Budget("b", cells=2 * len(seen) + 1), b"k" * 32, again)
    later.roll(now[0])
    later.load((), notes.found)
    for patient in seen:
        later.rows(READS, notes.found[0][0], 1, [patient])
    assert again.found == []
    assert later.over(READS, now[0]) == ""
    later.rows(READS, notes.found[0][0] if notes.found else b"x", 1, [b"another one"])
    assert later.over(READS, now[0]) == CELLS


def test_a_budget_stops_what_takes_of_it_and_nothing_else() -> None:
    notes, now = Notes(), [3600.0 * 5]
    made = meter(Budget("b", cells=10, queries=2), notes, now)
    made.rows(READS, 5, None)
    assert notes.counts == {CELLS: 10}
    found = refusal(made, READS, now[0])
    assert isinstance(found, Block)
    assert (found.rule, found.reason, found.subject) == (
        "budget/b",
        "budget.cells",
        "public.patients.ssn",
    )
    assert "06:00 UTC" in found.remedy
    assert refusal(made, ASKS, now[0]) is None
    assert made.exhausted()
    made.query()
    made.query()
    asked = refusal(made, ASKS, now[0])
    assert isinstance(asked, Block) and asked.reason == "budget.queries"
    assert refusal(made, ASKS, now[0], goes_on=True) is None
    assert notes.counts[QUERIES] == 2
    now[0] += 3600.0  # the next hour
    assert not made.exhausted()
    assert refusal(made, READS, now[0]) is None


def test_questions_of_one_request_are_counted_together() -> None:
    notes, now = Notes(), [0.0]
    made = meter(Budget("b", queries=3), notes, now)
    made.query()
    plans = [MaskPlan((), spend=ASKS), None, MaskPlan((), spend=ASKS)]
    assert made.refusal(plans, now[0], goes_on=False) is None
    found = made.refusal([*plans, MaskPlan((), spend=ASKS)], now[0], goes_on=False)
    assert isinstance(found, Block) and found.reason == "budget.queries"


def test_a_person_may_decide() -> None:
    notes, now = Notes(), [0.0]
    budget = Budget("b", cells=1, verdict="approve", reviewers=frozenset({"office"}), expires=60.0)
    made = meter(budget, notes, now)
    made.rows(READS, 1, None)
    held = refusal(made, READS, 0.0)
    assert isinstance(held, Hold)
    assert (held.reviewers, held.expires) == (frozenset({"office"}), 60.0)
    assert held.plans[1] is not None


def test_what_is_not_known_is_not_given() -> None:
    notes, now = Notes(), [0.0]
    made = meter(Budget("b", cells=5), notes, now)
    made.accounts[0].loaded = False
    assert made.exhausted() and not made.loaded
    made.accounts[0].broken = True
    found = refusal(made, READS, 0.0)
    assert isinstance(found, Block) and found.reason == "budget.unavailable"


def test_whom_a_budget_is_for() -> None:
    agent = session(principal("agent-7", "analysts"))
    for match, expected in (
        (Match(), True),
        (Match(groups=frozenset({"analysts", "x"})), True),
        (Match(groups=frozenset({"x"})), False),
        (Match(subjects=frozenset({"agent-*"})), True),
        (Match(subjects=frozenset({"agent"})), False),
        (Match(resources=frozenset({"clin?c"})), True),
        (Match(resources=frozenset({"lab"})), False),
        (Match(scopes=frozenset({"hoopgate:approve"})), True),
        (Match(scopes=frozenset({"x"})), False),
        (Match(issuers=frozenset({"https://idp.example"})), True),
        (Match(issuers=frozenset({"https://x"})), False),
    ):
        assert applies(match, agent) is expected
