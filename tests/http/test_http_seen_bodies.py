"""What rules see of bodies, whatever their content type says, and however values are wrapped."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from testbed.webrequest import read

from hoopgate.events import OperationFacts
from hoopgate.guardrails.matching import CompiledRule, Subject, covers, touches
from hoopgate.http import documents, requests, targets
from hoopgate.http.inquiry import resolved
from hoopgate.http.wire import Malformed
from hoopgate.settings.model import HTTPTarget, Match, Rule

MULTIPART = "multipart/form-data; boundary=b"


def asked(media: str | None, body: bytes | None, *, form: str = "rest") -> OperationFacts:
    """What a request with this body asks for."""
    lines = [] if media is None else [f"Content-Type: {media}"]
    length = 2**21 if body is None else len(body)
    head = read("POST", "/x", *lines, f"Content-Length: {length}")
    inquiry = requests.inquire(HTTPTarget(format=form), head, targets.parse(b"/x"), body)
    assert inquiry.operation.facts is not None
    return inquiry.operation.facts[0]


def rule(verdict: str, **attributes: str) -> CompiledRule:
    """A rule on bodies or parameters."""
    named = tuple((f"http.{name}", frozenset({one})) for name, one in attributes.items())
    made = Rule(name="r", verdict=verdict, match=Match(attributes=named))
    return CompiledRule.of(made, "operator")


def blocked(facts: OperationFacts, **attributes: str) -> bool:
    """Whether a block by these attributes is for it."""
    return touches(rule("block", **attributes), Subject(facts, None, None))


def allowed(facts: OperationFacts, **attributes: str) -> bool:
    """Whether an allow by these attributes covers it."""
    return covers(rule("allow", **attributes), Subject(facts, None, None))


@pytest.mark.parametrize(
    "media",
    [
        *(None, "text/plain", "text/html", "application/octet-stream", "application/xml"),
        *("application/x-www-form-urlencoded", "application/jsonl", "image/png", "x", ""),
        *("text/plain;application/json", "application/json-seq", "application/jsonrequest"),
        *("application/json", "APPLICATION/JSON", "application/vnd.x+json", "text/json;x=y"),
    ],
)
@pytest.mark.parametrize("lead", ["", " \r\n\t"])
def test_json_is_seen_whatever_it_is_said_to_be(media: str | None, lead: str) -> None:
    facts = asked(media, lead.encode() + b'{"action": "drop"}')
    assert blocked(facts, body="/action=drop")
    assert not allowed(facts, body="/action=list")


@pytest.mark.parametrize(
    "body",
    [
        b'{"action": "list", "action": "drop"}',
        b'{"action": "list", "Action": "drop"}',
        b'\xef\xbb\xbf{"action": "drop"}',
        b'{"action": NaN}',
    ],
)
def test_what_servers_read_in_two_ways_is_refused_whatever_it_is_said_to_be(body: bytes) -> None:
    for media in ("text/plain", None, "application/json"):
        with pytest.raises(Malformed):
            asked(media, body)


@pytest.mark.parametrize("body", [b"hello", b"[INFO] a line of a log", b"{not json}", b"\x00\x01"])
def test_what_is_no_json_is_let_be(body: bytes) -> None:
    facts = asked("text/plain", body)
    assert not blocked(facts, body="/action=drop")
    assert not allowed(facts, body="/action=*")  # nobody knows what it does
    assert allowed(facts, method="POST")


def test_what_is_not_seen_is_covered_by_no_allow_on_it() -> None:
    assert not allowed(asked("text/plain", None), body="/action=list")
    assert not allowed(asked(MULTIPART, None), parameter="status")
    assert allowed(asked("application/octet-stream", None), parameter="status")
    assert allowed(asked(None, b""), body="/action=list")


@pytest.mark.parametrize(
    "document",
    [
        {"role": ["admin"]},
        [{"role": "admin"}],
        [[{"role": ["x", "admin"]}]],
        {"role": "admin"},
        {"ROLE": "Admin"},
    ],
)
def test_arrays_hide_nothing_from_a_block(document: object) -> None:
    facts = asked("application/json", json.dumps(document).encode())
    assert blocked(facts, body="/role=admin")
    assert blocked(facts, body="/role")
    assert not blocked(facts, body="/role=reader")


@pytest.mark.parametrize("value", [{}, [], {"a": 1}, [[]], None, "", 0])
def test_a_member_is_named_whatever_it_holds(value: object) -> None:
    facts = asked("application/json", json.dumps({"drop": value, "other": 1}).encode())
    assert blocked(facts, body="/drop")
    assert not blocked(facts, body="/dropped")


def test_an_array_gives_nothing_away_to_an_allow() -> None:
    facts = asked("application/json", b'[{"status": "draft"}, {"status": "final"}]')
    assert not allowed(facts, body="/status=draft")
    assert not allowed(facts, body="/*/status=draft")
    assert allowed(asked("application/json", b'[{"status": "draft"}]'), body="/*/status=draft")


@pytest.mark.parametrize("length", [4096, 5000, 200_000])
def test_padding_hides_nothing(length: int) -> None:
    document = {"query": " " * length + "DROP TABLE patients"}
    facts = asked("application/json", json.dumps(document).encode())
    assert blocked(facts, body="/query=*drop table*")


def test_pointers_besides_are_few() -> None:
    value: object = "x"
    for _ in range(60):
        value = [value]
    found = documents.leaves(value)
    assert len(documents.meant(found)) < 200
    assert dict(documents.meant((("/a~1b/0/c", "x"),))) == {
        "/a~1b/c": "x",
        "/a~1b": "",
        "/a~1b/0": "",
    }


# --- forms in parts -------------------------------------------------------------------------------


def form(*parts: str, end: str = "--b--\r\n") -> bytes:
    """A form with these parts."""
    return ("".join(f"--b\r\n{part}\r\n" for part in parts) + end).encode()


def part(name: str, value: str, more: str = "") -> str:
    """One part."""
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'


@pytest.mark.parametrize(
    "media", [MULTIPART, 'Multipart/Form-Data;boundary="b"', "multipart/form-data ; boundary=b"]
)
def test_a_form_in_parts_has_parameters(media: str) -> None:
    body = form(part("status", "draft"), part("role", "admin"))
    facts = asked(media, body)
    assert blocked(facts, parameter="role=admin")
    assert not allowed(facts, parameter="status=*")
    assert allowed(asked(media, form(part("status", "draft"))), parameter="status=draft")


def test_a_file_is_a_parameter_too() -> None:
    more = '; filename="a b.txt"\r\nContent-Type: text/plain'
    assert blocked(asked(MULTIPART, form(part("role", "admin", more))), parameter="role=admin")
    assert blocked(asked(MULTIPART, form(part("f", "\x00\xff", more))), parameter="f")


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("multipart/form-data", form(part("a", "b"))),
        ("multipart/form-data; boundary=b; boundary=c", form(part("a", "b"))),
        ("multipart/form-data; x=y; boundary=b", form(part("a", "b"))),
        (MULTIPART, b"before\r\n" + form(part("a", "b"))),
        (MULTIPART, form(part("a", "b"), end="--b-- x")),
        (MULTIPART, form(part("a", "b"), end="")),
        (MULTIPART, form("Content-Disposition: form-data; name=a\r\n\r\nb")),
        (MULTIPART, form('Content-Disposition: form-data; name="a"; name="c"\r\n\r\nb')),
        (MULTIPART, form("Content-Disposition: form-data; name*=utf-8''a\r\n\r\nb")),
        (MULTIPART, form('Content-Disposition: form-data;\r\n name="a"\r\n\r\nb')),
        (MULTIPART, form('X: y\r\nContent-Disposition: form-data; name="a"\r\n\r\nb')),
        (MULTIPART, form(part("a", "", "\r\nContent-Transfer-Encoding: base64"))),
        (MULTIPART, form('Content-Disposition: form-data; name="a"\n\nb')),
        (MULTIPART, form(part("_method", "DELETE"))),
        (MULTIPART, form(*[part("a", "b")] * 300)),
        (f"{MULTIPART}; charset=utf-16", form(part("a", "b"))),
    ],
)
def test_a_form_is_written_in_one_way(media: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        asked(media, body)


def test_lines_are_no_document() -> None:
    assert documents.is_lines(b'{"a":1}\n{"b":2}\n')
    assert not documents.is_lines(b'{"a":1}\n' + b" " * 10_000)
    assert not documents.is_lines(b'{\n"a":1}\n')


# --- paths and names in values --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "leads"),
    [
        ("/public/../secret/x", "/secret/x"),
        ("/public/./../secret", "/secret"),
        ("/public/%2e%2e/secret", "/secret"),
        ("/public/..%2fsecret", "/secret"),
        ("\\public\\..\\secret", "/secret"),
        ("public/../../secret", "secret"),
        ("file:///public/../secret", "file:///secret"),
        ("file://host/public/../../secret", "file://host/secret"),
        ("../secret", "secret"),
        ("/public/x/..", "/public"),
        ("/public/a..b/.hidden", ""),
        ("3.14", ""),
        ("50% of .", ""),
    ],
)
def test_a_path_with_dots_is_seen_as_where_it_leads(value: str, leads: str) -> None:
    assert resolved(value) == leads
    if not leads.startswith("/secret"):
        return
    facts = asked("application/json", json.dumps({"path": value}).encode())
    assert blocked(facts, body="/path=/secret*")
    assert not allowed(facts, body="/path=/public/*")
    facts = asked("application/x-www-form-urlencoded", b"path=" + quote(value).encode())
    assert blocked(facts, parameter="path=/secret*")
    assert not allowed(facts, parameter="path=/public/*")


@pytest.mark.parametrize(
    "uri",
    [
        "file:///public/../secret/x",
        "file:///public/%2e%2e/secret/x",
        "file:///public/..%5csecret/x",
        "file:///%73ecret/x",
    ],
)
def test_a_resource_of_mcp_is_seen_as_where_its_uri_leads(uri: str) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}
    facts = asked("application/json", json.dumps(message).encode(), form="mcp")
    assert blocked(facts, tool="file:///secret*")
    assert not allowed(facts, tool="file:///public/*")
    message["params"] = {"uri": "file:///public/a.b"}
    plain = asked("application/json", json.dumps(message).encode(), form="mcp")
    assert allowed(plain, tool="file:///public/*")


@pytest.mark.parametrize("name", ["role", "role[]", "role[0]", "ROLE[a][b]"])
def test_brackets_hide_no_parameter(name: str) -> None:
    facts = asked("application/x-www-form-urlencoded", f"{quote(name)}=admin".encode())
    assert blocked(facts, parameter="role=admin")
    assert blocked(asked(MULTIPART, form(part(name, "admin"))), parameter="role=admin")
