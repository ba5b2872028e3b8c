"""Writes to a FHIR server that would tell by failing: steps of a patch, conditions of a request."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.webrequest import read

from hoopgate.http import fhir_patches, headers, requests, targets
from hoopgate.http.wire import Malformed
from hoopgate.settings.model import HTTPTarget


@pytest.mark.parametrize(
    "step",
    [
        {"op": "replace", "path": "/active"},
        {"op": "add", "path": "/birthDate"},
        {"op": "remove", "path": "/name/1"},
        {"op": "add", "path": "/name/-"},
        {"op": "replace", "path": "/maritalStatus/coding/0/code"},
        {"op": "replace", "path": "/maritalStatus/text"},
        {"op": "replace", "path": "/managingOrganization/reference"},
        {"op": "add", "path": "/contact/0/relationship/0/coding/0"},
        {"op": "replace", "path": ""},
    ],
)
def test_what_is_shown_may_be_patched(step: dict[str, Any]) -> None:
    assert fhir_patches.reasons("Patient", [step]) == []


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/active", "value": True},
        {"op": "replace", "path": "/name/0/given/2"},
        {"op": "remove", "path": "/name/0/prefix"},
        {"op": "add", "path": "/name/0/given/9"},
        {"op": "remove", "path": "/identifier/0/period"},
        {"op": "replace", "path": "/address/0/line/3"},
        {"op": "replace", "path": "/contact/0/telecom/0/value"},
        {"op": "remove", "path": "/photo/0/hash"},
        {"op": "remove", "path": "/extension/0/valueInteger"},
        {"op": "remove", "path": "/name/0/extension/0"},
        {"op": "remove", "path": "/text/div"},
        {"op": "remove", "path": "/nickname"},
        {"op": "remove", "path": "/_birthDate"},
        {"op": "remove", "path": "/birthDate/x"},
    ],
)
def test_what_is_hidden_is_not_asked_for_by_patches(step: dict[str, Any]) -> None:
    assert fhir_patches.reasons("Patient", [step]) == ["phi.predicate"]


def test_a_list_of_texts_has_no_length_to_be_found_out() -> None:
    steps = [{"op": "remove", "path": "/alias/3"}, {"op": "add", "path": "/alias/-"}]
    assert fhir_patches.reasons("Organization", steps) == ["phi.predicate"]


@pytest.mark.parametrize("step", [7, {"op": "replace"}, {"op": "x", "path": "/a"}, {"path": "a"}])
def test_what_is_no_patch_is_none(step: Any) -> None:
    with pytest.raises(Malformed):
        fhir_patches.reasons("Patient", [step])


JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("target", "kind", "body"),
    [
        ("/?_method=DELETE", JSON, "{}"),
        ("/?_METHOD=DELETE", JSON, "{}"),
        ("/", FORM, "a=b&_method=delete"),
        ("/?X-HTTP-Method-Override=PUT", FORM, "a=b"),
        ("/", JSON, '{"_method": "DELETE"}'),
    ],
)
def test_no_parameter_changes_the_method(target: str, kind: str, body: str) -> None:
    head = read("POST", target, f"Content-Type: {kind}", f"Content-Length: {len(body)}")
    with pytest.raises(Malformed) as refused:
        requests.inquire(HTTPTarget(), head, targets.parse(target.encode()), body.encode())
    assert refused.value.code == "http.override"
    inner = b'{"a": {"_method": "x"}}'
    requests.inquire(
        HTTPTarget(), head, targets.parse(b"/?method=x"), inner if kind == JSON else b""
    )


def test_an_approval_is_for_a_condition_too() -> None:
    texts = set()
    for line in ("If-None-Match: *", 'If-Match: "1"', "X-Own: 1"):
        head = read("PUT", "/x", line, "Content-Type: application/json", "Content-Length: 2")
        found = requests.inquire(HTTPTarget(), head, targets.parse(b"/x"), b"{}")
        texts.add(found.operation.text)
    assert len(texts) == 3


def sent(method: str, *lines: str, phi: bool = True) -> list[str]:
    """The conditions that go on."""
    head = read(method, "/", *lines)
    written = headers.to_upstream(
        head,
        host="u",
        phi=phi,
        pass_authorization=False,
        peer="1.2.3.4:5",
        secure=True,
        request_id="req",
    )
    return [f"{name.decode()}: {value.decode()}" for name, value in written if b"if-" in name]


@pytest.mark.parametrize("name", ["if-match", "if-none-match", "if-unmodified-since"])
def test_a_read_has_no_conditions(name: str) -> None:
    assert sent("GET", f"{name}: *") == []
    assert sent("GET", f"{name}: *", phi=False) == [f"{name}: *"]


@pytest.mark.parametrize(
    "line",
    [
        "if-none-match: *",
        'if-match: W/"7"',
        'if-match: W/"7", "a.b-c"',
        "if-unmodified-since: Wed, 21 Oct 2015 07:28:00 GMT",
    ],
)
def test_a_write_keeps_its_conditions(line: str) -> None:
    assert sent("PUT", line) == [line]


@pytest.mark.parametrize("line", ['if-match: "a digest of everything"', "if-none-match: x"])
def test_a_condition_is_about_a_version(line: str) -> None:
    with pytest.raises(Malformed):
        sent("PUT", line)
