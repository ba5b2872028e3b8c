"""Streams of the settings: the node's children send its events; one that stalls holds up nobody."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic import Clinic, running_clinic
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.rsyslog import Rsyslog


class Stalled:
    """Takes connections and never says a word."""

    def __init__(self) -> None:
        self.taken: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.taken.append(self._listening.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self.taken:
            connection.close()


@pytest.fixture(scope="module")
def stalled() -> Iterator[Stalled]:
    server = Stalled()
    yield server
    server.close()


@pytest.fixture(scope="module")
def syslog(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rsyslog]:
    with Rsyslog(tmp_path_factory.mktemp("rsyslog"), certificates) as running:
        yield running


@pytest.fixture(scope="module")
def streaming(
    certificates: Certificates,
    postgres15: Postgres,
    stalled: Stalled,
    syslog: Rsyslog,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("streaming")
    token = directory / "siem.token"
    write_private(token, b"s3cret")
    streams: list[dict[str, Any]] = [
        {"name": "file", "to": f"file:{directory}/events.ndjson"},
        {
            "name": "stalled",
            "to": f"http://127.0.0.1:{stalled.port}/ingest",
            "token": {"file": str(token)},
        },
        {"name": "nobody", "to": f"http://127.0.0.1:{free_port()}/"},
        {
            "name": "syslog",
            "to": f"syslog://localhost:{syslog.port}",
            "ca_file": str(certificates.ca),
            "from_now": True,
        },
    ]
    with running_clinic(
        directory, certificates, postgres15, database="streaming", streams=streams
    ) as running:
        yield running


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def events(clinic: Clinic) -> list[dict[str, Any]]:
    path = clinic.gateway.directory / "events.ndjson"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def received(syslog: Rsyslog) -> str:
    return syslog.out.read_text() if syslog.out.exists() else ""


def children(clinic: Clinic) -> list[int]:
    """Processes of the node that send events."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--child" in arguments and str(clinic.gateway.config).encode() in arguments:
            found.append(int(entry.name))
    return found


def refused(clinic: Clinic) -> str:
    """Do what is masked and what is refused; the request's id."""
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        connection.execute("SELECT id, ssn FROM patients WHERE id = 7")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as error:
            connection.execute("DROP TABLE encounters")
    return str(json.loads(error.value.diag.message_detail or "")["request"])


def test_events_arrive_while_another_receiver_stalls(
    streaming: Clinic, stalled: Stalled, syslog: Rsyslog
) -> None:
    until(lambda: stalled.taken, "nobody asked the receiver that stalls")
    request = refused(streaming)
    until(lambda: request in json.dumps(events(streaming)), "the event is not in the file")
    until(lambda: request in received(syslog), "the event did not come to syslog")
    ssn = streaming.postgres.psql("SELECT ssn FROM patients WHERE id = 7", "streaming").strip()
    assert ssn not in json.dumps(events(streaming)) + received(syslog)
    indices = [event["unmapped"]["leaf"] for event in events(streaming)]
    assert indices == sorted(set(indices))
    # The one that nobody answers is told of, and holds up nobody either.
    until(lambda: "stream.away" in streaming.gateway.log_text(), "nobody said that one is away")
    assert json.loads(streaming.gateway.get("/healthz")[1])["checks"]["streams"] == "degraded"


def test_a_child_that_died_is_replaced(streaming: Clinic) -> None:
    before = until(lambda: len(children(streaming)) == 4 and children(streaming), "four children")
    for pid in before:
        os.kill(pid, 9)
    request = refused(streaming)
    until(lambda: request in json.dumps(events(streaming)), "the event is not in the file")
    assert not set(children(streaming)) & set(before)
    indices = {event["unmapped"]["leaf"] for event in events(streaming)}
    assert indices >= _wanted(streaming, max(indices))


def _wanted(clinic: Clinic, last: int) -> set[int]:
    """Leaves that are events for certain."""
    from hoopgate.recorder.note import Verifier
    from hoopgate.recorder.reading import LogReader

    directory = clinic.gateway.state_dir / "log"
    log = LogReader(directory, [Verifier.parse((directory / "vkey").read_text())])
    told = {"session.open", "session.close", "approval", "admin"}
    return {
        leaf["index"]
        for leaf, _ in log.leaves(end=last + 1)
        if leaf["type"] in told or leaf.get("decisions")
    }


def test_they_end_with_the_node(streaming: Clinic) -> None:
    until(lambda: len(children(streaming)) == 4, "four children")
    streaming.gateway.kill()
    until(lambda: not children(streaming), "children outlive the node")
    streaming.gateway.start()
    request = refused(streaming)
    until(lambda: request in json.dumps(events(streaming)), "the event is not in the file")
    streaming.gateway.stop()
    assert not children(streaming)
    streaming.gateway.start()
