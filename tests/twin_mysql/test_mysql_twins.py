"""A part of ``make twin-mysql``: noninterference through the running gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mytwin_cases import generated, in_modes, plain, written
from mytwin_judge import Case, Judge, Outcome
from mytwin_world import running_world

#: What InnoDB answers in the order of a secret index, and what is compared when a row is written.
ORDER = [
    "SELECT id FROM patients",
    "SELECT id FROM v_pat LIMIT 7",
    "SELECT group_concat(id) FROM patients",
    "SELECT id, sex FROM patients WHERE sex > 'A'",
]
COMPARED = [
    "UPDATE touched SET who = 'Qanary1' WHERE id = 1 ;; SELECT changed > '2026-01-01' FROM touched",
    "INSERT INTO encounters(id) VALUES (1) ON DUPLICATE KEY UPDATE note = 'Pt Qanary18 seen'",
    "INSERT INTO patients(id, ssn) VALUES (9001, '317-11-0007')",
    "SELECT if(ssn < '5', exp(710), 1) FROM patients WHERE id = 1",
    "UPDATE defaulted SET plain = DEFAULT WHERE id = 1 ;; SELECT plain FROM defaulted WHERE id = 1",
    "UPDATE mixed SET plain = 100 WHERE id = 1",
    "DELETE FROM tree WHERE grp = 'a'",
    "SELECT quote(data) FROM raw WHERE id = 2",
    "SELECT if(isnull(p.email), v.x, 1) FROM patients p, v_big v WHERE v.id = 3 AND p.id = 4",
    "SELECT cast(concat('1e', left(ssn, 2)) AS float) FROM patients WHERE id = 1",
    "WITH RECURSIVE r(n, s) AS (SELECT 1, cast('x' AS char(9)) UNION ALL SELECT n + 1,"
    " (SELECT name FROM patients WHERE id = 1) FROM r WHERE n < 3) SELECT n FROM r",
]
#: Of which the one server or the other told something by a column's type, or by an error.
TOLD = [
    "SELECT time(concat('10:10:1', (SELECT if(isnull(email), '.1', '') FROM patients"
    " WHERE id = 4)))",
    "SELECT x FROM v_typed",
    "SELECT concat(nm, _latin1'x' COLLATE latin1_bin) FROM latin WHERE id = 1",
    "SELECT one COLLATE latin1_bin FROM latin WHERE id = 2 UNION ALL SELECT nm FROM latin",
    "SET lc_time_names = 'pl_PL' ;; SELECT concat(one, monthname(dob)) FROM latin"
    " JOIN patients USING (id)",
]


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    """Both servers, one after the other."""
    with running_world(mysql=request.param == "mysql9") as world:
        found = Judge(world)
        yield found
        found.close()


@pytest.mark.parametrize("source", ORDER)
def test_rows_come_in_the_order_of_nothing_secret(judge: Judge, source: str) -> None:
    case = plain("order", source)
    assert judge.live(case), "without the gateway the twins answer alike: nothing is tried"
    assert judge.judge(case).outcome is Outcome.MASKED


@pytest.mark.parametrize("source", COMPARED)
def test_nothing_is_told_of_what_is_stored(judge: Judge, source: str) -> None:
    case = plain("compared", source)
    assert judge.live(case)
    assert judge.judge(case).outcome is Outcome.DENIED


@pytest.mark.parametrize("source", TOLD)
def test_nothing_is_told_by_a_type_or_by_a_character_set(judge: Judge, source: str) -> None:
    finding = judge.judge(plain("told", source))
    assert finding.outcome in (Outcome.DENIED, Outcome.MASKED), finding


def test_a_number_that_the_server_gives_is_not_told(judge: Judge) -> None:
    """The next one tells the largest."""
    finding = judge.judge(plain("numbered", "INSERT INTO counted(id, x) VALUES (900, 1)"))
    assert (finding.outcome, finding.reason) == (Outcome.DENIED, "phi.predicate")


def test_an_error_behind_the_columns_of_a_cursor_is_an_answer(judge: Judge) -> None:
    text = "SELECT exp(id * 300) FROM encounters"
    finding = judge.judge(in_modes(plain("late", text))[1])
    assert finding.outcome is Outcome.INERT
    assert "failed the statement" in finding.reason


def test_rows_that_are_equal_come_in_an_order_of_the_servers_own(judge: Judge) -> None:
    """Two servers of MariaDB with the same rows answer this each in its own way."""
    finding = judge.judge(plain("order", "SELECT dx, count(*) FROM codes GROUP BY dx ORDER BY 2"))
    assert finding.outcome in (Outcome.INERT, Outcome.ORDER)


def _some() -> list[Case]:
    known = [case for case in written() if case.family not in ("schema", "catalogue")]
    return [*known[::20], *(case for case in generated(24) if "CREATE" not in case.source)]


def test_some_of_every_family(judge: Judge) -> None:
    told = []
    live = 0
    for case in _some():
        live += judge.live(case)
        for one in (case, *in_modes(case)[:1]):
            finding = judge.judge(one)
            if finding.outcome in (Outcome.LEAK, Outcome.CUT):
                told.append((one.source, one.mode, finding.outcome, finding.shown))
    assert not told
    assert live > 20
