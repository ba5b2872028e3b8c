"""The gateway under ``twistd``, as the testbed starts it: ready, reloaded, stopped, killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.gateway import Gateway, settings_for
from testbed.postgres import Postgres
from testbed.process import ServerFailed


@pytest.fixture
def gateway(tmp_path: Path, certificates: Certificates, postgres15: Postgres) -> Iterator[Gateway]:
    settings = settings_for(
        tmp_path,
        certificates,
        postgres15,
        issuers=[{"name": "nobody", "url": "https://127.0.0.1:1", "audiences": ["gateway"]}],
        groups={"analysts": ["agent"]},
        rules=[{"name": "read", "verdict": "allow", "match": {"groups": ["analysts"]}}],
        labels=[{"column": "public.patients.ssn", "kind": "SSN"}],
        database="postgres",
    )
    with Gateway(tmp_path, settings, certificates) as running:
        yield running


def test_it_is_ready_reloads_and_stops(gateway: Gateway) -> None:
    status, page = gateway.get("/metrics")
    assert status == 200
    assert "hoopgate_" in page
    gateway.settings["rules"][0]["verdict"] = "block"
    gateway.reload("node.reloaded")
    gateway.settings["rules"][0]["verdict"] = "permit"
    gateway.reload("node.reload_failed")
    assert gateway.healthy()
    # twistd ends by the signal that stopped it, once everything is closed.
    assert gateway.stop() == -signal.SIGTERM
    assert "node.stopped" in gateway.log_text()
    assert not gateway.healthy()


def test_a_client_gets_an_answer_from_postgres_protocol(gateway: Gateway) -> None:
    # No issuer answers, so nobody gets in; that the refusal is one that libpq understands shows
    # that port, certificate and protocol are right.
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(gateway.dsn("no.token.at-all"))
    assert "FATAL" in str(caught.value)
    assert "no.token.at-all" not in gateway.log_text()


def test_it_starts_again_after_a_power_cut(gateway: Gateway) -> None:
    gateway.kill()
    assert not gateway.healthy()
    gateway.start()
    assert gateway.healthy()


def test_a_bad_file_is_told_without_traceback(gateway: Gateway) -> None:
    gateway.stop()
    gateway.settings["node"]["nmae"] = "x"
    with pytest.raises(ServerFailed) as caught:
        gateway.start()
    assert "ended with status 1" in str(caught.value)
    assert "node.nmae: unknown key; write name" in str(caught.value)
    assert "Traceback" not in str(caught.value)
