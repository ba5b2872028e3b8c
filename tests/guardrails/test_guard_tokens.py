"""Where tokens may stand, by what a resolution says: each way around it, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hoopgate.events import ColumnRef, OutputColumn, Resolution, Statement, StatementFacts
from hoopgate.guardrails.matching import Subject
from hoopgate.guardrails.tokens import Settled, bound, settle
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method, TokenUse
from hoopgate.settings.model import Label, LabelClass
from hoopgate.sql.equality import marked, places

READ = StatementFacts(frozenset({"read"}))


def label(column: str, kind: str, method: Method = Method.TOKEN, **more: object) -> Label:
    return Label("clinic", f"public.{column}", kind, method=method, **more)  # type: ignore[arg-type]


LABELS = LabelSet(
    "clinic",
    [
        label("p.mrn", "MRN"),
        label("e.mrn", "MRN"),
        label("p.id", "PID", joins=True),
        label("e.pid", "PID", joins=True),
        label("e.zip", "ZIP", level=LabelClass.QUASI),
        label("p.ssn", "SSN", Method.REDACT),
        label("p.sex", "SEX", Method.REDACT, level=LabelClass.PUBLIC),
    ],
)


def column(name: str, *, derived: bool = False) -> ColumnRef:
    relation, _, own = name.partition(".")
    return ColumnRef("public", relation, own, derived)


MRN, SSN, SEX, PID, EPID = map(column, ("p.mrn", "p.ssn", "p.sex", "p.id", "e.pid"))
VIEW, CONSTANT = column("v.m", derived=True), column("v.c", derived=True)


def against(columns: set[ColumnRef], number: int) -> frozenset[ColumnRef]:
    return marked(columns, [f"${number}"])


def settled(
    influences: frozenset[ColumnRef],
    tokens: Mapping[int, str] | None = None,
    facts: StatementFacts = READ,
    loose: frozenset[int] = frozenset(),
) -> Settled:
    resolution = Resolution(
        (OutputColumn("x", 25, influences, False),),
        influences,
        parameter_types=(25, 25),
        flows={"pg_catalog.texteq(text, text)": influences},
        loose=loose,
    )
    return settle(facts, resolution, LABELS, tokens or {})


def left(found: Settled) -> frozenset[ColumnRef]:
    """What is still looked at, the same wherever it was named."""
    outputs = found.resolution.columns
    assert outputs is not None
    influences = found.resolution.influences
    assert outputs[0].sources == influences
    assert set(found.resolution.flows.values()) == {influences}
    return influences


def test_a_literal_of_the_columns_kind_looks_at_nothing_else() -> None:
    found = settled(against({MRN, VIEW}, 1), {1: "MRN"})
    assert found.block is None
    assert left(found) == frozenset()
    assert found.uses == ()
    assert found.kinds == {"MRN"}


def test_what_a_view_adds_may_be_labelled_public() -> None:
    shown = column("p.sex", derived=True)
    assert settled(against({MRN, shown}, 1), {1: "MRN"}).block is None
    assert settled(against({shown}, 1), {1: "MRN"}).block is not None


def test_a_parameter_has_to_be_a_token() -> None:
    found = settled(against({MRN}, 2))
    assert left(found) == frozenset()
    assert found.uses == (TokenUse(2, "MRN", 25, required=True),)
    assert found.kinds == {"MRN"}


def test_of_a_quasi_identifier_a_parameter_may_be_a_token() -> None:
    zips = against({column("e.zip")}, 1)
    found = settled(zips)
    assert found.uses == (TokenUse(1, "ZIP", 25, required=False),)
    assert found.kinds == frozenset()
    assert found.welcome == {"ZIP"}
    resolution = found.resolution
    values = ((0, b"021"), (1, b"{[ZIP:1.5f0b6c2f7a1c0e9d3b44],x}"))
    for given in (values[:1], values):
        statement = Statement("SELECT 1", (), given, binds=True)
        assert bound(statement) == (given == values)
        subject = Subject(
            READ, replace(resolution, influences=zips), LABELS, bound=bound(statement)
        )
        assert subject.tokens == ({"ZIP"} if given == values else frozenset())


@pytest.mark.parametrize(
    ("columns", "tokens"),
    [
        ({MRN}, {1: "PID"}),
        ({SSN}, {1: "SSN"}),
        ({SEX}, {1: "SEX"}),
        ({MRN, SSN}, {1: "MRN"}),
        ({MRN, PID}, {1: "MRN"}),
        ({MRN, SEX}, {1: "MRN"}),
        ({CONSTANT}, {1: "MRN"}),
        ({MRN}, {1: "MRN", 2: "MRN"}),
    ],
)
def test_a_literal_elsewhere_is_refused(columns: set[ColumnRef], tokens: dict[int, str]) -> None:
    found = settled(against(columns, 1), tokens)
    assert found.block is not None
    assert found.block.reason == "phi.token"


def test_what_is_used_elsewhere_too_is_refused() -> None:
    assert settled(against({MRN}, 1), {1: "MRN"}, loose=frozenset({1})).block is not None
    bound = settled(against({MRN}, 1), loose=frozenset({1}))
    assert left(bound) == against({MRN}, 1)
    assert bound.uses == ()


def test_sql_prepare_takes_no_tokens_later() -> None:
    facts = StatementFacts(frozenset({"prepare", "read"}), kind="prepare")
    assert left(settled(against({MRN}, 1), facts=facts)) == against({MRN}, 1)
    assert left(settled(against({MRN}, 1), {1: "MRN"}, facts)) == frozenset()


def test_another_look_at_the_column_stays() -> None:
    found = settled(against({MRN}, 1) | {MRN}, {1: "MRN"})
    assert left(found) == {MRN}


@pytest.mark.parametrize(
    ("one", "other", "allowed"),
    [
        ({PID}, {EPID}, True),
        ({PID, VIEW}, {EPID, CONSTANT}, True),
        ({MRN}, {column("e.mrn")}, False),  # joins is not said
        ({PID}, {MRN}, False),
        ({PID}, {SEX}, False),
        ({PID}, {CONSTANT}, False),  # a view's own constant is known: that would be a guess
        ({PID}, {EPID, SSN}, False),
        ({PID, SSN}, {EPID}, False),
    ],
)
def test_joins(one: set[ColumnRef], other: set[ColumnRef], allowed: bool) -> None:
    sides = marked(one, [places(other)]) | marked(other, [places(one)])
    secret = {
        ref
        for ref in left(settled(sides))
        if (found := LABELS.lookup(ref)) is not None and found.level is LabelClass.SECRET
    }
    assert (not secret) is allowed
