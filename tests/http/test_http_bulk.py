"""Bulk export of a FHIR server (Bulk Data Access IG 2.0): held, approved, masked line by line."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from testbed.webclinic import Twins

HOOPGATE = Path(sys.executable).with_name("hoopgate")
ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


@pytest.fixture
def agent(twins: Twins) -> Iterator[httpx.Client]:
    """httpx with a token."""
    context = ssl.create_default_context(cafile=str(twins.certificates.ca))
    headers = {"Authorization": f"Bearer {twins.token()}"}
    with httpx.Client(
        verify=context, base_url=twins.url("/ehra"), headers=headers, timeout=60
    ) as client:
        yield client


def approved(twins: Twins, answer: httpx.Response) -> None:
    """Have a reviewer approve what was held."""
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["reason"] == "approval.pending"
    assert problem["type"] == "urn:hoopgate:problem:approval.pending"
    assert int(answer.headers["retry-after"]) > 0
    subprocess.run(
        [
            *(HOOPGATE, "approvals", "approve", problem["approval"], "--reason", "registry"),
            *("--config", twins.gateway.config),
        ],
        env={"HOOPGATE_TOKEN": twins.token("rita"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=60,
        check=True,
    )


@pytest.mark.parametrize("path", ["/$export", "/Patient/$export", "/Group/all/$export"])
def test_an_export_from_kick_off_to_files(agent: httpx.Client, twins: Twins, path: str) -> None:
    query = path + "?_type=Patient,Observation"
    approved(twins, agent.get(query, headers=ASYNC))
    other = agent.get(query + "&_since=2024-01-01T00:00:00Z", headers=ASYNC)
    assert other.status_code == 403, "the approval is for that request alone"
    kicked = agent.get(query, headers=ASYNC)
    assert kicked.status_code == 202
    status = kicked.headers["content-location"]
    assert status.startswith(twins.url("/ehra/bulkstatus/"))
    assert agent.get(query, headers=ASYNC).status_code == 403, "once"
    waiting = agent.get(status)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert "Canary" not in str(waiting.headers) + waiting.text
    done = agent.get(status)
    assert done.status_code == 200
    manifest = done.json()
    assert [one["type"] for one in manifest["output"]] == ["Patient", "Observation"]
    assert set(manifest) == {"requiresAccessToken", "output", "error"}
    for one in manifest["output"]:
        assert one["url"].startswith(twins.url("/ehra/bulkfiles/"))
        approved(twins, agent.get(one["url"]))
        with agent.stream("GET", one["url"]) as answer:
            assert answer.headers["content-type"] == "application/fhir+ndjson"
            lines = [json.loads(line) for line in answer.iter_lines()]
        assert len(lines) == {"Patient": 12, "Observation": 24}[one["type"]]
        assert {line["resourceType"] for line in lines} == {one["type"]}
        assert "Canary" not in json.dumps(lines) and "MRN-" not in json.dumps(lines)
        assert agent.get(one["url"]).status_code == 403, "once"
    assert agent.delete(status).status_code == 202
    gone = agent.get(status)
    assert gone.status_code == 404
    assert gone.json()["resourceType"] == "OperationOutcome"


def test_a_refused_kick_off_says_nothing(agent: httpx.Client, twins: Twins) -> None:
    approved(twins, agent.get("/$export"))
    answer = agent.get("/$export")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"] == "[TEXT]"
    assert "Canary" not in answer.text


def test_where_no_rule_names_bulk_it_is_refused(agent: httpx.Client, twins: Twins) -> None:
    answer = agent.get(twins.url("/ehrb/Patient/$export"), headers=ASYNC)
    assert (answer.status_code, answer.json()["reason"]) == (403, "phi.bulk")
