"""Events for others' systems: FHIR AuditEvent and OCSF, checked by models that are not ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ocsf_models.events.base_event import BaseEvent
from py_ocsf_models.objects.metadata import Metadata
from recorder.recorder_world import World

from hoopgate.evidence.export import export
from hoopgate.evidence.facts import gather
from hoopgate.evidence.fhir import audit_event
from hoopgate.evidence.manifest import Manifest
from hoopgate.evidence.ocsf import endpoint, event_of
from hoopgate.evidence.period import Selection
from hoopgate.evidence.report import report
from hoopgate.recorder.leaf import TYPES, Leaf, encode
from hoopgate.recorder.note import Checkpoint

#: What https://schema.ocsf.io/1.5.0 requires of each class, beside what it does of all; of the
#: attributes in a tuple one.
REQUIRED: dict[int, tuple[str | tuple[str, ...], ...]] = {
    0: (),
    3002: ("user", ("service", "dst_endpoint")),
    4002: (("dst_endpoint", "src_endpoint"), ("http_request", "http_response")),
    4007: (("dst_endpoint", "src_endpoint"),),
    6005: ("actor", "src_endpoint", ("database", "databucket", "table")),
}
OF_ALL = ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid")


@pytest.fixture(scope="module")
def everything(eventful_log: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("everything") / "b"
    export(eventful_log.reader(), out, 0, 2**62)
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_fhir(everything: Path, eventful_log: World) -> None:
    """AuditEvent is the same in R4 (4.0.1) and R4B (4.3.0), of which there is a model."""
    events = lines(everything / "fhir-auditevents.ndjson")
    assert len({event["id"] for event in events}) == len(events)
    for event in events:
        AuditEvent.model_validate(event)
        assert event["agent"]
        assert event["source"]["observer"]
    requests = [e for e in events if e["type"]["code"] == "110112"]
    assert len(requests) == sum(
        1 for leaf in eventful_log.leaves() if leaf["type"] == "chunk" and "decisions" in leaf
    )
    refused = [e for e in requests if e["outcome"] == "4"]
    assert len(refused) == 5
    assert {e["outcomeDesc"] for e in refused} == {
        "refused: hipaa-baseline/ddl",
        "refused: operator/no-export",
    }
    owners = {agent["who"]["display"] for e in refused for agent in e["agent"]}
    assert "olga" in owners
    web = next(e for e in refused if e["outcomeDesc"].endswith("no-export"))
    assert web["agent"][0]["network"] == {"address": "::1", "type": "2"}
    with pytest.raises(ValueError, match="recorded"):  # the model does refuse
        AuditEvent.model_validate({**events[0], "recorded": "yesterday"})


def test_ocsf(everything: Path) -> None:
    events = lines(everything / "ocsf.ndjson")
    classes = {event["class_uid"] for event in events}
    assert classes == set(REQUIRED)
    for event in events:
        BaseEvent.model_validate(event)
        Metadata.model_validate(event["metadata"])
        for name in (*OF_ALL, *REQUIRED[event["class_uid"]]):
            names = (name,) if isinstance(name, str) else name
            assert any(one in event for one in names), (event["class_uid"], name)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    blocked = [event for event in events if event.get("disposition") == "Blocked"]
    assert {event["action_id"] for event in blocked} == {2}
    assert {event["firewall_rule"]["name"] for event in blocked} == {
        "hipaa-baseline/ddl",
        "operator/no-export",
    }
    gap = next(e for e in events if e["metadata"]["event_code"] == "gap.recovered")
    assert gap["severity"] == "High"
    with pytest.raises(ValueError, match="severity_id"):
        BaseEvent.model_validate({**events[0], "severity_id": 17})


def test_nothing_of_a_payload_is_in_them(everything: Path) -> None:
    for name in ("ocsf.ndjson", "fhir-auditevents.ndjson", "report.html", "sessions.ndjson"):
        text = (everything / name).read_text()
        for word in ("SELECT", "ssn", "DROP TABLE", "Patient/17", "row 1"):
            assert word not in text


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("10.0.0.1:5432", {"ip": "10.0.0.1", "port": 5432}),
        ("[2001:db8::1]:22", {"ip": "2001:db8::1", "port": 22}),
        ("unix", {"name": "unix"}),
        ("", {"name": "unknown"}),
        ("proxy:5432", {"name": "proxy:5432"}),
        ("10.0.0.1:70000", {"name": "10.0.0.1:70000"}),
    ],
)
def test_endpoints(peer: str, found: dict[str, object]) -> None:
    assert endpoint(peer) == found


# --- whatever the leaves say ---------------------------------------------------------------------

#: What clients, issuers and files may have as a name.
NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "  ", "\n", "\x00", "\u2028", "\ud800", "a b", "\x1b[2J", "\u202eevil"]),
    st.sampled_from(["&lt;", "<script>x</script>", "'\"--></style><img src=x onerror=alert(1)>"]),
)
SCALARS = st.one_of(NAMES, st.integers(-(2**70), 2**70), st.booleans(), st.none())
ANYTHING = st.recursive(
    SCALARS,
    lambda one: st.one_of(
        st.lists(one, max_size=3), st.dictionaries(st.text(max_size=8), one, max_size=3)
    ),
    max_leaves=5,
)
VERDICTS = st.sampled_from(["allow", "block", "mask", "hold"])
ABOUT = ("event", "action", "session", "reference", "until", "rules", "time", "type", "leaf")
FIELDS = {
    **dict.fromkeys(("subject", "issuer", "owner", "client", "resource", "database"), NAMES),
    **dict.fromkeys(("tls", "rules", "reason", "retention", "previous", "version"), ANYTHING),
    **dict.fromkeys(("groups", "actors"), ANYTHING | st.lists(NAMES, max_size=3)),
    "peer": NAMES | st.sampled_from(["1.2.3.4:5", "[::1]:99999999", "[::1", "host:1", "::1:5"]),
    "protocol": NAMES | st.sampled_from(["postgres", "mysql", "ssh", "fhir", "http", "mcp"]),
    "detail": ANYTHING | st.dictionaries(st.sampled_from(ABOUT), ANYTHING, max_size=4),
    "direction": st.sampled_from(["client", "backend", "both", ""]),
    "decisions": ANYTHING | st.lists(st.tuples(NAMES, NAMES | VERDICTS, NAMES), max_size=3),
    "verdicts": ANYTHING | st.dictionaries(VERDICTS, st.integers(0, 9) | ANYTHING, max_size=3),
}
NUMBERS = st.integers(0, 2**62) | st.integers(0, 10**24)
PLACES = dict.fromkeys(("time", "mono", "seq", "segment", "offset"), NUMBERS)


@st.composite
def any_leaf(draw: st.DrawFn, kinds: Iterable[str] = TYPES) -> Leaf:
    """A leaf of any type, with any fields, as it is read from a log."""
    more = draw(st.fixed_dictionaries({}, optional=FIELDS))
    placed = draw(st.fixed_dictionaries(PLACES))
    about = {"index": draw(st.integers(0, 2**62)), "length": 0, "prev": ""}
    leaf = {**more, **placed, **about, "type": draw(st.sampled_from(sorted(kinds)))}
    leaf["session"] = draw(st.sampled_from(["s-1", "s-2", "epoch-1"]))
    found: Leaf = json.loads(encode(leaf))
    return found


class Page(HTMLParser):
    """Fails at what the report itself does not have."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = "html head meta title style body h1 h2 p code dl dt dd div b table thead tbody tr"
        assert tag in (*own.split(), "th", "td", "ul", "li")
        assert {name for name, _ in attrs} <= {"lang", "charset", "http-equiv", "content", "class"}


@settings(max_examples=40, deadline=None)
@given(any_leaf({"session.open"}), st.lists(any_leaf(), min_size=1, max_size=4))
def test_any_leaves_make_valid_events_and_an_inert_page(first: Leaf, more: list[Leaf]) -> None:
    facts = gather([first], more)
    for leaf in (first, *more):
        for session in (facts.sessions.get(leaf["session"]), None):
            event = audit_event("gw/x", leaf, b"h" * 32, session)
            if event is not None:
                AuditEvent.model_validate(json.loads(encode(event)))
            event = event_of("gw/x", leaf, b"h" * 32, session, "1.0")
            if event is not None:
                event = json.loads(encode(event))
                BaseEvent.model_validate(event)
                Metadata.model_validate(event["metadata"])
                encode(event).decode()
    manifest = Manifest("gw/x", 10, Selection(0, 2**62, 0, 5), 1, "1.0", True)
    page = report(manifest, Checkpoint("gw/x", 10, b"r" * 32), facts).decode()
    Page().feed(page)
    assert all(c == "\n" or c.isprintable() for c in page)
