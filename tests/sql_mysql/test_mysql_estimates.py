"""What a plan of MariaDB or MySQL says of rows, and which statements may be planned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.events import Resolution, StatementFacts
from hoopgate.sql.mysql.estimates import may_be_planned, rows_of


def row(
    id: object, kind: str, rows: object, filtered: object = "100.00", extra: str = ""
) -> tuple[object, ...]:
    return (id, kind, "t", "ALL", None, None, None, None, rows, filtered, extra)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ([row("1", "SIMPLE", "2000")], 2000),
        ([row("1", "SIMPLE", "2000", "10.00")], 200),
        ([row("1", "SIMPLE", "50"), row("1", "SIMPLE", "3", "50.00")], 75),
        ([row("1", "PRIMARY", "50"), row("2", "UNION", "20"), row(None, "UNION RESULT", None)], 70),
        ([row("1", "PRIMARY", "5"), row("2", "DERIVED", "9000"), row("3", "SUBQUERY", "7")], 5),
        ([row("1", "INSERT", None), row("1", "SIMPLE", "30")], 30),
        ([row("1", "SIMPLE", None, None, "Impossible WHERE")], 0),
        ([row("1", "SIMPLE", None, None, "no matching row in const table")], 0),
        ([row("1", "SIMPLE", None, None, "No tables used")], None),
        ([], None),
    ],
)  # fmt: skip
def test_rows(plan: list[tuple[object, ...]], expected: int | None) -> None:
    assert rows_of(plan) == expected


NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(NUMBERS, st.floats(0, 100)), max_size=20))
def test_a_join_of_anything_is_a_number(tables: list[tuple[int, float]]) -> None:
    found = rows_of([row("1", "SIMPLE", str(rows), f"{part:.2f}") for rows, part in tables])
    assert found is None if not tables else 0 <= (found or 0) < 2**63


def facts(*classes: str, flags: frozenset[str] = frozenset()) -> StatementFacts:
    return StatementFacts(frozenset(classes), flags=flags)


@pytest.mark.parametrize(
    ("names", "planned"),
    [
        ([], True),
        (["upper", "=", "count"], True),
        (["sleep"], False),
        (["get_lock"], False),
        (["benchmark"], False),
        (["load_file"], False),
        ([".clinic.seven"], False),
        (["made_up"], False),
    ],
)
def test_only_what_computes_is_planned(names: list[str], planned: bool) -> None:
    read = Resolution((), flows=dict.fromkeys(names, frozenset()))
    assert may_be_planned(facts("read"), read) is planned


@pytest.mark.parametrize(
    "asked",
    [
        facts("read", "call"),
        facts("ddl"),
        facts("read", flags=frozenset({"state_function"})),
        facts("read", flags=frozenset({"parameters"})),
        StatementFacts(frozenset({"read"}), kind="prepare"),
        StatementFacts(frozenset({"read", "explain"}), inner="SELECT 1"),
    ],
)
def test_other_statements_are_not(asked: StatementFacts) -> None:
    assert not may_be_planned(asked, Resolution(()))
