"""/metrics and /healthz over a real socket, and labels that nobody can flood."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from testbed.reactor import on_reactor, reactor

from hoopgate.gateway.metrics import Metrics, metrics_site


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def port(metrics: Metrics) -> Iterator[int]:
    listening = on_reactor(
        lambda: reactor.listenTCP(0, metrics_site(metrics), interface="127.0.0.1")
    )
    yield listening.getHost().port
    on_reactor(listening.stopListening)


def get(port: int, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_every_count_arrives(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.session_opened("postgres", "clinic")
    metrics.session_closed("postgres", "clinic")
    metrics.statement("clinic", "allow")
    metrics.statement("clinic", "block")
    metrics.hold_started()
    metrics.hold_started()
    metrics.hold_ended()
    metrics.identity_failure("identity.expired")
    metrics.cancel()
    metrics.commit(0.0007, 3)
    metrics.log_size(4711)
    found = samples(metrics)
    expected = {
        ("hoopgate_sessions_total", ("postgres", "clinic")): 3,
        ("hoopgate_sessions_open", ("postgres", "clinic")): 2,
        ("hoopgate_statements_total", ("clinic", "allow")): 1,
        ("hoopgate_statements_total", ("clinic", "block")): 1,
        ("hoopgate_holds_total", ()): 2,
        ("hoopgate_holds_waiting", ()): 1,
        ("hoopgate_identity_failures_total", ("identity.expired",)): 1,
        ("hoopgate_cancels_total", ()): 1,
        ("hoopgate_commit_seconds_bucket", ("0.0005",)): 0,
        ("hoopgate_commit_seconds_bucket", ("0.001",)): 1,
        ("hoopgate_commit_seconds_count", ()): 1,
        ("hoopgate_commit_entries_sum", ()): 3,
        ("hoopgate_log_entries", ()): 4711,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found[("process_resident_memory_bytes", ())] > 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(), max_size=30))
def test_what_is_no_word_is_other(labels: list[str]) -> None:
    metrics = Metrics()
    for label in labels:
        metrics.identity_failure(label)
    counted = {
        labels: value
        for (name, labels), value in samples(metrics).items()
        if name == "hoopgate_identity_failures_total"
    }
    assert sum(counted.values()) == len(labels)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", label) for (label,) in counted)


def test_labels_are_bounded(metrics: Metrics) -> None:
    for number in range(5000):
        metrics.statement(f"r{number}", "allow")
        metrics.statement(f"canary {number}", "allow")
    found = samples(metrics)
    statements = {
        labels: value
        for (name, labels), value in found.items()
        if name == "hoopgate_statements_total"
    }
    assert len(statements) <= 202
    assert sum(statements.values()) == 10_000
    assert "canary" not in metrics.page().decode()


def test_it_is_cheap(metrics: Metrics) -> None:
    start = time.perf_counter()
    for _ in range(10_000):
        metrics.statement("clinic", "allow")
    assert (time.perf_counter() - start) / 10_000 < 20e-6  # seconds; about one is usual


def test_the_registry_is_ours() -> None:
    assert "python_gc" not in Metrics().page().decode()
    Metrics()  # a second one does not collide


def test_metrics_page(metrics: Metrics, port: int) -> None:
    metrics.session_opened("postgres", "clinic")
    response, body = get(port, "/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Server" not in response.headers
    assert b'hoopgate_sessions_open{protocol="postgres",resource="clinic"} 1.0' in body


def test_healthz(metrics: Metrics, port: int) -> None:
    states = {"recorder": "ok", "parser": "ok"}
    for name in states:
        metrics.health.check(name, lambda name=name: states[name])

    def page() -> tuple[int, dict[str, object]]:
        response, body = get(port, "/healthz")
        assert response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(body)

    assert page() == (200, {"status": "ok", "draining": False, "checks": states})
    states["parser"] = "degraded"
    assert page() == (200, {"status": "degraded", "draining": False, "checks": states})
    states["recorder"] = "failed"
    assert page() == (503, {"status": "failed", "draining": False, "checks": states})
    states["recorder"] = "ok"
    metrics.health.draining = True
    assert page()[0] == 503
    metrics.health.draining = False
    metrics.health.check("broken", lambda: str(1 / 0))
    assert page()[0] == 503
    metrics.health.check("broken", lambda: "fine, thanks")
    status, body = page()
    assert (status, body["status"]) == (503, "failed")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/healthz", 200),
        ("POST", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/healthz/../metrics", 404),
    ],
)
def test_nothing_else_is_here(port: int, method: str, path: str, status: int) -> None:
    assert get(port, path, method)[0].status == status
