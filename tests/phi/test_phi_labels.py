"""The data dictionary: which label a column has, and how its value comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.events import ColumnRef
from hoopgate.phi.labels import LabelSet
from hoopgate.phi.methods import column_mask
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass

SECRET, QUASI, PUBLIC = LabelClass.SECRET, LabelClass.QUASI, LabelClass.PUBLIC


def labels(*lines: tuple[str, str, LabelClass]) -> LabelSet:
    return LabelSet("clinic", [Label("clinic", *line) for line in lines])


def kind(found: LabelSet, column: str) -> str | None:
    label = found.lookup(ColumnRef(*column.split(".")))
    return label and label.kind


def test_the_most_specific_line_wins() -> None:
    found = labels(
        ("*.*.name", "ANY", SECRET),
        ("public.*.name", "SCHEMA", QUASI),
        ("public.staff.*", "STAFF", PUBLIC),
        ("public.staff.name", "EXACT", PUBLIC),
    )
    assert kind(found, "other.t.name") == "ANY"
    assert kind(found, "public.t.name") == "SCHEMA"
    assert kind(found, "public.staff.id") == "STAFF"
    assert kind(found, "public.staff.name") == "EXACT"
    assert kind(found, "public.t.names") is None
    assert kind(found, "Public.t.Name") is None


def test_of_equals_the_strictest_wins() -> None:
    found = labels(("a.b.c?", "WEAK", QUASI), ("a.b.?d", "STRONG", SECRET))
    assert kind(found, "a.b.cd") == "STRONG"


def test_a_wildcard_stays_in_its_part() -> None:
    found = LabelSet("clinic", [Label("clinic", "public.*.ssn", "SSN")])
    assert found.lookup(ColumnRef("public", "a", "ssn"))
    assert found.lookup(ColumnRef("public", "patients.x", "y")) is None
    assert found.lookup(ColumnRef("xpublic", "a", "ssn")) is None
    label = Label("clinic", "public.codes.*", "OPEN", PUBLIC)
    open_ = LabelSet("clinic", [label], SECRET)
    for own in (("public", "codes", "dx"), ("public", "codes", "a.b")):
        assert open_.lookup(ColumnRef(*own)) == label
    for other in (("public", "codes.ssn", "x"), ("public.codes", "x", "y")):
        assert open_.secrets([ColumnRef(*other)])


def test_labels_of_other_resources_do_not_count() -> None:
    assert LabelSet("clinic", [Label("lab", "*.*.*", "ALL")]).strictest(
        [ColumnRef("a", "b", "c")]
    ) is None  # fmt: skip


@pytest.mark.parametrize(
    "column",
    [
        "pg_catalog.pg_statistic.stavalues1",
        "pg_catalog.pg_stats.most_common_vals",
        "pg_catalog.pg_stats_ext.most_common_vals",
        "pg_catalog.pg_stat_activity.query",
        "pg_catalog.pg_authid.rolpassword",
        "public.pg_stat_statements.query",
        "pg_toast.pg_toast_123.chunk_data",
        "pg_catalog.pg_largeobject.data",
    ],
)
def test_what_the_server_keeps_of_values_is_secret(column: str) -> None:
    found = labels()
    assert found.secrets([ColumnRef(*column.split("."))])


@pytest.mark.parametrize(
    "column",
    ["pg_catalog.pg_class.relname", "pg_catalog.pg_authid.rolname", "information_schema.tables.x"],
)
def test_the_catalogue_is_public(column: str) -> None:
    assert labels().strictest([ColumnRef(*column.split("."))]) is None


def test_public_is_no_label_that_masks() -> None:
    found = labels(("a.b.c", "REVIEWED", PUBLIC), ("a.b.d", "ZIP", QUASI))
    assert found.strictest([ColumnRef("a", "b", "c")]) is None
    label = found.strictest([ColumnRef("a", "b", "c"), ColumnRef("a", "b", "d")])
    assert label is not None
    assert label.kind == "ZIP"


def test_a_column_that_nobody_labelled_is_secret_where_the_policy_says_so() -> None:
    lines = [
        Label("clinic", "public.patients.ssn", "SSN"),
        Label("clinic", "public.patients.id", "PUBLIC", PUBLIC),
        Label("clinic", "public.codes.*", "PUBLIC", PUBLIC),
    ]
    strict = LabelSet("clinic", lines, SECRET)
    columns = {
        "public.patients.new": True,
        "public.patients.id": False,
        "public.codes.anything": False,
        "other.t.x": True,
        "pg_catalog.pg_class.relname": False,
        "information_schema.tables.table_name": False,
        "pg_catalog.pg_stats.most_common_vals": True,
    }
    for name, secret in columns.items():
        assert bool(strict.secrets([ColumnRef(*name.split("."))])) == secret, name
    assert kind(strict, "public.patients.new") == "UNLABELLED"
    # What a view shows is named besides as what it is made of.
    derived = ColumnRef("public", "v", "x", derived=True)
    assert strict.strictest([derived]) is None
    assert strict.strictest([derived, ColumnRef("public", "patients", "new")]) is not None
    lenient = LabelSet("clinic", lines, PUBLIC)
    assert lenient.strictest([ColumnRef("public", "patients", "new")]) is None


@given(
    st.permutations([("a.b.x", "ONE", SECRET), ("a.b.y", "TWO", QUASI), ("a.b.z", "SIX", SECRET)])
)
def test_the_order_of_lines_does_not_matter(lines: list[tuple[str, str, LabelClass]]) -> None:
    label = labels(*lines).strictest([ColumnRef("a", "b", name) for name in "zyx"])
    assert label is not None
    assert label.kind == "ONE"


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("level", [SECRET, QUASI])
def test_an_expression_is_redacted_whole(method: Method, level: LabelClass) -> None:
    label = Label("clinic", "a.b.c", "DATE", level, method)
    assert column_mask(label, 1082, direct=False).method in (Method.REDACT, Method.NULL)
    direct = column_mask(label, 1082, direct=True)
    assert (direct.label, direct.type) == ("DATE", 1082)
    if (method, level) == (Method.GENERALISE, SECRET):
        assert direct.method is Method.REDACT
    else:
        assert direct.method is method
