"""What is left of documents: single cases, one per promise of docs/http.md."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hoopgate.http import documents as requests_json
from hoopgate.http.codings import Identity
from hoopgate.http.fhir_filling import Pages
from hoopgate.http.headers import Links
from hoopgate.http.rewriting import _FHIR, Recipe
from hoopgate.http.wire import Malformed
from hoopgate.phi.documents import JSONMasker, Unreadable, decode, encode
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.phi.hl7 import HL7Masker
from hoopgate.phi.texts import CSVMasker, TextMasker
from hoopgate.plans import BodyPlan, Method, PathMask

LINKS = Links(["fhir.example", "fhir.example:443"], "/r4", "https://gw/ehr")


def public(*paths: str) -> tuple[PathMask, ...]:
    return tuple(PathMask(path, "PUBLIC", None) for path in paths)


def fhir(resource: dict[str, Any], *masks: PathMask) -> Any:
    return FHIRMasker(masks, LINKS.url, 2026).mask({"resourceType": "Patient", **resource})


def test_links_of_a_bundle_lead_through_the_gateway_or_are_left_out() -> None:
    bundle = {
        "resourceType": "Bundle",
        "link": [
            {"relation": "next", "url": "https://fhir.example/r4/Patient?_cursor=x"},
            {"relation": "self", "url": "https://elsewhere.example/Canary"},
        ],
        "entry": [
            {"fullUrl": "https://fhir.example:443/r4/Patient/1"},
            {"fullUrl": "https://fhir.example.evil/r4/Patient/Canary"},
            {"response": {"status": "201 Canary", "location": "Patient?name=Canary"}},
        ],
    }
    shown = fhir(bundle)
    assert shown["link"] == []  # what a query may say, who asked is to decide
    paged = FHIRMasker((), LINKS.url, 2026, Pages((), ())(LINKS.url)).mask(bundle)
    assert paged["link"] == [{"url": "https://gw/ehr/Patient?_cursor=x", "relation": "next"}]
    assert [one.get("fullUrl") for one in shown["entry"]] == [
        "https://gw/ehr/Patient/1",
        None,
        None,
    ]
    assert shown["entry"][2]["response"] == {"status": "201"}


def test_an_exports_files_are_fetched_through_the_gateway() -> None:
    mask = _FHIR(BodyPlan(()), LINKS)
    manifest = {
        "transactionTime": "2026-01-02T03:04:05Z",
        "request": "https://fhir.example/r4/$export?_since=Canary",
        "output": [{"type": "Patient", "url": "https://fhir.example/r4/files/1.ndjson"}],
    }
    shown = json.loads(mask(json.dumps(manifest).encode()))
    assert shown["output"] == [{"type": "Patient", "url": "https://gw/ehr/files/1.ndjson"}]
    assert "Canary" not in json.dumps(shown)
    manifest["output"] = [{"type": "Patient", "url": "https://bucket.example/signed"}]
    with pytest.raises(Unreadable):
        mask(json.dumps(manifest).encode())


def test_births_ages_and_dates() -> None:
    assert fhir({"birthDate": "1920-05-06"})["birthDate"] == "1936"
    assert fhir({"birthDate": "1980-05-06"})["birthDate"] == "1980"
    assert "birthDate" not in fhir({"birthDate": "Canary"})
    assert "_birthDate" not in fhir({"_birthDate": {"extension": [{"url": "x", "valueDate": "1"}]}})
    assert fhir({"deceasedDateTime": "2020-01-02"})["deceasedDateTime"] == "2020"
    age = {"resourceType": "Condition", "onsetAge": {"value": 97, "code": "a"}}
    assert fhir(age)["onsetAge"]["value"] == 90


def test_a_label_of_a_resource_can_only_make_it_stricter() -> None:
    shown = fhir({"id": "1", "gender": "male", "meta": {"security": [{"code": "R"}]}})
    assert set(shown) == {"resourceType", "id", "meta"}


def test_the_dictionary_decides_about_single_elements() -> None:
    patient = {"name": [{"family": "Canary"}], "maritalStatus": {"text": "married"}}
    assert fhir(patient)["maritalStatus"] == {"text": "[TEXT]"}
    assert fhir(patient, *public("CodeableConcept.text"))["maritalStatus"] == {"text": "married"}
    assert fhir(patient, *public("Patient.maritalStatus"))["maritalStatus"]["text"] == "married"
    assert fhir(patient, PathMask("Patient.name.family", "SURNAME", Method.REDACT))["name"] == [
        {"text": "[NAME]", "family": "[SURNAME]", "given": ["[NAME]"]}
    ]
    assert "gender" not in fhir({"gender": 5})
    assert fhir({"gender": "x"}, PathMask("Patient.gender", "SEX", Method.REDACT)) == {
        "resourceType": "Patient",
        "gender": "[SEX]",
    }


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Nonsense"}, [], "x", 5, None])
def test_what_is_no_resource_is_unreadable(resource: object) -> None:
    with pytest.raises(Unreadable):
        FHIRMasker([], LINKS.url, 2026).mask(resource)


def test_json_by_pointers() -> None:
    masks = (
        PathMask("/patients/*/ssn", "SSN", Method.REDACT),
        *public("/patients/*/id", "/total"),
        PathMask("/patients/*/dob", "DOB", Method.GENERALISE),
    )
    document = {
        "total": 1,
        "note": "Canary",
        "patients": [{"id": 7, "ssn": "Canary", "dob": "1980-01-02", "friends": ["Canary"]}],
    }
    shown = JSONMasker(masks, unlabelled=True).mask(document)
    assert shown == {"total": 1, "patients": [{"id": 7, "ssn": "[SSN]", "dob": "1980"}]}
    lax = JSONMasker(masks, unlabelled=False).mask(document)
    assert lax["note"] == "Canary"
    assert lax["patients"][0]["ssn"] == "[SSN]"


def test_a_key_that_nobody_has_named_is_not_shown() -> None:
    masks = (PathMask("/patients/*/ssn", "SSN", Method.REDACT), *public("/patients/*/id"))
    document = {"patients": {"Ann Canary": {"ssn": "1", "id": 7}, "Canary": {"Canary": 1}}}
    shown = JSONMasker(masks, unlabelled=True).mask(document)
    assert shown == {"patients": {"member_1": {"ssn": "[SSN]", "id": 7}, "member_2": {}}}
    lax = JSONMasker(masks, unlabelled=False).mask(document)
    assert "Ann Canary" in lax["patients"]
    whole = JSONMasker(public("/patients"), unlabelled=True).mask(document)
    assert whole == document
    named = JSONMasker((*masks, *public("/patients/x/y")), unlabelled=True)
    assert named.mask({"patients": {"x": {"y": 1, "id": 2}}}) == {
        "patients": {"x": {"y": 1, "id": 2}}
    }


def test_numbers_keep_their_digits() -> None:
    text = b'{"a":1.10,"b":12345678901234567890,"c":-0.0}'
    assert encode(decode(text)) == text


def test_tables_by_names() -> None:
    masks = (*public("id"), PathMask("name", "NAME", Method.REDACT))
    text = 'id,Name,Canary\r\n1,"Canary, A",x\r\n2,,\r\n'
    shown = CSVMasker(masks, unlabelled=True).mask(text)
    assert shown == "id,Name,column_3\r\n1,[NAME],[UNLABELLED]\r\n2,,\r\n"
    with pytest.raises(Unreadable):
        CSVMasker(masks, unlabelled=True).mask("id\r\n1,Canary\r\n")


def test_text_is_shown_whole_or_not() -> None:
    assert TextMasker((), unlabelled=True).mask("Canary") == "[UNLABELLED]"
    assert TextMasker(public("text"), unlabelled=True).mask("fine") == "fine"
    spotted = TextMasker((), unlabelled=False).mask("call about 123-45-6789 now")
    assert "123-45-6789" not in spotted
    assert spotted.endswith(" now")


def test_hl7_keeps_codes_and_years() -> None:
    message = (
        "MSH|^~\\&|LAB|H|EHR|H|20240102030405||ORU^R01|42|P|2.5\r"
        "PID|1||Canary^^^MRN||Canary^Ann||19700102|F|||Canary St\r"
        "OBX|1|NM|29463-7^Weight^LN||70|kg|||||F\r"
        "OBX|2|TX|note||Canary said\r"
        "NTE|1||Canary\r"
        "ZXY|Canary\r"
    )
    lines = HL7Masker(()).mask(message).split("\r")
    assert lines[0] == "MSH|^~\\&|LAB|H|EHR|H|2024||ORU^R01|42|P|2.5"
    assert lines[1] == "PID|1||[PID-3]||[PID-5]||[PID-7]|F|||[PID-11]"
    assert lines[2] == "OBX|1|NM|29463-7^Weight^LN||70|kg|||||F"
    assert lines[3] == "OBX|2|TX|note||[OBX-5]"
    assert "Canary" not in "".join(lines)
    with pytest.raises(Unreadable):
        HL7Masker(()).mask("Canary")


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"NaN", b"Infinity"])
def test_a_number_beyond_what_readers_can_read_is_refused(number: bytes) -> None:
    with pytest.raises(Malformed):
        requests_json.strict(b'{"a":%b}' % number)


def test_what_comes_as_tokens_does_so_wherever_its_type_stands() -> None:
    masks = (
        PathMask("Identifier.value", "MRN", Method.TOKEN),
        PathMask("HumanName.given", "NAME", Method.TOKEN),
    )

    def tokens(kind: str, value: bytes) -> str:
        return f"<{kind} {len(value)}>"

    masker = FHIRMasker(masks, LINKS.url, 2026, tokens=tokens)
    shown = masker.mask(
        {
            "resourceType": "Patient",
            "identifier": [{"value": "Canary"}, {"value": 7}, {"value": " "}, {"use": "old"}],
            "name": [{"given": ["Ann", "Bo"], "family": "Canary"}],
            "generalPractitioner": [{"identifier": {"value": "Canary"}}],
            "contained": [{"resourceType": "Person", "name": [{"given": "Canary"}]}],
        }
    )
    assert [one.get("value") for one in shown["identifier"]] == [
        *("<MRN 6>", None, "[MRN]", "[IDENTIFIER]"),
    ]
    assert shown["name"][0]["given"] == ["<NAME 3>", "<NAME 2>"]
    assert shown["name"][0]["family"] == "[NAME]"
    assert shown["generalPractitioner"][0]["identifier"]["value"] == "<MRN 6>"
    assert shown["contained"][0]["name"][0]["given"] == "<NAME 6>"
    assert "Canary" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("segment", "shown"),
    [
        ("OBX|1|NM|718-7^Hemoglobin^LN||13.4|g/dL|12-16|N|||F", None),
        (
            "OBX|1|NM|718-7^Hemoglobin^LN||Canary||||||F",
            "OBX|1|NM|718-7^Hemoglobin^LN||[OBX-5]||||||F",
        ),
        ("OBX|1|SN|x^y^L||^7^-^9||||||F", None),
        ("OBX|1|SN|x^y^L||>^Canary||||||F", "OBX|1|SN|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|CWE|x^y^L||I48^Fibrillation^I10||||||F", None),
        ("OBX|1|CWE|x^y^L||^Canary fell||||||F", "OBX|1|CWE|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|CWE|x^y^L||I48^Fib^I10^^^^^^Canary||||||F", "OBX|1|CWE|x^y^L||I48^Fib^I10||||||F"),
        ("OBX|1|CWE|x^y^L||see Canary^Canary||||||F", "OBX|1|CWE|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|CWE|x^y^L||I48^Fib^I10~^Canary||||||F", "OBX|1|CWE|x^y^L||I48^Fib^I10~||||||F"),
        ("OBX|1|ID|x^y^L||Canary fell||||||F", "OBX|1|ID|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|TX|x^y^L||Canary||||||F", "OBX|1|TX|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|ZZ|x^y^L||Canary||||||F", "OBX|1|ZZ|x^y^L||[OBX-5]||||||F"),
        ("OBX|1|NM|x^y^L|Canary|7||Canary|N|||F", "OBX|1|NM|x^y^L|[OBX-4]|7||[OBX-7]|N|||F"),
        ("DG1|1||^Canary", "DG1|1||[DG1-3]"),
        ("AL1|1|DA|^Canary\\E\\|SV", "AL1|1|DA|[AL1-3]|SV"),
        (
            "PID|1||1^^^A^MR||Canary^A||19700102|F|||||||E^English^L|S^^L",
            "PID|1||[PID-3]||[PID-5]||[PID-7]|F|||||||E^English^L|S^^L",
        ),
        ("ZPI|Canary|1|2", "ZPI|[ZPI-1]|[ZPI-2]|[ZPI-3]"),
        ("NTE|1||Canary", "NTE|1||[NTE-3]"),
        (
            "IN1|1|Canary|Canary||||||||||||||HMO|Canary|SEL^Self Canary",
            "IN1|1|[IN1-2]|[IN1-3]||||||||||||||",
        ),
        ("GT1|1|Canary|Canary^Ann", "GT1|1|[GT1-2]|[GT1-3]"),
        ("NK1|1|Canary^Bo|^Canary friend", "NK1|1|[NK1-2]|[NK1-3]"),
    ],
)
def test_hl7_shows_what_has_the_shape_of_its_type(segment: str, shown: str | None) -> None:
    head = "MSH|^~\\&|A|B|C|D|2024||ORU^R01|1|P|2.5"
    found = HL7Masker(()).mask(f"{head}\r{segment}").split("\r")[1]
    assert found.startswith(segment if shown is None else shown)
    assert "Canary" not in found.replace("SEL^Self Canary", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OBX|1|NM|30525-0^Age^LN||93||||||F", "OBX|1|NM|30525-0^Age^LN||101.5||||||F"),
        ("OBX|1|NM|x^y^L||91|a^year^UCUM|||||F", "OBX|1|NM|x^y^L||97|a^year^UCUM|||||F"),
        ("OBX|1|NM|x^y^L||1100|mo|||||F", "OBX|1|NM|x^y^L||1200|mo|||||F"),
        ("OBX|1|SN|x^y^L||>^93|years|||||F", "OBX|1|SN|x^y^L||>^95|years|||||F"),
        ("OBX|1|NM|x^y^L||555-1234||||||F", "OBX|1|NM|x^y^L||111-11-1111||||||F"),
        ("OBX|1|NM|x^y^L||1:2:3||||||F", "OBX|1|NM|x^y^L||4/5||||||F"),
        ("PV1|1|I" + "|" * 42 + "19210304", "PV1|1|I" + "|" * 42 + "19250607"),
        ("ORC|RE" + "|" * 8 + "1919", "ORC|RE" + "|" * 8 + "1920"),
    ],
)
def test_hl7_shows_no_age_above_89_and_no_telephone(one: str, other: str) -> None:
    head = "MSH|^~\\&#|A|B|C|D|2024||ORU^R01|1|P|2.8"
    first, second = (HL7Masker(()).mask(f"{head}\r{line}") for line in (one, other))
    assert first == second
    heavy = "OBX|1|NM|29463-7^Weight^LN||120.5~-3|kg|||||F"
    assert HL7Masker(()).mask(f"{head}\r{heavy}").split("\r")[1] == heavy


def test_public_json_goes_by_the_tripwire_as_text_does() -> None:
    document = {"note": "call 123-45-6789", "list": ["ann@example.org"], "n": 1, "none": None}
    found = JSONMasker((), unlabelled=False).mask(document)
    assert found == {"note": "call [SSN]", "list": ["[EMAIL]"], "n": 1, "none": None}
    said = (PathMask("/note", "", None),)
    assert JSONMasker(said, unlabelled=False).mask(document)["note"] == document["note"]


@pytest.mark.parametrize(
    ("media", "one", "other"),
    [
        ("application/fhir+json", b'{"resourceType":"Patient","meta":[{"x":1}]}', b""),
        ("text/plain", b"Ann", b"Jos\xe9"),
        ("text/plain; charset=us-ascii", b"Ann", b"Jos\xe9"),
        ("text/csv", b"name,b\r\nAnn,1\r\n", b"name,b\r\nJos\xe9,1\r\n"),
        (
            "application/hl7-v2",
            b"MSH|^~\\&|A|B|C|D|2024||A|1|P|2.5\rNTE|1||Ann",
            b"MSH|^~\\&|A|B|C|D|2024||A|1|P|2.5\rNTE|1||Jos\xe9",
        ),
    ],
)
def test_bytes_of_another_charset_do_not_tell(media: str, one: bytes, other: bytes) -> None:
    found = []
    for data in (one, other or one):
        answers = "fhir" if "fhir" in media else "rest"
        recipe = Recipe(answers, BodyPlan(()), media.encode(), LINKS, None, {}, 2**20)
        rewriter = recipe.made(Identity(), None)
        assert rewriter is not None
        found.append(rewriter.feed(data) + rewriter.finish())
    assert found[0] == found[1] != b""
