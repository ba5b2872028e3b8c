"""Where years of dates are shown and kept, by the labels of all that they are made of."""

from __future__ import annotations

import pytest

from hoopgate.events import ColumnRef, OutputColumn, Resolution, StatementFacts
from hoopgate.guardrails.writes import writes
from hoopgate.guardrails.years import form_shown, whole_years
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass

QUASI, PUBLIC, SECRET = LabelClass.QUASI, LabelClass.PUBLIC, LabelClass.SECRET
LABELS = LabelSet(
    "clinic",
    [
        Label("clinic", "public.p.dob", "dob", QUASI, Method.GENERALISE),
        Label("clinic", "public.p.born", "BIRTH_DATE", QUASI, Method.GENERALISE),
        Label("clinic", "public.e.admit", "ADMITTED", QUASI, Method.GENERALISE),
        Label("clinic", "public.e.left", "DISCHARGED", QUASI, Method.GENERALISE),
        Label("clinic", "public.e.hidden", "DATE", QUASI, Method.REDACT),
        Label("clinic", "public.e.dead", "DATE", SECRET),
        Label("clinic", "public.e.sex", "SEX", PUBLIC),
    ],
    unlabelled=SECRET,
)


def refs(*names: str) -> frozenset[ColumnRef]:
    return frozenset(
        ColumnRef("public", "p" if name in ("dob", "born") else "e", name) for name in names
    )


def made(form: str, kept: str, others: str = "") -> OutputColumn:
    columns = refs(*kept.split())
    return OutputColumn("x", 23, columns | refs(*others.split()), False, form, columns)


@pytest.mark.parametrize(
    ("form", "kept", "others", "shown", "stored"),
    [
        ("year", "admit", "", True, True),
        ("whole", "admit left", "sex", True, True),
        ("date", "admit left", "sex", True, False),
        ("year", "admit sex", "", True, True),
        ("year", "dob", "", True, False),
        ("date", "dob born", "sex", True, False),
        ("whole", "dob", "", False, False),
        ("year", "dob admit", "", False, False),
        ("year", "admit", "left", False, False),
        ("year", "admit", "dead", False, False),
        ("year", "admit dead", "", False, False),
        ("year", "admit hidden", "", False, False),
        ("year", "admit", "unlabelled", False, False),
        ("", "admit", "", False, False),
    ],
)
def test_years_go_by_the_labels_of_all_their_sources(
    form: str, kept: str, others: str, shown: bool, stored: bool
) -> None:
    column = made(form, kept, others)
    assert form_shown(column, LABELS) == (form if shown else "")
    assert whole_years(column, LABELS) is stored
    facts = StatementFacts(frozenset({"ddl"}), flags=frozenset({"into"}))
    assert (writes(facts, Resolution((column,)), LABELS) is None) is stored
