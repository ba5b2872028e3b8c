"""Events for others' systems: FHIR AuditEvent and OCSF, checked by models that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from py_ocsf_models.events.base_event import BaseEvent
from py_ocsf_models.objects.metadata import Metadata
from recorder.recorder_world import World

from hoopgate.evidence.export import export
from hoopgate.evidence.ocsf import endpoint

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
    ],
)
def test_endpoints(peer: str, found: dict[str, object]) -> None:
    assert endpoint(peer) == found
