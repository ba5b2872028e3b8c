"""Detectors: checksums, shapes, names; and what a column's evidence becomes."""

from __future__ import annotations

import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.errors import HoopgateError
from hoopgate.events import ColumnRef
from hoopgate.phi.detectors import checks
from hoopgate.phi.detectors.columns import Column, Family, Relation, Sample
from hoopgate.phi.detectors.patterns import DETECTORS, LONGEST
from hoopgate.phi.detectors.presidio import recognisers
from hoopgate.phi.detectors.proposals import Proposal, propose, propose_column
from hoopgate.phi.detectors.report import Finding, as_toml, findings
from hoopgate.phi.detectors.words import said, words
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass

DIGITS = st.text("0123456789", min_size=1, max_size=24)


def kinds(text: str) -> set[str]:
    return {one.kind for one in DETECTORS if not one.context and any(one.spans(text))}


def column(name: str, family: Family = Family.TEXT, **more: object) -> Column:
    reference = ColumnRef("public", str(more.pop("relation", "things")), name)
    return Column(reference, family.value, family, **more)  # type: ignore[arg-type]


def proposed(one: Column, values: list[str]) -> Proposal:
    return propose_column("clinic", one, values)


@given(DIGITS)
def test_one_wrong_digit_is_no_card_number(digits: str) -> None:
    body = digits if len(set(digits)) > 1 else digits + "01"
    valid = [str(last) for last in range(10) if checks.luhn(body + str(last))]
    assert len(valid) == 1
    for place in range(len(body)):
        other = str((int(body[place]) + 1) % 10)
        wrong = body[:place] + other + body[place + 1 :] + valid[0]
        assert not checks.luhn(wrong)


@given(st.text())
def test_checks_take_any_text(text: str) -> None:
    for check in (checks.luhn, checks.npi, checks.ssn, checks.dea, checks.iban, checks.vin):
        assert check(text) in (True, False)


@given(st.text())
def test_detectors_take_any_text(text: str) -> None:
    for one in DETECTORS:
        for start, end in one.spans(text):
            assert 0 <= start <= end <= min(len(text), LONGEST)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.luhn, "4111 1111 1111 1111", "4111 1111 1111 1112"),
        (checks.npi, "1234567893", "1234567894"),  # 45 CFR 162.406's example
        (checks.npi, "1245319599", "3245319599"),
        (checks.ssn, "123-45-6789", "666-45-6789"),
        (checks.ssn, "899-01-0001", "900-01-0001"),
        (checks.ssn, "001-01-0001", "001-00-0001"),
        (checks.dea, "AB1234563", "AB1234564"),
        (checks.iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
        (checks.vin, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),  # 49 CFR 565's example
    ],
)
def test_checks(check: object, good: str, bad: str) -> None:
    assert callable(check)
    assert check(good)
    assert not check(bad)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("his number is 123-45-6789.", "SSN"),
        ("write to a.b+c@mail.example", "EMAIL"),
        ("(202) 555-0143", "PHONE"),
        ("+4930901820", "PHONE"),
        ("see MRN: 0012345", "MRN"),
        ("1EG4-TE5-MK73", "MBI"),  # the example of CMS
        ("4111-1111-1111-1111", "CARD"),
        ("lives at 12 Old Mill Road", "ADDRESS"),
        ("from 10.0.0.200", "IP"),
        ("00:1B:44:11:3A:B7", "DEVICE"),
        ("https://portal.example/p/17", "URL"),
        ("seen 2026-02-28", "DATE"),
        ("seen 2/28/1961", "DATE"),
        ("Patient Mary O'Testcase, aged", "NAME"),
    ],
)
def test_shapes(text: str, kind: str) -> None:
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text", ["", "nothing to see", "4111-1111-1111-1112", "1234", "E11.9", "a@b", "300.400.500.600"]
)
def test_other_text_is_nothing(text: str) -> None:
    assert not kinds(text)


def test_no_value_costs_more_than_its_length() -> None:
    # What makes a backtracking engine hang for hours.
    hostile = "1 " * 50_000 + "@" + "A" * 100_000
    for one in DETECTORS:
        assert len(list(one.spans(hostile))) <= LONGEST


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patientBirth_date2", ("patient", "birth", "date")),
        ("SSN", ("ssn",)),
        ("e-mail", ("e", "mail")),
        ("Straße", ("straße",)),
        ("", ()),
    ],
)
def test_words_of_a_name(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


def test_a_name_is_a_name_among_people() -> None:
    assert ("NAME", 0.85) in [one[:2] for one in said("name", "patients", "")]
    assert max(one[1] for one in said("name", "codes", "")) < 0.35
    assert list(said("filename", "documents", "")) == []


def test_names_and_values_make_each_other_surer() -> None:
    values = [f"123-45-{number:04}" for number in range(1, 50)]
    by_name = proposed(column("ssn"), [])
    by_both = proposed(column("ssn"), values)
    assert by_name.label is not None and by_both.label is not None
    assert by_name.label.kind == by_both.label.kind == "SSN"
    assert by_name.confidence < by_both.confidence < 1


def test_an_identifier_in_some_notes_labels_the_notes() -> None:
    values = ["all is well"] * 45 + ["call 202-555-0143 for her results"] * 5
    found = proposed(column("x"), values)
    assert found.label is not None
    assert (found.label.kind, found.label.level) == ("NOTE", LabelClass.SECRET)


@pytest.mark.parametrize(
    ("name", "family", "kind", "level", "method"),
    [
        ("dob", Family.DATE, "DOB", LabelClass.QUASI, Method.GENERALISE),
        ("dob", Family.TEXT, "DOB", LabelClass.SECRET, Method.REDACT),
        ("zip", Family.TEXT, "ZIP", LabelClass.QUASI, Method.GENERALISE),
        ("zip", Family.INTEGER, "ZIP", LabelClass.SECRET, Method.REDACT),
        ("age", Family.INTEGER, "AGE", LabelClass.QUASI, Method.GENERALISE),
        ("happened", Family.TIMESTAMP, "DATE", LabelClass.QUASI, Method.GENERALISE),
    ],
)
def test_what_can_be_shown_in_a_coarser_form(
    name: str, family: Family, kind: str, level: LabelClass, method: Method
) -> None:
    label = proposed(column(name, family), []).label
    assert label is not None
    assert (label.kind, label.level, label.method) == (kind, level, method)


@pytest.mark.parametrize(
    ("name", "family", "kind", "level"),
    [
        ("person_id", Family.INTEGER, "PATIENT", LabelClass.QUASI),
        ("PATIENT_NUM", Family.TEXT, "PATIENT", LabelClass.QUASI),
        ("year_of_birth", Family.INTEGER, "YEAR_OF_BIRTH", LabelClass.QUASI),
        ("month_of_birth", Family.INTEGER, "PART_OF_BIRTH", LabelClass.SECRET),
        ("insurance_no", Family.TEXT, "MEMBER", LabelClass.SECRET),
        ("lat", Family.NUMBER, "LOCATION", LabelClass.SECRET),
    ],
)
def test_numbers_that_are_about_a_person_are_not_offered(
    name: str, family: Family, kind: str, level: LabelClass
) -> None:
    values = [str(number) for number in range(100)]
    proposal = propose_column("clinic", column(name, family), values)
    assert proposal.label is not None
    assert (proposal.label.kind, proposal.label.level) == (kind, level)
    assert proposal.label.patient == (kind == "PATIENT")
    text = "\n".join(as_toml("clinic", [Finding(proposal, None)], [], "today"))
    assert tomllib.loads(text)["labels"][0].get("patient", False) == (kind == "PATIENT")
    public = Label("clinic", str(proposal.column), "PUBLIC", LabelClass.PUBLIC)
    assert Finding(proposal, public).contradicts == (kind != "PATIENT")


def test_a_word_that_the_type_rules_out_does_not_count() -> None:
    assert proposed(column("address_count", Family.INTEGER), []).label is None
    assert proposed(column("email", Family.BOOLEAN), ["t"]).label == Label(
        "clinic", "public.things.email", "PUBLIC", LabelClass.PUBLIC
    )


def test_what_nothing_tells_has_no_label() -> None:
    found = proposed(column("x17"), [f"{number * 7919}zq" for number in range(100)])
    assert found.label is None


@given(st.lists(st.text(min_size=1), max_size=60), st.sampled_from(Family))
def test_reasons_quote_no_value(values: list[str], family: Family) -> None:
    secret = "Zq\u2603unmistakable"
    found = proposed(column("x", family), [f"{secret}{one}" for one in values])
    assert secret not in " ".join(found.reasons)
    assert 0 <= found.confidence < 1


def test_samples_are_not_in_a_repr() -> None:
    assert "123-45-6789" not in repr(Sample((("123-45-6789",),)))


def relation(*columns: Column) -> Relation:
    return Relation("public", "things", columns)


def test_the_file_hides_and_never_opens_by_itself() -> None:
    columns = relation(column("ssn"), column("ok", Family.BOOLEAN), column("x17"))
    found = findings(propose("clinic", columns, Sample()), LabelSet("clinic", ()))
    text = "\n".join(as_toml("clinic", found, ["public.other: it took too long"], "today"))
    assert tomllib.loads(text)["labels"] == [
        {"resource": "clinic", "column": "public.things.ssn", "kind": "SSN"}
    ]
    assert "# NOT SAMPLED: public.other" in text
    assert '#     "public.things.ok"' in text
    assert "#   public.things.x17" in text
    # Without the signs of comments the public ones are a valid label, too.
    opened = text[text.index("# [[labels]]") :].partition("\n\n")[0].replace("# ", "", 1)
    lines = [line.removeprefix("# ") for line in opened.splitlines()]
    assert tomllib.loads("\n".join(lines))["labels"] == [
        {"resource": "clinic", "level": "public", "column": ["public.things.ok"]}
    ]


def test_a_label_that_what_is_found_contradicts_is_a_warning() -> None:
    public = Label("clinic", "public.things.*", "PUBLIC", LabelClass.PUBLIC)
    secret = Label("clinic", "public.things.ssn", "SSN")
    proposals = list(propose("clinic", relation(column("ssn"), column("dob")), Sample()))
    (one, other) = findings(proposals, LabelSet("clinic", (public,)))
    assert one.kind == other.kind == "warning"
    (one, other) = findings(proposals, LabelSet("clinic", (public, secret)))
    assert (one.kind, other.kind) == ("labelled", "warning")


def test_what_counts_as_secret_for_want_of_a_label_is_not_labelled() -> None:
    labels = LabelSet("clinic", (), LabelClass.SECRET)
    (found,) = findings(propose("clinic", relation(column("ssn")), Sample()), labels)
    assert found == Finding(found.proposal, None)
    assert found.kind == "label"


@given(st.text(min_size=1) | st.text("a*?[]!.-", min_size=1), st.text(min_size=1))
def test_any_name_gives_a_file_that_is_toml(name: str, kind: str) -> None:
    label = Label("clinic", f"public.things.{name}", "SSN")
    proposal = Proposal(ColumnRef("public", "things", name), kind, label, 0.9, ("its name",))
    text = "\n".join(as_toml("clinic", [Finding(proposal, None)], [name], "today"))
    try:
        name.encode()
    except UnicodeEncodeError:
        return  # no server has such a name
    found = tomllib.loads(text).get("labels", [])
    assert len(found) == 1
    assert Finding(proposal, None).kind == "label"
    [again] = [Label(one["resource"], one["column"], one["kind"]) for one in found]
    assert again.column.count(".") == 2
    compiled = LabelSet("clinic", [again])
    assert compiled.lookup(ColumnRef("public", "things", name)) == again
    other = name + "x" if "." in name else name.swapcase() + "x"
    assert compiled.lookup(ColumnRef("public", "things", other)) is None


def test_presidio_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(HoopgateError, match=r"pip install 'hoopgate\[presidio\]'"):
        recognisers()
