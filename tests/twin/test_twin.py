"""Noninterference through the running gateway: a seeded part of ``make twin``, on real servers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import psycopg
import pytest
import twin_benign
from run import generated
from twin_cases import in_modes, plain, soft, written
from twin_judge import Case, Judge, Outcome, Report, told
from twin_sessions import skewed
from twin_world import BARE, SOFT, STRICT, World, running_world

SEED = 20_26
#: Cases that take seconds by themselves: they run until a time-out.
_SLOW = ("statement_timeout", "000000", "pg_sleep", "x || x || x", "a.dx || b.dx")


def chosen(count: int, number: int) -> list[Case]:
    """Written cases, as typed and in one more way each."""
    sources = [one for one in written() if not any(word in one[1] for word in _SLOW)]
    rng = random.Random(number)
    found = []
    for family, source in rng.sample(sources, count):
        others = in_modes(family, source)
        found.append(plain(family, source))
        found += rng.sample(others, min(1, len(others)))
    return found


def judged(judge: Judge, cases: list[Case]) -> Report:
    report = Report()
    for case in cases:
        report.add(judge.judge(case), case.mode == "simple" and judge.live(case))
    judge.close()
    return report


def in_full(report: Report, version: int) -> str:
    return "\n".join(told(finding, version) for finding in (*report.leaks, *report.cuts))


def test_written_cases_tell_nothing(world: World) -> None:
    report = judged(Judge(world), chosen(120, SEED))
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 70
    outcomes = sum(report.counts.values(), start=type(report.reasons)())
    assert outcomes[Outcome.MASKED] >= 25 and outcomes[Outcome.DENIED] >= 50


def test_what_a_write_leaves_out_tells_nothing(world: World) -> None:
    families = ("unmentioned", "several keys", "sizes of rows", "joined entries")
    cases = [plain(*one) for one in written() if one[0] in families]
    report = judged(Judge(world), cases)
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 40


def test_what_a_change_does_besides_tells_nothing(world: World) -> None:
    families = ("moving", "growing", "the plan")
    cases = [plain(*one) for one in written() if one[0] in families and "COMMIT" not in one[1]]
    report = judged(Judge(world), cases)
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 15


def test_sessions_do_not_tell_which_rows_share_a_page(world: World) -> None:
    bare = [skewed((world.direct(one), world.direct(one)), "SERIALIZABLE") for one in BARE]
    assert bare[0] != bare[1]
    for level in ("SERIALIZABLE", "REPEATABLE READ"):
        one, two = (skewed((world.client(name), world.client(name)), level) for name in STRICT)
        assert one == two
    for name in (*BARE, *STRICT):
        world.restore(name)


def test_generated_cases_tell_nothing(world: World) -> None:
    judge, report = Judge(world), Report()
    generated(70, SEED, lambda case: report.add(judge.judge(case), judge.live(case)))
    judge.close()
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 15


def test_generalised_values_tell_no_more_than_that(world: World) -> None:
    rng = random.Random(SEED)
    cases = []
    for family, source in soft():
        cases += [
            plain(family, source),
            *rng.sample(others := in_modes(family, source), min(2, len(others))),
        ]
    report = judged(Judge(world, SOFT), cases)
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 15


def test_the_judge_sees_leaks_where_nothing_is_labelled(world: World) -> None:
    """Else the tests above would prove nothing."""
    cases = [case for case in chosen(60, SEED) if case.mode == "simple"]
    report = judged(Judge(world, BARE), cases)
    assert len(report.leaks) >= 20
    answered = report.live - report.denied
    # The rest differs in the texts of errors, which are nobody's, or in the sizes of tables.
    assert 10 * len(report.leaking) >= 8 * len(answered)


def test_nothing_is_told_without_the_baseline(world: World) -> None:
    """Labels guard by themselves: rules may be overridden by an operator."""
    with running_world(18, packs=()) as other:
        ddl = [plain(*one) for one in written() if one[0] == "ddl" and ";;" not in one[1]]
        made = [plain(*one) for one in written() if one[0] == "called by definitions"]
        report = judged(Judge(other), [*chosen(30, SEED + 1), *ddl[::2], *made[::2]])
    assert not report.leaks and not report.cuts, in_full(report, 18)
    assert len(report.live) >= 15


def test_what_honest_work_needs_tells_nothing(world: World) -> None:
    families = ("idle keys", "constant arguments")
    cases = [plain(*one) for one in written() if one[0] in families and "COMMIT" not in one[1]]
    report = judged(Judge(world), cases[::2])
    assert not report.leaks and not report.cuts, in_full(report, 15)
    assert len(report.live) >= 20


@pytest.fixture(scope="module")
def honest() -> Iterator[World]:
    with running_world(15, honest=twin_benign.dictionaries()) as running:
        yield running


def test_honest_work_is_answered(honest: World) -> None:
    asked = twin_benign.works("hospital")
    found = twin_benign.answers(honest, asked)
    assert len(found) >= 60
    assert not [answer for answer in found if answer.outcome == "broken"]
    assert twin_benign.share(found) >= 95, twin_benign.table(found)


def test_honest_work_on_other_models_is_answered(honest: World) -> None:
    """Half of it; all of it is asked by ``make twin ARGS=--benign``."""
    asked = [one for model in twin_benign.MODELS[1:] for one in twin_benign.works(model)]
    assert len(asked) >= 220
    found = twin_benign.answers(honest, asked[::2])
    assert not [answer for answer in found if answer.outcome == "broken"], twin_benign.table(found)
    denied = {(answer.work.name, answer.reason) for answer in found if answer.outcome == "denied"}
    assert denied <= twin_benign.NEEDED.items(), twin_benign.table(found)


def test_a_refusal_says_what_to_do_instead(honest: World) -> None:
    """To a person in the hint; to a program the reason, the rule and what it is about."""
    asked = twin_benign.works("synthea", twin_benign.MISTAKES)
    assert len(asked) >= 25
    for answer in twin_benign.answers(honest, asked):
        reason, _, words = answer.work.name.partition(" / ")
        said, detail = answer.told
        assert answer.reason == reason, answer
        assert words in said.partition(" | ")[2], answer
        members = json.loads(detail)
        assert members["retry"] == "no" and members["rule"] and members["request"], answer
        if reason in ("phi.predicate", "phi.aggregate"):
            assert members["subject"].startswith("ehr.") and members["subject"] in said, answer


#: Model, statement, what its parameters are, and how many rows there are.
PARAMETERS: list[tuple[str, str, list[object], int]] = [
    ("omop", "SELECT concept_id FROM concept WHERE concept_id = ANY (%b)", [[8507, 8532]], 2),
    ("omop", "SELECT concept_id FROM concept WHERE concept_code = ANY (%b::text[])", [["M"]], 1),
    (
        "omop",
        "SELECT n.concept_name FROM unnest(%b::int[]) WITH ORDINALITY c(id, no)"
        " JOIN concept n ON n.concept_id = c.id ORDER BY c.no",
        [[8532, 8507]],
        2,
    ),
    (
        "omop",
        "SELECT DISTINCT person_id FROM visit_occurrence WHERE visit_start_date BETWEEN %b"
        " AND %b AND visit_concept_id = ANY (%b) ORDER BY 1 LIMIT %b",
        [date(2016, 1, 1), date(2019, 1, 1), [9201, 9203], 5],
        5,
    ),
    (
        "synthea",
        "SELECT id, last FROM ehr.patients WHERE id = ANY (%b)",
        [[UUID("00000004-0000-4000-8000-000000000007")]],
        1,
    ),
    (
        "synthea",
        "SELECT job FROM ehr.job_runs WHERE meta @> %b::jsonb LIMIT 1",
        ['{"attempt": 1}'],
        1,
    ),
    ("synthea", "SELECT department FROM ehr.departments WHERE tags && %b::text[]", [["tele"]], 2),
]


@pytest.mark.parametrize("binary", [True, False])
def test_arrays_may_be_parameters(honest: World, binary: bool) -> None:
    for model, statement, values, count in PARAMETERS:
        address = (
            f"host={honest.gateway.host} port={honest.gateway.port} user=agent dbname={model}"
            f" password={honest.token()} sslmode=verify-full"
            f" sslrootcert={honest.gateway.certificates.ca}"
        )
        with psycopg.connect(address) as connection, connection.cursor(binary=binary) as cursor:
            text = statement if binary else statement.replace("%b", "%s")
            cursor.execute(text.encode(), values, prepare=True)
            assert len(cursor.fetchall()) == count, statement
